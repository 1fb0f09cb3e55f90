// Partition bounds as PostgreSQL prints them (pg_get_expr of relpartbound,
// with TimeZone UTC and DateStyle ISO) and as we write them.

#ifndef PARTITION_CONTROLLER_RECONCILERS_BOUNDS_H_
#define PARTITION_CONTROLLER_RECONCILERS_BOUNDS_H_

#include <optional>
#include <string>
#include <string_view>

#include "reconcilers/calendar.h"
#include "reconcilers/range.h"

namespace partition_controller {

struct ParsedBounds {
  bool is_default = false;
  Range range;  // unless is_default
};

// "FOR VALUES FROM ('2026-11-01 00:00:00+00') TO (MAXVALUE)" or "DEFAULT".
// Nothing for several key columns, list or hash bounds, or anything else: such
// a partition is left alone.  Years beyond four digits and BC are understood.
std::optional<ParsedBounds> ParseBounds(std::string_view text);

// One bound for FROM or TO: MINVALUE, or a quoted literal that means the same
// instant whatever the session's settings are: '2026-11-01 00:00:00+00' for
// timestamptz, without offset for timestamp, '2026-11-01' for date.
std::string BoundSql(const Bound& bound, KeyType key);
// The same for a comparison: '2026-11-01 00:00:00+00'::timestamptz.
// REQUIRES: bound.finite()
std::string LiteralSql(const Bound& bound, KeyType key);

// "2026-11-01T00:00:00Z" or "MINVALUE", "-infinity", ...; for people and JSON.
std::string ToString(const Bound& bound);
std::string ToString(const Range& range);  // "[2026-11-01T00:00:00Z, MAXVALUE)"
// Reads what ToString(Bound) prints; nothing for other text.
std::optional<Bound> ParseBound(std::string_view text);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_BOUNDS_H_
