#include "controller/backoff.h"

#include <algorithm>

namespace partition_controller {

std::chrono::milliseconds Backoff(int failures, double random) {
  // 2^9 s is past the longest delay; shifting further could overflow.
  const int doublings = std::clamp(failures - 1, 0, 9);
  const std::chrono::milliseconds full =
      std::min<std::chrono::milliseconds>(kFirstDelay * (1 << doublings), kLongestDelay);
  const double share = 1.0 - std::clamp(random, 0.0, 1.0) / 2;
  return std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(full.count()) * share));
}

}  // namespace partition_controller
