#include "crd/text.h"

#include <cstdint>
#include <iterator>

namespace partition_controller {
namespace {

std::uint8_t Byte(char c) { return static_cast<std::uint8_t>(c); }

void AppendHex(std::uint32_t value, int digits, std::string* out) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    out->push_back("0123456789ABCDEF"[(value >> shift) & 0xF]);
  }
}

// Characters that a terminal obeys, hides, or uses to reorder the others.
bool Unprintable(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
         (c >= 0xFFF9 && c <= 0xFFFB) || c >= 0xE0000;
}

bool LowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

std::size_t FirstCharacter(std::string_view text, char32_t* character) {
  if (text.empty()) return 0;
  const std::uint8_t lead = Byte(text[0]);
  if (lead < 0x80) {
    *character = lead;
    return 1;
  }
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  char32_t value = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((Byte(text[i]) & 0xC0) != 0x80) return 0;
    value = (value << 6) | (Byte(text[i]) & 0x3FU);
  }
  // Overlong forms, surrogates, and what lies beyond Unicode.
  if ((length == 3 && value < 0x800) || (length == 4 && value < 0x10000)) return 0;
  if ((value >= 0xD800 && value < 0xE000) || value > 0x10FFFF) return 0;
  *character = value;
  return length;
}

std::size_t CountCharacters(std::string_view text) {
  std::size_t count = 0;
  for (char32_t c = 0; !text.empty(); ++count) {
    const std::size_t length = FirstCharacter(text, &c);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return count;
}

std::string Printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    char32_t c = 0;
    const std::size_t length = FirstCharacter(text, &c);
    if (length == 0 || (length == 1 && Unprintable(c))) {
      out += "\\x";
      AppendHex(Byte(text[0]), 2, &out);
    } else if (Unprintable(c)) {
      out += c > 0xFFFF ? "\\U" : "\\u";
      AppendHex(c, c > 0xFFFF ? 8 : 4, &out);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::size_t FindIgnoringCase(std::string_view text, std::string_view word, std::size_t from) {
  for (std::size_t i = from; i + word.size() <= text.size(); ++i) {
    std::size_t same = 0;
    while (same < word.size() && (text[i + same] | 0x20) == word[same]) ++same;
    if (same == word.size()) return i;
  }
  return std::string_view::npos;
}

bool MayHoldSecret(std::string_view text) {
  if (text.find("://") != std::string_view::npos) return true;
  for (const std::string_view word : {"password", "passwd", "pwd"}) {
    for (std::size_t at = FindIgnoringCase(text, word, 0); at != std::string_view::npos;
         at = FindIgnoringCase(text, word, at + 1)) {
      const std::size_t next = text.find_first_not_of(" \t", at + word.size());
      if (next != std::string_view::npos && text[next] == '=') return true;
    }
  }
  return false;
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kMaxCharacters = 60;
  if (MayHoldSecret(text)) return "(not shown)";
  std::string out = "'";
  std::size_t shown = 0;
  while (!text.empty()) {
    if (shown == kMaxCharacters) return out + "...'";
    char32_t c = 0;
    const std::size_t length = FirstCharacter(text, &c);
    out += Printable(text.substr(0, length == 0 ? 1 : length));
    text.remove_prefix(length == 0 ? 1 : length);
    ++shown;
  }
  return out + "'";
}

std::string Grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t i = digits.size(); i > first + 3;) digits.insert(i -= 3, 1, ',');
  return digits;
}

std::string BytesText(std::int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1'024) return std::to_string(bytes) + " B";
  std::size_t unit = 0;
  // In tenths, and without floating point, so that it is the same everywhere.
  std::int64_t tenths = bytes;
  while (tenths >= 1'024 && unit + 2 < std::size(kUnits)) {
    if (tenths < std::int64_t{1'024} * 1'024) break;
    tenths /= 1'024;
    ++unit;
  }
  tenths = (tenths * 10 + 512) / 1'024;
  ++unit;
  const std::string whole = std::to_string(tenths / 10);
  return (tenths < 1'000 ? whole + '.' + std::to_string(tenths % 10) : whole) + ' ' + kUnits[unit];
}

std::string PercentEncoded(std::string_view text) {
  std::string url;
  for (const char c : text) {
    if (LowerOrDigit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_') {
      url += c;
    } else {
      url += '%';
      AppendHex(Byte(c), 2, &url);
    }
  }
  return url;
}

bool IsDnsLabel(std::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  if (!LowerOrDigit(text.front()) || !LowerOrDigit(text.back())) return false;
  for (const char c : text) {
    if (!LowerOrDigit(c) && c != '-') return false;
  }
  return true;
}

bool IsDnsSubdomain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  bool begins = true;  // a part between dots begins here
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool ends = i + 1 == text.size() || text[i + 1] == '.';
    if (text[i] == '.') {
      if (begins) return false;
      begins = true;
      continue;
    }
    if (!LowerOrDigit(text[i]) && (begins || ends || text[i] != '-')) return false;
    begins = false;
  }
  return !begins;
}

}  // namespace partition_controller
