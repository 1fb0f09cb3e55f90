// What may go wrong around a conversion: the table can be read and written
// meanwhile, and a later run finishes it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "controller/postgres.h"
#include "tests/support/conversion.h"
#include "tests/support/edgewatch.h"

namespace partition_controller {
namespace {

using testing::HasSubstr;

// Something happens before a statement.
class Watched : public Session {
 public:
  Watched(const std::string& uri, std::function<void(const std::string&)> before)
      : session_(ConnectPostgres(uri)), before_(std::move(before)) {}
  Result Query(const std::string& sql, const std::vector<std::optional<std::string>>& parameters) override {
    before_(sql);
    return session_->Query(sql, parameters);
  }
  void Cancel() noexcept override { session_->Cancel(); }
  bool KeepsSettings() override { return session_->KeepsSettings(); }

 private:
  std::unique_ptr<Session> session_;
  std::function<void(const std::string&)> before_;
};

class ConversionFaults : public ConversionTest {
 protected:
  void SetUp() override {
    ConversionTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    db_->Sql(
        "CREATE TABLE devices (d int PRIMARY KEY); INSERT INTO devices SELECT generate_series(1, 5); CREATE "
        "TABLE "
        "points (id int PRIMARY KEY, ts timestamptz NOT NULL, d int NOT NULL REFERENCES devices, m int, "
        "UNIQUE (d, "
        "m)); CREATE INDEX ON points (ts); INSERT INTO points SELECT n, timestamptz '2026-11-01' + n * "
        "interval '1 "
        "hour', 1 + n % 5, n FROM generate_series(1, 1000) n");
    next_ = 1'000;
  }
  // A client at work: three rows, one of them far ahead.
  void Write() {
    for (const char* ts : {"2026-11-02", "2026-09-02", "2031-05-06"}) {
      ++next_;
      db_->Sql("INSERT INTO points VALUES (" + std::to_string(next_) + ", '" + ts + "', 3, " +
               std::to_string(next_) + ")");
    }
    EXPECT_GE(db_->Number("SELECT count(*) FROM points"), 1'000);
    EXPECT_EQ(db_->Number("UPDATE points SET m = m WHERE id = 1 RETURNING id"), 1);
  }
  void ExpectDone() {
    ASSERT_NO_FATAL_FAILURE(Convert());
    Write();
    EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), next_);
    EXPECT_EQ(db_->Number("SELECT count(DISTINCT id) FROM points"), next_);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'partition_controller%'"),
              0);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
  }
  void Restart() {
    Server().Stop(PostgresServer::StopMode::kImmediate);
    Server().Start();
    db_ = std::make_unique<LiveDatabase>(db_->uri());
  }

  int next_ = 0;
};

TEST_F(ConversionFaults, ServerRestartInEveryState) {
  for (const std::size_t steps : {0U, 1U, 2U, 3U}) {
    SCOPED_TRACE(steps);
    if (steps > 0) SetUp();
    Begin(steps);
    Write();
    Restart();
    Write();
    ExpectDone();
  }
}

TEST_F(ConversionFaults, ServerRestartInMidStatement) {
  for (const std::string at : {"PARTITION BY RANGE", "CREATE UNIQUE INDEX CONCURRENTLY", "CREATE TRIGGER",
                               "DELETE FROM ONLY", "VALIDATE CONSTRAINT", "RENAME TO"}) {
    SCOPED_TRACE(at);
    if (at != "PARTITION BY RANGE") SetUp();
    bool restarted = false;
    {
      Watched session(db_->uri(), [&](const std::string& sql) {
        if (restarted || sql.find(at) == std::string::npos) return;
        restarted = true;
        Restart();
      });
      try {
        ConvergeOn(session, policy_, then_);
      } catch (const DatabaseError& e) {
        EXPECT_EQ(e.kind(), DatabaseError::Kind::kUnreachable) << e.what();
      }
    }
    EXPECT_TRUE(restarted);
    Write();
    ExpectDone();
  }
}

// Another controller takes the table over; the first wakes up and changes
// nothing more.
TEST_F(ConversionFaults, ASecondControllerInBetween) {
  for (const int step : {0, 1, 2, 3}) {
    SCOPED_TRACE(step);
    if (step > 0) SetUp();
    int proofs = 0;
    Watched session(db_->uri(), [&](const std::string& sql) {
      if (sql.find("UPDATE partition_controller.tables SET acted_at") != 0 || proofs++ != step) return;
      Write();
      db_->Sql("UPDATE partition_controller.tables SET acted_at = '-infinity'");
      Approach other = then_;
      other.holder = "another";
      EXPECT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, other)), "");
    });
    const Convergence result = ConvergeOn(session, policy_, then_);
    EXPECT_TRUE(result.stood_back);
    db_->Sql("UPDATE partition_controller.tables SET acted_at = '-infinity'");
    ExpectDone();
  }
}

TEST_F(ConversionFaults, ALockThatIsNotToBeHad) {
  policy_.locks.timeout = std::chrono::milliseconds(200);
  for (const std::size_t steps : {2U, 3U}) {
    SCOPED_TRACE(steps);
    if (steps > 2) SetUp();
    policy_.locks.timeout = std::chrono::milliseconds(200);
    Begin(steps);
    Write();
    pqxx::connection other(db_->uri() + (db_->uri().find('?') == std::string::npos ? "?" : "&") +
                           "application_name=report");
    pqxx::work reading(other);
    reading.exec("SELECT count(*) FROM points WHERE m > 4242");
    const Convergence result = ConvergeOn(db_->uri(), policy_, then_);
    ASSERT_TRUE(result.failure);
    EXPECT_EQ(result.failure->reason, "LockTimeout") << result.failure->message;
    EXPECT_THAT(result.failure->message, HasSubstr("blocked by pid " + std::to_string(other.backendpid())));
    EXPECT_THAT(result.failure->message, HasSubstr("report"));
    EXPECT_THAT(result.failure->message, testing::Not(HasSubstr("4242")));
    Write();
    reading.commit();
    policy_.locks.timeout = std::chrono::milliseconds(2'000);
    ExpectDone();
  }
}

// It waited as patiently as the swap does, 17 s, and the worker's other tables with it.
TEST_F(ConversionFaults, AnInvalidIndexUnderALongReader) {
  Begin(1);
  db_->Sql("CREATE UNIQUE INDEX points_key_with_time ON points (id, ts)");
  db_->Sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'points_key_with_time'::regclass");
  pqxx::connection other(db_->uri());
  pqxx::work reading(other);
  reading.exec("SELECT count(*) FROM points");
  const auto start = std::chrono::steady_clock::now();
  const Convergence result = ConvergeOn(db_->uri(), policy_, then_);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4 * policy_.locks.timeout);
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->reason, "LockTimeout") << result.failure->message;
  reading.commit();
  ExpectDone();
}

TEST_F(ConversionFaults, AStatementThatTakesTooLong) {
  Write();
  ASSERT_NO_FATAL_FAILURE(BeginAll());
  policy_.locks.timeout = std::chrono::milliseconds(20'000);
  policy_.locks.statement_timeout = std::chrono::milliseconds(700);
  pqxx::connection other(db_->uri());
  pqxx::work writing(other);
  writing.exec("SELECT FROM points WHERE ts > '2026-12-01' FOR UPDATE");
  const Convergence result = ConvergeOn(db_->uri(), policy_, then_);
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->reason, "StatementTimeout") << result.failure->message;
  writing.commit();
  Write();
  policy_.locks = Policy().locks;
  ExpectDone();
}

TEST_F(ConversionFaults, NoSpaceLeftAtAnyStatement) {
  int statements = 0;
  {
    Watched counting(db_->uri(), [&](const std::string&) { ++statements; });
    ASSERT_EQ(TroubleWith(ConvergeOn(counting, policy_, then_)), "");
  }
  ASSERT_GT(statements, 50);
  for (int at = 3; at < statements; at += 11) {
    SCOPED_TRACE(at);
    SetUp();
    int seen = 0;
    Watched session(db_->uri(), [&](const std::string& sql) {
      if (seen++ < at || sql.find("ROLLBACK") == 0 || sql.find("RESET") == 0) return;
      if (seen > at + 1) return;
      throw DatabaseError(DatabaseError::Kind::kOther, "53100",
                          "ERROR:  could not extend file \"base/1/2\": No space left on device");
    });
    try {
      ConvergeOn(session, policy_, then_);
    } catch (const DatabaseError&) {
      // While looking.
    }
    Write();
    ExpectDone();
  }
}

TEST_F(ConversionFaults, AFullDisk) {
  const std::string folder = Server().directory() + "/small_" + DatabaseName(db_->uri());
  std::filesystem::create_directory(folder);
  if (mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=8m") != 0)
    GTEST_SKIP() << "no file system can be mounted here";
  const auto unmount = [&] { umount2(folder.c_str(), MNT_DETACH); };
  struct stat owner {};
  EXPECT_EQ(stat(Server().data_directory().c_str(), &owner), 0);
  EXPECT_EQ(chown(folder.c_str(), owner.st_uid, owner.st_gid), 0);
  const std::string space = "small_" + DatabaseName(db_->uri());
  db_->Sql("CREATE TABLESPACE " + space + " LOCATION '" + folder + "'");
  db_->Sql("ALTER DATABASE " + DatabaseName(db_->uri()) + " SET default_tablespace = " + space);
  db_->Sql(
      "INSERT INTO points SELECT n, timestamptz '2026-10-01' + n * interval '1 second', 1, -n FROM "
      "generate_series(1001, 40000) n");
  next_ = 40'000;
  ASSERT_EQ(Begin(1).size(), 1U);
  const std::string filler = folder + "/filler";
  {
    std::ofstream fill(filler, std::ios::binary);
    const std::string page(8'192, 'x');
    while (fill << page << std::flush) {
    }
  }
  const Convergence result = ConvergeOn(db_->uri(), policy_, then_);
  EXPECT_TRUE(result.failure);
  EXPECT_THAT(result.failure ? result.failure->message : "", HasSubstr("No space left on device"));
  next_ += 1;
  db_->Sql("INSERT INTO points VALUES (" + std::to_string(next_) + ", '2026-11-02', 1, 1000000)");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), next_);
  std::filesystem::remove(filler);
  ExpectDone();
  db_->Sql("ALTER DATABASE " + DatabaseName(db_->uri()) + " RESET default_tablespace");
  const std::string uri = db_->uri();
  db_.reset();
  LiveDatabase admin(Server().Uri("postgres"));
  admin.Sql("DROP DATABASE " + DatabaseName(uri) + " WITH (FORCE)");
  admin.Sql("DROP TABLESPACE " + space);
  unmount();
}

// EdgeWatch's own table, with clients that write; nothing is left of it.
TEST_F(ConversionFaults, NeverInEveryState) {
  for (const std::size_t steps : {1U, 2U, 3U}) {
    SCOPED_TRACE(steps);
    if (steps > 1) SetUp();
    const std::vector<std::string> facts = Facts();
    Begin(steps);
    Write();
    ExpectNoTraceAfterNever();
    EXPECT_EQ(Facts(), facts);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), next_);
    ExpectDone();
  }
}

}  // namespace
}  // namespace partition_controller
