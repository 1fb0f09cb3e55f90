#include "reconcilers/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "reconcilers/view.h"

namespace partition_controller {
namespace {

using State = Timeline::State;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::sys_days;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

class TimelineTest : public testing::Test {
 protected:
  TimelineTest() {
    policy_.table.name = "points";
    policy_.time_column = "ts";
    Table& table = catalog_.table.emplace();
    table.schema = "public";
    table.name = "points";
    table.key_column_type = "timestamp with time zone";
    outlook_.now = now_;
    outlook_.horizon = sys_days(2027y / 2 / 1);
  }

  void Add(Bound from, Bound to, std::int64_t bytes = 0) {
    Partition partition;
    partition.name = "p" + std::to_string(catalog_.table->partitions.size());
    partition.range = Range{from, to};
    partition.bytes = bytes;
    catalog_.table->partitions.push_back(partition);
  }
  void Add(Instant from, Instant to, std::int64_t bytes = 0) { Add(Bound::At(from), Bound::At(to), bytes); }
  // From September 2026 until the horizon.
  void AddMonths() {
    for (int i = 0; i < 5; ++i) {
      const std::chrono::year_month month = 2026y / 9 + std::chrono::months(i);
      Add(sys_days(month / 1), sys_days((month + std::chrono::months(1)) / 1), 1'000 * (5 - i));
    }
  }
  std::optional<Timeline> Make() const { return TimelineOf(policy_, catalog_, outlook_); }
  TableView View() const {
    Plan plan;
    plan.outlook = outlook_;
    return ViewOf(policy_, catalog_, plan);
  }
  static std::vector<State> StatesOf(const std::vector<Timeline::Slot>& slots) {
    std::vector<State> states;
    states.reserve(slots.size());
    for (const Timeline::Slot& slot : slots) states.push_back(slot.state);
    return states;
  }

  const Instant now_ = sys_days(2026y / 11 / 22) + 21h;
  Policy policy_;
  Catalog catalog_;
  Outlook outlook_;
};

TEST_F(TimelineTest, OfWhatThereIsNone) {
  catalog_.table->kind = Table::Kind::kPlain;
  EXPECT_FALSE(Make());
  catalog_.table->kind = Table::Kind::kPartitioned;
  catalog_.table->key_column_type = "bigint";
  EXPECT_FALSE(Make());
  catalog_.table.reset();
  EXPECT_FALSE(Make());
}

TEST_F(TimelineTest, StatesFollowFromNowAndTheCutoff) {
  AddMonths();
  outlook_.cutoff = sys_days(2026y / 10 / 1);
  const Timeline line = *Make();
  EXPECT_THAT(StatesOf(line.attached),
              ElementsAre(State::kExpired, State::kKept, State::kCurrent, State::kAhead, State::kAhead));
  EXPECT_EQ(line.most_bytes, 5'000);
  EXPECT_LT(*line.cutoff, line.now);
  EXPECT_LT(line.now, *line.horizon);
  EXPECT_LT(line.from, Instant(sys_days(2026y / 9 / 1)));
  EXPECT_GT(line.to, outlook_.horizon);
  for (const Timeline::Slot& slot : line.attached) {
    EXPECT_LT(slot.from, slot.to);
    EXPECT_FALSE(slot.before_window || slot.beyond_window);
  }
}

TEST_F(TimelineTest, ATableWithoutPartitionsIsToGetSome) {
  const Timeline line = *Make();
  ASSERT_THAT(StatesOf(line.attached), ElementsAre(State::kToMake));
  EXPECT_DOUBLE_EQ(line.attached[0].from, line.now);
  EXPECT_DOUBLE_EQ(line.attached[0].to, *line.horizon);
}

TEST_F(TimelineTest, AllThatIsKnownMayBeNow) {
  outlook_.horizon = {};
  const Timeline line = *Make();
  EXPECT_THAT(line.attached, IsEmpty());
  EXPECT_LT(line.from, now_);
  EXPECT_GT(line.to, now_);
}

TEST_F(TimelineTest, GapsAndWhatIsShortOfTheHorizonAreSlots) {
  AddMonths();
  catalog_.table->partitions.erase(catalog_.table->partitions.begin() + 2);
  catalog_.table->partitions.pop_back();
  const Timeline line = *Make();
  EXPECT_THAT(StatesOf(line.attached),
              ElementsAre(State::kKept, State::kKept, State::kGap, State::kAhead, State::kToMake));
  EXPECT_EQ(line.attached[2].partitions, 0);
  EXPECT_EQ(line.attached[2].range, Range::Between(sys_days(2026y / 11 / 1), sys_days(2026y / 12 / 1)));
}

TEST_F(TimelineTest, WithoutAnEndItGoesOnBeyondThePicture) {
  AddMonths();
  catalog_.table->partitions.front().range->from = Bound::MinValue();
  catalog_.table->partitions.back().range->to = Bound::MaxValue();
  const Timeline line = *Make();
  ASSERT_THAT(line.attached, SizeIs(5));
  EXPECT_TRUE(line.attached.front().before_window);
  EXPECT_FALSE(line.attached.front().beyond_window);
  EXPECT_TRUE(line.attached.back().beyond_window);
  EXPECT_EQ(line.attached.front().from, 0);
  EXPECT_EQ(line.attached.back().to, 1);
  // The others keep most of the room.
  EXPECT_GT(line.attached[3].to - line.attached[1].from, 0.3);
}

TEST_F(TimelineTest, APartitionOfEverythingIsOneSlot) {
  Add(Bound::MinValue(), Bound::MaxValue());
  const Timeline line = *Make();
  ASSERT_THAT(StatesOf(line.attached), ElementsAre(State::kCurrent));
  EXPECT_EQ(line.attached[0].from, 0);
  EXPECT_EQ(line.attached[0].to, 1);
}

TEST_F(TimelineTest, WhatIsVeryFarAwayIsCountedOnly) {
  Add(sys_days(1970y / 1 / 1), sys_days(1970y / 2 / 1));
  Add(sys_days(1980y / 1 / 1), sys_days(1980y / 2 / 1));
  AddMonths();
  Add(sys_days(9999y / 1 / 1), sys_days(9999y / 2 / 1));
  const Timeline line = *Make();
  EXPECT_EQ(line.before_window, 2);
  EXPECT_EQ(line.beyond_window, 1);
  EXPECT_THAT(line.attached, SizeIs(5));
}

TEST_F(TimelineTest, TheEndsOfPostgresqlsTimeAreNoTrouble) {
  Add(Bound::At(Instant(std::chrono::microseconds(-210'866'803'200'000'000))), Bound::At(now_));
  Add(Bound::At(now_), Bound::At(Instant(std::chrono::microseconds(9'223'371'331'199'999'999))));
  const Timeline line = *Make();
  EXPECT_THAT(line.attached, SizeIs(2));
  EXPECT_GE(line.now, 0);
  EXPECT_LE(line.now, 1);
}

TEST_F(TimelineTest, ThousandsArePutTogetherAndNoneIsLost) {
  constexpr int kHours = 20'000;
  for (int i = -kHours; i < 3; ++i) {
    Add(std::chrono::floor<hours>(now_) + hours(i), std::chrono::floor<hours>(now_) + hours(i + 1), 10);
  }
  outlook_.horizon = std::chrono::floor<hours>(now_) + hours(3);
  outlook_.cutoff = now_ - hours(kHours / 2);
  const Timeline line = *Make();
  EXPECT_GT(line.attached.size(), 50U);
  EXPECT_LT(line.attached.size(), 200U);
  std::int64_t partitions = 0;
  std::int64_t bytes = 0;
  int current = 0;
  for (std::size_t i = 0; i < line.attached.size(); ++i) {
    const Timeline::Slot& slot = line.attached[i];
    partitions += slot.partitions;
    bytes += slot.bytes;
    current += slot.state == State::kCurrent ? 1 : 0;
    if (i == 0) continue;
    EXPECT_EQ(slot.range.from, line.attached[i - 1].range.to);
  }
  EXPECT_EQ(partitions, kHours + 3);
  EXPECT_EQ(bytes, 10 * (kHours + 3));
  EXPECT_EQ(current, 1);
}

TEST_F(TimelineTest, ThousandsOfGapsAreBoundedToo) {
  constexpr int kHours = 20'000;
  for (int i = -kHours; i < 0; i += 2) {
    Add(std::chrono::floor<hours>(now_) + hours(i), std::chrono::floor<hours>(now_) + hours(i + 1));
  }
  const Timeline line = *Make();
  EXPECT_LT(line.attached.size(), 500U);
  std::int64_t partitions = 0;
  std::int64_t gaps = 0;
  for (const Timeline::Slot& slot : line.attached) {
    partitions += slot.partitions;
    gaps += slot.gaps;
  }
  EXPECT_EQ(partitions, kHours / 2);
  EXPECT_GT(gaps, kHours / 3);
}

TEST_F(TimelineTest, ForeignBoundsAndInterruptedDetachesAreSaid) {
  AddMonths();
  catalog_.table->partitions[1].detach_pending = true;
  catalog_.table->partitions[0].range.reset();
  const Timeline line = *Make();
  EXPECT_EQ(line.odd, 1);
  ASSERT_THAT(line.attached, SizeIs(4));
  EXPECT_TRUE(line.attached[0].detach_pending);
}

TEST_F(TimelineTest, AKeyWithoutAZoneIsDrawnOnItsOwnAxis) {
  policy_.partitioning.time_zone = "America/New_York";
  catalog_.table->key_column_type = "timestamp without time zone";
  // It is still the 21st there.
  outlook_.now = sys_days(2026y / 11 / 22) + 3h;
  Add(sys_days(2026y / 11 / 21), sys_days(2026y / 11 / 22));
  Add(sys_days(2026y / 11 / 22), sys_days(2026y / 11 / 23));
  EXPECT_THAT(StatesOf(Make()->attached), ElementsAre(State::kCurrent, State::kAhead, State::kToMake));
  EXPECT_EQ(View().wall_zone, "America/New_York");
}

TEST_F(TimelineTest, DetachedTablesThatStandAreShown) {
  AddMonths();
  Detached old;
  old.name = "p_old";
  old.range = Range::Between(sys_days(2026y / 8 / 1), sys_days(2026y / 9 / 1));
  old.drop_after = now_ + hours(3);
  old.bytes = 7;
  Detached gone = old;
  gone.exists = false;
  Detached back = old;
  back.attached = true;
  catalog_.table->detached = {old, gone, back};
  const Timeline line = *Make();
  ASSERT_THAT(line.detached, SizeIs(1));
  EXPECT_EQ(line.detached[0].first, "p_old");
  EXPECT_LT(line.detached[0].to, line.attached[0].from + 1e-9);
  const TableView view = View();
  EXPECT_EQ(view.detached, 1);
  EXPECT_EQ(view.detached_bytes, 7);
  EXPECT_EQ(view.dropped_from, old.drop_after);
}

TEST_F(TimelineTest, RowsOfTheDefaultPartitionAreWhereTheyBelong) {
  AddMonths();
  DefaultPartition& fallback = catalog_.table->default_partition.emplace();
  fallback.cuts = {sys_days(2026y / 10 / 1), sys_days(2026y / 11 / 1)};
  fallback.counts = {0, 12, 0};
  fallback.rows = 12;
  const Timeline line = *Make();
  ASSERT_THAT(line.in_default, SizeIs(1));
  EXPECT_EQ(line.in_default[0].rows, 12);
  EXPECT_DOUBLE_EQ(line.in_default[0].from, line.attached[1].from);
  EXPECT_DOUBLE_EQ(line.in_default[0].to, line.attached[1].to);
}

TEST_F(TimelineTest, ARollupIsRightUpToItsOldestDirtyBucket) {
  AddMonths();
  Rollup hourly;
  hourly.name = "hourly";
  policy_.rollups = {hourly};
  RollupState state;
  state.name = "hourly";
  state.intact = state.filled = true;
  catalog_.table->rollups = {state};
  ASSERT_THAT(Make()->lanes, SizeIs(1));
  // The bucket that has settled last; before five past it has not.
  EXPECT_EQ(Make()->lanes[0].watermark, now_ - hours(1));
  catalog_.table->rollups[0].oldest_dirty = now_ - hours(50);
  EXPECT_EQ(Make()->lanes[0].watermark, now_ - hours(50));
  EXPECT_EQ(Make()->lanes[0].from, 0);
  catalog_.table->rollups[0].filled = false;
  EXPECT_THAT(Make()->lanes, IsEmpty());
  catalog_.table->rollups[0].filled_from = sys_days(2026y / 10 / 15);
  EXPECT_GT(Make()->lanes[0].from, 0);
  catalog_.table->rollups[0].intact = false;
  EXPECT_THAT(Make()->lanes, IsEmpty());
}

TEST_F(TimelineTest, APlanOfManyStepsIsCutShort) {
  AddMonths();
  Plan plan;
  plan.outlook = outlook_;
  for (int i = 0; i < 500; ++i) {
    const Instant start = sys_days(2027y / 2 / 1) + days(i);
    plan.steps.push_back(
        {CreatePartition{{"p" + std::string(63, 'x'), Range::Between(start, start + days(1))}},
         std::string(100'000, 'r')});
    plan.waiting.push_back({AnalyzeParent{}, "later", std::nullopt});
  }
  const TableView view = ViewOf(policy_, catalog_, plan);
  EXPECT_EQ(view.steps.size() + view.more_steps, 500U);
  EXPECT_EQ(view.waiting.size() + view.more_waiting, 500U);
  EXPECT_LT(view.steps.size(), 50U);
  EXPECT_EQ(view.steps[0].mark, '+');
  EXPECT_LT(view.steps[0].reason.size(), 2'000U);
  EXPECT_FALSE(view.steps[0].locks.empty());
}

}  // namespace
}  // namespace partition_controller
