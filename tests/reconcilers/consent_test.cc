// What is not removed before somebody has consented to it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "reconcilers/bookkeeping.h"
#include "tests/support/world.h"

namespace partition_controller {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using namespace std::chrono_literals;
using Unit = CalendarDuration::Unit;
using Action = Retention::Action;

const Instant kNow = sys_days(2026y / 11 / 22) + 20h;

std::vector<std::string> Kinds(const Plan& plan) {
  std::vector<std::string> kinds;
  for (const Step& step : plan.steps) kinds.emplace_back(Kind(step.action));
  return kinds;
}

// Partitions from December 2025 to November 2026 and three ahead, looked after
// with keep 12mo, so that none of them has expired.
class Consent : public testing::Test {
 protected:
  Consent() : world_(PolicyWith(12), kNow) {
    world_.consents = false;
    world_.AddDefault();
    world_.Settle();
    Record();
  }

  static Policy PolicyWith(int keep) {
    Policy policy;
    policy.retention.emplace();
    policy.retention->keep = {keep, Unit::kMonth};
    policy.retention->action = Action::kDrop;
    policy.retention->undo_window = {0, Unit::kHour};
    policy.retention->max_per_run = 100;
    return policy;
  }

  void Keep(int keep) { world_.policy().retention->keep = {keep, Unit::kMonth}; }
  Retention& retention() { return *world_.policy().retention; }
  AgreedRetention& agreed() { return *world_.table().ownership->agreed; }

  // What the take-over of a plan with these steps does.
  void Record() {
    const Plan plan = world_.MakePlan();
    if (plan.agrees) world_.table().ownership->agreed = plan.agrees;
  }

  // That nothing is removed, and what would be.
  std::string Held() {
    const Plan plan = world_.MakePlan();
    EXPECT_THAT(Kinds(plan), Not(Contains("drop_partition")));
    EXPECT_THAT(Kinds(plan), Not(Contains("detach_partition")));
    EXPECT_THAT(Kinds(plan), Not(Contains("delete_expired_rows")));
    EXPECT_TRUE(plan.needs_acknowledgement);
    EXPECT_FALSE(plan.agrees) << "what is held is not on record";
    if (plan.refusals.size() != 1) return "refusals: " + std::to_string(plan.refusals.size());
    EXPECT_EQ(plan.refusals[0].code, "AcknowledgementRequired");
    EXPECT_FALSE(plan.refusals[0].stops_everything);
    EXPECT_THAT(plan.refusals[0].remedy, HasSubstr("--acknowledge " + plan.hash));
    EXPECT_TRUE(plan.at_stake);
    return plan.refusals[0].message;
  }

  void ExpectFree(std::size_t removals) {
    const Plan plan = world_.MakePlan();
    EXPECT_THAT(plan.refusals, IsEmpty());
    EXPECT_FALSE(plan.needs_acknowledgement);
    EXPECT_TRUE(plan.agrees);
    EXPECT_EQ(std::count_if(plan.steps.begin(), plan.steps.end(),
                            [](const Step& step) { return Destructive(step.action); }),
              static_cast<std::ptrdiff_t>(removals));
  }

  World world_;
};

TEST_F(Consent, TheRoutineNeedsNone) {
  EXPECT_EQ(agreed(), (AgreedRetention{"12mo", "Drop", {}}));
  ExpectFree(0);
  world_.SetNow(kNow + days(30));
  world_.Settle();
  ExpectFree(0);
  EXPECT_EQ(world_.Covered().front(), MonthOf(2025, 12));
}

TEST_F(Consent, AShorterKeepWaits) {
  ASSERT_TRUE(world_.Insert(sys_days(2025y / 12 / 5), 700));
  world_.Read();
  world_.table().partitions[1].bytes = 8'192;
  Keep(10);
  EXPECT_EQ(Held(),
            "retention.keep is 10mo and was 12mo before: 2 partitions (\"public\".\"points_p202511\", "
            "\"public\".\"points_p202512\") with about 700 rows and about 8,192 bytes would be removed");
  EXPECT_EQ(world_.MakePlan().at_stake, (AtStake{2, 700, 8'192}));
}

TEST_F(Consent, SaysHowToGiveIt) {
  Keep(10);
  const Plan from_file = world_.MakePlan();
  EXPECT_EQ(from_file.refusals.at(0).remedy,
            "if that is meant, consent with partition-controller apply --spec FILE --acknowledge " +
                from_file.hash + " (or run, with the same option); if not, change the policy back");
  world_.policy().connection.secret_ref.emplace();
  world_.policy().name_space = "ns";
  world_.policy().name = "p";
  world_.table().ownership->policy_namespace = "ns";
  world_.table().ownership->policy_name = "p";
  const Plan from_cluster = world_.MakePlan();
  EXPECT_THAT(from_cluster.refusals.at(0).remedy,
              HasSubstr("consent with kubectl annotate ppol p -n ns --overwrite edgewatch.dev/acknowledge=" +
                        from_cluster.hash));
}

// An earlier release kept no record.  What it was about to remove must not stop
// because of the new release, and there is nothing to compare the policy with.
TEST_F(Consent, AnUpgradeHoldsNothingBack) {
  agreed() = {"", kUnrecorded, {}};
  Keep(3);
  ExpectFree(9);
  const Plan plan = world_.MakePlan();
  EXPECT_EQ(plan.agrees->keep, "3mo");
  EXPECT_EQ(plan.agrees->action, "Drop");
  EXPECT_THAT(plan.agrees->due, SizeIs(9));
  Record();
  Keep(2);
  EXPECT_THAT(Held(), HasSubstr("retention.keep is 2mo and was 3mo before"));
}

// But it is not taken for agreed to: else the partitions would go one by one,
// each at its time, and nobody would have been asked.
TEST_F(Consent, AShorterKeepThatRemovesNothingYetWaitsUntilItDoes) {
  Keep(11);
  world_.SetNow(sys_days(2026y / 11 / 1));
  world_.table().partitions.pop_front();  // November 2025
  ExpectFree(0);
  EXPECT_EQ(world_.MakePlan().agrees->keep, "12mo");
  Record();
  world_.SetNow(sys_days(2026y / 12 / 1));
  EXPECT_THAT(Held(), HasSubstr("retention.keep is 11mo and was 12mo before: 1 partition ("));
}

TEST_F(Consent, OtherUnitsOfTheSameLengthAreNoChange) {
  retention().keep = {1, Unit::kYear};
  ExpectFree(0);
  EXPECT_EQ(world_.MakePlan().agrees->keep, "1y");
}

// What was due before is no reason to ask, though maxPerRun has put it off.
TEST_F(Consent, WhatWasDueAnywayIsNoReason) {
  world_.SetNow(kNow + days(10));  // December 2: November 2025 is due
  retention().keep = {365, Unit::kDay};
  ExpectFree(1);
}

TEST_F(Consent, ALongerKeepNeedsNoneAndIsRecorded) {
  Keep(24);
  ExpectFree(0);
  Record();
  EXPECT_EQ(agreed().keep, "24mo");
  world_.Settle();
  // From here on it takes consent to go back.
  Keep(12);
  EXPECT_THAT(Held(), HasSubstr("retention.keep is 12mo and was 24mo before"));
}

TEST_F(Consent, ConsentIsByHashAndForTheSet) {
  Keep(10);
  const Plan held = world_.MakePlan();
  EXPECT_TRUE(world_.MakePlan("0123456789abcdef").needs_acknowledgement);
  EXPECT_THAT(world_.MakePlan("0123456789abcdef").refusals, SizeIs(1));
  const Plan free = world_.MakePlan(held.hash);
  EXPECT_THAT(free.refusals, IsEmpty());
  EXPECT_FALSE(free.needs_acknowledgement);
  EXPECT_THAT(Kinds(free), ElementsAre("drop_partition", "drop_partition"));
  ASSERT_TRUE(free.agrees);
  EXPECT_EQ(free.agrees->keep, "10mo");
  EXPECT_THAT(free.agrees->due, SizeIs(2));
  // Rows, bytes and time do not change it; what would be removed does.
  ASSERT_TRUE(world_.Insert(sys_days(2025y / 12 / 5), 700));
  world_.SetNow(kNow + 3h);
  EXPECT_EQ(world_.MakePlan().hash, held.hash);
  Keep(9);
  EXPECT_TRUE(world_.MakePlan(held.hash).needs_acknowledgement);
}

TEST_F(Consent, IsGivenOnce) {
  Keep(10);
  retention().max_per_run = 1;
  const Plan free = world_.MakePlan(world_.MakePlan().hash);
  EXPECT_THAT(Kinds(free), ElementsAre("drop_partition"));
  world_.table().ownership->agreed = free.agrees;
  for (const Step& step : free.steps) world_.Take(step.action);
  ExpectFree(1);
}

// The same change, made again later, is asked for again: an old answer still
// stands where it was given.
TEST_F(Consent, IsGoodOnce) {
  world_.policy().partitioning.state = Partitioning::State::kDisabled;
  ASSERT_TRUE(world_.Insert(sys_days(2025y / 12 / 5), 5));
  Keep(11);
  const std::string hash = world_.MakePlan().hash;
  const Plan free = world_.MakePlan(hash);
  EXPECT_TRUE(free.consented);
  world_.table().ownership->agreed = free.agrees;
  world_.table().ownership->consent = 77;
  ExpectFree(1);
  EXPECT_FALSE(world_.MakePlan(hash).consented) << "the routine takes none";
  Keep(12);
  Record();
  Keep(11);
  EXPECT_TRUE(world_.MakePlan(hash).needs_acknowledgement);
  EXPECT_FALSE(world_.MakePlan(hash).consented);
  EXPECT_TRUE(world_.MakePlan(world_.MakePlan().hash).consented);
}

// What makes one plan another's equal to the eye, and is not.
TEST_F(Consent, IsForOneTableOfOneOwnerAndOnePolicyAlone) {
  Keep(10);
  const std::string hash = world_.MakePlan().hash;
  world_.policy().origin.uid = "made-again";
  EXPECT_NE(world_.MakePlan().hash, hash);
  world_.policy().origin.uid.clear();
  EXPECT_EQ(world_.MakePlan().hash, hash);
  world_.table().ownership->table_owner = world_.table().owner = "another";
  EXPECT_NE(world_.MakePlan().hash, hash);
}

TEST_F(Consent, NothingIsAskedWhileRetentionIsHeld) {
  world_.policy().origin.hold = true;
  Keep(3);
  const Plan held = world_.MakePlan();
  EXPECT_THAT(held.refusals, IsEmpty());
  EXPECT_FALSE(held.needs_acknowledgement);
  EXPECT_THAT(Kinds(held), Not(Contains("drop_partition")));
  ASSERT_TRUE(held.agrees);
  EXPECT_EQ(held.agrees->keep, "12mo");
  EXPECT_THAT(held.agrees->due, IsEmpty());
  world_.table().ownership->agreed = held.agrees;
  world_.policy().origin.hold = false;
  EXPECT_THAT(Held(), HasSubstr("retention.keep is 3mo and was 12mo before"));
}

// Also where it is much of the table: it was agreed to before.
TEST_F(Consent, WhatAHoldTakesBackGoesOnceItIsLetGo) {
  retention().undo_window = {24, Unit::kHour};
  Keep(3);
  const Plan free = world_.MakePlan(world_.MakePlan().hash);
  world_.table().ownership->agreed = free.agrees;
  for (const Step& step : free.steps) ASSERT_TRUE(world_.Take(step.action));
  Record();
  EXPECT_THAT(agreed().due, IsEmpty());
  const std::size_t gone = world_.table().detached.size();
  ASSERT_GT(gone, world_.table().partitions.size() / 2);

  world_.policy().origin.hold = true;
  const Plan back = world_.MakePlan();
  EXPECT_THAT(back.refusals, IsEmpty());
  ASSERT_TRUE(back.agrees);
  EXPECT_THAT(back.agrees->due, SizeIs(gone));
  world_.table().ownership->agreed = back.agrees;
  for (const Step& step : back.steps) ASSERT_TRUE(world_.Take(step.action));
  Record();
  world_.policy().origin.hold = false;
  EXPECT_THAT(world_.MakePlan().refusals, IsEmpty());
  EXPECT_THAT(Kinds(world_.MakePlan()), Contains("detach_partition"));
}

TEST_F(Consent, DropInsteadOfDetachWaits) {
  retention().action = Action::kDetach;
  Record();
  EXPECT_EQ(agreed().action, "Detach");
  retention().action = Action::kDrop;
  ExpectFree(0);  // there is nothing to be dropped
  EXPECT_EQ(world_.MakePlan().agrees->action, "Detach");
  world_.SetNow(kNow + days(10));
  EXPECT_THAT(Held(), HasSubstr("retention.action is Drop and was Detach before: 1 partition ("));
  retention().action = Action::kDetach;
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.refusals, IsEmpty());
  EXPECT_THAT(Kinds(plan), Contains("detach_partition"));
}

TEST_F(Consent, DetachInsteadOfDropDoesNot) {
  retention().action = Action::kDetach;
  ExpectFree(0);
  EXPECT_EQ(world_.MakePlan().agrees->action, "Detach");
}

// No retention keeps for ever, and anything is shorter than that.
TEST_F(Consent, TheFirstRetentionOfATableWaits) {
  const Policy before = world_.policy();
  world_.policy().retention.reset();
  ExpectFree(0);
  Record();
  EXPECT_EQ(agreed(), AgreedRetention());
  world_.policy() = before;
  ExpectFree(0);
  EXPECT_EQ(world_.MakePlan().agrees, AgreedRetention()) << "nothing was removed under it yet";
  for (const Action action : {Action::kDrop, Action::kDetach}) {
    retention().action = action;
    Keep(11);
    EXPECT_THAT(Held(), HasSubstr("retention.keep is 11mo, and there was no retention before"));
  }
}

TEST_F(Consent, MoreThanHalfWaits) {
  // Of November 2025 to November 2026, thirteen; the three to come are empty.
  agreed().keep = "6mo";
  Keep(6);
  world_.SetNow(sys_days(2026y / 11 / 30));
  ExpectFree(6);
  world_.SetNow(sys_days(2026y / 12 / 1) - 1us);
  Keep(5);
  agreed().keep = "5mo";
  EXPECT_THAT(Held(), HasSubstr("7 of the table's 13 partitions expire at once, which is more than half: 7 "
                                "partitions (\"public\".\"points_p202511\", "));
  EXPECT_THAT(Held(), HasSubstr(" and 2 more) with about 0 rows and about 0 bytes would be removed"));
  // One of the future that holds rows counts.
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 12 / 5), 1));
  ASSERT_TRUE(world_.Insert(sys_days(2025y / 12 / 5), 1));
  ExpectFree(7);
}

TEST_F(Consent, MoreThanHalfOfTheRowsWaits) {
  agreed().keep = "8mo";
  Keep(8);
  ASSERT_TRUE(world_.Insert(sys_days(2025y / 12 / 5), 501));
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 11 / 5), 500));
  EXPECT_THAT(Held(),
              HasSubstr("the 4 partitions that expire at once hold more than half of the table's rows: "));
  // Where one was never analysed, nobody knows.
  Catalog catalog = world_.Read();
  catalog.table->partitions[8].rows = -1;
  EXPECT_THAT(MakePlan(world_.policy(), catalog, {kNow}).refusals, IsEmpty());
  ASSERT_TRUE(world_.Insert(sys_days(2026y / 11 / 5), 1));
  ExpectFree(4);
}

// A table with few partitions loses one of them now and then.
TEST_F(Consent, ACoupleIsNeverTooMuch) {
  for (const std::size_t expired : {2U, 3U}) {
    World world(PolicyWith(1), kNow);
    world.consents = false;
    for (std::size_t i = 0; i < expired; ++i) {
      world.AddPartition("old" + std::to_string(i), MonthOf(2020, static_cast<unsigned>(i) + 1), true);
    }
    EXPECT_EQ(world.MakePlan().needs_acknowledgement, expired > 2) << expired;
  }
}

// What has been expiring since the table was last looked after is the routine,
// whatever has kept it so far.
TEST_F(Consent, WhatIsOnItsWayOutIsNotCountedAgain) {
  agreed().keep = "2mo";
  Keep(2);
  retention().max_per_run = 1;
  const Plan held = world_.MakePlan();
  ASSERT_TRUE(held.needs_acknowledgement);
  const Plan free = world_.MakePlan(held.hash);
  ASSERT_TRUE(free.agrees);
  EXPECT_THAT(free.agrees->due, SizeIs(10));
  world_.table().ownership->agreed = free.agrees;
  ExpectFree(1);
  world_.Settle(20);
  EXPECT_EQ(world_.Covered().front(), MonthOf(2026, 9));
}

// Nothing is on record: the policy as it is was written for the table as it is.
TEST_F(Consent, FirstContactAsksOnlyForTooMuch) {
  world_.table().ownership->agreed.reset();
  Keep(8);
  ExpectFree(4);
  Keep(3);
  EXPECT_THAT(Held(), HasSubstr("more than half"));
  world_.table().ownership.reset();
  EXPECT_THAT(Held(), HasSubstr("more than half"));
  Keep(8);
  ExpectFree(4);
}

TEST_F(Consent, NothingElseWaits) {
  Keep(3);
  world_.policy().partitioning.premake = 5;
  const Plan plan = world_.MakePlan();
  EXPECT_TRUE(plan.needs_acknowledgement);
  EXPECT_THAT(Kinds(plan), ElementsAre("create_partition", "create_partition"));
  ASSERT_FALSE(plan.waiting.empty());
  for (const Waiting& waiting : plan.waiting) EXPECT_EQ(waiting.reason, "AcknowledgementRequired");
}

TEST_F(Consent, RowsOfTheDefaultWaitAsWell) {
  for (const std::int64_t rows : {5, 60'000}) {  // so many are cleared before all else
    World world = world_;
    ASSERT_TRUE(world.Insert(sys_days(2025y / 1 / 5), rows));
    EXPECT_THAT(Kinds(world.MakePlan()), Each("delete_expired_rows"));
    world.policy().retention->keep = {11, Unit::kMonth};
    const Plan held = world.MakePlan();
    EXPECT_TRUE(held.needs_acknowledgement);
    EXPECT_THAT(held.refusals.at(0).message,
                HasSubstr("bytes, and about " + std::string(rows > 5 ? "60,000" : "5") +
                          " expired rows of \"public\".\"points\""));
    EXPECT_EQ(held.at_stake->rows, rows);
    EXPECT_THAT(Kinds(held), IsEmpty());
    EXPECT_THAT(Kinds(world.MakePlan(held.hash)), Contains("delete_expired_rows"));
  }
}

TEST_F(Consent, RowsOfATableWithoutPartitionsWaitAsWell) {
  world_.policy().partitioning.state = Partitioning::State::kDisabled;
  ASSERT_TRUE(world_.Insert(sys_days(2025y / 12 / 5), 5));
  ExpectFree(0);
  Keep(11);
  EXPECT_THAT(Held(), HasSubstr("before: expired rows of \"public\".\"points\" would be removed"));
  const Plan free = world_.MakePlan(world_.MakePlan().hash);
  EXPECT_THAT(Kinds(free), ElementsAre("delete_expired_rows"));
}

// Another table is asked for once, and with all that is removed from it.
TEST_F(Consent, AnotherDatabaseIsAskedForOnce) {
  world_.table().ownership->system_identifier = "8";
  Keep(3);
  const Plan plan = world_.MakePlan();
  ASSERT_THAT(plan.refusals, SizeIs(1));
  EXPECT_EQ(plan.refusals[0].code, "DatabaseIdentityChanged");
  EXPECT_FALSE(plan.agrees);
  const Plan free = world_.MakePlan(plan.hash);
  EXPECT_TRUE(free.accepts_identity);
  ASSERT_TRUE(free.agrees);
  EXPECT_EQ(free.agrees->keep, "3mo");
}

// Nothing is removed then, and nobody could consent to it.
TEST_F(Consent, AnotherDatabaseIsNoMatterWithoutRetention) {
  world_.table().ownership->system_identifier = "8";
  const std::optional<Retention> retention = std::exchange(world_.policy().retention, std::nullopt);
  const Plan plan = world_.MakePlan();
  EXPECT_THAT(plan.refusals, SizeIs(0));
  EXPECT_FALSE(plan.agrees);
  world_.policy().retention = retention;
  Keep(3);
  EXPECT_THAT(world_.MakePlan().refusals, SizeIs(1));
}

TEST_F(Consent, ForARollupsTableIsGivenOnItsPolicy) {
  world_.policy().name = "points/hourly";
  world_.table().ownership.reset();
  world_.policy().connection = {};
  world_.policy().connection.secret_ref.emplace();
  world_.table().ownership.emplace();
  world_.table().ownership->policy_namespace = world_.policy().name_space;
  world_.table().ownership->policy_name = "points/hourly";
  world_.table().ownership->system_identifier = "8";
  Keep(3);
  const Plan plan = world_.MakePlan();
  ASSERT_THAT(plan.refusals, SizeIs(1));
  EXPECT_THAT(plan.refusals[0].remedy, HasSubstr("kubectl annotate ppol points -n "));
}

TEST_F(Consent, TheTakeOverWritesItDown) {
  const std::string without =
      ClaimSql(world_.policy(), world_.table(), world_.server(), "me", false, false, std::nullopt);
  EXPECT_THAT(without, Not(HasSubstr("retention_")));
  EXPECT_THAT(without, Not(HasSubstr("consent")));
  const std::string with = ClaimSql(world_.policy(), world_.table(), world_.server(), "me", false, true,
                                    AgreedRetention{"90d", "Drop", {3, 4}});
  EXPECT_THAT(with, HasSubstr("'90d', 'Drop', '{3,4}'"));
  EXPECT_THAT(with, HasSubstr("retention_keep = EXCLUDED.retention_keep, retention_action = "
                              "EXCLUDED.retention_action, retention_due = EXCLUDED.retention_due, consent = "
                              "EXCLUDED.consent"));
}

}  // namespace
}  // namespace partition_controller
