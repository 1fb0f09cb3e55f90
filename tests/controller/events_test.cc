#include "controller/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_cluster.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Verb = ClusterRequest::Verb;

EventNote Note(const std::string& reason, const std::string& text = "done") {
  return {{"shop", "points"}, "u-1", false, "CarryOut", reason, text};
}

TEST(Events, AreOfStepsThatChangeTheTable) {
  Policy policy;
  policy.name_space = "shop";
  policy.name = "points";
  policy.table.name = "points";
  policy.origin.uid = "u-1";
  StepOutcome step{CreateDefault{"points_default"}, "success", 0, {}, ""};
  const auto event = EventOf(policy, step);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->reason, "CreateDefault");
  EXPECT_THAT(event->note, HasSubstr("create default partition"));
  EXPECT_EQ(event->uid, "u-1");
  step.result = "lock_timeout";
  EXPECT_FALSE(EventOf(policy, step));
  EXPECT_FALSE(EventOf(policy, {RefreshRollup{}, "success", 0, {}, ""}));
  EXPECT_FALSE(EventOf(policy, {AnalyzeParent{}, "success", 0, {}, ""}));
}

class RecorderTest : public testing::Test {
 protected:
  FakeClock clock_;
  FakeCluster cluster_;
  EventRecorder recorder_{cluster_, clock_, "me"};
};

TEST_F(RecorderTest, HasWhatTheApiServerAsksFor) {
  EventNote note = Note("DropPartition", std::string(2000, 'x'));
  note.warning = true;
  recorder_.Record(note);
  recorder_.Flush({});
  ASSERT_THAT(cluster_.calls, SizeIs(1));
  EXPECT_EQ(cluster_.calls[0].path, "/apis/events.k8s.io/v1/namespaces/shop/events");
  EXPECT_EQ(cluster_.calls[0].verb, Verb::kCreate);
  const json event = json::parse(cluster_.calls[0].body);
  EXPECT_EQ(event.at("eventTime"), "2026-11-05T12:00:00.000000Z");
  EXPECT_EQ(event.at("type"), "Warning");
  EXPECT_EQ(event.at("regarding").at("uid"), "u-1");
  EXPECT_EQ(event.at("note").get<std::string>().size(), 1024U);
}

TEST_F(RecorderTest, CountsThoseThatAreAlike) {
  for (int i = 0; i < 7; ++i) recorder_.Record(Note("CreatePartition"));
  recorder_.Record(Note("DropPartition"));
  recorder_.Flush({});
  ASSERT_THAT(cluster_.calls, SizeIs(3));
  EXPECT_EQ(cluster_.calls[2].verb, Verb::kMerge);
  EXPECT_THAT(cluster_.calls[2].path, HasSubstr("/events/points."));
  EXPECT_EQ(json::parse(cluster_.calls[2].body).at("series").at("count"), 7);
  // More of them: counted at most once a minute, and once at the end.
  recorder_.Record(Note("CreatePartition"));
  recorder_.Flush({});
  EXPECT_THAT(cluster_.calls, SizeIs(3));
  clock_.Advance(std::chrono::minutes(1));
  recorder_.Flush({});
  ASSERT_THAT(cluster_.calls, SizeIs(4));
  EXPECT_EQ(json::parse(cluster_.calls[3].body).at("series").at("count"), 8);
  clock_.Advance(std::chrono::minutes(6));
  recorder_.Record(Note("CreatePartition"));
  recorder_.Flush({});
  ASSERT_THAT(cluster_.calls, SizeIs(5));
  EXPECT_EQ(cluster_.calls[4].verb, Verb::kCreate);
}

// A warning that had the reason of another one was counted to it, and its own
// words, with another hash, were never seen.
TEST_F(RecorderTest, TellsWarningsThatSaySomethingElseApart) {
  const auto warn = [&](const std::string& text) {
    EventNote note = Note("AcknowledgementRequired", text);
    note.warning = true;
    recorder_.Record(note);
    recorder_.Flush({});
  };
  warn("2 partitions with about 1,700 rows go: acknowledge=400d0123456789ab");
  warn("2 partitions with about 1,700 rows go: acknowledge=10d0123456789abc");
  ASSERT_THAT(cluster_.calls, SizeIs(2));
  EXPECT_THAT(json::parse(cluster_.calls[1].body).at("note").get<std::string>(), HasSubstr("=10d0123"));
  // A number that moves makes no event of its own, however often.
  for (int i = 0; i < 200; ++i) {
    clock_.Advance(std::chrono::seconds(1));
    warn("2 partitions with about 1," + std::to_string(100 + i) + " rows go: acknowledge=10d0123456789abc");
  }
  for (std::size_t i = 2; i < cluster_.calls.size(); ++i) EXPECT_EQ(cluster_.calls[i].verb, Verb::kMerge);
  EXPECT_THAT(cluster_.calls, SizeIs(testing::Lt(10)));
}

TEST(Events, NumbersAreWhatMoves) {
  EXPECT_EQ(WithoutNumbers("about 1,234,567 rows (12.5 %), 3 of 4, by PID 77."),
            "about # rows (# %), # of #, by PID #.");
  for (const char* kept : {"", " ", "  a  b ", "\"points_p202610\"", "2026-11-05T12:00:00Z", "keep 10d",
                           "acknowledge=1234567890123456", "acknowledge 1234567890123456", "a1 1a ..."}) {
    EXPECT_EQ(WithoutNumbers(kept), kept);
  }
}

TEST_F(RecorderTest, AreNotWorthTrouble) {
  testing::internal::CaptureStderr();
  cluster_.answer = [](const ClusterRequest&) -> json {
    throw ClusterError(ClusterError::Kind::kForbidden, "no events for you");
  };
  for (int i = 0; i < 2000; ++i) recorder_.Record(Note("A" + std::to_string(i)));
  recorder_.Flush({});
  EXPECT_THAT(cluster_.calls, SizeIs(25));
  for (int i = 0; i < 50; ++i) recorder_.Flush({});
  EXPECT_THAT(cluster_.calls, SizeIs(1000));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("no events for you"));
  EXPECT_THAT(log, HasSubstr("\"count\":1000"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 2);
}

}  // namespace
}  // namespace partition_controller
