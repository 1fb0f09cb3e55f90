// What a conversion needs of a table, and what it means for it: each refusal
// with what mends it, before anything is done.

#include <algorithm>

#include "reconcilers/bookkeeping.h"
#include "reconcilers/bounds.h"
#include "reconcilers/convert.h"
#include "reconcilers/naming.h"
#include "reconcilers/planning.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// Transactions older than this keep an index from being built, and the swap
// from getting its lock.
constexpr std::int64_t kLongTransaction = 600;

std::string List(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) text += (text.empty() ? "" : ", ") + one;
  return text;
}

std::string ListOfNames(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  quoted.reserve(names.size());
  for (const std::string& name : names) quoted.push_back(QuoteName(name));
  return List(quoted);
}

// What the index has that Prepare would build.
bool IsKeyIndex(const TableIndex& index, const TableIndex* key, const std::string& time_column) {
  if (key == nullptr || !index.unique || index.constraint != ' ') return false;
  std::vector<std::string> columns = key->columns;
  columns.push_back(time_column);
  return index.columns == columns;
}

class Preconditions {
 public:
  explicit Preconditions(Planning& p) : p_(p), a_(*p.table.anatomy) {}

  void Check() {
    CheckKind();
    CheckName();
    CheckKey();
    CheckIndexes();
    CheckUniqueness();
    CheckConstraints();
    CheckTriggers();
    CheckDependents();
    CheckReplication();
  }

 private:
  // Behind a fence rows are out of sight: it is taken down then.
  bool fenced() const {
    return p_.table.conversion && p_.table.conversion->state == Conversion::State::kFenced;
  }

  void Refuse(const char* code, const std::string& message, const std::string& remedy) {
    p_.Refuse(code, message, remedy, !fenced());
  }

  void Refuse(const char* code, const std::string& message, std::vector<std::string> sql,
              const std::string& words) {
    p_.Refuse(code, message, std::move(sql), words, !fenced());
  }

  void CheckKind() {
    if (a_.temporary) Refuse("TemporaryTable", p_.Name() + " is temporary", "name a permanent table");
    if (a_.typed) {
      Refuse("TypedTable", p_.Name() + " was created OF a composite type",
             {"ALTER TABLE " + p_.Name() + " NOT OF;"}, "");
    }
    if (a_.policed) {
      Refuse("RowSecurityForced",
             "row security of " + p_.Name() + " is forced upon its owner: rows that its policies hide from " +
                 QuoteName(p_.server.user) + " could not be moved",
             {"ALTER ROLE " + QuoteName(p_.server.user) + " BYPASSRLS;"},
             "or ALTER TABLE " + p_.Name() + " NO FORCE ROW LEVEL SECURITY;");
    }
    if (a_.inherits) {
      Refuse(
          "Inheritance", p_.Name() + " inherits from another table, or others inherit from it",
          "end the inheritance (ALTER TABLE ... NO INHERIT ...): a partitioned table can take no part in it");
    }
    if (a_.has_rules) {
      Refuse("RulesOnTable",
             p_.Name() +
                 " has rules (CREATE RULE), which rewrite queries in ways that cannot "
                 "be carried over",
             "replace them by triggers and drop them (\\d " + p_.Name() + " lists them)");
    }
  }

  void CheckKey() {
    const std::string column = QuoteName(p_.policy.time_column);
    if (!p_.table.key_not_null) {
      Refuse(
          "KeyNullable", "column " + column + " may be NULL; such rows belong to no period",
          {"ALTER TABLE " + p_.Name() + " ALTER COLUMN " + column + " SET NOT NULL;"},
          "(scans the table under lock, unless a valid CHECK (" + column + " IS NOT NULL) is there first)");
    }
    if (a_.key_generated) {
      Refuse("KeyGenerated", "column " + column + " is generated, and cannot be a partition key",
             "name an ordinary column in spec.timeColumn");
    }
  }

  void CheckIndexes() {
    for (const TableIndex& index : a_.indexes) {
      const std::string name = QuoteName(p_.table.schema, index.name);
      if (index.name == KeyIndexName(p_.table.name)) {
        if (!IsKeyIndex(index, PrimaryKey(a_), p_.policy.time_column)) RefuseName(index.name);
        continue;
      }
      if (index.constraint == 'x') {
        Refuse("ExclusionConstraint", "the exclusion constraint " + name + " cannot span partitions",
               {"ALTER TABLE " + p_.Name() + " DROP CONSTRAINT " + QuoteName(index.name) + ";"}, "");
      } else if (!index.valid) {
        const std::string what =
            "index " + name + " is invalid: attaching the table would build it anew, under lock";
        if (index.building) {
          Refuse("IndexInvalid", what, "wait until it is built");
        } else {
          Refuse("IndexInvalid", what, {"REINDEX INDEX CONCURRENTLY " + name + ";"},
                 "or DROP INDEX CONCURRENTLY " + name + ";");
        }
      } else if (index.definition.empty()) {
        Refuse("IndexUnreadable", "the definition of index " + name + " cannot be carried over",
               "rename the index or the table, so that neither name contains \" USING \"");
      }
    }
    for (const TableIndex& index : a_.indexes) {
      if (!index.deferrable || index.constraint == 'x') continue;
      if (index.constraint == 'p' && WouldWeaken(index)) continue;  // see below
      Refuse(
          "UniqueDeferrable",
          "constraint " + QuoteName(index.name) +
              " is deferrable; rows that reach both tables during the conversion cannot be held against it",
          {"ALTER TABLE " + p_.Name() + " DROP CONSTRAINT " + QuoteName(index.name) + ";"},
          "and, if its columns must stay unique, CREATE UNIQUE INDEX CONCURRENTLY ... in its place");
    }
    const TableIndex* key = PrimaryKey(a_);
    if (key != nullptr && WouldWeaken(*key) && (key->columns.empty() || key->deferrable)) {
      Refuse("PrimaryKeyUnfit",
             "the primary key " + QuoteName(key->name) +
                 " is deferrable or has INCLUDE columns; one with the time column cannot be made from it",
             "replace it by a plain one");
    }
  }

  void RefuseName(const std::string& index) {
    const std::string name = QuoteName(p_.table.schema, index);
    Refuse("NameTaken", "index " + name + " is in the way of the one to be built",
           "ALTER INDEX " + name + " RENAME TO ...;");
  }

  void CheckUniqueness() {
    if (p_.policy.partitioning.uniqueness == Partitioning::Uniqueness::kPerPartition) return;
    std::vector<std::string> names;
    for (const TableIndex& index : a_.indexes) {
      if (WouldWeaken(index)) {
        names.push_back(QuoteName(index.name) +
                        (index.columns.empty() ? "" : " (" + ListOfNames(index.columns) + ")"));
      }
    }
    if (names.empty()) return;
    Refuse(
        "UniquenessWouldWeaken",
        List(names) + (names.size() == 1 ? " lacks" : " lack") + " the time column " +
            QuoteName(p_.policy.time_column) +
            ": a partitioned table enforces that only inside each partition. The same key with another time "
            "in another partition would be accepted, and ON CONFLICT with such a key as its target would "
            "fail",
        "if the application can live with that, set partitioning.uniqueness: PerPartition. It can if a "
        "repeated row has the same time, and it writes ON CONFLICT DO NOTHING without a target, or "
        "remembers its keys in a table of their own");
  }

  // While its policies are made the table stands among our own (sql_convert.cc).
  void CheckName() {
    if (a_.row_policies.empty() || !IsBookkeepingName(p_.table.name)) return;
    Refuse("NameTaken",
           "the bookkeeping has a table called " + QuoteName(p_.table.name) +
               ", and one with row security policies needs that name there for a moment",
           "ALTER TABLE " + p_.Name() + " RENAME TO ...;");
  }

  void CheckConstraints() {
    if (!p_.table.referenced_by.empty()) {
      Refuse("ForeignKeysPointHere",
             "foreign keys of other tables point to " + p_.Name() +
                 ", to a key that a partitioned table cannot have without its time column",
             p_.table.referenced_by, "");
    }
    for (const TableConstraint& constraint : a_.constraints) {
      const std::string name = QuoteName(constraint.name);
      if (constraint.type == 'n') {
        Refuse("NotNullUnfit",
               "constraint " + name + " (" + constraint.definition +
                   ") is none that a partitioned table could share with its partitions",
               {"ALTER TABLE " + p_.Name() +
                (constraint.validated ? " ALTER CONSTRAINT " + name + " INHERIT;"
                                      : " VALIDATE CONSTRAINT " + name + ";")},
               "");
      } else if (!constraint.validated) {
        Refuse(constraint.type == 'f' ? "ForeignKeyNotValid" : "CheckNotValid",
               "constraint " + name + " is NOT VALID: attaching the table would check every row under lock",
               {"ALTER TABLE " + p_.Name() + " VALIDATE CONSTRAINT " + name + ";"},
               "(scans the table; readers and writers go on)");
      } else if (constraint.no_inherit) {
        Refuse("CheckNoInherit",
               "constraint " + name + " is NO INHERIT, which a partitioned table cannot have",
               {"ALTER TABLE " + p_.Name() + " DROP CONSTRAINT " + name + ";"},
               "and add it again without NO INHERIT");
      }
    }
  }

  void CheckTriggers() {
    bool on_rows_moved = false;
    for (const TableTrigger& trigger : a_.triggers) {
      const std::string name = QuoteName(trigger.name);
      if (trigger.for_each_row && trigger.transition_tables) {
        Refuse("TriggerUnfit",
               "trigger " + name +
                   " is FOR EACH ROW with transition tables, which partitioned tables do not "
                   "support",
               "make it FOR EACH STATEMENT, or drop it");
      } else if (trigger.create.head.empty()) {
        Refuse("TriggerUnreadable", "the definition of trigger " + name + " cannot be carried over",
               "give the trigger or its columns names that do not contain the table's");
      }
      if (trigger.may_set_time && trigger.enabled != 'D') {
        Refuse("TriggerSetsTime",
               "trigger " + name + " seems to give " + QuoteName(p_.policy.time_column) +
                   " a value: PostgreSQL refuses a row that a BEFORE trigger sends to another partition",
               {"ALTER TABLE " + p_.Name() + " DISABLE TRIGGER " + name + ";"},
               "for good, and let a DEFAULT or the application set the time");
      }
      on_rows_moved = on_rows_moved || (trigger.on_rows_moved && trigger.enabled != 'D');
    }
    const bool writers_decide =
        a_.row_security || std::any_of(a_.triggers.begin(), a_.triggers.end(),
                                       [](const TableTrigger& trigger) { return trigger.enabled != 'D'; });
    if (writers_decide && !a_.short_of_rights.empty()) {
      Refuse("WritersLackPrivileges",
             List(a_.short_of_rights) + " may insert or update rows of " + p_.Name() +
                 ", but not (or not in all columns, or only through a view) do what passing a row on takes: "
                 "where triggers or row security stand, rows beyond the cut are inserted into the "
                 "partitioned table, and deleted here after an UPDATE, with the writer's rights",
             {"GRANT SELECT, INSERT, DELETE ON " + p_.Name() + " TO " + List(a_.short_of_rights) + ";"},
             "until the conversion is done (REVOKE it then, which takes INSERT on columns with it)");
    }
    if (on_rows_moved && a_.rows_beyond > 0) {
      const std::string column = QuoteName(p_.policy.time_column);
      Refuse("RowsCannotMove",
             "rows lie beyond the cut (" + column + " >= " + ToString(Bound::At(ConversionCut(p_))) +
                 ") and must move to other partitions, and INSERT or "
                 "DELETE triggers would fire for them",
             RowsBeyondRemedy() + ", or disable the triggers until the conversion is done");
    }
  }

  void CheckDependents() {
    for (const DependentView& view : a_.views) {
      if (view.only) {
        Refuse(
            "ViewOfOnly",
            "view " + view.name + " reads ONLY the table, which has no row of its own once it is partitioned",
            "CREATE OR REPLACE VIEW " + view.name + " without ONLY, which means the same today");
      }
      if (view.ours) continue;
      Refuse("PrivilegeMissing",
             "view " + view.name + " must be pointed to the new table, and belongs to " + view.owner,
             {"GRANT " + view.owner + " TO " + QuoteName(p_.server.user) + ";"},
             "or ALTER VIEW " + view.name + " OWNER TO " + QuoteName(p_.table.owner) + ";");
    }
    if (a_.dependents.empty()) return;
    Refuse(
        "DependentObjects",
        List(a_.dependents) + (a_.dependents.size() == 1 ? " depends" : " depend") + " on " + p_.Name() +
            " in a way that cannot be carried over, and would go on meaning the old table",
        "drop what depends (a temporary view goes with its session), and create it again once the table is "
        "partitioned");
  }

  void CheckReplication() {
    if (a_.subscribed) {
      Refuse("Subscribed", p_.Name() + " receives its rows from a subscription, which knows it by its oid",
             "drop the subscription, or take the table out of it");
    }
    for (const PublishedBy& publication : a_.publications) {
      if (!publication.by_name) {
        Refuse(
            "PublishesAllTables",
            "publication " + publication.name +
                " is FOR ALL TABLES, or for those of the schema: it would publish what comes to be beside " +
                p_.Name() + " too, under names that subscribers do not have",
            "name the tables in a publication of their own, and DROP PUBLICATION " + publication.name +
                "; (or ALTER PUBLICATION " + publication.name + " DROP TABLES IN SCHEMA ...;)");
      } else if (!publication.via_root) {
        Refuse("PublishesPartitions",
               "publication " + publication.name +
                   " would publish the rows under the names of the partitions, which subscribers do not have",
               {"ALTER PUBLICATION " + publication.name + " SET (publish_via_partition_root = true);"},
               "(changes nothing while the table is plain)");
      }
      if (publication.by_name && !publication.ours) {
        Refuse("PrivilegeMissing",
               "publication " + publication.name + " names the table, and belongs to somebody else",
               {"ALTER PUBLICATION " + publication.name + " OWNER TO " + QuoteName(p_.table.owner) + ";"},
               "");
      }
    }
    const char identity = p_.table.attributes.empty() ? 'd' : p_.table.attributes.front().replica_identity;
    const bool nameless = identity == 'n' || (identity == 'd' && PrimaryKey(a_) == nullptr);
    if (!a_.publications.empty() && nameless && a_.rows_beyond > 0) {
      Refuse("RowsCannotMove",
             "rows lie beyond the cut and must move to other partitions, "
             "which PostgreSQL refuses for a published table without replica identity",
             RowsBeyondRemedy() + ", or ALTER TABLE " + p_.Name() + " REPLICA IDENTITY FULL;");
    }
    if (identity == 'i') {
      Refuse("ReplicaIdentityUnfit", "REPLICA IDENTITY USING INDEX cannot be carried over to partitions",
             {"ALTER TABLE " + p_.Name() + " REPLICA IDENTITY DEFAULT;"}, "(the primary key) or FULL");
    }
  }

  std::string RowsBeyondRemedy() const {
    return "correct their time or delete them (SELECT * FROM " + p_.Name() + " WHERE " +
           QuoteName(p_.policy.time_column) + " >= " + QuoteLiteral(ToString(Bound::At(ConversionCut(p_)))) +
           ";)";
  }

  Planning& p_;
  const Anatomy& a_;
};

}  // namespace

void AdviseConversion(Planning& p) {
  const Anatomy& anatomy = *p.table.anatomy;
  std::vector<std::string> weakened;
  for (const TableIndex& index : anatomy.indexes) {
    if (WouldWeaken(index) && !index.columns.empty())
      weakened.push_back("(" + ListOfNames(index.columns) + ")");
  }
  if (!weakened.empty()) {
    p.plan.advice.push_back("from the conversion on " + List(weakened) +
                            " is unique inside each partition only, and ON CONFLICT with it as target fails: "
                            "write ON CONFLICT DO "
                            "NOTHING without a target, or remember the keys in a table of their own");
  }
  std::vector<std::string> publications;
  for (const PublishedBy& publication : anatomy.publications) publications.push_back(publication.name);
  if (!publications.empty()) {
    p.plan.advice.push_back(
        "subscribers of " + List(publications) +
        " do not get the rows beyond the cut that are moved, or come before the swap: copy "
        "them there when it is done");
  }
  const std::optional<Instant>& expired = p.table.oldest_row;
  if (p.policy.retention && p.policy.retention->action == Retention::Action::kDrop &&
      p.policy.partitioning.history_deletes && expired && *expired < *p.cutoff) {
    p.plan.advice.push_back("once the table is converted, its rows before " + ToString(Bound::At(*p.cutoff)) +
                            " (keep " + ToString(p.policy.retention->keep) + "; there is one of " +
                            ToString(Bound::At(*expired)) +
                            ") are deleted in batches, in the same run, and that ends the way back; "
                            "historyDeletes: Disabled leaves "
                            "them until all of the history has expired");
  }
  if (anatomy.oldest_transaction > kLongTransaction) {
    p.plan.advice.push_back("a transaction has been open for " +
                            std::to_string(anatomy.oldest_transaction / 60) +
                            " min: building an index waits for it (SELECT pid, xact_start, query FROM "
                            "pg_stat_activity ORDER BY xact_start)");
  }
}

const TableIndex* PrimaryKey(const Anatomy& anatomy) {
  const auto key = std::find_if(anatomy.indexes.begin(), anatomy.indexes.end(),
                                [](const TableIndex& index) { return index.constraint == 'p'; });
  return key == anatomy.indexes.end() ? nullptr : &*key;
}

bool WouldWeaken(const TableIndex& index) { return index.unique && !index.holds_key; }

void CheckConvertible(Planning& p) { Preconditions(p).Check(); }

}  // namespace partition_controller
