// The metrics: gauges from the board's snapshot, counters kept here, and the
// process's own.  docs/design.md lists the names, which are a contract.
//
// Thread-safe.

#ifndef PARTITION_CONTROLLER_CONTROLLER_METRICS_H_
#define PARTITION_CONTROLLER_CONTROLLER_METRICS_H_

#include <chrono>
#include <memory>
#include <string>

#include "controller/clock.h"
#include "controller/executor.h"
#include "controller/snapshot.h"

namespace partition_controller {

class Metrics {
 public:
  // How a run ended, in controller-runtime's words.
  enum class Reconcile { kSuccess, kError, kRequeue, kRequeueAfter };

  // `board` and `clock` must outlive it.
  Metrics(const Board& board, const Clock& clock);
  ~Metrics();

  void ReconcileDone(Reconcile result, std::chrono::duration<double> took);
  void ReconcilePanicked();  // an exception that nobody expected
  void StepDone(const StepOutcome& outcome);
  void Queued();   // a policy became due
  void Retried();  // it is due again because of a failure
  void WorkerBusy();
  void WorkerIdle();
  void SetWorkers(int count);
  // Whether this process holds the Lease of that name.
  void SetLeader(const std::string& lease, bool leads);
  // The API server answered; `status` 0: it did not.
  void Answered(const char* verb, int status, const std::string& host);

  // Everything, in Prometheus' text format.
  std::string Render() const;

 private:
  struct Counters;
  const Board& board_;
  const Clock& clock_;
  const std::unique_ptr<Counters> counters_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_METRICS_H_
