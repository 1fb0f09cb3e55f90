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

  for (const auto& [key, state] : snapshot.policies) {
    const Labels labels = {
        {"policy", key.name}, {"policy_namespace", key.name_space}, {"table", state->table}};
    for (const Condition& condition : state->conditions) {
      for (const char* status : {"True", "False", "Unknown"}) {
        conditions.samples.push_back({With(With(labels, "type", condition.type), "status", status),
                                      condition.status == status ? 1.0 : 0.0});
      }
    }
    if (!state->observed) continue;
    for (std::size_t i = 0; i < state->pending.size(); ++i) {
      pending.samples.push_back({With(labels, "action", Kinds()[i]), static_cast<double>(state->pending[i])});
    }
    if (state->conversion_progress) conversion.samples.push_back({labels, *state->conversion_progress});
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
  return {coverage, target, lag, count, bytes, rows, pending, conversion, conditions};
}

}  // namespace partition_controller
