#include "reconcilers/consent.h"

#include <algorithm>
#include <cstdio>

#include "crd/text.h"
#include "reconcilers/bounds.h"
#include "reconcilers/quote.h"
#include "reconcilers/rollup_tables.h"

namespace partition_controller {
namespace {

// FNV-1a, 64 bits: short enough to be typed; it guards against a plan that has
// changed since, not against somebody who may edit the policy anyway.
class Hash {
 public:
  void Add(const std::string& text) {
    for (const char c : text + '\0') {
      state_ ^= static_cast<unsigned char>(c);
      state_ *= 0x100000001b3ULL;
    }
  }
  std::string Text() const {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(state_));
    return text;
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325ULL;
};

std::string Identity(Oid oid, const Range& range) {
  const auto number = [](const Bound& bound) {
    return bound.finite() ? std::to_string(bound.at.time_since_epoch().count()) : ToString(bound);
  };
  return std::to_string(oid) + ' ' + number(range.from) + ' ' + number(range.to);
}

// Over the policy, the table and the set to be removed, never over rows, bytes or
// time; and over the last consent, so that what was consented to once is asked
// for again when it comes again.  Empty if nothing is removed and `always` is
// false.
std::string HashOf(const Planning& p, bool always) {
  std::vector<std::string> set;
  for (const Partition& partition : p.table.partitions) {
    if (p.enabled && Expired(p, partition)) set.push_back(Identity(partition.oid, *partition.range));
  }
  for (const Detached& detached : p.table.detached) {
    if (DropDue(p, detached)) set.push_back(Identity(detached.oid, detached.range));
  }
  if (set.empty() && !always) return "";
  std::sort(set.begin(), set.end());
  Hash hash;
  const Retention& retention = *p.policy.retention;
  hash.Add(p.policy.name_space);
  hash.Add(p.policy.name);
  hash.Add(p.policy.origin.uid);
  hash.Add(p.server.system_identifier);
  hash.Add(std::to_string(p.server.database));
  hash.Add(std::to_string(p.table.oid));
  hash.Add(p.table.owner);
  const std::optional<Ownership>& known = p.table.ownership ? p.table.ownership : p.table.former;
  hash.Add(std::to_string(known ? known->consent : 0));
  hash.Add(p.enabled ? "Enabled" : "Disabled");
  hash.Add(ToString(retention.keep));
  hash.Add(retention.action == Retention::Action::kDrop ? "Drop" : "Detach");
  for (const std::string& one : set) hash.Add(one);
  return hash.Text();
}

// How this table differs from the one that the policy looked after before; empty
// if it does not.
std::string Stranger(const Planning& p) {
  // Which table holds a rollup the bookkeeping knows.
  if (p.table.former && !p.policy.feeder) {
    return "the policy looked after the table with oid " + std::to_string(p.table.former->table) +
           " before; this one has oid " + std::to_string(p.table.oid);
  }
  if (!p.table.ownership || p.table.ownership->policy_name.empty()) return "";
  const Ownership& known = *p.table.ownership;
  if (known.system_identifier != p.server.system_identifier) {
    return "this is another database cluster (system identifier " + p.server.system_identifier + ", was " +
           known.system_identifier + ")";
  }
  if (known.database != p.server.database) {
    return "this is another database (oid " + std::to_string(p.server.database) + ", was " +
           std::to_string(known.database) + ")";
  }
  if (known.table_owner != p.table.owner) {
    return "the table's owner is " + QuoteName(p.table.owner) + ", was " + QuoteName(known.table_owner);
  }
  return "";
}

// Rows that would be deleted one by one; nothing: none.
struct RowStake {
  std::int64_t counted = 0;  // of the default partition
  bool uncounted = false;    // others too, whose number is not known
};

std::optional<RowStake> RowsDue(const Planning& p) {
  if (!Drops(p)) return std::nullopt;
  const Instant row_cutoff = RowCutoff(p, *p.cutoff);
  const auto expired = [&](const std::optional<Instant>& oldest) { return oldest && *oldest < row_cutoff; };
  RowStake stake;
  if (p.table.kind == Table::Kind::kPlain) {
    stake.uncounted = expired(p.table.oldest_row);
  } else {
    stake.uncounted = std::any_of(p.table.partitions.begin(), p.table.partitions.end(),
                                  [&](const Partition& partition) { return expired(partition.oldest_row); });
    const std::optional<Instant> cutoff = p.enabled ? DefaultCutoff(p) : row_cutoff;
    if (p.table.default_partition && cutoff) {
      stake.counted = DefaultRowsBefore(*p.table.default_partition, *cutoff);
    }
  }
  if (!stake.uncounted && stake.counted == 0) return std::nullopt;
  return stake;
}

// What would be removed, whatever paces it.
struct Stake {
  std::vector<const Partition*> attached;
  std::vector<const Detached*> detached;
  std::optional<RowStake> rows;

  bool Beyond(const Bound& cutoff) const {
    const auto beyond = [&](const auto* one) { return RangeOf(*one).to > cutoff; };
    return rows || std::any_of(attached.begin(), attached.end(), beyond) ||
           std::any_of(detached.begin(), detached.end(), beyond);
  }

 private:
  static const Range& RangeOf(const Partition& partition) { return *partition.range; }
  static const Range& RangeOf(const Detached& detached) { return detached.range; }
};

Stake StakeOf(const Planning& p) {
  Stake stake;
  if (p.enabled && p.table.kind == Table::Kind::kPartitioned) {
    for (const Partition& partition : p.table.partitions) {
      if (partition.kind == Partition::Kind::kTable && Expired(p, partition))
        stake.attached.push_back(&partition);
    }
    for (const Detached& detached : p.table.detached) {
      if (DropDue(p, detached) && detached.has_bound_check) stake.detached.push_back(&detached);
    }
  }
  stake.rows = RowsDue(p);
  return stake;
}

// What was agreed to for this table, if it was looked after before.
const AgreedRetention* Agreed(const Planning& p) {
  const std::optional<Ownership>& known = p.table.ownership;
  return known && !known->policy_name.empty() && known->agreed ? &*known->agreed : nullptr;
}

// Fewer than these are never much of a table: the routine of one with few
// partitions is to lose one of them.
constexpr std::size_t kFewPartitions = 3;

// What was on its way out before, also if a hold takes it back: once that is let
// go, it is no news.
std::vector<Oid> KnownDue(const Planning& p) {
  std::vector<Oid> known;
  if (const AgreedRetention* agreed = Agreed(p)) known = agreed->due;
  for (const Step& step : p.plan.steps) {
    const auto* back = std::get_if<ReattachPartition>(&step.action);
    if (back != nullptr) known.push_back(back->table.oid);
  }
  std::sort(known.begin(), known.end());
  return known;
}

// Why so much at a time is not the routine; empty: it is.  Partitions of the
// future that hold nothing say nothing of the table's size, and those that were
// due when the table was last looked after are merely on their way out.
std::string TooMuch(const Planning& p, const Stake& stake) {
  const std::vector<Oid> known = KnownDue(p);
  const auto fresh = [&](const Partition& partition) {
    return !std::binary_search(known.begin(), known.end(), partition.oid);
  };
  std::size_t going = 0;
  std::size_t all = 0;
  double rows_going = 0;
  double rows = p.table.default_partition ? static_cast<double>(p.table.default_partition->rows) : 0;
  bool rows_known = true;
  for (const Partition* partition : stake.attached) {
    if (!fresh(*partition)) continue;
    ++going;
    rows_going += std::max(partition->rows, 0.0);
  }
  if (going < kFewPartitions) return "";
  for (const Partition& partition : p.table.partitions) {
    const bool begun = partition.range && partition.range->from <= Bound::At(p.key_now);
    if ((!begun && partition.rows <= 0) || !fresh(partition)) continue;
    ++all;
    rows += std::max(partition.rows, 0.0);
    rows_known = rows_known && partition.rows >= 0;
  }
  if (2 * going > all) {
    return std::to_string(going) + " of the table's " + std::to_string(all) +
           " partitions expire at once, which is more than half";
  }
  // Without their number: it moves, and this is the message of a condition.
  if (rows_known && 2 * rows_going > rows) {
    return "the " + std::to_string(going) +
           " partitions that expire at once hold more than half of the table's rows";
  }
  return "";
}

// What the record says of `keep` and of what happens to what expires, compared
// with the policy.
struct Change {
  bool shorter = false;            // for ever is longer than any time
  Bound kept = Bound::MinValue();  // where the time begins that the record would keep, if shorter
  bool drops = false;              // Drop, and was Detach
};

Change ChangeFrom(const Planning& p, const AgreedRetention& agreed) {
  Change change;
  const std::optional<CalendarDuration> before = ParseCalendarDuration(agreed.keep);
  if (!before) {
    change.shorter = true;
  } else {
    const Instant then =
        Subtract(ToKeyTime(p.removal_at, p.policy.partitioning, p.key), *before, p.calendar.zone);
    change.shorter = *p.cutoff > then;
    change.kept = Bound::At(then);
  }
  change.drops = Drops(p) && agreed.action == "Detach";
  return change;
}

// Why what is due waits for somebody's consent; empty: it does not.
std::string Objection(const Planning& p, const Stake& stake) {
  const AgreedRetention* agreed = Agreed(p);
  // What an earlier release was about to remove goes on: there is nothing to
  // compare it with, and an upgrade is no change of the policy.
  if (agreed != nullptr && agreed->action == kUnrecorded) return "";
  std::vector<std::string> reasons;
  if (agreed != nullptr) {
    const Change change = ChangeFrom(p, *agreed);
    if (change.shorter && stake.Beyond(change.kept)) {
      const std::string keep = "retention.keep is " + ToString(p.policy.retention->keep);
      reasons.push_back(agreed->keep.empty() ? keep + ", and there was no retention before"
                                             : keep + " and was " + agreed->keep + " before");
    }
    if (change.drops && stake.Beyond(Bound::MinValue())) {
      reasons.emplace_back("retention.action is Drop and was Detach before");
    }
  }
  if (const std::string much = TooMuch(p, stake); !much.empty()) reasons.push_back(much);
  std::string text;
  for (const std::string& reason : reasons) text += (text.empty() ? "" : "; ") + reason;
  return text;
}

// What is on record from now on.  A change that removes nothing yet is not asked
// for, and for that very reason is not taken for agreed to either: the record
// keeps the longer `keep`, and Detach, until somebody consents.
AgreedRetention Agreement(const Planning& p, const Stake& stake, bool consented) {
  AgreedRetention wanted;
  wanted.keep = ToString(p.policy.retention->keep);
  wanted.action = Drops(p) ? "Drop" : "Detach";
  for (const Partition* partition : stake.attached) wanted.due.push_back(partition->oid);
  std::sort(wanted.due.begin(), wanted.due.end());
  const AgreedRetention* agreed = Agreed(p);
  if (agreed == nullptr || consented || agreed->action == kUnrecorded) return wanted;
  const Change change = ChangeFrom(p, *agreed);
  if (change.shorter) wanted.keep = agreed->keep;
  if (change.drops || agreed->action.empty()) wanted.action = agreed->action;
  return wanted;
}

// What is asked for once the hold is gone is not on record.
std::optional<AgreedRetention> AgreementWhileHeld(const Planning& p, const Stake& stake) {
  AgreedRetention wanted = Agreement(p, stake, false);
  if (TooMuch(p, stake).empty()) return wanted;
  if (Agreed(p) == nullptr) return std::nullopt;
  const std::vector<Oid> known = KnownDue(p);
  std::erase_if(wanted.due, [&](Oid oid) { return !std::binary_search(known.begin(), known.end(), oid); });
  return wanted;
}

// The set that the hash is over, for a person to judge.
std::string Describe(const Planning& p, const Stake& stake, AtStake* sum) {
  constexpr std::size_t kNamed = 5;
  std::vector<std::string> names;
  double rows = 0;
  bool estimated = true;
  const auto add = [&](const auto& one) {
    names.push_back(QuoteName(one.schema, one.name));
    estimated = estimated && one.rows >= 0;
    rows += std::max<double>(one.rows, 0.0);
    sum->bytes += one.bytes;
  };
  for (const Detached* detached : stake.detached) add(*detached);  // the oldest
  for (const Partition* partition : stake.attached) add(*partition);
  sum->partitions = static_cast<std::int64_t>(names.size());
  sum->rows = static_cast<std::int64_t>(rows);
  std::string text;
  if (!names.empty()) {
    text = std::to_string(names.size()) + (names.size() == 1 ? " partition" : " partitions") + " (";
    for (std::size_t i = 0; i < names.size() && i < kNamed; ++i) text += (i > 0 ? ", " : "") + names[i];
    if (names.size() > kNamed) text += " and " + std::to_string(names.size() - kNamed) + " more";
    text += ") with " + std::string(estimated ? "about " : "at least ") + Grouped(sum->rows) +
            " rows and about " + Grouped(sum->bytes) + " bytes";
  }
  if (stake.rows) {
    text += text.empty() ? "" : ", and ";
    if (!stake.rows->uncounted) text += "about " + Grouped(stake.rows->counted) + " ";
    text += "expired rows of " + p.Name();
    sum->rows += stake.rows->counted;
  }
  return text + (Drops(p) ? " would be removed" : " would be detached");
}

// The exact words, for where the policy is.
std::string HowToConsent(const Planning& p, const std::string& hash) {
  if (!p.policy.connection.secret_ref) {
    return "consent with partition-controller apply --spec FILE --acknowledge " + hash +
           " (or run, with the same option)";
  }
  return "consent with kubectl annotate ppol " + WrittenName(p.policy.name) + " -n " + p.policy.name_space +
         " --overwrite edgewatch.dev/acknowledge=" + hash;
}

}  // namespace

bool Drops(const Planning& p) {
  return p.policy.retention && p.policy.retention->action == Retention::Action::kDrop;
}

bool Expired(const Planning& p, const Partition& partition) {
  return p.cutoff && partition.range && !partition.detach_pending && partition.range->to.finite() &&
         partition.range->to.at <= *p.cutoff;
}

bool DropDue(const Planning& p, const Detached& detached) {
  return p.enabled && Drops(p) && detached.drop_after && *detached.drop_after <= p.removal_at &&
         detached.range.to <= Bound::At(*p.cutoff);
}

std::optional<Instant> DefaultCutoff(const Planning& p) {
  Bound cutoff = Bound::At(*p.cutoff);
  for (const Detached& detached : p.table.detached) {
    if (detached.drop_after) cutoff = std::min(cutoff, detached.range.from);
  }
  if (!cutoff.finite()) return std::nullopt;
  return RowCutoff(p, cutoff.at);
}

std::int64_t DefaultRowsBefore(const DefaultPartition& fallback, Instant cutoff) {
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < fallback.counts.size() && i < fallback.cuts.size(); ++i) {
    if (fallback.cuts[i] <= cutoff) rows += fallback.counts[i];
  }
  return rows;
}

Consent AskConsent(const Planning& p, const std::string& acknowledged) {
  Consent consent;
  if (Rests(p.policy)) return consent;
  consent.stranger = Stranger(p);
  if (!p.policy.retention) {
    // Nothing is removed, so nothing is asked; the old identity stays on record,
    // and asks once there is a retention.
    if (consent.stranger.empty()) consent.agrees.emplace();
    consent.stranger.clear();
    return consent;
  }
  const Stake stake = StakeOf(p);
  if (p.policy.origin.hold) {
    // Nothing is removed, so nothing is asked; but it will be.
    consent.hash = HashOf(p, false);
    if (consent.stranger.empty()) consent.agrees = AgreementWhileHeld(p, stake);
    consent.stranger.clear();
    return consent;
  }
  consent.removals = Describe(p, stake, &consent.at_stake);
  // Who consents to another table consents to what is removed from it.
  if (consent.stranger.empty()) consent.objection = Objection(p, stake);
  consent.hash = HashOf(p, consent.Needed());
  consent.given = !consent.hash.empty() && acknowledged == consent.hash;
  if (!consent.Held()) consent.agrees = Agreement(p, stake, consent.given);
  return consent;
}

void Put(const Consent& consent, Planning& p) {
  p.plan.hash = consent.hash;
  p.plan.accepts_identity = !consent.stranger.empty() && consent.given;
  p.plan.consented = consent.Needed() && consent.given;
  p.plan.agrees = consent.agrees;
  if (!consent.Held()) return;
  p.plan.needs_acknowledgement = true;
  p.plan.at_stake = consent.at_stake;
  if (!consent.stranger.empty()) {
    p.Refuse("DatabaseIdentityChanged", consent.stranger + "; nothing is removed until somebody has looked",
             "if it is the right table, " + HowToConsent(p, consent.hash), false);
  } else {
    p.Refuse("AcknowledgementRequired", consent.objection + ": " + consent.removals,
             "if that is meant, " + HowToConsent(p, consent.hash) + "; if not, change the policy back",
             false);
  }
}

}  // namespace partition_controller
