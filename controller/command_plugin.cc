#include "controller/command_plugin.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "controller/credentials.h"
#include "controller/json_text.h"
#include "controller/kubernetes.h"
#include "controller/plugin.h"
#include "controller/resource.h"
#include "crd/text.h"
#include "crd/yaml.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using Command = PluginOptions::Command;
using Verb = ClusterRequest::Verb;

json Named(const json& policy) {
  const json metadata = policy.value("metadata", json::object());
  return {{"namespace", TextOf(metadata, "namespace")}, {"name", TextOf(metadata, "name")}};
}

json StatusJson(const json& policy) {
  json shown = Named(policy);
  shown["generation"] = policy.at("metadata").value("generation", 0);
  shown["status"] = policy.value("status", json::object());
  return shown;
}

json PlanJson(const json& policy) {
  json shown = Named(policy);
  shown["plan"] = policy.value("status", json::object()).value("plan", json());
  if (const std::string consent = ConsentTo(policy); !consent.empty()) shown["consent"] = consent;
  return shown;
}

json WhyJson(const json& policy) {
  json shown = Named(policy);
  shown["concerns"] = json::array();
  for (const Concern& concern : ConcernsOf(policy)) {
    shown["concerns"].push_back({{"type", concern.type},
                                 {"status", concern.status},
                                 {"reason", concern.reason},
                                 {"since", concern.since},
                                 {"message", concern.message},
                                 {"next", concern.next},
                                 {"accountsFor", json::array()}});
    for (const Concern::Consequence& other : concern.accounts_for) {
      shown["concerns"].back()["accountsFor"].push_back(
          {{"type", other.type}, {"status", other.status}, {"message", other.message}});
    }
  }
  return shown;
}

bool IsText(PluginOptions::Output output) {
  return output == PluginOptions::Output::kText || output == PluginOptions::Output::kWide;
}

std::string Encoded(const PluginOptions& options, const json& object) {
  return options.output == PluginOptions::Output::kYaml ? WriteYaml(object) : object.dump(2) + "\n";
}

int PlanCode(const json& policy) {
  if (!PlanKnown(policy)) return 1;
  if (!ConsentTo(policy).empty()) return 3;
  const json plan = policy.value("status", json::object()).value("plan", json::object());
  return plan.value("steps", 0) > 0 ? 2 : 0;
}

// In pages: a cluster may have very many.
std::vector<json> ListAll(Cluster& cluster, const std::string& path, const std::string& selector,
                          const std::stop_token& stop) {
  std::vector<json> policies;
  std::string token;
  do {
    const json page = cluster.Call(
        {Verb::kGet,
         path + "?limit=500" + (selector.empty() ? "" : "&labelSelector=" + PercentEncoded(selector)) +
             (token.empty() ? "" : "&continue=" + token),
         ""},
        stop);
    for (const json& item : page.value("items", json::array())) policies.push_back(item);
    token = TextOf(page.value("metadata", json::object()), "continue");
  } while (!token.empty());
  return policies;
}

int ShowAll(const PluginOptions& options, const std::vector<json>& policies, std::ostream& out,
            std::ostream& err) {
  if (!IsText(options.output)) {
    json list = json::array();
    for (const json& policy : policies) list.push_back(StatusJson(policy));
    out << Encoded(options, list);
  } else if (policies.empty()) {
    err << "There are no policies.\n";
  } else {
    out << StatusTable(policies, options.output == PluginOptions::Output::kWide);
  }
  return 0;
}

int Undo(const PluginOptions& options, Cluster& cluster, const std::string& path, const json& policy,
         const std::stop_token& stop, std::ostream& out, std::ostream& err) {
  if (!options.release && !RemovesAnything(policy)) {
    err << "kubectl partition: " << options.name
        << " has no retention, and no rollup with a keep: there is nothing to undo.\n";
    return 1;
  }
  const json value = options.release ? json() : json("true");
  const json patch = {{"metadata", {{"annotations", {{kHoldRetention, value}}}}}};
  const json after =
      cluster.Call({Verb::kMerge, path + "?fieldManager=kubectl-partition", patch.dump()}, stop);
  out << (IsText(options.output) ? UndoText(after, options.release) : Encoded(options, StatusJson(after)));
  return 0;
}

}  // namespace

int RunPlugin(const PluginOptions& options, Cluster& cluster, const std::string& name_space,
              const std::stop_token& stop, std::ostream& out, std::ostream& err) {
  const std::string space = options.all_namespaces       ? ""
                            : options.name_space.empty() ? name_space
                                                         : options.name_space;
  const std::string path = PoliciesPath(space);
  if (options.name.empty()) return ShowAll(options, ListAll(cluster, path, options.selector, stop), out, err);
  const json policy = cluster.Call({Verb::kGet, path + "/" + options.name, ""}, stop);
  const auto show = [&](const json& object, const std::string& text) {
    out << (IsText(options.output) ? text : Encoded(options, object));
  };
  switch (options.command) {
    case Command::kStatus:
      show(StatusJson(policy), StatusText(policy));
      return 0;
    case Command::kPlan:
      show(PlanJson(policy), PlanText(policy));
      if (!PlanKnown(policy)) {
        err << "kubectl partition: no controller has said yet what is to be done about " << options.name
            << " as it is now.\n";
      }
      return PlanCode(policy);
    case Command::kWhy:
      show(WhyJson(policy), WhyText(policy));
      return ConcernsOf(policy).empty() ? 0 : 2;
    case Command::kUndo:
      return Undo(options, cluster, path + "/" + options.name, policy, stop, out, err);
  }
  return 1;
}

int RunPlugin(const PluginOptions& options, Clock& clock, const std::stop_token& stop, std::ostream& out,
              std::ostream& err) {
  try {
    ClusterAccess access = FindClusterAccess(options.kubeconfig, options.context, options.overrides);
    const std::string name_space = access.name_space;
    Credentials credentials(std::move(access), clock);
    KubernetesCluster::Limits limits;
    if (options.request_timeout) {
      limits.call = *options.request_timeout;
      limits.silence = std::min(limits.silence, limits.call);
    }
    KubernetesCluster cluster(credentials, clock, limits);
    return RunPlugin(options, cluster, name_space, stop, out, err);
  } catch (const ClusterError& error) {
    err << "kubectl partition: " << error.what() << "\n";
    return 1;
  }
}

}  // namespace partition_controller
