// The custom resource definition on a real API server: what it accepts, what it
// refuses, what it adds, and how kubectl shows it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "crd/decode.h"
#include "crd/yaml.h"
#include "reconcilers/zone.h"
#include "tests/support/api_server.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ReadFile(const std::string& path) {
  std::ifstream stream(path);
  return {(std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>()};
}

class Crd : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    // An API server before 1.25 knows no validation rules.
    Server().MustKubectl({"apply", "--validate=false", "-f", PC_CRD_FILE});
    Server().MustKubectl({"wait", "--for=condition=Established", "crd/partitionpolicies.edgewatch.dev"});
    Server().MustKubectl({"create", "namespace", "edgewatch"});
  }
  static ApiServer& Server() { return ApiServer::Shared(); }

  static json Minimal(const std::string& name = "points") {
    return {{"apiVersion", "edgewatch.dev/v1alpha1"},
            {"kind", "PartitionPolicy"},
            {"metadata", {{"name", name}, {"namespace", "edgewatch"}}},
            {"spec",
             {{"connection", {{"secretRef", {{"name", "db"}}}}},
              {"table", {{"name", "telemetry_points"}}},
              {"timeColumn", "ts"}}}};
  }
  // The policy as the server would store it; throws what it says otherwise.
  static json Stored(const json& policy) {
    return json::parse(Server().MustKubectl(
        {"create", "--validate=false", "--dry-run=server", "-o", "json", "-f", "-"}, policy.dump()));
  }
  // What the server says against the minimal policy with this value; empty:
  // nothing.
  static std::string Objection(const std::string& pointer, const json& value) {
    json policy = Minimal();
    policy[json::json_pointer(pointer)] = value;
    return Server().Kubectl({"create", "--validate=false", "--dry-run=server", "-f", "-"}, policy.dump()).err;
  }
};

TEST_F(Crd, IsStructuralAndEstablished) {
  const json crd =
      json::parse(Server().MustKubectl({"get", "crd", "partitionpolicies.edgewatch.dev", "-o", "json"}));
  for (const json& condition : crd.at("status").at("conditions")) {
    const std::string type = condition.at("type").get<std::string>();
    if (type == "NonStructuralSchema") ADD_FAILURE() << condition.dump();
    if (type == "NamesAccepted" || type == "Established") {
      EXPECT_EQ(condition.at("status"), "True") << condition;
    }
  }
}

TEST_F(Crd, AddsEveryDefault) {
  const json stored = Stored(Minimal());
  EXPECT_EQ(stored.at("spec"), json::parse(R"({
    "connection": {"secretRef": {"name": "db", "key": "uri"}},
    "table": {"schema": "public", "name": "telemetry_points"}, "timeColumn": "ts",
    "partitioning": {"state": "Enabled", "granularity": "Month", "timeZone": "UTC", "premake": 3,
      "defaultPartition": "Keep", "conversion": "Never", "uniqueness": "Refuse", "historyDeletes": "Enabled"},
    "schedule": {"period": "60s"}, "locks": {"timeout": "2s", "statementTimeout": "10m"},
    "mode": "Apply", "suspend": false})"))
      << stored.at("spec").dump(2);
  json policy = Minimal();
  policy["spec"]["retention"] = {{"keep", "90d"}, {"action", "Drop"}};
  EXPECT_EQ(Stored(policy).at("spec").at("retention"),
            json::parse(R"({"keep": "90d", "action": "Drop", "undoWindow": "24h", "maxPerRun": 8,
                            "afterRollup": "Required"})"));
}

// A policy is not "current" before the controller has looked at it.
TEST_F(Crd, BeginsUnobserved) {
  const json stored =
      json::parse(Server().MustKubectl({"create", "-o", "json", "-f", "-"}, Minimal("fresh").dump()));
  EXPECT_EQ(stored.at("status").at("observedGeneration"), -1);
}

TEST_F(Crd, LeavesOutWhatItDoesNotKnow) {
  json policy = Minimal();
  policy["spec"]["bogus"] = 1;
  policy["spec"]["partitioning"]["bogus"] = 1;
  policy["spec"]["connection"]["env"] = "HOME";
  EXPECT_THAT(Stored(policy).dump(), ::testing::AllOf(Not(HasSubstr("bogus")), Not(HasSubstr("HOME"))));
}

TEST_F(Crd, RefusesWhatIsWrong) {
  const std::pair<const char*, json> cases[] = {
      {"/spec/connection", json::object()},
      {"/spec/connection/secretRef/name", "Not_A_Name"},
      {"/spec/connection/secretRef/name", "../other"},
      {"/spec/connection/secretRef/key", "a/b"},
      {"/spec/table", json::object()},
      {"/spec/table/name", ""},
      {"/spec/table/name", std::string(64, 'x')},
      {"/spec/timeColumn", nullptr},
      {"/spec/partitioning/granularity", "month"},
      {"/spec/partitioning/premake", 0},
      {"/spec/partitioning/premake", 367},
      {"/spec/partitioning/premake", "3"},
      {"/spec/retention", {{"keep", "90d"}}},
      {"/spec/retention", {{"action", "Drop"}}},
      {"/spec/retention", {{"keep", "90"}, {"action", "Drop"}}},
      {"/spec/retention", {{"keep", "0d"}, {"action", "Drop"}}},
      {"/spec/retention", {{"keep", "90d"}, {"action", "drop"}}},
      {"/spec/retention", {{"keep", "90d"}, {"action", "Drop"}, {"maxPerRun", 0}}},
      {"/spec/schedule/period", "0s"},
      {"/spec/schedule/windows", {{{"start", "2:00"}, {"duration", "1h"}}}},
      {"/spec/schedule/windows", {{{"days", {"Sat", "Sat"}}, {"start", "02:00"}, {"duration", "1h"}}}},
      {"/spec/schedule/windows", {{{"days", {"Samstag"}}, {"start", "02:00"}, {"duration", "1h"}}}},
      {"/spec/locks/timeout", "soon"},
      {"/spec/mode", "Dry"},
      {"/spec/suspend", "yes"},
      {"/spec/rollups", {{{"name", "hourly"}}}},
  };
  for (const auto& [pointer, value] : cases) {
    EXPECT_THAT(Objection(pointer, value), HasSubstr("is invalid")) << pointer << " = " << value;
  }
  EXPECT_EQ(Objection("/spec/mode", "Plan"), "");
}

TEST_F(Crd, KnowsRollups) {
  const json rollup = {{"name", "hourly"},
                       {"interval", "1h"},
                       {"table", "telemetry_rollups_hourly"},
                       {"dimensions", {"device_id"}},
                       {"source", {{"jsonb", "metrics"}, {"keys", "All"}}}};
  const auto with = [&](const std::string& pointer, const json& value) {
    json changed = rollup;
    changed[json::json_pointer(pointer)] = value;
    return Objection("/spec/rollups", json::array({changed}));
  };
  EXPECT_EQ(Objection("/spec/rollups", json::array({rollup})), "");
  EXPECT_EQ(with("/source/keys", {"battery_v", "rssi"}), "");
  EXPECT_EQ(with("/interval", "1d"), "");
  EXPECT_THAT(Objection("/spec/rollups", json::array({rollup, rollup})), HasSubstr("Duplicate value"));
  for (const auto& [pointer, value] :
       std::initializer_list<std::pair<const char*, json>>{{"/source/keys", "Some"},
                                                           {"/source/keys", json::array()},
                                                           {"/dimensions", json::array()},
                                                           {"/dimensions", {"a", "a"}},
                                                           {"/interval", "1s"},
                                                           {"/name", "Hourly"},
                                                           {"/table", std::string(59, 't')},
                                                           {"/keep", "2 years"}}) {
    EXPECT_NE(with(pointer, value), "") << pointer << " = " << value;
  }
  json policy = Minimal();
  policy["spec"]["rollups"] = json::array({rollup});
  const json stored = Stored(policy).at("spec").at("rollups").at(0);
  EXPECT_EQ(stored.at("state"), "Enabled");
  EXPECT_EQ(stored.at("settle"), "5m");
  EXPECT_EQ(stored.at("source").at("keys"), "All");
}

// What is stored with its defaults, the controller reads.
TEST_F(Crd, StoresWhatTheControllerReads) {
  const json stored =
      json::parse(Server().MustKubectl({"create", "-o", "json", "-f", "-"}, Minimal("readable").dump()));
  const DecodeContext context{.known_zone = [](std::string_view zone) { return KnownZone(zone); },
                              .in_cluster = true};
  const Decoded decoded = DecodeObject(stored, "", {}, context);
  for (const Problem& problem : decoded.problems) ADD_FAILURE() << problem.path << ": " << problem.message;
  EXPECT_EQ(decoded.policies.size(), 1U);
}

TEST_F(Crd, TakesEveryExampleThatIsForACluster) {
  int taken = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(PC_MANIFESTS_DIR) + "/examples")) {
    const std::string text = ReadFile(entry.path());
    if (text.find("secretRef") == std::string::npos) continue;
    ++taken;
    for (YamlDocument& document : ReadYaml(text, entry.path()).documents) {
      document.value["metadata"]["namespace"] = "edgewatch";
      EXPECT_NO_THROW(Stored(document.value)) << entry.path();
    }
  }
  EXPECT_GE(taken, 1);
}

TEST_F(Crd, ShowsColumns) {
  json policy = Minimal("shown");
  policy["spec"]["retention"] = {{"keep", "90d"}, {"action", "Drop"}};
  Server().MustKubectl({"create", "-f", "-"}, policy.dump());
  const json status = json::parse(R"({"status": {"observedGeneration": 1,
    "partitions": {"count": 7, "coveredUntil": "2027-03-01T00:00:00Z"},
    "conditions": [{"type": "Ready", "status": "True", "reason": "AsDeclared", "message": "Fine.",
                    "lastTransitionTime": "2026-11-05T12:00:00Z"}]}})");
  const std::string path = "/apis/edgewatch.dev/v1alpha1/namespaces/edgewatch/partitionpolicies/shown/status";
  const Finished patched = RunProgram(
      {"/usr/bin/curl", "--silent", "--fail", "--cacert", Server().ca_file(), "-X", "PATCH", "-H",
       "Authorization: Bearer " + ApiServer::Token("admin"), "-H",
       "Content-Type: application/merge-patch+json", "--data", status.dump(), Server().url() + path});
  ASSERT_EQ(patched.code, 0) << patched.out << patched.err;
  const std::string shown =
      std::regex_replace(Server().MustKubectl({"get", "ppol", "shown", "-n", "edgewatch"}),
                         std::regex(" +[0-9]+m?s\n"), " AGE\n");
  EXPECT_EQ(std::regex_replace(shown, std::regex("  +"), "|"),
            "NAME|EVERY|KEEP|READY|REASON|PARTITIONS|COVERED UNTIL|AGE\n"
            "shown|Month|90d|True|AsDeclared|7|2027-03-01T00:00:00Z AGE\n");
  EXPECT_THAT(Server().MustKubectl({"get", "edgewatch", "-n", "edgewatch", "-o", "wide"}),
              ::testing::AllOf(HasSubstr("TABLE"), HasSubstr("ROLLUPS"), HasSubstr("Fine.")));
}

// Every description of the schema reaches who asks for it.
TEST_F(Crd, IsExplained) {
  const std::string shown = Server().MustKubectl({"explain", "ppol.spec.retention"});
  const std::string flat = std::regex_replace(shown, std::regex("\\s+"), " ");
  for (const char* part :
       {"How long rows are kept. Absent, they are kept for ever.", "saying it is the consent", "undoWindow",
        "the oldest first", "nothing is taken away that an enabled rollup"}) {
    EXPECT_THAT(flat, HasSubstr(part)) << shown;
  }
  EXPECT_THAT(Server().MustKubectl({"explain", "ppol", "--recursive"}), HasSubstr("lastHandledReconcileAt"));
}

}  // namespace
}  // namespace partition_controller
