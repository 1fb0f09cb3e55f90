// Plans as people see them.  Each folder of tests/golden/ holds a policy, a
// catalog and the time; the plan in words, the script and the conditions must
// be what the files beside them say.
//
// UPDATE_GOLDEN=1 rewrites those files.  Read the difference: it is what users
// will see.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "crd/decode.h"
#include "reconcilers/catalog_json.h"
#include "reconcilers/explain.h"
#include "reconcilers/sql.h"
#include "reconcilers/status.h"
#include "reconcilers/zone.h"

namespace partition_controller {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = PC_TEST_GOLDEN_DIR;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> Cases() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const fs::path folder = kFolder / GetParam();
    const Decoded decoded = DecodeYaml(ReadFile(folder / "policy.yaml"), GetParam(), {KnownZone});
    for (const Problem& problem : decoded.problems) ADD_FAILURE() << Render(problem, "");
    ASSERT_EQ(decoded.policies.size(), 1U);
    policy_ = decoded.policies.front();
    catalog_ = CatalogFromJson(nlohmann::ordered_json::parse(ReadFile(folder / "catalog.json")));
    std::string now = ReadFile(folder / "now");
    while (!now.empty() && now.back() == '\n') now.pop_back();
    const std::optional<Instant> at = ParseInstant(now);
    ASSERT_TRUE(at) << now;
    now_.at = *at;
  }

  void ExpectFile(const std::string& name, const std::string& text) {
    const fs::path path = kFolder / GetParam() / name;
    const char* update = std::getenv("UPDATE_GOLDEN");  // NOLINT(concurrency-mt-unsafe): one thread
    if (update != nullptr && std::string(update) == "1") {
      std::ofstream(path, std::ios::binary) << text;
    } else {
      EXPECT_EQ(text, ReadFile(path)) << path << " differs; UPDATE_GOLDEN=1 rewrites it";
    }
  }

  Policy policy_;
  Catalog catalog_;
  Now now_;
};

TEST_P(Golden, IsAsRecorded) {
  const Plan plan = MakePlan(policy_, catalog_, now_);
  ExpectFile("plan.txt", ExplainText(plan, policy_, catalog_, false));
  ExpectFile("plan.sql", RenderScript(plan, policy_, catalog_));
  std::string conditions;
  for (const Condition& condition : ConditionsOf(policy_, catalog_, plan, std::nullopt)) {
    conditions +=
        condition.type + '=' + condition.status + ' ' + condition.reason + ": " + condition.message + '\n';
  }
  ExpectFile("status.txt", conditions);
}

// A name with a line break in it must not begin a line of its own, neither
// for a reader nor for psql.
TEST_P(Golden, ShowsNoControlCharacters) {
  const Plan plan = MakePlan(policy_, catalog_, now_);
  for (const char c : ExplainText(plan, policy_, catalog_, false)) {
    EXPECT_TRUE(c == '\n' || !std::iscntrl(static_cast<unsigned char>(c))) << static_cast<int>(c);
  }
  const std::string json = ExplainJson(plan, policy_, catalog_).dump();
  EXPECT_EQ(nlohmann::ordered_json::parse(json), ExplainJson(plan, policy_, catalog_));
}

// What the catalog reader would have asked for is what the file holds.
TEST_P(Golden, CountsTheDefaultWhereThePlannerAsks) {
  if (!catalog_.table || !catalog_.table->default_partition || !policy_.retention) return;
  const DefaultPartition& fallback = *catalog_.table->default_partition;
  if (fallback.rows == 0) return;
  EXPECT_EQ(fallback.cuts, ProbeCuts(policy_, catalog_, now_, std::nullopt));
  EXPECT_EQ(fallback.counts.size(), fallback.cuts.size() + 1);
}

// Once every step has been taken, and those that pacing put off in runs after
// it, nothing is due any more.
TEST_P(Golden, Converges) {
  for (int run = 0; run < 5; ++run) {
    const Plan plan = MakePlan(policy_, catalog_, now_);
    if (plan.steps.empty()) return;
    for (const Step& step : plan.steps) Apply(step.action, catalog_.server.time, &*catalog_.table);
  }
  ADD_FAILURE() << ExplainText(MakePlan(policy_, catalog_, now_), policy_, catalog_, false);
}

TEST_P(Golden, CatalogSurvivesItsJson) { EXPECT_EQ(CatalogFromJson(CatalogToJson(catalog_)), catalog_); }

INSTANTIATE_TEST_SUITE_P(Case, Golden, testing::ValuesIn(Cases()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace partition_controller
