// The schema partition_controller: what cannot be read from the catalog.
//
// One row for each table under a policy (who looks after it, the fencing
// term), one for each partition that we made or detached, one for each drain
// under way, one for each conversion.  Every row is written in the transaction of the step it records.

#ifndef PARTITION_CONTROLLER_RECONCILERS_BOOKKEEPING_H_
#define PARTITION_CONTROLLER_RECONCILERS_BOOKKEEPING_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crd/policy.h"
#include "reconcilers/action.h"

namespace partition_controller {

// The statements that bring the schema from `version` (0: none) to
// kBookkeepingVersion; each can be run again.
std::vector<std::string> MigrationSql(int version);
// Whether a table of the schema has that name.
bool IsBookkeepingName(std::string_view table);

// Makes this policy the table's keeper, with a new fencing term, and returns
// the term.  `holder` names the process.  No row comes back while another
// policy is the keeper, or while another process has worked on the table
// within the policy's lock timeout.  `accept_identity` also records which
// table, database and owner this is from now on, `consented` that somebody has
// consented, and `agreed` the retention that is agreed to.  With `seen_term`, the term that a plan was made
// under (0: the table had no keeper), no row comes back either when somebody has claimed the table since.
std::string ClaimSql(const Policy& policy, const Table& table, const Server& server,
                     const std::string& holder, bool accept_identity, bool consented,
                     const std::optional<AgreedRetention>& agreed,
                     std::optional<std::int64_t> seen_term = std::nullopt);

// Proves in a transaction that `term` is the table's newest, and locks the row
// so that nobody takes over before it ends.  No row comes back otherwise.
std::string FenceSql(Oid table, std::int64_t term);
std::string FenceSql(Oid table, const std::string& term);  // a number as SQL

// The keeper's rows go when its policy is deleted, those of tables that still have
// triggers or fences of ours excepted; the tables stay as they are.
std::string ReleaseSql(const Policy& policy, int version);

// What steps record in their own transactions.  Tables made in the same
// transaction are named, not numbered.
std::string RecordMade(const Table& parent, const std::string& schema, const std::string& name,
                       const Range& range);
std::string RecordDetached(const Table& parent, const TableRef& partition, const Range& range,
                           std::optional<std::chrono::microseconds> undo_window);
std::string RecordAttached(const TableRef& partition);
std::string RecordGone(Oid partition);
std::string RecordDrain(const Table& parent, const Drain& drain);
std::string RecordDrained(const Table& parent);
// `plain` is the table as it is before the swap.
std::string RecordConversion(const Table& plain, const Conversion& conversion);
std::string RecordConversionState(const Conversion& conversion, const char* state);
std::string RecordConverted(const Table& plain, const Conversion& conversion);
std::string RecordReverting(const Conversion& conversion);
std::string RecordNoWayBack(const Conversion& conversion, const std::string& why);
// The journal's row and all that was made for it go.
std::string RecordAbandoned(const Conversion& conversion);
std::string RecordAnalyzed(const Table& parent);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_BOOKKEEPING_H_
