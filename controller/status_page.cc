#include "controller/status_page.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "controller/status_parts.h"
#include "crd/text.h"
#include "reconcilers/quote.h"
#include "reconcilers/rollup_tables.h"

namespace partition_controller {
namespace {

constexpr std::array kLevels = {Level::kTrouble, Level::kAttention, Level::kUnread,
                                Level::kPaused,  Level::kWorking,   Level::kWell};
// More tables than these that need nobody are folded, so that the others are found.
constexpr std::size_t kFold = 40;

const Condition* Find(const PolicyState& state, const char* type) {
  const auto found = std::find_if(state.conditions.begin(), state.conditions.end(),
                                  [&](const Condition& condition) { return condition.type == type; });
  return found == state.conditions.end() ? nullptr : &*found;
}

bool Is(const Condition* condition, const char* status) {
  return condition != nullptr && condition->status == status;
}

bool Because(const Condition* condition, std::initializer_list<const char*> reasons) {
  return condition != nullptr && std::any_of(reasons.begin(), reasons.end(),
                                             [&](const char* reason) { return condition->reason == reason; });
}

const char* WordOf(Level level) {
  switch (level) {
    case Level::kTrouble:
      return "Trouble";
    case Level::kAttention:
      return "Attention";
    case Level::kUnread:
      return "Not read";
    case Level::kPaused:
      return "Paused";
    case Level::kWorking:
      return "At work";
    case Level::kWell:
      return "Well";
  }
  return "";
}

const char* ClassOf(Level level) {
  switch (level) {
    case Level::kTrouble:
      return "trouble";
    case Level::kAttention:
      return "attention";
    case Level::kUnread:
      return "unread";
    case Level::kPaused:
      return "paused";
    case Level::kWorking:
      return "working";
    case Level::kWell:
      return "well";
  }
  return "";
}

using Entry = std::pair<PolicyKey, const PolicyState*>;

// A policy that somebody wrote, and those of its rollups' tables.
struct Family {
  std::vector<Entry> members;
  Level worst = Level::kWell;
};

std::vector<Family> FamiliesOf(const Snapshot& snapshot) {
  std::map<PolicyKey, Family> families;
  for (const auto& [key, state] : snapshot.policies) {
    Family& family = families[{key.name_space, WrittenName(key.name)}];
    family.members.emplace_back(key, state.get());
    family.worst = std::min(family.worst, LevelOf(*state));
  }
  std::vector<Family> sorted;
  sorted.reserve(families.size());
  for (auto& [key, family] : families) sorted.push_back(std::move(family));
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Family& a, const Family& b) { return a.worst < b.worst; });
  return sorted;
}

// What is to be said first of a table that is not simply well.
const Condition* Worst(const PolicyState& state) {
  const Condition* ready = Find(state, "Ready");
  if (Is(Find(state, "Stalled"), "True") || state.failures > 0) return ready;
  for (const char* type : {"Covered", "DefaultPartitionEmpty", "RetentionEnforced", "RollupsCurrent"}) {
    if (const Condition* condition = Find(state, type); Is(condition, "False")) return condition;
  }
  return ready;
}

Html Says(const PolicyState& state) {
  Html html;
  const Condition* condition = Worst(state);
  if (condition == nullptr) return html;
  constexpr std::size_t kLong = 220;
  const std::string& all = condition->message;
  html << "<p class=\"says\"><b>" << condition->reason << "</b> "
       << (all.size() > kLong ? std::string(CutText(all, kLong)) + "..." : all) << "</p>";
  return html;
}

Html Retention(const PolicyState& state, Instant now) {
  Html html;
  if (!state.view) return html;
  const TableView& view = *state.view;
  html << (view.keep.empty() ? std::string("for ever") : view.keep + ", " + view.action);
  if (state.outlook.overdue_since) {
    html << "<br><span class=\"soft\">due " << Relative(*state.outlook.overdue_since, now) << "</span>";
  }
  return html;
}

Html Holds(const PolicyState& state) {
  Html html;
  if (!state.observed) return html;
  if (!state.partitioned) return html << (state.view ? state.view->kind : std::string());
  return html << BytesText(state.bytes) << "<br><span class=\"soft\">" << Grouped(state.partitions)
              << (state.partitions == 1 ? " partition" : " partitions") << "</span>";
}

Html Next(const PolicyState& state, Instant now) {
  Html html;
  if (!state.next_action.empty()) {
    std::string what = state.next_action;  // a kind, or words
    std::replace(what.begin(), what.end(), '_', ' ');
    html << (state.next_action_at ? state.next_action : what);
    if (state.next_action_at) {
      html << "<br><span class=\"soft\">" << Relative(*state.next_action_at, now) << "</span>";
    }
  }
  return html;
}

// As Coverage, for a narrow column.
Html Covered(const PolicyState& state, Instant now) {
  Html html;
  const Outlook& outlook = state.outlook;
  if (outlook.covered_for_ever) return html << "for ever";
  if (!outlook.covered_until) return html << "<b>not now</b>";
  html << "<time datetime=\"" << ToString(*outlook.covered_until) << "\">" << Day(*outlook.covered_until)
       << "</time><br><span class=\"soft\">" << Relative(*outlook.covered_until, now) << "</span>";
  if (*outlook.covered_until < outlook.horizon) {
    html << "<br><b>" << Span(outlook.horizon - *outlook.covered_until) << " short</b>";
  }
  return html;
}

Html Row(const Entry& entry, Instant now) {
  const auto& [key, state] = entry;
  Html html;
  const Level level = LevelOf(*state);
  const char* style = key.name == WrittenName(key.name) ? "written" : "derived";
  html << "<tr class=\"" << style << "\"><td class=\"broad\">" << Badge(level)
       << "</td><th scope=\"row\"><div class=\"who\"><div><span class=\"narrow\">" << Badge(level)
       << "<br></span><a href=\"" << TableLink(key) << "\">" << Name(state->table)
       << "</a><br><span class=\"soft\">" << Name(key.name_space) << "/" << Name(key.name) << "</span></div>";
  if (state->view && state->view->timeline) html << TimelineStrip(*state->view->timeline);
  html << "</div>";
  if (level != Level::kWell) html << Says(*state);
  html << "</th><td>";
  if (state->partitioned && state->outlook.horizon != Instant{}) html << Covered(*state, now);
  return html << "</td><td class=\"wide\">" << Retention(*state, now) << "</td><td class=\"wide num\">"
              << Holds(*state) << "</td><td class=\"wide next\">" << Next(*state, now) << "</td></tr>";
}

Html Overview(const std::vector<Family>& families, Instant now) {
  Html html;
  html << "<table class=\"fleet\"><thead><tr><th scope=\"col\" class=\"broad\">State</th><th "
          "scope=\"col\">Table and "
          "policy</th>"
          "<th scope=\"col\">Covered until</th><th scope=\"col\" class=\"wide\">Keep</th>"
          "<th scope=\"col\" class=\"wide num\">Holds</th><th scope=\"col\" class=\"wide "
          "next\">Next</th></tr></thead>";
  for (const Family& family : families) {
    html << "<tbody>";
    for (const Entry& entry : family.members) html << Row(entry, now);
    html << "</tbody>";
  }
  return html << "</table>";
}

void AddPart(const char* heading, const std::vector<Family>& families, bool may_fold, Instant now,
             Html* body) {
  if (families.empty()) return;
  *body << "<h2>" << heading << "</h2>";
  const bool folds = may_fold && families.size() > kFold;
  if (folds) *body << "<details><summary>" << families.size() << " policies</summary>";
  *body << Overview(families, now);
  if (folds) *body << "</details>";
}

Html Notice(Level level, const Html& text) {
  Html html;
  html << "<p class=\"notice\">" << Shape(level) << " " << text << "</p>";
  return html;
}

Html Notices(const StatusPage& page) {
  Html html;
  Html text;
  if (page.stands_by) {
    text << "<b>This controller stands by.</b> Another one leads and looks after the tables; ask that one. "
            "What "
            "stands by knows nothing of them.";
    return Notice(Level::kPaused, text);
  }
  if (!page.snapshot->specs_known) {
    text << "<b>Not all policies have been read well yet.</b> The log says why.";
    html << Notice(Level::kAttention, text);
  }
  if (page.snapshot->spec_problems > 0) {
    text = {};
    text << "<b>" << page.snapshot->spec_problems
         << (page.snapshot->spec_problems == 1 ? " policy or file has" : " policies or files have")
         << " problems</b>; what was good before stays in force. The log or the policy's status says which.";
    html << Notice(Level::kAttention, text);
  }
  return html;
}

Html Tally(const std::map<Level, std::size_t>& counts) {
  Html html;
  html << "<ul class=\"tally\">";
  for (const Level level : kLevels) {
    const auto count = counts.find(level);
    if (count == counts.end()) continue;
    html << "<li>" << Shape(level) << " <b>" << count->second << "</b> " << WordOf(level) << "</li>";
  }
  return html << "</ul>";
}

std::string Title(const std::map<Level, std::size_t>& counts, std::size_t tables) {
  std::size_t bad = 0;
  for (const Level level : {Level::kTrouble, Level::kAttention}) {
    if (const auto count = counts.find(level); count != counts.end()) bad += count->second;
  }
  if (tables == 0) return "No tables";
  if (bad == 0) return std::to_string(tables) + (tables == 1 ? " table" : " tables") + ", none in trouble";
  return std::to_string(bad) + " of " + std::to_string(tables) + (bad == 1 ? " needs" : " need") +
         " attention";
}

}  // namespace

Level LevelOf(const PolicyState& state) {
  if (state.conditions.empty()) return Level::kUnread;
  const Condition* ready = Find(state, "Ready");
  const Condition* covered = Find(state, "Covered");
  if (Is(Find(state, "Stalled"), "True") || Because(covered, {"RangeGap"})) return Level::kTrouble;
  if (state.failures > 0 || Is(covered, "False")) return Level::kAttention;
  const Condition* rollups = Find(state, "RollupsCurrent");
  const Condition* retention = Find(state, "RetentionEnforced");
  const bool fills = Because(rollups, {"Filling"});
  const bool paces = Because(retention, {"Paced", "OutsideWindow", "RollupBehind"});
  const bool held = Because(retention, {"Held"});
  if (Is(rollups, "False") && !fills) return Level::kAttention;
  if (Is(retention, "False") && !paces && !held) return Level::kAttention;
  if (Is(Find(state, "DefaultPartitionEmpty"), "False")) return Level::kAttention;
  if (held || Because(ready, {"Suspended", "PlanPending"})) return Level::kPaused;
  const Condition* converted = Find(state, "Converted");
  const bool converts = Because(converted, {"Pending", "Prepared", "Fenced", "Reverting"});
  if (fills || paces || converts || Because(ready, {"Progressing"})) return Level::kWorking;
  if (Is(ready, "True")) return Level::kWell;
  return Is(ready, "Unknown") ? Level::kUnread : Level::kAttention;
}

Html Shape(Level level) {
  Html html;
  html << "<svg class=\"shape " << ClassOf(level) << "\" width=\"12\" height=\"12\" viewBox=\"0 0 12 12\" "
       << "aria-hidden=\"true\">";
  switch (level) {
    case Level::kTrouble:
      html << "<path d=\"M4 0h4l4 4v4l-4 4h-4l-4-4v-4z\"/><path class=\"in\" d=\"M3.5 3.5l5 5M8.5 3.5l-5 "
              "5\"/>";
      break;
    case Level::kAttention:
      html << "<path d=\"M6 0l6 12h-12z\"/><path class=\"in\" d=\"M6 4.5v3.5M6 9.2v1.3\"/>";
      break;
    case Level::kUnread:
      html << "<circle class=\"ring\" cx=\"6\" cy=\"6\" r=\"5\"/>";
      break;
    case Level::kPaused:
      html << "<path d=\"M1 1h4v10h-4zM7 1h4v10h-4z\"/>";
      break;
    case Level::kWorking:
      html << "<circle class=\"ring\" cx=\"6\" cy=\"6\" r=\"5\"/><path d=\"M6 1a5 5 0 0 1 0 10z\"/>";
      break;
    case Level::kWell:
      html << "<circle cx=\"6\" cy=\"6\" r=\"6\"/><path class=\"in\" d=\"M3 6.3l2.2 2.2L9 4\"/>";
      break;
  }
  return html << "</svg>";
}

Html Badge(Level level) {
  Html html;
  return html << "<span class=\"badge " << ClassOf(level) << "\">" << Shape(level) << " " << WordOf(level)
              << "</span>";
}

Html TableLink(const PolicyKey& key) {
  Html html;
  return html << "table?namespace=" << PercentEncoded(key.name_space)
              << "&amp;policy=" << PercentEncoded(key.name);
}

Html Coverage(const PolicyState& state, Instant now) {
  Html html;
  const Outlook& outlook = state.outlook;
  if (outlook.covered_for_ever) return html << "for ever";
  if (!outlook.covered_until) {
    html << "<b>not now</b>";
    if (outlook.uncovered_since) html << "<br>since " << Time(*outlook.uncovered_since, now);
    return html;
  }
  html << "until " << Time(*outlook.covered_until, now);
  if (*outlook.covered_until < outlook.horizon) {
    html << "<br><b>" << Span(outlook.horizon - *outlook.covered_until) << " short</b>";
  }
  return html;
}

std::string Document(const StatusPage& page, const std::string& title, const Html& body) {
  Html html;
  html << "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
          "content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light "
          "dark\"><title>"
       << title << " - Partition Controller</title><style>";
  std::string text = std::move(html).text();
  text += kStatusStyle;
  html = {};
  html << "</style></head><body><svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>"
          "<pattern id=\"due\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
          "<path class=\"due\" d=\"M-1 7L7 -1M-1 1L1 -1M5 7L7 5\"/></pattern>"
          "<pattern id=\"none\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">"
          "<path class=\"none\" d=\"M-1 -1L6 6M-1 6L6 -1\"/></pattern></defs></svg>"
          "<header><p class=\"brand\"><a href=\"./\">Partition Controller</a> <span class=\"soft\">"
       << page.version << "</span></p><p class=\"soft\">as of <time datetime=\""
       << ToString(std::chrono::floor<std::chrono::seconds>(page.now)) << "\">"
       << ToString(std::chrono::floor<std::chrono::seconds>(page.now))
       << "</time>; all times are UTC</p></header><main>" << body << "</main></body></html>\n";
  return text + html.text();
}

std::string OverviewPage(const StatusPage& page) {
  const std::vector<Family> families = FamiliesOf(*page.snapshot);
  std::map<Level, std::size_t> counts;
  std::size_t tables = 0;
  for (const Family& family : families) {
    for (const Entry& entry : family.members) {
      ++counts[LevelOf(*entry.second)];
      ++tables;
    }
  }
  Html body;
  const std::string title = page.stands_by ? "Stands by" : Title(counts, tables);
  body << "<h1>" << title << "</h1>" << Notices(page);
  if (page.stands_by) return Document(page, title, body);
  if (families.empty()) {
    body << "<p>There are no policies. What one looks like is in docs/policy.md.</p>";
    return Document(page, title, body);
  }
  body << Tally(counts);
  const auto from = [&](Level level) {
    return std::find_if(families.begin(), families.end(),
                        [&](const Family& family) { return family.worst >= level; });
  };
  const auto quiet = from(Level::kPaused);
  const auto well = from(Level::kWell);
  AddPart("To look at", {families.begin(), quiet}, false, page.now, &body);
  AddPart("Paused or at work", {quiet, well}, true, page.now, &body);
  AddPart("Well", {well, families.end()}, true, page.now, &body);
  return Document(page, title, body);
}

std::optional<std::string> TablePage(const StatusPage& page, const PolicyKey& key) {
  if (page.stands_by) return std::nullopt;
  const std::string written = WrittenName(key.name);
  Html sections;
  int number = 0;
  bool found = false;
  for (const auto& [other, state] : page.snapshot->policies) {
    if (other.name_space != key.name_space || WrittenName(other.name) != written) continue;
    found = found || other.name == key.name;
    if (number == 1) sections << "<h2 class=\"of\">Tables of its rollups</h2>";
    sections << TableSection(other, *state, page.now, number);
    ++number;
  }
  if (!found) return std::nullopt;
  Html body;
  body << "<nav><a href=\"./\">All tables</a></nav><h1>Policy " << Name(key.name_space) << "/"
       << Name(written) << "</h1>" << sections;
  return Document(page, written, body);
}

std::string NoTablePage(const StatusPage& page) {
  Html body;
  body << "<nav><a href=\"./\">All tables</a></nav><h1>No such policy</h1>" << Notices(page);
  if (!page.stands_by) body << "<p>This controller looks after no policy of that name.</p>";
  return Document(page, "No such policy", body);
}

}  // namespace partition_controller
