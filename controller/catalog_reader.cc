#include "controller/catalog_reader.h"

#include <algorithm>
#include <map>

#include "controller/anatomy_reader.h"
#include "controller/fields.h"
#include "controller/read_transaction.h"
#include "controller/rollup_reader.h"
#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"
#include "reconcilers/sql.h"

namespace partition_controller {
namespace {

// Rows fetched at a time, so that a hundred thousand partitions do not stand
// in memory twice.
constexpr int kFetch = 5'000;

// A default partition is counted exactly up to this many pages (256 MiB), and
// from a sample of as many beyond it.
constexpr std::int64_t kProbePages = 32'768;

// The text form of an array (manual, 8.15.6).
std::string ArrayOf(const std::vector<std::string>& values) {
  std::string text = "{";
  for (const std::string& value : values) {
    if (text.size() > 1) text += ',';
    text += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text + "}";
}

std::string ArrayOf(const std::vector<Oid>& oids) {
  std::string text = "{";
  for (const Oid oid : oids) text += (text.size() > 1 ? "," : "") + std::to_string(oid);
  return text + "}";
}

class Reader {
 public:
  Reader(Session& session, const std::vector<const Policy*>& policies, const Now& now)
      : session_(session), policies_(policies), now_(now), catalogs_(policies.size()) {}

  std::vector<Catalog> Read() {
    ReadServer();
    ReadTables();
    if (!index_.empty()) {
      ReadBookkeeping();
      ReadConversions();
      ReadPartitions();
      ReadDefaultSizes();
      for (std::size_t i = 0; i < catalogs_.size(); ++i) {
        if (catalogs_[i].table) ReadRollups(session_, *policies_[i], now_, bookkeeping_, &catalogs_[i]);
      }
      for (std::size_t i = 0; i < catalogs_.size(); ++i) {
        if (Probeable(i) && !UnlessLocked(session_, [&] { Probe(i); })) Unknown(&catalogs_[i]);
      }
    }
    return std::move(catalogs_);
  }

 private:
  void ReadServer() {
    const Row row = session_
                        .Query(
                            "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint, "
                            "pg_catalog.current_setting('server_version_num'), "
                            "pg_catalog.pg_is_in_recovery(), d.oid, d.datname, "
                            "(SELECT system_identifier FROM pg_catalog.pg_control_system()), "
                            "CURRENT_USER::text, n.oid IS NOT NULL, "
                            "CASE WHEN n.oid IS NULL THEN pg_catalog.has_database_privilege(d.oid, 'CREATE') "
                            "ELSE pg_catalog.has_schema_privilege(n.oid, 'USAGE') END, "
                            "pg_catalog.has_schema_privilege(n.oid, 'CREATE') "
                            "FROM pg_catalog.pg_database d LEFT JOIN pg_catalog.pg_namespace n ON n.nspname "
                            "= 'partition_controller' "
                            "WHERE d.datname = pg_catalog.current_database()")
                        .rows.at(0);
    Server server;
    server.time = Micros(row[0]);
    server.version = static_cast<int>(Number(row[1]));
    server.in_recovery = Flag(row[2]);
    server.database = ToOid(row[3]);
    server.database_name = Text(row[4]);
    server.system_identifier = Text(row[5]);
    server.user = Text(row[6]);
    server.bookkeeping_usable = Flag(row[8]);
    if (Flag(row[7])) ReadVersion(Flag(row[9]), &server);
    // Nobody knows what the tables of a newer version look like.
    bookkeeping_ = server.bookkeeping_usable && server.bookkeeping_version > 0 &&
                   server.bookkeeping_version <= kBookkeepingVersion;
    for (Catalog& catalog : catalogs_) catalog.server = server;
  }

  // The schema is there; `may_create`: functions and tables in it.
  void ReadVersion(bool may_create, Server* server) {
    server->bookkeeping_version = kBookkeepingVersion;  // what is said of a schema that cannot be read
    if (!server->bookkeeping_usable) return;
    const Row there = session_
                          .Query(
                              "SELECT t.oid IS NOT NULL, coalesce(pg_catalog.has_table_privilege(t.oid, "
                              "'SELECT'), true) FROM "
                              "pg_catalog.to_regclass('partition_controller.version') AS t (oid)")
                          .rows.at(0);
    server->bookkeeping_usable = Flag(there[1]);
    if (!server->bookkeeping_usable) return;
    server->bookkeeping_version = 0;
    if (Flag(there[0])) {
      const Row known = session_.Query("SELECT max(version) FROM partition_controller.version").rows.at(0);
      server->bookkeeping_version = static_cast<int>(Number(known[0]));
    }
    if (server->bookkeeping_version > kBookkeepingVersion) return;
    server->bookkeeping_usable = may_create;
    if (!may_create) server->bookkeeping_version = kBookkeepingVersion;
    if (server->bookkeeping_version == 0 || !may_create) return;
    // A list of privileges in one call would ask for any of them.
    const Row granted =
        session_
            .Query(
                "SELECT pg_catalog.bool_and(coalesce(CASE WHEN c.relkind = 'S' THEN "
                "pg_catalog.has_sequence_privilege(c.oid, 'USAGE') ELSE "
                "pg_catalog.has_table_privilege(c.oid, 'SELECT') AND "
                "(c.relname IN ('version', 'settings') OR "
                "(pg_catalog.has_table_privilege(c.oid, 'INSERT') AND "
                "pg_catalog.has_table_privilege(c.oid, 'UPDATE') AND "
                "pg_catalog.has_table_privilege(c.oid, 'DELETE'))) END, "
                "false)) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid "
                "= c.relnamespace WHERE n.nspname = "
                "'partition_controller' AND c.relname IN ('version', 'settings', 'terms', "
                "'tables', 'partitions', 'drains', 'conversions', 'rollups', 'sealed', 'proofs')")
            .rows.at(0);
    server->bookkeeping_usable = Flag(granted[0]);
    if (!server->bookkeeping_usable) return;
    server->test_database = !session_
                                 .Query(
                                     "SELECT FROM partition_controller.settings WHERE name = 'test_database' "
                                     "AND value = 'true'")
                                 .rows.empty();
  }

  void ReadTables() {
    std::vector<std::string> schemas;
    std::vector<std::string> names;
    std::vector<std::string> columns;
    for (const Policy* policy : policies_) {
      schemas.push_back(policy->table.schema);
      names.push_back(policy->table.name);
      columns.push_back(policy->time_column);
    }
    const Result found = session_.Query(
        "SELECT p.ord, c.oid, c.relkind, r.rolname, pg_catalog.pg_has_role(c.relowner, 'USAGE'), "
        "pg_catalog.has_schema_privilege(n.oid, 'CREATE'), pg_catalog.has_schema_privilege(c.relowner, "
        "n.oid, "
        "'CREATE') OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER), "
        "pg_catalog.format_type(a.atttypid, a.atttypmod), "
        "a.attnotnull, t.partstrat = 'r' AND t.partnatts = 1 AND t.partattrs[0] = a.attnum, "
        "pg_catalog.pg_get_partkeydef(t.partrelid), c.reltuples "
        "FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS p(schema, name, col, ord) "
        "JOIN pg_catalog.pg_namespace n ON n.nspname = p.schema "
        "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = p.name "
        "JOIN pg_catalog.pg_roles r ON r.oid = c.relowner "
        "LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = p.col AND a.attnum > 0 "
        "AND NOT "
        "a.attisdropped "
        "LEFT JOIN pg_catalog.pg_partitioned_table t ON t.partrelid = c.oid",
        {ArrayOf(schemas), ArrayOf(names), ArrayOf(columns)});
    for (const Row& row : found.rows) {
      const auto i = static_cast<std::size_t>(Number(row[0]) - 1);
      Table table;
      table.oid = ToOid(row[1]);
      table.schema = policies_[i]->table.schema;
      table.name = policies_[i]->table.name;
      const std::string kind = Text(row[2]);
      table.kind = kind == "p"   ? Table::Kind::kPartitioned
                   : kind == "r" ? Table::Kind::kPlain
                                 : Table::Kind::kOther;
      table.owner = Text(row[3]);
      table.owner_is_us = Flag(row[4]);
      table.may_create = Flag(row[5]);
      table.owner_may_create = Flag(row[6]);
      table.key_column_type = Text(row[7]);
      table.key_not_null = Flag(row[8]);
      table.partitioned_by_key = Flag(row[9]);
      table.partition_key = Text(row[10]);
      table.rows = row[11] ? std::stod(*row[11]) : -1;
      index_.emplace(table.oid, i);
      oids_.push_back(table.oid);
      catalogs_[i].table = std::move(table);
    }
  }

  // Several policies may name one table; each gets the same view.
  template <class F>
  void ForTable(Oid oid, F&& f) {
    const auto [begin, end] = index_.equal_range(oid);
    for (auto it = begin; it != end; ++it) f(*catalogs_[it->second].table);
  }

  void ReadBookkeeping() {
    if (!bookkeeping_) return;
    const std::string oids = ArrayOf(oids_);
    // Earlier releases recorded no retention; what an upgrade makes of their rows
    // is said before it as well.
    const bool recorded = catalogs_.front().server.bookkeeping_version >= 4;
    const Result keepers = session_.Query(
        "SELECT table_oid, policy_namespace, policy_name, owner_name, database_oid, system_identifier, term, "
        "(extract(epoch FROM analyzed_at) * 1000000)::bigint, " +
        (recorded ? std::string("retention_keep, retention_action, pg_catalog.to_json(retention_due::text[])")
                  : "NULL, " + QuoteLiteral(kUnrecorded) + ", NULL") +
        (catalogs_.front().server.bookkeeping_version >= 6 ? ", consent" : ", 0") +
        " FROM partition_controller.tables");
    for (const Row& row : keepers.rows) {
      Ownership keeper;
      keeper.table = ToOid(row[0]);
      keeper.policy_namespace = Text(row[1]);
      keeper.policy_name = Text(row[2]);
      keeper.table_owner = Text(row[3]);
      keeper.database = ToOid(row[4]);
      keeper.system_identifier = Text(row[5]);
      keeper.term = Number(row[6]);
      if (row[7]) keeper.analyzed_at = Micros(row[7]);
      if (row[9]) {
        AgreedRetention& agreed = keeper.agreed.emplace();
        agreed.keep = Text(row[8]);
        agreed.action = Text(row[9]);
        for (const std::string& oid : Strings(row[10])) agreed.due.push_back(ToOid(oid));
      }
      keeper.consent = Number(row[11]);
      ForTable(keeper.table, [&](Table& table) { table.ownership = keeper; });
      const auto policy = std::make_pair(keeper.policy_namespace, keeper.policy_name);
      former_.emplace(policy, keeper);
    }
    for (std::size_t i = 0; i < catalogs_.size(); ++i) {
      if (!catalogs_[i].table) continue;
      const auto [begin, end] = former_.equal_range({policies_[i]->name_space, policies_[i]->name});
      for (auto it = begin; it != end; ++it) {
        if (it->second.table != catalogs_[i].table->oid) catalogs_[i].table->former = it->second;
      }
    }
    const Result detached = session_.Query(
        "SELECT p.table_oid, p.partition_oid, coalesce(n.nspname, p.schema_name), coalesce(c.relname, "
        "p.table_name), "
        "p.bound_from, p.bound_to, (extract(epoch FROM p.detached_at) * 1000000)::bigint, "
        "(extract(epoch FROM p.drop_after) * 1000000)::bigint, c.oid IS NOT NULL, coalesce(c.relispartition, "
        "false), "
        "EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.conname = "
        "'partition_controller_bounds' AND k.convalidated), p.made_by_us, c.reltuples, c.relpages::bigint * "
        "pg_catalog.current_setting('block_size')::bigint "
        "FROM partition_controller.partitions p LEFT JOIN pg_catalog.pg_class c ON c.oid = p.partition_oid "
        "LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE p.state = 'detached' AND p.table_oid = ANY ($1::oid[]) ORDER BY p.detached_at, "
        "p.partition_oid",
        {oids});
    for (const Row& row : detached.rows) {
      const std::optional<Bound> from = ParseBound(Text(row[4]));
      const std::optional<Bound> to = ParseBound(Text(row[5]));
      if (!from || !to) continue;
      Detached one;
      one.oid = ToOid(row[1]);
      one.schema = Text(row[2]);
      one.name = Text(row[3]);
      one.range = {*from, *to};
      one.detached_at = Micros(row[6]);
      if (row[7]) one.drop_after = Micros(row[7]);
      one.exists = Flag(row[8]);
      one.attached = Flag(row[9]);
      one.has_bound_check = Flag(row[10]);
      one.created_by_us = Flag(row[11]);
      one.rows = row[12] ? std::stod(*row[12]) : -1;
      one.bytes = Number(row[13]);
      ForTable(ToOid(row[0]), [&](Table& table) { table.detached.push_back(one); });
    }
    const Result drains = session_.Query(
        "SELECT table_oid, mode, bound_from, bound_to, target_oid, target_schema, target_name FROM "
        "partition_controller.drains WHERE table_oid = ANY ($1::oid[])",
        {oids});
    for (const Row& row : drains.rows) {
      const std::optional<Bound> from = ParseBound(Text(row[2]));
      const std::optional<Bound> to = ParseBound(Text(row[3]));
      if (!from || !to) continue;
      Drain drain;
      drain.mode = Text(row[1]) == "move" ? Drain::Mode::kMove : Drain::Mode::kPromote;
      drain.range = {*from, *to};
      drain.target = ToOid(row[4]);
      drain.target_schema = Text(row[5]);
      drain.target_name = Text(row[6]);
      ForTable(ToOid(row[0]), [&](Table& table) { table.drain = drain; });
    }
  }

  void ReadConversions() {
    // A schema of version 1 has no such table, and is upgraded first.
    if (!bookkeeping_ || catalogs_.front().server.bookkeeping_version < 2) return;
    const Result found = session_.Query(
        "SELECT plain_oid, parent_oid, state, parent_name, history_name, primary_key, key_index, cut, shape, "
        "no_way_back FROM partition_controller.conversions WHERE plain_oid = ANY ($1::oid[]) OR parent_oid = "
        "ANY ($1::oid[])",
        {ArrayOf(oids_)});
    for (const Row& row : found.rows) {
      const std::optional<Bound> cut = ParseBound(Text(row[7]));
      if (!cut) continue;
      Conversion conversion;
      conversion.plain = ToOid(row[0]);
      conversion.parent = ToOid(row[1]);
      const std::string state = Text(row[2]);
      conversion.state = state == "fenced"      ? Conversion::State::kFenced
                         : state == "converted" ? Conversion::State::kConverted
                         : state == "reverting" ? Conversion::State::kReverting
                                                : Conversion::State::kPrepared;
      conversion.parent_name = Text(row[3]);
      conversion.history_name = Text(row[4]);
      conversion.primary_key = Strings(row[5]);
      conversion.key_index = Text(row[6]);
      conversion.cut = cut->at;
      conversion.shape = Text(row[8]);
      conversion.no_way_back = Text(row[9]);
      const bool swapped = conversion.state == Conversion::State::kConverted;
      const Oid now = swapped ? conversion.parent : conversion.plain;
      ForTable(now, [&](Table& table) { table.conversion = conversion; });
      if (swapped) continue;
      // What stands beside the plain table is read as its partitions.
      const auto [begin, end] = index_.equal_range(conversion.plain);
      const std::vector<std::pair<Oid, std::size_t>> shown(begin, end);
      for (const auto& [plain, i] : shown) index_.emplace(conversion.parent, i);
      if (!shown.empty()) oids_.push_back(conversion.parent);
    }
  }

  void ReadPartitions() {
    const std::string pending = catalogs_.front().server.version >= 140000 ? "i.inhdetachpending" : "false";
    const std::string ours =
        bookkeeping_ ? "EXISTS (SELECT FROM partition_controller.partitions b WHERE b.partition_oid = "
                       "c.oid AND b.table_oid = i.inhparent AND b.state = 'attached' AND b.made_by_us)"
                     : "false";
    session_.Query(
        "DECLARE partitions NO SCROLL CURSOR FOR SELECT i.inhparent, c.oid, n.nspname, c.relname, "
        "c.relkind, " +
        pending +
        ", pg_catalog.pg_get_expr(c.relpartbound, c.oid), c.reltuples, "
        "c.relpages, " +
        ours +
        " FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid JOIN "
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE i.inhparent = ANY ('" +
        ArrayOf(oids_) + "'::oid[]) AND c.relkind IN ('r', 'p', 'f')");
    const std::int64_t page = 8'192;
    for (;;) {
      const Result chunk = session_.Query("FETCH FORWARD " + std::to_string(kFetch) + " FROM partitions");
      for (const Row& row : chunk.rows) {
        Partition partition;
        partition.oid = ToOid(row[1]);
        partition.schema = Text(row[2]);
        partition.name = Text(row[3]);
        partition.kind = PartitionKind(row[4]);
        partition.detach_pending = Flag(row[5]);
        partition.bounds = Text(row[6]);
        // Before PostgreSQL 14 a table never analysed shows 0 rows and 0 pages.
        partition.rows = row[7] ? std::stod(*row[7]) : -1;
        partition.bytes = Number(row[8]) * page;
        partition.created_by_us = Flag(row[9]);
        const std::optional<ParsedBounds> bounds = ParseBounds(partition.bounds);
        if (bounds && !bounds->is_default) partition.range = bounds->range;
        const bool is_default = bounds && bounds->is_default;
        const Oid parent = ToOid(row[0]);
        ForTable(parent, [&](Table& table) {
          const bool inherits = table.kind != Table::Kind::kPartitioned && table.oid == parent;
          const bool reverting = table.conversion && table.conversion->state == Conversion::State::kReverting;
          if (inherits && !reverting) return;
          if (is_default) {
            table.default_partition = DefaultPartition{partition, 0, 0, true, {}, {}};
          } else {
            table.partitions.push_back(partition);
          }
        });
      }
      if (chunk.rows.size() < kFetch) break;
    }
    session_.Query("CLOSE partitions");
    for (Catalog& catalog : catalogs_) {
      if (!catalog.table) continue;
      SortPartitions(&catalog.table->partitions);
    }
  }

  // Nothing is known of the default partition's rows: it counts as large.
  static void Unknown(Catalog* catalog) {
    if (!catalog->table->default_partition) return;
    DefaultPartition& fallback = *catalog->table->default_partition;
    fallback = DefaultPartition{fallback.partition, kProbePages + 1, 0, false, {}, {}};
  }

  void ReadDefaultSizes() {
    std::vector<Oid> defaults;
    for (const Catalog& catalog : catalogs_) {
      if (catalog.table && catalog.table->default_partition) {
        defaults.push_back(catalog.table->default_partition->partition.oid);
      }
    }
    if (defaults.empty()) return;
    std::map<Oid, std::int64_t> pages;
    const auto measure = [&](const std::vector<Oid>& oids) {
      const Result sizes = session_.Query(
          "SELECT oid, pg_catalog.pg_relation_size(oid) / pg_catalog.current_setting('block_size')::bigint "
          "FROM "
          "unnest($1::oid[]) oid",
          {ArrayOf(oids)});
      for (const Row& row : sizes.rows) pages[ToOid(row[0])] = Number(row[1]);
    };
    if (!UnlessLocked(session_, [&] { measure(defaults); })) {
      for (const Oid oid : defaults) {
        if (!UnlessLocked(session_, [&] { measure({oid}); })) pages[oid] = kProbePages + 1;
      }
    }
    for (Catalog& catalog : catalogs_) {
      if (!catalog.table || !catalog.table->default_partition) continue;
      catalog.table->default_partition->pages = pages[catalog.table->default_partition->partition.oid];
    }
  }

  // Whether there is more to know about a policy's table than the snapshot
  // shows, and we may ask.
  bool Probeable(std::size_t i) const {
    const std::optional<Table>& table = catalogs_[i].table;
    if (!table || !KeyTypeOf(table->key_column_type) || !table->owner_is_us) return false;
    if (table->kind == Table::Kind::kPartitioned && !table->partitioned_by_key) return false;
    if (table->default_partition && table->default_partition->pages > 0) return true;
    if (NeedsAnatomy(*policies_[i], catalogs_[i])) return true;
    return !ProbeOldest(*policies_[i], catalogs_[i], now_).empty() ||
           !MakePlan(*policies_[i], catalogs_[i], now_).steps.empty();
  }

  // What this policy's plan needs to know beyond the snapshot.
  void Probe(std::size_t i) {
    Catalog& catalog = catalogs_[i];
    const Policy& policy = *policies_[i];
    CountDefault(policy, &catalog);
    FindExpired(policy, &catalog);
    if (NeedsAnatomy(policy, catalog)) LookInto(policy, &catalog);
    // Only what is about to be changed is looked at closely: an idle tick
    // costs no more than the snapshot.
    if (MakePlan(policy, catalog, now_).steps.empty()) return;
    ReadDetails(policy, &*catalog.table);
    FindTakenNames(policy, &catalog);
  }

  void LookInto(const Policy& policy, Catalog* catalog) {
    Table& table = *catalog->table;
    ReadDetails(policy, &table);
    table.anatomy = ReadAnatomy(session_, catalog->server, table, policy.time_column);
    const std::optional<Instant> cut = ProbeBeyond(policy, *catalog, now_);
    // Rows that cannot be read, or not all of them; refused anyway.
    if (!cut || table.anatomy->temporary || table.anatomy->policed) return;
    const KeyType key = KeyTypeOf(table.key_column_type).value();
    table.anatomy->rows_beyond =
        Number(session_
                   .Query("SELECT count(*) FROM (SELECT FROM ONLY " + QuoteName(table.schema, table.name) +
                          " WHERE " + QuoteName(policy.time_column) +
                          " >= " + LiteralSql(Bound::At(*cut), key) + " LIMIT 1000000) r")
                   .rows.at(0)
                   .at(0));
  }

  void CountDefault(const Policy& policy, Catalog* catalog) {
    Table& table = *catalog->table;
    if (table.kind != Table::Kind::kPartitioned) return;
    if (!table.default_partition || table.default_partition->pages == 0) return;
    DefaultPartition& fallback = *table.default_partition;
    const std::string name = QuoteName(fallback.partition.schema, fallback.partition.name);
    const std::string column = QuoteName(policy.time_column);
    std::optional<Instant> oldest;
    if (!policy.retention) {
      const Row row =
          session_
              .Query("SELECT (extract(epoch FROM min(" + column + ")) * 1000000)::bigint FROM ONLY " + name +
                     " WHERE " + column + " > '-infinity' AND " + column + " < 'infinity'")
              .rows.at(0);
      if (row[0]) oldest = Micros(row[0]);
    }
    const KeyType key = KeyTypeOf(table.key_column_type).value();
    const std::vector<Instant> cuts = ProbeCuts(policy, *catalog, now_, oldest);
    std::string array = "ARRAY[";
    for (const Instant cut : cuts) array += (array.size() > 6 ? ", " : "") + LiteralSql(Bound::At(cut), key);
    array += "]";
    const bool sampled = fallback.pages > kProbePages;
    const double share =
        sampled ? static_cast<double>(kProbePages) / static_cast<double>(fallback.pages) : 1.0;
    const Result counted = session_.Query(
        "SELECT pg_catalog.width_bucket(" + column + ", " + array + "), count(*) FROM ONLY " + name +
        (sampled ? " TABLESAMPLE SYSTEM (" + std::to_string(share * 100) + ")" : std::string()) + " WHERE " +
        column + " IS NOT NULL GROUP BY 1");
    fallback.exact = !sampled;
    if (counted.rows.empty()) return;
    fallback.cuts = cuts;
    fallback.counts.assign(cuts.size() + 1, 0);
    for (const Row& row : counted.rows) {
      const auto bucket = static_cast<std::size_t>(Number(row[0]));
      const auto rows = static_cast<std::int64_t>(static_cast<double>(Number(row[1])) / share);
      fallback.counts.at(bucket) = rows;
      fallback.rows += rows;
    }
  }

  void FindExpired(const Policy& policy, Catalog* catalog) {
    Table& table = *catalog->table;
    const std::vector<TableRef> leaves = ProbeOldest(policy, *catalog, now_);
    if (leaves.empty()) return;
    const KeyType key = KeyTypeOf(table.key_column_type).value();
    const std::string column = QuoteName(policy.time_column);
    const Instant cutoff = *CutoffOf(policy, *catalog, now_);
    for (const TableRef& leaf : leaves) {
      const Result found = session_.Query(
          "SELECT (extract(epoch FROM greatest(" + column + ", " + LiteralSql(Bound::At(Instant{}), key) +
          ")) * 1000000)::bigint FROM ONLY " + QuoteName(leaf.schema, leaf.name) + " WHERE " + column +
          " < " + LiteralSql(Bound::At(cutoff), key) + " LIMIT 1");
      if (found.rows.empty()) continue;
      const Instant oldest = Micros(found.rows[0][0]);
      if (table.kind == Table::Kind::kPlain) table.oldest_row = oldest;
      for (Partition& partition : table.partitions) {
        if (partition.oid == leaf.oid) partition.oldest_row = oldest;
      }
    }
  }

  void ReadDetails(const Policy& policy, Table* table) {
    const std::string oid = std::to_string(table->oid);
    const Row row =
        session_
            .Query(
                "SELECT (SELECT pg_catalog.json_agg(attname ORDER BY attnum) FROM pg_catalog.pg_attribute "
                "WHERE attrelid = "
                "$1::oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''), "
                "EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attidentity = "
                "'a'), "
                "(SELECT pg_catalog.json_agg(pg_catalog.pg_get_constraintdef(oid) ORDER BY oid) FROM "
                "pg_catalog.pg_constraint WHERE conrelid = $1::oid AND contype = 'f' AND conparentid = 0), "
                "(SELECT pg_catalog.json_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, c.relname)) FROM "
                "pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.confrelid JOIN "
                "pg_catalog.pg_namespace n "
                "ON n.oid = c.relnamespace WHERE k.conrelid = $1::oid AND k.contype = 'f' AND k.conparentid "
                "= 0), "
                "EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = "
                "i.indrelid AND "
                "a.attnum = i.indkey[0] WHERE i.indrelid = $1::oid AND i.indisvalid AND i.indpred IS NULL "
                "AND a.attname = "
                "$2), "
                "(SELECT pg_catalog.json_agg(pg_catalog.format('ALTER TABLE %I.%I DROP CONSTRAINT %I;', "
                "n.nspname, "
                "c.relname, k.conname) ORDER BY k.oid) FROM pg_catalog.pg_constraint k JOIN "
                "pg_catalog.pg_class c ON c.oid = "
                "k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE k.confrelid IN "
                "($1::oid, $3::oid) "
                "AND k.contype = 'f' AND k.conparentid = 0), "
                // 8: DELETE (catalog/pg_trigger.h).  Before PostgreSQL 15 tgisinternal
                // is true as well for what a partition has from its parent.
                "(SELECT pg_catalog.json_agg(t.tgname ORDER BY t.tgname) FROM pg_catalog.pg_trigger t WHERE "
                "t.tgrelid = "
                "$3::oid AND t.tgtype & 8 <> 0 AND t.tgenabled <> 'D' AND NOT EXISTS (SELECT FROM "
                "pg_catalog.pg_constraint k "
                "WHERE k.oid = t.tgconstraint AND k.contype <> 't')), " +
                    PublishedSql(),
                {oid, policy.time_column,
                 std::to_string(table->default_partition ? table->default_partition->partition.oid : 0)})
            .rows.at(0);
    table->columns = Strings(row[0]);
    table->overriding = Flag(row[1]);
    table->foreign_keys = Strings(row[2]);
    table->references = Strings(row[3]);
    table->has_time_index = Flag(row[4]);
    table->referenced_by = Strings(row[5]);
    table->delete_triggers = Strings(row[6]);
    table->published_by = Strings(row[7]);
    ReadColumnSettings(table);
    if (policy.partitioning.uniqueness == Partitioning::Uniqueness::kPerPartition) ReadLeafUniques(table);

    std::map<Oid, Partition*> partitions;
    for (Partition& partition : table->partitions) partitions[partition.oid] = &partition;
    if (table->default_partition) {
      partitions[table->default_partition->partition.oid] = &table->default_partition->partition;
    }
    const Result details = session_.Query(
        "SELECT c.oid, r.rolname, c.relpersistence = 'u', c.relreplident, h.inhparent, c.relacl::text, "
        "pg_catalog.to_json(c.reloptions || (SELECT pg_catalog.array_agg('toast.' || u.o) FROM "
        "pg_catalog.pg_class t CROSS JOIN LATERAL unnest(t.reloptions) AS u (o) WHERE t.oid = "
        "c.reltoastrelid)), s.spcname, k.convalidated, c.relrowsecurity OR (SELECT "
        "p.relrowsecurity FROM pg_catalog.pg_class p WHERE p.oid = $1::oid) "
        "FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid "
        "JOIN pg_catalog.pg_roles r ON r.oid = c.relowner "
        "LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace "
        "LEFT JOIN pg_catalog.pg_index x ON x.indrelid = c.oid AND x.indisreplident "
        "LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = x.indexrelid "
        "LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.conname = "
        "'partition_controller_bounds' "
        "WHERE i.inhparent IN ($1::oid, $2::oid) OR c.oid = $3::oid ORDER BY c.oid = $3::oid DESC",
        {oid, std::to_string(table->conversion ? table->conversion->parent : 0),
         // New partitions will look like a plain table does.
         std::to_string(table->kind == Table::Kind::kPlain ? table->oid : 0)});
    table->attributes.clear();
    for (const Row& detail : details.rows) {
      const auto found = partitions.find(ToOid(detail[0]));
      if (found == partitions.end() && ToOid(detail[0]) != table->oid) continue;
      Attributes attributes;
      attributes.owner = Text(detail[1]);
      attributes.unlogged = Flag(detail[2]);
      attributes.replica_identity = detail[3] && !detail[3]->empty() ? detail[3]->front() : 'd';
      attributes.replica_parent_index = ToOid(detail[4]);
      attributes.acl = Text(detail[5]);
      attributes.options = Strings(detail[6]);
      attributes.tablespace = Text(detail[7]);
      attributes.row_security = Flag(detail[9]);
      if (found == partitions.end()) {
        table->attributes.push_back(std::move(attributes));
        continue;
      }
      Partition& partition = *found->second;
      if (detail[8]) {
        partition.bound_check =
            Flag(detail[8]) ? Partition::BoundCheck::kValid : Partition::BoundCheck::kNotValid;
      }
      const auto known = std::find(table->attributes.begin(), table->attributes.end(), attributes);
      partition.attributes = static_cast<std::size_t>(known - table->attributes.begin());
      if (known == table->attributes.end()) table->attributes.push_back(std::move(attributes));
    }
  }

  // What ends the publishing of $1 and $3.
  std::string PublishedSql() const {
    const bool schemas = catalogs_.front().server.version >= 150'000;
    return std::string(
               "(SELECT pg_catalog.json_agg(s.statement ORDER BY s.statement) FROM (SELECT "
               "pg_catalog.format('ALTER PUBLICATION %I DROP TABLE ONLY %I.%I;', p.pubname, n.nspname, "
               "c.relname) FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = "
               "r.prpubid JOIN pg_catalog.pg_class c ON c.oid = r.prrelid JOIN pg_catalog.pg_namespace n ON "
               "n.oid = c.relnamespace WHERE r.prrelid IN ($1::oid, $3::oid) UNION ALL SELECT "
               "pg_catalog.format('DROP PUBLICATION %I;', pubname) FROM pg_catalog.pg_publication WHERE "
               "puballtables") +
           (schemas
                ? " UNION ALL SELECT pg_catalog.format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA %I;', "
                  "p.pubname, n.nspname) FROM pg_catalog.pg_publication_namespace x JOIN "
                  "pg_catalog.pg_publication p ON p.oid = x.pnpubid JOIN pg_catalog.pg_namespace n ON n.oid "
                  "= x.pnnspid JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid WHERE c.oid = $1::oid"
                : "") +
           ") AS s (statement))";
  }

  void ReadColumnSettings(Table* table) {
    const Row row =
        session_
            .Query(
                "SELECT pg_catalog.json_agg(s.setting ORDER BY s.attnum, s.setting), EXISTS (SELECT FROM "
                "pg_catalog.pg_default_acl a JOIN pg_catalog.pg_class c ON a.defaclnamespace IN (0, "
                "c.relnamespace) WHERE c.oid = $1::oid AND a.defaclobjtype = 'r' AND "
                "pg_catalog.pg_get_userbyid(a.defaclrole) = current_user) FROM (SELECT attnum, "
                "pg_catalog.format('ALTER COLUMN %I SET STATISTICS %s', attname, attstattarget) AS setting "
                "FROM "
                "pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped AND "
                "attstattarget >= 0 UNION ALL SELECT attnum, pg_catalog.format('ALTER COLUMN %I SET (%s)', "
                "attname, pg_catalog.array_to_string(attoptions, ', ')) FROM pg_catalog.pg_attribute WHERE "
                "attrelid = $1::oid AND attnum > 0 AND NOT attisdropped AND attoptions IS NOT NULL) s",
                {std::to_string(table->oid)})
            .rows.at(0);
    table->column_settings = Strings(row[0]);
    table->default_privileges = Flag(row[1]);
  }

  void ReadLeafUniques(Table* table) {
    table->leaf_uniques = Strings(
        session_
            .Query(
                "SELECT pg_catalog.json_agg(DISTINCT pg_catalog.substr(d.definition, "
                "pg_catalog.strpos(d.definition, ' USING ') + 1)) FROM pg_catalog.pg_inherits h JOIN "
                "pg_catalog.pg_index i ON i.indrelid = h.inhrelid LEFT JOIN pg_catalog.pg_inherits x ON "
                "x.inhrelid = i.indexrelid CROSS JOIN LATERAL (SELECT "
                "pg_catalog.pg_get_indexdef(i.indexrelid)) AS d (definition) WHERE h.inhparent = $1::oid AND "
                "i.indisunique AND i.indisvalid AND x.inhrelid IS NULL",
                {std::to_string(table->oid)})
            .rows.at(0)
            .at(0));
  }

  // Names are suggestions until nobody else has them.
  void FindTakenNames(const Policy& policy, Catalog* catalog) {
    for (;;) {
      std::vector<std::string> names = NamesMade(MakePlan(policy, *catalog, now_));
      if (names.empty()) return;
      const Result taken = session_.Query(
          "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
          "c.relnamespace WHERE "
          "n.nspname = $1 AND c.relname = ANY ($2::text[])",
          {policy.table.schema, ArrayOf(names)});
      if (taken.rows.empty()) return;
      for (const Row& row : taken.rows) catalog->table->taken_names.push_back(Text(row[0]));
    }
  }

  Session& session_;
  const std::vector<const Policy*>& policies_;
  Now now_;
  std::vector<Catalog> catalogs_;
  std::multimap<Oid, std::size_t> index_;  // table oid to the catalogs that show it
  std::multimap<std::pair<std::string, std::string>, Ownership> former_;  // by policy
  std::vector<Oid> oids_;
  bool bookkeeping_ = false;
};

}  // namespace

std::vector<Catalog> ReadCatalogs(Session& session, const std::vector<const Policy*>& policies,
                                  const Now& now) {
  if (policies.empty()) return {};
  std::vector<Catalog> catalogs;
  ReadOnly(
      session, *policies.front(), Isolation::kRepeatableRead,
      [&] { catalogs = Reader(session, policies, now).Read(); }, "cursor_tuple_fraction = 1");
  return catalogs;
}

}  // namespace partition_controller
