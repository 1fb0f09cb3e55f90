#include "tests/support/catalog_json.h"

#include <concepts>
#include <deque>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <utility>

#include "reconcilers/bounds.h"
#include "tests/support/catalog_members.h"

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

[[noreturn]] void Fail(const std::string& place, const std::string& expected) {
  throw std::invalid_argument((place.empty() ? "the catalog" : place) + ": expected " + expected);
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

}  // namespace partition_controller
