#include "controller/saved_catalogs.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "crd/text.h"
#include "reconcilers/quote.h"

namespace partition_controller {

std::optional<std::vector<SavedCatalog>> LoadCatalogs(const Options& options, const Surroundings& around) {
  std::ifstream file(options.catalog, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    around.err << Printable(options.catalog) << ": cannot be read: "
               << (errno != 0 ? std::strerror(errno)  // NOLINT(concurrency-mt-unsafe): one thread reads
                              : "it is empty")
               << "\n";
    return std::nullopt;
  }
  try {
    return ReadSavedCatalogs(text.str(), options.catalog);
  } catch (const std::invalid_argument& problem) {
    const std::string message = problem.what();
    around.err << message << (message.ends_with("\n") ? "" : "\n");
  }
  return std::nullopt;
}

const SavedCatalog* FindOrComplain(const std::vector<SavedCatalog>& catalogs, const Policy& policy,
                                   const Options& options, const Surroundings& around) {
  const auto found = std::find_if(catalogs.begin(), catalogs.end(), [&](const SavedCatalog& saved) {
    return saved.policy_namespace == policy.name_space && saved.policy_name == policy.name;
  });
  if (found == catalogs.end()) {
    Complain(policy,
             Printable(options.catalog) + " holds nothing of this policy; save it with `catalog --spec`",
             around);
    return nullptr;
  }
  if (found->asked_for != policy.table) {
    Complain(policy,
             Printable(options.catalog) + " was saved when the policy named table " +
                 QuoteName(found->asked_for.schema, found->asked_for.name) + ", not " +
                 QuoteName(policy.table.schema, policy.table.name),
             around);
    return nullptr;
  }
  return &*found;
}

Situation LookAt(const SavedCatalog& saved, const Policy& policy, const Conduct& conduct) {
  Situation situation;
  situation.now = {conduct.preview.value_or(saved.catalog.server.time), conduct.preview.has_value()};
  situation.catalog = saved.catalog;
  situation.plan = PlanFor(policy, saved.catalog, situation.now, conduct);
  return situation;
}

}  // namespace partition_controller
