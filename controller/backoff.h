// How long to wait after failures in a row.  Pure.

#ifndef PARTITION_CONTROLLER_CONTROLLER_BACKOFF_H_
#define PARTITION_CONTROLLER_CONTROLLER_BACKOFF_H_

#include <chrono>

namespace partition_controller {

inline constexpr std::chrono::seconds kFirstDelay{1};
inline constexpr std::chrono::minutes kLongestDelay{5};

// One second after the first failure, doubling up to five minutes, less up to
// half of it by `random` (in [0, 1)), so that many controllers that failed
// together do not return together.
std::chrono::milliseconds Backoff(int failures, double random);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_BACKOFF_H_
