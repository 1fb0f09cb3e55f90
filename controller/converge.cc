#include "controller/converge.h"

#include <algorithm>
#include <limits>

#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// A policy whose turn came late, after another one's steps, looks again rather
// than act on what it saw then.
constexpr std::chrono::seconds kFresh{5};

constexpr int kMostStaleRounds = 8;

// Of a family: partitions, history, proof, removal, each waits for the one before.
constexpr int kMostFamilyRounds = 16;

constexpr const char* kFenced = "Fenced";

bool WentStale(const RunOutcome& outcome) {
  return !outcome.steps.empty() && outcome.steps.back().result == "stale";
}

bool Same(const Action& a, const Action& b) {
  const auto* rows = std::get_if<DeleteExpiredRows>(&a);
  const auto* others = std::get_if<DeleteExpiredRows>(&b);
  // The cutoff moves with the clock.
  if (rows != nullptr && others != nullptr) return rows->leaf == others->leaf;
  const auto* fill = std::get_if<FillRollup>(&a);
  const auto* filled = std::get_if<FillRollup>(&b);
  if (fill != nullptr && filled != nullptr) {
    return fill->rollup == filled->rollup && fill->resume == filled->resume;
  }
  const auto* refresh = std::get_if<RefreshRollup>(&a);
  const auto* other = std::get_if<RefreshRollup>(&b);
  return refresh != nullptr && other != nullptr ? refresh->rollup == other->rollup : a == b;
}

bool HasMore(const std::vector<StepOutcome>& steps) {
  return std::any_of(steps.begin(), steps.end(), [](const StepOutcome& step) { return step.more; });
}

// Rows that go on arriving late, or a step that has no effect, must not keep a
// run going for ever.
bool DoneBefore(const std::vector<Step>& steps, const std::vector<StepOutcome>& done) {
  return std::all_of(steps.begin(), steps.end(), [&](const Step& step) {
    return std::any_of(done.begin(), done.end(), [&](const StepOutcome& outcome) {
      return outcome.result == "success" && !outcome.more && Same(outcome.action, step.action);
    });
  });
}

ExecutorHooks HooksFor(const Conduct& conduct) {
  ExecutorHooks hooks;
  hooks.on_begin = conduct.on_begin;
  hooks.elsewhere = conduct.elsewhere;
  // A batch comes with the number of steps before it, a step's end with one more.
  hooks.on_step = [&conduct, before = std::size_t{0}](const StepOutcome& step, std::size_t done,
                                                      std::size_t total) mutable {
    const bool ended = done > before;
    before = done;
    if (conduct.on_step) conduct.on_step(step, done, total, ended);
  };
  hooks.sleep = [&conduct](std::chrono::milliseconds time) {
    conduct.clock.WaitUntil(conduct.clock.Now() + time, conduct.stop);
  };
  return hooks;
}

// One convergence, until nothing is due or something is in the way.
class Rounds {
 public:
  Rounds(Session& session, const Policy& policy, const Conduct& conduct, Convergence* result)
      : session_(session), policy_(policy), conduct_(conduct), result_(*result) {}

  void Run() {
    if (!conduct_.preview && conduct_.clock.Now() - result_.last.now.at > kFresh) LookAgain();
    for (int round = 0; !result_.last.plan.steps.empty(); ++round) {
      if (conduct_.stop.stop_requested()) {
        result_.stopped = true;
        return;
      }
      if (round == conduct_.max_rounds) {
        result_.unfinished = true;
        result_.failure = stale_;
        return;
      }
      if (DoneBefore(result_.last.plan.steps, result_.steps) && !MadeRoutine()) {
        result_.repeating = true;
        return;
      }
      if (conduct_.leads && !conduct_.leads()) {
        result_.stood_back = true;
        return;
      }
      if (result_.last.catalog.server.bookkeeping_version < kBookkeepingVersion) {
        conduct_.operations.migrate(session_, policy_);
      } else if (!CarryOut()) {
        return;
      }
      LookAgain();
      if (result_.failure || result_.stood_back || elsewhere_) return;
      // Others have their turn first.
      if (more_ && conduct_.max_rounds < std::numeric_limits<int>::max()) {
        result_.unfinished = true;
        return;
      }
      // What is stale each time is no coincidence, and would never end.
      stale_rounds_ = stale_ ? stale_rounds_ + 1 : 0;
      if (stale_rounds_ == kMostStaleRounds) {
        result_.failure = stale_;
        return;
      }
    }
  }

 private:
  // Whether what is due is what the last round's other steps have left to do:
  // rows that came into sight by them, for one.
  bool MadeRoutine() const {
    const auto& due = result_.last.plan.steps;
    return changed_ &&
           std::all_of(due.begin(), due.end(), [](const Step& step) { return Routine(step.action); });
  }

  // False if there is no use in looking again.
  bool CarryOut() {
    const Situation& seen = result_.last;
    const ExecutorHooks hooks = HooksFor(conduct_);
    const RunOutcome outcome = conduct_.operations.execute(session_, policy_, seen.catalog, seen.plan,
                                                           conduct_.holder, conduct_.stop, hooks);
    result_.steps.insert(result_.steps.end(), outcome.steps.begin(), outcome.steps.end());
    result_.stopped = outcome.stopped;
    result_.stood_back = outcome.stood_back;
    // Somebody changed the table meanwhile: the next round plans for what it is
    // now.
    stale_ = WentStale(outcome) ? outcome.failure : std::nullopt;
    if (!stale_) result_.failure = outcome.failure;
    result_.session_lost = result_.failure && result_.failure->reason == "DatabaseUnreachable";
    elsewhere_ = outcome.elsewhere;
    more_ = HasMore(outcome.steps);
    changed_ = std::any_of(outcome.steps.begin(), outcome.steps.end(), [](const StepOutcome& step) {
      return step.result == "success" && !std::holds_alternative<RefreshRollup>(step.action);
    });
    return !result_.stopped && !result_.session_lost;
  }

  void LookAgain() { result_.last = LookAt(session_, policy_, conduct_, CountRemovals(result_.steps)); }

  Session& session_;
  const Policy& policy_;
  const Conduct& conduct_;
  Convergence& result_;
  std::optional<Failure> stale_;
  int stale_rounds_ = 0;  // in a row
  bool elsewhere_ = false;
  bool more_ = false;     // a step's turn was over
  bool changed_ = false;  // the last round did more than routine
};

// Whether a retention that differs from the one on record is agreed to while
// nothing is done that would record it: the first one of a table that needs
// nothing, or a longer `keep`, so that it takes consent to shorten it again.
bool MustRecord(const Convergence& result) {
  const Plan& plan = result.last.plan;
  const std::optional<Table>& table = result.last.catalog.table;
  if (!plan.steps.empty() || result.failure || result.stopped || result.stood_back) return false;
  if (!plan.agrees || !table) return false;
  if (plan.consented) return true;
  if (!table->ownership || !table->ownership->agreed) return true;
  const AgreedRetention& known = *table->ownership->agreed;
  const std::vector<Oid>& due = plan.agrees->due;
  // Of those on record, some are gone by now: that goes without saying.
  return plan.agrees->keep != known.keep || plan.agrees->action != known.action ||
         std::any_of(due.begin(), due.end(), [&](Oid oid) {
           return std::find(known.due.begin(), known.due.end(), oid) == known.due.end();
         });
}

// Whether there is something on the table that works on without a policy:
// triggers, or the fence of a conversion.
bool HasTraces(const Catalog& catalog) {
  if (!catalog.table) return false;
  const std::vector<RollupState>& rollups = catalog.table->rollups;
  const std::optional<Conversion>& conversion = catalog.table->conversion;
  return std::any_of(rollups.begin(), rollups.end(),
                     [](const RollupState& state) { return state.state != RollupState::State::kNone; }) ||
         (conversion && conversion->state != Conversion::State::kConverted);
}

void Record(Session& session, const Policy& policy, const Conduct& conduct, Convergence* result) {
  if (!MustRecord(*result) || (conduct.leads && !conduct.leads())) return;
  if (result->last.catalog.server.bookkeeping_version < kBookkeepingVersion) {
    conduct.operations.migrate(session, policy);
    // What is on record of this table may have become readable only now.
    result->last = LookAt(session, policy, conduct, CountRemovals(result->steps));
    if (!MustRecord(*result)) return;
  }
  // Somebody else at work on the table records it in turn.
  conduct.operations.record(session, policy, result->last.catalog, result->last.plan, conduct.holder);
}

}  // namespace

int CountRemovals(const std::vector<StepOutcome>& steps) {
  return static_cast<int>(std::count_if(steps.begin(), steps.end(), [](const StepOutcome& step) {
    return step.result == "success" && (std::holds_alternative<DetachPartition>(step.action) ||
                                        std::holds_alternative<DropPartition>(step.action));
  }));
}

Plan PlanFor(const Policy& policy, const Catalog& catalog, const Now& now, const Conduct& conduct,
             int removed) {
  // A plan knows nothing of the rounds before it in the same run.
  Policy rest = policy;
  if (rest.retention) rest.retention->max_per_run = std::max(0, rest.retention->max_per_run - removed);
  Plan plan = conduct.operations.plan(rest, catalog, now, "");
  const auto& hashes = conduct.acknowledged;
  if (plan.needs_acknowledgement && std::find(hashes.begin(), hashes.end(), plan.hash) != hashes.end()) {
    return conduct.operations.plan(rest, catalog, now, plan.hash);
  }
  return plan;
}

Situation LookAt(Session& session, const Policy& policy, const Conduct& conduct, int removed) {
  Situation situation;
  situation.now = {conduct.preview.value_or(conduct.clock.Now()), conduct.preview.has_value()};
  std::vector<Catalog> catalogs = conduct.operations.read(session, {&policy}, situation.now);
  if (catalogs.size() != 1) {
    throw DatabaseError(DatabaseError::Kind::kOther, "", "the catalog could not be read");
  }
  situation.catalog = std::move(catalogs.front());
  situation.plan = PlanFor(policy, situation.catalog, situation.now, conduct, removed);
  return situation;
}

bool MayAct(const Policy& policy) { return !policy.suspend && policy.mode == Policy::Mode::kApply; }

namespace {

std::optional<Failure> FarewellTo(Session& session, const Policy& policy, const Conduct& conduct) {
  const Now now{conduct.clock.Now(), false};
  const std::vector<Catalog> catalogs = conduct.operations.read(session, {&policy}, now);
  if (catalogs.size() != 1) return std::nullopt;
  const Plan plan = MakeFarewell(policy, catalogs.front(), now);
  if (plan.StopsEverything() && HasTraces(catalogs.front())) {
    // Forgotten now, nobody would ever remove them.
    return Failure{plan.refusals.front().code, plan.refusals.front().message, true};
  }
  if (plan.steps.empty()) return std::nullopt;
  const ExecutorHooks hooks = HooksFor(conduct);
  RunOutcome outcome = conduct.operations.execute(session, policy, catalogs.front(), plan, conduct.holder,
                                                  conduct.stop, hooks);
  if (outcome.stood_back || outcome.stopped) {
    return Failure{kFenced, "another controller is at work on the table", false};
  }
  return outcome.failure;
}

// To the tables that it kept before it named another one.
std::optional<Failure> FarewellToOthers(Session& session, const Policy& policy, const Conduct& conduct) {
  for (const Policy& other : conduct.operations.kept_by(session, policy)) {
    if (other.table == policy.table) continue;
    if (std::optional<Failure> failure = FarewellTo(session, other, conduct)) {
      failure->message = QuoteName(other.table.schema, other.table.name) +
                         ", which the policy looked after before, cannot be freed: " + failure->message;
      return failure;
    }
  }
  return std::nullopt;
}

// Who consents to another table gives the former one up.  Why that could not be
// had; then the table is looked at without the consent, so that it gets its
// partitions all the same.
std::optional<Failure> LeaveOthers(Session& session, const Policy& policy, Conduct* conduct,
                                   Convergence* result) {
  if (result->last.catalog.server.bookkeeping_version < kBookkeepingVersion) {
    conduct->operations.migrate(session, policy);
  }
  std::optional<Failure> failure = FarewellToOthers(session, policy, *conduct);
  if (failure && failure->reason == kFenced) {
    result->stood_back = true;
    return std::nullopt;
  }
  if (failure) conduct->acknowledged.clear();
  result->last = LookAt(session, policy, *conduct);
  return failure;
}

}  // namespace

std::optional<Failure> SayFarewell(Session& session, const Policy& policy, const Conduct& conduct) {
  if (std::optional<Failure> failure = FarewellTo(session, policy, conduct)) return failure;
  std::optional<Failure> left;
  // One that never acted has no tables but its own to give up.
  if (MayAct(policy)) left = FarewellToOthers(session, policy, conduct);
  conduct.operations.release(session, policy);
  return left;
}

Convergence Converge(Session& session, const Policy& policy, Situation first, const Conduct& usual) {
  Convergence result;
  result.last = std::move(first);
  if (!MayAct(policy)) return result;
  Conduct conduct = usual;
  std::optional<Failure> left;
  try {
    const Plan& plan = result.last.plan;
    if (plan.accepts_identity && !plan.StopsEverything() && !(conduct.leads && !conduct.leads())) {
      left = LeaveOthers(session, policy, &conduct, &result);
      if (result.stood_back) return result;
    }
    if (!result.last.plan.steps.empty()) Rounds(session, policy, conduct, &result).Run();
    Record(session, policy, conduct, &result);
    if (!result.failure) result.failure = left;
  } catch (const DatabaseError& error) {
    if (conduct.stop.stop_requested()) {
      result.stopped = true;
    } else if (!result.failure) {
      result.failure = FailureOf(error, policy);
    }
    result.session_lost = result.session_lost || error.kind() == DatabaseError::Kind::kUnreachable;
  }
  return result;
}

std::vector<std::optional<Convergence>> ConvergeFamily(
    const std::vector<Policy>& family,
    const std::function<std::optional<Convergence>(const Policy&)>& bring) {
  std::vector<std::optional<Convergence>> results(family.size());
  bool again = true;
  for (int round = 0; again && round < kMostFamilyRounds; ++round) {
    again = false;
    for (std::size_t i = 0; i < family.size(); ++i) {
      Policy policy = family[i];
      if (results[i] && policy.retention) {
        int& left = policy.retention->max_per_run;
        left = std::max(0, left - CountRemovals(results[i]->steps));
      }
      std::optional<Convergence> result = bring(policy);
      if (!result) return results;
      // One that fails may wait for what another one does.
      const bool well = !result->failure && !result->stood_back;
      again = again || (well && !result->steps.empty() && family.size() > 1);
      if (results[i]) {
        const std::vector<StepOutcome>& before = results[i]->steps;
        result->steps.insert(result->steps.begin(), before.begin(), before.end());
      }
      results[i] = std::move(result);
      if (results[i]->stopped) return results;
    }
  }
  // Something was due each time.
  if (again) results.front()->unfinished = true;
  return results;
}

}  // namespace partition_controller
