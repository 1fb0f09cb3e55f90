// A clock that tests move.
//
// Thread-safe.

#ifndef PARTITION_CONTROLLER_TESTS_FAKES_FAKE_CLOCK_H_
#define PARTITION_CONTROLLER_TESTS_FAKES_FAKE_CLOCK_H_

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "controller/clock.h"

namespace partition_controller {

class FakeClock : public Clock {
 public:
  enum class Waiting {
    kJumps,   // the one who waits moves the clock: for tests on one thread
    kBlocks,  // until somebody calls Advance
  };

  explicit FakeClock(Waiting waiting = Waiting::kJumps) : waiting_(waiting) {}

  Instant Now() const override {
    const std::lock_guard lock(mutex_);
    return now_;
  }

  void Advance(Instant::duration by) {
    const std::lock_guard lock(mutex_);
    now_ += by;
    moved_.notify_all();
  }

  void WaitUntil(Instant instant, const std::stop_token& stop) override {
    std::unique_lock lock(mutex_);
    if (waiting_ == Waiting::kJumps) {
      if (!stop.stop_requested() && instant > now_) now_ = instant;
      return;
    }
    ++sleepers_;
    moved_.wait(lock, stop, [&] { return now_ >= instant; });
    --sleepers_;
  }

  // How many threads wait now.
  int sleepers() const { return sleepers_; }

 private:
  const Waiting waiting_;
  mutable std::mutex mutex_;
  std::condition_variable_any moved_;
  Instant now_ = *ParseInstant("2026-11-05T12:00:00Z");
  std::atomic<int> sleepers_{0};
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_FAKES_FAKE_CLOCK_H_
