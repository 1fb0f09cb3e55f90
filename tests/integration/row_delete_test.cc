// Where partitioning is off, expired rows are deleted: those and no others, in
// bounded batches, with or without an index, through crashes and beside
// writers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/postgres.h"
#include "reconcilers/sql.h"
#include "tests/support/edgewatch.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

using testing::Contains;
using testing::Each;
using testing::Ge;
using testing::HasSubstr;
using testing::Not;

const Instant kNow = At("2026-07-15T12:00:00Z");
const Approach kThen{.preview = kNow, .acknowledged = {}, .holder = "test", .stop = {}, .on_step = {}};
// Ninety days before.
constexpr const char* kCutoff = "timestamptz '2026-04-16 12:00+00'";

class RowDeletes : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    uri_ = PostgresServer::Shared().CreateDatabase("rows");
    database_ = std::make_unique<LiveDatabase>(uri_);
    database_->MarkAsTest();
  }

  static Policy Disabled(const std::string& table, const std::string& column = "ts") {
    Policy policy = PolicyFor(table, column);
    policy.partitioning.state = Partitioning::State::kDisabled;
    policy.retention = Keep("90d");
    return policy;
  }

  // A digest of which rows there are.
  std::string Digest(const std::string& from) {
    return database_->Value("SELECT count(*) || ' ' || md5(string_agg(id::text, ',' ORDER BY id)) FROM " +
                            from);
  }

  std::string uri_;
  std::unique_ptr<LiveDatabase> database_;
};

class EdgeWatchRowDeletes : public RowDeletes {
 protected:
  void SetUp() override {
    RowDeletes::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    CreateEdgeWatchTables(uri_, TelemetryTable::kPartitioned);
    CreateEdgeWatchPartitions(uri_, "2026-03-01", "2026-05-31");
    // February and from June on is in the default partition.
    GenerateEdgeWatchData(uri_, {.devices = 5,
                                 .points = 20'000,
                                 .since = "2026-02-10 00:00+00",
                                 .until = "2026-07-15 00:00+00",
                                 .series = 0,
                                 .received = ""});
    kept_ = Digest("telemetry_points WHERE ts >= " + std::string(kCutoff));
    expired_ = database_->Number("SELECT count(*) FROM telemetry_points WHERE ts < " + std::string(kCutoff));
  }

  std::string kept_;
  std::int64_t expired_ = 0;
};

TEST_F(EdgeWatchRowDeletes, DeleteExactlyWhatHasExpired) {
  Policy policy = Disabled("telemetry_points");
  const Convergence result = ConvergeOn(uri_, policy, kThen);
  EXPECT_EQ(TroubleWith(result), "");
  EXPECT_EQ(Digest("telemetry_points"), kept_);
  std::int64_t deleted = 0;
  for (const StepOutcome& step : result.steps) deleted += step.rows;
  EXPECT_EQ(deleted, expired_);
  // Nothing was detached or dropped, and provisioning went on.
  for (const char* there :
       {"telemetry_points_p202603 ", "telemetry_points_p202604 ", "telemetry_points_p202609 "}) {
    EXPECT_THAT(database_->Partitions("telemetry_points"), Contains(HasSubstr(there)));
  }
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, kThen)), "");
  EXPECT_EQ(Digest("telemetry_points"), kept_);
}

// Why the test above is there: EdgeWatch's own statement deletes live rows.
TEST_F(EdgeWatchRowDeletes, WouldCatchTheNaiveStatement) {
  for (int batch = 0; batch < 100; ++batch) {
    const pqxx::result deleted = database_->Sql(
        "DELETE FROM telemetry_points WHERE ctid IN (SELECT ctid FROM telemetry_points WHERE ts < " +
        std::string(kCutoff) + " LIMIT 5000)");
    if (deleted.affected_rows() == 0) break;
  }
  EXPECT_EQ(database_->Number("SELECT count(*) FROM telemetry_points WHERE ts < " + std::string(kCutoff)), 0);
  EXPECT_NE(Digest("telemetry_points"), kept_);
  EXPECT_LT(database_->Number("SELECT count(*) FROM telemetry_points"), 20'000 - expired_);
}

// The table keeps its rows where it keeps them, whatever the plan of each
// batch looks like.
TEST_F(EdgeWatchRowDeletes, WorkWithoutAnIndexAndSaySo) {
  const Policy policy = Disabled("telemetry_points");
  EXPECT_THAT(See(uri_, policy, kThen).plan.advice, Not(Contains(HasSubstr("has no index"))));
  database_->Sql("DROP INDEX ix_telemetry_points_ts");
  EXPECT_THAT(
      See(uri_, policy, kThen).plan.advice,
      Contains(
          "\"public\".\"telemetry_points\" has no index led by \"ts\": row deletes read the whole table"));
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, kThen)), "");
  EXPECT_EQ(Digest("telemetry_points"), kept_);
}

TEST_F(EdgeWatchRowDeletes, OfItsOtherTables) {
  database_->Sql("ALTER TABLE telemetry_ingest_dedupe ADD id bigint GENERATED ALWAYS AS IDENTITY");
  const std::string kept = Digest("telemetry_ingest_dedupe WHERE point_ts >= " + std::string(kCutoff));
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, Disabled("telemetry_ingest_dedupe", "point_ts"), kThen)), "");
  EXPECT_EQ(Digest("telemetry_ingest_dedupe"), kept);
}

// A plain table with what can stand in a time column.
class PlainRowDeletes : public RowDeletes, public testing::WithParamInterface<bool> {
 protected:
  void Fill(const std::string& type = "timestamptz") {
    database_->Sql("CREATE TABLE points (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ts " + type +
                   ", pad text DEFAULT repeat('x', 60))");
    if (GetParam()) database_->Sql("CREATE INDEX ON points (ts)");
    database_->Sql(
        "INSERT INTO points (ts) SELECT timestamp '2026-01-01' + g * interval '15 minutes' FROM "
        "generate_series(1, 18000) g ORDER BY hashint4(g)");
    database_->Sql(
        "INSERT INTO points (ts) VALUES ('-infinity'), ('infinity'), (NULL), (NULL), ('4713-01-01 BC'), "
        "('1969-12-31'), ('20000-01-01')");
  }
};

TEST_P(PlainRowDeletes, LeaveWhatHasNotExpired) {
  Fill();
  const std::string kept = Digest("points WHERE (ts < " + std::string(kCutoff) + ") IS NOT TRUE");
  const Convergence result = ConvergeOn(uri_, Disabled("points"), kThen);
  EXPECT_EQ(TroubleWith(result), "");
  EXPECT_EQ(Digest("points"), kept);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM points WHERE ts IS NULL"), 2);
}

TEST_P(PlainRowDeletes, ExpireByTheWallClockOfTheZone) {
  for (const char* type : {"timestamp", "date"}) {
    database_->Sql("DROP TABLE IF EXISTS points");
    Fill(type);
    Policy policy = Disabled("points");
    policy.name = type;
    policy.partitioning.time_zone = "Asia/Kolkata";
    const std::string kept = Digest(
        "points WHERE (ts < timestamptz '2026-07-15 12:00+00' AT TIME ZONE 'Asia/Kolkata' - interval '90 "
        "days') "
        "IS NOT TRUE");
    EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, kThen)), "");
    EXPECT_EQ(Digest("points"), kept) << type;
  }
}

TEST_P(PlainRowDeletes, GoInBatchesWithARestAfterEach) {
  Fill();
  const Policy policy = Disabled("points");
  const auto session = ConnectPostgres(uri_);
  const Situation seen = See(*session, policy, kThen);
  std::vector<std::chrono::milliseconds> rests;
  std::int64_t batches = 0;
  std::int64_t before = 0;
  std::vector<std::int64_t> sizes;
  ExecutorHooks hooks;
  hooks.on_step = [&](const StepOutcome& step, std::size_t done, std::size_t) {
    if (done > 0) return;
    ++batches;
    sizes.push_back(step.rows - before);
    before = step.rows;
  };
  hooks.sleep = [&](std::chrono::milliseconds time) { rests.push_back(time); };
  const RunOutcome outcome = ExecutePlan(*session, policy, seen.catalog, seen.plan, "test", {}, hooks);
  EXPECT_FALSE(outcome.failure) << outcome.failure->message;
  EXPECT_GT(batches, 1);
  EXPECT_EQ(static_cast<std::int64_t>(rests.size()), batches);
  EXPECT_THAT(rests, Each(Ge(std::chrono::milliseconds(5))));
  EXPECT_THAT(sizes, Each(testing::Le(kPagesPerBatch * 300)));
}

TEST_P(PlainRowDeletes, ResumeAfterAStop) {
  Fill();
  const std::string kept = Digest("points WHERE (ts < " + std::string(kCutoff) + ") IS NOT TRUE");
  const std::int64_t all = database_->Number("SELECT count(*) FROM points");
  std::stop_source source;
  Approach stopping = kThen;
  stopping.stop = source.get_token();
  std::int64_t said = 0;
  stopping.on_step = [&](const StepOutcome& step) {
    said = step.rows;
    source.request_stop();
  };
  const Convergence stopped = ConvergeOn(uri_, Disabled("points"), stopping);
  EXPECT_TRUE(stopped.stopped);
  EXPECT_GT(said, 0);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM points"), all - said);
  EXPECT_NE(Digest("points"), kept);
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, Disabled("points"), kThen)), "");
  EXPECT_EQ(Digest("points"), kept);
}

TEST_P(PlainRowDeletes, ResumeAfterTheConnectionWasKilled) {
  Fill();
  const std::string kept = Digest("points WHERE (ts < " + std::string(kCutoff) + ") IS NOT TRUE");
  Approach killed = kThen;
  killed.on_step = [&](const StepOutcome&) {
    database_->Sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'partition-controller' AND datname = current_database()");
  };
  const Convergence result = ConvergeOn(uri_, Disabled("points"), killed);
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->reason, "DatabaseUnreachable");
  EXPECT_TRUE(result.session_lost);
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, Disabled("points"), kThen)), "");
  EXPECT_EQ(Digest("points"), kept);
}

// Rows that arrive meanwhile, fresh ones and late ones that have expired
// already, in new pages and in those that the deletes made free.
TEST_P(PlainRowDeletes, BesideWriters) {
  Fill();
  LiveDatabase writer(uri_);
  int fresh = 0;
  Approach busy = kThen;
  busy.on_step = [&](const StepOutcome&) {
    if (fresh >= 50) return;
    writer.Sql(
        "INSERT INTO points (ts, pad) VALUES ('2026-07-15', 'fresh'), ('2026-04-16 12:00+00', 'fresh'), "
        "('2026-02-01', 'late')");
    writer.Sql(
        "UPDATE points SET pad = 'moved' WHERE id IN (SELECT id FROM points WHERE ts >= '2026-06-01' AND pad "
        "<> "
        "'fresh' LIMIT 20)");
    if (fresh == 0) writer.Sql("VACUUM points");
    fresh += 2;
  };
  const std::int64_t kept =
      database_->Number("SELECT count(*) FROM points WHERE (ts < " + std::string(kCutoff) + ") IS NOT TRUE");
  EXPECT_FALSE(ConvergeOn(uri_, Disabled("points"), busy).failure);
  EXPECT_GT(fresh, 0);
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, Disabled("points"), kThen)), "");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM points"), kept + fresh);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM points WHERE pad = 'fresh'"), fresh);
}

INSTANTIATE_TEST_SUITE_P(Table, PlainRowDeletes, testing::Bool(),
                         [](const auto& one) { return one.param ? "WithAnIndex" : "WithoutAnIndex"; });

// An index that cannot lead to the expired rows is none.
TEST_F(RowDeletes, KnowAnIndexThatHelps) {
  database_->Sql("CREATE TABLE points (id int, ts timestamptz)");
  database_->Sql("INSERT INTO points VALUES (1, '2026-01-01'), (2, '2026-07-01')");
  const auto advice = [&] { return See(uri_, Disabled("points"), kThen).plan.advice; };
  for (const char* useless : {"(id, ts)", "(ts) WHERE id > 1", "((ts + interval '1 day'))"}) {
    if (std::string(useless).find("interval") == std::string::npos) {
      database_->Sql("CREATE INDEX useless ON points " + std::string(useless));
    } else {
      database_->Sql("CREATE INDEX useless ON points ((ts AT TIME ZONE 'UTC'))");
    }
    EXPECT_THAT(advice(), Contains(HasSubstr("has no index"))) << useless;
    database_->Sql("DROP INDEX useless");
  }
  database_->Sql("CREATE INDEX useful ON points (ts DESC, id)");
  EXPECT_THAT(advice(), Not(Contains(HasSubstr("has no index"))));
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, Disabled("points"), kThen)), "");
  EXPECT_EQ(database_->Column("SELECT id FROM points"), std::vector<std::string>{"2"});
}

// Nothing is removed that the server's own time would keep, --now or not.
TEST_F(RowDeletes, NotByAPreview) {
  database_->Sql(
      "DELETE FROM partition_controller.settings; CREATE TABLE points (id int, ts timestamptz); INSERT INTO "
      "points SELECT g, now() - g * interval '1 day' FROM generate_series(0, 80) g");
  Approach future = kThen;
  future.preview = At("2090-01-01T00:00:00Z");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, Disabled("points"), future)), "");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM points"), 81);
}

// Tables that inherit from a plain one in the old way keep their rows: the
// policy is for the one that it names.
TEST_F(RowDeletes, NotOfTablesThatInherit) {
  database_->Sql("CREATE TABLE points (id int, ts timestamptz); CREATE TABLE child () INHERITS (points)");
  database_->Sql("INSERT INTO points VALUES (1, '2026-01-01'); INSERT INTO child VALUES (2, '2026-01-01')");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, Disabled("points"), kThen)), "");
  EXPECT_EQ(database_->Column("SELECT id FROM points"), std::vector<std::string>{"2"});
}

}  // namespace
}  // namespace partition_controller
