#include "controller/sizes.h"

#include <string>

#include "controller/fields.h"
#include "reconcilers/sql.h"

namespace partition_controller {
namespace {

void Measure(Session& session, const std::vector<Oid>& oids, std::vector<RelationSize>* sizes) {
  std::string array;
  for (const Oid oid : oids) array += (array.empty() ? "" : ",") + std::to_string(oid);
  const Result found = session.Query(
      "SELECT o.oid, coalesce((SELECT sum(pg_catalog.pg_total_relation_size(t.relid)) FROM "
      "pg_catalog.pg_partition_tree(o.oid::regclass) t), pg_catalog.pg_total_relation_size(o.oid::regclass)) "
      "FROM unnest('{" +
      array + "}'::oid[]) WITH ORDINALITY AS o (oid, ord) ORDER BY o.ord");
  for (const Row& row : found.rows) {
    if (row[1]) sizes->push_back({ToOid(row[0]), Number(row[1])});
  }
}

}  // namespace

std::vector<RelationSize> ReadSizes(Session& session, const Policy& policy, const Catalog& catalog) {
  std::vector<RelationSize> sizes;
  if (!catalog.table) return sizes;
  const Table& table = *catalog.table;
  std::vector<Oid> oids;
  if (table.kind == Table::Kind::kPlain) oids.push_back(table.oid);
  for (const Partition& partition : table.partitions) {
    if (partition.kind != Partition::Kind::kForeign) oids.push_back(partition.oid);
  }
  if (table.default_partition) oids.push_back(table.default_partition->partition.oid);
  for (const Detached& detached : table.detached) {
    if (detached.exists && !detached.attached) oids.push_back(detached.oid);
  }
  if (oids.empty()) return sizes;
  std::string begin = "BEGIN READ ONLY";
  for (const std::string& setting : TransactionSettings(policy)) begin += "; " + setting;
  try {
    session.Query(begin + "; SET LOCAL lock_timeout = '" + std::to_string(policy.locks.timeout.count()) +
                  "ms'; SET LOCAL statement_timeout = '" +
                  std::to_string(policy.locks.statement_timeout.count()) + "ms'; SAVEPOINT sizes");
    try {
      Measure(session, oids, &sizes);
    } catch (const DatabaseError& error) {
      if (error.kind() != DatabaseError::Kind::kLockTimeout) throw;
      session.Query("ROLLBACK TO SAVEPOINT sizes; SET LOCAL lock_timeout = '50ms'");
      for (const Oid oid : oids) {
        session.Query("SAVEPOINT size");
        try {
          Measure(session, {oid}, &sizes);
        } catch (const DatabaseError& e) {
          if (e.kind() != DatabaseError::Kind::kLockTimeout) throw;
          session.Query("ROLLBACK TO SAVEPOINT size");
        }
      }
    }
    session.Query("COMMIT");
  } catch (const DatabaseError&) {
    try {
      session.Query("ROLLBACK");
    } catch (const DatabaseError&) {
      // The connection is gone, and the transaction with it.
    }
    throw;
  }
  return sizes;
}

}  // namespace partition_controller
