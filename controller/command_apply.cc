// apply: every policy once, one after the other, until nothing is due.
// unconvert: the same, once, with the way back as what the policy asks for.

#include <algorithm>

#include "controller/index_watch.h"
#include "controller/one_shot.h"
#include "controller/progress.h"
#include "reconcilers/explain.h"

namespace partition_controller {
namespace {

// How often another controller that is at work on the table is waited for.
constexpr int kPatience = 5;

std::string DescribeFor(const Policy& policy, const Action& action) {
  Table named;
  named.schema = policy.table.schema;
  named.name = policy.table.name;
  return Describe(action, named);
}

// Whether anything is done where something is refused: what is not, or nothing.
enum class Refused { kDoTheRest, kDoNothing };

Convergence ConvergeWithPatience(Session& session, const Policy& policy, const Conduct& conduct,
                                 Refused refused) {
  Convergence result;
  result.last = LookAt(session, policy, conduct);
  if (refused == Refused::kDoNothing && !result.last.plan.refusals.empty()) return result;
  result = Converge(session, policy, std::move(result.last), conduct);
  for (int i = 0; i < kPatience && result.stood_back && !conduct.stop.stop_requested(); ++i) {
    conduct.clock.WaitUntil(conduct.clock.Now() + policy.locks.timeout, conduct.stop);
    result = Converge(session, policy, LookAt(session, policy, conduct), conduct);
  }
  return result;
}

// What keeps a run from having succeeded; empty: nothing.
std::string Trouble(const Policy& policy, const Convergence& result) {
  if (result.failure) return result.failure->message;
  if (result.stopped) return "interrupted; what was done so far stays done";
  if (result.stood_back) return "another controller is at work on the table";
  // Rows may well arrive faster than they expire; anything else is odd.
  const auto odd =
      std::find_if(result.last.plan.steps.begin(), result.last.plan.steps.end(),
                   [](const Step& step) { return !std::holds_alternative<DeleteExpiredRows>(step.action); });
  if (result.repeating && odd != result.last.plan.steps.end()) {
    return "a step was done and is due again: " + DescribeFor(policy, odd->action);
  }
  return "";
}

void Report(const Policy& policy, const Convergence& result, const Options& options,
            const Surroundings& around) {
  const auto done = std::count_if(result.steps.begin(), result.steps.end(),
                                  [](const StepOutcome& step) { return step.result == "success"; });
  around.out << "Carried out for policy " << policy.name_space << "/" << policy.name << ": " << done
             << (done == 1 ? " step" : " steps") << "\n";
  for (const StepOutcome& step : result.steps) {
    if (step.result != "success") continue;
    around.out << "  " << DescribeFor(policy, step.action);
    if (step.rows > 0) around.out << " (" << step.rows << " rows)";
    around.out << "\n";
  }
  around.out << "\n"
             << ExplainText(result.last.plan, policy, result.last.catalog,
                            UseColour(options.colour, around.out_is_terminal));
  if (!MayAct(policy) && !result.last.plan.steps.empty()) {
    around.out << "Nothing is carried out while "
               << (policy.suspend ? "spec.suspend is true" : "spec.mode is Plan") << ".\n";
  }
}

int ApplyEach(const std::vector<Policy>& policies, const Options& options, const Surroundings& around,
              Refused refuse) {
  Sessions sessions(around);
  bool error = false;
  bool refused = false;
  bool first = true;
  for (const Policy& policy : policies) {
    if (around.stop.stop_requested()) {
      Complain(policy, "interrupted", around);
      return 1;
    }
    Convergence result;
    {
      Progress progress(around.err, around.err_is_terminal);
      std::optional<IndexWatch> watch;
      Conduct conduct = ConductFor(options, around);
      conduct.on_begin = [&](const Action& action, std::size_t done, std::size_t total) {
        const std::string what = DescribeFor(policy, action);
        progress.Show(done, total, what, false);
        const auto* build = std::get_if<BuildIndex>(&action);
        if (build == nullptr) return;
        watch.emplace(around.connect, policy.connection, build->table.oid,
                      [&progress, done, total, what](const std::string& phase, const std::string& how_far) {
                        progress.Show(done, total, how_far + ": " + what, false);
                        progress.Note(phase + ": " + what);
                      });
      };
      conduct.on_step = [&](const StepOutcome& step, std::size_t done, std::size_t total, bool ended) {
        watch.reset();
        std::string what = DescribeFor(policy, step.action);
        if (step.rows > 0) what += " (" + std::to_string(step.rows) + " rows)";
        if (ended && step.result != "success") what = "failed: " + what;
        progress.Show(done, total, what, ended);
      };
      const auto work = [&](Session& session) {
        result = ConvergeWithPatience(session, policy, conduct, refuse);
      };
      if (!WithSession(policy, sessions, around, work)) {
        error = true;
        continue;
      }
    }
    if (result.session_lost) sessions.Forget(policy.connection);
    if (!first) around.out << "\n";
    first = false;
    Report(policy, result, options, around);
    if (const std::string trouble = Trouble(policy, result); !trouble.empty()) {
      Complain(policy, trouble, around);
      error = true;
    }
    refused = refused || !result.last.plan.refusals.empty() || result.last.plan.needs_acknowledgement;
  }
  return error ? 1 : refused ? 3 : 0;
}

}  // namespace

int ApplyOnce(const Options& options, const Surroundings& around) {
  const std::optional<std::vector<Policy>> policies = LoadOrComplain(options, around);
  return policies ? ApplyEach(*policies, options, around, Refused::kDoTheRest) : 1;
}

int Unconvert(const Options& options, const Surroundings& around) {
  std::optional<std::vector<Policy>> policies = LoadOrComplain(options, around);
  if (!policies) return 1;
  bool held = false;
  std::vector<const Policy*> otherwise;
  for (Policy& policy : *policies) {
    if (!MayAct(policy)) {
      Complain(policy,
               std::string("nothing is done while ") +
                   (policy.suspend ? "spec.suspend is true" : "spec.mode is Plan"),
               around);
      held = true;
    }
    Partitioning& partitioning = policy.partitioning;
    if (partitioning.state == Partitioning::State::kEnabled ||
        partitioning.conversion == Partitioning::Conversion::kOnline) {
      otherwise.push_back(&policy);
    }
    // The way back, and nothing else: no row goes.
    partitioning.conversion = Partitioning::Conversion::kRevert;
    policy.retention.reset();
  }
  if (held) return 3;
  const int result = ApplyEach(*policies, options, around, Refused::kDoNothing);
  for (const Policy* policy : otherwise) {
    around.err
        << "note: policy " << policy->name_space << "/" << policy->name
        << " still asks for partitions: set partitioning.state: Disabled and conversion: Never to keep "
           "the table plain (expired rows are then deleted in batches)\n";
  }
  return result;
}

}  // namespace partition_controller
