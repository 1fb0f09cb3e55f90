// What is: one policy's table and its server, as one snapshot of the catalog
// showed them.  Plain values, so that a plan can be made from a fake, a file or
// a real database alike.
//
// Instants of a partition key are on the key's axis (reconcilers/instant.h);
// everything else is UTC.

#ifndef PARTITION_CONTROLLER_RECONCILERS_CATALOG_H_
#define PARTITION_CONTROLLER_RECONCILERS_CATALOG_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crd/policy.h"
#include "reconcilers/calendar.h"
#include "reconcilers/conversion.h"
#include "reconcilers/range.h"
#include "reconcilers/rollup.h"

namespace partition_controller {

// The version of the bookkeeping schema that this program writes.
inline constexpr int kBookkeepingVersion = 7;

struct Server {
  Instant time{};   // the server's clock when the snapshot was taken
  int version = 0;  // server_version_num
  bool in_recovery = false;
  Oid database = 0;
  std::string database_name;
  std::string system_identifier;
  std::string user;                // after SET ROLE
  int bookkeeping_version = 0;     // 0: the schema does not exist
  bool bookkeeping_usable = true;  // by `user`; with version 0: could be made
  bool test_database = false;      // settings: --now may remove what the server's time would keep
  bool operator==(const Server&) const = default;
};

// What a partition does not inherit from its parent.
struct Attributes {
  std::string owner;
  bool unlogged = false;
  char replica_identity = 'd';       // pg_class.relreplident
  Oid replica_parent_index = 0;      // for 'i': the parent's index that the partition's belongs to
  std::string acl;                   // pg_class.relacl as text; empty: none
  std::vector<std::string> options;  // pg_class.reloptions, "fillfactor=70", "toast.fillfactor=70"
  std::string tablespace;            // empty: the database's
  // Its own, or its parent's, which guards only who goes through the parent.
  bool row_security = false;
  bool operator==(const Attributes&) const = default;
};

struct Partition {
  enum class Kind { kTable, kPartitioned, kForeign };
  // A CHECK of ours that states the bounds, so that an ATTACH scans nothing.
  enum class BoundCheck { kNone, kNotValid, kValid };

  Oid oid = 0;
  std::string schema;
  std::string name;
  std::optional<Range> range;  // nothing: bounds that we do not understand
  std::string bounds;          // as PostgreSQL prints them
  Kind kind = Kind::kTable;
  bool detach_pending = false;
  bool created_by_us = false;
  BoundCheck bound_check = BoundCheck::kNone;
  double rows = -1;            // the planner's estimate; -1: never analysed
  std::int64_t bytes = 0;      // main fork, as of the last VACUUM or ANALYZE
  std::size_t attributes = 0;  // index into Table::attributes
  // An expired row, where it was asked for (ProbeOldest); nothing: not asked,
  // or there is none.
  std::optional<Instant> oldest_row;
  bool operator==(const Partition&) const = default;
};

// The default partition, and what its rows would need.
struct DefaultPartition {
  Partition partition;
  std::int64_t pages = 0;
  std::int64_t rows = 0;
  bool exact = true;  // false: estimated from a sample
  // Rows between the cuts that ProbeCuts named: the first count is of rows
  // before the first cut, the last of rows at or after the last one.  Empty:
  // no rows.
  std::vector<Instant> cuts;
  std::vector<std::int64_t> counts;
  bool operator==(const DefaultPartition&) const = default;
};

// A partition that we detached and that still exists.
struct Detached {
  Oid oid = 0;
  std::string schema;
  std::string name;
  Range range;
  Instant detached_at{};
  std::optional<Instant> drop_after;  // nothing: kept (action Detach)
  bool exists = true;                 // false: somebody dropped it
  bool attached = false;              // true: somebody attached it again
  bool has_bound_check = true;
  bool created_by_us = false;
  double rows = -1;
  std::int64_t bytes = 0;
  bool operator==(const Detached&) const = default;
};

// Rows on their way out of the default partition.
struct Drain {
  // kMove: rows of `range` go to `target`, a new (or detached) table, which is
  // then attached.  kPromote: the default itself becomes the partition of
  // `range`; the rows outside it go to `target`, the next default.
  enum class Mode { kMove, kPromote };
  Mode mode = Mode::kMove;
  Range range;
  Oid target = 0;
  std::string target_schema;
  std::string target_name;
  bool operator==(const Drain&) const = default;
};

// What the bookkeeping says of a table that holds a rollup.
struct Feed {
  bool made_by_us = false;
  // Buckets that are to be written and have no partition, a few at a time.
  std::vector<Instant> demanded;
  // As in RollupState, of that rollup.
  std::optional<Instant> filled_from;
  bool filled = false;
  std::optional<Instant> oldest_dirty;
  bool operator==(const Feed&) const = default;
};

// What AgreedRetention::action is for a table that was looked after by a release
// that kept no such record.
inline constexpr char kUnrecorded[] = "Unrecorded";

// The retention under which the table was last looked after: what was agreed to.
struct AgreedRetention {
  std::string keep;      // as in the policy; empty: for ever
  std::string action;    // "Drop", "Detach", kUnrecorded; empty: there was no retention
  std::vector<Oid> due;  // the attached partitions that had expired by then
  bool operator==(const AgreedRetention&) const = default;
};

// Who the bookkeeping says looks after the table.
struct Ownership {
  Oid table = 0;
  std::string policy_namespace;
  std::string policy_name;
  std::string table_owner;
  Oid database = 0;
  std::string system_identifier;
  std::int64_t term = 0;
  std::optional<Instant> analyzed_at;
  std::optional<AgreedRetention> agreed;  // nothing: first contact
  // Drawn when somebody consented last; 0: nobody has.  No two consents have the same.
  std::int64_t consent = 0;
  bool operator==(const Ownership&) const = default;
};

struct Table {
  enum class Kind { kPlain, kPartitioned, kOther };

  Oid oid = 0;
  std::string schema;
  std::string name;
  Kind kind = Kind::kPartitioned;
  std::string owner;
  bool owner_is_us = true;       // our role may act as the owner
  bool may_create = true;        // CREATE on the schema
  bool owner_may_create = true;  // the same for the owner, whom new tables are handed to
  std::string key_column_type;   // of the policy's time column; empty: no such column
  bool key_not_null = true;
  bool partitioned_by_key = true;         // RANGE on the time column alone
  std::string partition_key;              // pg_get_partkeydef, for messages
  bool has_time_index = false;            // an index led by the time column
  std::vector<std::string> columns;       // that can be inserted into
  bool overriding = false;                // an identity column is GENERATED ALWAYS
  std::vector<std::string> foreign_keys;  // pg_get_constraintdef of the parent's, for drains
  std::vector<std::string> references;    // quoted names of the tables they point to
  // Of each foreign key that points to the table: the statement that drops it.
  std::vector<std::string> referenced_by;
  std::vector<std::string> delete_triggers;  // the user's, on the default partition
  // Of each publication that has the table or its default partition: the
  // statement that ends it.
  std::vector<std::string> published_by;
  // What a partition does not inherit either: "ALTER COLUMN "v" SET STATISTICS 500",
  // and, from USING on, unique indexes that partitions have and the parent lacks.
  std::vector<std::string> column_settings;
  std::vector<std::string> leaf_uniques;
  bool default_privileges = false;  // ALTER DEFAULT PRIVILEGES gives rights on what we make here
  std::vector<Attributes> attributes;
  // Without the default, ordered by range; a plan may make or remove thousands
  // at either end.  Of a plain table under conversion: those that wait beside
  // it; on its way back, the children it inherits from.
  std::deque<Partition> partitions;
  std::optional<DefaultPartition> default_partition;
  std::vector<Detached> detached;
  std::optional<Drain> drain;
  std::optional<Ownership> ownership;
  // The row for our policy if it names another table (a restored or replaced one).
  std::optional<Ownership> former;
  std::vector<std::string> taken_names;   // other relations in the schema whose names begin like ours
  std::optional<Conversion> conversion;   // under way, or done by us
  std::optional<Anatomy> anatomy;         // where NeedsAnatomy (plan.h) asks for it
  std::vector<TypedColumn> column_types;  // where the policy has rollups
  std::vector<RollupState> rollups;       // in the policy, or known to the bookkeeping
  std::optional<Feed> feed;               // where the policy has a feeder and the table holds its rollup
  double rows = -1;                       // of a plain table
  std::optional<Instant> oldest_row;      // of a plain table, if asked for
  bool operator==(const Table&) const = default;
};

struct Catalog {
  Server server;
  std::optional<Table> table;  // nothing: no such table, or not visible to us
  bool operator==(const Catalog&) const = default;
};

// What a table takes on disk: with its indexes, its TOAST table and, of one that
// is partitioned itself, its partitions.
struct RelationSize {
  Oid oid = 0;
  std::int64_t bytes = 0;
  bool operator==(const RelationSize&) const = default;
};

// timestamptz, timestamp or date; nothing for another type.
std::optional<KeyType> KeyTypeOf(const std::string& column_type);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_CATALOG_H_
