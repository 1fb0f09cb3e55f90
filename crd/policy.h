// What a user may ask for: the spec of a PartitionPolicy as plain values.
//
// Decoding (crd/decode.h) fills every default, so a Policy is always complete.

#ifndef PARTITION_CONTROLLER_CRD_POLICY_H_
#define PARTITION_CONTROLLER_CRD_POLICY_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crd/duration.h"

namespace partition_controller {

struct SecretRef {
  std::string name_space;  // the policy's: a Secret of the same name elsewhere is another one
  std::string name;
  std::string key = "uri";
  auto operator<=>(const SecretRef&) const = default;
};

// Where the connection string comes from: exactly one of the three is set.
// The string itself is never part of a policy.
struct ConnectionSpec {
  std::optional<SecretRef> secret_ref;
  std::string env;   // name of an environment variable
  std::string file;  // path of a file
  std::string role;  // empty: no SET ROLE
  auto operator<=>(const ConnectionSpec&) const = default;
};

struct TableName {
  std::string schema = "public";
  std::string name;
  auto operator<=>(const TableName&) const = default;
};

enum class Granularity { kHour, kDay, kWeek, kMonth, kQuarter, kYear };

struct Partitioning {
  enum class State { kEnabled, kDisabled };
  enum class Default { kKeep, kAbsent };
  enum class Conversion { kNever, kOnline, kRevert };
  enum class Uniqueness { kRefuse, kPerPartition };

  State state = State::kEnabled;
  Granularity granularity = Granularity::kMonth;
  std::string time_zone = "UTC";  // IANA name, known to exist
  int premake = 3;                // whole periods ahead of the current one
  Default default_partition = Default::kKeep;
  Conversion conversion = Conversion::kNever;
  Uniqueness uniqueness = Uniqueness::kRefuse;
  bool history_deletes = true;
  bool operator==(const Partitioning&) const = default;
};

struct Retention {
  enum class Action { kDrop, kDetach };

  CalendarDuration keep;
  Action action = Action::kDetach;
  CalendarDuration undo_window{24, CalendarDuration::Unit::kHour};
  int max_per_run = 8;
  bool after_rollup = true;  // afterRollup: Required
  bool operator==(const Retention&) const = default;
};

// Aggregates of a numeric value per bucket of time (docs/rollups.md).
struct Rollup {
  std::string name;
  bool enabled = true;  // false: Paused
  // A calendar day in `time_zone`, or so many minutes aligned to UTC.
  bool calendar_day = false;
  std::chrono::minutes interval{60};
  std::string time_zone = "UTC";
  std::string table;  // in the table's schema
  std::vector<std::string> dimensions;
  // The source: the keys of a jsonb column (none listed: all), columns, or a
  // finer rollup of the same policy.
  std::string jsonb;
  std::vector<std::string> keys;
  std::vector<std::string> columns;
  std::string finer;
  std::chrono::milliseconds settle{300'000};
  std::optional<CalendarDuration> keep;           // absent: for ever
  bool merge_late = true;                         // false: what is sealed changes no more
  Granularity granularity = Granularity::kMonth;  // of its own table, if the controller makes it
  // Those it is the source of, where policies are divided (reconcilers/rollup_tables.h).
  std::vector<Rollup> coarser;
  bool operator==(const Rollup&) const = default;
};

// What fills the table of a policy that nobody wrote: a rollup of another one's
// table.
struct Feeder {
  TableName table;
  std::string time_column;
  Rollup rollup;
  bool operator==(const Feeder&) const = default;
};

// When destructive steps may run.  Days are ISO weekdays, 1 = Monday; empty
// means every day.
struct Window {
  std::vector<int> days;
  std::chrono::minutes start{0};  // after local midnight
  std::chrono::milliseconds duration{0};
  std::string time_zone = "UTC";
  bool operator==(const Window&) const = default;
};

struct Schedule {
  std::chrono::milliseconds period{60'000};
  std::vector<Window> windows;  // empty: always
  bool operator==(const Schedule&) const = default;
};

struct Locks {
  std::chrono::milliseconds timeout{2'000};
  std::chrono::milliseconds statement_timeout{600'000};
  bool operator==(const Locks&) const = default;
};

// What an API server keeps beside the spec; all empty for a policy from a file.
struct Origin {
  std::string uid;
  std::int64_t generation = 0;
  std::string requested_at;  // the annotation that asks for a look at once
  std::string acknowledged;  // the annotation that consents to a plan, by its hash
  // The uid of the Lease under which the policy is looked after: it tells this
  // cluster's bookkeeping from that of others in the same database.
  std::string cluster;
  bool hold = false;  // the annotation that holds retention
  bool operator==(const Origin&) const = default;
};

struct Policy {
  enum class Mode { kApply, kPlan };

  std::string name_space = "default";  // metadata.namespace
  std::string name;                    // metadata.name
  ConnectionSpec connection;
  TableName table;
  std::string time_column;
  Partitioning partitioning;
  std::optional<Retention> retention;  // absent: keep for ever
  std::vector<Rollup> rollups;
  Schedule schedule;
  Locks locks;
  Mode mode = Mode::kApply;
  bool suspend = false;
  std::optional<Feeder> feeder;  // nothing: somebody wrote the policy
  Origin origin;
  bool operator==(const Policy&) const = default;
};

// The words used in YAML, JSON, SQL comments and metrics.
const char* ToString(Granularity granularity);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CRD_POLICY_H_
