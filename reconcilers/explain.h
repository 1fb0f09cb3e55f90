// A plan in words, for people (text) and machines (JSON).

#ifndef PARTITION_CONTROLLER_RECONCILERS_EXPLAIN_H_
#define PARTITION_CONTROLLER_RECONCILERS_EXPLAIN_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "reconcilers/plan.h"

namespace partition_controller {

// Steps with reasons and locks, refusals with remedies, what waits, advice and
// the hash.  `colour` adds ANSI escapes.  Names are shown quoted and control
// characters escaped.
std::string ExplainText(const Plan& plan, const Policy& policy, const Catalog& catalog, bool colour);
nlohmann::ordered_json ExplainJson(const Plan& plan, const Policy& policy, const Catalog& catalog);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_EXPLAIN_H_
