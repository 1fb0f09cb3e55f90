// Conditions say what is the case and what to do about it.  Their messages name
// moments, not spans, and round large counts: while nothing happens, a status
// stays the same, byte for byte, and need not be written again.

#include "reconcilers/status.h"

#include <algorithm>
#include <utility>

#include "crd/text.h"
#include "reconcilers/bounds.h"
#include "reconcilers/calendar.h"
#include "reconcilers/explaining.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// What a refresh may take before it counts as late.
constexpr std::chrono::minutes kRefreshing{5};

constexpr const char* kNotMade = "The rollup has not made its table yet.";

// More than people read, and far below what the API server takes (32,768).
constexpr std::size_t kLongestMessage = 4'096;

Condition Make(const char* type, const char* status, const std::string& reason, const std::string& message) {
  std::string shown = Printable(message);
  if (shown.size() > kLongestMessage) {
    std::size_t end = kLongestMessage;
    while ((static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) --end;  // not inside a character
    shown = shown.substr(0, end) + "...";
  }
  return {type, status, reason, shown};
}

std::string Count(std::size_t count, const std::string& noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

// Coarse, for others go on inserting: "37", "about 2,000,000".
std::string Rounded(std::int64_t count, bool exact) {
  std::int64_t unit = 1;
  while (count >= 100 && count / unit >= 10) unit *= 10;
  return (exact && count / unit * unit == count ? "" : "about ") + Grouped(count / unit * unit);
}

// From 0 to 1; nothing: not known.
std::optional<double> FilledShare(const RollupState& state) {
  if (!state.filled_from || !state.oldest_row || !state.started_at || *state.oldest_row >= *state.started_at)
    return std::nullopt;
  using Seconds = std::chrono::duration<double>;
  return std::clamp(
      Seconds(*state.started_at - *state.filled_from) / Seconds(*state.started_at - *state.oldest_row), 0.0,
      1.0);
}

// What the conditions of a table that was read are judged by.
class Judge {
 public:
  Judge(const Policy& policy, const Catalog& catalog, const Plan& plan, const std::optional<Failure>& failure)
      : policy_(policy),
        plan_(plan),
        outlook_(plan.outlook),
        failure_(failure),
        has_table_(catalog.table.has_value()),
        table_(catalog.table.value_or(Table{})) {}

  Condition Ready() const;
  Condition Reconciling() const;
  Condition Stalled() const;
  Condition Covered() const;
  Condition RetentionEnforced() const;
  Condition DefaultPartitionEmpty() const;
  Condition Converted() const;
  Condition RollupsCurrent() const;

 private:
  // Removals that have not happened though their time has come.
  struct Backlog {
    std::size_t due = 0;
    std::size_t paced = 0;
    std::size_t outside_windows = 0;
    std::size_t behind_rollups = 0;
    std::optional<Instant> opens;
  };

  // REQUIRES: plan_.refusals is not empty
  Condition Refused(const char* type, const char* status) const;
  Condition Unknown(const char* type) const;
  std::string Due() const;
  std::string ConversionWaits() const;
  bool MayBeUndone(const Action& action) const;
  Backlog RemovalsLeft() const;

  // Whether the rollup whose table this is to be has not made it, or taken it over.
  bool NotMade() const { return policy_.feeder && !(has_table_ && table_.feed); }

  // Whether the table is to be partitioned where it stands, and is not yet.
  bool Converting() const {
    return has_table_ && table_.kind == Table::Kind::kPlain &&
           policy_.partitioning.state == Partitioning::State::kEnabled &&
           policy_.partitioning.conversion == Partitioning::Conversion::kOnline;
  }

  // Whether a step is due that is not done again and again anyway.
  bool StepsDue() const {
    return std::any_of(plan_.steps.begin(), plan_.steps.end(),
                       [](const Step& step) { return !Routine(step.action); });
  }

  const Policy& policy_;
  const Plan& plan_;
  const Outlook& outlook_;
  const std::optional<Failure>& failure_;
  const bool has_table_;
  const Table table_;  // nameless if there is none
};

// Every refusal, the worst first: it gives the reason.
Condition Judge::Refused(const char* type, const char* status) const {
  const auto& all = plan_.refusals;
  const auto stop = std::find_if(all.begin(), all.end(), [](const Refusal& r) { return r.stops_everything; });
  // A plan asks for consent in its last refusal.
  const bool consent = stop == all.end() && plan_.needs_acknowledgement;
  const Refusal& worst = stop != all.end() ? *stop : consent ? all.back() : all.front();
  const auto sentence = [](const Refusal& refusal) {
    return refusal.message + ". Remedy: " + refusal.remedy;
  };
  std::string message = sentence(worst);
  for (const Refusal& other : all) {
    if (&other != &worst) message += " | " + sentence(other);
  }
  return Make(type, status, worst.code, message);
}

Condition Judge::Unknown(const char* type) const {
  const std::string reason = plan_.refusals.empty() ? "NotObserved" : plan_.refusals.front().code;
  return Make(type, "Unknown", reason, "Not known; see Ready.");
}

// How many steps of which kind: the steps themselves name moments that move
// with the clock.
std::string Judge::Due() const {
  std::vector<std::pair<std::string, std::size_t>> kinds;
  for (const Step& step : plan_.steps) {
    const std::string kind = Kind(step.action);
    const auto known =
        std::find_if(kinds.begin(), kinds.end(), [&](const auto& k) { return k.first == kind; });
    if (known == kinds.end()) {
      kinds.emplace_back(kind, 1);
    } else {
      ++known->second;
    }
  }
  if (kinds.empty()) return "No step is due.";
  std::string text =
      Count(plan_.steps.size(), "step") + (plan_.steps.size() == 1 ? " is due: " : " are due: ");
  for (const auto& [kind, count] : kinds) {
    if (&kind != &kinds.front().first) text += ", ";
    text += (count == 1 ? "" : std::to_string(count) + ' ') + kind;
  }
  return text + '.';
}

// Which of its steps takes its time: the build of an index, which may have to wait
// for others' transactions.
std::string Judge::ConversionWaits() const {
  std::string text = "The table is to be partitioned, and is plain yet";
  for (const Waiting& waiting : plan_.waiting) {
    if (!std::holds_alternative<BuildIndex>(waiting.action)) continue;
    text += "; what takes its time: " + Describe(waiting.action, table_);
  }
  return text + '.';
}

Condition Judge::Ready() const {
  if (policy_.suspend) {
    return Make("Ready", "False", "Suspended",
                Due() + " Nothing is done while spec.suspend is true; set it to false to go on.");
  }
  if (failure_) return Make("Ready", "False", failure_->reason, failure_->message);
  if (!plan_.refusals.empty()) return Refused("Ready", "False");
  if (StepsDue() && policy_.mode == Policy::Mode::kPlan) {
    return Make("Ready", "False", "PlanPending",
                Due() + " Nothing is done while spec.mode is Plan; set it to Apply to go on.");
  }
  if (StepsDue()) return Make("Ready", "False", "Progressing", Due());
  if (Converting()) return Make("Ready", "False", "Converting", ConversionWaits());
  const std::size_t waiting = plan_.waiting.size();
  return Make("Ready", "True", "AsDeclared",
              "The table is as the policy declares" +
                  (waiting == 0 ? "."
                                : "; " + Count(waiting, "step") +
                                      (waiting == 1 ? " waits for its time." : " wait for their time.")));
}

Condition Judge::Reconciling() const {
  const auto no = [](const std::string& reason, const std::string& message) {
    return Make("Reconciling", "False", reason, message);
  };
  if (policy_.suspend) return no("Suspended", "Nothing is done while spec.suspend is true.");
  if (failure_ && failure_->needs_a_person) return no(failure_->reason, "Waits for a person; see Stalled.");
  if (failure_)
    return Make("Reconciling", "True", "Retrying", "The last run failed and is repeated; see Ready.");
  if (plan_.StopsEverything()) return no(Refused("", "").reason, "Waits for a person; see Stalled.");
  if (!StepsDue() && Converting()) {
    return Make("Reconciling", "True", "Converting", "The next step of the conversion waits; see Ready.");
  }
  if (!StepsDue()) return no("AsDeclared", "No step is due.");
  if (policy_.mode == Policy::Mode::kPlan)
    return no("PlanPending", "Nothing is done while spec.mode is Plan.");
  return Make("Reconciling", "True", "Progressing", Due());
}

Condition Judge::Stalled() const {
  if (failure_ && failure_->needs_a_person)
    return Make("Stalled", "True", failure_->reason, failure_->message);
  if (!plan_.refusals.empty()) return Refused("Stalled", "True");
  return Make("Stalled", "False", "AsDeclared", "Nothing waits for a person.");
}

Condition Judge::Covered() const {
  if (has_table_ && table_.kind == Table::Kind::kPlain &&
      (!Divides(policy_, table_) || (Converting() && !plan_.StopsEverything()))) {
    return Make("Covered", "True", "NotPartitioned", "A plain table takes rows of every time.");
  }
  if (policy_.feeder && !Divides(policy_, table_)) {
    return Make("Covered", "True", "NotOurs",
                "The rollup's table was not made by the controller, or is not made yet.");
  }
  if (outlook_.horizon == Instant{}) return Unknown("Covered");
  if (outlook_.covered_for_ever) return Make("Covered", "True", "AsDeclared", "Partitions have no end.");
  const std::string target = "; the policy asks for them until " + ToString(outlook_.horizon) + '.';
  if (!outlook_.covered_until) {
    return Make(
        "Covered", "False", "RangeGap",
        "No partition holds rows of now" +
            (outlook_.uncovered_since ? ", since " + ToString(*outlook_.uncovered_since) : std::string()) +
            ": " + FateOfNewRows(policy_, table_, outlook_) + target);
  }
  const std::string reach = "Partitions reach without a gap to " + ToString(*outlook_.covered_until);
  if (*outlook_.covered_until < outlook_.horizon)
    return Make("Covered", "False", "PremakeBehind", reach + target);
  return Make("Covered", "True", "AsDeclared", reach + '.');
}

// Whether `action` drops a detached table whose undo window is still open: its
// rows have left the table, as retention asks, and nothing is late.
bool Judge::MayBeUndone(const Action& action) const {
  const auto* drop = std::get_if<DropPartition>(&action);
  if (drop == nullptr || drop->attached) return false;
  return std::none_of(table_.detached.begin(), table_.detached.end(), [&](const Detached& detached) {
    return detached.oid == drop->partition.oid && detached.drop_after && *detached.drop_after <= outlook_.now;
  });
}

Judge::Backlog Judge::RemovalsLeft() const {
  Backlog left;
  left.due = static_cast<std::size_t>(std::count_if(
      plan_.steps.begin(), plan_.steps.end(), [](const Step& step) { return Destructive(step.action); }));
  for (const Waiting& waiting : plan_.waiting) {
    if (!Destructive(waiting.action) || MayBeUndone(waiting.action)) continue;
    ++(waiting.until                               ? left.outside_windows
       : waiting.reason.starts_with("the rollup ") ? left.behind_rollups
                                                   : left.paced);
    if (waiting.until) left.opens = waiting.until;
  }
  return left;
}

Condition Judge::RetentionEnforced() const {
  if (!policy_.retention) return Make("RetentionEnforced", "True", "Disabled", "Rows are kept for ever.");
  if (Rests(policy_)) {
    return Make("RetentionEnforced", "True", "Paused", "The rollup is paused, and its table stays as it is.");
  }
  if (NotMade()) return Make("RetentionEnforced", "True", "NotMade", kNotMade);
  // A plan that is stopped says nothing about rows, only about partitions.
  const bool looked_into = !plan_.StopsEverything() || outlook_.overdue_since;
  if (!has_table_ || !outlook_.cutoff || !looked_into) return Unknown("RetentionEnforced");
  if (policy_.origin.hold) {
    return Make("RetentionEnforced", "False", "Held",
                "Nothing is removed, and what is in its undo window is attached again, while the annotation "
                "edgewatch.dev/hold-retention is there; remove it to go on.");
  }
  const Backlog left = RemovalsLeft();
  const std::size_t count = left.due + left.paced + left.outside_windows + left.behind_rollups;
  if (count == 0 && !outlook_.overdue_since) {
    return Make("RetentionEnforced", "True", "AsDeclared",
                "Nothing is left that keep " + ToString(policy_.retention->keep) + " has expired.");
  }
  const auto no = [&](const std::string& reason, const std::string& why) {
    std::string message = count == 0 ? "Nothing can be removed" : Count(count, "removal") + " to be done";
    if (outlook_.overdue_since) {
      message += ", though the oldest partition is due since " + ToString(*outlook_.overdue_since);
    }
    return Make("RetentionEnforced", "False", reason, message + ". " + why);
  };
  if (!plan_.refusals.empty()) return no(Refused("", "").reason, "Nothing is removed meanwhile; see Ready.");
  if (left.behind_rollups > 0) {
    return no("RollupBehind",
              "Rollups are to take in what is removed first (afterRollup: Required); see RollupsCurrent.");
  }
  if (left.paced > 0)
    return no("Paced", "maxPerRun leaves " + std::to_string(left.paced) + " to later runs.");
  if (left.opens) return no("OutsideWindow", "The next window opens at " + ToString(*left.opens) + '.');
  if (count == 0) return no("Overdue", "See the plan's advice.");
  if (policy_.suspend || policy_.mode == Policy::Mode::kPlan) return no("Overdue", Ready().message);
  return no("Overdue", "The next run goes on with it.");
}

Condition Judge::DefaultPartitionEmpty() const {
  if (NotMade()) return Make("DefaultPartitionEmpty", "True", "NotMade", kNotMade);
  if (!has_table_) return Unknown("DefaultPartitionEmpty");
  if (!table_.default_partition) {
    return Make("DefaultPartitionEmpty", "True", "NoDefault", "There is no default partition.");
  }
  const DefaultPartition& fallback = *table_.default_partition;
  if (fallback.rows == 0)
    return Make("DefaultPartitionEmpty", "True", "Empty", "The default partition is empty.");
  std::string message = "The default partition holds " + Rounded(fallback.rows, fallback.exact) + " rows.";
  const std::optional<KeyType> key = KeyTypeOf(table_.key_column_type);
  if (key && outlook_.horizon != Instant{}) {
    const Instant horizon = ToKeyTime(outlook_.horizon, policy_.partitioning, *key);
    std::int64_t beyond = 0;
    for (std::size_t i = 1; i < fallback.counts.size(); ++i) {
      if (fallback.cuts[i - 1] >= horizon) beyond += fallback.counts[i];
    }
    if (beyond < fallback.rows)
      message += " They are moved to partitions of their own, or deleted if expired.";
    if (beyond > 0) {
      message += " Beyond the horizon " + ToString(outlook_.horizon) + " lie " +
                 Rounded(beyond, fallback.exact) +
                 ", which stay until it reaches them; if their time is wrong, correct it.";
    }
  }
  return Make("DefaultPartitionEmpty", "False", "RowsPresent", message);
}

Condition Judge::Converted() const {
  if (!has_table_) return Unknown("Converted");
  const std::optional<Conversion>& known = table_.conversion;
  if (table_.kind == Table::Kind::kPartitioned) {
    if (!known) return Make("Converted", "True", "Partitioned", "The table is partitioned.");
    return Make("Converted", "True", "Converted",
                "What was before " + ToString(Bound::At(known->cut)) + " is in " +
                    QuoteName(table_.schema, known->history_name) + ". " +
                    (known->no_way_back.empty() ? "It can become a plain table again (unconvert)."
                                                : "There is no way back: " + known->no_way_back + '.'));
  }
  const auto no = [](const std::string& reason, const std::string& message) {
    return Make("Converted", "False", reason, message);
  };
  if (known && known->state == Conversion::State::kReverting) {
    return no("Reverting", "The table is plain; the rows of its former partitions move back to it.");
  }
  if (policy_.partitioning.conversion != Partitioning::Conversion::kOnline ||
      policy_.partitioning.state != Partitioning::State::kEnabled) {
    return no("NotWanted", "The table is plain, and the policy does not ask for its conversion.");
  }
  if (failure_) return no(failure_->reason, "The conversion is held up; see Ready.");
  if (plan_.StopsEverything()) return no(Refused("", "").reason, "The conversion is refused; see Ready.");
  if (!known) return no("Pending", "The conversion has not begun.");
  return known->state == Conversion::State::kFenced
             ? no("Fenced", "Rows from " + ToString(Bound::At(known->cut)) +
                                " on are diverted, and show once the tables are swapped.")
             : no("Prepared", "The partitioned table stands beside the plain one.");
}

// " (40 %)".  Not how long it takes yet: that moves with the clock.
std::string Progress(const RollupState& state) {
  const std::optional<int> percent = FilledPercent(state);
  return percent ? " (" + std::to_string(*percent) + " %)" : "";
}

Condition Judge::RollupsCurrent() const {
  if (policy_.rollups.empty())
    return Make("RollupsCurrent", "True", "Disabled", "The policy has no rollups.");
  if (!has_table_ || failure_) return Unknown("RollupsCurrent");
  std::vector<std::string> filling;
  std::vector<std::string> missing;
  std::vector<std::string> stale;
  std::size_t kept = 0;
  for (const Rollup& rollup : policy_.rollups) {
    if (!rollup.enabled) continue;
    ++kept;
    const auto state = std::find_if(table_.rollups.begin(), table_.rollups.end(),
                                    [&](const RollupState& s) { return s.name == rollup.name; });
    if (state == table_.rollups.end() || !state->intact) {
      missing.push_back(rollup.name);
    } else if (!state->filled) {
      filling.push_back(rollup.name + Progress(*state));
    } else if (state->oldest_dirty && NextBucket(rollup, *state->oldest_dirty) + rollup.settle +
                                              policy_.schedule.period + kRefreshing <
                                          outlook_.now) {
      stale.push_back(rollup.name + " (since " + ToString(*state->oldest_dirty) + ")");
    }
  }
  const auto list = [](const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
  };
  if (!missing.empty()) {
    const auto refused = std::find_if(plan_.refusals.begin(), plan_.refusals.end(),
                                      [](const Refusal& r) { return r.code.starts_with("Rollup"); });
    return Make("RollupsCurrent", "False", refused != plan_.refusals.end() ? refused->code : "NotKept",
                "Not kept: " + list(missing) + ".");
  }
  if (!filling.empty()) {
    return Make("RollupsCurrent", "False", "Filling", "History is being computed: " + list(filling) + ".");
  }
  if (!stale.empty())
    return Make("RollupsCurrent", "False", "Behind", "Not up to date: " + list(stale) + ".");
  return Make("RollupsCurrent", "True", kept == 0 ? "Paused" : "AsDeclared",
              kept == 0 ? "All rollups are paused."
                        : "Every bucket is exact, or changed a moment ago and is computed again.");
}

}  // namespace

std::optional<int> FilledPercent(const RollupState& state) {
  const std::optional<double> share = state.filled ? std::nullopt : FilledShare(state);
  return share ? std::optional<int>(static_cast<int>(*share * 100)) : std::nullopt;
}

std::optional<double> ConversionProgress(const Policy& policy, const Catalog& catalog) {
  if (!catalog.table) return std::nullopt;
  const Table& table = *catalog.table;
  if (table.kind == Table::Kind::kPartitioned) {
    return table.conversion ? std::optional<double>(1) : std::nullopt;
  }
  const bool wanted = policy.partitioning.conversion == Partitioning::Conversion::kOnline &&
                      policy.partitioning.state == Partitioning::State::kEnabled;
  if (!table.conversion) return wanted ? std::optional<double>(0) : std::nullopt;
  if (table.conversion->state == Conversion::State::kReverting) return std::nullopt;
  // Four steps, of which the index and the swap take the time.
  if (table.conversion->state == Conversion::State::kFenced) return 0.75;
  const std::string& index = table.conversion->key_index;
  const bool built =
      index.empty() ||
      (table.anatomy && std::any_of(table.anatomy->indexes.begin(), table.anatomy->indexes.end(),
                                    [&](const TableIndex& i) { return i.name == index && i.valid; }));
  return built ? 0.5 : 0.25;
}

std::vector<Condition> WithParts(std::vector<Condition> own, const std::vector<PartConditions>& parts) {
  const auto badness = [](const Condition& condition) {
    const bool good_if_true = condition.type != "Stalled" && condition.type != "Reconciling";
    return condition.status == "Unknown" ? 1 : (condition.status == "True") == good_if_true ? 0 : 2;
  };
  for (Condition& condition : own) {
    if (condition.type == "Converted") continue;
    for (const PartConditions& part : parts) {
      for (const Condition& other : part.conditions) {
        if (other.type != condition.type || badness(other) <= badness(condition)) continue;
        condition =
            Make(other.type.c_str(), other.status.c_str(), other.reason, part.table + ": " + other.message);
      }
    }
  }
  return own;
}

std::vector<Condition> ConditionsOf(const Policy& policy, const Catalog& catalog, const Plan& plan,
                                    const std::optional<Failure>& failure) {
  const Judge judge(policy, catalog, plan, failure);
  return {judge.Ready(),          judge.Reconciling(),       judge.Stalled(),
          judge.Covered(),        judge.RetentionEnforced(), judge.DefaultPartitionEmpty(),
          judge.RollupsCurrent(), judge.Converted()};
}

std::vector<Condition> ConditionsOf(const Failure& failure) {
  std::vector<Condition> conditions = {Make("Ready", "False", failure.reason, failure.message)};
  for (const char* type : {"Reconciling", "Stalled", "Covered", "RetentionEnforced", "DefaultPartitionEmpty",
                           "RollupsCurrent", "Converted"}) {
    conditions.push_back(Make(type, "Unknown", failure.reason, "The database has not been read; see Ready."));
  }
  if (failure.needs_a_person) conditions[2] = Make("Stalled", "True", failure.reason, failure.message);
  return conditions;
}

}  // namespace partition_controller
