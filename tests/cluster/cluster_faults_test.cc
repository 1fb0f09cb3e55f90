// The whole controller while its cluster misbehaves: what changes under it, what
// stands between them, and what is not there yet.  However it goes, it ends in
// the state that the resources declare.

#include <csignal>
#include <thread>

#include "tests/cluster/run_in_cluster.h"
#include "tests/support/faulty_proxy.h"
#include "tests/support/tcp_proxy.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class ClusterFaults : public RunInCluster {
 protected:
  // The controller with this kubeconfig, in the manner of a kubelet: when it has
  // ended because it lost its Lease, as a slow machine may make it, it is started
  // again.
  void Keep(const std::string& kubeconfig) {
    arguments_ = {"run",      "--kubernetes", "--kubeconfig", kubeconfig,
                  "--listen", "127.0.0.1:0",  "--lease",      space_};
    processes_.push_back(std::make_unique<Process>(Program(arguments_)));
  }
  void Keep(int port) { Keep(Server().Kubeconfig("controller", "partition-controller", port)); }
  void Restart() {
    if (processes_.back()->Running()) return;
    EXPECT_EQ(processes_.back()->Wait(), 1) << processes_.back()->Err();
    EXPECT_THAT(processes_.back()->Err(), HasSubstr("Lost the lease"));
    processes_.push_back(std::make_unique<Process>(Program(arguments_)));
  }

  // Declares another number of partitions and waits until all is so.
  void ExpectHeld(int premake) {
    json policy = Policy(space_);
    policy["spec"]["partitioning"]["premake"] = premake;
    Apply(policy);
    EXPECT_TRUE(Eventually(
        [&] {
          Restart();
          const json seen = Get(space_);
          return Condition(seen, "Ready") == "True AsDeclared" &&
                 seen.at("status").at("observedGeneration") == seen.at("metadata").at("generation");
        },
        seconds(90)))
        << Get(space_).dump(1);
    EXPECT_EQ(Partitions(*database_), premake + 2);
  }

  bool Logged(const std::string& text) {
    return Eventually([&] { return processes_.back()->Err().find(text) != std::string::npos; });
  }

  std::vector<std::string> arguments_;
};

// In a pod both are files, rewritten by the kubelet; the API servers are replaced
// by others, one after the other.
TEST_F(ClusterFaults, FollowsARenewedTokenAndAuthority) {
  const ScratchFolder account;
  const auto mount = [&](const std::string& user) {
    account.Write("token", ApiServer::Token(user) + "\n");
    account.Write("ca.crt", ReadFile(Server().ca_file()));
  };
  mount("controller");
  TcpProxy address(Server().port());
  const json config = {
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"clusters",
       {{{"name", "here"},
         {"cluster",
          {{"server", "https://127.0.0.1:" + std::to_string(address.port())},
           {"certificate-authority", account.path() + "/ca.crt"}}}}}},
      {"users", {{{"name", "me"}, {"user", {{"tokenFile", account.path() + "/token"}}}}}},
      {"contexts",
       {{{"name", "here"},
         {"context", {{"cluster", "here"}, {"user", "me"}, {"namespace", "partition-controller"}}}}}},
      {"current-context", "here"}};
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Keep(account.Write("config", config.dump()));
  ExpectHeld(2);
  int premake = 3;
  // The last is the first again: the other tests know no other.
  for (const char* token : {"controller-2", "controller"}) {
    Server().Replace(token);
    mount(token);
    address.Lead(Server().port());
    address.Reset();
    ExpectHeld(premake++);
  }
  // What was renewed opens nothing any more.
  EXPECT_NE(Server().Kubectl({"get", "--raw", "/api"}, "", "controller-2").code, 0);
}

TEST_F(ClusterFaults, BearsAnswersThatAreRefusals) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  FaultyProxy proxy(Server());
  const std::string mine = "/namespaces/" + space_ + "/partitionpolicies/points/status";
  const json unauthorized = {{"kind", "Status"}, {"code", 401}, {"reason", "Unauthorized"}};
  const json busy = {{"kind", "Status"}, {"code", 429}, {"reason", "TooManyRequests"}};
  const json broken = {{"kind", "Status"}, {"code", 500}, {"reason", "InternalError"}};
  const std::pair<const char*, std::string> everything[] = {{"GET", "/partitionpolicies?limit="},
                                                            {"GET", "/partitionpolicies?watch="},
                                                            {"GET", "/secrets?limit="},
                                                            {"GET", "/secrets/edgewatch-db"},
                                                            {"GET", "/leases/"},
                                                            {"POST", "/leases"},
                                                            {"PUT", "/leases/"},
                                                            {"PATCH", mine},
                                                            {"POST", "/events"}};
  for (const auto& [method, path] : everything) {
    proxy.Answer(method, path, 401, nullptr, unauthorized.dump());
    proxy.Answer(method, path, 429, {{"Retry-After", "1"}}, busy.dump());
    proxy.Answer(method, path, 500, nullptr, broken.dump());
  }
  Keep(proxy.port());
  ExpectHeld(3);
  // In the middle of the run, and from something that is no API server.
  proxy.Answer("PATCH", mine, 502, nullptr, "<html>Bad Gateway</html>");
  proxy.Answer("PATCH", mine, 200, nullptr, "<html>Welcome</html>");
  proxy.Answer("PUT", "/leases/", 503, {{"Retry-After", "1"}}, "upstream connect error");
  ExpectHeld(4);
  // A watch that ends with nonsense, and one whose version is forgotten.
  proxy.Answer("GET", "/partitionpolicies?watch=", 200, nullptr, "{\"type\":\"ADDED\",\"obj");
  proxy.Answer(
      "GET", "/partitionpolicies?watch=", 200, nullptr,
      json{{"type", "ERROR"}, {"object", {{"kind", "Status"}, {"code", 410}, {"reason", "Expired"}}}}.dump() +
          "\n");
  proxy.Reset();
  ExpectHeld(5);
  EXPECT_TRUE(Eventually([&] { return proxy.left() == 0; })) << proxy.left();
}

// Load balancers reset what is idle, and networks go silent for a while.
TEST_F(ClusterFaults, BearsResetsAndSilence) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  FaultyProxy proxy(Server());
  Keep(proxy.port());
  ExpectHeld(2);
  for (int premake = 3; premake <= 6; ++premake) {
    proxy.Reset();
    ExpectHeld(premake);
  }
  proxy.Stall(true);
  std::this_thread::sleep_for(seconds(3));
  proxy.Stall(false);
  ExpectHeld(7);
  // Requests that were waiting are lost with their connections.
  proxy.Stall(true);
  std::this_thread::sleep_for(seconds(1));
  proxy.Reset();
  proxy.Stall(false);
  ExpectHeld(8);
}

// While it is cut off, its policy changes, another one goes, and the server
// forgets all that led there.
TEST_F(ClusterFaults, FindsOutWhatItMissed) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  json other = Policy(space_);
  other["metadata"]["name"] = "other";
  other["spec"]["table"]["name"] = "others";
  database_->Sql("CREATE TABLE others (ts timestamptz NOT NULL) PARTITION BY RANGE (ts)");
  Apply(other);
  TcpProxy proxy(Server().port());
  Keep(proxy.port());
  ExpectHeld(2);
  ASSERT_TRUE(Eventually([&] {
    return database_->Number(
               "SELECT count(*) FROM partition_controller.tables WHERE policy_name = 'other'") == 1;
  }));
  proxy.Refuse(true);
  proxy.Reset();
  Server().MustKubectl({"delete", "ppol", "other", "-n", space_});
  json policy = Policy(space_);
  policy["spec"]["partitioning"]["premake"] = 5;
  Apply(policy);
  Server().Compact();
  Server().Kill();  // and with it what it keeps for watches
  Server().Start();
  proxy.Refuse(false);
  ExpectHeld(5);
  EXPECT_TRUE(Eventually([&] {
    return database_->Number(
               "SELECT count(*) FROM partition_controller.tables WHERE policy_name = 'other'") == 0;
  }));
}

// Another writer that thinks the status is its own.
TEST_F(ClusterFaults, WritesItsStatusOverSomebodyElses) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Keep(Server().port());
  ExpectHeld(2);
  const std::string path =
      "/apis/edgewatch.dev/v1alpha1/namespaces/" + space_ + "/partitionpolicies/points/status";
  for (int i = 0; i < 20; ++i) {
    const json foreign = {{"status",
                           {{"observedGeneration", 99},
                            {"conditions",
                             {{{"type", "Ready"},
                               {"status", "False"},
                               {"reason", "Mine"},
                               {"message", std::to_string(i)},
                               {"lastTransitionTime", "2026-01-01T00:00:00Z"}}}}}}};
    const Finished done = RunProgram(
        {"/usr/bin/curl", "--silent", "--fail", "--cacert", Server().ca_file(), "-X", "PATCH", "-H",
         "Authorization: Bearer " + ApiServer::Token("admin"), "-H",
         "Content-Type: application/merge-patch+json", "--data", foreign.dump(), Server().url() + path});
    ASSERT_EQ(done.code, 0) << done.err;
  }
  EXPECT_TRUE(Becomes(space_, "Ready", "True AsDeclared")) << Get(space_).dump(1);
  ExpectHeld(4);
}

// Nothing can be created there any more, events for one; what is there is looked
// after until it is gone.
TEST_F(ClusterFaults, WorksOnInANamespaceThatIsAboutToGo) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Keep(Server().port());
  ExpectHeld(2);
  Server().MustKubectl({"delete", "namespace", space_, "--wait=false"});
  ASSERT_EQ(Server().MustKubectl({"get", "namespace", space_, "-o", "jsonpath={.status.phase}"}),
            "Terminating");
  ExpectHeld(4);
  Server().MustKubectl({"delete", "ppol", "points", "-n", space_, "--timeout=10s"});
  EXPECT_TRUE(Logged("Released table of deleted policy"));
  EXPECT_TRUE(processes_.back()->Running());
  EXPECT_EQ(Partitions(*database_), 6);
}

// The controller is there first.
TEST_F(ClusterFaults, WaitsForItsResourceToBeDefined) {
  Server().MustKubectl({"delete", "crd", "partitionpolicies.edgewatch.dev", "--timeout=60s"});
  Keep(Server().port());
  EXPECT_TRUE(Logged("Cannot see changes"));
  EXPECT_THAT(processes_.back()->Err(), Not(HasSubstr("Loaded policies")));
  SetUpTestSuite();
  SetSecret(space_, uri_);
  ExpectHeld(3);
}

// Stored by an older release whose schema was wider: the API server refuses to
// write even a status over it until it is mended.
TEST_F(ClusterFaults, LeavesAloneWhatIsNoLongerValid) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Keep(Server().port());
  ExpectHeld(2);
  const auto before = database_->Partitions("points");
  const std::string crd = ReadFile(PC_CRD_FILE);
  const std::string wider = std::regex_replace(crd, std::regex("maximum: 366\n"), "maximum: 9000\n");
  ASSERT_NE(wider, crd);
  Server().MustKubectl({"apply", "--validate=false", "-f", "-"}, wider);
  json policy = Policy(space_);
  policy["spec"]["partitioning"]["premake"] = 5000;
  ASSERT_TRUE(Eventually([&] { return Server().Kubectl({"apply", "-f", "-"}, policy.dump()).code == 0; }));
  EXPECT_TRUE(Becomes(space_, "Stalled", "True InvalidSpec"));
  EXPECT_THAT(Get(space_).dump(), HasSubstr("spec.partitioning.premake"));
  Server().MustKubectl({"apply", "--validate=false", "-f", PC_CRD_FILE});
  ASSERT_TRUE(Eventually([&] {
    return Server()
               .Kubectl({"annotate", "--overwrite", "ppol", "points", "-n", space_,
                         "edgewatch.dev/reconcile-requested-at=now"})
               .code != 0;
  }));
  processes_.back()->Signal(SIGTERM);
  EXPECT_EQ(processes_.back()->Wait(), 0);
  Keep(Server().port());
  EXPECT_TRUE(Logged("Loaded policies"));
  EXPECT_EQ(database_->Partitions("points"), before);
  ExpectHeld(4);
}

}  // namespace
}  // namespace partition_controller
