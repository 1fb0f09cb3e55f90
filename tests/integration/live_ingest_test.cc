// Clients that write and read while the controller changes their table: no
// error reaches them, and each row that was acknowledged is there exactly once,
// in every snapshot.  How long they wait is measured by tests/bench.

#include "tests/support/live_ingest.h"

#include <gtest/gtest.h>

#include <iostream>

#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

class LiveIngest : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    static PostgresServer server(PostgresServer::DefaultMajor(), LiveServerSettings());
    uri_ = server.CreateDatabase("live");
  }

  static void ExpectFine(const LiveResult& result) {
    for (const std::string& fault : result.faults) ADD_FAILURE() << fault;
    EXPECT_GT(result.snapshots, 3);
    // For whoever reads the log of a failure.
    for (const std::string& step : result.steps) std::cout << step << "\n";
    std::cout << result.rows << " rows in " << result.batches << " batches, " << result.snapshots
              << " snapshots, " << result.hidden << " rows on their way at most; converged in "
              << result.seconds << " s, " << result.ticks << " ticks, " << result.lock_timeouts
              << " of them gave up a lock; worst wait for a lock " << result.worst_wait.count() << " ms ("
              << result.waited_at << ")\n"
              << "batches, ms  " << result.busy.Histogram() << "; without the controller  "
              << result.calm.Histogram() << "\n";
  }

  std::string uri_;
};

TEST_F(LiveIngest, FirstContactPromotesTheDefaultPartition) {
  ExpectFine(FirstContact(uri_, Way::kPromote, {.rows = 150'000}));
}

TEST_F(LiveIngest, FirstContactMovesRowsOfTwoGaps) {
  ExpectFine(FirstContact(uri_, Way::kMove, {.rows = 150'000}));
}

TEST_F(LiveIngest, RetentionBesideVacuumsAndALongSelect) {
  ExpectFine(RetentionBesideOthers(uri_, {.rows = 60'000}));
}

TEST_F(LiveIngest, MonthToWeekAndBack) { ExpectFine(GranularityThereAndBack(uri_, {.rows = 20'000})); }

TEST_F(LiveIngest, APlainTableBecomesPartitioned) { ExpectFine(ConvertPlainTable(uri_, {.rows = 40'000})); }

}  // namespace
}  // namespace partition_controller
