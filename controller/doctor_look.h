// What the readers of the doctor share: a look that fails becomes a finding.
// Internal to them.

#ifndef PARTITION_CONTROLLER_CONTROLLER_DOCTOR_LOOK_H_
#define PARTITION_CONTROLLER_CONTROLLER_DOCTOR_LOOK_H_

#include <functional>
#include <string>
#include <vector>

#include "controller/session.h"
#include "reconcilers/doctor.h"

namespace partition_controller {

class DoctorsLook {
 public:
  DoctorsLook(Session& session, Examined* examined) : session_(session), examined_(*examined) {}

  // 0: there is none.  Needs no privilege, unlike to_regclass.
  Oid Relation(const std::string& schema, const std::string& name);
  // What it takes for us to read it.
  std::vector<std::string> Grants(Oid relation);

  // Calls `look`.  False if that is refused, which is noted with the reason and, if
  // it is for lack of privileges, with `grants`.
  bool At(const std::string& what, const std::vector<std::string>& grants, const std::function<void()>& look);
  void Note(const std::string& what, const std::string& why, const std::vector<std::string>& sql,
            const std::string& advice);

 private:
  Session& session_;
  Examined& examined_;
};

std::string FirstLine(const DatabaseError& error);

// Reads what pg_partman, pg_cron and the statistics know.
void ReadOtherTools(Session& session, DoctorsLook& look, Examined* examined);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_DOCTOR_LOOK_H_
