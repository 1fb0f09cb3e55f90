// The things a plan can do, each a value.
//
// To add one: a struct here and in Action; the compiler then names the
// functions that must learn about it (Describe and LocksOf in action.cc, Apply
// in apply.cc, Render in sql.cc); a rule in one reconciler gives it its reason.

#ifndef PARTITION_CONTROLLER_RECONCILERS_ACTION_H_
#define PARTITION_CONTROLLER_RECONCILERS_ACTION_H_

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "reconcilers/catalog.h"

namespace partition_controller {

// A table by its identity: oid and, for a partition, bounds.  The name only
// says how to address it; SQL checks that it still means this oid.
struct TableRef {
  Oid oid = 0;
  std::string schema;
  std::string name;
  std::string bounds;  // as PostgreSQL prints them; empty: not attached
  bool operator==(const TableRef&) const = default;
};

TableRef RefOf(const Partition& partition);

struct NewPartition {
  std::string name;
  Range range;
  bool operator==(const NewPartition&) const = default;
};

// Makes an empty table like the parent and attaches it.
struct CreatePartition {
  NewPartition partition;
  bool operator==(const CreatePartition&) const = default;
};
struct CreateDefault {
  std::string name;
  bool operator==(const CreateDefault&) const = default;
};
// Drops the default partition, proven empty under lock.
struct RemoveDefault {
  TableRef partition;
  bool operator==(const RemoveDefault&) const = default;
};
// Swaps empty future partitions of our own for others over the same span, in
// one transaction, so that the span is covered at every moment.
struct ReplacePartitions {
  std::vector<TableRef> drop;
  std::vector<NewPartition> create;
  bool operator==(const ReplacePartitions&) const = default;
};
// Puts the diverting trigger and the CHECK (NOT VALID) on the default
// partition: from here on, rows that must leave it no longer arrive in it.
struct BeginDrain {
  Drain drain;
  TableRef default_partition;
  bool operator==(const BeginDrain&) const = default;
};
// Moves what must leave, proves it (VALIDATE) and attaches, in one transaction.
struct FinishDrain {
  Drain drain;
  TableRef default_partition;
  std::string promoted_name;  // kPromote: what the old default is called from now on
  std::int64_t rows = 0;      // about as many are moved
  bool operator==(const FinishDrain&) const = default;
};
// Completes a DETACH ... CONCURRENTLY that somebody left half done.
struct FinalizeDetach {
  TableRef partition;
  bool operator==(const FinalizeDetach&) const = default;
};
// States the bounds as a CHECK (NOT VALID), then proves it, so that attaching
// the partition again scans nothing.
struct AddBoundCheck {
  TableRef partition;
  Range range;
  bool operator==(const AddBoundCheck&) const = default;
};
struct ValidateBoundCheck {
  TableRef partition;
  Range range;
  bool operator==(const ValidateBoundCheck&) const = default;
};
struct DetachPartition {
  TableRef partition;
  Range range;
  // From the detach until the table may be dropped; nothing: it is kept.  Not
  // an instant, for steps before this one may take long.
  std::optional<std::chrono::microseconds> undo_window;
  bool operator==(const DetachPartition&) const = default;
};
struct ReattachPartition {
  TableRef table;
  Range range;
  bool operator==(const ReattachPartition&) const = default;
};
// Removes an expired partition for good: attached, or detached by us before.
struct DropPartition {
  TableRef partition;
  Range range;
  bool attached = true;
  bool operator==(const DropPartition&) const = default;
};
// Drops the bookkeeping row of a detached table that is gone or attached again.
struct ForgetDetached {
  TableRef table;
  bool operator==(const ForgetDetached&) const = default;
};
// Deletes the rows before `cutoff` from one leaf (or plain table), in batches,
// each its own transaction.
struct DeleteExpiredRows {
  TableRef leaf;
  Instant cutoff{};  // on the key's axis
  bool has_time_index = false;
  bool operator==(const DeleteExpiredRows&) const = default;
};
// ANALYZE of the parent, which autovacuum never does.
struct AnalyzeParent {
  bool operator==(const AnalyzeParent&) const = default;
};

// The conversion of a plain table (docs/conversion.md), in the order in which
// its steps come.

// Makes the partitioned table beside the plain one, with the partitions that
// lie beyond the cut and a default partition; nobody uses it yet.
struct PrepareConversion {
  Conversion conversion;
  std::vector<NewPartition> partitions;
  std::string default_name;
  std::size_t indexes = 0;  // are carried over
  bool operator==(const PrepareConversion&) const = default;
};
// CREATE UNIQUE INDEX CONCURRENTLY on the plain table (or history partition).
struct BuildIndex {
  TableRef table;
  std::string name;
  std::vector<std::string> columns;
  std::string storage;     // TableIndex::storage of the key whose place it will take
  std::string tablespace;  // not quoted; empty: the database's
  bool operator==(const BuildIndex&) const = default;
};
// Drops what an interrupted BuildIndex left behind.
struct DropInvalidIndex {
  TableRef table;
  std::string name;
  bool operator==(const DropInvalidIndex&) const = default;
};
// From here on rows beyond the cut are diverted into the partitioned table.
struct FenceConversion {
  Conversion conversion;
  bool operator==(const FenceConversion&) const = default;
};
// Moves the rows beyond the cut, proves that none is left (VALIDATE), and puts
// the partitioned table in the plain one's place, with the plain one as its
// partition [MINVALUE, cut): one transaction.
struct FinishConversion {
  Conversion conversion;
  std::int64_t rows = 0;  // about as many are moved
  bool operator==(const FinishConversion&) const = default;
};
// Takes the fence down again: rows beyond the cut stay in the table.
struct UnfenceConversion {
  Conversion conversion;
  bool operator==(const UnfenceConversion&) const = default;
};
// Removes every trace of a conversion that is not fenced; rows that had been
// diverted go back.
struct AbandonConversion {
  Conversion conversion;
  bool keep_index = false;  // another attempt follows
  bool operator==(const AbandonConversion&) const = default;
};
// The way back: the history partition takes the table's name again, and the
// other partitions become children that it inherits from, so that all rows stay
// in sight.
struct BeginRevert {
  Conversion conversion;
  std::string plain_key;  // the index that becomes the primary key; empty: it stays as it is
  bool operator==(const BeginRevert&) const = default;
};
// Moves a child's rows into the table, in batches, each its own transaction.
// Rows whose unique key the table has already stay where they are.
struct MergeChild {
  TableRef child;
  bool operator==(const MergeChild&) const = default;
};
// Drops a child, proven empty under lock.
struct DropChild {
  TableRef child;
  bool operator==(const DropChild&) const = default;
};
struct FinishRevert {
  Conversion conversion;
  bool operator==(const FinishRevert&) const = default;
};

// The rollups of a table (docs/rollups.md), by their names in the policy.

// Makes a rollup's triggers, log and view, and its table if there is none; from
// here on every change leaves a mark.  All of it is to be computed.
struct InstallRollup {
  std::string rollup;
  bool makes_table = false;
  bool operator==(const InstallRollup&) const = default;
};
// Computes the buckets with a mark again.
struct RefreshRollup {
  std::string rollup;
  Instant settled{};               // that end at or before it
  std::optional<Instant> expired;  // but not those that begin before it
  std::int64_t buckets = 0;        // about as many
  bool operator==(const RefreshRollup&) const = default;
};
// Computes the next stretch of history, newest first.
struct FillRollup {
  std::string rollup;
  std::optional<Instant> expired;  // buckets before it are not kept
  bool resume = false;             // below where it ended
  bool operator==(const FillRollup&) const = default;
};
// Counts a few buckets again and marks those that are wrong.
struct AuditRollup {
  std::string rollup;
  Instant settled{};  // as for a refresh
  std::optional<Instant> expired;
  bool operator==(const AuditRollup&) const = default;
};
// Compares all buckets of a partition that is to leave with its rows, and
// records that they agree.
struct ProveRollup {
  std::string rollup;
  TableRef partition;
  Range range;
  std::optional<Instant> expired;  // buckets before it are not kept
  bool operator==(const ProveRollup&) const = default;
};

// Takes the triggers away; the table stays.  `forget`: it is not in the policy
// any more, and nothing is kept to go on from.
struct StopRollup {
  std::string rollup;
  bool forget = false;
  bool operator==(const StopRollup&) const = default;
};

using Action =
    std::variant<FinalizeDetach, ForgetDetached, CreatePartition, CreateDefault, RemoveDefault,
                 ReplacePartitions, BeginDrain, FinishDrain, ReattachPartition, AddBoundCheck,
                 ValidateBoundCheck, DetachPartition, DropPartition, DeleteExpiredRows, AnalyzeParent,
                 PrepareConversion, BuildIndex, DropInvalidIndex, FenceConversion, FinishConversion,
                 UnfenceConversion, AbandonConversion, BeginRevert, MergeChild, DropChild, FinishRevert,
                 InstallRollup, RefreshRollup, FillRollup, AuditRollup, ProveRollup, StopRollup>;

// Visits actions by a lambda for each: a new action does not compile until each
// such place says what it means there.
template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

// The value of the metric label `action`: "create_partition", ...  Stable.
const char* Kind(const Action& action);
// Every value that Kind returns.
const std::vector<const char*>& Kinds();

// One line for people: "create partition public.t_p202611 [.., ..)".
std::string Describe(const Action& action, const Table& table);

// Whether rows, or a table that may hold rows, leave the parent by it.
bool Destructive(const Action& action);

// Rows that are removed for good end the way back from a conversion: whether
// this table has one, and what the journal says from then on.
bool EndsWayBack(const Table& table);
std::string WhyNoWayBack(const DropPartition& action);
std::string WhyNoWayBack(const DeleteExpiredRows& action);

// What it does to the parent's partitions: '+' adds one, '-' removes one or rows of
// it, '~' the rest.
char MarkOf(const Action& action);

// What is done again and again as rows arrive: that it is due is no sign of
// trouble.
bool Routine(const Action& action);

struct Lock {
  std::string mode;      // "ACCESS EXCLUSIVE", ...: the manual's names (13.3.1)
  std::string relation;  // quoted, schema-qualified
  std::string note;      // what happens under it
  bool operator==(const Lock&) const = default;
};

// The locks that matter to others: all but ACCESS SHARE, on other than new
// tables.
std::vector<Lock> LocksOf(const Action& action, const Table& table);

// What `table` becomes once `action` has run.  The database obeys the same
// rules: tests/integration/contract_test.cc holds the two side by side.
// REQUIRES: the action was planned for this table.
void Apply(const Action& action, Instant now, Table* table);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_ACTION_H_
