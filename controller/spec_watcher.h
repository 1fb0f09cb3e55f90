// Notices when spec files are changed, added or deleted while `run` is at work.
//
// A half-written or broken file changes nothing: a change counts once the file
// has stood still for one poll, and a file with problems keeps the policies
// that it last declared well.  Not thread-safe.

#ifndef PARTITION_CONTROLLER_CONTROLLER_SPEC_WATCHER_H_
#define PARTITION_CONTROLLER_CONTROLLER_SPEC_WATCHER_H_

#include <map>
#include <string>
#include <vector>

#include "controller/spec_files.h"

namespace partition_controller {

class SpecWatcher {
 public:
  explicit SpecWatcher(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  // Looks at the files; true if what is in force, or what is wrong, is not what
  // it was.  Meant to be called once a second.  `at_once` takes changes without
  // waiting for the file to stand still.
  bool Poll(bool at_once = false);

  // What is in force, and what is wrong.
  const SpecSet& specs() const { return specs_; }
  // Whether every file has been good at least once.
  bool all_known() const { return all_known_; }

 private:
  struct Known {
    std::string root;
    std::string seen;   // signature at the last poll
    std::string taken;  // signature of what was read
    bool was_good = false;
    int missing = 0;  // polls in a row
    SpecFile file;
  };

  void Look(const SpecListing::Entry& entry, bool at_once);
  void DropMissing(const SpecListing& listing, bool at_once);

  const std::vector<std::string> paths_;
  std::map<std::string, Known> known_;
  bool polled_ = false;
  bool all_known_ = false;
  SpecSet specs_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_SPEC_WATCHER_H_
