// What kubectl-partition does, with nothing but the API server.

#ifndef PARTITION_CONTROLLER_CONTROLLER_COMMAND_PLUGIN_H_
#define PARTITION_CONTROLLER_CONTROLLER_COMMAND_PLUGIN_H_

#include <ostream>
#include <stop_token>
#include <string>

#include "controller/clock.h"
#include "controller/cluster.h"
#include "controller/plugin_options.h"

namespace partition_controller {

// Runs the command that `options` names in the cluster that the kubeconfig
// leads to.  Results go to `out`, diagnostics to `err`; returns the exit code.
int RunPlugin(const PluginOptions& options, Clock& clock, const std::stop_token& stop, std::ostream& out,
              std::ostream& err);

// The same in this cluster; `name_space` is the context's.
// Throws ClusterError.
int RunPlugin(const PluginOptions& options, Cluster& cluster, const std::string& name_space,
              const std::stop_token& stop, std::ostream& out, std::ostream& err);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_COMMAND_PLUGIN_H_
