// The tables of rollups, which are partitioned and kept as other tables are, and
// rollups that add up finer ones: what they hold is what all rows that were ever
// accepted say, whatever was removed since, of rows and of finer buckets.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "reconcilers/quote.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const Instant kNow = At("2026-07-15T12:00:00Z");

class Levels : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    uri_ = PostgresServer::Shared().CreateDatabase("levels");
    database_ = std::make_unique<LiveDatabase>(uri_);
    database_->MarkAsTest();
    // `accepted` is a copy of what clients did, that nothing is removed from by
    // retention.
    database_->Sql(
        "CREATE TABLE points (id bigint GENERATED ALWAYS AS IDENTITY, device text, site text, ts timestamptz "
        "NOT "
        "NULL, metrics jsonb) PARTITION BY RANGE (ts); CREATE INDEX ON points (device, ts); CREATE INDEX ON "
        "points (ts); CREATE TABLE accepted (device text, site text, ts timestamptz NOT NULL, metrics "
        "jsonb); "
        "CREATE FUNCTION truth(unit text, zone text, by_site boolean) RETURNS TABLE (k text, metric_key "
        "text, "
        "bucket_ts timestamptz, n bigint, lo float8, hi float8, total numeric) LANGUAGE sql AS $$ SELECT "
        "CASE "
        "WHEN by_site THEN site ELSE device END, e.key, date_trunc(unit, ts, zone), count(*), "
        "min(e.value::float8), max(e.value::float8), sum(e.value::numeric) FROM accepted CROSS JOIN "
        "jsonb_each_text(metrics) e GROUP BY 1, 2, 3 $$");
    policy_ = PolicyFor("points");
    policy_.retention = Keep("20d");
    policy_.rollups = {Level("hourly"), Level("daily"), Level("sites")};
    policy_.rollups[0].jsonb = "metrics";
    policy_.rollups[1].finer = "hourly";
    policy_.rollups[1].calendar_day = true;
    policy_.rollups[1].time_zone = "Europe/Berlin";
    policy_.rollups[1].granularity = Granularity::kYear;
    policy_.rollups[2].finer = "hourly";
    policy_.rollups[2].interval = std::chrono::hours(24);
    policy_.rollups[2].dimensions = {"site"};
    policy_.rollups[2].granularity = Granularity::kQuarter;
  }

  static Rollup Level(const std::string& name) {
    Rollup rollup;
    rollup.name = name;
    rollup.table = "points_" + name;
    rollup.dimensions = {"device", "site"};
    return rollup;
  }

  void Insert(const std::string& since, const std::string& until, const std::string& step) {
    const std::string rows =
        " SELECT 'd' || n % 3, 's' || n % 3 % 2, t, jsonb_build_object('v', n % 17 - 3.25, 'w', n) FROM "
        "(SELECT t, "
        "row_number() OVER (ORDER BY t) AS n FROM generate_series(timestamptz '" +
        since + "', '" + until + "', interval '" + step + "') AS t) x";
    database_->Sql("BEGIN; INSERT INTO points (device, site, ts, metrics)" + rows + "; INSERT INTO accepted" +
                   rows + "; COMMIT");
  }

  void Insert(const std::string& ts) { Insert(ts, ts, "1 day"); }

  Convergence Run(Instant at = kNow) {
    return ConvergeOn(uri_, policy_,
                      {.preview = at, .acknowledged = {}, .holder = "test", .stop = {}, .on_step = {}});
  }

  // Buckets that hold something else than was accepted: of the table and of the
  // view beside it.
  std::string Wrong(const std::string& name, const std::string& since = "-infinity",
                    const char* ending = "") {
    const std::string key = name == "sites" ? "site" : "device";
    const std::string stored = "SELECT " + key +
                               ", metric_key::text, bucket_ts, sample_count::bigint, min_value, "
                               "max_value, sum_value FROM points_" +
                               name + ending + " WHERE bucket_ts >= '" + since + "'";
    const std::string truth = "SELECT * FROM truth(" +
                              std::string(name == "hourly"  ? "'hour', 'UTC'"
                                          : name == "daily" ? "'day', 'Europe/Berlin'"
                                                            : "'day', 'UTC'") +
                              (name == "sites" ? ", true" : ", false") + ") WHERE bucket_ts >= '" + since +
                              "'";
    return database_->Value("SELECT count(*) || coalesce(' such as ' || min(d::text), '') FROM ((" + stored +
                            " EXCEPT ALL " + truth + ") UNION ALL (" + truth + " EXCEPT ALL " + stored +
                            ")) d");
  }
  std::string WrongLive(const std::string& name, const std::string& since = "-infinity") {
    return Wrong(name, since, "_live");
  }

  std::string Count(const std::string& table) { return database_->Value("SELECT count(*) FROM " + table); }

  std::string uri_;
  std::unique_ptr<LiveDatabase> database_;
  Policy policy_;
};

TEST_F(Levels, AddUpToWhatTheRowsSay) {
  policy_.retention.reset();
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2026-05-10", "2026-07-15 11:59", "47 min");
  // Not computed yet, and right where it is read.
  for (const char* name : {"hourly", "daily", "sites"}) EXPECT_EQ(WrongLive(name), "0") << name;
  ASSERT_EQ(TroubleWith(Run()), "");
  for (const char* name : {"hourly", "daily", "sites"}) {
    EXPECT_EQ(Wrong(name, "2026-05-10", ""), Wrong(name)) << name;
    EXPECT_EQ(WrongLive(name), "0") << name;
  }
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::hours(24))), "");
  for (const char* name : {"hourly", "daily", "sites"}) EXPECT_EQ(Wrong(name), "0") << name;
  EXPECT_GT(database_->Number("SELECT count(*) FROM points_daily"), 300);

  // Rows change, go, and come late.
  for (const char* table : {"points", "accepted"}) {
    database_->Sql(
        std::string("UPDATE ") + table +
        " SET ts = ts - interval '26 hours' WHERE ts BETWEEN '2026-06-02' AND '2026-06-04'; DELETE FROM " +
        table + " WHERE device = 'd1' AND ts BETWEEN '2026-05-12' AND '2026-05-20'");
  }
  Insert("2026-03-28", "2026-03-30", "13 min");
  for (const char* name : {"hourly", "daily", "sites"}) EXPECT_EQ(WrongLive(name), "0") << name;
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::hours(24))), "");
  for (const char* name : {"hourly", "daily", "sites"}) {
    EXPECT_EQ(Wrong(name), "0") << name;
    EXPECT_EQ(WrongLive(name), "0") << name;
  }
  // One pass is enough, and the next finds nothing to do.
  EXPECT_THAT(Run(kNow + std::chrono::hours(24)).steps, IsEmpty());

  database_->Sql("TRUNCATE points; TRUNCATE accepted");
  for (const char* name : {"hourly", "daily", "sites"}) EXPECT_EQ(WrongLive(name), "0") << name;
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::hours(24))), "");
  for (const char* name : {"hourly", "daily", "sites"}) EXPECT_EQ(Count(std::string("points_") + name), "0");
}

TEST_F(Levels, OutliveRowsAndFinerBuckets) {
  policy_.rollups[0].keep = CalendarDuration{3, CalendarDuration::Unit::kMonth};
  ASSERT_EQ(TroubleWith(Run(At("2026-03-01T00:00:00Z"))), "");
  Insert("2026-02-10", "2026-07-15 11:59", "47 min");
  ASSERT_EQ(TroubleWith(Run(At("2026-03-01T00:00:00Z"))), "");
  Instant at = At("2026-03-05T00:00:00Z");
  for (; at < At("2026-07-20T00:00:00Z"); at += std::chrono::hours(24 * 9)) {
    ASSERT_EQ(TroubleWith(Run(at)), "") << ToString(at);
  }
  ASSERT_EQ(TroubleWith(Run(at)), "");
  ASSERT_EQ(TroubleWith(Run(at + std::chrono::hours(25))), "");
  // Of the rows the last month is left, of the hours three.
  EXPECT_THAT(database_->Partitions("points"), Not(Contains(HasSubstr("p202606"))));
  EXPECT_THAT(database_->Partitions("points_hourly"), Not(Contains(HasSubstr("p202603"))));
  EXPECT_THAT(database_->Partitions("points_hourly"), Contains(HasSubstr("p202604")));
  EXPECT_EQ(database_->Value("SELECT to_regclass('points_hourly_p202603') IS NULL"), "t");
  EXPECT_EQ(Wrong("hourly", "2026-05-01"), "0");
  for (const char* name : {"daily", "sites"}) {
    EXPECT_EQ(Wrong(name), "0") << name;
    EXPECT_EQ(WrongLive(name), "0") << name;
  }
  // A point whose rows are gone, and whose hour is there.
  Insert("2026-05-20 10:30+00");
  for (const char* name : {"daily", "sites"}) EXPECT_EQ(WrongLive(name), "0") << name;
  ASSERT_EQ(TroubleWith(Run(at + std::chrono::hours(26))), "");
  EXPECT_EQ(Wrong("hourly", "2026-05-01"), "0");
  for (const char* name : {"daily", "sites"}) EXPECT_EQ(Wrong(name), "0") << name;
  // Nothing is left of what was done meanwhile.
  EXPECT_EQ(database_->Value("SELECT sum(mismatches) FROM partition_controller.rollups"), "0");
}

TEST_F(Levels, AreFedFromATableThatWasThere) {
  database_->Sql(
      "CREATE TABLE points_hourly (device text, site text, metric_key varchar(64), bucket_ts timestamptz, "
      "sample_count int NOT NULL, min_value float8, max_value float8, avg_value float8, updated_at "
      "timestamptz, "
      "PRIMARY KEY (device, site, metric_key, bucket_ts)); CREATE INDEX ON points_hourly (bucket_ts)");
  policy_.rollups[0].keep = CalendarDuration{40, CalendarDuration::Unit::kDay};
  ASSERT_EQ(TroubleWith(Run(At("2026-05-15T00:00:00Z"))), "");
  Insert("2026-05-10", "2026-07-15 11:59", "47 min");
  for (const char* at : {"2026-05-20T00:00:00Z", "2026-06-20T00:00:00Z", "2026-07-16T12:00:00Z"}) {
    ASSERT_EQ(TroubleWith(Run(At(at))), "") << at;
  }
  EXPECT_EQ(database_->Value("SELECT relkind FROM pg_class WHERE relname = 'points_hourly'"), "r");
  // A few days more, for days of two zones have no beginning in common.
  EXPECT_EQ(
      database_->Value("SELECT min(bucket_ts) BETWEEN '2026-06-01' AND '2026-06-05' FROM points_hourly"),
      "t");
  for (const char* name : {"daily", "sites"}) {
    EXPECT_EQ(Wrong(name), "0") << name;
    EXPECT_EQ(WrongLive(name), "0") << name;
  }
}

TEST_F(Levels, TablesGetPartitionsWhereThereAreBuckets) {
  policy_.retention.reset();
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("1987-03-05 10:30+00");
  Insert("2026-02-10", "2026-02-20", "3 hours");
  Insert("0001-03-05 10:30+00");
  ASSERT_EQ(TroubleWith(Run()), "");
  for (const char* name : {"hourly", "daily", "sites"}) EXPECT_EQ(Wrong(name), "0") << name;
  EXPECT_THAT(database_->Partitions("points_hourly"),
              ElementsAre(HasSubstr("p000103"), HasSubstr("p198703"), HasSubstr("p202602"),
                          HasSubstr("p202607"), HasSubstr("p202608")));
  EXPECT_THAT(database_->Partitions("points_daily"),
              ElementsAre(HasSubstr("p0001"), HasSubstr("p1987"), HasSubstr("p2026"), HasSubstr("p2027")));
  // Switched off and on again.
  for (Rollup& rollup : policy_.rollups) rollup.enabled = false;
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("1999-03-05 10:30+00");
  for (const char* name : {"hourly", "daily", "sites"}) EXPECT_EQ(WrongLive(name), "0") << name;
  // A device is ahead of its time by far.
  Insert("2031-03-05 10:30+00");
  for (Rollup& rollup : policy_.rollups) rollup.enabled = true;
  ASSERT_EQ(TroubleWith(Run()), "");
  for (const char* name : {"hourly", "daily", "sites"}) {
    EXPECT_THAT(Wrong(name), HasSubstr("2031-03-0")) << name;
    EXPECT_EQ(WrongLive(name), "0") << name;
  }
  ASSERT_EQ(TroubleWith(Run(At("2031-04-01T00:00:00Z"))), "");
  for (const char* name : {"hourly", "daily", "sites"}) EXPECT_EQ(Wrong(name), "0") << name;
}

TEST_F(Levels, WhatSomebodyBreaksIsMended) {
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2026-07-01", "2026-07-15 11:59", "47 min");
  ASSERT_EQ(TroubleWith(Run()), "");
  database_->Sql("DROP TRIGGER partition_controller_daily_i ON points_hourly");
  Insert("2026-07-03 10:30+00");
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Wrong("daily", "2026-07-01"), Wrong("daily"));
  EXPECT_EQ(WrongLive("daily"), "0");
  // Written to a partition of the finer one, past its triggers.
  const std::string leaf = database_->Value(
      "SELECT tableoid::regclass FROM points_hourly WHERE bucket_ts = '2026-07-04 10:00+00' LIMIT 1");
  database_->Sql("UPDATE " + leaf + " SET sample_count = 99 WHERE bucket_ts = '2026-07-04 10:00+00'");
  Instant at = kNow;
  for (int i = 0; i < 400 && (WrongLive("daily") != "0" || WrongLive("hourly") != "0"); ++i) {
    database_->Sql("UPDATE partition_controller.rollups SET audited_at = NULL");
    ASSERT_EQ(TroubleWith(Run(at += std::chrono::minutes(10))), "");
  }
  EXPECT_EQ(WrongLive("hourly"), "0");
  EXPECT_EQ(WrongLive("daily"), "0");
}

// Rows outlive the hours, and the hours come and go.
class LevelsOfLastingRows : public Levels {
 protected:
  // Hours of a month or so, their rows for ever; the days have all.
  void Expire() {
    policy_.retention.reset();
    policy_.rollups[0].keep = CalendarDuration{30, CalendarDuration::Unit::kDay};
    ASSERT_EQ(TroubleWith(Run(At("2026-05-01T00:00:00Z"))), "");
    Insert("2026-05-01", "2026-07-15 11:59", "47 min");
    for (const char* at :
         {"2026-05-20T00:00:00Z", "2026-06-20T00:00:00Z", "2026-07-20T00:00:00Z", "2026-07-21T01:00:00Z"}) {
      ASSERT_EQ(TroubleWith(Run(At(at))), "") << at;
    }
    EXPECT_EQ(database_->Value("SELECT min(bucket_ts) >= '2026-06-01' FROM points_hourly"), "t");
    ExpectRight("at first");
  }

  void ExpectRight(const std::string& when) {
    for (const char* name : {"daily", "sites"}) {
      EXPECT_EQ(Wrong(name), "0") << when;
      EXPECT_EQ(WrongLive(name), "0") << when;
    }
    EXPECT_EQ(Wrong("hourly", "2026-06-01"), "0") << when;
    EXPECT_EQ(WrongLive("hourly", "2026-06-01"), "0") << when;
  }

  const Instant later_ = At("2026-07-21T02:00:00Z");
};

TEST_F(Levels, AreComputedFurtherBackWhenKeptForLonger) {
  policy_.retention.reset();
  policy_.rollups[0].keep = CalendarDuration{1, CalendarDuration::Unit::kMonth};
  const std::vector<Rollup> rollups = std::exchange(policy_.rollups, {});
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2026-02-10", "2026-07-15 11:59", "47 min");
  policy_.rollups = rollups;
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_THAT(database_->Partitions("points_hourly"), Not(Contains(HasSubstr("p202605"))));
  // Alone in an hour that nobody has computed.
  Insert("2026-04-20 10:30+00");
  policy_.rollups[0].keep = CalendarDuration{4, CalendarDuration::Unit::kMonth};
  ASSERT_EQ(TroubleWith(Run()), "");
  const Instant later = kNow + std::chrono::hours(24);
  ASSERT_EQ(TroubleWith(Run(later)), "");
  EXPECT_THAT(database_->Partitions("points_hourly"), Contains(HasSubstr("p202603")));
  EXPECT_EQ(Wrong("hourly", "2026-03-01"), "0");
  // The day in which the hours begin has only a part of them.
  for (const char* name : {"daily", "sites"}) {
    EXPECT_EQ(Wrong(name, "2026-03-02"), "0") << name;
    EXPECT_EQ(WrongLive(name, "2026-03-02"), "0") << name;
  }
  EXPECT_THAT(Run(later).steps, IsEmpty());
}

// Rows that came when nobody kept their hours.
TEST_F(Levels, HaveWhatCameBeforeItWasKept) {
  policy_.retention.reset();
  policy_.rollups[0].keep = CalendarDuration{1, CalendarDuration::Unit::kMonth};
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2026-02-10", "2026-07-15 11:59", "47 min");
  ASSERT_EQ(TroubleWith(Run()), "");
  policy_.rollups[0].keep = CalendarDuration{4, CalendarDuration::Unit::kMonth};
  const Instant later = kNow + std::chrono::hours(24);
  ASSERT_EQ(TroubleWith(Run(later)), "");
  EXPECT_EQ(Wrong("hourly", "2026-03-01"), "0");
  for (const char* name : {"daily", "sites"}) EXPECT_EQ(Wrong(name, "2026-03-02"), "0") << name;
  EXPECT_THAT(Run(later).steps, IsEmpty());
}

TEST_F(LevelsOfLastingRows, ALongerKeepDoublesNothing) {
  Expire();
  policy_.rollups[0].keep = CalendarDuration{1, CalendarDuration::Unit::kYear};
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  ExpectRight("with a longer keep");
  policy_.rollups[0].enabled = false;
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  for (const char* name : {"daily", "sites"}) EXPECT_EQ(WrongLive(name), "0") << "paused";
  policy_.rollups[0].enabled = true;
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  ExpectRight("on again");
  // Nor what makes it count everything again.
  database_->Sql("DROP TRIGGER partition_controller_hourly_i ON points");
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  ExpectRight("after a lost trigger");
}

TEST_F(LevelsOfLastingRows, ALateRowOfAnHourThatIsGoneIsNotCountedTwice) {
  Expire();
  // It does not reach the days (docs/rollups.md), and nothing else does.
  const auto days = [&](const char* table) {
    return database_->Value(std::string("SELECT sum(sample_count) || ' ' || sum(sum_value) FROM ") + table);
  };
  const std::string before = days("points_daily");
  database_->Sql(
      "INSERT INTO points (device, site, ts, metrics) VALUES ('d0', 's0', '2026-05-10 10:30+00', '{\"v\": "
      "1}')");
  EXPECT_EQ(days("points_daily_live"), before);
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  EXPECT_EQ(days("points_daily"), before);
  EXPECT_EQ(days("points_daily_live"), before);
  EXPECT_EQ(Count("partition_controller.\"marks_" +
                  database_->Value("SELECT suffix FROM partition_controller.rollups "
                                   "WHERE name = 'hourly'") +
                  "\""),
            "0");
}

// Planned when all was right, and then a row came.
TEST_F(LevelsOfLastingRows, ARowThatComesBeforeTheRemovalIsCountedFirst) {
  policy_.retention.reset();
  policy_.rollups[0].keep = CalendarDuration{30, CalendarDuration::Unit::kDay};
  ASSERT_EQ(TroubleWith(Run(At("2026-05-01T00:00:00Z"))), "");
  Insert("2026-05-01", "2026-07-15 11:59", "47 min");
  ASSERT_EQ(TroubleWith(Run(At("2026-05-20T00:00:00Z"))), "");
  int came = 0;
  const auto late = [&](const StepOutcome& step) {
    if (std::holds_alternative<ValidateBoundCheck>(step.action) && came++ == 0) Insert("2026-05-15 10:30+00");
  };
  ConvergeOn(uri_, policy_,
             {.preview = later_, .acknowledged = {}, .holder = "test", .stop = {}, .on_step = late});
  EXPECT_GT(came, 0);
  ASSERT_EQ(TroubleWith(Run(later_ + std::chrono::hours(1))), "");
  EXPECT_THAT(database_->Partitions("points_hourly"), Not(Contains(HasSubstr("p202605"))));
  ExpectRight("after the removal");
}

TEST_F(LevelsOfLastingRows, WhatComesBackFromTheUndoWindowIsRight) {
  policy_.retention = Keep("10y", Retention::Action::kDrop, "30d");
  policy_.rollups[0].keep = CalendarDuration{30, CalendarDuration::Unit::kDay};
  ASSERT_EQ(TroubleWith(Run(At("2026-05-01T00:00:00Z"))), "");
  Insert("2026-05-01", "2026-07-15 11:59", "47 min");
  for (const char* at : {"2026-05-20T00:00:00Z", "2026-07-20T00:00:00Z"})
    ASSERT_EQ(TroubleWith(Run(At(at))), "");
  EXPECT_THAT(database_->Partitions("points_hourly"), Not(Contains(HasSubstr("p202605"))));
  Insert("2026-05-10 10:30+00");
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  policy_.rollups[0].keep = CalendarDuration{1, CalendarDuration::Unit::kYear};
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  EXPECT_THAT(database_->Partitions("points_hourly"), Contains(HasSubstr("p202605")));
  for (const char* name : {"hourly", "daily", "sites"}) {
    EXPECT_EQ(Wrong(name), "0") << name;
    EXPECT_EQ(WrongLive(name), "0") << name;
  }
}

// An older one comes back, a newer one was dropped: the days have those hours.
TEST_F(LevelsOfLastingRows, WhatDoesNotComeBackIsNotCountedTwice) {
  policy_.retention = Keep("10y", Retention::Action::kDrop, "90d");
  policy_.rollups[0].keep = CalendarDuration{30, CalendarDuration::Unit::kDay};
  ASSERT_EQ(TroubleWith(Run(At("2026-05-01T00:00:00Z"))), "");
  Insert("2026-05-01", "2026-08-15 11:59", "47 min");
  for (const char* at : {"2026-05-20T00:00:00Z", "2026-07-20T00:00:00Z", "2026-08-20T00:00:00Z"})
    ASSERT_EQ(TroubleWith(Run(At(at))), "");
  const std::string june = database_->Value(
      "SELECT table_name FROM partition_controller.partitions WHERE table_name LIKE "
      "'points_hourly_p202606%'");
  database_->Sql("DROP TABLE " + june);
  policy_.rollups[0].keep = CalendarDuration{1, CalendarDuration::Unit::kYear};
  ASSERT_EQ(TroubleWith(Run(At("2026-08-21T00:00:00Z"))), "");
  EXPECT_THAT(database_->Partitions("points_hourly"), Contains(HasSubstr("p202605")));
  database_->Sql("DROP TRIGGER partition_controller_hourly_i ON points");
  ASSERT_EQ(TroubleWith(Run(At("2026-08-21T01:00:00Z"))), "");
  for (const char* name : {"daily", "sites"}) {
    EXPECT_EQ(Wrong(name), "0") << name;
    EXPECT_EQ(WrongLive(name), "0") << name;
  }
}

// Put back, the days begin when the hours are complete.
TEST_F(LevelsOfLastingRows, PutBackTogetherTheyBeginAnew) {
  Expire();
  const std::vector<Rollup> all = policy_.rollups;
  policy_.rollups.clear();
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  policy_.rollups = all;
  policy_.rollups[0].keep = CalendarDuration{1, CalendarDuration::Unit::kYear};
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  ASSERT_EQ(TroubleWith(Run(later_ + std::chrono::hours(1))), "");
  for (const char* name : {"hourly", "daily", "sites"}) {
    EXPECT_EQ(Wrong(name), "0") << name;
    EXPECT_EQ(WrongLive(name), "0") << name;
  }
}

// A partition of a whole year stays until all of it has expired, and is right.
TEST_F(LevelsOfLastingRows, AnotherGranularityLosesNoLateRow) {
  policy_.retention.reset();
  policy_.rollups[0].granularity = Granularity::kYear;
  policy_.rollups[0].keep = CalendarDuration{30, CalendarDuration::Unit::kDay};
  ASSERT_EQ(TroubleWith(Run(At("2026-05-01T00:00:00Z"))), "");
  Insert("2026-04-01", "2026-07-15 11:59", "47 min");
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  policy_.rollups[0].granularity = Granularity::kMonth;
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  Insert("2026-05-10 10:30+00");
  ASSERT_EQ(TroubleWith(Run(later_)), "");
  for (const char* name : {"hourly", "daily", "sites"}) {
    EXPECT_EQ(Wrong(name), "0") << name;
    EXPECT_EQ(WrongLive(name), "0") << name;
  }
}

// Each partition's rows count until they go, whatever the cutoff is.
TEST_F(Levels, RowsDeletedFromSeveralPartitionsCountOnce) {
  policy_.retention.reset();
  ASSERT_EQ(TroubleWith(Run(At("2026-05-01T00:00:00Z"))), "");
  Insert("2026-05-01", "2026-07-15 11:59", "47 min");
  policy_.partitioning.state = Partitioning::State::kDisabled;
  policy_.retention = Keep("20d");
  for (const char* at : {"2026-06-10T00:00:00Z", "2026-06-22T12:00:00Z", "2026-07-17T12:00:00Z"}) {
    ASSERT_EQ(TroubleWith(Run(At(at))), "") << at;
    for (const char* name : {"hourly", "daily", "sites"}) EXPECT_EQ(WrongLive(name), "0") << name << at;
  }
  ASSERT_EQ(TroubleWith(Run(At("2026-07-18T12:00:00Z"))), "");
  for (const char* name : {"hourly", "daily", "sites"}) EXPECT_EQ(Wrong(name), "0") << name;
  EXPECT_EQ(database_->Value("SELECT min(ts) >= '2026-06-27' FROM points"), "t");
}

TEST_F(Levels, BucketsThatDivideNoPeriodHoldNothingUp) {
  policy_.retention = Keep("80d");
  policy_.rollups.resize(1);
  policy_.rollups[0].interval = std::chrono::hours(168);
  policy_.rollups[0].keep = CalendarDuration{60, CalendarDuration::Unit::kDay};
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2026-04-01", "2026-07-15 11:59", "47 min");
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::hours(25))), "");
  EXPECT_EQ(database_->Value("SELECT state FROM partition_controller.rollups"), "live");
  EXPECT_EQ(database_->Value("SELECT min(ts) >= '2026-04-01' FROM points"), "t");
  Insert("2026-04-02 10:30+00");
  ASSERT_EQ(TroubleWith(Run(At("2026-08-20T00:00:00Z"))), "");
  EXPECT_EQ(database_->Value("SELECT min(ts) >= '2026-05-01' FROM points"), "t");
}

TEST_F(Levels, CanBeTakenOutTogether) {
  policy_.rollups[2].finer = "daily";
  policy_.rollups[2].calendar_day = true;
  policy_.rollups[2].time_zone = "Europe/Berlin";
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2026-07-01", "2026-07-15 11:59", "47 min");
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::hours(24))), "");
  policy_.rollups.clear();
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::hours(24))), "");
  EXPECT_EQ(Count("partition_controller.rollups"), "0");
  EXPECT_EQ(Count("pg_trigger WHERE tgname LIKE 'partition_controller%'"), "0");
  EXPECT_EQ(Wrong("daily"), "0");
  EXPECT_EQ(WrongLive("daily"), "0");
}

TEST_F(Levels, CanBeTakenOutAndForgotten) {
  ASSERT_EQ(TroubleWith(Run()), "");
  Insert("2026-07-01", "2026-07-15 11:59", "47 min");
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::hours(24))), "");
  const std::vector<Rollup> all = policy_.rollups;
  policy_.rollups = {all[0], all[1]};
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::hours(24))), "");
  EXPECT_EQ(database_->Value("SELECT to_regclass('partition_controller.marks_' || suffix) IS NULL FROM "
                             "partition_controller.rollups WHERE name = 'sites'"),
            "");
  EXPECT_EQ(Wrong("sites"), "0");
  // And back: its table is ours still, and goes on by partitions.
  policy_.rollups = all;
  ASSERT_EQ(TroubleWith(Run(kNow + std::chrono::hours(24))), "");
  EXPECT_EQ(database_->Value("SELECT made_by_us FROM partition_controller.rollups WHERE name = 'sites'"),
            "t");
  EXPECT_EQ(Wrong("sites"), "0");
}

}  // namespace
}  // namespace partition_controller
