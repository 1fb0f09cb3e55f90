// Each fault, planted in a real database, is found by the program, and is gone
// once its remedy was run; a healthy database is silent.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "crd/decode.h"
#include "reconcilers/zone.h"
#include "tests/support/edgewatch.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"
#include "tests/support/process.h"

namespace partition_controller {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A finding as JSON has it: all but the SQL is text.
struct Found : std::map<std::string, std::string> {
  std::vector<std::string> sql;
};

void from_json(const nlohmann::json& json, Found& found) {
  for (const auto& [key, value] : json.items()) {
    if (key == "sql") {
      value.get_to(found.sql);
    } else {
      found[key] = value.get<std::string>();
    }
  }
}

// With pg_stat_statements, which must be there from the start.
PostgresServer& Server() {
  static PostgresServer server(PostgresServer::DefaultMajor(),
                               {"shared_preload_libraries=pg_stat_statements"});
  return server;
}

// A table of months around now.
constexpr const char* kEvents =
    "CREATE TABLE events (id bigint, ts timestamptz NOT NULL) PARTITION BY RANGE (ts);"
    "CREATE INDEX ON events (ts);"
    "DO $$ BEGIN FOR i IN -3..3 LOOP EXECUTE format('CREATE TABLE events_%s PARTITION OF events FOR VALUES "
    "FROM (%L) TO (%L)', i + 3, date_trunc('month', now() AT TIME ZONE 'UTC') + i * interval '1 month', "
    "date_trunc('month', now() AT TIME ZONE 'UTC') + (i + 1) * interval '1 month'); END LOOP; END $$;";

class DoctorTest : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    uri_ = Server().CreateDatabase("doctor");
    database_ = std::make_unique<LiveDatabase>(uri_);
    // The months begin at midnight UTC, whatever this machine's zone is.
    database_->Sql("SET TimeZone = 'UTC'");
    database_->Sql("CREATE EXTENSION pg_stat_statements");
    Forget();
  }

  void Forget() { database_->Sql("SELECT pg_stat_statements_reset()"); }

  Finished Run(const std::vector<std::string>& arguments, const std::string& uri = "") {
    std::vector<std::string> command = {PC_TEST_PROGRAM};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunProgram(command, {.environment = {{"DATABASE_URL", uri.empty() ? uri_ : uri}}});
  }

  // The findings; the exit code says whether there are any.
  std::vector<Found> Findings(std::vector<std::string> arguments, const std::string& uri = "") {
    arguments.insert(arguments.begin(), "doctor");
    arguments.insert(arguments.end(), {"-o", "json"});
    const std::string before = database_->Fingerprint();
    const Finished finished = Run(arguments, uri);
    EXPECT_EQ(finished.err, "");
    const auto findings = nlohmann::json::parse(finished.out).at("findings").get<std::vector<Found>>();
    EXPECT_EQ(finished.code, findings.empty() ? 0 : 2);
    EXPECT_EQ(database_->Fingerprint(), before);  // it reads, and nothing else
    return findings;
  }
  std::vector<Found> OfDatabase() { return Findings({"--connection-env", "DATABASE_URL"}); }
  std::vector<Found> OfPolicy(const std::string& uri = "") { return Findings({"--spec", Spec()}, uri); }

  static std::vector<std::string> Codes(const std::vector<Found>& findings) {
    std::vector<std::string> codes;
    for (const Found& finding : findings) codes.push_back(finding.at("code"));
    return codes;
  }
  static Found Find(const std::vector<Found>& findings, const std::string& code) {
    for (const auto& finding : findings) {
      if (finding.at("code") == code) return finding;
    }
    ADD_FAILURE() << "no " << code << " among " << testing::PrintToString(findings);
    Found none;
    for (const char* key : {"what", "why", "advice", "severity", "table"}) none[key];
    return none;
  }

  // Runs the SQL of every finding, each statement as it stands, until none has any:
  // what was mended is not found again, though it may have hidden something else.
  void Mend(const std::vector<std::string>& arguments = {"--connection-env", "DATABASE_URL"},
            const std::string& uri = "") {
    std::set<std::string> run;
    for (bool more = true; more;) {
      more = false;
      for (const Found& finding : Findings(arguments, uri)) {
        for (const std::string& statement : finding.sql) {
          EXPECT_THAT(statement, testing::EndsWith(";"));
          ASSERT_TRUE(run.insert(statement).second) << "mended nothing: " << statement;
          ASSERT_NO_THROW(database_->Sql(statement)) << statement;
          more = true;
        }
      }
    }
    EXPECT_THAT(run, Not(IsEmpty()));
  }

  std::string Spec(const std::string& more = "", const std::string& table = "events") {
    return folder_.Write(
        "policy.yaml",
        "apiVersion: edgewatch.dev/v1alpha1\nkind: PartitionPolicy\nmetadata: {name: events}\n"
        "spec:\n  connection: {env: DATABASE_URL}\n  table: {name: " +
            table + "}\n  timeColumn: ts\n" + more);
  }

  ScratchFolder folder_;
  std::string uri_;
  std::unique_ptr<LiveDatabase> database_;
};

TEST_F(DoctorTest, AHealthyDatabaseIsSilent) {
  database_->Sql("CREATE TABLE events (id bigint, ts timestamptz NOT NULL) PARTITION BY RANGE (ts)");
  database_->Sql("CREATE INDEX ON events (ts)");
  // A schedule of somebody else's own, and a trigger that is the application's.
  database_->Sql("CREATE SCHEMA cron");
  database_->Sql(
      "CREATE TABLE cron.job (jobid bigint, schedule text, command text, database text, active boolean)");
  database_->Sql("INSERT INTO cron.job VALUES (1, '@daily', 'VACUUM', current_database(), true)");
  database_->Sql("CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
  database_->Sql("CREATE TRIGGER audit AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION audit()");
  ASSERT_EQ(Run({"apply", "--spec", Spec()}).code, 0);
  Forget();
  database_->Sql("INSERT INTO events VALUES (1, now())");
  database_->Sql("SELECT count(*) FROM events WHERE ts > now() - interval '1 day'");
  database_->Sql("DELETE FROM events WHERE id = 7 AND ts > now()");
  for (const auto& arguments : {std::vector<std::string>{"doctor", "--spec", Spec()},
                                std::vector<std::string>{"doctor", "--connection-env", "DATABASE_URL"}}) {
    const Finished finished = Run(arguments);
    EXPECT_EQ(finished.out, "Nothing found.\n");
    EXPECT_EQ(finished.err, "");
    EXPECT_EQ(finished.code, 0);
  }
}

TEST_F(DoctorTest, GapsAndWhatBecomesOfTheirRows) {
  database_->Sql(kEvents);
  EXPECT_THAT(Codes(OfDatabase()), ElementsAre("NoPolicy"));
  database_->Sql("DROP TABLE events_1");
  Found gap = Find(OfDatabase(), "Gap");
  EXPECT_EQ(gap.at("severity"), "error");
  EXPECT_THAT(gap.at("why"), HasSubstr("refused"));
  database_->Sql("CREATE TABLE events_default PARTITION OF events DEFAULT");
  gap = Find(OfDatabase(), "Gap");
  EXPECT_EQ(gap.at("severity"), "warning");
  EXPECT_THAT(gap.at("why"), HasSubstr("default partition"));
  database_->Sql("DROP TABLE events_3");  // of now
  EXPECT_THAT(Codes(OfDatabase()), Contains("NowUncovered"));
  EXPECT_THAT(Codes(OfDatabase()), Contains("Gap"));
  // The remedy.
  EXPECT_EQ(Run({"apply", "--spec", Spec("  retention: {keep: 70d, action: Detach}\n")}).code, 0);
  Forget();  // what this test itself has done
  EXPECT_THAT(OfPolicy(), IsEmpty());
}

TEST_F(DoctorTest, TheLastPartition) {
  database_->Sql(kEvents);
  database_->Sql("DROP TABLE events_4, events_5, events_6");
  EXPECT_THAT(Codes(OfDatabase()), Contains("NothingAhead"));
}

TEST_F(DoctorTest, RowsInTheDefaultPartition) {
  database_->Sql(kEvents);
  database_->Sql("CREATE TABLE events_default PARTITION OF events DEFAULT");
  database_->Sql("INSERT INTO events VALUES (1, now() - interval '2 years')");
  EXPECT_THAT(Find(OfDatabase(), "DefaultNotEmpty").at("what"), HasSubstr("holds 1 rows"));
  database_->Sql("INSERT INTO events SELECT 1, now() + interval '1 year' FROM generate_series(1, 3)");
  EXPECT_THAT(Find(OfDatabase(), "DefaultHoldsComing").at("what"), HasSubstr("holds 3 rows of now or later"));
}

TEST_F(DoctorTest, BoundsAtAnotherZonesMidnight) {
  database_->Sql("CREATE TABLE events (ts timestamptz NOT NULL) PARTITION BY RANGE (ts)");
  database_->Sql("CREATE INDEX ON events (ts)");
  database_->Sql(
      "DO $$ BEGIN FOR i IN -2..8 LOOP EXECUTE format('CREATE TABLE events_%s PARTITION OF events FOR VALUES "
      "FROM (%L) TO (%L)', i + 3, (date_trunc('month', now() AT TIME ZONE 'America/New_York') + i * interval "
      "'1 month') AT TIME ZONE 'America/New_York', (date_trunc('month', now() AT TIME ZONE "
      "'America/New_York') + (i + 1) * interval '1 month') AT TIME ZONE 'America/New_York'); END LOOP; END "
      "$$");
  const Found zone = Find(OfPolicy(), "BoundsOffZone");
  EXPECT_THAT(zone.at("what"), HasSubstr("11 partitions do not begin and end at midnight in UTC"));
  EXPECT_THAT(zone.at("advice"), HasSubstr("America/New_York"));
  Spec("  partitioning: {timeZone: America/New_York}\n");
  const std::vector<Found> after =
      Findings({"--spec", Spec("  partitioning: {timeZone: America/New_York}\n")});
  EXPECT_THAT(Codes(after), Not(Contains("BoundsOffZone")));
}

TEST_F(DoctorTest, AnIndexThatIsMissing) {
  database_->Sql(kEvents);
  database_->Sql("DROP INDEX events_ts_idx");
  database_->Sql("CREATE TABLE events_default PARTITION OF events DEFAULT");
  database_->Sql("CREATE INDEX here_already ON events_1 (ts)");
  database_->Sql("DROP TABLE events_6");
  database_->Sql(
      "CREATE TABLE events_6 PARTITION OF events FOR VALUES FROM ('2019-01-01') TO ('2019-02-01') PARTITION "
      "BY "
      "HASH (id)");
  database_->Sql("CREATE TABLE events_6_0 PARTITION OF events_6 FOR VALUES WITH (MODULUS 1, REMAINDER 0)");
  const Found index = Find(OfPolicy(), "TimeIndexMissing");
  EXPECT_THAT(index.sql, Contains("CREATE INDEX CONCURRENTLY ON \"public\".\"events_0\" (\"ts\");"));
  EXPECT_THAT(index.sql, Contains(HasSubstr("events_default")));
  EXPECT_THAT(index.sql, Not(Contains(HasSubstr("events_1"))));
  EXPECT_THAT(index.sql, Not(Contains(HasSubstr("events_6"))));
  Mend({"--spec", Spec()});
  // None was built twice.
  EXPECT_EQ(database_->Value("SELECT count(*) FROM pg_index WHERE indrelid = 'events_1'::regclass"), "1");
}

TEST_F(DoctorTest, PrivilegesThatAreMissing) {
  database_->Sql(kEvents);
  const std::string role = DatabaseName(uri_) + "_role";
  database_->Sql("CREATE ROLE " + role + " LOGIN");
  const std::string uri = Server().Uri(DatabaseName(uri_), role);
  const Found missing = Find(OfPolicy(uri), "PrivilegeMissing");
  EXPECT_EQ(missing.at("severity"), "error");
  EXPECT_THAT(missing.sql, Contains(HasSubstr("GRANT")));
  database_->Sql("CREATE ROLE " + role + "_owner");
  database_->Sql("ALTER TABLE events OWNER TO " + role + "_owner");
  Mend({"--spec", Spec()}, uri);
  EXPECT_THAT(Codes(OfPolicy(uri)), Not(Contains("PrivilegeMissing")));
}

// The ways that are left are told in words, and not as SQL.
TEST_F(DoctorTest, OneWayOfSeveralIsSql) {
  database_->Sql("CREATE TABLE events (id bigint PRIMARY KEY, ts timestamptz)");
  const std::string spec = Spec("  partitioning: {conversion: Online, uniqueness: PerPartition}\n");
  const Found nullable = Find(Findings({"--spec", spec}), "KeyNullable");
  EXPECT_THAT(nullable.sql,
              ElementsAre("ALTER TABLE \"public\".\"events\" ALTER COLUMN \"ts\" SET NOT NULL;"));
  EXPECT_THAT(nullable.at("advice"), testing::StartsWith("(scans the table"));
  Mend({"--spec", spec});
}

TEST_F(DoctorTest, ADetachLeftHalfDone) {
  if (Server().major() < 14) GTEST_SKIP() << "no DETACH PARTITION ... CONCURRENTLY before PostgreSQL 14";
  database_->Sql(kEvents);
  database_->Sql("UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'events_0'::regclass");
  EXPECT_THAT(
      Find(OfDatabase(), "DetachPending").sql,
      ElementsAre("ALTER TABLE \"public\".\"events\" DETACH PARTITION \"public\".\"events_0\" FINALIZE;"));
  Mend();
}

TEST_F(DoctorTest, TriggersOfOtherTools) {
  database_->Sql(kEvents);
  database_->Sql(
      "CREATE FUNCTION make_them() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'CREATE TABLE IF NOT "
      "EXISTS x PARTITION OF events DEFAULT'; RETURN NULL; END $$");
  database_->Sql("CREATE TRIGGER \"odd\"\"name\" AFTER INSERT ON events EXECUTE FUNCTION make_them()");
  EXPECT_THAT(Find(OfDatabase(), "ForeignTrigger").sql,
              ElementsAre("DROP TRIGGER \"odd\"\"name\" ON \"public\".\"events\";"));
  Mend();
  // An application's own, which chooses nothing.
  database_->Sql(
      "CREATE FUNCTION notify() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; CREATE TRIGGER "
      "notify_insert_trigger BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION notify()");
  EXPECT_THAT(Codes(OfDatabase()), Not(Contains("ForeignTrigger")));
}

TEST_F(DoctorTest, JobsOfPgCron) {
  database_->Sql(kEvents);
  database_->Sql("CREATE SCHEMA cron");
  database_->Sql(
      "CREATE TABLE cron.job (jobid bigint, schedule text, command text, database text, active boolean)");
  database_->Sql(
      "INSERT INTO cron.job VALUES (1, '@hourly', 'CALL partman.run_maintenance_proc()', current_database(), "
      "true), (2, '@daily', 'DELETE FROM public.events WHERE ts < now() - interval ''90 days''', "
      "current_database(), true), (3, '@daily', 'DELETE FROM events', current_database(), false), (4, "
      "'@daily', 'DELETE FROM events', 'other', true)");
  database_->Sql(
      "CREATE FUNCTION cron.unschedule(bigint) RETURNS boolean LANGUAGE sql AS 'DELETE FROM cron.job WHERE "
      "jobid = $1 RETURNING true'");
  std::vector<std::string> sql;
  for (const auto& finding : OfDatabase()) {
    if (finding.at("code") == "CronJob") sql.insert(sql.end(), finding.sql.begin(), finding.sql.end());
  }
  EXPECT_THAT(sql, testing::UnorderedElementsAre("SELECT cron.unschedule(1);", "SELECT cron.unschedule(2);"));
  Mend();
}

// EdgeWatch's retention job and its partition job, as they go about it.
TEST_F(DoctorTest, EdgeWatchsOwnJobsAtWork) {
  CreateEdgeWatchTables(uri_, TelemetryTable::kPartitioned);
  CreateEdgeWatchPartitions(uri_, "2026-01-01", "2026-03-01");
  Forget();
  EXPECT_THAT(Codes(OfDatabase()), Not(Contains("DeletesByCtid")));
  Forget();
  database_->Sql(
      "WITH doomed AS (SELECT ctid FROM telemetry_points WHERE ts < '2020-01-01' LIMIT 5000) DELETE FROM "
      "telemetry_points WHERE ctid IN (SELECT ctid FROM doomed)");
  database_->Sql(
      "CREATE TABLE IF NOT EXISTS telemetry_points_p202604 PARTITION OF telemetry_points FOR VALUES FROM "
      "('2026-04-01') TO ('2026-05-01')");
  database_->Sql("DELETE FROM telemetry_points WHERE ts < '2020-01-01'");
  database_->Sql("SELECT count(*) FROM telemetry_points WHERE device_id = 'x'");
  std::vector<Found> findings = OfDatabase();
  EXPECT_EQ(Find(findings, "DeletesByCtid").at("severity"), "error");
  EXPECT_THAT(Find(findings, "DeletesByCtid").at("what"), HasSubstr("(1 calls"));
  EXPECT_THAT(Find(findings, "PartitionsMadeElsewhere").at("advice"), HasSubstr("partition_manager"));
  EXPECT_THAT(Codes(findings), Contains("RowsDeletedElsewhere"));
  EXPECT_THAT(Find(findings, "NotPruned").at("what"), HasSubstr("device_id = "));
  EXPECT_THAT(testing::PrintToString(findings), Not(HasSubstr("2020-01-01")));  // literals are masked

  // Stopped, and what they did forgotten.
  Forget();
  findings = OfDatabase();
  for (const char* code : {"DeletesByCtid", "PartitionsMadeElsewhere", "RowsDeletedElsewhere", "NotPruned"}) {
    EXPECT_THAT(Codes(findings), Not(Contains(code)));
  }
}

// Jobs that know the partitions by name.
TEST_F(DoctorTest, OtherPeoplesJobsAtPartitions) {
  database_->Sql(kEvents);
  for (const auto& [statement, code] : std::vector<std::pair<std::string, std::string>>{
           {"DELETE FROM events_0 WHERE id = 7", "RowsDeletedElsewhere"},
           {"DELETE FROM events WHERE date(ts) < '2020-01-01'", "RowsDeletedElsewhere"},
           {"TRUNCATE events_0", "PartitionsRemovedElsewhere"},
           {"ALTER TABLE events DETACH PARTITION events_0", "PartitionsRemovedElsewhere"},
           {"DROP TABLE IF EXISTS events_202001", "PartitionsRemovedElsewhere"},
           {"ALTER TABLE events ATTACH PARTITION events_0 FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
            "PartitionsMadeElsewhere"}}) {
    Forget();
    database_->Sql(statement);
    const Found found = Find(OfDatabase(), code);
    EXPECT_THAT(found.at("what"), HasSubstr(statement.substr(0, 12))) << statement;
    EXPECT_THAT(found.at("what"), Not(HasSubstr("2020-01-01")));
  }
}

// It detaches, drops and deletes as others do, but in its own way.
TEST_F(DoctorTest, TheControllersOwnWorkIsNoFinding) {
  database_->Sql(kEvents);
  database_->Sql("CREATE TABLE events_default PARTITION OF events DEFAULT");
  database_->Sql(
      "CREATE TABLE events_p202001 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')");
  database_->Sql("INSERT INTO events VALUES (1, '2020-01-05'), (2, '2021-01-01')");
  Forget();
  const std::string spec = Spec("  retention: {keep: 60d, action: Drop, undoWindow: 0h}\n");
  ASSERT_EQ(Run({"apply", "--spec", spec}).code, 0);
  ASSERT_NE(database_->Value("SELECT count(*) FROM pg_stat_statements WHERE query LIKE 'DROP TABLE %'"), "0");
  ASSERT_NE(database_->Value("SELECT count(*) FROM pg_stat_statements WHERE query LIKE 'DELETE FROM ONLY %'"),
            "0");
  EXPECT_THAT(Findings({"--spec", spec}), IsEmpty());
}

// What is reported is planned for every partition, as EXPLAIN shows; what is planned
// for fewer is not reported.
TEST_F(DoctorTest, WhatIsSaidNotToPruneDoesNot) {
  database_->Sql(kEvents);
  constexpr bool kReported = true;
  for (const auto& [query, reported] : std::vector<std::pair<std::string, bool>>{
           {"SELECT count(*) FROM events WHERE id = 1", kReported},
           {"SELECT id, ts FROM events WHERE id = 1 ORDER BY ts DESC", kReported},
           {"SELECT count(*) FROM events WHERE date(ts AT TIME ZONE 'UTC') = current_date", kReported},
           {"SELECT count(*) FROM events e WHERE e.ts::timestamp > now()", kReported},
           {"SELECT count(*) FROM events WHERE date_trunc('day', ts) = now()", kReported},
           {"SELECT count(*) FROM events WHERE ts + interval '1 day' > now()", kReported},
           {"SELECT count(*) FROM events WHERE extract(epoch FROM ts) > 5", kReported},
           {"SELECT count(*) FROM events WHERE ts IS NOT NULL", kReported},
           {"SELECT id, max(ts) FROM events GROUP BY id", kReported},
           {"WITH e AS (SELECT * FROM events WHERE id = 2) SELECT count(*) FROM e", kReported},
           {"UPDATE events SET ts = now() WHERE id = 1", kReported},
           {"SELECT count(*) FROM generate_series(1, 2) g, events WHERE id = g", kReported},
           {"SELECT count(*) FROM events WHERE ts > now()", !kReported},
           {"SELECT count(*) FROM events WHERE now() < (events.ts)", !kReported},
           {"SELECT count(*) FROM events WHERE ts = ANY ('{2030-01-01}'::timestamptz[])", !kReported},
           {"SELECT count(*) FROM events WHERE ts BETWEEN '2020-01-01' AND '2020-01-02'", !kReported},
           {"SELECT count(*) FROM events WHERE ts::timestamptz > now()", !kReported},
           {"SELECT count(*) FROM events e JOIN generate_series(1, 2) g ON g = e.id AND e.ts > now()",
            !kReported},
           {"SELECT count(*) FROM (SELECT id, ts AS t FROM events) s WHERE s.t > now()", !kReported},
           {"SELECT count(*) FROM (SELECT id, ts FROM events) s (i, t) WHERE t > now()", !kReported}}) {
    Forget();
    database_->Sql(query);
    const bool found = testing::Value(Codes(OfDatabase()), Contains("NotPruned"));
    EXPECT_EQ(found, reported) << query;
    std::set<std::string> planned;
    for (const auto& row : database_->Sql("EXPLAIN " + query)) {
      const std::string line = row[0].as<std::string>();
      const std::size_t at = line.find(" on events_");
      if (at != std::string::npos) planned.insert(line.substr(at, 12));
    }
    EXPECT_EQ(planned.size() == 7, reported) << query << testing::PrintToString(planned);
  }
}

// The name alone may mean the table of another schema.
TEST_F(DoctorTest, ANameOfTwoTablesTellsNothing) {
  database_->Sql(kEvents);
  database_->Sql("CREATE SCHEMA other");
  database_->Sql("CREATE TABLE other.events (id bigint)");
  database_->Sql("SELECT count(*) FROM events WHERE id = 1");
  EXPECT_THAT(Codes(OfDatabase()), Not(Contains("NotPruned")));
  Forget();
  database_->Sql("SELECT count(*) FROM public.events WHERE id = 1");
  EXPECT_THAT(Codes(OfDatabase()), Contains("NotPruned"));
}

// A job that is connected is seen without the extension as well.
TEST_F(DoctorTest, AJobsSessionIsSeen) {
  database_->Sql(kEvents);
  database_->Sql("DROP EXTENSION pg_stat_statements");
  LiveDatabase job(uri_);
  job.Sql("SET application_name = 'edgewatch-retention'");
  job.Sql("DELETE FROM events WHERE ctid IN (SELECT ctid FROM events WHERE ts < '2020-01-01')");
  EXPECT_THAT(Find(OfDatabase(), "DeletesByCtid").at("what"), HasSubstr("edgewatch-retention"));
}

// Where it could not look it was silent, and a policy that it could not see was none.
TEST_F(DoctorTest, WhatARoleMayNotSee) {
  database_->Sql(kEvents);
  ASSERT_EQ(Run({"apply", "--spec", Spec()}).code, 0);
  database_->Sql("CREATE SCHEMA cron");
  database_->Sql(
      "CREATE TABLE cron.job (jobid bigint, schedule text, command text, database text, active boolean)");
  database_->Sql("CREATE SCHEMA partman");
  database_->Sql(
      "CREATE TABLE partman.part_config (parent_table text, control text, partition_interval text, premake "
      "int, "
      "retention text, retention_schema text, retention_keep_table boolean)");
  Forget();
  EXPECT_THAT(OfDatabase(), IsEmpty());

  const std::string role = DatabaseName(uri_) + "_role";
  database_->Sql("CREATE ROLE " + role + " LOGIN");
  const std::string uri = Server().Uri(DatabaseName(uri_), role);
  const std::vector<Found> findings = Findings({"--connection-env", "DATABASE_URL"}, uri);
  std::string all;
  for (const Found& finding : findings) {
    EXPECT_THAT(finding.at("code"), testing::AnyOf("NotLookedAt", "DefaultUnreadable"));
    EXPECT_THAT(finding.sql, Not(IsEmpty())) << testing::PrintToString(finding);
    all += finding.at("what") + "\n";
  }
  for (const char* what :
       {"the bookkeeping", "part_config", "cron.job", "events_default", "statements of other roles"}) {
    EXPECT_THAT(all, HasSubstr(what));
  }
  EXPECT_EQ(Run({"doctor", "--connection-env", "DATABASE_URL", "-o", "yaml"}, uri).out, "");
  Mend({"--connection-env", "DATABASE_URL"}, uri);
  EXPECT_THAT(Findings({"--connection-env", "DATABASE_URL"}, uri), IsEmpty());

  // Of a table with row security a role sees fewer rows, or none.
  database_->Sql("ALTER TABLE cron.job ENABLE ROW LEVEL SECURITY");
  EXPECT_THAT(Find(Findings({"--connection-env", "DATABASE_URL"}, uri), "NotLookedAt").at("what"),
              HasSubstr("row-level security"));
  EXPECT_THAT(OfDatabase(), IsEmpty());
}

TEST_F(DoctorTest, BookkeepingOfANewerRelease) {
  database_->Sql(kEvents);
  ASSERT_EQ(Run({"apply", "--spec", Spec()}).code, 0);
  database_->Sql("UPDATE partition_controller.version SET version = 99");
  Forget();
  const std::vector<Found> findings = OfDatabase();
  EXPECT_THAT(Codes(findings), ElementsAre("NotLookedAt"));
  EXPECT_THAT(Find(findings, "NotLookedAt").at("what"), HasSubstr("version 99, made by a newer release"));
  EXPECT_EQ(Run({"doctor", "--connection-env", "DATABASE_URL", "-o", "yaml"}).out, "");
  EXPECT_THAT(Codes(OfPolicy()), Contains("BookkeepingTooNew"));
}

TEST_F(DoctorTest, APlainTablesMissingIndex) {
  database_->Sql("CREATE TABLE events (id bigint, ts timestamptz NOT NULL)");
  const std::string spec =
      Spec("  partitioning: {state: Disabled}\n  retention: {keep: 90d, action: Drop}\n");
  EXPECT_THAT(Find(Findings({"--spec", spec}), "TimeIndexMissing").sql,
              ElementsAre("CREATE INDEX CONCURRENTLY ON \"public\".\"events\" (\"ts\");"));
  Mend({"--spec", spec});
  EXPECT_THAT(Findings({"--spec", spec}), IsEmpty());
}

TEST_F(DoctorTest, PartitionsThatWereDetachedByHand) {
  database_->Sql(kEvents);
  for (const char* other : {"events_backup", "waypoints_p202001"}) {
    database_->Sql(std::string("CREATE TABLE ") + other + " (LIKE events)");
  }
  database_->Sql("CREATE TABLE events_p202002 (LIKE events)");
  database_->Sql("ALTER TABLE events_p202002 ADD COLUMN note text");
  EXPECT_THAT(Codes(OfDatabase()), Not(Contains("LeftoverTable")));

  database_->Sql(
      "CREATE TABLE events_p202001 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')");
  database_->Sql("ALTER TABLE events DETACH PARTITION events_p202001");
  database_->Sql(
      "CREATE TABLE odd (ts timestamptz NOT NULL, id bigint, CHECK (ts IS NOT NULL AND ts >= '2020-03-01' "
      "AND ts "
      "< '2020-04-01'))");
  EXPECT_THAT(Find(OfDatabase(), "LeftoverTable").at("what"),
              HasSubstr("2 tables look as if they had been partitions of it: \"public\".\"events_p202001\", "
                        "\"public\".\"odd\""));
  database_->Sql("DROP TABLE odd");
  database_->Sql(
      "ALTER TABLE events ATTACH PARTITION events_p202001 FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')");
  EXPECT_THAT(Codes(OfDatabase()), Not(Contains("LeftoverTable")));
}

// What the controller has detached waits for its end; this is in its books as attached.
TEST_F(DoctorTest, APartitionOfOursThatWasDetachedByHand) {
  database_->Sql(kEvents);
  const Finished applied =
      Run({"apply", "--spec", Spec("  partitioning: {granularity: Month, premake: 5}\n")});
  ASSERT_EQ(applied.code, 0) << applied.out << applied.err;
  const std::string name = database_->Value(
      "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'events'::regclass AND "
      "inhrelid::regclass::text ~ '_p[0-9]+$' ORDER BY 1 LIMIT 1");
  database_->Sql("ALTER TABLE events DETACH PARTITION " + name);
  EXPECT_THAT(Find(OfDatabase(), "LeftoverTable").at("what"), HasSubstr(name));
}

TEST_F(DoctorTest, WhatTheControllerLeftBehind) {
  database_->Sql(kEvents);
  database_->Sql(
      "CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')");
  const Finished applied = Run({"apply", "--spec", Spec("  retention: {keep: 90d, action: Detach}\n")});
  ASSERT_EQ(applied.code, 0) << applied.out << applied.err;
  Forget();
  EXPECT_THAT(OfDatabase(), IsEmpty());
  database_->Sql("DROP TABLE events");
  std::vector<Found> findings = OfDatabase();
  EXPECT_THAT(Codes(findings), testing::UnorderedElementsAre("OrphanedRecord", "OrphanedPartition"));
  EXPECT_EQ(Find(findings, "OrphanedPartition").at("table"), "\"public\".\"events_old\"");
  Mend();
  EXPECT_THAT(OfDatabase(), IsEmpty());
  EXPECT_EQ(database_->Value("SELECT to_regclass('events_old')"), "");
}

// Proposals.

class Proposals : public DoctorTest {
 protected:
  // The one for `table`, which the program reads back and plans with.
  Policy Proposed(const std::string& table) {
    const Finished finished = Run({"doctor", "--connection-env", "DATABASE_URL", "-o", "yaml"});
    EXPECT_EQ(finished.err, "");
    const std::string file = folder_.Write("proposed.yaml", finished.out);
    const Finished plan = Run({"plan", "--spec", file});
    EXPECT_THAT(plan.err, IsEmpty()) << finished.out;
    EXPECT_THAT(plan.code, testing::AnyOf(0, 2, 3));
    DecodeContext context;
    context.known_zone = KnownZone;
    const Decoded decoded = DecodeYaml(finished.out, "proposed.yaml", context);
    for (const Policy& policy : decoded.policies) {
      if (policy.table.name == table) return policy;
    }
    ADD_FAILURE() << "no policy for " << table << " in\n" << finished.out;
    return {};
  }
};

TEST_F(Proposals, ForPgPartman5) {
  database_->Sql(kEvents);
  database_->Sql("CREATE SCHEMA partman");
  database_->Sql(
      "CREATE TABLE partman.part_config (parent_table text PRIMARY KEY, control text NOT NULL, time_encoder "
      "text, time_decoder text, partition_interval text NOT NULL, partition_type text NOT NULL, premake int "
      "NOT NULL DEFAULT 4, automatic_maintenance text NOT NULL DEFAULT 'on', template_table text, retention "
      "text, retention_schema text, retention_keep_index boolean NOT NULL DEFAULT true, retention_keep_table "
      "boolean NOT NULL DEFAULT true, epoch text NOT NULL DEFAULT 'none', default_table boolean DEFAULT "
      "true)");
  database_->Sql(
      "INSERT INTO partman.part_config (parent_table, control, partition_interval, partition_type, premake, "
      "retention, retention_keep_table) VALUES ('public.events', 'ts', '1 mon', 'range', 6, '3 months', "
      "false)");
  database_->Sql(
      "INSERT INTO partman.part_config (parent_table, control, partition_interval, partition_type, "
      "retention) "
      "VALUES ('public.numbers', 'id', '10000', 'range', '500000')");
  const Policy policy = Proposed("events");
  EXPECT_EQ(policy.time_column, "ts");
  EXPECT_EQ(policy.partitioning.granularity, Granularity::kMonth);
  EXPECT_EQ(policy.partitioning.premake, 6);
  ASSERT_TRUE(policy.retention);
  EXPECT_EQ(ToString(policy.retention->keep), "3mo");
  EXPECT_EQ(policy.retention->action, Retention::Action::kDrop);
  EXPECT_EQ(policy.mode, Policy::Mode::kPlan);

  EXPECT_THAT(Find(OfDatabase(), "PartmanAtWork").sql, testing::SizeIs(1));
  Mend();
}

// One odd value kept all of them from being read, and nobody was told.
TEST_F(Proposals, PartmansValuesMayBeAnything) {
  database_->Sql(kEvents);
  database_->Sql("CREATE SCHEMA partman");
  database_->Sql(
      "CREATE TABLE partman.part_config (parent_table text, control text, partition_interval text, premake "
      "int, "
      "retention text, retention_schema text, retention_keep_table boolean)");
  database_->Sql(
      "INSERT INTO partman.part_config VALUES ('public.events', 'ts', '1 month', 5, 'infinity', NULL, true), "
      "('public.other', 'ts', 'soon', 5, NULL, NULL, true)");
  std::string all;
  for (const Found& finding : OfDatabase()) {
    if (finding.at("code") == "NotLookedAt") all += finding.at("what") + "\n";
  }
  EXPECT_THAT(all, HasSubstr("the retention of pg_partman's entry for public.events"));
  EXPECT_THAT(all, HasSubstr("the partition_interval of pg_partman's entry for public.other"));
  EXPECT_THAT(Codes(OfDatabase()), Contains("PartmanAtWork"));
  const Policy policy = Proposed("events");
  EXPECT_EQ(policy.partitioning.premake, 5);
  EXPECT_FALSE(policy.retention);
}

// The extension itself, as Debian has it.
TEST_F(Proposals, ForPgPartman4) {
  if (database_->Value("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'") == "0") {
    GTEST_SKIP() << "pg_partman is not on this machine";
  }
  database_->Sql("CREATE SCHEMA partman");
  database_->Sql("CREATE EXTENSION pg_partman SCHEMA partman");
  database_->Sql("CREATE TABLE metrics (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts)");
  database_->Sql("CREATE INDEX ON metrics (ts)");
  database_->Sql("SELECT partman.create_parent('public.metrics', 'ts', 'native', 'daily', p_premake := 5)");
  database_->Sql("UPDATE partman.part_config SET retention = '30 days'");
  EXPECT_THAT(Codes(OfDatabase()), Contains("PartmanAtWork"));
  const Policy policy = Proposed("metrics");
  EXPECT_EQ(policy.partitioning.granularity, Granularity::kDay);
  EXPECT_EQ(policy.partitioning.premake, 5);
  EXPECT_EQ(ToString(policy.retention.value_or(Retention{}).keep), "30d");
  EXPECT_EQ(policy.retention->action, Retention::Action::kDetach);
}

TEST_F(Proposals, ForPpmAndForWhatWasMadeByHand) {
  database_->Sql("CREATE TABLE logs (created date NOT NULL) PARTITION BY RANGE (created)");
  database_->Sql(
      "CREATE TABLE logs_2026_w47 PARTITION OF logs FOR VALUES FROM ('2026-11-16') TO ('2026-11-23')");
  database_->Sql(
      "CREATE TABLE logs_2026_w48 PARTITION OF logs FOR VALUES FROM ('2026-11-23') TO ('2026-11-30')");
  database_->Sql("CREATE TABLE \"od: d\"\"\" (\"at\n\" timestamptz NOT NULL) PARTITION BY RANGE (\"at\n\")");
  database_->Sql(
      "CREATE TABLE one PARTITION OF \"od: d\"\"\" FOR VALUES FROM ('2026-07-01Z') TO ('2026-10-01Z')");
  const Policy logs = Proposed("logs");
  EXPECT_EQ(logs.partitioning.granularity, Granularity::kWeek);
  EXPECT_FALSE(logs.retention);
  const Policy odd = Proposed("od: d\"");
  EXPECT_EQ(odd.partitioning.granularity, Granularity::kQuarter);
  EXPECT_EQ(odd.time_column, "at\n");
  EXPECT_THAT(Run({"doctor", "--connection-env", "DATABASE_URL", "-o", "yaml"}).out,
              HasSubstr("names that PPM gives them"));
}

TEST_F(DoctorTest, ErrorsAreNoFindings) {
  EXPECT_EQ(Run({"doctor"}).code, 1);
  EXPECT_EQ(Run({"doctor", "--connection-env", "NO_SUCH_VARIABLE"}).code, 1);
  const Finished refused = Run({"doctor", "--connection-env", "DATABASE_URL"}, "postgresql://127.0.0.1:1/x");
  EXPECT_EQ(refused.code, 1);
  EXPECT_EQ(refused.out, "");
}

}  // namespace
}  // namespace partition_controller
