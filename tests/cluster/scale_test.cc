// Many policies on a real API server: all become ready, no edit is lost, and
// once all is well the controller is quiet.
//
// PC_TEST_POLICIES and PC_TEST_DATABASES make it as large as you like; figures
// are printed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <thread>

#include "controller/kubernetes.h"
#include "controller/resource.h"
#include "tests/support/api_server.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"
#include "tests/support/program.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using Verb = ClusterRequest::Verb;

int Setting(const char* name, int usual) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here sets any
  return value == nullptr ? usual : std::stoi(value);
}

ApiServer& Server() { return ApiServer::Shared(); }

class Scale : public testing::Test {
 protected:
  Scale()
      : credentials_(FindClusterAccess(Server().Kubeconfig("admin")), clock_),
        cluster_(credentials_, clock_) {}

  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    Server().MustKubectl({"apply", "--validate=false", "-f", PC_CRD_FILE});
    for (const char* file : {"namespace", "rbac"}) {
      Server().MustKubectl({"apply", "-f", std::string(PC_MANIFESTS_DIR) + "/base/" + file + ".yaml"});
    }
    Server().MustKubectl({"wait", "--for=condition=Established", "crd/partitionpolicies.edgewatch.dev"});
    space_ = Server().CreateNamespace();
    std::vector<std::string> role = {
        "create", "role", "dbs", "-n", space_, "--verb=get,list,watch", "--resource=secrets"};
    for (int d = 0; d < databases_; ++d) {
      const std::string uri = PostgresServer::Shared().CreateDatabase("scale");
      LiveDatabase database(uri);
      for (int i = d; i < policies_; i += databases_) {
        const std::string table = "t" + std::to_string(i);
        database.Sql("CREATE TABLE " + table +
                     " (ts timestamptz NOT NULL) PARTITION BY RANGE (ts); CREATE INDEX ON " + table +
                     " (ts)");
      }
      uris_.push_back(uri);
      const std::string name = "db-" + std::to_string(d);
      role.push_back("--resource-name=" + name);
      Call(Verb::kCreate, SecretsPath(space_),
           {{"metadata", {{"name", name}}}, {"stringData", {{"uri", uri}}}});
    }
    Server().MustKubectl(role);
    Server().MustKubectl({"create", "rolebinding", "dbs", "-n", space_, "--role=dbs",
                          "--serviceaccount=partition-controller:partition-controller"});
    for (int i = 0; i < policies_; ++i) {
      Call(Verb::kCreate, PoliciesPath(space_),
           {{"apiVersion", "edgewatch.dev/v1alpha1"},
            {"kind", "PartitionPolicy"},
            {"metadata", {{"name", "p" + std::to_string(i)}}},
            {"spec",
             {{"connection", {{"secretRef", {{"name", "db-" + std::to_string(i % databases_)}}}}},
              {"table", {{"name", "t" + std::to_string(i)}}},
              {"timeColumn", "ts"},
              {"partitioning", {{"premake", 1}}},
              {"schedule", {{"period", "2s"}}}}}});
    }
  }

  json Call(Verb verb, const std::string& path, const json& body) {
    return cluster_.Call({verb, path, body.is_null() ? "" : body.dump()}, {});
  }

  // How many policies are ready, as of this generation.
  int Ready(std::int64_t generation) {
    int ready = 0;
    json list;
    try {
      list = Call(Verb::kGet, PoliciesPath(space_), nullptr);
    } catch (const ClusterError& error) {
      // A server that is busy with a thousand of them may be late once.
      if (error.kind() != ClusterError::Kind::kTimedOut) throw;
      return 0;
    }
    for (const json& policy : list.at("items")) {
      const json& status = policy.at("status");
      if (status.at("observedGeneration") != generation) continue;
      for (const json& condition : status.value("conditions", json::array())) {
        ready += condition.at("type") == "Ready" && condition.at("status") == "True" ? 1 : 0;
      }
    }
    return ready;
  }

  static std::int64_t ResidentKilobytes(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("VmRSS:")) return std::stoll(line.substr(6));
    }
    return -1;
  }

  // Requests by method, as the controller counts them.
  static std::map<std::string, double> Requests(int port) {
    std::map<std::string, double> counts;
    const std::string page = HttpGet(port, "/metrics").value_or("");
    const std::regex line("rest_client_requests_total\\{.*method=\"([A-Z]+)\"\\} ([0-9.e+]+)");
    for (auto it = std::sregex_iterator(page.begin(), page.end(), line); it != std::sregex_iterator(); ++it) {
      counts[(*it)[1]] += std::stod((*it)[2]);
    }
    return counts;
  }

  const int policies_ = Setting("PC_TEST_POLICIES", 60);
  const int databases_ = Setting("PC_TEST_DATABASES", 3);
  const int patience_ = Setting("PC_TEST_PATIENCE", 120);
  std::string space_;
  std::vector<std::string> uris_;
  SystemClock clock_;
  Credentials credentials_;
  KubernetesCluster cluster_;
};

TEST_F(Scale, AllBecomeReadyNoEditIsLostAndThenItIsQuiet) {
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [](std::chrono::steady_clock::time_point since) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
  };
  Process controller(Program(
      {"run", "--kubernetes", "--kubeconfig", Server().Kubeconfig("controller", "partition-controller"),
       "--listen", "127.0.0.1:0", "--lease", space_, "--namespace", space_, "--log-level", "info"}));
  ASSERT_TRUE(Eventually([&] { return Ready(1) == policies_; }, seconds(patience_)))
      << Ready(1) << controller.Err();
  // What a pod's limit counts; the same for any number of policies up to a thousand.
  const auto expect_small = [&] {
    const std::int64_t megabytes = ResidentKilobytes(controller.pid()) * 1024 / 1'000'000;
    EXPECT_GT(megabytes, 0);
    EXPECT_LT(megabytes, 100);
    return megabytes;
  };
  std::cout << policies_ << " policies of " << databases_ << " databases ready after " << elapsed(begin)
            << " s, " << expect_small() << " MB\n";
  std::smatch port;
  const std::string log = controller.Err();
  ASSERT_TRUE(std::regex_search(log, port, std::regex("\"port\":([0-9]+)")));

  const auto storm = std::chrono::steady_clock::now();
  for (int i = 0; i < policies_; ++i) {
    Call(Verb::kMerge, PoliciesPath(space_) + "/p" + std::to_string(i),
         {{"spec", {{"partitioning", {{"premake", 3}}}}}});
  }
  std::cout << "edited after " << elapsed(storm) << " s\n";
  ASSERT_TRUE(Eventually([&] { return Ready(2) == policies_; }, seconds(patience_))) << Ready(2);
  std::cout << "ready again after " << elapsed(storm) << " s, " << expect_small() << " MB\n";
  for (const std::string& uri : uris_) {
    LiveDatabase database(uri);
    EXPECT_EQ(
        database.Number("SELECT count(*) FROM (SELECT inhparent FROM pg_inherits WHERE inhparent IN (SELECT "
                        "partrelid FROM pg_partitioned_table) GROUP BY 1 HAVING count(*) <> 5) x"),
        0);  // this month, three ahead and the default
  }

  // Events that were counted are written within a minute; they are no statuses.
  const auto counts = [&] { return Requests(std::stoi(port[1])); };
  EXPECT_TRUE(Eventually(
      [&] {
        const auto before = counts();
        std::this_thread::sleep_for(seconds(5));
        const auto after = counts();
        return before.contains("PATCH") && before.at("PATCH") == after.at("PATCH") &&
               before.at("POST") == after.at("POST");
      },
      seconds(patience_)));
  // An idle minute: the Lease is renewed every two seconds, and watches begin anew
  // now and then.
  std::map<std::string, double> idle = counts();
  std::this_thread::sleep_for(seconds(60));
  for (const auto& [method, count] : counts()) {
    idle[method] = count - idle[method];
    std::cout << "in an idle minute: " << idle[method] << " " << method << "\n";
  }
  EXPECT_EQ(idle["PATCH"], 0);
  EXPECT_EQ(idle["POST"], 0);
  EXPECT_EQ(idle["DELETE"], 0);
  EXPECT_GT(idle["PUT"], 0);
  EXPECT_LE(idle["PUT"], 31);
  EXPECT_EQ(idle["GET"], 0);
  EXPECT_LE(idle["WATCH"], 2 * (databases_ + 1)) << "one of the policies, and one of each Secret";
  std::cout << "after it " << expect_small() << " MB\n";

  // The latency from an edit to what it brings about, of one policy after another.
  const int edits = std::min(50, policies_);
  std::vector<double> latencies;
  std::vector<std::unique_ptr<LiveDatabase>> open;
  for (const std::string& uri : uris_) open.push_back(std::make_unique<LiveDatabase>(uri));
  for (int i = 0; i < edits; ++i) {
    LiveDatabase& database = *open[static_cast<std::size_t>(i % databases_)];
    const std::string table = "t" + std::to_string(i);
    const auto edit = std::chrono::steady_clock::now();
    Call(Verb::kMerge, PoliciesPath(space_) + "/p" + std::to_string(i),
         {{"spec", {{"partitioning", {{"premake", 4}}}}}});
    ASSERT_TRUE(Eventually([&] {
      return database.Number("SELECT count(*) FROM pg_inherits WHERE inhparent = '" + table +
                             "'::regclass") == 6;
    }));
    latencies.push_back(elapsed(edit));
  }
  std::sort(latencies.begin(), latencies.end());
  std::cout << "from an edit to a new partition, of " << edits << ": median "
            << latencies[latencies.size() / 2] << " s, worst " << latencies.back() << " s\n";
}

}  // namespace
}  // namespace partition_controller
