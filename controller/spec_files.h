// Policies from files: what one-shot commands load, and what `run` watches.
//
// A PATH is a file or a folder (its *.yaml, *.yml and *.json files in the order
// of their names, hidden ones and subfolders not).  Links are followed, as a
// mounted ConfigMap needs it.  Not thread-safe.

#ifndef PARTITION_CONTROLLER_CONTROLLER_SPEC_FILES_H_
#define PARTITION_CONTROLLER_CONTROLLER_SPEC_FILES_H_

#include <string>
#include <vector>

#include "crd/policy.h"

namespace partition_controller {

struct SpecFile {
  std::string path;
  std::vector<Policy> policies;       // those without a problem
  std::vector<std::string> problems;  // rendered for people
};

// What the PATHs stand for.
struct SpecListing {
  struct Entry {
    std::string file;
    std::string root;  // the PATH it was found under
    bool operator==(const Entry&) const = default;
  };
  std::vector<Entry> files;
  // A PATH that could not be looked into, and why.
  struct Unreadable {
    std::string path;
    std::string why;
    bool missing = false;  // nothing is there; false: nobody can tell
  };
  std::vector<Unreadable> unreadable;
};

struct SpecSet {
  std::vector<Policy> policies;
  std::vector<std::string> problems;
  int bad_files = 0;  // files and PATHs with a problem
  bool operator==(const SpecSet&) const = default;
};

SpecListing ListSpecFiles(const std::vector<std::string>& paths);
SpecFile ReadSpecFile(const std::string& path);

// Changes whenever the file is written, replaced or linked elsewhere; empty if
// there is no such file.
std::string SpecSignature(const std::string& path);

// All policies in order.  One that repeats the namespace and name of an earlier
// one, or its connection and table, is left out and reported.
SpecSet Combine(const std::vector<SpecFile>& files);

// For one-shot commands: no policy at all is a problem too.
SpecSet LoadSpecs(const std::vector<std::string>& paths);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_SPEC_FILES_H_
