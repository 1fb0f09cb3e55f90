#include "controller/secrets.h"

#include "controller/connection.h"
#include "controller/kubernetes.h"
#include "controller/resource.h"

namespace partition_controller {

using nlohmann::json;

namespace {

constexpr std::chrono::seconds kPrompt{1};

}  // namespace

std::string ReadSecret(Cluster& cluster, const SecretRef& ref, const std::stop_token& stop) {
  const std::string name = "Secret " + ref.name_space + "/" + ref.name;
  json secret;
  try {
    secret =
        cluster.Call({ClusterRequest::Verb::kGet, SecretsPath(ref.name_space) + "/" + ref.name, ""}, stop);
  } catch (const ClusterError& error) {
    using Kind = ClusterError::Kind;
    if (error.kind() == Kind::kNotFound) throw ConnectionProblem(name + " does not exist");
    if (error.kind() == Kind::kForbidden) {
      throw ConnectionProblem(name +
                              " may not be read by the controller; a Role in that namespace must allow " +
                              "get, list and watch on secrets with resourceNames: [" + ref.name + "]");
    }
    throw ConnectionProblem(name + " cannot be read: " + error.what(), false);
  }
  const json::json_pointer place = json::json_pointer("/data") / ref.key;
  if (!secret.contains(place) || !secret.at(place).is_string()) {
    throw ConnectionProblem(name + " has no key " + ref.key);
  }
  const std::optional<std::string> value = DecodeBase64(secret.at(place).get_ref<const std::string&>());
  if (!value) throw ConnectionProblem(name + ", key " + ref.key + ", is not base64");
  return *value;
}

void SecretWatch::SetSecrets(const std::set<ObjectKey>& wanted) {
  std::erase_if(watches_, [&](const auto& watch) { return !wanted.contains(watch.first); });
  for (const ObjectKey& key : wanted) {
    if (watches_.contains(key)) continue;
    // What the first list tells is what whoever connects reads, unless it was
    // long in coming: then somebody has just been permitted to read it.
    auto told = std::make_shared<bool>(false);
    const Instant prompt = clock_.Now() + kPrompt;
    watches_[key] = std::make_unique<Informer>(
        cluster_, clock_, SecretsPath(key.name_space), "metadata.name=" + key.name,
        [this, key, told, prompt](const std::vector<ObjectChange>&) {
          if (*told || clock_.Now() > prompt) on_change_(key);
          *told = true;
        },
        static_cast<unsigned>(std::hash<std::string>()(key.name_space + "/" + key.name)));
  }
}

}  // namespace partition_controller
