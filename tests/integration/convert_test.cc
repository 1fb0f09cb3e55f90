// What an application relies on in a plain table is there, and does what it
// did, once the table is partitioned; and while it is on the way.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <regex>
#include <set>
#include <thread>

#include "controller/index_watch.h"
#include "controller/postgres.h"
#include "reconcilers/quote.h"
#include "tests/support/conversion.h"
#include "tests/support/edgewatch.h"
#include "tests/support/pgbouncer.h"

namespace partition_controller {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class Converted : public ConversionTest {
 protected:
  // Compares Facts() but for what is allowed to change: how lines with these
  // words begin.
  void ConvertAndCompare(const std::vector<std::string>& changed = {}) {
    const auto facts = [&] {
      std::vector<std::string> lines = Facts();
      std::erase_if(lines, [&](const std::string& line) {
        return std::any_of(changed.begin(), changed.end(),
                           [&](const std::string& word) { return line.find(word) != std::string::npos; });
      });
      return lines;
    };
    const std::vector<std::string> before = facts();
    const std::string rows = Rows();
    ASSERT_NO_FATAL_FAILURE(BeginAll());
    EXPECT_EQ(facts(), before) << "while fenced";
    EXPECT_EQ(Rows(), rows) << "while fenced";
    ASSERT_NO_FATAL_FAILURE(Convert());
    EXPECT_EQ(facts(), before);
    EXPECT_EQ(Rows(), rows);
  }
  std::string Rows() {
    return db_->Value("SELECT count(*) || ' ' || coalesce(sum(hashtext(p::text)::bigint), 0) FROM points p");
  }
  // As somebody else; "" or the error.
  std::string As(const std::string& role, const std::string& sql) {
    try {
      pqxx::connection connection(UriAs(role));
      pqxx::nontransaction direct(connection);
      const pqxx::result result = direct.exec(sql);
      return result.empty() || result[0][0].is_null() ? "" : result[0][0].as<std::string>();
    } catch (const pqxx::insufficient_privilege&) {
      return "error 42501";  // the library does not say
    } catch (const pqxx::sql_error& e) {
      return std::string("error ") + e.sqlstate();
    }
  }
  std::string Try(const std::string& sql) {
    try {
      return db_->Value(sql);
    } catch (const pqxx::sql_error& e) {
      return std::string("error ") + e.sqlstate();
    }
  }
};

constexpr const char* kFuture = "'2028-03-04 05:06:07+00'";

TEST_F(Converted, Columns) {
  db_->Sql(R"(
    CREATE DOMAIN volts AS numeric(10, 3) CHECK (VALUE >= 0);
    CREATE TYPE mood AS ENUM ('calm', 'busy');
    CREATE TABLE points (
      gone int, id varchar(36) COLLATE "C" PRIMARY KEY, ts timestamptz(3) NOT NULL DEFAULT now(), also_gone text,
      v volts DEFAULT 1.5, m mood NOT NULL DEFAULT 'calm', j jsonb NOT NULL DEFAULT '{}'::jsonb,
      a int[] DEFAULT '{1,2}', twice numeric GENERATED ALWAYS AS (v * 2) STORED, w text COLLATE "POSIX",
      CONSTRAINT "v is small" CHECK (v < 1000), CHECK (w <> 'x' OR v > 1));
    ALTER TABLE points DROP gone, DROP also_gone, ADD "Späte" text DEFAULT 'ü';
    ALTER TABLE points ALTER w SET STORAGE EXTERNAL, ALTER v SET STATISTICS 321, ALTER j SET (n_distinct = 7);
    COMMENT ON TABLE points IS 'it''s "telemetry"'; COMMENT ON COLUMN points.v IS 'volts; DROP TABLE points';
    COMMENT ON CONSTRAINT "v is small" ON points IS 'really';
    CREATE STATISTICS related (dependencies) ON m, w FROM points;
    INSERT INTO points (id, ts, v) SELECT n, timestamptz '2026-10-01' + n * interval '1 day', n FROM
      generate_series(0, 100) n)");
  ConvertAndCompare({"PRIMARY KEY", "points_pkey"});
  EXPECT_EQ(
      db_->Value("INSERT INTO points (id) VALUES ('new') RETURNING concat(v, m, j, a, twice, \"Späte\")"),
      "1.500calm{}{1,2}3.000ü");
  EXPECT_EQ(Try("INSERT INTO points (id, v) VALUES ('bad', 1000)"), "error 23514");
  EXPECT_EQ(Try("INSERT INTO points (id, v, ts) VALUES ('bad', 1000, '2027-01-15')"), "error 23514");
  EXPECT_EQ(
      db_->Value("SELECT attstattarget FROM pg_attribute WHERE attrelid = 'points_p202701'::regclass AND "
                 "attname = 'v'"),
      "321");
  EXPECT_EQ(db_->Value("SELECT count(*) FROM pg_statistic_ext WHERE stxrelid = 'points_p202701'::regclass"),
            "1");
}

TEST_F(Converted, Identity) {
  for (const std::string kind : {"ALWAYS", "BY DEFAULT"}) {
    SCOPED_TRACE(kind);
    if (kind != "ALWAYS") SetUp();
    const std::string reader = MakeRole("reader");
    db_->Sql("CREATE TABLE points (id bigint GENERATED " + kind +
             " AS IDENTITY (START 100 INCREMENT 5 CACHE 3) PRIMARY KEY, ts timestamptz NOT NULL)");
    db_->Sql("GRANT USAGE ON SEQUENCE points_id_seq TO " + reader);
    db_->Sql(
        "INSERT INTO points (ts) SELECT timestamptz '2026-11-01' + n * interval '1 hour' FROM "
        "generate_series(1, 50) n");
    pqxx::connection other(db_->uri());
    pqxx::nontransaction writer(other);
    const std::string insert =
        "INSERT INTO points (ts) VALUES ('2026-11-02'), (" + std::string(kFuture) + ")";
    writer.exec(insert);
    db_->Sql(insert);
    ASSERT_NO_FATAL_FAILURE(ConvertAndCompare({"PRIMARY KEY", "points_pkey", "index"}));
    writer.exec(insert);
    db_->Sql(insert);
    EXPECT_EQ(db_->Number("SELECT count(DISTINCT id) FROM points"), 58);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 58);
    EXPECT_EQ(db_->Value("SELECT pg_get_serial_sequence('points', 'id')"), "public.points_id_seq");
    EXPECT_EQ(Try("INSERT INTO points (id, ts) VALUES (-1, '2026-11-02')"),
              kind == "ALWAYS" ? "error 428C9" : "");
    db_->Sql("INSERT INTO points (id, ts) OVERRIDING SYSTEM VALUE VALUES (-2, '2026-11-02')");
    EXPECT_NE(db_->Value("SELECT has_sequence_privilege('" + reader + "', 'points_id_seq', 'USAGE')"), "f");
  }
}

TEST_F(Converted, Serial) {
  db_->Sql(
      "CREATE TABLE points (id bigserial PRIMARY KEY, other serial, ts timestamptz NOT NULL); CREATE "
      "SEQUENCE "
      "loose; ALTER TABLE points ADD n bigint DEFAULT nextval('loose')");
  const std::string insert = "INSERT INTO points (ts) VALUES ('2026-11-02'), (" + std::string(kFuture) + ")";
  db_->Sql(insert);
  ConvertAndCompare({"PRIMARY KEY", "points_pkey"});
  db_->Sql(insert);
  EXPECT_THAT(db_->Column("SELECT id || ' ' || other || ' ' || n FROM points ORDER BY id"),
              ElementsAre("1 1 1", "2 2 2", "3 3 3", "4 4 4"));
  // The history may go, and the sequences stay.
  db_->Sql("ALTER TABLE points DETACH PARTITION points_pmin_20261201; DROP TABLE points_pmin_20261201");
  db_->Sql(insert);
}

TEST_F(Converted, OwnerGrantsAndLeastPrivilege) {
  const std::string owner = MakeRole("owner");
  const std::string controller = MakeRole("controller");
  const std::string reader = MakeRole("reader");
  const std::string writer = MakeRole("writer");
  const std::string some = MakeRole("some");
  db_->Sql("GRANT CREATE, USAGE ON SCHEMA public TO " + owner + ", " + controller + "; GRANT " + owner +
           " TO " + controller + "; GRANT CREATE ON DATABASE " + DatabaseName(db_->uri()) + " TO " +
           controller);
  db_->Sql("GRANT ALL ON SCHEMA partition_controller TO " + controller +
           "; GRANT ALL ON ALL TABLES IN SCHEMA partition_controller TO " + controller +
           "; GRANT ALL ON ALL SEQUENCES IN SCHEMA partition_controller TO " + controller);
  db_->Sql(
      "CREATE TABLE devices (d int PRIMARY KEY); INSERT INTO devices VALUES (1), (2); ALTER TABLE devices "
      "OWNER TO " +
      owner);
  db_->Sql(
      "CREATE TABLE points (id bigserial PRIMARY KEY, d int REFERENCES devices, ts timestamptz NOT NULL, v "
      "int); ALTER TABLE points OWNER TO " +
      owner);
  db_->Sql("GRANT SELECT, TRIGGER ON points TO " + reader + "; GRANT INSERT, UPDATE ON points TO " + writer +
           " WITH GRANT OPTION; GRANT USAGE ON SEQUENCE points_id_seq TO " + writer +
           "; GRANT SELECT (ts, v), INSERT (id, ts), UPDATE (v) ON points TO " + some +
           "; GRANT SELECT (ts) ON points TO PUBLIC");
  db_->Sql(
      "INSERT INTO points (d, ts) SELECT 1, timestamptz '2026-11-01' + n * interval '1 hour' FROM "
      "generate_series(1, 50) n");
  const std::vector<std::string> before = Facts();
  const auto use = [&](int n) {
    const std::string id = std::to_string(1'000 * n);
    EXPECT_EQ(
        As(writer, "INSERT INTO points (d, ts) VALUES (1, '2026-11-03'), (2, " + std::string(kFuture) + ")"),
        "");
    EXPECT_EQ(As(some, "INSERT INTO points (id, ts) VALUES (" + id + ", '2026-11-03'), (" + id + " + 1, " +
                           kFuture + ")"),
              "");
    EXPECT_EQ(As(some, "UPDATE points SET v = 1"), "");
    EXPECT_EQ(As(some, "SELECT max(id) FROM points"), "error 42501");
    EXPECT_EQ(As(some, "SELECT id FROM points"), "error 42501");
    EXPECT_EQ(As(writer, "SELECT id FROM points"), "error 42501");
    EXPECT_EQ(As(reader, "SELECT count(*) > 0 FROM points"), "t");
    EXPECT_EQ(As(reader, "DELETE FROM points"), "error 42501");
  };
  use(1);
  const std::string uri = UriAs(controller);
  {
    // Up to the fence, as the role that is a member of the owner.
    Approach first = then_;
    int steps = 0;
    std::stop_source stop;
    first.stop = stop.get_token();
    first.on_step = [&](const StepOutcome& step) {
      ++steps;
      if (std::holds_alternative<FenceConversion>(step.action)) stop.request_stop();
    };
    EXPECT_TRUE(ConvergeOn(uri, policy_, first).stopped);
    EXPECT_EQ(steps, 3);
  }
  use(2);
  ASSERT_EQ(TroubleWith(ConvergeOn(uri, policy_, then_)), "");
  use(3);
  std::vector<std::string> after = Facts();
  const auto keys = [](const std::string& line) { return line.find("points_pkey") != std::string::npos; };
  std::erase_if(after, keys);
  std::vector<std::string> expected = before;
  std::erase_if(expected, keys);
  EXPECT_EQ(after, expected);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 50 + 3 * 4);
  EXPECT_THAT(db_->Column("SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = "
                          "'public'::regnamespace"),
              ElementsAre(owner));
}

// The role that the policy names is one that the login may become.
TEST_F(Converted, AsTheRoleOfThePolicy) {
  const std::string owner = MakeRole("owner", "NOLOGIN");
  const std::string login = MakeRole("login", "LOGIN NOINHERIT");
  db_->Sql("DROP SCHEMA partition_controller CASCADE; GRANT CREATE, USAGE ON SCHEMA public TO " + owner +
           "; GRANT " + owner + " TO " + login + "; GRANT CREATE ON DATABASE " + DatabaseName(db_->uri()) +
           " TO " + owner);
  db_->Sql("CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL); ALTER TABLE points OWNER TO " +
           owner + "; INSERT INTO points VALUES (1, now()), (2, now() + interval '3 years')");
  policy_.connection.role = owner;
  EXPECT_EQ(TroubleWith(ConvergeOn(UriAs(login), policy_)), "");
  EXPECT_EQ(db_->Value("SELECT relkind FROM pg_class WHERE oid = 'points'::regclass"), "p");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 2);
}

TEST_F(Converted, ForeignKeys) {
  db_->Sql(R"(
    CREATE TABLE devices (d int PRIMARY KEY); CREATE TABLE batches (a int, b int, PRIMARY KEY (a, b));
    INSERT INTO devices VALUES (1), (2); INSERT INTO batches VALUES (1, 1), (2, 2);
    CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, d int, a int, b int,
      CONSTRAINT "to device" FOREIGN KEY (d) REFERENCES devices ON DELETE CASCADE ON UPDATE CASCADE,
      FOREIGN KEY (a, b) REFERENCES batches MATCH FULL DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO points SELECT n, timestamptz '2026-11-01' + n * interval '1 day', 1 + n % 2, 1, 1 FROM
      generate_series(1, 50) n)");
  ConvertAndCompare({"PRIMARY KEY", "points_pkey"});
  EXPECT_EQ(Try("INSERT INTO points VALUES (100, '2026-11-02', 3, 1, 1)"), "error 23503");
  EXPECT_EQ(Try(std::string("INSERT INTO points VALUES (100, ") + kFuture + ", 1, 3, 3)"), "error 23503");
  db_->Sql("DELETE FROM devices WHERE d = 2; UPDATE devices SET d = 7");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points WHERE d = 7"), 25);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 25);
}

// A trigger finds what it needs by the search_path of whoever writes, and fires
// once for each row, wherever the row goes.
TEST_F(Converted, Triggers) {
  const std::string writer = MakeRole("writer");
  db_->Sql(
      "CREATE SCHEMA app; CREATE TABLE app.audit (what text, id int, by text DEFAULT current_user); GRANT "
      "USAGE ON SCHEMA app TO " +
      writer + "; GRANT INSERT ON app.audit TO " + writer);
  db_->Sql(R"(
    CREATE FUNCTION app.before() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN NEW.v := NEW.v + 1; INSERT INTO audit VALUES ('before', NEW.id); RETURN NEW; END $$;
    CREATE FUNCTION app.after() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN INSERT INTO audit VALUES (TG_ARGV[0] || ' ' || TG_OP, coalesce(NEW.id, OLD.id)); RETURN NULL; END $$;
    CREATE FUNCTION app.whole() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN INSERT INTO audit SELECT 'seen', id FROM new_rows; RETURN NULL; END $$;
    CREATE FUNCTION app.statement() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN INSERT INTO audit VALUES ('statement', 0); RETURN NULL; END $$;
    CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, v int NOT NULL);
    INSERT INTO points SELECT n, timestamptz '2026-11-01' + n * interval '1 minute', n FROM
      generate_series(1, 50) n;
    CREATE TRIGGER "Be;fore" BEFORE INSERT ON points FOR EACH ROW WHEN (NEW.v >= 0) EXECUTE FUNCTION app.before();
    CREATE TRIGGER after AFTER INSERT OR DELETE OR UPDATE OF v ON points FOR EACH ROW EXECUTE FUNCTION
      app.after('af"ter');
    CREATE TRIGGER whole AFTER INSERT ON points REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE
      FUNCTION app.whole();
    CREATE TRIGGER removal AFTER DELETE ON points FOR EACH STATEMENT EXECUTE FUNCTION app.statement();
    CREATE TRIGGER off AFTER INSERT ON points FOR EACH ROW EXECUTE FUNCTION app.after('off');
    CREATE TRIGGER always AFTER INSERT ON points FOR EACH ROW EXECUTE FUNCTION app.after('always');
    CREATE TRIGGER only_replica AFTER INSERT ON points FOR EACH ROW EXECUTE FUNCTION app.after('replica');
    ALTER TABLE points DISABLE TRIGGER off, ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER only_replica)");
  db_->Sql("GRANT SELECT, INSERT, UPDATE, DELETE ON points TO " + writer);
  db_->Sql("SET search_path = public, app");
  int id = 1'000;
  const auto use = [&](const std::string& when) {
    SCOPED_TRACE(when);
    id += 10;
    db_->Sql("TRUNCATE app.audit");
    pqxx::connection connection(UriAs(writer));
    pqxx::nontransaction direct(connection);
    direct.exec("SET search_path = public, app");
    direct.exec("INSERT INTO points VALUES (" + std::to_string(id) + ", '2026-11-03', 5), (" +
                std::to_string(id + 1) + ", " + kFuture + ", 5), (" + std::to_string(id + 2) +
                ", '-infinity', 5)");
    for (const int n : {id, id + 1, id + 2}) {
      EXPECT_THAT(db_->Column("SELECT what FROM app.audit WHERE id = " + std::to_string(n) + " ORDER BY 1"),
                  ElementsAre("af\"ter INSERT", "always INSERT", "before", "seen"))
          << n;
    }
    EXPECT_EQ(db_->Value("SELECT string_agg(DISTINCT by, ',') FROM app.audit"), writer);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM app.audit WHERE what = 'statement'"), 0);
    direct.exec("UPDATE points SET v = v WHERE id = " + std::to_string(id));
    EXPECT_EQ(db_->Number("SELECT count(*) FROM app.audit WHERE what = 'af\"ter UPDATE'"), 1);
  };
  use("plain");
  db_->Sql("DELETE FROM points WHERE ts > '2026-12-01'");  // or they could not move
  ASSERT_EQ(Begin(1), std::vector<std::string>({"prepare_conversion"}));
  use("prepared");
  db_->Sql("DELETE FROM points WHERE ts > '2026-12-01'");
  db_->Sql("TRUNCATE app.audit");
  ASSERT_THAT(Begin(2), SizeIs(2));
  EXPECT_EQ(db_->Number("SELECT count(*) FROM app.audit"), 0);
  use("fenced");
  db_->Sql("TRUNCATE app.audit");
  // Not by what the controller does.
  ExpectNoTraceAfterNever();
  EXPECT_EQ(db_->Number("SELECT count(*) FROM app.audit"), 0);
  EXPECT_EQ(db_->Number("SELECT sum(v) FROM points WHERE ts = " + std::string(kFuture)), 6);
  EXPECT_THAT(Facts(), Contains(HasSubstr("trigger A CREATE TRIGGER always")));
  db_->Sql("DELETE FROM points WHERE ts > '2026-12-01'; TRUNCATE app.audit");
  ASSERT_NO_FATAL_FAILURE(ConvertAndCompare({"PRIMARY KEY", "points_pkey"}));
  EXPECT_EQ(db_->Number("SELECT count(*) FROM app.audit"), 0);
  use("converted");
}

TEST_F(Converted, RowsThatWouldFireTriggersAreNotMoved) {
  db_->Sql(
      "CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL); CREATE TABLE audit (id int); "
      "CREATE "
      "FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.audit VALUES (NEW.id); "
      "RETURN NULL; END$$; CREATE TRIGGER note AFTER INSERT ON points FOR EACH ROW EXECUTE FUNCTION note()");
  ASSERT_EQ(Begin(2).size(), 2U);
  db_->Sql(std::string("INSERT INTO points VALUES (1, ") + kFuture + ")");
  const Plan plan = See();
  const Refusal* refusal = FindRefusal(plan, "RowsCannotMove");
  ASSERT_NE(refusal, nullptr);
  EXPECT_THAT(refusal->remedy, HasSubstr("SELECT * FROM"));
  EXPECT_THAT(plan.steps, IsEmpty());
  db_->Sql("ALTER TABLE points DISABLE TRIGGER note");
  Convert();
  EXPECT_EQ(db_->Number("SELECT count(*) FROM audit"), 1);
}

// A row that was diverted was not acknowledged: its writer was told of 0 rows.
TEST_F(Converted, TheOlderOfTwoRowsWithOneKeyStays) {
  db_->Sql("CREATE TABLE points (id int PRIMARY KEY, key text UNIQUE, ts timestamptz NOT NULL)");
  db_->Sql(std::string("INSERT INTO points VALUES (1, 'old', ") + kFuture + "), (2, 'kept', '2026-11-20')");
  Begin(3);
  ASSERT_EQ(db_->Value("SELECT state FROM partition_controller.conversions"), "fenced");
  db_->Sql(std::string("INSERT INTO points VALUES (3, 'old', ") + kFuture + ") ON CONFLICT DO NOTHING");
  db_->Sql(std::string("INSERT INTO points VALUES (4, 'new', ") + kFuture + ")");
  // An UPDATE into a key that is taken fails, and keeps its row.
  EXPECT_THROW(db_->Sql(std::string("UPDATE points SET key = 'new', ts = ") + kFuture + " WHERE id = 2"),
               pqxx::unique_violation);
  Convert();
  EXPECT_EQ(db_->Value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM points"), "1 2 4");
}

TEST_F(Converted, RowSecurity) {
  const std::string one = MakeRole("one");
  const std::string two = MakeRole("two");
  db_->Sql("CREATE TABLE tenants (who name PRIMARY KEY, tenant int); INSERT INTO tenants VALUES ('" + one +
           "', 1), ('" + two + "', 2); GRANT SELECT ON tenants TO PUBLIC");
  db_->Sql(R"(
    CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, tenant int NOT NULL);
    INSERT INTO points SELECT n, timestamptz '2026-11-01' + n * interval '1 day', 1 + n % 2 FROM
      generate_series(1, 50) n;
    CREATE FUNCTION mine() RETURNS int LANGUAGE sql STABLE AS 'SELECT tenant FROM tenants WHERE who = current_user';
    CREATE POLICY own ON points USING (tenant = mine());
    CREATE POLICY "a'""b" ON points AS RESTRICTIVE FOR INSERT TO PUBLIC WITH CHECK (id <> 13);
    CREATE POLICY known ON points AS RESTRICTIVE FOR SELECT USING (EXISTS (SELECT FROM tenants t WHERE t.tenant =
      points.tenant));
    ALTER TABLE points ENABLE ROW LEVEL SECURITY)");
  db_->Sql("GRANT SELECT, INSERT, UPDATE, DELETE ON points TO " + one + ", " + two);
  int id = 1'000;
  const auto use = [&](const std::string& when) {
    SCOPED_TRACE(when);
    id += 10;
    const auto insert = [&](int n, const std::string& ts, int tenant) {
      return "INSERT INTO points VALUES (" + std::to_string(n) + ", " + ts + ", " + std::to_string(tenant) +
             ")";
    };
    EXPECT_EQ(As(one, insert(id, "'2026-11-03'", 1)), "");
    EXPECT_EQ(As(one, insert(id + 1, kFuture, 1)), "");
    EXPECT_EQ(As(one, insert(id + 2, "'2026-11-03'", 2)), "error 42501");
    EXPECT_EQ(As(one, insert(id + 3, kFuture, 2)), "error 42501");
    EXPECT_EQ(As(one, insert(13, kFuture, 1)), "error 42501");
    EXPECT_EQ(As(one, "SELECT count(DISTINCT tenant) FROM points"), "1");
    EXPECT_EQ(As(two, "SELECT min(tenant) FROM points"), "2");
    EXPECT_EQ(As(two, "WITH d AS (DELETE FROM points WHERE tenant = 1 RETURNING 1) SELECT count(*) FROM d"),
              "0");
  };
  use("plain");
  ASSERT_NO_FATAL_FAILURE(BeginAll());
  use("fenced");
  ExpectNoTraceAfterNever();
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points WHERE id > 1000"), 4);
  ASSERT_NO_FATAL_FAILURE(ConvertAndCompare({"PRIMARY KEY", "points_pkey"}));
  use("converted");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points WHERE id > 1000"), 6);
}

TEST_F(Converted, Publications) {
  db_->Sql(
      "CREATE TABLE points (id int, ts timestamptz NOT NULL, secret text, PRIMARY KEY (id, ts)); CREATE "
      "TABLE "
      "other (id int PRIMARY KEY); ALTER TABLE points REPLICA IDENTITY FULL");
  db_->Sql(
      major() >= 15
          ? "CREATE PUBLICATION \"Some \"\"pub\" FOR TABLE points (id, ts) WHERE (id > 10), other WITH "
            "(publish_via_partition_root, publish = 'insert')"
          : "CREATE PUBLICATION \"Some \"\"pub\" FOR TABLE points, other WITH (publish_via_partition_root, "
            "publish = 'insert')");
  db_->Sql("CREATE PUBLICATION whole FOR TABLE points WITH (publish_via_partition_root)");
  db_->Sql("INSERT INTO points VALUES (1, '2026-11-01'), (2, " + std::string(kFuture) + ")");
  const std::string filter =
      "SELECT pg_get_expr(prqual, prrelid) FROM pg_publication_rel WHERE prqual IS NOT NULL";
  const std::string before = major() >= 15 ? db_->Value(filter) : "";
  const std::vector<std::string> facts = Facts();
  ASSERT_NO_FATAL_FAILURE(Convert());
  EXPECT_EQ(Facts(), facts);
  EXPECT_EQ(major() >= 15 ? db_->Value(filter) : "", before);
  EXPECT_EQ(
      db_->Number("SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r' AND relreplident = "
                  "'f'"),
      4);
}

// Of such a table nobody may delete, not even no row.
TEST_F(Converted, PublishedWithoutReplicaIdentity) {
  db_->Sql(
      "CREATE TABLE points (id int, ts timestamptz NOT NULL); INSERT INTO points VALUES (1, '2026-11-01'); "
      "CREATE PUBLICATION p FOR TABLE points WITH (publish_via_partition_root)");
  ConvertAndCompare();
  db_->Sql(std::string("INSERT INTO points VALUES (2, ") + kFuture + ")");
}

TEST_F(Converted, CommentsOnWhatBelongsToIt) {
  db_->Sql(R"(
    CREATE TABLE devices (d int PRIMARY KEY);
    CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, d int CONSTRAINT "of 100%" REFERENCES devices,
      m int UNIQUE, CONSTRAINT positive CHECK (m > 0), CONSTRAINT "once" UNIQUE (d, ts));
    CREATE INDEX "by %s m" ON points (m);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER seen BEFORE INSERT ON points FOR EACH ROW EXECUTE FUNCTION f();
    CREATE POLICY own ON points USING (m > 0);
    COMMENT ON CONSTRAINT points_pkey ON points IS 'the key'; COMMENT ON INDEX points_pkey IS 'its index';
    COMMENT ON CONSTRAINT "of 100%" ON points IS 'it''s \ abroad'; COMMENT ON CONSTRAINT positive ON points IS 'more';
    COMMENT ON CONSTRAINT points_m_key ON points IS 'stays'; COMMENT ON CONSTRAINT "once" ON points IS 'once';
    COMMENT ON INDEX "by %s m" IS '%I'; COMMENT ON TRIGGER seen ON points IS 'sees';
    COMMENT ON POLICY own ON points IS 'owns')");
  const auto comments = [&] {
    return db_->Column(
        "SELECT DISTINCT description FROM pg_description WHERE (classoid, objoid) IN (SELECT "
        "'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = 'points'::regclass UNION ALL SELECT "
        "'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid = 'points'::regclass UNION ALL "
        "SELECT 'pg_trigger'::regclass, oid FROM pg_trigger WHERE tgrelid = 'points'::regclass UNION ALL "
        "SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid = 'points'::regclass) ORDER BY 1");
  };
  std::vector<std::string> before = comments();
  EXPECT_THAT(before, SizeIs(9));
  Convert();
  std::erase(before, "stays");  // on the history's own constraint
  EXPECT_EQ(comments(), before);
}

// What default privileges would give to everybody stays with whom it was given.
TEST_F(Converted, DefaultPrivilegesWidenNothing) {
  const std::string reader = MakeRole("reader");
  const std::string other = MakeRole("other");
  db_->Sql(std::string("CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL); GRANT SELECT ON "
                       "points TO ") +
           reader + "; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO " + other +
           "; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC");
  Convert();
  EXPECT_THAT(
      db_->Column("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN "
                  "('r', 'p') AND (has_table_privilege('" +
                  other + "', oid, 'SELECT, INSERT') OR NOT has_table_privilege('" + reader +
                  "', oid, 'SELECT'))"),
      IsEmpty());
  db_->Sql("ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM " + other +
           "; ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC");
}

// One that comes from an extension is found where its type is.
TEST_F(Converted, KeysThatHaveTheirOwnEquality) {
  if (db_->Number("SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'") == 0) {
    GTEST_SKIP() << "this server has no citext";
  }
  db_->Sql("CREATE SCHEMA \"ex t\"; CREATE EXTENSION citext SCHEMA \"ex t\"");
  db_->Sql(std::string("CREATE TABLE points (id int PRIMARY KEY, k \"ex t\".citext, ts timestamptz NOT NULL, "
                       "UNIQUE (k, ts)); INSERT INTO points VALUES (1, 'Old', ") +
           kFuture + ")");
  Begin(3);
  ASSERT_EQ(db_->Value("SELECT state FROM partition_controller.conversions"), "fenced");
  db_->Sql(std::string("INSERT INTO points VALUES (2, 'oLD', ") + kFuture + ") ON CONFLICT DO NOTHING");
  Convert();
  EXPECT_EQ(db_->Value("SELECT string_agg(id::text, ' ') FROM points"), "1");
}

TEST_F(Converted, Views) {
  const std::string reader = MakeRole("reader");
  const std::string owner = MakeRole("owner");
  db_->Sql("CREATE SCHEMA \"re ports\"; GRANT USAGE ON SCHEMA \"re ports\" TO PUBLIC");
  db_->Sql(R"(
    CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, v int DEFAULT 4);
    INSERT INTO points SELECT n, timestamptz '2026-11-01' + n * interval '1 day', n FROM generate_series(1, 50) n;
    CREATE VIEW recent AS SELECT id, ts AS "when; it was", v FROM points WHERE ts > '2026-11-15';
    CREATE VIEW "re ports"."It's ""daily""" WITH (security_barrier = true) AS SELECT date_trunc('day', ts, 'UTC') AS
      day, count(*) AS n FROM points GROUP BY 1;
    CREATE VIEW nested AS SELECT r.id, d.n FROM recent r, "re ports"."It's ""daily""" d, points p WHERE p.id = r.id;
    CREATE VIEW deeper AS SELECT count(*) FROM nested;
    CREATE VIEW checked AS SELECT * FROM points WHERE v < 100 WITH CASCADED CHECK OPTION;
    CREATE VIEW counted AS WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n,
      (SELECT count(*) FROM points) FROM r;
    ALTER VIEW checked ALTER v SET DEFAULT 9; COMMENT ON VIEW recent IS 'new ones'; COMMENT ON COLUMN recent.v IS
      'volts')");
  if (major() >= 15)
    db_->Sql("CREATE VIEW invoking WITH (security_invoker = true) AS SELECT count(*) FROM points");
  db_->Sql("GRANT SELECT ON recent, nested TO " + reader +
           "; GRANT SELECT (n) ON \"re ports\".\"It's "
           "\"\"daily\"\"\" TO " +
           reader);
  db_->Sql("GRANT SELECT ON points TO " + owner +
           "; CREATE VIEW theirs AS SELECT max(v) FROM points; ALTER VIEW "
           "theirs OWNER TO " +
           owner);
  pqxx::connection open(db_->uri());
  pqxx::nontransaction session(open);
  session.exec("PREPARE ask AS SELECT count(*) FROM recent");
  const auto ask = [&] { return session.exec("EXECUTE ask")[0][0].as<int>(); };
  EXPECT_EQ(ask(), 36);
  ASSERT_NO_FATAL_FAILURE(ConvertAndCompare({"PRIMARY KEY", "points_pkey"}));
  db_->Sql(std::string("INSERT INTO points VALUES (100, ") + kFuture + ", 5)");
  EXPECT_EQ(ask(), 37);
  EXPECT_EQ(As(reader, "SELECT count(*) FROM recent"), "37");
  EXPECT_EQ(As(reader, "SELECT sum(n) FROM \"re ports\".\"It's \"\"daily\"\"\""), "51");
  EXPECT_EQ(As(reader, "SELECT day FROM \"re ports\".\"It's \"\"daily\"\"\""), "error 42501");
  EXPECT_EQ(As(owner, "SELECT * FROM theirs"), "50");
  EXPECT_EQ(Try("INSERT INTO checked VALUES (200, '2026-11-02', 100)"), "error 44000");
  EXPECT_EQ(Try(std::string("INSERT INTO checked (id, ts) VALUES (200, ") + kFuture + ") RETURNING v"), "9");
  EXPECT_EQ(
      db_->Value(
          "SELECT (SELECT description FROM pg_description WHERE objoid = 'recent'::regclass AND objsubid "
          "= 3)"),
      "volts");
}

TEST_F(Converted, PreparedStatementsGoOn) {
  db_->Sql("CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, v int)");
  pqxx::connection open(db_->uri());
  open.prepare("put", "INSERT INTO points VALUES ($1, $2, $3) ON CONFLICT DO NOTHING");
  open.prepare("get", "SELECT count(*), max(v) FROM points WHERE ts >= $1");
  open.prepare("set", "UPDATE points SET v = v + 1 WHERE id = $1");
  int id = 0;
  int there = 0;
  const auto use = [&](bool hidden) {
    for (int round = 0; round < 7; ++round) {  // the sixth has a generic plan
      pqxx::work work(open);
      work.exec_prepared("put", ++id, "2026-11-02", 1);
      work.exec_prepared("put", ++id, "2028-01-01", 1);
      there += hidden ? 1 : 2;
      EXPECT_EQ(work.exec_prepared("set", id - 1).affected_rows(), 1);
      EXPECT_EQ(work.exec_prepared("get", "2026-01-01")[0][0].as<int>(), there);
      work.commit();
    }
  };
  use(false);
  ASSERT_NO_FATAL_FAILURE(BeginAll());
  use(true);
  Convert();
  there = id;
  use(false);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), id);
}

TEST_F(Converted, UnloggedWithOptionsInATablespace) {
  db_->Sql(
      "CREATE UNLOGGED TABLE points (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ts timestamptz NOT "
      "NULL, t "
      "text) WITH (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = off)");
  db_->Sql("INSERT INTO points (ts) VALUES ('2026-11-02'), (" + std::string(kFuture) + ")");
  Convert();
  EXPECT_THAT(
      db_->Column(
          "SELECT DISTINCT relpersistence::text || array_to_string(reloptions, ',') FROM pg_class WHERE "
          "relispartition AND relkind = 'r'"),
      ElementsAre("ufillfactor=70,autovacuum_enabled=off"));
  EXPECT_THAT(
      db_->Column(
          "SELECT DISTINCT array_to_string(t.reloptions, ',') FROM pg_class c JOIN pg_class t ON t.oid "
          "= c.reltoastrelid WHERE c.relispartition"),
      ElementsAre("autovacuum_enabled=off"));
}

// Indexes of every kind keep their names, and no ATTACH builds one.
TEST_F(Converted, ThePlanSaysFromWhenToWhenItsRowsAre) {
  db_->Sql(
      "CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL); INSERT INTO points VALUES (1, "
      "'2026-10-01 01:02:03+00'), (2, '2026-11-01'), (3, '2026-11-02 03:04:05+00'), (4, 'infinity'), (5, "
      "'-infinity')");
  EXPECT_THAT(See().steps.at(0).reason, Not(HasSubstr("with rows from")));
  db_->Sql("CREATE INDEX ON points (ts)");
  EXPECT_THAT(See().steps.at(0).reason,
              HasSubstr("with rows from 2026-10-01T01:02:03Z to 2026-11-02T03:04:05Z, becomes"));
}

TEST_F(Converted, IndexesOfEveryKind) {
  db_->Sql(R"(
    CREATE TABLE points (id int, ts timestamptz NOT NULL, d text, v numeric, j jsonb, w int,
      PRIMARY KEY (id) WITH (fillfactor = 80, deduplicate_items = off), CONSTRAINT "once ""only""" UNIQUE (d, ts, id) WITH (fillfactor = 60),
      UNIQUE (w, id) INCLUDE (v));
    CREATE INDEX by_expression ON points (lower(d), (v + 1) DESC NULLS LAST) WHERE v > 0;
    CREATE INDEX covering ON points (ts) INCLUDE (v) WITH (fillfactor = 50);
    CREATE INDEX pattern ON points (d text_pattern_ops); CREATE INDEX collated ON points (d COLLATE "C");
    CREATE INDEX in_json ON points USING gin (j jsonb_path_ops); CREATE INDEX block ON points USING brin (ts);
    CREATE INDEX hashed ON points USING hash (d);
    CREATE UNIQUE INDEX partial_key ON points (d, ts) WHERE v > 10;
    CREATE UNIQUE INDEX partial_without ON points (d) WHERE v > 1000;
    CREATE UNIQUE INDEX computed ON points (lower(d), id);
    INSERT INTO points SELECT n, timestamptz '2026-11-01' + n * interval '1 day', n, n, '{}', n FROM
      generate_series(1, 50) n;
    ALTER TABLE points CLUSTER ON points_pkey)");
  if (major() >= 15) {
    db_->Sql(
        "CREATE UNIQUE INDEX nulls ON points (v, ts) NULLS NOT DISTINCT; CREATE UNIQUE INDEX nulls_without "
        "ON "
        "points (w) NULLS NOT DISTINCT");
  }
  // The unique ones without the time column are the partitions' own.
  ConvertAndCompare({"points_pkey", "points_w_id_v_key", "partial_without", "computed", "nulls_without"});
  const std::string history = "points_pmin_20261201";
  for (const std::string& table : {history, std::string("points_p202612"), std::string("points_default")}) {
    EXPECT_EQ(
        db_->Number("SELECT count(*) FROM pg_index i WHERE indrelid = '" + table +
                    "'::regclass AND indisunique AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = "
                    "i.indexrelid)"),
        major() >= 15 ? 4 : 3)
        << table;
  }
  EXPECT_EQ(db_->Number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
  EXPECT_THAT(
      db_->Column(
          "SELECT DISTINCT array_to_string(c.reloptions, ',') FROM pg_index JOIN pg_class c ON c.oid = "
          "indexrelid WHERE indisprimary AND indrelid::regclass::text LIKE 'points%'"),
      ElementsAre("fillfactor=80,deduplicate_items=off"));
  EXPECT_EQ(
      db_->Number("SELECT count(*) FROM pg_index WHERE indisclustered AND indisprimary AND indrelid = '" +
                  history + "'::regclass"),
      1);
}

// The index that takes the primary key's place is where that one was, and so are
// those of new partitions.
TEST_F(Converted, IndexesInATablespace) {
  const std::string space = "space_" + DatabaseName(db_->uri());
  const std::string folder = Server().directory() + "/" + space;
  std::filesystem::create_directory(folder);
  struct stat owner {};
  ASSERT_EQ(stat(Server().data_directory().c_str(), &owner), 0);
  ASSERT_EQ(chown(folder.c_str(), owner.st_uid, owner.st_gid), 0);
  db_->Sql("CREATE TABLESPACE " + space + " LOCATION '" + folder + "'");
  db_->Sql(
      "CREATE TABLE points (id int, ts timestamptz NOT NULL, v int, PRIMARY KEY (id) USING INDEX "
      "TABLESPACE " +
      space + "); CREATE INDEX elsewhere ON points (v) TABLESPACE " + space +
      " WHERE v > 0; CREATE INDEX here ON points (ts)");
  Convert();
  const auto indexes = [&](const std::string& where) {
    return db_->Number(
        "SELECT count(*) FROM pg_index JOIN pg_class c ON c.oid = indexrelid LEFT JOIN pg_tablespace s ON "
        "s.oid = "
        "c.reltablespace WHERE indrelid::regclass::text LIKE 'points%' AND " +
        where);
  };
  EXPECT_EQ(indexes("spcname IS NULL AND (indisprimary OR indpred IS NOT NULL)"), 0);
  EXPECT_GE(indexes("spcname = '" + space + "'"), 2 * 4);
  EXPECT_EQ(indexes("spcname IS NOT NULL AND NOT indisprimary AND indpred IS NULL"), 0);
  db_->Sql("DROP TABLE points");
  db_->Sql("DROP TABLESPACE " + space);
}

TEST_F(Converted, HostileNames) {
  const std::string longest(40, 'n');
  const std::string table = "T'a\"b;le $1 \xc3\xbc" + longest + std::string(63 - 14 - 40, 'x');
  ASSERT_LE(table.size(), 63U);
  policy_ = PolicyFor(table, "t s\"");
  policy_.table.schema = "sch ema";
  policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
  policy_.partitioning.uniqueness = Partitioning::Uniqueness::kPerPartition;
  const std::string name = QuoteName("sch ema", table);
  db_->Sql(
      "CREATE SCHEMA \"sch ema\"; CREATE TABLE " + name +
      R"( (gone int, "I d" bigint GENERATED ALWAYS AS IDENTITY, "t s""" timestamptz NOT NULL, "V'al""ue" int,
           CONSTRAINT "p;k" PRIMARY KEY ("I d"), CONSTRAINT "c'h" CHECK ("V'al""ue" > 0), UNIQUE ("V'al""ue", "I d")))");
  db_->Sql("ALTER TABLE " + name + " DROP gone; CREATE INDEX " + QuoteName("i'" + std::string(61, 'x')) +
           " ON " + name + " (\"V'al\"\"ue\"); CREATE INDEX " + QuoteName("i;" + std::string(61, 'x')) +
           " ON " + name + " (\"t s\"\"\")");
  db_->Sql(
      "CREATE FUNCTION \"sch ema\".\"f;\"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
      "CREATE "
      "TRIGGER \"t'r\"\"; ON x\" BEFORE UPDATE ON " +
      name + " FOR EACH ROW EXECUTE FUNCTION \"sch ema\".\"f;\"('a''b')");
  db_->Sql("CREATE VIEW \"sch ema\".\"v'i\"\"ew; \" AS SELECT * FROM " + name);
  db_->Sql("INSERT INTO " + name +
           R"( ("t s""", "V'al""ue") SELECT timestamptz '2026-11-01' + n * interval '1 day', n + 1 FROM
           generate_series(0, 99) n)");
  const std::string sum = "SELECT count(*) || ' ' || sum(\"V'al\"\"ue\") FROM \"sch ema\".\"v'i\"\"ew; \"";
  const std::string before = db_->Value(sum);
  const auto lines = [&] {
    std::vector<std::string> all = Facts(name);
    std::erase_if(all, [](const std::string& line) {
      return line.find("p;k") != std::string::npos || line.find("UNIQUE") != std::string::npos;
    });
    return all;
  };
  const std::vector<std::string> facts = lines();
  Convert();
  EXPECT_EQ(db_->Value(sum), before);
  EXPECT_EQ(lines(), facts);
  EXPECT_EQ(
      db_->Number("SELECT count(*) FROM pg_inherits WHERE inhparent = " + QuoteLiteral(name) + "::regclass"),
      4);
}

// Objects that happen to be called what ours would be.
TEST_F(Converted, NamesTaken) {
  db_->Sql(R"(
    CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, v int);
    CREATE INDEX by_v ON points (v); CREATE INDEX by_time ON points (ts);
    CREATE TABLE points_partitioned (); CREATE SEQUENCE points_pmin_20261201; CREATE VIEW points_default AS SELECT 1;
    CREATE TABLE points_p202612 (x int); CREATE INDEX points_partitioned_2_idx1 ON points_p202612 (x);
    CREATE INDEX points_pmin_20261201_2_idx2 ON points_p202612 (x);
    INSERT INTO points VALUES (1, '2026-11-01'), (2, '2026-12-05'))");
  Convert();
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 2);
  EXPECT_EQ(
      db_->Value(
          "SELECT count(*) FROM pg_class WHERE relname IN ('points_partitioned', 'points_p202612') AND NOT "
          "relispartition"),
      "2");
}

TEST_F(Converted, HostileSettings) {
  const std::string database = DatabaseName(db_->uri());
  db_->Sql(R"(
    CREATE SCHEMA evil; CREATE FUNCTION evil.lt(timestamptz, timestamptz) RETURNS bool LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR evil.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.lt);
    CREATE OPERATOR evil.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.lt);
    CREATE TABLE evil.points (id int);
    CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, v int);
    INSERT INTO points SELECT n, timestamptz '2026-11-01' + n * interval '1 day', n FROM generate_series(1, 50) n)");
  for (const char* setting :
       {"search_path = evil, pg_catalog", "default_transaction_isolation = serializable",
        "default_transaction_read_only = on", "DateStyle = 'German, DMY'", "TimeZone = 'Asia/Kathmandu'",
        "statement_timeout = '1s'", "lock_timeout = '1ms'", "session_replication_role = replica",
        "standard_conforming_strings = off", "quote_all_identifiers = on", "constraint_exclusion = off",
        "default_tablespace = pg_default", "check_function_bodies = on", "extra_float_digits = -15"}) {
    db_->Sql("ALTER DATABASE " + database + " SET " + setting);
  }
  const auto turn = [&] {
    db_->Sql("SELECT 1");
    return TroubleWith(ConvergeOn(db_->uri(), policy_, then_));
  };
  EXPECT_EQ(turn(), "");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM public.points"), 50);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM public.points_p202612"), 21);
}

// A limit for what applications do is none for an index of a large table.
TEST_F(Converted, AnIndexMayTakeLongerThanTheDatabaseAllows) {
  db_->Sql("CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL)");
  ASSERT_EQ(Begin(1).size(), 1U);
  db_->Sql("ALTER DATABASE " + DatabaseName(db_->uri()) + " SET statement_timeout = '3s'; ALTER DATABASE " +
           DatabaseName(db_->uri()) + " SET lock_timeout = '1s'");
  pqxx::connection other(db_->uri());
  pqxx::work writing(other);
  writing.exec("INSERT INTO points VALUES (1, '2026-11-01')");
  std::thread building([&] { EXPECT_EQ(Begin(1), std::vector<std::string>({"build_index"})); });
  EXPECT_TRUE(Eventually([&] {
    return db_->Number(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE UNIQUE INDEX%' AND "
               "wait_event_type = 'Lock' AND clock_timestamp() - query_start > '4s'") == 1;
  }));
  writing.commit();
  building.join();
  EXPECT_EQ(db_->Value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'points_key_with_time'::regclass"),
            "t");
}

// Whoever waits for the index learns what it waits for.
TEST_F(Converted, AnIndexThatIsBeingBuiltIsWatched) {
  db_->Sql("CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL)");
  const Oid table = static_cast<Oid>(db_->Number("SELECT 'points'::regclass::oid"));
  pqxx::connection other(db_->uri());
  std::optional<pqxx::work> writer(std::in_place, other);
  writer->exec("INSERT INTO points VALUES (1, '2026-11-01')");
  const std::string pid = std::to_string(other.backendpid());
  std::mutex mutex;
  std::set<std::string> said;
  {
    const IndexWatch watch([this](const ConnectionSpec&) { return ConnectPostgres(db_->uri()); }, {}, table,
                           [&](const std::string& phase, const std::string&) {
                             const std::lock_guard lock(mutex);
                             said.insert(phase);
                           });
    std::jthread build([this] { db_->Sql("CREATE UNIQUE INDEX CONCURRENTLY with_time ON points (id, ts)"); });
    EXPECT_TRUE(Eventually(
        [&] {
          const std::lock_guard lock(mutex);
          return said.contains("waiting for writers before build, held up by pid " + pid);
        },
        std::chrono::seconds(60)))
        << testing::PrintToString(said);
    writer->commit();
    writer.reset();
  }
  EXPECT_EQ(db_->Number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
}

TEST_F(Converted, BehindAPooler) {
  if (!PgBouncer::Available()) GTEST_SKIP() << "PgBouncer is not on this machine";
  db_->Sql(
      "CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, v int); INSERT INTO points VALUES "
      "(1, "
      "'2026-11-01'), (2, '2026-12-05'), (3, '2030-01-01')");
  const PgBouncer pooler(Server());
  EXPECT_EQ(TroubleWith(ConvergeOn(pooler.Uri(DatabaseName(db_->uri())), policy_, then_)), "");
  EXPECT_EQ(db_->Value("SELECT relkind FROM pg_class WHERE oid = 'points'::regclass"), "p");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 3);
}

// What is replayed is refused wherever it went the first time, also by
// partitions that are made much later.
TEST_F(Converted, UniqueInsideEachPartition) {
  db_->Sql(
      "CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, device text, message text, UNIQUE "
      "(device, message))");
  const auto put = [&](const char* id, const char* ts, const char* message, const char* conflict = "") {
    return Try("WITH i AS (INSERT INTO points VALUES (" + std::string(id) + ", '" + ts + "', 'd', '" +
               message + "') " + conflict + " RETURNING 1) SELECT count(*) FROM i");
  };
  EXPECT_EQ(put("1", "2026-11-01", "history"), "1");
  Convert();
  EXPECT_EQ(put("2", "2026-12-02", "leaf"), "1");
  EXPECT_EQ(put("3", "2031-12-02", "default"), "1");
  *then_.preview += std::chrono::hours(24 * 120);
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, then_)), "");
  ASSERT_EQ(db_->Value("SELECT to_regclass('points_p202704') IS NULL"), "f");
  EXPECT_EQ(put("4", "2027-04-02", "later"), "1");
  for (const auto& [ts, message] :
       std::vector<std::pair<const char*, const char*>>{{"2026-11-01", "history"},
                                                        {"2026-12-02", "leaf"},
                                                        {"2031-12-02", "default"},
                                                        {"2027-04-02", "later"}}) {
    EXPECT_EQ(put("9", ts, message), "error 23505") << message;
    EXPECT_EQ(put("9", ts, message, "ON CONFLICT DO NOTHING"), "0") << message;
  }
  // The default partition keeps the rule as well when it is drained.
  *then_.preview = At("2031-10-22T20:31:00Z");
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, then_)), "");
  EXPECT_EQ(db_->Value("SELECT tableoid::regclass FROM points WHERE message = 'default'"), "points_p203112");
  EXPECT_EQ(put("9", "2031-12-02", "default"), "error 23505");
}

TEST_F(Converted, RetentionInsideTheHistory) {
  db_->Sql("CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL); CREATE INDEX ON points (ts)");
  db_->Sql(
      "INSERT INTO points SELECT n, timestamptz '2026-07-01' + n * interval '10 minutes' FROM "
      "generate_series(1, 22000) n");
  Convert();
  const std::int64_t all = db_->Number("SELECT count(*) FROM points");
  const std::int64_t expired = db_->Number("SELECT count(*) FROM points WHERE ts < '2026-08-24 20:31:00+00'");
  policy_.retention = Keep("90d", Retention::Action::kDrop, "24h");
  policy_.partitioning.history_deletes = false;
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, then_)), "");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), all);
  policy_.partitioning.history_deletes = true;
  int batches = 0;
  Approach counting = then_;
  counting.on_step = [&](const StepOutcome& step) {
    batches += std::holds_alternative<DeleteExpiredRows>(step.action) ? 1 : 0;
  };
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, counting)), "");
  EXPECT_GT(batches, 1);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), all - expired);
  EXPECT_EQ(db_->Value("SELECT min(ts) >= '2026-08-24 20:31:00+00' FROM points"), "t");
  // Once it has expired as a whole, it goes like any other partition.
  *then_.preview = At("2027-03-02T20:31:00Z");
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, then_)), "");
  EXPECT_THAT(db_->Partitions("points"), Not(Contains(HasSubstr("MINVALUE"))));
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points WHERE ts < '2026-12-01'"), 0);
  EXPECT_NE(db_->Value("SELECT to_regclass('points_pmin_20261201')"), "");
  db_->Sql("UPDATE partition_controller.partitions SET drop_after = '2026-01-01' WHERE state = 'detached'");
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, then_)), "");
  EXPECT_EQ(db_->Value("SELECT to_regclass('points_pmin_20261201')"), "");
}

// What EdgeWatch asks for, as its API asks.
class EdgeWatchQueries : public Converted {
 protected:
  void SetUp() override {
    Converted::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    policy_.table.name = "telemetry_points";
    CreateEdgeWatchTables(db_->uri(), TelemetryTable::kPlain);
    GenerateEdgeWatchData(db_->uri(), {5, 3'000, "2026-10-01", "2026-11-22", 0, ""});
    GenerateEdgeWatchData(db_->uri(), {5, 200, "2026-12-03", "2027-01-20", 1, ""});
    GenerateEdgeWatchData(db_->uri(), {5, 50, "2055-12-03", "2055-12-04", 2, ""});
    db_->Sql(R"(INSERT INTO telemetry_points (id, message_id, device_id, ts, metrics, created_at)
      SELECT 'junk-' || n, 'junk-' || n, 'device-0001', timestamptz '2026-11-20' + n * interval '1 hour',
      jsonb_build_object('temperature_c', (ARRAY['"1e400"', '"-3.5e2"', '"+.5"', '"1."', '"NaN"', 'true', 'null',
      '[1]', '{"a": 1}', '""', '1e400', '"12"'])[n]::jsonb), '2026-11-22' FROM generate_series(1, 12) n)");
  }

  static std::string Value(const std::string& key) {
    const std::string text = "metrics ->> '" + key + "'";
    const std::string number =
        "CASE WHEN jsonb_typeof(metrics -> '" + key + "') IN ('number', 'string') AND " + text +
        R"( ~ '^[+-]?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?$' THEN ()" + text + ")::numeric END";
    return "(SELECT n FROM (SELECT " + number + " AS n) v WHERE abs(n) < 1.7e308::numeric)";
  }
  static std::string Series(const std::string& unit, const std::string& since, const std::string& until) {
    return "SELECT date_trunc('" + unit + "', ts, 'UTC') AS bucket, avg(" + Value("temperature_c") +
           "), count(*) FROM telemetry_points WHERE device_id = 'device-0001' AND ts >= '" + since +
           "' AND ts < '" + until + "' GROUP BY 1 ORDER BY 1 DESC LIMIT 500";
  }
  static std::string Several(const std::string& since, const std::string& until) {
    return "SELECT date_trunc('hour', ts, 'UTC') AS bucket, avg(" + Value("temperature_c") +
           ") FILTER (WHERE metrics ? "
           "'temperature_c'), avg(" +
           Value("battery_v") +
           ") FILTER (WHERE metrics ? 'battery_v') FROM "
           "telemetry_points WHERE device_id = 'device-0002' AND ts >= '" +
           since + "' AND ts < '" + until + "' GROUP BY 1 ORDER BY 1 DESC LIMIT 500";
  }
  static std::string Raw(const std::string& since, const std::string& until) {
    return "SELECT id, ts, metrics FROM telemetry_points WHERE device_id = 'device-0003' AND ts >= '" +
           since + "' AND ts <= '" + until + "' ORDER BY ts DESC, id LIMIT 300";
  }
  static std::string Latest() {
    return "SELECT d.device_id, d.display_name, l.id, l.ts, l.metrics FROM devices d LEFT JOIN (SELECT p.*, "
           "row_number() OVER (PARTITION BY device_id ORDER BY ts DESC, created_at DESC, id) AS place FROM "
           "telemetry_points p) l ON l.device_id = d.device_id AND l.place = 1 ORDER BY 1";
  }
  static std::vector<std::string> Queries() {
    return {Series("minute", "2026-11-20", "2026-11-22"),
            Series("hour", "2026-10-01", "2027-01-10"),
            Several("2026-11-01", "2060-01-01"),
            Raw("2026-12-01", "2026-12-31 23:00"),
            Raw("2026-01-01", "infinity"),
            Latest()};
  }
  std::vector<std::string> Answers() {
    std::vector<std::string> all;
    for (const std::string& query : Queries()) {
      std::string text;
      for (const std::string& line : db_->Column("SELECT q::text FROM (" + query + ") q"))
        text += line + "\n";
      all.push_back(text);
    }
    return all;
  }
  std::set<std::string> Scanned(const std::string& query) {
    const std::string plan = db_->Value("EXPLAIN (FORMAT JSON) " + query);
    const std::regex name("\"Relation Name\": \"([^\"]+)\"");
    std::set<std::string> names;
    for (std::sregex_iterator i(plan.begin(), plan.end(), name), end; i != end; ++i) names.insert((*i)[1]);
    return names;
  }
  // The fifth: a batch that comes again, then one that comes late.
  void ExpectReplayInsertsNothing(const std::string& when) {
    EXPECT_EQ(db_->Sql("INSERT INTO telemetry_points SELECT * FROM telemetry_points WHERE ts >= '2026-11-19' "
                       "AND ts < "
                       "'2056-01-01' ON CONFLICT DO NOTHING")
                  .affected_rows(),
              0)
        << when;
  }
};

TEST_F(EdgeWatchQueries, AnswerTheSame) {
  const std::vector<std::string> before = Answers();
  for (const std::string& answer : before) EXPECT_GT(answer.size(), 100U);
  ExpectReplayInsertsNothing("plain");
  ASSERT_NO_FATAL_FAILURE(BeginAll());
  EXPECT_EQ(Answers(), before);
  ASSERT_NO_FATAL_FAILURE(Convert());
  EXPECT_EQ(Answers(), before);
  ExpectReplayInsertsNothing("converted");
  EXPECT_EQ(Answers(), before);
  db_->Sql(
      "INSERT INTO telemetry_points (id, message_id, device_id, ts) VALUES ('late', 'late', 'device-0001', "
      "'2026-10-02 03:04:05')");
  const std::string history = "telemetry_points_pmin_20261201";
  EXPECT_EQ(db_->Value("SELECT tableoid::regclass FROM telemetry_points WHERE id = 'late'"), history);
  using Names = std::set<std::string>;
  EXPECT_EQ(Scanned(Queries()[0]), Names({history}));
  EXPECT_EQ(Scanned(Queries()[1]), Names({history, "telemetry_points_p202612", "telemetry_points_p202701"}));
  EXPECT_EQ(Scanned(Series("hour", "2027-01-02", "2027-01-03")), Names({"telemetry_points_p202701"}));
  EXPECT_EQ(Scanned(Several("2026-12-05", "2026-12-06")), Names({"telemetry_points_p202612"}));
  EXPECT_EQ(Scanned(Queries()[3]), Names({"telemetry_points_p202612"}));
  EXPECT_EQ(Scanned(Latest()), Names({"devices", history, "telemetry_points_p202612",
                                      "telemetry_points_p202701", "telemetry_points_default"}));
}

// Rows that come while the fence stands answer once the table is swapped.
TEST_F(EdgeWatchQueries, WhatIsDivertedShowsWithTheSwap) {
  ASSERT_NO_FATAL_FAILURE(BeginAll());
  const std::vector<std::string> before = Answers();
  db_->Sql(
      "INSERT INTO telemetry_points (id, message_id, device_id, ts) VALUES ('ahead', 'ahead', 'device-0003', "
      "'2026-12-05'), ('now', 'now', 'device-0005', '2026-10-02')");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM telemetry_points WHERE id = 'ahead'"), 0);
  ASSERT_NO_FATAL_FAILURE(Convert());
  const std::vector<std::string> after = Answers();
  EXPECT_EQ(db_->Number("SELECT count(*) FROM telemetry_points WHERE id IN ('ahead', 'now')"), 2);
  EXPECT_THAT(after[3], HasSubstr("ahead"));
}

}  // namespace
}  // namespace partition_controller
