// One worker looks after the policies of one database (one connection and
// role): a thread and a session of its own, so that a slow database delays no
// other.
//
// Run and RunDue belong to that thread; everything else may be called from any.

#ifndef PARTITION_CONTROLLER_CONTROLLER_WORKER_H_
#define PARTITION_CONTROLLER_CONTROLLER_WORKER_H_

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "controller/converge.h"
#include "controller/metrics.h"
#include "controller/mutex.h"
#include "controller/snapshot.h"

namespace partition_controller {

// What all workers share.  Everything referred to must outlive them.
struct Environment {
  Clock& clock;
  Board& board;
  Metrics& metrics;
  Connector connect;
  Operations operations;
  std::vector<std::string> acknowledged;
  std::string holder;  // names this process in the bookkeeping, for people
  unsigned seed = 0;   // of the jitter
  // Whether this process may work; unset: there is no other.
  std::function<bool()> leads = nullptr;
  // Whether a policy that nobody handed in exists nowhere any more, for certain;
  // nothing: that cannot be known now.  Unset: nobody can know.
  std::function<std::optional<bool>(const PolicyKey&, const std::stop_token&)> gone = nullptr;
  // After each step, in the worker's thread; must not wait.
  std::function<void(const Policy&, const StepOutcome&)> on_step = nullptr;
};

class Worker {
 public:
  // `any` policy that the database has or had: how it is looked at without one.
  Worker(const Policy& any, const Environment& environment);

  const ConnectionSpec& connection() const { return any_.connection; }

  // The policies of this database from now on.  Of those that are no longer
  // among them, the ones in `existing` only moved elsewhere; the others were
  // deleted, and their tables are released.  False if the worker has ended.
  bool SetPolicies(const std::vector<Policy>& policies, const std::set<PolicyKey>& existing);

  // Makes every policy due; with a new session if `reconnect`.
  void ReconcileNow(bool reconnect = false);

  // Until `stop`, or until there is nothing left to look after.
  void Run(const std::stop_token& stop);

  // Of one that has ended: it saw that policies of this cluster, deleted ones
  // included, keep no table here any more.
  bool settled() const;

  // Does all that is due; returns when to come back.  Indexes are built meanwhile,
  // on threads and sessions of their own.
  Instant RunDue(const std::stop_token& stop);

  // Makes the statement that is running fail soon.
  void Cancel();
  bool ended() const;

  // Whether a policy has been worked on for longer than its own time limits
  // allow, with nothing moving.
  bool Stuck() const;

 private:
  struct Entry {
    Policy policy;
    std::uint64_t version = 0;  // grows with every change of the policy
    Instant due{};
    int failures = 0;                      // in a row
    bool may_own = true;                   // the bookkeeping may name it as the table's keeper
    bool claimed = false;                  // this process has taken the table over
    std::string refused;                   // what was refused last, so that it is logged once
    std::optional<Failure> build_failure;  // of its last index
  };
  struct Deleted {
    Policy policy;
    Instant due{};
    int failures = 0;
    bool found = false;  // in the bookkeeping: its connection was another policy's
  };
  // An index that is being built; it may take hours.
  struct Build {
    PolicyKey key;
    bool ended = false;
    std::jthread thread;
  };
  struct Job {
    PolicyKey key;
    Policy policy;
    std::uint64_t version = 0;
  };
  struct Seen {
    Now now;
    std::vector<std::optional<Catalog>> catalogs;  // one for each job; nothing: it failed
  };

  // What is due, and when (worker.cc).
  std::vector<Job> TakeDue();
  std::vector<Policy> TakeDeleted();
  bool Idle() const PC_REQUIRES(mutex_) { return entries_.empty() && deleted_.empty(); }
  bool LastLookDue() const;
  bool NothingLeft();
  Instant NextDue() const;
  // Nothing if the policy has changed or gone since the job was taken.
  Entry* Find(const Job& job) PC_REQUIRES(mutex_);
  std::chrono::milliseconds Delay(int failures);
  bool TakeReconnect();
  bool TakeSearch();
  void DropSession();
  void Beat();

  // The work (worker_run.cc).
  void Open();
  bool EnsureSession(const std::vector<Job>& jobs);
  void LoseSession(const Failure& failure, const std::vector<Job>& jobs);
  // Takes tables for deleted whose policies went while nobody ran, once for each
  // session.
  void FindOrphans(const std::vector<Job>& jobs, const Seen& seen, const std::stop_token& stop);
  void Search(const Policy& any, const Server& server, const std::stop_token& stop);
  // Before it ends: what others left behind here that no policy leads to.
  void LastLook(const std::stop_token& stop);
  void ReleaseDeleted(const std::vector<Policy>& deleted, const std::stop_token& stop);
  void ReleaseFailed(const Policy& policy, const Failure& failure);
  // `reused`: the session is from an earlier run.
  Seen ReadAll(const std::vector<Job>& jobs, bool reused, const std::stop_token& stop);
  void Reconcile(const Job& job, const Now& now, Catalog catalog, const std::stop_token& stop);
  // Takes a table over that another process looked after, once.
  void Claim(const Job& job, const Convergence& result);
  Conduct ConductFor(const Policy& policy, const std::stop_token& stop);
  void BuildElsewhere(const Policy& policy, const std::string& statement);
  void StopBuild(const PolicyKey& key) PC_REQUIRES(mutex_);
  void Finish(const Job& job, const Convergence& result, Instant began);
  void Fail(const Job& job, const Failure& failure, Instant began);

  Policy any_;  // without a table
  const Environment& environment_;
  std::unique_ptr<Session> session_;  // only the worker's thread touches it
  bool orphans_known_ = false;        // likewise
  std::minstd_rand random_;           // likewise

  mutable Mutex mutex_;
  std::map<PolicyKey, Entry> entries_ PC_GUARDED_BY(mutex_);
  std::vector<Deleted> deleted_ PC_GUARDED_BY(mutex_);
  // Policies that were here and cannot be used, or moved elsewhere: when they are
  // deleted, the bookkeeping has to say what their tables were.
  std::set<PolicyKey> parked_ PC_GUARDED_BY(mutex_);
  bool search_ PC_GUARDED_BY(mutex_) = false;  // for orphans, again
  std::optional<PolicyKey> running_ PC_GUARDED_BY(mutex_);
  std::stop_source interrupt_ PC_GUARDED_BY(mutex_);  // stops the run of `running_`
  std::stop_source wake_ PC_GUARDED_BY(mutex_);       // ends the wait
  int failed_connects_ PC_GUARDED_BY(mutex_) = 0;     // in a row
  Instant not_before_ PC_GUARDED_BY(mutex_){};        // of anything, while the database is away
  bool reconnect_ PC_GUARDED_BY(mutex_) = false;      // before anything else is done
  Instant last_look_ PC_GUARDED_BY(mutex_){};
  std::optional<Instant> beat_ PC_GUARDED_BY(mutex_);  // nothing: idle
  bool looked_last_ PC_GUARDED_BY(mutex_) = false;
  bool settled_ PC_GUARDED_BY(mutex_) = false;
  bool ended_ PC_GUARDED_BY(mutex_) = false;
  std::list<Build> builds_ PC_GUARDED_BY(mutex_);

  Mutex session_mutex_;  // its own: a Cancel may take a while
  Session* cancellable_ PC_GUARDED_BY(session_mutex_) = nullptr;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_WORKER_H_
