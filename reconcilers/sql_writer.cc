#include "reconcilers/sql_writer.h"

#include "reconcilers/acl.h"
#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"

namespace partition_controller {

std::string Quoted(const TableRef& ref) { return QuoteName(ref.schema, ref.name); }

SqlWriter::SqlWriter(const Policy& policy, const Table& table, const Server& server)
    : policy_(policy),
      table_(table),
      server_(server),
      key_(KeyTypeOf(table.key_column_type).value()),
      parent_(QuoteName(table.schema, table.name)),
      column_(QuoteName(policy.time_column)) {}

std::string SqlWriter::Inside(const std::string& column, const Range& range) const {
  std::string text;
  if (range.from.finite()) text = column + " >= " + LiteralSql(range.from, key_);
  if (range.to.finite()) text += (text.empty() ? "" : " AND ") + column + " < " + LiteralSql(range.to, key_);
  return text.empty() ? "true" : text;
}

std::string SqlWriter::Outside(const std::string& column, const Range& range) const {
  std::string text;
  if (range.from.finite()) text = column + " < " + LiteralSql(range.from, key_);
  if (range.to.finite()) text += (text.empty() ? "" : " OR ") + column + " >= " + LiteralSql(range.to, key_);
  return text.empty() ? "false" : text;
}

std::string SqlWriter::Columns(const std::string& prefix) const {
  std::string text;
  for (const std::string& column : table_.columns)
    text += (text.empty() ? "" : ", ") + prefix + QuoteName(column);
  return text;
}

std::string SqlWriter::Overriding() const { return table_.overriding ? " OVERRIDING SYSTEM VALUE" : ""; }

std::string SqlWriter::MoveRows(const std::string& from, const std::string& target,
                                const std::string& where) const {
  const std::string columns = Columns("");
  return "WITH moved AS (DELETE FROM ONLY " + from + " WHERE " + where + " RETURNING " + columns +
         ") INSERT INTO " + target + " (" + columns + ")" + Overriding() + " SELECT " + columns +
         " FROM moved ON CONFLICT DO NOTHING";
}

std::string SqlWriter::FunctionName() const {
  return "partition_controller.divert_" + std::to_string(table_.oid);
}

// ON CONFLICT: a row that is replayed while its range moves is there already.
std::string SqlWriter::DivertFunction(const TableRef& from, const std::string& target,
                                      const std::string& rights, const std::string& first) const {
  // The operators are qualified: a writer's search_path may have others.
  const std::string body =
      "BEGIN\n" + first + "  IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n    DELETE FROM ONLY " +
      Quoted(from) +
      " WHERE ctid OPERATOR(pg_catalog.=) OLD.ctid;\n    IF NOT FOUND THEN\n      RAISE EXCEPTION "
      "USING ERRCODE = 'insufficient_privilege', MESSAGE = 'the row may not be moved by who may not delete "
      "it';\n    END IF;\n  END IF;\n  INSERT INTO " +
      target + " (" + Columns("") + ")" + Overriding() + " VALUES (" + Columns("NEW.") +
      ") ON CONFLICT DO NOTHING;\n  IF NOT FOUND AND TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n    RAISE "
      "EXCEPTION USING ERRCODE = 'unique_violation', MESSAGE = 'another row has that key';\n  END IF;\n  "
      "RETURN "
      "NULL;\nEND";
  return "CREATE OR REPLACE FUNCTION " + FunctionName() + "() RETURNS trigger LANGUAGE plpgsql " + rights +
         " AS " + DollarQuote(body);
}

void SqlWriter::CreateDivert(const TableRef& on, const char* name, const std::string& leaves) {
  out_.swift.push_back("CREATE TRIGGER " + QuoteName(name) + " BEFORE INSERT OR UPDATE ON " + Quoted(on) +
                       " FOR EACH ROW WHEN (" + leaves + ") EXECUTE FUNCTION " + FunctionName() + "()");
  // Also for rows that logical replication brings.
  out_.swift.push_back("ALTER TABLE " + Quoted(on) + " ENABLE ALWAYS TRIGGER " + QuoteName(name));
}

const Attributes* SqlWriter::NewestSibling() const {
  const Partition* newest = nullptr;
  for (const Partition& partition : table_.partitions) {  // ordered by range
    if (partition.kind == Partition::Kind::kTable && partition.oid != 0) newest = &partition;
  }
  if (newest == nullptr && table_.default_partition) newest = &table_.default_partition->partition;
  if (newest == nullptr || newest->attributes >= table_.attributes.size()) return nullptr;
  return &table_.attributes[newest->attributes];
}

std::string SqlWriter::Doubled(const std::string& name) {
  std::string text;
  for (const char x : name) text += x == '%' || x == '\'' ? std::string(2, x) : std::string(1, x);
  return text;
}

std::string SqlWriter::RevokeAll(const std::string& table) {
  return "DO " +
         DollarQuote(
             "DECLARE grantee text;\nBEGIN\n  FOR grantee IN SELECT DISTINCT CASE WHEN x.grantee = 0 THEN "
             "'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END FROM "
             "pg_catalog.pg_class c CROSS JOIN LATERAL (SELECT * FROM pg_catalog.aclexplode(c.relacl) UNION "
             "ALL SELECT e.* FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL "
             "pg_catalog.aclexplode(a.attacl) e WHERE a.attrelid = c.oid) x WHERE c.oid = " +
             QuoteLiteral(table) + "::pg_catalog.regclass" +
             " AND x.grantee <> c.relowner LOOP\n    EXECUTE pg_catalog.format('REVOKE ALL PRIVILEGES ON " +
             Doubled(table) + " FROM %s CASCADE', grantee);\n  END LOOP;\nEND");
}

// Identity stays the parent's: from PostgreSQL 17 on a partition may not bring
// its own.
void SqlWriter::MakeLikeParent(const std::string& name) {
  const Attributes* sibling = NewestSibling();
  const std::string table = QuoteName(table_.schema, name);
  const bool unlogged = sibling != nullptr && sibling->unlogged;
  out_.work.push_back(std::string("CREATE ") + (unlogged ? "UNLOGGED " : "") + "TABLE " + table + " (LIKE " +
                      parent_ + " INCLUDING ALL EXCLUDING IDENTITY)" +
                      (sibling != nullptr && !sibling->tablespace.empty()
                           ? " TABLESPACE " + QuoteName(sibling->tablespace)
                           : std::string()));
  if (sibling != nullptr) {
    for (const std::string& option : sibling->options) {
      const std::size_t equals = option.find('=');
      if (equals == std::string::npos) continue;
      const std::string toast = option.starts_with("toast.") ? "toast." : "";
      const std::string key = QuoteName(option.substr(toast.size(), equals - toast.size()));
      out_.work.push_back("ALTER TABLE " + table + " SET (" + toast + key + " = " +
                          QuoteLiteral(option.substr(equals + 1)) + ")");
    }
    if (sibling->replica_identity == 'f' || sibling->replica_identity == 'n') {
      out_.work.push_back("ALTER TABLE " + table + " REPLICA IDENTITY " +
                          (sibling->replica_identity == 'f' ? "FULL" : "NOTHING"));
    }
    if (table_.default_privileges) out_.work.push_back(RevokeAll(table));
    std::vector<Grant> grants = ParseAcl(sibling->acl).value_or(std::vector<Grant>());
    std::erase_if(grants, [&](const Grant& grant) { return grant.grantee == sibling->owner; });
    for (std::string& grant : GrantSql(grants, table)) out_.work.push_back(std::move(grant));
    // Without a policy of its own nobody but its owner may read it directly.
    if (sibling->row_security) out_.work.push_back("ALTER TABLE " + table + " ENABLE ROW LEVEL SECURITY");
  }
  for (const std::string& setting : table_.column_settings)
    out_.work.push_back("ALTER TABLE " + table + " " + setting);
  if (policy_.partitioning.uniqueness == Partitioning::Uniqueness::kPerPartition) {
    for (const std::string& unique : table_.leaf_uniques)
      out_.work.push_back("CREATE UNIQUE INDEX ON " + table + " " + unique);
  }
  if (server_.user != table_.owner) {
    out_.work.push_back("ALTER TABLE " + table + " OWNER TO " + QuoteName(table_.owner));
  }
}

void SqlWriter::ReplicaIndex(const std::string& name) {
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

void SqlWriter::Attach(const std::string& table, const Range& range) {
  out_.swift.push_back("ALTER TABLE " + parent_ + " ATTACH PARTITION " + table + " FOR VALUES FROM (" +
                       BoundSql(range.from, key_) + ") TO (" + BoundSql(range.to, key_) + ")");
}

void SqlWriter::Contend(Oid oid) {
  if (oid != 0) out_.contended.push_back(std::to_string(oid));
}

void SqlWriter::Gentle(const TableRef& ref) {
  out_.gentle.push_back("LOCK TABLE ONLY " + Quoted(ref) + " IN SHARE UPDATE EXCLUSIVE MODE");
}

void SqlWriter::GentleParent() {
  out_.gentle.push_back("LOCK TABLE ONLY " + parent_ + " IN SHARE UPDATE EXCLUSIVE MODE");
  if (table_.default_partition) Gentle(RefOf(table_.default_partition->partition));
}

void SqlWriter::Lock(const std::string& quoted, const std::string& mode, const std::string& condition) {
  const std::string lock = "LOCK TABLE ONLY " + quoted + " IN " + mode + " MODE";
  if (condition.empty()) {
    out_.swift.push_back(lock);
    locks_.push_back(lock + " NOWAIT;");
  } else {
    const std::string head = "IF " + condition + " THEN\n    ";
    out_.swift.push_back("DO " + DollarQuote("BEGIN\n  " + head + lock + ";\n  END IF;\nEND"));
    locks_.push_back(head + lock + " NOWAIT;\n  END IF;");
  }
}

void SqlWriter::LockBy(const std::string& statement) {
  out_.swift.push_back(statement);
  locks_.push_back("PERFORM pg_catalog.set_config('lock_timeout', '1', true);\n" + statement + ";");
}

void SqlWriter::LockExclusive(const TableRef& ref) {
  Contend(ref.oid);
  Lock(Quoted(ref), kEverybody);
}

void SqlWriter::LockParent() { LockExclusive({table_.oid, table_.schema, table_.name, ""}); }

void SqlWriter::LockWriters() {
  if (!table_.default_partition) return;
  Contend(table_.oid);
  Lock(parent_, kWriters);
}

void SqlWriter::LockDefault() {
  if (table_.default_partition) LockExclusive(RefOf(table_.default_partition->partition));
}

void SqlWriter::LockReferences(const std::string& mode) {
  for (const std::string& referenced : table_.references) {
    const std::string name = QuoteLiteral(referenced);
    const std::string may = "pg_catalog.has_table_privilege(" + name + ", 'UPDATE, DELETE, TRUNCATE')";
    if (mode == kEverybody) {
      out_.contended.push_back("pg_catalog.to_regclass(" + name + ")::pg_catalog.oid");
      out_.gentle.push_back("DO " +
                            DollarQuote("BEGIN\n  IF " + may + " THEN\n    LOCK TABLE ONLY " + referenced +
                                        " IN SHARE UPDATE EXCLUSIVE MODE;\n  END IF;\nEND"));
    }
    Lock(referenced, mode, may);
  }
}

std::string SqlWriter::Assertion(const TableRef& ref, const std::string& bounds) const {
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

std::string SqlWriter::Raise(const std::string& when, const std::string& message, const char* state) {
  return "DO " + DollarQuote("BEGIN\n  IF " + when + " THEN\n    RAISE EXCEPTION USING ERRCODE = '" + state +
                             "', MESSAGE = " + QuoteLiteral(message) + ";\n  END IF;\nEND");
}

void SqlWriter::Expect(const TableRef& ref) {
  if (ref.oid != 0) out_.swift.push_back(Assertion(ref, ref.bounds));
}

void SqlWriter::ExpectEmpty(const TableRef& ref) {
  out_.swift.push_back(
      Raise("EXISTS (SELECT FROM " + Quoted(ref) + ")", Quoted(ref) + " is not empty", kNotEmptyState));
}

void SqlWriter::ExpectDetached(const TableRef& ref) {
  if (ref.oid == 0) return;
  out_.swift.push_back(Assertion(ref, ""));
  out_.swift.push_back(
      Raise("EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = " + std::to_string(ref.oid) +
                ") OR NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = " +
                std::to_string(ref.oid) + " AND conname = '" + kBoundCheck + "' AND convalidated)",
            Quoted(ref) + " is no longer a detached table of ours", kStaleState));
}

}  // namespace partition_controller
