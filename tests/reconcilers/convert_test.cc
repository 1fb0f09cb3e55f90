// When a plain table is converted, where it is cut, and when that is given up.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcilers/bounds.h"
#include "reconcilers/naming.h"
#include "reconcilers/plan.h"

namespace partition_controller {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using State = Conversion::State;

Instant At(const char* text) { return ParseInstant(text).value(); }

class Convert : public testing::Test {
 protected:
  Convert() {
    policy_.name = "points";
    policy_.name_space = "default";
    policy_.table.name = "points";
    policy_.time_column = "ts";
    policy_.partitioning.premake = 2;
    policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
    policy_.partitioning.uniqueness = Partitioning::Uniqueness::kPerPartition;
    catalog_.server.version = 150'000;
    catalog_.server.bookkeeping_version = kBookkeepingVersion;
    catalog_.server.user = "owner";
    Table table;
    table.oid = 16'400;
    table.schema = "public";
    table.name = "points";
    table.kind = Table::Kind::kPlain;
    table.owner = "owner";
    table.key_column_type = "timestamp with time zone";
    table.partitioned_by_key = false;
    table.columns = {"id", "ts"};
    table.attributes.emplace_back();
    table.anatomy.emplace();
    table.anatomy->shape = "as it was";
    TableIndex key;
    key.name = "points_pkey";
    key.unique = true;
    key.constraint = 'p';
    key.definition = "USING btree (id)";
    key.columns = {"id"};
    table.anatomy->indexes = {key};
    catalog_.table = table;
    SetNow(At("2026-11-22T20:31:00Z"));
  }

  void SetNow(Instant now) { catalog_.server.time = now; }
  Anatomy& anatomy() { return *catalog_.table->anatomy; }
  Plan Make() const { return MakePlan(policy_, catalog_, {catalog_.server.time, false}); }
  std::vector<std::string> Kinds() const {
    std::vector<std::string> kinds;
    for (const Step& step : Make().steps) kinds.emplace_back(Kind(step.action));
    return kinds;
  }
  std::vector<std::string> Codes() const {
    std::vector<std::string> codes;
    for (const Refusal& refusal : Make().refusals) codes.push_back(refusal.code);
    return codes;
  }
  // Where a conversion that began now would cut.
  std::string Cut() const {
    for (const Step& step : Make().steps) {
      if (const auto* a = std::get_if<PrepareConversion>(&step.action))
        return ToString(Bound::At(a->conversion.cut));
    }
    return "";
  }
  // Carries the first steps of the plan out; what is made gets an oid.
  void Take(std::size_t steps) {
    const Plan plan = Make();
    for (std::size_t i = 0; i < std::min(steps, plan.steps.size()); ++i)
      Apply(plan.steps[i].action, catalog_.server.time, &*catalog_.table);
    if (catalog_.table->conversion && catalog_.table->conversion->parent == 0)
      catalog_.table->conversion->parent = 17'000;
  }
  void AddKeyIndex(bool valid, bool building = false) {
    TableIndex index;
    index.name = KeyIndexName("points");
    index.unique = true;
    index.valid = valid;
    index.building = building;
    index.definition = "USING btree (id, ts)";
    index.columns = {"id", "ts"};
    anatomy().indexes.push_back(index);
  }

  Policy policy_;
  Catalog catalog_;
};

TEST_F(Convert, CutsAtTheNextPeriodThatIsFarEnoughAhead) {
  EXPECT_EQ(Cut(), "2026-12-01T00:00:00Z");
  SetNow(At("2026-11-29T23:59:59Z"));
  EXPECT_EQ(Cut(), "2026-12-01T00:00:00Z");
  SetNow(At("2026-11-30T00:00:00Z"));
  EXPECT_EQ(Cut(), "2026-12-01T00:00:00Z");
  SetNow(At("2026-11-30T00:00:01Z"));
  EXPECT_EQ(Cut(), "2027-01-01T00:00:00Z");
}

TEST_F(Convert, TheLeadGrowsWithTheTable) {
  SetNow(At("2026-11-29T00:00:00Z"));
  EXPECT_EQ(Cut(), "2026-12-01T00:00:00Z");
  // 4 MiB a second, and a day: 24 hours' worth still fit before the cut.
  anatomy().bytes = std::int64_t{24} * 3'600 * (4 << 20);
  EXPECT_EQ(Cut(), "2026-12-01T00:00:00Z");
  anatomy().bytes += 4 << 20;
  EXPECT_EQ(Cut(), "2027-01-01T00:00:00Z");
  anatomy().bytes = std::int64_t{40} * 24 * 3'600 * (4 << 20);
  EXPECT_EQ(Cut(), "2027-02-01T00:00:00Z");
}

TEST_F(Convert, CutsWherePeriodsBegin) {
  for (const auto& [granularity, cut] :
       std::vector<std::pair<Granularity, const char*>>{{Granularity::kHour, "2026-11-23T21:00:00Z"},
                                                        {Granularity::kDay, "2026-11-24T00:00:00Z"},
                                                        {Granularity::kWeek, "2026-11-30T00:00:00Z"},
                                                        {Granularity::kMonth, "2026-12-01T00:00:00Z"},
                                                        {Granularity::kQuarter, "2027-01-01T00:00:00Z"},
                                                        {Granularity::kYear, "2027-01-01T00:00:00Z"}}) {
    policy_.partitioning.granularity = granularity;
    EXPECT_EQ(Cut(), cut);
  }
  policy_.partitioning.granularity = Granularity::kMonth;
  policy_.partitioning.time_zone = "America/New_York";
  EXPECT_EQ(Cut(), "2026-12-01T05:00:00Z");
  policy_.partitioning.time_zone = "Asia/Kathmandu";
  EXPECT_EQ(Cut(), "2026-11-30T18:15:00Z");
  // Wall time is what such a column holds.
  catalog_.table->key_column_type = "timestamp without time zone";
  EXPECT_EQ(Cut(), "2026-12-01T00:00:00Z");
  SetNow(At("2026-11-30T18:00:00Z"));
  EXPECT_EQ(Cut(), "2027-01-01T00:00:00Z");
}

TEST_F(Convert, PreparesFromTheCutToTheHorizon) {
  const Plan plan = Make();
  ASSERT_FALSE(plan.steps.empty());
  const auto& prepare = std::get<PrepareConversion>(plan.steps[0].action);
  ASSERT_EQ(prepare.partitions.size(), 2U);
  EXPECT_EQ(prepare.partitions[0].name, "points_p202612");
  EXPECT_EQ(prepare.partitions[1].range.to, Bound::At(At("2027-02-01T00:00:00Z")));
  EXPECT_EQ(prepare.default_name, "points_default");
  EXPECT_EQ(prepare.conversion.parent_name, "points_partitioned");
  EXPECT_EQ(prepare.conversion.history_name, "points_pmin_20261201");
  EXPECT_THAT(prepare.conversion.primary_key, ElementsAre("id"));
  EXPECT_EQ(prepare.conversion.key_index, "points_key_with_time");
  EXPECT_EQ(prepare.conversion.shape, "as it was");
  EXPECT_EQ(prepare.indexes, 1U);
}

TEST_F(Convert, NamesOfIndexesCountAsTaken) {
  catalog_.table->taken_names = {"points_partitioned_idx1", "points_pmin_20261201_2_idx1",
                                 "points_pmin_20261201", "points_default"};
  const Plan plan = Make();
  const auto& prepare = std::get<PrepareConversion>(plan.steps.at(0).action);
  EXPECT_EQ(prepare.conversion.parent_name, "points_partitioned_2");
  EXPECT_EQ(prepare.conversion.history_name, "points_pmin_20261201_3");
  EXPECT_EQ(prepare.default_name, "points_default_2");
  EXPECT_THAT(NamesMade(plan), Contains("points_partitioned_2_idx1"));
}

TEST_F(Convert, AKeyWithTheTimeColumnNeedsNoIndex) {
  anatomy().indexes[0].holds_key = true;
  anatomy().indexes[0].columns = {"ts", "id"};
  policy_.partitioning.uniqueness = Partitioning::Uniqueness::kRefuse;
  EXPECT_THAT(Kinds(), ElementsAre("prepare_conversion", "fence_conversion", "finish_conversion"));
  EXPECT_TRUE(std::get<PrepareConversion>(Make().steps[0].action).conversion.key_index.empty());
}

TEST_F(Convert, GoesOnFromEachState) {
  EXPECT_THAT(Kinds(),
              ElementsAre("prepare_conversion", "build_index", "fence_conversion", "finish_conversion"));
  Take(1);
  EXPECT_THAT(Kinds(), ElementsAre("build_index", "fence_conversion", "finish_conversion"));
  AddKeyIndex(false);
  EXPECT_THAT(Kinds(),
              ElementsAre("drop_invalid_index", "build_index", "fence_conversion", "finish_conversion"));
  anatomy().indexes.back().building = true;
  EXPECT_THAT(Kinds(), IsEmpty());
  EXPECT_THAT(Make().waiting, testing::SizeIs(1));
  anatomy().indexes.pop_back();
  AddKeyIndex(true);
  EXPECT_THAT(Kinds(), ElementsAre("fence_conversion", "finish_conversion"));
  Take(1);
  EXPECT_EQ(catalog_.table->conversion->state, State::kFenced);
  EXPECT_THAT(Kinds(), ElementsAre("finish_conversion"));
  anatomy().rows_beyond = 7;
  EXPECT_EQ(std::get<FinishConversion>(Make().steps[0].action).rows, 7);
  Take(1);
  EXPECT_EQ(catalog_.table->kind, Table::Kind::kPartitioned);
  EXPECT_EQ(catalog_.table->oid, 17'000U);
  EXPECT_EQ(catalog_.table->partitions.front().oid, 16'400U);
  EXPECT_THAT(Kinds(), ElementsAre("analyze_parent"));
}

// A cut that was chosen stays, also if another one would be chosen now.
TEST_F(Convert, KeepsItsCut) {
  Take(1);
  anatomy().bytes = std::int64_t{100} * 24 * 3'600 * (4 << 20);
  policy_.partitioning.granularity = Granularity::kYear;
  EXPECT_THAT(Kinds(), ElementsAre("build_index", "fence_conversion", "finish_conversion"));
  EXPECT_EQ(std::get<FinishConversion>(Make().steps.back().action).conversion.cut,
            At("2026-12-01T00:00:00Z"));
}

TEST_F(Convert, IsGivenUpWhenNoLongerAskedFor) {
  Take(1);
  policy_.partitioning.conversion = Partitioning::Conversion::kNever;
  EXPECT_THAT(Kinds(), ElementsAre("abandon_conversion"));
  EXPECT_FALSE(std::get<AbandonConversion>(Make().steps[0].action).keep_index);
  EXPECT_THAT(Make().steps[0].reason, HasSubstr("no longer Online"));
  policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
  AddKeyIndex(true);
  Take(1);
  policy_.partitioning.state = Partitioning::State::kDisabled;
  EXPECT_THAT(Kinds(), ElementsAre("unfence_conversion", "abandon_conversion"));
  EXPECT_THAT(Make().steps[0].reason, HasSubstr("Disabled"));
  Take(2);
  EXPECT_FALSE(catalog_.table->conversion);
  EXPECT_THAT(catalog_.table->partitions, IsEmpty());
}

TEST_F(Convert, BeginsAnewForAnAlteredTable) {
  Take(1);
  AddKeyIndex(true);
  Take(1);
  anatomy().shape = "another";
  EXPECT_THAT(Kinds(), ElementsAre("unfence_conversion", "abandon_conversion"));
  EXPECT_TRUE(std::get<AbandonConversion>(Make().steps[1].action).keep_index);
  Take(2);
  EXPECT_THAT(Kinds(), ElementsAre("prepare_conversion", "fence_conversion", "finish_conversion"));
}

TEST_F(Convert, BeginsAnewWhenTheCutIsClose) {
  Take(1);
  SetNow(At("2026-12-01T00:00:00Z") - minutes(10));
  EXPECT_THAT(Kinds(), ElementsAre("build_index", "fence_conversion", "finish_conversion"));
  SetNow(At("2026-12-01T00:00:00Z") - minutes(9));
  EXPECT_THAT(Kinds(), ElementsAre("abandon_conversion"));
  Take(1);
  EXPECT_EQ(Cut(), "2027-01-01T00:00:00Z");
}

TEST_F(Convert, ARefusalHoldsWhatIsUnderWay) {
  Take(1);
  anatomy().dependents = {"materialized view daily"};
  EXPECT_THAT(Codes(), ElementsAre("DependentObjects"));
  EXPECT_THAT(Kinds(), IsEmpty());
  // But it can be given up.
  policy_.partitioning.conversion = Partitioning::Conversion::kNever;
  EXPECT_THAT(Kinds(), ElementsAre("abandon_conversion"));
}

// Behind a fence rows are out of sight, and with time those of the present.
TEST_F(Convert, ARefusalTakesTheFenceDown) {
  Take(3);
  ASSERT_EQ(catalog_.table->conversion->state, Conversion::State::kFenced);
  anatomy().dependents = {"materialized view daily"};
  EXPECT_THAT(Codes(), ElementsAre("DependentObjects"));
  EXPECT_THAT(Kinds(), ElementsAre("unfence_conversion", "abandon_conversion"));
}

TEST_F(Convert, RowsThatTriggersWouldSeeAreNotMoved) {
  TableTrigger trigger;
  trigger.name = "t";
  trigger.create = {"CREATE TRIGGER t AFTER INSERT ON ", " FOR EACH ROW EXECUTE FUNCTION f()"};
  trigger.on_rows_moved = true;
  anatomy().triggers = {trigger};
  EXPECT_THAT(Codes(), IsEmpty());
  anatomy().rows_beyond = 1;
  EXPECT_THAT(Codes(), ElementsAre("RowsCannotMove"));
  anatomy().triggers[0].enabled = 'D';
  EXPECT_THAT(Codes(), IsEmpty());
}

TEST_F(Convert, AForeignIndexOfOurNameIsInTheWay) {
  AddKeyIndex(true);
  anatomy().indexes.back().columns = {"ts", "id"};
  EXPECT_THAT(Codes(), ElementsAre("NameTaken"));
  EXPECT_THAT(Kinds(), IsEmpty());
}

TEST_F(Convert, AdvisesOnLongTransactions) {
  anatomy().oldest_transaction = 3'600;
  EXPECT_THAT(Make().advice, Contains(HasSubstr("60 min")));
}

TEST_F(Convert, WaitsForACloserLook) {
  catalog_.table->anatomy.reset();
  EXPECT_THAT(Kinds(), IsEmpty());
  EXPECT_THAT(Codes(), IsEmpty());
}

// What retention does to the history right after the swap is no surprise.
TEST_F(Convert, SaysWhatWillExpire) {
  policy_.retention.emplace();
  policy_.retention->keep = {90, CalendarDuration::Unit::kDay};
  policy_.retention->action = Retention::Action::kDrop;
  const auto said = [&] {
    const std::vector<std::string> advice = Make().advice;
    return std::any_of(advice.begin(), advice.end(), [](const std::string& one) {
      return one.find("are deleted in batches, in the same run") != std::string::npos;
    });
  };
  EXPECT_FALSE(said());
  catalog_.table->oldest_row = At("2026-08-24T20:30:59Z");
  EXPECT_TRUE(said());
  policy_.partitioning.history_deletes = false;
  EXPECT_FALSE(said());
  policy_.partitioning.history_deletes = true;
  catalog_.table->oldest_row = At("2026-08-24T20:31:00Z");
  EXPECT_FALSE(said());
}

TEST_F(Convert, SaysThatRowsAreOutOfSight) {
  catalog_.table->conversion.emplace();
  Conversion& conversion = *catalog_.table->conversion;
  conversion.plain = catalog_.table->oid;
  conversion.parent_name = "points_partitioned";
  conversion.cut = At("2026-12-01T00:00:00Z");
  conversion.shape = "as it was";
  const auto said = [&] {
    const std::vector<std::string> advice = Make().advice;
    return std::any_of(advice.begin(), advice.end(), [](const std::string& one) {
      return one.find("out of sight until the tables are swapped") != std::string::npos;
    });
  };
  conversion.state = Conversion::State::kPrepared;
  EXPECT_FALSE(said());
  conversion.state = Conversion::State::kFenced;
  EXPECT_TRUE(said());
}

// The present of the clients, not a preview's, is what the cut must lie beyond.
TEST_F(Convert, CutsAheadOfTheServersClock) {
  const Now past{At("2026-10-15T00:00:00Z"), true};
  const auto cut = [&] {
    const Plan plan = MakePlan(policy_, catalog_, past);
    return ToString(std::get<PrepareConversion>(plan.steps.at(0).action).conversion.cut);
  };
  EXPECT_EQ(cut(), "2026-12-01T00:00:00Z");
  catalog_.server.test_database = true;
  EXPECT_EQ(cut(), "2026-11-01T00:00:00Z");
}

}  // namespace
}  // namespace partition_controller
