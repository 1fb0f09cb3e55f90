// Every small catalog there is, and every moment at which a run can be cut off:
// from each of them the table ends up as the policy asks, in at most two rounds,
// and on the way no step does what must never be done (tests/support/world.h).
//
// Interrupted and resumed, a run is simply a run from another catalog.  So each
// catalog that any run passes through is explored once, and remembered.

#include <gtest/gtest.h>

#include <chrono>
#include <unordered_map>

#include "tests/support/world.h"

namespace partition_controller {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::sys_days;
using namespace std::chrono_literals;
using Unit = CalendarDuration::Unit;

const Instant kNow = sys_days(2026y / 11 / 22) + 20h + 31min;

// Without optimisation, some settings see every eleventh catalog only, or the
// unit tests would take minutes; scripts/test runs the optimised build as well.
#ifdef __OPTIMIZE__
constexpr bool kThorough = true;
#else
constexpr bool kThorough = false;
#endif

constexpr int kSlots = 12;
constexpr int kMaxPerRun = 2;

// March 2026 to February 2027; with keep 5mo the first three have expired, and
// with premake 3 the last one is the last that is made ahead.
Range Slot(int i) {
  return i < 10 ? MonthOf(2026, static_cast<unsigned>(3 + i)) : MonthOf(2027, static_cast<unsigned>(i - 9));
}

class Explorer {
 public:
  // How many plans with steps it takes from here until one has none.
  int Rounds(const World& from) {
    const std::string key = KeyOf(from);
    const auto [known, is_new] = rounds_.try_emplace(key, kUnderWay);
    if (!is_new) {
      if (known->second == kUnderWay) Fail(from, "it goes round in circles");
      return known->second;
    }
    World world = from;
    const Plan plan = world.MakePlan();
    if (plan.steps.empty()) {
      if (const std::string complaint = world.Complaint(); !complaint.empty()) Fail(world, complaint);
      return rounds_[key] = 0;
    }
    CheckPacing(world, plan);
    const World start = world;
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      world.Take(plan.steps[i].action);
      if (!world.faults().empty()) {
        Fail(start, "step " + std::to_string(i + 1) + ": " + world.faults().front());
        return rounds_[key] = 0;
      }
      if (i + 1 == plan.steps.size()) break;
      // The process dies here.
      const int rest = Rounds(world);
      if (rest > 2)
        Fail(start, "interrupted after step " + std::to_string(i + 1) + ": " + std::to_string(rest));
    }
    const int rounds = 1 + Rounds(world);
    if (rounds > 2) Fail(start, std::to_string(rounds) + " rounds");
    return rounds_[key] = rounds;
  }

  std::size_t explored() const { return rounds_.size(); }

 private:
  static constexpr int kUnderWay = -1;

  // What a plan can depend on, but names and oids.
  static std::string KeyOf(const World& world) {
    std::string key;
    const auto add = [&](std::int64_t number) {
      key.append(reinterpret_cast<const char*>(&number), sizeof number);
    };
    const auto add_range = [&](const Range& range) {
      add(range.from.at.time_since_epoch().count());
      add(range.to.at.time_since_epoch().count());
    };
    const Table& table = world.table();
    for (const Partition& partition : table.partitions) {
      add_range(partition.range.value());
      add(static_cast<std::int64_t>(partition.bound_check) * 2 + (partition.created_by_us ? 1 : 0));
      add(world.In(partition.name));
    }
    add(-1);
    if (table.default_partition) {
      for (const Rows& rows : world.rows()) {
        if (rows.table != table.default_partition->partition.name) continue;
        add(rows.at.time_since_epoch().count());
        add(rows.count);
      }
      add(-2);
    }
    for (const Detached& detached : table.detached) {
      add_range(detached.range);
      add(world.In(detached.name));
      add(detached.drop_after.value_or(Instant{}).time_since_epoch().count());
    }
    add(-3);
    if (table.drain) {
      add(static_cast<std::int64_t>(table.drain->mode));
      add_range(table.drain->range);
      add(world.In(table.drain->target_name));
    }
    return key;
  }

  static void Fail(const World& world, const std::string& what) {
    ADD_FAILURE() << what << ", " << world.Describe();
  }

  static void CheckPacing(const World& world, const Plan& plan) {
    int removals = 0;
    for (const Step& step : plan.steps) {
      const auto* drop = std::get_if<DropPartition>(&step.action);
      if (drop != nullptr || std::holds_alternative<DetachPartition>(step.action)) ++removals;
    }
    if (removals > kMaxPerRun) Fail(world, std::to_string(removals) + " removals in one run");
  }

  std::unordered_map<std::string, int> rounds_;
};

enum class Removal { kNever, kDetach, kDropLater, kDropNow };
// What is in the default partition at first.  kFull: so many rows that one gap
// is worth promoting; kLarge: few, but on many pages.
enum class Fallback { kMissing, kEmpty, kRows, kLarge, kFull, kUnwanted };

using Setting = std::tuple<Removal, Fallback>;

std::optional<Retention> RetentionFor(Removal removal) {
  if (removal == Removal::kNever) return std::nullopt;
  Retention retention;
  retention.keep = {5, Unit::kMonth};
  retention.action = removal == Removal::kDetach ? Retention::Action::kDetach : Retention::Action::kDrop;
  retention.undo_window = {removal == Removal::kDropNow ? 0 : 24, Unit::kHour};
  retention.max_per_run = kMaxPerRun;
  return retention;
}

World WorldFor(const Setting& setting) {
  const auto [removal, fallback] = setting;
  Policy policy;
  policy.retention = RetentionFor(removal);
  if (fallback == Fallback::kUnwanted) policy.partitioning.default_partition = Partitioning::Default::kAbsent;
  return {policy, kNow};
}

class EveryCatalog : public testing::TestWithParam<Setting> {};

TEST_P(EveryCatalog, ConvergesFromEveryMoment) {
  const Fallback fallback = std::get<1>(GetParam());
  const bool always = GetParam() == Setting(Removal::kNever, Fallback::kMissing) ||
                      GetParam() == Setting(Removal::kDropLater, Fallback::kRows);
  Explorer explorer;
  for (unsigned subset = 0; subset < (1U << kSlots) && !HasFailure();
       subset += kThorough || always ? 1 : 11) {
    World world = WorldFor(GetParam());
    for (int i = 0; i < kSlots; ++i) {
      // Adopted partitions and our own are alike here: they fit.
      if ((subset >> i) & 1) world.AddPartition("slot" + std::to_string(i), Slot(i), true);
    }
    if (fallback != Fallback::kMissing) world.AddDefault();
    if (fallback == Fallback::kLarge) world.rows_per_page = 1;
    std::int64_t total = 0;
    if (fallback != Fallback::kMissing && fallback != Fallback::kEmpty) {
      for (int i = 0; i < kSlots; ++i) {
        // Every third slot, and one beyond the horizon.
        if (i % 3 != 0 && i != kSlots - 1) continue;
        const std::int64_t count = fallback == Fallback::kFull ? (i == 3 ? 150'000 : 10'000) : 700;
        const Instant at = i == kSlots - 1 ? Instant(sys_days(2029y / 1 / 1)) : Slot(i).from.at + days(3);
        // Only what is uncovered is the default's.
        if (world.Uncovered(Range::Between(at, at + 1s)).empty()) continue;
        ASSERT_TRUE(world.Insert(at, count));
        total += count;
      }
    }
    if (explorer.Rounds(world) > 2) ADD_FAILURE() << "subset " << subset;
    if (subset % 97 == 0) {
      world.Settle();
      EXPECT_EQ(world.Total() + world.removed(), total) << "subset " << subset;
    }
  }
  RecordProperty("explored", static_cast<int>(explorer.explored()));
}

std::string Name(const testing::TestParamInfo<Setting>& instance) {
  static const char* const kRemovals[] = {"Never", "Detach", "DropLater", "DropNow"};
  static const char* const kFallbacks[] = {"NoDefault",    "EmptyDefault", "Rows",
                                           "LargeDefault", "FullDefault",  "UnwantedDefault"};
  return std::string(kRemovals[static_cast<int>(std::get<0>(instance.param))]) + "With" +
         kFallbacks[static_cast<int>(std::get<1>(instance.param))];
}

INSTANTIATE_TEST_SUITE_P(All, EveryCatalog,
                         testing::Combine(testing::Values(Removal::kNever, Removal::kDetach,
                                                          Removal::kDropLater, Removal::kDropNow),
                                          testing::Values(Fallback::kMissing, Fallback::kEmpty,
                                                          Fallback::kRows, Fallback::kLarge, Fallback::kFull,
                                                          Fallback::kUnwanted)),
                         Name);

}  // namespace
}  // namespace partition_controller
