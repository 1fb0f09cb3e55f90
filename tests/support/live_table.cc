#include "tests/support/live_table.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "controller/postgres.h"
#include "reconcilers/bookkeeping.h"
#include "reconcilers/rollup_tables.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

SystemClock& TheClock() {
  static SystemClock clock;
  return clock;
}

Conduct ConductFor(const Approach& approach, const Operations& operations) {
  Conduct conduct{.operations = operations,
                  .clock = TheClock(),
                  .preview = approach.preview,
                  .acknowledged = approach.acknowledged,
                  .holder = approach.holder,
                  .stop = approach.stop,
                  .max_rounds = 50,
                  .on_step = {}};
  conduct.on_step = [&approach](const StepOutcome& step, std::size_t, std::size_t, bool) {
    if (approach.on_step) approach.on_step(step);
  };
  return conduct;
}

const Operations& RealOperations() {
  static const Operations kOperations;
  return kOperations;
}

// Looks twice where the plan asks for consent and gets it.
Situation Look(Session& session, const Policy& policy, const Approach& approach, Conduct* conduct) {
  Situation seen = LookAt(session, policy, *conduct);
  if (!approach.consents || FindRefusal(seen.plan, "AcknowledgementRequired") == nullptr) return seen;
  conduct->acknowledged.push_back(seen.plan.hash);
  return LookAt(session, policy, *conduct);
}

}  // namespace

LiveDatabase::LiveDatabase(std::string uri) : uri_(std::move(uri)), connection_(uri_) {}

pqxx::result LiveDatabase::Sql(const std::string& sql) {
  pqxx::nontransaction direct(connection_);
  return direct.exec(sql);
}

std::string LiveDatabase::Value(const std::string& sql) {
  const pqxx::result result = Sql(sql);
  return result.empty() || result[0][0].is_null() ? "" : result[0][0].as<std::string>();
}

std::vector<std::string> LiveDatabase::Column(const std::string& sql) {
  std::vector<std::string> values;
  for (const pqxx::row& row : Sql(sql)) values.push_back(row[0].is_null() ? "" : row[0].as<std::string>());
  return values;
}

std::string LiveDatabase::Fingerprint() {
  // What is temporary goes some time after its session has ended.
  const auto lasts = [](const std::string& name_space) {
    return " AND " + name_space + "::regnamespace::text !~ '^pg_(temp|toast_temp)' ";
  };
  std::string text = Value(
      "SELECT md5(string_agg(line, '|' ORDER BY line)) FROM ("
      "SELECT concat_ws(' ', 'rel', c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.reloptions, "
      "c.relispartition,"
      " c.relreplident, c.relfilenode, pg_get_expr(c.relpartbound, c.oid)) AS line FROM pg_class c JOIN "
      "pg_namespace n"
      " ON n.oid = c.relnamespace WHERE n.nspname !~ '^(pg_|information_schema)' "
      "UNION ALL SELECT concat_ws(' ', 'att', attrelid, attname, atttypid, attnotnull, attidentity) FROM "
      "pg_attribute a"
      " JOIN pg_class c ON c.oid = a.attrelid WHERE a.attrelid >= 16384 AND a.attnum > 0 " +
      lasts("c.relnamespace") +
      "UNION ALL SELECT concat_ws(' ', 'con', oid, conname, convalidated, pg_get_constraintdef(oid)) FROM "
      "pg_constraint"
      " WHERE oid >= 16384 " +
      lasts("connamespace") +
      "UNION ALL SELECT concat_ws(' ', 'trg', oid, tgname, tgenabled) FROM pg_trigger "
      "UNION ALL SELECT concat_ws(' ', 'fun', oid, proname) FROM pg_proc WHERE oid >= 16384 " +
      lasts("pronamespace") +
      "UNION ALL SELECT concat_ws(' ', 'nsp', oid, nspname, nspacl, nspowner) FROM pg_namespace "
      "WHERE nspname !~ '^pg_(temp|toast_temp)') x");
  for (const std::string& table :
       Column("SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = "
              "'partition_controller' AND relkind = 'r' ORDER BY 1")) {
    text += "/" + Value(
                      "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM "
                      "partition_controller." +
                      table + " t");
  }
  return text;
}

std::vector<std::string> LiveDatabase::Partitions(const std::string& quoted_table) {
  return Column(
      "SELECT c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON "
      "c.oid = "
      "i.inhrelid WHERE i.inhparent = " +
      connection_.quote(quoted_table) + "::regclass ORDER BY c.relname");
}

void LiveDatabase::MarkAsTest() {
  for (const std::string& statement : MigrationSql(0)) Sql(statement);
  Sql("INSERT INTO partition_controller.settings VALUES ('test_database', 'true') ON CONFLICT DO NOTHING");
}

Policy PolicyFor(const std::string& table, const std::string& column) {
  Policy policy;
  policy.name = "points";
  policy.connection.env = "DATABASE_URL";
  policy.table.name = table;
  policy.time_column = column;
  policy.partitioning.premake = 2;
  return policy;
}

Retention Keep(const std::string& duration, Retention::Action action, const std::string& undo_window) {
  Retention retention;
  retention.keep = ParseCalendarDuration(duration).value();
  retention.action = action;
  retention.undo_window = ParseCalendarDuration(undo_window).value();
  retention.max_per_run = 1'000;
  return retention;
}

Plan ConsentedPlan(const Policy& policy, const Catalog& catalog, const Now& now) {
  const Plan plan = MakePlan(policy, catalog, now);
  if (FindRefusal(plan, "AcknowledgementRequired") == nullptr) return plan;
  return MakePlan(policy, catalog, now, plan.hash);
}

Situation See(Session& session, const Policy& policy, const Approach& approach) {
  Conduct conduct = ConductFor(approach, RealOperations());
  return Look(session, WithRollupTables({policy}).front(), approach, &conduct);
}

Convergence ConvergeOn(Session& session, const Policy& policy, const Approach& approach) {
  Conduct conduct = ConductFor(approach, RealOperations());
  const std::vector<Policy> family = WithRollupTables({policy});
  const auto results = ConvergeFamily(family, [&](const Policy& one) -> std::optional<Convergence> {
    Situation seen = Look(session, one, approach, &conduct);
    return Converge(session, one, std::move(seen), conduct);
  });
  Convergence whole = results.front().value();
  for (std::size_t i = 1; i < results.size(); ++i) {
    if (results[i] && TroubleWith(whole).empty() && !TroubleWith(*results[i]).empty()) return *results[i];
  }
  return whole;
}

Situation See(const std::string& uri, const Policy& policy, const Approach& approach) {
  return See(*ConnectPostgres(uri), policy, approach);
}

Convergence ConvergeOn(const std::string& uri, const Policy& policy, const Approach& approach) {
  return ConvergeOn(*ConnectPostgres(uri), policy, approach);
}

std::vector<std::string> Codes(const Plan& plan) {
  std::vector<std::string> codes;
  for (const Refusal& refusal : plan.refusals) codes.push_back(refusal.code);
  return codes;
}

const Refusal* FindRefusal(const Plan& plan, const std::string& code) {
  const auto found = std::find_if(plan.refusals.begin(), plan.refusals.end(),
                                  [&](const Refusal& refusal) { return refusal.code == code; });
  return found == plan.refusals.end() ? nullptr : &*found;
}

std::string TroubleWith(const Convergence& result) {
  if (result.failure) return result.failure->reason + ": " + result.failure->message;
  if (result.stood_back) return "stood back";
  if (result.stopped) return "stopped";
  if (result.unfinished) return "unfinished";
  if (!result.last.plan.refusals.empty()) {
    return "refused: " + result.last.plan.refusals.front().code + ": " +
           result.last.plan.refusals.front().message;
  }
  if (!result.last.plan.steps.empty())
    return std::string("still due: ") + Kind(result.last.plan.steps.front().action);
  return "";
}

bool Eventually(const std::function<bool()>& happened, std::chrono::seconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!happened()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

std::string MissingServer() {
  const int major = PostgresServer::DefaultMajor();
  if (PostgresServer::Available(major)) return "";
  return "PostgreSQL " + std::to_string(major) + " is not on this machine";
}

bool AskedByNumber() {
  return std::getenv("PC_TEST_PG_MAJOR") != nullptr;  // NOLINT(concurrency-mt-unsafe): nothing here sets any
}

}  // namespace partition_controller
