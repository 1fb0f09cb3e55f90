// What the commands that exit have in common.

#ifndef PARTITION_CONTROLLER_CONTROLLER_ONE_SHOT_H_
#define PARTITION_CONTROLLER_CONTROLLER_ONE_SHOT_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/commands.h"
#include "controller/spec_files.h"

namespace partition_controller {

// Loads the policies, or prints every problem.
std::optional<std::vector<Policy>> LoadOrComplain(const Options& options, const Surroundings& around);

void Complain(const Policy& policy, const std::string& message, const Surroundings& around);

// "auto" is on a terminal, unless NO_COLOR is set (no-color.org).
bool UseColour(Options::Colour colour, bool is_terminal);

// How one-shot commands converge: as long as it takes.
Conduct ConductFor(const Options& options, const Surroundings& around);

// Sessions by connection, each opened when it is first asked for.
class Sessions {
 public:
  explicit Sessions(const Surroundings& around) : around_(around) {}
  // Throws DatabaseError or ConnectionProblem.
  Session& For(const ConnectionSpec& connection);
  // After an error that leaves it unusable.
  void Forget(const ConnectionSpec& connection);

 private:
  const Surroundings& around_;
  std::vector<std::pair<ConnectionSpec, std::unique_ptr<Session>>> open_;
};

// Whether there is anything to say of a policy that nobody wrote, that of a
// rollup's table; true of others.
bool WorthTelling(const Policy& policy, const Situation& seen);

// Runs `work` with the policy's session, which a stop interrupts.  Prints what
// goes wrong; false then.
bool WithSession(const Policy& policy, Sessions& sessions, const Surroundings& around,
                 const std::function<void(Session&)>& work);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_ONE_SHOT_H_
