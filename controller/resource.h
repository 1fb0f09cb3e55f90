// A PartitionPolicy as the API server keeps it, and the status that goes back.
// Pure.

#ifndef PARTITION_CONTROLLER_CONTROLLER_RESOURCE_H_
#define PARTITION_CONTROLLER_CONTROLLER_RESOURCE_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controller/cluster.h"
#include "controller/snapshot.h"

namespace partition_controller {

// The annotations by which people speak to the controller.
inline constexpr const char* kRequestedAt = "edgewatch.dev/reconcile-requested-at";
inline constexpr const char* kAcknowledge = "edgewatch.dev/acknowledge";
inline constexpr const char* kHoldRetention = "edgewatch.dev/hold-retention";

// Of all namespaces if `name_space` is empty.
std::string PoliciesPath(const std::string& name_space);
std::string SecretsPath(const std::string& name_space);

// A time as Kubernetes writes it where fractions count: always six digits.
std::string MicroTime(Instant instant);

struct Resource {
  PolicyKey key;
  Origin origin;
  std::string version;           // metadata.resourceVersion
  std::optional<Policy> policy;  // nothing: it has problems
  std::vector<std::string> problems;
  std::string status;  // as it stands there: JSON, which as text takes a fifth of the memory
};

// `object` came from an informer: it has a name and a namespace.
Resource ReadResource(const nlohmann::json& object);

// The whole status that the resource should have.  `state` is what the board
// has, or null.  Nothing: there is nothing to say of this generation yet.
// Conditions whose status is what it is in `there` keep their transition time.
std::optional<nlohmann::json> StatusFor(const Resource& resource, const PolicyState* state,
                                        const nlohmann::json& there, Instant now);

// Server-side apply: what is not in `status` and was ours before is removed.
ClusterRequest ApplyStatus(const Resource& resource, const nlohmann::json& status);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_RESOURCE_H_
