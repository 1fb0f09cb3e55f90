// doctor: what is wrong, and what mends it.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "controller/doctor_reader.h"
#include "controller/one_shot.h"
#include "reconcilers/rollup_tables.h"

namespace partition_controller {
namespace {

// One database and the policies for it; none: all of it is looked at.
struct Ward {
  ConnectionSpec connection;
  std::vector<Policy> policies;
};

std::vector<Ward> WardsOf(const std::vector<Policy>& policies) {
  std::vector<Ward> wards;
  for (const Policy& policy : policies) {
    auto ward = std::find_if(wards.begin(), wards.end(),
                             [&](const Ward& one) { return one.connection == policy.connection; });
    if (ward == wards.end()) ward = wards.insert(wards.end(), Ward{policy.connection, {}});
    ward->policies.push_back(policy);
  }
  return wards;
}

}  // namespace

int RunDoctor(const Options& options, const Surroundings& around) {
  std::vector<Ward> wards;
  if (!options.connection_env.empty()) {
    Ward whole;
    whole.connection.env = options.connection_env;
    wards.push_back(std::move(whole));
  } else {
    const std::optional<std::vector<Policy>> policies = LoadOrComplain(options, around);
    if (!policies) return 1;
    wards = WardsOf(WithRollupTables(*policies));
  }
  const Conduct conduct = ConductFor(options, around);
  Sessions sessions(around);
  std::vector<Finding> findings;
  std::vector<std::string> proposals;
  bool error = false;
  for (const Ward& ward : wards) {
    Policy any;
    any.name = ward.connection.env;
    if (!ward.policies.empty()) any = ward.policies.front();
    any.connection = ward.connection;
    const bool well = WithSession(any, sessions, around, [&](Session& session) {
      std::vector<ExaminedPolicy> policies;
      for (const Policy& policy : ward.policies) {
        Situation seen = LookAt(session, policy, conduct);
        policies.push_back({policy, std::move(seen.catalog), std::move(seen.plan)});
      }
      const Examined examined = ReadExamined(session, any, ward.policies);
      const std::vector<Finding> found = Examine(examined, policies);
      findings.insert(findings.end(), found.begin(), found.end());
      if (!ward.policies.empty()) return;
      for (const ExaminedTable* table : WithoutPolicy(examined, policies)) {
        proposals.push_back(ProposePolicy(*table, examined, ward.connection.env));
      }
    });
    error = error || !well;
  }
  if (options.output == Options::Output::kJson) {
    nlohmann::ordered_json json;
    json["findings"] = FindingsJson(findings);
    json["proposals"] = proposals;
    around.out << json.dump(2) << "\n";
  } else {
    const bool yaml = options.output == Options::Output::kYaml;
    if (!yaml && !(error && findings.empty())) {
      around.out << FindingsText(findings, UseColour(options.colour, around.out_is_terminal));
    }
    for (std::size_t i = 0; i < proposals.size(); ++i) {
      if (!yaml && i == 0) around.out << "\nProposed policies (doctor -o yaml prints only these):\n";
      around.out << (yaml && i == 0 ? "" : "---\n") << proposals[i];
    }
  }
  return error ? 1 : findings.empty() ? 0 : 2;
}

}  // namespace partition_controller
