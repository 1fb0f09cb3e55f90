#include "reconcilers/quote.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace partition_controller {
namespace {

std::string Mask(std::string_view query) { return MaskLiterals(query, 10'000); }

TEST(QuoteNameTest, DoublesQuotes) {
  EXPECT_EQ(QuoteName("t"), "\"t\"");
  EXPECT_EQ(QuoteName("Order \"x\"; --"), "\"Order \"\"x\"\"; --\"");
  EXPECT_EQ(QuoteName("a\\b'c"), "\"a\\b'c\"");
  EXPECT_EQ(QuoteName("s.x", "t"), "\"s.x\".\"t\"");
  EXPECT_THROW(QuoteName(""), std::invalid_argument);
  EXPECT_THROW(QuoteName("s", ""), std::invalid_argument);
  EXPECT_THROW(QuoteName(std::string_view("a\0b", 3)), std::invalid_argument);
}

TEST(QuoteLiteralTest, DoesNotDependOnStandardConformingStrings) {
  EXPECT_EQ(QuoteLiteral(""), "''");
  EXPECT_EQ(QuoteLiteral("it's"), "'it''s'");
  EXPECT_EQ(QuoteLiteral("a\\b'"), "E'a\\\\b'''");
  EXPECT_EQ(QuoteLiteral("\\"), "E'\\\\'");
  EXPECT_THROW(QuoteLiteral(std::string_view("\0", 1)), std::invalid_argument);
}

TEST(DollarQuoteTest, TagDoesNotOccurInTheText) {
  EXPECT_EQ(DollarQuote("x"), "$pc$x$pc$");
  EXPECT_EQ(DollarQuote("$"), "$pc$$$pc$");
  EXPECT_EQ(DollarQuote("a$pc"), "$pc1$a$pc$pc1$");
  EXPECT_EQ(DollarQuote("$pc$ $pc1$ $pc2"), "$pc3$$pc$ $pc1$ $pc2$pc3$");
  EXPECT_THROW(DollarQuote(std::string_view("a\0", 2)), std::invalid_argument);
}

TEST(CutTextTest, EndsAtAUtf8Boundary) {
  EXPECT_EQ(CutText("abc", 3), "abc");
  EXPECT_EQ(CutText("abc", 2), "ab");
  EXPECT_EQ(CutText("a\xC3\xA9", 2), "a");
  EXPECT_EQ(CutText("\xF0\x9F\x90\x98", 3), "");
  EXPECT_EQ(CutText("abc", 0), "");
}

TEST(MaskLiteralsTest, MasksConstants) {
  EXPECT_EQ(Mask("SELECT 'secret', 42, t.c1 FROM t1 WHERE x = 'it''s' AND y=-1.5e-10"),
            "SELECT ?, ?, t.c1 FROM t1 WHERE x = ? AND y=-?");
  EXPECT_EQ(Mask("SELECT .5, 1., 0x1F, 1_000, 1e5, 1e+5, 123abc"), "SELECT .?, ?, ?, ?, ?, ?, ?");
  EXPECT_EQ(Mask("SELECT b'01', X'1f', N'x', U&'\\0041', u&'x' UESCAPE '!'"),
            "SELECT ?, ?, ?, ?, ? UESCAPE ?");
  EXPECT_EQ(Mask("SELECT date'2026-01-01', ''"), "SELECT date?, ?");
  EXPECT_EQ(Mask("ALTER ROLE r PASSWORD 'hunter2'"), "ALTER ROLE r PASSWORD ?");
}

TEST(MaskLiteralsTest, MasksEscapeStrings) {
  EXPECT_EQ(Mask(R"(SELECT E'a\'secret', e'\\', E'x''y\'', x)"), "SELECT ?, ?, ?, x");
  EXPECT_EQ(Mask(R"(SELECT namE'x' )"), "SELECT namE?");
}

TEST(MaskLiteralsTest, MasksAllThatFollowsWhenTheEndIsAMatterOfSettings) {
  // With standard_conforming_strings the string ends at \', without it goes on.
  EXPECT_EQ(Mask(R"(SELECT 'C:\', 'secret', x)"), "SELECT ?");
  EXPECT_EQ(Mask(R"(SELECT 'it\'s secret', x)"), "SELECT ?");
  EXPECT_EQ(Mask(R"(SELECT 'a\\', x, 'a\b', y)"), "SELECT ?, x, ?, y");
  // A continued escape string stays one.
  EXPECT_EQ(Mask("SELECT E'a'\n'b\\'secret', x"), "SELECT ? ?");
}

TEST(MaskLiteralsTest, MasksDollarQuotes) {
  EXPECT_EQ(Mask("DO $$secret$$, $a$ x $b$ secret $$ $a$, z"), "DO ?, ?, z");
  EXPECT_EQ(Mask("SELECT $1, $23, a$1, foo$bar$baz, $ x"), "SELECT $1, $23, a$1, foo$bar$baz, $ x");
  EXPECT_EQ(Mask("SELECT $1$a$secret$a$"), "SELECT $1?");
  EXPECT_EQ(Mask("SELECT $\xC3\xA9$secret$\xC3\xA9$x"), "SELECT ?x");
  EXPECT_EQ(Mask("SELECT $a$secret$a $A$"), "SELECT ?");
  EXPECT_EQ(Mask("SELECT 1$a$secret$a$"), "SELECT ??");
}

TEST(MaskLiteralsTest, KeepsIdentifiers) {
  EXPECT_EQ(Mask("SELECT \"it's 42\", \"a\"\"b 'x'\", _x1, caf\xC3\xA9"
                 "1 FROM \"S\".t2"),
            "SELECT \"it's 42\", \"a\"\"b 'x'\", _x1, caf\xC3\xA9"
            "1 FROM \"S\".t2");
  EXPECT_EQ(Mask("SELECT U&\"d\\0061t\""), "SELECT U&\"d\\0061t\"");
}

TEST(MaskLiteralsTest, DropsCommentsAndFoldsSpace) {
  EXPECT_EQ(Mask("  SELECT -- 'secret'\n\t a /* x /* secret */ ' */ ,\r\nb  "), "SELECT a , b");
  EXPECT_EQ(Mask("a/**/b"), "a b");
  EXPECT_EQ(Mask("/*/ secret */x"), "x");
  EXPECT_EQ(Mask("2*/*secret*/3"), "?* ?");
  EXPECT_EQ(Mask("a --x\rb"), "a b");
  EXPECT_EQ(Mask(""), "");
  EXPECT_EQ(Mask(" \n"), "");
}

TEST(MaskLiteralsTest, UnterminatedConstantsEndWithTheText) {
  for (const char* query : {"SELECT 'secret", "SELECT E'secret\\", "SELECT E'secret\\'", "SELECT $$secret",
                            "SELECT $a$secret$a", "SELECT \"secret", "SELECT \"secret\"\"",
                            "SELECT 'secret''", "SELECT U&'secret", "SELECT 'secret\\"}) {
    EXPECT_EQ(Mask(query), "SELECT ?") << query;
  }
  for (const char* query :
       {"SELECT /* secret", "SELECT /* /* */ secret", "SELECT -- secret", "SELECT /*/secret"}) {
    EXPECT_EQ(Mask(query), "SELECT") << query;
  }
}

TEST(MaskLiteralsTest, ResultCanBeShownAnywhere) {
  EXPECT_EQ(Mask(std::string_view("a\0b\x1B[31m\x7Fz", 10)), "a b [? z");
  EXPECT_EQ(Mask("\"a\nb\x1B\""), "\"a b \"");
  EXPECT_EQ(Mask("a\xFF\xC3 \xE2\x82 \xED\xA0\x80 \xF4\x90\x80\x80 \xC0\x80 \xE0\x80\x80"),
            "a?? ?? ??? ???? ?? ???");
  EXPECT_EQ(Mask("\xF0\x9F\x90\x98 \xE2\x82\xAC \xC3\xA9"), "\xF0\x9F\x90\x98 \xE2\x82\xAC \xC3\xA9");
}

TEST(MaskLiteralsTest, CutsAtAUtf8Boundary) {
  EXPECT_EQ(MaskLiterals("SELECT a", 8), "SELECT a");
  EXPECT_EQ(MaskLiterals("SELECT ab", 8), "SELEC...");
  EXPECT_EQ(MaskLiterals("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", 6), "\xC3\xA9...");
  EXPECT_EQ(MaskLiterals("SELECT", 2), "..");
  EXPECT_EQ(MaskLiterals("SELECT", 0), "");
  EXPECT_EQ(MaskLiterals("SELECT " + std::string(1'000'000, 'x'), 20), "SELECT xxxxxxxxxx...");
}

// Whatever follows whatever, the secret inside any constant stays hidden.  The
// dollars keep their distance: "name$$" is an identifier, "$$a$" another tag.
TEST(MaskLiteralsTest, NoArrangementOfPiecesShowsASecret) {
  const std::string_view pieces[] = {"'#'",  "E'#\\'#'", " $$#$$", " $a$#$$#$a$", "/*#*/", "--#\n",  "\"i\"",
                                     "name", "E",        " $1",    "1",           " ",     "\n",     "''",
                                     "U&",   "-",        "$ ",     "*",           "\\",    "e'#''#'"};
  for (const std::string_view a : pieces) {
    for (const std::string_view b : pieces) {
      for (const std::string_view c : pieces) {
        for (const std::string_view d : pieces) {
          std::string query;
          for (const std::string_view piece : {a, b, c, d}) query.append(piece);
          ASSERT_EQ(Mask(query).find('#'), std::string::npos) << query << " -> " << Mask(query);
        }
      }
    }
  }
}

}  // namespace
}  // namespace partition_controller
