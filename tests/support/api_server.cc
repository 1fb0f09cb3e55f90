#include "tests/support/api_server.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace partition_controller {
namespace {

using nlohmann::json;

// Generous: the machine may be busy with other tests.
constexpr std::chrono::seconds kStartTimeout{90};

std::string Env(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here sets any
  return value == nullptr ? "" : value;
}

// The first of these that can be run.
std::string Find(const std::vector<std::string>& programs) {
  for (const std::string& program : programs) {
    if (access(program.c_str(), X_OK) == 0) return program;
  }
  return "";
}

std::string Etcd() {
  const std::string assets = Env("KUBEBUILDER_ASSETS");
  return Find({assets + "/etcd", "/usr/bin/etcd", "/usr/local/bin/etcd"});
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Finished Curl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"/usr/bin/curl", "--silent", "--fail", "--max-time", "5"});
  return RunProgram(std::move(arguments));
}

}  // namespace

ApiServer::ApiServer() {
  if (Program().empty()) throw std::runtime_error("there is no kube-apiserver; scripts/setup builds it");
  if (Etcd().empty()) throw std::runtime_error("etcd is not on this machine; scripts/setup installs it");
  MakeCertificates();
  OpenSsl("genrsa -out accounts.key 2048");
  WriteTokens("controller");
  StartEtcd();
  // Between finding a port free and taking it, another test may take it.
  for (int attempt = 1;; ++attempt) {
    port_ = FreePort();
    Launch();
    if (WaitUntilReady()) break;
    if (attempt == 3) throw std::runtime_error("kube-apiserver did not start:\n" + server_->Err());
  }
  const json version = json::parse(MustKubectl({"version", "-o", "json"}));
  // "20", or "29+".
  minor_ = std::stoi("0" + version.at("serverVersion").at("minor").get<std::string>());
}

// The API server first, so that it does not miss its store.
ApiServer::~ApiServer() { Kill(); }

ApiServer& ApiServer::Shared() {
  static ApiServer server;
  return server;
}

std::string ApiServer::Program() {
  if (const std::string assets = Env("KUBEBUILDER_ASSETS"); !assets.empty()) {
    return Find({assets + "/kube-apiserver"});
  }
  std::string cache = Env("XDG_CACHE_HOME");
  if (cache.empty()) cache = Env("HOME") + "/.cache";
  return Find({cache + "/partition-controller/kube-apiserver-1.20.2/kube-apiserver"});
}

std::string ApiServer::OpenSsl(const std::string& arguments) {
  const Finished done = RunProgram({"/bin/sh", "-c", "cd " + folder_.path() + " && openssl " + arguments});
  if (done.code != 0) throw std::runtime_error("openssl " + arguments + ":\n" + done.err);
  return done.out;
}

// In files that a server which is running does not follow.
void ApiServer::MakeCertificates() {
  const std::string ca = "ca-" + edition_;
  const std::string server = "server-" + edition_;
  OpenSsl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout " + ca + ".key -out " +
          ca + ".crt -days 2 -subj /CN=test-" + ca);
  folder_.Write("server.ext", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  OpenSsl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout " + server + ".key -out " +
          server + ".csr -subj /CN=kube-apiserver");
  OpenSsl("x509 -req -in " + server + ".csr -CA " + ca + ".crt -CAkey " + ca +
          ".key -CAcreateserial -days 2 -extfile server.ext -out " + server + ".crt");
  ca_ = folder_.path() + "/" + ca + ".crt";
}

void ApiServer::WriteTokens(const std::string& controller) {
  folder_.Write("tokens-" + edition_ + ".csv",
                Token("admin") + ",admin,1,system:masters\n" + Token(controller) +
                    ",system:serviceaccount:partition-controller:partition-controller,2,"
                    "system:serviceaccounts\n" +
                    Token("stranger") + ",stranger,3\n");
}

ApiServer::Certificate ApiServer::Issue(const std::string& user, const std::string& group) {
  const std::string name = "client-" + std::to_string(++names_);
  OpenSsl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout " + name + ".key -out " +
          name + ".csr -subj /O=" + group + "/CN=" + user);
  const std::string ca = "ca-" + edition_;
  OpenSsl("x509 -req -in " + name + ".csr -CA " + ca + ".crt -CAkey " + ca +
          ".key -CAcreateserial -days 2 -out " + name + ".crt");
  const std::string path = folder_.path() + "/" + name;
  return {ReadFile(path + ".crt"), ReadFile(path + ".key")};
}

void ApiServer::StartEtcd() {
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  for (;;) {
    etcd_port_ = FreePort();
    const std::string url = "http://127.0.0.1:" + std::to_string(etcd_port_);
    etcd_ = std::make_unique<Process>(std::vector<std::string>{
        Etcd(), "--data-dir=" + folder_.path() + "/etcd-" + std::to_string(etcd_port_),
        "--listen-client-urls=" + url, "--advertise-client-urls=" + url,
        "--listen-peer-urls=http://127.0.0.1:0", "--unsafe-no-fsync", "--log-level=error"});
    while (etcd_->Running()) {
      if (HttpGet(etcd_port_, "/health")) return;
      if (std::chrono::steady_clock::now() > deadline) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("etcd did not start:\n" + etcd_->Err());
    }
  }
}

void ApiServer::Launch() {
  const std::string& at = folder_.path();
  server_ = std::make_unique<Process>(std::vector<std::string>{
      Program(), "--etcd-servers=http://127.0.0.1:" + std::to_string(etcd_port_), "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1", "--secure-port=" + std::to_string(port_),
      "--tls-cert-file=" + certificate_file(), "--tls-private-key-file=" + key_file(), "--cert-dir=" + at,
      "--client-ca-file=" + ca_, "--token-auth-file=" + at + "/tokens-" + edition_ + ".csv",
      "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
      "--disable-admission-plugins=ServiceAccount", "--service-account-issuer=https://localhost",
      "--service-account-key-file=" + at + "/accounts.key",
      "--service-account-signing-key-file=" + at + "/accounts.key"});
}

void ApiServer::Start() {
  Launch();
  if (!WaitUntilReady()) {
    throw std::runtime_error("kube-apiserver did not start again:\n" + server_->Err());
  }
}

void ApiServer::Replace(const std::string& controller) {
  edition_ = std::to_string(std::stoi(edition_) + 1);
  MakeCertificates();
  WriteTokens(controller);
  const std::unique_ptr<Process> before = std::move(server_);
  port_ = FreePort();
  Launch();
  if (!WaitUntilReady()) {
    throw std::runtime_error("the next kube-apiserver did not start:\n" + server_->Err());
  }
}

bool ApiServer::WaitUntilReady() {
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (server_->Running() && std::chrono::steady_clock::now() < deadline) {
    // Ready before its own roles and namespaces are there: those are hooks.
    if (Curl({"--cacert", ca_, "-H", "Authorization: Bearer " + Token("admin"), url() + "/readyz"}).code ==
            0 &&
        Curl({"--cacert", ca_, "-H", "Authorization: Bearer " + Token("admin"),
              url() + "/api/v1/namespaces/default"})
                .code == 0) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

void ApiServer::Kill() { server_.reset(); }

std::string ApiServer::Kubeconfig(const std::string& user, const std::string& name_space, int port) {
  const std::string server = port == 0 ? url() : "https://127.0.0.1:" + std::to_string(port);
  const json config = {
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"clusters", {{{"name", "test"}, {"cluster", {{"server", server}, {"certificate-authority", ca_}}}}}},
      {"users", {{{"name", user}, {"user", {{"token", Token(user)}}}}}},
      {"contexts",
       {{{"name", "test"}, {"context", {{"cluster", "test"}, {"user", user}, {"namespace", name_space}}}}}},
      {"current-context", "test"}};
  return folder_.Write("kubeconfig-" + std::to_string(++names_), config.dump(2));
}

Finished ApiServer::Kubectl(const std::vector<std::string>& arguments, const std::string& input,
                            const std::string& user) {
  const std::string file = folder_.Write("input-" + std::to_string(++names_), input);
  // The shell connects the input, and hands the arguments on as they are.
  const std::string chosen = Env("PC_TEST_KUBECTL");
  std::vector<std::string> command = {"/bin/sh", "-c", "exec \"$0\" \"$@\" <" + file,
                                      chosen.empty() ? "kubectl" : chosen};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return RunProgram(std::move(command),
                    {.environment = {{"KUBECONFIG", Kubeconfig(user)}, {"HOME", folder_.path()}}});
}

std::string ApiServer::MustKubectl(const std::vector<std::string>& arguments, const std::string& input) {
  const Finished done = Kubectl(arguments, input);
  if (done.code == 0) return done.out;
  std::string command = "kubectl";
  for (const std::string& argument : arguments) command += " " + argument;
  throw std::runtime_error(command + ": exit " + std::to_string(done.code) + "\n" + done.err);
}

std::string ApiServer::CreateNamespace(const std::string& prefix) {
  std::string name = prefix + "-" + std::to_string(++names_);
  MustKubectl({"create", "namespace", name});
  return name;
}

void ApiServer::Compact() {
  const std::string etcd = "http://127.0.0.1:" + std::to_string(etcd_port_);
  const auto post = [&](const std::string& path, const json& body) {
    const Finished done = Curl({"--data", body.dump(), etcd + path});
    if (done.code != 0) throw std::runtime_error("etcd refused " + path + ": " + done.err);
    return json::parse(done.out);
  };
  // The revision is the text of a number; the range is of one key that is not there.
  const json answer = post("/v3/kv/range", {{"key", "AA=="}});
  post("/v3/kv/compaction", {{"revision", answer.at("header").at("revision")}});
}

}  // namespace partition_controller
