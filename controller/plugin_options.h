// The command line of kubectl-partition, which kubectl runs as `kubectl
// partition`.

#ifndef PARTITION_CONTROLLER_CONTROLLER_PLUGIN_OPTIONS_H_
#define PARTITION_CONTROLLER_CONTROLLER_PLUGIN_OPTIONS_H_

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "controller/kubeconfig.h"

namespace partition_controller {

struct PluginOptions {
  enum class Command { kStatus, kPlan, kWhy, kUndo };
  enum class Output { kText, kWide, kJson, kYaml };  // kWide: only for kStatus

  Command command = Command::kStatus;
  std::string name;        // of the policy; empty: all (only for kStatus)
  std::string name_space;  // empty: the context's
  bool all_namespaces = false;
  std::string kubeconfig;  // empty: where it usually is
  std::string context;
  ContextOverrides overrides;
  std::string selector;  // of labels (only for kStatus)
  std::optional<std::chrono::milliseconds> request_timeout;
  Output output = Output::kText;
  bool release = false;  // of kUndo: end it
};

// Either options, or text to print and the exit code: --help is 0, anything
// that cannot be understood is 1.
struct ParsedPluginOptions {
  std::optional<PluginOptions> options;
  int exit_code = 0;
  std::string out;
  std::string err;
};

// `arguments` without the program's name.
ParsedPluginOptions ParsePluginOptions(const std::vector<std::string>& arguments);

// Whether a program that was started by this name is the plugin.
bool IsPlugin(const std::string& program);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_PLUGIN_OPTIONS_H_
