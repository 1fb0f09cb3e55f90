// Looks at a database in one transaction that changes nothing.

#ifndef PARTITION_CONTROLLER_CONTROLLER_READ_TRANSACTION_H_
#define PARTITION_CONTROLLER_CONTROLLER_READ_TRANSACTION_H_

#include <functional>

#include "controller/session.h"
#include "crd/policy.h"

namespace partition_controller {

enum class Isolation { kReadCommitted, kRepeatableRead };

// Calls `read` in a read-only transaction, under the policy's settings and
// timeouts; `also` are further settings ("cursor_tuple_fraction = 1").  Throws what
// `read` throws, and DatabaseError; the transaction is over in any case.
void ReadOnly(Session& session, const Policy& policy, Isolation isolation, const std::function<void()>& read,
              const std::string& also = "");

// Within a transaction: false if somebody else's lock kept `look` from a table,
// which must not keep other policies waiting.  The transaction then goes on as if
// it had not been tried.
bool UnlessLocked(Session& session, const std::function<void()>& look);

// The same for any error but that of a lost connection; `told` hears of it.
bool UnlessRefused(Session& session, const std::function<void()>& look,
                   const std::function<void(const DatabaseError&)>& told = nullptr);

// Of the bookkeeping schema; 0 if there is none.
int BookkeepingVersion(Session& session);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_READ_TRANSACTION_H_
