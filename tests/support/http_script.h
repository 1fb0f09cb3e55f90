// An HTTP server that gives the answers that it was told to, one after the
// other, to whoever asks: for what a real API server cannot be made to say.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_HTTP_SCRIPT_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_HTTP_SCRIPT_H_

#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace partition_controller {

class HttpScript {
 public:
  HttpScript();
  ~HttpScript();
  HttpScript(const HttpScript&) = delete;
  HttpScript& operator=(const HttpScript&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // The next answer: a status line's code, a body, and more headers ("A: b\r\n").
  void Answer(int status, const std::string& body, const std::string& headers = "");
  // The next answer as bytes, and the end of the connection after them.  Empty:
  // the connection ends without an answer.
  void AnswerRaw(const std::string& bytes);

  // What was asked for so far: request lines, headers and bodies.
  std::vector<std::string> requests() const;

 private:
  struct Scripted {
    std::string bytes;
    bool last = false;  // of its connection
  };

  void Run();
  void Serve(int fd);

  int port_ = 0;
  int listener_ = -1;
  std::atomic<bool> done_{false};
  mutable std::mutex mutex_;
  std::deque<Scripted> script_;
  std::vector<std::string> requests_;
  std::vector<std::thread> threads_;
  std::thread thread_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_HTTP_SCRIPT_H_
