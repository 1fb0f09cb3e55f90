#include "reconcilers/zone.h"

#include <gtest/gtest.h>

namespace partition_controller {
namespace {

Instant At(const char* text) { return ParseInstant(text).value(); }

TEST(KnownZoneTest, KnowsIanaNames) {
  for (const char* name :
       {"UTC", "Etc/UTC", "GMT", "Etc/GMT+5", "Etc/GMT-14", "America/New_York", "Asia/Kolkata",
        "America/Argentina/ComodRivadavia", "America/Port-au-Prince", "EST5EDT"}) {
    EXPECT_TRUE(KnownZone(name)) << name;
  }
}

TEST(KnownZoneTest, RefusesWhatIsNotOne) {
  for (const char* name : {"",
                           " ",
                           "Mars/Olympus",
                           "America",
                           "America/",
                           "America//New_York",
                           "/America/New_York",
                           "/usr/share/zoneinfo/America/New_York",
                           "/etc/passwd",
                           "file:/usr/share/zoneinfo/America/New_York",
                           "file:America/New_York",
                           "../zoneinfo/America/New_York",
                           "America/../America/New_York",
                           "./America/New_York",
                           ":America/New_York",
                           "America/New_York ",
                           "America/New York",
                           "America/New_York\n",
                           "localtime",
                           "Factory",
                           "posixrules",
                           "posix/America/New_York",
                           "right/America/New_York",
                           "UTC0",
                           "Fixed/UTC+05:00:00",
                           "leapseconds",
                           "zone.tab",
                           "tzdata.zi",
                           "+05:00",
                           "Z",
                           "Европа/Москва"}) {
    EXPECT_FALSE(KnownZone(name)) << name;
  }
  EXPECT_FALSE(KnownZone(std::string_view("UTC\0", 4)));
  EXPECT_FALSE(KnownZone(std::string_view("UTC\0x", 5)));
  EXPECT_FALSE(KnownZone(std::string(100'000, 'A')));
}

TEST(ZoneTest, ConvertsBothWays) {
  EXPECT_EQ(ToWallTime(At("2026-07-01T12:00:00Z"), "America/New_York"), At("2026-07-01T08:00:00Z"));
  EXPECT_EQ(ToWallTime(At("2026-01-01T12:00:00.5Z"), "America/New_York"), At("2026-01-01T07:00:00.5Z"));
  EXPECT_EQ(FromWallTime(At("2026-07-01T08:00:00.000001Z"), "America/New_York"),
            At("2026-07-01T12:00:00.000001Z"));
  EXPECT_EQ(FromWallTime(At("1969-12-31T23:59:59.999999Z"), "UTC"), At("1969-12-31T23:59:59.999999Z"));
  EXPECT_EQ(ToWallTime(At("1969-12-31T23:59:59.999999Z"), "Asia/Kolkata"), At("1970-01-01T05:29:59.999999Z"));
}

TEST(ZoneTest, SkippedWallTimeIsReadWithTheOffsetBefore) {
  EXPECT_EQ(FromWallTime(At("2026-03-08T02:00:00Z"), "America/New_York"), At("2026-03-08T07:00:00Z"));
  EXPECT_EQ(FromWallTime(At("2026-03-08T02:30:00Z"), "America/New_York"), At("2026-03-08T07:30:00Z"));
  EXPECT_EQ(FromWallTime(At("2026-03-08T03:00:00Z"), "America/New_York"), At("2026-03-08T07:00:00Z"));
}

TEST(ZoneTest, RepeatedWallTimeIsReadWithTheOffsetAfter) {
  EXPECT_EQ(FromWallTime(At("2026-11-01T00:59:59Z"), "America/New_York"), At("2026-11-01T04:59:59Z"));
  EXPECT_EQ(FromWallTime(At("2026-11-01T01:00:00Z"), "America/New_York"), At("2026-11-01T06:00:00Z"));
  EXPECT_EQ(FromWallTime(At("2026-11-01T01:30:00Z"), "America/New_York"), At("2026-11-01T06:30:00Z"));
  EXPECT_EQ(FromWallTime(At("2026-11-01T02:00:00Z"), "America/New_York"), At("2026-11-01T07:00:00Z"));
}

TEST(ZoneTest, DaylightSavingGoesOnAfterTheLastListedTransition) {
  EXPECT_EQ(FromWallTime(At("2040-07-01T00:00:00Z"), "America/New_York"), At("2040-07-01T04:00:00Z"));
  EXPECT_EQ(FromWallTime(At("2500-07-01T00:00:00Z"), "America/New_York"), At("2500-07-01T04:00:00Z"));
  EXPECT_EQ(ToWallTime(At("9999-01-01T12:00:00Z"), "America/New_York"), At("9999-01-01T07:00:00Z"));
}

TEST(ZoneTest, HoldsAtTheEndsOfTheAxis) {
  for (const char* zone : {"UTC", "America/New_York", "Asia/Kolkata"}) {
    for (const Instant end : {Instant::min(), Instant::max()}) {
      const auto day = std::chrono::days(1);
      EXPECT_GE(ToWallTime(end, zone), end == Instant::min() ? end : end - day);
      EXPECT_LE(ToWallTime(end, zone), end == Instant::max() ? end : end + day);
      EXPECT_GE(FromWallTime(end, zone), end == Instant::min() ? end : end - day);
      EXPECT_LE(FromWallTime(end, zone), end == Instant::max() ? end : end + day);
    }
  }
}

TEST(ZoneDeathTest, UnknownZoneIsABrokenInvariant) {
  EXPECT_DEATH(ToWallTime(Instant{}, "Mars/Olympus"), "KnownZone");
}

}  // namespace
}  // namespace partition_controller
