// An informer on a real API server, over a network with faults.

#include "controller/informer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>

#include "controller/kubernetes.h"
#include "tests/support/api_server.h"
#include "tests/support/tcp_proxy.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

ApiServer& Server() { return ApiServer::Shared(); }

// An informer with what it has told so far: names and the values of `k`.
class Watcher {
 public:
  explicit Watcher(const std::string& path, const std::string& selector = "",
                   const std::string& user = "admin", int port = 0)
      : credentials_(Access(user, port), clock_),
        cluster_(credentials_, clock_),
        informer(
            cluster_, clock_, path, selector,
            [this](const std::vector<ObjectChange>& changes) {
              const std::lock_guard lock(mutex_);
              for (const ObjectChange& change : changes) {
                if (change.object) {
                  known_[change.key.name] = change.object->value(json::json_pointer("/data/k"), "");
                } else {
                  known_.erase(change.key.name);
                }
              }
            },
            1) {}

  // Waits until it knows just these; true then.
  bool Knows(const std::map<std::string, std::string>& expected) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(40);
    while (std::chrono::steady_clock::now() < deadline) {
      {
        const std::lock_guard lock(mutex_);
        if (informer.synced() && known_ == expected) return true;
      }
      std::this_thread::sleep_for(milliseconds(5));
    }
    const std::lock_guard lock(mutex_);
    for (const auto& [name, value] : known_) ADD_FAILURE() << "knows " << name << "=" << value;
    return false;
  }

 private:
  static ClusterAccess Access(const std::string& user, int port) {
    return FindClusterAccess(Server().Kubeconfig(user, "default", port));
  }

  SystemClock clock_;
  Credentials credentials_;
  KubernetesCluster cluster_;
  std::mutex mutex_;
  std::map<std::string, std::string> known_;

 public:
  Informer informer;  // last: its thread uses the others
};

std::string ConfigMaps(const std::string& space) { return "/api/v1/namespaces/" + space + "/configmaps"; }

// Newer servers put one of their own into every namespace.
constexpr const char* kOurs = "metadata.name!=kube-root-ca.crt";

void Set(const std::string& space, const std::string& name, const std::string& value) {
  Server().MustKubectl({"apply", "-f", "-"}, json{{"apiVersion", "v1"},
                                                  {"kind", "ConfigMap"},
                                                  {"metadata", {{"name", name}, {"namespace", space}}},
                                                  {"data", {{"k", value}}}}
                                                 .dump());
}
void Delete(const std::string& space, const std::string& name) {
  Server().MustKubectl({"delete", "configmap", "-n", space, name});
}

// What this process holds.
struct Usage {
  std::int64_t kilobytes = 0;
  std::ptrdiff_t descriptors = 0;
  std::int64_t threads = 0;
};
Usage UsageNow() {
  const auto figure = [](const std::string& name) {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(name)) return std::stoll(line.substr(name.size()));
    }
    throw std::runtime_error("/proc/self/status has no " + name);
  };
  return {figure("VmRSS:"),
          std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                        std::filesystem::directory_iterator()),
          figure("Threads:")};
}

TEST(Informer, SeesWhatHappens) {
  const std::string space = Server().CreateNamespace();
  Set(space, "a", "1");
  Watcher watcher(ConfigMaps(space), kOurs);
  EXPECT_TRUE(watcher.Knows({{"a", "1"}}));
  Set(space, "b", "2");
  Set(space, "a", "3");
  EXPECT_TRUE(watcher.Knows({{"a", "3"}, {"b", "2"}}));
  Delete(space, "a");
  EXPECT_TRUE(watcher.Knows({{"b", "2"}}));
}

TEST(Informer, CatchesUpAfterResets) {
  const std::string space = Server().CreateNamespace();
  TcpProxy proxy(Server().port());
  Set(space, "a", "1");
  Watcher watcher(ConfigMaps(space), kOurs, "admin", proxy.port());
  EXPECT_TRUE(watcher.Knows({{"a", "1"}}));
  proxy.Refuse(true);
  proxy.Reset();
  Delete(space, "a");
  Set(space, "b", "2");
  proxy.Refuse(false);
  EXPECT_TRUE(watcher.Knows({{"b", "2"}}));
  EXPECT_EQ(watcher.informer.problem(), "");
}

// What it asks for is forgotten: it lists again, and finds what is gone.
TEST(Informer, CatchesUpWhenHistoryIsLost) {
  const std::string space = Server().CreateNamespace();
  TcpProxy proxy(Server().port());
  Set(space, "a", "1");
  Set(space, "b", "1");
  Watcher watcher(ConfigMaps(space), kOurs, "admin", proxy.port());
  EXPECT_TRUE(watcher.Knows({{"a", "1"}, {"b", "1"}}));
  proxy.Refuse(true);
  proxy.Reset();
  Delete(space, "a");
  Set(space, "b", "2");
  Set(space, "c", "3");
  Server().Compact();
  Server().Kill();
  Server().Start();
  proxy.Refuse(false);
  EXPECT_TRUE(watcher.Knows({{"b", "2"}, {"c", "3"}}));
}

TEST(Informer, OutlivesTheServer) {
  const std::string space = Server().CreateNamespace();
  Set(space, "a", "1");
  Watcher watcher(ConfigMaps(space), kOurs);
  EXPECT_TRUE(watcher.Knows({{"a", "1"}}));
  Server().Kill();
  Server().Start();
  Set(space, "a", "2");
  EXPECT_TRUE(watcher.Knows({{"a", "2"}}));
}

// Hours of watches that end, in short: 10,000 of them if PC_TEST_RECONNECTS says
// so.  Each has delivered something before it is reset, so that the informer
// hurries; neither memory nor descriptors nor threads may grow with their number.
TEST(Informer, LeavesNothingBehindWhenWatchesEnd) {
  const char* setting = std::getenv("PC_TEST_RECONNECTS");  // NOLINT(concurrency-mt-unsafe): nothing sets it
  const int cycles = setting == nullptr ? 600 : std::stoi(setting);
  const std::string space = Server().CreateNamespace();
  Set(space, "a", "0");
  TcpProxy proxy(Server().port());
  Watcher watcher(ConfigMaps(space), kOurs, "admin", proxy.port());
  ASSERT_TRUE(watcher.Knows({{"a", "0"}}));
  SystemClock clock;
  Credentials credentials(FindClusterAccess(Server().Kubeconfig("admin")), clock);
  KubernetesCluster writer(credentials, clock);
  const auto cycle = [&](int number) {
    const std::string value = std::to_string(number);
    writer.Call(
        {ClusterRequest::Verb::kMerge, ConfigMaps(space) + "/a", json{{"data", {{"k", value}}}}.dump()}, {});
    ASSERT_TRUE(watcher.Knows({{"a", value}}));
    proxy.Reset();
  };
  const auto begin = std::chrono::steady_clock::now();
  const auto report = [&](int number) {
    const Usage usage = UsageNow();
    std::cout << number << " watches: " << usage.kilobytes << " KiB, " << usage.descriptors
              << " descriptors, " << usage.threads << " threads, after "
              << std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() << " s\n";
    return usage;
  };
  // Pools and caches are filled by then.
  const int warm = cycles / 3;
  for (int i = 1; i <= warm && !HasFatalFailure(); ++i) cycle(i);
  const Usage before = report(warm);
  for (int i = warm + 1; i <= cycles && !HasFatalFailure(); ++i) cycle(i);
  const Usage after = report(cycles);
  EXPECT_GE(proxy.connections(), cycles);
  EXPECT_LE(after.descriptors, before.descriptors + 4);
  EXPECT_LE(after.threads, before.threads + 2);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they hold back what is freed
  EXPECT_LE(after.kilobytes, before.kilobytes + 2048);
#endif
}

// With a role for one Secret by name, that Secret can be watched and no other.
TEST(Informer, NeedsNoMoreThanTheNamedObject) {
  const std::string space = Server().CreateNamespace();
  Server().MustKubectl({"create", "role", "one", "-n", space, "--verb=get,list,watch", "--resource=secrets",
                        "--resource-name=db"});
  Server().MustKubectl({"create", "rolebinding", "one", "-n", space, "--role=one",
                        "--serviceaccount=partition-controller:partition-controller"});
  for (const char* name : {"db", "other"}) {
    Server().MustKubectl({"create", "secret", "generic", name, "-n", space, "--from-literal=uri=x"});
  }
  const std::string secrets = "/api/v1/namespaces/" + space + "/secrets";
  Watcher allowed(secrets, "metadata.name=db", "controller");
  EXPECT_TRUE(allowed.Knows({{"db", ""}}));
  Server().MustKubectl({"delete", "secret", "db", "-n", space});
  EXPECT_TRUE(allowed.Knows({}));
  Watcher refused(secrets, "metadata.name=other", "controller");
  for (int i = 0; i < 2000 && refused.informer.problem().empty(); ++i) {
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_THAT(refused.informer.problem(), HasSubstr("cannot list resource \"secrets\""));
  EXPECT_FALSE(refused.informer.synced());
}

// The controller may be there before its own resource.
TEST(Informer, WaitsForAResourceThatIsUnknownYet) {
  Watcher watcher("/apis/edgewatch.dev/v1alpha1/partitionpolicies");
  for (int i = 0; i < 2000 && watcher.informer.problem().empty(); ++i) {
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_NE(watcher.informer.problem(), "");
  EXPECT_FALSE(watcher.informer.synced());
  Server().MustKubectl({"apply", "--validate=false", "-f", PC_CRD_FILE});
  EXPECT_TRUE(watcher.Knows({}));
}

}  // namespace
}  // namespace partition_controller
