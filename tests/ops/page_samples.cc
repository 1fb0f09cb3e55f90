// Serves the status page for tests that look at it, from made-up values: one
// server for each of several situations, until its standard input ends.  Prints
// their names and ports as JSON.
//
//   page_samples GOLDEN-FOLDER

#include <filesystem>
#include <fstream>
#include <iostream>
#include <list>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <variant>

#include "controller/status_pages.h"
#include "crd/decode.h"
#include "reconcilers/action.h"
#include "reconcilers/catalog_json.h"
#include "reconcilers/plan.h"
#include "reconcilers/rollup_tables.h"
#include "reconcilers/zone.h"
#include "tests/support/page_sample.h"

namespace partition_controller {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

const Instant kNow = *ParseInstant("2026-11-22T21:00:00Z");

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class Samples {
 public:
  explicit Samples(fs::path golden) : golden_(std::move(golden)) {}

  void Add(Snapshot* snapshot, const PageSample& sample) const {
    snapshot->policies[KeyOf(sample.policy)] = StateOf(sample, kNow);
  }

  // A case of tests/golden, and its own time.
  std::pair<PageSample, Instant> Golden(const std::string& name) const {
    const Decoded decoded = DecodeYaml(ReadFile(golden_ / name / "policy.yaml"), name, {KnownZone});
    std::string at = ReadFile(golden_ / name / "now");
    at.erase(at.find_last_not_of('\n') + 1);
    return {{decoded.policies.at(0),
             CatalogFromJson(nlohmann::ordered_json::parse(ReadFile(golden_ / name / "catalog.json"))),
             {}},
            *ParseInstant(at)};
  }

  // Told as of now.
  void AddAt(Snapshot* snapshot, const PageSample& sample, Instant at, const std::string& name) const {
    PolicyState state = *StateOf(sample, at);
    state.last_run = kNow - std::chrono::seconds(12);
    state.next_run = kNow + std::chrono::seconds(48);
    snapshot->policies[{sample.policy.name_space, name}] = std::make_shared<const PolicyState>(state);
  }

  void AddGolden(Snapshot* snapshot, const std::string& name) const {
    const auto [sample, at] = Golden(name);
    AddAt(snapshot, sample, at, name);
  }

  static Snapshot Known() {
    Snapshot snapshot;
    snapshot.specs_known = true;
    return snapshot;
  }

  Snapshot Healthy() const {
    Snapshot snapshot = Known();
    PageSample events = MonthlySample("events", 13, kNow);
    Rollup hourly;
    hourly.name = "hourly";
    hourly.table = "events_hourly";
    hourly.columns = {"amount"};
    events.policy.rollups = {hourly};
    RollupState state;
    state.name = "hourly";
    state.state = RollupState::State::kLive;
    state.intact = state.filled = true;
    state.shape = RollupShape(hourly);
    state.source = RollupSource(hourly);
    state.suffix = RollupSuffix(events.catalog.table->oid, hourly);
    state.table = "events_hourly";
    state.points = 1'000'000;
    events.catalog.table->rollups = {state};
    events.catalog.table->columns.emplace_back("amount");
    events.catalog.table->column_types = {{"created_at", "timestamp with time zone"},
                                          {"amount", "double precision"}};
    Detached gone;
    gone.oid = 30'000;
    gone.schema = "public";
    gone.name = "events_p_old";
    gone.range = Range::Between(*ParseInstant("2025-09-01T00:00:00Z"), *ParseInstant("2025-10-01T00:00:00Z"));
    gone.detached_at = kNow - hours(5);
    gone.drop_after = kNow + hours(19);
    gone.bytes = 290'000'000;
    events.catalog.table->detached = {gone};
    Add(&snapshot, events);
    PolicyState with_history = *snapshot.policies.at({"shop", "events"});
    with_history.rollups = {{"hourly", "Kept", std::nullopt, 0, 3, 1'000'000, 12, 0, 400, 0}};
    with_history.conditions = Calm(with_history.conditions);
    with_history.recent = {
        {kNow - hours(5), "detach \"public\".\"events_p_old\"", "ends before the cutoff (keep 13mo)"},
        {kNow - hours(509), "create partition \"public\".\"events_p1015\"",
         "one of the 3 periods to be made ahead"}};
    snapshot.policies[{"shop", "events"}] = std::make_shared<const PolicyState>(with_history);
    PageSample rollup = MonthlySample("events_hourly", 20, kNow);
    rollup.policy.name = "events/hourly";
    rollup.catalog.table->ownership->policy_name = "events/hourly";
    rollup.policy.retention.reset();
    Add(&snapshot, rollup);
    Add(&snapshot, MonthlySample("orders", 3, kNow));
    return snapshot;
  }

  Snapshot Converting() const {
    Snapshot snapshot = Known();
    AddGolden(&snapshot, "conversion");
    auto [fenced, at] = Golden("conversion");
    for (const Step& step : MakePlan(fenced.policy, fenced.catalog, {at, false}).steps) {
      Apply(step.action, at, &*fenced.catalog.table);
      if (std::holds_alternative<FenceConversion>(step.action)) break;
    }
    AddAt(&snapshot, fenced, at, "fenced");
    return snapshot;
  }

  Snapshot Trouble() const {
    Snapshot snapshot = Healthy();
    snapshot.spec_problems = 1;
    for (const char* name :
         {"acknowledgement_required", "edgewatch_first_contact", "history_and_odd_partitions",
          "month_to_week_large_default", "pending_detach", "refused_clock_skew", "refused_not_partitioned",
          "resumed_drain", "retention_undo_window", "windows_closed", "date_key", "plan_mode"}) {
      AddGolden(&snapshot, name);
    }
    PageSample locked = MonthlySample("locked", 14, kNow);
    locked.failure = {"LockTimeout",
                      "create partition: canceling statement due to lock timeout; blocked by pid 4711 (psql, "
                      "transaction open for 12 min): LOCK TABLE locked IN SHARE MODE",
                      false};
    locked.catalog.table->partitions.resize(12);
    locked.catalog.table->partitions.erase(locked.catalog.table->partitions.begin() + 5);
    Add(&snapshot, locked);
    PolicyState away;
    away.table = "public.measurements";
    away.tried = true;
    away.conditions = ConditionsOf(Failure{"DatabaseUnreachable", "connection refused", false});
    away.failures = 9;
    away.last_run = kNow - hours(1);
    away.next_run = kNow + std::chrono::minutes(4);
    snapshot.policies[{"lab", "measurements"}] = std::make_shared<const PolicyState>(away);
    PolicyState unread;
    unread.table = "public.readings";
    snapshot.policies[{"lab", "readings"}] = std::make_shared<const PolicyState>(unread);
    return snapshot;
  }

  Snapshot Fleet() const {
    Snapshot snapshot = Known();
    for (int i = 0; i < 190; ++i)
      Add(&snapshot, MonthlySample("table_" + std::to_string(1000 + i), 24, kNow));
    for (int i = 0; i < 8; ++i) {
      PageSample sample = MonthlySample("short_" + std::to_string(i), 6 + i, kNow);
      sample.catalog.table->partitions.resize(static_cast<std::size_t>(6 + i + (i % 2)));
      Add(&snapshot, sample);
    }
    for (const char* name : {"pending_detach", "acknowledgement_required"}) AddGolden(&snapshot, name);
    return snapshot;
  }

  // Names by people who do not wish us well, and tables of odd shapes.
  Snapshot Hostile() const {
    Snapshot snapshot = Known();
    AddGolden(&snapshot, "hostile_names");
    int number = 0;
    for (const char* name :
         {"<script>window.ran=1</script>", "\"><img src=x onerror=window.ran=1>", "';window.ran=1;//",
          "</title></style><script>window.ran=1</script>", "&lt;b&gt;&amp;", "\u202Edlrow olleh",
          "\u05E9\u05DC\u05D5\u05DD",
          "\u0628\u064A\u0627\u0646\u0627\u062A \u0627\u0644\u0645\u0628\u064A\u0639\u0627\u062A",
          "line\nbreak\ttab\x1B[31m",
          "\u6642\u7CFB\u5217\u6642\u7CFB\u5217\u6642\u7CFB\u5217\u6642\u7CFB\u5217\u6642\u7CFB\u5217\u6642"
          "\u7CFB\u5217"
          "\u6642\u7CFB\u5217",
          "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", "bad\xFF\xFEutf8"}) {
      PageSample sample = MonthlySample(name, 3, kNow);
      sample.policy.name = "hostile-" + std::to_string(number++);
      sample.policy.table.schema = sample.catalog.table->schema = "we \"<i>ird";
      sample.policy.time_column = name;
      sample.catalog.server.database_name = name;
      sample.catalog.table->ownership->policy_name = sample.policy.name;
      sample.failure = {"InternalError", std::string("could not do it with ") + name, false};
      Add(&snapshot, sample);
    }
    PageSample hours_long = MonthlySample("by_hour", 0, kNow);
    hours_long.policy.partitioning.granularity = Granularity::kHour;
    hours_long.catalog.table->partitions.clear();
    for (int i = -5000; i < 4; ++i) {
      const Instant start = PeriodStart(kNow, {Granularity::kHour, "UTC"}) + hours(i);
      AddPartition("by_hour_p" + std::to_string(10'000 + i), Range::Between(start, start + hours(1)),
                   1'000 * (i + 6'000), &hours_long.catalog);
    }
    Add(&snapshot, hours_long);
    PageSample unbounded = MonthlySample("unbounded", 2, kNow);
    auto& partitions = unbounded.catalog.table->partitions;
    partitions.front().range->from = Bound::MinValue();
    partitions.back().range->to = Bound::MaxValue();
    Add(&snapshot, unbounded);
    return snapshot;
  }

 private:
  static std::vector<Condition> Calm(std::vector<Condition> conditions) {
    for (Condition& condition : conditions) {
      if (condition.type == "RollupsCurrent")
        condition = {condition.type, "True", "AsDeclared", "Every bucket is exact."};
      if (condition.type == "Ready")
        condition = {condition.type, "True", "AsDeclared", "The table is as declared."};
      if (condition.type == "Stalled" || condition.type == "Reconciling")
        condition = {condition.type, "False", "AsDeclared", "No step is due."};
    }
    return conditions;
  }

  const fs::path golden_;
};

int Serve(const std::string& golden) {
  const Samples samples(golden);
  std::list<HttpServer> servers;
  nlohmann::json ports;
  const auto serve = [&](const std::string& name, Snapshot snapshot, bool stands_by = false) {
    const StatusPage page{std::make_shared<const Snapshot>(std::move(snapshot)), kNow, stands_by, "0.1.0"};
    HttpPages pages;
    AddStatusPages([page] { return page; }, &pages);
    ports[name] = servers.emplace_back("127.0.0.1:0", std::move(pages)).port();
  };
  serve("empty", Samples::Known());
  serve("standby", {}, true);
  serve("unread", {});
  serve("healthy", samples.Healthy());
  serve("converting", samples.Converting());
  serve("trouble", samples.Trouble());
  serve("fleet", samples.Fleet());
  serve("hostile", samples.Hostile());
  std::cout << ports << std::endl;
  while (std::cin.get() != EOF) {
  }
  return 0;
}

}  // namespace
}  // namespace partition_controller

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  return partition_controller::Serve(argv[1]);
}
