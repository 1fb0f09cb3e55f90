// A policy that changes its mind, a zone that changes its rules, and time going
// by: the table follows, from every moment at which a run can be cut off.

#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/world.h"

namespace partition_controller {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::sys_days;
using namespace std::chrono_literals;
using Unit = CalendarDuration::Unit;

const Instant kNow = sys_days(2026y / 11 / 22) + 20h + 31min;

constexpr Granularity kGranularities[] = {Granularity::kHour,  Granularity::kDay,     Granularity::kWeek,
                                          Granularity::kMonth, Granularity::kQuarter, Granularity::kYear};

Retention Dropping(CalendarDuration keep, int undo_hours) {
  Retention retention;
  retention.keep = keep;
  retention.action = Retention::Action::kDrop;
  retention.undo_window = {undo_hours, Unit::kHour};
  retention.max_per_run = 10'000;
  return retention;
}

// Settles, and from a copy of every moment between two steps as well.
void SettleFromEveryMoment(World* world, const std::string& what) {
  for (int round = 0;; ++round) {
    const Plan plan = world->MakePlan();
    if (plan.steps.empty()) break;
    ASSERT_LT(round, 2) << what << ": " << Describe(plan.steps.front().action, world->table()) << "\n"
                        << world->Describe();
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      const World before = *world;
      world->Take(plan.steps[i].action);
      ASSERT_TRUE(world->faults().empty())
          << what << ", step " << i + 1 << ": " << world->faults().front() << "\n"
          << before.Describe();
      if (i + 1 == plan.steps.size()) break;
      World restarted = *world;
      ASSERT_LE(restarted.Settle(), 2) << what << ", cut off after step " << i + 1 << "\n"
                                       << world->Describe();
      ASSERT_EQ(restarted.Complaint(), "") << what << ", cut off after step " << i + 1 << "\n"
                                           << restarted.Describe();
    }
  }
  ASSERT_EQ(world->Complaint(), "") << what << "\n" << world->Describe();
}

std::string FromTo(Granularity from, Granularity to) {
  return std::string(ToString(from)) + " to " + ToString(to);
}

// Rows of a few clocks gone wrong: beyond the horizon of some granularities
// and not of others, so that a change reaches them.
void InsertAhead(World* world) {
  for (const int ahead : {1, 9, 20, 27, 45, 70, 100, 200, 400, 1'200}) {
    world->Insert(world->KeyNow() + days(ahead), 1);
  }
}

class GranularityChange : public testing::TestWithParam<bool> {};

TEST_P(GranularityChange, ThereAndBackAgain) {
  for (const Granularity from : kGranularities) {
    for (const Granularity to : kGranularities) {
      if (from == to) continue;
      const bool hour = from == Granularity::kHour || to == Granularity::kHour;
      Policy policy;
      policy.partitioning.granularity = from;
      policy.retention = Dropping({hour ? 2 : 40, Unit::kDay}, 0);
      World world(policy, kNow);
      world.Settle();
      world.Insert(world.KeyNow(), 5);
      world.Insert(world.KeyNow() - days(1), 5);
      if (GetParam()) InsertAhead(&world);
      const std::int64_t total = world.Total();
      const std::string what = FromTo(from, to);
      world.policy().partitioning.granularity = to;
      ASSERT_NO_FATAL_FAILURE(SettleFromEveryMoment(&world, what));
      // Long enough for a seam to come and go, and for old partitions to expire.
      for (int tick = 1; tick <= (hour ? 60 : 45); ++tick) {
        world.SetNow(world.now() + hours(hour ? 1 : 25));
        EXPECT_TRUE(world.Uncovered(Range::Between(world.now(), world.now() + 1s)).empty()) << what;
        ASSERT_LE(world.Settle(), 2) << what << ", tick " << tick << "\n" << world.Describe();
        ASSERT_EQ(world.Complaint(), "") << what << ", tick " << tick << "\n" << world.Describe();
      }
      world.policy().partitioning.granularity = from;
      ASSERT_NO_FATAL_FAILURE(SettleFromEveryMoment(&world, what + " and back"));
      EXPECT_EQ(world.Total() + world.removed(), total);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, GranularityChange, testing::Bool(),
                         [](const auto& instance) { return instance.param ? "RowsAhead" : "NoRowsAhead"; });

TEST(Change, GranularityAgainAndAgain) {
  Policy policy;
  World world(policy, kNow);
  world.Settle();
  for (int turn = 0; turn < 12; ++turn) {
    static constexpr Granularity kTurns[] = {Granularity::kMonth, Granularity::kWeek,    Granularity::kMonth,
                                             Granularity::kDay,   Granularity::kQuarter, Granularity::kWeek};
    world.policy().partitioning.granularity = kTurns[turn % 6];
    world.SetNow(world.now() + days(10));
    ASSERT_TRUE(world.Insert(world.KeyNow(), 3));
    InsertAhead(&world);
    ASSERT_NO_FATAL_FAILURE(SettleFromEveryMoment(&world, "turn " + std::to_string(turn)));
  }
  EXPECT_EQ(world.Visible(), 12 * 13);
}

// A large default partition is not scanned under lock, so what does not fit
// stays; coverage goes on all the same.
TEST(Change, GranularityBesideALargeDefault) {
  Policy policy;
  policy.retention = Dropping({90, Unit::kDay}, 0);
  World world(policy, kNow);
  world.Settle();
  world.rows_per_page = 1;
  ASSERT_TRUE(world.Insert(kNow + days(3'000), 10'000));
  world.policy().partitioning.granularity = Granularity::kWeek;
  ASSERT_NO_FATAL_FAILURE(SettleFromEveryMoment(&world, "to Week"));
  EXPECT_FALSE(world.MakePlan().advice.empty());
  for (int day = 1; day <= 120; ++day) {
    world.SetNow(kNow + days(day));
    ASSERT_LE(world.Settle(), 2) << "day " << day << "\n" << world.Describe();
    ASSERT_EQ(world.Complaint(), "") << "day " << day << "\n" << world.Describe();
  }
}

// A zone's rules change (tzdata), which moves the bounds of what was made
// ahead: the same as another zone.
TEST(Change, ZoneRules) {
  const char* const zones[] = {"UTC", "Etc/GMT-1", "Etc/GMT+5", "America/New_York", "Asia/Kolkata"};
  for (const Granularity granularity : {Granularity::kDay, Granularity::kWeek, Granularity::kMonth}) {
    for (const char* from : zones) {
      for (const char* to : zones) {
        Policy policy;
        policy.partitioning.granularity = granularity;
        policy.partitioning.time_zone = from;
        policy.retention = Dropping({40, Unit::kDay}, 0);
        World world(policy, kNow);
        world.Settle();
        world.Insert(kNow, 3);
        InsertAhead(&world);
        world.policy().partitioning.time_zone = to;
        const std::string what = std::string(ToString(granularity)) + " from " + from + " to " + to;
        ASSERT_NO_FATAL_FAILURE(SettleFromEveryMoment(&world, what));
        for (int day = 1; day <= 9; ++day) {
          world.SetNow(kNow + days(day));
          ASSERT_LE(world.Settle(), 2) << what << ", day " << day;
          ASSERT_EQ(world.Complaint(), "") << what << ", day " << day << "\n" << world.Describe();
        }
      }
    }
  }
}

// From nothing to all there is in one run, for every kind of key and around
// the moments at which clocks change.
TEST(Change, EveryGranularityZoneAndKey) {
  const Instant moments[] = {kNow, sys_days(2026y / 3 / 29) + 1h, sys_days(2026y / 11 / 1) + 5h + 30min,
                             sys_days(2026y / 12 / 31) + 23h + 59min, sys_days(2026y / 4 / 4) + 15h};
  const char* const zones[] = {"UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
                               "Africa/Casablanca"};
  for (const char* key : {"timestamp with time zone", "timestamp without time zone", "date"}) {
    for (const Granularity granularity : kGranularities) {
      if (granularity == Granularity::kHour && std::string(key) == "date") continue;
      for (const char* zone : zones) {
        for (const Instant moment : moments) {
          Policy policy;
          policy.partitioning.granularity = granularity;
          policy.partitioning.time_zone = zone;
          policy.retention = Dropping({granularity == Granularity::kHour ? 1 : 9, Unit::kDay}, 0);
          World world(policy, moment, key);
          const std::string what = std::string(key) + " " + ToString(granularity) + " " + zone;
          ASSERT_EQ(world.Settle(), 1) << what;
          ASSERT_EQ(world.Complaint(), "") << what << "\n" << world.Describe();
          EXPECT_TRUE(world.Insert(world.KeyNow(), 1)) << what;
          EXPECT_EQ(world.InDefault(world.Window()), 0) << what;
        }
      }
    }
  }
}

struct March {
  const char* name;
  Granularity granularity;
  CalendarDuration keep;
  Retention::Action action;
  int undo_hours;
  const char* zone;
};

class TimeGoesBy : public testing::TestWithParam<March> {};

// Two years, day by day: every tick converges, rows of now always have their
// partition, late and early ones are found again, and what expires goes.
TEST_P(TimeGoesBy, ForTwoYears) {
  const March& march = GetParam();
  Policy policy;
  policy.partitioning.granularity = march.granularity;
  policy.partitioning.time_zone = march.zone;
  policy.retention = Dropping(march.keep, march.undo_hours);
  policy.retention->action = march.action;
  World world(policy, kNow);
  ASSERT_EQ(world.Settle(), 1);
  std::int64_t total = 0;
  for (int day = 0; day < 730; ++day) {
    world.SetNow(kNow + days(day) + hours(day % 24));
    const auto insert = [&](Instant at) {
      ASSERT_TRUE(world.Insert(at, 1));
      ++total;
    };
    insert(world.KeyNow());
    ASSERT_EQ(world.InDefault(Range::Between(world.KeyNow(), world.KeyNow() + 1s)), 0) << "day " << day;
    if (day % 5 == 0) insert(world.KeyNow() - days(20));
    if (day % 7 == 0) insert(world.KeyNow() + days(60));
    if (day % 11 == 0) insert(world.KeyNow() - days(300));
    ASSERT_LE(world.Settle(), 2) << "day " << day << "\n" << world.Describe();
    ASSERT_EQ(world.Complaint(), "") << "day " << day << "\n" << world.Describe();
    ASSERT_EQ(world.Total() + world.removed(), total) << "day " << day;
  }
  const std::size_t waiting = world.table().detached.size();
  EXPECT_TRUE(march.action == Retention::Action::kDetach ? waiting > 20 : waiting < 4) << waiting;
}

INSTANTIATE_TEST_SUITE_P(
    All, TimeGoesBy,
    testing::Values(
        March{"Days", Granularity::kDay, {14, Unit::kDay}, Retention::Action::kDrop, 0, "America/New_York"},
        March{"Weeks", Granularity::kWeek, {45, Unit::kDay}, Retention::Action::kDrop, 36, "UTC"},
        March{
            "Months", Granularity::kMonth, {3, Unit::kMonth}, Retention::Action::kDetach, 24, "Asia/Kolkata"},
        March{"Quarters", Granularity::kQuarter, {1, Unit::kYear}, Retention::Action::kDrop, 24, "UTC"}),
    [](const auto& instance) { return instance.param.name; });

// What was detached comes back when the policy keeps it again, with the rows
// that reached the default meanwhile; whichever were there, of three.
TEST(Change, AWiderWindowBringsPartitionsBack) {
  for (int there = 1; there < 8; ++there) {
    for (int late = 0; late < 8; ++late) {
      for (const bool large : {false, true}) {
        Policy policy;
        policy.retention = Dropping({6, Unit::kMonth}, 24);
        World world(policy, kNow);
        if (large) world.rows_per_page = 1;
        world.AddDefault();
        std::int64_t total = 0;
        for (int i = 0; i < 3; ++i) {
          if (((there >> i) & 1) == 0) continue;
          const Range month = MonthOf(2026, static_cast<unsigned>(2 + i));
          world.AddPartition("old" + std::to_string(i), month, i % 2 == 0);
          ASSERT_TRUE(world.Insert(month.from.at + days(2), 10));
          total += 10;
        }
        world.Settle();
        ASSERT_EQ(world.Visible(), 0);
        for (int i = 0; i < 3; ++i) {
          if (((late >> i) & 1) == 0) continue;
          ASSERT_TRUE(world.Insert(MonthOf(2026, static_cast<unsigned>(2 + i)).from.at + days(5), 600));
          total += 600;
        }
        const std::string what = "there " + std::to_string(there) + ", late " + std::to_string(late);
        // Late rows before the oldest detached partition have no way back.
        ASSERT_LE(world.Settle(), 1) << what;
        total -= world.removed();
        world.SetNow(kNow + hours(5));
        world.policy().retention->keep = {1, Unit::kYear};
        ASSERT_NO_FATAL_FAILURE(SettleFromEveryMoment(&world, what));
        EXPECT_EQ(world.Visible(), total) << what;
        EXPECT_TRUE(world.table().detached.empty()) << what;
        // And they go again, with all their rows, when it narrows.
        world.policy().retention->keep = {6, Unit::kMonth};
        ASSERT_NO_FATAL_FAILURE(SettleFromEveryMoment(&world, what + ", narrowed"));
        EXPECT_EQ(world.Visible(), 0) << what;
        world.SetNow(kNow + hours(30));
        ASSERT_NO_FATAL_FAILURE(SettleFromEveryMoment(&world, what + ", dropped"));
        EXPECT_EQ(world.Total(), 0) << what;
      }
    }
  }
}

}  // namespace
}  // namespace partition_controller
