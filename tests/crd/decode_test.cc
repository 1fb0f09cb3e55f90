#include "crd/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/crd/decoding.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(Decode, FillsEveryDefault) {
  const Decoded decoded = Decode(Minimal());
  ASSERT_THAT(decoded.problems, IsEmpty());
  Policy expected;
  expected.name = "points";
  expected.connection.env = "DATABASE_URL";
  expected.table = {"public", "telemetry_points"};
  expected.time_column = "ts";
  EXPECT_THAT(decoded.policies, ElementsAre(expected));
}

TEST(Decode, ReadsEveryField) {
  const Decoded decoded = Decode(R"(
apiVersion: edgewatch.dev/v1alpha1
kind: PartitionPolicy
metadata:
  name: telemetry.points
  namespace: edgewatch
  labels: {app/name: x}
  annotations: {a: b}
  generation: 3
  creationTimestamp: null
spec:
  connection: {secretRef: {name: edgewatch-db, key: db_uri}, role: 'Edge "watch"'}
  table: {schema: "we;ird", name: "points \"ü\""}
  timeColumn: "t s"
  partitioning:
    state: Disabled
    granularity: Quarter
    timeZone: Europe/Berlin
    premake: 366
    defaultPartition: Absent
    conversion: Never
    uniqueness: Refuse
    historyDeletes: Disabled
  retention: {keep: 3mo, action: Drop, undoWindow: 0h, maxPerRun: 1000, afterRollup: Ignored}
  rollups: []
  schedule:
    period: 24h
    windows:
    - {days: [Sun, Sat], start: "23:59", duration: 24h, timeZone: Europe/Berlin}
    - {start: 02:00, duration: 30m}
  locks: {timeout: 50ms, statementTimeout: 50ms}
  mode: Plan
  suspend: true
status: {conditions: []}
)");
  ASSERT_THAT(decoded.problems, IsEmpty()) << decoded.problems[0].message;
  Policy expected;
  expected.name_space = "edgewatch";
  expected.name = "telemetry.points";
  expected.connection.secret_ref = SecretRef{"edgewatch", "edgewatch-db", "db_uri"};
  expected.connection.role = "Edge \"watch\"";
  expected.table = {"we;ird", "points \"\xC3\xBC\""};
  expected.time_column = "t s";
  expected.partitioning.state = Partitioning::State::kDisabled;
  expected.partitioning.granularity = Granularity::kQuarter;
  expected.partitioning.time_zone = "Europe/Berlin";
  expected.partitioning.premake = 366;
  expected.partitioning.default_partition = Partitioning::Default::kAbsent;
  expected.partitioning.history_deletes = false;
  Retention retention;
  retention.keep = {3, CalendarDuration::Unit::kMonth};
  retention.action = Retention::Action::kDrop;
  retention.undo_window = {0, CalendarDuration::Unit::kHour};
  retention.max_per_run = 1000;
  retention.after_rollup = false;
  expected.retention = retention;
  expected.schedule.period = std::chrono::hours(24);
  expected.schedule.windows = {
      {{7, 6}, std::chrono::minutes(23 * 60 + 59), std::chrono::hours(24), "Europe/Berlin"},
      {{}, std::chrono::minutes(120), std::chrono::minutes(30), "UTC"}};
  expected.locks = {std::chrono::milliseconds(50), std::chrono::milliseconds(50)};
  expected.mode = Policy::Mode::kPlan;
  expected.suspend = true;
  EXPECT_THAT(decoded.policies, ElementsAre(expected));
}

TEST(Decode, ReadsEveryGranularity) {
  const std::pair<const char*, Granularity> all[] = {
      {"Hour", Granularity::kHour},   {"Day", Granularity::kDay},         {"Week", Granularity::kWeek},
      {"Month", Granularity::kMonth}, {"Quarter", Granularity::kQuarter}, {"Year", Granularity::kYear}};
  for (const auto& [word, granularity] : all) {
    const Decoded decoded = Decode(Minimal() + "  partitioning: {granularity: " + word + "}\n");
    ASSERT_THAT(decoded.policies, SizeIs(1)) << word;
    EXPECT_EQ(decoded.policies[0].partitioning.granularity, granularity);
    EXPECT_STREQ(ToString(granularity), word);
  }
}

TEST(Decode, ReportsAllProblemsInTheOrderOfTheText) {
  const Decoded decoded = Decode(R"(kind: PartitionPolicy
apiVersion: edgewatch.dev/v2
metadata: {name: Bad_Name}
spec:
  suspend: yes
  retnetion: {keep: 90d}
  connection: {env: DATABASE_URL}
  partitioning:
    premake: 0
    granularity: month
  table: {name: x}
)");
  EXPECT_THAT(decoded.policies, IsEmpty());
  std::string all;
  for (const Problem& problem : decoded.problems) {
    EXPECT_EQ(problem.file, "policy.yaml");
    all += std::to_string(problem.position.line) + ":" + std::to_string(problem.position.column) + " " +
           problem.path + " " + problem.message + "\n";
  }
  EXPECT_EQ(
      all,
      "2:1 apiVersion apiVersion must be edgewatch.dev/v1alpha1, not 'edgewatch.dev/v2'\n"
      "3:12 metadata.name name must be lower-case letters, digits, - and ., beginning and ending with a "
      "letter "
      "or digit, at most 253; not 'Bad_Name'\n"
      "4:1 spec.timeColumn spec.timeColumn is missing: the column that says when a row happened\n"
      "5:3 spec.suspend suspend must be true or false, not 'yes'\n"
      "6:3 spec.retnetion unknown key 'retnetion'; did you mean 'retention'?\n"
      "9:5 spec.partitioning.premake premake must be a whole number from 1 to 366, not 0: with none ahead, "
      "rows "
      "of the next period would have no partition to go to\n"
      "10:5 spec.partitioning.granularity granularity must be Hour, Day, Week, Month, Quarter or Year, not "
      "'month'; did you mean 'Month'?\n");
}

TEST(Decode, RendersForPeople) {
  const std::string text = Minimal() + "  retention:\n    keep: 90days\n    action: Drop\n";
  const Decoded decoded = Decode(text);
  ASSERT_THAT(decoded.problems, SizeIs(1));
  EXPECT_EQ(Render(decoded.problems[0], text),
            "policy.yaml:9:5: keep must be a whole number from 1 to 99999 and h, d, w, mo or y, such as 90d "
            "or 3mo; "
            "not '90days'; did you mean '90d'?\n"
            "    keep: 90days\n"
            "    ^");
}

TEST(Decode, ListsTheKnownKeysWhenNoneIsNear) {
  EXPECT_THAT(Problems(Minimal() + "  locks: {zzz: 1}\n"),
              ElementsAre("spec.locks.zzz: unknown key 'zzz'; known here: timeout, statementTimeout"));
}

TEST(Decode, ReportsMissingKeysAtTheirParent) {
  const Decoded decoded =
      Decode("apiVersion: edgewatch.dev/v1alpha1\nkind: PartitionPolicy\nmetadata: {}\nspec:\n  table: {}\n");
  std::string all;
  for (const Problem& problem : decoded.problems) {
    all += std::to_string(problem.position.line) + " " + problem.path + "\n";
  }
  EXPECT_EQ(all, "3 metadata.name\n4 spec.connection\n4 spec.timeColumn\n5 spec.table.name\n");
}

TEST(Decode, ReportsWhatIsNoObject) {
  EXPECT_THAT(Problems("[1]"), ElementsAre(": a policy must hold keys and values (key: value)"));
  EXPECT_THAT(Problems("text"), SizeIs(1));
  EXPECT_THAT(Problems("apiVersion: edgewatch.dev/v1alpha1\nkind: PartitionPolicy\nmetadata: x\nspec:\n"),
              ElementsAre("metadata: metadata must hold keys and values (key: value)",
                          "spec: spec is empty; it must hold keys and values"));
  EXPECT_THAT(Problems("apiVersion: edgewatch.dev/v1alpha1\nkind: PartitionPolicy\n"),
              ElementsAre("metadata: metadata is missing: it holds the policy's name",
                          "spec: spec is missing: what the policy asks for"));
}

TEST(Decode, LeavesOtherKindsAlone) {
  EXPECT_THAT(Problems("apiVersion: v1\nkind: Secret\nstringData: {uri: postgres://u:hunter2@x/y}\n"),
              ElementsAre("kind: kind must be PartitionPolicy, not 'Secret'"));
}

TEST(Decode, ReportsAnEmptyFile) {
  EXPECT_THAT(Problems(""), ElementsAre(": the file holds no policy"));
  EXPECT_THAT(Problems("# later\n---\n"), ElementsAre(": the file holds no policy"));
}

TEST(Decode, ReadsSeveralDocumentsAndRefusesTwoOfOneName) {
  const std::string other = Minimal("name: other");
  EXPECT_THAT(Decode(Minimal() + "---\n---\n" + other).policies, SizeIs(2));
  EXPECT_THAT(Decode(Minimal() + "---\n" + Minimal("name: points, namespace: b")).policies, SizeIs(2));

  const Decoded decoded =
      Decode(Minimal() + "---\n" + other + "---\n" + Minimal("name: points, namespace: default"));
  EXPECT_THAT(decoded.policies, SizeIs(2));
  ASSERT_THAT(decoded.problems, SizeIs(1));
  EXPECT_EQ(decoded.problems[0].message, "the file has a policy 'default/points' already, in line 3");
  EXPECT_EQ(decoded.problems[0].position, (Position{19, 12}));
}

TEST(Decode, ReturnsTheGoodPoliciesBesideABadOne) {
  const Decoded decoded = Decode(Minimal() + "---\n" + Minimal("name: other") + "  mode: apply\n");
  EXPECT_THAT(decoded.policies, SizeIs(1));
  EXPECT_THAT(decoded.problems, SizeIs(1));
}

TEST(Decode, LimitsTheNumberOfProblems) {
  std::string text = Minimal();
  for (int i = 0; i < 5'000; ++i) text += "  zzzzzzzz" + std::to_string(i) + ": 1\n";
  const Decoded decoded = Decode(text);
  ASSERT_THAT(decoded.problems, SizeIs(101));
  EXPECT_EQ(decoded.problems[100].message, "and 4900 more problems");
}

TEST(Decode, ChecksMetadata) {
  EXPECT_THAT(Problems(Minimal("name: points, namspace: x")),
              ElementsAre("metadata.namspace: unknown key 'namspace'; did you mean 'namespace'?"));
  EXPECT_THAT(Problems(Minimal("name: points, namespace: a.b")), SizeIs(1));
  EXPECT_THAT(Problems(Minimal("name: points, namespace: " + std::string(64, 'a'))), SizeIs(1));
  EXPECT_THAT(Problems(Minimal("name: " + std::string(254, 'a'))), SizeIs(1));
  EXPECT_THAT(Problems(Minimal("name: 7")),
              ElementsAre("metadata.name: name must be text; put the value in quotes"));
  EXPECT_THAT(Problems(Minimal("name: points, uid: x, managedFields: [], finalizers: [a/b], newField: 1")),
              IsEmpty());
}

TEST(DecodeObject, ReportsPathsWithoutPositions) {
  json object = json::parse(R"({"apiVersion": "edgewatch.dev/v1alpha1", "kind": "PartitionPolicy",
      "metadata": {"name": "p", "uid": "1", "managedFields": [{"f:spec": {}}]},
      "spec": {"connection": {"env": "A"}, "table": {"name": "t"}, "timeColumn": "ts",
               "partitioning": {"premake": 3.0}}})");
  const Decoded bad = DecodeObject(object, "", nullptr, Context());
  ASSERT_THAT(bad.problems, SizeIs(1));
  EXPECT_EQ(Render(bad.problems[0], ""),
            "spec.partitioning.premake: premake must be a whole number from 1 to 366, not 3.0");
  object["spec"]["partitioning"]["premake"] = 4;
  const Decoded good = DecodeObject(object, "", nullptr, Context());
  ASSERT_THAT(good.policies, SizeIs(1));
  EXPECT_EQ(good.policies[0].partitioning.premake, 4);
}

TEST(DecodeObject, TakesAnyJson) {
  for (const char* text :
       {"null", "1", "\"x\"", "[]", "{}", "{\"kind\": 1, \"metadata\": [], \"spec\": \"x\"}"}) {
    const Decoded decoded = DecodeObject(json::parse(text), "api", nullptr, Context());
    EXPECT_THAT(decoded.policies, IsEmpty()) << text;
    EXPECT_THAT(decoded.problems, Not(IsEmpty())) << text;
  }
}

TEST(Decode, EscapesAndShortensWhatItEchoes) {
  const std::string text = Minimal("name: \"a\\e[2J\\u202E" + std::string(5'000, 'x') + "\"") +
                           "  \"k\\e\\n\": 1\n  mode: \"\\0\"\n";
  const Decoded decoded = Decode(text);
  ASSERT_THAT(decoded.problems, SizeIs(3));
  for (const Problem& problem : decoded.problems) {
    EXPECT_LT(problem.message.size(), 400u);
    for (const std::string& out : {problem.message, problem.path}) {
      for (const char c : out) EXPECT_GE(c, ' ') << out;
    }
  }
  EXPECT_THAT(decoded.problems[1].message, HasSubstr("unknown key 'k\\x1B\\x0A'"));
}

}  // namespace
}  // namespace partition_controller
