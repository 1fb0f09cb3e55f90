#include "controller/commands.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "controller/manual.h"
#include "controller/one_shot.h"
#include "controller/saved_catalogs.h"
#include "reconcilers/explain.h"
#include "reconcilers/rollup_tables.h"
#include "reconcilers/sql.h"

namespace partition_controller {
namespace {

// What the plans together mean for the exit code.
struct Verdict {
  bool error = false;
  bool steps = false;
  bool refused = false;

  void Add(const Plan& plan) {
    steps = steps || !plan.steps.empty();
    refused = refused || !plan.refusals.empty() || plan.needs_acknowledgement;
  }
  int ExitCode() const { return error ? 1 : steps ? 2 : refused ? 3 : 0; }
};

}  // namespace

int Validate(const Options& options, const Surroundings& around) {
  const std::optional<std::vector<Policy>> policies = LoadOrComplain(options, around);
  if (!policies) return 1;
  for (const Policy& policy : *policies) {
    around.out << "valid: policy " << policy.name_space << "/" << policy.name << " for table "
               << policy.table.schema << "." << policy.table.name << "\n";
  }
  return 0;
}

int ShowPlan(const Options& options, const Surroundings& around) {
  const std::optional<std::vector<Policy>> policies = LoadOrComplain(options, around);
  if (!policies) return 1;
  const bool colour = UseColour(options.colour, around.out_is_terminal);
  const Conduct conduct = ConductFor(options, around);
  Sessions sessions(around);
  Verdict verdict;
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  bool first = true;
  std::optional<std::vector<SavedCatalog>> saved;
  if (!options.catalog.empty() && !(saved = LoadCatalogs(options, around))) return 1;
  for (const Policy& policy : WithRollupTables(*policies)) {
    Situation seen;
    if (saved) {
      const SavedCatalog* found = FindOrComplain(*saved, policy, options, around);
      if (found != nullptr) seen = LookAt(*found, policy, conduct);
      verdict.error = verdict.error || found == nullptr;
      if (found == nullptr) continue;
    } else if (!WithSession(policy, sessions, around,
                            [&](Session& session) { seen = LookAt(session, policy, conduct); })) {
      verdict.error = true;
      continue;
    }
    if (!WorthTelling(policy, seen)) continue;
    verdict.Add(seen.plan);
    if (options.output == Options::Output::kJson) {
      array.push_back(ExplainJson(seen.plan, policy, seen.catalog));
      continue;
    }
    if (!first) around.out << "\n";
    first = false;
    around.out << (options.output == Options::Output::kSql
                       ? RenderScript(seen.plan, policy, seen.catalog)
                       : ExplainText(seen.plan, policy, seen.catalog, colour));
  }
  if (options.output == Options::Output::kJson) around.out << array.dump(2) << "\n";
  return verdict.ExitCode();
}

int MigrateAll(const Options& options, const Surroundings& around) {
  const std::optional<std::vector<Policy>> policies = LoadOrComplain(options, around);
  if (!policies) return 1;
  const Conduct conduct = ConductFor(options, around);
  Sessions sessions(around);
  std::vector<ConnectionSpec> done;
  bool error = false;
  for (const Policy& policy : *policies) {
    if (std::find(done.begin(), done.end(), policy.connection) != done.end()) continue;
    done.push_back(policy.connection);
    const bool well = WithSession(policy, sessions, around, [&](Session& session) {
      const Situation seen = LookAt(session, policy, conduct);
      const int version = seen.catalog.server.bookkeeping_version;
      const std::string database = "database " + seen.catalog.server.database_name + ": bookkeeping schema ";
      for (const Refusal& refusal : seen.plan.refusals) {
        if (refusal.code != "BookkeepingTooNew" && refusal.code != "ReadOnlyReplica" &&
            (refusal.code != "PrivilegeMissing" || seen.catalog.server.bookkeeping_usable)) {
          continue;
        }
        Complain(policy, refusal.message + "\n  remedy: " + refusal.remedy, around);
        error = true;
        return;
      }
      if (version == kBookkeepingVersion) {
        around.out << database << "is up to date (version " << version << ")\n";
        return;
      }
      around.operations.migrate(session, policy);
      around.out << database << (version == 0 ? "created" : "upgraded") << " (version " << kBookkeepingVersion
                 << ")\n";
    });
    error = error || !well;
  }
  return error ? 1 : 0;
}

int RunCommand(const Options& options, const Surroundings& around) {
  switch (options.command) {
    case Command::kValidate:
      return Validate(options, around);
    case Command::kPlan:
      return ShowPlan(options, around);
    case Command::kApply:
      return ApplyOnce(options, around);
    case Command::kRun:
      return options.kubernetes ? RunInCluster(options, around) : RunController(options, around);
    case Command::kMigrate:
      return MigrateAll(options, around);
    case Command::kUnconvert:
      return Unconvert(options, around);
    case Command::kCatalog:
      return SaveCatalog(options, around);
    case Command::kSimulate:
      return ShowSimulation(options, around);
    case Command::kDoctor:
      return RunDoctor(options, around);
    case Command::kCompletion:
      around.out << (options.shell == "zsh" ? ZshCompletion(DescribeCommandLine())
                                            : BashCompletion(DescribeCommandLine()));
      return 0;
    case Command::kMan:
      around.out << ManualPage(DescribeCommandLine());
      return 0;
    case Command::kVersion:
      around.out << "partition-controller " << PC_VERSION << "\n";
      return 0;
  }
  return 1;
}

}  // namespace partition_controller
