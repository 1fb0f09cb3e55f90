// The SQL of the way back from a conversion (docs/conversion.md).  Internal to
// this folder.

#ifndef PARTITION_CONTROLLER_RECONCILERS_SQL_REVERT_H_
#define PARTITION_CONTROLLER_RECONCILERS_SQL_REVERT_H_

#include "reconcilers/sql_convert.h"

namespace partition_controller {

// REQUIRES: Table::anatomy, but for DropChild and FinishRevert
class RevertSql : public ConversionSql {
 public:
  using ConversionSql::ConversionSql;
  using ConversionSql::operator();

  void operator()(const BeginRevert& a);
  void operator()(const MergeChild& a);
  void operator()(const DropChild& a);
  void operator()(const FinishRevert& a);

 private:
  void DetachAll();
  void GiveBackSequences();
  void GiveBackPrivileges();
  void GiveBackRowSecurity();
  void GiveBackTriggers();
  void GiveBackIndexes(const BeginRevert& a);
  // A trigger that passes over rows whose repetition is still in a child, which
  // the plain table's unique keys do not see.
  void PassOverRepeats(const Conversion& conversion);
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_SQL_REVERT_H_
