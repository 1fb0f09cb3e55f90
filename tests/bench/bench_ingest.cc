// Stalls of clients while the controller changes their table.  The same
// scenarios are tests of correctness in tests/integration.

#include "tests/bench/bench.h"
#include "tests/support/live_ingest.h"

namespace partition_controller::bench {
namespace {

LiveSize SizeFor(const Options& options, std::int64_t rows) {
  LiveSize size;
  // Not too few, or a VACUUM that is to be in the way ends before it is.
  size.rows = options.smoke ? 60'000 : rows;
  size.calm = std::chrono::milliseconds(options.smoke ? 500 : 5'000);
  size.select = std::chrono::milliseconds(options.smoke ? 2'000 : 12'000);
  return size;
}

// `most` is what a client may wait, in ms.  By its own clock it also waits for
// the machine, as it does without a controller.
void Print(const LiveResult& result, double most, Report& report) {
  for (const std::string& step : result.steps) report.Note(step);
  report.Measure("until converged", {result.seconds}, "s");
  report.Note(std::to_string(result.rows) + " rows in " + std::to_string(result.batches) + " batches, " +
              std::to_string(result.snapshots) + " snapshots checked, " + std::to_string(result.hidden) +
              " rows on their way at most, " + std::to_string(result.ticks) + " ticks, " +
              std::to_string(result.lock_timeouts) + " of them left a lock to the next");
  report.Note("batches, ms:          " + result.busy.Histogram());
  report.Note("without controller:   " + result.calm.Histogram());
  report.Note("reads, ms:            " + result.reads.Histogram());
  report.Measure("worst batch without the controller", {result.calm.worst().count()}, "ms");
  report.Budget("worst batch (beyond the worst without the controller)",
                {result.busy.worst().count() - result.calm.worst().count()}, "ms", most);
  report.Budget("worst read", {result.reads.worst().count()}, "ms", most);
  report.Budget("worst wait for one lock, by the server's account", {result.worst_wait.count()}, "ms", most);
  report.Note(result.waited_at);
  for (const std::string& fault : result.faults) report.Require(fault, false);
  report.Require("no client error, each row exactly once, partitions as expected", result.faults.empty());
}

// locks.timeout, 2 s by default, and 100 ms.
constexpr double kLocksTimeout = 2'100;

}  // namespace

void RunFirstContactPromote(const Options& options, Report& report) {
  Print(FirstContact(Server().CreateDatabase("promote"), Way::kPromote, SizeFor(options, 2'000'000)),
        kLocksTimeout, report);
}

void RunFirstContactMove(const Options& options, Report& report) {
  Print(FirstContact(Server().CreateDatabase("move"), Way::kMove, SizeFor(options, 2'000'000)), kLocksTimeout,
        report);
}

void RunRetention(const Options& options, Report& report) {
  Print(RetentionBesideOthers(Server().CreateDatabase("retention"), SizeFor(options, 1'000'000)), 250,
        report);
}

void RunGranularity(const Options& options, Report& report) {
  Print(GranularityThereAndBack(Server().CreateDatabase("granularity"), SizeFor(options, 100'000)),
        kLocksTimeout, report);
}

}  // namespace partition_controller::bench
