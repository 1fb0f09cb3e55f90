#include "controller/one_shot.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "controller/connection.h"

namespace partition_controller {

std::optional<std::vector<Policy>> LoadOrComplain(const Options& options, const Surroundings& around) {
  SpecSet specs = LoadSpecs(options.specs);
  for (const std::string& problem : specs.problems) {
    around.err << problem << (problem.ends_with("\n") ? "" : "\n");
  }
  if (!specs.problems.empty()) return std::nullopt;
  return std::move(specs.policies);
}

void Complain(const Policy& policy, const std::string& message, const Surroundings& around) {
  around.err << "error: policy " << policy.name_space << "/" << policy.name << ": " << message << "\n";
}

bool UseColour(Options::Colour colour, bool is_terminal) {
  if (colour != Options::Colour::kAuto) return colour == Options::Colour::kAlways;
  const char* refused = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): nobody writes to it
  return is_terminal && (refused == nullptr || *refused == '\0');
}

Conduct ConductFor(const Options& options, const Surroundings& around) {
  return {.operations = around.operations,
          .clock = around.clock,
          .preview = options.now,
          .acknowledged = options.acknowledged,
          .holder = around.holder,
          .stop = around.stop,
          .max_rounds = std::numeric_limits<int>::max(),
          .on_step = {}};
}

Session& Sessions::For(const ConnectionSpec& connection) {
  const auto known =
      std::find_if(open_.begin(), open_.end(), [&](const auto& o) { return o.first == connection; });
  if (known != open_.end()) return *known->second;
  return *open_.emplace_back(connection, around_.connect(connection)).second;
}

void Sessions::Forget(const ConnectionSpec& connection) {
  std::erase_if(open_, [&](const auto& entry) { return entry.first == connection; });
}

bool WorthTelling(const Policy& policy, const Situation& seen) {
  const Plan& plan = seen.plan;
  return !policy.feeder || !plan.steps.empty() || !plan.refusals.empty() || !plan.waiting.empty() ||
         !plan.advice.empty();
}

bool WithSession(const Policy& policy, Sessions& sessions, const Surroundings& around,
                 const std::function<void(Session&)>& work) {
  try {
    Session& session = sessions.For(policy.connection);
    const std::stop_callback cancel(around.stop, [&session] { session.Cancel(); });
    work(session);
    return true;
  } catch (const DatabaseError& error) {
    if (error.kind() == DatabaseError::Kind::kUnreachable) sessions.Forget(policy.connection);
    Complain(policy, around.stop.stop_requested() ? "interrupted" : FailureOf(error, policy).message, around);
  } catch (const ConnectionProblem& problem) {
    Complain(policy, problem.what(), around);
  }
  return false;
}

}  // namespace partition_controller
