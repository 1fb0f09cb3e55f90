#include "reconcilers/calendar.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

namespace partition_controller {
namespace {

using std::chrono::microseconds;
using Unit = CalendarDuration::Unit;

constexpr microseconds kTick{1};

Instant At(const char* text) { return ParseInstant(text).value(); }

class TilingTest : public testing::TestWithParam<std::tuple<Granularity, const char*>> {};

TEST_P(TilingTest, EveryPeriodFrom2020To2045) {
  const Calendar calendar{std::get<0>(GetParam()), std::get<1>(GetParam())};
  const Instant end = At("2046-01-01T00:00:00Z");
  Instant start = PeriodStart(At("2020-01-01T00:00:00Z"), calendar);
  ASSERT_LE(start, At("2020-01-01T00:00:00Z"));
  while (start < end) {
    const Instant next = NextPeriod(start, calendar);
    ASSERT_LT(start, next) << ToString(start);
    ASSERT_EQ(PeriodStart(start, calendar), start) << ToString(start);
    ASSERT_EQ(PeriodStart(next - kTick, calendar), start) << ToString(start);
    ASSERT_EQ(PreviousPeriod(next, calendar), start) << ToString(start);
    start = next;
  }
}

std::string CalendarName(const testing::TestParamInfo<TilingTest::ParamType>& info) {
  static const char* const kNames[] = {"Hour", "Day", "Week", "Month", "Quarter", "Year"};
  std::string name = kNames[static_cast<int>(std::get<0>(info.param))] + std::string(std::get<1>(info.param));
  std::erase_if(name, [](char c) { return c == '/' || c == '_'; });
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Calendars, TilingTest,
    testing::Combine(testing::Values(Granularity::kHour, Granularity::kDay, Granularity::kWeek,
                                     Granularity::kMonth, Granularity::kQuarter, Granularity::kYear),
                     testing::Values("UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
                                     "Africa/Casablanca", "America/Havana", "Pacific/Apia")),
    CalendarName);

// Years with the transitions that break calendars: whole days skipped (Apia,
// Kwajalein, Kiritimati, Manila), midnights skipped or repeated, offsets with
// seconds.
TEST(CalendarTest, PeriodsTileWhereTheClocksAreStrange) {
  const std::vector<std::tuple<const char*, const char*, const char*>> cases = {
      {"Pacific/Apia", "2011-06-01T00:00:00Z", "2012-06-01T00:00:00Z"},
      {"Pacific/Kwajalein", "1993-06-01T00:00:00Z", "1994-06-01T00:00:00Z"},
      {"Pacific/Kiritimati", "1994-06-01T00:00:00Z", "1995-06-01T00:00:00Z"},
      {"Asia/Manila", "1844-06-01T00:00:00Z", "1845-06-01T00:00:00Z"},
      {"America/Juneau", "1867-06-01T00:00:00Z", "1868-06-01T00:00:00Z"},
      {"America/Havana", "2000-01-01T00:00:00Z", "2007-01-01T00:00:00Z"},
      {"America/Sao_Paulo", "2015-01-01T00:00:00Z", "2020-01-01T00:00:00Z"},
      {"Africa/Cairo", "2009-01-01T00:00:00Z", "2016-01-01T00:00:00Z"},
      {"Asia/Beirut", "2019-01-01T00:00:00Z", "2025-01-01T00:00:00Z"},
      {"Asia/Gaza", "2007-01-01T00:00:00Z", "2017-01-01T00:00:00Z"},
      {"Antarctica/Troll", "2004-01-01T00:00:00Z", "2010-01-01T00:00:00Z"},
      {"Africa/Monrovia", "1971-01-01T00:00:00Z", "1973-01-01T00:00:00Z"}};
  for (const auto& [zone, from, to] : cases) {
    for (const Granularity granularity : {Granularity::kDay, Granularity::kWeek, Granularity::kMonth,
                                          Granularity::kQuarter, Granularity::kYear}) {
      const Calendar calendar{granularity, zone};
      Instant start = PeriodStart(At(from), calendar);
      while (start < At(to)) {
        const Instant next = NextPeriod(start, calendar);
        ASSERT_LT(start, next) << zone << " " << ToString(start);
        // Where the clocks change also in the middle.
        const bool uneven = granularity == Granularity::kDay && next - start != std::chrono::days(1);
        for (Instant at = start; uneven && at < next; at += std::chrono::minutes(15)) {
          ASSERT_EQ(PeriodStart(at, calendar), start) << zone << " " << ToString(at);
          ASSERT_EQ(NextPeriod(at, calendar), next) << zone << " " << ToString(at);
        }
        ASSERT_EQ(NextPeriod(next - kTick, calendar), next) << zone << " " << ToString(start);
        ASSERT_EQ(PeriodStart(next - kTick, calendar), start) << zone << " " << ToString(start);
        ASSERT_EQ(PreviousPeriod(next, calendar), start) << zone << " " << ToString(start);
        start = next;
      }
    }
  }
}

TEST(CalendarTest, PeriodsBeginAtLocalMidnight) {
  const Instant now = At("2026-11-22T20:00:00Z");
  const std::string zone = "America/New_York";
  EXPECT_EQ(PeriodStart(now, {Granularity::kHour, zone}), At("2026-11-22T20:00:00Z"));
  EXPECT_EQ(PeriodStart(now, {Granularity::kDay, zone}), At("2026-11-22T05:00:00Z"));
  EXPECT_EQ(PeriodStart(now, {Granularity::kWeek, zone}), At("2026-11-16T05:00:00Z"));
  EXPECT_EQ(PeriodStart(now, {Granularity::kMonth, zone}), At("2026-11-01T04:00:00Z"));  // daylight saving
  EXPECT_EQ(PeriodStart(now, {Granularity::kQuarter, zone}), At("2026-10-01T04:00:00Z"));
  EXPECT_EQ(PeriodStart(now, {Granularity::kYear, zone}), At("2026-01-01T05:00:00Z"));
  EXPECT_EQ(NextPeriod(At("2026-10-01T04:00:00Z"), {Granularity::kQuarter, zone}),
            At("2027-01-01T05:00:00Z"));
}

TEST(CalendarTest, HoursAreAlignedToUtcInEveryZone) {
  EXPECT_EQ(PeriodStart(At("2026-11-22T20:10:00Z"), {Granularity::kHour, "Asia/Kolkata"}),
            At("2026-11-22T20:00:00Z"));
  EXPECT_EQ(PeriodStart(At("1969-12-31T23:59:59.999999Z"), {Granularity::kHour, "UTC"}),
            At("1969-12-31T23:00:00Z"));
}

TEST(CalendarTest, WeeksBeginOnMonday) {
  const Calendar weeks{Granularity::kWeek, "UTC"};
  EXPECT_EQ(PeriodStart(At("2026-11-22T23:59:59Z"), weeks), At("2026-11-16T00:00:00Z"));
  EXPECT_EQ(PeriodStart(At("2026-11-23T00:00:00Z"), weeks), At("2026-11-23T00:00:00Z"));
  EXPECT_EQ(PeriodStart(At("1969-12-28T00:00:00Z"), weeks), At("1969-12-22T00:00:00Z"));
}

TEST(CalendarTest, DayBeginsAtOneWhereMidnightIsSkipped) {
  const Calendar days{Granularity::kDay, "America/Sao_Paulo"};  // 2018-11-04, 00:00 to 01:00
  EXPECT_EQ(NextPeriod(At("2018-11-03T03:00:00Z"), days), At("2018-11-04T03:00:00Z"));
  EXPECT_EQ(NextPeriod(At("2018-11-04T03:00:00Z"), days), At("2018-11-05T02:00:00Z"));
}

TEST(CalendarTest, DayBeginsAtTheSecondMidnightWhereItIsRepeated) {
  const Calendar days{Granularity::kDay, "America/Havana"};  // 2024-11-03, 01:00 back to 00:00
  EXPECT_EQ(PeriodStart(At("2024-11-03T04:30:00Z"), days), At("2024-11-02T04:00:00Z"));
  EXPECT_EQ(PeriodStart(At("2024-11-03T05:00:00Z"), days), At("2024-11-03T05:00:00Z"));
}

TEST(CalendarTest, ADayThatNeverWasHasNoPeriod) {
  const Calendar days{Granularity::kDay, "Pacific/Apia"};
  EXPECT_EQ(NextPeriod(At("2011-12-29T10:00:00Z"), days), At("2011-12-30T10:00:00Z"));
  EXPECT_EQ(NextPeriod(At("2011-12-30T10:00:00Z"), days), At("2011-12-31T10:00:00Z"));
  EXPECT_EQ(PreviousPeriod(At("2011-12-30T10:00:00Z"), days), At("2011-12-29T10:00:00Z"));
}

TEST(CalendarTest, EndsOfTheAxisNeitherLoopNorOverflow) {
  for (const char* zone : {"UTC", "America/New_York", "Asia/Kolkata"}) {
    for (const Granularity granularity : {Granularity::kHour, Granularity::kDay, Granularity::kWeek,
                                          Granularity::kMonth, Granularity::kQuarter, Granularity::kYear}) {
      const Calendar calendar{granularity, zone};
      for (const microseconds inward : {kTick * 0, kTick, microseconds(std::chrono::hours(30))}) {
        EXPECT_LE(PeriodStart(Instant::min() + inward, calendar), Instant::min() + inward);
        EXPECT_GT(NextPeriod(Instant::min() + inward, calendar), Instant::min() + inward);
        EXPECT_LE(PeriodStart(Instant::max() - inward, calendar), Instant::max() - inward);
        EXPECT_GE(NextPeriod(Instant::max() - inward, calendar), Instant::max() - inward);
        EXPECT_LE(PreviousPeriod(Instant::min() + inward, calendar), Instant::min() + inward);
      }
    }
  }
}

TEST(CutTest, PiecesTileTheRangeAndEndAtPeriods) {
  const Calendar months{Granularity::kMonth, "UTC"};
  EXPECT_EQ(Cut(Range::Between(At("2026-11-10T00:00:00Z"), At("2027-01-05T00:00:00Z")), months),
            (std::vector<Range>{Range::Between(At("2026-11-10T00:00:00Z"), At("2026-12-01T00:00:00Z")),
                                Range::Between(At("2026-12-01T00:00:00Z"), At("2027-01-01T00:00:00Z")),
                                Range::Between(At("2027-01-01T00:00:00Z"), At("2027-01-05T00:00:00Z"))}));
  const Range month = Range::Between(At("2026-11-01T00:00:00Z"), At("2026-12-01T00:00:00Z"));
  EXPECT_EQ(Cut(month, months), std::vector<Range>{month});
  EXPECT_TRUE(Cut(Range::Between(month.from.at, month.from.at), months).empty());
  EXPECT_TRUE(Cut(Range::Between(month.to.at, month.from.at), months).empty());
}

TEST(CutTest, EndsAtTheEndOfTheAxis) {
  const Range last = Range::Between(Instant::max() - std::chrono::hours(50), Instant::max());
  for (const char* zone : {"UTC", "America/New_York", "Asia/Kolkata"}) {
    const std::vector<Range> pieces = Cut(last, {Granularity::kDay, zone});
    ASSERT_FALSE(pieces.empty());
    EXPECT_EQ(pieces.back().to, last.to);
  }
}

TEST(ArithmeticTest, MonthsClampToTheLastDay) {
  EXPECT_EQ(Subtract(At("2026-05-31T10:00:00Z"), {3, Unit::kMonth}, "UTC"), At("2026-02-28T10:00:00Z"));
  EXPECT_EQ(Subtract(At("2024-05-31T10:00:00Z"), {3, Unit::kMonth}, "UTC"), At("2024-02-29T10:00:00Z"));
  EXPECT_EQ(Subtract(At("2024-02-29T10:00:00Z"), {1, Unit::kYear}, "UTC"), At("2023-02-28T10:00:00Z"));
  EXPECT_EQ(Subtract(At("2026-01-15T10:00:00Z"), {14, Unit::kMonth}, "UTC"), At("2024-11-15T10:00:00Z"));
  EXPECT_EQ(Add(At("2026-01-31T10:00:00Z"), {1, Unit::kMonth}, "UTC"), At("2026-02-28T10:00:00Z"));
  EXPECT_EQ(Add(At("2026-11-30T10:00:00Z"), {2, Unit::kMonth}, "UTC"), At("2027-01-30T10:00:00Z"));
}

TEST(ArithmeticTest, DaysKeepTheTimeOfDayAndHoursDoNot) {
  const Instant noon = At("2026-11-02T17:00:00Z");  // 12:00 in New York, the day after the change
  EXPECT_EQ(Subtract(noon, {1, Unit::kWeek}, "America/New_York"), At("2026-10-26T16:00:00Z"));
  EXPECT_EQ(Subtract(noon, {2, Unit::kDay}, "America/New_York"), At("2026-10-31T16:00:00Z"));
  EXPECT_EQ(Subtract(noon, {48, Unit::kHour}, "America/New_York"), At("2026-10-31T17:00:00Z"));
  EXPECT_EQ(Add(At("2026-10-31T16:00:00Z"), {2, Unit::kDay}, "America/New_York"), noon);
}

TEST(ArithmeticTest, NothingIsTheSameInstantInARepeatedHour) {
  const Instant first_pass = At("2026-11-01T05:30:00Z");
  for (const Unit unit : {Unit::kHour, Unit::kDay, Unit::kWeek, Unit::kMonth, Unit::kYear}) {
    EXPECT_EQ(Subtract(first_pass, {0, unit}, "America/New_York"), first_pass);
  }
}

TEST(ArithmeticTest, HoldsAtTheEndsOfTheAxis) {
  for (const Unit unit : {Unit::kHour, Unit::kDay, Unit::kWeek, Unit::kMonth, Unit::kYear}) {
    EXPECT_LE(Subtract(Instant::min(), {99'999, unit}, "Asia/Kolkata"),
              Instant::min() + std::chrono::days(1));
    EXPECT_GE(Add(Instant::max(), {99'999, unit}, "America/New_York"), Instant::max() - std::chrono::days(1));
  }
  EXPECT_EQ(Subtract(At("2026-01-01T00:00:00Z"), {99'999, Unit::kYear}, "UTC"), At("-97973-01-01T00:00:00Z"));
}

TEST(KeyTimeTest, OnlyKeysWithoutAZoneAreWallTime) {
  Partitioning partitioning;
  partitioning.granularity = Granularity::kDay;
  partitioning.time_zone = "America/New_York";
  const Instant now = At("2026-07-01T02:00:00Z");
  const Instant wall = At("2026-06-30T22:00:00Z");
  EXPECT_EQ(ToKeyTime(now, partitioning, KeyType::kTimestampTz), now);
  EXPECT_EQ(FromKeyTime(now, partitioning, KeyType::kTimestampTz), now);
  EXPECT_EQ(CalendarFor(partitioning, KeyType::kTimestampTz).zone, "America/New_York");
  for (const KeyType key : {KeyType::kTimestamp, KeyType::kDate}) {
    EXPECT_EQ(ToKeyTime(now, partitioning, key), wall);
    EXPECT_EQ(FromKeyTime(wall, partitioning, key), now);
    const Calendar calendar = CalendarFor(partitioning, key);
    EXPECT_EQ(calendar.zone, "UTC");
    EXPECT_EQ(PeriodStart(ToKeyTime(now, partitioning, key), calendar), At("2026-06-30T00:00:00Z"));
  }
}

}  // namespace
}  // namespace partition_controller
