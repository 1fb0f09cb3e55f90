// Rollups: what a policy says of them.

#include <algorithm>
#include <set>

#include "crd/spec.h"
#include "crd/text.h"

namespace partition_controller {
namespace {

constexpr std::size_t kMaxDimensions = 16;
constexpr std::size_t kMaxTable = 58;

// ^[a-z]([-a-z0-9]*[a-z0-9])?$, at most 40: it becomes part of metric labels.
bool IsRollupName(std::string_view text) {
  return text.size() <= 40 && IsDnsLabel(text) && text.front() >= 'a';
}

// One or more distinct names.
std::vector<std::string> ReadNames(Reader* reader, const Node& node, std::size_t most) {
  const std::vector<Node> items = reader->List(node);
  if (node && node.value->is_array() && (items.empty() || items.size() > most)) {
    reader->Report(node, node.Name() + " must hold from 1 to " + std::to_string(most) + " names, not " +
                             std::to_string(items.size()));
  }
  std::vector<std::string> names;
  for (const Node& item : items) {
    const auto name = ReadIdentifier(reader, item);
    if (!name) continue;
    if (std::find(names.begin(), names.end(), *name) != names.end()) {
      reader->Report(item, item.Name() + ": " + Quoted(*name) + " is in the list already");
    }
    names.push_back(*name);
  }
  return names;
}

// Returns the node that names a finer rollup, if there is one.
Node ReadSource(Reader* reader, const Node& node, Rollup* rollup) {
  constexpr std::size_t kMaxNames = 1000;
  Fields fields(reader, node);
  if (!fields.Readable()) return {};
  const Node jsonb = fields.Get("jsonb");
  const Node keys = fields.Get("keys");
  const Node columns = fields.Get("columns");
  const Node finer = fields.Get("rollup");
  if (!jsonb && !columns && !finer) {
    reader->Report(node,
                   "source needs jsonb (a jsonb column), columns (a list of numeric columns) or rollup (the "
                   "name of a finer rollup)");
  }
  if (jsonb && columns) {
    reader->Report(columns, "source has jsonb already; it must have only one of jsonb and columns");
  }
  if (finer && (jsonb || columns)) {
    reader->Report(finer, "source names rows already; it must have only one of jsonb, columns and rollup");
  }
  if (keys && !jsonb) reader->Report(keys, "keys are the keys of a jsonb column: add jsonb");
  rollup->jsonb = ReadIdentifier(reader, jsonb).value_or("");
  if (keys && keys.value->is_array()) {
    rollup->keys = ReadNames(reader, keys, kMaxNames);
  } else if (keys && *keys.value != "All") {
    reader->Report(keys, "keys must be All or a list of keys");
  }
  rollup->columns = ReadNames(reader, columns, kMaxNames);
  const auto text = reader->Text(finer);
  if (!text) return {};
  rollup->finer = *text;
  return finer;
}

bool Divides(const Rollup& finer, const Rollup& coarser) {
  if (!coarser.calendar_day)
    return !finer.calendar_day && coarser.interval % finer.interval == std::chrono::minutes(0);
  // Midnights of most zones lie on full hours, and of all of them, nowadays, on
  // quarters; which it is for this zone is not known here.
  return finer.calendar_day ? finer.time_zone == coarser.time_zone
                            : std::chrono::minutes(60) % finer.interval == std::chrono::minutes(0);
}

// What a rollup that is fed by another one, of `all` before it, must have in
// common with that.
void CheckFiner(Reader* reader, const Node& name, const Node& dimensions, const Rollup& rollup,
                const std::vector<Rollup>& all) {
  const auto finer =
      std::find_if(all.begin(), all.end(), [&](const Rollup& other) { return other.name == rollup.finer; });
  if (finer == all.end()) {
    reader->Report(name, "there is no rollup " + Quoted(rollup.finer) + " before this one in the list");
    return;
  }
  if (!Divides(*finer, rollup)) {
    reader->Report(name, "buckets of " + Quoted(rollup.finer) +
                             " do not add up to those of this one: its interval must divide this one's, and "
                             "for days the hour");
  }
  for (const std::string& dimension : rollup.dimensions) {
    if (std::find(finer->dimensions.begin(), finer->dimensions.end(), dimension) != finer->dimensions.end())
      continue;
    reader->Report(dimensions,
                   "the rollup " + Quoted(rollup.finer) + " has no dimension " + Quoted(dimension));
  }
}

void ReadInterval(Reader* reader, const Node& node, Rollup* rollup) {
  const auto text = reader->Text(node);
  if (!text) return;
  const auto clock = ParseClockDuration(*text);
  const bool minutes = clock && (text->ends_with('m') || text->ends_with('h')) && clock->count() > 0;
  rollup->calendar_day = *text == "1d";
  if (minutes && *clock <= std::chrono::hours(24 * 366)) {
    rollup->interval = std::chrono::duration_cast<std::chrono::minutes>(*clock);
  } else if (!rollup->calendar_day) {
    reader->Report(node,
                   "interval must be a whole number above 0 and m or h, such as 1h, at most 8784h, or 1d for "
                   "days as they are in timeZone; not " +
                       Quoted(*text));
  }
}

Rollup ReadRollup(Reader* reader, const Node& node, const DecodeContext& context, const std::string& zone,
                  const std::vector<Rollup>& all, std::set<std::string>* names,
                  std::set<std::string>* tables) {
  Rollup rollup;
  Fields fields(reader, node);
  if (!fields.Readable()) return rollup;
  const Node name = fields.Require("name", "what the rollup is called, such as hourly");
  if (const auto text = reader->Text(name)) {
    if (!IsRollupName(*text)) {
      reader->Report(name,
                     "name must be a lower-case letter, then lower-case letters, digits and -, at most 40, "
                     "not ending in -; not " +
                         Quoted(*text));
    } else if (!names->insert(*text).second) {
      reader->Report(name, "another rollup is called " + Quoted(*text));
    }
    rollup.name = *text;
  }
  reader->Choose<bool>(fields.Get("state"), {{"Enabled", true}, {"Paused", false}}, &rollup.enabled);
  ReadInterval(reader, fields.Require("interval", "the length of a bucket, such as 1h"), &rollup);
  rollup.time_zone = zone;
  const Node own_zone = fields.Get("timeZone");
  DecodeZone(reader, own_zone, context, &rollup.time_zone);
  if (own_zone && !rollup.calendar_day) {
    reader->Report(own_zone,
                   "timeZone is for days (interval: 1d); shorter and longer buckets are aligned to UTC");
  }
  const Node table = fields.Require("table", "the table that holds the rollup");
  rollup.table = ReadIdentifier(reader, table).value_or("");
  if (rollup.table.size() > kMaxTable) {
    reader->Report(table, "table must be at most " + std::to_string(kMaxTable) +
                              " bytes, for the view beside it is called the same and _live; it has " +
                              std::to_string(rollup.table.size()));
  }
  if (!rollup.table.empty() && !tables->insert(rollup.table).second) {
    reader->Report(table, "table " + Quoted(rollup.table) + " is taken: each needs one of its own");
  }
  const Node dimensions = fields.Require("dimensions", "the columns to group by, such as [device_id]");
  rollup.dimensions = ReadNames(reader, dimensions, kMaxDimensions);
  const Node finer = ReadSource(
      reader, fields.Require("source", "jsonb, columns or rollup says what is aggregated"), &rollup);
  if (finer) CheckFiner(reader, finer, dimensions, rollup, all);
  rollup.settle =
      reader->Clock(fields.Get("settle"), std::chrono::milliseconds(0), std::chrono::hours(24 * 7))
          .value_or(rollup.settle);
  rollup.keep = reader->Calendar(fields.Get("keep"), 1);
  reader->Choose<bool>(fields.Get("lateData"), {{"Merge", true}, {"Refuse", false}}, &rollup.merge_late);
  const bool long_buckets = rollup.calendar_day || rollup.interval >= std::chrono::hours(24);
  rollup.granularity = long_buckets ? Granularity::kYear : Granularity::kMonth;
  DecodeGranularity(reader, fields.Get("granularity"), &rollup.granularity);
  return rollup;
}

}  // namespace

void DecodeRollups(Reader* reader, const Node& rollups, const DecodeContext& context, Policy* policy) {
  std::set<std::string> names;
  // A rollup that replaced what it is made of would be a loop.
  std::set<std::string> tables = {policy->table.name};
  for (const Node& item : reader->List(rollups)) {
    policy->rollups.push_back(
        ReadRollup(reader, item, context, policy->partitioning.time_zone, policy->rollups, &names, &tables));
  }
}

}  // namespace partition_controller
