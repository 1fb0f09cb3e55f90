#include "controller/informer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

namespace partition_controller {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = ClusterError::Kind;

json Object(const std::string& name, int version) {
  return {
      {"metadata", {{"namespace", "shop"}, {"name", name}, {"resourceVersion", std::to_string(version)}}}};
}

json ListOf(int version, std::vector<json> items) {
  return {{"metadata", {{"resourceVersion", std::to_string(version)}}}, {"items", std::move(items)}};
}

json Event(const std::string& type, const json& object) { return {{"type", type}, {"object", object}}; }

// "+name" and "-name".
std::vector<std::string> Names(const std::vector<ObjectChange>& changes) {
  std::vector<std::string> names;
  for (const ObjectChange& change : changes) names.push_back((change.object ? "+" : "-") + change.key.name);
  return names;
}

TEST(Listing, ListsFirstAndWatchesThen) {
  Listing listing;
  EXPECT_TRUE(listing.NextStep(0).list);
  EXPECT_FALSE(listing.synced());
  EXPECT_THAT(Names(listing.Listed(ListOf(7, {Object("a", 3), Object("b", 4)}))), ElementsAre("+a", "+b"));
  EXPECT_TRUE(listing.synced());
  EXPECT_FALSE(listing.NextStep(0).list);
  EXPECT_EQ(listing.NextStep(0).version, "7");
}

TEST(Listing, FollowsEvents) {
  Listing listing;
  listing.Listed(ListOf(7, {Object("a", 3)}));
  EXPECT_THAT(Names(listing.Saw(Event("ADDED", Object("b", 8)))), ElementsAre("+b"));
  EXPECT_THAT(Names(listing.Saw(Event("MODIFIED", Object("a", 9)))), ElementsAre("+a"));
  // Seen already: a watch may begin with what the list had.
  EXPECT_THAT(listing.Saw(Event("ADDED", Object("a", 9))), IsEmpty());
  EXPECT_THAT(Names(listing.Saw(Event("DELETED", Object("b", 10)))), ElementsAre("-b"));
  EXPECT_THAT(listing.Saw(Event("DELETED", Object("b", 10))), IsEmpty());
  EXPECT_THAT(listing.Saw(Event("BOOKMARK", {{"metadata", {{"resourceVersion", "30"}}}})), IsEmpty());
  EXPECT_EQ(listing.NextStep(0).version, "30");
}

// What happened between a watch that broke and the next list.
TEST(Listing, FindsWhatItMissed) {
  Listing listing;
  listing.Listed(ListOf(7, {Object("a", 3), Object("b", 4), Object("c", 5)}));
  EXPECT_THAT(Names(listing.Listed(ListOf(20, {Object("a", 3), Object("c", 12), Object("d", 13)}))),
              ElementsAre("+c", "+d", "-b"));
}

TEST(Listing, ListsAgainWhenItsVersionIsOfNoUse) {
  for (const Kind kind : {Kind::kGone, Kind::kTooNew, Kind::kForbidden, Kind::kNotFound, Kind::kOther}) {
    Listing listing;
    listing.Listed(ListOf(7, {}));
    listing.Failed({kind, ""});
    EXPECT_TRUE(listing.NextStep(0).list);
  }
  for (const Kind kind :
       {Kind::kUnreachable, Kind::kTimedOut, Kind::kThrottled, Kind::kServer, Kind::kUnauthorized}) {
    Listing listing;
    listing.Listed(ListOf(7, {}));
    listing.Failed({kind, ""});
    EXPECT_FALSE(listing.NextStep(0).list);
    EXPECT_EQ(listing.NextStep(0).version, "7");
  }
}

TEST(Listing, ReadsErrorsInTheStream) {
  Listing listing;
  listing.Listed(ListOf(7, {Object("a", 3)}));
  const json status = {{"kind", "Status"}, {"code", 410}, {"reason", "Expired"}};
  try {
    listing.Saw(Event("ERROR", status));
    FAIL();
  } catch (const ClusterError& error) {
    EXPECT_EQ(error.kind(), Kind::kGone);
  }
}

// An answer that is no list must not look like an empty one: every policy would
// be gone.
TEST(Listing, RefusesNonsense) {
  for (const json& bad :
       {json(), json::array(), json::object(), json{{"metadata", json::object()}, {"items", json::array()}},
        json{{"metadata", {{"resourceVersion", "1"}}}},
        json{{"metadata", {{"resourceVersion", "1"}}}, {"items", nullptr}}, ListOf(1, {json::object()}),
        ListOf(1, {{{"metadata", {{"name", 3}}}}})}) {
    Listing listing;
    listing.Listed(ListOf(7, {Object("a", 3)}));
    EXPECT_THROW(listing.Listed(bad), ClusterError) << bad;
    EXPECT_THAT(listing.Listed(ListOf(8, {Object("a", 3)})), IsEmpty());
  }
  Listing listing;
  listing.Listed(ListOf(7, {}));
  for (const json& bad :
       {json(), json::object(), Event("ADDED", json()), Event("ADDED", {{"metadata", json::object()}}),
        Event("RENAMED", Object("a", 3)), json{{"type", "ADDED"}}}) {
    EXPECT_THROW(listing.Saw(bad), ClusterError) << bad;
  }
}

TEST(Listing, SlowsDownWhileItFails) {
  Listing listing;
  listing.Listed(ListOf(7, {}));
  std::vector<std::int64_t> delays;
  for (int i = 0; i < 9; ++i) {
    listing.Failed({Kind::kUnreachable, ""});
    delays.push_back(listing.NextStep(0.999999).delay.count());
  }
  EXPECT_THAT(delays, ElementsAre(0, 799, 1599, 3199, 6399, 12799, 25599, 29999, 29999));
  EXPECT_EQ(listing.NextStep(0).delay, milliseconds(15'000));
  listing.Saw(Event("BOOKMARK", {{"metadata", {{"resourceVersion", "30"}}}}));
  EXPECT_EQ(listing.NextStep(0.5).delay, milliseconds(0));
  listing.Failed({Kind::kThrottled, "", seconds(60)});
  EXPECT_EQ(listing.NextStep(0).delay, seconds(60));
}

// A list that succeeds and a watch that fails, in turns.
TEST(Listing, SlowsDownWhenOnlyWatchesFail) {
  Listing listing;
  milliseconds last{0};
  for (int i = 0; i < 6; ++i) {
    listing.Listed(ListOf(7, {}));
    listing.Failed({Kind::kGone, ""});
    last = listing.NextStep(0).delay;
  }
  EXPECT_GT(last, seconds(3));
}

TEST(Listing, TakesShortWatchesForFailures) {
  Listing listing;
  listing.Listed(ListOf(7, {}));
  for (int i = 0; i < 3; ++i) listing.Ended(milliseconds(5));
  EXPECT_GT(listing.NextStep(0).delay, milliseconds(0));
  listing.Ended(seconds(120));
  EXPECT_EQ(listing.NextStep(0).delay, milliseconds(0));
  // A short one that had an event is none.
  listing.Saw(Event("ADDED", Object("a", 8)));
  listing.Ended(milliseconds(5));
  EXPECT_EQ(listing.failures(), 0);
}

// Answers from a script; a watch then waits for the stop.
class ScriptedCluster : public Cluster {
 public:
  json Call(const ClusterRequest& request, const std::stop_token&) override {
    const std::lock_guard lock(mutex_);
    asked.push_back(request.path);
    if (answers.empty()) throw ClusterError(Kind::kUnreachable, "no more answers");
    const json answer = answers.front();
    answers.erase(answers.begin());
    if (answer.contains("code")) throw ErrorOf(answer);
    return answer;
  }
  void Watch(const std::string&, seconds, const std::function<void(const json&)>&,
             const std::stop_token& stop) override {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait(lock, stop, [] { return false; });
    throw ClusterError(Kind::kCancelled, "");
  }

  std::vector<json> answers;
  std::vector<std::string> asked;

 private:
  std::mutex mutex_;
};

// Of a list that is cut off between two pages nothing counts.
TEST(Informer, ReadsPages) {
  ScriptedCluster cluster;
  json first = ListOf(7, {Object("a", 1)});
  first["metadata"]["continue"] = "token";
  cluster.answers = {first, {{"code", 410}, {"reason", "Expired"}}, first, ListOf(7, {Object("b", 2)})};
  SystemClock clock;
  std::mutex mutex;
  std::vector<std::string> told;
  const Informer informer(
      cluster, clock, "/things", "",
      [&](const std::vector<ObjectChange>& changes) {
        const std::lock_guard lock(mutex);
        for (const std::string& name : Names(changes)) told.push_back(name);
      },
      1);
  for (int i = 0; i < 1000 && !informer.synced(); ++i) std::this_thread::sleep_for(milliseconds(5));
  for (int i = 0; i < 1000; ++i) {
    const std::lock_guard lock(mutex);
    if (!told.empty()) break;
  }
  const std::lock_guard lock(mutex);
  EXPECT_THAT(told, ElementsAre("+a", "+b"));
  EXPECT_THAT(cluster.asked, ElementsAre("/things?limit=500", "/things?limit=500&continue=token",
                                         "/things?limit=500", "/things?limit=500&continue=token"));
}

TEST(Listing, ListsOnceInAWhileAnyway) {
  Listing listing;
  listing.Listed(ListOf(7, {}));
  int watches = 0;
  while (!listing.NextStep(0).list) {
    listing.Ended(seconds(150));
    ++watches;
  }
  EXPECT_EQ(watches, 12);
  listing.Listed(ListOf(8, {}));
  EXPECT_FALSE(listing.NextStep(0).list);
}

}  // namespace
}  // namespace partition_controller
