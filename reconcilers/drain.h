// Ways to give a range a partition while the default partition holds rows.
// Internal to this folder.

#ifndef PARTITION_CONTROLLER_RECONCILERS_DRAIN_H_
#define PARTITION_CONTROLLER_RECONCILERS_DRAIN_H_

#include <string>
#include <vector>

#include "reconcilers/planning.h"

namespace partition_controller {

// Plans BeginDrain and FinishDrain that move the rows of `range` (none, some
// or millions) to `target`, which becomes its partition.  `target` has oid 0
// for a table to be made.
void MoveOut(Planning& planning, const Range& range, const TableRef& target, const std::string& reason);

// If nearly all rows of the default partition lie in one gap: plans to make
// the default itself the partition of that gap, as far as its rows reach.
// `pieces` are the ranges without a partition, in order; what the promoted one
// covers is taken out of them.  No row of the gap moves.
void Promote(Planning& planning, std::vector<Range>* pieces);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_DRAIN_H_
