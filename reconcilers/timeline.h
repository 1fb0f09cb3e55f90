// Where the partitions of a table lie in time, ready to be drawn: of bounded
// size, however many there are.
//
// Instants are on the key's axis (reconcilers/instant.h); places are shares of
// the window, from 0 to 1.

#ifndef PARTITION_CONTROLLER_RECONCILERS_TIMELINE_H_
#define PARTITION_CONTROLLER_RECONCILERS_TIMELINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reconcilers/plan.h"

namespace partition_controller {

struct Timeline {
  enum class State {
    kExpired,  // ends before the cutoff
    kKept,
    kCurrent,
    kAhead,
    kGap,     // rows of this time have no partition
    kToMake,  // the same, and the policy asks for one
  };

  // One partition, or neighbours of one state that are too narrow to be told apart.
  struct Slot {
    double from = 0;
    double to = 0;
    bool before_window = false;  // it begins further back, or nowhere
    bool beyond_window = false;
    State state = State::kKept;
    Range range;                  // from the first one's start to the last one's end
    std::int64_t partitions = 0;  // 0: of a gap
    std::int64_t gaps = 0;        // between them
    std::string first;            // names, not quoted; of detached ones too
    std::string last;
    std::int64_t bytes = 0;
    double rows = -1;  // -1: not known
    bool detach_pending = false;
    bool operator==(const Slot&) const = default;
  };

  // What of a rollup is computed.
  struct Lane {
    std::string rollup;
    double from = 0;
    double to = 0;
    std::optional<Instant> filled_from;  // UTC; nothing: all of its history is
    Instant watermark{};                 // UTC: buckets before it are right
    bool operator==(const Lane&) const = default;
  };

  Instant from{};
  Instant to{};
  double now = 0;
  std::optional<double> cutoff;
  std::optional<double> horizon;
  std::vector<Slot> attached;    // gaps among them, in order
  std::vector<Slot> detached;    // by us, and still there
  std::vector<Slot> in_default;  // where the rows of the default partition lie; `rows` alone counts
  std::vector<Lane> lanes;
  std::int64_t most_bytes = 0;     // of one slot
  std::int64_t before_window = 0;  // partitions that lie too far away to be drawn
  std::int64_t beyond_window = 0;
  std::int64_t odd = 0;  // partitions whose bounds are not understood
  bool operator==(const Timeline&) const = default;
};

// Nothing for a table without partitions, or whose key has another type.
// `outlook` is the plan's for this catalog.
std::optional<Timeline> TimelineOf(const Policy& policy, const Catalog& catalog, const Outlook& outlook);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_TIMELINE_H_
