#include "crd/policy.h"

#include <gtest/gtest.h>

namespace partition_controller {
namespace {

TEST(Policy, GranularitiesArePrintedAsTheyAreWritten) {
  EXPECT_STREQ(ToString(Granularity::kHour), "Hour");
  EXPECT_STREQ(ToString(Granularity::kDay), "Day");
  EXPECT_STREQ(ToString(Granularity::kWeek), "Week");
  EXPECT_STREQ(ToString(Granularity::kMonth), "Month");
  EXPECT_STREQ(ToString(Granularity::kQuarter), "Quarter");
  EXPECT_STREQ(ToString(Granularity::kYear), "Year");
}

}  // namespace
}  // namespace partition_controller
