// The tables of rollups are looked after like any other: each gets a policy of
// its own, which nobody wrote.

#ifndef PARTITION_CONTROLLER_RECONCILERS_ROLLUP_TABLES_H_
#define PARTITION_CONTROLLER_RECONCILERS_ROLLUP_TABLES_H_

#include <string>
#include <vector>

#include "crd/policy.h"

namespace partition_controller {

// Each policy, followed by those of its rollups' tables: "NAME/ROLLUP", a name
// that no resource can have.  A rollup that is fed by a finer one is moved to
// the policy of that one's table.  A table for which somebody wrote a policy
// keeps that one; rollups that it would feed stay where they are, and are refused.
std::vector<Policy> WithRollupTables(const std::vector<Policy>& policies);

// "NAME" of "NAME/ROLLUP/ROLLUP"; other names as they are.
std::string WrittenName(const std::string& policy_name);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_ROLLUP_TABLES_H_
