#include "controller/rollup_reader.h"

#include <algorithm>

#include "controller/fields.h"
#include "controller/read_transaction.h"
#include "reconcilers/bounds.h"
#include "reconcilers/calendar.h"
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

// The unit of date_trunc.
const char* Unit(Granularity granularity) {
  switch (granularity) {
    case Granularity::kHour:
      return "hour";
    case Granularity::kDay:
      return "day";
    case Granularity::kWeek:
      return "week";
    case Granularity::kMonth:
      return "month";
    case Granularity::kQuarter:
      return "quarter";
    case Granularity::kYear:
      return "year";
  }
  return "month";
}

// What is known of the rollup's table: whether we made it, and how far its
// buckets are gone.
constexpr char kTableColumns[] =
    "made_by_us, CASE WHEN pg_catalog.isfinite(gone_before) THEN (extract(epoch FROM gone_before) * "
    "1000000)::bigint END";

// Periods without a partition that are looked for at a time.
constexpr int kMostPeriods = 100;

class RollupReader {
 public:
  RollupReader(Session& session, const Policy& policy, const Server& server, const Now& now, bool bookkeeping,
               Table* table)
      : session_(session),
        policy_(policy),
        server_(server),
        at_(now.preview ? now.at : server.time),
        removal_at_(server.test_database ? at_ : std::min(at_, server.time)),
        // A schema of an earlier version has no such table, and is upgraded first.
        bookkeeping_(bookkeeping && server.bookkeeping_version >= 3),
        table_(*table) {}

  void ReadBookkeeping() {
    if (!bookkeeping_) return;
    // An earlier schema is upgraded before anything is done.
    const std::string made = server_.bookkeeping_version >= 5 ? kTableColumns : "false, NULL";
    const std::string down_to =
        server_.bookkeeping_version >= 7
            ? "CASE WHEN pg_catalog.isfinite(filled_down_to) THEN (extract(epoch FROM filled_down_to) * "
              "1000000)::bigint END"
            : "NULL";
    const Result found = session_.Query(
        "SELECT name, suffix, state, shape, source, target_oid, target_name, filled_from = 'infinity', "
        "filled_from = "
        "'-infinity', CASE WHEN pg_catalog.isfinite(filled_from) THEN (extract(epoch FROM filled_from) * "
        "1000000)::bigint END, (extract(epoch FROM oldest_row) * 1000000)::bigint, points, late_points, "
        "skipped_values, audited, mismatches, (extract(epoch FROM audited_at) * 1000000)::bigint, "
        "(extract(epoch FROM started_at) * 1000000)::bigint, " +
            made + ", " + down_to +
            " FROM "
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
      state.target.made_by_us = Flag(row[18]);
      if (row[19]) state.gone_before = Micros(row[19]);
      if (row[20]) state.filled_down_to = Micros(row[20]);
      if (FindRollup(policy_, state.name) == nullptr) ReadFed(&state);
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
    const Source source{*rollup, QuoteName(table_.schema, table_.name), QuoteName(policy_.time_column)};
    CountMarks(*rollup, state);
    if (!state->target.spans || state->filled) return;
    std::vector<Instant> lacking;
    const bool looked = UnlessLocked(session_, [&] { FindUnfilled(source, *state, &lacking); });
    state->fill_lacks = !looked || (!lacking.empty() && lacking.front() == newest_unfilled_);
  }

  // What the table's own rollup wants of it, where it is one's.
  void ReadFeed() {
    if (!policy_.feeder || !bookkeeping_ || server_.bookkeeping_version < 5) return;
    const Feeder& feeder = *policy_.feeder;
    const std::string table = QuoteName(feeder.table.schema, feeder.table.name);
    const Result found = session_.Query(
        std::string(
            "SELECT suffix, filled_from = '-infinity', CASE WHEN pg_catalog.isfinite(filled_from) THEN "
            "(extract(epoch FROM filled_from) * 1000000)::bigint END, state = 'paused', ") +
            kTableColumns +
            " FROM partition_controller.rollups WHERE target_oid = $1::oid AND name = $2 AND table_oid = "
            "pg_catalog.to_regclass($3)",
        {std::to_string(table_.oid), feeder.rollup.name, table});
    if (found.rows.empty()) return;
    const Row& row = found.rows.front();
    Feed& feed = table_.feed.emplace();
    RollupState state;
    state.suffix = Text(row[0]);
    state.target.oid = table_.oid;
    state.filled = Flag(row[1]);
    if (row[2]) state.filled_from = Micros(row[2]);
    const bool paused = Flag(row[3]);
    state.target.made_by_us = feed.made_by_us = Flag(row[4]);
    if (row[5]) state.gone_before = Micros(row[5]);
    feed.filled = state.filled;
    feed.filled_from = state.filled_from;
    ReadSpans(&state.target);
    ReadAgreed(&state.target);
    if (!paused) FindStale(state, &feed);
    if (state.target.spans && !paused) {
      std::vector<Instant>& demanded = feed.demanded;
      // Asked for again with the next look.
      const bool looked = UnlessLocked(session_, [&] {
        FindUnfilled({feeder.rollup, table, QuoteName(feeder.time_column)}, state, &demanded);
      });
      if (!looked) demanded.clear();
      FindMarked(feeder.rollup, state, &demanded);
      std::sort(demanded.begin(), demanded.end());
      demanded.erase(std::unique(demanded.begin(), demanded.end()), demanded.end());
    }
    for (RollupState& coarser : table_.rollups) {
      coarser.finer_suffix = state.suffix;
      coarser.finer_table = table_.name;
    }
  }

 private:
  // Where a rollup's rows are.
  struct Source {
    const Rollup& rollup;
    std::string table;  // quoted
    std::string time;   // likewise
  };

  static std::string Literal(Instant at) { return "timestamptz " + QuoteLiteral(ToString(at)); }

  // True of a bucket that a partition is there for, or that nobody keeps.
  // REQUIRES: spans
  std::string Placed(const Rollup& rollup, const RollupState& state) const {
    std::string text;
    for (const Range& span : *state.target.spans) {
      text += (text.empty() ? "" : " OR ");
      text += span.from.finite() ? "bucket_ts >= " + Literal(span.from.at) : std::string("true");
      if (span.to.finite()) text += " AND bucket_ts < " + Literal(span.to.at);
    }
    if (const auto expired = ExpiredBefore(rollup, state, removal_at_)) {
      text += (text.empty() ? "" : " OR ") + ("bucket_ts < " + Literal(*expired));
    }
    return text.empty() ? "false" : "(" + text + ")";
  }

  // The newest bucket of each period that is yet to be filled and has no
  // partition, newest first.
  void FindUnfilled(const Source& source, const RollupState& state, std::vector<Instant>* lacking) {
    newest_unfilled_.reset();
    if (!state.target.spans || state.filled) return;
    const std::optional<Instant> expired = ExpiredBefore(source.rollup, state, removal_at_);
    const Calendar calendar{source.rollup.granularity, RollupZone(source.rollup)};
    // What lies beyond all partitions is yet to come, and waits.
    const bool ends = !state.target.spans->empty() && state.target.spans->back().to.finite();
    std::string before = state.filled_from ? Literal(*state.filled_from)
                         : ends            ? Literal(state.target.spans->back().to.at)
                                           : kLastTime;
    for (int i = 0; i < kMostPeriods; ++i) {
      const Row row =
          session_
              .Query("SELECT (extract(epoch FROM max(" + source.time + ")) * 1000000)::bigint FROM " +
                     source.table + " WHERE " + source.time + " < " + before + " AND " + source.time +
                     " >= " + (expired ? Literal(*expired) : kFirstTime))
              .rows.at(0);
      if (!row[0]) return;
      const Instant bucket = BucketStart(source.rollup, Micros(row[0]));
      if (!newest_unfilled_) newest_unfilled_ = bucket;
      const auto& spans = *state.target.spans;
      const auto span = std::find_if(spans.begin(), spans.end(),
                                     [&](const Range& range) { return range.Contains(bucket); });
      if (span == spans.end()) {
        lacking->push_back(bucket);
        before = Literal(std::max(PeriodStart(bucket, calendar), kFirstPeriod));
      } else if (span->from.finite()) {
        before = Literal(span->from.at);
      } else {
        return;
      }
    }
  }

  // A marked bucket of each period that has no partition.
  void FindMarked(const Rollup& rollup, const RollupState& state, std::vector<Instant>* lacking) {
    const std::string marks = QuoteName("partition_controller", "marks_" + state.suffix);
    if (!session_.Query("SELECT pg_catalog.to_regclass($1)", {marks}).rows.at(0)[0]) return;
    const Result found =
        session_.Query("SELECT (extract(epoch FROM min(bucket_ts)) * 1000000)::bigint FROM " + marks +
                       " WHERE NOT held AND bucket_ts > '-infinity' AND bucket_ts < " + Literal(at_) +
                       " AND NOT " + Placed(rollup, state) + " GROUP BY pg_catalog.date_trunc('" +
                       Unit(rollup.granularity) + "', bucket_ts, " + QuoteLiteral(RollupZone(rollup)) +
                       ") ORDER BY 1 DESC LIMIT " + std::to_string(kMostPeriods));
    for (const Row& row : found.rows) lacking->push_back(Micros(row[0]));
  }

  // The oldest of its buckets with a mark, of those that were not removed.
  void FindStale(const RollupState& state, Feed* feed) {
    const std::string marks = QuoteName("partition_controller", "marks_" + state.suffix);
    if (!session_.Query("SELECT pg_catalog.to_regclass($1)", {marks}).rows.at(0)[0]) {
      feed->filled = false;
      feed->filled_from.reset();
      return;
    }
    const Row row =
        session_
            .Query("SELECT (extract(epoch FROM min(greatest(bucket_ts, " + std::string(kFirstTime) +
                       "))) * 1000000)::bigint FROM " + marks +
                       " WHERE NOT held AND (bucket_ts = '-infinity' OR bucket_ts >= (SELECT gone_before "
                       "FROM partition_controller.rollups WHERE suffix = $1))",
                   {state.suffix})
            .rows.at(0);
    if (row[0]) feed->oldest_dirty = Micros(row[0]);
  }

  // Rollups of its table: they go before it does.
  void ReadFed(RollupState* state) {
    const Result found = session_.Query(
        "SELECT r.name, r.suffix, r.shape, r.target_oid, r.target_name, n.nspname, c.relname FROM "
        "partition_controller.rollups r JOIN pg_catalog.pg_class c ON c.oid = r.table_oid JOIN "
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE r.table_oid = $1::oid ORDER BY r.name",
        {std::to_string(state->target_oid)});
    for (const Row& row : found.rows) {
      RollupState& fed = state->fed.emplace_back();
      fed.name = Text(row[0]);
      fed.suffix = Text(row[1]);
      fed.shape = Text(row[2]);
      fed.target_oid = ToOid(row[3]);
      fed.table = Text(row[4]);
      fed.finer_schema = Text(row[5]);
      fed.finer_table = Text(row[6]);
      ReadFed(&fed);
    }
  }

  void ReadAgreed(RollupTarget* target) {
    if (!bookkeeping_ || server_.bookkeeping_version < 5) return;
    const Result found = session_.Query(
        "SELECT coalesce(retention_keep, '') FROM partition_controller.tables WHERE table_oid = $1::oid AND "
        "retention_action IS NOT NULL AND retention_action <> $2",
        {std::to_string(target->oid), kUnrecorded});
    if (!found.rows.empty()) target->agreed_keep = Text(found.rows[0][0]);
  }

  void ReadSpans(RollupTarget* target) {
    const bool by_bucket = !session_
                                .Query(
                                    "SELECT FROM pg_catalog.pg_partitioned_table t JOIN "
                                    "pg_catalog.pg_attribute a ON a.attrelid = "
                                    "t.partrelid AND a.attnum = t.partattrs[0] WHERE t.partrelid = $1::oid "
                                    "AND t.partstrat = 'r' "
                                    "AND t.partnatts = 1 AND a.attname = 'bucket_ts' AND t.partdefid = 0",
                                    {std::to_string(target->oid)})
                                .rows.empty();
    if (!by_bucket) return;
    const Result found = session_.Query(
        std::string("SELECT pg_catalog.pg_get_expr(c.relpartbound, c.oid) FROM pg_catalog.pg_inherits i JOIN "
                    "pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::oid") +
            (server_.version >= 140'000 ? " AND NOT i.inhdetachpending" : ""),
        {std::to_string(target->oid)});
    std::vector<Range> ranges;
    for (const Row& row : found.rows) {
      if (const auto bounds = ParseBounds(Text(row[0]))) ranges.push_back(bounds->range);
    }
    std::sort(ranges.begin(), ranges.end());
    std::vector<Range>& spans = target->spans.emplace();
    for (const Range& range : ranges) {
      if (!spans.empty() && spans.back().to == range.from) {
        spans.back().to = range.to;
      } else {
        spans.push_back(range);
      }
    }
  }

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
    target.made_by_us = target.made_by_us && state->target_oid == target.oid;
    ReadSpans(&target);
    ReadAgreed(&target);
    if (bookkeeping_) {
      const Result other = session_.Query(
          "SELECT name || ' of ' || table_oid::pg_catalog.regclass FROM partition_controller.rollups WHERE "
          "target_oid = $1::oid AND suffix <> $2 AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = "
          "table_oid) LIMIT 1",
          {std::to_string(target.oid), state->suffix});
      if (!other.rows.empty()) target.kept_for = Text(other.rows[0][0]);
    }
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
    const Row row =
        session_
            .Query(std::string("SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger t JOIN "
                               "pg_catalog.pg_proc f ON "
                               "f.oid = t.tgfoid JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace "
                               "WHERE t.tgrelid = "
                               "$1::oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND n.nspname = "
                               "'partition_controller' AND f.proname = 'mark_' || $2 AND "
                               "coalesce(pg_catalog.obj_description("
                               "f.oid, 'pg_proc') = ") +
                       kFingerprint +
                       ", true)) = 4, pg_catalog.to_regclass($3) IS NOT NULL, pg_catalog.to_regclass($4) IS "
                       "NOT NULL",
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
                "SELECT count(*), (extract(epoch FROM min(bucket_ts)) * 1000000)::bigint, (extract(epoch "
                "FROM "
                "min(bucket_ts) FILTER (WHERE emptied" +
                (state->target.spans ? " OR " + Placed(rollup, *state) : std::string(" OR true")) +
                ")) * 1000000)::bigint FROM (SELECT DISTINCT " + dims +
                "greatest(bucket_ts, timestamptz '0001-01-01 00:00+00') AS bucket_ts, bucket_ts = "
                "'-infinity' "
                "AS emptied FROM " +
                QuoteName("partition_controller", "marks_" + state->suffix) +
                " WHERE NOT held AND bucket_ts IS NOT NULL) m")
            .rows.at(0);
    state->dirty = Number(row[0]);
    if (row[1]) state->oldest_dirty = Micros(row[1]);
    if (row[2]) state->oldest_ready = Micros(row[2]);
  }

  Session& session_;
  const Policy& policy_;
  const Server& server_;
  const Instant at_;  // as a plan takes them (Planning)
  const Instant removal_at_;
  const bool bookkeeping_;
  Table& table_;
  std::optional<Instant> newest_unfilled_;  // as FindUnfilled saw it
};

}  // namespace

void ReadRollups(Session& session, const Policy& policy, const Now& now, bool bookkeeping, Catalog* catalog) {
  Table& table = *catalog->table;
  RollupReader reader(session, policy, catalog->server, now, bookkeeping, &table);
  reader.ReadBookkeeping();
  reader.AddNew();
  reader.ReadFeed();
  if (table.rollups.empty() || !table.owner_is_us) return;
  if (!policy.rollups.empty()) table.column_types = ReadColumns(session, table.oid);
  for (RollupState& state : table.rollups) reader.LookInto(&state);
}

}  // namespace partition_controller
