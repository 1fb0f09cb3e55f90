#include "reconcilers/rollup_sql.h"

#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// Beyond these no bucket is kept: what the arithmetic of PostgreSQL can do with
// a time ends not far from there, and a writer must never fail for our sake.
constexpr const char* kFirstTime = "timestamptz '0001-01-02 00:00+00'";
constexpr const char* kLastTime = "timestamptz '9999-12-30 00:00+00'";

// Buckets that are computed again while others wait for the table; more than
// these are left to a refresh.
constexpr int kMostUnderLock = 20;
constexpr int kEverything = 1'000'000'000;

// An entry of a B-tree has at most 2,704 bytes (PostgreSQL manual, 67.2): the
// dimensions, the key and the time of a group must fit.
constexpr std::size_t kLongestDimensions = 1'800;
constexpr const char* kLongestKey = "512";

// The mark of a TRUNCATE: all buckets.
constexpr const char* kAllBuckets = "timestamptz '-infinity'";

constexpr const char* kMore = "partition_controller.more";
constexpr const char* kRows = "partition_controller.rows";

// What a double holds: below the first number the nearest double is finite (2^1024
// - 2^970), at or below the second it is zero.
constexpr const char* kTooLarge =
    "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017"
    "977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273"
    "854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704"
    "342711559699508093042880177904174497792";
constexpr const char* kTooSmall = "2.48e-324";

// Never an error, as a cast is for what is nearly zero: an average of tiny values.
std::string AsDouble(const std::string& number) {
  return "CASE WHEN " + number + " OPERATOR(pg_catalog.<=) " + kTooSmall + " AND " + number +
         " OPERATOR(pg_catalog.>=) -" + kTooSmall + " THEN 0::double precision ELSE (" + number +
         ")::double precision END";
}

std::string Literal(Instant at) { return "timestamptz " + QuoteLiteral(ToString(at)); }

std::string List(const std::vector<std::string>& names, const std::string& prefix) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + prefix + QuoteName(name);
  return text;
}

}  // namespace

RollupSql::RollupSql(const Rollup& rollup, const RollupState& state, const std::string& schema,
                     const std::string& table, const std::string& time_column, int server_version)
    : rollup_(rollup),
      state_(state),
      schema_(schema),
      table_(table),
      time_(QuoteName(time_column)),
      version_(server_version),
      target_(QuoteName(schema, rollup.table)),
      marks_(QuoteName("partition_controller", "marks_" + state.suffix)),
      base_(QuoteName("partition_controller", "base_" + state.suffix)),
      function_(QuoteName("partition_controller", "mark_" + state.suffix)) {
  for (const TypedColumn& column : state.target.columns) {
    // character varying(64)
    if (column.name != "metric_key" || !column.type.ends_with(')')) continue;
    key_limit_ = std::stoi(column.type.substr(column.type.find('(') + 1));
  }
}

std::string RollupSql::Dims(const std::string& prefix) const { return List(rollup_.dimensions, prefix); }

std::string RollupSql::Same(const std::string& a, const std::string& b) const {
  std::string text;
  for (const std::string& name : rollup_.dimensions) {
    text += (text.empty() ? "" : " AND ") + a + "." + QuoteName(name) + " OPERATOR(pg_catalog.=) " + b + "." +
            QuoteName(name);
  }
  return text;
}

std::string RollupSql::Bucket(const std::string& time) const {
  if (rollup_.calendar_day) {
    return "pg_catalog.date_trunc('day', " + time + ", " + QuoteLiteral(rollup_.time_zone) + ")";
  }
  const auto minutes = rollup_.interval.count();
  if (version_ >= 140'000) {
    // Its origin before all times that come here, on the grid of 1970.
    constexpr std::int64_t kFirst = -62'135'596'800 / 60;  // 0001-01-01, in minutes
    const std::int64_t origin = kFirst - (kFirst % minutes + minutes) % minutes;
    return "pg_catalog.date_bin('" + std::to_string(minutes) + " min', " + time +
           ", pg_catalog.to_timestamp(" + std::to_string(origin * 60) + "))";
  }
  const std::string seconds = std::to_string(minutes * 60);
  return "pg_catalog.to_timestamp(pg_catalog.floor(pg_catalog.date_part('epoch', "
         "pg_catalog.date_trunc('second', " +
         time + ")) OPERATOR(pg_catalog./) " + seconds + ") OPERATOR(pg_catalog.*) " + seconds + ")";
}

std::string RollupSql::Next(const std::string& bucket) const {
  if (rollup_.calendar_day) {
    return "pg_catalog.date_trunc('day', " + bucket + " OPERATOR(pg_catalog.+) interval '36 hours', " +
           QuoteLiteral(rollup_.time_zone) + ")";
  }
  return "(" + bucket + " OPERATOR(pg_catalog.+) interval '" + std::to_string(rollup_.interval.count()) +
         " min')";
}

std::string RollupSql::Valid(const std::string& row) const {
  std::string text = row + time_ + " OPERATOR(pg_catalog.>=) " + kFirstTime + " AND " + row + time_ +
                     " OPERATOR(pg_catalog.<) " + kLastTime;
  const std::string most = std::to_string(kLongestDimensions / rollup_.dimensions.size());
  // NULL is not short either.
  for (const std::string& name : rollup_.dimensions) {
    text += " AND coalesce(pg_catalog.octet_length(" + row + QuoteName(name) +
            "::pg_catalog.text) OPERATOR(pg_catalog.<=) " + most + ", false)";
  }
  return text;
}

std::string RollupSql::Suffix() const { return QuoteLiteral(state_.suffix); }

std::string RollupSql::Filled() const {
  return "(SELECT f.filled_from FROM partition_controller.rollups f WHERE f.suffix OPERATOR(pg_catalog.=) " +
         Suffix() + ")";
}

std::string RollupSql::Away(const std::string& partition) const {
  return "NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) " +
         partition + " AND i.inhparent OPERATOR(pg_catalog.=) " + QuoteLiteral(table_) +
         "::pg_catalog.regclass::pg_catalog.oid" +
         (version_ >= 140'000 ? " AND NOT i.inhdetachpending" : "") + ")";
}

std::string RollupSql::SealsOver(const std::string& bucket) const {
  return " FROM partition_controller.sealed z WHERE z.suffix OPERATOR(pg_catalog.=) " + Suffix() +
         " AND z.range_from OPERATOR(pg_catalog.<=) " + bucket + " AND z.range_to OPERATOR(pg_catalog.>=) " +
         Next(bucket) + " AND (z.by_rows OR " + Away("z.partition_oid") + ")";
}

std::string RollupSql::Sealed(const std::string& bucket) const {
  return "EXISTS (SELECT" + SealsOver(bucket) + ")";
}

std::string RollupSql::Sealer(const std::string& bucket) const {
  return "(SELECT CASE WHEN z.by_rows THEN 0::pg_catalog.oid ELSE z.partition_oid END" + SealsOver(bucket) +
         " ORDER BY z.sealed_at LIMIT 1)";
}

std::string RollupSql::Based(const std::string& row) const {
  return "EXISTS (SELECT FROM " + base_ + " b WHERE " + Same("b", row) +
         " AND b.bucket_ts OPERATOR(pg_catalog.=) " + row + ".bucket_ts AND " + Away("b.source") + ")";
}

std::string RollupSql::Document(const std::string& row) const {
  if (!rollup_.jsonb.empty()) return row + QuoteName(rollup_.jsonb);
  std::string pairs;
  for (const std::string& column : rollup_.columns) {
    pairs += (pairs.empty() ? "" : ", ") + QuoteLiteral(column) + "::text, " + row + QuoteName(column);
  }
  return "pg_catalog.jsonb_build_object(" + pairs + ")";
}

// Every key of r.document, with its number or NULL: "metric_key, v, skipped".
// OFFSET 0: a value is read once, however often it is looked at.
std::string RollupSql::Values() const {
  std::string keys;
  for (const std::string& key : rollup_.keys) keys += (keys.empty() ? "" : ", ") + QuoteLiteral(key);
  const std::string text = "(k.value OPERATOR(pg_catalog.#>>) '{}')";
  const std::string number =
      "CASE pg_catalog.jsonb_typeof(k.value) WHEN 'number' THEN k.value::numeric WHEN 'string' THEN CASE "
      "WHEN "
      "pg_catalog.length" +
      text + " OPERATOR(pg_catalog.<=) 400 AND " + text +
      " OPERATOR(pg_catalog.~) '^[+-]?([0-9]+([.][0-9]+)?|[.][0-9]+)([eE][+-]?0*[0-9]{1,3})?$' THEN " + text +
      "::numeric END END";
  // A string like a number whose exponent alone says that no double holds it.
  const std::string absurd = "pg_catalog.jsonb_typeof(k.value) OPERATOR(pg_catalog.=) 'string' AND " + text +
                             " OPERATOR(pg_catalog.~) "
                             "'^[+-]?([0-9]+([.][0-9]+)?|[.][0-9]+)([eE][+-]?[0-9]+)?$'";
  const std::string fits =
      "y.n OPERATOR(pg_catalog.<) " + std::string(kTooLarge) + " AND y.n OPERATOR(pg_catalog.>) -" +
      kTooLarge + " AND (y.n OPERATOR(pg_catalog.=) 0 OR y.n OPERATOR(pg_catalog.>) " + kTooSmall +
      " OR y.n OPERATOR(pg_catalog.<) -" + kTooSmall +
      ") AND pg_catalog.length(y.metric_key) OPERATOR(pg_catalog.<=) " + std::to_string(key_limit_) +
      " AND pg_catalog.octet_length(y.metric_key) OPERATOR(pg_catalog.<=) " + kLongestKey;
  return "LATERAL (SELECT y.metric_key, CASE WHEN " + fits + " THEN y.n END AS v, NOT coalesce(" + fits +
         ", NOT y.absurd) AS skipped FROM (SELECT k.metric_key, " + number + " AS n, " + absurd +
         " AS absurd FROM pg_catalog.jsonb_each(CASE pg_catalog.jsonb_typeof(r.document) WHEN 'object' THEN "
         "r.document "
         "ELSE '{}'::jsonb END) AS k (metric_key, value)" +
         (keys.empty() ? "" : " WHERE k.metric_key OPERATOR(pg_catalog.=) ANY (ARRAY[" + keys + "])") +
         " OFFSET 0) AS y) AS e";
}

// `rows` is a FROM clause that makes rows `r`; `bucket` their bucket.
std::string RollupSql::Groups(const std::string& rows, const std::string& bucket) const {
  return "SELECT " + Dims("r.") + ", " + bucket +
         " AS bucket_ts, e.metric_key, pg_catalog.count(e.v) AS n, " + AsDouble("pg_catalog.min(e.v)") +
         " AS lo, " + AsDouble("pg_catalog.max(e.v)") +
         " AS hi, pg_catalog.sum(e.v) AS total, pg_catalog.count(*) FILTER (WHERE e.skipped) AS skipped "
         "FROM " +
         rows + " GROUP BY " + Dims("r.") + ", " + bucket + ", e.metric_key";
}

// After the CTEs `groups` and `seen` (dims, bucket_ts, keep_stored): what the
// buckets hold now.
std::string RollupSql::Tail(bool few) const {
  const std::string key = Dims("") + ", bucket_ts, metric_key";
  const auto keyed = [&](const std::string& p) {
    return Dims(p) + ", " + p + "bucket_ts, " + p + "metric_key";
  };
  const std::string same_bucket = " AND s.bucket_ts OPERATOR(pg_catalog.=) ";
  // What is stored of them: of a few, by an index, bucket by bucket, however much
  // else there is; OFFSET 0 keeps the planner from other ideas.
  const std::string columns =
      keyed("t.") + ", t.sample_count, t.min_value, t.max_value, t.avg_value, t.sum_value";
  const std::string had = few ? "seen s CROSS JOIN LATERAL (SELECT " + columns + " FROM " + target_ +
                                    " t WHERE " + Same("s", "t") + same_bucket + "t.bucket_ts OFFSET 0) t"
                              : target_ + " t JOIN seen s ON " + Same("s", "t") + same_bucket + "t.bucket_ts";
  std::string text =
      ", had AS MATERIALIZED (SELECT " + columns + ", s.keep_stored, s.sealer FROM " + had +
      "), stored AS MATERIALIZED (SELECT " + keyed("t.") +
      ", t.sealer, t.sample_count::bigint AS n, t.min_value AS lo, t.max_value AS hi, coalesce(t.sum_value, "
      "t.avg_value::text::numeric OPERATOR(pg_catalog.*) t.sample_count) AS total FROM had t WHERE "
      "t.keep_stored), "
      "combined AS MATERIALIZED (SELECT " +
      key +
      ", pg_catalog.sum(n)::bigint AS n, pg_catalog.min(lo) AS lo, pg_catalog.max(hi) AS hi, "
      "pg_catalog.sum(total) AS total FROM (SELECT " +
      key + ", n, lo, hi, total FROM groups WHERE n OPERATOR(pg_catalog.>) 0 UNION ALL SELECT " + key +
      ", n, lo, hi, total FROM stored UNION ALL SELECT " + keyed("b.") + ", b.n, b.lo, b.hi, b.total FROM " +
      base_ + " b JOIN seen s ON " + Same("s", "b") + same_bucket +
      "b.bucket_ts WHERE b.metric_key IS NOT NULL AND " + Away("b.source") + ") parts GROUP BY " + key +
      "), based AS (INSERT INTO " + base_ + " (" + key + ", source, n, lo, hi, total) SELECT " + key +
      ", coalesce(sealer, 0), n, lo, hi, total FROM stored UNION ALL SELECT " + Dims("") +
      ", bucket_ts, NULL, coalesce(sealer, 0), 0, NULL, NULL, NULL FROM seen WHERE keep_stored), put AS "
      "(INSERT INTO " +
      target_ + " AS t (" + key +
      ", sample_count, min_value, max_value, avg_value, sum_value, updated_at) SELECT " + key +
      ", n, lo, hi, " + AsDouble("(total OPERATOR(pg_catalog./) n)") +
      ", total, pg_catalog.now() "
      "FROM "
      "combined ON CONFLICT (" +
      key +
      ") DO UPDATE SET sample_count = EXCLUDED.sample_count, min_value = EXCLUDED.min_value, max_value = "
      "EXCLUDED.max_value, avg_value = EXCLUDED.avg_value, sum_value = EXCLUDED.sum_value, updated_at = "
      "EXCLUDED.updated_at WHERE (t.sample_count, t.min_value, t.max_value, t.avg_value, t.sum_value) IS "
      "DISTINCT FROM (EXCLUDED.sample_count, EXCLUDED.min_value, EXCLUDED.max_value, EXCLUDED.avg_value, "
      "EXCLUDED.sum_value)), vanished AS MATERIALIZED (SELECT " +
      keyed("h.") + " FROM had h WHERE NOT EXISTS (SELECT FROM combined c WHERE " + Same("c", "h") +
      " AND c.bucket_ts OPERATOR(pg_catalog.=) h.bucket_ts AND c.metric_key OPERATOR(pg_catalog.=) "
      "h.metric_key)), gone AS (DELETE FROM " +
      target_ + " t USING vanished v WHERE " + Same("v", "t") +
      " AND v.bucket_ts OPERATOR(pg_catalog.=) t.bucket_ts AND v.metric_key OPERATOR(pg_catalog.=) "
      "t.metric_key)";
  return text;
}

std::string RollupSql::Refresh(Instant settled, const std::optional<Instant>& expired, int most) const {
  return Consume("m.bucket_ts OPERATOR(pg_catalog.<) " + Bucket(Literal(settled)), most, expired);
}

std::string RollupSql::ConsumeAll(const Range& range) const {
  return Consume(
      Within("m.bucket_ts", range) + " AND NOT " + Sealed("m.bucket_ts") + " AND NOT " + Based("m"),
      kMostUnderLock);
}

std::string RollupSql::Consume(const std::string& which, int most,
                               const std::optional<Instant>& expired) const {
  return "WITH picked AS MATERIALIZED (SELECT " + Dims("m.") + ", m.bucket_ts FROM " + marks_ +
         " m WHERE NOT m.held AND m.bucket_ts OPERATOR(pg_catalog.>) " + kAllBuckets + " AND " + which +
         " GROUP BY " + Dims("m.") + ", m.bucket_ts ORDER BY m.bucket_ts DESC LIMIT " + std::to_string(most) +
         "), flagged AS MATERIALIZED (SELECT " + Dims("p.") + ", p.bucket_ts, " + Next("p.bucket_ts") +
         " AS next_ts, " + Sealer("p.bucket_ts") + " AS sealer, " + Based("p") +
         " AS has_base FROM picked p), seen AS MATERIALIZED (SELECT " + Dims("") +
         ", bucket_ts, next_ts, sealer, sealer IS NOT NULL AND NOT has_base AS keep_stored FROM flagged" +
         (expired ? " WHERE bucket_ts OPERATOR(pg_catalog.>=) " + Literal(*expired) : std::string()) +
         "), taken AS "
         "(DELETE "
         "FROM " +
         marks_ + " m USING flagged s WHERE " + Same("s", "m") +
         " AND s.bucket_ts OPERATOR(pg_catalog.=) m.bucket_ts AND NOT m.held RETURNING m.points, s.sealer), "
         "truncated AS (DELETE FROM " +
         marks_ + " WHERE bucket_ts OPERATOR(pg_catalog.=) " + kAllBuckets +
         " AND NOT held RETURNING 1), lost AS (DELETE FROM " + marks_ +
         " WHERE bucket_ts IS NULL AND NOT held RETURNING points), groups AS MATERIALIZED (" +
         Groups("seen s CROSS JOIN LATERAL (SELECT " + Dims("q.") + ", " + Document("q.") +
                    " AS document FROM " + table_ + " q WHERE " + Same("q", "s") + " AND q." + time_ +
                    " OPERATOR(pg_catalog.>=) s.bucket_ts AND q." + time_ +
                    " OPERATOR(pg_catalog.<) s.next_ts) r CROSS JOIN " + Values(),
                "s.bucket_ts") +
         ")" + Tail(true) + ", noted AS (UPDATE partition_controller.rollups SET " +
         Truncated("EXISTS (SELECT FROM truncated)") +
         ", points = points OPERATOR(pg_catalog.+) (SELECT "
         "coalesce(pg_catalog.sum(points), 0)::bigint FROM taken), late_points = late_points "
         "OPERATOR(pg_catalog.+) (SELECT coalesce(pg_catalog.sum(points), 0)::bigint FROM taken WHERE "
         "sealer IS NOT NULL), "
         "skipped_values = skipped_values OPERATOR(pg_catalog.+) (SELECT coalesce(pg_catalog.sum(skipped), "
         "0)::bigint FROM groups) OPERATOR(pg_catalog.+) (SELECT coalesce(pg_catalog.sum(points), 0)::bigint "
         "FROM lost) WHERE suffix OPERATOR(pg_catalog.=) " +
         Suffix() + ") SELECT (SELECT pg_catalog.count(*) FROM picked) OPERATOR(pg_catalog.=) " +
         std::to_string(most) + ", (SELECT coalesce(pg_catalog.sum(points), 0)::bigint FROM taken)";
}

std::string RollupSql::Deserted(const std::string& bucket, const std::vector<Range>& partitions) const {
  std::string ranges;
  for (const Range& range : partitions) {
    ranges += (ranges.empty() ? "(" : ", (") + (range.from.finite() ? Literal(range.from.at) : kAllBuckets) +
              ", " + (range.to.finite() ? Literal(range.to.at) : "timestamptz 'infinity'") + ")";
  }
  if (ranges.empty()) return "false";
  return "NOT EXISTS (SELECT FROM (VALUES " + ranges +
         ") AS d (lower, upper) WHERE d.lower OPERATOR(pg_catalog.<) " + Next(bucket) +
         " AND d.upper OPERATOR(pg_catalog.>) " + bucket + " AND EXISTS (SELECT FROM " + table_ +
         " q WHERE q." + time_ + " OPERATOR(pg_catalog.>=) d.lower AND q." + time_ +
         " OPERATOR(pg_catalog.<) d.upper))";
}

std::vector<std::string> RollupSql::Fill(const std::vector<Range>& partitions) const {
  const std::string in_range = "r." + time_ + " OPERATOR(pg_catalog.>=) greatest($1, " + kFirstTime +
                               ") AND r." + time_ + " OPERATOR(pg_catalog.<) least($2, " + kLastTime +
                               ") AND " + Valid("r.");
  // All rows of the range in one pass; one without a number makes its bucket known.
  const std::string statement =
      "WITH groups AS MATERIALIZED (" +
      Groups("(SELECT " + Dims("r.") + ", " + Bucket("r." + time_) + " AS bucket_ts, " + Document("r.") +
                 " AS document FROM " + table_ + " r WHERE " + in_range + ") r LEFT JOIN " + Values() +
                 " ON true",
             "r.bucket_ts") +
      "), there AS MATERIALIZED (SELECT " + Dims("") +
      ", bucket_ts, pg_catalog.bool_or(raw) AS raw FROM (SELECT " + Dims("") +
      ", bucket_ts, true AS raw FROM groups UNION ALL SELECT " + Dims("t.") + ", t.bucket_ts, false FROM " +
      target_ +
      " t WHERE t.bucket_ts OPERATOR(pg_catalog.>=) $1 AND t.bucket_ts OPERATOR(pg_catalog.<) $2) x GROUP "
      "BY " +
      Dims("") + ", bucket_ts), flagged AS MATERIALIZED (SELECT p.*, " + Sealer("p.bucket_ts") +
      " AS sealer, " + Based("p") +
      " AS has_base FROM there p), seen AS MATERIALIZED (SELECT f.*, NOT f.has_base AND (f.sealer IS NOT "
      "NULL "
      "OR (NOT f.raw AND ($3 OR (NOT $4 AND " +
      Deserted("f.bucket_ts", partitions) +
      ")))) AS keep_stored FROM flagged f WHERE f.raw OR f.has_base OR f.sealer IS NULL)" + Tail(false) +
      ", noted AS (UPDATE partition_controller.rollups SET skipped_values = skipped_values "
      "OPERATOR(pg_catalog.+) (SELECT coalesce(pg_catalog.sum(skipped), 0)::bigint FROM groups) WHERE suffix "
      "OPERATOR(pg_catalog.=) " +
      Suffix() + ") SELECT pg_catalog.count(*) FROM groups";
  const std::string where = " WHERE suffix OPERATOR(pg_catalog.=) " + Suffix() + ";\n";
  const std::string newest = "SELECT pg_catalog.max(r." + time_ + ") INTO newest FROM " + table_ +
                             " r WHERE r." + time_ + " OPERATOR(pg_catalog.<) least(upto, " + kLastTime +
                             ") AND r." + time_ + " OPERATOR(pg_catalog.>=) " + kFirstTime + ";\n";
  const std::string body =
      "DECLARE\n  upto timestamptz;\n  low timestamptz := '-infinity';\n  newest timestamptz;\n  step "
      "interval;\n "
      " adopts boolean;\n  emptied boolean;\n  made bigint := 0;\n  began timestamptz := "
      "pg_catalog.clock_timestamp();\nBEGIN\n  "
      "SELECT filled_from, fill_step, adopting, truncated INTO STRICT upto, step, adopts, emptied FROM "
      "partition_controller.rollups" +
      where +
      "  IF upto = 'infinity' THEN\n    UPDATE partition_controller.rollups SET oldest_row = (SELECT " +
      "pg_catalog.min(r." + time_ + ") FROM " + table_ + " r WHERE r." + time_ + " >= " + kFirstTime + ")" +
      where + "  END IF;\n  " + newest + "  IF newest IS NOT NULL THEN\n    low := " +
      Bucket("greatest(newest - step, " + std::string(kFirstTime) + ")") +
      ";\n  END IF;\n"
      "  IF upto > '-infinity' THEN\n    EXECUTE " +
      DollarQuote(statement) +
      " INTO made USING low, upto, adopts, emptied;\n  END IF;\n  UPDATE partition_controller.rollups SET "
      "filled_from "
      "= "
      "low, adopting = adopting AND low > '-infinity', truncated = truncated AND low > '-infinity', state = "
      "CASE WHEN low > '-infinity' THEN 'filling' "
      "ELSE "
      "'live' END, fill_step = CASE WHEN pg_catalog.clock_timestamp() - began < interval '500 ms' THEN "
      "least(fill_step * 2, interval '10 days') WHEN pg_catalog.clock_timestamp() - began > interval '3 s' "
      "THEN greatest(fill_step / 2, interval '1 min') ELSE fill_step END" +
      where + Report("low > '-infinity'", "made") + "END";
  return {"DO " + DollarQuote(body), Reported()};
}

std::string RollupSql::Audit(Instant settled, const std::optional<Instant>& expired, int buckets) const {
  // Stored groups against the rows; a bucket without a row may have lost them.
  const std::string before = Bucket(Literal(settled));
  const std::string clean = "NOT EXISTS (SELECT FROM " + marks_ + " m WHERE " + Same("m", "p") +
                            " AND m.bucket_ts OPERATOR(pg_catalog.=) p.bucket_ts)";
  const std::string rows = "chosen s CROSS JOIN LATERAL (SELECT " + Dims("q.") + ", " + Document("q.") +
                           " AS document FROM " + table_ + " q WHERE " + Same("q", "s") + " AND q." + time_ +
                           " OPERATOR(pg_catalog.>=) s.bucket_ts AND q." + time_ +
                           " OPERATOR(pg_catalog.<) " + Next("s.bucket_ts") + ") r LEFT JOIN " + Values() +
                           " ON true";
  const std::string keyed = Dims("") + ", bucket_ts, metric_key";
  const std::string sampled = "SELECT r." + time_ + " AS at, " + Dims("r.") + " FROM " + table_ +
                              " r WHERE r." + time_ + " OPERATOR(pg_catalog.>=) x.at AND " + Valid("r.") +
                              " ORDER BY r." + time_ + " LIMIT 1";
  return "WITH span AS (SELECT pg_catalog.min(r." + time_ + ") AS low, least(" + before +
         ", pg_catalog.max(r." + time_ + ")) AS high FROM " + table_ + " r WHERE r." + time_ +
         " OPERATOR(pg_catalog.>=) greatest(" + kFirstTime + ", " + Filled() + ") AND r." + time_ +
         " OPERATOR(pg_catalog.<) " + kLastTime +
         "), moments AS MATERIALIZED (SELECT low OPERATOR(pg_catalog.-) interval '1 hour' "
         "OPERATOR(pg_catalog.+) ((high OPERATOR(pg_catalog.-) low) "
         "OPERATOR(pg_catalog.*) pg_catalog.random()) AS at FROM span CROSS JOIN "
         "pg_catalog.generate_series(1, " +
         std::to_string(buckets) +
         ") WHERE high OPERATOR(pg_catalog.>) low), picked AS MATERIALIZED (SELECT DISTINCT " + Dims("y.") +
         ", " + Bucket("y.at") + " AS bucket_ts FROM moments x CROSS JOIN LATERAL (" + sampled +
         ") y), chosen AS MATERIALIZED (SELECT p.* FROM picked p WHERE p.bucket_ts OPERATOR(pg_catalog.<) " +
         before +
         (expired ? " AND p.bucket_ts OPERATOR(pg_catalog.>=) " + Literal(*expired) : std::string()) +
         " AND " + clean + " AND NOT (" + Sealed("p.bucket_ts") + " AND NOT " + Based("p") + ")), raw AS (" +
         Groups(rows, "s.bucket_ts") + "), truth AS (SELECT " + keyed +
         ", pg_catalog.sum(n)::bigint AS n, pg_catalog.min(lo) AS lo, pg_catalog.max(hi) AS hi, "
         "pg_catalog.sum(total) AS total FROM (SELECT " +
         keyed + ", n, lo, hi, total FROM raw WHERE n OPERATOR(pg_catalog.>) 0 UNION ALL SELECT " +
         Dims("b.") + ", b.bucket_ts, b.metric_key, b.n, b.lo, b.hi, b.total FROM " + base_ +
         " b JOIN chosen c ON " + Same("b", "c") +
         " AND b.bucket_ts OPERATOR(pg_catalog.=) c.bucket_ts WHERE b.metric_key IS NOT NULL AND " +
         Away("b.source") +
         ") parts GROUP "
         "BY " +
         keyed + "), stored AS (SELECT " + Dims("t.") +
         ", t.bucket_ts, t.metric_key, t.sample_count::bigint AS n, t.min_value AS lo, t.max_value AS hi, "
         "t.sum_value AS total FROM " +
         target_ + " t JOIN chosen c ON " + Same("t", "c") +
         " AND t.bucket_ts OPERATOR(pg_catalog.=) c.bucket_ts), wrong AS (SELECT DISTINCT " + Dims("") +
         ", bucket_ts FROM ((SELECT * FROM truth EXCEPT ALL SELECT * FROM stored) UNION ALL (SELECT * FROM "
         "stored "
         "EXCEPT ALL SELECT * FROM truth)) d), marked AS (INSERT INTO " +
         marks_ + " (" + Dims("") + ", bucket_ts, points) SELECT " + Dims("") +
         ", bucket_ts, 0 FROM wrong), noted AS (UPDATE partition_controller.rollups SET audited = audited "
         "OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM chosen), mismatches = mismatches "
         "OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM wrong), audited_at = pg_catalog.now() "
         "WHERE "
         "suffix OPERATOR(pg_catalog.=) " +
         Suffix() + ") SELECT false, (SELECT pg_catalog.count(*) FROM chosen)";
}

std::string RollupSql::Expire(Instant cutoff) const {
  const std::string before = " WHERE bucket_ts < " + Literal(cutoff);
  const std::string key = Dims("") + ", metric_key, bucket_ts";
  return "WITH forgotten AS (DELETE FROM " + base_ + before + ") DELETE FROM " + target_ + " WHERE (" + key +
         ") IN (SELECT " + key + " FROM " + target_ + before + " ORDER BY bucket_ts LIMIT 5000)";
}

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
           insert("new_rows", "CASE TG_OP WHEN 'INSERT' THEN pg_catalog.count(*) ELSE 0 END") +
           "  END IF;\n  IF TG_OP <> 'INSERT' THEN\n" + insert("old_rows", "0") +
           "  END IF;\n  RETURN NULL;\nEND";
  }();
  return {
      "CREATE TABLE IF NOT EXISTS " + marks_ + " (" + columns +
          "bucket_ts timestamptz, points bigint NOT NULL, held boolean NOT NULL DEFAULT false)",
      "CREATE TABLE IF NOT EXISTS " + base_ + " (" + columns +
          "bucket_ts timestamptz NOT NULL, metric_key text, source oid NOT NULL, n bigint NOT NULL, lo "
          "double "
          "precision, hi double precision, total numeric)",
      "CREATE INDEX IF NOT EXISTS " + QuoteName("base_" + state_.suffix + "_idx") + " ON " + base_ +
          " (bucket_ts, " + Dims("") + ")",
      "CREATE OR REPLACE FUNCTION " + function_ +
          "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS " +
          DollarQuote(mark),
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
          Dims("") + ", metric_key, bucket_ts))",
      "CREATE INDEX ON " + target_ + " (bucket_ts)"};
  if (!owner.empty()) statements.push_back("ALTER TABLE " + target_ + " OWNER TO " + QuoteName(owner));
  return statements;
}

std::string RollupSql::Report(const std::string& more, const std::string& rows) {
  return std::string("  PERFORM pg_catalog.set_config('") + kMore + "', (" + more +
         ")::text, true), pg_catalog.set_config('" + kRows + "', (" + rows + ")::text, true);\n";
}

std::string RollupSql::Reported() {
  return std::string("SELECT pg_catalog.current_setting('") + kMore +
         "')::boolean, pg_catalog.current_setting('" + kRows + "')::bigint";
}

std::string RollupSql::NextAfter(const std::string& time) const {
  return Next(Bucket("greatest(" + time + ", " + kFirstTime + ")"));
}

std::string RollupSql::Truncated(const std::string& condition) const {
  return "truncated = truncated OR " + condition + ", state = CASE WHEN " + condition +
         " THEN 'filling' ELSE state END, filled_from = CASE WHEN " + condition +
         " THEN timestamptz 'infinity' ELSE filled_from END";
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
  const std::string filled = "(SELECT CASE WHEN EXISTS (SELECT FROM " + marks_ +
                             " a WHERE a.bucket_ts OPERATOR(pg_catalog.=) " + kAllBuckets +
                             ") THEN timestamptz 'infinity' ELSE " + Filled() + " END)";
  const std::string dirty = "(SELECT DISTINCT " + Dims("m.") + ", m.bucket_ts FROM " + marks_ +
                            " m WHERE NOT m.held AND m.bucket_ts OPERATOR(pg_catalog.>) " + kAllBuckets +
                            " AND m.bucket_ts OPERATOR(pg_catalog.>=) " + filled + ")";
  const std::string is_dirty = "EXISTS (SELECT FROM " + marks_ + " m WHERE " + Same("m", "t") +
                               " AND m.bucket_ts OPERATOR(pg_catalog.=) t.bucket_ts AND NOT m.held)";
  const std::string unfilled = "t.bucket_ts OPERATOR(pg_catalog.<) " + filled;
  const std::string stored = Dims("t.") +
                             ", t.metric_key::text, t.bucket_ts, t.sample_count::bigint, t.min_value, "
                             "t.max_value, ";
  const std::string of_mark = dirty + " s CROSS JOIN LATERAL (SELECT " + Dims("q.") + ", " + Document("q.") +
                              " AS document FROM " + table_ + " q WHERE " + Same("q", "s") + " AND q." +
                              time_ + " OPERATOR(pg_catalog.>=) s.bucket_ts AND q." + time_ +
                              " OPERATOR(pg_catalog.<) " + Next("s.bucket_ts") + ") r CROSS JOIN " + Values();
  const std::string of_unfilled = "(SELECT " + Dims("q.") + ", " + Bucket("q." + time_) + " AS bucket_ts, " +
                                  Document("q.") + " AS document FROM " + table_ + " q WHERE " + filled +
                                  " OPERATOR(pg_catalog.>) '-infinity' AND q." + time_ +
                                  " OPERATOR(pg_catalog.<) least(" + filled + ", " + kLastTime + ") AND " +
                                  Valid("q.") + ") r CROSS JOIN " + Values();
  const std::string parts = "SELECT " + key + ", n, lo, hi, total FROM (" + Groups(of_mark, "s.bucket_ts") +
                            ") g WHERE n OPERATOR(pg_catalog.>) 0 UNION ALL SELECT " + key +
                            ", n, lo, hi, total FROM (" + Groups(of_unfilled, "r.bucket_ts") +
                            ") g WHERE n OPERATOR(pg_catalog.>) 0 UNION ALL SELECT " + Dims("t.") +
                            ", t.bucket_ts, t.metric_key, t.n, t.lo, t.hi, t.total FROM " + base_ +
                            " t WHERE t.metric_key IS NOT NULL AND " + Away("t.source") + " AND (" +
                            unfilled + " OR " + is_dirty + ") UNION ALL SELECT " + Dims("t.") +
                            ", t.bucket_ts, t.metric_key, t.sample_count::bigint, t.min_value, t.max_value, "
                            "coalesce(t.sum_value, t.avg_value::text::numeric OPERATOR(pg_catalog.*) "
                            "t.sample_count) FROM " +
                            target_ + " t WHERE (" + unfilled + " OR " + is_dirty + ") AND " +
                            Sealed("t.bucket_ts") + " AND NOT " + Based("t");
  const std::string view = QuoteName(schema_, rollup_.table + "_live");
  return {"CREATE OR REPLACE VIEW " + view + " AS SELECT " + stored + "t.avg_value, t.sum_value FROM " +
              target_ + " t WHERE NOT (" + unfilled + ") AND NOT " + is_dirty + " UNION ALL SELECT " +
              Dims("") +
              ", metric_key, bucket_ts, pg_catalog.sum(n)::bigint, pg_catalog.min(lo), pg_catalog.max(hi), " +
              AsDouble("(pg_catalog.sum(total) OPERATOR(pg_catalog./) pg_catalog.sum(n))") +
              ", pg_catalog.sum(total) FROM (" + parts + ") p GROUP BY " + key,
          "COMMENT ON VIEW " + view + " IS " + QuoteLiteral(kViewComment)};
}

std::string RollupSql::Record(Oid table) const {
  return "INSERT INTO partition_controller.rollups AS r (table_oid, name, suffix, schema_name, target_name, "
         "target_oid, shape, source) VALUES (" +
         std::to_string(table) + ", " + QuoteLiteral(rollup_.name) + ", " + Suffix() + ", " +
         QuoteLiteral(schema_) + ", " + QuoteLiteral(rollup_.table) + ", " + QuoteLiteral(target_) +
         "::pg_catalog.regclass, " + QuoteLiteral(RollupShape(rollup_)) + ", " +
         QuoteLiteral(RollupSource(rollup_)) +
         ") ON CONFLICT (suffix) DO UPDATE SET target_oid = EXCLUDED.target_oid, source = EXCLUDED.source, "
         "state = 'filling', filled_from = 'infinity', fill_step = EXCLUDED.fill_step, started_at = "
         "EXCLUDED.started_at";
}

std::string RollupSql::Adopt() const {
  const std::string known = "isfinite(t.bucket_ts) AND t.bucket_ts < " + std::string(kLastTime);
  return "INSERT INTO partition_controller.sealed (suffix, partition_oid, by_rows, range_from, range_to) "
         "SELECT " +
         Suffix() + ", 0, false, " + kAllBuckets + ", x.upto FROM (SELECT coalesce(" +
         Bucket("(SELECT pg_catalog.min(r." + time_ + ") FROM " + table_ + " r WHERE r." + time_ +
                " >= " + kFirstTime + " AND r." + time_ + " < " + kLastTime + ")") +
         ", (SELECT " + Next("pg_catalog.max(t.bucket_ts)") + " FROM " + target_ + " t WHERE " + known +
         ")) AS upto) x WHERE EXISTS (SELECT FROM " + target_ +
         " t WHERE t.bucket_ts < x.upto) ON CONFLICT (suffix, partition_oid, by_rows) DO NOTHING";
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

std::string RollupSql::BucketOf(const Bound& bound) const { return Bucket(Literal(bound.at)); }

std::string RollupSql::NothingUnconsumed(const Range& range) const {
  return "EXISTS (SELECT FROM " + marks_ + " m WHERE m.bucket_ts IS NOT NULL AND " + Touches(range) +
         ") OR " + Filled() + " > " + (range.from.finite() ? BucketOf(range.from) : kAllBuckets);
}

std::string RollupSql::ToBeKept(const Range& range) const {
  return "EXISTS (SELECT FROM " + marks_ + " m WHERE m.bucket_ts IS NOT NULL AND " + Touches(range) +
         " AND (NOT (" + Within("m.bucket_ts", range) + ") OR " + Sealed("m.bucket_ts") + " OR " +
         Based("m") + "))";
}

// A mark m of a bucket that has times of the range.
std::string RollupSql::Touches(const Range& range) const {
  std::string text = "(m.bucket_ts = " + std::string(kAllBuckets) +
                     " OR m.bucket_ts >= " + (range.from.finite() ? BucketOf(range.from) : kAllBuckets);
  if (range.to.finite()) text += " AND m.bucket_ts < " + Literal(range.to.at);
  return text + ")";
}

// The whole bucket lies in the range.
std::string RollupSql::Within(const std::string& bucket, const Range& range) const {
  std::string text = "true";
  if (range.from.finite()) text = bucket + " >= " + Literal(range.from.at);
  if (range.to.finite()) text += " AND " + Next(bucket) + " <= " + Literal(range.to.at);
  return text;
}

std::string RollupSql::AddToBase(const std::string& source, const std::string& rows,
                                 const std::string& bucket) const {
  return "INSERT INTO " + base_ + " (" + Dims("") +
         ", bucket_ts, metric_key, source, n, lo, hi, total) SELECT " + Dims("") +
         ", bucket_ts, metric_key, " + source + ", n, lo, hi, total FROM (" +
         Groups(rows + " CROSS JOIN " + Values(), bucket) + ") g WHERE n > 0";
}

std::vector<std::string> RollupSql::Keep(const std::string& leaf, Oid oid, const Range& range) const {
  const std::string source = std::to_string(oid);
  // It may have left before, and come back by somebody's hand.
  std::vector<std::string> statements = {"DELETE FROM " + base_ + " WHERE source = " + source};
  std::optional<Instant> kept;
  const auto keep_cut = [&](const Bound& bound) {
    if (!bound.finite()) return;
    const Instant start = BucketStart(rollup_, bound.at);
    if (start == bound.at || start == kept) return;
    kept = start;
    const std::string bucket = Literal(start);
    statements.push_back(AddToBase(source,
                                   "(SELECT " + Dims("r.") + ", " + Document("r.") +
                                       " AS document FROM ONLY " + leaf + " r WHERE r." + time_ +
                                       " >= " + bucket + " AND r." + time_ + " < " +
                                       Literal(NextBucket(rollup_, start)) + " AND " + Valid("r.") + ") r",
                                   bucket));
  };
  keep_cut(range.from);
  keep_cut(range.to);
  // Buckets that have a base stay sums of parts.
  statements.push_back(AddToBase(
      source,
      "(SELECT DISTINCT " + Dims("b.") + ", b.bucket_ts, " + Next("b.bucket_ts") + " AS next_ts FROM " +
          base_ + " b WHERE " + Within("b.bucket_ts", range) + " AND " + Away("b.source") +
          ") s CROSS JOIN LATERAL (SELECT " + Dims("q.") + ", " + Document("q.") + " AS document FROM ONLY " +
          leaf + " q WHERE " + Same("q", "s") + " AND q." + time_ +
          " OPERATOR(pg_catalog.>=) s.bucket_ts AND q." + time_ + " OPERATOR(pg_catalog.<) s.next_ts) r",
      "s.bucket_ts"));
  return statements;
}

std::string RollupSql::Seal(Oid oid, const Range& range) const {
  return "INSERT INTO partition_controller.sealed (suffix, partition_oid, by_rows, range_from, range_to) "
         "VALUES "
         "(" +
         Suffix() + ", " + std::to_string(oid) + ", false, " +
         (range.from.finite() ? Literal(range.from.at) : kAllBuckets) + ", " +
         (range.to.finite() ? Literal(range.to.at) : "timestamptz 'infinity'") +
         ") ON CONFLICT (suffix, partition_oid, by_rows) DO UPDATE SET range_from = EXCLUDED.range_from, "
         "range_to = EXCLUDED.range_to, sealed_at = pg_catalog.now()";
}

std::vector<std::string> RollupSql::Unseal(Oid oid, const Range& range) const {
  const std::string source = std::to_string(oid);
  const std::string from = range.from.finite() ? Literal(range.from.at) : kAllBuckets;
  const std::string to = range.to.finite() ? Literal(range.to.at) : "timestamptz 'infinity'";
  return {"DELETE FROM partition_controller.sealed WHERE suffix = " + Suffix() +
              " AND NOT by_rows AND partition_oid = " + source,
          "DELETE FROM " + base_ + " WHERE source = " + source,
          // Sealed by another one as well, they are not all there is any more.
          "INSERT INTO " + base_ + " (" + Dims("") + ", bucket_ts, source, n) SELECT DISTINCT " + Dims("t.") +
              ", t.bucket_ts, 0, 0 FROM " + target_ +
              " t WHERE EXISTS (SELECT FROM partition_controller.sealed o WHERE o.suffix = " + Suffix() +
              " AND o.range_from < " + to + " AND o.range_to > " + from + ") AND " +
              Within("t.bucket_ts", range) + " AND " + Sealed("t.bucket_ts") + " AND NOT " + Based("t")};
}

std::vector<std::string> RollupSql::MarkRange(const std::string& leaf, const Range& range) const {
  return {"INSERT INTO " + marks_ + " (" + Dims("") + ", bucket_ts, points) SELECT DISTINCT " + Dims("t.") +
              ", t.bucket_ts, 0 FROM " + target_ + " t WHERE " +
              (range.from.finite() ? "t.bucket_ts >= " + BucketOf(range.from) : "true") +
              (range.to.finite() ? " AND t.bucket_ts < " + Literal(range.to.at) : ""),
          MarkAll(leaf)};
}

std::string RollupSql::BeforeDelete(const std::string& leaf, Oid oid, const Range& bounds, bool sealable,
                                    bool required) const {
  const std::string from = bounds.from.finite() ? Literal(bounds.from.at) : kAllBuckets;
  const std::string first = Bucket("greatest(oldest, " + std::string(kFirstTime) + ")");
  // The seal covers buckets before the oldest row as well: theirs went.
  const std::string since = sealable ? from : first;
  // What came meanwhile is taken in first; a paused rollup holds nothing back.
  std::string text;
  if (live()) {
    text = "  EXECUTE " + DollarQuote(Consume("m.bucket_ts >= $1 AND m.bucket_ts < $2", kEverything)) +
           " USING " + since + ", upto;\n";
    if (required) {
      text += "  IF EXISTS (SELECT FROM " + marks_ + " m WHERE m.bucket_ts >= " + since +
              " AND m.bucket_ts < upto) OR " + Filled() + " > " + first +
              " THEN\n    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = " +
              QuoteLiteral("rollup " + rollup_.name + " has not taken in all of what is to be deleted") +
              ";\n  END IF;\n";
    }
  }
  const std::string rows = " FROM ONLY " + leaf + " r WHERE r." + time_ + " < upto AND " + Valid("r.");
  const std::string bucket = Bucket("r." + time_);
  // Rows that came past the triggers after their bucket was sealed: what is
  // stored becomes its base, and they are added to it.
  text +=
      "  INSERT INTO " + base_ + " (" + Dims("") +
      ", bucket_ts, metric_key, source, n, lo, hi, total) WITH late AS MATERIALIZED (SELECT s.*, " +
      Sealer("s.bucket_ts") + " AS sealer FROM (SELECT DISTINCT " + Dims("r.") + ", " + bucket +
      " AS bucket_ts" + rows + ") s WHERE NOT " + Based("s") + ") SELECT " + Dims("l.") +
      ", l.bucket_ts, NULL, l.sealer, 0, NULL, NULL, NULL FROM late l WHERE l.sealer IS NOT NULL UNION ALL "
      "SELECT " +
      Dims("l.") +
      ", l.bucket_ts, t.metric_key, l.sealer, t.sample_count, t.min_value, t.max_value, "
      "coalesce(t.sum_value, t.avg_value::text::numeric * t.sample_count) FROM late l JOIN " +
      target_ + " t ON " + Same("t", "l") + " AND t.bucket_ts = l.bucket_ts WHERE l.sealer IS NOT NULL;\n";
  const std::string apart =
      sealable ? "(r.bucket_ts < " + from + " OR " + Next("r.bucket_ts") + " > upto OR " + Based("r") + ")"
               : std::string("true");
  text += "  " +
          AddToBase("0",
                    "(SELECT r.* FROM (SELECT " + Dims("r.") + ", " + bucket + " AS bucket_ts, " +
                        Document("r.") + " AS document" + rows + ") r WHERE " + apart + ") r",
                    "r.bucket_ts") +
          ";\n";
  if (sealable) {
    text +=
        "  INSERT INTO partition_controller.sealed (suffix, partition_oid, by_rows, range_from, range_to) "
        "VALUES (" +
        Suffix() + ", " + std::to_string(oid) + ", true, " + from +
        ", upto) ON CONFLICT (suffix, partition_oid, by_rows) DO UPDATE SET range_to = "
        "greatest(sealed.range_to, EXCLUDED.range_to), sealed_at = pg_catalog.now();\n";
  }
  return text;
}

std::string RollupSql::HoldMarks() const {
  const auto insert = [&](const std::string& row, const std::string& points, const std::string& held) {
    std::string values;
    for (const std::string& name : rollup_.dimensions) values += row + QuoteName(name) + ", ";
    return "INSERT INTO " + marks_ + " (" + Dims("") + ", bucket_ts, points, held) SELECT " + values +
           "CASE WHEN " + Valid(row) + " THEN " + Bucket(row + time_) + " END, " + points + ", " + held +
           " WHERE " + Valid(row) + ";\n";
  };
  return "  " + insert("NEW.", "CASE TG_OP WHEN 'INSERT' THEN 1 ELSE 0 END", "true") +
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
  return "INSERT INTO " + marks_ + " (" + Dims("") + ", bucket_ts, points) SELECT " + Dims("r.") + ", " +
         Bucket("r." + time_) + ", pg_catalog.count(*) FROM " + table + " r WHERE " + Valid("r.") +
         " GROUP BY " + Dims("r.") + ", " + Bucket("r." + time_);
}

}  // namespace partition_controller
