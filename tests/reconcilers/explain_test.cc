#include "reconcilers/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

namespace partition_controller {
namespace {

using std::chrono::hours;
using std::chrono::sys_days;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

class Explain : public testing::Test {
 protected:
  Explain() {
    policy_.name_space = "edgewatch";
    policy_.name = "points";
    policy_.time_column = "ts";
    policy_.retention = Retention{.keep = {90, CalendarDuration::Unit::kDay}};
    catalog_.server.time = now_;
    catalog_.server.version = 150013;
    catalog_.server.database_name = "edgewatch";
    catalog_.server.user = "edgewatch";
    Table& table = catalog_.table.emplace();
    table.oid = 1;
    table.schema = "public";
    table.name = "points";
    table.key_column_type = "timestamp with time zone";
    plan_.outlook.now = now_;
    plan_.outlook.horizon = sys_days(2027y / 3 / 1);
    plan_.outlook.covered_until = plan_.outlook.horizon;
    plan_.outlook.cutoff = now_ - 90 * hours(24);
  }

  std::string Text() const { return ExplainText(plan_, policy_, catalog_, false); }
  nlohmann::ordered_json Json() const { return ExplainJson(plan_, policy_, catalog_); }

  static CreatePartition Create(const std::string& name = "points_p202702") {
    return {{name, Range::Between(sys_days(2027y / 2 / 1), sys_days(2027y / 3 / 1))}};
  }
  static DropPartition Drop() {
    return {{2, "public", "points_p202607", "b"},
            Range::Between(sys_days(2026y / 7 / 1), sys_days(2026y / 8 / 1)),
            true};
  }

  const Instant now_ = sys_days(2026y / 11 / 22) + 20h + 31min;
  Policy policy_;
  Catalog catalog_;
  Plan plan_;
};

TEST_F(Explain, AConvergedTable) {
  EXPECT_EQ(Text(),
            "Policy edgewatch/points, table \"public\".\"points\"\n"
            "  server:  PostgreSQL 15.13, database \"edgewatch\", role \"edgewatch\"\n"
            "  now:     2026-11-22T20:31:00Z\n"
            "  covered: until 2027-03-01T00:00:00Z, 98 d 3 h ahead; target 2027-03-01T00:00:00Z\n"
            "  expired: rows before 2026-08-24T20:31:00Z (keep 90d)\n"
            "\n"
            "Nothing to do.\n");
}

TEST_F(Explain, Everything) {
  plan_.steps = {{Create(), "one of the 3 periods to be made ahead"}, {Drop(), "it has expired"}};
  plan_.waiting = {{Drop(), "the maintenance windows are closed", now_ + hours(5)}};
  plan_.refusals = {{"ClockSkew", "the clocks differ", "set them", false}};
  plan_.advice = {"drink water"};
  plan_.wake_at = now_ + hours(30);
  plan_.hash = "0123456789abcdef";
  plan_.needs_acknowledgement = true;
  const std::string text = Text();
  EXPECT_EQ(
      text.substr(text.find("\n\n") + 2),
      "2 steps; 1 takes rows out of the table:\n"
      "  1. + create partition \"public\".\"points_p202702\" for [2027-02-01T00:00:00Z, "
      "2027-03-01T00:00:00Z)\n"
      "       because: one of the 3 periods to be made ahead\n"
      "       locks:   SHARE UPDATE EXCLUSIVE on \"public\".\"points\" (attaches; readers and writers go "
      "on)\n"
      "  2. - drop partition \"public\".\"points_p202607\" [2026-07-01T00:00:00Z, "
      "2026-08-01T00:00:00Z)\n"
      "       because: it has expired\n"
      "       locks:   ACCESS EXCLUSIVE on \"public\".\"points\" (only metadata)\n"
      "                ACCESS EXCLUSIVE on \"public\".\"points_p202607\" (only metadata)\n"
      "\n"
      "Waiting:\n"
      "  - drop partition \"public\".\"points_p202607\" [2026-07-01T00:00:00Z, 2026-08-01T00:00:00Z)\n"
      "    because: the maintenance windows are closed\n"
      "    until:   2026-11-23T01:31:00Z, in 5 h\n"
      "\n"
      "Refused:\n"
      "  ClockSkew: the clocks differ\n"
      "    effect:  no step that takes rows out of the table is taken\n"
      "    remedy:  set them\n"
      "\n"
      "Advice:\n"
      "  * drink water\n"
      "\n"
      "Next change: 2026-11-24T02:31:00Z, in 1 d 6 h\n"
      "Plan hash: 0123456789abcdef\n"
      "To consent: partition-controller apply --spec FILE --acknowledge 0123456789abcdef\n");
}

// The default partition that step 1 makes is locked by step 2.
TEST_F(Explain, LocksAreOfTheTableAsTheStepFindsIt) {
  plan_.steps = {{CreateDefault{"points_default"}, "r"}, {Create(), "r"}};
  const auto steps = Json().at("steps");
  EXPECT_EQ(steps[0].at("locks").size(), 1U);
  ASSERT_EQ(steps[1].at("locks").size(), 2U);
  EXPECT_EQ(steps[1]["locks"][1]["relation"], "\"public\".\"points_default\"");
}

TEST_F(Explain, NumbersLineUp) {
  for (int i = 0; i < 10; ++i) plan_.steps.push_back({Create("p" + std::to_string(i)), "r"});
  EXPECT_THAT(Text(), HasSubstr("\n   9. + create"));
  EXPECT_THAT(Text(), HasSubstr("\n  10. + create"));
  EXPECT_THAT(Text(), HasSubstr("10 steps; none takes rows out of the table:\n"));
}

TEST_F(Explain, CoverageThatIsMissing) {
  plan_.outlook.covered_until = sys_days(2026y / 12 / 1);
  EXPECT_THAT(Text(), HasSubstr("covered: until 2026-12-01T00:00:00Z, 8 d 3 h ahead; target "
                                "2027-03-01T00:00:00Z, 90 d short\n"));
  plan_.outlook.covered_until.reset();
  plan_.outlook.uncovered_since = sys_days(2026y / 11 / 1);
  EXPECT_THAT(Text(), HasSubstr("covered: no: no partition holds rows of now (since 2026-11-01T00:00:00Z); "
                                "inserting them fails; target 2027-03-01T00:00:00Z\n"));
  catalog_.table->default_partition.emplace();
  EXPECT_THAT(Text(), HasSubstr("; they go to the default partition; target"));
  plan_.outlook.covered_for_ever = true;
  EXPECT_THAT(Text(), HasSubstr("covered: for ever\n"));
}

TEST_F(Explain, WhatHoldsThePlanBack) {
  policy_.mode = Policy::Mode::kPlan;
  EXPECT_THAT(Text(), HasSubstr("mode:    Plan: nothing is applied (spec.mode)\n"));
  policy_.suspend = true;
  EXPECT_THAT(Text(), HasSubstr("mode:    suspended: nothing is applied (spec.suspend)\n"));
  plan_.outlook.now += hours(1);
  EXPECT_THAT(Text(), HasSubstr("now:     2026-11-22T21:31:00Z (a preview: the server's clock says "
                                "2026-11-22T20:31:00Z)\n"));
}

TEST_F(Explain, KeysWithoutAZone) {
  EXPECT_THAT(Text(), Not(HasSubstr("axis:")));
  catalog_.table->key_column_type = "date";
  policy_.partitioning.time_zone = "Europe/Berlin";
  EXPECT_THAT(Text(),
              HasSubstr("  axis:    \"ts\" has no time zone: ranges and cutoffs in steps are wall time of "
                        "Europe/Berlin, although written with Z\n"));
}

TEST_F(Explain, ATableThatIsNotThere) {
  catalog_.table.reset();
  plan_ = {};
  plan_.outlook.now = now_;
  plan_.refusals = {{"TableNotFound", "no table", "make it", true}};
  policy_.table.name = "pints";
  EXPECT_EQ(Text(),
            "Policy edgewatch/points, table \"public\".\"pints\"\n"
            "  server:  PostgreSQL 15.13, database \"edgewatch\", role \"edgewatch\"\n"
            "  now:     2026-11-22T20:31:00Z\n"
            "\n"
            "Nothing is done.\n"
            "\n"
            "Refused:\n"
            "  TableNotFound: no table\n"
            "    effect:  no step is taken\n"
            "    remedy:  make it\n");
  EXPECT_EQ(Json().at("table").at("name"), "pints");
  EXPECT_TRUE(Json().at("outlook").at("horizon").is_null());
}

TEST_F(Explain, ColourChangesNothingButColour) {
  plan_.steps = {{Create(), "r"}, {Drop(), "r"}};
  plan_.waiting = {{Drop(), "r", std::nullopt}};
  std::string coloured = ExplainText(plan_, policy_, catalog_, true);
  EXPECT_THAT(coloured, HasSubstr("\x1b[31m2. - drop"));
  for (std::size_t at = 0; (at = coloured.find('\x1b')) != std::string::npos;) {
    coloured.erase(at, coloured.find('m', at) - at + 1);
  }
  EXPECT_EQ(coloured, Text());
}

TEST_F(Explain, HostileNamesStayInTheirLine) {
  catalog_.table->name = "a\nb\x1b[2J\xff \"c";
  plan_.steps = {{Create("d\re"), "because\nof"}};
  EXPECT_THAT(Text(), HasSubstr(R"("a\x0Ab\x1B[2J\xFF ""c")"));
  EXPECT_THAT(Text(), HasSubstr(R"("d\x0De")"));
  EXPECT_THAT(Text(), HasSubstr(R"(because: because\x0Aof)"));
  // JSON says exactly what the name is, but for what is no UTF-8.
  EXPECT_EQ(Json().at("table").at("name"), "a\nb\x1b[2J\uFFFD \"c");
  EXPECT_NO_THROW(Json().dump());
}

TEST_F(Explain, NoReasonNoLine) {
  plan_.steps = {{ForgetDetached{{3, "public", "x", ""}}, ""}};
  EXPECT_THAT(Text(), Not(HasSubstr(" \n")));
  EXPECT_THAT(Text(), Not(HasSubstr("because")));
}

TEST_F(Explain, Json) {
  plan_.steps = {{Drop(), "it has expired"}};
  plan_.waiting = {{Create(), "later", std::nullopt}};
  plan_.refusals = {{"Conflict", "m", "r", true}};
  plan_.wake_at = now_ + hours(1);
  std::vector<std::string> keys;
  const nlohmann::ordered_json json = Json();
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_THAT(
      keys, ElementsAre("policy", "table", "database", "serverVersion", "now", "steps", "waiting", "refusals",
                        "advice", "wakeAt", "hash", "needsAcknowledgement", "atStake", "outlook"));
  EXPECT_EQ(json.at("steps"), nlohmann::ordered_json::parse(R"json([{
      "kind": "drop_partition",
      "description": "drop partition \"public\".\"points_p202607\" [2026-07-01T00:00:00Z, 2026-08-01T00:00:00Z)",
      "reason": "it has expired",
      "destructive": true,
      "locks": [
        {"mode": "ACCESS EXCLUSIVE", "relation": "\"public\".\"points\"", "note": "only metadata"},
        {"mode": "ACCESS EXCLUSIVE", "relation": "\"public\".\"points_p202607\"", "note": "only metadata"}
      ]
    }])json"));
  EXPECT_TRUE(json.at("waiting")[0].at("until").is_null());
  EXPECT_EQ(json.at("refusals").dump(),
            R"([{"code":"Conflict","message":"m","remedy":"r","stopsEverything":true}])");
  EXPECT_EQ(json.at("wakeAt"), "2026-11-22T21:31:00Z");
  EXPECT_EQ(json.at("outlook").dump(),
            R"({"coveredUntil":"2027-03-01T00:00:00Z","coveredForEver":false,"uncoveredSince":null,)"
            R"("horizon":"2027-03-01T00:00:00Z","cutoff":"2026-08-24T20:31:00Z","overdueSince":null})");
}

}  // namespace
}  // namespace partition_controller
