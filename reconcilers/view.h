// One look at a policy's table, for people: what a page shows.  Of bounded size,
// however many partitions there are and steps are due.

#ifndef PARTITION_CONTROLLER_RECONCILERS_VIEW_H_
#define PARTITION_CONTROLLER_RECONCILERS_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reconcilers/timeline.h"

namespace partition_controller {

// Texts may hold names of any kind; nothing in them is escaped.
struct TableView {
  struct PlannedStep {
    char mark = '~';  // '+' adds, '-' takes rows away, '~' changes
    std::string what;
    std::string reason;
    std::vector<std::string> locks;
    std::optional<Instant> until;  // UTC; of what waits
    bool operator==(const PlannedStep&) const = default;
  };
  struct Default {
    std::string name;
    std::int64_t rows = 0;
    bool exact = true;
    std::int64_t bytes = 0;
    bool operator==(const Default&) const = default;
  };

  Instant seen{};  // UTC, by the plan's clock
  std::string schema;
  std::string name;
  std::string database;
  std::string server_version;  // "15.13"
  std::string kind;            // "partitioned table", "plain table", ...
  std::string time_column;
  std::string key_type;   // PostgreSQL's; empty: there is no such column
  std::string wall_zone;  // where the key has no time zone: whose wall time it is

  // The policy, in its own words.
  std::string granularity;
  std::string time_zone;
  int premake = 0;
  bool divides = true;  // partitioning.state
  std::string keep;     // empty: for ever
  std::string action;
  std::string undo_window;
  bool suspended = false;
  bool plans_only = false;
  bool held = false;  // by the annotation that holds retention

  double plain_rows = -1;  // of a plain table; -1: not known
  std::optional<Timeline> timeline;
  std::optional<Default> fallback;
  std::int64_t detached = 0;
  std::int64_t detached_bytes = 0;
  std::optional<Instant> dropped_from;  // UTC: when the first detached one may be dropped

  std::vector<PlannedStep> steps;
  std::size_t more_steps = 0;  // beyond those
  std::vector<PlannedStep> waiting;
  std::size_t more_waiting = 0;
  std::vector<Refusal> refusals;
  std::vector<std::string> advice;
  std::optional<Upcoming> next;
  bool operator==(const TableView&) const = default;
};

// `plan` is what is still to be done.
TableView ViewOf(const Policy& policy, const Catalog& catalog, const Plan& plan);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_VIEW_H_
