#include "controller/controller.h"

#include <algorithm>
#include <chrono>

#include "reconcilers/rollup_tables.h"

namespace partition_controller {
namespace {

// A Cancel that comes between two statements is lost, so it is repeated.
constexpr std::chrono::milliseconds kCancelAgain{100};

// The policies of each database, in the order of their first one.
std::vector<std::vector<Policy>> ByDatabase(const std::vector<Policy>& policies) {
  std::vector<std::vector<Policy>> groups;
  for (const Policy& policy : policies) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const std::vector<Policy>& some) {
      return some.front().connection == policy.connection;
    });
    if (group == groups.end()) {
      groups.push_back({policy});
    } else {
      group->push_back(policy);
    }
  }
  return groups;
}

}  // namespace

void Controller::SetPolicies(const std::vector<Policy>& written, const std::set<PolicyKey>& unclear,
                             const std::vector<Policy>& former) {
  const std::vector<Policy> policies = WithRollupTables(written);
  std::set<PolicyKey> existing = unclear;
  for (const Policy& policy : policies) existing.insert(KeyOf(policy));
  // Nobody knows what those say of their rollups either.
  std::vector<PolicyKey> theirs;
  // Held while it is gone through: a worker's edit drops the board's own.
  const std::shared_ptr<const Snapshot> board = environment_.board.Get();
  for (const auto& [key, state] : board->policies) {
    if (unclear.contains({key.name_space, WrittenName(key.name)})) theirs.push_back(key);
  }
  existing.insert(theirs.begin(), theirs.end());
  std::vector<std::vector<Policy>> groups = ByDatabase(policies);

  const MutexLock lock(mutex_);
  GatherEnded();
  for (Seat& seat : seats_) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const std::vector<Policy>& some) {
      return some.front().connection == seat.worker->connection();
    });
    const bool wanted = group != groups.end();
    const bool took = seat.worker->SetPolicies(wanted ? *group : std::vector<Policy>{}, existing);
    if (wanted && took) groups.erase(group);
  }
  for (const std::vector<Policy>& group : groups) Start(group.front(), group);
  for (const Policy& any : former) {
    const bool attended = std::any_of(seats_.begin(), seats_.end(), [&](const Seat& seat) {
      return seat.worker->connection() == any.connection;
    });
    if (!attended) Start(any, {});
  }
  for (const PolicyKey& key : theirs) environment_.board.Remove(key);
  environment_.metrics.SetWorkers(static_cast<int>(seats_.size()));
}

// Workers that have nothing left end by themselves.
void Controller::GatherEnded() {
  for (Seat& seat : seats_) {
    if (!seat.worker->ended()) continue;
    seat.thread.join();
    if (seat.worker->settled()) settled_.push_back(seat.worker->connection());
  }
  std::erase_if(seats_, [](const Seat& seat) { return !seat.thread.joinable(); });
  environment_.metrics.SetWorkers(static_cast<int>(seats_.size()));
}

std::vector<ConnectionSpec> Controller::TakeSettled() {
  const MutexLock lock(mutex_);
  GatherEnded();
  return std::exchange(settled_, {});
}

void Controller::Start(const Policy& any, const std::vector<Policy>& policies) {
  auto worker = std::make_unique<Worker>(any, environment_);
  worker->SetPolicies(policies, {});
  std::jthread thread([worker = worker.get()](const std::stop_token& stop) { worker->Run(stop); });
  seats_.push_back({std::move(worker), std::move(thread)});
}

void Controller::ReconcileNow() {
  const MutexLock lock(mutex_);
  for (Seat& seat : seats_) seat.worker->ReconcileNow();
}

void Controller::Reconnect(const std::string& name_space, const std::string& secret) {
  const MutexLock lock(mutex_);
  for (Seat& seat : seats_) {
    const auto& ref = seat.worker->connection().secret_ref;
    if (ref && ref->name_space == name_space && ref->name == secret) seat.worker->ReconcileNow(true);
  }
}

std::string Controller::Unhealthy() const {
  const MutexLock lock(mutex_);
  const bool stuck =
      std::any_of(seats_.begin(), seats_.end(), [](const Seat& s) { return s.worker->Stuck(); });
  return stuck ? "a worker has been stuck for longer than its policies' time limits" : "";
}

void Controller::Stop() {
  std::vector<Worker*> workers;
  {
    const MutexLock lock(mutex_);
    for (Seat& seat : seats_) {
      seat.thread.request_stop();
      workers.push_back(seat.worker.get());
    }
  }
  // Each in its own thread: a database that does not answer, not even to a
  // cancel request, must not keep the others running.
  std::vector<std::jthread> cancellers;
  cancellers.reserve(workers.size());
  for (Worker* worker : workers) {
    cancellers.emplace_back([worker] {
      while (!worker->ended()) {
        worker->Cancel();
        std::this_thread::sleep_for(kCancelAgain);
      }
    });
  }
}

std::string Unready(const Snapshot& snapshot) {
  if (!snapshot.specs_known) return "the policies have not all been read well yet; see the log";
  const auto untried = std::count_if(snapshot.policies.begin(), snapshot.policies.end(),
                                     [](const auto& entry) { return !entry.second->tried; });
  if (untried > 0) return std::to_string(untried) + " policies have not been looked at yet";
  return "";
}

}  // namespace partition_controller
