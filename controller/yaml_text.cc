#include "controller/yaml_text.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace partition_controller {
namespace {

using nlohmann::json;

// Whether no reader takes it for anything but a text.  What YAML 1.1 takes for
// a truth value is quoted.
bool Plain(const std::string& text) {
  constexpr std::array<std::string_view, 9> kWords = {"true", "false", "null", "yes", "no",
                                                      "on",   "off",   "y",    "n"};
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  constexpr std::string_view kMore = "0123456789-_./";
  if (text.empty() || kLetters.find(text.front()) == std::string_view::npos) return false;
  std::string lower = text;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::find(kWords.begin(), kWords.end(), lower) == kWords.end() &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return kLetters.find(c) != std::string_view::npos || kMore.find(c) != std::string_view::npos;
         });
}

// What JSON makes of a text is a double-quoted text of YAML.
std::string Scalar(const json& value) {
  if (value.is_string() && Plain(value.get_ref<const std::string&>())) return value.get<std::string>();
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool Blocks(const json& value) { return value.is_structured() && !value.empty(); }

// Lines that follow what stands before `value`, at this depth.
void Write(const json& value, std::size_t depth, std::string* text) {
  const std::string indent(2 * depth, ' ');
  const auto under = [&](const std::string& head, const json& member) {
    if (!Blocks(member)) {
      *text += head + " " + Scalar(member) + "\n";
      return;
    }
    *text += head + "\n";
    Write(member, depth + 1, text);
  };
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, member] : value.items()) under(indent + Scalar(key) + ":", member);
  } else if (value.is_array() && !value.empty()) {
    for (const json& member : value) under(indent + "-", member);
  } else {
    *text += indent + Scalar(value) + "\n";
  }
}

}  // namespace

std::string YamlText(const json& value) {
  std::string text;
  Write(value, 0, &text);
  return text;
}

}  // namespace partition_controller
