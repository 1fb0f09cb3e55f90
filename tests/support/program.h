// The real program, as a user starts it.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_PROGRAM_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_PROGRAM_H_

#include <string>
#include <vector>

#include "tests/support/process.h"

namespace partition_controller {

// partition-controller with these arguments.
inline std::vector<std::string> Program(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), PC_TEST_PROGRAM);
  return arguments;
}

// A policy file.  `spec` are lines of the spec beside connection, table and
// time column, without indentation.
struct PolicyFile {
  std::string name = "points";
  std::string connection = "{env: DATABASE_URL}";
  std::string table = "points";
  std::string column = "ts";
  std::vector<std::string> spec;

  std::string Text() const {
    std::string text = "apiVersion: edgewatch.dev/v1alpha1\nkind: PartitionPolicy\nmetadata: {name: " + name +
                       "}\nspec:\n  connection: " + connection + "\n  table: {name: \"" + table +
                       "\"}\n  timeColumn: " + column + "\n";
    for (const std::string& line : spec) text += "  " + line + "\n";
    return text;
  }
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_PROGRAM_H_
