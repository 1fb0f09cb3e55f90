// The SQL of rollups: marks, buckets computed again, seals, and the view that
// is right at every moment.  docs/rollups.md says why it is exact.
//
// Internal to this folder.  All times are timestamptz.

#ifndef PARTITION_CONTROLLER_RECONCILERS_ROLLUP_SQL_H_
#define PARTITION_CONTROLLER_RECONCILERS_ROLLUP_SQL_H_

#include <string>
#include <vector>

#include "reconcilers/action.h"
#include "reconcilers/catalog.h"
#include "reconcilers/range.h"

namespace partition_controller {

// Set to 'on' in transactions that move or remove rows without changing what
// a rollup holds: its triggers leave no mark then.
inline constexpr const char* kMovesSetting = "partition_controller.moves";

// The bucket of the mark of a TRUNCATE: all buckets.
inline constexpr const char* kAllBuckets = "timestamptz '-infinity'";

// A key of more bytes is skipped: the dimensions, the key and the time of a group
// must fit into an entry of a B-tree, which has at most 2,704 bytes (PostgreSQL
// manual, 67.2).
inline constexpr const char* kLongestKey = "512";

// The statements for one rollup of one table.
class RollupSql {
 public:
  // `table` (quoted) is the one that is rolled up, or a part of it.
  RollupSql(const Rollup& rollup, const RollupState& state, const std::string& schema,
            const std::string& table, const std::string& time_column, int server_version);

  // What must exist before the triggers; `types` are the dimensions' types.
  std::vector<std::string> CreateSupport(const std::vector<std::string>& types) const;
  std::vector<std::string> CreateTarget(const std::vector<std::string>& types,
                                        const std::string& owner) const;
  std::vector<std::string> CreateTriggers() const;
  std::vector<std::string> DropTriggers() const;
  std::vector<std::string> CreateView() const;
  // The row in the bookkeeping; everything is to be computed (again).
  std::string Record(Oid table, bool makes_table) const;
  std::vector<std::string> Stop() const;
  // What a table that is taken over holds from before the oldest row is history.
  std::string Adopt() const;
  // After Stop: all but the table goes.
  std::vector<std::string> Forget() const;

  // One row: whether there is more to do, and how many points were taken in.
  // Buckets that end at or before `settled`, `most` at a time, newest first; of
  // those that are not Kept the marks are taken, and that is all.
  std::string Refresh(Instant settled, const std::optional<Instant>& expired, int most) const;
  // The same for what is marked in a range that nobody writes to now.
  std::string ConsumeAll(const Range& range) const;
  // Sets it to go on below where filling ended.
  std::string Resume() const;
  // The next stretch of history, newest first, as far as `expired`: a statement
  // that does it and one that says the same as Refresh.  Of a table with
  // `partitions`, what is stored stays where none has rows: somebody took them
  // away by hand.
  std::vector<std::string> Fill(const std::vector<Range>& partitions,
                                const std::optional<Instant>& expired) const;
  // The next stretch of a partition, newest first: whether what is stored is what
  // its rows say; what differs is marked.  At its end the proof is complete.
  std::vector<std::string> Prove(const ProveRollup& a) const;
  // SQL that is true unless it is.
  std::string NotProved(Oid partition) const;
  // Counts again a few buckets, chosen at random, and marks those that differ.
  std::string Audit(Instant settled, const std::optional<Instant>& expired, int buckets) const;

  // For a table of rows in `range` that is about to leave: before its locks,
  // what its rows add to buckets that are sums of parts, for they reach beyond
  // it or have a base; under its locks, that the range is sealed.
  std::vector<std::string> Keep(const std::string& leaf, Oid oid, const Range& range) const;
  std::string Seal(Oid oid, const Range& range) const;
  // SQL that is true if marks came for what Keep looked at; or for anything.
  std::string ToBeKept(const Range& range) const;
  std::string NothingUnconsumed(const Range& range) const;
  // It is back.
  std::vector<std::string> Unseal(Oid oid, const Range& range) const;
  // Somebody did what nobody knows to the rows of the range: all of it counts again.
  std::vector<std::string> MarkRange(const std::string& leaf, const Range& range) const;
  // PL/pgSQL within a batch that deletes the rows of `leaf` before the variable
  // `upto`: what the rollup needs first.  If `required`, it raises where the
  // rollup does not have all of it.
  std::string BeforeDelete(const std::string& leaf, Oid oid, const Range& bounds, bool sealable,
                           bool required) const;

  // PL/pgSQL for a trigger that sends NEW (and takes OLD) elsewhere.
  std::string HoldMarks() const;
  // Marks that were held count from now on.
  std::string ReleaseMarks() const;
  // Marks for all rows of a table.
  std::string MarkAll(const std::string& table) const;

  // PL/pgSQL that leaves what Reported() asks for.
  static std::string Report(const std::string& more, const std::string& rows);
  // One row: whether there is more to do, and how many rows it was about.
  static std::string Reported();

  const std::string& name() const { return rollup_.name; }
  const std::string& target() const { return target_; }
  bool enabled() const { return rollup_.enabled; }
  // Whether its triggers stand.
  bool live() const { return state_.state != RollupState::State::kPaused; }
  // The end of the bucket that holds a time.
  std::string NextAfter(const std::string& time) const;
  std::string Bucket(const std::string& time) const;
  std::string Next(const std::string& bucket) const;

 private:
  static std::string Literal(Instant at);
  static std::string Literal(const Bound& bound);
  static std::string AsDouble(const std::string& number);
  std::string Dims(const std::string& prefix) const;
  std::string Same(const std::string& a, const std::string& b) const;
  std::string Valid(const std::string& row) const;
  // Whether a partition (an oid) is none of the table's now.
  std::string Away(const std::string& partition) const;
  std::string SealsOver(const std::string& bucket) const;
  std::string Sealed(const std::string& bucket) const;
  // " AND ..." that is true of buckets which points still change; empty where they
  // change all, as late ones are merged.
  std::string Open(const std::string& bucket) const;
  // The source of a base that is made of what is stored; NULL if not sealed.
  std::string Sealer(const std::string& bucket) const;
  // Rows `r` of `from` in the bucket of `s`, which ends before `end`.
  std::string RowsIn(const std::string& from, const std::string& end) const;
  std::string RowsOf(const std::string& low, const std::string& upto) const;
  std::string NarrowGroups(const std::string& rows) const;
  std::string WideGroups(const std::string& rows) const;
  std::string GroupVariables() const;
  std::string FindGroups() const;
  std::string WithinSpan() const;
  std::string Deserted(const std::string& bucket, const std::vector<Range>& partitions) const;
  std::string Touches(const Range& range) const;
  std::string Within(const std::string& bucket, const Range& range) const;
  std::string AddToBase(const std::string& source, const std::string& rows, const std::string& bucket) const;
  std::string Truncated(const std::string& condition) const;
  std::string IfThere(const std::string& statement) const;
  std::string Based(const std::string& row) const;
  std::string Values() const;  // LATERAL, as e
  std::string Groups(const std::string& rows, const std::string& bucket) const;
  std::string Tail(bool few) const;
  std::string Consume(const std::string& which, int most, const std::optional<Instant>& expired = {}) const;
  std::string Suffix() const;
  std::string Filled() const;
  std::string Document(const std::string& row) const;
  // What a row gives its bucket, as columns of `r`; taken apart by Values().
  std::string Payload(const std::string& row) const;
  // Before it the buckets were removed.
  std::string Gone() const;
  // Whether the bucket is one that is computed; those before `expired` are not,
  // but for what has a partition.
  std::string Kept(const std::string& bucket, const std::optional<Instant>& expired) const;
  // Whether the target has a partition for the bucket.
  std::string Placed(const std::string& bucket) const;
  bool fed() const { return !rollup_.finer.empty(); }
  std::string BucketOf(const Bound& bound) const;

  const Rollup& rollup_;
  const RollupState& state_;
  std::string schema_;
  std::string table_;
  std::string time_;  // quoted column
  int version_;
  std::string target_;
  std::string marks_;
  std::string base_;
  std::string function_;
  int key_limit_ = 512;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_ROLLUP_SQL_H_
