#include "reconcilers/quote.h"

#include <algorithm>
#include <stdexcept>

namespace partition_controller {
namespace {

void RefuseNul(std::string_view text, const char* what) {
  if (text.find('\0') != std::string_view::npos) throw std::invalid_argument(what);
}

// Character classes as in PostgreSQL's scanner (parser/scan.l).
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (c & 0x80) != 0;
}
bool IsTagCharacter(char c) { return IsNameStart(c) || IsDigit(c); }
bool IsNameCharacter(char c) { return IsTagCharacter(c) || c == '$'; }
// Other control characters are nothing to be shown either.
bool IsSpace(char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7F'; }
bool IsContinuation(char c) { return (c & 0xC0) == 0x80; }

// Length of the UTF-8 sequence that `text` begins with; 0 if it is not one
// (RFC 3629, section 4).
std::size_t SequenceLength(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t at = 1; at < length; ++at) {
    if (!IsContinuation(text[at])) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xED && byte(1) > 0x9F;
  const bool beyond = lead == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || beyond ? 0 : length;
}

void ReplaceInvalidBytes(std::string* text) {
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t length = SequenceLength(std::string_view(*text).substr(at));
    if (length == 0) (*text)[at] = '?';
    at += std::max<std::size_t>(length, 1);
  }
}

// Finds where the tokens of `query_` end.  Whatever has no end ends with the
// text: pg_stat_activity cuts queries at track_activity_query_size.
class Lexer {
 public:
  explicit Lexer(std::string_view query) : query_(query) {}

  // The next token with its constants masked; empty for white space, comments
  // and the end.
  std::string Next() {
    const char c = query_[at_];
    const std::size_t start = at_;
    if (IsSpace(c)) return Skip(at_ + 1);
    if (Ahead("--")) return Skip(query_.find_first_of("\r\n", at_));
    if (Ahead("/*")) return Skip(CommentEnd());
    if (c == '\'') return Mask(StringEnd(at_ + 1, false));
    if (c == '"') return QuotedName();
    if (c == '$') return Dollar();
    if (IsDigit(c)) return Mask(NumberEnd());
    if (!IsNameStart(c)) return Keep(at_ + 1);

    const std::size_t end = While(at_, IsNameCharacter);
    const std::string_view word = query_.substr(start, end - start);
    const std::string_view after = query_.substr(end);
    if (word.size() == 1 && after.starts_with('\'')) {
      if (word == "e" || word == "E") return Mask(StringEnd(end + 1, true));
      if (std::string_view("bBnNxX").find(word) != std::string_view::npos)
        return Mask(StringEnd(end + 1, false));
    }
    if ((word == "u" || word == "U") && after.starts_with("&'")) return Mask(StringEnd(end + 2, false));
    return Keep(end);
  }

  bool done() const { return at_ >= query_.size(); }

 private:
  bool Ahead(std::string_view word) const { return query_.substr(at_).starts_with(word); }

  std::size_t While(std::size_t at, bool (*wanted)(char)) const {
    while (at < query_.size() && wanted(query_[at])) ++at;
    return at;
  }

  std::string Skip(std::size_t end) {
    at_ = std::min(end, query_.size());
    return "";
  }
  std::string Mask(std::size_t end) {
    at_ = std::min(end, query_.size());
    return "?";
  }
  std::string Keep(std::size_t end) {
    std::string token(query_.substr(at_, end - at_));
    std::replace_if(token.begin(), token.end(), IsSpace, ' ');
    at_ = end;
    return token;
  }

  std::size_t CommentEnd() const {
    std::size_t depth = 0;
    for (std::size_t at = at_; at < query_.size(); ++at) {
      const std::string_view rest = query_.substr(at);
      if (!rest.starts_with("/*") && !rest.starts_with("*/")) continue;
      depth = rest.starts_with("/*") ? depth + 1 : depth - 1;
      ++at;
      if (depth == 0) return at + 1;
    }
    return query_.size();
  }

  std::size_t StringEnd(std::size_t at, bool escapes) const {
    bool escaped = false;
    for (; at < query_.size(); ++at) {
      if (query_[at] == '\\') {
        escaped = !escaped;
        continue;
      }
      const bool after_backslash = escaped;
      escaped = false;
      if (query_[at] != '\'') continue;
      if (after_backslash) {
        if (escapes) continue;
        // Where the string ends depends on standard_conforming_strings of
        // a session that is not ours.  Either guess could show what the other
        // hides.
        return query_.size();
      }
      if (!query_.substr(at).starts_with("''")) return at + 1;
      ++at;
    }
    return query_.size();
  }

  std::string QuotedName() {
    for (std::size_t at = at_ + 1; at < query_.size(); ++at) {
      if (query_[at] != '"') continue;
      if (!query_.substr(at).starts_with("\"\"")) return Keep(at + 1);
      ++at;
    }
    return Mask(query_.size());
  }

  // A dollar-quoted constant, or a parameter ("$1"), which tells nothing.
  std::string Dollar() {
    std::size_t end = at_ + 1;
    if (end < query_.size() && IsNameStart(query_[end])) end = While(end, IsTagCharacter);
    if (end < query_.size() && query_[end] == '$') {
      const std::string_view delimiter = query_.substr(at_, end + 1 - at_);
      const std::size_t close = query_.find(delimiter, end + 1);
      return Mask(close == std::string_view::npos ? query_.size() : close + delimiter.size());
    }
    return Keep(While(at_ + 1, IsDigit));
  }

  // Too much rather than too little: also "1.5e-10", "0x1F", "1_000", "1..9".
  std::size_t NumberEnd() const {
    const auto part = [](char c) { return IsTagCharacter(c) || c == '.'; };
    std::size_t end = While(at_, part);
    const bool exponent = query_[end - 1] == 'e' || query_[end - 1] == 'E';
    if (exponent && end + 1 < query_.size() && (query_[end] == '+' || query_[end] == '-') &&
        IsDigit(query_[end + 1])) {
      end = While(end + 1, part);
    }
    return end;
  }

  std::string_view query_;
  std::size_t at_ = 0;
};

}  // namespace

std::string QuoteName(std::string_view name) {
  if (name.empty()) throw std::invalid_argument("an identifier cannot be empty");
  RefuseNul(name, "an identifier cannot hold a NUL byte");
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += c;
    quoted += c;
  }
  return quoted + "\"";
}

std::string QuoteName(std::string_view schema, std::string_view name) {
  return QuoteName(schema) + "." + QuoteName(name);
}

std::string QuoteLiteral(std::string_view text) {
  RefuseNul(text, "a text cannot hold a NUL byte");
  std::string quoted = text.find('\\') == std::string_view::npos ? "'" : "E'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += c;
    quoted += c;
  }
  return quoted + "'";
}

std::string DollarQuote(std::string_view text) {
  RefuseNul(text, "a text cannot hold a NUL byte");
  std::string tag = "pc";
  for (int count = 1; text.find(tag) != std::string_view::npos; ++count) tag = "pc" + std::to_string(count);
  const std::string delimiter = "$" + tag + "$";
  return delimiter + std::string(text) + delimiter;
}

std::string_view CutText(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && IsContinuation(text[limit])) --limit;
  return text.substr(0, limit);
}

std::string MaskLiterals(std::string_view query, std::size_t limit) {
  Lexer lexer(query);
  std::string masked;
  bool space = false;
  while (!lexer.done() && masked.size() <= limit) {
    const std::string token = lexer.Next();
    if (!token.empty()) {
      if (space && !masked.empty()) masked += ' ';
      masked += token;
    }
    space = token.empty();
  }
  ReplaceInvalidBytes(&masked);
  if (masked.size() <= limit) return masked;
  const std::string_view dots = std::string_view("...").substr(0, limit);
  return std::string(CutText(masked, limit - dots.size())).append(dots);
}

std::vector<std::string> MaskedTokens(std::string_view query) {
  Lexer lexer(query);
  std::vector<std::string> tokens;
  while (!lexer.done()) tokens.push_back(lexer.Next());
  return tokens;
}

}  // namespace partition_controller
