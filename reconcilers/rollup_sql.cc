#include "reconcilers/rollup_sql.h"

#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// Of the dimensions of a group, together; see kLongestKey.
constexpr std::size_t kLongestDimensions = 1'800;

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

std::string List(const std::vector<std::string>& names, const std::string& prefix) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + prefix + QuoteName(name);
  return text;
}

}  // namespace

// Never an error, as a cast is for what is nearly zero: an average of tiny values.
std::string RollupSql::AsDouble(const std::string& number) {
  return "CASE WHEN " + number + " OPERATOR(pg_catalog.<=) " + kTooSmall + " AND " + number +
         " OPERATOR(pg_catalog.>=) -" + kTooSmall + " THEN 0::double precision ELSE (" + number +
         ")::double precision END";
}

std::string RollupSql::Literal(Instant at) { return "timestamptz " + QuoteLiteral(ToString(at)); }

std::string RollupSql::Literal(const Bound& bound) {
  if (bound.finite()) return Literal(bound.at);
  return bound.kind == Bound::Kind::kMinValue ? kAllBuckets : "timestamptz 'infinity'";
}

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
    // Where midnight comes twice the later one begins the day, and an hour of
    // that date belongs to the day before.
    const auto midnight = [&](const std::string& at) {
      return "pg_catalog.date_trunc('day', " + at + ", " + QuoteLiteral(rollup_.time_zone) + ")";
    };
    return "(CASE WHEN " + midnight(time) + " OPERATOR(pg_catalog.<=) " + time + " THEN " + midnight(time) +
           " ELSE " + midnight("(" + time + " OPERATOR(pg_catalog.-) interval '12 hours')") + " END)";
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

std::string RollupSql::Open(const std::string& bucket) const {
  return rollup_.merge_late ? std::string() : " AND NOT " + Sealed(bucket);
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

std::string RollupSql::Payload(const std::string& row) const {
  if (!fed()) return Document(row) + " AS document";
  return row + "metric_key, " + row + "sample_count AS n, " + row + "min_value AS lo, " + row +
         "max_value AS hi, coalesce(" + row + "sum_value, " + row +
         "avg_value::text::numeric OPERATOR(pg_catalog.*) " + row + "sample_count) AS total";
}

std::string RollupSql::Gone() const {
  return "(SELECT f.gone_before FROM partition_controller.rollups f WHERE f.suffix OPERATOR(pg_catalog.=) " +
         Suffix() + ")";
}

std::string RollupSql::Kept(const std::string& bucket, const std::optional<Instant>& expired) const {
  std::string text = bucket + " OPERATOR(pg_catalog.>=) " + Gone();
  if (expired && state_.target.spans) {
    text +=
        " AND (" + bucket + " OPERATOR(pg_catalog.>=) " + Literal(*expired) + " OR " + Placed(bucket) + ")";
  }
  return text;
}

std::string RollupSql::Placed(const std::string& bucket) const {
  if (!state_.target.spans) return "true";
  std::string spans;
  for (const Range& span : *state_.target.spans) {
    spans += (spans.empty() ? "(" : " OR ") + bucket + " OPERATOR(pg_catalog.>=) " + Literal(span.from) +
             " AND " + bucket + " OPERATOR(pg_catalog.<) " + Literal(span.to);
  }
  return spans.empty() ? "false" : spans + ")";
}

std::string RollupSql::RowsIn(const std::string& from, const std::string& end) const {
  return "(SELECT " + Dims("q.") + ", " + Payload("q.") + " FROM " + from + " q WHERE " + Same("q", "s") +
         " AND q." + time_ + " OPERATOR(pg_catalog.>=) s.bucket_ts AND q." + time_ +
         " OPERATOR(pg_catalog.<) " + end + ") r";
}

// Every key of r.document, with its number or NULL: "metric_key, v, skipped"; of
// a finer rollup what it has of its key.  OFFSET 0: a value is read once, however
// often it is looked at.
std::string RollupSql::Values() const {
  if (fed()) {
    return "LATERAL (SELECT r.metric_key::text, r.n, r.lo, r.hi, r.total WHERE "
           "pg_catalog.length(r.metric_key::text) OPERATOR(pg_catalog.<=) " +
           std::to_string(key_limit_) + ") AS e";
  }
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
  const std::string sums =
      fed()
          ? "coalesce(pg_catalog.sum(e.n), 0)::bigint AS n, pg_catalog.min(e.lo) AS lo, pg_catalog.max(e.hi) "
            "AS hi, pg_catalog.sum(e.total) AS total, 0::bigint AS skipped"
          : "pg_catalog.count(e.v) AS n, " + AsDouble("pg_catalog.min(e.v)") + " AS lo, " +
                AsDouble("pg_catalog.max(e.v)") +
                " AS hi, pg_catalog.sum(e.v) AS total, pg_catalog.count(*) FILTER (WHERE e.skipped) AS "
                "skipped";
  return "SELECT " + Dims("r.") + ", " + bucket + " AS bucket_ts, e.metric_key, " + sums + " FROM " + rows +
         " GROUP BY " + Dims("r.") + ", " + bucket + ", e.metric_key";
}

// After the CTEs `groups` and `seen` (dims, bucket_ts, keep_stored): what the
// buckets hold now.
std::string RollupSql::Tail(bool few) const {
  const std::string key = Dims("") + ", bucket_ts, metric_key";
  const auto keyed = [&](const std::string& p) {
    return Dims(p) + ", " + p + "bucket_ts, " + p + "metric_key";
  };
  const std::string same_bucket = " AND s.bucket_ts OPERATOR(pg_catalog.=) ";
  const auto same_key = [&](const std::string& a, const std::string& b) {
    return Same(a, b) + " AND " + a + ".bucket_ts OPERATOR(pg_catalog.=) " + b + ".bucket_ts AND " + a +
           ".metric_key OPERATOR(pg_catalog.=) " + b + ".metric_key";
  };
  std::string counts = "g.n OPERATOR(pg_catalog.>) 0";
  // Rows that were refused are in the table all the same.
  if (!few && !rollup_.merge_late)
    counts += " AND EXISTS (SELECT FROM seen s WHERE " + Same("s", "g") + same_bucket + "g.bucket_ts)";
  const std::string has_more = "EXISTS (SELECT FROM kept k WHERE " + same_key("k", "g") + ")";
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
      "kept AS MATERIALIZED (SELECT " +
      key + ", n, lo, hi, total FROM stored UNION ALL SELECT " + keyed("b.") +
      ", b.n, b.lo, b.hi, b.total FROM " + base_ + " b JOIN seen s ON " + Same("s", "b") + same_bucket +
      "b.bucket_ts WHERE b.metric_key IS NOT NULL AND " + Away("b.source") +
      // Few groups have other parts, mostly none: the others are what they are.
      "), combined AS MATERIALIZED (SELECT " + key + ", n, lo, hi, total FROM groups g WHERE " + counts +
      " AND NOT " + has_more + " UNION ALL SELECT " + key +
      ", pg_catalog.sum(n)::bigint, pg_catalog.min(lo), pg_catalog.max(hi), pg_catalog.sum(total) FROM "
      "(SELECT " +
      key + ", n, lo, hi, total FROM kept UNION ALL SELECT " + key +
      ", n, lo, hi, total FROM groups g WHERE " + counts + " AND " + has_more + ") parts GROUP BY " + key +
      "), based AS (INSERT INTO " + base_ + " (" + key + ", source, n, lo, hi, total) SELECT " + key +
      ", coalesce(sealer, 0), n, lo, hi, total FROM stored UNION ALL SELECT " + Dims("") +
      ", bucket_ts, NULL, coalesce(sealer, 0), 0, NULL, NULL, NULL FROM seen WHERE keep_stored), ";
  const std::string put = "INSERT INTO " + target_ + " AS t (" + key +
                          ", sample_count, min_value, max_value, avg_value, sum_value, updated_at) SELECT " +
                          key + ", n, lo, hi, " + AsDouble("(total OPERATOR(pg_catalog./) n)") +
                          ", total, pg_catalog.now() FROM combined c";
  const std::string or_change =
      " ON CONFLICT (" + key +
      ") DO UPDATE SET sample_count = EXCLUDED.sample_count, min_value = EXCLUDED.min_value, max_value = "
      "EXCLUDED.max_value, avg_value = EXCLUDED.avg_value, sum_value = EXCLUDED.sum_value, updated_at = "
      "EXCLUDED.updated_at WHERE (t.sample_count, t.min_value, t.max_value, t.avg_value, t.sum_value) IS "
      "DISTINCT FROM (EXCLUDED.sample_count, EXCLUDED.min_value, EXCLUDED.max_value, EXCLUDED.avg_value, "
      "EXCLUDED.sum_value)";
  if (few) {
    text += "put AS (" + put + or_change + ")";
  } else {
    // Most of many are new, and a row that is looked for first costs twice as much.
    const std::string there = "EXISTS (SELECT FROM had h WHERE " + same_key("h", "c") + ")";
    text += "put AS (" + put + " WHERE NOT " + there + "), changed AS (" + put + " WHERE " + there +
            or_change + ")";
  }
  text += ", vanished AS MATERIALIZED (SELECT " + keyed("h.") +
          " FROM had h WHERE NOT EXISTS (SELECT FROM combined c WHERE " + same_key("c", "h") +
          ")), gone AS (DELETE FROM " + target_ + " t USING vanished v WHERE " + same_key("v", "t") + ")";
  return text;
}

std::string RollupSql::Refresh(Instant settled, const std::optional<Instant>& expired, int most) const {
  return Consume("m.bucket_ts OPERATOR(pg_catalog.<) " + Bucket(Literal(settled)), most, expired);
}

std::string RollupSql::Consume(const std::string& which, int most,
                               const std::optional<Instant>& expired) const {
  return "WITH picked AS MATERIALIZED (SELECT " + Dims("m.") + ", m.bucket_ts FROM " + marks_ +
         " m WHERE NOT m.held AND m.bucket_ts OPERATOR(pg_catalog.>) " + kAllBuckets + " AND " + which +
         (state_.target.spans ? " AND (" + Placed("m.bucket_ts") +
                                    (expired ? " OR m.bucket_ts OPERATOR(pg_catalog.<) " + Literal(*expired)
                                             : std::string()) +
                                    ")"
                              : std::string()) +
         " GROUP BY " + Dims("m.") + ", m.bucket_ts ORDER BY m.bucket_ts DESC LIMIT " + std::to_string(most) +
         "), flagged AS MATERIALIZED (SELECT " + Dims("p.") + ", p.bucket_ts, " + Next("p.bucket_ts") +
         " AS next_ts, " + Sealer("p.bucket_ts") + " AS sealer, " + Based("p") +
         " AS has_base FROM picked p), seen AS MATERIALIZED (SELECT " + Dims("") +
         ", bucket_ts, next_ts, sealer, sealer IS NOT NULL AND NOT has_base AS keep_stored FROM flagged" +
         " WHERE " + (rollup_.merge_late ? "true" : "sealer IS NULL") + " AND " + Kept("bucket_ts", expired) +
         (state_.target.spans ? " AND " + Placed("bucket_ts") : std::string()) +
         "), taken AS "
         "(DELETE "
         "FROM " +
         marks_ + " m USING flagged s WHERE " + Same("s", "m") +
         " AND s.bucket_ts OPERATOR(pg_catalog.=) m.bucket_ts AND NOT m.held RETURNING m.points, s.sealer), "
         "truncated AS (DELETE FROM " +
         marks_ + " WHERE bucket_ts OPERATOR(pg_catalog.=) " + kAllBuckets +
         " AND NOT held RETURNING 1), lost AS (DELETE FROM " + marks_ +
         " WHERE bucket_ts IS NULL AND NOT held RETURNING points), groups AS MATERIALIZED (" +
         Groups("seen s CROSS JOIN LATERAL " + RowsIn(table_, "s.next_ts") + " CROSS JOIN " + Values(),
                "s.bucket_ts") +
         ")" + Tail(true) + ", noted AS (UPDATE partition_controller.rollups SET " +
         Truncated("EXISTS (SELECT FROM truncated)") +
         (expired && state_.target.spans
              // What is not kept now may be wanted by a longer keep.
              ? ", filled_down_to = greatest(filled_down_to, (SELECT pg_catalog.max(next_ts) FROM flagged "
                "WHERE bucket_ts OPERATOR(pg_catalog.<) " +
                    Literal(*expired) + " AND NOT " + Placed("bucket_ts") + "))"
              : std::string()) +
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

std::string RollupSql::Audit(Instant settled, const std::optional<Instant>& expired, int buckets) const {
  // Stored groups against the rows; a bucket without a row may have lost them.
  const std::string before = Bucket(Literal(settled));
  const std::string clean = "NOT EXISTS (SELECT FROM " + marks_ + " m WHERE " + Same("m", "p") +
                            " AND m.bucket_ts OPERATOR(pg_catalog.=) p.bucket_ts)";
  const std::string rows = "chosen s CROSS JOIN LATERAL " + RowsIn(table_, Next("s.bucket_ts")) +
                           " LEFT JOIN " + Values() + " ON true";
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
         before + " AND " + Kept("p.bucket_ts", expired) + " AND " + clean + Open("p.bucket_ts") +
         " AND NOT (" + Sealed("p.bucket_ts") + " AND NOT " + Based("p") + ")), raw AS (" +
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
         Suffix() + ")" +
         // What was kept of rows beside buckets that are gone, once none can come back.
         ", forgotten AS (DELETE FROM " + base_ + " b WHERE b.bucket_ts OPERATOR(pg_catalog.<) " + Gone() +
         " AND NOT EXISTS (SELECT FROM partition_controller.partitions d WHERE d.state "
         "OPERATOR(pg_catalog.=) "
         "'detached' AND d.table_oid OPERATOR(pg_catalog.=) " +
         QuoteLiteral(target_) + "::pg_catalog.regclass::pg_catalog.oid))" +
         " SELECT false, (SELECT pg_catalog.count(*) FROM chosen)";
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

}  // namespace partition_controller
