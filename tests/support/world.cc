#include "tests/support/world.h"

#include <algorithm>
#include <set>

#include "reconcilers/bounds.h"

namespace partition_controller {
namespace {

constexpr Range kAll = {{Bound::Kind::kMinValue, {}}, {Bound::Kind::kMaxValue, {}}};

std::string Literal(const Range& range, const Table& table) {
  const KeyType key = KeyTypeOf(table.key_column_type).value();
  return "FOR VALUES FROM (" + BoundSql(range.from, key) + ") TO (" + BoundSql(range.to, key) + ")";
}

}  // namespace

World::World(Policy wanted, Instant now, const std::string& key_column_type) : policy_(std::move(wanted)) {
  Server& server = catalog_.server;
  server.time = now;
  server.version = 150'000;
  server.database = 5;
  server.database_name = "edgewatch";
  server.system_identifier = "7";
  server.user = "edgewatch";
  server.bookkeeping_version = kBookkeepingVersion;
  Table& table = catalog_.table.emplace();
  table.oid = 16'384;
  table.schema = policy_.table.schema = "public";
  table.name = policy_.table.name = "points";
  policy_.time_column = "ts";
  table.owner = "edgewatch";
  table.key_column_type = key_column_type;
  table.partition_key = "RANGE (ts)";
  table.has_time_index = true;
  table.columns = {"id", "ts"};
  table.attributes = {{"edgewatch", false, 'd', 0, "", {}, "", false}};
  Ownership& keeper = table.ownership.emplace();
  keeper.table = table.oid;
  keeper.policy_namespace = policy_.name_space;
  keeper.policy_name = policy_.name = "points";
  keeper.table_owner = table.owner;
  keeper.database = server.database;
  keeper.system_identifier = server.system_identifier;
  // Statistics are not what these tests are about.
  keeper.analyzed_at = now + std::chrono::years(100);
}

void World::AddPartition(const std::string& name, const Range& range, bool ours) {
  Partition partition;
  partition.oid = next_oid_++;
  partition.schema = table().schema;
  partition.name = name;
  partition.range = range;
  partition.bounds = Literal(range, table());
  partition.created_by_us = ours;
  table().partitions.push_back(partition);
}

void World::AddDefault() {
  DefaultPartition& fallback = table().default_partition.emplace();
  fallback.partition.oid = next_oid_++;
  fallback.partition.schema = table().schema;
  fallback.partition.name = table().name + "_default";
  fallback.partition.bounds = "DEFAULT";
}

bool World::Insert(Instant at, std::int64_t count) {
  for (const Partition& partition : table().partitions) {
    if (!partition.range || !partition.range->Contains(at)) continue;
    rows_.push_back({at, count, partition.name});
    return true;
  }
  if (!table().default_partition) return false;
  std::string target = table().default_partition->partition.name;
  if (const auto& drain = table().drain) {
    const bool inside = drain->range.Contains(at);
    if (inside == (drain->mode == Drain::Mode::kMove)) target = drain->target_name;
  }
  rows_.push_back({at, count, target});
  return true;
}

const Catalog& World::Read() {
  Table& model = table();
  std::sort(model.partitions.begin(), model.partitions.end(),
            [](const Partition& a, const Partition& b) { return a.range < b.range; });
  for (Partition& partition : model.partitions) {
    if (partition.oid == 0) partition.oid = next_oid_++;
    partition.rows = static_cast<double>(In(partition.name));
    partition.oldest_row.reset();
  }
  if (model.drain && model.drain->target == 0) model.drain->target = next_oid_++;
  for (Detached& detached : model.detached) detached.rows = static_cast<double>(In(detached.name));
  model.taken_names = loose_;
  const Now now{catalog_.server.time};
  if (model.default_partition) {
    DefaultPartition& fallback = *model.default_partition;
    if (fallback.partition.oid == 0) fallback.partition.oid = next_oid_++;
    const std::string name = fallback.partition.name;
    fallback.rows = In(name);
    fallback.partition.rows = static_cast<double>(fallback.rows);
    fallback.pages = fallback.rows == 0 ? 0 : fallback.rows / rows_per_page + 1;
    fallback.cuts.clear();
    fallback.counts.clear();
    if (fallback.rows > 0) {
      std::optional<Instant> oldest;
      for (const Rows& rows : rows_) {
        if (rows.table == name && (!oldest || rows.at < *oldest)) oldest = rows.at;
      }
      fallback.cuts = ProbeCuts(policy_, catalog_, now, policy_.retention ? std::nullopt : oldest);
      fallback.counts.assign(fallback.cuts.size() + 1, 0);
      for (const Rows& rows : rows_) {
        if (rows.table != name) continue;
        const auto cut = std::upper_bound(fallback.cuts.begin(), fallback.cuts.end(), rows.at);
        fallback.counts[static_cast<std::size_t>(cut - fallback.cuts.begin())] += rows.count;
      }
    }
  }
  for (const TableRef& leaf : ProbeOldest(policy_, catalog_, now)) {
    for (Partition& partition : model.partitions) {
      if (partition.oid != leaf.oid) continue;
      for (const Rows& rows : rows_) {
        if (rows.table == partition.name && rows.at < *Cutoff()) partition.oldest_row = rows.at;
      }
    }
  }
  return catalog_;
}

Plan World::MakePlan(const std::string& acknowledged) {
  const Catalog& catalog = Read();
  Plan plan = partition_controller::MakePlan(policy_, catalog, {catalog.server.time}, acknowledged);
  const bool asks = !plan.refusals.empty() && plan.refusals.back().code == "AcknowledgementRequired";
  if (!consents || !acknowledged.empty() || !asks) return plan;
  return partition_controller::MakePlan(policy_, catalog, {catalog.server.time}, plan.hash);
}

bool World::Take(const Action& action) {
  const auto* remove = std::get_if<RemoveDefault>(&action);
  if (remove != nullptr && In(remove->partition.name) > 0) return false;
  const std::vector<Range> before = Covered();
  const std::int64_t visible = Visible();
  const std::int64_t removed = removed_;
  BeforeApply(action);
  Apply(action, catalog_.server.time, &table());
  CheckShape(before, action);
  const bool retires = Destructive(action) || std::holds_alternative<ReattachPartition>(action) ||
                       std::holds_alternative<FinishDrain>(action) ||
                       std::holds_alternative<FinalizeDetach>(action);
  if (!retires && (Visible() != visible || removed_ != removed)) Fault("rows came or went");
  return true;
}

int World::Settle(int most) {
  for (int round = 0; round < most; ++round) {
    const Plan plan = MakePlan();
    if (plan.steps.empty()) return round;
    for (const Step& step : plan.steps) {
      if (!Take(step.action)) break;
    }
  }
  return most;
}

Instant World::KeyNow() const {
  return ToKeyTime(catalog_.server.time, policy_.partitioning, KeyTypeOf(table().key_column_type).value());
}

Range World::Window() const {
  const Calendar calendar = CalendarFor(policy_.partitioning, KeyTypeOf(table().key_column_type).value());
  Instant horizon = NextPeriod(KeyNow(), calendar);
  for (int i = 0; i < policy_.partitioning.premake; ++i) horizon = NextPeriod(horizon, calendar);
  return Range::Between(Cutoff().value_or(PeriodStart(KeyNow(), calendar)), horizon);
}

std::int64_t World::Total() const {
  std::int64_t count = 0;
  for (const Rows& rows : rows_) count += rows.count;
  return count;
}

std::string World::Complaint() const {
  if (!faults_.empty()) return faults_.front();
  if (table().drain) return "a drain is left";
  const Range window = Window();
  if (!Uncovered(window).empty()) return "not covered: " + ToString(Uncovered(window).front());
  if (InDefault(window) > 0) return "rows of the window are in the default partition";
  const bool keep = policy_.partitioning.default_partition == Partitioning::Default::kKeep;
  if (keep && !table().default_partition) return "no default partition";
  if (!keep && table().default_partition && In(table().default_partition->partition.name) == 0) {
    return "an empty default partition is left";
  }
  const std::optional<Instant> cutoff = Cutoff();
  if (!cutoff) {
    const bool old_rows = InDefault({{Bound::Kind::kMinValue, {}}, window.from}) > 0;
    return old_rows ? "old rows are in the default partition" : "";
  }
  for (const Partition& partition : table().partitions) {
    if (partition.range->to <= Bound::At(*cutoff))
      return partition.name + " has expired and is still attached";
  }
  const Range expired = {{Bound::Kind::kMinValue, {}}, Bound::At(*cutoff)};
  if (policy_.retention->action == Retention::Action::kDrop && table().detached.empty() &&
      InDefault(expired) > 0) {
    return "expired rows are in the default partition";
  }
  return "";
}

std::string World::Describe() const {
  std::string text = "at " + ToString(catalog_.server.time) + ", partitions:";
  for (const Partition& p : table().partitions) {
    text += "\n  " + p.name + " " + ToString(*p.range) + (p.created_by_us ? " ours, " : " not ours, ") +
            std::to_string(In(p.name)) + " rows";
  }
  for (const Detached& d : table().detached) text += "\n  detached " + d.name + " " + ToString(d.range);
  if (table().default_partition) {
    text += "\n  the default";
    for (const Rows& rows : rows_) {
      if (rows.table != table().default_partition->partition.name) continue;
      text += "\n    " + std::to_string(rows.count) + " at " + ToString(rows.at);
    }
  }
  if (table().drain) text += "\n  a drain of " + ToString(table().drain->range);
  return text;
}

std::vector<Range> World::Covered() const {
  std::vector<Range> ranges;
  for (const Partition& partition : table().partitions) {
    if (partition.range) ranges.push_back(*partition.range);
  }
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

std::vector<Range> World::Uncovered(const Range& window) const { return Gaps(window, Covered()); }

std::int64_t World::Visible() const { return Visible(kAll); }

std::int64_t World::Visible(const Range& range) const {
  std::set<std::string> attached;
  for (const Partition& partition : table().partitions) attached.insert(partition.name);
  if (table().default_partition) attached.insert(table().default_partition->partition.name);
  std::int64_t count = 0;
  for (const Rows& rows : rows_) {
    if (attached.contains(rows.table) && range.Contains(rows.at)) count += rows.count;
  }
  return count;
}

std::int64_t World::InDefault(const Range& range) const {
  std::int64_t count = 0;
  if (!table().default_partition) return count;
  for (const Rows& rows : rows_) {
    if (rows.table == table().default_partition->partition.name && range.Contains(rows.at))
      count += rows.count;
  }
  return count;
}

std::int64_t World::In(const std::string& name) const {
  std::int64_t count = 0;
  for (const Rows& rows : rows_) {
    if (rows.table == name) count += rows.count;
  }
  return count;
}

std::optional<Instant> World::Cutoff() const { return CutoffOf(policy_, catalog_, {catalog_.server.time}); }

void World::Fault(const std::string& what) { faults_.push_back(what); }

void World::MoveRows(const std::string& from, const std::string& to, const Range& range, bool inside) {
  for (Rows& rows : rows_) {
    if (rows.table == from && range.Contains(rows.at) == inside) rows.table = to;
  }
}

void World::Rename(const std::string& from, const std::string& to) {
  for (Rows& rows : rows_) {
    if (rows.table == from) rows.table = to;
  }
}

std::int64_t World::Erase(const std::string& name) {
  const std::int64_t count = In(name);
  std::erase_if(rows_, [&](const Rows& rows) { return rows.table == name; });
  return count;
}

// Retention takes nothing that the policy keeps.
void World::CheckRemoval(const Action& action, const Range& range) {
  const std::optional<Instant> cutoff = Cutoff();
  if (!cutoff || !(range.to <= Bound::At(*cutoff)))
    Fault(partition_controller::Describe(action, table()) + ": the policy keeps it");
  if (range.Contains(KeyNow())) Fault(partition_controller::Describe(action, table()) + ": it holds now");
}

// What ATTACH finds: other partitions in the way, rows in the default.
void World::CheckAttach(const Range& range, const std::string& name) {
  for (const Range& other : Covered()) {
    if (Overlap(range, other))
      Fault("attach " + name + " " + ToString(range) + " overlaps " + ToString(other));
  }
  if (InDefault(range) > 0) Fault("attach " + name + " " + ToString(range) + ": the default has rows of it");
  for (const Rows& rows : rows_) {
    if (rows.table == name && !range.Contains(rows.at))
      Fault("attach " + name + ": it has rows of another range");
  }
}

void World::BeforeApply(const Action& action) {
  const auto check_name = [&](const std::string& name) {
    for (const Partition& partition : table().partitions) {
      if (partition.name == name) Fault("the name " + name + " is taken");
    }
    for (const Detached& detached : table().detached) {
      if (detached.name == name) Fault("the name " + name + " is taken");
    }
    if (std::find(loose_.begin(), loose_.end(), name) != loose_.end())
      Fault("the name " + name + " is taken");
  };
  if (const auto* a = std::get_if<CreatePartition>(&action)) {
    check_name(a->partition.name);
    CheckAttach(a->partition.range, a->partition.name);
  } else if (const auto* swap = std::get_if<ReplacePartitions>(&action)) {
    std::vector<Range> dropped;
    for (const TableRef& ref : swap->drop) {
      for (const Partition& partition : table().partitions) {
        if (partition.name != ref.name) continue;
        dropped.push_back(*partition.range);
        if (!partition.created_by_us) Fault("replaces " + ref.name + ", which is not ours");
        if (!(partition.range->from > Bound::At(KeyNow()))) Fault("replaces a partition of the past");
        if (partition.oid != ref.oid) Fault("replaces another table");
      }
      if (In(ref.name) > 0) Fault("replaces " + ref.name + ", which has rows");
    }
    if (dropped.size() != swap->drop.size()) Fault("replaces a partition that is not there");
    for (const NewPartition& made : swap->create) {
      check_name(made.name);
      if (InDefault(made.range) > 0) Fault("swap " + made.name + ": the default has rows of it");
    }
    for (const Range& gone : dropped) {
      std::vector<Range> made;
      for (const NewPartition& one : swap->create) made.push_back(one.range);
      if (!Gaps(gone, made).empty()) Fault("a swap leaves a gap");
    }
  } else if (const auto* begin = std::get_if<BeginDrain>(&action)) {
    if (table().drain) Fault("two drains at once");
    if (begin->drain.target == 0) check_name(begin->drain.target_name);
    for (const Range& other : Covered()) {
      if (Overlap(begin->drain.range, other))
        Fault("drains " + ToString(begin->drain.range) + " into " + ToString(other));
    }
  } else if (const auto* finish = std::get_if<FinishDrain>(&action)) {
    const std::string fallback = table().default_partition->partition.name;
    const Drain& drain = finish->drain;
    if (!table().drain) Fault("finishes a drain that was not begun");
    if (drain.mode == Drain::Mode::kMove) {
      MoveRows(fallback, drain.target_name, drain.range, true);
      CheckAttach(drain.range, drain.target_name);
    } else {
      check_name(finish->promoted_name);
      MoveRows(fallback, drain.target_name, drain.range, false);
      Rename(fallback, finish->promoted_name);
      Rename(drain.target_name, fallback);
      CheckAttach(drain.range, finish->promoted_name);
    }
  } else if (const auto* reattach = std::get_if<ReattachPartition>(&action)) {
    CheckAttach(reattach->range, reattach->table.name);
  } else if (const auto* detach = std::get_if<DetachPartition>(&action)) {
    CheckRemoval(action, detach->range);
    const auto found = std::find_if(table().partitions.begin(), table().partitions.end(),
                                    [&](const Partition& p) { return p.name == detach->partition.name; });
    if (found == table().partitions.end() || found->oid != detach->partition.oid ||
        found->range != detach->range) {
      Fault("detaches what is not there");
    } else if (found->bound_check != Partition::BoundCheck::kValid) {
      Fault("detaches without a CHECK");
    }
  } else if (const auto* drop = std::get_if<DropPartition>(&action)) {
    CheckRemoval(action, drop->range);
    removed_ += Erase(drop->partition.name);
  } else if (const auto* rows = std::get_if<DeleteExpiredRows>(&action)) {
    if (!Cutoff() || rows->cutoff > *Cutoff()) Fault("deletes rows that the policy keeps");
    std::erase_if(rows_, [&](const Rows& one) {
      const bool goes = one.table == rows->leaf.name && one.at < rows->cutoff;
      if (goes) removed_ += one.count;
      return goes;
    });
  } else if (const auto* finalize = std::get_if<FinalizeDetach>(&action)) {
    loose_.push_back(finalize->partition.name);
  }
}

// After every step: no overlap, and what was covered inside the window stays so.
void World::CheckShape(const std::vector<Range>& before, const Action& action) {
  const std::vector<Range> after = Covered();
  for (std::size_t i = 1; i < after.size(); ++i) {
    if (Overlap(after[i - 1], after[i]))
      Fault(ToString(after[i - 1]) + " and " + ToString(after[i]) + " overlap");
  }
  if (std::holds_alternative<FinalizeDetach>(action)) return;
  const std::optional<Instant> cutoff = Cutoff();
  std::vector<Range> gone;
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(gone));
  for (Range range : gone) {
    if (cutoff) range.from = std::max(range.from, Bound::At(*cutoff));
    if (!range.empty() && !Gaps(range, after).empty()) {
      Fault(partition_controller::Describe(action, table()) + ": what was covered is not any more");
    }
  }
}

}  // namespace partition_controller
