// The whole controller while its cluster misbehaves: what changes under it, what
// stands between them, and what is not there yet.  However it goes, it ends in
// the state that the resources declare.

#include <algorithm>
#include <csignal>
#include <map>
#include <sstream>
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

  // No step was done a second time, by any of the processes.
  void ExpectEachStepOnce() {
    std::map<std::string, int> times;
    for (const auto& process : processes_) {
      std::istringstream log(process->Err());
      for (std::string line; std::getline(log, line);) {
        if (line.find("\"Carried out step\"") == std::string::npos) continue;
        ++times[json::parse(line).at("step").get<std::string>()];
      }
    }
    EXPECT_FALSE(times.empty());
    for (const auto& [step, count] : times) EXPECT_EQ(count, 1) << step;
  }
  // Events that say so.
  std::int64_t Told(const std::string& reason) {
    const json events =
        json::parse(Server().MustKubectl({"get", "events.v1.events.k8s.io", "-n", space_, "-o", "json"}));
    std::int64_t count = 0;
    for (const json& event : events.at("items")) {
      if (event.at("reason") != reason) continue;
      const json series = event.value("series", json());
      count += series.is_object() ? series.at("count").get<std::int64_t>() : 1;
    }
    return count;
  }
  std::string StatusPath() const { return "/namespaces/" + space_ + "/partitionpolicies/points/status"; }

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

// It is there, and nobody heard of it.
TEST_F(ClusterFaults, BearsAnswersThatGetLost) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  FaultyProxy proxy(Server());
  for (int i = 0; i < 2; ++i) proxy.Lose("PATCH", StatusPath());
  proxy.Lose("PUT", "/leases/");
  proxy.Lose("POST", "/leases");
  Keep(proxy.port());
  ExpectHeld(2);
  EXPECT_TRUE(Eventually([&] { return proxy.left() == 0; }));
  ExpectEachStepOnce();
  EXPECT_TRUE(Eventually([&] { return Told("Ready") == 1; })) << Told("Ready");
  proxy.Lose("PATCH", StatusPath());
  ExpectHeld(3);
  ExpectEachStepOnce();
}

TEST_F(ClusterFaults, BearsAnApiServerThatStandsStillInMidStatusWrite) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  FaultyProxy proxy(Server());
  Keep(proxy.port());
  ExpectHeld(2);
  // For less than the lease, and for longer: then somebody else goes on.
  for (const auto& [premake, time] : {std::pair(3, seconds(4)), std::pair(4, seconds(20))}) {
    proxy.Hold("PATCH", StatusPath());
    json policy = Policy(space_);
    policy["spec"]["partitioning"]["premake"] = premake;
    Apply(policy);
    ASSERT_TRUE(Eventually([&] { return proxy.held() == 1; }));
    Server().Signal(SIGSTOP);
    proxy.Release();
    std::this_thread::sleep_for(time);
    Server().Signal(SIGCONT);
    ExpectHeld(premake);
  }
  ExpectEachStepOnce();
}

TEST_F(ClusterFaults, BearsAnApiServerThatDiesInMidStatusWrite) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  FaultyProxy proxy(Server());
  proxy.Hold("PATCH", StatusPath());
  Keep(proxy.port());
  ASSERT_TRUE(Eventually([&] { return proxy.held() == 1; }));
  Server().Kill();
  proxy.Release();
  Server().Start();
  ExpectHeld(2);
  ExpectEachStepOnce();
  EXPECT_TRUE(Eventually([&] { return Told("Ready") == 1; })) << Told("Ready");
}

// The renewal that was on its way reaches nobody, or a server that has started
// anew: there is one leader all the time, and it goes on.
TEST_F(ClusterFaults, BearsAnApiServerThatDiesInMidRenewal) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  FaultyProxy proxy(Server());
  Keep(proxy.port());
  ExpectHeld(2);
  const std::string lease = "/leases/" + space_;
  int premake = 3;
  // Released while nobody is there, and when the next one is.
  for (const bool late : {false, true}) {
    proxy.Hold("PUT", lease);
    ASSERT_TRUE(Eventually([&] { return proxy.held() == 1; }));
    Server().Kill();
    if (!late) proxy.Release();
    Server().Start();
    if (late) proxy.Release();
    ExpectHeld(premake++);
    const std::size_t before = proxy.requests().size();
    EXPECT_TRUE(Eventually([&] {
      const auto requests = proxy.requests();
      return std::count_if(requests.begin() + static_cast<std::ptrdiff_t>(before), requests.end(),
                           [&](const auto& request) {
                             return request.first == "PUT" && request.second.find(lease) != std::string::npos;
                           }) >= 2;
    })) << "it is renewed again";
  }
  ExpectEachStepOnce();
}

// What a controller that is no more has said of an earlier generation must not
// stay as the last word.
TEST_F(ClusterFaults, WritesOverAStatusThatArrivesLate) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  FaultyProxy proxy(Server());
  proxy.Hold("PATCH", StatusPath());
  Keep(proxy.port());
  ASSERT_TRUE(Eventually([&] { return proxy.held() == 1; }));
  processes_.back()->Signal(SIGKILL);
  EXPECT_EQ(processes_.back()->Wait(), 128 + SIGKILL);
  Keep(Server().port());
  ExpectHeld(3);
  const json before = Get(space_);
  proxy.Release();
  ASSERT_TRUE(Eventually([&] {
    return Get(space_).at("metadata").at("resourceVersion") != before.at("metadata").at("resourceVersion");
  }));
  ASSERT_TRUE(Becomes(space_, "Ready", "True AsDeclared"));
  EXPECT_EQ(Get(space_).at("status").at("partitions").at("count"), 5);
  ExpectEachStepOnce();
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

// When all is well it asks for nothing but that, whatever it is asked.
TEST_F(ClusterFaults, AnIdleMinuteIsWatchesAndRenewals) {
  SetSecret(space_, uri_);
  json policy = Policy(space_);
  policy["spec"]["retention"] = {{"keep", "3mo"}, {"action", "Drop"}};
  policy["spec"]["rollups"] = {{{"name", "hourly"},
                                {"interval", "1h"},
                                {"table", "hourly"},
                                {"dimensions", {"v"}},
                                {"source", {{"columns", {"v"}}}},
                                {"keep", "12mo"}}};
  Apply(policy);
  FaultyProxy proxy(Server());
  Keep(proxy.port());
  WaitUntilReady(space_);
  const auto other_than_leases = [&] {
    std::vector<std::string> found;
    for (const auto& [method, path] : proxy.requests()) {
      if (path.find("/leases") == std::string::npos) found.push_back(method + " " + path);
    }
    return found;
  };
  // Events that were counted are written within a minute.
  std::size_t known = 0;
  ASSERT_TRUE(Eventually(
      [&] {
        known = other_than_leases().size();
        std::this_thread::sleep_for(seconds(10));
        return other_than_leases().size() == known;
      },
      seconds(180)));
  const std::size_t all = proxy.requests().size();
  std::this_thread::sleep_for(seconds(60));
  const auto requests = proxy.requests();
  std::map<std::string, int> kinds;
  for (std::size_t i = all; i < requests.size(); ++i) {
    const auto& [method, path] = requests[i];
    const bool renewal = method == "PUT" && path.find("/leases/" + space_) != std::string::npos;
    const bool watch = method == "GET" && path.find("watch=1") != std::string::npos;
    ++kinds[renewal ? "renewal" : watch ? "watch" : method + " " + path];
  }
  for (const auto& [kind, count] : kinds) std::cout << "in an idle minute: " << count << " " << kind << "\n";
  EXPECT_GT(kinds["renewal"], 0);
  EXPECT_LE(kinds["renewal"], 31) << "every two seconds";
  EXPECT_LE(kinds["watch"], 4) << "one of the policies, one of the Secret";
  kinds.erase("renewal");
  kinds.erase("watch");
  EXPECT_THAT(kinds, testing::IsEmpty());
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
  // A kind of event that is not there yet, and so cannot be counted to another.
  json policy = Policy(space_);
  policy["spec"]["schedule"]["windows"] = {
      {{"start", "02:00"}, {"duration", "1h"}, {"timeZone", "Mars/Olympus"}}};
  Apply(policy);
  EXPECT_TRUE(Becomes(space_, "Stalled", "True InvalidSpec"));
  EXPECT_TRUE(Logged("Could not write event"));
  EXPECT_THAT(processes_.back()->Err(), HasSubstr("because it is being terminated"));
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
