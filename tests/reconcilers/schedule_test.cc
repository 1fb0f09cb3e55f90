#include <gtest/gtest.h>

#include <chrono>

#include "reconcilers/planning.h"

namespace partition_controller {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using namespace std::chrono_literals;

Instant At(const char* text) { return ParseInstant(text).value(); }

Schedule Open(std::vector<int> days, minutes start, hours duration, const std::string& zone = "UTC") {
  Schedule schedule;
  schedule.windows = {{std::move(days), start, duration, zone}};
  return schedule;
}

// "open", or when it opens next.
std::string Next(const Schedule& schedule, const char* at) {
  const std::optional<Instant> next = NextOpening(schedule, At(at));
  return next ? ToString(*next) : "open";
}

TEST(Schedule, WithoutWindowsItIsAlwaysOpen) { EXPECT_EQ(Next({}, "2026-11-22T20:31:00Z"), "open"); }

TEST(Schedule, EndsAreHalfOpen) {
  const Schedule nightly = Open({}, 2h, 2h);
  EXPECT_EQ(Next(nightly, "2026-11-22T01:59:59Z"), "2026-11-22T02:00:00Z");
  EXPECT_EQ(Next(nightly, "2026-11-22T02:00:00Z"), "open");
  EXPECT_EQ(Next(nightly, "2026-11-22T03:59:59.999999Z"), "open");
  EXPECT_EQ(Next(nightly, "2026-11-22T04:00:00Z"), "2026-11-23T02:00:00Z");
}

// 2026-11-22 is a Sunday.
TEST(Schedule, OverMidnightBelongsToTheDayItBegan) {
  const Schedule saturday = Open({6}, 23h, 3h);
  EXPECT_EQ(Next(saturday, "2026-11-21T22:59:00Z"), "2026-11-21T23:00:00Z");
  EXPECT_EQ(Next(saturday, "2026-11-22T01:59:00Z"), "open");
  EXPECT_EQ(Next(saturday, "2026-11-22T02:00:00Z"), "2026-11-28T23:00:00Z");
  EXPECT_EQ(Next(saturday, "2026-11-22T23:30:00Z"), "2026-11-28T23:00:00Z");
}

TEST(Schedule, AllDay) {
  const Schedule sunday = Open({7}, 0h, 24h);
  EXPECT_EQ(Next(sunday, "2026-11-21T23:59:59Z"), "2026-11-22T00:00:00Z");
  EXPECT_EQ(Next(sunday, "2026-11-22T23:59:59Z"), "open");
  EXPECT_EQ(Next(sunday, "2026-11-23T00:00:00Z"), "2026-11-29T00:00:00Z");
}

TEST(Schedule, DaysAreLocal) {
  const Schedule monday = Open({1}, 0h, 2h, "Asia/Kolkata");
  EXPECT_EQ(Next(monday, "2026-11-22T18:29:00Z"), "2026-11-22T18:30:00Z");
  EXPECT_EQ(Next(monday, "2026-11-22T19:00:00Z"), "open");
  EXPECT_EQ(Next(monday, "2026-11-22T20:30:00Z"), "2026-11-29T18:30:00Z");
}

// 2026-03-08 in New York: 02:00 does not exist.
TEST(Schedule, ASkippedStartOpensAtTheLeap) {
  const Schedule nightly = Open({}, 2h + 30min, 1h, "America/New_York");
  EXPECT_EQ(Next(nightly, "2026-03-08T06:59:00Z"), "2026-03-08T07:30:00Z");  // 03:30 EDT
  EXPECT_EQ(Next(nightly, "2026-03-08T07:45:00Z"), "open");
  EXPECT_EQ(Next(nightly, "2026-03-08T08:30:00Z"), "2026-03-09T06:30:00Z");
}

// 2026-11-01 in New York: 01:30 comes twice, and the window opens once.
TEST(Schedule, ARepeatedStartOpensOnce) {
  const Schedule nightly = Open({}, 1h + 30min, 1h, "America/New_York");
  EXPECT_EQ(Next(nightly, "2026-11-01T05:31:00Z"), "2026-11-01T06:30:00Z");
  EXPECT_EQ(Next(nightly, "2026-11-01T07:29:00Z"), "open");
  EXPECT_EQ(Next(nightly, "2026-11-01T07:30:00Z"), "2026-11-02T06:30:00Z");
}

// The duration is time that passes, whatever clocks do meanwhile.
TEST(Schedule, LengthDoesNotChangeWithTheClocks) {
  const Schedule nightly = Open({}, 0h, 4h, "America/New_York");
  EXPECT_EQ(Next(nightly, "2026-03-08T08:59:00Z"), "open");
  EXPECT_EQ(Next(nightly, "2026-03-08T09:00:00Z"), "2026-03-09T04:00:00Z");
}

TEST(Schedule, TheEarliestOfSeveralWindows) {
  Schedule schedule = Open({3}, 2h, 1h);
  schedule.windows.push_back({{2}, 22h, 1h, "UTC"});
  EXPECT_EQ(Next(schedule, "2026-11-22T20:31:00Z"), "2026-11-24T22:00:00Z");
  EXPECT_EQ(Next(schedule, "2026-11-24T23:00:00Z"), "2026-11-25T02:00:00Z");
  EXPECT_EQ(Next(schedule, "2026-11-25T02:30:00Z"), "open");
}

}  // namespace
}  // namespace partition_controller
