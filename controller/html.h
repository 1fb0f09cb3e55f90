// HTML as text that cannot be broken out of: only what stands in our own source
// is markup, everything else is escaped.

#ifndef PARTITION_CONTROLLER_CONTROLLER_HTML_H_
#define PARTITION_CONTROLLER_CONTROLLER_HTML_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "reconcilers/instant.h"

namespace partition_controller {

class Html {
 public:
  // A literal is markup.
  template <std::size_t N>
  Html& operator<<(const char (&markup)[N]) {
    text_.append(markup, N - 1);
    return *this;
  }
  template <std::size_t N>
  Html& operator<<(char (&buffer)[N]) = delete;

  // Any other text is shown as it is, as content or between double quotes:
  // characters that cannot be seen, or that change the direction of others, as
  // \x1B or \u202E.
  Html& operator<<(std::string_view text);
  Html& operator<<(const std::string& text) { return *this << std::string_view(text); }
  template <std::same_as<const char*> Pointer>
  Html& operator<<(const Pointer& text) {
    return *this << std::string_view(text);
  }

  Html& operator<<(const Html& html) {
    text_ += html.text_;
    return *this;
  }
  Html& operator<<(std::integral auto number) {
    text_ += std::to_string(number);
    return *this;
  }

  bool empty() const { return text_.empty(); }
  const std::string& text() const& { return text_; }
  std::string&& text() && { return std::move(text_); }

 private:
  std::string text_;
};

// A name whose direction of writing does not leak into what stands around it.
Html Name(std::string_view name);

// "12.5%" of a share from 0 to 1.  Independent of the locale.
std::string Percent(double share);
// One unit: "40 s", "3 min", "36 h", "39 d", "4 y".
std::string Span(std::chrono::microseconds span);
// "in 3 d", "3 d ago", "now".
std::string Relative(Instant at, Instant now);
// "2026-11-22 21:00", "2026-11-22", in UTC.
std::string Minute(Instant at);
std::string Day(Instant at);

// A time with both, for machines too.
Html Time(Instant at, Instant now);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_HTML_H_
