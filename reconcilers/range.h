// Half-open ranges [from, to) of a partition key, as PostgreSQL orders them.

#ifndef PARTITION_CONTROLLER_RECONCILERS_RANGE_H_
#define PARTITION_CONTROLLER_RECONCILERS_RANGE_H_

#include <compare>
#include <vector>

#include "reconcilers/instant.h"

namespace partition_controller {

struct Bound {
  // In PostgreSQL's order: MINVALUE lies below '-infinity', MAXVALUE above
  // 'infinity'.
  enum class Kind { kMinValue, kMinusInfinity, kFinite, kInfinity, kMaxValue };

  Kind kind = Kind::kFinite;
  Instant at{};  // only for kFinite; zero otherwise, so that == holds

  static Bound At(Instant instant) { return {Kind::kFinite, instant}; }
  static Bound MinValue() { return {Kind::kMinValue, {}}; }
  static Bound MaxValue() { return {Kind::kMaxValue, {}}; }
  bool finite() const { return kind == Kind::kFinite; }
  auto operator<=>(const Bound&) const = default;
};

struct Range {
  Bound from;
  Bound to;

  static Range Between(Instant from, Instant to) { return {Bound::At(from), Bound::At(to)}; }
  bool empty() const { return !(from < to); }
  bool Contains(Instant instant) const { return from <= Bound::At(instant) && Bound::At(instant) < to; }
  auto operator<=>(const Range&) const = default;
};

bool Overlap(const Range& a, const Range& b);

// The parts of `window` that no range of `taken` covers, in order.  `taken`
// may come in any order and may overlap.
std::vector<Range> Gaps(const Range& window, std::vector<Range> taken);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_RANGE_H_
