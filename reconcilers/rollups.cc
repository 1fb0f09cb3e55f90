// Rollups: each that the policy wants is kept by triggers, filled and fresh;
// those it does not want are left alone.

#include <algorithm>
#include <array>
#include <string_view>

#include "reconcilers/planning.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

using State = RollupState::State;

const TypedColumn* FindColumn(const std::vector<TypedColumn>& columns, const std::string& name) {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const TypedColumn& column) { return column.name == name; });
  return found == columns.end() ? nullptr : &*found;
}

// Columns of a rollup, and names in our statements and functions.
constexpr std::array<std::string_view, 57> kOwnNames = {"metric_key",
                                                        "bucket_ts",
                                                        "sample_count",
                                                        "min_value",
                                                        "max_value",
                                                        "avg_value",
                                                        "sum_value",
                                                        "updated_at",
                                                        "points",
                                                        "held",
                                                        "source",
                                                        "n",
                                                        "lo",
                                                        "hi",
                                                        "total",
                                                        "document",
                                                        "skipped",
                                                        "raw",
                                                        "sealer",
                                                        "keep_stored",
                                                        "has_base",
                                                        "next_ts",
                                                        "at",
                                                        "lower",
                                                        "upper",
                                                        "key",
                                                        "value",
                                                        "upto",
                                                        "low",
                                                        "newest",
                                                        "step",
                                                        "adopts",
                                                        "emptied",
                                                        "made",
                                                        "wide",
                                                        "names",
                                                        "odd",
                                                        "began",
                                                        "wrong",
                                                        "counted",
                                                        "summed",
                                                        "oldest",
                                                        "found",
                                                        "first",
                                                        "gone",
                                                        "new",
                                                        "old",
                                                        "tg_name",
                                                        "tg_when",
                                                        "tg_level",
                                                        "tg_op",
                                                        "tg_relid",
                                                        "tg_relname",
                                                        "tg_table_name",
                                                        "tg_table_schema",
                                                        "tg_nargs",
                                                        "tg_argv"};

bool IsText(const std::string& type) { return type == "text" || type.starts_with("character varying"); }

// Whether the rollup can be made of this table and kept in that one; says why
// not.
class Fitting {
 public:
  Fitting(Planning& p, const Rollup& rollup, const RollupState& state)
      : p_(p), rollup_(rollup), state_(state), target_(QuoteName(p.table.schema, rollup.table)) {}

  bool Fits() {
    const std::size_t before = p_.plan.refusals.size();
    if (p_.key != KeyType::kTimestampTz) {
      Refuse("RollupSourceUnfit",
             QuoteName(p_.policy.time_column) + " is of type " + p_.table.key_column_type +
                 ", and a rollup needs times with a zone",
             "leave the rollup out, or make the column a timestamptz");
      return false;
    }
    CheckSource();
    if (state_.target.view_taken) {
      const std::string view = QuoteName(p_.table.schema, rollup_.table + "_live");
      Refuse("NameTaken", view + " is somebody else's, and the rollup's view is to be called that",
             "ALTER TABLE " + view + " RENAME TO ...; or name another table in the rollup");
    }
    if (state_.state != State::kNone && state_.shape != RollupShape(rollup_)) {
      Refuse("RollupChanged",
             "its interval, time zone, dimensions or table are not what they were when it was made",
             "write it as it was; or give the new one a name and a table of its own, beside or instead of "
             "this one");
    } else if (state_.target.oid != 0) {
      CheckTarget();
    }
    return p_.plan.refusals.size() == before;
  }

  // Why its triggers would fail writers; empty if they do not.
  const std::string& fails_writers() const { return fails_writers_; }

 private:
  void Refuse(const std::string& code, const std::string& what, const std::string& remedy) {
    p_.Refuse(code, "rollup " + rollup_.name + ": " + what, remedy, false);
  }

  void CheckSource() {
    const auto need = [&](const std::string& name) {
      const TypedColumn* column = FindColumn(p_.table.column_types, name);
      if (column == nullptr) {
        Refuse("RollupSourceUnfit", p_.Name() + " has no column " + QuoteName(name),
               "correct the rollup's dimensions or source");
      }
      return column;
    };
    for (const std::string& name : rollup_.dimensions) {
      const TypedColumn* column = need(name);
      if (column == nullptr) fails_writers_ = "one of its dimensions is gone";
      if (column != nullptr && column->own_equality) {
        Refuse("RollupSourceUnfit",
               "the dimension " + QuoteName(name) + " (" + column->type +
                   ") finds values equal that are not the same",
               "leave it out; or add a column that holds one spelling of it, and name that one");
      }
      if (std::find(kOwnNames.begin(), kOwnNames.end(), name) != kOwnNames.end()) {
        Refuse("RollupSourceUnfit",
               "a dimension cannot be called " + QuoteName(name) + ", a name that rollups use themselves",
               "rename the column, or leave it out");
      }
    }
    if (!rollup_.finer.empty() && !p_.policy.feeder) {
      Refuse("RollupSourceUnfit",
             "it is fed by the rollup " + rollup_.finer + ", whose table has a policy of its own",
             "take that policy away, for the table is looked after with its rollup; or compute this one from "
             "rows");
      return;
    }
    for (const Partition& partition : p_.table.partitions) CheckPartition(partition);
    if (p_.table.default_partition) CheckPartition(p_.table.default_partition->partition);
    CheckDays();
    for (const std::string& name : rollup_.columns) need(name);
    if (rollup_.jsonb.empty()) return;
    const TypedColumn* json = need(rollup_.jsonb);
    if (json != nullptr && json->type != "jsonb") {
      Refuse("RollupSourceUnfit", QuoteName(rollup_.jsonb) + " is of type " + json->type + ", not jsonb",
             "name a jsonb column in source.jsonb, or columns in source.columns");
    }
  }

  // PostgreSQL: "cannot collect transition tuples from child foreign tables".
  void CheckPartition(const Partition& partition) {
    if (partition.kind != Partition::Kind::kForeign) return;
    fails_writers_ = QuoteName(partition.schema, partition.name) + " is a foreign table";
    Refuse("RollupSourceUnfit", fails_writers_ + ", whose rows no trigger of " + p_.Name() + " sees",
           "detach it, or leave the rollup out");
  }

  // Whether midnight is where buckets of the finer rollup meet.
  void CheckDays() {
    if (rollup_.finer.empty() || !rollup_.calendar_day) return;
    const Rollup& finer = p_.policy.feeder->rollup;
    constexpr std::chrono::hours kAYear{24 * 366};
    for (Instant day = BucketStart(rollup_, p_.at - kAYear); day < p_.at + kAYear;
         day = NextBucket(rollup_, day)) {
      if (BucketStart(finer, day) == day) continue;
      Refuse("RollupSourceUnfit",
             "midnight in " + rollup_.time_zone + " (" + ToString(day) +
                 ") lies within a bucket of the rollup " + finer.name + ", which feeds it",
             "give that one an interval of 30m or 15m; or compute this one from rows");
      return;
    }
  }

  void CheckTarget() {
    const RollupTarget& target = state_.target;
    if (!target.is_table || !target.owner_is_us) {
      Refuse(
          "RollupTableUnfit", target_ + (target.is_table ? " belongs to somebody else" : " is not a table"),
          target.is_table ? "GRANT its owner to " + QuoteName(p_.server.user) + ";" : "name another table");
      return;
    }
    const auto need = [&](const char* name, const auto& good, const char* wanted) {
      const TypedColumn* column = FindColumn(target.columns, name);
      if (column != nullptr && good(column->type)) return;
      Refuse("RollupTableUnfit", target_ + " has no column " + name + " of type " + wanted,
             "add it, or name a table that does not exist yet");
    };
    for (const std::string& name : rollup_.dimensions) {
      const TypedColumn* from = FindColumn(p_.table.column_types, name);
      const TypedColumn* to = FindColumn(target.columns, name);
      if (from == nullptr ||
          (to != nullptr && (to->type == from->type || (IsText(from->type) && IsText(to->type)))))
        continue;
      Refuse("RollupTableUnfit", target_ + " has no column " + QuoteName(name) + " of type " + from->type,
             "add it, or name a table that does not exist yet");
    }
    const auto is = [](const char* type) {
      return [type](const std::string& other) { return other == type; };
    };
    need("metric_key", IsText, "text");
    need("bucket_ts", is("timestamp with time zone"), "timestamptz");
    need(
        "sample_count", [](const std::string& t) { return t == "integer" || t == "bigint"; }, "bigint");
    for (const char* name : {"min_value", "max_value", "avg_value"})
      need(name, is("double precision"), "double precision");
    need("updated_at", is("timestamp with time zone"), "timestamptz");
    if (const TypedColumn* sum = FindColumn(target.columns, "sum_value");
        sum != nullptr && sum->type != "numeric") {
      Refuse("RollupTableUnfit", target_ + " has a column sum_value of type " + sum->type + ", not numeric",
             "ALTER TABLE " + target_ + " ALTER COLUMN sum_value TYPE numeric;");
    }
    if (!target.kept_for.empty()) {
      Refuse("RollupTableUnfit", target_ + " holds the rollup " + target.kept_for + " already",
             "name a table of its own; or take the other rollup out of its policy first");
    }
    if (!target.has_key) {
      Refuse("RollupTableUnfit", target_ + " has no unique index on its dimensions, metric_key and bucket_ts",
             "add a primary key on them");
    }
    for (const TypedColumn& column : target.columns) {
      const auto& dims = rollup_.dimensions;
      if (!column.required || std::find(dims.begin(), dims.end(), column.name) != dims.end()) continue;
      bool known = false;
      for (const char* ours : {"metric_key", "bucket_ts", "sample_count", "min_value", "max_value",
                               "avg_value", "sum_value", "updated_at"}) {
        known = known || column.name == ours;
      }
      if (!known) {
        Refuse("RollupTableUnfit", target_ + " wants a value for its column " + QuoteName(column.name),
               "give the column a default, or drop NOT NULL");
      }
    }
  }

  Planning& p_;
  const Rollup& rollup_;
  const RollupState& state_;
  std::string target_;
  std::string fails_writers_;
};

// Often enough to see each bucket of a busy week now and then, and a bug soon.
constexpr std::chrono::minutes kAuditEvery{10};

// Why it is to be installed (again); empty if it is there.
std::string WhyInstall(const Rollup& rollup, const RollupState& state) {
  if (state.state == State::kNone) return "the policy wants it";
  if (state.state == State::kPaused) return "it was paused: all of it is computed again";
  if (!state.intact) {
    return "somebody has taken away or changed its triggers, log or table: what they missed is computed "
           "again";
  }
  if (state.source != RollupSource(rollup)) return "its source has changed: all of it is computed again";
  return "";
}

// Of a table that we made partitions are made where they are needed.
void AdvisePartitions(Planning& p, const RollupState& state) {
  if (!state.target.spans || state.target.made_by_us) return;
  p.plan.advice.push_back("the rollup " + state.name + " has buckets for which its table " +
                          QuoteName(p.table.schema, state.table) +
                          " has no partition: make it, for the controller did not make the table");
}

void Keep(Planning& p, const Rollup& rollup, RollupState state) {
  Fitting fitting(p, rollup, state);
  if (!fitting.Fits()) {
    const bool live = state.state == State::kFilling || state.state == State::kLive;
    if (live && !fitting.fails_writers().empty()) {
      p.Do(StopRollup{rollup.name, false},
           fitting.fails_writers() + ", and the rollup's triggers fail writers");
    }
    return;
  }
  const std::string why = WhyInstall(rollup, state);
  if (!why.empty()) {
    const InstallRollup install{rollup.name, state.target.oid == 0};
    const bool moving = p.table.conversion && p.table.conversion->state != Conversion::State::kConverted;
    if (moving || p.table.drain) {
      p.plan.waiting.push_back(
          {install, "rows of the table are on their way to where they belong", std::nullopt});
      return;
    }
    // What it holds is kept for what the finer one does not have: which is known
    // when that one is complete.
    const bool adopts = state.state == State::kNone && state.target.oid != 0;
    if (adopts && !rollup.finer.empty() && !(p.table.feed && p.table.feed->filled)) {
      p.plan.waiting.push_back(
          {install, "the rollup " + rollup.finer + " is not complete yet", std::nullopt});
      return;
    }
    p.Do(install, why);
    state = *std::find_if(p.table.rollups.begin(), p.table.rollups.end(),
                          [&](const RollupState& one) { return one.name == rollup.name; });
  }
  if (!state.filled) {
    FillRollup fill{rollup.name, RollupExpiredBefore(p, rollup, state), false};
    if (state.fill_lacks) {
      p.plan.waiting.push_back(
          {std::move(fill), "its table has no partition for what comes next", std::nullopt});
      AdvisePartitions(p, state);
      return;
    }
    p.Do(std::move(fill), state.filled_from && why.empty()
                              ? "it is computed down to " + ToString(*state.filled_from) + " so far"
                              : "newest first, so that recent charts are complete soon");
    return;
  }
  const std::optional<Instant> expired = RollupExpiredBefore(p, rollup, state);
  // By the clock of a preview in the past any keep is longer.
  const bool past = !p.server.test_database && p.removal_at < p.server.time;
  if (state.filled_down_to && !past && (!expired || *expired < *state.filled_down_to)) {
    p.Do(FillRollup{rollup.name, expired, true},
         "it is kept for longer than when it was computed, down to " + ToString(*state.filled_down_to));
    return;
  }
  if (!state.audited_at || *state.audited_at + kAuditEvery <= p.server.time) {
    p.Do(AuditRollup{rollup.name, BucketStart(rollup, p.removal_at - rollup.settle), expired},
         "what bypasses the triggers is found by counting");
  }
}

}  // namespace

std::optional<Instant> RollupExpiredBefore(const Planning& p, const Rollup& rollup,
                                           const RollupState& state) {
  return ExpiredBefore(rollup, state, p.removal_at);
}

void RefreshRollups(Planning& p) {
  const std::vector<RollupState> known = p.table.rollups;
  for (const RollupState& state : known) {
    const Rollup* rollup = FindRollup(p.policy, state.name);
    if (rollup == nullptr || !rollup->enabled) continue;
    const Instant settled = p.removal_at - rollup->settle;
    p.WakeAt(NextBucket(*rollup, settled) + rollup->settle);
    if (!state.intact || state.shape != RollupShape(*rollup)) continue;
    if (state.oldest_dirty && state.oldest_ready != state.oldest_dirty) AdvisePartitions(p, state);
    if (!state.oldest_ready || *state.oldest_ready >= BucketStart(*rollup, settled)) continue;
    p.Do(RefreshRollup{rollup->name, BucketStart(*rollup, settled), RollupExpiredBefore(p, *rollup, state),
                       state.dirty},
         "rows came, changed or went since they were computed");
  }
}

void Rollups(Planning& p) {
  const std::vector<RollupState> known = p.table.rollups;
  for (const RollupState& state : known) {
    const Rollup* rollup = FindRollup(p.policy, state.name);
    if (rollup != nullptr && rollup->enabled) {
      Keep(p, *rollup, state);
    } else if (rollup == nullptr) {
      p.Do(StopRollup{state.name, true}, "it is not in the policy any more");
    } else if (state.state != State::kNone && state.state != State::kPaused) {
      p.Do(StopRollup{state.name, false}, "its state is Paused");
    }
  }
}

std::string RollupHolding(const Planning& p, const Range& range) {
  if (!p.policy.retention || !p.policy.retention->after_rollup || !range.to.finite()) return "";
  if (p.table.feed && !p.policy.rollups.empty()) {
    // What is not right yet would be kept by the coarser ones for good.
    const Feed& feed = *p.table.feed;
    const std::string who = "the rollup " + p.policy.feeder->rollup.name + ", whose table this is, ";
    if (!feed.filled && !(feed.filled_from && Bound::At(*feed.filled_from) <= range.from))
      return who + "is not computed that far yet";
    if (feed.oldest_dirty && Bound::At(*feed.oldest_dirty) < range.to)
      return who + "is to be computed again there";
  }
  for (const RollupState& state : p.table.rollups) {
    const Rollup* rollup = FindRollup(p.policy, state.name);
    if (rollup == nullptr || !rollup->enabled) continue;
    const bool filled = state.filled || (state.filled_from && range.from.finite() &&
                                         *state.filled_from <= BucketStart(*rollup, range.from.at));
    if (!filled) return "the rollup " + state.name + " has not taken it in yet";
    const bool lacks = state.oldest_dirty && state.oldest_ready != state.oldest_dirty;
    if (lacks && Bound::At(*state.oldest_dirty) < range.to)
      return "the rollup " + state.name + " waits for partitions of its table";
    const Instant end = NextBucket(*rollup, range.to.at - std::chrono::microseconds(1));
    if (end + rollup->settle > p.removal_at)
      return "the rollup " + state.name + " is still to take in its last bucket";
  }
  return "";
}

Instant RowCutoff(const Planning& p, Instant cutoff) {
  if (p.key != KeyType::kTimestampTz) return cutoff;
  // Each floor may leave another one's grid; days and whole hours agree soon.
  for (int i = 0; i < 4; ++i) {
    for (const RollupState& state : p.table.rollups) {
      if (const Rollup* rollup = FindRollup(p.policy, state.name)) cutoff = BucketStart(*rollup, cutoff);
    }
  }
  return cutoff;
}

}  // namespace partition_controller
