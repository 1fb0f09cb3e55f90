// The model and PostgreSQL, side by side: after every action of a plan, what
// the catalog reader sees is what Apply says it would see.
//
// What the comparison leaves out, and why, is in Comparable().  Each script
// also looks at the state of the world: rows through the parent, bounds, and
// that nothing was scanned under a strong lock.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "controller/catalog_reader.h"
#include "controller/postgres.h"
#include "reconcilers/catalog_json.h"
#include "reconcilers/quote.h"
#include "tests/support/edgewatch.h"
#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

using std::chrono::hours;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const Instant kNow = At("2026-11-22T20:31:00Z");

// A catalog without what a model cannot know, or need not.
Catalog Comparable(Catalog catalog) {
  catalog.server.time = {};  // moves on
  Table& table = *catalog.table;
  // Which relations were in the way of names is asked anew for each plan.
  table.taken_names.clear();
  // A term is drawn and a clock is read by the database, when it acts.
  if (!table.ownership) table.ownership.emplace();
  const bool analyzed = table.ownership->analyzed_at.has_value();
  table.ownership = Ownership{};
  if (analyzed) table.ownership->analyzed_at.emplace();
  // Numbers in a list, in the order in which the reader met them; what new
  // tables take over has a test of its own (Siblings).
  table.attributes.clear();
  table.rows = 0;
  // Of a table that is to be converted, and gone with it.
  table.anatomy.reset();
  // For messages; what only the partitions have has tests of its own
  // (convert_test.cc).
  table.partition_key.clear();
  table.leaf_uniques.clear();
  table.delete_triggers.clear();
  if (table.kind == Table::Kind::kPlain) {
    // The reader looks closely at what has something due, and then nothing is.
    table.columns.clear();
    table.has_time_index = false;
  }
  // Estimates, as of the last ANALYZE or VACUUM.
  const auto forget_size = [](Partition& partition) {
    partition.rows = 0;
    partition.bytes = 0;
    partition.attributes = 0;
  };
  for (Partition& partition : table.partitions) forget_size(partition);
  if (table.default_partition) {
    DefaultPartition& fallback = *table.default_partition;
    forget_size(fallback.partition);
    // Bookkeeping is about partitions with bounds; nothing asks this of a default.
    fallback.partition.created_by_us = false;
    // The reader cuts where the next plan needs it; pages are freed by VACUUM.
    fallback.cuts.clear();
    fallback.counts.clear();
    fallback.pages = 0;
  }
  for (Detached& detached : table.detached) {
    detached.detached_at = {};
    // Counted from the moment of the detach.
    if (detached.drop_after) detached.drop_after = std::chrono::floor<hours>(*detached.drop_after);
    detached.rows = 0;
    detached.bytes = 0;
  }
  return catalog;
}

// New tables have no oid in the model: they get the one of the same name.
void AdoptOids(const Table& seen, Table* model) {
  const auto adopt = [&](Oid* oid, const std::string& name) {
    if (*oid != 0) return;
    for (const Partition& partition : seen.partitions) {
      if (partition.name == name) *oid = partition.oid;
    }
    if (seen.default_partition && seen.default_partition->partition.name == name) {
      *oid = seen.default_partition->partition.oid;
    }
    if (seen.drain && seen.drain->target_name == name) *oid = seen.drain->target;
  };
  for (Partition& partition : model->partitions) adopt(&partition.oid, partition.name);
  if (model->default_partition) {
    adopt(&model->default_partition->partition.oid, model->default_partition->partition.name);
  }
  if (model->drain) adopt(&model->drain->target, model->drain->target_name);
  if (model->conversion && seen.conversion && model->conversion->parent == 0) {
    model->conversion->parent = seen.conversion->parent;
    if (model->conversion->state == Conversion::State::kConverted) model->oid = seen.conversion->parent;
  }
}

std::string Show(const Catalog& catalog) { return CatalogToJson(catalog).dump(1); }

class Contract : public testing::Test {
 protected:
  void SetUp() override {
    PC_REQUIRE_POSTGRES();
    db_ = std::make_unique<LiveDatabase>(PostgresServer::Shared().CreateDatabase("contract"));
    db_->MarkAsTest();
    policy_ = PolicyFor("points");
  }

  // A table without foreign keys, and cheap to fill.
  void CreatePoints(const std::string& type = "timestamptz") {
    db_->Sql("CREATE TABLE points (id bigint NOT NULL, ts " + type +
             " NOT NULL, v real, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts)");
  }
  void CreateDefault() { db_->Sql("CREATE TABLE points_default PARTITION OF points DEFAULT"); }
  void CreateMonth(const std::string& name, const std::string& from, const std::string& to) {
    db_->Sql("CREATE TABLE " + name + " PARTITION OF points FOR VALUES FROM ('" + from + "') TO ('" + to +
             "')");
  }
  // `count` rows, evenly over the time.
  void Fill(int count, const std::string& from, const std::string& to) {
    db_->Sql("INSERT INTO points (id, ts, v) SELECT " + std::to_string(next_id_) + " + n, timestamptz '" +
             from + "' + (timestamptz '" + to + "' - timestamptz '" + from + "') * n / " +
             std::to_string(count) + ", n FROM generate_series(0, " + std::to_string(count - 1) + ") n");
    next_id_ += count;
  }
  // Rows that a SELECT on the parent returns; none twice.
  std::int64_t Rows() {
    const std::string table = QuoteName(policy_.table.schema, policy_.table.name);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM " + table),
              db_->Number("SELECT count(DISTINCT id) FROM " + table));
    return db_->Number("SELECT count(*) FROM " + table);
  }
  std::vector<std::string> Partitions() {
    return db_->Partitions(QuoteName(policy_.table.schema, policy_.table.name));
  }
  // What the server noted down about this database.
  void LogWhatIsScanned() {
    db_->Sql("ALTER DATABASE " + DatabaseName(db_->uri()) + " SET log_min_messages = debug1");
  }
  bool Logged(const std::string& text) {
    const std::string log = PostgresServer::Shared().ReadLog();
    for (std::size_t at = 0; (at = log.find(text, at)) != std::string::npos; ++at) {
      const std::size_t line = log.rfind('\n', at) + 1;
      if (log.substr(line, at - line).find("@" + DatabaseName(db_->uri()) + " ") != std::string::npos)
        return true;
    }
    return false;
  }
  bool WasImplied(const std::string& table) {
    return Logged("partition constraint for table \"" + table + "\" is implied by existing constraints");
  }
  bool WasImpliedForDefault(const std::string& table) {
    return Logged("updated partition constraint for default partition \"" + table +
                  "\" is implied by existing constraints");
  }

  // The catalog with all its details: the reader leaves them out when there is
  // nothing to do, so it is asked on behalf of a policy that wants more.
  Catalog Observe() {
    Policy greedy = policy_;
    greedy.partitioning.premake += 30;
    return ReadCatalogs(*ConnectPostgres(db_->uri()), {&greedy}, {now_, true}).at(0);
  }

  // Carries plans out until nothing is due, the model at their side.  Returns
  // the kinds of what was done.
  std::vector<std::string> Converge() {
    std::vector<std::string> done;
    const auto session = ConnectPostgres(db_->uri());
    for (int round = 0; round < 8; ++round) {
      const Catalog catalog = ReadCatalogs(*session, {&policy_}, {now_, true}).at(0);
      const Plan plan = ConsentedPlan(policy_, catalog, {now_, true});
      for (const Refusal& refusal : plan.refusals) ADD_FAILURE() << refusal.code << ": " << refusal.message;
      last_plan_ = plan;
      if (plan.steps.empty() || !CarryOut(*session, catalog, plan, &done)) return done;
    }
    ADD_FAILURE() << "still due: " << Describe(last_plan_.steps.front().action, *Observe().table);
    return done;
  }

  // The first steps of the plan, as one that is cut off does.
  std::vector<std::string> Begin(std::size_t steps) {
    std::vector<std::string> done;
    const auto session = ConnectPostgres(db_->uri());
    const Catalog catalog = ReadCatalogs(*session, {&policy_}, {now_, true}).at(0);
    Plan plan = ConsentedPlan(policy_, catalog, {now_, true});
    for (const Refusal& refusal : plan.refusals) ADD_FAILURE() << refusal.code << ": " << refusal.message;
    if (plan.steps.size() > steps) plan.steps.resize(steps);
    CarryOut(*session, catalog, plan, &done);
    return done;
  }

  // The model at the database's side.  False if it failed.
  bool CarryOut(Session& session, const Catalog& catalog, const Plan& plan, std::vector<std::string>* done) {
    Catalog model = catalog;
    ExecutorHooks hooks;
    hooks.sleep = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); };
    std::size_t before = 0;
    hooks.on_step = [&](const StepOutcome& step, std::size_t count, std::size_t) {
      if (count == before || step.result != "success") return;  // a batch
      before = count;
      done->emplace_back(Kind(step.action));
      Apply(step.action, catalog.server.time, &*model.table);
      Compare(model, Describe(step.action, *catalog.table));
      if (after_step_) after_step_(step.action);
    };
    const RunOutcome outcome =
        ExecutePlan(session, policy_, catalog, plan, "contract", std::stop_token(), hooks);
    // A partition that was thought empty has been measured: plan again.
    if (outcome.failure && outcome.failure->reason == "CatalogChanged") return true;
    if (outcome.failure) {
      ADD_FAILURE() << outcome.failure->reason << ": " << outcome.failure->message;
      return false;
    }
    EXPECT_FALSE(outcome.stood_back);
    return true;
  }

  void Compare(Catalog model, const std::string& what) {
    const Catalog seen = Observe();
    AdoptOids(*seen.table, &*model.table);
    if (clients_write_ && model.table->default_partition) {
      model.table->default_partition->rows = seen.table->default_partition->rows;
    }
    EXPECT_EQ(Show(Comparable(seen)), Show(Comparable(model))) << "after: " << what;
  }

  std::unique_ptr<LiveDatabase> db_;
  Policy policy_;
  Instant now_ = kNow;
  Plan last_plan_;
  std::function<void(const Action&)> after_step_;
  bool clients_write_ = false;  // the model cannot know what
  std::int64_t next_id_ = 1;
};

TEST_F(Contract, EmptyTable) {
  CreatePoints();
  policy_.retention = Keep("1mo");
  EXPECT_THAT(Converge(), ElementsAre("create_partition", "create_partition", "create_partition",
                                      "create_partition", "create_default", "analyze_parent"));
  EXPECT_THAT(
      Partitions(),
      ElementsAre("points_default DEFAULT",
                  "points_p202610 FOR VALUES FROM ('2026-10-01 00:00:00+00') TO ('2026-11-01 00:00:00+00')",
                  "points_p202611 FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00')",
                  "points_p202612 FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')",
                  "points_p202701 FOR VALUES FROM ('2027-01-01 00:00:00+00') TO ('2027-02-01 00:00:00+00')"));
}

TEST_F(Contract, EdgeWatchFirstContact) {
  policy_ = PolicyFor("telemetry_points");
  policy_.retention = Keep("90d");
  CreateEdgeWatchTables(db_->uri(), TelemetryTable::kPartitioned);
  CreateEdgeWatchPartitions(db_->uri(), "2026-06-01", "2026-08-31");
  GenerateEdgeWatchData(db_->uri(), {50, 130'000, "2026-08-15", "2026-11-22", 0, ""});
  GenerateEdgeWatchData(db_->uri(), {5, 20, "2026-05-01", "2026-05-02", 1, ""});
  GenerateEdgeWatchData(db_->uri(), {5, 10, "2028-05-01", "2028-05-02", 2, ""});
  const std::int64_t before = Rows();
  LogWhatIsScanned();
  const std::vector<std::string> done = Converge();
  EXPECT_THAT(done, Contains("begin_drain"));
  EXPECT_THAT(done, Contains("delete_expired_rows"));
  // 20 rows of May, and no row of June or July was there.
  EXPECT_EQ(Rows(), before - 20);
  EXPECT_THAT(Partitions(),
              Contains(HasSubstr("telemetry_points_p20260901_20261201 FOR VALUES FROM ('2026-09-01")));
  EXPECT_EQ(db_->Number("SELECT count(*) FROM telemetry_points_default"), 10);
  EXPECT_TRUE(WasImplied("telemetry_points_default"));
  // The promoted table is no stranger among its siblings.
  EXPECT_EQ(db_->Value("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'partition_controller%'"), "0");
  EXPECT_EQ(db_->Value("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = "
                       "'telemetry_points_p20260901_20261201'::regclass AND conparentid = 0"),
            "0");
  EXPECT_THAT(db_->Column(kPassingFunctions), IsEmpty());
}

TEST_F(Contract, MovesOutOfASmallDefault) {
  CreatePoints();
  CreateDefault();
  policy_.retention = Keep("90d");
  Fill(300, "2026-08-01", "2027-03-01");
  Fill(10, "2029-08-01", "2029-09-01");
  db_->Sql("INSERT INTO points VALUES (-1, 'infinity', 0), (-2, '-infinity', 0)");
  const std::int64_t expired = db_->Number("SELECT count(*) FROM points WHERE ts < '2026-08-24 20:31:00+00'");
  const std::int64_t before = Rows();
  const std::vector<std::string> done = Converge();
  EXPECT_EQ(std::count(done.begin(), done.end(), "finish_drain"), 6);
  // Those of August are in a partition that reaches beyond the cutoff; only
  // -infinity was left to be deleted.
  EXPECT_GT(expired, 1);
  EXPECT_EQ(Rows(), before - 1);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points_default WHERE ts < '2027-02-01'"), 0);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points_p202610 WHERE ts >= '2026-10-01' AND ts < '2026-11-01'"),
            db_->Number("SELECT count(*) FROM points_p202610"));
  EXPECT_THAT(Converge(), IsEmpty());
}

// Two gaps, both full: nothing to promote, and no ATTACH may scan what is left.
TEST_F(Contract, MovesOutOfALargeDefault) {
  CreatePoints();
  CreateDefault();
  CreateMonth("october", "2026-10-01", "2026-11-01");
  Fill(60'000, "2026-09-01", "2026-10-01");
  Fill(60'000, "2026-11-01", "2026-12-01");
  Fill(1'000, "2030-01-01", "2030-02-01");
  LogWhatIsScanned();
  const std::int64_t before = Rows();
  const std::vector<std::string> done = Converge();
  EXPECT_EQ(std::count(done.begin(), done.end(), "finish_drain"), 4);
  EXPECT_THAT(done, Not(Contains("create_partition")));
  EXPECT_EQ(Rows(), before);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points_default"), 1'000);
  for (const char* made : {"points_p202609", "points_p202611", "points_p202612", "points_p202701"}) {
    EXPECT_TRUE(WasImplied(made)) << made;
  }
  EXPECT_TRUE(WasImpliedForDefault("points_default"));
  EXPECT_THAT(db_->Column("SELECT conname FROM pg_constraint WHERE conname LIKE 'partition_controller%'"),
              IsEmpty());
}

TEST_F(Contract, PromotesALargeDefault) {
  CreatePoints();
  CreateDefault();
  policy_.retention = Keep("90d");
  Fill(120'000, "2026-09-03", "2026-11-22");
  Fill(500, "2030-01-01", "2030-02-01");
  Fill(100, "2026-01-01", "2026-02-01");
  LogWhatIsScanned();
  const std::int64_t before = Rows();
  const std::string file = db_->Value("SELECT pg_relation_filenode('points_default')");
  Converge();
  EXPECT_EQ(Rows(), before - 100);
  EXPECT_TRUE(WasImplied("points_default"));
  // No row of the gap has moved.
  EXPECT_EQ(db_->Value("SELECT pg_relation_filenode('points_p20260901_20261201')"), file);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points_p20260901_20261201"), 120'000);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points_default"), 500);
}

// While rows are on their way, clients go on: nothing is refused, nothing is
// lost, nothing is there twice.
TEST_F(Contract, ClientsGoOnDuringADrain) {
  for (const bool promote : {false, true}) {
    SCOPED_TRACE(promote);
    if (promote) SetUp();
    clients_write_ = true;
    next_id_ = 1;
    db_->Sql(
        "CREATE TABLE points (id bigint GENERATED BY DEFAULT AS IDENTITY, ts timestamptz NOT NULL, v real, "
        "twice real GENERATED ALWAYS AS (v * 2) STORED, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts)");
    CreateDefault();
    Fill(promote ? 110'000 : 1'000, "2026-11-01", "2026-11-22");
    Fill(100, "2030-01-01", "2030-02-01");
    const std::int64_t before = Rows();
    int drains = 0;
    after_step_ = [&](const Action& action) {
      if (!std::holds_alternative<BeginDrain>(action) || ++drains > 1) return;
      db_->Sql("INSERT INTO points (id, ts, v) VALUES (-1, '2026-11-10', 1), (-2, '2030-01-10', 2)");
      db_->Sql("UPDATE points SET v = -3 WHERE id IN (17, " + std::to_string(before) + ")");
      // From one side of the drain to the other.
      db_->Sql("UPDATE points SET ts = '2031-01-01' WHERE id = 18");
      db_->Sql("UPDATE points SET ts = '2026-11-05' WHERE id = " + std::to_string(before - 1));
      db_->Sql("DELETE FROM points WHERE id = 19");
      // A replay of what is there.
      db_->Sql(
          "INSERT INTO points (id, ts, v) SELECT id, ts, v FROM points WHERE id = 20 ON CONFLICT DO NOTHING");
    };
    Converge();
    after_step_ = nullptr;
    EXPECT_EQ(Rows(), before + 1);
    EXPECT_EQ(
        db_->Value(
            "SELECT string_agg(id || ' ' || v || ' ' || twice, ',' ORDER BY id) FROM points WHERE id < 0"),
        "-2 2 4,-1 1 2");
    EXPECT_EQ(db_->Number("SELECT count(*) FROM points WHERE v = -3 AND twice = -6"), 2);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM points WHERE (id = 18 AND ts = '2031-01-01') OR (id = " +
                          std::to_string(before - 1) + " AND ts = '2026-11-05')"),
              2);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM points WHERE id = 20"), 1);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM points_default WHERE ts < '2030-01-01'"), 0);
  }
}

TEST_F(Contract, GranularityChanges) {
  CreatePoints();
  policy_.retention = Keep("90d");
  Converge();
  Fill(50, "2026-11-01", "2026-11-30");
  // Beyond the weeks that will be ahead, and inside the months after them.
  Fill(5, "2027-03-05", "2027-03-09");
  policy_.partitioning.granularity = Granularity::kWeek;
  EXPECT_THAT(Converge(), Contains("replace_partitions"));
  Fill(5, "2026-12-24", "2026-12-28");
  EXPECT_EQ(Rows(), 60);
  now_ = At("2026-12-09T12:00:00Z");
  Fill(5, "2026-12-07", "2026-12-09");
  Converge();
  policy_.partitioning.granularity = Granularity::kMonth;
  Converge();
  EXPECT_EQ(Rows(), 65);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points_default WHERE ts < '2027-03-01'"), 0);
}

TEST_F(Contract, DetachesThenDrops) {
  db_->Sql("CREATE TABLE devices (id int PRIMARY KEY); INSERT INTO devices VALUES (1), (2)");
  db_->Sql(
      "CREATE TABLE points (id bigint NOT NULL, ts timestamptz NOT NULL, v real, device int REFERENCES "
      "devices, "
      "PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts)");
  CreateDefault();
  CreateMonth("june", "2026-06-01", "2026-07-01");
  CreateMonth("july", "2026-07-01", "2026-08-01");
  Fill(100, "2026-06-01", "2026-08-01");
  db_->Sql("UPDATE points SET device = 1");
  policy_.retention = Keep("90d", Retention::Action::kDrop, "24h");
  LogWhatIsScanned();
  const std::vector<std::string> done = Converge();
  EXPECT_EQ(std::count(done.begin(), done.end(), "detach_partition"), 2);
  EXPECT_EQ(Rows(), 0);
  EXPECT_EQ(db_->Number("SELECT (SELECT count(*) FROM june) + (SELECT count(*) FROM july)"), 100);
  EXPECT_THAT(last_plan_.waiting, SizeIs(2));
  // The policy widens: one of them comes back, unscanned.
  policy_.retention->keep = {4, CalendarDuration::Unit::kMonth};
  now_ += hours(1);
  EXPECT_THAT(Converge(), Contains("reattach_partition"));
  EXPECT_TRUE(WasImplied("july"));
  EXPECT_EQ(Rows(), db_->Number("SELECT count(*) FROM july"));
  now_ += hours(25);
  EXPECT_THAT(Converge(), ElementsAre("drop_partition"));
  EXPECT_EQ(db_->Value("SELECT to_regclass('june')"), "");
  EXPECT_EQ(
      db_->Number("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'devices'::regclass"),
      db_->Number(
          "SELECT 2 * count(*) FROM pg_constraint WHERE confrelid = 'devices'::regclass AND contype = 'f' "
          "AND conparentid = 0"));
}

TEST_F(Contract, HeldRetentionTakesBackAndKeeps) {
  CreatePoints();
  CreateMonth("june", "2026-06-01", "2026-07-01");
  CreateMonth("july", "2026-07-01", "2026-08-01");
  Fill(100, "2026-06-01", "2026-08-01");
  policy_.retention = Keep("90d", Retention::Action::kDrop, "24h");
  Converge();
  ASSERT_EQ(Rows(), 0);
  now_ += hours(20);
  policy_.origin.hold = true;
  EXPECT_THAT(Converge(), ElementsAre("reattach_partition", "reattach_partition"));
  EXPECT_EQ(Rows(), 100);
  now_ += hours(24 * 30);
  Converge();
  EXPECT_EQ(Rows(), 100);
  policy_.origin.hold = false;
  EXPECT_THAT(Converge(), Contains("detach_partition"));
  EXPECT_EQ(Rows(), 0);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM june"), db_->Number("SELECT 100 - count(*) FROM july"));
}

TEST_F(Contract, DetachOnlyKeepsTheTable) {
  CreatePoints();
  CreateMonth("june", "2026-06-01", "2026-07-01");
  Fill(10, "2026-06-01", "2026-07-01");
  policy_.retention = Keep("90d", Retention::Action::kDetach);
  Converge();
  now_ += hours(24 * 400);
  Converge();
  EXPECT_EQ(db_->Number("SELECT count(*) FROM june"), 10);
  EXPECT_EQ(Rows(), 0);
}

TEST_F(Contract, ReattachesWithLateRows) {
  CreatePoints();
  CreateDefault();
  CreateMonth("july", "2026-07-01", "2026-08-01");
  CreateMonth("august", "2026-08-01", "2026-09-01");
  Fill(100, "2026-07-01", "2026-08-01");
  Fill(100, "2026-08-01", "2026-09-01");
  policy_.retention = Keep("1mo", Retention::Action::kDrop, "24h");
  Converge();
  Fill(30, "2026-07-10", "2026-07-20");
  EXPECT_THAT(Converge(), IsEmpty());  // held back: they may come home
  EXPECT_EQ(Rows(), 30);
  LogWhatIsScanned();
  policy_.retention->keep = {6, CalendarDuration::Unit::kMonth};
  const std::vector<std::string> done = Converge();
  EXPECT_THAT(done, Contains("finish_drain"));
  EXPECT_THAT(done, Contains("reattach_partition"));
  EXPECT_EQ(Rows(), 230);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM july"), 130);
  EXPECT_TRUE(WasImplied("july"));
  EXPECT_TRUE(WasImplied("august"));
  EXPECT_TRUE(WasImpliedForDefault("points_default"));
  EXPECT_THAT(Partitions(),
              Contains("july FOR VALUES FROM ('2026-07-01 00:00:00+00') TO ('2026-08-01 00:00:00+00')"));
}

TEST_F(Contract, DropsDirectly) {
  CreatePoints();
  CreateDefault();
  CreateMonth("june", "2026-06-01", "2026-07-01");
  CreateMonth("july", "2026-07-01", "2026-08-01");
  db_->Sql("CREATE TABLE history PARTITION OF points FOR VALUES FROM (MINVALUE) TO ('2026-06-01')");
  Fill(100, "2026-06-01", "2026-08-01");
  Fill(10, "2020-06-01", "2020-08-01");
  policy_.retention = Keep("90d");
  const std::vector<std::string> done = Converge();
  EXPECT_EQ(std::count(done.begin(), done.end(), "drop_partition"), 3);
  EXPECT_EQ(Rows(), 0);
  EXPECT_EQ(db_->Value("SELECT to_regclass('history')"), "");
}

// Expired rows of a history partition that is still needed go row by row.
TEST_F(Contract, HistoryPartition) {
  CreatePoints();
  db_->Sql("CREATE TABLE history PARTITION OF points FOR VALUES FROM (MINVALUE) TO ('2026-11-01')");
  Fill(100, "2026-06-01", "2026-11-01");
  const std::int64_t kept = db_->Number("SELECT count(*) FROM points WHERE ts >= '2026-08-24 20:31:00+00'");
  policy_.retention = Keep("90d");
  EXPECT_THAT(Converge(), Contains("delete_expired_rows"));
  EXPECT_EQ(Rows(), kept);
}

TEST_F(Contract, AbsentDefault) {
  CreatePoints();
  CreateDefault();
  policy_.partitioning.default_partition = Partitioning::Default::kAbsent;
  Fill(5, "2030-01-01", "2030-02-01");
  Converge();
  EXPECT_THAT(Partitions(), Contains("points_default DEFAULT"));
  EXPECT_THAT(last_plan_.advice, ElementsAre(HasSubstr("holds 5 rows")));
  db_->Sql("DELETE FROM points");
  EXPECT_THAT(Converge(), ElementsAre("remove_default"));
  EXPECT_THAT(Partitions(), SizeIs(3));
}

// The new default that a promotion made goes at once.
TEST_F(Contract, AbsentDefaultAfterAPromotion) {
  CreatePoints();
  CreateDefault();
  policy_.partitioning.default_partition = Partitioning::Default::kAbsent;
  Fill(110'000, "2026-11-01", "2026-11-22");
  const std::vector<std::string> done = Converge();
  EXPECT_THAT(done, Contains("remove_default"));
  EXPECT_EQ(Rows(), 110'000);
  EXPECT_THAT(Partitions(), Not(Contains(HasSubstr("DEFAULT"))));
}

// A default partition that is partitioned itself shows no rows of its own.
TEST_F(Contract, AbsentNeverDropsAPartitionedDefault) {
  CreatePoints();
  db_->Sql("CREATE TABLE points_default PARTITION OF points DEFAULT PARTITION BY RANGE (ts)");
  db_->Sql("CREATE TABLE points_rest PARTITION OF points_default DEFAULT");
  Fill(5, "2030-01-01", "2030-02-01");
  policy_.partitioning.default_partition = Partitioning::Default::kAbsent;
  Converge();
  EXPECT_EQ(Rows(), 5);
  EXPECT_FALSE(last_plan_.advice.empty());
}

// Rows that other tables point to cannot be moved without taking those along.
TEST_F(Contract, ForeignKeysThatPointHere) {
  CreatePoints();
  CreateDefault();
  Fill(50, "2026-11-01", "2026-11-20");
  db_->Sql(
      "CREATE TABLE alerts (point bigint, ts timestamptz, FOREIGN KEY (point, ts) REFERENCES points ON "
      "DELETE "
      "CASCADE); INSERT INTO alerts SELECT id, ts FROM points");
  const auto session = ConnectPostgres(db_->uri());
  for (int round = 0; round < 3; ++round) {
    const Catalog catalog = ReadCatalogs(*session, {&policy_}, {now_, true}).at(0);
    ExecutorHooks hooks;
    hooks.sleep = [](std::chrono::milliseconds) {};
    ExecutePlan(*session, policy_, catalog, ConsentedPlan(policy_, catalog, {now_, true}), "contract", {},
                hooks);
  }
  EXPECT_EQ(db_->Number("SELECT count(*) FROM alerts"), 50);
  EXPECT_EQ(Rows(), 50);
}

// A subscriber would get the DELETE of a row that is moved, and no INSERT.
TEST_F(Contract, PublishedRowsAreNotMoved) {
  CreatePoints();
  CreateDefault();
  db_->Sql("INSERT INTO points VALUES (1, '2026-11-20')");
  const auto refusals_now = [&] { return MakePlan(policy_, Observe(), {now_, true}).refusals; };
  const auto refused = [&](const std::string& statement) {
    const std::vector<Refusal> refusals = refusals_now();
    ASSERT_THAT(refusals, SizeIs(1));
    EXPECT_EQ(refusals[0].code, "RowsCannotMove");
    EXPECT_THAT(refusals[0].message, HasSubstr("subscribers would lose them"));
    EXPECT_THAT(refusals[0].remedy, HasSubstr(statement));
    db_->Sql(statement);
  };
  db_->Sql("CREATE PUBLICATION every FOR ALL TABLES");
  refused("DROP PUBLICATION every;");
  db_->Sql("CREATE PUBLICATION \"o'ne\" FOR TABLE points");
  refused("ALTER PUBLICATION \"o'ne\" DROP TABLE ONLY public.points;");
  if (PostgresServer::Shared().major() >= 15) {
    db_->Sql("CREATE PUBLICATION here FOR TABLES IN SCHEMA public");
    refused("ALTER PUBLICATION here DROP TABLES IN SCHEMA public;");
  }
  EXPECT_THAT(refusals_now(), IsEmpty());
}

TEST_F(Contract, PendingDetach) {
  if (PostgresServer::Shared().major() < 14) GTEST_SKIP() << "DETACH CONCURRENTLY came with PostgreSQL 14";
  CreatePoints();
  CreateMonth("october", "2026-10-01", "2026-11-01");
  Fill(10, "2026-10-01", "2026-11-01");
  // A reader's transaction holds the second half up; then it is cancelled.
  pqxx::connection reader(db_->uri());
  pqxx::work reading(reader);
  reading.exec("SELECT count(*) FROM points");
  std::thread detaching([&] {
    pqxx::connection connection(db_->uri());
    pqxx::nontransaction direct(connection);
    EXPECT_THROW(direct.exec("ALTER TABLE points DETACH PARTITION october CONCURRENTLY"), pqxx::sql_error);
  });
  EXPECT_TRUE(Eventually([&] {
    return db_->Value(
               "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%DETACH PARTITION "
               "october%' AND pid <> pg_backend_pid() AND EXISTS (SELECT FROM pg_inherits WHERE "
               "inhdetachpending)") == "t";
  }));
  detaching.join();
  reading.commit();
  ASSERT_EQ(db_->Value("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'october'::regclass"), "t");
  EXPECT_EQ(Converge().at(0), "finalize_detach");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM october"), 10);
  EXPECT_EQ(Rows(), 0);
}

TEST_F(Contract, DisabledDeletesRows) {
  for (const bool index : {true, false}) {
    SCOPED_TRACE(index);
    if (!index) SetUp();
    CreatePoints();
    if (index) db_->Sql("CREATE INDEX ON points (ts)");
    CreateDefault();
    CreateMonth("july", "2026-07-01", "2026-08-01");
    CreateMonth("august", "2026-08-01", "2026-09-01");
    Fill(12'000, "2026-07-01", "2026-09-01");
    Fill(100, "2026-01-01", "2026-02-01");
    Fill(100, "2026-09-01", "2026-10-01");
    const std::int64_t kept = db_->Number("SELECT count(*) FROM points WHERE ts >= '2026-08-24 20:31:00+00'");
    policy_.partitioning.state = Partitioning::State::kDisabled;
    policy_.retention = Keep("90d");
    Converge();
    EXPECT_EQ(Rows(), kept);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM points WHERE ts < '2026-08-24 20:31:00+00'"), 0);
    EXPECT_NE(db_->Value("SELECT to_regclass('july')"), "");
  }
}

TEST_F(Contract, PlainTableDeletesRows) {
  for (const bool index : {true, false}) {
    SCOPED_TRACE(index);
    if (!index) SetUp();
    db_->Sql("CREATE TABLE points (id bigint PRIMARY KEY, ts timestamptz NOT NULL, v real)");
    if (index) db_->Sql("CREATE INDEX ON points (ts)");
    Fill(12'000, "2026-07-01", "2026-09-01");
    const std::int64_t kept = db_->Number("SELECT count(*) FROM points WHERE ts >= '2026-08-24 20:31:00+00'");
    policy_.partitioning.state = Partitioning::State::kDisabled;
    policy_.retention = Keep("90d");
    EXPECT_THAT(Converge(), ElementsAre("delete_expired_rows"));
    EXPECT_EQ(Rows(), kept);
    EXPECT_THAT(Converge(), IsEmpty());
  }
}

TEST_F(Contract, DateKey) {
  CreatePoints("date");
  CreateDefault();
  policy_.partitioning.granularity = Granularity::kDay;
  policy_.partitioning.time_zone = "America/New_York";
  policy_.retention = Keep("3d", Retention::Action::kDrop, "24h");
  db_->Sql("INSERT INTO points SELECT n, date '2026-11-01' + n, n FROM generate_series(1, 40) n");
  Converge();
  // 2026-11-22 15:31 in New York; rows of the 19th stay, as its partition does.
  EXPECT_EQ(db_->Value("SELECT min(ts) FROM points"), "2026-11-19");
  EXPECT_THAT(Partitions(), Contains("points_p20261119 FOR VALUES FROM ('2026-11-19') TO ('2026-11-20')"));
  EXPECT_EQ(db_->Number("SELECT count(*) FROM points_default WHERE ts < '2026-11-25'"), 0);
  now_ += hours(24);
  Converge();
  EXPECT_EQ(db_->Value("SELECT min(ts) FROM points"), "2026-11-20");
  now_ += hours(25);
  EXPECT_THAT(Converge(), Contains("drop_partition"));
}

TEST_F(Contract, TimestampKey) {
  CreatePoints("timestamp(0) without time zone");
  CreateDefault();
  policy_.partitioning.granularity = Granularity::kWeek;
  policy_.partitioning.time_zone = "America/New_York";
  policy_.retention = Keep("2w", Retention::Action::kDrop, "24h");
  Fill(200, "2026-10-25", "2027-01-01");
  now_ = At("2026-11-23T03:00:00Z");  // still Sunday there
  Converge();
  EXPECT_EQ(db_->Value("SELECT min(ts) FROM points"),
            db_->Value("SELECT min(ts) FROM points WHERE ts >= '2026-11-02 00:00:00'"));
  EXPECT_THAT(Partitions(),
              Contains("points_p2026w47 FOR VALUES FROM ('2026-11-16 00:00:00') TO ('2026-11-23 00:00:00')"));
  policy_.retention->keep = {3, CalendarDuration::Unit::kWeek};
  Converge();
  now_ += hours(24 * 21);
  Converge();
  now_ += hours(25);
  Converge();
}

TEST_F(Contract, HostileNamesAndColumns) {
  policy_ = PolicyFor("T'a\"b;le $1", "t s\"");
  policy_.table.schema = "sch ema";
  policy_.retention = Keep("1mo", Retention::Action::kDrop, "24h");
  db_->Sql(R"(
    CREATE SCHEMA "sch ema";
    CREATE TABLE "sch ema"."T'a""b;le $1" (
      gone int, id bigint GENERATED ALWAYS AS IDENTITY, "t s""" timestamptz NOT NULL, also_gone text,
      "V'alue" real DEFAULT 1.5, twice real GENERATED ALWAYS AS ("V'alue" * 2) STORED, j jsonb DEFAULT '{}',
      CHECK ("V'alue" > 0)) PARTITION BY RANGE ("t s""");
    ALTER TABLE "sch ema"."T'a""b;le $1" DROP COLUMN gone, DROP COLUMN also_gone, ADD COLUMN "späte" text DEFAULT 'x';
    CREATE INDEX ON "sch ema"."T'a""b;le $1" (id);
    CREATE TABLE "sch ema"."d'e""f" PARTITION OF "sch ema"."T'a""b;le $1" DEFAULT;
    CREATE TABLE "sch ema"."o'l""d" PARTITION OF "sch ema"."T'a""b;le $1" FOR VALUES FROM ('2026-09-01') TO ('2026-10-01');
    INSERT INTO "sch ema"."T'a""b;le $1" ("t s""", "V'alue")
      SELECT timestamptz '2026-09-01' + n * interval '1 day', n + 1 FROM generate_series(0, 100) n)");
  const std::string sum =
      R"(SELECT sum(twice) || ' ' || sum(id) || ' ' || min("späte") FROM "sch ema"."T'a""b;le $1")";
  const std::string before = db_->Value(sum + R"( WHERE "t s""" >= '2026-10-01')");
  const std::vector<std::string> done = Converge();
  EXPECT_EQ(std::count(done.begin(), done.end(), "finish_drain"), 3);
  EXPECT_EQ(db_->Value(sum), before);
  db_->Sql(R"(INSERT INTO "sch ema"."T'a""b;le $1" ("t s""", "V'alue") VALUES ('2026-09-09', 7))");
  policy_.retention->keep = {3, CalendarDuration::Unit::kMonth};
  Converge();
  EXPECT_EQ(Rows(), 102);
  EXPECT_EQ(db_->Number("SELECT max(id) FROM " + QuoteName(policy_.table.schema, policy_.table.name)), 102);
}

// What partitions do not inherit, and new ones take over from their newest
// sibling.
TEST_F(Contract, Siblings) {
  PostgresServer& server = PostgresServer::Shared();
  const std::string folder = server.directory() + "/space_" + DatabaseName(db_->uri());
  std::filesystem::create_directory(folder);
  struct stat owner {};
  ASSERT_EQ(stat(server.data_directory().c_str(), &owner), 0);
  ASSERT_EQ(chown(folder.c_str(), owner.st_uid, owner.st_gid), 0);
  const std::string space = "space_" + DatabaseName(db_->uri());
  const std::string role = "reader_" + DatabaseName(db_->uri());
  db_->Sql("CREATE TABLESPACE " + space + " LOCATION '" + folder + "'");
  db_->Sql("CREATE ROLE " + role + "; CREATE ROLE owner_" + role);
  CreatePoints();
  CreateDefault();
  db_->Sql("CREATE UNIQUE INDEX points_identity ON points (ts, id)");
  const auto check = [&](const std::string& name) {
    const std::string columns =
        "SELECT concat_ws('|', relpersistence, relreplident, array_to_string(reloptions, ','), relacl::text, "
        "(SELECT spcname FROM pg_tablespace WHERE oid = reltablespace), relowner::regrole, (SELECT "
        "h.inhparent::regclass FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid WHERE "
        "i.indrelid = "
        "c.oid AND i.indisreplident)) FROM pg_class c WHERE oid = ";
    EXPECT_EQ(db_->Value(columns + "'" + name + "'::regclass"), db_->Value(columns + "'november'::regclass"))
        << name;
  };
  CreateMonth("november", "2026-11-01", "2026-12-01");
  db_->Sql("ALTER TABLE points OWNER TO owner_" + role + "; ALTER TABLE november OWNER TO owner_" + role +
           "; ALTER TABLE november SET (fillfactor = 70, autovacuum_enabled = off); ALTER TABLE november SET "
           "UNLOGGED; "
           "ALTER TABLE november REPLICA IDENTITY FULL; ALTER TABLE november SET TABLESPACE " +
           space + "; GRANT SELECT ON november TO " + role + "; GRANT INSERT, UPDATE ON november TO PUBLIC");
  Fill(10, "2027-01-05", "2027-01-09");
  Converge();
  check("points_p202612");
  check("points_p202701");  // made by a drain
  db_->Sql(
      "ALTER TABLE november REPLICA IDENTITY USING INDEX november_ts_id_idx; "
      "ALTER TABLE points_p202701 REPLICA IDENTITY USING INDEX points_p202701_ts_id_idx");
  Fill(10, "2027-02-05", "2027-02-09");
  policy_.partitioning.premake = 4;
  Converge();
  check("points_p202702");
  check("points_p202703");
  // And a swap.
  policy_.partitioning.granularity = Granularity::kWeek;
  policy_.partitioning.premake = 20;
  Converge();
  for (const std::string& made :
       db_->Column("SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = "
                   "i.inhrelid WHERE inhparent = 'points'::regclass AND relname LIKE "
                   "'points_p2027w%'")) {
    check(made);
  }
  db_->Sql("DROP TABLE points");
  db_->Sql("DROP TABLESPACE " + space);
}

// Names that others have are not used, nor stumbled over.
TEST_F(Contract, NamesTaken) {
  CreatePoints();
  db_->Sql(
      "CREATE TABLE points_p202612 (); CREATE VIEW points_default AS SELECT 1; CREATE SEQUENCE "
      "points_p202701; "
      "CREATE TABLE points_p202701_2 ()");
  Converge();
  EXPECT_THAT(Partitions(), ElementsAre(HasSubstr("points_default_2"), HasSubstr("points_p202611"),
                                        HasSubstr("points_p202612_2"), HasSubstr("points_p202701_3")));
}

TEST_F(Contract, OddPartitionsAreLeftAlone) {
  CreatePoints();
  db_->Sql(
      "CREATE TABLE old_parted PARTITION OF points FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') "
      "PARTITION BY "
      "RANGE (ts); CREATE TABLE old_leaf PARTITION OF old_parted DEFAULT; "
      "CREATE TABLE odd PARTITION OF points FOR VALUES FROM ('2026-11-20 03:04:05.678901') TO "
      "('2026-12-03'); "
      "CREATE TABLE ahead PARTITION OF points FOR VALUES FROM ('2031-01-01') TO (MAXVALUE)");
  Fill(10, "2026-01-01", "2026-02-01");
  policy_.retention = Keep("90d");
  Converge();
  EXPECT_EQ(Rows(), 10);
  EXPECT_THAT(last_plan_.advice, Contains(HasSubstr("partitioned itself")));
  EXPECT_THAT(Partitions(), Contains(HasSubstr("odd FOR VALUES FROM ('2026-11-20 03:04:05.678901+00')")));
}

// A plain table that becomes partitioned where it stands.
class ConversionContract : public Contract {
 protected:
  void SetUp() override {
    Contract::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
    policy_.partitioning.uniqueness = Partitioning::Uniqueness::kPerPartition;
    // Rows beyond the cut are where the swap put them: in which partitions, the
    // model does not know.
    clients_write_ = true;
  }

  void CreatePlain(const std::string& type = "timestamptz") {
    db_->Sql("CREATE TABLE points (id bigint PRIMARY KEY, ts " + type +
             " NOT NULL, v real, w text); CREATE UNIQUE INDEX once ON points (w, id); "
             "CREATE INDEX by_time ON points (ts); CREATE INDEX ahead ON points (v, ts DESC) WHERE v > 0");
    next_id_ = 1;
    Fill(3'000, "2026-05-01", "2026-11-22");
    Fill(20, "2026-12-28", "2027-01-09");  // for two partitions
    Fill(20, "2099-01-01", "2099-02-01");
    db_->Sql("INSERT INTO points VALUES (-1, 'infinity', 0), (-2, '-infinity', 0)");
  }
  // The indexes of a table and where they are stored.
  std::vector<std::string> Indexes(const std::string& table) {
    return db_->Column(
        "SELECT indexrelid || ' ' || pg_relation_filenode(indexrelid) FROM pg_index WHERE "
        "indrelid = '" +
        table + "'::regclass ORDER BY indexrelid");
  }
  // All that there is, but for when things happened and who did them.
  std::string Everything() {
    db_->Sql("UPDATE partition_controller.tables SET acted_at = '-infinity', term = 0");
    return db_->Fingerprint();
  }
  void Never() { policy_.partitioning.conversion = Partitioning::Conversion::kNever; }
  // As Converge, for a policy that refuses the table once the traces are gone.
  std::vector<std::string> Clear() { return Begin(9); }
};

constexpr const char* kAllSteps[] = {"prepare_conversion", "build_index", "fence_conversion",
                                     "finish_conversion"};

TEST_F(ConversionContract, EachStepWithEachKey) {
  for (const std::string type : {"timestamptz", "timestamp(0) without time zone", "date"}) {
    SCOPED_TRACE(type);
    if (type != "timestamptz") SetUp();
    CreatePlain(type);
    LogWhatIsScanned();
    const std::int64_t before = Rows();
    const std::string sum = db_->Value("SELECT sum(hashtext(p::text)::bigint) FROM points p");
    const std::string file = db_->Value("SELECT pg_relation_filenode('points')");
    const std::vector<std::string> indexes = Indexes("points");
    std::string key;
    after_step_ = [&](const Action& action) {
      EXPECT_EQ(db_->Number("SELECT count(*) FROM points"), before) << Kind(action);
      if (std::holds_alternative<BuildIndex>(action)) {
        key = db_->Value("SELECT pg_relation_filenode('points_key_with_time')");
      }
    };
    EXPECT_THAT(Converge(),
                ElementsAre(kAllSteps[0], kAllSteps[1], kAllSteps[2], kAllSteps[3], "analyze_parent"));
    after_step_ = {};
    EXPECT_EQ(Rows(), before);
    EXPECT_EQ(db_->Value("SELECT sum(hashtext(p::text)::bigint) FROM points p"), sum);
    EXPECT_THAT(Partitions(), ElementsAre("points_default DEFAULT",
                                          HasSubstr("points_p202612 FOR VALUES FROM ('2026-12-01"),
                                          HasSubstr("points_p202701 FOR VALUES FROM ('2027-01-01"),
                                          HasSubstr(" FOR VALUES FROM (MINVALUE) TO ('2026-12-01")));
    const std::string history = db_->Value("SELECT tableoid::regclass FROM points WHERE id = 1");
    // Neither the table nor an index of it was read, written or made anew.
    EXPECT_EQ(db_->Value("SELECT pg_relation_filenode('" + history + "')"), file);
    EXPECT_TRUE(WasImplied(history));
    EXPECT_TRUE(WasImpliedForDefault("points_default"));
    std::vector<std::string> kept = Indexes(history);
    ASSERT_THAT(kept, SizeIs(indexes.size()));
    // The primary key is another one.
    EXPECT_THAT(kept.back(), testing::EndsWith(" " + key));
    EXPECT_TRUE(std::equal(indexes.begin() + 1, indexes.end(), kept.begin()))
        << testing::PrintToString(indexes) << testing::PrintToString(kept);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM points_p202612") +
                  db_->Number("SELECT count(*) FROM points_p202701"),
              20);
    EXPECT_EQ(db_->Number("SELECT count(*) FROM points_default"), 21);
    EXPECT_THAT(db_->Column("SELECT conname FROM pg_constraint WHERE conname LIKE 'partition_controller%'"),
                IsEmpty());
    EXPECT_THAT(db_->Column(kPassingFunctions), IsEmpty());
    EXPECT_THAT(Converge(), IsEmpty());
  }
}

TEST_F(ConversionContract, AKeyThatIsInThePrimaryKeyNeedsNoIndex) {
  db_->Sql("CREATE TABLE points (id bigint, ts timestamptz NOT NULL, v real, PRIMARY KEY (ts, id))");
  Fill(300, "2026-05-01", "2026-11-22");
  const std::vector<std::string> indexes = Indexes("points");
  EXPECT_THAT(Converge(), ElementsAre(kAllSteps[0], kAllSteps[2], kAllSteps[3], "analyze_parent"));
  EXPECT_EQ(Rows(), 300);
  EXPECT_EQ(Indexes(db_->Value("SELECT tableoid::regclass FROM points LIMIT 1")), indexes);
}

TEST_F(ConversionContract, AnEmptyTableWithoutAnyIndex) {
  db_->Sql("CREATE TABLE points (ts date NOT NULL)");
  policy_.partitioning.uniqueness = Partitioning::Uniqueness::kRefuse;
  EXPECT_THAT(Converge(), ElementsAre(kAllSteps[0], kAllSteps[2], kAllSteps[3], "analyze_parent"));
  EXPECT_THAT(Partitions(), SizeIs(4));
}

// At each point where it may be given up, nothing is left of it.
TEST_F(ConversionContract, NeverAgain) {
  for (const std::size_t steps : {1U, 2U, 3U}) {
    for (const bool disabled : {false, true}) {
      SCOPED_TRACE(steps);
      SCOPED_TRACE(disabled);
      SetUp();
      CreatePlain();
      // The journal and the table's row in the bookkeeping begin with the first step.
      ASSERT_THAT(Begin(1), SizeIs(1));
      Never();
      Clear();
      const std::string before = Everything();
      policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
      ASSERT_THAT(Begin(steps), SizeIs(steps));
      EXPECT_NE(Everything(), before);
      // What clients write meanwhile.
      Fill(7, "2026-11-20", "2026-11-22");
      Fill(9, "2026-12-20", "2027-03-01");
      db_->Sql("UPDATE points SET ts = '2027-01-01' WHERE id BETWEEN 10 AND 14");
      if (disabled) {
        policy_.partitioning.state = Partitioning::State::kDisabled;
      } else {
        Never();
      }
      const std::vector<std::string> done = Clear();
      ASSERT_FALSE(done.empty());
      EXPECT_EQ(done.back(), "abandon_conversion");
      EXPECT_EQ(done.size() == 2, steps == 3) << testing::PrintToString(done);
      EXPECT_EQ(Rows(), 3'042 + 16);
      EXPECT_EQ(db_->Number("SELECT count(*) FROM ONLY points WHERE ts = '2027-01-01'"), 5);
      EXPECT_EQ(Everything(), before);
      EXPECT_FALSE(Observe().table->conversion);
    }
  }
}

TEST_F(ConversionContract, AlteredInBetweenItStartsAnew) {
  for (const std::size_t steps : {1U, 2U, 3U}) {
    SCOPED_TRACE(steps);
    SetUp();
    CreatePlain();
    ASSERT_THAT(Begin(steps), SizeIs(steps));
    const std::string index = db_->Value("SELECT to_regclass('points_key_with_time')::oid");
    Fill(9, "2026-12-20", "2027-03-01");
    db_->Sql("ALTER TABLE points ADD COLUMN later int DEFAULT 7; CREATE INDEX later ON points (later)");
    const std::vector<std::string> done = Converge();
    EXPECT_THAT(done, Contains("abandon_conversion"));
    EXPECT_EQ(std::count(done.begin(), done.end(), "unfence_conversion"), steps == 3 ? 1 : 0);
    EXPECT_EQ(std::count(done.begin(), done.end(), "build_index"), steps == 1 ? 1 : 0);
    EXPECT_EQ(Rows(), 3'042 + 9);
    EXPECT_EQ(db_->Number("SELECT sum(later) FROM points"), (3'042 + 9) * 7);
    if (!index.empty()) {
      EXPECT_EQ(db_->Value("SELECT conindid FROM pg_constraint WHERE contype = 'p' AND conrelid = (SELECT "
                           "tableoid FROM points WHERE id = 1)"),
                index);
    }
  }
}

// The table was written to until its cut had come.
TEST_F(ConversionContract, TooLateItStartsAnew) {
  CreatePlain();
  ASSERT_THAT(Begin(3), SizeIs(3));
  now_ = At("2026-11-30T23:55:00Z");
  EXPECT_THAT(Converge(), ElementsAre("unfence_conversion", "abandon_conversion", kAllSteps[0], kAllSteps[2],
                                      kAllSteps[3], "analyze_parent"));
  EXPECT_EQ(Rows(), 3'042);
  EXPECT_THAT(Partitions(), Contains(HasSubstr("(MINVALUE) TO ('2027-01-01")));
}

TEST_F(ConversionContract, AnInvalidIndexIsBuiltAgain) {
  CreatePlain();
  ASSERT_THAT(Begin(1), SizeIs(1));
  // Cut off in mid-build: a writer's transaction holds it up, then it is cancelled.
  {
    pqxx::connection writer(db_->uri());
    pqxx::work writing(writer);
    writing.exec("INSERT INTO points VALUES (-3, '2026-11-01', 0)");
    std::thread building([&] {
      pqxx::connection connection(db_->uri());
      pqxx::nontransaction direct(connection);
      EXPECT_THROW(direct.exec("CREATE UNIQUE INDEX CONCURRENTLY points_key_with_time ON points (id, ts)"),
                   pqxx::sql_error);
    });
    EXPECT_TRUE(Eventually([&] {
      return db_->Value(
                 "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE UNIQUE%' AND "
                 "to_regclass('points_key_with_time') IS NOT NULL AND wait_event_type = 'Lock'") == "t";
    }));
    building.join();
    writing.commit();
  }
  // Made after it, so that the indexes' order changes with its removal.
  db_->Sql("CREATE INDEX another ON points (w)");
  const std::vector<std::string> done = Converge();
  EXPECT_THAT(done, ElementsAre("abandon_conversion", kAllSteps[0], "drop_invalid_index", kAllSteps[1],
                                kAllSteps[2], kAllSteps[3], "analyze_parent"));
  EXPECT_EQ(Rows(), 3'043);
  EXPECT_EQ(db_->Value("SELECT pg_get_indexdef('another'::regclass)"),
            "CREATE INDEX another ON ONLY public.points USING btree (w)");
}

// Of the name that ours would get.
TEST_F(ConversionContract, AnIndexInTheWayIsLeftAlone) {
  CreatePlain();
  db_->Sql("CREATE INDEX points_key_with_time ON points (v)");
  const Plan plan = MakePlan(policy_, Observe(), {now_, true});
  EXPECT_THAT(plan.refusals, testing::ElementsAre(testing::Field(&Refusal::code, "NameTaken")));
}

TEST_F(Contract, TurnsAConvertedTableBack) {
  db_->Sql("CREATE TABLE points (id bigint PRIMARY KEY, ts timestamptz NOT NULL, v real)");
  Fill(300, "2026-08-01", "2026-11-22");
  policy_.partitioning.uniqueness = Partitioning::Uniqueness::kPerPartition;
  policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
  Converge();
  Fill(300, "2026-11-22", "2027-06-01");
  const std::int64_t before = Rows();
  policy_.partitioning.conversion = Partitioning::Conversion::kRevert;
  const std::vector<std::string> done = Converge();
  EXPECT_THAT(done, Contains("begin_revert"));
  EXPECT_EQ(done.front(), "build_index");
  EXPECT_EQ(done.back(), "finish_revert");
  EXPECT_EQ(Rows(), before);
  EXPECT_THAT(Partitions(), IsEmpty());
  EXPECT_THAT(Converge(), IsEmpty());
}

}  // namespace
}  // namespace partition_controller
