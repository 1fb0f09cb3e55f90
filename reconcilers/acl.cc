#include "reconcilers/acl.h"

#include <algorithm>
#include <utility>

#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// The letters of privileges on tables (manual, table 5.1); MAINTAIN is new in
// PostgreSQL 17.
const char* PrivilegeName(char letter) {
  switch (letter) {
    case 'r':
      return "SELECT";
    case 'a':
      return "INSERT";
    case 'w':
      return "UPDATE";
    case 'd':
      return "DELETE";
    case 'D':
      return "TRUNCATE";
    case 'x':
      return "REFERENCES";
    case 't':
      return "TRIGGER";
    case 'm':
      return "MAINTAIN";
    default:
      return nullptr;
  }
}

// Two layers of quoting: an array element in double quotes with backslashes
// (manual, 8.15.6), and in it a role's name in double quotes that are doubled
// (putid in utils/adt/acl.c).
std::optional<std::vector<std::string>> ArrayElements(std::string_view text) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<std::string> elements;
  if (text.empty()) return elements;
  for (std::size_t at = 0;; ++at) {  // the ++ takes the comma
    std::string element;
    if (at < text.size() && text[at] == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\') ++at;
        if (at < text.size()) element += text[at];
      }
      if (at >= text.size()) return std::nullopt;
      ++at;
    } else {
      const std::size_t end = std::min(text.find_first_of("\",{}\\ \t\n\r\f\v", at), text.size());
      element = text.substr(at, end - at);
      at = end;
    }
    elements.push_back(std::move(element));
    if (at == text.size()) return elements;
    if (text[at] != ',') return std::nullopt;
  }
}

bool IsBareCharacter(char c) {
  // Older servers take any letter of the database's locale for a bare one.
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         (c & 0x80) != 0;
}

// Takes a role's name off the front; empty when there is none.
std::optional<std::string> TakeRole(std::string_view* text) {
  std::string name;
  std::size_t at = 0;
  if (!text->starts_with('"')) {
    while (at < text->size() && IsBareCharacter((*text)[at])) ++at;
    name = text->substr(0, at);
  } else {
    for (at = 1;; ++at) {
      if (at >= text->size()) return std::nullopt;
      if ((*text)[at] == '"' && !text->substr(++at).starts_with('"')) break;
      name += (*text)[at];
    }
    if (name.empty()) return std::nullopt;
  }
  text->remove_prefix(at);
  return name;
}

// "reader=r*w/owner"
bool AppendGrants(std::string_view item, std::vector<Grant>* grants) {
  const auto grantee = TakeRole(&item);
  if (!grantee || !item.starts_with('=')) return false;
  Grant plain{*grantee, {}, false};
  Grant grantable{*grantee, {}, true};
  std::size_t at = 1;
  while (at < item.size() && item[at] != '/') {
    const char* privilege = PrivilegeName(item[at]);
    if (privilege == nullptr) return false;
    ++at;
    const bool option = at < item.size() && item[at] == '*';
    if (option) ++at;
    (option ? grantable : plain).privileges.emplace_back(privilege);
  }
  if (at == item.size()) return false;
  item.remove_prefix(at + 1);
  const auto grantor = TakeRole(&item);
  if (!grantor || grantor->empty() || !item.empty()) return false;
  for (Grant* grant : {&plain, &grantable}) {
    if (!grant->privileges.empty()) grants->push_back(std::move(*grant));
  }
  return true;
}

}  // namespace

std::optional<std::vector<Grant>> ParseAcl(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  const auto items = ArrayElements(text);
  if (!items) return std::nullopt;
  std::vector<Grant> grants;
  for (const std::string& item : *items) {
    if (!AppendGrants(item, &grants)) return std::nullopt;
  }
  return grants;
}

std::vector<std::string> GrantSql(const std::vector<Grant>& grants, const std::string& quoted_table) {
  std::vector<std::string> statements;
  for (const Grant& grant : grants) {
    std::string privileges;
    for (const std::string& privilege : grant.privileges) {
      privileges += (privileges.empty() ? "" : ", ") + privilege;
    }
    statements.push_back("GRANT " + privileges + " ON " + quoted_table + " TO " +
                         (grant.grantee.empty() ? "PUBLIC" : QuoteName(grant.grantee)) +
                         (grant.with_grant_option ? " WITH GRANT OPTION" : ""));
  }
  return statements;
}

}  // namespace partition_controller
