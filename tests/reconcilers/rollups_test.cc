// When a rollup is made, refreshed, filled, audited and left alone, and what
// waits for it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcilers/plan.h"
#include "reconcilers/rollup_tables.h"
#include "reconcilers/status.h"
#include "tests/support/world.h"

namespace partition_controller {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

Instant At(const char* text) { return ParseInstant(text).value(); }

std::vector<std::string> KindsOf(const Plan& plan) {
  std::vector<std::string> kinds;
  for (const Step& step : plan.steps) kinds.emplace_back(Kind(step.action));
  return kinds;
}

TEST(Buckets, TileTheAxis) {
  Rollup rollup;
  for (const int length : {1, 15, 60, 90, 24 * 60}) {
    rollup.interval = minutes(length);
    for (const char* text : {"1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2026-03-29T00:59:59Z"}) {
      const Instant start = BucketStart(rollup, At(text));
      EXPECT_LE(start, At(text));
      EXPECT_EQ(NextBucket(rollup, At(text)), start + minutes(length));
      EXPECT_EQ(BucketStart(rollup, start), start);
      EXPECT_EQ(start.time_since_epoch() % minutes(length), minutes(0));
    }
  }
  rollup.calendar_day = true;
  rollup.time_zone = "Europe/Berlin";
  EXPECT_EQ(BucketStart(rollup, At("2026-03-29T12:00:00Z")), At("2026-03-28T23:00:00Z"));
  EXPECT_EQ(NextBucket(rollup, At("2026-03-29T12:00:00Z")), At("2026-03-29T22:00:00Z"));
}

// What was removed is known; the clock decides only where nothing is.
TEST(Buckets, ExpireWithWhatTheyAreKeptIn) {
  const Instant now = At("2026-11-22T20:31:00Z");
  Rollup hourly;
  RollupState plain;
  EXPECT_EQ(ExpiredBefore(hourly, plain, now), std::nullopt);
  hourly.keep = CalendarDuration{30, CalendarDuration::Unit::kDay};
  EXPECT_EQ(ExpiredBefore(hourly, plain, now), std::nullopt);
  plain.gone_before = At("2026-10-01T12:34:00Z");
  EXPECT_EQ(ExpiredBefore(hourly, plain, now), At("2026-10-01T13:00:00Z"));

  // By whole partitions.
  RollupState divided;
  divided.target.made_by_us = true;
  divided.target.spans.emplace();
  EXPECT_EQ(ExpiredBefore(hourly, divided, now), At("2026-10-01T00:00:00Z"));
  // One that is there still is not expired, whatever its length was.
  divided.target.spans->push_back(
      {Bound::At(At("2026-01-01T00:00:00Z")), Bound::At(At("2027-01-01T00:00:00Z"))});
  EXPECT_EQ(ExpiredBefore(hourly, divided, now), At("2026-01-01T00:00:00Z"));
  // A longer keep does not make again what is gone.
  divided.gone_before = At("2026-07-01T00:00:00Z");
  hourly.keep = CalendarDuration{1, CalendarDuration::Unit::kYear};
  EXPECT_EQ(ExpiredBefore(hourly, divided, now), At("2026-07-01T00:00:00Z"));

  // A bucket that is cut in two goes with its beginning.
  divided.gone_before.reset();
  divided.target.spans->clear();
  hourly.keep = CalendarDuration{30, CalendarDuration::Unit::kDay};
  hourly.interval = hours(168);
  EXPECT_EQ(ExpiredBefore(hourly, divided, now), At("2026-10-01T00:00:00Z"));
  hourly.interval = hours(240);
  EXPECT_GT(*ExpiredBefore(hourly, divided, now), At("2026-10-01T00:00:00Z"));
  EXPECT_EQ(ExpiredBefore(hourly, divided, now), NextBucket(hourly, At("2026-10-01T00:00:00Z")));

  // A shorter one waits for consent, a longer one for nobody.
  hourly.interval = hours(1);
  divided.target.agreed_keep = "90d";
  EXPECT_EQ(ExpiredBefore(hourly, divided, now), At("2026-08-01T00:00:00Z"));
  divided.target.agreed_keep = "1d";
  EXPECT_EQ(ExpiredBefore(hourly, divided, now), At("2026-10-01T00:00:00Z"));
  divided.target.agreed_keep = "";
  EXPECT_EQ(ExpiredBefore(hourly, divided, now), std::nullopt);
}

TEST(RollupTables, HavePoliciesOfTheirOwn) {
  Policy policy;
  policy.name = "points";
  policy.table = {"s", "points"};
  policy.time_column = "ts";
  policy.retention.emplace();
  policy.retention->keep = CalendarDuration{90, CalendarDuration::Unit::kDay};
  policy.retention->max_per_run = 3;
  Rollup hourly;
  hourly.name = "hourly";
  hourly.table = "points_hourly";
  hourly.keep = CalendarDuration{2, CalendarDuration::Unit::kYear};
  Rollup daily;
  daily.name = "daily";
  daily.table = "points_daily";
  daily.finer = "hourly";
  daily.calendar_day = true;
  daily.time_zone = "Europe/Berlin";
  daily.granularity = Granularity::kYear;
  Rollup yearly;
  yearly.name = "yearly";
  yearly.table = "points_yearly";
  yearly.finer = "daily";
  policy.rollups = {hourly, daily, yearly};
  Policy other;
  other.name = "other";
  const std::vector<Policy> all = WithRollupTables({policy, other});
  std::vector<std::string> names;
  for (const Policy& one : all) names.push_back(one.name + " " + one.table.name);
  EXPECT_THAT(names,
              ElementsAre("points points", "points/hourly points_hourly", "points/hourly/daily points_daily",
                          "points/hourly/daily/yearly points_yearly", "other "));
  ASSERT_THAT(all[0].rollups, SizeIs(1));
  EXPECT_FALSE(all[0].feeder);
  ASSERT_THAT(all[0].rollups[0].coarser, SizeIs(1));
  EXPECT_EQ(all[1].table, (TableName{"s", "points_hourly"}));
  EXPECT_EQ(all[1].time_column, "bucket_ts");
  EXPECT_EQ(all[1].feeder->table, policy.table);
  EXPECT_EQ(all[1].partitioning.default_partition, Partitioning::Default::kAbsent);
  EXPECT_EQ(all[1].retention->keep, *hourly.keep);
  EXPECT_EQ(all[1].retention->action, Retention::Action::kDrop);
  EXPECT_EQ(all[1].retention->max_per_run, 3);
  ASSERT_THAT(all[1].rollups, SizeIs(1));
  EXPECT_EQ(all[1].rollups[0].name, "daily");
  EXPECT_EQ(all[2].partitioning.time_zone, "Europe/Berlin");
  EXPECT_EQ(all[2].partitioning.granularity, Granularity::kYear);
  EXPECT_FALSE(all[2].retention);
  EXPECT_EQ(WrittenName(all[3].name), "points");
  EXPECT_EQ(WrittenName("points"), "points");

  // Somebody's own policy for a rollup's table stands.
  other.table = {"s", "points_hourly"};
  const std::vector<Policy> two = WithRollupTables({policy, other});
  ASSERT_THAT(two, SizeIs(2));
  // What it would feed is not forgotten.
  ASSERT_THAT(two[0].rollups, SizeIs(2));
  EXPECT_EQ(two[0].rollups[1].name, "daily");
}

class PlanOfRollupTable : public testing::Test {
 protected:
  PlanOfRollupTable() : world_(Made(), At("2026-11-22T20:31:00Z")) {
    world_.table().column_types = {{"device_id", "text", true}};
  }

  static Policy Made() {
    Policy policy;
    policy.name = "p";
    policy.table = {"public", "raw"};
    policy.time_column = "ts";
    Rollup hourly;
    hourly.name = "hourly";
    hourly.table = "points";  // what the model's table is called
    hourly.dimensions = {"device_id"};
    policy.rollups = {hourly};
    return WithRollupTables({policy}).at(1);
  }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const Partition& partition : world_.table().partitions) names.push_back(partition.name);
    return names;
  }

  World world_;
};

TEST_F(PlanOfRollupTable, WaitsForTheRollup) {
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_THAT(plan.refusals, IsEmpty());
  Catalog nothing = world_.Read();
  nothing.table.reset();
  EXPECT_EQ(MakePlan(world_.policy(), nothing, {world_.now(), false}), Plan(plan));
}

TEST_F(PlanOfRollupTable, MakesPartitionsWhereTheyAreNeeded) {
  world_.table().feed = Feed{true,
                             {At("1970-01-01T00:00:00Z"), At("2026-03-07T05:00:00Z"),
                              At("2026-03-07T06:00:00Z"), At("2026-11-22T00:00:00Z")},
                             {},
                             true,
                             {}};
  world_.Settle();
  EXPECT_THAT(Names(), ElementsAre("points_p197001", "points_p202603", "points_p202611", "points_p202612"));
  EXPECT_EQ(world_.table().default_partition, std::nullopt);
}

TEST_F(PlanOfRollupTable, MakesNoEmptyPeriodsOfAWindow) {
  world_.policy().retention.emplace();
  world_.policy().retention->keep = CalendarDuration{2, CalendarDuration::Unit::kYear};
  world_.policy().retention->action = Retention::Action::kDrop;
  world_.table().feed = Feed{true, {At("2026-03-07T05:00:00Z")}, {}, true, {}};
  world_.Settle();
  EXPECT_THAT(Names(), ElementsAre("points_p202603", "points_p202611", "points_p202612"));
}

TEST_F(PlanOfRollupTable, GoesOldestFirstAndOnlyWhenItIsRight) {
  Rollup daily;
  daily.name = "daily";
  daily.table = "days";
  daily.dimensions = {"device_id"};
  daily.finer = "hourly";
  daily.enabled = false;
  world_.policy().rollups = {daily};
  world_.table().feed = Feed{true, {}, {}, true, {}};
  world_.AddPartition("points_p202607", MonthOf(2026, 7), true);
  world_.AddPartition("points_p202608", MonthOf(2026, 8), true);
  world_.Settle();
  world_.policy().retention.emplace();
  world_.policy().retention->keep = CalendarDuration{2, CalendarDuration::Unit::kMonth};
  world_.policy().retention->action = Retention::Action::kDrop;
  const auto removals = [&] {
    const std::vector<std::string> kinds = KindsOf(world_.MakePlan());
    return std::count(kinds.begin(), kinds.end(), "detach_partition");
  };
  EXPECT_EQ(removals(), 2);
  // The older one is to be computed again, and the newer one waits for it.
  Feed& feed = *world_.table().feed;
  feed.oldest_dirty = At("2026-07-03T00:00:00Z");
  EXPECT_EQ(removals(), 0);
  feed.oldest_dirty = At("2026-08-03T00:00:00Z");
  EXPECT_EQ(removals(), 1);
  feed.oldest_dirty.reset();
  feed.filled = false;
  feed.filled_from = At("2026-08-03T00:00:00Z");
  EXPECT_EQ(removals(), 0);
  // Paused, it stays as it is.
  feed.filled = true;
  world_.policy().feeder->rollup.enabled = false;
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
  EXPECT_THAT(world_.MakePlan().waiting, IsEmpty());
}

TEST_F(PlanOfRollupTable, LeavesWhatSomebodyElseMadeUndivided) {
  world_.table().feed = Feed{false, {At("2026-03-07T05:00:00Z")}, {}, true, {}};
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
  world_.policy().retention.emplace();
  world_.policy().retention->keep = CalendarDuration{30, CalendarDuration::Unit::kDay};
  world_.policy().retention->action = Retention::Action::kDrop;
  world_.table().kind = Table::Kind::kPlain;
  world_.table().has_time_index = true;
  world_.table().oldest_row = At("2026-10-23T19:00:00Z");
  const Plan plan = world_.MakePlan();
  ASSERT_THAT(KindsOf(plan), ElementsAre("delete_expired_rows"));
  EXPECT_EQ(std::get<DeleteExpiredRows>(plan.steps[0].action).cutoff, At("2026-10-23T20:31:00Z"));
}

TEST_F(PlanOfRollupTable, FeedsDaysThatBeginWithABucket) {
  world_.table().feed = Feed{true, {}, {}, true, {}};
  world_.Settle();
  Rollup daily;
  daily.name = "daily";
  daily.table = "days";
  daily.dimensions = {"device_id"};
  daily.finer = "hourly";
  daily.calendar_day = true;
  daily.time_zone = "Asia/Kolkata";
  world_.policy().rollups = {daily};
  world_.table().rollups.emplace_back().name = "daily";
  Plan plan = world_.MakePlan();
  ASSERT_THAT(plan.refusals, SizeIs(1));
  EXPECT_EQ(plan.refusals[0].code, "RollupSourceUnfit");
  EXPECT_THAT(plan.refusals[0].message, HasSubstr("midnight in Asia/Kolkata"));
  world_.policy().feeder->rollup.interval = minutes(30);
  plan = world_.MakePlan();
  EXPECT_THAT(plan.refusals, IsEmpty());
  EXPECT_THAT(KindsOf(plan), ElementsAre("install_rollup"));
}

TEST(Conditions, AreThoseOfTheWorstPart) {
  const auto make = [](const char* type, const char* status, const char* reason) {
    return Condition{type, status, reason, std::string(reason) + "."};
  };
  const std::vector<Condition> own = {make("Ready", "True", "A"), make("Stalled", "False", "A"),
                                      make("Covered", "False", "Mine"), make("Converted", "True", "A")};
  EXPECT_EQ(WithParts(own, {}), own);
  const std::vector<Condition> all =
      WithParts(own, {{"s.hourly", own},
                      {"s.daily",
                       {make("Ready", "Unknown", "B"), make("Stalled", "True", "B"),
                        make("Covered", "False", "B"), make("Converted", "False", "B")}}});
  EXPECT_EQ(all[0], (Condition{"Ready", "Unknown", "B", "s.daily: B."}));
  EXPECT_EQ(all[1], (Condition{"Stalled", "True", "B", "s.daily: B."}));
  EXPECT_EQ(all[2], own[2]);
  EXPECT_EQ(all[3], own[3]);
}

class PlanOfRollups : public testing::Test {
 protected:
  PlanOfRollups() : world_(WithRollup(), At("2026-11-22T20:31:00Z")) {
    world_.AddDefault();
    world_.AddPartition("points_p202608", MonthOf(2026, 8), true);
    world_.Settle();
    world_.table().column_types = {
        {"device_id", "text", true}, {"ts", "timestamp with time zone", true}, {"metrics", "jsonb", false}};
    state().name = "hourly";
    state().suffix = "1_hourly";
    state().table = "points_hourly";
  }

  static Policy WithRollup() {
    Policy policy;
    policy.name = "points";
    policy.table = {"public", "points"};
    policy.time_column = "ts";
    Rollup rollup;
    rollup.name = "hourly";
    rollup.table = "points_hourly";
    rollup.dimensions = {"device_id"};
    rollup.jsonb = "metrics";
    policy.rollups = {rollup};
    return policy;
  }

  RollupState& state() {
    if (world_.table().rollups.empty()) world_.table().rollups.emplace_back();
    return world_.table().rollups[0];
  }

  // All of it is as it should be.
  void Kept() {
    const Rollup& rollup = world_.policy().rollups[0];
    state().state = RollupState::State::kLive;
    state().shape = RollupShape(rollup);
    state().source = RollupSource(rollup);
    state().intact = true;
    state().filled = true;
    state().audited_at = world_.now();
    state().target.oid = 9;
    state().target.has_key = true;
    state().target.columns = {{"device_id", "text", true},
                              {"metric_key", "character varying(64)", true},
                              {"bucket_ts", "timestamp with time zone", true},
                              {"sample_count", "integer", true},
                              {"min_value", "double precision", true},
                              {"max_value", "double precision", true},
                              {"avg_value", "double precision", true},
                              {"sum_value", "numeric", false},
                              {"updated_at", "timestamp with time zone", false}};
  }

  World world_;
};

TEST_F(PlanOfRollups, IsInstalledThenFilled) {
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(KindsOf(plan), ElementsAre("install_rollup"));
  // Its new table has no partitions yet.
  ASSERT_THAT(plan.waiting, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<FillRollup>(plan.waiting[0].action));
  EXPECT_TRUE(std::get<InstallRollup>(plan.steps[0].action).makes_table);
}

// A longer keep: down from where it ended, as far as nothing was removed.
TEST_F(PlanOfRollups, IsFilledFurtherBackWhenItIsKeptForLonger) {
  Kept();
  const auto steps = [&] { return KindsOf(world_.MakePlan()); };
  state().filled_down_to = At("2026-06-01T00:00:00Z");
  EXPECT_THAT(steps(), ElementsAre("fill_rollup"));
  EXPECT_TRUE(std::get<FillRollup>(world_.MakePlan().steps[0].action).resume);
  state().gone_before = At("2026-06-01T00:00:00Z");
  EXPECT_THAT(steps(), IsEmpty());
  state().gone_before = At("2026-05-31T22:00:00Z");
  EXPECT_THAT(steps(), ElementsAre("fill_rollup"));
}

TEST_F(PlanOfRollups, NothingIsToDoForOneThatIsKept) {
  Kept();
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_THAT(plan.refusals, IsEmpty());
  // The bucket that ends next is due five minutes later.
  EXPECT_EQ(plan.wake_at, At("2026-11-22T21:05:00Z"));
}

TEST_F(PlanOfRollups, SettledBucketsAreRefreshed) {
  Kept();
  state().dirty = 3;
  state().oldest_dirty = state().oldest_ready = At("2026-11-22T20:00:00Z");
  state().audited_at = At("2026-11-22T21:00:00Z");
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
  world_.SetNow(At("2026-11-22T21:04:59Z"));
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
  world_.SetNow(At("2026-11-22T21:05:00Z"));
  const Plan plan = world_.MakePlan();
  ASSERT_THAT(KindsOf(plan), Contains("refresh_rollup"));
  EXPECT_EQ(std::get<RefreshRollup>(plan.steps[0].action).settled, At("2026-11-22T21:00:00Z"));
}

TEST_F(PlanOfRollups, WhatIsBrokenIsInstalledAgain) {
  Kept();
  state().intact = false;
  EXPECT_THAT(KindsOf(world_.MakePlan()), ElementsAre("install_rollup", "fill_rollup"));
  Kept();
  world_.policy().rollups[0].keys = {"a"};
  EXPECT_THAT(KindsOf(world_.MakePlan()), ElementsAre("install_rollup", "fill_rollup"));
}

TEST_F(PlanOfRollups, WhatCannotChangeIsRefused) {
  Kept();
  world_.policy().rollups[0].interval = minutes(30);
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.steps, IsEmpty());
  ASSERT_EQ(plan.refusals.size(), 1U);
  EXPECT_EQ(plan.refusals[0].code, "RollupChanged");
}

TEST_F(PlanOfRollups, AreStoppedWhereTheyWouldFailWriters) {
  Kept();
  world_.table().partitions.at(0).kind = Partition::Kind::kForeign;
  const Plan plan = world_.MakePlan();
  ASSERT_THAT(KindsOf(plan), ElementsAre("stop_rollup"));
  EXPECT_FALSE(std::get<StopRollup>(plan.steps[0].action).forget);
  ASSERT_EQ(plan.refusals.size(), 1U);
  EXPECT_EQ(plan.refusals[0].code, "RollupSourceUnfit");
}

TEST_F(PlanOfRollups, AreStoppedWhereThePolicySaysSo) {
  Kept();
  world_.policy().rollups[0].enabled = false;
  Plan plan = world_.MakePlan();
  ASSERT_THAT(KindsOf(plan), ElementsAre("stop_rollup"));
  EXPECT_FALSE(std::get<StopRollup>(plan.steps[0].action).forget);
  world_.policy().rollups.clear();
  plan = world_.MakePlan();
  ASSERT_THAT(KindsOf(plan), ElementsAre("stop_rollup"));
  EXPECT_TRUE(std::get<StopRollup>(plan.steps[0].action).forget);
}

TEST_F(PlanOfRollups, AuditsComeInTime) {
  Kept();
  state().audited_at = world_.now() - minutes(10);
  EXPECT_THAT(KindsOf(world_.MakePlan()), ElementsAre("audit_rollup"));
}

TEST_F(PlanOfRollups, WaitForPartitionsOfTheirTable) {
  Kept();
  state().target.spans.emplace();
  state().oldest_dirty = At("2026-10-23T19:00:00Z");
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
  EXPECT_THAT(world_.MakePlan().advice, ElementsAre(HasSubstr("has no partition: make it")));
  state().target.made_by_us = true;
  EXPECT_THAT(world_.MakePlan().advice, IsEmpty());
  state().oldest_ready = At("2026-10-23T20:00:00Z");
  EXPECT_THAT(KindsOf(world_.MakePlan()), ElementsAre("refresh_rollup"));
  state().oldest_dirty = state().oldest_ready = std::nullopt;
  state().filled = false;
  state().target.made_by_us = true;
  state().target.spans.emplace();
  state().fill_lacks = true;
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.steps, IsEmpty());
  ASSERT_THAT(plan.waiting, SizeIs(1));
  EXPECT_EQ(plan.waiting[0].reason, "its table has no partition for what comes next");
}

TEST_F(PlanOfRollups, AreRefusedWhereNobodyLooksAfterTheirSource) {
  world_.policy().rollups[0].jsonb.clear();
  world_.policy().rollups[0].finer = "finest";
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.steps, IsEmpty());
  ASSERT_THAT(plan.refusals, SizeIs(1));
  EXPECT_EQ(plan.refusals[0].code, "RollupSourceUnfit");
  EXPECT_THAT(plan.refusals[0].message,
              HasSubstr("fed by the rollup finest, whose table has a policy of its own"));
}

TEST_F(PlanOfRollups, TellHowFarTheyAre) {
  Kept();
  const auto said = [&] {
    for (const Condition& one :
         ConditionsOf(world_.policy(), world_.Read(), world_.MakePlan(), std::nullopt)) {
      if (one.type == "RollupsCurrent") return one.status + "/" + one.reason + ": " + one.message;
    }
    return std::string();
  };
  EXPECT_THAT(said(), HasSubstr("True/AsDeclared"));
  state().filled = false;
  EXPECT_EQ(said(), "False/Filling: History is being computed: hourly.");
  // A quarter of forty days in ten minutes.
  state().started_at = world_.now() - minutes(10);
  state().oldest_row = *state().started_at - hours(40 * 24);
  state().filled_from = *state().started_at - hours(10 * 24);
  EXPECT_EQ(said(), "False/Filling: History is being computed: hourly (25 %).");
  world_.SetNow(world_.now() + hours(1));
  EXPECT_THAT(said(), HasSubstr(" (25 %).")) << "nothing moves with the clock alone";
  state().filled_from = *state().started_at;
  EXPECT_THAT(said(), HasSubstr(" (0 %)."));
  state().filled_from = *state().oldest_row - hours(1);
  EXPECT_THAT(said(), HasSubstr(" (100 %)."));
  state().filled = true;
  state().oldest_dirty = world_.now() - hours(5);
  EXPECT_THAT(said(), HasSubstr("False/Behind"));
  state().intact = false;
  EXPECT_EQ(said(), "False/NotKept: Not kept: hourly.");
}

TEST_F(PlanOfRollups, HoldRemovalsUntilTheyAreFilled) {
  Kept();
  Retention retention;
  retention.keep = {60, CalendarDuration::Unit::kDay};
  retention.action = Retention::Action::kDetach;
  world_.policy().retention = retention;
  // Nor before they were compared with it.
  Plan plan = world_.MakePlan();
  EXPECT_THAT(KindsOf(plan), testing::AllOf(Contains("prove_rollup"), Not(Contains("detach_partition"))));
  ASSERT_FALSE(plan.waiting.empty());
  EXPECT_EQ(plan.waiting[0].reason, "its rollups are compared with it first");
  for (const Partition& partition : world_.table().partitions) state().proved.push_back(partition.oid);
  EXPECT_THAT(KindsOf(world_.MakePlan()), Contains("detach_partition"));
  state().filled = false;
  state().filled_from = At("2026-08-01T01:00:00Z");
  plan = world_.MakePlan();
  EXPECT_THAT(KindsOf(plan), Not(Contains("detach_partition")));
  ASSERT_EQ(plan.waiting.size(), 1U);
  EXPECT_THAT(plan.waiting[0].reason, HasSubstr("the rollup hourly has not taken it in yet"));
  state().filled_from = At("2026-08-01T00:00:00Z");
  EXPECT_THAT(KindsOf(world_.MakePlan()), Contains("detach_partition"));
  // What is not wanted, or not waited for, holds nothing.
  state().filled_from.reset();
  state().proved.clear();
  world_.policy().retention->after_rollup = false;
  EXPECT_THAT(KindsOf(world_.MakePlan()), Contains("detach_partition"));
  world_.policy().retention->after_rollup = true;
  world_.policy().rollups[0].enabled = false;
  EXPECT_THAT(KindsOf(world_.MakePlan()), Contains("detach_partition"));
}

}  // namespace
}  // namespace partition_controller
