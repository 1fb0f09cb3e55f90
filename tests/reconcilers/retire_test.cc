// What retention does, and above all what it does not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "tests/support/world.h"

namespace partition_controller {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::sys_days;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using namespace std::chrono_literals;
using Unit = CalendarDuration::Unit;

const Instant kNow = sys_days(2026y / 11 / 22) + 20h + 31min;

std::vector<std::string> Kinds(const Plan& plan) {
  std::vector<std::string> kinds;
  for (const Step& step : plan.steps) kinds.emplace_back(Kind(step.action));
  return kinds;
}

std::vector<std::string> Reasons(const Plan& plan) {
  std::vector<std::string> reasons;
  for (const Waiting& waiting : plan.waiting) reasons.push_back(waiting.reason);
  return reasons;
}

// March to May 2026 have expired; the rest is there and in order.
class Retire : public testing::Test {
 protected:
  Retire() : world_(PolicyWith(Retention::Action::kDrop, 0), kNow) {
    for (unsigned month = 3; month <= 5; ++month) {
      world_.AddPartition("old" + std::to_string(month), MonthOf(2026, month), true);
    }
    world_.AddDefault();
    // All but what retention is about.
    Policy keeping = world_.policy();
    std::swap(world_.policy().retention->keep, keeping.retention->keep);
    world_.policy().retention->keep = {12, Unit::kMonth};
    world_.Settle();
    world_.policy() = keeping;
  }

  static Policy PolicyWith(Retention::Action action, int undo_hours) {
    Policy policy;
    policy.retention.emplace();
    policy.retention->keep = {5, Unit::kMonth};
    policy.retention->action = action;
    policy.retention->undo_window = {undo_hours, Unit::kHour};
    policy.retention->max_per_run = 100;
    return policy;
  }

  // There were none of these before: November 2025 to February 2026.
  static constexpr int kEarlier = 4;

  Retention& retention() { return *world_.policy().retention; }
  Plan PlanAt(Instant host, bool preview = false, const std::string& acknowledged = "") {
    const Plan plan = MakePlan(world_.policy(), world_.Read(), {host, preview}, acknowledged);
    if (!acknowledged.empty() || !plan.needs_acknowledgement) return plan;
    return MakePlan(world_.policy(), world_.Read(), {host, preview}, plan.hash);
  }

  World world_;
};

TEST_F(Retire, DropsWhatLiesWhollyBeforeTheCutoff) {
  EXPECT_THAT(Kinds(world_.MakePlan()), testing::Each("drop_partition"));
  EXPECT_THAT(world_.MakePlan().steps, SizeIs(3 + kEarlier));
  world_.Settle();
  EXPECT_EQ(world_.Covered().front(), MonthOf(2026, 6));
}

TEST_F(Retire, MaxPerRunPaces) {
  retention().max_per_run = 2;
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.steps, SizeIs(2));
  EXPECT_THAT(Reasons(plan), testing::Each("maxPerRun is used up: the next run goes on"));
  EXPECT_EQ(std::get<DropPartition>(plan.steps[0].action).range.from, Bound::At(sys_days(2025y / 11 / 1)));
}

// Detaching and dropping share the pace.
TEST_F(Retire, MaxPerRunCountsBoth) {
  retention().undo_window = {24, Unit::kHour};
  retention().max_per_run = 3;
  for (const Step& step : world_.MakePlan().steps) world_.Take(step.action);
  world_.SetNow(kNow + hours(25));
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(Kinds(plan), ElementsAre("drop_partition", "drop_partition", "drop_partition"));
}

TEST_F(Retire, ChecksComeBeforeADetach) {
  retention().undo_window = {24, Unit::kHour};
  retention().max_per_run = 1;
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(Kinds(plan), ElementsAre("add_bound_check", "validate_bound_check", "detach_partition"));
  EXPECT_EQ(std::get<DetachPartition>(plan.steps[2].action).undo_window, hours(24));
  // A half-done one is not done twice.
  world_.Take(plan.steps[0].action);
  EXPECT_THAT(Kinds(world_.MakePlan()), ElementsAre("validate_bound_check", "detach_partition"));
  world_.Take(plan.steps[1].action);
  EXPECT_THAT(Kinds(world_.MakePlan()), ElementsAre("detach_partition"));
}

TEST_F(Retire, ActionDetachNeverDrops) {
  retention().action = Retention::Action::kDetach;
  world_.Settle();
  EXPECT_THAT(world_.table().detached, SizeIs(3 + kEarlier));
  // Not even what was detached before, once the action is Drop.
  retention().action = Retention::Action::kDrop;
  retention().undo_window = {0, Unit::kHour};
  world_.SetNow(kNow + days(2));
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
}

TEST_F(Retire, ActionDetachLeavesTheRowsOfTheDefaultAlone) {
  retention().action = Retention::Action::kDetach;
  world_.Settle();
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 3 / 5), 5));
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
}

TEST_F(Retire, TheUndoWindowHolds) {
  retention().undo_window = {24, Unit::kHour};
  world_.Settle();
  const Plan waiting = world_.MakePlan();
  EXPECT_THAT(waiting.steps, IsEmpty());
  EXPECT_THAT(Reasons(waiting), testing::Each("in its undo window"));
  EXPECT_EQ(waiting.wake_at, sys_days(2026y / 11 / 23) + 20h + 31min);
  ASSERT_TRUE(waiting.next);
  EXPECT_EQ(waiting.next->at, *waiting.wake_at);
  EXPECT_THAT(waiting.next->what, HasSubstr("drop detached table"));
  world_.SetNow(kNow + hours(24) - 1us);
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
  world_.SetNow(kNow + hours(24));
  EXPECT_THAT(world_.MakePlan().steps, SizeIs(3 + kEarlier));
}

// Somebody thought better of it: nothing more goes, and what can still come back
// does.
TEST_F(Retire, WhenHeldUndoesWhatItCan) {
  retention().undo_window = {24, Unit::kHour};
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 3 / 5), 7));
  const std::size_t all = 3 + kEarlier;
  world_.Settle();
  ASSERT_THAT(world_.table().detached, SizeIs(all));
  EXPECT_EQ(world_.Visible(), 0);
  world_.policy().origin.hold = true;
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(Kinds(plan), testing::AllOf(SizeIs(all), testing::Each("reattach_partition")));
  for (const Step& step : plan.steps) EXPECT_EQ(step.reason, "retention is held");
  world_.Settle();
  EXPECT_EQ(world_.Visible(), 7);
  // However long: it has expired, and waits.
  world_.SetNow(kNow + days(5));
  world_.Settle();
  const Plan held = world_.MakePlan();
  EXPECT_THAT(held.steps, IsEmpty());
  EXPECT_THAT(Reasons(held), testing::AllOf(SizeIs(all), testing::Each("retention is held")));
  EXPECT_EQ(world_.Visible(), 7);
  // Released, it goes again, by way of a new undo window.
  world_.policy().origin.hold = false;
  EXPECT_THAT(Kinds(world_.MakePlan()), Contains("detach_partition"));
  EXPECT_THAT(Kinds(world_.MakePlan()), Not(Contains("drop_partition")));
  world_.Settle();
  EXPECT_EQ(world_.removed(), 0);
  world_.SetNow(kNow + days(7));
  world_.Settle();
  EXPECT_EQ(world_.removed(), 7);
}

// Without an undo window nothing comes back, and nothing more goes.
TEST_F(Retire, WhenHeldDropsNothing) {
  world_.policy().origin.hold = true;
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_THAT(Reasons(plan), testing::AllOf(SizeIs(3 + kEarlier), testing::Each("retention is held")));
}

// Rows as well: of a plain table, of the default partition, of the history.
TEST_F(Retire, WhenHeldDeletesNoRows) {
  world_.Settle();
  world_.policy().origin.hold = true;
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 3 / 5), 5));
  ASSERT_TRUE(world_.Insert(sys_days(2020y / 1 / 1), 60'000));
  world_.Settle();
  EXPECT_EQ(world_.removed(), 0);
  world_.policy().partitioning.state = Partitioning::State::kDisabled;
  world_.Settle();
  EXPECT_EQ(world_.removed(), 0);
  EXPECT_THAT(Reasons(world_.MakePlan()), testing::Each("retention is held"));
  world_.policy().origin.hold = false;
  world_.Settle();
  EXPECT_EQ(world_.removed(), 60'005);
}

// Past its undo window, but there still: it comes back as well.
TEST_F(Retire, WhenHeldTakesBackWhatIsAboutToGo) {
  retention().undo_window = {24, Unit::kHour};
  world_.Settle();
  world_.SetNow(kNow + hours(25));
  EXPECT_THAT(Kinds(world_.MakePlan()), testing::Each("drop_partition"));
  world_.policy().origin.hold = true;
  EXPECT_THAT(Kinds(world_.MakePlan()), testing::Each("reattach_partition"));
}

// What was detached to be kept was meant so.
TEST_F(Retire, WhenHeldLeavesDetachedWhatWasToBeKept) {
  retention().action = Retention::Action::kDetach;
  world_.Settle();
  world_.policy().origin.hold = true;
  EXPECT_THAT(world_.MakePlan().steps, IsEmpty());
}

// A detached table whose CHECK somebody removed cannot be dropped by us, and
// does not hold up the others.
TEST_F(Retire, ADetachedTableWithoutItsCheckIsLeftAlone) {
  retention().undo_window = {24, Unit::kHour};
  world_.Settle();
  world_.table().detached[0].has_bound_check = false;
  world_.SetNow(kNow + hours(25));
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.steps, SizeIs(2 + kEarlier));
  EXPECT_THAT(plan.advice, Contains(HasSubstr("drop it by hand")));
}

// Late rows of a detached partition wait for its way back to end.
TEST_F(Retire, TheDefaultsRowsWaitForTheUndoWindow) {
  retention().undo_window = {24, Unit::kHour};
  world_.Settle();
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 3 / 5), 5));
  ASSERT_TRUE(world_.Insert(sys_days(2020y / 1 / 1), 2));
  const Plan plan = world_.MakePlan();
  ASSERT_THAT(Kinds(plan), ElementsAre("delete_expired_rows"));
  EXPECT_EQ(std::get<DeleteExpiredRows>(plan.steps[0].action).cutoff, sys_days(2025y / 11 / 1));
  world_.Settle();
  EXPECT_EQ(world_.removed(), 2);
  world_.SetNow(kNow + hours(24));
  world_.Settle();
  EXPECT_EQ(world_.removed(), 7);
}

TEST_F(Retire, TheDefaultsExpiredRowsGo) {
  world_.Settle();
  const Instant cutoff = sys_days(2026y / 6 / 22) + 20h + 31min;
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 3 / 5), 5));
  ASSERT_TRUE(world_.Insert(cutoff, 1));  // June has a partition
  ASSERT_TRUE(world_.Insert(cutoff - 1us, 1));
  world_.Settle();
  EXPECT_EQ(world_.removed(), 5);
  EXPECT_EQ(world_.Visible(), 2);
}

// Rows in a partition that reaches beyond the cutoff stay until all of it
// expires, but in a history partition, which may never.
TEST_F(Retire, AHistoryPartitionExpiresRowByRow) {
  Policy policy = PolicyWith(Retention::Action::kDrop, 0);
  for (const bool deletes : {true, false}) {
    policy.partitioning.history_deletes = deletes;
    World world(policy, kNow);
    world.AddPartition("history", {{Bound::Kind::kMinValue, {}}, MonthOf(2026, 7).from}, false);
    world.Settle();
    ASSERT_TRUE(world.Insert(sys_days(2020y / 1 / 1), 5));
    ASSERT_TRUE(world.Insert(sys_days(2026y / 6 / 23), 3));
    world.Settle();
    EXPECT_EQ(world.Visible(), deletes ? 3 : 8);
  }
}

TEST_F(Retire, DisabledDeletesRowsAndRemovesNothing) {
  world_.policy().partitioning.state = Partitioning::State::kDisabled;
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 3 / 5), 5));
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 6 / 5), 5));
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 6 / 25), 5));
  const std::size_t partitions = world_.Covered().size();
  EXPECT_THAT(Kinds(world_.MakePlan()), ElementsAre("delete_expired_rows", "delete_expired_rows"));
  world_.Settle();
  EXPECT_EQ(world_.Visible(), 5);
  EXPECT_EQ(world_.Covered().size(), partitions);
}

TEST_F(Retire, DisabledSaysWhatItKeepsForLonger) {
  retention().undo_window = {24, Unit::kHour};
  world_.Settle();
  world_.policy().partitioning.state = Partitioning::State::kDisabled;
  EXPECT_THAT(world_.MakePlan().advice, Not(Contains(HasSubstr("undo window is over"))));
  world_.SetNow(kNow + hours(48));
  world_.Settle();
  EXPECT_THAT(world_.MakePlan().advice,
              Contains(HasSubstr("undo window is over (" + std::to_string(3 + kEarlier) + ")")));
  world_.policy().partitioning.state = Partitioning::State::kEnabled;
  EXPECT_THAT(world_.MakePlan().advice, Not(Contains(HasSubstr("undo window is over"))));
}

TEST_F(Retire, ForeignAndSubpartitionedOnesAreLeftAlone) {
  world_.table().partitions[0].kind = Partition::Kind::kForeign;
  world_.table().partitions[1].kind = Partition::Kind::kPartitioned;
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.steps, SizeIs(1 + kEarlier));
  EXPECT_THAT(plan.advice, Contains(HasSubstr("is a foreign table: it is left alone")));
  EXPECT_THAT(plan.advice, Contains(HasSubstr("is partitioned itself: it is left alone")));
}

TEST_F(Retire, ClosedWindowsHoldEverythingBack) {
  world_.policy().schedule.windows = {{{1}, 2h, 2h, "UTC"}};  // Mondays
  ASSERT_TRUE(world_.Insert(sys_days(2020y / 1 / 1), 5));
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_THAT(plan.waiting, SizeIs(4 + kEarlier));
  EXPECT_EQ(plan.waiting.front().until, sys_days(2026y / 11 / 23) + 2h);
  EXPECT_EQ(plan.wake_at, sys_days(2026y / 11 / 23) + 2h);
  EXPECT_FALSE(plan.hash.empty());
  world_.SetNow(sys_days(2026y / 11 / 23) + 2h);
  EXPECT_THAT(world_.MakePlan().steps, SizeIs(4 + kEarlier));
}

// Provisioning needs no window.
TEST_F(Retire, ClosedWindowsDoNotStopProvisioning) {
  world_.policy().schedule.windows = {{{1}, 2h, 2h, "UTC"}};
  world_.policy().partitioning.premake = 4;
  EXPECT_THAT(Kinds(world_.MakePlan()), ElementsAre("create_partition"));
}

TEST_F(Retire, AWrongClockRemovesNothing) {
  for (const auto skew : {11s, -11s, std::chrono::seconds(days(400))}) {
    const Plan plan = PlanAt(kNow + skew);
    ASSERT_THAT(plan.refusals, SizeIs(1));
    EXPECT_EQ(plan.refusals[0].code, "ClockSkew");
    EXPECT_THAT(plan.steps, IsEmpty());
    EXPECT_THAT(Reasons(plan), testing::Each("ClockSkew"));
  }
  EXPECT_THAT(PlanAt(kNow + 10s).refusals, IsEmpty());
}

// --now shows another time, but removes nothing that the server's would keep.
TEST_F(Retire, APreviewRemovesOnlyWhatTheServersTimeWould) {
  world_.Settle();
  const Instant later = kNow + days(100);
  const Plan plan = PlanAt(later, true);
  EXPECT_THAT(plan.refusals, IsEmpty());
  EXPECT_THAT(Kinds(plan), testing::Each("create_partition"));
  EXPECT_EQ(plan.outlook.now, later);
  // In the past it may not remove what was there then, either.
  EXPECT_THAT(PlanAt(kNow - days(100), true).hash, "");
  // In a database that is marked as a test it may.
  world_.server().test_database = true;
  EXPECT_THAT(Kinds(PlanAt(later, true)), Contains("drop_partition"));
}

TEST_F(Retire, TheHashIsOverThePolicyAndTheSet) {
  const std::string hash = world_.MakePlan().hash;
  EXPECT_THAT(hash, SizeIs(16));
  // Not over rows, time, names, or what is created meanwhile.
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 3 / 5), 5));
  world_.SetNow(kNow + hours(3));
  world_.policy().partitioning.premake = 5;
  world_.policy().retention->max_per_run = 1;
  world_.table().partitions[0].name = "renamed";
  EXPECT_EQ(world_.MakePlan().hash, hash);
  // Over the policy and over the set.
  world_.policy().name = "another";
  world_.table().ownership->policy_name = "another";
  EXPECT_NE(world_.MakePlan().hash, hash);
  world_.policy().name = world_.table().ownership->policy_name = "points";
  ASSERT_EQ(world_.MakePlan().hash, hash);
  world_.table().partitions[0].oid += 1'000;
  EXPECT_NE(world_.MakePlan().hash, hash);
  world_.table().partitions.erase(world_.table().partitions.begin());
  EXPECT_NE(world_.MakePlan().hash, hash);
  world_.Settle();
  EXPECT_EQ(world_.MakePlan().hash, "");
}

TEST_F(Retire, AnotherDatabaseMustBeAcknowledged) {
  world_.policy().partitioning.premake = 4;
  const auto forget = [](Ownership&) {};
  const std::vector<std::function<void(Ownership&)>> changes = {
      [](Ownership& o) { o.system_identifier = "8"; }, [](Ownership& o) { o.database = 6; },
      [](Ownership& o) { o.table_owner = "somebody"; }, forget};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    World world = world_;
    changes[i](*world.table().ownership);
    if (i == 3) {
      world.table().former = *world.table().ownership;
      world.table().former->table = 1;
    }
    const Plan plan = world.MakePlan();
    ASSERT_THAT(plan.refusals, SizeIs(1)) << i;
    EXPECT_EQ(plan.refusals[0].code, "DatabaseIdentityChanged");
    EXPECT_THAT(plan.refusals[0].remedy, HasSubstr("--acknowledge " + plan.hash));
    EXPECT_TRUE(plan.needs_acknowledgement);
    EXPECT_FALSE(plan.accepts_identity);
    EXPECT_THAT(Kinds(plan), ElementsAre("create_partition"));
    // Another hash is no consent; this one is, and to be recorded.
    EXPECT_TRUE(world.MakePlan("0123456789abcdef").needs_acknowledgement);
    const Plan accepted = world.MakePlan(plan.hash);
    EXPECT_THAT(accepted.refusals, IsEmpty());
    EXPECT_TRUE(accepted.accepts_identity);
    EXPECT_FALSE(accepted.needs_acknowledgement);
    EXPECT_THAT(Kinds(accepted), Contains("drop_partition"));
  }
}

// Also when nothing is to be removed: the next removal must not be a surprise.
TEST_F(Retire, AnotherDatabaseMustBeAcknowledgedInAnyCase) {
  world_.Settle();
  world_.table().ownership->system_identifier = "8";
  const Plan plan = world_.MakePlan();
  EXPECT_TRUE(plan.needs_acknowledgement);
  EXPECT_FALSE(plan.hash.empty());
  EXPECT_TRUE(world_.MakePlan(plan.hash).accepts_identity);
}

TEST_F(Retire, NothingExpiresWithoutRetention) {
  world_.policy().retention.reset();
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 3 / 5), 5));
  world_.SetNow(kNow + days(10'000));
  for (const Step& step : world_.MakePlan().steps) EXPECT_FALSE(Destructive(step.action));
}

}  // namespace
}  // namespace partition_controller
