#include "reconcilers/simulate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/world.h"

namespace partition_controller {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Unit = CalendarDuration::Unit;

Instant At(const char* text) { return ParseInstant(text).value(); }

Policy Months(int keep_days) {
  Policy policy;
  policy.partitioning.premake = 1;
  policy.retention = Retention{{keep_days, Unit::kDay}, Retention::Action::kDrop, {24, Unit::kHour}, 8, true};
  return policy;
}

// Three whole months of 31, 28 and 31 MB, and the current one.
SavedCatalog Quarter(World* world) {
  for (int month = 1; month <= 4; ++month) {
    world->AddPartition("m" + std::to_string(month), MonthOf(2027, static_cast<unsigned>(month)), false);
    const Range range = MonthOf(2027, static_cast<unsigned>(month));
    world->Insert(range.from.at, 1);
  }
  world->AddDefault();
  SavedCatalog saved{
      world->policy().name_space, world->policy().name, world->policy().table, world->Read(), {}};
  for (const Partition& partition : saved.catalog.table->partitions) {
    const auto days =
        std::chrono::floor<std::chrono::days>(partition.range->to.at - partition.range->from.at);
    const bool current = partition.name == "m4";
    saved.sizes.push_back({partition.oid, current ? 10'000'000 : days.count() * 1'000'000});
  }
  return saved;
}

const Instant kStart = At("2027-04-11T00:00:00Z");

TEST(Simulate, TheCurveFollowsTheMeanOfWholePeriods) {
  World world(Months(10'000), kStart);
  const SavedCatalog saved = Quarter(&world);
  const Simulation simulation =
      Simulate(world.policy(), saved, {kStart, At("2027-07-01T00:00:00Z"), std::nullopt});
  EXPECT_EQ(simulation.growth.periods, 3u);
  EXPECT_DOUBLE_EQ(simulation.growth.bytes_per_day, 1'000'000);
  // 90 days and 10 are there; one megabyte comes each day.
  EXPECT_EQ(BytesAt(simulation, kStart), 100'000'000);
  EXPECT_NEAR(static_cast<double>(BytesAt(simulation, At("2027-04-21T12:00:00Z"))), 110'500'000, 10);
  EXPECT_NEAR(static_cast<double>(BytesAt(simulation, At("2027-07-01T00:00:00Z"))), 181'000'000, 10);
}

TEST(Simulate, WhatIsDroppedLeavesTheDiskAndWhatIsDetachedDoesNot) {
  World world(Months(90), kStart);
  const SavedCatalog saved = Quarter(&world);
  const Simulation simulation =
      Simulate(world.policy(), saved, {kStart, At("2027-05-04T00:00:00Z"), std::nullopt});
  // January expires 90 days after it ends, on May 2, and is dropped a day later.
  std::vector<std::string> told;
  for (const SimulatedStep& step : simulation.steps) {
    if (Destructive(step.action)) told.push_back(ToString(step.at) + " " + step.description.substr(0, 20));
  }
  EXPECT_EQ(told, (std::vector<std::string>{"2027-05-02T00:00:00Z detach \"public\".\"m1\"",
                                            "2027-05-03T00:00:00Z drop detached table "}));
  EXPECT_NEAR(static_cast<double>(BytesAt(simulation, At("2027-05-02T12:00:00Z"))), 121'500'000, 10);
  EXPECT_NEAR(static_cast<double>(BytesAt(simulation, At("2027-05-03T12:00:00Z"))), 91'500'000, 10);
}

TEST(Simulate, MaxPerRunPacesAndEveryWaits) {
  Policy policy = Months(5);
  policy.retention->undo_window = {0, Unit::kHour};
  policy.retention->max_per_run = 1;
  World world(policy, kStart);
  const SavedCatalog saved = Quarter(&world);
  const auto moments = [&](std::optional<CalendarDuration> every) {
    std::vector<std::string> at;
    for (const SimulatedStep& step :
         Simulate(world.policy(), saved, {kStart, At("2027-04-20T00:00:00Z"), every}).steps) {
      if (Destructive(step.action)) at.push_back(ToString(step.at));
    }
    return at;
  };
  EXPECT_EQ(moments(std::nullopt), (std::vector<std::string>{"2027-04-11T00:00:00Z", "2027-04-11T00:01:00Z",
                                                             "2027-04-11T00:02:00Z"}));
  EXPECT_EQ(
      moments(CalendarDuration{2, Unit::kDay}),
      (std::vector<std::string>{"2027-04-11T00:00:00Z", "2027-04-13T00:00:00Z", "2027-04-15T00:00:00Z"}));
}

TEST(Simulate, ConsentIsAssumedAndSaid) {
  World world(Months(5), kStart);
  const SavedCatalog saved = Quarter(&world);
  const Simulation simulation =
      Simulate(world.policy(), saved, {kStart, At("2027-04-20T00:00:00Z"), std::nullopt});
  EXPECT_THAT(simulation.notes, Contains(HasSubstr("asked for consent (3 partitions at stake)")));
}

TEST(Simulate, EqualInputsGiveEqualOutput) {
  World world(Months(60), kStart);
  const SavedCatalog saved = Quarter(&world);
  const SimulationSpan span{kStart, At("2037-04-11T00:00:00Z"), std::nullopt};
  const Simulation once = Simulate(world.policy(), saved, span);
  const Simulation again = Simulate(world.policy(), saved, span);
  EXPECT_EQ(once.steps, again.steps);
  EXPECT_EQ(SimulationText(once, world.policy(), false), SimulationText(again, world.policy(), false));
  // 120 months come; January to March and those that came go.
  EXPECT_EQ(SimulationJson(once, world.policy()).at("made"), 121);
}

TEST(Simulate, FiftyYearsAreShownYearByYear) {
  World world(Months(60), kStart);
  const SavedCatalog saved = Quarter(&world);
  const Simulation simulation =
      Simulate(world.policy(), saved, {kStart, At("2077-04-11T00:00:00Z"), std::nullopt});
  const std::string text = SimulationText(simulation, world.policy(), false);
  for (const char* year : {"\n  2028-01-01T00:00:00Z ", "\n  2052-01-01T00:00:00Z ",
                           "\n  2077-01-01T00:00:00Z ", "\n  2077-04-11T00:00:00Z "}) {
    EXPECT_THAT(text, HasSubstr(year));
  }
}

TEST(Simulate, WhatIsNotKnownIsSaid) {
  World world(Months(60), kStart);
  const SavedCatalog empty{
      world.policy().name_space, world.policy().name, world.policy().table, world.Read(), {}};
  const Simulation simulation =
      Simulate(world.policy(), empty, {kStart, At("2028-04-11T00:00:00Z"), std::nullopt});
  EXPECT_THAT(simulation.notes, Contains(HasSubstr("it is not known how the table grows")));
  EXPECT_EQ(BytesAt(simulation, At("2028-01-01T00:00:00Z")), 0);
}

TEST(Simulate, SpansAreChecked) {
  EXPECT_THAT(ProblemWith({kStart, kStart, std::nullopt}), HasSubstr("is not after"));
  EXPECT_THAT(ProblemWith({kStart, At("2077-04-11T00:00:01Z"), std::nullopt}), HasSubstr("50 years"));
  EXPECT_EQ(ProblemWith({kStart, At("2077-04-11T00:00:00Z"), std::nullopt}), "");
}

TEST(Simulate, NoTableIsAnError) {
  World world(Months(60), kStart);
  SavedCatalog saved{"", "", {}, world.Read(), {}};
  const SimulationSpan span{kStart, At("2028-04-11T00:00:00Z"), std::nullopt};
  saved.catalog.table->kind = Table::Kind::kPlain;
  EXPECT_THROW(Simulate(world.policy(), saved, span), NoSimulation);
  saved.catalog.table.reset();
  EXPECT_THROW(Simulate(world.policy(), saved, span), NoSimulation);
}

TEST(Simulate, NamesAreNoMarkupInThePicture) {
  World world(Months(60), kStart);
  const SavedCatalog saved = Quarter(&world);
  const Simulation simulation =
      Simulate(world.policy(), saved, {kStart, At("2028-04-11T00:00:00Z"), std::nullopt});
  Policy hostile = world.policy();
  hostile.table.name = "</text><script>alert(1)</script>\"&";
  const std::string svg = SimulationSvg({{hostile, simulation}});
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;"));
}

}  // namespace
}  // namespace partition_controller
