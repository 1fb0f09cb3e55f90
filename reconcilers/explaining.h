// What explanations and conditions share.  Internal to this folder.

#ifndef PARTITION_CONTROLLER_RECONCILERS_EXPLAINING_H_
#define PARTITION_CONTROLLER_RECONCILERS_EXPLAINING_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "reconcilers/plan.h"

namespace partition_controller {

// The table as the catalog shows it; only its name when it is not there.
Table TableOf(const Policy& policy, const Catalog& catalog);

// For each step, what it locks: that depends on what the steps before it have
// made of the table.
std::vector<std::vector<Lock>> LocksOfSteps(const Plan& plan, const Policy& policy, const Catalog& catalog);

// What happens to new rows while no partition holds the present: "inserting
// them fails".
std::string FateOfNewRows(const Policy& policy, const Table& table, const Outlook& outlook);

// `text` with what is no UTF-8 replaced, as JSON and XML need it: a database with
// the encoding SQL_ASCII may hold anything.
std::string Utf8(std::string_view text);

// "15.13", of server_version_num.
std::string ServerVersion(int version);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_EXPLAINING_H_
