#include "controller/orphans.h"

#include "controller/fields.h"
#include "controller/read_transaction.h"
#include "reconcilers/catalog.h"

namespace partition_controller {

namespace {

// By its oid: the table may have another name by now.
constexpr char kQuery[] =
    "SELECT k.policy_namespace, k.policy_name, coalesce(n.nspname, k.schema_name), coalesce(c.relname, "
    "k.table_name), k.time_column, c.relkind = 'r' FROM partition_controller.tables k LEFT JOIN "
    "pg_catalog.pg_class c ON c.oid = k.table_oid LEFT JOIN pg_catalog.pg_namespace n ON n.oid = "
    "c.relnamespace WHERE k.time_column IS NOT NULL AND k.database_oid = (SELECT d.oid FROM "
    "pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) AND k.system_identifier = "
    "(SELECT s.system_identifier::text FROM pg_catalog.pg_control_system() s) AND ";

std::vector<Policy> Read(Session& session, const Policy& any, const std::string& which,
                         const std::vector<std::optional<std::string>>& parameters) {
  Result found;
  ReadOnly(session, any, Isolation::kReadCommitted, [&] {
    if (BookkeepingVersion(session) == kBookkeepingVersion) found = session.Query(kQuery + which, parameters);
  });
  std::vector<Policy> kept;
  for (const Row& row : found.rows) {
    Policy& policy = kept.emplace_back();
    policy.name_space = Text(row[0]);
    policy.name = Text(row[1]);
    policy.connection = any.connection;
    policy.table = {Text(row[2]), Text(row[3])};
    policy.time_column = Text(row[4]);
    policy.locks = any.locks;
    policy.origin.cluster = any.origin.cluster;
    // A plain table is nothing to complain about here.
    if (Flag(row[5])) policy.partitioning.state = Partitioning::State::kDisabled;
  }
  return kept;
}

}  // namespace

std::vector<Policy> ReadKept(Session& session, const Policy& any) {
  return Read(session, any, "k.cluster_uid = $1", {any.origin.cluster});
}

std::vector<Policy> ReadKeptBy(Session& session, const Policy& policy) {
  std::optional<std::string> cluster;
  if (!policy.origin.cluster.empty()) cluster = policy.origin.cluster;
  return Read(session, policy,
              "c.oid IS NOT NULL AND k.policy_namespace = $1 AND k.policy_name = $2 AND k.cluster_uid IS NOT "
              "DISTINCT FROM $3",
              {policy.name_space, policy.name, cluster});
}

}  // namespace partition_controller
