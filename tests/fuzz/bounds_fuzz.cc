// Text from catalogs, statistics views and users, none of it to be trusted.
// Nothing crashes, and what is read prints and reads back to the same value.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "reconcilers/acl.h"
#include "reconcilers/bounds.h"
#include "reconcilers/calendar.h"
#include "reconcilers/naming.h"
#include "reconcilers/quote.h"

using namespace partition_controller;

namespace {

// Not assert: a fuzzer must fail in every kind of build.
void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckBounds(std::string_view text) {
  const auto parsed = ParseBounds(text);
  if (!parsed || parsed->is_default) return;
  const Range& range = parsed->range;
  Require(!range.empty());
  for (const KeyType key : {KeyType::kTimestampTz, KeyType::kTimestamp, KeyType::kDate}) {
    const std::string printed =
        "FOR VALUES FROM (" + BoundSql(range.from, key) + ") TO (" + BoundSql(range.to, key) + ")";
    const auto again = ParseBounds(printed);
    // Dates have no time of day to print, and none above the axis' last midnight.
    if (key != KeyType::kDate) Require(again && !again->is_default && again->range == range);
  }
  for (const Bound& bound : {range.from, range.to}) Require(ParseBound(ToString(bound)) == bound);
  for (const Granularity granularity : {Granularity::kHour, Granularity::kWeek, Granularity::kQuarter}) {
    const Calendar calendar{granularity, "America/Havana"};
    Require(PartitionName("t", range, calendar, {}).size() <= kMaxNameBytes);
    for (const Bound& bound : {range.from, range.to}) {
      if (!bound.finite()) continue;
      Require(PeriodStart(bound.at, calendar) <= bound.at);
      Require(NextPeriod(bound.at, calendar) > bound.at || NextPeriod(bound.at, calendar) == Instant::max());
    }
  }
}

void CheckAcl(std::string_view text) {
  const auto grants = ParseAcl(text);
  if (!grants) return;
  for (const Grant& grant : *grants) Require(!grant.privileges.empty());
  Require(GrantSql(*grants, "t").size() == grants->size());
}

void CheckMask(std::string_view text) {
  for (const std::size_t limit : {std::size_t{0}, std::size_t{2}, std::size_t{40}, text.size() * 3}) {
    const std::string masked = MaskLiterals(text, limit);
    Require(masked.size() <= limit);
    for (const char c : masked) Require(static_cast<unsigned char>(c) >= ' ' && c != '\x7F');
    nlohmann::json(masked).dump();  // throws at what is not UTF-8
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  CheckBounds(text);
  if (const auto bound = ParseBound(text)) Require(ParseBound(ToString(*bound)) == *bound);
  if (const auto instant = ParseInstant(text)) Require(ParseInstant(ToString(*instant)) == *instant);
  CheckAcl(text);
  CheckMask(text);
  Require(FitName(text, "_p202611").size() <= kMaxNameBytes);
  return 0;
}
