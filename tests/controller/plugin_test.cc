#include "controller/plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "controller/command_plugin.h"
#include "crd/yaml.h"
#include "tests/fakes/fake_cluster.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

json Condition(const std::string& type, const std::string& status, const std::string& reason,
               const std::string& message = "Words.") {
  return {{"type", type},
          {"status", status},
          {"reason", reason},
          {"message", message},
          {"lastTransitionTime", "2026-11-05T12:00:00Z"}};
}

// A policy with which all is well.
json Object() {
  json policy = json::parse(R"({
    "metadata": {"name": "points", "namespace": "shop", "generation": 3},
    "spec": {"table": {"schema": "public", "name": "points"},
             "partitioning": {"granularity": "Month", "premake": 3},
             "retention": {"keep": "90d", "action": "Drop", "undoWindow": "24h"}},
    "status": {"observedGeneration": 3,
               "partitions": {"count": 7, "coveredUntil": "2027-03-01T00:00:00Z"},
               "plan": {"steps": 0, "waiting": 2, "needsAcknowledgement": false, "pending": []}}})");
  policy["status"]["conditions"] = {
      Condition("Ready", "True", "AsDeclared"),        Condition("Reconciling", "False", "AsDeclared"),
      Condition("Stalled", "False", "AsDeclared"),     Condition("Covered", "True", "AsDeclared"),
      Condition("RetentionEnforced", "True", "Fine"),  Condition("DefaultPartitionEmpty", "True", "Empty"),
      Condition("RollupsCurrent", "True", "Disabled"), Condition("Converted", "True", "Partitioned")};
  return policy;
}

void Set(json* policy, const std::string& type, const std::string& status, const std::string& reason) {
  for (json& condition : (*policy)["status"]["conditions"]) {
    if (condition.at("type") == type) condition = Condition(type, status, reason);
  }
}

TEST(Plugin, HasNoConcernWhereAllIsWell) {
  EXPECT_THAT(ConcernsOf(Object()), IsEmpty());
  EXPECT_EQ(WhyText(Object()), "shop/points: all is as the policy declares.\n");
  json plain = Object();
  Set(&plain, "Converted", "False", "NotWanted");
  EXPECT_THAT(ConcernsOf(plain), IsEmpty());
}

// Each condition, in the status that one does not wish, is explained, and so is
// one that is not known.
TEST(Plugin, ExplainsEachConditionThatIsNotAsWished) {
  for (const json& condition : Object().at("status").at("conditions")) {
    const std::string type = condition.at("type").get<std::string>();
    for (const std::string status : {condition.at("status") == "True" ? "False" : "True", "Unknown"}) {
      json policy = Object();
      Set(&policy, type, status, "Whatever");
      const std::vector<Concern> concerns = ConcernsOf(policy);
      ASSERT_THAT(concerns, SizeIs(1)) << type << " " << status;
      EXPECT_EQ(concerns[0].type, type);
      EXPECT_NE(concerns[0].next, "");
      EXPECT_THAT(WhyText(policy), AllOf(HasSubstr(type + " is " + status + " (Whatever) since 2026-11-05"),
                                         HasSubstr("Words."), HasSubstr(concerns[0].next)));
    }
  }
}

TEST(Plugin, NamesTheCommandThatHelps) {
  const std::pair<const char*, const char*> cases[] = {
      {"Suspended", R"(kubectl patch ppol points -n shop --type merge -p '{"spec":{"suspend":false}}')"},
      {"PlanPending", R"(kubectl patch ppol points -n shop --type merge -p '{"spec":{"mode":"Apply"}}')"},
      {"InvalidSpec", "kubectl edit ppol points -n shop"},
      {"Held", "kubectl partition undo points -n shop --release"}};
  for (const auto& [reason, command] : cases) {
    json policy = Object();
    Set(&policy, "Ready", "False", reason);
    EXPECT_THAT(WhyText(policy), HasSubstr(command));
  }
}

TEST(Plugin, SaysHowToConsent) {
  EXPECT_EQ(ConsentTo(Object()), "");
  json policy = Object();
  policy["status"]["plan"]["hash"] = "0123456789abcdef";
  EXPECT_EQ(ConsentTo(policy), "");  // it goes by itself
  EXPECT_THAT(PlanText(policy), AllOf(HasSubstr("0123456789abcdef"), Not(HasSubstr("annotate"))));
  policy["status"]["plan"]["needsAcknowledgement"] = true;
  Set(&policy, "Ready", "False", "AcknowledgementRequired");
  const std::string command =
      "kubectl annotate --overwrite ppol points -n shop edgewatch.dev/acknowledge=0123456789abcdef";
  EXPECT_EQ(ConsentTo(policy), command);
  EXPECT_THAT(PlanText(policy), HasSubstr(command));
  EXPECT_THAT(WhyText(policy), HasSubstr("If what would be taken away may go: " + command));
  Set(&policy, "Ready", "False", "DatabaseIdentityChanged");
  EXPECT_THAT(WhyText(policy), HasSubstr("If it is the right table: " + command));
  Set(&policy, "Ready", "False", "LockTimeout");
  EXPECT_THAT(WhyText(policy), Not(HasSubstr(command))) << "consent is no remedy for it";
}

// Consent was asked for without a word of what it is about.
TEST(Plugin, SaysWhatIsAtStake) {
  json policy = Object();
  policy["status"]["plan"]["hash"] = "0123456789abcdef";
  policy["status"]["plan"]["needsAcknowledgement"] = true;
  const auto stake = [&](std::int64_t partitions, std::int64_t rows, std::int64_t bytes) {
    policy["status"]["plan"]["atStake"] = {{"partitions", partitions}, {"rows", rows}, {"bytes", bytes}};
    return PlanText(policy);
  };
  EXPECT_THAT(stake(12, 4'500'000, 3'221'225'472),
              HasSubstr("At stake: 12 partitions, about 4,500,000 rows, 3.0 GiB.\nNothing is taken away"));
  EXPECT_THAT(stake(1, 0, 8192), HasSubstr("At stake: 1 partition, about 0 rows, 8.0 KiB.\n"));
  EXPECT_THAT(stake(0, 50, 0), HasSubstr("At stake: about 50 rows.\n"));
  EXPECT_THAT(stake(0, 0, 0), HasSubstr("has not been counted; see: kubectl partition why points -n shop\n"));
  EXPECT_THAT(PlanText(policy), HasSubstr("2 steps wait for consent or for the right time\n"));
  EXPECT_THAT(StatusText(policy), HasSubstr("2 steps wait for consent or for the right time\n"));
  policy["status"]["plan"]["needsAcknowledgement"] = false;
  EXPECT_THAT(PlanText(policy),
              AllOf(HasSubstr("2 steps wait for the right time\n"), Not(HasSubstr("At stake"))));
}

// The same remedy stood there eight times.
TEST(Plugin, SaysEachCauseOnce) {
  json policy = Object();
  for (json& condition : policy["status"]["conditions"]) {
    condition = Condition(condition.at("type").get<std::string>(), "Unknown", "InvalidSpec",
                          "The database has not been read; see Ready.");
  }
  policy["status"]["conditions"][0] = Condition("Ready", "False", "InvalidSpec", "It is wrong.");
  policy["status"]["conditions"][2] = Condition("Stalled", "True", "InvalidSpec", "It is wrong.");
  EXPECT_EQ(WhyText(policy),
            "shop/points: not all is as it should be.\n\n"
            "Ready is False (InvalidSpec) since 2026-11-05T12:00:00Z\n"
            "  It is wrong.\n"
            "  Mend the spec: kubectl edit ppol points -n shop\n"
            "  For the same reason Reconciling is Unknown, Stalled is True, Covered is Unknown, "
            "RetentionEnforced is Unknown, DefaultPartitionEmpty is Unknown, RollupsCurrent is Unknown, "
            "Converted is Unknown.\n");
  // What one of them has to add is not lost, and another cause is another.
  policy = Object();
  Set(&policy, "Ready", "False", "AcknowledgementRequired");
  Set(&policy, "Covered", "False", "PremakeBehind");
  for (json& condition : policy["status"]["conditions"]) {
    if (condition.at("type") != "RetentionEnforced") continue;
    condition = Condition("RetentionEnforced", "False", "AcknowledgementRequired", "3 removals to be done.");
  }
  const std::vector<Concern> concerns = ConcernsOf(policy);
  ASSERT_THAT(concerns, SizeIs(2));
  EXPECT_EQ(concerns[0].reason, "AcknowledgementRequired");
  EXPECT_EQ(concerns[1].reason, "PremakeBehind");
  EXPECT_THAT(WhyText(policy), HasSubstr("  For the same reason RetentionEnforced is False.\n"
                                         "    RetentionEnforced: 3 removals to be done.\n"));
}

TEST(Plugin, ShowsWhatIsDue) {
  json policy = Object();
  policy["status"]["plan"]["steps"] = 3;
  policy["status"]["plan"]["pending"] = {{{"action", "create_partition"}, {"count", 2}},
                                         {{"action", "create_default"}, {"count", 1}}};
  EXPECT_EQ(PlanText(policy),
            "shop/points: 3 steps are due, 2 steps wait for the right time\n"
            "  2 create_partition\n  1 create_default\n");
}

TEST(Plugin, KnowsWhatItCannotKnow) {
  json policy = Object();
  policy["metadata"]["generation"] = 4;
  EXPECT_THAT(WhyText(policy), HasSubstr("an earlier generation"));
  policy["status"] = {{"observedGeneration", -1}};
  EXPECT_THAT(WhyText(policy), HasSubstr("No controller has looked at this policy yet"));
  EXPECT_THAT(StatusText(policy), HasSubstr("No controller has looked"));
  EXPECT_THAT(PlanText(policy), AllOf(HasSubstr("nothing is known"), HasSubstr("No controller has looked")));
  EXPECT_THAT(StatusTable({policy}), HasSubstr("NeverObserved"));
}

// What people said, not what a controller made of it: there may be none, and a
// table that nothing has expired of is held as well.
TEST(Plugin, KnowsWhatIsHeldFromTheAnnotation) {
  const std::string none = StatusTable({Object()});
  EXPECT_THAT(none, HasSubstr(" no\n"));
  for (const json& value : {json("true"), json("yes"), json("")}) {
    json policy = Object();
    policy["metadata"]["annotations"]["edgewatch.dev/hold-retention"] = value;
    EXPECT_TRUE(Held(policy));
    EXPECT_THAT(StatusTable({policy}), HasSubstr(" yes\n"));
    EXPECT_THAT(PlanText(policy), HasSubstr("kubectl partition undo points -n shop --release"));
  }
  json released = Object();
  released["metadata"]["annotations"]["edgewatch.dev/hold-retention"] = "false";
  Set(&released, "RetentionEnforced", "False", "Held");  // of a moment ago
  EXPECT_THAT(StatusTable({released}), HasSubstr(" no\n"));
}

// A message may hold what others wrote.
TEST(Plugin, PrintsNoControlCharacters) {
  json policy = Object();
  policy["status"]["conditions"][0] = Condition("Ready", "False", "Odd", "a\x1b[2Jb\nc");
  for (const std::string& text : {StatusText(policy), WhyText(policy)}) {
    EXPECT_THAT(text, AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("b\nc"))));
  }
}

class RunThePlugin : public testing::Test {
 protected:
  RunThePlugin() {
    cluster_.answer = [this](const ClusterRequest& request) -> json {
      if (request.path.find("?limit=") != std::string::npos) return {{"items", {policy_, policy_}}};
      return policy_;
    };
  }
  int Run(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    return RunPlugin(*ParsePluginOptions(arguments).options, cluster_, "shop", {}, out_, err_);
  }

  json policy_ = Object();
  FakeCluster cluster_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(RunThePlugin, LooksWhereItIsTold) {
  EXPECT_EQ(Run({"status", "points"}), 0);
  EXPECT_EQ(cluster_.calls.back().path,
            "/apis/edgewatch.dev/v1alpha1/namespaces/shop/partitionpolicies/points");
  EXPECT_EQ(Run({"status", "points", "-n", "other"}), 0);
  EXPECT_THAT(cluster_.calls.back().path, HasSubstr("/namespaces/other/"));
  EXPECT_EQ(Run({"status", "-A"}), 0);
  EXPECT_EQ(cluster_.calls.back().path, "/apis/edgewatch.dev/v1alpha1/partitionpolicies?limit=500");
  EXPECT_EQ(Run({"status", "-l", "app in (a,b),tier=x"}), 0);
  EXPECT_THAT(cluster_.calls.back().path,
              HasSubstr("?limit=500&labelSelector=app%20in%20%28a%2Cb%29%2Ctier%3Dx"));
  policy_["status"]["nextAction"] = "create a partition";
  EXPECT_EQ(Run({"status", "-o", "wide"}), 0);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("   TABLE           NEXT ACTION          MESSAGE\n"),
                                HasSubstr("   public.points   create a partition   Words.\n")));
  EXPECT_EQ(Run({"status", "points", "-o", "wide"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("table public.points, every Month"));
  EXPECT_EQ(Run({"status", "-o", "json"}), 0);
  EXPECT_THAT(json::parse(out_.str()), SizeIs(2));
  const json listed = json::parse(out_.str());
  EXPECT_EQ(Run({"status", "-o", "yaml"}), 0);
  EXPECT_EQ(ReadYaml(out_.str(), "").documents.at(0).value, listed);
  EXPECT_EQ(Run({"why", "points", "-o", "yaml"}), 0);
  EXPECT_EQ(out_.str(), "concerns: []\nname: points\nnamespace: shop\n");
  for (const ClusterRequest& call : cluster_.calls) EXPECT_EQ(call.verb, ClusterRequest::Verb::kGet);
}

TEST_F(RunThePlugin, NamesWhatACauseAccountsForAsJson) {
  Set(&policy_, "Ready", "False", "LockTimeout");
  Set(&policy_, "Converted", "False", "LockTimeout");
  EXPECT_EQ(Run({"why", "points", "-o", "json"}), 2);
  const json concerns = json::parse(out_.str()).at("concerns");
  ASSERT_THAT(concerns, SizeIs(1));
  EXPECT_EQ(concerns[0].at("accountsFor"),
            json::parse(R"([{"type": "Converted", "status": "False", "message": ""}])"));
}

TEST_F(RunThePlugin, EndsWithWhatItFound) {
  EXPECT_EQ(Run({"plan", "points"}), 0);
  EXPECT_EQ(Run({"why", "points"}), 0);
  policy_["status"]["plan"]["steps"] = 1;
  Set(&policy_, "Ready", "False", "Progressing");
  EXPECT_EQ(Run({"plan", "points"}), 2);
  EXPECT_EQ(Run({"why", "points"}), 2);
  policy_["status"]["plan"]["hash"] = "abc";
  policy_["status"]["plan"]["needsAcknowledgement"] = true;
  EXPECT_EQ(Run({"plan", "points", "-o", "json"}), 3);
  EXPECT_THAT(json::parse(out_.str()).at("consent").get<std::string>(), HasSubstr("acknowledge=abc"));
}

// What stands in the status may be of another spec, or of nobody's.
TEST_F(RunThePlugin, DoesNotTakeAPlanThatNobodyMadeForNone) {
  policy_["metadata"]["generation"] = 4;
  EXPECT_EQ(Run({"plan", "points"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("no controller has said yet"));
  policy_["status"] = {{"observedGeneration", -1}};
  for (const std::string format : {"text", "json", "yaml"}) {
    EXPECT_EQ(Run({"plan", "points", "-o", format}), 1);
    EXPECT_THAT(err_.str(), HasSubstr("no controller has said yet"));
  }
}

// One annotation, and no word of anything else.
TEST_F(RunThePlugin, HoldsAndReleases) {
  EXPECT_EQ(Run({"undo", "points"}), 0);
  EXPECT_EQ(cluster_.calls.back().verb, ClusterRequest::Verb::kMerge);
  EXPECT_EQ(json::parse(cluster_.calls.back().body),
            json::parse(R"({"metadata": {"annotations": {"edgewatch.dev/hold-retention": "true"}}})"));
  EXPECT_THAT(out_.str(), HasSubstr("attached again"));
  EXPECT_EQ(Run({"undo", "points", "--release"}), 0);
  EXPECT_EQ(json::parse(cluster_.calls.back().body),
            json::parse(R"({"metadata": {"annotations": {"edgewatch.dev/hold-retention": null}}})"));
  policy_["spec"]["retention"]["undoWindow"] = "0h";
  EXPECT_EQ(Run({"undo", "points"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("Nothing comes back"));
  policy_["spec"]["retention"]["undoWindow"] = "24h";
  policy_["spec"]["rollups"] = {{{"name", "hourly"}, {"keep", "2y"}}, {{"name", "daily"}}};
  policy_["spec"].erase("retention");
  EXPECT_EQ(Run({"undo", "points"}), 0) << "a rollup's table has an undo window, too";
  EXPECT_THAT(out_.str(), HasSubstr("rollups' tables that are in their undo window"));
  policy_["spec"]["rollups"][0].erase("keep");
  const std::size_t calls = cluster_.calls.size();
  EXPECT_EQ(Run({"undo", "points"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("has no retention"));
  EXPECT_THAT(cluster_.calls, SizeIs(calls + 1));  // it looked, and wrote nothing
}

}  // namespace
}  // namespace partition_controller
