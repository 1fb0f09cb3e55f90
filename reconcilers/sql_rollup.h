// The SQL of the steps that look after rollups, and what other steps owe them.
// Internal to this folder.

#ifndef PARTITION_CONTROLLER_RECONCILERS_SQL_ROLLUP_H_
#define PARTITION_CONTROLLER_RECONCILERS_SQL_ROLLUP_H_

#include <string>
#include <vector>

#include "reconcilers/rollup_sql.h"
#include "reconcilers/sql_writer.h"

namespace partition_controller {

class RollupWriter : public SqlWriter {
 public:
  using SqlWriter::SqlWriter;

  void operator()(const InstallRollup& a);
  void operator()(const RefreshRollup& a);
  void operator()(const FillRollup& a);
  void operator()(const AuditRollup& a);
  void operator()(const ProveRollup& a);
  void operator()(const StopRollup& a);

 protected:
  // Those that were made and are in the policy, for `table` (quoted).
  std::vector<RollupSql> MadeRollups(const std::string& table) const;
  // A partition that is about to leave: all of it is in every rollup, and what
  // is stored stays.
  void SealRollups(const TableRef& partition, const Range& range);
  // It is back.
  void UnsealRollups(Oid oid, const Range& range);
  // Of the table of a rollup: its buckets go, and are not made again.
  void NoteGone(const Range& range);
  std::string Gone(const std::string& before) const;
  // Those of the partition are back, and what changed meanwhile is computed.
  void NoteBack(Oid oid, const Range& range);
  // Nobody knows what was done to its rows, or to the rollup, while it was away.
  void MarkRange(const TableRef& partition, const Range& range);
  // PL/pgSQL for a trigger that diverts a row.
  std::string HoldMarks() const;
  void ReleaseMarks();
  // The rows of `from` were written where no trigger saw them.
  void MarkRows(const std::string& from);
  // The triggers stand on `to` (both quoted) from now on.
  void MoveRollupTriggers(const std::string& from, const std::string& to);
  // Deletes rows batch by batch, and no bucket changes by it.
  void DeleteRowsUnderRollups(const DeleteExpiredRows& a);

 private:
  const RollupState& StateOf(const std::string& name) const;
  RollupSql For(const std::string& name) const;
  void ForgetFed(const RollupState& state);
  std::string ExpectFed(const std::string& from, const std::string& to) const;
  std::string Time(const Bound& bound) const;
  bool AfterRollup() const;
  // Names still mean the tables that the plan saw.
  void ExpectTables(const std::string& name);
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_SQL_ROLLUP_H_
