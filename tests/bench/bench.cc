#include "tests/bench/bench.h"

#include <algorithm>
#include <cstdio>

namespace partition_controller::bench {
namespace {

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value >= 1'000 ? "%.0f" : value >= 10 ? "%.1f" : "%.3f", value);
  return text;
}

}  // namespace

const std::vector<Benchmark>& All() {
  static const std::vector<Benchmark> kAll = {
      {"plan", "planning alone: 10,000 partitions", RunPlan},
      {"noop", "a tick with nothing to do: 200 tables of 32 partitions, against pg_partman", RunNoop},
      {"scale", "a tick as partitions grow; memory (--full: 100,000 partitions)", RunScale},
      {"idle", "memory of `run` with ten policies", RunIdle},
      {"start", "from the start of `run` to the first reconcile, with files and in a cluster", RunStart},
      {"drop", "removing 1,000,000 rows, against 5,000-row deletes", RunDrop},
      {"promote", "first contact under ingest: 2,000,000 rows in the default partition, one gap",
       RunFirstContactPromote},
      {"move", "first contact under ingest: 2,000,000 rows in the default partition, two gaps",
       RunFirstContactMove},
      {"retention", "retention beside ingest, vacuums and a long SELECT", RunRetention},
      {"granularity", "Month, Week, Month under ingest", RunGranularity},
      {"convert", "a plain table of 1,500,000 rows under ingest, against a copy (--full: 15,000,000)",
       RunConvert},
      {"rollup", "rollups against EdgeWatch's statement; late points, ingest, charts", RunRollup},
  };
  return kAll;
}

void Report::Begin(const std::string& benchmark) {
  benchmark_ = benchmark;
  std::printf("\n%-12s %-54s %10s %10s %10s  %-14s %s\n", benchmark.c_str(), "", "min", "median", "max",
              "budget", "");
}

void Report::Line(const std::string& what, std::vector<double> samples, const std::string& unit,
                  const std::string& budget, const std::string& verdict) {
  std::sort(samples.begin(), samples.end());
  const std::string label = what + (unit.empty() ? "" : ", " + unit);
  if (samples.size() == 1) {
    std::printf("  %-64s %10s %10s %10s  %-14s %s\n", label.c_str(), "", Number(samples[0]).c_str(), "",
                budget.c_str(), verdict.c_str());
  } else {
    std::printf("  %-64s %10s %10s %10s  %-14s %s\n", label.c_str(), Number(samples.front()).c_str(),
                Number(samples[samples.size() / 2]).c_str(), Number(samples.back()).c_str(), budget.c_str(),
                verdict.c_str());
  }
  std::fflush(stdout);
}

void Report::Measure(const std::string& what, std::vector<double> samples, const std::string& unit) {
  Line(what, std::move(samples), unit, "", "");
}

void Report::Budget(const std::string& what, std::vector<double> samples, const std::string& unit,
                    double most) {
  std::vector<double> sorted = samples;
  std::sort(sorted.begin(), sorted.end());
  std::string verdict = "met";
  if (!hold_budgets_) {
    verdict = "(smoke)";
  } else if (sorted.back() <= most) {
    ++met_;
  } else if (sorted.front() <= most) {
    verdict = "noisy";
    ++noisy_;
  } else {
    verdict = "MISSED";
    missed_.push_back(benchmark_ + ": " + what);
  }
  Line(what, std::move(samples), unit, "<= " + Number(most), verdict);
}

void Report::Require(const std::string& what, bool fine) {
  if (fine) {
    ++met_;
    std::printf("  %-64s %10s %10s %10s  %-14s %s\n", what.c_str(), "", "", "", "required", "met");
  } else {
    missed_.push_back(benchmark_ + ": " + what);
    std::printf("  %-64s %10s %10s %10s  %-14s %s\n", what.c_str(), "", "", "", "required", "MISSED");
  }
  std::fflush(stdout);
}

void Report::Note(const std::string& text) {
  std::printf("    %s\n", text.c_str());
  std::fflush(stdout);
}

bool Report::End() const {
  std::printf("\n%d met, %d noisy, %zu missed\n", met_, noisy_, missed_.size());
  for (const std::string& one : missed_) std::printf("missed: %s\n", one.c_str());
  return missed_.empty();
}

PostgresServer& Server() {
  static PostgresServer server(
      15, {"shared_buffers=512MB", "max_connections=100", "max_locks_per_transaction=1024",
           "checkpoint_timeout=1h", "max_wal_size=8GB", "autovacuum_naptime=1s", "maintenance_work_mem=128MB",
           "jit=on"});
  return server;
}

}  // namespace partition_controller::bench
