#include "reconcilers/view.h"

#include <algorithm>

#include "reconcilers/explaining.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// Of steps, and of everything else that a plan lists: what people read.
constexpr std::size_t kMost = 12;
constexpr std::size_t kLongest = 1'000;

std::string Shortened(const std::string& text) {
  return text.size() <= kLongest ? text : std::string(CutText(text, kLongest)) + "...";
}

const char* KindOf(const std::optional<Table>& table) {
  if (!table) return "";
  switch (table->kind) {
    case Table::Kind::kPlain:
      return "plain table";
    case Table::Kind::kPartitioned:
      return "partitioned table";
    case Table::Kind::kOther:
      break;
  }
  return "neither a plain nor a partitioned table";
}

void AddPlan(const Plan& plan, const Policy& policy, const Catalog& catalog, TableView* view) {
  const Table named = [&] {
    Table table;
    table.schema = view->schema;
    table.name = view->name;
    return table;
  }();
  // Locks depend on the steps before, so that those after do not matter.
  Plan head;
  head.outlook = plan.outlook;
  head.steps.assign(plan.steps.begin(),
                    plan.steps.begin() + static_cast<std::ptrdiff_t>(std::min(kMost, plan.steps.size())));
  std::vector<std::vector<Lock>> locks;
  if (!head.steps.empty()) locks = LocksOfSteps(head, policy, catalog);
  for (std::size_t i = 0; i < head.steps.size(); ++i) {
    const Step& step = head.steps[i];
    TableView::PlannedStep planned{
        MarkOf(step.action), Shortened(Describe(step.action, named)), Shortened(step.reason), {}, {}};
    for (const Lock& lock : locks[i]) {
      if (planned.locks.size() == kMost) break;
      planned.locks.push_back(lock.mode + " on " + lock.relation + " (" + lock.note + ')');
    }
    view->steps.push_back(std::move(planned));
  }
  view->more_steps = plan.steps.size() - view->steps.size();
  for (const Waiting& waiting : plan.waiting) {
    if (view->waiting.size() == kMost) break;
    view->waiting.push_back({MarkOf(waiting.action),
                             Shortened(Describe(waiting.action, named)),
                             Shortened(waiting.reason),
                             {},
                             waiting.until});
  }
  view->more_waiting = plan.waiting.size() - view->waiting.size();
  for (const Refusal& refusal : plan.refusals) {
    if (view->refusals.size() == kMost) break;
    view->refusals.push_back(
        {refusal.code, Shortened(refusal.message), Shortened(refusal.remedy), refusal.stops_everything});
  }
  for (const std::string& advice : plan.advice) {
    if (view->advice.size() < kMost) view->advice.push_back(Shortened(advice));
  }
  view->next = plan.next;
}

}  // namespace

TableView ViewOf(const Policy& policy, const Catalog& catalog, const Plan& plan) {
  TableView view;
  view.seen = plan.outlook.now;
  view.schema = policy.table.schema;
  view.name = policy.table.name;
  view.database = catalog.server.database_name;
  view.server_version = ServerVersion(catalog.server.version);
  view.kind = KindOf(catalog.table);
  view.time_column = policy.time_column;
  view.granularity = ToString(policy.partitioning.granularity);
  view.time_zone = policy.partitioning.time_zone;
  view.premake = policy.partitioning.premake;
  view.divides = policy.partitioning.state == Partitioning::State::kEnabled;
  if (policy.retention) {
    view.keep = ToString(policy.retention->keep);
    const bool drops = policy.retention->action == Retention::Action::kDrop;
    view.action = drops ? "Drop" : "Detach";
    if (drops) view.undo_window = ToString(policy.retention->undo_window);
  }
  view.suspended = policy.suspend;
  view.plans_only = policy.mode == Policy::Mode::kPlan;
  view.held = policy.origin.hold;
  if (catalog.table) {
    const Table& table = *catalog.table;
    view.divides = Divides(policy, table);
    view.key_type = table.key_column_type;
    const std::optional<KeyType> key = KeyTypeOf(table.key_column_type);
    if (key && *key != KeyType::kTimestampTz) view.wall_zone = policy.partitioning.time_zone;
    if (table.kind == Table::Kind::kPlain) view.plain_rows = table.rows;
    if (table.default_partition) {
      const DefaultPartition& fallback = *table.default_partition;
      view.fallback = {fallback.partition.name, fallback.rows, fallback.exact, fallback.partition.bytes};
    }
    for (const Detached& detached : table.detached) {
      if (!detached.exists || detached.attached) continue;
      ++view.detached;
      view.detached_bytes += detached.bytes;
      if (detached.drop_after && (!view.dropped_from || *detached.drop_after < *view.dropped_from)) {
        view.dropped_from = detached.drop_after;
      }
    }
  }
  view.timeline = TimelineOf(policy, catalog, plan.outlook);
  AddPlan(plan, policy, catalog, &view);
  return view;
}

}  // namespace partition_controller
