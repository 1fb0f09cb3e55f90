// Killed after any of its statements, or in the middle of one, and started
// again: the end is the same as if nothing had happened, and no row is lost.
// Meanwhile the table's clients go on as ever.
//
// A child process carries the plan out and dies (SIGKILL) after its first
// statement, the next one after its second, and so on.  Until one dies after a
// COMMIT, the database must be as it was; then a copy of it, to which clients
// have written, is brought to the end and compared.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ostream>
#include <thread>

#include "controller/catalog_reader.h"
#include "controller/executor.h"
#include "controller/postgres.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

using std::chrono::milliseconds;

const Instant kNow = At("2026-11-22T20:31:00Z");

struct Scenario {
  const char* name;
  // What there is before; may converge the table to where it begins.
  void (*prepare)(LiveDatabase& db, Policy* policy);
  // What is then asked for.
  void (*change)(Policy* policy, Instant* now);
  // What clients write between the crash and the new start.
  const char* meanwhile;
  const char* first_step;  // so that a scenario cannot turn into nothing unnoticed
};

void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }

constexpr const char* kPoints =
    "CREATE TABLE points (id bigint NOT NULL, ts timestamptz NOT NULL, v real) PARTITION BY RANGE (ts); "
    "CREATE INDEX ON points (ts); CREATE TABLE points_default PARTITION OF points DEFAULT";

std::string FillSql(int first, int count, const std::string& from, const std::string& to) {
  return "INSERT INTO points SELECT " + std::to_string(first) + " + n, timestamptz '" + from +
         "' + (timestamptz '" + to + "' - timestamptz '" + from + "') * n / " + std::to_string(count) +
         ", n FROM generate_series(0, " + std::to_string(count - 1) + ") n";
}

std::string MonthSql(const std::string& name, const std::string& from, const std::string& to) {
  return "CREATE TABLE " + name + " PARTITION OF points FOR VALUES FROM ('" + from + "') TO ('" + to + "')";
}

Approach When(Instant now) {
  return {.preview = now, .acknowledged = {}, .holder = "crash", .stop = {}, .on_step = {}};
}

void Settle(LiveDatabase& db, const Policy& policy, Instant now) {
  EXPECT_EQ(TroubleWith(ConvergeOn(db.uri(), policy, When(now))), "");
}

const Scenario kScenarios[] = {
    // Without bookkeeping: the migration is part of it.
    {"Provision",
     [](LiveDatabase& db, Policy* policy) {
       db.Sql("DROP SCHEMA partition_controller CASCADE");
       policy->partitioning.premake = 1;
     },
     [](Policy*, Instant*) {}, "INSERT INTO points VALUES (-1, '2026-11-22', 1), (-2, '2026-12-05', 2)",
     "create_partition"},
    {"DrainByMoving",
     [](LiveDatabase& db, Policy* policy) {
       policy->partitioning.premake = 1;
       db.Sql(FillSql(1, 400, "2026-10-20", "2026-12-20"));
       db.Sql(FillSql(1'000, 10, "2029-01-01", "2029-02-01"));
     },
     [](Policy*, Instant*) {},
     "INSERT INTO points VALUES (-1, '2026-11-22', 1), (-2, '2026-12-05', 2), (-3, '2029-01-15', 3); "
     "UPDATE points SET v = -1 WHERE id IN (150, 300, 1001); DELETE FROM points WHERE id IN (160, 310)",
     "begin_drain"},
    {"DrainByPromoting",
     [](LiveDatabase& db, Policy* policy) {
       policy->partitioning.premake = 1;
       db.Sql(FillSql(1, 101'000, "2026-10-03", "2026-11-22"));
       db.Sql(FillSql(200'000, 10, "2029-01-01", "2029-02-01"));
     },
     [](Policy*, Instant*) {},
     "INSERT INTO points VALUES (-1, '2026-11-22', 1), (-3, '2029-01-15', 3); "
     "UPDATE points SET v = -1 WHERE id IN (150, 200001); DELETE FROM points WHERE id IN (160, 200002)",
     "begin_drain"},
    {"Detach",
     [](LiveDatabase& db, Policy* policy) {
       db.Sql(MonthSql("august", "2026-08-01", "2026-09-01"));
       db.Sql(MonthSql("september", "2026-09-01", "2026-10-01"));
       db.Sql(FillSql(1, 400, "2026-08-01", "2026-10-01"));
       policy->retention = Keep("4mo", Retention::Action::kDrop, "24h");
       Settle(db, *policy, kNow);
       policy->retention = Keep("1mo", Retention::Action::kDrop, "24h");
     },
     [](Policy*, Instant*) {}, "INSERT INTO points VALUES (-1, '2026-11-22', 1)", "add_bound_check"},
    {"DropDetached",
     [](LiveDatabase& db, Policy* policy) {
       policy->retention = Keep("1mo", Retention::Action::kDrop, "24h");
       db.Sql(MonthSql("august", "2026-08-01", "2026-09-01"));
       db.Sql(MonthSql("september", "2026-09-01", "2026-10-01"));
       db.Sql(FillSql(1, 400, "2026-08-01", "2026-10-01"));
       Settle(db, *policy, kNow);
     },
     [](Policy*, Instant* now) { *now += std::chrono::hours(25); },
     "INSERT INTO points VALUES (-1, '2026-11-22', 1)", "drop_partition"},
    {"DropDirectly",
     [](LiveDatabase& db, Policy* policy) {
       db.Sql(MonthSql("august", "2026-08-01", "2026-09-01"));
       db.Sql(FillSql(1, 400, "2026-08-01", "2026-09-01"));
       policy->retention = Keep("4mo");
       Settle(db, *policy, kNow);
       policy->retention = Keep("1mo");
     },
     [](Policy*, Instant*) {}, "INSERT INTO points VALUES (-1, '2026-11-22', 1)", "drop_partition"},
    {"Reattach",
     [](LiveDatabase& db, Policy* policy) {
       policy->retention = Keep("1mo", Retention::Action::kDrop, "24h");
       db.Sql(MonthSql("august", "2026-08-01", "2026-09-01"));
       db.Sql(MonthSql("september", "2026-09-01", "2026-10-01"));
       db.Sql(FillSql(1, 400, "2026-08-01", "2026-10-01"));
       Settle(db, *policy, kNow);
       db.Sql(FillSql(1'000, 20, "2026-09-10", "2026-09-20"));  // late, into the default
     },
     [](Policy* policy, Instant*) {
       policy->retention->keep = {4, CalendarDuration::Unit::kMonth};
     },
     "INSERT INTO points VALUES (-1, '2026-11-22', 1), (-2, '2026-08-15', 2), (-3, '2026-09-15', 3); "
     "UPDATE points SET v = -1 WHERE id = 1001",
     "reattach_partition"},
    // Empty weeks ahead are swapped for a part of a month; the other part is
    // drained, and so is the month after it.
    {"Granularity",
     [](LiveDatabase& db, Policy* policy) {
       policy->partitioning.granularity = Granularity::kWeek;
       policy->retention = Keep("1mo");
       Settle(db, *policy, kNow);
       db.Sql(FillSql(1, 100, "2026-11-01", "2026-11-22"));
       db.Sql(FillSql(1'000, 5, "2026-12-20", "2026-12-24"));
       db.Sql(FillSql(2'000, 5, "2027-01-03", "2027-01-09"));
     },
     [](Policy* policy, Instant*) { policy->partitioning.granularity = Granularity::kMonth; },
     "INSERT INTO points VALUES (-1, '2026-11-22', 1), (-2, '2026-12-25', 2)", "replace_partitions"},
    {"RowDeletes",
     [](LiveDatabase& db, Policy* policy) {
       policy->partitioning.state = Partitioning::State::kDisabled;
       db.Sql(MonthSql("october", "2026-10-01", "2026-11-01"));
       db.Sql(FillSql(1, 9'000, "2026-10-01", "2026-11-01"));
       Settle(db, *policy, kNow);
       policy->retention = Keep("1mo");
       db.Sql(FillSql(10'000, 50, "2026-09-01", "2026-09-02"));
     },
     [](Policy*, Instant*) {}, "INSERT INTO points VALUES (-1, '2026-11-22', 1)", "delete_expired_rows"},
};

// Everything that should be the same in the end: all but oids, terms, clocks
// and statistics.
std::string StateOf(LiveDatabase& db) {
  std::string state;
  const auto add = [&](const char* title, const std::string& sql) {
    state += std::string(title) + "\n";
    for (const std::string& line : db.Column(sql)) state += "  " + line + "\n";
  };
  add("rows through the parent",
      "SELECT concat_ws(' ', count(*), count(DISTINCT id), sum(hashtext(p::text)::bigint)) FROM points p");
  add("rows in each leaf",
      "SELECT concat_ws(' ', tableoid::regclass, count(*), sum(id)) FROM points GROUP BY tableoid "
      "ORDER BY tableoid::regclass::text");
  add("relations",
      "SELECT concat_ws(' ', relname, relkind, relpersistence, relispartition, pg_get_expr(relpartbound, "
      "oid)) FROM "
      "pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname");
  add("constraints",
      "SELECT concat_ws(' ', conrelid::regclass, conname, convalidated, pg_get_constraintdef(oid)) FROM "
      "pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1");
  add("triggers", "SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger ORDER BY 1");
  add("functions",
      "SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace('partition_controller') ORDER BY 1");
  state += "bookkeeping\n";
  if (!db.Value("SELECT to_regclass('partition_controller.version')").empty()) {
    add("partitions",
        "SELECT concat_ws(' ', state, made_by_us, schema_name, table_name, bound_from, bound_to, detached_at "
        "IS NOT "
        "NULL, date_trunc('hour', drop_after), to_regclass(table_name)::oid = partition_oid) FROM "
        "partition_controller.partitions ORDER BY "
        "1");
    add("drains", "SELECT target_name FROM partition_controller.drains");
    add("tables",
        "SELECT concat_ws(' ', 'keeper:', policy_name, table_name, analyzed_at IS NOT NULL) FROM "
        "partition_controller.tables");
  }
  for (const char* detached : {"august", "september"}) {
    if (db.Value(std::string("SELECT to_regclass('") + detached + "')").empty()) continue;
    add(detached, std::string("SELECT count(*)::text FROM ") + detached);
  }
  return state;
}

// Counts statements, and at one of them lets something happen.
class Fateful : public Session {
 public:
  enum class Moment { kBefore, kAfter };

  Fateful(std::unique_ptr<Session> session, int at, Moment moment, std::function<void()> fate)
      : session_(std::move(session)), at_(at), moment_(moment), fate_(std::move(fate)) {}

  Result Query(const std::string& sql, const std::vector<std::optional<std::string>>& parameters) override {
    if (!counting) return session_->Query(sql, parameters);
    if (skip_claim) {
      skip_claim = sql != "COMMIT";
      return session_->Query(sql, parameters);
    }
    const bool now = count_++ == at_;
    if (now && moment_ == Moment::kBefore) fate_();
    Result result = session_->Query(sql, parameters);
    if (now && moment_ == Moment::kAfter) fate_();
    return result;
  }
  void Cancel() noexcept override { session_->Cancel(); }

  int count() const { return count_; }
  bool counting = false;    // reading changes nothing, wherever it is cut off
  bool skip_claim = false;  // the first transaction, which takes the table over

 private:
  std::unique_ptr<Session> session_;
  int at_;
  Moment moment_;
  std::function<void()> fate_;
  int count_ = 0;
};

// One life of the controller.
RunOutcome Live(Fateful& session, const Policy& policy, Instant now) {
  ExecutorHooks hooks;
  hooks.sleep = [](milliseconds time) { std::this_thread::sleep_for(time); };
  RunOutcome last;
  for (int round = 0; round < 10; ++round) {
    session.counting = false;
    const Catalog catalog = ReadCatalogs(session, {&policy}, {now, true}).at(0);
    const Plan plan = MakePlan(policy, catalog, {now, true});
    if (plan.steps.empty()) return last;
    session.counting = true;
    if (catalog.server.bookkeeping_version < kBookkeepingVersion) {
      Migrate(session, policy);
      continue;
    }
    last = ExecutePlan(session, policy, catalog, plan, "crash", std::stop_token(), hooks);
    if (last.failure) return last;
  }
  return last;
}

void Die() { kill(getpid(), SIGKILL); }

// A moment later, while the server works on the statement.
void DieSoon() {
  signal(SIGALRM, [](int) { Die(); });
  const itimerval timer = {{0, 0}, {0, 150}};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

// True if it died, as opposed to having nothing left to do.
bool LiveAndDie(const std::string& uri, const Policy& policy, Instant now, int at, Fateful::Moment moment,
                bool skip_claim) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      Fateful session(ConnectPostgres(uri), at, moment, moment == Fateful::Moment::kBefore ? DieSoon : Die);
      session.skip_claim = skip_claim;
      const RunOutcome outcome = Live(session, policy, now);
      _exit(outcome.failure ? 2 : 0);
    } catch (const std::exception&) {
      _exit(1);
    }
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << status;
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

// What the dead one's last statement left behind may still hold locks.
void WaitForBackends(LiveDatabase& db) {
  while (db.Number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
                   "pg_backend_pid() AND backend_type = 'client backend'") > 0) {
    std::this_thread::sleep_for(milliseconds(1));
  }
}

class CrashTest : public testing::TestWithParam<Scenario> {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    const Scenario& scenario = GetParam();
    policy_ = PolicyFor("points");
    policy_.locks.timeout = milliseconds(1'000);
    origin_ = PostgresServer::Shared().CreateDatabase("origin");
    LiveDatabase db(origin_);
    db.MarkAsTest();
    db.Sql(kPoints);
    scenario.prepare(db, &policy_);
    scenario.change(&policy_, &now_);
    ASSERT_FALSE(HasFailure());
  }

  // The copy is told that it is no stranger.
  static std::string Copy(const std::string& uri) {
    const std::string copy = PostgresServer::Shared().CreateDatabaseFrom(DatabaseName(uri));
    LiveDatabase db(copy);
    if (!db.Value("SELECT to_regclass('partition_controller.tables')").empty()) {
      db.Sql(
          "UPDATE partition_controller.tables SET database_oid = (SELECT oid FROM pg_database WHERE datname "
          "= "
          "current_database())");
    }
    return copy;
  }
  static void Drop(const std::string& uri) {
    LiveDatabase(PostgresServer::Shared().Uri("postgres"))
        .Sql("DROP DATABASE " + DatabaseName(uri) + " WITH (FORCE)");
  }

  // How it ends when nothing happens; counts the statements.
  void Undisturbed(int* statements) {
    const std::string uri = Copy(origin_);
    {
      const Plan plan = See(uri, policy_, When(now_)).plan;
      ASSERT_FALSE(plan.steps.empty());
      EXPECT_STREQ(Kind(plan.steps.front().action), GetParam().first_step);
      Fateful session(ConnectPostgres(uri), -1, Fateful::Moment::kAfter, {});
      const RunOutcome outcome = Live(session, policy_, now_);
      ASSERT_FALSE(outcome.failure) << outcome.failure->message;
      *statements = session.count();
    }
    LiveDatabase db(uri);
    db.Sql(GetParam().meanwhile);
    end_ = StateOf(db);
    EXPECT_THAT(end_, testing::HasSubstr("drains\ntables"));
    EXPECT_THAT(end_, testing::Not(testing::HasSubstr("partition_controller_d")));
    EXPECT_THAT(end_, testing::HasSubstr("functions\nbookkeeping"));
  }

  // Clients write, the controller starts again.
  void GoOnAndCompare(const std::string& uri, const std::string& what) {
    {
      LiveDatabase db(uri);
      WaitForBackends(db);
      db.Sql(GetParam().meanwhile);
      std::string trouble;
      EXPECT_TRUE(Eventually(
          [&] {
            trouble = TroubleWith(ConvergeOn(uri, policy_, When(now_)));
            return trouble.empty();
          },
          std::chrono::seconds(20)))
          << what << ": " << trouble;
      EXPECT_EQ(StateOf(db), end_) << what;
    }
    Drop(uri);
  }

  Policy policy_;
  Instant now_ = kNow;
  std::string origin_;
  std::string end_;
};

TEST_P(CrashTest, KilledAfterEveryStatement) {
  int statements = 0;
  ASSERT_NO_FATAL_FAILURE(Undisturbed(&statements));
  const std::string uri = Copy(origin_);
  auto db = std::make_unique<LiveDatabase>(uri);
  std::string state = StateOf(*db);
  int deaths = 0;
  int commits = 0;
  for (int at = 0; !HasFailure(); ++at) {
    const bool claimed = state.find("keeper: points") != std::string::npos;
    if (!LiveAndDie(uri, policy_, now_, at, Fateful::Moment::kAfter, claimed)) break;
    ++deaths;
    WaitForBackends(*db);
    std::string now = StateOf(*db);
    if (now == state) continue;
    // That was a COMMIT.  From here to the end, as it is, ...
    ++commits;
    state = std::move(now);
    db.reset();
    const std::string what = "commit " + std::to_string(commits);
    GoOnAndCompare(Copy(uri), what);
    // ... and with another death on the way, in the middle of a statement.
    const std::string again = Copy(uri);
    const bool keeper = state.find("keeper: points") != std::string::npos;
    LiveAndDie(again, policy_, now_, deaths % 17, Fateful::Moment::kBefore, keeper);
    GoOnAndCompare(again, what + ", and in the middle of statement " + std::to_string(deaths % 17));
    db = std::make_unique<LiveDatabase>(uri);
    at = -1;
  }
  EXPECT_GE(deaths, statements / 2);
  EXPECT_GE(commits, 2);
  db->Sql(GetParam().meanwhile);
  EXPECT_EQ(TroubleWith(ConvergeOn(uri, policy_, When(now_))), "");
  EXPECT_EQ(StateOf(*db), end_);
  RecordProperty("deaths", deaths);
  RecordProperty("commits", commits);
}

// The server's side of a cut: the process lives on, its connection does not.
TEST_P(CrashTest, ConnectionCut) {
  int statements = 0;
  ASSERT_NO_FATAL_FAILURE(Undisturbed(&statements));
  for (int k = 2; k < statements && !HasFailure(); k += 17) {
    const std::string uri = Copy(origin_);
    const std::string what = "cut before statement " + std::to_string(k);
    {
      LiveDatabase admin(PostgresServer::Shared().Uri("postgres"));
      Fateful session(ConnectPostgres(uri), k, Fateful::Moment::kBefore, [&] {
        admin.Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" +
                  DatabaseName(uri) + "'");
      });
      try {
        const RunOutcome outcome = Live(session, policy_, now_);
        ASSERT_TRUE(outcome.failure) << what;
        EXPECT_EQ(outcome.failure->reason, "DatabaseUnreachable") << what << ": " << outcome.failure->message;
      } catch (const DatabaseError& error) {
        EXPECT_EQ(error.kind(), DatabaseError::Kind::kUnreachable) << what << ": " << error.what();
      }
    }
    GoOnAndCompare(uri, what);
  }
}

INSTANTIATE_TEST_SUITE_P(All, CrashTest, testing::ValuesIn(kScenarios),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace partition_controller
