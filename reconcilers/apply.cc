// What each action makes of the table: the model.

#include <algorithm>
#include <utility>

#include "reconcilers/action.h"
#include "reconcilers/bounds.h"

namespace partition_controller {
namespace {

std::string BoundsSql(const Range& range, const Table& table) {
  const KeyType key = KeyTypeOf(table.key_column_type).value();
  return "FOR VALUES FROM (" + BoundSql(range.from, key) + ") TO (" + BoundSql(range.to, key) + ")";
}

class Model {
 public:
  Model(Instant now, Table* table) : now_(now), table_(table) {}

  // The table is nobody's from then on, and keeps its name.
  void operator()(const FinalizeDetach& a) {
    Erase(a.partition);
    table_->taken_names.push_back(a.partition.name);
  }
  void operator()(const ForgetDetached& a) { EraseDetached(a.table.oid); }

  void operator()(const CreatePartition& a) { Insert(Made(a.partition)); }

  void operator()(const CreateDefault& a) {
    DefaultPartition made;
    made.partition = Made({a.name, {}});
    made.partition.range.reset();
    made.partition.bounds = "DEFAULT";
    table_->default_partition = made;
  }

  void operator()(const RemoveDefault&) { table_->default_partition.reset(); }

  void operator()(const ReplacePartitions& a) {
    auto& all = table_->partitions;
    for (auto ref = a.drop.begin(); ref != a.drop.end();) {
      const auto first = Find(*ref);
      auto last = first;  // those that lie side by side go together
      while (last != all.end() && ref != a.drop.end() && Is(*last, *ref)) {
        ++last;
        ++ref;
      }
      if (last == first) {
        ++ref;
      } else {
        all.erase(first, last);
      }
    }
    for (const NewPartition& made : a.create) Insert(Made(made));
  }

  void operator()(const BeginDrain& a) { table_->drain = a.drain; }

  void operator()(const FinishDrain& a) {
    DefaultPartition& old = *table_->default_partition;
    const bool promote = a.drain.mode == Drain::Mode::kPromote;
    std::int64_t inside = 0;
    std::int64_t outside = 0;
    for (std::size_t i = 0; i < old.counts.size(); ++i) {
      // A count belongs to the range if its stretch begins inside it: cuts are
      // made at the ends of every range that a drain can have.
      const bool in = i > 0 && a.drain.range.Contains(old.cuts[i - 1]);
      (in ? inside : outside) += old.counts[i];
      if (in) old.counts[i] = 0;
    }
    Partition made = Made({promote ? a.promoted_name : a.drain.target_name, a.drain.range});
    made.bound_check = Partition::BoundCheck::kNone;
    if (promote) {
      made.oid = old.partition.oid;
      made.attributes = old.partition.attributes;
      made.rows = static_cast<double>(inside);
      made.bytes = old.partition.bytes;
      const std::string name = old.partition.name;
      old.partition = Made({name, {}});
      old.partition.oid = a.drain.target;
      old.partition.range.reset();
      old.partition.bounds = "DEFAULT";
      old.pages = outside > 0 ? std::max<std::int64_t>(
                                    1, old.pages * outside / std::max<std::int64_t>(1, outside + inside))
                              : 0;
    } else {
      made.oid = a.drain.target;
      made.schema = a.drain.target_schema;
      made.rows = static_cast<double>(inside);
      if (const Detached* detached = FindDetached(a.drain.target)) {
        made.created_by_us = detached->created_by_us;
        made.rows += std::max(0.0, detached->rows);
        made.bytes = detached->bytes;
      }
      EraseDetached(a.drain.target);
    }
    old.rows = outside;
    if (outside == 0) {
      old.cuts.clear();
      old.counts.clear();
    }
    Insert(std::move(made));
    table_->drain.reset();
  }

  void operator()(const AddBoundCheck& a) { Check(a.partition, Partition::BoundCheck::kNotValid); }
  void operator()(const ValidateBoundCheck& a) { Check(a.partition, Partition::BoundCheck::kValid); }

  void operator()(const DetachPartition& a) {
    const auto found = Find(a.partition);
    if (found == table_->partitions.end()) return;
    Detached detached;
    detached.oid = found->oid;
    detached.schema = found->schema;
    detached.name = found->name;
    detached.range = a.range;
    detached.detached_at = now_;
    if (a.undo_window) detached.drop_after = now_ + *a.undo_window;
    detached.created_by_us = found->created_by_us;
    detached.rows = found->rows;
    detached.bytes = found->bytes;
    table_->detached.push_back(detached);
    table_->partitions.erase(found);
  }

  void operator()(const ReattachPartition& a) {
    Partition made = Made({a.table.name, a.range});
    made.oid = a.table.oid;
    made.schema = a.table.schema;
    if (const Detached* detached = FindDetached(a.table.oid)) {
      made.created_by_us = detached->created_by_us;
      made.rows = detached->rows;
      made.bytes = detached->bytes;
    }
    EraseDetached(a.table.oid);
    Insert(std::move(made));
  }

  void operator()(const DropPartition& a) {
    if (EndsWayBack(*table_)) table_->conversion->no_way_back = WhyNoWayBack(a);
    if (a.attached) {
      Erase(a.partition);
    } else {
      EraseDetached(a.partition.oid);
    }
  }

  void operator()(const DeleteExpiredRows& a) {
    if (EndsWayBack(*table_)) table_->conversion->no_way_back = WhyNoWayBack(a);
    if (table_->oid == a.leaf.oid) table_->oldest_row.reset();
    for (Partition& partition : table_->partitions) {
      if (partition.oid == a.leaf.oid) partition.oldest_row.reset();
    }
    if (table_->default_partition && table_->default_partition->partition.oid == a.leaf.oid) {
      DefaultPartition& fallback = *table_->default_partition;
      fallback.partition.oldest_row.reset();
      // A stretch goes when all of it lies before the cutoff.
      for (std::size_t i = 0; i < fallback.counts.size(); ++i) {
        if (i < fallback.cuts.size() && fallback.cuts[i] <= a.cutoff) {
          fallback.rows -= fallback.counts[i];
          fallback.counts[i] = 0;
        }
      }
    }
  }

  // Where the conversion stands, and what the partitioned table has meanwhile;
  // the swap makes it this table.
  void operator()(const PrepareConversion& a) {
    table_->conversion = a.conversion;
    for (const NewPartition& made : a.partitions) Insert(Made(made));
    (*this)(CreateDefault{a.default_name});
    table_->default_partition->partition.bound_check = Partition::BoundCheck::kValid;
  }
  void operator()(const BuildIndex& a) {
    TableIndex index;
    index.name = a.name;
    index.unique = true;
    index.columns = a.columns;
    if (table_->anatomy) table_->anatomy->indexes.push_back(std::move(index));
  }
  void operator()(const DropInvalidIndex& a) {
    if (!table_->anatomy) return;
    std::erase_if(table_->anatomy->indexes, [&](const TableIndex& index) { return index.name == a.name; });
  }
  void operator()(const FenceConversion&) { table_->conversion->state = Conversion::State::kFenced; }
  void operator()(const UnfenceConversion&) { table_->conversion->state = Conversion::State::kPrepared; }
  void operator()(const AbandonConversion&) {
    table_->conversion.reset();
    table_->partitions.clear();
    table_->default_partition.reset();
  }

  void operator()(const BeginRevert& a) {
    std::deque<Partition> children;
    for (Partition& partition : table_->partitions) {
      if (partition.oid != a.conversion.plain) children.push_back(std::move(partition));
    }
    if (table_->default_partition) children.push_back(std::move(table_->default_partition->partition));
    table_->default_partition.reset();
    for (Partition& child : children) {
      child.range.reset();
      child.bounds.clear();
      child.created_by_us = false;
    }
    std::sort(children.begin(), children.end(),
              [](const Partition& x, const Partition& y) { return x.oid < y.oid; });
    table_->partitions = std::move(children);
    table_->oid = a.conversion.plain;
    table_->kind = Table::Kind::kPlain;
    table_->partitioned_by_key = false;
    table_->partition_key.clear();
    table_->conversion->state = Conversion::State::kReverting;
    if (table_->ownership) {
      table_->ownership->table = table_->oid;
      table_->ownership->analyzed_at.reset();
    }
  }
  void operator()(const MergeChild&) {}  // rows, and the model keeps none of these
  void operator()(const DropChild& a) { Erase(a.child); }
  void operator()(const FinishRevert&) { table_->conversion.reset(); }

  void operator()(const FinishConversion& a) {
    Partition history = Made({a.conversion.history_name, {Bound::MinValue(), Bound::At(a.conversion.cut)}});
    history.oid = table_->oid;
    history.created_by_us = false;
    history.rows = table_->rows;
    table_->default_partition->partition.bound_check = Partition::BoundCheck::kNone;
    Insert(std::move(history));
    table_->oid = a.conversion.parent;
    table_->kind = Table::Kind::kPartitioned;
    table_->partitioned_by_key = true;
    table_->conversion->state = Conversion::State::kConverted;
    table_->anatomy.reset();
    table_->rows = -1;
    if (table_->ownership) {
      table_->ownership->table = table_->oid;
      table_->ownership->analyzed_at.reset();
    }
  }

  void operator()(const InstallRollup& a) {
    RollupState& state = StateOf(a.rollup);
    state.state = RollupState::State::kFilling;
    state.intact = true;
    state.filled = false;
    state.filled_from.reset();
    if (!a.makes_table) return;
    state.target.made_by_us = true;
    state.target.spans.emplace();
    state.fill_lacks = true;
  }
  void operator()(const RefreshRollup& a) {
    RollupState& state = StateOf(a.rollup);
    state.dirty = 0;
    state.oldest_dirty.reset();
    state.oldest_ready.reset();
  }
  void operator()(const AuditRollup& a) { StateOf(a.rollup).audited_at = now_; }
  // How far one step comes is not known before.
  void operator()(const FillRollup&) {}
  void operator()(const ProveRollup&) {}
  void operator()(const StopRollup& a) {
    if (a.forget) {
      std::erase_if(table_->rollups, [&](const RollupState& state) { return state.name == a.rollup; });
      return;
    }
    RollupState& state = StateOf(a.rollup);
    state.state = RollupState::State::kPaused;
    state.intact = false;
    state.filled = false;
    state.filled_from.reset();
    state.dirty = 0;
    state.oldest_dirty.reset();
  }

  void operator()(const AnalyzeParent&) {
    if (!table_->ownership) table_->ownership = Ownership{};
    table_->ownership->analyzed_at = now_;
  }

 private:
  Partition Made(const NewPartition& made) {
    Partition partition;
    partition.schema = table_->schema;
    partition.name = made.name;
    partition.range = made.range;
    if (!made.range.empty()) partition.bounds = BoundsSql(made.range, *table_);
    partition.created_by_us = true;
    partition.rows = 0;
    table_->taken_names.push_back(made.name);
    return partition;
  }

  void Insert(Partition partition) {
    const auto after = [](const Partition& a, const Partition& b) { return a.range < b.range; };
    auto& all = table_->partitions;
    all.insert(std::upper_bound(all.begin(), all.end(), partition, after), std::move(partition));
  }

  // By oid, and by name for what this plan itself made (oid 0).
  static bool Is(const Partition& partition, const TableRef& ref) {
    return partition.oid == ref.oid && partition.name == ref.name;
  }

  std::deque<Partition>::iterator Find(const TableRef& ref) {
    return std::find_if(table_->partitions.begin(), table_->partitions.end(),
                        [&](const Partition& partition) { return Is(partition, ref); });
  }

  void Erase(const TableRef& ref) {
    const auto found = Find(ref);
    if (found != table_->partitions.end()) table_->partitions.erase(found);
  }

  const Detached* FindDetached(Oid oid) const {
    for (const Detached& detached : table_->detached) {
      if (oid != 0 && detached.oid == oid) return &detached;
    }
    return nullptr;
  }

  RollupState& StateOf(const std::string& name) {
    return *std::find_if(table_->rollups.begin(), table_->rollups.end(),
                         [&](const RollupState& state) { return state.name == name; });
  }

  void EraseDetached(Oid oid) {
    if (oid == 0) return;
    std::erase_if(table_->detached, [&](const Detached& d) { return d.oid == oid; });
  }

  void Check(const TableRef& ref, Partition::BoundCheck state) {
    const auto found = Find(ref);
    if (found != table_->partitions.end()) found->bound_check = state;
    for (Detached& detached : table_->detached) {
      if (detached.oid == ref.oid) detached.has_bound_check = state == Partition::BoundCheck::kValid;
    }
  }

  Instant now_;
  Table* table_;
};

}  // namespace

void Apply(const Action& action, Instant now, Table* table) { std::visit(Model(now, table), action); }

}  // namespace partition_controller
