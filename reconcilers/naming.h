// Names of the tables we make.  A name is a label for people: nothing is ever
// decided from it.

#ifndef PARTITION_CONTROLLER_RECONCILERS_NAMING_H_
#define PARTITION_CONTROLLER_RECONCILERS_NAMING_H_

#include <set>
#include <string>
#include <string_view>

#include "reconcilers/calendar.h"

namespace partition_controller {

inline constexpr std::size_t kMaxNameBytes = 63;  // NAMEDATALEN - 1

// "<table>_p202611", "_p2026w47", "_p20261122", "_p2026112213", "_p2026q4",
// "_p2026" for a whole period (local date of its start; hours in UTC), and
// "_p20261201_20261207" (local dates; with hours where one is not midnight) for
// a part of one or a span of several.  At most 63 bytes: a long table name is
// cut at a UTF-8 boundary and gets a short hash of the whole name, so that two
// tables never share one.  A name in `taken` gets "_2", "_3", ...
std::string PartitionName(std::string_view table, const Range& range, const Calendar& calendar,
                          const std::set<std::string>& taken);
// "<table>_default", under the same rules.
std::string DefaultName(std::string_view table, const std::set<std::string>& taken);
// "<table><suffix>", under the same rules.
std::string FreeName(std::string_view table, std::string_view suffix, const std::set<std::string>& taken);
// The same, whether it is free or not.
std::string FitName(std::string_view table, std::string_view suffix);

// The index that a conversion adds to the table for its primary key.
std::string KeyIndexName(std::string_view table);
// And the one for the way back.
std::string PlainKeyName(std::string_view table);
// What the index `i` of a plain table is called on the partitioned table that is
// made beside it, and later on the history: two may not have one name.
std::string CarriedIndexName(std::string_view table, std::size_t i);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_NAMING_H_
