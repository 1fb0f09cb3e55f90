// Where the API server is and who we are, from a kubeconfig file or from what
// Kubernetes puts into every pod.  Reads no clock and opens no connection.

#ifndef PARTITION_CONTROLLER_CONTROLLER_KUBECONFIG_H_
#define PARTITION_CONTROLLER_CONTROLLER_KUBECONFIG_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/exec_plugin.h"

namespace partition_controller {

// Something that is either written out or in a file, which is read when it is
// needed: it may be renewed at any time.
struct TextOrFile {
  std::string text;
  std::string file;
  bool empty() const { return text.empty() && file.empty(); }
  bool operator==(const TextOrFile&) const = default;
};

struct ClusterAccess {
  std::string server;           // "https://10.0.0.1:443", without a slash at the end
  std::string tls_server_name;  // empty: the host of `server`
  TextOrFile authority;         // PEM; empty: what the system trusts
  TextOrFile certificate;       // PEM, with `key`
  TextOrFile key;
  TextOrFile token;
  std::optional<ExecPlugin> exec;
  std::string impersonate;  // whom to act for, if the server lets us; empty: nobody
  std::string name_space = "default";
  bool operator==(const ClusterAccess&) const = default;
};

// One kubeconfig file.
struct KubeconfigFile {
  std::string path;  // what relative paths in it are relative to, and for messages
  std::string text;
};

// What takes the place of a context's own, if not empty.
struct ContextOverrides {
  std::string cluster;
  std::string user;
  std::string server;
  std::string authority;    // a file
  std::string token;        // in place of all that the user has to show
  std::string impersonate;  // ClusterAccess::impersonate
  // Whether all of them fit the pod's own access as well.
  bool empty() const { return cluster.empty() && user.empty() && server.empty() && authority.empty(); }
};

// The current context of the files, or `context`.  Of several files the first
// that names a cluster, user, context or current-context counts.
// Throws ClusterError (kCredentials), which never shows a credential.
ClusterAccess ReadKubeconfig(const std::vector<KubeconfigFile>& files, const std::string& context = "",
                             const ContextOverrides& overrides = {});

// Of the pod that this process is in; nothing outside of one.  `variable`
// returns the value of an environment variable, or an empty text; `folder` is
// where the service account is mounted.
std::optional<ClusterAccess> InClusterAccess(
    const std::function<std::string(const char*)>& variable,
    const std::string& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

// `kubeconfig` if it is not empty, else the pod's, else $KUBECONFIG, else
// ~/.kube/config.  Throws as ReadKubeconfig.
ClusterAccess FindClusterAccess(const std::string& kubeconfig, const std::string& context = "",
                                const ContextOverrides& overrides = {});

// The whole file.  Throws ClusterError (kCredentials).
std::string ReadCredentialFile(const std::string& path);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_KUBECONFIG_H_
