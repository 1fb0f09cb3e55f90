// The real controller on a real API server and a real PostgreSQL, with the
// permissions that are shipped and no others: what its tests begin from.

#ifndef PARTITION_CONTROLLER_TESTS_CLUSTER_RUN_IN_CLUSTER_H_
#define PARTITION_CONTROLLER_TESTS_CLUSTER_RUN_IN_CLUSTER_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "tests/support/api_server.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"
#include "tests/support/program.h"

namespace partition_controller {

// What no output may ever show.
inline constexpr const char* kSecret = "S3cr3tPassw0rd";

// The whole of a file; empty if it cannot be read.
inline std::string ReadFile(const std::string& path) {
  std::ifstream stream(path);
  return {(std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>()};
}

class RunInCluster : public testing::Test {
 protected:
  static ApiServer& Server() { return ApiServer::Shared(); }

  static void SetUpTestSuite() {
    Server().MustKubectl({"apply", "--validate=false", "-f", PC_CRD_FILE});
    for (const char* file : {"namespace", "rbac", "roles-for-people"}) {
      Server().MustKubectl({"apply", "-f", std::string(PC_MANIFESTS_DIR) + "/base/" + file + ".yaml"});
    }
    Server().MustKubectl({"wait", "--for=condition=Established", "crd/partitionpolicies.edgewatch.dev"});
  }

  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    space_ = MakeSpace();
    uri_ = MakeDatabase();
    database_ = std::make_unique<LiveDatabase>(uri_);
  }

  void TearDown() override {
    for (const auto& process : processes_) {
      EXPECT_THAT(process->Err(), testing::Not(testing::HasSubstr(kSecret)));
      if (HasFailure()) std::cerr << process->Err();
    }
    if (space_.empty()) return;
    EXPECT_THAT(Server().MustKubectl({"get", "ppol", "-A", "-o", "json"}),
                testing::Not(testing::HasSubstr(kSecret)));
  }

  // A namespace whose Secret the controller may read.
  static std::string MakeSpace() {
    std::string space = Server().CreateNamespace();
    GrantAccess(space);
    return space;
  }
  static void GrantAccess(const std::string& space) {
    const std::string access =
        ReadFile(std::string(PC_MANIFESTS_DIR) + "/namespace-access/secret-access.yaml");
    Server().MustKubectl(
        {"apply", "-f", "-"},
        std::regex_replace(access, std::regex("namespace: edgewatch\n"), "namespace: " + space + "\n"));
  }

  // With an empty partitioned table.
  static std::string MakeDatabase() {
    const std::string uri = PostgresServer::Shared().CreateDatabase("cluster");
    LiveDatabase(uri).Sql(
        "CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts); CREATE INDEX ON "
        "points (ts)");
    return uri;
  }

  // A password that nobody asks for must not show all the same.
  static void SetSecret(const std::string& space, const std::string& uri) {
    const nlohmann::json secret = {{"apiVersion", "v1"},
                                   {"kind", "Secret"},
                                   {"metadata", {{"name", "edgewatch-db"}, {"namespace", space}}},
                                   {"stringData", {{"uri", uri + "?password=" + kSecret}}}};
    Server().MustKubectl({"apply", "-f", "-"}, secret.dump());
  }

  static nlohmann::json Policy(const std::string& space) {
    return {{"apiVersion", "edgewatch.dev/v1alpha1"},
            {"kind", "PartitionPolicy"},
            {"metadata", {{"name", "points"}, {"namespace", space}}},
            {"spec",
             {{"connection", {{"secretRef", {{"name", "edgewatch-db"}}}}},
              {"table", {{"name", "points"}}},
              {"timeColumn", "ts"},
              {"partitioning", {{"premake", 2}}},
              {"schedule", {{"period", "1s"}}}}}};
  }
  static void Apply(const nlohmann::json& policy) {
    Server().MustKubectl({"apply", "-f", "-"}, policy.dump());
  }

  Process& Start(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "run",      "--kubernetes", "--kubeconfig", Server().Kubeconfig("controller", "partition-controller"),
        "--listen", "127.0.0.1:0",  "--lease",      space_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    processes_.push_back(std::make_unique<Process>(Program(arguments)));
    return *processes_.back();
  }

  static nlohmann::json Get(const std::string& space) {
    return nlohmann::json::parse(Server().MustKubectl({"get", "ppol", "points", "-n", space, "-o", "json"}));
  }
  // "status reason" of a condition.
  static std::string Condition(const nlohmann::json& policy, const std::string& type) {
    for (const nlohmann::json& condition : policy.at("status").value("conditions", nlohmann::json::array())) {
      if (condition.at("type") == type) {
        return condition.at("status").get<std::string>() + " " + condition.at("reason").get<std::string>();
      }
    }
    return "";
  }
  static bool Becomes(const std::string& space, const std::string& type, const std::string& expected) {
    return Eventually([&] {
      const nlohmann::json policy = Get(space);
      return Condition(policy, type) == expected &&
             policy.at("status").at("observedGeneration") == policy.at("metadata").at("generation");
    });
  }
  static void WaitUntilReady(const std::string& space) {
    const Finished waited =
        Server().Kubectl({"wait", "--for=condition=Ready", "ppol/points", "-n", space, "--timeout=60s"});
    ASSERT_EQ(waited.code, 0) << waited.err << Get(space).dump(2);
  }
  static std::int64_t Partitions(LiveDatabase& database) {
    return database.Number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'points'::regclass");
  }

  std::string space_;
  std::string uri_;
  std::unique_ptr<LiveDatabase> database_;
  std::vector<std::unique_ptr<Process>> processes_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_CLUSTER_RUN_IN_CLUSTER_H_
