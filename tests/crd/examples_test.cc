// Every example that is shipped is a valid policy.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/crd/decoding.h"

namespace partition_controller {
namespace {

TEST(Examples, Decode) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(PC_EXAMPLES_DIR)) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    std::ifstream stream(entry.path());
    const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    const Decoded decoded = DecodeYaml(text, entry.path().filename().string(), Context());
    for (const Problem& problem : decoded.problems) ADD_FAILURE() << Render(problem, text);
    EXPECT_FALSE(decoded.policies.empty()) << entry.path();
  }
  EXPECT_GE(files, 3);
}

}  // namespace
}  // namespace partition_controller
