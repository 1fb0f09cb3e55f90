// What is made for a rollup: its log, triggers, tables and view.

#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"
#include "reconcilers/rollup_sql.h"

namespace partition_controller {

std::vector<std::string> RollupSql::CreateSupport(const std::vector<std::string>& types) const {
  std::string columns;
  for (std::size_t i = 0; i < rollup_.dimensions.size(); ++i) {
    columns += QuoteName(rollup_.dimensions[i]) + " " + types[i] + ", ";
  }
  const std::string mark = [&] {
    // GROUP BY makes one mark of all rows of a statement in one bucket; a row
    // that has none is only counted.
    const auto insert = [&](const std::string& rows, const std::string& points) {
      return "    INSERT INTO " + marks_ + " (" + Dims("") + ", bucket_ts, points) SELECT " + Dims("x.") +
             ", x.bucket_ts, " + points + " FROM (SELECT " + Dims("r.") + ", CASE WHEN " + Valid("r.") +
             " THEN " + Bucket("r." + time_) + " END AS bucket_ts FROM " + rows + " r) x GROUP BY " +
             Dims("x.") + ", x.bucket_ts;\n";
    };
    return "BEGIN\n  IF TG_OP = 'TRUNCATE' THEN\n    INSERT INTO " + marks_ +
           " (bucket_ts, points) VALUES (" + kAllBuckets +
           ", 0);\n    RETURN NULL;\n  END IF;\n  IF TG_OP <> 'DELETE' THEN\n" +
           // Points are counted where they come in.
           insert("new_rows", fed() ? "0" : "CASE TG_OP WHEN 'INSERT' THEN pg_catalog.count(*) ELSE 0 END") +
           "  END IF;\n  IF TG_OP <> 'INSERT' THEN\n" + insert("old_rows", "0") +
           "  END IF;\n  RETURN NULL;\nEND";
  }();
  // While it was paused, a dimension may have become another type: a mark that does
  // not hold it would fail writers.  There are no marks then, or all is computed
  // again; what is kept of a partition must be converted.
  const auto follow = [&](const std::string& table, bool keep) {
    std::string body = "BEGIN\n";
    for (std::size_t i = 0; i < rollup_.dimensions.size(); ++i) {
      const std::string name = QuoteName(rollup_.dimensions[i]);
      body +=
          "  IF (SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a "
          "WHERE a.attrelid = " +
          QuoteLiteral(table) +
          "::pg_catalog.regclass AND a.attname = " + QuoteLiteral(rollup_.dimensions[i]) + ") <> " +
          QuoteLiteral(types[i]) + " THEN\n    ALTER TABLE " + table + " ALTER COLUMN " + name + " TYPE " +
          types[i] + " USING " + (keep ? name + "::pg_catalog.text::" : "NULL::") + types[i] +
          ";\n  END IF;\n";
    }
    return "DO " + DollarQuote(body + "END");
  };
  return {
      "CREATE TABLE IF NOT EXISTS " + marks_ + " (" + columns +
          "bucket_ts timestamptz, points bigint NOT NULL, held boolean NOT NULL DEFAULT false)",
      "CREATE TABLE IF NOT EXISTS " + base_ + " (" + columns +
          "bucket_ts timestamptz NOT NULL, metric_key text, source oid NOT NULL, n bigint NOT NULL, lo "
          "double "
          "precision, hi double precision, total numeric)",
      follow(marks_, false),
      follow(base_, true),
      "CREATE INDEX IF NOT EXISTS " + QuoteName("base_" + state_.suffix + "_idx") + " ON " + base_ +
          " (bucket_ts, " + Dims("") + ")",
      "CREATE OR REPLACE FUNCTION " + function_ +
          "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS " +
          DollarQuote(mark),
      // So that one that somebody replaced is told from one of another release.
      "DO " + DollarQuote("BEGIN\n  EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s() IS %L', " +
                          QuoteLiteral(function_) + ", (SELECT " + std::string(kFingerprint) +
                          " FROM pg_catalog.pg_proc f WHERE f.oid = " + QuoteLiteral(function_ + "()") +
                          "::pg_catalog.regprocedure));\nEND"),
  };
}

std::vector<std::string> RollupSql::CreateTarget(const std::vector<std::string>& types,
                                                 const std::string& owner) const {
  std::string columns;
  for (std::size_t i = 0; i < rollup_.dimensions.size(); ++i) {
    columns += QuoteName(rollup_.dimensions[i]) + " " + types[i] + " NOT NULL, ";
  }
  std::vector<std::string> statements = {
      "CREATE TABLE " + target_ + " (" + columns +
          "metric_key text NOT NULL, bucket_ts timestamptz NOT NULL, sample_count bigint NOT NULL, min_value "
          "double precision NOT NULL, max_value double precision NOT NULL, avg_value double precision NOT "
          "NULL, "
          "sum_value numeric, updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(), PRIMARY KEY (" +
          Dims("") + ", metric_key, bucket_ts)) PARTITION BY RANGE (bucket_ts)",
      "CREATE INDEX ON " + target_ + " (bucket_ts, " + Dims("") + ")"};
  if (!owner.empty()) statements.push_back("ALTER TABLE " + target_ + " OWNER TO " + QuoteName(owner));
  return statements;
}

std::vector<std::string> RollupSql::Forget() const {
  const std::string view = QuoteName(schema_, rollup_.table + "_live");
  // Where somebody dropped the table, or took the view's name, that stays as it is.
  const std::string plain = "CREATE OR REPLACE VIEW " + view + " AS SELECT " + Dims("t.") +
                            ", t.metric_key::text, t.bucket_ts, t.sample_count::bigint, t.min_value, "
                            "t.max_value, t.avg_value, t.sum_value FROM " +
                            target_ + " t";
  return {"DO " + DollarQuote("BEGIN\n  IF pg_catalog.to_regclass(" + QuoteLiteral(target_) +
                              ") IS NOT NULL AND pg_catalog.obj_description(pg_catalog.to_regclass(" +
                              QuoteLiteral(view) + "), 'pg_class') = " + QuoteLiteral(kViewComment) +
                              " THEN\n    EXECUTE " + DollarQuote(plain) + ";\n  END IF;\nEND"),
          "DROP TABLE IF EXISTS " + marks_ + ", " + base_,
          "DELETE FROM partition_controller.sealed WHERE suffix = " + Suffix(),
          "DELETE FROM partition_controller.proofs WHERE suffix = " + Suffix(),
          "DELETE FROM partition_controller.rollups WHERE suffix = " + Suffix()};
}

std::vector<std::string> RollupSql::DropTriggers() const {
  std::vector<std::string> statements;
  for (const char* event : {"i", "u", "d", "t"}) {
    statements.push_back("DROP TRIGGER IF EXISTS " +
                         QuoteName("partition_controller_" + rollup_.name + "_" + event) + " ON " + table_);
  }
  return statements;
}

std::vector<std::string> RollupSql::CreateTriggers() const {
  std::vector<std::string> statements;
  const auto create = [&](const std::string& event, const std::string& what, const std::string& rows) {
    statements.push_back(
        "CREATE TRIGGER " + QuoteName("partition_controller_" + rollup_.name + "_" + event) + " AFTER " +
        what + " ON " + table_ + rows + " FOR EACH STATEMENT WHEN (pg_catalog.current_setting(" +
        QuoteLiteral(kMovesSetting) + ", true) IS DISTINCT FROM 'on') EXECUTE FUNCTION " + function_ + "()");
  };
  create("i", "INSERT", " REFERENCING NEW TABLE AS new_rows");
  create("u", "UPDATE", " REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows");
  create("d", "DELETE", " REFERENCING OLD TABLE AS old_rows");
  create("t", "TRUNCATE", "");
  return statements;
}

std::vector<std::string> RollupSql::CreateView() const {
  const std::string key = Dims("") + ", bucket_ts, metric_key";
  // What was removed is not made again from rows that are there still: coarser
  // ones have it.
  const auto there = [&](const std::string& bucket) {
    return " AND " + bucket + " OPERATOR(pg_catalog.>=) " + Gone();
  };
  // What a finer rollup has not computed yet is read by its view, and counts as
  // not computed here either.
  const std::string source = fed() ? QuoteName(schema_, state_.finer_table + "_live") : table_;
  const std::string finer_marks = QuoteName("partition_controller", "marks_" + state_.finer_suffix);
  const std::string fresh_finer =
      " f WHERE NOT f.held AND f.bucket_ts OPERATOR(pg_catalog.>) " + std::string(kAllBuckets);
  const auto emptied = [](const std::string& marks) {
    return "EXISTS (SELECT FROM " + marks + " a WHERE a.bucket_ts OPERATOR(pg_catalog.=) " + kAllBuckets +
           ")";
  };
  std::string filled = "(SELECT CASE WHEN " + emptied(marks_) + (fed() ? " OR " + emptied(finer_marks) : "") +
                       " THEN timestamptz 'infinity' ELSE ";
  if (fed()) {
    filled += "(SELECT pg_catalog.max(CASE WHEN f.suffix OPERATOR(pg_catalog.=) " + Suffix() +
              " OR NOT pg_catalog.isfinite(f.filled_from) THEN f.filled_from ELSE " +
              Next(Bucket("f.filled_from")) +
              " END) FROM partition_controller.rollups f WHERE f.suffix OPERATOR(pg_catalog.=) ANY (ARRAY[" +
              Suffix() + ", " + QuoteLiteral(state_.finer_suffix) + "]))";
  } else {
    filled += Filled();
  }
  filled += " END)";
  const std::string dirty = "(SELECT DISTINCT m.* FROM (SELECT " + Dims("m.") + ", m.bucket_ts FROM " +
                            marks_ + " m WHERE NOT m.held AND m.bucket_ts OPERATOR(pg_catalog.>) " +
                            kAllBuckets +
                            (fed() ? " UNION ALL SELECT " + Dims("f.") + ", " + Bucket("f.bucket_ts") +
                                         " FROM " + finer_marks + fresh_finer
                                   : std::string()) +
                            ") m WHERE m.bucket_ts OPERATOR(pg_catalog.>=) " + filled + there("m.bucket_ts") +
                            Open("m.bucket_ts") + ")";
  const std::string is_dirty =
      "((EXISTS (SELECT FROM " + marks_ + " m WHERE " + Same("m", "t") +
      " AND m.bucket_ts OPERATOR(pg_catalog.=) t.bucket_ts AND NOT m.held)" +
      (fed() ? " OR EXISTS (SELECT FROM " + finer_marks + fresh_finer + " AND " + Same("f", "t") + " AND " +
                   Bucket("f.bucket_ts") + " OPERATOR(pg_catalog.=) t.bucket_ts)"
             : std::string()) +
      ")" + there("t.bucket_ts") + Open("t.bucket_ts") + ")";
  const std::string unfilled = "(t.bucket_ts OPERATOR(pg_catalog.<) " + filled + there("t.bucket_ts") + ")";
  const std::string stored = Dims("t.") +
                             ", t.metric_key::text, t.bucket_ts, t.sample_count::bigint, t.min_value, "
                             "t.max_value, ";
  const std::string of_mark =
      dirty + " s CROSS JOIN LATERAL " + RowsIn(source, Next("s.bucket_ts")) + " CROSS JOIN " + Values();
  const std::string of_unfilled =
      "(SELECT " + Dims("q.") + ", " + Bucket("q." + time_) + " AS bucket_ts, " + Payload("q.") + " FROM " +
      source + " q WHERE " + filled + " OPERATOR(pg_catalog.>) '-infinity' AND q." + time_ +
      " OPERATOR(pg_catalog.<) least(" + filled + ", " + kLastTime + ") AND " + Valid("q.") +
      there(Bucket("q." + time_)) + Open(Bucket("q." + time_)) + ") r CROSS JOIN " + Values();
  const std::string parts =
      "SELECT " + key + ", n, lo, hi, total FROM (" + Groups(of_mark, "s.bucket_ts") +
      ") g WHERE n OPERATOR(pg_catalog.>) 0 UNION ALL SELECT " + key + ", n, lo, hi, total FROM (" +
      Groups(of_unfilled, "r.bucket_ts") + ") g WHERE n OPERATOR(pg_catalog.>) 0 UNION ALL SELECT " +
      Dims("t.") + ", t.bucket_ts, t.metric_key, t.n, t.lo, t.hi, t.total FROM " + base_ +
      " t WHERE t.metric_key IS NOT NULL AND " + Away("t.source") + Open("t.bucket_ts") + " AND (" +
      unfilled + " OR " + is_dirty + ") UNION ALL SELECT " + Dims("t.") +
      ", t.bucket_ts, t.metric_key, t.sample_count::bigint, t.min_value, t.max_value, "
      "coalesce(t.sum_value, t.avg_value::text::numeric OPERATOR(pg_catalog.*) "
      "t.sample_count) FROM " +
      target_ + " t WHERE (" + unfilled + " OR " + is_dirty + ") AND " + Sealed("t.bucket_ts") +
      (rollup_.merge_late ? " AND NOT " + Based("t") : std::string());
  const std::string view = QuoteName(schema_, rollup_.table + "_live");
  return {"CREATE OR REPLACE VIEW " + view + " AS SELECT " + stored + "t.avg_value, t.sum_value FROM " +
              target_ + " t WHERE NOT (" + unfilled + ") AND NOT " + is_dirty + " UNION ALL SELECT " +
              Dims("") +
              ", metric_key, bucket_ts, pg_catalog.sum(n)::bigint, pg_catalog.min(lo), pg_catalog.max(hi), " +
              AsDouble("(pg_catalog.sum(total) OPERATOR(pg_catalog./) pg_catalog.sum(n))") +
              ", pg_catalog.sum(total) FROM (" + parts + ") p GROUP BY " + key,
          "COMMENT ON VIEW " + view + " IS " + QuoteLiteral(kViewComment)};
}

std::string RollupSql::Record(Oid table, bool makes_table) const {
  return "INSERT INTO partition_controller.rollups AS r (table_oid, name, suffix, schema_name, target_name, "
         "target_oid, shape, source, made_by_us) VALUES (" +
         std::to_string(table) + ", " + QuoteLiteral(rollup_.name) + ", " + Suffix() + ", " +
         QuoteLiteral(schema_) + ", " + QuoteLiteral(rollup_.table) + ", " + QuoteLiteral(target_) +
         "::pg_catalog.regclass, " + QuoteLiteral(RollupShape(rollup_)) + ", " +
         QuoteLiteral(RollupSource(rollup_)) + ", " +
         // One that it made before may have been forgotten meanwhile.
         (makes_table ? "true"
                      : "EXISTS (SELECT FROM partition_controller.partitions p WHERE p.made_by_us AND "
                        "p.table_oid = " +
                            QuoteLiteral(target_) + "::pg_catalog.regclass)") +
         ") ON CONFLICT (suffix) DO UPDATE SET made_by_us = EXCLUDED.made_by_us OR (r.made_by_us AND "
         "r.target_oid = EXCLUDED.target_oid), target_oid = EXCLUDED.target_oid, source = EXCLUDED.source, "
         "state = 'filling', filled_from = 'infinity', fill_step = EXCLUDED.fill_step, started_at = "
         "EXCLUDED.started_at";
}

std::vector<std::string> RollupSql::Stop() const {
  std::vector<std::string> statements = DropTriggers();
  statements.push_back("DROP FUNCTION IF EXISTS " + function_ + "()");
  statements.push_back(IfThere("DELETE FROM " + marks_));
  statements.push_back(
      "UPDATE partition_controller.rollups SET state = 'paused', filled_from = 'infinity' WHERE suffix = " +
      Suffix());
  return statements;
}

std::string RollupSql::HoldMarks() const {
  const auto insert = [&](const std::string& row, const std::string& points, const std::string& held) {
    std::string values;
    for (const std::string& name : rollup_.dimensions) values += row + QuoteName(name) + ", ";
    return "INSERT INTO " + marks_ + " (" + Dims("") + ", bucket_ts, points, held) SELECT " + values +
           "CASE WHEN " + Valid(row) + " THEN " + Bucket(row + time_) + " END, " + points + ", " + held +
           " WHERE " + Valid(row) + ";\n";
  };
  return "  " + insert("NEW.", fed() ? "0" : "CASE TG_OP WHEN 'INSERT' THEN 1 ELSE 0 END", "true") +
         "  IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n    " + insert("OLD.", "0", "false") +
         "  END IF;\n";
}

std::string RollupSql::ReleaseMarks() const {
  return IfThere("UPDATE " + marks_ + " SET held = false WHERE held");
}

// Somebody may have dropped the log, and it is made again later.
std::string RollupSql::IfThere(const std::string& statement) const {
  return "DO " + DollarQuote("BEGIN\n  IF pg_catalog.to_regclass(" + QuoteLiteral(marks_) +
                             ") IS NOT NULL THEN\n    " + statement + ";\n  END IF;\nEND");
}

std::string RollupSql::MarkAll(const std::string& table) const {
  return IfThere("INSERT INTO " + marks_ + " (" + Dims("") + ", bucket_ts, points) SELECT " + Dims("r.") +
                 ", " + Bucket("r." + time_) + (fed() ? ", 0" : ", pg_catalog.count(*)") + " FROM " + table +
                 " r WHERE " + Valid("r.") + " GROUP BY " + Dims("r.") + ", " + Bucket("r." + time_));
}

}  // namespace partition_controller
