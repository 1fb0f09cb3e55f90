// Tables whose policy was deleted while no controller ran.
//
// The bookkeeping remembers under which Lease a table was looked after.  The
// next holder of that Lease finds there what its predecessors left behind, as
// far as some living policy leads to the same database.

#ifndef PARTITION_CONTROLLER_CONTROLLER_ORPHANS_H_
#define PARTITION_CONTROLLER_CONTROLLER_ORPHANS_H_

#include <string>
#include <vector>

#include "controller/session.h"
#include "crd/policy.h"

namespace partition_controller {

// The policies that keep tables of this database under the Lease with that uid:
// as much of each as it takes to say farewell to its table.  Not those of copies
// of the database, of files, or of other clusters.  `any` is a policy of this
// session.  Throws DatabaseError.
// REQUIRES: the bookkeeping has our version
std::vector<Policy> ReadKept(Session& session, const Policy& any, const std::string& lease_uid);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_ORPHANS_H_
