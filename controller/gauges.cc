#include "controller/gauges.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace partition_controller {
namespace {

double Seconds(Instant::duration duration) { return std::chrono::duration<double>(duration).count(); }

// Negative while no partition covers `now`: since when that is so, or minus
// infinity if nothing before now was ever covered.
double Coverage(const Outlook& outlook, Instant now) {
  constexpr double kForEver = std::numeric_limits<double>::infinity();
  if (outlook.covered_for_ever) return kForEver;
  if (outlook.covered_until) return Seconds(*outlook.covered_until - now);
  if (outlook.uncovered_since) return Seconds(*outlook.uncovered_since - now);
  return -kForEver;
}

using Labels = std::vector<std::pair<std::string, std::string>>;

// One sample of a policy: the labels that it has besides the policy's, the value.
using Add = std::function<void(Labels, double)>;

// A family, and what it says of a policy.
struct Gauge {
  const char* name;
  const char* help;
  bool counter;  // the database's, so that a restart forgets nothing
  void (*add)(const PolicyState&, Instant now, const Add&);
};

bool IsPartitioned(const PolicyState& state) { return state.observed && state.partitioned; }

// Not so if the table stands elsewhere than the policy thinks.
bool HasOutlook(const PolicyState& state) {
  return IsPartitioned(state) && state.outlook.horizon != Instant{};
}

template <std::int64_t RollupFigures::*figure>
void OfEachRollup(const PolicyState& state, Instant, const Add& add) {
  if (!state.observed) return;
  for (const RollupFigures& rollup : state.rollups) {
    add({{"rollup", rollup.name}}, static_cast<double>(rollup.*figure));
  }
}

constexpr Gauge kGauges[] = {
    {"partition_coverage_seconds",
     "Time from now to the end of the gap-free partitions ahead; negative if now has none.", false,
     [](const PolicyState& state, Instant now, const Add& add) {
       if (HasOutlook(state)) add({}, Coverage(state.outlook, now));
     }},
    {"partition_coverage_target_seconds",
     "Time from now to the end of the periods that the policy wants made ahead.", false,
     [](const PolicyState& state, Instant now, const Add& add) {
       if (HasOutlook(state)) add({}, Seconds(state.outlook.horizon - now));
     }},
    {"partition_retention_lag_seconds",
     "How long the oldest attached partition has been due for removal; 0 if none is.", false,
     [](const PolicyState& state, Instant now, const Add& add) {
       if (!HasOutlook(state)) return;
       add({}, state.outlook.overdue_since ? Seconds(now - *state.outlook.overdue_since) : 0.0);
     }},
    {"partition_count", "Partitions attached, the default one included.", false,
     [](const PolicyState& state, Instant, const Add& add) {
       if (IsPartitioned(state)) add({}, static_cast<double>(state.partitions));
     }},
    {"partition_bytes", "Bytes in the attached partitions, as last analysed.", false,
     [](const PolicyState& state, Instant, const Add& add) {
       if (IsPartitioned(state)) add({}, static_cast<double>(state.bytes));
     }},
    {"partition_default_rows", "Rows in the default partition.", false,
     [](const PolicyState& state, Instant, const Add& add) {
       if (IsPartitioned(state)) add({}, static_cast<double>(state.default_rows));
     }},
    {"partition_pending_actions", "Steps that are due and not done, by action.", false,
     [](const PolicyState& state, Instant, const Add& add) {
       if (!state.observed) return;
       for (std::size_t i = 0; i < state.pending.size(); ++i) {
         add({{"action", Kinds()[i]}}, static_cast<double>(state.pending[i]));
       }
     }},
    {"partition_conversion_progress_ratio",
     "How far the conversion of the plain table is; 1: it is partitioned.", false,
     [](const PolicyState& state, Instant, const Add& add) {
       if (state.observed && state.conversion_progress) add({}, *state.conversion_progress);
     }},
    {"partition_policy_condition", "1 for the status that a condition has, 0 for others.", false,
     [](const PolicyState& state, Instant, const Add& add) {
       for (const Condition& condition : state.conditions) {
         for (const char* status : {"True", "False", "Unknown"}) {
           add({{"type", condition.type}, {"status", status}}, condition.status == status ? 1.0 : 0.0);
         }
       }
     }},
    // Apart from the conditions, so that a new reason makes no new series of those.
    {"partition_policy_condition_reason", "1 for the reason that a condition gives.", false,
     [](const PolicyState& state, Instant, const Add& add) {
       for (const Condition& condition : state.conditions) {
         add({{"type", condition.type}, {"reason", condition.reason}}, 1.0);
       }
     }},
    {"partition_rollup_lag_seconds",
     "How long the oldest bucket that is not up to date has been due; 0 if none is.", false,
     [](const PolicyState& state, Instant, const Add& add) {
       if (!state.observed) return;
       for (const RollupFigures& rollup : state.rollups) add({{"rollup", rollup.name}}, rollup.lag_seconds);
     }},
    {"partition_rollup_filled_ratio", "How much of a rollup's history is computed; 1: all of it.", false,
     [](const PolicyState& state, Instant, const Add& add) {
       if (!state.observed) return;
       for (const RollupFigures& rollup : state.rollups) {
         if (rollup.state != "Kept" && !rollup.percent) continue;
         add({{"rollup", rollup.name}}, rollup.percent ? *rollup.percent / 100.0 : 1.0);
       }
     }},
    {"partition_rollup_dirty_buckets", "Buckets with changes that are not computed yet.", false,
     OfEachRollup<&RollupFigures::dirty>},
    {"partition_rollup_points_total", "Inserted points that rollups have taken in.", true,
     OfEachRollup<&RollupFigures::points>},
    {"partition_rollup_late_points_total",
     "Points that came for buckets whose rows had been removed, and were added to them.", true,
     OfEachRollup<&RollupFigures::late_points>},
    {"partition_rollup_skipped_values_total",
     "Values that look like numbers and fit no double, keys that are too long, points without a "
     "dimension or with an impossible time; each time a bucket is computed.",
     true, OfEachRollup<&RollupFigures::skipped_values>},
    {"partition_rollup_audited_buckets_total", "Buckets counted again by the audit.", true,
     OfEachRollup<&RollupFigures::audited>},
    {"partition_rollup_audit_mismatches_total", "Audited buckets that were wrong, and are mended.", true,
     OfEachRollup<&RollupFigures::mismatches>},
};

}  // namespace

void EachPolicyGauge(const Snapshot& snapshot, Instant now, const std::function<void(GaugeFamily)>& take) {
  for (const Gauge& gauge : kGauges) {
    GaugeFamily family{gauge.name, gauge.help, {}, gauge.counter};
    for (const auto& [key, state] : snapshot.policies) {
      gauge.add(*state, now, [&, &key = key, &state = state](Labels more, double value) {
        Labels labels = {{"policy", key.name}, {"policy_namespace", key.name_space}, {"table", state->table}};
        std::move(more.begin(), more.end(), std::back_inserter(labels));
        family.samples.push_back({std::move(labels), value});
      });
    }
    take(std::move(family));
  }
}

}  // namespace partition_controller
