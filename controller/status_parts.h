// What the files of the status page share.  Internal to them.

#ifndef PARTITION_CONTROLLER_CONTROLLER_STATUS_PARTS_H_
#define PARTITION_CONTROLLER_CONTROLLER_STATUS_PARTS_H_

#include <string>

#include "controller/html.h"
#include "controller/status_page.h"

namespace partition_controller {

extern const char kStatusStyle[];

// A shape for each level, and its word.
Html Badge(Level level);
Html Shape(Level level);

// The whole document.
std::string Document(const StatusPage& page, const std::string& title, const Html& body);

// An address on this server, for an attribute.
Html TableLink(const PolicyKey& key);

// "until 2027-02-01 in 70 d": how far ahead there are partitions.
Html Coverage(const PolicyState& state, Instant now);

// Everything about one table.  `number` makes the ids in it unique on the page.
Html TableSection(const PolicyKey& key, const PolicyState& state, Instant now, int number);

// The timeline of one table, with a caption and what it shows as a table.
Html TimelineFigure(const TableView& view, Instant now, int number);

// The same as a strip without words.
Html TimelineStrip(const Timeline& line);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_STATUS_PARTS_H_
