#include "crd/decode.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "crd/reader.h"
#include "crd/spec.h"
#include "crd/spelling.h"
#include "crd/text.h"
#include "crd/yaml.h"

namespace partition_controller {
namespace {

using nlohmann::json;

constexpr std::string_view kApiVersion = "edgewatch.dev/v1alpha1";
constexpr std::string_view kKind = "PartitionPolicy";
constexpr std::size_t kMaxProblems = 100;

// Reports an apiVersion or kind that is not the expected one.
void CheckWord(Reader* reader, const Node& node, std::string_view expected) {
  const auto text = reader->Text(node);
  if (text && *text != expected) {
    reader->Report(node, node.Name() + " must be " + std::string(expected) + ", not " + Quoted(*text));
  }
}

// Something else altogether, such as a Secret in the same file: its keys would
// only make noise.
bool IsOtherKind(const json& object) {
  const auto kind = object.find("kind");
  return kind != object.end() && kind->is_string() &&
         !Nearest(kind->get_ref<const std::string&>(), {kKind}).has_value();
}

void DecodeMetadata(Reader* reader, const Node& node, Policy* policy) {
  Fields fields(reader, node);
  fields.TolerateOthers();  // Kubernetes adds keys of its own with every release
  const Node name = fields.Require("name", "what the policy is called");
  if (const auto text = reader->Text(name)) {
    if (IsDnsSubdomain(*text)) {
      policy->name = *text;
    } else {
      reader->Report(
          name,
          "name must be lower-case letters, digits, - and ., beginning and ending with a letter or "
          "digit, at most 253; not " +
              Quoted(*text));
    }
  }
  const Node name_space = fields.Get("namespace");
  if (const auto text = reader->Text(name_space)) {
    if (IsDnsLabel(*text)) {
      policy->name_space = *text;
    } else {
      reader->Report(name_space,
                     "namespace must be lower-case letters, digits and -, beginning and ending with a "
                     "letter or digit, at most 63; not " +
                         Quoted(*text));
    }
  }
}

// A policy with as much as could be read; complete if nothing was reported.
Policy DecodePolicy(Reader* reader, const json& object, const DecodeContext& context) {
  Policy policy;
  const Node root{&object, "", ""};
  if (object.is_object() && IsOtherKind(object)) {
    CheckWord(reader, {&object["kind"], "/kind", "kind"}, kKind);
    return policy;
  }
  Fields fields(reader, root);
  CheckWord(reader, fields.Require("apiVersion", "write edgewatch.dev/v1alpha1"), kApiVersion);
  CheckWord(reader, fields.Require("kind", "write PartitionPolicy"), kKind);
  DecodeMetadata(reader, fields.Require("metadata", "it holds the policy's name"), &policy);
  DecodeSpec(reader, fields.Require("spec", "what the policy asks for"), context, &policy);
  fields.Get("status");
  return policy;
}

// Problems in the order of the text.  The first hundred say enough; hostile
// input can have a million.
std::vector<Problem> Finish(const std::string& file, std::vector<Problem> problems) {
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.position.line, a.position.column) < std::tie(b.position.line, b.position.column);
  });
  if (problems.size() > kMaxProblems) {
    const std::size_t more = problems.size() - kMaxProblems;
    problems.resize(kMaxProblems);
    problems.push_back({file, "", {}, "and " + std::to_string(more) + " more problems"});
  }
  return problems;
}

}  // namespace

Decoded DecodeObject(const json& object, const std::string& file,
                     const std::function<Position(const std::string&)>& position_of,
                     const DecodeContext& context) {
  Decoded out;
  Reader reader(file, position_of);
  Policy policy = DecodePolicy(&reader, object, context);
  out.problems = Finish(file, reader.TakeProblems());
  if (out.problems.empty()) out.policies.push_back(std::move(policy));
  return out;
}

Decoded DecodeYaml(std::string_view text, const std::string& file, const DecodeContext& context) {
  Decoded out;
  YamlFile yaml = ReadYaml(text, file);
  std::map<std::pair<std::string, std::string>, Position> seen;  // namespace and name
  std::vector<Problem> problems = std::move(yaml.problems);
  for (const YamlDocument& document : yaml.documents) {
    const std::function<Position(const std::string&)> position_of = [&](const std::string& pointer) {
      return document.positions.Find(pointer);
    };
    Reader reader(file, position_of);
    Policy policy = DecodePolicy(&reader, document.value, context);
    const Node name{nullptr, "/metadata/name", "metadata.name"};
    const auto [first, added] =
        seen.try_emplace(std::pair(policy.name_space, policy.name), position_of(name.pointer));
    if (!added && !policy.name.empty()) {
      reader.Report(name, "the file has a policy " + Quoted(policy.name_space + "/" + policy.name) +
                              " already, in line " + std::to_string(first->second.line));
    }
    std::vector<Problem> found = reader.TakeProblems();
    if (found.empty()) out.policies.push_back(std::move(policy));
    problems.insert(problems.end(), found.begin(), found.end());
  }
  if (yaml.documents.empty() && problems.empty()) {
    problems.push_back({file, "", {}, "the file holds no policy"});
  }
  out.problems = Finish(file, std::move(problems));
  return out;
}

}  // namespace partition_controller
