// Everything about one table.

#include <algorithm>

#include "controller/status_parts.h"
#include "crd/text.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

bool GoodIfTrue(const Condition& condition) {
  return condition.type != "Stalled" && condition.type != "Reconciling";
}

// A shape beside the word: a condition that is as one would wish, or not.
Html ConditionShape(const Condition& condition) {
  if (condition.status == "Unknown") return Shape(Level::kUnread);
  if ((condition.status == "True") == GoodIfTrue(condition)) return Shape(Level::kWell);
  if (condition.type == "Stalled") return Shape(Level::kTrouble);
  const auto is_one_of = [&](std::initializer_list<const char*> reasons) {
    return std::find(reasons.begin(), reasons.end(), condition.reason) != reasons.end();
  };
  if (is_one_of({"Suspended", "PlanPending", "Held", "NotWanted"})) return Shape(Level::kPaused);
  const bool goes_on = is_one_of({"Progressing", "Filling", "Paced", "OutsideWindow", "RollupBehind",
                                  "Pending", "Prepared", "Fenced", "Reverting"});
  return Shape(condition.type == "Reconciling" || goes_on ? Level::kWorking : Level::kAttention);
}

Html Conditions(const PolicyState& state) {
  Html html;
  html << "<h3>Conditions</h3>";
  if (state.conditions.empty()) return html << "<p>The table has not been looked at yet.</p>";
  // The roles stay what they are also where a narrow screen makes blocks of the cells.
  html << "<table class=\"conditions\" role=\"table\"><thead role=\"rowgroup\"><tr role=\"row\"><th "
          "scope=\"col\" "
          "role=\"columnheader\">Condition</th><th scope=\"col\" role=\"columnheader\">Reason and "
          "message</th></tr>"
          "</thead><tbody role=\"rowgroup\">";
  for (const Condition& condition : state.conditions) {
    html << "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">" << ConditionShape(condition) << " "
         << condition.type << " <span class=\"is\">" << condition.status
         << "</span></th><td role=\"cell\"><b>" << condition.reason << "</b> " << condition.message
         << "</td></tr>";
  }
  return html << "</tbody></table>";
}

Html Fact(const char* label, const Html& value) {
  Html html;
  if (value.empty()) return html;
  return html << "<div><dt>" << label << "</dt><dd>" << value << "</dd></div>";
}

Html Retention(const PolicyState& state, Instant now) {
  Html html;
  const TableView& view = *state.view;
  if (view.keep.empty()) return html << "rows are kept for ever";
  html << "keep " << view.keep << ", then " << view.action;
  if (!view.undo_window.empty()) html << " after " << view.undo_window;
  if (view.held) html << "; <b>held</b> by an annotation";
  if (state.outlook.cutoff) html << "<br>cutoff " << Time(*state.outlook.cutoff, now);
  if (state.outlook.overdue_since) html << "<br><b>due since</b> " << Time(*state.outlook.overdue_since, now);
  return html;
}

Html Holdings(const PolicyState& state) {
  Html html;
  const TableView& view = *state.view;
  if (view.kind.empty()) return html << "there is no such table";
  if (!state.partitioned) {
    html << view.kind;
    if (view.plain_rows >= 0)
      html << ", about " << Grouped(static_cast<std::int64_t>(view.plain_rows)) << " rows";
    return html;
  }
  html << Grouped(state.partitions) << (state.partitions == 1 ? " partition, " : " partitions, ")
       << BytesText(state.bytes);
  return html;
}

Html Division(const TableView& view) {
  Html html;
  if (view.divides) {
    html << "by " << view.granularity << " in " << view.time_zone << ", " << view.premake << " ahead";
  } else {
    html << "partitioning is disabled";
  }
  if (view.suspended) html << "<br><b>suspended</b>: nothing is done";
  if (view.plans_only) html << "<br><b>mode Plan</b>: nothing is done";
  return html;
}

Html Progress(const PolicyState& state) {
  Html html;
  // A table that was partitioned before needs no bar.
  if (!state.conversion_progress || *state.conversion_progress >= 1) return html;
  const double done = *state.conversion_progress;
  html << "<svg class=\"meter\" width=\"120\" height=\"10\" aria-hidden=\"true\"><rect class=\"rail\" "
          "width=\"100%\" "
          "height=\"10\"/><rect class=\"bar rollup\" width=\""
       << Percent(done) << "\" height=\"10\"/></svg> " << static_cast<int>(done * 100) << " %";
  return html;
}

Html Looked(const PolicyState& state, Instant now) {
  Html html;
  if (!state.last_run) return html << "not yet";
  html << Time(*state.last_run, now);
  if (state.failures > 0) {
    html << "; <b>" << state.failures << (state.failures == 1 ? " failure" : " failures in a row") << "</b>";
  }
  if (!state.next_run) return html << "<br>at work on it now";
  if (*state.next_run <= now) return html << "<br>due now";
  return html << "<br>next run " << Time(*state.next_run, now);
}

Html Facts(const PolicyState& state, Instant now) {
  Html html;
  html << "<dl class=\"facts\">";
  if (state.view) {
    const TableView& view = *state.view;
    Html covered;
    if (state.partitioned && state.outlook.horizon != Instant{}) covered << Coverage(state, now);
    html << Fact("Covered", covered) << Fact("Retention", Retention(state, now))
         << Fact("Holds", Holdings(state)) << Fact("Partitioned", Division(view))
         << Fact("Conversion", Progress(state));
    Html key;
    if (!view.key_type.empty()) key << Name(view.time_column) << ", " << view.key_type;
    Html database;
    database << Name(view.database) << ", PostgreSQL " << view.server_version;
    html << Fact("Time column", key) << Fact("Database", database);
  }
  // What is shown may be older than the last run, which may have failed.
  Html seen;
  if (state.view) seen << Time(state.view->seen, now);
  return html << Fact("As seen", seen) << Fact("Last run", Looked(state, now)) << "</dl>";
}

Html StepItem(const TableView::PlannedStep& step, Instant now, bool waits) {
  Html html;
  const char* words = step.mark == '+' ? "adds" : step.mark == '-' ? "removes" : "changes";
  html << "<li><span class=\"kind " << words << "\">" << words << "</span> " << step.what;
  html << "<br><span class=\"soft\">because: " << step.reason << "</span>";
  if (waits) {
    html << "<br><span class=\"soft\">until: </span>";
    if (step.until) {
      html << Time(*step.until, now);
    } else {
      html << "<span class=\"soft\">the next run</span>";
    }
  }
  if (!step.locks.empty()) {
    html << "<details><summary>" << step.locks.size() << (step.locks.size() == 1 ? " lock" : " locks")
         << "</summary>";
    for (const std::string& lock : step.locks) html << "<p class=\"soft\">" << lock << "</p>";
    html << "</details>";
  }
  return html << "</li>";
}

Html More(std::size_t count) {
  Html html;
  if (count > 0) html << "<p class=\"soft\">and " << Grouped(static_cast<std::int64_t>(count)) << " more</p>";
  return html;
}

Html Consent(const PolicyState& state) {
  Html html;
  if (!state.needs_acknowledgement) return html;
  html << "<p class=\"notice\">" << Shape(Level::kAttention) << " <b>Waits for consent</b> to plan "
       << state.plan_hash;
  if (state.at_stake) {
    html << ": " << Grouped(state.at_stake->partitions) << " partitions, about "
         << Grouped(state.at_stake->rows) << " rows, " << BytesText(state.at_stake->bytes);
  }
  return html << ".</p>";
}

Html PlanPart(const PolicyState& state, Instant now) {
  Html html;
  if (!state.view) return html;
  const TableView& view = *state.view;
  html << "<h3>Plan</h3>" << Consent(state);
  for (const Refusal& refusal : view.refusals) {
    html << "<div class=\"refusal\"><p>" << Shape(Level::kTrouble) << " <b>Refused: " << refusal.code
         << "</b> " << refusal.message << "</p><p class=\"soft\">Effect: "
         << (refusal.stops_everything ? std::string("no step is taken")
                                      : std::string("no step that takes rows out of the table is taken"))
         << "</p><p>Remedy: <code>" << refusal.remedy << "</code></p></div>";
  }
  if (view.steps.empty() && view.waiting.empty()) {
    html << "<p>" << (view.refusals.empty() ? std::string("Nothing to do.") : std::string("Nothing is done."))
         << "</p>";
  }
  if (!view.steps.empty()) {
    const bool paused = view.suspended || view.plans_only;
    html << "<p>" << (paused ? std::string("Due, and not done:") : std::string("Due:"))
         << "</p><ol class=\"steps\">";
    for (const TableView::PlannedStep& step : view.steps) html << StepItem(step, now, false);
    html << "</ol>" << More(view.more_steps);
  }
  if (!view.waiting.empty()) {
    html << "<p>Waiting:</p><ul class=\"steps\">";
    for (const TableView::PlannedStep& step : view.waiting) html << StepItem(step, now, true);
    html << "</ul>" << More(view.more_waiting);
  }
  if (!view.advice.empty()) {
    html << "<p>Advice:</p><ul class=\"steps\">";
    for (const std::string& advice : view.advice) html << "<li>" << advice << "</li>";
    html << "</ul>";
  }
  return html;
}

Html Actions(const PolicyState& state, Instant now) {
  Html html;
  html << "<h3>Actions</h3><ul class=\"steps\">";
  if (state.view && state.view->next) {
    const Upcoming& next = *state.view->next;
    html << "<li><span class=\"kind next\">next</span> " << next.what << "<br>" << Time(next.at, now)
         << "</li>";
  }
  for (const DoneStep& done : state.recent) {
    html << "<li><span class=\"kind done\">done</span> " << done.what << "<br>";
    if (!done.reason.empty()) html << "<span class=\"soft\">because: " << done.reason << "</span><br>";
    html << Time(done.at, now) << "</li>";
  }
  if (state.recent.empty()) html << "<li class=\"soft\">None since this process began.</li>";
  return html << "</ul>";
}

Html Rollups(const PolicyState& state) {
  Html html;
  if (state.rollups.empty() && state.paused_rollups.empty()) return html;
  html << "<h3>Rollups</h3><table class=\"rollups\"><thead><tr><th scope=\"col\">Rollup</th><th "
          "scope=\"col\">State"
          "</th><th scope=\"col\" class=\"num\">Lag</th><th scope=\"col\" class=\"num\">Dirty buckets</th>"
          "<th scope=\"col\" class=\"num\">Found wrong</th></tr></thead><tbody>";
  for (const RollupFigures& rollup : state.rollups) {
    html << "<tr><th scope=\"row\">" << Name(rollup.name) << "</th><td>" << rollup.state;
    if (rollup.percent) html << ", " << *rollup.percent << " %";
    const auto lag = std::chrono::microseconds(static_cast<std::int64_t>(rollup.lag_seconds * 1e6));
    html << "</td><td class=\"num\">" << (rollup.lag_seconds > 0 ? Span(lag) : std::string("none"))
         << "</td><td class=\"num\">" << Grouped(rollup.dirty) << "</td><td class=\"num\">"
         << Grouped(rollup.mismatches) << "</td></tr>";
  }
  for (const std::string& name : state.paused_rollups) {
    html << "<tr><th scope=\"row\">" << Name(name) << "</th><td>Paused</td><td></td><td></td><td></td></tr>";
  }
  return html << "</tbody></table>";
}

}  // namespace

Html TableSection(const PolicyKey& key, const PolicyState& state, Instant now, int number) {
  Html html;
  html << "<section class=\"card\" aria-labelledby=\"h" << number << "\"><div class=\"head\"><h2 id=\"h"
       << number << "\">" << Name(state.table) << "</h2>" << Badge(LevelOf(state))
       << "</div><p class=\"soft\">policy " << Name(key.name_space) << "/" << Name(key.name) << "</p>"
       << Facts(state, now);
  if (state.view) html << TimelineFigure(*state.view, now, number);
  html << "<div class=\"columns\"><div>" << Conditions(state) << Rollups(state) << "</div><div>"
       << PlanPart(state, now) << Actions(state, now) << "</div></div></section>";
  return html;
}

}  // namespace partition_controller
