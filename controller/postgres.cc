#include "controller/postgres.h"

#include <algorithm>
#include <pqxx/pqxx>

namespace partition_controller {
namespace {

// Settings a session starts with; a pooler in transaction mode refuses the
// `options` parameter, so nothing depends on them (every transaction of ours
// sets what it needs, reconcilers/sql.h).
constexpr const char* kKeepalive =
    " application_name=partition-controller connect_timeout=5 keepalives=1 keepalives_idle=10 "
    "keepalives_interval=5 keepalives_count=3 tcp_user_timeout=15000 client_encoding=UTF8";

class Silent : public pqxx::errorhandler {
 public:
  using pqxx::errorhandler::errorhandler;
  bool operator()(const char[]) noexcept override { return false; }
};

// Whether a piece of a password that was not percent-encoded may have been
// taken for a host, a port or a database.
bool Ambiguous(const std::string& uri) {
  const std::size_t scheme = uri.find("://");
  if (scheme == std::string::npos) return false;
  const std::string rest = uri.substr(scheme + 3);
  const std::size_t at = rest.find('@');
  return at != std::string::npos &&
         (rest.find('@', at + 1) != std::string::npos || rest.find_first_of("/?#") < at);
}

// What libpq says once it has understood the connection string names host,
// port, user and database, and never the password.  What it says about a string
// that it does not understand quotes pieces of it.
std::string Safe(const std::string& message, const std::string& uri) {
  if (!Ambiguous(uri)) {
    for (const char* known : {"connection to server", "could not connect to server",
                              "could not translate host name", "timeout expired", "FATAL: "}) {
      if (message.starts_with(known)) return message;
    }
  }
  return "the connection string is malformed (its text is not shown); in a URI, @ : / ? # and % within a "
         "password "
         "are written %40 %3A %2F %3F %23 and %25";
}

// What libpq and the server say, in one line: their messages come in lines, with
// tabs, and go into conditions and logs, which would show "\x0A\x09".
std::string OneLine(const std::string& text) {
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
    const std::string blank = text.substr(at, end - at);
    line += blank.find_first_of("\t\r\n") == std::string::npos ? blank : " ";
    if (end < text.size()) line += text[end];
    at = end + 1;
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

bool LooksLikeAuthentication(const std::string& message) {
  for (const char* part : {"password authentication failed", "no password supplied", "authentication failed",
                           "no pg_hba.conf entry", "does not exist", "is not permitted to log in"}) {
    if (message.find(part) != std::string::npos) return true;
  }
  return false;
}

class PostgresSession : public Session {
 public:
  explicit PostgresSession(const std::string& uri) : connection_(uri), silent_(connection_) {
    // Details quote the values of rows.
    connection_.set_verbosity(pqxx::connection_base::terse);
  }

  Result Query(const std::string& sql, const std::vector<std::optional<std::string>>& parameters) override {
    if (broken_) throw DatabaseError(DatabaseError::Kind::kUnreachable, "", "the connection broke earlier");
    try {
      pqxx::nontransaction direct(connection_);
      const pqxx::result raw = parameters.empty() ? direct.exec(sql) : Bound(direct, sql, parameters);
      Result result;
      result.affected = static_cast<std::int64_t>(raw.affected_rows());
      result.rows.reserve(raw.size());
      for (const pqxx::row& row : raw) {
        auto& copy = result.rows.emplace_back();
        copy.reserve(row.size());
        for (const pqxx::field& field : row) {
          if (field.is_null()) {
            copy.emplace_back();
          } else {
            copy.emplace_back(std::string(field.c_str(), field.size()));
          }
        }
      }
      return result;
    } catch (const pqxx::broken_connection& e) {
      broken_ = true;
      throw DatabaseError(DatabaseError::Kind::kUnreachable, "",
                          "the connection broke: " + OneLine(e.what()));
    } catch (const pqxx::deadlock_detected& e) {
      throw DatabaseError(DatabaseError::Kind::kLockTimeout, "40P01", OneLine(e.what()));
    } catch (const pqxx::serialization_failure& e) {
      throw DatabaseError(DatabaseError::Kind::kSerialization, "40001", OneLine(e.what()));
    } catch (const pqxx::transaction_rollback& e) {
      throw DatabaseError(DatabaseError::Kind::kSerialization, "40000", OneLine(e.what()));
    } catch (const pqxx::insufficient_privilege& e) {
      throw DatabaseError(DatabaseError::Kind::kPermission, "42501", OneLine(e.what()));
    } catch (const pqxx::sql_error& e) {
      throw DatabaseError(ClassifySqlState(e.sqlstate()), e.sqlstate(), OneLine(e.what()));
    } catch (const pqxx::in_doubt_error& e) {
      throw DatabaseError(DatabaseError::Kind::kUnreachable, "", OneLine(e.what()));
    } catch (const std::exception& e) {
      throw DatabaseError(DatabaseError::Kind::kOther, "", OneLine(e.what()));
    }
  }

  // A pooler hands out process ids of its own.
  bool KeepsSettings() override {
    const Result asked = Query("SELECT pg_catalog.pg_backend_pid()", {});
    return asked.rows.at(0).at(0) == std::to_string(connection_.backendpid());
  }

  void Cancel() noexcept override {
    try {
      connection_.cancel_query();
    } catch (const std::exception&) {
      // Nothing was running, or the connection is gone: either way it stops.
    }
  }

 private:
  static pqxx::result Bound(pqxx::nontransaction& direct, const std::string& sql,
                            const std::vector<std::optional<std::string>>& parameters) {
    std::vector<const char*> values;
    values.reserve(parameters.size());
    for (const auto& parameter : parameters) values.push_back(parameter ? parameter->c_str() : nullptr);
    return direct.exec_params(sql, pqxx::prepare::make_dynamic_params(values.begin(), values.end()));
  }

  pqxx::connection connection_;
  Silent silent_;
  // libpqxx 6 would reconnect by itself and lose the transaction it was in.
  bool broken_ = false;
};

// Appends our parameters to a URI or a keyword string.
std::string WithSettings(const std::string& uri) {
  const bool is_uri = uri.starts_with("postgres://") || uri.starts_with("postgresql://");
  if (!is_uri) return uri + kKeepalive;
  std::string parameters(kKeepalive + 1);
  for (char& c : parameters) {
    if (c == ' ') c = '&';
  }
  return uri + (uri.find('?') == std::string::npos ? '?' : '&') + parameters;
}

}  // namespace

std::unique_ptr<Session> ConnectPostgres(const std::string& uri) {
  if (uri.empty()) {
    throw DatabaseError(DatabaseError::Kind::kAuthentication, "", "the connection string is empty");
  }
  try {
    return std::make_unique<PostgresSession>(WithSettings(uri));
  } catch (const std::exception& e) {
    const std::string message = OneLine(e.what());
    const auto kind = LooksLikeAuthentication(message) ? DatabaseError::Kind::kAuthentication
                                                       : DatabaseError::Kind::kUnreachable;
    throw DatabaseError(kind, "", Safe(message, uri));
  }
}

}  // namespace partition_controller
