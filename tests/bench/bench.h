// The benchmarks' frame: a registry, a shared server, and a report that knows
// budgets.

#ifndef PARTITION_CONTROLLER_TESTS_BENCH_BENCH_H_
#define PARTITION_CONTROLLER_TESTS_BENCH_BENCH_H_

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/postgres_server.h"

namespace partition_controller::bench {

struct Options {
  bool smoke = false;  // tiny sizes: whether it works, not how fast; budgets are not held against it
  bool full = false;   // 100,000 partitions; 15,000,000 rows to convert, 30,000,000 rolled up
  std::string self;    // this program's path
};

// One line a measure: smallest, middle and largest sample, and the verdict.
//
// Other people's work on the machine makes samples larger, never smaller.  So a
// budget is met if every sample keeps it, and missed only if not even the
// smallest does; "noisy" is what lies between.
class Report {
 public:
  explicit Report(bool hold_budgets) : hold_budgets_(hold_budgets) {}

  void Begin(const std::string& benchmark);
  void Measure(const std::string& what, std::vector<double> samples, const std::string& unit);
  void Budget(const std::string& what, std::vector<double> samples, const std::string& unit, double most);
  // What must be so on any machine.
  void Require(const std::string& what, bool fine);
  void Note(const std::string& text);

  // Prints the line that tells how it went; true if nothing was missed.
  bool End() const;

 private:
  void Line(const std::string& what, std::vector<double> samples, const std::string& unit,
            const std::string& budget, const std::string& verdict);

  const bool hold_budgets_;
  std::string benchmark_;
  int met_ = 0;
  int noisy_ = 0;
  std::vector<std::string> missed_;
};

struct Benchmark {
  std::string name;
  std::string what;
  void (*run)(const Options& options, Report& report);
};

// Every benchmark, in the order in which they run.
const std::vector<Benchmark>& All();

void RunNoop(const Options& options, Report& report);
void RunScale(const Options& options, Report& report);
void RunPlan(const Options& options, Report& report);
void RunDrop(const Options& options, Report& report);
void RunIdle(const Options& options, Report& report);
void RunStart(const Options& options, Report& report);
void RunFirstContactPromote(const Options& options, Report& report);
void RunFirstContactMove(const Options& options, Report& report);
void RunRetention(const Options& options, Report& report);
void RunGranularity(const Options& options, Report& report);
void RunConvert(const Options& options, Report& report);
void RunRollup(const Options& options, Report& report);

// Reads and plans for `tables` tables once and prints this process's peak
// memory in bytes: what RunScale starts as a process of its own.
int PrintTickMemory(const std::string& uri, int tables);

// A server with settings of a small production machine, but fsync off, for it
// is thrown away: no benchmark here waits for a disk.
PostgresServer& Server();

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace partition_controller::bench

#endif  // PARTITION_CONTROLLER_TESTS_BENCH_BENCH_H_
