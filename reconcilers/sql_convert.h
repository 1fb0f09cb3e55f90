// The SQL of the steps of a conversion (docs/conversion.md).  Internal to this
// folder.

#ifndef PARTITION_CONTROLLER_RECONCILERS_SQL_CONVERT_H_
#define PARTITION_CONTROLLER_RECONCILERS_SQL_CONVERT_H_

#include "reconcilers/sql_rollup.h"

namespace partition_controller {

// "key = key AND ..." of two rows, for what the index holds unique.
std::string SameKey(const TableIndex& index, const std::string& row, const std::string& other);

// REQUIRES: Table::anatomy, but for UnfenceConversion and AbandonConversion
class ConversionSql : public RollupWriter {
 public:
  using RollupWriter::RollupWriter;
  using RollupWriter::operator();

  void operator()(const PrepareConversion& a);
  void operator()(const BuildIndex& a);
  void operator()(const DropInvalidIndex& a);
  void operator()(const FenceConversion& a);
  void operator()(const FinishConversion& a);
  void operator()(const UnfenceConversion& a);
  void operator()(const AbandonConversion& a);

 protected:
  TableRef Plain() const { return {table_.oid, table_.schema, table_.name, ""}; }
  // A table, index or sequence of the table's schema.
  std::string Here(const std::string& name) const;

  void ExpectShape(const Conversion& conversion);
  // Readers lock a view before the tables below it, and so must we.
  void LockViews();
  // The table's and its columns' privileges for another table, which has them
  // and no others then.
  std::vector<std::string> PrivilegeSql(const std::string& table) const;
  // The application's triggers, made for another table.
  std::vector<std::string> TriggerSql(const std::string& table) const;
  // The comments on what belongs to the table, when all has its own name.
  void PutComments();
  // What refers to the table by its oid refers to the one that has its name
  // now, and no more to `former` (quoted).
  void PointOthersHere(const std::string& former);

 private:
  void MakePartitioned(const PrepareConversion& a);
  void AddIndexes(const Conversion& conversion, Table* partitioned);
  void AddPolicies(const std::string& table);
  void AddPartitions(const PrepareConversion& a, const Table& partitioned);
  std::string RefuseUnknownValues() const;
  // Moves what lies beyond the cut, and says so if something does that may not.
  void MoveBeyond(const FinishConversion& a);
  void KeepOlderRows(const std::string& partitioned, const std::string& cut);
  void DropDivert();
  void MoveSequences(const Conversion& conversion);
  void ExchangeNames(const Conversion& conversion);
  void AttachHistory(const Conversion& conversion);
  std::string MoveBack(const std::string& partitioned) const;
  // Those that fire for rows that are moved.
  void SwitchTriggers(bool on);
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_SQL_CONVERT_H_
