// From the start of the process to the first reconcile, which makes the
// partitions of an empty table: what a rollout or a crash costs.

#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "tests/bench/bench.h"
#include "tests/support/api_server.h"
#include "tests/support/live_table.h"
#include "tests/support/process.h"

namespace partition_controller::bench {
namespace {

// A small part of the twenty seconds in which another controller takes over.
constexpr double kMostMilliseconds = 5'000;
constexpr const char* kLast = "table as declared";

// A new database with an empty table.
std::string MakeEmptyTable() {
  const std::string uri = Server().CreateDatabase("start");
  LiveDatabase(uri).Sql("CREATE TABLE points (id bigint, ts timestamptz NOT NULL) PARTITION BY RANGE (ts)");
  return uri;
}

// When something was first seen on the controller's page of metrics.
const std::vector<std::pair<std::string, std::regex>>& Milestones() {
  static const std::vector<std::pair<std::string, std::regex>> kMilestones = {
      {"serves metrics", std::regex("process_start_time_seconds")},
      {"first reconcile done",
       std::regex("\ncontroller_runtime_reconcile_time_seconds_count\\{[^}]*\\} [1-9]")},
      {kLast,
       std::regex(
           "\npartition_policy_condition\\{(?=[^}]*status=\"True\")(?=[^}]*type=\"Ready\")[^}]*\\} 1")}};
  return kMilestones;
}

using Samples = std::map<std::string, std::vector<double>>;

// `run` with these arguments: when each was seen; false if one was not, or the
// partitions were not made.
bool Start(std::vector<std::string> arguments, const Process::Options& around, const std::string& uri,
           Samples* samples) {
  const int port = FreePort();
  arguments.insert(arguments.begin(), {PC_BINARY, "run", "--listen", "127.0.0.1:" + std::to_string(port)});
  const Stopwatch watch;
  Process run(arguments, around);
  for (const auto& [what, seen] : Milestones()) {
    std::optional<std::string> page;
    while (!(page = HttpGet(port, "/metrics")) || !std::regex_search(*page, seen)) {
      if (!run.Running() || watch.Seconds() > 60) {
        std::fputs(run.Err().c_str(), stderr);
        return false;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    (*samples)[what].push_back(watch.Seconds() * 1'000);
  }
  run.Signal(15);
  return run.Wait() == 0 && LiveDatabase(uri).Number("SELECT count(*) FROM pg_inherits") >= 4;
}

void Tell(const std::string& from, bool fine, Samples samples, Report& report) {
  report.Require("the policy comes from " + from + ": partitions are made", fine);
  if (!fine) return;
  for (const auto& [what, seen] : Milestones()) {
    if (what == kLast) {
      report.Budget(what, std::move(samples[what]), "ms", kMostMilliseconds);
    } else {
      report.Measure(what, std::move(samples[what]), "ms");
    }
  }
}

bool StartFromFiles(int rounds, Samples* samples) {
  const ScratchFolder folder;
  const std::string file = folder.Write(
      "points.yaml",
      "apiVersion: edgewatch.dev/v1alpha1\nkind: PartitionPolicy\nmetadata: {name: points}\nspec:\n"
      "  connection: {env: DATABASE_URL}\n  table: {name: points}\n  timeColumn: ts\n");
  for (int round = 0; round < rounds; ++round) {
    const std::string uri = MakeEmptyTable();
    if (!Start({"--spec", file}, {.environment = {{"DATABASE_URL", uri}}}, uri, samples)) return false;
  }
  return true;
}

// With the permissions that are shipped, and a Lease that nobody holds.
bool StartInCluster(int rounds, Samples* samples) {
  ApiServer server;
  server.MustKubectl({"apply", "--validate=false", "-f", PC_CRD_FILE});
  for (const char* file : {"namespace", "rbac"}) {
    server.MustKubectl({"apply", "-f", std::string(PC_MANIFESTS_DIR) + "/base/" + file + ".yaml"});
  }
  server.MustKubectl({"wait", "--for=condition=Established", "crd/partitionpolicies.edgewatch.dev"});
  std::ifstream stream(std::string(PC_MANIFESTS_DIR) + "/namespace-access/secret-access.yaml");
  const std::string access{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  for (int round = 0; round < rounds; ++round) {
    const std::string space = server.CreateNamespace();
    const std::string uri = MakeEmptyTable();
    server.MustKubectl({"apply", "-f", "-"}, std::regex_replace(access, std::regex("namespace: edgewatch\n"),
                                                                "namespace: " + space + "\n"));
    const nlohmann::json secret = {{"apiVersion", "v1"},
                                   {"kind", "Secret"},
                                   {"metadata", {{"name", "edgewatch-db"}, {"namespace", space}}},
                                   {"stringData", {{"uri", uri}}}};
    const nlohmann::json policy = {{"apiVersion", "edgewatch.dev/v1alpha1"},
                                   {"kind", "PartitionPolicy"},
                                   {"metadata", {{"name", "points"}, {"namespace", space}}},
                                   {"spec",
                                    {{"connection", {{"secretRef", {{"name", "edgewatch-db"}}}}},
                                     {"table", {{"name", "points"}}},
                                     {"timeColumn", "ts"}}}};
    for (const nlohmann::json& one : {secret, policy}) server.MustKubectl({"apply", "-f", "-"}, one.dump());
    if (!Start({"--kubernetes", "--kubeconfig", server.Kubeconfig("controller", "partition-controller"),
                "--namespace", space, "--lease", space},
               {}, uri, samples)) {
      return false;
    }
  }
  return true;
}

}  // namespace

void RunStart(const Options& options, Report& report) {
  const int rounds = options.smoke ? 1 : 9;
  Samples files;
  const bool from_files = StartFromFiles(rounds, &files);
  Tell("a file", from_files, std::move(files), report);
  Samples cluster;
  const bool from_cluster = StartInCluster(rounds, &cluster);
  Tell("an API server", from_cluster, std::move(cluster), report);
}

}  // namespace partition_controller::bench
