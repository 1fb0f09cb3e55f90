// A catalog as JSON: what `catalog` saves and `plan --catalog` and `simulate
// --catalog` read, and what golden tests begin with.
//
// What has its usual value is left out: a schema equal to the table's, bounds
// that the range implies, an empty list.  Ranges are written as messages show
// them, "[2026-11-01T00:00:00Z, MAXVALUE)".

#ifndef PARTITION_CONTROLLER_RECONCILERS_CATALOG_JSON_H_
#define PARTITION_CONTROLLER_RECONCILERS_CATALOG_JSON_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "reconcilers/catalog.h"

namespace partition_controller {

nlohmann::ordered_json CatalogToJson(const Catalog& catalog);

// Reads what CatalogToJson wrote.  Throws std::invalid_argument, naming the
// place, for what is no catalog: unknown keys are errors, too.
Catalog CatalogFromJson(const nlohmann::ordered_json& json);

// The version of the file's format that this program writes, and the only one
// that it reads.
inline constexpr int kSavedCatalogVersion = 1;

// What one policy's table was found to be.
struct SavedCatalog {
  std::string policy_namespace;
  std::string policy_name;
  TableName asked_for;  // in the policy, whether it is there or not
  Catalog catalog;
  std::vector<RelationSize> sizes;  // of the partitions, as far as they could be measured
  bool operator==(const SavedCatalog&) const = default;
};

// The file that holds them, for people to look at and for ReadSavedCatalogs.
std::string WriteSavedCatalogs(const std::vector<SavedCatalog>& catalogs);

// Throws std::invalid_argument for any other text.  what() names the place
// ("FILE:LINE:COLUMN: PLACE: expected ..."), with the line of `text`; `file` is
// only for that.
std::vector<SavedCatalog> ReadSavedCatalogs(std::string_view text, const std::string& file);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_CATALOG_JSON_H_
