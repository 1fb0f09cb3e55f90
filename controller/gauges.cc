#include "controller/gauges.h"

#include <limits>

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

Labels With(Labels labels, const char* name, const std::string& value) {
  labels.emplace_back(name, value);
  return labels;
}

}  // namespace

std::vector<GaugeFamily> PolicyGauges(const Snapshot& snapshot, Instant now) {
  GaugeFamily coverage{"partition_coverage_seconds",
                       "Time from now to the end of the gap-free partitions ahead; negative if now has none.",
                       {}};
  GaugeFamily target{"partition_coverage_target_seconds",
                     "Time from now to the end of the periods that the policy wants made ahead.",
                     {}};
  GaugeFamily lag{"partition_retention_lag_seconds",
                  "How long the oldest attached partition has been due for removal; 0 if none is.",
                  {}};
  GaugeFamily count{"partition_count", "Partitions attached, the default one included.", {}};
  GaugeFamily bytes{"partition_bytes", "Bytes in the attached partitions, as last analysed.", {}};
  GaugeFamily rows{"partition_default_rows", "Rows in the default partition.", {}};
  GaugeFamily pending{"partition_pending_actions", "Steps that are due and not done, by action.", {}};
  GaugeFamily conversion{"partition_conversion_progress_ratio",
                         "How far the conversion of the plain table is; 1: it is partitioned.",
                         {}};
  GaugeFamily conditions{
      "partition_policy_condition", "1 for the status that a condition has, 0 for others.", {}};
  // Apart from the conditions, so that a new reason makes no new series of those.
  GaugeFamily reasons{"partition_policy_condition_reason", "1 for the reason that a condition gives.", {}};
  GaugeFamily rollup_lag{"partition_rollup_lag_seconds",
                         "How long the oldest bucket that is not up to date has been due; 0 if none is.",
                         {}};
  GaugeFamily filled{
      "partition_rollup_filled_ratio", "How much of a rollup's history is computed; 1: all of it.", {}};
  GaugeFamily dirty{"partition_rollup_dirty_buckets", "Buckets with changes that are not computed yet.", {}};
  // Counted by the database, so that a restart forgets nothing.
  GaugeFamily points{
      "partition_rollup_points_total", "Inserted points that rollups have taken in.", {}, true};
  GaugeFamily late{"partition_rollup_late_points_total",
                   "Points that came for buckets whose rows had been removed, and were added to them.",
                   {},
                   true};
  GaugeFamily skipped{
      "partition_rollup_skipped_values_total",
      "Values that look like numbers and fit no double, keys that are too long, points without a "
      "dimension or with an impossible time; each time a bucket is computed.",
      {},
      true};
  GaugeFamily audited{
      "partition_rollup_audited_buckets_total", "Buckets counted again by the audit.", {}, true};
  GaugeFamily mismatches{"partition_rollup_audit_mismatches_total",
                         "Audited buckets that were wrong, and are mended.",
                         {},
                         true};

  for (const auto& [key, state] : snapshot.policies) {
    const Labels labels = {
        {"policy", key.name}, {"policy_namespace", key.name_space}, {"table", state->table}};
    for (const Condition& condition : state->conditions) {
      for (const char* status : {"True", "False", "Unknown"}) {
        conditions.samples.push_back({With(With(labels, "type", condition.type), "status", status),
                                      condition.status == status ? 1.0 : 0.0});
      }
      reasons.samples.push_back(
          {With(With(labels, "type", condition.type), "reason", condition.reason), 1.0});
    }
    if (!state->observed) continue;
    for (std::size_t i = 0; i < state->pending.size(); ++i) {
      pending.samples.push_back({With(labels, "action", Kinds()[i]), static_cast<double>(state->pending[i])});
    }
    if (state->conversion_progress) conversion.samples.push_back({labels, *state->conversion_progress});
    for (const RollupFigures& rollup : state->rollups) {
      const Labels own = With(labels, "rollup", rollup.name);
      rollup_lag.samples.push_back({own, rollup.lag_seconds});
      if (rollup.state == "Kept" || rollup.percent) {
        filled.samples.push_back({own, rollup.percent ? *rollup.percent / 100.0 : 1.0});
      }
      const auto add = [&](GaugeFamily& family, std::int64_t value) {
        family.samples.push_back({own, static_cast<double>(value)});
      };
      add(dirty, rollup.dirty);
      add(points, rollup.points);
      add(late, rollup.late_points);
      add(skipped, rollup.skipped_values);
      add(audited, rollup.audited);
      add(mismatches, rollup.mismatches);
    }
    if (!state->partitioned) continue;
    count.samples.push_back({labels, static_cast<double>(state->partitions)});
    bytes.samples.push_back({labels, static_cast<double>(state->bytes)});
    rows.samples.push_back({labels, static_cast<double>(state->default_rows)});
    const Outlook& outlook = state->outlook;
    if (outlook.horizon == Instant{}) continue;  // the table stands elsewhere than the policy thinks
    coverage.samples.push_back({labels, Coverage(outlook, now)});
    target.samples.push_back({labels, Seconds(outlook.horizon - now)});
    lag.samples.push_back({labels, outlook.overdue_since ? Seconds(now - *outlook.overdue_since) : 0.0});
  }
  return {coverage, target,     lag,    count, bytes,  rows, pending, conversion, conditions,
          reasons,  rollup_lag, filled, dirty, points, late, skipped, audited,    mismatches};
}

}  // namespace partition_controller
