// The rules of the CRD that a schema cannot express (x-kubernetes-validations),
// by what they decide.  The samples are evaluated twice: in every run by an
// interpreter of the language they are written in, and by the API server itself
// where there is one that knows rules (KUBEBUILDER_ASSETS, 1.29 or later).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "crd/yaml.h"
#include "tests/support/api_server.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

using Edits = std::vector<std::pair<std::string, json>>;

// A spec, made from the smallest one; for an update also the one before.
struct Sample {
  const char* what;
  Edits edits;
  std::vector<std::string> objections;  // the beginnings of messages; none: it is fine
  std::optional<Edits> before;
};

json Rollup(const std::string& name, const std::string& table, const json& source = {{"jsonb", "metrics"}}) {
  return {{"name", name},
          {"interval", "1h"},
          {"table", table},
          {"dimensions", {"device_id"}},
          {"source", source}};
}
json Rollup(const Edits& edits) {
  json rollup = Rollup("hourly", "hourly");
  for (const auto& [pointer, value] : edits) rollup[json::json_pointer(pointer)] = value;
  return json::array({rollup});
}
json Kept(const std::string& action) { return {{"keep", "90d"}, {"action", action}}; }

const std::vector<Sample>& Samples() {
  static const std::vector<Sample> kSamples = {
      {"the smallest", {}, {}, {}},
      {"unchanged", {}, {}, Edits{}},
      {"another table", {{"/table/name", "other"}}, {"table cannot be changed"}, Edits{}},
      {"another schema", {{"/table/schema", "other"}}, {"table cannot be changed"}, Edits{}},
      {"the default schema written out", {{"/table/schema", "public"}}, {}, Edits{}},
      {"another column", {{"/timeColumn", "other"}}, {"timeColumn cannot be changed"}, Edits{}},
      {"another zone",
       {{"/partitioning/timeZone", "Europe/Berlin"}},
       {"partitioning.timeZone cannot be changed"},
       Edits{}},
      {"a zone from the beginning", {{"/partitioning/timeZone", "Europe/Berlin"}}, {}, {}},
      {"another granularity", {{"/partitioning/granularity", "Week"}}, {}, Edits{}},
      {"two changes that cannot be",
       {{"/timeColumn", "other"}, {"/table/name", "other"}},
       {"timeColumn cannot be changed", "table cannot be changed"},
       Edits{}},
      {"detaching", {{"/retention", Kept("Detach")}}, {}, {}},
      {"dropping", {{"/retention", Kept("Drop")}}, {}, {}},
      {"row deletes", {{"/partitioning/state", "Disabled"}, {"/retention", Kept("Drop")}}, {}, {}},
      {"plain and kept for ever", {{"/partitioning/state", "Disabled"}}, {}, {}},
      {"row deletes that detach",
       {{"/partitioning/state", "Disabled"}, {"/retention", Kept("Detach")}},
       {"retention.action cannot be Detach"},
       {}},
      {"a rollup", {{"/rollups", json::array({Rollup("hourly", "hourly")})}}, {}, {}},
      {"two rollups",
       {{"/rollups", json::array({Rollup("hourly", "hourly"), Rollup("daily", "daily")})}},
       {},
       {}},
      {"a rollup in the table itself",
       {{"/rollups", json::array({Rollup("hourly", "hourly"), Rollup("daily", "points")})}},
       {"a rollup needs a table of its own"},
       {}},
      {"two rollups in one table",
       {{"/rollups", json::array({Rollup("hourly", "same"), Rollup("daily", "same")})}},
       {"each rollup needs a table of its own"},
       {}},
      {"two of three rollups in one table",
       {{"/rollups", json::array({Rollup("hourly", "same"), Rollup("daily", "same"), Rollup("two", "two")})}},
       {"each rollup needs a table of its own"},
       {}},
      {"a schema of PostgreSQL's",
       {{"/table/schema", "pg_catalog"}},
       {"schema belongs to PostgreSQL or to the controller"},
       {}},
      {"the information schema",
       {{"/table/schema", "information_schema"}},
       {"schema belongs to PostgreSQL or to the controller"},
       {}},
      {"the controller's schema",
       {{"/table/schema", "partition_controller"}},
       {"schema belongs to PostgreSQL or to the controller"},
       {}},
      {"a schema that looks like it", {{"/table/schema", "my_pg_data"}}, {}, {}},
      {"days in a zone",
       {{"/rollups", Rollup({{"/interval", "1d"}, {"/timeZone", "Europe/Berlin"}})}},
       {},
       {}},
      {"days", {{"/rollups", Rollup({{"/interval", "1d"}})}}, {}, {}},
      {"hours in a zone",
       {{"/rollups", Rollup({{"/timeZone", "Europe/Berlin"}})}},
       {"timeZone is for days"},
       {}},
      {"columns", {{"/rollups", Rollup({{"/source", {{"columns", {"a", "b"}}}}})}}, {}, {}},
      {"a finer rollup",
       {{"/rollups",
         json::array({Rollup("hourly", "hourly"), Rollup("daily", "daily", {{"rollup", "hourly"}})})}},
       {},
       {}},
      {"rows and a finer rollup",
       {{"/rollups", json::array({Rollup("hourly", "hourly"),
                                  Rollup("daily", "daily", {{"rollup", "hourly"}, {"columns", {"a"}}})})}},
       {"source needs one of"},
       {}},
      {"no source", {{"/rollups", Rollup({{"/source", json::object()}})}}, {"source needs one of"}, {}},
      {"two sources",
       {{"/rollups", Rollup({{"/source", {{"jsonb", "metrics"}, {"columns", {"a"}}}}})}},
       {"source needs one of"},
       {}},
      {"keys", {{"/rollups", Rollup({{"/source", {{"jsonb", "metrics"}, {"keys", {"a"}}}}})}}, {}, {}},
      {"a statement that gives up before its lock",
       {{"/locks", {{"timeout", "2s"}, {"statementTimeout", "1999ms"}}}},
       {"statementTimeout must not be shorter"},
       {}},
      {"the same with longer times",
       {{"/locks", {{"timeout", "30s"}, {"statementTimeout", "10s"}}}},
       {"statementTimeout must not be shorter"},
       {}},
      {"both alike", {{"/locks", {{"timeout", "60s"}, {"statementTimeout", "1m"}}}}, {}, {}},
      {"a number that is smaller and a time that is longer",
       {{"/locks", {{"timeout", "30s"}, {"statementTimeout", "2m"}}}},
       {},
       {}},
  };
  return kSamples;
}

json Spec(const Edits& edits) {
  json spec = {{"connection", {{"secretRef", {{"name", "db"}}}}},
               {"table", {{"name", "points"}}},
               {"timeColumn", "ts"}};
  for (const auto& [pointer, value] : edits) spec[json::json_pointer(pointer)] = value;
  return spec;
}

const json& Schema() {
  static const json kSchema = [] {
    std::ifstream stream(PC_CRD_FILE);
    const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    const YamlFile file = ReadYaml(text, PC_CRD_FILE);
    return file.documents.at(0).value.at(
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec"_json_pointer);
  }();
  return kSchema;
}

// As the API server does before it looks at rules.
json WithDefaults(const json& schema, json value) {
  if (value.is_object() && schema.contains("properties")) {
    for (const auto& [name, property] : schema.at("properties").items()) {
      if (!value.contains(name) && property.contains("default")) value[name] = property.at("default");
      if (value.contains(name)) value[name] = WithDefaults(property, value.at(name));
    }
  }
  if (value.is_array() && schema.contains("items")) {
    for (json& item : value) item = WithDefaults(schema.at("items"), item);
  }
  return value;
}

// A rule at one place of one sample.
struct Case {
  std::string rule;
  std::string message;
  json self;
  json old_self;  // null: there is none
};

void Walk(const json& schema, const json& value, const json& before, std::vector<Case>* cases) {
  for (const json& rule : schema.value("x-kubernetes-validations", json::array())) {
    const std::string text = rule.at("rule").get<std::string>();
    // A rule about a change is not asked where nothing was before.
    if (text.find("oldSelf") != std::string::npos && before.is_null()) continue;
    cases->push_back({text, rule.at("message").get<std::string>(), value, before});
  }
  if (value.is_object() && schema.contains("properties")) {
    for (const auto& [name, property] : schema.at("properties").items()) {
      const json old = before.is_object() && before.contains(name) ? before.at(name) : json();
      if (value.contains(name)) Walk(property, value.at(name), old, cases);
    }
  }
  // No rule below a list is about a change.
  if (value.is_array() && schema.contains("items")) {
    for (const json& item : value) Walk(schema.at("items"), item, nullptr, cases);
  }
}

std::vector<Case> CasesOf(const Sample& sample) {
  std::vector<Case> cases;
  const json before = sample.before ? WithDefaults(Schema(), Spec(*sample.before)) : json();
  Walk(Schema(), WithDefaults(Schema(), Spec(sample.edits)), before, &cases);
  return cases;
}

std::string Interpreter() {
  const auto env = [](const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here sets any
    return std::string(value == nullptr ? "" : value);
  };
  const std::string cache = env("XDG_CACHE_HOME").empty() ? env("HOME") + "/.cache" : env("XDG_CACHE_HOME");
  for (const std::string& folder : {cache, std::string("/var/cache")}) {
    std::string path = folder + "/partition-controller/cel-js";
    if (std::ifstream(path + "/lib/index.js")) return path;
  }
  throw std::runtime_error("cel-js is not on this machine; scripts/setup installs it");
}

// What each evaluates to: true, false, or what went wrong.
std::vector<json> Evaluate(const std::vector<Case>& cases) {
  json list = json::array();
  for (const Case& one : cases) {
    json entry = {{"rule", one.rule}, {"self", one.self}};
    if (!one.old_self.is_null()) entry["oldSelf"] = one.old_self;
    list.push_back(std::move(entry));
  }
  const ScratchFolder folder;
  const Finished done = RunProgram(
      {"/usr/bin/env", "node", PC_RULES_SCRIPT, Interpreter(), folder.Write("cases.json", list.dump())});
  if (done.code != 0) throw std::runtime_error("node: " + done.err);
  return json::parse(done.out).get<std::vector<json>>();
}

TEST(Rules, DecideAsTheyShould) {
  std::vector<Case> all;
  std::vector<std::size_t> ends;
  for (const Sample& sample : Samples()) {
    for (Case& one : CasesOf(sample)) all.push_back(std::move(one));
    ends.push_back(all.size());
  }
  const std::vector<json> answers = Evaluate(all);
  ASSERT_EQ(answers.size(), all.size());
  std::size_t i = 0;
  for (std::size_t s = 0; s < Samples().size(); ++s) {
    const Sample& sample = Samples()[s];
    std::vector<std::string> objections;
    for (; i < ends[s]; ++i) {
      EXPECT_TRUE(answers[i].is_boolean()) << sample.what << ": " << all[i].rule << ": " << answers[i];
      if (answers[i] == false) objections.push_back(all[i].message);
    }
    ASSERT_EQ(objections.size(), sample.objections.size())
        << sample.what << ": " << testing::PrintToString(objections);
    for (const std::string& expected : sample.objections) {
      EXPECT_THAT(objections, testing::Contains(testing::StartsWith(expected))) << sample.what;
    }
  }
}

// Every rule that differs a little: one word replaced by its opposite.
std::set<std::string> MutantsOf(const std::string& rule) {
  static const std::pair<const char*, const char*> kReplacements[] = {
      {"==", "!="},
      {"!=", "=="},
      {">=", "<"},
      {">=", ">"},
      {"||", "&&"},
      {"&&", "||"},
      {"!has", "has"},
      {"!(", "("},
      {"!self", "self"},
      {".all(", ".exists("},
      {"'Detach'", "'Drop'"},
      {"'Disabled'", "'Enabled'"},
      {"'1d'", "'1h'"},
      {"'pg_'", "'p'"},
      {"'pg_'", "''"},
      {"startsWith", "contains"},
      {"exists_one", "exists"},
      {"'information_schema'", "'x'"},
      {"'partition_controller'", "'x'"},
      {"self.table.name", "self.timeColumn"},
      {"self.table ==", "self.table.name =="},
      {"duration(self.timeout)", "duration('2s')"},
      {"duration(self.statementTimeout)", "duration('2s')"},
      {"self.jsonb", "self.columns"},
      {"self.timeZone", "self.interval"}};
  std::set<std::string> mutants = {"true", "false", "!(" + rule + ")"};
  for (const auto& [from, to] : kReplacements) {
    for (std::size_t at = rule.find(from); at != std::string::npos; at = rule.find(from, at + 1)) {
      std::string mutant = rule;
      mutant.replace(at, std::string(from).size(), to);
      mutants.insert(std::move(mutant));
    }
  }
  return mutants;
}

// The samples would notice if a rule were another one.
TEST(Rules, AreToldFromOthersByTheSamples) {
  std::map<std::string, std::vector<Case>> by_rule;
  for (const Sample& sample : Samples()) {
    for (const Case& one : CasesOf(sample)) by_rule[one.rule].push_back(one);
  }
  std::vector<Case> all;
  for (const auto& [rule, cases] : by_rule) {
    all.insert(all.end(), cases.begin(), cases.end());
    for (const std::string& mutant : MutantsOf(rule)) {
      for (Case one : cases) {
        one.rule = mutant;
        all.push_back(std::move(one));
      }
    }
  }
  const std::vector<json> answers = Evaluate(all);
  ASSERT_EQ(answers.size(), all.size());
  std::size_t i = 0;
  int mutants = 0;
  for (const auto& [rule, cases] : by_rule) {
    const std::vector<json> right(answers.begin() + static_cast<std::ptrdiff_t>(i),
                                  answers.begin() + static_cast<std::ptrdiff_t>(i + cases.size()));
    i += cases.size();
    for (const std::string& mutant : MutantsOf(rule)) {
      ++mutants;
      bool told = false;
      for (const json& answer : right) told = answers[i++] != answer || told;
      EXPECT_TRUE(told) << "no sample tells\n  " << rule << "\nfrom\n  " << mutant;
    }
  }
  RecordProperty("mutants", mutants);
  EXPECT_GE(mutants, 60);
}

// A rule that no sample reaches would pass both tests above.
TEST(Rules, AreAllSampled) {
  std::set<std::string> sampled;
  for (const Sample& sample : Samples()) {
    for (const Case& one : CasesOf(sample)) sampled.insert(one.rule);
  }
  std::set<std::string> written;
  const std::function<void(const json&)> collect = [&](const json& node) {
    if (node.is_object() && node.contains("x-kubernetes-validations")) {
      for (const json& rule : node.at("x-kubernetes-validations")) {
        written.insert(rule.at("rule").get<std::string>());
      }
    }
    for (const json& child : node) {
      if (child.is_structured()) collect(child);
    }
  };
  collect(Schema());
  EXPECT_EQ(sampled, written);
  EXPECT_FALSE(written.empty());
}

TEST(RulesOnAServer, DecideTheSame) {
  ApiServer& server = ApiServer::Shared();
  if (server.minor_version() < 29) {
    GTEST_SKIP() << "this API server knows no validation rules; set KUBEBUILDER_ASSETS to 1.29 or later";
  }
  server.MustKubectl({"apply", "-f", PC_CRD_FILE});
  server.MustKubectl({"wait", "--for=condition=Established", "crd/partitionpolicies.edgewatch.dev"});
  const std::string space = server.CreateNamespace();
  int number = 0;
  for (const Sample& sample : Samples()) {
    json policy = {{"apiVersion", "edgewatch.dev/v1alpha1"},
                   {"kind", "PartitionPolicy"},
                   {"metadata", {{"name", "p" + std::to_string(++number)}, {"namespace", space}}},
                   {"spec", Spec(sample.before.value_or(Edits{}))}};
    if (sample.before) server.MustKubectl({"apply", "-f", "-"}, policy.dump());
    policy["spec"] = Spec(sample.edits);
    const Finished done = server.Kubectl({"apply", "--dry-run=server", "-f", "-"}, policy.dump());
    EXPECT_EQ(done.code == 0, sample.objections.empty()) << sample.what << ": " << done.err;
    for (const std::string& expected : sample.objections) {
      EXPECT_THAT(done.err, HasSubstr(expected)) << sample.what;
    }
  }
}

}  // namespace
}  // namespace partition_controller
