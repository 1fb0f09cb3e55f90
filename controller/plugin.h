// What kubectl-partition says about policies as the API server has them.  Pure.

#ifndef PARTITION_CONTROLLER_CONTROLLER_PLUGIN_H_
#define PARTITION_CONTROLLER_CONTROLLER_PLUGIN_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace partition_controller {

// A cause: a condition that is not as one would wish, what to do next, and the
// other conditions that are so for the same reason.
struct Concern {
  struct Consequence {
    std::string type;
    std::string status;
    std::string message;  // empty: it says no more than the cause
  };
  std::string type;
  std::string status;
  std::string reason;
  std::string since;  // RFC 3339, UTC; empty: not known
  std::string message;
  std::string next;  // a sentence, perhaps with a command
  std::vector<Consequence> accounts_for;
};

// Each in the order in which the conditions stand; empty: all is well.
std::vector<Concern> ConcernsOf(const nlohmann::json& policy);

// Whether a controller has looked at what stands there now, and knows what is to
// be done about it.
bool PlanKnown(const nlohmann::json& policy);

// Whether retention is held, also where no controller has noticed it yet.
bool Held(const nlohmann::json& policy);

// Whether the policy removes anything at all: its retention, or a rollup's keep.
bool RemovesAnything(const nlohmann::json& policy);

// The command that consents to the plan that waits for it; empty: none does.
std::string ConsentTo(const nlohmann::json& policy);

// For people.  The conditions, coverage and pending steps of one policy; one line
// for each of several, `wide` with what is left out otherwise; what is to be done;
// why something is not as it should be.
std::string StatusText(const nlohmann::json& policy);
std::string StatusTable(const std::vector<nlohmann::json>& policies, bool wide = false);
std::string PlanText(const nlohmann::json& policy);
std::string WhyText(const nlohmann::json& policy);

// What becomes of a policy whose retention has been held or released.
std::string UndoText(const nlohmann::json& policy, bool release);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_PLUGIN_H_
