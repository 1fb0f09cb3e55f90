// Which partitions are made, when, and how rows that wait in the default
// partition get into them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "reconcilers/bounds.h"
#include "reconcilers/planning.h"
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

// "kind name"; of a drain, its target.
std::vector<std::string> Steps(const Plan& plan) {
  std::vector<std::string> steps;
  for (const Step& step : plan.steps) {
    std::string text = Kind(step.action);
    if (const auto* a = std::get_if<CreatePartition>(&step.action)) text += " " + a->partition.name;
    if (const auto* a = std::get_if<CreateDefault>(&step.action)) text += " " + a->name;
    if (const auto* a = std::get_if<BeginDrain>(&step.action)) text += " " + a->drain.target_name;
    if (const auto* a = std::get_if<FinishDrain>(&step.action)) {
      text += " " + (a->promoted_name.empty() ? a->drain.target_name : a->promoted_name);
    }
    if (const auto* a = std::get_if<ReplacePartitions>(&step.action)) {
      for (const TableRef& ref : a->drop) text += " -" + ref.name;
      for (const NewPartition& made : a->create) text += " +" + made.name;
    }
    steps.push_back(text);
  }
  return steps;
}

Policy Monthly() {
  Policy policy;
  policy.partitioning.premake = 2;
  return policy;
}

TEST(Provision, NowFirstThenAheadThenThePastBackwards) {
  Policy policy = Monthly();
  policy.retention.emplace();
  policy.retention->keep = {2, Unit::kMonth};
  World world(policy, kNow);
  const Plan plan = world.MakePlan();
  EXPECT_THAT(Steps(plan), ElementsAre("create_partition points_p202611", "create_partition points_p202612",
                                       "create_partition points_p202701", "create_partition points_p202610",
                                       "create_partition points_p202609", "create_default points_default"));
  EXPECT_EQ(plan.steps[0].reason, "the current period has no partition");
  EXPECT_EQ(plan.steps[1].reason, "one of the 2 periods to be made ahead");
  EXPECT_THAT(plan.steps[3].reason, HasSubstr("a gap"));
}

TEST(Provision, WithoutRetentionItBeginsNow) {
  World world(Monthly(), kNow);
  world.Settle();
  EXPECT_EQ(world.Covered().front(), MonthOf(2026, 11));
}

// Without retention, the past gets partitions where there are rows: not one for
// each month since a clock that was reset to 1970.
TEST(Provision, WithoutRetentionOldRowsGetTheirPeriods) {
  World world(Monthly(), kNow);
  world.AddDefault();
  world.AddPartition("july", MonthOf(2026, 7), false);
  ASSERT_TRUE(world.Insert(sys_days(2025y / 3 / 5), 3));
  ASSERT_TRUE(world.Insert(sys_days(2025y / 3 / 25), 3));
  ASSERT_TRUE(world.Insert(Instant(), 1));
  EXPECT_EQ(world.Settle(), 1);
  EXPECT_EQ(world.Complaint(), "") << world.Describe();
  EXPECT_EQ(world.In("points_default"), 0);
  EXPECT_THAT(world.Covered(), SizeIs(1 + 2 + 3)) << world.Describe();
}

// A detached table's bounds cut a month in two, which is one partition all the
// same.
TEST(Provision, OldRowsOfOneMonthGetOnePartition) {
  World world(Monthly(), kNow);
  world.Settle();
  Detached& lost = world.table().detached.emplace_back();
  lost.oid = 7;
  lost.schema = "public";
  lost.name = "lost";
  lost.range = Range::Between(sys_days(2025y / 3 / 10), sys_days(2025y / 4 / 20));
  world.AddPartition("april", MonthOf(2025, 4), false);  // so it cannot come back
  for (const int day : {5, 12, 20}) ASSERT_TRUE(world.Insert(sys_days(2025y / 3 / 1) + days(day - 1), 1));
  EXPECT_THAT(Steps(world.MakePlan()), Contains("finish_drain points_p202503"));
  EXPECT_LE(world.Settle(), 2);
  EXPECT_EQ(world.Complaint(), "") << world.Describe();
  EXPECT_EQ(world.Visible(MonthOf(2025, 3)), 3);
}

// Where late rows would be refused, the past has no gap either, but for the
// years since a clock that was reset to 1970.
TEST(Provision, WithoutRetentionAndDefaultGapsAreFilled) {
  Policy policy = Monthly();
  policy.partitioning.default_partition = Partitioning::Default::kAbsent;
  World world(policy, kNow);
  world.AddPartition("first", MonthOf(1970, 1), false);
  world.AddPartition("may", MonthOf(2026, 5), false);
  world.AddPartition("july", MonthOf(2026, 7), false);
  // Whatever was made before a run was cut off.
  for (const Plan plan = world.MakePlan(); const Step& step : plan.steps) {
    World cut_off = world;
    cut_off.Take(step.action);
    EXPECT_EQ(cut_off.Settle(), 1);
    EXPECT_THAT(cut_off.Uncovered(Range::Between(sys_days(2026y / 5 / 1), sys_days(2027y / 2 / 1))),
                IsEmpty());
    EXPECT_THAT(cut_off.Covered(), SizeIs(1 + 9));
  }
}

TEST(Provision, OddPartitionsAreFixedAndTheRestIsCutAroundThem) {
  World world(Monthly(), kNow);
  world.AddDefault();
  world.AddPartition("odd", Range::Between(sys_days(2026y / 12 / 10), sys_days(2026y / 12 / 20)), false);
  world.AddPartition("ahead", {Bound::At(sys_days(2030y / 1 / 1)), {Bound::Kind::kMaxValue, {}}}, false);
  world.AddPartition("history", {{Bound::Kind::kMinValue, {}}, Bound::At(sys_days(2026y / 11 / 3))}, false);
  EXPECT_THAT(
      Steps(world.MakePlan()),
      ElementsAre("create_partition points_p20261103_20261201", "create_partition points_p20261201_20261210",
                  "create_partition points_p20261220_20270101", "create_partition points_p202701"));
  EXPECT_EQ(world.Settle(), 1);
  EXPECT_EQ(world.Complaint(), "");
}

// Retention would remove it at once: made and removed, for ever.
TEST(Provision, NothingIsMadeThatHasExpired) {
  Policy policy = Monthly();
  policy.retention.emplace();
  policy.retention->keep = {100, Unit::kDay};  // since 2026-08-14
  policy.retention->action = Retention::Action::kDrop;
  World world(policy, kNow);
  world.AddPartition("week", Range::Between(sys_days(2026y / 8 / 10), sys_days(2026y / 8 / 17)), true);
  EXPECT_EQ(world.Settle(), 1);
  EXPECT_EQ(world.Covered().front().from, Bound::At(sys_days(2026y / 8 / 10)));
  EXPECT_EQ(world.Complaint(), "");
}

TEST(Provision, NamesThatOthersHaveAreNotUsed) {
  World world(Monthly(), kNow);
  Catalog catalog = world.Read();
  catalog.table->taken_names = {"points_p202611", "points_default", "points_p202612", "points_p202612_2"};
  EXPECT_THAT(Steps(MakePlan(world.policy(), catalog, {kNow})),
              ElementsAre("create_partition points_p202611_2", "create_partition points_p202612_3",
                          "create_partition points_p202701", "create_default points_default_2"));
}

TEST(Provision, AFinalizedTableKeepsItsName) {
  World world(Monthly(), kNow);
  world.Settle();
  world.table().partitions[1].detach_pending = true;
  const std::string name = world.table().partitions[1].name;
  EXPECT_THAT(Steps(world.MakePlan()), ElementsAre("finalize_detach", "create_partition " + name + "_2"));
}

TEST(Provision, AFewRowsAreMoved) {
  World world(Monthly(), kNow);
  world.AddDefault();
  ASSERT_TRUE(world.Insert(kNow, 99'999));
  const Plan plan = world.MakePlan();
  EXPECT_THAT(Steps(plan), ElementsAre("begin_drain points_p202611", "finish_drain points_p202611",
                                       "begin_drain points_p202612", "finish_drain points_p202612",
                                       "begin_drain points_p202701", "finish_drain points_p202701"));
  EXPECT_EQ(std::get<FinishDrain>(plan.steps[1].action).rows, 99'999);
  EXPECT_EQ(std::get<FinishDrain>(plan.steps[3].action).rows, 0);
}

TEST(Provision, ManyRowsInOneGapStayWhereTheyAre) {
  World world(Monthly(), kNow);
  world.AddDefault();
  ASSERT_TRUE(world.Insert(kNow - days(70), 50'000));
  ASSERT_TRUE(world.Insert(kNow - days(40), 50'000));
  ASSERT_TRUE(world.Insert(sys_days(2030y / 1 / 1), 50'000));
  world.AddPartition("july", MonthOf(2026, 7), false);
  const Plan plan = world.MakePlan();
  EXPECT_EQ(Steps(plan)[0], "begin_drain points_default_2");
  // Up to the current period, where rows go on arriving; not beyond it.
  EXPECT_EQ(Steps(plan)[1], "finish_drain points_p20260901_20261201");
  EXPECT_EQ(std::get<FinishDrain>(plan.steps[1].action).rows, 50'000);
  EXPECT_EQ(world.Settle(), 1);
  EXPECT_EQ(world.In("points_p20260901_20261201"), 100'000);
  EXPECT_EQ(world.In("points_default"), 50'000);
}

// A clock that runs a month ahead does not make the partition end, and so
// expire, a month later; many such rows do.
TEST(Provision, AFewRowsAheadDoNotStretchAPromotedPartition) {
  for (const std::int64_t ahead : {999, 2'000}) {
    World world(Monthly(), kNow);
    world.AddDefault();
    ASSERT_TRUE(world.Insert(kNow, 100'000));
    ASSERT_TRUE(world.Insert(sys_days(2026y / 12 / 5), ahead));
    const std::string made = ahead == 999 ? "points_p202611" : "points_p20261101_20270101";
    EXPECT_EQ(Steps(world.MakePlan())[1], "finish_drain " + made);
    world.Settle();
    EXPECT_EQ(world.Complaint(), "");
    EXPECT_EQ(world.Visible(), 100'000 + ahead);
  }
}

TEST(Provision, TooManyRowsBesideAreMovedFirst) {
  World world(Monthly(), kNow);
  world.AddDefault();
  world.AddPartition("july", MonthOf(2026, 7), false);
  ASSERT_TRUE(world.Insert(kNow - days(40), 100'000));
  ASSERT_TRUE(world.Insert(kNow + days(400), 50'001));
  EXPECT_EQ(Steps(world.MakePlan())[0], "begin_drain points_p202611");
  world.Settle();
  EXPECT_EQ(world.Complaint(), "");
}

// The gap that is promoted has no empty partition in its way.
TEST(Provision, APromotionLeavesPartitionsAheadAlone) {
  Policy policy = Monthly();
  policy.partitioning.granularity = Granularity::kWeek;
  World world(policy, kNow);
  world.Settle();
  world.rows_per_page = 10'000;
  ASSERT_TRUE(world.Insert(sys_days(2026y / 12 / 20), 120'000));
  world.policy().partitioning.granularity = Granularity::kMonth;
  EXPECT_LE(world.Settle(), 2);
  EXPECT_EQ(world.Complaint(), "");
  EXPECT_EQ(world.Visible(), 120'000);
}

// Not even if there are rows on both sides of one.
TEST(Provision, APromotionStopsAtAPartitionAhead) {
  World world(Monthly(), kNow);
  world.AddDefault();
  world.AddPartition("week", Range::Between(sys_days(2026y / 12 / 7), sys_days(2026y / 12 / 14)), true);
  world.rows_per_page = 10'000;
  ASSERT_TRUE(world.Insert(kNow, 60'000));
  ASSERT_TRUE(world.Insert(sys_days(2027y / 1 / 5), 60'000));
  EXPECT_LE(world.Settle(), 2);
  EXPECT_EQ(world.Complaint(), "");
}

// Empty weeks ahead become months; where rows of a month wait in the default,
// only what the weeks covered is swapped, for a swap moves nothing.
TEST(Provision, ASwapNeverMeetsRowsOfTheDefault) {
  Policy policy = Monthly();
  policy.partitioning.granularity = Granularity::kWeek;
  World world(policy, kNow);
  world.Settle();  // up to 2026-12-07
  ASSERT_TRUE(world.Insert(sys_days(2026y / 12 / 20), 3));
  world.policy().partitioning.granularity = Granularity::kMonth;
  const std::vector<std::string> steps = Steps(world.MakePlan());
  EXPECT_EQ(steps[0],
            "replace_partitions -points_p2026w48 -points_p2026w49 +points_p20261123_20261201 "
            "+points_p20261201_20261207");
  EXPECT_EQ(steps[1], "begin_drain points_p20261207_20270101");
  EXPECT_EQ(world.Settle(), 1);
  EXPECT_EQ(world.Complaint(), "");
}

TEST(Provision, WhatHoldsRowsOrIsNotOursIsNotReplaced) {
  World world(Monthly(), kNow);
  world.Settle();
  ASSERT_TRUE(world.Insert(sys_days(2026y / 12 / 20), 3));
  world.table().partitions[2].created_by_us = false;
  world.policy().partitioning.granularity = Granularity::kDay;
  world.policy().partitioning.premake = 60;
  EXPECT_THAT(Steps(world.MakePlan()), Not(Contains(HasSubstr("replace"))));
}

TEST(Provision, UnknownSizesAreNotEmpty) {
  World world(Monthly(), kNow);
  world.Settle();
  Catalog catalog = world.Read();
  for (Partition& partition : catalog.table->partitions) partition.rows = -1;
  world.policy().partitioning.granularity = Granularity::kWeek;
  EXPECT_THAT(Steps(MakePlan(world.policy(), catalog, {kNow})), IsEmpty());
}

TEST(Provision, MisfitsStayBesideALargeDefaultAndPeopleAreTold) {
  World world(Monthly(), kNow);
  world.Settle();
  world.rows_per_page = 1;
  ASSERT_TRUE(world.Insert(sys_days(2030y / 1 / 1), kSmallDefaultPages));
  world.policy().partitioning.granularity = Granularity::kWeek;
  const Plan plan = world.MakePlan();
  EXPECT_THAT(Steps(plan), IsEmpty());
  EXPECT_THAT(plan.advice, ElementsAre(HasSubstr("too large to be scanned under lock")));
  world.rows_per_page = 10;
  EXPECT_THAT(Steps(world.MakePlan()), Contains(HasSubstr("replace_partitions")));
}

TEST(Provision, AbsentRemovesAnEmptyDefaultOnly) {
  Policy policy = Monthly();
  policy.partitioning.default_partition = Partitioning::Default::kAbsent;
  World world(policy, kNow);
  world.AddDefault();
  world.Settle();
  EXPECT_FALSE(world.table().default_partition);
  EXPECT_FALSE(world.Insert(sys_days(2030y / 1 / 1), 1));

  World full(policy, kNow);
  full.AddDefault();
  ASSERT_TRUE(full.Insert(sys_days(2030y / 1 / 1), 1));
  full.Settle();
  EXPECT_TRUE(full.table().default_partition);
  EXPECT_THAT(full.MakePlan().advice, ElementsAre(HasSubstr("it holds 1 rows")));
}

// Neither shows rows of its own: a partitioned one has none, a foreign one no
// pages.
TEST(Provision, AbsentLeavesAnOddDefaultAlone) {
  for (const Partition::Kind kind : {Partition::Kind::kPartitioned, Partition::Kind::kForeign}) {
    Policy policy = Monthly();
    policy.partitioning.default_partition = Partitioning::Default::kAbsent;
    World world(policy, kNow);
    world.AddDefault();
    world.table().default_partition->partition.kind = kind;
    EXPECT_THAT(Steps(world.MakePlan()), Not(Contains("remove_default")));
    EXPECT_THAT(world.MakePlan().advice, Contains(HasSubstr("the default partition stays")));
  }
}

// An estimate of no rows is no proof.
// An estimate of no rows is no proof.
TEST(Provision, AbsentTrustsNoSample) {
  Policy policy = Monthly();
  policy.partitioning.default_partition = Partitioning::Default::kAbsent;
  World world(policy, kNow);
  world.AddDefault();
  Catalog catalog = world.Read();
  catalog.table->default_partition->exact = false;
  EXPECT_THAT(Steps(MakePlan(world.policy(), catalog, {kNow})), Not(Contains("remove_default")));
}

TEST(Provision, AnInterruptedDrainIsFinishedFirst) {
  World world(Monthly(), kNow);
  world.AddDefault();
  ASSERT_TRUE(world.Insert(kNow, 5));
  world.Take(world.MakePlan().steps[0].action);
  ASSERT_TRUE(world.Insert(kNow + 1h, 5));  // diverted
  const Plan plan = world.MakePlan();
  EXPECT_EQ(Steps(plan)[0], "finish_drain points_p202611");
  EXPECT_NE(std::get<FinishDrain>(plan.steps[0].action).drain.target, 0U);
  world.Settle();
  EXPECT_EQ(world.Visible(MonthOf(2026, 11)), 10);
}

TEST(Provision, ADrainWithoutItsDefaultNeedsAPerson) {
  World world(Monthly(), kNow);
  world.AddDefault();
  ASSERT_TRUE(world.Insert(kNow, 5));
  world.Take(world.MakePlan().steps[0].action);
  Catalog catalog = world.Read();
  catalog.table->default_partition.reset();
  EXPECT_THAT(MakePlan(world.policy(), catalog, {kNow}).advice,
              Contains(HasSubstr("attach that table by hand")));
}

// What may come back keeps its place, whatever the granularity by then.
TEST(Provision, NothingIsMadeWhereADetachedPartitionBelongs) {
  Policy policy = Monthly();
  policy.retention.emplace();
  policy.retention->keep = {30, Unit::kDay};  // since 2026-10-23
  policy.retention->action = Retention::Action::kDrop;
  World world(policy, kNow);
  Detached& week = world.table().detached.emplace_back();
  week.oid = 7;
  week.schema = "public";
  week.name = "week";
  week.range = Range::Between(sys_days(2026y / 10 / 5), sys_days(2026y / 10 / 12));
  week.drop_after = kNow + hours(24);
  EXPECT_THAT(Steps(world.MakePlan()), Contains("create_partition points_p20261012_20261101"));
  world.Settle();
  EXPECT_EQ(world.Complaint(), "");
  world.policy().retention->keep = {60, Unit::kDay};
  EXPECT_LE(world.Settle(), 2);
  EXPECT_THAT(world.table().detached, IsEmpty());
  EXPECT_EQ(world.Complaint(), "");
}

TEST(Provision, AdviceWhenAPartitionHasNoEnd) {
  World world(Monthly(), kNow);
  world.AddPartition("rest", {Bound::At(sys_days(2026y / 12 / 1)), {Bound::Kind::kMaxValue, {}}}, false);
  world.Settle();
  EXPECT_THAT(world.MakePlan().advice, ElementsAre(HasSubstr("\"rest\" reaches to MAXVALUE")));
}

TEST(Provision, AdviceWhenAMonthGrowsTooLarge) {
  for (const std::int64_t rows : {31'000'000, 31'000'100}) {
    World world(Monthly(), kNow);
    world.AddPartition("october", MonthOf(2026, 10), true);
    ASSERT_TRUE(world.Insert(sys_days(2026y / 10 / 5), rows));
    world.Settle();
    const Plan plan = world.MakePlan();
    if (rows == 31'000'000) {
      EXPECT_THAT(plan.advice, IsEmpty());
    } else {
      EXPECT_THAT(plan.advice, ElementsAre(HasSubstr("granularity Week")));
      world.policy().partitioning.granularity = Granularity::kWeek;
      EXPECT_THAT(world.MakePlan().advice, Not(Contains(HasSubstr("granularity Week keeps"))));
    }
  }
}

}  // namespace
}  // namespace partition_controller
