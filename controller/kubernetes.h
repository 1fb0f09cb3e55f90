// The Kubernetes API server over HTTPS: the one door to the HTTP library.
//
// Requests run on the caller's thread; the library's few threads only move
// bytes.  Only the cluster's own authority is trusted, TLS is 1.2 or later, and
// redirects are not followed: they would carry the token elsewhere.
// Thread-safe.

#ifndef PARTITION_CONTROLLER_CONTROLLER_KUBERNETES_H_
#define PARTITION_CONTROLLER_CONTROLLER_KUBERNETES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "controller/clock.h"
#include "controller/cluster.h"
#include "controller/credentials.h"
#include "controller/mutex.h"

namespace partition_controller {

class KubernetesCluster final : public Cluster {
 public:
  struct Limits {
    std::chrono::milliseconds silence{10'000};  // within one try of a call
    std::chrono::milliseconds call{30'000};     // for all tries of a call together
    std::chrono::minutes client_age{10};        // then connections are made anew
  };

  // `credentials` and `clock` must outlive it.  `answered` is told of each
  // answer: the verb in capitals and the status, 0 for none.
  KubernetesCluster(Credentials& credentials, Clock& clock, Limits limits,
                    std::function<void(const char* verb, int status)> answered = nullptr);
  KubernetesCluster(Credentials& credentials, Clock& clock)
      : KubernetesCluster(credentials, clock, Limits()) {}
  ~KubernetesCluster() override;

  nlohmann::json Call(const ClusterRequest& request, const std::stop_token& stop) override;
  void Watch(const std::string& path, std::chrono::seconds silence,
             const std::function<void(const nlohmann::json&)>& on_event,
             const std::stop_token& stop) override;

 private:
  class Client;

  std::shared_ptr<Client> ClientForCalls();
  nlohmann::json Try(const ClusterRequest& request, const std::stop_token& stop);
  void Count(const char* verb, int status) const;
  // After a connection that failed, or one that worked.
  void Note(bool broken);

  Credentials& credentials_;
  Clock& clock_;
  const Limits limits_;
  const std::function<void(const char*, int)> answered_;
  Mutex mutex_;
  std::shared_ptr<Client> client_ PC_GUARDED_BY(mutex_);
  Instant made_ PC_GUARDED_BY(mutex_){};
  std::uint64_t made_for_ PC_GUARDED_BY(mutex_) = 0;  // version of the credentials
  int broken_ PC_GUARDED_BY(mutex_) = 0;              // in a row
};

// Nothing unless it is base64.  White space is skipped.
std::optional<std::string> DecodeBase64(const std::string& text);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_KUBERNETES_H_
