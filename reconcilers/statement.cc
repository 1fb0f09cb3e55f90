#include "reconcilers/statement.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

using std::string_view;

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

// The operators by which partitions are left out; <@ in a range, from PostgreSQL 17.
constexpr std::array<string_view, 7> kComparisons = {"=", "<", ">", "<=", ">=", "<@", "@>"};
// What an output column, or what is assigned to, follows.
constexpr std::array<string_view, 6> kOutput = {",", "select", "distinct", "set", "returning", "all"};
// Words that call nothing with the parenthesis after them, and are no alias.
constexpr std::array<string_view, 64> kKeywords = {
    "all",     "and",    "any",    "array",     "as",       "asc",       "at",          "between",
    "by",      "case",   "cross",  "desc",      "distinct", "else",      "end",         "except",
    "exists",  "fetch",  "filter", "for",       "from",     "full",      "group",       "having",
    "ilike",   "in",     "inner",  "intersect", "into",     "is",        "join",        "lateral",
    "left",    "like",   "limit",  "not",       "null",     "nulls",     "offset",      "on",
    "only",    "or",     "order",  "over",      "right",    "row",       "select",      "set",
    "similar", "some",   "then",   "to",        "union",    "using",     "values",      "when",
    "where",   "window", "with",   "within",    "natural",  "returning", "tablesample", "true"};

bool IsOperatorCharacter(char c) { return string_view("+-*/<>=~!@#%^&|`?:").find(c) != string_view::npos; }

// As PostgreSQL reads it: a sign at the end belongs to what follows, unless a
// character is in front that no SQL standard operator has.
bool TakesSign(string_view op) { return op.find_first_of("~!@#%^&|`?") != string_view::npos; }

bool IsArithmetic(string_view op) {
  return op == "+" || op == "-" || op == "*" || op == "/" || op == "%" || op == "^" || op == "||";
}

}  // namespace

std::vector<Statement> Statement::AllIn(string_view sql) {
  std::vector<Statement> all(1);
  bool joins = false;  // the token before was an operator, and no white space since
  for (std::string& text : MaskedTokens(sql)) {
    std::vector<Token>& tokens = all.back().tokens_;
    const bool op = text.size() == 1 && IsOperatorCharacter(text[0]) && text != "?";
    if (text.empty()) {
      joins = false;
    } else if (text == ";") {
      if (!tokens.empty()) all.emplace_back();
      joins = false;
    } else if (op) {
      const bool sign = text == "+" || text == "-";
      if (joins && (!sign || TakesSign(tokens.back().text))) {
        tokens.back().text += text;
      } else {
        tokens.push_back({text});
      }
      joins = true;
    } else if (text[0] == '"') {
      Token token{"", true, true};
      for (std::size_t i = 1; i + 1 < text.size(); ++i) {
        token.text += text[i];
        if (text[i] == '"') ++i;  // it stands twice
      }
      tokens.push_back(std::move(token));
      joins = false;
    } else {
      const bool name =
          std::isalpha(static_cast<unsigned char>(text[0])) != 0 || text[0] == '_' || (text[0] & 0x80) != 0;
      std::transform(text.begin(), text.end(), text.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
      tokens.push_back({std::move(text), name});
      joins = false;
    }
  }
  if (all.back().tokens_.empty()) all.pop_back();
  return all;
}

const Statement::Token& Statement::At(std::size_t i) const {
  static const Token kNone;
  return i < size() ? tokens_[i] : kNone;
}

bool Statement::Is(std::size_t i, string_view word) const { return At(i).text == word && !At(i).quoted; }

template <class Words>
bool Statement::IsAny(std::size_t i, const Words& words) const {
  return std::any_of(words.begin(), words.end(), [&](string_view word) { return Is(i, word); });
}

bool Statement::Has(string_view word) const {
  for (std::size_t i = 0; i < size(); ++i) {
    if (Is(i, word)) return true;
  }
  return false;
}

// Moves `i` behind the name.
std::optional<NamedTable> Statement::NameAt(std::size_t* i) const {
  NamedTable table;
  if (Is(*i, "only")) {
    table.only = true;
    ++*i;
    if (Is(*i, "(")) ++*i;
  }
  if (!At(*i).name) return std::nullopt;
  table.name = At(*i).text;
  if (Is(*i + 1, ".") && At(*i + 2).name) {
    table.schema = table.name;
    table.name = At(*i + 2).text;
    table.quoted = At(*i).quoted && At(*i + 2).quoted;
    *i += 2;
  }
  ++*i;
  return table;
}

// "IF EXISTS a, ONLY b.c *, d".
std::vector<NamedTable> Statement::ListAt(std::size_t i) const {
  if (Is(i, "table")) ++i;
  if (Is(i, "if") && Is(i + 1, "exists")) i += 2;
  std::vector<NamedTable> tables;
  for (;; ++i) {
    const std::optional<NamedTable> table = NameAt(&i);
    if (!table) break;
    tables.push_back(*table);
    if (Is(i, "*")) ++i;
    if (!Is(i, ",")) break;
  }
  return tables;
}

std::vector<NamedTable> Statement::Divided() const {
  std::vector<NamedTable> tables;
  if (Is(0, "create")) {
    for (std::size_t i = 1; i < size(); ++i) {
      if (!Is(i, "partition") || !Is(i + 1, "of")) continue;
      i += 2;
      const std::optional<NamedTable> parent = NameAt(&i);
      // A default partition takes no range.
      if (parent && !Has("default")) tables.push_back(*parent);
      break;
    }
  } else if (Is(0, "alter") && Is(1, "table")) {
    for (std::size_t i = 2; i < size(); ++i) {
      if (Is(i, "attach") && Is(i + 1, "partition")) return ListAt(2);
    }
  }
  return tables;
}

std::vector<NamedTable> Statement::Detached() const {
  if (!Is(0, "alter") || !Is(1, "table")) return {};
  for (std::size_t i = 2; i < size(); ++i) {
    if (Is(i, "detach") && Is(i + 1, "partition")) return ListAt(2);
  }
  return {};
}

std::vector<NamedTable> Statement::Dropped() const {
  return Is(0, "drop") && Is(1, "table") ? ListAt(1) : std::vector<NamedTable>();
}

std::vector<NamedTable> Statement::Truncated() const {
  return Is(0, "truncate") ? ListAt(1) : std::vector<NamedTable>();
}

std::vector<NamedTable> Statement::DeletedFrom() const {
  std::vector<NamedTable> tables;
  for (std::size_t i = 0; i < size(); ++i) {
    if (!Is(i, "delete") || !Is(i + 1, "from")) continue;
    std::size_t at = i + 2;
    if (const std::optional<NamedTable> table = NameAt(&at)) tables.push_back(*table);
  }
  return tables;
}

// Where the parenthesis opens that `i` stands in; kNowhere: in none.
std::size_t Statement::OpenBefore(std::size_t i) const {
  std::size_t closed = 0;
  while (i > 0) {
    --i;
    if (Is(i, ")")) ++closed;
    if (!Is(i, "(")) continue;
    if (closed == 0) return i;
    --closed;
  }
  return kNowhere;
}

bool Statement::Calls(std::size_t open) const {
  return open > 0 && At(open - 1).name && (At(open - 1).quoted || !IsAny(open - 1, kKeywords));
}

// Whether the comma is one between tables, as in FROM a, b.
bool Statement::ListsTables(std::size_t comma) const {
  constexpr std::array<string_view, 10> kEnds = {"select", "where", "by",     "set",    "having",
                                                 "values", "limit", "offset", "window", "returning"};
  std::size_t closed = 0;
  for (std::size_t i = comma; i > 0;) {
    --i;
    if (Is(i, ")")) ++closed;
    if (Is(i, "(")) {
      if (closed == 0) return false;
      --closed;
    }
    if (closed > 0) continue;
    if (Is(i, "from") || Is(i, "using")) return true;
    if (IsAny(i, kEnds)) return false;
  }
  return false;
}

std::vector<NamedTable> Statement::Read() const {
  constexpr std::array<string_view, 5> kReaders = {"select", "with", "update", "delete", "insert"};
  constexpr std::array<string_view, 4> kNotTargets = {"for", "do", "key", "on"};
  std::size_t first = 0;
  while (Is(first, "(")) ++first;
  std::vector<NamedTable> tables;
  if (!IsAny(first, kReaders)) return tables;
  for (std::size_t i = first; i < size(); ++i) {
    const bool target = Is(i, "update") && (i == 0 || !IsAny(i - 1, kNotTargets));
    if (!target && !Is(i, "from") && !Is(i, "join") && !Is(i, "using") &&
        !(Is(i, ",") && At(i + 1).name && ListsTables(i))) {
      continue;
    }
    std::size_t at = i + 1;
    const std::optional<NamedTable> table = NameAt(&at);
    const bool of_with = table && table->schema.empty() && IsOfWith(table->name);
    if (table && !of_with && !Is(at, "(")) tables.push_back(*table);
  }
  return tables;
}

// Whether it is the name of a WITH query, which hides a table of that name.
bool Statement::IsOfWith(string_view name) const {
  constexpr std::array<string_view, 3> kBefore = {"with", "recursive", ","};
  for (std::size_t i = 1; i < size(); ++i) {
    if (At(i).name && At(i).text == name && IsAny(i - 1, kBefore) && Is(i + 1, "as") &&
        (Is(i + 2, "(") || Is(i + 2, "not") || Is(i + 2, "materialized"))) {
      return true;
    }
  }
  return false;
}

// Whether what is said of a column may be said under another name, or of no name.
bool Statement::Renames() const {
  for (std::size_t i = 0; i < size(); ++i) {
    if (Is(i, "union") || Is(i, "intersect") || Is(i, "except") || Is(i, "natural")) return true;
    // "(SELECT ...) AS s (a, b)", "WITH s (a, b) AS (...)"
    std::size_t alias = i + 1;
    if (Is(alias, "as")) ++alias;
    const bool after = Is(i, ")") || (At(i).name && (At(i).quoted || !IsAny(i, kKeywords)));
    if (after && alias != i + 1 && Is(alias, "(") && Is(i, ")")) return true;
    if (after && At(alias).name && Is(alias + 1, "(") && Calls(alias + 1)) return true;
  }
  return false;
}

bool Statement::IsCast(std::size_t at, string_view type) const {
  if (type == "date") return Is(at, "date");
  const bool zone = type.ends_with("with time zone");
  if (Is(at, "timestamptz")) return zone;
  return Is(at, "timestamp") && Is(at + 1, "with") == zone;
}

// Whether an expression at `i` belongs to a condition, not to what comes out.
bool Statement::InCondition(std::size_t i) const {
  constexpr std::array<string_view, 6> kIn = {"where", "on", "and", "or", "not", "having"};
  constexpr std::array<string_view, 6> kOut = {"by", "select", "set", "returning", "from", "distinct"};
  std::size_t closed = 0;
  while (i > 0) {
    --i;
    if (Is(i, ")")) ++closed;
    if (Is(i, "(") && closed > 0) --closed;
    if (closed > 0) continue;
    if (IsAny(i, kIn)) return true;
    // extract(hour FROM ts)
    const std::size_t open = Is(i, "from") ? OpenBefore(i) : kNowhere;
    if (open != kNowhere && Calls(open)) continue;
    if (IsAny(i, kOut)) return false;
  }
  return false;
}

std::vector<std::size_t> Statement::Uses(string_view column) const {
  std::vector<std::size_t> uses;
  for (std::size_t i = 0; i < size(); ++i) {
    const bool label = i > 0 && Is(i - 1, "as");
    if (At(i).name && At(i).text == column && !Is(i + 1, ".") && !Is(i + 1, "(") && !label) uses.push_back(i);
  }
  return uses;
}

Statement::Bound Statement::UseAt(std::size_t i, string_view type) const {
  const Bound wrapped = InCondition(i) ? Bound::kWrapped : Bound::kNone;
  std::size_t first = i;
  while (first >= 2 && Is(first - 1, ".")) first -= 2;
  std::size_t last = i;
  while (first > 0 && Is(first - 1, "(") && Is(last + 1, ")") && !Calls(first - 1)) {
    --first;
    ++last;
  }
  const std::size_t before = first == 0 ? kNowhere : first - 1;
  const std::size_t after = last + 1;
  const std::size_t open = OpenBefore(first);
  const bool argument = open != kNowhere && Calls(open);
  const bool subquery = open != kNowhere && Is(open + 1, "select");

  if (Is(after, "::")) return IsCast(after + 1, type) ? Bound::kPossible : wrapped;
  if (Is(after, "as") && argument) return IsCast(after + 1, type) ? Bound::kPossible : wrapped;
  if (IsArithmetic(At(after).text) || Is(after, "at")) return wrapped;
  if (before != kNowhere && IsArithmetic(At(before).text)) return wrapped;
  if (IsAny(after, kComparisons)) return IsAny(before, kOutput) ? Bound::kNone : Bound::kPossible;
  if (Is(after, "between") || Is(after, "in") || Is(after, "not")) return Bound::kPossible;
  if (Is(after, "is")) return Is(after + 1, "null") ? Bound::kPossible : Bound::kNone;
  if (IsAny(before, kComparisons)) return Bound::kPossible;
  if (Is(before, "and") || Is(before, "between") || Is(before, "symmetric")) return Bound::kPossible;
  if (Is(before, "using")) return Bound::kPossible;
  if (argument) return wrapped;
  if (open == kNowhere) return Bound::kNone;
  if (!IsAny(before, kOutput) && before != open) return Bound::kNone;
  // In a list of its own, (a, ts) < (x, y), or under another name from here on.
  if (!subquery) return Is(open - 1, "by") ? Bound::kNone : Bound::kPossible;
  const bool renamed = Is(after, "as") || (At(after).name && (At(after).quoted || !IsAny(after, kKeywords)));
  constexpr std::array<string_view, 4> kMembers = {"in", "any", "some", "all"};
  const bool member = open > 0 && (IsAny(open - 1, kMembers) || IsAny(open - 1, kComparisons));
  return renamed || member ? Bound::kPossible : Bound::kNone;
}

Statement::Bound Statement::BoundOf(string_view column, string_view type) const {
  if (Renames()) return Bound::kPossible;
  Bound bound = Bound::kNone;
  for (const std::size_t i : Uses(column)) bound = std::max(bound, UseAt(i, type));
  return bound;
}

bool Statement::MayEndEarly(string_view column) const {
  const bool limited = Has("limit") || Has("fetch");
  const bool grouped = Has("group");
  for (std::size_t first : Uses(column)) {
    const bool whole = Is(first + 1, ")");
    while (first >= 2 && Is(first - 1, ".")) first -= 2;
    if (first < 2) continue;
    if (limited && Is(first - 1, "by") && Is(first - 2, "order")) return true;
    if (!grouped && whole && Is(first - 1, "(") && (Is(first - 2, "max") || Is(first - 2, "min")))
      return true;
  }
  return false;
}

bool Statement::SelectsOld(string_view column, string_view type) const {
  bool old = false;
  for (const std::size_t i : Uses(column)) {
    std::size_t first = i;
    while (first >= 2 && Is(first - 1, ".")) first -= 2;
    const auto compared = [&](const char* after, const char* before) {
      return Is(i + 1, after) || (first > 0 && Is(first - 1, before));
    };
    // A stretch that begins somewhere is one that somebody corrects.
    if (compared(">", "<") || compared(">=", "<=") || Is(i + 1, "between")) return false;
    old = old || compared("<", ">") || compared("<=", ">=") || UseAt(i, type) == Bound::kWrapped;
  }
  return old;
}

}  // namespace partition_controller
