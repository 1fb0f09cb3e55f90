// The per-policy gauges, from a snapshot.  Pure, and free of any metrics
// library.

#ifndef PARTITION_CONTROLLER_CONTROLLER_GAUGES_H_
#define PARTITION_CONTROLLER_CONTROLLER_GAUGES_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "controller/snapshot.h"

namespace partition_controller {

struct Sample {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};

struct GaugeFamily {
  std::string name;
  std::string help;
  std::vector<Sample> samples;
  bool counter = false;  // its values never fall
};

// docs/design.md names them.  What moves with time (coverage, lags) is computed
// for `now`, so that it goes on moving while a database cannot be reached.
// One family after the other: of a thousand policies all at once take more memory
// than the rest of the controller.
void EachPolicyGauge(const Snapshot& snapshot, Instant now, const std::function<void(GaugeFamily)>& take);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_GAUGES_H_
