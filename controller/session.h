// One connection to PostgreSQL, as the rest of the program sees it.
//
// The narrow waist to the database: real sessions (controller/postgres.h),
// sessions that fail or die on purpose, and sessions that only record all look
// the same.  Not thread-safe, but for Cancel().

#ifndef PARTITION_CONTROLLER_CONTROLLER_SESSION_H_
#define PARTITION_CONTROLLER_CONTROLLER_SESSION_H_

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace partition_controller {

// What a statement returned: text as PostgreSQL prints it.
struct Result {
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::int64_t affected = 0;
};

class DatabaseError : public std::runtime_error {
 public:
  enum class Kind {
    kUnreachable,  // no connection, or it broke: a new session is needed
    kAuthentication,
    kLockTimeout,    // 55P03, 40P01
    kCancelled,      // 57014: statement_timeout, or Cancel()
    kSerialization,  // 40001
    kPermission,     // 42501
    kReadOnly,       // 25006: this is a replica
    kStale,          // kStaleState, kNotEmptyState, 42P01, 42P07, 42P17, 23514, 55000: replan
    kFenced,         // another controller has taken the table over
    kOther,
  };

  DatabaseError(Kind kind, std::string sqlstate, const std::string& message)
      : std::runtime_error(message), kind_(kind), sqlstate_(std::move(sqlstate)) {}
  Kind kind() const { return kind_; }
  // Five characters, or empty if the driver lost it.
  const std::string& sqlstate() const { return sqlstate_; }

 private:
  Kind kind_;
  std::string sqlstate_;
};

// The kind for an SQLSTATE.
DatabaseError::Kind ClassifySqlState(const std::string& sqlstate);

class Session {
 public:
  virtual ~Session() = default;

  // Runs one statement (BEGIN and COMMIT included).  `parameters` are $1, $2,
  // ...; DDL takes none.  Throws DatabaseError, nothing else.
  virtual Result Query(const std::string& sql,
                       const std::vector<std::optional<std::string>>& parameters = {}) = 0;

  // Makes the running statement fail soon (kCancelled).  From any thread.
  virtual void Cancel() noexcept = 0;

  // Whether settings made outside a transaction hold for the next statement,
  // and for nobody else: not through a pooler.
  virtual bool KeepsSettings() { return false; }
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_SESSION_H_
