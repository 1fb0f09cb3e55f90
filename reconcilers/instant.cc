#include "reconcilers/instant.h"

#include "reconcilers/civil.h"

namespace partition_controller {

std::string ToString(Instant instant) {
  const CivilTime civil = ToCivil(instant);
  // ISO 8601's expanded form (4.1.2.4) where RFC 3339's four digits end.
  const char* sign = civil.year > 9999 ? "+" : civil.year < 0 ? "-" : "";
  return sign + Padded(civil.year < 0 ? -civil.year : civil.year, 4) + MonthDayText(civil) + "T" +
         TimeOfDayText(civil.time_of_day) + "Z";
}

std::optional<Instant> ParseInstant(std::string_view text) {
  Scanner scanner(text);
  CivilTime civil;
  const bool minus = scanner.Take("-");
  const bool plus = !minus && scanner.Take("+");
  if (!scanner.Date(&civil)) return std::nullopt;
  if (minus ? civil.year == 0 : plus != (civil.year > 9999)) return std::nullopt;
  if (minus) civil.year = -civil.year;

  // RFC 3339, 5.6: both letters may be lower case.
  if (!scanner.Take("T") && !scanner.Take("t")) return std::nullopt;
  if (!scanner.TimeOfDay(&civil)) return std::nullopt;
  std::chrono::minutes offset{0};
  if (!scanner.Take("Z") && !scanner.Take("z")) {
    const bool west = scanner.Take("-");
    if (!west && !scanner.Take("+")) return std::nullopt;
    const auto hours = scanner.Number(2, 2);
    if (!hours || *hours > 23 || !scanner.Take(":")) return std::nullopt;
    const auto minutes = scanner.Number(2, 2);
    if (!minutes || *minutes > 59) return std::nullopt;
    offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
    if (west) offset = -offset;
  }
  if (!scanner.done()) return std::nullopt;
  const auto wall = FromCivil(civil);
  return wall ? Moved(*wall, -offset) : std::nullopt;
}

}  // namespace partition_controller
