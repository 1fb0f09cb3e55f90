// Reads how far the rollups of a table are.  Internal to the catalog reader.

#ifndef PARTITION_CONTROLLER_CONTROLLER_ROLLUP_READER_H_
#define PARTITION_CONTROLLER_CONTROLLER_ROLLUP_READER_H_

#include "controller/session.h"
#include "reconcilers/catalog.h"

namespace partition_controller {

// Fills Table::rollups and Table::column_types.  `bookkeeping`: it can be read.
// Throws DatabaseError.
void ReadRollups(Session& session, const Policy& policy, bool bookkeeping, Catalog* catalog);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_ROLLUP_READER_H_
