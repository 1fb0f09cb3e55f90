#include "crd/yaml.h"

#include <yaml-cpp/emitter.h>
#include <yaml-cpp/emittermanip.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/null.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <deque>
#include <exception>
#include <istream>
#include <optional>
#include <streambuf>

#include "crd/text.h"

namespace partition_controller {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxDepth = 32;

Position ToPosition(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

// Thrown through the library to end the reading; never leaves this file.
struct Refused {
  Position position;
  const char* message;
};

// Lets the library read `text` without a copy.
class TextBuffer : public std::streambuf {
 public:
  explicit TextBuffer(std::string_view text) {
    // The interface wants char*, but an input buffer without pbackfail() is never written to.
    char* const begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
};

json TypedScalar(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  const std::size_t digits = text.starts_with('-') ? 1 : 0;
  // A leading zero is octal to some readers of YAML and decimal to others.
  const bool leading_zero = text.size() > digits + 1 && text[digits] == '0';
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && rest == end && !leading_zero) return number;
  return text;
}

// Receives the library's events and builds the documents.
class Builder : public YAML::EventHandler {
 public:
  Builder(const std::string& file, YamlFile* out) : file_(file), out_(out) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // At a stray comma or bracket the library offers the same empty document for ever.
    if (mark.pos == start_) throw Refused{ToPosition(mark), "not valid YAML: unexpected character"};
    start_ = mark.pos;
    document_ = YamlDocument();
    repeated_.clear();
    stack_.clear();
  }

  void OnDocumentEnd() override {
    if (!document_.value.is_null()) out_->documents.push_back(std::move(document_));
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    RefuseAsKey(mark);
    Add(mark, nullptr);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw Refused{ToPosition(mark), "aliases (*name) are not supported: write the value out"};
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    const bool quoted = tag == "!";
    if (!quoted) RefuseTag(mark, tag);
    if (ExpectsKey()) {
      stack_.back().key = value;
      stack_.back().key_position = ToPosition(mark);
    } else {
      Add(mark, quoted ? json(value) : TypedScalar(value));
    }
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Open(mark, tag, anchor, json::array());
  }
  void OnSequenceEnd() override { stack_.pop_back(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Open(mark, tag, anchor, json::object());
  }
  void OnMapEnd() override { stack_.pop_back(); }

 private:
  struct Level {
    json* container;
    std::size_t number;              // in document_.positions
    std::optional<std::string> key;  // of a map, while its value is awaited
    Position key_position;
  };

  bool ExpectsKey() const {
    return !stack_.empty() && stack_.back().container->is_object() && !stack_.back().key;
  }

  void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor != YAML::NullAnchor) {
      throw Refused{ToPosition(mark),
                    "anchors (&name) are not supported: write the value out where it is needed"};
    }
  }

  void RefuseTag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag != "?" && tag != "!") throw Refused{ToPosition(mark), "tags (!name) are not supported"};
  }

  void RefuseAsKey(const YAML::Mark& mark) const {
    if (ExpectsKey()) throw Refused{ToPosition(mark), "a key must be plain text"};
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, json container) {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    RefuseAsKey(mark);
    if (stack_.size() == kMaxDepth) {
      throw Refused{ToPosition(mark), "nested too deeply: 32 levels are the limit"};
    }
    const auto [value, number] = Add(mark, std::move(container));
    stack_.push_back({value, number, std::nullopt, {}});
  }

  std::pair<json*, std::size_t> Add(const YAML::Mark& mark, json value) {
    if (stack_.empty()) {
      document_.value = std::move(value);
      return {&document_.value, document_.positions.Add(0, "", ToPosition(mark))};
    }
    Level& level = stack_.back();
    if (level.container->is_array()) {
      const std::string index = std::to_string(level.container->size());
      level.container->push_back(std::move(value));
      return {&level.container->back(), document_.positions.Add(level.number, index, ToPosition(mark))};
    }
    const std::string key = std::move(*level.key);
    level.key.reset();
    if (level.container->contains(key)) return SetAside(key, level.key_position, std::move(value));
    json& added = (*level.container)[key] = std::move(value);
    return {&added, document_.positions.Add(level.number, key, level.key_position)};
  }

  // The first value of a key stands; a later one is still read to its end.
  std::pair<json*, std::size_t> SetAside(const std::string& key, Position position, json value) {
    out_->problems.push_back({file_, "", position, "the key " + Quoted(key) + " is repeated"});
    repeated_.push_back(std::move(value));
    // No pointer leads to a step below the root that is no key of the root.
    return {&repeated_.back(), document_.positions.Add(static_cast<std::size_t>(-1), "", position)};
  }

  const std::string& file_;
  YamlFile* out_;
  int start_ = -1;  // where the document began
  YamlDocument document_;
  std::vector<Level> stack_;
  std::deque<json> repeated_;  // a deque: its elements stay where they are
};

// What the library would misread without a word: it takes byte 4 for the end
// of the file, and passes on what is not UTF-8.
std::optional<Refused> CheckCharacters(std::string_view text) {
  Position position{1, 1};
  while (!text.empty()) {
    char32_t c = 0;
    const std::size_t length = FirstCharacter(text, &c);
    if (length == 0) return Refused{position, "not UTF-8 text"};
    if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7F) {
      return Refused{position, "control characters are not allowed: in double quotes write \\xNN"};
    }
    position.column += static_cast<int>(length);
    if (c == '\n') position = {position.line + 1, 1};
    text.remove_prefix(length);
  }
  return std::nullopt;
}

// The library's own words, but for what it quotes from the text: that may be a
// password that begins with a special character.
std::string LibraryMessage(const YAML::Exception& error) {
  return "not valid YAML: " + error.msg.substr(0, error.msg.find(':'));
}

bool IndentedByTab(std::string_view text, int line) {
  for (; line > 1; --line) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  const std::size_t first = text.find_first_not_of(" \t");
  return text.substr(0, first).find('\t') != std::string_view::npos;
}

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

void Emit(const json& value, YAML::Emitter* out) {
  if (value.is_structured() && value.empty()) *out << YAML::Flow;
  if (value.is_object()) {
    *out << YAML::BeginMap;
    for (const auto& [key, member] : value.items()) {
      *out << YAML::Key;
      Emit(json(key), out);
      *out << YAML::Value;
      Emit(member, out);
    }
    *out << YAML::EndMap;
  } else if (value.is_array()) {
    *out << YAML::BeginSeq;
    for (const json& member : value) Emit(member, out);
    *out << YAML::EndSeq;
  } else if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    if (!Plain(text)) *out << YAML::DoubleQuoted;
    *out << text;
  } else if (value.is_null()) {
    *out << YAML::Null;
  } else {
    *out << value.dump();
  }
}

}  // namespace

std::size_t PositionMap::Add(std::size_t parent, const std::string& step, Position position) {
  const std::size_t number = positions_.size();
  positions_.push_back(position);
  if (number > 0) numbers_.emplace(std::pair(parent, step), number);
  return number;
}

Position PositionMap::Find(std::string_view pointer) const {
  if (positions_.empty()) return {};
  std::size_t number = 0;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);  // the slash
    const std::string_view part = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(part.size());
    std::string step;
    for (std::size_t i = 0; i < part.size(); ++i) {
      const bool escaped = part[i] == '~' && i + 1 < part.size();
      if (escaped) ++i;
      step += !escaped ? part[i] : part[i] == '1' ? '/' : '~';
    }
    const auto found = numbers_.find(std::pair(number, step));
    if (found == numbers_.end()) return {};
    number = found->second;
  }
  return positions_[number];
}

YamlFile ReadYaml(std::string_view text, const std::string& file) {
  YamlFile out;
  const auto report = [&](Position position, std::string message) {
    out.problems.push_back({file, "", position, std::move(message)});
  };
  if (text.size() > kMaxBytes) {
    report({}, "larger than 1 MiB, the limit for a policy file");
    return out;
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (const std::optional<Refused> refused = CheckCharacters(text)) {
    report(refused->position, refused->message);
    return out;
  }
  try {
    TextBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    Builder builder(file, &out);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& refused) {
    report(refused.position, refused.message);
  } catch (const YAML::Exception& error) {
    const Position position = ToPosition(error.mark);
    const bool tab = position.line > 0 && IndentedByTab(text, position.line);
    report(position, LibraryMessage(error) + (tab ? "; indent with blanks, not tabs" : ""));
  } catch (const std::exception&) {
    // The library promises nothing about what its containers and streams throw.
    report({}, "not valid YAML");
  }
  return out;
}

std::string WriteYaml(const json& value) {
  YAML::Emitter out;
  Emit(value, &out);
  return std::string(out.c_str()) + "\n";
}

}  // namespace partition_controller
