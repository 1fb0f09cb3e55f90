// Reads what the doctor (reconcilers/doctor.h) looks at.

#ifndef PARTITION_CONTROLLER_CONTROLLER_DOCTOR_READER_H_
#define PARTITION_CONTROLLER_CONTROLLER_DOCTOR_READER_H_

#include "controller/session.h"
#include "reconcilers/doctor.h"

namespace partition_controller {

// One read-only snapshot.  What the role may not see (pg_stat_statements, cron.job,
// part_config, the bookkeeping) is noted.  `any` is a policy of this session, for
// its role and its limits.  Throws DatabaseError.
Examined ReadExamined(Session& session, const Policy& any, const std::vector<Policy>& policies);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_DOCTOR_READER_H_
