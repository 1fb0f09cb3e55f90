// The timeline as SVG.  Places across are in percent and heights in pixels, so
// that it fits every screen without its text growing or shrinking.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "controller/status_parts.h"
#include "crd/text.h"
#include "reconcilers/bounds.h"

namespace partition_controller {
namespace {

using std::chrono::floor;

constexpr int kLabel = 16;            // a line of text
constexpr int kTop = 3 * kLabel + 4;  // of the slots
constexpr int kSlot = 72;             // their height
constexpr int kBottom = kTop + kSlot;
constexpr int kHeight = kBottom + 22;  // with the axis
constexpr int kLaneHeight = 12;

// The narrowest that is still seen, as a share.
constexpr double kLeastWidth = 0.002;

const char* ClassOf(Timeline::State state) {
  switch (state) {
    case Timeline::State::kExpired:
      return "expired";
    case Timeline::State::kKept:
      return "kept";
    case Timeline::State::kCurrent:
      return "current";
    case Timeline::State::kAhead:
      return "ahead";
    case Timeline::State::kGap:
      return "gap";
    case Timeline::State::kToMake:
      return "tomake";
  }
  return "";
}

const char* WordsOf(Timeline::State state) {
  switch (state) {
    case Timeline::State::kExpired:
      return "expired, due for removal";
    case Timeline::State::kKept:
      return "kept";
    case Timeline::State::kCurrent:
      return "current";
    case Timeline::State::kAhead:
      return "made ahead";
    case Timeline::State::kGap:
      return "gap: no partition";
    case Timeline::State::kToMake:
      return "to be made";
  }
  return "";
}

double Seconds(Instant at) { return std::chrono::duration<double>(at.time_since_epoch()).count(); }

std::string Text(const Bound& bound) { return bound.finite() ? Minute(bound.at) : ToString(bound); }

std::string Rows(double rows) {
  return rows < 0 ? "not known" : "about " + Grouped(static_cast<std::int64_t>(std::llround(rows)));
}

Html NameOf(const Timeline::Slot& slot) {
  Html html;
  if (slot.partitions == 0) return html << "(none)";
  html << Name(slot.first);
  if (slot.partitions > 1)
    html << " to " << Name(slot.last) << " (" << Grouped(slot.partitions) << " partitions)";
  return html;
}

std::string StateOf(const Timeline::Slot& slot, const char* words) {
  std::string text = words;
  if (slot.detach_pending) text += ", its detach was interrupted";
  if (slot.gaps > 0) text += ", with " + Grouped(slot.gaps) + (slot.gaps == 1 ? " gap" : " gaps");
  return text;
}

// What a pointer that rests on it is told; plain text.
Html Tip(const Timeline::Slot& slot, const char* words) {
  Html html;
  html << "<title>";
  if (slot.partitions > 0) {
    html << slot.first;
    if (slot.partitions > 1) html << " to " << slot.last << ", " << Grouped(slot.partitions) << " partitions";
    html << ": ";
  }
  html << StateOf(slot, words) << ". " << Text(slot.range.from) << " to " << Text(slot.range.to);
  if (slot.partitions > 0) html << ". " << BytesText(slot.bytes);
  if (slot.rows >= 0) html << ", " << Rows(slot.rows) << " rows";
  return html << "</title>";
}

Html Across(double from, double to) {
  Html html;
  html << " x=\"" << Percent(from) << "\" width=\"" << Percent(std::max(to - from, kLeastWidth)) << "\"";
  return html;
}

Html Upright(double at, int from, int to, const char* style) {
  Html html;
  html << "<line class=\"" << style << "\" x1=\"" << Percent(at) << "\" x2=\"" << Percent(at) << "\" y1=\""
       << from << "\" y2=\"" << to << "\"/>";
  return html;
}

// It goes on in that direction.
Html Arrow(bool back, int middle) {
  Html html;
  if (back) {
    html << "<svg x=\"0\" y=\"" << middle - 6 << "\" width=\"9\" height=\"12\" class=\"arrow\">"
         << "<path d=\"M9 0L1 6l8 6z\"/></svg>";
  } else {
    html << "<svg x=\"100%\" y=\"" << middle - 6 << "\" class=\"arrow\" overflow=\"visible\">"
         << "<path d=\"M-9 0l8 6l-8 6z\"/></svg>";
  }
  return html;
}

Html SlotRects(const Timeline::Slot& slot, std::int64_t most) {
  Html html;
  const char* style = ClassOf(slot.state);
  html << "<g>" << Tip(slot, WordsOf(slot.state)) << "<rect class=\"slot " << style << "\""
       << Across(slot.from, slot.to) << " y=\"" << kTop << "\" height=\"" << kSlot << "\"/>";
  if (slot.bytes > 0 && most > 0) {
    const double share = static_cast<double>(slot.bytes) / static_cast<double>(most);
    const int height = std::max(2, static_cast<int>(std::lround(share * kSlot)));
    html << "<rect class=\"fill " << style << "\"" << Across(slot.from, slot.to) << " y=\""
         << kBottom - height << "\" height=\"" << height << "\"/>";
  }
  if (slot.gaps > 0 || slot.detach_pending) {
    html << "<rect class=\"flaw\"" << Across(slot.from, slot.to) << " y=\"" << kTop << "\" height=\"6\"/>";
  }
  return html << "</g>";
}

// Its line of text is `line`, from 0 to 2.
Html Label(double at, int line, const std::string& text) {
  Html html;
  const bool left = at > 0.5;
  html << "<svg class=\"label\" overflow=\"visible\" x=\"" << Percent(at) << "\" y=\"" << line * kLabel
       << "\"><text x=\"" << (left ? -5 : 5) << "\" y=\"12\" text-anchor=\"" << (left ? "end" : "start")
       << "\">" << text << "</text></svg>";
  return html;
}

// Where the axis has a mark, from fine to coarse.
struct Ticks {
  std::chrono::seconds apart{0};  // in months and years about
  int months = 0;
};

constexpr std::chrono::hours kDays{24};
constexpr std::array kTicks = {Ticks{std::chrono::hours(1)},
                               Ticks{std::chrono::hours(3)},
                               Ticks{std::chrono::hours(6)},
                               Ticks{std::chrono::hours(12)},
                               Ticks{kDays},
                               Ticks{2 * kDays},
                               Ticks{7 * kDays},
                               Ticks{14 * kDays},
                               Ticks{30 * kDays, 1},
                               Ticks{61 * kDays, 2},
                               Ticks{91 * kDays, 3},
                               Ticks{182 * kDays, 6},
                               Ticks{365 * kDays, 12},
                               Ticks{731 * kDays, 24},
                               Ticks{1826 * kDays, 60},
                               Ticks{3652 * kDays, 120},
                               Ticks{18262 * kDays, 600},
                               Ticks{36524 * kDays, 1200},
                               Ticks{365'242 * kDays, 12'000}};
constexpr double kMostTicks = 7;

Instant FirstMonth(Instant at, int months) {
  const std::chrono::year_month_day day(floor<std::chrono::days>(at));
  const int count =
      static_cast<int>(day.year()) * 12 + static_cast<int>(static_cast<unsigned>(day.month())) - 1;
  const int first = (count / months + (count >= 0 ? 1 : 0)) * months;
  const int year = first >= 0 ? first / 12 : (first - 11) / 12;
  return std::chrono::sys_days(std::chrono::year(year) /
                               std::chrono::month(static_cast<unsigned>(first - year * 12 + 1)) / 1);
}

std::string TickText(Instant at, const Ticks& ticks) {
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::year_month_day day(floor<std::chrono::days>(at));
  const std::string month = kMonths[(static_cast<unsigned>(day.month()) - 1) % 12];
  const std::string year = std::to_string(static_cast<int>(day.year()));
  if (ticks.months >= 12) return year;
  if (ticks.months > 0) return month + ' ' + year;
  const std::string date = std::to_string(static_cast<unsigned>(day.day())) + ' ' + month;
  return ticks.apart < kDays ? date + Minute(at).substr(Minute(at).size() - 6) : date;
}

Html Axis(const Timeline& line) {
  Html html;
  const double from = Seconds(line.from);
  const double span = Seconds(line.to) - from;
  html << "<line class=\"axis\" x1=\"0%\" x2=\"100%\" y1=\"" << kBottom << "\" y2=\"" << kBottom << "\"/>";
  const auto* ticks = std::find_if(kTicks.begin(), kTicks.end(), [&](const Ticks& some) {
    return span / std::chrono::duration<double>(some.apart).count() <= kMostTicks;
  });
  // The years that std::chrono knows end before PostgreSQL's do.
  constexpr double kMostYears = 30'000;
  if (ticks == kTicks.end() || std::max(-from, from + span) > kMostYears * 365 * 86'400) return html;
  const auto first = [&](Instant at) -> Instant {
    if (ticks->months > 0) return FirstMonth(at, ticks->months);
    // Weeks begin on a Monday, as 1970-01-05 did.
    const Instant monday{std::chrono::days(4)};
    const auto past = at - monday;
    auto count = past / ticks->apart;
    if (past.count() >= 0) ++count;
    return monday + count * ticks->apart;
  };
  int number = 0;
  for (Instant at = first(line.from); at < line.to && number <= kMostTicks; at = first(at)) {
    const double place = (Seconds(at) - from) / span;
    html << Upright(place, kBottom, kBottom + 4, "axis");
    ++number;
    // Words in the corners would be cut off.
    if (place < 0.09 || place > 0.91) continue;
    html << "<text class=\"tick" << (number % 2 == 0 ? " wide" : "") << "\" x=\"" << Percent(place)
         << "\" y=\"" << kBottom + 17 << "\" text-anchor=\"middle\">" << TickText(at, *ticks) << "</text>";
  }
  return html;
}

std::string Reach(const Timeline& line) {
  const auto partitions = [](const std::vector<Timeline::Slot>& slots) {
    std::int64_t count = 0;
    for (const Timeline::Slot& slot : slots) count += slot.partitions;
    return count;
  };
  const std::int64_t shown = partitions(line.attached);
  return Grouped(shown) + (shown == 1 ? " partition" : " partitions") + " between " + Minute(line.from) +
         " and " + Minute(line.to);
}

Html Marks(const Timeline& line, int to) {
  Html html;
  if (line.cutoff) html << Upright(*line.cutoff, kLabel + 2, to, "mark cutoff");
  if (line.horizon) html << Upright(*line.horizon, 2 * kLabel + 2, to, "mark horizon");
  return html << Upright(line.now, 2, to, "mark now");
}

Html MainDrawing(const TableView& view, const Timeline& line, int number) {
  Html html;
  html << "<svg class=\"line\" width=\"100%\" height=\"" << kHeight << "\" role=\"img\" aria-labelledby=\"t"
       << number << " d" << number << "\"><title id=\"t" << number << "\">Timeline of " << view.schema << "."
       << view.name << "</title><desc id=\"d" << number << "\">" << Reach(line)
       << ". The table after this picture says the same in words.</desc>";
  for (const Timeline::Slot& slot : line.attached) html << SlotRects(slot, line.most_bytes);
  html << Axis(line) << Marks(line, kBottom);
  const auto before = [](const Timeline::Slot& slot) { return slot.before_window; };
  const auto beyond = [](const Timeline::Slot& slot) { return slot.beyond_window; };
  if (line.before_window > 0 || std::any_of(line.attached.begin(), line.attached.end(), before)) {
    html << Arrow(true, kTop + kSlot / 2);
  }
  if (line.beyond_window > 0 || std::any_of(line.attached.begin(), line.attached.end(), beyond)) {
    html << Arrow(false, kTop + kSlot / 2);
  }
  // Times of a key without a zone are told as that key has them.
  const auto day = [&](double place) {
    const double from = Seconds(line.from);
    const double at = from + (Seconds(line.to) - from) * place;
    return Day(Instant(std::chrono::microseconds(std::llround(at * 1e6))));
  };
  html << Label(line.now, 0, "now");
  if (line.cutoff) html << Label(*line.cutoff, 1, "cutoff " + day(*line.cutoff));
  if (line.horizon) html << Label(*line.horizon, 2, "horizon " + day(*line.horizon));
  return html << "</svg>";
}

// A bar below the timeline, on the same scale; none if there is nothing in it.
Html Lane(const Timeline& line, const Html& caption, const Html& bars) {
  Html html;
  if (bars.empty()) return html << "<div class=\"lane\"><p>" << caption << "</p></div>";
  html << "<div class=\"lane\"><p>" << caption << "</p><svg width=\"100%\" height=\"" << kLaneHeight
       << "\" aria-hidden=\"true\"><rect class=\"rail\" x=\"0\" width=\"100%\" y=\"0\" height=\""
       << kLaneHeight << "\"/>" << bars << Upright(line.now, 0, kLaneHeight, "mark now") << "</svg></div>";
  return html;
}

Html Bar(double from, double to, const char* style) {
  Html html;
  html << "<rect class=\"" << style << "\"" << Across(from, to) << " y=\"1\" height=\"" << kLaneHeight - 2
       << "\"/>";
  return html;
}

Html Lanes(const TableView& view, const Timeline& line, Instant now) {
  Html html;
  if (view.detached > 0) {
    Html caption;
    Html bars;
    caption << "<b>Detached</b> " << Grouped(view.detached) << (view.detached == 1 ? " table, " : " tables, ")
            << BytesText(view.detached_bytes) << "; ";
    if (view.dropped_from) {
      caption << "undo window until " << Time(*view.dropped_from, now);
    } else {
      caption << "kept as " << (view.detached == 1 ? "a table of its own" : "tables of their own");
    }
    for (const Timeline::Slot& slot : line.detached) {
      bars << "<g>" << Tip(slot, "detached") << Bar(slot.from, slot.to, "bar detached") << "</g>";
    }
    html << Lane(line, caption, bars);
  }
  if (view.fallback) {
    Html caption;
    Html bars;
    caption << "<b>Default partition</b> " << Name(view.fallback->name) << ": ";
    if (view.fallback->rows == 0) {
      caption << "empty";
    } else {
      caption << (view.fallback->exact ? "" : "about ") << Grouped(view.fallback->rows)
              << (view.fallback->rows == 1 ? " row" : " rows") << ", " << BytesText(view.fallback->bytes);
    }
    for (const Timeline::Slot& slot : line.in_default) {
      bars << "<g>" << Tip(slot, "rows in the default partition") << Bar(slot.from, slot.to, "bar stray")
           << "</g>";
    }
    html << Lane(line, caption, bars);
  }
  for (const Timeline::Lane& lane : line.lanes) {
    Html caption;
    Html bars;
    caption << "<b>Rollup</b> " << Name(lane.rollup) << ": right up to " << Time(lane.watermark, now);
    if (lane.filled_from) caption << ", filled back to " << Time(*lane.filled_from, now);
    bars << Bar(lane.from, lane.to, "bar rollup") << Upright(lane.to, 0, kLaneHeight, "mark watermark");
    html << Lane(line, caption, bars);
  }
  return html;
}

Html SlotRow(const Timeline::Slot& slot, const char* words) {
  Html html;
  html << "<tr><th scope=\"row\">" << NameOf(slot) << "<br><span class=\"soft\">" << StateOf(slot, words)
       << "</span></th><td>" << Text(slot.range.from) << "<br>" << Text(slot.range.to)
       << "</td><td class=\"num\">";
  if (slot.partitions > 0) {
    html << BytesText(slot.bytes) << "<br><span class=\"soft\">" << Rows(slot.rows) << "</span>";
  }
  return html << "</td></tr>";
}

Html InWords(const Timeline& line) {
  Html html;
  html
      << "<details><summary>The same as a table</summary><table class=\"slots\"><thead><tr><th scope=\"col\">"
         "Partition and state</th><th scope=\"col\">From and to</th><th scope=\"col\" class=\"num\">Size and "
         "rows"
         "</th></tr></thead><tbody>";
  for (const Timeline::Slot& slot : line.attached) html << SlotRow(slot, WordsOf(slot.state));
  for (const Timeline::Slot& slot : line.detached) html << SlotRow(slot, "detached");
  return html << "</tbody></table></details>";
}

Html Key(const char* style, const std::string& words) {
  Html html;
  html << "<li><svg width=\"18\" height=\"12\" aria-hidden=\"true\"><rect class=\"" << style
       << "\" x=\"1\" y=\"1\" width=\"16\" height=\"10\"/></svg> " << words << "</li>";
  return html;
}

Html Legend(const TableView& view, const Timeline& line) {
  Html html;
  html << "<ul class=\"legend\">";
  const auto has = [&](Timeline::State state) {
    return std::any_of(line.attached.begin(), line.attached.end(),
                       [&](const Timeline::Slot& slot) { return slot.state == state; });
  };
  for (const auto state : {Timeline::State::kExpired, Timeline::State::kKept, Timeline::State::kCurrent,
                           Timeline::State::kAhead, Timeline::State::kGap, Timeline::State::kToMake}) {
    if (!has(state)) continue;
    html << Key((std::string("slot key ") + ClassOf(state)).c_str(), WordsOf(state));
  }
  if (view.detached > 0) html << Key("bar detached", "detached");
  if (!line.in_default.empty()) html << Key("bar stray", "rows in the default partition");
  return html << "</ul>";
}

}  // namespace

Html TimelineFigure(const TableView& view, Instant now, int number) {
  Html html;
  if (!view.timeline) return html;
  const Timeline& line = *view.timeline;
  html << "<figure>" << MainDrawing(view, line, number);
  html << Lanes(view, line, now) << "<figcaption>";
  if (line.most_bytes > 0) {
    html << "Filled from below by size; the largest has " << BytesText(line.most_bytes) << ". ";
  } else {
    html << "Sizes are known after the first VACUUM or ANALYZE. ";
  }
  if (!view.wall_zone.empty()) {
    html << "The key has no time zone: partitions are in wall time of " << view.wall_zone << ". ";
  }
  if (line.before_window > 0) {
    html << Grouped(line.before_window) << (line.before_window == 1 ? " partition lies" : " partitions lie")
         << " far before. ";
  }
  if (line.beyond_window > 0) {
    html << Grouped(line.beyond_window) << (line.beyond_window == 1 ? " partition lies" : " partitions lie")
         << " far beyond. ";
  }
  if (line.odd > 0) {
    html << Grouped(line.odd) << (line.odd == 1 ? " partition has" : " partitions have")
         << " bounds of another kind, and is left alone. ";
  }
  return html << "</figcaption>" << Legend(view, line) << InWords(line) << "</figure>";
}

Html TimelineStrip(const Timeline& line) {
  Html html;
  // Without words it may be stretched.
  html << "<svg class=\"strip\" viewBox=\"0 0 1000 20\" preserveAspectRatio=\"none\" aria-hidden=\"true\">";
  const auto place = [](double share) { return static_cast<int>(std::lround(share * 1000)); };
  for (const auto state : {Timeline::State::kExpired, Timeline::State::kKept, Timeline::State::kCurrent,
                           Timeline::State::kAhead, Timeline::State::kGap, Timeline::State::kToMake}) {
    std::string path;
    for (const Timeline::Slot& slot : line.attached) {
      if (slot.state != state) continue;
      const int width = std::max(2, place(slot.to) - place(slot.from));
      path += 'M' + std::to_string(place(slot.from)) + " 3h" + std::to_string(width) + "v14h-" +
              std::to_string(width) + 'z';
    }
    if (!path.empty()) html << "<path class=\"slot " << ClassOf(state) << "\" d=\"" << path << "\"/>";
  }
  html << "<path class=\"mark now\" d=\"M" << place(line.now) << " 0v20\"/>";
  return html << "</svg>";
}

}  // namespace partition_controller
