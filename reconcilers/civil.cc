#include "reconcilers/civil.h"

#include <algorithm>

namespace partition_controller {
namespace {

using std::chrono::microseconds;

constexpr std::int64_t kDay = microseconds(std::chrono::days(1)).count();

// The Gregorian calendar repeats itself every 400 years.  Moving a date by
// whole eras brings it into the range of std::chrono::year.
constexpr std::int64_t kEraYears = 400;
constexpr std::int64_t kEraDays = 146'097;

struct Divided {
  std::int64_t quotient;
  std::int64_t remainder;  // never negative
};

Divided FloorDivide(std::int64_t number, std::int64_t divisor) {
  std::int64_t quotient = number / divisor;
  std::int64_t remainder = number % divisor;
  if (remainder < 0) {
    quotient -= 1;
    remainder += divisor;
  }
  return {quotient, remainder};
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

CivilTime ToCivil(Instant instant) {
  const Divided day = FloorDivide(instant.time_since_epoch().count(), kDay);
  const Divided era = FloorDivide(day.quotient, kEraDays);
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(era.remainder))};
  return {static_cast<int>(date.year()) + kEraYears * era.quotient, static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()), microseconds(day.remainder)};
}

std::optional<Instant> FromCivil(const CivilTime& civil) {
  if (civil.month < 1 || civil.month > 12 || civil.day < 1 ||
      civil.day > DaysInMonth(civil.year, civil.month) || civil.time_of_day < microseconds(0) ||
      civil.time_of_day.count() >= kDay) {
    return std::nullopt;
  }
  const Divided era = FloorDivide(civil.year, kEraYears);
  const std::chrono::sys_days date(std::chrono::year(static_cast<int>(era.remainder)) /
                                   static_cast<int>(civil.month) / static_cast<int>(civil.day));
  std::int64_t days = 0;
  if (__builtin_mul_overflow(era.quotient, kEraDays, &days) ||
      __builtin_add_overflow(days, date.time_since_epoch().count(), &days)) {
    return std::nullopt;
  }
  // Before 1970 counted down from the day's end: the first day of the axis has
  // no midnight that fits.
  const bool before = days < 0;
  std::int64_t count = 0;
  if (__builtin_mul_overflow(before ? days + 1 : days, kDay, &count)) return std::nullopt;
  return Moved(Instant(microseconds(count)), civil.time_of_day - microseconds(before ? kDay : 0));
}

unsigned DaysInMonth(std::int64_t year, unsigned month) {
  const std::chrono::year same_kind(static_cast<int>(FloorDivide(year, kEraYears).remainder));
  return static_cast<unsigned>((same_kind / static_cast<int>(month) / std::chrono::last).day());
}

std::optional<Instant> Moved(Instant instant, microseconds span) {
  std::int64_t count = 0;
  if (__builtin_add_overflow(instant.time_since_epoch().count(), span.count(), &count)) return std::nullopt;
  return Instant(microseconds(count));
}

Instant Shift(Instant instant, microseconds span) {
  return Moved(instant, span).value_or(span < microseconds(0) ? Instant::min() : Instant::max());
}

std::string Padded(std::int64_t number, std::size_t width) {
  const std::string digits = std::to_string(number);
  return std::string(width - std::min(width, digits.size()), '0') + digits;
}

std::string MonthDayText(const CivilTime& civil) {
  return "-" + Padded(civil.month, 2) + "-" + Padded(civil.day, 2);
}

std::string TimeOfDayText(microseconds time_of_day) {
  const std::chrono::hh_mm_ss parts(time_of_day);
  std::string text = Padded(parts.hours().count(), 2) + ":" + Padded(parts.minutes().count(), 2) + ":" +
                     Padded(parts.seconds().count(), 2);
  if (parts.subseconds() != microseconds(0)) {
    text += "." + Padded(parts.subseconds().count(), 6);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text;
}

bool Scanner::Take(std::string_view word) {
  if (!rest_.starts_with(word)) return false;
  rest_.remove_prefix(word.size());
  return true;
}

std::optional<std::string_view> Scanner::TakeUntil(char mark) {
  const std::size_t end = rest_.find(mark);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view taken = rest_.substr(0, end);
  rest_.remove_prefix(end + 1);
  return taken;
}

std::optional<std::int64_t> Scanner::Number(std::size_t least, std::size_t most) {
  std::size_t size = 0;
  std::int64_t number = 0;
  while (size < rest_.size() && IsDigit(rest_[size])) {
    if (size == most) return std::nullopt;
    number = number * 10 + (rest_[size] - '0');
    ++size;
  }
  if (size < least) return std::nullopt;
  rest_.remove_prefix(size);
  return number;
}

bool Scanner::Date(CivilTime* civil) {
  const std::size_t before = rest_.size();
  const auto year = Number(4, 6);
  if (!year || (before - rest_.size() > 4 && *year < 10'000) || !Take("-")) return false;
  const auto month = Number(2, 2);
  if (!month || !Take("-")) return false;
  const auto day = Number(2, 2);
  if (!day) return false;
  civil->year = *year;
  civil->month = static_cast<unsigned>(*month);
  civil->day = static_cast<unsigned>(*day);
  return true;
}

bool Scanner::TimeOfDay(CivilTime* civil) {
  const auto hour = Number(2, 2);
  if (!hour || *hour > 23 || !Take(":")) return false;
  const auto minute = Number(2, 2);
  if (!minute || *minute > 59 || !Take(":")) return false;
  const auto second = Number(2, 2);
  if (!second || *second > 59) return false;
  std::int64_t fraction = 0;
  if (Take(".")) {
    const std::size_t before = rest_.size();
    const auto digits = Number(1, 6);
    if (!digits) return false;
    fraction = *digits;
    for (std::size_t size = before - rest_.size(); size < 6; ++size) fraction *= 10;
  }
  civil->time_of_day = std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
                       std::chrono::seconds(*second) + microseconds(fraction);
  return true;
}

}  // namespace partition_controller
