// The controller: policies in, one worker thread for each database, and every
// table held as its policy declares until the controller is destroyed.
//
// Reading order: Controller::SetPolicies, Worker::Run, Worker::RunDue,
// Converge.  Thread-safe.

#ifndef PARTITION_CONTROLLER_CONTROLLER_CONTROLLER_H_
#define PARTITION_CONTROLLER_CONTROLLER_CONTROLLER_H_

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "controller/mutex.h"
#include "controller/worker.h"

namespace partition_controller {

class Controller {
 public:
  explicit Controller(Environment environment) : environment_(std::move(environment)) {}
  ~Controller() { Stop(); }
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // The policies from now on.  New and changed ones are looked at once; tables
  // of those that are gone are released, but not of those in `unclear`: they
  // exist, and nobody knows what they say.  In databases of `former` policies,
  // which none of these leads to, it is looked for what they left behind.
  void SetPolicies(const std::vector<Policy>& written, const std::set<PolicyKey>& unclear = {},
                   const std::vector<Policy>& former = {});

  // The databases, since it was asked last, that no policy leads to any more and
  // none has left anything behind in.
  std::vector<ConnectionSpec> TakeSettled();

  // Looks at all of them now.
  void ReconcileNow();

  // The same for those whose connection string is in that Secret, which has
  // changed.
  void Reconnect(const std::string& name_space, const std::string& secret);

  // Interrupts the statements that are running, and waits for the workers.
  // REQUIRES: no SetPolicies afterwards
  void Stop();

  // What is wrong with the process itself, for liveness; empty: nothing.  A
  // database that is away is no reason to be restarted.
  std::string Unhealthy() const;

 private:
  // One worker and its thread, which is joined before the worker goes.
  struct Seat {
    std::unique_ptr<Worker> worker;
    std::jthread thread;
  };

  void Start(const Policy& any, const std::vector<Policy>& policies) PC_REQUIRES(mutex_);
  void GatherEnded() PC_REQUIRES(mutex_);

  const Environment environment_;
  mutable Mutex mutex_;
  std::vector<Seat> seats_ PC_GUARDED_BY(mutex_);
  std::vector<ConnectionSpec> settled_ PC_GUARDED_BY(mutex_);
};

// What is missing before the first look at everything is over, for readiness;
// empty: nothing.
std::string Unready(const Snapshot& snapshot);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_CONTROLLER_H_
