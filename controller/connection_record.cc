#include "controller/connection_record.h"

#include <nlohmann/json.hpp>

#include "controller/json_text.h"

namespace partition_controller {

using nlohmann::json;

namespace {

// All annotations of an object together may have 256 KiB.
constexpr std::size_t kMostBytes = std::size_t{128} * 1024;

}  // namespace

std::string ToRecord(const std::set<ConnectionSpec>& connections) {
  std::string record;
  for (const ConnectionSpec& connection : connections) {
    const SecretRef& ref = connection.secret_ref.value();
    json entry = {{"namespace", ref.name_space}, {"name", ref.name}, {"key", ref.key}};
    if (!connection.role.empty()) entry["role"] = connection.role;
    const std::string text = entry.dump();
    if (record.size() + text.size() > kMostBytes) break;
    record += (record.empty() ? "" : ",") + text;
  }
  return "[" + record + "]";
}

std::set<ConnectionSpec> ReadRecord(const std::string& record) {
  std::set<ConnectionSpec> connections;
  const json entries = json::parse(record, nullptr, false);
  if (!entries.is_array()) return connections;
  for (const json& entry : entries) {
    ConnectionSpec connection;
    connection.secret_ref = {TextOf(entry, "namespace"), TextOf(entry, "name"), TextOf(entry, "key")};
    connection.role = TextOf(entry, "role");
    const SecretRef& ref = *connection.secret_ref;
    if (!ref.name_space.empty() && !ref.name.empty() && !ref.key.empty()) connections.insert(connection);
  }
  return connections;
}

}  // namespace partition_controller
