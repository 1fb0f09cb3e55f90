#include "controller/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <locale>
#include <sstream>

#include "controller/gauges.h"
#include "tests/fakes/fake_clock.h"

namespace partition_controller {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// The lines whose metric is `name`.
std::vector<std::string> Lines(const std::string& text, const std::string& name) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(name + "{") || line.starts_with(name + " ")) lines.push_back(line);
  }
  return lines;
}

class MetricsTest : public testing::Test {
 protected:
  void Set(const std::function<void(PolicyState&)>& change) {
    board_.Edit({"edgewatch", "points"}, [&](PolicyState& state) {
      state.table = "public.points";
      state.observed = true;
      state.partitioned = true;
      state.outlook.now = clock_.Now();
      state.outlook.horizon = clock_.Now() + hours(24);
      change(state);
    });
  }
  std::string Coverage() const {
    const auto lines = Lines(metrics_.Render(), "partition_coverage_seconds");
    return lines.size() == 1 ? lines[0].substr(lines[0].rfind(' ') + 1) : "none";
  }

  FakeClock clock_;
  Board board_;
  Metrics metrics_{board_, clock_};
  const std::string labels_ = "{policy=\"points\",policy_namespace=\"edgewatch\",table=\"public.points\"";
};

TEST_F(MetricsTest, GaugesOfAPolicy) {
  Set([&](PolicyState& state) {
    state.partitions = 5;
    state.bytes = 4096;
    state.default_rows = 17;
    state.outlook.covered_until = clock_.Now() + hours(2);
    state.outlook.overdue_since = clock_.Now() - seconds(30);
    state.pending.assign(Kinds().size(), 0);
    state.pending[2] = 3;
    state.conditions = {{"Ready", "False", "Progressing", ""}};
  });
  const std::string text = metrics_.Render();
  EXPECT_THAT(Lines(text, "partition_coverage_seconds"),
              ElementsAre("partition_coverage_seconds" + labels_ + "} 7200"));
  EXPECT_THAT(Lines(text, "partition_coverage_target_seconds"),
              ElementsAre("partition_coverage_target_seconds" + labels_ + "} 86400"));
  EXPECT_THAT(Lines(text, "partition_retention_lag_seconds"),
              ElementsAre("partition_retention_lag_seconds" + labels_ + "} 30"));
  EXPECT_THAT(Lines(text, "partition_count"), ElementsAre("partition_count" + labels_ + "} 5"));
  EXPECT_THAT(Lines(text, "partition_bytes"), ElementsAre("partition_bytes" + labels_ + "} 4096"));
  EXPECT_THAT(Lines(text, "partition_default_rows"),
              ElementsAre("partition_default_rows" + labels_ + "} 17"));
  EXPECT_THAT(text, HasSubstr("partition_pending_actions" + labels_ + ",action=\"create_partition\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("partition_pending_actions" + labels_ + ",action=\"drop_partition\"} 0\n"));
  EXPECT_THAT(Lines(text, "partition_policy_condition"),
              ElementsAre("partition_policy_condition" + labels_ + ",type=\"Ready\",status=\"True\"} 0",
                          "partition_policy_condition" + labels_ + ",type=\"Ready\",status=\"False\"} 1",
                          "partition_policy_condition" + labels_ + ",type=\"Ready\",status=\"Unknown\"} 0"));
  EXPECT_THAT(text, HasSubstr("# TYPE partition_coverage_seconds gauge\n"));
  EXPECT_THAT(text, HasSubstr("# HELP partition_coverage_seconds "));
}

TEST_F(MetricsTest, AConditionHasOneReasonAtATime) {
  for (const char* reason : {"Progressing", "LockTimeout"}) {
    Set([&](PolicyState& state) { state.conditions = {{"Ready", "False", reason, "waits for pid 7"}}; });
    EXPECT_THAT(Lines(metrics_.Render(), "partition_policy_condition_reason"),
                ElementsAre("partition_policy_condition_reason" + labels_ + ",type=\"Ready\",reason=\"" +
                            reason + "\"} 1"));
  }
}

TEST_F(MetricsTest, HowMuchOfARollupIsFilledIsToldWhereItIsKnown) {
  const std::vector<RollupFigures> figures = {
      {.name = "kept", .state = "Kept", .percent = {}},
      {.name = "fresh", .state = "Filling", .percent = 0},
      {.name = "half", .state = "Filling", .percent = 50},
      {.name = "unknown", .state = "Filling", .percent = {}},
      {.name = "missing", .state = "Missing", .percent = {}},
  };
  Set([&](PolicyState& state) { state.rollups = figures; });
  const std::string text = metrics_.Render();
  EXPECT_THAT(Lines(text, "partition_rollup_filled_ratio"),
              ElementsAre("partition_rollup_filled_ratio" + labels_ + ",rollup=\"kept\"} 1",
                          "partition_rollup_filled_ratio" + labels_ + ",rollup=\"fresh\"} 0",
                          "partition_rollup_filled_ratio" + labels_ + ",rollup=\"half\"} 0.5"));
  EXPECT_THAT(Lines(text, "partition_rollup_lag_seconds"), testing::SizeIs(5));
}

TEST_F(MetricsTest, CoverageMovesWithTheClockAndGoesBelowZero) {
  Set([&](PolicyState& state) { state.outlook.covered_until = clock_.Now() + seconds(60); });
  clock_.Advance(seconds(90));
  EXPECT_EQ(Coverage(), "-30");
}

TEST_F(MetricsTest, WhereNowIsUncoveredTheGaugeSaysSinceWhen) {
  Set([&](PolicyState& state) { state.outlook.uncovered_since = clock_.Now() - hours(1); });
  EXPECT_EQ(Coverage(), "-3600");
}

TEST_F(MetricsTest, CoverageForEverAndNever) {
  Set([&](PolicyState& state) { state.outlook.covered_for_ever = true; });
  EXPECT_EQ(Coverage(), "+Inf");
  Set([&](PolicyState& state) { state.outlook.covered_for_ever = false; });
  EXPECT_EQ(Coverage(), "-Inf");
}

TEST_F(MetricsTest, ATableThatIsNotPartitionedHasNoCoverage) {
  Set([&](PolicyState& state) { state.partitioned = false; });
  EXPECT_EQ(Coverage(), "none");
}

TEST_F(MetricsTest, APolicyThatWasNeverObservedHasOnlyConditions) {
  board_.Edit({"edgewatch", "points"}, [](PolicyState& state) {
    state.conditions = {{"Ready", "False", "DatabaseUnreachable", ""}};
  });
  const std::string text = metrics_.Render();
  EXPECT_THAT(Lines(text, "partition_count"), ElementsAre());
  EXPECT_THAT(Lines(text, "partition_policy_condition"), testing::SizeIs(3));
}

TEST_F(MetricsTest, ADeletedPolicyLeavesNothingBehind) {
  Set([](PolicyState&) {});
  board_.Remove({"edgewatch", "points"});
  EXPECT_THAT(metrics_.Render(), Not(HasSubstr("\"points\"")));
}

TEST_F(MetricsTest, NamesAreEscaped) {
  Set([](PolicyState& state) { state.table = "public.a\"b\\c\nd"; });
  EXPECT_THAT(metrics_.Render(), HasSubstr("table=\"public.a\\\"b\\\\c\\nd\""));
}

TEST_F(MetricsTest, CountersStartAtZeroForEveryKnownLabel) {
  const std::string text = metrics_.Render();
  for (const char* result : {"success", "error", "requeue", "requeue_after"}) {
    EXPECT_THAT(text,
                HasSubstr("controller_runtime_reconcile_total{controller=\"partitionpolicy\",result=\"" +
                          std::string(result) + "\"} 0\n"));
  }
  for (const char* kind : Kinds()) {
    EXPECT_THAT(text, HasSubstr("partition_actions_total{action=\"" + std::string(kind) +
                                "\",result=\"success\"} 0\n"));
  }
}

TEST_F(MetricsTest, CountsRunsAndSteps) {
  metrics_.ReconcileDone(Metrics::Reconcile::kError, seconds(3));
  metrics_.StepDone({DeleteExpiredRows{}, "success", 500, seconds(1), ""});
  metrics_.StepDone({DetachPartition{}, "lock_timeout", 0, seconds(2), "blocked"});
  metrics_.StepDone({DetachPartition{}, "something new", 0, seconds(0), ""});
  metrics_.Retried();
  metrics_.Queued();
  metrics_.SetWorkers(4);
  metrics_.WorkerBusy();
  const std::string text = metrics_.Render();
  EXPECT_THAT(
      text,
      HasSubstr("controller_runtime_reconcile_total{controller=\"partitionpolicy\",result=\"error\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("controller_runtime_reconcile_errors_total{controller=\"partitionpolicy\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("controller_runtime_reconcile_time_seconds_sum{controller=\"partitionpolicy\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("controller_runtime_active_workers{controller=\"partitionpolicy\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("controller_runtime_max_concurrent_reconciles{controller=\"partitionpolicy\"} 4\n"));
  EXPECT_THAT(text,
              HasSubstr("partition_actions_total{action=\"delete_expired_rows\",result=\"success\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("partition_actions_total{action=\"detach_partition\",result=\"lock_timeout\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("partition_actions_total{action=\"detach_partition\",result=\"error\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("partition_rows_deleted_total 500\n"));
  EXPECT_THAT(text, HasSubstr("partition_lock_wait_seconds_sum 3\n"));
  EXPECT_THAT(text,
              HasSubstr("workqueue_adds_total{controller=\"partitionpolicy\",name=\"partitionpolicy\"} 2\n"));
  EXPECT_THAT(
      text,
      HasSubstr("workqueue_retries_total{controller=\"partitionpolicy\",name=\"partitionpolicy\"} 1\n"));
}

TEST_F(MetricsTest, TheQueueIsWhatIsDueAndNotAtWork) {
  Set([&](PolicyState& state) { state.next_run = clock_.Now() + seconds(10); });
  EXPECT_THAT(metrics_.Render(),
              HasSubstr("workqueue_depth{controller=\"partitionpolicy\",name=\"partitionpolicy\"} 0\n"));
  clock_.Advance(seconds(10));
  EXPECT_THAT(metrics_.Render(),
              HasSubstr("workqueue_depth{controller=\"partitionpolicy\",name=\"partitionpolicy\"} 1\n"));
  Set([&](PolicyState& state) { state.next_run.reset(); });
  EXPECT_THAT(metrics_.Render(),
              HasSubstr("workqueue_depth{controller=\"partitionpolicy\",name=\"partitionpolicy\"} 0\n"));
}

TEST_F(MetricsTest, TheProcessAndItsBuildAreShown) {
  board_.SetSpecs(2, true);
  const std::string text = metrics_.Render();
  for (const char* name : {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
                           "process_max_fds", "process_start_time_seconds", "process_threads"}) {
    const auto lines = Lines(text, name);
    ASSERT_EQ(lines.size(), 1u) << name;
    EXPECT_GE(std::stod(lines[0].substr(lines[0].rfind(' '))), 0) << name;
  }
  EXPECT_THAT(text, HasSubstr("partition_spec_problems 2\n"));
  EXPECT_THAT(text, HasSubstr("partition_controller_build_info{version=\"" PC_VERSION "\"} 1\n"));
}

TEST_F(MetricsTest, TheTextDoesNotDependOnTheLocale) {
  // As in German: 1.234,5.
  struct German : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale(), new German));
  metrics_.ReconcileDone(Metrics::Reconcile::kSuccess, std::chrono::milliseconds(1'234'500));
  const std::string text = metrics_.Render();
  std::locale::global(before);
  EXPECT_THAT(text, HasSubstr("reconcile_time_seconds_sum{controller=\"partitionpolicy\"} 1234.5\n"));
}

TEST(MetricsOfACluster, HaveTheNamesThatDashboardsExpect) {
  FakeClock clock;
  const Board board;
  Metrics metrics(board, clock);
  EXPECT_THAT(metrics.Render(), Not(HasSubstr("leader_election")));
  metrics.SetLeader("shop", true);
  metrics.SetLeader("shop", false);
  for (int i = 0; i < 2; ++i) metrics.Answered("GET", 200, "10.0.0.1:443");
  metrics.Answered("PATCH", 0, "10.0.0.1:443");
  const std::string page = metrics.Render();
  EXPECT_THAT(page, HasSubstr("leader_election_master_status{name=\"shop\"} 0\n"));
  EXPECT_THAT(page,
              HasSubstr("rest_client_requests_total{code=\"200\",host=\"10.0.0.1:443\",method=\"GET\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("code=\"<error>\""));
}

}  // namespace
}  // namespace partition_controller
