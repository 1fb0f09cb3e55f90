#include "reconcilers/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <regex>

namespace partition_controller {
namespace {

using std::chrono::hours;
using std::chrono::sys_days;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

class Status : public testing::Test {
 protected:
  Status() {
    policy_.retention = Retention{.keep = {90, CalendarDuration::Unit::kDay}};
    catalog_.server.time = now_;
    Table& table = catalog_.table.emplace();
    table.schema = "public";
    table.name = "points";
    table.key_column_type = "timestamp with time zone";
    plan_.outlook.now = now_;
    plan_.outlook.horizon = sys_days(2027y / 3 / 1);
    plan_.outlook.covered_until = plan_.outlook.horizon;
    plan_.outlook.cutoff = now_ - 90 * hours(24);
  }

  Condition Get(const std::string& type) const {
    for (const Condition& condition : ConditionsOf(policy_, catalog_, plan_, failure_)) {
      if (condition.type == type) return condition;
    }
    ADD_FAILURE() << "no condition " << type;
    return {};
  }
  // "False/Overdue"
  std::string Short(const std::string& type) const { return Get(type).status + '/' + Get(type).reason; }

  static Step Create(const std::string& name = "p") {
    return {CreatePartition{{name, Range::Between(sys_days(2027y / 2 / 1), sys_days(2027y / 3 / 1))}}, "r"};
  }
  static Range July() { return Range::Between(sys_days(2026y / 7 / 1), sys_days(2026y / 8 / 1)); }
  static Step Detach() { return {DetachPartition{{2, "public", "july", "b"}, July(), std::nullopt}, "r"}; }
  static Action DropDetached() { return DropPartition{{2, "public", "july", ""}, July(), false}; }
  void AddDetached(Instant drop_after) {
    Detached detached;
    detached.oid = 2;
    detached.drop_after = drop_after;
    catalog_.table->detached = {detached};
  }

  const Instant now_ = sys_days(2026y / 11 / 22) + 20h + 31min;
  Policy policy_;
  Catalog catalog_;
  Plan plan_;
  std::optional<Failure> failure_;
};

TEST_F(Status, TypesAndTheirOrder) {
  std::vector<std::string> types;
  for (const Condition& condition : ConditionsOf(policy_, catalog_, plan_, failure_)) {
    types.push_back(condition.type);
  }
  const std::vector<std::string> expected = {"Ready",          "Reconciling",       "Stalled",
                                             "Covered",        "RetentionEnforced", "DefaultPartitionEmpty",
                                             "RollupsCurrent", "Converted"};
  EXPECT_EQ(types, expected);
  types.clear();
  for (const Condition& condition : ConditionsOf(Failure{"LockTimeout", "m", false})) {
    types.push_back(condition.type);
  }
  EXPECT_EQ(types, expected);
}

TEST_F(Status, AsDeclared) {
  EXPECT_EQ(Short("Ready"), "True/AsDeclared");
  EXPECT_EQ(Short("Reconciling"), "False/AsDeclared");
  EXPECT_EQ(Short("Stalled"), "False/AsDeclared");
  EXPECT_EQ(Short("Covered"), "True/AsDeclared");
  EXPECT_EQ(Short("RetentionEnforced"), "True/AsDeclared");
  EXPECT_EQ(Short("DefaultPartitionEmpty"), "True/NoDefault");
}

TEST_F(Status, StepsAreDue) {
  plan_.steps = {Create(), Create("q"), Detach()};
  EXPECT_EQ(Short("Ready"), "False/Progressing");
  EXPECT_EQ(Get("Ready").message, "3 steps are due: 2 create_partition, detach_partition.");
  EXPECT_EQ(Short("Reconciling"), "True/Progressing");
  EXPECT_EQ(Short("Stalled"), "False/AsDeclared");
}

// What waits for its time is as declared.
TEST_F(Status, StepsThatWait) {
  AddDetached(now_ + hours(3));
  plan_.waiting = {{DropDetached(), "in its undo window", now_ + hours(3)}};
  EXPECT_EQ(Short("Ready"), "True/AsDeclared");
  EXPECT_EQ(Get("Ready").message, "The table is as the policy declares; 1 step waits for its time.");
  EXPECT_EQ(Short("RetentionEnforced"), "True/AsDeclared");
}

TEST_F(Status, ModePlan) {
  policy_.mode = Policy::Mode::kPlan;
  EXPECT_EQ(Short("Ready"), "True/AsDeclared");
  plan_.steps = {Detach()};
  EXPECT_EQ(Short("Ready"), "False/PlanPending");
  EXPECT_THAT(Get("Ready").message, HasSubstr("set it to Apply"));
  EXPECT_EQ(Short("Reconciling"), "False/PlanPending");
  EXPECT_EQ(Short("RetentionEnforced"), "False/Overdue");
  EXPECT_THAT(Get("RetentionEnforced").message, HasSubstr("spec.mode is Plan"));
}

TEST_F(Status, Suspended) {
  policy_.suspend = true;
  plan_.steps = {Create()};
  failure_ = Failure{"LockTimeout", "m", false};
  EXPECT_EQ(Short("Ready"), "False/Suspended");
  EXPECT_EQ(
      Get("Ready").message,
      "1 step is due: create_partition. Nothing is done while spec.suspend is true; set it to false to go "
      "on.");
  EXPECT_EQ(Short("Reconciling"), "False/Suspended");
  EXPECT_EQ(Short("Stalled"), "False/AsDeclared");
}

TEST_F(Status, Failures) {
  plan_.steps = {Create()};
  failure_ = Failure{"LockTimeout", "pid 7 holds it", false};
  EXPECT_EQ(Short("Ready"), "False/LockTimeout");
  EXPECT_EQ(Get("Ready").message, "pid 7 holds it");
  EXPECT_EQ(Short("Reconciling"), "True/Retrying");
  EXPECT_EQ(Short("Stalled"), "False/AsDeclared");
  failure_ = Failure{"PermissionDenied", "grant it", true};
  EXPECT_EQ(Short("Ready"), "False/PermissionDenied");
  EXPECT_EQ(Short("Reconciling"), "False/PermissionDenied");
  EXPECT_EQ(Short("Stalled"), "True/PermissionDenied");
  EXPECT_EQ(Get("Stalled").message, "grant it");
}

TEST_F(Status, Refusals) {
  plan_.refusals = {{"ClockSkew", "the clocks differ", "set them", false}};
  EXPECT_EQ(Short("Ready"), "False/ClockSkew");
  EXPECT_EQ(Get("Ready").message, "the clocks differ. Remedy: set them");
  EXPECT_EQ(Short("Stalled"), "True/ClockSkew");
  EXPECT_EQ(Short("Reconciling"), "False/AsDeclared");
  // Provisioning goes on.
  plan_.steps = {Create()};
  EXPECT_EQ(Short("Reconciling"), "True/Progressing");
  // The worst one is shown.
  plan_.refusals.push_back({"Conflict", "taken", "delete one", true});
  plan_.steps.clear();
  EXPECT_EQ(Short("Ready"), "False/Conflict");
  EXPECT_EQ(Get("Ready").message, "taken. Remedy: delete one | the clocks differ. Remedy: set them");
  EXPECT_EQ(Short("Reconciling"), "False/Conflict");
}

TEST_F(Status, Acknowledgement) {
  plan_.refusals = {{"ClockSkew", "the clocks differ", "set them", false},
                    {"DatabaseIdentityChanged", "a clone", "consent with --acknowledge abc", false}};
  plan_.needs_acknowledgement = true;
  plan_.waiting = {{Detach().action, "DatabaseIdentityChanged", std::nullopt}};
  plan_.outlook.overdue_since = now_;
  EXPECT_EQ(Short("Ready"), "False/DatabaseIdentityChanged");
  EXPECT_THAT(Get("Ready").message, HasSubstr("--acknowledge abc"));
  EXPECT_EQ(Short("Stalled"), "True/DatabaseIdentityChanged");
  EXPECT_EQ(Short("RetentionEnforced"), "False/DatabaseIdentityChanged");
  plan_.refusals.push_back({"Conflict", "taken", "delete one", true});
  EXPECT_EQ(Short("Ready"), "False/Conflict");
}

TEST_F(Status, Covered) {
  plan_.outlook.covered_until = sys_days(2027y / 2 / 1);
  EXPECT_EQ(Short("Covered"), "False/PremakeBehind");
  EXPECT_EQ(Get("Covered").message,
            "Partitions reach without a gap to 2027-02-01T00:00:00Z; the policy asks for them until "
            "2027-03-01T00:00:00Z.");
  plan_.outlook.covered_until.reset();
  plan_.outlook.uncovered_since = sys_days(2026y / 11 / 1);
  EXPECT_EQ(Short("Covered"), "False/RangeGap");
  EXPECT_THAT(Get("Covered").message, HasSubstr("since 2026-11-01T00:00:00Z: inserting them fails"));
  catalog_.table->default_partition.emplace();
  EXPECT_THAT(Get("Covered").message, HasSubstr("they go to the default partition"));
  catalog_.table->drain = Drain{.mode = Drain::Mode::kMove,
                                .range = {Bound::MinValue(), Bound::MaxValue()},
                                .target = 3,
                                .target_schema = "public",
                                .target_name = "t"};
  EXPECT_THAT(Get("Covered").message,
              HasSubstr("they go to \"public\".\"t\", where queries miss them until it is attached;"));
  catalog_.table->drain->mode = Drain::Mode::kPromote;
  EXPECT_THAT(Get("Covered").message, HasSubstr("they go to the default partition"));
  plan_.outlook.covered_for_ever = true;
  EXPECT_EQ(Short("Covered"), "True/AsDeclared");
}

TEST_F(Status, APlainTable) {
  catalog_.table->kind = Table::Kind::kPlain;
  plan_.outlook.horizon = {};
  plan_.outlook.covered_until.reset();
  policy_.partitioning.state = Partitioning::State::kDisabled;
  EXPECT_EQ(Short("Covered"), "True/NotPartitioned");
  policy_.partitioning.state = Partitioning::State::kEnabled;
  plan_.refusals = {{"NotPartitioned", "m", "r", true}};
  EXPECT_EQ(Short("Covered"), "Unknown/NotPartitioned");
  EXPECT_EQ(Short("RetentionEnforced"), "Unknown/NotPartitioned");
}

TEST_F(Status, NoTable) {
  catalog_.table.reset();
  plan_ = {};
  plan_.refusals = {{"TableNotFound", "m", "r", true}};
  EXPECT_EQ(Short("Ready"), "False/TableNotFound");
  for (const char* type : {"Covered", "RetentionEnforced", "DefaultPartitionEmpty"}) {
    EXPECT_EQ(Short(type), "Unknown/TableNotFound");
  }
}

TEST_F(Status, RetentionThatIsHeld) {
  policy_.origin.hold = true;
  EXPECT_EQ(Short("RetentionEnforced"), "False/Held");
}

TEST_F(Status, RetentionEnforced) {
  plan_.outlook.overdue_since = sys_days(2026y / 10 / 30);
  EXPECT_EQ(Short("RetentionEnforced"), "False/Overdue");
  EXPECT_EQ(Get("RetentionEnforced").message,
            "Nothing can be removed, though the oldest partition is due since 2026-10-30T00:00:00Z. See the "
            "plan's advice.");
  plan_.steps = {Create(), Detach()};
  EXPECT_EQ(Short("RetentionEnforced"), "False/Overdue");
  EXPECT_THAT(Get("RetentionEnforced").message, HasSubstr("1 removal to be done, "));
  plan_.waiting = {{Detach().action, "windows", now_ + hours(5)}};
  EXPECT_EQ(Short("RetentionEnforced"), "False/OutsideWindow");
  EXPECT_THAT(Get("RetentionEnforced").message, HasSubstr("opens at 2026-11-23T01:31:00Z"));
  plan_.waiting = {{Detach().action, "maxPerRun", std::nullopt}};
  EXPECT_EQ(Short("RetentionEnforced"), "False/Paced");
  plan_.refusals = {{"ClockSkew", "m", "r", false}};
  EXPECT_EQ(Short("RetentionEnforced"), "False/ClockSkew");
  policy_.retention.reset();
  EXPECT_EQ(Short("RetentionEnforced"), "True/Disabled");
}

// A detached table has left the parent; once its undo window is over, it is
// late all the same.
TEST_F(Status, DetachedTablesAreLateAfterTheirUndoWindow) {
  AddDetached(now_ - hours(3));
  plan_.waiting = {{DropDetached(), "windows", now_ + hours(3)}};
  EXPECT_EQ(Short("RetentionEnforced"), "False/OutsideWindow");
}

TEST_F(Status, DefaultPartition) {
  DefaultPartition& fallback = catalog_.table->default_partition.emplace();
  EXPECT_EQ(Short("DefaultPartitionEmpty"), "True/Empty");
  fallback.rows = 37;
  fallback.cuts = {sys_days(2026y / 8 / 1), sys_days(2027y / 3 / 1), sys_days(2027y / 4 / 1)};
  fallback.counts = {0, 7, 20, 10};
  EXPECT_EQ(Short("DefaultPartitionEmpty"), "False/RowsPresent");
  EXPECT_EQ(Get("DefaultPartitionEmpty").message,
            "The default partition holds 37 rows. They are moved to partitions of their own, or deleted if "
            "expired. Beyond the horizon 2027-03-01T00:00:00Z lie 30, which stay until it reaches them; if "
            "their time is wrong, correct it.");
  fallback.counts = {0, 0, 37, 0};
  EXPECT_THAT(Get("DefaultPartitionEmpty").message, Not(HasSubstr("They are moved")));
  fallback.rows = 2'012'345;
  EXPECT_THAT(Get("DefaultPartitionEmpty").message, HasSubstr("holds about 2,000,000 rows."));
  fallback.rows = 120;
  EXPECT_THAT(Get("DefaultPartitionEmpty").message, HasSubstr("holds about 100 rows."));
  fallback.rows = 37;
  fallback.exact = false;
  EXPECT_THAT(Get("DefaultPartitionEmpty").message, HasSubstr("holds about 37 rows."));
}

// The horizon is UTC, the cuts are wall time.
TEST_F(Status, TheHorizonOfAKeyWithoutAZone) {
  catalog_.table->key_column_type = "timestamp without time zone";
  policy_.partitioning.time_zone = "Europe/Berlin";
  plan_.outlook.horizon = sys_days(2027y / 2 / 28) + 23h;
  DefaultPartition& fallback = catalog_.table->default_partition.emplace();
  fallback.rows = 3;
  fallback.cuts = {sys_days(2027y / 2 / 28) + 23h, sys_days(2027y / 3 / 1)};
  fallback.counts = {0, 1, 2};
  EXPECT_THAT(Get("DefaultPartitionEmpty").message, HasSubstr(" lie 2, which stay"));
}

TEST_F(Status, NotRead) {
  const auto unread = ConditionsOf(Failure{"DatabaseUnreachable", "no route", false});
  EXPECT_EQ(unread[0], (Condition{"Ready", "False", "DatabaseUnreachable", "no route"}));
  for (std::size_t i = 1; i < unread.size(); ++i) EXPECT_EQ(unread[i].status, "Unknown");
  const auto stalled = ConditionsOf(Failure{"SecretNotFound", "make it", true});
  EXPECT_EQ(stalled[2], (Condition{"Stalled", "True", "SecretNotFound", "make it"}));
}

TEST_F(Status, MessagesAreSafeToShowAndOfBoundedLength) {
  failure_ = Failure{"LockTimeout", "a\x1b[2J\nb", false};
  EXPECT_EQ(Get("Ready").message, "a\\x1B[2J\\x0Ab");
  failure_->message = "x";
  for (int i = 0; i < 3'000; ++i) failure_->message += "\u00FC";
  EXPECT_EQ(Get("Ready").message.size(), 4'095U + 3U);  // 1 + 2 * 2047, and three dots
  EXPECT_TRUE(Get("Ready").message.ends_with("\u00FC..."));
}

// As the API server checks them.
TEST_F(Status, ReasonsAreWellFormed) {
  const std::regex pattern("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$");
  plan_.steps = {Create(), Detach()};
  for (const Condition& condition : ConditionsOf(policy_, catalog_, plan_, failure_)) {
    EXPECT_TRUE(std::regex_match(condition.reason, pattern)) << condition.reason;
    EXPECT_FALSE(condition.message.empty());
  }
}

TEST_F(Status, ConvertedFollowsTheJournal) {
  EXPECT_EQ(Short("Converted"), "True/Partitioned");
  EXPECT_EQ(ConversionProgress(policy_, catalog_), std::nullopt);
  Table& table = *catalog_.table;
  table.kind = Table::Kind::kPlain;
  EXPECT_EQ(Short("Converted"), "False/NotWanted");
  EXPECT_EQ(ConversionProgress(policy_, catalog_), std::nullopt);
  policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
  EXPECT_EQ(Short("Converted"), "False/Pending");
  // Nothing is due, for its index is being built elsewhere, and it is not done.
  EXPECT_EQ(Short("Ready"), "False/Converting");
  EXPECT_EQ(Short("Reconciling"), "True/Converting");
  EXPECT_EQ(Short("Covered"), "True/NotPartitioned");
  EXPECT_EQ(ConversionProgress(policy_, catalog_), 0);

  Conversion& conversion = table.conversion.emplace();
  conversion.key_index = "points_key_with_time";
  conversion.history_name = "points_pmin_20261201";
  conversion.cut = sys_days(2026y / 12 / 1);
  EXPECT_EQ(Short("Converted"), "False/Prepared");
  EXPECT_EQ(ConversionProgress(policy_, catalog_), 0.25);
  TableIndex index;
  index.name = conversion.key_index;
  index.valid = false;
  table.anatomy.emplace().indexes = {index};
  EXPECT_EQ(ConversionProgress(policy_, catalog_), 0.25);
  table.anatomy->indexes.front().valid = true;
  EXPECT_EQ(ConversionProgress(policy_, catalog_), 0.5);
  conversion.state = Conversion::State::kFenced;
  EXPECT_EQ(Short("Converted"), "False/Fenced");
  EXPECT_THAT(Get("Converted").message, HasSubstr("2026-12-01T00:00:00Z"));
  EXPECT_EQ(ConversionProgress(policy_, catalog_), 0.75);
  failure_ = Failure{"LockTimeout", "somebody holds a lock", false};
  EXPECT_EQ(Short("Converted"), "False/LockTimeout");
  failure_.reset();
  plan_.refusals = {{"ForeignKeysPointHere", "m", "r", true}};
  EXPECT_EQ(Short("Converted"), "False/ForeignKeysPointHere");
  plan_.refusals.clear();

  table.kind = Table::Kind::kPartitioned;
  conversion.state = Conversion::State::kConverted;
  EXPECT_EQ(Short("Converted"), "True/Converted");
  EXPECT_THAT(Get("Converted").message, HasSubstr("points_pmin_20261201"));
  EXPECT_THAT(Get("Converted").message, HasSubstr("unconvert"));
  EXPECT_EQ(ConversionProgress(policy_, catalog_), 1);
  conversion.no_way_back = "partition \"x\" was dropped";
  EXPECT_THAT(Get("Converted").message, HasSubstr("no way back: partition \"x\" was dropped"));
  table.kind = Table::Kind::kPlain;
  conversion.state = Conversion::State::kReverting;
  EXPECT_EQ(Short("Converted"), "False/Reverting");
}

}  // namespace
}  // namespace partition_controller
