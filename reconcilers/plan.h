// A plan is the difference between what a policy asks for and what the catalog
// holds: ordered steps, each with the reason it is there.
//
// Making a plan is pure.  It reads no clock and no connection, equal inputs
// give equal plans, and the plan for a converged table is empty.

#ifndef PARTITION_CONTROLLER_RECONCILERS_PLAN_H_
#define PARTITION_CONTROLLER_RECONCILERS_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reconcilers/action.h"

namespace partition_controller {

struct Step {
  Action action;
  std::string reason;
  bool operator==(const Step&) const = default;
};

// Wanted but unsafe, or impossible until a person helps.
struct Refusal {
  std::string code;               // CamelCase; the reason of a condition
  std::string message;            // what is wrong
  std::string remedy;             // what to do, with the SQL where there is one
  bool stops_everything = false;  // false: only the destructive steps wait
  // The statements that `remedy` begins with, each to be run as it stands.
  std::vector<std::string> sql = {};
  bool operator==(const Refusal&) const = default;
};

// Due, but not yet: outside the windows, beyond maxPerRun, in the undo window.
struct Waiting {
  Action action;
  std::string reason;
  std::optional<Instant> until;  // UTC; nothing: until the run after this one
  bool operator==(const Waiting&) const = default;
};

// Where the table stands on the time axis (UTC), for status and metrics.
struct Outlook {
  Instant now{};                           // the plan's idea of now
  std::optional<Instant> covered_until;    // end of gap-free coverage from now on; nothing: now is uncovered
  bool covered_for_ever = false;           // up to MAXVALUE
  std::optional<Instant> uncovered_since;  // when now is uncovered: where the coverage before it ended
  Instant horizon{};                       // where the premade periods should end
  std::optional<Instant> cutoff;           // rows before it are expired
  std::optional<Instant> overdue_since;    // when the oldest partition still attached became due
  // What ends by then has expired: where the period begins that the cutoff lies
  // in, so that it moves with the calendar and not with the clock.
  std::optional<Instant> expired_until;
  bool operator==(const Outlook&) const = default;
};

// What happens by itself next, if nothing is due now.
struct Upcoming {
  Instant at{};      // UTC
  std::string what;  // for people; names nothing that moves with the clock
  bool operator==(const Upcoming&) const = default;
};

// What waits for consent.  Rows and bytes are estimates, as of the last VACUUM or
// ANALYZE; rows that are deleted one by one count as far as they are known.
struct AtStake {
  std::int64_t partitions = 0;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  bool operator==(const AtStake&) const = default;
};

struct Plan {
  std::vector<Step> steps;
  std::vector<Refusal> refusals;
  std::vector<Waiting> waiting;
  std::vector<std::string> advice;
  std::optional<Instant> wake_at;  // UTC: when the answer changes by itself
  std::optional<Upcoming> next;
  // Over the policy, the partitions to be removed (oid and bounds) and the last
  // consent, for --acknowledge.  Empty: nothing would be removed.
  std::string hash;
  bool needs_acknowledgement = false;
  std::optional<AtStake> at_stake;  // where it does
  // Somebody consented to this being another table or database than before.
  bool accepts_identity = false;
  // It took somebody's consent.  That is recorded with the take-over, and its hash
  // is good for nothing more.
  bool consented = false;
  // To be recorded with the take-over: what the table is looked after under from
  // now on.  Nothing: it waits for consent, or was not looked into.
  std::optional<AgreedRetention> agrees;
  Outlook outlook;

  bool StopsEverything() const;
  bool operator==(const Plan&) const = default;
};

// The time to plan for.
struct Now {
  Instant at{};
  // True for --now: a preview of another time, not a clock that may be wrong.
  bool preview = false;
};

// Whether the table is to be divided: partitioning.state, but of the tables of
// rollups those that somebody else made stay as they are.
bool Divides(const Policy& policy, const Table& table);

// Whether it is the table of a paused rollup, of which nothing is removed.
inline bool Rests(const Policy& policy) { return policy.feeder && !policy.feeder->rollup.enabled; }

// `acknowledged` is the hash that a person consented to, or empty.
// REQUIRES: the policy as WithRollupTables (reconcilers/rollup_tables.h) gives it
Plan MakePlan(const Policy& policy, const Catalog& catalog, const Now& now,
              const std::string& acknowledged = "");

// What the bookkeeping records once a plan was carried out, or had nothing to do:
// the policy keeps the table, under what the plan agrees to.
void RecordKeeper(const Policy& policy, const Server& server, const Plan& plan, Table* table);

// What must not stay half done when the policy is deleted: rows that are on
// their way arrive, and a conversion that has not swapped the tables is undone.
Plan MakeFarewell(const Policy& policy, const Catalog& catalog, const Now& now);

// Questions that the catalog snapshot leaves open and that the reader asks the
// database before a plan is made.  Both are pure.

// Where to cut the time axis when counting the rows of the default partition.
// `oldest` is its oldest row.
std::vector<Instant> ProbeCuts(const Policy& policy, const Catalog& catalog, const Now& now,
                               std::optional<Instant> oldest);
// The names that the plan would give to new tables: those that other relations
// have already must be in Table::taken_names.
std::vector<std::string> NamesMade(const Plan& plan);
// The leaves (or the plain table) of which the plan must know whether they hold
// expired rows, that is, rows before CutoffOf.
std::vector<TableRef> ProbeOldest(const Policy& policy, const Catalog& catalog, const Now& now);

// Whether a conversion, or its way back, must know what the table consists of.
bool NeedsAnatomy(const Policy& policy, const Catalog& catalog);
// From where on rows are counted in Anatomy::rows_beyond; nothing: they are not.
std::optional<Instant> ProbeBeyond(const Policy& policy, const Catalog& catalog, const Now& now);

// On the key's axis; nothing without retention.
std::optional<Instant> CutoffOf(const Policy& policy, const Catalog& catalog, const Now& now);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_PLAN_H_
