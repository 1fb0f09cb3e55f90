// Reads how far the rollups of a table are.  Internal to the catalog reader.

#ifndef PARTITION_CONTROLLER_CONTROLLER_ROLLUP_READER_H_
#define PARTITION_CONTROLLER_CONTROLLER_ROLLUP_READER_H_

#include "controller/session.h"
#include "reconcilers/catalog.h"
#include "reconcilers/plan.h"

namespace partition_controller {

// Fills Table::rollups, Table::feed and Table::column_types.  `bookkeeping`: it can be read.
// Throws DatabaseError.
void ReadRollups(Session& session, const Policy& policy, const Now& now, bool bookkeeping, Catalog* catalog);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_ROLLUP_READER_H_
