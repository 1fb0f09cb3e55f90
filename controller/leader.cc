#include "controller/leader.h"

#include <algorithm>
#include <random>

#include "controller/clock.h"
#include "controller/json_text.h"
#include "controller/log.h"
#include "controller/resource.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using Kind = ClusterError::Kind;
using Verb = ClusterRequest::Verb;

// A record that makes no sense must not keep everybody out for ever.
constexpr std::chrono::seconds kLongestLease{3600};
constexpr double kJitter = 0.2;

const json& Spec(const json& lease) {
  static const json kNone = json::object();
  return lease.is_object() && lease.contains("spec") && lease.at("spec").is_object() ? lease.at("spec")
                                                                                     : kNone;
}

std::int64_t Number(const json& object, const char* key, std::int64_t otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}

Instant Steady() {
  return Instant(
      std::chrono::duration_cast<Instant::duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

Instant Wall() { return SystemClock().Now(); }

}  // namespace

void Election::Observe(const std::optional<json>& lease, Instant steady) {
  const bool same = lease.has_value() == lease_.has_value() && (!lease || Spec(*lease) == Spec(*lease_));
  if (!same || changed_ == Instant{}) changed_ = steady;
  lease_ = lease;
  holder_ = lease ? TextOf(Spec(*lease), "holderIdentity") : "";
  // Somebody has taken it, or an administrator has deleted it.
  if (holder_ != identity_) renewed_.reset();
}

Instant Election::ClaimFrom() const {
  if (!lease_ || holder_.empty() || holder_ == identity_) return {};
  const std::int64_t duration = std::clamp<std::int64_t>(
      Number(Spec(*lease_), "leaseDurationSeconds", terms_.lease.count()), 1, kLongestLease.count());
  return changed_ + std::chrono::seconds(duration);
}

json Election::Claim(const std::string& name_space, const std::string& name, Instant wall) const {
  json lease = lease_.value_or(json{{"apiVersion", "coordination.k8s.io/v1"},
                                    {"kind", "Lease"},
                                    {"metadata", {{"name", name}, {"namespace", name_space}}}});
  const json before = Spec(lease);
  json spec = before;
  const std::string now = MicroTime(wall);
  if (holder_ != identity_ || TextOf(before, "acquireTime").empty()) spec["acquireTime"] = now;
  std::int64_t transitions = Number(before, "leaseTransitions", 0);
  if (lease_ && holder_ != identity_) ++transitions;
  spec["holderIdentity"] = identity_;
  spec["leaseDurationSeconds"] = terms_.lease.count();
  spec["leaseTransitions"] = transitions;
  spec["renewTime"] = now;
  lease["spec"] = spec;
  if (note_) lease["metadata"]["annotations"][kConnections] = *note_;
  return lease;
}

void Election::Won(const json& lease, Instant sent) {
  Observe(lease, sent);
  // From when it was sent: for others it is not younger.
  if (holder_ == identity_) renewed_ = sent;
}

std::optional<json> Election::Release(Instant wall) const {
  if (!lease_ || holder_ != identity_) return std::nullopt;
  json lease = *lease_;
  lease["spec"]["holderIdentity"] = "";
  lease["spec"]["leaseDurationSeconds"] = 1;
  lease["spec"]["renewTime"] = MicroTime(wall);
  return lease;
}

bool Election::Leads(Instant steady) const {
  return holder_ == identity_ && renewed_ && steady < *renewed_ + terms_.renew;
}

std::string Election::lease_uid() const {
  if (!lease_ || !lease_->is_object() || !lease_->contains("metadata")) return "";
  return TextOf(lease_->at("metadata"), "uid");
}

std::string Election::note() const {
  if (!lease_ || !lease_->is_object()) return "";
  const auto metadata = lease_->find("metadata");
  if (metadata == lease_->end() || !metadata->is_object()) return "";
  const auto annotations = metadata->find("annotations");
  return annotations == metadata->end() ? "" : TextOf(*annotations, kConnections);
}

Leader::Leader(Cluster& cluster, std::string identity, std::string name_space, std::string name,
               std::function<void()> on_change, LeaseTerms terms)
    : cluster_(cluster),
      name_space_(std::move(name_space)),
      name_(std::move(name)),
      on_change_(std::move(on_change)),
      terms_(terms),
      election_(std::move(identity), terms),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

bool Leader::Leads() const {
  const MutexLock lock(mutex_);
  return election_.Leads(Steady());
}

std::string Leader::lease_uid() const {
  const MutexLock lock(mutex_);
  return election_.lease_uid();
}

std::string Leader::note() const {
  const MutexLock lock(mutex_);
  return election_.note();
}

bool Leader::SetNote(const std::string& note) {
  const MutexLock lock(mutex_);
  if (election_.SetNote(note) && election_.NoteDue()) wake_.Ring();
  return !election_.NoteDue();
}

bool Leader::NoteDue() const {
  const MutexLock lock(mutex_);
  return election_.NoteDue();
}

std::string Leader::problem() const {
  const MutexLock lock(mutex_);
  return problem_;
}

std::string Leader::Path() const {
  return "/apis/coordination.k8s.io/v1/namespaces/" + name_space_ + "/leases";
}

void Leader::Run(const std::stop_token& stop) {
  SystemClock clock;
  std::minstd_rand random(std::random_device{}());
  bool led = false;
  while (!stop.stop_requested()) {
    const bool note_due = NoteDue();
    try {
      TryOnce(stop);
      const MutexLock lock(mutex_);
      problem_.clear();
    } catch (const ClusterError& error) {
      if (stop.stop_requested()) return;
      const MutexLock lock(mutex_);
      // Who came first is nobody's problem.
      const bool race = error.kind() == Kind::kConflict || error.kind() == Kind::kExists;
      if (!race && problem_.empty()) {
        Log(Severity::kWarning, "Cannot take part in the election",
            {{"lease", name_}, {"error", error.what()}});
      }
      problem_ = race ? "" : error.what();
    }
    const bool leads = Leads();
    if (leads != led || (note_due && !NoteDue())) on_change_();
    led = leads;
    const double wait = static_cast<double>(terms_.retry.count()) *
                        (1 + kJitter * std::uniform_real_distribution<double>()(random));
    auto pause = std::chrono::duration_cast<Instant::duration>(std::chrono::duration<double>(wait));
    {
      // Who waits for a lease to run out is there when it does.
      const MutexLock lock(mutex_);
      const auto left = election_.ClaimFrom() - Steady();
      if (left > Instant::duration(0)) pause = std::min(pause, left);
    }
    wake_.WaitUntil(clock, clock.Now() + pause, stop);
  }
}

void Leader::TryOnce(const std::stop_token& stop) {
  const auto look = [&]() -> std::optional<json> {
    try {
      return cluster_.Call({Verb::kGet, Path() + "/" + name_, ""}, stop);
    } catch (const ClusterError& error) {
      if (error.kind() != Kind::kNotFound) throw;
      return std::nullopt;
    }
  };
  // Its holder knows what is there, unless it is told otherwise.
  if (!Leads()) {
    const std::optional<json> lease = look();
    const MutexLock lock(mutex_);
    election_.Observe(lease, Steady());
  }
  std::optional<json> claim;
  {
    const MutexLock lock(mutex_);
    if (election_.MayClaim(Steady())) claim = election_.Claim(name_space_, name_, Wall());
  }
  if (!claim) return;
  const Instant sent = Steady();
  try {
    const bool exists = claim->at("metadata").contains("resourceVersion");
    const json won =
        cluster_.Call(exists ? ClusterRequest{Verb::kReplace, Path() + "/" + name_, claim->dump()}
                             : ClusterRequest{Verb::kCreate, Path(), claim->dump()},
                      stop);
    const MutexLock lock(mutex_);
    election_.Won(won, sent);
  } catch (const ClusterError& error) {
    if (error.kind() == Kind::kConflict || error.kind() == Kind::kExists || error.kind() == Kind::kNotFound) {
      const std::optional<json> lease = look();
      const MutexLock lock(mutex_);
      election_.Observe(lease, Steady());
    }
    throw;
  }
}

void Leader::Resign() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  std::optional<json> release;
  {
    const MutexLock lock(mutex_);
    release = election_.Release(Wall());
  }
  if (!release) return;
  try {
    cluster_.Call({Verb::kReplace, Path() + "/" + name_, release->dump()}, {});
    Log(Severity::kInfo, "Gave the lease back", {{"lease", name_}});
  } catch (const ClusterError& error) {
    Log(Severity::kWarning, "Could not give the lease back", {{"lease", name_}, {"error", error.what()}});
  }
}

}  // namespace partition_controller
