// Years of operation at random: the policy changes, time passes, rows come
// early and late, runs are cut off.  Whenever the controller is left alone for
// a moment, the table is as the policy asks, and no row is ever lost.
//
// A failure names its seed; the same seed is always the same story.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "reconcilers/bounds.h"
#include "tests/support/world.h"

namespace partition_controller {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::sys_days;
using namespace std::chrono_literals;
using Unit = CalendarDuration::Unit;

class Story {
 public:
  explicit Story(unsigned seed) : random_(seed), world_(Policy(), sys_days(2026y / 11 / 22) + 20h + 31min) {
    if (Chance(2)) world_.AddDefault();
  }

  // What happened, if something went wrong; empty otherwise.
  std::string Tell(int events) {
    for (int i = 0; i < events; ++i) {
      Happen();
      if (std::string trouble = Trouble(); !trouble.empty()) return trouble;
    }
    return "";
  }

 private:
  int Pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  bool Chance(int one_in) { return Pick(one_in) == 0; }
  void Note(const std::string& what) { journal_ += "\n  " + what; }

  void Happen() {
    Partitioning& partitioning = world_.policy().partitioning;
    std::optional<Retention>& retention = world_.policy().retention;
    switch (Pick(13)) {
      case 0: {
        static constexpr Granularity kSome[] = {Granularity::kDay, Granularity::kWeek, Granularity::kMonth,
                                                Granularity::kQuarter, Granularity::kYear};
        partitioning.granularity = kSome[Pick(5)];
        return Note(std::string("granularity ") + ToString(partitioning.granularity));
      }
      case 1: {
        if (Chance(4)) {
          retention.reset();
          return Note("no retention");
        }
        static constexpr CalendarDuration kKeep[] = {
            {10, Unit::kDay}, {40, Unit::kDay}, {3, Unit::kMonth}, {6, Unit::kMonth}, {1, Unit::kYear}};
        if (!retention) retention.emplace();
        retention->keep = kKeep[Pick(5)];
        retention->max_per_run = 1'000;
        return Note("keep " + ToString(retention->keep));
      }
      case 2:
        if (!retention) return;
        retention->action = Chance(4) ? Retention::Action::kDetach : Retention::Action::kDrop;
        retention->undo_window = {Chance(2) ? 0 : 24 * 5, Unit::kHour};
        return Note(std::string("action ") +
                    (retention->action == Retention::Action::kDrop ? "Drop, " : "Detach, ") +
                    ToString(retention->undo_window));
      case 3: {
        static const char* const kZones[] = {"UTC", "America/New_York", "Asia/Kolkata", "Etc/GMT-1"};
        partitioning.time_zone = kZones[Pick(4)];
        return Note("zone " + partitioning.time_zone);
      }
      case 4:
        partitioning.premake = 1 + Pick(5);
        return Note("premake " + std::to_string(partitioning.premake));
      case 5:
        partitioning.default_partition =
            Chance(3) ? Partitioning::Default::kAbsent : Partitioning::Default::kKeep;
        return Note("the other default");
      case 6:
        partitioning.state = Chance(3) ? Partitioning::State::kDisabled : Partitioning::State::kEnabled;
        return Note(partitioning.state == Partitioning::State::kEnabled ? "enabled" : "disabled");
      case 7:
        world_.rows_per_page = Chance(3) ? 1 : 10'000;
        return;
      case 8:
      case 9:
        Note("time passes");
        world_.SetNow(world_.now() + (Chance(2) ? hours(1 + Pick(30)) : hours(24 * (1 + Pick(70)))));
        return;
      case 10:
        CutOff();
        return;
      default:
        for (int i = 0; i < 5; ++i) Insert();
    }
  }

  void Insert() {
    const Instant at = world_.KeyNow() + hours(Pick(24 * 500) - 24 * 350);
    const int count = Chance(30) ? 130'000 : 1 + Pick(1'000);
    if (world_.Insert(at, count)) inserted_ += count;
  }

  // A run dies after some of its steps.
  void CutOff() {
    Note("a run is cut off");
    const Plan plan = world_.MakePlan();
    if (plan.steps.empty()) return;
    const int survived = Pick(static_cast<int>(plan.steps.size()));
    for (int i = 0; i < survived; ++i) {
      if (!Take(plan.steps[static_cast<std::size_t>(i)])) break;
    }
    for (int i = 0; i < 3; ++i) Insert();
  }

  bool Take(const Step& step) {
    Note(Describe(step.action, world_.table()));
    return world_.Take(step.action);
  }

  std::string Trouble() {
    if (Chance(3)) return Verdict(world_.faults().empty() ? "" : world_.faults().front());
    for (int round = 0;; ++round) {
      const Plan plan = world_.MakePlan();
      if (plan.steps.empty()) break;
      if (round == 3) return Verdict("does not come to rest");
      for (const Step& step : plan.steps) {
        if (!Take(step)) break;
        if (!world_.faults().empty()) return Verdict(world_.faults().front());
      }
    }
    if (world_.Total() + world_.removed() != inserted_) return Verdict("rows are lost");
    const std::optional<Instant> cutoff = world_.Cutoff();
    for (const Detached& detached : world_.table().detached) {
      if (!cutoff || detached.range.to > Bound::At(*cutoff)) {
        return Verdict(detached.name + " should be attached again");
      }
    }
    const std::string complaint = world_.Complaint();
    // Where partitioning is off, expired partitions stay, without their rows.
    const bool disabled = world_.policy().partitioning.state == Partitioning::State::kDisabled;
    if (disabled && complaint.find("has expired") != std::string::npos) return "";
    return Verdict(complaint);
  }

  std::string Verdict(const std::string& what) const {
    if (what.empty()) return "";
    const std::string tail = journal_.size() > 6'000 ? journal_.substr(journal_.size() - 6'000) : journal_;
    return what + "\n" + world_.Describe() + "\nwhat happened:" + tail;
  }

  std::mt19937 random_;
  World world_;
  std::int64_t inserted_ = 0;
  std::string journal_;
};

TEST(Random, ManyStories) {
#ifdef __OPTIMIZE__
  constexpr unsigned kStories = 2'000;
#else
  constexpr unsigned kStories = 30;
#endif
  for (unsigned seed = 1; seed <= kStories; ++seed) {
    const std::string trouble = Story(seed).Tell(60);
    ASSERT_EQ(trouble, "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace partition_controller
