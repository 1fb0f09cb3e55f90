#include "reconcilers/rollup_tables.h"

#include <algorithm>

#include "reconcilers/rollup.h"

namespace partition_controller {
namespace {

// Buckets are computed after they end: the current period is all it takes, and
// the next one for when it begins.
constexpr int kPremake = 1;

Policy PolicyOf(const Policy& policy, const Rollup& rollup) {
  Policy made = policy;
  made.name = policy.name + "/" + rollup.name;
  made.table = {policy.table.schema, rollup.table};
  made.time_column = "bucket_ts";
  made.partitioning = Partitioning{};
  made.partitioning.granularity = rollup.granularity;
  made.partitioning.time_zone = RollupZone(rollup);
  made.partitioning.premake = kPremake;
  // What is moved from a default partition is out of sight meanwhile, and a
  // bucket that is not seen would be written twice.
  made.partitioning.default_partition = Partitioning::Default::kAbsent;
  made.retention.reset();
  if (rollup.keep) {
    made.retention = policy.retention.value_or(Retention{});
    made.retention->keep = *rollup.keep;
    made.retention->action = Retention::Action::kDrop;
  }
  made.rollups = rollup.coarser;
  made.feeder = Feeder{policy.table, policy.time_column, rollup};
  return made;
}

// Moves each rollup of `all` that `rollup` is the source of below it.
void TakeCoarser(Rollup* rollup, std::vector<Rollup>* all) {
  for (auto it = all->begin(); it != all->end();) {
    if (it->finer != rollup->name) {
      ++it;
      continue;
    }
    Rollup coarser = *it;
    it = all->erase(it);
    TakeCoarser(&coarser, all);
    // What it took may have stood before.
    it = all->begin();
    rollup->coarser.push_back(std::move(coarser));
  }
}

void Add(Policy policy, const std::vector<Policy>& written, std::vector<Policy>* all) {
  std::vector<Policy> tables;
  std::vector<Rollup> orphans;
  for (const Rollup& rollup : policy.rollups) {
    Policy made = PolicyOf(policy, rollup);
    const bool taken = std::any_of(written.begin(), written.end(), [&](const Policy& other) {
      return other.connection == made.connection && other.table == made.table;
    });
    if (!taken) {
      tables.push_back(std::move(made));
    } else {
      orphans.insert(orphans.end(), rollup.coarser.begin(), rollup.coarser.end());
    }
  }
  // Nobody looks after them: the plan says so.
  policy.rollups.insert(policy.rollups.end(), orphans.begin(), orphans.end());
  all->push_back(std::move(policy));
  for (Policy& made : tables) Add(std::move(made), written, all);
}

}  // namespace

std::vector<Policy> WithRollupTables(const std::vector<Policy>& policies) {
  std::vector<Policy> all;
  for (Policy policy : policies) {
    std::vector<Rollup> rest = std::move(policy.rollups);
    policy.rollups.clear();
    // A finer one stands before those that it feeds.
    while (!rest.empty()) {
      Rollup rollup = std::move(rest.front());
      rest.erase(rest.begin());
      TakeCoarser(&rollup, &rest);
      policy.rollups.push_back(std::move(rollup));
    }
    Add(policy, policies, &all);
  }
  return all;
}

std::string WrittenName(const std::string& policy_name) {
  return policy_name.substr(0, policy_name.find('/'));
}

}  // namespace partition_controller
