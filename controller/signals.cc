#include "controller/signals.h"

#include <cstdlib>

namespace partition_controller {

Signals::Signals() {
  sigemptyset(&handled_);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&handled_, signal);
  pthread_sigmask(SIG_BLOCK, &handled_, &before_);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &pipe_before_);
  thread_ = std::jthread([this] { Wait(); });
}

Signals::~Signals() {
  done_ = true;
  pthread_kill(thread_.native_handle(), SIGUSR1);
  thread_.join();
  sigaction(SIGPIPE, &pipe_before_, nullptr);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Signals::Wait() {
  for (;;) {
    int signal = 0;
    if (sigwait(&handled_, &signal) != 0) continue;
    if (signal == SIGUSR1) {
      if (done_) return;
    } else if (signal == SIGHUP) {
      reload_ = true;
    } else if (!stop_.request_stop()) {
      std::_Exit(128 + signal);
    }
  }
}

}  // namespace partition_controller
