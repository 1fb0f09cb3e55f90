// EdgeWatch at work while the controller changes its table: the acceptance
// scenarios that tests/integration checks for correctness and tests/bench for
// stalls as well.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_LIVE_INGEST_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_LIVE_INGEST_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/ingest.h"

namespace partition_controller {

struct LiveSize {
  std::int64_t rows = 150'000;              // there before the writers start
  std::chrono::milliseconds calm{2'000};    // writers alone, before and after
  std::chrono::milliseconds select{6'000};  // how long the long SELECT takes
  int writers = 4;
  std::chrono::milliseconds pause{20};
};

struct LiveResult {
  std::vector<std::string> faults;  // empty: as it should be
  Latencies calm;                   // batches, while the controller does nothing
  Latencies busy;                   // batches, while it does
  Latencies reads;                  // likewise
  Milliseconds worst_wait{0};       // of a client for a lock, by the server's account
  std::string waited_at;
  double seconds = 0;  // until converged
  int ticks = 0;
  int lock_timeouts = 0;  // ticks that gave up and left it to the next
  std::int64_t batches = 0;
  std::int64_t rows = 0;
  std::int64_t snapshots = 0;
  std::int64_t hidden = 0;  // the most rows that were on their way at a time
  std::vector<std::string> steps;
};

// The server that the scenarios need: autovacuum looks every second.
std::vector<std::string> LiveServerSettings();

enum class Way {
  kPromote,  // nearly all rows fill one gap: the default becomes its partition
  kMove,     // half of them in each of two gaps: they are moved
};

// Partitions stopped being made; `rows` wait in the default partition.
LiveResult FirstContact(const std::string& uri, Way way, const LiveSize& size);

// Three partitions expire beside an autovacuum, a manual VACUUM and a long
// SELECT; come back from the undo window when the policy is widened; expire
// again, and are dropped.
LiveResult RetentionBesideOthers(const std::string& uri, const LiveSize& size);

// Month, Week, Month.
LiveResult GranularityThereAndBack(const std::string& uri, const LiveSize& size);

// A plain table becomes partitioned; about one row in 400 is dated far ahead.
LiveResult ConvertPlainTable(const std::string& uri, const LiveSize& size);

// The first of the month `offset` months from now, UTC, as PostgreSQL reads it.
std::string MonthStart(int offset);

// Adds rows to telemetry_points without checking foreign keys, evenly over
// [since, until).  Their ids sort before those of an Ingest.
void Preload(const std::string& uri, std::int64_t rows, const std::string& since, const std::string& until);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_LIVE_INGEST_H_
