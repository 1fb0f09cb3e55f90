#include "controller/resource.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/connection.h"
#include "controller/secrets.h"
#include "controller/status_writer.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_cluster.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

json Object() {
  return json::parse(R"({
    "apiVersion": "edgewatch.dev/v1alpha1", "kind": "PartitionPolicy",
    "metadata": {"name": "points", "namespace": "shop", "uid": "u-1", "generation": 3, "resourceVersion": "70",
      "annotations": {"edgewatch.dev/reconcile-requested-at": "now", "edgewatch.dev/acknowledge": "abc"}},
    "spec": {"connection": {"secretRef": {"name": "db"}}, "table": {"name": "points"}, "timeColumn": "ts"},
    "status": {"observedGeneration": -1}})");
}

const Instant kNoon = *ParseInstant("2026-11-05T12:00:00Z");

// What the board has after a good look.
PolicyState Looked(const Resource& resource) {
  PolicyState state;
  state.tried = true;
  state.observed = true;
  state.found = true;
  state.partitioned = true;
  state.partitions = 7;
  state.outlook.covered_until = ParseInstant("2027-03-01T00:00:00Z");
  state.origin = resource.origin;
  state.conditions = {{"Ready", "True", "AsDeclared", "Fine."}, {"Stalled", "False", "AsDeclared", "Fine."}};
  return state;
}

TEST(Resource, HasWhatTheApiServerKeeps) {
  const Resource resource = ReadResource(Object());
  EXPECT_EQ(resource.key, (PolicyKey{"shop", "points"}));
  EXPECT_EQ(resource.origin, (Origin{"u-1", 3, "now", "abc", ""}));
  ASSERT_TRUE(resource.policy);
  EXPECT_EQ(resource.policy->origin, resource.origin);
  EXPECT_EQ(resource.policy->connection.secret_ref->name_space, "shop");
}

// Only what clearly says no lets rows go.
TEST(Resource, HoldsRetention) {
  json object = Object();
  EXPECT_FALSE(ReadResource(object).policy->origin.hold);
  const std::pair<json, bool> values[] = {
      {"true", true}, {"since Tuesday", true}, {"", true}, {"False", true}, {"false", false}};
  for (const auto& [value, held] : values) {
    object["metadata"]["annotations"]["edgewatch.dev/hold-retention"] = value;
    EXPECT_EQ(ReadResource(object).policy->origin.hold, held) << value;
  }
}

TEST(Resource, MayBeInvalid) {
  json object = Object();
  object["spec"]["timeColumn"] = 3;
  object["spec"]["connection"] = {{"file", "/etc/shadow"}};
  const Resource resource = ReadResource(object);
  EXPECT_FALSE(resource.policy);
  const json status = *StatusFor(resource, nullptr, json::parse(resource.status), kNoon);
  EXPECT_EQ(status.at("observedGeneration"), 3);
  std::map<std::string, std::string> found;
  for (const json& condition : status.at("conditions")) {
    found[condition.at("type").get<std::string>()] =
        condition.at("status").get<std::string>() + " " + condition.at("reason").get<std::string>();
    EXPECT_EQ(condition.at("observedGeneration"), 3);
  }
  EXPECT_EQ(found.at("Ready"), "False InvalidSpec");
  EXPECT_EQ(found.at("Stalled"), "True InvalidSpec");
  EXPECT_EQ(status.at("lastHandledReconcileAt"), "now") << "somebody waits for it";
  EXPECT_THAT(status.dump(), HasSubstr("timeColumn must be text"));
  EXPECT_THAT(status.dump(), Not(HasSubstr("/etc/shadow")));
}

TEST(Resource, KeepsWhatCannotBeChanged) {
  json object = Object();
  const Resource resource = ReadResource(object);
  PolicyState state = Looked(resource);
  // A table that is not there may still be corrected.
  state.found = false;
  EXPECT_FALSE(StatusFor(resource, &state, object.at("status"), kNoon)->contains("target"));
  state.found = true;
  object["status"] = *StatusFor(resource, &state, object.at("status"), kNoon);
  ASSERT_TRUE(ReadResource(object).policy);

  for (const char* pointer :
       {"/spec/table/schema", "/spec/table/name", "/spec/timeColumn", "/spec/partitioning/timeZone"}) {
    json changed = object;
    changed[json::json_pointer(pointer)] = std::string(pointer).ends_with("Zone") ? "Europe/Berlin" : "other";
    const Resource other = ReadResource(changed);
    EXPECT_FALSE(other.policy) << pointer;
    const json status = *StatusFor(other, &state, changed.at("status"), kNoon);
    EXPECT_THAT(status.dump(), HasSubstr("cannot be changed (it was "));
    // Still known when it is put back, and after that.
    EXPECT_EQ(status.at("target"), object.at("status").at("target"));
    object["status"] = status;
    EXPECT_TRUE(ReadResource(object).policy);
  }
}

TEST(Status, SaysWhatTheBoardHas) {
  const Resource resource = ReadResource(Object());
  PolicyState state = Looked(resource);
  state.due = {{"create_partition", 2}};
  state.waiting = 1;
  state.plan_hash = "abc";
  const json status = *StatusFor(resource, &state, json::parse(resource.status), kNoon);
  EXPECT_EQ(status, json::parse(R"({
    "observedGeneration": 3, "lastHandledReconcileAt": "now",
    "target": {"schema": "public", "table": "points", "timeColumn": "ts", "timeZone": "UTC"},
    "partitions": {"count": 7, "coveredUntil": "2027-03-01T00:00:00Z"},
    "plan": {"steps": 2, "waiting": 1, "needsAcknowledgement": false, "hash": "abc",
             "atStake": {"partitions": 0, "rows": 0, "bytes": 0},
             "pending": [{"action": "create_partition", "count": 2}]},
    "rollups": [],
    "conditions": [
      {"type": "Ready", "status": "True", "reason": "AsDeclared", "message": "Fine.", "observedGeneration": 3,
       "lastTransitionTime": "2026-11-05T12:00:00Z"},
      {"type": "Stalled", "status": "False", "reason": "AsDeclared", "message": "Fine.", "observedGeneration": 3,
       "lastTransitionTime": "2026-11-05T12:00:00Z"}]})"))
      << status.dump(2);
}

TEST(Status, SaysWhatWasDoneAndWhatComesNext) {
  const Resource resource = ReadResource(Object());
  PolicyState state = Looked(resource);
  state.recent = {{kNoon - std::chrono::minutes(1), "drop partition \"points_p1\"", "it has expired"}};
  state.next_action = "create a partition";
  state.next_action_at = ParseInstant("2026-12-01T00:00:00Z");
  state.outlook.expired_until = ParseInstant("2026-08-01T00:00:00Z");
  state.rollups.emplace_back();
  state.rollups[0].name = "hourly";
  state.rollups[0].state = "Filling";
  state.rollups[0].percent = 40;
  state.paused_rollups = {"daily"};
  const json status = *StatusFor(resource, &state, json::object(), kNoon);
  EXPECT_EQ(status.at("lastAction"), "drop partition \"points_p1\"");
  EXPECT_EQ(status.at("lastActionTime"), "2026-11-05T11:59:00Z");
  EXPECT_EQ(status.at("nextAction"), "create a partition");
  EXPECT_EQ(status.at("nextActionTime"), "2026-12-01T00:00:00Z");
  EXPECT_EQ(status.at("retentionCutoff"), "2026-08-01T00:00:00Z");
  EXPECT_EQ(status.at("rollups"), json::parse(R"([{"name": "hourly", "state": "Filling", "percent": 40},
                                                  {"name": "daily", "state": "Paused"}])"));

  // Another process, which has done nothing yet, and one that cannot read the
  // policy or the database.
  const auto history = [](const json& one) {
    return std::vector<json>{one.at("lastAction"), one.at("lastActionTime"), one.at("rollups")};
  };
  PolicyState fresh = Looked(resource);
  fresh.rollups = state.rollups;
  fresh.paused_rollups = state.paused_rollups;
  EXPECT_EQ(history(*StatusFor(resource, &fresh, status, kNoon)), history(status));
  PolicyState blind = Looked(resource);
  blind.observed = false;
  EXPECT_EQ(history(*StatusFor(resource, &blind, status, kNoon)), history(status));
  json broken = Object();
  broken["spec"]["timeColumn"] = 3;
  EXPECT_EQ(history(*StatusFor(ReadResource(broken), nullptr, status, kNoon)), history(status));

  state.recent.front().what = std::string(1'022, 'x') + "\u00fc\u00fc";
  EXPECT_EQ(StatusFor(resource, &state, json::object(), kNoon)->at("lastAction").get<std::string>(),
            std::string(1'021, 'x') + "...");
}

TEST(Status, SaysWhatWaitsForConsent) {
  const Resource resource = ReadResource(Object());
  PolicyState state = Looked(resource);
  state.plan_hash = "abc";
  state.needs_acknowledgement = true;
  state.at_stake = {2, 1'800'000, 800'000'000};
  const json plan = StatusFor(resource, &state, json::parse(resource.status), kNoon)->at("plan");
  EXPECT_EQ(plan.at("hash"), "abc");
  EXPECT_EQ(plan.at("needsAcknowledgement"), true);
  EXPECT_EQ(plan.at("atStake"), json::parse(R"({"partitions": 2, "rows": 1800000, "bytes": 800000000})"));
}

// kubectl wait relies on it.
TEST(Status, NeverSpeaksOfAnotherGenerationOrObject) {
  const Resource resource = ReadResource(Object());
  PolicyState state = Looked(resource);
  EXPECT_EQ(StatusFor(resource, nullptr, json::object(), kNoon), std::nullopt);
  state.origin.generation = 2;
  EXPECT_EQ(StatusFor(resource, &state, json::object(), kNoon), std::nullopt);
  state = Looked(resource);
  state.origin.uid = "u-0";
  EXPECT_EQ(StatusFor(resource, &state, json::object(), kNoon), std::nullopt);
  state = Looked(resource);
  state.tried = false;
  EXPECT_EQ(StatusFor(resource, &state, json::object(), kNoon), std::nullopt);
}

TEST(Status, KeepsTheTimeOfTheLastTransition) {
  const Resource resource = ReadResource(Object());
  PolicyState state = Looked(resource);
  const json before = *StatusFor(resource, &state, json::object(), kNoon);
  // Another reason is no transition.
  state.conditions[0].reason = "Other";
  state.conditions[1].status = "True";
  const json after = *StatusFor(resource, &state, before, kNoon + std::chrono::hours(1));
  EXPECT_EQ(after.at("conditions").at(0).at("lastTransitionTime"), "2026-11-05T12:00:00Z");
  EXPECT_EQ(after.at("conditions").at(1).at("lastTransitionTime"), "2026-11-05T13:00:00Z");
}

class StatusWriterTest : public testing::Test {
 protected:
  void See(const json& object) {
    resources_[{"shop", "points"}] = std::make_shared<const Resource>(ReadResource(object));
  }
  void Report(const std::function<void(PolicyState&)>& change = [](PolicyState&) {}) {
    PolicyState state = Looked(*resources_.at({"shop", "points"}));
    change(state);
    snapshot_.policies[{"shop", "points"}] = std::make_shared<const PolicyState>(state);
  }
  // How many requests a turn sends.
  std::size_t Write() {
    cluster_.calls.clear();
    writer_.Write(resources_, snapshot_, {});
    return cluster_.calls.size();
  }
  json Written() { return json::parse(cluster_.calls.at(0).body); }

  FakeClock clock_;
  FakeCluster cluster_;
  ResourceStore::Resources resources_;
  Snapshot snapshot_;
  StatusWriter writer_{cluster_, clock_};
};

TEST_F(StatusWriterTest, WritesOnceAndThenOnlyOnChange) {
  See(Object());
  EXPECT_EQ(Write(), 0U);
  Report();
  EXPECT_EQ(Write(), 1U);
  EXPECT_EQ(cluster_.calls[0].path,
            "/apis/edgewatch.dev/v1alpha1/namespaces/shop/partitionpolicies/points/status?fieldManager="
            "partition-controller&force=true");
  EXPECT_EQ(cluster_.calls[0].verb, ClusterRequest::Verb::kApply);
  EXPECT_EQ(Written().at("metadata").at("uid"), "u-1");
  // A minute later, with nothing new: also before the informer has seen it.
  clock_.Advance(std::chrono::minutes(1));
  Report();
  EXPECT_EQ(Write(), 0U);
  json seen = Object();
  seen["status"] =
      StatusFor(*resources_.begin()->second, snapshot_.policies.begin()->second.get(), json::object(), kNoon)
          .value();
  See(seen);
  EXPECT_EQ(Write(), 0U);
  Report([](PolicyState& state) { state.partitions = 8; });
  EXPECT_EQ(Write(), 1U);
  EXPECT_EQ(Written().at("status").at("partitions").at("count"), 8);
}

// The tables of rollups have no resource of their own.
TEST_F(StatusWriterTest, SumsWhatIsDueOfItsRollupsTables) {
  See(Object());
  Report([](PolicyState& state) {
    state.due = {{"create_partition", 1}};
    state.waiting = 2;
    state.next_action.clear();
    state.next_action_at.reset();
  });
  PolicyState part = Looked(*resources_.at({"shop", "points"}));
  part.table = "public.hourly";
  part.due = {{"create_partition", 3}, {"detach_partition", 1}};
  part.waiting = 1;
  part.next_action = "create_partition";
  part.next_action_at.reset();
  snapshot_.policies[{"shop", "points/hourly"}] = std::make_shared<const PolicyState>(part);
  snapshot_.policies[{"shop", "points-b/hourly"}] = std::make_shared<const PolicyState>(part);
  ASSERT_EQ(Write(), 1U);
  const json status = Written().at("status");
  EXPECT_EQ(status.at("plan").at("steps"), 5);
  EXPECT_EQ(status.at("plan").at("waiting"), 3);
  EXPECT_EQ(status.at("plan").at("pending"), json::parse(R"([{"action": "create_partition", "count": 4},
                                                            {"action": "detach_partition", "count": 1}])"));
  EXPECT_EQ(status.at("nextAction"), "public.hourly: create_partition");
}

// Also over a restart: what is stored is what was told.
TEST_F(StatusWriterTest, TellsWhenAPolicyBecomesReadyOrNeedsAPerson) {
  std::vector<EventNote> told;
  StatusWriter writer(cluster_, clock_, [&](EventNote note) { told.push_back(std::move(note)); });
  const auto write = [&](const std::vector<Condition>& conditions) {
    Report([&](PolicyState& state) { state.conditions = conditions; });
    writer.Write(resources_, snapshot_, {});
  };
  See(Object());
  write({{"Ready", "True", "AsDeclared", "Fine."}, {"Stalled", "False", "AsDeclared", ""}});
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].reason, "Ready");
  EXPECT_FALSE(told[0].warning);
  write({{"Ready", "False", "LockTimeout", "busy"}, {"Stalled", "False", "AsDeclared", ""}});
  write({{"Ready", "False", "PrivilegeMissing", "x"}, {"Stalled", "True", "PrivilegeMissing", "grant it"}});
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_EQ(told[1].reason, "PrivilegeMissing");
  EXPECT_EQ(told[1].note, "grant it");
  EXPECT_TRUE(told[1].warning);
  write({{"Ready", "False", "PrivilegeMissing", "y"}, {"Stalled", "True", "PrivilegeMissing", "grant it"}});
  EXPECT_THAT(told, SizeIs(2));
}

// Another plan waits for consent, and its hash is another: the old one is stale.
TEST_F(StatusWriterTest, TellsWhenSomethingElseIsAskedOfAPerson) {
  std::vector<EventNote> told;
  StatusWriter writer(cluster_, clock_, [&](EventNote note) { told.push_back(std::move(note)); });
  See(Object());
  for (const char* message : {"about 400 rows go; acknowledge=aa1", "about 500 rows go; acknowledge=aa1",
                              "about 500 rows go; acknowledge=bb2"}) {
    Report([&](PolicyState& state) {
      state.conditions = {{"Ready", "False", "AcknowledgementRequired", message},
                          {"Stalled", "True", "AcknowledgementRequired", message}};
    });
    writer.Write(resources_, snapshot_, {});
  }
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_THAT(told[0].note, HasSubstr("acknowledge=aa1"));
  EXPECT_THAT(told[1].note, HasSubstr("acknowledge=bb2"));
}

// The write took place, and nobody heard of it: what it meant is told once.
TEST_F(StatusWriterTest, TellsWhatItWroteAlthoughTheAnswerWasLost) {
  testing::internal::CaptureStderr();
  std::vector<EventNote> told;
  StatusWriter writer(cluster_, clock_, [&](EventNote note) { told.push_back(std::move(note)); });
  json stored = Object();
  cluster_.answer = [&](const ClusterRequest& request) -> json {
    stored["status"] = json::parse(request.body).at("status");
    throw ClusterError(ClusterError::Kind::kTimedOut, "no answer");
  };
  See(Object());
  Report([](PolicyState& state) { state.conditions = {{"Ready", "True", "AsDeclared", "Fine."}}; });
  writer.Write(resources_, snapshot_, {});
  EXPECT_THAT(told, IsEmpty());
  See(stored);
  cluster_.calls.clear();
  for (int i = 0; i < 3; ++i) {
    clock_.Advance(std::chrono::minutes(1));
    writer.Write(resources_, snapshot_, {});
  }
  EXPECT_THAT(cluster_.calls, IsEmpty());
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].reason, "Ready");
  testing::internal::GetCapturedStderr();
}

// Somebody, or a restore, changed what we had written.
TEST_F(StatusWriterTest, WritesAgainWhatSomebodyElseChanged) {
  See(Object());
  Report();
  EXPECT_EQ(Write(), 1U);
  json other = Object();
  other["metadata"]["resourceVersion"] = "90";
  See(other);
  EXPECT_EQ(Write(), 1U);
}

// So may an admission webhook have it; that must not become a loop.
TEST_F(StatusWriterTest, AcceptsThatTheServerDropsFields) {
  const auto drop = [](json object) {
    object["status"].erase("plan");
    return object;
  };
  cluster_.answer = [&](const ClusterRequest& request) { return drop(json::parse(request.body)); };
  See(Object());
  Report();
  EXPECT_EQ(Write(), 1U);
  json seen = Object();
  seen["status"] =
      drop(json{{"status", *StatusFor(*resources_.begin()->second, snapshot_.policies.begin()->second.get(),
                                      json::object(), kNoon)}})
          .at("status");
  See(seen);
  EXPECT_EQ(Write(), 0U);
  Report();
  EXPECT_EQ(Write(), 0U);
}

// What an API server says of a server-side apply; a merge would have dropped the field.
json OlderCrd(const ClusterRequest& request) {
  json object = json::parse(request.body);
  if (!object.at("status").contains("target")) return object;
  throw ClusterError(ClusterError::Kind::kServer,
                     "failed to create typed patch object (shop/points; edgewatch.dev/v1alpha1, "
                     "Kind=PartitionPolicy): .status.target: field not declared in schema");
}

TEST_F(StatusWriterTest, LeavesOutWhatAnOlderCrdDoesNotKnow) {
  testing::internal::CaptureStderr();
  cluster_.answer = OlderCrd;
  See(Object());
  Report();
  ASSERT_EQ(Write(), 2U);
  const json status = json::parse(cluster_.calls.at(1).body).at("status");
  EXPECT_FALSE(status.contains("target"));
  EXPECT_EQ(status.at("partitions").at("count"), 7);
  Report();
  EXPECT_EQ(Write(), 0U) << "before the informer has seen it";
  json seen = Object();
  seen["status"] = status;
  See(seen);
  EXPECT_EQ(Write(), 0U);
  Report([](PolicyState& state) { state.partitions = 8; });
  EXPECT_EQ(Write(), 2U);
  // Until somebody applies the CRD.
  cluster_.answer = [](const ClusterRequest& request) { return json::parse(request.body); };
  Report([](PolicyState& state) { state.partitions = 9; });
  EXPECT_EQ(Write(), 1U);
  EXPECT_TRUE(Written().at("status").contains("target"));
  const std::string log = testing::internal::GetCapturedStderr();
  const std::size_t told = log.find("CustomResourceDefinition is older than this release");
  ASSERT_NE(told, std::string::npos) << log;
  EXPECT_EQ(log.find("CustomResourceDefinition", told + 1), std::string::npos) << "once";
  EXPECT_THAT(log, Not(HasSubstr("Could not write status")));
}

// What was sent in the end is what is looked for.
TEST_F(StatusWriterTest, TellsWhatAnOlderCrdTookAlthoughTheAnswerWasLost) {
  testing::internal::CaptureStderr();
  std::vector<EventNote> told;
  StatusWriter writer(cluster_, clock_, [&](EventNote note) { told.push_back(std::move(note)); });
  json stored = Object();
  cluster_.answer = [&](const ClusterRequest& request) -> json {
    stored["status"] = OlderCrd(request).at("status");
    throw ClusterError(ClusterError::Kind::kTimedOut, "no answer");
  };
  See(Object());
  Report();
  writer.Write(resources_, snapshot_, {});
  EXPECT_THAT(told, IsEmpty());
  See(stored);
  cluster_.answer = OlderCrd;
  for (int i = 0; i < 3; ++i) {
    clock_.Advance(std::chrono::minutes(1));
    writer.Write(resources_, snapshot_, {});
  }
  EXPECT_THAT(told, SizeIs(1));
  testing::internal::GetCapturedStderr();
}

// One that is older still knows less than the target: that is an error like others.
TEST_F(StatusWriterTest, SaysSoIfAnEvenOlderCrdTakesNothing) {
  testing::internal::CaptureStderr();
  cluster_.answer = [](const ClusterRequest&) -> json {
    throw ClusterError(ClusterError::Kind::kServer, ".status.plan: field not declared in schema");
  };
  See(Object());
  Report();
  EXPECT_EQ(Write(), 2U);
  EXPECT_EQ(Write(), 0U);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("CustomResourceDefinition is older than this release"));
  EXPECT_THAT(log, HasSubstr("Could not write status"));
}

TEST_F(StatusWriterTest, TriesAgainLater) {
  testing::internal::CaptureStderr();
  cluster_.answer = [](const ClusterRequest&) -> json {
    throw ClusterError(ClusterError::Kind::kForbidden, "namespace is being terminated");
  };
  See(Object());
  Report();
  EXPECT_EQ(Write(), 1U);
  EXPECT_EQ(Write(), 0U);
  clock_.Advance(std::chrono::seconds(2));
  EXPECT_EQ(Write(), 1U);
  cluster_.answer = [](const ClusterRequest& request) { return json::parse(request.body); };
  clock_.Advance(std::chrono::minutes(5));
  EXPECT_EQ(Write(), 1U);
  EXPECT_EQ(Write(), 0U);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("namespace is being terminated"));
}

std::string Complaint(FakeCluster& cluster, bool* needs_a_person) {
  try {
    ReadSecret(cluster, {"shop", "db", "uri"}, {});
  } catch (const ConnectionProblem& problem) {
    *needs_a_person = problem.needs_a_person();
    return problem.what();
  }
  return "";
}

TEST(Secrets, AreReadByName) {
  FakeCluster cluster;
  cluster.answer = [](const ClusterRequest&) { return json{{"data", {{"uri", "aGVsbG8="}}}}; };
  EXPECT_EQ(ReadSecret(cluster, {"shop", "db", "uri"}, {}), "hello");
  EXPECT_EQ(cluster.calls.at(0).path, "/api/v1/namespaces/shop/secrets/db");
}

TEST(Secrets, MayBeMissing) {
  FakeCluster cluster;
  bool person = false;
  const auto with = [&](const json& secret) {
    cluster.answer = [secret](const ClusterRequest&) { return secret; };
    return Complaint(cluster, &person);
  };
  EXPECT_EQ(with(json::object()), "Secret shop/db has no key uri");
  EXPECT_EQ(with({{"data", {{"URI", "x"}}}}), "Secret shop/db has no key uri");
  EXPECT_EQ(with({{"data", {{"uri", "hunter2!"}}}}), "Secret shop/db, key uri, is not base64");
  EXPECT_TRUE(person);
  const auto failing = [&](ClusterError::Kind kind) {
    cluster.answer = [kind](const ClusterRequest&) -> json { throw ClusterError(kind, "no luck"); };
    return Complaint(cluster, &person);
  };
  EXPECT_EQ(failing(ClusterError::Kind::kNotFound), "Secret shop/db does not exist");
  EXPECT_THAT(failing(ClusterError::Kind::kForbidden), HasSubstr("resourceNames: [db]"));
  EXPECT_TRUE(person);
  EXPECT_EQ(failing(ClusterError::Kind::kUnreachable), "Secret shop/db cannot be read: no luck");
  EXPECT_FALSE(person);
}

}  // namespace
}  // namespace partition_controller
