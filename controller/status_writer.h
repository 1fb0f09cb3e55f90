// Writes the status of policies, and only when there is something new to say:
// an idle controller sends nothing.  Not thread-safe.

#ifndef PARTITION_CONTROLLER_CONTROLLER_STATUS_WRITER_H_
#define PARTITION_CONTROLLER_CONTROLLER_STATUS_WRITER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "controller/clock.h"
#include "controller/cluster.h"
#include "controller/events.h"
#include "controller/resource_store.h"
#include "controller/snapshot.h"

namespace partition_controller {

class StatusWriter {
 public:
  // `on_event` is told when a policy becomes ready, and when it waits for a
  // person.
  StatusWriter(Cluster& cluster, const Clock& clock, std::function<void(EventNote)> on_event = nullptr)
      : cluster_(cluster), clock_(clock), on_event_(std::move(on_event)) {}

  // Writes what has changed.  A status that cannot be written is tried again
  // later; it stops no other.
  void Write(const ResourceStore::Resources& resources, const Snapshot& snapshot,
             const std::stop_token& stop);

 private:
  struct Known {
    // What the last decision was made from: nothing new in them, nothing to do.
    std::shared_ptr<const Resource> resource;
    std::vector<std::shared_ptr<const PolicyState>> states;
    // The last write: over which resource, what was wanted, and what the server
    // made of it; as long as that is not the same, or was not seen yet.
    std::weak_ptr<const Resource> over;
    nlohmann::json wanted;
    nlohmann::json answer;
    // Of a write that failed, or whose answer was lost: what is told if it is there
    // all the same.
    std::optional<EventNote> owed;
    nlohmann::json owed_for;
    int failures = 0;
    Instant not_before{};
  };

  // `state`: what there is to say, or null.
  void WriteOne(const std::shared_ptr<const Resource>& resource, const PolicyState* state, Known* known,
                const std::stop_token& stop);
  // Returns the server's answer.  If its CRD does not know all of `status`, less
  // of it is written, and `status` is then that.
  nlohmann::json Apply(const Resource& resource, nlohmann::json* status, const std::stop_token& stop);

  Cluster& cluster_;
  const Clock& clock_;
  const std::function<void(EventNote)> on_event_;
  std::map<PolicyKey, Known> known_;
  bool told_of_older_crd_ = false;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_STATUS_WRITER_H_
