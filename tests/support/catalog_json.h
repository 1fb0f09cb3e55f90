// A catalog as JSON, for golden files and for plans made offline.
//
// What has its usual value is left out: a schema equal to the table's, bounds
// that the range implies, an empty list.  Ranges are written as messages show
// them, "[2026-11-01T00:00:00Z, MAXVALUE)".

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_CATALOG_JSON_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_CATALOG_JSON_H_

#include <nlohmann/json_fwd.hpp>

#include "reconcilers/catalog.h"

namespace partition_controller {

nlohmann::ordered_json CatalogToJson(const Catalog& catalog);

// Reads what CatalogToJson wrote.  Throws std::invalid_argument, naming the
// place, for what is no catalog: unknown keys are errors, too.
Catalog CatalogFromJson(const nlohmann::ordered_json& json);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_CATALOG_JSON_H_
