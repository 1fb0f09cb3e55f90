// Catalogs from a file in place of a database.

#ifndef PARTITION_CONTROLLER_CONTROLLER_SAVED_CATALOGS_H_
#define PARTITION_CONTROLLER_CONTROLLER_SAVED_CATALOGS_H_

#include <optional>
#include <vector>

#include "controller/one_shot.h"
#include "reconcilers/catalog_json.h"

namespace partition_controller {

// Those in the file that --catalog names; nothing if there is a problem with it,
// which is printed.
std::optional<std::vector<SavedCatalog>> LoadCatalogs(const Options& options, const Surroundings& around);

// The policy's own, with the same table; nullptr, and a complaint, if there is none.
const SavedCatalog* FindOrComplain(const std::vector<SavedCatalog>& catalogs, const Policy& policy,
                                   const Options& options, const Surroundings& around);

// The plan for when it was saved, or for --now.
Situation LookAt(const SavedCatalog& saved, const Policy& policy, const Conduct& conduct);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_SAVED_CATALOGS_H_
