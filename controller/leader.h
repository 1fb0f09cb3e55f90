// Of several controllers one works and the others stand by: who holds the Lease
// (coordination.k8s.io).
//
// This is a courtesy, not a lock: a process that was stopped for a while still
// believes that it leads when it goes on.  What it does to a database then is
// refused there (the terms of partition_controller.tables).

#ifndef PARTITION_CONTROLLER_CONTROLLER_LEADER_H_
#define PARTITION_CONTROLLER_CONTROLLER_LEADER_H_

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "controller/bell.h"
#include "controller/cluster.h"
#include "controller/mutex.h"
#include "reconcilers/instant.h"

namespace partition_controller {

// The annotation of the Lease in which its holder leaves word for its successors.
inline constexpr const char* kConnections = "edgewatch.dev/connections";

struct LeaseTerms {
  std::chrono::seconds lease{15};  // after so long without a renewal others may take it
  std::chrono::seconds renew{10};  // after so long its holder stops by itself
  std::chrono::seconds retry{2};   // between two tries
};

// The decisions, without the network.  `steady` times come from a clock that is
// never set: what others write into the Lease is not compared with our clock,
// only how long it has not changed.  Not thread-safe.
class Election {
 public:
  explicit Election(std::string identity, LeaseTerms terms = {})
      : identity_(std::move(identity)), terms_(terms) {}

  // The Lease as it is on the server; nothing: there is none.
  void Observe(const std::optional<nlohmann::json>& lease, Instant steady);

  // From when on to try to take it, or to renew it; the epoch: now.
  Instant ClaimFrom() const;
  bool MayClaim(Instant steady) const { return steady >= ClaimFrom(); }

  // The Lease that says it is ours, to be created or to replace the observed
  // one.  `wall` is the time that people read.
  nlohmann::json Claim(const std::string& name_space, const std::string& name, Instant wall) const;

  // What claims carry from now on as the annotation; false: as before.
  bool SetNote(const std::string& note) { return std::exchange(note_, note) != note; }
  // The annotation as it was seen last.
  std::string note() const;
  bool NoteDue() const { return note_ && *note_ != note(); }

  // The server accepted a claim that was sent at `sent`.
  void Won(const nlohmann::json& lease, Instant sent);

  // The Lease that lets others have it at once; nothing if it is not ours.
  std::optional<nlohmann::json> Release(Instant wall) const;

  // Whether it is ours, and was renewed lately enough.
  bool Leads(Instant steady) const;
  const std::string& holder() const { return holder_; }
  // metadata.uid of the Lease that was seen last; empty if there is none.
  std::string lease_uid() const;

 private:
  const std::string identity_;
  const LeaseTerms terms_;
  std::optional<nlohmann::json> lease_;
  std::string holder_;
  std::optional<std::string> note_;  // nothing: as it is
  Instant changed_{};                // when the record was last seen to change
  std::optional<Instant> renewed_;
};

// Takes part in the election until it is destroyed.  Thread-safe.
class Leader {
 public:
  // `cluster` must answer, or fail, well within terms.renew.  `on_change` is
  // called when it begins or ceases to lead, and when a note was written.
  Leader(Cluster& cluster, std::string identity, std::string name_space, std::string name,
         std::function<void()> on_change, LeaseTerms terms = {});
  ~Leader() = default;
  Leader(const Leader&) = delete;
  Leader& operator=(const Leader&) = delete;

  // Asks no one: it can be relied on when the API server is away as well.
  bool Leads() const;

  // The uid of the Lease.  It stays the same as long as this process leads, and
  // for its successors until somebody deletes the Lease.
  std::string lease_uid() const;

  // Of its holder: what was left there, by itself or by those before it.
  std::string note() const;
  // Has another note written at once.  False until it is there; `on_change` is
  // called then.
  bool SetNote(const std::string& note);

  // What keeps it from taking part; empty: nothing.
  std::string problem() const;

  // Gives the Lease back, and takes part no longer.  Only when all work has
  // ended.
  void Resign();

 private:
  void Run(const std::stop_token& stop);
  void TryOnce(const std::stop_token& stop);
  bool NoteDue() const;
  std::string Path() const;

  Cluster& cluster_;
  const std::string name_space_;
  const std::string name_;
  const std::function<void()> on_change_;
  const LeaseTerms terms_;
  Bell wake_;
  mutable Mutex mutex_;
  Election election_ PC_GUARDED_BY(mutex_);
  std::string problem_ PC_GUARDED_BY(mutex_);
  std::jthread thread_;  // last: it uses the others
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_LEADER_H_
