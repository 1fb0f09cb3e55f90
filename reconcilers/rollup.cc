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

std::optional<Instant> ExpiredBefore(const Rollup& rollup, const RollupTarget& target, Instant at) {
  if (!rollup.keep) return std::nullopt;
  const std::string zone = RollupZone(rollup);
  Instant expired = Subtract(at, *rollup.keep, zone);
  // While a shorter keep waits, nothing is to be lost by it.
  if (target.agreed_keep) {
    const std::optional<CalendarDuration> agreed = ParseCalendarDuration(*target.agreed_keep);
    if (!agreed) return std::nullopt;
    expired = std::min(expired, Subtract(at, *agreed, zone));
  }
  if (Divided(target)) return BucketStart(rollup, PeriodStart(expired, {rollup.granularity, zone}));
  // Each floor may leave another one's grid; days and whole hours agree soon.
  for (int i = 0; i < 4; ++i) {
    expired = BucketStart(rollup, expired);
    for (const Rollup& coarser : rollup.coarser) expired = BucketStart(coarser, expired);
  }
  return expired;
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
