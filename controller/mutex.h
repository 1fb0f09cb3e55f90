// A mutex that clang's -Wthread-safety understands (libstdc++'s is not
// annotated).

#ifndef PARTITION_CONTROLLER_CONTROLLER_MUTEX_H_
#define PARTITION_CONTROLLER_CONTROLLER_MUTEX_H_

#include <mutex>

#if defined(__clang__)
#define PC_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define PC_THREAD_ANNOTATION(x)
#endif

#define PC_GUARDED_BY(mutex) PC_THREAD_ANNOTATION(guarded_by(mutex))
#define PC_REQUIRES(mutex) PC_THREAD_ANNOTATION(requires_capability(mutex))

namespace partition_controller {

class PC_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void Lock() PC_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void Unlock() PC_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class PC_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) PC_THREAD_ANNOTATION(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() PC_THREAD_ANNOTATION(release_capability()) { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_MUTEX_H_
