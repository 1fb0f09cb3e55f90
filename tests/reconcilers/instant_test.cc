#include "reconcilers/instant.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <locale>
#include <string>

#include "reconcilers/civil.h"

namespace partition_controller {
namespace {

using std::chrono::days;
using std::chrono::microseconds;

TEST(InstantTest, PrintsRfc3339) {
  EXPECT_EQ(ToString(Instant{}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(ToString(Instant(std::chrono::seconds(1'793'491'200))), "2026-11-01T00:00:00Z");
  EXPECT_EQ(ToString(Instant(microseconds(1))), "1970-01-01T00:00:00.000001Z");
  EXPECT_EQ(ToString(Instant(microseconds(500'000))), "1970-01-01T00:00:00.5Z");
  EXPECT_EQ(ToString(Instant(microseconds(-1))), "1969-12-31T23:59:59.999999Z");
}

TEST(InstantTest, PrintsYearsThatRfc3339Lacks) {
  EXPECT_EQ(ToString(*FromCivil({12'026, 11, 1, microseconds(0)})), "+12026-11-01T00:00:00Z");
  EXPECT_EQ(ToString(*FromCivil({0, 3, 15, microseconds(0)})), "0000-03-15T00:00:00Z");
  EXPECT_EQ(ToString(*FromCivil({-43, 3, 15, microseconds(0)})), "-0043-03-15T00:00:00Z");
}

TEST(InstantTest, ReadsRfc3339) {
  const auto noon = FromCivil({2026, 11, 1, std::chrono::hours(12)});
  for (const char* text : {"2026-11-01T12:00:00Z", "2026-11-01t12:00:00z", "2026-11-01T14:00:00+02:00",
                           "2026-11-01T06:30:00-05:30", "2026-11-02T11:59:00+23:59",
                           "2026-11-01T12:00:00.000000Z", "2026-11-01T12:00:00-00:00"}) {
    EXPECT_EQ(ParseInstant(text), noon) << text;
  }
  EXPECT_EQ(ParseInstant("2026-11-01T12:00:00.25Z"), *noon + microseconds(250'000));
}

TEST(InstantTest, RefusesAnythingElse) {
  for (const char* text : {"",
                           "now",
                           "2026-11-01",
                           "2026-11-01T12:00:00",
                           "2026-11-01 12:00:00Z",
                           "2026-11-01T12:00Z",
                           "2026-11-01T24:00:00Z",
                           "2026-11-01T12:60:00Z",
                           "2026-11-01T12:00:60Z",
                           "2026-11-01T12:00:00.Z",
                           "2026-11-01T12:00:00.1234567Z",
                           "2026-11-01T12:00:00+2:00",
                           "2026-11-01T12:00:00+0200",
                           "2026-11-01T12:00:00+24:00",
                           "2026-11-01T12:00:00+02:60",
                           "2026-11-01T12:00:00Z ",
                           " 2026-11-01T12:00:00Z",
                           "2026-11-01T12:00:00ZZ",
                           "2026-02-29T00:00:00Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-11-31T00:00:00Z",
                           "2026-11-00T00:00:00Z",
                           "26-11-01T00:00:00Z",
                           "12026-11-01T00:00:00Z",
                           "+2026-11-01T00:00:00Z",
                           "+02026-11-01T00:00:00Z",
                           "-0000-11-01T00:00:00Z",
                           "--0044-11-01T00:00:00Z",
                           "+-0044-11-01T00:00:00Z",
                           "+294247-01-10T04:00:55Z",
                           "+999999-01-01T00:00:00Z",
                           "-999999-01-01T00:00:00Z",
                           "+1000000-01-01T00:00:00Z",
                           "+294247-01-10T04:00:54.775807-00:01",
                           "99999999999999999999-01-01T00:00:00Z"}) {
    EXPECT_EQ(ParseInstant(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseInstant(std::string_view("2026-11-01T12:00:00Z\0", 21)), std::nullopt);
}

TEST(InstantTest, WhatIsPrintedReadsBack) {
  for (const Instant instant :
       {Instant::min(), Instant::min() + microseconds(1), Instant::max(), Instant{}}) {
    EXPECT_EQ(ParseInstant(ToString(instant)), instant) << ToString(instant);
  }
  // A step without a common factor with a day meets every time of day.
  for (std::int64_t count = -9'000'000'000'000'000'000; count < 9'000'000'000'000'000'000;
       count += 1'234'567'890'123'457) {
    const Instant instant{microseconds(count)};
    ASSERT_EQ(ParseInstant(ToString(instant)), instant) << ToString(instant);
  }
}

struct Grouping : std::numpunct<char> {
  char do_thousands_sep() const override { return '.'; }
  char do_decimal_point() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(InstantTest, DoesNotDependOnTheLocale) {
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouping));
  const std::string text = ToString(Instant(microseconds(500'000)));
  const auto instant = ParseInstant("2026-11-01T12:00:00.25Z");
  std::locale::global(before);
  EXPECT_EQ(text, "1970-01-01T00:00:00.5Z");
  EXPECT_TRUE(instant.has_value());
}

TEST(CivilTest, AgreesWithChronoOnEveryDayOfFourCenturies) {
  for (auto day = std::chrono::sys_days(std::chrono::year(1800) / 1 / 1);
       day < std::chrono::sys_days(std::chrono::year(2200) / 1 / 1); day += days(1)) {
    const std::chrono::year_month_day date(day);
    const CivilTime civil = ToCivil(day);
    ASSERT_EQ(civil.year, static_cast<int>(date.year()));
    ASSERT_EQ(civil.month, static_cast<unsigned>(date.month()));
    ASSERT_EQ(civil.day, static_cast<unsigned>(date.day()));
    ASSERT_EQ(FromCivil(civil), Instant(day));
  }
}

TEST(CivilTest, KnowsLeapYears) {
  EXPECT_EQ(DaysInMonth(2024, 2), 29U);
  EXPECT_EQ(DaysInMonth(2026, 2), 28U);
  EXPECT_EQ(DaysInMonth(2100, 2), 28U);
  EXPECT_EQ(DaysInMonth(2000, 2), 29U);
  EXPECT_EQ(DaysInMonth(0, 2), 29U);   // 1 BC
  EXPECT_EQ(DaysInMonth(-4, 2), 29U);  // 5 BC
  EXPECT_EQ(DaysInMonth(200'000, 2), 29U);
  EXPECT_EQ(DaysInMonth(2026, 12), 31U);
}

TEST(CivilTest, RefusesWhatIsNoDateOrDoesNotFit) {
  EXPECT_FALSE(FromCivil({2026, 2, 29, microseconds(0)}));
  EXPECT_FALSE(FromCivil({2026, 0, 1, microseconds(0)}));
  EXPECT_FALSE(FromCivil({2026, 13, 1, microseconds(0)}));
  EXPECT_FALSE(FromCivil({2026, 1, 0, microseconds(0)}));
  EXPECT_FALSE(FromCivil({2026, 1, 1, days(1)}));
  EXPECT_FALSE(FromCivil({2026, 1, 1, microseconds(-1)}));
  EXPECT_FALSE(FromCivil({294'248, 1, 1, microseconds(0)}));
  EXPECT_FALSE(FromCivil({-290'309, 1, 1, microseconds(0)}));
  EXPECT_FALSE(FromCivil({INT64_MAX, 1, 1, microseconds(0)}));
  EXPECT_FALSE(FromCivil({INT64_MIN, 1, 1, microseconds(0)}));
}

TEST(CivilTest, MovingHoldsAtTheEnds) {
  EXPECT_EQ(Moved(Instant::max(), microseconds(1)), std::nullopt);
  EXPECT_EQ(Moved(Instant::min(), microseconds(-1)), std::nullopt);
  EXPECT_EQ(Shift(Instant::max(), days(1)), Instant::max());
  EXPECT_EQ(Shift(Instant::min(), -days(1)), Instant::min());
  EXPECT_EQ(Shift(Instant::max(), -days(1)), Instant::max() - days(1));
}

}  // namespace
}  // namespace partition_controller
