#include "reconcilers/zone.h"

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

#include <cassert>

#include "reconcilers/civil.h"

namespace partition_controller {
namespace {

// Longer than any IANA name ("America/Argentina/ComodRivadavia" has 32 bytes).
constexpr std::size_t kMaxZoneBytes = 64;

bool IsZoneCharacter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '+' || c == '/';
}

// Whether `name` may be shown to the library at all.  Without '.' and ':'
// there is no "..", no "file:" and no "Fixed/UTC+01:00:00", which only this
// library knows.
bool IsZoneName(std::string_view name) {
  if (name.empty() || name.size() > kMaxZoneBytes || name.front() == '/' || name.back() == '/') return false;
  for (const char c : name) {
    if (!IsZoneCharacter(c)) return false;
  }
  if (name.find("//") != std::string_view::npos) return false;
  // Names that differ from machine to machine, and copies of the database:
  // right/ counts leap seconds, which PostgreSQL refuses and POSIX time has not.
  return name != "localtime" && name != "posixrules" && name != "Factory" && name != "UTC0" &&
         !name.starts_with("posix/") && !name.starts_with("right/");
}

// Keys without a zone are always read so, and plans ask many thousand times.
bool IsUtc(const std::string& zone) { return zone == "UTC"; }

// The library keeps every zone it has loaded, so this reads a file only once.
absl::TimeZone Load(const std::string& zone) {
  absl::TimeZone loaded;
  const bool known = IsZoneName(zone) && absl::LoadTimeZone(zone, &loaded);
  assert(known && "KnownZone(zone) is required");
  static_cast<void>(known);
  return loaded;
}

}  // namespace

bool KnownZone(std::string_view name) {
  absl::TimeZone loaded;
  return IsZoneName(name) && absl::LoadTimeZone(std::string(name), &loaded);
}

Instant ToWallTime(Instant instant, const std::string& zone) {
  if (IsUtc(zone)) return instant;
  const absl::Time time = absl::FromUnixMicros(instant.time_since_epoch().count());
  return Shift(instant, std::chrono::seconds(Load(zone).At(time).offset));
}

Instant FromWallTime(Instant wall, const std::string& zone) {
  if (IsUtc(zone)) return wall;
  const CivilTime civil = ToCivil(wall);
  const std::chrono::hh_mm_ss time_of_day(civil.time_of_day);
  const absl::CivilSecond second(civil.year, civil.month, civil.day, time_of_day.hours().count(),
                                 time_of_day.minutes().count(), time_of_day.seconds().count());
  const absl::TimeZone::TimeInfo info = Load(zone).At(second);
  // DetermineTimeZoneOffset in PostgreSQL's utils/adt/datetime.c; both are the
  // same time where the wall time is unique.
  const absl::Time time = info.kind == absl::TimeZone::TimeInfo::REPEATED ? info.post : info.pre;
  return Shift(Instant(std::chrono::microseconds(absl::ToUnixMicros(time))), time_of_day.subseconds());
}

}  // namespace partition_controller
