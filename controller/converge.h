// Brings one table to where its policy wants it: look, plan, carry out, look
// again, until nothing is due.  `apply` and `run` both do it this way.

#ifndef PARTITION_CONTROLLER_CONTROLLER_CONVERGE_H_
#define PARTITION_CONTROLLER_CONTROLLER_CONVERGE_H_

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "controller/catalog_reader.h"
#include "controller/clock.h"
#include "controller/executor.h"
#include "controller/orphans.h"

namespace partition_controller {

// Opens a session.  Throws DatabaseError or ConnectionProblem.
using Connector = std::function<std::unique_ptr<Session>(const ConnectionSpec&)>;

// What is done with a session; tests put a model of a database in their place.
struct Operations {
  std::function<std::vector<Catalog>(Session&, const std::vector<const Policy*>&, const Now&)> read =
      ReadCatalogs;
  std::function<Plan(const Policy&, const Catalog&, const Now&, const std::string&)> plan = MakePlan;
  std::function<void(Session&, const Policy&)> migrate = Migrate;
  std::function<RunOutcome(Session&, const Policy&, const Catalog&, const Plan&, const std::string&,
                           const std::stop_token&, const ExecutorHooks&)>
      execute = ExecutePlan;
  std::function<void(Session&, const Policy&)> release = Release;
  std::function<bool(Session&, const Policy&, const Catalog&, const std::string&)> take_over = TakeOver;
  std::function<bool(Session&, const Policy&, const Catalog&, const Plan&, const std::string&)> record =
      RecordAgreed;
  std::function<std::vector<Policy>(Session&, const Policy&)> kept = ReadKept;
  std::function<std::vector<Policy>(Session&, const Policy&)> kept_by = ReadKeptBy;
};

// What was seen, and what follows from it.
struct Situation {
  Now now;
  Catalog catalog;
  Plan plan;
};

// How a convergence is done, whatever the policy.
struct Conduct {
  const Operations& operations;
  Clock& clock;
  std::optional<Instant> preview;         // --now
  std::vector<std::string> acknowledged;  // hashes of plans that somebody consented to
  const std::string& holder;
  std::stop_token stop;
  int max_rounds = 16;  // so that one policy does not keep the others waiting
  // Before each step.
  std::function<void(const Action&, std::size_t done, std::size_t total)> on_begin = nullptr;
  // After each step (`ended`), and after each batch of a long one.
  std::function<void(const StepOutcome&, std::size_t done, std::size_t total, bool ended)> on_step;
  std::function<void(const std::string& statement)> elsewhere = nullptr;  // ExecutorHooks
  // Whether this process still leads; asked after the table was read and before
  // it is claimed.  A claim fails if somebody else has claimed it since it was
  // read, so that nothing done by an outdated policy slips in between.
  std::function<bool()> leads = nullptr;
};

struct Convergence {
  Situation last;
  std::vector<StepOutcome> steps;  // all that were carried out
  std::optional<Failure> failure;
  bool session_lost = false;  // it must be thrown away
  bool stood_back = false;    // another controller is at work on the table
  bool stopped = false;
  bool unfinished = false;  // steps are due still, after as many rounds as were allowed
  bool repeating = false;   // what is due was done already in this run
};

// The steps that maxPerRun counts.
int CountRemovals(const std::vector<StepOutcome>& steps);

// The plan for a catalog, with the consent that was given to it.
Plan PlanFor(const Policy& policy, const Catalog& catalog, const Now& now, const Conduct& conduct,
             int removed = 0);

// Looks at one policy's table.  `removed` partitions count towards maxPerRun
// already.  Throws DatabaseError.
Situation LookAt(Session& session, const Policy& policy, const Conduct& conduct, int removed = 0);

// False for a policy that is suspended or only plans.
bool MayAct(const Policy& policy);

// Ends what must not stay half done when `policy` is deleted, of its table and,
// unless it only plans, of those that it kept before, and lets the bookkeeping
// forget them.  Nothing if that went well.  Throws DatabaseError.
std::optional<Failure> SayFarewell(Session& session, const Policy& policy, const Conduct& conduct);

// `first` was seen a moment ago.  Never throws for what the database does.
Convergence Converge(Session& session, const Policy& policy, Situation first, const Conduct& conduct);

// A policy and those of its rollups' tables (WithRollupTables), one after the
// other and again, for they make work for each other, until nothing is due.  `bring` converges one; nothing,
// if it cannot.  The results, in order, with the steps of all rounds; nothing for those that were not
// reached.
std::vector<std::optional<Convergence>> ConvergeFamily(
    const std::vector<Policy>& family, const std::function<std::optional<Convergence>(const Policy&)>& bring);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_CONVERGE_H_
