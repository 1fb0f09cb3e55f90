// The calendar, bounds, quoting and privileges, each held against what a real
// PostgreSQL makes of the same.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "reconcilers/acl.h"
#include "reconcilers/bounds.h"
#include "reconcilers/calendar.h"
#include "reconcilers/quote.h"
#include "reconcilers/zone.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

using std::chrono::seconds;
using Unit = CalendarDuration::Unit;

constexpr const char* kZones[] = {"UTC",
                                  "America/New_York",
                                  "Asia/Kolkata",
                                  "Australia/Lord_Howe",
                                  "Africa/Casablanca",
                                  "America/Havana",
                                  "Pacific/Apia",
                                  "America/Sao_Paulo",
                                  "Africa/Cairo",
                                  "Asia/Beirut"};

Instant At(const char* text) { return ParseInstant(text).value(); }

std::int64_t ToSeconds(Instant instant) {
  return std::chrono::floor<seconds>(instant).time_since_epoch().count();
}

class PostgresTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!PostgresServer::Available(PostgresServer::DefaultMajor())) return;
    connection_ = std::make_unique<pqxx::connection>(PostgresServer::Shared().CreateDatabase());
    // As the controller has them on every connection.
    Run("SET timezone = 'UTC'; SET datestyle = 'ISO'; SET client_encoding = 'UTF8'");
  }
  static void TearDownTestSuite() { connection_.reset(); }

  void SetUp() override {
    if (connection_ == nullptr) GTEST_SKIP() << "no PostgreSQL on this machine";
  }

  static pqxx::result Run(const std::string& sql) {
    pqxx::nontransaction session(*connection_);
    return session.exec(sql);
  }

  static std::vector<std::int64_t> Numbers(const std::string& sql) {
    std::vector<std::int64_t> numbers;
    for (const pqxx::row& row : Run(sql)) numbers.push_back(row[0].as<std::int64_t>());
    return numbers;
  }

  static std::string Text(const std::string& sql) { return Run(sql)[0][0].as<std::string>(); }

  static std::unique_ptr<pqxx::connection> connection_;
};

std::unique_ptr<pqxx::connection> PostgresTest::connection_;

using CalendarPostgresTest = PostgresTest;

std::vector<std::int64_t> PeriodStarts(Instant from, Instant to, const Calendar& calendar) {
  std::vector<std::int64_t> starts;
  for (Instant start = PeriodStart(from, calendar); start < to; start = NextPeriod(start, calendar)) {
    starts.push_back(ToSeconds(start));
  }
  return starts;
}

TEST_F(CalendarPostgresTest, EveryPeriodFrom2020To2045BeginsWherePostgreSqlSaysMidnightIs) {
  constexpr std::tuple<Granularity, const char*, const char*> kSteps[] = {
      {Granularity::kDay, "2020-01-01", "1 day"},
      {Granularity::kWeek, "2019-12-30", "7 days"},
      {Granularity::kMonth, "2020-01-01", "1 month"},
      {Granularity::kQuarter, "2020-01-01", "3 months"},
      {Granularity::kYear, "2020-01-01", "1 year"}};
  for (const char* zone : kZones) {
    for (const auto& [granularity, first, step] : kSteps) {
      // Two midnights can be one instant where a whole day is skipped.
      const std::vector<std::int64_t> expected =
          Numbers("SELECT DISTINCT extract(epoch FROM midnight AT TIME ZONE '" + std::string(zone) +
                  "')::bigint FROM generate_series(timestamp '" + first +
                  "', timestamp '2045-12-31', interval '" + step + "') AS midnight ORDER BY 1");
      const Instant begin = Instant(seconds(expected.front()));
      const Instant end = Instant(seconds(expected.back() + 1));
      ASSERT_EQ(PeriodStarts(begin, end, {granularity, zone}), expected) << zone << ", " << step;
    }
  }
}

TEST_F(CalendarPostgresTest, HoursAreThoseOfUtc) {
  const std::vector<std::int64_t> expected = Numbers(
      "SELECT extract(epoch FROM hour)::bigint FROM generate_series(timestamptz '2020-01-01 00:00+00', "
      "timestamptz '2045-12-31 23:00+00', interval '1 hour') AS hour");
  EXPECT_EQ(PeriodStarts(At("2020-01-01T00:00:00Z"), At("2046-01-01T00:00:00Z"), {Granularity::kHour, "UTC"}),
            expected);
}

TEST_F(CalendarPostgresTest, StrangeYearsHaveTheSameMidnights) {
  constexpr std::tuple<const char*, const char*, const char*> kYears[] = {
      {"Pacific/Apia", "2011-01-01", "2012-12-31"},       {"Pacific/Kwajalein", "1993-01-01", "1994-12-31"},
      {"Pacific/Kiritimati", "1994-01-01", "1995-12-31"}, {"Asia/Manila", "1844-01-01", "1845-12-31"},
      {"America/Juneau", "1867-01-01", "1868-12-31"},     {"America/Havana", "1925-01-01", "2019-12-31"},
      {"America/Sao_Paulo", "1930-01-01", "2019-12-31"},  {"Africa/Cairo", "1940-01-01", "2019-12-31"},
      {"Asia/Gaza", "2007-01-01", "2047-12-31"},          {"Europe/Dublin", "1900-01-01", "1975-12-31"},
      {"Africa/Monrovia", "1970-01-01", "1973-12-31"},    {"America/New_York", "2399-01-01", "2402-12-31"}};
  for (const auto& [zone, first, last] : kYears) {
    const std::vector<std::int64_t> expected =
        Numbers("SELECT DISTINCT extract(epoch FROM midnight AT TIME ZONE '" + std::string(zone) +
                "')::bigint FROM generate_series(timestamp '" + first + "', timestamp '" + last +
                "', interval '1 day') AS midnight ORDER BY 1");
    const Instant begin = Instant(seconds(expected.front()));
    const Instant end = Instant(seconds(expected.back() + 1));
    ASSERT_EQ(PeriodStarts(begin, end, {Granularity::kDay, zone}), expected) << zone;
  }
}

// Both directions, once a month in each zone that both know.  AT TIME ZONE takes
// names such as CET and EST for abbreviations, which have no daylight saving
// (manual, 8.5.3): those are left out.
TEST_F(CalendarPostgresTest, EveryZoneHasTheSameWallTime) {
  int count = 0;
  const pqxx::result zones = Run(
      "SELECT name FROM pg_timezone_names WHERE upper(name) NOT IN (SELECT abbrev FROM pg_timezone_abbrevs) "
      "ORDER BY name");
  for (const pqxx::row& row : zones) {
    const std::string zone = row[0].as<std::string>();
    if (!KnownZone(zone)) continue;
    ++count;
    const pqxx::result times =
        Run("SELECT extract(epoch FROM t)::bigint, extract(epoch FROM t AT TIME ZONE z)::bigint, "
            "extract(epoch FROM (t AT TIME ZONE 'UTC') AT TIME ZONE z)::bigint "
            "FROM (VALUES (" +
            QuoteLiteral(zone) +
            ")) AS zone (z), "
            "generate_series(timestamptz '1990-01-01 00:00+00', '2060-01-01 00:00+00', interval '31 days 5 "
            "hours') AS t");
    for (const pqxx::row& time : times) {
      const Instant instant{seconds(time[0].as<std::int64_t>())};
      ASSERT_EQ(ToSeconds(ToWallTime(instant, zone)), time[1].as<std::int64_t>())
          << zone << " " << ToString(instant);
      ASSERT_EQ(ToSeconds(FromWallTime(instant, zone)), time[2].as<std::int64_t>())
          << zone << " " << ToString(instant);
    }
  }
  EXPECT_GT(count, 400);
}

// Every quarter of an hour of a year.
TEST_F(CalendarPostgresTest, SkippedAndRepeatedWallTimesAreReadAlike) {
  for (const char* zone : kZones) {
    const pqxx::result times =
        Run("SELECT extract(epoch FROM wall)::bigint, extract(epoch FROM wall AT TIME ZONE '" +
            std::string(zone) +
            "')::bigint FROM generate_series(timestamp '2024-01-01', '2025-01-01', interval '15 minutes') AS "
            "wall");
    for (const pqxx::row& time : times) {
      const Instant wall{seconds(time[0].as<std::int64_t>())};
      ASSERT_EQ(ToSeconds(FromWallTime(wall, zone)), time[1].as<std::int64_t>())
          << zone << " " << ToString(wall);
    }
  }
}

TEST_F(CalendarPostgresTest, DurationsAreSubtractedAndAddedAlike) {
  constexpr std::tuple<CalendarDuration, const char*> kDurations[] = {
      {{0, Unit::kMonth}, "0 months"},   {{1, Unit::kHour}, "1 hour"},   {{36, Unit::kHour}, "36 hours"},
      {{1, Unit::kDay}, "1 day"},        {{90, Unit::kDay}, "90 days"},  {{1, Unit::kWeek}, "7 days"},
      {{26, Unit::kWeek}, "182 days"},   {{1, Unit::kMonth}, "1 month"}, {{3, Unit::kMonth}, "3 months"},
      {{13, Unit::kMonth}, "13 months"}, {{1, Unit::kYear}, "1 year"},   {{4, Unit::kYear}, "4 years"}};
  for (const char* zone : kZones) {
    Run("SET timezone = '" + std::string(zone) + "'");
    for (const auto& [duration, interval] : kDurations) {
      // 37 hours and 30 minutes meet every half hour of the day, also on the last days of months.
      const pqxx::result times =
          Run("SELECT extract(epoch FROM t)::bigint, extract(epoch FROM t - i)::bigint, extract(epoch FROM t "
              "+ i)::bigint "
              "FROM (VALUES (interval '" +
              std::string(interval) +
              "')) AS span (i), "
              "generate_series(timestamptz '2023-06-01 00:00+00', '2029-01-01 00:00+00', interval '37.5 "
              "hours') AS t");
      for (const pqxx::row& time : times) {
        const Instant instant{seconds(time[0].as<std::int64_t>())};
        ASSERT_EQ(ToSeconds(Subtract(instant, duration, zone)), time[1].as<std::int64_t>())
            << zone << " " << ToString(instant) << " - " << interval;
        ASSERT_EQ(ToSeconds(Add(instant, duration, zone)), time[2].as<std::int64_t>())
            << zone << " " << ToString(instant) << " + " << interval;
      }
    }
  }
  Run("SET timezone = 'UTC'");
}

using BoundsPostgresTest = PostgresTest;

// A type of key, a literal as a user may write it, and what it means.
struct Literal {
  KeyType key;
  const char* text;
  const char* meaning;
};

constexpr Literal kLiterals[] = {
    {KeyType::kTimestampTz, "2026-11-01 00:00:00+05:30", "2026-10-31T18:30:00Z"},
    {KeyType::kTimestampTz, "2026-11-01 12:34:56.789012+00", "2026-11-01T12:34:56.789012Z"},
    {KeyType::kTimestampTz, "2026-11-01 12:34:56.5+00", "2026-11-01T12:34:56.5Z"},
    {KeyType::kTimestampTz, "12026-11-01 00:00:00+00", "+12026-11-01T00:00:00Z"},
    {KeyType::kTimestampTz, "294246-12-31 00:00:00+00", "+294246-12-31T00:00:00Z"},
    {KeyType::kTimestampTz, "0044-03-15 00:00:00+00 BC", "-0043-03-15T00:00:00Z"},
    {KeyType::kTimestampTz, "4714-11-24 00:00:00+00 BC", "-4713-11-24T00:00:00Z"},
    {KeyType::kTimestampTz, "0001-02-29 00:00:00+00 BC", "0000-02-29T00:00:00Z"},
    {KeyType::kTimestampTz, "infinity", "infinity"},
    {KeyType::kTimestampTz, "-infinity", "-infinity"},
    {KeyType::kTimestamp, "2026-11-01 00:00:00", "2026-11-01T00:00:00Z"},
    {KeyType::kTimestamp, "0001-01-01 00:00:00.000001", "0001-01-01T00:00:00.000001Z"},
    {KeyType::kTimestamp, "99999-12-31 23:59:59.999999", "+99999-12-31T23:59:59.999999Z"},
    {KeyType::kTimestamp, "4714-11-24 00:00:00 BC", "-4713-11-24T00:00:00Z"},
    {KeyType::kTimestamp, "infinity", "infinity"},
    {KeyType::kTimestamp, "-infinity", "-infinity"},
    {KeyType::kDate, "2026-11-01", "2026-11-01T00:00:00Z"},
    {KeyType::kDate, "12026-11-01", "+12026-11-01T00:00:00Z"},
    {KeyType::kDate, "0044-03-15 BC", "-0043-03-15T00:00:00Z"},
    {KeyType::kDate, "infinity", "infinity"},
    {KeyType::kDate, "-infinity", "-infinity"}};

const char* TypeName(KeyType key) {
  return key == KeyType::kTimestampTz ? "timestamptz" : key == KeyType::kTimestamp ? "timestamp" : "date";
}

// What PostgreSQL prints for the bounds of a new partition.
std::string PrintedBounds(pqxx::nontransaction* session, KeyType key, const std::string& bounds) {
  session->exec("DROP TABLE IF EXISTS bounded");
  session->exec("CREATE TABLE bounded (k " + std::string(TypeName(key)) +
                " NOT NULL) PARTITION BY RANGE (k)");
  session->exec("CREATE TABLE bounded_part PARTITION OF bounded " + bounds);
  return session
      ->exec("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = 'bounded_part'::regclass")[0][0]
      .as<std::string>();
}

TEST_F(BoundsPostgresTest, WhatPostgreSqlPrintsIsReadAndPrintedAlike) {
  pqxx::nontransaction session(*connection_);
  for (const Literal& literal : kLiterals) {
    const Bound bound = ParseBound(literal.meaning).value();
    const bool lower = bound < Bound{Bound::Kind::kInfinity, {}};
    const std::string quoted = "('" + std::string(literal.text) + "')";
    const std::string printed =
        PrintedBounds(&session, literal.key,
                      "FOR VALUES FROM " + (lower ? quoted + " TO (MAXVALUE)" : "(MINVALUE) TO " + quoted));
    const auto parsed = ParseBounds(printed);
    ASSERT_TRUE(parsed) << printed;
    ASSERT_EQ(lower ? parsed->range.from : parsed->range.to, bound) << printed;
    const std::string ours = "FOR VALUES FROM (" + BoundSql(parsed->range.from, literal.key) + ") TO (" +
                             BoundSql(parsed->range.to, literal.key) + ")";
    EXPECT_EQ(ours, printed);
    EXPECT_EQ(PrintedBounds(&session, literal.key, ours), printed);
  }
}

TEST_F(BoundsPostgresTest, WhatWePrintMeansTheSameWhateverTheSettings) {
  pqxx::nontransaction session(*connection_);
  for (const char* style : {"ISO, DMY", "SQL, DMY", "German", "Postgres, MDY", "ISO, YMD"}) {
    session.exec("SET timezone = 'America/New_York'; SET datestyle = '" + std::string(style) + "'");
    for (const Literal& literal : kLiterals) {
      const Bound bound = ParseBound(literal.meaning).value();
      const std::string sql = "SELECT " + BoundSql(bound, literal.key) + "::" + TypeName(literal.key) +
                              " = " + TypeName(literal.key) + " '" + literal.text + "'";
      EXPECT_TRUE(session.exec(sql)[0][0].as<bool>()) << sql;
      if (!bound.finite()) continue;
      EXPECT_TRUE(session
                      .exec("SELECT " + LiteralSql(bound, literal.key) + " = " + TypeName(literal.key) +
                            " '" + literal.text + "'")[0][0]
                      .as<bool>());
    }
  }
  session.exec("SET timezone = 'UTC'; SET datestyle = 'ISO'");
}

TEST_F(BoundsPostgresTest, ACutoffBeforePostgreSqlsTimeCanBeCompared) {
  for (const KeyType key : {KeyType::kTimestampTz, KeyType::kTimestamp, KeyType::kDate}) {
    for (const char* cutoff :
         {"-97973-01-01T00:00:00Z", "-4713-11-23T23:59:59.999999Z", "-4713-11-24T00:00:00Z"}) {
      const std::string sql = "SELECT " + std::string(TypeName(key)) + " '4714-11-24 BC' < " +
                              LiteralSql(ParseBound(cutoff).value(), key);
      EXPECT_EQ(Text(sql), "f") << sql;
    }
  }
}

TEST_F(BoundsPostgresTest, OtherPartitionsAreLeftAlone) {
  pqxx::nontransaction session(*connection_);
  constexpr std::tuple<const char*, const char*, const char*> kOthers[] = {
      {"RANGE (k, n)", "FOR VALUES FROM ('2026-11-01', 1) TO ('2026-12-01', 1)", ""},
      {"RANGE (k, n)", "FOR VALUES FROM ('2026-11-01', MINVALUE) TO (MAXVALUE, MAXVALUE)", ""},
      {"RANGE (n)", "FOR VALUES FROM (1) TO (2)", ""},
      {"RANGE (s)", "FOR VALUES FROM ('a''b') TO ('b')", ""},
      {"LIST (k)", "FOR VALUES IN ('2026-11-01', NULL)", ""},
      {"HASH (k)", "FOR VALUES WITH (MODULUS 4, REMAINDER 1)", ""},
      {"RANGE (k)", "FOR VALUES FROM ('294250-01-01') TO (MAXVALUE)", ""},
      {"RANGE (k)", "DEFAULT", "default"},
      {"LIST (k)", "DEFAULT", "default"}};
  for (const auto& [scheme, bounds, expected] : kOthers) {
    session.exec("DROP TABLE IF EXISTS other");
    session.exec("CREATE TABLE other (k timestamptz, n int, s text) PARTITION BY " + std::string(scheme));
    session.exec("CREATE TABLE other_part PARTITION OF other " + std::string(bounds));
    const auto printed =
        session
            .exec("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = 'other_part'::regclass")[0]
                                                                                                           [0]
            .as<std::string>();
    const auto parsed = ParseBounds(printed);
    EXPECT_EQ(parsed.has_value() && parsed->is_default, std::string_view(expected) == "default") << printed;
    EXPECT_EQ(parsed.has_value(), std::string_view(expected) == "default") << printed;
  }
}

using QuotePostgresTest = PostgresTest;

const std::vector<std::string> kHostileTexts = {"t",
                                                "T",
                                                "select",
                                                "a b",
                                                "a\"b",
                                                "\"",
                                                "\"\"",
                                                "'",
                                                "''",
                                                "it's",
                                                "\\",
                                                "\\'",
                                                "a\\",
                                                "\\\\'\"",
                                                "$$",
                                                "$pc$",
                                                "$pc",
                                                "a$pc1$b$pc$",
                                                "--",
                                                "/*",
                                                "*/",
                                                ";",
                                                "a,b",
                                                "{}",
                                                "{a,\"b\"}",
                                                "=r/x",
                                                "\n",
                                                "\t",
                                                "\r\n",
                                                " ",
                                                "  lead and trail ",
                                                "caf\xC3\xA9",
                                                "\xF0\x9F\x90\x98",
                                                "\xE8\xA1\xA8",
                                                "%s%n",
                                                "?",
                                                ":x",
                                                "\x01",
                                                "\x7F",
                                                "NULL",
                                                "public x",
                                                "E'x'",
                                                "U&'x'"};

TEST_F(QuotePostgresTest, TextsComeBackWhateverStandardConformingStringsSays) {
  pqxx::nontransaction session(*connection_);
  for (const char* setting : {"on", "off"}) {
    session.exec("SET standard_conforming_strings = " + std::string(setting));
    session.exec("SET escape_string_warning = off");
    for (const std::string& text : kHostileTexts) {
      EXPECT_EQ(session.exec("SELECT " + QuoteLiteral(text))[0][0].as<std::string>(), text);
      EXPECT_EQ(session.exec("SELECT " + DollarQuote(text))[0][0].as<std::string>(), text);
      EXPECT_EQ(std::string(session.exec("SELECT 1 AS " + QuoteName(text)).column_name(0)), text);
    }
  }
  session.exec("RESET standard_conforming_strings");
}

TEST_F(QuotePostgresTest, QuotesAsPostgreSqlDoes) {
  for (const std::string& text : kHostileTexts) {
    EXPECT_EQ(Text("SELECT quote_literal(" + QuoteLiteral(text) + ")"), QuoteLiteral(text));
    // quote_ident leaves plain names bare; both must name the same.
    const std::string theirs = Text("SELECT quote_ident(" + QuoteLiteral(text) + ")");
    EXPECT_EQ(theirs.front() == '"' ? theirs : "\"" + theirs + "\"", QuoteName(text));
  }
}

using AclPostgresTest = PostgresTest;

// ParseAcl against aclexplode, and GrantSql against ParseAcl.
TEST_F(AclPostgresTest, HostileRolesKeepTheirPrivileges) {
  pqxx::nontransaction session(*connection_);
  session.exec("CREATE TABLE shared_with (a int); CREATE TABLE copied (a int)");
  constexpr const char* kPrivileges[] = {"SELECT", "INSERT, UPDATE", "DELETE, TRUNCATE, REFERENCES, TRIGGER",
                                         "ALL"};
  std::vector<std::string> roles;
  for (const std::string& text : kHostileTexts) {
    const std::string role = text + " of acl";  // also names that are reserved without it
    for (const std::string& name : {role, text == "t" || text == "T" ? text + "_acl" : role}) {
      if (std::find(roles.begin(), roles.end(), name) != roles.end()) continue;
      roles.push_back(name);
      session.exec("CREATE ROLE " + QuoteName(name));
      session.exec("GRANT " + std::string(kPrivileges[roles.size() % 4]) + " ON shared_with TO " +
                   QuoteName(name) + (roles.size() % 3 == 0 ? " WITH GRANT OPTION" : ""));
      session.exec("GRANT SELECT ON shared_with TO " + QuoteName(name) + " WITH GRANT OPTION");
    }
  }
  session.exec("GRANT SELECT ON shared_with TO PUBLIC");

  const auto acl_of = [&](const std::string& table) {
    return ParseAcl(
        session.exec("SELECT relacl::text FROM pg_class WHERE oid = '" + table + "'::regclass")[0][0]
            .as<std::string>());
  };
  using Privilege = std::tuple<std::string, std::string, bool>;
  const auto grants = acl_of("shared_with");
  ASSERT_TRUE(grants);
  std::vector<Privilege> ours;
  for (const Grant& grant : *grants) {
    for (const std::string& privilege : grant.privileges) {
      ours.emplace_back(grant.grantee, privilege, grant.with_grant_option);
    }
  }
  std::vector<Privilege> theirs;
  for (const pqxx::row& row :
       session.exec("SELECT CASE WHEN grantee = 0 THEN '' ELSE pg_get_userbyid(grantee) END, privilege_type, "
                    "is_grantable "
                    "FROM pg_class, aclexplode(relacl) WHERE oid = 'shared_with'::regclass")) {
    theirs.emplace_back(row[0].as<std::string>(), row[1].as<std::string>(), row[2].as<bool>());
  }
  std::sort(ours.begin(), ours.end());
  std::sort(theirs.begin(), theirs.end());
  EXPECT_EQ(ours, theirs);

  for (const std::string& statement : GrantSql(*grants, QuoteName("public", "copied")))
    session.exec(statement);
  EXPECT_EQ(session
                .exec("SELECT (SELECT array_agg(i::text ORDER BY i::text) FROM unnest(a.relacl) i) = "
                      "(SELECT array_agg(i::text ORDER BY i::text) FROM unnest(b.relacl) i) FROM pg_class a, "
                      "pg_class b "
                      "WHERE a.oid = 'shared_with'::regclass AND b.oid = 'copied'::regclass")[0][0]
                .as<bool>(),
            true);

  session.exec("DROP TABLE shared_with, copied");
  for (const std::string& role : roles) session.exec("DROP ROLE " + QuoteName(role));
}

}  // namespace
}  // namespace partition_controller
