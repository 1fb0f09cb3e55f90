// Spans of time as a policy writes them.
//
// A CalendarDuration keeps its unit: "3mo" is three calendar months in the
// policy's time zone, not a number of seconds.  Arithmetic is in
// reconcilers/calendar.h.

#ifndef PARTITION_CONTROLLER_CRD_DURATION_H_
#define PARTITION_CONTROLLER_CRD_DURATION_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace partition_controller {

struct CalendarDuration {
  enum class Unit { kHour, kDay, kWeek, kMonth, kYear };
  int count = 0;  // 0 to 99999
  Unit unit = Unit::kHour;
  bool operator==(const CalendarDuration&) const = default;
};

// Reads "<n>h|d|w|mo|y"; nothing for any other text.
std::optional<CalendarDuration> ParseCalendarDuration(std::string_view text);
std::string ToString(const CalendarDuration& duration);

// Reads "<n>ms|s|m|h", for locks, periods and windows; nothing otherwise.
std::optional<std::chrono::milliseconds> ParseClockDuration(std::string_view text);
// The shortest text that ParseClockDuration reads back: "2s", "10m", "250ms".
std::string ToString(std::chrono::milliseconds duration);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CRD_DURATION_H_
