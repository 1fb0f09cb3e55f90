// What tables take on disk.

#ifndef PARTITION_CONTROLLER_CONTROLLER_SIZES_H_
#define PARTITION_CONTROLLER_CONTROLLER_SIZES_H_

#include <vector>

#include "controller/session.h"
#include "reconcilers/catalog.h"

namespace partition_controller {

// Of the partitions, the default one and what is detached, with their indexes
// and TOAST tables.  One that somebody has locked, or dropped meanwhile, is left
// out.  Throws DatabaseError.
std::vector<RelationSize> ReadSizes(Session& session, const Policy& policy, const Catalog& catalog);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_SIZES_H_
