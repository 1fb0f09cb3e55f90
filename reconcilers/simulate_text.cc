// A simulation in words, for people and machines.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crd/text.h"
#include "reconcilers/bounds.h"
#include "reconcilers/explaining.h"
#include "reconcilers/quote.h"
#include "reconcilers/simulate.h"

namespace partition_controller {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMostRows = 40;  // of the curve
constexpr std::size_t kBarWidth = 40;

std::string Title(const Policy& policy) {
  return "Policy " + policy.name_space + "/" + policy.name + ", table " +
         QuoteName(policy.table.schema, policy.table.name);
}

std::string GrowthText(const Growth& growth) {
  if (!growth.measured) return "unknown: no whole period has rows yet";
  return BytesText(static_cast<std::int64_t>(growth.bytes_per_day)) + " a day, the mean of " +
         (growth.periods == 1 ? std::string("the last whole period")
                              : "the last " + std::to_string(growth.periods) + " whole periods") +
         " (" + ToString(growth.measured->from) + " to " + ToString(growth.measured->to) + ")";
}

std::string RunsText(const SimulationSpan& span) {
  return span.every ? "one every " + ToString(*span.every) : "whenever something is due";
}

// From `from` on, at the starts of periods that give rows enough and not too many.
std::vector<Instant> Samples(const SimulationSpan& span) {
  std::vector<Instant> samples;
  for (const Granularity granularity : {Granularity::kHour, Granularity::kDay, Granularity::kWeek,
                                        Granularity::kMonth, Granularity::kQuarter, Granularity::kYear}) {
    const Calendar calendar{granularity, "UTC"};
    samples = {span.from};
    const bool last = granularity == Granularity::kYear;  // 50 years may have a few more
    while ((last || samples.size() <= kMostRows) && samples.back() < span.to) {
      samples.push_back(std::min(span.to, NextPeriod(samples.back(), calendar)));
    }
    if (samples.back() == span.to) break;
  }
  return samples;
}

const DiskPoint& Peak(const Simulation& simulation) {
  return *std::max_element(simulation.curve.begin(), simulation.curve.end(),
                           [](const DiskPoint& a, const DiskPoint& b) { return a.bytes < b.bytes; });
}

std::string Padded(std::string text, std::size_t width, bool right) {
  const std::string blanks(width - std::min(width, text.size()), ' ');
  return right ? blanks + text : text + blanks;
}

struct Counts {
  std::size_t made = 0;
  std::size_t detached = 0;
  std::size_t dropped = 0;
};

Counts CountsOf(const Simulation& simulation) {
  Counts counts;
  for (const SimulatedStep& step : simulation.steps) {
    if (std::holds_alternative<CreatePartition>(step.action) ||
        std::holds_alternative<FinishDrain>(step.action)) {
      ++counts.made;
    } else if (const auto* swap = std::get_if<ReplacePartitions>(&step.action)) {
      counts.made += swap->create.size();
      counts.dropped += swap->drop.size();
    } else if (std::holds_alternative<DetachPartition>(step.action)) {
      ++counts.detached;
    } else if (std::holds_alternative<DropPartition>(step.action)) {
      ++counts.dropped;
    }
  }
  return counts;
}

}  // namespace

std::string SimulationText(const Simulation& simulation, const Policy& policy, bool colour) {
  const SimulationSpan& span = simulation.span;
  std::string text;
  const auto line = [&](const std::string& what) { text += Printable(what) + "\n"; };
  const auto heading = [&](const std::string& what) {
    text += "\n" + (colour ? "\x1b[1m" + Printable(what) + "\x1b[0m" : Printable(what)) + "\n";
  };
  line(Title(policy));
  line("  from:    " + ToString(span.from));
  line("  to:      " + ToString(span.to));
  line("  runs:    " + RunsText(span));
  line("  growth:  " + GrowthText(simulation.growth));
  line("           assumed to stay as it is, each row in its own period");
  const Counts counts = CountsOf(simulation);
  heading("Partitions: " + std::to_string(counts.made) + " made, " + std::to_string(counts.detached) +
          " detached, " + std::to_string(counts.dropped) + " dropped");
  for (const SimulatedStep& step : simulation.steps) {
    line("  " + ToString(step.at) + "  " + MarkOf(step.action) + ' ' + step.description);
  }
  if (simulation.steps.empty()) line("  none");
  const DiskPoint& peak = Peak(simulation);
  heading("On disk, with indexes: " + BytesText(BytesAt(simulation, span.from)) + " at first, at most " +
          BytesText(peak.bytes) + " (" + ToString(peak.at) + "), " + BytesText(BytesAt(simulation, span.to)) +
          " at the end");
  for (const Instant at : Samples(span)) {
    const std::int64_t bytes = BytesAt(simulation, at);
    const double share = peak.bytes == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(peak.bytes);
    // As wide as a time with a fraction.
    std::string row =
        "  " + Padded(ToString(at), 27, false) + "  " + Padded(BytesText(bytes), 10, true) + "  ";
    row += std::string(static_cast<std::size_t>(share * kBarWidth + 0.5), '#');
    line(row);
  }
  if (!simulation.notes.empty()) heading("Notes");
  for (const std::string& note : simulation.notes) line("  " + note);
  return text;
}

ordered_json SimulationJson(const Simulation& simulation, const Policy& policy) {
  const SimulationSpan& span = simulation.span;
  ordered_json json;
  json["policy"] = {{"namespace", policy.name_space}, {"name", policy.name}};
  json["table"] = {{"schema", Utf8(policy.table.schema)}, {"name", Utf8(policy.table.name)}};
  json["from"] = ToString(span.from);
  json["to"] = ToString(span.to);
  json["every"] = span.every ? ordered_json(ToString(*span.every)) : ordered_json();
  const Growth& growth = simulation.growth;
  json["growth"] = {
      {"bytesPerDay", growth.measured ? ordered_json(growth.bytes_per_day) : ordered_json()},
      {"meanOfPeriods", growth.periods},
      {"measured", growth.measured ? ordered_json(ToString(*growth.measured)) : ordered_json()},
      {"assumption", "rows arrive as fast as in the last whole periods, each in its own period"}};
  json["steps"] = ordered_json::array();
  for (const SimulatedStep& step : simulation.steps) {
    json["steps"].push_back({{"at", ToString(step.at)},
                             {"kind", Kind(step.action)},
                             {"description", Utf8(step.description)},
                             {"reason", Utf8(step.reason)},
                             {"destructive", Destructive(step.action)}});
  }
  const Counts counts = CountsOf(simulation);
  json["made"] = counts.made;
  json["detached"] = counts.detached;
  json["dropped"] = counts.dropped;
  json["curve"] = ordered_json::array();
  for (const DiskPoint& point : simulation.curve) {
    json["curve"].push_back({{"at", ToString(point.at)},
                             {"bytes", point.bytes},
                             {"detachedBytes", point.detached},
                             {"partitions", point.partitions}});
  }
  const DiskPoint& peak = Peak(simulation);
  json["peak"] = {{"at", ToString(peak.at)}, {"bytes", peak.bytes}};
  json["notes"] = ordered_json::array();
  for (const std::string& note : simulation.notes) json["notes"].push_back(Utf8(note));
  return json;
}

}  // namespace partition_controller
