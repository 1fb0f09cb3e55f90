#include "reconcilers/drain.h"

#include <algorithm>

#include "reconcilers/bounds.h"
#include "reconcilers/naming.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// Fewer rows than this are moved: that is quick, and keeps every partition one
// period long.
constexpr std::int64_t kWorthPromoting = 100'000;

struct Gap {
  std::size_t first = 0;  // pieces [first, last)
  std::size_t last = 0;
  std::int64_t rows = 0;
};

// A moved row leaves the default partition by a DELETE.  A foreign key that
// points to the table would take that at its word (ON DELETE CASCADE would
// delete what refers to the row), and so would the user's triggers, and
// subscribers, whom nobody tells of the table that it goes to.
bool MayMoveRows(Planning& p) {
  const Table& table = p.table;
  if (table.referenced_by.empty() && table.delete_triggers.empty() && table.published_by.empty()) return true;
  const std::string name =
      QuoteName(table.default_partition->partition.schema, table.default_partition->partition.name);
  std::string why;
  std::string remedy;
  for (const std::string& drop : table.referenced_by) remedy += (remedy.empty() ? "" : " ") + drop;
  if (!table.referenced_by.empty())
    why = "foreign keys that point to " + p.Name() + " would see them as deleted";
  for (const std::string& trigger : table.delete_triggers) {
    remedy += (remedy.empty() ? "" : " ") +
              ("ALTER TABLE " + name + " DISABLE TRIGGER " + QuoteName(trigger) + ";");
  }
  if (!table.delete_triggers.empty()) {
    why += std::string(why.empty() ? "" : ", and ") + "DELETE triggers on " + name + " would fire";
  }
  for (const std::string& unpublish : table.published_by) remedy += (remedy.empty() ? "" : " ") + unpublish;
  if (!table.published_by.empty()) {
    why += std::string(why.empty() ? "" : ", and ") + "subscribers would lose them";
    remedy += " (publish the table again afterwards)";
  }
  const bool said = std::any_of(p.plan.refusals.begin(), p.plan.refusals.end(),
                                [](const Refusal& refusal) { return refusal.code == "RowsCannotMove"; });
  if (!said) {
    p.Refuse("RowsCannotMove", "rows cannot be moved from the default partition to their own: " + why,
             "until they are moved: " + remedy, false);
  }
  return false;
}

// Runs of adjacent pieces, with the rows that wait in the default for each.
std::vector<Gap> GapsOf(const Planning& p, const std::vector<Range>& pieces) {
  std::vector<Gap> gaps;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (gaps.empty() || pieces[i].from != pieces[i - 1].to) gaps.push_back({i, i, 0});
    gaps.back().last = i + 1;
    gaps.back().rows += p.DefaultRowsIn(pieces[i]);
  }
  return gaps;
}

}  // namespace

void MoveOut(Planning& p, const Range& range, const TableRef& target, const std::string& reason) {
  const std::int64_t rows = p.DefaultRowsIn(range);
  if (rows > 0 && !MayMoveRows(p)) return;
  Drain drain;
  drain.mode = Drain::Mode::kMove;
  drain.range = range;
  drain.target = target.oid;
  drain.target_schema = target.schema;
  drain.target_name = target.name;
  const TableRef fallback = RefOf(p.table.default_partition->partition);
  p.Do(BeginDrain{drain, fallback}, reason);
  p.Do(FinishDrain{drain, fallback, "", rows}, reason);
}

void Promote(Planning& p, std::vector<Range>* pieces) {
  if (!p.table.default_partition) return;
  const std::vector<Gap> gaps = GapsOf(p, *pieces);
  const auto fullest =
      std::max_element(gaps.begin(), gaps.end(), [](const Gap& a, const Gap& b) { return a.rows < b.rows; });
  if (fullest == gaps.end() || fullest->rows < kWorthPromoting) return;
  std::int64_t outside = p.table.default_partition->rows - fullest->rows;
  if (outside > kMostOutsiders) return;
  // A partition that is pointed to cannot be detached, and what is diverted
  // meanwhile is not published (MoveOut says so).
  if (!p.table.referenced_by.empty() || !p.table.published_by.empty()) return;
  if (outside > 0 && !p.table.delete_triggers.empty()) return;

  // From the first piece with rows to the last one, or to the current period,
  // where live rows arrive.
  const auto wanted = [&](const Range& piece) {
    return p.DefaultRowsIn(piece) > 0 || piece.Contains(p.key_now);
  };
  std::size_t first = fullest->first;
  std::size_t last = fullest->last;
  while (!wanted((*pieces)[first])) ++first;
  // A few rows of a clock that runs ahead would have the partition end, and so
  // expire, later than it need.
  const auto stray = [&](const Range& piece) {
    const std::int64_t rows = p.DefaultRowsIn(piece);
    return piece.from > Bound::At(p.key_now) && rows < fullest->rows / 100 &&
           outside + rows <= kMostOutsiders && p.table.delete_triggers.empty();
  };
  while (last > first + 1 && (!wanted((*pieces)[last - 1]) || stray((*pieces)[last - 1]))) {
    outside += p.DefaultRowsIn((*pieces)[last - 1]);
    --last;
  }

  Drain drain;
  drain.mode = Drain::Mode::kPromote;
  drain.range = {(*pieces)[first].from, (*pieces)[last - 1].to};
  drain.target_schema = p.table.schema;
  drain.target_name = DefaultName(p.table.name, p.TakenNames());
  const TableRef fallback = RefOf(p.table.default_partition->partition);
  FinishDrain finish{drain, fallback, PartitionName(p.table.name, drain.range, p.calendar, p.TakenNames()),
                     outside};
  const std::string reason = "nearly all of the " + std::to_string(p.table.default_partition->rows) +
                             " rows in the default partition fill one gap: it becomes that gap's partition, "
                             "and no row of the gap moves";
  p.Do(BeginDrain{drain, fallback}, reason);
  p.Do(std::move(finish), reason);
  pieces->erase(pieces->begin() + static_cast<std::ptrdiff_t>(first),
                pieces->begin() + static_cast<std::ptrdiff_t>(last));
}

}  // namespace partition_controller
