// How far PostgreSQL is with an index that it builds, for a person who waits.
//
// The session that builds it says nothing until it is done: another one asks
// once a second (pg_stat_progress_create_index, manual, 28.4).

#ifndef PARTITION_CONTROLLER_CONTROLLER_INDEX_WATCH_H_
#define PARTITION_CONTROLLER_CONTROLLER_INDEX_WATCH_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "controller/converge.h"
#include "reconcilers/action.h"

namespace partition_controller {

// "34 %, about 2 min left (building index: scanning table)"; without a fraction
// the phase alone.  `elapsed` is how long the phase has taken so far.
std::string BuildingText(const std::string& phase, std::optional<double> fraction,
                         std::chrono::seconds elapsed);

// From construction to destruction, which waits for no more than one question.
class IndexWatch {
 public:
  // `phase` names the phase, and whom it waits for; `how_far` is BuildingText.
  using Say = std::function<void(const std::string& phase, const std::string& how_far)>;

  // `say` is called on another thread.  No session to be had is no failure: there
  // is nothing to say then.
  IndexWatch(const Connector& connect, const ConnectionSpec& connection, Oid table, Say say);

 private:
  std::jthread thread_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_INDEX_WATCH_H_
