#include "controller/plugin.h"

#include <algorithm>
#include <map>

#include "controller/json_text.h"
#include "controller/resource.h"
#include "crd/text.h"

namespace partition_controller {
namespace {

using nlohmann::json;

// The member of an object; null if it is none, or there is none.
json Member(const json& object, const char* key) {
  return object.is_object() && object.contains(key) ? object.at(key) : json();
}
json At(const json& object, const char* first, const char* second) {
  return Member(Member(object, first), second);
}
std::int64_t Number(const json& value) { return value.is_number_integer() ? value.get<std::int64_t>() : 0; }

std::string NameOf(const json& policy) { return TextOf(Member(policy, "metadata"), "name"); }
std::string SpaceOf(const json& policy) { return TextOf(Member(policy, "metadata"), "namespace"); }

// What a command about this policy ends with.
std::string Which(const json& policy) { return NameOf(policy) + " -n " + SpaceOf(policy); }

std::string Title(const json& policy) { return Printable(SpaceOf(policy) + "/" + NameOf(policy)) + ": "; }

json Conditions(const json& policy) {
  json conditions = At(policy, "status", "conditions");
  return conditions.is_array() ? conditions : json::array();
}

// Whether a controller has looked at what stands there now.
bool Observed(const json& policy) {
  return At(policy, "status", "observedGeneration") == At(policy, "metadata", "generation");
}

bool AsWished(const std::string& type, const std::string& status, const std::string& reason) {
  // A table that is to stay plain.
  if (type == "Converted" && reason == "NotWanted") return true;
  return status == (type == "Reconciling" || type == "Stalled" ? "False" : "True");
}

std::string Pad(const std::string& text, std::size_t width) {
  return text + std::string(width > text.size() ? width - text.size() : 1, ' ');
}

// "4,500,000 rows".
std::string Counted(std::int64_t count, const std::string& noun) { return Grouped(count) + " " + noun; }

std::string Steps(std::int64_t count, const std::string& one, const std::string& many) {
  return std::to_string(count) + (count == 1 ? " step " + one : " steps " + many);
}

// How many steps there are.  Which of those that wait do so for consent is not in
// the status.
std::string Pending(const json& policy, const json& plan) {
  return Steps(Number(Member(plan, "steps")), "is due", "are due") + ", " +
         Steps(Number(Member(plan, "waiting")), "waits", "wait") +
         (ConsentTo(policy).empty() ? " for the right time" : " for consent or for the right time") + "\n";
}

// What the consent is about: rows and bytes are estimates, and rows that are
// deleted one by one may not be counted.
std::string Stake(const json& policy, const json& plan) {
  const json stake = Member(plan, "atStake");
  const std::int64_t partitions = Number(Member(stake, "partitions"));
  const std::int64_t rows = Number(Member(stake, "rows"));
  const std::int64_t bytes = Number(Member(stake, "bytes"));
  if (partitions == 0 && rows == 0) {
    return "What is at stake has not been counted; see: kubectl partition why " + Which(policy);
  }
  std::string text = "At stake: ";
  if (partitions > 0) text += Counted(partitions, partitions == 1 ? "partition" : "partitions") + ", ";
  text += "about " + Counted(rows, rows == 1 ? "row" : "rows");
  return text + (bytes > 0 ? ", " + BytesText(bytes) : "") + ".";
}

std::string Patch(const json& policy, const std::string& spec) {
  return "kubectl patch ppol " + Which(policy) + " --type merge -p '{\"spec\":" + spec + "}'";
}

// The next thing that a person would do about a reason.
std::string NextFor(const json& policy, const std::string& reason) {
  const std::map<std::string, std::string> known = {
      {"Suspended", "To go on: " + Patch(policy, R"({"suspend":false})")},
      {"PlanPending", "To let it be done: " + Patch(policy, R"({"mode":"Apply"})")},
      {"Held", "To let retention go on: kubectl partition undo " + Which(policy) + " --release"},
      {"InvalidSpec", "Mend the spec: kubectl edit ppol " + Which(policy)},
      {"ConnectionNotFound",
       "Create the Secret, or let the controller read it (manifests/namespace-access); it is noticed."},
      {"DatabaseUnreachable",
       "It is tried again by itself; see whether the database and the way to it are up."},
      {"LockTimeout", "It is tried again by itself; the message names who holds the lock."},
      {"Retrying", "It is tried again by itself."},
      {"Progressing", "It goes on by itself."},
      {"Paced", "It goes on by itself; retention.maxPerRun sets the pace."},
      {"OutsideWindow", "It goes on by itself when a window of schedule.windows opens."},
      {"RollupBehind", "It goes on by itself once the rollups have caught up."},
      {"RowsPresent", "They are moved by themselves unless the message says otherwise."},
      {"Filling", "It goes on by itself."},
      {"Behind", "It goes on by itself; see whether Ready says what holds it up."},
      {"PremakeBehind", "It goes on by itself; see whether Ready says what holds it up."}};
  const auto found = known.find(reason);
  return found == known.end() ? "" : found->second;
}

Concern Unseen(const json& policy) {
  const bool never = At(policy, "status", "observedGeneration") == json(-1);
  Concern concern;
  concern.type = "Observed";
  concern.status = "False";
  concern.reason = never ? "NeverObserved" : "NotObservedYet";
  concern.message = never ? "No controller has looked at this policy yet."
                          : "What follows was said of an earlier generation of this policy.";
  concern.next = "See whether the controller runs: kubectl get pods -n partition-controller";
  return concern;
}

// A rollup's table has an undo window as well.
bool RollupsExpire(const json& policy) {
  const json rollups = At(policy, "spec", "rollups");
  return rollups.is_array() && std::any_of(rollups.begin(), rollups.end(), [](const json& rollup) {
           return !TextOf(rollup, "keep").empty();
         });
}

}  // namespace

bool PlanKnown(const json& policy) { return Observed(policy) && At(policy, "status", "plan").is_object(); }

bool Held(const json& policy) {
  // As the controller reads it.
  const json hold = Member(At(policy, "metadata", "annotations"), kHoldRetention);
  return !hold.is_null() && hold != json("false");
}

bool RemovesAnything(const json& policy) {
  return At(policy, "spec", "retention").is_object() || RollupsExpire(policy);
}

std::string ConsentTo(const json& policy) {
  const json plan = At(policy, "status", "plan");
  const std::string hash = TextOf(plan, "hash");
  if (hash.empty() || Member(plan, "needsAcknowledgement") != json(true)) return "";
  return "kubectl annotate --overwrite ppol " + Which(policy) + " " + kAcknowledge + "=" + hash;
}

std::vector<Concern> ConcernsOf(const json& policy) {
  std::vector<Concern> concerns;
  if (!Observed(policy)) concerns.push_back(Unseen(policy));
  const std::string consent = ConsentTo(policy);
  for (const json& condition : Conditions(policy)) {
    const std::string type = TextOf(condition, "type");
    const std::string status = TextOf(condition, "status");
    const std::string reason = TextOf(condition, "reason");
    if (AsWished(type, status, reason)) continue;
    const std::string message = TextOf(condition, "message");
    // A reason is a cause, and the first condition, which is Ready where it is one,
    // says most of it.
    const auto cause = std::find_if(concerns.begin(), concerns.end(),
                                    [&](const Concern& concern) { return concern.reason == reason; });
    if (cause != concerns.end()) {
      const bool more = status != "Unknown" && message != cause->message;
      cause->accounts_for.push_back({type, status, more ? message : ""});
      continue;
    }
    Concern concern;
    concern.type = type;
    concern.status = status;
    concern.reason = reason;
    concern.since = TextOf(condition, "lastTransitionTime");
    concern.message = message;
    concern.next = NextFor(policy, reason);
    if (!consent.empty() && reason == "DatabaseIdentityChanged") {
      concern.next = "If it is the right table: " + consent;
    } else if (!consent.empty() && reason == "AcknowledgementRequired") {
      concern.next = "If what would be taken away may go: " + consent;
    } else if (concern.next.empty() && type == "Stalled") {
      concern.next = "It waits for a person; the message says what for.";
    } else if (concern.next.empty() && type != "Ready") {
      concern.next = "See Ready.";
    } else if (concern.next.empty()) {
      concern.next = "The message says what to do; once it is done, it is noticed.";
    }
    concerns.push_back(std::move(concern));
  }
  return concerns;
}

std::string StatusText(const json& policy) {
  const json spec = Member(policy, "spec");
  const json partitioning = Member(spec, "partitioning");
  const json retention = Member(spec, "retention");
  std::string text =
      Title(policy) + "table " + Printable(TextOf(Member(spec, "table"), "schema")) + "." +
      Printable(TextOf(Member(spec, "table"), "name")) + ", every " + TextOf(partitioning, "granularity") +
      ", " + std::to_string(Number(Member(partitioning, "premake"))) + " ahead, " +
      (retention.is_object() ? "keep " + TextOf(retention, "keep") + ", then " + TextOf(retention, "action")
                             : "kept for ever") +
      "\n";
  for (const json& condition : Conditions(policy)) {
    text += "  " + Pad(TextOf(condition, "type"), 23) + Pad(TextOf(condition, "status"), 9) +
            Pad(TextOf(condition, "reason"), 20) + Printable(TextOf(condition, "message")) + "\n";
  }
  const json partitions = At(policy, "status", "partitions");
  if (partitions.is_object()) {
    const std::string until = TextOf(partitions, "coveredUntil");
    text += "  " + std::to_string(Number(Member(partitions, "count"))) + " partitions, " +
            (until.empty() ? "none of them for now" : "without a gap until " + until) + "\n";
  }
  const json plan = At(policy, "status", "plan");
  if (plan.is_object()) {
    text += "  " + Pending(policy, plan);
  }
  if (!Observed(policy)) text += "  " + Unseen(policy).message + "\n";
  return text;
}

std::string StatusTable(const std::vector<json>& policies, bool wide) {
  std::vector<std::vector<std::string>> rows = {
      {"NAMESPACE", "NAME", "READY", "REASON", "PARTITIONS", "COVERED UNTIL", "DUE", "HELD"}};
  if (wide) rows.front().insert(rows.front().end(), {"TABLE", "NEXT ACTION", "MESSAGE"});
  for (const json& policy : policies) {
    std::string ready;
    std::string reason;
    std::string message;
    for (const json& condition : Conditions(policy)) {
      if (TextOf(condition, "type") == "Ready") {
        ready = TextOf(condition, "status");
        reason = TextOf(condition, "reason");
        message = TextOf(condition, "message");
      }
    }
    const json status = Member(policy, "status");
    rows.push_back({SpaceOf(policy), NameOf(policy), ready.empty() ? "Unknown" : ready,
                    ready.empty() ? Unseen(policy).reason : reason,
                    std::to_string(Number(At(status, "partitions", "count"))),
                    TextOf(Member(status, "partitions"), "coveredUntil"),
                    std::to_string(Number(At(status, "plan", "steps"))), Held(policy) ? "yes" : "no"});
    if (!wide) continue;
    const json table = At(policy, "spec", "table");
    rows.back().insert(rows.back().end(), {TextOf(table, "schema") + "." + TextOf(table, "name"),
                                           TextOf(status, "nextAction"), message});
  }
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size() + 3);
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += Pad(Printable(row[i]), widths[i]);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string PlanText(const json& policy) {
  const json plan = At(policy, "status", "plan");
  if (!plan.is_object()) {
    return Title(policy) + "nothing is known of what is to be done.\n" +
           (Observed(policy) ? "" : "  " + Unseen(policy).message + "\n") + "  See: kubectl partition why " +
           Which(policy) + "\n";
  }
  std::string text = Title(policy) + Pending(policy, plan);
  const json pending = Member(plan, "pending");
  for (const json& kind : pending.is_array() ? pending : json::array()) {
    text +=
        "  " + std::to_string(Number(Member(kind, "count"))) + " " + Printable(TextOf(kind, "action")) + "\n";
  }
  if (const std::string hash = TextOf(plan, "hash"); !hash.empty()) {
    text += "What would be taken away has the hash " + Printable(hash) + ".\n";
  }
  if (const std::string consent = ConsentTo(policy); !consent.empty()) {
    text += Stake(policy, plan) + "\nNothing is taken away before somebody consents:\n  " +
            Printable(consent) + "\n";
  }
  for (const json& condition : Conditions(policy)) {
    const std::string reason = TextOf(condition, "reason");
    if (TextOf(condition, "type") != "Ready" || (reason != "Suspended" && reason != "PlanPending")) continue;
    text += Printable(TextOf(condition, "message")) + "\n  " + NextFor(policy, reason) + "\n";
  }
  if (Held(policy)) text += "Retention is held: nothing is removed.\n  " + NextFor(policy, "Held") + "\n";
  if (!Observed(policy)) text += Unseen(policy).message + "\n";
  return text;
}

std::string WhyText(const json& policy) {
  const std::vector<Concern> concerns = ConcernsOf(policy);
  if (concerns.empty()) return Title(policy) + "all is as the policy declares.\n";
  std::string text = Title(policy) + "not all is as it should be.\n";
  for (const Concern& concern : concerns) {
    text += "\n" + concern.type + " is " + concern.status + " (" + Printable(concern.reason) + ")" +
            (concern.since.empty() ? "" : " since " + Printable(concern.since)) + "\n  " +
            Printable(concern.message) + "\n  " + Printable(concern.next) + "\n";
    std::string others;
    for (const Concern::Consequence& other : concern.accounts_for) {
      others += (others.empty() ? "" : ", ") + other.type + " is " + other.status;
    }
    if (!others.empty()) text += "  For the same reason " + others + ".\n";
    for (const Concern::Consequence& other : concern.accounts_for) {
      if (!other.message.empty()) text += "    " + other.type + ": " + Printable(other.message) + "\n";
    }
  }
  return text;
}

std::string UndoText(const json& policy, bool release) {
  if (release) {
    return Title(policy) +
           "retention goes on. What has expired is removed again, by way of a new undo window.\n";
  }
  const json retention = At(policy, "spec", "retention");
  std::string text = Title(policy) + "retention is held: nothing more is removed.\n";
  const bool window = !TextOf(retention, "undoWindow").starts_with("0");
  if (retention.is_object() && TextOf(retention, "action") != "Drop") {
    text += "  What was detached stays so: retention.action is not Drop. Attach it by hand.\n";
  } else if (!window) {
    text += "  Nothing comes back: retention.undoWindow is " + TextOf(retention, "undoWindow") + ".\n";
  } else if (retention.is_object()) {
    text += "  Partitions that are in their undo window are attached again.\n";
  }
  if (RollupsExpire(policy) && window) {
    text += "  Partitions of rollups' tables that are in their undo window are attached again.\n";
  }
  return text + "  To see how it fares: kubectl partition status " + Which(policy) +
         "\n  To let it go on:     kubectl partition undo " + Which(policy) + " --release\n";
}

}  // namespace partition_controller
