// A throw-away Kubernetes API server for tests: etcd and kube-apiserver on free
// loopback ports, with RBAC, gone when the object is.
//
// There is no kubelet and no controller beside it: nothing collects garbage,
// and a deleted namespace stays Terminating.  Use a fresh namespace per test.
//
// Both processes are killed (SIGKILL): the API server would wait a minute for
// its watches otherwise.  As with every Process they live no longer than the
// thread that made them.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_API_SERVER_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_API_SERVER_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace partition_controller {

class ApiServer {
 public:
  // Throws std::runtime_error, with the way out, when a part is not installed
  // or does not come up.
  ApiServer();
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // One for the whole process, started upon first use.
  static ApiServer& Shared();

  // Where the program is; empty when scripts/kube-apiserver has not been run.
  static std::string Program();

  int port() const { return port_; }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_); }
  const std::string& ca_file() const { return ca_; }
  std::string certificate_file() const { return folder_.path() + "/server-" + edition_ + ".crt"; }
  std::string key_file() const { return folder_.path() + "/server-" + edition_ + ".key"; }
  // The minor version, 20 for 1.20.2.
  int minor_version() const { return minor_; }

  // Anybody can log in with it: `admin` may do everything, any other user only
  // what RBAC allows.  There are admin, controller (the service account of
  // manifests/base) and stranger.
  static std::string Token(const std::string& user) { return "token-of-" + user; }

  // A kubeconfig of that user, with its namespace; for another address if
  // `port` is given (a proxy on 127.0.0.1).
  std::string Kubeconfig(const std::string& user, const std::string& name_space = "default", int port = 0);

  // A certificate for that user and group, PEM, and its key.
  struct Certificate {
    std::string certificate;
    std::string key;
  };
  Certificate Issue(const std::string& user, const std::string& group);

  // kubectl (the one on PATH, or PC_TEST_KUBECTL) as that user; `input` goes to
  // its standard input.
  Finished Kubectl(const std::vector<std::string>& arguments, const std::string& input = "",
                   const std::string& user = "admin");
  // The same, but throws unless it succeeds; what it printed.
  std::string MustKubectl(const std::vector<std::string>& arguments, const std::string& input = "");

  // A new namespace.
  std::string CreateNamespace(const std::string& prefix = "t");

  // Ends the API server as a crash would; etcd stays.
  void Kill();
  // On the same port.  REQUIRES: killed
  void Start();
  // Another API server takes its place, before it ends: on another port, with a
  // certificate of another authority, knowing the controller by the token of
  // `controller` and by no other.
  void Replace(const std::string& controller);
  // Of the API server: SIGSTOP and SIGCONT, for one.
  void Signal(int number) const { server_->Signal(number); }

  // Makes etcd forget every version of every object but the newest: a watch or
  // a list that asks for an older one is answered with 410 Gone.
  void Compact();

 private:
  void MakeCertificates();
  void WriteTokens(const std::string& controller);
  void StartEtcd();
  void Launch();
  bool WaitUntilReady();
  std::string OpenSsl(const std::string& arguments);

  ScratchFolder folder_;
  std::string ca_;
  std::string edition_ = "1";
  int etcd_port_ = 0;
  int port_ = 0;
  int minor_ = 0;
  std::unique_ptr<Process> etcd_;
  std::unique_ptr<Process> server_;
  std::atomic<int> names_{0};
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_API_SERVER_H_
