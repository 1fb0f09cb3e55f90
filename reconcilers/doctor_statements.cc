#include "reconcilers/doctor_statements.h"

#include <algorithm>

#include "reconcilers/quote.h"
#include "reconcilers/statement.h"

namespace partition_controller {
namespace {

using Severity = Finding::Severity;

constexpr std::size_t kShownQuery = 160;  // bytes
constexpr std::size_t kMostUnpruned = 3;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool Names(const NamedTable& named, std::string_view schema, std::string_view name) {
  return named.name == name && (named.schema.empty() || named.schema == schema);
}

class Deeds {
 public:
  Deeds(const Statement& statement, const ExaminedTable& table) : statement_(statement), table_(table) {}

  bool Makes() const { return Any(statement_.Divided(), &Deeds::IsTable); }
  bool Removes() const {
    const auto partition = [&](const NamedTable& named) {
      return IsTable(named) || IsLeaf(named) || WasLeaf(named);
    };
    const std::vector<NamedTable> dropped = statement_.Dropped();
    const std::vector<NamedTable> truncated = statement_.Truncated();
    return Any(statement_.Detached(), &Deeds::IsTable) ||
           std::any_of(dropped.begin(), dropped.end(), partition) ||
           std::any_of(truncated.begin(), truncated.end(), partition);
  }
  bool Deletes() const { return DeletesFromTable() || DeletesFromLeaf(); }
  // The controller never does that to the table itself, so whoever writes as it does is another.
  bool DeletesByCtid() const {
    const std::vector<NamedTable> all = statement_.DeletedFrom();
    const bool whole = std::any_of(all.begin(), all.end(), [&](const NamedTable& named) {
      return Names(named, table_.schema, table_.name) && !named.only;
    });
    return whole && statement_.Has("ctid") && !statement_.Has("tableoid");
  }
  // An application deletes a row now and then, too; but not from one partition.
  bool DeletesOld() const {
    return DeletesFromLeaf() ||
           (DeletesFromTable() &&
            (statement_.SelectsOld(table_.key_column, table_.key_type) || !statement_.Has("where")));
  }
  // A table that has the name in another schema may be meant.
  bool Reads() const {
    const std::vector<NamedTable> read = statement_.Read();
    return std::any_of(read.begin(), read.end(), [&](const NamedTable& named) {
      return IsTable(named) && !named.only && (!named.schema.empty() || table_.only_of_its_name);
    });
  }

 private:
  bool Any(const std::vector<NamedTable>& all, bool (Deeds::*is)(const NamedTable&) const) const {
    return std::any_of(all.begin(), all.end(), [&](const NamedTable& named) { return (this->*is)(named); });
  }

  // The controller's own statements quote every name, and say the schema.
  bool Ours(const NamedTable& named) const { return named.quoted && !table_.kept_by.empty(); }

  bool IsTable(const NamedTable& named) const {
    return Names(named, table_.schema, table_.name) && !Ours(named);
  }
  bool IsLeaf(const NamedTable& named) const {
    const auto is = [&](const Partition& leaf) { return Names(named, leaf.schema, leaf.name); };
    return !Ours(named) && (std::any_of(table_.partitions.begin(), table_.partitions.end(), is) ||
                            (table_.default_partition && is(*table_.default_partition)));
  }
  bool WasLeaf(const NamedTable& named) const {
    return !Ours(named) && (named.schema.empty() || named.schema == table_.schema) &&
           NamedAsPartition(named.name, table_.name);
  }

  bool DeletesFromTable() const {
    const std::vector<NamedTable> all = statement_.DeletedFrom();
    return std::any_of(all.begin(), all.end(),
                       [&](const NamedTable& named) { return IsTable(named) && !named.only; });
  }
  bool DeletesFromLeaf() const { return Any(statement_.DeletedFrom(), &Deeds::IsLeaf); }

  const Statement& statement_;
  const ExaminedTable& table_;
};

std::string Seen(const SeenStatement& statement) {
  return ShownStatement(statement.text) +
         (statement.calls > 0 ? " (" + std::to_string(statement.calls) + " calls" : " (a session's last") +
         (statement.by.empty() ? "" : ", by " + statement.by) + ")";
}

std::string Reset(const Examined& examined) {
  return " Then SELECT pg_stat_statements_reset(); so that it is not reported again" +
         (examined.statements_since.empty() ? "" : " (last reset " + examined.statements_since + ")") + ".";
}

Finding Unpruned(const SeenStatement& seen, Statement::Bound bound, const ExaminedTable& table) {
  const std::string column = QuoteName(table.key_column);
  const bool wrapped = bound == Statement::Bound::kWrapped;
  Finding finding;
  finding.code = "NotPruned";
  finding.what = "a query is planned for all " +
                 std::to_string(table.partitions.size() + (table.default_partition ? 1U : 0U)) +
                 " partitions: " + Seen(seen) + ", " +
                 std::to_string(static_cast<std::int64_t>(seen.milliseconds)) + " ms in all";
  finding.why = wrapped
                    ? "its conditions have the time column " + column +
                          " only inside functions, casts or arithmetic, and PostgreSQL leaves partitions out "
                          "only by the column as it is"
                    : "no condition bounds the time column " + column +
                          ", so that PostgreSQL can leave no partition out, and there are more each month";
  finding.advice =
      wrapped ? "Compare the column itself with what does not depend on the row: instead of date(" + column +
                    ") = $1, " + column + " >= $1 AND " + column + " < $1 + interval '1 day'."
              : "Add a condition on " + column + ", if a limited time would do; EXPLAIN then shows fewer.";
  return finding;
}

}  // namespace

std::string ShownStatement(std::string_view sql) { return MaskLiterals(sql, kShownQuery); }

bool NamedAsPartition(std::string_view name, std::string_view table) {
  if (!name.starts_with(table)) return false;
  std::string_view rest = name.substr(table.size());
  for (const std::string_view mark : {"_", "partition", "part", "p", "y", "_"}) {
    if (rest.starts_with(mark)) rest.remove_prefix(mark.size());
  }
  // A year at least.
  if (std::count_if(rest.begin(), rest.end(), IsDigit) < 4 || !IsDigit(rest.front())) return false;
  return rest.find_first_not_of("0123456789_-ymwqdhpt") == std::string_view::npos;
}

bool JobTouches(std::string_view command, const ExaminedTable& table) {
  // Of DO $$ ... $$ what is inside.
  std::string opened(command);
  for (std::size_t at = opened.find("$$"); at != std::string::npos; at = opened.find("$$")) {
    opened.replace(at, 2, ";");
  }
  const std::vector<Statement> statements = Statement::AllIn(opened);
  return std::any_of(statements.begin(), statements.end(), [&](const Statement& statement) {
    const Deeds deeds(statement, table);
    return deeds.Makes() || deeds.Removes() || deeds.Deletes();
  });
}

std::vector<Finding> ExamineStatements(const Examined& examined, const ExaminedTable& table) {
  std::vector<Finding> findings;
  const auto known = [&](const char* code) {
    return std::any_of(findings.begin(), findings.end(),
                       [&](const Finding& finding) { return finding.code == code; });
  };
  // One of each kind is enough to act on, and the most expensive comes first.
  const auto add = [&](const char* code, Severity severity, const std::string& what, const std::string& why,
                       const std::string& advice) {
    if (!known(code)) findings.push_back({code, severity, "", what, why, {}, advice + Reset(examined)});
  };
  std::size_t unpruned = 0;
  for (const SeenStatement& seen : examined.statements) {
    for (const Statement& statement : Statement::AllIn(seen.text)) {
      if (statement.Has("partition_controller")) continue;
      const Deeds deeds(statement, table);
      if (deeds.DeletesByCtid()) {
        add("DeletesByCtid", Severity::kError,
            "rows are deleted from the partitioned table by ctid: " + Seen(seen),
            "ctid is unique only inside one partition, so that for each expired row a live one at the same "
            "place of another partition is deleted, too; EdgeWatch's retention job does this",
            "Stop that job (EdgeWatch: the Cloud Run job `retention` and its Cloud Scheduler entry); "
            "spec.retention takes its place.");
      } else if (deeds.Makes()) {
        add("PartitionsMadeElsewhere", Severity::kWarning,
            "somebody else makes its partitions: " + Seen(seen),
            "two tools compete for the same ranges; EdgeWatch's partition job does this, and fails at each "
            "run, for no bind parameter can be a bound",
            "Stop that job (EdgeWatch: the Cloud Run job `partition_manager` and its Cloud Scheduler "
            "entry); spec.partitioning takes its place.");
      } else if (deeds.Removes()) {
        add("PartitionsRemovedElsewhere", Severity::kWarning,
            "somebody else detaches, drops or empties its partitions: " + Seen(seen),
            "retention by two hands: rows go before the policy, its undo window and its rollups say so",
            "Stop that job; spec.retention takes its place.");
      } else if (deeds.DeletesOld()) {
        add("RowsDeletedElsewhere", Severity::kWarning, "somebody else deletes its old rows: " + Seen(seen),
            "retention by two hands: rows go before the policy, its undo window and its rollups say so",
            "Stop that job; spec.retention takes its place.");
      } else if (seen.calls > 0 && unpruned < kMostUnpruned && table.partitions.size() > 1 &&
                 !statement.Has("pg_catalog") && deeds.Reads() && !statement.MayEndEarly(table.key_column)) {
        const Statement::Bound bound = statement.BoundOf(table.key_column, table.key_type);
        if (bound == Statement::Bound::kPossible) continue;
        ++unpruned;
        findings.push_back(Unpruned(seen, bound, table));
      }
    }
  }
  return findings;
}

}  // namespace partition_controller
