// The client on a real API server, over a network with faults.

#include "controller/kubernetes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/api_server.h"
#include "tests/support/http_script.h"
#include "tests/support/tcp_proxy.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using Kind = ClusterError::Kind;
using Verb = ClusterRequest::Verb;

ApiServer& Server() { return ApiServer::Shared(); }

ClusterAccess As(const std::string& user, int port = 0) {
  ClusterAccess access;
  access.server = "https://127.0.0.1:" + std::to_string(port == 0 ? Server().port() : port);
  access.authority.file = Server().ca_file();
  access.token.text = ApiServer::Token(user);
  return access;
}

ClusterAccess Plain(const HttpScript& script) {
  ClusterAccess access;
  access.server = script.url();
  access.token.text = "secret";
  return access;
}

// A client and what it needs.
class Peer {
 public:
  explicit Peer(ClusterAccess access, KubernetesCluster::Limits limits = {})
      : credentials_(std::move(access), clock_),
        cluster(credentials_, clock_, limits, [this](auto, int status) { statuses.push_back(status); }) {}

  json Get(const std::string& path) { return cluster.Call({Verb::kGet, path, ""}, {}); }
  // How a call fails; nothing: it does not.
  std::optional<Kind> Failure(const ClusterRequest& request, const std::stop_token& stop = {}) {
    try {
      cluster.Call(request, stop);
      return std::nullopt;
    } catch (const ClusterError& error) {
      message = error.what();
      return error.kind();
    }
  }
  std::optional<Kind> WatchFailure(const std::string& path, seconds silence,
                                   const std::function<void(const json&)>& on_event,
                                   const std::stop_token& stop = {}) {
    try {
      cluster.Watch(path, silence, on_event, stop);
      return std::nullopt;
    } catch (const ClusterError& error) {
      message = error.what();
      return error.kind();
    }
  }

 private:
  SystemClock clock_;
  Credentials credentials_;

 public:
  std::vector<int> statuses;
  std::string message;
  KubernetesCluster cluster;
};

std::string ConfigMaps(const std::string& name_space) {
  return "/api/v1/namespaces/" + name_space + "/configmaps";
}

std::string ConfigMap(const std::string& name, const std::string& value = "1") {
  return json{
      {"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", name}}}, {"data", {{"k", value}}}}
      .dump();
}

TEST(Kubernetes, CarriesOutEveryVerb) {
  const std::string space = Server().CreateNamespace();
  Peer peer(As("admin"));
  const std::string one = ConfigMaps(space) + "/one";
  EXPECT_EQ(peer.cluster.Call({Verb::kCreate, ConfigMaps(space), ConfigMap("one")}, {}).at("data").at("k"),
            "1");
  EXPECT_EQ(peer.Failure({Verb::kCreate, ConfigMaps(space), ConfigMap("one")}), Kind::kExists);
  json object = peer.Get(one);
  object["data"]["k"] = "2";
  peer.cluster.Call({Verb::kReplace, one, object.dump()}, {});
  // By now somebody else has written.
  EXPECT_EQ(peer.Failure({Verb::kReplace, one, object.dump()}), Kind::kConflict);
  peer.cluster.Call({Verb::kMerge, one, R"({"data": {"m": "3"}})"}, {});
  const json applied =
      peer.cluster.Call({Verb::kApply, one + "?fieldManager=test&force=true", ConfigMap("one", "4")}, {});
  EXPECT_EQ(applied.at("data"), (json{{"k", "4"}, {"m", "3"}}));
  peer.cluster.Call({Verb::kDelete, one, ""}, {});
  EXPECT_EQ(peer.Failure({Verb::kGet, one, ""}), Kind::kNotFound);
  EXPECT_EQ(peer.Failure({Verb::kCreate, ConfigMaps(space), R"({"metadata": {"name": "No Name"}})"}),
            Kind::kInvalid);
}

TEST(Kubernetes, KnowsItsUsers) {
  Peer stranger(As("stranger"));
  EXPECT_EQ(stranger.Failure({Verb::kGet, "/api/v1/secrets", ""}), Kind::kForbidden);
  ClusterAccess nobody = As("admin");
  nobody.token.text = "wrong";
  Peer unknown(nobody);
  EXPECT_EQ(unknown.Failure({Verb::kGet, "/api/v1/secrets", ""}), Kind::kUnauthorized);
  const ApiServer::Certificate certificate = Server().Issue("alice", "system:masters");
  ClusterAccess access = As("admin");
  access.token = {};
  access.certificate.text = certificate.certificate;
  access.key.text = certificate.key;
  Peer alice(access);
  EXPECT_NO_THROW(alice.Get("/api/v1/secrets"));
}

TEST(Kubernetes, ReadsTheHarnessKubeconfig) {
  Peer peer(FindClusterAccess(Server().Kubeconfig("admin")));
  EXPECT_NO_THROW(peer.Get("/api/v1/namespaces"));
}

// The library adds an authority to those that the system trusts; it must
// replace them.
TEST(Kubernetes, TrustsTheClustersAuthorityAlone) {
  const ScratchFolder folder;
  const Finished made = RunProgram(
      {"/bin/sh", "-c",
       "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null "
       "-out " +
           folder.path() + "/other.crt -days 2 -subj /CN=other"});
  ASSERT_EQ(made.code, 0) << made.err;
  ClusterAccess access = As("admin");
  access.authority.file = folder.path() + "/other.crt";
  setenv("SSL_CERT_FILE", Server().ca_file().c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
  Peer peer(access);
  EXPECT_EQ(peer.Failure({Verb::kGet, "/api/v1/namespaces", ""}), Kind::kUnreachable);
  EXPECT_THAT(peer.message, HasSubstr("127.0.0.1"));
  // The file is read for each connection: once it is right, all is well.
  RunProgram({"/bin/cp", Server().ca_file(), access.authority.file});
  EXPECT_EQ(peer.Failure({Verb::kGet, "/api/v1/namespaces", ""}), std::nullopt) << peer.message;
  unsetenv("SSL_CERT_FILE");  // NOLINT(concurrency-mt-unsafe)
}

TEST(Kubernetes, VerifiesTheName) {
  ClusterAccess access = As("admin");
  access.tls_server_name = "localhost";
  EXPECT_NO_THROW(Peer(access).Get("/api/v1/namespaces"));
  access.tls_server_name = "elsewhere.test";
  Peer peer(access);
  EXPECT_EQ(peer.Failure({Verb::kGet, "/api/v1/namespaces", ""}), Kind::kUnreachable);
}

TEST(Kubernetes, FindsARotatedToken) {
  const ScratchFolder folder;
  ClusterAccess access = As("admin");
  access.token = {"", folder.Write("token", "old")};
  Peer peer(access);
  EXPECT_EQ(peer.Failure({Verb::kGet, "/api/v1/namespaces", ""}), Kind::kUnauthorized);
  folder.Write("token", ApiServer::Token("admin") + "\n");
  EXPECT_EQ(peer.Failure({Verb::kGet, "/api/v1/namespaces", ""}), std::nullopt) << peer.message;
}

TEST(Kubernetes, TriesAgainAfter401And429) {
  HttpScript script;
  Peer peer(Plain(script));
  script.Answer(401, "{}");
  script.Answer(429, "{}", "Retry-After: 1\r\n");
  script.Answer(200, R"({"well": true})");
  EXPECT_EQ(peer.Get("/x"), (json{{"well", true}}));
  EXPECT_THAT(peer.statuses, ElementsAre(401, 429, 200));
  script.Answer(500, R"({"message": "broken"})");
  EXPECT_EQ(peer.Failure({Verb::kGet, "/x", ""}), Kind::kServer);
  EXPECT_EQ(peer.message, "broken");
  script.Answer(200, "not JSON");
  script.Answer(200, "not JSON either");
  EXPECT_EQ(peer.Failure({Verb::kGet, "/x", ""}), Kind::kUnreachable);
  EXPECT_THAT(script.requests().front(), HasSubstr("Authorization:Bearer secret"));
}

// It would carry the token to wherever the answer says.
TEST(Kubernetes, FollowsNoRedirect) {
  HttpScript script;
  HttpScript elsewhere;
  script.Answer(302, "", "Location: " + elsewhere.url() + "/steal\r\n");
  Peer peer(Plain(script));
  EXPECT_EQ(peer.Failure({Verb::kGet, "/x", ""}), Kind::kOther);
  EXPECT_THAT(elsewhere.requests(), SizeIs(0));
}

// The library repeats a POST by itself when a connection that it used before
// ends without an answer: four events became seven.
TEST(Kubernetes, CreatesNothingTwice) {
  HttpScript script;
  Peer peer(Plain(script));
  script.Answer(201, "{}");
  script.AnswerRaw("");
  script.Answer(201, "{}");
  EXPECT_EQ(peer.Failure({Verb::kCreate, "/x", "{}"}), std::nullopt);
  EXPECT_EQ(peer.Failure({Verb::kCreate, "/x", "{}"}), Kind::kUnreachable);
  EXPECT_THAT(script.requests(), SizeIs(2));
}

// Load balancers reset connections that were idle for a while.
TEST(Kubernetes, SurvivesResetConnections) {
  const std::string space = Server().CreateNamespace();
  TcpProxy proxy(Server().port());
  Peer peer(As("admin", proxy.port()));
  const std::string one = ConfigMaps(space) + "/one?fieldManager=test&force=true";
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(peer.Failure({Verb::kApply, one, ConfigMap("one", std::to_string(i))}), std::nullopt)
        << peer.message;
    proxy.Reset();
    EXPECT_EQ(peer.Failure({Verb::kGet, ConfigMaps(space), ""}), std::nullopt) << peer.message;
    proxy.Reset();
  }
  EXPECT_EQ(peer.Get(ConfigMaps(space) + "/one").at("data").at("k"), "4");
  proxy.Refuse(true);
  proxy.Reset();
  EXPECT_EQ(peer.Failure({Verb::kGet, ConfigMaps(space), ""}), Kind::kUnreachable);
  proxy.Refuse(false);
  EXPECT_EQ(peer.Failure({Verb::kGet, ConfigMaps(space), ""}), std::nullopt) << peer.message;
}

TEST(Kubernetes, GivesUpInTimeAndCanBeInterrupted) {
  TcpProxy proxy(Server().port());
  Peer peer(As("admin", proxy.port()), {.silence = milliseconds(500), .call = seconds(20)});
  EXPECT_NO_THROW(peer.Get("/api/v1/namespaces"));
  proxy.Stall(true);
  EXPECT_EQ(peer.Failure({Verb::kGet, "/api/v1/namespaces", ""}), Kind::kTimedOut);
  Peer patient(As("admin", proxy.port()), {.silence = seconds(60), .call = milliseconds(500)});
  EXPECT_EQ(patient.Failure({Verb::kGet, "/api/v1/namespaces", ""}), Kind::kTimedOut);
  Peer stopped(As("admin", proxy.port()), {.silence = seconds(60), .call = seconds(60)});
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(milliseconds(200));
    stop.request_stop();
  });
  EXPECT_EQ(stopped.Failure({Verb::kGet, "/api/v1/namespaces", ""}, stop.get_token()), Kind::kCancelled);
}

std::string WatchPath(const std::string& space, const std::string& version, int timeout) {
  return ConfigMaps(space) + "?watch=1&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(timeout) +
         "&resourceVersion=" + version;
}

std::string Version(Peer& peer, const std::string& space) {
  return peer.Get(ConfigMaps(space)).at("metadata").at("resourceVersion").get<std::string>();
}

TEST(Watch, DeliversEventsUntilTheServerEndsIt) {
  const std::string space = Server().CreateNamespace();
  Peer peer(As("admin"));
  const std::string version = Version(peer, space);
  // Long lines come in several pieces.
  peer.cluster.Call({Verb::kCreate, ConfigMaps(space), ConfigMap("big", std::string(300'000, 'x'))}, {});
  peer.cluster.Call({Verb::kDelete, ConfigMaps(space) + "/big", ""}, {});
  std::vector<std::string> types;
  EXPECT_EQ(peer.WatchFailure(WatchPath(space, version, 2), seconds(30),
                              [&](const json& event) {
                                const std::string type = event.at("type").get<std::string>();
                                if (type != "BOOKMARK") types.push_back(type);
                              }),
            std::nullopt)
      << peer.message;
  EXPECT_THAT(types, ElementsAre("ADDED", "DELETED"));
}

TEST(Watch, PassesOnWhatTheHandlerThrows) {
  const std::string space = Server().CreateNamespace();
  Peer peer(As("admin"));
  const std::string version = Version(peer, space);
  peer.cluster.Call({Verb::kCreate, ConfigMaps(space), ConfigMap("one")}, {});
  const auto on_event = [](const json&) { throw std::logic_error("enough"); };
  EXPECT_THROW(peer.cluster.Watch(WatchPath(space, version, 60), seconds(90), on_event, {}),
               std::logic_error);
}

TEST(Watch, NoticesAPeerThatIsGone) {
  const std::string space = Server().CreateNamespace();
  TcpProxy proxy(Server().port());
  Peer peer(As("admin", proxy.port()));
  const std::string path = WatchPath(space, Version(peer, space), 60);
  const auto ignore = [](const json&) {};
  {
    std::jthread network([&] {
      std::this_thread::sleep_for(milliseconds(300));
      proxy.Reset();
    });
    EXPECT_EQ(peer.WatchFailure(path, seconds(90), ignore), Kind::kUnreachable);
  }
  {
    // Half open: nobody says a word.
    std::jthread network([&] {
      std::this_thread::sleep_for(milliseconds(300));
      proxy.Stall(true);
    });
    EXPECT_EQ(peer.WatchFailure(path, seconds(2), ignore), Kind::kTimedOut);
  }
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(milliseconds(200));
    stop.request_stop();
  });
  EXPECT_EQ(peer.WatchFailure(path, seconds(90), ignore, stop.get_token()), Kind::kCancelled);
}

// The server has forgotten what comes after that version: 410, in the stream or
// as its answer.
TEST(Watch, IsToldThatItsVersionIsTooOld) {
  const std::string space = Server().CreateNamespace();
  Peer peer(As("admin"));
  const std::string version = Version(peer, space);
  for (int i = 0; i < 3; ++i) {
    peer.cluster.Call({Verb::kCreate, ConfigMaps(space), ConfigMap("n" + std::to_string(i))}, {});
  }
  Server().Compact();
  Server().Kill();  // and with it its cache
  Server().Start();
  const auto raise = [](const json& event) {
    if (event.at("type") == "ERROR") throw ErrorOf(event.at("object"));
  };
  EXPECT_EQ(peer.WatchFailure(WatchPath(space, version, 30), seconds(60), raise), Kind::kGone)
      << peer.message;
}

// Eight hours of watches, in short: nothing may grow.
TEST(Watch, LeavesNothingBehind) {
  const std::string space = Server().CreateNamespace();
  TcpProxy proxy(Server().port());
  Peer peer(As("admin", proxy.port()));
  const std::string path = WatchPath(space, Version(peer, space), 60);
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  const auto cycle = [&] {
    std::jthread network([&, made = proxy.connections()] {
      while (proxy.connections() == made) std::this_thread::sleep_for(milliseconds(1));
      std::this_thread::sleep_for(milliseconds(10));
      proxy.Reset();
    });
    peer.WatchFailure(path, seconds(90), [](const json&) {});
  };
  for (int i = 0; i < 5; ++i) cycle();
  const auto before = open_files();
  for (int i = 0; i < 50; ++i) cycle();
  EXPECT_LE(open_files(), before + 4);
}

}  // namespace
}  // namespace partition_controller
