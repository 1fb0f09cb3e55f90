// Carries out a plan, one step a transaction: takes the table over (fencing
// term), climbs the lock ladder, names who blocks, stops at the first failure.

#ifndef PARTITION_CONTROLLER_CONTROLLER_EXECUTOR_H_
#define PARTITION_CONTROLLER_CONTROLLER_EXECUTOR_H_

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "controller/session.h"
#include "reconcilers/plan.h"
#include "reconcilers/status.h"

namespace partition_controller {

struct StepOutcome {
  Action action;
  // Metric label: "success", "started" (it goes on elsewhere), "lock_timeout",
  // "cancelled", "stale", "fenced", "error".
  std::string result;
  std::int64_t rows = 0;  // deleted or moved in batches, and committed also if the step failed later
  std::chrono::duration<double> lock_wait{0};  // spent waiting for locks, all tries
  std::string message;                         // empty on success
  bool more = false;                           // it went well so far, and its turn was over
  std::string reason = {};                     // Step::reason
};

struct RunOutcome {
  std::vector<StepOutcome> steps;
  std::optional<Failure> failure;
  bool stopped = false;  // by the stop token, between or in mid-step
  // The table belongs to another controller that is at work right now: no
  // failure, its work shows in the next catalog.
  bool stood_back = false;
  bool elsewhere = false;  // the last step was started, and the rest waits for it
};

struct ExecutorHooks {
  // After each step, and after each batch of a long one; for logs, progress.
  std::function<void(const StepOutcome&, std::size_t done, std::size_t total)> on_step;
  // Sleeps, for pacing and between lock tries; returns early when stopped.
  std::function<void(std::chrono::milliseconds)> sleep;
  // Before each step; `done` are behind us.
  std::function<void(const Action&, std::size_t done, std::size_t total)> on_begin = nullptr;
  // Takes over a statement that may run for hours and needs no transaction; see
  // RunAlone.  Unset: the step waits for it here.
  std::function<void(const std::string& statement)> elsewhere = nullptr;
};

// Runs a statement that cannot be in a transaction.  It stalls nobody, so it may
// take its time, whatever the database's or the login's settings say; but a
// pooler would hand ours on to others.  Throws DatabaseError.
void RunAlone(Session& session, const Policy& policy, const std::string& statement);

// Creates or upgrades the bookkeeping schema, if it is older than ours.  Safe
// when several start at once.  Throws DatabaseError.
void Migrate(Session& session, const Policy& policy);

// Never throws for what the database does: the outcome says it.  A session
// whose outcome's failure is DatabaseUnreachable must be thrown away.
RunOutcome ExecutePlan(Session& session, const Policy& policy, const Catalog& catalog, const Plan& plan,
                       const std::string& holder, const std::stop_token& stop, const ExecutorHooks& hooks);

// Makes this process the one that may change the table, though there is nothing
// to do: whoever led before, and does not know yet that it does no longer, is
// refused from here on.  False: it was taken over since `catalog` was read.
// Throws DatabaseError.  REQUIRES: the catalog has a table
bool TakeOver(Session& session, const Policy& policy, const Catalog& catalog, const std::string& holder);
// The same, and records the retention that `plan` agrees to: for a plan that
// has no steps to do so.
bool RecordAgreed(Session& session, const Policy& policy, const Catalog& catalog, const Plan& plan,
                  const std::string& holder);

// A database error as the failure of a run.
Failure FailureOf(const DatabaseError& error, const Policy& policy);

// Hands the table back: for a policy that is deleted.  Throws DatabaseError.
void Release(Session& session, const Policy& policy);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_EXECUTOR_H_
