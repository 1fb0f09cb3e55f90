// A PgBouncer in transaction mode in front of a test's server.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_PGBOUNCER_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_PGBOUNCER_H_

#include <memory>
#include <string>

#include "tests/support/postgres_server.h"
#include "tests/support/process.h"

namespace partition_controller {

class PgBouncer {
 public:
  // Everybody becomes `user` at the server.  `settings` are lines for its
  // [pgbouncer] section.  Throws std::runtime_error if it does not come up.
  explicit PgBouncer(const PostgresServer& server, const std::string& user = "postgres",
                     const std::string& settings = "");

  static bool Available();

  std::string Uri(const std::string& database) const;
  std::string Log() const { return process_->Err() + process_->Out(); }

 private:
  ScratchFolder folder_;
  int port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_PGBOUNCER_H_
