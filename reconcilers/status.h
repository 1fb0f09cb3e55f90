// Where a policy stands, in Kubernetes' terms: conditions.

#ifndef PARTITION_CONTROLLER_RECONCILERS_STATUS_H_
#define PARTITION_CONTROLLER_RECONCILERS_STATUS_H_

#include <string>
#include <vector>

#include "reconcilers/plan.h"

namespace partition_controller {

struct Condition {
  std::string type;
  std::string status;  // "True", "False" or "Unknown"
  std::string reason;  // CamelCase
  std::string message;
  bool operator==(const Condition&) const = default;
};

// What went wrong in the last run, if anything.
struct Failure {
  std::string reason;  // "LockTimeout", "DatabaseUnreachable", ...
  std::string message;
  bool needs_a_person = false;  // false: goes away by itself
  bool operator==(const Failure&) const = default;
};

// Ready, Reconciling, Stalled, Covered, RetentionEnforced,
// DefaultPartitionEmpty and Converted, in this order.  `plan` is what is still to be done
// after the run.
std::vector<Condition> ConditionsOf(const Policy& policy, const Catalog& catalog, const Plan& plan,
                                    const std::optional<Failure>& failure);

// Of a table that belongs to another one's policy, as a rollup's does.
struct PartConditions {
  std::string table;
  std::vector<Condition> conditions;
};

// `own`, but where a part is worse off, what is said of that, with the part's
// name; Converted is about the table alone.
std::vector<Condition> WithParts(std::vector<Condition> own, const std::vector<PartConditions>& parts);

// The conditions while the database has not been read: all Unknown but Ready
// (and Stalled, where a person is needed).
std::vector<Condition> ConditionsOf(const Failure& failure);

// How far a conversion is, from 0 to 1; nothing: none is asked for, or the
// table was partitioned before.
std::optional<double> ConversionProgress(const Policy& policy, const Catalog& catalog);

// How much of a rollup's history is computed, in percent; nothing: not known, or
// all of it.
std::optional<int> FilledPercent(const RollupState& state);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_STATUS_H_
