#include "controller/rollup_reader.h"

#include <algorithm>

#include "controller/fields.h"
#include "reconcilers/quote.h"
#include "reconcilers/sql.h"

namespace partition_controller {
namespace {

// attgenerated, attidentity and a default give a value by themselves.  A type
// that sorts by an operator class of an extension (citext) may find equal what
// the operators of pg_catalog do not; so may a collation.
constexpr char kColumns[] =
    "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull AND NOT a.atthasdef AND "
    "a.attidentity = '', EXISTS (WITH RECURSIVE t AS (SELECT a.atttypid AS oid UNION SELECT d.typbasetype "
    "FROM t "
    "JOIN pg_catalog.pg_type d ON d.oid = t.oid WHERE d.typtype = 'd') SELECT FROM t JOIN "
    "pg_catalog.pg_opclass o "
    "ON o.opcintype = t.oid AND o.opcdefault AND o.opcnamespace <> 'pg_catalog'::pg_catalog.regnamespace "
    "JOIN "
    "pg_catalog.pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree') OR EXISTS (SELECT FROM "
    "pg_catalog.pg_collation c WHERE c.oid = a.attcollation AND NOT c.collisdeterministic) FROM "
    "pg_catalog.pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY "
    "a.attnum";

std::vector<TypedColumn> ReadColumns(Session& session, Oid table) {
  std::vector<TypedColumn> columns;
  for (const Row& row : session.Query(kColumns, {std::to_string(table)}).rows) {
    columns.push_back({Text(row[0]), Text(row[1]), Flag(row[2]), Flag(row[3])});
  }
  return columns;
}

class RollupReader {
 public:
  RollupReader(Session& session, const Policy& policy, Table* table)
      : session_(session), policy_(policy), table_(*table) {}

  void ReadBookkeeping() {
    const Result found = session_.Query(
        "SELECT name, suffix, state, shape, source, target_oid, target_name, filled_from = 'infinity', "
        "filled_from = "
        "'-infinity', CASE WHEN pg_catalog.isfinite(filled_from) THEN (extract(epoch FROM filled_from) * "
        "1000000)::bigint END, (extract(epoch FROM oldest_row) * 1000000)::bigint, points, late_points, "
        "skipped_values, audited, mismatches, (extract(epoch FROM audited_at) * 1000000)::bigint, "
        "(extract(epoch FROM started_at) * 1000000)::bigint FROM "
        "partition_controller.rollups WHERE table_oid = $1::oid "
        "ORDER BY "
        "name",
        {std::to_string(table_.oid)});
    for (const Row& row : found.rows) {
      RollupState state;
      state.name = Text(row[0]);
      state.suffix = Text(row[1]);
      const std::string word = Text(row[2]);
      state.state = word == "live"      ? RollupState::State::kLive
                    : word == "filling" ? RollupState::State::kFilling
                                        : RollupState::State::kPaused;
      state.shape = Text(row[3]);
      state.source = Text(row[4]);
      state.target_oid = ToOid(row[5]);
      state.table = Text(row[6]);
      state.filled = Flag(row[8]);
      if (row[9]) state.filled_from = Micros(row[9]);
      if (row[10]) state.oldest_row = Micros(row[10]);
      state.points = Number(row[11]);
      state.late_points = Number(row[12]);
      state.skipped_values = Number(row[13]);
      state.audited = Number(row[14]);
      state.mismatches = Number(row[15]);
      if (row[16]) state.audited_at = Micros(row[16]);
      state.started_at = Micros(row[17]);
      const Result proofs = session_.Query(
          std::string(
              "SELECT partition_oid FROM partition_controller.proofs WHERE suffix = $1 AND proved_at > ") +
              kProofsSince + " ORDER BY partition_oid",
          {state.suffix});
      for (const Row& proof : proofs.rows) state.proved.push_back(ToOid(proof[0]));
      table_.rollups.push_back(std::move(state));
    }
  }

  void AddNew() {
    for (const Rollup& rollup : policy_.rollups) {
      const auto same = [&](const RollupState& state) { return state.name == rollup.name; };
      if (std::any_of(table_.rollups.begin(), table_.rollups.end(), same)) continue;
      RollupState state;
      state.name = rollup.name;
      state.suffix = RollupSuffix(table_.oid, rollup);
      state.table = rollup.table;
      table_.rollups.push_back(std::move(state));
    }
  }

  void LookInto(RollupState* state) {
    const Rollup* rollup = FindRollup(policy_, state->name);
    if (rollup == nullptr) return;
    ReadTarget(*rollup, state);
    if (state->state == RollupState::State::kNone || state->state == RollupState::State::kPaused) return;
    CheckIntact(state);
    if (!state->intact) return;
    CountMarks(*rollup, state);
    if (!rollup->keep) return;
    const Row oldest = session_
                           .Query("SELECT (extract(epoch FROM min(bucket_ts)) * 1000000)::bigint FROM " +
                                  QuoteName(table_.schema, rollup->table) + " WHERE bucket_ts > '-infinity'")
                           .rows.at(0);
    if (oldest[0]) state->oldest_bucket = Micros(oldest[0]);
  }

 private:
  void ReadTarget(const Rollup& rollup, RollupState* state) {
    const Result found = session_.Query(
        "SELECT c.oid, c.relkind IN ('r', 'p'), pg_catalog.pg_has_role(c.relowner, 'USAGE') FROM "
        "pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 "
        "AND "
        "c.relname = $2",
        {table_.schema, rollup.table});
    state->target.view_taken = !session_
                                    .Query(
                                        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON "
                                        "n.oid = c.relnamespace WHERE "
                                        "n.nspname = $1 AND c.relname = $2 AND (c.relkind <> 'v' OR "
                                        "pg_catalog.obj_description(c.oid, "
                                        "'pg_class') IS DISTINCT FROM $3)",
                                        {table_.schema, rollup.table + "_live", kViewComment})
                                    .rows.empty();
    if (found.rows.empty()) return;
    const Row& row = found.rows.front();
    RollupTarget& target = state->target;
    target.oid = ToOid(row[0]);
    target.is_table = Flag(row[1]);
    target.owner_is_us = Flag(row[2]);
    target.columns = ReadColumns(session_, target.oid);
    std::vector<std::string> key = rollup.dimensions;
    key.insert(key.end(), {"metric_key", "bucket_ts"});
    std::sort(key.begin(), key.end());
    const Result keys = session_.Query(
        "SELECT pg_catalog.json_agg(a.attname ORDER BY a.attname COLLATE \"C\") FROM pg_catalog.pg_index i "
        "CROSS JOIN "
        "LATERAL unnest(i.indkey::smallint[]) AS k (attnum) LEFT JOIN pg_catalog.pg_attribute a ON "
        "a.attrelid = "
        "i.indrelid AND a.attnum = k.attnum WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid "
        "AND "
        "i.indpred IS NULL AND i.indexprs IS NULL AND i.indnatts = i.indnkeyatts AND i.indimmediate GROUP BY "
        "i.indexrelid",
        {std::to_string(target.oid)});
    for (const Row& columns : keys.rows) target.has_key = target.has_key || Strings(columns[0]) == key;
  }

  void CheckIntact(RollupState* state) {
    const Row row = session_
                        .Query(
                            "SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger t JOIN "
                            "pg_catalog.pg_proc f ON f.oid = "
                            "t.tgfoid JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace WHERE "
                            "t.tgrelid = $1::oid AND NOT "
                            "t.tgisinternal AND t.tgenabled IN ('O', 'A') AND n.nspname = "
                            "'partition_controller' AND f.proname = "
                            "'mark_' || $2) = 4, pg_catalog.to_regclass($3) IS NOT NULL, "
                            "pg_catalog.to_regclass($4) IS NOT NULL",
                            {std::to_string(table_.oid), state->suffix,
                             QuoteName("partition_controller", "marks_" + state->suffix),
                             QuoteName("partition_controller", "base_" + state->suffix)})
                        .rows.at(0);
    state->intact = Flag(row[0]) && Flag(row[1]) && Flag(row[2]) && state->target_oid == state->target.oid;
  }

  void CountMarks(const Rollup& rollup, RollupState* state) {
    std::string dims;
    for (const std::string& name : rollup.dimensions) dims += QuoteName(name) + ", ";
    const Row row =
        session_
            .Query(
                "SELECT count(*), (extract(epoch FROM min(bucket_ts)) * 1000000)::bigint FROM (SELECT "
                "DISTINCT " +
                dims + "greatest(bucket_ts, timestamptz '0001-01-01 00:00+00') AS bucket_ts FROM " +
                QuoteName("partition_controller", "marks_" + state->suffix) +
                " WHERE NOT held AND bucket_ts IS NOT NULL) m")
            .rows.at(0);
    state->dirty = Number(row[0]);
    if (row[1]) state->oldest_dirty = Micros(row[1]);
  }

  Session& session_;
  const Policy& policy_;
  Table& table_;
};

}  // namespace

void ReadRollups(Session& session, const Policy& policy, bool bookkeeping, Catalog* catalog) {
  Table& table = *catalog->table;
  RollupReader reader(session, policy, &table);
  // A schema of an earlier version has no such table, and is upgraded first.
  if (bookkeeping && catalog->server.bookkeeping_version >= 3) reader.ReadBookkeeping();
  reader.AddNew();
  if (table.rollups.empty() || !table.owner_is_us) return;
  if (!policy.rollups.empty()) table.column_types = ReadColumns(session, table.oid);
  for (RollupState& state : table.rollups) reader.LookInto(&state);
}

}  // namespace partition_controller
