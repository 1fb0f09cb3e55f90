// What rollups cost and what they save, beside EdgeWatch's own statement and
// beside the raw points.

#include "controller/postgres.h"
#include "reconcilers/rollup_sql.h"
#include "tests/bench/bench.h"
#include "tests/support/edgewatch.h"
#include "tests/support/live_table.h"

namespace partition_controller::bench {
namespace {

Policy WithRollup() {
  Policy policy = PolicyFor("telemetry_points");
  Rollup rollup;
  rollup.name = "hourly";
  rollup.table = "telemetry_rollups_hourly";
  rollup.dimensions = {"device_id"};
  rollup.jsonb = "metrics";
  policy.rollups = {rollup};
  return policy;
}

// Six numbers, a word and a flag: EdgeWatch's usual keys.
std::string PointsSql(const std::string& prefix, std::int64_t count, const std::string& since,
                      const std::string& span, int devices) {
  const std::string n = std::to_string(count);
  return "INSERT INTO telemetry_points (id, message_id, device_id, ts, metrics) SELECT '" + prefix +
         "' || n, '" + prefix + "' || n, 'd' || n % " + std::to_string(devices) + ", timestamptz '" + since +
         "' + interval '" + span + "' * (n / " + n +
         ".0), jsonb_build_object('water_pressure_psi', 40 + n % 200 / 10.0, 'oil_pressure_psi', 30 + n % "
         "170 / 10.0, "
         "'temperature_c', 20 + n % 130 / 10.0, 'humidity_pct', 40 + n % 310 / 10.0, 'battery_v', 12 + n % "
         "19 / 10.0, "
         "'signal_rssi_dbm', -60 - n % 30, 'power_source', 'solar', 'pump_on', n % 2 = 0) FROM "
         "generate_series(1, " +
         n + ") n";
}

void MakeTables(LiveDatabase& db, int devices) {
  CreateEdgeWatchTables(db.uri(), TelemetryTable::kPartitioned);
  CreateEdgeWatchPartitions(db.uri(), "2026-01-01", "2026-12-31");
  db.Sql("INSERT INTO devices (device_id, display_name) SELECT 'd' || n, 'd' FROM generate_series(0, " +
         std::to_string(devices - 1) + ") n");
}

// Its own statement over one day (from its description; the window aligned).
constexpr char kEdgeWatch[] =
    "INSERT INTO telemetry_rollups_hourly (device_id, metric_key, bucket_ts, sample_count, min_value, "
    "max_value, "
    "avg_value, updated_at) SELECT device_id, metric_key, bucket_ts, count(*), min(v), max(v), avg(v), now() "
    "FROM "
    "(SELECT p.device_id, e.key AS metric_key, date_trunc('hour', p.ts) AS bucket_ts, e.value::double "
    "precision AS v "
    "FROM telemetry_points p CROSS JOIN LATERAL jsonb_each_text(p.metrics) e WHERE p.ts >= '2026-07-01' AND "
    "p.ts < "
    "'2026-07-02' AND e.value ~ '^[+-]?(\\d+(\\.\\d+)?|\\.\\d+)([eE][+-]?\\d+)?$') x GROUP BY 1, 2, 3 ON "
    "CONFLICT "
    "(device_id, metric_key, bucket_ts) DO UPDATE SET sample_count = EXCLUDED.sample_count, min_value = "
    "EXCLUDED.min_value, max_value = EXCLUDED.max_value, avg_value = EXCLUDED.avg_value, updated_at = "
    "EXCLUDED.updated_at";

// A step that takes long gives way now and then.
void Settle(const std::string& uri, Report& report) {
  std::string trouble;
  for (int run = 0; run < 100; ++run) {
    const Convergence result = ConvergeOn(uri, WithRollup());
    trouble = TroubleWith(result);
    if (!result.unfinished) break;
  }
  report.Require("the rollup is made" + (trouble.empty() ? "" : ": " + trouble), trouble.empty());
}

class OneRollup {
 public:
  explicit OneRollup(LiveDatabase& db) : db_(db), policy_(WithRollup()) {
    state_.suffix = db.Value("SELECT suffix FROM partition_controller.rollups");
    state_.state = RollupState::State::kLive;
    version_ = static_cast<int>(db.Number("SELECT current_setting('server_version_num')"));
  }

  RollupSql Sql() const {
    return {policy_.rollups[0], state_, "public", "public.telemetry_points", "ts", version_};
  }

  // One transaction, as the controller's.
  double Run(const std::vector<std::string>& statements) {
    std::string all =
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL jit = off; SET LOCAL TimeZone = 'UTC'; SET LOCAL "
        "search_path = pg_catalog; ";
    for (const std::string& statement : statements) all += statement + "; ";
    const Stopwatch watch;
    db_.Sql(all + "COMMIT");
    return watch.Seconds();
  }

 private:
  LiveDatabase& db_;
  Policy policy_;
  RollupState state_;
  int version_ = 0;
};

void RollUpADay(const Options& options, Report& report) {
  const std::int64_t points = options.smoke ? 5'000 : 1'000'000;
  LiveDatabase db(Server().CreateDatabase("rollup_day"));
  MakeTables(db, 1'000);
  db.Sql(PointsSql("p", points, "2026-07-01", "24 hours", 1'000));
  db.Sql("VACUUM ANALYZE telemetry_points");
  Settle(db.uri(), report);
  // Enough for both: its sort, our hash table.
  db.Sql("SET work_mem = '64MB'");
  OneRollup rollup(db);
  std::vector<double> theirs;
  std::vector<double> ours;
  std::vector<double> ratios;
  const auto sums = [&] {
    return db.Value("SELECT count(*) || ' ' || sum(sample_count) FROM telemetry_rollups_hourly");
  };
  for (int i = 0; i < (options.smoke ? 1 : 3); ++i) {
    db.Sql("TRUNCATE telemetry_rollups_hourly");
    const Stopwatch watch;
    db.Sql(kEdgeWatch);
    theirs.push_back(watch.Seconds());
    const std::string expected = sums();
    db.Sql(
        "TRUNCATE telemetry_rollups_hourly; UPDATE partition_controller.rollups SET filled_from = "
        "'2026-07-02', "
        "state = 'filling', fill_step = '23 hours 59 min'");
    ours.push_back(rollup.Run(rollup.Sql().Fill({}, std::nullopt)));
    report.Require("both make the same", sums() == expected);
    ratios.push_back(ours.back() / theirs.back());
  }
  report.Measure("one day, " + std::to_string(points) + " points: EdgeWatch's statement", theirs, "s");
  report.Measure("one day: filled", ours, "s");
  report.Budget("time, ours / EdgeWatch's", ratios, "", 0.2);
}

double LateRefresh(std::int64_t points, int days, int rounds, Report& report) {
  LiveDatabase db(Server().CreateDatabase("rollup_late"));
  MakeTables(db, 200);
  db.Sql(PointsSql("p", points, "2026-02-01", std::to_string(days) + " days", 200));
  db.Sql("VACUUM ANALYZE telemetry_points");
  Settle(db.uri(), report);
  OneRollup rollup(db);
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) {
    for (int bucket = 0; bucket < 50; ++bucket) {
      const std::string id = std::to_string(round) + "_" + std::to_string(bucket) + "_";
      db.Sql("INSERT INTO telemetry_points (id, message_id, device_id, ts, metrics) SELECT 'l" + id +
             "' || n, 'l" + id + "' || n, 'd" + std::to_string(bucket) +
             "', timestamptz '2026-02-02 03:00+00' + interval '1 hour' * " + std::to_string(bucket % 10) +
             " + interval '1 min' * n, '{\"battery_v\": 12}' FROM generate_series(1, 20) n");
    }
    best = std::min(best, rollup.Run({rollup.Sql().Refresh(At("2026-12-01T00:00:00Z"), std::nullopt, 500)}));
  }
  report.Require("no mark is left",
                 db.Number("SELECT count(*) FROM partition_controller.\"marks_" +
                           db.Value("SELECT suffix FROM partition_controller.rollups") + "\"") == 0);
  return best;
}

// What refreshing takes of one core, where each bucket is computed once: an hour
// of points of 1,000 devices, when it has settled.
void SteadyState(std::int64_t points_a_day, const Options& options, Report& report) {
  const std::int64_t points = options.smoke ? 2'000 : points_a_day / 24;
  LiveDatabase db(Server().CreateDatabase("rollup_steady"));
  MakeTables(db, 1'000);
  Settle(db.uri(), report);
  OneRollup rollup(db);
  db.Sql(PointsSql("p", points, "2026-07-01", "59 min", 1'000));
  db.Sql("ANALYZE telemetry_points");
  const std::string left = "SELECT count(*) FROM partition_controller.\"marks_" +
                           db.Value("SELECT suffix FROM partition_controller.rollups") + "\"";
  double seconds = 0;
  while (db.Number(left) > 0) {
    seconds += rollup.Run({rollup.Sql().Refresh(At("2026-12-01T00:00:00Z"), std::nullopt, 500)});
  }
  report.Measure(std::to_string(points_a_day) + " points a day: refreshing, of one core", {seconds / 36},
                 "%");
}

void Chart(const Options& options, Report& report) {
  const std::int64_t points = options.smoke ? 5'000 : 2'000'000;
  LiveDatabase db(Server().CreateDatabase("rollup_chart"));
  MakeTables(db, 20);
  db.Sql(PointsSql("p", points, "2026-03-01", "90 days", 20));
  db.Sql("VACUUM ANALYZE telemetry_points");
  Settle(db.uri(), report);
  db.Sql("VACUUM ANALYZE telemetry_rollups_hourly");
  const auto time = [&](const std::string& sql) {
    double best = 1e9;
    for (int i = 0; i < 4; ++i) {
      const Stopwatch watch;
      db.Sql(sql);
      best = std::min(best, watch.Seconds());
    }
    return best;
  };
  const auto between = [](const char* column) {
    return std::string(" WHERE device_id = 'd7' AND ") + column + " >= '2026-03-01' AND " + column +
           " < '2026-05-30'";
  };
  const double raw = time(
      "SELECT date_trunc('hour', ts) AS bucket, avg((metrics ->> 'battery_v')::double precision) FROM "
      "telemetry_points" +
      between("ts") +
      " AND metrics ->> 'battery_v' ~ '^[+-]?(\\d+(\\.\\d+)?|\\.\\d+)([eE][+-]?\\d+)?$' GROUP BY 1 ORDER BY "
      "1 DESC");
  const std::string chart = "SELECT bucket_ts, avg_value FROM %t" + between("bucket_ts") +
                            " AND metric_key = 'battery_v' ORDER BY 1 DESC";
  const auto of = [&](const std::string& table) {
    std::string sql = chart;
    return time(sql.replace(sql.find("%t"), 2, table));
  };
  const double stored = of("telemetry_rollups_hourly");
  const double live = of("telemetry_rollups_hourly_live");
  report.Measure("90-day chart of one device, " + std::to_string(points / 20) + " points: from raw",
                 {raw * 1e3}, "ms");
  report.Measure("the same from the rollup", {stored * 1e3}, "ms");
  report.Measure("the same from the live view", {live * 1e3}, "ms");
  report.Measure("raw / rollup", {raw / stored}, "times");
}

// Batches of one device, as EdgeWatch's ingest writes them.
void Ingesting(const Options& options, Report& report) {
  const std::string uris[] = {Server().CreateDatabase("ingest_bare"),
                              Server().CreateDatabase("ingest_marks")};
  std::vector<std::unique_ptr<LiveDatabase>> dbs;
  for (const std::string& uri : uris) {
    dbs.push_back(std::make_unique<LiveDatabase>(uri));
    MakeTables(*dbs.back(), 100);
  }
  Settle(uris[1], report);
  for (const int size : {1, 10, 100, 500}) {
    const int batches = options.smoke ? 2 : size == 1 ? 2'000 : size == 10 ? 1'000 : 200;
    std::vector<double> ratios;
    for (int round = 0; round < (options.smoke ? 1 : 7); ++round) {
      double seconds[2] = {0, 0};
      for (int batch = 0; batch < batches; ++batch) {
        for (const int which : {batch % 2, 1 - batch % 2}) {
          const std::string id =
              std::to_string(size) + "_" + std::to_string(round) + "_" + std::to_string(batch) + "_";
          const std::string sql =
              "INSERT INTO telemetry_points (id, message_id, device_id, ts, metrics) SELECT '" + id +
              "' || n, '" + id + "' || n, 'd" + std::to_string(batch % 100) +
              "', timestamptz '2026-07-01' + interval '10 s' * n + interval '1 "
              "min' * " +
              std::to_string(batch) +
              ", '{\"water_pressure_psi\": 41.5, \"oil_pressure_psi\": 33.1, \"temperature_c\": 21.5, "
              "\"humidity_pct\": "
              "44, \"battery_v\": 12.4, \"signal_rssi_dbm\": -66, \"power_source\": \"solar\", \"pump_on\": "
              "true}' FROM "
              "generate_series(1, " +
              std::to_string(size) + ") n";
          const Stopwatch watch;
          dbs[static_cast<std::size_t>(which)]->Sql(sql);
          seconds[which] += watch.Seconds();
        }
      }
      ratios.push_back(seconds[1] / seconds[0]);
    }
    const std::string what = "ingest with marks / without, batches of " + std::to_string(size);
    if (size == 100)
      report.Budget(what, ratios, "", 1.15);
    else if (size == 500)
      report.Budget(what, ratios, "", 1.12);
    else
      report.Measure(what, ratios, "");
  }
}

}  // namespace

void RunRollup(const Options& options, Report& report) {
  RollUpADay(options, report);
  const std::int64_t few = options.smoke ? 2'000 : options.full ? 1'000'000 : 300'000;
  const std::int64_t many = options.smoke ? 4'000 : options.full ? 30'000'000 : 3'000'000;
  const int rounds = options.smoke ? 1 : 5;
  // As dense as each other.
  const double small = LateRefresh(few, 10, rounds, report);
  const double large = LateRefresh(many, static_cast<int>(10 * many / few), rounds, report);
  report.Measure("1,000 late points in 50 buckets, of " + std::to_string(few), {small * 1e3}, "ms");
  report.Measure("the same, of " + std::to_string(many), {large * 1e3}, "ms");
  report.Budget("time, large / small", {large / small}, "", 1.5);
  SteadyState(1'000'000, options, report);
  SteadyState(20'000'000, options, report);
  Ingesting(options, report);
  Chart(options, report);
}

}  // namespace partition_controller::bench
