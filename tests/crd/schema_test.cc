// The schema that the API server checks and the decoder that the controller
// reads with must not drift apart.  This walks the schema, and asks the decoder
// about each of its places through what it says of wrong values.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "crd/yaml.h"
#include "tests/crd/decoding.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json ReadCrd() {
  std::ifstream stream(PC_CRD_FILE);
  const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  YamlFile file = ReadYaml(text, "partitionpolicies.yaml");
  for (const Problem& problem : file.problems) ADD_FAILURE() << Render(problem, text);
  return file.documents.at(0).value;
}

const json& Version() {
  static const json version = ReadCrd().at("spec").at("versions").at(0);
  return version;
}

const json& SpecSchema() {
  static const json schema = Version().at("schema").at("openAPIV3Schema").at("properties").at("spec");
  return schema;
}

// A policy that says everything that can be said at once.  `columns` excludes
// `jsonb`, and `timeZone` of a rollup needs days: its lists have two items.
json Everything() {
  return json::parse(R"({
    "apiVersion": "edgewatch.dev/v1alpha1", "kind": "PartitionPolicy",
    "metadata": {"name": "points", "namespace": "edgewatch"},
    "spec": {
      "connection": {"secretRef": {"name": "db", "key": "uri"}, "role": "owner"},
      "table": {"schema": "public", "name": "points"}, "timeColumn": "ts",
      "partitioning": {"state": "Enabled", "granularity": "Month", "timeZone": "UTC", "premake": 3,
        "defaultPartition": "Keep", "conversion": "Never", "uniqueness": "Refuse", "historyDeletes": "Enabled"},
      "retention": {"keep": "90d", "action": "Drop", "undoWindow": "24h", "maxPerRun": 8,
        "afterRollup": "Required"},
      "rollups": [
        {"name": "hourly", "state": "Enabled", "interval": "1h", "table": "hourly", "dimensions": ["device_id"],
         "source": {"jsonb": "metrics", "keys": ["a"]}, "settle": "5m", "lateData": "Refuse", "keep": "2y",
         "granularity": "Quarter"},
        {"name": "daily", "interval": "1d", "timeZone": "UTC", "table": "daily", "dimensions": ["device_id"],
         "source": {"columns": ["x"]}},
        {"name": "yearly", "interval": "8784h", "table": "yearly", "dimensions": ["device_id"],
         "source": {"rollup": "hourly"}}],
      "schedule": {"period": "60s",
        "windows": [{"days": ["Sat"], "start": "02:00", "duration": "2h", "timeZone": "UTC"}]},
      "locks": {"timeout": "2s", "statementTimeout": "10m"}, "mode": "Apply", "suspend": false}})");
}

std::vector<Problem> ProblemsOf(const json& policy) {
  DecodeContext context = Context();
  context.in_cluster = true;
  return DecodeObject(policy, "", {}, context).problems;
}

// What the decoder says of a policy with this value at `place`.
std::vector<Problem> ProblemsWith(const json::json_pointer& place, const json& value) {
  json policy = Everything();
  policy[place] = value;
  return ProblemsOf(policy);
}

// Every place of the schema with its schema, "/spec/retention/keep"; a list's
// items are looked for in each of the sample's.
struct Place {
  json::json_pointer pointer;
  const json* schema;
};

void Walk(const json& schema, const json::json_pointer& pointer, std::vector<Place>* places) {
  places->push_back({pointer, &schema});
  if (schema.contains("properties")) {
    for (const auto& [name, child] : schema.at("properties").items()) Walk(child, pointer / name, places);
  }
  const json policy = Everything();
  if (!schema.contains("items") || !policy.contains(pointer)) return;
  for (std::size_t i = 0; i < policy.at(pointer).size(); ++i) Walk(schema.at("items"), pointer / i, places);
}

std::vector<Place> Places() {
  std::vector<Place> places;
  Walk(SpecSchema(), json::json_pointer("/spec"), &places);
  return places;
}

// "a, b or c" and "a, b, c" as a set.
std::set<std::string> Words(const std::string& text) {
  std::set<std::string> words;
  const std::regex word("[A-Za-z]+");
  for (auto it = std::sregex_iterator(text.begin(), text.end(), word); it != std::sregex_iterator(); ++it) {
    if (it->str() != "or") words.insert(it->str());
  }
  return words;
}

std::string Between(const std::string& text, const std::string& before, const std::string& after) {
  const std::size_t begin = text.find(before);
  if (begin == std::string::npos) return "";
  const std::size_t from = begin + before.size();
  return text.substr(from, after.empty() ? std::string::npos : text.find(after, from) - from);
}

TEST(Schema, TheSampleSaysEverything) {
  const json policy = Everything();
  for (const Problem& problem : ProblemsOf(policy)) ADD_FAILURE() << problem.path << ": " << problem.message;
  std::set<std::string> seen;
  std::set<std::string> all;
  for (const Place& place : Places()) {
    const std::string name = std::regex_replace(place.pointer.to_string(), std::regex("/[0-9]+"), "/0");
    all.insert(name);
    if (policy.contains(place.pointer)) seen.insert(name);
  }
  EXPECT_EQ(seen, all);
}

TEST(Schema, HasTheFieldsThatTheDecoderKnows) {
  const json policy = Everything();
  int objects = 0;
  for (const Place& place : Places()) {
    if (!place.schema->contains("properties") || !policy.contains(place.pointer)) continue;
    ++objects;
    const std::vector<Problem> problems = ProblemsWith(place.pointer / "zzzzzzzz", "x");
    ASSERT_EQ(problems.size(), 1U) << place.pointer;
    std::set<std::string> known = Words(Between(problems[0].message, "known here: ", ""));
    // In a cluster they are refused (Connection.InAClusterComesFromASecret).
    if (place.pointer.to_string() == "/spec/connection") {
      EXPECT_EQ(known.erase("env") + known.erase("file"), 2U);
    }
    std::set<std::string> properties;
    for (const auto& [name, child] : place.schema->at("properties").items()) properties.insert(name);
    EXPECT_EQ(properties, known) << place.pointer;
  }
  EXPECT_EQ(objects, 15);
}

TEST(Schema, RequiresWhatTheDecoderRequires) {
  const json policy = Everything();
  for (const Place& place : Places()) {
    if (!place.schema->contains("properties") || !policy.contains(place.pointer)) continue;
    const json required = place.schema->value("required", json::array());
    for (const auto& [name, child] : place.schema->at("properties").items()) {
      json without = policy;
      if (without[place.pointer].erase(name) == 0) continue;
      // Of three ways to say it the one that the sample takes.
      if (name == "jsonb" || name == "columns" || name == "rollup") continue;
      const bool needed = std::find(required.begin(), required.end(), name) != required.end();
      EXPECT_EQ(!ProblemsOf(without).empty(), needed) << place.pointer << " without " << name;
    }
  }
}

TEST(Schema, HasTheWordsThatTheDecoderKnows) {
  int enums = 0;
  for (const Place& place : Places()) {
    if (!place.schema->contains("enum")) continue;
    if (!Everything().contains(place.pointer)) continue;
    ++enums;
    const std::vector<Problem> problems = ProblemsWith(place.pointer, "zzzzzzzz");
    ASSERT_FALSE(problems.empty()) << place.pointer;
    std::set<std::string> words;
    for (const json& word : place.schema->at("enum")) words.insert(word.get<std::string>());
    EXPECT_EQ(Words(Between(problems[0].message, " must be ", ", not ")), words) << place.pointer;
  }
  EXPECT_EQ(enums, 13);
}

TEST(Schema, HasTheDecodersDefaults) {
  // What the API server does to an object before it stores it.
  const std::function<void(const json&, json*)> complete = [&](const json& schema, json* value) {
    if (schema.contains("properties")) {
      for (const auto& [name, child] : schema.at("properties").items()) {
        if (!value->contains(name) && child.contains("default")) (*value)[name] = child.at("default");
        if (value->contains(name)) complete(child, &(*value)[name]);
      }
    }
    if (!schema.contains("items")) return;
    for (json& item : *value) complete(schema.at("items"), &item);
  };
  json policy = json::parse(R"({
    "apiVersion": "edgewatch.dev/v1alpha1", "kind": "PartitionPolicy", "metadata": {"name": "points"},
    "spec": {"connection": {"secretRef": {"name": "db"}}, "table": {"name": "points"}, "timeColumn": "ts",
      "retention": {"keep": "90d", "action": "Drop"},
      "rollups": [{"name": "hourly", "interval": "1h", "table": "hourly", "dimensions": ["a"],
                   "source": {"jsonb": "m"}}],
      "schedule": {"windows": [{"start": "02:00", "duration": "2h"}]}}})");
  const Decoded before = DecodeObject(policy, "", {}, Context());
  complete(SpecSchema(), &policy["spec"]);
  EXPECT_THAT(policy.dump(), HasSubstr("undoWindow"));
  const Decoded after = DecodeObject(policy, "", {}, Context());
  for (const Problem& problem : after.problems) ADD_FAILURE() << problem.path << ": " << problem.message;
  ASSERT_EQ(before.policies.size(), 1U);
  EXPECT_EQ(before.policies, after.policies);
}

TEST(Schema, HasTheDecodersLimits) {
  for (const Place& place : Places()) {
    if (!Everything().contains(place.pointer)) continue;
    if (place.schema->value("type", "") == "integer") {
      const int min = place.schema->at("minimum").get<int>();
      const int max = place.schema->at("maximum").get<int>();
      for (const int good : {min, max}) EXPECT_THAT(ProblemsWith(place.pointer, good), IsEmpty());
      for (const int bad : {min - 1, max + 1}) EXPECT_FALSE(ProblemsWith(place.pointer, bad).empty());
    }
    if (place.schema->value("type", "") == "boolean") {
      EXPECT_FALSE(ProblemsWith(place.pointer, "true").empty()) << place.pointer;
    }
    // A name: text without a pattern that is not looked up anywhere.
    const int longest = place.schema->value("maxLength", 0);
    // Of a rollup that has a finer one, each dimension is one of that.
    const std::string pointer = place.pointer.to_string();
    if (pointer == "/spec/rollups/0/dimensions/0" || pointer == "/spec/rollups/2/dimensions/0") continue;
    if (longest == 63 || longest == 58) {
      const auto size = static_cast<std::size_t>(longest);
      EXPECT_THAT(ProblemsWith(place.pointer, std::string(size, 'n')), IsEmpty()) << place.pointer;
      EXPECT_FALSE(ProblemsWith(place.pointer, std::string(size + 1, 'n')).empty()) << place.pointer;
      EXPECT_FALSE(ProblemsWith(place.pointer, "").empty()) << place.pointer;
    }
  }
}

TEST(Schema, HasPatternsThatFitTheDecoder) {
  const std::vector<std::string> candidates = {"90d",
                                               "0d",
                                               "1h",
                                               "0h",
                                               "",
                                               "d",
                                               "1",
                                               "1.5h",
                                               "-1d",
                                               "1 d",
                                               "1D",
                                               "99999d",
                                               "100000d",
                                               "5m",
                                               "1500ms",
                                               "0s",
                                               "0ms",
                                               "1mo",
                                               "13mo",
                                               "2y",
                                               "3w",
                                               "02:00",
                                               "24:00",
                                               "2:00",
                                               "23:59",
                                               "23:60",
                                               "weekly",
                                               "Weekly",
                                               "a-",
                                               "a_b",
                                               "uri",
                                               "a.b",
                                               "Bad_Name",
                                               "1d",
                                               "8784h",
                                               "60s",
                                               "50ms",
                                               "2s",
                                               "a..b",
                                               "-a",
                                               "90d\n",
                                               " 90d",
                                               "9a",
                                               std::string(40, 'a'),
                                               std::string(41, 'a')};
  int patterns = 0;
  for (const Place& place : Places()) {
    if (place.schema->value("type", "") != "string" || !place.schema->contains("pattern")) continue;
    if (!Everything().contains(place.pointer)) continue;
    ++patterns;
    const std::regex pattern(place.schema->at("pattern").get<std::string>());
    const auto longest = place.schema->at("maxLength").get<std::size_t>();
    for (const std::string& text : candidates) {
      const bool fits = text.size() <= longest && std::regex_match(text, pattern);
      const std::vector<Problem> problems = ProblemsWith(place.pointer, text);
      if (problems.empty()) {
        EXPECT_TRUE(fits) << place.pointer << ": the decoder takes " << text;
      } else if (fits) {
        // Limits that a pattern cannot express, and rules between two fields.
        EXPECT_THAT(problems[0].message,
                    ::testing::AnyOf(HasSubstr("must be a time from"), HasSubstr("at most 8784h"),
                                     HasSubstr("must not be shorter"), HasSubstr("timeZone is for days"),
                                     HasSubstr("there is no rollup"), HasSubstr("do not add up")))
            << place.pointer << ": " << text;
      }
    }
  }
  EXPECT_EQ(patterns, 18);
}

// kubectl explain is the manual, and CEL rules must be cheap.
TEST(Schema, DescribesEveryFieldAndBoundsEveryValue) {
  const std::function<void(const json&, const std::string&)> check = [&](const json& schema,
                                                                         const std::string& path) {
    const std::string type = schema.value("type", "");
    if (schema.contains("properties")) {
      for (const auto& [name, child] : schema.at("properties").items()) {
        EXPECT_TRUE(child.contains("description")) << path << "/" << name;
        check(child, path + "/" + name);
      }
    }
    if (type == "array") {
      EXPECT_TRUE(schema.contains("maxItems") && schema.contains("x-kubernetes-list-type")) << path;
      check(schema.at("items"), path + "/0");
    }
    if (type == "string" && !schema.contains("enum") && schema.value("format", "") != "date-time") {
      EXPECT_TRUE(schema.contains("maxLength")) << path;
    }
  };
  const json& all = Version().at("schema").at("openAPIV3Schema").at("properties");
  check(all.at("spec"), "/spec");
  check(all.at("status"), "/status");
}

// To a rule a field without a type is not there: the API server refuses the whole
// definition (of `keys`, which is a word or a list, no rule can say anything).
TEST(Schema, HasATypeForEveryFieldThatARuleNames) {
  const std::regex field("\\b(?:self|oldSelf)((?:[.][A-Za-z_]+)+)(\\(?)");
  int fields = 0;
  for (const Place& place : Places()) {
    if (!place.schema->contains("x-kubernetes-validations")) continue;
    for (const json& one : place.schema->at("x-kubernetes-validations")) {
      const std::string rule = one.at("rule").get<std::string>();
      for (auto it = std::sregex_iterator(rule.begin(), rule.end(), field); it != std::sregex_iterator();
           ++it) {
        std::string path = (*it)[1].str();
        // Its last word is a function's name.
        if ((*it)[2].length() > 0) path.erase(path.rfind('.'));
        const json* schema = place.schema;
        for (std::size_t at = 0; at < path.size();) {
          const std::size_t end = std::min(path.find('.', at + 1), path.size());
          schema = &schema->at("properties").at(path.substr(at + 1, end - at - 1));
          EXPECT_TRUE(schema->contains("type")) << rule << ": " << path;
          at = end;
          ++fields;
        }
      }
    }
  }
  EXPECT_GE(fields, 15);
}

TEST(Connection, InAClusterComesFromASecret) {
  for (const char* source : {"env", "file"}) {
    json policy = Everything();
    policy["spec"]["connection"] = {{source, "/DATABASE_URL"}};
    const std::vector<Problem> problems = ProblemsOf(policy);
    ASSERT_FALSE(problems.empty());
    EXPECT_THAT(problems[0].message, HasSubstr("comes from a Secret"));
  }
  DecodeContext context = Context();
  context.in_cluster = true;
  const Decoded decoded = DecodeObject(Everything(), "", {}, context);
  ASSERT_EQ(decoded.policies.size(), 1U);
  // Of two namespaces two Secrets may have one name.
  EXPECT_EQ(decoded.policies[0].connection.secret_ref->name_space, "edgewatch");
}

}  // namespace
}  // namespace partition_controller
