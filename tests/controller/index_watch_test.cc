#include "controller/index_watch.h"

#include <gtest/gtest.h>

namespace partition_controller {
namespace {

using std::chrono::seconds;

TEST(IndexWatchTest, SaysHowMuchIsLeftOnceItCanTell) {
  const char* phase = "building index: scanning table";
  EXPECT_EQ(BuildingText(phase, 0.25, seconds(4)), "25 % (building index: scanning table)");
  EXPECT_EQ(BuildingText(phase, 0.25, seconds(5)), "25 %, about 15 s left (building index: scanning table)");
  EXPECT_EQ(BuildingText(phase, 0.5, seconds(600)),
            "50 %, about 10 min left (building index: scanning table)");
  EXPECT_EQ(BuildingText(phase, 0.1, seconds(3600)), "10 %, about 9 h left (building index: scanning table)");
  EXPECT_EQ(BuildingText(phase, 0.0, seconds(60)), "0 % (building index: scanning table)");
  EXPECT_EQ(BuildingText(phase, 1.0, seconds(60)), "100 %, about 1 s left (building index: scanning table)");
}

TEST(IndexWatchTest, SaysThePhaseWhereThereIsNothingToCount) {
  EXPECT_EQ(BuildingText("initializing", std::nullopt, seconds(60)), "initializing");
}

// What cannot be asked is not said, and stops nobody.
TEST(IndexWatchTest, NoSessionIsNoFailure) {
  const IndexWatch watch(
      [](const ConnectionSpec&) -> std::unique_ptr<Session> {
        throw DatabaseError(DatabaseError::Kind::kUnreachable, "", "gone");
      },
      {}, 1, [](const std::string& phase, const std::string&) { ADD_FAILURE() << phase; });
}

}  // namespace
}  // namespace partition_controller
