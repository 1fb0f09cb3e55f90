// Ticks that find nothing to do, the most common ones.

#include "controller/catalog_reader.h"
#include "controller/postgres.h"
#include "controller/process_stats.h"
#include "reconcilers/bookkeeping.h"
#include "tests/bench/bench.h"
#include "tests/support/live_table.h"
#include "tests/support/process.h"

namespace partition_controller::bench {
namespace {

std::string TableName(int number) {
  char text[16];
  std::snprintf(text, sizeof text, "m%04d", number);
  return text;
}

// Daily; `partitions` of them from the past to six days ahead.
constexpr int kAhead = 6;

Policy DailyPolicy(int number, int partitions) {
  Policy policy = PolicyFor(TableName(number));
  policy.name = TableName(number);
  policy.partitioning.granularity = Granularity::kDay;
  policy.partitioning.premake = kAhead;
  policy.retention = Keep(std::to_string(partitions - kAhead - 1) + "d", Retention::Action::kDrop, "24h");
  return policy;
}

// So that both sides read a catalog in good shape.
void VacuumCatalog(LiveDatabase& db) {
  for (const char* table : {"pg_class", "pg_inherits", "pg_attribute", "pg_index", "pg_constraint"}) {
    db.Sql(std::string("VACUUM ANALYZE ") + table);
  }
}

// Tables that are as their policies want them.
void MakeTables(const std::string& uri, int first, int count, int partitions) {
  LiveDatabase db(uri);
  for (const std::string& statement : MigrationSql(0)) db.Sql(statement);
  for (int number = first; number < first + count; ++number) {
    const std::string name = TableName(number);
    // One transaction each, so that no lock table has to hold them all.
    db.Sql("DO $$ BEGIN CREATE TABLE " + name +
           " (id bigint NOT NULL, ts timestamptz NOT NULL, value float8, PRIMARY "
           "KEY (id, ts)) PARTITION BY RANGE (ts); CREATE TABLE " +
           name + "_default PARTITION OF " + name + " DEFAULT; FOR d IN 0.." +
           std::to_string(partitions - 1) + " LOOP EXECUTE format('CREATE TABLE " + name +
           "_%s PARTITION OF " + name +
           " FOR VALUES FROM (%L) TO (%L)', d, date_trunc('day', now(), 'UTC') + (d - " +
           std::to_string(partitions - kAhead - 1) +
           ") * interval '24 hours', date_trunc('day', now(), 'UTC') + (d - " +
           std::to_string(partitions - kAhead - 2) + ") * interval '24 hours'); END LOOP; END $$");
  }
  db.Sql(
      "INSERT INTO partition_controller.tables (table_oid, policy_namespace, policy_name, schema_name, "
      "table_name, "
      "owner_name, database_oid, system_identifier, term, holder, acted_at, analyzed_at) SELECT c.oid, "
      "'default', "
      "relname, 'public', relname, 'postgres', (SELECT oid FROM pg_database WHERE datname = "
      "current_database()), "
      "(SELECT system_identifier FROM pg_control_system()), nextval('partition_controller.terms'), 'bench', "
      "now(), "
      "now() FROM pg_class c WHERE relkind = 'p' AND relname ~ '^m[0-9]{4}$' ON CONFLICT DO NOTHING");
  db.Sql(
      "INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, "
      "schema_name, "
      "table_name, bound_from, bound_to) SELECT inhrelid, inhparent, 'attached', true, 'public', "
      "inhrelid::regclass::text, '', '' FROM pg_inherits i JOIN pg_class c ON c.oid = inhparent WHERE "
      "c.relkind = "
      "'p' AND c.relname ~ '^m[0-9]{4}$' ON CONFLICT DO NOTHING");
  VacuumCatalog(db);
}

struct Tick {
  double seconds = 0;
  std::size_t steps = 0;
  std::size_t partitions = 0;
};

// What a tick does when nothing is due.
Tick RunTick(Session& session, const std::vector<Policy>& policies) {
  std::vector<const Policy*> wanted;
  wanted.reserve(policies.size());
  for (const Policy& policy : policies) wanted.push_back(&policy);
  const Stopwatch watch;
  const Now now{std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()), false};
  const std::vector<Catalog> catalogs = ReadCatalogs(session, wanted, now);
  Tick tick;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const Plan plan = MakePlan(policies[i], catalogs[i], now);
    tick.steps += plan.steps.size() + plan.refusals.size();
    if (catalogs[i].table) tick.partitions += catalogs[i].table->partitions.size();
  }
  tick.seconds = watch.Seconds();
  return tick;
}

std::vector<Policy> Policies(int count, int partitions) {
  std::vector<Policy> policies;
  policies.reserve(static_cast<std::size_t>(count));
  for (int number = 0; number < count; ++number) policies.push_back(DailyPolicy(number, partitions));
  return policies;
}

// The same tables in pg_partman's care: as many days, a default partition.
void MakePartmanTables(const std::string& uri, int count, int partitions) {
  LiveDatabase db(uri);
  db.Sql("CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman");
  for (int number = 0; number < count; ++number) {
    const std::string name = "partman_" + TableName(number);
    db.Sql("CREATE TABLE " + name +
           " (id bigint NOT NULL, ts timestamptz NOT NULL, value float8, PRIMARY KEY (id, "
           "ts)) PARTITION BY RANGE (ts)");
    db.Sql("SELECT partman.create_parent('public." + name + "', 'ts', 'native', 'daily', p_premake := " +
           std::to_string(kAhead) + ", p_start_partition := (now() - interval '" +
           std::to_string(partitions - kAhead - 1) + " days')::date::text)");
  }
  VacuumCatalog(db);
}

}  // namespace

void RunNoop(const Options& options, Report& report) {
  const int tables = options.smoke ? 5 : 200;
  const int partitions = options.smoke ? 8 : 32;
  const int rounds = options.smoke ? 2 : 9;
  const std::string uri = Server().CreateDatabase("noop");
  MakeTables(uri, 0, tables, partitions);
  MakePartmanTables(uri, tables, partitions);
  const std::vector<Policy> policies = Policies(tables, partitions);
  const std::unique_ptr<Session> session = ConnectPostgres(uri);
  const std::unique_ptr<Session> partman = ConnectPostgres(uri);
  // As ConnectPostgres leaves search_path; pg_partman names its own things.
  const std::string maintenance = "SELECT partman.run_maintenance(p_analyze := false)";
  const std::string bare =
      "SELECT i.inhparent, c.oid, n.nspname, c.relname, c.relkind, i.inhdetachpending, "
      "pg_get_expr(c.relpartbound, "
      "c.oid), c.reltuples, c.relpages FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN "
      "pg_namespace n ON "
      "n.oid = c.relnamespace WHERE i.inhparent = ANY (ARRAY(SELECT oid FROM pg_class WHERE relkind = 'p' "
      "AND relname "
      "~ '^m[0-9]{4}$')) AND c.relkind IN ('r', 'p', 'f')";

  partman->Query(maintenance);  // whatever is due at first
  const Tick first = RunTick(*session, policies);
  const std::size_t total = static_cast<std::size_t>(tables) * static_cast<std::size_t>(partitions);
  report.Require(
      std::to_string(tables) + " policies see " + std::to_string(total) + " partitions and want nothing",
      first.steps == 0 && first.partitions == total);
  LiveDatabase db(uri);
  report.Require(
      "pg_partman looks after as many partitions",
      db.Number("SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.relkind = "
                "'p' AND c.relname LIKE 'partman%'") >= std::int64_t{tables} * (partitions + 1));

  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> query;
  std::vector<double> to_theirs;
  std::vector<double> to_query;
  for (int round = 0; round < rounds; ++round) {
    const Tick tick = RunTick(*session, policies);
    Stopwatch watch;
    session->Query(bare);
    query.push_back(watch.Seconds() * 1'000);
    watch = Stopwatch();
    partman->Query(maintenance);
    theirs.push_back(watch.Seconds() * 1'000);
    ours.push_back(tick.seconds * 1'000);
    to_theirs.push_back(ours.back() / theirs.back());
    to_query.push_back(ours.back() / query.back());
  }
  report.Measure("a tick: read the catalog, plan for each policy", ours, "ms");
  report.Measure("pg_partman's run_maintenance()", theirs, "ms");
  report.Measure("the bare catalog query", query, "ms");
  report.Budget("tick / run_maintenance()", to_theirs, "", 0.2);
  report.Budget("tick / bare query", to_query, "", 3);
}

int PrintTickMemory(const std::string& uri, int tables) {
  const std::vector<Policy> policies = Policies(tables, 100);
  const std::unique_ptr<Session> session = ConnectPostgres(uri);
  const Tick tick = RunTick(*session, policies);
  RunTick(*session, policies);
  std::string line;
  double peak = 0;
  std::FILE* status = std::fopen("/proc/self/status", "re");
  char text[256];
  while (status != nullptr && std::fgets(text, sizeof text, status) != nullptr) {
    if (std::sscanf(text, "VmHWM: %lf kB", &peak) == 1) break;
  }
  if (status != nullptr) std::fclose(status);
  std::printf("%.0f %zu\n", peak * 1'024, tick.partitions);
  return tick.steps == 0 ? 0 : 1;
}

void RunScale(const Options& options, Report& report) {
  constexpr int kPartitions = 100;
  const int few = options.smoke ? 2 : options.full ? 100 : 25;
  const int many = options.smoke ? 4 : few * (options.full ? 10 : 4);
  const int rounds = options.smoke ? 2 : 7;
  const std::string uri = Server().CreateDatabase("scale");
  const std::unique_ptr<Session> session = ConnectPostgres(uri);
  // So many new tables would keep every worker busy for longer than this lasts.
  session->Query("ALTER SYSTEM SET autovacuum = off");
  session->Query("SELECT pg_reload_conf()");
  const std::size_t total = static_cast<std::size_t>(many) * static_cast<std::size_t>(kPartitions);
  Stopwatch watch;
  MakeTables(uri, 0, many, kPartitions);
  report.Note("made " + std::to_string(total) + " partitions in " +
              std::to_string(static_cast<int>(watch.Seconds())) + " s");
  const std::vector<Policy> some = Policies(few, kPartitions);
  const std::vector<Policy> all = Policies(many, kPartitions);
  const Tick first = RunTick(*session, all);
  report.Require(
      std::to_string(many) + " policies see " + std::to_string(total) + " partitions and want nothing",
      first.steps == 0 && first.partitions == total);
  std::vector<double> small;
  std::vector<double> large;
  std::vector<double> growth;
  for (int round = 0; round < rounds; ++round) {
    small.push_back(RunTick(*session, some).seconds * 1'000);
    large.push_back(RunTick(*session, all).seconds * 1'000);
    growth.push_back(large.back() / small.back() / (static_cast<double>(many) / few));
  }
  report.Measure("a tick over " + std::to_string(few * kPartitions) + " partitions", small, "ms");
  report.Measure("a tick over " + std::to_string(total) + " partitions", large, "ms");
  // 1 is linear; below it, a fixed part was spread.
  report.Budget("growth of the tick / growth of the partitions", growth, "", 1.3);
  const Finished child = RunProgram({options.self, "--tick-memory", uri, std::to_string(many)});
  report.Budget("peak memory of a process that ticks over them", {std::atof(child.out.c_str()) / 1e6}, "MB",
                200);
  session->Query("ALTER SYSTEM RESET autovacuum");
  session->Query("SELECT pg_reload_conf()");
}

void RunIdle(const Options& options, Report& report) {
  constexpr int kTables = 10;
  constexpr int kPartitions = 30;
  const std::string uri = Server().CreateDatabase("idle");
  MakeTables(uri, 0, kTables, kPartitions);
  const ScratchFolder folder;
  for (int number = 0; number < kTables; ++number) {
    const std::string name = TableName(number);
    folder.Write(
        name + ".yaml",
        "apiVersion: edgewatch.dev/v1alpha1\nkind: PartitionPolicy\nmetadata: {name: " + name +
            "}\nspec:\n  connection: {env: DATABASE_URL}\n  table: {name: " + name +
            "}\n  timeColumn: ts\n  partitioning: {granularity: Day, premake: 6}\n  retention: {keep: " +
            std::to_string(kPartitions - kAhead - 1) + "d, action: Drop}\n  schedule: {period: 1s}\n");
  }
  const int port = FreePort();
  Process run({PC_BINARY, "run", "--spec", folder.path(), "--listen", "127.0.0.1:" + std::to_string(port)},
              {.environment = {{"DATABASE_URL", uri}}});
  const bool up = Eventually([&] {
    const auto metrics = HttpGet(port, "/metrics");
    return metrics && metrics->find("partition_coverage_seconds") != std::string::npos;
  });
  report.Require("`run` serves metrics", up);
  std::vector<double> samples;
  for (int i = 0; up && i < (options.smoke ? 3 : 20); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    HttpGet(port, "/metrics");
    std::FILE* status = std::fopen(("/proc/" + std::to_string(run.pid()) + "/status").c_str(), "re");
    char text[256];
    double resident = 0;
    while (status != nullptr && std::fgets(text, sizeof text, status) != nullptr) {
      if (std::sscanf(text, "VmRSS: %lf kB", &resident) == 1) break;
    }
    if (status != nullptr) std::fclose(status);
    samples.push_back(resident * 1'024 / 1e6);
  }
  if (!samples.empty()) report.Budget("resident memory, ten policies, a tick a second", samples, "MB", 30);
  run.Signal(15);
  report.Require("SIGTERM ends it with 0", run.Wait() == 0);
}

}  // namespace partition_controller::bench
