#include "reconcilers/catalog_json.h"

#include <algorithm>
#include <concepts>
#include <deque>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <utility>

#include "crd/problem.h"
#include "reconcilers/bounds.h"
#include "reconcilers/catalog_members.h"

namespace partition_controller {
namespace {

using nlohmann::ordered_json;

// Bounds as PostgreSQL would print them for a range; empty for none.
std::string ImpliedBounds(const Partition& partition, const Table& table) {
  const std::optional<KeyType> key = KeyTypeOf(table.key_column_type);
  if (!partition.range || !key) return "";
  return "FOR VALUES FROM (" + BoundSql(partition.range->from, *key) + ") TO (" +
         BoundSql(partition.range->to, *key) + ")";
}

enum class Way { kShrink, kExpand };

// What follows from the rest of the table is left out, or filled in.
void Imply(Way way, Table* table) {
  const auto imply = [way](std::string* member, const std::string& usual) {
    if (way == Way::kShrink && *member == usual) member->clear();
    if (way == Way::kExpand && member->empty()) *member = usual;
  };
  for (Partition& partition : table->partitions) {
    imply(&partition.schema, table->schema);
    imply(&partition.bounds, ImpliedBounds(partition, *table));
  }
  if (table->default_partition) {
    imply(&table->default_partition->partition.schema, table->schema);
    imply(&table->default_partition->partition.bounds, "DEFAULT");
  }
  for (Detached& detached : table->detached) imply(&detached.schema, table->schema);
  if (table->drain) imply(&table->drain->target_schema, table->schema);
}

// Writing.  A member with the value of a new struct is left out.

template <typename T>
ordered_json ToJson(const T& value);

class Writer {
 public:
  template <typename T>
  void operator()(const char* key, const T& value) {
    json_[key] = ToJson(value);
  }
  ordered_json Take() { return std::move(json_); }

 private:
  ordered_json json_ = ordered_json::object();
};

template <typename T>
ordered_json AllMembers(T value) {
  Writer writer;
  Members(writer, value);
  return writer.Take();
}

template <typename List>
ordered_json ListToJson(const List& values) {
  ordered_json json = ordered_json::array();
  for (const auto& value : values) json.push_back(ToJson(value));
  return json;
}

template <typename T>
struct IsList : std::false_type {};
template <typename T>
struct IsList<std::vector<T>> : std::true_type {};
template <typename T>
struct IsList<std::deque<T>> : std::true_type {};
template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <typename T>
ordered_json ToJson(const T& value) {
  if constexpr (IsList<T>::value) {
    return ListToJson(value);
  } else if constexpr (IsOptional<T>::value) {
    return value ? ToJson(*value) : ordered_json();
  } else if constexpr (std::is_enum_v<T>) {
    for (const auto& [known, word] : WordsFor(value)) {
      if (known == value) return word;
    }
    throw std::invalid_argument("an enumerator without a word");
  } else if constexpr (std::same_as<T, char>) {
    return std::string(1, value);
  } else if constexpr (std::same_as<T, Instant> || std::same_as<T, Range>) {
    return ToString(value);
  } else if constexpr (std::is_arithmetic_v<T> || std::same_as<T, std::string>) {
    return value;
  } else {
    const ordered_json usual = AllMembers(T{});
    ordered_json json = ordered_json::object();
    const ordered_json all = AllMembers(value);
    for (const auto& [key, member] : all.items()) {
      if (member != usual.at(key)) json[key] = member;
    }
    return json;
  }
}

// Reading.  `place` is the way to the value: "table.partitions[3].range".

// Something else is there than what was expected.
class Unexpected : public std::invalid_argument {
 public:
  Unexpected(std::string place, const std::string& expected)
      : std::invalid_argument((place.empty() ? "the catalog" : place) + ": expected " + expected),
        place_(std::move(place)) {}
  const std::string& place() const { return place_; }

 private:
  std::string place_;
};

[[noreturn]] void Fail(const std::string& place, const std::string& expected) {
  throw Unexpected(place, expected);
}

template <typename T>
void FromJson(const ordered_json& json, const std::string& place, T* value);

class Reader {
 public:
  Reader(const ordered_json& json, const std::string& place) : json_(json), place_(place) {
    if (!json.is_object()) Fail(place, "an object");
  }

  template <typename T>
  void operator()(const char* key, T& value) {
    known_.insert(key);
    const auto found = json_.find(key);
    if (found != json_.end()) FromJson(*found, Path(key), &value);
  }

  void RefuseOthers() const {
    for (const auto& [key, value] : json_.items()) {
      if (!known_.contains(key)) Fail(Path(key), "no such key");
    }
  }

 private:
  std::string Path(const std::string& key) const { return place_.empty() ? key : place_ + '.' + key; }

  const ordered_json& json_;
  const std::string& place_;
  std::set<std::string> known_;
};

std::string Text(const ordered_json& json, const std::string& place, const std::string& expected) {
  if (!json.is_string()) Fail(place, expected);
  return json.get<std::string>();
}

Range RangeFrom(const std::string& text, const std::string& place) {
  const std::size_t comma = text.find(", ");
  if (comma != std::string::npos && text.front() == '[' && text.back() == ')') {
    const std::optional<Bound> from = ParseBound(text.substr(1, comma - 1));
    const std::optional<Bound> to = ParseBound(text.substr(comma + 2, text.size() - comma - 3));
    if (from && to) return {*from, *to};
  }
  Fail(place, "\"[2026-11-01T00:00:00Z, 2026-12-01T00:00:00Z)\", or MINVALUE and MAXVALUE");
}

template <typename T>
T NumberFrom(const ordered_json& json, const std::string& place) {
  if (!json.is_number_integer()) Fail(place, "an integer");
  const bool large = json.is_number_unsigned() &&
                     json.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  if (large || !std::in_range<T>(json.get<std::int64_t>())) Fail(place, "a number that fits");
  return json.get<T>();
}

template <typename List>
void ListFromJson(const ordered_json& json, const std::string& place, List* values) {
  if (!json.is_array()) Fail(place, "a list");
  for (const ordered_json& item : json) {
    const std::string item_place = place + '[' + std::to_string(values->size()) + ']';
    FromJson(item, item_place, &values->emplace_back());
  }
}

template <typename T>
void FromJson(const ordered_json& json, const std::string& place, T* value) {
  if constexpr (IsList<T>::value) {
    ListFromJson(json, place, value);
  } else if constexpr (IsOptional<T>::value) {
    if (!json.is_null()) FromJson(json, place, &value->emplace());
  } else if constexpr (std::is_enum_v<T>) {
    const std::string text = Text(json, place, "a word");
    std::string words;
    for (const auto& [known, word] : WordsFor(*value)) {
      if (text == word) {
        *value = known;
        return;
      }
      words += (words.empty() ? "" : ", ") + std::string(word);
    }
    Fail(place, "one of " + words);
  } else if constexpr (std::same_as<T, char>) {
    const std::string text = Text(json, place, "a letter");
    if (text.size() != 1) Fail(place, "a letter");
    *value = text[0];
  } else if constexpr (std::same_as<T, Instant>) {
    const std::optional<Instant> instant = ParseInstant(Text(json, place, "a time"));
    if (!instant) Fail(place, "a time such as 2026-11-22T20:31:00Z");
    *value = *instant;
  } else if constexpr (std::same_as<T, Range>) {
    *value = RangeFrom(Text(json, place, "a range"), place);
  } else if constexpr (std::same_as<T, std::string>) {
    *value = Text(json, place, "a text");
  } else if constexpr (std::same_as<T, bool>) {
    if (!json.is_boolean()) Fail(place, "true or false");
    *value = json.get<bool>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!json.is_number()) Fail(place, "a number");
    *value = json.get<T>();
  } else if constexpr (std::is_integral_v<T>) {
    *value = NumberFrom<T>(json, place);
  } else {
    Reader reader(json, place);
    Members(reader, *value);
    reader.RefuseOthers();
  }
}

// The file around the catalogs.

constexpr char kKind[] = "PartitionControllerCatalog";

void CheckEnvelope(const ordered_json& json) {
  if (!json.is_object()) Fail("", "an object");
  const auto kind = json.find("kind");
  if (kind == json.end() || *kind != kKind) {
    Fail(kind == json.end() ? "" : "kind",
         "\"kind\": \"" + std::string(kKind) + "\", as `partition-controller catalog` writes it");
  }
  const auto version = json.find("version");
  if (version == json.end() || *version != kSavedCatalogVersion) {
    Fail(version == json.end() ? "" : "version",
         "version " + std::to_string(kSavedCatalogVersion) +
             ", the only one that this program reads; save the catalog again with it");
  }
  for (const auto& [key, value] : json.items()) {
    if (key != "kind" && key != "version" && key != "catalogs") Fail(key, "no such key");
  }
  if (!json.contains("catalogs")) Fail("", "a list \"catalogs\"");
}

// Where things stand in the text.  The library keeps no positions, so the text
// is read once more, up to the place that is looked for.

Position PositionAt(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto newline = before.rfind('\n');
  const std::size_t column = newline == std::string_view::npos ? offset : offset - newline - 1;
  return {static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1, static_cast<int>(column) + 1};
}

// Lets the library read on, and us see how far it has come.
class Counting {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Counting(std::string_view text, std::size_t at, std::size_t* taken) : text_(text), at_(at), taken_(taken) {}
  reference operator*() const { return text_[at_]; }
  Counting& operator++() {
    ++at_;
    *taken_ = at_;
    return *this;
  }
  Counting operator++(int) {
    const Counting before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Counting& other) const { return at_ == other.at_; }
  bool operator!=(const Counting& other) const { return at_ != other.at_; }

 private:
  std::string_view text_;
  std::size_t at_;
  std::size_t* taken_;
};

// Stops at `place`: at a member's key, or where a list's item begins.
class Finder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Finder(std::string_view text, std::string place, const std::size_t* taken)
      : text_(text), place_(std::move(place)), taken_(*taken) {}

  // Its offset; 0 if it was not there.
  std::size_t found() const { return found_; }

  bool null() override { return Scalar(); }
  bool boolean(bool) override { return Scalar(); }
  bool number_integer(number_integer_t) override { return Scalar(); }
  bool number_unsigned(number_unsigned_t) override { return Scalar(); }
  bool number_float(number_float_t, const string_t&) override { return Scalar(); }
  bool string(string_t&) override { return Item(StringStart()); }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Open(false); }
  bool start_array(std::size_t) override { return Open(true); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& key) override {
    Level& level = levels_.back();
    level.path = level.parent.empty() ? key : level.parent + '.' + key;
    if (level.path != place_) return true;
    found_ = StringStart();
    return false;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  struct Level {
    std::string parent;
    bool is_list = false;
    std::size_t next = 0;
    std::string path;  // of the value that is read
  };

  // Notes the way to the value that begins at `start`; false if it is the one.
  bool Item(std::size_t start) {
    if (levels_.empty() || !levels_.back().is_list) return true;
    Level& level = levels_.back();
    level.path = level.parent + '[' + std::to_string(level.next++) + ']';
    if (level.path != place_) return true;
    found_ = start;
    return false;
  }
  // After a number one character more has been taken.
  bool Scalar() {
    const auto is_part = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' || c == 'E';
    };
    std::size_t at = taken_ - 1;
    if (at > 0 && !is_part(text_[at])) --at;
    while (at > 0 && is_part(text_[at - 1])) --at;
    return Item(at);
  }
  bool Open(bool is_list) {
    if (!Item(taken_ - 1)) return false;
    levels_.push_back({levels_.empty() ? "" : levels_.back().path, is_list, 0, ""});
    return true;
  }
  bool Close() {
    levels_.pop_back();
    return true;
  }
  // Where the string begins whose closing quote has just been taken.
  std::size_t StringStart() const {
    std::size_t at = taken_ - 1;
    while (at > 0) {
      --at;
      if (text_[at] != '"') continue;
      std::size_t escapes = 0;
      while (escapes < at && text_[at - escapes - 1] == '\\') ++escapes;
      if (escapes % 2 == 0) break;
    }
    return at;
  }

  std::string_view text_;
  std::string place_;
  const std::size_t& taken_;
  std::vector<Level> levels_;
  std::size_t found_ = 0;
};

Position Locate(std::string_view text, const std::string& place) {
  std::size_t taken = 0;
  Finder finder(text, place, &taken);
  nlohmann::json::sax_parse(Counting(text, 0, &taken), Counting(text, text.size(), &taken), &finder);
  return PositionAt(text, finder.found());
}

}  // namespace

ordered_json CatalogToJson(const Catalog& catalog) {
  Catalog shrunk = catalog;
  if (shrunk.table) Imply(Way::kShrink, &*shrunk.table);
  return ToJson(shrunk);
}

Catalog CatalogFromJson(const ordered_json& json) {
  Catalog catalog;
  FromJson(json, "", &catalog);
  if (catalog.table) Imply(Way::kExpand, &*catalog.table);
  return catalog;
}

std::string WriteSavedCatalogs(const std::vector<SavedCatalog>& catalogs) {
  ordered_json file;
  file["kind"] = kKind;
  file["version"] = kSavedCatalogVersion;
  file["catalogs"] = ordered_json::array();
  for (SavedCatalog saved : catalogs) {
    if (saved.catalog.table) Imply(Way::kShrink, &*saved.catalog.table);
    file["catalogs"].push_back(ToJson(saved));
  }
  // A name that is no UTF-8 is shown as well as it can be.
  return file.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::vector<SavedCatalog> ReadSavedCatalogs(std::string_view text, const std::string& file) {
  std::vector<SavedCatalog> catalogs;
  try {
    const ordered_json json = ordered_json::parse(text);
    CheckEnvelope(json);
    ListFromJson(json.at("catalogs"), "catalogs", &catalogs);
  } catch (const ordered_json::parse_error& error) {
    const std::size_t at = std::min(std::max<std::size_t>(error.byte, 1), text.size() + 1);
    throw std::invalid_argument(Render({file, "", PositionAt(text, at - 1), "expected JSON"}, text));
  } catch (const Unexpected& unexpected) {
    throw std::invalid_argument(
        Render({file, unexpected.place(), Locate(text, unexpected.place()), unexpected.what()}, text));
  }
  for (SavedCatalog& saved : catalogs) {
    if (saved.catalog.table) Imply(Way::kExpand, &*saved.catalog.table);
  }
  return catalogs;
}

}  // namespace partition_controller
