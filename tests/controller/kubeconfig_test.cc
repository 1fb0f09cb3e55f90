#include "controller/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "controller/cluster.h"
#include "controller/kubernetes.h"

namespace partition_controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

// With this user and these members of the cluster.
std::string Config(const std::string& user, const std::string& cluster = "server: https://1.2.3.4:6443") {
  return "apiVersion: v1\nkind: Config\ncurrent-context: dev\n"
         "contexts:\n- name: dev\n  context: {cluster: c, user: u, namespace: shop}\n"
         "- name: other\n  context: {cluster: c, user: u}\n"
         "clusters:\n- name: c\n  cluster: {" +
         cluster + "}\nusers:\n- name: u\n  user: {" + user + "}\n";
}

ClusterAccess Read(const std::string& text, const std::string& context = "") {
  return ReadKubeconfig({{"/home/me/.kube/config", text}}, context);
}

std::string Complaint(const std::string& text, const std::string& context = "") {
  try {
    Read(text, context);
  } catch (const ClusterError& error) {
    EXPECT_EQ(error.kind(), ClusterError::Kind::kCredentials);
    return error.what();
  }
  return "";
}

TEST(Kubeconfig, NamesServerAndUser) {
  const ClusterAccess access = Read(
      Config("token: abc",
             "server: 'https://1.2.3.4:6443/', certificate-authority: ca.pem, tls-server-name: api.test"));
  EXPECT_EQ(access.server, "https://1.2.3.4:6443");
  EXPECT_EQ(access.tls_server_name, "api.test");
  EXPECT_EQ(access.authority.file, "/home/me/.kube/ca.pem");
  EXPECT_EQ(access.token.text, "abc");
  EXPECT_EQ(access.name_space, "shop");
  EXPECT_EQ(Read(Config("token: abc"), "other").name_space, "default");
}

ContextOverrides Other(const std::string& cluster, const std::string& user) {
  ContextOverrides overrides;
  overrides.cluster = cluster;
  overrides.user = user;
  return overrides;
}

TEST(Kubeconfig, TakesAnotherClusterOrUserThanTheContexts) {
  const std::string text = Config("token: abc") + "- name: v\n  user: {token: def}\n";
  const std::string more = "clusters:\n- name: d\n  cluster: {server: 'https://5.6.7.8'}\n";
  const std::vector<KubeconfigFile> files = {{"/a", text}, {"/b", more}};
  const ClusterAccess access = ReadKubeconfig(files, "", Other("d", "v"));
  EXPECT_EQ(access.server, "https://5.6.7.8");
  EXPECT_EQ(access.token.text, "def");
  EXPECT_EQ(access.name_space, "shop");
  EXPECT_EQ(ReadKubeconfig(files, "", Other("", "v")).server, "https://1.2.3.4:6443");
  EXPECT_EQ(ReadKubeconfig({files[1]}, "", Other("d", "")).server, "https://5.6.7.8")
      << "without any context";
  EXPECT_THROW(ReadKubeconfig(files, "", Other("nowhere", "")), ClusterError);
}

TEST(Kubeconfig, TakesWhatIsSaidInPlaceOfWhatItSays) {
  const std::string text = Config(
      "client-certificate: /c, client-key: /k, exec: {command: x, apiVersion: "
      "client.authentication.k8s.io/v1}",
      "server: 'https://1.2.3.4', tls-server-name: api.test, certificate-authority: /ca");
  ContextOverrides overrides;
  overrides.server = "https://other:6443/";
  overrides.authority = "other.pem";
  const ClusterAccess moved = ReadKubeconfig({{"/a", text}}, "", overrides);
  EXPECT_EQ(moved.server, "https://other:6443");
  EXPECT_EQ(moved.tls_server_name, "") << "is the name of the other one";
  EXPECT_EQ(moved.authority.file, "other.pem");
  EXPECT_EQ(moved.certificate.file, "/c");
  EXPECT_EQ(moved.impersonate, "");
  // An API server would take the certificate for the better credential.
  overrides = {};
  overrides.token = "def";
  overrides.impersonate = "jane";
  const ClusterAccess renamed = ReadKubeconfig({{"/a", text}}, "", overrides);
  EXPECT_EQ(renamed.token.text, "def");
  EXPECT_TRUE(renamed.certificate.empty());
  EXPECT_TRUE(renamed.key.empty());
  EXPECT_FALSE(renamed.exec);
  EXPECT_EQ(renamed.impersonate, "jane");
  EXPECT_EQ(renamed.authority.file, "/ca");
  overrides.server = "http://1.2.3.4";
  EXPECT_THROW(ReadKubeconfig({{"/a", text}}, "", overrides), ClusterError) << "unencrypted";
  overrides.server = "https://h";
  const ClusterAccess bare = ReadKubeconfig({}, "", overrides);
  EXPECT_EQ(bare.server, "https://h") << "without any file";
  EXPECT_EQ(bare.token.text, "def");
  EXPECT_EQ(bare.name_space, "default");
}

TEST(Kubeconfig, TakesDataBeforeFiles) {
  const ClusterAccess access =
      Read(Config("client-certificate: /c, client-certificate-data: Y2VydA==, client-key-data: a2V5",
                  "server: 'https://h', certificate-authority-data: 'Y2Eg\n  Y2E='"));
  EXPECT_EQ(access.authority, (TextOrFile{"ca ca", ""}));
  EXPECT_EQ(access.certificate, (TextOrFile{"cert", ""}));
  EXPECT_EQ(access.key, (TextOrFile{"key", ""}));
  EXPECT_EQ(Read(Config("tokenFile: tokens/me")).token.file, "/home/me/.kube/tokens/me");
}

TEST(Kubeconfig, MergesFiles) {
  const ClusterAccess access = ReadKubeconfig(
      {{"/a/one", "current-context: dev\nusers:\n- name: u\n  user: {token: first}\n"},
       {"/b/two", Config("token: second", "server: 'https://h', certificate-authority: ca.pem")}});
  EXPECT_EQ(access.token.text, "first");
  EXPECT_EQ(access.authority.file, "/b/ca.pem");
}

TEST(Kubeconfig, NamesPlugins) {
  const ClusterAccess access = Read(
      Config("exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: ./plugin, args: [a, 'b c'], "
             "env: [{name: A, value: '1'}], installHint: get it, provideClusterInfo: true}"));
  ASSERT_TRUE(access.exec);
  EXPECT_EQ(access.exec->command, "/home/me/.kube/./plugin");
  EXPECT_THAT(access.exec->arguments, ElementsAre("a", "b c"));
  EXPECT_THAT(access.exec->environment, ElementsAre(Pair("A", "1")));
  EXPECT_THAT(access.exec->cluster_info, HasSubstr("https://1.2.3.4:6443"));
}

TEST(Kubeconfig, RefusesWhatWouldBeUnsafeOrUnclear) {
  const std::pair<std::string, const char*> cases[] = {
      {"clusters: [", "cannot be read"},
      {"{}", "no current-context"},
      {"current-context: x", "no context called 'x'"},
      {Config("token: a", "server: 1.2.3.4"), "must begin with https://"},
      {Config("token: a", "server: 'https://[::1]:6443'"), "IPv6"},
      {Config("token: a", "server: 'http://api.example.com'"), "unencrypted"},
      {Config("token: a", "server: 'https://h', insecure-skip-tls-verify: true"), "not supported"},
      {Config("token: a", "server: 'https://h', proxy-url: 'http://p'"), "not supported"},
      {Config("token: a", "server: 'https://h', certificate-authority-data: '***'"), "not base64"},
      {Config("auth-provider: {name: gcp}"), "gke-gcloud-auth-plugin"},
      {Config("username: me, password: hunter2"), "no passwords"},
      {Config("client-certificate-data: Y2VydA=="), "only one of"},
      {Config("exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}"), "apiVersion"},
      {Config("exec: {apiVersion: client.authentication.k8s.io/v1}"), "no command"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_THAT(Complaint(text), HasSubstr(expected)) << text;
    EXPECT_THAT(Complaint(text), Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(Complaint(Config("token: a"), "nowhere"), HasSubstr("no context called 'nowhere'"));
}

// Also a token that a plugin would get first.
TEST(Kubeconfig, SendsATokenUnencryptedOnlyToThisMachine) {
  const std::string exec = "exec: {apiVersion: client.authentication.k8s.io/v1, command: x}";
  const auto at = [](const std::string& user, const std::string& server) {
    return Config(user, "server: '" + server + "'");
  };
  for (const std::string& user : {std::string("token: a"), std::string("tokenFile: /t"), exec}) {
    for (const char* server :
         {"http://api.example.com", "http://localhost.evil.example", "http://127.0.0.1.evil.example:80",
          "http://localhost@evil.example", "http://localhost:80@evil.example", "http://localhostess"}) {
      EXPECT_THAT(Complaint(at(user, server)), HasSubstr("unencrypted")) << user << " " << server;
    }
    for (const char* server : {"http://localhost", "http://localhost:8001/", "http://127.0.0.1:8001"}) {
      EXPECT_EQ(Complaint(at(user, server)), "") << user << " " << server;
    }
  }
  EXPECT_THAT(Complaint(at("token: a", "http://[::1]:8001")), HasSubstr("IPv6")) << "as with https";
  // There is nothing to give away: without TLS no certificate is shown.
  EXPECT_EQ(Complaint(at("client-certificate: /c, client-key: /k", "http://api.example.com")), "");
}

TEST(Kubeconfig, TakesATokenInPlaceOfAUserThatCannotBeRead) {
  ContextOverrides overrides;
  overrides.token = "def";
  for (const char* user :
       {"username: me, password: hunter2", "auth-provider: {name: gcp}", "client-certificate: /c",
        "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}"}) {
    const ClusterAccess access = ReadKubeconfig({{"/a", Config(user)}}, "", overrides);
    EXPECT_EQ(access.token.text, "def") << user;
    EXPECT_TRUE(access.certificate.empty()) << user;
    EXPECT_FALSE(access.exec) << user;
  }
  overrides.user = "nobody";
  EXPECT_EQ(ReadKubeconfig({{"/a", Config("token: abc")}}, "", overrides).token.text, "def");
}

TEST(InCluster, ReadsWhatIsMounted) {
  const std::string folder = ::testing::TempDir() + "/serviceaccount";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/namespace") << "edgewatch\n";
  const auto with_host = [](const std::string& host) {
    return [host](const char* name) -> std::string {
      return std::string(name) == "KUBERNETES_SERVICE_HOST" ? host : host.empty() ? "" : "443";
    };
  };
  EXPECT_EQ(InClusterAccess(with_host(""), folder), std::nullopt);
  const auto access = InClusterAccess(with_host("10.0.0.1"), folder);
  ASSERT_TRUE(access);
  EXPECT_EQ(access->server, "https://10.0.0.1:443");
  EXPECT_EQ(access->authority.file, folder + "/ca.crt");
  EXPECT_EQ(access->token.file, folder + "/token");
  EXPECT_EQ(access->name_space, "edgewatch");
  EXPECT_EQ(InClusterAccess(with_host("fd00::1"), folder)->server, "https://kubernetes.default.svc:443");
}

TEST(Base64, IsStrict) {
  EXPECT_EQ(DecodeBase64("aGVsbG8="), "hello");
  EXPECT_EQ(DecodeBase64("aGVs\n bG8="), "hello");
  EXPECT_EQ(DecodeBase64(""), "");
  EXPECT_EQ(DecodeBase64("aGVsbG8"), std::nullopt);
  EXPECT_EQ(DecodeBase64("a*=="), std::nullopt);
}

}  // namespace
}  // namespace partition_controller
