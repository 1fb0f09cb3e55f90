#include "crd/problem.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "crd/text.h"

namespace partition_controller {
namespace {

constexpr std::size_t kLineWidth = 100;
constexpr std::string_view kBlank = " \t";
constexpr std::string_view kMask = " ****";

// The line with this number, without its end; nothing if there is none.
std::optional<std::string_view> LineOf(std::string_view text, int number) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (; number > 1; --number) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

// "uri" of a line such as `  - "uri": x` or `{uri: x`; empty if there is none.
std::string_view KeyOf(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t-{\"'"), line.size()));
  const std::size_t end = std::min(line.find_first_of(":\"'"), line.size());
  const std::size_t colon = line.find_first_not_of("\"' \t", end);
  return colon != std::string_view::npos && line[colon] == ':' ? line.substr(0, end) : "";
}

// Whether the line has a key such as uri or databaseUrl.
bool HasSecretKey(std::string_view line) {
  for (const std::string_view word :
       {"uri", "url", "dsn", "password", "passwd", "pwd", "conninfo", "token"}) {
    for (std::size_t at = FindIgnoringCase(line, word, 0); at != std::string_view::npos;
         at = FindIgnoringCase(line, word, at + 1)) {
      const std::size_t next = line.find_first_not_of("\"' \t", at + word.size());
      if (next != std::string_view::npos && line[next] == ':') return true;
    }
  }
  return false;
}

// Whether line `number` may belong to a connection section or to a secret that
// takes several lines.  A file with problems may be no YAML at all, so this
// looks at the text only and errs on the safe side: what follows such a key
// belongs to it up to a key that it cannot hold, or up to smaller indentation.
bool InSecretSection(std::string_view text, int number) {
  bool inside = false;
  std::size_t least_indent = 0;
  for (int i = 1; i <= number; ++i) {
    const std::string_view line = *LineOf(text, 1);
    const std::string_view key = KeyOf(line);
    const std::size_t indent = line.find_first_not_of(' ');
    if (indent != std::string_view::npos && inside) {
      if (indent < least_indent) inside = false;
      for (const char* other :
           {"apiVersion", "kind", "metadata", "spec", "table", "timeColumn", "partitioning", "retention",
            "rollups", "schedule", "locks", "mode", "suspend", "status"}) {
        if (key == other) inside = false;
      }
    }
    if (FindIgnoringCase(line, "connection", 0) != std::string_view::npos || HasSecretKey(line)) {
      inside = true;
      const bool block =
          !key.empty() && line.find_first_not_of(kBlank, line.find(':') + 1) == std::string_view::npos;
      least_indent = block ? indent + 1 : 0;
    }
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  }
  return inside;
}

// The line with everything after its first key hidden.
std::string Mask(std::string_view line) {
  const std::size_t first = line.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return std::string(line);
  const std::string_view key = KeyOf(line);
  const bool plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  });
  if (!plain) return std::string(line.substr(0, first)) + "****";
  const std::size_t colon = line.find(':');
  const bool nothing_follows = line.find_first_not_of(kBlank, colon + 1) == std::string_view::npos;
  return std::string(line.substr(0, colon + 1)) + (nothing_follows ? "" : std::string(kMask));
}

// Tabs become blanks, so that the caret stands where it should.
std::string Flat(std::string_view text) {
  std::string out(text);
  std::replace(out.begin(), out.end(), '\t', ' ');
  return Printable(out);
}

// The last or the first `most` characters.
std::string Tail(std::string_view text, std::size_t most) {
  std::size_t skip = CountCharacters(text);
  char32_t c = 0;
  for (; skip > most; --skip) text.remove_prefix(FirstCharacter(text, &c));
  return std::string(text);
}

std::string Head(std::string_view text, std::size_t most) {
  std::size_t size = 0;
  char32_t c = 0;
  for (; most > 0 && size < text.size(); --most) size += FirstCharacter(text.substr(size), &c);
  return std::string(text.substr(0, size));
}

std::string RenderLine(std::string_view line, int column) {
  const std::size_t before = std::min(static_cast<std::size_t>(std::max(column, 1) - 1), line.size());
  const std::string all_left = Flat(line.substr(0, before));
  const std::string all_right = Flat(line.substr(before));
  // A long line shows what stands around the column.
  std::string left = Tail(all_left, kLineWidth / 2);
  if (left.size() < all_left.size()) left = "..." + left;
  const std::size_t width = CountCharacters(left);
  std::string right = Head(all_right, kLineWidth - std::min(width, kLineWidth));
  if (right.size() < all_right.size()) right += "...";
  return left + right + "\n" + std::string(width, ' ') + "^";
}

}  // namespace

std::string Render(const Problem& problem, std::string_view text) {
  std::string out;
  if (!problem.file.empty()) out += Printable(problem.file) + ":";
  const bool placed = problem.position.line > 0;
  if (placed) {
    out += std::to_string(problem.position.line) + ":" + std::to_string(problem.position.column) + ": ";
  } else {
    if (!out.empty()) out += " ";
    if (!problem.path.empty()) out += Printable(problem.path) + ": ";
  }
  out += Printable(problem.message);
  const auto line = placed ? LineOf(text, problem.position.line) : std::nullopt;
  if (!line) return out;
  const bool hide = MayHoldSecret(*line) || problem.path.starts_with("spec.connection") ||
                    InSecretSection(text, problem.position.line);
  return out + "\n" +
         (hide ? RenderLine(Mask(*line), problem.position.column)
               : RenderLine(*line, problem.position.column));
}

}  // namespace partition_controller
