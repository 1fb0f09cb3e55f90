// Everything that makes the controller refuse, on a real database: named,
// harmless, and gone once its remedy was run to the letter.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "controller/postgres.h"
#include "reconcilers/bookkeeping.h"
#include "reconcilers/quote.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

namespace fs = std::filesystem;

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const Instant kNow = At("2026-07-15T12:00:00Z");
const Approach kThen{.preview = kNow, .acknowledged = {}, .holder = "test", .stop = {}, .on_step = {}};

Instant RealNow() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

class Refusals : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    server_ = &PostgresServer::Shared();
    uri_ = server_->CreateDatabase("refusal");
    database_ = std::make_unique<LiveDatabase>(uri_);
  }

  void MakePoints() {
    database_->Sql("CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts)");
  }

  // A role of this database's own, since roles belong to the whole cluster.
  std::string MakeRole(const std::string& name, const std::string& options = "LOGIN") {
    std::string role = DatabaseName(uri_) + "_" + name;
    database_->Sql("CREATE ROLE " + role + " " + options);
    return role;
  }
  std::string UriAs(const std::string& role) const { return server_->Uri(DatabaseName(uri_), role); }

  // Plans and carries out: the refusal is there, and nothing changed.
  Refusal ExpectRefused(const Policy& policy, const std::string& code, const std::string& uri) {
    const std::string before = database_->Fingerprint();
    const Convergence result = ConvergeOn(uri, policy, kThen);
    EXPECT_FALSE(result.failure) << result.failure->message;
    EXPECT_THAT(result.steps, IsEmpty());
    EXPECT_EQ(database_->Fingerprint(), before);
    const Refusal* refusal = FindRefusal(result.last.plan, code);
    EXPECT_NE(refusal, nullptr) << testing::PrintToString(Codes(result.last.plan));
    return refusal == nullptr ? Refusal{} : *refusal;
  }
  Refusal ExpectRefused(const Policy& policy, const std::string& code) {
    return ExpectRefused(policy, code, uri_);
  }

  void ExpectConverges(const Policy& policy, const std::string& uri) {
    EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy, kThen)), "");
    EXPECT_THAT(database_->Partitions("public." + QuoteName(policy.table.name)),
                Contains(HasSubstr("_p202607 FOR VALUES FROM ('2026-07-01")));
  }
  void ExpectConverges(const Policy& policy) { ExpectConverges(policy, uri_); }

  PostgresServer* server_ = nullptr;
  std::string uri_;
  std::unique_ptr<LiveDatabase> database_;
};

TEST_F(Refusals, MissingTable) {
  EXPECT_THAT(
      ExpectRefused(PolicyFor("points"), "TableNotFound").message,
      HasSubstr("there is no table \"public\".\"points\" in database \"" + DatabaseName(uri_) + "\""));
  MakePoints();
  ExpectConverges(PolicyFor("points"));
}

TEST_F(Refusals, ARelationOfAnotherKind) {
  database_->Sql("CREATE TABLE t (ts timestamptz NOT NULL); CREATE VIEW v AS SELECT * FROM t");
  database_->Sql(
      "CREATE MATERIALIZED VIEW mv AS SELECT * FROM t; CREATE SEQUENCE ts_seq; CREATE INDEX ti ON t (ts)");
  database_->Sql("CREATE TYPE composite AS (ts timestamptz)");
  database_->Sql("CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere");
  database_->Sql("CREATE FOREIGN TABLE ft (ts timestamptz NOT NULL) SERVER nowhere");
  for (const char* name : {"v", "mv", "ts_seq", "ti", "composite", "ft"}) {
    for (const auto state : {Partitioning::State::kEnabled, Partitioning::State::kDisabled}) {
      Policy policy = PolicyFor(name);
      policy.retention = Keep("1mo");
      policy.partitioning.state = state;
      EXPECT_THAT(ExpectRefused(policy, "NotATable").message, HasSubstr(name));
    }
  }
}

TEST_F(Refusals, MissingColumn) {
  MakePoints();
  database_->Sql("ALTER TABLE points ADD gone timestamptz; ALTER TABLE points DROP gone");
  for (const char* column : {"time", "TS", "gone", "........pg.dropped.3........", "ctid", "tableoid"}) {
    EXPECT_THAT(ExpectRefused(PolicyFor("points", column), "ColumnNotFound").message, HasSubstr(column));
  }
}

TEST_F(Refusals, ColumnOfAnotherType) {
  database_->Sql("CREATE DOMAIN moment AS timestamptz");
  database_->Sql("CREATE TYPE \"timestamp of mine\" AS ENUM ('timestamp with time zone')");
  for (const char* type : {"text", "bigint", "time", "interval", "timestamptz[]", "tstzrange", "moment",
                           "uuid", "\"timestamp of mine\""}) {
    database_->Sql("CREATE TABLE odd (ts " + std::string(type) + " NOT NULL) PARTITION BY RANGE (ts)");
    EXPECT_THAT(ExpectRefused(PolicyFor("odd"), "ColumnTypeUnsupported").remedy, HasSubstr("spec.timeColumn"))
        << type;
    database_->Sql("DROP TABLE odd");
  }
}

TEST_F(Refusals, NotColumnsWithAPrecision) {
  for (const char* type : {"timestamptz(0)", "timestamp(3)", "date"}) {
    database_->Sql("DROP TABLE IF EXISTS points; CREATE TABLE points (ts " + std::string(type) +
                   " NOT NULL) PARTITION BY RANGE (ts)");
    Policy policy = PolicyFor("points");
    policy.name = type;
    ExpectConverges(policy);
  }
}

TEST_F(Refusals, NullableKey) {
  database_->Sql("CREATE TABLE points (ts timestamptz) PARTITION BY RANGE (ts)");
  const Refusal refusal = ExpectRefused(PolicyFor("points"), "KeyNullable");
  database_->Sql(refusal.remedy);
  ExpectConverges(PolicyFor("points"));
}

TEST_F(Refusals, NotPartitioned) {
  database_->Sql("CREATE TABLE points (ts timestamptz NOT NULL)");
  EXPECT_THAT(ExpectRefused(PolicyFor("points"), "NotPartitioned").remedy,
              HasSubstr("conversion: Online to have it partitioned by RANGE (\"ts\")"));
  // Tables that inherit in the old way are not partitions.
  database_->Sql("CREATE TABLE points_p202607 () INHERITS (points)");
  ExpectRefused(PolicyFor("points"), "NotPartitioned");
}

TEST_F(Refusals, PartitionedInAnotherWay) {
  for (const char* key : {"LIST (ts)", "HASH (ts)", "RANGE (ts, v)", "RANGE (v)",
                          "RANGE (date_trunc('day', at))", "RANGE (v, ts)"}) {
    database_->Sql(
        "CREATE TABLE odd (ts timestamptz NOT NULL, at timestamp NOT NULL, v int NOT NULL) PARTITION BY " +
        std::string(key));
    EXPECT_THAT(ExpectRefused(PolicyFor("odd"), "PartitionKeyDiffers").message,
                HasSubstr("not by RANGE (\"ts\")"))
        << key;
    database_->Sql("DROP TABLE odd");
  }
}

// What stands before "; or" in a remedy, and the statement after it.
std::pair<std::string, std::string> Alternatives(const std::string& remedy) {
  const std::size_t cut = remedy.find("; or ");
  const std::string rest = remedy.substr(cut + 5);
  return {remedy.substr(0, cut), rest.substr(0, rest.find("; or "))};
}

TEST_F(Refusals, ForeignOwnerAndTheGrantThatMendsIt) {
  MakePoints();
  const std::string owner = MakeRole("owner", "NOLOGIN");
  const std::string app = MakeRole("app");
  database_->Sql("ALTER TABLE points OWNER TO " + owner + "; GRANT CREATE ON SCHEMA public TO " + app + ", " +
                 owner + "; GRANT CREATE ON DATABASE " + DatabaseName(uri_) + " TO " + app);
  const Refusal refusal = ExpectRefused(PolicyFor("points"), "PrivilegeMissing", UriAs(app));
  EXPECT_THAT(refusal.message, HasSubstr("\"" + app + "\""));
  database_->Sql(Alternatives(refusal.remedy).first);
  ExpectConverges(PolicyFor("points"), UriAs(app));
  EXPECT_THAT(database_->Column("SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE 'points%'"),
              ElementsAre(owner));
}

TEST_F(Refusals, ForeignOwnerAndTheChangeThatMendsIt) {
  MakePoints();
  const std::string app = MakeRole("app");
  database_->Sql("GRANT CREATE ON SCHEMA public TO " + app + "; GRANT CREATE ON DATABASE " +
                 DatabaseName(uri_) + " TO " + app);
  const Refusal refusal = ExpectRefused(PolicyFor("points"), "PrivilegeMissing", UriAs(app));
  database_->Sql(Alternatives(refusal.remedy).second);
  ExpectConverges(PolicyFor("points"), UriAs(app));
}

TEST_F(Refusals, NoCreateOnTheSchema) {
  MakePoints();
  const std::string app = MakeRole("app");
  database_->Sql("ALTER TABLE points OWNER TO " + app +
                 "; REVOKE CREATE ON SCHEMA public FROM PUBLIC; "
                 "GRANT CREATE ON DATABASE " +
                 DatabaseName(uri_) + " TO " + app);
  const Refusal refusal = ExpectRefused(PolicyFor("points"), "PrivilegeMissing", UriAs(app));
  EXPECT_THAT(refusal.message, HasSubstr("may not create tables in schema \"public\""));
  database_->Sql(refusal.remedy);
  ExpectConverges(PolicyFor("points"), UriAs(app));
}

// New partitions are handed to the table's owner, which PostgreSQL allows only
// where the owner may create tables itself.
TEST_F(Refusals, NoCreateOnTheSchemaForTheOwner) {
  MakePoints();
  const std::string owner = MakeRole("owner", "NOLOGIN");
  const std::string app = MakeRole("app", "LOGIN IN ROLE " + owner);
  database_->Sql("ALTER TABLE points OWNER TO " + owner +
                 "; REVOKE CREATE ON SCHEMA public FROM PUBLIC; "
                 "GRANT CREATE ON SCHEMA public TO " +
                 app + "; GRANT CREATE ON DATABASE " + DatabaseName(uri_) + " TO " + app);
  const Refusal refusal = ExpectRefused(PolicyFor("points"), "PrivilegeMissing", UriAs(app));
  EXPECT_THAT(refusal.message, HasSubstr("\"" + owner + "\""));
  database_->Sql(refusal.remedy);
  ExpectConverges(PolicyFor("points"), UriAs(app));
}

TEST_F(Refusals, NoCreateOnTheDatabase) {
  MakePoints();
  const std::string app = MakeRole("app");
  database_->Sql("ALTER TABLE points OWNER TO " + app + "; GRANT CREATE ON SCHEMA public TO " + app);
  const Refusal refusal = ExpectRefused(PolicyFor("points"), "PrivilegeMissing", UriAs(app));
  EXPECT_THAT(refusal.message, HasSubstr("may not create the schema partition_controller"));
  database_->Sql(refusal.remedy);
  ExpectConverges(PolicyFor("points"), UriAs(app));
}

// An administrator who will not grant CREATE on the database makes the schema.
TEST_F(Refusals, NotASchemaThatTheAdministratorMade) {
  MakePoints();
  const std::string app = MakeRole("app");
  database_->Sql("ALTER TABLE points OWNER TO " + app + "; GRANT CREATE ON SCHEMA public TO " + app +
                 "; CREATE SCHEMA partition_controller AUTHORIZATION " + app);
  ExpectConverges(PolicyFor("points"), UriAs(app));
}

TEST_F(Refusals, BookkeepingOfAnotherRole) {
  MakePoints();
  for (const std::string& statement : MigrationSql(0)) database_->Sql(statement);
  const std::string app = MakeRole("app");
  database_->Sql("ALTER TABLE points OWNER TO " + app + "; GRANT CREATE ON SCHEMA public TO " + app);
  const Refusal refusal = ExpectRefused(PolicyFor("points"), "PrivilegeMissing", UriAs(app));
  EXPECT_THAT(refusal.message, HasSubstr("may not use the schema partition_controller"));
  database_->Sql(refusal.remedy);
  // With rows in the default partition, so that a drain needs its function.
  database_->Sql(
      "CREATE TABLE points_default PARTITION OF points DEFAULT; ALTER TABLE points_default OWNER TO " + app);
  database_->Sql("INSERT INTO points SELECT '2026-07-03', g FROM generate_series(1, 500) g");
  ExpectConverges(PolicyFor("points"), UriAs(app));
  EXPECT_EQ(database_->Number("SELECT count(*) FROM ONLY points_default"), 0);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM points"), 500);
}

// Each single privilege that is missing is noticed before anything is tried.
TEST_F(Refusals, BookkeepingThatMayOnlyBeRead) {
  MakePoints();
  for (const std::string& statement : MigrationSql(0)) database_->Sql(statement);
  const std::string app = MakeRole("app");
  database_->Sql("ALTER TABLE points OWNER TO " + app + "; GRANT CREATE ON SCHEMA public TO " + app +
                 "; GRANT USAGE ON SCHEMA partition_controller TO " + app);
  std::string remedy;
  for (const char* more : {"SELECT ON ALL TABLES", "UPDATE ON ALL TABLES", "INSERT, DELETE ON ALL TABLES"}) {
    database_->Sql("GRANT " + std::string(more) + " IN SCHEMA partition_controller TO " + app);
    remedy = ExpectRefused(PolicyFor("points"), "PrivilegeMissing", UriAs(app)).remedy;
  }
  database_->Sql(remedy);
  ExpectConverges(PolicyFor("points"), UriAs(app));
}

TEST_F(Refusals, NewerBookkeeping) {
  MakePoints();
  const Policy policy = PolicyFor("points");
  ExpectConverges(policy);
  database_->Sql("DROP TABLE points_p202607; UPDATE partition_controller.version SET version = 99");
  const Refusal refusal = ExpectRefused(policy, "BookkeepingTooNew");
  EXPECT_THAT(refusal.message, HasSubstr("version 99"));

  const std::string before = database_->Fingerprint();
  const auto session = ConnectPostgres(uri_);
  Migrate(*session, policy);
  Release(*session, policy);
  EXPECT_EQ(database_->Fingerprint(), before);
}

// Nobody knows what the tables of a later version look like.
TEST_F(Refusals, NewerBookkeepingOfAnotherShape) {
  MakePoints();
  const Policy policy = PolicyFor("points");
  ExpectConverges(policy);
  database_->Sql(
      "UPDATE partition_controller.version SET version = 99; ALTER TABLE partition_controller.tables RENAME "
      "COLUMN policy_name TO policy; DROP TABLE partition_controller.drains; DROP TABLE "
      "partition_controller.partitions; DROP TABLE partition_controller.settings");
  ExpectRefused(policy, "BookkeepingTooNew");
}

TEST_F(Refusals, AClockThatDisagrees) {
  MakePoints();
  Policy policy = PolicyFor("points");
  policy.retention = Keep("2mo");
  database_->Sql(
      "DO $$ DECLARE m timestamptz := date_trunc('month', now(), 'UTC'); BEGIN "
      "EXECUTE format('CREATE TABLE old PARTITION OF points FOR VALUES FROM (%L) TO (%L)', "
      "m - interval '9 months', m - interval '8 months'); END $$");
  for (const std::chrono::hours off : {std::chrono::hours(-1), std::chrono::hours(24 * 400)}) {
    const auto session = ConnectPostgres(uri_);
    const Now now{RealNow() + off, false};
    std::vector<Catalog> catalogs = ReadCatalogs(*session, {&policy}, now);
    const Plan plan = MakePlan(policy, catalogs.at(0), now);
    const Refusal* refusal = FindRefusal(plan, "ClockSkew");
    ASSERT_NE(refusal, nullptr);
    EXPECT_FALSE(refusal->stops_everything);
    for (const Step& step : plan.steps) EXPECT_FALSE(Destructive(step.action)) << Kind(step.action);
    EXPECT_FALSE(plan.waiting.empty());
    // What is made is made by the server's clock.
    if (catalogs[0].server.bookkeeping_version == 0) Migrate(*session, policy);
    const RunOutcome outcome =
        ExecutePlan(*session, policy, catalogs[0], plan, "test", {}, {{}, [](auto) {}});
    EXPECT_FALSE(outcome.failure) << outcome.failure->message;
  }
  const std::string month = database_->Value("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM pg_class WHERE relname = 'points_p" + month + "'"), 1);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM pg_class WHERE relname = 'old' AND relispartition"), 1);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'points'::regclass"), 7);
  // Once the clocks agree, what had to wait is done.
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy)), "");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM pg_class WHERE relname = 'old'"), 0);
}

TEST_F(Refusals, AReadOnlyReplica) {
  PostgresServer standby;
  const std::string uri = standby.CreateDatabase("replica");
  {
    LiveDatabase database(uri);
    database.Sql("CREATE TABLE points (ts timestamptz NOT NULL) PARTITION BY RANGE (ts)");
    EXPECT_EQ(TroubleWith(ConvergeOn(uri, PolicyFor("points"), kThen)), "");
    database.Sql("DROP TABLE points_p202607");
  }
  standby.Stop();
  { std::ofstream(standby.data_directory() + "/standby.signal"); }
  standby.Start();
  const Convergence result = ConvergeOn(uri, PolicyFor("points"), kThen);
  EXPECT_THAT(Codes(result.last.plan), ElementsAre("ReadOnlyReplica"));
  EXPECT_FALSE(result.failure);
  EXPECT_THAT(result.steps, IsEmpty());
  // Somebody who insists learns it from the server.
  const auto session = ConnectPostgres(uri);
  try {
    Migrate(*session, PolicyFor("points"));
    ADD_FAILURE() << "a replica was written to";
  } catch (const DatabaseError& error) {
    EXPECT_EQ(FailureOf(error, PolicyFor("points")).reason, "ReadOnlyReplica") << error.what();
  }
  EXPECT_THAT(standby.ReadLog(), Not(HasSubstr("PANIC")));
}

DatabaseError ConnectError(const std::string& uri) {
  try {
    ConnectPostgres(uri);
  } catch (const DatabaseError& error) {
    return error;
  }
  return {DatabaseError::Kind::kOther, "", "it connected"};
}

TEST_F(Refusals, AnUnreachableDatabase) {
  const DatabaseError closed = ConnectError("postgresql://app:s3cr3tXyz@127.0.0.1:1/db");
  EXPECT_EQ(closed.kind(), DatabaseError::Kind::kUnreachable) << closed.what();
  EXPECT_THAT(closed.what(), HasSubstr("127.0.0.1"));
  EXPECT_THAT(closed.what(), HasSubstr("Connection refused Is the server running")) << "libpq has two lines";
  EXPECT_THAT(closed.what(), Not(HasSubstr("s3cr3tXyz")));
  const DatabaseError nowhere = ConnectError("host=no-such-host.invalid password=s3cr3tXyz");
  EXPECT_EQ(nowhere.kind(), DatabaseError::Kind::kUnreachable) << nowhere.what();
  EXPECT_THAT(nowhere.what(), Not(HasSubstr("s3cr3tXyz")));
}

TEST_F(Refusals, AWrongPassword) {
  const std::string app = MakeRole("app", "LOGIN PASSWORD 'right'");
  const std::string rules = server_->data_directory() + "/pg_hba.conf";
  std::ifstream file(rules);
  const std::string old((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  { std::ofstream(rules) << "host all " << app << " 127.0.0.1/32 scram-sha-256\n" << old; }
  database_->Sql("SELECT pg_reload_conf()");
  const std::string at = "@127.0.0.1:" + std::to_string(server_->port()) + "/" + DatabaseName(uri_);
  ASSERT_TRUE(Eventually(
      [&] { return std::string(ConnectError("postgresql://" + app + at).what()) != "it connected"; }));
  for (const std::string& password : {std::string(":s3cr3tXyz"), std::string()}) {
    std::string uri = "postgresql://" + app;
    uri += password + at;
    const DatabaseError error = ConnectError(uri);
    EXPECT_EQ(error.kind(), DatabaseError::Kind::kAuthentication) << error.what();
    EXPECT_THAT(error.what(), HasSubstr("password")) << "it should say what is wrong";
    EXPECT_THAT(error.what(), Not(HasSubstr("s3cr3tXyz")));
  }
  EXPECT_STREQ(ConnectError("postgresql://" + app + ":right" + at).what(), "it connected");
  { std::ofstream(rules) << old; }
  database_->Sql("SELECT pg_reload_conf()");
}

TEST_F(Refusals, AMalformedConnectionStringIsNeverShown) {
  const std::string at = "@127.0.0.1:" + std::to_string(server_->port()) + "/postgres";
  for (std::string uri :
       std::vector<std::string>{"postgresql://app:s3cr3tXyz@127.0.0.1:notaport/db",
                                "postgresql://app:s3cr3tXyz",
                                "postgresql://app:s3cr3t%Xyz@HERE",
                                "postgresql://app:s3cr3tXyz%00@HERE",
                                "postgresql://app:s3cr3tXyz%zz@HERE",
                                "postgresql://postgres:s3cr3t/Xyz@HERE",
                                "postgresql://postgres:s3cr3t?Xyz@HERE",
                                "postgresql://postgres:s3cr3t#Xyz@HERE",
                                "postgresql://postgres:s3c@r3t/Xyz@HERE",
                                "postgresql://[s3cr3tXyz",
                                "postgresql://[s3cr3tXyz]junk/db",
                                "postgresql://postgres@HERE?s3cr3t=Xyz",
                                "postgresql://postgres@HERE?s3cr3tXyz",
                                "postgresql://postgres@HERE?password=s3cr3t%Xyz",
                                "postgresql://postgres@HERE?port=s3cr3tXyz",
                                "postgresql://postgres@HERE?sslmode=s3cr3tXyz",
                                "postgresql://postgres@HERE?target_session_attrs=s3cr3tXyz",
                                "postgresql://postgres@HERE?channel_binding=s3cr3tXyz",
                                "postgresql:/app:s3cr3tXyz@host/db",
                                "mysql://app:s3cr3tXyz@host/db",
                                "app:s3cr3tXyz@host/db",
                                "s3cr3tXyz",
                                "password=s3c r3tXyz",
                                "password='s3cr3tXyz",
                                "password=s3cr3tXyz port=x",
                                "s3cr3tXyz=password",
                                "password=s3cr3tXyz keepalives=s3cr3tXyz",
                                "password=s3cr3tXyz sslmode=verify-full sslrootcert=/none host=127.0.0.1"}) {
    if (const std::size_t here = uri.find("@HERE"); here != std::string::npos) uri.replace(here, 5, at);
    const DatabaseError error = ConnectError(uri);
    const std::string message = error.what();
    if (message == "it connected") continue;
    EXPECT_FALSE(message.empty());
    for (const char* part : {"s3c", "\"r3t", "cr3t", "Xyz"})
      EXPECT_THAT(message, Not(HasSubstr(part))) << uri;
  }
}

// What the server says about a row stays with the server.
TEST_F(Refusals, AnErrorShowsNoRow) {
  const auto session = ConnectPostgres(uri_);
  session->Query("CREATE TABLE private (name text PRIMARY KEY, CHECK (name <> 'secretive'))");
  session->Query("INSERT INTO private VALUES ('confidential')");
  for (const char* sql :
       {"INSERT INTO private VALUES ('confidential')", "INSERT INTO private VALUES ('secretive')"}) {
    try {
      session->Query(sql);
      ADD_FAILURE() << sql;
    } catch (const DatabaseError& error) {
      EXPECT_THAT(error.what(), HasSubstr("private"));
      EXPECT_THAT(error.what(), Not(HasSubstr("confidential")));
      EXPECT_THAT(error.what(), Not(HasSubstr("secretive")));
    }
  }
}

TEST_F(Refusals, TwoPoliciesForOneTable) {
  MakePoints();
  const Policy elder = PolicyFor("points");
  ExpectConverges(elder);
  Policy younger = elder;
  younger.name = "other";
  younger.partitioning.granularity = Granularity::kDay;
  younger.retention = Keep("1h");
  const Refusal refusal = ExpectRefused(younger, "Conflict");
  EXPECT_THAT(refusal.message, HasSubstr("default/points"));
  // The elder is not disturbed, and the same name takes over from anywhere.
  const Approach elsewhere{
      .preview = kNow, .acknowledged = {}, .holder = "elsewhere", .stop = {}, .on_step = {}};
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, elder, elsewhere)), "");
  // The remedy for a keeper that is gone for good stands at the end.
  database_->Sql(refusal.remedy.substr(refusal.remedy.find("DELETE FROM")));
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, younger, kThen)), "");
}

// One snapshot holds both; each gets its own answer.
TEST_F(Refusals, TwoPoliciesForOneTableInOneLook) {
  MakePoints();
  const Policy elder = PolicyFor("points");
  ExpectConverges(elder);
  Policy younger = elder;
  younger.name = "other";
  const auto session = ConnectPostgres(uri_);
  const Now now{kNow, true};
  const std::vector<Catalog> catalogs = ReadCatalogs(*session, {&younger, &elder}, now);
  EXPECT_THAT(Codes(MakePlan(younger, catalogs.at(0), now)), ElementsAre("Conflict"));
  EXPECT_THAT(Codes(MakePlan(elder, catalogs.at(1), now)), IsEmpty());
}

class RestoredCopy : public Refusals {
 protected:
  void SetUp() override {
    Refusals::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    MakePoints();
    policy_ = PolicyFor("points");
    database_->MarkAsTest();
    database_->Sql("CREATE TABLE old PARTITION OF points FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')");
    ExpectConverges(policy_);
    policy_.retention = Keep("2mo");
    policy_.partitioning.premake = 4;  // there is something to provision as well
    database_.reset();
    copy_ = server_->CreateDatabaseFrom(DatabaseName(uri_));
    database_ = std::make_unique<LiveDatabase>(copy_);
  }

  bool OldIsThere() { return database_->Value("SELECT to_regclass('old') IS NOT NULL") == "t"; }

  Policy policy_;
  std::string copy_;
};

TEST_F(RestoredCopy, KeepsEverythingUntilSomebodyHasLooked) {
  const Convergence result = ConvergeOn(copy_, policy_, kThen);
  EXPECT_FALSE(result.failure);
  const Refusal* refusal = FindRefusal(result.last.plan, "DatabaseIdentityChanged");
  ASSERT_NE(refusal, nullptr);
  EXPECT_TRUE(result.last.plan.needs_acknowledgement);
  EXPECT_TRUE(OldIsThere());
  EXPECT_THAT(database_->Partitions("points"), Contains(HasSubstr("points_p202611 ")))
      << "provisioning goes on";
  EXPECT_THAT(refusal->remedy, HasSubstr(result.last.plan.hash));

  Approach wrong = kThen;
  wrong.acknowledged = {"0123456789abcdef"};
  ConvergeOn(copy_, policy_, wrong);
  EXPECT_TRUE(OldIsThere());

  Approach right = kThen;
  right.acknowledged = {"0123456789abcdef", result.last.plan.hash};
  EXPECT_EQ(TroubleWith(ConvergeOn(copy_, policy_, right)), "");
  EXPECT_FALSE(OldIsThere());
  // It is this database from now on.
  EXPECT_EQ(TroubleWith(ConvergeOn(copy_, policy_, kThen)), "");
}

// What is on record in a copy was looked after elsewhere: no controller takes its
// tables for those of policies that were deleted, whatever became of the originals.
TEST_F(RestoredCopy, HasNoOrphans) {
  policy_.origin.cluster = "lease-1";
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy_, kThen)), "");
  const auto original = ConnectPostgres(uri_);
  const std::vector<Policy> kept = ReadKept(*original, policy_);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].name, policy_.name);
  EXPECT_EQ(kept[0].table, policy_.table);
  EXPECT_EQ(kept[0].time_column, "ts");
  EXPECT_EQ(ReadKeptBy(*original, policy_).size(), 1U);
  for (const char* other : {"lease-2", ""}) {
    Policy stranger = policy_;
    stranger.origin.cluster = other;
    EXPECT_THAT(ReadKept(*original, stranger), IsEmpty()) << other;
  }
  database_->Sql("UPDATE partition_controller.tables SET cluster_uid = 'lease-1', time_column = 'ts'");
  const auto copy = ConnectPostgres(copy_);
  EXPECT_THAT(ReadKept(*copy, policy_), IsEmpty());
  EXPECT_THAT(ReadKeptBy(*copy, policy_), IsEmpty());
}

TEST_F(RestoredCopy, AConsentIsForOnePlan) {
  const std::string hash = See(copy_, policy_, kThen).plan.hash;
  Policy stricter = policy_;
  stricter.retention->keep = *ParseCalendarDuration("1d");
  Approach consent = kThen;
  consent.acknowledged = {hash};
  const Convergence result = ConvergeOn(copy_, stricter, consent);
  EXPECT_THAT(Codes(result.last.plan), ElementsAre("DatabaseIdentityChanged"));
  EXPECT_TRUE(OldIsThere());
}

TEST_F(Refusals, AnotherTableUnderTheSameName) {
  MakePoints();
  database_->MarkAsTest();
  Policy policy = PolicyFor("points");
  policy.retention = Keep("2mo");
  ExpectConverges(policy);
  database_->Sql("ALTER TABLE points RENAME TO before");
  MakePoints();
  database_->Sql("CREATE TABLE old PARTITION OF points FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')");
  const Convergence result = ConvergeOn(uri_, policy, kThen);
  EXPECT_FALSE(result.failure);
  EXPECT_THAT(Codes(result.last.plan), ElementsAre("DatabaseIdentityChanged"));
  EXPECT_EQ(database_->Value("SELECT to_regclass('old') IS NOT NULL"), "t");
  Approach consent = kThen;
  consent.acknowledged = {result.last.plan.hash};
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, consent)), "");
  EXPECT_EQ(database_->Value("SELECT to_regclass('old') IS NULL"), "t");
}

TEST_F(Refusals, AShorterKeepWaitsForConsent) {
  MakePoints();
  database_->MarkAsTest();
  database_->Sql("CREATE TABLE old PARTITION OF points FOR VALUES FROM ('2025-12-01') TO ('2026-01-01')");
  database_->Sql("INSERT INTO points SELECT '2025-12-05', g FROM generate_series(1, 500) g; ANALYZE old");
  Policy policy = PolicyFor("points");
  policy.retention = Keep("1y");
  const auto recorded = [&] {
    return database_->Value(
        "SELECT retention_keep || ' ' || retention_action FROM partition_controller.tables");
  };
  const auto old_is_there = [&] { return database_->Value("SELECT to_regclass('old') IS NOT NULL") == "t"; };
  Approach alone = kThen;
  alone.consents = false;
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, alone)), "");
  EXPECT_EQ(recorded(), "1y Drop");

  policy.retention = Keep("3mo");
  policy.partitioning.premake = 4;
  const Convergence held = ConvergeOn(uri_, policy, alone);
  EXPECT_FALSE(held.failure);
  const Refusal* refusal = FindRefusal(held.last.plan, "AcknowledgementRequired");
  ASSERT_NE(refusal, nullptr);
  EXPECT_THAT(refusal->message, HasSubstr("retention.keep is 3mo and was 1y before"));
  EXPECT_THAT(refusal->message, HasSubstr("about 500 rows and about "));
  EXPECT_THAT(refusal->remedy, HasSubstr(held.last.plan.hash));
  EXPECT_THAT(database_->Partitions("points"), Contains(HasSubstr("points_p202611 ")))
      << "provisioning goes on";
  EXPECT_TRUE(old_is_there());
  EXPECT_EQ(recorded(), "1y Drop");

  Approach wrong = alone;
  wrong.acknowledged = {"0123456789abcdef"};
  ConvergeOn(uri_, policy, wrong);
  EXPECT_TRUE(old_is_there());

  Approach right = alone;
  right.acknowledged = {held.last.plan.hash};
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, right)), "");
  EXPECT_FALSE(old_is_there());
  EXPECT_EQ(recorded(), "3mo Drop");

  // It is written down although there is nothing to do.
  policy.retention->action = Retention::Action::kDetach;
  const Convergence idle = ConvergeOn(uri_, policy, alone);
  EXPECT_EQ(TroubleWith(idle), "");
  EXPECT_THAT(idle.steps, IsEmpty());
  EXPECT_EQ(recorded(), "3mo Detach");
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, alone)), "");
}

TEST_F(Refusals, MoreThanHalfOfATableWaitsForConsent) {
  MakePoints();
  database_->MarkAsTest();
  for (const char* month : {"2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01"}) {
    database_->Sql("CREATE TABLE \"" + std::string(month) + "\" PARTITION OF points FOR VALUES FROM ('" +
                   month + "') TO ('" + std::string(month, 9) + "9')");
  }
  Policy policy = PolicyFor("points");
  policy.retention = Keep("2mo");
  policy.retention->max_per_run = 1;
  Approach approach = kThen;
  approach.consents = false;
  const Convergence held = ConvergeOn(uri_, policy, approach);
  EXPECT_THAT(Codes(held.last.plan), ElementsAre("AcknowledgementRequired"));
  EXPECT_EQ(database_->Partitions("points").size(), 4U + 5 + 1);
  // Once is enough, whatever the number of runs.
  approach.acknowledged = {held.last.plan.hash};
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, approach)), "");
  EXPECT_EQ(database_->Partitions("points").size(), 3U + 5 + 1);
  approach.acknowledged.clear();
  for (int run = 0; run < 3; ++run) EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, approach)), "");
  EXPECT_EQ(database_->Partitions("points").size(), 5U + 1);
}

// An earlier release kept no record of what was agreed to.  What it was about to
// remove goes on, and is on record from then on.
TEST_F(Refusals, NoneByTheUpgradeOfOlderBookkeeping) {
  MakePoints();
  database_->MarkAsTest();
  for (const char* month : {"2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01"}) {
    database_->Sql("CREATE TABLE \"" + std::string(month) + "\" PARTITION OF points FOR VALUES FROM ('" +
                   month + "') TO ('" + std::string(month, 9) + "9')");
  }
  Policy policy = PolicyFor("points");
  ExpectConverges(policy);
  database_->Sql(
      "ALTER TABLE partition_controller.tables DROP retention_keep, DROP retention_action, DROP "
      "retention_due, DROP time_column, DROP cluster_uid; UPDATE partition_controller.version SET version = "
      "3");
  policy.retention = Keep("2mo");
  policy.retention->max_per_run = 1;
  Approach alone = kThen;
  alone.consents = false;
  const std::size_t before = database_->Partitions("points").size();
  const Situation seen = See(uri_, policy, alone);
  EXPECT_EQ(seen.catalog.server.bookkeeping_version, 3);
  EXPECT_THAT(Codes(seen.plan), IsEmpty());
  EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, alone)), "");
  EXPECT_EQ(database_->Number("SELECT version FROM partition_controller.version"), kBookkeepingVersion);
  EXPECT_EQ(database_->Value("SELECT retention_keep || retention_action FROM partition_controller.tables"),
            "2moDrop");
  for (int run = 0; run < 3; ++run) EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, alone)), "");
  EXPECT_EQ(database_->Value("SELECT to_regclass('\"2025-04-01\"') IS NULL"), "t");
  EXPECT_LT(database_->Partitions("points").size(), before + 1);

  policy.retention->keep = *ParseCalendarDuration("1mo");
  EXPECT_THAT(Codes(ConvergeOn(uri_, policy, alone).last.plan), ElementsAre("AcknowledgementRequired"));
}

TEST_F(Refusals, NotChildrenOfOtherKindsButTheyAreLeftAlone) {
  MakePoints();
  database_->MarkAsTest();
  database_->Sql("CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere");
  database_->Sql(
      "CREATE FOREIGN TABLE far PARTITION OF points FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') "
      "SERVER nowhere");
  database_->Sql(
      "CREATE TABLE sub PARTITION OF points FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') "
      "PARTITION BY LIST (v)");
  database_->Sql("CREATE TABLE sub_1 PARTITION OF sub FOR VALUES IN (1)");
  database_->Sql("CREATE TABLE plain PARTITION OF points FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')");
  Policy policy = PolicyFor("points");
  policy.retention = Keep("1mo");
  const Convergence result = ConvergeOn(uri_, policy, kThen);
  EXPECT_EQ(
      database_->Column("SELECT relname FROM pg_class WHERE relname IN ('far', 'sub', 'sub_1', 'plain') AND "
                        "relispartition ORDER BY 1"),
      (std::vector<std::string>{"far", "sub", "sub_1"}));
  EXPECT_THAT(result.last.plan.advice, Contains(HasSubstr("a foreign table: it is left alone")));
  EXPECT_THAT(result.last.plan.advice, Contains(HasSubstr("partitioned itself: it is left alone")));
  // ANALYZE of the parent would ask the foreign server, and nobody answers.
  EXPECT_THAT(result.last.plan.advice, Contains(HasSubstr("ANALYZE it at a time of your choice")));
  EXPECT_THAT(database_->Partitions("points"), Contains(HasSubstr("points_p202607 ")));
  EXPECT_EQ(TroubleWith(result), "");
}

TEST_F(Refusals, TheRoleOfThePolicyDoesTheWork) {
  MakePoints();
  const std::string owner = MakeRole("owner", "NOLOGIN");
  const std::string app = MakeRole("app", "LOGIN NOINHERIT IN ROLE " + owner);
  database_->Sql("ALTER TABLE points OWNER TO " + owner + "; GRANT CREATE ON SCHEMA public TO " + owner +
                 "; GRANT CREATE ON DATABASE " + DatabaseName(uri_) + " TO " + owner);
  database_->Sql(
      "CREATE TABLE points_default PARTITION OF points DEFAULT; ALTER TABLE points_default OWNER TO " +
      owner + "; INSERT INTO points SELECT '2026-07-03', g FROM generate_series(1, 500) g");
  Policy policy = PolicyFor("points");
  ExpectRefused(policy, "PrivilegeMissing", UriAs(app));
  policy.connection.role = owner;
  ExpectConverges(policy, UriAs(app));
  EXPECT_EQ(ReadKeptBy(*ConnectPostgres(UriAs(app)), policy).size(), 1U);
  EXPECT_EQ(database_->Column(
                "SELECT DISTINCT r.rolname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner JOIN "
                "pg_namespace n ON n.oid = c.relnamespace WHERE nspname IN ('public', "
                "'partition_controller')"),
            std::vector<std::string>{owner});

  policy.connection.role = "postgres";  // it may not become that one
  const auto session = ConnectPostgres(UriAs(app));
  try {
    See(*session, policy, kThen);
    ADD_FAILURE() << "a role was taken that was never granted";
  } catch (const DatabaseError& error) {
    EXPECT_EQ(error.kind(), DatabaseError::Kind::kPermission) << error.what();
  }
  EXPECT_EQ(session->Query("SELECT CURRENT_USER").rows[0][0], app) << "no transaction may stay open";
}

}  // namespace
}  // namespace partition_controller
