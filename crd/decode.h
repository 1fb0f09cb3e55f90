// From text to policies: one path for YAML files and the API server's JSON.
//
// Every problem is reported, not just the first; a policy with a problem is
// not returned.

#ifndef PARTITION_CONTROLLER_CRD_DECODE_H_
#define PARTITION_CONTROLLER_CRD_DECODE_H_

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "crd/policy.h"
#include "crd/problem.h"

namespace partition_controller {

struct DecodeContext {
  // Says whether an IANA time zone is known here.  crd/ reads no files, so the
  // caller (who has reconcilers/zone.h) passes KnownZone.
  std::function<bool(std::string_view)> known_zone;
  // From an API server, where who may write policies need not be who may see the
  // controller's own files and environment: only secretRef is accepted.
  bool in_cluster = false;
};

struct Decoded {
  std::vector<Policy> policies;
  std::vector<Problem> problems;
};

// One PartitionPolicy object.  `position_of` maps a JSON pointer
// ("/spec/retention/keep") to where it stands, {0,0} if unknown.
Decoded DecodeObject(const nlohmann::json& object, const std::string& file,
                     const std::function<Position(const std::string&)>& position_of,
                     const DecodeContext& context);

// A YAML file (JSON is YAML), with one or several documents.
Decoded DecodeYaml(std::string_view text, const std::string& file, const DecodeContext& context);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CRD_DECODE_H_
