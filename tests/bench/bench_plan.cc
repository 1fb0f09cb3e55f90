// Planning alone, on catalogs made up in memory.

#include <benchmark/benchmark.h>

#include <map>

#include "reconcilers/bounds.h"
#include "reconcilers/calendar.h"
#include "reconcilers/plan.h"
#include "tests/bench/bench.h"

namespace partition_controller::bench {
namespace {

constexpr int kPremake = 30;

Instant Noon() { return ParseInstant("2026-11-22T12:30:00Z").value(); }

Policy HourlyPolicy(int keep_hours) {
  Policy policy;
  policy.name = "points";
  policy.table.name = "points";
  policy.time_column = "ts";
  policy.partitioning.granularity = Granularity::kHour;
  policy.partitioning.premake = kPremake;
  policy.retention = Retention{};
  policy.retention->keep = {keep_hours, CalendarDuration::Unit::kHour};
  policy.retention->action = Retention::Action::kDrop;
  return policy;
}

// A table with `count` hourly partitions, the newest `ahead` hours from now.
Catalog HourlyCatalog(int count, int ahead) {
  Catalog catalog;
  catalog.server.time = Noon();
  catalog.server.version = 150'000;
  catalog.server.database = 5;
  catalog.server.system_identifier = "1";
  catalog.server.user = "edgewatch";
  catalog.server.bookkeeping_version = kBookkeepingVersion;
  Table table;
  table.oid = 1'000;
  table.schema = "public";
  table.name = "points";
  table.owner = "edgewatch";
  table.key_column_type = "timestamp with time zone";
  table.partition_key = "RANGE (ts)";
  table.has_time_index = true;
  table.attributes.push_back({.owner = "edgewatch", .acl = "", .options = {}, .tablespace = ""});
  const Calendar calendar{Granularity::kHour, "UTC"};
  const Instant last = PeriodStart(Noon(), calendar) + std::chrono::hours(ahead);
  for (int i = 0; i < count; ++i) {
    Partition partition;
    partition.oid = 2'000 + static_cast<Oid>(i);
    partition.schema = "public";
    partition.name = "points_" + std::to_string(i);
    const Instant from = last - std::chrono::hours(count - 1 - i);
    partition.range = Range::Between(from, from + std::chrono::hours(1));
    partition.bounds = "FOR VALUES FROM (" + BoundSql(partition.range->from, KeyType::kTimestampTz) +
                       ") TO (" + BoundSql(partition.range->to, KeyType::kTimestampTz) + ")";
    partition.created_by_us = true;
    partition.rows = from > Noon() ? 0 : 5'000;
    table.partitions.push_back(std::move(partition));
  }
  Partition fallback;
  fallback.oid = 1'001;
  fallback.schema = "public";
  fallback.name = "points_default";
  fallback.bounds = "DEFAULT";
  table.default_partition = DefaultPartition{fallback, 0, 0, true, {}, {}};
  Ownership keeper;
  keeper.table = table.oid;
  keeper.policy_namespace = "default";
  keeper.policy_name = "points";
  keeper.table_owner = "edgewatch";
  keeper.database = 5;
  keeper.system_identifier = "1";
  keeper.analyzed_at = Noon();
  table.ownership = keeper;
  catalog.table = std::move(table);
  return catalog;
}

// Only collects the times of the repetitions.
class Collector : public ::benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type == Run::RT_Iteration)
        times[run.run_name.function_name].push_back(run.GetAdjustedCPUTime());
    }
  }
  std::map<std::string, std::vector<double>> times;
};

}  // namespace

void RunPlan(const Options& options, Report& report) {
  const int count = options.smoke ? 1'000 : 10'000;
  const int keep = count - kPremake - 1;
  struct Case {
    std::string name;
    Policy policy;
    Catalog catalog;
    std::size_t steps;  // at least
    bool held = true;   // against the budget for so many partitions
  };
  std::vector<Case> cases;
  cases.push_back({"nothing to do", HourlyPolicy(keep), HourlyCatalog(count, kPremake), 0});
  cases.push_back(
      {"a day to be made, a day expired", HourlyPolicy(keep - 24), HourlyCatalog(count, kPremake - 24), 24});
  cases.push_back({"half of all expired", HourlyPolicy(keep / 2), HourlyCatalog(count, kPremake), 8});
  Policy daily = HourlyPolicy(keep);
  daily.partitioning.granularity = Granularity::kDay;
  daily.partitioning.premake = 7;
  cases.push_back({"granularity Hour to Day", daily, HourlyCatalog(count, kPremake), 1});
  // Not what a tick meets, but what the first one may.
  const int few = count / 4;
  const auto periods = [](int number) { return std::to_string(number) + " periods to be made"; };
  const auto ahead = [](int number) { return std::to_string(number) + " hours ahead to become days"; };
  daily.partitioning.premake = 366;
  for (const int number : {few, count}) {
    cases.push_back({periods(number), HourlyPolicy(number - kPremake - 1), HourlyCatalog(0, kPremake),
                     static_cast<std::size_t>(number), false});
    cases.push_back({ahead(number), daily, HourlyCatalog(number, number - 1),
                     static_cast<std::size_t>(number / 48), false});
  }

  for (const Case& one : cases) {
    const Plan plan = MakePlan(one.policy, one.catalog, {Noon(), false});
    report.Require(
        one.name + ": the plan is as expected (" + std::to_string(plan.steps.size()) + " steps)",
        plan.refusals.empty() && (one.steps == 0 ? plan.steps.empty() : plan.steps.size() >= one.steps));
    ::benchmark::RegisterBenchmark(
        one.name.c_str(),
        [&one](::benchmark::State& state) {
          for (auto _ : state) ::benchmark::DoNotOptimize(MakePlan(one.policy, one.catalog, {Noon(), false}));
        })
        ->Unit(::benchmark::kMillisecond)
        ->MinTime(options.smoke ? 0.01 : 0.2)
        ->Repetitions(options.smoke ? 2 : 7);
  }
  Collector collector;
  ::benchmark::RunSpecifiedBenchmarks(&collector);
  ::benchmark::ClearRegisteredBenchmarks();
  for (const Case& one : cases) {
    const std::vector<double>& times = collector.times[one.name];
    if (one.held) {
      report.Budget(one.name + ", " + std::to_string(count) + " partitions", times, "CPU ms", 10);
    } else {
      report.Measure(one.name, times, "CPU ms");
    }
  }
  // 1 is linear.
  const auto growth = [&](const std::string& what, const std::string& from, const std::string& to) {
    std::vector<double> samples;
    for (std::size_t i = 0; i < collector.times[to].size(); ++i) {
      samples.push_back(collector.times[to][i] / collector.times[from][i] /
                        (static_cast<double>(count) / few));
    }
    report.Budget("growth of planning / growth of the " + what, samples, "", 2);
  };
  growth("periods to be made", periods(few), periods(count));
  growth("hours to become days", ahead(few), ahead(count));
}

}  // namespace partition_controller::bench
