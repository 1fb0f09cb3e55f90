#include "tests/support/live_ingest.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <optional>
#include <thread>

#include "controller/postgres.h"
#include "tests/support/edgewatch.h"
#include "tests/support/live_table.h"

namespace partition_controller {
namespace {

using std::chrono::steady_clock;

double Seconds(steady_clock::time_point since) {
  return std::chrono::duration<double>(steady_clock::now() - since).count();
}

// A session that does one thing beside the others, on a thread of its own.
class Beside {
 public:
  Beside(const std::string& uri, const std::string& settings, const std::string& sql)
      : session_(ConnectPostgres(uri)) {
    pid_ = session_->Query("SELECT pg_backend_pid()").rows.at(0).at(0).value();
    if (!settings.empty()) session_->Query(settings);
    thread_ = std::thread([this, sql] {
      try {
        session_->Query(sql);
      } catch (const DatabaseError& error) {
        if (error.kind() != DatabaseError::Kind::kCancelled) error_ = error.what();
      }
      done_ = true;
    });
  }
  ~Beside() {
    session_->Cancel();
    thread_.join();
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  bool done() const { return done_; }
  const std::string& pid() const { return pid_; }
  // Once done.
  const std::string& error() const { return error_; }

 private:
  std::unique_ptr<Session> session_;
  std::string pid_;
  std::string error_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

// A scenario: clients at work, the checks around them, the controller's ticks.
class Scenario {
 public:
  Scenario(const std::string& uri, Policy policy, const LiveSize& size) : uri_(uri), db_(uri), size_(size) {
    policy_ = std::move(policy);
  }

  void StartClients(std::vector<Span> spans, const std::string& since) {
    ingest_ = std::make_unique<Ingest>(uri_, IngestOptions{.first_writer = 10 * generation_++,
                                                           .writers = size_.writers,
                                                           .readers = 1,
                                                           .largest_batch = 100,
                                                           .pause = size_.pause,
                                                           .spans = std::move(spans)});
    checker_ = std::make_unique<Checker>(uri_, *ingest_, since);
    locks_ = std::make_unique<LockWatch>(uri_);
    std::this_thread::sleep_for(size_.calm);
    result_.calm.Add(ingest_->TakeBatchTimes());
    ingest_->TakeReadTimes();
  }

  // One tick of the controller, on a connection of its own; as one that is
  // stopped after a step of the kind `last`, if any.
  Convergence Tick(const std::string& last = "") {
    ++result_.ticks;
    const auto before = steady_clock::now();
    auto since = before;
    Approach approach;
    std::stop_source stop;
    approach.stop = stop.get_token();
    approach.on_step = [&](const StepOutcome& step) {
      if (Kind(step.action) == last) stop.request_stop();
      char text[64];
      std::snprintf(text, sizeof text, "%6.2f s, %4.0f ms at locks  ", Seconds(since),
                    Milliseconds(step.lock_wait).count());
      since = steady_clock::now();
      result_.steps.push_back(text + step.result + "  " + Kind(step.action) +
                              (step.message.empty() ? "" : ": " + step.message));
    };
    Convergence convergence = ConvergeOn(uri_, policy_, approach);
    if (convergence.failure && convergence.failure->reason == "LockTimeout") {
      ++result_.lock_timeouts;
    } else if (convergence.failure) {
      Fault("the controller: " + TroubleWith(convergence));
    }
    result_.busy.Add(ingest_->TakeBatchTimes());
    result_.reads.Add(ingest_->TakeReadTimes());
    result_.seconds += Seconds(before);
    return convergence;
  }

  // Ticks until nothing is due; a policy's period is shortened to a moment.
  void TickUntilConverged(int patience) {
    std::string trouble = "no tick";
    for (int i = 0; i < patience && !trouble.empty(); ++i) {
      trouble = TroubleWith(Tick());
      // Rows that go on arriving beyond the oldest partition are no failure.
      if (!trouble.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    if (!trouble.empty()) Fault("not converged after " + std::to_string(patience) + " ticks: " + trouble);
  }

  // Lets the clients go on for a moment, stops them, and looks at the end state.
  void StopClients() {
    std::this_thread::sleep_for(size_.calm);
    ingest_->Stop();
    checker_->Stop();
    locks_->Stop();
    for (const std::string& error : ingest_->errors()) Fault("client error: " + error);
    if (ingest_->error_count() > 0) Fault(std::to_string(ingest_->error_count()) + " client errors");
    for (const std::string& fault : checker_->faults()) Fault(fault);
    if (checker_->snapshots() == 0) Fault("the checker has seen nothing");
    const std::string missing = Checker::AllThere(uri_, ingest_->acknowledged());
    if (!missing.empty()) Fault("at the end: " + missing);
    if (locks_->worst() > result_.worst_wait) {
      result_.worst_wait = locks_->worst();
      result_.waited_at = locks_->where();
    }
    result_.batches += ingest_->batches();
    result_.rows += ingest_->rows();
    result_.snapshots += checker_->snapshots();
    result_.hidden = std::max(result_.hidden, checker_->hidden_rows_seen());
    if (result_.batches == 0) Fault("the writers wrote nothing");
  }

  void Expect(bool fine, const std::string& what) {
    if (!fine) Fault(what);
  }
  void Fault(const std::string& what) { result_.faults.push_back(what); }

  // Whether each month from `first` to `last` lies in one of the partitions.
  void ExpectMonths(int first, int last) {
    for (int month = first; month <= last; ++month) {
      const std::string covered = db_.Value(
          "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid CROSS JOIN LATERAL "
          "regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(.*)''\\) TO \\(''(.*)''\\)') b WHERE "
          "i.inhparent = 'telemetry_points'::regclass AND b IS NOT NULL AND b[1]::timestamptz <= '" +
          MonthStart(month) + "' AND b[2]::timestamptz >= '" + MonthStart(month + 1) + "'");
      Expect(covered == "1", "the month from " + MonthStart(month) + " lies in " + covered + " partitions");
    }
  }

  const std::string uri_;
  LiveDatabase db_;
  Policy policy_;
  const LiveSize size_;
  int generation_ = 0;  // of clients
  LiveResult result_;
  std::unique_ptr<Ingest> ingest_;
  std::unique_ptr<Checker> checker_;
  std::unique_ptr<LockWatch> locks_;
};

Policy EdgeWatchPolicy() {
  Policy policy = PolicyFor("telemetry_points");
  policy.name = "telemetry-points";
  policy.name_space = "edgewatch";
  return policy;
}

}  // namespace

std::string MonthStart(int offset) {
  using namespace std::chrono;
  const year_month_day today{floor<days>(system_clock::now())};
  const year_month month = year_month{today.year(), today.month()} + months(offset);
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-01 00:00:00+00", static_cast<int>(month.year()),
                static_cast<unsigned>(month.month()));
  return text;
}

std::vector<std::string> LiveServerSettings() {
  return {"autovacuum_naptime=1s", "max_connections=100", "checkpoint_timeout=1h", "max_wal_size=8GB"};
}

void Preload(const std::string& uri, std::int64_t rows, const std::string& since, const std::string& until) {
  LiveDatabase db(uri);
  db.Sql("SET session_replication_role = replica");
  db.Sql(
      "INSERT INTO devices (device_id, display_name) SELECT 'fleet-' || d, 'Pump station ' || d FROM "
      "generate_series(0, 49) d ON CONFLICT DO NOTHING");
  db.Sql("INSERT INTO telemetry_points (id, message_id, device_id, ts, metrics) SELECT md5('" + since +
         "' || n)::uuid::text, 'p-' || md5('" + since + "' || n), 'fleet-' || n % 50, '" + since +
         "'::timestamptz + ('" + until + "'::timestamptz - '" + since + "'::timestamptz) * (n::float8 / " +
         std::to_string(rows) +
         "), jsonb_build_object('temperature_c', n % 40, 'battery_v', 12.5, 'humidity_pct', n % 100, "
         "'signal_rssi_dbm', -71, 'water_pressure_psi', 55.5, 'oil_pressure_psi', 33.1, 'pump_on', n % 3 = "
         "0) FROM "
         "generate_series(0, " +
         std::to_string(rows - 1) + ") n");
}

LiveResult FirstContact(const std::string& uri, Way way, const LiveSize& size) {
  CreateEdgeWatchTables(uri, TelemetryTable::kPartitioned);
  CreateEdgeWatchPartitions(uri, MonthStart(-6), MonthStart(way == Way::kMove ? -4 : -3));
  Scenario s(uri, EdgeWatchPolicy(), size);
  if (way == Way::kMove) CreateEdgeWatchPartitions(uri, MonthStart(-2), MonthStart(-1));
  const std::string now = s.db_.Value("SELECT now()");
  Preload(uri, size.rows / 20, MonthStart(-6), MonthStart(-4));
  std::vector<Span> spans = {
      {now, s.db_.Value("SELECT least(now() + interval '2 hours', '" + MonthStart(1) + "')"), 10},
      {MonthStart(-5), MonthStart(-4), 1},  // late, for a partition that is there
      {MonthStart(-8), MonthStart(-6), 1},  // later than any partition
      {"2099-01-01 00:00:00+00", "2099-02-01 00:00:00+00", 1},
  };
  if (way == Way::kMove) {
    Preload(uri, size.rows / 2, MonthStart(-3), MonthStart(-2));
    Preload(uri, size.rows / 2, MonthStart(0), now);
    spans.push_back({MonthStart(-3), MonthStart(-2), 2});
  } else {
    Preload(uri, size.rows, MonthStart(-2), now);
    spans.push_back({MonthStart(-2), MonthStart(-1), 2});
  }
  spans.push_back({MonthStart(0), now, 2});
  s.db_.Sql("ANALYZE devices, ingestion_batches");
  s.StartClients(std::move(spans), "-infinity");
  s.TickUntilConverged(8);
  s.StopClients();
  s.ExpectMonths(-6, 2);
  s.Expect(
      s.db_.Value("SELECT count(*) FROM telemetry_points_default WHERE ts < '" + MonthStart(3) + "'") == "0",
      "rows of the window are still in the default partition");
  s.Expect(s.db_.Number("SELECT count(*) FROM telemetry_points_default") > 0,
           "no row of the far future was kept");
  s.Expect(s.db_.Value("SELECT count(*) FROM pg_trigger WHERE tgname = 'partition_controller_divert'") == "0",
           "a diverting trigger was left behind");
  const bool promoted =
      std::any_of(s.result_.steps.begin(), s.result_.steps.end(),
                  [&](const std::string& step) { return step.find("finish_drain") != std::string::npos; });
  s.Expect(promoted, "no drain was needed");
  return std::move(s.result_);
}

LiveResult ConvertPlainTable(const std::string& uri, const LiveSize& size) {
  CreateEdgeWatchTables(uri, TelemetryTable::kPlain);
  Scenario s(uri, EdgeWatchPolicy(), size);
  s.policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
  s.policy_.partitioning.uniqueness = Partitioning::Uniqueness::kPerPartition;
  const std::string now = s.db_.Value("SELECT now()");
  Preload(uri, size.rows, MonthStart(-6), now);
  Preload(uri, size.rows / 400, "2098-01-01 00:00:00+00", "2098-02-01 00:00:00+00");
  s.db_.Sql("ANALYZE devices, ingestion_batches, telemetry_points");
  s.StartClients({{now, s.db_.Value("SELECT now() + interval '5 minutes'"), 290},
                  {MonthStart(-5), now, 90},  // late
                  {MonthStart(-8), MonthStart(-6), 19},
                  {"2099-01-01 00:00:00+00", "2099-02-01 00:00:00+00", 1}},
                 "-infinity");
  s.Expect(s.Tick("fence_conversion").stopped, "the conversion was not stopped at its fence");
  s.Expect(Eventually([&] { return s.db_.Number("SELECT count(*) FROM telemetry_points_default") > 0; }),
           "no row was diverted");
  s.TickUntilConverged(12);
  s.StopClients();
  s.Expect(s.db_.Value("SELECT relkind FROM pg_class WHERE oid = 'telemetry_points'::regclass") == "p",
           "the table is not partitioned");
  s.Expect(s.db_.Value("SELECT count(*) FROM telemetry_points_default WHERE ts < '2098-02-01'") ==
               std::to_string(size.rows / 400),
           "the rows of the far future were not moved");
  s.Expect(s.db_.Value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%divert'") == "0",
           "a diverting trigger was left behind");
  return std::move(s.result_);
}

LiveResult RetentionBesideOthers(const std::string& uri, const LiveSize& size) {
  CreateEdgeWatchTables(uri, TelemetryTable::kPartitioned);
  CreateEdgeWatchPartitions(uri, MonthStart(-6), MonthStart(1));
  Scenario s(uri, EdgeWatchPolicy(), size);
  const std::string now = s.db_.Value("SELECT now()");
  Preload(uri, size.rows, MonthStart(-6), now);
  const std::string first =
      "telemetry_points_p" +
      s.db_.Value("SELECT to_char('" + MonthStart(-6) + "'::timestamptz AT TIME ZONE 'UTC', 'YYYYMM')");
  const std::string second =
      "telemetry_points_p" +
      s.db_.Value("SELECT to_char('" + MonthStart(-5) + "'::timestamptz AT TIME ZONE 'UTC', 'YYYYMM')");
  const std::string everything = s.db_.Value("SELECT count(*) FROM telemetry_points");
  // Work for an autovacuum that takes longer than all of this.
  s.db_.Sql("ALTER TABLE " + first +
            " SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, "
            "autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)");
  s.db_.Sql("SET session_replication_role = replica");
  s.db_.Sql("UPDATE " + first + " SET created_at = created_at");
  s.Expect(!ConvergeOn(uri, s.policy_).steps.empty(), "the first contact had nothing to do");

  s.StartClients({{now, s.db_.Value("SELECT least(now() + interval '2 hours', '" + MonthStart(1) + "')"), 10},
                  {MonthStart(-2), MonthStart(-1), 2},
                  {MonthStart(-5), MonthStart(-4), 2, false}},  // late, for a partition that expires
                 MonthStart(-3));
  s.policy_.retention = Keep("3mo", Retention::Action::kDrop, "24h");
  s.policy_.retention->max_per_run = 8;
  const auto partitions = [&] {
    return s.db_.Column(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = "
        "'telemetry_points'::regclass ORDER BY 1");
  };
  const std::vector<std::string> all = partitions();
  std::vector<std::string> kept = all;
  const auto expired = [&](const std::string& name) {
    return name >= first &&
           name < "telemetry_points_p" + s.db_.Value("SELECT to_char('" + MonthStart(-3) +
                                                     "'::timestamptz AT TIME ZONE 'UTC', 'YYYYMM')");
  };
  std::erase_if(kept, expired);

  s.Expect(Eventually([&] {
             return s.db_.Value(
                        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND "
                        "query LIKE '%" +
                        first + "%'") != "0";
           }),
           "no autovacuum of " + first + " began");
  {
    Beside vacuum(uri, "SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1", "VACUUM (FREEZE) " + second);
    Beside select(uri, "",
                  "SELECT count(*) FROM telemetry_points, (SELECT pg_sleep(" +
                      std::to_string(Milliseconds(size.select).count() / 1000) + ")) AS s");
    s.Expect(Eventually([&] {
               return s.db_.Value("SELECT count(*) FROM pg_locks WHERE pid = " + select.pid() +
                                  " AND relation = 'telemetry_points'::regclass") != "0";
             }),
             "the long SELECT did not begin");
    int ticks = 0;
    while (!select.done()) {
      s.Tick();
      ++ticks;
    }
    s.Expect(ticks > 0, "no tick beside the long SELECT");
    s.Expect(select.error().empty(), "the long SELECT: " + select.error());
    s.Expect(!vacuum.done(), "the manual VACUUM ended early, or was cancelled: " + vacuum.error());
  }
  s.Tick();
  s.Tick();
  s.Expect(partitions() == kept,
           "two ticks after the SELECT's end other partitions are attached than the kept ones");

  s.Expect(s.db_.Value("SELECT bool_and(drop_after - detached_at = interval '24 hours') FROM "
                       "partition_controller.partitions WHERE state = 'detached'") == "t",
           "the undo window does not run from the detach");

  // Late rows reach the default partition, then the policy changes its mind.
  s.Expect(Eventually([&] {
             return s.db_.Value("SELECT EXISTS (SELECT FROM telemetry_points_default WHERE ts < '" +
                                MonthStart(-4) + "')") == "t";
           }),
           "no late row reached the default partition");
  s.policy_.retention->keep = ParseCalendarDuration("8mo").value();
  s.TickUntilConverged(4);
  const std::vector<std::string> restored = partitions();
  s.Expect(std::includes(restored.begin(), restored.end(), all.begin(), all.end()),
           "not every partition came back from the undo window");
  s.Expect(s.db_.Value("SELECT count(*) FROM telemetry_points WHERE id < 'w'") == everything,
           "not every row came back from the undo window");
  s.StopClients();

  // Narrow again, and let the undo window pass: dropping detached tables locks
  // what their foreign keys point to.
  s.StartClients({{now, s.db_.Value("SELECT least(now() + interval '2 hours', '" + MonthStart(1) + "')"), 10},
                  {MonthStart(-2), MonthStart(-1), 2}},
                 MonthStart(-3));
  s.policy_.retention->keep = ParseCalendarDuration("3mo").value();
  s.TickUntilConverged(6);
  s.db_.Sql("UPDATE partition_controller.partitions SET drop_after = now() WHERE state = 'detached'");
  s.TickUntilConverged(6);
  s.StopClients();
  s.Expect(s.db_.Value("SELECT to_regclass('" + first + "') IS NULL") == "t", first + " was not dropped");
  s.Expect(s.db_.Value("SELECT count(*) FROM telemetry_points WHERE id < 'w' AND ts < '" + MonthStart(-3) +
                       "'") == "0",
           "expired rows are left");
  return std::move(s.result_);
}

LiveResult GranularityThereAndBack(const std::string& uri, const LiveSize& size) {
  CreateEdgeWatchTables(uri, TelemetryTable::kPartitioned);
  Scenario s(uri, EdgeWatchPolicy(), size);
  const std::string now = s.db_.Value("SELECT now()");
  s.policy_.partitioning.premake = 4;
  CreateEdgeWatchPartitions(uri, MonthStart(-2), MonthStart(-1));
  s.Expect(TroubleWith(ConvergeOn(uri, s.policy_)).empty(), "the first contact failed");
  Preload(uri, size.rows, MonthStart(-2), now);
  s.StartClients({{MonthStart(-1), now, 3},
                  {now, s.db_.Value("SELECT now() + interval '2 hours'"), 10},
                  {MonthStart(-4), MonthStart(-2), 1}},
                 "-infinity");
  BoundsWatch bounds(uri, "telemetry_points");
  const auto change = [&](Granularity granularity) {
    s.policy_.partitioning.granularity = granularity;
    s.TickUntilConverged(6);
    const std::int64_t made = s.db_.Number(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = "
        "'telemetry_points'::regclass");
    s.result_.steps.push_back(std::string(ToString(granularity)) + ": " + std::to_string(made) +
                              " partitions");
    std::this_thread::sleep_for(size.calm / 2);
  };
  change(Granularity::kWeek);
  s.Expect(s.db_.Value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'telemetry_points'::regclass AND "
                       "inhrelid::regclass::text ~ '_p[0-9]{4}w'") != "0",
           "no weekly partition was made");
  change(Granularity::kMonth);
  change(Granularity::kWeek);
  change(Granularity::kMonth);
  bounds.Stop();
  s.StopClients();
  for (const std::string& fault : bounds.faults()) s.Fault(fault);
  s.Expect(bounds.samples() > 0, "the bounds were never sampled");
  s.result_.steps.push_back(std::to_string(bounds.samples()) + " samples of the bounds");
  return std::move(s.result_);
}

}  // namespace partition_controller
