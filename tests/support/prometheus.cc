#include "tests/support/prometheus.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

namespace partition_controller {
namespace {

constexpr const char* kProgram = "/usr/bin/prometheus";
constexpr const char* kTool = "/usr/bin/promtool";

std::string PercentEncode(const std::string& text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return encoded;
}

}  // namespace

bool Prometheus::Available() { return access(kProgram, X_OK) == 0 && access(kTool, X_OK) == 0; }

Prometheus::Prometheus(int target_port) : port_(FreePort()) {
  const std::string configuration = folder_.Write(
      "prometheus.yml",
      "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: controller\n"
      "  static_configs: [{targets: ['127.0.0.1:" +
          std::to_string(target_port) + "']}]\n");
  process_ = std::make_unique<Process>(std::vector<std::string>{
      kProgram, "--config.file=" + configuration, "--storage.tsdb.path=" + folder_.path() + "/data",
      "--web.listen-address=127.0.0.1:" + std::to_string(port_), "--log.level=warn"});
  for (int tries = 0; tries < 600; ++tries) {
    if (HttpGet(port_, "/-/ready")) return;
    if (!process_->Running()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  throw std::runtime_error("Prometheus did not start:\n" + process_->Err());
}

std::optional<std::vector<Prometheus::Sample>> Prometheus::Query(const std::string& expression) const {
  const std::optional<std::string> answer =
      HttpGet(port_, "/api/v1/query?query=" + PercentEncode(expression));
  if (!answer) return std::nullopt;
  std::vector<Sample> samples;
  const nlohmann::json json = nlohmann::json::parse(*answer);
  for (const auto& result : json.at("data").at("result")) {
    Sample sample;
    for (const auto& [name, value] : result.at("metric").items()) {
      sample.labels.emplace_back(name, value.get<std::string>());
    }
    sample.value = std::stod(result.at("value").at(1).get<std::string>());
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::optional<double> Prometheus::Value(const std::string& expression) const {
  const auto samples = Query(expression);
  if (!samples || samples->size() != 1) return std::nullopt;
  return samples->front().value;
}

std::string Prometheus::Check(const std::string& page) {
  const ScratchFolder folder;
  const std::string path = folder.Write("metrics", page);
  const Finished checked = RunProgram({"/bin/sh", "-c", std::string(kTool) + " check metrics < " + path});
  if (checked.code == 0 && checked.out.empty() && checked.err.empty()) return "";
  return "exit " + std::to_string(checked.code) + ": " + checked.out + checked.err;
}

}  // namespace partition_controller
