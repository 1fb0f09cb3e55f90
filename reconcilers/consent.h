// Consent: what is not removed before somebody has looked at it.  Internal to
// this folder.
//
// A slip in a policy, or a clone that is taken for the original, must not cost
// data.  What is on record (AgreedRetention) is what the table was looked after
// under; whatever would remove more than that waits for a hash.

#ifndef PARTITION_CONTROLLER_RECONCILERS_CONSENT_H_
#define PARTITION_CONTROLLER_RECONCILERS_CONSENT_H_

#include <optional>
#include <string>

#include "reconcilers/planning.h"

namespace partition_controller {

// The answer to all that a plan would remove, whatever paces it.
struct Consent {
  // Over the policy and what is removed, never over rows, bytes or time; empty:
  // nothing is removed, and nothing is asked.
  std::string hash;
  std::string stranger;   // how this is another table or database than before; empty: it is not
  std::string objection;  // why what is due is not the routine; empty: it is
  std::string removals;   // what would be removed, for a person to judge
  AtStake at_stake;
  bool given = false;  // the hash was acknowledged
  // To be recorded; nothing: it waits.
  std::optional<AgreedRetention> agrees;

  bool Needed() const { return !stranger.empty() || !objection.empty(); }
  bool Held() const { return Needed() && !given; }
};

// `acknowledged` is the hash that a person consented to, or empty.  Pure.
Consent AskConsent(const Planning& planning, const std::string& acknowledged);

// Refuses what waits for consent, and says how to give it; else notes in the plan
// what is agreed to.
void Put(const Consent& consent, Planning& planning);

// What has expired, as far as the policy removes it.

// Whether the policy removes rows for good.
bool Drops(const Planning& planning);
bool Expired(const Planning& planning, const Partition& partition);
// Whether its undo window is over, too.
bool DropDue(const Planning& planning, const Detached& detached);
// Up to where rows of the default partition go (on the key's axis): not those
// whose partition may still come back from its undo window.
std::optional<Instant> DefaultCutoff(const Planning& planning);
std::int64_t DefaultRowsBefore(const DefaultPartition& fallback, Instant cutoff);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_CONSENT_H_
