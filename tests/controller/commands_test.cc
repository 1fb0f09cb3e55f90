#include "controller/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "controller/connection.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_database.h"
#include "tests/support/temp_folder.h"

namespace partition_controller {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class CommandsTest : public testing::Test {
 protected:
  CommandsTest() {
    database_.AddTable("points");
    database_.AddTable("alarms");
    Write("points");
  }

  void Write(const std::string& name, const std::string& more = "") {
    folder_.Write(name + ".yaml",
                  "apiVersion: edgewatch.dev/v1alpha1\n"
                  "kind: PartitionPolicy\n"
                  "metadata: {name: " +
                      name +
                      ", namespace: edgewatch}\n"
                      "spec:\n"
                      "  connection: {env: DATABASE_URL}\n"
                      "  table: {name: " +
                      name +
                      "}\n"
                      "  timeColumn: ts\n" +
                      more);
  }
  int Run(Command command) {
    options_.command = command;
    options_.specs = {folder_.path()};
    out_.str("");
    err_.str("");
    const Surroundings around{.out = out_,
                              .err = err_,
                              .clock = clock_,
                              .connect = connect_,
                              .operations = operations_,
                              .holder = "test:1",
                              .stop = stop_.get_token()};
    return RunCommand(options_, around);
  }
  void ReplacePlan(const std::function<void(Plan&)>& fill) {
    operations_.plan = [fill](const Policy&, const Catalog& catalog, const Now&, const std::string&) {
      Plan plan;
      plan.outlook.now = catalog.server.time;
      fill(plan);
      return plan;
    };
  }

  TempFolder folder_;
  FakeClock clock_;
  FakeDatabase database_{clock_};
  Operations operations_ = database_.operations();
  Connector connect_ = database_.connector();
  Options options_;
  std::ostringstream out_;
  std::ostringstream err_;
  std::stop_source stop_;
};

TEST_F(CommandsTest, ValidateNeedsNoDatabase) {
  EXPECT_EQ(Run(Command::kValidate), 0);
  EXPECT_EQ(out_.str(), "valid: policy edgewatch/points for table public.points\n");
  Write("alarms", "  retnetion: {}\n");
  EXPECT_EQ(Run(Command::kValidate), 1);
  EXPECT_THAT(err_.str(), HasSubstr("alarms.yaml:8:3: "));
  EXPECT_TRUE(database_.journal().empty());
}

TEST_F(CommandsTest, PlanSaysWhatIsPendingAndChangesNothing) {
  EXPECT_EQ(Run(Command::kPlan), 2);
  EXPECT_THAT(out_.str(), HasSubstr("points_p202611"));
  EXPECT_THAT(database_.journal(), testing::ElementsAre("connect", "read points"));
}

TEST_F(CommandsTest, ExitCodesOfPlan) {
  ReplacePlan([](Plan&) {});
  EXPECT_EQ(Run(Command::kPlan), 0);
  ReplacePlan([](Plan& plan) { plan.waiting = {{AnalyzeParent{}, "later", std::nullopt}}; });
  EXPECT_EQ(Run(Command::kPlan), 0);
  ReplacePlan([](Plan& plan) { plan.refusals = {{"NotPartitioned", "it is plain", "convert it", true}}; });
  EXPECT_EQ(Run(Command::kPlan), 3);
  EXPECT_THAT(out_.str(), HasSubstr("convert it"));
  ReplacePlan([](Plan& plan) {
    plan.needs_acknowledgement = true;
    plan.hash = "abc";
  });
  EXPECT_EQ(Run(Command::kPlan), 3);
  ReplacePlan([](Plan& plan) {
    plan.refusals = {{"ClockSkew", "the clock is wrong", "set it", false}};
    plan.steps = {{AnalyzeParent{}, "because"}};
  });
  EXPECT_EQ(Run(Command::kPlan), 2);
  database_.before = [](const std::string&) {
    throw DatabaseError(DatabaseError::Kind::kUnreachable, "", "connection refused");
  };
  EXPECT_EQ(Run(Command::kPlan), 1);
  EXPECT_EQ(err_.str(), "error: policy edgewatch/points: connection refused\n");
}

TEST_F(CommandsTest, OnePolicyThatFailsHidesNoOther) {
  Write("alarms");
  database_.before = [](const std::string& what) {
    if (what == "read alarms") throw DatabaseError(DatabaseError::Kind::kOther, "", "no luck");
  };
  EXPECT_EQ(Run(Command::kPlan), 1);
  EXPECT_THAT(err_.str(), HasSubstr("edgewatch/alarms: no luck"));
  EXPECT_THAT(out_.str(), HasSubstr("points_p202611"));
}

TEST_F(CommandsTest, PlanAsJsonIsAnArray) {
  Write("alarms");
  options_.output = Options::Output::kJson;
  EXPECT_EQ(Run(Command::kPlan), 2);
  const auto json = nlohmann::json::parse(out_.str());
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["policy"]["name"], "alarms");
  EXPECT_EQ(json[1]["policy"]["name"], "points");
}

TEST_F(CommandsTest, PlanAsSqlHoldsTheBookkeeping) {
  options_.output = Options::Output::kSql;
  EXPECT_EQ(Run(Command::kPlan), 2);
  EXPECT_THAT(out_.str(), HasSubstr("partition_controller"));
  EXPECT_THAT(out_.str(), HasSubstr("points_p202611"));
}

TEST_F(CommandsTest, ColourIsForTerminals) {
  EXPECT_EQ(Run(Command::kPlan), 2);
  EXPECT_THAT(out_.str(), Not(HasSubstr("\x1b[")));
  options_.colour = Options::Colour::kAlways;
  EXPECT_EQ(Run(Command::kPlan), 2);
  EXPECT_THAT(out_.str(), HasSubstr("\x1b["));
}

TEST_F(CommandsTest, ApplyConvergesAndSecondTimeDoesNothing) {
  EXPECT_EQ(Run(Command::kApply), 0);
  EXPECT_THAT(out_.str(), HasSubstr("create partition"));
  EXPECT_THAT(err_.str(), HasSubstr("1/"));
  EXPECT_GE(database_.table("points").partitions.size(), 4u);
  EXPECT_EQ(Run(Command::kApply), 0);
  EXPECT_THAT(out_.str(), StartsWith("Carried out for policy edgewatch/points: 0 steps\n"));
  EXPECT_EQ(Run(Command::kPlan), 0);
}

TEST_F(CommandsTest, ApplyReportsWhatIsInItsWay) {
  operations_.execute = [](Session&, const Policy&, const Catalog&, const Plan& plan, const std::string&,
                           const std::stop_token&, const ExecutorHooks&) {
    return RunOutcome{{{plan.steps[0].action, "lock_timeout", 0, {}, ""}},
                      Failure{"LockTimeout", "blocked by pid 7 (psql)", false},
                      false,
                      false};
  };
  EXPECT_EQ(Run(Command::kApply), 1);
  EXPECT_EQ(err_.str(), "error: policy edgewatch/points: blocked by pid 7 (psql)\n");
}

TEST_F(CommandsTest, ApplyLeavesRefusalsToPeople) {
  ReplacePlan([](Plan& plan) { plan.refusals = {{"NotPartitioned", "it is plain", "convert it", true}}; });
  EXPECT_EQ(Run(Command::kApply), 3);
  EXPECT_THAT(out_.str(), HasSubstr("convert it"));
}

TEST_F(CommandsTest, ApplyCarriesOutNothingOfASuspendedPolicy) {
  Write("points", "  suspend: true\n");
  EXPECT_EQ(Run(Command::kApply), 0);
  EXPECT_THAT(out_.str(), HasSubstr("spec.suspend is true"));
  EXPECT_TRUE(database_.table("points").partitions.empty());
}

TEST_F(CommandsTest, ApplyWaitsForAnotherControllerAndThenGivesUp) {
  int tries = 0;
  operations_.execute = [&](Session&, const Policy&, const Catalog&, const Plan&, const std::string&,
                            const std::stop_token&, const ExecutorHooks&) {
    ++tries;
    RunOutcome outcome;
    outcome.stood_back = true;
    return outcome;
  };
  EXPECT_EQ(Run(Command::kApply), 1);
  EXPECT_EQ(tries, 6);
  EXPECT_THAT(err_.str(), HasSubstr("another controller is at work"));
}

TEST_F(CommandsTest, AnInterruptedApplySaysSo) {
  database_.before = [&](const std::string& what) {
    if (what.starts_with("execute")) stop_.request_stop();
  };
  EXPECT_EQ(Run(Command::kApply), 1);
  EXPECT_THAT(err_.str(), HasSubstr("interrupted"));
}

TEST_F(CommandsTest, ApplyNotesAStepThatDoesNotHelp) {
  ReplacePlan([](Plan& plan) { plan.steps = {{AnalyzeParent{}, "because"}}; });
  EXPECT_EQ(Run(Command::kApply), 1);
  EXPECT_THAT(err_.str(), HasSubstr("was done and is due again"));
}

TEST_F(CommandsTest, MigrateTouchesEachDatabaseOnce) {
  Write("alarms");
  EXPECT_EQ(Run(Command::kMigrate), 0);
  EXPECT_EQ(out_.str(), "database edgewatch: bookkeeping schema created (version 7)\n");
  EXPECT_EQ(Run(Command::kMigrate), 0);
  EXPECT_EQ(out_.str(), "database edgewatch: bookkeeping schema is up to date (version 7)\n");
}

TEST_F(CommandsTest, MigrateLeavesNewerBookkeepingAlone) {
  database_.ChangeServer([](Server& server) { server.bookkeeping_version = kBookkeepingVersion + 1; });
  EXPECT_EQ(Run(Command::kMigrate), 1);
  EXPECT_THAT(err_.str(), HasSubstr("remedy: "));
}

TEST_F(CommandsTest, AMissingConnectionIsNamed) {
  connect_ = [](const ConnectionSpec&) -> std::unique_ptr<Session> {
    throw ConnectionProblem("environment variable DATABASE_URL is not set");
  };
  for (const Command command : {Command::kPlan, Command::kApply, Command::kMigrate}) {
    EXPECT_EQ(Run(command), 1);
    EXPECT_EQ(err_.str(), "error: policy edgewatch/points: environment variable DATABASE_URL is not set\n");
  }
}

TEST_F(CommandsTest, ASavedCatalogGivesThePlanOfTheDatabase) {
  EXPECT_EQ(Run(Command::kPlan), 2);
  const std::string plan = out_.str();
  EXPECT_EQ(Run(Command::kCatalog), 0);
  const TempFolder elsewhere;
  options_.catalog = elsewhere.Write("catalog.json", out_.str());
  database_.ForgetJournal();
  EXPECT_EQ(Run(Command::kPlan), 2);
  EXPECT_EQ(out_.str(), plan);
  EXPECT_TRUE(database_.journal().empty());
  Write("alarms");
  EXPECT_EQ(Run(Command::kPlan), 1);
  EXPECT_THAT(err_.str(), HasSubstr("edgewatch/alarms: "));
  EXPECT_THAT(err_.str(), HasSubstr("holds nothing of this policy"));
  options_.catalog = elsewhere.File("missing.json");
  EXPECT_EQ(Run(Command::kPlan), 1);
  EXPECT_THAT(err_.str(), HasSubstr("missing.json: cannot be read: No such file"));
}

TEST_F(CommandsTest, HalfACatalogIsNone) {
  Write("alarms");
  database_.before = [](const std::string& what) {
    if (what == "read points") throw DatabaseError(DatabaseError::Kind::kOther, "", "no luck");
  };
  EXPECT_EQ(Run(Command::kCatalog), 1);
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), HasSubstr("edgewatch/points: no luck"));
}

TEST_F(CommandsTest, VersionIsOneLine) {
  EXPECT_EQ(Run(Command::kVersion), 0);
  EXPECT_EQ(out_.str(), "partition-controller " PC_VERSION "\n");
}

TEST_F(CommandsTest, RunWorksUntilItIsToldToStop) {
  options_.listen = "127.0.0.1:0";
  testing::internal::CaptureStderr();
  int code = -1;
  {
    FakeClock still(FakeClock::Waiting::kBlocks);
    const Surroundings around{.out = out_,
                              .err = err_,
                              .clock = still,
                              .connect = connect_,
                              .operations = operations_,
                              .holder = "test:1",
                              .stop = stop_.get_token()};
    options_.command = Command::kRun;
    options_.specs = {folder_.path()};
    std::jthread runner([&] { code = RunCommand(options_, around); });
    for (int i = 0; i < 1'000 && still.sleepers() < 2; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    stop_.request_stop();
  }
  EXPECT_EQ(code, 0);
  EXPECT_GE(database_.table("points").partitions.size(), 4u);
  std::istringstream log(testing::internal::GetCapturedStderr());
  for (std::string line; std::getline(log, line);) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
}

TEST_F(CommandsTest, RunThatCannotStartSaysWhy) {
  options_.listen = "203.0.113.7:1";  // not an address of this machine
  testing::internal::CaptureStderr();
  EXPECT_EQ(Run(Command::kRun), 1);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("cannot listen on 203.0.113.7:1"));
  folder_.Remove("");
  testing::internal::CaptureStderr();
  EXPECT_EQ(Run(Command::kRun), 1);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("no such file or folder"));
}

}  // namespace
}  // namespace partition_controller
