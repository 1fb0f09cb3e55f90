// Plans as scripts for psql.

#include "reconcilers/bookkeeping.h"
#include "reconcilers/bounds.h"
#include "reconcilers/plan.h"
#include "reconcilers/quote.h"
#include "reconcilers/sql.h"

namespace partition_controller {
namespace {

std::string Milliseconds(std::chrono::milliseconds time) {
  return "'" + std::to_string(time.count()) + "ms'";
}

// One line, whatever a name holds.
std::string Comment(const std::string& text) {
  std::string line = "-- ";
  for (const char c : text) line += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return line + "\n";
}

// `claim`, if any, comes first, and is for psql: it stops the script when it
// returns no row, and keeps the term.
void Block(const std::string& claim, const std::vector<std::string>& statements, const Policy& policy,
           std::string* script, bool one_snapshot = false) {
  *script += one_snapshot ? "BEGIN ISOLATION LEVEL REPEATABLE READ;\n" : "BEGIN;\n";
  for (const std::string& setting : TransactionSettings(policy)) *script += setting + ";\n";
  *script += "SET LOCAL lock_timeout = " + Milliseconds(policy.locks.timeout) + ";\n";
  if (!claim.empty()) *script += claim + " \\gset partition_controller_\n";
  for (const std::string& statement : statements) *script += statement + ";\n";
  *script += "COMMIT;\n";
}

std::string WhileMore(const std::vector<std::string>& work) {
  std::string body = "DECLARE\n  more boolean;\n  counted bigint;\nBEGIN\n  LOOP\n";
  for (const std::string& statement : work) {
    body += "    EXECUTE " + DollarQuote(statement) +
            (&statement == &work.back() ? " INTO more, counted" : "") + ";\n";
  }
  return "DO " + DollarQuote(body + "    EXIT WHEN NOT more;\n  END LOOP;\nEND");
}

std::vector<std::string> StatementsOf(const Action& action, const Transaction& transaction,
                                      const Policy& policy, const Table& table) {
  std::vector<std::string> all = transaction.work;
  if (transaction.repeat == Transaction::Repeat::kWhileMore) return {WhileMore(transaction.work)};
  if (const auto* rows = std::get_if<DeleteExpiredRows>(&action)) {
    // In one go: nobody is there to count batches.
    const KeyType key = KeyTypeOf(table.key_column_type).value();
    all.back() = "DELETE FROM ONLY " + QuoteName(rows->leaf.schema, rows->leaf.name) + " WHERE " +
                 QuoteName(policy.time_column) + " < " + LiteralSql(Bound::At(rows->cutoff), key);
  }
  all.insert(all.end(), transaction.gentle.begin(), transaction.gentle.end());
  all.insert(all.end(), transaction.swift.begin(), transaction.swift.end());
  return all;
}

}  // namespace

std::vector<std::string> TransactionSettings(const Policy& policy) {
  std::vector<std::string> settings = {
      "SET LOCAL TimeZone = 'UTC'",
      "SET LOCAL DateStyle = 'ISO, YMD'",
      "SET LOCAL search_path = pg_catalog, pg_temp",
      // A row that a policy hides must not be missed silently.
      "SET LOCAL row_security = off",
      "SET LOCAL client_min_messages = warning",
      // Compiling what reads the catalog, or one batch, takes longer than it does.
      "SET LOCAL jit = off",
      "SET LOCAL idle_in_transaction_session_timeout = " + Milliseconds(policy.locks.timeout),
  };
  if (!policy.connection.role.empty())
    settings.push_back("SET LOCAL ROLE " + QuoteName(policy.connection.role));
  return settings;
}

std::string RenderScript(const Plan& plan, const Policy& policy, const Catalog& catalog) {
  std::string script = Comment("Policy " + policy.name_space + "/" + policy.name + " for " +
                               QuoteName(policy.table.schema, policy.table.name) + " as of " +
                               ToString(plan.outlook.now) + ".  Stop at the first error.");
  script += "\\set ON_ERROR_STOP on\n";
  for (const Refusal& refusal : plan.refusals) script += Comment("Refused: " + refusal.message);
  if (plan.steps.empty()) return script + Comment("Nothing to do.");

  Table table = *catalog.table;
  const std::vector<std::string> migration = MigrationSql(catalog.server.bookkeeping_version);
  if (!migration.empty()) {
    script += "\n" + Comment("The bookkeeping schema.");
    Block("", migration, policy, &script);
  }
  script += "\n" + Comment("Makes the policy the table's keeper, unless another one is at work on it.");
  Block(ClaimSql(policy, table, catalog.server, "psql", plan.accepts_identity, plan.consented, plan.agrees),
        {}, policy, &script);
  for (const Step& step : plan.steps) {
    script += "\n" + Comment(Describe(step.action, table)) + Comment("because: " + step.reason);
    const Transaction transaction = Render(step.action, policy, table, catalog.server);
    const bool alone = transaction.repeat == Transaction::Repeat::kAlone;
    Block(FenceSql(table.oid, ":partition_controller_term"),
          alone ? std::vector<std::string>() : StatementsOf(step.action, transaction, policy, table), policy,
          &script, transaction.one_snapshot);
    if (alone) script += transaction.work.front() + ";\n";
    Apply(step.action, catalog.server.time, &table);
  }
  return script;
}

}  // namespace partition_controller
