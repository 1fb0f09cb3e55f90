// The policies of the cluster as they were seen last.  Thread-safe.

#ifndef PARTITION_CONTROLLER_CONTROLLER_RESOURCE_STORE_H_
#define PARTITION_CONTROLLER_CONTROLLER_RESOURCE_STORE_H_

#include <map>
#include <memory>
#include <vector>

#include "controller/informer.h"
#include "controller/mutex.h"
#include "controller/resource.h"

namespace partition_controller {

class ResourceStore {
 public:
  using Resources = std::map<PolicyKey, std::shared_ptr<const Resource>>;

  void Update(const std::vector<ObjectChange>& changes) {
    std::vector<std::pair<PolicyKey, std::shared_ptr<const Resource>>> read;
    for (const ObjectChange& change : changes) {
      read.emplace_back(
          PolicyKey{change.key.name_space, change.key.name},
          change.object ? std::make_shared<const Resource>(ReadResource(*change.object)) : nullptr);
    }
    const MutexLock lock(mutex_);
    for (auto& [key, resource] : read) {
      if (resource) {
        resources_[key] = std::move(resource);
      } else {
        resources_.erase(key);
      }
    }
  }

  Resources Get() const {
    const MutexLock lock(mutex_);
    return resources_;
  }

 private:
  mutable Mutex mutex_;
  Resources resources_ PC_GUARDED_BY(mutex_);
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_RESOURCE_STORE_H_
