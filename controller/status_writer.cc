#include "controller/status_writer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "controller/backoff.h"
#include "controller/log.h"
#include "reconcilers/rollup_tables.h"

namespace partition_controller {

using nlohmann::json;

namespace {

// What of the status the cluster's CRD does not know; empty if that is not what
// is wrong.  Unlike other writes, which drop such a field, a server-side apply is
// refused: ".status.target: field not declared in schema".
std::string UndeclaredField(const std::string& error) {
  constexpr std::string_view kStatus = ".status.";
  const std::size_t end = error.find(": field not declared in schema");
  const std::size_t at = error.rfind(kStatus, end);
  if (end == std::string::npos || at == std::string::npos) return "";
  const std::size_t from = at + kStatus.size();
  return error.substr(from, std::min(error.find_first_of(".[", from), end) - from);
}

// A condition as it stands in a status; empty members if it does not.
struct Standing {
  std::string status;
  std::string reason;
  std::string message;
};

Standing Find(const json& status, const char* type) {
  Standing found;
  if (!status.is_object() || !status.contains("conditions") || !status.at("conditions").is_array())
    return found;
  for (const json& condition : status.at("conditions")) {
    if (!condition.is_object() || condition.value("type", "") != type) continue;
    found = {condition.value("status", ""), condition.value("reason", ""), condition.value("message", "")};
  }
  return found;
}

// By comparison with what is stored: a controller that starts anew tells nothing
// a second time.  Trouble that goes away by itself is not worth an event.
std::optional<EventNote> EventOf(const Resource& resource, const json& before, const json& after) {
  EventNote note{resource.key, resource.origin.uid, false, "Reconcile", "", ""};
  const Standing stalled = Find(after, "Stalled");
  const Standing was_stalled = Find(before, "Stalled");
  // Also what else is asked of a person than before, as a plan with another hash.
  const bool news = was_stalled.status != "True" || was_stalled.reason != stalled.reason ||
                    WithoutNumbers(was_stalled.message) != WithoutNumbers(stalled.message);
  if (stalled.status == "True" && news) {
    note.warning = true;
    note.reason = stalled.reason;
    note.note = stalled.message;
    return note;
  }
  const Standing ready = Find(after, "Ready");
  if (ready.status != "True" || Find(before, "Ready").status == "True") return std::nullopt;
  note.reason = "Ready";
  note.note = ready.message;
  return note;
}

// The policy's state, and those of its rollups' tables; empty if it has none yet.
std::vector<std::shared_ptr<const PolicyState>> StatesOf(const PolicyKey& key, const Snapshot& snapshot) {
  std::vector<std::shared_ptr<const PolicyState>> states;
  for (auto it = snapshot.policies.lower_bound(key); it != snapshot.policies.end(); ++it) {
    const auto& [other, state] = *it;
    if (other.name_space != key.name_space || !other.name.starts_with(key.name)) break;
    // "a-b" lies between "a" and "a/b".
    if (WrittenName(other.name) == key.name) states.push_back(state);
  }
  if (!snapshot.policies.contains(key)) states.clear();
  return states;
}

void AddDue(const PolicyState& part, PolicyState* whole) {
  whole->waiting += part.waiting;
  for (const auto& [kind, count] : part.due) {
    const auto known = std::find_if(whole->due.begin(), whole->due.end(),
                                    [&kind = kind](const auto& due) { return due.first == kind; });
    if (known == whole->due.end()) {
      whole->due.emplace_back(kind, count);
    } else {
      known->second += count;
    }
  }
}

// What is due comes before what has a time, and that before nothing.
bool Sooner(const PolicyState& a, const PolicyState& b) {
  if (a.next_action.empty() || b.next_action.empty()) return b.next_action.empty() && !a.next_action.empty();
  return a.next_action_at.value_or(Instant{}) < b.next_action_at.value_or(Instant{});
}

// All of them as one.
PolicyState Together(const std::vector<std::shared_ptr<const PolicyState>>& states) {
  PolicyState whole = *states.front();
  std::vector<PartConditions> parts;
  for (std::size_t i = 1; i < states.size(); ++i) {
    const PolicyState& part = *states[i];
    whole.tried = whole.tried && part.tried && part.origin.generation == whole.origin.generation;
    parts.push_back({part.table, part.conditions});
    if (part.observed) AddDue(part, &whole);
    if (Sooner(part, whole)) {
      whole.next_action = part.table + ": " + part.next_action;
      whole.next_action_at = part.next_action_at;
    }
    if (!part.recent.empty() && (whole.recent.empty() || part.recent.front().at > whole.recent.front().at)) {
      whole.recent = part.recent;
      whole.recent.front().what = part.table + ": " + whole.recent.front().what;
    }
    // Each table is consented to by itself, one after the other.
    if (part.needs_acknowledgement && !whole.needs_acknowledgement) {
      whole.needs_acknowledgement = true;
      whole.plan_hash = part.plan_hash;
      whole.at_stake = part.at_stake;
    }
  }
  whole.conditions = WithParts(std::move(whole.conditions), parts);
  return whole;
}

}  // namespace

void StatusWriter::Write(const ResourceStore::Resources& resources, const Snapshot& snapshot,
                         const std::stop_token& stop) {
  std::erase_if(known_, [&](const auto& known) { return !resources.contains(known.first); });
  for (const auto& [key, resource] : resources) {
    if (stop.stop_requested()) return;
    const auto states = StatesOf(key, snapshot);
    Known& known = known_[key];
    if (known.failures == 0 && known.resource == resource && known.states == states) continue;
    if (known.failures > 0 && clock_.Now() < known.not_before) continue;
    std::optional<PolicyState> state;
    if (!states.empty()) state = Together(states);
    WriteOne(resource, state ? &*state : nullptr, &known, stop);
    if (known.failures == 0) known.states = states;
  }
}

json StatusWriter::Apply(const Resource& resource, json* status, const std::stop_token& stop) {
  for (;;) {
    try {
      return cluster_.Call(ApplyStatus(resource, *status), stop);
    } catch (const ClusterError& error) {
      if (status->erase(UndeclaredField(error.what())) == 0) throw;
      if (!std::exchange(told_of_older_crd_, true)) {
        Log(Severity::kWarning,
            "The CustomResourceDefinition is older than this release: apply it, which should come first",
            {{"error", error.what()}});
      }
    }
  }
}

void StatusWriter::WriteOne(const std::shared_ptr<const Resource>& resource, const PolicyState* state,
                            Known* known, const std::stop_token& stop) {
  // Until the informer has seen our last write, its answer is what is there.
  const bool unseen = known->over.lock() == resource;
  if (!unseen && known->wanted == known->answer) known->wanted = known->answer = nullptr;
  const json there = unseen ? known->answer : json::parse(resource->status);
  const std::optional<json> wanted = StatusFor(*resource, state, there, clock_.Now());
  if (known->owed && there == known->owed_for) {
    if (on_event_) on_event_(*known->owed);
    known->owed.reset();
  }
  // Of an older CRD not all of it is taken, and a webhook may change it: what we
  // wanted stays unequal to what is there, and writing it again would change nothing.
  const bool written = wanted && *wanted == known->wanted && there == known->answer;
  if (wanted && *wanted != there && !written) {
    const std::optional<EventNote> event = EventOf(*resource, there, *wanted);
    json sent = *wanted;
    try {
      const json answer = Apply(*resource, &sent, stop);
      if (event && on_event_) on_event_(*event);
      known->owed.reset();
      known->owed_for = nullptr;
      known->over = resource;
      known->wanted = *wanted;
      known->answer = answer.value("status", json::object());
    } catch (const ClusterError& error) {
      if (stop.stop_requested()) return;
      known->owed = event;
      known->owed_for = sent;
      const auto delay = Backoff(++known->failures, 0.5);
      known->not_before = clock_.Now() + delay;
      // Deleted or replaced meanwhile; or its namespace is about to go.
      const bool gone =
          error.kind() == ClusterError::Kind::kNotFound || error.kind() == ClusterError::Kind::kConflict;
      if (!gone) {
        Log(Severity::kWarning, "Could not write status",
            {{"policy", resource->key.name},
             {"policy_namespace", resource->key.name_space},
             {"error", error.what()},
             {"attempt", known->failures}});
      }
      return;
    }
  }
  known->failures = 0;
  known->resource = resource;
}

}  // namespace partition_controller
