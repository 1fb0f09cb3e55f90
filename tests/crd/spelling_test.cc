#include "crd/spelling.h"

#include <gtest/gtest.h>

#include <string>

namespace partition_controller {
namespace {

TEST(EditDistance, CountsEachKindOfChange) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("abc", ""), 3u);
  EXPECT_EQ(EditDistance("keep", "keep"), 0u);
  EXPECT_EQ(EditDistance("keep", "kep"), 1u);
  EXPECT_EQ(EditDistance("keep", "keeep"), 1u);
  EXPECT_EQ(EditDistance("keep", "keap"), 1u);
  EXPECT_EQ(EditDistance("keep", "kepe"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

TEST(EditDistance, IsSymmetric) {
  for (const char* a : {"retention", "retnetion", "x", ""}) {
    for (const char* b : {"partitioning", "tretention", "", "xy"}) {
      EXPECT_EQ(EditDistance(a, b), EditDistance(b, a)) << a << " " << b;
    }
  }
}

TEST(Nearest, FindsWhatWasMeant) {
  EXPECT_EQ(Nearest("retnetion", {"partitioning", "retention"}), "retention");
  EXPECT_EQ(Nearest("month", {"Hour", "Month"}), "Month");
  EXPECT_EQ(Nearest("utc", {"Europe/Berlin", "UTC"}), "UTC");
  EXPECT_EQ(Nearest("europe/berln", {"UTC", "Europe/Berlin"}), "Europe/Berlin");
}

TEST(Nearest, PrefersTheFirstOfEquallyNearOnes) { EXPECT_EQ(Nearest("bat", {"cat", "rat"}), "cat"); }

TEST(Nearest, FindsNothingFarAway) {
  EXPECT_EQ(Nearest("", {"a"}), std::nullopt);
  EXPECT_EQ(Nearest("x", {"y"}), std::nullopt);
  EXPECT_EQ(Nearest("partition", {"retention"}), std::nullopt);
  EXPECT_EQ(Nearest("keep", {}), std::nullopt);
  EXPECT_EQ(Nearest(std::string(1'000'000, 'k'), {"keep"}), std::nullopt);
}

}  // namespace
}  // namespace partition_controller
