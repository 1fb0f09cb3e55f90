#include "reconcilers/range.h"

#include <algorithm>

namespace partition_controller {

bool Overlap(const Range& a, const Range& b) {
  return !a.empty() && !b.empty() && a.from < b.to && b.from < a.to;
}

std::vector<Range> Gaps(const Range& window, std::vector<Range> taken) {
  std::sort(taken.begin(), taken.end());
  std::vector<Range> gaps;
  Bound covered = window.from;
  for (const Range& range : taken) {
    if (range.empty()) continue;
    if (covered < std::min(range.from, window.to)) gaps.push_back({covered, std::min(range.from, window.to)});
    covered = std::max(covered, range.to);
  }
  if (covered < window.to) gaps.push_back({covered, window.to});
  return gaps;
}

}  // namespace partition_controller
