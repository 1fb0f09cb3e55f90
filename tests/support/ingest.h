// Clients at work on EdgeWatch's telemetry_points while somebody changes its
// partitions: writers, readers, a checker that counts what was acknowledged,
// and a watch on who waits for locks.  Each runs on threads of its own from
// construction to Stop().

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_INGEST_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_INGEST_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace partition_controller {

using Milliseconds = std::chrono::duration<double, std::milli>;

// Times, as a histogram.
class Latencies {
 public:
  static constexpr std::array<double, 12> kEdges = {1, 2, 5, 10, 20, 50, 100, 200, 350, 500, 1000, 2000};

  void Add(Milliseconds time);
  void Add(const Latencies& other);
  std::int64_t count() const { return count_; }
  Milliseconds worst() const { return worst_; }
  // The upper edge of the bucket that holds the share `quantile`, in ms.
  double Quantile(double quantile) const;
  std::string Histogram() const;  // "<1: 12  <2: 40  ..."

 private:
  std::array<std::int64_t, kEdges.size() + 1> buckets_{};
  std::int64_t count_ = 0;
  Milliseconds worst_{0};
};

// Where the times of rows lie: [since, until), as PostgreSQL reads them.
struct Span {
  std::string since;
  std::string until;
  int weight = 1;
  // False: rows of a range that leaves the table on purpose, so that only the
  // end tells whether they are all there.
  bool kept = true;
};

struct IngestOptions {
  int first_writer = 0;  // their numbers; streams of one table differ in them
  int writers = 4;
  int readers = 1;
  int largest_batch = 100;
  std::chrono::milliseconds pause{20};  // of each client between batches
  std::vector<Span> spans;
};

// What the writers were told is stored: the rows 1 to n of each stream are.
// Writer w has the stream 'w<w>' for spans that are kept, 'x<w>' for others.
struct Acknowledged {
  int first_writer = 0;
  std::vector<std::int64_t> kept;
  std::vector<std::int64_t> other;
};

class Ingest {
 public:
  Ingest(std::string uri, IngestOptions options);
  ~Ingest();
  Ingest(const Ingest&) = delete;
  Ingest& operator=(const Ingest&) = delete;

  void Stop();

  Acknowledged acknowledged() const;
  std::int64_t batches() const { return batch_count_; }
  std::int64_t rows() const;
  std::int64_t error_count() const { return error_count_; }
  std::vector<std::string> errors() const;  // the first few
  // Since the last call, or the start.
  Latencies TakeBatchTimes();
  Latencies TakeReadTimes();

 private:
  void Write(int writer);
  void Read(int reader);
  void Failed(const std::string& who, const std::string& what);
  void Rest(std::minstd_rand* random) const;

  const std::string uri_;
  const IngestOptions options_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<std::atomic<std::int64_t>[]> kept_;
  std::unique_ptr<std::atomic<std::int64_t>[]> other_;
  std::atomic<std::int64_t> batch_count_{0};
  std::atomic<std::int64_t> error_count_{0};
  mutable std::mutex mutex_;  // guards the rest
  std::vector<std::string> errors_;
  Latencies batch_times_;
  Latencies read_times_;
  std::vector<std::thread> threads_;
};

// Looks at the table in REPEATABLE READ snapshots: each acknowledged row of the
// kept streams is there exactly once.  Rows that arrived for a range after its
// move began may be in the drain's target, which is not attached yet, but no
// row that was visible before.
//
// Rows that do not come from an Ingest are held against the count and the sum
// of hashes they had at construction, those from `since` on.
class Checker {
 public:
  Checker(std::string uri, const Ingest& ingest, std::string since);
  ~Checker();
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  void Stop();

  std::int64_t snapshots() const { return snapshots_; }
  std::int64_t fault_count() const { return fault_count_; }
  std::int64_t hidden_rows_seen() const { return hidden_; }  // the most at a time
  std::vector<std::string> faults() const;                   // the first few

  // With the writers stopped: every acknowledged row of every stream, through
  // the parent.  Empty, or what is wrong.
  static std::string AllThere(const std::string& uri, const Acknowledged& acknowledged);

 private:
  class Look;
  void Run();
  void Fault(const std::string& what);

  const std::string uri_;
  const Ingest& ingest_;
  const std::string since_;
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> snapshots_{0};
  std::atomic<std::int64_t> fault_count_{0};
  std::atomic<std::int64_t> hidden_{0};
  mutable std::mutex mutex_;  // guards the next one
  std::vector<std::string> faults_;
  std::thread thread_;
};

// Samples the partitions of a table: at any moment those with a lower bound of
// at least `since` follow each other without gap or overlap.
class BoundsWatch {
 public:
  BoundsWatch(std::string uri, std::string table);
  ~BoundsWatch();
  BoundsWatch(const BoundsWatch&) = delete;
  BoundsWatch& operator=(const BoundsWatch&) = delete;

  void Stop();
  std::int64_t samples() const { return samples_; }
  std::vector<std::string> faults() const;

 private:
  void Run();

  const std::string uri_;
  const std::string table_;
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> samples_{0};
  mutable std::mutex mutex_;  // guards the next one
  std::vector<std::string> faults_;
  std::thread thread_;
};

// The longest that a client of an Ingest waited for a lock of a table, by the
// server's own account (pg_locks.waitstart, PostgreSQL 14), which a busy
// machine does not blur as it does the clients' times.
class LockWatch {
 public:
  // Looks again after `every`: a wait may have gone on for so much longer.
  explicit LockWatch(std::string uri, std::chrono::milliseconds every = std::chrono::milliseconds(5));
  ~LockWatch();
  LockWatch(const LockWatch&) = delete;
  LockWatch& operator=(const LockWatch&) = delete;

  void Stop();
  Milliseconds worst() const;
  std::string where() const;  // of the worst

 private:
  void Run();

  const std::string uri_;
  const std::chrono::milliseconds every_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;  // guards the next two
  Milliseconds worst_{0};
  std::string where_;
  std::thread thread_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_INGEST_H_
