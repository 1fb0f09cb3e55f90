#include "controller/exec_plugin.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "controller/cluster.h"
#include "crd/text.h"

extern char** environ;

namespace partition_controller {
namespace {

using nlohmann::json;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kMaxOutput = std::size_t{1} << 20;
constexpr std::size_t kMaxComplaint = 512;

[[noreturn]] void Fail(const ExecPlugin& plugin, const std::string& why) {
  std::string message = "credential plugin " + Printable(plugin.command) + " " + why;
  if (!plugin.install_hint.empty()) message += "; " + Printable(plugin.install_hint);
  throw ClusterError(ClusterError::Kind::kCredentials, message);
}

std::string ErrorText(int error) { return std::generic_category().message(error); }

// Closes the file when it goes.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { Close(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

// Ours, with the plugin's own on top.
std::vector<std::string> Environment(const ExecPlugin& plugin) {
  json info = {
      {"apiVersion", plugin.api_version}, {"kind", "ExecCredential"}, {"spec", {{"interactive", false}}}};
  if (!plugin.cluster_info.empty()) {
    info["spec"]["cluster"] = json::parse(plugin.cluster_info, nullptr, false);
  }
  std::vector<std::pair<std::string, std::string>> added = plugin.environment;
  added.emplace_back("KUBERNETES_EXEC_INFO", info.dump());
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    bool replaced = false;
    for (const auto& [name, value] : added) replaced = replaced || variable.starts_with(name + "=");
    if (!replaced) all.push_back(variable);
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// posix_spawn rather than popen: no shell that would read meaning into the
// arguments, and none of our sockets, which the HTTP library leaves inheritable.
pid_t Spawn(const ExecPlugin& plugin, int out, int err) {
  std::vector<std::string> arguments = {plugin.command};
  arguments.insert(arguments.end(), plugin.arguments.begin(), plugin.arguments.end());
  std::vector<std::string> variables = Environment(plugin);
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> envp = Pointers(variables);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // Signals are blocked in all our threads.
  sigset_t none;
  sigemptyset(&none);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), envp.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) Fail(plugin, "cannot be run: " + ErrorText(error));
  return pid;
}

// Reads both pipes to their ends; false if the deadline came first.
bool ReadAll(int out, int err, Steady::time_point deadline, std::string* printed, std::string* complaint) {
  std::array<pollfd, 2> fds = {pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}};
  const std::array<std::pair<std::string*, std::size_t>, 2> into = {std::pair(printed, kMaxOutput),
                                                                    std::pair(complaint, kMaxComplaint)};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now()).count();
    if (left <= 0) return false;
    if (::poll(fds.data(), fds.size(), static_cast<int>(std::min<long>(left, 1000))) < 0 && errno != EINTR) {
      return false;
    }
    for (std::size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      std::array<char, 4096> buffer{};
      const ssize_t n = ::read(fds[i].fd, buffer.data(), buffer.size());
      if (n <= 0) {
        fds[i].fd = -1;
      } else {
        // Beyond the limit it is read, so that the plugin can end, and forgotten.
        const auto [text, limit] = into[i];
        text->append(buffer.data(),
                     std::min(static_cast<std::size_t>(n), limit - std::min(limit, text->size())));
      }
    }
  }
  return true;
}

}  // namespace

ExecCredential RunExecPlugin(const ExecPlugin& plugin, std::chrono::milliseconds patience) {
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0) Fail(plugin, "cannot be run: " + ErrorText(errno));
  Fd out_read(out[0]);
  Fd out_write(out[1]);
  if (::pipe2(err.data(), O_CLOEXEC) != 0) Fail(plugin, "cannot be run: " + ErrorText(errno));
  Fd err_read(err[0]);
  Fd err_write(err[1]);
  const pid_t pid = Spawn(plugin, out_write.get(), err_write.get());
  out_write.Close();
  err_write.Close();
  std::string printed;
  std::string complaint;
  const bool ended = ReadAll(out_read.get(), err_read.get(), Steady::now() + patience, &printed, &complaint);
  if (!ended) ::kill(-pid, SIGKILL);  // its children too: they may hold the pipes
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) Fail(plugin, "did not answer in time");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    while (!complaint.empty() && complaint.back() == '\n') complaint.pop_back();
    Fail(plugin, "failed" +
                     (WIFEXITED(status) ? " with " + std::to_string(WEXITSTATUS(status))
                                        : ", killed by signal " + std::to_string(WTERMSIG(status))) +
                     (complaint.empty() || MayHoldSecret(complaint) ? "" : ": " + Printable(complaint)));
  }
  return ReadExecCredential(printed, plugin);
}

ExecCredential ReadExecCredential(const std::string& printed, const ExecPlugin& plugin) {
  const json object = json::parse(printed, nullptr, false);
  const auto text = [](const json& from, const char* key) -> std::string {
    return from.is_object() && from.contains(key) && from.at(key).is_string()
               ? from.at(key).get<std::string>()
               : "";
  };
  if (text(object, "kind") != "ExecCredential") Fail(plugin, "did not print an ExecCredential");
  if (text(object, "apiVersion") != plugin.api_version) {
    Fail(plugin, "speaks another apiVersion than the kubeconfig's " + Printable(plugin.api_version));
  }
  const json status = object.value("status", json::object());
  ExecCredential credential{text(status, "token"), text(status, "clientCertificateData"),
                            text(status, "clientKeyData"), std::nullopt};
  if (credential.certificate.empty() != credential.key.empty()) {
    Fail(plugin, "gave only one of certificate and key");
  }
  if (credential.token.empty() && credential.certificate.empty()) Fail(plugin, "gave no credential");
  if (const std::string expires = text(status, "expirationTimestamp"); !expires.empty()) {
    credential.expires = ParseInstant(expires);
    if (!credential.expires) Fail(plugin, "gave an expirationTimestamp that is no time");
  }
  return credential;
}

}  // namespace partition_controller
