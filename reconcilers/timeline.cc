#include "reconcilers/timeline.h"

#include <algorithm>
#include <cmath>

namespace partition_controller {
namespace {

// On a phone a slot is then three pixels wide.
constexpr int kColumns = 120;
// What is further away than so many times the span of everything nearer would
// squeeze that to nothing.
constexpr double kFar = 4;
constexpr double kMargin = 0.02;
constexpr double kLeastSpan = 3'600;

// Seconds: the distance of two instants may be more than fits into one.
double Seconds(Instant instant) { return std::chrono::duration<double>(instant.time_since_epoch()).count(); }

Instant FromSeconds(double seconds) {
  // A year short of what the type holds.
  constexpr double kMost = 9.19e12;
  return Instant(std::chrono::microseconds(std::llround(std::clamp(seconds, -kMost, kMost) * 1e6)));
}

// The ends of a range; infinite ones as such.
double From(const Range& range) { return range.from.finite() ? Seconds(range.from.at) : -HUGE_VAL; }
double To(const Range& range) { return range.to.finite() ? Seconds(range.to.at) : HUGE_VAL; }

// The span of time that is drawn, in seconds.
struct Window {
  double from = 0;
  double to = 0;

  double Place(double at) const { return std::clamp((at - from) / (to - from), 0.0, 1.0); }
  double Place(Instant at) const { return Place(Seconds(at)); }
  bool Shows(const Range& range) const { return To(range) > from && From(range) < to; }
};

Window WindowOf(std::vector<Range> ranges, double low, double high) {
  const auto reach = [&] { return kFar * std::max(high - low, kLeastSpan); };
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return To(a) > To(b); });
  for (const Range& range : ranges) {
    if (From(range) >= low) continue;
    if (To(range) < low - reach()) break;
    const bool long_one = From(range) < low - reach();
    low = long_one ? std::min(low, To(range)) - (high - low) / 8 : From(range);
    if (long_one) break;
  }
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return From(a) < From(b); });
  for (const Range& range : ranges) {
    if (To(range) <= high) continue;
    if (From(range) > high + reach()) break;
    const bool long_one = To(range) > high + reach();
    high = long_one ? std::max(high, From(range)) + (high - low) / 8 : To(range);
    if (long_one) break;
  }
  const double margin = std::max((high - low) * kMargin, high - low < kLeastSpan ? kLeastSpan : 0);
  return {low - margin, high + margin};
}

// Puts slots side by side, and narrow neighbours of one state together.
class Row {
 public:
  Row(const Window& window, std::vector<Timeline::Slot>* slots) : window_(window), slots_(slots) {}

  void Add(Timeline::Slot slot) {
    slot.from = window_.Place(From(slot.range));
    slot.to = window_.Place(To(slot.range));
    slot.before_window = From(slot.range) < window_.from;
    slot.beyond_window = To(slot.range) > window_.to;
    const bool narrow = slot.to - slot.from < 1.0 / kColumns;
    const int column = static_cast<int>((slot.from + slot.to) / 2 * kColumns);
    if (narrow && column == column_ && Join(slot)) return;
    column_ = narrow ? column : -1;
    slots_->push_back(std::move(slot));
  }

 private:
  bool Join(const Timeline::Slot& slot) {
    Timeline::Slot& last = slots_->back();
    const bool gap = slot.partitions == 0 && slot.state == Timeline::State::kGap;
    if (slot.state != last.state && (!gap || last.partitions == 0)) return false;
    if (gap && last.partitions > 0) ++last.gaps;
    last.to = std::max(last.to, slot.to);
    last.range.to = std::max(last.range.to, slot.range.to);
    last.partitions += slot.partitions;
    if (!slot.last.empty()) last.last = slot.last;
    last.bytes += slot.bytes;
    if (slot.rows >= 0) last.rows = std::max(last.rows, 0.0) + slot.rows;
    last.detach_pending = last.detach_pending || slot.detach_pending;
    return true;
  }

  const Window window_;
  std::vector<Timeline::Slot>* const slots_;
  int column_ = -1;  // of the last slot, if it is narrow
};

class Drawing {
 public:
  Drawing(const Policy& policy, const Table& table, KeyType key, const Outlook& outlook)
      : policy_(policy), table_(table), key_(key), outlook_(outlook), now_(KeyTime(outlook.now)) {
    if (outlook.cutoff) cutoff_ = KeyTime(*outlook.cutoff);
    if (outlook.horizon != Instant{}) horizon_ = KeyTime(outlook.horizon);
  }

  Timeline Make() {
    window_ = WindowOf(Ranges(), std::min(Seconds(now_), Seconds(cutoff_.value_or(now_))),
                       std::max(Seconds(now_), Seconds(horizon_.value_or(now_))));
    line_.from = FromSeconds(window_.from);
    line_.to = FromSeconds(window_.to);
    line_.now = window_.Place(now_);
    if (cutoff_) line_.cutoff = window_.Place(*cutoff_);
    if (horizon_) line_.horizon = window_.Place(*horizon_);
    AddAttached();
    AddDetached();
    AddDefault();
    AddLanes();
    for (const auto* slots : {&line_.attached, &line_.detached}) {
      for (const Timeline::Slot& slot : *slots) line_.most_bytes = std::max(line_.most_bytes, slot.bytes);
    }
    return std::move(line_);
  }

 private:
  Instant KeyTime(Instant clock) const { return ToKeyTime(clock, policy_.partitioning, key_); }

  static bool Stands(const Detached& detached) { return detached.exists && !detached.attached; }

  std::vector<Range> Ranges() const {
    std::vector<Range> ranges;
    for (const Partition& partition : table_.partitions) {
      if (partition.range) ranges.push_back(*partition.range);
    }
    for (const Detached& detached : table_.detached) {
      if (Stands(detached)) ranges.push_back(detached.range);
    }
    return ranges;
  }

  Timeline::State StateOf(const Range& range) const {
    if (range.Contains(now_)) return Timeline::State::kCurrent;
    if (Bound::At(now_) < range.from) return Timeline::State::kAhead;
    return cutoff_ && range.to <= Bound::At(*cutoff_) ? Timeline::State::kExpired : Timeline::State::kKept;
  }

  void AddAttached() {
    Row row(window_, &line_.attached);
    std::optional<Bound> end;  // of what has been added
    for (const Partition& partition : table_.partitions) {
      if (!partition.range) {
        ++line_.odd;
        continue;
      }
      const Range& range = *partition.range;
      if (!window_.Shows(range)) {
        ++(To(range) <= window_.from ? line_.before_window : line_.beyond_window);
        continue;
      }
      if (end && *end < range.from) AddGap(row, {*end, range.from}, Timeline::State::kGap);
      if (!end || *end < range.to) end = range.to;
      row.Add({.state = StateOf(range),
               .range = range,
               .partitions = 1,
               .first = partition.name,
               .last = partition.name,
               .bytes = partition.bytes,
               .rows = partition.rows,
               .detach_pending = partition.detach_pending});
    }
    if (!horizon_) return;
    const Bound missing_from = end ? *end : Bound::At(now_);
    if (missing_from < Bound::At(*horizon_)) {
      AddGap(row, {missing_from, Bound::At(*horizon_)}, Timeline::State::kToMake);
    }
  }

  static void AddGap(Row& row, const Range& range, Timeline::State state) {
    row.Add({.state = state, .range = range, .first = "", .last = ""});
  }

  void AddDetached() {
    std::vector<const Detached*> standing;
    for (const Detached& detached : table_.detached) {
      if (Stands(detached) && window_.Shows(detached.range)) standing.push_back(&detached);
    }
    std::sort(standing.begin(), standing.end(),
              [](const Detached* a, const Detached* b) { return a->range < b->range; });
    Row row(window_, &line_.detached);
    for (const Detached* detached : standing) {
      row.Add({.state = Timeline::State::kExpired,
               .range = detached->range,
               .partitions = 1,
               .first = detached->name,
               .last = detached->name,
               .bytes = detached->bytes,
               .rows = detached->rows});
    }
  }

  void AddDefault() {
    if (!table_.default_partition) return;
    const DefaultPartition& fallback = *table_.default_partition;
    Row row(window_, &line_.in_default);
    for (std::size_t i = 0; i < fallback.counts.size() && i <= fallback.cuts.size(); ++i) {
      if (fallback.counts[i] == 0) continue;
      const Range range{i == 0 ? Bound::MinValue() : Bound::At(fallback.cuts[i - 1]),
                        i == fallback.cuts.size() ? Bound::MaxValue() : Bound::At(fallback.cuts[i])};
      if (!window_.Shows(range)) continue;
      row.Add({.range = range, .first = "", .last = "", .rows = static_cast<double>(fallback.counts[i])});
    }
  }

  void AddLanes() {
    for (const RollupState& state : table_.rollups) {
      const Rollup* rollup = FindRollup(policy_, state.name);
      if (rollup == nullptr || !rollup->enabled || !state.intact) continue;
      if (!state.filled && !state.filled_from) continue;
      Timeline::Lane lane;
      lane.rollup = state.name;
      if (!state.filled) lane.filled_from = state.filled_from;
      lane.watermark = BucketStart(*rollup, outlook_.now - rollup->settle);
      if (state.oldest_dirty) lane.watermark = std::min(lane.watermark, *state.oldest_dirty);
      lane.from = lane.filled_from ? window_.Place(KeyTime(*lane.filled_from)) : 0;
      lane.to = std::max(lane.from, window_.Place(KeyTime(lane.watermark)));
      line_.lanes.push_back(std::move(lane));
    }
  }

  const Policy& policy_;
  const Table& table_;
  const KeyType key_;
  const Outlook& outlook_;
  const Instant now_;
  std::optional<Instant> cutoff_;
  std::optional<Instant> horizon_;
  Window window_;
  Timeline line_;
};

}  // namespace

std::optional<Timeline> TimelineOf(const Policy& policy, const Catalog& catalog, const Outlook& outlook) {
  if (!catalog.table || catalog.table->kind != Table::Kind::kPartitioned) return std::nullopt;
  const std::optional<KeyType> key = KeyTypeOf(catalog.table->key_column_type);
  if (!key || outlook.now == Instant{}) return std::nullopt;
  return Drawing(policy, *catalog.table, *key, outlook).Make();
}

}  // namespace partition_controller
