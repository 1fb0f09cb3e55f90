#include "tests/support/ingest.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <pqxx/pqxx>
#include <utility>

#include "reconcilers/bounds.h"

namespace partition_controller {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kKeepMessages = 5;

// A client that is stuck is cancelled, so that a test ends, and ends red.
constexpr char kClientLimit[] = "SET statement_timeout = '60s'";

std::string WithName(const std::string& uri, const std::string& name) {
  return uri + (uri.find('?') == std::string::npos ? "?" : "&") + "application_name=" + name;
}

std::string SqlStateOf(const std::exception& error) {
  const auto* sql = dynamic_cast<const pqxx::sql_error*>(&error);
  return sql == nullptr ? "" : sql->sqlstate() + " ";
}

// One statement a batch, as EdgeWatch's ingest: rows $3 + 1 to $3 + $4 of a
// device.  Even rows lie in one span, odd ones in another, so that a batch may
// reach several partitions.
constexpr char kInsertPoints[] =
    "INSERT INTO telemetry_points (id, message_id, device_id, batch_id, ts, metrics) "
    "SELECT $1::text || '-' || lpad(n::text, 9, '0'), 'm-' || n, $2, $5, "
    "CASE WHEN n % 2 = 0 THEN $6::timestamptz + random() * ($7::timestamptz - $6::timestamptz) "
    "ELSE $8::timestamptz + random() * ($9::timestamptz - $8::timestamptz) END, "
    "'{\"temperature_c\": 21.5, \"battery_v\": 12.6, \"signal_rssi_dbm\": -71, \"pump_on\": true}' "
    "FROM generate_series($3::bigint + 1, $3::bigint + $4::bigint) AS n";
constexpr char kInsertBatch[] =
    "INSERT INTO ingestion_batches (id, device_id, points_submitted, points_accepted) VALUES ($1, $2, $3, "
    "$3)";
constexpr char kTouchDevice[] = "UPDATE devices SET last_seen_at = now() WHERE device_id = $1";
constexpr char kReadSeries[] =
    "SELECT date_trunc('hour', ts) AS bucket, avg((metrics->>'temperature_c')::numeric) FROM "
    "telemetry_points "
    "WHERE device_id = $1 AND ts >= now() - interval '2 days' AND ts < now() GROUP BY 1 ORDER BY 1 DESC "
    "LIMIT 50";
constexpr char kReadNewest[] =
    "SELECT id, ts FROM telemetry_points WHERE device_id = $1 AND ts < now() ORDER BY ts DESC LIMIT 20";

std::string StreamName(char kind, int writer) { return kind + std::to_string(writer); }

}  // namespace

void Latencies::Add(Milliseconds time) {
  const auto at = std::upper_bound(kEdges.begin(), kEdges.end(), time.count());
  ++buckets_[static_cast<std::size_t>(at - kEdges.begin())];
  ++count_;
  worst_ = std::max(worst_, time);
}

void Latencies::Add(const Latencies& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  worst_ = std::max(worst_, other.worst_);
}

double Latencies::Quantile(double quantile) const {
  std::int64_t below = 0;
  for (std::size_t i = 0; i < kEdges.size(); ++i) {
    below += buckets_[i];
    if (static_cast<double>(below) >= quantile * static_cast<double>(count_)) return kEdges[i];
  }
  return worst_.count();
}

std::string Latencies::Histogram() const {
  std::string text;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] == 0) continue;
    char label[32];
    std::snprintf(label, sizeof label, "%s%g",
                  i < kEdges.size() ? "<" : ">=", kEdges[std::min(i, kEdges.size() - 1)]);
    text += (text.empty() ? "" : "  ") + std::string(label) + ":" + std::to_string(buckets_[i]);
  }
  return text;
}

Ingest::Ingest(std::string uri, IngestOptions options)
    : uri_(std::move(uri)),
      options_(std::move(options)),
      kept_(std::make_unique<std::atomic<std::int64_t>[]>(static_cast<std::size_t>(options_.writers))),
      other_(std::make_unique<std::atomic<std::int64_t>[]>(static_cast<std::size_t>(options_.writers))) {
  {
    pqxx::connection connection(uri_);
    pqxx::nontransaction direct(connection);
    for (int writer = 0; writer < options_.writers; ++writer) {
      direct.exec_params(
          "INSERT INTO devices (device_id, display_name) VALUES ($1, $1) ON CONFLICT DO NOTHING",
          "ingest-" + std::to_string(options_.first_writer + writer));
    }
  }
  for (int writer = 0; writer < options_.writers; ++writer)
    threads_.emplace_back([=, this] { Write(writer); });
  for (int reader = 0; reader < options_.readers; ++reader)
    threads_.emplace_back([=, this] { Read(reader); });
}

Ingest::~Ingest() { Stop(); }

void Ingest::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

Acknowledged Ingest::acknowledged() const {
  Acknowledged all;
  all.first_writer = options_.first_writer;
  for (std::size_t i = 0; i < static_cast<std::size_t>(options_.writers); ++i) {
    all.kept.push_back(kept_[i]);
    all.other.push_back(other_[i]);
  }
  return all;
}

std::int64_t Ingest::rows() const {
  std::int64_t all = 0;
  const Acknowledged known = acknowledged();
  for (const std::int64_t n : known.kept) all += n;
  for (const std::int64_t n : known.other) all += n;
  return all;
}

std::vector<std::string> Ingest::errors() const {
  const std::lock_guard lock(mutex_);
  return errors_;
}

Latencies Ingest::TakeBatchTimes() {
  const std::lock_guard lock(mutex_);
  return std::exchange(batch_times_, Latencies());
}

Latencies Ingest::TakeReadTimes() {
  const std::lock_guard lock(mutex_);
  return std::exchange(read_times_, Latencies());
}

void Ingest::Failed(const std::string& who, const std::string& what) {
  ++error_count_;
  const std::lock_guard lock(mutex_);
  if (errors_.size() < kKeepMessages) errors_.push_back(who + ": " + what);
}

void Ingest::Rest(std::minstd_rand* random) const {
  std::uniform_int_distribution<std::int64_t> spread(0, 2'000 * options_.pause.count());
  std::this_thread::sleep_for(std::chrono::microseconds(spread(*random)));
}

void Ingest::Write(int writer) {
  const int number = options_.first_writer + writer;
  const std::string name = "ingest-" + std::to_string(number);
  const auto slot = static_cast<std::size_t>(writer);
  std::minstd_rand random(static_cast<unsigned>(writer) + 1);
  std::vector<double> weights;
  for (const Span& span : options_.spans) weights.push_back(span.weight);
  std::discrete_distribution<std::size_t> pick(weights.begin(), weights.end());
  std::uniform_int_distribution<std::int64_t> size(1, options_.largest_batch);
  std::int64_t batch = 0;
  while (!stop_) {
    try {
      pqxx::connection connection(WithName(uri_, name));
      { pqxx::nontransaction(connection).exec(kClientLimit); }
      connection.prepare("batch", kInsertBatch);
      connection.prepare("points", kInsertPoints);
      connection.prepare("touch", kTouchDevice);
      while (!stop_) {
        const Span& even = options_.spans[pick(random)];
        const Span* odd = &options_.spans[pick(random)];
        if (odd->kept != even.kept) odd = &even;
        std::atomic<std::int64_t>& stream = even.kept ? kept_[slot] : other_[slot];
        const std::string stream_name = StreamName(even.kept ? 'w' : 'x', number);
        const std::int64_t before = stream;
        const std::int64_t rows = size(random);
        const std::string batch_id = name + "-" + std::to_string(++batch);
        // A device is touched now and then: before its points or after them.
        const auto touch = random() % 20;
        const auto start = steady_clock::now();
        pqxx::work transaction(connection);
        if (touch == 0) transaction.exec_prepared("touch", name);
        transaction.exec_prepared("batch", batch_id, name, rows);
        // Every other writer prepares its statements, as drivers do after a
        // few executions.
        if (writer % 2 == 0) {
          transaction.exec_prepared("points", stream_name, name, before, rows, batch_id, even.since,
                                    even.until, odd->since, odd->until);
        } else {
          transaction.exec_params(kInsertPoints, stream_name, name, before, rows, batch_id, even.since,
                                  even.until, odd->since, odd->until);
        }
        if (touch == 1) transaction.exec_prepared("touch", name);
        transaction.commit();
        const Milliseconds time = steady_clock::now() - start;
        stream = before + rows;
        ++batch_count_;
        {
          const std::lock_guard lock(mutex_);
          batch_times_.Add(time);
        }
        Rest(&random);
      }
    } catch (const std::exception& error) {
      Failed(name, SqlStateOf(error) + error.what());
      Rest(&random);
    }
  }
}

void Ingest::Read(int reader) {
  const std::string name = "ingest-reader-" + std::to_string(reader);
  std::minstd_rand random(static_cast<unsigned>(reader) + 100);
  while (!stop_) {
    try {
      pqxx::connection connection(WithName(uri_, name));
      pqxx::nontransaction direct(connection);
      direct.exec(kClientLimit);
      connection.prepare("series", kReadSeries);
      while (!stop_) {
        const std::string device =
            "ingest-" + std::to_string(options_.first_writer +
                                       static_cast<int>(random() % static_cast<unsigned>(options_.writers)));
        const auto start = steady_clock::now();
        if (random() % 2 == 0) {
          direct.exec_prepared("series", device);
        } else {
          direct.exec_params(kReadNewest, device);
        }
        const Milliseconds time = steady_clock::now() - start;
        {
          const std::lock_guard lock(mutex_);
          read_times_.Add(time);
        }
        Rest(&random);
      }
    } catch (const std::exception& error) {
      Failed(name, SqlStateOf(error) + error.what());
      Rest(&random);
    }
  }
}

// What one snapshot showed.
class Checker::Look {
 public:
  Look(pqxx::connection& connection, const Acknowledged& known) : transaction_(connection), known_(known) {}

  // Where rows may be on their way: the drain's target, if it is not attached,
  // or what is to take the place of a plain table.
  std::string Target() {
    if (transaction_.exec1("SELECT to_regclass('partition_controller.drains') IS NOT NULL")[0].as<bool>()) {
      const pqxx::result drain =
          transaction_.exec("SELECT target_oid::regclass FROM partition_controller.drains");
      if (!drain.empty()) return "ONLY " + drain[0][0].as<std::string>();
      const pqxx::result conversion = transaction_.exec(
          "SELECT parent_oid::regclass FROM partition_controller.conversions WHERE state IN ('prepared', "
          "'fenced')");
      if (!conversion.empty()) return conversion[0][0].as<std::string>();
    }
    return "";
  }

  // A partition's rows may be seen twice if the target is attached between the
  // snapshot and the query: the same (tableoid, ctid) is the same row.
  std::vector<std::string> Streams(const std::string& target, const std::vector<std::int64_t>& visible_before,
                                   std::int64_t* hidden) {
    std::vector<std::string> faults;
    *hidden = 0;
    for (std::size_t writer = 0; writer < known_.kept.size(); ++writer) {
      const std::string stream = StreamName('w', known_.first_writer + static_cast<int>(writer));
      const std::string where =
          " WHERE id >= '" + stream + "-' AND id <= '" + Id(stream, known_.kept[writer]) + "'";
      std::string rows = "SELECT tableoid, ctid, id, false AS hidden FROM telemetry_points" + where;
      if (!target.empty()) rows += " UNION ALL SELECT tableoid, ctid, id, true FROM " + target + where;
      const pqxx::row seen = transaction_.exec1(
          "SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE hidden), min(id) FILTER (WHERE "
          "hidden) FROM "
          "(SELECT id, bool_and(hidden) AS hidden FROM (" +
          rows + ") r GROUP BY tableoid, ctid, id) s");
      const auto count = seen[0].as<std::int64_t>();
      const auto distinct = seen[1].as<std::int64_t>();
      *hidden += seen[2].as<std::int64_t>();
      if (count != known_.kept[writer] || distinct != count) {
        faults.push_back("of " + std::to_string(known_.kept[writer]) + " acknowledged rows of " + stream +
                         " a snapshot shows " + std::to_string(count) + ", " + std::to_string(distinct) +
                         " of them different" + (target.empty() ? "" : "; on their way to " + target));
      }
      if (!seen[3].is_null() && seen[3].as<std::string>() <= Id(stream, visible_before[writer])) {
        faults.push_back("the row " + seen[3].as<std::string>() +
                         " was visible before its range began to move, "
                         "and is not now");
      }
    }
    return faults;
  }

  std::pair<std::string, std::string> Others(const std::string& since) {
    const pqxx::row row = transaction_.exec1(
        "SELECT count(*), sum(hashtext(id)::bigint) FROM telemetry_points WHERE id < 'w' AND ts >= " +
        transaction_.quote(since));
    return {row[0].as<std::string>(), row[1].is_null() ? "" : row[1].as<std::string>()};
  }

 private:
  static std::string Id(const std::string& stream, std::int64_t number) {
    char text[16];
    std::snprintf(text, sizeof text, "%09lld", static_cast<long long>(number));
    return stream + "-" + text;
  }

  pqxx::transaction<pqxx::repeatable_read, pqxx::read_only> transaction_;
  const Acknowledged known_;
};

Checker::Checker(std::string uri, const Ingest& ingest, std::string since)
    : uri_(std::move(uri)), ingest_(ingest), since_(std::move(since)), thread_([this] { Run(); }) {}

Checker::~Checker() { Stop(); }

void Checker::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

std::vector<std::string> Checker::faults() const {
  const std::lock_guard lock(mutex_);
  return faults_;
}

void Checker::Fault(const std::string& what) {
  ++fault_count_;
  const std::lock_guard lock(mutex_);
  if (faults_.size() < kKeepMessages) faults_.push_back(what);
}

void Checker::Run() {
  // The whole table is counted now and then only: it is large, and the clients
  // need the machine too.
  constexpr int kWholeEvery = 4;
  std::optional<std::pair<std::string, std::string>> others;
  std::vector<std::int64_t> visible;  // acknowledged when no drain was under way
  std::string draining;
  int failures = 0;
  while (!stop_) {
    try {
      pqxx::connection connection(WithName(uri_, "checker"));
      for (int look = 0; !stop_; ++look) {
        const auto start = steady_clock::now();
        const Acknowledged known = ingest_.acknowledged();
        if (visible.empty()) visible.assign(known.kept.size(), 0);
        {
          Look snapshot(connection, known);
          const std::string target = snapshot.Target();
          // Another drain than before: until it began, all were visible.
          if (target.empty()) visible = known.kept;
          draining = target;
          std::int64_t hidden = 0;
          for (const std::string& fault : snapshot.Streams(target, visible, &hidden)) Fault(fault);
          hidden_ = std::max<std::int64_t>(hidden_, hidden);
          if (look % kWholeEvery == 0) {
            const auto now = snapshot.Others(since_);
            if (!others) others = now;
            if (*others != now) {
              Fault("the " + others->first + " rows that were there before are " + now.first +
                    (now.first == others->first ? " others" : ""));
            }
          }
        }
        ++snapshots_;
        failures = 0;
        // As long as the look took: a table that somebody reads without a pause
        // is no test of the controller.
        const auto rest =
            std::max<steady_clock::duration>(steady_clock::now() - start, std::chrono::milliseconds(50));
        for (const auto until = steady_clock::now() + rest; !stop_ && steady_clock::now() < until;) {
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
      }
    } catch (const pqxx::undefined_table&) {
      // The target was renamed between the snapshot and the query: look again.
      if (++failures > 20) return Fault("the checker finds no drain's target twenty times in a row");
    } catch (const std::exception& error) {
      return Fault("the checker failed: " + SqlStateOf(error) + error.what());
    }
  }
}

std::string Checker::AllThere(const std::string& uri, const Acknowledged& acknowledged) {
  pqxx::connection connection(uri);
  pqxx::nontransaction direct(connection);
  std::string wrong;
  const auto check = [&](char kind, const std::vector<std::int64_t>& streams) {
    for (std::size_t writer = 0; writer < streams.size(); ++writer) {
      const std::string stream = StreamName(kind, acknowledged.first_writer + static_cast<int>(writer));
      const pqxx::row row = direct.exec1("SELECT count(*), count(DISTINCT id), coalesce(max(substr(id, " +
                                         std::to_string(stream.size() + 2) +
                                         ")::bigint), 0) FROM telemetry_points WHERE id >= '" + stream +
                                         "-' AND id < '" + stream + ".'");
      for (int field = 0; field < 3; ++field) {
        if (row[field].as<std::int64_t>() == streams[writer]) continue;
        wrong += stream + ": " + std::to_string(streams[writer]) + " acknowledged, " +
                 row[0].as<std::string>() + " rows, " + row[1].as<std::string>() + " different, the last " +
                 row[2].as<std::string>() + "; ";
        break;
      }
    }
  };
  check('w', acknowledged.kept);
  check('x', acknowledged.other);
  return wrong;
}

BoundsWatch::BoundsWatch(std::string uri, std::string table)
    : uri_(std::move(uri)), table_(std::move(table)), thread_([this] { Run(); }) {}

BoundsWatch::~BoundsWatch() { Stop(); }

void BoundsWatch::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

std::vector<std::string> BoundsWatch::faults() const {
  const std::lock_guard lock(mutex_);
  return faults_;
}

void BoundsWatch::Run() {
  const auto fault = [&](const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (faults_.size() < kKeepMessages) faults_.push_back(what);
  };
  try {
    pqxx::connection connection(WithName(uri_, "bounds"));
    pqxx::nontransaction direct(connection);
    direct.exec("SET TimeZone = 'UTC'");
    std::optional<Range> first;
    while (!stop_) {
      std::vector<Range> ranges;
      bool whole_picture = true;
      // One statement, one snapshot.
      for (const pqxx::row& row : direct.exec("SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
                                              "JOIN pg_class c ON c.oid = i.inhrelid "
                                              "WHERE i.inhparent = " +
                                              direct.quote(table_) + "::regclass")) {
        // NULL: dropped since the snapshot, which pg_get_expr does not share.
        whole_picture = whole_picture && !row[0].is_null();
        const auto bounds = ParseBounds(row[0].as<std::string>("DEFAULT"));
        if (!bounds) {
          fault("unreadable bounds: " + row[0].as<std::string>(""));
        } else if (!bounds->is_default) {
          ranges.push_back(bounds->range);
        }
      }
      if (!whole_picture) continue;
      std::sort(ranges.begin(), ranges.end());
      const Range whole = ranges.empty() ? Range{} : Range{ranges.front().from, ranges.back().to};
      if (!first) first = whole;
      for (std::size_t i = 1; i < ranges.size(); ++i) {
        if (ranges[i].from == ranges[i - 1].to) continue;
        fault(std::string(ranges[i].from < ranges[i - 1].to ? "overlap: " : "gap: ") +
              ToString(ranges[i - 1]) + " and " + ToString(ranges[i]));
      }
      if (whole.from > first->from) fault("the oldest partition begins at " + ToString(whole.from));
      ++samples_;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  } catch (const std::exception& error) {
    fault(std::string("the sampler failed: ") + error.what());
  }
}

LockWatch::LockWatch(std::string uri, std::chrono::milliseconds every)
    : uri_(std::move(uri)), every_(every), thread_([this] { Run(); }) {}

LockWatch::~LockWatch() { Stop(); }

void LockWatch::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

Milliseconds LockWatch::worst() const {
  const std::lock_guard lock(mutex_);
  return worst_;
}

std::string LockWatch::where() const {
  const std::lock_guard lock(mutex_);
  return where_;
}

void LockWatch::Run() {
  try {
    pqxx::connection connection(WithName(uri_, "lock-watch"));
    pqxx::nontransaction direct(connection);
    while (!stop_) {
      const pqxx::result waits = direct.exec(
          "SELECT extract(epoch FROM clock_timestamp() - l.waitstart) * 1000, a.application_name || ' for ' "
          "|| l.mode "
          "|| ' on ' || l.relation::regclass FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE "
          "NOT "
          "l.granted AND l.locktype = 'relation' AND a.application_name LIKE 'ingest-%' AND l.waitstart IS "
          "NOT NULL "
          "ORDER BY l.waitstart LIMIT 1");
      if (!waits.empty()) {
        const Milliseconds time(waits[0][0].as<double>());
        const std::lock_guard lock(mutex_);
        if (time > worst_) {
          worst_ = time;
          where_ = waits[0][1].as<std::string>("");
        }
      }
      std::this_thread::sleep_for(every_);
    }
  } catch (const std::exception&) {
    // A relation may go between the lock and its name; the next sample tells.
    if (!stop_) return Run();
  }
}

}  // namespace partition_controller
