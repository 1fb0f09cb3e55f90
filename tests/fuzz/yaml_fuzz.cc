// Arbitrary bytes as a policy file: never a crash, and every problem can be
// shown to a person without a control character.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "crd/decode.h"
#include "crd/problem.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace partition_controller;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const DecodeContext context{[](std::string_view zone) { return zone == "UTC" || zone == "Europe/Berlin"; }};
  const Decoded decoded = DecodeYaml(text, "fuzz.yaml", context);
  Require(!decoded.policies.empty() || !decoded.problems.empty());
  for (const Problem& problem : decoded.problems) {
    Require(!problem.message.empty());
    Require(problem.position.line >= 0 && problem.position.column >= 0);
    for (const char c : Render(problem, text)) {
      Require(c == '\n' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7F'));
    }
  }
  for (const Policy& policy : decoded.policies) {
    Require(!policy.name.empty() && !policy.table.name.empty() && !policy.time_column.empty());
    Require(!policy.retention || policy.retention->keep.count > 0);
  }
  return 0;
}
