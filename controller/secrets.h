// Secrets, by name only: the controller needs no permission to list them.

#ifndef PARTITION_CONTROLLER_CONTROLLER_SECRETS_H_
#define PARTITION_CONTROLLER_CONTROLLER_SECRETS_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>

#include "controller/informer.h"
#include "crd/policy.h"

namespace partition_controller {

// The value of the Secret's key.  Throws ConnectionProblem, which never shows it.
std::string ReadSecret(Cluster& cluster, const SecretRef& ref, const std::stop_token& stop);

// Tells when one of the Secrets changes.  Values are not kept.  Not thread-safe.
class SecretWatch {
 public:
  // `on_change` is called on another thread.
  SecretWatch(Cluster& cluster, Clock& clock, std::function<void(const ObjectKey&)> on_change)
      : cluster_(cluster), clock_(clock), on_change_(std::move(on_change)) {}

  // The ones to watch from now on.
  void SetSecrets(const std::set<ObjectKey>& wanted);

 private:
  Cluster& cluster_;
  Clock& clock_;
  const std::function<void(const ObjectKey&)> on_change_;
  std::map<ObjectKey, std::unique_ptr<Informer>> watches_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_SECRETS_H_
