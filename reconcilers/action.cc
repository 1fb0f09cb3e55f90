#include "reconcilers/action.h"

#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

std::string Quoted(const TableRef& ref) { return QuoteName(ref.schema, ref.name); }

std::string Quoted(const Table& table) { return QuoteName(table.schema, table.name); }

std::string DefaultOf(const Table& table) {
  const Partition& partition = table.default_partition->partition;
  return QuoteName(partition.schema, partition.name);
}

// An ATTACH checks the default partition, where there is one, and clones the
// parent's foreign keys.
void AttachLocks(const Table& table, bool keys_exist, std::vector<Lock>* locks) {
  if (table.default_partition) {
    locks->push_back({"SHARE ROW EXCLUSIVE", Quoted(table), "attaches; readers go on"});
    locks->push_back({"ACCESS EXCLUSIVE", DefaultOf(table), "proves that no row of the range is in it"});
  } else {
    locks->push_back({"SHARE UPDATE EXCLUSIVE", Quoted(table), "attaches; readers and writers go on"});
  }
  for (const std::string& referenced : table.references) {
    locks->push_back({keys_exist ? "ACCESS EXCLUSIVE" : "SHARE ROW EXCLUSIVE", referenced,
                      "adopts the foreign key; nothing is scanned"});
  }
}

void DetachLocks(const Table& table, const std::string& partition, std::vector<Lock>* locks) {
  locks->push_back({"ACCESS EXCLUSIVE", Quoted(table), "only metadata"});
  if (table.default_partition) locks->push_back({"ACCESS EXCLUSIVE", DefaultOf(table), "only metadata"});
  locks->push_back({"ACCESS EXCLUSIVE", partition, "only metadata"});
  for (const std::string& referenced : table.references) {
    locks->push_back({"SHARE ROW EXCLUSIVE", referenced, "makes the foreign key the partition's own"});
  }
}

std::string Span(const Range& range) { return ToString(range); }

std::string Later(std::chrono::microseconds time) {
  const auto hours = std::chrono::floor<std::chrono::hours>(time);
  return hours == time && hours.count() > 0 ? std::to_string(hours.count()) + " h later"
                                            : "when its undo window ends";
}

}  // namespace

TableRef RefOf(const Partition& partition) {
  return {partition.oid, partition.schema, partition.name, partition.bounds};
}

const char* Kind(const Action& action) { return Kinds()[action.index()]; }

const std::vector<const char*>& Kinds() {
  // In the order of Action.
  static const std::vector<const char*> kKinds = {
      "finalize_detach",    "forget_detached",     "create_partition",     "create_default",
      "remove_default",     "replace_partitions",  "begin_drain",          "finish_drain",
      "reattach_partition", "add_bound_check",     "validate_bound_check", "detach_partition",
      "drop_partition",     "delete_expired_rows", "analyze_parent",       "prepare_conversion",
      "build_index",        "drop_invalid_index",  "fence_conversion",     "finish_conversion",
      "unfence_conversion", "abandon_conversion",  "begin_revert",         "merge_child",
      "drop_child",         "finish_revert",       "install_rollup",       "refresh_rollup",
      "fill_rollup",        "audit_rollup",        "prove_rollup",         "stop_rollup"};
  static_assert(std::variant_size_v<Action> == 32);
  return kKinds;
}

std::string Describe(const Action& action, const Table& table) {
  return std::visit(
      Overloaded{
          [](const FinalizeDetach& a) { return "finish the interrupted detach of " + Quoted(a.partition); },
          [](const ForgetDetached& a) { return "forget the detached table " + Quoted(a.table); },
          [&](const CreatePartition& a) {
            return "create partition " + QuoteName(table.schema, a.partition.name) + " for " +
                   Span(a.partition.range);
          },
          [&](const CreateDefault& a) {
            return "create default partition " + QuoteName(table.schema, a.name);
          },
          [](const RemoveDefault& a) { return "drop the empty default partition " + Quoted(a.partition); },
          [&](const ReplacePartitions& a) {
            std::string text = "replace ";
            for (const TableRef& ref : a.drop) text += (&ref == &a.drop.front() ? "" : ", ") + Quoted(ref);
            text += " by ";
            for (const NewPartition& made : a.create) {
              text += (&made == &a.create.front() ? "" : ", ") + QuoteName(table.schema, made.name) + " " +
                      Span(made.range);
            }
            return text;
          },
          [](const BeginDrain& a) {
            return a.drain.mode == Drain::Mode::kMove
                       ? "divert new rows of " + Span(a.drain.range) + " from the default partition to " +
                             QuoteName(a.drain.target_schema, a.drain.target_name)
                       : "divert new rows outside " + Span(a.drain.range) +
                             " from the default partition to its successor " +
                             QuoteName(a.drain.target_schema, a.drain.target_name);
          },
          [](const FinishDrain& a) {
            const std::string rows = std::to_string(a.rows);
            return a.drain.mode == Drain::Mode::kMove
                       ? "move about " + rows + " rows from the default partition to " +
                             QuoteName(a.drain.target_schema, a.drain.target_name) + " and attach it for " +
                             Span(a.drain.range)
                       : "make the default partition the partition " +
                             QuoteName(a.default_partition.schema, a.promoted_name) + " for " +
                             Span(a.drain.range) + ", with a new default that takes about " + rows + " rows";
          },
          [](const ReattachPartition& a) {
            return "attach " + Quoted(a.table) + " again for " + Span(a.range);
          },
          [](const AddBoundCheck& a) { return "state the bounds of " + Quoted(a.partition) + " as a CHECK"; },
          [](const ValidateBoundCheck& a) { return "validate the bounds of " + Quoted(a.partition); },
          [](const DetachPartition& a) {
            return "detach " + Quoted(a.partition) + " " + Span(a.range) +
                   (a.undo_window ? ", to be dropped " + Later(*a.undo_window) : "");
          },
          [](const DropPartition& a) {
            return std::string(a.attached ? "drop partition " : "drop detached table ") +
                   Quoted(a.partition) + " " + Span(a.range);
          },
          [](const DeleteExpiredRows& a) {
            return "delete rows before " + ToString(a.cutoff) + " from " + Quoted(a.leaf);
          },
          [&](const AnalyzeParent&) { return "analyse " + Quoted(table); },
          [&](const PrepareConversion& a) {
            return "make the partitioned table " + QuoteName(table.schema, a.conversion.parent_name) +
                   " beside " + Quoted(table) + ", with a default partition and " +
                   std::to_string(a.partitions.size()) + " partitions from " +
                   ToString(Bound::At(a.conversion.cut)) + " on";
          },
          [](const BuildIndex& a) {
            std::string columns;
            for (const std::string& column : a.columns)
              columns += (columns.empty() ? "" : ", ") + QuoteName(column);
            return "build the unique index " + QuoteName(a.table.schema, a.name) + " (" + columns + ") on " +
                   Quoted(a.table) + " concurrently";
          },
          [](const DropInvalidIndex& a) {
            return "drop the invalid index " + QuoteName(a.table.schema, a.name);
          },
          [&](const FenceConversion& a) {
            return "divert new rows from " + ToString(Bound::At(a.conversion.cut)) + " on from " +
                   Quoted(table) + " to " + QuoteName(table.schema, a.conversion.parent_name);
          },
          [&](const FinishConversion& a) {
            return "move " + std::to_string(a.rows) + " rows beyond " +
                   ToString(Bound::At(a.conversion.cut)) + " and make " + Quoted(table) +
                   " partitioned, with the table that it was as its partition " +
                   QuoteName(table.schema, a.conversion.history_name);
          },
          [&](const UnfenceConversion&) { return "divert no rows from " + Quoted(table) + " any more"; },
          [&](const AbandonConversion& a) {
            return "remove what was prepared to convert " + Quoted(table) + ": " +
                   QuoteName(table.schema, a.conversion.parent_name) +
                   ", whose rows go back, but for those with a key that " + Quoted(table) + " has already";
          },
          [&](const BeginRevert& a) {
            return "make " + Quoted(table) + " the plain table again that is its partition " +
                   QuoteName(table.schema, a.conversion.history_name) +
                   ", with the other partitions as children that it inherits from";
          },
          [&](const MergeChild& a) { return "move the rows of " + Quoted(a.child) + " to " + Quoted(table); },
          [](const DropChild& a) { return "drop the empty table " + Quoted(a.child); },
          [&](const FinishRevert&) { return "close the conversion of " + Quoted(table) + ": it is plain"; },
          [&](const InstallRollup& a) {
            return (a.makes_table ? "make the rollup " : "keep the rollup ") + a.rollup + " of " +
                   Quoted(table) + " by triggers";
          },
          [](const RefreshRollup& a) {
            return "compute about " + std::to_string(a.buckets) + " buckets of the rollup " + a.rollup +
                   " again";
          },
          [](const FillRollup& a) { return "compute the history of the rollup " + a.rollup; },
          [](const AuditRollup& a) { return "count a few buckets of the rollup " + a.rollup + " again"; },
          [](const ProveRollup& a) {
            return "compare the rollup " + a.rollup + " with the rows of " + Quoted(a.partition);
          },
          [](const StopRollup& a) { return "stop keeping the rollup " + a.rollup + "; its table stays"; },
      },
      action);
}

bool Destructive(const Action& action) {
  return std::holds_alternative<DetachPartition>(action) || std::holds_alternative<DropPartition>(action) ||
         std::holds_alternative<DeleteExpiredRows>(action);
}

char MarkOf(const Action& action) {
  const bool adds =
      std::holds_alternative<CreatePartition>(action) || std::holds_alternative<CreateDefault>(action) ||
      std::holds_alternative<FinishDrain>(action) || std::holds_alternative<ReattachPartition>(action);
  return adds ? '+' : Destructive(action) ? '-' : '~';
}

bool Routine(const Action& action) {
  return std::holds_alternative<RefreshRollup>(action) || std::holds_alternative<AuditRollup>(action);
}

bool EndsWayBack(const Table& table) {
  return table.conversion && table.conversion->state == Conversion::State::kConverted &&
         table.conversion->no_way_back.empty();
}

std::string WhyNoWayBack(const DropPartition& action) {
  return "partition " + Quoted(action.partition) + " was dropped";
}

std::string WhyNoWayBack(const DeleteExpiredRows& action) {
  return "expired rows were deleted from " + Quoted(action.leaf);
}

std::vector<Lock> LocksOf(const Action& action, const Table& table) {
  std::vector<Lock> locks;
  std::visit(
      Overloaded{
          [&](const FinalizeDetach& a) {
            locks.push_back({"SHARE UPDATE EXCLUSIVE", Quoted(table), "readers and writers go on"});
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(a.partition), "only metadata"});
            for (const std::string& referenced : table.references) {
              locks.push_back({"SHARE ROW EXCLUSIVE", referenced, "only metadata"});
            }
          },
          [](const ForgetDetached&) {},
          [&](const CreatePartition&) { AttachLocks(table, false, &locks); },
          [&](const CreateDefault&) { AttachLocks(table, false, &locks); },
          [&](const RemoveDefault& a) {
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(table), "only metadata"});
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(a.partition), "proves that it is empty"});
          },
          [&](const ReplacePartitions& a) {
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(table), "only metadata"});
            for (const TableRef& ref : a.drop) {
              locks.push_back({"ACCESS EXCLUSIVE", Quoted(ref), "proves that it is empty"});
            }
            AttachLocks(table, false, &locks);
          },
          [&](const BeginDrain& a) {
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(a.default_partition), "only metadata"});
            for (const std::string& referenced : table.references) {
              locks.push_back({"SHARE ROW EXCLUSIVE", referenced, "adds the foreign key to an empty table"});
            }
          },
          [&](const FinishDrain& a) {
            locks.push_back({"SHARE UPDATE EXCLUSIVE", Quoted(a.default_partition),
                             "moves and validates; readers and writers go on"});
            if (a.drain.mode == Drain::Mode::kPromote) {
              locks.push_back({"ACCESS EXCLUSIVE", Quoted(table), "only metadata"});
            }
            AttachLocks(table, true, &locks);
          },
          [&](const ReattachPartition&) { AttachLocks(table, true, &locks); },
          [&](const AddBoundCheck& a) {
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(a.partition), "only metadata"});
          },
          [&](const ValidateBoundCheck& a) {
            locks.push_back(
                {"SHARE UPDATE EXCLUSIVE", Quoted(a.partition), "scans it; readers and writers go on"});
          },
          [&](const DetachPartition& a) { DetachLocks(table, Quoted(a.partition), &locks); },
          [&](const DropPartition& a) {
            if (a.attached) {
              locks.push_back({"ACCESS EXCLUSIVE", Quoted(table), "only metadata"});
              if (table.default_partition)
                locks.push_back({"ACCESS EXCLUSIVE", DefaultOf(table), "only metadata"});
            } else {
              for (const std::string& referenced : table.references) {
                locks.push_back({"ACCESS EXCLUSIVE", referenced, "drops the foreign key's triggers"});
              }
            }
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(a.partition), "only metadata"});
          },
          [&](const DeleteExpiredRows& a) {
            locks.push_back({"ROW EXCLUSIVE", Quoted(a.leaf), "as any DELETE; rows, not the table"});
          },
          [&](const AnalyzeParent&) {
            locks.push_back(
                {"SHARE UPDATE EXCLUSIVE", Quoted(table), "and its partitions; readers and writers go on"});
          },
          [&](const PrepareConversion&) {
            for (const std::string& referenced : table.references) {
              locks.push_back({"SHARE ROW EXCLUSIVE", referenced, "adds the foreign key to an empty table"});
            }
          },
          [&](const BuildIndex& a) {
            locks.push_back({"SHARE UPDATE EXCLUSIVE", Quoted(a.table), "readers and writers go on"});
          },
          [&](const DropInvalidIndex& a) {
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(a.table), "only metadata"});
          },
          [&](const FenceConversion&) {
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(table), "only metadata"});
          },
          [&](const FinishConversion&) {
            locks.push_back(
                {"SHARE UPDATE EXCLUSIVE", Quoted(table), "moves and validates; readers and writers go on"});
            for (const DependentView& view :
                 table.anatomy ? table.anatomy->views : std::vector<DependentView>()) {
              locks.push_back({"ACCESS EXCLUSIVE", view.name, "points it to the partitioned table"});
            }
            for (const std::string& referenced : table.references) {
              locks.push_back({"ACCESS EXCLUSIVE", referenced, "adopts the foreign key; nothing is scanned"});
            }
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(table), "only metadata: the swap"});
          },
          [&](const UnfenceConversion&) {
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(table), "only metadata"});
          },
          [&](const AbandonConversion& a) {
            for (const std::string& referenced : table.references) {
              locks.push_back({"ACCESS EXCLUSIVE", referenced, "drops the foreign key's triggers"});
            }
            if (!a.keep_index && !a.conversion.key_index.empty()) {
              locks.push_back({"ACCESS EXCLUSIVE", Quoted(table), "drops an index"});
            }
          },
          [&](const BeginRevert&) {
            for (const DependentView& view :
                 table.anatomy ? table.anatomy->views : std::vector<DependentView>()) {
              locks.push_back({"ACCESS EXCLUSIVE", view.name, "points it to the plain table"});
            }
            for (const std::string& referenced : table.references) {
              locks.push_back({"ACCESS EXCLUSIVE", referenced, "makes the foreign key the table's own"});
            }
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(table), "and its partitions; only metadata"});
          },
          [&](const InstallRollup& a) {
            locks.push_back({"SHARE ROW EXCLUSIVE", Quoted(table), "makes the triggers; readers go on"});
            if (!a.makes_table) {
              locks.push_back(
                  {"ACCESS EXCLUSIVE", "the rollup's table", "adds sum_value, where it is missing"});
            }
          },
          [](const RefreshRollup&) {},
          [](const FillRollup&) {},
          [](const AuditRollup&) {},
          [](const ProveRollup&) {},
          [&](const StopRollup&) {
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(table), "drops the triggers"});
          },
          [&](const MergeChild& a) {
            locks.push_back({"ROW EXCLUSIVE", Quoted(a.child), "as any DELETE; rows, not the table"});
            locks.push_back({"ROW EXCLUSIVE", Quoted(table), "as any INSERT"});
          },
          [&](const DropChild& a) {
            for (const std::string& referenced : table.references) {
              locks.push_back({"ACCESS EXCLUSIVE", referenced, "drops the foreign key's triggers"});
            }
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(a.child), "proves that it is empty"});
          },
          [&](const FinishRevert&) {
            locks.push_back({"ACCESS EXCLUSIVE", Quoted(table), "drops a trigger"});
          },
      },
      action);
  return locks;
}

}  // namespace partition_controller
