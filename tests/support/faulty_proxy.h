// A stretch of network that understands HTTP, with the faults of what stands in
// front of API servers: answers of its own, resets, silence.  Ends TLS with the
// API server's certificate (tests/support/faulty_proxy.mjs).

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_FAULTY_PROXY_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_FAULTY_PROXY_H_

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/api_server.h"

namespace partition_controller {

class FaultyProxy {
 public:
  // Throws std::runtime_error if it cannot be started.
  explicit FaultyProxy(const ApiServer& server);

  int port() const { return port_; }

  // The next request of `method` whose path and query contain `path` gets this
  // answer and is not passed on.  `headers`: an object, or null.
  void Answer(const std::string& method, const std::string& path, int status, const nlohmann::json& headers,
              const std::string& body = "");
  // The next such request reaches the server, and its answer nobody.
  void Lose(const std::string& method, const std::string& path) { Fault(method, path, "lose"); }
  // The next such request stops half-way, until Release.
  void Hold(const std::string& method, const std::string& path) { Fault(method, path, "hold"); }
  std::size_t held() const;
  void Release() const { Control("/release", ""); }

  // Everything that was asked so far: method and path, with its query.
  std::vector<std::pair<std::string, std::string>> requests() const;

  // How many of those answers nobody has got yet.
  std::size_t left() const;

  // Ends every connection with a reset.
  void Reset() const { Control("/reset", ""); }
  // From now on nothing is passed on, or everything that waits for it.
  void Stall(bool stalled) const { Control(stalled ? "/stall" : "/flow", ""); }

 private:
  void Fault(const std::string& method, const std::string& path, const char* what) const;
  std::string Control(const std::string& path, const std::string& body) const;

  std::unique_ptr<Process> process_;
  int port_ = 0;
  int control_ = 0;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_FAULTY_PROXY_H_
