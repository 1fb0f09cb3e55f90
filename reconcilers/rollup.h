// How far the rollups of a table are: the bookkeeping's rows and what stands in
// the database for them (docs/rollups.md).

#ifndef PARTITION_CONTROLLER_RECONCILERS_ROLLUP_H_
#define PARTITION_CONTROLLER_RECONCILERS_ROLLUP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crd/policy.h"
#include "reconcilers/conversion.h"
#include "reconcilers/instant.h"
#include "reconcilers/range.h"

namespace partition_controller {

// The start of the bucket that holds `at`, and of the one after it (UTC).
Instant BucketStart(const Rollup& rollup, Instant at);
Instant NextBucket(const Rollup& rollup, Instant at);

// Where the periods of its table begin: so that none cuts a bucket in two.
std::string RollupZone(const Rollup& rollup);

// Beyond these no bucket is kept: what the arithmetic of PostgreSQL can do with
// a time ends not far from there, and a writer must never fail for our sake.
inline constexpr const char* kFirstTime = "timestamptz '0001-01-02 00:00+00'";
inline constexpr const char* kLastTime = "timestamptz '9999-12-30 00:00+00'";

// PostgreSQL writes what is before in another way, and no row of a rollup is.
inline constexpr Instant kFirstPeriod{std::chrono::seconds(-62'135'596'800)};  // 0001-01-01

struct TypedColumn {
  std::string name;
  std::string type;           // format_type
  bool required = false;      // an INSERT must give it a value
  bool own_equality = false;  // what its default operator finds equal may differ
  bool operator==(const TypedColumn&) const = default;
};

// By which the view NAME_live is known as ours.
inline constexpr const char* kViewComment =
    "The rollup, right at every moment: what is stored, or the rows where they have changed since. Made by "
    "the "
    "partition controller, and made again when that is needed.";

// The table that holds a rollup.
struct RollupTarget {
  Oid oid = 0;  // 0: there is none
  bool is_table = true;
  bool owner_is_us = true;
  std::vector<TypedColumn> columns;
  bool view_taken = false;  // somebody else's relation is called NAME_live
  bool has_key = false;     // unique over the dimensions, metric_key and bucket_ts
  bool made_by_us = false;
  // What its partitions cover together, in order; nothing: it takes every time.
  std::optional<std::vector<Range>> spans;
  std::string kept_for;  // another rollup, of which table: "hourly of public.points"
  // The keep that its table is looked after under, as in the policy, empty: for
  // ever; nothing: under none yet.  A shorter one waits for consent.
  std::optional<std::string> agreed_keep;
  bool operator==(const RollupTarget&) const = default;
};

// Whether it goes by whole partitions, which are looked after as those of any
// other table are.
inline bool Divided(const RollupTarget& target) { return target.made_by_us && target.spans; }

struct RollupState {
  enum class State {
    kNone,     // in the policy only
    kFilling,  // buckets before filled_from are not yet made
    kLive,
    kPaused,  // its triggers are gone; what was removed meanwhile is remembered
  };

  std::string name;
  State state = State::kNone;
  std::string suffix;                  // of the names of what was made for it
  std::string shape;                   // RollupShape when it was made
  std::string source;                  // RollupSource likewise
  Oid target_oid = 0;                  // when it was made
  std::string table;                   // the target's name, in the table's schema
  RollupTarget target;                 // as it is now
  bool intact = false;                 // the triggers and tables that keep it are all there
  std::optional<Instant> filled_from;  // nothing: no bucket is made
  bool filled = false;                 // all buckets are made
  // Older ones may be missing, for nobody kept them then; nothing: none are.
  std::optional<Instant> filled_down_to;
  std::optional<Instant> oldest_row;  // of the table, when filling began
  std::optional<Instant> started_at;  // when filling began
  std::int64_t dirty = 0;             // buckets that are to be computed again
  std::optional<Instant> oldest_dirty;
  std::optional<Instant> oldest_ready;  // the same, of those whose partition is there
  std::optional<Instant> gone_before;   // buckets before it were removed from the target
  // What is to be filled next has no partition in the target.
  bool fill_lacks = false;
  // Of a rollup that is fed by a finer one.
  std::string finer_suffix;
  std::string finer_schema;
  std::string finer_table;
  // Of one that is not in the policy any more: the rollups of its table.
  std::vector<RollupState> fed;
  std::optional<Instant> audited_at;
  std::vector<Oid> proved;  // partitions that were compared with it, bucket by bucket
  // Since the rollup was made.
  std::int64_t points = 0;
  std::int64_t late_points = 0;
  std::int64_t skipped_values = 0;
  std::int64_t audited = 0;
  std::int64_t mismatches = 0;
  bool operator==(const RollupState&) const = default;
};

// Buckets that begin before it are not computed any more at `at` (UTC), but for
// those that have a partition; nothing: all are.
std::optional<Instant> ExpiredBefore(const Rollup& rollup, const RollupState& state, Instant at);

// What the comment on a rollup's trigger function `f` says, if nobody changed it.
inline constexpr const char* kFingerprint =
    "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat_ws(' ', f.prosecdef, "
    "f.proconfig::text, f.prosrc), 'UTF8')), 'hex')";

// A proof is good for so long: nobody knows what is done to a partition past the
// triggers.
inline constexpr const char* kProofsSince = "pg_catalog.now() - interval '1 hour'";

// What cannot be changed of a rollup that has history: interval, zone,
// dimensions, table.
std::string RollupShape(const Rollup& rollup);
// What is aggregated: when it changes, all is computed again.
std::string RollupSource(const Rollup& rollup);
// "16384_hourly", for the names of what is made for it.
std::string RollupSuffix(Oid table, const Rollup& rollup);

const Rollup* FindRollup(const Policy& policy, const std::string& name);
// The rollup as its bookkeeping describes it.
Rollup RollupOf(const RollupState& state);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_ROLLUP_H_
