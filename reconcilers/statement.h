// What somebody's SQL statement does to a table, as far as its text tells.
//
// No server is asked.  EXPLAIN would know more, but to plan a statement is to
// run functions that its author has chosen (IMMUTABLE ones with constants, for
// one), with our rights.

#ifndef PARTITION_CONTROLLER_RECONCILERS_STATEMENT_H_
#define PARTITION_CONTROLLER_RECONCILERS_STATEMENT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partition_controller {

// A table as a statement names it, in the case that PostgreSQL folds it to.
struct NamedTable {
  std::string schema;  // empty: none is said
  std::string name;
  bool only = false;
  bool quoted = false;  // schema and name, as this program writes them
  bool operator==(const NamedTable&) const = default;
};

class Statement {
 public:
  // The statements of `sql`, which end at semicolons.
  static std::vector<Statement> AllIn(std::string_view sql);

  // Unquoted, in any case.
  bool Has(std::string_view word) const;

  std::vector<NamedTable> Divided() const;   // tables that get a partition
  std::vector<NamedTable> Detached() const;  // tables that lose one
  std::vector<NamedTable> Dropped() const;
  std::vector<NamedTable> Truncated() const;
  std::vector<NamedTable> DeletedFrom() const;  // in a WITH as well
  std::vector<NamedTable> Read() const;         // updated and deleted from included

  // How a column of a table that is read might tell PostgreSQL which partitions to
  // leave out.
  enum class Bound {
    kNone,      // it is in no condition
    kWrapped,   // only inside functions, casts and arithmetic, where it tells nothing
    kPossible,  // it may be compared as it is; also where the text does not tell
  };
  // `type` is the column's, as format_type prints it.
  Bound BoundOf(std::string_view column, std::string_view type) const;
  // Whether it asks for the first or last rows by the column, so that PostgreSQL
  // may stop after one partition.
  bool MayEndEarly(std::string_view column) const;
  // Whether a condition holds for what is old: ts < x.
  bool SelectsOld(std::string_view column, std::string_view type) const;

 private:
  struct Token {
    std::string text;
    bool name = false;    // a word, or in double quotes
    bool quoted = false;  // in double quotes, which `text` lacks
  };

  std::size_t size() const { return tokens_.size(); }
  // Counting from 0; nothing beyond either end.
  const Token& At(std::size_t i) const;
  bool Is(std::size_t i, std::string_view word) const;
  template <class Words>
  bool IsAny(std::size_t i, const Words& words) const;
  std::optional<NamedTable> NameAt(std::size_t* i) const;
  std::vector<NamedTable> ListAt(std::size_t i) const;
  std::size_t OpenBefore(std::size_t i) const;
  bool Calls(std::size_t open) const;
  bool ListsTables(std::size_t comma) const;
  bool IsOfWith(std::string_view name) const;
  bool InCondition(std::size_t i) const;
  bool Renames() const;
  bool IsCast(std::size_t type_at, std::string_view type) const;
  Bound UseAt(std::size_t i, std::string_view type) const;
  std::vector<std::size_t> Uses(std::string_view column) const;

  std::vector<Token> tokens_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_STATEMENT_H_
