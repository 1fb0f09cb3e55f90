#include "controller/events.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "controller/log.h"
#include "controller/resource.h"
#include "crd/text.h"
#include "reconcilers/rollup_tables.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using Verb = ClusterRequest::Verb;

constexpr std::size_t kMostWaiting = 1000;
// Whoever flushes has other things to do as well, and so has the API server.
constexpr int kMostAtATime = 25;
// The API server's limits, in bytes.
constexpr std::size_t kLongestNote = 1024;
constexpr std::size_t kLongestReporter = 128;
constexpr std::size_t kLongestPrefix = 200;
constexpr std::chrono::minutes kAlike{6};
constexpr std::chrono::minutes kCountAgain{1};

// "create_partition" as "CreatePartition".
std::string CamelCase(const std::string& kind) {
  std::string text;
  bool upper = true;
  for (const char c : kind) {
    if (c == '_') {
      upper = true;
    } else {
      text += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
      upper = false;
    }
  }
  return text;
}

std::string Shorten(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  return text.substr(0, end) + "...";
}

std::string EventsPath(const std::string& name_space) {
  return "/apis/events.k8s.io/v1/namespaces/" + name_space + "/events";
}

}  // namespace

std::optional<EventNote> EventOf(const Policy& policy, const StepOutcome& step) {
  if (step.result != "success" || Routine(step.action) ||
      std::holds_alternative<AnalyzeParent>(step.action)) {
    return std::nullopt;
  }
  Table named;
  named.schema = policy.table.schema;
  named.name = policy.table.name;
  return EventNote{{policy.name_space, WrittenName(policy.name)},
                   policy.origin.uid,
                   false,
                   "CarryOut",
                   CamelCase(Kind(step.action)),
                   Describe(step.action, named)};
}

std::string WithoutNumbers(const std::string& text) {
  // A hash may consist of digits alone; no number of ours is that long.
  constexpr std::ptrdiff_t kLongestNumber = 15;
  const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  std::string kept;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    std::size_t first = at;
    while (first < end && !plain(text[first])) ++first;
    std::size_t last = end;
    while (last > first && !plain(text[last - 1])) --last;
    const std::string word = text.substr(first, last - first);
    const bool number = !word.empty() && word.find_first_not_of("0123456789,.") == std::string::npos &&
                        std::count_if(word.begin(), word.end(), plain) <= kLongestNumber;
    kept += text.substr(at, first - at) + (number ? "#" : word) + text.substr(last, end + 1 - last);
    at = end + 1;
  }
  return kept;
}

EventRecorder::Key EventRecorder::KeyOf(const EventNote& note) {
  return {note.uid, note.action, note.reason, note.warning, note.warning ? WithoutNumbers(note.note) : ""};
}

void EventRecorder::Record(EventNote note) {
  const MutexLock lock(mutex_);
  if (queue_.size() < kMostWaiting) {
    queue_.push_back(std::move(note));
  } else {
    ++dropped_;
  }
}

std::optional<EventNote> EventRecorder::Take() {
  const MutexLock lock(mutex_);
  if (queue_.empty()) return std::nullopt;
  EventNote note = std::move(queue_.front());
  queue_.pop_front();
  return note;
}

void EventRecorder::Flush(const std::stop_token& stop) {
  int dropped = 0;
  {
    const MutexLock lock(mutex_);
    std::swap(dropped, dropped_);
  }
  if (dropped > 0) Log(Severity::kWarning, "Dropped events", {{"count", dropped}});
  int left = kMostAtATime;
  while (left > 0 && !stop.stop_requested()) {
    const std::optional<EventNote> note = Take();
    if (!note) break;
    const Instant now = clock_.Now();
    const auto alike = series_.find(KeyOf(*note));
    if (alike != series_.end() && now < alike->second.last + kAlike) {
      ++alike->second.count;
      alike->second.last = now;
    } else {
      Write(*note, now, stop);
      --left;
    }
  }
  const Instant now = clock_.Now();
  for (auto it = series_.begin(); it != series_.end() && !stop.stop_requested();) {
    Series& series = it->second;
    const bool over = now >= series.last + kAlike;
    const bool news = series.count > series.written &&
                      (over || series.written == 1 || now >= series.written_at + kCountAgain);
    if (news && left == 0) return;
    if (news) {
      WriteCount(&series, now, stop);
      --left;
    }
    it = over ? series_.erase(it) : std::next(it);
  }
}

void EventRecorder::Write(const EventNote& note, Instant now, const std::stop_token& stop) {
  char suffix[48];
  std::snprintf(suffix, sizeof suffix, ".%llx.%llx",
                static_cast<unsigned long long>(now.time_since_epoch().count()),
                static_cast<unsigned long long>(++serial_));
  const std::string name = note.policy.name.substr(0, kLongestPrefix) + suffix;
  const json event = {{"apiVersion", "events.k8s.io/v1"},
                      {"kind", "Event"},
                      {"metadata", {{"name", name}, {"namespace", note.policy.name_space}}},
                      {"eventTime", MicroTime(now)},
                      {"reportingController", "edgewatch.dev/partition-controller"},
                      {"reportingInstance", Shorten(reporter_, kLongestReporter)},
                      {"action", note.action},
                      {"reason", note.reason},
                      {"type", note.warning ? "Warning" : "Normal"},
                      {"note", Shorten(Printable(note.note), kLongestNote)},
                      {"regarding",
                       {{"apiVersion", "edgewatch.dev/v1alpha1"},
                        {"kind", "PartitionPolicy"},
                        {"name", note.policy.name},
                        {"namespace", note.policy.name_space},
                        {"uid", note.uid}}}};
  try {
    cluster_.Call({Verb::kCreate, EventsPath(note.policy.name_space), event.dump()}, stop);
  } catch (const ClusterError& error) {
    // An answer may have been lost: the event is there then.
    if (error.kind() != ClusterError::Kind::kExists) return Failed(error);
  }
  complained_ = false;
  series_[KeyOf(note)] = {EventsPath(note.policy.name_space) + "/" + name, 1, 1, now, now};
}

void EventRecorder::WriteCount(Series* series, Instant now, const std::stop_token& stop) {
  const json patch = {{"series", {{"count", series->count}, {"lastObservedTime", MicroTime(series->last)}}}};
  try {
    cluster_.Call({Verb::kMerge, series->path, patch.dump()}, stop);
  } catch (const ClusterError& error) {
    Failed(error);
  }
  series->written = series->count;
  series->written_at = now;
}

void EventRecorder::Failed(const ClusterError& error) {
  if (!complained_) Log(Severity::kWarning, "Could not write event", {{"error", error.what()}});
  complained_ = true;
}

}  // namespace partition_controller
