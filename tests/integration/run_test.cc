// The real controller, running: two at once, stopped in mid-transaction, told to
// end in mid-work, with files that come, change and go, scraped by a real
// Prometheus, and never saying a secret.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "controller/executor.h"
#include "controller/postgres.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"
#include "tests/support/process.h"
#include "tests/support/program.h"
#include "tests/support/prometheus.h"

namespace partition_controller {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// The name is a contract (docs/design.md); promtool would like another one.
constexpr const char* kKnownComplaint =
    "exit 3: partition_count non-histogram and non-summary metrics should not have \"_count\" suffix\n";

constexpr const char* kSecret = "S3cr3tPassw0rd";

// A policy that looks every second and is patient with nobody.
PolicyFile Quick(std::vector<std::string> spec, const std::string& table = "points") {
  PolicyFile policy;
  policy.name = table;
  policy.table = table;
  policy.spec = std::move(spec);
  policy.spec.emplace_back("schedule: {period: 1s}");
  return policy;
}

// Writes batches of rows about now, without a pause, and keeps count.
class Ingest {
 public:
  explicit Ingest(const std::string& uri) : thread_([this, uri] { Write(uri); }) {}
  ~Ingest() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::int64_t rows() const { return rows_; }
  milliseconds worst() const { return milliseconds(worst_.load()); }
  void ForgetWorst() { worst_ = 0; }
  std::string error() const {
    const std::lock_guard lock(mutex_);
    return error_;
  }

 private:
  void Write(const std::string& uri) {
    try {
      LiveDatabase database(uri);
      database.Sql("SET application_name = 'ingest'");
      while (!stop_) {
        const auto start = std::chrono::steady_clock::now();
        database.Sql(
            "INSERT INTO points SELECT clock_timestamp() - g * interval '7 hours', -1 FROM "
            "generate_series(0, "
            "9) g");
        rows_ += 10;
        const auto took =
            std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start).count();
        if (took > worst_) worst_ = took;
        std::this_thread::sleep_for(milliseconds(10));
      }
    } catch (const std::exception& e) {
      const std::lock_guard lock(mutex_);
      error_ = e.what();
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> rows_{0};
  std::atomic<std::int64_t> worst_{0};
  mutable std::mutex mutex_;
  std::string error_;
  std::thread thread_;
};

class Running : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    server_ = std::make_unique<PostgresServer>();
    uri_ = server_->CreateDatabase("run");
    database_ = std::make_unique<LiveDatabase>(uri_);
  }

  void TearDown() override {
    // Whatever happened, no secret was said.
    for (const auto& process : processes_) {
      EXPECT_THAT(process->Out(), Not(HasSubstr(kSecret)));
      EXPECT_THAT(process->Err(), Not(HasSubstr(kSecret)));
    }
    for (const std::string& page : pages_) EXPECT_THAT(page, Not(HasSubstr(kSecret)));
    if (server_ != nullptr) {
      EXPECT_THAT(server_->ReadLog(), Not(HasSubstr("PANIC")));
    }
  }

  // A password that nobody asks for must not show all the same.
  std::string SecretUri() const {
    return "postgresql://postgres:" + std::string(kSecret) + "@127.0.0.1:" + std::to_string(server_->port()) +
           "/" + DatabaseName(uri_);
  }

  struct Controller {
    Process* process;
    int port;
  };
  Controller Start(std::vector<std::string> arguments = {}) {
    const int port = FreePort();
    std::vector<std::string> command = {"run", "--spec", folder_.path(), "--listen",
                                        "127.0.0.1:" + std::to_string(port)};
    command.insert(command.end(), arguments.begin(), arguments.end());
    processes_.push_back(std::make_unique<Process>(
        Program(command),
        Process::Options{.environment = {{"DATABASE_URL", SecretUri()}, {"DATABASE_NOWHERE", kNowhere}},
                         .directory = "/",
                         .unprivileged = false}));
    return {processes_.back().get(), port};
  }

  std::string Page(int port, const std::string& path) {
    std::string page = HttpGet(port, path).value_or("");
    pages_.push_back(page);
    return page;
  }

  // What `plan` says about the policies in the folder.
  Finished Plan() {
    return RunProgram(
        Program({"plan", "--spec", folder_.path()}),
        {.environment = {{"DATABASE_URL", SecretUri()}}, .directory = "/", .unprivileged = false});
  }

  // Somebody reads the plan, and consents to what waits for that.
  void Consent() {
    const Process::Options options{
        .environment = {{"DATABASE_URL", SecretUri()}}, .directory = "/", .unprivileged = false};
    const Finished seen = RunProgram(Program({"plan", "-o", "json", "--spec", folder_.path()}), options);
    const nlohmann::json plans = nlohmann::json::parse(seen.out, nullptr, false);
    if (!plans.is_array() || plans.empty() || !plans[0].at("needsAcknowledgement").get<bool>()) return;
    RunProgram(
        Program({"apply", "--spec", folder_.path(), "--acknowledge", plans[0].at("hash").get<std::string>()}),
        options);
  }

  std::int64_t CountPartitions(const std::string& table = "points") {
    return database_->Number("SELECT count(*) FROM pg_inherits WHERE inhparent = '" + table + "'::regclass");
  }

  // Lines of the server's log that speak of an error other than a lock that
  // was not waited for.
  std::vector<std::string> ErrorsInLog() {
    std::vector<std::string> errors;
    std::istringstream log(server_->ReadLog());
    for (std::string line; std::getline(log, line);) {
      if (line.find("ERROR:") == std::string::npos && line.find("FATAL:") == std::string::npos) continue;
      if (line.find("canceling statement due to lock timeout") != std::string::npos) continue;
      errors.push_back(line);
    }
    return errors;
  }

  static constexpr const char* kNowhere = "postgresql://postgres:S3cr3tPassw0rd@127.0.0.1:1/none";
  std::unique_ptr<PostgresServer> server_;
  std::string uri_;
  std::unique_ptr<LiveDatabase> database_;
  ScratchFolder folder_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<std::string> pages_;
};

TEST_F(Running, TwoAtOnceWithPoliciesThatChange) {
  database_->Sql("CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts)");
  database_->Sql("CREATE TABLE points_default PARTITION OF points DEFAULT");
  database_->Sql("INSERT INTO points SELECT now() - g * interval '1 hour', g FROM generate_series(0, 480) g");
  const std::vector<std::vector<std::string>> versions = {
      {"partitioning: {granularity: Day, premake: 3}"},
      {"partitioning: {granularity: Hour, premake: 30}"},
      {"partitioning: {granularity: Day, premake: 6}", "retention: {keep: 15d, action: Detach}"},
      {"partitioning: {granularity: Week, premake: 2}",
       "retention: {keep: 12d, action: Drop, undoWindow: 24h}"},
      {"partitioning: {granularity: Day, premake: 2}",
       "retention: {keep: 20d, action: Drop, undoWindow: 24h}"},
      {"partitioning: {granularity: Day, premake: 4}",
       "retention: {keep: 10d, action: Drop, undoWindow: 0h}"},
  };
  folder_.Write("policy.yaml", Quick(versions[0]).Text());
  Ingest ingest(uri_);
  const Controller first = Start();
  const Controller second = Start();
  for (int round = 0; round < 5; ++round) {
    for (const std::vector<std::string>& version : versions) {
      folder_.Write("policy.yaml", Quick(version).Text());
      std::this_thread::sleep_for(milliseconds(2'200));
      Consent();
    }
  }
  // Both come to rest where a third one finds nothing to do.
  EXPECT_TRUE(Eventually([&] {
    Consent();
    return Plan().code == 0;
  })) << Plan().out;
  ingest.Stop();
  EXPECT_EQ(ingest.error(), "");
  for (const Controller& controller : {first, second}) {
    EXPECT_TRUE(controller.process->Running());
    Page(controller.port, "/metrics");
    controller.process->Signal(SIGTERM);
    EXPECT_EQ(controller.process->Wait(), 0);
  }
  EXPECT_THAT(ErrorsInLog(), IsEmpty());
  EXPECT_EQ(database_->Number("SELECT count(*) FROM points WHERE v = -1"), ingest.rows()) << "each row once";
  EXPECT_EQ(database_->Number("SELECT count(*) FROM partition_controller.drains"), 0);
  EXPECT_TRUE(database_->Column(kPassingFunctions).empty());
  // No half-made table is left behind.
  EXPECT_EQ(database_->Number(
                "SELECT count(*) FROM pg_class c WHERE relname LIKE 'points_%' AND relkind = 'r' AND NOT "
                "relispartition AND NOT EXISTS (SELECT FROM partition_controller.partitions p WHERE "
                "p.partition_oid = c.oid AND p.state = 'detached')"),
            0);
}

TEST_F(Running, OneThatIsStoppedInATransactionHoldsUpNobody) {
  database_->Sql("CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts)");
  database_->Sql("CREATE TABLE points_default PARTITION OF points DEFAULT");
  // Removals wait for a window first.
  const auto hour = std::chrono::floor<std::chrono::hours>(std::chrono::system_clock::now());
  const auto later = (hour.time_since_epoch().count() + 12) % 24;
  const std::string window = (later < 10 ? "0" : "") + std::to_string(later) + ":00";
  PolicyFile policy;
  policy.spec = {"partitioning: {granularity: Day, premake: 3}", "locks: {timeout: 1s}",
                 "retention: {keep: 5d, action: Drop, undoWindow: 0h}",
                 "schedule: {period: 1s, windows: [{start: \"" + window + "\", duration: 1h}]}"};
  folder_.Write("policy.yaml", policy.Text());
  const Controller first = Start();
  ASSERT_TRUE(Eventually([&] { return CountPartitions() == 10; }));
  database_->Sql(
      "DO $$ DECLARE d timestamptz := date_trunc('day', now(), 'UTC'); BEGIN EXECUTE format('CREATE TABLE "
      "old "
      "PARTITION OF points FOR VALUES FROM (%L) TO (%L)', d - interval '9 days', d - interval '8 days'); END "
      "$$; INSERT INTO points SELECT date_trunc('day', now(), 'UTC') - interval '9 days', 1");
  ASSERT_TRUE(Eventually([&] { return Plan().code == 0; }));

  // Somebody reads what is to be removed, so that the controller waits in a
  // transaction; there it is stopped.
  LiveDatabase reader(uri_);
  reader.Sql("BEGIN; LOCK TABLE old IN ACCESS SHARE MODE");
  Ingest ingest(uri_);
  policy.spec.back() = "schedule: {period: 1s}";
  folder_.Write("policy.yaml", policy.Text());
  ASSERT_TRUE(Eventually([&] {
    return database_->Number(
               "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'partition-controller' AND "
               "wait_event_type = 'Lock'") > 0;
  }));
  first.process->Signal(SIGSTOP);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM pg_stat_activity WHERE application_name = "
                              "'partition-controller' AND xact_start IS NOT NULL"),
            1)
      << "it was to be stopped in a transaction";
  const std::string pids = database_->Value(
      "SELECT coalesce(string_agg(pid::text, ','), '0') FROM pg_stat_activity WHERE application_name = "
      "'partition-controller'");
  ingest.ForgetWorst();
  reader.Sql("COMMIT");
  const auto began = std::chrono::steady_clock::now();
  const Controller second = Start();
  EXPECT_TRUE(
      Eventually([&] { return database_->Value("SELECT to_regclass('old') IS NULL") == "t"; }, seconds(30)));
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_LT(took, seconds(20)) << "locks.timeout is one second; the rest is starting up on a busy machine";
  std::this_thread::sleep_for(seconds(1));
  EXPECT_LT(ingest.worst(), seconds(3)) << "locks.timeout is one second";
  EXPECT_EQ(database_->Number("SELECT count(*) FROM pg_stat_activity WHERE pid IN (" + pids +
                              ") AND state LIKE 'idle in transaction%'"),
            0)
      << "it holds nothing while it sleeps";

  const std::string before = database_->Fingerprint();
  EXPECT_TRUE(Eventually([&] { return Plan().code == 0; }));
  first.process->Signal(SIGCONT);
  std::this_thread::sleep_for(seconds(3));
  EXPECT_TRUE(first.process->Running());
  EXPECT_EQ(database_->Fingerprint(), before);
  EXPECT_TRUE(Eventually([&] { return HttpGet(first.port, "/readyz").has_value(); }));
  ingest.Stop();
  EXPECT_EQ(ingest.error(), "");
  for (const Controller& controller : {first, second}) {
    controller.process->Signal(SIGTERM);
    EXPECT_EQ(controller.process->Wait(), 0);
  }
}

// A process that stood still between looking at a table and claiming it: the
// term that it claims by then must not make an old plan a new one.
TEST_F(Running, APlanFromBeforeATakeOverIsNotCarriedOut) {
  database_->Sql("CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts)");
  Policy policy = PolicyFor("points");
  policy.locks.timeout = milliseconds(50);
  const auto session = ConnectPostgres(uri_);
  Migrate(*session, policy);
  const auto carry_out = [&](const Situation& seen) {
    ExecutorHooks hooks;
    hooks.sleep = [](milliseconds time) { std::this_thread::sleep_for(time); };
    return ExecutePlan(*session, policy, seen.catalog, seen.plan, "sleeper", {}, hooks);
  };
  Approach successor;
  successor.holder = "successor";
  for (int premake : {2, 4}) {  // at first contact, and later on
    policy.partitioning.premake = premake + 5;
    const Situation seen = See(uri_, policy);
    ASSERT_FALSE(seen.plan.steps.empty());
    policy.partitioning.premake = premake;
    EXPECT_EQ(TroubleWith(ConvergeOn(uri_, policy, successor)), "");
    std::this_thread::sleep_for(milliseconds(100));
    const std::string before = database_->Fingerprint();
    const RunOutcome outcome = carry_out(seen);
    EXPECT_TRUE(outcome.stood_back);
    EXPECT_THAT(outcome.steps, IsEmpty());
    EXPECT_EQ(database_->Fingerprint(), before);
  }
  // Nor after a take-over that found nothing to do.
  policy.partitioning.premake = 9;
  const Situation seen = See(uri_, policy);
  policy.partitioning.premake = 4;
  const Situation now = See(uri_, policy);
  EXPECT_THAT(now.plan.steps, IsEmpty());
  EXPECT_TRUE(TakeOver(*session, policy, now.catalog, "successor"));
  EXPECT_FALSE(TakeOver(*session, policy, now.catalog, "sleeper"));
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_TRUE(carry_out(seen).stood_back);
}

TEST_F(Running, EndsWellInMidWork) {
  database_->Sql(
      "CREATE TABLE points (ts timestamptz NOT NULL, v int); INSERT INTO points SELECT now() - interval '90 "
      "days', g FROM generate_series(1, 400000) g");
  folder_.Write("policy.yaml",
                Quick({"partitioning: {state: Disabled}", "retention: {keep: 30d, action: Drop}"}).Text());
  // Among row deletes.
  const Controller deleting = Start();
  ASSERT_TRUE(Eventually([&] { return database_->Number("SELECT count(*) FROM points") < 400'000; }));
  deleting.process->Signal(SIGTERM);
  EXPECT_EQ(deleting.process->Wait(seconds(20)), 0);
  const std::int64_t left = database_->Number("SELECT count(*) FROM points");
  EXPECT_GT(left, 0) << "the test was too slow to say anything";
  EXPECT_THAT(deleting.process->Err(), HasSubstr("interrupted"));
  EXPECT_THAT(deleting.process->Err(), Not(HasSubstr("Carried out step")));
  EXPECT_EQ(database_->Number(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'partition-controller'"),
            0);
  // While it waits for a lock.
  LiveDatabase holder(uri_);
  holder.Sql("BEGIN; LOCK TABLE points IN SHARE MODE");
  const Controller waiting = Start();
  ASSERT_TRUE(Eventually([&] {
    return database_->Number(
               "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'partition-controller' AND "
               "wait_event_type = 'Lock'") > 0;
  }));
  waiting.process->Signal(SIGTERM);
  EXPECT_EQ(waiting.process->Wait(seconds(20)), 0);
  EXPECT_EQ(database_->Number("SELECT count(*) FROM points"), left);
  holder.Sql("COMMIT");
}

// An index may take hours; what else is to be done in the database does not
// wait for it.
TEST_F(Running, OtherTablesGoOnWhileAnIndexIsBuilt) {
  database_->Sql(
      "CREATE TABLE plain (id int PRIMARY KEY, ts timestamptz NOT NULL); CREATE TABLE points (ts timestamptz "
      "NOT NULL, v int) PARTITION BY RANGE (ts)");
  // It waits for this one.
  LiveDatabase writer(uri_);
  writer.Sql("BEGIN; INSERT INTO plain VALUES (1, now())");
  const char* convert = "partitioning: {premake: 2, conversion: Online, uniqueness: PerPartition}";
  folder_.Write("plain.yaml", Quick({convert}, "plain").Text());
  const Controller controller = Start();
  const auto building = [&] {
    return database_->Number("SELECT count(*) FROM pg_stat_progress_create_index") > 0;
  };
  ASSERT_TRUE(Eventually(building));
  folder_.Write("points.yaml", Quick({"partitioning: {premake: 2}"}).Text());
  EXPECT_TRUE(Eventually([&] { return CountPartitions() == 4; }));
  EXPECT_TRUE(building());
  // Once, or once more if a look came before the catalog showed it.
  EXPECT_THAT(Page(controller.port, "/metrics"),
              AllOf(HasSubstr("action=\"build_index\",result=\"started\"} "),
                    Not(HasSubstr("action=\"build_index\",result=\"started\"} 0"))));
  // It ends with the controller, and another one begins where it was.
  controller.process->Signal(SIGTERM);
  EXPECT_EQ(controller.process->Wait(seconds(20)), 0);
  EXPECT_FALSE(building());
  EXPECT_THAT(controller.process->Err(), HasSubstr("Started step"));
  EXPECT_THAT(controller.process->Err(), HasSubstr("Gave up building index"));
  writer.Sql("COMMIT");
  Start();
  EXPECT_TRUE(Eventually(
      [&] { return database_->Value("SELECT relkind FROM pg_class WHERE relname = 'plain'") == "p"; },
      seconds(60)));
  EXPECT_EQ(database_->Number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
}

// Files come, change, break and go; one that is broken, one whose database is
// away and one without a connection stop nobody else.
TEST_F(Running, FollowsItsFiles) {
  database_->Sql(
      "CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts); CREATE TABLE others "
      "(LIKE points) PARTITION BY RANGE (ts); CREATE TABLE third (LIKE points) PARTITION BY RANGE (ts)");
  folder_.Write("policy.yaml", Quick({"partitioning: {granularity: Day, premake: 3}"}).Text());
  folder_.Write("broken.yaml", "apiVersion: edgewatch.dev/v1alpha1\nkind: PartitionPolicy\nspec: {tabel: x");
  PolicyFile away = Quick({}, "points");
  away.name = "away";
  away.connection = "{env: DATABASE_NOWHERE}";
  folder_.Write("away.yaml", away.Text());
  away.name = "unset";
  away.connection = "{env: DATABASE_UNSET}";
  folder_.Write("unset.yaml", away.Text());
  folder_.Write("missing.yaml", Quick({}, "nothing").Text());
  const Controller controller = Start();
  ASSERT_TRUE(Eventually([&] { return CountPartitions() == 5; })) << controller.process->Err();

  folder_.Write("more.yaml", Quick({}, "others").Text());
  EXPECT_TRUE(Eventually([&] { return CountPartitions("others") == 5; })) << "an added file";
  folder_.Write("policy.yaml", Quick({"partitioning: {granularity: Day, premake: 5}"}).Text());
  EXPECT_TRUE(Eventually([&] { return CountPartitions() == 7; })) << "a changed file";
  folder_.Write("policy.yaml", "nonsense: [");
  std::this_thread::sleep_for(seconds(3));
  database_->Sql(
      "DO $$ BEGIN EXECUTE (SELECT 'DROP TABLE ' || max(inhrelid::regclass::text) FROM pg_inherits WHERE "
      "inhparent = 'points'::regclass AND inhrelid::regclass::text LIKE '%_p2%'); END $$");
  EXPECT_TRUE(Eventually([&] { return CountPartitions() == 7; })) << "its last good policy stays in force";
  folder_.Remove("more.yaml");
  EXPECT_TRUE(Eventually([&] {
    return database_->Column("SELECT table_name FROM partition_controller.tables") ==
           std::vector<std::string>{"points"};
  })) << "a deleted file";
  EXPECT_EQ(CountPartitions("others"), 5);
  database_->Sql("CREATE TABLE nothing (LIKE points) PARTITION BY RANGE (ts)");
  EXPECT_TRUE(Eventually([&] { return CountPartitions("nothing") == 5; })) << "what was missing is there";

  const std::string metrics = Page(controller.port, "/metrics");
  EXPECT_THAT(metrics, HasSubstr("partition_coverage_seconds{policy=\"points\""));
  EXPECT_THAT(Prometheus::Check(metrics), AnyOf("", kKnownComplaint));
  Page(controller.port, "/healthz");
  Page(controller.port, "/readyz");
  controller.process->Signal(SIGTERM);
  EXPECT_EQ(controller.process->Wait(), 0);
  // One JSON object a line, and the failures are named.
  std::istringstream log(controller.process->Err());
  for (std::string line; std::getline(log, line);) {
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
  for (const char* named : {"TableNotFound", "ConnectionNotFound", "DatabaseUnreachable", "broken.yaml"}) {
    EXPECT_THAT(controller.process->Err(), HasSubstr(named));
  }
  // Never a retry storm: a second between the first attempts, then longer.
  std::size_t attempts = 0;
  const std::string text = controller.process->Err();
  for (std::size_t at = text.find("DatabaseUnreachable"); at != std::string::npos;
       at = text.find("DatabaseUnreachable", at + 1)) {
    ++attempts;
  }
  EXPECT_LT(attempts, 15U);
}

// A database that restarts is met again without anybody's help.
TEST_F(Running, OutlivesItsDatabase) {
  database_->Sql("CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts)");
  folder_.Write("policy.yaml", Quick({}).Text());
  const Controller controller = Start();
  ASSERT_TRUE(Eventually([&] { return CountPartitions() == 5; }));
  database_.reset();
  server_->Stop(PostgresServer::StopMode::kImmediate);
  ASSERT_TRUE(Eventually(
      [&] { return controller.process->Err().find("Could not reach database") != std::string::npos; }));
  EXPECT_TRUE(HttpGet(controller.port, "/healthz").has_value())
      << "a database that is away is no reason to restart";
  EXPECT_THAT(Page(controller.port, "/metrics"), HasSubstr("partition_coverage_seconds{policy=\"points\""))
      << "what is known stays known";
  server_->Start();
  database_ = std::make_unique<LiveDatabase>(uri_);
  database_->Sql(
      "DO $$ BEGIN EXECUTE (SELECT 'DROP TABLE ' || max(inhrelid::regclass::text) FROM pg_inherits WHERE "
      "inhparent = 'points'::regclass AND inhrelid::regclass::text LIKE '%_p2%'); END $$");
  EXPECT_TRUE(Eventually([&] { return CountPartitions() == 5; }));
  controller.process->Signal(SIGTERM);
  EXPECT_EQ(controller.process->Wait(), 0);
}

// A server that ends idle sessions must not look like a failure each time.
TEST_F(Running, DoesNotMindThatItsIdleSessionEnds) {
  if (server_->major() < 14) GTEST_SKIP() << "idle_session_timeout came with PostgreSQL 14";
  database_->Sql("ALTER DATABASE " + DatabaseName(uri_) + " SET idle_session_timeout = '300ms'");
  database_->Sql("CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts)");
  folder_.Write("policy.yaml", Quick({}).Text());
  const Controller controller = Start();
  ASSERT_TRUE(Eventually([&] { return CountPartitions() == 5; }));
  std::this_thread::sleep_for(seconds(4));
  EXPECT_THAT(controller.process->Err(), Not(HasSubstr("DatabaseUnreachable")));
  database_->Sql("SELECT 1");
}

TEST_F(Running, IsScrapedByPrometheus) {
  ASSERT_TRUE(Prometheus::Available()) << "scripts/setup installs prometheus";
  database_->Sql(
      "CREATE TABLE points (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts); CREATE TABLE "
      "\"oth\"\"ers\" "
      "(LIKE points) PARTITION BY RANGE (ts)");
  database_->Sql("CREATE TABLE points_default PARTITION OF points DEFAULT");
  database_->Sql(
      "DO $$ DECLARE d timestamptz := date_trunc('day', now(), 'UTC'); BEGIN "
      "EXECUTE format('CREATE TABLE today PARTITION OF points FOR VALUES FROM (%L) TO (%L)', d, d + interval "
      "'1 day'); EXECUTE format('CREATE TABLE old PARTITION OF points FOR VALUES FROM (%L) TO (%L)', d - "
      "interval '9 days', d - interval '8 days'); END $$");
  const auto policy = [](const char* mode) {
    return Quick({"partitioning: {granularity: Day, premake: 3}",
                  "retention: {keep: 48h, action: Drop, undoWindow: 0h}", std::string("mode: ") + mode})
        .Text();
  };
  folder_.Write("policy.yaml", policy("Plan"));
  PolicyFile second = Quick({}, "oth\\\"ers");
  second.name = "others";
  folder_.Write("others.yaml", second.Text());
  const Controller controller = Start();
  const Prometheus prometheus(controller.port);

  // `since` is when the value was, or will be, zero.
  const auto near = [&](const std::string& query, const std::string& seconds_sql) {
    return Eventually([&] {
      const std::optional<double> seen = prometheus.Value(query);
      const double expected = std::stod(database_->Value("SELECT extract(epoch FROM " + seconds_sql + ")"));
      return seen && std::abs(*seen - expected) < 15;
    });
  };
  const std::string day = "date_trunc('day', now(), 'UTC')";
  const std::string coverage = "partition_coverage_seconds{policy=\"points\",policy_namespace=\"default\"}";
  const std::string lag = "partition_retention_lag_seconds{policy=\"points\"}";
  EXPECT_TRUE(near(coverage, day + " + interval '1 day' - now()"));
  EXPECT_TRUE(
      near("partition_coverage_target_seconds{policy=\"points\"}", day + " + interval '4 days' - now()"));
  EXPECT_TRUE(near(lag, "now() - (" + day + " - interval '8 days') - interval '48 hours'"));
  EXPECT_TRUE(Eventually([&] { return prometheus.Value("partition_count{policy=\"points\"}") == 3; }));
  EXPECT_TRUE(Eventually([&] {
    return prometheus.Value("partition_pending_actions{policy=\"points\",action=\"drop_partition\"}") == 1;
  }));

  folder_.Write("policy.yaml", policy("Apply"));
  EXPECT_TRUE(near(coverage, day + " + interval '4 days' - now()"));
  EXPECT_TRUE(Eventually([&] { return prometheus.Value(lag) == 0; }));
  // The default, two past days and today, three ahead, and one that 48 hours
  // reach into.
  EXPECT_TRUE(Eventually([&] { return prometheus.Value("partition_count{policy=\"points\"}") == 7; }));
  EXPECT_TRUE(Eventually([&] {
    return prometheus.Value("sum(partition_pending_actions{policy=\"points\"})") == 0 &&
           prometheus.Value("partition_policy_condition{policy=\"points\",type=\"Ready\",status=\"True\"}") ==
               1;
  }));
  const auto both = prometheus.Query("partition_coverage_seconds");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->size(), 2U);
  EXPECT_TRUE(Eventually([&] {
    const auto metrics =
        prometheus.Query("{__name__=~\"partition_.*|controller_runtime_.*|workqueue_.*|process_.*\"}");
    return metrics && metrics->size() > 40 && prometheus.Value("up") == 1;
  }));

  const std::string page = Page(controller.port, "/metrics");
  EXPECT_THAT(Prometheus::Check(page), AnyOf("", kKnownComplaint));
  EXPECT_THAT(page, HasSubstr("table=\"public.oth\\\"ers\""));
  controller.process->Signal(SIGTERM);
  EXPECT_EQ(controller.process->Wait(), 0);
}

}  // namespace
}  // namespace partition_controller
