#include "controller/doctor_reader.h"

#include <algorithm>
#include <set>

#include "controller/doctor_look.h"
#include "controller/fields.h"
#include "controller/read_transaction.h"
#include "reconcilers/bookkeeping.h"
#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

class Reader {
 public:
  explicit Reader(Session& session) : session_(session), look_(session, &examined_) {}

  Examined Read(const std::vector<Policy>& policies) {
    ReadServer();
    ReadTables();
    ReadPartitions();
    ReadTriggers();
    for (ExaminedTable& table : examined_.tables) {
      UnlessRefused(
          session_, [&] { CountDefault(&table); },
          [&](const DatabaseError& error) { table.default_error = FirstLine(error); });
    }
    for (const Policy& policy : policies) ReadPlainIndex(policy);
    ReadKeepers();
    if (examined_.keepers_known) ReadLeftovers();
    ReadOtherTools(session_, look_, &examined_);
    return std::move(examined_);
  }

 private:
  ExaminedTable* TableOf(Oid oid) {
    const auto found = std::find_if(examined_.tables.begin(), examined_.tables.end(),
                                    [oid](const ExaminedTable& table) { return table.oid == oid; });
    return found == examined_.tables.end() ? nullptr : &*found;
  }

  // Our sessions have their own TimeZone; that of the log is as near to the
  // server's as can be told.
  void ReadServer() {
    const Row row = session_
                        .Query(
                            "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint, "
                            "pg_catalog.current_setting('server_version_num'), d.oid, d.datname, "
                            "CURRENT_USER::text, coalesce((SELECT s.setting FROM pg_catalog.pg_settings s "
                            "WHERE s.name = 'log_timezone'), 'UTC') FROM pg_catalog.pg_database d WHERE "
                            "d.datname = pg_catalog.current_database()")
                        .rows.at(0);
    examined_.server.time = Micros(row[0]);
    examined_.server.version = static_cast<int>(Number(row[1]));
    examined_.server.database = ToOid(row[2]);
    examined_.server.database_name = Text(row[3]);
    examined_.server.user = Text(row[4]);
    examined_.time_zone = Text(row[5]);
  }

  void ReadTables() {
    const Result found = session_.Query(
        "SELECT c.oid, n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), "
        "EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred "
        "IS NULL AND i.indkey[0] = a.attnum), NOT EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.relname "
        "= "
        "c.relname AND o.relkind IN ('r', 'p', 'v', 'm', 'f') AND o.oid <> c.oid) "
        "FROM pg_catalog.pg_partitioned_table t JOIN pg_catalog.pg_class c ON c.oid = t.partrelid JOIN "
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = "
        "c.oid AND a.attnum = t.partattrs[0] WHERE t.partstrat = 'r' AND t.partnatts = 1 AND a.atttypid IN "
        "('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype) AND NOT c.relispartition AND "
        "n.nspname <> 'partition_controller' ORDER BY n.nspname, c.relname");
    for (const Row& row : found.rows) {
      ExaminedTable& table = examined_.tables.emplace_back();
      table.oid = ToOid(row[0]);
      table.schema = Text(row[1]);
      table.name = Text(row[2]);
      table.key_column = Text(row[3]);
      table.key_type = Text(row[4]);
      table.has_time_index = Flag(row[5]);
      table.only_of_its_name = Flag(row[6]);
    }
  }

  void ReadPartitions() {
    const std::string pending = examined_.server.version >= 140'000 ? "i.inhdetachpending" : "false";
    const Result found = session_.Query(
        "SELECT i.inhparent, c.oid, n.nspname, c.relname, c.relkind, " + pending +
        ", pg_catalog.pg_get_expr(c.relpartbound, c.oid), EXISTS (SELECT FROM pg_catalog.pg_index x JOIN "
        "pg_catalog.pg_class xc ON xc.oid = x.indexrelid JOIN pg_catalog.pg_am m ON m.oid = xc.relam JOIN "
        "pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0] JOIN "
        "pg_catalog.pg_attribute k ON k.attrelid = i.inhparent AND k.attnum = t.partattrs[0] WHERE "
        "x.indrelid "
        "= c.oid AND x.indisvalid AND x.indpred IS NULL AND x.indnatts = 1 AND m.amname = 'btree' AND NOT "
        "x.indisunique AND a.attname = k.attname) FROM pg_catalog.pg_inherits i JOIN "
        "pg_catalog.pg_class c ON c.oid = i.inhrelid JOIN pg_catalog.pg_namespace n ON n.oid = "
        "c.relnamespace JOIN pg_catalog.pg_partitioned_table t ON t.partrelid = i.inhparent WHERE c.relkind "
        "IN ('r', 'p', 'f')");
    for (const Row& row : found.rows) {
      ExaminedTable* table = TableOf(ToOid(row[0]));
      if (table == nullptr) continue;
      Partition partition;
      partition.oid = ToOid(row[1]);
      partition.schema = Text(row[2]);
      partition.name = Text(row[3]);
      partition.kind = PartitionKind(row[4]);
      partition.detach_pending = Flag(row[5]);
      partition.bounds = Text(row[6]);
      if (Flag(row[7])) table->indexed.push_back(partition.oid);
      const std::optional<ParsedBounds> bounds = ParseBounds(partition.bounds);
      if (bounds && bounds->is_default) {
        table->default_partition = partition;
        continue;
      }
      if (bounds) partition.range = bounds->range;
      table->partitions.push_back(std::move(partition));
    }
    for (ExaminedTable& table : examined_.tables) SortPartitions(&table.partitions);
  }

  void CountDefault(ExaminedTable* table) {
    if (!table->default_partition) return;
    table->default_rows = -1;
    table->default_grants = look_.Grants(table->default_partition->oid);
    const std::string name = QuoteName(table->default_partition->schema, table->default_partition->name);
    const std::string column = QuoteName(table->key_column);
    const auto count = [&](const std::string& condition) {
      return Number(session_
                        .Query("SELECT count(*) FROM (SELECT FROM ONLY " + name + condition + " LIMIT " +
                               std::to_string(kMostCounted) + ") r")
                        .rows.at(0)
                        .at(0));
    };
    const std::int64_t rows = count("");
    table->default_rows_ahead =
        rows == 0 ? 0 : count(" WHERE " + column + " >= pg_catalog.date_trunc('day', pg_catalog.now())");
    table->default_rows = rows;
  }

  void ReadPlainIndex(const Policy& policy) {
    const Result found = session_.Query(
        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN "
        "pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = $1 AND c.relname = $2 AND "
        "a.attname = "
        "$3 AND c.relkind = 'r' AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, "
        "'date'::regtype) AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND "
        "i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum)",
        {policy.table.schema, policy.table.name, policy.time_column});
    if (found.rows.empty()) return;
    examined_.unindexed.push_back({policy.table.schema, policy.table.name, policy.time_column});
  }

  void ReadTriggers() {
    // What is cloned from the parent is told once, there.
    const Result found = session_.Query(
        "SELECT coalesce(i.inhparent, c.oid), n.nspname, c.relname, g.tgname, coalesce(e.extname, ''), "
        "p.prosrc ~* 'PARTITION\\s+OF' OR g.tgname ~ '_part_trig$' FROM "
        "pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid JOIN "
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid "
        "LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_catalog.pg_depend d ON "
        "d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' LEFT JOIN "
        "pg_catalog.pg_extension e ON e.oid = d.refobjid WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND "
        "g.tgname NOT LIKE 'partition\\_controller%' AND g.tgparentid = 0 ORDER BY c.oid, g.tgname");
    for (const Row& row : found.rows) {
      if (ExaminedTable* table = TableOf(ToOid(row[0]))) {
        table->triggers.push_back({Text(row[1]), Text(row[2]), Text(row[3]), Text(row[4]), Flag(row[5])});
      }
    }
  }

  void ReadKeepers() {
    if (look_.Relation("partition_controller", "version") == 0) return;
    const std::string what =
        "the bookkeeping (schema partition_controller), which says who looks after which table";
    const std::string to = " TO " + QuoteName(examined_.server.user) + ";";
    const std::vector<std::string> grants = {
        "GRANT USAGE ON SCHEMA partition_controller" + to,
        "GRANT SELECT ON ALL TABLES IN SCHEMA partition_controller" + to};
    std::int64_t version = 0;
    examined_.keepers_known = look_.At(what, grants, [&] {
      version =
          Number(session_.Query("SELECT max(version) FROM partition_controller.version").rows.at(0).at(0));
    });
    if (version > kBookkeepingVersion) {
      look_.Note(what,
                 "it has version " + std::to_string(version) + ", made by a newer release; this one knows " +
                     std::to_string(kBookkeepingVersion),
                 {}, "Run the newer release.");
      examined_.keepers_known = false;
    }
    if (version < 1 || version > kBookkeepingVersion) return;
    examined_.keepers_known = look_.At(what, grants, [&] {
      struct Known {
        const char* table;
        const char* column;
        const char* where;
      };
      // What is recorded as attached, and is not, was detached by somebody else.
      for (const auto& [table, column, where] :
           {Known{"partitions", "partition_oid", " WHERE state <> 'attached'"},
            Known{"drains", "target_oid", ""}, Known{"conversions", "plain_oid", ""},
            Known{"conversions", "parent_oid", ""}}) {
        // Older versions lack some.
        if (look_.Relation("partition_controller", table) == 0) continue;
        const std::string query =
            std::string("SELECT ") + column + " FROM partition_controller." + table + where;
        for (const Row& row : session_.Query(query).rows) known_.insert(ToOid(row[0]));
      }
      const Result kept = session_.Query(
          "SELECT k.table_oid, k.policy_namespace || '/' || k.policy_name, c.oid IS NOT NULL, k.schema_name, "
          "k.table_name FROM partition_controller.tables k LEFT JOIN pg_catalog.pg_class c ON c.oid = "
          "k.table_oid ORDER BY k.table_oid");
      for (const Row& row : kept.rows) {
        const Oid oid = ToOid(row[0]);
        if (ExaminedTable* table = TableOf(oid)) table->kept_by = Text(row[1]);
        if (Flag(row[2])) continue;
        examined_.orphans.push_back(
            {Orphan::Kind::kTable,
             oid,
             QuoteName(Text(row[3]), Text(row[4])),
             Text(row[1]),
             {"DELETE FROM partition_controller.tables WHERE table_oid = " + std::to_string(oid) + ";"}});
      }
      const Result detached = session_.Query(
          "SELECT p.partition_oid, n.nspname, c.relname FROM partition_controller.partitions p JOIN "
          "pg_catalog.pg_class c ON c.oid = p.partition_oid JOIN pg_catalog.pg_namespace n ON n.oid = "
          "c.relnamespace WHERE p.state = 'detached' AND NOT EXISTS (SELECT FROM pg_catalog.pg_class t WHERE "
          "t.oid = p.table_oid) ORDER BY p.partition_oid");
      for (const Row& row : detached.rows) {
        const std::string name = QuoteName(Text(row[1]), Text(row[2]));
        examined_.orphans.push_back({Orphan::Kind::kDetached,
                                     ToOid(row[0]),
                                     name,
                                     "",
                                     {"DROP TABLE " + name + ";",
                                      "DELETE FROM partition_controller.partitions WHERE partition_oid = " +
                                          std::to_string(ToOid(row[0])) + ";"}});
      }
      const Result triggers = session_.Query(
          "SELECT c.oid, n.nspname, c.relname, g.tgname FROM pg_catalog.pg_trigger g JOIN "
          "pg_catalog.pg_class c ON c.oid = g.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = "
          "c.relnamespace WHERE g.tgname LIKE 'partition\\_controller%' AND NOT g.tgisinternal AND NOT "
          "EXISTS "
          "(SELECT FROM partition_controller.tables k WHERE k.table_oid = c.oid) AND NOT EXISTS (SELECT FROM "
          "pg_catalog.pg_inherits i JOIN partition_controller.tables k ON k.table_oid = i.inhparent WHERE "
          "i.inhrelid = c.oid) AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid "
          "AND c.relispartition) ORDER BY c.oid, g.tgname");
      for (const Row& row : triggers.rows) {
        const std::string name = QuoteName(Text(row[1]), Text(row[2]));
        examined_.orphans.push_back({Orphan::Kind::kTrigger,
                                     ToOid(row[0]),
                                     name,
                                     "",
                                     {"DROP TRIGGER " + QuoteName(Text(row[3])) + " ON " + name + ";"}});
      }
    });
  }

  // Tables that look as if they had been partitions: with the same columns, and a
  // name or a CHECK for a time.  Those that the controller knows are none.
  void ReadLeftovers() {
    const Result found = session_.Query(
        "WITH shapes AS (SELECT a.attrelid, pg_catalog.string_agg(pg_catalog.format('%I %s %s', a.attname, "
        "a.atttypid, a.atttypmod), ',' ORDER BY a.attname) AS shape FROM pg_catalog.pg_attribute a JOIN "
        "pg_catalog.pg_class c ON c.oid = a.attrelid WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT "
        "a.attisdropped GROUP BY a.attrelid) SELECT t.partrelid, c.oid, n.nspname, c.relname, EXISTS (SELECT "
        "FROM "
        "pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = "
        "ARRAY[a.attnum] "
        "AND pg_catalog.pg_get_constraintdef(k.oid) ~ '>=.* < ') FROM pg_catalog.pg_partitioned_table t JOIN "
        "shapes "
        "p ON p.attrelid = t.partrelid JOIN shapes s ON s.shape = p.shape JOIN pg_catalog.pg_class c ON "
        "c.oid = "
        "s.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute k "
        "ON "
        "k.attrelid = t.partrelid AND k.attnum = t.partattrs[0] JOIN pg_catalog.pg_attribute a ON a.attrelid "
        "= "
        "c.oid AND a.attname = k.attname WHERE c.relkind = 'r' AND NOT c.relispartition AND c.relpersistence "
        "<> "
        "'t' AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)) "
        "ORDER BY n.nspname, c.relname");
    for (const Row& row : found.rows) {
      ExaminedTable* table = TableOf(ToOid(row[0]));
      if (table == nullptr || known_.contains(ToOid(row[1]))) continue;
      table->alike.push_back({ToOid(row[1]), Text(row[2]), Text(row[3]), Flag(row[4])});
    }
  }

  Session& session_;
  Examined examined_;
  DoctorsLook look_;
  std::set<Oid> known_;  // tables that the bookkeeping has under another heading
};

}  // namespace

Examined ReadExamined(Session& session, const Policy& any, const std::vector<Policy>& policies) {
  Examined examined;
  ReadOnly(session, any, Isolation::kRepeatableRead, [&] { examined = Reader(session).Read(policies); });
  return examined;
}

}  // namespace partition_controller
