// YAML text to JSON values, and back: the one door to the YAML library.
//
// Stricter than YAML, so that a file means the same to every reader: no
// anchors, aliases, tags or repeated keys.  Scalars follow the core schema of
// YAML 1.2: quoted is text; true, false and plain decimal integers are typed;
// nothing, ~ and null are null; everything else is text ("no" and "010" too).

#ifndef PARTITION_CONTROLLER_CRD_YAML_H_
#define PARTITION_CONTROLLER_CRD_YAML_H_

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crd/problem.h"

namespace partition_controller {

// Where each value of a document stands: a key's value at its key, a list's
// item at its first character.
//
// A tree rather than a map of JSON pointers: in a deep document the pointers
// together can be a thousand times longer than the text.
class PositionMap {
 public:
  // Adds the value that `step` (a key, or an index) leads to from `parent`, and
  // returns its number.  The first value added is the root, whose number is 0.
  std::size_t Add(std::size_t parent, const std::string& step, Position position);

  // {0,0} if nothing stands at the JSON pointer.
  Position Find(std::string_view pointer) const;

 private:
  std::vector<Position> positions_;
  std::map<std::pair<std::size_t, std::string>, std::size_t> numbers_;  // by parent and step
};

struct YamlDocument {
  nlohmann::json value;
  PositionMap positions;
};

struct YamlFile {
  // Without the empty ones, and without any that a fatal problem cut short.
  std::vector<YamlDocument> documents;
  std::vector<Problem> problems;
};

// Never throws for bad input: that gives problems, in which `file` is repeated.
// Text longer than 1 MiB, deeper than 32 levels or not in UTF-8 is refused.
YamlFile ReadYaml(std::string_view text, const std::string& file);

// `value` in blocks, for people; any reader of YAML, 1.1 or 1.2, takes it for the
// same.
std::string WriteYaml(const nlohmann::json& value);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CRD_YAML_H_
