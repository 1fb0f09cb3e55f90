#include "reconcilers/doctor.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "crd/text.h"
#include "reconcilers/bounds.h"
#include "reconcilers/calendar.h"
#include "reconcilers/doctor_statements.h"
#include "reconcilers/explaining.h"
#include "reconcilers/quote.h"
#include "reconcilers/zone.h"

namespace partition_controller {
namespace {

using Severity = Finding::Severity;

// Lower case, white space folded.
std::string Folded(std::string_view sql) {
  std::string folded;
  for (const char c : sql) {
    const bool blank = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (blank && (folded.empty() || folded.back() == ' ')) continue;
    folded += blank ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return folded;
}

// A remedy's constant.
std::string Text(std::string_view text) { return QuoteLiteral(text); }

std::string Count(std::int64_t rows) {
  return rows >= kMostCounted ? "at least " + std::to_string(kMostCounted) : std::to_string(rows);
}

constexpr std::size_t kMostNames = 5;

class Doctor {
 public:
  Doctor(const Examined& examined, const std::vector<ExaminedPolicy>& policies)
      : examined_(examined), policies_(policies) {}

  std::vector<Finding> Look() {
    for (const ExaminedPolicy& one : policies_) Refusals(one);
    PlainIndexes();
    bool any = false;
    for (const ExaminedTable& table : examined_.tables) {
      const ExaminedPolicy* policy = PolicyOf(table);
      if (policy == nullptr && !policies_.empty()) continue;
      any = true;
      table_ = &table;
      name_ = QuoteName(table.schema, table.name);
      Coverage(policy);
      Zones(policy);
      Default();
      Pending();
      Index();
      Triggers();
      Partman();
      for (Finding& finding : ExamineStatements(examined_, table)) {
        finding.table = name_;
        findings_.push_back(std::move(finding));
      }
      Alike();
      if (policy == nullptr && table.kept_by.empty() && examined_.keepers_known) {
        Add("NoPolicy", Severity::kInfo, "no policy looks after it",
            "partitions are made and dropped by something else, or not at all",
            "partition-controller doctor -o yaml prints a policy to begin with");
      }
    }
    name_.clear();
    if (any || policies_.empty()) Jobs();
    Orphans();
    NotLooked();
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
    return std::move(findings_);
  }

 private:
  const ExaminedPolicy* PolicyOf(const ExaminedTable& table) const {
    const auto found = std::find_if(policies_.begin(), policies_.end(), [&](const ExaminedPolicy& one) {
      return one.catalog.table && one.catalog.table->oid == table.oid;
    });
    return found == policies_.end() ? nullptr : &*found;
  }

  void Add(std::string code, Severity severity, std::string what, std::string why, std::string advice) {
    Add(std::move(code), severity, std::move(what), std::move(why), std::vector<std::string>(),
        std::move(advice));
  }

  void Add(std::string code, Severity severity, std::string what, std::string why,
           std::vector<std::string> sql, std::string advice) {
    findings_.push_back({std::move(code), severity, name_, std::move(what), std::move(why), std::move(sql),
                         std::move(advice)});
  }

  // What the controller itself would refuse to do, in its words.
  void Refusals(const ExaminedPolicy& one) {
    name_ = QuoteName(one.policy.table.schema, one.policy.table.name);
    for (const Refusal& refusal : one.plan.refusals) {
      Add(refusal.code, refusal.stops_everything ? Severity::kError : Severity::kWarning, refusal.message,
          refusal.stops_everything ? "the controller does nothing to the table until this is mended"
                                   : "nothing is removed from the table until this is mended",
          refusal.sql, Words(refusal));
    }
  }

  // What its remedy says after the SQL.
  static std::string Words(const Refusal& refusal) {
    std::size_t sql = 0;
    for (const std::string& statement : refusal.sql) sql += statement.size() + 1;
    return refusal.remedy.substr(std::min(sql, refusal.remedy.size()));
  }

  // The clock on the axis of the table's key.
  Instant KeyNow(const ExaminedPolicy* policy) const {
    const std::optional<KeyType> key = KeyTypeOf(table_->key_type);
    if (policy == nullptr || !key) return examined_.server.time;
    return ToKeyTime(examined_.server.time, policy->policy.partitioning, *key);
  }

  std::string Fate() const {
    return table_->default_partition
               ? "rows of that time go to the default partition, where each new partition must look for them"
               : "rows of that time are refused: their INSERT fails with \"no partition of relation found\"";
  }

  void Coverage(const ExaminedPolicy* policy) {
    const Severity severity = table_->default_partition ? Severity::kWarning : Severity::kError;
    const std::string remedy = policy != nullptr ? "partition-controller apply --spec PATH, or the controller"
                                                 : "a policy, and partition-controller apply --spec PATH";
    std::vector<Range> ranges;
    for (const Partition& partition : table_->partitions) {
      if (partition.range && !partition.detach_pending) ranges.push_back(*partition.range);
    }
    const Bound now = Bound::At(KeyNow(policy));
    const bool covered = std::any_of(ranges.begin(), ranges.end(),
                                     [&](const Range& range) { return range.from <= now && now < range.to; });
    if (!covered) {
      Add("NowUncovered", severity, "no partition holds the present (" + ToString(now) + ")", Fate(), remedy);
    } else if (const auto last = std::max_element(ranges.begin(), ranges.end(),
                                                  [](const Range& a, const Range& b) { return a.to < b.to; });
               last->from <= now) {
      Add("NothingAhead", Severity::kWarning,
          "the current partition is the last one: coverage ends at " + ToString(last->to), "then " + Fate(),
          remedy);
    }
    if (ranges.size() < 2) return;
    std::sort(ranges.begin(), ranges.end());
    const std::vector<Range> gaps = Gaps({ranges.front().from, ranges.back().to}, ranges);
    for (const Range& gap : gaps) {
      if (gap.from <= now && now < gap.to) continue;  // said already
      // Nobody writes what has expired.
      const bool expired = policy != nullptr && policy->plan.outlook.cutoff &&
                           gap.to <= Bound::At(*policy->plan.outlook.cutoff);
      if (expired) continue;
      Add("Gap", severity, "no partition covers " + ToString(gap), Fate(), remedy);
    }
  }

  // Bounds at midnight of another zone than the policy's.
  void Zones(const ExaminedPolicy* policy) {
    const std::optional<KeyType> key = KeyTypeOf(table_->key_type);
    if (policy == nullptr || !key) return;
    const Partitioning& partitioning = policy->policy.partitioning;
    const Calendar calendar = CalendarFor(partitioning, *key);
    std::vector<std::string> odd;
    for (const Partition& partition : table_->partitions) {
      // What other granularities have in common: days, or hours.
      const Calendar finest{
          partitioning.granularity == Granularity::kHour ? Granularity::kHour : Granularity::kDay,
          calendar.zone};
      const auto lines_up = [&](const Bound& bound) {
        return !bound.finite() || PeriodStart(bound.at, finest) == bound.at;
      };
      if (!partition.range || (lines_up(partition.range->from) && lines_up(partition.range->to))) continue;
      odd.push_back(QuoteName(partition.schema, partition.name) + ' ' + ToString(*partition.range));
    }
    if (odd.empty()) return;
    Add("BoundsOffZone", Severity::kWarning,
        std::to_string(odd.size()) + (odd.size() == 1 ? " partition does" : " partitions do") +
            " not begin and end at midnight in " + calendar.zone + ", such as " + odd.front(),
        "where they end, a shorter or longer partition has to fill in, and rows expire hours early or late; "
        "clients with another session time zone made them, perhaps",
        "set spec.partitioning.timeZone to the zone whose midnights they are (for these: " + ZonesOf(*key) +
            "); partitions that are there stay as they are");
  }

  // Of a few well-known zones, those in which most bounds are midnights.
  std::string ZonesOf(KeyType key) const {
    std::string zones;
    for (const std::string& zone : CandidateZones(examined_)) {
      const Calendar days{Granularity::kDay, key == KeyType::kTimestampTz ? zone : "UTC"};
      std::size_t fits = 0;
      std::size_t all = 0;
      for (const Partition& partition : table_->partitions) {
        if (!partition.range || !partition.range->from.finite()) continue;
        ++all;
        if (PeriodStart(partition.range->from.at, days) == partition.range->from.at) ++fits;
      }
      if (all > 0 && fits * 2 > all) zones += (zones.empty() ? "" : ", ") + zone;
    }
    return zones.empty() ? "none of the usual ones" : zones;
  }

 public:
  static std::vector<std::string> CandidateZones(const Examined& examined) {
    std::vector<std::string> zones = {"UTC"};
    if (examined.time_zone != "UTC" && KnownZone(examined.time_zone)) zones.push_back(examined.time_zone);
    for (const char* zone : {"America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
                             "America/Sao_Paulo", "Europe/London", "Europe/Berlin", "Europe/Athens",
                             "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo", "Australia/Sydney"}) {
      const bool there = std::find(zones.begin(), zones.end(), zone) != zones.end();
      if (!there && KnownZone(zone)) zones.push_back(zone);
    }
    return zones;
  }

 private:
  void Default() {
    if (!table_->default_partition || table_->default_rows == 0) return;
    const std::string fallback =
        QuoteName(table_->default_partition->schema, table_->default_partition->name);
    if (table_->default_rows < 0) {
      Add("DefaultUnreadable", Severity::kWarning,
          "the rows of the default partition " + fallback + " could not be counted: " + table_->default_error,
          "rows in it keep partitions of their time from being made", table_->default_grants,
          table_->default_grants.empty() ? "Ask again." : "");
      return;
    }
    if (table_->default_rows_ahead > 0) {
      Add("DefaultHoldsComing", Severity::kError,
          "the default partition " + fallback + " holds " + Count(table_->default_rows_ahead) +
              " rows of now or later",
          "CREATE TABLE ... PARTITION OF for their time fails (\"updated partition constraint for default "
          "partition would be violated\"), so no other tool can make the partitions that they belong to",
          "a policy, and partition-controller apply: the rows are moved to partitions of their own under "
          "load");
      return;
    }
    Add("DefaultNotEmpty", Severity::kWarning,
        "the default partition " + fallback + " holds " + Count(table_->default_rows) + " rows",
        "no query prunes it, no retention drops it, and each new partition scans it under lock",
        "a policy, and partition-controller apply: the rows are moved to partitions of their own under load");
  }

  void Pending() {
    for (const Partition& partition : table_->partitions) {
      if (!partition.detach_pending) continue;
      const std::string name = QuoteName(partition.schema, partition.name);
      Add("DetachPending", Severity::kError,
          "a DETACH PARTITION ... CONCURRENTLY of " + name + " was left half done",
          "its rows are out of sight, inserts into its range fail, and no other partition can be detached "
          "meanwhile",
          {"ALTER TABLE " + name_ + " DETACH PARTITION " + name + " FINALIZE;"}, "");
    }
  }

  void Index() {
    if (table_->has_time_index) return;
    const std::string column = QuoteName(table_->key_column);
    std::vector<std::string> sql;
    const auto build = [&](const Partition& partition) {
      const bool there =
          std::find(table_->indexed.begin(), table_->indexed.end(), partition.oid) != table_->indexed.end();
      if (partition.kind != Partition::Kind::kTable || there) return;
      sql.push_back("CREATE INDEX CONCURRENTLY ON " + QuoteName(partition.schema, partition.name) + " (" +
                    column + ");");
    };
    for (const Partition& partition : table_->partitions) build(partition);
    if (table_->default_partition) build(*table_->default_partition);
    sql.push_back("CREATE INDEX ON " + name_ + " (" + column + ");");
    Add("TimeIndexMissing", Severity::kWarning, "no index of it is led by the time column " + column,
        "queries for a short time read whole partitions, and row deletes read the whole table", sql,
        "each by itself, outside a transaction: the last one takes over the indexes of the partitions, "
        "builds "
        "none anew, and blocks writers for a moment only");
  }

  void PlainIndexes() {
    for (const UnindexedTable& table : examined_.unindexed) {
      name_ = QuoteName(table.schema, table.name);
      const std::string column = QuoteName(table.column);
      Add("TimeIndexMissing", Severity::kWarning, "no index of it is led by the time column " + column,
          "queries for a short time read all of it, and so does each look for expired rows",
          {"CREATE INDEX CONCURRENTLY ON " + name_ + " (" + column + ");"},
          "by itself, outside a transaction");
    }
  }

  void Alike() {
    std::vector<std::string> names;
    for (const AlikeTable& one : table_->alike) {
      if (one.bounded || NamedAsPartition(one.name, table_->name))
        names.push_back(QuoteName(one.schema, one.name));
    }
    if (names.empty()) return;
    std::string shown;
    for (std::size_t i = 0; i < names.size() && i < kMostNames; ++i) shown += (i == 0 ? "" : ", ") + names[i];
    if (names.size() > kMostNames) shown += ", and " + std::to_string(names.size() - kMostNames) + " more";
    Add("LeftoverTable", Severity::kWarning,
        (names.size() == 1
             ? "a table looks as if it had been a partition of it: "
             : std::to_string(names.size()) + " tables look as if they had been partitions of it: ") +
            shown,
        "no query of the table sees their rows, no retention ever drops them, and they take room on disk",
        "Look at what is in them; then DROP TABLE, or ALTER TABLE ... ATTACH PARTITION, or a name of their "
        "own.");
  }

  void Triggers() {
    for (const ForeignTrigger& trigger : table_->triggers) {
      if (!trigger.makes_partitions && trigger.extension != "pg_partman" &&
          trigger.extension != "timescaledb") {
        continue;
      }
      const std::string on = QuoteName(trigger.schema, trigger.table);
      Add("ForeignTrigger", Severity::kWarning,
          "trigger " + QuoteName(trigger.name) + " on " + on +
              (trigger.extension.empty() ? " makes or chooses partitions"
                                         : " belongs to extension " + trigger.extension),
          "another tool's leftover routes rows, or makes partitions in an INSERT, under its locks",
          {"DROP TRIGGER " + QuoteName(trigger.name) + " ON " + on + ";"}, "");
    }
  }

  void Partman() {
    for (const PartmanTable& row : examined_.partman) {
      if (row.schema != table_->schema || row.name != table_->name || !row.automatic) continue;
      Add("PartmanAtWork", Severity::kWarning,
          "pg_partman's maintenance looks after it (" + row.config + ", every " + row.interval + ")",
          "two tools make and drop its partitions: what one detaches the other may drop",
          {"UPDATE " + row.config + " SET automatic_maintenance = 'off' WHERE parent_table = " +
           Text(row.schema + "." + row.name) + ";"},
          "");
    }
  }

  void Jobs() {
    for (const CronJob& job : examined_.jobs) {
      if (!job.active) continue;
      const std::string text = Folded(job.command);
      const bool partman = text.find("run_maintenance") != std::string::npos ||
                           text.find("partition_data_") != std::string::npos;
      const bool ddl = text.find("partition of") != std::string::npos ||
                       text.find("detach partition") != std::string::npos ||
                       text.find("attach partition") != std::string::npos;
      const bool touches =
          std::any_of(examined_.tables.begin(), examined_.tables.end(),
                      [&](const ExaminedTable& table) { return JobTouches(job.command, table); });
      if (!partman && !ddl && !touches) continue;
      Add("CronJob", partman ? Severity::kWarning : Severity::kError,
          "pg_cron runs a job on partitions (" + job.schedule + "): " + ShownStatement(job.command),
          partman ? "pg_partman's maintenance goes on for each table in part_config"
                  : "it makes, detaches or empties partitions behind the controller's back",
          {"SELECT cron.unschedule(" + std::to_string(job.id) + ");"}, "");
    }
  }

  void Orphans() {
    for (const Orphan& orphan : examined_.orphans) {
      name_ = orphan.name;
      const std::string policy = orphan.policy.empty() ? "" : " (policy " + orphan.policy + ")";
      if (orphan.kind == Orphan::Kind::kTable) {
        Add("OrphanedRecord", Severity::kInfo,
            "the bookkeeping has a table that is gone: oid " + std::to_string(orphan.oid) + policy,
            "it is only clutter, unless the table was replaced: then the policy asks for consent first",
            orphan.sql, "");
      } else if (orphan.kind == Orphan::Kind::kDetached) {
        Add("OrphanedPartition", Severity::kWarning,
            "it was detached from a table that is gone, and nobody will drop it" + policy,
            "it takes room on disk for ever", orphan.sql, "");
      } else {
        Add("OrphanedTrigger", Severity::kError,
            "a trigger of the controller is on a table that no policy looks after",
            "it diverts rows, or slows each write down, for nobody", orphan.sql, "");
      }
    }
  }

  void NotLooked() {
    name_.clear();
    for (const NotLookedAt& one : examined_.not_looked_at) {
      Add("NotLookedAt", Severity::kWarning, "could not look at " + one.what + ": " + one.why,
          "what is wrong there is not among these findings", one.sql, one.advice);
    }
  }

  const Examined& examined_;
  const std::vector<ExaminedPolicy>& policies_;
  const ExaminedTable* table_ = nullptr;
  std::string name_;
  std::vector<Finding> findings_;
};

const char* ToString(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kInfo:
      return "info";
  }
  return "";
}

}  // namespace

std::vector<Finding> Examine(const Examined& examined, const std::vector<ExaminedPolicy>& policies) {
  return Doctor(examined, policies).Look();
}

std::vector<const ExaminedTable*> WithoutPolicy(const Examined& examined,
                                                const std::vector<ExaminedPolicy>& policies) {
  std::vector<const ExaminedTable*> tables;
  if (!examined.keepers_known) return tables;
  for (const ExaminedTable& table : examined.tables) {
    const bool known = std::any_of(policies.begin(), policies.end(), [&](const ExaminedPolicy& one) {
      return one.catalog.table && one.catalog.table->oid == table.oid;
    });
    if (!known && table.kept_by.empty()) tables.push_back(&table);
  }
  return tables;
}

std::string FindingsText(const std::vector<Finding>& findings, bool colour) {
  if (findings.empty()) return "Nothing found.\n";
  std::string text;
  const auto field = [&](const char* label, const std::string& value) {
    for (std::size_t from = 0; from <= value.size();) {
      const std::size_t end = std::min(value.size(), value.find('\n', from));
      std::string head = from == 0 ? label : "";
      head.resize(9, ' ');
      text += "  " + head + Printable(value.substr(from, end - from)) + "\n";
      from = end + 1;
    }
  };
  for (const Finding& finding : findings) {
    const std::string title = std::string(ToString(finding.severity)) + " " + finding.code +
                              (finding.table.empty() ? "" : ", " + finding.table);
    text += text.empty() ? "" : "\n";
    text += colour ? "\x1b[1m" + Printable(title) + "\x1b[0m\n" : Printable(title) + "\n";
    field("what:", finding.what);
    field("why:", finding.why);
    for (std::size_t i = 0; i < finding.sql.size(); ++i) field(i == 0 ? "sql:" : "", finding.sql[i]);
    if (!finding.advice.empty()) field("advice:", finding.advice);
  }
  return text;
}

nlohmann::ordered_json FindingsJson(const std::vector<Finding>& findings) {
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    nlohmann::ordered_json sql = nlohmann::ordered_json::array();
    for (const std::string& statement : finding.sql) sql.push_back(Utf8(statement));
    array.push_back({{"code", finding.code},
                     {"severity", ToString(finding.severity)},
                     {"table", Utf8(finding.table)},
                     {"what", Utf8(finding.what)},
                     {"why", Utf8(finding.why)},
                     {"sql", sql},
                     {"advice", Utf8(finding.advice)}});
  }
  return array;
}

}  // namespace partition_controller
