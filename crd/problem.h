// Something wrong with a policy, and where.

#ifndef PARTITION_CONTROLLER_CRD_PROBLEM_H_
#define PARTITION_CONTROLLER_CRD_PROBLEM_H_

#include <string>
#include <string_view>
#include <vector>

namespace partition_controller {

// Counted from 1; line 0 when the source has no lines (the API server's JSON).
struct Position {
  int line = 0;
  int column = 0;
  bool operator==(const Position&) const = default;
};

struct Problem {
  std::string file;  // as the user named it; may be empty
  std::string path;  // "spec.retention.keep"; may be empty
  Position position;
  std::string message;  // what was expected, and a suggestion where one helps
  bool operator==(const Problem&) const = default;
};

// "file:line:column: message", then the line of `text` and a caret below the
// column.  Without a position: "file: path: message".  Control characters of
// hostile input are shown escaped, and the file's line is cut to fit.
std::string Render(const Problem& problem, std::string_view text);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CRD_PROBLEM_H_
