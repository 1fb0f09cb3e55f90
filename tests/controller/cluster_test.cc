#include "controller/cluster.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace partition_controller {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = ClusterError::Kind;
using Verb = ClusterRequest::Verb;

TEST(ClusterError, IsReadFromAnAnswer) {
  const std::pair<int, Kind> cases[] = {
      {400, Kind::kInvalid},   {401, Kind::kUnauthorized}, {403, Kind::kForbidden}, {404, Kind::kNotFound},
      {409, Kind::kConflict},  {410, Kind::kGone},         {413, Kind::kInvalid},   {422, Kind::kInvalid},
      {429, Kind::kThrottled}, {500, Kind::kServer},       {503, Kind::kServer},    {504, Kind::kServer},
      {302, Kind::kOther}};
  for (const auto& [status, kind] : cases) EXPECT_EQ(ErrorOf(status, "", "").kind(), kind) << status;
  EXPECT_EQ(ErrorOf(409, R"({"reason": "AlreadyExists"})", "").kind(), Kind::kExists);
  const ClusterError error = ErrorOf(404, R"({"kind": "Status", "message": "no such thing"})", "");
  EXPECT_STREQ(error.what(), "no such thing");
  // A proxy's page, and an object that is no Status.
  EXPECT_STREQ(ErrorOf(502, "<html>", "").what(), "the API server answered 502");
  EXPECT_STREQ(ErrorOf(502, R"({"details": [], "message": 3})", "").what(), "the API server answered 502");
}

TEST(ClusterError, KnowsHowLongToWait) {
  EXPECT_EQ(ErrorOf(429, "", "7").retry_after(), seconds(7));
  EXPECT_EQ(ErrorOf(429, R"({"details": {"retryAfterSeconds": 3}})", "").retry_after(), seconds(3));
  EXPECT_EQ(ErrorOf(429, "", "Wed, 21 Oct 2026 07:28:00 GMT").retry_after(), std::nullopt);
  EXPECT_EQ(ErrorOf(429, "", "-1").retry_after(), std::nullopt);
}

// As the API server writes them into a watch.
TEST(ClusterError, IsReadFromAnEvent) {
  EXPECT_EQ(ErrorOf(json::parse(R"({"kind": "Status", "reason": "Expired", "code": 410})")).kind(),
            Kind::kGone);
  EXPECT_EQ(ErrorOf(json::parse(R"({"code": 504, "reason": "Timeout",
                                    "details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}})"))
                .kind(),
            Kind::kTooNew);
  EXPECT_EQ(ErrorOf(json("nonsense")).kind(), Kind::kOther);
}

TEST(Retry, RepeatsWhatTheTransportLost) {
  const ClusterError broken(Kind::kUnreachable, "");
  for (const Verb verb : {Verb::kGet, Verb::kApply, Verb::kMerge, Verb::kReplace, Verb::kDelete}) {
    EXPECT_EQ(NextTry(broken, verb, {}).action, Retry::Action::kNow);
    EXPECT_EQ(NextTry(broken, verb, {1, 0, 1}).action, Retry::Action::kGiveUp);
  }
  // It may have been created.
  EXPECT_EQ(NextTry(broken, Verb::kCreate, {}).action, Retry::Action::kGiveUp);
}

TEST(Retry, GetsNewCredentialsOnce) {
  const ClusterError refused(Kind::kUnauthorized, "");
  EXPECT_EQ(NextTry(refused, Verb::kCreate, {}).action, Retry::Action::kWithNewCredentials);
  EXPECT_EQ(NextTry(refused, Verb::kCreate, {1, 1, 0}).action, Retry::Action::kGiveUp);
}

TEST(Retry, WaitsAsLongAsTheServerAsks) {
  const Retry throttled = NextTry({Kind::kThrottled, "", seconds(3)}, Verb::kCreate, {});
  EXPECT_EQ(throttled.action, Retry::Action::kLater);
  EXPECT_EQ(throttled.delay, seconds(3));
  EXPECT_EQ(NextTry({Kind::kThrottled, ""}, Verb::kGet, {}).delay, seconds(1));
  EXPECT_EQ(NextTry({Kind::kThrottled, "", seconds(9999)}, Verb::kGet, {}).delay, seconds(60));
  EXPECT_EQ(NextTry({Kind::kServer, "", seconds(1)}, Verb::kGet, {}).action, Retry::Action::kLater);
  EXPECT_EQ(NextTry({Kind::kServer, ""}, Verb::kGet, {}).action, Retry::Action::kGiveUp);
  EXPECT_EQ(NextTry({Kind::kThrottled, "", seconds(1)}, Verb::kGet, {9, 0, 0}).action,
            Retry::Action::kGiveUp);
}

TEST(Retry, LeavesTheRestToTheCaller) {
  for (const Kind kind :
       {Kind::kTimedOut, Kind::kCancelled, Kind::kCredentials, Kind::kForbidden, Kind::kNotFound,
        Kind::kExists, Kind::kConflict, Kind::kGone, Kind::kTooNew, Kind::kInvalid, Kind::kOther}) {
    EXPECT_EQ(NextTry({kind, ""}, Verb::kGet, {}).action, Retry::Action::kGiveUp);
  }
}

}  // namespace
}  // namespace partition_controller
