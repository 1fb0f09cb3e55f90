// What waits for somebody's word, and what people do about retention by hand,
// with kubectl alone.

#include <thread>

#include "tests/cluster/run_in_cluster.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class ByHand : public RunInCluster {
 protected:
  static void Acknowledge(const std::string& space, const std::string& hash) {
    Server().MustKubectl(
        {"annotate", "ppol", "points", "-n", space, "--overwrite", "edgewatch.dev/acknowledge=" + hash});
  }
  static bool AsksFor(const std::string& space) {
    return Becomes(space, "Ready", "False AcknowledgementRequired");
  }
  static std::string Hash(const std::string& space) {
    return Get(space).at("status").at("plan").at("hash").get<std::string>();
  }

  // kubectl partition, as somebody with the role edit.
  Finished Partition(std::vector<std::string> words) {
    if (kubeconfig_.empty()) {
      // What makes them part of view and edit is a controller that is not here.
      for (const char* role : {"viewer", "editor"}) {
        Server().MustKubectl({"create", "rolebinding", role, "-n", space_, "--user=stranger",
                              std::string("--clusterrole=partitionpolicy-") + role});
      }
      kubeconfig_ = Server().Kubeconfig("stranger", space_);
    }
    words.insert(words.begin(), std::string(PC_TEST_PROGRAM));
    words[0].replace(words[0].rfind('/') + 1, std::string::npos, "kubectl-partition");
    words.insert(words.end(), {"--kubeconfig", kubeconfig_});
    return RunProgram(words);
  }

  // A plain table with fifty rows of a hundred days ago.
  json KeepRows(const char* keep) {
    database_->Sql(
        "DROP TABLE points; CREATE TABLE points (ts timestamptz NOT NULL, v int); CREATE INDEX ON points "
        "(ts); "
        "INSERT INTO points SELECT now() - interval '100 days', g FROM generate_series(1, 50) g");
    SetSecret(space_, uri_);
    json policy = Policy(space_);
    policy["spec"]["partitioning"] = {{"state", "Disabled"}};
    policy["spec"]["retention"] = {{"keep", keep}, {"action", "Drop"}};
    Apply(policy);
    Start();
    WaitUntilReady(space_);
    return policy;
  }

  std::string kubeconfig_;
};

// The annotation stays where it is, and the same slip is made a second time.
TEST_F(ByHand, AConsentIsGoodOnce) {
  json policy = KeepRows("1y");
  const auto rows = [&] { return database_->Number("SELECT count(*) FROM points"); };
  const auto keep = [&](const char* time) {
    policy["spec"]["retention"]["keep"] = time;
    Apply(policy);
  };
  keep("30d");
  ASSERT_TRUE(AsksFor(space_)) << Get(space_).dump(1);
  const std::string hash = Hash(space_);
  Acknowledge(space_, hash);
  WaitUntilReady(space_);
  EXPECT_EQ(rows(), 0);

  keep("1y");
  WaitUntilReady(space_);
  database_->Sql("INSERT INTO points SELECT now() - interval '100 days', g FROM generate_series(1, 50) g");
  keep("30d");
  ASSERT_TRUE(AsksFor(space_)) << Get(space_).dump(1);
  EXPECT_EQ(Get(space_).at("metadata").at("annotations").at("edgewatch.dev/acknowledge"), hash);
  EXPECT_NE(Hash(space_), hash);
  EXPECT_EQ(rows(), 50);
  Acknowledge(space_, Hash(space_));
  WaitUntilReady(space_);
  EXPECT_EQ(rows(), 0);
}

// Two slips within minutes: kubectl describe went on to offer the hash of the
// first, which is good for nothing any more.
TEST_F(ByHand, DescribesThePlanThatWaitsNow) {
  json policy = KeepRows("400d");
  std::string before;
  for (const char* keep : {"10d", "20d"}) {
    policy["spec"]["retention"]["keep"] = keep;
    Apply(policy);
    ASSERT_TRUE(AsksFor(space_)) << Get(space_).dump(1);
    const std::string hash = Hash(space_);
    EXPECT_NE(hash, before);
    before = hash;
    EXPECT_TRUE(Eventually([&] {
      const json events =
          json::parse(Server().MustKubectl({"get", "events.v1.events.k8s.io", "-n", space_, "-o", "json"}));
      return events.dump().find("acknowledge=" + hash) != std::string::npos;
    })) << keep;
  }
  const Finished plan = Partition({"plan", "points"});
  EXPECT_EQ(plan.code, 3);
  EXPECT_THAT(plan.out, HasSubstr("has not been counted")) << "rows of a plain table";
  EXPECT_THAT(plan.out, HasSubstr("acknowledge=" + before));
  EXPECT_THAT(plan.out, HasSubstr("1 step waits for consent or for the right time\n"));
}

// The tables of rollups are consented to on the policy that somebody wrote, one
// after the other.
TEST_F(ByHand, ConsentsToATableAndToItsRollupsTable) {
  database_->Sql(
      "DROP TABLE points; CREATE TABLE points (ts timestamptz "
      "NOT "
      "NULL, device_id int NOT NULL, v int) PARTITION BY RANGE (ts); CREATE INDEX ON points (ts)");
  database_->Sql(
      "DO $$ DECLARE m timestamptz := date_trunc('month', now(), 'UTC') - interval '5 months'; BEGIN EXECUTE "
      "format('CREATE TABLE old PARTITION OF points FOR VALUES FROM (%L) TO (%L)', m, m + interval '1 "
      "month'); INSERT INTO points SELECT m + g * interval '1 hour', 1, g FROM generate_series(0, 99) g; END "
      "$$");
  SetSecret(space_, uri_);
  json policy = Policy(space_);
  policy["spec"]["retention"] = {{"keep", "6mo"}, {"action", "Drop"}, {"undoWindow", "0h"}};
  policy["spec"]["rollups"] = {{{"name", "hourly"},
                                {"interval", "1h"},
                                {"table", "hourly"},
                                {"dimensions", {"device_id"}},
                                {"source", {{"columns", {"v"}}}},
                                {"keep", "12mo"}}};
  Apply(policy);
  Start();
  WaitUntilReady(space_);
  const auto rows = [&](const std::string& table) {
    return database_->Number("SELECT count(*) FROM " + table);
  };
  ASSERT_TRUE(Eventually([&] { return rows("hourly") == 100; })) << Get(space_).dump(1);
  ASSERT_TRUE(Eventually([&] {
    return database_->Value(
               "SELECT retention_keep FROM partition_controller.tables WHERE policy_name = "
               "'points/hourly'") == "12mo";
  }));
  WaitUntilReady(space_);

  policy["spec"]["retention"]["keep"] = "3mo";
  policy["spec"]["rollups"][0]["keep"] = "4mo";
  Apply(policy);
  ASSERT_TRUE(AsksFor(space_)) << Get(space_).dump(1);
  const std::string first = Hash(space_);
  EXPECT_THAT(Get(space_).dump(), HasSubstr("retention.keep is 3mo and was 6mo before"));
  const Finished plan = Partition({"plan", "points"});
  EXPECT_EQ(plan.code, 3);
  EXPECT_THAT(plan.out, testing::ContainsRegex("At stake: [0-9]+ partitions?, about [0-9,]+ rows, "));
  std::this_thread::sleep_for(seconds(3));
  EXPECT_EQ(rows("points"), 100);
  EXPECT_EQ(rows("hourly"), 100);

  Acknowledge(space_, first);
  EXPECT_TRUE(Eventually([&] { return rows("points") == 0; })) << Get(space_).dump(1);
  ASSERT_TRUE(Eventually([&] {
    return Condition(Get(space_), "Ready") == "False AcknowledgementRequired" && Hash(space_) != first;
  })) << Get(space_).dump(1);
  EXPECT_THAT(Get(space_).dump(), HasSubstr("public.hourly: "));
  EXPECT_THAT(Get(space_).dump(), HasSubstr("retention.keep is 4mo and was 12mo before"));
  EXPECT_EQ(rows("hourly"), 100) << "the one consent is not the other";
  EXPECT_EQ(Partition({"plan", "points"}).code, 3);

  Acknowledge(space_, Hash(space_));
  WaitUntilReady(space_);
  EXPECT_TRUE(Eventually([&] { return rows("hourly") == 0; }));
  WaitUntilReady(space_);
  EXPECT_EQ(Get(space_).at("status").at("plan").at("needsAcknowledgement"), false);
}

// What was much of the table when it went is much of it when it comes back and
// goes again; nobody is asked twice.
TEST_F(ByHand, UndoAsksForNothing) {
  database_->Sql(
      "DO $$ BEGIN FOR y IN 2016..2020 LOOP EXECUTE format('CREATE TABLE points_%s PARTITION OF points FOR "
      "VALUES FROM (%L) TO (%L)', y, y || '-01-01 UTC', y || '-02-01 UTC'); EXECUTE format('INSERT INTO "
      "points "
      "VALUES (%L, 1)', y || '-01-15 UTC'); END LOOP; END $$");
  SetSecret(space_, uri_);
  json policy = Policy(space_);
  policy["spec"]["retention"] = {{"keep", "1mo"}, {"action", "Drop"}};
  Apply(policy);
  Start();
  ASSERT_TRUE(AsksFor(space_)) << Get(space_).dump(1);
  const auto rows = [&] { return database_->Number("SELECT count(*) FROM points"); };
  EXPECT_EQ(rows(), 5);
  Acknowledge(space_, Hash(space_));
  WaitUntilReady(space_);
  EXPECT_EQ(rows(), 0);

  ASSERT_EQ(Partition({"undo", "points"}).code, 0);
  EXPECT_THAT(Partition({"status"}).out, testing::ContainsRegex("points .* yes\n")) << "at once";
  EXPECT_TRUE(Eventually([&] { return rows() == 5; }));
  EXPECT_TRUE(Becomes(space_, "RetentionEnforced", "False Held"));
  WaitUntilReady(space_);
  ASSERT_EQ(Partition({"undo", "points", "--release"}).code, 0);
  EXPECT_TRUE(Eventually([&] { return rows() == 0; })) << Get(space_).dump(1);
  WaitUntilReady(space_);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM points_2016"), 1);
}

// Only a rollup's table loses anything.
TEST_F(ByHand, UndoIsForRollupsTablesAsWell) {
  SetSecret(space_, uri_);
  json policy = Policy(space_);
  policy["spec"]["rollups"] = {{{"name", "hourly"},
                                {"interval", "1h"},
                                {"table", "hourly"},
                                {"dimensions", {"v"}},
                                {"source", {{"columns", {"v"}}}},
                                {"keep", "12mo"}}};
  Apply(policy);
  EXPECT_EQ(Partition({"plan", "points"}).code, 1) << "nobody has looked yet";
  EXPECT_THAT(Partition({"plan", "points"}).err, HasSubstr("no controller has said yet"));
  Start();
  WaitUntilReady(space_);
  EXPECT_EQ(Partition({"plan", "points"}).code, 0);
  EXPECT_EQ(Partition({"undo", "points"}).code, 0);
  EXPECT_TRUE(Becomes(space_, "RetentionEnforced", "False Held"));
  EXPECT_EQ(Partition({"undo", "points", "--release"}).code, 0);
  EXPECT_TRUE(Becomes(space_, "RetentionEnforced", "True Disabled"));
}

// The flags of kubectl, on a real kubeconfig.
TEST_F(ByHand, ThePluginTakesKubectlsFlags) {
  json policy = Policy(space_);
  policy["metadata"]["labels"] = {{"team", "shop"}};
  Apply(policy);
  policy["metadata"]["name"] = "others";
  policy["metadata"]["labels"]["team"] = "else";
  policy["spec"]["table"]["name"] = "others";
  Apply(policy);
  const std::string selected = Partition({"status", "-l", "team in (shop)"}).out;
  EXPECT_THAT(selected, HasSubstr("points"));
  EXPECT_THAT(selected, Not(HasSubstr("others")));
  const Finished yaml = Partition({"status", "points", "-o", "yaml", "--request-timeout", "20s"});
  EXPECT_EQ(yaml.code, 0) << yaml.err;
  EXPECT_THAT(yaml.out, HasSubstr("name: points\n"));
  const json config = json::parse(ReadFile(kubeconfig_));
  const auto name_of = [&](const char* list) { return config.at(list).at(0).at("name").get<std::string>(); };
  EXPECT_EQ(Partition({"status", "--cluster", name_of("clusters"), "--user", name_of("users")}).code, 0);
  EXPECT_EQ(Partition({"status", "--user", "nobody"}).code, 1);
  EXPECT_EQ(Partition({"status", "--cluster", "nowhere"}).code, 1);

  // Whose word counts is for the API server to say.
  const std::vector<std::string> admin = {"--token", ApiServer::Token("admin")};
  const auto as_admin = [&](std::vector<std::string> words) {
    words.insert(words.end(), admin.begin(), admin.end());
    return Partition(words);
  };
  EXPECT_EQ(Partition({"status", "-A"}).code, 1) << "not theirs to see";
  EXPECT_EQ(as_admin({"status", "-A"}).code, 0);
  EXPECT_THAT(as_admin({"status", "-A", "--as", "stranger"}).err, HasSubstr("\"stranger\" cannot list"));
  EXPECT_EQ(as_admin({"status", "--as", "stranger", "-o", "wide"}).code, 0);
  EXPECT_THAT(Partition({"status", "--as", "admin"}).err, HasSubstr("cannot impersonate"));
  EXPECT_THAT(Partition({"status", "--token", "nonsense"}).err, HasSubstr("nauthorized"));
  EXPECT_EQ(Partition({"status", "-s", Server().url()}).code, 0);
  EXPECT_THAT(Partition({"status", "--server", "https://127.0.0.1:1", "--request-timeout", "5s"}).err,
              HasSubstr("https://127.0.0.1:1 cannot be reached"));
  // And without any kubeconfig.
  std::string program = PC_TEST_PROGRAM;
  program.replace(program.rfind('/') + 1, std::string::npos, "kubectl-partition");
  const Finished bare = RunProgram(
      {"/usr/bin/env", "-u", "KUBECONFIG", "HOME=/nonexistent", program, "status", "-n", space_, "--server",
       Server().url(), "--certificate-authority", Server().ca_file(), "--token", ApiServer::Token("admin")});
  EXPECT_EQ(bare.code, 0) << bare.err;
  EXPECT_THAT(bare.out, HasSubstr("points"));
}

}  // namespace
}  // namespace partition_controller
