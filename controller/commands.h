// What each command does.  Results go to `out`, diagnostics to `err`; the
// returned number is the exit code (docs/design.md lists them).

#ifndef PARTITION_CONTROLLER_CONTROLLER_COMMANDS_H_
#define PARTITION_CONTROLLER_CONTROLLER_COMMANDS_H_

#include <ostream>
#include <stop_token>
#include <string>

#include "controller/connection.h"
#include "controller/converge.h"
#include "controller/options.h"

namespace partition_controller {

// Where a command runs; tests bring their own.
struct Surroundings {
  std::ostream& out;
  std::ostream& err;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  Clock& clock;
  Connector connect;
  Operations operations;
  std::string holder;
  std::stop_token stop;
  std::function<bool()> reload = [] { return false; };  // whether to look again at once
  // Like `connect`, where connection strings may be in Secrets.
  std::function<std::unique_ptr<Session>(const ConnectionSpec&, const SecretReader&)> connect_with = nullptr;
};

int Validate(const Options& options, const Surroundings& around);
int ShowPlan(const Options& options, const Surroundings& around);
int ApplyOnce(const Options& options, const Surroundings& around);
int MigrateAll(const Options& options, const Surroundings& around);
int SaveCatalog(const Options& options, const Surroundings& around);
int ShowSimulation(const Options& options, const Surroundings& around);
int RunDoctor(const Options& options, const Surroundings& around);
int Unconvert(const Options& options, const Surroundings& around);
int RunController(const Options& options, const Surroundings& around);
int RunInCluster(const Options& options, const Surroundings& around);

// The one that `options` names.
int RunCommand(const Options& options, const Surroundings& around);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_COMMANDS_H_
