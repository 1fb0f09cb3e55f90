#include "reconcilers/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "crd/decode.h"
#include "reconcilers/zone.h"

namespace partition_controller {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Instant At(const char* text) { return ParseInstant(text).value(); }

Partition Months(const char* from, const char* to, const std::string& name) {
  Partition partition;
  partition.schema = "public";
  partition.name = name;
  partition.range = Range::Between(At(from), At(to));
  return partition;
}

// October to December 2026, on the first of November, as nobody can find fault with.
Examined Healthy() {
  Examined examined;
  examined.server.time = At("2026-11-01T00:00:00Z");
  examined.time_zone = "UTC";
  ExaminedTable& table = examined.tables.emplace_back();
  table.oid = 1;
  table.schema = "public";
  table.name = "points";
  table.key_column = "ts";
  table.key_type = "timestamp with time zone";
  table.has_time_index = true;
  table.kept_by = "default/points";
  table.partitions = {Months("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", "points_10"),
                      Months("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", "points_11"),
                      Months("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", "points_12")};
  return examined;
}

std::vector<std::string> CodesOf(const Examined& examined) {
  std::vector<std::string> codes;
  for (const Finding& finding : Examine(examined, {})) codes.push_back(finding.code);
  return codes;
}

std::vector<std::string> CodesWith(const std::string& statement, std::int64_t calls = 1) {
  Examined examined = Healthy();
  examined.statements = {{statement, calls, 12.5, "app"}};
  return CodesOf(examined);
}

TEST(Doctor, NothingIsFoundWhereNothingIs) {
  EXPECT_THAT(CodesOf(Healthy()), IsEmpty());
  EXPECT_EQ(FindingsText({}, false), "Nothing found.\n");
}

TEST(Doctor, TheEndOfAPartitionIsNotInIt) {
  Examined examined = Healthy();
  examined.server.time = At("2026-12-31T23:59:59Z");
  EXPECT_THAT(CodesOf(examined), ElementsAre("NothingAhead"));
  examined.server.time = At("2027-01-01T00:00:00Z");
  EXPECT_THAT(CodesOf(examined), ElementsAre("NowUncovered"));
}

TEST(Doctor, DeletesByCtidAreOfTheTableItself) {
  EXPECT_THAT(CodesWith("DELETE FROM points WHERE ctid IN (SELECT ctid FROM points WHERE ts < $1 LIMIT $2)"),
              ElementsAre("DeletesByCtid"));
  EXPECT_THAT(CodesWith("with x as (select ctid from \"public\".\"points\")\n delete\n  FROM  "
                        "\"public\".\"points\" where ctid = any (select ctid from x)"),
              ElementsAre("DeletesByCtid"));
  // One leaf; with the leaf's oid; another table.
  EXPECT_THAT(CodesWith("DELETE FROM ONLY points WHERE ctid = $1 AND ts < $2"), IsEmpty());
  EXPECT_THAT(
      CodesWith("DELETE FROM points WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM points WHERE "
                "ts < $1)"),
      Not(testing::Contains("DeletesByCtid")));
  EXPECT_THAT(CodesWith("DELETE FROM points_10 WHERE ctid IN (SELECT ctid FROM points_10)"),
              ElementsAre("RowsDeletedElsewhere"));
  EXPECT_THAT(CodesWith("DELETE FROM other.points WHERE ctid = $1 AND ts < now()"), IsEmpty());
}

// A table that is looked after by nobody, unlike that of Healthy().
std::vector<std::string> DeedsIn(const std::string& statement, const std::string& kept_by = "") {
  Examined examined = Healthy();
  examined.tables[0].kept_by = kept_by;
  examined.statements = {{statement, 1, 12.5, "app"}};
  std::vector<std::string> codes = CodesOf(examined);
  std::erase(codes, "NoPolicy");
  return codes;
}

// Jobs that make, detach, drop and empty partitions by their names were not seen.
TEST(Doctor, JobsOfOthersAtPartitions) {
  for (const char* makes :
       {"CREATE TABLE IF NOT EXISTS points_p202701 PARTITION OF points FOR VALUES FROM ('2027-01-01') TO "
        "('2027-02-01')",
        "ALTER TABLE points ATTACH PARTITION x DEFAULT"}) {
    EXPECT_THAT(DeedsIn(makes), ElementsAre("PartitionsMadeElsewhere")) << makes;
  }
  // Old is what has no beginning; what has one is corrected.
  EXPECT_THAT(DeedsIn("DELETE FROM points WHERE ts < $1"), ElementsAre("RowsDeletedElsewhere"));
  EXPECT_THAT(DeedsIn("DELETE FROM points WHERE device = $1 AND ts >= $2 AND ts < $3"), IsEmpty());
  EXPECT_THAT(DeedsIn("DELETE FROM points WHERE ts BETWEEN $1 AND $2"), IsEmpty());
  // As a migration does once: it takes no range.
  EXPECT_THAT(DeedsIn("create table x partition of public.points default"), IsEmpty());
  for (const char* removes :
       {"ALTER TABLE points DETACH PARTITION points_10",
        "alter table only public.points detach partition x concurrently",
        "DROP TABLE IF EXISTS other, points_10 CASCADE", "DROP TABLE public.points_p202401",
        "DROP TABLE \"points_2024_01\"", "TRUNCATE points_10, other", "TRUNCATE TABLE ONLY points_10 CASCADE",
        "TRUNCATE points"}) {
    EXPECT_THAT(DeedsIn(removes), ElementsAre("PartitionsRemovedElsewhere")) << removes;
  }
  for (const char* deletes :
       {"DELETE FROM points_10", "DELETE FROM ONLY public.points_10 WHERE id < $1",
        "DELETE FROM points WHERE ts <= $1", "DELETE FROM points WHERE $1 > points.ts",
        "DELETE FROM points WHERE date(ts) < $1",
        "DELETE FROM points p USING devices d WHERE p.ts + d.keep < now()", "DELETE FROM points",
        "WITH gone AS (DELETE FROM points WHERE ts < $1 RETURNING 1) SELECT count(*) FROM gone"}) {
    EXPECT_THAT(DeedsIn(deletes), ElementsAre("RowsDeletedElsewhere")) << deletes;
  }
  for (const char* other :
       {"DROP TABLE points_backup", "DROP TABLE waypoints_202401", "DROP TABLE points_of_interest_2024",
        "TRUNCATE devices", "ALTER TABLE points ADD COLUMN x int", "DROP INDEX points_10",
        "DROP TABLE other.points_10", "ALTER TABLE waypoints DETACH PARTITION w1",
        "DELETE FROM points WHERE id = $1 AND ts = $2", "DELETE FROM points WHERE id = $1 AND ts > $2",
        "INSERT INTO points_10 VALUES ($1)"}) {
    EXPECT_THAT(DeedsIn(other), IsEmpty()) << other;
  }
}

// The controller writes every name with its schema and in quotes.
TEST(Doctor, TheControllersOwnStatementsAreNoFindings) {
  for (
      const char* ours :
      {R"(ALTER TABLE "public"."points" DETACH PARTITION "public"."points_10")",
       R"(DROP TABLE "public"."points_p202401")",
       R"(ALTER TABLE "public"."points" ATTACH PARTITION "public"."x" DEFAULT)",
       R"(DELETE FROM ONLY "public"."points_10" WHERE ctid = ANY (ARRAY(SELECT ctid FROM ONLY "public"."points_10")))"}) {
    EXPECT_THAT(DeedsIn(ours, "default/points"), IsEmpty()) << ours;
    EXPECT_THAT(DeedsIn(ours), testing::SizeIs(1)) << ours;
  }
}

TEST(Doctor, WhatPrunesIsNoFinding) {
  EXPECT_THAT(CodesWith("SELECT avg(v) FROM points WHERE device = $1"), ElementsAre("NotPruned"));
  EXPECT_THAT(CodesWith("SELECT max(ts) FROM points GROUP BY device"), ElementsAre("NotPruned"));
  EXPECT_THAT(CodesWith("SELECT avg(v) FROM points WHERE device = $1 AND ts >= $2"), IsEmpty());
  EXPECT_THAT(CodesWith("INSERT INTO points VALUES ($1, $2)"), IsEmpty());
  EXPECT_THAT(CodesWith("SELECT count(*) FROM waypoints"), IsEmpty());
  // Of a session nobody knows how often.
  EXPECT_THAT(CodesWith("SELECT avg(v) FROM points WHERE device = $1", 0), IsEmpty());
}

TEST(Doctor, LiteralsOfOthersAreMasked) {
  Examined examined = Healthy();
  examined.statements = {
      {"DELETE FROM points WHERE ts < '2020-01-01' AND owner = 'secret-name'", 0, 0, "app"}};
  const std::vector<Finding> findings = Examine(examined, {});
  EXPECT_THAT(FindingsText(findings, false), Not(HasSubstr("secret-name")));
  EXPECT_THAT(FindingsJson(findings).dump(), Not(HasSubstr("secret-name")));
  EXPECT_THAT(findings, testing::SizeIs(1));
}

TEST(Doctor, TheWorstComesFirst) {
  Examined examined = Healthy();
  examined.tables[0].has_time_index = false;
  examined.tables[0].kept_by.clear();
  examined.tables[0].partitions[0].detach_pending = true;
  EXPECT_THAT(CodesOf(examined), ElementsAre("DetachPending", "TimeIndexMissing", "NoPolicy"));
}

TEST(Doctor, StatementsStandByThemselvesAndWordsBesideThem) {
  Examined examined = Healthy();
  examined.tables[0].has_time_index = false;
  examined.tables[0].indexed = {examined.tables[0].partitions[0].oid = 10};
  examined.tables[0].partitions.pop_back();
  const std::vector<Finding> findings = Examine(examined, {});
  ASSERT_THAT(findings, testing::SizeIs(2));
  EXPECT_THAT(findings[1].sql, ElementsAre("CREATE INDEX CONCURRENTLY ON \"public\".\"points_11\" (\"ts\");",
                                           "CREATE INDEX ON \"public\".\"points\" (\"ts\");"));
  EXPECT_THAT(FindingsText(findings, false),
              HasSubstr("\n  sql:     CREATE INDEX CONCURRENTLY ON \"public\".\"points_11\" (\"ts\");\n"
                        "           CREATE INDEX ON \"public\".\"points\" (\"ts\");\n  advice:  each by"));
}

// A remedy that offers two ways, or says more than its SQL.
TEST(Doctor, ARefusalsWordsAreNoSql) {
  ExaminedPolicy one;
  one.policy.table = {"public", "points"};
  one.plan.refusals = {{"A", "m", "GRANT a TO b; or else", true, {"GRANT a TO b;"}},
                       {"B", "m", "ONE; TWO;", true, {"ONE;", "TWO;"}},
                       {"C", "m", "wait", true, {}}};
  const std::vector<Finding> findings = Examine({}, {one});
  ASSERT_THAT(findings, testing::SizeIs(3));
  EXPECT_THAT(findings[0].sql, ElementsAre("GRANT a TO b;"));
  EXPECT_EQ(findings[0].advice, "or else");
  EXPECT_THAT(findings[1].sql, ElementsAre("ONE;", "TWO;"));
  EXPECT_EQ(findings[1].advice, "");
  EXPECT_THAT(findings[2].sql, IsEmpty());
  EXPECT_EQ(findings[2].advice, "wait");
}

// Not to know is not to know of nobody.
TEST(Doctor, WhatCouldNotBeLookedAtIsSaid) {
  Examined examined = Healthy();
  examined.tables[0].kept_by.clear();
  EXPECT_THAT(CodesOf(examined), ElementsAre("NoPolicy"));
  EXPECT_THAT(WithoutPolicy(examined, {}), testing::SizeIs(1));
  examined.keepers_known = false;
  examined.not_looked_at = {{"the bookkeeping", "permission denied", {"GRANT x TO y;"}, ""}};
  const std::vector<Finding> findings = Examine(examined, {});
  ASSERT_THAT(findings, testing::SizeIs(1));
  EXPECT_EQ(findings[0].code, "NotLookedAt");
  EXPECT_EQ(findings[0].what, "could not look at the bookkeeping: permission denied");
  EXPECT_THAT(findings[0].sql, ElementsAre("GRANT x TO y;"));
  EXPECT_THAT(WithoutPolicy(examined, {}), IsEmpty());
}

TEST(Doctor, AFormerPartitionHasANameOrACheckOfOne) {
  const auto found = [](const std::string& name, bool bounded = false) {
    Examined examined = Healthy();
    examined.tables[0].alike = {{7, "public", name, bounded}};
    return !CodesOf(examined).empty();
  };
  for (const char* name : {"points_p202401", "points_2024_01", "points_p2024w07", "points2024",
                           "points_part_20240101", "points_y2024m01", "points_p2024q1"}) {
    EXPECT_TRUE(found(name)) << name;
  }
  for (const char* name :
       {"points_backup", "points_1", "points_of_2024", "points", "my_points_2024", "points_", "points_p"}) {
    EXPECT_FALSE(found(name)) << name;
  }
  EXPECT_TRUE(found("odd", true));

  Examined examined = Healthy();
  for (int i = 0; i < 8; ++i)
    examined.tables[0].alike.push_back({7, "public", "points_202" + std::to_string(i), false});
  EXPECT_THAT(Examine(examined, {})[0].what, testing::EndsWith("\"points_2024\", and 3 more"));
}

TEST(Doctor, ControlCharactersDoNotReachTheTerminal) {
  Examined examined = Healthy();
  examined.tables[0].name = "po\x1b[2Jints";
  examined.tables[0].has_time_index = false;
  EXPECT_THAT(FindingsText(Examine(examined, {}), true), Not(HasSubstr("\x1b[2J")));
}

Policy ProposedFor(const Examined& examined) {
  const std::string yaml = ProposePolicy(examined.tables.at(0), examined, "DATABASE_URL");
  DecodeContext context;
  context.known_zone = KnownZone;
  const Decoded decoded = DecodeYaml(yaml, "proposed.yaml", context);
  for (const Problem& problem : decoded.problems) ADD_FAILURE() << Render(problem, yaml);
  return decoded.policies.size() == 1 ? decoded.policies[0] : Policy{};
}

TEST(Proposal, TakesWhatTheBoundsHaveInCommon) {
  const Policy policy = ProposedFor(Healthy());
  EXPECT_EQ(policy.table.name, "points");
  EXPECT_EQ(policy.partitioning.granularity, Granularity::kMonth);
  EXPECT_EQ(policy.partitioning.time_zone, "UTC");
  EXPECT_EQ(policy.partitioning.premake, 2);
  EXPECT_FALSE(policy.retention);
  EXPECT_EQ(policy.mode, Policy::Mode::kPlan);
}

TEST(Proposal, FindsTheServersZone) {
  Examined examined = Healthy();
  examined.time_zone = "Europe/Berlin";
  examined.tables[0].partitions = {Months("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "a"),
                                   Months("2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z", "b")};
  const Policy policy = ProposedFor(examined);
  EXPECT_EQ(policy.partitioning.granularity, Granularity::kDay);
  EXPECT_EQ(policy.partitioning.time_zone, "Europe/Berlin");
}

TEST(Proposal, OfPartmanKeepsItsSettings) {
  Examined examined = Healthy();
  PartmanTable row;
  row.config = "partman.part_config";
  row.schema = "public";
  row.name = "points";
  row.interval = "10 days\n# hostile: true";
  row.interval_months = 0;
  row.interval_seconds = 10 * 86'400;
  row.retention = "2 years";
  row.retention_months = 24;
  row.retention_keeps_table = false;
  row.premake = 7;
  examined.partman = {row};
  const Policy policy = ProposedFor(examined);
  EXPECT_EQ(policy.partitioning.granularity, Granularity::kWeek);
  EXPECT_EQ(policy.partitioning.premake, 7);
  ASSERT_TRUE(policy.retention);
  EXPECT_EQ(ToString(policy.retention->keep), "2y");
  EXPECT_EQ(policy.retention->action, Retention::Action::kDrop);
  // What it moves away instead is not dropped.
  examined.partman[0].retention_schema = "archive";
  EXPECT_EQ(ProposedFor(examined).retention->action, Retention::Action::kDetach);
}

TEST(Proposal, EachHasANameOfItsOwn) {
  Examined examined = Healthy();
  const ExaminedTable first = examined.tables[0];
  examined.tables = {first, first, first, first};
  examined.tables[1].schema = "b";
  examined.tables[2].name = "b-points";
  examined.tables[3].name = "B points";
  std::set<std::string> names;
  for (const ExaminedTable& table : examined.tables) {
    const std::string yaml = ProposePolicy(table, examined, "DATABASE_URL");
    const std::size_t at = yaml.find("  name: ");
    names.insert(yaml.substr(at, yaml.find('\n', at) - at));
  }
  EXPECT_EQ(names, (std::set<std::string>{"  name: \"points\"", "  name: \"b-points\"",
                                          "  name: \"public-b-points\"", "  name: \"public-b-points-2\""}));
}

TEST(Proposal, OddNamesAreText) {
  Examined examined = Healthy();
  examined.tables[0].name = "- a: \"b\"\n#c";
  examined.tables[0].schema = "true";
  examined.tables[0].key_column = "{x}";
  const Policy policy = ProposedFor(examined);
  EXPECT_EQ(policy.table.name, "- a: \"b\"\n#c");
  EXPECT_EQ(policy.table.schema, "true");
  EXPECT_EQ(policy.time_column, "{x}");
}

}  // namespace
}  // namespace partition_controller
