// Periods: the only place that does calendar arithmetic.
//
// Periods of one granularity and zone tile the time axis: each begins where
// the one before ends.  Hours are 3,600 seconds aligned to UTC; days and
// longer begin at local midnight (weeks on Monday, ISO 8601).

#ifndef PARTITION_CONTROLLER_RECONCILERS_CALENDAR_H_
#define PARTITION_CONTROLLER_RECONCILERS_CALENDAR_H_

#include <string>
#include <vector>

#include "crd/policy.h"
#include "reconcilers/range.h"

namespace partition_controller {

enum class KeyType { kTimestampTz, kTimestamp, kDate };

// How a table's key axis is divided.  `zone` is "UTC" for keys without a zone,
// whose axis is wall time already.
struct Calendar {
  Granularity granularity = Granularity::kMonth;
  std::string zone = "UTC";
};

Calendar CalendarFor(const Partitioning& partitioning, KeyType key);

// A clock's time on the key's axis (reconcilers/instant.h).
Instant ToKeyTime(Instant clock, const Partitioning& partitioning, KeyType key);
// And back; what a fall-back repeats is read as the later one.
Instant FromKeyTime(Instant key_time, const Partitioning& partitioning, KeyType key);

// Start of the period that holds `instant`.
Instant PeriodStart(Instant instant, const Calendar& calendar);
// Start of the period after the one that holds `instant`.
Instant NextPeriod(Instant instant, const Calendar& calendar);
// Start of the period before.  REQUIRES: `start` is a period's start.
Instant PreviousPeriod(Instant start, const Calendar& calendar);

// [from, to) cut at every period start inside it.  Both ends must be finite.
std::vector<Range> Cut(const Range& range, const Calendar& calendar);

// `instant` minus a calendar-aware duration in the calendar's zone: months and
// years keep the local time of day and clamp to the month's last day; days and
// weeks keep the local time of day; hours are 3,600 s.
Instant Subtract(Instant instant, const CalendarDuration& duration, const std::string& zone);
Instant Add(Instant instant, const CalendarDuration& duration, const std::string& zone);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_CALENDAR_H_
