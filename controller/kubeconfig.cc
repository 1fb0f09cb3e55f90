#include "controller/kubeconfig.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <system_error>

#include "controller/cluster.h"
#include "controller/json_text.h"
#include "controller/kubernetes.h"
#include "crd/text.h"
#include "crd/yaml.h"

namespace partition_controller {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxBytes = std::size_t{1} << 20;

[[noreturn]] void Fail(const std::string& message) {
  throw ClusterError(ClusterError::Kind::kCredentials, message);
}

bool Truth(const json& object, const char* key) {
  return object.is_object() && object.contains(key) && object.at(key) == json(true);
}

std::string Folder(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

// One entry of clusters, users or contexts, and the file that it is in.
struct Entry {
  json value = json::object();
  std::string path;
};

// All files as one.
class Merged {
 public:
  explicit Merged(const std::vector<KubeconfigFile>& files) {
    for (const KubeconfigFile& file : files) {
      // No line of the file is shown: it holds credentials.
      YamlFile yaml = ReadYaml(file.text, file.path);
      if (!yaml.problems.empty()) {
        const Problem& problem = yaml.problems.front();
        Fail("kubeconfig " + Printable(file.path) + ", line " + std::to_string(problem.position.line) +
             ", cannot be read");
      }
      for (YamlDocument& document : yaml.documents)
        documents_.push_back({std::move(document.value), file.path});
    }
  }

  std::string CurrentContext() const {
    for (const Entry& document : documents_) {
      if (std::string current = TextOf(document.value, "current-context"); !current.empty()) return current;
    }
    return "";
  }

  // The `member` of the item of `list` that has this name.
  Entry Find(const char* list, const char* member, const std::string& name) const {
    for (const Entry& document : documents_) {
      if (!document.value.is_object() || !document.value.contains(list)) continue;
      const json& items = document.value.at(list);
      if (!items.is_array()) continue;
      for (const json& item : items) {
        if (TextOf(item, "name") == name && item.contains(member)) return {item.at(member), document.path};
      }
    }
    Fail("the kubeconfig has no " + std::string(member) + " called " + Quoted(name));
  }

 private:
  std::vector<Entry> documents_;
};

// What `key` says in a file or `key`-data itself, which wins.
TextOrFile DataOrFile(const Entry& entry, const std::string& key) {
  if (const std::string data = TextOf(entry.value, (key + "-data").c_str()); !data.empty()) {
    const auto decoded = DecodeBase64(data);
    if (!decoded) Fail(key + "-data in kubeconfig " + Printable(entry.path) + " is not base64");
    return {*decoded, ""};
  }
  std::string file = TextOf(entry.value, key.c_str());
  if (!file.empty() && file.front() != '/') file = Folder(entry.path) + "/" + file;
  return {"", file};
}

ExecPlugin ReadExec(const Entry& user, const ClusterAccess& access) {
  const json& exec = user.value.at("exec");
  ExecPlugin plugin;
  plugin.command = TextOf(exec, "command");
  if (plugin.command.empty()) Fail("exec in kubeconfig " + Printable(user.path) + " has no command");
  const bool is_path = plugin.command.find('/') != std::string::npos;
  if (is_path && plugin.command.front() != '/') plugin.command = Folder(user.path) + "/" + plugin.command;
  plugin.api_version = TextOf(exec, "apiVersion");
  if (plugin.api_version != "client.authentication.k8s.io/v1" &&
      plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    Fail("exec in kubeconfig " + Printable(user.path) +
         " must have the apiVersion client.authentication.k8s.io/v1 or v1beta1");
  }
  plugin.install_hint = TextOf(exec, "installHint");
  if (exec.contains("args") && exec.at("args").is_array()) {
    for (const json& argument : exec.at("args")) {
      if (argument.is_string()) plugin.arguments.push_back(argument.get<std::string>());
    }
  }
  if (exec.contains("env") && exec.at("env").is_array()) {
    for (const json& variable : exec.at("env")) {
      plugin.environment.emplace_back(TextOf(variable, "name"), TextOf(variable, "value"));
    }
  }
  if (Truth(exec, "provideClusterInfo")) {
    json info = {{"server", access.server}};
    if (!access.tls_server_name.empty()) info["tls-server-name"] = access.tls_server_name;
    plugin.cluster_info = info.dump();
  }
  return plugin;
}

void ReadUser(const Entry& user, ClusterAccess* access) {
  if (user.value.contains("auth-provider")) {
    Fail("auth-provider in kubeconfig " + Printable(user.path) +
         " is no longer supported anywhere; use an exec plugin, such as gke-gcloud-auth-plugin");
  }
  if (user.value.contains("username")) {
    Fail("username in kubeconfig " + Printable(user.path) +
         ": API servers take no passwords any more; use a token, a certificate or an exec plugin");
  }
  access->certificate = DataOrFile(user, "client-certificate");
  access->key = DataOrFile(user, "client-key");
  if (access->certificate.empty() != access->key.empty()) {
    Fail("kubeconfig " + Printable(user.path) + " has only one of client-certificate and client-key");
  }
  access->token = {TextOf(user.value, "token"), ""};
  if (access->token.empty()) {
    std::string file = TextOf(user.value, "tokenFile");
    if (!file.empty() && file.front() != '/') file = Folder(user.path) + "/" + file;
    access->token.file = file;
  }
  if (user.value.contains("exec")) access->exec = ReadExec(user, *access);
}

void Override(const ContextOverrides& overrides, ClusterAccess* access) {
  if (!overrides.token.empty()) access->token = {overrides.token, ""};
  access->impersonate = overrides.impersonate;
}

// Whether `server`, which begins with http://, is this machine: exactly, for
// localhost.example.com is another.
bool IsLoopback(const std::string& server) {
  if (server.find('@') != std::string::npos) return false;  // what stands before it is no host
  const std::string rest = server.substr(std::string("http://").size());
  const std::string host = rest.substr(0, rest.find_first_of(":/"));
  return host == "127.0.0.1" || host == "localhost";
}

// "https://host:port", with the restrictions that the HTTP library brings.
void CheckServer(ClusterAccess* access) {
  std::string& server = access->server;
  while (server.ends_with('/')) server.pop_back();
  if (!server.starts_with("https://") && !server.starts_with("http://")) {
    Fail("server must begin with https://, not be " + Quoted(server));
  }
  if (server.find("://[") != std::string::npos) {
    Fail("server " + Quoted(server) + ": an IPv6 address cannot be used here; give it a name");
  }
  // Whoever is on the way could read along.  Most plugins get a token; a
  // certificate is not shown without TLS.
  const bool has_token = !access->token.empty() || access->exec;
  if (server.starts_with("http://") && has_token && !IsLoopback(server)) {
    Fail("server " + Quoted(server) + " would get the token unencrypted; use https");
  }
}

}  // namespace

ClusterAccess ReadKubeconfig(const std::vector<KubeconfigFile>& files, const std::string& context,
                             const ContextOverrides& overrides) {
  const Merged merged(files);
  const std::string name = context.empty() ? merged.CurrentContext() : context;
  const bool nameless = name.empty() && overrides.cluster.empty();
  if (nameless && overrides.server.empty()) Fail("the kubeconfig has no current-context");
  const Entry chosen = name.empty() ? Entry() : merged.Find("contexts", "context", name);
  const auto either = [&](const std::string& given, const char* key) {
    return given.empty() ? TextOf(chosen.value, key) : given;
  };
  const Entry cluster =
      nameless ? Entry() : merged.Find("clusters", "cluster", either(overrides.cluster, "cluster"));
  ClusterAccess access;
  access.server = overrides.server;
  if (access.server.empty()) {
    access.server = TextOf(cluster.value, "server");
    access.tls_server_name = TextOf(cluster.value, "tls-server-name");  // goes with it, as kubectl has it
  }
  access.authority = {"", overrides.authority};
  if (access.authority.empty()) access.authority = DataOrFile(cluster, "certificate-authority");
  if (access.authority.empty() && Truth(cluster.value, "insecure-skip-tls-verify")) {
    Fail("insecure-skip-tls-verify in kubeconfig " + Printable(cluster.path) +
         " is not supported: anybody could pose as the API server; give its certificate-authority");
  }
  if (!TextOf(cluster.value, "proxy-url").empty()) {
    Fail("proxy-url in kubeconfig " + Printable(cluster.path) + " is not supported");
  }
  if (const std::string space = TextOf(chosen.value, "namespace"); !space.empty()) access.name_space = space;
  // A token takes the place of all that the user has to show, also of what could
  // not be used: a certificate would count for more.
  const std::string user = either(overrides.user, "user");
  if (overrides.token.empty() && !user.empty()) {
    ReadUser(merged.Find("users", "user", user), &access);
  }
  Override(overrides, &access);
  CheckServer(&access);
  return access;
}

std::optional<ClusterAccess> InClusterAccess(const std::function<std::string(const char*)>& variable,
                                             const std::string& folder) {
  std::string host = variable("KUBERNETES_SERVICE_HOST");
  const std::string port = variable("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) return std::nullopt;
  // The HTTP library cannot connect to an IPv6 address; this name is always there.
  if (host.find(':') != std::string::npos) host = "kubernetes.default.svc";
  ClusterAccess access;
  access.server = "https://" + host + ":" + port;
  access.authority.file = folder + "/ca.crt";
  access.token.file = folder + "/token";
  std::string space = ReadCredentialFile(folder + "/namespace");
  while (space.ends_with('\n')) space.pop_back();
  access.name_space = space;
  CheckServer(&access);
  return access;
}

ClusterAccess FindClusterAccess(const std::string& kubeconfig, const std::string& context,
                                const ContextOverrides& overrides) {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody writes to it
    return value == nullptr ? "" : value;
  };
  if (!kubeconfig.empty()) {
    return ReadKubeconfig({{kubeconfig, ReadCredentialFile(kubeconfig)}}, context, overrides);
  }
  if (context.empty() && overrides.empty()) {
    if (auto access = InClusterAccess(variable)) {
      Override(overrides, &*access);
      return *std::move(access);
    }
  }
  std::vector<KubeconfigFile> files;
  std::string list = variable("KUBECONFIG");
  if (list.empty() && !variable("HOME").empty()) list = variable("HOME") + "/.kube/config";
  while (!list.empty()) {
    const std::size_t colon = list.find(':');
    const std::string path = list.substr(0, colon);
    list = colon == std::string::npos ? "" : list.substr(colon + 1);
    // As kubectl has it: of several files some may be missing.
    if (!path.empty() && ::access(path.c_str(), F_OK) == 0) files.push_back({path, ReadCredentialFile(path)});
  }
  if (files.empty() && overrides.server.empty()) {
    Fail(
        "there is no cluster: this is not a pod, and neither --kubeconfig, $KUBECONFIG nor ~/.kube/config "
        "names a kubeconfig file");
  }
  return ReadKubeconfig(files, context, overrides);
}

std::string ReadCredentialFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const int error = errno;
    Fail(Printable(path) + " cannot be opened: " + std::generic_category().message(error));
  }
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while (text.size() <= kMaxBytes && (n = ::read(fd, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  const int error = n < 0 ? errno : 0;
  ::close(fd);
  if (error != 0) Fail(Printable(path) + " cannot be read: " + std::generic_category().message(error));
  if (text.size() > kMaxBytes) Fail(Printable(path) + " is larger than 1 MiB");
  return text;
}

}  // namespace partition_controller
