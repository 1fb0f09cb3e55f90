// Dates and times of day as digits: what instants, the calendar, bounds and
// names share.
//
// The calendar is proleptic Gregorian, as PostgreSQL's (manual, B.6).  Years
// are 64 bits wide and astronomical: 0 is 1 BC.  std::chrono::year ends at
// 32767, PostgreSQL's timestamps at 294276.

#ifndef PARTITION_CONTROLLER_RECONCILERS_CIVIL_H_
#define PARTITION_CONTROLLER_RECONCILERS_CIVIL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "reconcilers/instant.h"

namespace partition_controller {

struct CivilTime {
  std::int64_t year = 1970;
  unsigned month = 1;
  unsigned day = 1;
  std::chrono::microseconds time_of_day{0};
};

CivilTime ToCivil(Instant instant);
// Nothing for a date that does not exist or an instant that does not fit.
std::optional<Instant> FromCivil(const CivilTime& civil);
unsigned DaysInMonth(std::int64_t year, unsigned month);

// `instant` moved by `span`; nothing where that does not fit.
std::optional<Instant> Moved(Instant instant, std::chrono::microseconds span);
// The same, held at the end of the axis where that does not fit.
Instant Shift(Instant instant, std::chrono::microseconds span);

// "0044" for 44 and 4; more digits where they are needed.
std::string Padded(std::int64_t number, std::size_t width);
// "-11-01", the part of a date that follows the year.
std::string MonthDayText(const CivilTime& civil);
// "13:05:00"; a fraction, without trailing zeros, only when there is one.
std::string TimeOfDayText(std::chrono::microseconds time_of_day);

// Takes text apart from the left.  What fails takes nothing that matters: the
// callers give up on the whole text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  bool Take(std::string_view word);
  // The text before the next `mark`, and the mark.
  std::optional<std::string_view> TakeUntil(char mark);
  // A run of `least` to `most` digits; `most` is at most 18.
  std::optional<std::int64_t> Number(std::size_t least, std::size_t most);
  // "2026-11-01"; a year has 4 to 6 digits, and no zero ahead of the fifth.
  bool Date(CivilTime* civil);
  // "13:05:00", with up to six digits of a fraction.
  bool TimeOfDay(CivilTime* civil);

 private:
  std::string_view rest_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_CIVIL_H_
