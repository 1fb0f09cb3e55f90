// The real controller on a real API server and a real PostgreSQL, with the
// permissions that are shipped and no others.

#include <csignal>
#include <set>
#include <thread>

#include "tests/cluster/run_in_cluster.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(RunInCluster, HoldsATableAsItsResourceDeclares) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Start();
  WaitUntilReady(space_);
  EXPECT_EQ(Partitions(*database_), 4);  // this month, two ahead and the default
  json policy = Get(space_);
  EXPECT_EQ(policy.at("status").at("observedGeneration"), 1);
  EXPECT_EQ(policy.at("status").at("partitions").at("count"), 4);

  EXPECT_THAT(policy.at("status").at("lastAction").get<std::string>(), HasSubstr("create "));
  EXPECT_THAT(policy.at("status").at("nextAction").get<std::string>(), HasSubstr("create a partition for ["));
  EXPECT_EQ(policy.at("status").at("nextActionTime"),
            database_->Value("SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 "
                             "month', 'YYYY-MM-DD') || 'T00:00:00Z'"));

  const auto described = [&] { return Server().MustKubectl({"describe", "ppol", "points", "-n", space_}); };
  EXPECT_TRUE(Eventually(
      [&] { return described().find("The table is as the policy declares") != std::string::npos; }));
  EXPECT_TRUE(Eventually([&] {
    return std::regex_search(described(), std::regex("Normal +CreatePartition .*create partition"));
  })) << described();

  // An idle controller writes nothing: it has looked several times since.
  const json version = policy.at("metadata").at("resourceVersion");
  std::this_thread::sleep_for(seconds(4));
  EXPECT_EQ(Get(space_).at("metadata").at("resourceVersion"), version);

  json changed = Policy(space_);
  changed["spec"]["partitioning"]["premake"] = 5;
  Apply(changed);
  // kubectl waits for the new generation, not for what was said of the old one.
  WaitUntilReady(space_);
  EXPECT_EQ(Partitions(*database_), 7);
  EXPECT_EQ(Get(space_).at("status").at("observedGeneration"), 2);

  Server().MustKubectl(
      {"annotate", "ppol", "points", "-n", space_, "edgewatch.dev/reconcile-requested-at=token-1"});
  EXPECT_TRUE(
      Eventually([&] { return Get(space_).at("status").value("lastHandledReconcileAt", "") == "token-1"; }));
}

// The list of steps becomes empty, which an old API server has trouble with.
TEST_F(RunInCluster, ShowsWhatIsDueUntilItIsDone) {
  SetSecret(space_, uri_);
  json policy = Policy(space_);
  policy["spec"]["mode"] = "Plan";
  Apply(policy);
  Start();
  ASSERT_TRUE(Becomes(space_, "Ready", "False PlanPending"));
  EXPECT_FALSE(Get(space_).at("status").at("plan").at("pending").empty());
  policy["spec"]["mode"] = "Apply";
  Apply(policy);
  WaitUntilReady(space_);
  EXPECT_EQ(Get(space_).at("status").at("plan").at("pending"), json::array()) << Get(space_).dump(1);
}

// A slip in a policy: nothing goes before somebody has copied the hash from the
// status into an annotation; all else goes on.
TEST_F(RunInCluster, WaitsForConsentToAShorterKeep) {
  database_->Sql(
      "DO $$ DECLARE m timestamptz := date_trunc('month', now(), 'UTC') - interval '4 months'; BEGIN EXECUTE "
      "format('CREATE TABLE old PARTITION OF points FOR VALUES FROM (%L) TO (%L)', m, m + interval '1 "
      "month'); INSERT INTO points SELECT m + interval '1 day', g FROM generate_series(1, 700) g; END $$; "
      "ANALYZE old");
  SetSecret(space_, uri_);
  json policy = Policy(space_);
  policy["spec"]["retention"] = {{"keep", "6mo"}, {"action", "Drop"}, {"undoWindow", "0h"}};
  Apply(policy);
  Start();
  WaitUntilReady(space_);
  EXPECT_EQ(Get(space_).at("status").at("plan").at("atStake").at("partitions"), 0);
  EXPECT_EQ(Partitions(*database_), 10);  // six months, this one, two ahead and the default

  policy["spec"]["retention"]["keep"] = "3mo";
  policy["spec"]["partitioning"]["premake"] = 3;
  Apply(policy);
  ASSERT_TRUE(Becomes(space_, "Ready", "False AcknowledgementRequired")) << Get(space_).dump(1);
  EXPECT_TRUE(Becomes(space_, "RetentionEnforced", "False AcknowledgementRequired"));
  EXPECT_TRUE(Becomes(space_, "Stalled", "True AcknowledgementRequired"));
  EXPECT_TRUE(Becomes(space_, "Covered", "True AsDeclared"));
  EXPECT_EQ(Partitions(*database_), 11) << "partitions are made meanwhile";
  const json held = Get(space_);
  const json& plan = held.at("status").at("plan");
  const auto hash = plan.at("hash").get<std::string>();
  EXPECT_EQ(plan.at("needsAcknowledgement"), true);
  EXPECT_EQ(plan.at("atStake").at("partitions"), 3);
  EXPECT_EQ(plan.at("atStake").at("rows"), 700);
  EXPECT_GT(plan.at("atStake").at("bytes"), 0);
  const std::string command =
      "kubectl annotate ppol points -n " + space_ + " --overwrite edgewatch.dev/acknowledge=";
  EXPECT_THAT(held.dump(), HasSubstr("retention.keep is 3mo and was 6mo before"));
  EXPECT_THAT(held.dump(), HasSubstr(command + hash));

  const auto acknowledge = [&](const std::string& what) {
    Server().MustKubectl(
        {"annotate", "ppol", "points", "-n", space_, "--overwrite", "edgewatch.dev/acknowledge=" + what});
  };
  acknowledge("0123456789abcdef");
  // It looks each second, and writes nothing while nothing changes.
  const json version = Get(space_).at("metadata").at("resourceVersion");
  std::this_thread::sleep_for(seconds(4));
  EXPECT_EQ(Get(space_).at("metadata").at("resourceVersion"), version);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM old"), 700);

  acknowledge(hash);
  WaitUntilReady(space_);
  EXPECT_EQ(database_->Value("SELECT to_regclass('old') IS NULL"), "t");
  EXPECT_EQ(Partitions(*database_), 8);
  EXPECT_TRUE(Becomes(space_, "RetentionEnforced", "True AsDeclared"));
  EXPECT_EQ(Get(space_).at("status").at("plan").at("atStake").at("partitions"), 0);
  EXPECT_EQ(database_->Value("SELECT retention_keep FROM partition_controller.tables"), "3mo");
}

TEST_F(RunInCluster, LeavesTheTableOfADeletedPolicyAsItIs) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Start();
  WaitUntilReady(space_);
  const auto kept = database_->Partitions("points");
  // No finalizer: it does not wait for anybody.
  Server().MustKubectl({"delete", "ppol", "points", "-n", space_, "--timeout=10s"});
  EXPECT_TRUE(Eventually([&] {
    return database_->Number(
               "SELECT count(*) FROM partition_controller.tables WHERE policy_name IS NOT NULL") == 0;
  }));
  EXPECT_EQ(database_->Partitions("points"), kept);
}

json WithRollup(json policy) {
  policy["spec"]["rollups"] = {{{"name", "daily"},
                                {"interval", "1d"},
                                {"table", "daily"},
                                {"dimensions", {"v"}},
                                {"source", {{"columns", {"v"}}}}}};
  return policy;
}

std::int64_t Triggers(LiveDatabase& database, const std::string& table) {
  return database.Number(
      "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0 AND tgrelid = '" + table +
      "'::regclass");
}

// Deleted while no controller ran: the next one removes the triggers of the
// rollup from the table, and nothing else; and nothing at all from tables that it
// never looked after.
TEST_F(RunInCluster, FreesTheTableOfAPolicyThatWasDeletedMeanwhile) {
  SetSecret(space_, uri_);
  database_->Sql(
      "CREATE TABLE alarms (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts); CREATE TABLE theirs (ts "
      "timestamptz NOT NULL); CREATE TABLE of_a_file (ts timestamptz NOT NULL)");
  json policy = WithRollup(Policy(space_));
  Apply(policy);
  json other = Policy(space_);
  other["metadata"]["name"] = "alarms";
  other["spec"]["table"]["name"] = "alarms";
  Apply(other);
  const auto on_record = [&](const std::string& table) {
    return database_->Number("SELECT count(*) FROM partition_controller.tables WHERE table_name = '" + table +
                             "'");
  };
  Process& first = Start();
  WaitUntilReady(space_);
  ASSERT_TRUE(Eventually([&] { return Triggers(*database_, "points") > 0 && on_record("alarms") == 1; }));
  first.Signal(SIGTERM);
  ASSERT_EQ(first.Wait(), 0);
  // The same bookkeeping serves another cluster, and policies from files.
  database_->Sql(
      "INSERT INTO partition_controller.tables (table_oid, policy_namespace, policy_name, schema_name, "
      "table_name, owner_name, database_oid, system_identifier, term, holder, acted_at, time_column, "
      "cluster_uid) SELECT t.name::regclass, '" +
      space_ +
      "', t.name, 'public', t.name, owner_name, database_oid, system_identifier, 1, 'x', now(), 'ts', t.uid "
      "FROM partition_controller.tables, (VALUES ('theirs', 'another'), ('of_a_file', NULL)) AS t (name, "
      "uid) WHERE table_name = 'alarms'");
  const auto kept = database_->Partitions("points");
  Server().MustKubectl({"delete", "ppol", "points", "-n", space_, "--timeout=10s"});
  EXPECT_GT(Triggers(*database_, "points"), 0) << "nobody is there";

  Process& second = Start();
  EXPECT_TRUE(Eventually([&] { return on_record("points") == 0; })) << second.Err();
  EXPECT_EQ(Triggers(*database_, "points"), 0);
  EXPECT_EQ(database_->Partitions("points"), kept);
  EXPECT_EQ(database_->Value("SELECT to_regclass('daily') IS NOT NULL"), "t") << "the rollup's table stays";
  EXPECT_EQ(on_record("alarms"), 1);
  EXPECT_EQ(on_record("theirs"), 1);
  EXPECT_EQ(on_record("of_a_file"), 1);
  database_->Sql("INSERT INTO points VALUES (now(), 1)");
}

// No policy leads to the database any more, but the Lease says which one it was.
// It is forgotten once it is free; where the Secret is missing, it waits for who
// leads next and keeps nobody waiting.
TEST_F(RunInCluster, FreesTheTableOfTheLastPolicyOfADatabase) {
  SetSecret(space_, uri_);
  json policy = WithRollup(Policy(space_));
  Apply(policy);
  const std::string other = MakeSpace();
  SetSecret(other, MakeDatabase());
  Apply(Policy(other));
  const auto kept = [&] {
    return database_->Number(
        "SELECT count(*) FROM partition_controller.tables WHERE policy_name IS NOT NULL");
  };
  // The namespaces whose databases are on record.
  const auto recorded = [&] {
    const json lease = json::parse(
        Server().MustKubectl({"get", "lease", space_, "-n", "partition-controller", "-o", "json"}));
    std::set<std::string> spaces;
    for (const json& entry : json::parse(
             lease.at("metadata").at("annotations").at("edgewatch.dev/connections").get<std::string>())) {
      spaces.insert(entry.at("namespace").get<std::string>());
    }
    return spaces;
  };
  using testing::UnorderedElementsAre;
  const std::vector<std::string> both = {"--namespace", space_, "--namespace", other};
  Process& first = Start(both);
  WaitUntilReady(space_);
  WaitUntilReady(other);
  ASSERT_TRUE(Eventually([&] { return Triggers(*database_, "points") > 0 && kept() == 2; }));
  EXPECT_THAT(recorded(), UnorderedElementsAre(space_, other));
  first.Signal(SIGKILL);
  first.Wait();
  const auto partitions = database_->Partitions("points");
  Server().MustKubectl({"delete", "ppol", "points", "-n", space_, "--timeout=10s"});
  Server().MustKubectl({"delete", "secret", "edgewatch-db", "-n", space_});

  Process& second = Start(both);
  EXPECT_TRUE(Eventually(
      [&] {
        return second.Err().find("Secret " + space_ + "/edgewatch-db does not exist") != std::string::npos;
      },
      seconds(60)));
  json edited = Policy(other);
  edited["spec"]["partitioning"]["premake"] = 5;
  Apply(edited);
  EXPECT_TRUE(Becomes(other, "Ready", "True AsDeclared"));
  EXPECT_THAT(recorded(), UnorderedElementsAre(space_, other));
  EXPECT_GT(Triggers(*database_, "points"), 0);
  second.Signal(SIGTERM);
  ASSERT_EQ(second.Wait(), 0);

  SetSecret(space_, uri_);
  Process& third = Start(both);
  EXPECT_TRUE(Eventually([&] { return kept() == 0; })) << third.Err();
  EXPECT_EQ(Triggers(*database_, "points"), 0);
  EXPECT_EQ(database_->Partitions("points"), partitions);
  EXPECT_EQ(database_->Value("SELECT to_regclass('daily') IS NOT NULL"), "t") << "the rollup's table stays";
  EXPECT_TRUE(Eventually([&] { return recorded() == std::set<std::string>{other}; }));
  // The same while a controller runs, which has its session still.
  Server().MustKubectl({"delete", "ppol", "points", "-n", other, "--timeout=10s"});
  EXPECT_TRUE(Eventually([&] { return recorded().empty(); })) << third.Err();
}

// The fence diverts rows for as long as it stands: it must not be forgotten with
// the policy that asked for the conversion.
TEST_F(RunInCluster, TakesTheFenceOfADeletedPolicyDown) {
  SetSecret(space_, uri_);
  database_->Sql(
      "CREATE TABLE alarms (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts); CREATE TABLE plain (id "
      "bigint, ts timestamptz NOT NULL, PRIMARY KEY (id, ts)); INSERT INTO plain SELECT g, now() - g * "
      "interval '1 hour' FROM generate_series(1, 500) g");
  json other = Policy(space_);
  other["metadata"]["name"] = "alarms";
  other["spec"]["table"]["name"] = "alarms";
  Apply(other);
  json policy = Policy(space_);
  policy["spec"]["table"]["name"] = "plain";
  policy["spec"]["partitioning"]["conversion"] = "Online";
  // Somebody reads, and the fence has to wait; then the swap of the tables has to.
  LiveDatabase reader(uri_);
  reader.Sql("BEGIN; SELECT count(*) FROM plain");
  Apply(policy);
  Process& first = Start();
  ASSERT_TRUE(Eventually([&] {
    return database_->Value("SELECT to_regclass('plain_partitioned') IS NOT NULL") == "t";
  })) << first.Err();
  LiveDatabase other_reader(uri_);
  other_reader.Sql("BEGIN; LOCK TABLE plain_partitioned IN ACCESS SHARE MODE");
  reader.Sql("ROLLBACK");
  ASSERT_TRUE(Eventually([&] {
    return database_->Value("SELECT state FROM partition_controller.conversions") == "fenced";
  })) << first.Err();
  ASSERT_GT(Triggers(*database_, "plain"), 0);
  first.Signal(SIGKILL);
  first.Wait();
  // A row that the fence diverts.
  database_->Sql("INSERT INTO plain VALUES (1000, now() + interval '400 days')");
  Server().MustKubectl({"delete", "ppol", "points", "-n", space_, "--timeout=10s"});
  // The server tries the swap that it was asked for a while yet.
  ASSERT_TRUE(Eventually([&] {
    return database_->Number(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = "
               "'active' AND pid <> pg_backend_pid()") == 0;
  }));
  other_reader.Sql("ROLLBACK");

  Process& second = Start();
  EXPECT_TRUE(Eventually(
      [&] {
        return database_->Number(
                   "SELECT count(*) FROM partition_controller.tables WHERE table_name = 'plain'") == 0;
      },
      seconds(90)))
      << second.Err();
  EXPECT_EQ(Triggers(*database_, "plain"), 0);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM partition_controller.conversions"), 0);
  EXPECT_EQ(database_->Value("SELECT relkind FROM pg_class WHERE oid = 'plain'::regclass"), "r");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM ONLY plain"), 501) << "no row is lost";
  EXPECT_EQ(database_->Number("SELECT count(*) FROM partition_controller.tables WHERE table_name = 'alarms'"),
            1);
}

TEST_F(RunInCluster, WaitsForASecretAndFollowsIt) {
  Apply(Policy(space_));
  Start();
  EXPECT_TRUE(Becomes(space_, "Ready", "False ConnectionNotFound"));
  EXPECT_EQ(Condition(Get(space_), "Stalled"), "True ConnectionNotFound");
  EXPECT_THAT(Get(space_).dump(), HasSubstr("Secret " + space_ + "/edgewatch-db does not exist"));
  SetSecret(space_, "nonsense");
  ASSERT_TRUE(Becomes(space_, "Ready", "False DatabaseUnreachable"));
  EXPECT_THAT(Get(space_).dump(), HasSubstr("the connection string is malformed"));
  SetSecret(space_, uri_);
  WaitUntilReady(space_);
  EXPECT_EQ(Partitions(*database_), 4);
  // The next one leads elsewhere; a session to the old database is no use.
  const std::string moved = MakeDatabase();
  SetSecret(space_, moved);
  LiveDatabase other(moved);
  EXPECT_TRUE(Eventually([&] { return Partitions(other) == 4; }));
}

// Permission that comes late is noticed, however long the controller has waited
// in vain by then.
TEST_F(RunInCluster, NoticesThatItMayReadTheSecret) {
  const std::string space = Server().CreateNamespace();
  SetSecret(space, uri_);
  Apply(Policy(space));
  Start();
  EXPECT_TRUE(Becomes(space, "Ready", "False ConnectionNotFound"));
  EXPECT_THAT(Get(space).dump(), HasSubstr("resourceNames: [edgewatch-db]"));
  std::this_thread::sleep_for(seconds(3));
  GrantAccess(space);
  WaitUntilReady(space);
}

// Two namespaces, each with a Secret of the same name.
TEST_F(RunInCluster, NeverMixesNamespacesUp) {
  const std::string other_space = MakeSpace();
  const std::string other_uri = MakeDatabase();
  SetSecret(space_, uri_);
  SetSecret(other_space, other_uri);
  Apply(Policy(space_));
  json policy = Policy(other_space);
  policy["spec"]["partitioning"]["premake"] = 6;
  Apply(policy);
  Start();
  WaitUntilReady(space_);
  WaitUntilReady(other_space);
  LiveDatabase other(other_uri);
  EXPECT_EQ(Partitions(*database_), 4);
  EXPECT_EQ(Partitions(other), 8);
}

// The schema lets it pass, the controller does not: it says so, and leaves the
// table alone, as it does not know what is wanted.
TEST_F(RunInCluster, SaysWhatIsWrongWithAPolicy) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Start();
  WaitUntilReady(space_);
  const auto before = database_->Partitions("points");
  json policy = Policy(space_);
  policy["spec"]["schedule"]["windows"] = {
      {{"start", "02:00"}, {"duration", "1h"}, {"timeZone", "Mars/Olympus"}}};
  Apply(policy);
  EXPECT_TRUE(Becomes(space_, "Stalled", "True InvalidSpec"));
  EXPECT_THAT(Get(space_).dump(), HasSubstr("'Mars/Olympus' is not known here"));
  Server().MustKubectl({"annotate", "--overwrite", "ppol", "points", "-n", space_,
                        "edgewatch.dev/reconcile-requested-at=now"});
  EXPECT_TRUE(Eventually([&] {
    return Get(space_).at("status").value("lastHandledReconcileAt", "") == "now";
  })) << "it is answered in vain, but it is answered";
  EXPECT_EQ(database_->Partitions("points"), before);
  EXPECT_EQ(
      database_->Number("SELECT count(*) FROM partition_controller.tables WHERE policy_name = 'points'"), 1);
  Apply(Policy(space_));
  WaitUntilReady(space_);
}

// Newer API servers refuse the edit themselves; this one takes it.
TEST_F(RunInCluster, TouchesNoTableWhenWhatCannotChangeIsChanged) {
  database_->Sql(
      "CREATE TABLE other (ts timestamptz NOT NULL, later timestamptz NOT NULL) PARTITION BY RANGE (ts); "
      "CREATE INDEX ON other (ts)");
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Start();
  WaitUntilReady(space_);
  const auto before = database_->Partitions("points");
  for (const auto& [pointer, value] : std::vector<std::pair<const char*, const char*>>{
           {"/spec/table/name", "other"}, {"/spec/partitioning/timeZone", "Europe/Berlin"}}) {
    json policy = Policy(space_);
    policy[json::json_pointer(pointer)] = value;
    Apply(policy);
    EXPECT_TRUE(Becomes(space_, "Stalled", "True InvalidSpec")) << pointer;
    EXPECT_THAT(Get(space_).dump(), HasSubstr("cannot be changed (it was ")) << pointer;
    EXPECT_EQ(database_->Partitions("points"), before) << pointer;
    EXPECT_THAT(database_->Partitions("other"), IsEmpty()) << pointer;
    Apply(Policy(space_));
    WaitUntilReady(space_);
  }

  // The other way out: it is deleted, and its table free for another policy.
  json neighbour = Policy(space_);
  neighbour["metadata"]["name"] = "other";
  neighbour["spec"]["table"]["name"] = "other";
  Apply(neighbour);
  json policy = Policy(space_);
  policy["spec"]["table"]["name"] = "third";
  Apply(policy);
  EXPECT_TRUE(Becomes(space_, "Stalled", "True InvalidSpec"));
  Server().MustKubectl({"delete", "ppol", "points", "-n", space_, "--timeout=10s"});
  EXPECT_TRUE(Eventually([&] {
    return database_->Column("SELECT policy_name FROM partition_controller.tables") ==
           std::vector<std::string>{"other"};
  }));
}

TEST_F(RunInCluster, GoesOnWithoutTheApiServer) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Start();
  WaitUntilReady(space_);
  Server().Kill();
  // Somebody takes a partition away meanwhile.
  const std::string last = database_->Value(
      "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'points'::regclass "
      "AND pg_get_expr((SELECT relpartbound FROM pg_class WHERE oid = inhrelid), inhrelid) <> 'DEFAULT' "
      "ORDER BY 1 DESC LIMIT 1");
  database_->Sql("DROP TABLE " + last);
  EXPECT_TRUE(Eventually([&] { return Partitions(*database_) == 4; }));
  Server().Start();
  // Where that took longer than its lease lasts, it is started again, as a kubelet
  // does.
  if (processes_.back()->Err().find("Lost the lease") != std::string::npos) Start();
  json policy = Policy(space_);
  policy["spec"]["partitioning"]["premake"] = 3;
  Apply(policy);
  WaitUntilReady(space_);
  EXPECT_EQ(Partitions(*database_), 5);
}

TEST_F(RunInCluster, LooksAfterTheNamespacesThatItIsTold) {
  const std::string other_space = MakeSpace();
  SetSecret(space_, uri_);
  SetSecret(other_space, MakeDatabase());
  Apply(Policy(space_));
  Apply(Policy(other_space));
  Start({"--namespace", space_});
  WaitUntilReady(space_);
  EXPECT_EQ(Get(other_space).at("status").at("observedGeneration"), -1);
}

TEST_F(RunInCluster, ASuccessorWorksAtOnceWhenTheLeaderEnds) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Process& first = Start();
  WaitUntilReady(space_);
  Process& second = Start();
  ASSERT_TRUE(Eventually([&] { return second.Err().find("\"Started\"") != std::string::npos; }));
  first.Signal(SIGTERM);
  EXPECT_EQ(first.Wait(), 0);
  EXPECT_THAT(first.Err(), HasSubstr("Gave the lease back"));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(Eventually([&] { return second.Err().find("\"Leading\"") != std::string::npos; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(10));
  json policy = Policy(space_);
  policy["spec"]["partitioning"]["premake"] = 3;
  Apply(policy);
  WaitUntilReady(space_);
  EXPECT_EQ(Partitions(*database_), 5);
}

// Somebody else writes to the object all the time.
TEST_F(RunInCluster, LosesNoEditInAStorm) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Start();
  for (int i = 0; i < 25; ++i) {
    Server().MustKubectl({"annotate", "--overwrite", "ppol", "points", "-n", space_,
                          "edgewatch.dev/reconcile-requested-at=" + std::to_string(i)});
    json policy = Policy(space_);
    policy["spec"]["partitioning"]["premake"] = 1 + i % 7;
    if (i % 5 == 0) Apply(policy);
  }
  json policy = Policy(space_);
  policy["spec"]["partitioning"]["premake"] = 8;
  Apply(policy);
  WaitUntilReady(space_);
  EXPECT_EQ(Partitions(*database_), 10);
  EXPECT_TRUE(
      Eventually([&] { return Get(space_).at("status").value("lastHandledReconcileAt", "") == "24"; }));
}

// An API server that answers nothing, and does not refuse either.
TEST_F(RunInCluster, EndsWhenItCannotRenewTheLease) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Process& first = Start();
  WaitUntilReady(space_);
  Server().Signal(SIGSTOP);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(first.Wait(), 1);
  EXPECT_GT(std::chrono::steady_clock::now() - begin, seconds(5));
  Server().Signal(SIGCONT);
  EXPECT_THAT(first.Err(), HasSubstr("Lost the lease"));
  Start();
  json policy = Policy(space_);
  policy["spec"]["partitioning"]["premake"] = 3;
  Apply(policy);
  WaitUntilReady(space_);
  EXPECT_EQ(Partitions(*database_), 5);
}

// A person with the role edit thinks better of it: what was detached comes back
// and stays, until it is released.
TEST_F(RunInCluster, UndoesWhatRetentionDid) {
  database_->Sql(
      "CREATE TABLE points_2020 PARTITION OF points FOR VALUES FROM ('2020-01-01 UTC') TO ('2020-02-01 "
      "UTC'); INSERT INTO points VALUES ('2020-01-15 UTC', 1)");
  SetSecret(space_, uri_);
  json policy = Policy(space_);
  policy["spec"]["retention"] = {{"keep", "3mo"}, {"action", "Drop"}};
  Apply(policy);
  Start();
  const auto rows = [&] { return database_->Number("SELECT count(*) FROM points"); };
  ASSERT_TRUE(Eventually([&] { return rows() == 0; }));
  WaitUntilReady(space_);

  // What makes them part of view and edit is a controller that is not here.
  for (const char* role : {"viewer", "editor"}) {
    Server().MustKubectl({"create", "rolebinding", role, "-n", space_, "--user=stranger",
                          std::string("--clusterrole=partitionpolicy-") + role});
  }
  const std::string kubeconfig = Server().Kubeconfig("stranger", space_);
  const auto partition = [&](std::vector<std::string> words) {
    words.insert(words.begin(), std::string(PC_TEST_PROGRAM));
    words[0].replace(words[0].rfind('/') + 1, std::string::npos, "kubectl-partition");
    words.insert(words.end(), {"--kubeconfig", kubeconfig});
    return RunProgram(words);
  };
  const Finished undone = partition({"undo", "points"});
  EXPECT_EQ(undone.code, 0) << undone.err;
  EXPECT_THAT(undone.out, HasSubstr("attached again"));
  EXPECT_TRUE(Eventually([&] { return rows() == 1; }));
  EXPECT_TRUE(Becomes(space_, "RetentionEnforced", "False Held")) << Get(space_).dump(1);
  WaitUntilReady(space_);
  const Finished why = partition({"why", "points"});
  EXPECT_EQ(why.code, 2);
  EXPECT_THAT(why.out, HasSubstr("kubectl partition undo points -n " + space_ + " --release"));
  EXPECT_EQ(partition({"plan", "points"}).code, 0);
  EXPECT_THAT(partition({"status", "points"}).out, HasSubstr("RetentionEnforced      False    Held"));
  EXPECT_THAT(partition({"status"}).out, HasSubstr("AsDeclared"));
  EXPECT_EQ(partition({"status", "-A"}).code, 1);  // not theirs to see
  // It has looked several times since.
  std::this_thread::sleep_for(seconds(3));
  EXPECT_EQ(rows(), 1);

  EXPECT_EQ(partition({"undo", "points", "--release"}).code, 0);
  EXPECT_TRUE(Eventually([&] { return rows() == 0; }));
  EXPECT_TRUE(Becomes(space_, "RetentionEnforced", "True AsDeclared"));
  EXPECT_EQ(partition({"why", "points"}).code, 0);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM points_2020"), 1);  // detached once more
}

// What is shipped suffices, as the tests above show; this is what it does not
// allow.
TEST_F(RunInCluster, MayDoNothingElse) {
  SetSecret(space_, uri_);
  const auto allowed = [&](std::vector<std::string> what) {
    what.insert(what.begin(), {"auth", "can-i"});
    return Server().Kubectl(what, "", "controller").code == 0;
  };
  EXPECT_TRUE(allowed({"get", "secrets/edgewatch-db", "-n", space_}));
  EXPECT_TRUE(allowed({"patch", "partitionpolicies", "--subresource=status", "-n", space_}));
  const std::vector<std::vector<std::string>> beyond = {{"get", "secrets/other", "-n", space_},
                                                        {"list", "secrets", "-n", space_},
                                                        {"list", "secrets", "-A"},
                                                        {"get", "secrets/edgewatch-db", "-n", "default"},
                                                        {"update", "secrets/edgewatch-db", "-n", space_},
                                                        {"patch", "partitionpolicies", "-n", space_},
                                                        {"delete", "partitionpolicies", "-n", space_},
                                                        {"list", "pods", "-n", space_},
                                                        {"create", "pods", "-n", "partition-controller"},
                                                        {"get", "configmaps", "-n", "partition-controller"},
                                                        {"list", "nodes"},
                                                        {"impersonate", "users"}};
  for (const auto& what : beyond) EXPECT_FALSE(allowed(what)) << what[0] << " " << what[1];
}

// The same by what the API server answers to the calls themselves, with the
// controller's own token.
TEST_F(RunInCluster, IsForbiddenWhatItNeedNotDo) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  const auto answer = [&](const std::string& method, const std::string& path, const std::string& body) {
    std::vector<std::string> command = {"/usr/bin/curl",
                                        "--silent",
                                        "--output",
                                        "/dev/null",
                                        "--write-out",
                                        "%{http_code}",
                                        "--cacert",
                                        Server().ca_file(),
                                        "-X",
                                        method,
                                        "-H",
                                        "Authorization: Bearer " + ApiServer::Token("controller")};
    if (!body.empty()) {
      const std::string type = method == "PATCH" ? "merge-patch+json" : "json";
      command.insert(command.end(), {"-H", "Content-Type: application/" + type, "--data", body});
    }
    command.push_back(Server().url() + path);
    return RunProgram(command).out;
  };
  const std::string secrets = "/api/v1/namespaces/" + space_ + "/secrets";
  const std::string policies = "/apis/edgewatch.dev/v1alpha1/namespaces/" + space_ + "/partitionpolicies";
  EXPECT_EQ(answer("GET", secrets + "/edgewatch-db", ""), "200");
  EXPECT_EQ(answer("GET", policies + "/points", ""), "200");
  const std::string pod =
      R"({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})";
  struct Call {
    const char* method;
    std::string path;
    std::string body;
  };
  const Call beyond[] = {
      {"GET", secrets + "/other", ""},
      {"GET", secrets, ""},
      {"GET", "/api/v1/secrets", ""},
      {"GET", "/api/v1/namespaces/default/secrets/edgewatch-db", ""},
      {"PATCH", secrets + "/edgewatch-db", R"({"stringData": {"uri": "x"}})"},
      {"DELETE", secrets + "/edgewatch-db", ""},
      {"POST", secrets, R"({"metadata": {"name": "mine"}})"},
      {"PATCH", policies + "/points", R"({"spec": {"suspend": true}})"},
      {"DELETE", policies + "/points", ""},
      {"PUT", policies + "/points/status", R"({"metadata": {"name": "points"}})"},
      {"GET", "/api/v1/namespaces/" + space_ + "/pods", ""},
      {"POST", "/api/v1/namespaces/partition-controller/pods", pod},
      {"GET", "/api/v1/nodes", ""},
      {"GET", "/apis/coordination.k8s.io/v1/namespaces/" + space_ + "/leases/x", ""},
      {"DELETE", "/apis/coordination.k8s.io/v1/namespaces/partition-controller/leases/" + space_, ""},
      {"GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", ""},
      {"GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles", ""}};
  for (const Call& call : beyond) {
    EXPECT_EQ(answer(call.method, call.path, call.body), "403") << call.method << " " << call.path;
  }
}

}  // namespace
}  // namespace partition_controller
