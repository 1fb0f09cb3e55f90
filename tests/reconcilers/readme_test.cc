// The README shows a policy and the plan it makes: both must be real.  The
// golden case "readme" is where they come from.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace partition_controller {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Readme, ShowsTheGoldenPolicyAndItsPlan) {
  const std::filesystem::path golden = std::filesystem::path(PC_TEST_GOLDEN_DIR) / "readme";
  const std::string readme = ReadFile(std::filesystem::path(PC_TEST_GOLDEN_DIR) / "../../README.md");
  const std::string policy = ReadFile(golden / "policy.yaml");
  const std::string plan = ReadFile(golden / "plan.txt");
  ASSERT_FALSE(policy.empty());
  ASSERT_FALSE(plan.empty());
  EXPECT_NE(readme.find("<!-- policy -->\n```yaml\n" + policy + "```\n"), std::string::npos);
  EXPECT_NE(readme.find("<!-- plan -->\n```\n" + plan + "```\n"), std::string::npos);
}

}  // namespace
}  // namespace partition_controller
