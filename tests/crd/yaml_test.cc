#include "crd/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace partition_controller {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using namespace std::string_literals;

json Value(std::string_view text) {
  const YamlFile file = ReadYaml(text, "f");
  EXPECT_EQ(file.problems, std::vector<Problem>()) << text;
  EXPECT_EQ(file.documents.size(), 1u) << text;
  return file.documents.size() == 1 ? file.documents[0].value : json();
}

// The only problem of the text.
Problem OnlyProblem(std::string_view text) {
  const YamlFile file = ReadYaml(text, "f");
  EXPECT_EQ(file.problems.size(), 1u) << text.substr(0, 100);
  return file.problems.empty() ? Problem() : file.problems[0];
}

TEST(Yaml, TypesScalarsByTheCoreSchemaOnly) {
  EXPECT_EQ(Value("[true, false, 0, 7, -7, 9223372036854775807]"), json({true, false, 0, 7, -7, INT64_MAX}));
  EXPECT_EQ(Value("[True, yes, no, on, off, y, 010, 0x10, 0o10, 1e3, 1_000, 3.0, +3, -, -0x1, 02:00]"),
            json({"True", "yes", "no", "on", "off", "y", "010", "0x10", "0o10", "1e3", "1_000", "3.0", "+3",
                  "-", "-0x1", "02:00"}));
  EXPECT_EQ(Value("[~, null, ]"), json({nullptr, nullptr}));
  EXPECT_EQ(Value("a:\nb: ~\n"), json({{"a", nullptr}, {"b", nullptr}}));
  EXPECT_EQ(Value("['true', \"7\", 'null', '~', '']"), json({"true", "7", "null", "~", ""}));
  EXPECT_EQ(Value("[9223372036854775808]"), json({"9223372036854775808"}));
  EXPECT_EQ(Value("[2026-11-22, 1.10, 90d]"), json({"2026-11-22", "1.10", "90d"}));
  EXPECT_EQ(Value("a: |\n  7\n"), json({{"a", "7\n"}}));
}

TEST(Yaml, ReadsJson) {
  EXPECT_EQ(Value("{\"a\": [1, \"x\", true, null], \"b\": {\"c\": \"d\"}}"),
            json::parse(R"({"a":[1,"x",true,null],"b":{"c":"d"}})"));
}

TEST(Yaml, KnowsWhereEverythingStands) {
  const YamlFile file = ReadYaml("a: 1\nb:\n  c: [x,\n    {d/e: y}]\n  'f~g': z\n", "f");
  ASSERT_EQ(file.documents.size(), 1u);
  const PositionMap& positions = file.documents[0].positions;
  EXPECT_EQ(positions.Find(""), (Position{1, 1}));
  EXPECT_EQ(positions.Find("/a"), (Position{1, 1}));
  EXPECT_EQ(positions.Find("/b"), (Position{2, 1}));
  EXPECT_EQ(positions.Find("/b/c"), (Position{3, 3}));
  EXPECT_EQ(positions.Find("/b/c/0"), (Position{3, 7}));
  EXPECT_EQ(positions.Find("/b/c/1/d~1e"), (Position{4, 6}));
  EXPECT_EQ(positions.Find("/b/f~0g"), (Position{5, 3}));
  for (const char* nowhere : {"/x", "/a/b", "/b/c/2", "/", "x", "~", "/b/c/1/d~1e/"}) {
    EXPECT_EQ(positions.Find(nowhere), Position()) << nowhere;
  }
  EXPECT_EQ(PositionMap().Find(""), Position());
}

TEST(Yaml, SkipsEmptyDocuments) {
  EXPECT_EQ(ReadYaml("", "f").documents.size(), 0u);
  EXPECT_EQ(ReadYaml("# nothing\n---\n---\n...\n", "f").documents.size(), 0u);
  const YamlFile file = ReadYaml("---\n---\na: 1\n---\n---\nb: 2\n...\n", "f");
  ASSERT_EQ(file.documents.size(), 2u);
  EXPECT_EQ(file.documents[1].value, json({{"b", 2}}));
  EXPECT_EQ(file.documents[1].positions.Find("/b"), (Position{6, 1}));
}

TEST(Yaml, IgnoresAByteOrderMarkAndCarriageReturns) {
  EXPECT_EQ(Value("\xEF\xBB\xBF"
                  "a: 1\r\nb: x\r\n"),
            json({{"a", 1}, {"b", "x"}}));
}

TEST(Yaml, ReportsRepeatedKeysAndKeepsTheFirst) {
  const YamlFile file = ReadYaml("a: 1\na: {b: 2, b: [3]}\nc: 4\n", "f");
  ASSERT_EQ(file.problems.size(), 2u);
  EXPECT_EQ(file.problems[0], (Problem{"f", "", {2, 1}, "the key 'a' is repeated"}));
  EXPECT_EQ(file.problems[1].position, (Position{2, 11}));
  EXPECT_EQ(file.documents.at(0).value, json({{"a", 1}, {"c", 4}}));
  EXPECT_EQ(file.documents[0].positions.Find("/a"), (Position{1, 1}));
}

TEST(Yaml, RefusesAnchorsAliasesAndTags) {
  EXPECT_THAT(OnlyProblem("a: &x 1\n").message, HasSubstr("anchors"));
  EXPECT_THAT(OnlyProblem("a: &x [*x]\n").message, HasSubstr("anchors"));
  EXPECT_THAT(OnlyProblem("a: &x {}\n").message, HasSubstr("anchors"));
  EXPECT_THAT(OnlyProblem("a: &x\nb: 1\n").message, HasSubstr("anchors"));
  EXPECT_THAT(OnlyProblem("a: !!str 1\n").message, HasSubstr("tags"));
  EXPECT_THAT(OnlyProblem("a: !x [1]\n").message, HasSubstr("tags"));
  EXPECT_EQ(Value("{<<: {a: 1}}"), json({{"<<", {{"a", 1}}}}));
}

TEST(Yaml, RefusesKeysThatAreNoText) {
  for (const char* text : {"? [a]\n: 1\n", "? {a: b}\n: 1\n", "~: 1\n", "? \n: 1\n"}) {
    EXPECT_THAT(OnlyProblem(text).message, HasSubstr("a key must be plain text")) << text;
  }
}

TEST(Yaml, LimitsDepth) {
  EXPECT_EQ(Value(std::string(32, '[') + std::string(32, ']')).size(), 1u);
  EXPECT_THAT(OnlyProblem(std::string(33, '[') + std::string(33, ']')).message, HasSubstr("deep"));
  EXPECT_NE(OnlyProblem(std::string(500'000, '[')).message, "");
  std::string blocks;
  for (int i = 0; i < 1'000; ++i) blocks += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(OnlyProblem(blocks).message, HasSubstr("deep"));
}

TEST(Yaml, LimitsSize) {
  const std::string fits = "a: '" + std::string((1 << 20) - 5, 'x') + "'";
  EXPECT_TRUE(ReadYaml(fits, "f").problems.empty());
  EXPECT_THAT(OnlyProblem(fits + " ").message, HasSubstr("1 MiB"));
}

TEST(Yaml, RefusesCharactersThatTheLibraryMisreads) {
  // The library takes byte 4 for the end and would drop what follows.
  EXPECT_EQ(OnlyProblem("a: 1\nb: \x04 2\n").position, (Position{2, 4}));
  EXPECT_THAT(OnlyProblem("a: \0"s).message, HasSubstr("control characters"));
  EXPECT_EQ(OnlyProblem("a: \xFF\n").message, "not UTF-8 text");
  EXPECT_EQ(OnlyProblem("\xFE\xFF\0a"s).message, "not UTF-8 text");
  EXPECT_EQ(Value("a: \"\\x04\\0\"\n"), json({{"a", "\x04\0"s}}));
}

TEST(Yaml, ReportsSyntaxErrorsWhereTheyAre) {
  const Problem problem = OnlyProblem("a: 1\nb: [1, 2\nc: 3\n");
  EXPECT_EQ(problem.file, "f");
  EXPECT_EQ(problem.position.line, 3);
  EXPECT_THAT(problem.message, HasSubstr("not valid YAML"));
  EXPECT_THAT(OnlyProblem("a:\n\tb: 1\n").message, HasSubstr("not tabs"));
}

// The library never ends on these: it offers one empty document after another.
TEST(Yaml, StopsAtStrayPunctuation) {
  for (const char* text :
       {"a: 1\n,", "a: 1\n]", "a: 1\n}", ",", "]", "}", "--- ,", "[]\n,x", "---\n}\n---\n"}) {
    EXPECT_THAT(ReadYaml(text, "f").problems, SizeIs(1)) << text;
  }
}

TEST(Yaml, KeepsTheDocumentsBeforeASyntaxError) {
  const YamlFile file = ReadYaml("a: 1\n---\nb: [\n", "f");
  EXPECT_EQ(file.documents.size(), 1u);
  EXPECT_EQ(file.problems.size(), 1u);
}

TEST(Yaml, NeverQuotesTheTextOfASyntaxError) {
  for (const char* text :
       {"password: *hunter2\n", "password: !hunter2 x\n", "password: &hunter2 x\n",
        "password: \"\\hunter2\"\n", "password: @hunter2\n", "password: %hunter2\n",
        "%YAML hunter2\n---\na: b\n", "password: `hunter2\n", "password: \"\\uD800hunter2\"\n"}) {
    EXPECT_THAT(OnlyProblem(text).message, Not(HasSubstr("hunter2"))) << text;
  }
}

// Text that would take gigabytes or minutes with a careless reader.
TEST(Yaml, TakesHostileInputInItsStride) {
  std::string laughs = "a: &a [x,x,x]\n";
  for (int i = 0; i < 20; ++i) laughs += "b: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n";
  EXPECT_THAT(OnlyProblem(laughs).message, HasSubstr("anchors"));

  std::string wide;  // 31,000 bytes of keys above each of 300,000 values
  for (int i = 0; i < 31; ++i) wide += "{" + std::string(1'000, 'k') + ": ";
  wide += "[";
  for (int i = 0; i < 300'000; ++i) wide += "1,";
  wide += "]" + std::string(31, '}');
  EXPECT_TRUE(ReadYaml(wide, "f").problems.empty());
}

TEST(WriteYaml, IsForPeople) {
  EXPECT_EQ(WriteYaml({{"name", "points"},
                       {"plan", {{"pending", {{{"action", "drop"}, {"count", 2}}}}, {"steps", 2}}}}),
            "name: points\n"
            "plan:\n"
            "  pending:\n"
            "    - action: drop\n"
            "      count: 2\n"
            "  steps: 2\n");
}

// A reader gets back what was written, whatever a text looks like.
TEST(WriteYaml, IsReadAsItWasWritten) {
  const json value = {
      {"", json::array()},
      {"a: b", json::object()},
      {"yes", {"yes", "No", "on", "null", "~", "", "12", "1.5", "0x1", "2026-11-05T12:00:00Z"}},
      {"odd", {"- x", "#x", "x # y", "a: b", "'", "\"", "\\", "\n", "a\nb", "\x1b[2J", "\t", " x "}},
      {"far", {"ü", "\xe2\x80\xa8", "*x", "&x", "!x", "%x", "@x", "`x", "{", "[", ",", "?", "|", ">"}},
      {"lists", {{1, {2, {3}}}, json::array(), {{{"k", nullptr}}}}},
      {"numbers", {0, -1, true, false, nullptr}}};
  const YamlFile read = ReadYaml(WriteYaml(value), "x");
  ASSERT_EQ(read.documents.size(), 1U) << WriteYaml(value);
  EXPECT_EQ(read.documents[0].value, value) << WriteYaml(value);
}

}  // namespace
}  // namespace partition_controller
