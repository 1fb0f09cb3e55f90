// A policy for a table that pg_partman, PPM or somebody's own code looks after.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "crd/text.h"
#include "reconcilers/bounds.h"
#include "reconcilers/calendar.h"
#include "reconcilers/doctor.h"
#include "reconcilers/quote.h"
#include "reconcilers/zone.h"

namespace partition_controller {
namespace {

constexpr std::array kGranularities = {Granularity::kYear, Granularity::kQuarter, Granularity::kMonth,
                                       Granularity::kWeek, Granularity::kDay,     Granularity::kHour};

// In double quotes; JSON's are YAML's, too.
std::string Scalar(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// What the bounds that are there agree on.
struct Layout {
  Granularity granularity = Granularity::kMonth;
  std::string zone = "UTC";
  bool certain = false;  // all of them are its periods
};

bool Fits(const ExaminedTable& table, const Calendar& calendar, bool whole) {
  bool any = false;
  for (const Partition& partition : table.partitions) {
    if (!partition.range || !partition.range->from.finite() || !partition.range->to.finite()) continue;
    const Instant from = partition.range->from.at;
    any = true;
    if (PeriodStart(from, calendar) != from) return false;
    if (whole && NextPeriod(from, calendar) != partition.range->to.at) return false;
  }
  return any;
}

Layout LayoutOf(const ExaminedTable& table, const std::vector<std::string>& zones) {
  const bool zoned = KeyTypeOf(table.key_type) == KeyType::kTimestampTz;
  for (const std::string& zone : zones) {
    for (const Granularity granularity : kGranularities) {
      if (Fits(table, {granularity, zoned ? zone : "UTC"}, true)) return {granularity, zone, true};
    }
    if (!zoned) break;
  }
  return {};
}

// The nearest granularity to an interval, and whether it is that.
Granularity GranularityOf(std::int64_t months, std::int64_t seconds, bool* exact) {
  *exact = true;
  if (months == 12 && seconds == 0) return Granularity::kYear;
  if (months == 3 && seconds == 0) return Granularity::kQuarter;
  if (months == 1 && seconds == 0) return Granularity::kMonth;
  if (months == 0 && seconds == 7 * 86'400) return Granularity::kWeek;
  if (months == 0 && seconds == 86'400) return Granularity::kDay;
  if (months == 0 && seconds == 3'600) return Granularity::kHour;
  *exact = false;
  const std::int64_t days = months * 30 + seconds / 86'400;
  if (days >= 200) return Granularity::kYear;
  if (days >= 60) return Granularity::kQuarter;
  if (days >= 20) return Granularity::kMonth;
  if (days >= 4) return Granularity::kWeek;
  return days >= 1 ? Granularity::kDay : Granularity::kHour;
}

// As a policy writes it, rounded up; empty for none.
std::string KeepOf(std::int64_t months, std::int64_t seconds) {
  if (months > 0 && seconds == 0) {
    return months % 12 == 0 ? std::to_string(months / 12) + "y" : std::to_string(months) + "mo";
  }
  seconds += months * 30 * 86'400;
  if (seconds <= 0) return "";
  if (seconds % 86'400 == 0) return std::to_string(seconds / 86'400) + "d";
  return std::to_string((seconds + 3'599) / 3'600) + "h";
}

// Whether partitions are called as PPM calls them: TABLE_2026, TABLE_2026_11,
// TABLE_2026_11_22, TABLE_2026_w47, TABLE_2026_q4.
bool NamedByPpm(const ExaminedTable& table) {
  std::size_t named = 0;
  for (const Partition& partition : table.partitions) {
    if (!partition.name.starts_with(table.name + "_")) return false;
    std::string_view rest = std::string_view(partition.name).substr(table.name.size() + 1);
    std::string shape;
    for (const char c : rest) shape += c >= '0' && c <= '9' ? '9' : c;
    if (shape != "9999" && shape != "9999_99" && shape != "9999_99_99" && shape != "9999_w99" &&
        shape != "9999_q9") {
      return false;
    }
    ++named;
  }
  return named > 0;
}

// A name that Kubernetes accepts.
std::string ResourceName(const std::string& table) {
  std::string name;
  for (char c : table) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (good) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  name = name.substr(0, 50);
  while (name.ends_with('-')) name.pop_back();
  return name.empty() ? "table" : name;
}

// Which of the proposals for all tables has which name: each its own, so that
// they load together.
std::string NameOf(const ExaminedTable& table, const Examined& examined) {
  std::set<std::string> taken;
  for (const ExaminedTable& other : examined.tables) {
    std::string name = ResourceName(other.name);
    if (taken.contains(name)) name = ResourceName(other.schema + "-" + other.name);
    const std::string stem = name;
    for (int i = 2; taken.contains(name); ++i) name = stem + "-" + std::to_string(i);
    if (other.schema == table.schema && other.name == table.name) return name;
    taken.insert(name);
  }
  return ResourceName(table.name);
}

class Proposal {
 public:
  Proposal(const ExaminedTable& table, const Examined& examined)
      : table_(table), server_(examined.server), name_(NameOf(table, examined)) {
    for (const PartmanTable& row : examined.partman) {
      if (row.schema == table.schema && row.name == table.name) partman_ = &row;
    }
    zones_ = {"UTC"};
    if (examined.time_zone != "UTC" && KnownZone(examined.time_zone)) zones_.push_back(examined.time_zone);
  }

  std::string Write(const std::string& env) {
    const Layout layout = LayoutOf(table_, zones_);
    Comment(0, "A policy for " + QuoteName(table_.schema, table_.name) + ", " + Origin() +
                   ". Look at its plan before it acts: partition-controller plan --spec FILE");
    Line("apiVersion: edgewatch.dev/v1alpha1");
    Line("kind: PartitionPolicy");
    Line("metadata:");
    Line("  name: " + Scalar(name_));
    Line("spec:");
    Line("  mode: Plan  # until you have read the plan; then Apply");
    Line("  connection:");
    Line("    env: " + Scalar(env));
    Line("  table:");
    Line("    schema: " + Scalar(table_.schema));
    Line("    name: " + Scalar(table_.name));
    Line("  timeColumn: " + Scalar(table_.key_column));
    Line("  partitioning:");
    Periods(layout);
    Line(std::string("    defaultPartition: ") +
         (table_.default_partition ? "Keep" : "Keep  # there is none yet; Absent refuses rows out of range"));
    Retain();
    return std::move(text_);
  }

 private:
  void Line(const std::string& line) { text_ += line + "\n"; }
  void Comment(std::size_t indent, const std::string& text) {
    Line(std::string(indent, ' ') + "# " + Printable(text));
  }

  std::string Origin() const {
    if (partman_ != nullptr) return "which pg_partman looks after (" + partman_->config + ")";
    if (NamedByPpm(table_)) return "whose partitions have the names that PPM gives them";
    return "whose partitions somebody else makes";
  }

  void Periods(const Layout& layout) {
    Granularity granularity = layout.granularity;
    if (partman_ != nullptr && partman_->interval_months) {
      bool exact = false;
      granularity = GranularityOf(*partman_->interval_months, partman_->interval_seconds, &exact);
      Comment(4, "pg_partman: partition_interval " + partman_->interval +
                     (exact ? "" : ", which has no counterpart: new partitions get this one"));
    } else if (!layout.certain) {
      Comment(4, table_.partitions.empty()
                     ? "there is no partition to go by: a guess"
                     : "the bounds that are there have no common granularity, so this is a guess");
    } else {
      Comment(4, "what the bounds of the " + std::to_string(table_.partitions.size()) +
                     " partitions have in common");
    }
    Line(std::string("    granularity: ") + ToString(granularity));
    Line("    timeZone: " + Scalar(layout.zone));
    if (partman_ != nullptr) {
      Line("    premake: " + std::to_string(std::max(0, std::min(partman_->premake, 100))) +
           "  # pg_partman: premake");
    } else {
      const auto ahead =
          std::count_if(table_.partitions.begin(), table_.partitions.end(), [&](const Partition& partition) {
            return partition.range && partition.range->from > Bound::At(server_.time);
          });
      Line("    premake: " + std::to_string(std::max<std::int64_t>(2, std::min<std::int64_t>(ahead, 100))) +
           "  # " + std::to_string(ahead) + " are ahead now");
    }
  }

  void Retain() {
    if (partman_ != nullptr && !partman_->retention.empty()) {
      const std::string keep = KeepOf(partman_->retention_months, partman_->retention_seconds);
      if (!keep.empty()) {
        // A schema overrides it: what has expired is moved there, and kept.
        const bool moves = !partman_->retention_schema.empty();
        Comment(2, "pg_partman: retention " + partman_->retention +
                       (moves ? ", retention_schema " + partman_->retention_schema +
                                    ": nothing moves them there any more"
                              : std::string(", retention_keep_table ") +
                                    (partman_->retention_keeps_table ? "true" : "false")));
        Line("  retention:");
        Line("    keep: " + Scalar(keep));
        Line(std::string("    action: ") + (moves || partman_->retention_keeps_table ? "Detach" : "Drop"));
        Line("    undoWindow: 7d  # how long what is dropped can be taken back");
        return;
      }
    }
    std::string oldest;
    if (!table_.partitions.empty() && table_.partitions.front().range) {
      oldest = "; the oldest partition begins at " + ToString(table_.partitions.front().range->from);
    }
    Comment(2, "Nothing in the database says how long rows are kept, so nothing is removed" + oldest + ".");
    Comment(2, "retention: {keep: 90d, action: Drop, undoWindow: 7d}");
  }

  const ExaminedTable& table_;
  const Server& server_;
  const std::string name_;
  const PartmanTable* partman_ = nullptr;
  std::vector<std::string> zones_;
  std::string text_;
};

}  // namespace

std::string ProposePolicy(const ExaminedTable& table, const Examined& examined, const std::string& env) {
  return Proposal(table, examined).Write(env);
}

}  // namespace partition_controller
