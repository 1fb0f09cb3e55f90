// What is known about every policy, for metrics, health and the status page.
//
// Snapshots are immutable; the board that holds the newest one is thread-safe.
// Only sums and views of bounded size are kept, not the catalogs: memory stays
// small however many partitions there are.

#ifndef PARTITION_CONTROLLER_CONTROLLER_SNAPSHOT_H_
#define PARTITION_CONTROLLER_CONTROLLER_SNAPSHOT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/mutex.h"
#include "reconcilers/plan.h"
#include "reconcilers/status.h"
#include "reconcilers/view.h"

namespace partition_controller {

struct PolicyKey {
  std::string name_space;
  std::string name;
  auto operator<=>(const PolicyKey&) const = default;
};

inline PolicyKey KeyOf(const Policy& policy) { return {policy.name_space, policy.name}; }

struct RollupFigures {
  std::string name;
  std::string state;           // "Missing", "Filling" or "Kept"
  std::optional<int> percent;  // of its history, while it is filled
  double lag_seconds = 0;      // of the oldest bucket that is due, and of what is not filled
  std::int64_t dirty = 0;
  std::int64_t points = 0;
  std::int64_t late_points = 0;
  std::int64_t skipped_values = 0;
  std::int64_t audited = 0;
  std::int64_t mismatches = 0;
};

// A step that changed the table.
struct DoneStep {
  Instant at{};        // UTC: when the run that did it ended
  std::string what;    // for people
  std::string reason;  // likewise
};

struct PolicyState {
  std::string table;      // "schema.name", unquoted: a metric label
  bool tried = false;     // a run has ended, well or not
  bool observed = false;  // the fields up to `pending` are from a catalog
  bool found = false;     // the table is there
  bool partitioned = false;
  std::int64_t partitions = 0;  // the default included
  std::int64_t bytes = 0;
  std::int64_t default_rows = 0;
  std::optional<double> conversion_progress;  // 0 to 1
  std::vector<RollupFigures> rollups;         // enabled ones
  std::vector<std::string> paused_rollups;
  Outlook outlook;
  std::vector<int> pending;  // steps that are due, by the index of Kinds()
  // The same without what is done again and again anyway, by kind.
  std::vector<std::pair<std::string, int>> due;
  int waiting = 0;
  // What is done next: a kind without a time if it is due; empty: nothing is.
  std::string next_action;
  std::optional<Instant> next_action_at;
  std::vector<DoneStep> recent;  // since this process began: the last ones, newest first
  std::string plan_hash;
  bool needs_acknowledgement = false;
  std::optional<AtStake> at_stake;
  Origin origin;  // of the policy that was looked at, also in vain
  std::vector<Condition> conditions;
  std::optional<Instant> last_run;
  std::optional<Instant> next_run;        // nothing: at work on it
  int failures = 0;                       // in a row
  std::shared_ptr<const TableView> view;  // of the last look that went well; null: there was none
};

// Fills the observed fields.
void Observe(const Policy& policy, const Catalog& catalog, const Plan& plan, PolicyState* state);

struct Snapshot {
  std::map<PolicyKey, std::shared_ptr<const PolicyState>> policies;
  int spec_problems = 0;     // files with problems
  bool specs_known = false;  // every file was good at least once
};

class Board {
 public:
  std::shared_ptr<const Snapshot> Get() const;
  // Changes one policy's state, or adds it.
  void Edit(const PolicyKey& key, const std::function<void(PolicyState&)>& change);
  void Remove(const PolicyKey& key);
  void SetSpecs(int problems, bool known);

 private:
  mutable Mutex mutex_;
  Snapshot current_ PC_GUARDED_BY(mutex_);
  // A copy of it, made when somebody asks: edits are far more frequent, and with
  // many policies a copy is not cheap.
  mutable std::shared_ptr<const Snapshot> snapshot_ PC_GUARDED_BY(mutex_);
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_SNAPSHOT_H_
