// SIGTERM and SIGINT as a stop token, SIGHUP as a wish to look again.
//
// One thread waits for signals, so that no code ever runs in a handler.

#ifndef PARTITION_CONTROLLER_CONTROLLER_SIGNALS_H_
#define PARTITION_CONTROLLER_CONTROLLER_SIGNALS_H_

#include <signal.h>

#include <atomic>
#include <stop_token>
#include <thread>

namespace partition_controller {

class Signals {
 public:
  // Blocks the signals in this thread and all that it starts; ignores SIGPIPE.
  // REQUIRES: no other thread exists yet, and this is the only object.
  Signals();
  // Puts everything back.
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // Requested by the first SIGTERM or SIGINT.  The second one ends the process
  // at once: every step is a transaction, so nothing is left half done.
  std::stop_token stop() const { return stop_.get_token(); }

  // Whether SIGHUP has come since the last call.
  bool TakeReload() { return reload_.exchange(false); }

 private:
  void Wait();

  sigset_t handled_;
  sigset_t before_;
  struct sigaction pipe_before_;
  std::stop_source stop_;
  std::atomic<bool> reload_{false};
  std::atomic<bool> done_{false};
  std::jthread thread_;  // last: it uses the others
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_SIGNALS_H_
