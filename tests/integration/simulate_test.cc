// Simulations and saved catalogs, held against what PostgreSQL really becomes.

#include "reconcilers/simulate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "controller/postgres.h"
#include "controller/sizes.h"
#include "reconcilers/bounds.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"
#include "tests/support/process.h"

namespace partition_controller {
namespace {

using testing::HasSubstr;

struct Case {
  const char* name;
  const char* column_type;
  Granularity granularity;
  const char* zone;
  const char* keep;
  const char* undo_window;
  int max_per_run;
};

std::string NameOf(const testing::TestParamInfo<Case>& info) { return info.param.name; }

Policy PolicyOf(const Case& one) {
  Policy policy = PolicyFor("points");
  policy.partitioning.granularity = one.granularity;
  policy.partitioning.time_zone = one.zone;
  policy.retention = Keep(one.keep, Retention::Action::kDrop, one.undo_window);
  policy.retention->max_per_run = one.max_per_run;
  return policy;
}

SavedCatalog Save(const std::string& uri, const Policy& policy, Instant now) {
  const auto session = ConnectPostgres(uri);
  SavedCatalog saved{policy.name_space, policy.name, policy.table, {}, {}};
  saved.catalog = ReadCatalogs(*session, {&policy}, {now, true}).at(0);
  saved.sizes = ReadSizes(*session, policy, saved.catalog);
  return saved;
}

// As with --now.
Approach Then(Instant at) {
  Approach approach;
  approach.preview = at;
  return approach;
}

// Without how long the undo window is, which the real clock has a part in where a
// test database lives in another time.
std::string WithoutWindow(const std::string& description) {
  return description.substr(0, description.find(", to be dropped"));
}

// What is attached and what is detached, by name and range.
std::vector<std::string> Shape(const Table& table) {
  std::vector<std::string> shape;
  for (const Partition& partition : table.partitions) {
    shape.push_back(partition.name + ' ' + ToString(partition.range.value()));
  }
  if (table.default_partition) shape.push_back(table.default_partition->partition.name + " DEFAULT");
  for (const Detached& detached : table.detached) {
    shape.push_back("detached " + detached.name + ' ' + ToString(detached.range));
  }
  return shape;
}

class SimulateTest : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    uri_ = PostgresServer::Shared().CreateDatabase("simulate");
    database_ = std::make_unique<LiveDatabase>(uri_);
    database_->MarkAsTest();
  }

  std::string uri_;
  std::unique_ptr<LiveDatabase> database_;
};

class Agreement : public SimulateTest, public testing::WithParamInterface<Case> {};

// The same as `apply --now` each month: what each run does, step by step and in
// its order, and what is there after it.
TEST_P(Agreement, MonthByMonthOverThreeYears) {
  const Policy policy = PolicyOf(GetParam());
  database_->Sql("CREATE TABLE points (ts " + std::string(GetParam().column_type) +
                 " NOT NULL, v int) PARTITION BY RANGE (ts)");
  database_->Sql("CREATE INDEX ON points (ts)");
  database_->Sql("CREATE TABLE points_default PARTITION OF points DEFAULT");
  // Half a year of rows, all in the default partition.
  database_->Sql(
      "INSERT INTO points SELECT g, 1 FROM generate_series(timestamp '2026-09-01', timestamp '2027-02-27', "
      "interval '6 hours') g");
  // 2028-02-29 is among its days, and six changes of daylight saving time.
  const Instant from = At("2027-02-28T12:30:00Z");
  const Instant to = At("2030-02-28T12:30:00Z");
  const CalendarDuration month{1, CalendarDuration::Unit::kMonth};
  const SavedCatalog saved = Save(uri_, policy, from);
  // As it would be from a file.
  const std::vector<SavedCatalog> read = ReadSavedCatalogs(WriteSavedCatalogs({saved}), "catalog.json");
  ASSERT_EQ(read, std::vector<SavedCatalog>{saved});

  int runs = 0;
  std::size_t removed = 0;
  for (Instant at = from; at <= to; ++runs) {
    const Convergence real = ConvergeOn(uri_, policy, Then(at));
    ASSERT_EQ(TroubleWith(real), "") << ToString(at);
    std::vector<std::string> done;
    const Table& table = real.last.catalog.table.value();
    for (const StepOutcome& step : real.steps) {
      const std::string kind = Kind(step.action);
      if (kind == "analyze_parent" || kind == "add_bound_check" || kind == "validate_bound_check") continue;
      done.push_back(WithoutWindow(Describe(step.action, table)));
      if (Destructive(step.action)) ++removed;
    }
    // The simulation up to this run, and what it says of the run itself.
    const Instant end = runs == 0 ? at + std::chrono::microseconds(1) : at;
    const Simulation simulation = Simulate(policy, read.front(), {from, end, month});
    std::vector<std::string> simulated;
    for (const SimulatedStep& step : simulation.steps) {
      if (step.at == at) simulated.push_back(WithoutWindow(step.description));
    }
    ASSERT_EQ(simulated, done) << ToString(at);
    ASSERT_EQ(Shape(simulation.last), Shape(table)) << ToString(at);
    at = Add(from, {runs + 1, CalendarDuration::Unit::kMonth}, policy.partitioning.time_zone);
  }
  EXPECT_EQ(runs, 37);
  EXPECT_GT(removed, 30u);
}

INSTANTIATE_TEST_SUITE_P(
    Tables, Agreement,
    testing::Values(
        Case{"MonthsInNewYork", "timestamptz", Granularity::kMonth, "America/New_York", "90d", "24h", 8},
        Case{"WeeksOnLordHowe", "timestamptz", Granularity::kWeek, "Australia/Lord_Howe", "3mo", "0h", 3},
        Case{"DaysInHavana", "timestamptz", Granularity::kDay, "America/Havana", "30d", "0h", 40},
        Case{"WallTimeDaysInBerlin", "timestamp", Granularity::kDay, "Europe/Berlin", "4w", "24h", 40},
        Case{"DatesByMonth", "date", Granularity::kMonth, "Europe/Berlin", "6mo", "24h", 8}),
    NameOf);

// A controller that runs all the time does each thing when it is due: what the
// simulation does by itself, done for real at those moments.
TEST_F(SimulateTest, EachMomentAtWhichSomethingIsDue) {
  const Policy policy = PolicyOf({"", "timestamptz", Granularity::kMonth, "Europe/Berlin", "60d", "0h", 8});
  database_->Sql("CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts)");
  database_->Sql("CREATE INDEX ON points (ts)");
  const Instant from = At("2027-11-15T00:00:00Z");
  const SavedCatalog saved = Save(uri_, policy, from);
  const Simulation simulation = Simulate(policy, saved, {from, At("2030-11-15T00:00:00Z"), std::nullopt});
  std::vector<std::string> done;
  std::vector<std::string> simulated;
  std::optional<Instant> last;
  for (const SimulatedStep& step : simulation.steps) {
    simulated.push_back(ToString(step.at) + ' ' + step.description);
    if (last == step.at) continue;
    last = step.at;
    // Nothing was due just before it.
    if (step.at != from) {
      const Convergence early = ConvergeOn(uri_, policy, Then(step.at - std::chrono::seconds(1)));
      for (const StepOutcome& one : early.steps) EXPECT_STREQ(Kind(one.action), "analyze_parent");
    }
    const Convergence real = ConvergeOn(uri_, policy, Then(step.at));
    ASSERT_EQ(TroubleWith(real), "");
    for (const StepOutcome& one : real.steps) {
      const std::string what = Describe(one.action, real.last.catalog.table.value());
      if (std::string(Kind(one.action)) != "analyze_parent") done.push_back(ToString(step.at) + ' ' + what);
    }
  }
  EXPECT_EQ(done, simulated);
  EXPECT_GT(done.size(), 70u);  // 36 months come, and nearly as many go
}

// The program itself: a catalog saved from the database gives the plan and the
// simulation that the database gives.
TEST_F(SimulateTest, OfflineIsAsOnline) {
  database_->Sql("CREATE TABLE \"we\"\"ird\" (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts)");
  database_->Sql(
      "CREATE TABLE \"we\"\"ird_old\" PARTITION OF \"we\"\"ird\" FOR VALUES FROM ('2020-12-01Z') TO "
      "('2021-01-01Z')");
  database_->Sql(
      "INSERT INTO \"we\"\"ird\" SELECT timestamptz '2020-12-01Z' + g * interval '1 minute', g FROM "
      "generate_series(0, 40000) g");
  database_->Sql("ANALYZE \"we\"\"ird\"");
  const ScratchFolder folder;
  const std::string spec = folder.Write("policy.yaml",
                                        "apiVersion: edgewatch.dev/v1alpha1\nkind: PartitionPolicy\n"
                                        "metadata: {name: weird}\n"
                                        "spec:\n  connection: {env: DATABASE_URL}\n"
                                        "  table: {name: 'we\"ird'}\n  timeColumn: ts\n"
                                        "  partitioning: {granularity: Month, premake: 2, timeZone: "
                                        "America/New_York}\n"
                                        "  retention: {keep: 90d, action: Drop}\n");
  const Process::Options with{.environment = {{"DATABASE_URL", uri_}}};
  const Finished catalog =
      RunProgram({PC_TEST_PROGRAM, "catalog", "--spec", spec, "--now", "2021-01-15T00:00:00Z"}, with);
  ASSERT_EQ(catalog.code, 0) << catalog.err;
  const std::string file = folder.Write("catalog.json", catalog.out);

  for (const std::string format : {"text", "json", "svg"}) {
    const std::vector<std::string> simulate = {PC_TEST_PROGRAM,
                                               "simulate",
                                               "--spec",
                                               spec,
                                               "-o",
                                               format,
                                               "--from",
                                               "2021-01-15T00:00:00Z",
                                               "--to",
                                               "2024-01-15T00:00:00Z"};
    std::vector<std::string> offline = simulate;
    offline.insert(offline.end(), {"--catalog", file});
    const Finished live = RunProgram(simulate, with);
    const Finished saved = RunProgram(offline);  // knows no database
    EXPECT_EQ(live.code, 0) << live.err;
    EXPECT_EQ(saved.code, 0) << saved.err;
    EXPECT_EQ(live.out, saved.out);
    EXPECT_THAT(live.out, HasSubstr(format == "json" ? "\"meanOfPeriods\": 1" : "a day"));
  }
  const std::vector<std::string> plan = {PC_TEST_PROGRAM,       "plan", "--spec", spec, "--now",
                                         "2021-01-15T00:00:00Z"};
  std::vector<std::string> offline = plan;
  offline.insert(offline.end(), {"--catalog", file});
  const Finished live = RunProgram(plan, with);
  const Finished saved = RunProgram(offline);
  EXPECT_EQ(live.code, 2) << live.err;
  EXPECT_EQ(saved.code, 2) << saved.err;
  // All but the clock that each of them saw.
  const std::regex clock("the server's clock says [^)]*");
  EXPECT_EQ(std::regex_replace(live.out, clock, ""), std::regex_replace(saved.out, clock, ""));
}

TEST_F(SimulateTest, BadInputIsNamed) {
  const ScratchFolder folder;
  const std::string spec = folder.Write("policy.yaml",
                                        "apiVersion: edgewatch.dev/v1alpha1\nkind: PartitionPolicy\n"
                                        "metadata: {name: points}\n"
                                        "spec:\n  connection: {env: DATABASE_URL}\n"
                                        "  table: {name: points}\n  timeColumn: ts\n");
  const Process::Options with{.environment = {{"DATABASE_URL", uri_}}};
  const auto simulate = [&](std::vector<std::string> more) {
    std::vector<std::string> command = {PC_TEST_PROGRAM, "simulate", "--spec", spec};
    command.insert(command.end(), more.begin(), more.end());
    const Finished finished = RunProgram(command, with);
    EXPECT_EQ(finished.code, 1);
    return finished.err;
  };
  EXPECT_THAT(simulate({"--from", "2027-01-01T00:00:00Z", "--to", "2026-01-01T00:00:00Z"}),
              HasSubstr("--to 2026-01-01T00:00:00Z is not after --from 2027-01-01T00:00:00Z"));
  EXPECT_THAT(simulate({"--from", "2027-01-01T00:00:00Z", "--to", "2077-01-02T00:00:00Z"}),
              HasSubstr("is more than 50 years"));
  EXPECT_THAT(simulate({"--from", "2027-01-01T00:00:00Z", "--to", "2028-01-01T00:00:00Z"}),
              HasSubstr("table \"public\".\"points\" is not in the catalog"));
  EXPECT_THAT(simulate({}), HasSubstr("--to"));
  database_->Sql("CREATE TABLE points (ts timestamptz NOT NULL)");
  EXPECT_THAT(simulate({"--from", "2027-01-01T00:00:00Z", "--to", "2028-01-01T00:00:00Z"}),
              HasSubstr("is not partitioned"));
  const std::string broken =
      folder.Write("broken.json",
                   "{\n  \"kind\": \"PartitionControllerCatalog\",\n"
                   "  \"version\": 1,\n"
                   "  \"catalogs\": [{\"catalog\": {\"server\": {\"time\": 7}}}]\n}\n");
  EXPECT_THAT(simulate({"--to", "2028-01-01T00:00:00Z", "--catalog", broken}),
              HasSubstr("broken.json:4:40: catalogs[0].catalog.server.time: expected a time"));
}

}  // namespace
}  // namespace partition_controller
