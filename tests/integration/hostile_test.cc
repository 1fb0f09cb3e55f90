// Names that want to be SQL, servers with settings that change what SQL means,
// schemas that lie in wait on the search path, and a pooler in between: the
// work comes out the same.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "controller/postgres.h"
#include "reconcilers/quote.h"
#include "tests/support/live_table.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

const Instant kNow = At("2026-07-15T12:00:00Z");
const Approach kThen{.preview = kNow, .acknowledged = {}, .holder = "test", .stop = {}, .on_step = {}};
const Approach kNextDay{.preview = kNow + std::chrono::hours(48),
                        .acknowledged = {},
                        .holder = "test",
                        .stop = {},
                        .on_step = {}};

// Names that a careless program would trip over.
struct Names {
  const char* label;
  std::string schema;
  std::string table;
  std::string column;
};

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

const std::vector<Names>& HostileNames() {
  static const std::vector<Names> kNames = {
      {"Injection", "s\"; DROP SCHEMA canary CASCADE; --", "t'); DROP TABLE canary.canary; --",
       "c\" ; DELETE FROM canary.canary; /*"},
      {"DollarQuotes", "$$", "$partition_controller$; SELECT pg_sleep(0) $q$", "$1"},
      {"Backslashes", "a\\", "\\'; DROP TABLE canary.canary; --", "E'\\x27'"},
      {"Whitespace", " ", "two\nlines\t--\r\n", "  c  "},
      {"Percent", "%s%I%L", "100%", "%1$s"},
      {"Words", "select", "table", "order"},
      {"LooksLikeAPath", "a.b", "\"public\".\"points\"", "a.b.c"},
      {"Emoji", "\xF0\x9F\x9A\x80", Repeat("\xF0\x9F\x93\x88", 15) + "abc",
       Repeat("\xF0\x9F\x95\x90", 15) + "xyz"},
      {"RightToLeft", "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D", "\xE2\x80\xAEtxet\xE2\x80\xAC",
       "\xC3\xA9\x65\xCC\x81"},
      {"Controls", "\x01\x1b[31m", "a\x7f\x08", "\x0b"},
      {"LongAscii", Repeat("s", 63), Repeat("t", 63), Repeat("c", 63)},
      {"Json", "{\"a\": [", "\\\"},{", "null"},
      {"Braces", "{}", "{a,\"b\"}", "NULL"},
      {"CaseMatters", "Public", "Points", "TS"},
      {"PsqlWords", ":name", ":'name'", "\\! touch canary"},
  };
  return kNames;
}

class HostileName : public testing::TestWithParam<int> {};

// Provision, drain, detach, re-attach, drop, row deletes, all on one table.
TEST_P(HostileName, IsOnlyAName) {
  PC_REQUIRE_POSTGRES();
  const Names& names = HostileNames().at(static_cast<std::size_t>(GetParam()));
  const std::string uri = PostgresServer::Shared().CreateDatabase("hostile");
  LiveDatabase database(uri);
  database.Sql("CREATE SCHEMA canary; CREATE TABLE canary.canary AS SELECT 1");
  database.MarkAsTest();
  const std::string role = DatabaseName(uri) + "'; \"\\ r\xC3\xB4le";
  database.Sql("CREATE ROLE " + QuoteName(role));
  const std::string schema = QuoteName(names.schema);
  const std::string table = QuoteName(names.schema, names.table);
  const std::string column = QuoteName(names.column);
  const std::string value = QuoteName("v'\"\\$$;");
  database.Sql("CREATE SCHEMA " + schema + "; CREATE TABLE " + table + " (" + column +
               " timestamptz NOT NULL, " + value +
               " int DEFAULT 7, g int GENERATED ALWAYS AS (1) STORED, "
               "id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (id, " +
               column + ")) PARTITION BY RANGE (" + column + ")");
  const std::string fallback = QuoteName(names.schema, "the \"default\"");
  database.Sql("CREATE TABLE " + fallback + " PARTITION OF " + table + " DEFAULT WITH (fillfactor = 71)");
  database.Sql("GRANT SELECT ON " + fallback + " TO " + QuoteName(role));
  const auto insert = [&](const char* when, int rows) {
    database.Sql("INSERT INTO " + table + " (" + column + ", " + value + ") SELECT '" + when +
                 "'::timestamptz + g * interval '1 second', g FROM generate_series(1, " +
                 std::to_string(rows) + ") g");
  };
  insert("2026-07-03 00:00+00", 300);
  insert("2026-05-03 00:00+00", 100);
  insert("2026-06-03 00:00+00", 100);
  const auto count = [&](const std::string& what) { return database.Number("SELECT count(*) FROM " + what); };

  Policy policy = PolicyFor(names.table, names.column);
  policy.table.schema = names.schema;
  policy.name_space = "n'\"\\;";
  policy.name = "p'; DROP TABLE canary.canary; --\n";
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(count("ONLY " + fallback), 0);
  EXPECT_EQ(count(table), 500);
  EXPECT_EQ(
      database.Number("SELECT count(*) FROM pg_inherits WHERE inhparent = (SELECT c.oid FROM pg_class c JOIN "
                      "pg_namespace n ON n.oid = relnamespace WHERE relkind = 'p' AND nspname = " +
                      QuoteLiteral(names.schema) + ")"),
      6);  // May, June, July and two ahead; the default
  EXPECT_EQ(database.Number(
                "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname "
                "= " +
                QuoteLiteral(names.schema) +
                " AND relkind = 'r' AND 'fillfactor=71' = ANY (reloptions) AND relacl::text LIKE '%=r/%'"),
            6);

  // Detach with an undo window, and back again.
  policy.retention = Keep("1mo", Retention::Action::kDrop, "24h");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(count(table), 400);
  policy.retention->keep = *ParseCalendarDuration("1y");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(count(table), 500);
  // For good: detached, and dropped after the window.
  policy.retention->keep = *ParseCalendarDuration("1mo");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kNextDay)), "");
  EXPECT_EQ(count(table), 400);
  EXPECT_EQ(database.Number("SELECT count(*) FROM partition_controller.partitions WHERE state = 'detached'"),
            0);
  // Weeks instead of months, then row deletes.
  policy.partitioning.granularity = Granularity::kWeek;
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  policy.partitioning.state = Partitioning::State::kDisabled;
  policy.retention->keep = *ParseCalendarDuration("5d");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(count(table), 0);

  EXPECT_EQ(count("canary.canary"), 1);
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(database.Column("SELECT policy_name FROM partition_controller.tables"), std::vector{policy.name});
}

INSTANTIATE_TEST_SUITE_P(All, HostileName, testing::Range(0, static_cast<int>(HostileNames().size())),
                         [](const auto& one) {
                           return std::string(HostileNames().at(static_cast<std::size_t>(one.param)).label);
                         });

// Settings of a database, each enough to change what careless SQL means.
struct Setting {
  const char* label;
  std::vector<const char*> settings;
};

const std::vector<Setting>& HostileSettings() {
  static const std::vector<Setting> kSettings = {
      {"Calendar", {"timezone = 'Asia/Kolkata'", "datestyle = 'German'", "intervalstyle = 'sql_standard'"}},
      {"Dates",
       {"timezone = 'America/New_York'", "datestyle = 'SQL, DMY'", "timezone_abbreviations = 'India'"}},
      {"Transactions",
       {"default_transaction_isolation = 'serializable'", "default_transaction_read_only = on",
        "default_transaction_deferrable = on"}},
      {"RepeatableRead", {"default_transaction_isolation = 'repeatable read'", "synchronous_commit = off"}},
      {"Quoting",
       {"standard_conforming_strings = off", "quote_all_identifiers = on", "backslash_quote = off",
        "escape_string_warning = on", "transform_null_equals = on", "array_nulls = off"}},
      {"Output",
       {"bytea_output = 'escape'", "extra_float_digits = -15", "xmlbinary = 'hex'",
        "client_min_messages = debug5", "intervalstyle = 'iso_8601'", "lc_messages = 'C'"}},
      {"Timeouts",
       {"statement_timeout = '20s'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '1s'",
        "deadlock_timeout = '10ms'"}},
      {"Planner",
       {"constraint_exclusion = on", "enable_partition_pruning = off", "enable_seqscan = off",
        "enable_tidscan = off", "enable_indexscan = off", "enable_bitmapscan = off",
        "plan_cache_mode = force_generic_plan", "cursor_tuple_fraction = 0.01", "jit = on",
        "jit_above_cost = 0", "default_statistics_target = 1"}},
      {"Replica", {"session_replication_role = replica"}},
      {"Checks",
       {"check_function_bodies = on", "plpgsql.extra_errors = 'all'", "plpgsql.variable_conflict = 'error'",
        "row_security = off", "default_table_access_method = heap"}},
      {"Encoding", {"client_encoding = 'LATIN1'"}},
  };
  return kSettings;
}

// A whole life of a table: filled default, provisioned, drained, expired,
// restored, dropped, deleted from.
void LiveThrough(const std::string& uri, LiveDatabase& database) {
  database.Sql(
      "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET session_replication_role = origin; "
      "SET default_transaction_read_only = off; SET default_transaction_isolation = 'read committed'; "
      "SET search_path = public; SET client_min_messages = warning; SET standard_conforming_strings = on");
  database.MarkAsTest();
  database.Sql("CREATE TABLE devices (id int PRIMARY KEY); INSERT INTO devices VALUES (1)");
  database.Sql(
      "CREATE TABLE points (ts timestamptz NOT NULL, v int, device int REFERENCES devices, "
      "note text DEFAULT 'a\\b', PRIMARY KEY (ts, v)) PARTITION BY RANGE (ts)");
  database.Sql("CREATE TABLE points_default PARTITION OF points DEFAULT");
  database.Sql(
      "INSERT INTO points SELECT '2026-07-03 00:00+00'::timestamptz + g * interval '1 second', g, 1 FROM "
      "generate_series(1, 300) g");
  database.Sql(
      "INSERT INTO points SELECT '2026-05-03 00:00+00'::timestamptz + g * interval '1 second', g, 1 FROM "
      "generate_series(1, 100) g");
  const auto count = [&] { return database.Number("SELECT count(*) FROM points"); };

  Policy policy = PolicyFor("points");
  policy.retention = Keep("1y", Retention::Action::kDrop, "24h");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(count(), 400);
  EXPECT_EQ(database.Number("SELECT count(*) FROM ONLY points_default"), 0);
  EXPECT_EQ(database.Number("SELECT count(*) FROM points_p202607"), 300);
  EXPECT_EQ(
      database.Value("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'points_p202607'"),
      "FOR VALUES FROM ('2026-07-01 00:00:00+00') TO ('2026-08-01 00:00:00+00')");
  EXPECT_EQ(
      database.Number("SELECT count(*) FROM pg_constraint WHERE conrelid = 'points_p202607'::regclass AND "
                      "contype = 'f'"),
      1);

  policy.retention->keep = *ParseCalendarDuration("1mo");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(count(), 300);
  policy.retention->keep = *ParseCalendarDuration("1y");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(count(), 400);
  policy.retention = Keep("1mo");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(count(), 300);
  policy.partitioning.granularity = Granularity::kDay;
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  policy.partitioning.state = Partitioning::State::kDisabled;
  policy.retention = Keep("12d");
  const std::int64_t expected = database.Number(
      "SELECT count(*) FROM points WHERE ts >= '2026-07-15 12:00+00'::timestamptz - interval '12 days'");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(count(), expected);
  EXPECT_EQ(database.Value("SELECT min(ts) >= '2026-07-03 12:00+00' FROM points"), expected > 0 ? "t" : "");
}

class HostileSetting : public testing::TestWithParam<int> {};

TEST_P(HostileSetting, ChangesNothing) {
  PC_REQUIRE_POSTGRES();
  const std::string uri = PostgresServer::Shared().CreateDatabase("hostile");
  for (const char* setting : HostileSettings().at(static_cast<std::size_t>(GetParam())).settings) {
    LiveDatabase database(uri);
    database.Sql("SET default_transaction_read_only = off");
    database.Sql("ALTER DATABASE " + DatabaseName(uri) + " SET " + setting);
  }
  LiveDatabase database(uri);
  LiveThrough(uri, database);
}

INSTANTIATE_TEST_SUITE_P(All, HostileSetting, testing::Range(0, static_cast<int>(HostileSettings().size())),
                         [](const auto& one) {
                           return std::string(
                               HostileSettings().at(static_cast<std::size_t>(one.param)).label);
                         });

// Everything in this schema is a trap that says so.
constexpr const char* kTraps = R"(
CREATE SCHEMA evil;
CREATE TABLE evil.caught (what text);
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: now'; END $$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: clock'; END $$;
CREATE FUNCTION evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: format'; END $$;
CREATE FUNCTION evil.unnest(text[], text[], text[]) RETURNS TABLE (a text, b text, c text) LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: unnest'; END $$;
CREATE FUNCTION evil.unnest(oid[]) RETURNS SETOF oid LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: unnest'; END $$;
CREATE FUNCTION evil.width_bucket(timestamptz, timestamptz[]) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: width_bucket'; END $$;
CREATE FUNCTION evil.to_regclass(text) RETURNS regclass LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: to_regclass'; END $$;
CREATE FUNCTION evil.pg_get_expr(pg_node_tree, oid) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: pg_get_expr'; END $$;
CREATE FUNCTION evil.lt(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: <'; END $$;
CREATE FUNCTION evil.eq(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: ='; END $$;
CREATE FUNCTION evil.nameeq(name, name) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: ='; END $$;
CREATE OPERATOR evil.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.lt);
CREATE OPERATOR evil.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.lt);
CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.eq);
CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.nameeq);
CREATE TABLE evil.pg_class (oid oid, relname name);
CREATE TABLE evil.pg_inherits (inhrelid oid, inhparent oid);
CREATE VIEW evil.pg_database AS SELECT 1 AS oid;
CREATE TABLE evil.points (ts timestamptz);
CREATE TABLE evil.points_default (ts timestamptz);
CREATE TYPE evil.timestamptz AS ENUM ('caught');
CREATE TYPE evil.bigint AS ENUM ('caught');
CREATE FUNCTION evil.count(bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught: count'; END $$;
)";

TEST(HostileSearchPath, IsNeverSearched) {
  PC_REQUIRE_POSTGRES();
  const std::string uri = PostgresServer::Shared().CreateDatabase("hostile");
  LiveDatabase(uri).Sql(kTraps);
  LiveDatabase(uri).Sql("ALTER DATABASE " + DatabaseName(uri) +
                        " SET search_path = evil, pg_catalog, public");
  LiveDatabase database(uri);
  database.Sql("SET search_path = public");
  LiveThrough(uri, database);
  // Nor by the writers' trigger, which runs in their sessions.
  EXPECT_THAT(PostgresServer::Shared().ReadLog(), Not(HasSubstr("caught:")));
}

// A drain diverts what arrives for its range, also from sessions in which
// ordinary triggers do not fire: those of logical replication.
TEST(HostileDrain, DivertsReplicatedRowsAsWell) {
  PC_REQUIRE_POSTGRES();
  const std::string uri = PostgresServer::Shared().CreateDatabase("hostile");
  LiveDatabase database(uri);
  database.MarkAsTest();
  database.Sql(
      "CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts); CREATE TABLE "
      "points_default PARTITION OF points DEFAULT; INSERT INTO points SELECT '2026-07-03', g FROM "
      "generate_series(1, 50000) g");
  LiveDatabase writer(uri);
  writer.Sql("SET session_replication_role = replica");
  LiveDatabase evil(uri);
  evil.Sql(kTraps);
  evil.Sql("SET search_path = evil, pg_catalog, public");
  int inserted = 0;
  Approach approach = kThen;
  approach.on_step = [&](const StepOutcome& step) {
    if (!std::holds_alternative<BeginDrain>(step.action)) return;
    writer.Sql("INSERT INTO points VALUES ('2026-07-04', -1)");
    evil.Sql("INSERT INTO public.points VALUES ('2026-07-04', -2)");
    inserted += 2;
  };
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, PolicyFor("points"), approach)), "");
  EXPECT_GT(inserted, 0);
  EXPECT_EQ(database.Number("SELECT count(*) FROM points WHERE v < 0"), inserted);
  EXPECT_EQ(database.Number("SELECT count(*) FROM points"), 50'000 + inserted);
}

// A statement that is under way has looked up the partitions already.  A row of
// a range that gets its partition meanwhile must still be let in.
class StatementUnderWay : public testing::TestWithParam<const char*> {};

TEST_P(StatementUnderWay, HasNoRowRefused) {
  PC_REQUIRE_POSTGRES();
  const std::string uri = PostgresServer::Shared().CreateDatabase("hostile");
  LiveDatabase database(uri);
  database.MarkAsTest();
  database.Sql(
      "CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts); CREATE TABLE "
      "points_default PARTITION OF points DEFAULT");
  const std::string what = GetParam();
  Policy policy = PolicyFor("points");
  policy.locks.timeout = std::chrono::milliseconds(200);
  policy.retention = Keep("2mo", Retention::Action::kDrop, "24h");
  const char* when = "2026-07-04";
  if (what == "Move") {
    database.Sql("INSERT INTO points VALUES ('2026-07-03', 0)");
  } else if (what == "Reattach") {
    ASSERT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
    policy.retention->keep = *ParseCalendarDuration("1d");
    ASSERT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
    policy.retention->keep = *ParseCalendarDuration("2mo");
    when = "2026-06-04";
  }

  database.Sql("SELECT pg_advisory_lock(42)");
  std::string refused = "did not run";
  std::thread writer([&] {
    try {
      LiveDatabase(uri).Sql(
          "WITH gate AS MATERIALIZED (SELECT pg_advisory_lock_shared(42)) INSERT INTO points SELECT '" +
          std::string(when) + "', 1 FROM gate");
      refused.clear();
    } catch (const std::exception& e) {
      refused = e.what();
    }
  });
  const bool waits = Eventually([&] {
    return database.Number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") > 0;
  });
  const Convergence meanwhile = ConvergeOn(uri, policy, kThen);
  database.Sql("SELECT pg_advisory_unlock(42)");
  writer.join();
  EXPECT_TRUE(waits);
  EXPECT_EQ(refused, "");
  ASSERT_TRUE(meanwhile.failure);
  EXPECT_EQ(meanwhile.failure->reason, "LockTimeout");
  EXPECT_THAT(meanwhile.failure->message, HasSubstr("WITH gate AS MATERIALIZED"));
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
  EXPECT_EQ(database.Number("SELECT count(*) FROM ONLY points_default"), 0);
  EXPECT_EQ(database.Number("SELECT count(*) FROM points WHERE v = 1"), 1);
}

INSTANTIATE_TEST_SUITE_P(All, StatementUnderWay, testing::Values("Create", "Move", "Reattach"),
                         [](const auto& one) { return std::string(one.param); });

// Moving rows from the default partition to their own deletes nothing that a
// foreign key or a trigger should hear of.
TEST(HostileDrain, CascadesNowhere) {
  PC_REQUIRE_POSTGRES();
  for (const char* action : {"CASCADE", "SET NULL", "NO ACTION"}) {
    const std::string uri = PostgresServer::Shared().CreateDatabase("hostile");
    LiveDatabase database(uri);
    database.MarkAsTest();
    database.Sql(
        "CREATE TABLE points (ts timestamptz NOT NULL, v int, PRIMARY KEY (v, ts)) PARTITION BY RANGE (ts); "
        "CREATE TABLE points_default PARTITION OF points DEFAULT; CREATE SCHEMA \"N 1\"; "
        "CREATE TABLE \"N 1\".notes (v int, ts timestamptz, "
        "CONSTRAINT \"the key\" FOREIGN KEY (v, ts) REFERENCES points (v, ts) ON DELETE " +
        std::string(action) + ")");
    database.Sql(
        "INSERT INTO points SELECT '2026-07-03', g FROM generate_series(1, 100) g; INSERT INTO \"N 1\".notes "
        "SELECT v, ts FROM points WHERE v <= 10");
    const Convergence refused = ConvergeOn(uri, PolicyFor("points"), kThen);
    EXPECT_FALSE(refused.failure) << refused.failure->message;
    const Refusal* refusal = FindRefusal(refused.last.plan, "RowsCannotMove");
    ASSERT_NE(refusal, nullptr) << action;
    EXPECT_EQ(database.Number("SELECT count(*) FROM \"N 1\".notes WHERE v IS NOT NULL"), 10) << action;
    // Periods without rows in the default partition have theirs.
    EXPECT_THAT(database.Partitions("points"), Contains(HasSubstr("points_p202608 ")));

    database.Sql(refusal->remedy.substr(refusal->remedy.find("ALTER TABLE")));
    EXPECT_EQ(TroubleWith(ConvergeOn(uri, PolicyFor("points"), kThen)), "");
    database.Sql("ALTER TABLE \"N 1\".notes ADD FOREIGN KEY (v, ts) REFERENCES points (v, ts)");
    EXPECT_EQ(database.Number("SELECT count(*) FROM points_p202607"), 100);
    EXPECT_EQ(TroubleWith(ConvergeOn(uri, PolicyFor("points"), kThen)), "");
  }
}

TEST(HostileDrain, FiresNoTriggerOfTheUser) {
  PC_REQUIRE_POSTGRES();
  const std::string uri = PostgresServer::Shared().CreateDatabase("hostile");
  LiveDatabase database(uri);
  database.MarkAsTest();
  database.Sql(
      "CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts); CREATE TABLE "
      "points_default PARTITION OF points DEFAULT; INSERT INTO points SELECT '2026-07-03', g FROM "
      "generate_series(1, 100) g; CREATE TABLE heard (what text); CREATE FUNCTION hear() RETURNS trigger "
      "LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.heard VALUES (TG_OP); RETURN NULL; END $$; CREATE "
      "TRIGGER \"He ars\" AFTER INSERT OR UPDATE OR DELETE ON points FOR EACH ROW EXECUTE FUNCTION hear()");
  const Convergence refused = ConvergeOn(uri, PolicyFor("points"), kThen);
  const Refusal* refusal = FindRefusal(refused.last.plan, "RowsCannotMove");
  ASSERT_NE(refusal, nullptr);
  EXPECT_EQ(database.Number("SELECT count(*) FROM heard"), 0);
  database.Sql(refusal->remedy.substr(refusal->remedy.find("ALTER TABLE")));
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, PolicyFor("points"), kThen)), "");
  EXPECT_EQ(database.Number("SELECT count(*) FROM points_p202607"), 100);
  EXPECT_EQ(database.Number("SELECT count(*) FROM heard"), 0);
}

// Row security that is forced upon the owner hides rows from the owner; they
// must not be taken for absent.
TEST(HostileRowSecurity, HidesNothingFromUs) {
  PC_REQUIRE_POSTGRES();
  PostgresServer& server = PostgresServer::Shared();
  const std::string uri = server.CreateDatabase("hostile");
  LiveDatabase database(uri);
  database.MarkAsTest();
  const std::string app = DatabaseName(uri) + "_app";
  database.Sql("CREATE ROLE " + app + " LOGIN; GRANT CREATE ON DATABASE " + DatabaseName(uri) + " TO " + app +
               "; GRANT CREATE ON SCHEMA public TO " + app);
  database.Sql("GRANT ALL ON SCHEMA partition_controller TO " + app +
               "; GRANT ALL ON ALL TABLES IN SCHEMA partition_controller TO " + app +
               "; GRANT ALL ON ALL SEQUENCES IN SCHEMA partition_controller TO " + app);
  database.Sql(
      "CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts); CREATE TABLE "
      "points_default PARTITION OF points DEFAULT; INSERT INTO points SELECT '2026-07-03', g FROM "
      "generate_series(1, 50000) g");
  for (const char* table : {"points", "points_default"}) {
    const std::string name = table;
    database.Sql("ALTER TABLE " + name + " OWNER TO " + app + "; ALTER TABLE " + name +
                 " ENABLE ROW LEVEL SECURITY; ALTER TABLE " + name + " FORCE ROW LEVEL SECURITY");
  }
  const Approach& approach = kThen;
  const auto session = ConnectPostgres(server.Uri(DatabaseName(uri), app));
  try {
    const Convergence result = ConvergeOn(*session, PolicyFor("points"), approach);
    EXPECT_NE(TroubleWith(result), "");
  } catch (const DatabaseError& error) {
    EXPECT_EQ(error.kind(), DatabaseError::Kind::kPermission);
    EXPECT_THAT(error.what(), HasSubstr("row-level security"));
  }
  EXPECT_EQ(database.Number("SELECT count(*) FROM points"), 50'000);
  database.Sql("ALTER ROLE " + app + " BYPASSRLS");
  EXPECT_EQ(TroubleWith(ConvergeOn(*session, PolicyFor("points"), approach)), "");
  EXPECT_EQ(database.Number("SELECT count(*) FROM points"), 50'000);
  EXPECT_EQ(database.Number("SELECT count(*) FROM ONLY points_default"), 0);
}

TEST(Pooler, ATransactionAtATime) {
  PC_REQUIRE_POSTGRES();
  ASSERT_TRUE(PgBouncer::Available()) << "scripts/setup installs pgbouncer";
  PostgresServer& server = PostgresServer::Shared();
  const std::string uri = server.CreateDatabase("hostile");
  const PgBouncer pooler(server);
  const std::string pooled = pooler.Uri(DatabaseName(uri));
  // Leave every kind of dirt in the pooled sessions; transactions that overlap
  // take one each.
  LiveDatabase(uri).Sql(kTraps);
  {
    std::vector<std::unique_ptr<LiveDatabase>> dirty;
    for (int i = 0; i < 3; ++i) {
      dirty.push_back(std::make_unique<LiveDatabase>(pooled));
      dirty.back()->Sql("BEGIN");
    }
    for (auto& one : dirty) {
      one->Sql(
          "SET timezone = 'Asia/Kolkata'; SET search_path = evil, pg_catalog, public; SET statement_timeout "
          "= 0; "
          "SET datestyle = 'German'; SET row_security = on; SET lock_timeout = '1ms'; "
          "SET default_transaction_read_only = on; CREATE TEMP TABLE version (version int); "
          "CREATE TEMP TABLE points (ts timestamptz)");
      one->Sql("COMMIT");
    }
  }
  LiveDatabase database(uri);
  LiveThrough(pooled, database);
  EXPECT_THAT(server.ReadLog(), Not(HasSubstr("caught:")));
  // The connection outlives the pooler's server connections.
  const auto session = ConnectPostgres(pooled);
  Policy policy = PolicyFor("points");
  policy.partitioning.premake = 5;
  EXPECT_EQ(See(*session, policy, kThen).plan.steps.empty(), false);
  EXPECT_EQ(TroubleWith(ConvergeOn(*session, policy, kThen)), "");
  EXPECT_THAT(pooler.Log(), Not(HasSubstr("unsupported startup parameter")));
}

}  // namespace
}  // namespace partition_controller
