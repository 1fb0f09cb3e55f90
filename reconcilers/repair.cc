// Repair: what somebody, or an earlier run, left half done comes first.

#include <algorithm>
#include <iterator>

#include "reconcilers/bounds.h"
#include "reconcilers/naming.h"
#include "reconcilers/planning.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

void FinishOpenDrain(Planning& p) {
  if (!p.table.drain) return;
  const Drain drain = *p.table.drain;
  if (!p.table.default_partition) {
    p.plan.advice.push_back(
        "rows were being moved to " + QuoteName(drain.target_schema, drain.target_name) +
        " when the default partition went away; attach that table by hand for " + ToString(drain.range) +
        ", then: DELETE FROM partition_controller.drains WHERE table_oid = " + std::to_string(p.table.oid) +
        ";");
    return;
  }
  FinishDrain finish;
  finish.drain = drain;
  finish.default_partition = RefOf(p.table.default_partition->partition);
  const std::int64_t inside = p.DefaultRowsIn(drain.range);
  finish.rows = drain.mode == Drain::Mode::kMove ? inside : p.table.default_partition->rows - inside;
  if (drain.mode == Drain::Mode::kPromote) {
    finish.promoted_name = PartitionName(p.table.name, drain.range, p.calendar, p.TakenNames());
  }
  p.Do(std::move(finish), "an earlier run began to empty the default partition");
}

}  // namespace

void Repair(Planning& planning) {
  std::vector<Partition> pending;  // copies, for steps change the model
  std::copy_if(planning.table.partitions.begin(), planning.table.partitions.end(),
               std::back_inserter(pending),
               [](const Partition& partition) { return partition.detach_pending; });
  for (const Partition& partition : pending) {
    planning.Do(
        FinalizeDetach{RefOf(partition)},
        "its DETACH CONCURRENTLY was interrupted: its rows are invisible and inserts into its range fail; "
        "from then on it is a table of its own, to be attached or dropped by hand");
  }
  const std::vector<Detached> all = planning.table.detached;
  for (const Detached& detached : all) {
    if (detached.exists && !detached.attached) continue;
    planning.Do(ForgetDetached{{detached.oid, detached.schema, detached.name, ""}},
                detached.exists ? "somebody attached it again" : "somebody dropped it");
  }
  FinishOpenDrain(planning);
}

}  // namespace partition_controller
