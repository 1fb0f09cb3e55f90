// A real Prometheus that scrapes one target, and its promtool.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_PROMETHEUS_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_PROMETHEUS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace partition_controller {

class Prometheus {
 public:
  // Scrapes http://127.0.0.1:`target_port`/metrics every second.  Throws
  // std::runtime_error if it does not come up.
  explicit Prometheus(int target_port);

  static bool Available();

  struct Sample {
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;
  };
  // An instant query; nothing if it cannot be answered.
  std::optional<std::vector<Sample>> Query(const std::string& expression) const;
  // The value of the only sample; nothing if there is none, or several.
  std::optional<double> Value(const std::string& expression) const;

  // What `promtool check metrics` says about a page; empty: nothing.
  static std::string Check(const std::string& page);

 private:
  ScratchFolder folder_;
  int port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_PROMETHEUS_H_
