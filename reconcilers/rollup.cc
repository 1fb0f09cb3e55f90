#include "reconcilers/rollup.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "reconcilers/calendar.h"

namespace partition_controller {

Instant BucketStart(const Rollup& rollup, Instant at) {
  if (rollup.calendar_day) return PeriodStart(at, {Granularity::kDay, rollup.time_zone});
  const auto minutes = std::chrono::floor<std::chrono::minutes>(at.time_since_epoch());
  const auto into = (minutes % rollup.interval + rollup.interval) % rollup.interval;
  return Instant(minutes - into);
}

Instant NextBucket(const Rollup& rollup, Instant at) {
  if (rollup.calendar_day) return NextPeriod(at, {Granularity::kDay, rollup.time_zone});
  return BucketStart(rollup, at) + rollup.interval;
}

std::string RollupZone(const Rollup& rollup) { return rollup.calendar_day ? rollup.time_zone : "UTC"; }

// What was removed says so itself (gone_before): neither the clock nor keep
// does, for a partition may stay longer, or come back.  Only where nothing is,
// keep decides whether anything is to be made.
std::optional<Instant> ExpiredBefore(const Rollup& rollup, const RollupState& state, Instant at) {
  const RollupTarget& target = state.target;
  std::optional<Instant> expired = state.gone_before;
  // A shorter keep waits for consent, and nothing is to be lost by it meanwhile.
  std::optional<CalendarDuration> agreed = rollup.keep;
  if (target.agreed_keep) agreed = ParseCalendarDuration(*target.agreed_keep);
  if (rollup.keep && agreed && Divided(target)) {
    const std::string zone = RollupZone(rollup);
    const Instant cutoff = std::min(Subtract(at, *rollup.keep, zone), Subtract(at, *agreed, zone));
    Bound window = Bound::At(PeriodStart(cutoff, {rollup.granularity, zone}));
    if (!target.spans->empty()) window = std::min(window, target.spans->front().from);
    if (window.finite()) expired = std::max(expired.value_or(window.at), window.at);
  }
  if (!expired) return std::nullopt;
  // A bucket that begins before it goes with what is before it.
  const Instant start = BucketStart(rollup, *expired);
  return start == *expired ? start : NextBucket(rollup, start);
}

std::string RollupShape(const Rollup& rollup) {
  const std::string interval =
      rollup.calendar_day ? "day in " + rollup.time_zone : std::to_string(rollup.interval.count()) + " min";
  return nlohmann::json({interval, rollup.table, rollup.dimensions}).dump();
}

std::string RollupSource(const Rollup& rollup) {
  nlohmann::json source = {rollup.jsonb, rollup.keys, rollup.columns};
  if (!rollup.finer.empty()) source = nlohmann::json::array({"rollup", rollup.finer});
  if (!rollup.merge_late) source.push_back("Refuse");
  return source.dump();
}

std::string RollupSuffix(Oid table, const Rollup& rollup) {
  return std::to_string(table) + '_' + rollup.name;
}

const Rollup* FindRollup(const Policy& policy, const std::string& name) {
  const auto found = std::find_if(policy.rollups.begin(), policy.rollups.end(),
                                  [&](const Rollup& rollup) { return rollup.name == name; });
  return found == policy.rollups.end() ? nullptr : &*found;
}

Rollup RollupOf(const RollupState& state) {
  Rollup rollup;
  rollup.name = state.name;
  rollup.table = state.table;
  const auto shape = nlohmann::json::parse(state.shape, nullptr, false);
  if (shape.is_array() && shape.size() == 3) rollup.dimensions = shape[2].get<std::vector<std::string>>();
  return rollup;
}

}  // namespace partition_controller
