// What retention costs: dropping a partition against deleting its rows.

#include <functional>
#include <thread>

#include "controller/postgres.h"
#include "tests/bench/bench.h"
#include "tests/support/edgewatch.h"
#include "tests/support/ingest.h"
#include "tests/support/live_ingest.h"
#include "tests/support/live_table.h"

namespace partition_controller::bench {
namespace {

// EdgeWatch's batches, on the leaf by its name: on the partitioned table its
// `ctid IN` also deletes rows of other partitions.
void DeleteInBatches(const std::string& uri) {
  LiveDatabase db(uri);
  const std::string leaf = db.Value("SELECT 'telemetry_points_p' || to_char('" + MonthStart(-6) +
                                    "'::timestamptz AT TIME ZONE 'UTC', 'YYYYMM')");
  while (db.Sql("DELETE FROM " + leaf + " WHERE ctid IN (SELECT ctid FROM " + leaf + " WHERE ts < '" +
                MonthStart(-5) + "' LIMIT 5000)")
             .affected_rows() > 0) {
  }
}

Policy EdgeWatchPolicy() {
  Policy policy = PolicyFor("telemetry_points");
  policy.name_space = "edgewatch";
  policy.name = "telemetry-points";
  return policy;
}

// Detached with its CHECK, then dropped when the undo window is over.
void DropPartitions(const std::string& uri) {
  Policy policy = EdgeWatchPolicy();
  policy.retention = Keep("5mo", Retention::Action::kDrop, "24h");
  LiveDatabase db(uri);
  const auto converge = [&] {
    for (int tick = 0; tick < 5; ++tick) {
      if (TroubleWith(ConvergeOn(uri, policy)).empty()) return;
    }
    throw std::runtime_error("retention did not converge");
  };
  converge();
  db.Sql("UPDATE partition_controller.partitions SET drop_after = now() WHERE state = 'detached'");
  converge();
}

struct Cost {
  double seconds = 0;
  double wal_megabytes = 0;
};

Cost Measure(const std::string& uri, const std::function<void(const std::string&)>& work) {
  LiveDatabase db(uri);
  const std::string before = db.Value("SELECT pg_current_wal_insert_lsn()");
  const Stopwatch watch;
  work(uri);
  Cost cost;
  cost.seconds = watch.Seconds();
  cost.wal_megabytes =
      std::stod(db.Value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '" + before + "')")) / 1e6;
  return cost;
}

struct Stall {
  double seconds = 0;
  Latencies calm;
  Latencies batches;
  Latencies reads;
  double wait = 0;
};

Stall MeasureStall(const std::string& uri, const std::function<void(const std::string&)>& work, bool smoke,
                   Report& report) {
  LiveDatabase db(uri);
  const std::string now = db.Value("SELECT now()");
  Ingest ingest(uri,
                {.spans = {{MonthStart(0), now, 1}, {now, db.Value("SELECT now() + interval '1 hour'"), 4}}});
  LockWatch locks(uri);
  const auto calm = std::chrono::milliseconds(smoke ? 500 : 5'000);
  std::this_thread::sleep_for(calm);
  Stall stall;
  stall.calm = ingest.TakeBatchTimes();
  ingest.TakeReadTimes();
  const Stopwatch watch;
  work(uri);
  stall.seconds = watch.Seconds();
  std::this_thread::sleep_for(calm / 5);
  stall.batches = ingest.TakeBatchTimes();
  stall.reads = ingest.TakeReadTimes();
  ingest.Stop();
  locks.Stop();
  stall.wait = locks.worst().count();
  report.Require("no client error", ingest.error_count() == 0);
  return stall;
}

}  // namespace

void RunDrop(const Options& options, Report& report) {
  const std::int64_t rows = options.smoke ? 20'000 : 1'000'000;
  const std::string original = Server().CreateDatabase("drop");
  CreateEdgeWatchTables(original, TelemetryTable::kPartitioned);
  CreateEdgeWatchPartitions(original, MonthStart(-6), MonthStart(2));
  Preload(original, rows, MonthStart(-6), MonthStart(-5));
  Preload(original, rows / 20, MonthStart(-5), MonthStart(0));
  report.Require("the first contact converges", TroubleWith(ConvergeOn(original, EdgeWatchPolicy())).empty());
  LiveDatabase(original).Sql("VACUUM ANALYZE telemetry_points");
  const auto copy = [&] {
    std::string uri = Server().CreateDatabaseFrom(DatabaseName(original));
    // Another database: retention would want an acknowledgement.
    LiveDatabase(uri).Sql(
        "UPDATE partition_controller.tables SET database_oid = (SELECT oid FROM pg_database WHERE "
        "datname = current_database())");
    return uri;
  };
  const auto gone = [&](const std::string& uri) {
    report.Require(
        "the rows are gone, and no others",
        LiveDatabase(uri).Number("SELECT count(*) FROM telemetry_points WHERE id < 'w'") == rows / 20);
  };

  const std::string drop = copy();
  const Cost ours = Measure(drop, DropPartitions);
  gone(drop);
  const std::string deletes = copy();
  const Cost theirs = Measure(deletes, DeleteInBatches);
  gone(deletes);
  report.Measure("drop " + std::to_string(rows) + " rows: check, detach, drop, and the ticks around",
                 {ours.seconds}, "s");
  report.Measure("delete them 5,000 at a time", {theirs.seconds}, "s");
  report.Budget("time, drop / deletes", {ours.seconds / theirs.seconds}, "", 0.5);
  report.Measure("WAL of the drop", {ours.wal_megabytes}, "MB");
  report.Measure("WAL of the deletes (full_page_writes off)", {theirs.wal_megabytes}, "MB");
  report.Budget("WAL, drop / deletes", {ours.wal_megabytes / theirs.wal_megabytes}, "", 0.05);

  const Stall at_drop = MeasureStall(copy(), DropPartitions, options.smoke, report);
  const Stall at_deletes = MeasureStall(copy(), DeleteInBatches, options.smoke, report);
  const double noise = at_drop.calm.worst().count();
  report.Measure("worst batch of four writers meanwhile: drop", {at_drop.batches.worst().count()}, "ms");
  report.Measure("worst batch of four writers meanwhile: deletes", {at_deletes.batches.worst().count()},
                 "ms");
  report.Measure("worst batch without either", {noise}, "ms");
  report.Measure("worst read meanwhile: drop", {at_drop.reads.worst().count()}, "ms");
  report.Measure("worst read meanwhile: deletes", {at_deletes.reads.worst().count()}, "ms");
  report.Budget("worst wait for a lock: drop", {at_drop.wait}, "ms", 250);
  report.Measure("worst wait for a lock: deletes", {at_deletes.wait}, "ms");
  report.Note("batches at the drop, ms: " + at_drop.batches.Histogram());
  report.Note("batches at the deletes, ms: " + at_deletes.batches.Histogram());
}

}  // namespace partition_controller::bench
