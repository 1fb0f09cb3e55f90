// JSON as YAML in blocks, for people.  Pure.

#ifndef PARTITION_CONTROLLER_CONTROLLER_YAML_TEXT_H_
#define PARTITION_CONTROLLER_CONTROLLER_YAML_TEXT_H_

#include <nlohmann/json.hpp>
#include <string>

namespace partition_controller {

// A document that any YAML reader takes for the same value.
std::string YamlText(const nlohmann::json& value);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_YAML_TEXT_H_
