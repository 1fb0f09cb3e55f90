// What a person sees who works with policies through kubectl: whole sessions,
// held against the files of tests/cluster/golden/.
//
// UPDATE_GOLDEN=1 rewrites those files.  Read the difference: it is what users
// will see.  They hold for kubectl 1.20, which Debian has, as well as for 1.32.
// What they show of the API server's own roles and explanations is of 1.20; on
// another one the sessions are reported as skipped.

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "tests/cluster/run_in_cluster.h"

namespace partition_controller {
namespace {

using nlohmann::json;

// Lines that begin with `from`, up to the next one that is indented no more.
std::string WithoutBlock(const std::string& text, const std::string& from) {
  std::string kept;
  bool inside = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto indent = [](const std::string& l) { return std::min(l.find_first_not_of(' '), l.size()); };
    if (inside && indent(line) <= indent(from)) inside = false;
    if (line.starts_with(from)) inside = true;
    if (!inside) kept += line + '\n';
  }
  return kept;
}

// Each list of complaints in the order of their text: the server has none.
std::string SortedComplaints(const std::string& text) {
  std::string sorted;
  std::vector<std::string> complaints;
  const auto flush = [&] {
    std::sort(complaints.begin(), complaints.end());
    for (const std::string& complaint : complaints) sorted += complaint + '\n';
    complaints.clear();
  };
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("* ")) {
      complaints.push_back(line);
    } else {
      flush();
      sorted += line + '\n';
    }
  }
  flush();
  return sorted;
}

// The events of a description in the order of their text: kubectl has them in
// the order of their times, which may be the same.
std::string SortedEvents(const std::string& text) {
  const std::size_t begin = text.find("\nEvents:\n");
  if (begin == std::string::npos) return text;
  std::istringstream lines(text.substr(begin + 9));
  std::vector<std::string> events;
  for (std::string line; std::getline(lines, line);) {
    // How wide the columns are depends on ages.
    line = std::regex_replace(line, std::regex("^  +"), "");
    line = std::regex_replace(line, std::regex("  +"), " | ");
    if (!std::regex_search(line, std::regex("^(Type|----) "))) events.push_back("  " + line + '\n');
  }
  std::sort(events.begin(), events.end());
  std::string sorted = text.substr(0, begin + 9);
  for (const std::string& event : events) sorted += event;
  return sorted;
}

// Without what differs from run to run.  What takes its place is as wide, so
// that columns stay columns.
std::string Masked(std::string text) {
  const std::pair<const char*, const char*> masks[] = {
      {R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", "YYYY-MM-DDTHH:MM:SSZ"},
      {R"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
       "UUUUUUUU-UUUU-UUUU-UUUU-UUUUUUUUUUUU"},
      // Older ones align them with the managed fields, which are left out here.
      {R"((\n  (?:Creation Timestamp|Generation|Resource Version|UID): ) +)", "$1"},
      {R"((Resource Version: )\d+)", "$1NNN"},
      {R"((" deleted) from \S+ namespace)", "$1"},  // newer ones say where
      {R"(points_p\d{6})", "points_pYYYYMM"},
      {R"((<unknown>|\d+m?\d*s) \(x\d+ over \d+m?\d*s\))", "AGE"},
      {R"(\| (<unknown>|\d+m?\d*s) \|)", "| AGE |"},
      // The last column of a list; not a value that has a name before it.
      {R"(\n(?! *[A-Za-z ]+: )([^\n]* )\d+m?\d*s(?=\n))", "\n$1AGE"},
      {R"(:\d{4,5}\b)", ":PORT"},
  };
  for (const auto& [pattern, mask] : masks) text = std::regex_replace(text, std::regex(pattern), mask);
  return text;
}

// What was typed and what came back.
class Session {
 public:
  explicit Session(std::string name) : name_(std::move(name)) {}

  // kubectl with these words; a policy goes in at "-f -".
  Finished Kubectl(const std::string& words, const std::string& input = "") {
    std::vector<std::string> arguments;
    std::istringstream stream(words);
    for (std::string word; stream >> word;) arguments.push_back(word);
    Finished done = ApiServer::Shared().Kubectl(arguments, input);
    const std::string what = words.find("-f -") == std::string::npos
                                 ? words
                                 : words.substr(0, words.find("-f -")) + "-f policy.yaml";
    std::string shown = Masked(SortedEvents(WithoutBlock(done.out, "  Managed Fields:"))) +
                        SortedComplaints(Masked(done.err));
    if (done.code != 0) shown += "exit code " + std::to_string(done.code) + '\n';
    Add("kubectl " + what, shown);
    return done;
  }
  // A command, and what it printed.
  void Add(const std::string& command, const std::string& shown) {
    text_ += "$ " + command + '\n' + shown + '\n';
  }

  // Holds it against the file, or rewrites that.
  void Expect() const {
    const std::string path = std::string(PC_CLUSTER_GOLDEN_DIR) + "/" + name_ + ".txt";
    const char* update = std::getenv("UPDATE_GOLDEN");  // NOLINT(concurrency-mt-unsafe): nothing sets it
    if (update != nullptr && std::string(update) == "1") {
      std::ofstream(path, std::ios::binary) << text_;
    } else {
      EXPECT_EQ(text_, ReadFile(path)) << path << " differs; UPDATE_GOLDEN=1 rewrites it";
    }
  }

 private:
  const std::string name_;
  std::string text_;
};

class Kubectl : public RunInCluster {
 protected:
  void SetUp() override {
    if (Server().minor_version() != 20) {
      GTEST_SKIP() << "no files for API server 1." << Server().minor_version();
    }
    RunInCluster::SetUp();
    Server().Kubectl({"create", "namespace", "edgewatch"});
    GrantAccess("edgewatch");
    space_ = "edgewatch";
    Server().Kubectl({"delete", "ppol,secret", "--all", "-n", "edgewatch"});
  }

  static json Points() {
    json policy = Policy("edgewatch");
    // So many months whatever the day of the month.
    policy["spec"]["retention"] = {{"keep", "3mo"}, {"action", "Drop"}};
    return policy;
  }
  static bool ShowsEvents() {
    return Eventually([] {
      const std::string shown = Server().MustKubectl({"describe", "ppol", "points", "-n", "edgewatch"});
      return shown.find(" Ready ") != std::string::npos && shown.find("CreatePartition") != std::string::npos;
    });
  }
};

TEST_F(Kubectl, Applies) {
  Session session("apply");
  session.Kubectl("apply -f -", Points().dump());
  session.Kubectl("apply -f -", Points().dump());
  json policy = Points();
  policy["spec"]["partitioning"]["premake"] = 6;
  session.Kubectl("apply -f -", policy.dump());
  // All that is wrong at once, and nothing of it is stored.
  policy["spec"]["partitioning"]["granularity"] = "month";
  policy["spec"]["retention"] = {{"keep", "3 months"}};
  session.Kubectl("apply --validate=false -f -", policy.dump());
  policy = Points();
  policy["spec"]["retension"] = policy["spec"]["retention"];
  session.Kubectl("apply -f -", policy.dump());
  session.Kubectl("apply --dry-run=server -f -", Points().dump());
  session.Expect();
}

TEST_F(Kubectl, WaitsAndShows) {
  Session waited("wait");
  Session listed("get");
  Session described("describe");
  listed.Kubectl("get ppol -n edgewatch");
  Apply(Points());
  listed.Kubectl("get ppol -n edgewatch");
  Start();
  // The controller has looked, and lacks the Secret.
  ASSERT_TRUE(Becomes("edgewatch", "Ready", "False ConnectionNotFound"));
  waited.Kubectl("wait --for=condition=Ready ppol/points -n edgewatch --timeout=1s");
  listed.Kubectl("get ppol -n edgewatch");
  SetSecret("edgewatch", uri_);
  waited.Kubectl("wait --for=condition=Ready ppol/points -n edgewatch --timeout=60s");
  waited.Kubectl("wait --for=condition=Covered ppol --all -n edgewatch --timeout=60s");
  listed.Kubectl("get ppol -n edgewatch");
  listed.Kubectl("get ppol -n edgewatch -o wide");
  listed.Kubectl("get edgewatch -A");
  listed.Kubectl("get ppol nothing -n edgewatch");
  ASSERT_TRUE(ShowsEvents());
  described.Kubectl("describe ppol points -n edgewatch");
  json policy = Points();
  policy["spec"]["suspend"] = true;
  Apply(policy);
  ASSERT_TRUE(Becomes("edgewatch", "Ready", "False Suspended"));
  waited.Kubectl("wait --for=condition=Ready=False ppol/points -n edgewatch --timeout=60s");
  listed.Kubectl("get ppol -n edgewatch -o wide");
  waited.Expect();
  listed.Expect();
  described.Expect();
}

TEST_F(Kubectl, Explains) {
  Session session("explain");
  session.Kubectl("explain ppol");
  session.Kubectl("explain ppol.spec");
  session.Kubectl("explain ppol.spec.retention");
  session.Kubectl("explain ppol.spec.rollups.source");
  session.Kubectl("explain ppol.status.plan");
  session.Kubectl("explain ppol --recursive");
  session.Expect();
}

TEST_F(Kubectl, Deletes) {
  Session session("delete");
  SetSecret("edgewatch", uri_);
  Apply(Points());
  Start();
  WaitUntilReady("edgewatch");
  session.Kubectl("delete ppol points -n edgewatch --timeout=10s");
  session.Kubectl("get ppol -n edgewatch");
  session.Kubectl("delete ppol points -n edgewatch --timeout=10s");
  session.Expect();
  EXPECT_EQ(Partitions(*database_), 7);
}

// Exactly what the shipped roles add up to, as the API server counts it.
TEST_F(Kubectl, ListsWhatTheControllerMayDo) {
  Session session("rbac");
  const auto list = [&](const std::string& space) {
    // In the order of their lines: the server has none of its own.
    const Finished done = Server().Kubectl({"auth", "can-i", "--list", "-n", space}, "", "controller");
    std::istringstream stream(done.out);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    if (lines.size() > 1) std::sort(lines.begin() + 1, lines.end());
    std::string text;
    for (const std::string& line : lines) text += line + '\n';
    return text + done.err;
  };
  session.Add("kubectl auth can-i --list -n partition-controller", list("partition-controller"));
  session.Add("kubectl auth can-i --list -n edgewatch", list("edgewatch"));
  session.Add("kubectl auth can-i --list -n default", list("default"));
  session.Expect();
}

}  // namespace
}  // namespace partition_controller
