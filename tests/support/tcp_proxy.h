// A stretch of network between two programs, with the faults that networks
// have.  Knows nothing of what passes through: TLS is end to end.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_TCP_PROXY_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_TCP_PROXY_H_

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

namespace partition_controller {

class TcpProxy {
 public:
  // From a free port of 127.0.0.1 to `port` of the same.
  explicit TcpProxy(int port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  int port() const { return port_; }

  // Ends every connection with a reset, as a load balancer does with idle ones.
  void Reset();
  // From now on nothing passes, and nobody is told: a half-open connection.
  void Stall(bool stalled) { stalled_ = stalled; }
  // From now on new connections are reset at once.
  void Refuse(bool refused) { refused_ = refused; }

  // From now on new connections lead to another port.
  void Lead(int port) { target_ = port; }

  // How many connections have been made through it.
  int connections() const { return connections_; }

 private:
  struct Pair {
    int client;
    int server;
  };

  void Run();
  void Accept();
  static void Close(const Pair& pair, bool reset);

  std::atomic<int> target_;
  int port_ = 0;
  int listener_ = -1;
  std::atomic<bool> stalled_{false};
  std::atomic<bool> refused_{false};
  std::atomic<bool> reset_{false};
  std::atomic<bool> done_{false};
  std::atomic<int> connections_{0};
  std::vector<Pair> pairs_;  // only the thread touches them
  std::thread thread_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_TCP_PROXY_H_
