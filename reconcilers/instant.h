// A point on the time axis of a table's key, in microseconds.
//
// For a timestamptz key it is the instant itself (UTC).  A timestamp or date
// key has no zone: there it is the wall time in the policy's time zone,
// counted as if it were UTC.  ToKeyTime (reconcilers/calendar.h) is the only
// way from a clock to that axis.

#ifndef PARTITION_CONTROLLER_RECONCILERS_INSTANT_H_
#define PARTITION_CONTROLLER_RECONCILERS_INSTANT_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace partition_controller {

// PostgreSQL's own resolution (manual, 8.5).
using Instant = std::chrono::sys_time<std::chrono::microseconds>;

// "2026-11-01T00:00:00Z"; a fraction only when there is one.  Independent of
// the locale.
std::string ToString(Instant instant);

// Reads RFC 3339 ("2026-11-01T00:00:00Z", "...+02:00", fraction up to six
// digits); nothing for any other text.
std::optional<Instant> ParseInstant(std::string_view text);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_INSTANT_H_
