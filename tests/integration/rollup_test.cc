// Rollups on a real server: what is stored, and what the live view shows, is
// what the rows say, whatever happens to the rows and to the table.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "reconcilers/quote.h"
#include "tests/support/edgewatch.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

using testing::Contains;

using testing::HasSubstr;

const Instant kNow = At("2026-07-15T12:00:00Z");

Rollup Hourly() {
  Rollup rollup;
  rollup.name = "hourly";
  rollup.table = "telemetry_rollups_hourly";
  rollup.dimensions = {"device_id"};
  rollup.jsonb = "metrics";
  return rollup;
}

// The rule of docs/rollups.md in words of its own: a number, or a string like
// one, that a double can hold.
constexpr char kTruth[] =
    "CREATE FUNCTION as_number(v jsonb) RETURNS numeric LANGUAGE plpgsql AS $$ BEGIN IF jsonb_typeof(v) = "
    "'number' "
    "OR (jsonb_typeof(v) = 'string' AND v #>> '{}' ~ '^[+-]?(\\d+(\\.\\d+)?|\\.\\d+)([eE][+-]?\\d+)?$') THEN "
    "PERFORM (v #>> '{}')::double precision; RETURN (v #>> '{}')::numeric; END IF; RETURN NULL; EXCEPTION "
    "WHEN "
    "numeric_value_out_of_range THEN RETURN NULL; END $$;"
    "CREATE FUNCTION truth(since timestamptz) RETURNS TABLE (device_id text, metric_key text, bucket_ts "
    "timestamptz, "
    "n bigint, lo float8, hi float8, total numeric) LANGUAGE sql AS $$ SELECT p.device_id, e.key, "
    "date_trunc('hour', "
    "p.ts, 'UTC'), count(*), min(as_number(e.value))::float8, max(as_number(e.value))::float8, "
    "sum(as_number(e.value)) FROM telemetry_points p CROSS JOIN jsonb_each(CASE jsonb_typeof(p.metrics) WHEN "
    "'object' THEN p.metrics ELSE '{}' END) e WHERE as_number(e.value) IS NOT NULL AND length(e.key) <= 64 "
    "AND "
    "isfinite(p.ts) AND p.ts >= since GROUP BY 1, 2, 3 $$";

class RollupsOf : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    uri_ = PostgresServer::Shared().CreateDatabase("rollup");
    database_ = std::make_unique<LiveDatabase>(uri_);
    database_->MarkAsTest();
    policy_ = PolicyFor("telemetry_points");
    policy_.rollups = {Hourly()};
  }

  void Make(TelemetryTable kind, std::int64_t points = 1'200) {
    CreateEdgeWatchTables(uri_, kind);
    if (kind == TelemetryTable::kPartitioned) CreateEdgeWatchPartitions(uri_, "2026-05-01", "2026-08-31");
    GenerateEdgeWatchData(uri_, {.devices = 5,
                                 .points = points,
                                 .since = "2026-05-10 00:00+00",
                                 .until = "2026-07-15 12:00+00",
                                 .series = 0,
                                 .received = ""});
    database_->Sql(kTruth);
  }

  Convergence Run(Instant at = kNow) {
    return ConvergeOn(uri_, policy_,
                      {.preview = at, .acknowledged = {}, .holder = "test", .stop = {}, .on_step = {}});
  }

  std::int64_t Differences(const std::string& table, const std::string& since = "-infinity") {
    const std::string stored =
        "SELECT device_id::text, metric_key::text, bucket_ts, sample_count::bigint, min_value, "
        "max_value, sum_value FROM " +
        table + " WHERE bucket_ts >= '" + since + "'";
    const std::string truth = "SELECT * FROM truth('" + since + "')";
    return database_->Number("SELECT count(*) FROM ((" + stored + " EXCEPT ALL " + truth + ") UNION ALL (" +
                             truth + " EXCEPT ALL " + stored + ")) d");
  }
  std::int64_t Wrong(const std::string& since = "-infinity") {
    return Differences("telemetry_rollups_hourly", since);
  }
  std::int64_t WrongLive(const std::string& since = "-infinity") {
    return Differences("telemetry_rollups_hourly_live", since);
  }

  // As docs/rollups.md says: pause, drop the view, change, go on.
  void ChangeWhilePaused(const std::string& sql) {
    ASSERT_EQ(TroubleWith(Run()), "");
    policy_.rollups[0].enabled = false;
    ASSERT_EQ(TroubleWith(Run()), "");
    database_->Sql("DROP VIEW telemetry_rollups_hourly_live; " + sql);
    policy_.rollups[0].enabled = true;
    ASSERT_EQ(TroubleWith(Run()), "");
  }

  // A point; the device exists.
  void Insert(const std::string& ts, const std::string& metrics, int device = 0) {
    database_->Sql(
        "INSERT INTO telemetry_points (id, message_id, device_id, ts, metrics) SELECT 'x' || n, 'x' || n, "
        "(SELECT device_id FROM devices ORDER BY device_id OFFSET " +
        std::to_string(device) + " LIMIT 1), '" + ts + "', " + QuoteLiteral(metrics) + " FROM (SELECT " +
        std::to_string(++inserted_) + ") AS x (n)");
  }

  std::string Stored() {
    return database_->Value(
        "SELECT md5(string_agg(r::text, ',' ORDER BY device_id, metric_key, bucket_ts)) FROM "
        "(SELECT device_id, metric_key, bucket_ts, sample_count, min_value, max_value, sum_value "
        "FROM telemetry_rollups_hourly WHERE metric_key <> 'late') r");
  }

  std::string uri_;
  std::unique_ptr<LiveDatabase> database_;
  Policy policy_;
  int inserted_ = 0;
};

class RollupsOfAnyTable : public RollupsOf, public testing::WithParamInterface<TelemetryTable> {};

INSTANTIATE_TEST_SUITE_P(Table, RollupsOfAnyTable,
                         testing::Values(TelemetryTable::kPlain, TelemetryTable::kPartitioned),
                         [](const auto& one) {
                           return std::string(one.param == TelemetryTable::kPlain ? "Plain" : "Partitioned");
                         });

TEST_P(RollupsOfAnyTable, FollowEveryChange) {
  Make(GetParam());
  if (GetParam() == TelemetryTable::kPlain) policy_.partitioning.state = Partitioning::State::kDisabled;
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
  EXPECT_GT(database_->Number("SELECT count(*) FROM telemetry_rollups_hourly"), 1'000);

  database_->Sql(
      "UPDATE telemetry_points SET ts = ts - interval '31 days' WHERE ts > '2026-07-01' AND id LIKE '%a'");
  database_->Sql("DELETE FROM telemetry_points WHERE ts BETWEEN '2026-06-10' AND '2026-06-12'");
  Insert("2026-05-20 10:30+00", R"({"battery_v": 12.5})");
  EXPECT_GT(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
  // A bucket that is open still is not computed, and the view has it.
  Insert("2026-07-15 11:59:59+00", R"({"battery_v": 1})");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_GT(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::minutes(5))), "");
  EXPECT_EQ(Wrong(), 0);
  // A truncated table has nothing.
  database_->Sql("TRUNCATE telemetry_points");
  EXPECT_EQ(WrongLive(), 0);
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
}

TEST_F(RollupsOf, BadValuesAreSkippedAndCounted) {
  Make(TelemetryTable::kPartitioned, 100);
  ASSERT_EQ(TroubleWith(Run()), "");
  const std::string long_key(200, 'k');
  Insert(
      "2026-07-01 10:00+00",
      R"({"a": "1e400", "b": "NaN", "c": null, "d": {"x": 1}, "e": [1], "f": " 7", "g": "1_0", "h": "0x1F", "i": "1.",
             "j": "+1.5e3", "k\"'; --": 1, "ключ": 2, "": 3, "l": "-.5E-2", "m": true, "n": 1e-400, "o": 5e-324,
             "p": 1.7976931348623157e308, "q": 1e309, ")" +
          long_key + R"(": 1})");
  Insert("2026-07-01 10:01+00", R"({"j": "power", "a": 1, "p": 1.7976931348623157e308})");
  Insert("2026-07-01 10:02+00", "[1, 2]");
  Insert("2026-07-01 10:03+00", "7");
  Insert("infinity", R"({"a": 1})");
  Insert("-infinity", R"({"a": 1})");
  EXPECT_EQ(WrongLive("2026-06-30"), 0);
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong("2026-06-30"), 0);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM telemetry_rollups_hourly WHERE NOT isfinite(bucket_ts)"),
            0);
  EXPECT_EQ(database_->Column(
                "SELECT metric_key FROM telemetry_rollups_hourly WHERE bucket_ts = '2026-07-01 10:00+00' "
                "AND metric_key !~ '_' ORDER BY metric_key COLLATE \"C\""),
            (std::vector<std::string>{"", "a", "j", "k\"'; --", "l", "o", "p", "ключ"}));
  // 1e400, 1e-400, 1e309, the long key; and two points without a time.
  EXPECT_EQ(database_->Number("SELECT skipped_values FROM partition_controller.rollups"), 6);
}

TEST_F(RollupsOf, PartitionsLeaveAndComeBack) {
  Make(TelemetryTable::kPartitioned);
  policy_.retention = Keep("20d", Retention::Action::kDrop, "24h");
  ASSERT_EQ(TroubleWith(Run()), "");
  const std::string before = Stored();
  EXPECT_EQ(Wrong("2026-06-26"), 0);
  EXPECT_THAT(database_->Partitions("telemetry_points"), testing::Not(Contains(HasSubstr("p202605"))));
  // All of May is still there, and is what it was when the rows were.
  EXPECT_GT(database_->Number("SELECT count(*) FROM telemetry_rollups_hourly WHERE bucket_ts < '2026-06-01'"),
            500);
  // Late points are added, once.
  const std::string bucket =
      "telemetry_rollups_hourly WHERE bucket_ts = '2026-05-20 10:00+00' AND metric_key = 'late'";
  Insert("2026-05-20 10:30+00", R"({"late": 2})");
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2026-05-20 10:40+00", R"({"late": 5})");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Value("SELECT sample_count || ' ' || sum_value || ' ' || avg_value FROM " + bucket),
            "2 7 3.5");
  EXPECT_EQ(database_->Number("SELECT late_points FROM partition_controller.rollups"), 2);
  // They go with what they belong to.
  EXPECT_EQ(database_->Number("SELECT count(*) FROM telemetry_points WHERE ts < '2026-06-01'"), 2);
  EXPECT_EQ(Stored(), before);
  // The policy changes its mind.
  policy_.retention->keep = {3, CalendarDuration::Unit::kMonth};
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_THAT(database_->Partitions("telemetry_points"), Contains(HasSubstr("p202605")));
  EXPECT_EQ(Wrong(), 0);
  Insert("2026-05-20 10:50+00", R"({"late": 1})");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
}

// Buckets of a day in Berlin, which months in UTC cut in two.
TEST_F(RollupsOf, BucketsAcrossTheEndOfAPartition) {
  Make(TelemetryTable::kPartitioned);
  Rollup daily = Hourly();
  daily.name = "daily";
  daily.table = "telemetry_rollups_daily";
  daily.calendar_day = true;
  daily.time_zone = "Europe/Berlin";
  policy_.rollups.push_back(daily);
  policy_.retention = Keep("90d", Retention::Action::kDrop, "0h");
  ASSERT_EQ(TroubleWith(Run()), "");
  const auto stored = [&] {
    return database_->Value(
        "SELECT md5(string_agg(r::text, ',' ORDER BY device_id, metric_key, bucket_ts)) FROM "
        "(SELECT device_id, metric_key, bucket_ts, sample_count, min_value, max_value, sum_value "
        "FROM telemetry_rollups_daily) r");
  };
  const std::string daily_before = stored();
  const std::string before = Stored();
  EXPECT_EQ(
      database_->Number("SELECT count(*) FROM telemetry_rollups_daily WHERE date_trunc('day', bucket_ts, "
                        "'Europe/Berlin') <> bucket_ts"),
      0);
  EXPECT_EQ(database_->Number("SELECT count(DISTINCT bucket_ts) FROM telemetry_rollups_daily"), 67);
  policy_.retention->keep = {20, CalendarDuration::Unit::kDay};
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_THAT(database_->Partitions("telemetry_points"), testing::Not(Contains(HasSubstr("p202605"))));
  EXPECT_EQ(stored(), daily_before);
  EXPECT_EQ(Stored(), before);
  // The day of which two hours are gone is still added to as it should be.
  const std::string sum =
      "SELECT sum(sample_count) FROM telemetry_rollups_daily WHERE bucket_ts = '2026-05-31 22:00+00'";
  const std::int64_t count = database_->Number(sum);
  Insert("2026-06-01 10:00+00", R"({"late": 1})");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Number(sum), count + 1);
  policy_.retention->keep = {1, CalendarDuration::Unit::kDay};
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Number(sum), count + 1);
}

TEST_F(RollupsOf, RowDeletesChangeNothing) {
  Make(TelemetryTable::kPlain);
  policy_.partitioning.state = Partitioning::State::kDisabled;
  policy_.rollups[0].interval = std::chrono::minutes(15);
  Rollup daily = Hourly();
  daily.name = "daily";
  daily.table = "telemetry_rollups_daily";
  daily.calendar_day = true;
  daily.time_zone = "Asia/Kolkata";
  policy_.rollups.push_back(daily);
  ASSERT_EQ(TroubleWith(Run()), "");
  const auto sums = [&](const std::string& table) {
    return database_->Value("SELECT count(*) || ' ' || sum(sample_count) || ' ' || sum(sum_value) FROM " +
                            table);
  };
  const std::string fine = sums("telemetry_rollups_hourly");
  const std::string coarse = sums("telemetry_rollups_daily");
  policy_.retention = Keep("30d");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Value("SELECT min(ts) >= '2026-06-14 18:30+00' FROM telemetry_points"), "t");
  EXPECT_EQ(sums("telemetry_rollups_hourly"), fine);
  EXPECT_EQ(sums("telemetry_rollups_daily"), coarse);
  EXPECT_EQ(
      database_->Number(
          "SELECT count(*) FROM partition_controller.\"base_" +
          database_->Value("SELECT suffix FROM partition_controller.rollups WHERE name = 'daily'") + "\""),
      0);
  Insert("2026-05-20 10:30+00", R"({"late": 2})");
  ASSERT_EQ(TroubleWith(Run()), "");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM telemetry_points WHERE ts < '2026-06-01'"), 0);
  for (const char* table : {"telemetry_rollups_hourly", "telemetry_rollups_daily"}) {
    EXPECT_EQ(database_->Number(std::string("SELECT sum(sample_count) FROM ") + table +
                                " WHERE metric_key = 'late'"),
              1);
  }
}

TEST_F(RollupsOf, RowsThatAreDeletedAreCountedOnceMore) {
  Make(TelemetryTable::kPlain);
  policy_.partitioning.state = Partitioning::State::kDisabled;
  ASSERT_EQ(TroubleWith(Run()), "");
  const std::string before = Stored();
  database_->Sql("DELETE FROM telemetry_rollups_hourly WHERE bucket_ts::date = '2026-05-15'");
  ASSERT_NE(Stored(), before);
  policy_.retention = Keep("30d");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM telemetry_points WHERE ts < '2026-06-15'"), 0);
  EXPECT_EQ(Stored(), before);
}

TEST_F(RollupsOf, ConversionAndTheWayBack) {
  Make(TelemetryTable::kPlain);
  policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
  policy_.partitioning.uniqueness = Partitioning::Uniqueness::kPerPartition;
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(database_->Value("SELECT relkind FROM pg_class WHERE relname = 'telemetry_points'"), "p");
  // Rows of every partition, of the past and of the future.
  Insert("2026-05-20 10:30+00", R"({"x": 2})");
  Insert("2026-07-15 10:30+00", R"({"x": 3})");
  Insert("2026-09-15 10:30+00", R"({"x": 4})");
  EXPECT_EQ(WrongLive(), 0);
  ASSERT_EQ(TroubleWith(Run(At("2026-09-16T00:00:00Z"))), "");
  EXPECT_EQ(Wrong(), 0);
  policy_.partitioning.conversion = Partitioning::Conversion::kRevert;
  ASSERT_EQ(TroubleWith(Run(At("2026-09-16T00:00:00Z"))), "");
  EXPECT_EQ(database_->Value("SELECT relkind FROM pg_class WHERE relname = 'telemetry_points'"), "r");
  EXPECT_EQ(Wrong(), 0);
  Insert("2026-05-20 10:31+00", R"({"x": 5})");
  EXPECT_EQ(WrongLive(), 0);
  ASSERT_EQ(TroubleWith(Run(At("2026-09-16T00:00:00Z"))), "");
  EXPECT_EQ(Wrong(), 0);
}

TEST_F(RollupsOf, PausedAndResumed) {
  Make(TelemetryTable::kPartitioned);
  ASSERT_EQ(TroubleWith(Run()), "");
  policy_.rollups[0].enabled = false;
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'partition_controller%'"),
            0);
  EXPECT_EQ(WrongLive(), 0);
  Insert("2026-05-20 10:30+00", R"({"x": 2})");
  database_->Sql("DELETE FROM telemetry_points WHERE ts BETWEEN '2026-06-10' AND '2026-06-12'");
  EXPECT_GT(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
  policy_.rollups[0].enabled = true;
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  // Out of the policy, the table stays.
  policy_.rollups.clear();
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
  EXPECT_EQ(
      database_->Number("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
                        "nspname = 'partition_controller' AND relname ~ '^(marks|base)_'"),
      0);
  policy_.rollups = {Hourly()};
  Insert("2026-05-20 10:31+00", R"({"x": 2})");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
}

TEST_F(RollupsOf, WhatSomebodyBreaksIsMended) {
  Make(TelemetryTable::kPartitioned);
  ASSERT_EQ(TroubleWith(Run()), "");
  for (const char* breakage :
       {"DROP TRIGGER partition_controller_hourly_i ON telemetry_points",
        "ALTER TABLE telemetry_points DISABLE TRIGGER partition_controller_hourly_d",
        "DO $$ BEGIN EXECUTE format('CREATE OR REPLACE FUNCTION partition_controller.%I() RETURNS trigger "
        "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$BEGIN RETURN NULL; "
        "END$f$', 'mark_' || (SELECT suffix FROM partition_controller.rollups)); END $$"}) {
    database_->Sql(breakage);
    Insert("2026-05-20 10:30+00", R"({"x": 2})");
    database_->Sql("DELETE FROM telemetry_points WHERE ts BETWEEN '2026-06-10' AND '2026-06-12'");
    ASSERT_EQ(TroubleWith(Run()), "") << breakage;
    EXPECT_EQ(Wrong(), 0) << breakage;
  }
  database_->Sql("DROP VIEW telemetry_rollups_hourly_live; DROP TABLE telemetry_rollups_hourly");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
}

// The API's table: rows that it had for times whose points are gone stay.
TEST_F(RollupsOf, ATableWithHistoryIsAdopted) {
  Make(TelemetryTable::kPartitioned);
  database_->Sql(
      "INSERT INTO telemetry_rollups_hourly SELECT device_id, 'old', h, 3, 1, 3, 2 FROM devices, "
      "generate_series("
      "timestamptz '2026-01-01 00:00+00', '2026-06-30 00:00+00', '12 hours') h");
  const std::int64_t old = database_->Number(
      "SELECT count(*) FROM telemetry_rollups_hourly WHERE bucket_ts < "
      "'2026-05-10'");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(
      database_->Number("SELECT count(*) FROM telemetry_rollups_hourly WHERE bucket_ts < '2026-05-10' AND "
                        "metric_key = 'old' AND sample_count = 3"),
      old);
  EXPECT_EQ(
      database_->Column(
          "SELECT column_name || ' ' || data_type FROM information_schema.columns WHERE table_name "
          "= 'telemetry_rollups_hourly' ORDER BY ordinal_position"),
      (std::vector<std::string>{
          "device_id character varying", "metric_key character varying", "bucket_ts timestamp with time zone",
          "sample_count integer", "min_value double precision", "max_value double precision",
          "avg_value double precision", "updated_at timestamp with time zone", "sum_value numeric"}));
  Insert("2026-02-01 00:30+00", R"({"old": 10})");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Value(
                "SELECT sample_count || ' ' || max_value || ' ' || avg_value FROM telemetry_rollups_hourly "
                "WHERE bucket_ts = '2026-02-01 00:00+00' AND metric_key = 'old' AND device_id = (SELECT "
                "min(device_id) FROM devices)"),
            "4 10 4");
}

TEST_F(RollupsOf, PointsOnTheirWayOutOfADefaultPartitionAreNotLost) {
  Make(TelemetryTable::kPartitioned, 300);
  ASSERT_EQ(TroubleWith(Run()), "");
  // The default partition has rows of a month that has no partition.
  Insert("2026-04-10 10:30+00", R"({"x": 1})");
  Insert("2026-11-10 10:30+00", R"({"x": 1})");
  policy_.partitioning.premake = 4;
  int written = 0;
  const Approach approach{.preview = kNow,
                          .acknowledged = {},
                          .holder = "test",
                          .stop = {},
                          .on_step = [&](const StepOutcome& step) {
                            if (!std::holds_alternative<BeginDrain>(step.action)) return;
                            ++written;
                            Insert("2026-04-10 10:31+00", R"({"x": 2})");
                            Insert("2026-11-10 10:31+00", R"({"x": 2})");
                          }};
  ASSERT_EQ(TroubleWith(ConvergeOn(uri_, policy_, approach)), "");
  EXPECT_GT(written, 0);
  EXPECT_EQ(WrongLive(), 0);
  ASSERT_EQ(TroubleWith(Run(At("2026-11-15T12:00:00Z"))), "");
  EXPECT_EQ(Wrong(), 0);
}

// What no trigger sees.
TEST_F(RollupsOf, TheAuditFindsWhatBypassedTheTriggers) {
  Make(TelemetryTable::kPartitioned, 10);
  for (int i = 0; i < 20; ++i)
    Insert("2026-07-01 1" + std::to_string(i % 10) + ":00+00", R"({"a": 1, "b": 2})");
  database_->Sql("DELETE FROM telemetry_points WHERE id NOT LIKE 'x%'");
  ASSERT_EQ(TroubleWith(Run()), "");
  ASSERT_EQ(Wrong(), 0);
  EXPECT_EQ(database_->Number("SELECT mismatches FROM partition_controller.rollups"), 0);
  database_->Sql("UPDATE telemetry_points_p202607 SET metrics = '{\"a\": 7}' WHERE id = 'x1'");
  database_->Sql("DELETE FROM telemetry_points_p202607 WHERE id = 'x2'");
  database_->Sql(
      "INSERT INTO telemetry_points_p202607 (id, message_id, device_id, ts, metrics) SELECT 'y', 'y', "
      "device_id, ts, '{\"c\": 3}' FROM telemetry_points_p202607 WHERE id = 'x3'");
  database_->Sql("DELETE FROM telemetry_rollups_hourly WHERE bucket_ts = '2026-07-01 15:00+00'");
  EXPECT_GT(Wrong(), 0);
  // It comes every ten minutes; time passes quickly here.
  for (int i = 0; i < 100 && Wrong() > 0; ++i) {
    database_->Sql("UPDATE partition_controller.rollups SET audited_at = NULL");
    ASSERT_EQ(TroubleWith(Run()), "");
  }
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(database_->Number("SELECT mismatches FROM partition_controller.rollups"), 4);
  EXPECT_GT(database_->Number("SELECT audited FROM partition_controller.rollups"), 4);
}

// What rows were ever accepted, and what the rollup says of them: `accepted` is
// a copy that nothing is removed from.
class RollupsOfAll : public RollupsOf {
 protected:
  void Accept() {
    database_->Sql(
        "CREATE TABLE accepted (LIKE telemetry_points); INSERT INTO accepted SELECT * FROM telemetry_points; "
        "CREATE FUNCTION accept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO accepted SELECT * "
        "FROM "
        "fresh; RETURN NULL; END $$; CREATE TRIGGER accept AFTER INSERT ON telemetry_points REFERENCING NEW "
        "TABLE AS "
        "fresh FOR EACH STATEMENT EXECUTE FUNCTION accept()");
    std::string truth = kTruth;
    truth.erase(0, truth.find("CREATE FUNCTION truth"));
    truth.replace(truth.find("telemetry_points"), std::string("telemetry_points").size(), "accepted");
    truth.replace(0, std::string("CREATE FUNCTION").size(), "CREATE OR REPLACE FUNCTION");
    database_->Sql(truth);
  }
};

TEST_F(RollupsOfAll, LatePointsOfHistoryThatIsTakenOverAreAddedWhileItIsFilled) {
  Make(TelemetryTable::kPartitioned, 300);
  database_->Sql(
      "INSERT INTO telemetry_rollups_hourly SELECT device_id, 'old', '2026-02-01 00:00+00', 3, 1, 3, 2 FROM "
      "devices");
  // Its mark is taken before filling comes that far.
  int written = 0;
  std::stop_source stop;
  ConvergeOn(uri_, policy_,
             {.preview = kNow,
              .acknowledged = {},
              .holder = "test",
              .stop = stop.get_token(),
              .on_step = [&](const StepOutcome& step) {
                if (!std::holds_alternative<InstallRollup>(step.action)) return;
                ++written;
                Insert("2026-02-01 00:30+00", R"({"old": 10})");
                stop.request_stop();
              }});
  ASSERT_EQ(written, 1);
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(
      database_->Value("SELECT sample_count || ' ' || max_value || ' ' || avg_value FROM "
                       "telemetry_rollups_hourly WHERE bucket_ts = '2026-02-01 00:00+00' AND device_id = "
                       "(SELECT min(device_id) FROM devices)"),
      "4 10 4");
}

TEST_F(RollupsOfAll, LatePointsThatAreDeletedWhilePausedAreNotAllThatIsLeft) {
  Make(TelemetryTable::kPartitioned);
  Accept();
  policy_.retention = Keep("20d", Retention::Action::kDrop, "0h");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  policy_.rollups[0].enabled = false;
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2026-05-20 10:30+00", R"({"battery_v": 2})");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM telemetry_points WHERE ts < '2026-06-01'"), 0);
  policy_.rollups[0].enabled = true;
  ASSERT_EQ(TroubleWith(Run()), "");
  // It expired before anybody counted it, and is counted with the next one.
  Insert("2026-05-20 10:40+00", R"({"battery_v": 5})");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
}

TEST_F(RollupsOfAll, APartitionThatLostRowsAndGotLateOnesLeavesAndComesBack) {
  Make(TelemetryTable::kPartitioned);
  Accept();
  policy_.retention = Keep("50d", Retention::Action::kDrop, "24h");
  policy_.partitioning.state = Partitioning::State::kDisabled;
  ASSERT_EQ(TroubleWith(Run()), "");
  // A part of May is gone, row by row.
  ASSERT_EQ(database_->Value("SELECT min(ts) >= '2026-05-26 12:00+00' FROM telemetry_points"), "t");
  const auto late = [&] {
    Insert("2026-05-12 10:30+00", R"({"battery_v": 2, "late": 1})");
    Insert("2026-05-28 10:30+00", R"({"battery_v": 2, "late": 1})");
  };
  policy_.retention.reset();
  for (int i = 0; i < 2; ++i) {
    late();
    ASSERT_EQ(TroubleWith(Run()), "");
    EXPECT_EQ(Wrong(), 0);
  }
  policy_.retention = Keep("20d", Retention::Action::kDrop, "24h");
  policy_.partitioning.state = Partitioning::State::kEnabled;
  ASSERT_EQ(TroubleWith(Run()), "");
  ASSERT_THAT(database_->Partitions("telemetry_points"), testing::Not(Contains(HasSubstr("p202605"))));
  EXPECT_EQ(Wrong(), 0);
  late();
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  // And back; what the default partition has is moved into it.
  late();
  policy_.retention->keep = {3, CalendarDuration::Unit::kMonth};
  ASSERT_EQ(TroubleWith(Run()), "");
  ASSERT_THAT(database_->Partitions("telemetry_points"), Contains(HasSubstr("p202605")));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Wrong(), 0);
    EXPECT_EQ(WrongLive(), 0);
    late();
    ASSERT_EQ(TroubleWith(Run()), "");
  }
  // Once more, for good.
  policy_.retention = Keep("20d", Retention::Action::kDrop, "0h");
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(TroubleWith(Run()), "");
    EXPECT_EQ(Wrong(), 0);
    EXPECT_EQ(WrongLive(), 0);
    late();
  }
}

TEST_F(RollupsOfAll, LatePointsAreRefusedWhereThePolicySaysSo) {
  Make(TelemetryTable::kPartitioned);
  policy_.rollups[0].merge_late = false;
  policy_.retention = Keep("20d", Retention::Action::kDrop, "24h");
  ASSERT_EQ(TroubleWith(Run()), "");
  const auto held = [&](const std::string& table) {
    return database_->Value(
        "SELECT md5(string_agg(r::text, ',' ORDER BY device_id, metric_key, bucket_ts)) FROM "
        "(SELECT device_id, metric_key, bucket_ts, sample_count, min_value, max_value, sum_value "
        "FROM " +
        table + " WHERE bucket_ts < '2026-06-01') r");
  };
  const std::string before = held("telemetry_rollups_hourly");
  Insert("2026-05-20 10:30+00", R"({"battery_v": 2})");
  EXPECT_EQ(held("telemetry_rollups_hourly_live"), before);
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2026-05-20 10:40+00", R"({"battery_v": 2})");
  database_->Sql("UPDATE telemetry_points SET metrics = '{}' WHERE ts < '2026-06-01'");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(held("telemetry_rollups_hourly"), before);
  EXPECT_EQ(held("telemetry_rollups_hourly_live"), before);
  EXPECT_EQ(database_->Number("SELECT late_points FROM partition_controller.rollups"), 2);
  // Also when all is computed again, and when they expire.
  database_->Sql("DROP TRIGGER partition_controller_hourly_i ON telemetry_points");
  ASSERT_EQ(TroubleWith(Run()), "");
  policy_.retention->undo_window = {0, CalendarDuration::Unit::kHour};
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::hours(26))), "");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM telemetry_points WHERE ts < '2026-06-01'"), 0);
  EXPECT_EQ(held("telemetry_rollups_hourly"), before);
  EXPECT_EQ(held("telemetry_rollups_hourly_live"), before);
  // What is not sealed takes any.
  Insert("2026-07-01 10:30+00", R"({"battery_v": 2})");
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::hours(26))), "");
  EXPECT_EQ(Wrong("2026-06-01"), 0);
}

// An undo by hand: nobody tells the rollup.
TEST_F(RollupsOfAll, APartitionIsAttachedByHand) {
  Make(TelemetryTable::kPartitioned);
  Accept();
  policy_.retention = Keep("20d", Retention::Action::kDrop, "24h");
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2026-05-20 10:30+00", R"({"battery_v": 2})");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  ASSERT_EQ(database_->Number("SELECT count(*) FROM telemetry_points WHERE ts < '2026-06-01'"), 1);
  database_->Sql(
      "BEGIN; CREATE TEMP TABLE late AS SELECT * FROM telemetry_points WHERE ts < '2026-06-01'; DELETE FROM "
      "telemetry_points WHERE ts < '2026-06-01'; ALTER TABLE telemetry_points ATTACH PARTITION "
      "telemetry_points_p202605 FOR VALUES FROM ('2026-05-01 00:00+00') TO ('2026-06-01 00:00+00'); ALTER "
      "TABLE "
      "telemetry_points DISABLE TRIGGER accept; INSERT INTO telemetry_points SELECT * FROM late; ALTER TABLE "
      "telemetry_points ENABLE TRIGGER accept; COMMIT");
  EXPECT_EQ(WrongLive(), 0);
  policy_.retention->keep = {3, CalendarDuration::Unit::kMonth};
  ASSERT_EQ(TroubleWith(Run()), "");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
}

TEST_F(RollupsOfAll, WhatSomebodyDroppedByHandSurvivesARecount) {
  Make(TelemetryTable::kPartitioned);
  Accept();
  ASSERT_EQ(TroubleWith(Run()), "");
  database_->Sql("DROP TABLE telemetry_points_p202605");
  EXPECT_EQ(Wrong(), 0);
  database_->Sql("DROP TRIGGER partition_controller_hourly_i ON telemetry_points");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  // What is loaded again counts once.
  database_->Sql(
      "ALTER TABLE telemetry_points DISABLE TRIGGER accept; INSERT INTO telemetry_points SELECT * FROM "
      "accepted WHERE "
      "ts < '2026-06-01' AND NOT EXISTS (SELECT FROM telemetry_points p WHERE p.id = accepted.id); ALTER "
      "TABLE "
      "telemetry_points ENABLE TRIGGER accept");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
}

// What is done to the rollup while a partition is away.
TEST_F(RollupsOfAll, APartitionComesBackToAnotherRollup) {
  Make(TelemetryTable::kPartitioned);
  policy_.retention = Keep("20d", Retention::Action::kDrop, "24h");
  policy_.rollups[0].keys = {"battery_v"};
  ASSERT_EQ(TroubleWith(Run()), "");
  ASSERT_THAT(database_->Partitions("telemetry_points"), testing::Not(Contains(HasSubstr("p202605"))));
  policy_.rollups[0].keys.clear();
  ASSERT_EQ(TroubleWith(Run()), "");
  policy_.retention->keep = {3, CalendarDuration::Unit::kMonth};
  ASSERT_EQ(TroubleWith(Run()), "");
  ASSERT_THAT(database_->Partitions("telemetry_points"), Contains(HasSubstr("p202605")));
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
}

// In the Azores midnight comes twice, each October.
TEST_F(RollupsOf, DaysOfWhichMidnightComesTwice) {
  Make(TelemetryTable::kPlain, 10);
  policy_.partitioning.state = Partitioning::State::kDisabled;
  policy_.rollups[0].calendar_day = true;
  policy_.rollups[0].time_zone = "Atlantic/Azores";
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2025-10-26 00:30+00", R"({"a": 1})");
  Insert("2025-10-26 01:30+00", R"({"a": 2})");
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2025-10-26 00:31+00", R"({"b": 1})");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Column(
                "SELECT concat_ws(' ', bucket_ts AT TIME ZONE 'UTC', metric_key, sum_value) FROM "
                "telemetry_rollups_hourly WHERE bucket_ts < '2026-01-01' ORDER BY bucket_ts, metric_key"),
            (std::vector<std::string>{"2025-10-25 00:00:00 a 1", "2025-10-25 00:00:00 b 1",
                                      "2025-10-26 01:00:00 a 2"}));
}

TEST_F(RollupsOf, WhatIsRemovedIsProvedFirst) {
  Make(TelemetryTable::kPartitioned);
  ASSERT_EQ(TroubleWith(Run()), "");
  const std::string may = database_->Value(
      "SELECT concat_ws(' ', count(*), min(ts), max(ts)) FROM telemetry_points WHERE ts < '2026-06-01'");
  const std::string held = database_->Value(
      "SELECT concat_ws(' ', count(*), sum(sample_count), sum(sum_value)) FROM telemetry_rollups_hourly "
      "WHERE "
      "bucket_ts < '2026-06-01'");
  // One is wrong: the partition stays until it is right.
  database_->Sql(
      "UPDATE telemetry_rollups_hourly SET sum_value = sum_value + 1 WHERE ctid = (SELECT min(ctid) FROM "
      "telemetry_rollups_hourly WHERE bucket_ts < '2026-06-01')");
  policy_.retention = Keep("20d", Retention::Action::kDrop, "0h");
  std::vector<std::string> kinds;
  const Convergence result =
      ConvergeOn(uri_, policy_,
                 {.preview = kNow,
                  .acknowledged = {},
                  .holder = "test",
                  .stop = {},
                  .on_step = [&](const StepOutcome& step) { kinds.push_back(Kind(step.action)); }});
  ASSERT_EQ(TroubleWith(result), "");
  EXPECT_THAT(kinds, testing::IsSupersetOf({"prove_rollup", "refresh_rollup", "drop_partition"}));
  EXPECT_EQ(database_->Number("SELECT count(*) FROM telemetry_points WHERE ts < '2026-06-01'"), 0);
  EXPECT_EQ(database_->Value(
                "SELECT concat_ws(' ', row_count, first_row, last_row) FROM partition_controller.proofs"),
            may);
  EXPECT_EQ(database_->Value("SELECT concat_ws(' ', groups, points, total) FROM partition_controller.proofs"),
            held);
  EXPECT_EQ(database_->Value("SELECT concat_ws(' ', partition_name, mismatches, proved_at < now()) FROM "
                             "partition_controller.proofs"),
            "\"public\".\"telemetry_points_p202605\" 1 t");
  EXPECT_EQ(database_->Value("SELECT concat_ws(' ', count(*), sum(sample_count), sum(sum_value)) FROM "
                             "telemetry_rollups_hourly WHERE bucket_ts < '2026-06-01'"),
            held);
}

// EdgeWatch's hourly chart, from the points and from the rollup.
TEST_F(RollupsOf, ChartsShowTheSame) {
  Make(TelemetryTable::kPartitioned, 5'000);
  Insert("2026-07-01 10:30+00", R"({"battery_v": "12.25", "temperature_c": "solar"})");
  Insert("2026-07-01 10:40+00", R"({"battery_v": "1e400", "temperature_c": null})");
  ASSERT_EQ(TroubleWith(Run()), "");
  const std::string raw =
      "SELECT p.device_id::text, k.key, date_trunc('hour', p.ts) AS bucket, avg((p.metrics ->> "
      "k.key)::double "
      "precision) AS value FROM telemetry_points p CROSS JOIN (VALUES ('battery_v'), ('temperature_c'), "
      "('water_pressure_psi'), ('signal_rssi_dbm'), ('power_source'), ('pump_on')) k (key) WHERE p.ts < "
      "'2026-07-15 "
      "11:00+00' AND p.metrics ->> k.key <> '1e400' AND p.metrics ->> k.key ~ "
      "'^[+-]?(\\d+(\\.\\d+)?|\\.\\d+)([eE][+-]?\\d+)?$' GROUP BY 1, 2, 3";
  for (const char* table : {"telemetry_rollups_hourly", "telemetry_rollups_hourly_live"}) {
    const std::string stored =
        std::string("SELECT device_id::text, metric_key::text, bucket_ts, avg_value FROM ") + table +
        " WHERE bucket_ts < '2026-07-15 11:00+00' AND metric_key IN ('battery_v', "
        "'temperature_c', 'water_pressure_psi', 'signal_rssi_dbm', 'power_source', 'pump_on')";
    // A sum of doubles depends on their order, ours does not.
    EXPECT_EQ(database_->Value(
                  "SELECT concat_ws(' ', count(*) FILTER (WHERE r.value IS NULL), count(*) FILTER (WHERE "
                  "s.avg_value IS NULL), count(*) FILTER (WHERE abs(r.value - s.avg_value) > 1e-9)) FROM (" +
                  raw + ") r (device_id, metric_key, bucket_ts, value) FULL JOIN (" + stored +
                  ") s USING (device_id, metric_key, bucket_ts)"),
              "0 0 0");
  }
  EXPECT_GT(database_->Number("SELECT count(*) FROM (" + raw + ") r"), 10'000);
}

// More rows than the sample that says which keys there are, and odd ones among
// those that it does not see.
TEST_F(RollupsOf, ValuesThatTheSampleDoesNotShow) {
  Make(TelemetryTable::kPlain, 3'000);
  policy_.partitioning.state = Partitioning::State::kDisabled;
  const std::string tiny = "0." + std::string(330, '0') + "1";
  const std::string huge = "2" + std::string(308, '0');
  for (const std::string& metrics :
       {std::string(R"({"battery_v": "12.5"})"), std::string(R"({"battery_v": "1e400", "temperature_c": 1})"),
        std::string(R"({"battery_v": "solar", "temperature_c": true})"), R"({"battery_v": )" + tiny + "}",
        R"({"battery_v": )" + huge + R"(, "humidity_pct": 2})", R"({"battery_v": -)" + huge + "}",
        std::string(R"({"": 1, "a%1$s": 2, "k\"'; --": 3, "ключ": 4, "pc.x1": 5})"), std::string("[1, 2]"),
        std::string("7"), std::string("null"), std::string(R"("battery_v")"), std::string("{}"),
        R"({")" + std::string(200, 'k') + R"(": 1})", std::string(R"({"battery_v": {"a": 1}, "new": [1]})"),
        std::string(R"({"battery_v": "NaN", "temperature_c": "+5e0"})")}) {
    Insert("2026-07-0" + std::to_string(1 + inserted_ % 3) + " 10:30+00", metrics, inserted_ % 2);
  }
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(database_->Number("SELECT skipped_values FROM partition_controller.rollups"), 5);
  // The same from a list of keys, and from columns.
  policy_.rollups[0].keys = {"battery_v", "", "pc.x1", "a%1$s"};
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Number(
                "SELECT count(*) FROM ((SELECT * FROM truth('-infinity') WHERE metric_key IN "
                "('battery_v', '', 'pc.x1', 'a%1$s') EXCEPT ALL SELECT device_id, metric_key, bucket_ts, "
                "sample_count, min_value, max_value, sum_value FROM telemetry_rollups_hourly)) d"),
            0);
  EXPECT_EQ(database_->Column("SELECT DISTINCT metric_key FROM telemetry_rollups_hourly ORDER BY 1"),
            (std::vector<std::string>{"", "a%1$s", "battery_v", "pc.x1"}));
  database_->Sql("ALTER TABLE telemetry_points ADD COLUMN level real");
  database_->Sql("UPDATE telemetry_points SET level = length(id) WHERE ts > '2026-07-01'");
  policy_.rollups[0].jsonb.clear();
  policy_.rollups[0].keys.clear();
  policy_.rollups[0].columns = {"level"};
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(
      database_->Value(
          "SELECT concat_ws(' ', sum(sample_count), sum(sum_value)) FROM telemetry_rollups_hourly"),
      database_->Value("SELECT concat_ws(' ', count(level), sum(level::numeric)) FROM telemetry_points"));
}

TEST_F(RollupsOf, TruncatedInATransactionOfItsOwnSnapshot) {
  Make(TelemetryTable::kPartitioned, 300);
  ASSERT_EQ(TroubleWith(Run()), "");
  pqxx::connection connection(uri_);
  pqxx::nontransaction session(connection);
  session.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
  Insert("2026-07-10 10:30+00", R"({"battery_v": 2})");
  ASSERT_EQ(TroubleWith(Run()), "");
  session.exec("TRUNCATE telemetry_points; COMMIT");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM telemetry_rollups_hourly_live"), 0);
  EXPECT_GT(database_->Number("SELECT count(*) FROM telemetry_rollups_hourly"), 0);
  for (int i = 0; i < 2; ++i) ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM telemetry_rollups_hourly"), 0);
}

TEST_F(RollupsOf, ARollupWhoseTablesAreGoneCanBeTakenOutOfThePolicy) {
  Make(TelemetryTable::kPartitioned, 300);
  ASSERT_EQ(TroubleWith(Run()), "");
  const std::string suffix = database_->Value("SELECT suffix FROM partition_controller.rollups");
  database_->Sql("DROP TABLE telemetry_rollups_hourly CASCADE; DROP TABLE partition_controller.\"marks_" +
                 suffix + "\" CASCADE");
  policy_.rollups.clear();
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM partition_controller.rollups"), 0);
  Insert("2026-07-10 10:30+00", "{}");
}

// What is planned before the log is made again must not wait for it.
TEST_F(RollupsOf, TheLogIsGoneWhenAPartitionComesBack) {
  Make(TelemetryTable::kPartitioned);
  policy_.retention = Keep("20d", Retention::Action::kDrop, "24h");
  ASSERT_EQ(TroubleWith(Run()), "");
  const std::string suffix = database_->Value("SELECT suffix FROM partition_controller.rollups");
  database_->Sql("DROP VIEW telemetry_rollups_hourly_live; DROP TABLE partition_controller.\"marks_" +
                 suffix + "\"");
  policy_.retention->keep = {3, CalendarDuration::Unit::kMonth};
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_THAT(database_->Partitions("telemetry_points"), Contains(HasSubstr("p202605")));
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
}

// A dimension that is renamed: writers fail no longer than until the next tick.
TEST_F(RollupsOf, ADimensionIsRenamed) {
  Make(TelemetryTable::kPartitioned, 300);
  ASSERT_EQ(TroubleWith(Run()), "");
  database_->Sql("ALTER TABLE telemetry_points RENAME device_id TO device");
  const Convergence result = Run();
  EXPECT_THAT(TroubleWith(result), HasSubstr("has no column \"device_id\""));
  database_->Sql(
      "INSERT INTO telemetry_points (id, message_id, device, ts, metrics) SELECT 'x', 'x', device_id, "
      "'2026-07-10 "
      "00:00+00', '{}' FROM devices LIMIT 1");
}

TEST_F(RollupsOf, ADimensionIsMadeLonger) {
  Make(TelemetryTable::kPartitioned, 300);
  ChangeWhilePaused(
      "ALTER TABLE devices ALTER COLUMN device_id TYPE text; ALTER TABLE telemetry_points ALTER COLUMN "
      "device_id TYPE text; ALTER TABLE telemetry_rollups_hourly ALTER COLUMN device_id TYPE text");
  const std::string longer(600, 'd');
  database_->Sql("INSERT INTO devices (device_id, display_name) VALUES (" + QuoteLiteral(longer) +
                 ", 'd'); INSERT INTO telemetry_points (id, message_id, device_id, ts, metrics) VALUES ('x', "
                 "'x', " +
                 QuoteLiteral(longer) + ", '2026-07-10 00:00+00', '{\"x\": 1}')");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
}

// The old values are no numbers: nothing converts them by itself.
TEST_F(RollupsOf, ADimensionBecomesAnotherType) {
  Make(TelemetryTable::kPartitioned, 300);
  ChangeWhilePaused(
      "ALTER TABLE telemetry_points DROP CONSTRAINT telemetry_points_device_id_fkey; TRUNCATE "
      "telemetry_rollups_hourly; ALTER TABLE telemetry_points ALTER COLUMN device_id TYPE int USING "
      "hashtext(device_id); ALTER TABLE telemetry_rollups_hourly ALTER COLUMN device_id TYPE int USING 0");
  EXPECT_EQ(
      database_->Number("SELECT count(*) FROM (SELECT DISTINCT device_id, date_trunc('hour', ts, 'UTC') "
                        "FROM telemetry_points EXCEPT SELECT device_id, bucket_ts FROM "
                        "telemetry_rollups_hourly) d"),
      0);
}

// Legal in JSON and as numeric, but not their sum.
TEST_F(RollupsOf, NumbersWhoseSumIsNone) {
  Make(TelemetryTable::kPartitioned, 300);
  for (int i = 0; i < 20; ++i) Insert("2026-05-20 10:30+00", R"({"a": 9e131071, "b": 1})");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong(), 0);
  EXPECT_EQ(WrongLive(), 0);
}

// More groups in a stretch than are held in memory.
TEST_F(RollupsOf, AStretchOfManyGroupsIsDivided) {
  Make(TelemetryTable::kPartitioned, 300);
  ASSERT_EQ(TroubleWith(Run()), "");
  database_->Sql(
      "INSERT INTO devices (device_id, display_name) SELECT 'many' || n, 'd' FROM generate_series(1, 20) n; "
      "INSERT INTO telemetry_points (id, message_id, device_id, ts, metrics) SELECT 'm' || n, 'm' || n, "
      "'many' "
      "|| n % 20 + 1, timestamptz '2026-07-05 12:30+00' + interval '1 hour' * (n / 20), (SELECT "
      "jsonb_object_agg('k' || k, n) FROM generate_series(1, 64) k) FROM generate_series(0, 4799) n; UPDATE "
      "partition_controller.rollups SET state = 'filling', "
      "filled_from = 'infinity', fill_step = '10 days'");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Value("SELECT count(*) || ' ' || sum(sum_value) FROM telemetry_rollups_hourly WHERE "
                             "device_id LIKE 'many%'"),
            "307200 " + std::to_string(64 * (4799 * 4800 / 2)));
}

// As EdgeWatch's own job does, as long as nobody has stopped it.
TEST_F(RollupsOf, SomebodyElseWritesToTheTableThatIsFilled) {
  Make(TelemetryTable::kPartitioned, 300);
  ASSERT_EQ(TroubleWith(Run()), "");
  database_->Sql(
      "TRUNCATE telemetry_rollups_hourly; UPDATE partition_controller.rollups SET state = 'filling', "
      "filled_from = 'infinity'");
  LiveDatabase other(uri_);
  other.Sql(
      "BEGIN; INSERT INTO telemetry_rollups_hourly (device_id, metric_key, bucket_ts, sample_count, "
      "min_value, "
      "max_value, avg_value, updated_at) SELECT device_id, metric_key, bucket_ts, n, lo, hi, 0, now() FROM "
      "truth('-infinity')");
  std::jthread filling([this] { EXPECT_EQ(TroubleWith(Run()), ""); });
  LiveDatabase third(uri_);
  while (third.Number("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'") == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  other.Sql("COMMIT");
  filling.join();
  EXPECT_EQ(Wrong(), 0);
}

// Its rows pass no trigger, and PostgreSQL fails whoever writes to it.
TEST_F(RollupsOf, AForeignTableIsAttached) {
  database_->Sql(
      "CREATE TABLE loose (device_id text, ts timestamptz NOT NULL, metrics jsonb) PARTITION BY RANGE (ts); "
      "CREATE INDEX ON loose (device_id, ts); CREATE INDEX ON loose (ts)");
  policy_ = PolicyFor("loose");
  policy_.rollups = {Hourly()};
  policy_.rollups[0].table = "loose_hourly";
  ASSERT_EQ(TroubleWith(Run()), "");
  database_->Sql(
      "CREATE TABLE elsewhere (device_id text, ts timestamptz NOT NULL, metrics jsonb); CREATE EXTENSION "
      "postgres_fdw; DO $$ BEGIN EXECUTE format('CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw "
      "OPTIONS "
      "(host %L, port %L, dbname %L)', split_part(current_setting('unix_socket_directories'), ',', 1), "
      "current_setting('port'), current_database()); EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER "
      "SERVER loop OPTIONS (user %L, password_required ''false'')', current_user); END $$; CREATE FOREIGN "
      "TABLE loose_far PARTITION OF loose FOR VALUES FROM ('2020-01-01+00') TO ('2021-01-01+00') SERVER loop "
      "OPTIONS (table_name 'elsewhere')");
  EXPECT_THAT(TroubleWith(Run()), HasSubstr("\"loose_far\" is a foreign table"));
  database_->Sql("INSERT INTO loose VALUES ('a', '2020-05-01', '{}'), ('a', '2026-07-10', '{}')");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM elsewhere"), 1);
  database_->Sql("ALTER TABLE loose DETACH PARTITION loose_far");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'loose'::regclass"), 4);
}

TEST_F(RollupsOf, DimensionsThatNoIndexHolds) {
  Make(TelemetryTable::kPartitioned, 10);
  database_->Sql("ALTER TABLE telemetry_points ADD COLUMN site text");
  Rollup by_site = Hourly();
  by_site.name = "by_site";
  by_site.table = "rollup_by_site";
  by_site.dimensions = {"site"};
  policy_.rollups = {by_site};
  ASSERT_EQ(TroubleWith(Run()), "");
  database_->Sql(
      "INSERT INTO telemetry_points (id, message_id, device_id, ts, metrics, site) SELECT 'x' || n, 'x' || "
      "n, "
      "(SELECT min(device_id) FROM devices), '2026-07-10 10:30+00', '{\"a\": 1}', CASE n WHEN 1 THEN 'here' "
      "ELSE "
      "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 200) i) END FROM generate_series(1, 2) "
      "n");
  database_->Sql(
      "INSERT INTO telemetry_points (id, message_id, device_id, ts, metrics, site) SELECT 'y', 'y', "
      "min(device_id), "
      "'2026-07-11 10:30+00', jsonb_build_object((SELECT string_agg(md5(i::text), '') FROM "
      "generate_series(1, 200) "
      "i), 1, 'a', 1), 'here' FROM devices");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(database_->Column(
                "SELECT site || ' ' || metric_key || ' ' || sample_count FROM rollup_by_site ORDER BY "
                "bucket_ts"),
            (std::vector<std::string>{"here a 1", "here a 1"}));
  EXPECT_EQ(database_->Number("SELECT skipped_values FROM partition_controller.rollups"), 2);
  // What compares in a way of its own is refused.
  database_->Sql(
      "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false); ALTER "
      "TABLE "
      "telemetry_points ADD COLUMN label text COLLATE any_case");
  policy_.rollups[0].name = "by_label";
  policy_.rollups[0].table = "rollup_by_label";
  policy_.rollups[0].dimensions = {"label"};
  EXPECT_THAT(TroubleWith(Run()), HasSubstr("finds values equal that are not the same"));
}

TEST_F(RollupsOf, BucketsExpireByTheirOwnKeep) {
  Make(TelemetryTable::kPartitioned, 1'000);
  policy_.retention = Keep("20d");
  policy_.rollups[0].keep = CalendarDuration{40, CalendarDuration::Unit::kDay};
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(
      database_->Value("SELECT min(bucket_ts) BETWEEN '2026-06-05 12:00+00' AND '2026-06-06 12:00+00' FROM "
                       "telemetry_rollups_hourly"),
      "t");
  EXPECT_EQ(database_->Value("SELECT min(ts) >= '2026-06-01' FROM telemetry_points"), "t");
}

TEST_F(RollupsOf, UnfitTablesAreRefused) {
  Make(TelemetryTable::kPartitioned, 10);
  const auto refused = [&] {
    const Situation seen =
        See(uri_, policy_, {.preview = kNow, .acknowledged = {}, .holder = "t", .stop = {}, .on_step = {}});
    EXPECT_THAT(seen.plan.steps, testing::Not(Contains(testing::Field(
                                     &Step::action, testing::VariantWith<InstallRollup>(testing::_)))));
    std::string all;
    for (const Refusal& refusal : seen.plan.refusals) all += refusal.code + ": " + refusal.message + "\n";
    return all;
  };
  policy_.rollups[0].dimensions = {"device"};
  EXPECT_THAT(
      refused(),
      HasSubstr(
          "RollupSourceUnfit: rollup hourly: \"public\".\"telemetry_points\" has no column \"device\""));
  policy_.rollups[0] = Hourly();
  policy_.rollups[0].jsonb = "message_id";
  EXPECT_THAT(refused(), HasSubstr("is of type character varying(64), not jsonb"));
  policy_.rollups[0] = Hourly();
  policy_.rollups[0].table = "devices";
  EXPECT_THAT(refused(), HasSubstr("has no column bucket_ts of type timestamptz"));
  database_->Sql("ALTER TABLE telemetry_rollups_hourly DROP CONSTRAINT telemetry_rollups_hourly_pkey");
  policy_.rollups[0] = Hourly();
  EXPECT_THAT(refused(), HasSubstr("has no unique index"));
}

}  // namespace
}  // namespace partition_controller
