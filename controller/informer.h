// What the API server holds of one kind of object, kept up to date: list, watch,
// and list again when the watch cannot go on.
//
// Changes are told in order, and those that were missed are made up for: a list
// tells of objects that are gone.  A list or watch that fails changes nothing.

#ifndef PARTITION_CONTROLLER_CONTROLLER_INFORMER_H_
#define PARTITION_CONTROLLER_CONTROLLER_INFORMER_H_

#include <chrono>
#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "controller/clock.h"
#include "controller/cluster.h"
#include "controller/mutex.h"

namespace partition_controller {

struct ObjectKey {
  std::string name_space;
  std::string name;
  auto operator<=>(const ObjectKey&) const = default;
};

struct ObjectChange {
  ObjectKey key;
  const nlohmann::json* object = nullptr;  // of what was listed or seen; null: it is gone
};

// The decisions, without the network.  Not thread-safe.
class Listing {
 public:
  struct Next {
    bool list = true;     // else watch, from `version` on
    std::string version;  // metadata.resourceVersion
    std::chrono::milliseconds delay{0};
  };
  // `random`, in [0, 1), spreads those that failed together.
  Next NextStep(double random) const;

  // A complete list.  Throws ClusterError if it is none.
  std::vector<ObjectChange> Listed(const nlohmann::json& list);
  // One event of a watch.  Throws ClusterError for an ERROR, and for nonsense.
  std::vector<ObjectChange> Saw(const nlohmann::json& event);
  // The server ended the watch, which had lasted so long.
  void Ended(std::chrono::milliseconds lasted);
  // The list or the watch failed.
  void Failed(const ClusterError& error);

  bool synced() const { return synced_; }     // a list has succeeded
  int failures() const { return failures_; }  // in a row

 private:
  bool synced_ = false;
  std::string version_;  // empty: a list is due
  // Of each object.  The objects themselves are many times as large as what is
  // made of them.
  std::map<ObjectKey, std::string> versions_;
  int failures_ = 0;
  std::chrono::milliseconds retry_after_{0};
  int watches_ = 0;     // since the last list
  bool event_ = false;  // this watch has had one
};

class Informer {
 public:
  using OnChange = std::function<void(const std::vector<ObjectChange>&)>;

  // `path` is the collection's, `selector` a field selector or empty.
  // `on_change` is called on a thread of the informer's own, and with no
  // changes once the first list is there.
  Informer(Cluster& cluster, Clock& clock, std::string path, std::string selector, OnChange on_change,
           unsigned seed);
  // Ends the watch and waits for the thread.
  ~Informer() = default;
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;

  bool synced() const;
  // What keeps it from seeing changes; empty: nothing, or not for long.
  std::string problem() const;

 private:
  void Run(const std::stop_token& stop);
  void List(const std::stop_token& stop);
  void Watch(const std::string& version, const std::stop_token& stop);
  void Note(const std::string& problem);

  Cluster& cluster_;
  Clock& clock_;
  const std::string path_;
  const std::string selector_;
  const OnChange on_change_;
  std::minstd_rand random_;  // only the thread touches these two
  Listing listing_;
  mutable Mutex mutex_;
  bool synced_ PC_GUARDED_BY(mutex_) = false;
  std::string problem_ PC_GUARDED_BY(mutex_);
  std::jthread thread_;  // last: it uses the others
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_INFORMER_H_
