#include "reconcilers/bookkeeping.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

std::string Text(const Bound& bound) { return QuoteLiteral(ToString(bound)); }

std::string RegClass(const std::string& schema, const std::string& name) {
  return QuoteLiteral(QuoteName(schema, name)) + "::pg_catalog.regclass::pg_catalog.oid";
}

std::string Number(std::int64_t number) { return std::to_string(number); }

std::string ArrayOf(const std::vector<Oid>& oids) {
  std::string text = "{";
  for (const Oid oid : oids) text += (text.size() > 1 ? "," : "") + Number(oid);
  return text + "}";
}

// Of a table that may have been made in the same transaction.
std::string OidOf(const Table& table) {
  return table.oid != 0 ? Number(table.oid) : RegClass(table.schema, table.name);
}

}  // namespace

bool IsBookkeepingName(std::string_view table) {
  constexpr std::array<std::string_view, 10> kOurs = {"version",    "settings", "terms",       "tables",
                                                      "partitions", "drains",   "conversions", "rollups",
                                                      "sealed",     "proofs"};
  return std::find(kOurs.begin(), kOurs.end(), table) != kOurs.end();
}

std::vector<std::string> MigrationSql(int version) {
  if (version >= kBookkeepingVersion) return {};
  return {
      // IF NOT EXISTS would ask for CREATE on the database although an
      // administrator has made the schema.
      "DO " + DollarQuote(
                  "BEGIN\n  IF pg_catalog.to_regnamespace('partition_controller') IS NULL THEN\n    CREATE "
                  "SCHEMA "
                  "partition_controller;\n    COMMENT ON SCHEMA partition_controller IS 'Bookkeeping of the "
                  "partition controller. Do not drop: it holds the fencing terms and what is in its undo "
                  "window.';\n  END IF;\nEND"),
      "CREATE TABLE IF NOT EXISTS partition_controller.version (version integer PRIMARY KEY)",
      "CREATE TABLE IF NOT EXISTS partition_controller.settings (name text PRIMARY KEY, value text NOT NULL)",
      "CREATE SEQUENCE IF NOT EXISTS partition_controller.terms",
      // One row for each table under a policy.
      "CREATE TABLE IF NOT EXISTS partition_controller.tables ("
      "table_oid oid PRIMARY KEY, policy_namespace text NOT NULL, policy_name text NOT NULL, "
      "schema_name text NOT NULL, table_name text NOT NULL, owner_name text NOT NULL, "
      "database_oid oid NOT NULL, system_identifier text NOT NULL, "
      "claimed_at timestamptz NOT NULL DEFAULT pg_catalog.now(), analyzed_at timestamptz, "
      "term bigint NOT NULL, holder text NOT NULL, acted_at timestamptz NOT NULL)",
      // Version 4.  What was agreed to, NULL: nothing yet; but a table that an
      // earlier release looked after is told apart, for it is not a new one.
      // cluster_uid is NULL for a policy from a file.
      "ALTER TABLE partition_controller.tables ADD COLUMN IF NOT EXISTS retention_keep text, ADD COLUMN IF "
      "NOT EXISTS retention_action text DEFAULT '" +
          std::string(kUnrecorded) +
          "', ADD COLUMN IF NOT EXISTS retention_due oid[], ADD COLUMN IF NOT EXISTS time_column text, ADD "
          "COLUMN IF NOT EXISTS cluster_uid text",
      "ALTER TABLE partition_controller.tables ALTER COLUMN retention_action DROP DEFAULT",
      // Version 6.
      "ALTER TABLE partition_controller.tables ADD COLUMN IF NOT EXISTS consent bigint NOT NULL DEFAULT 0",
      // One row for each partition that we made (attached) or detached.
      "CREATE TABLE IF NOT EXISTS partition_controller.partitions ("
      "partition_oid oid PRIMARY KEY, table_oid oid NOT NULL, "
      "state text NOT NULL CHECK (state IN ('attached', 'detached')), made_by_us boolean NOT NULL, "
      "schema_name text NOT NULL, table_name text NOT NULL, bound_from text NOT NULL, bound_to text NOT "
      "NULL, "
      "recorded_at timestamptz NOT NULL DEFAULT pg_catalog.now(), "
      "detached_at timestamptz, drop_after timestamptz)",
      "CREATE INDEX IF NOT EXISTS partitions_table_oid_idx ON partition_controller.partitions (table_oid)",
      // One row for each drain under way.
      "CREATE TABLE IF NOT EXISTS partition_controller.drains ("
      "table_oid oid PRIMARY KEY, mode text NOT NULL CHECK (mode IN ('move', 'promote')), "
      "target_oid oid NOT NULL, target_schema text NOT NULL, target_name text NOT NULL, "
      "bound_from text NOT NULL, bound_to text NOT NULL, "
      "started_at timestamptz NOT NULL DEFAULT pg_catalog.now())",
      // One row for each table that is, or was, converted.
      "CREATE TABLE IF NOT EXISTS partition_controller.conversions ("
      "plain_oid oid PRIMARY KEY, parent_oid oid NOT NULL UNIQUE, "
      "state text NOT NULL CHECK (state IN ('prepared', 'fenced', 'converted', 'reverting')), "
      "schema_name text NOT NULL, table_name text NOT NULL, parent_name text NOT NULL, "
      "history_name text NOT NULL, primary_key text NOT NULL, key_index text NOT NULL, "
      "cut text NOT NULL, shape text NOT NULL, no_way_back text NOT NULL DEFAULT '', "
      "started_at timestamptz NOT NULL DEFAULT pg_catalog.now(), changed_at timestamptz NOT NULL DEFAULT "
      "pg_catalog.now())",
      // One row for each rollup; `suffix` ends the names of what is made for it.
      "CREATE TABLE IF NOT EXISTS partition_controller.rollups ("
      "suffix text PRIMARY KEY, table_oid oid NOT NULL, name text NOT NULL, schema_name text NOT NULL, "
      "target_name text NOT NULL, target_oid oid NOT NULL, "
      "state text NOT NULL DEFAULT 'filling' CHECK (state IN ('filling', 'live', 'paused')), "
      "shape text NOT NULL, source text NOT NULL, filled_from timestamptz NOT NULL DEFAULT 'infinity', "
      "fill_step interval NOT NULL DEFAULT '6 hours', adopting boolean NOT NULL DEFAULT true, "
      "truncated boolean NOT NULL DEFAULT false, "
      "oldest_row timestamptz, points bigint NOT NULL DEFAULT 0, late_points bigint NOT NULL DEFAULT 0, "
      "skipped_values bigint NOT NULL DEFAULT 0, audited bigint NOT NULL DEFAULT 0, "
      "mismatches bigint NOT NULL DEFAULT 0, audited_at timestamptz, "
      "started_at timestamptz NOT NULL DEFAULT pg_catalog.now(), UNIQUE (table_oid, name))",
      // Version 4.
      "ALTER TABLE partition_controller.rollups ADD COLUMN IF NOT EXISTS made_by_us boolean NOT NULL DEFAULT "
      "false",
      // Version 5.  Buckets before it were removed from the rollup's table.
      "ALTER TABLE partition_controller.rollups ADD COLUMN IF NOT EXISTS gone_before timestamptz NOT NULL "
      "DEFAULT '-infinity'",
      // Version 7.  Those that are older may be missing: nobody kept them then.
      "ALTER TABLE partition_controller.rollups ADD COLUMN IF NOT EXISTS filled_down_to timestamptz NOT NULL "
      "DEFAULT '-infinity'",
      // One row for each range whose rows are gone and whose buckets are complete.
      "CREATE TABLE IF NOT EXISTS partition_controller.sealed (suffix text NOT NULL, partition_oid oid NOT "
      "NULL, by_rows boolean NOT NULL, range_from timestamptz NOT NULL, range_to timestamptz NOT NULL, "
      "sealed_at timestamptz NOT NULL DEFAULT pg_catalog.now(), PRIMARY KEY (suffix, partition_oid, "
      "by_rows))",
      // One row for each partition that was compared, newest bucket first, with a
      // rollup before it left; it stays when the partition is gone.
      "CREATE TABLE IF NOT EXISTS partition_controller.proofs (suffix text NOT NULL, partition_oid oid NOT "
      "NULL, partition_name text NOT NULL, down_to timestamptz NOT NULL DEFAULT 'infinity', groups bigint "
      "NOT "
      "NULL DEFAULT 0, points bigint NOT NULL DEFAULT 0, total numeric NOT NULL DEFAULT 0, mismatches bigint "
      "NOT "
      "NULL DEFAULT 0, row_count bigint, first_row timestamptz, last_row timestamptz, proved_at timestamptz, "
      "PRIMARY "
      "KEY (suffix, partition_oid))",
      "CREATE INDEX IF NOT EXISTS sealed_range ON partition_controller.sealed (suffix, range_to)",
      "DELETE FROM partition_controller.version",
      "INSERT INTO partition_controller.version VALUES (" + std::to_string(kBookkeepingVersion) + ")",
  };
}

namespace {

// True of rows `t` of tables: the policy's, and those of tables of rollups that it
// has no more, unless something is left of it there.  Off a table that is forgotten
// nobody would ever take the triggers of a rollup, or the fence of a conversion.
std::string MayBeForgotten(const Policy& policy) {
  return "t.policy_namespace = " + QuoteLiteral(policy.name_space) +
         " AND (t.policy_name = " + QuoteLiteral(policy.name) + " OR pg_catalog.starts_with(t.policy_name, " +
         QuoteLiteral(policy.name + "/") +
         ") AND NOT EXISTS (SELECT FROM partition_controller.rollups r WHERE r.target_oid = t.table_oid)) "
         "AND "
         "(NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.table_oid) OR NOT EXISTS (SELECT "
         "FROM "
         "partition_controller.rollups r WHERE r.table_oid = t.table_oid) AND NOT EXISTS (SELECT FROM "
         "partition_controller.conversions v WHERE t.table_oid IN (v.plain_oid, v.parent_oid) AND v.state <> "
         "'converted'))";
}

}  // namespace

std::string ClaimSql(const Policy& policy, const Table& table, const Server& server,
                     const std::string& holder, bool accept_identity, bool consented,
                     const std::optional<AgreedRetention>& agreed, std::optional<std::int64_t> seen_term) {
  std::string sql;
  const std::string oid = Number(table.oid);
  if (accept_identity) {
    sql += "WITH former AS (DELETE FROM partition_controller.tables t WHERE " + MayBeForgotten(policy) +
           " AND t.table_oid <> " + oid + ") ";
  }
  sql +=
      "INSERT INTO partition_controller.tables AS t (table_oid, policy_namespace, policy_name, schema_name, "
      "table_name, owner_name, database_oid, system_identifier, time_column, cluster_uid, " +
      std::string(agreed ? "retention_keep, retention_action, retention_due, " : "") +
      (consented ? "consent, " : "") + "term, holder, acted_at) VALUES (" + oid + ", " +
      QuoteLiteral(policy.name_space) + ", " + QuoteLiteral(policy.name) + ", " + QuoteLiteral(table.schema) +
      ", " + QuoteLiteral(table.name) + ", " + QuoteLiteral(table.owner) + ", " + Number(server.database) +
      ", " + QuoteLiteral(server.system_identifier) + ", " + QuoteLiteral(policy.time_column) + ", " +
      (policy.origin.cluster.empty() ? "NULL" : QuoteLiteral(policy.origin.cluster)) +
      (agreed ? ", " + QuoteLiteral(agreed->keep) + ", " + QuoteLiteral(agreed->action) + ", " +
                    QuoteLiteral(ArrayOf(agreed->due))
              : "") +
      // Never drawn again, also for a table without a row.
      (consented ? ", pg_catalog.nextval('partition_controller.terms')" : "") +
      ", pg_catalog.nextval('partition_controller.terms'), " + QuoteLiteral(holder) +
      ", pg_catalog.clock_timestamp()) ON CONFLICT (table_oid) DO UPDATE SET term = EXCLUDED.term, "
      "holder = EXCLUDED.holder, acted_at = EXCLUDED.acted_at, schema_name = EXCLUDED.schema_name, "
      "table_name = EXCLUDED.table_name, time_column = EXCLUDED.time_column, cluster_uid = "
      "EXCLUDED.cluster_uid";
  if (accept_identity) {
    sql +=
        ", owner_name = EXCLUDED.owner_name, database_oid = EXCLUDED.database_oid, "
        "system_identifier = EXCLUDED.system_identifier";
  }
  if (agreed) {
    sql +=
        ", retention_keep = EXCLUDED.retention_keep, retention_action = EXCLUDED.retention_action, "
        "retention_due = EXCLUDED.retention_due";
  }
  if (consented) sql += ", consent = EXCLUDED.consent";
  sql +=
      " WHERE t.policy_namespace = EXCLUDED.policy_namespace AND t.policy_name = EXCLUDED.policy_name AND "
      "(t.holder = EXCLUDED.holder OR t.acted_at < pg_catalog.clock_timestamp() - interval '" +
      Number(policy.locks.timeout.count()) + " milliseconds')" +
      (seen_term ? " AND t.term = " + Number(*seen_term) : "") + " RETURNING t.term";
  return sql;
}

std::string FenceSql(Oid table, std::int64_t term) { return FenceSql(table, Number(term)); }

std::string FenceSql(Oid table, const std::string& term) {
  return "UPDATE partition_controller.tables SET acted_at = pg_catalog.clock_timestamp() WHERE table_oid = " +
         Number(table) + " AND term = " + term + " RETURNING term";
}

std::string ReleaseSql(const Policy& policy, int version) {
  const std::string rows = "DELETE FROM partition_controller.tables t WHERE ";
  if (version == kBookkeepingVersion) return rows + MayBeForgotten(policy);
  return rows + "t.policy_namespace = " + QuoteLiteral(policy.name_space) +
         " AND t.policy_name = " + QuoteLiteral(policy.name);
}

std::string RecordMade(const Table& parent, const std::string& schema, const std::string& name,
                       const Range& range) {
  return "INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, "
         "schema_name, "
         "table_name, bound_from, bound_to) VALUES (" +
         RegClass(schema, name) + ", " + OidOf(parent) + ", 'attached', true, " + QuoteLiteral(schema) +
         ", " + QuoteLiteral(name) + ", " + Text(range.from) + ", " + Text(range.to) +
         ") ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', "
         "made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, "
         "bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = "
         "NULL";
}

std::string RecordDetached(const Table& parent, const TableRef& partition, const Range& range,
                           std::optional<std::chrono::microseconds> undo_window) {
  // Not interval '... microseconds', which PostgreSQL 13 bounds by an integer.
  const std::string after = undo_window ? "pg_catalog.now() + pg_catalog.make_interval(secs => " +
                                              Number(undo_window->count()) + " / 1e6)"
                                        : "NULL";
  return "INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, "
         "schema_name, "
         "table_name, bound_from, bound_to, detached_at, drop_after) VALUES (" +
         RegClass(partition.schema, partition.name) + ", " + Number(parent.oid) + ", 'detached', false, " +
         QuoteLiteral(partition.schema) + ", " + QuoteLiteral(partition.name) + ", " + Text(range.from) +
         ", " + Text(range.to) + ", pg_catalog.now(), " + after +
         ") ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'detached', "
         "schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = "
         "EXCLUDED.bound_from, "
         "bound_to = EXCLUDED.bound_to, detached_at = EXCLUDED.detached_at, drop_after = EXCLUDED.drop_after";
}

std::string RecordAttached(const TableRef& partition) {
  return "UPDATE partition_controller.partitions SET state = 'attached', detached_at = NULL, drop_after = "
         "NULL "
         "WHERE partition_oid = " +
         RegClass(partition.schema, partition.name);
}

std::string RecordGone(Oid partition) {
  return "DELETE FROM partition_controller.partitions WHERE partition_oid = " + Number(partition);
}

std::string RecordDrain(const Table& parent, const Drain& drain) {
  return "INSERT INTO partition_controller.drains (table_oid, mode, target_oid, target_schema, target_name, "
         "bound_from, bound_to) VALUES (" +
         Number(parent.oid) + ", " + (drain.mode == Drain::Mode::kMove ? "'move'" : "'promote'") + ", " +
         RegClass(drain.target_schema, drain.target_name) + ", " + QuoteLiteral(drain.target_schema) + ", " +
         QuoteLiteral(drain.target_name) + ", " + Text(drain.range.from) + ", " + Text(drain.range.to) + ")";
}

std::string RecordDrained(const Table& parent) {
  return "DELETE FROM partition_controller.drains WHERE table_oid = " + Number(parent.oid);
}

std::string RecordConversion(const Table& plain, const Conversion& conversion) {
  const auto parent = RegClass(plain.schema, conversion.parent_name);
  return "INSERT INTO partition_controller.conversions (plain_oid, parent_oid, state, schema_name, "
         "table_name, "
         "parent_name, history_name, primary_key, key_index, cut, shape) VALUES (" +
         Number(plain.oid) + ", " + parent + ", 'prepared', " + QuoteLiteral(plain.schema) + ", " +
         QuoteLiteral(plain.name) + ", " + QuoteLiteral(conversion.parent_name) + ", " +
         QuoteLiteral(conversion.history_name) + ", " +
         QuoteLiteral(nlohmann::json(conversion.primary_key).dump()) + ", " +
         QuoteLiteral(conversion.key_index) + ", " + Text(Bound::At(conversion.cut)) + ", " +
         QuoteLiteral(conversion.shape) + ")";
}

std::string RecordConversionState(const Conversion& conversion, const char* state) {
  return "UPDATE partition_controller.conversions SET state = " + QuoteLiteral(state) +
         ", changed_at = pg_catalog.now() WHERE plain_oid = " + Number(conversion.plain);
}

std::string RecordConverted(const Table& plain, const Conversion& conversion) {
  const std::string parent = RegClass(plain.schema, plain.name);
  return "WITH keeper AS (UPDATE partition_controller.tables SET table_oid = " + parent +
         ", analyzed_at = NULL WHERE table_oid = " + Number(plain.oid) +
         "), rollups AS (UPDATE partition_controller.rollups SET table_oid = " + parent +
         " WHERE table_oid = " + Number(plain.oid) +
         ") UPDATE partition_controller.conversions SET state = 'converted', changed_at = pg_catalog.now() "
         "WHERE "
         "plain_oid = " +
         Number(conversion.plain);
}

std::string RecordReverting(const Conversion& conversion) {
  return "WITH keeper AS (UPDATE partition_controller.tables SET table_oid = " + Number(conversion.plain) +
         ", analyzed_at = NULL WHERE table_oid = " + Number(conversion.parent) +
         "), rollups AS (UPDATE partition_controller.rollups SET table_oid = " + Number(conversion.plain) +
         " WHERE table_oid = " + Number(conversion.parent) +
         ") UPDATE partition_controller.conversions SET state = 'reverting', changed_at = pg_catalog.now() "
         "WHERE "
         "plain_oid = " +
         Number(conversion.plain);
}

std::string RecordNoWayBack(const Conversion& conversion, const std::string& why) {
  return "UPDATE partition_controller.conversions SET no_way_back = " + QuoteLiteral(why) +
         ", changed_at = pg_catalog.now() WHERE plain_oid = " + Number(conversion.plain) +
         " AND no_way_back = ''";
}

std::string RecordAbandoned(const Conversion& conversion) {
  return "WITH made AS (DELETE FROM partition_controller.partitions WHERE table_oid = " +
         Number(conversion.parent) +
         ") DELETE FROM partition_controller.conversions WHERE plain_oid = " + Number(conversion.plain);
}

std::string RecordAnalyzed(const Table& parent) {
  return "UPDATE partition_controller.tables SET analyzed_at = pg_catalog.now() WHERE table_oid = " +
         Number(parent.oid);
}

}  // namespace partition_controller
