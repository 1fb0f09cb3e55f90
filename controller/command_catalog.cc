// catalog: what the controller sees, as a file.
// simulate: what would become of it.

#include <nlohmann/json.hpp>

#include "controller/saved_catalogs.h"
#include "controller/sizes.h"
#include "reconcilers/rollup_tables.h"
#include "reconcilers/simulate.h"

namespace partition_controller {
namespace {

// `preview` as --now; nothing if the database could not be asked, which is said.
std::optional<SavedCatalog> Save(const Policy& policy, std::optional<Instant> preview, Sessions& sessions,
                                 const Surroundings& around) {
  SavedCatalog saved{policy.name_space, policy.name, policy.table, {}, {}};
  const bool well = WithSession(policy, sessions, around, [&](Session& session) {
    const Now now{preview.value_or(around.clock.Now()), preview.has_value()};
    std::vector<Catalog> catalogs = around.operations.read(session, {&policy}, now);
    if (catalogs.size() != 1) {
      throw DatabaseError(DatabaseError::Kind::kOther, "", "the catalog could not be read");
    }
    saved.catalog = std::move(catalogs.front());
    saved.sizes = ReadSizes(session, policy, saved.catalog);
  });
  return well ? std::optional(std::move(saved)) : std::nullopt;
}

}  // namespace

int SaveCatalog(const Options& options, const Surroundings& around) {
  const std::optional<std::vector<Policy>> policies = LoadOrComplain(options, around);
  if (!policies) return 1;
  Sessions sessions(around);
  std::vector<SavedCatalog> all;
  for (const Policy& policy : WithRollupTables(*policies)) {
    std::optional<SavedCatalog> saved = Save(policy, options.now, sessions, around);
    if (!saved) return 1;  // half of it would look like all of it
    all.push_back(*std::move(saved));
  }
  around.out << WriteSavedCatalogs(all);
  return 0;
}

int ShowSimulation(const Options& options, const Surroundings& around) {
  const std::optional<std::vector<Policy>> policies = LoadOrComplain(options, around);
  if (!policies) return 1;
  std::optional<std::vector<SavedCatalog>> files;
  if (!options.catalog.empty() && !(files = LoadCatalogs(options, around))) return 1;
  Sessions sessions(around);
  const auto go_on = [&around] { return !around.stop.stop_requested(); };
  std::vector<std::pair<Policy, Simulation>> all;
  bool error = false;
  for (const Policy& policy : *policies) {
    std::optional<SavedCatalog> saved;
    if (files) {
      const SavedCatalog* found = FindOrComplain(*files, policy, options, around);
      if (found != nullptr) saved = *found;
    } else {
      saved = Save(policy, options.from, sessions, around);
    }
    error = error || !saved;
    if (!saved) continue;
    const SimulationSpan span{options.from.value_or(saved->catalog.server.time),
                              options.to.value_or(Instant{}), options.every};
    if (const std::string problem = ProblemWith(span); !problem.empty()) {
      around.err << "error: " << problem << "\n";
      return 1;
    }
    try {
      all.emplace_back(policy, Simulate(policy, *saved, span, go_on));
    } catch (const NoSimulation& none) {
      Complain(policy, none.what(), around);
      error = true;
    }
  }
  if (options.output == Options::Output::kSvg) {
    if (!all.empty()) around.out << SimulationSvg(all);
  } else if (options.output == Options::Output::kJson) {
    nlohmann::ordered_json array = nlohmann::ordered_json::array();
    for (const auto& [policy, simulation] : all) array.push_back(SimulationJson(simulation, policy));
    around.out << array.dump(2) << "\n";
  } else {
    const bool colour = UseColour(options.colour, around.out_is_terminal);
    for (std::size_t i = 0; i < all.size(); ++i) {
      around.out << (i > 0 ? "\n" : "") << SimulationText(all[i].second, all[i].first, colour);
    }
  }
  return error ? 1 : 0;
}

}  // namespace partition_controller
