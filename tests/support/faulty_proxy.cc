#include "tests/support/faulty_proxy.h"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

namespace partition_controller {

using nlohmann::json;

FaultyProxy::FaultyProxy(const ApiServer& server)
    : process_(std::make_unique<Process>(
          std::vector<std::string>{"/usr/bin/env", "node", PC_FAULTY_PROXY, server.certificate_file(),
                                   server.key_file(), server.ca_file(), std::to_string(server.port())})) {
  while (process_->Out().find('\n') == std::string::npos) {
    if (!process_->Running()) throw std::runtime_error("node: " + process_->Err());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const json ports = json::parse(process_->Out());
  port_ = ports.at("port").get<int>();
  control_ = ports.at("control").get<int>();
}

void FaultyProxy::Answer(const std::string& method, const std::string& path, int status, const json& headers,
                         const std::string& body) {
  Control("/fault", json{{"method", method},
                         {"path", path},
                         {"status", status},
                         {"headers", headers.is_null() ? json::object() : headers},
                         {"body", body}}
                        .dump());
}

void FaultyProxy::Fault(const std::string& method, const std::string& path, const char* what) const {
  Control("/fault", json{{"method", method}, {"path", path}, {what, true}}.dump());
}

std::size_t FaultyProxy::held() const { return json::parse(Control("/held", "")).get<std::size_t>(); }

std::vector<std::pair<std::string, std::string>> FaultyProxy::requests() const {
  return json::parse(Control("/requests", "")).get<std::vector<std::pair<std::string, std::string>>>();
}

std::size_t FaultyProxy::left() const { return json::parse(Control("/left", "")).size(); }

std::string FaultyProxy::Control(const std::string& path, const std::string& body) const {
  const Finished done = RunProgram({"/usr/bin/curl", "--silent", "--fail", "--data-binary", body,
                                    "http://127.0.0.1:" + std::to_string(control_) + path});
  if (done.code != 0) throw std::runtime_error("the proxy does not answer: " + process_->Err());
  return done.out;
}

}  // namespace partition_controller
