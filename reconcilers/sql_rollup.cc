#include "reconcilers/sql_rollup.h"

#include <algorithm>

#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

const Rollup& Finest(const Policy& policy) {
  const auto length = [](const Rollup& rollup) {
    return rollup.calendar_day ? std::chrono::minutes(24 * 60) : rollup.interval;
  };
  return *std::min_element(policy.rollups.begin(), policy.rollups.end(),
                           [&](const Rollup& a, const Rollup& b) { return length(a) < length(b); });
}

}  // namespace

const RollupState& RollupWriter::StateOf(const std::string& name) const {
  return *std::find_if(table_.rollups.begin(), table_.rollups.end(),
                       [&](const RollupState& state) { return state.name == name; });
}

RollupSql RollupWriter::For(const std::string& name) const {
  return {*FindRollup(policy_, name), StateOf(name),  table_.schema, parent_,
          policy_.time_column,        server_.version};
}

void RollupWriter::ExpectTables(const std::string& name) {
  out_.work.push_back(Assertion({table_.oid, table_.schema, table_.name, ""}, ""));
  const RollupState& state = StateOf(name);
  // One that this plan makes has no oid yet.
  if (state.target.oid == 0) return;
  out_.work.push_back(Assertion({state.target.oid, table_.schema, state.table, ""}, ""));
}

std::vector<RollupSql> RollupWriter::MadeRollups(const std::string& table) const {
  std::vector<RollupSql> made;
  for (const RollupState& state : table_.rollups) {
    const Rollup* rollup = FindRollup(policy_, state.name);
    if (rollup == nullptr || state.state == RollupState::State::kNone) continue;
    made.emplace_back(*rollup, state, table_.schema, table, policy_.time_column, server_.version);
  }
  return made;
}

void RollupWriter::operator()(const InstallRollup& a) {
  const Rollup& rollup = *FindRollup(policy_, a.rollup);
  const RollupState& state = StateOf(a.rollup);
  const RollupSql sql = For(a.rollup);
  std::vector<std::string> types;
  for (const std::string& name : rollup.dimensions) {
    for (const TypedColumn& column : table_.column_types) {
      if (column.name == name) types.push_back(column.type);
    }
  }
  if (a.makes_table) {
    for (std::string& statement : sql.CreateTarget(types, server_.user != table_.owner ? table_.owner : "")) {
      out_.work.push_back(std::move(statement));
    }
  }
  for (std::string& statement : sql.CreateSupport(types)) out_.work.push_back(std::move(statement));
  // Before the locks, for it may read the table; a row that comes meanwhile is late.
  if (!a.makes_table && state.state == RollupState::State::kNone) out_.work.push_back(sql.Adopt());
  if (!a.makes_table) {
    Contend(state.target.oid);
    out_.swift.push_back("ALTER TABLE " + sql.target() + " ADD COLUMN IF NOT EXISTS sum_value numeric");
  }
  Gentle({table_.oid, table_.schema, table_.name, ""});
  Contend(table_.oid);
  Lock(parent_, kWriters);
  Expect({table_.oid, table_.schema, table_.name, ""});
  for (std::string& statement : sql.DropTriggers()) out_.swift.push_back(std::move(statement));
  for (std::string& statement : sql.CreateTriggers()) out_.swift.push_back(std::move(statement));
  out_.swift.push_back(sql.Record(table_.oid, a.makes_table));
  for (std::string& statement : sql.CreateView()) out_.swift.push_back(std::move(statement));
}

void RollupWriter::operator()(const RefreshRollup& a) {
  out_.repeat = Transaction::Repeat::kWhileMore;
  out_.one_snapshot = true;
  ExpectTables(a.rollup);
  out_.work.push_back(For(a.rollup).Refresh(a.settled, a.expired, kBucketsPerBatch));
}

void RollupWriter::operator()(const FillRollup& a) {
  out_.repeat = Transaction::Repeat::kWhileMore;
  out_.one_snapshot = true;
  ExpectTables(a.rollup);
  std::vector<Range> partitions;
  for (const Partition& partition : table_.partitions) {
    if (partition.range) partitions.push_back(*partition.range);
  }
  if (a.resume) out_.work.push_back(For(a.rollup).Resume());
  for (std::string& statement : For(a.rollup).Fill(partitions, a.expired))
    out_.work.push_back(std::move(statement));
}

void RollupWriter::operator()(const AuditRollup& a) {
  constexpr int kBuckets = 20;
  out_.repeat = Transaction::Repeat::kWhileMore;
  out_.one_snapshot = true;
  ExpectTables(a.rollup);
  out_.work.push_back(For(a.rollup).Audit(a.settled, a.expired, kBuckets));
}

void RollupWriter::operator()(const ProveRollup& a) {
  out_.repeat = Transaction::Repeat::kWhileMore;
  out_.one_snapshot = true;
  ExpectTables(a.rollup);
  for (std::string& statement : For(a.rollup).Prove(a)) {
    out_.work.push_back(std::move(statement));
  }
}

void RollupWriter::operator()(const StopRollup& a) {
  const RollupState& state = StateOf(a.rollup);
  Gentle({table_.oid, table_.schema, table_.name, ""});
  if (a.forget) ForgetFed(state);
  LockExclusive({table_.oid, table_.schema, table_.name, ""});
  const Rollup rollup = RollupOf(state);
  const RollupSql sql(rollup, state, table_.schema, parent_, policy_.time_column, server_.version);
  for (std::string& statement : sql.Stop()) out_.swift.push_back(std::move(statement));
  if (!a.forget) return;
  for (std::string& statement : sql.Forget()) out_.swift.push_back(std::move(statement));
}

// Their views read its log.
void RollupWriter::ForgetFed(const RollupState& state) {
  for (const RollupState& fed : state.fed) {
    ForgetFed(fed);
    const TableRef finer{state.target_oid, fed.finer_schema, fed.finer_table, ""};
    LockExclusive(finer);
    const Rollup rollup = RollupOf(fed);
    const RollupSql sql(rollup, fed, fed.finer_schema, Quoted(finer), "bucket_ts", server_.version);
    for (std::string& statement : sql.Stop()) out_.swift.push_back(std::move(statement));
    for (std::string& statement : sql.Forget()) out_.swift.push_back(std::move(statement));
  }
}

void RollupWriter::SealRollups(const TableRef& partition, const Range& range) {
  const bool required = AfterRollup();
  for (const RollupSql& sql : MadeRollups(parent_)) {
    if (required && sql.enabled()) {
      out_.work.push_back(Raise(sql.NotProved(partition.oid),
                                "rollup " + sql.name() + " has not been compared with " + Quoted(partition),
                                kStaleState));
    }
    for (std::string& statement : sql.Keep(Quoted(partition), partition.oid, range)) {
      out_.work.push_back(std::move(statement));
    }
    if (sql.enabled() && sql.live()) {
      const std::string complaint = "rollup " + sql.name() + " has not taken in all of " + Quoted(partition);
      out_.swift.push_back(sql.ConsumeAll(range));
      out_.swift.push_back(
          Raise(required ? sql.NothingUnconsumed(range) : sql.ToBeKept(range), complaint, kStaleState));
    }
    out_.swift.push_back(sql.Seal(partition.oid, range));
  }
}

void RollupWriter::UnsealRollups(Oid oid, const Range& range) {
  for (const RollupSql& sql : MadeRollups(parent_)) {
    for (std::string& statement : sql.Unseal(oid, range)) out_.swift.push_back(std::move(statement));
  }
}

std::string RollupWriter::Gone(const std::string& before) const {
  return "UPDATE partition_controller.rollups SET gone_before = greatest(gone_before, " + before +
         ") WHERE target_oid = " + std::to_string(table_.oid);
}

// PL/pgSQL that fails where the rollup whose table this is has buckets from
// `from` to `to` that are not up to date: coarser ones would keep them so.
std::string RollupWriter::ExpectFed(const std::string& from, const std::string& to) const {
  if (!policy_.feeder || policy_.rollups.empty() || !AfterRollup()) return "";
  return "DECLARE\n  feed record;\n  stale boolean;\nBEGIN\n  FOR feed IN SELECT f.suffix, "
         "f.filled_from FROM partition_controller.rollups f WHERE f.target_oid = " +
         std::to_string(table_.oid) +
         " AND f.state <> 'paused' LOOP\n    EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM "
         "partition_controller.%I m WHERE NOT m.held AND (m.bucket_ts = ''-infinity'' OR m.bucket_ts >= $1 "
         "AND m.bucket_ts < $2))', 'marks_' || feed.suffix) INTO stale USING " +
         from + ", " + to + ";\n    IF stale OR feed.filled_from > " + from +
         " THEN\n      RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = " +
         QuoteLiteral("the rollup " + policy_.feeder->rollup.name + " is to be computed again there first") +
         ";\n    END IF;\n  END LOOP;\nEND;\n";
}

// The row before the locks, for a refresh that is under way holds it; the check
// under them, for a writer may come while they are waited for.
void RollupWriter::NoteGone(const Range& range) {
  if (!table_.feed) return;
  out_.work.push_back(Gone(Time(range.to)));
  const std::string check = ExpectFed(Time(range.from), Time(range.to));
  if (!check.empty()) out_.swift.push_back("DO " + DollarQuote(check));
}

// Not below what else is gone: coarser rollups hold that, and it would count twice.
void RollupWriter::NoteBack(Oid oid, const Range& range) {
  if (!table_.feed) return;
  const std::string table = std::to_string(table_.oid);
  const std::string gone =
      "SELECT pg_catalog.max(z.range_to) FROM partition_controller.sealed z JOIN "
      "partition_controller.rollups c ON c.suffix = z.suffix WHERE c.table_oid = " +
      table + " AND z.partition_oid <> " + std::to_string(oid) +
      " AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = z.partition_oid AND "
      "i.inhparent = " +
      table + ")";
  out_.work.push_back(
      "UPDATE partition_controller.rollups SET gone_before = least(gone_before, coalesce((" + gone + "), " +
      Time(range.from) + ")), filled_from = greatest(filled_from, " + Time(range.to) +
      "), state = CASE state WHEN 'live' THEN 'filling' ELSE state END WHERE target_oid = " + table);
}

// Of a bucket: -infinity for MINVALUE, which no time is less than.
std::string RollupWriter::Time(const Bound& bound) const {
  return bound.finite() ? LiteralSql(bound, key_) : "timestamptz '-infinity'";
}

bool RollupWriter::AfterRollup() const { return policy_.retention && policy_.retention->after_rollup; }

void RollupWriter::MarkRange(const TableRef& partition, const Range& range) {
  for (const RollupSql& sql : MadeRollups(parent_)) {
    if (!sql.live()) continue;
    for (std::string& statement : sql.MarkRange(Quoted(partition), range))
      out_.work.push_back(std::move(statement));
  }
}

std::string RollupWriter::HoldMarks() const {
  std::string text;
  for (const RollupSql& sql : MadeRollups(parent_)) {
    if (sql.live()) text += sql.HoldMarks();
  }
  return text;
}

void RollupWriter::ReleaseMarks() {
  for (const RollupSql& sql : MadeRollups(parent_)) out_.swift.push_back(sql.ReleaseMarks());
}

void RollupWriter::MarkRows(const std::string& from) {
  for (const RollupSql& sql : MadeRollups(parent_)) {
    if (sql.live()) out_.swift.push_back(sql.MarkAll(from));
  }
}

void RollupWriter::MoveRollupTriggers(const std::string& from, const std::string& to) {
  if (!from.empty()) {
    for (const RollupSql& sql : MadeRollups(from)) {
      for (std::string& statement : sql.DropTriggers()) out_.swift.push_back(std::move(statement));
    }
  }
  for (const RollupSql& sql : MadeRollups(to)) {
    if (!sql.live()) continue;
    for (std::string& statement : sql.CreateTriggers()) out_.swift.push_back(std::move(statement));
  }
}

void RollupWriter::DeleteRowsUnderRollups(const DeleteExpiredRows& a) {
  const std::vector<RollupSql> made = MadeRollups(parent_);
  const std::string leaf = Quoted(a.leaf);
  const std::string cutoff = LiteralSql(Bound::At(a.cutoff), key_);
  Range bounds{Bound::MinValue(), Bound::MaxValue()};
  const bool is_default = table_.default_partition && table_.default_partition->partition.oid == a.leaf.oid;
  for (const Partition& partition : table_.partitions) {
    if (partition.oid == a.leaf.oid && partition.range) bounds = *partition.range;
  }
  const Rollup& finest = Finest(policy_);
  const RollupSql grid(finest, StateOf(finest.name), table_.schema, parent_, policy_.time_column,
                       server_.version);
  // Whole buckets of the finest rollup, so that little is to be kept of those
  // that are cut in two.
  std::string body =
      "DECLARE\n  oldest timestamptz;\n  upto timestamptz;\n  found bigint;\n  gone "
      "bigint := 0;\nBEGIN\n  SELECT pg_catalog.min(x.at), pg_catalog.max(x.at), pg_catalog.count(*) INTO "
      "oldest, "
      "upto, found FROM (SELECT " +
      column_ + " AS at FROM ONLY " + leaf + " WHERE " + column_ + " < " + cutoff + " ORDER BY " + column_ +
      " LIMIT " + std::to_string(kRowsPerBatch) + ") x;\n  IF oldest IS NOT NULL THEN\n" +
      "  upto := CASE WHEN found < " + std::to_string(kRowsPerBatch) + " THEN " + cutoff + " ELSE least(" +
      grid.NextAfter("upto") + ", " + cutoff + ") END;\n";
  // What lies beyond is another partition's, whose rows still count.
  if (bounds.to.finite()) body += "  upto := least(upto, " + LiteralSql(bounds.to, key_) + ");\n";
  if (table_.feed) body += "  " + ExpectFed("timestamptz '-infinity'", "upto") + "  " + Gone("upto") + ";\n";
  for (const RollupSql& sql : made) {
    body += sql.BeforeDelete(leaf, a.leaf.oid, bounds, !is_default, sql.enabled() && AfterRollup());
  }
  body += std::string("  PERFORM pg_catalog.set_config('") + kMovesSetting +
          "', 'on', true);\n  DELETE FROM ONLY " + leaf + " WHERE " + column_ +
          " < upto;\n  GET DIAGNOSTICS gone = ROW_COUNT;\n  END IF;\n" +
          RollupSql::Report("oldest IS NOT NULL", "gone") + "END";
  out_.repeat = Transaction::Repeat::kWhileMore;
  out_.one_snapshot = true;
  out_.work.push_back("DO " + DollarQuote(body));
  out_.work.push_back(RollupSql::Reported());
}

}  // namespace partition_controller
