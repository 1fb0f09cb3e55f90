#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/crd/decoding.h"

namespace partition_controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A paused rollup with one key replaced ("key: value"), added or, if the value is empty, left out.
std::vector<std::string> With(const std::string& key = "", const std::string& value = "") {
  std::string text;
  bool replaced = false;
  for (const auto& [known, good] : {std::pair<std::string, std::string>("name", "hourly"),
                                    {"state", "Paused"},
                                    {"interval", "1h"},
                                    {"table", "telemetry_rollups_hourly"},
                                    {"dimensions", "[device_id]"},
                                    {"source", "{jsonb: metrics, keys: All}"}}) {
    const bool same = known == key;
    replaced = replaced || same;
    if (same && value.empty()) continue;
    text += known + ": " + (same ? value : good) + ", ";
  }
  if (!replaced && !key.empty()) text += key + ": " + value;
  return Problems(Minimal() + "  rollups: [{" + text + "}]\n");
}

TEST(Rollups, AreKept) {
  const Decoded decoded = Decode(Minimal() + R"(  partitioning: {timeZone: Europe/Berlin}
  rollups:
  - {name: hourly, interval: 90m, table: h, dimensions: [d, e], source: {jsonb: m, keys: [a]}, settle: 0s, keep: 2y,
     lateData: Refuse, granularity: Week}
  - {name: daily, state: Paused, interval: 1d, table: t, dimensions: [d], source: {columns: [x, y]}}
  - {name: utc, interval: 1d, timeZone: UTC, table: u, dimensions: [d], source: {jsonb: m}}
  - {name: coarse, interval: 3h, table: c, dimensions: [e], source: {rollup: hourly}}
)");
  ASSERT_THAT(decoded.problems, IsEmpty());
  Rollup hourly;
  hourly.name = "hourly";
  hourly.interval = std::chrono::minutes(90);
  hourly.time_zone = "Europe/Berlin";
  hourly.table = "h";
  hourly.dimensions = {"d", "e"};
  hourly.jsonb = "m";
  hourly.keys = {"a"};
  hourly.settle = std::chrono::milliseconds(0);
  hourly.keep = CalendarDuration{2, CalendarDuration::Unit::kYear};
  hourly.merge_late = false;
  hourly.granularity = Granularity::kWeek;
  Rollup daily;
  daily.name = "daily";
  daily.enabled = false;
  daily.calendar_day = true;
  daily.time_zone = "Europe/Berlin";
  daily.table = "t";
  daily.dimensions = {"d"};
  daily.columns = {"x", "y"};
  daily.granularity = Granularity::kYear;
  Rollup utc;
  utc.name = "utc";
  utc.calendar_day = true;
  utc.table = "u";
  utc.dimensions = {"d"};
  utc.jsonb = "m";
  utc.granularity = Granularity::kYear;
  Rollup coarse;
  coarse.name = "coarse";
  coarse.interval = std::chrono::hours(3);
  coarse.time_zone = "Europe/Berlin";
  coarse.table = "c";
  coarse.dimensions = {"e"};
  coarse.finer = "hourly";
  EXPECT_THAT(decoded.policies.at(0).rollups, ElementsAre(hourly, daily, utc, coarse));
}

TEST(Rollups, AddUpFinerOnes) {
  const auto two = [](const std::string& finer, const std::string& coarser) {
    return Problems(Minimal() + "  rollups:\n  - {name: a, table: t, source: {jsonb: m}, " + finer +
                    "}\n  - {name: b, table: u, " + coarser + "}\n");
  };
  const std::string hours = "interval: 1h, dimensions: [d, e]";
  EXPECT_THAT(two(hours, "interval: 1d, dimensions: [e], source: {rollup: a}"), IsEmpty());
  EXPECT_THAT(two(hours, "interval: 24h, dimensions: [d], source: {rollup: a}"), IsEmpty());
  EXPECT_THAT(
      two(hours, "interval: 90m, dimensions: [d], source: {rollup: a}"),
      ElementsAre("spec.rollups[1].source.rollup: buckets of 'a' do not add up to those of this one: its "
                  "interval must divide this one's, and for days the hour"));
  EXPECT_THAT(two("interval: 2h, dimensions: [d]", "interval: 1d, dimensions: [d], source: {rollup: a}"),
              SizeIs(1));
  EXPECT_THAT(two("interval: 1d, dimensions: [d]", "interval: 48h, dimensions: [d], source: {rollup: a}"),
              SizeIs(1));
  EXPECT_THAT(two("interval: 1d, timeZone: UTC, dimensions: [d]",
                  "interval: 1d, timeZone: Europe/Berlin, dimensions: [d], source: {rollup: a}"),
              SizeIs(1));
  EXPECT_THAT(two(hours, "interval: 1d, dimensions: [d, f], source: {rollup: a}"),
              ElementsAre("spec.rollups[1].dimensions: the rollup 'a' has no dimension 'f'"));
  EXPECT_THAT(two(hours, "interval: 1d, dimensions: [d], source: {rollup: b}"),
              ElementsAre(HasSubstr("there is no rollup 'b' before this one")));
  EXPECT_THAT(two(hours, "interval: 1d, dimensions: [d], source: {rollup: a, jsonb: m}"), SizeIs(1));
  EXPECT_THAT(two(hours, "interval: 1d, dimensions: [d], source: {rollup: [a]}"), SizeIs(1));
}

TEST(Rollups, HaveTablesOfTheirOwn) {
  EXPECT_THAT(With("table", "telemetry_points"), ElementsAre(HasSubstr("table 'telemetry_points' is taken")));
  EXPECT_THAT(With("timeZone", "Europe/Berlin"), ElementsAre(HasSubstr("timeZone is for days")));
}

TEST(Rollups, AreCheckedInFull) {
  for (const char* key : {"name", "interval", "table", "dimensions", "source"}) {
    EXPECT_THAT(With(key), ElementsAre(HasSubstr(std::string("spec.rollups[0].") + key + " is missing")))
        << key;
  }
  EXPECT_THAT(With("intervall", "1h"), ElementsAre(HasSubstr("did you mean 'interval'?")));
  for (const char* bad : {"Hourly", "1h", "-", "a-", "a_b", "''"})
    EXPECT_THAT(With("name", bad), SizeIs(1)) << bad;
  EXPECT_THAT(With("name", std::string(40, 'a')), IsEmpty());
  EXPECT_THAT(With("name", std::string(41, 'a')), SizeIs(1));
  for (const char* good : {"1m", "15m", "1d", "36h", "8784h"})
    EXPECT_THAT(With("interval", good), IsEmpty()) << good;
  for (const char* bad : {"0h", "1s", "60000ms", "1w", "1mo", "60", "0d", "2d", "8785h"}) {
    EXPECT_THAT(With("interval", bad), SizeIs(1)) << bad;
  }
  EXPECT_THAT(With("table", std::string(64, 't')), SizeIs(1));
  EXPECT_THAT(With("table", std::string(59, 't')), ElementsAre(HasSubstr("table must be at most 58 bytes")));
  EXPECT_THAT(With("table", std::string(58, 't')), IsEmpty());
  EXPECT_THAT(With("dimensions", "[]"), SizeIs(1));
  EXPECT_THAT(With("dimensions", "[a, b, a]"), ElementsAre(HasSubstr("'a' is in the list already")));
  EXPECT_THAT(With("dimensions", "[a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p]"), IsEmpty());
  EXPECT_THAT(With("dimensions", "[a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]"), SizeIs(1));
  EXPECT_THAT(With("dimensions", "device_id"), SizeIs(1));
  EXPECT_THAT(With("settle", "0s"), IsEmpty());
  EXPECT_THAT(With("settle", "5"), SizeIs(1));
  EXPECT_THAT(With("keep", "2y"), IsEmpty());
  EXPECT_THAT(With("keep", "0d"), SizeIs(1));
  EXPECT_THAT(With("lateData", "Merge"), IsEmpty());
  EXPECT_THAT(With("lateData", "Drop"),
              ElementsAre(HasSubstr("lateData must be Merge or Refuse, not 'Drop'")));
}

TEST(Rollups, HaveOneSource) {
  EXPECT_THAT(With("source", "{jsonb: metrics}"), IsEmpty());
  EXPECT_THAT(With("source", "{jsonb: metrics, keys: [a, b]}"), IsEmpty());
  EXPECT_THAT(With("source", "{columns: [a, b]}"), IsEmpty());
  EXPECT_THAT(With("source", "{}"), SizeIs(1));
  EXPECT_THAT(With("source", "{jsonb: m, columns: [a]}"), SizeIs(1));
  EXPECT_THAT(With("source", "{columns: [a], keys: All}"), SizeIs(1));
  EXPECT_THAT(With("source", "{columns: []}"), SizeIs(1));
  EXPECT_THAT(With("source", "{jsonb: m, keys: all}"), SizeIs(1));
  EXPECT_THAT(With("source", "{jsonb: m, keys: []}"), SizeIs(1));
  EXPECT_THAT(With("source", "{jsonb: m, keys: [1]}"), SizeIs(1));
  EXPECT_THAT(With("source", "metrics"), SizeIs(1));
}

TEST(Rollups, HaveDifferentNames) {
  const std::string rollup =
      "{name: a, state: Paused, interval: 1h, table: t, dimensions: [d], source: {jsonb: m}}";
  EXPECT_THAT(Problems(Minimal() + "  rollups: [" + rollup + ", " + rollup + "]\n"),
              ElementsAre("spec.rollups[1].name: another rollup is called 'a'",
                          HasSubstr("spec.rollups[1].table: table 't' is taken")));
}

TEST(Rollups, AreAList) {
  EXPECT_THAT(Problems(Minimal() + "  rollups: {}\n"), SizeIs(1));
  EXPECT_THAT(Problems(Minimal() + "  rollups: [x]\n"), SizeIs(1));
  EXPECT_THAT(Problems(Minimal() + "  rollups: []\n"), IsEmpty());
}

}  // namespace
}  // namespace partition_controller
