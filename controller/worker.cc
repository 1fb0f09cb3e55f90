// What a worker looks after and when; worker_run.cc is what it then does.

#include "controller/worker.h"

#include <algorithm>
#include <utility>

#include "controller/backoff.h"

namespace partition_controller {
namespace {

// Policies whose turns lie this close together share one catalog query.
constexpr std::chrono::seconds kTogether{1};
// The longest sleep of a worker that waits for nothing in particular.
constexpr std::chrono::hours kLongSleep{1};
// Beyond its statements' own time limit, twice.
constexpr std::chrono::minutes kPatience{5};

bool SameSpec(const Policy& a, Policy b) {
  b.origin = a.origin;
  return a == b;
}

std::string Label(const TableName& table) { return table.schema + "." + table.name; }

}  // namespace

Worker::Worker(const Policy& any, const Environment& environment)
    : environment_(environment), random_(environment.seed) {
  any_.connection = any.connection;
  any_.locks = any.locks;
  any_.origin.cluster = any.origin.cluster;
}

bool Worker::SetPolicies(const std::vector<Policy>& policies, const std::set<PolicyKey>& existing) {
  const MutexLock lock(mutex_);
  if (ended_) return false;
  looked_last_ = false;
  const Instant now = environment_.clock.Now();
  std::set<PolicyKey> wanted;
  for (const Policy& policy : policies) {
    const PolicyKey key = KeyOf(policy);
    wanted.insert(key);
    std::erase_if(deleted_, [&](const Deleted& deleted) { return KeyOf(deleted.policy) == key; });
    const bool is_new = !entries_.contains(key);
    Entry& entry = entries_[key];
    if (!is_new && entry.policy == policy) continue;
    const bool holds = !is_new && policy.origin.hold && !entry.policy.origin.hold;
    const bool same_spec = !is_new && SameSpec(entry.policy, policy) && !holds;
    entry.policy = policy;
    ++entry.version;
    entry.due = now;
    entry.failures = 0;
    entry.build_failure.reset();
    // What it was doing may be what the change is meant to prevent; somebody who
    // only asks for a look, or consents, does not mean to prevent anything.
    if (!same_spec) {
      if (running_ == key) interrupt_.request_stop();
      StopBuild(key);
    }
    environment_.metrics.Queued();
    environment_.board.Edit(key, [&](PolicyState& state) {
      if (is_new) state = {};
      state.table = Label(policy.table);
      state.next_run = now;
    });
  }
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto& [key, entry] = *it;
    if (wanted.contains(key)) {
      ++it;
      continue;
    }
    if (running_ == key) interrupt_.request_stop();
    StopBuild(key);
    if (existing.contains(key)) {
      if (entry.may_own) parked_.insert(key);
    } else {
      if (entry.may_own) deleted_.push_back({entry.policy, now});
      environment_.board.Remove(key);
    }
    it = entries_.erase(it);
  }
  std::erase_if(parked_, [&](const PolicyKey& key) {
    const bool deleted = !existing.contains(key);
    search_ = search_ || (deleted && !wanted.contains(key));
    return deleted || wanted.contains(key);
  });
  wake_.request_stop();
  return true;
}

void Worker::ReconcileNow(bool reconnect) {
  const MutexLock lock(mutex_);
  not_before_ = {};
  reconnect_ = reconnect_ || reconnect;
  for (auto& [key, entry] : entries_) entry.due = environment_.clock.Now();
  wake_.request_stop();
}

void Worker::Run(const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] {
    const MutexLock lock(mutex_);
    wake_.request_stop();
  });
  for (;;) {
    std::stop_token wake;
    {
      const MutexLock lock(mutex_);
      if (wake_.stop_requested()) wake_ = std::stop_source();
      wake = wake_.get_token();
    }
    // Asked after `wake` was taken, so that no stop goes unnoticed.
    if (stop.stop_requested()) break;
    const Instant next = RunDue(stop);
    if (NothingLeft()) break;
    environment_.clock.WaitUntil(next, wake);
  }
  DropSession();
  std::list<Build> builds;
  {
    const MutexLock lock(mutex_);
    builds.swap(builds_);
  }
  builds.clear();  // ends them
  const MutexLock lock(mutex_);
  ended_ = true;
}

void Worker::StopBuild(const PolicyKey& key) {
  for (Build& build : builds_) {
    if (build.key == key) build.thread.request_stop();
  }
}

bool Worker::TakeReconnect() {
  const MutexLock lock(mutex_);
  return std::exchange(reconnect_, false);
}

bool Worker::TakeSearch() {
  const MutexLock lock(mutex_);
  return std::exchange(search_, false);
}

void Worker::DropSession() {
  {
    const MutexLock lock(session_mutex_);
    cancellable_ = nullptr;
  }
  session_.reset();
}

bool Worker::LastLookDue() const {
  const MutexLock lock(mutex_);
  return environment_.gone && Idle() && !looked_last_ && not_before_ <= environment_.clock.Now();
}

bool Worker::NothingLeft() {
  const MutexLock lock(mutex_);
  ended_ = Idle() && (looked_last_ || !environment_.gone);
  return ended_;
}

void Worker::Cancel() {
  const MutexLock lock(session_mutex_);
  if (cancellable_ != nullptr) cancellable_->Cancel();
}

bool Worker::ended() const {
  const MutexLock lock(mutex_);
  return ended_;
}

bool Worker::settled() const {
  const MutexLock lock(mutex_);
  return settled_;
}

bool Worker::Stuck() const {
  const MutexLock lock(mutex_);
  if (!beat_) return false;
  std::chrono::milliseconds longest = any_.locks.statement_timeout;
  for (const auto& [key, entry] : entries_) longest = std::max(longest, entry.policy.locks.statement_timeout);
  return environment_.clock.Now() - *beat_ > 2 * longest + kPatience;
}

std::vector<Worker::Job> Worker::TakeDue() {
  const MutexLock lock(mutex_);
  const Instant now = environment_.clock.Now();
  // A clock that was set back must not put everything to sleep.
  if (now < last_look_ - kTogether) {
    not_before_ = {};
    for (auto& [key, entry] : entries_) entry.due = now;
  }
  last_look_ = now;
  std::vector<Job> jobs;
  if (now < not_before_) return jobs;
  for (const auto& [key, entry] : entries_) {
    if (entry.due <= now + kTogether) jobs.push_back({key, entry.policy, entry.version});
  }
  return jobs;
}

std::vector<Policy> Worker::TakeDeleted() {
  const MutexLock lock(mutex_);
  const Instant now = environment_.clock.Now();
  std::vector<Policy> due;
  for (const Deleted& deleted : deleted_) {
    if (deleted.due <= now && not_before_ <= now) due.push_back(deleted.policy);
  }
  return due;
}

Instant Worker::NextDue() const {
  const MutexLock lock(mutex_);
  Instant next = environment_.clock.Now() + kLongSleep;
  for (const auto& [key, entry] : entries_) next = std::min(next, entry.due);
  for (const Deleted& deleted : deleted_) next = std::min(next, deleted.due);
  if (Idle()) next = environment_.clock.Now();
  return std::max(next, not_before_);
}

Worker::Entry* Worker::Find(const Job& job) {
  const auto it = entries_.find(job.key);
  return it != entries_.end() && it->second.version == job.version ? &it->second : nullptr;
}

std::chrono::milliseconds Worker::Delay(int failures) {
  return Backoff(failures, std::uniform_real_distribution<double>()(random_));
}

void Worker::Beat() {
  const MutexLock lock(mutex_);
  beat_ = environment_.clock.Now();
}

}  // namespace partition_controller
