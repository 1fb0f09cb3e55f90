// What the files of a conversion share.  Internal to this folder.

#ifndef PARTITION_CONTROLLER_RECONCILERS_CONVERT_H_
#define PARTITION_CONTROLLER_RECONCILERS_CONVERT_H_

#include "reconcilers/planning.h"

namespace partition_controller {

// Refuses what cannot be carried over.  REQUIRES: Table::anatomy
void CheckConvertible(Planning& planning);
// What changes for the application, and what may take long.
void AdviseConversion(Planning& planning);

// Nothing if there is none.
const TableIndex* PrimaryKey(const Anatomy& anatomy);
// Unique, and no rule of a partitioned table.
bool WouldWeaken(const TableIndex& index);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_CONVERT_H_
