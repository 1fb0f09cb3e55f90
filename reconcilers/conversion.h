// What the conversion of a plain table into a partitioned one must know of the
// table, and how far it has come (reconcilers/convert.cc).
//
// Statements that name the table are kept in pieces around its name, so that
// they can be made for another table without looking into them.

#ifndef PARTITION_CONTROLLER_RECONCILERS_CONVERSION_H_
#define PARTITION_CONTROLLER_RECONCILERS_CONVERSION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reconcilers/instant.h"

namespace partition_controller {

// An object made earlier in the same plan has oid 0: it is known by name only
// until the catalog is read again.
using Oid = std::uint32_t;

// The journal's row.  Its names are all in the table's schema.
struct Conversion {
  enum class State {
    kPrepared,   // the partitioned table stands beside the plain one, empty
    kFenced,     // rows from the cut on are diverted into it
    kConverted,  // it has taken the plain table's place
    kReverting,  // the plain table is back, its former partitions are being emptied into it
  };

  State state = State::kPrepared;
  Oid plain = 0;                         // from the swap on the history partition [MINVALUE, cut)
  Oid parent = 0;                        // the partitioned table
  std::string parent_name;               // until the swap, when it gets the table's name
  std::string history_name;              // what the plain table is called from the swap on
  std::vector<std::string> primary_key;  // columns of the plain one, if it lacks the time column
  std::string key_index;                 // built for it on the plain table, with the time column
  Instant cut{};                         // on the key's axis
  std::string shape;                     // Anatomy::shape when it was prepared
  std::string no_way_back;               // why the table cannot become plain again; empty: it can
  bool operator==(const Conversion&) const = default;
};

// A statement around the table's name.
struct AroundName {
  std::string head;
  std::string tail;
  std::string On(const std::string& quoted_table) const { return head + quoted_table + tail; }
  bool operator==(const AroundName&) const = default;
};

struct TableIndex {
  std::string name;
  bool unique = false;
  bool valid = true;
  bool building = false;    // somebody is at it right now
  bool holds_key = false;   // the time column is one of its key columns
  char constraint = ' ';    // pg_constraint.contype of the constraint it belongs to
  bool deferrable = false;  // that constraint
  // From USING on, as pg_get_indexdef prints it; empty: it could not be told
  // apart from what stands before.
  std::string definition;
  std::string constraint_definition;
  std::string storage;     // options as after WITH, without the brackets
  std::string tablespace;  // empty: the database's
  bool clustered = false;  // ALTER TABLE ... CLUSTER ON it
  std::string parent;      // the partitioned table's index that it is a part of
  // The key columns; empty if some are expressions or the index has others.
  std::vector<std::string> columns;
  // What is unique is so by these operators, one for each of `columns`.
  std::vector<std::string> equals;
  bool operator==(const TableIndex&) const = default;
};

// CHECK and FOREIGN KEY constraints, and NOT NULL ones that are not as usual.
struct TableConstraint {
  std::string name;
  std::string definition;
  char type = 'c';
  bool validated = true;
  bool no_inherit = false;
  bool operator==(const TableConstraint&) const = default;
};

struct TableTrigger {
  std::string name;
  AroundName create;   // empty: its name or condition hides where the table's name is
  char enabled = 'O';  // pg_trigger.tgenabled
  bool for_each_row = true;
  bool transition_tables = false;
  bool on_rows_moved = false;  // an INSERT or DELETE trigger
  bool may_set_time = false;   // it comes BEFORE each row, and seems to give the time column a value
  bool operator==(const TableTrigger&) const = default;
};

struct DependentView {
  std::string name;       // quoted, with its schema
  std::string owner;      // quoted
  bool ours = true;       // our role may act as the owner
  std::string statement;  // CREATE OR REPLACE VIEW ..., whole
  bool only = false;      // it reads ONLY the table
  bool operator==(const DependentView&) const = default;
};

struct PublishedBy {
  std::string name;       // quoted
  bool ours = true;       // our role may act as the owner
  bool via_root = false;  // publish_via_partition_root
  bool by_name = true;    // as opposed to FOR ALL TABLES and FOR TABLES IN SCHEMA
  bool inserts = true;    // publish has 'insert'
  std::string tail;       // column list and row filter
  bool operator==(const PublishedBy&) const = default;
};

// An identity column's sequence, or one that a column owns.
struct OwnedSequence {
  std::string column;
  std::string schema;
  std::string name;
  bool identity = false;
  std::string options;              // as after CREATE SEQUENCE, for an identity column
  bool always = false;              // GENERATED ALWAYS
  std::vector<std::string> grants;  // of an identity column's, which another one replaces
  bool operator==(const OwnedSequence&) const = default;
};

// Of a plain table; on the way back of the partitioned one, but for the
// indexes, which are the history partition's.
struct Anatomy {
  // Changes whenever anything does that the conversion carries over.
  std::string shape;
  std::vector<TableIndex> indexes;
  std::vector<TableConstraint> constraints;
  std::vector<TableTrigger> triggers;
  std::vector<AroundName> row_policies;  // CREATE POLICY
  bool row_security = false;
  bool force_row_security = false;
  std::vector<DependentView> views;
  std::vector<PublishedBy> publications;
  std::vector<OwnedSequence> sequences;
  std::string acl;  // pg_class.relacl as text
  std::vector<AroundName> column_grants;
  // Roles, quoted, that may write rows and lack what passing on a row takes.
  std::vector<std::string> short_of_rights;
  std::vector<std::string> comments;  // on what belongs to the table: whole statements
  std::optional<std::string> comment;
  // What depends on the table and cannot follow, as pg_describe_object says it.
  std::vector<std::string> dependents;
  // On the way back: children without rows, and those all of whose rows repeat
  // a unique key of the table.
  std::vector<Oid> empty_children;
  std::vector<Oid> stuck_children;
  bool temporary = false;
  bool typed = false;                   // CREATE TABLE ... OF
  bool inherits = false;                // has parents or children
  bool has_rules = false;               // CREATE RULE
  bool key_generated = false;           // the time column is GENERATED
  bool subscribed = false;              // rows come by logical replication
  bool policed = false;                 // row security holds for us as well
  std::int64_t bytes = 0;               // without indexes
  std::int64_t rows_beyond = 0;         // from the cut on; at most a million are counted
  std::int64_t oldest_transaction = 0;  // seconds that the oldest one on the server has been open
  // The first and the last time, on the key's axis; of a plain table that an
  // index tells it of.
  std::optional<Instant> first;
  std::optional<Instant> last;
  bool operator==(const Anatomy&) const = default;
};

// The indexes of `table` without the one that conversions make, which comes and
// goes.
std::vector<TableIndex> OwnIndexes(const Anatomy& anatomy, const std::string& table);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_CONVERSION_H_
