#include "controller/doctor_reader.h"

#include <algorithm>
#include <map>

#include "controller/fields.h"
#include "controller/read_transaction.h"
#include "reconcilers/bookkeeping.h"
#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// Twice as many as pg_stat_statements keeps by default; a job's DDL is among the cheapest.
constexpr int kMostStatements = 10'000;

class Reader {
 public:
  explicit Reader(Session& session) : session_(session) {}

  Examined Read() {
    ReadServer();
    ReadTables();
    ReadPartitions();
    ReadTriggers();
    for (ExaminedTable& table : examined_.tables) UnlessRefused(session_, [&] { CountDefault(&table); });
    ReadKeepers();
    ReadPartman();
    UnlessRefused(session_, [&] { ReadJobs(); });
    ReadStatements();
    return std::move(examined_);
  }

 private:
  bool Exists(const std::string& relation) {
    return !session_.Query("SELECT WHERE pg_catalog.to_regclass($1) IS NOT NULL", {relation}).rows.empty();
  }

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

  void ReadTriggers() {
    // What is cloned from the parent is told once, there.
    const Result found = session_.Query(
        "SELECT coalesce(i.inhparent, c.oid), n.nspname, c.relname, g.tgname, coalesce(e.extname, ''), "
        "p.prosrc ~* 'PARTITION\\s+OF' OR g.tgname ~ '(_part_trig|_insert_trigger)$' FROM "
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
    if (!Exists("partition_controller.version")) return;
    std::int64_t version = 0;
    const bool readable = UnlessRefused(session_, [&] {
      version =
          Number(session_.Query("SELECT max(version) FROM partition_controller.version").rows.at(0).at(0));
    });
    if (!readable || version < 1 || version > kBookkeepingVersion) return;
    UnlessRefused(session_, [&] {
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

  void ReadPartman() {
    const Result tables = session_.Query(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), EXISTS (SELECT FROM "
        "pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'automatic_maintenance') FROM "
        "pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = "
        "'part_config' AND c.relkind = 'r' AND (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE "
        "a.attrelid = c.oid AND a.attname IN ('parent_table', 'control', 'partition_interval', 'premake', "
        "'retention', 'retention_keep_table', 'retention_schema')) = 7 ORDER BY 1");
    for (const Row& table : tables.rows) {
      const std::string config = Text(table[0]);
      // Of a number key it is none: "10000".
      const std::string interval =
          "CASE WHEN partition_interval ~ '^[0-9]+$' THEN NULL ELSE "
          "partition_interval::interval END";
      const std::string keep = "CASE WHEN retention ~ '^[0-9]+$' THEN NULL ELSE retention::interval END";
      const auto months = [](const std::string& value) {
        return "(extract(year FROM " + value + ") * 12 + extract(month FROM " + value + "))::bigint";
      };
      const auto seconds = [](const std::string& value) {
        return "(extract(day FROM " + value + ") * 86400 + extract(hour FROM " + value +
               ") * 3600 + extract(minute FROM " + value + ") * 60 + extract(second FROM " + value +
               "))::bigint";
      };
      UnlessRefused(session_, [&] {
        const Result rows = session_.Query(
            // Names are not quoted there; a schema with a dot is beyond pg_partman, too.
            "SELECT pg_catalog.split_part(parent_table, '.', 1), pg_catalog.substr(parent_table, "
            "pg_catalog.strpos(parent_table, '.') + 1), control, partition_interval::text, " +
            months(interval) + ", " + seconds(interval) + ", retention, " + months(keep) + ", " +
            seconds(keep) + ", retention_keep_table, premake, " +
            (Flag(table[1]) ? "automatic_maintenance = 'on'" : "true") + ", retention_schema FROM " + config +
            " ORDER BY parent_table");
        for (const Row& row : rows.rows) {
          PartmanTable one;
          one.config = config;
          one.schema = Text(row[0]);
          one.name = Text(row[1]);
          one.control = Text(row[2]);
          one.interval = Text(row[3]);
          if (row[4]) one.interval_months = Number(row[4]);
          one.interval_seconds = Number(row[5]);
          one.retention = Text(row[6]);
          one.retention_months = Number(row[7]);
          one.retention_seconds = Number(row[8]);
          one.retention_keeps_table = !row[9] || Flag(row[9]);
          one.premake = static_cast<int>(Number(row[10]));
          one.automatic = Flag(row[11]);
          one.retention_schema = row[12].value_or("");
          examined_.partman.push_back(std::move(one));
        }
      });
    }
  }

  void ReadJobs() {
    if (!Exists("cron.job")) return;
    const Result jobs = session_.Query(
        "SELECT jobid, schedule, command, active FROM cron.job WHERE database = "
        "pg_catalog.current_database() ORDER BY jobid");
    for (const Row& row : jobs.rows) {
      examined_.jobs.push_back({Number(row[0]), Text(row[1]), Text(row[2]), Flag(row[3])});
    }
  }

  void ReadStatements() {
    // The extension's schema is anybody's choice.
    const Result views = session_.Query(
        "SELECT pg_catalog.quote_ident(n.nspname), EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE "
        "a.attrelid = pg_catalog.to_regclass(pg_catalog.quote_ident(n.nspname) || '.pg_stat_statements') AND "
        "a.attname = 'total_exec_time') FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON "
        "n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'");
    if (!views.rows.empty() && Flag(views.rows[0][1])) {
      const std::string schema = Text(views.rows[0][0]);
      UnlessRefused(session_, [&] {
        const Result seen = session_.Query(
            "SELECT s.query, s.calls, s.total_exec_time, r.rolname FROM " + schema +
            ".pg_stat_statements s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.userid WHERE s.dbid = "
            "(SELECT "
            "oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) ORDER BY "
            "s.total_exec_time DESC LIMIT " +
            std::to_string(kMostStatements));
        for (const Row& row : seen.rows) {
          examined_.statements.push_back(
              {Text(row[0]), Number(row[1]), row[2] ? std::stod(*row[2]) : 0, Text(row[3])});
        }
      });
      if (examined_.server.version >= 140'000) {
        UnlessRefused(session_, [&] {
          examined_.statements_since =
              Text(session_.Query("SELECT stats_reset FROM " + schema + ".pg_stat_statements_info")
                       .rows.at(0)
                       .at(0));
        });
      }
    }
    const Result sessions = session_.Query(
        "SELECT query, coalesce(nullif(application_name, ''), usename) FROM pg_catalog.pg_stat_activity "
        "WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND query <> "
        "'' AND query <> '<insufficient privilege>'");
    for (const Row& row : sessions.rows) {
      examined_.statements.push_back({Text(row[0]), 0, 0, Text(row[1])});
    }
  }

  Session& session_;
  Examined examined_;
};

}  // namespace

Examined ReadExamined(Session& session, const Policy& any) {
  Examined examined;
  ReadOnly(session, any, Isolation::kRepeatableRead, [&] { examined = Reader(session).Read(); });
  return examined;
}

}  // namespace partition_controller
