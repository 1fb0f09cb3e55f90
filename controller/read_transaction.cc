#include "controller/read_transaction.h"

#include "reconcilers/sql.h"

namespace partition_controller {
namespace {

bool Unless(Session& session, const std::function<void()>& look,
            const std::function<bool(const DatabaseError&)>& bears) {
  session.Query("SAVEPOINT look");
  try {
    look();
  } catch (const DatabaseError& error) {
    if (!bears(error)) throw;
    session.Query("ROLLBACK TO SAVEPOINT look; RELEASE SAVEPOINT look");
    return false;
  }
  session.Query("RELEASE SAVEPOINT look");
  return true;
}

}  // namespace

void ReadOnly(Session& session, const Policy& policy, Isolation isolation, const std::function<void()>& read,
              const std::string& also) {
  std::string begin = isolation == Isolation::kRepeatableRead
                          ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                          : "BEGIN READ ONLY";
  for (const std::string& setting : TransactionSettings(policy)) begin += "; " + setting;
  begin += "; SET LOCAL lock_timeout = '" + std::to_string(policy.locks.timeout.count()) +
           "ms'; SET LOCAL statement_timeout = '" + std::to_string(policy.locks.statement_timeout.count()) +
           "ms'";
  if (!also.empty()) begin += "; SET LOCAL " + also;
  try {
    session.Query(begin);
    read();
    session.Query("COMMIT");
  } catch (...) {
    try {
      session.Query("ROLLBACK");
    } catch (const DatabaseError&) {
      // The connection is gone, and the transaction with it.
    }
    throw;
  }
}

bool UnlessLocked(Session& session, const std::function<void()>& look) {
  return Unless(session, look,
                [](const DatabaseError& error) { return error.kind() == DatabaseError::Kind::kLockTimeout; });
}

bool UnlessRefused(Session& session, const std::function<void()>& look,
                   const std::function<void(const DatabaseError&)>& told) {
  return Unless(session, look, [&](const DatabaseError& error) {
    if (error.kind() == DatabaseError::Kind::kUnreachable) return false;
    if (told) told(error);
    return true;
  });
}

int BookkeepingVersion(Session& session) {
  const Result there =
      session.Query("SELECT pg_catalog.to_regclass('partition_controller.version') IS NOT NULL");
  if (there.rows.at(0).at(0) != "t") return 0;
  const Result known = session.Query("SELECT version FROM partition_controller.version");
  return known.rows.empty() ? 0 : std::stoi(known.rows[0][0].value());
}

}  // namespace partition_controller
