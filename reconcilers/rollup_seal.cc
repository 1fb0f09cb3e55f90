// What a rollup keeps of rows that leave the table, and of a table that it
// takes over.

#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"
#include "reconcilers/rollup_sql.h"

namespace partition_controller {
namespace {

// Buckets that are computed again while others wait for the table; more than
// these are left to a refresh.
constexpr int kMostUnderLock = 20;
constexpr int kEverything = 1'000'000'000;

}  // namespace

std::string RollupSql::ConsumeAll(const Range& range) const {
  return Consume(
      Within("m.bucket_ts", range) + " AND NOT " + Sealed("m.bucket_ts") + " AND NOT " + Based("m"),
      kMostUnderLock);
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

std::string RollupSql::BucketOf(const Bound& bound) const {
  return bound.finite() ? Bucket(Literal(bound.at)) : Literal(bound);
}

std::string RollupSql::NothingUnconsumed(const Range& range) const {
  return "EXISTS (SELECT FROM " + marks_ + " m WHERE m.bucket_ts IS NOT NULL AND " + Touches(range) +
         ") OR " + Filled() + " > " + BucketOf(range.from);
}

std::string RollupSql::ToBeKept(const Range& range) const {
  return "EXISTS (SELECT FROM " + marks_ + " m WHERE m.bucket_ts IS NOT NULL AND " + Touches(range) +
         " AND (NOT (" + Within("m.bucket_ts", range) + ") OR " + Sealed("m.bucket_ts") + " OR " +
         Based("m") + "))";
}

// A mark m of a bucket that has times of the range.
std::string RollupSql::Touches(const Range& range) const {
  std::string text =
      "(m.bucket_ts = " + std::string(kAllBuckets) + " OR m.bucket_ts >= " + BucketOf(range.from);
  return text + " AND m.bucket_ts < " + Literal(range.to) + ")";
}

// The whole bucket lies in the range.
std::string RollupSql::Within(const std::string& bucket, const Range& range) const {
  return bucket + " >= " + Literal(range.from) + " AND " + Next(bucket) + " <= " + Literal(range.to);
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
                                   "(SELECT " + Dims("r.") + ", " + Payload("r.") + " FROM ONLY " + leaf +
                                       " r WHERE r." + time_ + " >= " + bucket + " AND r." + time_ + " < " +
                                       Literal(NextBucket(rollup_, start)) + " AND " + Valid("r.") + ") r",
                                   bucket));
  };
  keep_cut(range.from);
  keep_cut(range.to);
  // Buckets that have a base stay sums of parts.
  statements.push_back(AddToBase(source,
                                 "(SELECT DISTINCT " + Dims("b.") + ", b.bucket_ts, " + Next("b.bucket_ts") +
                                     " AS next_ts FROM " + base_ + " b WHERE " +
                                     Within("b.bucket_ts", range) + " AND " + Away("b.source") +
                                     ") s CROSS JOIN LATERAL " + RowsIn("ONLY " + leaf, "s.next_ts"),
                                 "s.bucket_ts"));
  return statements;
}

std::string RollupSql::Seal(Oid oid, const Range& range) const {
  return "INSERT INTO partition_controller.sealed (suffix, partition_oid, by_rows, range_from, range_to) "
         "VALUES "
         "(" +
         Suffix() + ", " + std::to_string(oid) + ", false, " + Literal(range.from) + ", " +
         Literal(range.to) +
         ") ON CONFLICT (suffix, partition_oid, by_rows) DO UPDATE SET range_from = EXCLUDED.range_from, "
         "range_to = EXCLUDED.range_to, sealed_at = pg_catalog.now()";
}

std::vector<std::string> RollupSql::Unseal(Oid oid, const Range& range) const {
  const std::string source = std::to_string(oid);
  const std::string own = " FROM partition_controller.sealed s WHERE s.suffix = " + Suffix() +
                          " AND NOT s.by_rows AND s.partition_oid = " + source;
  return {// What was stored when it left is its rows, and what was sealed later by others
          // as well is not all there is any more.
          "INSERT INTO " + base_ + " (" + Dims("") + ", bucket_ts, source, n) SELECT DISTINCT " + Dims("t.") +
              ", t.bucket_ts, 0, 0 FROM " + target_ +
              " t WHERE EXISTS (SELECT FROM partition_controller.sealed o WHERE o.suffix = " + Suffix() +
              " AND o.range_from < " + Literal(range.to) + " AND o.range_to > " + Literal(range.from) +
              " AND o.sealed_at > (SELECT s.sealed_at" + own + ")) AND " + Within("t.bucket_ts", range) +
              " AND (SELECT pg_catalog.min(z.sealed_at)" + SealsOver("t.bucket_ts") +
              ") > (SELECT s.sealed_at" + own + ") AND NOT " + Based("t"),
          "DELETE" + own, "DELETE FROM " + base_ + " WHERE source = " + source,
          "DELETE FROM partition_controller.proofs WHERE suffix = " + Suffix() +
              " AND partition_oid = " + source};
}

std::vector<std::string> RollupSql::MarkRange(const std::string& leaf, const Range& range) const {
  return {IfThere("INSERT INTO " + marks_ + " (" + Dims("") + ", bucket_ts, points) SELECT DISTINCT " +
                  Dims("t.") + ", t.bucket_ts, 0 FROM " + target_ + " t WHERE t.bucket_ts >= " +
                  BucketOf(range.from) + " AND t.bucket_ts < " + Literal(range.to)),
          MarkAll(leaf)};
}

std::string RollupSql::BeforeDelete(const std::string& leaf, Oid oid, const Range& bounds, bool sealable,
                                    bool required) const {
  const std::string from = Literal(bounds.from);
  const std::string first = Bucket("greatest(oldest, " + std::string(kFirstTime) + ")");
  // The seal covers buckets before the oldest row as well: theirs went.
  const std::string since = sealable ? from : first;
  // What came meanwhile is taken in first; a paused rollup holds nothing back.
  std::string text;
  if (live()) {
    // All of it is computed once more, with what no trigger saw.
    if (required && !rollup_.keep) {
      text = "  INSERT INTO " + marks_ + " (" + Dims("") + ", bucket_ts, points) SELECT DISTINCT " +
             Dims("r.") + ", " + Bucket("r." + time_) + ", 0 FROM ONLY " + leaf + " r WHERE r." + time_ +
             " < upto AND " + Valid("r.") + ";\n";
    }
    text += "  EXECUTE " + DollarQuote(Consume("m.bucket_ts >= $1 AND m.bucket_ts < $2", kEverything)) +
            " USING " + since + ", upto;\n";
    if (required) {
      text += "  IF EXISTS (SELECT FROM " + marks_ + " m WHERE m.bucket_ts >= " + since +
              " AND m.bucket_ts < upto) OR " + Filled() + " > " + first +
              " THEN\n    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = " +
              QuoteLiteral("rollup " + rollup_.name + " has not taken in all of what is to be deleted") +
              ";\n  END IF;\n";
    }
  }
  const std::string bucket = Bucket("r." + time_);
  const std::string rows =
      " FROM ONLY " + leaf + " r WHERE r." + time_ + " < upto AND " + Valid("r.") + Open(bucket);
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
                        Payload("r.") + rows + ") r WHERE " + apart + ") r",
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

}  // namespace partition_controller
