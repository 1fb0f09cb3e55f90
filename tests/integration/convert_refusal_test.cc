// Each reason for which a table is not converted: a table that deserves it,
// untouched, and converted once the remedy was run to the letter.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcilers/quote.h"
#include "tests/support/conversion.h"

namespace partition_controller {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Deserves {
  const char* name;  // of the test
  const char* code;
  // `points` and what makes it deserve it.
  const char* table;
  // Empty: the first statement of the refusal's remedy is run as it stands.
  const char* remedy;
  const char* says;  // in the message
  int since = 13;    // major version
};

void PrintTo(const Deserves& d, std::ostream* out) { *out << d.name; }

constexpr const char* kPlain =
    "CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, d int, v int, w text DEFAULT 'x'); ";

const Deserves kAll[] = {
    {"Typed", "TypedTable",
     "CREATE TYPE measured AS (id int, ts timestamptz); CREATE TABLE points OF measured (ts NOT NULL, "
     "PRIMARY KEY "
     "(id))",
     "", "composite type"},
    {"Inherits", "Inheritance", "+CREATE TABLE base (id int NOT NULL); ALTER TABLE points INHERIT base",
     "ALTER TABLE points NO INHERIT base", "inherits"},
    {"HasChildren", "Inheritance", "+CREATE TABLE child () INHERITS (points)",
     "ALTER TABLE child NO INHERIT points", "inherits"},
    {"Rules", "RulesOnTable", "+CREATE RULE quiet AS ON DELETE TO points DO INSTEAD NOTHING",
     "DROP RULE quiet ON points", "CREATE RULE"},
    {"Nullable", "KeyNullable", "CREATE TABLE points (id int PRIMARY KEY, ts timestamptz)", "",
     "may be NULL"},
    {"Exclusion", "ExclusionConstraint",
     "+ALTER TABLE points ADD CONSTRAINT \"ex'cl\" EXCLUDE USING btree (d WITH =)", "",
     "exclusion constraint"},
    {"InvalidIndex", "IndexInvalid",
     "+CREATE INDEX \"in valid\" ON points (v); UPDATE pg_index SET indisvalid = false WHERE indexrelid = "
     "'\"in "
     "valid\"'::regclass",
     "", "is invalid"},
    {"UnreadableIndex", "IndexUnreadable", "+CREATE INDEX \"a USING b\" ON points (v)",
     "ALTER INDEX \"a USING b\" RENAME TO readable", "a USING b"},
    {"PrimaryKeyInclude", "PrimaryKeyUnfit",
     "CREATE TABLE points (id int, ts timestamptz NOT NULL, v int, PRIMARY KEY (id) INCLUDE (v))",
     "ALTER TABLE points DROP CONSTRAINT points_pkey; ALTER TABLE points ADD PRIMARY KEY (id)", "INCLUDE"},
    {"PrimaryKeyDeferrable", "PrimaryKeyUnfit",
     "CREATE TABLE points (id int PRIMARY KEY DEFERRABLE, ts timestamptz NOT NULL)",
     "ALTER TABLE points DROP CONSTRAINT points_pkey; ALTER TABLE points ADD PRIMARY KEY (id)", "deferrable"},
    {"UniqueDeferrable", "UniqueDeferrable",
     "+ALTER TABLE points ADD CONSTRAINT late UNIQUE (v, ts) DEFERRABLE", "", "deferrable"},
    {"ReferencedBy", "ForeignKeysPointHere",
     "+CREATE TABLE alerts (point int CONSTRAINT \"to points\" REFERENCES points)", "",
     "foreign keys of other tables"},
    {"ReferencesItself", "ForeignKeysPointHere",
     "+ALTER TABLE points ADD FOREIGN KEY (d) REFERENCES points (id)", "", "foreign keys of other tables"},
    {"ForeignKeyNotValid", "ForeignKeyNotValid",
     "+CREATE TABLE devices (d int PRIMARY KEY); ALTER TABLE points ADD FOREIGN KEY (d) REFERENCES devices "
     "NOT VALID",
     "", "NOT VALID"},
    {"CheckNotValid", "CheckNotValid", "+ALTER TABLE points ADD CONSTRAINT later CHECK (v > 0) NOT VALID", "",
     "NOT VALID"},
    {"CheckNoInherit", "CheckNoInherit", "+ALTER TABLE points ADD CONSTRAINT own CHECK (v > 0) NO INHERIT",
     "", "NO INHERIT"},
    {"NotNullNoInherit", "NotNullUnfit", "+ALTER TABLE points ADD CONSTRAINT own NOT NULL v NO INHERIT", "",
     "NO INHERIT", 18},
    {"NotNullNotValid", "NotNullUnfit", "+ALTER TABLE points ADD CONSTRAINT own NOT NULL v NOT VALID", "",
     "NOT VALID", 18},
    {"CheckNotEnforced", "CheckNotValid",
     "+ALTER TABLE points ADD CONSTRAINT weak CHECK (v > 0) NOT ENFORCED",
     "ALTER TABLE points DROP CONSTRAINT weak", "weak", 18},
    {"RowTriggerWithTransitionTables", "TriggerUnfit",
     "+CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER seen "
     "AFTER "
     "INSERT ON points REFERENCING NEW TABLE AS n FOR EACH ROW EXECUTE FUNCTION f()",
     "DROP TRIGGER seen ON points", "transition tables"},
    {"UnreadableTrigger", "TriggerUnreadable",
     "+CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER seen "
     "AFTER "
     "INSERT ON points FOR EACH ROW WHEN (NEW.w <> ' ON public.points ') EXECUTE FUNCTION f()",
     "DROP TRIGGER seen ON points", "seen"},
    {"RowsCannotMove", "RowsCannotMove",
     "+CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER seen "
     "AFTER "
     "DELETE ON points FOR EACH ROW EXECUTE FUNCTION f(); INSERT INTO points VALUES (1, '2030-01-01')",
     "ALTER TABLE points DISABLE TRIGGER seen", "rows lie beyond the cut"},
    {"MaterializedView", "DependentObjects", "+CREATE MATERIALIZED VIEW daily AS SELECT count(*) FROM points",
     "DROP MATERIALIZED VIEW daily", "materialized view public.daily"},
    {"FunctionOfItsRows", "DependentObjects",
     "+CREATE FUNCTION newest() RETURNS points LANGUAGE sql AS 'SELECT * FROM points LIMIT 1'",
     "DROP FUNCTION newest", "newest()"},
    {"FunctionBody", "DependentObjects",
     "+CREATE FUNCTION newest() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM points; END",
     "DROP FUNCTION newest", "newest()", 14},
    {"ViewOfWholeRows", "DependentObjects", "+CREATE VIEW whole AS SELECT p FROM points p", "DROP VIEW whole",
     "whole"},
    {"ViewGroupedByItsKey", "DependentObjects",
     "+CREATE VIEW grouped AS SELECT id, v, count(*) FROM points GROUP BY id", "DROP VIEW grouped",
     "grouped"},
    {"RuleOfAView", "DependentObjects",
     "+CREATE VIEW front AS SELECT id, ts FROM points; CREATE RULE put AS ON INSERT TO front DO INSTEAD "
     "INSERT INTO "
     "points VALUES (NEW.id, NEW.ts)",
     "DROP RULE put ON front", "put"},
    {"PolicyOfAnother", "DependentObjects",
     "+CREATE TABLE other (id int); CREATE POLICY linked ON other USING (EXISTS (SELECT FROM points))",
     "DROP POLICY linked ON other", "linked"},
    {"PolicyThatReadsItself", "DependentObjects",
     "+CREATE POLICY self ON points USING (v <= (SELECT max(q.v) FROM points q))",
     "DROP POLICY self ON points", "self"},
    {"DefaultFromItsSequence", "DependentObjects",
     "CREATE TABLE points (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ts timestamptz NOT NULL); CREATE "
     "TABLE "
     "other (id int DEFAULT nextval('points_id_seq'))",
     "ALTER TABLE other ALTER id DROP DEFAULT", "other"},
    {"Subscribed", "Subscribed",
     "+CREATE SUBSCRIPTION here CONNECTION 'host=/nowhere' PUBLICATION there WITH (connect = false); INSERT "
     "INTO "
     "pg_subscription_rel SELECT oid, 'points'::regclass, 'r' FROM pg_subscription WHERE subdbid = (SELECT "
     "oid FROM "
     "pg_database WHERE datname = current_database())",
     "ALTER SUBSCRIPTION here SET (slot_name = NONE); DROP SUBSCRIPTION here", "subscription"},
    {"PublishesPartitions", "PublishesPartitions", "+CREATE PUBLICATION \"p'ub\" FOR TABLE points", "",
     "under the names of the partitions"},
    {"PublishesAllTables", "PublishesAllTables",
     "+CREATE PUBLICATION every FOR ALL TABLES WITH (publish_via_partition_root)", "DROP PUBLICATION every",
     "FOR ALL TABLES"},
    {"PublishesTheSchema", "PublishesAllTables",
     "+CREATE PUBLICATION every FOR TABLES IN SCHEMA public WITH (publish_via_partition_root)",
     "ALTER PUBLICATION every DROP TABLES IN SCHEMA public", "those of the schema", 15},
    {"PublishedWithoutIdentity", "RowsCannotMove",
     "CREATE TABLE points (id int, ts timestamptz NOT NULL); INSERT INTO points VALUES (1, '2030-01-01'); "
     "CREATE PUBLICATION p FOR TABLE points WITH (publish_via_partition_root)",
     "ALTER TABLE points REPLICA IDENTITY FULL", "without replica identity"},
    {"ViewOfOnly", "ViewOfOnly", "+CREATE VIEW own AS SELECT count(*) FROM ONLY points",
     "CREATE OR REPLACE VIEW own AS SELECT count(*) FROM points", "view public.own reads ONLY the table"},
    {"ReplicaIndex", "ReplicaIdentityUnfit",
     "+CREATE UNIQUE INDEX identity ON points (id, ts); ALTER TABLE points REPLICA IDENTITY USING INDEX "
     "identity",
     "", "USING INDEX"},
    {"NameTaken", "NameTaken", "+CREATE INDEX points_key_with_time ON points (v)",
     "ALTER INDEX points_key_with_time RENAME TO mine", "in the way"},
};

class ConversionRefused : public ConversionTest {
 protected:
  // The refusal, and nothing changed.
  Refusal ExpectRefused(const std::string& code, const std::string& uri) {
    const std::string before = db_->Fingerprint();
    const Convergence result = ConvergeOn(uri, policy_, then_);
    EXPECT_FALSE(result.failure) << result.failure->message;
    EXPECT_THAT(result.steps, IsEmpty());
    EXPECT_EQ(db_->Fingerprint(), before);
    const Refusal* refusal = FindRefusal(result.last.plan, code);
    EXPECT_NE(refusal, nullptr) << testing::PrintToString(Codes(result.last.plan));
    return refusal == nullptr ? Refusal{} : *refusal;
  }
  Refusal ExpectRefused(const std::string& code) { return ExpectRefused(code, db_->uri()); }

  // What comes after the first statement are other ways, and explanations.
  void RunRemedy(const std::string& remedy) {
    const std::size_t end = remedy.find(';');
    ASSERT_NE(end, std::string::npos) << remedy;
    db_->Sql(remedy.substr(0, end));
  }
};

class EachRefusal : public ConversionRefused, public testing::WithParamInterface<Deserves> {};

TEST_P(EachRefusal, IsGoneWithItsRemedy) {
  const Deserves& deserves = GetParam();
  if (major() < deserves.since) GTEST_SKIP() << "came with PostgreSQL " << deserves.since;
  const std::string table = deserves.table;
  db_->Sql(table.front() == '+' ? kPlain + table.substr(1) : table);
  const Refusal refusal = ExpectRefused(deserves.code);
  EXPECT_THAT(refusal.message, HasSubstr(deserves.says));
  EXPECT_THAT(refusal.remedy, Not(IsEmpty()));
  if (HasFailure()) return;
  if (std::string(deserves.remedy).empty()) {
    RunRemedy(refusal.remedy);
  } else {
    db_->Sql(deserves.remedy);
  }
  Convert();
}

INSTANTIATE_TEST_SUITE_P(All, EachRefusal, testing::ValuesIn(kAll),
                         [](const auto& instance) { return instance.param.name; });

// What a BEFORE trigger does to the time column can only be read from its text.
struct TriggerBody {
  const char* name;
  const char* body;
  bool refused;
};

void PrintTo(const TriggerBody& t, std::ostream* out) { *out << t.name; }

class BeforeTrigger : public ConversionRefused, public testing::WithParamInterface<TriggerBody> {};

TEST_P(BeforeTrigger, IsRefusedIfItSetsTheTime) {
  db_->Sql(std::string(kPlain) + "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $f$" +
           GetParam().body +
           "$f$; CREATE TRIGGER seen BEFORE INSERT OR UPDATE ON points FOR EACH ROW EXECUTE FUNCTION f()");
  if (GetParam().refused) {
    RunRemedy(ExpectRefused("TriggerSetsTime").remedy);
  } else {
    EXPECT_THAT(Codes(See()), IsEmpty());
  }
  Convert();
}

INSTANTIATE_TEST_SUITE_P(
    All, BeforeTrigger,
    testing::Values(
        TriggerBody{"Assigns", "BEGIN NEW.ts := now(); RETURN NEW; END", true},
        TriggerBody{"AssignsWithEquals",
                    "BEGIN IF NEW.ts IS NULL THEN\n NEW . \"ts\" = now(); END IF; RETURN NEW; END", true},
        TriggerBody{"AssignsAfterAComment", "BEGIN /* first */ -- then\nnew.TS := now(); RETURN NEW; END",
                    true},
        TriggerBody{"AssignsTheRow", "BEGIN NEW := OLD; RETURN NEW; END", true},
        TriggerBody{"SelectsInto", "BEGIN SELECT 1, now() INTO NEW.v, NEW.ts; RETURN NEW; END", true},
        TriggerBody{"SelectsTheRow", "BEGIN SELECT * INTO NEW FROM points LIMIT 1; RETURN NEW; END", true},
        TriggerBody{"Reads",
                    "BEGIN IF NEW.ts = now() OR NEW.ts > '2099-01-01' THEN RETURN NULL; END IF; RETURN "
                    "NEW; END",
                    false},
        TriggerBody{"WritesWhatItReads",
                    "BEGIN INSERT INTO seen VALUES (NEW.ts); NEW.v := 2; RETURN NEW; END", false},
        TriggerBody{"SetsAnother", "BEGIN NEW.w := 'ts'; SELECT 1 INTO NEW.v; RETURN NEW; END", false},
        TriggerBody{"InAComment", "BEGIN -- NEW.ts := now();\n RETURN NEW; END", false}),
    [](const auto& instance) { return instance.param.name; });

// Row security policies are made among the bookkeeping's own tables.
TEST_F(ConversionRefused, ANameOfTheBookkeepings) {
  db_->Sql(std::string(kPlain) + "ALTER TABLE points RENAME TO tables");
  policy_.table.name = "tables";
  EXPECT_THAT(Codes(See()), IsEmpty());
  db_->Sql("CREATE POLICY all_rows ON tables USING (true)");
  EXPECT_THAT(ExpectRefused("NameTaken").message, HasSubstr("the bookkeeping has a table called"));
  db_->Sql("ALTER TABLE tables RENAME TO points");
  policy_.table.name = "points";
  Convert();
}

// The view goes with its session, and nobody else can point it elsewhere.
TEST_F(ConversionRefused, SomebodysTemporaryView) {
  db_->Sql(kPlain);
  auto other = std::make_unique<pqxx::connection>(db_->uri());
  pqxx::nontransaction(*other).exec("CREATE TEMPORARY VIEW mine AS SELECT * FROM points");
  EXPECT_THAT(ExpectRefused("DependentObjects").message, HasSubstr("mine depends on"));
  other.reset();
  // Whoever looks while it goes may be told that it is not there.
  ASSERT_TRUE(Eventually(
      [&] {
        return db_->Number("SELECT count(*) FROM pg_class WHERE relkind = 'v' AND relpersistence = 't'") == 0;
      },
      std::chrono::seconds(60)));
  EXPECT_THAT(Codes(See()), IsEmpty());
  Convert();
}

TEST_F(ConversionRefused, WithoutConsentToWeakerUniqueness) {
  db_->Sql("CREATE TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL, d int, m int, UNIQUE (d, m))");
  policy_.partitioning.uniqueness = Partitioning::Uniqueness::kRefuse;
  const Refusal refusal = ExpectRefused("UniquenessWouldWeaken");
  EXPECT_THAT(refusal.message, HasSubstr("\"points_pkey\" (\"id\"), \"points_d_m_key\" (\"d\", \"m\")"));
  EXPECT_THAT(refusal.remedy, HasSubstr("uniqueness: PerPartition"));
  policy_.partitioning.uniqueness = Partitioning::Uniqueness::kPerPartition;
  EXPECT_THAT(See().advice, Contains(HasSubstr("ON CONFLICT DO NOTHING without a target")));
  Convert();
}

TEST_F(ConversionRefused, AGeneratedKey) {
  db_->Sql(
      "CREATE TABLE points (id int PRIMARY KEY, x timestamp NOT NULL, ts timestamp NOT NULL GENERATED ALWAYS "
      "AS (x "
      "+ interval '1 hour') STORED)");
  EXPECT_THAT(ExpectRefused("KeyGenerated").remedy, HasSubstr("spec.timeColumn"));
  policy_.time_column = "x";
  Convert();
}

TEST_F(ConversionRefused, ATemporaryTable) {
  pqxx::connection other(db_->uri());
  pqxx::nontransaction session(other);
  session.exec("CREATE TEMPORARY TABLE points (id int PRIMARY KEY, ts timestamptz NOT NULL)");
  policy_.table.schema = session.exec("SELECT pg_my_temp_schema()::regnamespace")[0][0].as<std::string>();
  ExpectRefused("TemporaryTable");
}

TEST_F(ConversionRefused, ForeignObjects) {
  const std::string owner = MakeRole("owner");
  const std::string other = MakeRole("Other");
  const std::string database = DatabaseName(db_->uri());
  db_->Sql("GRANT CREATE, USAGE ON SCHEMA public TO " + owner + "; GRANT CREATE ON DATABASE " + database +
           " TO " + owner + ", " + other + "; DROP SCHEMA partition_controller CASCADE");
  db_->Sql(std::string(kPlain) + "ALTER TABLE points OWNER TO " + owner + "; GRANT SELECT ON points TO " +
           other + "; CREATE VIEW theirs AS SELECT count(*) FROM points; ALTER VIEW theirs OWNER TO " +
           other);
  const std::string uri = UriAs(owner);
  const Refusal view = ExpectRefused("PrivilegeMissing", uri);
  EXPECT_THAT(view.message, HasSubstr("view public.theirs"));
  RunRemedy(view.remedy);
  db_->Sql("CREATE PUBLICATION pub FOR TABLE points WITH (publish_via_partition_root)");
  const Refusal publication = ExpectRefused("PrivilegeMissing", uri);
  EXPECT_THAT(publication.message, HasSubstr("publication pub"));
  RunRemedy(publication.remedy);
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy_)), "");
}

TEST_F(ConversionRefused, ForcedRowSecurity) {
  const std::string owner = MakeRole("owner");
  db_->Sql("GRANT CREATE, USAGE ON SCHEMA public TO " + owner + "; GRANT CREATE ON DATABASE " +
           DatabaseName(db_->uri()) + " TO " + owner + "; DROP SCHEMA partition_controller CASCADE");
  db_->Sql(std::string(kPlain) + "INSERT INTO points VALUES (1, '2030-01-01'); ALTER TABLE points OWNER TO " +
           owner + "; ALTER TABLE points ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY");
  const Refusal refusal = ExpectRefused("RowSecurityForced", UriAs(owner));
  RunRemedy(refusal.remedy);
  EXPECT_EQ(TroubleWith(ConvergeOn(UriAs(owner), policy_)), "");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), 1);
}

// Who may not do what passing a row on takes: no row can be passed on for them.
TEST_F(ConversionRefused, WritersWithoutTheRightsBesideTriggers) {
  const std::string some = MakeRole("some");
  const std::string updates = MakeRole("updates");
  const std::string by_view = MakeRole("by_view");
  const std::string harmless = MakeRole("harmless");
  db_->Sql(std::string(kPlain) +
           "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE "
           "TRIGGER seen BEFORE INSERT ON points FOR EACH ROW EXECUTE FUNCTION f(); GRANT INSERT (id, ts) ON "
           "points TO " +
           some + "; GRANT SELECT, INSERT, UPDATE ON points TO " + updates +
           "; CREATE VIEW front AS SELECT * FROM points; CREATE VIEW further AS SELECT * FROM front; GRANT "
           "INSERT ON further TO " +
           by_view + "; GRANT SELECT, UPDATE (v), DELETE ON points TO " + harmless);
  const Refusal refusal = ExpectRefused("WritersLackPrivileges");
  for (const std::string& role : {some, updates, by_view}) EXPECT_THAT(refusal.message, HasSubstr(role));
  EXPECT_THAT(refusal.message, Not(HasSubstr(harmless)));
  RunRemedy(refusal.remedy);
  Convert();
}

}  // namespace
}  // namespace partition_controller
