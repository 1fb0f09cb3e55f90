// Reads catalogs: one snapshot query for all policies of a database, then
// bounded probes where a default partition or a row delete needs them.

#ifndef PARTITION_CONTROLLER_CONTROLLER_CATALOG_READER_H_
#define PARTITION_CONTROLLER_CONTROLLER_CATALOG_READER_H_

#include <vector>

#include "controller/session.h"
#include "reconcilers/plan.h"

namespace partition_controller {

// One catalog for each policy, in their order, all from one snapshot.  All
// policies must be of this session's database and have the same
// connection.role.  Throws DatabaseError; then nothing was observed, which is
// no reason to act.
std::vector<Catalog> ReadCatalogs(Session& session, const std::vector<const Policy*>& policies,
                                  const Now& now);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_CATALOG_READER_H_
