// Programs that hand out credentials, as kubeconfig files name them
// (client.authentication.k8s.io): gke-gcloud-auth-plugin, for one.

#ifndef PARTITION_CONTROLLER_CONTROLLER_EXEC_PLUGIN_H_
#define PARTITION_CONTROLLER_CONTROLLER_EXEC_PLUGIN_H_

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "reconcilers/instant.h"

namespace partition_controller {

struct ExecPlugin {
  std::string command;  // a path, or a name that is looked for in PATH
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  // beside our own
  std::string api_version;
  std::string install_hint;
  std::string cluster_info;  // JSON for provideClusterInfo; empty: not wanted
  bool operator==(const ExecPlugin&) const = default;
};

struct ExecCredential {
  std::string token;
  std::string certificate;  // PEM, with `key`
  std::string key;
  std::optional<Instant> expires;
};

// Runs it, without a shell and without our open files, and reads what it
// prints.  It is killed after `patience`.
// Throws ClusterError (kCredentials) that never shows a credential.
ExecCredential RunExecPlugin(const ExecPlugin& plugin,
                             std::chrono::milliseconds patience = std::chrono::minutes(1));

// What it printed.  Throws as above.
ExecCredential ReadExecCredential(const std::string& printed, const ExecPlugin& plugin);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_EXEC_PLUGIN_H_
