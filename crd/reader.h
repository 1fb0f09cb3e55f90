// Strict reading of JSON values: whatever is wrong becomes a Problem with its
// place, and reading goes on.
//
// Nothing is converted: "3", 3.0 and true are no integers.  Messages show what
// was written only as far as it is safe to show, and never what Text() refuses.

#ifndef PARTITION_CONTROLLER_CRD_READER_H_
#define PARTITION_CONTROLLER_CRD_READER_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crd/duration.h"
#include "crd/problem.h"

namespace partition_controller {

// One value of an object, and the way to it.
struct Node {
  const nlohmann::json* value = nullptr;  // nothing: the key is absent
  std::string pointer;                    // "/spec/retention/keep"
  std::string path;                       // "spec.retention.keep", printable

  explicit operator bool() const { return value != nullptr; }
  // The last part of the path, which messages begin with: "keep", "days[1]".
  std::string Name() const;
};

// Reads values and collects problems.  Every Read function returns nothing for
// an absent node; and for a wrong one, after reporting it.
class Reader {
 public:
  // Both must outlive the reader; `position_of` may be empty.
  Reader(const std::string& file, const std::function<Position(const std::string&)>& position_of);

  void Report(const Node& node, std::string message);
  // A missing key is reported where its parent stands.
  void ReportMissing(const Node& parent, std::string_view key, std::string_view why);

  std::optional<std::string> Text(const Node& node);
  // `why` explains the limits to who wrote a number outside them.
  std::optional<int> Int(const Node& node, int min, int max, std::string_view why = "");
  std::optional<bool> Bool(const Node& node);
  std::optional<std::chrono::milliseconds> Clock(const Node& node, std::chrono::milliseconds min,
                                                 std::chrono::milliseconds max);
  std::optional<CalendarDuration> Calendar(const Node& node, int min_count);
  // The index of one of `words`.
  std::optional<std::size_t> Choice(const Node& node, const std::vector<std::string_view>& words);
  // The items of a list; none unless it is one.
  std::vector<Node> List(const Node& node);

  // One of `words`, into `*out`; which keeps its value otherwise.
  template <typename T>
  void Choose(const Node& node, std::initializer_list<std::pair<std::string_view, T>> words, T* out) {
    std::vector<std::string_view> texts;
    for (const auto& [text, value] : words) texts.push_back(text);
    if (const std::optional<std::size_t> i = Choice(node, texts)) *out = (words.begin() + *i)->second;
  }

  // In the order they were found.
  std::vector<Problem> TakeProblems();

 private:
  const std::string& file_;
  const std::function<Position(const std::string&)>& position_of_;
  std::vector<Problem> problems_;
};

// The keys of one object.  Keys that nobody asked for are reported when it goes
// out of scope, with a suggestion from those that were asked for.
class Fields {
 public:
  // Reports a node that is no object; an absent one has no keys.
  Fields(Reader* reader, Node object);
  ~Fields();
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  // Absent if the key is.
  Node Get(std::string_view key);
  // The same, but reports an absent key; `why` says what it is for.
  Node Require(std::string_view key, std::string_view why);
  // Whether the key is there; it is then reported with this message.  Never suggested.
  bool Refuse(std::string_view key, std::string_view message);
  // From here on an unknown key is reported only if it looks like a misspelt known one.
  void TolerateOthers() { tolerant_ = true; }
  // Whether there is an object to read at all.
  bool Readable() const { return object_ != nullptr; }

 private:
  Node Child(std::string_view key) const;

  Reader* reader_;
  Node node_;
  const nlohmann::json* object_ = nullptr;
  std::vector<std::string_view> known_;
  std::set<std::string_view> refused_;
  bool tolerant_ = false;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CRD_READER_H_
