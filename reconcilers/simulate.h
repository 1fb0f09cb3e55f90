// What years of reconciling would make and drop, and what the disk would hold
// meanwhile.
//
// Nothing of the rules is here: at each moment the plan is MakePlan's, and what
// it makes of the table is Apply's, as for real.  Pure: equal inputs give equal
// simulations.
//
// What is assumed, and said in what is printed: rows arrive as fast as they did
// in the last whole periods, each in its own; rollups keep up; whoever is asked
// for consent gives it; the role has the privileges that it needs.

#ifndef PARTITION_CONTROLLER_RECONCILERS_SIMULATE_H_
#define PARTITION_CONTROLLER_RECONCILERS_SIMULATE_H_

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "reconcilers/catalog_json.h"
#include "reconcilers/plan.h"

namespace partition_controller {

// All instants are UTC.
struct SimulationSpan {
  Instant from{};  // of the first run
  Instant to{};    // no run is after it
  // From one run to the next; nothing: there is one whenever something is due, as
  // of a controller that runs all the time.
  std::optional<CalendarDuration> every;
};

// What is wrong with a span, for people; empty: nothing.  At most 50 years.
std::string ProblemWith(const SimulationSpan& span);

// One step of a run that makes, moves or removes something.
struct SimulatedStep {
  Instant at{};
  Action action;
  std::string description;  // Describe(action)
  std::string reason;
  bool operator==(const SimulatedStep&) const = default;
};

// The table on disk: between two points it grows evenly.
struct DiskPoint {
  Instant at{};
  std::int64_t bytes = 0;      // attached and detached
  std::int64_t detached = 0;   // bytes of these
  std::size_t partitions = 0;  // attached, the default one included
  bool operator==(const DiskPoint&) const = default;
};

// How fast it grows.
struct Growth {
  double bytes_per_day = 0;
  std::size_t periods = 0;  // whole ones that it is the mean of
  // The first and the last of them, on the key's axis; nothing if there is none.
  std::optional<Range> measured;
  bool operator==(const Growth&) const = default;
};

struct Simulation {
  SimulationSpan span;
  Growth growth;
  std::vector<SimulatedStep> steps;
  std::vector<DiskPoint> curve;    // in order; two at one instant where a run changes it
  std::vector<std::string> notes;  // what it leaves out, and what people would be asked
  Table last;                      // the table at the end
};

// The table cannot be simulated.  what() says why, and what to do.
class NoSimulation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// `go_on` is asked before each run; false ends the simulation there.  Throws
// NoSimulation.
// REQUIRES: ProblemWith(span) is empty; a policy that somebody wrote
Simulation Simulate(const Policy& policy, const SavedCatalog& saved, const SimulationSpan& span,
                    const std::function<bool()>& go_on = nullptr);

// What the disk holds at `at`.  REQUIRES: a curve with a point at or before it
std::int64_t BytesAt(const Simulation& simulation, Instant at);

std::string SimulationText(const Simulation& simulation, const Policy& policy, bool colour);
nlohmann::ordered_json SimulationJson(const Simulation& simulation, const Policy& policy);
// One picture of all, one below the other.  It needs no font and no style sheet
// but its own, and no name in it can be markup.
std::string SimulationSvg(const std::vector<std::pair<Policy, Simulation>>& all);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_SIMULATE_H_
