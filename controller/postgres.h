// Real sessions, on libpqxx: the only file that knows it.

#ifndef PARTITION_CONTROLLER_CONTROLLER_POSTGRES_H_
#define PARTITION_CONTROLLER_CONTROLLER_POSTGRES_H_

#include <memory>
#include <string>

#include "controller/session.h"

namespace partition_controller {

// Connects.  `uri` is a libpq connection string or URI and never shows up in a
// message.  The session's settings (UTC, ISO, fixed search_path, keepalives)
// travel in the connection string, where a pooler lets them, and are repeated
// with SET LOCAL in every transaction (controller/executor.h).
// Throws DatabaseError.
std::unique_ptr<Session> ConnectPostgres(const std::string& uri);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_POSTGRES_H_
