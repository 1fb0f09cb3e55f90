// What a policy gives up when it names another table, or is deleted: what it put on
// the table before, and its place in the bookkeeping; never what is another's.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/postgres.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

const Instant kNow = At("2026-07-15T12:00:00Z");

class Farewell : public testing::Test {
 protected:
  // A policy that keeps a rollup of `first`, and is then pointed to `second`.
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    uri_ = PostgresServer::Shared().CreateDatabase("farewell");
    database_ = std::make_unique<LiveDatabase>(uri_);
    database_->MarkAsTest();
    for (const std::string table : {"first", "second"}) {
      database_->Sql(
          "CREATE TABLE " + table +
          " (device text, ts timestamptz NOT NULL, v real) PARTITION BY RANGE (ts); CREATE INDEX ON " +
          table + " (device, ts); CREATE INDEX ON " + table + " (ts)");
    }
    policy_ = PolicyFor("first");
    policy_.retention = Keep("1y");
    policy_.locks.timeout = std::chrono::milliseconds(100);
    Rollup rollup;
    rollup.name = "hourly";
    rollup.table = "first_hourly";
    rollup.dimensions = {"device"};
    rollup.columns = {"v"};
    policy_.rollups = {rollup};
    ASSERT_EQ(TroubleWith(Run()), "");
    database_->Sql("INSERT INTO first VALUES ('d', '2026-07-01 10:00+00', 5)");
    ASSERT_EQ(TroubleWith(Run()), "");
    EXPECT_THAT(Kept(), UnorderedElementsAre("first", "first_hourly"));
    EXPECT_EQ(Triggers("first"), 4);
    policy_.table.name = "second";
    policy_.rollups[0].table = "second_hourly";
  }

  Convergence Run(std::vector<std::string> acknowledged = {}) {
    return ConvergeOn(uri_, policy_,
                      {.preview = kNow,
                       .acknowledged = std::move(acknowledged),
                       .holder = "test",
                       .stop = {},
                       .on_step = {}});
  }

  // As when the policy is deleted.
  std::optional<Failure> Delete() {
    SystemClock clock;
    const Operations operations;
    return SayFarewell(*ConnectPostgres(uri_), policy_,
                       {.operations = operations,
                        .clock = clock,
                        .preview = {},
                        .acknowledged = {},
                        .holder = "test",
                        .stop = {},
                        .on_step = {}});
  }

  std::vector<std::string> Kept() {
    return database_->Column("SELECT table_oid::regclass::text FROM partition_controller.tables");
  }
  std::int64_t Triggers(const std::string& table) {
    return database_->Number("SELECT count(*) FROM pg_trigger WHERE tgrelid = '" + table +
                             "'::regclass AND tgname LIKE 'partition_controller%'");
  }

  std::string uri_;
  std::unique_ptr<LiveDatabase> database_;
  Policy policy_;
};

TEST_F(Farewell, ConsentToAnotherTableFreesTheOneBefore) {
  const Plan asked = Run().last.plan;
  EXPECT_TRUE(asked.needs_acknowledgement);
  EXPECT_EQ(Triggers("first"), 4);
  EXPECT_EQ(TroubleWith(Run({asked.hash})), "");
  EXPECT_EQ(Triggers("first"), 0);
  EXPECT_EQ(Triggers("second"), 4);
  EXPECT_THAT(Kept(), UnorderedElementsAre("second", "second_hourly"));
  EXPECT_EQ(database_->Column("SELECT target_name FROM partition_controller.rollups"),
            std::vector<std::string>{"second_hourly"});
  EXPECT_EQ(database_->Value("SELECT sum_value FROM first_hourly"), "5") << "what it holds stays";
}

// It cannot be had now; the table of now gets its partitions all the same.
TEST_F(Farewell, TheTableBeforeHoldsNothingUp) {
  const Plan asked = Run().last.plan;
  {
    LiveDatabase reader(uri_);
    reader.Sql("BEGIN; SELECT count(*) FROM first");
    EXPECT_THAT(TroubleWith(Run({asked.hash})), HasSubstr("\"first\", which the policy looked after before"));
    EXPECT_THAT(database_->Partitions("second"), Not(IsEmpty()));
    EXPECT_THAT(Kept(), testing::Contains("first"));
  }
  EXPECT_EQ(TroubleWith(Run({asked.hash})), "");
  EXPECT_EQ(Triggers("first"), 0);
}

TEST_F(Farewell, ADeletedPolicyFreesAllOfItsTables) {
  // Without retention it is not asked about another table.
  policy_.retention.reset();
  ASSERT_EQ(TroubleWith(Run()), "");
  EXPECT_EQ(Triggers("first") + Triggers("second"), 8);
  EXPECT_FALSE(Delete());
  EXPECT_EQ(Triggers("first") + Triggers("second"), 0);
  EXPECT_THAT(Kept(), Not(testing::Contains("first")));
}

// It may only bear the name of the one that acts.
TEST_F(Farewell, OneThatOnlyPlansFreesNothing) {
  policy_.mode = Policy::Mode::kPlan;
  EXPECT_FALSE(Delete());
  EXPECT_EQ(Triggers("first"), 4);
  EXPECT_THAT(Kept(), UnorderedElementsAre("first", "first_hourly"));
}

// Nor does one of another cluster.
TEST_F(Farewell, ANamesakeElsewhereFreesNothing) {
  database_->Sql("UPDATE partition_controller.tables SET cluster_uid = 'another'");
  policy_.origin.cluster = "this";
  EXPECT_FALSE(Delete());
  EXPECT_EQ(Triggers("first"), 4);
  EXPECT_THAT(Kept(), UnorderedElementsAre("first", "first_hourly"));
}

// The statements of the plan, run by hand, do not free the table before: so it is
// not forgotten, and asked about again.
TEST_F(Farewell, WhatIsNotFreedIsNotForgotten) {
  const Plan asked = Run().last.plan;
  const Situation seen =
      See(uri_, policy_,
          {.preview = kNow, .acknowledged = {asked.hash}, .holder = "test", .stop = {}, .on_step = {}});
  EXPECT_TRUE(seen.plan.accepts_identity);
  const auto session = ConnectPostgres(uri_);
  EXPECT_TRUE(RecordAgreed(*session, policy_, seen.catalog, seen.plan, "test"));
  EXPECT_THAT(Kept(), testing::Contains("first"));
  EXPECT_TRUE(Run().last.plan.needs_acknowledgement);
}

}  // namespace
}  // namespace partition_controller
