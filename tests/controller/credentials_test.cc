#include "controller/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "controller/cluster.h"
#include "tests/fakes/fake_clock.h"

namespace partition_controller {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Write(const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

std::string Complaint(const std::function<void()>& work) {
  try {
    work();
  } catch (const ClusterError& error) {
    EXPECT_EQ(error.kind(), ClusterError::Kind::kCredentials);
    return error.what();
  }
  return "";
}

// A rotated token must be found, and a look at the file for each request would
// be too much.
TEST(Credentials, ReadsATokenFileOnceAMinute) {
  FakeClock clock;
  ClusterAccess access;
  access.token.file = Write("token", "one\n");
  Credentials credentials(access, clock);
  EXPECT_EQ(credentials.Token(), "one");
  Write("token", "two\n");
  EXPECT_EQ(credentials.Token(), "one");
  clock.Advance(std::chrono::seconds(61));
  EXPECT_EQ(credentials.Token(), "two");
  Write("token", "three\n");
  credentials.Refused();
  EXPECT_EQ(credentials.Token(), "three");
  // A file that is gone for a moment takes nothing away.
  std::filesystem::remove(access.token.file);
  clock.Advance(std::chrono::seconds(61));
  EXPECT_EQ(credentials.Token(), "three");
}

TEST(Credentials, AreMissed) {
  FakeClock clock;
  ClusterAccess access;
  access.token.file = "/nowhere/token";
  access.authority.file = "/nowhere/ca";
  Credentials credentials(access, clock);
  EXPECT_THAT(Complaint([&] { credentials.Token(); }), HasSubstr("/nowhere/token"));
  EXPECT_THAT(Complaint([&] { credentials.ForConnection(); }), HasSubstr("/nowhere/ca"));
}

TEST(Credentials, AsksAPluginWhenItsAnswerExpires) {
  FakeClock clock;
  ClusterAccess access;
  access.exec = ExecPlugin{};
  int asked = 0;
  Credentials credentials(access, clock, [&](const ExecPlugin&) {
    ++asked;
    return ExecCredential{"t" + std::to_string(asked), "c" + std::to_string(asked), "k",
                          clock.Now() + std::chrono::minutes(10)};
  });
  EXPECT_EQ(credentials.Token(), "t1");
  EXPECT_EQ(credentials.ForConnection().certificate, "c1");
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(credentials.version(), 0U);
  clock.Advance(std::chrono::minutes(10));
  EXPECT_EQ(credentials.Token(), "t2");
  // Open connections are another user's now.
  EXPECT_EQ(credentials.version(), 1U);
  credentials.Refused();
  EXPECT_EQ(credentials.Token(), "t3");
}

ExecPlugin Shell(const std::string& script) {
  ExecPlugin plugin;
  plugin.command = "/bin/sh";
  plugin.arguments = {"-c", script};
  plugin.api_version = "client.authentication.k8s.io/v1";
  return plugin;
}

std::string Printing(const std::string& status) {
  return "printf '%s' '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
         "\"status\":" +
         status + "}'";
}

TEST(ExecPlugin, PrintsACredential) {
  const ExecCredential credential =
      RunExecPlugin(Shell(Printing("{\"token\":\"abc\",\"expirationTimestamp\":\"2026-11-05T12:00:00Z\"}")));
  EXPECT_EQ(credential.token, "abc");
  EXPECT_EQ(credential.expires, ParseInstant("2026-11-05T12:00:00Z"));
}

TEST(ExecPlugin, IsToldWhatItNeeds) {
  ExecPlugin plugin = Shell(
      "printf '%s' \"$KUBERNETES_EXEC_INFO\" | grep -q '\"server\":\"https://h\"' && "
      "test \"$MINE\" = '1 2' && test -n \"$PATH\" && " +
      Printing("{\"token\":\"abc\"}"));
  plugin.environment = {{"MINE", "1 2"}};
  plugin.cluster_info = R"({"server": "https://h"})";
  EXPECT_EQ(RunExecPlugin(plugin).token, "abc");
}

// The HTTP library's sockets are inheritable: a plugin must not get them.
TEST(ExecPlugin, GetsNoOpenFiles) {
  const int leak = ::dup(0);
  const ExecCredential credential = RunExecPlugin(
      Shell("test ! -e /proc/self/fd/" + std::to_string(leak) + " && " + Printing("{\"token\":\"abc\"}")));
  EXPECT_EQ(credential.token, "abc");
  ::close(leak);
}

TEST(ExecPlugin, MayFail) {
  const std::pair<std::string, const char*> cases[] = {
      {"exit 3", "failed with 3"},
      {"echo log in first >&2; exit 1", "failed with 1: log in first"},
      {"echo password=hunter2 >&2; exit 1", "failed with 1"},
      {"kill -9 $$", "killed by signal 9"},
      {"echo token-hunter2", "did not print an ExecCredential"},
      {Printing("{}"), "gave no credential"},
      {Printing("{\"clientKeyData\":\"k\"}"), "only one of"},
      {Printing("{\"token\":\"hunter2\",\"expirationTimestamp\":\"soon\"}"), "no time"},
  };
  for (const auto& [script, expected] : cases) {
    const std::string complaint = Complaint([&] { RunExecPlugin(Shell(script)); });
    EXPECT_THAT(complaint, HasSubstr(expected)) << script;
    EXPECT_THAT(complaint, Not(HasSubstr("hunter2")));
  }
  ExecPlugin other = Shell(Printing("{\"token\":\"abc\"}"));
  other.api_version = "client.authentication.k8s.io/v1beta1";
  EXPECT_THAT(Complaint([&] { RunExecPlugin(other); }), HasSubstr("another apiVersion"));
  ExecPlugin missing;
  missing.command = "no-such-plugin-anywhere";
  missing.install_hint = "install it so";
  EXPECT_THAT(Complaint([&] { RunExecPlugin(missing); }),
              ::testing::AllOf(HasSubstr("cannot be run"), HasSubstr("install it so")));
}

TEST(ExecPlugin, IsNotWaitedForForEver) {
  EXPECT_THAT(
      Complaint([&] { RunExecPlugin(Shell("sleep 1000 & sleep 1000"), std::chrono::milliseconds(200)); }),
      HasSubstr("did not answer in time"));
}

}  // namespace
}  // namespace partition_controller
