// Rollups: checked in full, so that a policy written for a later release has no
// mistakes left, but not kept.

#include <set>

#include "crd/spec.h"
#include "crd/text.h"

namespace partition_controller {
namespace {

constexpr std::size_t kMaxDimensions = 16;

// ^[a-z]([-a-z0-9]*[a-z0-9])?$, at most 40: it becomes part of metric labels.
bool IsRollupName(std::string_view text) {
  return text.size() <= 40 && IsDnsLabel(text) && text.front() >= 'a';
}

// One or more distinct names.
void CheckNames(Reader* reader, const Node& node, std::size_t most) {
  const std::vector<Node> items = reader->List(node);
  if (node && node.value->is_array() && (items.empty() || items.size() > most)) {
    reader->Report(node, node.Name() + " must hold from 1 to " + std::to_string(most) + " names, not " +
                             std::to_string(items.size()));
  }
  std::set<std::string> seen;
  for (const Node& item : items) {
    const auto name = ReadIdentifier(reader, item);
    if (name && !seen.insert(*name).second) {
      reader->Report(item, item.Name() + ": " + Quoted(*name) + " is in the list already");
    }
  }
}

void CheckSource(Reader* reader, const Node& node) {
  constexpr std::size_t kMaxNames = 1000;
  Fields fields(reader, node);
  if (!fields.Readable()) return;
  const Node jsonb = fields.Get("jsonb");
  const Node keys = fields.Get("keys");
  const Node columns = fields.Get("columns");
  if (!jsonb && !columns) {
    reader->Report(node, "source needs jsonb (a jsonb column) or columns (a list of numeric columns)");
  }
  if (jsonb && columns) {
    reader->Report(columns, "source has jsonb already; it must have only one of jsonb and columns");
  }
  if (keys && !jsonb) reader->Report(keys, "keys are the keys of a jsonb column: add jsonb");
  ReadIdentifier(reader, jsonb);
  if (keys && keys.value->is_array()) {
    CheckNames(reader, keys, kMaxNames);
  } else if (keys && *keys.value != "All") {
    reader->Report(keys, "keys must be All or a list of keys");
  }
  CheckNames(reader, columns, kMaxNames);
}

void CheckInterval(Reader* reader, const Node& node) {
  const auto text = reader->Text(node);
  if (!text) return;
  const auto clock = ParseClockDuration(*text);
  const auto calendar = ParseCalendarDuration(*text);
  const bool minutes_or_hours = clock && (text->ends_with('m') || text->ends_with('h')) && clock->count() > 0;
  const bool days = calendar && calendar->unit == CalendarDuration::Unit::kDay && calendar->count > 0;
  if (!minutes_or_hours && !days) {
    reader->Report(node,
                   "interval must be a whole number above 0 and m, h or d, such as 1h; not " + Quoted(*text));
  }
}

void CheckRollup(Reader* reader, const Node& node, std::set<std::string>* names) {
  Fields fields(reader, node);
  if (!fields.Readable()) return;
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
  }
  const Node state = fields.Get("state");
  bool enabled = true;
  reader->Choose<bool>(state, {{"Enabled", true}, {"Paused", false}}, &enabled);
  // A wrong word is reported as such, not guessed at.
  if (enabled && (!state || *state.value == "Enabled")) {
    reader->Report(state ? state : node,
                   "rollups are not supported yet; write state: Paused or leave the rollup out");
  }
  CheckInterval(reader, fields.Require("interval", "the length of a bucket, such as 1h"));
  ReadIdentifier(reader, fields.Require("table", "the table that holds the rollup"));
  CheckNames(reader, fields.Require("dimensions", "the columns to group by, such as [device_id]"),
             kMaxDimensions);
  CheckSource(reader, fields.Require("source", "jsonb or columns says what is aggregated"));
  reader->Clock(fields.Get("settle"), std::chrono::milliseconds(0), std::chrono::hours(24 * 7));
  reader->Calendar(fields.Get("keep"), 1);
}

}  // namespace

void CheckRollups(Reader* reader, const Node& rollups) {
  std::set<std::string> names;
  for (const Node& item : reader->List(rollups)) CheckRollup(reader, item, &names);
}

}  // namespace partition_controller
