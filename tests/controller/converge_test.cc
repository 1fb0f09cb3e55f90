#include "controller/converge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_database.h"

namespace partition_controller {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ConvergeTest : public testing::Test {
 protected:
  ConvergeTest() { database_.AddTable("points"); }

  Convergence Run() {
    FakeSession session;
    const Conduct conduct = MakeConduct();
    return Converge(session, policy_, LookAt(session, policy_, conduct), conduct);
  }
  Conduct MakeConduct() {
    return {.operations = operations_,
            .clock = clock_,
            .preview = std::nullopt,
            .acknowledged = acknowledged_,
            .holder = holder_,
            .stop = stop_.get_token(),
            .max_rounds = max_rounds_,
            .on_step = on_step_};
  }
  // A plan with one step that never helps.
  static Plan Endless() {
    Plan plan;
    plan.steps = {{AnalyzeParent{}, "because"}};
    return plan;
  }

  FakeClock clock_;
  FakeDatabase database_{clock_};
  Operations operations_ = database_.operations();
  Policy policy_ = FakePolicy("points");
  std::vector<std::string> acknowledged_;
  std::string holder_ = "test:1";
  std::stop_source stop_;
  int max_rounds_ = 16;
  decltype(Conduct::on_step) on_step_;
};

TEST_F(ConvergeTest, MigratesOnceThenCarriesOutAndLooksAgain) {
  const Convergence result = Run();
  EXPECT_FALSE(result.failure);
  EXPECT_THAT(result.last.plan.steps, IsEmpty());
  EXPECT_GE(database_.table("points").partitions.size(), 4u);  // this month and three ahead
  const std::vector<std::string> journal = database_.journal();
  ASSERT_GE(journal.size(), 5u);
  EXPECT_THAT(std::vector<std::string>(journal.begin(), journal.begin() + 5),
              ElementsAre("read points", "migrate", "read points", "execute points", "read points"));
  database_.ForgetJournal();
  EXPECT_THAT(Run().steps, IsEmpty());
  EXPECT_THAT(database_.journal(), ElementsAre("read points"));
}

TEST_F(ConvergeTest, NothingIsCarriedOutWhileSuspendedOrPlanning) {
  policy_.suspend = true;
  EXPECT_FALSE(Run().last.plan.steps.empty());
  policy_.suspend = false;
  policy_.mode = Policy::Mode::kPlan;
  EXPECT_FALSE(Run().last.plan.steps.empty());
  EXPECT_THAT(database_.journal(), Each(std::string("read points")));
}

TEST_F(ConvergeTest, ReportsStepsAsTheyEnd) {
  int ended = 0;
  on_step_ = [&](const StepOutcome&, std::size_t done, std::size_t total, bool end) {
    EXPECT_LE(done, total);
    ended += end ? 1 : 0;
  };
  const Convergence result = Run();
  EXPECT_EQ(result.steps.size(), static_cast<std::size_t>(ended));
  EXPECT_GT(ended, 0);
}

TEST_F(ConvergeTest, BatchesAreNoEnds) {
  std::string seen;
  on_step_ = [&](const StepOutcome&, std::size_t, std::size_t, bool end) { seen += end ? 'e' : 'b'; };
  operations_.plan = [](const Policy&, const Catalog&, const Now&, const std::string&) { return Endless(); };
  operations_.execute = [](Session&, const Policy&, const Catalog&, const Plan&, const std::string&,
                           const std::stop_token&, const ExecutorHooks& hooks) {
    const StepOutcome step{AnalyzeParent{}, "success", 0, {}, ""};
    for (const std::size_t done : {0u, 1u, 1u, 1u, 2u, 3u}) hooks.on_step(step, done, 3);
    return RunOutcome{{step}, {}, false, false};
  };
  Run();
  EXPECT_EQ(seen, "bebbee");
}

TEST_F(ConvergeTest, StepsThatWereDoneInTheRunAreNotRepeated) {
  operations_.plan = [](const Policy&, const Catalog&, const Now&, const std::string&) { return Endless(); };
  const Convergence result = Run();
  EXPECT_TRUE(result.repeating);
  EXPECT_FALSE(result.unfinished);
  EXPECT_THAT(result.steps, SizeIs(1));
}

TEST_F(ConvergeTest, RowsThatKeepArrivingAreDeletedOnceInARun) {
  int second = 0;
  operations_.plan = [&](const Policy&, const Catalog&, const Now&, const std::string&) {
    Plan plan;
    plan.steps = {
        {DeleteExpiredRows{{7, "public", "points", ""}, clock_.Now() + std::chrono::seconds(++second), true},
         ""}};
    return plan;
  };
  EXPECT_TRUE(Run().repeating);
}

TEST_F(ConvergeTest, RoundsAreLimited) {
  int n = 0;
  operations_.plan = [&](const Policy&, const Catalog&, const Now&, const std::string&) {
    Plan plan;
    plan.steps = {{CreateDefault{"d" + std::to_string(++n)}, ""}};
    return plan;
  };
  max_rounds_ = 4;
  const Convergence result = Run();
  EXPECT_TRUE(result.unfinished);
  EXPECT_FALSE(result.failure);
  EXPECT_THAT(result.steps, SizeIs(3));  // one round was the migration
}

TEST_F(ConvergeTest, MaxPerRunHoldsAcrossRounds) {
  policy_.retention = Retention{};
  policy_.retention->max_per_run = 3;
  std::vector<int> allowed;
  int n = 0;
  operations_.plan = [&](const Policy& policy, const Catalog&, const Now&, const std::string&) {
    allowed.push_back(policy.retention->max_per_run);
    Plan plan;
    for (int i = 0; i < 2 && i < policy.retention->max_per_run; ++i) {
      plan.steps.push_back({DropPartition{{static_cast<Oid>(++n), "s", "p", ""}, {}, true}, ""});
    }
    return plan;
  };
  database_.ChangeServer([](Server& server) { server.bookkeeping_version = kBookkeepingVersion; });
  EXPECT_THAT(Run().steps, SizeIs(3));
  EXPECT_THAT(allowed, ElementsAre(3, 1, 0));
}

TEST_F(ConvergeTest, AStaleStepIsPlannedAnew) {
  int tries = 0;
  const auto execute = operations_.execute;
  operations_.execute = [&](Session& session, const Policy& policy, const Catalog& catalog, const Plan& plan,
                            const std::string& holder, const std::stop_token& stop,
                            const ExecutorHooks& hooks) {
    if (++tries == 1) {
      return RunOutcome{{{plan.steps[0].action, "stale", 0, {}, "changed"}},
                        Failure{"CatalogChanged", "changed", false},
                        false,
                        false};
    }
    return execute(session, policy, catalog, plan, holder, stop, hooks);
  };
  const Convergence result = Run();
  EXPECT_FALSE(result.failure);
  EXPECT_GE(tries, 2);
  EXPECT_THAT(result.last.plan.steps, IsEmpty());
}

TEST_F(ConvergeTest, AStepThatStaysStaleIsAFailure) {
  operations_.execute = [](Session&, const Policy&, const Catalog&, const Plan& plan, const std::string&,
                           const std::stop_token&, const ExecutorHooks&) {
    return RunOutcome{{{plan.steps[0].action, "stale", 0, {}, "changed"}},
                      Failure{"CatalogChanged", "changed", false},
                      false,
                      false};
  };
  const Convergence result = Run();
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->reason, "CatalogChanged");
}

TEST_F(ConvergeTest, AFailureEndsTheRunWithAFreshLook) {
  operations_.execute = [&](Session&, const Policy&, const Catalog&, const Plan& plan, const std::string&,
                            const std::stop_token&, const ExecutorHooks&) {
    return RunOutcome{{{plan.steps[0].action, "lock_timeout", 0, {}, "blocked"}},
                      Failure{"LockTimeout", "blocked by pid 7", false},
                      false,
                      false};
  };
  const Convergence result = Run();
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->message, "blocked by pid 7");
  EXPECT_FALSE(result.session_lost);
  EXPECT_EQ(database_.journal().back(), "read points");
}

TEST_F(ConvergeTest, ALostSessionIsReported) {
  database_.before = [&](const std::string& what) {
    if (what == "migrate") throw DatabaseError(DatabaseError::Kind::kUnreachable, "", "gone");
  };
  const Convergence result = Run();
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->reason, "DatabaseUnreachable");
  EXPECT_TRUE(result.session_lost);
}

TEST_F(ConvergeTest, AStopIsNoFailure) {
  database_.before = [&](const std::string& what) {
    if (!what.starts_with("execute")) return;
    stop_.request_stop();
    throw DatabaseError(DatabaseError::Kind::kCancelled, "57014", "canceling statement due to user request");
  };
  const Convergence result = Run();
  EXPECT_TRUE(result.stopped);
  EXPECT_FALSE(result.failure);
}

TEST_F(ConvergeTest, WhatWasSeenLongAgoIsLookedAtAgain) {
  FakeSession session;
  const Conduct conduct = MakeConduct();
  Situation first = LookAt(session, policy_, conduct);
  clock_.Advance(std::chrono::minutes(1));
  Converge(session, policy_, std::move(first), conduct);
  EXPECT_THAT(database_.journal().at(1), "read points");
}

TEST_F(ConvergeTest, ConsentIsForTheHashThatWasPrinted) {
  const auto plan = [](const Policy&, const Catalog&, const Now&, const std::string& acknowledged) {
    Plan result;
    result.hash = "abc";
    result.needs_acknowledgement = acknowledged != "abc";
    return result;
  };
  operations_.plan = plan;
  EXPECT_TRUE(Run().last.plan.needs_acknowledgement);
  acknowledged_ = {"other"};
  EXPECT_TRUE(Run().last.plan.needs_acknowledgement);
  acknowledged_ = {"other", "abc"};
  EXPECT_FALSE(Run().last.plan.needs_acknowledgement);
}

// A retention that is agreed to is on record also where there is nothing to do.
TEST_F(ConvergeTest, WhatIsAgreedToIsRecorded) {
  std::vector<AgreedRetention> recorded;
  operations_.record = [&](Session&, const Policy&, const Catalog&, const Plan& plan, const std::string&) {
    recorded.push_back(plan.agrees.value());
    return true;
  };
  const AgreedRetention wanted{"1y", "Drop", {7}};
  operations_.plan = [&](const Policy&, const Catalog&, const Now&, const std::string&) {
    Plan plan;
    plan.agrees = wanted;
    return plan;
  };
  const auto run_with = [&](const AgreedRetention& known) {
    database_.Change("points", [&](Table& table) { table.ownership.emplace().agreed = known; });
    Run();
  };
  Run();
  EXPECT_THAT(recorded, ElementsAre(wanted)) << "on first contact";
  recorded.clear();
  run_with(wanted);
  run_with({"1y", "Drop", {6, 7}});
  EXPECT_THAT(recorded, IsEmpty()) << "nothing new";
  run_with({"1y", "Drop", {6}});
  EXPECT_THAT(recorded, ElementsAre(wanted));
  run_with({"90d", "Drop", {7}});
  run_with({"1y", "Detach", {7}});
  EXPECT_THAT(recorded, SizeIs(3));
  policy_.suspend = true;
  run_with({"90d", "Drop", {7}});
  EXPECT_THAT(recorded, SizeIs(3));
}

TEST_F(ConvergeTest, AnEmptyObservationIsAnError) {
  operations_.read = [](Session&, const std::vector<const Policy*>&, const Now&) {
    return std::vector<Catalog>{};
  };
  EXPECT_THROW(Run(), DatabaseError);
}

}  // namespace
}  // namespace partition_controller
