// What the statements that others run do to a table.  Internal to this folder.

#ifndef PARTITION_CONTROLLER_RECONCILERS_DOCTOR_STATEMENTS_H_
#define PARTITION_CONTROLLER_RECONCILERS_DOCTOR_STATEMENTS_H_

#include <string_view>
#include <vector>

#include "reconcilers/doctor.h"

namespace partition_controller {

// One finding of each kind, of the most expensive statement; a few of queries that
// read every partition.
std::vector<Finding> ExamineStatements(const Examined& examined, const ExaminedTable& table);

// Whether a job makes, removes or empties partitions of the table, or deletes rows.
bool JobTouches(std::string_view command, const ExaminedTable& table);

// Whether it is called as tools call the partitions of `table`: its name and a date.
bool NamedAsPartition(std::string_view name, std::string_view table);

// A statement with its constants masked, cut short.
std::string ShownStatement(std::string_view sql);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_DOCTOR_STATEMENTS_H_
