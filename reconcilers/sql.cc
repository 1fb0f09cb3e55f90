#include "reconcilers/sql.h"

#include <algorithm>

#include "reconcilers/acl.h"
#include "reconcilers/bookkeeping.h"
#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// Constraint and trigger names are looked up per table, so they can be fixed.
constexpr const char* kBoundCheck = "partition_controller_bounds";
constexpr const char* kDrainCheck = "partition_controller_drain";
constexpr const char* kDivert = "partition_controller_divert";

std::string Quoted(const TableRef& ref) { return QuoteName(ref.schema, ref.name); }

class Renderer {
 public:
  Renderer(const Policy& policy, const Table& table, const Server& server)
      : table_(table),
        server_(server),
        key_(KeyTypeOf(table.key_column_type).value()),
        parent_(QuoteName(table.schema, table.name)),
        column_(QuoteName(policy.time_column)) {}

  Transaction Take() { return std::move(out_); }

  void operator()(const FinalizeDetach& a) {
    Gentle(a.partition);
    Contend(table_.oid);
    Contend(a.partition.oid);
    LockReferences(kWriters);
    out_.swift.push_back("ALTER TABLE " + parent_ + " DETACH PARTITION " + Quoted(a.partition) + " FINALIZE");
    out_.swift.push_back(RecordGone(a.partition.oid));
  }

  void operator()(const ForgetDetached& a) { out_.work.push_back(RecordGone(a.table.oid)); }

  void operator()(const CreatePartition& a) {
    MakeLikeParent(a.partition.name);
    out_.work.push_back("ANALYZE " + QuoteName(table_.schema, a.partition.name));
    GentleParent();
    LockReferences(kWriters);
    LockWriters();
    LockDefault();
    Attach(QuoteName(table_.schema, a.partition.name), a.partition.range);
    ReplicaIndex(a.partition.name);
    out_.swift.push_back(RecordMade(table_, table_.schema, a.partition.name, a.partition.range));
  }

  void operator()(const CreateDefault& a) {
    MakeLikeParent(a.name);
    GentleParent();
    LockReferences(kWriters);
    out_.swift.push_back("ALTER TABLE " + parent_ + " ATTACH PARTITION " + QuoteName(table_.schema, a.name) +
                         " DEFAULT");
    ReplicaIndex(a.name);
  }

  void operator()(const RemoveDefault& a) {
    GentleParent();
    LockParent();
    LockDefault();
    Expect(a.partition);
    ExpectEmpty(a.partition);
    out_.swift.push_back("DROP TABLE " + Quoted(a.partition));
    out_.swift.push_back(RecordGone(a.partition.oid));
  }

  void operator()(const ReplacePartitions& a) {
    for (const NewPartition& made : a.create) {
      MakeLikeParent(made.name);
      out_.work.push_back("ANALYZE " + QuoteName(table_.schema, made.name));
    }
    GentleParent();
    for (const TableRef& ref : a.drop) Gentle(ref);
    LockReferences(kWriters);
    LockParent();
    LockDefault();
    for (const TableRef& ref : a.drop) {
      LockExclusive(ref);
      Expect(ref);
      ExpectEmpty(ref);
    }
    for (const TableRef& ref : a.drop) {
      out_.swift.push_back("DROP TABLE " + Quoted(ref));
      out_.swift.push_back(RecordGone(ref.oid));
    }
    for (const NewPartition& made : a.create) {
      Attach(QuoteName(table_.schema, made.name), made.range);
      ReplicaIndex(made.name);
      out_.swift.push_back(RecordMade(table_, table_.schema, made.name, made.range));
    }
  }

  void operator()(const BeginDrain& a) {
    const bool move = a.drain.mode == Drain::Mode::kMove;
    const std::string target = QuoteName(a.drain.target_schema, a.drain.target_name);
    const bool made = a.drain.target == 0;
    if (made) {
      MakeLikeParent(a.drain.target_name);
      if (move) {
        out_.work.push_back("ALTER TABLE " + target + " ADD CONSTRAINT " + kBoundCheck + " CHECK (" +
                            Inside(column_, a.drain.range) + ")");
      }
    }
    Gentle(a.default_partition);
    if (made) LockReferences(kWriters);
    LockExclusive(a.default_partition);
    Expect(a.default_partition);
    if (made) {
      // On the empty table a foreign key costs nothing; on the full one the
      // ATTACH would check every row under its locks.
      for (const std::string& key : table_.foreign_keys) {
        out_.swift.push_back("ALTER TABLE " + target + " ADD " + key);
      }
    } else {
      ExpectDetached({a.drain.target, a.drain.target_schema, a.drain.target_name, ""});
    }
    const std::string leaves =
        move ? Inside("NEW." + column_, a.drain.range) : Outside("NEW." + column_, a.drain.range);
    out_.swift.push_back(DivertFunction(a.default_partition, target));
    out_.swift.push_back("CREATE TRIGGER " + std::string(kDivert) + " BEFORE INSERT OR UPDATE ON " +
                         Quoted(a.default_partition) + " FOR EACH ROW WHEN (" + leaves +
                         ") EXECUTE FUNCTION " + FunctionName() + "()");
    // Also for rows that logical replication brings.
    out_.swift.push_back("ALTER TABLE " + Quoted(a.default_partition) + " ENABLE ALWAYS TRIGGER " + kDivert);
    out_.swift.push_back("ALTER TABLE " + Quoted(a.default_partition) + " ADD CONSTRAINT " + kDrainCheck +
                         " CHECK (" + Stays(a.drain) + ") NOT VALID");
    out_.swift.push_back(RecordDrain(table_, a.drain));
  }

  void operator()(const FinishDrain& a) {
    out_.urgent = true;
    const bool move = a.drain.mode == Drain::Mode::kMove;
    const std::string fallback = Quoted(a.default_partition);
    const std::string target = QuoteName(a.drain.target_schema, a.drain.target_name);
    const std::string leaves = move ? Inside(column_, a.drain.range) : Outside(column_, a.drain.range);
    const std::string columns = Columns("");
    out_.work.push_back("WITH moved AS (DELETE FROM ONLY " + fallback + " WHERE " + leaves + " RETURNING " +
                        columns + ") INSERT INTO " + target + " (" + columns + ")" +
                        (table_.overriding ? " OVERRIDING SYSTEM VALUE" : "") + " SELECT " + columns +
                        " FROM moved ON CONFLICT DO NOTHING");
    // A deferred foreign key would otherwise leave events pending, and ATTACH
    // refuses a table that has some.
    out_.work.push_back("SET CONSTRAINTS ALL IMMEDIATE");
    out_.work.push_back("ALTER TABLE " + fallback + " VALIDATE CONSTRAINT " + kDrainCheck);
    out_.work.push_back("ANALYZE " + target);
    GentleParent();
    LockReferences(kEverybody);
    const std::string drop_check = "ALTER TABLE " + fallback + " DROP CONSTRAINT " + kDrainCheck;
    const std::string drop_trigger = "DROP TRIGGER " + std::string(kDivert) + " ON " + fallback;
    if (move) {
      LockWriters();
      LockDefault();
      Expect(a.default_partition);
      Attach(target, a.drain.range);
      out_.swift.push_back(drop_trigger);
      out_.swift.push_back(drop_check);
      out_.swift.push_back("ALTER TABLE " + target + " DROP CONSTRAINT " + kBoundCheck);
      ReplicaIndex(a.drain.target_name);
      if (Known(a.drain.target)) {
        out_.swift.push_back(
            RecordAttached({a.drain.target, a.drain.target_schema, a.drain.target_name, ""}));
      } else {
        out_.swift.push_back(RecordMade(table_, a.drain.target_schema, a.drain.target_name, a.drain.range));
      }
    } else {
      LockParent();
      LockDefault();
      Expect(a.default_partition);
      const std::string name = QuoteName(a.promoted_name);
      out_.swift.push_back("ALTER TABLE " + parent_ + " DETACH PARTITION " + fallback);
      out_.swift.push_back(drop_trigger);
      Attach(fallback, a.drain.range);
      out_.swift.push_back(drop_check);
      out_.swift.push_back("ALTER TABLE " + fallback + " RENAME TO " + name);
      out_.swift.push_back("ALTER TABLE " + target + " RENAME TO " + QuoteName(a.default_partition.name));
      out_.swift.push_back("ALTER TABLE " + parent_ + " ATTACH PARTITION " +
                           QuoteName(a.drain.target_schema, a.default_partition.name) + " DEFAULT");
      ReplicaIndex(a.default_partition.name);
      out_.swift.push_back(RecordMade(table_, a.default_partition.schema, a.promoted_name, a.drain.range));
    }
    out_.swift.push_back("DROP FUNCTION " + FunctionName() + "()");
    out_.swift.push_back(RecordDrained(table_));
  }

  void operator()(const AddBoundCheck& a) {
    Gentle(a.partition);
    LockExclusive(a.partition);
    Expect(a.partition);
    out_.swift.push_back("ALTER TABLE " + Quoted(a.partition) + " ADD CONSTRAINT " + kBoundCheck +
                         " CHECK (" + Inside(column_, a.range) + ") NOT VALID");
  }

  void operator()(const ValidateBoundCheck& a) {
    out_.work.push_back("ALTER TABLE " + Quoted(a.partition) + " VALIDATE CONSTRAINT " + kBoundCheck);
  }

  void operator()(const DetachPartition& a) {
    GentleParent();
    Gentle(a.partition);
    LockReferences(kWriters);
    LockParent();
    LockDefault();
    LockExclusive(a.partition);
    Expect(a.partition);
    out_.swift.push_back("ALTER TABLE " + parent_ + " DETACH PARTITION " + Quoted(a.partition));
    out_.swift.push_back(RecordDetached(table_, a.partition, a.range, a.undo_window));
  }

  void operator()(const ReattachPartition& a) {
    GentleParent();
    Gentle(a.table);
    LockReferences(kEverybody);
    LockWriters();
    LockDefault();
    LockExclusive(a.table);
    ExpectDetached(a.table);
    Attach(Quoted(a.table), a.range);
    out_.swift.push_back("ALTER TABLE " + Quoted(a.table) + " DROP CONSTRAINT " + kBoundCheck);
    out_.swift.push_back(RecordAttached(a.table));
  }

  void operator()(const DropPartition& a) {
    if (a.attached) {
      GentleParent();
      Gentle(a.partition);
      LockParent();
      LockDefault();
      LockExclusive(a.partition);
      Expect(a.partition);
    } else {
      Gentle(a.partition);
      LockReferences(kEverybody);
      LockExclusive(a.partition);
      ExpectDetached(a.partition);
    }
    out_.swift.push_back("DROP TABLE " + Quoted(a.partition));
    out_.swift.push_back(RecordGone(a.partition.oid));
  }

  void operator()(const DeleteExpiredRows& a) {
    const std::string leaf = Quoted(a.leaf);
    const std::string expired = column_ + " < " + LiteralSql(Bound::At(a.cutoff), key_);
    if (a.leaf.oid != 0) out_.work.push_back(Assertion(a.leaf, a.leaf.bounds));
    if (a.has_time_index || server_.version < 140000) {
      out_.repeat = Transaction::Repeat::kUntilNoRows;
      out_.work.push_back("DELETE FROM ONLY " + leaf + " WHERE ctid = ANY (ARRAY(SELECT ctid FROM ONLY " +
                          leaf + " WHERE " + expired +
                          (a.has_time_index ? " ORDER BY " + column_ : std::string()) + " LIMIT " +
                          std::to_string(kRowsPerBatch) + ")) AND " + expired);
    } else {
      // Without an index every batch would start from the beginning; a TID
      // range scan (PostgreSQL 14) goes through the table once.
      out_.repeat = Transaction::Repeat::kOverPages;
      out_.pages_of = leaf;
      out_.work.push_back("DELETE FROM ONLY " + leaf +
                          " WHERE ctid >= pg_catalog.format('(%s,0)', $1::bigint)::pg_catalog.tid AND ctid < "
                          "pg_catalog.format('(%s,0)', $2::bigint)::pg_catalog.tid AND " +
                          expired);
    }
  }

  void operator()(const AnalyzeParent&) {
    out_.work.push_back("ANALYZE " + parent_);
    out_.work.push_back(RecordAnalyzed(table_));
  }

 private:
  bool Known(Oid oid) const {
    return oid != 0 && std::any_of(table_.detached.begin(), table_.detached.end(),
                                   [&](const Detached& d) { return d.oid == oid; });
  }

  std::string Inside(const std::string& column, const Range& range) const {
    std::string text;
    if (range.from.finite()) text = column + " >= " + LiteralSql(range.from, key_);
    if (range.to.finite())
      text += (text.empty() ? "" : " AND ") + column + " < " + LiteralSql(range.to, key_);
    return text.empty() ? "true" : text;
  }
  std::string Outside(const std::string& column, const Range& range) const {
    std::string text;
    if (range.from.finite()) text = column + " < " + LiteralSql(range.from, key_);
    if (range.to.finite())
      text += (text.empty() ? "" : " OR ") + column + " >= " + LiteralSql(range.to, key_);
    return text.empty() ? "false" : text;
  }
  // What holds for every row of the default partition once it is drained.
  std::string Stays(const Drain& drain) const {
    return drain.mode == Drain::Mode::kMove ? Outside(column_, drain.range) : Inside(column_, drain.range);
  }

  std::string Columns(const std::string& prefix) const {
    std::string text;
    for (const std::string& column : table_.columns)
      text += (text.empty() ? "" : ", ") + prefix + QuoteName(column);
    return text;
  }

  std::string FunctionName() const { return "partition_controller.divert_" + std::to_string(table_.oid); }

  // ON CONFLICT: a row that is replayed while its range moves is there already.
  std::string DivertFunction(const TableRef& from, const std::string& target) const {
    const std::string body = "BEGIN\n  IF TG_OP = 'UPDATE' THEN\n    DELETE FROM ONLY " + Quoted(from) +
                             " WHERE ctid = OLD.ctid;\n  END IF;\n  INSERT INTO " + target + " (" +
                             Columns("") + ")" + (table_.overriding ? " OVERRIDING SYSTEM VALUE" : "") +
                             " VALUES (" + Columns("NEW.") + ") ON CONFLICT DO NOTHING;\n  RETURN NULL;\nEND";
    return "CREATE OR REPLACE FUNCTION " + FunctionName() +
           "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS " +
           DollarQuote(body);
  }

  const Attributes* NewestSibling() const {
    const Partition* newest = nullptr;
    for (const Partition& partition : table_.partitions) {  // ordered by range
      if (partition.kind == Partition::Kind::kTable && partition.oid != 0) newest = &partition;
    }
    if (newest == nullptr && table_.default_partition) newest = &table_.default_partition->partition;
    if (newest == nullptr || newest->attributes >= table_.attributes.size()) return nullptr;
    return &table_.attributes[newest->attributes];
  }

  // An empty table with what a partition needs and does not inherit.  Identity
  // stays the parent's: from PostgreSQL 17 on a partition may not bring its own.
  void MakeLikeParent(const std::string& name) {
    const Attributes* sibling = NewestSibling();
    const std::string table = QuoteName(table_.schema, name);
    const bool unlogged = sibling != nullptr && sibling->unlogged;
    out_.work.push_back(std::string("CREATE ") + (unlogged ? "UNLOGGED " : "") + "TABLE " + table +
                        " (LIKE " + parent_ + " INCLUDING ALL EXCLUDING IDENTITY)" +
                        (sibling != nullptr && !sibling->tablespace.empty()
                             ? " TABLESPACE " + QuoteName(sibling->tablespace)
                             : std::string()));
    if (sibling != nullptr) {
      for (const std::string& option : sibling->options) {
        const std::size_t equals = option.find('=');
        if (equals == std::string::npos) continue;
        out_.work.push_back("ALTER TABLE " + table + " SET (" + QuoteName(option.substr(0, equals)) + " = " +
                            QuoteLiteral(option.substr(equals + 1)) + ")");
      }
      if (sibling->replica_identity == 'f' || sibling->replica_identity == 'n') {
        out_.work.push_back("ALTER TABLE " + table + " REPLICA IDENTITY " +
                            (sibling->replica_identity == 'f' ? "FULL" : "NOTHING"));
      }
      std::vector<Grant> grants = ParseAcl(sibling->acl).value_or(std::vector<Grant>());
      std::erase_if(grants, [&](const Grant& grant) { return grant.grantee == sibling->owner; });
      for (std::string& grant : GrantSql(grants, table)) out_.work.push_back(std::move(grant));
    }
    if (server_.user != table_.owner) {
      out_.work.push_back("ALTER TABLE " + table + " OWNER TO " + QuoteName(table_.owner));
    }
  }

  // REPLICA IDENTITY USING INDEX names an index of the partition itself: the
  // one that ATTACH tied to the same index of the parent.
  void ReplicaIndex(const std::string& name) {
    const Attributes* sibling = NewestSibling();
    if (sibling == nullptr || sibling->replica_identity != 'i') return;
    const std::string table = QuoteName(table_.schema, name);
    out_.swift.push_back(
        "DO " +
        DollarQuote(
            "DECLARE index_name text;\nBEGIN\n  SELECT c.relname INTO STRICT index_name FROM "
            "pg_catalog.pg_inherits h JOIN pg_catalog.pg_index i ON i.indexrelid = h.inhrelid JOIN "
            "pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE h.inhparent = " +
            std::to_string(sibling->replica_parent_index) + " AND i.indrelid = " + QuoteLiteral(table) +
            "::pg_catalog.regclass;\n  EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY USING "
            "INDEX %I', " +
            QuoteLiteral(table) + ", index_name);\nEND"));
  }

  void Attach(const std::string& table, const Range& range) {
    out_.swift.push_back("ALTER TABLE " + parent_ + " ATTACH PARTITION " + table + " FOR VALUES FROM (" +
                         BoundSql(range.from, key_) + ") TO (" + BoundSql(range.to, key_) + ")");
  }

  void Contend(Oid oid) {
    if (oid != 0) out_.contended.push_back(std::to_string(oid));
  }
  // First the weak lock, which waits out an autovacuum while nobody waits for
  // us; then the strong one.
  void Gentle(const TableRef& ref) {
    out_.gentle.push_back("LOCK TABLE ONLY " + Quoted(ref) + " IN SHARE UPDATE EXCLUSIVE MODE");
  }
  void GentleParent() {
    out_.gentle.push_back("LOCK TABLE ONLY " + parent_ + " IN SHARE UPDATE EXCLUSIVE MODE");
    if (table_.default_partition) Gentle(RefOf(table_.default_partition->partition));
  }
  void LockExclusive(const TableRef& ref) {
    Contend(ref.oid);
    out_.swift.push_back("LOCK TABLE ONLY " + Quoted(ref) + " IN ACCESS EXCLUSIVE MODE");
  }
  void LockParent() { LockExclusive({table_.oid, table_.schema, table_.name, ""}); }
  // An INSERT that is under way has looked up the partitions already: it would
  // still send a row of the new range to the default partition, which refuses
  // such rows from the moment of the ATTACH on.
  void LockWriters() {
    if (!table_.default_partition) return;
    Contend(table_.oid);
    out_.swift.push_back("LOCK TABLE ONLY " + parent_ + " IN SHARE ROW EXCLUSIVE MODE");
  }
  void LockDefault() {
    if (table_.default_partition) LockExclusive(RefOf(table_.default_partition->partition));
  }

  // The tables that the foreign keys point to come before the table itself, as
  // they do in whatever transaction adds rows to both: else we would wait for a
  // writer that waits for us, until the rung ends.  ATTACH, DETACH and DROP lock
  // them by themselves, without any privilege; LOCK TABLE wants one.
  void LockReferences(const std::string& mode) {
    for (const std::string& referenced : table_.references) {
      const std::string name = QuoteLiteral(referenced);
      if (mode == kEverybody)
        out_.contended.push_back("pg_catalog.to_regclass(" + name + ")::pg_catalog.oid");
      out_.swift.push_back("DO " + DollarQuote("BEGIN\n  IF pg_catalog.has_table_privilege(" + name +
                                               ", 'UPDATE, DELETE, TRUNCATE') THEN\n    LOCK TABLE ONLY " +
                                               referenced + " IN " + mode + " MODE;\n  END IF;\nEND"));
    }
  }
  // What foreign keys' triggers take to come and to go.
  static constexpr const char* kWriters = "SHARE ROW EXCLUSIVE";
  static constexpr const char* kEverybody = "ACCESS EXCLUSIVE";

  // Fails unless the name still means this table and, for a partition, its
  // parent and bounds are what the plan saw.
  std::string Assertion(const TableRef& ref, const std::string& bounds) const {
    std::string wrong = "pg_catalog.to_regclass(" + QuoteLiteral(Quoted(ref)) + ") IS DISTINCT FROM " +
                        std::to_string(ref.oid) + "::pg_catalog.oid::pg_catalog.regclass";
    if (!bounds.empty()) {
      wrong +=
          " OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = "
          "i.inhrelid WHERE i.inhrelid = " +
          std::to_string(ref.oid) + " AND i.inhparent = " + std::to_string(table_.oid) +
          " AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = " + QuoteLiteral(bounds) + ")";
    }
    return Raise(wrong, Quoted(ref) + " is no longer what the plan saw", kStaleState);
  }
  static std::string Raise(const std::string& when, const std::string& message, const char* state) {
    return "DO " + DollarQuote("BEGIN\n  IF " + when + " THEN\n    RAISE EXCEPTION USING ERRCODE = '" +
                               state + "', MESSAGE = " + QuoteLiteral(message) + ";\n  END IF;\nEND");
  }
  void Expect(const TableRef& ref) {
    if (ref.oid != 0) out_.swift.push_back(Assertion(ref, ref.bounds));
  }
  void ExpectEmpty(const TableRef& ref) {
    out_.swift.push_back(
        Raise("EXISTS (SELECT FROM " + Quoted(ref) + ")", Quoted(ref) + " is not empty", kNotEmptyState));
  }
  // A detached table of ours: no partition of anything, and our CHECK proves
  // what it holds.
  void ExpectDetached(const TableRef& ref) {
    if (ref.oid == 0) return;
    out_.swift.push_back(Assertion(ref, ""));
    out_.swift.push_back(
        Raise("EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = " + std::to_string(ref.oid) +
                  ") OR NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = " +
                  std::to_string(ref.oid) + " AND conname = '" + kBoundCheck + "' AND convalidated)",
              Quoted(ref) + " is no longer a detached table of ours", kStaleState));
  }

  const Table& table_;
  const Server& server_;
  KeyType key_;
  std::string parent_;
  std::string column_;
  Transaction out_;
};

}  // namespace

Transaction Render(const Action& action, const Policy& policy, const Table& table, const Server& server) {
  Renderer renderer(policy, table, server);
  std::visit(renderer, action);
  return renderer.Take();
}

}  // namespace partition_controller
