#include "crd/duration.h"

#include <charconv>
#include <cstdint>
#include <limits>

namespace partition_controller {
namespace {

constexpr int kMaxCount = 99'999;

// Splits "90d" into 90 and "d"; nothing if it does not begin with a number.
std::optional<std::int64_t> TakeCount(std::string_view* text) {
  if (text->empty() || text->front() < '0' || text->front() > '9') return std::nullopt;
  std::int64_t count = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, count);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<std::size_t>(rest - text->data()));
  return count;
}

struct ClockUnit {
  const char* text;
  std::int64_t milliseconds;
};

// Longest first: the longest unit that divides gives the shortest text.
constexpr ClockUnit kClockUnits[] = {{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};

struct CalendarUnit {
  const char* text;
  CalendarDuration::Unit unit;
};

constexpr CalendarUnit kCalendarUnits[] = {{"h", CalendarDuration::Unit::kHour},
                                           {"d", CalendarDuration::Unit::kDay},
                                           {"w", CalendarDuration::Unit::kWeek},
                                           {"mo", CalendarDuration::Unit::kMonth},
                                           {"y", CalendarDuration::Unit::kYear}};

}  // namespace

std::optional<CalendarDuration> ParseCalendarDuration(std::string_view text) {
  const std::optional<std::int64_t> count = TakeCount(&text);
  if (!count || *count > kMaxCount) return std::nullopt;
  for (const CalendarUnit& unit : kCalendarUnits) {
    if (text == unit.text) return CalendarDuration{static_cast<int>(*count), unit.unit};
  }
  return std::nullopt;
}

std::string ToString(const CalendarDuration& duration) {
  for (const CalendarUnit& unit : kCalendarUnits) {
    if (duration.unit == unit.unit) return std::to_string(duration.count) + unit.text;
  }
  return "";
}

std::optional<std::chrono::milliseconds> ParseClockDuration(std::string_view text) {
  const std::optional<std::int64_t> count = TakeCount(&text);
  if (!count) return std::nullopt;
  for (const ClockUnit& unit : kClockUnits) {
    if (text != unit.text) continue;
    if (*count > std::numeric_limits<std::int64_t>::max() / unit.milliseconds) return std::nullopt;
    return std::chrono::milliseconds(*count * unit.milliseconds);
  }
  return std::nullopt;
}

std::string ToString(std::chrono::milliseconds duration) {
  const std::int64_t count = duration.count();
  if (count == 0) return "0s";
  for (const ClockUnit& unit : kClockUnits) {
    if (count % unit.milliseconds == 0) return std::to_string(count / unit.milliseconds) + unit.text;
  }
  return "";  // not reached: every count is a multiple of 1 ms
}

}  // namespace partition_controller
