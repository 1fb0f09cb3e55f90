#include "controller/spec_watcher.h"

#include <algorithm>

#include "crd/problem.h"

namespace partition_controller {

bool SpecWatcher::Poll(bool at_once) {
  at_once = at_once || !polled_;
  const SpecListing listing = ListSpecFiles(paths_);
  for (const SpecListing::Entry& entry : listing.files) Look(entry, at_once);
  DropMissing(listing, at_once);

  // In the order of the listing; files that are missing for the moment last.
  std::vector<SpecFile> files;
  const auto listed = [&](const std::string& name) {
    return std::any_of(listing.files.begin(), listing.files.end(),
                       [&](const auto& e) { return e.file == name; });
  };
  for (const SpecListing::Entry& entry : listing.files) files.push_back(known_.at(entry.file).file);
  for (const auto& [name, known] : known_) {
    if (!listed(name)) files.push_back(known.file);
  }
  for (const auto& [path, why, missing] : listing.unreadable) {
    if (!known_.contains(path)) files.push_back({path, {}, {Render({path, "", {}, why}, "")}});
  }
  all_known_ = std::all_of(known_.begin(), known_.end(), [](const auto& k) { return k.second.was_good; });

  SpecSet specs = Combine(files);
  const bool changed = !polled_ || specs != specs_;
  specs_ = std::move(specs);
  polled_ = true;
  return changed;
}

void SpecWatcher::Look(const SpecListing::Entry& entry, bool at_once) {
  Known& known = known_[entry.file];
  known.root = entry.root;
  known.missing = 0;
  const std::string signature = SpecSignature(entry.file);
  const bool stands_still = signature == known.seen;
  known.seen = signature;
  known.file.path = entry.file;
  if (signature == known.taken || !(stands_still || at_once)) return;
  known.taken = signature;
  SpecFile read = ReadSpecFile(entry.file);
  if (read.problems.empty()) {
    known.was_good = true;
  } else if (known.was_good) {
    read.policies = std::move(known.file.policies);  // the last good ones stay in force
  }
  known.file = std::move(read);
}

void SpecWatcher::DropMissing(const SpecListing& listing, bool at_once) {
  for (auto it = known_.begin(); it != known_.end();) {
    const bool listed = std::any_of(listing.files.begin(), listing.files.end(),
                                    [&](const auto& entry) { return entry.file == it->first; });
    // A folder that cannot be read says nothing about its files.  A PATH that
    // is itself a file is gone when it cannot be found.
    const bool unknown =
        std::any_of(listing.unreadable.begin(), listing.unreadable.end(), [&](const auto& path) {
          return path.path == it->second.root && !(path.missing && path.path == it->first);
        });
    // Some editors take a file away for a moment before they write it anew.
    if (!listed && !unknown && (++it->second.missing >= 2 || at_once)) {
      it = known_.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace partition_controller
