#include "controller/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "controller/connection.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_database.h"

namespace partition_controller {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class WorkerTest : public testing::Test {
 protected:
  WorkerTest() {
    database_.AddTable("points");
    database_.AddTable("alarms");
    testing::internal::CaptureStderr();
  }
  ~WorkerTest() override { testing::internal::GetCapturedStderr(); }

  void Give(const std::vector<Policy>& policies) {
    std::set<PolicyKey> existing;
    for (const Policy& policy : policies) existing.insert(KeyOf(policy));
    worker_.SetPolicies(policies, existing);
  }
  // Lets the worker run, then goes to when it wants to come back.
  Instant::duration RunDue() {
    const Instant next = worker_.RunDue(stop_.get_token());
    const Instant::duration wait = next - clock_.Now();
    if (wait > Instant::duration::zero()) clock_.Advance(wait);
    return wait;
  }
  std::shared_ptr<const PolicyState> State(const std::string& name) {
    const auto snapshot = board_.Get();
    const auto found = snapshot->policies.find({"edgewatch", name});
    return found == snapshot->policies.end() ? nullptr : found->second;
  }
  std::string Ready(const std::string& name) {
    for (const Condition& condition : State(name)->conditions) {
      if (condition.type == "Ready") return condition.status + " " + condition.reason;
    }
    return "";
  }
  void FailOn(const std::string& prefix, DatabaseError::Kind kind) {
    database_.before = [prefix, kind](const std::string& what) {
      if (what.starts_with(prefix)) throw DatabaseError(kind, "", "no luck");
    };
  }
  void Mend() {
    database_.before = [](const std::string&) {};
  }

  FakeClock clock_;
  FakeDatabase database_{clock_};
  Board board_;
  Metrics metrics_{board_, clock_};
  Environment environment_{clock_, board_,   metrics_, database_.connector(), database_.operations(),
                           {},     "test:1", 7};
  Policy points_ = FakePolicy("points");
  Policy alarms_ = FakePolicy("alarms");
  std::stop_source stop_;
  Worker worker_{points_, environment_};
};

TEST_F(WorkerTest, OneQueryForAllThatIsDueThenEachInTurn) {
  Give({points_, alarms_});
  EXPECT_EQ(RunDue(), minutes(1));
  EXPECT_THAT(database_.journal().at(0), "connect");
  EXPECT_THAT(database_.journal().at(1), "read alarms points");
  EXPECT_EQ(Ready("points"), "True AsDeclared");
  EXPECT_EQ(Ready("alarms"), "True AsDeclared");
  EXPECT_GE(State("points")->partitions, 4);
  EXPECT_EQ(State("points")->table, "public.points");
  database_.ForgetJournal();
  EXPECT_EQ(RunDue(), minutes(1));
  EXPECT_THAT(database_.journal(), ElementsAre("read alarms points"));
}

TEST_F(WorkerTest, PeopleAreShownWhatTheLastLookThatWentWellSaw) {
  Give({points_});
  RunDue();
  const std::shared_ptr<const TableView> view = State("points")->view;
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->name, "points");
  ASSERT_TRUE(view->timeline);
  EXPECT_FALSE(view->timeline->attached.empty());
  const std::vector<DoneStep> recent = State("points")->recent;
  ASSERT_FALSE(recent.empty());
  EXPECT_LE(recent.size(), 10U);
  EXPECT_THAT(recent.front().reason, Not(IsEmpty()));
  FailOn("read", DatabaseError::Kind::kPermission);
  RunDue();
  EXPECT_EQ(State("points")->failures, 1);
  EXPECT_EQ(State("points")->view, view);
}

TEST_F(WorkerTest, ThePeriodIsThePolicys) {
  points_.schedule.period = minutes(10);
  Give({points_, alarms_});
  RunDue();
  database_.ForgetJournal();
  RunDue();
  EXPECT_THAT(database_.journal(), ElementsAre("read alarms"));
}

TEST_F(WorkerTest, APlanThatChangesByItselfBringsTheNextRunForward) {
  environment_.operations.plan = [](const Policy&, const Catalog& catalog, const Now&, const std::string&) {
    Plan plan;
    plan.outlook.now = catalog.server.time;
    plan.wake_at = catalog.server.time + seconds(20);
    return plan;
  };
  Give({points_});
  EXPECT_EQ(RunDue(), seconds(20));
  EXPECT_THAT(metrics_.Render(), HasSubstr("result=\"requeue_after\"} 1\n"));
}

TEST_F(WorkerTest, AFailureBacksOffAndStopsNoOther) {
  FailOn("execute alarms", DatabaseError::Kind::kOther);
  Give({points_, alarms_});
  EXPECT_LE(RunDue(), seconds(1));
  EXPECT_EQ(Ready("alarms"), "False DatabaseError");
  EXPECT_EQ(Ready("points"), "True AsDeclared");
  Instant::duration longest{0};
  for (int i = 0; i < 30; ++i) longest = std::max(longest, RunDue());
  EXPECT_GT(State("alarms")->failures, 5);
  EXPECT_EQ(State("points")->failures, 0);
  Mend();
  while (State("alarms")->failures > 0) RunDue();
  EXPECT_EQ(Ready("alarms"), "True AsDeclared");
}

// Asked after the table was read: a process that was stopped in between, and
// has lost the lease meanwhile, acts on nothing.
TEST_F(WorkerTest, DoesNothingWhenItLeadsNoLonger) {
  bool leads = true;
  environment_.leads = [&] { return leads; };
  database_.before = [&](const std::string& what) { leads = !what.starts_with("read"); };
  Give({points_});
  RunDue();
  EXPECT_THAT(database_.journal(), ElementsAre("connect", "read points"));
  EXPECT_TRUE(database_.table("points").partitions.empty());
  Give({});
  leads = false;
  RunDue();
  EXPECT_THAT(database_.journal(), Not(Contains("release points")));
}

// What is as declared is taken over all the same, once: whoever led before may
// have something else in mind.
TEST_F(WorkerTest, TakesOverWhatAnotherLookedAfter) {
  environment_.leads = [] { return true; };
  std::vector<std::string> taken;
  environment_.operations.take_over = [&](Session&, const Policy& policy, const Catalog&,
                                          const std::string& holder) {
    taken.push_back(policy.name + " by " + holder);
    return taken.size() > 1;  // the first time somebody else was faster
  };
  Give({points_});
  RunDue();
  EXPECT_THAT(taken, IsEmpty());  // its steps took it over
  Worker successor(points_, environment_);
  successor.SetPolicies({points_, alarms_}, {});
  for (int i = 0; i < 4; ++i) {
    successor.RunDue(stop_.get_token());
    clock_.Advance(minutes(1));
  }
  EXPECT_THAT(taken, ElementsAre("points by test:1", "points by test:1"));
}

// Somebody who asks for a look, or consents to a plan, interrupts nothing.
TEST_F(WorkerTest, AnAnnotationMakesAPolicyDueAndIsAnswered) {
  points_.origin = {"u", 1, "", "", ""};
  Give({points_});
  RunDue();
  database_.ForgetJournal();
  points_.origin.requested_at = "token";
  Give({points_});
  worker_.RunDue(stop_.get_token());
  EXPECT_THAT(database_.journal(), ElementsAre("read points"));
  EXPECT_EQ(State("points")->origin.requested_at, "token");
  points_.origin.generation = 2;
  Give({points_});
  EXPECT_EQ(State("points")->origin.generation, 1);
  FailOn("", DatabaseError::Kind::kUnreachable);
  worker_.RunDue(stop_.get_token());
  // Looked at in vain is looked at.
  EXPECT_EQ(State("points")->origin.generation, 2);
}

// The Secret leads to another database now.
TEST_F(WorkerTest, ReconnectsWhenItIsTold) {
  Give({points_});
  RunDue();
  database_.ForgetJournal();
  worker_.ReconcileNow(true);
  worker_.RunDue(stop_.get_token());
  EXPECT_THAT(database_.journal(), ElementsAre("connect", "read points"));
}

TEST_F(WorkerTest, ATableThatCannotBeReadHidesNoOther) {
  database_.before = [](const std::string& what) {
    if (what.starts_with("read") && what.find("alarms") != std::string::npos) {
      throw DatabaseError(DatabaseError::Kind::kPermission, "42501", "permission denied");
    }
  };
  Give({points_, alarms_});
  RunDue();
  EXPECT_EQ(Ready("points"), "True AsDeclared");
  EXPECT_EQ(Ready("alarms"), "False PrivilegeMissing");
}

TEST_F(WorkerTest, ADatabaseThatIsAwayBacksOffAndKeepsWhatIsKnown) {
  Give({points_});
  RunDue();
  const auto partitions = State("points")->partitions;
  FailOn("", DatabaseError::Kind::kUnreachable);
  RunDue();
  EXPECT_EQ(Ready("points"), "False DatabaseUnreachable");
  EXPECT_EQ(State("points")->partitions, partitions);
  Instant::duration wait{0};
  for (int i = 0; i < 12; ++i) wait = RunDue();
  EXPECT_GE(wait, minutes(2));
  EXPECT_LE(wait, minutes(5));
  Mend();
  database_.ForgetJournal();
  RunDue();
  EXPECT_THAT(database_.journal(), ElementsAre("connect", "read points"));
  EXPECT_EQ(Ready("points"), "True AsDeclared");
  EXPECT_EQ(State("points")->failures, 0);
}

TEST_F(WorkerTest, ASessionThatBrokeWhileIdleIsReplacedQuietly) {
  Give({points_});
  RunDue();
  int broken = 1;
  database_.before = [&](const std::string& what) {
    if (what.starts_with("read") && broken-- > 0) {
      throw DatabaseError(DatabaseError::Kind::kUnreachable, "", "the connection broke");
    }
  };
  database_.ForgetJournal();
  EXPECT_EQ(RunDue(), minutes(1));
  EXPECT_THAT(database_.journal(), ElementsAre("read points", "connect", "read points"));
  EXPECT_EQ(Ready("points"), "True AsDeclared");
}

TEST_F(WorkerTest, AnEmptyObservationActsOnNothing) {
  environment_.operations.read = [](Session&, const std::vector<const Policy*>&, const Now&) {
    return std::vector<Catalog>{};
  };
  Give({points_});
  RunDue();
  EXPECT_THAT(database_.journal(), ElementsAre("connect"));
  EXPECT_EQ(Ready("points"), "False DatabaseError");
}

TEST_F(WorkerTest, AMissingConnectionStringIsNamed) {
  environment_.connect = [](const ConnectionSpec&) -> std::unique_ptr<Session> {
    throw ConnectionProblem("environment variable DATABASE_URL is not set");
  };
  Give({points_});
  RunDue();
  EXPECT_EQ(Ready("points"), "False ConnectionNotFound");
  EXPECT_TRUE(State("points")->tried);
}

TEST_F(WorkerTest, AnUnexpectedExceptionIsCountedAndSurvived) {
  environment_.operations.plan = [](const Policy& policy, const Catalog&, const Now&,
                                    const std::string&) -> Plan {
    if (policy.name == "alarms") throw std::logic_error("a fault of ours");
    return {};
  };
  Give({points_, alarms_});
  RunDue();
  EXPECT_EQ(Ready("alarms"), "False InternalError");
  EXPECT_EQ(Ready("points"), "True AsDeclared");
  EXPECT_THAT(metrics_.Render(),
              HasSubstr("controller_runtime_reconcile_panics_total{controller=\"partitionpolicy\"} 1\n"));
}

TEST_F(WorkerTest, AStandingBackControllerReturnsSoon) {
  environment_.operations.execute = [](Session&, const Policy&, const Catalog&, const Plan&,
                                       const std::string&, const std::stop_token&, const ExecutorHooks&) {
    RunOutcome outcome;
    outcome.stood_back = true;
    return outcome;
  };
  Give({points_});
  EXPECT_EQ(RunDue(), points_.locks.timeout);
  EXPECT_EQ(State("points")->failures, 0);
  EXPECT_THAT(metrics_.Render(), HasSubstr("result=\"requeue\"} 1\n"));
}

// A statement that takes until somebody lets it end.
class Slow {
 public:
  enum class End { kWell, kBadly, kCancelled };

  void Finish(End end) {
    const std::lock_guard lock(mutex_);
    end_ = end;
    changed_.notify_all();
  }
  // Whether it has begun, and has ended.
  bool Began() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(60), [&] { return began_; });
  }
  bool WasCancelled() {
    const std::lock_guard lock(mutex_);
    return end_ == End::kCancelled;
  }

  std::unique_ptr<Session> Connect() { return std::make_unique<SlowSession>(*this); }

 private:
  class SlowSession : public FakeSession {
   public:
    explicit SlowSession(Slow& slow) : slow_(slow) {}
    Result Query(const std::string& sql, const std::vector<std::optional<std::string>>&) override {
      EXPECT_EQ(sql, "CREATE INDEX CONCURRENTLY");
      std::unique_lock lock(slow_.mutex_);
      slow_.began_ = true;
      slow_.changed_.notify_all();
      slow_.changed_.wait(lock, [&] { return slow_.end_.has_value(); });
      if (slow_.end_ == End::kWell) return {};
      throw DatabaseError(
          slow_.end_ == End::kBadly ? DatabaseError::Kind::kOther : DatabaseError::Kind::kCancelled, "",
          "no space left on device");
    }
    void Cancel() noexcept override { slow_.Finish(End::kCancelled); }

   private:
    Slow& slow_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  bool began_ = false;
  std::optional<End> end_;
};

// The first run of `points` starts an index, and no other does.
class IndexElsewhere : public WorkerTest {
 protected:
  IndexElsewhere() {
    environment_.connect = [this, connect = environment_.connect](const ConnectionSpec& connection) {
      return connections_++ == 0 ? connect(connection) : slow_.Connect();
    };
    environment_.operations.execute = [this, execute = environment_.operations.execute](
                                          Session& session, const Policy& policy, const Catalog& catalog,
                                          const Plan& plan, const std::string& holder,
                                          const std::stop_token& stop, const ExecutorHooks& hooks) {
      if (policy.table.name != "points" || started_) {
        return execute(session, policy, catalog, plan, holder, stop, hooks);
      }
      started_ = true;
      hooks.elsewhere("CREATE INDEX CONCURRENTLY");
      RunOutcome run;
      run.steps.push_back({BuildIndex{}, "started", 0, {}, ""});
      hooks.on_step(run.steps.back(), 1, 1);
      run.elsewhere = true;
      return run;
    };
    environment_.operations.plan = [this, plan = environment_.operations.plan](
                                       const Policy& policy, const Catalog& catalog, const Now& now,
                                       const std::string& acknowledged) {
      Plan made = plan(policy, catalog, now, acknowledged);
      if (policy.table.name == "points" && wanted_) {
        made.waiting.push_back({BuildIndex{}, "it is being built", std::nullopt});
      }
      return made;
    };
    Give({points_, alarms_});
    worker_.RunDue(stop_.get_token());
    // Nobody waits for it.
    EXPECT_EQ(Ready("alarms"), "True AsDeclared");
    EXPECT_TRUE(slow_.Began());
    EXPECT_FALSE(worker_.Stuck());
  }
  // The thread ends before what it uses.
  ~IndexElsewhere() override {
    stop_.request_stop();
    worker_.Run(stop_.get_token());
  }
  // Runs what is due until `done`.
  bool RunUntil(const std::function<bool()>& done) {
    for (int i = 0; i < 6'000 && !done(); ++i) {
      worker_.RunDue(stop_.get_token());
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return done();
  }

  Slow slow_;
  int connections_ = 0;
  bool wanted_ = true;  // by the plan
  bool started_ = false;
};

TEST_F(IndexElsewhere, ItsPolicyGoesOnAsSoonAsItIsBuilt) {
  EXPECT_THAT(database_.table("points").partitions, IsEmpty());
  slow_.Finish(Slow::End::kWell);
  // The clock stands still: it is not the period that brings it back.
  EXPECT_TRUE(RunUntil([&] { return !database_.table("points").partitions.empty(); }));
  EXPECT_EQ(Ready("points"), "True AsDeclared");
  EXPECT_THAT(metrics_.Render(), HasSubstr("action=\"build_index\",result=\"started\"} 1\n"));
}

TEST_F(IndexElsewhere, ThatItFailedIsSaid) {
  slow_.Finish(Slow::End::kBadly);
  EXPECT_TRUE(RunUntil([&] {
    clock_.Advance(minutes(1));
    return Ready("points") == "False DatabaseError";
  }));
  EXPECT_EQ(Ready("alarms"), "True AsDeclared");
  // Somebody else has built it.
  wanted_ = false;
  clock_.Advance(minutes(1));
  worker_.RunDue(stop_.get_token());
  EXPECT_EQ(Ready("points"), "True AsDeclared");
}

TEST_F(IndexElsewhere, ItEndsWithTheWishForIt) {
  points_.partitioning.premake = 6;
  Give({points_, alarms_});
  EXPECT_TRUE(slow_.WasCancelled());
  // That it was stopped is nothing to complain about.
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    clock_.Advance(minutes(1));
    worker_.RunDue(stop_.get_token());
    EXPECT_EQ(Ready("points"), "True AsDeclared");
  }
}

TEST_F(IndexElsewhere, ItEndsWithTheWorker) {
  stop_.request_stop();
  worker_.Run(stop_.get_token());
  EXPECT_TRUE(slow_.WasCancelled());
}

TEST_F(WorkerTest, ASuspendedPolicyIsReportedAndLeftAlone) {
  points_.suspend = true;
  Give({points_});
  RunDue();
  EXPECT_THAT(database_.journal(), ElementsAre("connect", "read points"));
  EXPECT_EQ(Ready("points"), "False Suspended");
  EXPECT_GT(State("points")->pending.at(2), 0);
}

TEST_F(WorkerTest, AChangedPolicyIsLookedAtAtOnce) {
  Give({points_});
  RunDue();
  points_.partitioning.premake = 6;
  Give({points_});
  EXPECT_EQ(worker_.RunDue(stop_.get_token()) - clock_.Now(), minutes(1));
  EXPECT_GE(State("points")->partitions, 7);
}

TEST_F(WorkerTest, AnUnchangedPolicyKeepsItsTurn) {
  Give({points_});
  RunDue();
  database_.ForgetJournal();
  clock_.Advance(-seconds(30));
  Give({points_});
  worker_.RunDue(stop_.get_token());
  EXPECT_THAT(database_.journal(), IsEmpty());
}

TEST_F(WorkerTest, AChangeInMidRunInterruptsIt) {
  bool changed = false;
  const auto execute = environment_.operations.execute;
  environment_.operations.execute = [&](Session& session, const Policy& policy, const Catalog& catalog,
                                        const Plan& plan, const std::string& holder,
                                        const std::stop_token& stop, const ExecutorHooks& hooks) {
    if (!changed) {
      changed = true;
      points_.suspend = true;
      Give({points_});
      EXPECT_TRUE(stop.stop_requested());
    }
    return execute(session, policy, catalog, plan, holder, stop, hooks);
  };
  Give({points_});
  RunDue();
  RunDue();
  EXPECT_THAT(database_.table("points").partitions, IsEmpty());
  EXPECT_EQ(Ready("points"), "False Suspended");
}

// What removes rows now must not go on for hours after somebody said stop.
TEST_F(WorkerTest, AHoldInMidRunInterruptsItAndItsEndDoesNot) {
  std::vector<bool> stopped;
  const auto execute = environment_.operations.execute;
  environment_.operations.execute = [&](Session& session, const Policy& policy, const Catalog& catalog,
                                        const Plan& plan, const std::string& holder,
                                        const std::stop_token& stop, const ExecutorHooks& hooks) {
    if (stopped.size() < 2) {
      points_.origin.hold = !points_.origin.hold;
      Give({points_});
      stopped.push_back(stop.stop_requested());
    }
    return execute(session, policy, catalog, plan, holder, stop, hooks);
  };
  Give({points_});
  RunDue();
  RunDue();
  EXPECT_THAT(stopped, ElementsAre(true, false));
}

TEST_F(WorkerTest, ADeletedPolicyIsReleasedAndForgotten) {
  Give({points_, alarms_});
  RunDue();
  database_.ForgetJournal();
  Give({alarms_});
  worker_.RunDue(stop_.get_token());
  EXPECT_THAT(database_.journal(), Contains("release points"));
  EXPECT_FALSE(database_.table("points").ownership);
  EXPECT_EQ(State("points"), nullptr);
}

TEST_F(WorkerTest, ATableThatWasNeverTakenIsNotReleased) {
  points_.mode = Policy::Mode::kPlan;
  Give({points_, alarms_});
  RunDue();
  Give({alarms_});
  RunDue();
  EXPECT_THAT(database_.journal(), Not(Contains("release points")));
}

TEST_F(WorkerTest, APolicyThatMovesToAnotherDatabaseIsNotReleased) {
  Give({points_, alarms_});
  RunDue();
  worker_.SetPolicies({alarms_}, {KeyOf(alarms_), KeyOf(points_)});
  RunDue();
  EXPECT_THAT(database_.journal(), Not(Contains("release points")));
}

// A policy that was deleted while nobody ran: its table is found in the
// bookkeeping, and released as soon as it is certain that it is an orphan.
TEST_F(WorkerTest, AnOrphanIsReleasedOnceItIsCertain) {
  database_.AddTable("gone");
  Policy gone = FakePolicy("gone");
  points_.origin.cluster = "lease-1";
  database_.kept = {points_, gone};
  std::optional<bool> answer;
  std::vector<std::string> asked;
  environment_.gone = [&](const PolicyKey& key, const std::stop_token&) {
    asked.push_back(key.name);
    return answer;
  };
  Give({points_});
  RunDue();  // makes the bookkeeping
  RunDue();
  RunDue();
  EXPECT_THAT(asked, ElementsAre("gone", "gone")) << "as long as nobody knows, and only of strangers";
  EXPECT_THAT(database_.journal(), Contains("kept lease-1"));
  EXPECT_THAT(database_.journal(), Not(Contains("release gone")));
  answer = true;
  RunDue();
  RunDue();
  EXPECT_THAT(database_.journal(), Contains("release gone"));
  EXPECT_THAT(database_.journal(), Not(Contains("release points")));
  database_.ForgetJournal();
  asked.clear();
  RunDue();
  EXPECT_THAT(asked, IsEmpty());
  EXPECT_THAT(database_.journal(), ElementsAre("read points")) << "once for each session";
}

// Found by way of a policy whose role does not own it: to try that again and
// again helps nobody.
TEST_F(WorkerTest, AnOrphanThatOurRoleDoesNotOwnIsLeftAlone) {
  database_.AddTable("gone");
  const Policy gone = FakePolicy("gone");
  database_.Change("gone", [&](Table& table) {
    table.owner_is_us = false;
    table.ownership.emplace();
    table.ownership->policy_namespace = gone.name_space;
    table.ownership->policy_name = gone.name;
    table.rollups.emplace_back().state = RollupState::State::kLive;
  });
  points_.origin.cluster = "lease-1";
  database_.kept = {gone};
  environment_.gone = [](const PolicyKey&, const std::stop_token&) { return true; };
  testing::internal::GetCapturedStderr();
  testing::internal::CaptureStderr();
  Give({points_});
  for (int i = 0; i < 5; ++i) {
    RunDue();
    clock_.Advance(std::chrono::hours(1));
  }
  const std::string log = testing::internal::GetCapturedStderr();
  testing::internal::CaptureStderr();
  const std::size_t first = log.find("Could not release table of deleted policy");
  ASSERT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find("Could not release table of deleted policy", first + 1), std::string::npos) << log;
  EXPECT_THAT(database_.journal(), Not(Contains("release gone")));
}

TEST_F(WorkerTest, APolicyThatExistsElsewhereIsNoOrphan) {
  points_.origin.cluster = "lease-1";
  database_.kept = {FakePolicy("alarms")};
  environment_.gone = [](const PolicyKey&, const std::stop_token&) { return false; };
  Give({points_});
  RunDue();
  RunDue();
  EXPECT_THAT(database_.journal(), Not(Contains("release alarms")));
}

// The last policies of a database were deleted while nobody ran.
class ForsakenDatabase : public WorkerTest {
 protected:
  ForsakenDatabase() {
    database_.ChangeServer([](Server& server) { server.bookkeeping_version = kBookkeepingVersion; });
    environment_.operations.release = [this](Session&, const Policy& policy) {
      released_.push_back(policy.name);
      std::erase_if(database_.kept, [&](const Policy& kept) { return KeyOf(kept) == KeyOf(policy); });
    };
    environment_.gone = [this](const PolicyKey&, const std::stop_token&) { return gone_; };
    database_.kept = {points_, alarms_};
  }
  std::optional<bool> gone_ = true;
  std::vector<std::string> released_;
  Worker forsaken_{[this] {
                     Policy any;
                     any.connection = points_.connection;
                     any.origin.cluster = "lease-1";
                     return any;
                   }(),
                   environment_};
};

TEST_F(ForsakenDatabase, IsSettledOnceItsTablesAreReleased) {
  forsaken_.Run(stop_.get_token());
  EXPECT_THAT(released_, ElementsAre("points", "alarms"));
  EXPECT_TRUE(forsaken_.settled());
}

TEST_F(ForsakenDatabase, IsNotSettledWhileAPolicyExistsThatKeepsATableThere) {
  gone_ = false;
  forsaken_.Run(stop_.get_token());
  EXPECT_THAT(released_, IsEmpty());
  EXPECT_FALSE(forsaken_.settled());
}

TEST_F(ForsakenDatabase, IsLookedAtAgainUntilItIsKnownWhetherThePoliciesExist) {
  gone_ = std::nullopt;
  for (int i = 0; i < 3; ++i) {
    forsaken_.RunDue(stop_.get_token());
    clock_.Advance(minutes(10));
  }
  EXPECT_THAT(released_, IsEmpty());
  gone_ = true;
  forsaken_.Run(stop_.get_token());
  EXPECT_TRUE(forsaken_.settled());
}

TEST_F(ForsakenDatabase, IsLeftToTheNextLeaderWhereAPersonIsNeeded) {
  environment_.connect = [](const ConnectionSpec&) -> std::unique_ptr<Session> {
    throw ConnectionProblem("Secret edgewatch/db does not exist");
  };
  forsaken_.Run(stop_.get_token());
  EXPECT_FALSE(forsaken_.settled());
  const std::string log = testing::internal::GetCapturedStderr();
  testing::internal::CaptureStderr();
  EXPECT_THAT(log, HasSubstr("Secret edgewatch/db does not exist"));
}

TEST_F(ForsakenDatabase, IsTriedAgainWhenItIsAway) {
  FailOn("connect", DatabaseError::Kind::kUnreachable);
  const Instant next = forsaken_.RunDue(stop_.get_token());
  EXPECT_GT(next, clock_.Now());
  EXPECT_FALSE(forsaken_.ended());
  Mend();
  clock_.Advance(minutes(10));
  forsaken_.Run(stop_.get_token());
  EXPECT_TRUE(forsaken_.settled());
}

TEST_F(ForsakenDatabase, IsSettledWhereThereIsNoBookkeeping) {
  database_.ChangeServer([](Server& server) { server.bookkeeping_version = 0; });
  forsaken_.Run(stop_.get_token());
  EXPECT_TRUE(forsaken_.settled());
  EXPECT_THAT(database_.journal(), Not(Contains("migrate")));
}

TEST_F(ForsakenDatabase, OfAnOlderReleaseIsUpgradedAndOfANewerOneLeftAlone) {
  database_.ChangeServer([](Server& server) { server.bookkeeping_version = kBookkeepingVersion + 1; });
  forsaken_.RunDue(stop_.get_token());
  EXPECT_THAT(released_, IsEmpty());
  EXPECT_THAT(database_.journal(), Not(Contains("migrate")));
  database_.ChangeServer([](Server& server) { server.bookkeeping_version = kBookkeepingVersion - 1; });
  forsaken_.SetPolicies({}, {});
  forsaken_.Run(stop_.get_token());
  EXPECT_THAT(database_.journal(), Contains("migrate"));
  EXPECT_THAT(released_, ElementsAre("points", "alarms"));
}

// Policies from files have no cluster that could be asked.
TEST_F(WorkerTest, WithoutAClusterNothingIsAnOrphan) {
  database_.kept = {FakePolicy("alarms")};
  environment_.gone = [](const PolicyKey&, const std::stop_token&) { return true; };
  Give({points_});
  RunDue();
  RunDue();
  EXPECT_THAT(database_.journal(), Not(Contains("release alarms")));
  EXPECT_THAT(database_.journal(), Not(Contains("kept ")));
}

TEST_F(WorkerTest, AReleaseThatFailsIsTriedAgain) {
  Give({points_, alarms_});
  RunDue();
  FailOn("release", DatabaseError::Kind::kLockTimeout);
  Give({alarms_});
  RunDue();
  Mend();
  database_.ForgetJournal();
  RunDue();
  EXPECT_THAT(database_.journal(), Contains("release points"));
}

TEST_F(WorkerTest, AClockThatIsSetBackPutsNothingToSleep) {
  Give({points_});
  RunDue();
  clock_.Advance(-std::chrono::hours(5));
  database_.ForgetJournal();
  worker_.RunDue(stop_.get_token());
  EXPECT_THAT(database_.journal(), Contains("read points"));
}

TEST_F(WorkerTest, AWorkerIsStuckOnlyBeyondItsPoliciesTimeLimits) {
  environment_.operations.migrate = [&](Session&, const Policy& policy) {
    clock_.Advance(2 * policy.locks.statement_timeout);
    EXPECT_FALSE(worker_.Stuck());
    clock_.Advance(minutes(6));
    EXPECT_TRUE(worker_.Stuck());
    throw DatabaseError(DatabaseError::Kind::kOther, "", "enough");
  };
  Give({points_});
  RunDue();
  EXPECT_FALSE(worker_.Stuck());
}

TEST_F(WorkerTest, NothingIsLoggedThatIsSecret) {
  testing::internal::GetCapturedStderr();
  testing::internal::CaptureStderr();
  FailOn("connect", DatabaseError::Kind::kAuthentication);
  Give({points_});
  RunDue();
  const std::string log = testing::internal::GetCapturedStderr();
  testing::internal::CaptureStderr();
  EXPECT_THAT(log, HasSubstr("\"connection\":\"environment variable DATABASE_URL\""));
  EXPECT_THAT(log, HasSubstr("\"severity\":\"ERROR\""));
}

}  // namespace
}  // namespace partition_controller
