// Many buckets at a time: history that is computed, and a partition that is
// compared before it leaves.

#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"
#include "reconcilers/rollup_sql.h"

namespace partition_controller {
namespace {

// Keys that are looked at when all are wanted: more make too wide a row.
constexpr const char* kMostKeys = "64";

// Groups of a stretch: they are held in memory, some 400 bytes each.
constexpr const char* kMostGroups = "250000";

}  // namespace

std::string RollupSql::Deserted(const std::string& bucket, const std::vector<Range>& partitions) const {
  std::string ranges;
  for (const Range& range : partitions) {
    ranges += (ranges.empty() ? "(" : ", (") + Literal(range.from) + ", " + Literal(range.to) + ")";
  }
  if (ranges.empty()) return "false";
  return "NOT EXISTS (SELECT FROM (VALUES " + ranges +
         ") AS d (lower, upper) WHERE d.lower OPERATOR(pg_catalog.<) " + Next(bucket) +
         " AND d.upper OPERATOR(pg_catalog.>) " + bucket + " AND EXISTS (SELECT FROM " + table_ +
         " q WHERE q." + time_ + " OPERATOR(pg_catalog.>=) d.lower AND q." + time_ +
         " OPERATOR(pg_catalog.<) d.upper))";
}

// Rows `r` from `low` to before `upto`, with their buckets.
std::string RollupSql::RowsOf(const std::string& low, const std::string& upto) const {
  return "(SELECT " + Dims("r.") + ", " + Bucket("r." + time_) + " AS bucket_ts, " + Payload("r.") +
         " FROM " + table_ + " r WHERE r." + time_ + " OPERATOR(pg_catalog.>=) greatest(" + low + ", " +
         kFirstTime + ") AND r." + time_ + " OPERATOR(pg_catalog.<) least(" + upto + ", " + kLastTime +
         ") AND " + Valid("r.") + ") r";
}

// All rows of the range in one pass; one without a number makes its bucket known.
std::string RollupSql::NarrowGroups(const std::string& rows) const {
  return "WITH groups AS MATERIALIZED (" +
         Groups(rows + " LEFT JOIN " + Values() + " ON true", "r.bucket_ts");
}

// PL/pgSQL that puts into `wide` the beginning of a statement, up to the end of
// its CTE `groups`; or nothing, where that is not to be had.
//
// To take a document apart costs more than to look up each key in it, and a row
// for each value more than a column: so the keys that a few rows have are looked
// up in all, and added up if they had numbers there.  A bucket that has other
// keys, strings that look like numbers, numbers of a key that had none, or such
// as may fit no double, is then done value by value.
std::string RollupSql::WideGroups(const std::string& rows) const {
  const bool all = !rollup_.jsonb.empty() && rollup_.keys.empty();
  // It keeps what a subquery computes from being computed again wherever it is
  // used (PostgreSQL: is_simple_subquery()); OFFSET 0 does too, and keeps the scan
  // from being parallel.
  const std::string fenced = "(WITH \"pc.fence\" AS (SELECT) SELECT ";
  // "pc.x1": no dimension is called that.
  const auto each = [](const std::string& text, const char* between = ", ") {
    return "pg_catalog.string_agg(pg_catalog.format(" + QuoteLiteral(text) + ", u.i, u.k), " +
           QuoteLiteral(between) + " ORDER BY u.i)";
  };
  // The same for the keys without numbers, of which there may be none.
  const auto silent = [](const std::string& text) {
    return "(SELECT coalesce(pg_catalog.string_agg(pg_catalog.format(" + QuoteLiteral(text) +
           ", s.i, s.k), ''), '') FROM pg_catalog.unnest(silent) WITH ORDINALITY AS s (k, i))";
  };
  // What starts like a number is smaller than a colon, in ASCII.
  const auto looks_like_number = [](const std::string& value) {
    return "(" + value + " #>> '{}') COLLATE \"C\" < ':'";
  };
  const std::string number =
      "CASE pg_catalog.jsonb_typeof(\"pc.x%1$s\") WHEN 'number' THEN \"pc.x%1$s\"::numeric WHEN 'string' "
      "THEN CASE WHEN " +
      looks_like_number("\"pc.x%1$s\"") + " THEN 'NaN'::numeric END END AS \"pc.x%1$s\"";
  const std::string speaks =
      " OR CASE pg_catalog.jsonb_typeof(\"pc.y%1$s\") WHEN 'number' THEN true WHEN 'string' THEN " +
      looks_like_number("\"pc.y%1$s\"") + " ELSE false END";
  const std::string sums =
      "pg_catalog.count(\"pc.x%1$s\") AS \"pc.n%1$s\", pg_catalog.min(\"pc.x%1$s\") AS \"pc.l%1$s\", "
      "pg_catalog.max(\"pc.x%1$s\") AS \"pc.h%1$s\", pg_catalog.sum(\"pc.x%1$s\") AS \"pc.t%1$s\"";
  // A number that is nearly zero has many digits after its point, and so has
  // each sum with it.  NaN is the largest.
  const std::string strange =
      "coalesce(\"pc.h%1$s\" >= 1.7e308 OR \"pc.l%1$s\" <= -1.7e308 OR pg_catalog.scale(\"pc.t%1$s\") > 300, "
      "false)";
  const std::string line = "(%2$L, w.\"pc.n%1$s\", w.\"pc.l%1$s\", w.\"pc.h%1$s\", w.\"pc.t%1$s\")";
  std::string text;
  if (all) {
    text =
        "    SELECT pg_catalog.array_agg(k.key) FILTER (WHERE k.numbers), "
        "coalesce(pg_catalog.array_agg(k.key) FILTER (WHERE NOT k.numbers), '{}'), "
        "coalesce(pg_catalog.bool_or(k.odd), true) INTO names, silent, odd FROM (SELECT e.key, "
        "pg_catalog.bool_or(pg_catalog.jsonb_typeof(e.value) = 'number') AS numbers, "
        "pg_catalog.bool_or(pg_catalog.jsonb_typeof(e.value) = 'string' AND " +
        looks_like_number("e.value") + ") AS odd FROM (SELECT r.document FROM (SELECT " + Document("r.") +
        " AS document FROM " + table_ + " r WHERE r." + time_ + " >= greatest(low, " + kFirstTime +
        ") AND r." + time_ + " < least(upto, " + kLastTime +
        ") LIMIT 200) r WHERE pg_catalog.jsonb_typeof(r.document) = 'object') r CROSS JOIN "
        "pg_catalog.jsonb_each(r.document) e WHERE pg_catalog.length(e.key) <= " +
        std::to_string(key_limit_) + " AND pg_catalog.octet_length(e.key) <= " + kLongestKey +
        " GROUP BY e.key) k;\n    wide := NULL;\n    IF NOT odd AND pg_catalog.cardinality(names || silent) "
        "<= " +
        kMostKeys + " THEN\n";
  } else {
    std::string keys;
    for (const std::string& key : rollup_.jsonb.empty() ? rollup_.columns : rollup_.keys) {
      keys += (keys.empty() ? "" : ", ") + QuoteLiteral(key);
    }
    text = "    names := ARRAY(SELECT DISTINCT k FROM pg_catalog.unnest(ARRAY[" + keys +
           "]) k WHERE pg_catalog.length(k) <= " + std::to_string(key_limit_) +
           " AND pg_catalog.octet_length(k) <= " + kLongestKey +
           ");\n    silent := '{}';\n    wide := NULL;\n    IF pg_catalog.cardinality(names) BETWEEN 1 AND " +
           kMostKeys + " THEN\n";
  }
  const std::string object =
      "CASE pg_catalog.jsonb_typeof(r.document) WHEN 'object' THEN r.document END AS document";
  // A document that has all of the keys has another one if it has more pairs, and
  // one with more pairs is the greater one (PostgreSQL manual, 8.14.4).  The
  // empty key is less than any other: the smallest document with one pair more.
  const std::string strayed =
      all ? "'CASE WHEN ' || CASE WHEN '' = ANY (names || silent) THEN 'false' ELSE " +
                each("\"pc.x%1$s\" IS NOT NULL", " AND ") + " || " + silent(" AND \"pc.y%1$s\" IS NOT NULL") +
                " END || ' THEN \"pc.document\" >= ' || pg_catalog.quote_literal((SELECT "
                "pg_catalog.jsonb_object_agg(CASE g WHEN 0 THEN '' ELSE 'k' || g END, NULL::text) FROM "
                "pg_catalog.generate_series(0, pg_catalog.cardinality(names || silent)) g)::text) || "
                "'::jsonb ELSE (\"pc.document\" - ' || pg_catalog.quote_literal((names || silent)::text) || "
                "'::text[]) <> pg_catalog.jsonb_build_object() END'"
          : "'false'";
  const std::string generic = Groups("odd s CROSS JOIN LATERAL " + RowsIn(table_, Next("s.bucket_ts")) +
                                         " LEFT JOIN " + Values() + " ON true",
                                     "s.bucket_ts");
  text +=
      "      SELECT " + DollarQuote("WITH wide AS MATERIALIZED (SELECT w.*, w.\"pc.odd\" OR ") + " || " +
      each(strange, " OR ") + " || " +
      DollarQuote(" AS \"pc.strange\" FROM (SELECT " + Dims("v.") +
                  ", v.bucket_ts, coalesce(pg_catalog.bool_or(v.\"pc.odd\"), false) AS \"pc.odd\", ") +
      " || " + each(sums) + " || " +
      DollarQuote(" FROM " + fenced + Dims("x.") + ", x.bucket_ts, coalesce(") + " || " + strayed +
      " || ', false)' || " + silent(speaks) + " || " + DollarQuote(" AS \"pc.odd\", ") + " || " +
      each(number) + " || " +
      DollarQuote(" FROM " + fenced + Dims("o.") + ", o.bucket_ts, o.document AS \"pc.document\", ") +
      " || " + each("o.document -> %2$L AS \"pc.x%1$s\"") + " || " +
      silent(", o.document -> %2$L AS \"pc.y%1$s\"") + " || " +
      DollarQuote(" FROM " + fenced + Dims("r.") + ", r.bucket_ts, " + object + " FROM " + rows +
                  ") o) x) v GROUP BY " + Dims("v.") + ", v.bucket_ts) w), odd AS MATERIALIZED (SELECT " +
                  Dims("") + ", bucket_ts FROM wide WHERE \"pc.strange\"), groups AS MATERIALIZED (SELECT " +
                  Dims("w.") + ", w.bucket_ts, u.metric_key, u.n, " + AsDouble("u.lo") + " AS lo, " +
                  AsDouble("u.hi") +
                  " AS hi, u.total, 0::bigint AS skipped FROM wide w CROSS JOIN LATERAL (VALUES ") +
      " || " + each(line) + " || " +
      DollarQuote(") u (metric_key, n, lo, hi, total) WHERE NOT w.\"pc.strange\" UNION ALL " + generic) +
      " INTO wide FROM pg_catalog.unnest(names) WITH ORDINALITY AS u (k, i);\n    END IF;\n";
  return text;
}

std::string RollupSql::GroupVariables() const {
  return "  wide text;\n  names text[];\n  silent text[];\n  odd boolean;\n  totals " + base_ +
         "[];\n  skipped bigint;\n  most integer;\n";
}

// PL/pgSQL that leaves in `totals` the groups of the rows from `low` to before
// `upto`, and in `skipped` how many values were no numbers that fit.  If they are
// too many, and of more than one bucket, the step ends, and the next is shorter.
//
// A statement that writes is never carried out in parallel (PostgreSQL manual,
// 15.2), one that only reads is: so the groups, which are few, are taken first.
std::string RollupSql::FindGroups() const {
  const std::string narrow = DollarQuote(NarrowGroups(RowsOf("$1", "$2")));
  const std::string totals =
      " || " +
      DollarQuote(") SELECT pg_catalog.array_agg(ROW(" + Dims("g.") +
                  ", g.bucket_ts, g.metric_key, 0, g.n, g.lo, g.hi, g.total)::" + base_ +
                  "), coalesce(pg_catalog.sum(g.skipped), 0) FROM (SELECT * FROM groups LIMIT $3) g") +
      " INTO totals, skipped USING low, upto, most + 1;\n";
  // One bucket cannot be divided.
  std::string body =
      "    most := CASE WHEN " + Next(Bucket("low")) + " < upto THEN " + kMostGroups + " END;\n";
  if (fed()) {
    body += "    EXECUTE " + narrow + totals;
  } else {
    // The planner takes wide rows for a reason to sort them all; there are few
    // groups.  Numbers near the largest numeric overflow its sum before they are
    // found to fit no double.
    body += WideGroups(RowsOf("$1", "$2")) +
            "    PERFORM pg_catalog.set_config('enable_sort', 'off', true);\n    BEGIN\n      EXECUTE "
            "coalesce(wide, " +
            narrow + ")" + totals + "    EXCEPTION WHEN numeric_value_out_of_range THEN\n      EXECUTE " +
            narrow + totals + "    END;\n";
  }
  return body +
         "    IF pg_catalog.cardinality(totals) > most THEN\n      UPDATE partition_controller.rollups SET "
         "fill_step = greatest(fill_step / 8, interval '1 min') WHERE suffix "
         "OPERATOR(pg_catalog.=) " +
         Suffix() + ";\n    " + Report("true", "0") + "      RETURN;\n    END IF;\n";
}

// PL/pgSQL that raises `low` to where the span of partitions that holds the
// bucket of `newest` begins; where there is none, the step ends.
std::string RollupSql::WithinSpan() const {
  if (!state_.target.spans) return "";
  std::string spans;
  for (const Range& span : *state_.target.spans) {
    Bound from = span.from;
    if (from.finite() && BucketStart(rollup_, from.at) != from.at)
      from = Bound::At(NextBucket(rollup_, from.at));
    spans += (spans.empty() ? "(" : ", (") + Literal(from) + ", " + Literal(span.to) + ")";
  }
  const std::string leave = "    " + Report("false", "0") + "    RETURN;\n";
  if (spans.empty()) return leave;
  return "    SELECT greatest(low, s.lower) INTO low FROM (VALUES " + spans + ") s (lower, upper) WHERE " +
         Bucket("newest") + " >= s.lower AND " + Bucket("newest") + " < s.upper;\n    IF NOT FOUND THEN\n" +
         leave + "    END IF;\n";
}

std::string RollupSql::Resume() const {
  return "UPDATE partition_controller.rollups SET state = 'filling', filled_from = filled_down_to WHERE "
         "suffix OPERATOR(pg_catalog.=) " +
         Suffix() +
         " AND state OPERATOR(pg_catalog.=) 'live' AND filled_from OPERATOR(pg_catalog.=) '-infinity'";
}

std::vector<std::string> RollupSql::Fill(const std::vector<Range>& partitions,
                                         const std::optional<Instant>& expired) const {
  // The first bucket that begins where nothing was removed.
  const std::string oldest = "greatest(" + (expired ? Literal(*expired) : std::string(kAllBuckets)) +
                             ", CASE WHEN NOT pg_catalog.isfinite(gone) OR " + Bucket("gone") +
                             " = gone THEN gone ELSE " + Next(Bucket("gone")) + " END)";
  const std::string statement =
      "WITH groups AS MATERIALIZED (SELECT * FROM pg_catalog.unnest($5)), there AS MATERIALIZED (SELECT " +
      Dims("") + ", bucket_ts, pg_catalog.bool_or(raw) AS raw FROM (SELECT " + Dims("") +
      ", bucket_ts, true AS raw FROM groups UNION ALL SELECT " + Dims("t.") + ", t.bucket_ts, false FROM " +
      target_ +
      " t WHERE t.bucket_ts OPERATOR(pg_catalog.>=) $1 AND t.bucket_ts OPERATOR(pg_catalog.<) $2) x GROUP "
      "BY " +
      Dims("") + ", bucket_ts), flagged AS MATERIALIZED (SELECT p.*, " + Sealer("p.bucket_ts") +
      " AS sealer, " + Based("p") +
      " AS has_base FROM there p), seen AS MATERIALIZED (SELECT f.*, NOT f.has_base AND (f.sealer IS NOT "
      "NULL OR (NOT f.raw AND $3)) AS keep_stored FROM flagged f WHERE " +
      (rollup_.merge_late ? "(f.raw OR f.has_base OR f.sealer IS NULL)" : "f.sealer IS NULL") +
      " AND (f.raw OR f.has_base OR f.sealer IS NOT NULL OR $3 OR $4 OR NOT " +
      Deserted("f.bucket_ts", partitions) + "))" + Tail(false) +
      ", noted AS (UPDATE partition_controller.rollups SET skipped_values = skipped_values "
      "OPERATOR(pg_catalog.+) $6 WHERE suffix OPERATOR(pg_catalog.=) " +
      Suffix() + ") SELECT pg_catalog.count(*) FROM groups";
  const std::string where = " WHERE suffix OPERATOR(pg_catalog.=) " + Suffix() + ";\n";
  const std::string newest = "SELECT pg_catalog.max(r." + time_ + ") INTO newest FROM " + table_ +
                             " r WHERE r." + time_ + " OPERATOR(pg_catalog.<) least(upto, " + kLastTime +
                             ") AND r." + time_ + " OPERATOR(pg_catalog.>=) greatest(" + kFirstTime +
                             ", low);\n";
  // What lies beyond all partitions is yet to come: it is marked, and computed
  // when it has.
  std::string skip_future;
  std::string mark_future;
  if (state_.target.spans && !state_.target.spans->empty() && state_.target.spans->back().to.finite()) {
    const std::string end = Literal(state_.target.spans->back().to);
    skip_future = "  upto := least(upto, " + end + ");\n";
    mark_future = "  IF first THEN\n    INSERT INTO " + marks_ + " (" + Dims("") +
                  ", bucket_ts, points) SELECT DISTINCT " + Dims("r.") + ", " + Bucket("r." + time_) +
                  ", 0 FROM " + table_ + " r WHERE r." + time_ + " >= " + end + " AND " + Valid("r.") +
                  ";\n  END IF;\n";
  }
  const std::string body =
      "DECLARE\n  upto timestamptz;\n  low timestamptz;\n  gone timestamptz;\n  newest timestamptz;\n  step "
      "interval;\n "
      " adopts boolean;\n  emptied boolean;\n  made bigint := 0;\n  first boolean;\n  began timestamptz := "
      "pg_catalog.clock_timestamp();\n" +
      GroupVariables() +
      "BEGIN\n  "
      "SELECT filled_from, fill_step, adopting, truncated, gone_before INTO STRICT upto, step, adopts, "
      "emptied, "
      "gone FROM partition_controller.rollups" +
      where + "  low := " + oldest + ";\n" +
      "  IF upto = 'infinity' THEN\n    UPDATE partition_controller.rollups SET oldest_row = (SELECT " +
      "pg_catalog.min(r." + time_ + ") FROM " + table_ + " r WHERE r." + time_ + " >= " + kFirstTime + ")" +
      where + "  END IF;\n  first := upto = 'infinity';\n" + skip_future + "  " + newest +
      "  IF newest IS NOT NULL THEN\n    low := greatest(low, " +
      Bucket("greatest(newest - step, " + std::string(kFirstTime) + ")") + ");\n" + WithinSpan() +
      "  END IF;\n" + mark_future + "  IF upto > low THEN\n" + FindGroups() + "    EXECUTE " +
      DollarQuote(statement) +
      " INTO made USING low, upto, adopts, emptied, totals, skipped;\n  END IF;\n  UPDATE "
      "partition_controller.rollups SET "
      "filled_from = CASE WHEN newest IS NULL THEN '-infinity' ELSE low END, adopting = adopting AND newest "
      "IS "
      "NOT NULL, truncated = truncated AND newest IS NOT NULL, filled_down_to = CASE WHEN newest IS NULL "
      "THEN low ELSE "
      "filled_down_to END, state = CASE WHEN newest IS NULL THEN 'live' "
      "ELSE 'filling' END, fill_step = CASE WHEN pg_catalog.clock_timestamp() - began < interval '500 ms' "
      "THEN "
      "least(fill_step * 2, interval '10 days') WHEN pg_catalog.clock_timestamp() - began > interval '3 s' "
      "THEN greatest(fill_step / 2, interval '1 min') ELSE fill_step END" +
      where +
      // Without statistics the next refresh would look up its buckets the long way.
      "  IF newest IS NULL THEN\n    ANALYZE " + target_ + ";\n  END IF;\n" +
      Report("newest IS NOT NULL", "made") + "END";
  return {"DO " + DollarQuote(body), Reported()};
}

std::vector<std::string> RollupSql::Prove(const ProveRollup& a) const {
  const TableRef& partition = a.partition;
  const Range& range = a.range;
  const std::string leaf = QuoteName(partition.schema, partition.name);
  const std::string which =
      " WHERE suffix = " + Suffix() + " AND partition_oid = " + std::to_string(partition.oid) + ";\n";
  // Whole buckets, so that the bounds of the partition do not cut them.
  const std::string first = BucketOf(range.from);
  const std::string keyed = Dims("") + ", bucket_ts, metric_key";
  const auto keyed_by = [&](const std::string& p) {
    return Dims(p) + ", " + p + "bucket_ts, " + p + "metric_key";
  };
  const auto between = [](const std::string& p) { return p + "bucket_ts >= $1 AND " + p + "bucket_ts < $2"; };
  // A bucket that is marked will be computed again; of one that is sealed nothing
  // is left to compare.
  const std::string statement =
      "WITH groups AS MATERIALIZED (SELECT * FROM pg_catalog.unnest($3)), wanted AS (SELECT " + keyed +
      ", pg_catalog.sum(n)::bigint AS n, pg_catalog.min(lo) AS lo, pg_catalog.max(hi) AS hi, "
      "pg_catalog.sum(total) AS "
      "total FROM (SELECT " +
      keyed + ", n, lo, hi, total FROM groups WHERE n > 0 UNION ALL SELECT " + keyed_by("b.") +
      ", b.n, b.lo, b.hi, b.total FROM " + base_ + " b WHERE b.metric_key IS NOT NULL AND " + between("b.") +
      " AND " + Away("b.source") + ") parts GROUP BY " + keyed + "), found AS (SELECT " + keyed_by("t.") +
      ", t.sample_count::bigint AS n, t.min_value AS lo, t.max_value AS hi, t.sum_value AS total FROM " +
      target_ + " t WHERE " + between("t.") + "), differ AS (SELECT DISTINCT " + Dims("") +
      ", bucket_ts FROM ((SELECT * FROM wanted EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM "
      "found EXCEPT "
      "ALL SELECT * FROM wanted)) d), wrong AS MATERIALIZED (SELECT d.* FROM differ d WHERE NOT EXISTS "
      "(SELECT FROM " +
      marks_ + " m WHERE " + Same("m", "d") + " AND m.bucket_ts = d.bucket_ts)" + Open("d.bucket_ts") +
      " AND NOT (" + Sealed("d.bucket_ts") + " AND NOT " + Based("d") + ")" + " AND " +
      Kept("d.bucket_ts", a.expired) + "), marked AS (INSERT INTO " + marks_ + " (" + Dims("") +
      ", bucket_ts, points) SELECT " + Dims("") +
      ", bucket_ts, 0 FROM wrong), noted AS (UPDATE partition_controller.rollups SET audited = audited + "
      "(SELECT "
      "pg_catalog.count(*) FROM (SELECT DISTINCT " +
      Dims("") +
      ", bucket_ts FROM wanted) w), mismatches = mismatches + (SELECT pg_catalog.count(*) FROM wrong) WHERE "
      "suffix = " +
      Suffix() +
      ") SELECT (SELECT pg_catalog.count(*) FROM wrong), pg_catalog.count(*), coalesce(pg_catalog.sum(n), "
      "0), "
      "coalesce(pg_catalog.sum(total), 0) FROM wanted";
  const std::string body =
      "DECLARE\n  upto timestamptz;\n  low timestamptz := " + first +
      ";\n  newest timestamptz;\n  step interval;\n  wrong bigint := 0;\n  counted bigint := 0;\n  held "
      "bigint := 0;\n  "
      "summed numeric := 0;\n" +
      GroupVariables() +
      "BEGIN\n  INSERT INTO "
      "partition_controller.proofs (suffix, partition_oid, partition_name) VALUES (" +
      Suffix() + ", " + std::to_string(partition.oid) + ", " + QuoteLiteral(leaf) +
      ") ON CONFLICT (suffix, partition_oid) DO UPDATE SET down_to = 'infinity', groups = 0, points = 0, "
      "total = 0, "
      "proved_at = NULL WHERE proofs.proved_at <= " +
      kProofsSince +
      ";\n  SELECT p.down_to, least(r.fill_step, interval '2 days') INTO STRICT upto, step FROM "
      "partition_controller.proofs p JOIN partition_controller.rollups r USING (suffix) WHERE p.suffix = " +
      Suffix() + " AND p.partition_oid = " + std::to_string(partition.oid) + ";\n" +
      (range.to.finite() ? "  upto := least(upto, " +
                               Next(Bucket(Literal(range.to.at) + " - interval '1 microsecond'")) + ");\n"
                         : std::string()) +
      "  SELECT pg_catalog.max(r." + time_ + ") INTO newest FROM ONLY " + leaf + " r WHERE r." + time_ +
      " < least(upto, " + kLastTime + ") AND r." + time_ + " >= " + kFirstTime +
      ";\n  IF newest IS NOT NULL THEN\n    low := greatest(low, " +
      Bucket("greatest(newest - step, " + std::string(kFirstTime) + ")") + ");\n  END IF;\n" + FindGroups() +
      "    EXECUTE " + DollarQuote(statement) +
      " INTO wrong, counted, held, summed USING low, upto, totals;\n  UPDATE partition_controller.proofs SET "
      "mismatches = "
      "mismatches + wrong" +
      which +
      // What differs is computed again first; then it goes on from here.
      "  IF wrong = 0 THEN\n    UPDATE partition_controller.proofs SET down_to = low, groups = groups + "
      "counted, points = "
      "points + held, total = total + summed" +
      which + "    IF low <= " + first +
      " THEN\n      UPDATE partition_controller.proofs SET (row_count, first_row, last_row, proved_at) = "
      "(SELECT "
      "pg_catalog.count(*), pg_catalog.min(r." +
      time_ + "), pg_catalog.max(r." + time_ + "), pg_catalog.clock_timestamp() FROM ONLY " + leaf + " r)" +
      which + "    END IF;\n  END IF;\n" + Report("wrong = 0 AND low > " + first, "counted") + "END";
  return {"DO " + DollarQuote(body), Reported()};
}

std::string RollupSql::NotProved(Oid partition) const {
  return "NOT EXISTS (SELECT FROM partition_controller.proofs WHERE suffix = " + Suffix() +
         " AND partition_oid = " + std::to_string(partition) + " AND proved_at > " + kProofsSince + ")";
}

}  // namespace partition_controller
