// The way back from a conversion: the table is what it was, with all rows,
// those written since included, and whatever closes the way is said.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "controller/postgres.h"
#include "tests/support/edgewatch.h"
#include "tests/support/ingest.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"
#include "tests/support/program.h"

namespace partition_controller {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Everything that a schema dump shows, by the catalog alone: what no dump of
// another version could be compared by.
std::string SchemaOf(LiveDatabase& db) {
  std::string state;
  const auto add = [&](const char* title, const std::string& sql) {
    state += std::string(title) + "\n";
    for (const std::string& line : db.Column(sql)) state += "  " + line + "\n";
  };
  const std::string ours = "relnamespace = 'public'::regnamespace";
  add("relations",
      "SELECT concat_ws(' ', relname, relkind, relpersistence, relispartition, relacl, "
      "reloptions, "
      "relreplident, relrowsecurity, relforcerowsecurity, obj_description(oid, 'pg_class')) FROM pg_class "
      "WHERE " +
          ours + " ORDER BY relname");
  add("columns",
      "SELECT concat_ws(' ', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
      "a.attidentity, a.attgenerated, a.attacl, coalesce(a.attstattarget, -1), a.attoptions, "
      "pg_get_expr(d.adbin, "
      "d.adrelid), col_description(c.oid, a.attnum)) FROM pg_class c JOIN pg_attribute a ON a.attrelid = "
      "c.oid AND "
      "a.attnum > 0 AND NOT attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum "
      "WHERE " +
          ours + " ORDER BY c.relname, a.attnum");
  add("indexes",
      "SELECT concat_ws(' ', pg_get_indexdef(indexrelid), indisclustered, obj_description(c.oid, "
      "'pg_class')) "
      "FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE " +
          ours + " ORDER BY c.relname");
  add("constraints",
      "SELECT concat_ws(' ', conrelid::regclass, conname, convalidated, pg_get_constraintdef(k.oid), "
      "obj_description(k.oid, 'pg_constraint')) FROM "
      "pg_constraint k JOIN pg_class c ON c.oid = conrelid WHERE " +
          ours + " ORDER BY 1");
  add("triggers",
      "SELECT concat_ws(' ', pg_get_triggerdef(t.oid), tgenabled, obj_description(t.oid, 'pg_trigger')) FROM "
      "pg_trigger t JOIN pg_class c ON "
      "c.oid = tgrelid WHERE NOT tgisinternal AND " +
          ours + " ORDER BY 1");
  add("policies",
      "SELECT concat_ws(' ', polrelid::regclass, polname, polcmd, polpermissive, polroles, "
      "pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), obj_description(oid, "
      "'pg_policy')) FROM pg_policy ORDER BY 1");
  add("views", "SELECT concat_ws(' ', relname, pg_get_viewdef(oid)) FROM pg_class WHERE relkind = 'v' AND " +
                   ours + " ORDER BY 1");
  add("sequences",
      "SELECT concat_ws(' ', seqrelid::regclass, seqstart, seqincrement, seqmax, seqmin, seqcache, "
      "seqcycle, d.refobjid::regclass, d.refobjsubid, d.deptype) FROM pg_sequence LEFT JOIN pg_depend d "
      "ON d.objid = seqrelid AND d.deptype IN ('a', 'i') ORDER BY 1");
  add("publications",
      "SELECT concat_ws(' ', pubname, prrelid::regclass) FROM pg_publication_rel JOIN pg_publication "
      "p ON p.oid = prpubid ORDER BY 1");
  add("functions",
      "SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace('partition_controller')");
  return state;
}

// Where pg_dump of that version is: Debian brings that of 15.
std::string DumpOf(const std::string& uri) {
  const std::string program = PostgresServer::BinDirectory(15) + "/pg_dump";
  const Finished dump = RunProgram({program, "--schema-only", "--schema=public", uri});
  EXPECT_EQ(dump.code, 0) << dump.err;
  std::string text;
  std::istringstream lines(dump.out);
  for (std::string line; std::getline(lines, line);) {
    // A random word that protects psql (since 15.14).
    if (!line.starts_with("\\restrict") && !line.starts_with("\\unrestrict")) text += line + "\n";
  }
  return text;
}

class WayBack : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    db_ = std::make_unique<LiveDatabase>(PostgresServer::Shared().CreateDatabase("revert"));
    db_->MarkAsTest();
    policy_ = PolicyFor("points");
    policy_.partitioning.uniqueness = Partitioning::Uniqueness::kPerPartition;
  }

  void UseEdgeWatch(std::int64_t points = 2'000) {
    policy_.table.name = "telemetry_points";
    CreateEdgeWatchTables(db_->uri(), TelemetryTable::kPlain);
    GenerateEdgeWatchData(db_->uri(), {5, points, "2026-08-01", "2026-11-22", 0, ""});
    GenerateEdgeWatchData(db_->uri(), {5, 20, "2028-05-01", "2028-05-02", 1, ""});
  }
  void CreatePoints() {
    db_->Sql("CREATE TABLE points (id bigint PRIMARY KEY, key text UNIQUE, ts timestamptz NOT NULL, v real)");
    db_->Sql(
        "INSERT INTO points SELECT n, 'k' || n, timestamptz '2026-10-01' + n * interval '1 hour', n FROM "
        "generate_series(1, 1000) n");
  }

  Approach At(const char* now = "2026-11-22T20:31:00Z") const {
    Approach approach;
    approach.preview = partition_controller::At(now);
    return approach;
  }
  void Convert() {
    policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
    ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, At())), "");
    ASSERT_EQ(db_->Value("SELECT relkind FROM pg_class WHERE relname = '" + policy_.table.name + "'"), "p");
  }
  Convergence GoBack(const char* now = "2026-12-05T00:00:00Z") {
    policy_.partitioning.conversion = Partitioning::Conversion::kRevert;
    return ConvergeOn(db_->uri(), policy_, At(now));
  }
  // As a run that is cut off after a step, or a batch, of this kind.
  template <typename Last>
  void GoBackUntil() {
    std::stop_source stop;
    Approach approach = At("2026-12-05T00:00:00Z");
    approach.stop = stop.get_token();
    approach.on_step = [&](const StepOutcome& step) {
      if (std::holds_alternative<Last>(step.action)) stop.request_stop();
    };
    policy_.partitioning.conversion = Partitioning::Conversion::kRevert;
    EXPECT_TRUE(ConvergeOn(db_->uri(), policy_, approach).stopped);
  }
  // What is said of a way back that is closed; nothing may have changed.
  std::string WhyClosed() {
    policy_.partitioning.conversion = Partitioning::Conversion::kRevert;
    const std::string before = db_->Fingerprint();
    const Situation seen = See(db_->uri(), policy_, At());
    EXPECT_EQ(db_->Fingerprint(), before);
    for (const Step& step : seen.plan.steps) EXPECT_STRNE(Kind(step.action), "begin_revert");
    std::string why;
    for (const Refusal& refusal : seen.plan.refusals) {
      if (refusal.code == "NoWayBack") why += refusal.message + "\n";
    }
    return why;
  }
  std::string Rows(const std::string& table) {
    return db_->Value("SELECT concat_ws(' ', count(*), sum(hashtext(t::text)::bigint)) FROM " + table + " t");
  }

  std::unique_ptr<LiveDatabase> db_;
  Policy policy_;
};

TEST_F(WayBack, EdgeWatchsTableIsAsIfItHadNeverBeenConverted) {
  UseEdgeWatch();
  db_->Sql("CREATE VIEW latest AS SELECT device_id, max(ts) AS ts FROM telemetry_points GROUP BY 1");
  const bool dumps = PostgresServer::DefaultMajor() == 15;
  const std::string dump = dumps ? DumpOf(db_->uri()) : "";
  const std::string schema = SchemaOf(*db_);
  const std::string file = db_->Value("SELECT oid FROM pg_class WHERE relname = 'telemetry_points'");
  Convert();
  // Rows of the history, of each partition and of the default one.
  GenerateEdgeWatchData(db_->uri(), {5, 500, "2026-11-01", "2027-06-01", 2, ""});
  db_->Sql("DELETE FROM telemetry_points WHERE message_id = 'm-2-7'");
  db_->Sql("UPDATE telemetry_points SET metrics = '{\"battery_v\": 1}' WHERE message_id = 'm-2-8'");
  const std::string rows = Rows("telemetry_points");
  EXPECT_EQ(TroubleWith(GoBack()), "");
  EXPECT_EQ(Rows("telemetry_points"), rows);
  EXPECT_EQ(Rows("ONLY telemetry_points"), rows);
  EXPECT_EQ(SchemaOf(*db_), schema);
  EXPECT_EQ(dumps ? DumpOf(db_->uri()) : "", dump);
  EXPECT_EQ(db_->Value("SELECT oid FROM pg_class WHERE relname = 'telemetry_points'"), file);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM latest"), 5);
  EXPECT_THAT(db_->Column("SELECT state FROM partition_controller.conversions"), IsEmpty());
  EXPECT_THAT(db_->Column("SELECT table_name FROM partition_controller.partitions"), IsEmpty());
  // The key is what it was, too.
  EXPECT_THROW(
      db_->Sql("INSERT INTO telemetry_points (id, message_id, device_id, ts) SELECT id, 'other', device_id, "
               "ts + interval '1 year' FROM telemetry_points LIMIT 1"),
      pqxx::unique_violation);
  // And it can be converted again.
  Convert();
  EXPECT_EQ(Rows("telemetry_points"), rows);
}

TEST_F(WayBack, GivesBackWhatTheTableHad) {
  db_->Sql("DROP ROLE IF EXISTS revert_reader");
  db_->Sql("CREATE ROLE revert_reader");
  db_->Sql(
      "CREATE TABLE points (id bigint GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 2), n "
      "serial, ts "
      "timestamptz NOT NULL, v real DEFAULT 1 CHECK (v > 0), twice real GENERATED ALWAYS AS (v * 2) STORED, "
      "PRIMARY KEY "
      "(id) WITH (fillfactor = 77)); ALTER TABLE points CLUSTER ON points_pkey; "
      "COMMENT ON CONSTRAINT points_pkey ON points IS 'key'; COMMENT ON INDEX points_pkey IS 'index'; "
      "COMMENT ON TABLE points IS 'what''s measured'; COMMENT ON COLUMN points.v IS 'volts'; "
      "CREATE INDEX points_v ON points (v) WHERE v > 10; "
      "ALTER TABLE points ALTER COLUMN v SET STATISTICS 500; "
      "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
      "CREATE TRIGGER stamp BEFORE UPDATE ON points FOR EACH ROW EXECUTE FUNCTION stamp(); "
      "CREATE TRIGGER off AFTER INSERT ON points FOR EACH ROW EXECUTE FUNCTION stamp(); "
      "ALTER TABLE points DISABLE TRIGGER off; "
      "GRANT SELECT ON points TO revert_reader; GRANT UPDATE (v) ON points TO revert_reader; "
      "ALTER TABLE points ENABLE ROW LEVEL SECURITY; "
      "CREATE POLICY recent ON points FOR SELECT TO revert_reader USING (v > 2); "
      "COMMENT ON INDEX points_v IS 'high'; COMMENT ON TRIGGER stamp ON points IS 'stamps'; COMMENT ON "
      "POLICY "
      "recent ON points IS 'new'; "
      "CREATE VIEW low AS SELECT id, v FROM points WHERE v < 5; CREATE VIEW lower AS SELECT id FROM low "
      "WHERE v < 3; "
      "INSERT INTO points (ts, v) SELECT timestamptz '2026-10-01' + n * interval '1 hour', n FROM "
      "generate_series(1, "
      "500) n");
  db_->Sql(
      "CREATE PUBLICATION revert_all FOR TABLE points WITH (publish_via_partition_root = true, publish = "
      "'update, delete')");
  const std::string schema = SchemaOf(*db_);
  Convert();
  db_->Sql("INSERT INTO points (ts, v) VALUES ('2026-12-03', 7), ('2029-01-01', 8), ('2026-11-01', 9)");
  const std::string rows = Rows("points");
  EXPECT_EQ(TroubleWith(GoBack()), "");
  EXPECT_EQ(Rows("ONLY points"), rows);
  EXPECT_EQ(SchemaOf(*db_), schema);
  EXPECT_EQ(db_->Value("INSERT INTO points (ts, v) VALUES ('2026-12-04', 10) RETURNING id"), "1011");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM lower"), 2);
}

// What was granted, commented and secured since is not undone by the way back.
TEST_F(WayBack, KeepsWhatHasBeenChangedSince) {
  db_->Sql("DROP ROLE IF EXISTS revert_old; DROP ROLE IF EXISTS revert_new");
  db_->Sql("CREATE ROLE revert_old; CREATE ROLE revert_new");
  CreatePoints();
  db_->Sql("GRANT SELECT ON points TO revert_old");
  Convert();
  db_->Sql(
      "REVOKE SELECT ON points FROM revert_old; GRANT INSERT ON points TO revert_new; COMMENT ON TABLE "
      "points IS "
      "'new'; ALTER TABLE points ENABLE ROW LEVEL SECURITY; CREATE POLICY all_rows ON points USING (true); "
      "ALTER "
      "TABLE points ADD COLUMN w int DEFAULT 3; CREATE INDEX points_w ON points (w)");
  EXPECT_EQ(TroubleWith(GoBack()), "");
  EXPECT_EQ(db_->Value("SELECT has_table_privilege('revert_old', 'points', 'SELECT')"), "f");
  EXPECT_EQ(db_->Value("SELECT has_table_privilege('revert_new', 'points', 'INSERT')"), "t");
  EXPECT_EQ(db_->Value("SELECT obj_description('points'::regclass, 'pg_class')"), "new");
  EXPECT_EQ(db_->Value("SELECT relrowsecurity FROM pg_class WHERE relname = 'points'"), "t");
  EXPECT_THAT(db_->Column("SELECT polname FROM pg_policy"), ElementsAre("all_rows"));
  EXPECT_EQ(db_->Number("SELECT sum(w) FROM points"), 3'000);
  EXPECT_THAT(
      db_->Column("SELECT relname FROM pg_class c JOIN pg_index ON indexrelid = c.oid WHERE indrelid = "
                  "'points'::regclass ORDER BY 1"),
      ElementsAre("points_key_key", "points_pkey", "points_w"));
}

TEST_F(WayBack, EndsWhenAPartitionIsDropped) {
  CreatePoints();
  Convert();
  policy_.retention = Keep("1mo");
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, At("2027-03-05T00:00:00Z"))), "");
  EXPECT_THAT(WhyClosed(), HasSubstr("was dropped"));
}

TEST_F(WayBack, EndsWhenExpiredRowsAreDeleted) {
  CreatePoints();
  Convert();
  policy_.retention = Keep("1mo");
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, At())), "");
  EXPECT_LT(db_->Number("SELECT count(*) FROM points"), 1'000);
  EXPECT_THAT(WhyClosed(), HasSubstr("expired rows were deleted"));
}

TEST_F(WayBack, StaysOpenWhereHistoryDeletesAreOff) {
  CreatePoints();
  policy_.retention = Keep("1mo");
  policy_.partitioning.history_deletes = false;
  Convert();
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 1'000);
  // It is plain then, which is not what `state: Enabled` keeps in order.
  EXPECT_THAT(TroubleWith(GoBack("2026-11-23T00:00:00Z")), HasSubstr("PlainForGood"));
  EXPECT_EQ(db_->Number("SELECT count(*) FROM ONLY points"), 1'000);
}

TEST_F(WayBack, WaitsForDetachedPartitions) {
  CreatePoints();
  Convert();
  db_->Sql("INSERT INTO points VALUES (5000, 'late', '2026-12-05', 1)");
  policy_.retention = Keep("1mo", Retention::Action::kDrop, "48h");
  ConvergeOn(db_->uri(), policy_, At("2027-02-01T12:00:00Z"));
  EXPECT_THAT(WhyClosed(), HasSubstr("is detached, and its rows would be missing"));
}

TEST_F(WayBack, IsClosedWhileTriggersWouldFire) {
  CreatePoints();
  Convert();
  db_->Sql(
      "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER "
      "audit "
      "AFTER INSERT ON points FOR EACH ROW EXECUTE FUNCTION audit()");
  EXPECT_THAT(WhyClosed(), HasSubstr("trigger \"audit\" would fire"));
  db_->Sql("ALTER TABLE points DISABLE TRIGGER audit");
  EXPECT_EQ(TroubleWith(GoBack()), "");
}

// What its subscribers have already would be sent again.
TEST_F(WayBack, IsClosedWhileItWouldBePublished) {
  CreatePoints();
  db_->Sql("CREATE PUBLICATION once_more FOR TABLE points WITH (publish_via_partition_root = true)");
  Convert();
  EXPECT_THAT(WhyClosed(), HasSubstr("publication once_more would publish each row that moves back"));
  db_->Sql("ALTER PUBLICATION once_more DROP TABLE points; CREATE PUBLICATION every FOR ALL TABLES");
  EXPECT_THAT(WhyClosed(), HasSubstr("publication every is FOR ALL TABLES"));
  db_->Sql("DROP PUBLICATION every");
  EXPECT_EQ(TroubleWith(GoBack()), "");
}

TEST_F(WayBack, IsClosedForATableThatWasNeverConverted) {
  db_->Sql("CREATE TABLE points (id bigint, ts timestamptz NOT NULL) PARTITION BY RANGE (ts)");
  EXPECT_THAT(WhyClosed(), HasSubstr("was not converted by this controller"));
  // All else goes on.
  const Convergence result = GoBack();
  EXPECT_THAT(db_->Partitions("points"), Contains(HasSubstr("points_p202612")));
  EXPECT_THAT(Codes(result.last.plan), ElementsAre("NoWayBack"));
}

// Each partition kept its own keys, so a key may be there twice: nothing is
// thrown away, and nothing is out of sight.
TEST_F(WayBack, KeepsRowsThatRepeatAKey) {
  CreatePoints();
  Convert();
  db_->Sql(
      "INSERT INTO points VALUES (7, 'again', '2026-12-05', 1), (5001, 'k8', '2026-12-06', 1), (5002, 'new', "
      "'2026-12-07', 1)");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 1'003);
  const Convergence result = GoBack();
  EXPECT_THAT(Codes(result.last.plan), ElementsAre("RowsRepeatKeys"));
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 1'003);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM ONLY points"), 1'001);
  const Refusal* refusal = FindRefusal(result.last.plan, "RowsRepeatKeys");
  ASSERT_NE(refusal, nullptr);
  EXPECT_THAT(refusal->remedy, HasSubstr("SELECT * FROM ONLY \"public\".\"points_p202612\""));
  db_->Sql("DELETE FROM ONLY points_p202612 WHERE id = 7; UPDATE points SET key = 'k8b' WHERE id = 5001");
  EXPECT_EQ(TroubleWith(GoBack()), "");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM ONLY points"), 1'002);
  EXPECT_THAT(db_->Column("SELECT relname FROM pg_class WHERE relname LIKE 'points\\_%' AND relkind = 'r'"),
              IsEmpty());
}

// While the row is still in a child, the table's own unique keys do not see it.
TEST_F(WayBack, PassesOverWhatIsReplayed) {
  CreatePoints();
  Convert();
  db_->Sql("INSERT INTO points VALUES (5001, 'new', '2026-12-07', 1), (5002, 'other', '2026-12-08', 1)");
  GoBackUntil<BeginRevert>();
  ASSERT_EQ(db_->Number("SELECT count(*) FROM ONLY points"), 1'000);
  const char* replay =
      "INSERT INTO points VALUES (6001, 'new', '2026-12-07', 2), (5002, 'else', '2026-12-08', 2), (6003, "
      "'third', '2026-12-07', 3), (6004, 'other', '2026-12-09', 4) ON CONFLICT DO NOTHING";
  db_->Sql(replay);
  EXPECT_EQ(
      db_->Value("SELECT string_agg(concat_ws(' ', id, v), ', ' ORDER BY id) FROM points WHERE id > 5000"),
      "5001 1, 5002 1, 6003 3, 6004 4");
  // The last one has another time, and is no replay: somebody must decide.
  EXPECT_THAT(Codes(GoBack().last.plan), ElementsAre("RowsRepeatKeys"));
  db_->Sql("DELETE FROM points WHERE id = 6004");
  EXPECT_EQ(TroubleWith(GoBack()), "");
  db_->Sql(replay);
  EXPECT_EQ(
      db_->Value("SELECT string_agg(concat_ws(' ', id, v), ', ' ORDER BY id) FROM ONLY points WHERE id > "
                 "5000"),
      "5001 1, 5002 1, 6003 3");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'points'::regclass"), 0);
}

TEST_F(WayBack, GoesOnWhereItWasInterrupted) {
  CreatePoints();
  Convert();
  db_->Sql(
      "INSERT INTO points SELECT 2000 + n, 'n' || n, timestamptz '2026-12-01' + n * interval '1 hour', 1 "
      "FROM "
      "generate_series(1, 900) n");
  GoBackUntil<MergeChild>();
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 1'900);
  // Whatever the policy says by now, what has begun is finished first.
  policy_.partitioning.conversion = Partitioning::Conversion::kNever;
  const Situation seen = See(db_->uri(), policy_, At("2026-12-05T00:00:00Z"));
  EXPECT_TRUE(seen.catalog.table->conversion);
  EXPECT_FALSE(seen.plan.steps.empty());
  ConvergeOn(db_->uri(), policy_, At("2026-12-05T00:00:00Z"));
  EXPECT_EQ(db_->Number("SELECT count(*) FROM ONLY points"), 1'900);
  EXPECT_THAT(
      db_->Column("SELECT 1 FROM pg_inherits JOIN pg_class c ON c.oid = inhparent WHERE relkind = 'r'"),
      IsEmpty());
}

TEST_F(WayBack, UnderIngestEachRowIsThereOnce) {
  UseEdgeWatch(20'000);
  // By the real clock: the writers' rows are of now and of the next months.
  policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
  policy_.retention.reset();
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_)), "");
  IngestOptions options;
  options.spans = {{"now() - interval '1 day'", "now()"}};
  const std::string since = db_->Value("SELECT now() - interval '1 day'");
  const std::string until = db_->Value("SELECT now() + interval '50 days'");
  options.spans = {{since, until, 1, true}};
  options.largest_batch = 50;
  Ingest ingest(db_->uri(), options);
  Checker checker(db_->uri(), ingest, since);
  policy_.partitioning.conversion = Partitioning::Conversion::kRevert;
  std::string trouble;
  EXPECT_TRUE(Eventually(
      [&] {
        trouble = TroubleWith(ConvergeOn(db_->uri(), policy_));
        return trouble.empty();
      },
      std::chrono::seconds(120)))
      << trouble;
  checker.Stop();
  ingest.Stop();
  EXPECT_EQ(ingest.error_count(), 0) << testing::PrintToString(ingest.errors());
  EXPECT_EQ(checker.fault_count(), 0) << testing::PrintToString(checker.faults());
  EXPECT_GT(checker.snapshots(), 0);
  EXPECT_EQ(Checker::AllThere(db_->uri(), ingest.acknowledged()), "");
  EXPECT_EQ(db_->Value("SELECT relkind FROM pg_class WHERE relname = 'telemetry_points'"), "r");
}

TEST_F(WayBack, TheCommandSaysHowItWent) {
  CreatePoints();
  policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_)), "");
  const ScratchFolder folder;
  PolicyFile file;
  file.spec = {"partitioning: {premake: 2, conversion: Online, uniqueness: PerPartition}"};
  const std::string path = folder.Write("policy.yaml", file.Text());
  const auto unconvert = [&] {
    return RunProgram(
        Program({"unconvert", "--spec", path}),
        {.environment = {{"DATABASE_URL", db_->uri()}}, .directory = "/", .unprivileged = false});
  };
  const Finished done = unconvert();
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("set partitioning.state: Disabled and conversion: Never"));
  EXPECT_EQ(db_->Number("SELECT count(*) FROM ONLY points"), 1'000);
  // There is nothing left to do.
  EXPECT_EQ(unconvert().code, 0);

  // The command was at work on it a moment ago.
  ASSERT_TRUE(Eventually([&] { return TroubleWith(ConvergeOn(db_->uri(), policy_)).empty(); }));
  db_->Sql("UPDATE partition_controller.conversions SET no_way_back = 'partition \"x\" was dropped'");
  const std::string before = db_->Fingerprint();
  const Finished refused = unconvert();
  EXPECT_EQ(refused.code, 3) << refused.err;
  EXPECT_THAT(refused.out, HasSubstr("partition \"x\" was dropped"));
  EXPECT_THAT(refused.out, Not(HasSubstr("Carried out for policy default/points: 1")));
  EXPECT_EQ(db_->Fingerprint(), before);
}

// Whatever else the policy asks for: the command takes no row out.
TEST_F(WayBack, TheCommandDeletesNothing) {
  CreatePoints();
  policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_)), "");
  const ScratchFolder folder;
  PolicyFile file;
  const auto unconvert = [&](const char* state, const char* more) {
    file.spec = {
        std::string("partitioning: {premake: 2, conversion: Never, uniqueness: PerPartition, state: ") +
            state + "}",
        "retention: {keep: 1d, action: Drop}", more};
    return RunProgram(
        Program({"unconvert", "--spec", folder.Write("policy.yaml", file.Text())}),
        {.environment = {{"DATABASE_URL", db_->uri()}}, .directory = "/", .unprivileged = false});
  };
  const std::string before = db_->Fingerprint();
  const Finished held = unconvert("Disabled", "suspend: true");
  EXPECT_EQ(held.code, 3);
  EXPECT_THAT(held.err, HasSubstr("nothing is done while spec.suspend is true"));
  EXPECT_EQ(unconvert("Disabled", "mode: Plan").code, 3);
  EXPECT_EQ(db_->Fingerprint(), before);
  const Finished done = unconvert("Disabled", "suspend: false");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.err.find("note:"), std::string::npos);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM ONLY points"), 1'000);
  EXPECT_EQ(unconvert("Enabled", "suspend: false").code, 0);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM ONLY points"), 1'000);
}

// Which wish makes a table that is plain again one whose rows expire.
TEST_F(WayBack, EndsInATableThatKeepsItsRetention) {
  CreatePoints();
  Convert();
  policy_.partitioning.state = Partitioning::State::kDisabled;
  policy_.partitioning.history_deletes = false;
  policy_.retention = Keep("1mo");
  // It is the way back first, and only then seen what has expired: that waits for
  // consent, for the table had no retention before.
  EXPECT_THAT(TroubleWith(GoBack("2026-11-23T00:00:00Z")), HasSubstr("AcknowledgementRequired"));
  EXPECT_EQ(db_->Value("SELECT relkind FROM pg_class WHERE relname = 'points'"), "r");
  EXPECT_EQ(TroubleWith(GoBack("2026-11-23T00:00:00Z")), "");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM ONLY points WHERE ts < '2026-10-23'"), 0);
  EXPECT_GT(db_->Number("SELECT count(*) FROM ONLY points"), 400);
  policy_.partitioning.state = Partitioning::State::kEnabled;
  const Plan plan = See(db_->uri(), policy_, At("2026-11-23T00:00:00Z")).plan;
  EXPECT_THAT(Codes(plan), ElementsAre("PlainForGood"));
  policy_.partitioning.state = Partitioning::State::kDisabled;
  policy_.partitioning.conversion = Partitioning::Conversion::kNever;
  EXPECT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, At("2026-11-23T00:00:00Z"))), "");
}

// Somebody who waits learns for whom.
TEST_F(WayBack, NamesTheTransactionThatIsInTheWay) {
  CreatePoints();
  Convert();
  db_->Sql("INSERT INTO points VALUES (5001, 'new', '2026-12-07', 1)");
  GoBackUntil<BeginRevert>();
  ASSERT_EQ(db_->Number("SELECT count(*) FROM ONLY points"), 1'000);
  pqxx::connection other(db_->uri());
  pqxx::nontransaction session(other);
  // One that holds no snapshot is in nobody's way.
  db_->Sql("CREATE TABLE unrelated (a int)");
  session.exec("BEGIN; INSERT INTO unrelated VALUES (1)");
  session.exec("SELECT 1");
  pqxx::connection reader(db_->uri());
  pqxx::nontransaction snapshot(reader);
  snapshot.exec("SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ");
  snapshot.exec("SELECT count(*) FROM unrelated");
  EXPECT_THAT(TroubleWith(GoBack()),
              AllOf(HasSubstr("may read what is to be dropped: pid " + std::to_string(reader.backendpid())),
                    HasSubstr("report, idle in transaction")));
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 1'001);
  snapshot.exec("COMMIT");
  EXPECT_EQ(TroubleWith(GoBack()), "");
  session.exec("ROLLBACK");
}

}  // namespace
}  // namespace partition_controller
