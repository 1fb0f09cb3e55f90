#include "crd/duration.h"

#include <gtest/gtest.h>

namespace partition_controller {
namespace {

using std::chrono::milliseconds;
using Unit = CalendarDuration::Unit;

TEST(CalendarDuration, ReadsEveryUnit) {
  EXPECT_EQ(ParseCalendarDuration("36h"), (CalendarDuration{36, Unit::kHour}));
  EXPECT_EQ(ParseCalendarDuration("90d"), (CalendarDuration{90, Unit::kDay}));
  EXPECT_EQ(ParseCalendarDuration("2w"), (CalendarDuration{2, Unit::kWeek}));
  EXPECT_EQ(ParseCalendarDuration("3mo"), (CalendarDuration{3, Unit::kMonth}));
  EXPECT_EQ(ParseCalendarDuration("99999y"), (CalendarDuration{99'999, Unit::kYear}));
  EXPECT_EQ(ParseCalendarDuration("0h"), (CalendarDuration{0, Unit::kHour}));
}

TEST(CalendarDuration, RefusesOtherText) {
  for (const char* text : {"", "d", "90", "90 d", " 90d", "90d ", "-1d", "+1d", "1.5d", "1m", "1M", "1D",
                           "1s", "90days", "1y6mo", "100000d", "99999999999999999999d", "0x1d"}) {
    EXPECT_EQ(ParseCalendarDuration(text), std::nullopt) << text;
  }
}

TEST(CalendarDuration, RoundTrips) {
  for (const char* text : {"0h", "24h", "90d", "12w", "3mo", "2y"}) {
    EXPECT_EQ(ToString(ParseCalendarDuration(text).value()), text);
  }
}

TEST(ClockDuration, ReadsEveryUnit) {
  EXPECT_EQ(ParseClockDuration("250ms"), milliseconds(250));
  EXPECT_EQ(ParseClockDuration("2s"), milliseconds(2'000));
  EXPECT_EQ(ParseClockDuration("10m"), milliseconds(600'000));
  EXPECT_EQ(ParseClockDuration("24h"), milliseconds(86'400'000));
  EXPECT_EQ(ParseClockDuration("0s"), milliseconds(0));
}

TEST(ClockDuration, RefusesOtherText) {
  for (const char* text : {"", "s", "2", "2 s", "-2s", "1h30m", "1.5h", "1d", "2S", "9223372036854775807h",
                           "99999999999999999999ms"}) {
    EXPECT_EQ(ParseClockDuration(text), std::nullopt) << text;
  }
}

TEST(ClockDuration, PrintsTheShortestText) {
  EXPECT_EQ(ToString(milliseconds(0)), "0s");
  EXPECT_EQ(ToString(milliseconds(250)), "250ms");
  EXPECT_EQ(ToString(milliseconds(2'000)), "2s");
  EXPECT_EQ(ToString(milliseconds(60'000)), "1m");
  EXPECT_EQ(ToString(milliseconds(90'000)), "90s");
  EXPECT_EQ(ToString(milliseconds(86'400'000)), "24h");
}

TEST(ClockDuration, RoundTripsItsLimits) {
  for (const milliseconds value :
       {milliseconds(1), milliseconds(999), milliseconds(3'599'999), milliseconds::max()}) {
    EXPECT_EQ(ParseClockDuration(ToString(value)), value);
  }
}

}  // namespace
}  // namespace partition_controller
