#include "reconcilers/sql.h"

#include <algorithm>
#include <iterator>

#include "reconcilers/bookkeeping.h"
#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"
#include "reconcilers/sql_revert.h"

namespace partition_controller {
namespace {

class Renderer : public RevertSql {
 public:
  using RevertSql::RevertSql;
  using RevertSql::operator();

  void operator()(const FinalizeDetach& a) {
    Gentle(a.partition);
    Contend(table_.oid);
    Contend(a.partition.oid);
    LockReferences(kWriters);
    out_.swift.push_back("ALTER TABLE " + parent_ + " DETACH PARTITION " + Quoted(a.partition) + " FINALIZE");
    out_.swift.push_back(RecordGone(a.partition.oid));
  }

  void operator()(const ForgetDetached& a) {
    out_.work.push_back(RecordGone(a.table.oid));
    const auto known = std::find_if(table_.detached.begin(), table_.detached.end(),
                                    [&](const Detached& d) { return d.oid == a.table.oid; });
    if (known == table_.detached.end() || !known->attached) return;
    // Somebody attached it, and who knows what was done to it before.
    UnsealRollups(known->oid, known->range);
    NoteBack(known->oid, known->range);
    MarkRange(a.table, known->range);
    std::move(out_.swift.begin(), out_.swift.end(), std::back_inserter(out_.work));
    out_.swift.clear();
  }

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
    out_.swift.push_back(DivertFunction(a.default_partition, target, kRightsOfOwner, HoldMarks()));
    CreateDivert(a.default_partition, kDivert, leaves);
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
    out_.work.push_back(MoveRows(fallback, target, leaves));
    // A deferred foreign key would otherwise leave events pending, and ATTACH
    // refuses a table that has some.
    out_.work.push_back("SET CONSTRAINTS ALL IMMEDIATE");
    out_.work.push_back("ALTER TABLE " + fallback + " VALIDATE CONSTRAINT " + kDrainCheck);
    out_.work.push_back("ANALYZE " + target);
    if (move && Known(a.drain.target)) {
      MarkRange({a.drain.target, a.drain.target_schema, a.drain.target_name, ""}, a.drain.range);
    }
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
        UnsealRollups(a.drain.target, a.drain.range);
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
    ReleaseMarks();
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
    NoteGone(a.range);
    SealRollups(a.partition, a.range);
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
    MarkRange(a.table, a.range);
    NoteBack(a.table.oid, a.range);
    Attach(Quoted(a.table), a.range);
    out_.swift.push_back("ALTER TABLE " + Quoted(a.table) + " DROP CONSTRAINT " + kBoundCheck);
    UnsealRollups(a.table.oid, a.range);
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
      NoteGone(a.range);
      SealRollups(a.partition, a.range);
    } else {
      Gentle(a.partition);
      LockReferences(kEverybody);
      LockExclusive(a.partition);
      ExpectDetached(a.partition);
    }
    out_.swift.push_back("DROP TABLE " + Quoted(a.partition));
    out_.swift.push_back(RecordGone(a.partition.oid));
    if (EndsWayBack(table_)) out_.swift.push_back(RecordNoWayBack(*table_.conversion, WhyNoWayBack(a)));
  }

  void operator()(const DeleteExpiredRows& a) {
    const std::string leaf = Quoted(a.leaf);
    const std::string expired = column_ + " < " + LiteralSql(Bound::At(a.cutoff), key_);
    if (a.leaf.oid != 0) out_.work.push_back(Assertion(a.leaf, a.leaf.bounds));
    if (EndsWayBack(table_)) out_.work.push_back(RecordNoWayBack(*table_.conversion, WhyNoWayBack(a)));
    if (!MadeRollups(parent_).empty()) {
      DeleteRowsUnderRollups(a);
      return;
    }
    if (table_.feed) out_.work.push_back(Gone(LiteralSql(Bound::At(a.cutoff), key_)));
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

  // What holds for every row of the default partition once it is drained.
  std::string Stays(const Drain& drain) const {
    return drain.mode == Drain::Mode::kMove ? Outside(column_, drain.range) : Inside(column_, drain.range);
  }
};

}  // namespace

Transaction Render(const Action& action, const Policy& policy, const Table& table, const Server& server) {
  Renderer renderer(policy, table, server);
  std::visit(renderer, action);
  return renderer.Take();
}

}  // namespace partition_controller
