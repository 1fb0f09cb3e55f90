#include "reconcilers/range.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace partition_controller {
namespace {

Instant At(int hour) { return Instant(std::chrono::hours(hour)); }
Range Hours(int from, int to) { return Range::Between(At(from), At(to)); }

TEST(BoundTest, OrderIsPostgreSqls) {
  const std::vector<Bound> ordered = {
      Bound::MinValue(), {Bound::Kind::kMinusInfinity, {}}, Bound::At(Instant::min()),    Bound::At(At(-1)),
      Bound::At(At(0)),  Bound::At(Instant::max()),         {Bound::Kind::kInfinity, {}}, Bound::MaxValue()};
  EXPECT_TRUE(std::is_sorted(ordered.begin(), ordered.end()));
  EXPECT_EQ(std::adjacent_find(ordered.begin(), ordered.end()), ordered.end());
}

TEST(RangeTest, IsHalfOpen) {
  const Range range = Hours(1, 3);
  EXPECT_FALSE(range.Contains(At(0)));
  EXPECT_TRUE(range.Contains(At(1)));
  EXPECT_TRUE(range.Contains(At(2)));
  EXPECT_FALSE(range.Contains(At(3)));
  EXPECT_FALSE(range.empty());
  EXPECT_TRUE(Hours(1, 1).empty());
  EXPECT_TRUE(Hours(3, 1).empty());
  const Range everything{Bound::MinValue(), Bound::MaxValue()};
  EXPECT_TRUE(everything.Contains(Instant::min()));
  EXPECT_TRUE(everything.Contains(Instant::max()));
}

TEST(RangeTest, OverlapNeedsACommonInstant) {
  EXPECT_FALSE(Overlap(Hours(1, 2), Hours(2, 3)));
  EXPECT_FALSE(Overlap(Hours(2, 3), Hours(1, 2)));
  EXPECT_TRUE(Overlap(Hours(1, 3), Hours(2, 4)));
  EXPECT_TRUE(Overlap(Hours(1, 4), Hours(2, 3)));
  EXPECT_TRUE(Overlap({Bound::MinValue(), Bound::MaxValue()}, Hours(2, 3)));
  EXPECT_FALSE(Overlap(Hours(1, 4), Hours(2, 2)));
}

TEST(GapsTest, Examples) {
  EXPECT_EQ(Gaps(Hours(0, 4), {}), std::vector<Range>{Hours(0, 4)});
  EXPECT_EQ(Gaps(Hours(0, 0), {}), std::vector<Range>{});
  EXPECT_EQ(Gaps(Hours(0, 4), {Hours(3, 9), Hours(-9, 1)}), std::vector<Range>{Hours(1, 3)});
  EXPECT_EQ(Gaps(Hours(0, 4), {Hours(5, 9)}), std::vector<Range>{Hours(0, 4)});
  EXPECT_EQ(Gaps(Hours(0, 4), {Hours(2, 2), Hours(3, 1)}), std::vector<Range>{Hours(0, 4)});
  EXPECT_EQ(Gaps(Hours(0, 4), {{Bound::MinValue(), Bound::MaxValue()}}), std::vector<Range>{});
  const Range everything{Bound::MinValue(), Bound::MaxValue()};
  EXPECT_EQ(Gaps(everything, {Hours(1, 2)}), (std::vector<Range>{{Bound::MinValue(), Bound::At(At(1))},
                                                                 {Bound::At(At(2)), Bound::MaxValue()}}));
}

// Every choice of three ranges on a line of five hours, against hours counted
// one by one.
TEST(GapsTest, AgreesWithCountingOnEverySmallCase) {
  std::vector<Range> ranges;
  for (int from = 0; from <= 5; ++from) {
    for (int to = 0; to <= 5; ++to) ranges.push_back(Hours(from, to));
  }
  const Range window = Hours(1, 4);
  for (const Range& a : ranges) {
    for (const Range& b : ranges) {
      for (const Range& c : ranges) {
        const std::vector<Range> gaps = Gaps(window, {a, b, c});
        for (int hour = 0; hour < 5; ++hour) {
          const Instant at = At(hour);
          const bool free = window.Contains(at) && !a.Contains(at) && !b.Contains(at) && !c.Contains(at);
          const auto holders =
              std::count_if(gaps.begin(), gaps.end(), [&](const Range& gap) { return gap.Contains(at); });
          ASSERT_EQ(holders, free ? 1 : 0);
        }
        for (std::size_t i = 0; i < gaps.size(); ++i) {
          ASSERT_FALSE(gaps[i].empty());
          ASSERT_TRUE(i == 0 || gaps[i - 1].to < gaps[i].from);  // or they were one gap
        }
      }
    }
  }
}

}  // namespace
}  // namespace partition_controller
