#include "reconcilers/plan.h"

#include <algorithm>
#include <numeric>

#include "reconcilers/bounds.h"
#include "reconcilers/consent.h"
#include "reconcilers/naming.h"
#include "reconcilers/planning.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// More periods than this are not looked into when a default partition holds
// very old rows; those rows stay where they are and are reported.
constexpr std::size_t kMaxCuts = 5'000;

// Where the table stands before anything is done.
void LookAhead(Planning& planning) {
  Outlook& outlook = planning.plan.outlook;
  if (planning.cutoff) {
    outlook.cutoff = planning.Utc(*planning.cutoff);
    outlook.expired_until = planning.Utc(PeriodStart(*planning.cutoff, planning.calendar));
  }
  if (planning.table.kind != Table::Kind::kPartitioned || (planning.policy.feeder && !planning.enabled))
    return;
  outlook.horizon = planning.Utc(Horizon(planning));
  const Bound now = Bound::At(planning.key_now);
  Bound reached = now;
  std::optional<Instant> before;
  for (const Partition& partition : planning.table.partitions) {  // ordered by range
    if (!partition.range || partition.detach_pending) continue;
    if (partition.range->from <= reached && partition.range->to > reached) reached = partition.range->to;
    if (partition.range->to <= now && partition.range->to.finite()) before = partition.range->to.at;
  }
  if (reached == now) {
    if (before) outlook.uncovered_since = planning.Utc(*before);
  } else if (reached.finite()) {
    outlook.covered_until = planning.Utc(reached.at);
  } else {
    outlook.covered_for_ever = true;
  }
  for (const Partition& partition : planning.table.partitions) {
    if (!planning.cutoff || !partition.range || !partition.range->to.finite()) continue;
    const Instant due = Add(partition.range->to.at, planning.policy.retention->keep, planning.calendar.zone);
    if (partition.range->to.at <= *planning.cutoff) {
      // Where partitioning is off its rows are due, not the partition.
      if (planning.enabled && !Rests(planning.policy) && !outlook.overdue_since)
        outlook.overdue_since = planning.Utc(due);
    } else {
      planning.WakeAt(planning.Utc(due));
      if (planning.enabled) {
        planning.Foresee(planning.Utc(due), QuoteName(partition.schema, partition.name) + " expires");
      }
      break;
    }
  }
}

std::vector<std::string> NamesMadeBy(const Action& action) {
  std::vector<std::string> names;
  if (const auto* a = std::get_if<CreatePartition>(&action)) names.push_back(a->partition.name);
  if (const auto* a = std::get_if<CreateDefault>(&action)) names.push_back(a->name);
  if (const auto* a = std::get_if<BeginDrain>(&action)) {
    if (a->drain.target == 0) names.push_back(a->drain.target_name);
  }
  if (const auto* a = std::get_if<FinishDrain>(&action)) {
    if (!a->promoted_name.empty()) names.push_back(a->promoted_name);
  }
  if (const auto* a = std::get_if<ReplacePartitions>(&action)) {
    for (const NewPartition& made : a->create) names.push_back(made.name);
  }
  if (const auto* a = std::get_if<PrepareConversion>(&action)) {
    for (const NewPartition& made : a->partitions) names.push_back(made.name);
    names.insert(names.end(), {a->default_name, a->conversion.parent_name, a->conversion.history_name});
    for (std::size_t i = 0; i < a->indexes; ++i) {
      names.push_back(CarriedIndexName(a->conversion.parent_name, i));
      names.push_back(CarriedIndexName(a->conversion.history_name, i));
    }
  }
  return names;
}

// What only waits for a moment that is known.
void ForeseeWaiting(Planning& planning) {
  for (const Waiting& waiting : planning.plan.waiting) {
    if (!waiting.until) continue;
    // Its cutoff moves with the clock.
    const bool rows = std::holds_alternative<DeleteExpiredRows>(waiting.action);
    planning.Foresee(*waiting.until, rows ? "delete expired rows" : Describe(waiting.action, planning.table));
  }
}

}  // namespace

std::optional<KeyType> KeyTypeOf(const std::string& column_type) {
  // With a precision perhaps: "timestamp(3) with time zone".
  if (column_type.starts_with("timestamp") && column_type.ends_with(" with time zone"))
    return KeyType::kTimestampTz;
  if (column_type.starts_with("timestamp") && column_type.ends_with(" without time zone"))
    return KeyType::kTimestamp;
  if (column_type == "date") return KeyType::kDate;
  return std::nullopt;
}

bool Divides(const Policy& policy, const Table& table) {
  const bool made = table.kind == Table::Kind::kPartitioned && table.feed && table.feed->made_by_us;
  return policy.partitioning.state == Partitioning::State::kEnabled && (!policy.feeder || made);
}

bool Plan::StopsEverything() const {
  return std::any_of(refusals.begin(), refusals.end(), [](const Refusal& r) { return r.stops_everything; });
}

Planning::Planning(const Policy& wanted, const Catalog& catalog, const Now& now)
    : policy(wanted), server(catalog.server), table(catalog.table.value_or(Table{})) {
  key = KeyTypeOf(table.key_column_type).value_or(KeyType::kTimestampTz);
  calendar = CalendarFor(policy.partitioning, key);
  enabled = Divides(policy, table);
  // The server's clock decides; --now is a wish to see another time, and
  // removes nothing that the server's time would keep (design rule 10).
  at = now.preview ? now.at : server.time;
  plan.outlook.now = at;
  removal_at = server.test_database ? at : std::min(at, server.time);
  key_now = ToKeyTime(at, policy.partitioning, key);
  if (policy.retention) {
    cutoff = Subtract(ToKeyTime(removal_at, policy.partitioning, key), policy.retention->keep, calendar.zone);
  }
}

void Planning::Do(Action action, std::string reason) {
  Apply(action, server.time, &table);
  plan.steps.push_back({std::move(action), std::move(reason)});
}

void Planning::Refuse(std::string code, std::string message, std::string remedy, bool stops_everything) {
  plan.refusals.push_back({std::move(code), std::move(message), std::move(remedy), stops_everything});
}

void Planning::Refuse(std::string code, std::string message, std::vector<std::string> sql,
                      const std::string& words, bool stops_everything) {
  std::string remedy;
  for (const std::string& statement : sql) remedy += (remedy.empty() ? "" : " ") + statement;
  if (!words.empty()) remedy += ' ' + words;
  Refuse(std::move(code), std::move(message), std::move(remedy), stops_everything);
  plan.refusals.back().sql = std::move(sql);
}

void Planning::WakeAt(Instant instant) {
  if (instant <= at) return;
  plan.wake_at = plan.wake_at ? std::min(*plan.wake_at, instant) : instant;
}

void Planning::Foresee(Instant instant, std::string what) {
  if (instant <= at || (plan.next && plan.next->at <= instant)) return;
  plan.next = {instant, std::move(what)};
}

std::string Planning::Name() const { return QuoteName(table.schema, table.name); }

const std::set<std::string>& Planning::TakenNames() const {
  if (taken_names_.empty()) {
    taken_names_.insert(table.taken_names.begin(), table.taken_names.end());
    for (const Partition& partition : table.partitions) taken_names_.insert(partition.name);
    for (const Detached& detached : table.detached) taken_names_.insert(detached.name);
    if (table.default_partition) taken_names_.insert(table.default_partition->partition.name);
    if (table.drain) taken_names_.insert(table.drain->target_name);
  }
  for (; steps_named_ < plan.steps.size(); ++steps_named_) {
    const std::vector<std::string> made = NamesMadeBy(plan.steps[steps_named_].action);
    taken_names_.insert(made.begin(), made.end());
  }
  return taken_names_;
}

Instant Planning::Utc(Instant key_time) const { return FromKeyTime(key_time, policy.partitioning, key); }

std::int64_t Planning::DefaultRowsIn(const Range& range) const {
  if (!table.default_partition) return 0;
  const DefaultPartition& fallback = *table.default_partition;
  if (fallback.counts.empty()) return 0;
  const auto first = std::partition_point(fallback.cuts.begin(), fallback.cuts.end(),
                                          [&](Instant cut) { return Bound::At(cut) < range.from; });
  const auto last = std::partition_point(first, fallback.cuts.end(),
                                         [&](Instant cut) { return Bound::At(cut) < range.to; });
  // counts[i] is what lies from cuts[i - 1] on.
  const auto counts = fallback.counts.begin() + 1;
  return std::accumulate(counts + (first - fallback.cuts.begin()), counts + (last - fallback.cuts.begin()),
                         std::int64_t{0});
}

bool Planning::DefaultIsSmall() const {
  return !table.default_partition || table.default_partition->pages <= kSmallDefaultPages;
}

Plan MakePlan(const Policy& policy, const Catalog& catalog, const Now& now, const std::string& acknowledged) {
  Planning planning(policy, catalog, now);
  // The rollup makes it, or has not taken it over yet.
  if (policy.feeder && (!catalog.table || !catalog.table->feed)) return std::move(planning.plan);
  Preflight(planning, catalog, now);
  if (planning.plan.StopsEverything()) {
    if (catalog.table && KeyTypeOf(catalog.table->key_column_type)) LookAhead(planning);
    return std::move(planning.plan);
  }
  LookAhead(planning);
  // First, for it keeps nobody waiting and waits for nobody.
  RefreshRollups(planning);
  const bool foreign = policy.feeder && !planning.enabled;
  const bool partitioned = planning.table.kind == Table::Kind::kPartitioned && !foreign;
  if (!partitioned && NeedsAnatomy(policy, catalog)) {
    // What comes after is planned for the table that it makes.
    Rollups(planning);
    Convert(planning);
    return std::move(planning.plan);
  }
  if (partitioned) {
    Repair(planning);
    const bool back = policy.partitioning.conversion == Partitioning::Conversion::kRevert;
    if (back) {
      Rollups(planning);
      if (Revert(planning)) return std::move(planning.plan);
    }
    Restore(planning);
  }
  // Before anything is planned that takes rows away.
  const Consent consent = AskConsent(planning, acknowledged);
  if (partitioned) {
    ClearDefault(planning, consent);
    Provision(planning);
  }
  const bool back = policy.partitioning.conversion == Partitioning::Conversion::kRevert;
  if (!partitioned || !back) Rollups(planning);
  Retire(planning, consent);
  if (partitioned) Maintain(planning);
  ForeseeWaiting(planning);
  return std::move(planning.plan);
}

void RecordKeeper(const Policy& policy, const Server& server, const Plan& plan, Table* table) {
  if (!table->ownership) table->ownership.emplace();
  Ownership& keeper = *table->ownership;
  keeper.table = table->oid;
  keeper.policy_namespace = policy.name_space;
  keeper.policy_name = policy.name;
  keeper.table_owner = table->owner;
  keeper.database = server.database;
  keeper.system_identifier = server.system_identifier;
  keeper.term = std::max<std::int64_t>(1, keeper.term);
  if (plan.agrees) keeper.agreed = plan.agrees;
}

Plan MakeFarewell(const Policy& policy, const Catalog& catalog, const Now& now) {
  Planning planning(policy, catalog, now);
  // Another table by now, or another policy's: nothing of ours is on it.
  const std::optional<Ownership>& keeper = planning.table.ownership;
  if (!keeper || keeper->policy_namespace != policy.name_space || keeper->policy_name != policy.name) {
    return std::move(planning.plan);
  }
  Preflight(planning, catalog, now);
  if (planning.plan.StopsEverything()) return std::move(planning.plan);
  if (planning.table.kind == Table::Kind::kPartitioned) {
    Repair(planning);
  } else if (planning.table.conversion) {
    GiveUpConversion(planning, "its policy is deleted");
  }
  const std::vector<RollupState> rollups = planning.table.rollups;
  for (const RollupState& state : rollups) {
    if (state.state != RollupState::State::kNone)
      planning.Do(StopRollup{state.name, true}, "its policy is deleted");
  }
  return std::move(planning.plan);
}

std::vector<Instant> ProbeCuts(const Policy& policy, const Catalog& catalog, const Now& now,
                               std::optional<Instant> oldest) {
  if (!catalog.table || !KeyTypeOf(catalog.table->key_column_type)) return {};
  const Planning planning(policy, catalog, now);
  std::set<Instant> cuts;
  const auto add = [&](const Range& range) {
    if (range.from.finite()) cuts.insert(range.from.at);
    if (range.to.finite()) cuts.insert(range.to.at);
  };
  for (const Partition& partition : planning.table.partitions) {
    if (partition.range) add(*partition.range);
  }
  for (const Detached& detached : planning.table.detached) add(detached.range);
  if (planning.table.drain) add(planning.table.drain->range);
  if (planning.cutoff) {
    cuts.insert(*planning.cutoff);
    cuts.insert(RowCutoff(planning, *planning.cutoff));
  }
  Instant start = WindowStart(planning);
  if (!planning.cutoff && oldest && *oldest < start) start = PeriodStart(*oldest, planning.calendar);
  // From the far end backwards, so that what is cut short is the oldest.
  const Instant end = Horizon(planning);
  for (Instant cut = end; cut >= start && cuts.size() < kMaxCuts;) {
    cuts.insert(cut);
    cut = PreviousPeriod(cut, planning.calendar);
  }
  return {cuts.begin(), cuts.end()};
}

std::vector<TableRef> ProbeOldest(const Policy& policy, const Catalog& catalog, const Now& now) {
  std::vector<TableRef> leaves;
  if (!catalog.table || !policy.retention || policy.retention->action != Retention::Action::kDrop ||
      !KeyTypeOf(catalog.table->key_column_type)) {
    return leaves;
  }
  const Planning planning(policy, catalog, now);
  const Table& table = planning.table;
  if (table.kind == Table::Kind::kPlain) {
    // To be deleted; or, of one that is to be converted, to say what will be.
    if (!planning.enabled || (table.has_time_index && NeedsAnatomy(policy, catalog))) {
      leaves.push_back({table.oid, table.schema, table.name, ""});
    }
    return leaves;
  }
  for (const Partition& partition : table.partitions) {
    if (partition.kind != Partition::Kind::kTable || !partition.range || partition.detach_pending) continue;
    const bool starts_expired = partition.range->from < Bound::At(*planning.cutoff);
    const bool history = partition.range->from.kind == Bound::Kind::kMinValue;
    if (history && !policy.partitioning.history_deletes) continue;
    const bool reaches_on = partition.range->to > Bound::At(*planning.cutoff);
    if (planning.enabled ? history && reaches_on : starts_expired) leaves.push_back(RefOf(partition));
  }
  return leaves;
}

std::optional<Instant> CutoffOf(const Policy& policy, const Catalog& catalog, const Now& now) {
  const Planning planning(policy, catalog, now);
  if (!planning.cutoff) return std::nullopt;
  return RowCutoff(planning, *planning.cutoff);
}

std::vector<std::string> NamesMade(const Plan& plan) {
  std::vector<std::string> names;
  for (const Step& step : plan.steps) {
    for (std::string& name : NamesMadeBy(step.action)) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace partition_controller
