#include "controller/html.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "crd/text.h"

namespace partition_controller {
namespace {

// With so many digits after the point.
std::string Fixed(double number, int digits) {
  char buffer[64];
  const auto end = std::to_chars(buffer, std::end(buffer), number, std::chars_format::fixed, digits);
  return {buffer, end.ptr};
}

}  // namespace

Html& Html::operator<<(std::string_view text) {
  for (const char c : Printable(text)) {
    switch (c) {
      case '&':
        text_ += "&amp;";
        break;
      case '<':
        text_ += "&lt;";
        break;
      case '>':
        text_ += "&gt;";
        break;
      case '"':
        text_ += "&quot;";
        break;
      case '\'':
        text_ += "&#39;";
        break;
      default:
        text_ += c;
    }
  }
  return *this;
}

Html Name(std::string_view name) {
  Html html;
  html << "<bdi>" << name << "</bdi>";
  return html;
}

std::string Percent(double share) { return Fixed(std::clamp(share, 0.0, 1.0) * 100, 2) + '%'; }

std::string Span(std::chrono::microseconds span) {
  const std::int64_t seconds = std::chrono::floor<std::chrono::seconds>(span).count();
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  constexpr std::int64_t kYear = 365 * kDay + kDay / 4;
  if (seconds < 90) return std::to_string(seconds) + " s";
  if (seconds < 90 * kMinute) return std::to_string(seconds / kMinute) + " min";
  if (seconds < 48 * kHour) return std::to_string(seconds / kHour) + " h";
  if (seconds < 2 * kYear) return std::to_string(seconds / kDay) + " d";
  return std::to_string(seconds / kYear) + " y";
}

std::string Relative(Instant at, Instant now) {
  if (std::chrono::abs(at - now) < std::chrono::seconds(1)) return "now";
  return at > now ? "in " + Span(at - now) : Span(now - at) + " ago";
}

std::string Minute(Instant at) {
  std::string text = ToString(std::chrono::floor<std::chrono::minutes>(at));
  const std::size_t t = text.find('T');
  if (t == std::string::npos) return text;
  text[t] = ' ';
  return text.substr(0, t + 6);
}

std::string Day(Instant at) {
  const std::string text = ToString(at);
  return text.substr(0, text.find('T'));
}

Html Time(Instant at, Instant now) {
  Html html;
  html << "<time datetime=\"" << ToString(std::chrono::floor<std::chrono::seconds>(at)) << "\">" << Minute(at)
       << "</time> <span class=\"soft\">" << Relative(at, now) << "</span>";
  return html;
}

}  // namespace partition_controller
