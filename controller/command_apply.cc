// apply: every policy once, one after the other, until nothing is due.
// unconvert: the same, once, with the way back as what the policy asks for.

#include <algorithm>

#include "controller/index_watch.h"
#include "controller/one_shot.h"
#include "controller/progress.h"
#include "reconcilers/explain.h"
#include "reconcilers/rollup_tables.h"

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

// What a run of apply does with one policy after the other.
class Application {
 public:
  Application(const Options& options, const Surroundings& around, Refused refuse)
      : options_(options), around_(around), refuse_(refuse), sessions_(around) {}

  // One policy and those of its rollups' tables.
  void Apply(const std::vector<Policy>& family) {
    const auto results = ConvergeFamily(family, [this](const Policy& policy) { return Bring(policy); });
    for (std::size_t i = 0; i < family.size(); ++i) {
      if (results[i]) Conclude(family[i], *results[i]);
    }
  }

  int ExitCode() const { return error_ ? 1 : refused_ ? 3 : 0; }

 private:
  // Nothing if the database could not be asked.
  std::optional<Convergence> Bring(const Policy& policy) {
    Convergence result;
    Progress progress(around_.err, around_.err_is_terminal);
    std::optional<IndexWatch> watch;
    Conduct conduct = ConductFor(options_, around_);
    conduct.on_begin = [&](const Action& action, std::size_t done, std::size_t total) {
      const std::string what = DescribeFor(policy, action);
      progress.Show(done, total, what, false);
      const auto* build = std::get_if<BuildIndex>(&action);
      if (build == nullptr) return;
      watch.emplace(around_.connect, policy.connection, build->table.oid,
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
      result = ConvergeWithPatience(session, policy, conduct, refuse_);
    };
    if (!WithSession(policy, sessions_, around_, work)) {
      error_ = true;
      return std::nullopt;
    }
    if (result.session_lost) sessions_.Forget(policy.connection);
    return result;
  }

  void Conclude(const Policy& policy, const Convergence& result) {
    if (WorthTelling(policy, result.last) || !result.steps.empty()) {
      if (!first_) around_.out << "\n";
      first_ = false;
      Report(policy, result, options_, around_);
    }
    if (const std::string trouble = Trouble(policy, result); !trouble.empty()) {
      Complain(policy, trouble, around_);
      error_ = true;
    }
    refused_ = refused_ || !result.last.plan.refusals.empty() || result.last.plan.needs_acknowledgement;
  }

  const Options& options_;
  const Surroundings& around_;
  const Refused refuse_;
  Sessions sessions_;
  bool error_ = false;
  bool refused_ = false;
  bool first_ = true;
};

int ApplyEach(const std::vector<Policy>& policies, const Options& options, const Surroundings& around,
              Refused refuse) {
  Application application(options, around, refuse);
  std::vector<Policy> family;
  for (const Policy& policy : policies) {
    if (!family.empty() && !policy.feeder) {
      application.Apply(family);
      family.clear();
    }
    if (around.stop.stop_requested()) {
      Complain(policy, "interrupted", around);
      return 1;
    }
    family.push_back(policy);
  }
  if (!family.empty()) application.Apply(family);
  return application.ExitCode();
}

}  // namespace

int ApplyOnce(const Options& options, const Surroundings& around) {
  const std::optional<std::vector<Policy>> policies = LoadOrComplain(options, around);
  return policies ? ApplyEach(WithRollupTables(*policies), options, around, Refused::kDoTheRest) : 1;
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
