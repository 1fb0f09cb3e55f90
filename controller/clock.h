// The clock, as an interface so that tests need not wait.
//
// Thread-safe.

#ifndef PARTITION_CONTROLLER_CONTROLLER_CLOCK_H_
#define PARTITION_CONTROLLER_CONTROLLER_CLOCK_H_

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "reconcilers/instant.h"

namespace partition_controller {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() const = 0;
  // Returns at `instant`, or at once when `stop` is requested.  May return
  // early without a reason: ask Now() again.
  virtual void WaitUntil(Instant instant, const std::stop_token& stop) = 0;
};

class SystemClock final : public Clock {
 public:
  Instant Now() const override {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  }

  // Waits by the steady clock, at most an hour at a time, so that a step of the
  // system's clock delays nobody for long.
  void WaitUntil(Instant instant, const std::stop_token& stop) override {
    const auto left = std::min<Instant::duration>(instant - Now(), std::chrono::hours(1));
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, left, [] { return false; });
  }
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_CLOCK_H_
