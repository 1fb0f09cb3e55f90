// A plan as JSON.

#include <nlohmann/json.hpp>
#include <utility>

#include "reconcilers/explain.h"
#include "reconcilers/explaining.h"

namespace partition_controller {
namespace {

using nlohmann::ordered_json;

ordered_json OrNull(const std::optional<Instant>& instant) {
  return instant ? ordered_json(ToString(*instant)) : ordered_json();
}

ordered_json ActionJson(const Action& action, const std::string& reason, const Table& table) {
  return {{"kind", Kind(action)},
          {"description", Utf8(Describe(action, table))},
          {"reason", Utf8(reason)},
          {"destructive", Destructive(action)}};
}

ordered_json OutlookJson(const Outlook& outlook) {
  const bool known = outlook.horizon != Instant{};
  return {{"coveredUntil", OrNull(outlook.covered_until)},
          {"coveredForEver", outlook.covered_for_ever},
          {"uncoveredSince", OrNull(outlook.uncovered_since)},
          {"horizon", known ? ordered_json(ToString(outlook.horizon)) : ordered_json()},
          {"cutoff", OrNull(outlook.cutoff)},
          {"overdueSince", OrNull(outlook.overdue_since)}};
}

}  // namespace

ordered_json ExplainJson(const Plan& plan, const Policy& policy, const Catalog& catalog) {
  const Table table = TableOf(policy, catalog);
  ordered_json json;
  json["policy"] = {{"namespace", policy.name_space}, {"name", policy.name}};
  json["table"] = {{"schema", Utf8(table.schema)}, {"name", Utf8(table.name)}};
  json["database"] = Utf8(catalog.server.database_name);
  json["serverVersion"] = ServerVersion(catalog.server.version);
  json["now"] = ToString(plan.outlook.now);
  json["steps"] = ordered_json::array();
  const std::vector<std::vector<Lock>> locks = LocksOfSteps(plan, policy, catalog);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    ordered_json step = ActionJson(plan.steps[i].action, plan.steps[i].reason, table);
    step["locks"] = ordered_json::array();
    for (const Lock& lock : locks[i]) {
      step["locks"].push_back(
          {{"mode", lock.mode}, {"relation", Utf8(lock.relation)}, {"note", Utf8(lock.note)}});
    }
    json["steps"].push_back(std::move(step));
  }
  json["waiting"] = ordered_json::array();
  for (const Waiting& waiting : plan.waiting) {
    ordered_json item = ActionJson(waiting.action, waiting.reason, table);
    item["until"] = OrNull(waiting.until);
    json["waiting"].push_back(std::move(item));
  }
  json["refusals"] = ordered_json::array();
  for (const Refusal& refusal : plan.refusals) {
    json["refusals"].push_back({{"code", refusal.code},
                                {"message", Utf8(refusal.message)},
                                {"remedy", Utf8(refusal.remedy)},
                                {"stopsEverything", refusal.stops_everything}});
  }
  json["advice"] = ordered_json::array();
  for (const std::string& advice : plan.advice) json["advice"].push_back(Utf8(advice));
  json["wakeAt"] = OrNull(plan.wake_at);
  json["hash"] = plan.hash;
  json["needsAcknowledgement"] = plan.needs_acknowledgement;
  json["atStake"] = plan.at_stake ? ordered_json{{"partitions", plan.at_stake->partitions},
                                                 {"rows", plan.at_stake->rows},
                                                 {"bytes", plan.at_stake->bytes}}
                                  : ordered_json();
  json["outlook"] = OutlookJson(plan.outlook);
  return json;
}

}  // namespace partition_controller
