// What clients notice while their plain table becomes a partitioned one: under
// the controller, under EdgeWatch's own migration, and when nothing happens.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <map>
#include <mutex>
#include <pqxx/pqxx>
#include <random>
#include <thread>

#include "controller/postgres.h"
#include "tests/bench/bench.h"
#include "tests/support/edgewatch.h"
#include "tests/support/ingest.h"
#include "tests/support/live_ingest.h"
#include "tests/support/live_table.h"

namespace partition_controller::bench {
namespace {

using Clock = std::chrono::steady_clock;

// One point in 400 comes from a clock that is a year ahead.
constexpr char kPoints[] =
    "INSERT INTO telemetry_points (id, message_id, device_id, batch_id, ts, metrics) "
    "SELECT $1::text || '-' || lpad(n::text, 9, '0'), 'm-' || n, $2, $5, "
    "now() - random() * interval '1 hour' + CASE WHEN n % 400 = 0 THEN interval '400 days' ELSE '0' END, "
    "'{\"temperature_c\": 21.5, \"battery_v\": 12.6, \"signal_rssi_dbm\": -71, \"pump_on\": true}' "
    "FROM generate_series($3::bigint + 1, $3::bigint + $4::bigint) AS n";
constexpr char kBatch[] =
    "INSERT INTO ingestion_batches (id, device_id, points_submitted, points_accepted) VALUES ($1, $2, $3, "
    "$3)";
constexpr char kSeries[] =
    "SELECT date_trunc('hour', ts) AS bucket, avg((metrics->>'temperature_c')::numeric) FROM (SELECT ts, "
    "metrics FROM telemetry_points WHERE device_id = $1 AND ts < now() ORDER BY ts DESC LIMIT 500) p GROUP "
    "BY 1 ORDER BY 1 DESC";
constexpr char kDevice[] = "SELECT * FROM devices WHERE device_id = $1";
constexpr char kTouch[] = "UPDATE devices SET last_seen_at = now() WHERE device_id = $1";

enum class Client { kWriterOf1, kWriterOf100, kReader, kDeviceReader, kDeviceWriter };

const std::map<Client, std::string> kNames = {{Client::kWriterOf1, "write 1 point"},
                                              {Client::kWriterOf100, "write 100 points"},
                                              {Client::kReader, "read points"},
                                              {Client::kDeviceReader, "read a device"},
                                              {Client::kDeviceWriter, "write a device"}};

// When a client began something, and how long it took.
struct Sample {
  Clock::time_point start;
  Milliseconds time;
};

struct Phase {
  Clock::time_point from;
  Clock::time_point to;
};

// EdgeWatch's application: four writers, two of them with a row for each batch
// as well; a reader; a reader and a writer of `devices`.  All prepare their
// statements.  At work from construction to Stop().
class Fleet {
 public:
  explicit Fleet(std::string uri) : uri_(std::move(uri)) {
    LiveDatabase(uri_).Sql(
        "INSERT INTO devices (device_id, display_name) SELECT 'ingest-' || n, 'ingest' FROM "
        "generate_series(0, 3) n ON CONFLICT DO NOTHING");
    for (const Client client :
         {Client::kWriterOf1, Client::kWriterOf1, Client::kWriterOf100, Client::kWriterOf100, Client::kReader,
          Client::kDeviceReader, Client::kDeviceWriter}) {
      Seat& seat = seats_.emplace_back();
      seat.client = client;
      seat.number = static_cast<int>(seats_.size()) - 1;
    }
    for (Seat& seat : seats_) seat.thread = std::thread([this, &seat] { Run(&seat); });
  }
  ~Fleet() { Stop(); }
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  void Stop() {
    stop_ = true;
    for (Seat& seat : seats_) {
      if (seat.thread.joinable()) seat.thread.join();
    }
  }

  // REQUIRES, as all that follow: stopped
  Acknowledged acknowledged() const {
    Acknowledged all;
    for (const Seat& seat : seats_) {
      if (Writes(seat.client)) all.kept.push_back(seat.rows);
    }
    all.other.assign(all.kept.size(), 0);
    return all;
  }
  std::int64_t rows() const {
    std::int64_t all = 0;
    for (const Seat& seat : seats_) all += seat.rows;
    return all;
  }
  const std::vector<std::string>& errors() const { return errors_; }

  // Of what was under way at any time of the phase.
  double Worst(Client client, const Phase& phase) const {
    Milliseconds worst{0};
    for (const Seat& seat : seats_) {
      if (seat.client != client) continue;
      for (const Sample& sample : seat.samples) {
        if (sample.start <= phase.to && sample.start + sample.time >= phase.from)
          worst = std::max(worst, sample.time);
      }
    }
    return worst.count();
  }
  double Worst(const Phase& phase) const {
    double worst = 0;
    for (const auto& [client, name] : kNames) worst = std::max(worst, Worst(client, phase));
    return worst;
  }
  // Of what began in the phase.
  double Median(Client client, const Phase& phase) const {
    std::vector<double> times;
    for (const Seat& seat : seats_) {
      if (seat.client != client) continue;
      for (const Sample& sample : seat.samples) {
        if (sample.start >= phase.from && sample.start < phase.to) times.push_back(sample.time.count());
      }
    }
    if (times.empty()) return 0;
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                     times.end());
    return times[times.size() / 2];
  }

 private:
  struct Seat {
    Client client{};
    int number = 0;
    std::int64_t rows = 0;  // acknowledged
    std::int64_t batches = 0;
    std::vector<Sample> samples;
    std::thread thread;
  };

  static bool Writes(Client client) { return client == Client::kWriterOf1 || client == Client::kWriterOf100; }

  void Run(Seat* seat) {
    std::minstd_rand random(static_cast<unsigned>(seat->number) + 1);
    std::uniform_int_distribution<int> pause(0, 20'000);
    while (!stop_) {
      try {
        pqxx::connection connection(uri_ + (uri_.find('?') == std::string::npos ? "?" : "&") +
                                    "application_name=ingest-" + std::to_string(seat->number));
        connection.prepare("points", kPoints);
        connection.prepare("batch", kBatch);
        connection.prepare("series", kSeries);
        connection.prepare("device", kDevice);
        connection.prepare("touch", kTouch);
        while (!stop_) {
          const auto start = Clock::now();
          Once(connection, seat);
          seat->samples.push_back({start, Clock::now() - start});
          std::this_thread::sleep_for(std::chrono::microseconds(pause(random)));
        }
      } catch (const std::exception& error) {
        const std::lock_guard lock(mutex_);
        errors_.push_back(kNames.at(seat->client) + ": " + error.what());
      }
    }
  }

  static void Once(pqxx::connection& connection, Seat* seat) {
    const std::string device = "ingest-" + std::to_string(seat->number % 4);
    if (!Writes(seat->client)) {
      pqxx::nontransaction direct(connection);
      direct.exec_prepared(seat->client == Client::kReader         ? "series"
                           : seat->client == Client::kDeviceReader ? "device"
                                                                   : "touch",
                           device);
      return;
    }
    const int size = seat->client == Client::kWriterOf1 ? 1 : 100;
    const std::string stream = "w" + std::to_string(seat->number);
    if (seat->number % 2 == 0) {
      pqxx::nontransaction direct(connection);
      direct.exec_prepared("points", stream, device, seat->rows, size, nullptr);
    } else {
      const std::string batch = device + "-" + std::to_string(++seat->batches);
      pqxx::work transaction(connection);
      transaction.exec_prepared("batch", batch, device, size);
      transaction.exec_prepared("points", stream, device, seat->rows, size, batch);
      transaction.commit();
    }
    seat->rows += size;
  }

  const std::string uri_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // guards the next one
  std::vector<std::string> errors_;
  std::deque<Seat> seats_;
};

struct Size {
  std::int64_t rows = 1'500'000;
  int conversions = 3;
  bool migrate = true;
  std::chrono::milliseconds calm{5'000};
};

// What one change to the table did to the clients.
struct Change {
  double seconds = 0;
  std::map<Client, double> worst;  // by the clients' clocks, ms
  double wait = 0;                 // by the server's account, ms
  std::string where;
  std::vector<std::string> errors;
  std::string missing;              // acknowledged rows; empty if none
  std::string trouble;              // empty if the table was converted
  std::map<Client, double> slower;  // fenced / before, by the median
  std::vector<std::string> steps;
  int failed = 0;   // attempts
  int vacuums = 0;  // running when a step began

  double WorstOfAll() const {
    double all = 0;
    for (const auto& [client, time] : worst) all = std::max(all, time);
    return all;
  }
};

// An ordinary table of EdgeWatch, with an autovacuum that has work for hours.
class Original {
 public:
  explicit Original(std::int64_t rows) : uri_(Server().CreateDatabase("convert")) {
    CreateEdgeWatchTables(uri_, TelemetryTable::kPlain);
    LiveDatabase db(uri_);
    const std::vector<std::string> indexes = DropIndexes(&db);  // built faster than kept
    Preload(uri_, rows, MonthStart(-6), db.Value("SELECT now()"));
    db.Sql("SET session_replication_role = replica");
    db.Sql("UPDATE telemetry_points SET ts = ts + interval '400 days' WHERE hashtext(id) % 400 = 0");
    for (const std::string& index : indexes) db.Sql(index);
    db.Sql(
        "ALTER TABLE telemetry_points SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit "
        "= 1, autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)");
    db.Sql("VACUUM ANALYZE");
    db.Sql("CHECKPOINT");
    sum_ = Sum(uri_);
  }
  ~Original() { Drop(uri_); }
  Original(const Original&) = delete;
  Original& operator=(const Original&) = delete;

  std::string Copy() const {
    std::string uri = Server().CreateDatabaseFrom(DatabaseName(uri_));
    LiveDatabase db(uri);
    db.Sql("UPDATE telemetry_points SET created_at = created_at WHERE hashtext(id) % 500 = 1");
    db.Sql("ANALYZE");
    return uri;
  }
  static void Drop(const std::string& uri) {
    LiveDatabase(Server().Uri("postgres")).Sql("DROP DATABASE " + DatabaseName(uri) + " WITH (FORCE)");
  }

  // What is not as it must be, with the clients stopped.
  std::string Missing(const std::string& uri, const Fleet& fleet) const {
    std::string wrong = Checker::AllThere(uri, fleet.acknowledged());
    if (Sum(uri) != sum_) wrong += "the rows from before are others";
    return wrong;
  }

 private:
  // Returns what makes them again.
  static std::vector<std::string> DropIndexes(LiveDatabase* db) {
    const std::string keys =
        "pg_constraint WHERE conrelid = 'telemetry_points'::regclass AND contype IN ('p', 'u')";
    std::vector<std::string> all = db->Column(
        "SELECT format('ALTER TABLE telemetry_points ADD CONSTRAINT %I ', conname) || "
        "pg_get_constraintdef(oid) FROM " +
        keys);
    const std::vector<std::string> names = db->Column("SELECT conname FROM " + keys);
    for (const std::string& name : names) db->Sql("ALTER TABLE telemetry_points DROP CONSTRAINT " + name);
    for (const std::string& index :
         db->Column("SELECT indexname FROM pg_indexes WHERE tablename = 'telemetry_points'")) {
      all.push_back(db->Value("SELECT pg_get_indexdef('" + index + "'::regclass)"));
      db->Sql("DROP INDEX " + index);
    }
    return all;
  }
  static std::string Sum(const std::string& uri) {
    return LiveDatabase(uri).Value(
        "SELECT count(*) || ' ' || sum(hashtextextended(id, 0)::numeric) FROM telemetry_points WHERE id < "
        "'w'");
  }

  const std::string uri_;
  std::string sum_;
};

// Until an autovacuum of the table has begun to scan it.
bool AwaitVacuum(LiveDatabase* db) {
  return Eventually(
      [&] {
        return db->Value(
                   "SELECT count(*) FROM pg_stat_progress_vacuum WHERE datname = current_database() AND "
                   "relid = 'telemetry_points'::regclass") != "0";
      },
      std::chrono::seconds(20));
}

Policy OnlinePolicy() {
  Policy policy = PolicyFor("telemetry_points");
  policy.name_space = "edgewatch";
  policy.name = "telemetry-points";
  policy.partitioning.conversion = Partitioning::Conversion::kOnline;
  policy.partitioning.uniqueness = Partitioning::Uniqueness::kPerPartition;
  return policy;
}

Change ConvertUnderLoad(const Original& original, const Size& size) {
  const std::string uri = original.Copy();
  LiveDatabase db(uri);
  Change change;
  Fleet fleet(uri);
  Phase before{Clock::now(), {}};
  std::this_thread::sleep_for(size.calm);
  change.vacuums += AwaitVacuum(&db) ? 1 : 0;
  LockWatch locks(uri, std::chrono::milliseconds(2));
  before.to = Clock::now();
  Phase fenced;
  auto since = Clock::now();
  Approach approach;
  approach.on_step = [&](const StepOutcome& step) {
    const double seconds = std::chrono::duration<double>(Clock::now() - since).count();
    change.seconds += seconds;
    char text[64];
    std::snprintf(text, sizeof text, "%7.2f s, %4.0f ms at locks  ", seconds,
                  Milliseconds(step.lock_wait).count());
    change.steps.push_back(text + step.result + "  " + Kind(step.action) +
                           (step.message.empty() ? "" : ": " + step.message));
    const std::string kind = Kind(step.action);
    if (kind == "fence_conversion" && step.result == "success") {
      fenced.from = Clock::now();
      std::this_thread::sleep_for(size.calm);
      fenced.to = Clock::now();
    }
    // The steps that follow lock the table.
    if (kind == "build_index" || kind == "fence_conversion") change.vacuums += AwaitVacuum(&db) ? 1 : 0;
    since = Clock::now();
  };
  std::string trouble = "not begun";
  for (int tick = 0; tick < 10 && !trouble.empty(); ++tick) {
    trouble = TroubleWith(ConvergeOn(uri, OnlinePolicy(), approach));
    if (!trouble.empty()) change.steps.push_back("left to the next tick: " + trouble);
  }
  const Phase whole{before.to, Clock::now()};
  locks.Stop();
  std::this_thread::sleep_for(size.calm / 5);
  fleet.Stop();
  for (const auto& [client, name] : kNames) {
    change.worst[client] = fleet.Worst(client, whole);
    change.slower[client] = fleet.Median(client, fenced) / fleet.Median(client, before);
  }
  change.wait = locks.worst().count();
  change.where = locks.where();
  change.errors = fleet.errors();
  change.missing = original.Missing(uri, fleet);
  change.trouble = trouble;
  if (trouble.empty() &&
      db.Value("SELECT relkind FROM pg_class WHERE oid = 'telemetry_points'::regclass") != "p")
    change.trouble = "the table is not partitioned";
  Original::Drop(uri);
  return change;
}

// Nothing happens for a while, then EdgeWatch's migration does.
void MigrateUnderLoad(const Original& original, const Size& size, std::chrono::duration<double> quiet,
                      Change* nothing, Change* migration) {
  const std::string uri = original.Copy();
  Fleet fleet(uri);
  LiveDatabase db(uri);
  std::this_thread::sleep_for(size.calm);
  AwaitVacuum(&db);
  Phase phase{Clock::now(), {}};
  {
    LockWatch locks(uri, std::chrono::milliseconds(2));
    std::this_thread::sleep_for(quiet);
    phase.to = Clock::now();
    nothing->seconds = std::chrono::duration<double>(phase.to - phase.from).count();
    nothing->wait = locks.worst().count();
  }
  Phase outage{Clock::now(), {}};
  if (size.migrate) {
    LockWatch locks(uri, std::chrono::milliseconds(20));
    for (bool done = false; !done;) {
      const Stopwatch watch;
      try {
        MigrateEdgeWatch(uri, migration->failed >= 2);
        done = true;
      } catch (const pqxx::transaction_rollback& error) {  // a deadlock
        migration->errors.push_back(std::string("the migration: ") + error.what());
        if (++migration->failed == 10) throw;
      }
      migration->seconds = watch.Seconds();
    }
    std::this_thread::sleep_for(size.calm / 5);
    migration->wait = locks.worst().count();
    migration->where = locks.where();
    outage.to = Clock::now();
  }
  fleet.Stop();
  for (const auto& [client, name] : kNames) {
    nothing->worst[client] = fleet.Worst(client, phase);
    migration->worst[client] = fleet.Worst(client, outage);
  }
  for (const std::string& error : fleet.errors()) migration->errors.push_back(error);
  migration->missing = original.Missing(uri, fleet);
  Original::Drop(uri);
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// The conversions' worst waits, by the server's account.
std::vector<double> MeasureSize(const Size& size, bool hold_budget, Report& report) {
  const std::string rows = std::to_string(size.rows) + " rows";
  const Original original(size.rows);
  std::vector<Change> changes;
  changes.reserve(static_cast<std::size_t>(size.conversions));
  for (int i = 0; i < size.conversions; ++i) changes.push_back(ConvertUnderLoad(original, size));
  Change nothing;
  Change migration;
  MigrateUnderLoad(
      original, size,
      std::chrono::duration<double>(changes.front().seconds) + size.calm + std::chrono::seconds(1), &nothing,
      &migration);

  const auto of_each = [&](const auto& take) {
    std::vector<double> samples;
    samples.reserve(changes.size());
    for (const Change& change : changes) samples.push_back(take(change));
    return samples;
  };
  for (const Change& change : changes) {
    for (const std::string& step : change.steps) report.Note(step);
    if (change.wait > 0) {
      char text[32];
      std::snprintf(text, sizeof text, "%.1f ms: ", change.wait);
      report.Note("longest wait " + (text + change.where));
    }
  }
  report.Measure(rows + ": the conversion's steps", of_each([](const Change& c) { return c.seconds; }), "s");
  std::vector<double> waits = of_each([](const Change& c) { return c.wait; });
  if (hold_budget) {
    report.Budget("worst wait for one lock, by the server's account", waits, "ms", 50);
  } else {
    report.Measure("worst wait for one lock, by the server's account", waits, "ms");
  }
  report.Measure("the same while nothing is converted", {nothing.wait}, "ms");
  for (const auto& [client, name] : kNames)
    report.Measure("worst time to " + name,
                   of_each([&, c = client](const Change& x) { return x.worst.at(c); }), "ms");
  report.Measure("worst of all clients", of_each([](const Change& c) { return c.WorstOfAll(); }), "ms");
  report.Measure("the same while nothing is converted", {nothing.WorstOfAll()}, "ms");
  for (const Client client : {Client::kWriterOf1, Client::kWriterOf100}) {
    report.Measure("median time to " + kNames.at(client) + ", fenced / before",
                   of_each([&](const Change& c) { return c.slower.at(client); }), "");
  }
  bool converted = true;
  bool no_errors = true;
  bool all_there = true;
  bool vacuumed = true;
  for (const Change& change : changes) {
    for (std::size_t i = 0; i < std::min<std::size_t>(change.errors.size(), 3); ++i)
      report.Note(FirstLine(change.errors[i]));
    converted = converted && change.trouble.empty();
    no_errors = no_errors && change.errors.empty();
    if (!change.missing.empty()) report.Note(change.missing);
    all_there = all_there && change.missing.empty();
    vacuumed = vacuumed && change.vacuums == 3;
  }
  report.Require("converted", converted);
  report.Require("no client error", no_errors);
  report.Require("every acknowledged row is there exactly once", all_there);
  report.Require("an autovacuum of the table was running before each lock", vacuumed);
  if (size.migrate) {
    for (std::size_t i = 0; i < std::min<std::size_t>(migration.errors.size(), 3); ++i)
      report.Note(FirstLine(migration.errors[i]));
    report.Measure("EdgeWatch's migration: attempts that failed (the third locks `devices` first)",
                   {static_cast<double>(migration.failed)}, "");
    report.Measure("EdgeWatch's migration: the one that succeeded", {migration.seconds}, "s");
    report.Measure("EdgeWatch's migration: worst wait for one lock, by the server's account",
                   {migration.wait}, "ms");
    report.Measure("EdgeWatch's migration: worst of all clients", {migration.WorstOfAll()}, "ms");
    report.Measure("EdgeWatch's migration: client errors",
                   {static_cast<double>(migration.errors.size()) - migration.failed}, "");
    report.Budget("worst of all clients, conversion / migration",
                  of_each([&](const Change& c) { return c.WorstOfAll() / migration.WorstOfAll(); }), "", 0.1);
    report.Require("every acknowledged row is there exactly once", migration.missing.empty());
  }
  return waits;
}

double Middle(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

}  // namespace

void RunConvert(const Options& options, Report& report) {
  Size size;
  if (options.smoke) size = {20'000, 1, true, std::chrono::milliseconds(500)};
  std::vector<double> waits = MeasureSize(size, true, report);
  if (!options.full) return;
  // A migration of this one would stop the clients for as long as the rest of
  // the benchmark takes.
  Size large;
  large.rows = 10 * size.rows;
  large.conversions = 2;
  large.migrate = false;
  std::vector<double> ratios;
  for (const double wait : MeasureSize(large, false, report)) ratios.push_back(wait / Middle(waits));
  report.Budget("worst wait for one lock, ten times the rows / once", ratios, "", 1.5);
}

}  // namespace partition_controller::bench
