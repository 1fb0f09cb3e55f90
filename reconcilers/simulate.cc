#include "reconcilers/simulate.h"

#include <algorithm>
#include <map>

#include "reconcilers/bounds.h"
#include "reconcilers/calendar.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

constexpr int kMostYears = 50;

// The mean is of at most so many whole periods, the newest.
constexpr std::size_t kRecentPeriods = 6;

// More steps than anybody reads, and a sign of hours over decades.
constexpr std::size_t kMostSteps = 200'000;

// A run that is not done after so many plans goes in circles.
constexpr int kMostRounds = 64;

using Days = std::chrono::duration<double, std::ratio<86'400>>;

// A stretch of the axis and what its rows take on disk.
struct Measured {
  Range range;
  double bytes = 0;
};

bool Finite(const Range& range) { return range.from.finite() && range.to.finite(); }

double DaysOf(const Range& range) { return Days(range.to.at - range.from.at).count(); }

// What `range` and [from, to) share, in days; ranges may be open at either end.
double SharedDays(const Range& range, Instant from, Instant to) {
  const Bound begin = std::max(range.from, Bound::At(from));
  const Bound end = std::min(range.to, Bound::At(to));
  return begin < end ? Days(end.at - begin.at).count() : 0;
}

enum class Part { kTold, kSilent, kNotFollowed };

// What a simulation makes of a step: it tells those that make, move or remove
// something, and follows no conversion.
Part PartOf(const Action& action) {
  return std::visit(Overloaded{[](const FinalizeDetach&) { return Part::kTold; },
                               [](const CreatePartition&) { return Part::kTold; },
                               [](const CreateDefault&) { return Part::kTold; },
                               [](const RemoveDefault&) { return Part::kTold; },
                               [](const ReplacePartitions&) { return Part::kTold; },
                               [](const BeginDrain&) { return Part::kTold; },
                               [](const FinishDrain&) { return Part::kTold; },
                               [](const ReattachPartition&) { return Part::kTold; },
                               [](const DetachPartition&) { return Part::kTold; },
                               [](const DropPartition&) { return Part::kTold; },
                               [](const DeleteExpiredRows&) { return Part::kTold; },
                               [](const ForgetDetached&) { return Part::kSilent; },
                               [](const AddBoundCheck&) { return Part::kSilent; },
                               [](const ValidateBoundCheck&) { return Part::kSilent; },
                               [](const AnalyzeParent&) { return Part::kSilent; },
                               [](const InstallRollup&) { return Part::kSilent; },
                               [](const RefreshRollup&) { return Part::kSilent; },
                               [](const FillRollup&) { return Part::kSilent; },
                               [](const AuditRollup&) { return Part::kSilent; },
                               [](const ProveRollup&) { return Part::kSilent; },
                               [](const StopRollup&) { return Part::kSilent; },
                               [](const PrepareConversion&) { return Part::kNotFollowed; },
                               [](const BuildIndex&) { return Part::kNotFollowed; },
                               [](const DropInvalidIndex&) { return Part::kNotFollowed; },
                               [](const FenceConversion&) { return Part::kNotFollowed; },
                               [](const FinishConversion&) { return Part::kNotFollowed; },
                               [](const UnfenceConversion&) { return Part::kNotFollowed; },
                               [](const AbandonConversion&) { return Part::kNotFollowed; },
                               [](const BeginRevert&) { return Part::kNotFollowed; },
                               [](const MergeChild&) { return Part::kNotFollowed; },
                               [](const DropChild&) { return Part::kNotFollowed; },
                               [](const FinishRevert&) { return Part::kNotFollowed; }},
                    action);
}

bool Removes(const Action& action) {
  return std::holds_alternative<DetachPartition>(action) || std::holds_alternative<DropPartition>(action);
}

class Simulator {
 public:
  Simulator(const Policy& policy, const SavedCatalog& saved, const SimulationSpan& span)
      : policy_(policy), catalog_(saved.catalog) {
    result_.span = span;
    if (!catalog_.table) {
      throw NoSimulation("table " + QuoteName(policy.table.schema, policy.table.name) +
                         " is not in the catalog: there is no such table, or the role may not see it");
    }
    const std::optional<KeyType> key = KeyTypeOf(Modelled().key_column_type);
    if (!key) {
      throw NoSimulation(Name() + " has no column " + QuoteName(policy.time_column) +
                         " of type timestamptz, timestamp or date");
    }
    if (Modelled().kind != Table::Kind::kPartitioned) {
      throw NoSimulation(
          Name() + " is not partitioned: nothing is made or dropped of it" +
          (policy.partitioning.state == Partitioning::State::kEnabled
               ? "; a conversion is not simulated, so convert it first (partitioning.conversion: Online)"
               : ", expired rows are deleted in batches"));
    }
    if (policy.partitioning.conversion == Partitioning::Conversion::kRevert) {
      throw NoSimulation("partitioning.conversion is Revert: the way back to a plain table is not simulated");
    }
    key_ = *key;
    Assume();
    Weigh(saved);
    Measure(saved.catalog.server.time);
  }

  Simulation Take(const std::function<bool()>& go_on) {
    const SimulationSpan& span = result_.span;
    Instant at = span.from;
    for (std::int64_t run = 1; at <= span.to; ++run) {
      if (go_on && !go_on()) throw NoSimulation("interrupted");
      const std::optional<Instant> next = Run(at);
      if (span.every) {
        CalendarDuration passed = *span.every;
        passed.count = static_cast<int>(passed.count * run);
        at = Add(span.from, passed, policy_.partitioning.time_zone);
      } else if (next) {
        at = *next;
      } else {
        break;
      }
    }
    Point(span.to);
    Conclude();
    result_.last = std::move(Modelled());
    return std::move(result_);
  }

 private:
  Table& Modelled() { return *catalog_.table; }
  std::string Name() { return QuoteName(Modelled().schema, Modelled().name); }
  Instant KeyTime(Instant at) const { return ToKeyTime(at, policy_.partitioning, key_); }

  void Note(const std::string& note) {
    if (std::find(result_.notes.begin(), result_.notes.end(), note) == result_.notes.end()) {
      result_.notes.push_back(note);
    }
  }

  // What is said to be assumed.
  void Assume() {
    Server& server = catalog_.server;
    server.in_recovery = false;
    server.bookkeeping_version = kBookkeepingVersion;
    server.bookkeeping_usable = true;
    Table& table = Modelled();
    table.owner_is_us = table.may_create = table.owner_may_create = true;
    if (!policy_.rollups.empty()) {
      Note("rollups are assumed to keep up with the rows; their own tables are not in this simulation");
    }
    policy_.rollups.clear();
    table.rollups.clear();
    if (policy_.suspend || policy_.mode != Policy::Mode::kApply) {
      Note(std::string(policy_.suspend ? "spec.suspend is true" : "spec.mode is Plan") +
           ": nothing of this is carried out until that changes");
      policy_.suspend = false;
      policy_.mode = Policy::Mode::kApply;
    }
    if (!table.ownership) {
      table.ownership = Ownership{table.oid,   policy_.name_space, policy_.name,
                                  table.owner, server.database,    server.system_identifier,
                                  1,           std::nullopt,       std::nullopt};
    }
    // Statistics make and drop nothing, and would be a run each day.
    table.ownership->analyzed_at = result_.span.to + std::chrono::years(1);
    others_ = table.taken_names;
    next_oid_ = table.oid;
    const auto seen = [this](Oid oid) { next_oid_ = std::max(next_oid_, oid); };
    for (const Partition& partition : table.partitions) seen(partition.oid);
    for (const Detached& detached : table.detached) seen(detached.oid);
    if (table.default_partition) seen(table.default_partition->partition.oid);
    if (table.drain) seen(table.drain->target);
  }

  // What each table takes at the beginning.
  void Weigh(const SavedCatalog& saved) {
    Table& table = Modelled();
    for (const Partition& partition : table.partitions)
      bytes_[partition.oid] = static_cast<double>(partition.bytes);
    for (const Detached& detached : table.detached)
      bytes_[detached.oid] = static_cast<double>(detached.bytes);
    if (table.default_partition)
      bytes_[table.default_partition->partition.oid] =
          static_cast<double>(table.default_partition->partition.bytes);
    for (const RelationSize& size : saved.sizes) bytes_[size.oid] = static_cast<double>(size.bytes);
    if (!table.default_partition) return;
    const DefaultPartition& fallback = *table.default_partition;
    if (fallback.rows > 0) {
      bytes_per_row_ = bytes_[fallback.partition.oid] / static_cast<double>(fallback.rows);
    } else if (!fallback.exact) {
      Note("the default partition could not be counted: what is in it stays there in this simulation");
    }
  }

  // The mean of the newest whole periods, as of when the catalog was read.
  void Measure(Instant read_at) {
    const Table& table = Modelled();
    const Bound now = Bound::At(KeyTime(read_at));
    std::vector<Measured> whole;
    for (const Partition& partition : table.partitions) {
      if (!partition.range || !Finite(*partition.range) || partition.range->to > now) continue;
      const double bytes = partition.rows == 0 ? 0 : bytes_.at(partition.oid);
      whole.push_back({*partition.range, bytes});
    }
    // Rows that wait in the default partition are of their periods, too.
    if (table.default_partition) {
      const DefaultPartition& fallback = *table.default_partition;
      for (std::size_t i = 1; i < fallback.cuts.size() && i < fallback.counts.size(); ++i) {
        const Range stretch = Range::Between(fallback.cuts[i - 1], fallback.cuts[i]);
        if (fallback.counts[i] > 0 && stretch.to <= now)
          whole.push_back({stretch, static_cast<double>(fallback.counts[i]) * bytes_per_row_});
      }
    }
    std::sort(whole.begin(), whole.end(),
              [](const Measured& a, const Measured& b) { return a.range.to > b.range.to; });
    if (whole.size() > kRecentPeriods) whole.resize(kRecentPeriods);
    // From before there were rows.
    while (!whole.empty() && whole.back().bytes == 0) whole.pop_back();
    Growth& growth = result_.growth;
    double bytes = 0;
    double days = 0;
    for (const Measured& one : whole) {
      bytes += one.bytes;
      days += DaysOf(one.range);
    }
    growth.periods = whole.size();
    if (whole.empty()) {
      Note(
          "no whole period has rows yet, so it is not known how the table grows: the curve shows what is "
          "there now");
      return;
    }
    growth.bytes_per_day = bytes / days;
    growth.measured = Range{whole.back().range.from, whole.front().range.to};
  }

  // One run, until nothing is due.  When the next one is due.
  std::optional<Instant> Run(Instant at) {
    Point(at);
    catalog_.server.time = at;
    Acquaint();
    Plan plan;
    int removed = 0;
    bool changed = false;
    std::vector<Step> before;
    for (int round = 0;; ++round) {
      plan = MakePlanWithConsent(at, removed);
      if (plan.StopsEverything()) Refuse(plan);
      if (plan.steps.empty()) break;
      if (plan.steps == before || round == kMostRounds) {
        Note("at " + ToString(at) + " a step was done and was due again; it was left at that");
        break;
      }
      for (const Step& step : plan.steps) {
        const Part part = PartOf(step.action);
        if (part == Part::kNotFollowed) {
          throw NoSimulation(Name() + ": a conversion, or its way back, is under way and is not simulated");
        }
        if (part == Part::kTold) {
          result_.steps.push_back({at, step.action, Describe(step.action, Modelled()), step.reason});
          if (result_.steps.size() > kMostSteps) {
            throw NoSimulation("more than " + std::to_string(kMostSteps) + " steps by " + ToString(at) +
                               ": simulate a shorter time");
          }
        }
        if (Removes(step.action)) ++removed;
        if (std::holds_alternative<DeleteExpiredRows>(step.action)) {
          Note(
              "expired rows that are deleted one by one, in the history and default partitions, are shown "
              "where they are known today, not as they come");
        }
        Apply(step.action, at, &Modelled());
      }
      changed = true;
      RecordKeeper(policy_, catalog_.server, plan, &Modelled());
      Acquaint();
      before = std::move(plan.steps);
    }
    for (const Refusal& refusal : plan.refusals) Note("at " + ToString(at) + ": " + refusal.message);
    // Agreed to, also where there was nothing to do.
    RecordKeeper(policy_, catalog_.server, plan, &Modelled());
    if (changed) Point(at);
    const bool paced = policy_.retention && removed >= policy_.retention->max_per_run;
    const bool waits = std::any_of(plan.waiting.begin(), plan.waiting.end(),
                                   [](const Waiting& waiting) { return !waiting.until; });
    if (paced && waits) return at + policy_.schedule.period;
    return plan.wake_at;
  }

  Plan MakePlanWithConsent(Instant at, int removed) {
    Policy rest = policy_;
    if (rest.retention) rest.retention->max_per_run = std::max(0, rest.retention->max_per_run - removed);
    Plan plan = MakePlan(rest, catalog_, {at, false});
    if (!plan.needs_acknowledgement) return plan;
    const std::int64_t partitions = plan.at_stake ? plan.at_stake->partitions : 0;
    Note("at " + ToString(at) + " somebody would be asked for consent (" + std::to_string(partitions) +
         (partitions == 1 ? " partition" : " partitions") + " at stake); it is assumed to be given");
    return MakePlan(rest, catalog_, {at, false}, plan.hash);
  }

  [[noreturn]] void Refuse(const Plan& plan) {
    for (const Refusal& refusal : plan.refusals) {
      if (refusal.stops_everything) throw NoSimulation(refusal.message + "\n  remedy: " + refusal.remedy);
    }
    throw NoSimulation("the plan is refused");
  }

  // What the next look at a database would show of what was just made.
  void Acquaint() {
    Table& table = Modelled();
    const auto meet = [this](Oid* oid) {
      if (*oid == 0) *oid = ++next_oid_;
    };
    if (table.drain) meet(&table.drain->target);
    for (Partition& partition : table.partitions) {
      meet(&partition.oid);
      const bool known = bytes_.contains(partition.oid);
      if (!known) bytes_[partition.oid] = std::max(0.0, partition.rows) * bytes_per_row_;
      partition.bytes = static_cast<std::int64_t>(bytes_[partition.oid]);
    }
    table.taken_names = others_;
    if (!table.default_partition) return;
    DefaultPartition& fallback = *table.default_partition;
    meet(&fallback.partition.oid);
    if (fallback.exact || bytes_per_row_ > 0) {
      bytes_[fallback.partition.oid] = static_cast<double>(fallback.rows) * bytes_per_row_;
    }
  }

  // What the disk holds at `at`.
  void Point(Instant at) {
    const Instant begin = KeyTime(result_.span.from);
    const Instant now = std::max(begin, KeyTime(at));
    const double rate = result_.growth.bytes_per_day;
    const auto weight = [&](Oid oid, const std::optional<Range>& range) {
      const auto found = bytes_.find(oid);
      const double there = found == bytes_.end() ? 0 : found->second;
      return there + (range ? SharedDays(*range, begin, now) * rate : 0);
    };
    const Table& table = Modelled();
    DiskPoint point;
    point.at = at;
    double attached = 0;
    double detached = 0;
    for (const Partition& partition : table.partitions) attached += weight(partition.oid, partition.range);
    if (table.default_partition) attached += weight(table.default_partition->partition.oid, std::nullopt);
    for (const Detached& one : table.detached) {
      if (one.exists && !one.attached) detached += weight(one.oid, one.range);
    }
    point.bytes = static_cast<std::int64_t>(attached + detached);
    point.detached = static_cast<std::int64_t>(detached);
    point.partitions = table.partitions.size() + (table.default_partition ? 1 : 0);
    if (result_.curve.empty() || result_.curve.back() != point) result_.curve.push_back(point);
  }

  void Conclude() {
    const std::optional<DefaultPartition>& fallback = Modelled().default_partition;
    if (fallback && fallback->rows > 0) {
      Note(std::to_string(fallback->rows) +
           " rows are in the default partition at the end: they belong to no period that is made");
    }
  }

  Policy policy_;
  Catalog catalog_;
  KeyType key_ = KeyType::kTimestampTz;
  std::map<Oid, double> bytes_;  // at the beginning, or when a drain filled it
  double bytes_per_row_ = 0;     // of the default partition
  std::vector<std::string> others_;
  Oid next_oid_ = 0;
  Simulation result_;
};

}  // namespace

std::string ProblemWith(const SimulationSpan& span) {
  if (span.to <= span.from) {
    return "--to " + ToString(span.to) + " is not after --from " + ToString(span.from);
  }
  const CalendarDuration most{kMostYears, CalendarDuration::Unit::kYear};
  if (span.to > Add(span.from, most, "UTC")) {
    return "--from " + ToString(span.from) + " to --to " + ToString(span.to) + " is more than " +
           std::to_string(kMostYears) + " years";
  }
  if (span.every && span.every->count == 0) return "--every must be longer than nothing";
  return "";
}

Simulation Simulate(const Policy& policy, const SavedCatalog& saved, const SimulationSpan& span,
                    const std::function<bool()>& go_on) {
  return Simulator(policy, saved, span).Take(go_on);
}

std::int64_t BytesAt(const Simulation& simulation, Instant at) {
  const auto& curve = simulation.curve;
  const auto after = std::upper_bound(curve.begin(), curve.end(), at,
                                      [](Instant a, const DiskPoint& b) { return a < b.at; });
  const auto before = after - 1;
  if (after == curve.end()) return before->bytes;
  const double share = Days(at - before->at).count() / Days(after->at - before->at).count();
  return before->bytes + static_cast<std::int64_t>(share * static_cast<double>(after->bytes - before->bytes));
}

}  // namespace partition_controller
