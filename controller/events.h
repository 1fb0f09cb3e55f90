// Events (events.k8s.io): what happened to a policy's table, for kubectl
// describe.  Best effort: what must not be lost is in the status.

#ifndef PARTITION_CONTROLLER_CONTROLLER_EVENTS_H_
#define PARTITION_CONTROLLER_CONTROLLER_EVENTS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "controller/clock.h"
#include "controller/cluster.h"
#include "controller/executor.h"
#include "controller/mutex.h"
#include "controller/snapshot.h"

namespace partition_controller {

struct EventNote {
  PolicyKey policy;
  std::string uid;  // of the policy: kubectl describe finds events by it
  bool warning = false;
  std::string action;  // what was tried: one of few words, CamelCase
  std::string reason;  // likewise: why, or how it ended
  std::string note;    // for people
};

// A step that was carried out and changes what the table is; nothing for those
// that are done again and again, and for failures, which are in the status.
std::optional<EventNote> EventOf(const Policy& policy, const StepOutcome& step);

// `text` with '#' in place of each number that stands by itself: what moves while
// nothing happens, such as a count of rows.  Names, times and hashes stay.
std::string WithoutNumbers(const std::string& text);

// Writes them, those that are alike within six minutes as one with a count.  Of
// warnings only those are alike that say the same but for numbers: they tell
// people what to do, with a hash that is good for one plan.
class EventRecorder {
 public:
  // `reporter` names this process.
  EventRecorder(Cluster& cluster, const Clock& clock, std::string reporter)
      : cluster_(cluster), clock_(clock), reporter_(std::move(reporter)) {}

  // Never waits; beyond a thousand that have not been written they are dropped.
  // Thread-safe.
  void Record(EventNote note);

  // Writes some of what was recorded.  For one thread, once a second or so.
  void Flush(const std::stop_token& stop);

 private:
  // What makes two events alike: uid, action, reason, warning, and what a warning
  // says.
  using Key = std::tuple<std::string, std::string, std::string, bool, std::string>;
  struct Series {
    std::string path;
    int count = 1;
    int written = 1;
    Instant last{};
    Instant written_at{};
  };

  static Key KeyOf(const EventNote& note);
  std::optional<EventNote> Take();
  void Write(const EventNote& note, Instant now, const std::stop_token& stop);
  void WriteCount(Series* series, Instant now, const std::stop_token& stop);
  void Failed(const ClusterError& error);

  Cluster& cluster_;
  const Clock& clock_;
  const std::string reporter_;
  std::map<Key, Series> series_;
  std::uint64_t serial_ = 0;
  bool complained_ = false;
  Mutex mutex_;
  std::deque<EventNote> queue_ PC_GUARDED_BY(mutex_);
  int dropped_ PC_GUARDED_BY(mutex_) = 0;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_EVENTS_H_
