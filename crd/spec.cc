#include "crd/spec.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

#include "crd/spelling.h"
#include "crd/text.h"

namespace partition_controller {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSecond{1'000};
constexpr milliseconds kDay{24 * 3'600'000};

void DecodeTable(Reader* reader, const Node& node, TableName* table) {
  Fields fields(reader, node);
  const Node schema = fields.Get("schema");
  const Node name = fields.Require("name", "the table that the policy is for");
  if (const auto text = ReadIdentifier(reader, schema)) {
    // PostgreSQL reserves the prefix: pg_catalog, pg_toast, pg_temp_3.
    if (text->starts_with("pg_") || *text == "information_schema") {
      reader->Report(schema,
                     "schema " + Quoted(*text) + " belongs to PostgreSQL; its tables cannot be managed");
    } else if (*text == "partition_controller") {
      reader->Report(schema, "schema 'partition_controller' holds this controller's own bookkeeping");
    }
    table->schema = *text;
  }
  if (const auto text = ReadIdentifier(reader, name)) table->name = *text;
}

void DecodePartitioning(Reader* reader, const Node& node, const DecodeContext& context, Partitioning* out) {
  Fields fields(reader, node);
  reader->Choose<Partitioning::State>(
      fields.Get("state"),
      {{"Enabled", Partitioning::State::kEnabled}, {"Disabled", Partitioning::State::kDisabled}},
      &out->state);
  DecodeGranularity(reader, fields.Get("granularity"), &out->granularity);
  DecodeZone(reader, fields.Get("timeZone"), context, &out->time_zone);
  out->premake = reader
                     ->Int(fields.Get("premake"), 1, 366,
                           "with none ahead, rows of the next period would have no partition to go to")
                     .value_or(out->premake);
  reader->Choose<Partitioning::Default>(
      fields.Get("defaultPartition"),
      {{"Keep", Partitioning::Default::kKeep}, {"Absent", Partitioning::Default::kAbsent}},
      &out->default_partition);
  reader->Choose<Partitioning::Conversion>(fields.Get("conversion"),
                                           {{"Never", Partitioning::Conversion::kNever},
                                            {"Online", Partitioning::Conversion::kOnline},
                                            {"Revert", Partitioning::Conversion::kRevert}},
                                           &out->conversion);
  reader->Choose<Partitioning::Uniqueness>(fields.Get("uniqueness"),
                                           {{"Refuse", Partitioning::Uniqueness::kRefuse},
                                            {"PerPartition", Partitioning::Uniqueness::kPerPartition}},
                                           &out->uniqueness);
  reader->Choose<bool>(fields.Get("historyDeletes"), {{"Enabled", true}, {"Disabled", false}},
                       &out->history_deletes);
}

void DecodeRetention(Reader* reader, const Node& node, Partitioning::State state, Retention* out) {
  Fields fields(reader, node);
  const Node keep = fields.Require("keep",
                                   "how long rows are kept, such as 90d; to keep them for ever leave "
                                   "retention out");
  out->keep = reader->Calendar(keep, 1).value_or(out->keep);
  const Node action =
      fields.Require("action", "Drop or Detach; saying it is the consent, so there is no default");
  reader->Choose<Retention::Action>(
      action, {{"Drop", Retention::Action::kDrop}, {"Detach", Retention::Action::kDetach}}, &out->action);
  if (state == Partitioning::State::kDisabled && action && *action.value == "Detach") {
    reader->Report(action,
                   "action cannot be Detach when partitioning.state is Disabled: row deletes cannot detach; "
                   "use Drop");
  }
  out->undo_window = reader->Calendar(fields.Get("undoWindow"), 0).value_or(out->undo_window);
  out->max_per_run = reader->Int(fields.Get("maxPerRun"), 1, 1000).value_or(out->max_per_run);
  reader->Choose<bool>(fields.Get("afterRollup"), {{"Required", true}, {"Ignored", false}},
                       &out->after_rollup);
}

// "02:30" into minutes after midnight.
std::optional<std::chrono::minutes> ParseTimeOfDay(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  for (const std::size_t i : {0U, 1U, 3U, 4U}) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
  }
  const int hour = (text[0] - '0') * 10 + (text[1] - '0');
  const int minute = (text[3] - '0') * 10 + (text[4] - '0');
  if (hour > 23 || minute > 59) return std::nullopt;
  return std::chrono::minutes(hour * 60 + minute);
}

Window DecodeWindow(Reader* reader, const Node& node, const DecodeContext& context) {
  Window window;
  Fields fields(reader, node);
  for (const Node& item : reader->List(fields.Get("days"))) {
    const auto day = reader->Choice(item, {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"});
    if (!day) continue;
    const int number = static_cast<int>(*day) + 1;
    if (std::find(window.days.begin(), window.days.end(), number) != window.days.end()) {
      reader->Report(item, item.Name() + ": this day is in the list already");
    } else {
      window.days.push_back(number);
    }
  }
  const Node start = fields.Require("start", "when the window opens, such as \"02:00\"");
  if (start) {
    const auto minutes =
        start.value->is_string() ? ParseTimeOfDay(start.value->get_ref<const std::string&>()) : std::nullopt;
    if (minutes) {
      window.start = *minutes;
    } else {
      reader->Report(start, "start must be a time of day from \"00:00\" to \"23:59\", in quotes");
    }
  }
  const Node duration = fields.Require("duration", "how long the window stays open, such as 2h");
  window.duration = reader->Clock(duration, milliseconds(1), kDay).value_or(window.duration);
  DecodeZone(reader, fields.Get("timeZone"), context, &window.time_zone);
  return window;
}

void DecodeSchedule(Reader* reader, const Node& node, const DecodeContext& context, Schedule* out) {
  Fields fields(reader, node);
  out->period = reader->Clock(fields.Get("period"), kSecond, kDay).value_or(out->period);
  for (const Node& item : reader->List(fields.Get("windows"))) {
    out->windows.push_back(DecodeWindow(reader, item, context));
  }
}

void DecodeLocks(Reader* reader, const Node& node, Locks* out) {
  Fields fields(reader, node);
  const auto timeout = reader->Clock(fields.Get("timeout"), milliseconds(50), 60 * kSecond);
  const Node statement_timeout = fields.Get("statementTimeout");
  const auto statement = reader->Clock(statement_timeout, milliseconds(50), kDay);
  out->timeout = timeout.value_or(out->timeout);
  out->statement_timeout = statement.value_or(out->statement_timeout);
  if (statement && out->statement_timeout < out->timeout) {
    reader->Report(statement_timeout, "statementTimeout (" + ToString(out->statement_timeout) +
                                          ") must not be shorter than timeout (" + ToString(out->timeout) +
                                          ")");
  }
}

}  // namespace

void DecodeGranularity(Reader* reader, const Node& node, Granularity* granularity) {
  reader->Choose<Granularity>(node,
                              {{"Hour", Granularity::kHour},
                               {"Day", Granularity::kDay},
                               {"Week", Granularity::kWeek},
                               {"Month", Granularity::kMonth},
                               {"Quarter", Granularity::kQuarter},
                               {"Year", Granularity::kYear}},
                              granularity);
}

void DecodeZone(Reader* reader, const Node& node, const DecodeContext& context, std::string* zone) {
  const auto text = reader->Text(node);
  if (!text) return;
  const auto known = [&](std::string_view name) {
    return context.known_zone ? context.known_zone(name) : name == "UTC";
  };
  if (known(*text)) {
    *zone = *text;
    return;
  }
  static const std::vector<std::string_view> kWellKnown = {"UTC",
                                                           "Europe/London",
                                                           "Europe/Paris",
                                                           "Europe/Berlin",
                                                           "Europe/Madrid",
                                                           "Europe/Rome",
                                                           "Europe/Amsterdam",
                                                           "Europe/Zurich",
                                                           "Europe/Vienna",
                                                           "Europe/Stockholm",
                                                           "Europe/Warsaw",
                                                           "Europe/Athens",
                                                           "Europe/Helsinki",
                                                           "Europe/Istanbul",
                                                           "America/New_York",
                                                           "America/Chicago",
                                                           "America/Denver",
                                                           "America/Phoenix",
                                                           "America/Los_Angeles",
                                                           "America/Anchorage",
                                                           "America/Toronto",
                                                           "America/Vancouver",
                                                           "America/Sao_Paulo",
                                                           "America/Mexico_City",
                                                           "America/Bogota",
                                                           "Africa/Cairo",
                                                           "Africa/Johannesburg",
                                                           "Africa/Lagos",
                                                           "Africa/Nairobi",
                                                           "Asia/Dubai",
                                                           "Asia/Jerusalem",
                                                           "Asia/Karachi",
                                                           "Asia/Kolkata",
                                                           "Asia/Bangkok",
                                                           "Asia/Singapore",
                                                           "Asia/Hong_Kong",
                                                           "Asia/Shanghai",
                                                           "Asia/Seoul",
                                                           "Asia/Tokyo",
                                                           "Australia/Perth",
                                                           "Australia/Sydney",
                                                           "Pacific/Auckland",
                                                           "Pacific/Honolulu"};
  const auto nearest = Nearest(*text, kWellKnown);
  const bool suggest = nearest && known(*nearest);
  reader->Report(node, node.Name() + " must be an IANA time zone such as UTC or Europe/Berlin; " +
                           Quoted(*text) + " is not known here" +
                           (suggest ? "; did you mean '" + std::string(*nearest) + "'?" : ""));
}

std::optional<std::string> ReadIdentifier(Reader* reader, const Node& node) {
  auto text = reader->Text(node);
  if (!text) return std::nullopt;
  if (text->empty()) {
    reader->Report(node, node.Name() + " must not be empty");
  } else if (text->size() > 63) {
    reader->Report(node, node.Name() + " must be at most 63 bytes, as all names in PostgreSQL; it has " +
                             std::to_string(text->size()));
  } else if (text->find('\0') != std::string::npos) {
    reader->Report(node, node.Name() + " must not hold a NUL character");
  } else {
    return text;
  }
  return std::nullopt;
}

void DecodeSpec(Reader* reader, const Node& spec, const DecodeContext& context, Policy* policy) {
  Fields fields(reader, spec);
  DecodeConnection(reader, fields.Require("connection", "secretRef, env or file says where the database is"),
                   context, &policy->connection);
  if (policy->connection.secret_ref) policy->connection.secret_ref->name_space = policy->name_space;
  DecodeTable(reader, fields.Require("table", "the table that the policy is for"), &policy->table);
  const Node time_column = fields.Require("timeColumn", "the column that says when a row happened");
  policy->time_column = ReadIdentifier(reader, time_column).value_or("");
  DecodePartitioning(reader, fields.Get("partitioning"), context, &policy->partitioning);
  if (const Node retention = fields.Get("retention")) {
    DecodeRetention(reader, retention, policy->partitioning.state, &policy->retention.emplace());
  }
  DecodeRollups(reader, fields.Get("rollups"), context, policy);
  DecodeSchedule(reader, fields.Get("schedule"), context, &policy->schedule);
  DecodeLocks(reader, fields.Get("locks"), &policy->locks);
  reader->Choose<Policy::Mode>(
      fields.Get("mode"), {{"Apply", Policy::Mode::kApply}, {"Plan", Policy::Mode::kPlan}}, &policy->mode);
  policy->suspend = reader->Bool(fields.Get("suspend")).value_or(policy->suspend);
}

}  // namespace partition_controller
