// The fields of a row as PostgreSQL prints them, as values.  Internal to the
// catalog readers.

#ifndef PARTITION_CONTROLLER_CONTROLLER_FIELDS_H_
#define PARTITION_CONTROLLER_CONTROLLER_FIELDS_H_

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "reconcilers/catalog.h"

namespace partition_controller {

using Row = std::vector<std::optional<std::string>>;

inline std::int64_t Number(const std::optional<std::string>& field) { return field ? std::stoll(*field) : 0; }
inline Oid ToOid(const std::optional<std::string>& field) {
  return static_cast<Oid>(field ? std::stoul(*field) : 0);
}
inline bool Flag(const std::optional<std::string>& field) { return field && *field == "t"; }
inline std::string Text(const std::optional<std::string>& field) { return field.value_or(""); }
inline Instant Micros(const std::optional<std::string>& field) {
  return Instant(std::chrono::microseconds(Number(field)));
}

// Of a JSON array; none for NULL.
inline std::vector<std::string> Strings(const std::optional<std::string>& json) {
  std::vector<std::string> all;
  if (!json) return all;
  for (const auto& one : nlohmann::json::parse(*json)) all.push_back(one.get<std::string>());
  return all;
}

// Of pg_class.relkind.
inline Partition::Kind PartitionKind(const std::optional<std::string>& relkind) {
  if (relkind == "p") return Partition::Kind::kPartitioned;
  return relkind == "f" ? Partition::Kind::kForeign : Partition::Kind::kTable;
}

// By range, as a catalog has them.
template <class Partitions>
void SortPartitions(Partitions* partitions) {
  std::sort(partitions->begin(), partitions->end(), [](const Partition& a, const Partition& b) {
    return std::tie(a.range, a.oid) < std::tie(b.range, b.oid);
  });
}

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_FIELDS_H_
