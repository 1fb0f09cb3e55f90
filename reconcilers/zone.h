// Time zones: the one door to the time zone library.
//
// The rules after a zone's last listed transition (2037 in most files) come
// from the TZif footer, as PostgreSQL does it (RFC 8536, 3.3); libraries that
// skip the footer lose daylight saving from 2038 on.

#ifndef PARTITION_CONTROLLER_RECONCILERS_ZONE_H_
#define PARTITION_CONTROLLER_RECONCILERS_ZONE_H_

#include <string>
#include <string_view>

#include "reconcilers/instant.h"

namespace partition_controller {

// An IANA zone name that this machine has data for.  Paths, file: prefixes and
// names that point outside the database are not.
bool KnownZone(std::string_view name);

// The wall time in `zone` at `instant`, as if it were UTC.
// REQUIRES: KnownZone(zone)
Instant ToWallTime(Instant instant, const std::string& zone);

// The instant at which `zone` shows `wall`.  As PostgreSQL's AT TIME ZONE: a
// wall time that a spring-forward skips is read with the offset before it, one
// that a fall-back repeats with the offset after it.
// REQUIRES: KnownZone(zone)
Instant FromWallTime(Instant wall, const std::string& zone);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_ZONE_H_
