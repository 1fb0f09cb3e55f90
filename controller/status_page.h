// The status page: what the controller knows of its tables, for people.
//
// Pure: from values to HTML, without a look at the database, a file or a clock.

#ifndef PARTITION_CONTROLLER_CONTROLLER_STATUS_PAGE_H_
#define PARTITION_CONTROLLER_CONTROLLER_STATUS_PAGE_H_

#include <memory>
#include <optional>
#include <string>

#include "controller/snapshot.h"

namespace partition_controller {

struct StatusPage {
  std::shared_ptr<const Snapshot> snapshot;  // not null
  Instant now{};                             // UTC
  bool stands_by = false;                    // another process leads
  std::string version;
};

// How a table fares, the worst first.
enum class Level { kTrouble, kAttention, kUnread, kPaused, kWorking, kWell };

Level LevelOf(const PolicyState& state);

// All tables, the worst first.
std::string OverviewPage(const StatusPage& page);

// A policy with the tables of its rollups; it may be named by one of those.
// Nothing if there is no such policy.
std::optional<std::string> TablePage(const StatusPage& page, const PolicyKey& key);

// What TablePage has nothing to show for.
std::string NoTablePage(const StatusPage& page);

// The value of the header Content-Security-Policy that these pages are made for.
extern const char* const kStatusPagePolicy;

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_STATUS_PAGE_H_
