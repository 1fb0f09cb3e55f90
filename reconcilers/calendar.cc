#include "reconcilers/calendar.h"

#include <algorithm>
#include <cassert>
#include <cstdint>

#include "reconcilers/civil.h"
#include "reconcilers/zone.h"

namespace partition_controller {
namespace {

using std::chrono::days;
using std::chrono::microseconds;

// Periods that begin at a local midnight are numbered: consecutive numbers,
// consecutive periods.
using Number = std::int64_t;

// 1970-01-01 was a Thursday, so week 0 began three days before it.
constexpr Number kMondayBeforeEpoch = -3;

Number FloorDivide(Number number, Number divisor) {
  return number / divisor - (number % divisor < 0 ? 1 : 0);
}

// Number of the period that holds a wall time's date.
Number NumberOf(Instant wall, Granularity granularity) {
  const CivilTime civil = ToCivil(wall);
  const Number day = FloorDivide(wall.time_since_epoch().count(), microseconds(days(1)).count());
  switch (granularity) {
    case Granularity::kWeek:
      return FloorDivide(day - kMondayBeforeEpoch, 7);
    case Granularity::kMonth:
      return civil.year * 12 + (civil.month - 1);
    case Granularity::kQuarter:
      return civil.year * 4 + (civil.month - 1) / 3;
    case Granularity::kYear:
      return civil.year;
    case Granularity::kHour:
    case Granularity::kDay:
      break;
  }
  return day;
}

Instant Midnight(Number day) {
  if (day > std::chrono::floor<days>(Instant::max()).time_since_epoch().count()) return Instant::max();
  if (day < std::chrono::ceil<days>(Instant::min()).time_since_epoch().count()) return Instant::min();
  return Instant(days(day));
}

Instant FirstOfMonth(Number month) {
  const Number year = FloorDivide(month, 12);
  const CivilTime civil{year, static_cast<unsigned>(month - year * 12 + 1), 1, microseconds(0)};
  return FromCivil(civil).value_or(month < 0 ? Instant::min() : Instant::max());
}

// The midnight, in wall time, with which a period begins.  Held at the ends of
// the axis.
Instant FirstMidnight(Number number, Granularity granularity) {
  switch (granularity) {
    case Granularity::kWeek:
      return Midnight(number * 7 + kMondayBeforeEpoch);
    case Granularity::kMonth:
      return FirstOfMonth(number);
    case Granularity::kQuarter:
      return FirstOfMonth(number * 3);
    case Granularity::kYear:
      return FirstOfMonth(number * 12);
    case Granularity::kHour:
    case Granularity::kDay:
      break;
  }
  return Midnight(number);
}

Instant StartOf(Number number, const Calendar& calendar) {
  const Instant wall = FirstMidnight(number, calendar.granularity);
  if (wall == Instant::min() || wall == Instant::max()) return wall;
  return FromWallTime(wall, calendar.zone);
}

struct Period {
  Instant start;
  Instant next;
};

// The period that holds `instant`.  The local date tells which it is but where
// midnight is repeated (Havana: the clock shows the new day before the midnight
// that counts) or skipped with a whole day (Apia, 2011-12-30: two starts fall
// together, and the empty period between them must not show).
Period Locate(Instant instant, const Calendar& calendar) {
  Number number = NumberOf(ToWallTime(instant, calendar.zone), calendar.granularity);
  Period period{StartOf(number, calendar), StartOf(number + 1, calendar)};
  while (period.start > instant) period = {StartOf(--number, calendar), period.start};
  while (period.next <= instant && period.next != Instant::max()) {
    period = {period.next, StartOf(++number + 1, calendar)};
  }
  return period;
}

Instant FloorToHour(Instant instant) {
  const microseconds hour = std::chrono::hours(1);
  microseconds past = instant.time_since_epoch() % hour;
  if (past < microseconds(0)) past += hour;
  return Shift(instant, -past);
}

// `sign` is 1 or -1.
Instant Move(Instant instant, const CalendarDuration& duration, int sign, const std::string& zone) {
  // Not even by way of wall time: that would move the first pass through an
  // hour that a fall-back repeats to the second.
  if (duration.count == 0) return instant;
  const Number count = Number{sign} * duration.count;
  const Instant end = sign < 0 ? Instant::min() : Instant::max();
  const Instant wall = ToWallTime(instant, zone);
  Number months = count;
  switch (duration.unit) {
    case CalendarDuration::Unit::kHour:
      return Shift(instant, std::chrono::hours(count));
    case CalendarDuration::Unit::kDay:
      return FromWallTime(Shift(wall, days(count)), zone);
    case CalendarDuration::Unit::kWeek:
      return FromWallTime(Shift(wall, std::chrono::weeks(count)), zone);
    case CalendarDuration::Unit::kYear:
      months *= 12;
      break;
    case CalendarDuration::Unit::kMonth:
      break;
  }
  CivilTime civil = ToCivil(wall);
  months += civil.year * 12 + (civil.month - 1);
  civil.year = FloorDivide(months, 12);
  civil.month = static_cast<unsigned>(months - civil.year * 12 + 1);
  civil.day = std::min(civil.day, DaysInMonth(civil.year, civil.month));
  const auto moved = FromCivil(civil);
  return moved ? FromWallTime(*moved, zone) : end;
}

}  // namespace

Calendar CalendarFor(const Partitioning& partitioning, KeyType key) {
  return {partitioning.granularity, key == KeyType::kTimestampTz ? partitioning.time_zone : "UTC"};
}

Instant ToKeyTime(Instant clock, const Partitioning& partitioning, KeyType key) {
  return key == KeyType::kTimestampTz ? clock : ToWallTime(clock, partitioning.time_zone);
}

Instant FromKeyTime(Instant key_time, const Partitioning& partitioning, KeyType key) {
  return key == KeyType::kTimestampTz ? key_time : FromWallTime(key_time, partitioning.time_zone);
}

Instant PeriodStart(Instant instant, const Calendar& calendar) {
  if (calendar.granularity == Granularity::kHour) return FloorToHour(instant);
  return Locate(instant, calendar).start;
}

Instant NextPeriod(Instant instant, const Calendar& calendar) {
  if (calendar.granularity == Granularity::kHour) return Shift(FloorToHour(instant), std::chrono::hours(1));
  return Locate(instant, calendar).next;
}

Instant PreviousPeriod(Instant start, const Calendar& calendar) {
  return PeriodStart(Shift(start, microseconds(-1)), calendar);
}

std::vector<Range> Cut(const Range& range, const Calendar& calendar) {
  assert(range.from.finite() && range.to.finite());
  std::vector<Range> pieces;
  Instant from = range.from.at;
  while (from < range.to.at) {
    const Instant to = std::min(NextPeriod(from, calendar), range.to.at);
    pieces.push_back(Range::Between(from, to));
    from = to;
  }
  return pieces;
}

Instant Subtract(Instant instant, const CalendarDuration& duration, const std::string& zone) {
  return Move(instant, duration, -1, zone);
}

Instant Add(Instant instant, const CalendarDuration& duration, const std::string& zone) {
  return Move(instant, duration, 1, zone);
}

}  // namespace partition_controller
