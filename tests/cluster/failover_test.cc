// Who leads when the leader fails, with the real times of the Lease (15, 10 and
// 2 s): how soon another one does, and what becomes of what was under way.

#include <csignal>
#include <thread>

#include "reconcilers/instant.h"
#include "tests/cluster/run_in_cluster.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

// What the issue of the Lease promises.
constexpr double kSoon = 20;
// Far beyond the lease, as a machine that is moved or swaps may be away.
constexpr seconds kAway{40};

class Failover : public RunInCluster {
 protected:
  static int PortOf(const Process& process) {
    std::smatch port;
    const std::string log = process.Err();
    return std::regex_search(log, port, std::regex("\"port\":([0-9]+)")) ? std::stoi(port[1]) : 0;
  }

  // Stands by: it has listed the policies, and would work at once.
  Process& StandBy() {
    Process& process = Start();
    EXPECT_TRUE(Eventually([&] { return PortOf(process) != 0; }));
    EXPECT_TRUE(Eventually([&] { return HttpGet(PortOf(process), "/readyz").has_value(); }))
        << "who does not lead is ready";
    EXPECT_TRUE(HttpGet(PortOf(process), "/healthz"));
    EXPECT_THAT(process.Err(), Not(HasSubstr("\"Leading\"")));
    const std::string metrics = HttpGet(PortOf(process), "/metrics").value_or("");
    EXPECT_THAT(metrics, testing::ContainsRegex("leader_election_master_status\\{[^}]*\\} 0\n"));
    return process;
  }

  json Lease() const {
    return json::parse(
        Server().MustKubectl({"get", "lease", space_, "-n", "partition-controller", "-o", "json"}));
  }
  static Instant TimeOf(const json& lease, const char* field) {
    return ParseInstant(lease.at("spec").at(field).get<std::string>()).value();
  }
  static double Seconds(Instant::duration time) { return std::chrono::duration<double>(time).count(); }

  // After the leader of `before` has gone: the time from its last renewal until
  // another one took the Lease.
  double WaitForSuccessor(const json& before) {
    json after;
    EXPECT_TRUE(Eventually(
        [&] {
          after = Lease();
          return after.at("spec").at("holderIdentity") != before.at("spec").at("holderIdentity");
        },
        seconds(60)));
    return Seconds(TimeOf(after, "acquireTime") - TimeOf(before, "renewTime"));
  }

  static std::size_t Count(const std::string& text, const std::string& word) {
    std::size_t count = 0;
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
    return count;
  }
  // How often events say that this was done, also those that say it of several
  // times.
  static std::int64_t Told(const std::string& space, const std::string& reason) {
    const json events =
        json::parse(Server().MustKubectl({"get", "events.v1.events.k8s.io", "-n", space, "-o", "json"}));
    std::int64_t count = 0;
    for (const json& event : events.at("items")) {
      if (event.at("reason") != reason) continue;
      count += event.contains("series") && event.at("series").is_object()
                   ? event.at("series").at("count").get<std::int64_t>()
                   : 1;
    }
    return count;
  }
};

// It ends as a machine does that loses its power.
TEST_F(Failover, AStandbyIsReadyAndWorksWithinTwentySeconds) {
  SetSecret(space_, uri_);
  Apply(Policy(space_));
  Process& first = Start();
  WaitUntilReady(space_);
  Process& second = StandBy();
  first.Signal(SIGKILL);
  EXPECT_EQ(first.Wait(), 128 + SIGKILL);
  const json before = Lease();
  json policy = Policy(space_);
  policy["spec"]["partitioning"]["premake"] = 3;
  Apply(policy);
  const double taken = WaitForSuccessor(before);
  EXPECT_TRUE(Eventually([&] { return Partitions(*database_) == 5; }));
  const double acted = std::stod(database_->Value(
      "SELECT extract(epoch FROM recorded_at) FROM partition_controller.partitions ORDER BY recorded_at DESC "
      "LIMIT 1"));
  const double from = Seconds(TimeOf(before, "renewTime").time_since_epoch());
  std::cout << "after the last renewal: the lease taken in " << taken << " s, the first act in "
            << acted - from << " s\n";
  EXPECT_GT(taken, 14) << "not before it has run out";
  EXPECT_LT(taken, kSoon);
  EXPECT_LT(acted - from, kSoon);
  WaitUntilReady(space_);
  EXPECT_TRUE(second.Running());
}

// The leader stands still in the middle of two removals, for longer than its
// lease lasts.  Its successor is told to keep the one table's data, and finishes
// the other's removal; what the old one goes on with then must not happen, nor
// happen again.
TEST_F(Failover, AnUndeadLeaderRemovesNothing) {
  const std::string old_partition =
      "CREATE TABLE points_2020 PARTITION OF points FOR VALUES FROM ('2020-01-01 UTC') TO ('2020-02-01 "
      "UTC'); "
      "INSERT INTO points VALUES ('2020-01-15 UTC', 1)";
  const std::string other_space = MakeSpace();
  const std::string other_uri = MakeDatabase();
  LiveDatabase other(other_uri);
  database_->Sql(old_partition);
  other.Sql(old_partition);
  SetSecret(space_, uri_);
  SetSecret(other_space, other_uri);
  // Somebody reads: the removal has to wait for its lock.
  LiveDatabase reader(uri_);
  LiveDatabase other_reader(other_uri);
  for (LiveDatabase* one : {&reader, &other_reader}) one->Sql("BEGIN; SELECT count(*) FROM points_2020");
  json policy = Policy(space_);
  json other_policy = Policy(other_space);
  for (json* one : {&policy, &other_policy}) {
    (*one)["spec"]["retention"] = {{"keep", "90d"}, {"action", "Drop"}, {"undoWindow", "0h"}};
    Apply(*one);
  }
  Process& first = Start();
  const auto waits = [](LiveDatabase& database) {
    return database.Number(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type "
               "= 'Lock'") > 0;
  };
  ASSERT_TRUE(Eventually([&] { return waits(*database_); }));
  Process& second = StandBy();
  ASSERT_TRUE(Eventually([&] { return waits(other); }));
  const json before = Lease();
  first.Signal(SIGSTOP);
  const auto stopped = std::chrono::steady_clock::now();
  const double taken = WaitForSuccessor(before);
  EXPECT_LT(taken, kSoon);
  // What it held while it stopped stalls nobody.
  for (LiveDatabase* one : {database_.get(), &other}) {
    one->Sql("SET lock_timeout = '30s'; INSERT INTO points VALUES (now(), 2)");
  }
  policy["spec"]["retention"]["keep"] = "99y";
  Apply(policy);
  WaitUntilReady(space_);
  other_reader.Sql("ROLLBACK");
  WaitUntilReady(other_space);
  EXPECT_EQ(other.Value("SELECT to_regclass('points_2020') IS NULL"), "t");
  const std::string term = database_->Value("SELECT term FROM partition_controller.tables");

  std::this_thread::sleep_until(stopped + kAway);
  reader.Sql("ROLLBACK");
  first.Signal(SIGCONT);
  EXPECT_EQ(first.Wait(), 1);
  EXPECT_THAT(first.Err(), HasSubstr("Lost the lease"));
  EXPECT_EQ(database_->Value("SELECT to_regclass('points_2020')"), "points_2020");
  EXPECT_EQ(database_->Number("SELECT count(*) FROM pg_inherits WHERE inhrelid = 'points_2020'::regclass"),
            1);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM points_2020"), 1);
  EXPECT_EQ(database_->Value("SELECT term FROM partition_controller.tables"), term)
      << "the old one has taken nothing over";
  EXPECT_EQ(
      database_->Number(
          "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle "
          "in transaction%'"),
      0);
  WaitUntilReady(space_);
  WaitUntilReady(other_space);
  EXPECT_TRUE(second.Running());
  // Done once, and told once.
  const std::string drop = "\"action\":\"drop_partition\"";
  const std::string log = first.Err() + second.Err();
  std::size_t carried_out = 0;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    carried_out += line.find(drop) != std::string::npos && line.find("Carried out step") != std::string::npos;
  }
  EXPECT_EQ(carried_out, 1U) << log;
  EXPECT_TRUE(Eventually([&] { return Told(other_space, "DropPartition") == 1; }));
  EXPECT_EQ(Told(space_, "DropPartition"), 0);
}

// It leads, and is not the table's newest keeper all the same, as after somebody
// deleted the Lease, or where another controller is driven by files: there is
// nothing but the database then.
TEST_F(Failover, TheDatabaseRefusesWhoIsNotTheNewestKeeper) {
  SetSecret(space_, uri_);
  json policy = Policy(space_);
  policy["spec"]["retention"] = {{"keep", "90d"}, {"action", "Drop"}, {"undoWindow", "0h"}};
  database_->Sql(
      "CREATE TABLE points_2020 PARTITION OF points FOR VALUES FROM ('2020-01-01 UTC') TO ('2020-02-01 "
      "UTC')");
  LiveDatabase reader(uri_);
  reader.Sql("BEGIN; SELECT count(*) FROM points_2020");
  Apply(policy);
  Process& leader = Start();
  ASSERT_TRUE(Eventually([&] {
    return database_->Number(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type "
               "= 'Lock'") > 0;
  }));
  // What another one's take-over writes, that goes on being at work.
  database_->Sql(
      "UPDATE partition_controller.tables SET term = nextval('partition_controller.terms'), holder = "
      "'another', acted_at = now() + interval '1 hour'");
  const std::string term = database_->Value("SELECT term FROM partition_controller.tables");
  reader.Sql("ROLLBACK");
  const auto refused = [&] {
    const std::string metrics = HttpGet(PortOf(leader), "/metrics").value_or("");
    std::smatch count;
    return std::regex_search(metrics, count,
                             std::regex("reconcile_total\\{[^}]*result=\"requeue\"\\} ([0-9]+)"))
               ? std::stoi(count[1])
               : 0;
  };
  const int before = refused();
  ASSERT_TRUE(Eventually([&] { return refused() >= before + 2; })) << leader.Err();
  EXPECT_EQ(database_->Value("SELECT to_regclass('points_2020')"), "points_2020");
  EXPECT_EQ(database_->Value("SELECT term FROM partition_controller.tables"), term);
  EXPECT_TRUE(leader.Running());
  // The other one has ended: now it may.
  database_->Sql("UPDATE partition_controller.tables SET acted_at = now() - interval '1 hour'");
  EXPECT_TRUE(
      Eventually([&] { return database_->Value("SELECT to_regclass('points_2020') IS NULL") == "t"; }));
}

}  // namespace
}  // namespace partition_controller
