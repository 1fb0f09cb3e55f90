// Maintenance windows.

#include <algorithm>

#include "reconcilers/planning.h"
#include "reconcilers/zone.h"

namespace partition_controller {

std::optional<Instant> NextOpening(const Schedule& schedule, Instant at) {
  using std::chrono::days;
  if (schedule.windows.empty()) return std::nullopt;
  std::optional<Instant> next;
  for (const Window& window : schedule.windows) {
    const auto today = std::chrono::floor<days>(ToWallTime(at, window.time_zone));
    // A window opens at most once a day and is open for at most 24 hours, so
    // the one that holds `at` opened today or yesterday.
    for (int ahead = -1; ahead <= 8; ++ahead) {
      const auto day = today + days(ahead);
      const int weekday = static_cast<int>(std::chrono::weekday(day).iso_encoding());
      const auto& listed = window.days;
      if (!listed.empty() && std::find(listed.begin(), listed.end(), weekday) == listed.end()) continue;
      const Instant opens = FromWallTime(Instant(day) + window.start, window.time_zone);
      if (opens <= at && at < opens + window.duration) return std::nullopt;
      if (opens > at && (!next || opens < *next)) next = opens;
    }
  }
  return next;
}

}  // namespace partition_controller
