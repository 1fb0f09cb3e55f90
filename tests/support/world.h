// A database in miniature: the model of one table, the rows in it and a clock.
//
// It changes by the same Apply that the contract test holds against
// PostgreSQL, and besides keeps the books that a model of the catalog alone
// cannot: where each row is, what an ATTACH would find, which oids new tables
// get.  Whatever PostgreSQL would refuse, and whatever must never happen, ends
// up in faults().
//
// Copyable, so that a test can go on from one moment in several ways.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_WORLD_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_WORLD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reconcilers/plan.h"

namespace partition_controller {

// `count` rows that share an instant (on the key's axis) and a table.
struct Rows {
  Instant at{};
  std::int64_t count = 0;
  std::string table;
};

class World {
 public:
  // An empty partitioned table "points", key column "ts".
  World(Policy wanted, Instant now, const std::string& key_column_type = "timestamp with time zone");

  // A partition as it might have been found.
  void AddPartition(const std::string& name, const Range& range, bool ours);
  void AddDefault();

  // A client's INSERT: false if the server would have refused it.
  bool Insert(Instant at, std::int64_t count);

  // What the catalog reader would see.
  const Catalog& Read();
  // Without a hash: consents to what needs nothing but that, if `consents`.
  Plan MakePlan(const std::string& acknowledged = "");

  // Carries out one step, as the database would.  New tables have no oid
  // before the next Read(), just as a plan does not know theirs.  False if the
  // step finds rows where it must not and changes nothing: rows that clients
  // wrote to the target of a drain show only once it is attached.
  bool Take(const Action& action);
  // Makes plans and carries them out until one has no steps, at most `most`
  // times.  Returns how many were made that had some.
  int Settle(int most = 10);

  void SetNow(Instant now) { catalog_.server.time = now; }
  Instant now() const { return catalog_.server.time; }
  Instant KeyNow() const;  // on the key's axis
  Policy& policy() { return policy_; }
  const Policy& policy() const { return policy_; }
  Server& server() { return catalog_.server; }
  Table& table() { return *catalog_.table; }
  const Table& table() const { return *catalog_.table; }

  // From the cutoff to the end of the last premade period: what must be covered.
  Range Window() const;
  // Rows anywhere: attached, detached, under way.
  std::int64_t Total() const;
  // What is not as the policy asks, once a plan has no steps; empty if all is.
  std::string Complaint() const;
  // Everything, for a failure's message.
  std::string Describe() const;

  // The attached partitions' ranges, ordered.
  std::vector<Range> Covered() const;
  // What of `window` no partition covers.
  std::vector<Range> Uncovered(const Range& window) const;
  // Rows that a SELECT on the parent returns, and those among them in `range`.
  std::int64_t Visible() const;
  std::int64_t Visible(const Range& range) const;
  std::int64_t InDefault(const Range& range) const;
  // Rows that the steps so far have removed for good.
  std::int64_t removed() const { return removed_; }
  std::int64_t In(const std::string& name) const;
  std::optional<Instant> Cutoff() const;
  const std::vector<Rows>& rows() const { return rows_; }

  const std::vector<std::string>& faults() const { return faults_; }

  // How many rows of the default fit on a page; fewer make it large.
  std::int64_t rows_per_page = 100;
  // Whether somebody consents to each removal that needs it.
  bool consents = true;

 private:
  void Fault(const std::string& what);
  void MoveRows(const std::string& from, const std::string& to, const Range& range, bool inside);
  void Rename(const std::string& from, const std::string& to);
  std::int64_t Erase(const std::string& name);
  void CheckRemoval(const Action& action, const Range& range);
  void CheckAttach(const Range& range, const std::string& name);
  void BeforeApply(const Action& action);
  void CheckShape(const std::vector<Range>& before, const Action& action);

  Policy policy_;
  Catalog catalog_;
  std::vector<Rows> rows_;
  std::vector<std::string> loose_;  // tables that are nobody's any more: their names stay taken
  std::int64_t removed_ = 0;
  Oid next_oid_ = 20'000;
  std::vector<std::string> faults_;
};

// A month, for short.
inline Range MonthOf(int year, unsigned month) {
  using std::chrono::sys_days;
  const std::chrono::year_month first = std::chrono::year(year) / std::chrono::month(month);
  return Range::Between(sys_days(first / 1), sys_days((first + std::chrono::months(1)) / 1));
}

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_WORLD_H_
