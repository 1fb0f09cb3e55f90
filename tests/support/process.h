// Programs that tests start, and that die with the test.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_PROCESS_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace partition_controller {

// Its output goes into memory files, so that nobody has to read along.  As a
// server of tests/support/postgres_server.h it lives no longer than the thread
// that started it.
class Process {
 public:
  struct Options {
    std::vector<std::pair<std::string, std::string>> environment;  // beside PATH, LC_ALL=C and TZ=UTC
    std::string directory = "/";
    // For programs that refuse to run as root: as `postgres` or `nobody`, if
    // this process is root's.
    bool unprivileged = false;
  };

  // Throws std::runtime_error if it cannot be started.
  Process(std::vector<std::string> command, const Options& options);
  explicit Process(std::vector<std::string> command) : Process(std::move(command), Options()) {}
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool Running();
  void Signal(int number) const;

  // The exit code, or 128 plus the signal that ended it; nothing if it is
  // running still after `patience`.
  std::optional<int> Wait(std::chrono::seconds patience = std::chrono::seconds(60));

  std::string Out() const;
  std::string Err() const;

 private:
  pid_t pid_ = -1;
  std::optional<int> code_;
  int out_ = -1;
  int err_ = -1;
};

// What a command printed and how it ended.
struct Finished {
  int code = -1;
  std::string out;
  std::string err;
};
Finished RunProgram(std::vector<std::string> command, const Process::Options& options = {});

// A port of 127.0.0.1 that nobody listens on.
int FreePort();

// A folder of its own, world-readable, gone with the object.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }
  // Writes a file as a whole (a rename), readable by everybody; its path.
  std::string Write(const std::string& name, const std::string& text) const;
  void Remove(const std::string& name) const;

 private:
  std::string path_;
};

// The body of http://127.0.0.1:`port``path`; nothing unless it answers 200.
std::optional<std::string> HttpGet(int port, const std::string& path);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_PROCESS_H_
