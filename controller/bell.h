// Wakes a thread that waits for a time to come.  Thread-safe.

#ifndef PARTITION_CONTROLLER_CONTROLLER_BELL_H_
#define PARTITION_CONTROLLER_CONTROLLER_BELL_H_

#include <stop_token>

#include "controller/clock.h"
#include "controller/mutex.h"

namespace partition_controller {

class Bell {
 public:
  // Ends the wait that goes on, or the next one.
  void Ring() {
    const MutexLock lock(mutex_);
    rung_.request_stop();
  }

  // Until `instant`, Ring() or a stop.
  void WaitUntil(Clock& clock, Instant instant, const std::stop_token& stop) {
    const std::stop_callback on_stop(stop, [this] { Ring(); });
    std::stop_token rung;
    {
      const MutexLock lock(mutex_);
      rung = rung_.get_token();
    }
    clock.WaitUntil(instant, rung);
    const MutexLock lock(mutex_);
    if (rung_.stop_requested()) rung_ = std::stop_source();
  }

 private:
  Mutex mutex_;
  std::stop_source rung_ PC_GUARDED_BY(mutex_);
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_BELL_H_
