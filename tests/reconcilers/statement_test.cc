#include "reconcilers/statement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace partition_controller {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

Statement One(std::string_view sql) {
  std::vector<Statement> all = Statement::AllIn(sql);
  EXPECT_THAT(all, SizeIs(1)) << sql;
  return all.at(0);
}

Statement::Bound BoundIn(std::string_view sql, std::string_view type = "timestamp with time zone") {
  return One(sql).BoundOf("ts", type);
}

TEST(Statement, EndsAtASemicolonThatIsNoConstant) {
  EXPECT_THAT(Statement::AllIn(""), IsEmpty());
  EXPECT_THAT(Statement::AllIn(" ; -- nothing;\n"), IsEmpty());
  EXPECT_THAT(Statement::AllIn("SELECT ';', \";\" /* ; */; SELECT $$;$$;"), SizeIs(2));
}

TEST(Statement, NamesAreFoldedUnlessTheyAreQuoted) {
  EXPECT_THAT(One("DROP TABLE IF EXISTS Points, \"S\".\"a\"\"B\" , s.\"C\" CASCADE").Dropped(),
              ElementsAre(NamedTable{"", "points", false, false}, NamedTable{"S", "a\"B", false, true},
                          NamedTable{"s", "C", false, false}));
  EXPECT_TRUE(One("select CTID from x").Has("ctid"));
  EXPECT_FALSE(One("select \"ctid\" from x").Has("ctid"));
}

std::vector<std::string> NamesRead(std::string_view sql) {
  std::vector<std::string> names;
  for (const NamedTable& table : One(sql).Read()) names.push_back((table.only ? "only " : "") + table.name);
  return names;
}

TEST(Statement, ReadsWhatStandsWhereATableMay) {
  EXPECT_THAT(NamesRead("SELECT points, a FROM (SELECT 1) x, points p JOIN ONLY other USING (id)"),
              ElementsAre("points", "only other"));
  EXPECT_THAT(NamesRead("WITH x AS (SELECT * FROM a) SELECT * FROM x ORDER BY a, points"), ElementsAre("a"));
  EXPECT_THAT(NamesRead("UPDATE points SET v = $1, w = $2 FROM a WHERE a.id = points.id"),
              ElementsAre("points", "a"));
  EXPECT_THAT(NamesRead("DELETE FROM points USING a WHERE true"), ElementsAre("points", "a"));
  EXPECT_THAT(NamesRead("INSERT INTO points (id, ts) SELECT * FROM a ON CONFLICT DO UPDATE SET v = 1"),
              ElementsAre("a"));
  EXPECT_THAT(NamesRead("SELECT * FROM generate_series(1, 2) s FOR UPDATE"), IsEmpty());
  EXPECT_THAT(NamesRead("COPY points TO STDOUT"), IsEmpty());
  EXPECT_THAT(
      NamesRead(
          "WITH points AS (SELECT 1), x AS MATERIALIZED (SELECT 2) SELECT * FROM points, x, public.points"),
      ElementsAre("points"));
}

TEST(Statement, ABareColumnThatIsComparedIsABound) {
  for (const char* sql :
       {"SELECT * FROM points WHERE ts >= $1", "SELECT * FROM points p WHERE p.ts<$1 AND d = $2",
        "SELECT * FROM points WHERE $1 <= \"ts\"", "SELECT * FROM points WHERE (ts) = $1",
        "SELECT * FROM points WHERE ts BETWEEN $1 AND $2", "SELECT * FROM points WHERE ts IN ($1, $2)",
        "SELECT * FROM points WHERE ts = ANY ($1)", "SELECT * FROM points WHERE ts IS NULL",
        "SELECT * FROM points JOIN days d ON d.day = points.ts", "SELECT * FROM points JOIN days USING (ts)",
        "SELECT * FROM points p JOIN days d ON p.d = d.d AND p.ts >= $1 ORDER BY date(ts)",
        "SELECT * FROM points NATURAL JOIN days", "SELECT * FROM points WHERE (ts, id) < ($1, $2)",
        "SELECT * FROM points WHERE (a, ts) IN (SELECT b, c FROM d)",
        "SELECT * FROM points WHERE ts <@ $1::tstzrange", "SELECT * FROM points WHERE ts::timestamptz >= $1",
        "SELECT * FROM points WHERE ts::timestamp with time zone > $1",
        "SELECT * FROM points WHERE cast(ts AS timestamptz) >= $1", "SELECT * FROM points WHERE ts >=-$1",
        "SELECT * FROM days WHERE day IN (SELECT ts FROM points)",
        // Under another name.
        "SELECT * FROM (SELECT ts AS t FROM points) s WHERE t > $1",
        "SELECT * FROM (SELECT id, ts t FROM points) s WHERE t > $1",
        "SELECT * FROM (SELECT id, ts FROM points) s (i, t) WHERE t > $1",
        "WITH s (t) AS (SELECT ts FROM points) SELECT * FROM s WHERE t > $1",
        "SELECT * FROM points p (i, t) WHERE t > $1",
        "SELECT * FROM (SELECT day FROM days UNION ALL SELECT ts FROM points) s WHERE day > $1"}) {
    EXPECT_EQ(BoundIn(sql), Statement::Bound::kPossible) << sql;
  }
}

TEST(Statement, AColumnThatIsNotInAConditionIsNone) {
  for (const char* sql :
       {"SELECT * FROM points WHERE d = $1",
        "SELECT d, ts FROM points WHERE d = $1 ORDER BY ts DESC LIMIT $2",
        "SELECT date_trunc($1, ts) AS ts, avg(v) FROM points WHERE d = $2 GROUP BY date_trunc($1, ts)",
        "SELECT row_number() OVER (PARTITION BY d ORDER BY ts DESC) FROM points",
        "UPDATE points SET ts = $1 WHERE id = $2", "SELECT count(*) FROM points WHERE ts IS NOT NULL",
        "SELECT d, ts > $1 FROM points", "SELECT * FROM devices WHERE id IN (SELECT d FROM points)",
        "SELECT count(*) FROM (SELECT d, ts FROM points) s"}) {
    EXPECT_EQ(BoundIn(sql), Statement::Bound::kNone) << sql;
  }
}

TEST(Statement, AWrappedColumnIsNoBound) {
  for (const char* sql :
       {"SELECT * FROM points WHERE date(ts) = $1", "SELECT * FROM points p WHERE p.ts::date = $1",
        "SELECT * FROM points WHERE date_trunc('day', ts) = $1", "SELECT * FROM points WHERE ts + $1 > now()",
        "SELECT * FROM points WHERE now() - ts < $1",
        "SELECT * FROM points WHERE extract(epoch FROM ts) > $1",
        "SELECT * FROM points WHERE ts AT TIME ZONE $1 >= $2",
        "SELECT * FROM points WHERE CAST(ts AS date) = $1",
        "SELECT * FROM points WHERE d = $1 AND (coalesce(ts, $2)) > $3",
        "SELECT * FROM points WHERE to_char(ts, $1) LIKE $2",
        "SELECT * FROM points WHERE ts::timestamp >= $1"}) {
    EXPECT_EQ(BoundIn(sql), Statement::Bound::kWrapped) << sql;
  }
  EXPECT_EQ(BoundIn("SELECT * FROM points WHERE ts::date = $1", "date"), Statement::Bound::kPossible);
  EXPECT_EQ(BoundIn("SELECT * FROM points WHERE ts::timestamp = $1", "timestamp without time zone"),
            Statement::Bound::kPossible);
}

TEST(Statement, FirstAndLastRowsMayComeFromOnePartition) {
  EXPECT_TRUE(One("SELECT * FROM points p WHERE d = $1 ORDER BY p.ts DESC LIMIT $2").MayEndEarly("ts"));
  EXPECT_TRUE(One("SELECT * FROM points ORDER BY ts FETCH FIRST 1 ROW ONLY").MayEndEarly("ts"));
  EXPECT_TRUE(One("SELECT max(ts) FROM points").MayEndEarly("ts"));
  EXPECT_FALSE(One("SELECT d, max(ts) FROM points GROUP BY d").MayEndEarly("ts"));
  EXPECT_FALSE(One("SELECT * FROM points ORDER BY ts").MayEndEarly("ts"));
  EXPECT_FALSE(One("SELECT DISTINCT ON (d) * FROM points ORDER BY d, ts DESC LIMIT 5").MayEndEarly("ts"));
}

// pg_stat_activity cuts statements short; nothing may go beyond the end.
TEST(Statement, AnyPartOfAStatementCanBeRead) {
  const std::string whole =
      "WITH s (a) AS (SELECT ctid FROM ONLY \"a\".\"points\" WHERE (ts)::date < cast($1 AS date)) DELETE "
      "FROM points "
      "p USING s, ((x)) WHERE p.ts - (1) >= '1' AND extract(day FROM ts) IS NOT NULL; ALTER TABLE ONLY ( a "
      "DETACH "
      "PARTITION b; DROP TABLE IF EXISTS a., b; CREATE TABLE x PARTITION OF \"";
  for (std::size_t from = 0; from < whole.size(); ++from) {
    for (std::size_t length = 0; length < whole.size() - from; length += 3) {
      for (const Statement& part : Statement::AllIn(whole.substr(from, length))) {
        part.Read();
        part.Divided();
        part.Detached();
        part.Dropped();
        part.Truncated();
        part.DeletedFrom();
        part.BoundOf("ts", "date");
        part.MayEndEarly("ts");
        part.SelectsOld("ts", "date");
      }
    }
  }
}

}  // namespace
}  // namespace partition_controller
