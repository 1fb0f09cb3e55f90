#include "controller/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "tests/support/temp_folder.h"

namespace partition_controller {
namespace {

using testing::HasSubstr;
using testing::Not;

ConnectionSpec File(const std::string& path) {
  ConnectionSpec spec;
  spec.file = path;
  return spec;
}

ConnectionSpec Env(const std::string& name) {
  ConnectionSpec spec;
  spec.env = name;
  return spec;
}

std::string ProblemOf(const ConnectionSpec& spec) {
  try {
    ResolveConnection(spec);
  } catch (const ConnectionProblem& problem) {
    return problem.what();
  }
  return "no problem";
}

TEST(ConnectionTest, ReadsAVariable) {
  setenv("PC_TEST_URI", "postgres://u:secret@h/db", 1);  // NOLINT(concurrency-mt-unsafe): one thread
  EXPECT_EQ(ResolveConnection(Env("PC_TEST_URI")), "postgres://u:secret@h/db");
  unsetenv("PC_TEST_URI");  // NOLINT(concurrency-mt-unsafe): one thread
  EXPECT_EQ(ProblemOf(Env("PC_TEST_URI")), "environment variable PC_TEST_URI is not set");
}

TEST(ConnectionTest, ReadsAFileAfreshWithoutItsLastNewline) {
  const TempFolder folder;
  const std::string path = folder.Write("uri", "host=a dbname=b\n");
  EXPECT_EQ(ResolveConnection(File(path)), "host=a dbname=b");
  folder.Write("uri", "host=c dbname=d\r\n");
  EXPECT_EQ(ResolveConnection(File(path)), "host=c dbname=d");
}

TEST(ConnectionTest, FollowsTheLinksOfAMountedSecret) {
  const TempFolder folder;
  std::filesystem::create_directory(folder.File("..2026"));
  folder.Write("..2026/uri", "host=a");
  std::filesystem::create_symlink("..2026", folder.File("..data"));
  std::filesystem::create_symlink("..data/uri", folder.File("uri"));
  EXPECT_EQ(ResolveConnection(File(folder.File("uri"))), "host=a");
}

TEST(ConnectionTest, SaysWhatIsWrongWithAFile) {
  const TempFolder folder;
  EXPECT_THAT(ProblemOf(File(folder.File("none"))), HasSubstr("No such file"));
  EXPECT_THAT(ProblemOf(File(folder.path())), HasSubstr("cannot be read"));
  EXPECT_THAT(ProblemOf(File(folder.Write("empty", "\n\n"))), HasSubstr("is empty"));
  EXPECT_THAT(ProblemOf(File(folder.Write("nul", std::string("host=a\0password=secret", 22)))),
              HasSubstr("holds a NUL byte"));
  EXPECT_THAT(ProblemOf(File(folder.Write("big", std::string(100'000, 'x')))), HasSubstr("64 KiB"));
}

TEST(ConnectionTest, AFifoWithoutAWriterHoldsNobodyUp) {
  const TempFolder folder;
  ASSERT_EQ(mkfifo(folder.File("fifo").c_str(), 0600), 0);
  EXPECT_THAT(ProblemOf(File(folder.File("fifo"))), HasSubstr("is empty"));
}

TEST(ConnectionTest, ASecretNeedsTheCluster) {
  ConnectionSpec spec;
  spec.secret_ref = SecretRef{"edgewatch", "edgewatch-db", "uri"};
  EXPECT_EQ(ProblemOf(spec),
            "secretRef is for policies in a cluster (run --kubernetes); use env or file in a policy file");
}

TEST(ConnectionTest, MessagesNeverHoldTheString) {
  const TempFolder folder;
  const std::string text = "postgres://u:hunter2@h/db";
  EXPECT_THAT(ProblemOf(File(folder.Write("uri", text + std::string(1, '\0')))), Not(HasSubstr("hunter2")));
  EXPECT_EQ(Describe(Env("DATABASE_URL")), "environment variable DATABASE_URL");
}

}  // namespace
}  // namespace partition_controller
