#include "controller/resource.h"

#include <algorithm>
#include <map>

#include "controller/json_text.h"
#include "crd/decode.h"
#include "crd/text.h"
#include "reconcilers/zone.h"

namespace partition_controller {
namespace {

using nlohmann::json;

constexpr const char* kGroup = "/apis/edgewatch.dev/v1alpha1";
constexpr const char* kManager = "partition-controller";
// The schema's limits.
constexpr std::size_t kLongestToken = 256;
constexpr std::size_t kLongestHash = 128;
constexpr std::size_t kMostKinds = 64;
constexpr std::size_t kLongestAction = 1024;

// The whole seconds that Kubernetes keeps of a time.
std::string Time(Instant instant) { return ToString(std::chrono::floor<std::chrono::seconds>(instant)); }

std::vector<Condition> Invalid(const std::vector<std::string>& problems) {
  std::string message;
  for (const std::string& problem : problems) message += (message.empty() ? "" : " | ") + problem;
  return ConditionsOf(Failure{"InvalidSpec", message, true});
}

json ConditionsJson(const std::vector<Condition>& conditions, std::int64_t generation, const json& there,
                    Instant now) {
  json list = json::array();
  for (const Condition& condition : conditions) {
    std::string since = Time(now);
    if (there.is_object() && there.contains("conditions") && there.at("conditions").is_array()) {
      for (const json& old : there.at("conditions")) {
        if (TextOf(old, "type") != condition.type || TextOf(old, "status") != condition.status) continue;
        if (const std::string time = TextOf(old, "lastTransitionTime"); !time.empty()) since = time;
      }
    }
    list.push_back({{"type", condition.type},
                    {"status", condition.status},
                    {"observedGeneration", generation},
                    {"lastTransitionTime", since},
                    {"reason", condition.reason},
                    {"message", condition.message}});
  }
  return list;
}

json PlanJson(const PolicyState& state) {
  json pending = json::array();
  int steps = 0;
  for (const auto& [kind, count] : state.due) {
    steps += count;
    if (pending.size() < kMostKinds) pending.push_back({{"action", kind}, {"count", count}});
  }
  const AtStake at_stake = state.at_stake.value_or(AtStake{});
  // Also what is empty: of a list or an object that is left out after it had
  // something in it, an API server of 1.20 may make null, and refuses that.
  json plan = {
      {"steps", steps},
      {"waiting", state.waiting},
      {"needsAcknowledgement", state.needs_acknowledgement},
      {"atStake", {{"partitions", at_stake.partitions}, {"rows", at_stake.rows}, {"bytes", at_stake.bytes}}},
      {"pending", std::move(pending)}};
  if (!state.plan_hash.empty()) plan["hash"] = state.plan_hash;
  return plan;
}

json RollupsJson(const PolicyState& state) {
  json rollups = json::array();
  for (const RollupFigures& rollup : state.rollups) {
    json& one = rollups.emplace_back(json{{"name", rollup.name}, {"state", rollup.state}});
    if (rollup.percent && rollup.state == "Filling") one["percent"] = *rollup.percent;
  }
  for (const std::string& name : state.paused_rollups) {
    rollups.push_back({{"name", name}, {"state", "Paused"}});
  }
  return rollups;
}

// As the schema takes it.
std::string Shortened(const std::string& text) {
  std::string shown = Printable(text);
  if (shown.size() <= kLongestAction) return shown;
  std::size_t end = kLongestAction - 3;
  while ((static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) --end;  // not inside a character
  return shown.substr(0, end) + "...";
}

// What is known from before, where this look has nothing newer: the last thing
// that was done, perhaps by another process, and the rollups.
void KeepHistory(const PolicyState* state, const json& there, json* status) {
  if (state != nullptr && !state->recent.empty()) {
    (*status)["lastAction"] = Shortened(state->recent.front().what);
    (*status)["lastActionTime"] = Time(state->recent.front().at);
  } else {
    for (const char* field : {"lastAction", "lastActionTime"}) {
      if (const std::string before = TextOf(there, field); !before.empty()) (*status)[field] = before;
    }
  }
  // Always there, as PlanJson says.
  json& rollups = (*status)["rollups"] = json::array();
  if (state != nullptr && state->observed) {
    rollups = RollupsJson(*state);
  } else if (there.is_object() && there.contains("rollups") && there.at("rollups").is_array()) {
    rollups = there.at("rollups");
  }
}

// What cannot be changed of a policy.
json TargetJson(const Policy& policy) {
  return {{"schema", policy.table.schema},
          {"table", policy.table.name},
          {"timeColumn", policy.time_column},
          {"timeZone", policy.partitioning.time_zone}};
}

// The same as `status` has it; null if no table was looked at yet.
json TargetOf(const json& status) {
  return status.is_object() && status.contains("target") && status.at("target").is_object()
             ? status.at("target")
             : json();
}

// API servers before 1.25 let everything be changed.
std::vector<std::string> Changed(const Policy& policy, const json& status) {
  static const std::map<std::string, std::string> kPaths = {{"schema", "spec.table.schema"},
                                                            {"table", "spec.table.name"},
                                                            {"timeColumn", "spec.timeColumn"},
                                                            {"timeZone", "spec.partitioning.timeZone"}};
  std::vector<std::string> problems;
  const json is = TargetJson(policy);
  const json was = TargetOf(status);
  for (const auto& [field, path] : kPaths) {
    const std::string before = TextOf(was, field.c_str());
    if (before.empty() || before == is.at(field)) continue;
    problems.push_back(path + ": cannot be changed (it was " + Printable(before) +
                       "); put it back, or delete the policy, which leaves the table as it is, and create "
                       "another");
  }
  return problems;
}

}  // namespace

std::string PoliciesPath(const std::string& name_space) {
  return std::string(kGroup) + (name_space.empty() ? "" : "/namespaces/" + name_space) + "/partitionpolicies";
}

std::string SecretsPath(const std::string& name_space) {
  return "/api/v1/namespaces/" + name_space + "/secrets";
}

std::string MicroTime(Instant wall) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wall);
  const auto rest = std::chrono::duration_cast<std::chrono::microseconds>(wall - seconds).count();
  std::string text = ToString(Instant(seconds));
  text.pop_back();
  std::string digits = std::to_string(rest);
  digits.insert(0, 6 - std::min<std::size_t>(6, digits.size()), '0');
  return text + "." + digits + "Z";
}

Resource ReadResource(const json& object) {
  Resource resource;
  const json& metadata = object.at("metadata");
  resource.key = {TextOf(metadata, "namespace"), TextOf(metadata, "name")};
  resource.version = TextOf(metadata, "resourceVersion");
  resource.origin.uid = TextOf(metadata, "uid");
  if (metadata.contains("generation") && metadata.at("generation").is_number_integer()) {
    resource.origin.generation = metadata.at("generation").get<std::int64_t>();
  }
  const json annotations = metadata.value("annotations", json::object());
  resource.origin.requested_at = TextOf(annotations, kRequestedAt);
  if (resource.origin.requested_at.size() > kLongestToken) resource.origin.requested_at.clear();
  resource.origin.acknowledged = TextOf(annotations, kAcknowledge);
  if (resource.origin.acknowledged.size() > kLongestHash) resource.origin.acknowledged.clear();
  // A value that nobody foresaw takes no rows away.
  resource.origin.hold =
      annotations.contains(kHoldRetention) && annotations.at(kHoldRetention) != json("false");
  const json status = object.value("status", json::object());
  resource.status = status.dump();
  const DecodeContext context{.known_zone = [](std::string_view zone) { return KnownZone(zone); },
                              .in_cluster = true};
  Decoded decoded = DecodeObject(object, "", {}, context);
  for (const Problem& problem : decoded.problems) {
    resource.problems.push_back(Printable(problem.path + ": " + problem.message));
  }
  if (decoded.policies.size() == 1) {
    resource.problems = Changed(decoded.policies.front(), status);
    if (!resource.problems.empty()) return resource;
    resource.policy = std::move(decoded.policies.front());
    resource.policy->origin = resource.origin;
  }
  return resource;
}

std::optional<json> StatusFor(const Resource& resource, const PolicyState* state, const json& there,
                              Instant now) {
  json status = json::object();
  const std::int64_t generation = resource.origin.generation;
  status["observedGeneration"] = generation;
  if (const json target = TargetOf(there); target.is_object()) status["target"] = target;
  if (!resource.policy) {
    // This was the look that somebody asked for: there is no database to look at.
    if (const std::string& asked = resource.origin.requested_at; !asked.empty()) {
      status["lastHandledReconcileAt"] = asked;
    }
    status["conditions"] = ConditionsJson(Invalid(resource.problems), generation, there, now);
    KeepHistory(nullptr, there, &status);
    return status;
  }
  // What is on the board may still be of an older generation, or of an object
  // that had the same name.
  if (state == nullptr || !state->tried || state->origin.uid != resource.origin.uid ||
      state->origin.generation != generation) {
    return std::nullopt;
  }
  if (!state->origin.requested_at.empty()) status["lastHandledReconcileAt"] = state->origin.requested_at;
  status["conditions"] = ConditionsJson(state->conditions, generation, there, now);
  KeepHistory(state, there, &status);
  if (!state->observed) return status;
  if (state->found) status["target"] = TargetJson(*resource.policy);
  if (state->partitioned) {
    status["partitions"]["count"] = state->partitions;
    const Outlook& outlook = state->outlook;
    if (outlook.covered_for_ever) {
      status["partitions"]["coveredUntil"] = "MAXVALUE";
    } else if (outlook.covered_until) {
      status["partitions"]["coveredUntil"] = ToString(*outlook.covered_until);
    }
  }
  if (state->outlook.expired_until) status["retentionCutoff"] = ToString(*state->outlook.expired_until);
  if (!state->next_action.empty()) status["nextAction"] = Shortened(state->next_action);
  if (state->next_action_at) status["nextActionTime"] = Time(*state->next_action_at);
  status["plan"] = PlanJson(*state);
  return status;
}

ClusterRequest ApplyStatus(const Resource& resource, const json& status) {
  const json body = {
      {"apiVersion", "edgewatch.dev/v1alpha1"},
      {"kind", "PartitionPolicy"},
      // With the uid: another object of the same name is not meant.
      {"metadata",
       {{"name", resource.key.name}, {"namespace", resource.key.name_space}, {"uid", resource.origin.uid}}},
      {"status", status}};
  return {ClusterRequest::Verb::kApply,
          PoliciesPath(resource.key.name_space) + "/" + resource.key.name +
              "/status?fieldManager=" + kManager + "&force=true",
          body.dump()};
}

}  // namespace partition_controller
