#include "controller/yaml_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crd/yaml.h"

namespace partition_controller {
namespace {

using nlohmann::json;

TEST(YamlText, IsForPeople) {
  EXPECT_EQ(YamlText({{"name", "points"},
                      {"plan", {{"pending", {{{"action", "drop"}, {"count", 2}}}}, {"steps", 2}}}}),
            "name: points\n"
            "plan:\n"
            "  pending:\n"
            "    -\n"
            "      action: drop\n"
            "      count: 2\n"
            "  steps: 2\n");
}

// A reader gets back what was written, whatever a text looks like.
TEST(YamlText, IsReadAsItWasWritten) {
  const json value = {
      {"", json::array()},
      {"a: b", json::object()},
      {"yes", {"yes", "No", "on", "null", "~", "", "12", "1.5", "0x1", "2026-11-05T12:00:00Z"}},
      {"odd", {"- x", "#x", "x # y", "a: b", "'", "\"", "\\", "\n", "a\nb", "\x1b[2J", "\t", " x "}},
      {"far", {"ü", "\xe2\x80\xa8", "*x", "&x", "!x", "%x", "@x", "`x", "{", "[", ",", "?", "|", ">"}},
      {"lists", {{1, {2, {3}}}, json::array(), {{{"k", nullptr}}}}},
      {"numbers", {0, -1, true, false, nullptr}}};
  const YamlFile read = ReadYaml(YamlText(value), "x");
  ASSERT_EQ(read.documents.size(), 1U) << YamlText(value);
  EXPECT_EQ(read.documents[0].value, value) << YamlText(value);
}

}  // namespace
}  // namespace partition_controller
