// Tables that somebody looked after, and nobody does any more.
//
// The bookkeeping remembers under which Lease a table was looked after.  The
// next holder of that Lease finds there what its predecessors left behind; the
// Lease says which databases that may be in (controller/connection_record.h).
// It also remembers the table of a policy that names another one now.

#ifndef PARTITION_CONTROLLER_CONTROLLER_ORPHANS_H_
#define PARTITION_CONTROLLER_CONTROLLER_ORPHANS_H_

#include <string>
#include <vector>

#include "controller/session.h"
#include "crd/policy.h"

namespace partition_controller {

// The policies that keep tables of this database under the Lease of `any`, a
// policy of this session: as much of each as it takes to say farewell to its
// table.  Not those of copies of the database, of files, or of other clusters.
// None if the bookkeeping has another version.  Throws DatabaseError.
std::vector<Policy> ReadKept(Session& session, const Policy& any);

// The same for the tables that `policy` keeps or kept, under the same Lease or
// none, and that are there still.
std::vector<Policy> ReadKeptBy(Session& session, const Policy& policy);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_ORPHANS_H_
