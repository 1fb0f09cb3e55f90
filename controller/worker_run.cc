// What a worker does when policies are due: one catalog query for all of them,
// then each is brought to where it should be.  One that fails stops no other.

#include <algorithm>

#include "controller/connection.h"
#include "controller/events.h"
#include "controller/log.h"
#include "controller/worker.h"
#include "reconcilers/rollup_tables.h"

namespace partition_controller {
namespace {

// The next look after one that left something to do at once.
constexpr std::chrono::seconds kSoon{1};
// Of what was done to a table, for the status page.
constexpr std::size_t kMostRecent = 10;

double Seconds(Instant::duration time) { return std::chrono::duration<double>(time).count(); }

std::vector<LogField> Fields(const Policy& policy, std::vector<LogField> more) {
  std::vector<LogField> fields = {{"policy", policy.name},
                                  {"policy_namespace", policy.name_space},
                                  {"table", policy.table.schema + "." + policy.table.name}};
  std::move(more.begin(), more.end(), std::back_inserter(fields));
  return fields;
}

Severity SeverityOf(const Failure& failure) {
  return failure.needs_a_person ? Severity::kError : Severity::kWarning;
}

void LogStep(const Policy& policy, const StepOutcome& step) {
  Table named;
  named.schema = policy.table.schema;
  named.name = policy.table.name;
  const std::string what = Describe(step.action, named);
  if (step.result == "success" || step.result == "started") {
    Log(Severity::kInfo, step.result == "started" ? "Started step" : "Carried out step",
        Fields(policy, {{"action", Kind(step.action)},
                        {"step", what},
                        {"lock_wait_seconds", step.lock_wait.count()},
                        {"rows", step.rows}}));
  } else {
    Log(Severity::kWarning, "Could not carry out step",
        Fields(policy, {{"action", Kind(step.action)},
                        {"step", what},
                        {"lock_wait_seconds", step.lock_wait.count()},
                        {"result", step.result},
                        {"error", step.message}}));
  }
}

// When to look at the table again after a run that went well.
Instant NextRun(const Policy& policy, const Convergence& result, Instant now) {
  if (result.stopped) return now;
  if (result.stood_back) return now + policy.locks.timeout;
  if (result.unfinished) return now + kSoon;
  const Instant regular = now + policy.schedule.period;
  const Plan& plan = result.last.plan;
  if (!plan.wake_at) return regular;
  // By the server's clock, which the plan was made by.
  const auto ahead = *plan.wake_at - plan.outlook.now;
  return std::min(regular, now + std::max<Instant::duration>(ahead, kSoon));
}

Metrics::Reconcile ResultOf(const Policy& policy, const Convergence& result, Instant now, Instant next) {
  if (result.failure) return Metrics::Reconcile::kError;
  if (result.stood_back || result.unfinished || result.stopped) return Metrics::Reconcile::kRequeue;
  return next < now + policy.schedule.period ? Metrics::Reconcile::kRequeueAfter
                                             : Metrics::Reconcile::kSuccess;
}

bool ChangedSomething(const Convergence& result) {
  return std::any_of(result.steps.begin(), result.steps.end(), [](const StepOutcome& step) {
    return step.result == "success" && !step.more && !Routine(step.action);
  });
}

bool NamesAsKeeper(const Catalog& catalog, const Policy& policy) {
  if (!catalog.table) return false;
  const auto names = [&](const std::optional<Ownership>& keeper) {
    return keeper && keeper->policy_namespace == policy.name_space && keeper->policy_name == policy.name;
  };
  return names(catalog.table->ownership) || names(catalog.table->former);
}

bool WantsIndex(const Plan& plan) {
  const auto builds = [](const auto& planned) { return std::holds_alternative<BuildIndex>(planned.action); };
  return std::any_of(plan.steps.begin(), plan.steps.end(), builds) ||
         std::any_of(plan.waiting.begin(), plan.waiting.end(), builds);
}

std::vector<std::string> Acknowledged(std::vector<std::string> hashes, const Policy& policy) {
  if (!policy.origin.acknowledged.empty()) hashes.push_back(policy.origin.acknowledged);
  return hashes;
}

std::string Refusals(const Plan& plan) {
  std::string text;
  for (const Refusal& refusal : plan.refusals) {
    text += (text.empty() ? "" : "; ") + refusal.code + ": " + refusal.message;
  }
  return text;
}

// Null if it cannot be made: what people look at is no reason to stop.
std::shared_ptr<const TableView> ViewOrNull(const Policy& policy, const Situation& last) {
  try {
    return std::make_shared<const TableView>(ViewOf(policy, last.catalog, last.plan));
  } catch (const std::exception& error) {
    Log(Severity::kError, "Could not make view of table", Fields(policy, {{"error", error.what()}}));
    return nullptr;
  }
}

void Remember(const DoneStep& done, PolicyState* state) {
  state->recent.insert(state->recent.begin(), done);
  if (state->recent.size() > kMostRecent) state->recent.pop_back();
}

}  // namespace

Instant Worker::RunDue(const std::stop_token& stop) {
  const std::vector<Job> jobs = TakeDue();
  const std::vector<Policy> deleted = TakeDeleted();
  if (jobs.empty() && deleted.empty() && !LastLookDue()) return NextDue();
  environment_.metrics.WorkerBusy();
  Beat();
  if (TakeReconnect()) DropSession();
  const bool reused = session_ != nullptr;
  if ((!jobs.empty() || !deleted.empty()) && EnsureSession(jobs)) {
    Seen seen = ReadAll(jobs, reused, stop);
    ReleaseDeleted(deleted, stop);
    FindOrphans(jobs, seen, stop);
    for (std::size_t i = 0; i < seen.catalogs.size() && session_ && !stop.stop_requested(); ++i) {
      if (seen.catalogs[i]) Reconcile(jobs[i], seen.now, *std::move(seen.catalogs[i]), stop);
    }
  }
  if (LastLookDue() && !stop.stop_requested()) LastLook(stop);
  environment_.metrics.WorkerIdle();
  {
    const MutexLock lock(mutex_);
    beat_.reset();
  }
  return NextDue();
}

void Worker::Open() {
  session_ = environment_.connect(connection());
  orphans_known_ = false;  // it may lead elsewhere
  const MutexLock lock(session_mutex_);
  cancellable_ = session_.get();
}

bool Worker::EnsureSession(const std::vector<Job>& jobs) {
  if (session_) return true;
  Failure failure;
  try {
    Open();
    return true;
  } catch (const ConnectionProblem& problem) {
    failure = {"ConnectionNotFound", problem.what(), problem.needs_a_person()};
  } catch (const DatabaseError& error) {
    failure = FailureOf(error, Policy{});
  }
  LoseSession(failure, jobs);
  return false;
}

void Worker::LoseSession(const Failure& failure, const std::vector<Job>& jobs) {
  DropSession();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    environment_.metrics.ReconcileDone(Metrics::Reconcile::kError, std::chrono::seconds(0));
    environment_.metrics.Retried();
  }
  const MutexLock lock(mutex_);
  const auto delay = Delay(++failed_connects_);
  not_before_ = environment_.clock.Now() + delay;
  // What is known about the tables stays known; it only grows old.
  for (auto& [key, entry] : entries_) {
    environment_.board.Edit(key, [&, failures = ++entry.failures, next = not_before_,
                                  origin = entry.policy.origin](PolicyState& state) {
      state.tried = true;
      state.origin = origin;
      state.failures = failures;
      state.conditions = ConditionsOf(failure);
      state.next_run = next;
    });
  }
  Log(SeverityOf(failure), "Could not reach database",
      {{"connection", Describe(connection())},
       {"policies", entries_.size()},
       {"reason", failure.reason},
       {"error", failure.message},
       {"attempt", failed_connects_},
       {"retry_in_seconds", Seconds(delay)}});
}

void Worker::FindOrphans(const std::vector<Job>& jobs, const Seen& seen, const std::stop_token& stop) {
  if (TakeSearch()) orphans_known_ = false;
  if (orphans_known_ || !environment_.gone) return;
  // Of an older bookkeeping it is not known, and is asked again after the upgrade.
  std::size_t i = 0;
  while (i < seen.catalogs.size() && !seen.catalogs[i]) ++i;
  if (i == seen.catalogs.size() || !session_ || stop.stop_requested()) return;
  try {
    Search(jobs[i].policy, seen.catalogs[i]->server, stop);
  } catch (const DatabaseError& error) {
    Log(Severity::kWarning, "Could not look for tables of deleted policies", {{"error", error.what()}});
    if (error.kind() == DatabaseError::Kind::kUnreachable) LoseSession(FailureOf(error, Policy{}), {});
  }
}

void Worker::Search(const Policy& any, const Server& server, const std::stop_token& stop) {
  if (!server.bookkeeping_usable || server.bookkeeping_version != kBookkeepingVersion ||
      any.origin.cluster.empty()) {
    return;
  }
  bool all_known = true;
  for (const Policy& policy : environment_.operations.kept(*session_, any)) {
    if (stop.stop_requested()) return;
    const PolicyKey key = KeyOf(policy);
    const auto known = [&] {
      const MutexLock lock(mutex_);
      return entries_.contains(key) || std::any_of(deleted_.begin(), deleted_.end(), [&](const Deleted& one) {
               return KeyOf(one.policy) == key;
             });
    };
    if (known()) continue;
    // A rollup's table without a policy, whose written one is here: the rollup is
    // not in it any more.
    const PolicyKey written{key.name_space, WrittenName(key.name)};
    const bool forsaken = [&] {
      const MutexLock lock(mutex_);
      return written != key && entries_.contains(written);
    }();
    const std::optional<bool> gone = forsaken ? true : environment_.gone(written, stop);
    all_known = all_known && gone;
    if (!gone.value_or(false)) continue;
    Log(Severity::kInfo, "Found table of a policy that was deleted meanwhile", Fields(policy, {}));
    const MutexLock lock(mutex_);
    if (!entries_.contains(key)) deleted_.push_back({policy, environment_.clock.Now(), 0, true});
  }
  orphans_known_ = all_known;
}

void Worker::LastLook(const std::stop_token& stop) {
  const auto end = [this](bool settled) {
    const MutexLock lock(mutex_);
    looked_last_ = true;
    settled_ = settled;
  };
  Failure failure;
  try {
    if (!session_) Open();
    const Now now{environment_.clock.Now(), false};
    Server server = environment_.operations.read(*session_, {&any_}, now).at(0).server;
    if (server.bookkeeping_version == 0) return end(true);
    if (server.bookkeeping_usable && server.bookkeeping_version < kBookkeepingVersion) {
      // There is no policy any more with whose first step it would be upgraded.
      environment_.operations.migrate(*session_, any_);
      server.bookkeeping_version = kBookkeepingVersion;
    }
    if (!orphans_known_) Search(any_, server, stop);
    if (!LastLookDue()) return;  // there are tables to be released first
    if (orphans_known_) return end(environment_.operations.kept(*session_, any_).empty());
    failure = {"", "whether their policies exist is not known", false};
    if (!server.bookkeeping_usable || server.bookkeeping_version != kBookkeepingVersion) {
      failure = {"", "the bookkeeping cannot be used", true};
    }
  } catch (const ConnectionProblem& problem) {
    failure = {"ConnectionNotFound", problem.what(), problem.needs_a_person()};
  } catch (const DatabaseError& error) {
    failure = FailureOf(error, any_);
    DropSession();
  }
  if (stop.stop_requested()) return;
  Log(Severity::kWarning, "Could not look for tables of deleted policies",
      {{"connection", Describe(connection())}, {"error", failure.message}});
  // Left to who leads next: there is no policy that anybody would mend it for.
  if (failure.needs_a_person) return end(false);
  const MutexLock lock(mutex_);
  not_before_ = environment_.clock.Now() + Delay(++failed_connects_);
}

void Worker::ReleaseDeleted(const std::vector<Policy>& deleted, const std::stop_token& stop) {
  for (const Policy& policy : deleted) {
    if (!session_ || (environment_.leads && !environment_.leads())) return;
    try {
      if (const std::optional<Failure> failure = SayFarewell(*session_, policy, ConductFor(policy, stop))) {
        ReleaseFailed(policy, *failure);
        continue;
      }
    } catch (const DatabaseError& error) {
      ReleaseFailed(policy, FailureOf(error, policy));
      if (error.kind() == DatabaseError::Kind::kUnreachable) LoseSession(FailureOf(error, policy), {});
      continue;
    }
    Log(Severity::kInfo, "Released table of deleted policy", Fields(policy, {}));
    const MutexLock lock(mutex_);
    std::erase_if(deleted_, [&](const Deleted& one) { return KeyOf(one.policy) == KeyOf(policy); });
  }
}

void Worker::ReleaseFailed(const Policy& policy, const Failure& failure) {
  Log(SeverityOf(failure), "Could not release table of deleted policy",
      Fields(policy, {{"reason", failure.reason}, {"error", failure.message}}));
  const MutexLock lock(mutex_);
  // What this role will never be able to do is left to a worker with another one,
  // and to the next session.
  if (failure.needs_a_person) {
    std::erase_if(deleted_,
                  [&](const Deleted& one) { return one.found && KeyOf(one.policy) == KeyOf(policy); });
  }
  for (Deleted& deleted : deleted_) {
    if (KeyOf(deleted.policy) == KeyOf(policy)) {
      deleted.due = environment_.clock.Now() + Delay(++deleted.failures);
    }
  }
}

Worker::Seen Worker::ReadAll(const std::vector<Job>& jobs, bool reused, const std::stop_token& stop) {
  if (jobs.empty()) return {};
  const Instant began = environment_.clock.Now();
  Seen seen{{began, false}, std::vector<std::optional<Catalog>>(jobs.size())};
  const auto read = [&](const std::vector<const Policy*>& policies) {
    std::vector<Catalog> catalogs = environment_.operations.read(*session_, policies, seen.now);
    if (catalogs.size() != policies.size()) {
      throw DatabaseError(DatabaseError::Kind::kOther, "", "the catalog could not be read");
    }
    const MutexLock lock(mutex_);
    failed_connects_ = 0;
    return catalogs;
  };
  // True if it was the connection that failed, not the query.
  const auto lost = [&](const DatabaseError& error) {
    if (error.kind() != DatabaseError::Kind::kUnreachable) return false;
    LoseSession(FailureOf(error, Policy{}), jobs);
    return true;
  };
  try {
    std::vector<const Policy*> all;
    all.reserve(jobs.size());
    for (const Job& job : jobs) all.push_back(&job.policy);
    std::vector<Catalog> catalogs = read(all);
    std::move(catalogs.begin(), catalogs.end(), seen.catalogs.begin());
    return seen;
  } catch (const DatabaseError& error) {
    if (stop.stop_requested()) return {};
    if (reused && error.kind() == DatabaseError::Kind::kUnreachable) {
      // It broke while nobody used it, as when the server was restarted.
      DropSession();
      return EnsureSession(jobs) ? ReadAll(jobs, false, stop) : Seen{};
    }
    if (lost(error)) return {};
    if (jobs.size() == 1) {
      Fail(jobs[0], FailureOf(error, jobs[0].policy), began);
      return {};
    }
  }
  // One by one, so that a table that cannot be read hides no other.
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    try {
      seen.catalogs[i] = std::move(read({&jobs[i].policy}).front());
    } catch (const DatabaseError& error) {
      if (stop.stop_requested() || lost(error)) return {};
      Fail(jobs[i], FailureOf(error, jobs[i].policy), began);
    }
  }
  return seen;
}

void Worker::Reconcile(const Job& job, const Now& now, Catalog catalog, const std::stop_token& stop) {
  std::stop_source interrupt;
  {
    const MutexLock lock(mutex_);
    if (Find(job) == nullptr) return;
    running_ = job.key;
    interrupt_ = interrupt;
    environment_.board.Edit(job.key, [](PolicyState& state) { state.next_run.reset(); });
  }
  const std::stop_callback relay(stop, [&] { interrupt.request_stop(); });
  const Instant began = environment_.clock.Now();
  try {
    const Conduct conduct = ConductFor(job.policy, interrupt.get_token());
    Plan plan = PlanFor(job.policy, catalog, now, conduct);
    const Convergence result =
        Converge(*session_, job.policy, {now, std::move(catalog), std::move(plan)}, conduct);
    if (result.session_lost && result.failure) {
      LoseSession(*result.failure, {job});
    } else {
      Claim(job, result);
    }
    Finish(job, result, began);
  } catch (const std::exception& error) {
    // A fault of ours: the other policies go on, and this one is tried again.
    environment_.metrics.ReconcilePanicked();
    Fail(job, {"InternalError", error.what(), true}, began);
  }
  const MutexLock lock(mutex_);
  running_.reset();
}

void Worker::Claim(const Job& job, const Convergence& result) {
  if (!environment_.leads || result.failure || result.stopped || result.stood_back) return;
  {
    const MutexLock lock(mutex_);
    Entry* entry = Find(job);
    if (entry == nullptr || entry->claimed) return;
  }
  const std::optional<Table>& table = result.last.catalog.table;
  if (result.steps.empty()) {
    // Without an owner there is nobody who could still act as if he were it.
    const bool ours = table && table->ownership &&
                      table->ownership->policy_namespace == job.policy.name_space &&
                      table->ownership->policy_name == job.policy.name;
    if (!ours || !environment_.leads()) return;
    try {
      if (!environment_.operations.take_over(*session_, job.policy, result.last.catalog,
                                             environment_.holder)) {
        return;
      }
    } catch (const DatabaseError& error) {
      // The next look tries again.
      Log(Severity::kWarning, "Could not take table over", Fields(job.policy, {{"error", error.what()}}));
      return;
    }
  }
  const MutexLock lock(mutex_);
  if (Entry* entry = Find(job)) entry->claimed = true;
}

Conduct Worker::ConductFor(const Policy& policy, const std::stop_token& stop) {
  const auto on_step = [this, &policy](const StepOutcome& step, std::size_t, std::size_t, bool ended) {
    Beat();
    if (!ended) return;
    environment_.metrics.StepDone(step);
    LogStep(policy, step);
    if (environment_.on_step) environment_.on_step(policy, step);
  };
  return {.operations = environment_.operations,
          .clock = environment_.clock,
          .preview = std::nullopt,
          .acknowledged = Acknowledged(environment_.acknowledged, policy),
          .holder = environment_.holder,
          .stop = stop,
          .on_step = on_step,
          .elsewhere = [this, &policy](const std::string& statement) { BuildElsewhere(policy, statement); },
          .leads = environment_.leads};
}

void Worker::BuildElsewhere(const Policy& policy, const std::string& statement) {
  const PolicyKey key = KeyOf(policy);
  const MutexLock lock(mutex_);
  std::erase_if(builds_, [](const Build& build) { return build.ended; });
  // The catalog does not show it yet.
  if (std::any_of(builds_.begin(), builds_.end(), [&](const Build& build) { return build.key == key; }))
    return;
  Build& build = builds_.emplace_back();
  build.key = key;
  build.thread = std::jthread([this, policy, statement, &build](const std::stop_token& stop) {
    const Instant began = environment_.clock.Now();
    std::optional<Failure> failure;
    try {
      const std::unique_ptr<Session> session = environment_.connect(connection());
      const std::stop_callback cancel(stop, [&session] { session->Cancel(); });
      RunAlone(*session, policy, statement);
    } catch (const DatabaseError& error) {
      failure = FailureOf(error, policy);
    } catch (const ConnectionProblem& problem) {
      failure = Failure{"ConnectionNotFound", problem.what(), problem.needs_a_person()};
    } catch (const std::exception& error) {
      failure = Failure{"InternalError", error.what(), true};
    }
    const double seconds = Seconds(environment_.clock.Now() - began);
    if (failure) {
      Log(Severity::kWarning, stop.stop_requested() ? "Gave up building index" : "Could not build index",
          Fields(policy, {{"error", failure->message}, {"seconds", seconds}}));
    } else {
      Log(Severity::kInfo, "Built index", Fields(policy, {{"seconds", seconds}}));
    }
    const MutexLock done(mutex_);
    build.ended = true;
    const auto entry = entries_.find(KeyOf(policy));
    // One that was stopped has no bearing on the policy of now.
    if (entry == entries_.end() || stop.stop_requested()) return;
    entry->second.build_failure = failure;
    if (!failure) entry->second.due = environment_.clock.Now();
    wake_.request_stop();
  });
}

void Worker::Finish(const Job& job, const Convergence& result, Instant began) {
  if (result.failure && !result.session_lost) Fail(job, *result.failure, began);
  // Before the lock, for it takes a while where there are many partitions.
  std::shared_ptr<const TableView> view = ViewOrNull(job.policy, result.last);
  const Instant now = environment_.clock.Now();
  const MutexLock lock(mutex_);
  Entry* entry = Find(job);
  if (entry == nullptr) return;
  const Situation& last = result.last;
  // One whose table is not there may have kept another one.
  if (last.catalog.table) entry->may_own = NamesAsKeeper(last.catalog, job.policy);
  if (!result.failure) {
    entry->failures = 0;
    entry->due = NextRun(job.policy, result, now);
    environment_.metrics.ReconcileDone(ResultOf(job.policy, result, now, entry->due), now - began);
    environment_.metrics.Queued();
  }
  if (ChangedSomething(result)) {
    // A rollup waits for partitions of its table, and those for what it needs.
    for (auto& [key, other] : entries_) {
      const bool related = key.name_space == job.key.name_space && key != job.key &&
                           WrittenName(key.name) == WrittenName(job.key.name);
      // One that fails has its pause.
      if (related && other.failures == 0) other.due = std::min(other.due, now);
    }
  }
  if (!WantsIndex(last.plan)) entry->build_failure.reset();
  const Instant next = std::max(entry->due, not_before_);
  environment_.board.Edit(job.key, [&](PolicyState& state) {
    Observe(job.policy, last.catalog, last.plan, &state);
    state.view = std::move(view);
    if (!result.session_lost) {
      state.conditions = ConditionsOf(job.policy, last.catalog, last.plan,
                                      result.failure ? result.failure : entry->build_failure);
    }
    state.tried = true;
    state.origin = job.policy.origin;
    state.failures = entry->failures;
    state.last_run = now;
    state.next_run = next;
    for (const StepOutcome& step : result.steps) {
      const std::optional<EventNote> done = EventOf(job.policy, step);
      if (done) Remember({now, done->note, step.reason}, &state);
    }
  });
  const std::string refusals = Refusals(last.plan);
  if (refusals != entry->refused) {
    entry->refused = refusals;
    Log(refusals.empty() ? Severity::kInfo : Severity::kWarning,
        refusals.empty() ? "Policy is no longer refused" : "Refused policy",
        Fields(job.policy, {{"refusals", refusals}}));
  }
}

void Worker::Fail(const Job& job, const Failure& failure, Instant began) {
  const Instant now = environment_.clock.Now();
  environment_.metrics.ReconcileDone(Metrics::Reconcile::kError, now - began);
  environment_.metrics.Retried();
  const MutexLock lock(mutex_);
  Entry* entry = Find(job);
  if (entry == nullptr) return;
  const auto delay = Delay(++entry->failures);
  entry->due = now + delay;
  environment_.board.Edit(job.key, [&](PolicyState& state) {
    state.tried = true;
    state.origin = job.policy.origin;
    state.failures = entry->failures;
    state.conditions = ConditionsOf(failure);
    state.last_run = now;
    state.next_run = entry->due;
  });
  Log(SeverityOf(failure), "Could not reconcile policy",
      Fields(job.policy, {{"reason", failure.reason},
                          {"error", failure.message},
                          {"attempt", entry->failures},
                          {"retry_in_seconds", Seconds(delay)}}));
}

}  // namespace partition_controller
