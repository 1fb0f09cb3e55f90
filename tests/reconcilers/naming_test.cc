#include "reconcilers/naming.h"

#include <gtest/gtest.h>

namespace partition_controller {
namespace {

Instant At(const char* text) { return ParseInstant(text).value(); }
Range Between(const char* from, const char* to) { return Range::Between(At(from), At(to)); }

std::string Name(const Range& range, Granularity granularity, const std::string& zone = "UTC") {
  return PartitionName("t", range, {granularity, zone}, {});
}

std::string NameOfPeriod(const char* start, Granularity granularity, const std::string& zone = "UTC") {
  return Name(Range::Between(At(start), NextPeriod(At(start), {granularity, zone})), granularity, zone);
}

TEST(PartitionNameTest, WholePeriods) {
  EXPECT_EQ(NameOfPeriod("2026-11-22T13:00:00Z", Granularity::kHour), "t_p2026112213");
  EXPECT_EQ(NameOfPeriod("2026-11-22T00:00:00Z", Granularity::kDay), "t_p20261122");
  EXPECT_EQ(NameOfPeriod("2026-11-16T00:00:00Z", Granularity::kWeek), "t_p2026w47");
  EXPECT_EQ(NameOfPeriod("2026-11-01T00:00:00Z", Granularity::kMonth), "t_p202611");
  EXPECT_EQ(NameOfPeriod("2026-10-01T00:00:00Z", Granularity::kQuarter), "t_p2026q4");
  EXPECT_EQ(NameOfPeriod("2026-01-01T00:00:00Z", Granularity::kYear), "t_p2026");
}

TEST(PartitionNameTest, WeeksBelongToTheYearOfTheirThursday) {
  EXPECT_EQ(NameOfPeriod("2024-12-30T00:00:00Z", Granularity::kWeek), "t_p2025w01");
  EXPECT_EQ(NameOfPeriod("2026-12-28T00:00:00Z", Granularity::kWeek), "t_p2026w53");
  EXPECT_EQ(NameOfPeriod("2027-01-04T00:00:00Z", Granularity::kWeek), "t_p2027w01");
}

TEST(PartitionNameTest, DatesAreLocalAndHoursAreUtc) {
  EXPECT_EQ(NameOfPeriod("2026-10-31T18:30:00Z", Granularity::kMonth, "Asia/Kolkata"), "t_p202611");
  EXPECT_EQ(NameOfPeriod("2026-11-22T13:00:00Z", Granularity::kHour, "Asia/Kolkata"), "t_p2026112213");
  EXPECT_EQ(NameOfPeriod("2018-11-04T03:00:00Z", Granularity::kDay, "America/Sao_Paulo"), "t_p20181104");
}

TEST(PartitionNameTest, PartsAndSpans) {
  EXPECT_EQ(Name(Between("2026-12-01T00:00:00Z", "2026-12-07T00:00:00Z"), Granularity::kWeek),
            "t_p20261201_20261207");
  EXPECT_EQ(Name(Between("2026-11-01T00:00:00Z", "2027-01-01T00:00:00Z"), Granularity::kMonth),
            "t_p20261101_20270101");
  EXPECT_EQ(Name(Between("2026-12-01T00:00:00Z", "2026-12-07T13:30:00Z"), Granularity::kMonth),
            "t_p2026120100_2026120713");
  EXPECT_EQ(Name(Between("2026-12-01T00:00:00Z", "2026-12-01T02:00:00Z"), Granularity::kHour),
            "t_p2026120100_2026120102");
  EXPECT_EQ(
      Name(Between("2018-11-04T03:00:00Z", "2018-11-06T02:00:00Z"), Granularity::kDay, "America/Sao_Paulo"),
      "t_p20181104_20181106");
}

TEST(PartitionNameTest, OpenEndsAndFarYears) {
  const Bound bound = Bound::At(At("2026-12-01T00:00:00Z"));
  EXPECT_EQ(Name({Bound::MinValue(), bound}, Granularity::kMonth), "t_pmin_20261201");
  EXPECT_EQ(Name({{Bound::Kind::kMinusInfinity, {}}, bound}, Granularity::kMonth), "t_pmin_20261201");
  EXPECT_EQ(Name({bound, Bound::MaxValue()}, Granularity::kMonth), "t_p20261201_max");
  EXPECT_EQ(Name({Bound::MinValue(), Bound::MaxValue()}, Granularity::kMonth), "t_pmin_max");
  EXPECT_EQ(NameOfPeriod("+12026-11-01T00:00:00Z", Granularity::kMonth), "t_p1202611");
  EXPECT_EQ(NameOfPeriod("0000-11-01T00:00:00Z", Granularity::kMonth), "t_pbc000111");
  for (const Instant end : {Instant::min(), Instant::max()}) {
    for (const Granularity granularity : {Granularity::kHour, Granularity::kWeek, Granularity::kYear}) {
      const Calendar calendar{granularity, "Asia/Kolkata"};
      const Instant start = PeriodStart(end, calendar);
      EXPECT_LE(PartitionName("t", Range::Between(start, NextPeriod(start, calendar)), calendar, {}).size(),
                kMaxNameBytes);
    }
  }
}

TEST(PartitionNameTest, TakenNamesAreCountedOn) {
  const Range month = Between("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
  const Calendar months{Granularity::kMonth, "UTC"};
  EXPECT_EQ(PartitionName("t", month, months, {"t_p202611"}), "t_p202611_2");
  EXPECT_EQ(PartitionName("t", month, months, {"t_p202611", "t_p202611_2", "t_p202611_4"}), "t_p202611_3");
  EXPECT_EQ(DefaultName("t", {}), "t_default");
  EXPECT_EQ(DefaultName("t", {"t_default"}), "t_default_2");
}

TEST(PartitionNameTest, TakenLongNamesAreCountedOnToo) {
  const std::string table(63, 'x');
  std::set<std::string> taken;
  for (int i = 0; i < 120; ++i) {
    const std::string name = DefaultName(table, taken);
    EXPECT_LE(name.size(), kMaxNameBytes);
    EXPECT_TRUE(taken.insert(name).second) << name;
  }
}

TEST(FitNameTest, KeepsWhatFits) {
  EXPECT_EQ(FitName(std::string(55, 'x'), "_p202611"), std::string(55, 'x') + "_p202611");
  EXPECT_EQ(FitName("", "_default"), "_default");
}

TEST(FitNameTest, CutsAndHashesTheRest) {
  const std::string table(56, 'x');
  const std::string name = FitName(table, "_p202611");
  EXPECT_EQ(name.size(), kMaxNameBytes);
  // Written out: another hash would part the new names of a table from its old ones.
  EXPECT_EQ(name, std::string(46, 'x') + "_93264ea5_p202611");
  EXPECT_NE(FitName(table + "y", "_p202611"), FitName(table + "z", "_p202611"));
}

TEST(FitNameTest, CutsAtAUtf8Boundary) {
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::string table(shift, 'x');
    while (table.size() < 100) table += "\xF0\x9F\x90\x98";
    const std::string name = FitName(table, "_p202611");
    EXPECT_LE(name.size(), kMaxNameBytes);
    EXPECT_GT(name.size(), kMaxNameBytes - 4);
    EXPECT_EQ((name.find('_') - shift) % 4, 0U);
  }
  EXPECT_EQ(FitName(std::string(100, '\x80'), "_p202611").size(), 17U);
}

}  // namespace
}  // namespace partition_controller
