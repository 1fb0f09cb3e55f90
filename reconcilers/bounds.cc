#include "reconcilers/bounds.h"

#include <cassert>

#include "reconcilers/civil.h"

namespace partition_controller {
namespace {

// What PostgreSQL's timestamps and dates begin with: Julian day 0, 4714-11-24
// BC (manual, table 8.9: "4713 BC", by the Julian calendar).  Instants end
// before PostgreSQL's do, so there is no such limit above.
constexpr Instant kFirstTimestamp{-std::chrono::days(2'440'588)};

// "+HH[:MM[:SS]]", as EncodeTimezone in utils/adt/datetime.c writes it.
std::optional<std::chrono::seconds> TakeOffset(Scanner* scanner) {
  const bool west = scanner->Take("-");
  if (!west && !scanner->Take("+")) return std::chrono::seconds(0);
  const auto hours = scanner->Number(2, 2);
  if (!hours || *hours > 15) return std::nullopt;  // MAX_TZDISP_HOUR
  std::chrono::seconds offset = std::chrono::hours(*hours);
  if (scanner->Take(":")) {
    const auto minutes = scanner->Number(2, 2);
    if (!minutes || *minutes > 59) return std::nullopt;
    offset += std::chrono::minutes(*minutes);
    if (scanner->Take(":")) {
      const auto seconds = scanner->Number(2, 2);
      if (!seconds || *seconds > 59) return std::nullopt;
      offset += std::chrono::seconds(*seconds);
    }
  }
  return west ? -offset : offset;
}

std::optional<Bound> ParseLiteral(std::string_view text) {
  if (text == "infinity") return Bound{Bound::Kind::kInfinity, {}};
  if (text == "-infinity") return Bound{Bound::Kind::kMinusInfinity, {}};
  Scanner scanner(text);
  CivilTime civil;
  std::optional<std::chrono::seconds> offset = std::chrono::seconds(0);
  if (!scanner.Date(&civil) || civil.year == 0) return std::nullopt;
  bool bc = scanner.Take(" BC");
  if (!bc && scanner.Take(" ")) {
    if (!scanner.TimeOfDay(&civil)) return std::nullopt;
    offset = TakeOffset(&scanner);
    bc = scanner.Take(" BC");
  }
  if (!offset || !scanner.done()) return std::nullopt;
  if (bc) civil.year = 1 - civil.year;
  const auto wall = FromCivil(civil);
  const auto instant = wall ? Moved(*wall, -*offset) : std::nullopt;
  return instant ? std::optional(Bound::At(*instant)) : std::nullopt;
}

std::optional<Bound> TakeBound(Scanner* scanner) {
  if (scanner->Take("MINVALUE")) return Bound::MinValue();
  if (scanner->Take("MAXVALUE")) return Bound::MaxValue();
  if (!scanner->Take("'")) return std::nullopt;
  const auto literal = scanner->TakeUntil('\'');
  return literal ? ParseLiteral(*literal) : std::nullopt;
}

// As PostgreSQL prints it with DateStyle ISO.  Any DateStyle reads it the same
// way, because the year comes first and has more than two digits.
std::string Text(Instant instant, KeyType key) {
  CivilTime civil = ToCivil(instant);
  const bool bc = civil.year < 1;
  std::string text = Padded(bc ? 1 - civil.year : civil.year, 4) + MonthDayText(civil);
  if (key != KeyType::kDate) text += " " + TimeOfDayText(civil.time_of_day);
  if (key == KeyType::kTimestampTz) text += "+00";
  if (bc) text += " BC";
  return text;
}

// A date stands for its midnight, so "before noon of the 1st" is "before the
// 2nd" on that axis.
Instant CeilToDay(Instant instant) {
  const std::chrono::microseconds past = ToCivil(instant).time_of_day;
  if (past == std::chrono::microseconds(0)) return instant;
  return Shift(instant, std::chrono::days(1) - past);
}

const char* TypeName(KeyType key) {
  switch (key) {
    case KeyType::kTimestampTz:
      return "timestamptz";
    case KeyType::kTimestamp:
      return "timestamp";
    case KeyType::kDate:
      break;
  }
  return "date";
}

}  // namespace

std::optional<ParsedBounds> ParseBounds(std::string_view text) {
  if (text == "DEFAULT") return ParsedBounds{true, {}};
  Scanner scanner(text);
  if (!scanner.Take("FOR VALUES FROM (")) return std::nullopt;
  const auto from = TakeBound(&scanner);
  if (!from || !scanner.Take(") TO (")) return std::nullopt;
  const auto to = TakeBound(&scanner);
  if (!to || !scanner.Take(")") || !scanner.done()) return std::nullopt;
  const Range range{*from, *to};
  if (range.empty()) return std::nullopt;
  return ParsedBounds{false, range};
}

std::string BoundSql(const Bound& bound, KeyType key) {
  switch (bound.kind) {
    case Bound::Kind::kMinValue:
    case Bound::Kind::kMaxValue:
      return ToString(bound);
    case Bound::Kind::kMinusInfinity:
    case Bound::Kind::kInfinity:
      return "'" + ToString(bound) + "'";
    case Bound::Kind::kFinite:
      break;
  }
  return "'" + Text(key == KeyType::kDate ? CeilToDay(bound.at) : bound.at, key) + "'";
}

std::string LiteralSql(const Bound& bound, KeyType key) {
  assert(bound.finite());
  // "keep: 99999y" leads to a cutoff that PostgreSQL has no timestamp for.
  const Bound shown = bound.at < kFirstTimestamp ? Bound{Bound::Kind::kMinusInfinity, {}} : bound;
  return BoundSql(shown, key) + "::" + TypeName(key);
}

std::string ToString(const Bound& bound) {
  switch (bound.kind) {
    case Bound::Kind::kMinValue:
      return "MINVALUE";
    case Bound::Kind::kMinusInfinity:
      return "-infinity";
    case Bound::Kind::kInfinity:
      return "infinity";
    case Bound::Kind::kMaxValue:
      return "MAXVALUE";
    case Bound::Kind::kFinite:
      break;
  }
  return ToString(bound.at);
}

std::string ToString(const Range& range) {
  return "[" + ToString(range.from) + ", " + ToString(range.to) + ")";
}

std::optional<Bound> ParseBound(std::string_view text) {
  for (const Bound::Kind kind : {Bound::Kind::kMinValue, Bound::Kind::kMinusInfinity, Bound::Kind::kInfinity,
                                 Bound::Kind::kMaxValue}) {
    const Bound bound{kind, {}};
    if (text == ToString(bound)) return bound;
  }
  const auto instant = ParseInstant(text);
  return instant ? std::optional(Bound::At(*instant)) : std::nullopt;
}

}  // namespace partition_controller
