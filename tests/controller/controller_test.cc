#include "controller/controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_database.h"

namespace partition_controller {
namespace {

// The threads are real, the clock and the databases are not.
class ControllerTest : public testing::Test {
 protected:
  ControllerTest() {
    for (const char* name : {"points", "alarms", "events"}) database_.AddTable(name);
    testing::internal::CaptureStderr();
  }
  ~ControllerTest() override { testing::internal::GetCapturedStderr(); }

  static Policy On(Policy policy, const std::string& env) {
    policy.connection.env = env;
    return policy;
  }
  void WaitFor(const std::function<bool()>& condition) {
    for (int i = 0; i < 1'000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(condition());
  }
  bool Tried(const std::string& name) {
    const auto snapshot = board_.Get();
    const auto state = snapshot->policies.find({"edgewatch", name});
    return state != snapshot->policies.end() && state->second->tried;
  }

  FakeClock clock_{FakeClock::Waiting::kBlocks};
  FakeDatabase database_{clock_};
  Board board_;
  Metrics metrics_{board_, clock_};
  Environment environment_{clock_, board_,   metrics_, database_.connector(), database_.operations(),
                           {},     "test:1", 7};
};

TEST_F(ControllerTest, ASlowDatabaseDelaysNoOther) {
  std::atomic<bool> release{false};
  database_.before = [&](const std::string& what) {
    while (what == "read points" && !release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  Controller controller(environment_);
  controller.SetPolicies({On(FakePolicy("points"), "A"), On(FakePolicy("alarms"), "B")});
  WaitFor([&] { return Tried("alarms"); });
  EXPECT_FALSE(Tried("points"));
  EXPECT_NE(Unready(*board_.Get()), "");
  release = true;
  WaitFor([&] { return Tried("points"); });
}

TEST_F(ControllerTest, PeriodsPassAndPoliciesComeAndGo) {
  Controller controller(environment_);
  controller.SetPolicies({FakePolicy("points"), FakePolicy("alarms")});
  WaitFor([&] { return Tried("points") && Tried("alarms") && clock_.sleepers() == 1; });
  database_.ForgetJournal();
  clock_.Advance(std::chrono::minutes(1));
  WaitFor([&] { return !database_.journal().empty(); });
  controller.SetPolicies({FakePolicy("alarms"), On(FakePolicy("events"), "B")});
  WaitFor([&] { return Tried("events"); });
  WaitFor([&] {
    const auto journal = database_.journal();
    return std::find(journal.begin(), journal.end(), "release points") != journal.end();
  });
  controller.SetPolicies({});
  WaitFor([&] { return !database_.table("events").ownership && !database_.table("alarms").ownership; });
  EXPECT_TRUE(board_.Get()->policies.empty());
  controller.SetPolicies({FakePolicy("points")});
  WaitFor([&] { return Tried("points"); });
}

TEST_F(ControllerTest, ReconcileNowWaitsForNoPeriod) {
  Controller controller(environment_);
  controller.SetPolicies({FakePolicy("points")});
  WaitFor([&] { return Tried("points") && clock_.sleepers() == 1; });
  database_.ForgetJournal();
  controller.ReconcileNow();
  WaitFor([&] { return !database_.journal().empty(); });
}

TEST_F(ControllerTest, StoppingInterruptsWhatRuns) {
  FakeSession::cancels_ = 0;
  std::atomic<bool> running{false};
  environment_.operations.execute = [&](Session&, const Policy&, const Catalog&, const Plan&,
                                        const std::string&, const std::stop_token& stop,
                                        const ExecutorHooks&) {
    running = true;
    // A statement that ends when it is cancelled, like the real ones.
    while (FakeSession::cancels_ == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(stop.stop_requested());
    RunOutcome outcome;
    outcome.stopped = true;
    return outcome;
  };
  {
    Controller controller(environment_);
    controller.SetPolicies({FakePolicy("points")});
    WaitFor([&] { return running.load(); });
    EXPECT_EQ(controller.Unhealthy(), "");
  }
  EXPECT_GE(FakeSession::cancels_, 1);
}

TEST_F(ControllerTest, MetricsCanBeReadMeanwhile) {
  Controller controller(environment_);
  std::jthread reader([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) metrics_.Render();
  });
  for (int i = 0; i < 10; ++i) {
    controller.SetPolicies({FakePolicy("points"), On(FakePolicy("alarms"), "B")});
    clock_.Advance(std::chrono::minutes(1));
    controller.SetPolicies({FakePolicy("points")});
  }
  WaitFor([&] { return Tried("points"); });
}

// What SetPolicies reads of the board is replaced by others meanwhile.
TEST_F(ControllerTest, PoliciesAreSetWhileTheirStatesChange) {
  std::vector<Policy> policies;
  for (int i = 0; i < 100; ++i) {
    policies.push_back(FakePolicy("points"));
    policies.back().name = "p" + std::to_string(i);
    policies.back().suspend = true;
  }
  std::jthread editor([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      for (const Policy& policy : policies)
        board_.Edit(KeyOf(policy), [](PolicyState& state) { ++state.failures; });
      board_.Get();
    }
  });
  Controller controller(environment_);
  for (int i = 0; i < 50; ++i) controller.SetPolicies(policies);
  WaitFor([&] { return board_.Get()->policies.size() == policies.size(); });
}

TEST_F(ControllerTest, ReadinessWaitsForSpecsAndForAFirstLook) {
  EXPECT_NE(Unready(*board_.Get()), "");
  board_.SetSpecs(1, false);
  EXPECT_NE(Unready(*board_.Get()), "");
  board_.SetSpecs(1, true);
  EXPECT_EQ(Unready(*board_.Get()), "");
  board_.Edit({"edgewatch", "points"}, [](PolicyState&) {});
  EXPECT_NE(Unready(*board_.Get()), "");
  board_.Edit({"edgewatch", "points"}, [](PolicyState& state) { state.tried = true; });
  EXPECT_EQ(Unready(*board_.Get()), "");
}

}  // namespace
}  // namespace partition_controller
