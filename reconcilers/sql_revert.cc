#include "reconcilers/sql_revert.h"

#include <algorithm>

#include "reconcilers/bookkeeping.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

std::string RegClass(const std::string& quoted) { return QuoteLiteral(quoted) + "::pg_catalog.regclass"; }

constexpr const char* kRepeats = "00_partition_controller_repeats";

std::string RepeatsFunction(const Conversion& conversion) {
  return "partition_controller.repeats_" + std::to_string(conversion.plain);
}

// What tells the rows of one child apart: its primary key, which had the time
// column; empty if it has none.
std::vector<std::string> RowKey(const Table& table, const std::string& time_column) {
  if (!table.conversion->primary_key.empty()) {
    std::vector<std::string> columns = table.conversion->primary_key;
    columns.push_back(time_column);
    return columns;
  }
  for (const TableIndex& index : table.anatomy->indexes) {
    if (index.constraint == 'p') return index.columns;
  }
  return {};
}

}  // namespace

std::string RepeatsKeySql(const Table& table, const std::string& row) {
  std::string repeats;
  for (const TableIndex& index : table.anatomy->indexes) {
    if (!index.unique || index.columns.empty()) continue;
    repeats +=
        (repeats.empty() ? "" : " OR ") + ("EXISTS (SELECT FROM ONLY " + QuoteName(table.schema, table.name) +
                                           " k WHERE " + SameKey(index, "k", row) + ")");
  }
  return repeats.empty() ? "false" : repeats;
}

void RevertSql::DetachAll() {
  const auto detach = [&](const Partition& partition) {
    out_.swift.push_back("ALTER TABLE " + parent_ + " DETACH PARTITION " + Quoted(RefOf(partition)));
  };
  if (table_.default_partition) detach(table_.default_partition->partition);
  for (const Partition& partition : table_.partitions) detach(partition);
}

void RevertSql::operator()(const BeginRevert& a) {
  const std::string partitioned = Here(a.conversion.parent_name);
  out_.urgent = true;  // once, and because a person asks for it
  GentleParent();
  for (const Partition& partition : table_.partitions) Gentle(RefOf(partition));
  LockViews();
  LockReferences(kEverybody);
  LockParent();
  LockDefault();
  for (const Partition& partition : table_.partitions) LockExclusive(RefOf(partition));
  TryAtOnce();
  Expect({table_.oid, table_.schema, table_.name, ""});
  for (const Partition& partition : table_.partitions) Expect(RefOf(partition));
  ExpectShape(a.conversion);
  DetachAll();
  out_.swift.push_back("ALTER TABLE " + parent_ + " RENAME TO " + QuoteName(a.conversion.parent_name));
  const Partition& history =
      *std::find_if(table_.partitions.begin(), table_.partitions.end(),
                    [&](const Partition& partition) { return partition.oid == a.conversion.plain; });
  out_.swift.push_back("ALTER TABLE " + Quoted(RefOf(history)) + " RENAME TO " + QuoteName(table_.name));
  // From here on `parent_` is the plain table's name.
  GiveBackSequences();
  GiveBackPrivileges();
  GiveBackRowSecurity();
  GiveBackTriggers();
  MoveRollupTriggers("", parent_);
  PointOthersHere(partitioned);
  // Sequences that it does not own any more stay.
  out_.swift.push_back("DROP TABLE " + partitioned);
  GiveBackIndexes(a);
  for (const OwnedSequence& sequence : table_.anatomy->sequences) {
    if (!sequence.identity) continue;
    out_.swift.push_back("DO " +
                         DollarQuote("BEGIN\n  EXECUTE pg_catalog.format('ALTER SEQUENCE %s RENAME TO %I', "
                                     "pg_catalog.pg_get_serial_sequence(" +
                                     QuoteLiteral(parent_) + ", " + QuoteLiteral(sequence.column) + "), " +
                                     QuoteLiteral(sequence.name) + ");\nEND"));
    out_.swift.insert(out_.swift.end(), sequence.grants.begin(), sequence.grants.end());
  }
  const auto inherit = [&](const Partition& partition) {
    if (partition.oid == a.conversion.plain) return;
    out_.swift.push_back("ALTER TABLE " + Quoted(RefOf(partition)) + " INHERIT " + parent_);
  };
  for (const Partition& partition : table_.partitions) inherit(partition);
  if (table_.default_partition) inherit(table_.default_partition->partition);
  PassOverRepeats(a.conversion);
  PutComments();
  out_.swift.push_back(RecordReverting(a.conversion));
}

// With another time it is another row, as it was while the table was
// partitioned: it is let in, and RowsRepeatKeys tells of it.
void RevertSql::PassOverRepeats(const Conversion& conversion) {
  std::string repeats;
  for (const TableIndex& index : table_.anatomy->indexes) {
    if (!index.unique || index.columns.empty()) continue;
    repeats +=
        (repeats.empty() ? "" : " OR ") +
        ("EXISTS (SELECT FROM " + parent_ + " k WHERE k.tableoid <> " + std::to_string(conversion.plain) +
         " AND k." + column_ + " = NEW." + column_ + " AND " + SameKey(index, "k", "NEW") + ")");
  }
  if (repeats.empty()) return;
  const std::string function = RepeatsFunction(conversion);
  out_.swift.push_back(
      "CREATE FUNCTION " + function + "() RETURNS trigger LANGUAGE plpgsql " + kRightsOfOwner + " AS " +
      DollarQuote("BEGIN\n  IF " + repeats + " THEN\n    RETURN NULL;\n  END IF;\n  RETURN NEW;\nEND"));
  out_.swift.push_back("CREATE TRIGGER " + QuoteName(kRepeats) + " BEFORE INSERT ON " + parent_ +
                       " FOR EACH ROW WHEN (pg_catalog.current_setting(" + QuoteLiteral(kMovesSetting) +
                       ", true) IS DISTINCT FROM 'on') EXECUTE FUNCTION " + function + "()");
  out_.swift.push_back("ALTER TABLE " + parent_ + " ENABLE ALWAYS TRIGGER " + QuoteName(kRepeats));
}

void RevertSql::GiveBackSequences() {
  for (const OwnedSequence& sequence : table_.anatomy->sequences) {
    const std::string name = QuoteName(sequence.schema, sequence.name);
    const std::string column = QuoteName(sequence.column);
    if (!sequence.identity) {
      out_.swift.push_back("ALTER SEQUENCE " + name + " OWNED BY " + parent_ + "." + column);
      continue;
    }
    // Before PostgreSQL 17 the plain table may have kept a sequence of its own.
    out_.swift.push_back("ALTER TABLE " + parent_ + " ALTER COLUMN " + column + " DROP IDENTITY IF EXISTS");
    out_.swift.push_back("ALTER TABLE " + parent_ + " ALTER COLUMN " + column + " ADD GENERATED " +
                         (sequence.always ? "ALWAYS" : "BY DEFAULT") + " AS IDENTITY (" + sequence.options +
                         ")");
    out_.swift.push_back("SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence(" +
                         QuoteLiteral(parent_) + ", " + QuoteLiteral(sequence.column) +
                         ")::pg_catalog.regclass, last_value, is_called) FROM " + name);
  }
}

// What was granted and revoked since the conversion is granted and revoked.
void RevertSql::GiveBackPrivileges() {
  for (std::string& statement : PrivilegeSql(parent_)) out_.swift.push_back(std::move(statement));
  const std::optional<std::string>& comment = table_.anatomy->comment;
  out_.swift.push_back("COMMENT ON TABLE " + parent_ + " IS " + (comment ? QuoteLiteral(*comment) : "NULL"));
}

void RevertSql::GiveBackRowSecurity() {
  const Anatomy& anatomy = *table_.anatomy;
  out_.swift.push_back("DO " + DollarQuote("DECLARE name text;\nBEGIN\n  FOR name IN SELECT polname FROM "
                                           "pg_catalog.pg_policy WHERE polrelid = " +
                                           RegClass(parent_) +
                                           " LOOP\n    EXECUTE pg_catalog.format('DROP POLICY %I ON " +
                                           Doubled(parent_) + "', name);\n  END LOOP;\nEND"));
  for (const AroundName& policy : anatomy.row_policies) out_.swift.push_back(policy.On(parent_));
  out_.swift.push_back("ALTER TABLE " + parent_ + (anatomy.row_security ? " ENABLE" : " DISABLE") +
                       " ROW LEVEL SECURITY");
  out_.swift.push_back("ALTER TABLE " + parent_ + (anatomy.force_row_security ? " FORCE" : " NO FORCE") +
                       " ROW LEVEL SECURITY");
}

void RevertSql::GiveBackTriggers() {
  for (const std::string& statement : TriggerSql(parent_)) out_.swift.push_back(statement);
}

void RevertSql::GiveBackIndexes(const BeginRevert& a) {
  for (const TableIndex& index : table_.anatomy->indexes) {
    if (index.parent.empty()) continue;
    if (index.constraint == 'p' && !a.plain_key.empty()) {
      out_.swift.push_back("ALTER TABLE " + parent_ + " DROP CONSTRAINT " + QuoteName(index.name));
      out_.swift.push_back("ALTER TABLE " + parent_ + " ADD CONSTRAINT " + QuoteName(index.parent) +
                           " PRIMARY KEY USING INDEX " + QuoteName(a.plain_key));
      if (index.clustered) {
        out_.swift.push_back("ALTER TABLE " + parent_ + " CLUSTER ON " + QuoteName(index.parent));
      }
    } else {
      out_.swift.push_back("ALTER INDEX " + Here(index.name) + " RENAME TO " + QuoteName(index.parent));
    }
  }
}

void RevertSql::operator()(const MergeChild& a) {
  const std::string child = Quoted(a.child);
  const std::string columns = Columns("");
  const std::vector<std::string> key = RowKey(table_, policy_.time_column);
  const bool by_pages = server_.version >= 140'000;
  const std::string pages =
      by_pages ? " WHERE ctid >= pg_catalog.format('(%s,0)', $1::bigint)::pg_catalog.tid AND "
                 "ctid < pg_catalog.format('(%s,0)', $2::bigint)::pg_catalog.tid"
               : "";
  if (by_pages) {
    out_.repeat = Transaction::Repeat::kOverPages;
    out_.pages_of = child;
  }
  out_.work.push_back("SELECT pg_catalog.set_config(" + QuoteLiteral(kMovesSetting) + ", 'on', true)");
  if (key.empty()) {
    out_.work.push_back("WITH moved AS (DELETE FROM ONLY " + child + pages + " RETURNING " + columns +
                        ") INSERT INTO " + parent_ + " (" + columns + ")" + Overriding() + " SELECT " +
                        columns + " FROM moved");
    return;
  }
  std::string same;
  std::string returned;
  for (const std::string& column : key) {
    same += (same.empty() ? "c." : " AND c.") + QuoteName(column) + " = put." + QuoteName(column);
    returned += (returned.empty() ? "" : ", ") + QuoteName(column);
  }
  // Locked first, so that what is moved is what is deleted.
  out_.work.push_back("WITH batch AS (SELECT " + columns + " FROM ONLY " + child + pages +
                      " FOR UPDATE), put AS (INSERT INTO " + parent_ + " (" + columns + ")" + Overriding() +
                      " SELECT " + columns + " FROM batch ON CONFLICT DO NOTHING RETURNING " + returned +
                      ") DELETE FROM ONLY " + child + " c USING put WHERE " + same);
}

void RevertSql::operator()(const DropChild& a) {
  out_.after_others = true;
  Gentle(Plain());
  Gentle(a.child);
  LockReferences(kEverybody);
  LockExclusive(a.child);
  out_.swift.push_back(Assertion(a.child, ""));
  out_.swift.push_back(
      Raise("NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = " + std::to_string(a.child.oid) +
                " AND inhparent = " + std::to_string(table_.conversion->plain) + ")",
            Quoted(a.child) + " is no child of " + parent_ + " any more", kStaleState));
  ExpectEmpty(a.child);
  out_.swift.push_back("DROP TABLE " + Quoted(a.child));
  out_.swift.push_back(RecordGone(a.child.oid));
}

void RevertSql::operator()(const FinishRevert& a) {
  Gentle(Plain());
  LockExclusive(Plain());
  Expect(Plain());
  out_.swift.push_back("DROP TRIGGER IF EXISTS " + QuoteName(kRepeats) + " ON " + parent_);
  out_.swift.push_back("DROP FUNCTION IF EXISTS " + RepeatsFunction(a.conversion) + "()");
  out_.swift.push_back(RecordAbandoned(a.conversion));
}

}  // namespace partition_controller
