// run --kubernetes: follows the PartitionPolicy objects of a cluster, hands them
// to the controller, and writes back how they fare.

#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "controller/bell.h"
#include "controller/commands.h"
#include "controller/connection_record.h"
#include "controller/controller.h"
#include "controller/credentials.h"
#include "controller/events.h"
#include "controller/http_server.h"
#include "controller/kubernetes.h"
#include "controller/leader.h"
#include "controller/log.h"
#include "controller/secrets.h"
#include "controller/status_pages.h"
#include "controller/status_writer.h"

namespace partition_controller {
namespace {

// How long a change may wait for others before they are acted upon together.
constexpr std::chrono::milliseconds kGather{50};
// A renewal that hangs must fail before the lease is lost.
constexpr KubernetesCluster::Limits kLeaseLimits{.silence = std::chrono::seconds(4),
                                                 .call = std::chrono::seconds(4)};
// How often signals, and statuses that could not be written, are looked after.
constexpr std::chrono::seconds kPoll{1};
// Without a turn of the loop for so long, the process is not well.
constexpr std::chrono::minutes kTurnOverdue{5};

// What the resources ask for.
struct Wanted {
  std::vector<Policy> policies;
  std::set<PolicyKey> unclear;  // those with problems
  std::set<ObjectKey> secrets;
  std::set<ConnectionSpec> connections;
};

// `lease_uid` is the Lease's under which they are looked after.
Wanted Gather(const ResourceStore::Resources& resources, const std::string& lease_uid) {
  Wanted wanted;
  for (const auto& [key, resource] : resources) {
    if (!resource->policy) {
      wanted.unclear.insert(key);
      continue;
    }
    wanted.policies.push_back(*resource->policy);
    wanted.policies.back().origin.cluster = lease_uid;
    wanted.connections.insert(resource->policy->connection);
    if (const auto& ref = resource->policy->connection.secret_ref) {
      wanted.secrets.insert({ref->name_space, ref->name});
    }
  }
  return wanted;
}

// Everything that a run in a cluster consists of, in the order of dependency.
class ClusterRun {
 public:
  ClusterRun(const Options& options, const Surroundings& around, ClusterAccess access)
      : options_(options),
        around_(around),
        credentials_(std::move(access), around.clock),
        metrics_(board_, around.clock),
        cluster_(credentials_, around.clock, KubernetesCluster::Limits(), Counting()),
        lease_cluster_(credentials_, around.clock, kLeaseLimits, Counting()),
        events_(cluster_, around.clock, around.holder),
        controller_(
            {.clock = around.clock,
             .board = board_,
             .metrics = metrics_,
             .connect = [this](const ConnectionSpec& spec) { return Connect(spec); },
             .operations = around.operations,
             .acknowledged = options.acknowledged,
             .holder = around.holder,
             .seed = std::random_device{}(),
             .leads = [this] { return Leads(); },
             .gone = [this](const PolicyKey& key, const std::stop_token& stop) { return IsGone(key, stop); },
             .on_step =
                 [this](const Policy& policy, const StepOutcome& step) {
                   if (auto event = EventOf(policy, step)) events_.Record(*std::move(event));
                 }}),
        secrets_(cluster_, around.clock, [this](const ObjectKey& key) {
          Log(Severity::kInfo, "Secret has changed",
              {{"secret", key.name}, {"secret_namespace", key.name_space}});
          controller_.Reconnect(key.name_space, key.name);
        }) {}

  int Run() {
    turned_ = around_.clock.Now();
    std::optional<HttpServer> server;
    try {
      HttpPages pages{.metrics = [this] { return metrics_.Render(); },
                      .unhealthy = [this] { return Unhealthy(); },
                      .unready = [this] { return NotReady(); }};
      AddStatusPages(
          [this] {
            return StatusPage{board_.Get(), around_.clock.Now(), !leads_, PC_VERSION};
          },
          &pages);
      server.emplace(options_.listen, std::move(pages));
    } catch (const std::runtime_error& error) {
      Log(Severity::kError, "Could not start", {{"error", error.what()}});
      return 1;
    }
    Log(Severity::kInfo, "Started",
        {{"version", PC_VERSION},
         {"listen", options_.listen},
         {"port", server->port()},
         {"cluster", credentials_.access().server}});
    Follow();
    leader_.emplace(lease_cluster_, Identity(), credentials_.access().name_space, options_.lease,
                    [this] { changed_.Ring(); });
    std::jthread writer([this](const std::stop_token& stop) { WriteStatuses(stop); });
    bool lost = false;
    while (!around_.stop.stop_requested() && !lost) {
      const bool leads = leader_->Leads();
      lost = leads_ && !leads;
      if (leads && !leads_) Log(Severity::kInfo, "Leading", {{"lease", options_.lease}});
      leads_ = leads;
      metrics_.SetLeader(options_.lease, leads);
      if (leads) Turn();
      turned_ = around_.clock.Now();
      changed_.WaitUntil(around_.clock, around_.clock.Now() + kPoll, around_.stop);
      around_.clock.WaitUntil(around_.clock.Now() + kGather, around_.stop);
    }
    leads_ = false;
    if (lost) {
      // Whoever has the lease now begins from what the databases say, as this
      // process will once it is started again.
      Log(Severity::kError, "Lost the lease; ending", {{"lease", options_.lease}});
    } else {
      Log(Severity::kInfo, "Stopping");
    }
    controller_.Stop();
    secrets_.SetSecrets({});
    writer.request_stop();
    writer.join();
    leader_->Resign();
    return lost ? 1 : 0;
  }

 private:
  // Two processes must never have the same: in containers many are number 1.
  std::string Identity() const {
    char suffix[16];
    std::snprintf(suffix, sizeof suffix, "_%08x", std::random_device{}());
    return around_.holder + suffix;
  }

  std::unique_ptr<Session> Connect(const ConnectionSpec& spec) {
    return around_.connect_with(
        spec, [this](const SecretRef& ref) { return ReadSecret(cluster_, ref, around_.stop); });
  }

  std::function<void(const char*, int)> Counting() {
    return [this, host = credentials_.access().server.substr(credentials_.access().server.find("//") + 2)](
               const char* verb, int status) { metrics_.Answered(verb, status, host); };
  }

  // Asked by workers, of which there are none before there is a leader.
  bool Leads() const { return leader_ && leader_->Leads(); }

  void Follow() {
    std::vector<std::string> namespaces = options_.namespaces;
    if (namespaces.empty()) namespaces.emplace_back();
    const MutexLock lock(mutex_);
    for (const std::string& name : namespaces) {
      informers_.push_back(std::make_unique<Informer>(
          cluster_, around_.clock, PoliciesPath(name), "",
          [this](const std::vector<ObjectChange>& changes) {
            store_.Update(changes);
            changed_.Ring();
          },
          std::random_device{}()));
    }
  }

  // Empty if every list has been there once: until then, a policy that is not
  // known need not be one that is gone.
  std::string Unsynced() {
    const MutexLock lock(mutex_);
    for (const auto& informer : informers_) {
      if (informer->synced()) continue;
      const std::string problem = informer->problem();
      return "the policies have not been listed yet" + (problem.empty() ? "" : ": " + problem);
    }
    return informers_.empty() ? "just started" : "";
  }

  // Whether a policy was deleted.  That it is missing from a complete list is not
  // enough: the server itself must say so, and must know what policies are (it
  // answers 404 as well when it has lost the definition).
  std::optional<bool> IsGone(const PolicyKey& key, const std::stop_token& stop) {
    const std::vector<std::string>& followed = options_.namespaces;
    if (!followed.empty() && std::find(followed.begin(), followed.end(), key.name_space) == followed.end()) {
      return false;  // not ours to say
    }
    if (!Unsynced().empty() || !Leads()) return std::nullopt;
    if (store_.Get().contains(key)) return false;
    try {
      const std::string path = PoliciesPath(key.name_space);
      try {
        cluster_.Call({ClusterRequest::Verb::kGet, path + "/" + key.name, ""}, stop);
        return false;
      } catch (const ClusterError& error) {
        if (error.kind() != ClusterError::Kind::kNotFound) throw;
      }
      cluster_.Call({ClusterRequest::Verb::kGet, path + "?limit=1", ""}, stop);
      return true;
    } catch (const ClusterError& error) {
      Log(Severity::kWarning, "Could not learn whether a policy still exists",
          {{"policy", key.name}, {"policy_namespace", key.name_space}, {"error", error.what()}});
      return std::nullopt;
    }
  }

  void Turn() {
    if (!Unsynced().empty()) return;
    const ResourceStore::Resources resources = store_.Get();
    if (!synced_ || resources != given_) {
      Wanted wanted = Gather(resources, leader_->lease_uid());
      if (!synced_) recorded_ = ReadRecord(leader_->note());
      const bool deleted = std::any_of(given_.begin(), given_.end(),
                                       [&](const auto& entry) { return !resources.contains(entry.first); });
      // It may have kept a table there before it had another connection or none.
      const bool look = !synced_ || deleted;
      const std::vector<Policy> former = look ? Former(wanted.connections) : std::vector<Policy>{};
      recorded_.insert(wanted.connections.begin(), wanted.connections.end());
      // Before anything is done there, or nobody would find it.
      if (!leader_->SetNote(ToRecord(recorded_))) return;
      given_ = resources;
      connections_ = std::move(wanted.connections);
      board_.SetSpecs(static_cast<int>(wanted.unclear.size()), true);
      secrets_.SetSecrets(wanted.secrets);
      controller_.SetPolicies(wanted.policies, wanted.unclear, former);
      if (!synced_) Log(Severity::kInfo, "Loaded policies", {{"policies", resources.size()}});
      synced_ = true;
    }
    for (const ConnectionSpec& connection : controller_.TakeSettled()) {
      if (!connections_.contains(connection)) recorded_.erase(connection);
    }
    leader_->SetNote(ToRecord(recorded_));
    if (around_.reload()) controller_.ReconcileNow();
  }

  // For each connection on record that no policy has any more, as much of one as
  // it takes to look there.
  std::vector<Policy> Former(const std::set<ConnectionSpec>& wanted) const {
    std::vector<Policy> former;
    for (const ConnectionSpec& connection : recorded_) {
      if (wanted.contains(connection)) continue;
      former.emplace_back().connection = connection;
      former.back().origin.cluster = leader_->lease_uid();
    }
    return former;
  }

  void WriteStatuses(const std::stop_token& stop) {
    StatusWriter writer(cluster_, around_.clock, [this](EventNote note) { events_.Record(std::move(note)); });
    while (!stop.stop_requested()) {
      // Asked of the lease itself: one that slept must not write what it knew.
      if (leads_ && Leads()) {
        writer.Write(store_.Get(), *board_.Get(), stop);
        events_.Flush(stop);
      }
      written_.WaitUntil(around_.clock, around_.clock.Now() + kPoll, stop);
    }
  }

  std::string Unhealthy() const {
    if (around_.clock.Now() - turned_.load() > kTurnOverdue)
      return "the policies have not been looked at lately";
    return controller_.Unhealthy();
  }

  std::string NotReady() {
    if (std::string why = Unsynced(); !why.empty()) return why;
    // Who does not lead has looked at nothing, and is ready to take over.
    return leads_ ? Unready(*board_.Get()) : "";
  }

  const Options& options_;
  const Surroundings& around_;
  Credentials credentials_;
  Board board_;
  Metrics metrics_;
  KubernetesCluster cluster_;
  KubernetesCluster lease_cluster_;
  EventRecorder events_;
  ResourceStore store_;
  Bell changed_;
  Bell written_;
  std::atomic<Instant> turned_{};
  std::atomic<bool> leads_{false};
  std::optional<Leader> leader_;
  bool synced_ = false;
  ResourceStore::Resources given_;
  std::set<ConnectionSpec> connections_;  // of the policies that were given
  std::set<ConnectionSpec> recorded_;     // and of former ones
  Controller controller_;
  SecretWatch secrets_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Informer>> informers_ PC_GUARDED_BY(mutex_);  // last: they use the others
};

}  // namespace

int RunInCluster(const Options& options, const Surroundings& around) {
  SetLogThreshold(options.log_level);
  std::optional<ClusterAccess> access;
  try {
    access = FindClusterAccess(options.kubeconfig, options.context);
  } catch (const ClusterError& error) {
    Log(Severity::kError, "Could not start", {{"error", error.what()}});
    return 1;
  }
  return ClusterRun(options, around, *std::move(access)).Run();
}

}  // namespace partition_controller
