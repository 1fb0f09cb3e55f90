// Maintain: statistics, and advice.

#include <algorithm>

#include "reconcilers/bounds.h"
#include "reconcilers/planning.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// Autovacuum never analyses a partitioned parent (manual, 24.1.3).
constexpr std::chrono::hours kAnalyzeEvery{24};

// EdgeWatch's experience: beyond this many rows a day, a month is too much for
// one partition.
constexpr double kManyRowsPerDay = 1'000'000;

void AdviseGranularity(Planning& p) {
  const Granularity granularity = p.policy.partitioning.granularity;
  if (granularity != Granularity::kMonth && granularity != Granularity::kQuarter &&
      granularity != Granularity::kYear) {
    return;
  }
  // The newest whole partition: what is measured, not what is guessed.
  for (auto it = p.table.partitions.rbegin(); it != p.table.partitions.rend(); ++it) {
    if (!it->range || !it->range->from.finite() || !it->range->to.finite() || it->rows < 0) continue;
    if (it->range->to > Bound::At(p.key_now)) continue;
    const double days =
        std::chrono::duration<double, std::ratio<86'400>>(it->range->to.at - it->range->from.at).count();
    const double per_day = it->rows / days;
    if (per_day > kManyRowsPerDay) {
      p.plan.advice.push_back(p.Name() + " grew by about " +
                              std::to_string(static_cast<std::int64_t>(per_day)) + " rows a day in " +
                              QuoteName(it->schema, it->name) +
                              ": granularity Week keeps partitions easy to vacuum");
    }
    return;
  }
}

// Nothing can be made beyond it, and it never expires.
void AdviseOpenEnd(Planning& p) {
  const auto open =
      std::find_if(p.table.partitions.begin(), p.table.partitions.end(),
                   [](const Partition& x) { return x.range && x.range->to.kind == Bound::Kind::kMaxValue; });
  if (open == p.table.partitions.end()) return;
  p.plan.advice.push_back(QuoteName(open->schema, open->name) +
                          " reaches to MAXVALUE: no partition is made where it lies, and it never expires; "
                          "detach it, and attach it again with an end (ALTER TABLE " +
                          p.Name() + " DETACH PARTITION " + QuoteName(open->schema, open->name) + ";)");
}

}  // namespace

void Maintain(Planning& p) {
  AdviseGranularity(p);
  AdviseOpenEnd(p);
  if (p.table.partitions.empty()) return;
  // ANALYZE would ask the foreign servers too: for how long, and whether they
  // answer at all, is not ours to say.
  if (std::any_of(p.table.partitions.begin(), p.table.partitions.end(),
                  [](const Partition& partition) { return partition.kind == Partition::Kind::kForeign; })) {
    p.plan.advice.push_back(p.Name() +
                            " has foreign tables among its partitions, so its statistics are not refreshed "
                            "here: ANALYZE it at a time of your choice");
    return;
  }
  const std::optional<Instant> analyzed =
      p.table.ownership ? p.table.ownership->analyzed_at : std::optional<Instant>();
  if (!analyzed || *analyzed + kAnalyzeEvery <= p.server.time) {
    p.Do(AnalyzeParent{},
         "the planner's statistics of the whole table are " +
             (analyzed ? "from " + ToString(*analyzed) : std::string("missing or of unknown age")) +
             "; autovacuum never refreshes them");
  }
  if (p.table.ownership && p.table.ownership->analyzed_at)
    p.WakeAt(*p.table.ownership->analyzed_at + kAnalyzeEvery);
}

}  // namespace partition_controller
