// What is read of JSON that others wrote, which may be anything.

#ifndef PARTITION_CONTROLLER_CONTROLLER_JSON_TEXT_H_
#define PARTITION_CONTROLLER_CONTROLLER_JSON_TEXT_H_

#include <nlohmann/json.hpp>
#include <string>

namespace partition_controller {

// The string that is the member `key` of `object`; empty if it is none, or there
// is none.
inline std::string TextOf(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_JSON_TEXT_H_
