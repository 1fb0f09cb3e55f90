// Provision: a partition for every period from the retention cutoff to the
// premake horizon, without a gap and without an overlap.
//
// Partitions that hold rows, or that somebody else made, are fixed.  What lies
// between them is cut at period starts.  Empty future partitions of our own
// that do not fit the cut (the granularity changed, or the zone's rules did)
// are swapped for ones that do, in one transaction, so that what was covered
// stays covered at every moment.

#include <algorithm>

#include "reconcilers/bounds.h"
#include "reconcilers/drain.h"
#include "reconcilers/naming.h"
#include "reconcilers/planning.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// Without retention, periods of very old rows are not made beyond this number.
constexpr std::size_t kMostOldPeriods = 2'000;

// Nor are gaps filled that are longer than this: one partition of 1970 is no
// reason to make all the days since.
constexpr int kMostGapPeriods = 100;

bool Movable(const Planning& p, const Partition& partition) {
  return partition.range && partition.created_by_us && partition.rows == 0 && !partition.detach_pending &&
         partition.kind == Partition::Kind::kTable && partition.range->from.finite() &&
         partition.range->to.finite() && partition.range->from > Bound::At(p.key_now);
}

// Where to look in an ordered series of ranges that do not overlap: the first
// one that ends beyond `bound`.
std::vector<Range>::const_iterator FirstBeyond(const std::vector<Range>& ranges, const Bound& bound) {
  return std::partition_point(ranges.begin(), ranges.end(),
                              [&](const Range& range) { return range.to <= bound; });
}

bool AnyOverlaps(const std::vector<Range>& ranges, const Range& range) {
  const auto first = FirstBeyond(ranges, range.from);
  return first != ranges.end() && Overlap(*first, range);
}

std::vector<Range> RangesOf(const Planning& p) {
  std::vector<Range> ranges;
  for (const Partition& partition : p.table.partitions) {
    if (partition.range) ranges.push_back(*partition.range);
  }
  return ranges;
}

// A swap moves no rows.  Where some of a piece wait in the default partition,
// only what empty partitions cover already is swapped; the rest is drained.
std::vector<Range> Swappable(const Planning& p, const Range& piece, const std::vector<Range>& movable) {
  if (p.DefaultRowsIn(piece) == 0) return {piece};
  std::vector<Range> covered;
  for (auto it = FirstBeyond(movable, piece.from); it != movable.end() && it->from < piece.to; ++it) {
    covered.push_back(*it);
  }
  std::vector<Range> parts = Gaps(piece, covered);
  const std::vector<Range> rest = Gaps(piece, parts);
  parts.insert(parts.end(), rest.begin(), rest.end());
  std::sort(parts.begin(), parts.end());
  return parts;
}

// The current cut of the axis against what is there.
struct Layout {
  std::vector<Range> missing;             // pieces without a partition, in order
  std::vector<const Partition*> misfits;  // movable partitions that are no piece, in order
};

Layout LayOut(const Planning& p) {
  const Bound start = Bound::At(WindowStart(p));
  Bound end = Bound::At(Horizon(p));
  std::vector<Range> fixed;
  std::vector<const Partition*> partitions;
  std::vector<Range> movable;  // theirs
  const bool may_replace = p.DefaultIsSmall();
  for (const Partition& partition : p.table.partitions) {
    if (!partition.range) continue;
    if (may_replace && Movable(p, partition) && partition.range->from < end) {
      partitions.push_back(&partition);
      movable.push_back(*partition.range);
    } else {
      fixed.push_back(*partition.range);
    }
  }
  if (!movable.empty()) end = std::max(end, movable.back().to);
  // What was detached keeps its place while it may come back.
  for (const Detached& detached : p.table.detached) {
    if (p.cutoff && detached.range.to <= Bound::At(*p.cutoff)) fixed.push_back(detached.range);
  }

  std::vector<Range> pieces;
  for (const Range& gap : Gaps({start, end}, fixed)) {
    for (const Range& piece : Cut(gap, p.calendar)) {
      const std::vector<Range> parts = Swappable(p, piece, movable);
      pieces.insert(pieces.end(), parts.begin(), parts.end());
    }
  }
  Layout layout;
  for (const Range& piece : pieces) {
    // Retention would remove it at once: a part of the first period, before a
    // partition of another granularity.
    if (p.cutoff && piece.to <= Bound::At(*p.cutoff)) continue;
    if (!std::binary_search(movable.begin(), movable.end(), piece)) layout.missing.push_back(piece);
  }
  for (const Partition* partition : partitions) {
    if (!std::binary_search(pieces.begin(), pieces.end(), *partition->range))
      layout.misfits.push_back(partition);
  }
  return layout;
}

NewPartition Named(const Range& range, const Planning& p, std::set<std::string>* taken) {
  NewPartition made{PartitionName(p.table.name, range, p.calendar, *taken), range};
  taken->insert(made.name);
  return made;
}

// Swaps the misfits for the missing pieces that overlap them, one transaction
// for each stretch of the axis that hangs together.
void Replace(Planning& p) {
  const Layout layout = LayOut(p);
  if (layout.misfits.empty()) return;
  std::vector<ReplacePartitions> swaps;
  std::set<std::string> taken = p.TakenNames();
  auto piece = layout.missing.cbegin();
  for (auto misfit = layout.misfits.cbegin(); misfit != layout.misfits.cend();) {
    ReplacePartitions swap;
    Bound end = (*misfit)->range->to;  // of the stretch
    piece = std::find_if(piece, layout.missing.cend(),
                         [&](const Range& range) { return range.to > (*misfit)->range->from; });
    for (bool grown = true; grown;) {
      grown = false;
      for (; misfit != layout.misfits.cend() && (*misfit)->range->from < end; ++misfit) {
        swap.drop.push_back(RefOf(**misfit));
        end = std::max(end, (*misfit)->range->to);
        grown = true;
      }
      for (; piece != layout.missing.cend() && piece->from < end; ++piece) {
        swap.create.push_back(Named(*piece, p, &taken));
        end = std::max(end, piece->to);
        grown = true;
      }
    }
    swaps.push_back(std::move(swap));
  }
  for (ReplacePartitions& swap : swaps) {
    p.Do(std::move(swap), std::string("empty partitions ahead do not fit the granularity ") +
                              ToString(p.policy.partitioning.granularity) + " in " +
                              p.policy.partitioning.time_zone);
  }
}

void AdviseMisfits(Planning& p) {
  if (p.DefaultIsSmall()) return;
  const std::int64_t pages = p.table.default_partition->pages;
  for (const Partition& partition : p.table.partitions) {
    if (!Movable(p, partition) || !(partition.range->from < Bound::At(Horizon(p)))) continue;
    if (Cut(*partition.range, p.calendar).size() == 1) continue;
    p.plan.advice.push_back(
        "empty partitions ahead do not fit the granularity; they stay, because the default "
        "partition (" +
        std::to_string(pages) + " pages) is too large to be scanned under lock");
    return;
  }
}

// The periods of `wanted`, which are in order, as far as no partition covers
// them; before the window, for in it all are made.
std::vector<Range> PiecesFor(const Planning& p, const std::vector<Instant>& wanted) {
  std::vector<Range> pieces;
  const Bound start = Bound::At(WindowStart(p));
  const std::vector<Range> gaps = Gaps({Bound::MinValue(), start}, RangesOf(p));
  for (const Instant at : wanted) {
    if (Bound::At(at) >= start || pieces.size() >= kMostOldPeriods) break;
    const auto gap = FirstBeyond(gaps, Bound::At(at));
    if (gap == gaps.end() || !gap->Contains(at)) continue;
    const Instant period = PeriodStart(at, p.calendar);
    const Range piece{std::max(gap->from, Bound::At(std::max(period, kFirstPeriod))),
                      std::min(gap->to, Bound::At(NextPeriod(period, p.calendar)))};
    if (pieces.empty() || pieces.back() != piece) pieces.push_back(piece);
  }
  return pieces;
}

// Without retention the window begins now; older rows get partitions where
// there are rows, not where there are none.
std::vector<Range> OldPieces(const Planning& p) {
  if (p.table.feed) return PiecesFor(p, p.table.feed->demanded);
  if (p.cutoff || !p.table.default_partition) return {};
  const DefaultPartition& fallback = *p.table.default_partition;
  std::vector<Instant> wanted;
  for (std::size_t i = 1; i < fallback.counts.size(); ++i) {
    if (fallback.counts[i] != 0) wanted.push_back(fallback.cuts[i - 1]);
  }
  return PiecesFor(p, wanted);
}

// Without retention and without a default partition, rows that come late for a
// gap between partitions would be refused, for ever.
std::vector<Range> GapPieces(const Planning& p) {
  if (p.cutoff || p.policy.partitioning.default_partition != Partitioning::Default::kAbsent ||
      p.table.default_partition || p.policy.feeder) {
    return {};
  }
  const std::vector<Range> fixed = RangesOf(p);
  if (fixed.empty() || !fixed.front().to.finite()) return {};
  std::vector<Range> pieces;
  for (const Range& gap : Gaps({fixed.front().to, Bound::At(WindowStart(p))}, fixed)) {
    Instant end = gap.from.at;
    for (int i = 0; i < kMostGapPeriods && Bound::At(end) < gap.to; ++i) end = NextPeriod(end, p.calendar);
    if (Bound::At(end) < gap.to) continue;
    const std::vector<Range> cut = Cut(gap, p.calendar);
    pieces.insert(pieces.end(), cut.begin(), cut.end());
  }
  return pieces;
}

std::vector<Range> Missing(const Planning& p) {
  std::vector<Range> pieces = OldPieces(p);
  const std::vector<Range> gaps = GapPieces(p);
  pieces.insert(pieces.end(), gaps.begin(), gaps.end());
  const std::vector<Range> window = LayOut(p).missing;
  pieces.insert(pieces.end(), window.begin(), window.end());
  return pieces;
}

void Create(Planning& p, const Range& piece, const std::string& reason) {
  const std::string name = PartitionName(p.table.name, piece, p.calendar, p.TakenNames());
  const std::int64_t rows = p.DefaultRowsIn(piece);
  if (rows > 0) {
    MoveOut(p, piece, {0, p.table.schema, name, ""},
            std::to_string(rows) + " rows of this period wait in the default partition");
  } else if (!p.DefaultIsSmall()) {
    MoveOut(p, piece, {0, p.table.schema, name, ""},
            reason +
                "; the default partition is large, so that it holds none of its rows is proven without a "
                "strong lock");
  } else {
    p.Do(CreatePartition{{name, piece}}, reason);
  }
}

void ProvideDefault(Planning& p) {
  if (p.policy.partitioning.default_partition == Partitioning::Default::kKeep) {
    if (!p.table.default_partition) {
      p.Do(CreateDefault{DefaultName(p.table.name, p.TakenNames())},
           "defaultPartition is Keep, and rows outside all partitions would be refused");
    }
  } else if (p.table.default_partition) {
    const DefaultPartition& fallback = *p.table.default_partition;
    if (fallback.partition.kind != Partition::Kind::kTable) {
      p.plan.advice.push_back("defaultPartition is Absent, but the default partition stays: it is " +
                              std::string(fallback.partition.kind == Partition::Kind::kForeign
                                              ? "a foreign table"
                                              : "partitioned itself") +
                              ", and what it holds is not known");
    } else if (fallback.rows == 0 && fallback.exact) {
      p.Do(RemoveDefault{RefOf(fallback.partition)}, "defaultPartition is Absent, and it is empty");
    } else {
      p.plan.advice.push_back("defaultPartition is Absent, but the default partition stays: it holds " +
                              std::to_string(fallback.rows) + " rows that belong to no period in the window");
    }
  }
}

}  // namespace

Instant Horizon(const Planning& p) {
  Instant end = NextPeriod(PeriodStart(p.key_now, p.calendar), p.calendar);
  for (int i = 0; i < p.policy.partitioning.premake; ++i) end = NextPeriod(end, p.calendar);
  return end;
}

// Without retention nothing says how far back rows may lie, and one row of a
// clock that was reset to 1970 must not make partitions for all the days since:
// what is older than the current period gets partitions where there are rows.
// So does what is older in the table of a rollup: where there are buckets.
Instant WindowStart(const Planning& p) {
  return PeriodStart(p.policy.feeder ? p.key_now : p.cutoff.value_or(p.key_now), p.calendar);
}

void Provision(Planning& p) {
  const Instant next = NextPeriod(PeriodStart(p.key_now, p.calendar), p.calendar);
  p.WakeAt(p.Utc(next));
  std::vector<Range> missing = Missing(p);
  // Not where empty partitions wait to be replaced.
  const std::vector<Range> there = RangesOf(p);
  std::erase_if(missing, [&](const Range& piece) { return AnyOverlaps(there, piece); });
  Promote(p, &missing);
  // The default may be small by now, so that misfits can be replaced.
  Replace(p);
  AdviseMisfits(p);
  missing = Missing(p);
  // Now and the future first, soonest first; then the past, newest first.
  const auto future = std::find_if(missing.begin(), missing.end(),
                                   [&](const Range& r) { return r.to > Bound::At(p.key_now); });
  for (auto it = future; it != missing.end(); ++it) {
    Create(p, *it,
           it->Contains(p.key_now)
               ? "the current period has no partition"
               : "one of the " + std::to_string(p.policy.partitioning.premake) + " periods to be made ahead");
  }
  for (auto it = future; it != missing.begin();) {
    --it;
    Create(p, *it,
           p.table.feed ? "buckets of this period are to be computed"
                        : "a gap between the oldest rows to be kept and now");
  }
  ProvideDefault(p);
  // With the next period one more is to be made ahead.
  const Instant horizon = Horizon(p);
  const Range ahead{Bound::At(horizon), Bound::At(NextPeriod(horizon, p.calendar))};
  if (!AnyOverlaps(RangesOf(p), ahead)) {
    p.Foresee(p.Utc(next), "create a partition for " + ToString(ahead));
  }
}

}  // namespace partition_controller
