// Revert: the way back from a conversion, while no row has been removed.
//
// The history partition is the plain table that once was; it takes its name
// back, and the other partitions become children that it inherits from, so that
// every row stays in sight.  Then they are emptied into it, batch by batch.

#include <algorithm>

#include "reconcilers/naming.h"
#include "reconcilers/planning.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

using State = Conversion::State;

// Whether the table can become plain again; says why not.
class WayBack {
 public:
  explicit WayBack(Planning& p) : p_(p) {}

  bool Open() {
    const std::size_t before = p_.plan.refusals.size();
    if (!p_.table.conversion) {
      Close("the table was not converted by this controller, or its bookkeeping is gone",
            "set partitioning.conversion: Never");
      return false;
    }
    if (!p_.table.conversion->no_way_back.empty()) {
      Close(p_.table.conversion->no_way_back, "set partitioning.conversion: Never");
      return false;
    }
    CheckPartitions();
    if (p_.table.anatomy) CheckAnatomy(*p_.table.anatomy);
    return p_.plan.refusals.size() == before;
  }

 private:
  void Close(const std::string& why, const std::string& remedy) {
    p_.Refuse("NoWayBack", p_.Name() + " cannot become a plain table again: " + why, remedy, false);
  }

  void CheckPartitions() {
    if (History(p_) == nullptr) {
      Close("its history partition is not attached any more", "set partitioning.conversion: Never");
    }
    for (const Detached& detached : p_.table.detached) {
      Close(QuoteName(detached.schema, detached.name) + " is detached, and its rows would be missing",
            "widen retention.keep until it is attached again, or drop it");
    }
    for (const Partition& partition : p_.table.partitions) {
      if (partition.kind == Partition::Kind::kTable) continue;
      Close(QuoteName(partition.schema, partition.name) + " is a foreign table, or partitioned itself",
            "detach it first");
    }
    if (!p_.table.referenced_by.empty()) {
      std::string drops;
      for (const std::string& drop : p_.table.referenced_by) drops += (drops.empty() ? "" : " ") + drop;
      Close("foreign keys of other tables point to it", drops);
    }
  }

  void CheckAnatomy(const Anatomy& anatomy) {
    const bool has_key = std::any_of(anatomy.indexes.begin(), anatomy.indexes.end(),
                                     [](const TableIndex& index) { return index.constraint == 'p'; });
    const bool unique = std::any_of(anatomy.indexes.begin(), anatomy.indexes.end(),
                                    [](const TableIndex& index) { return index.unique; });
    if (unique && !has_key) {
      Close("it has unique indexes and no primary key, so that rows cannot be told apart",
            "ALTER TABLE " + p_.Name() + " ADD PRIMARY KEY (...);");
    }
    for (const TableTrigger& trigger : anatomy.triggers) {
      if (!trigger.on_rows_moved || trigger.enabled == 'D') continue;
      Close("the INSERT or DELETE trigger " + QuoteName(trigger.name) + " would fire for rows that move back",
            "ALTER TABLE " + p_.Name() + " DISABLE TRIGGER " + QuoteName(trigger.name) +
                "; until the way back is done");
    }
    for (const DependentView& view : anatomy.views) {
      if (view.ours) continue;
      Close("view " + view.name + " must be pointed to the plain table, and belongs to " + view.owner,
            "GRANT " + view.owner + " TO " + QuoteName(p_.server.user) + ";");
    }
    for (const PublishedBy& publication : anatomy.publications) {
      if (!publication.by_name) {
        Close("publication " + publication.name +
                  " is FOR ALL TABLES, or for those of the schema: it would publish the rows that move back "
                  "under the names of the partitions",
              "name the tables in a publication of their own, and drop it");
      }
      if (publication.by_name && publication.inserts) {
        Close("publication " + publication.name + " would publish each row that moves back once more",
              "ALTER PUBLICATION " + publication.name + " DROP TABLE " + p_.Name() +
                  "; until the way back is done (ADD it again then)");
      }
      if (!publication.by_name || publication.ours) continue;
      Close("publication " + publication.name + " names the table, and belongs to somebody else",
            "ALTER PUBLICATION " + publication.name + " OWNER TO " + QuoteName(p_.table.owner) + ";");
    }
    for (const std::string& dependent : anatomy.dependents) {
      Close(dependent + " depends on it", "drop what depends, and create it again afterwards");
    }
  }

  Planning& p_;
};

void Merge(Planning& p) {
  const Anatomy& anatomy = *p.table.anatomy;
  const auto is_in = [](const std::vector<Oid>& oids, Oid oid) {
    return std::find(oids.begin(), oids.end(), oid) != oids.end();
  };
  const std::deque<Partition> children = p.table.partitions;  // a copy, for steps change the model
  std::vector<TableRef> emptied;
  for (const Partition& child : children) {
    const TableRef ref = RefOf(child);
    if (is_in(anatomy.stuck_children, child.oid)) {
      const std::string name = QuoteName(child.schema, child.name);
      p.Refuse("RowsRepeatKeys",
               "rows of " + name + " repeat a unique key of " + p.Name() +
                   ", which could be while each partition had its own: they are still read through " +
                   p.Name() + ", but it is not plain yet",
               "look at them (SELECT * FROM ONLY " + name +
                   ";), and delete them or give them other keys; the rest goes by itself",
               false);
      continue;
    }
    if (!is_in(anatomy.empty_children, child.oid)) {
      p.Do(MergeChild{ref}, "its rows move to the table, in batches; each is visible once at every moment");
    }
    emptied.push_back(ref);
  }
  for (const TableRef& child : emptied) p.Do(DropChild{child}, "it is empty then");
  if (p.table.partitions.empty()) p.Do(FinishRevert{*p.table.conversion}, "the table is what it was");
}

}  // namespace

const Partition* History(const Planning& p) {
  if (!p.table.conversion) return nullptr;
  const auto found =
      std::find_if(p.table.partitions.begin(), p.table.partitions.end(),
                   [&](const Partition& partition) { return partition.oid == p.table.conversion->plain; });
  return found == p.table.partitions.end() ? nullptr : &*found;
}

bool Revert(Planning& p) {
  if (p.table.kind == Table::Kind::kPlain) {
    if (p.table.anatomy) Merge(p);
    return true;
  }
  if (!WayBack(p).Open()) return false;
  if (!p.table.anatomy) return true;  // somebody's lock is in the way of a closer look
  Conversion conversion = *p.table.conversion;
  conversion.shape = p.table.anatomy->shape;
  BeginRevert begin{conversion, ""};
  if (!conversion.primary_key.empty()) {
    begin.plain_key = PlainKeyName(p.table.name);
    if (!ProvideUniqueIndex(p, RefOf(*History(p)), begin.plain_key, conversion.primary_key,
                            "the primary key loses the time column again; readers and writers go on")) {
      return true;
    }
  }
  p.Do(std::move(begin), "conversion is Revert: the partitions are emptied into the table that it was");
  Merge(p);
  return true;
}

}  // namespace partition_controller
