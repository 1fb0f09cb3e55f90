#include "controller/sizes.h"

#include <string>

#include "controller/fields.h"
#include "controller/read_transaction.h"

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
  ReadOnly(session, policy, Isolation::kReadCommitted, [&] {
    if (UnlessLocked(session, [&] { Measure(session, oids, &sizes); })) return;
    session.Query("SET LOCAL lock_timeout = '50ms'");
    for (const Oid oid : oids) UnlessLocked(session, [&] { Measure(session, {oid}, &sizes); });
  });
  return sizes;
}

}  // namespace partition_controller
