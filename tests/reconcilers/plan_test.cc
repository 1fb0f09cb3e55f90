// Plans as wholes: what stops one, what it knows about time, and that it is a
// function of its inputs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/world.h"

namespace partition_controller {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::sys_days;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;
using Unit = CalendarDuration::Unit;

const Instant kNow = sys_days(2026y / 11 / 22) + 20h + 31min;

Policy Keeping(int months) {
  Policy policy;
  policy.partitioning.premake = 2;
  policy.retention.emplace();
  policy.retention->keep = {months, Unit::kMonth};
  policy.retention->action = Retention::Action::kDrop;
  policy.retention->undo_window = {0, Unit::kHour};
  return policy;
}

class PlanTest : public testing::Test {
 protected:
  PlanTest() : world_(Keeping(2), kNow) {
    world_.AddPartition("july", MonthOf(2026, 7), true);
    catalog_ = world_.Read();
  }

  Plan Make() const { return MakePlan(world_.policy(), catalog_, {kNow}); }

  World world_;
  Catalog catalog_;
};

TEST_F(PlanTest, EqualInputsGiveEqualPlans) {
  ASSERT_FALSE(Make().steps.empty());
  EXPECT_EQ(Make(), Make());
}

// Each stops everything, destructive or not.
TEST_F(PlanTest, WhatStopsEverything) {
  static const struct {
    const char* code;
    std::function<void(Catalog&)> change;
  } kCases[] = {
      {"ReadOnlyReplica", [](Catalog& c) { c.server.in_recovery = true; }},
      {"BookkeepingTooNew", [](Catalog& c) { ++c.server.bookkeeping_version; }},
      {"PrivilegeMissing", [](Catalog& c) { c.server.bookkeeping_usable = false; }},
      {"TableNotFound", [](Catalog& c) { c.table.reset(); }},
      {"NotATable", [](Catalog& c) { c.table->kind = Table::Kind::kOther; }},
      {"NotPartitioned", [](Catalog& c) { c.table->kind = Table::Kind::kPlain; }},
      {"ColumnNotFound", [](Catalog& c) { c.table->key_column_type.clear(); }},
      {"ColumnTypeUnsupported", [](Catalog& c) { c.table->key_column_type = "bigint"; }},
      {"PartitionKeyDiffers", [](Catalog& c) { c.table->partitioned_by_key = false; }},
      {"KeyNullable", [](Catalog& c) { c.table->key_not_null = false; }},
      {"PrivilegeMissing", [](Catalog& c) { c.table->owner_is_us = false; }},
      {"PrivilegeMissing", [](Catalog& c) { c.table->may_create = false; }},
      {"Conflict", [](Catalog& c) { c.table->ownership->policy_name = "another"; }},
      {"Conflict", [](Catalog& c) { c.table->ownership->policy_namespace = "another"; }},
  };
  for (const auto& one : kCases) {
    Catalog catalog = catalog_;
    one.change(catalog);
    const Plan plan = MakePlan(world_.policy(), catalog, {kNow});
    ASSERT_THAT(plan.refusals, SizeIs(1)) << one.code;
    EXPECT_EQ(plan.refusals[0].code, one.code);
    EXPECT_TRUE(plan.StopsEverything());
    EXPECT_FALSE(plan.refusals[0].message.empty());
    EXPECT_FALSE(plan.refusals[0].remedy.empty());
    EXPECT_THAT(plan.steps, IsEmpty()) << one.code;
    EXPECT_THAT(plan.waiting, IsEmpty()) << one.code;
    // And no question is put to a table that is not as expected.
    if (!catalog.table || catalog.table->key_column_type != "timestamp with time zone") {
      EXPECT_THAT(ProbeCuts(world_.policy(), catalog, {kNow}, kNow), IsEmpty());
      EXPECT_THAT(ProbeOldest(world_.policy(), catalog, {kNow}), IsEmpty());
    }
  }
}

TEST_F(PlanTest, SeveralRefusalsAtOnce) {
  catalog_.server.in_recovery = true;
  catalog_.table->key_not_null = false;
  catalog_.table->owner_is_us = false;
  EXPECT_THAT(Make().refusals, SizeIs(3));
}

// A row that was left by "partition-controller release", or by ANALYZE alone,
// is nobody's.
TEST_F(PlanTest, AKeeperWithoutAName) {
  catalog_.table->ownership->policy_name.clear();
  catalog_.table->ownership->system_identifier = "another";
  EXPECT_THAT(Make().refusals, IsEmpty());
}

// An empty observation is no reason to act: a table without partitions gets
// new ones, and loses nothing.
TEST_F(PlanTest, AnEmptyCatalogRemovesNothing) {
  catalog_.table->partitions.clear();
  for (const Step& step : Make().steps) EXPECT_FALSE(Destructive(step.action));
  EXPECT_EQ(Make().hash, "");
}

TEST_F(PlanTest, OutlookOfCoverage) {
  EXPECT_EQ(Make().outlook.uncovered_since, sys_days(2026y / 8 / 1));
  EXPECT_FALSE(Make().outlook.covered_until);
  EXPECT_EQ(Make().outlook.horizon, sys_days(2027y / 2 / 1));
  EXPECT_EQ(Make().outlook.overdue_since, sys_days(2026y / 10 / 1));  // July plus two months
  EXPECT_EQ(Make().outlook.cutoff, sys_days(2026y / 9 / 22) + 20h + 31min);
  world_.Settle();
  EXPECT_EQ(world_.MakePlan().outlook.covered_until, sys_days(2027y / 2 / 1));
  EXPECT_FALSE(world_.MakePlan().outlook.overdue_since);
  // A gap ends it, and MAXVALUE has no end.
  Catalog gap = world_.Read();
  std::erase_if(gap.table->partitions, [](const Partition& p) { return p.range == MonthOf(2026, 12); });
  EXPECT_EQ(MakePlan(world_.policy(), gap, {kNow}).outlook.covered_until, sys_days(2026y / 12 / 1));
  world_.AddPartition("rest", {Bound::At(sys_days(2027y / 2 / 1)), {Bound::Kind::kMaxValue, {}}}, false);
  EXPECT_TRUE(world_.MakePlan().outlook.covered_for_ever);
}

// A partition that is on its way out covers nothing.
TEST_F(PlanTest, APendingDetachCoversNothing) {
  world_.Settle();
  Catalog catalog = world_.Read();
  for (Partition& p : catalog.table->partitions) p.detach_pending = p.range == MonthOf(2026, 11);
  const Plan plan = MakePlan(world_.policy(), catalog, {kNow});
  EXPECT_FALSE(plan.outlook.covered_until);
  ASSERT_FALSE(plan.steps.empty());
  EXPECT_TRUE(std::holds_alternative<FinalizeDetach>(plan.steps[0].action));
}

// Repair comes before everything else.
TEST_F(PlanTest, RepairsComeFirst) {
  world_.AddDefault();
  ASSERT_TRUE(world_.Insert(kNow, 5));
  for (const Step& step : world_.MakePlan().steps) {
    world_.Take(step.action);
    if (std::holds_alternative<BeginDrain>(step.action)) break;
  }
  Catalog catalog = world_.Read();
  catalog.table->partitions[0].detach_pending = true;
  Detached& gone = catalog.table->detached.emplace_back();
  gone.oid = 5;
  gone.name = "gone";
  gone.exists = false;
  const Plan plan = MakePlan(world_.policy(), catalog, {kNow});
  ASSERT_GE(plan.steps.size(), 3U);
  EXPECT_STREQ(Kind(plan.steps[0].action), "finalize_detach");
  EXPECT_STREQ(Kind(plan.steps[1].action), "forget_detached");
  EXPECT_STREQ(Kind(plan.steps[2].action), "finish_drain");
}

// Somebody attached it again, or dropped it: there is nothing to drop, and
// nothing to bring back.
TEST_F(PlanTest, DetachedTablesThatOthersDealtWith) {
  world_.policy().retention->undo_window = {24, Unit::kHour};
  world_.Settle();
  ASSERT_THAT(world_.table().detached, SizeIs(1));
  for (const bool attached : {true, false}) {
    Catalog catalog = world_.Read();
    catalog.table->detached[0].attached = attached;
    catalog.table->detached[0].exists = attached;
    const Plan plan = MakePlan(world_.policy(), catalog, {kNow});
    ASSERT_THAT(plan.steps, SizeIs(1));
    EXPECT_STREQ(Kind(plan.steps[0].action), "forget_detached");
    EXPECT_THAT(plan.waiting, IsEmpty());
  }
}

TEST_F(PlanTest, WakesWhenTheAnswerChanges) {
  world_.Settle();
  // The next month begins before September expires, which is on 1 December too.
  EXPECT_EQ(world_.MakePlan().wake_at, sys_days(2026y / 12 / 1));
  world_.SetNow(sys_days(2026y / 12 / 1) - 1us);
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
  world_.SetNow(sys_days(2026y / 12 / 1));
  EXPECT_THAT(world_.MakePlan().steps, SizeIs(2));
  EXPECT_GT(world_.MakePlan().wake_at, world_.now());
}

// A status says it, so it must not move with the clock.
TEST_F(PlanTest, SaysWhatComesNext) {
  world_.Settle();
  const Upcoming expiry{sys_days(2026y / 12 / 1), "\"public\".\"points_p202609\" expires"};
  EXPECT_EQ(world_.MakePlan().next, expiry);
  world_.SetNow(kNow + hours(30));
  EXPECT_EQ(world_.MakePlan().next, expiry);
  EXPECT_EQ(world_.MakePlan().outlook.expired_until, sys_days(2026y / 9 / 1));
  world_.policy().retention.reset();
  EXPECT_EQ(world_.MakePlan().next,
            (Upcoming{sys_days(2026y / 12 / 1),
                      "create a partition for [2027-02-01T00:00:00Z, 2027-03-01T00:00:00Z)"}));
  EXPECT_EQ(world_.MakePlan().outlook.expired_until, std::nullopt);
  // Rows that wait for a window.
  world_.policy().retention = Keeping(2).retention;
  world_.policy().schedule.windows = {{{}, 3h, 2h, "UTC"}};
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 1 / 5), 5));
  EXPECT_EQ(world_.MakePlan().next, (Upcoming{sys_days(2026y / 11 / 24) + 3h, "delete expired rows"}));
}

// Whatever wakes it: just before that moment nothing is due yet.
TEST_F(PlanTest, NothingIsDueBeforeItWakes) {
  world_.policy().partitioning.time_zone = "America/New_York";
  world_.policy().retention->undo_window = {36, Unit::kHour};
  world_.policy().schedule.windows = {{{}, 3h, 2h, "Asia/Kolkata"}};
  world_.Settle();
  for (int i = 0; i < 40; ++i) {
    const Plan plan = world_.MakePlan();
    ASSERT_THAT(plan.steps, IsEmpty());
    ASSERT_TRUE(plan.wake_at);
    ASSERT_GT(*plan.wake_at, world_.now());
    world_.SetNow(*plan.wake_at - 1us);
    EXPECT_THAT(world_.MakePlan().steps, IsEmpty()) << ToString(world_.now());
    world_.SetNow(*plan.wake_at);
    world_.Settle();
    EXPECT_TRUE(world_.faults().empty());
  }
  EXPECT_GT(world_.now(), kNow + days(100));
}

TEST_F(PlanTest, StatisticsAreRefreshedDaily) {
  world_.Settle();
  world_.table().ownership->analyzed_at = kNow - hours(23);
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
  EXPECT_EQ(world_.MakePlan().wake_at, kNow + hours(1));
  world_.table().ownership->analyzed_at = kNow - hours(24);
  ASSERT_THAT(world_.MakePlan().steps, SizeIs(1));
  world_.Settle();
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
  world_.table().ownership->analyzed_at.reset();
  EXPECT_THAT(world_.MakePlan().steps, SizeIs(1));
}

// An INSERT, a DELETE and a SELECT of what the plan asks the database.
TEST_F(PlanTest, ProbesAskOnlyWhereItMatters) {
  EXPECT_THAT(ProbeOldest(world_.policy(), catalog_, {kNow}), IsEmpty());
  world_.policy().partitioning.state = Partitioning::State::kDisabled;
  const std::vector<TableRef> leaves = ProbeOldest(world_.policy(), catalog_, {kNow});
  ASSERT_THAT(leaves, SizeIs(1));
  EXPECT_EQ(leaves[0].name, "july");
  Catalog history = catalog_;
  history.table->partitions.front().range->from = Bound::MinValue();
  EXPECT_THAT(ProbeOldest(world_.policy(), history, {kNow}), SizeIs(1));
  world_.policy().partitioning.history_deletes = false;
  EXPECT_THAT(ProbeOldest(world_.policy(), history, {kNow}), IsEmpty());
  const std::vector<Instant> cuts = ProbeCuts(world_.policy(), catalog_, {kNow}, std::nullopt);
  EXPECT_TRUE(std::is_sorted(cuts.begin(), cuts.end()));
  EXPECT_THAT(cuts, testing::IsSupersetOf({Instant(sys_days(2026y / 7 / 1)), Instant(sys_days(2026y / 8 / 1)),
                                           *CutoffOf(world_.policy(), catalog_, {kNow}),
                                           Instant(sys_days(2027y / 2 / 1))}));
}

}  // namespace
}  // namespace partition_controller
