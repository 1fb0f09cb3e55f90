// `plan -o sql`, run by psql, leaves a database as `apply` leaves its copy; and
// the exit codes that scripts depend on.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "reconcilers/quote.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"
#include "tests/support/process.h"
#include "tests/support/program.h"

namespace partition_controller {
namespace {

using testing::HasSubstr;

constexpr const char* kNow = "2026-07-15T12:00:00Z";

// All that the two ways must agree on: everything but oids, times, terms and
// the holder.
std::vector<std::string> Describe(LiveDatabase& database) {
  static const char* const kQueries[] = {
      "SELECT concat_ws(' ', 'relation', n.nspname, c.relname, c.relkind, c.relpersistence, r.rolname, "
      "c.relacl, "
      "c.reloptions, c.relreplident, t.spcname, pg_get_expr(c.relpartbound, c.oid), c.reltuples >= 0, "
      "obj_description(c.oid, 'pg_class'), c.relrowsecurity) FROM pg_class c JOIN pg_namespace n ON n.oid = "
      "relnamespace JOIN pg_roles r ON r.oid = c.relowner LEFT JOIN pg_tablespace t ON t.oid = "
      "c.reltablespace WHERE "
      "n.nspname !~ '^(pg_|information_schema)'",
      "SELECT concat_ws(' ', 'column', a.attrelid::regclass, a.attnum, a.attname, format_type(a.atttypid, "
      "a.atttypmod), "
      "a.attnotnull, a.attidentity, a.attgenerated, a.attstorage, a.attacl, a.attisdropped, "
      "pg_get_expr(d.adbin, "
      "d.adrelid)) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = "
      "relnamespace LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE n.nspname "
      "!~ "
      "'^(pg_|information_schema)' AND a.attnum > 0",
      "SELECT concat_ws(' ', 'index', i.indexrelid::regclass, i.indisvalid, i.indisreplident, "
      "h.inhparent::regclass, "
      "pg_get_indexdef(i.indexrelid)) FROM pg_index i LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid "
      "JOIN "
      "pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ "
      "'^pg_'",
      "SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, convalidated, coninhcount, "
      "conislocal, "
      "pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid <> 0 AND oid >= 16384",
      "SELECT concat_ws(' ', 'trigger', tgrelid::regclass, tgenabled, CASE WHEN tgisinternal THEN "
      "tgfoid::regproc::text "
      "ELSE pg_get_triggerdef(oid) END) FROM pg_trigger",
      "SELECT concat_ws(' ', 'function', oid::regprocedure, prosrc) FROM pg_proc WHERE oid >= 16384",
      "SELECT concat_ws(' ', 'schema', nspname, nspacl, r.rolname) FROM pg_namespace n JOIN pg_roles r ON "
      "r.oid = "
      "n.nspowner WHERE nspname !~ '^pg_'",
      "SELECT concat_ws(' ', 'statistics', stxname, stxrelid::regclass, stxkind) FROM pg_statistic_ext"};
  std::vector<std::string> lines;
  const auto add = [&](const std::string& query) {
    for (std::string& line : database.Column(query + " ORDER BY 1")) lines.push_back(std::move(line));
  };
  for (const char* query : kQueries) add(query);
  if (database.Value("SELECT to_regclass('partition_controller.tables') IS NOT NULL") == "t") {
    add("SELECT concat_ws(' ', 'version', version) FROM partition_controller.version");
    add("SELECT concat_ws(' ', 'table', table_oid::regclass, policy_namespace, policy_name, schema_name, "
        "table_name, "
        "owner_name, system_identifier, analyzed_at IS NULL, time_column, retention_keep, retention_action) "
        "FROM partition_controller.tables");
    add("SELECT concat_ws(' ', 'partition', partition_oid::regclass, table_oid::regclass, state, made_by_us, "
        "schema_name, table_name, bound_from, bound_to, detached_at IS NULL, date_trunc('hour', drop_after)) "
        "FROM "
        "partition_controller.partitions");
    add("SELECT concat_ws(' ', 'drain', d) FROM partition_controller.drains d");
    add("SELECT concat_ws(' ', 'conversion', plain_oid::regclass, parent_oid::regclass, state, schema_name, "
        "table_name, "
        "parent_name, history_name, primary_key, key_index, cut) FROM partition_controller.conversions");
  }
  return lines;
}

std::string Psql() {
  const std::string mine = PostgresServer::BinDirectory(PostgresServer::DefaultMajor()) + "/psql";
  return access(mine.c_str(), X_OK) == 0 ? mine : "/usr/bin/psql";
}

class Script : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    server_ = &PostgresServer::Shared();
    database_ = server_->CreateDatabase("script");
  }

  // The program's command on a database.
  Finished Run(const std::string& uri, std::vector<std::string> arguments, const PolicyFile& policy) {
    arguments.insert(arguments.end(), {"--spec", folder_.Write("policy.yaml", policy.Text())});
    return RunProgram(Program(std::move(arguments)),
                      {.environment = {{"DATABASE_URL", uri}}, .directory = "/", .unprivileged = false});
  }
  // Consents to what waits for that.
  Finished RunNow(const std::string& uri, std::vector<std::string> command, const PolicyFile& policy) {
    command.insert(command.end(), {"--now", kNow});
    const Finished seen = Run(uri, {"plan", "-o", "json", "--now", kNow}, policy);
    const nlohmann::json plans = nlohmann::json::parse(seen.out, nullptr, false);
    if (plans.is_array() && !plans.empty() && plans[0].at("needsAcknowledgement").get<bool>()) {
      command.insert(command.end(), {"--acknowledge", plans[0].at("hash").get<std::string>()});
    }
    return Run(uri, command, policy);
  }
  Finished RunScript(const std::string& uri, const std::string& script) {
    return RunProgram({Psql(), "-X", "-q", "-d", uri, "-f", folder_.Write("plan.sql", script)});
  }

  // Both ways, on two copies of `database_`.  `before` is applied to each of
  // them first, so that the bookkeeping knows whose copy it is.
  void ExpectTheSame(const PolicyFile& policy, const PolicyFile* before = nullptr,
                     const std::function<void(LiveDatabase&)>& between = {}, int scripts = 1) {
    const std::string by_script = server_->CreateDatabaseFrom(DatabaseName(database_));
    const std::string by_apply = server_->CreateDatabaseFrom(DatabaseName(database_));
    for (const std::string& uri : {by_script, by_apply}) {
      if (before != nullptr) {
        const Finished prepared = RunNow(uri, {"apply"}, *before);
        ASSERT_EQ(prepared.code, 0) << prepared.err;
      }
      LiveDatabase copy(uri);
      if (between) between(copy);
      // The last run's holder counts as being at work for a moment still.
      if (before != nullptr)
        copy.Sql("UPDATE partition_controller.tables SET acted_at = acted_at - interval '1 hour'");
    }
    for (int i = 0; i < scripts; ++i) {
      const Finished plan = RunNow(by_script, {"plan", "-o", "sql"}, policy);
      ASSERT_EQ(plan.code, 2) << plan.out << plan.err;
      const Finished script = RunScript(by_script, plan.out);
      ASSERT_EQ(script.code, 0) << script.err << plan.out;
    }
    const Finished apply = RunNow(by_apply, {"apply"}, policy);
    ASSERT_EQ(apply.code, 0) << apply.out << apply.err;
    {
      LiveDatabase first(by_script);
      LiveDatabase second(by_apply);
      const std::vector<std::string> one = Describe(first);
      const std::vector<std::string> other = Describe(second);
      for (const std::string& line : one) {
        if (std::find(other.begin(), other.end(), line) == other.end())
          ADD_FAILURE() << "only by script: " << line;
      }
      for (const std::string& line : other) {
        if (std::find(one.begin(), one.end(), line) == one.end()) ADD_FAILURE() << "only by apply: " << line;
      }
      EXPECT_EQ(one, other);
    }
    for (const std::string& uri : {by_script, by_apply}) {
      const Finished again = RunNow(uri, {"plan"}, policy);
      EXPECT_EQ(again.code, 0) << again.out;
    }
  }

  PostgresServer* server_ = nullptr;
  std::string database_;
  ScratchFolder folder_;
};

TEST_F(Script, OnAnEmptyTableWithAllThatPartitionsDoNotInherit) {
  {
    LiveDatabase database(database_);
    const std::string role = DatabaseName(database_);
    database.Sql("CREATE ROLE " + role + "_owner; CREATE ROLE \"" + role + " reader\"; CREATE ROLE " + role +
                 "_writer");
    database.Sql("GRANT CREATE ON SCHEMA public TO " + role + "_owner");
    database.Sql("CREATE TABLE devices (id int PRIMARY KEY); GRANT ALL ON devices TO " + role + "_owner");
    database.Sql(
        "CREATE TABLE points (id bigint GENERATED ALWAYS AS IDENTITY, ts timestamptz NOT NULL, device int "
        "REFERENCES devices ON DELETE CASCADE, v numeric CHECK (v > 0), w text COLLATE \"C\" DEFAULT 'x', "
        "g int GENERATED ALWAYS AS (1) STORED, dropped int, PRIMARY KEY (ts, id)) PARTITION BY RANGE (ts)");
    database.Sql(
        "ALTER TABLE points DROP dropped; CREATE INDEX ON points USING brin (ts); CREATE INDEX \"Odd: name\" "
        "ON points (lower(w)) WHERE v > 1; CREATE STATISTICS both_of ON device, v FROM points; ALTER TABLE "
        "points ALTER w SET STORAGE EXTERNAL; COMMENT ON COLUMN points.v IS 'volts'");
    database.Sql(
        "CREATE TABLE points_old PARTITION OF points FOR VALUES FROM ('2026-05-01') TO ('2026-06-01') WITH "
        "(fillfactor = 70, autovacuum_enabled = false)");
    database.Sql("CREATE TABLE points_default PARTITION OF points DEFAULT");
    database.Sql("GRANT SELECT ON points_old TO PUBLIC; GRANT INSERT, UPDATE ON points_old TO " + role +
                 "_writer WITH GRANT OPTION; GRANT DELETE ON points_old TO \"" + role +
                 " reader\"; ALTER TABLE points_old REPLICA IDENTITY FULL");
    for (const char* table : {"points", "points_old", "points_default"}) {
      database.Sql("ALTER TABLE " + std::string(table) + " OWNER TO " + role + "_owner");
    }
  }
  ExpectTheSame({});
}

// A plain table with all that a conversion carries over.
TEST_F(Script, OnAPlainTable) {
  {
    LiveDatabase database(database_);
    const std::string role = DatabaseName(database_);
    database.Sql("CREATE ROLE " + role + "_owner; CREATE ROLE \"" + role +
                 " reader\"; GRANT CREATE ON SCHEMA public TO " + role + "_owner");
    database.Sql(
        "CREATE TABLE devices (id int PRIMARY KEY); INSERT INTO devices VALUES (1); GRANT ALL ON devices "
        "TO " +
        role + "_owner");
    database.Sql(
        "CREATE TABLE points (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ts timestamptz NOT NULL, "
        "device int "
        "REFERENCES devices ON DELETE CASCADE, v numeric CHECK (v > 0), w text COLLATE \"C\" DEFAULT 'x', g "
        "int "
        "GENERATED ALWAYS AS (1) STORED, s serial, dropped int, UNIQUE (device, s)) WITH (fillfactor = 70); "
        "ALTER "
        "TABLE points DROP dropped");
    database.Sql(
        "CREATE INDEX ON points USING brin (ts); CREATE INDEX \"Odd: name\" ON points (lower(w)) WHERE v > "
        "1; CREATE "
        "STATISTICS both_of ON device, v FROM points; ALTER TABLE points ALTER w SET STORAGE EXTERNAL; "
        "COMMENT ON "
        "COLUMN points.v IS 'volts'; COMMENT ON TABLE points IS 'it''s; --'; ALTER TABLE points REPLICA "
        "IDENTITY FULL");
    database.Sql(
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.w := NEW.w; RETURN NEW; "
        "END'; CREATE "
        "TRIGGER stamp BEFORE UPDATE ON points FOR EACH ROW EXECUTE FUNCTION stamp(); CREATE POLICY own ON "
        "points USING "
        "(v > 0); ALTER TABLE points ENABLE ROW LEVEL SECURITY; CREATE VIEW \"it's\" WITH (security_barrier) "
        "AS SELECT "
        "ts, v FROM points; GRANT SELECT ON \"it's\" TO PUBLIC; CREATE PUBLICATION " +
        role +
        " FOR TABLE points WITH "
        "(publish = 'insert', publish_via_partition_root)");
    database.Sql(
        "INSERT INTO points (ts, device, v) SELECT timestamptz '2026-05-01' + n * interval '1 day', 1, n "
        "FROM "
        "generate_series(1, 150) n");
    database.Sql("GRANT SELECT ON points TO PUBLIC; GRANT SELECT (ts), UPDATE (v) ON points TO \"" + role +
                 " reader\"; ALTER TABLE points OWNER TO " + role + "_owner");
  }
  PolicyFile policy;
  policy.spec = {"partitioning: {conversion: Online, uniqueness: PerPartition}"};
  // What comes after the swap is planned for the table that it made.
  ExpectTheSame(policy, nullptr, {}, 2);
}

TEST_F(Script, WithUnloggedSiblingsAndAReplicaIdentityByIndex) {
  {
    LiveDatabase database(database_);
    database.Sql(
        "CREATE TABLE points (id int NOT NULL, ts timestamptz NOT NULL) PARTITION BY RANGE (ts); CREATE "
        "UNIQUE "
        "INDEX points_identity ON points (id, ts)");
    database.Sql(
        "CREATE UNLOGGED TABLE points_old PARTITION OF points FOR VALUES FROM ('2026-05-01') TO "
        "('2026-06-01'); ALTER TABLE points_old REPLICA IDENTITY USING INDEX points_old_id_ts_idx");
  }
  ExpectTheSame({});
}

PolicyFile With(std::vector<std::string> spec) {
  PolicyFile policy;
  policy.spec = std::move(spec);
  return policy;
}

class ScriptOfRemovals : public Script {
 protected:
  void SetUp() override {
    Script::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    LiveDatabase database(database_);
    database.Sql(
        "CREATE TABLE devices (id int PRIMARY KEY); CREATE TABLE points (id int, ts timestamptz NOT NULL, "
        "device int REFERENCES devices, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts)");
    for (const char* month : {"01", "02", "03", "04"}) {
      const std::string number = month;
      const std::string next = "0" + std::to_string(std::stoi(number) + 1);
      database.Sql("CREATE TABLE points_p2026" + number + " PARTITION OF points FOR VALUES FROM ('2026-" +
                   number + "-01') TO ('2026-" + next + "-01'); INSERT INTO points VALUES (1, '2026-" +
                   number + "-02')");
    }
    database.MarkAsTest();
  }
};

TEST_F(ScriptOfRemovals, WithAnUndoWindow) {
  const PolicyFile before = With({});
  ExpectTheSame(With({"retention: {keep: 2mo, action: Drop, undoWindow: 24h}"}), &before);
}

TEST_F(ScriptOfRemovals, WhichOnlyDetach) {
  const PolicyFile before = With({});
  ExpectTheSame(With({"retention: {keep: 2mo, action: Detach}"}), &before);
}

TEST_F(ScriptOfRemovals, AtOnce) {
  const PolicyFile before = With({"partitioning: {defaultPartition: Absent}"});
  ExpectTheSame(With({"partitioning: {defaultPartition: Absent}",
                      "retention: {keep: 2mo, action: Drop, undoWindow: 0h}"}),
                &before);
}

TEST_F(ScriptOfRemovals, AfterTheUndoWindow) {
  const PolicyFile before = With({"retention: {keep: 2mo, action: Drop, undoWindow: 24h}"});
  ExpectTheSame(
      With({"retention: {keep: 2mo, action: Drop, undoWindow: 24h}"}), &before, [](LiveDatabase& copy) {
        copy.Sql(
            "UPDATE partition_controller.partitions SET drop_after = '2026-07-01' WHERE state = 'detached'");
      });
}

TEST_F(ScriptOfRemovals, TakenBack) {
  const PolicyFile before = With({"retention: {keep: 2mo, action: Drop, undoWindow: 24h}"});
  ExpectTheSame(With({"retention: {keep: 5mo, action: Drop, undoWindow: 24h}"}), &before);
}

TEST_F(ScriptOfRemovals, OfRows) {
  const PolicyFile before = With({});
  ExpectTheSame(With({"partitioning: {state: Disabled}", "retention: {keep: 2mo, action: Drop}"}), &before);
}

TEST_F(ScriptOfRemovals, OfAHalfDoneDetach) {
  if (server_->major() < 14) return;
  const PolicyFile before = With({});
  ExpectTheSame(With({}), &before, [](LiveDatabase& copy) {
    copy.Sql("UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'points_p202601'::regclass");
  });
}

// A shorter keep: each command ends with 3 and says how to go on, until somebody
// consents.
TEST_F(ScriptOfRemovals, TakenOutOnlyWithConsent) {
  const auto run = [&](std::vector<std::string> command, const PolicyFile& policy) {
    command.insert(command.end(), {"--now", kNow});
    return Run(database_, command, policy);
  };
  const auto oldest = [&] {
    return LiveDatabase(database_).Value("SELECT to_regclass('points_p202601') IS NOT NULL");
  };
  ASSERT_EQ(run({"apply"}, With({"retention: {keep: 12mo, action: Drop, undoWindow: 0h}"})).code, 0);
  const PolicyFile shorter = With({"retention: {keep: 5mo, action: Drop, undoWindow: 0h}"});
  EXPECT_EQ(run({"plan"}, shorter).code, 3);
  const Finished refused = run({"apply"}, shorter);
  EXPECT_EQ(refused.code, 3) << refused.err;
  EXPECT_THAT(refused.out, HasSubstr("retention.keep is 5mo and was 12mo before"));
  const std::string words = "partition-controller apply --spec FILE --acknowledge ";
  const std::size_t at = refused.out.find(words);
  ASSERT_NE(at, std::string::npos) << refused.out;
  const std::string hash = refused.out.substr(at + words.size(), 16);
  EXPECT_EQ(run({"apply", "--acknowledge", "0123456789abcdef"}, shorter).code, 3);
  EXPECT_EQ(run({"plan", "--acknowledge", hash}, shorter).code, 2);
  EXPECT_EQ(oldest(), "t");
  EXPECT_EQ(run({"apply", "--acknowledge", hash}, shorter).code, 0);
  EXPECT_EQ(oldest(), "f");
  EXPECT_EQ(run({"plan"}, shorter).code, 0);
}

TEST_F(Script, OfAnotherGranularity) {
  LiveDatabase(database_).Sql("CREATE TABLE points (ts timestamptz NOT NULL) PARTITION BY RANGE (ts)");
  const PolicyFile months = With({});
  const PolicyFile weeks = With({"partitioning: {granularity: Week, premake: 6}"});
  ExpectTheSame(weeks, &months);
  ExpectTheSame(months, &weeks);
  const PolicyFile elsewhere = With({"partitioning: {timeZone: Australia/Lord_Howe}"});
  ExpectTheSame(elsewhere, &months);
}

// psql reads a script differently from the server: variables, backslash
// commands.
TEST_F(Script, WithNamesThatMeanSomethingToPsql) {
  LiveDatabase(database_).Sql(
      "CREATE TABLE \":'x' :y \\! false\" (ts timestamptz NOT NULL, \":\"\"n\" int DEFAULT "
      "length('\\q')) PARTITION BY RANGE (ts)");
  PolicyFile policy;
  policy.table = ":'x' :y \\\\! false";
  ExpectTheSame(policy);
}

class ScriptFence : public Script {
 protected:
  void SetUp() override {
    Script::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    LiveDatabase database(database_);
    database.Sql("CREATE TABLE points (ts timestamptz NOT NULL) PARTITION BY RANGE (ts)");
    database.MarkAsTest();
    plan_ = Run(database_, {"plan", "-o", "sql", "--now", kNow}, {});
    ASSERT_EQ(plan_.code, 2) << plan_.err;
  }
  std::int64_t Partitions() {
    return LiveDatabase(database_).Number(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'points'::regclass");
  }
  Finished plan_;
};

TEST_F(ScriptFence, StopsBeforeATableThatAnotherIsAtWorkOn) {
  LiveDatabase(database_).Sql(
      "INSERT INTO partition_controller.tables SELECT 'points'::regclass, 'default', 'points', 'public', "
      "'points', "
      "'postgres', oid, (SELECT system_identifier FROM pg_control_system()), now(), NULL, 7, 'other', now() "
      "+ interval "
      "'1 day' FROM pg_database WHERE datname = current_database()");
  EXPECT_EQ(RunScript(database_, plan_.out).code, 3);
  EXPECT_EQ(Partitions(), 0);
  EXPECT_EQ(LiveDatabase(database_).Value("SELECT holder || term FROM partition_controller.tables"),
            "other7");
}

TEST_F(ScriptFence, StopsWhenAnotherTakesOver) {
  const std::size_t second =
      plan_.out.find("COMMIT;\n", plan_.out.find("Makes the policy the table's keeper"));
  ASSERT_NE(second, std::string::npos);
  std::string script = plan_.out;
  script.insert(second + 8, "UPDATE partition_controller.tables SET term = term + 1;\n");
  EXPECT_EQ(RunScript(database_, script).code, 3);
  EXPECT_EQ(Partitions(), 0);
}

TEST_F(ScriptFence, StopsAtTheFirstErrorAndCanBeRunAgain) {
  LiveDatabase(database_).Sql("CREATE TABLE points_p202608 (x int)");
  EXPECT_EQ(RunScript(database_, plan_.out).code, 3);
  EXPECT_EQ(Partitions(), 1);
  LiveDatabase(database_).Sql("DROP TABLE points_p202608");
  EXPECT_EQ(RunNow(database_, {"apply"}, {}).code, 0);
  EXPECT_EQ(RunNow(database_, {"plan"}, {}).code, 0);
}

TEST_F(Script, ExitCodes) {
  LiveDatabase database(database_);
  database.Sql("CREATE TABLE points (ts timestamptz NOT NULL) PARTITION BY RANGE (ts)");
  EXPECT_EQ(Run(database_, {"validate"}, {}).code, 0);
  EXPECT_EQ(RunNow(database_, {"plan"}, {}).code, 2);
  EXPECT_EQ(Run(database_, {"migrate"}, {}).code, 0);
  EXPECT_EQ(RunNow(database_, {"plan"}, {}).code, 2) << "the bookkeeping alone is no partition";
  EXPECT_EQ(RunNow(database_, {"apply"}, {}).code, 0);
  EXPECT_EQ(RunNow(database_, {"apply"}, {}).code, 0);
  for (const char* format : {"text", "json", "sql"}) {
    EXPECT_EQ(Run(database_, {"plan", "-o", format, "--now", kNow}, {}).code, 0) << format;
  }
  PolicyFile missing;
  missing.table = "nothing";
  EXPECT_EQ(RunNow(database_, {"plan"}, missing).code, 3);
  EXPECT_EQ(RunNow(database_, {"apply"}, missing).code, 3);
  PolicyFile broken;
  broken.spec = {"partitionning: {}"};
  for (const std::string command : {"validate", "plan", "apply", "migrate"}) {
    const Finished refused = Run(database_, {command}, broken);
    EXPECT_EQ(refused.code, 1) << command;
    EXPECT_THAT(refused.err, HasSubstr("partitioning")) << "a suggestion";
  }
  const std::string nowhere = "postgresql://postgres:S3cr3tPass@127.0.0.1:1/none";
  for (const std::string command : {"plan", "apply", "migrate"}) {
    const Finished unreachable = Run(nowhere, {command}, {});
    EXPECT_EQ(unreachable.code, 1) << command;
    EXPECT_THAT(unreachable.out + unreachable.err, testing::Not(HasSubstr("S3cr3tPass")));
  }
  EXPECT_EQ(RunProgram(Program({"plann"})).code, 1);
  EXPECT_EQ(RunProgram(Program({"version"})).code, 0);
  EXPECT_EQ(RunProgram(Program({"--help"})).code, 0);
}

}  // namespace
}  // namespace partition_controller
