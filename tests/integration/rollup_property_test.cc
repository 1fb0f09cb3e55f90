// The invariant of docs/rollups.md, while everything happens at once: in every
// snapshot each bucket of every rollup holds what all rows that were ever
// accepted say, or carries a mark; and when all marks are taken, all hold it.
//
// What the rows say is kept by the writers themselves, in a shadow table that
// nothing is ever removed from by retention.
//
//   PC_ROLLUP_OPS   statements in all (100,000; on a version that was asked for, 10,000)
//   PC_ROLLUP_SEED  of the generator
//   PC_ROLLUP_JOURNAL=1  says of a bucket that is wrong how it came about

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <map>
#include <random>
#include <thread>

#include "reconcilers/quote.h"
#include "reconcilers/rollup_sql.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;

std::int64_t FromEnvironment(const char* name, std::int64_t usual) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::stoll(text) : usual;
}

// Fewer on other versions than the default one.
std::int64_t Statements() { return FromEnvironment("PC_ROLLUP_OPS", AskedByNumber() ? 10'000 : 100'000); }

// The night of 2026-03-29 has 23 hours in Berlin.
const Instant kStart = At("2026-03-27T12:00:00Z");

// What is planted, to be caught.
enum class Fault { kNone, kWatermark, kDropBeforeSeal, kWindow };

class Fuzz : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    uri_ = PostgresServer::Shared().CreateDatabase("fuzz");
    database_ = std::make_unique<LiveDatabase>(uri_);
    database_->MarkAsTest();
    seed_ = static_cast<unsigned>(FromEnvironment("PC_ROLLUP_SEED", std::random_device{}()));
    std::cout << "PC_ROLLUP_SEED=" << seed_ << "\n";
    policy_ = PolicyFor("points");
    policy_.partitioning.granularity = Granularity::kDay;
    policy_.partitioning.premake = 8;
    policy_.retention = Keep("3d", Retention::Action::kDrop, "6h");
    policy_.locks.timeout = std::chrono::milliseconds(500);
    Rollup hourly;
    hourly.name = "hourly";
    hourly.table = "points_hourly";
    hourly.dimensions = {"device"};
    hourly.jsonb = "metrics";
    hourly.settle = std::chrono::milliseconds(0);
    Rollup daily = hourly;
    daily.name = "daily";
    daily.table = "points_daily";
    daily.calendar_day = true;
    daily.time_zone = "Europe/Berlin";
    // The same days by way of hours, in partitions that leave at the end.
    Rollup passing = hourly;
    passing.name = "hours";
    passing.table = "points_hours";
    passing.granularity = Granularity::kDay;
    Rollup days = daily;
    days.name = "days";
    days.table = "points_days";
    days.jsonb.clear();
    days.finer = "hours";
    policy_.rollups = {hourly, daily, passing, days};
  }

  void Make(bool partitioned) {
    database_->Sql(
        std::string("CREATE TABLE points (id bigint, device text, ts timestamptz NOT NULL, metrics jsonb, "
                    "created_at timestamptz NOT NULL DEFAULT clock_timestamp())") +
        (partitioned ? " PARTITION BY RANGE (ts)" : "") +
        "; CREATE INDEX ON points (device, ts); CREATE INDEX ON points (ts); CREATE INDEX ON points (id); "
        "CREATE TABLE shadow (id bigint PRIMARY KEY, device text, ts timestamptz NOT NULL, metrics jsonb); "
        "CREATE FUNCTION truth(zone text, unit text) RETURNS TABLE (device text, bucket_ts timestamptz, "
        "metric_key text, n bigint, lo float8, hi float8, total numeric) LANGUAGE sql AS $$ SELECT device, "
        "date_trunc(unit, ts, zone), e.key, count(*), min(e.value::float8), max(e.value::float8), "
        "sum(e.value::numeric) FROM shadow CROSS JOIN jsonb_each_text(metrics) e WHERE isfinite(ts) AND "
        "device IS NOT NULL AND e.value ~ '^-?[0-9.]+$' GROUP BY 1, 2, 3 $$");
  }

  Approach Then(const std::string& holder = "test") const {
    return {
        .preview = kStart + hours(hour_), .acknowledged = {}, .holder = holder, .stop = {}, .on_step = {}};
  }

  // The states as the bookkeeping has them, for statements of our own.
  RollupState StateOf(const Rollup& rollup) {
    RollupState state;
    state.name = rollup.name;
    state.suffix = SuffixOf(rollup.name);
    state.state = RollupState::State::kLive;
    if (!rollup.finer.empty()) {
      state.finer_table = "points_" + rollup.finer;
      state.finer_suffix = SuffixOf(rollup.finer);
    }
    return state;
  }

  std::string SuffixOf(const std::string& rollup) {
    return database_->Value("SELECT suffix FROM partition_controller.rollups WHERE name = '" + rollup + "'");
  }

  // Buckets that hold something else than the shadow and carry no mark.
  static std::string Silent(const Rollup& rollup, const RollupState& state, const std::string& table) {
    const std::string& suffix = state.suffix;
    // What a finer rollup has not taken in yet.
    const std::string finer_marks = "partition_controller.\"marks_" + state.finer_suffix + "\"";
    const std::string below =
        rollup.finer.empty()
            ? ""
            : " AND NOT EXISTS (SELECT FROM " + finer_marks +
                  " m WHERE m.device = d.device AND date_trunc('day', m.bucket_ts, 'Europe/Berlin') = "
                  "d.bucket_ts" +
                  (table.ends_with("_live")
                       ? " AND m.held"
                       : ") AND NOT EXISTS (SELECT FROM " + finer_marks +
                             " a WHERE a.bucket_ts = '-infinity') AND d.bucket_ts >= (SELECT "
                             "filled_from FROM partition_controller.rollups WHERE suffix = '" +
                             state.finer_suffix + "'") +
                  ")";
    const bool live = table.ends_with("_live");
    const std::string stored =
        "SELECT device, bucket_ts, metric_key::text, sample_count::bigint AS n, min_value AS lo, "
        "max_value AS hi, sum_value AS total FROM " +
        table;
    const std::string truth = std::string("SELECT * FROM truth('") +
                              (rollup.calendar_day ? "Europe/Berlin', 'day')" : "UTC', 'hour')");
    return "WITH stored AS MATERIALIZED (" + stored + "), truth AS MATERIALIZED (" + truth +
           ") SELECT count(*), min(d.device || ' ' || d.bucket_ts || ' ' || d.metric_key || ' ' || d.total), "
           "min(d.device), min(d.bucket_ts) FROM "
           "((SELECT * FROM stored EXCEPT ALL SELECT * FROM truth) UNION ALL (SELECT * FROM truth EXCEPT ALL "
           "SELECT * "
           "FROM stored)) d WHERE NOT EXISTS (SELECT FROM partition_controller.\"marks_" +
           suffix + "\" m WHERE m.device = d.device AND m.bucket_ts = d.bucket_ts" +
           (live ? " AND m.held" : "") +
           // Rows on their way to the partitioned table are out of sight.
           ") AND NOT EXISTS (SELECT FROM partition_controller.conversions c WHERE c.state <> 'converted' "
           "AND "
           "d.bucket_ts >= "
           "c.cut::timestamptz - interval '1 day')" +
           below +
           // A table that was truncated is marked as a whole.
           (live ? ""
                 : " AND NOT EXISTS (SELECT FROM partition_controller.\"marks_" + suffix +
                       "\" a WHERE a.bucket_ts = '-infinity') AND d.bucket_ts >= (SELECT filled_from FROM "
                       "partition_controller.rollups WHERE suffix = "
                       "'" +
                       suffix + "')");
  }

  // Notes what happens to what is compared (PC_ROLLUP_JOURNAL=1), for a person.
  void KeepJournal() {
    database_->Sql(
        "CREATE TABLE journal (at timestamptz DEFAULT clock_timestamp(), xid bigint DEFAULT txid_current(), "
        "kind text, op text, device text, was timestamptz, is_now timestamptz, note text); "
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ DECLARE o jsonb := "
        "CASE "
        "WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END; n jsonb := CASE WHEN TG_OP <> 'DELETE' THEN "
        "to_jsonb(NEW) "
        "END; BEGIN INSERT INTO public.journal (kind, op, device, was, is_now, note) SELECT TG_TABLE_NAME, "
        "TG_OP, "
        "coalesce(n, o) ->> 'device', coalesce(o ->> 'ts', o ->> 'bucket_ts')::timestamptz, coalesce(n ->> "
        "'ts', n "
        "->> 'bucket_ts')::timestamptz, concat_ws(' ', coalesce(n, o) ->> 'id', coalesce(n, o) ->> "
        "'metrics', "
        "coalesce(n, o) ->> 'metric_key', coalesce(n, o) ->> 'n', coalesce(n, o) ->> 'sample_count', "
        "coalesce(n, o) "
        "->> 'total', coalesce(n, o) ->> 'sum_value', coalesce(n, o) ->> 'source'); RETURN NULL; END $$; "
        "CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON shadow FOR EACH ROW EXECUTE FUNCTION "
        "note()");
    for (const Rollup& rollup : policy_.rollups) {
      const std::string suffix = consumer_states_.at(rollup.name).suffix;
      for (const std::string& table : {rollup.table, "partition_controller.\"base_" + suffix + "\"",
                                       "partition_controller.\"marks_" + suffix + "\""}) {
        database_->Sql("CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON " + table +
                       " FOR EACH ROW EXECUTE FUNCTION note()");
      }
    }
    journal_ = true;
  }

  // What there is of one bucket, for a person.
  std::string Describe(const Rollup& rollup, const std::string& device, const std::string& bucket) {
    const std::string suffix = consumer_states_.at(rollup.name).suffix;
    const std::string where =
        " WHERE device = " + QuoteLiteral(device) + " AND bucket_ts = " + QuoteLiteral(bucket);
    const std::string zone = rollup.calendar_day ? "'Europe/Berlin'" : "'UTC'";
    const std::string unit = rollup.calendar_day ? "'day'" : "'hour'";
    const auto list = [&](const std::string& query) {
      return database_->Value("SELECT coalesce(string_agg(x::text, ' '), '-') FROM (" + query + ") x");
    };
    const std::string rows = " WHERE device = " + QuoteLiteral(device) + " AND date_trunc(" + unit +
                             ", ts, " + zone + ") = " + QuoteLiteral(bucket);
    const std::string told =
        !journal_ ? std::string()
                  : "\njournal " +
                        database_->Value(
                            "SELECT string_agg(concat_ws(' ', at, xid, kind, op, was, is_now, note), E'\\n' "
                            "ORDER BY at) FROM journal WHERE device = " +
                            QuoteLiteral(device) + " AND (date_trunc(" + unit + ", was, " + zone +
                            ") = " + QuoteLiteral(bucket) + " OR date_trunc(" + unit + ", is_now, " + zone +
                            ") = " + QuoteLiteral(bucket) + ")");
    return told + "\nstored " +
           list("SELECT metric_key, sample_count, sum_value, updated_at FROM " + rollup.table + where) +
           "\nbase " +
           list("SELECT source, metric_key, n, total FROM partition_controller.\"base_" + suffix + "\"" +
                where) +
           "\nmarks " +
           list("SELECT points, held FROM partition_controller.\"marks_" + suffix + "\"" + where) +
           "\nseals " +
           list(
               "SELECT partition_oid, by_rows, range_from, range_to, sealed_at FROM "
               "partition_controller.sealed WHERE suffix = " +
               QuoteLiteral(suffix) + " AND range_from <= " + QuoteLiteral(bucket) + " AND range_to > " +
               QuoteLiteral(bucket)) +
           "\nrows " + list("SELECT tableoid, id, ts, metrics, created_at FROM points" + rows) +
           "\nall rows " + list("SELECT id, ts, metrics FROM shadow" + rows) + "\npartitions " +
           list(
               "SELECT inhrelid, inhparent::regclass, c.relname, pg_get_expr(relpartbound, c.oid) FROM "
               "pg_inherits "
               "JOIN pg_class c ON c.oid = inhrelid WHERE relkind = 'r' ORDER BY relname");
  }

  // Statements of one writer: transactions of one to four, some undone.
  void Write(int number, std::int64_t statements) {
    std::minstd_rand random(seed_ + static_cast<unsigned>(number));
    const auto any = [&](std::int64_t from, std::int64_t to) {
      return std::uniform_int_distribution<std::int64_t>(from, to)(random);
    };
    pqxx::connection connection(uri_);
    std::int64_t next_id = number * 1'000'000'000LL;
    const auto time = [&] {
      Instant at = kStart + hours(hour_);
      const std::int64_t dice = any(0, 99);
      if (dice < 70)
        at -= microseconds(any(0, 3 * 3'600'000'000LL));
      else if (dice < 90)
        at -= microseconds(any(0, 60 * 3'600'000'000LL));
      else if (dice < 97)
        at -= microseconds(any(0, 240 * 3'600'000'000LL));
      else
        at += microseconds(any(0, 100 * 3'600'000'000LL));
      // On the edges of hours.
      if (any(0, 4) == 0) at = std::chrono::floor<hours>(at) + microseconds(any(-1, 1));
      return "'" + ToString(at) + "'";
    };
    const auto metrics = [&] {
      static const std::vector<std::string> kOdd = {"\"solar\"", "true", "null",
                                                    "\"1e400\"", "[1]",  "{\"x\": 1}"};
      std::string text = "'{\"a\": " + std::to_string(any(-50, 50)) + "." + std::to_string(any(0, 99));
      if (any(0, 1) == 0) text += ", \"b\": \"" + std::to_string(any(0, 9)) + "\"";
      if (any(0, 9) == 0) text += ", \"c\": " + kOdd[static_cast<std::size_t>(any(0, 5))];
      return text + "}'";
    };
    const auto exec = [&](pqxx::nontransaction& session, const std::string& sql) {
      return session.exec(sql);
    };
    for (std::int64_t done = 0; done < statements && !stop_;) {
      pqxx::nontransaction session(connection);
      static const char* kZones[] = {"UTC", "Asia/Kolkata", "America/New_York", "Pacific/Auckland"};
      try {
        exec(session, std::string("SET TimeZone = '") + kZones[any(0, 3)] + "'");
        const bool one_snapshot = any(0, 3) == 0;
        exec(session, one_snapshot ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN");
        bool saved = false;
        for (std::int64_t i = any(1, 4); i > 0; --i, ++done, ++written_) {
          if (any(0, 9) == 0) {
            exec(session, "SAVEPOINT s");
            saved = true;
          }
          const std::int64_t kind = any(0, 99);
          if (number == 1 && fault_ == Fault::kNone && !one_snapshot && any(0, 3'999) == 0) {
            // Of what is there; what has left is gone for good.  An older snapshot
            // would not see all of it.
            exec(session, "LOCK TABLE points; DELETE FROM shadow WHERE id IN (SELECT id FROM points)");
            exec(session, "TRUNCATE points");
            ++truncated_;
          } else if (kind < 70) {
            std::string rows;
            const std::string device = any(0, 199) == 0 ? "NULL" : "'d" + std::to_string(any(0, 5)) + "'";
            for (std::int64_t row = any(1, any(0, 20) == 0 ? 100 : 4); row > 0; --row) {
              rows += (rows.empty() ? "(" : ", (") + std::to_string(next_id++) + ", " + device + ", " +
                      (any(0, 499) == 0 ? std::string("'infinity'") : time()) + ", " + metrics() + ")";
            }
            exec(session, "INSERT INTO points (id, device, ts, metrics) VALUES " + rows);
            exec(session, "INSERT INTO shadow (id, device, ts, metrics) VALUES " + rows);
          } else {
            // Locked first, so that what is done to the rows is done to the shadow.
            const std::string low =
                std::to_string(number * 1'000'000'000LL + any(0, 1 + next_id % 1'000'000'000LL));
            const pqxx::result locked =
                exec(session, "SELECT id FROM points WHERE id >= " + low + " AND id < " +
                                  std::to_string((number + 1) * 1'000'000'000LL) + " ORDER BY id LIMIT " +
                                  std::to_string(any(1, 5)) + " FOR UPDATE");
            std::string ids = "0";
            for (const pqxx::row& row : locked) ids += ", " + row[0].as<std::string>();
            const std::string change = kind < 85        ? ""
                                       : any(0, 1) == 0 ? "ts = " + time()
                                                        : "metrics = " + metrics();
            for (const char* table : {"points", "shadow"}) {
              exec(session,
                   change.empty()
                       ? std::string("DELETE FROM ") + table + " WHERE id IN (" + ids + ")"
                       : std::string("UPDATE ") + table + " SET " + change + " WHERE id IN (" + ids + ")");
            }
          }
          if (saved && any(0, 2) == 0) {
            exec(session, "ROLLBACK TO SAVEPOINT s");
            saved = false;
          }
          if (any(0, 19) == 0) exec(session, "SELECT pg_sleep(0.002)");
        }
        exec(session, any(0, 9) == 0 ? "ROLLBACK" : "COMMIT");
        // The others are to have a part in it.
        if (fault_ == Fault::kNone) std::this_thread::sleep_for(std::chrono::milliseconds(any(0, 8)));
      } catch (const pqxx::transaction_rollback&) {
        session.exec("ROLLBACK");
        ++done;
      } catch (const pqxx::sql_error& e) {
        session.exec("ROLLBACK");
        const std::string state = e.sqlstate();
        // Whoever truncates meets others who hold rows of both tables.
        if (state != "40P01") Complain(e.what());
        ++done;
      }
    }
  }

  // What holds the table and its rollups together, as often as it can.
  void Control() {
    std::minstd_rand random(seed_);
    Policy policy = policy_;
    while (!stop_) {
      // Now and then what was detached is wanted again.
      policy.retention->keep = {random() % 8 == 0 ? 12 : 3, CalendarDuration::Unit::kDay};
      Convergence result;
      try {
        result = ConvergeOn(uri_, policy, Then());
      } catch (const DatabaseError& error) {
        // The controller looks again.
        using Kind = DatabaseError::Kind;
        const Kind kind = error.kind();
        if (kind != Kind::kUnreachable && kind != Kind::kLockTimeout && kind != Kind::kSerialization) throw;
        ++failures_[FailureOf(error, policy).reason];
      }
      if (fault_ == Fault::kNone && result.failure && result.failure->needs_a_person)
        Complain(result.failure->message);
      if (result.failure) ++failures_[result.failure->reason];
      for (const StepOutcome& step : result.steps) {
        if (step.result == "success") ++taken_[step.action.index()];
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  // A refresh of all rollups, as the controller's; false if it was in vain.
  bool Refresh(pqxx::connection& connection, const char* isolation, bool fenced) {
    for (const Rollup& rollup : policy_.rollups) {
      // Which of its days are there the controller knows alone.
      if (rollup.granularity == Granularity::kDay) continue;
      pqxx::nontransaction session(connection);
      try {
        const RollupState state = consumer_states_.at(rollup.name);
        const bool fed = !rollup.finer.empty();
        const RollupSql sql(rollup, state, "public", fed ? "public." + state.finer_table : "public.points",
                            fed ? "bucket_ts" : "ts", version_);
        session.exec(std::string("BEGIN ISOLATION LEVEL ") + isolation +
                     "; SET LOCAL TimeZone = 'UTC'; SET LOCAL search_path = pg_catalog; SET LOCAL jit = off");
        if (fenced) session.exec("UPDATE partition_controller.tables SET acted_at = acted_at");
        session.exec(sql.Refresh(kStart + hours(hour_), std::nullopt, 20));
        session.exec("COMMIT");
      } catch (const pqxx::transaction_rollback&) {
        session.exec("ROLLBACK");
        return false;
      } catch (const pqxx::sql_error& e) {
        session.exec("ROLLBACK");
        Complain(e.what());
        return false;
      }
    }
    return true;
  }

  // A controller that lost its lease and does not know: it refreshes too.
  void Consume() {
    pqxx::connection connection(uri_);
    while (!stop_) {
      Refresh(connection, "REPEATABLE READ", true);
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
  }

  // Looks at one snapshot after the other.
  void Check() {
    pqxx::connection connection(uri_);
    while (!stop_) {
      pqxx::nontransaction session(connection);
      // Before the snapshot is taken: a table that is truncated after it is empty in
      // it (PostgreSQL manual, 13.6), and no view can help that.
      session.exec(
          "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off; LOCK TABLE points IN ACCESS "
          "SHARE MODE");
      for (const Rollup& rollup : policy_.rollups) {
        for (const std::string& table : {rollup.table, rollup.table + "_live"}) {
          if (table != rollup.table && snapshots_ % 10 != 9) continue;
          const pqxx::row row = session.exec(Silent(rollup, consumer_states_.at(rollup.name), table))[0];
          if (row[0].as<std::int64_t>() == 0) continue;
          ++violations_;
          if (violations_ == 1)
            first_ = table + ": " + row[1].as<std::string>("") + " (" + row[0].c_str() + ")";
        }
      }
      session.exec("COMMIT");
      ++snapshots_;
      // A reader that never rests would keep the table from being changed.
      if (fault_ == Fault::kNone) std::this_thread::sleep_for(std::chrono::milliseconds(200));
      if (violations_ > 0 && fault_ != Fault::kNone) stop_ = true;  // caught
    }
  }

  // True if it ended without a difference.
  bool Run(bool partitioned, std::int64_t statements, Fault fault = Fault::kNone) {
    fault_ = fault;
    Make(partitioned);
    if (!partitioned) policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
    version_ = static_cast<int>(database_->Number("SELECT current_setting('server_version_num')"));
    // From the first row on, as a plain table still, where it is to be converted.
    Policy before = policy_;
    if (!partitioned) {
      before.partitioning.conversion = Partitioning::Conversion::kNever;
      before.partitioning.state = Partitioning::State::kDisabled;
      before.retention.reset();
    }
    EXPECT_EQ(TroubleWith(ConvergeOn(uri_, before, Then())), "");
    for (const Rollup& rollup : policy_.rollups) consumer_states_[rollup.name] = StateOf(rollup);
    if (FromEnvironment("PC_ROLLUP_JOURNAL", 0) != 0) KeepJournal();
    std::vector<std::jthread> threads;
    constexpr int kWriters = 4;
    if (fault == Fault::kNone) {
      threads.emplace_back([&] { Control(); });
      threads.emplace_back([&] { Consume(); });
    }
    if (fault == Fault::kWatermark || fault == Fault::kWindow)
      threads.emplace_back([&] { ConsumeNaively(false); });
    threads.emplace_back([&] { Check(); });
    {
      std::vector<std::jthread> writers;
      for (int i = 0; i < kWriters; ++i)
        writers.emplace_back([&, i] { Write(i + 1, statements / kWriters); });
      std::atomic<bool> written{false};
      // Ten days pass meanwhile.
      std::jthread clock([&] {
        while (!written && !stop_) {
          std::this_thread::sleep_for(std::chrono::milliseconds(50));
          if (fault == Fault::kNone) hour_ = static_cast<int>(240 * written_ / statements);
          if (fault == Fault::kDropBeforeSeal) DropOldest();
        }
      });
      writers.clear();
      written = true;
    }
    if (fault == Fault::kDropBeforeSeal) DropUncounted();
    stop_ = true;
    threads.clear();
    stop_ = false;
    std::cout << snapshots_ << " snapshots, " << hour_ << " h; "
              << database_->Value("SELECT count(*) FROM shadow") << " rows, of which in the table "
              << database_->Value("SELECT count(*) FROM points") << "; steps:";
    for (std::size_t i = 0; i < taken_.size(); ++i) {
      if (taken_[i] > 0) std::cout << ' ' << Kinds()[i] << ' ' << taken_[i];
    }
    std::cout << "; truncated " << truncated_;
    for (const auto& [reason, count] : failures_) std::cout << "; " << reason << ' ' << count;
    std::cout << std::endl;
    if (fault == Fault::kWatermark || fault == Fault::kWindow) {
      ConsumeNaively(true);
      return violations_ == 0 && Differences() == 0;
    }
    if (fault != Fault::kNone && violations_ > 0) return false;
    // What lies ahead is settled too.
    hour_ += 120;
    Settle(60);
    if (violations_ > 0 || Differences() > 0) return false;
    // The hours go, and come back; the days that they fed stay.
    Rollup& passing = policy_.rollups[2];
    const std::int64_t all_hours = database_->Number("SELECT count(*) FROM points_hours");
    const std::string days = "SELECT coalesce(sum(sample_count), 0) FROM points_days_live";
    const std::string all_days = database_->Value(days);
    passing.keep = CalendarDuration{1, CalendarDuration::Unit::kDay};
    Settle(10);
    EXPECT_LT(database_->Number("SELECT count(*) FROM points_hours"), all_hours / 2);
    if (Differences("hours") > 0) return false;
    EXPECT_EQ(database_->Value(days), all_days) << "the hours are gone";
    passing.enabled = false;
    Settle(10);
    EXPECT_EQ(database_->Value(days), all_days) << "the hours are paused";
    passing.enabled = true;
    Settle(10);
    if (Differences("hours") > 0) return false;
    passing.keep = CalendarDuration{1, CalendarDuration::Unit::kYear};
    Settle(10);
    EXPECT_EQ(database_->Number("SELECT count(*) FROM points_hours"), all_hours);
    EXPECT_EQ(database_->Value(days), all_days) << "the hours are back";
    return Differences() == 0;
  }

  void Settle(int times) {
    std::string trouble;
    for (int i = 0; i < times; ++i) {
      trouble = TroubleWith(ConvergeOn(uri_, policy_, Then()));
      if (trouble.empty()) break;
    }
    EXPECT_EQ(trouble, "");
  }

  // At the end: what holds something wrong, or is not done with; but for the one
  // that does not hold all now.
  std::int64_t Differences(const std::string& partial = "") {
    std::int64_t count = 0;
    for (const Rollup& rollup : policy_.rollups) {
      if (rollup.name == partial) continue;
      const std::int64_t marks =
          database_->Number("SELECT count(*) FROM partition_controller.\"marks_" + StateOf(rollup).suffix +
                            "\" WHERE bucket_ts < '" + ToString(kStart + hours(hour_ - 25)) + "'");
      if (marks > 0 && first_.empty()) first_ = std::to_string(marks) + " marks are left";
      count += marks;
      // Those that are to come still carry marks.
      const pqxx::row row = database_->Sql(Silent(rollup, StateOf(rollup), rollup.table))[0];
      count += row[0].as<std::int64_t>();
      if (row[0].as<std::int64_t>() > 0 && first_.empty())
        first_ = "at the end: " + row[1].as<std::string>("");
      if (row[0].as<std::int64_t>() > 0 && fault_ == Fault::kNone)
        std::cout << Describe(rollup, row[2].c_str(), row[3].c_str()) << std::endl;
    }
    return count;
  }

  // What EdgeWatch's job, and those that follow created_at, do.
  void ConsumeNaively(bool once) {
    pqxx::connection connection(uri_);
    const Rollup& rollup = policy_.rollups[0];
    const std::string suffix = consumer_states_.at(rollup.name).suffix;
    do {
      pqxx::nontransaction session(connection);
      session.exec("BEGIN ISOLATION LEVEL REPEATABLE READ");
      const std::string since =
          fault_ == Fault::kWatermark
              ? "(device, date_trunc('hour', ts, 'UTC')) IN (SELECT device, date_trunc('hour', ts, 'UTC') "
                "FROM points "
                "WHERE created_at > '" +
                    watermark_ + "')"
              : "ts >= timestamptz '" +
                    ToString(kStart - microseconds(20 * 3'600'000'000LL + 1'234'567'890LL)) + "'";
      session.exec(
          "INSERT INTO points_hourly AS t SELECT device, e.key, date_trunc('hour', ts, 'UTC'), count(*), "
          "min(e.value::float8), max(e.value::float8), avg(e.value::float8), sum(e.value::numeric), now() "
          "FROM "
          "points CROSS JOIN jsonb_each_text(metrics) e WHERE isfinite(ts) AND device IS NOT NULL AND "
          "e.value ~ "
          "'^-?[0-9.]+$' AND " +
          since +
          " GROUP BY 1, 2, 3 ON CONFLICT (device, metric_key, bucket_ts) DO UPDATE SET sample_count = "
          "EXCLUDED.sample_count, min_value = EXCLUDED.min_value, max_value = EXCLUDED.max_value, sum_value "
          "= "
          "EXCLUDED.sum_value");
      watermark_ =
          session.exec("SELECT coalesce(max(created_at), '-infinity')::text FROM points")[0][0].c_str();
      // It knows of no marks.
      session.exec("DELETE FROM partition_controller.\"marks_" + suffix + "\"");
      session.exec("COMMIT");
    } while (!once && !stop_);
  }

  void DropOldest() {
    const std::string oldest = database_->Value(
        "SELECT c.oid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = "
        "i.inhrelid WHERE i.inhparent = 'points'::regclass AND c.relname ~ "
        "'p2026' ORDER BY c.relname LIMIT 1");
    if (oldest.empty()) return;
    database_->Sql("DROP TABLE " + oldest);
    ConvergeOn(uri_, policy_, Then("dropper"));
  }

  // However slow the machine is: one goes with a row that was not counted yet.
  void DropUncounted() {
    const std::string victim = database_->Value(
        "SELECT tableoid::regclass FROM points WHERE tableoid <> 'points_default'::regclass "
        "AND device IS NOT NULL AND metrics ->> 'a' ~ '^[0-9.]+$' ORDER BY ts LIMIT 1");
    database_->Sql("BEGIN; INSERT INTO shadow SELECT -1, device, ts, metrics FROM " + victim +
                   " WHERE device IS NOT NULL AND metrics ->> 'a' ~ '^[0-9.]+$' LIMIT 1; INSERT INTO points "
                   "(id, device, ts, metrics) SELECT * FROM shadow WHERE id = -1; COMMIT; DROP TABLE " +
                   victim);
  }

  // For what is played by a script: the hours, and rows of one bucket that has settled.
  void MakeOneRollup() {
    Make(true);
    policy_.rollups.resize(1);
    version_ = static_cast<int>(database_->Number("SELECT current_setting('server_version_num')"));
    EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy_, Then())), "");
    consumer_states_["hourly"] = StateOf(policy_.rollups[0]);
  }
  static std::string RowSql(int id) {
    std::string sql;
    for (const char* table : {"points", "shadow"}) {
      sql += std::string("INSERT INTO ") + table + " (id, device, ts, metrics) VALUES (" +
             std::to_string(id) + ", 'd', '" + ToString(kStart - hours(2)) + "', '{\"a\": 1}'); ";
    }
    return sql;
  }

  void Complain(const std::string& what) {
    ADD_FAILURE() << what;
    stop_ = true;
  }

  std::string uri_;
  std::unique_ptr<LiveDatabase> database_;
  Policy policy_;
  unsigned seed_ = 0;
  int version_ = 0;
  Fault fault_ = Fault::kNone;
  std::map<std::string, RollupState> consumer_states_;
  std::map<std::string, int> failures_;
  std::vector<int> taken_ = std::vector<int>(Kinds().size());
  std::string watermark_ = "-infinity";
  std::atomic<int> hour_{0};
  std::atomic<std::int64_t> written_{0};
  std::atomic<int> truncated_{0};
  bool journal_ = false;
  std::atomic<bool> stop_{false};
  std::int64_t snapshots_ = 0;
  std::int64_t violations_ = 0;
  std::string first_;
};

TEST_F(Fuzz, APartitionedTable) {
  EXPECT_TRUE(Run(true, Statements() / 2)) << violations_ << " violations; " << first_;
  EXPECT_GT(snapshots_, 5);
  EXPECT_EQ(Differences(), 0);
}

TEST_F(Fuzz, ATableThatIsConverted) {
  EXPECT_TRUE(Run(false, Statements() / 2)) << violations_ << " violations; " << first_;
  EXPECT_EQ(database_->Value("SELECT relkind FROM pg_class WHERE relname = 'points'"), "p");
  EXPECT_EQ(Differences(), 0);
}

// One that lost the processor between what it read and what it writes, while
// another one, without a fence, did the same for a newer row.  Planted: at READ
// COMMITTED the older value stays, and nothing says so.
class SlowConsumer : public Fuzz, public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(At, SlowConsumer, testing::Values("READ COMMITTED", "REPEATABLE READ"));

TEST_P(SlowConsumer, OverwritesNothingNewer) {
  const std::string isolation = GetParam();
  MakeOneRollup();
  database_->Sql(
      "CREATE FUNCTION lull() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF "
      "current_setting('application_name') = "
      "'slow' THEN PERFORM pg_advisory_lock_shared(1), pg_advisory_unlock_shared(1); END IF; RETURN NULL; "
      "END $$");
  // Before the first thing that it writes, whichever that is.
  const std::string suffix = consumer_states_["hourly"].suffix;
  for (const std::string& table :
       {std::string("points_hourly"), std::string("partition_controller.rollups"),
        "partition_controller.\"marks_" + suffix + "\"", "partition_controller.\"base_" + suffix + "\""}) {
    database_->Sql("CREATE TRIGGER lull BEFORE INSERT OR UPDATE OR DELETE ON " + table +
                   " EXECUTE FUNCTION lull()");
  }
  database_->Sql(RowSql(1));
  database_->Sql("SELECT pg_advisory_lock(1)");
  bool slow_one_wrote = false;
  std::jthread slow([&] {
    pqxx::connection connection(uri_ + (uri_.find('?') == std::string::npos ? "?" : "&") +
                                "application_name=slow");
    slow_one_wrote = Refresh(connection, isolation.c_str(), false);
  });
  ASSERT_TRUE(Eventually([&] {
    return database_->Number(
               "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'slow' AND wait_event = "
               "'advisory'") == 1;
  }));
  database_->Sql(RowSql(2));
  pqxx::connection quick(uri_);
  EXPECT_TRUE(Refresh(quick, isolation.c_str(), false));
  EXPECT_EQ(database_->Number("SELECT sample_count FROM points_hourly"), 2);
  database_->Sql("SELECT pg_advisory_unlock(1)");
  slow.join();
  const bool planted = isolation == "READ COMMITTED";
  EXPECT_EQ(slow_one_wrote, planted);
  EXPECT_EQ(Differences() > 0, planted);
}

// A mark is there already while a row of its bucket is written, and taken before
// that commits.  Planted: marks that are written once only.
class EarlyMark : public Fuzz, public testing::WithParamInterface<bool> {};

INSTANTIATE_TEST_SUITE_P(Planted, EarlyMark, testing::Bool());

TEST_P(EarlyMark, StandsForNoLaterRow) {
  const bool planted = GetParam();
  MakeOneRollup();
  const std::string suffix = consumer_states_["hourly"].suffix;
  if (planted) {
    database_->Sql("CREATE UNIQUE INDEX ON partition_controller.\"marks_" + suffix +
                   "\" (device, bucket_ts)");
    std::string source = database_->Value("SELECT pg_get_functiondef('partition_controller.\"mark_" + suffix +
                                          "\"()'::regprocedure)");
    int places = 0;
    for (std::size_t at = 0; (at = source.find("x.bucket_ts;", at)) != std::string::npos;
         at += 40, ++places) {
      source.replace(at, 12, "x.bucket_ts ON CONFLICT DO NOTHING;");
    }
    ASSERT_GT(places, 0);
    database_->Sql(source);
  }
  database_->Sql(RowSql(1));
  LiveDatabase writer(uri_);
  writer.Sql("BEGIN; " + RowSql(2));
  pqxx::connection consumer(uri_);
  EXPECT_TRUE(Refresh(consumer, "REPEATABLE READ", true));
  EXPECT_EQ(database_->Number("SELECT sample_count FROM points_hourly"), 1);
  writer.Sql("COMMIT");
  EXPECT_TRUE(Refresh(consumer, "REPEATABLE READ", true));
  EXPECT_EQ(Differences() > 0, planted);
}

class PlantedFault : public Fuzz, public testing::WithParamInterface<Fault> {};

INSTANTIATE_TEST_SUITE_P(Each, PlantedFault,
                         testing::Values(Fault::kWatermark, Fault::kDropBeforeSeal, Fault::kWindow));

TEST_P(PlantedFault, IsCaught) {
  EXPECT_FALSE(Run(true, 10'000, GetParam())) << "after " << snapshots_ << " snapshots";
  std::cout << first_ << std::endl;
}

}  // namespace
}  // namespace partition_controller
