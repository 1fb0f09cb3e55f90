#include "controller/snapshot.h"

#include <algorithm>

namespace partition_controller {

namespace {

// How long ago the oldest bucket that is not right should have been.
double LagOf(const Rollup& rollup, const RollupState& state, Instant now) {
  std::optional<Instant> oldest;
  if (state.oldest_dirty) oldest = NextBucket(rollup, *state.oldest_dirty) + rollup.settle;
  // Nothing is right before it is computed.
  if (!state.filled) oldest = state.oldest_row.value_or(now);
  return oldest && *oldest < now ? std::chrono::duration<double>(now - *oldest).count() : 0;
}

}  // namespace

void Observe(const Policy& policy, const Catalog& catalog, const Plan& plan, PolicyState* state) {
  state->observed = true;
  state->found = catalog.table.has_value();
  state->outlook = plan.outlook;
  state->conversion_progress = ConversionProgress(policy, catalog);
  state->pending.assign(Kinds().size(), 0);
  state->due.clear();
  for (const Step& step : plan.steps) {
    ++state->pending[step.action.index()];
    if (Routine(step.action)) continue;
    const std::string kind = Kind(step.action);
    const auto known =
        std::find_if(state->due.begin(), state->due.end(), [&](const auto& d) { return d.first == kind; });
    if (known == state->due.end()) {
      state->due.emplace_back(kind, 1);
    } else {
      ++known->second;
    }
  }
  state->waiting = static_cast<int>(plan.waiting.size());
  state->next_action.clear();
  state->next_action_at.reset();
  const bool acts = !policy.suspend && policy.mode == Policy::Mode::kApply;
  if (acts && !state->due.empty()) {
    state->next_action = state->due.front().first;
  } else if (acts && plan.next) {
    state->next_action = plan.next->what;
    state->next_action_at = plan.next->at;
  }
  state->plan_hash = plan.hash;
  state->needs_acknowledgement = plan.needs_acknowledgement;
  state->at_stake = plan.at_stake;
  state->partitioned = catalog.table && catalog.table->kind == Table::Kind::kPartitioned;
  state->rollups.clear();
  state->paused_rollups.clear();
  if (catalog.table) {
    for (const RollupState& rollup : catalog.table->rollups) {
      const Rollup* wanted = FindRollup(policy, rollup.name);
      if (wanted == nullptr) continue;
      if (!wanted->enabled) {
        state->paused_rollups.push_back(rollup.name);
        continue;
      }
      const char* kept = !rollup.intact ? "Missing" : rollup.filled ? "Kept" : "Filling";
      state->rollups.push_back(
          {rollup.name, kept, FilledPercent(rollup), LagOf(*wanted, rollup, plan.outlook.now), rollup.dirty,
           rollup.points, rollup.late_points, rollup.skipped_values, rollup.audited, rollup.mismatches});
    }
  }
  state->partitions = 0;
  state->bytes = 0;
  state->default_rows = 0;
  if (!state->partitioned) return;
  const Table& table = *catalog.table;
  state->partitions = static_cast<std::int64_t>(table.partitions.size());
  for (const Partition& partition : table.partitions) state->bytes += partition.bytes;
  if (table.default_partition) {
    ++state->partitions;
    state->bytes += table.default_partition->partition.bytes;
    state->default_rows = table.default_partition->rows;
  }
}

std::shared_ptr<const Snapshot> Board::Get() const {
  const MutexLock lock(mutex_);
  if (!snapshot_) snapshot_ = std::make_shared<const Snapshot>(current_);
  return snapshot_;
}

void Board::Edit(const PolicyKey& key, const std::function<void(PolicyState&)>& change) {
  const MutexLock lock(mutex_);
  auto& slot = current_.policies[key];
  auto state = slot ? std::make_shared<PolicyState>(*slot) : std::make_shared<PolicyState>();
  change(*state);
  slot = std::move(state);
  snapshot_.reset();
}

void Board::Remove(const PolicyKey& key) {
  const MutexLock lock(mutex_);
  current_.policies.erase(key);
  snapshot_.reset();
}

void Board::SetSpecs(int problems, bool known) {
  const MutexLock lock(mutex_);
  current_.spec_problems = problems;
  current_.specs_known = known;
  snapshot_.reset();
}

}  // namespace partition_controller
