// Convert: a plain table becomes partitioned where it stands.
//
// No row is copied.  The table itself becomes the partition of everything
// before the cut, a period's start that lies ahead; a partitioned table that
// was prepared beside it takes its name.  What the steps are and why they are
// safe: docs/conversion.md.  Each step's state is in the catalog and in the
// journal (Conversion), so that every run can go on where the last one ended.

#include "reconcilers/convert.h"

#include <algorithm>

#include "crd/text.h"
#include "reconcilers/bounds.h"
#include "reconcilers/naming.h"
#include "reconcilers/planning.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

using State = Conversion::State;

// The time from the first step to the swap: building an index and proving a
// CHECK each read the table once, at more than 8 MiB/s on the smallest disks;
// and a day for somebody to look, should nothing go on behind the fence.
constexpr std::chrono::hours kLeastLead{24};
constexpr std::int64_t kBytesPerSecond = 4 << 20;

// A fence this close to the present would soon divert what clients write now.
constexpr std::chrono::minutes kTooClose{10};

// On the key's axis: never earlier than what clients write now, whatever --now
// says, but in a test database.
Instant Present(const Planning& p) {
  if (p.server.test_database) return p.key_now;
  return std::max(p.key_now, ToKeyTime(p.server.time, p.policy.partitioning, p.key));
}

TableRef PlainRef(const Planning& p) { return {p.table.oid, p.table.schema, p.table.name, ""}; }

// What reading the table once means.
std::string OneScan(const Planning& p) {
  const std::string rows =
      p.table.rows > 0 ? " (about " + std::to_string(static_cast<std::int64_t>(p.table.rows)) + " rows)" : "";
  return "reads the table once, " + BytesText(p.table.anatomy->bytes) + rows + "; readers and writers go on";
}

// In the database's folder, or wherever its tablespace is: that is not for a
// client to see, so the plan says what is needed.
std::string IndexCost(const Planning& p) {
  const double rows = std::max(0.0, p.table.rows);
  return "needs about " + BytesText(static_cast<std::int64_t>(rows * 40)) + " of disk, and " + OneScan(p);
}

Conversion Planned(const Planning& p) {
  const Anatomy& anatomy = *p.table.anatomy;
  Conversion conversion;
  conversion.plain = p.table.oid;
  conversion.cut = ConversionCut(p);
  conversion.shape = anatomy.shape;
  const std::size_t indexes = OwnIndexes(anatomy, p.table.name).size();
  // One whose indexes find their names free as well.
  const auto free = [&](const auto& name) {
    std::set<std::string> taken = p.TakenNames();
    for (;;) {
      std::string found = name(taken);
      bool all = true;
      for (std::size_t i = 0; i < indexes; ++i) all = all && !taken.contains(CarriedIndexName(found, i));
      if (all) return found;
      taken.insert(found);
    }
  };
  conversion.parent_name =
      free([&](const auto& taken) { return FreeName(p.table.name, "_partitioned", taken); });
  const Range history = {Bound::MinValue(), Bound::At(conversion.cut)};
  conversion.history_name =
      free([&](const auto& taken) { return PartitionName(p.table.name, history, p.calendar, taken); });
  const TableIndex* key = PrimaryKey(anatomy);
  if (key != nullptr && WouldWeaken(*key)) {
    conversion.primary_key = key->columns;
    conversion.key_index = KeyIndexName(p.table.name);
  }
  return conversion;
}

void Prepare(Planning& p) {
  PrepareConversion prepare;
  prepare.conversion = Planned(p);
  prepare.indexes = OwnIndexes(*p.table.anatomy, p.table.name).size();
  std::set<std::string> taken = p.TakenNames();
  const Bound cut = Bound::At(prepare.conversion.cut);
  const Bound horizon = Bound::At(Horizon(p));
  for (const Range& piece : cut < horizon ? Cut({cut, horizon}, p.calendar) : std::vector<Range>()) {
    prepare.partitions.push_back({PartitionName(p.table.name, piece, p.calendar, taken), piece});
    taken.insert(prepare.partitions.back().name);
  }
  prepare.default_name = DefaultName(p.table.name, taken);
  const Anatomy& anatomy = *p.table.anatomy;
  const std::string times = anatomy.first && anatomy.last
                                ? ", with rows from " + ToString(Bound::At(*anatomy.first)) + " to " +
                                      ToString(Bound::At(*anatomy.last)) + ","
                                : std::string();
  p.Do(std::move(prepare), "conversion is Online: the table" + times +
                               " becomes the partition of everything before " +
                               ToString(Bound::At(ConversionCut(p))) + ", and no row of it moves");
}

void GiveUp(Planning& p, bool keep_index, const std::string& reason) {
  if (p.table.conversion->state == State::kFenced) p.Do(UnfenceConversion{*p.table.conversion}, reason);
  p.Do(AbandonConversion{*p.table.conversion, keep_index}, reason);
}

// False while the index cannot be had.
bool ProvideKeyIndex(Planning& p) {
  const Conversion conversion = *p.table.conversion;
  if (conversion.key_index.empty()) return true;
  std::vector<std::string> columns = conversion.primary_key;
  columns.push_back(p.policy.time_column);
  return ProvideUniqueIndex(p, PlainRef(p), conversion.key_index, columns,
                            "the primary key gets the time column; " + IndexCost(p));
}

}  // namespace

bool ProvideUniqueIndex(Planning& p, const TableRef& table, const std::string& name,
                        const std::vector<std::string>& columns, const std::string& reason) {
  const std::vector<TableIndex>& indexes = p.table.anatomy->indexes;
  const auto known = std::find_if(indexes.begin(), indexes.end(),
                                  [&](const TableIndex& index) { return index.name == name; });
  if (known != indexes.end() && (!known->unique || known->columns != columns || known->constraint != ' ')) {
    p.Refuse("NameTaken", "index " + QuoteName(table.schema, name) + " is in the way of the one to be built",
             "ALTER INDEX " + QuoteName(table.schema, name) + " RENAME TO ...;", true);
    return false;
  }
  if (known != indexes.end() && known->valid) return true;
  const TableIndex* key = PrimaryKey(*p.table.anatomy);
  const BuildIndex build{table, name, columns, key == nullptr ? "" : key->storage,
                         key == nullptr ? "" : key->tablespace};
  if (known != indexes.end() && known->building) {
    p.plan.waiting.push_back({build, "it is being built", std::nullopt});
    return false;
  }
  if (known != indexes.end()) p.Do(DropInvalidIndex{table, name}, "building it was interrupted");
  p.Do(build, reason);
  return true;
}

std::vector<TableIndex> OwnIndexes(const Anatomy& anatomy, const std::string& table) {
  std::vector<TableIndex> own = anatomy.indexes;
  std::erase_if(own, [&](const TableIndex& index) { return index.name == KeyIndexName(table); });
  return own;
}

Instant ConversionCut(const Planning& p) {
  if (p.table.conversion) return p.table.conversion->cut;
  const auto lead =
      kLeastLead + std::chrono::seconds(p.table.anatomy ? p.table.anatomy->bytes / kBytesPerSecond : 0);
  const Instant now = Present(p);
  Instant cut = NextPeriod(PeriodStart(now, p.calendar), p.calendar);
  while (cut < now + lead) cut = NextPeriod(cut, p.calendar);
  return cut;
}

void Convert(Planning& p) {
  const std::optional<Conversion>& known = p.table.conversion;
  if (known && known->state == State::kReverting) {  // finished before anything else begins
    Revert(p);
    return;
  }
  const bool wanted = p.enabled && p.policy.partitioning.conversion == Partitioning::Conversion::kOnline;
  if (!wanted) {
    GiveUp(p, false, p.enabled ? "conversion is no longer Online" : "partitioning.state is Disabled");
    return;
  }
  if (!p.table.anatomy) return;  // somebody's lock is in the way of a closer look
  const std::size_t refusals = p.plan.refusals.size();
  CheckConvertible(p);
  if (p.plan.refusals.size() > refusals) {
    if (known && known->state == State::kFenced) {
      GiveUp(p, true, "something has come up that cannot be carried over, and rows are out of sight");
    }
    return;
  }
  if (known && known->shape != p.table.anatomy->shape) {
    GiveUp(p, true, "the table has been altered since the conversion began");
    return;
  }
  if (known && known->cut < Present(p) + kTooClose) {
    GiveUp(
        p, true,
        "the cut " + ToString(Bound::At(known->cut)) + " is no longer far enough ahead; a later one follows");
    return;
  }
  AdviseConversion(p);
  if (known && known->state == State::kFenced) {
    p.plan.advice.push_back("rows for a time from " + ToString(Bound::At(known->cut)) +
                            " on that were written since the fence are out of sight until the tables are "
                            "swapped, which must be before then; conversion: Never takes the fence down");
  }
  if (!known) Prepare(p);
  if (!ProvideKeyIndex(p)) return;
  if (known->state == State::kPrepared) {
    p.Do(
        FenceConversion{*known},
        "rows beyond the cut must not reach the table any more; those that come now show once it is swapped");
  }
  const std::int64_t rows = p.table.anatomy->rows_beyond;
  p.Do(FinishConversion{*known, rows}, OneScan(p) + ", then swaps the tables in milliseconds");
}

void GiveUpConversion(Planning& p, const std::string& reason) {
  const State state = p.table.conversion->state;
  if (state == State::kPrepared || state == State::kFenced) GiveUp(p, false, reason);
}

bool NeedsAnatomy(const Policy& policy, const Catalog& catalog) {
  if (!catalog.table || !KeyTypeOf(catalog.table->key_column_type)) return false;
  const Table& table = *catalog.table;
  const Partitioning& wanted = policy.partitioning;
  if (table.kind == Table::Kind::kPartitioned) {
    return table.conversion && table.conversion->no_way_back.empty() &&
           wanted.conversion == Partitioning::Conversion::kRevert;
  }
  if (table.kind != Table::Kind::kPlain) return false;
  return table.conversion || (wanted.state == Partitioning::State::kEnabled &&
                              wanted.conversion == Partitioning::Conversion::kOnline);
}

std::optional<Instant> ProbeBeyond(const Policy& policy, const Catalog& catalog, const Now& now) {
  if (!catalog.table || catalog.table->kind != Table::Kind::kPlain || !catalog.table->anatomy) {
    return std::nullopt;
  }
  return ConversionCut(Planning(policy, catalog, now));
}

}  // namespace partition_controller
