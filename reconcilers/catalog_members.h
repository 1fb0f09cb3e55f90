// The members of a catalog's structs and their JSON keys.  Internal to
// catalog_json.cc.

#ifndef PARTITION_CONTROLLER_RECONCILERS_CATALOG_MEMBERS_H_
#define PARTITION_CONTROLLER_RECONCILERS_CATALOG_MEMBERS_H_

#include <utility>
#include <vector>

#include "reconcilers/catalog_json.h"

namespace partition_controller {

// The words for an enum's values; the argument only chooses the enum.
template <typename E>
using Words = std::vector<std::pair<E, const char*>>;

inline Words<Table::Kind> WordsFor(Table::Kind) {
  return {{Table::Kind::kPlain, "Plain"},
          {Table::Kind::kPartitioned, "Partitioned"},
          {Table::Kind::kOther, "Other"}};
}
inline Words<Partition::Kind> WordsFor(Partition::Kind) {
  return {{Partition::Kind::kTable, "Table"},
          {Partition::Kind::kPartitioned, "Partitioned"},
          {Partition::Kind::kForeign, "Foreign"}};
}
inline Words<Partition::BoundCheck> WordsFor(Partition::BoundCheck) {
  return {{Partition::BoundCheck::kNone, "None"},
          {Partition::BoundCheck::kNotValid, "NotValid"},
          {Partition::BoundCheck::kValid, "Valid"}};
}
inline Words<RollupState::State> WordsFor(RollupState::State) {
  return {{RollupState::State::kNone, "None"},
          {RollupState::State::kFilling, "Filling"},
          {RollupState::State::kLive, "Live"},
          {RollupState::State::kPaused, "Paused"}};
}
inline Words<Drain::Mode> WordsFor(Drain::Mode) {
  return {{Drain::Mode::kMove, "Move"}, {Drain::Mode::kPromote, "Promote"}};
}

// The members of each struct, once for both directions: `io` writes or reads
// one under its key.  A member that is not listed does not compile.

template <typename Io>
void Members(Io& io, Server& s) {
  auto& [time, version, in_recovery, database, database_name, system_identifier, user, bookkeeping_version,
         bookkeeping_usable, test_database] = s;
  io("time", time);
  io("version", version);
  io("inRecovery", in_recovery);
  io("database", database);
  io("databaseName", database_name);
  io("systemIdentifier", system_identifier);
  io("user", user);
  io("bookkeepingVersion", bookkeeping_version);
  io("bookkeepingUsable", bookkeeping_usable);
  io("testDatabase", test_database);
}

template <typename Io>
void Members(Io& io, Attributes& a) {
  auto& [owner, unlogged, replica_identity, replica_parent_index, acl, options, tablespace, row_security] = a;
  io("owner", owner);
  io("unlogged", unlogged);
  io("replicaIdentity", replica_identity);
  io("replicaParentIndex", replica_parent_index);
  io("acl", acl);
  io("options", options);
  io("tablespace", tablespace);
  io("rowSecurity", row_security);
}

template <typename Io>
void Members(Io& io, Partition& p) {
  auto& [oid, schema, name, range, bounds, kind, detach_pending, created_by_us, bound_check, rows, bytes,
         attributes, oldest_row] = p;
  io("oid", oid);
  io("schema", schema);
  io("name", name);
  io("range", range);
  io("bounds", bounds);
  io("kind", kind);
  io("detachPending", detach_pending);
  io("createdByUs", created_by_us);
  io("boundCheck", bound_check);
  io("rows", rows);
  io("bytes", bytes);
  io("attributes", attributes);
  io("oldestRow", oldest_row);
}

template <typename Io>
void Members(Io& io, DefaultPartition& d) {
  auto& [partition, pages, rows, exact, cuts, counts] = d;
  io("partition", partition);
  io("pages", pages);
  io("rows", rows);
  io("exact", exact);
  io("cuts", cuts);
  io("counts", counts);
}

template <typename Io>
void Members(Io& io, Detached& d) {
  auto& [oid, schema, name, range, detached_at, drop_after, exists, attached, has_bound_check, created_by_us,
         rows, bytes] = d;
  io("oid", oid);
  io("schema", schema);
  io("name", name);
  io("range", range);
  io("detachedAt", detached_at);
  io("dropAfter", drop_after);
  io("exists", exists);
  io("attached", attached);
  io("hasBoundCheck", has_bound_check);
  io("createdByUs", created_by_us);
  io("rows", rows);
  io("bytes", bytes);
}

template <typename Io>
void Members(Io& io, Drain& d) {
  auto& [mode, range, target, target_schema, target_name] = d;
  io("mode", mode);
  io("range", range);
  io("target", target);
  io("targetSchema", target_schema);
  io("targetName", target_name);
}

template <typename Io>
void Members(Io& io, AgreedRetention& a) {
  auto& [keep, action, due] = a;
  io("keep", keep);
  io("action", action);
  io("due", due);
}

template <typename Io>
void Members(Io& io, Ownership& o) {
  auto& [table, policy_namespace, policy_name, table_owner, database, system_identifier, term, analyzed_at,
         agreed, consent] = o;
  io("table", table);
  io("policyNamespace", policy_namespace);
  io("policyName", policy_name);
  io("tableOwner", table_owner);
  io("database", database);
  io("systemIdentifier", system_identifier);
  io("term", term);
  io("analyzedAt", analyzed_at);
  io("agreed", agreed);
  io("consent", consent);
}

inline Words<Conversion::State> WordsFor(Conversion::State) {
  return {{Conversion::State::kPrepared, "Prepared"},
          {Conversion::State::kFenced, "Fenced"},
          {Conversion::State::kConverted, "Converted"},
          {Conversion::State::kReverting, "Reverting"}};
}

template <typename Io>
void Members(Io& io, Conversion& c) {
  auto& [state, plain, parent, parent_name, history_name, primary_key, key_index, cut, shape, no_way_back] =
      c;
  io("state", state);
  io("plain", plain);
  io("parent", parent);
  io("parentName", parent_name);
  io("historyName", history_name);
  io("primaryKey", primary_key);
  io("keyIndex", key_index);
  io("cut", cut);
  io("shape", shape);
  io("noWayBack", no_way_back);
}

template <typename Io>
void Members(Io& io, AroundName& a) {
  auto& [head, tail] = a;
  io("head", head);
  io("tail", tail);
}

template <typename Io>
void Members(Io& io, TableIndex& i) {
  auto& [name, unique, valid, building, holds_key, constraint, deferrable, definition, constraint_definition,
         storage, tablespace, clustered, parent, columns, equals] = i;
  io("name", name);
  io("unique", unique);
  io("valid", valid);
  io("building", building);
  io("holdsKey", holds_key);
  io("constraint", constraint);
  io("deferrable", deferrable);
  io("definition", definition);
  io("constraintDefinition", constraint_definition);
  io("storage", storage);
  io("tablespace", tablespace);
  io("clustered", clustered);
  io("parent", parent);
  io("columns", columns);
  io("equals", equals);
}

template <typename Io>
void Members(Io& io, TableConstraint& c) {
  auto& [name, definition, type, validated, no_inherit] = c;
  io("name", name);
  io("definition", definition);
  io("type", type);
  io("validated", validated);
  io("noInherit", no_inherit);
}

template <typename Io>
void Members(Io& io, TableTrigger& t) {
  auto& [name, create, enabled, for_each_row, transition_tables, on_rows_moved, may_set_time] = t;
  io("name", name);
  io("create", create);
  io("enabled", enabled);
  io("forEachRow", for_each_row);
  io("transitionTables", transition_tables);
  io("onRowsMoved", on_rows_moved);
  io("maySetTime", may_set_time);
}

template <typename Io>
void Members(Io& io, DependentView& v) {
  auto& [name, owner, ours, statement, only] = v;
  io("name", name);
  io("owner", owner);
  io("ours", ours);
  io("statement", statement);
  io("only", only);
}

template <typename Io>
void Members(Io& io, PublishedBy& p) {
  auto& [name, ours, via_root, by_name, inserts, tail] = p;
  io("name", name);
  io("ours", ours);
  io("viaRoot", via_root);
  io("byName", by_name);
  io("inserts", inserts);
  io("tail", tail);
}

template <typename Io>
void Members(Io& io, OwnedSequence& s) {
  auto& [column, schema, name, identity, options, always, grants] = s;
  io("column", column);
  io("schema", schema);
  io("name", name);
  io("identity", identity);
  io("options", options);
  io("always", always);
  io("grants", grants);
}

template <typename Io>
void Members(Io& io, Anatomy& a) {
  auto& [shape, indexes, constraints, triggers, row_policies, row_security, force_row_security, views,
         publications, sequences, acl, column_grants, short_of_rights, comments, comment, dependents,
         empty_children, stuck_children, temporary, typed, inherits, has_rules, key_generated, subscribed,
         policed, bytes, rows_beyond, oldest_transaction, first, last] = a;
  io("shape", shape);
  io("indexes", indexes);
  io("constraints", constraints);
  io("triggers", triggers);
  io("rowPolicies", row_policies);
  io("rowSecurity", row_security);
  io("forceRowSecurity", force_row_security);
  io("views", views);
  io("publications", publications);
  io("sequences", sequences);
  io("acl", acl);
  io("columnGrants", column_grants);
  io("shortOfRights", short_of_rights);
  io("comments", comments);
  io("comment", comment);
  io("dependents", dependents);
  io("emptyChildren", empty_children);
  io("stuckChildren", stuck_children);
  io("temporary", temporary);
  io("typed", typed);
  io("inherits", inherits);
  io("hasRules", has_rules);
  io("keyGenerated", key_generated);
  io("subscribed", subscribed);
  io("policed", policed);
  io("bytes", bytes);
  io("rowsBeyond", rows_beyond);
  io("oldestTransaction", oldest_transaction);
  io("first", first);
  io("last", last);
}

template <typename Io>
void Members(Io& io, TypedColumn& c) {
  auto& [name, type, required, own_equality] = c;
  io("name", name);
  io("type", type);
  io("required", required);
  io("ownEquality", own_equality);
}

template <typename Io>
void Members(Io& io, RollupTarget& t) {
  auto& [oid, is_table, owner_is_us, columns, view_taken, has_key, made_by_us, spans, kept_for, agreed_keep] =
      t;
  io("oid", oid);
  io("isTable", is_table);
  io("ownerIsUs", owner_is_us);
  io("columns", columns);
  io("viewTaken", view_taken);
  io("hasKey", has_key);
  io("madeByUs", made_by_us);
  io("spans", spans);
  io("keptFor", kept_for);
  io("agreedKeep", agreed_keep);
}

template <typename Io>
void Members(Io& io, Feed& f) {
  auto& [made_by_us, demanded, filled_from, filled, oldest_dirty] = f;
  io("madeByUs", made_by_us);
  io("demanded", demanded);
  io("filledFrom", filled_from);
  io("filled", filled);
  io("oldestDirty", oldest_dirty);
}

template <typename Io>
void Members(Io& io, RollupState& s) {
  auto& [name, state, suffix, shape, source, target_oid, table, target, intact, filled_from, filled,
         filled_down_to, oldest_row, started_at, dirty, oldest_dirty, oldest_ready, gone_before, fill_lacks,
         finer_suffix, finer_schema, finer_table, fed, audited_at, proved, points, late_points,
         skipped_values, audited, mismatches] = s;
  io("name", name);
  io("state", state);
  io("suffix", suffix);
  io("shape", shape);
  io("source", source);
  io("targetOid", target_oid);
  io("table", table);
  io("target", target);
  io("intact", intact);
  io("filledFrom", filled_from);
  io("filled", filled);
  io("filledDownTo", filled_down_to);
  io("oldestRow", oldest_row);
  io("startedAt", started_at);
  io("dirty", dirty);
  io("oldestDirty", oldest_dirty);
  io("oldestReady", oldest_ready);
  io("goneBefore", gone_before);
  io("fillLacks", fill_lacks);
  io("finerSuffix", finer_suffix);
  io("finerSchema", finer_schema);
  io("finerTable", finer_table);
  io("fed", fed);
  io("auditedAt", audited_at);
  io("proved", proved);
  io("points", points);
  io("latePoints", late_points);
  io("skippedValues", skipped_values);
  io("audited", audited);
  io("mismatches", mismatches);
}

template <typename Io>
void Members(Io& io, Table& t) {
  auto& [oid, schema, name, kind, owner, owner_is_us, may_create, owner_may_create, key_column_type,
         key_not_null, partitioned_by_key, partition_key, has_time_index, columns, overriding, foreign_keys,
         references, referenced_by, delete_triggers, published_by, column_settings, leaf_uniques,
         default_privileges, attributes, partitions, default_partition, detached, drain, ownership, former,
         taken_names, conversion, anatomy, column_types, rollups, feed, rows, oldest_row] = t;
  io("oid", oid);
  io("schema", schema);
  io("name", name);
  io("kind", kind);
  io("owner", owner);
  io("ownerIsUs", owner_is_us);
  io("mayCreate", may_create);
  io("ownerMayCreate", owner_may_create);
  io("keyColumnType", key_column_type);
  io("keyNotNull", key_not_null);
  io("partitionedByKey", partitioned_by_key);
  io("partitionKey", partition_key);
  io("hasTimeIndex", has_time_index);
  io("columns", columns);
  io("overriding", overriding);
  io("foreignKeys", foreign_keys);
  io("references", references);
  io("referencedBy", referenced_by);
  io("deleteTriggers", delete_triggers);
  io("publishedBy", published_by);
  io("columnSettings", column_settings);
  io("leafUniques", leaf_uniques);
  io("defaultPrivileges", default_privileges);
  io("attributes", attributes);
  io("partitions", partitions);
  io("defaultPartition", default_partition);
  io("detached", detached);
  io("drain", drain);
  io("ownership", ownership);
  io("former", former);
  io("takenNames", taken_names);
  io("conversion", conversion);
  io("anatomy", anatomy);
  io("columnTypes", column_types);
  io("rollups", rollups);
  io("feed", feed);
  io("rows", rows);
  io("oldestRow", oldest_row);
}

template <typename Io>
void Members(Io& io, Catalog& c) {
  auto& [server, table] = c;
  io("server", server);
  io("table", table);
}

template <typename Io>
void Members(Io& io, RelationSize& s) {
  auto& [oid, bytes] = s;
  io("oid", oid);
  io("bytes", bytes);
}

template <typename Io>
void Members(Io& io, TableName& t) {
  auto& [schema, name] = t;
  io("schema", schema);
  io("name", name);
}

template <typename Io>
void Members(Io& io, SavedCatalog& s) {
  auto& [policy_namespace, policy_name, asked_for, catalog, sizes] = s;
  io("namespace", policy_namespace);
  io("policy", policy_name);
  io("askedFor", asked_for);
  io("catalog", catalog);
  io("sizes", sizes);
}

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_CATALOG_MEMBERS_H_
