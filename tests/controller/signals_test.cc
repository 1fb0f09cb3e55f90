#include "controller/signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace partition_controller {
namespace {

bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

TEST(SignalsTest, SigtermRequestsAStop) {
  Signals signals;
  EXPECT_FALSE(signals.stop().stop_requested());
  kill(getpid(), SIGTERM);
  EXPECT_TRUE(Eventually([&] { return signals.stop().stop_requested(); }));
}

TEST(SignalsTest, SighupIsReportedOnce) {
  Signals signals;
  kill(getpid(), SIGHUP);
  EXPECT_TRUE(Eventually([&] { return signals.TakeReload(); }));
  EXPECT_FALSE(signals.TakeReload());
  EXPECT_FALSE(signals.stop().stop_requested());
}

TEST(SignalsTest, ABrokenPipeIsAnErrorNotADeath) {
  const Signals signals;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  EXPECT_EQ(write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  close(ends[1]);
}

TEST(SignalsTest, EverythingIsPutBack) {
  sigset_t before;
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  { const Signals signals; }
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

}  // namespace
}  // namespace partition_controller
