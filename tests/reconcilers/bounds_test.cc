#include "reconcilers/bounds.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace partition_controller {
namespace {

Instant At(const char* text) { return ParseInstant(text).value(); }
Bound BoundAt(const char* text) { return Bound::At(At(text)); }
constexpr KeyType kKeys[] = {KeyType::kTimestampTz, KeyType::kTimestamp, KeyType::kDate};

// The bound that PostgreSQL prints as `text`, if it is one.
std::optional<Bound> From(const std::string& text) {
  const auto parsed = ParseBounds("FOR VALUES FROM (" + text + ") TO (MAXVALUE)");
  return parsed ? std::optional(parsed->range.from) : std::nullopt;
}

TEST(ParseBoundsTest, ReadsRanges) {
  const auto parsed = ParseBounds("FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00')");
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(parsed->is_default);
  EXPECT_EQ(parsed->range, Range::Between(At("2026-11-01T00:00:00Z"), At("2026-12-01T00:00:00Z")));
}

TEST(ParseBoundsTest, ReadsDefault) {
  const auto parsed = ParseBounds("DEFAULT");
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->is_default);
}

TEST(ParseBoundsTest, ReadsOpenEnds) {
  const auto parsed = ParseBounds("FOR VALUES FROM (MINVALUE) TO (MAXVALUE)");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->range, (Range{Bound::MinValue(), Bound::MaxValue()}));
  EXPECT_EQ(From("'-infinity'"), (Bound{Bound::Kind::kMinusInfinity, {}}));
  EXPECT_EQ(From("'infinity'"), (Bound{Bound::Kind::kInfinity, {}}));
}

TEST(ParseBoundsTest, ReadsEveryLiteralThatIsoStylePrints) {
  EXPECT_EQ(From("'2026-11-01'"), BoundAt("2026-11-01T00:00:00Z"));
  EXPECT_EQ(From("'2026-11-01 13:05:06'"), BoundAt("2026-11-01T13:05:06Z"));
  EXPECT_EQ(From("'2026-11-01 13:05:06.000001+00'"), BoundAt("2026-11-01T13:05:06.000001Z"));
  EXPECT_EQ(From("'2026-11-01 13:05:06.5+00'"), BoundAt("2026-11-01T13:05:06.5Z"));
  EXPECT_EQ(From("'2026-11-01 05:30:00+05:30'"), BoundAt("2026-11-01T00:00:00Z"));
  EXPECT_EQ(From("'2026-11-01 00:00:00-05'"), BoundAt("2026-11-01T05:00:00Z"));
  EXPECT_EQ(From("'1850-01-01 00:00:00-04:56:02'"), BoundAt("1850-01-01T04:56:02Z"));
  EXPECT_EQ(From("'12026-11-01 00:00:00+00'"), BoundAt("+12026-11-01T00:00:00Z"));
  EXPECT_EQ(From("'294246-12-31'"), BoundAt("+294246-12-31T00:00:00Z"));
  EXPECT_EQ(From("'0044-03-15 BC'"), BoundAt("-0043-03-15T00:00:00Z"));
  EXPECT_EQ(From("'0044-03-15 12:00:00 BC'"), BoundAt("-0043-03-15T12:00:00Z"));
  EXPECT_EQ(From("'0001-02-29 12:00:00+00 BC'"), BoundAt("0000-02-29T12:00:00Z"));
  EXPECT_EQ(From("'4714-11-24 00:00:00+00 BC'"), BoundAt("-4713-11-24T00:00:00Z"));
}

TEST(ParseBoundsTest, LeavesLiteralsAloneThatAreNotOurs) {
  for (const char* text : {"''",
                           "'",
                           "2026-11-01",
                           "'2026-11-01",
                           "'2026-11-01'::date",
                           "'2026-11-01 '",
                           "' 2026-11-01'",
                           "'2026-11-01 00:00'",
                           "'2026-11-01T00:00:00Z'",
                           "'2026-11-01 00:00:00 +00'",
                           "'2026-11-01 00:00:00+0'",
                           "'2026-11-01 00:00:00+000'",
                           "'2026-11-01 00:00:00+00:0'",
                           "'2026-11-01 00:00:00+00:60'",
                           "'2026-11-01 00:00:00+16'",
                           "'2026-11-01 00:00:00+00:00:60'",
                           "'2026-11-01 00:00:00UTC'",
                           "'2026-11-01 00:00:00 UTC'",
                           "'2026-11-01 24:00:00'",
                           "'2026-11-01 00:60:00'",
                           "'2026-11-01 00:00:60'",
                           "'2026-11-01 00:00:00.'",
                           "'2026-11-01 00:00:00.1234567'",
                           "'2026-02-30'",
                           "'2026-13-01'",
                           "'2026-00-01'",
                           "'0000-01-01'",
                           "'0000-01-01 BC'",
                           "'-2026-11-01'",
                           "'+2026-11-01'",
                           "'02026-11-01'",
                           "'20261101'",
                           "'26-11-01'",
                           "'2026-11-01 AD'",
                           "'2026-11-01  BC'",
                           "'2026-11-01 BC BC'",
                           "'0044-03-15 BC 00:00:00'",
                           "'0001-02-29'",
                           "'294247-01-10 04:00:55+00'",
                           "'294276-12-31 00:00:00+00'",
                           "'5874897-12-31'",
                           "'999999-12-31 BC'",
                           "'01/11/2026'",
                           "'01/11/2026 00:00:00 EST'",
                           "'Sun Nov 01 00:00:00 2026'",
                           "'Infinity'",
                           "'+infinity'",
                           "'infinity '",
                           "'now'",
                           "'epoch'",
                           "'MINVALUE'",
                           "minvalue",
                           "NULL",
                           "42",
                           "'42'",
                           "'a'",
                           "1.5",
                           "true",
                           "'2026-11-01', '2026-11-01'",
                           "MINVALUE, MINVALUE",
                           "'2026-11-01''"}) {
    EXPECT_EQ(From(text), std::nullopt) << text;
  }
}

TEST(ParseBoundsTest, LeavesOtherPartitionsAlone) {
  for (const char* text : {"",
                           " ",
                           "default",
                           "DEFAULT ",
                           " DEFAULT",
                           "DEFAULTS",
                           "FOR VALUES IN ('2026-11-01')",
                           "FOR VALUES IN (NULL)",
                           "FOR VALUES WITH (modulus 4, remainder 0)",
                           "FOR VALUES FROM ('2026-11-01', 1) TO ('2026-12-01', 1)",
                           "FOR VALUES FROM ('2026-11-01', MINVALUE) TO ('2026-12-01', MINVALUE)",
                           "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01') ",
                           "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01'))",
                           "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01'",
                           "FOR VALUES FROM ('2026-11-01') TO (",
                           "FOR VALUES FROM ('2026-11-01')",
                           "FOR VALUES FROM (",
                           "for values from ('2026-11-01') to ('2026-12-01')",
                           "FOR  VALUES FROM ('2026-11-01') TO ('2026-12-01')",
                           "FOR VALUES FROM ('2026-12-01') TO ('2026-11-01')",
                           "FOR VALUES FROM ('2026-11-01') TO ('2026-11-01')",
                           "FOR VALUES FROM (MAXVALUE) TO (MINVALUE)"}) {
    EXPECT_FALSE(ParseBounds(text)) << text;
  }
  const std::string good = "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')";
  EXPECT_TRUE(ParseBounds(good));
  EXPECT_FALSE(ParseBounds(good + std::string(1, '\0')));
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(ParseBounds(good.substr(0, size)));
}

TEST(BoundSqlTest, PrintsWhatPostgreSqlPrints) {
  const Bound bound = BoundAt("2026-11-01T00:00:00Z");
  EXPECT_EQ(BoundSql(bound, KeyType::kTimestampTz), "'2026-11-01 00:00:00+00'");
  EXPECT_EQ(BoundSql(bound, KeyType::kTimestamp), "'2026-11-01 00:00:00'");
  EXPECT_EQ(BoundSql(bound, KeyType::kDate), "'2026-11-01'");
  EXPECT_EQ(BoundSql(BoundAt("2026-11-01T00:00:00.5Z"), KeyType::kTimestamp), "'2026-11-01 00:00:00.5'");
  EXPECT_EQ(BoundSql(BoundAt("+12026-11-01T00:00:00Z"), KeyType::kTimestampTz), "'12026-11-01 00:00:00+00'");
  EXPECT_EQ(BoundSql(BoundAt("-0043-03-15T00:00:00Z"), KeyType::kTimestampTz), "'0044-03-15 00:00:00+00 BC'");
  EXPECT_EQ(BoundSql(BoundAt("-0043-03-15T00:00:00Z"), KeyType::kDate), "'0044-03-15 BC'");
  for (const KeyType key : kKeys) {
    EXPECT_EQ(BoundSql(Bound::MinValue(), key), "MINVALUE");
    EXPECT_EQ(BoundSql(Bound::MaxValue(), key), "MAXVALUE");
    EXPECT_EQ(BoundSql({Bound::Kind::kMinusInfinity, {}}, key), "'-infinity'");
    EXPECT_EQ(BoundSql({Bound::Kind::kInfinity, {}}, key), "'infinity'");
  }
}

TEST(BoundSqlTest, ADateIsItsMidnight) {
  EXPECT_EQ(BoundSql(BoundAt("2026-11-01T00:00:00.000001Z"), KeyType::kDate), "'2026-11-02'");
  EXPECT_EQ(BoundSql(BoundAt("2026-12-31T23:59:59Z"), KeyType::kDate), "'2027-01-01'");
  EXPECT_EQ(BoundSql(BoundAt("1969-12-31T12:00:00Z"), KeyType::kDate), "'1970-01-01'");
}

TEST(BoundSqlTest, ReadsBack) {
  for (const char* text :
       {"2026-11-01T00:00:00Z", "+12026-11-01T00:00:00Z", "-0043-03-15T00:00:00Z", "0000-02-29T00:00:00Z"}) {
    for (const KeyType key : kKeys) EXPECT_EQ(From(BoundSql(BoundAt(text), key)), BoundAt(text));
  }
}

TEST(LiteralSqlTest, NamesTheType) {
  const Bound bound = BoundAt("2026-11-01T00:00:00Z");
  EXPECT_EQ(LiteralSql(bound, KeyType::kTimestampTz), "'2026-11-01 00:00:00+00'::timestamptz");
  EXPECT_EQ(LiteralSql(bound, KeyType::kTimestamp), "'2026-11-01 00:00:00'::timestamp");
  EXPECT_EQ(LiteralSql(bound, KeyType::kDate), "'2026-11-01'::date");
}

TEST(LiteralSqlTest, StaysWithinWhatPostgreSqlHolds) {
  EXPECT_EQ(LiteralSql(BoundAt("-4713-11-24T00:00:00Z"), KeyType::kDate), "'4714-11-24 BC'::date");
  EXPECT_EQ(LiteralSql(BoundAt("-4713-11-23T23:59:59Z"), KeyType::kTimestampTz), "'-infinity'::timestamptz");
  EXPECT_EQ(LiteralSql(BoundAt("-97973-01-01T00:00:00Z"), KeyType::kDate), "'-infinity'::date");
}

TEST(BoundTextTest, PrintsAndReadsBack) {
  const std::vector<std::pair<Bound, std::string>> cases = {
      {Bound::MinValue(), "MINVALUE"},
      {{Bound::Kind::kMinusInfinity, {}}, "-infinity"},
      {BoundAt("2026-11-01T00:00:00.25Z"), "2026-11-01T00:00:00.25Z"},
      {BoundAt("+12026-11-01T00:00:00Z"), "+12026-11-01T00:00:00Z"},
      {{Bound::Kind::kInfinity, {}}, "infinity"},
      {Bound::MaxValue(), "MAXVALUE"}};
  for (const auto& [bound, text] : cases) {
    EXPECT_EQ(ToString(bound), text);
    EXPECT_EQ(ParseBound(text), bound);
  }
  for (const char* text : {"", "minvalue", "MINVALUE ", "'infinity'", "+infinity", "2026-11-01", "DEFAULT"}) {
    EXPECT_EQ(ParseBound(text), std::nullopt) << text;
  }
  EXPECT_EQ(ToString(Range{BoundAt("2026-11-01T00:00:00Z"), Bound::MaxValue()}),
            "[2026-11-01T00:00:00Z, MAXVALUE)");
}

}  // namespace
}  // namespace partition_controller
