// What the tests of decoding share: a small valid policy, and its problems as
// text.

#ifndef PARTITION_CONTROLLER_TESTS_CRD_DECODING_H_
#define PARTITION_CONTROLLER_TESTS_CRD_DECODING_H_

#include <string>
#include <string_view>
#include <vector>

#include "crd/decode.h"

namespace partition_controller {

inline DecodeContext Context() {
  return {[](std::string_view zone) { return zone == "UTC" || zone == "Europe/Berlin"; }};
}

// Seven lines that more lines of the spec can be added to.
inline std::string Minimal(const std::string& metadata = "name: points") {
  return "apiVersion: edgewatch.dev/v1alpha1\n"
         "kind: PartitionPolicy\n"
         "metadata: {" +
         metadata +
         "}\n"
         "spec:\n"
         "  connection: {env: DATABASE_URL}\n"
         "  table: {name: telemetry_points}\n"
         "  timeColumn: ts\n";
}

inline Decoded Decode(const std::string& text) { return DecodeYaml(text, "policy.yaml", Context()); }

// "path: message" of each problem.
inline std::vector<std::string> Problems(const std::string& text) {
  std::vector<std::string> out;
  for (const Problem& problem : Decode(text).problems) out.push_back(problem.path + ": " + problem.message);
  return out;
}

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_CRD_DECODING_H_
