// What the SQL of all actions is made of: new tables like the parent, locks in
// the order that stalls nobody, and checks that the world is as the plan saw it.
// Internal to this folder.

#ifndef PARTITION_CONTROLLER_RECONCILERS_SQL_WRITER_H_
#define PARTITION_CONTROLLER_RECONCILERS_SQL_WRITER_H_

#include <string>

#include "reconcilers/calendar.h"
#include "reconcilers/sql.h"

namespace partition_controller {

// Constraint and trigger names are looked up per table, so they can be fixed.
inline constexpr const char* kBoundCheck = "partition_controller_bounds";
inline constexpr const char* kDrainCheck = "partition_controller_drain";
inline constexpr const char* kDivert = "partition_controller_divert";

std::string Quoted(const TableRef& ref);

// Writes one transaction.  The table, policy and server must outlive it.
class SqlWriter {
 public:
  SqlWriter(const Policy& policy, const Table& table, const Server& server);

  Transaction Take() { return std::move(out_); }

 protected:
  // What foreign keys' triggers take to come and to go.
  static constexpr const char* kWriters = "SHARE ROW EXCLUSIVE";
  static constexpr const char* kEverybody = "ACCESS EXCLUSIVE";

  // Conditions on a column.
  std::string Inside(const std::string& column, const Range& range) const;
  std::string Outside(const std::string& column, const Range& range) const;

  // The columns that can be inserted into, each after `prefix`.
  std::string Columns(const std::string& prefix) const;
  // OVERRIDING SYSTEM VALUE, where an INSERT of all columns needs it.
  std::string Overriding() const;
  // "WITH moved AS (DELETE ... RETURNING ...) INSERT INTO target ...".
  std::string MoveRows(const std::string& from, const std::string& target, const std::string& where) const;

  // The function that a diverting trigger runs; one for each table.  `rights`
  // are whose it has and what it finds by name; `first` comes before the rest.
  static constexpr const char* kRightsOfOwner = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp";
  static constexpr const char* kRightsOfWriter = "SECURITY INVOKER";
  std::string FunctionName() const;
  std::string DivertFunction(const TableRef& from, const std::string& target, const std::string& rights,
                             const std::string& first = "") const;
  // A trigger that runs it for rows that `leaves` is true of.
  void CreateDivert(const TableRef& on, const char* name, const std::string& leaves);

  // As part of a template of format(), in single quotes.
  static std::string Doubled(const std::string& name);
  // Takes away whatever default privileges (ALTER DEFAULT PRIVILEGES) or earlier
  // times gave to others than the owner.
  static std::string RevokeAll(const std::string& table);

  // An empty table with what a partition needs and does not inherit.
  void MakeLikeParent(const std::string& name);
  // REPLICA IDENTITY USING INDEX names an index of the partition itself: the
  // one that ATTACH tied to the same index of the parent.
  void ReplicaIndex(const std::string& name);
  void Attach(const std::string& table, const Range& range);

  // Locks.  First the weak one, which waits out an autovacuum while nobody
  // waits for us; then the strong one.
  void Gentle(const TableRef& ref);
  void GentleParent();
  void Contend(Oid oid);
  // Adds it to `swift`; a condition is for who may not lock the table.
  void Lock(const std::string& quoted, const std::string& mode, const std::string& condition = "");
  void LockExclusive(const TableRef& ref);
  void LockParent();
  // An INSERT that is under way has looked up the partitions already: it would
  // still send a row of the new range to the default partition, which refuses
  // such rows from the moment of the ATTACH on.
  void LockWriters();
  void LockDefault();
  // The tables that the foreign keys point to come before the table itself, as
  // they do in whatever transaction adds rows to both: else we would wait for a
  // writer that waits for us, until the rung ends.  ATTACH, DETACH and DROP lock
  // them by themselves, without any privilege; LOCK TABLE wants one.
  void LockReferences(const std::string& mode);
  // All strong locks so far at one moment, if there is one: a queue for the
  // first of several stalls its clients until the last is there, and in a
  // deadlock with one of them until the rung ends.
  // REQUIRES: `swift` has no other locks
  void TryAtOnce() { out_.at_once = locks_; }

  // The same for what takes its lock in passing and knows no NOWAIT.
  void LockBy(const std::string& statement);

  // Fails unless the name still means this table and, for a partition, its
  // parent and bounds are what the plan saw.
  std::string Assertion(const TableRef& ref, const std::string& bounds) const;
  static std::string Raise(const std::string& when, const std::string& message, const char* state);
  void Expect(const TableRef& ref);
  void ExpectEmpty(const TableRef& ref);
  // A detached table of ours: no partition of anything, and our CHECK proves
  // what it holds.
  void ExpectDetached(const TableRef& ref);

  const Policy& policy_;
  const Table& table_;
  const Server& server_;
  KeyType key_;
  std::string parent_;  // quoted
  std::string column_;  // the time column, quoted
  Transaction out_;

 private:
  const Attributes* NewestSibling() const;
  std::vector<std::string> locks_;  // the same without waiting
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_SQL_WRITER_H_
