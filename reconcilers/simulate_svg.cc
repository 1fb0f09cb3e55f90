// A simulation as a picture: the disk over time, and when partitions come and go.

#include <algorithm>
#include <cmath>

#include "crd/text.h"
#include "reconcilers/civil.h"
#include "reconcilers/explaining.h"
#include "reconcilers/quote.h"
#include "reconcilers/simulate.h"

namespace partition_controller {
namespace {

constexpr int kWidth = 960;
constexpr int kHeight = 340;  // of one table's chart
constexpr int kLeft = 84;
constexpr int kRight = 24;
constexpr int kTop = 64;
constexpr int kBottom = 84;

// Text as XML: no name becomes markup.
std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : Utf8(Printable(text))) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

// With one decimal, whatever the locale.
std::string Coordinate(double value) {
  const auto tenths = static_cast<std::int64_t>(std::llround(value * 10));
  return std::to_string(tenths / 10) + '.' + std::to_string(std::abs(tenths % 10));
}

// The next round number of bytes: 1, 2 or 5 times a power of 1,024 and of ten.
std::int64_t RoundUp(std::int64_t bytes) {
  std::int64_t unit = 1'024;
  while (bytes / 1'024 >= unit) unit *= 1'024;
  for (std::int64_t tens = 1; tens <= 1'000; tens *= 10) {
    for (const std::int64_t step : {1, 2, 5}) {
      if (unit * step * tens >= bytes) return unit * step * tens;
    }
  }
  return unit * 1'024;
}

class Chart {
 public:
  Chart(const Policy& policy, const Simulation& simulation, int top)
      : policy_(policy), simulation_(simulation), top_(top) {
    std::int64_t most = 1'024;
    for (const DiskPoint& point : simulation.curve) most = std::max(most, point.bytes);
    most_ = RoundUp(most);
  }

  std::string Draw() {
    const SimulationSpan& span = simulation_.span;
    Label(
        kLeft, top_ + 24, "start", "t",
        policy_.name_space + "/" + policy_.name + "  " + QuoteName(policy_.table.schema, policy_.table.name));
    std::string growth = "growth unknown";
    if (simulation_.growth.measured) {
      growth = "growth " + BytesText(static_cast<std::int64_t>(simulation_.growth.bytes_per_day)) +
               " a day, the mean of " + std::to_string(simulation_.growth.periods) + " whole periods";
    }
    Label(kLeft, top_ + 44, "start", "s",
          ToString(span.from) + " to " + ToString(span.to) + "; " + growth + ", assumed to stay");
    for (int i = 0; i <= 4; ++i) {
      const std::int64_t bytes = most_ / 4 * i;
      Line("g", kLeft, Y(bytes), kWidth - kRight, Y(bytes));
      Label(kLeft - 8, Y(bytes) + 4, "end", "s", BytesText(bytes));
    }
    Area();
    Ticks();
    Axis();
    return std::move(out_);
  }

 private:
  double X(Instant at) const {
    const SimulationSpan& span = simulation_.span;
    const auto share =
        static_cast<double>((at - span.from).count()) / static_cast<double>((span.to - span.from).count());
    return kLeft + share * (kWidth - kLeft - kRight);
  }
  double Y(std::int64_t bytes) const {
    const double share = static_cast<double>(bytes) / static_cast<double>(most_);
    return top_ + kHeight - kBottom - share * (kHeight - kTop - kBottom);
  }

  void Line(const char* style, double x1, double y1, double x2, double y2) {
    out_ += std::string("<line class=\"") + style + "\" x1=\"" + Coordinate(x1) + "\" y1=\"" +
            Coordinate(y1) + "\" x2=\"" + Coordinate(x2) + "\" y2=\"" + Coordinate(y2) + "\"/>\n";
  }
  void Label(double x, double y, const char* anchor, const char* style, const std::string& text) {
    out_ += "<text x=\"" + Coordinate(x) + "\" y=\"" + Coordinate(y) + "\" text-anchor=\"" + anchor +
            "\" class=\"" + style + "\">" + Escaped(text) + "</text>\n";
  }

  void Area() {
    std::string points;
    for (const DiskPoint& point : simulation_.curve) {
      points += (points.empty() ? "" : " ") + Coordinate(X(point.at)) + ',' + Coordinate(Y(point.bytes));
    }
    const std::string first = Coordinate(X(simulation_.curve.front().at));
    const std::string last = Coordinate(X(simulation_.curve.back().at));
    out_ += "<polygon class=\"a\" points=\"" + first + ',' + Coordinate(Y(0)) + ' ' + points + ' ' + last +
            ',' + Coordinate(Y(0)) + "\"/>\n<polyline class=\"c\" points=\"" + points + "\"/>\n";
  }

  // One for each partition that comes (above) or goes (below).
  void Ticks() {
    const double y = top_ + kHeight - kBottom + 34;
    for (const SimulatedStep& step : simulation_.steps) {
      const bool gone = Destructive(step.action);
      const double x = X(step.at);
      out_ += std::string("<line class=\"") + (gone ? "d" : "m") + "\" x1=\"" + Coordinate(x) + "\" y1=\"" +
              Coordinate(gone ? y + 2 : y - 10) + "\" x2=\"" + Coordinate(x) + "\" y2=\"" +
              Coordinate(gone ? y + 12 : y) + "\"><title>" +
              Escaped(ToString(step.at) + " " + step.description) + "</title></line>\n";
    }
    Label(kLeft - 8, y - 1, "end", "s", "made");
    Label(kLeft - 8, y + 12, "end", "s", "removed");
  }

  void Axis() {
    const SimulationSpan& span = simulation_.span;
    Line("x", kLeft, Y(0), kWidth - kRight, Y(0));
    for (const Granularity granularity : {Granularity::kHour, Granularity::kDay, Granularity::kWeek,
                                          Granularity::kMonth, Granularity::kQuarter, Granularity::kYear}) {
      const Calendar calendar{granularity, "UTC"};
      std::vector<Instant> starts;
      constexpr std::size_t kMost = 12;
      for (Instant at = NextPeriod(span.from, calendar); at < span.to && starts.size() <= kMost;
           at = NextPeriod(at, calendar)) {
        starts.push_back(at);
      }
      // Decades have too many years; then every fifth is named.
      const bool years = granularity == Granularity::kYear;
      if (starts.size() > kMost && !years) continue;
      if (years && starts.size() > kMost) {
        starts.clear();
        for (Instant at = NextPeriod(span.from, calendar); at < span.to; at = NextPeriod(at, calendar)) {
          if (ToCivil(at).year % 5 == 0) starts.push_back(at);
        }
      }
      for (const Instant at : starts) {
        Line("x", X(at), Y(0), X(at), Y(0) + 5);
        const std::string text = ToString(at);
        Label(X(at), Y(0) + 18, "middle", "s", granularity == Granularity::kHour ? text : text.substr(0, 10));
      }
      return;
    }
  }

  const Policy& policy_;
  const Simulation& simulation_;
  const int top_;
  std::int64_t most_ = 0;
  std::string out_;
};

}  // namespace

std::string SimulationSvg(const std::vector<std::pair<Policy, Simulation>>& all) {
  const std::string height = std::to_string(kHeight * static_cast<int>(std::max<std::size_t>(1, all.size())));
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(kWidth) +
                    "\" height=\"" + height + "\" viewBox=\"0 0 " + std::to_string(kWidth) + ' ' + height +
                    "\" role=\"img\">\n<title>Partitions and disk over time</title>\n"
                    "<style>text{font-family:sans-serif;fill:#1f2328}.t{font-size:16px;font-weight:bold}"
                    ".s{font-size:11px}.g{stroke:#d0d7de}.x{stroke:#57606a}.a{fill:#0969da;fill-opacity:.2}"
                    ".c{fill:none;stroke:#0969da;stroke-width:1.5}.m{stroke:#1a7f37;stroke-width:1.5}"
                    ".d{stroke:#cf222e;stroke-width:1.5}</style>\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  int top = 0;
  for (const auto& [policy, simulation] : all) {
    svg += Chart(policy, simulation, top).Draw();
    top += kHeight;
  }
  return svg + "</svg>\n";
}

}  // namespace partition_controller
