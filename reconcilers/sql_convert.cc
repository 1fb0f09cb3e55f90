#include "reconcilers/sql_convert.h"

#include <algorithm>

#include "reconcilers/acl.h"
#include "reconcilers/bookkeeping.h"
#include "reconcilers/bounds.h"
#include "reconcilers/naming.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

constexpr const char* kFenceCheck = "partition_controller_fence";
// Before all other triggers, whose names decide when they fire (manual, 39.1):
// a diverted row meets the application's own ones where it goes, once.
constexpr const char* kFence = "00_partition_controller_divert";

std::string RegClass(const std::string& quoted) { return QuoteLiteral(quoted) + "::pg_catalog.regclass"; }

bool OnParent(const TableIndex& index) { return !index.unique || index.holds_key; }

const char* EnableTrigger(char enabled) {
  switch (enabled) {
    case 'D':
      return "DISABLE TRIGGER ";
    case 'R':
      return "ENABLE REPLICA TRIGGER ";
    case 'A':
      return "ENABLE ALWAYS TRIGGER ";
    default:
      return nullptr;
  }
}

// Whether what else happens when a row is written depends on who writes it:
// there as here, nobody may write a row of the future that his policies would
// refuse, and triggers find things by the writer's search_path.
bool WriterDecides(const Anatomy& anatomy) {
  return anatomy.row_security || std::any_of(anatomy.triggers.begin(), anatomy.triggers.end(),
                                             [](const TableTrigger& t) { return t.enabled != 'D'; });
}

bool MovesFireTriggers(const Anatomy& anatomy) {
  return std::any_of(anatomy.triggers.begin(), anatomy.triggers.end(), [](const TableTrigger& trigger) {
    return trigger.on_rows_moved && trigger.enabled != 'D';
  });
}

std::string KeyList(const std::vector<std::string>& columns) {
  std::string text;
  for (const std::string& column : columns) text += (text.empty() ? "" : ", ") + QuoteName(column);
  return text;
}

std::string WithStorage(const std::string& options) {
  return options.empty() ? "" : " WITH (" + options + ")";
}

std::string DefaultTablespace(const std::string& name) {
  return "SET LOCAL default_tablespace = " + QuoteLiteral(name);
}

}  // namespace

std::string OfRollupSql(const std::string& function) {
  return "EXISTS (SELECT FROM pg_catalog.pg_proc o JOIN pg_catalog.pg_namespace s ON s.oid = o.pronamespace "
         "WHERE "
         "o.oid = " +
         function + " AND s.nspname = 'partition_controller' AND o.proname LIKE 'mark\\_%')";
}

std::string ShapeSql(Oid plain, const std::string& name) {
  const std::string oid = std::to_string(plain);
  const std::string views =
      "(SELECT DISTINCT w.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = "
      "d.objid "
      "WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = "
      "'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = " +
      oid + " AND w.ev_class <> " + oid + ")";
  return "(SELECT pg_catalog.md5(pg_catalog.string_agg(s.line, E'\\n' ORDER BY s.line COLLATE \"C\")) FROM ("
         // Columns.
         "SELECT pg_catalog.concat_ws(' ', 'column', a.attnum, a.attname, "
         "pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, "
         "a.attcollation, a.attstorage, a.attstattarget, a.attacl, a.attoptions, "
         "pg_catalog.pg_get_expr(d.adbin, d.adrelid)) AS line FROM pg_catalog.pg_attribute a LEFT JOIN "
         "pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = " +
         oid +
         " AND a.attnum > 0 AND NOT a.attisdropped"
         // Constraints (PostgreSQL 18 shows NOT NULL among them).
         " UNION ALL SELECT pg_catalog.concat_ws(' ', 'constraint', conname, contype, convalidated, "
         "condeferrable, connoinherit, pg_catalog.pg_get_constraintdef(oid)) FROM pg_catalog.pg_constraint "
         "WHERE conrelid = " +
         oid + " AND contype <> 'n' AND conname <> " + QuoteLiteral(kFenceCheck) +
         // Indexes, without the ones that a conversion makes.
         " UNION ALL SELECT pg_catalog.concat_ws(' ', 'index', i.indexrelid, "
         "pg_catalog.pg_get_indexdef(i.indexrelid)) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON "
         "c.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid WHERE i.indrelid = " +
         oid + " AND c.relname NOT IN (" + QuoteLiteral(KeyIndexName(name)) + ", " +
         QuoteLiteral(PlainKeyName(name)) + ")" +
         " UNION ALL SELECT pg_catalog.concat_ws(' ', 'trigger', pg_catalog.pg_get_triggerdef(oid), "
         "tgenabled) FROM pg_catalog.pg_trigger WHERE tgrelid = " +
         oid + " AND NOT tgisinternal AND tgname <> " + QuoteLiteral(kFence) + " AND NOT " +
         OfRollupSql("tgfoid") +
         " UNION ALL SELECT pg_catalog.concat_ws(' ', 'policy', polname, polcmd, polpermissive, polroles, "
         "pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid)) FROM "
         "pg_catalog.pg_policy WHERE polrelid = " +
         oid +
         " UNION ALL SELECT pg_catalog.concat_ws(' ', 'table', relname, relnamespace, relowner, relacl, "
         "relrowsecurity, relforcerowsecurity, relreplident, reloptions, relpersistence, reltablespace) FROM "
         "pg_catalog.pg_class WHERE oid = " +
         oid +
         " UNION ALL SELECT pg_catalog.concat_ws(' ', 'comment', objsubid, description) FROM "
         "pg_catalog.pg_description WHERE objoid = " +
         oid +
         " AND classoid = 'pg_catalog.pg_class'::pg_catalog.regclass"
         " UNION ALL SELECT pg_catalog.concat_ws(' ', 'view', c.oid, c.relnamespace, c.relname, c.relowner, "
         "c.reloptions, pg_catalog.pg_get_viewdef(c.oid)) FROM pg_catalog.pg_class c WHERE c.oid IN " +
         views +
         " UNION ALL SELECT pg_catalog.concat_ws(' ', 'published', p.pubname, p.pubviaroot, "
         "(pg_catalog.to_jsonb(r) - 'oid')) FROM pg_catalog.pg_publication p JOIN "
         "pg_catalog.pg_publication_rel r ON r.prpubid = p.oid WHERE r.prrelid = " +
         oid +
         " UNION ALL SELECT pg_catalog.concat_ws(' ', 'sequence', d.objid, d.refobjsubid, d.deptype) FROM "
         "pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND "
         "d.refclassid "
         "= 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = " +
         oid +
         " AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') AND EXISTS (SELECT FROM pg_catalog.pg_class "
         "c WHERE c.oid = d.objid AND c.relkind = 'S')) s)";
}

std::string SameKey(const TableIndex& index, const std::string& row, const std::string& other) {
  std::string same;
  for (std::size_t i = 0; i < index.columns.size(); ++i) {
    const std::string column = "." + QuoteName(index.columns[i]);
    same += (same.empty() ? "" : " AND ") + row + column + " " +
            (i < index.equals.size() ? index.equals[i] : "=") + " " + other + column;
  }
  return same;
}

std::string ConversionSql::Here(const std::string& name) const { return QuoteName(table_.schema, name); }

void ConversionSql::operator()(const PrepareConversion& a) {
  MakePartitioned(a);
  out_.work.push_back(RecordConversion(table_, a.conversion));
  // On the empty table a foreign key costs nothing.
  std::vector<std::string> keys;
  for (const TableConstraint& constraint : table_.anatomy->constraints) {
    if (constraint.type != 'f') continue;
    keys.push_back("ALTER TABLE " + Here(a.conversion.parent_name) + " ADD CONSTRAINT " +
                   QuoteName(constraint.name) + " " + constraint.definition);
  }
  if (keys.empty()) return;
  LockReferences(kWriters);
  out_.swift.insert(out_.swift.end(), keys.begin(), keys.end());
}

void ConversionSql::MakePartitioned(const PrepareConversion& a) {
  const Anatomy& anatomy = *table_.anatomy;
  const std::string name = Here(a.conversion.parent_name);
  std::vector<std::string>& work = out_.work;
  // A partitioned table cannot be in the place that PostgreSQL calls pg_default.
  work.push_back(DefaultTablespace(""));
  work.push_back("CREATE TABLE " + name + " (LIKE " + parent_ +
                 " INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (" + column_ + ")");
  Table partitioned = table_;
  partitioned.oid = 0;
  partitioned.name = a.conversion.parent_name;
  partitioned.references.clear();  // no foreign key stands on it yet
  // New partitions look like the plain table.
  Partition plain;
  plain.oid = table_.oid;
  partitioned.partitions = {plain};
  partitioned.default_partition.reset();
  for (const std::string& setting : table_.column_settings)
    work.push_back("ALTER TABLE " + name + " " + setting);
  if (anatomy.comment) work.push_back("COMMENT ON TABLE " + name + " IS " + QuoteLiteral(*anatomy.comment));
  AddPolicies(a.conversion.parent_name);
  AddIndexes(a.conversion, &partitioned);
  for (std::string& statement : TriggerSql(name)) work.push_back(std::move(statement));
  AddPartitions(a, partitioned);
  if (!table_.attributes.empty()) {
    const Attributes& known = table_.attributes.front();
    if (known.replica_identity == 'f' || known.replica_identity == 'n') {
      work.push_back("ALTER TABLE ONLY " + name + " REPLICA IDENTITY " +
                     (known.replica_identity == 'f' ? "FULL" : "NOTHING"));
    }
  }
  for (std::string& statement : PrivilegeSql(name)) work.push_back(std::move(statement));
  if (anatomy.row_security) work.push_back("ALTER TABLE " + name + " ENABLE ROW LEVEL SECURITY");
  if (anatomy.force_row_security) work.push_back("ALTER TABLE " + name + " FORCE ROW LEVEL SECURITY");
  if (server_.user != table_.owner)
    work.push_back("ALTER TABLE " + name + " OWNER TO " + QuoteName(table_.owner));
}

void ConversionSql::AddIndexes(const Conversion& conversion, Table* partitioned) {
  const std::string name = Here(conversion.parent_name);
  const std::vector<TableIndex> indexes = OwnIndexes(*table_.anatomy, table_.name);
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    const TableIndex& index = indexes[i];
    if (index.constraint != 'p' && !OnParent(index)) {
      partitioned->leaf_uniques.push_back(index.definition);
      continue;
    }
    const std::string own = QuoteName(CarriedIndexName(conversion.parent_name, i));
    std::string statement;
    if (index.constraint == ' ') {
      statement = std::string("CREATE ") + (index.unique ? "UNIQUE " : "") + "INDEX " + own + " ON " + name +
                  " " + index.definition;
    } else {
      statement = "ALTER TABLE " + name + " ADD CONSTRAINT " + own + " " +
                  (OnParent(index) ? index.constraint_definition
                                   : "PRIMARY KEY (" + KeyList(index.columns) + ", " + column_ + ")") +
                  WithStorage(index.storage);
    }
    // In a statement it would stand at a place that depends on what else there is.
    if (!index.tablespace.empty()) out_.work.push_back(DefaultTablespace(index.tablespace));
    out_.work.push_back(std::move(statement));
    if (!index.tablespace.empty()) out_.work.push_back(DefaultTablespace(""));
  }
}

std::vector<std::string> ConversionSql::PrivilegeSql(const std::string& table) const {
  const Anatomy& anatomy = *table_.anatomy;
  std::vector<std::string> statements = {RevokeAll(table)};
  std::vector<Grant> grants = ParseAcl(anatomy.acl).value_or(std::vector<Grant>());
  std::erase_if(grants, [&](const Grant& grant) { return grant.grantee == table_.owner; });
  for (std::string& grant : GrantSql(grants, table)) statements.push_back(std::move(grant));
  for (const AroundName& grant : anatomy.column_grants) statements.push_back(grant.On(table));
  return statements;
}

// A policy with a subquery calls its table by name: while its policies are made
// the new table has that name, where nobody sees it.
void ConversionSql::AddPolicies(const std::string& table) {
  if (table_.anatomy->row_policies.empty()) return;
  const std::string here = Here(table);
  const std::string aside = QuoteName("partition_controller", table);
  const std::string namesake = QuoteName("partition_controller", table_.name);
  out_.work.push_back("ALTER TABLE " + here + " SET SCHEMA partition_controller");
  out_.work.push_back("ALTER TABLE " + aside + " RENAME TO " + QuoteName(table_.name));
  for (const AroundName& policy : table_.anatomy->row_policies) out_.work.push_back(policy.On(namesake));
  out_.work.push_back("ALTER TABLE " + namesake + " RENAME TO " + QuoteName(table));
  out_.work.push_back("ALTER TABLE " + aside + " SET SCHEMA " + QuoteName(table_.schema));
}

std::vector<std::string> ConversionSql::TriggerSql(const std::string& table) const {
  std::vector<std::string> statements;
  for (const TableTrigger& trigger : table_.anatomy->triggers) {
    statements.push_back(trigger.create.On(table));
    if (const char* enable = EnableTrigger(trigger.enabled)) {
      statements.push_back("ALTER TABLE " + table + " " + enable + QuoteName(trigger.name));
    }
  }
  return statements;
}

void ConversionSql::AddPartitions(const PrepareConversion& a, const Table& partitioned) {
  class Maker : public SqlWriter {
   public:
    using SqlWriter::SqlWriter;
    void Make(const std::string& name) { MakeLikeParent(name); }
    void MakeAndAttach(const NewPartition& partition) {
      const std::string table = QuoteName(table_.schema, partition.name);
      MakeLikeParent(partition.name);
      Attach(table, partition.range);
      out_.work.push_back(std::move(out_.swift.back()));  // nobody uses the parent yet
      out_.swift.clear();
      out_.work.push_back("ANALYZE " + table);
      out_.work.push_back(RecordMade(table_, table_.schema, partition.name, partition.range));
    }
  };
  Maker maker(policy_, partitioned, server_);
  for (const NewPartition& partition : a.partitions) maker.MakeAndAttach(partition);
  // Stated as a CHECK, so that the history is attached without reading what
  // has been diverted here.
  maker.Make(a.default_name);
  const std::vector<std::string> made = maker.Take().work;
  out_.work.insert(out_.work.end(), made.begin(), made.end());
  const std::string fallback = Here(a.default_name);
  out_.work.push_back("ALTER TABLE " + fallback + " ADD CONSTRAINT " + kBoundCheck + " CHECK (" + column_ +
                      " >= " + LiteralSql(Bound::At(a.conversion.cut), key_) + ")");
  out_.work.push_back("ALTER TABLE " + Here(a.conversion.parent_name) + " ATTACH PARTITION " + fallback +
                      " DEFAULT");
}

void ConversionSql::operator()(const BuildIndex& a) {
  out_.repeat = Transaction::Repeat::kAlone;
  out_.work.push_back("CREATE UNIQUE INDEX CONCURRENTLY " + QuoteName(a.name) + " ON " + Quoted(a.table) +
                      " (" + KeyList(a.columns) + ")" + WithStorage(a.storage) +
                      (a.tablespace.empty() ? "" : " TABLESPACE " + QuoteName(a.tablespace)));
}

void ConversionSql::operator()(const DropInvalidIndex& a) {
  Gentle(a.table);
  LockExclusive(a.table);
  Expect(a.table);
  out_.swift.push_back(Raise("(SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = " +
                                 RegClass(Here(a.name)) + ") IS DISTINCT FROM false",
                             "index " + Here(a.name) + " is not invalid any more", kStaleState));
  out_.swift.push_back("DROP INDEX " + Here(a.name));
  out_.can_wait = true;
}

void ConversionSql::operator()(const FenceConversion& a) {
  const std::string cut = LiteralSql(Bound::At(a.conversion.cut), key_);
  Gentle(Plain());
  LockExclusive(Plain());
  TryAtOnce();
  Expect(Plain());
  ExpectShape(a.conversion);
  out_.swift.push_back(DivertFunction(Plain(), Here(a.conversion.parent_name),
                                      WriterDecides(*table_.anatomy) ? kRightsOfWriter : kRightsOfOwner,
                                      RefuseUnknownValues()));
  CreateDivert(Plain(), kFence, "NEW." + column_ + " >= " + cut);
  out_.swift.push_back("ALTER TABLE " + parent_ + " ADD CONSTRAINT " + kFenceCheck + " CHECK (" + column_ +
                       " < " + cut + ") NOT VALID");
  out_.swift.push_back(RecordConversionState(a.conversion, "fenced"));
}

// A column that was added since has no place where the row goes.  Before the
// conversion has noticed, such a row is rather refused than cut short.
std::string ConversionSql::RefuseUnknownValues() const {
  std::string known;
  for (const std::string& column : table_.columns)
    known += (known.empty() ? "" : ", ") + QuoteLiteral(column);
  return "  IF pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(NEW) OPERATOR(pg_catalog.-) ARRAY[" + known +
         "]::pg_catalog.text[]) OPERATOR(pg_catalog.<>) '{}'::pg_catalog.jsonb THEN\n    RAISE EXCEPTION "
         "USING "
         "ERRCODE = '" +
         kStaleState + "', MESSAGE = " +
         QuoteLiteral(parent_ + " has been altered while it is being converted; repeat this in a minute") +
         ";\n  END IF;\n";
}

void ConversionSql::DropDivert() {
  out_.swift.push_back("DROP TRIGGER " + QuoteName(kFence) + " ON " + parent_);
  out_.swift.push_back("DROP FUNCTION " + FunctionName() + "()");
}

void ConversionSql::ExpectShape(const Conversion& conversion) {
  const std::string check =
      Raise(ShapeSql(table_.oid, table_.name) + " IS DISTINCT FROM " + QuoteLiteral(conversion.shape),
            parent_ + " has been altered since the conversion began", kStaleState);
  // It reads much of the catalog, and what a session reads the first time
  // takes long: not while others wait.
  out_.gentle.push_back(check);
  out_.swift.push_back(check);
}

void ConversionSql::LockViews() {
  // LOCK TABLE would lock all tables below the view.  An owner that stays the
  // same changes nothing, under the same lock as one that does not.
  for (const DependentView& view : table_.anatomy->views) {
    out_.contended.push_back("pg_catalog.to_regclass(" + QuoteLiteral(view.name) + ")::pg_catalog.oid");
    LockBy("ALTER VIEW " + view.name + " OWNER TO " + view.owner);
  }
}

// A row that was diverted, of which its writer was told that it was not
// inserted, gives way to one that was there before with the same key.
void ConversionSql::KeepOlderRows(const std::string& partitioned, const std::string& cut) {
  for (const TableIndex& index : table_.anatomy->indexes) {
    // The primary key's place is taken by the index that was built for it.
    if (!index.unique || index.columns.empty() || (index.constraint == 'p' && !index.holds_key)) continue;
    out_.work.push_back("DELETE FROM " + partitioned + " d USING ONLY " + parent_ + " p WHERE p." + column_ +
                        " >= " + cut + " AND " + SameKey(index, "d", "p"));
  }
}

void ConversionSql::operator()(const FinishConversion& a) {
  out_.urgent = true;
  MoveBeyond(a);
  // A deferred foreign key would otherwise leave events pending, and no table
  // that has some can be altered.
  out_.work.push_back("SET CONSTRAINTS ALL IMMEDIATE");
  out_.work.push_back("ALTER TABLE " + parent_ + " VALIDATE CONSTRAINT " + kFenceCheck);
  Gentle(Plain());
  const TableRef fallback = RefOf(table_.default_partition->partition);
  Gentle(fallback);
  LockViews();
  LockReferences(kEverybody);
  LockExclusive(Plain());
  LockExclusive({a.conversion.parent, table_.schema, a.conversion.parent_name, ""});
  LockExclusive(fallback);
  TryAtOnce();
  Expect(Plain());
  ExpectShape(a.conversion);
  DropDivert();
  // The partitioned table has these, and gives them to its partitions.
  for (const TableTrigger& trigger : table_.anatomy->triggers) {
    out_.swift.push_back("DROP TRIGGER " + QuoteName(trigger.name) + " ON " + parent_);
  }
  // What was diverted fired no trigger of a rollup.
  MarkRows(Here(a.conversion.parent_name));
  MoveSequences(a.conversion);
  ExchangeNames(a.conversion);
  MoveRollupTriggers(Here(a.conversion.history_name), parent_);
  AttachHistory(a.conversion);
  PointOthersHere(Here(a.conversion.history_name));
  PutComments();
  out_.swift.push_back(RecordConverted(table_, a.conversion));
}

void ConversionSql::MoveBeyond(const FinishConversion& a) {
  const std::string cut = LiteralSql(Bound::At(a.conversion.cut), key_);
  const std::string partitioned = Here(a.conversion.parent_name);
  // A DELETE is more than nothing even where it finds no row: triggers fire for
  // it, and of a published table without replica identity it is refused.
  if (a.rows == 0) {
    out_.work.push_back(
        Raise("EXISTS (SELECT FROM ONLY " + parent_ + " WHERE " + column_ + " >= " + cut + ")",
              "rows of " + parent_ + " lie beyond the cut, as none did when this was planned", kStaleState));
    return;
  }
  KeepOlderRows(partitioned, cut);
  out_.work.push_back(MoveRows(parent_, partitioned, column_ + " >= " + cut));
}

void ConversionSql::MoveSequences(const Conversion& conversion) {
  const std::string partitioned = Here(conversion.parent_name);
  for (const OwnedSequence& sequence : table_.anatomy->sequences) {
    const std::string name = QuoteName(sequence.schema, sequence.name);
    const std::string column = QuoteName(sequence.column);
    if (!sequence.identity) {
      out_.swift.push_back("ALTER SEQUENCE " + name + " OWNED BY " + partitioned + "." + column);
      continue;
    }
    const std::string own = "pg_catalog.pg_get_serial_sequence(" + QuoteLiteral(partitioned) + ", " +
                            QuoteLiteral(sequence.column) + ")";
    out_.swift.push_back("SELECT pg_catalog.setval(" + own +
                         "::pg_catalog.regclass, last_value, is_called) FROM " + name);
    out_.swift.push_back("ALTER TABLE " + parent_ + " ALTER COLUMN " + column + " DROP IDENTITY");
    out_.swift.push_back("DO " +
                         DollarQuote("BEGIN\n  EXECUTE pg_catalog.format('ALTER SEQUENCE %s RENAME TO %I', " +
                                     own + ", " + QuoteLiteral(sequence.name) + ");\nEND"));
    out_.swift.insert(out_.swift.end(), sequence.grants.begin(), sequence.grants.end());
  }
}

void ConversionSql::ExchangeNames(const Conversion& conversion) {
  const std::string history = Here(conversion.history_name);
  out_.swift.push_back("ALTER TABLE " + parent_ + " RENAME TO " + QuoteName(conversion.history_name));
  out_.swift.push_back("ALTER TABLE " + Here(conversion.parent_name) + " RENAME TO " +
                       QuoteName(table_.name));
  const std::vector<TableIndex> indexes = OwnIndexes(*table_.anatomy, table_.name);
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    const TableIndex& index = indexes[i];
    if (index.constraint == 'p' && !OnParent(index)) {
      out_.swift.push_back("ALTER TABLE " + history + " DROP CONSTRAINT " + QuoteName(index.name));
      const std::string own = QuoteName(CarriedIndexName(conversion.history_name, i));
      out_.swift.push_back("ALTER TABLE " + history + " ADD CONSTRAINT " + own + " PRIMARY KEY USING INDEX " +
                           QuoteName(conversion.key_index));
      if (index.clustered) out_.swift.push_back("ALTER TABLE " + history + " CLUSTER ON " + own);
    } else if (OnParent(index)) {
      out_.swift.push_back("ALTER INDEX " + Here(index.name) + " RENAME TO " +
                           QuoteName(CarriedIndexName(conversion.history_name, i)));
    } else {
      continue;  // stays what it is, inside the history
    }
    out_.swift.push_back("ALTER INDEX " + Here(CarriedIndexName(conversion.parent_name, i)) + " RENAME TO " +
                         QuoteName(index.name));
  }
}

// By now `parent_` is the partitioned table's name.
void ConversionSql::AttachHistory(const Conversion& conversion) {
  const std::string history = Here(conversion.history_name);
  const auto tail = [](const std::string& index) {
    const std::string definition = "pg_catalog.pg_get_indexdef(" + index + ".indexrelid)";
    return "pg_catalog.substr(" + definition + ", pg_catalog.strpos(" + definition + ", ' USING '))";
  };
  const auto constraint = [](const std::string& index) {
    return "(SELECT k.contype FROM pg_catalog.pg_constraint k WHERE k.conindid = " + index +
           ".indexrelid AND k.conrelid = " + index + ".indrelid AND k.contype IN ('p', 'u'))";
  };
  // For each index of the parent, ATTACH takes one of the table that is its
  // equal, or builds one under its locks.
  out_.swift.push_back(
      Raise("EXISTS (SELECT FROM pg_catalog.pg_index p WHERE p.indrelid = " + RegClass(parent_) +
                " AND NOT EXISTS (SELECT FROM pg_catalog.pg_index c WHERE c.indrelid = " + RegClass(history) +
                " AND c.indisvalid AND c.indisunique = p.indisunique AND " + tail("c") + " = " + tail("p") +
                " AND " + constraint("c") + " IS NOT DISTINCT FROM " + constraint("p") + "))",
            "an index of " + parent_ + " has no equal on " + history + ": attaching it would build one",
            kStaleState));
  Attach(history, {Bound::MinValue(), Bound::At(conversion.cut)});
  out_.swift.push_back("ALTER TABLE " + history + " DROP CONSTRAINT " + kFenceCheck);
  out_.swift.push_back("ALTER TABLE " + Quoted(RefOf(table_.default_partition->partition)) +
                       " DROP CONSTRAINT " + kBoundCheck);
}

void ConversionSql::PutComments() {
  const std::vector<std::string>& comments = table_.anatomy->comments;
  out_.swift.insert(out_.swift.end(), comments.begin(), comments.end());
}

void ConversionSql::PointOthersHere(const std::string& former) {
  for (const DependentView& view : table_.anatomy->views) out_.swift.push_back(view.statement);
  for (const PublishedBy& publication : table_.anatomy->publications) {
    if (!publication.by_name) continue;
    out_.swift.push_back("ALTER PUBLICATION " + publication.name + " DROP TABLE ONLY " + former);
    out_.swift.push_back("ALTER PUBLICATION " + publication.name + " ADD TABLE " + parent_ +
                         publication.tail);
  }
}

void ConversionSql::operator()(const UnfenceConversion& a) {
  Gentle(Plain());
  LockExclusive(Plain());
  Expect(Plain());
  DropDivert();
  out_.swift.push_back("ALTER TABLE " + parent_ + " DROP CONSTRAINT " + kFenceCheck);
  out_.swift.push_back(RecordConversionState(a.conversion, "prepared"));
}

void ConversionSql::operator()(const AbandonConversion& a) {
  const std::string partitioned = Here(a.conversion.parent_name);
  Gentle(Plain());
  if (table_.default_partition) Gentle(RefOf(table_.default_partition->partition));
  LockReferences(kEverybody);
  if (table_.anatomy && MovesFireTriggers(*table_.anatomy)) {
    // They have fired for these rows.
    LockExclusive(Plain());
    SwitchTriggers(false);
    out_.swift.push_back(MoveBack(partitioned));
    out_.swift.push_back("SET CONSTRAINTS ALL IMMEDIATE");
    SwitchTriggers(true);
  } else {
    out_.work.push_back(MoveBack(partitioned));
    out_.work.push_back("SET CONSTRAINTS ALL IMMEDIATE");
  }
  if (!a.keep_index && !a.conversion.key_index.empty()) {
    LockExclusive(Plain());
    out_.swift.push_back("DROP INDEX IF EXISTS " + Here(a.conversion.key_index));
  }
  Expect(Plain());
  out_.swift.push_back(Assertion({a.conversion.parent, table_.schema, a.conversion.parent_name, ""}, ""));
  out_.swift.push_back("DROP TABLE " + partitioned);
  out_.swift.push_back(RecordAbandoned(a.conversion));
}

void ConversionSql::SwitchTriggers(bool on) {
  for (const TableTrigger& trigger : table_.anatomy->triggers) {
    if (!trigger.on_rows_moved || trigger.enabled == 'D') continue;
    const char* enable = EnableTrigger(trigger.enabled);
    out_.swift.push_back("ALTER TABLE ONLY " + parent_ + " " +
                         (!on                 ? "DISABLE TRIGGER "
                          : enable == nullptr ? "ENABLE TRIGGER "
                                              : enable) +
                         QuoteName(trigger.name));
  }
}

// The table may have got and lost columns since.  What stood in one that is
// gone goes with it, but a column that was only given another name is nothing
// to guess about.  Nobody writes to the partitioned table any more.
std::string ConversionSql::MoveBack(const std::string& partitioned) const {
  return "DO " +
         DollarQuote(
             "DECLARE\n  kept text;\n  gone text;\nBEGIN\n  IF NOT EXISTS (SELECT FROM " + partitioned +
             ") THEN\n    RETURN;\n  END IF;\n  SELECT pg_catalog.string_agg(pg_catalog.quote_ident("
             "f.attname), ', ' ORDER BY f.attnum) FILTER (WHERE t.attname IS NOT NULL), "
             "pg_catalog.string_agg(pg_catalog.quote_ident(f.attname), ', ' ORDER BY f.attnum) FILTER "
             "(WHERE t.attname IS NULL) INTO kept, gone FROM pg_catalog.pg_attribute f LEFT JOIN "
             "pg_catalog.pg_attribute t ON t.attrelid = " +
             std::to_string(table_.oid) +
             " AND t.attname = f.attname AND t.attnum > 0 AND NOT t.attisdropped AND t.attgenerated = "
             "'' WHERE f.attrelid = " +
             RegClass(partitioned) +
             " AND f.attnum > 0 AND NOT f.attisdropped AND f.attgenerated = '';\n  IF gone IS NOT NULL "
             "THEN\n    RAISE EXCEPTION USING MESSAGE = pg_catalog.format('rows in %s have columns that "
             "%s has no more: %s; rename them there as they were renamed here, or drop them', " +
             QuoteLiteral(partitioned) + ", " + QuoteLiteral(parent_) +
             ", gone);\n  END IF;\n  EXECUTE pg_catalog.format('INSERT INTO %1$s (%2$s)" + Overriding() +
             " SELECT %2$s FROM %3$s ON CONFLICT DO NOTHING', " + QuoteLiteral(parent_) + ", kept, " +
             QuoteLiteral(partitioned) + ");\nEND");
}

}  // namespace partition_controller
