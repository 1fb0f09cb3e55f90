#include "controller/informer.h"

#include <algorithm>
#include <utility>

#include "controller/log.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using Kind = ClusterError::Kind;

constexpr milliseconds kFirstDelay{800};
constexpr milliseconds kLongestDelay{30'000};
// A watch that ends at once, again and again, would keep both sides busy.
constexpr milliseconds kShortWatch{1'000};
// With two to three minutes each, once in about half an hour: against faults of
// the server's cache, and of ours.
constexpr int kMostWatches = 12;
// Failures that are worth a line in the log.
constexpr int kNotable = 3;
constexpr int kPage = 500;
constexpr std::chrono::seconds kShortestWatch{120};
constexpr std::chrono::seconds kLongestWatch{180};
// What the server may be late with the end of a watch.
constexpr std::chrono::seconds kGrace{30};

[[noreturn]] void Nonsense() {
  throw ClusterError(Kind::kOther, "the API server's answer is not what was asked for");
}

std::string Text(const json& object, const char* key) {
  if (!object.is_object()) Nonsense();
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return "";
  return found->get<std::string>();
}

const json& Metadata(const json& object) {
  if (!object.is_object() || !object.contains("metadata") || !object.at("metadata").is_object()) Nonsense();
  return object.at("metadata");
}

ObjectKey KeyOf(const json& object) {
  const json& metadata = Metadata(object);
  ObjectKey key{Text(metadata, "namespace"), Text(metadata, "name")};
  if (key.name.empty()) Nonsense();
  return key;
}

std::string VersionOf(const json& object) { return Text(Metadata(object), "resourceVersion"); }

}  // namespace

Listing::Next Listing::NextStep(double random) const {
  Next next{version_.empty() || watches_ >= kMostWatches, version_, retry_after_};
  // The first failure is most likely a connection that ended.
  if (failures_ > 1) {
    const milliseconds full = std::min(kFirstDelay * (1 << std::min(failures_ - 2, 10)), kLongestDelay);
    const milliseconds delay(
        static_cast<std::int64_t>(static_cast<double>(full.count()) * (0.5 + random / 2)));
    next.delay = std::max(next.delay, delay);
  }
  return next;
}

std::vector<ObjectChange> Listing::Listed(const json& list) {
  const std::string version = VersionOf(list);
  if (version.empty() || !list.contains("items") || !list.at("items").is_array()) Nonsense();
  std::vector<ObjectChange> changes;
  std::map<ObjectKey, std::string> versions;
  for (const json& item : list.at("items")) {
    const ObjectKey key = KeyOf(item);
    versions[key] = VersionOf(item);
    const auto known = versions_.find(key);
    if (known == versions_.end() || known->second != versions[key]) changes.push_back({key, &item});
  }
  for (const auto& [key, known] : versions_) {
    if (!versions.contains(key)) changes.push_back({key, nullptr});
  }
  versions_ = std::move(versions);
  version_ = version;
  synced_ = true;
  watches_ = 0;
  event_ = false;
  retry_after_ = milliseconds(0);
  // Failures are forgotten once a watch works: a list that succeeds and a watch
  // that fails, in turns, must slow down as well.
  return changes;
}

std::vector<ObjectChange> Listing::Saw(const json& event) {
  const std::string type = Text(event, "type");
  if (!event.contains("object")) Nonsense();
  const json& object = event.at("object");
  if (type == "ERROR") throw ErrorOf(object);
  const std::string version = VersionOf(object);
  if (version.empty()) Nonsense();
  std::vector<ObjectChange> changes;
  if (type == "ADDED" || type == "MODIFIED") {
    const ObjectKey key = KeyOf(object);
    if (std::exchange(versions_[key], version) != version) changes.push_back({key, &object});
  } else if (type == "DELETED") {
    const ObjectKey key = KeyOf(object);
    if (versions_.erase(key) > 0) changes.push_back({key, nullptr});
  } else if (type != "BOOKMARK") {
    Nonsense();
  }
  version_ = version;
  event_ = true;
  failures_ = 0;
  return changes;
}

void Listing::Ended(milliseconds lasted) {
  ++watches_;
  if (lasted >= kShortWatch || event_) {
    failures_ = 0;
  } else {
    ++failures_;
  }
  event_ = false;
}

void Listing::Failed(const ClusterError& error) {
  ++failures_;
  event_ = false;
  retry_after_ = error.retry_after().value_or(milliseconds(0));
  switch (error.kind()) {
    case Kind::kUnreachable:
    case Kind::kTimedOut:
    case Kind::kCancelled:
    case Kind::kCredentials:
    case Kind::kUnauthorized:
    case Kind::kThrottled:
    case Kind::kServer:
      return;  // what came after `version_` can still be had
    case Kind::kForbidden:
    case Kind::kNotFound:
    case Kind::kExists:
    case Kind::kConflict:
    case Kind::kGone:
    case Kind::kTooNew:
    case Kind::kInvalid:
    case Kind::kOther:
      version_.clear();
  }
}

Informer::Informer(Cluster& cluster, Clock& clock, std::string path, std::string selector, OnChange on_change,
                   unsigned seed)
    : cluster_(cluster),
      clock_(clock),
      path_(std::move(path)),
      selector_(std::move(selector)),
      on_change_(std::move(on_change)),
      random_(seed),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

bool Informer::synced() const {
  const MutexLock lock(mutex_);
  return synced_;
}

std::string Informer::problem() const {
  const MutexLock lock(mutex_);
  return problem_;
}

void Informer::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const Listing::Next next = listing_.NextStep(std::uniform_real_distribution<double>()(random_));
    if (next.delay.count() > 0) clock_.WaitUntil(clock_.Now() + next.delay, stop);
    if (stop.stop_requested()) return;
    try {
      if (next.list) {
        List(stop);
      } else {
        Watch(next.version, stop);
      }
      if (listing_.failures() == 0) Note("");
    } catch (const ClusterError& error) {
      if (stop.stop_requested()) return;
      listing_.Failed(error);
      if (listing_.failures() >= kNotable) Note(error.what());
    }
  }
}

// In pages, and from the store itself: a cache of the server may be behind what
// was seen already.
void Informer::List(const std::stop_token& stop) {
  json all;
  std::string token;
  do {
    std::string path = path_ + "?limit=" + std::to_string(kPage);
    if (!selector_.empty()) path += "&fieldSelector=" + selector_;
    if (!token.empty()) path += "&continue=" + token;
    json page = cluster_.Call({ClusterRequest::Verb::kGet, path, ""}, stop);
    token = Text(Metadata(page), "continue");
    if (!page.contains("items") || !page.at("items").is_array()) Nonsense();
    // Half of an object is who wrote which field.
    for (json& item : page.at("items")) {
      KeyOf(item);
      item["metadata"].erase("managedFields");
    }
    if (all.is_null()) {
      all = std::move(page);
      continue;
    }
    for (json& item : page.at("items")) all["items"].push_back(std::move(item));
  } while (!token.empty());
  const bool first = !listing_.synced();
  const std::vector<ObjectChange> changes = listing_.Listed(all);
  {
    const MutexLock lock(mutex_);
    synced_ = true;
  }
  if (first || !changes.empty()) on_change_(changes);
}

void Informer::Watch(const std::string& version, const std::stop_token& stop) {
  const std::chrono::seconds time(
      std::uniform_int_distribution<std::int64_t>(kShortestWatch.count(), kLongestWatch.count())(random_));
  std::string path = path_ +
                     "?watch=1&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(time.count()) +
                     "&resourceVersion=" + version;
  if (!selector_.empty()) path += "&fieldSelector=" + selector_;
  const Instant began = clock_.Now();
  cluster_.Watch(
      path, time + kGrace,
      [this](const json& event) {
        const std::vector<ObjectChange> changes = listing_.Saw(event);
        Note("");
        if (!changes.empty()) on_change_(changes);
      },
      stop);
  listing_.Ended(std::chrono::duration_cast<milliseconds>(clock_.Now() - began));
}

void Informer::Note(const std::string& problem) {
  {
    const MutexLock lock(mutex_);
    const bool same = problem.empty() == problem_.empty();
    problem_ = problem;
    if (same) return;  // one line for each outage
  }
  if (problem.empty()) {
    Log(Severity::kInfo, "Sees changes again", {{"path", path_}});
  } else {
    Log(Severity::kWarning, "Cannot see changes", {{"path", path_}, {"error", problem}});
  }
}

}  // namespace partition_controller
