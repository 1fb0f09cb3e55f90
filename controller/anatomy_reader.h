// Reads what a table consists of, for a conversion.

#ifndef PARTITION_CONTROLLER_CONTROLLER_ANATOMY_READER_H_
#define PARTITION_CONTROLLER_CONTROLLER_ANATOMY_READER_H_

#include <string>

#include "controller/session.h"
#include "reconcilers/catalog.h"

namespace partition_controller {

// In the caller's transaction, which has our settings (reconcilers/sql.h).
// Rows beyond the cut are not counted yet.  Throws DatabaseError.
Anatomy ReadAnatomy(Session& session, const Server& server, const Table& table,
                    const std::string& time_column);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_ANATOMY_READER_H_
