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
using ::testing::StartsWith;

// A paused rollup with one key replaced ("key: value"), added or, if the value is empty, left out.
std::vector<std::string> Rollup(const std::string& key = "", const std::string& value = "") {
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

TEST(Rollups, ArePausedOrRefused) {
  EXPECT_THAT(Rollup(), IsEmpty());
  EXPECT_THAT(
      Rollup("state", "Enabled"),
      ElementsAre("spec.rollups[0].state: rollups are not supported yet; write state: Paused or leave the "
                  "rollup out"));
  EXPECT_THAT(Rollup("state"), ElementsAre(StartsWith("spec.rollups[0]: rollups are not supported yet")));
  EXPECT_THAT(Rollup("state", "paused"), ElementsAre(HasSubstr("did you mean 'Paused'?")));
}

TEST(Rollups, AreCheckedInFull) {
  for (const char* key : {"name", "interval", "table", "dimensions", "source"}) {
    EXPECT_THAT(Rollup(key), ElementsAre(HasSubstr(std::string("spec.rollups[0].") + key + " is missing")))
        << key;
  }
  EXPECT_THAT(Rollup("intervall", "1h"), ElementsAre(HasSubstr("did you mean 'interval'?")));
  for (const char* bad : {"Hourly", "1h", "-", "a-", "a_b", "''"})
    EXPECT_THAT(Rollup("name", bad), SizeIs(1)) << bad;
  EXPECT_THAT(Rollup("name", std::string(40, 'a')), IsEmpty());
  EXPECT_THAT(Rollup("name", std::string(41, 'a')), SizeIs(1));
  for (const char* good : {"1m", "15m", "1d", "36h"})
    EXPECT_THAT(Rollup("interval", good), IsEmpty()) << good;
  for (const char* bad : {"0h", "1s", "60000ms", "1w", "1mo", "60", "0d"}) {
    EXPECT_THAT(Rollup("interval", bad), SizeIs(1)) << bad;
  }
  EXPECT_THAT(Rollup("table", std::string(64, 't')), SizeIs(1));
  EXPECT_THAT(Rollup("dimensions", "[]"), SizeIs(1));
  EXPECT_THAT(Rollup("dimensions", "[a, b, a]"), ElementsAre(HasSubstr("'a' is in the list already")));
  EXPECT_THAT(Rollup("dimensions", "[a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p]"), IsEmpty());
  EXPECT_THAT(Rollup("dimensions", "[a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]"), SizeIs(1));
  EXPECT_THAT(Rollup("dimensions", "device_id"), SizeIs(1));
  EXPECT_THAT(Rollup("settle", "0s"), IsEmpty());
  EXPECT_THAT(Rollup("settle", "5"), SizeIs(1));
  EXPECT_THAT(Rollup("keep", "2y"), IsEmpty());
  EXPECT_THAT(Rollup("keep", "0d"), SizeIs(1));
}

TEST(Rollups, HaveOneSource) {
  EXPECT_THAT(Rollup("source", "{jsonb: metrics}"), IsEmpty());
  EXPECT_THAT(Rollup("source", "{jsonb: metrics, keys: [a, b]}"), IsEmpty());
  EXPECT_THAT(Rollup("source", "{columns: [a, b]}"), IsEmpty());
  EXPECT_THAT(Rollup("source", "{}"), SizeIs(1));
  EXPECT_THAT(Rollup("source", "{jsonb: m, columns: [a]}"), SizeIs(1));
  EXPECT_THAT(Rollup("source", "{columns: [a], keys: All}"), SizeIs(1));
  EXPECT_THAT(Rollup("source", "{columns: []}"), SizeIs(1));
  EXPECT_THAT(Rollup("source", "{jsonb: m, keys: all}"), SizeIs(1));
  EXPECT_THAT(Rollup("source", "{jsonb: m, keys: []}"), SizeIs(1));
  EXPECT_THAT(Rollup("source", "{jsonb: m, keys: [1]}"), SizeIs(1));
  EXPECT_THAT(Rollup("source", "metrics"), SizeIs(1));
}

TEST(Rollups, HaveDifferentNames) {
  const std::string rollup =
      "{name: a, state: Paused, interval: 1h, table: t, dimensions: [d], source: {jsonb: m}}";
  EXPECT_THAT(Problems(Minimal() + "  rollups: [" + rollup + ", " + rollup + "]\n"),
              ElementsAre("spec.rollups[1].name: another rollup is called 'a'"));
}

TEST(Rollups, AreAList) {
  EXPECT_THAT(Problems(Minimal() + "  rollups: {}\n"), SizeIs(1));
  EXPECT_THAT(Problems(Minimal() + "  rollups: [x]\n"), SizeIs(1));
  EXPECT_THAT(Problems(Minimal() + "  rollups: []\n"), IsEmpty());
}

}  // namespace
}  // namespace partition_controller
