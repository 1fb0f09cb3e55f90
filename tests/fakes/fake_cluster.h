// A cluster that answers as it is told, and remembers what it was asked.
// Thread-safe.

#ifndef PARTITION_CONTROLLER_TESTS_FAKES_FAKE_CLUSTER_H_
#define PARTITION_CONTROLLER_TESTS_FAKES_FAKE_CLUSTER_H_

#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "controller/cluster.h"

namespace partition_controller {

class FakeCluster : public Cluster {
 public:
  nlohmann::json Call(const ClusterRequest& request, const std::stop_token&) override {
    const std::lock_guard lock(mutex_);
    calls.push_back(request);
    return answer(request);
  }
  void Watch(const std::string&, std::chrono::seconds, const std::function<void(const nlohmann::json&)>&,
             const std::stop_token&) override {}

  // Usually an apply stores what it is given.
  std::function<nlohmann::json(const ClusterRequest&)> answer = [](const ClusterRequest& request) {
    return nlohmann::json::parse(request.body);
  };
  std::vector<ClusterRequest> calls;

 private:
  std::mutex mutex_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_FAKES_FAKE_CLUSTER_H_
