// How far `apply` is: a bar on a terminal, a line for each step elsewhere.

#ifndef PARTITION_CONTROLLER_CONTROLLER_PROGRESS_H_
#define PARTITION_CONTROLLER_CONTROLLER_PROGRESS_H_

#include <ostream>
#include <string>

#include "controller/mutex.h"

namespace partition_controller {

class Progress {
 public:
  Progress(std::ostream& out, bool is_terminal) : out_(out), is_terminal_(is_terminal) {}
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of `total` steps are behind us; `ended`: the one that `what`
  // describes was the last of them, otherwise it is under way.  From any thread.
  void Show(std::size_t done, std::size_t total, const std::string& what, bool ended);

  // Elsewhere than on a terminal: a line, unless it was the last one.
  void Note(const std::string& text);

  // Takes the bar away, before something else is written.
  void Clear();

 private:
  Mutex mutex_;
  std::ostream& out_;
  const bool is_terminal_;
  bool shown_ PC_GUARDED_BY(mutex_) = false;
  std::string noted_ PC_GUARDED_BY(mutex_);
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_PROGRESS_H_
