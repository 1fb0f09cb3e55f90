// Retire: what retention asks for.  Partitions that lie wholly before the
// cutoff are detached and, after the undo window, dropped; where partitioning
// is off, and in the history and default partitions, expired rows are deleted.
//
// Decided by bounds alone, never by a name (design rule 1).  Rows before the
// cutoff in a partition that reaches beyond it stay until all of it expires.

#include <algorithm>
#include <iterator>

#include "reconcilers/bounds.h"
#include "reconcilers/consent.h"
#include "reconcilers/drain.h"
#include "reconcilers/planning.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// Gives destructive steps the word: now, later, or not at all.
class Gate {
 public:
  explicit Gate(Planning& p)
      : p_(p),
        left_(p.policy.retention->max_per_run),
        held_(!p.plan.refusals.empty()),
        opens_(NextOpening(p.policy.schedule, p.removal_at)) {}

  // For one partition (or one leaf's rows); `action` is what waits otherwise.
  bool Pass(const Action& action, const Range& range, bool paced) {
    if (p_.policy.origin.hold) {
      p_.plan.waiting.push_back({action, "retention is held", std::nullopt});
      return false;
    }
    if (const std::string holding = RollupHolding(p_, range); !holding.empty()) {
      p_.plan.waiting.push_back({action, holding, std::nullopt});
      return false;
    }
    if (held_) {
      p_.plan.waiting.push_back({action, p_.plan.refusals.front().code, std::nullopt});
      return false;
    }
    if (opens_) {
      p_.WakeAt(*opens_);
      p_.plan.waiting.push_back({action, "the maintenance windows are closed", opens_});
      return false;
    }
    if (paced && left_ == 0) {
      p_.plan.waiting.push_back({action, "maxPerRun is used up: the next run goes on", std::nullopt});
      return false;
    }
    if (paced) --left_;
    return true;
  }

 private:
  Planning& p_;
  int left_;
  bool held_;
  std::optional<Instant> opens_;
};

std::string Age(const Planning& p, const Bound& to) {
  return "ends at " + ToString(to) + ", before the cutoff " + ToString(Bound::At(*p.cutoff)) + " (keep " +
         ToString(p.policy.retention->keep) + ")";
}

// Whether all rollups are known to hold what the partition's rows say; plans the
// comparison if not.
bool Proved(Planning& p, const Action& action, const TableRef& partition, const Range& range) {
  if (!p.policy.retention->after_rollup) return true;
  bool proved = true;
  const std::vector<RollupState> rollups = p.table.rollups;
  for (const RollupState& state : rollups) {
    const Rollup* rollup = FindRollup(p.policy, state.name);
    if (rollup == nullptr || !rollup->enabled) continue;
    if (std::find(state.proved.begin(), state.proved.end(), partition.oid) != state.proved.end()) continue;
    proved = false;
    p.Do(ProveRollup{state.name, partition, range, RollupExpiredBefore(p, *rollup, state)},
         "what is removed is compared first, bucket by bucket");
  }
  if (!proved) p.plan.waiting.push_back({action, "its rollups are compared with it first", std::nullopt});
  return proved;
}

void RemoveExpired(Planning& p, Gate& gate) {
  const Retention& retention = *p.policy.retention;
  std::vector<Partition> expired;  // copies, for steps change the model
  std::copy_if(p.table.partitions.begin(), p.table.partitions.end(), std::back_inserter(expired),
               [&](const Partition& partition) { return Expired(p, partition); });
  p.plan.waiting.reserve(p.plan.waiting.size() + expired.size());
  std::optional<std::chrono::microseconds> undo_window;
  if (Drops(p)) {
    // Counted from the server's now, whatever time is previewed, but for a test
    // database, which lives in that time.
    const Instant from = p.server.test_database ? p.removal_at : p.server.time;
    undo_window = Add(from, retention.undo_window, p.calendar.zone) - p.server.time;
  }
  for (const Partition& partition : expired) {
    if (partition.kind != Partition::Kind::kTable) {
      p.plan.advice.push_back(
          QuoteName(partition.schema, partition.name) + " has expired but is " +
          (partition.kind == Partition::Kind::kForeign ? "a foreign table" : "partitioned itself") +
          ": it is left alone; detach or drop it by hand");
      continue;
    }
    const TableRef ref = RefOf(partition);
    const bool at_once = Drops(p) && retention.undo_window.count == 0;
    const Action removal = at_once ? Action(DropPartition{ref, *partition.range, true})
                                   : Action(DetachPartition{ref, *partition.range, undo_window});
    if (!gate.Pass(removal, *partition.range, true) || !Proved(p, removal, ref, *partition.range)) {
      // Of a rollup's table the oldest goes first: what went is known by its end.
      if (p.table.feed) return;
      continue;
    }
    if (at_once) {
      p.Do(removal, Age(p, partition.range->to));
      continue;
    }
    if (partition.bound_check == Partition::BoundCheck::kNone) {
      p.Do(AddBoundCheck{ref, *partition.range}, "so that it can be attached again without a scan");
    }
    if (partition.bound_check != Partition::BoundCheck::kValid) {
      p.Do(ValidateBoundCheck{ref, *partition.range}, "so that it can be attached again without a scan");
    }
    p.Do(removal, Age(p, partition.range->to));
  }
}

void DropDetached(Planning& p, Gate& gate) {
  const std::vector<Detached> all = p.table.detached;
  for (const Detached& detached : all) {
    if (!Drops(p) || !detached.drop_after) continue;
    const DropPartition drop{{detached.oid, detached.schema, detached.name, ""}, detached.range, false};
    if (DropDue(p, detached) && !detached.has_bound_check) {
      // It would be refused each time, and hold up all that comes after it.
      p.plan.advice.push_back(
          QuoteName(detached.schema, detached.name) +
          " is past its undo window, but the CHECK that says what it holds is gone: it is left "
          "alone; drop it by hand");
    } else if (DropDue(p, detached)) {
      // What it held was sealed when it was detached.
      if (gate.Pass(drop, {Bound::MinValue(), Bound::MaxValue()}, true))
        p.Do(drop, "its undo window ended at " + ToString(*detached.drop_after));
    } else if (p.enabled && detached.range.to <= Bound::At(*p.cutoff)) {
      p.WakeAt(*detached.drop_after);
      p.plan.waiting.push_back({drop, "in its undo window", detached.drop_after});
    }
  }
}

void DeleteRows(Planning& p, Gate& gate) {
  const auto remove = [&](const TableRef& leaf, Instant cutoff, const std::string& reason) {
    const DeleteExpiredRows action{leaf, cutoff, p.table.has_time_index};
    if (!gate.Pass(action, {Bound::MinValue(), Bound::At(cutoff)}, false)) return;
    p.Do(action, reason);
    // Known only where there is something to do.
    if (!p.table.has_time_index) {
      const std::string advice = p.Name() + " has no index led by " + QuoteName(p.policy.time_column) +
                                 ": row deletes read the whole table";
      if (std::find(p.plan.advice.begin(), p.plan.advice.end(), advice) == p.plan.advice.end()) {
        p.plan.advice.push_back(advice);
      }
    }
  };
  const Instant row_cutoff = RowCutoff(p, *p.cutoff);
  const auto expired = [&](const std::optional<Instant>& oldest) { return oldest && *oldest < row_cutoff; };
  const std::string keep = "rows older than " + ToString(p.policy.retention->keep);
  if (p.table.kind == Table::Kind::kPlain) {
    if (expired(p.table.oldest_row)) {
      remove({p.table.oid, p.table.schema, p.table.name, ""}, row_cutoff,
             keep + "; the table is not partitioned");
    }
    return;
  }
  std::vector<Partition> partitions;
  // oldest_row is only known where ProbeOldest asked for it.
  std::copy_if(p.table.partitions.begin(), p.table.partitions.end(), std::back_inserter(partitions),
               [&](const Partition& partition) { return expired(partition.oldest_row); });
  for (const Partition& partition : partitions) {
    remove(RefOf(partition), row_cutoff,
           keep + (p.enabled ? "; the history partition expires row by row"
                             : "; partitioning.state is Disabled"));
  }
  if (!p.table.default_partition) return;
  const std::optional<Instant> cutoff = p.enabled ? DefaultCutoff(p) : row_cutoff;
  if (!cutoff) return;
  const std::int64_t rows = DefaultRowsBefore(*p.table.default_partition, *cutoff);
  if (rows > 0) {
    remove(RefOf(p.table.default_partition->partition), *cutoff,
           std::to_string(rows) + " expired rows are in the default partition");
  }
}

}  // namespace

// Also where partitioning is off: otherwise new partitions would take the
// places of the detached ones, and shut them out for good.
void Restore(Planning& p) {
  const std::vector<Detached> all = p.table.detached;
  for (const Detached& detached : all) {
    // Retention that is held is undone as far as it can be.
    const bool undone = p.policy.origin.hold && detached.drop_after;
    if (p.cutoff && detached.range.to <= Bound::At(*p.cutoff) && !undone) continue;
    const TableRef ref{detached.oid, detached.schema, detached.name, ""};
    const std::string name = QuoteName(detached.schema, detached.name);
    const bool taken = std::any_of(
        p.table.partitions.begin(), p.table.partitions.end(),
        [&](const Partition& other) { return other.range && Overlap(*other.range, detached.range); });
    if (taken) {
      p.plan.advice.push_back(name +
                              " was detached and would be kept now, but cannot be attached again: another "
                              "partition covers part of its range");
      continue;
    }
    const std::string reason = undone ? "retention is held" : "the policy keeps its range again";
    if (!detached.has_bound_check) {
      p.Do(AddBoundCheck{ref, detached.range}, reason + ", and its CHECK is gone");
      p.Do(ValidateBoundCheck{ref, detached.range},
           reason + "; so that attaching it scans nothing under lock");
    }
    if (p.DefaultRowsIn(detached.range) > 0 || !p.DefaultIsSmall()) {
      MoveOut(p, detached.range, ref, reason);
    } else {
      p.Do(ReattachPartition{ref, detached.range}, reason);
    }
  }
}

void ClearDefault(Planning& p, const Consent& consent) {
  // A consent to another table is not used before it is recorded.
  if (!p.enabled || !Drops(p) || p.policy.origin.hold || !p.table.default_partition ||
      !p.plan.refusals.empty() || !consent.stranger.empty() || consent.Held() ||
      NextOpening(p.policy.schedule, p.removal_at)) {
    return;
  }
  // What a rollup needs is made again later, and the rows wait for it.
  for (const RollupState& state : p.table.rollups) {
    const bool live = state.state == RollupState::State::kLive || state.state == RollupState::State::kFilling;
    if (live && !state.intact) return;
  }
  const std::optional<Instant> cutoff = DefaultCutoff(p);
  if (!cutoff || !RollupHolding(p, {Bound::MinValue(), Bound::At(*cutoff)}).empty()) return;
  const std::int64_t rows = DefaultRowsBefore(*p.table.default_partition, *cutoff);
  if (rows <= kMostOutsiders) return;
  p.Do(DeleteExpiredRows{RefOf(p.table.default_partition->partition), *cutoff, p.table.has_time_index},
       std::to_string(rows) +
           " expired rows are in the default partition; once they are gone, the rest is "
           "quicker to put in its place");
}

void Retire(Planning& p, const Consent& consent) {
  Put(consent, p);
  if (!p.policy.retention || Rests(p.policy)) return;
  Gate gate(p);
  if (p.enabled && p.table.kind == Table::Kind::kPartitioned) {
    DropDetached(p, gate);
    RemoveExpired(p, gate);
  } else if (!p.enabled && Drops(p)) {
    const auto kept =
        std::count_if(p.table.detached.begin(), p.table.detached.end(), [&](const Detached& detached) {
          return detached.drop_after && *detached.drop_after <= p.removal_at;
        });
    if (kept > 0) {
      p.plan.advice.push_back(
          "partitioning.state is Disabled, so detached tables stay although their undo window is over (" +
          std::to_string(kept) + "): enable it again, or drop them by hand");
    }
  }
  if (Drops(p)) DeleteRows(p, gate);
}

}  // namespace partition_controller
