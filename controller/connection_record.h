// The connections under which tables are looked after, as the holder of the
// Lease notes them there: its successor finds by them the databases to which no
// policy leads any more.  Pure.

#ifndef PARTITION_CONTROLLER_CONTROLLER_CONNECTION_RECORD_H_
#define PARTITION_CONTROLLER_CONTROLLER_CONNECTION_RECORD_H_

#include <set>
#include <string>

#include "crd/policy.h"

namespace partition_controller {

// As JSON, in order; those of them that fit into an annotation.  They are all
// references to Secrets.
std::string ToRecord(const std::set<ConnectionSpec>& connections);

// What makes no sense is passed over.
std::set<ConnectionSpec> ReadRecord(const std::string& record);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_CONNECTION_RECORD_H_
