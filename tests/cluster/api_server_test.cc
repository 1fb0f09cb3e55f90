#include "tests/support/api_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>

namespace partition_controller {
namespace {

using ::testing::HasSubstr;

TEST(ApiServer, KnowsItsUsers) {
  ApiServer& server = ApiServer::Shared();
  EXPECT_GE(server.minor_version(), 20);
  EXPECT_EQ(server.Kubectl({"get", "namespaces"}).code, 0);
  const Finished refused = server.Kubectl({"get", "namespaces"}, "", "stranger");
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("User \"stranger\" cannot list resource \"namespaces\""));
}

TEST(ApiServer, KnowsItsCertificates) {
  ApiServer& server = ApiServer::Shared();
  const ScratchFolder folder;
  const auto who = server.Issue("alice", "system:masters");
  const Finished done = RunProgram({"/usr/bin/curl", "--silent", "--fail", "--cacert", server.ca_file(),
                                    "--cert", folder.Write("crt", who.certificate), "--key",
                                    folder.Write("key", who.key), server.url() + "/api/v1/namespaces"});
  EXPECT_EQ(done.code, 0) << done.err;
}

TEST(ApiServer, KeepsWhatItKnowsOverACrash) {
  ApiServer& server = ApiServer::Shared();
  const std::string name = server.CreateNamespace();
  server.Kill();
  EXPECT_NE(server.Kubectl({"get", "namespaces"}).code, 0);
  server.Start();
  EXPECT_THAT(server.MustKubectl({"get", "namespaces"}), HasSubstr(name));
}

TEST(ApiServer, ForgetsOldVersions) {
  ApiServer& server = ApiServer::Shared();
  server.CreateNamespace();
  server.CreateNamespace();
  server.Compact();
  const Finished old = server.Kubectl(
      {"get", "--raw", "/api/v1/namespaces?limit=1&resourceVersion=1&resourceVersionMatch=Exact"});
  EXPECT_THAT(old.out + old.err, HasSubstr("too old"));
}

}  // namespace
}  // namespace partition_controller
