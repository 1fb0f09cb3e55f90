// Actions as SQL.  Pure: names are quoted here, bounds are absolute instants,
// and every statement checks the identity of what it changes.

#ifndef PARTITION_CONTROLLER_RECONCILERS_SQL_H_
#define PARTITION_CONTROLLER_RECONCILERS_SQL_H_

#include <string>
#include <vector>

#include "crd/policy.h"
#include "reconcilers/action.h"

namespace partition_controller {

// One transaction, in the order in which it takes its locks, so that it never
// queues in front of others for long (docs/design.md, "Locks").
struct Transaction {
  enum class Repeat {
    kOnce,
    kUntilNoRows,  // the last statement of `work`, until it changes nothing
    kAlone,        // `work` is one statement that runs outside a transaction
    // The last statement of `work` returns whether there is more to do and how
    // many rows it was about; until there is not.
    kWhileMore,
    kOverPages,  // the same over `pages_of`, kPagesPerBatch pages at a time: $1 and $2 are page numbers
  };

  std::vector<std::string> work;    // may be long; takes no lock that stalls readers or writers
  std::vector<std::string> gentle;  // SHARE UPDATE EXCLUSIVE: waits out an autovacuum
  std::vector<std::string> swift;   // under strong locks: only metadata, milliseconds
  // The strong locks of `swift`, in its order, as PL/pgSQL that does not wait
  // for them: to be tried until all are free at one moment.  Empty if a try is
  // not worth it.
  std::vector<std::string> at_once;
  // The relations that `swift` locks against readers and writers, as SQL
  // expressions of type oid: to look who is in the way.
  std::vector<std::string> contended;
  // Until it commits, rows that clients wrote are out of sight: locks are worth
  // waiting longer for than others.
  bool urgent = false;
  // Nothing is lost by coming back for it: it gives up after locks.timeout or a little
  // more, so that the worker's other tables do not wait with it.
  bool can_wait = false;
  // Only once the transactions of now have ended: one that is older than the
  // moving of rows sees them where they were, and that place is about to go.
  bool after_others = false;
  // All of it sees one snapshot, and is tried again if somebody else has changed
  // what it changes (REPEATABLE READ).
  bool one_snapshot = false;
  Repeat repeat = Repeat::kOnce;
  std::string pages_of;  // quoted
  bool operator==(const Transaction&) const = default;
};

inline constexpr int kRowsPerBatch = 5'000;
inline constexpr int kPagesPerBatch = 64;
inline constexpr int kBucketsPerBatch = 500;

// What SQL raises when the world is not as the plan saw it: the plan is void,
// nothing was changed.  In the class of user-defined states.
inline constexpr const char* kStaleState = "PC001";
// The same for a partition that was to be replaced and is not empty.
inline constexpr const char* kNotEmptyState = "PC002";

// `table` is the table as it is when the action runs.
Transaction Render(const Action& action, const Policy& policy, const Table& table, const Server& server);

// An SQL expression: a fingerprint of all that a conversion carries over from
// the plain table, but for what the conversion itself adds to it.
std::string ShapeSql(Oid plain, const std::string& name);
// An SQL condition: the function with that oid is what a rollup's triggers run.
std::string OfRollupSql(const std::string& function);
// An SQL condition: the row named `row` of a child repeats a unique key of the
// table on its way back.  REQUIRES: Table::anatomy
std::string RepeatsKeySql(const Table& table, const std::string& row);

// What every transaction of ours sets for itself, since nothing may depend on
// the session: time zone, date style, search path, lock and idle timeouts, and
// the policy's role.
std::vector<std::string> TransactionSettings(const Policy& policy);

// The whole plan for psql: the bookkeeping schema if it is missing, the claim
// of the table, then each step in its transaction; comments give the reasons.
struct Plan;
std::string RenderScript(const Plan& plan, const Policy& policy, const Catalog& catalog);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_SQL_H_
