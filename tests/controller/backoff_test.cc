#include "controller/backoff.h"

#include <gtest/gtest.h>

namespace partition_controller {
namespace {

using std::chrono::milliseconds;

TEST(BackoffTest, DoublesFromOneSecondToFiveMinutes) {
  EXPECT_EQ(Backoff(1, 0), milliseconds(1'000));
  EXPECT_EQ(Backoff(2, 0), milliseconds(2'000));
  EXPECT_EQ(Backoff(8, 0), milliseconds(128'000));
  EXPECT_EQ(Backoff(9, 0), milliseconds(256'000));
  EXPECT_EQ(Backoff(10, 0), milliseconds(300'000));
  EXPECT_EQ(Backoff(2'000'000'000, 0), milliseconds(300'000));
}

TEST(BackoffTest, JitterTakesUpToHalfAwayAndNeverAdds) {
  EXPECT_EQ(Backoff(1, 0.5), milliseconds(750));
  EXPECT_EQ(Backoff(1, 1), milliseconds(500));
  EXPECT_EQ(Backoff(30, 1), milliseconds(150'000));
}

TEST(BackoffTest, StrangeArgumentsGiveSensibleDelays) {
  EXPECT_EQ(Backoff(0, 0), milliseconds(1'000));
  EXPECT_EQ(Backoff(-5, -3), milliseconds(1'000));
  EXPECT_EQ(Backoff(1, 7), milliseconds(500));
}

}  // namespace
}  // namespace partition_controller
