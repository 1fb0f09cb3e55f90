// What the reconcilers share while one plan is made.  Internal to this folder.
//
// Each reconciler looks at the model of the table, which already shows the
// steps planned before it, and adds steps of its own.

#ifndef PARTITION_CONTROLLER_RECONCILERS_PLANNING_H_
#define PARTITION_CONTROLLER_RECONCILERS_PLANNING_H_

#include <optional>
#include <set>
#include <string>

#include "reconcilers/plan.h"

namespace partition_controller {

// A default partition of at most this many pages is scanned under lock in
// milliseconds (1,000,000 rows, about 19,000 pages: 130 to 270 ms, measured on
// PostgreSQL 12 to 17), so a plain ATTACH beside it is fine.
inline constexpr std::int64_t kSmallDefaultPages = 512;

// A default partition with more rows than this outside the gap that it could
// be promoted to is not promoted: those rows travel in the transaction that
// swaps the default.
inline constexpr std::int64_t kMostOutsiders = 50'000;

struct Consent;

struct Planning {
  Planning(const Policy& wanted, const Catalog& catalog, const Now& now);

  // Plans a step and lets the model take it.
  void Do(Action action, std::string reason);
  void Refuse(std::string code, std::string message, std::string remedy, bool stops_everything);
  // The remedy is to run `sql`, each statement as it stands; `words` go on after it.
  void Refuse(std::string code, std::string message, std::vector<std::string> sql, const std::string& words,
              bool stops_everything);
  // The plan may be asked again at `instant` (UTC), if that lies ahead.
  void WakeAt(Instant instant);

  // Something happens then (UTC), if that lies ahead; the first one counts.
  void Foresee(Instant instant, std::string what);

  std::string Name() const;  // the table's, quoted
  // Names that are, or were in the course of this plan, somebody's.
  const std::set<std::string>& TakenNames() const;
  // UTC, for an instant on the key's axis.
  Instant Utc(Instant key_time) const;
  // Rows of the default partition in `range`.
  std::int64_t DefaultRowsIn(const Range& range) const;
  // Whether ATTACH may scan the default partition under lock.
  bool DefaultIsSmall() const;

  const Policy& policy;
  const Server& server;
  Table table;  // the model
  KeyType key = KeyType::kTimestampTz;
  Calendar calendar;
  Instant at{};          // UTC: what provisioning plans for
  Instant removal_at{};  // UTC: never later than the server's own time allows
  Instant key_now{};
  std::optional<Instant> cutoff;  // on the key's axis
  bool enabled = true;            // partitioning.state
  Plan plan;

 private:
  // Built once, then kept in step with the plan: a table may have very many
  // partitions, and a plan very many names to give.
  mutable std::set<std::string> taken_names_;
  mutable std::size_t steps_named_ = 0;
};

// The reconcilers, in the order in which they run.
void Preflight(Planning& planning, const Catalog& catalog, const Now& now);
void Repair(Planning& planning);
void Restore(Planning& planning);  // detached partitions that the policy keeps again
// Many expired rows in the default partition go first.
void ClearDefault(Planning& planning, const Consent& consent);
void Provision(Planning& planning);
void Retire(Planning& planning, const Consent& consent);
void Maintain(Planning& planning);
void RefreshRollups(Planning& planning);
void Rollups(Planning& planning);  // whether they are there at all
void Convert(Planning& planning);  // instead of all but Preflight, for a plain table
// Undoes one that has not swapped the tables; nothing for others.
void GiveUpConversion(Planning& planning, const std::string& reason);
// The way back.  False if there is none: then all else goes on.
bool Revert(Planning& planning);

// Buckets that begin before it are not kept; nothing: all are.
std::optional<Instant> RollupExpiredBefore(const Planning& planning, const Rollup& rollup,
                                           const RollupState& state);
// Why rows of the range may not be removed yet, as far as the rollups go; empty:
// they may.
std::string RollupHolding(const Planning& planning, const Range& range);
// `cutoff`, or what is before it, such that no bucket of a rollup is cut in two.
Instant RowCutoff(const Planning& planning, Instant cutoff);

// Where provisioning begins: partitions before it are not made.
Instant WindowStart(const Planning& planning);
// The end of the last premade period.
Instant Horizon(const Planning& planning);

// From here on rows are, or are to be, in other partitions than the history.
// On the key's axis.
Instant ConversionCut(const Planning& planning);
// The partition that was the plain table; nothing if it is not attached.
const Partition* History(const Planning& planning);
// A unique index on a plain table or partition, built without stalling anybody.
// False while somebody else is building it.
bool ProvideUniqueIndex(Planning& planning, const TableRef& table, const std::string& name,
                        const std::vector<std::string>& columns, const std::string& reason);

// Whether the policy's windows are open at `at`, and if not, when the next one
// opens (UTC).
std::optional<Instant> NextOpening(const Schedule& schedule, Instant at);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_PLANNING_H_
