#include "controller/leader.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/fakes/fake_cluster.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using std::chrono::seconds;

const Instant kStart = *ParseInstant("2026-11-05T12:00:00Z");

// The server's side: accepts whoever replaces what is there.
json Stored(const json& claim, int version) {
  json lease = claim;
  lease["metadata"]["resourceVersion"] = std::to_string(version);
  return lease;
}

std::optional<json> Of(const std::string& holder, const std::string& renewed, int duration = 15) {
  return json{{"metadata", {{"name", "l"}, {"namespace", "n"}, {"resourceVersion", "5"}}},
              {"spec",
               {{"holderIdentity", holder},
                {"leaseDurationSeconds", duration},
                {"leaseTransitions", 3},
                {"acquireTime", "2020-01-01T00:00:00.000000Z"},
                {"renewTime", renewed}}}};
}

TEST(Election, TakesALeaseThatNobodyHas) {
  Election me("me");
  me.Observe(std::nullopt, kStart);
  ASSERT_TRUE(me.MayClaim(kStart));
  const json claim = me.Claim("n", "l", kStart);
  EXPECT_EQ(claim, json::parse(R"({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
    "metadata": {"name": "l", "namespace": "n"},
    "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "leaseTransitions": 0,
             "acquireTime": "2026-11-05T12:00:00.000000Z", "renewTime": "2026-11-05T12:00:00.000000Z"}})"));
  EXPECT_FALSE(me.Leads(kStart));
  EXPECT_EQ(me.lease_uid(), "");
  json stored = Stored(claim, 1);
  stored["metadata"]["uid"] = "u-1";
  me.Won(stored, kStart);
  EXPECT_EQ(me.lease_uid(), "u-1");
  EXPECT_TRUE(me.Leads(kStart + seconds(9)));
  EXPECT_FALSE(me.Leads(kStart + seconds(10)));
}

// The holder's clock may be years off: only how long the record has not changed
// counts, from when we first saw it.
TEST(Election, WaitsForTheOthersTimeToPass) {
  Election me("me");
  me.Observe(Of("other", "2020-01-01T00:00:00Z"), kStart);
  EXPECT_FALSE(me.MayClaim(kStart));
  me.Observe(Of("other", "2020-01-01T00:00:00Z"), kStart + seconds(14));
  EXPECT_FALSE(me.MayClaim(kStart + seconds(14)));
  me.Observe(Of("other", "2020-01-01T00:00:02Z"), kStart + seconds(14));
  EXPECT_FALSE(me.MayClaim(kStart + seconds(28)));
  EXPECT_TRUE(me.MayClaim(kStart + seconds(29)));
  const json claim = me.Claim("n", "l", kStart);
  EXPECT_EQ(claim.at("spec").at("leaseTransitions"), 4);
  EXPECT_EQ(claim.at("metadata").at("resourceVersion"), "5");
}

TEST(Election, HonoursWhatTheHolderAskedFor) {
  Election me("me");
  me.Observe(Of("other", "x", 1), kStart);
  EXPECT_TRUE(me.MayClaim(kStart + seconds(1)));
  me.Observe(Of("other", "x", 1'000'000'000), kStart);
  EXPECT_TRUE(me.MayClaim(kStart + std::chrono::hours(1)));
  me.Observe(Of("", "x"), kStart);
  EXPECT_TRUE(me.MayClaim(kStart));
  me.Observe(json{{"metadata", json::object()}, {"spec", "nonsense"}}, kStart);
  EXPECT_TRUE(me.MayClaim(kStart));
}

TEST(Election, RenewsWithoutATransition) {
  Election me("me");
  me.Observe(std::nullopt, kStart);
  me.Won(Stored(me.Claim("n", "l", kStart), 1), kStart);
  const json renewal = me.Claim("n", "l", kStart + seconds(2));
  EXPECT_EQ(renewal.at("spec").at("leaseTransitions"), 0);
  EXPECT_EQ(renewal.at("spec").at("acquireTime"), "2026-11-05T12:00:00.000000Z");
  EXPECT_EQ(renewal.at("spec").at("renewTime"), "2026-11-05T12:00:02.000000Z");
  me.Won(Stored(renewal, 2), kStart + seconds(2));
  EXPECT_TRUE(me.Leads(kStart + seconds(11)));
}

// Taken by another, or deleted by an administrator.
TEST(Election, KnowsWhenItHasLost) {
  Election me("me");
  me.Observe(std::nullopt, kStart);
  me.Won(Stored(me.Claim("n", "l", kStart), 1), kStart);
  me.Observe(Of("other", "x"), kStart + seconds(1));
  EXPECT_FALSE(me.Leads(kStart + seconds(1)));
  me.Won(Stored(me.Claim("n", "l", kStart), 1), kStart + seconds(2));
  EXPECT_TRUE(me.Leads(kStart + seconds(3)));
  me.Observe(std::nullopt, kStart + seconds(3));
  EXPECT_FALSE(me.Leads(kStart + seconds(3)));
}

TEST(Election, GivesItBack) {
  Election me("me");
  EXPECT_EQ(me.Release(kStart), std::nullopt);
  me.Observe(std::nullopt, kStart);
  me.Won(Stored(me.Claim("n", "l", kStart), 1), kStart);
  const auto release = me.Release(kStart);
  ASSERT_TRUE(release);
  Election other("other");
  other.Observe(*release, kStart);
  EXPECT_TRUE(other.MayClaim(kStart));
  EXPECT_EQ(other.Claim("n", "l", kStart).at("spec").at("leaseTransitions"), 1);
}

// Random histories of three that share a Lease: never do two lead at a time,
// whatever is lost, as long as nobody's clock stands still.
// What its holder leaves word of outlives renewals, the holder and its successor.
TEST(Election, HandsTheNoteOn) {
  Election me("me");
  std::optional<json> lease = Of("", "2020-01-01T00:00:00Z");
  (*lease)["metadata"]["annotations"] = {{"theirs", "x"}, {kConnections, "[1]"}};
  me.Observe(lease, kStart);
  EXPECT_EQ(me.note(), "[1]");
  EXPECT_FALSE(me.NoteDue());
  me.Won(Stored(me.Claim("n", "l", kStart), 6), kStart);
  EXPECT_EQ(me.note(), "[1]") << "the one before us left it";
  EXPECT_TRUE(me.SetNote("[2]"));
  EXPECT_FALSE(me.SetNote("[2]"));
  EXPECT_TRUE(me.NoteDue());
  EXPECT_EQ(me.note(), "[1]") << "as long as the server does not have it";
  me.Won(Stored(me.Claim("n", "l", kStart), 7), kStart);
  EXPECT_FALSE(me.NoteDue());
  me.Won(Stored(me.Claim("n", "l", kStart + seconds(2)), 8), kStart + seconds(2));
  const json released = me.Release(kStart + seconds(3)).value();
  EXPECT_EQ(released.at("metadata").at("annotations"), json({{"theirs", "x"}, {kConnections, "[2]"}}));
}

TEST(Election, NeverHasTwoLeaders) {
  std::mt19937 random(7);
  for (int history = 0; history < 200; ++history) {
    std::vector<Election> all;
    for (const char* name : {"a", "b", "c"}) all.emplace_back(name);
    std::optional<json> server;
    int version = 0;
    Instant now = kStart;
    for (int turn = 0; turn < 200; ++turn) {
      now += std::chrono::milliseconds(random() % 3000);
      Election& one = all[random() % 3];
      if (random() % 4 == 0) one.Observe(server, now);
      if (one.MayClaim(now)) {
        const json claim = one.Claim("n", "l", now);
        const bool current = server ? claim.at("metadata").contains("resourceVersion") &&
                                          claim.at("metadata").at("resourceVersion") ==
                                              server->at("metadata").at("resourceVersion")
                                    : !claim.at("metadata").contains("resourceVersion");
        if (random() % 5 == 0) continue;  // lost on the way
        if (!current) {
          one.Observe(server, now);
          continue;
        }
        server = Stored(claim, ++version);
        // The answer may be lost, or late.
        if (random() % 5 != 0) one.Won(*server, now);
      }
      int leaders = 0;
      for (const Election& e : all) leaders += e.Leads(now) ? 1 : 0;
      ASSERT_LE(leaders, 1) << "history " << history << ", turn " << turn;
    }
  }
}

}  // namespace
}  // namespace partition_controller
