#include "reconcilers/naming.h"

#include <cassert>
#include <cstdint>

#include "reconcilers/civil.h"
#include "reconcilers/quote.h"
#include "reconcilers/zone.h"

namespace partition_controller {
namespace {

// FNV-1a, 32 bits (draft-eastlake-fnv): the same on every machine and in every
// release, which std::hash does not promise.
std::string ShortHash(std::string_view text) {
  std::uint32_t hash = 2'166'136'261;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 16'777'619;
  }
  std::string digits;
  for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[(hash >> shift) & 0xF];
  return digits;
}

std::string YearText(std::int64_t year) { return year > 0 ? Padded(year, 4) : "bc" + Padded(1 - year, 4); }

std::string DateText(const CivilTime& civil) {
  return YearText(civil.year) + Padded(civil.month, 2) + Padded(civil.day, 2);
}

std::string HourText(const CivilTime& civil) {
  return DateText(civil) + Padded(std::chrono::floor<std::chrono::hours>(civil.time_of_day).count(), 2);
}

// ISO 8601, 3.1.1.23: a week belongs to the year that its Thursday is in.
std::string WeekText(Instant wall) {
  const std::chrono::weekday weekday(std::chrono::floor<std::chrono::days>(wall));
  const Instant thursday = Shift(wall, std::chrono::days(4) - std::chrono::days(weekday.iso_encoding()));
  const std::int64_t year = ToCivil(thursday).year;
  const auto new_year = FromCivil({year, 1, 1, std::chrono::microseconds(0)}).value_or(thursday);
  return YearText(year) + "w" + Padded((thursday - new_year) / std::chrono::weeks(1) + 1, 2);
}

std::string PeriodText(Instant wall, Granularity granularity) {
  const CivilTime civil = ToCivil(wall);
  switch (granularity) {
    case Granularity::kHour:
      return HourText(civil);
    case Granularity::kDay:
      return DateText(civil);
    case Granularity::kWeek:
      return WeekText(wall);
    case Granularity::kMonth:
      return YearText(civil.year) + Padded(civil.month, 2);
    case Granularity::kQuarter:
      return YearText(civil.year) + "q" + std::to_string((civil.month - 1) / 3 + 1);
    case Granularity::kYear:
      break;
  }
  return YearText(civil.year);
}

bool IsPeriod(const Range& range, const Calendar& calendar) {
  return range.from.finite() && range.to.finite() && PeriodStart(range.from.at, calendar) == range.from.at &&
         NextPeriod(range.from.at, calendar) == range.to.at;
}

// Also where the day begins at one o'clock because midnight is skipped.
bool BeginsDay(const Bound& bound, const std::string& zone) {
  return !bound.finite() || PeriodStart(bound.at, {Granularity::kDay, zone}) == bound.at;
}

std::string EndText(const Bound& bound, const std::string& zone, bool hours) {
  if (!bound.finite()) return bound < Bound::At(Instant::min()) ? "min" : "max";
  const CivilTime civil = ToCivil(ToWallTime(bound.at, zone));
  return hours ? HourText(civil) : DateText(civil);
}

}  // namespace

std::string FreeName(std::string_view table, std::string_view suffix, const std::set<std::string>& taken) {
  std::string name = FitName(table, suffix);
  for (int count = 2; taken.contains(name); ++count)
    name = FitName(table, std::string(suffix) + "_" + std::to_string(count));
  return name;
}

std::string PartitionName(std::string_view table, const Range& range, const Calendar& calendar,
                          const std::set<std::string>& taken) {
  const std::string zone = calendar.granularity == Granularity::kHour ? "UTC" : calendar.zone;
  std::string label;
  if (IsPeriod(range, calendar)) {
    label = PeriodText(ToWallTime(range.from.at, zone), calendar.granularity);
  } else {
    const bool hours = !BeginsDay(range.from, zone) || !BeginsDay(range.to, zone);
    label = EndText(range.from, zone, hours) + "_" + EndText(range.to, zone, hours);
  }
  return FreeName(table, "_p" + label, taken);
}

std::string DefaultName(std::string_view table, const std::set<std::string>& taken) {
  return FreeName(table, "_default", taken);
}

std::string FitName(std::string_view table, std::string_view suffix) {
  if (table.size() + suffix.size() <= kMaxNameBytes) return std::string(table).append(suffix);
  const std::string hash = "_" + ShortHash(table);
  assert(hash.size() + suffix.size() < kMaxNameBytes);
  const std::string_view kept = CutText(table, kMaxNameBytes - hash.size() - suffix.size());
  return std::string(kept).append(hash).append(suffix);
}

std::string CarriedIndexName(std::string_view table, std::size_t i) {
  return FitName(table, "_idx" + std::to_string(i + 1));
}

std::string KeyIndexName(std::string_view table) { return FitName(table, "_key_with_time"); }

std::string PlainKeyName(std::string_view table) { return FitName(table, "_key_without_time"); }

}  // namespace partition_controller
