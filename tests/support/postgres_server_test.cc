#include "tests/support/postgres_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <pqxx/pqxx>
#include <string>

namespace partition_controller {
namespace {

std::string Query(const std::string& uri, const std::string& sql) {
  pqxx::connection connection(uri);
  pqxx::work transaction(connection);
  std::string value = transaction.exec1(sql)[0].as<std::string>();
  transaction.commit();
  return value;
}

TEST(PostgresServer, TheDefaultVersionIsHere) {
  EXPECT_TRUE(PostgresServer::Available(PostgresServer::DefaultMajor()));
  EXPECT_FALSE(PostgresServer::Available(7));
  EXPECT_THROW(PostgresServer(7), std::runtime_error);
}

class EachVersion : public testing::TestWithParam<int> {};

TEST_P(EachVersion, StartsAndAnswers) {
  const PostgresServer server(GetParam());
  const std::string version = Query(server.Uri("postgres"), "SHOW server_version_num");
  EXPECT_EQ(std::stoi(version) / 10000, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Postgres, EachVersion, testing::ValuesIn(PostgresServer::AvailableMajors()),
                         testing::PrintToStringParamName());

TEST(PostgresServer, GivesEveryDatabaseANameOfItsOwn) {
  PostgresServer& server = PostgresServer::Shared();
  const std::string first = server.CreateDatabase("copied");
  Query(first, "CREATE TABLE here AS SELECT 7 AS seven; SELECT 1");
  const std::string second = server.CreateDatabaseFrom(DatabaseName(first));
  EXPECT_NE(first, second);
  EXPECT_EQ(Query(second, "SELECT seven FROM here"), "7");
  EXPECT_EQ(Query(second, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"), "t");
}

TEST(PostgresServer, TakesSettings) {
  const PostgresServer server(PostgresServer::DefaultMajor(), {"work_mem=5MB", "max_connections=7"});
  EXPECT_EQ(Query(server.Uri("postgres"), "SHOW work_mem"), "5MB");
  EXPECT_EQ(Query(server.Uri("postgres"), "SHOW max_connections"), "7");
}

TEST(PostgresServer, ComesBackAtTheSameAddressAfterACrash) {
  PostgresServer server;
  const std::string uri = server.CreateDatabase();
  Query(uri, "CREATE TABLE kept AS SELECT 1 AS one; SELECT 1");
  server.Stop(PostgresServer::StopMode::kImmediate);
  EXPECT_FALSE(server.running());
  EXPECT_THROW(Query(uri, "SELECT 1"), pqxx::broken_connection);
  server.Start();
  EXPECT_EQ(Query(uri, "SELECT one FROM kept"), "1");
  EXPECT_NE(server.ReadLog().find("database system was not properly shut down"), std::string::npos);
}

TEST(PostgresServer, LeavesNothingBehind) {
  std::string directory;
  pid_t pid = 0;
  {
    const PostgresServer server;
    directory = server.directory();
    pid = server.pid();
    EXPECT_TRUE(std::filesystem::exists(directory));
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(PostgresServer, SaysWhatIsWrongWithItsSettings) {
  try {
    const PostgresServer server(PostgresServer::DefaultMajor(), {"no_such_setting=1"});
    FAIL() << "started";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("no_such_setting"), std::string::npos) << error.what();
  }
}

// A copy of this process starts a server, says which, and is killed.
TEST(PostgresServer, DiesWithAKilledTestAndIsSweptUp) {
  // The orphaned server becomes this process's child, so its end can be awaited.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t test = fork();
  if (test == 0) {
    const PostgresServer server;
    const std::string said = std::to_string(server.pid()) + " " + server.directory();
    if (write(ends[1], said.data(), said.size()) < 0) _exit(1);
    for (;;) pause();
  }
  char buffer[200] = {};
  ASSERT_GT(read(ends[0], buffer, sizeof(buffer) - 1), 0);
  close(ends[0]);
  close(ends[1]);
  const std::string said = buffer;
  const pid_t pid = std::stoi(said);
  const std::string directory = said.substr(said.find(' ') + 1);
  ASSERT_EQ(kill(pid, 0), 0);

  kill(test, SIGKILL);
  waitpid(test, nullptr, 0);
  EXPECT_EQ(waitpid(pid, nullptr, 0), pid);  // the test's time limit stands behind this
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  EXPECT_TRUE(std::filesystem::exists(directory));
  const PostgresServer next;
  EXPECT_FALSE(std::filesystem::exists(directory));
}

}  // namespace
}  // namespace partition_controller
