#include "reconcilers/acl.h"

#include <gtest/gtest.h>

namespace partition_controller {
namespace {

using Grants = std::vector<Grant>;

TEST(ParseAclTest, ReadsGrants) {
  EXPECT_EQ(ParseAcl("{}"), Grants{});
  EXPECT_EQ(
      ParseAcl("{owner=arwdDxtm/owner,=r/owner}"),
      (Grants{{"owner",
               {"INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"},
               false},
              {"", {"SELECT"}, false}}));
}

TEST(ParseAclTest, SplitsByGrantOption) {
  EXPECT_EQ(ParseAcl("{reader=r*w/owner}"),
            (Grants{{"reader", {"UPDATE"}, false}, {"reader", {"SELECT"}, true}}));
  EXPECT_EQ(ParseAcl("{reader=r*w*/owner}"), (Grants{{"reader", {"SELECT", "UPDATE"}, true}}));
  EXPECT_EQ(ParseAcl("{reader=/owner}"), Grants{});
}

TEST(ParseAclTest, ReadsQuotedNames) {
  EXPECT_EQ(ParseAcl(R"({"\"my role\"=r/owner"})"), (Grants{{"my role", {"SELECT"}, false}}));
  EXPECT_EQ(ParseAcl(R"({"\"a\"\"b,}{\\c=/\"=r/\"x y\""})"), (Grants{{"a\"b,}{\\c=/", {"SELECT"}, false}}));
  EXPECT_EQ(ParseAcl(R"({"\"\"\"\"=r/owner",a=r/b})"),
            (Grants{{"\"", {"SELECT"}, false}, {"a", {"SELECT"}, false}}));
  EXPECT_EQ(ParseAcl("{caf\xC3\xA9=r/caf\xC3\xA9}"), (Grants{{"caf\xC3\xA9", {"SELECT"}, false}}));
}

TEST(ParseAclTest, RefusesWhatItDoesNotUnderstand) {
  for (const char* text : {"",
                           "{",
                           "}",
                           "NULL",
                           "{NULL}",
                           "{,}",
                           "{a=r/b,}",
                           "{,a=r/b}",
                           "{a=r/b",
                           "a=r/b}",
                           "{a=r/b}}",
                           "{{a=r/b}}",
                           " {a=r/b}",
                           "{a=r/b} ",
                           "{a=r/b, c=r/b}",
                           "[0:0]={a=r/b}",
                           "{a=r}",
                           "{a=r/}",
                           "{a/b}",
                           "{a}",
                           "{=}",
                           "{a=rQ/b}",
                           "{a=U/b}",
                           "{a=*r/b}",
                           "{a=r**/b}",
                           "{a=r/b/c}",
                           "{a=r/b c}",
                           "{a b=r/c}",
                           "{a-b=r/c}",
                           "{a\\=r/c}",
                           R"({"a=r/b})",
                           R"({"a=r/b\"})",
                           R"({"a=r/b\})",
                           R"({"\"a=r/b"})",
                           R"({"\"\"=r/b"})",
                           R"({"a=r/\"\""})",
                           R"({"a=r/b"c})",
                           R"({a"=r/b"})"}) {
    EXPECT_EQ(ParseAcl(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseAcl(std::string_view("{a\0=r/b}", 8)), std::nullopt);
  EXPECT_EQ(ParseAcl(std::string_view("{\"\\\"a\0\\\"=r/b\"}", 14)), std::nullopt);
}

TEST(GrantSqlTest, QuotesRoles) {
  EXPECT_EQ(
      GrantSql(
          {{"my \"role\"", {"SELECT", "INSERT"}, false}, {"", {"SELECT"}, false}, {"x", {"DELETE"}, true}},
          "\"s\".\"t\""),
      (std::vector<std::string>{R"(GRANT SELECT, INSERT ON "s"."t" TO "my ""role""")",
                                R"(GRANT SELECT ON "s"."t" TO PUBLIC)",
                                R"(GRANT DELETE ON "s"."t" TO "x" WITH GRANT OPTION)"}));
  EXPECT_TRUE(GrantSql({}, "t").empty());
}

}  // namespace
}  // namespace partition_controller
