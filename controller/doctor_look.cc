#include "controller/doctor_look.h"

#include "controller/fields.h"
#include "controller/read_transaction.h"
#include "reconcilers/quote.h"

namespace partition_controller {

std::string FirstLine(const DatabaseError& error) {
  const std::string message = error.what();
  return message.substr(0, message.find('\n'));
}

Oid DoctorsLook::Relation(const std::string& schema, const std::string& name) {
  const Result found = session_.Query(
      "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
      "WHERE "
      "n.nspname = $1 AND c.relname = $2",
      {schema, name});
  return found.rows.empty() ? 0 : ToOid(found.rows[0][0]);
}

std::vector<std::string> DoctorsLook::Grants(Oid relation) {
  const Result found = session_.Query(
      "SELECT n.nspname, c.relname, pg_catalog.has_schema_privilege(n.oid, 'USAGE'), "
      "pg_catalog.has_table_privilege(c.oid, 'SELECT') FROM pg_catalog.pg_class c JOIN "
      "pg_catalog.pg_namespace n "
      "ON n.oid = c.relnamespace WHERE c.oid = " +
      std::to_string(relation));
  std::vector<std::string> grants;
  const std::string to = " TO " + QuoteName(examined_.server.user) + ";";
  for (const Row& row : found.rows) {
    if (!Flag(row[2])) grants.push_back("GRANT USAGE ON SCHEMA " + QuoteName(Text(row[0])) + to);
    if (!Flag(row[3])) grants.push_back("GRANT SELECT ON " + QuoteName(Text(row[0]), Text(row[1])) + to);
  }
  return grants;
}

bool DoctorsLook::At(const std::string& what, const std::vector<std::string>& grants,
                     const std::function<void()>& look) {
  return UnlessRefused(session_, look, [&](const DatabaseError& error) {
    const bool denied = error.kind() == DatabaseError::Kind::kPermission;
    // With row_security = off a query fails of which rows would be hidden.
    Note(what, FirstLine(error), denied ? grants : std::vector<std::string>(),
         denied && grants.empty() ? "Ask as a role that may see all of it: its owner, for one." : "");
  });
}

void DoctorsLook::Note(const std::string& what, const std::string& why, const std::vector<std::string>& sql,
                       const std::string& advice) {
  examined_.not_looked_at.push_back({what, why, sql, advice});
}

}  // namespace partition_controller
