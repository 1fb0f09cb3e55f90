#include "crd/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace partition_controller {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Render, PointsAtTheColumn) {
  EXPECT_EQ(Render({"p.yaml", "spec.mode", {2, 3}, "wrong"}, "spec:\n  mode: x\n"),
            "p.yaml:2:3: wrong\n  mode: x\n  ^");
  EXPECT_EQ(Render({"p.yaml", "", {1, 1}, "wrong"}, "mode: x\r\nb"), "p.yaml:1:1: wrong\nmode: x\n^");
  EXPECT_EQ(Render({"p.yaml", "", {1, 1}, "wrong"}, "\xEF\xBB\xBFmode: x"), "p.yaml:1:1: wrong\nmode: x\n^");
}

TEST(Render, NamesThePathWithoutAPosition) {
  EXPECT_EQ(Render({"p.yaml", "spec.mode", {}, "wrong"}, "mode: x"), "p.yaml: spec.mode: wrong");
  EXPECT_EQ(Render({"p.yaml", "", {}, "wrong"}, ""), "p.yaml: wrong");
  EXPECT_EQ(Render({"", "spec.mode", {}, "wrong"}, ""), "spec.mode: wrong");
  EXPECT_EQ(Render({"", "", {}, "wrong"}, ""), "wrong");
}

TEST(Render, SurvivesPositionsOutsideTheText) {
  EXPECT_EQ(Render({"p", "", {9, 9}, "wrong"}, "a\nb"), "p:9:9: wrong");
  EXPECT_EQ(Render({"p", "", {1, 99}, "wrong"}, "ab"), "p:1:99: wrong\nab\n  ^");
  EXPECT_EQ(Render({"p", "", {1, 0}, "wrong"}, "ab"), "p:1:0: wrong\nab\n^");
  EXPECT_EQ(Render({"p", "", {1, 1}, "wrong"}, ""), "p:1:1: wrong\n\n^");
}

TEST(Render, AlignsTheCaretByCharacters) {
  EXPECT_EQ(Render({"p", "", {1, 9}, "wrong"}, "\xC3\xA9\xC3\xA9: {x: 1}"),
            "p:1:9: wrong\n\xC3\xA9\xC3\xA9: {x: 1}\n      ^");
  EXPECT_EQ(Render({"p", "", {1, 3}, "wrong"}, "\t\tx"), "p:1:3: wrong\n  x\n  ^");
}

TEST(Render, EscapesHostileText) {
  const std::string out = Render({"p\n.yaml", "", {1, 6}, "a\x1B[2Jb"}, "x: \x1B\x07 y");
  EXPECT_EQ(out, "p\\x0A.yaml:1:6: a\\x1B[2Jb\nx: \\x1B\\x07 y\n           ^");
}

TEST(Render, CutsLongLinesAroundTheColumn) {
  const std::string line = std::string(500, 'a') + "X" + std::string(500, 'b');
  const std::string out = Render({"p", "", {1, 501}, "wrong"}, line);
  EXPECT_EQ(out, "p:1:501: wrong\n..." + std::string(50, 'a') + "X" + std::string(46, 'b') + "...\n" +
                     std::string(53, ' ') + "^");
}

// Whatever the problem is, no line that may hold a secret is shown.
TEST(Render, HidesSecrets) {
  const std::string texts[] = {
      "spec:\n  connection:\n    uri: hunter2\n",
      "spec:\n  connection:\n    env: hunter2\n",
      "spec:\n  connection:\n    uri: >-\n      hunter2\n",
      "spec:\n  connection:\n    pasword: |\n      host=db\n\n      hunter2\n",
      "spec:\n  connection: {pasword: hunter2, env: A}\n",
      "spec:\n  connection:\n    {pasword:\n    hunter2}\n",
      "spec: {connection: {\npasword:\nhunter2 }}\n",
      "{\"spec\": {\"connection\": {\"pass\": \"hunter2\"}}}\n",
      "spec:\n  table: postgres://u:hunter2@db/x\n",
      "spec:\n  table: host=db password=hunter2\n",
      "spec:\n  databaseUrl: hunter2\n",
      "spec:\n  password:\n    hunter2\n",
      "spec:\n  \"password\" : \"hunter2\"\n",
      "- password: hunter2 # x: y\n",
      "spec:\n  connection:\n    role: x\n    file: hunter2: ]\n",
  };
  for (const std::string& text : texts) {
    for (int line = 1; line <= 7; ++line) {
      for (const int column : {1, 5, 40}) {
        EXPECT_THAT(Render({"p", "", {line, column}, "wrong"}, text), Not(HasSubstr("hunter2"))) << text;
      }
    }
  }
}

TEST(Render, ShowsLinesBesideASecret) {
  const std::string text = "spec:\n  connection:\n    env: A\n  table: {name: x}\n  tabel: y\n";
  EXPECT_THAT(Render({"p", "", {2, 3}, "wrong"}, text), HasSubstr("\n  connection:\n  ^"));
  EXPECT_THAT(Render({"p", "", {3, 5}, "wrong"}, text), HasSubstr("\n    env: ****\n    ^"));
  EXPECT_THAT(Render({"p", "", {4, 3}, "wrong"}, text), HasSubstr("\n  table: {name: x}\n  ^"));
  EXPECT_THAT(Render({"p", "", {5, 3}, "wrong"}, text), HasSubstr("\n  tabel: y\n  ^"));
}

TEST(Render, HidesValuesOfTheConnectionWhereverItIs) {
  EXPECT_EQ(Render({"p", "spec.connection.env", {1, 1}, "wrong"}, "env: hunter2"),
            "p:1:1: wrong\nenv: ****\n^");
}

}  // namespace
}  // namespace partition_controller
