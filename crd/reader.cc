#include "crd/reader.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "crd/spelling.h"
#include "crd/text.h"

namespace partition_controller {
namespace {

using nlohmann::json;

// What stands there, for "..., not 3.5".
std::string Describe(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_string()) return Quoted(value.get_ref<const std::string&>());
  return value.dump();
}

std::string JoinWords(const std::vector<std::string_view>& words, std::string_view last_separator) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? last_separator : ", ";
    out += words[i];
  }
  return out;
}

std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& words) {
  const std::optional<std::string_view> nearest = Nearest(word, words);
  return nearest ? "; did you mean '" + std::string(*nearest) + "'?" : "";
}

// Keys and paths are shown to people, pointers are looked up.
std::string ChildPath(const std::string& path, std::string_view key) {
  const bool plain = !key.empty() && key.find_first_not_of(
                                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789_-") == std::string_view::npos;
  if (!plain || key.size() > 64) return path + "[" + Quoted(key) + "]";
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

std::string ChildPointer(const std::string& pointer, std::string_view key) {
  std::string out = pointer + "/";
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

// What people write where a calendar duration's unit belongs.
std::string SuggestCalendarDuration(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  std::string_view unit = text.substr(digits);
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  static constexpr std::pair<std::string_view, std::string_view> kUnits[] = {
      {"m", "mo"},    {"M", "mo"},     {"mon", "mo"},    {"month", "mo"}, {"months", "mo"}, {"Mo", "mo"},
      {"D", "d"},     {"day", "d"},    {"days", "d"},    {"H", "h"},      {"hour", "h"},    {"hours", "h"},
      {"W", "w"},     {"week", "w"},   {"weeks", "w"},   {"Y", "y"},      {"yr", "y"},      {"year", "y"},
      {"years", "y"}, {"hourly", "h"}, {"monthly", "mo"}};
  if (digits == 0 || digits > 5) return "";
  for (const auto& [written, meant] : kUnits) {
    if (unit == written) {
      return "; did you mean '" + std::string(text.substr(0, digits)) + std::string(meant) + "'?";
    }
  }
  return "";
}

}  // namespace

std::string Node::Name() const {
  const std::size_t dot = path.rfind('.');
  return dot == std::string::npos ? path : path.substr(dot + 1);
}

Reader::Reader(const std::string& file, const std::function<Position(const std::string&)>& position_of)
    : file_(file), position_of_(position_of) {}

void Reader::Report(const Node& node, std::string message) {
  const Position position = position_of_ ? position_of_(node.pointer) : Position();
  problems_.push_back({file_, node.path, position, std::move(message)});
}

void Reader::ReportMissing(const Node& parent, std::string_view key, std::string_view why) {
  const std::string path = ChildPath(parent.path, key);
  Report({nullptr, parent.pointer, path}, path + " is missing: " + std::string(why));
}

std::optional<std::string> Reader::Text(const Node& node) {
  if (!node) return std::nullopt;
  const json& value = *node.value;
  if (value.is_string()) return value.get_ref<const std::string&>();
  if (value.is_null()) {
    Report(node, node.Name() + " is empty; it must be text");
  } else if (value.is_structured()) {
    Report(node, node.Name() + " must be text, not " + Describe(value));
  } else {
    Report(node, node.Name() + " must be text; put the value in quotes");
  }
  return std::nullopt;
}

std::optional<int> Reader::Int(const Node& node, int min, int max, std::string_view why) {
  if (!node) return std::nullopt;
  const json& value = *node.value;
  if (value.is_number_unsigned()) {
    const std::uint64_t number = value.get<std::uint64_t>();
    if (number <= static_cast<std::uint64_t>(std::numeric_limits<int>::max())) {
      const int narrow = static_cast<int>(number);
      if (narrow >= min && narrow <= max) return narrow;
    }
  } else if (value.is_number_integer()) {
    const std::int64_t number = value.get<std::int64_t>();
    if (number >= min && number <= max) return static_cast<int>(number);
  }
  Report(node, node.Name() + " must be a whole number from " + std::to_string(min) + " to " +
                   std::to_string(max) + ", not " + Describe(value) +
                   (why.empty() || !value.is_number_integer() ? "" : ": " + std::string(why)));
  return std::nullopt;
}

std::optional<bool> Reader::Bool(const Node& node) {
  if (!node) return std::nullopt;
  if (node.value->is_boolean()) return node.value->get<bool>();
  Report(node, node.Name() + " must be true or false, not " + Describe(*node.value));
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> Reader::Clock(const Node& node, std::chrono::milliseconds min,
                                                       std::chrono::milliseconds max) {
  if (!node) return std::nullopt;
  if (node.value->is_string()) {
    const auto duration = ParseClockDuration(node.value->get_ref<const std::string&>());
    if (duration && *duration >= min && *duration <= max) return duration;
  }
  Report(node, node.Name() + " must be a time from " + ToString(min) + " to " + ToString(max) +
                   ", one whole number and ms, s, m or h, such as " + ToString(min) + "; not " +
                   Describe(*node.value));
  return std::nullopt;
}

std::optional<CalendarDuration> Reader::Calendar(const Node& node, int min_count) {
  if (!node) return std::nullopt;
  std::string hint;
  if (node.value->is_string()) {
    const std::string& text = node.value->get_ref<const std::string&>();
    const auto duration = ParseCalendarDuration(text);
    if (duration && duration->count >= min_count) return duration;
    if (!duration) hint = SuggestCalendarDuration(text);
  }
  Report(node, node.Name() + " must be a whole number from " + std::to_string(min_count) +
                   " to 99999 and h, d, w, mo or y, such as 90d or 3mo; not " + Describe(*node.value) + hint);
  return std::nullopt;
}

std::optional<std::size_t> Reader::Choice(const Node& node, const std::vector<std::string_view>& words) {
  if (!node) return std::nullopt;
  std::string hint;
  if (node.value->is_string()) {
    const std::string& text = node.value->get_ref<const std::string&>();
    const auto found = std::find(words.begin(), words.end(), text);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    hint = DidYouMean(text, words);
  }
  Report(node,
         node.Name() + " must be " + JoinWords(words, " or ") + ", not " + Describe(*node.value) + hint);
  return std::nullopt;
}

std::vector<Node> Reader::List(const Node& node) {
  std::vector<Node> items;
  if (!node) return items;
  if (!node.value->is_array()) {
    Report(node, node.value->is_null() ? node.Name() + " is empty; write [] for an empty list"
                                       : node.Name() + " must be a list, not " + Describe(*node.value));
    return items;
  }
  for (std::size_t i = 0; i < node.value->size(); ++i) {
    const std::string index = std::to_string(i);
    items.push_back({&(*node.value)[i], node.pointer + "/" + index, node.path + "[" + index + "]"});
  }
  return items;
}

std::vector<Problem> Reader::TakeProblems() { return std::move(problems_); }

Fields::Fields(Reader* reader, Node object) : reader_(reader), node_(std::move(object)) {
  if (!node_) return;
  if (node_.value->is_object()) {
    object_ = node_.value;
  } else {
    const std::string name = node_.path.empty() ? "a policy" : node_.Name();
    reader_->Report(node_, node_.value->is_null() ? name + " is empty; it must hold keys and values"
                                                  : name + " must hold keys and values (key: value)");
  }
}

Fields::~Fields() {
  if (object_ == nullptr) return;
  for (const auto& [key, value] : object_->items()) {
    if (refused_.count(key) > 0 || std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    std::string hint = DidYouMean(key, known_);
    if (hint.empty() && tolerant_) continue;
    if (hint.empty()) hint = "; known here: " + JoinWords(known_, ", ");
    reader_->Report(Child(key), "unknown key " + Quoted(key) + hint);
  }
}

Node Fields::Child(std::string_view key) const {
  Node child{nullptr, ChildPointer(node_.pointer, key), ChildPath(node_.path, key)};
  if (object_ != nullptr) {
    const auto found = object_->find(key);
    if (found != object_->end()) child.value = &*found;
  }
  return child;
}

Node Fields::Get(std::string_view key) {
  known_.push_back(key);
  return Child(key);
}

Node Fields::Require(std::string_view key, std::string_view why) {
  Node child = Get(key);
  if (object_ != nullptr && !child) reader_->ReportMissing(node_, key, why);
  return child;
}

bool Fields::Refuse(std::string_view key, std::string_view message) {
  const Node child = Child(key);
  if (!child) return false;
  refused_.insert(key);
  reader_->Report(child, std::string(message));
  return true;
}

}  // namespace partition_controller
