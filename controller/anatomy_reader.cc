#include "controller/anatomy_reader.h"

#include "controller/fields.h"
#include "reconcilers/quote.h"
#include "reconcilers/sql.h"

namespace partition_controller {
namespace {

char Letter(const std::optional<std::string>& field) {
  return field && !field->empty() ? field->front() : ' ';
}

class AnatomyReader {
 public:
  AnatomyReader(Session& session, const Server& server, const Table& table, const std::string& time_column)
      : session_(session),
        server_(server),
        oid_(std::to_string(table.oid)),
        indexed_(table.kind == Table::Kind::kPartitioned && table.conversion
                     ? std::to_string(table.conversion->plain)
                     : oid_),
        table_(table),
        time_column_(time_column) {}

  Anatomy Read() {
    ReadTable();
    ReadIndexes();
    ReadConstraints();
    ReadTriggers();
    ReadPolicies();
    ReadViews();
    ReadPublications();
    ReadSequences();
    ReadColumnGrants();
    ReadWriters();
    ReadComments();
    ReadDependents();
    ReadChildren();
    ReadTimes();
    return std::move(anatomy_);
  }

 private:
  void ReadTable() {
    const Row row =
        session_
            .Query(
                "SELECT c.relpersistence = 't', c.reloftype <> 0, EXISTS (SELECT FROM "
                "pg_catalog.pg_inherits WHERE inhrelid = c.oid OR inhparent = c.oid), EXISTS (SELECT FROM "
                "pg_catalog.pg_rewrite WHERE ev_class = c.oid), a.attgenerated <> '', EXISTS (SELECT FROM "
                "pg_catalog.pg_subscription_rel WHERE srrelid = c.oid), pg_catalog.pg_table_size(c.oid), "
                "c.relrowsecurity, c.relforcerowsecurity, pg_catalog.obj_description(c.oid, 'pg_class'), "
                "(SELECT extract(epoch FROM pg_catalog.max(pg_catalog.clock_timestamp() - "
                "xact_start))::bigint FROM pg_catalog.pg_stat_activity WHERE pid <> "
                "pg_catalog.pg_backend_pid()), " +
                    ShapeSql(table_.oid, table_.name) +
                    ", c.relacl, pg_catalog.row_security_active(c.oid) FROM pg_catalog.pg_class c JOIN "
                    "pg_catalog.pg_attribute a ON a.attrelid = c.oid AND "
                    "a.attname = $2 AND NOT a.attisdropped WHERE c.oid = $1::oid",
                {oid_, time_column_})
            .rows.at(0);
    anatomy_.temporary = Flag(row[0]);
    anatomy_.typed = Flag(row[1]);
    anatomy_.inherits = Flag(row[2]);
    anatomy_.has_rules = Flag(row[3]);
    anatomy_.key_generated = Flag(row[4]);
    anatomy_.subscribed = Flag(row[5]);
    anatomy_.bytes = Number(row[6]);
    anatomy_.row_security = Flag(row[7]);
    anatomy_.force_row_security = Flag(row[8]);
    anatomy_.comment = row[9];
    anatomy_.oldest_transaction = Number(row[10]);
    anatomy_.shape = Text(row[11]);
    anatomy_.acl = Text(row[12]);
    anatomy_.policed = Flag(row[13]);
  }

  void ReadIndexes() {
    const Result found = session_.Query(
        "SELECT c.relname, i.indisunique, i.indisvalid, EXISTS (SELECT FROM "
        "pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid), "
        "a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]), k.contype, coalesce(k.condeferrable, "
        "false), "
        "CASE WHEN pg_catalog.length(d.def) - pg_catalog.length(pg_catalog.replace(d.def, ' USING ', '')) = "
        "7 "
        "THEN pg_catalog.substr(d.def, pg_catalog.strpos(d.def, ' USING ') + 1) END, "
        "pg_catalog.pg_get_constraintdef(k.oid), pg_catalog.array_to_string(c.reloptions, ', '), "
        "(SELECT s.spcname FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace), i.indisclustered, "
        "CASE WHEN i.indnatts = i.indnkeyatts AND i.indexprs IS NULL AND i.indpred IS NULL THEN (SELECT "
        "pg_catalog.json_agg(b.attname ORDER BY u.ord) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS u "
        "(attnum, ord) JOIN pg_catalog.pg_attribute b ON b.attrelid = i.indrelid AND b.attnum = u.attnum) "
        "END, (SELECT p.relname FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class p ON p.oid = "
        "h.inhparent "
        "WHERE h.inhrelid = i.indexrelid), "
        // The operators' names are looked up by whoever runs the statement: most
        // are where everybody finds them.  Strategy 3 of a B-tree is equality.
        "CASE WHEN i.indisunique THEN (SELECT pg_catalog.json_agg(CASE n.nspname WHEN 'pg_catalog' THEN "
        "e.oprname ELSE pg_catalog.format('OPERATOR(%I.%s)', n.nspname, e.oprname) END ORDER BY u.ord) FROM "
        "unnest(i.indclass::oid[]) WITH ORDINALITY AS u (opclass, ord) JOIN pg_catalog.pg_opclass o ON o.oid "
        "= u.opclass JOIN pg_catalog.pg_amop m ON m.amopfamily = o.opcfamily AND m.amoplefttype = "
        "o.opcintype AND m.amoprighttype = o.opcintype AND m.amopstrategy = 3 JOIN pg_catalog.pg_operator e "
        "ON e.oid = m.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = e.oprnamespace) END "
        "FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attname = $2 AND NOT a.attisdropped "
        "LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND "
        "k.contype IN ('p', 'u', 'x') CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_indexdef(i.indexrelid)) "
        "AS "
        "d (def) WHERE i.indrelid = $1::oid ORDER BY i.indexrelid",
        {indexed_, time_column_});
    for (const Row& row : found.rows) {
      TableIndex index;
      index.name = Text(row[0]);
      index.unique = Flag(row[1]);
      index.valid = Flag(row[2]);
      index.building = Flag(row[3]);
      index.holds_key = Flag(row[4]);
      index.constraint = Letter(row[5]);
      index.deferrable = Flag(row[6]);
      index.definition = Text(row[7]);
      index.constraint_definition = Text(row[8]);
      index.storage = Text(row[9]);
      index.tablespace = Text(row[10]);
      index.clustered = Flag(row[11]);
      index.columns = Strings(row[12]);
      index.parent = Text(row[13]);
      index.equals = Strings(row[14]);
      anatomy_.indexes.push_back(std::move(index));
    }
  }

  void ReadConstraints() {
    const Result found = session_.Query(
        "SELECT conname, pg_catalog.pg_get_constraintdef(oid), contype, convalidated, connoinherit FROM "
        "pg_catalog.pg_constraint WHERE conrelid = $1::oid AND (contype IN ('c', 'f') OR contype = 'n' AND "
        "(connoinherit OR NOT convalidated)) AND conname <> "
        "'partition_controller_fence' ORDER BY oid",
        {oid_});
    for (const Row& row : found.rows) {
      TableConstraint constraint;
      constraint.name = Text(row[0]);
      constraint.definition = Text(row[1]);
      constraint.type = Letter(row[2]);
      constraint.validated = Flag(row[3]);
      // Of foreign keys it says that they are the table's own.
      constraint.no_inherit = constraint.type == 'c' && Flag(row[4]);
      anatomy_.constraints.push_back(std::move(constraint));
    }
  }

  void ReadTriggers() {
    // tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update (catalog/pg_trigger.h).
    // What a function does to the time column can only be guessed from its text:
    // NEW.column := ..., NEW := ... or INTO one of them in PL/pgSQL; in other
    // languages, that it names the column or is told its name.
    const Result found = session_.Query(
        "SELECT t.tgname, CASE WHEN s.once THEN pg_catalog.substr(s.def, 1, s.at + 3) END, CASE WHEN s.once "
        "THEN "
        "pg_catalog.substr(s.def, s.at + pg_catalog.length(s.needle) - 1) END, t.tgenabled, t.tgtype & 1 <> "
        "0, "
        "t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL, t.tgtype & 12 <> 0, "
        "t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND CASE l.lanname WHEN 'internal' THEN false WHEN "
        "'plpgsql' THEN b.body ~* ('(^|;|\\m(begin|then|else|loop)\\M)\\s*new\\s*(\\.\\s*\"?' || k.key || "
        "'\"?\\s*)?:?=') OR b.body ~* ('\\minto\\s+(strict\\s+)?([\\w\".]+\\s*,\\s*)*new(\\s*\\.\\s*\"?' || "
        "k.key || '\"?\\M|\\M(?!\\s*\\.))') ELSE b.body || ' ' || pg_catalog.encode(t.tgargs, 'escape') ~* "
        "('\\m' || k.key || '\\M') END "
        "FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid JOIN "
        "pg_catalog.pg_language l ON l.oid = f.prolang CROSS JOIN LATERAL (SELECT "
        "pg_catalog.regexp_replace(f.prosrc, '--[^\\n]*|/\\*.*?\\*/', ' ', 'g')) AS b (body) CROSS JOIN "
        "(SELECT "
        "pg_catalog.regexp_replace($2, '(\\W)', '\\\\\\1', 'g')) AS k (key) JOIN pg_catalog.pg_class c ON "
        "c.oid = t.tgrelid JOIN "
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_triggerdef(t.oid) AS def, pg_catalog.format(' ON %I.%I "
        "', "
        "n.nspname, c.relname) AS needle) AS d "
        "CROSS JOIN LATERAL (SELECT d.def, d.needle, pg_catalog.strpos(d.def, d.needle) AS at, "
        "pg_catalog.length(d.def) - pg_catalog.length(pg_catalog.replace(d.def, d.needle, '')) = "
        "pg_catalog.length(d.needle) AS once) AS s "
        "WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgname NOT IN "
        "('00_partition_controller_divert', '00_partition_controller_repeats') AND NOT " +
            OfRollupSql("t.tgfoid") + " ORDER BY t.tgname",
        {oid_, time_column_});
    for (const Row& row : found.rows) {
      TableTrigger trigger;
      trigger.name = Text(row[0]);
      trigger.create = {Text(row[1]), Text(row[2])};
      trigger.enabled = Letter(row[3]);
      trigger.for_each_row = Flag(row[4]);
      trigger.transition_tables = Flag(row[5]);
      trigger.on_rows_moved = Flag(row[6]);
      trigger.may_set_time = Flag(row[7]);
      anatomy_.triggers.push_back(std::move(trigger));
    }
  }

  // `sql` returns a statement's text before and after the table's name.
  std::vector<AroundName> Around(const std::string& sql) {
    std::vector<AroundName> all;
    for (const Row& row : session_.Query(sql, {oid_}).rows) all.push_back({Text(row[0]), Text(row[1])});
    return all;
  }

  void ReadPolicies() {
    anatomy_.row_policies = Around(
        "SELECT pg_catalog.format('CREATE POLICY %I ON ', p.polname), pg_catalog.format(' AS %s FOR %s TO "
        "%s%s%s', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, CASE p.polcmd WHEN 'r' "
        "THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, "
        "(SELECT pg_catalog.string_agg(CASE WHEN r.oid = 0 THEN 'PUBLIC' ELSE "
        "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r.oid)) END, ', ') FROM unnest(p.polroles) AS r "
        "(oid)), ' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || "
        "pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')') FROM pg_catalog.pg_policy p WHERE "
        "p.polrelid = $1::oid ORDER BY p.polname");
  }

  void ReadViews() {
    const Result found = session_.Query(
        "SELECT pg_catalog.format('%I.%I', n.nspname, v.relname), "
        "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(v.relowner)), pg_catalog.pg_has_role(v.relowner, "
        "'USAGE'), pg_catalog.format('CREATE OR REPLACE VIEW %I.%I%s AS %s', n.nspname, v.relname, ' WITH (' "
        "|| "
        "pg_catalog.array_to_string(v.reloptions, ', ') || ')', pg_catalog.rtrim(pg_catalog.pg_get_viewdef("
        "v.oid), ';')), pg_catalog.strpos(pg_catalog.pg_get_viewdef(v.oid), pg_catalog.format(' ONLY %I.%I', "
        "$2::text, $3::text)) > 0 FROM pg_catalog.pg_class v JOIN pg_catalog.pg_namespace n ON n.oid = "
        "v.relnamespace "
        "WHERE v.relkind = 'v' AND v.relpersistence <> 't' AND v.oid IN (SELECT w.ev_class FROM "
        "pg_catalog.pg_depend d JOIN "
        "pg_catalog.pg_rewrite w ON w.oid = d.objid WHERE d.classid = "
        "'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = "
        "'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1::oid) ORDER BY v.oid",
        {oid_, table_.schema, table_.name});
    for (const Row& row : found.rows) {
      anatomy_.views.push_back({Text(row[0]), Text(row[1]), Flag(row[2]), Text(row[3]), Flag(row[4])});
    }
  }

  void ReadPublications() {
    // Column lists, row filters and FOR TABLES IN SCHEMA came with PostgreSQL 15.
    const bool lists = server_.version >= 150'000;
    const std::string tail = lists ? "coalesce((SELECT ' (' || "
                                     "pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY "
                                     "a.attnum) || ')' FROM pg_catalog.pg_attribute a WHERE a.attrelid = "
                                     "r.prrelid AND a.attnum = ANY "
                                     "(r.prattrs)), '') || coalesce(' WHERE (' || "
                                     "pg_catalog.pg_get_expr(r.prqual, r.prrelid) || ')', "
                                     "'')"
                                   : "''";
    const std::string in_schema =
        lists ? " OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace s JOIN pg_catalog.pg_class c ON "
                "c.relnamespace = s.pnnspid WHERE s.pnpubid = p.oid AND c.oid = $1::oid)"
              : "";
    const Result found = session_.Query(
        "SELECT pg_catalog.quote_ident(p.pubname), pg_catalog.pg_has_role(p.pubowner, 'USAGE'), "
        "p.pubviaroot, "
        "r.oid IS NOT NULL, p.pubinsert, " +
            tail +
            " FROM pg_catalog.pg_publication p LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = "
            "p.oid AND "
            "r.prrelid = $1::oid WHERE r.oid IS NOT NULL OR p.puballtables" +
            in_schema + " ORDER BY p.pubname",
        {oid_});
    for (const Row& row : found.rows) {
      anatomy_.publications.push_back(
          {Text(row[0]), Flag(row[1]), Flag(row[2]), Flag(row[3]), Flag(row[4]), Text(row[5])});
    }
  }

  void ReadSequences() {
    const Result found = session_.Query(
        "SELECT a.attname, n.nspname, s.relname, d.deptype = 'i', "
        "pg_catalog.format('INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', "
        "q.seqincrement, "
        "q.seqmin, q.seqmax, q.seqstart, q.seqcache, CASE WHEN q.seqcycle THEN ' CYCLE' END), a.attidentity "
        "= 'a' "
        ", CASE WHEN d.deptype = 'i' THEN (SELECT "
        "pg_catalog.json_agg(pg_catalog.format('GRANT %s ON SEQUENCE %I.%I TO %s%s', x.privilege_type, "
        "n.nspname, s.relname, CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE "
        "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable THEN ' "
        "WITH GRANT OPTION' END) ORDER BY x.grantee, x.privilege_type) FROM "
        "pg_catalog.aclexplode(s.relacl) x WHERE x.grantee <> s.relowner) END FROM pg_catalog.pg_depend d "
        "JOIN pg_catalog.pg_sequence q ON q.seqrelid = d.objid "
        "JOIN "
        "pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_catalog.pg_namespace n ON "
        "n.oid = "
        "s.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = "
        "d.refobjsubid "
        "WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = "
        "'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1::oid AND d.deptype IN ('a', 'i') "
        "ORDER BY "
        "s.oid",
        {oid_});
    for (const Row& row : found.rows) {
      anatomy_.sequences.push_back({Text(row[0]), Text(row[1]), Text(row[2]), Flag(row[3]), Text(row[4]),
                                    Flag(row[5]), Strings(row[6])});
    }
  }

  void ReadColumnGrants() {
    anatomy_.column_grants = Around(
        "SELECT pg_catalog.format('GRANT %s ON ', pg_catalog.string_agg(pg_catalog.format('%s (%I)', "
        "x.privilege_type, a.attname), ', ' ORDER BY a.attnum, x.privilege_type)), pg_catalog.format(' TO "
        "%s%s', "
        "CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE "
        "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable THEN ' "
        "WITH "
        "GRANT OPTION' END) FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL "
        "pg_catalog.aclexplode(a.attacl) x JOIN pg_catalog.pg_class c ON c.oid = a.attrelid WHERE a.attrelid "
        "= "
        "$1::oid AND a.attnum > 0 AND NOT a.attisdropped AND x.grantee <> c.relowner GROUP BY x.grantee, "
        "x.is_grantable ORDER BY x.grantee, x.is_grantable");
  }

  // Who may write to the table, or to a view that passes on to it, without what
  // passing on a row takes (sql_writer.cc).  Rows leave by an UPDATE only if it
  // changes the time column.
  void ReadWriters() {
    const Result found = session_.Query(
        "WITH RECURSIVE through (oid) AS (SELECT $1::oid UNION SELECT w.ev_class FROM through s JOIN "
        "pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid "
        "= s.oid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass JOIN pg_catalog.pg_rewrite w "
        "ON w.oid = d.objid JOIN pg_catalog.pg_class v ON v.oid = w.ev_class AND v.relkind = 'v' WHERE "
        "pg_catalog.pg_relation_is_updatable(v.oid, false) & 12 <> 0), granted AS (SELECT x.grantee, "
        "x.privilege_type FROM through s JOIN pg_catalog.pg_class c ON c.oid = s.oid CROSS JOIN LATERAL "
        "pg_catalog.aclexplode(c.relacl) x UNION SELECT x.grantee, x.privilege_type FROM through s JOIN "
        "pg_catalog.pg_attribute a ON a.attrelid = s.oid AND NOT a.attisdropped CROSS JOIN LATERAL "
        "pg_catalog.aclexplode(a.attacl) x WHERE x.privilege_type = 'INSERT' OR a.attname = $2 OR s.oid <> "
        "$1::oid) SELECT DISTINCT CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE "
        "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END FROM granted g JOIN (VALUES "
        "('INSERT', 'INSERT'), ('UPDATE', 'INSERT'), ('UPDATE', 'DELETE'), ('UPDATE', 'SELECT')) AS n "
        "(held, needed) ON n.held = g.privilege_type WHERE NOT CASE WHEN g.grantee = 0 THEN "
        "pg_catalog.has_table_privilege('public', $1::oid, n.needed) ELSE "
        "pg_catalog.has_table_privilege(g.grantee, $1::oid, n.needed) END ORDER BY 1",
        {oid_, time_column_});
    for (const Row& row : found.rows) anatomy_.short_of_rights.push_back(Text(row[0]));
  }

  // On all but columns and CHECKs, whose comments LIKE copies.  A unique key
  // without the time column stays with its partitions.
  void ReadComments() {
    const Result found = session_.Query(
        "SELECT pg_catalog.format(s.head, n.nspname, t.relname) || pg_catalog.format(' IS %L', "
        "d.description) "
        "FROM (SELECT 'pg_catalog.pg_class'::pg_catalog.regclass AS class, x.oid, "
        "pg_catalog.replace(pg_catalog.format('COMMENT ON INDEX %I.%I', m.nspname, x.relname), '%', '%%') AS "
        "head FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN "
        "pg_catalog.pg_namespace m ON m.oid = x.relnamespace WHERE i.indrelid = $1::oid UNION ALL SELECT "
        "'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, "
        "pg_catalog.replace(pg_catalog.format('COMMENT ON CONSTRAINT %I ON ', k.conname), '%', '%%') || "
        "'%I.%I' FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1::oid AND (k.contype IN ('f', 'p') OR "
        "k.contype = 'u' AND (SELECT attnum FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND "
        "attname "
        "= $2 AND NOT attisdropped) = ANY (k.conkey)) UNION ALL SELECT "
        "'pg_catalog.pg_trigger'::pg_catalog.regclass, g.oid, "
        "pg_catalog.replace(pg_catalog.format('COMMENT ON TRIGGER %I ON ', g.tgname), '%', '%%') || '%I.%I' "
        "FROM pg_catalog.pg_trigger g WHERE g.tgrelid = $1::oid AND NOT g.tgisinternal UNION ALL SELECT "
        "'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, "
        "pg_catalog.replace(pg_catalog.format('COMMENT ON POLICY %I ON ', p.polname), '%', '%%') || '%I.%I' "
        "FROM pg_catalog.pg_policy p WHERE p.polrelid = $1::oid) s JOIN pg_catalog.pg_description d ON "
        "d.classoid = s.class AND d.objoid = s.oid AND d.objsubid = 0 CROSS JOIN pg_catalog.pg_class t JOIN "
        "pg_catalog.pg_namespace n ON n.oid = t.relnamespace WHERE t.oid = $1::oid ORDER BY s.class, s.oid",
        {oid_, time_column_});
    for (const Row& row : found.rows) anatomy_.comments.push_back(Text(row[0]));
  }

  // What PostgreSQL would name if the table were dropped, but for what belongs
  // to the table and for what has been read above.  The table's row type, its
  // primary key and its identity columns' sequences are looked at likewise: the
  // last two do not outlive the conversion.
  void ReadDependents() {
    const Result found = session_.Query(
        "SELECT DISTINCT CASE WHEN w.rulename = '_RETURN' THEN "
        "pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class, 0) ELSE "
        "pg_catalog.pg_describe_object(o.classid, o.objid, 0) END "
        "FROM (SELECT classid, objid, refclassid, refobjid, refobjsubid FROM pg_catalog.pg_depend WHERE "
        "deptype "
        "= 'n' AND ((refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND (refobjid = $1::oid OR "
        "refobjid IN (SELECT objid FROM pg_catalog.pg_depend WHERE classid = "
        "'pg_catalog.pg_class'::pg_catalog.regclass AND refclassid = "
        "'pg_catalog.pg_class'::pg_catalog.regclass AND refobjid = $1::oid AND refobjsubid > 0 AND deptype = "
        "'i'))) OR (refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND refobjid IN (SELECT "
        "unnest(ARRAY[oid, typarray]) FROM pg_catalog.pg_type WHERE typrelid = $1::oid)) OR (refclassid = "
        "'pg_catalog.pg_constraint'::pg_catalog.regclass AND refobjid IN (SELECT oid FROM "
        "pg_catalog.pg_constraint WHERE conrelid = $1::oid AND contype = 'p' AND NOT (SELECT attnum FROM "
        "pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attname = $2 AND NOT attisdropped) = ANY "
        "(conkey))))) AS o "
        "LEFT JOIN pg_catalog.pg_rewrite w ON o.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND "
        "w.oid = o.objid LEFT JOIN pg_catalog.pg_class v ON v.oid = w.ev_class "
        // A view is made anew, unless its result has the table's row type or
        // holds only as long as the key is one, or it is another session's own.
        "WHERE NOT (w.oid IS NOT NULL AND ((v.relkind = 'v' AND v.relpersistence <> 't' AND w.rulename = "
        "'_RETURN' AND o.refclassid <> "
        "'pg_catalog.pg_constraint'::pg_catalog.regclass) OR w.ev_class = $1::oid)) "
        "AND NOT (o.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND EXISTS (SELECT FROM "
        "pg_catalog.pg_constraint k WHERE k.oid = o.objid AND (k.conrelid = $1::oid OR k.contype = 'f'))) "
        "AND NOT (o.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND EXISTS (SELECT FROM "
        "pg_catalog.pg_trigger t WHERE t.oid = o.objid AND t.tgrelid = $1::oid)) "
        "AND NOT (o.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND EXISTS (SELECT FROM "
        "pg_catalog.pg_policy p WHERE p.oid = o.objid AND p.polrelid = $1::oid)) "
        "AND NOT (o.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND EXISTS (SELECT FROM "
        "pg_catalog.pg_attrdef f WHERE f.oid = o.objid AND f.adrelid = $1::oid)) "
        "AND NOT (o.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass AND EXISTS (SELECT FROM "
        "pg_catalog.pg_publication_rel r WHERE r.oid = o.objid AND r.prrelid = $1::oid)) "
        "AND NOT (o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND (o.objid = $1::oid OR EXISTS "
        "(SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = o.objid AND i.indrelid = $1::oid))) "
        // A policy that reads its own table, as opposed to the row at hand, would
        // go on reading the history.  Only its tree tells the two apart.
        "UNION SELECT pg_catalog.pg_describe_object('pg_catalog.pg_policy'::pg_catalog.regclass, oid, 0) "
        "FROM "
        "pg_catalog.pg_policy WHERE polrelid = $1::oid AND concat(polqual::text, polwithcheck::text) LIKE "
        "'%:relid ' || $1 || ' %' ORDER BY 1 LIMIT 20",
        {oid_, time_column_});
    for (const Row& row : found.rows) anatomy_.dependents.push_back(Text(row[0]));
  }

  // Infinity is no time.
  void ReadTimes() {
    if (table_.kind != Table::Kind::kPlain || !table_.has_time_index) return;
    const std::string column = QuoteName(time_column_);
    const Row row = session_
                        .Query("SELECT (extract(epoch FROM min(" + column +
                               ")) * 1000000)::bigint, (extract(epoch FROM max(" + column +
                               ")) * 1000000)::bigint FROM ONLY " + QuoteName(table_.schema, table_.name) +
                               " WHERE " + column + " > '-infinity' AND " + column + " < 'infinity'")
                        .rows.at(0);
    if (row[0]) anatomy_.first = Micros(row[0]);
    if (row[1]) anatomy_.last = Micros(row[1]);
  }

  // On the way back each is asked for one row, and for one that may move.
  void ReadChildren() {
    if (table_.kind != Table::Kind::kPlain || !table_.conversion ||
        table_.conversion->state != Conversion::State::kReverting) {
      return;
    }
    Table named = table_;
    named.anatomy = anatomy_;
    for (const Partition& child : table_.partitions) {
      const std::string name = QuoteName(child.schema, child.name);
      const Row row = session_
                          .Query("SELECT EXISTS (SELECT FROM ONLY " + name + "), EXISTS (SELECT FROM ONLY " +
                                 name + " c WHERE NOT (" + RepeatsKeySql(named, "c") + "))")
                          .rows.at(0);
      if (!Flag(row[0])) anatomy_.empty_children.push_back(child.oid);
      if (Flag(row[0]) && !Flag(row[1])) anatomy_.stuck_children.push_back(child.oid);
    }
  }

  Session& session_;
  const Server& server_;
  const std::string oid_;
  const std::string indexed_;  // the table whose indexes are read
  const Table& table_;
  const std::string& time_column_;
  Anatomy anatomy_;
};

}  // namespace

Anatomy ReadAnatomy(Session& session, const Server& server, const Table& table,
                    const std::string& time_column) {
  return AnatomyReader(session, server, table, time_column).Read();
}

}  // namespace partition_controller
