#include "controller/metrics.h"

#include <malloc.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include "controller/gauges.h"
#include "controller/process_stats.h"

namespace partition_controller {
namespace {

// The `result` of a step (controller/executor.h).
constexpr const char* kStepResults[] = {"success",   "started", "lock_timeout", "stale",
                                        "cancelled", "fenced",  "error"};

const prometheus::Labels kController = {{"controller", "partitionpolicy"}};
const prometheus::Labels kQueue = {{"controller", "partitionpolicy"}, {"name", "partitionpolicy"}};

// controller-runtime's, so that its dashboards show the same columns.
const prometheus::Histogram::BucketBoundaries kReconcileBuckets = {
    0.005, 0.01, 0.025, 0.05, 0.1,  0.15, 0.2,  0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6,
    0.7,   0.8,  0.9,   1.0,  1.25, 1.5,  1.75, 2.0,  2.5, 3.0,  3.5, 4.0,  4.5, 5,
    6,     7,    8,     9,    10,   15,   20,   25,   30,  40,   50,  60};
// A lock try lasts 50 to 200 ms, a ladder of them seconds.
const prometheus::Histogram::BucketBoundaries kLockBuckets = {0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2,
                                                              0.5,   1,     2,    5,     10,   30};

prometheus::MetricFamily Single(const char* name, const char* help, prometheus::MetricType type, double value,
                                const prometheus::Labels& labels = {}) {
  prometheus::ClientMetric metric;
  for (const auto& [label, text] : labels) metric.label.push_back({label, text});
  metric.gauge.value = value;
  metric.counter.value = value;
  return {name, help, type, {std::move(metric)}};
}

prometheus::MetricFamily FamilyOf(GaugeFamily gauge) {
  prometheus::MetricFamily family{
      gauge.name,
      gauge.help,
      gauge.counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge,
      {}};
  family.metric.reserve(gauge.samples.size());
  for (Sample& sample : gauge.samples) {
    prometheus::ClientMetric metric;
    metric.label.reserve(sample.labels.size());
    for (auto& [name, value] : sample.labels) metric.label.push_back({name, std::move(value)});
    metric.gauge.value = sample.value;
    metric.counter.value = sample.value;
    family.metric.push_back(std::move(metric));
  }
  return family;
}

void AddOwnGauges(const Snapshot& snapshot, Instant now, std::vector<prometheus::MetricFamily>* families) {
  using prometheus::MetricType;
  const auto waiting = std::count_if(
      snapshot.policies.begin(), snapshot.policies.end(),
      [&](const auto& entry) { return entry.second->next_run && *entry.second->next_run <= now; });
  families->push_back(Single("workqueue_depth", "Policies that are due and wait for their worker.",
                             MetricType::Gauge, static_cast<double>(waiting), kQueue));
  families->push_back(Single("partition_spec_problems", "Spec files with problems.", MetricType::Gauge,
                             snapshot.spec_problems));
  families->push_back(Single("partition_controller_build_info", "The version that is running.",
                             MetricType::Gauge, 1, {{"version", PC_VERSION}}));
}

void AddProcess(std::vector<prometheus::MetricFamily>* families) {
  using prometheus::MetricType;
  const std::optional<ProcessStats> stats = ReadProcessStats();
  if (!stats) return;
  const auto add = [&](const char* name, const char* help, MetricType type, double value) {
    families->push_back(Single(name, help, type, value));
  };
  add("process_cpu_seconds_total", "User and system CPU time spent in seconds.", MetricType::Counter,
      stats->cpu_seconds);
  add("process_start_time_seconds", "Start time of the process since the epoch in seconds.",
      MetricType::Gauge, stats->start_time_seconds);
  add("process_resident_memory_bytes", "Resident memory size in bytes.", MetricType::Gauge,
      stats->resident_bytes);
  add("process_virtual_memory_bytes", "Virtual memory size in bytes.", MetricType::Gauge,
      stats->virtual_bytes);
  add("process_open_fds", "Number of open file descriptors.", MetricType::Gauge, stats->open_fds);
  add("process_max_fds", "Maximum number of open file descriptors.", MetricType::Gauge, stats->max_fds);
  add("process_threads", "Number of threads.", MetricType::Gauge, stats->threads);
}

prometheus::Counter& NewCounter(prometheus::Registry& registry, const char* name, const char* help,
                                const prometheus::Labels& labels = {}) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
}

prometheus::Gauge& NewGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(kController);
}

}  // namespace

// References that the registry keeps valid; nothing is ever removed from it.
struct Metrics::Counters {
  Counters() {
    auto& results = prometheus::BuildCounter()
                        .Name("controller_runtime_reconcile_total")
                        .Help("Runs of a policy, by how they ended.")
                        .Register(registry);
    for (const char* result : {"success", "error", "requeue", "requeue_after"}) {
      prometheus::Labels labels = kController;
      labels["result"] = result;
      reconciles.push_back(&results.Add(labels));
    }
    auto& steps = prometheus::BuildCounter()
                      .Name("partition_actions_total")
                      .Help("Steps carried out, by action and result.")
                      .Register(registry);
    for (const char* action : Kinds()) {
      for (const char* result : kStepResults) {
        actions[{action, result}] = &steps.Add({{"action", action}, {"result", result}});
      }
    }
  }

  prometheus::Registry registry;
  std::vector<prometheus::Counter*> reconciles;  // in the order of Reconcile
  std::map<std::pair<std::string, std::string>, prometheus::Counter*> actions;
  prometheus::Family<prometheus::Gauge>& leader =
      prometheus::BuildGauge()
          .Name("leader_election_master_status")
          .Help("Whether this process holds the Lease: 1, or stands by: 0.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("rest_client_requests_total")
          .Help("Requests to the Kubernetes API server, by how they were answered.")
          .Register(registry);
  prometheus::Counter& errors = NewCounter(registry, "controller_runtime_reconcile_errors_total",
                                           "Runs of a policy that failed.", kController);
  prometheus::Counter& panics =
      NewCounter(registry, "controller_runtime_reconcile_panics_total",
                 "Runs of a policy that ended by an unexpected exception.", kController);
  prometheus::Histogram& reconcile_time = prometheus::BuildHistogram()
                                              .Name("controller_runtime_reconcile_time_seconds")
                                              .Help("How long a run of a policy took.")
                                              .Register(registry)
                                              .Add(kController, kReconcileBuckets);
  prometheus::Gauge& active_workers =
      NewGauge(registry, "controller_runtime_active_workers", "Databases that are being worked on.");
  prometheus::Gauge& workers =
      NewGauge(registry, "controller_runtime_max_concurrent_reconciles",
               "Databases that can be worked on at the same time: one worker for each.");
  prometheus::Counter& adds =
      NewCounter(registry, "workqueue_adds_total", "Times that a policy became due.", kQueue);
  prometheus::Counter& retries = NewCounter(registry, "workqueue_retries_total",
                                            "Times that a policy became due because of a failure.", kQueue);
  prometheus::Histogram& lock_wait = prometheus::BuildHistogram()
                                         .Name("partition_lock_wait_seconds")
                                         .Help("How long a step waited for its locks, all tries together.")
                                         .Register(registry)
                                         .Add({}, kLockBuckets);
  prometheus::Counter& rows_deleted = NewCounter(registry, "partition_rows_deleted_total",
                                                 "Expired rows deleted where no partition could be removed.");
};

Metrics::Metrics(const Board& board, const Clock& clock)
    : board_(board), clock_(clock), counters_(std::make_unique<Counters>()) {}

Metrics::~Metrics() = default;

void Metrics::ReconcileDone(Reconcile result, std::chrono::duration<double> took) {
  counters_->reconciles[static_cast<std::size_t>(result)]->Increment();
  if (result == Reconcile::kError) counters_->errors.Increment();
  counters_->reconcile_time.Observe(took.count());
}

void Metrics::ReconcilePanicked() { counters_->panics.Increment(); }

void Metrics::StepDone(const StepOutcome& outcome) {
  const auto counter = counters_->actions.find({Kind(outcome.action), outcome.result});
  // A result that this file does not know is still a step that went wrong.
  (counter != counters_->actions.end() ? counter->second
                                       : counters_->actions.at({Kind(outcome.action), "error"}))
      ->Increment();
  counters_->lock_wait.Observe(outcome.lock_wait.count());
  // Rows that moved are still there.
  if (std::holds_alternative<DeleteExpiredRows>(outcome.action)) {
    counters_->rows_deleted.Increment(static_cast<double>(outcome.rows));
  }
}

void Metrics::Queued() { counters_->adds.Increment(); }
void Metrics::Retried() {
  counters_->adds.Increment();
  counters_->retries.Increment();
}
void Metrics::WorkerBusy() { counters_->active_workers.Increment(); }
void Metrics::WorkerIdle() { counters_->active_workers.Decrement(); }
void Metrics::SetWorkers(int count) { counters_->workers.Set(count); }

void Metrics::SetLeader(const std::string& lease, bool leads) {
  counters_->leader.Add({{"name", lease}}).Set(leads ? 1 : 0);
}

void Metrics::Answered(const char* verb, int status, const std::string& host) {
  const std::string code = status == 0 ? "<error>" : std::to_string(status);
  counters_->requests.Add({{"code", code}, {"host", host}, {"method", verb}}).Increment();
}

std::string Metrics::Render() const {
  const std::shared_ptr<const Snapshot> snapshot = board_.Get();
  const Instant now = clock_.Now();
  const prometheus::TextSerializer serializer;
  std::ostringstream text;
  EachPolicyGauge(*snapshot, now, [&](GaugeFamily gauge) {
    std::vector<prometheus::MetricFamily> one;
    one.push_back(FamilyOf(std::move(gauge)));
    serializer.Serialize(text, one);
  });
  std::vector<prometheus::MetricFamily> families = counters_->registry.Collect();
  AddOwnGauges(*snapshot, now, &families);
  AddProcess(&families);
  serializer.Serialize(text, families);
  families.clear();
  std::string page = std::move(text).str();
  // What the samples took, the system may have back until the next scrape.
  malloc_trim(0);
  return page;
}

}  // namespace partition_controller
