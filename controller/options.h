// The command line: the only place that knows its words.

#ifndef PARTITION_CONTROLLER_CONTROLLER_OPTIONS_H_
#define PARTITION_CONTROLLER_CONTROLLER_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "controller/log.h"
#include "crd/duration.h"
#include "reconcilers/instant.h"

namespace partition_controller {

enum class Command {
  kValidate,
  kPlan,
  kApply,
  kRun,
  kMigrate,
  kUnconvert,
  kCatalog,
  kSimulate,
  kDoctor,
  kCompletion,
  kMan,
  kVersion
};

struct Options {
  enum class Output { kText, kJson, kSql, kSvg, kYaml };
  enum class Colour { kAuto, kAlways, kNever };

  Command command = Command::kVersion;
  std::vector<std::string> specs;  // files and folders
  Output output = Output::kText;
  std::optional<Instant> now;
  std::string catalog;         // a file that `catalog` wrote; empty: the database is asked
  std::string connection_env;  // in place of specs
  std::optional<Instant> from;
  std::optional<Instant> to;
  std::optional<CalendarDuration> every;
  std::vector<std::string> acknowledged;
  std::string listen = "0.0.0.0:8080";
  bool kubernetes = false;  // policies come from the cluster
  std::string kubeconfig;   // empty: where it usually is
  std::string context;
  std::vector<std::string> namespaces;  // none: all
  std::string lease = "partition-controller";
  std::string shell;  // of completion
  Colour colour = Colour::kAuto;
  Severity log_level = Severity::kInfo;
};

// Either options, or text to print and the exit code: --help is 0, anything
// that cannot be understood is 1.
struct ParsedOptions {
  std::optional<Options> options;
  int exit_code = 0;
  std::string out;
  std::string err;
};

// `arguments` without the program's name.
ParsedOptions ParseOptions(const std::vector<std::string>& arguments);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_OPTIONS_H_
