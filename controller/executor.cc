#include "controller/executor.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "controller/read_transaction.h"
#include "reconcilers/bookkeeping.h"
#include "reconcilers/quote.h"
#include "reconcilers/sql.h"

namespace partition_controller {
namespace {

using std::chrono::milliseconds;
using Kind = DatabaseError::Kind;

// How long a strong lock may wait while others queue behind it; each rung is
// tried after a pause.  Below deadlock_timeout (1 s), so that in a deadlock it
// is never a client that is cancelled.
constexpr milliseconds kRungs[] = {milliseconds(50),  milliseconds(50),  milliseconds(75),
                                   milliseconds(75),  milliseconds(100), milliseconds(100),
                                   milliseconds(100), milliseconds(100)};

// Before a strong lock is asked for, transactions that hold its tables for
// longer than kBrief are waited for, without a lock request that others would
// queue behind: up to kPatience, or five times locks.timeout, before the first
// rung, and up to a tenth of that before each other one.  Once locks.timeout is
// over, what can wait (sql.h) gives up.
constexpr milliseconds kBrief{40};
constexpr milliseconds kPatience{10'000};
constexpr milliseconds kLookAgain{10};

// And before they are queued for, a moment is sought in which all are free.
// Nobody waits meanwhile.
constexpr milliseconds kSearch{400};

// The weak lock that comes first may wait longer, for it stalls no reader and
// no writer, and an autovacuum only yields to who waits over a second.
constexpr milliseconds kGentleWait{2'000};

// What an urgent transaction goes on to (sql.h).
constexpr milliseconds kUrgentRungs[] = {milliseconds(200), milliseconds(400), milliseconds(800)};

// A step that has no end in sight gives way after this long.
constexpr milliseconds kTurn{10'000};
// And up when others have been quicker this many times in a row.
constexpr int kMostLost = 20;

// Between row batches the table rests as long as the batch took, but not less.
constexpr milliseconds kLeastRest{5};

std::string Timeout(const char* name, milliseconds time) {
  return std::string("SET LOCAL ") + name + " = '" + std::to_string(time.count()) + "ms'";
}

std::string Joined(const std::vector<std::string>& statements, const std::string& before_each = "") {
  std::string text;
  for (const std::string& statement : statements) text += before_each + "; " + statement;
  return text;
}

std::string List(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) text += (text.empty() ? "" : ", ") + one;
  return text;
}

// lock_timeout counts for each lock anew; this leaves to the next one what the
// time since kQueued is short of `whole`, so that the waits of one message add
// up to little more than it.
constexpr char kQueued[] = "partition_controller.queued";
std::string RestOf(milliseconds whole) {
  return "; SELECT pg_catalog.set_config('lock_timeout', greatest(5, " + std::to_string(whole.count()) +
         " - extract(milliseconds FROM pg_catalog.clock_timestamp() - pg_catalog.current_setting('" +
         kQueued + "')::timestamptz)::int)::text, true)";
}

// Takes all the locks or none, and sets kQueued.  None is a lock timeout if
// nobody is to queue for them.
std::string AtOnce(const std::vector<std::string>& locks, milliseconds search, bool may_queue) {
  const std::string queued =
      std::string("pg_catalog.set_config('") + kQueued + "', pg_catalog.clock_timestamp()::text, true)";
  if (locks.empty()) return "SELECT " + queued;
  std::string body = "DECLARE\n  give_up timestamptz := pg_catalog.clock_timestamp() + interval '" +
                     std::to_string(search.count()) + " ms';\nBEGIN\n  LOOP\n    BEGIN\n";
  for (const std::string& lock : locks) body += lock + "\n";
  body += std::string(
              "EXIT;\n    EXCEPTION WHEN lock_not_available THEN\n      IF pg_catalog.clock_timestamp() >= "
              "give_up THEN\n        ") +
          (may_queue ? "EXIT" : "RAISE") +
          ";\n      END IF;\n      PERFORM pg_catalog.pg_sleep(0.001);\n    END;\n  END LOOP;\n  PERFORM " +
          queued + ";\nEND";
  return "DO " + DollarQuote(body);
}

milliseconds Elapsed(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - since);
}

// Rolls back unless committed, so that no path leaves a transaction open.
class Open {
 public:
  Open(Session& session, const Policy& policy, bool one_snapshot = false) : session_(session) {
    std::string begin = std::string("BEGIN ISOLATION LEVEL ") +
                        (one_snapshot ? "REPEATABLE READ" : "READ COMMITTED") + " READ WRITE";
    for (const std::string& setting : TransactionSettings(policy)) begin += "; " + setting;
    try {
      session_.Query(begin);
    } catch (const DatabaseError& e) {
      Rollback();
      // What BEGIN READ WRITE says on a replica: a feature not supported.
      if (e.sqlstate() == "0A000") throw DatabaseError(Kind::kReadOnly, e.sqlstate(), e.what());
      throw;
    }
  }
  ~Open() {
    if (!done_) Rollback();
  }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;

  void Commit() {
    session_.Query("COMMIT");
    done_ = true;
  }
  // By a statement of the caller's.
  void Committed() { done_ = true; }

 private:
  void Rollback() noexcept {
    try {
      session_.Query("ROLLBACK");
    } catch (const DatabaseError&) {
      // The connection is gone, and the transaction with it.
    }
  }

  Session& session_;
  bool done_ = false;
};

struct Lookup {
  const char* label;
  const char* reason;
  bool person;
};

Lookup Look(Kind kind) {
  switch (kind) {
    case Kind::kUnreachable:
      return {"error", "DatabaseUnreachable", false};
    case Kind::kAuthentication:
      return {"error", "AuthenticationFailed", true};
    case Kind::kLockTimeout:
      return {"lock_timeout", "LockTimeout", false};
    case Kind::kCancelled:
      return {"cancelled", "StatementTimeout", false};
    case Kind::kSerialization:
      return {"error", "SerializationFailure", false};
    case Kind::kPermission:
      return {"error", "PrivilegeMissing", true};
    case Kind::kReadOnly:
      return {"error", "ReadOnlyReplica", false};
    case Kind::kStale:
      return {"stale", "CatalogChanged", false};
    case Kind::kFenced:
      return {"fenced", "Fenced", false};
    case Kind::kOther:
      break;
  }
  return {"error", "DatabaseError", true};
}

constexpr const char* kInterrupted = "interrupted; what was done so far stays done";

// One run over one table.
class Runner {
 public:
  Runner(Session& session, const Policy& policy, const Catalog& catalog, const std::stop_token& stop,
         const ExecutorHooks& hooks)
      : session_(session),
        policy_(policy),
        server_(catalog.server),
        table_(*catalog.table),
        stop_(stop),
        hooks_(hooks) {}

  // False: another controller is at work on the table.
  bool TakeOver(const std::string& holder, bool accept_identity, bool consented,
                const std::optional<AgreedRetention>& agreed) {
    Open open(session_, policy_);
    session_.Query(Timeout("lock_timeout", policy_.locks.timeout));
    const std::int64_t seen = table_.ownership ? table_.ownership->term : 0;
    const Result claimed =
        session_.Query(ClaimSql(policy_, table_, server_, holder, accept_identity, consented, agreed, seen));
    if (claimed.rows.empty()) return false;
    term_ = std::stoll(claimed.rows[0][0].value());
    open.Commit();
    return true;
  }

  // What was done is in `outcome` also if it throws.
  void Run(StepOutcome* outcome, std::size_t done, std::size_t total) {
    const Transaction transaction = Render(outcome->action, policy_, table_, server_);
    if (transaction.repeat == Transaction::Repeat::kOnce) {
      Once(transaction, outcome);
    } else if (transaction.repeat == Transaction::Repeat::kWhileMore) {
      WhileMore(transaction, outcome, done, total);
    } else if (transaction.repeat == Transaction::Repeat::kAlone) {
      Alone(transaction, outcome);
    } else if (!Batches(transaction, outcome, done, total)) {
      outcome->result = "cancelled";
      outcome->message = kInterrupted;
    }
    if (outcome->result == "success") Apply(outcome->action, server_.time, &table_);
  }

  // Who holds locks on what the step needs; empty if nobody can be seen.
  std::string Blockers(const Action& action) {
    const Transaction transaction = Render(action, policy_, table_, server_);
    if (transaction.contended.empty()) return "";
    Open open(session_, policy_);
    const Result found = session_.Query(
        "SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.state, 'unknown'), "
        "pg_catalog.date_trunc('second', a.xact_start)::text, "
        "coalesce(a.query, '') FROM (SELECT DISTINCT pid FROM pg_catalog.pg_locks WHERE granted AND locktype "
        "= "
        "'relation' AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = "
        "pg_catalog.current_database()) AND relation IN (" +
        List(transaction.contended) +
        ") AND pid <> pg_catalog.pg_backend_pid()) l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid "
        "ORDER BY "
        "a.xact_start NULLS LAST LIMIT 3");
    open.Commit();
    std::string text;
    for (const auto& row : found.rows) {
      text += std::string(text.empty() ? "blocked by " : "; ") + "pid " + row[0].value() + " (" +
              (row[1]->empty() ? "no application_name" : row[1].value()) + ", " + row[2].value() +
              (row[3] ? ", transaction open since " + row[3].value() : std::string()) +
              "): " + MaskLiterals(row[4].value(), 120);
    }
    return text;
  }

  // A partition that was thought empty is not: measuring it puts the planner
  // right.
  void Remeasure(const Action& action) {
    const auto* swap = std::get_if<ReplacePartitions>(&action);
    if (swap == nullptr) return;
    Open open(session_, policy_);
    session_.Query(Timeout("lock_timeout", policy_.locks.timeout));
    for (const TableRef& ref : swap->drop) session_.Query("ANALYZE " + QuoteName(ref.schema, ref.name));
    open.Commit();
  }

 private:
  void Fence() {
    session_.Query(Timeout("lock_timeout", policy_.locks.timeout));
    if (session_.Query(FenceSql(table_.oid, term_)).rows.empty()) {
      throw DatabaseError(Kind::kFenced, "",
                          "another controller has taken the table over; this one stands back");
    }
  }

  // pg_locks shows the transactions of all users.
  void AwaitOthers() {
    // One that sits between two statements and holds no snapshot takes a new one
    // for the next.
    constexpr char kRunning[] =
        "SELECT l.virtualtransaction, 'pid ' || a.pid || ' (' || coalesce(nullif(a.application_name, ''), "
        "'no "
        "application_name') || ', ' || coalesce(a.state, 'unknown') || coalesce(', open since ' || "
        "pg_catalog.date_trunc('second', a.xact_start)::text, '') || ')' FROM "
        "pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = "
        "'virtualxid' AND l.granted AND a.datname = pg_catalog.current_database() AND l.pid <> "
        "pg_catalog.pg_backend_pid() AND NOT coalesce(a.state LIKE 'idle in transaction%' AND a.backend_xmin "
        "IS NULL, false)";
    const auto running = [&] {
      std::map<std::string, std::string> all;
      for (const auto& row : session_.Query(kRunning).rows) all.emplace(row[0].value(), row[1].value());
      return all;
    };
    std::map<std::string, std::string> older = running();
    const auto start = std::chrono::steady_clock::now();
    while (!older.empty() && !stop_.stop_requested()) {
      if (Elapsed(start) > kPatience) {
        throw DatabaseError(
            Kind::kLockTimeout, "",
            "a transaction that is open still may read what is to be dropped: " + older.begin()->second);
      }
      hooks_.sleep(kLookAgain);
      const std::map<std::string, std::string> now = running();
      std::erase_if(older, [&](const auto& one) { return !now.contains(one.first); });
    }
  }

  void Once(const Transaction& transaction, StepOutcome* outcome) {
    if (transaction.after_others) AwaitOthers();
    Open open(session_, policy_);
    Fence();
    session_.Query(Timeout("statement_timeout", policy_.locks.statement_timeout));
    const auto start = std::chrono::steady_clock::now();
    for (const std::string& statement : transaction.work) session_.Query(statement);
    if (transaction.swift.empty()) {
      open.Commit();
    } else {
      // To give up would lose the work as well.
      Climb(transaction, 2 * Elapsed(start), outcome);
      open.Committed();
    }
  }

  // That the term still holds is proven a moment before; what it did is seen in
  // the catalog.
  void Alone(const Transaction& transaction, StepOutcome* outcome) {
    {
      Open open(session_, policy_);
      Fence();
      open.Commit();
    }
    if (hooks_.elsewhere) {
      hooks_.elsewhere(transaction.work.front());
      outcome->result = "started";
    } else {
      RunAlone(session_, policy_, transaction.work.front());
    }
  }

  // Takes the locks, does what is done under them and commits, or gives up, but
  // not before `least`.
  void Climb(const Transaction& transaction, milliseconds least, StepOutcome* outcome) {
    const auto begun = std::chrono::steady_clock::now();
    std::vector<milliseconds> rungs(std::begin(kRungs), std::end(kRungs));
    if (transaction.urgent) rungs.insert(rungs.end(), std::begin(kUrgentRungs), std::end(kUrgentRungs));
    // Short of the message's own limit, or it would end as a statement that is
    // too slow, and name no lock.
    for (milliseconds& rung : rungs) rung = std::min(rung, policy_.locks.timeout * 3 / 4);
    const std::size_t last = rungs.size() - 1;
    const milliseconds patience =
        transaction.can_wait ? policy_.locks.timeout : std::min(kPatience, 5 * policy_.locks.timeout);
    for (std::size_t rung = 0;; ++rung) {
      session_.Query("SAVEPOINT ladder");
      const auto start = std::chrono::steady_clock::now();
      // A queue for several locks is likely to be a deadlock that stalls others
      // until the rung ends: only the longest rungs are worth that, once.
      const bool may_queue = transaction.at_once.size() < 2 || (rung >= std::size(kRungs) && rung <= last);
      try {
        session_.Query(Timeout("lock_timeout", std::min(kGentleWait, policy_.locks.timeout)) +
                       Joined(transaction.gentle));
        AwaitGap(transaction, patience / (rung == 0 ? 1 : 10));
        // In one message, COMMIT included: no round trip happens while others
        // wait, and a process that is stopped in between holds no strong lock.
        session_.Query(Timeout("statement_timeout", policy_.locks.timeout) + "; " +
                       AtOnce(transaction.at_once, std::min(kSearch, policy_.locks.timeout / 8), may_queue) +
                       Joined(transaction.swift, RestOf(rungs[std::min(rung, last)])) + "; COMMIT");
        outcome->lock_wait += std::chrono::steady_clock::now() - start;
        return;
      } catch (const DatabaseError& e) {
        outcome->lock_wait += std::chrono::steady_clock::now() - start;
        const bool again =
            e.kind() == Kind::kLockTimeout || (e.kind() == Kind::kCancelled && !stop_.stop_requested());
        const bool spent = transaction.can_wait && Elapsed(begun) >= patience;
        if (!again || spent || stop_.stop_requested() || (rung >= last && Elapsed(begun) >= least)) throw;
      }
      session_.Query("ROLLBACK TO SAVEPOINT ladder");
      Pause();
    }
  }

  // A strong lock is free a moment after the last of the long transactions on
  // its tables ends, and not before: to queue for it earlier only makes others
  // queue, and to ask blindly misses the moment.  pg_locks shows a transaction
  // of any user; that it was there before shows that it is long.
  void AwaitGap(const Transaction& transaction, milliseconds patience) {
    if (transaction.contended.empty()) return;
    const std::string holders =
        "SELECT DISTINCT virtualtransaction FROM pg_catalog.pg_locks WHERE granted AND locktype = 'relation' "
        "AND "
        "database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) "
        "AND "
        "relation IN (" +
        List(transaction.contended) + ") AND pid <> pg_catalog.pg_backend_pid()";
    std::map<std::string, std::chrono::steady_clock::time_point> first_seen;
    const auto start = std::chrono::steady_clock::now();
    while (!stop_.stop_requested() && Elapsed(start) < patience) {
      const auto asked = std::chrono::steady_clock::now();
      const Result found = session_.Query(holders);
      if (found.rows.empty()) return;
      bool brief = asked - start >= kBrief;
      for (const auto& row : found.rows) {
        const auto seen = first_seen.try_emplace(row[0].value(), asked).first->second;
        if (asked - seen >= kBrief) brief = false;
      }
      if (brief) return;
      hooks_.sleep(kLookAgain);
    }
  }

  // Long enough for the queue behind us to drain, short enough for the idle
  // timeout; random, so that two who collide do not collide again.
  void Pause() {
    const auto most = std::min<milliseconds>(milliseconds(400), policy_.locks.timeout / 2);
    std::uniform_int_distribution<std::int64_t> spread(most.count() / 4, most.count());
    hooks_.sleep(milliseconds(spread(random_)));
  }

  void WhileMore(const Transaction& transaction, StepOutcome* outcome, std::size_t done, std::size_t total) {
    const auto begun = std::chrono::steady_clock::now();
    for (int lost = 0;;) {
      if (stop_.stop_requested()) {
        outcome->result = "cancelled";
        outcome->message = kInterrupted;
        return;
      }
      if (Elapsed(begun) > kTurn) {
        outcome->more = true;
        return;
      }
      const auto start = std::chrono::steady_clock::now();
      Result last;
      try {
        Open open(session_, policy_, transaction.one_snapshot);
        Fence();
        session_.Query(Timeout("statement_timeout", policy_.locks.statement_timeout));
        for (const std::string& statement : transaction.work) last = session_.Query(statement);
        open.Commit();
        lost = 0;
      } catch (const DatabaseError& e) {
        // Somebody changed what it read, or wrote what it did not see; it starts from
        // what is there now.
        const bool overtaken =
            e.kind() == Kind::kSerialization || e.sqlstate() == "23505" || e.sqlstate() == "40P01";
        if (!overtaken || ++lost == kMostLost) throw;
        Pause();
        continue;
      }
      outcome->rows += std::stoll(last.rows.at(0).at(1).value_or("0"));
      if (last.rows[0][0] != "t") return;
      if (hooks_.on_step) hooks_.on_step(*outcome, done, total);
      hooks_.sleep(std::max(kLeastRest, Elapsed(start)));
    }
  }

  // False if it was stopped in between.
  bool Batches(const Transaction& transaction, StepOutcome* outcome, std::size_t done, std::size_t total) {
    std::int64_t pages = 0;
    if (transaction.repeat == Transaction::Repeat::kOverPages) {
      Open open(session_, policy_);
      const Result size =
          session_.Query("SELECT pg_catalog.pg_relation_size(" + QuoteLiteral(transaction.pages_of) +
                         "::regclass) / pg_catalog.current_setting('block_size')::bigint");
      pages = std::stoll(size.rows.at(0).at(0).value_or("0"));
      open.Commit();
    }
    for (std::int64_t page = 0; !stop_.stop_requested(); page += kPagesPerBatch) {
      const bool over_pages = transaction.repeat == Transaction::Repeat::kOverPages;
      if (over_pages && page >= pages) return true;
      const auto start = std::chrono::steady_clock::now();
      Open open(session_, policy_);
      Fence();
      session_.Query(Timeout("statement_timeout", policy_.locks.statement_timeout));
      std::int64_t rows = 0;
      for (std::size_t i = 0; i < transaction.work.size(); ++i) {
        const bool last = i + 1 == transaction.work.size();
        std::vector<std::optional<std::string>> parameters;
        if (last && over_pages) parameters = {std::to_string(page), std::to_string(page + kPagesPerBatch)};
        rows = session_.Query(transaction.work[i], parameters).affected;
      }
      open.Commit();
      outcome->rows += rows;
      if (!over_pages && rows == 0) return true;
      if (hooks_.on_step) hooks_.on_step(*outcome, done, total);
      if (rows > 0) hooks_.sleep(std::max(kLeastRest, Elapsed(start)));
    }
    return false;
  }

  Session& session_;
  const Policy& policy_;
  const Server& server_;
  Table table_;  // the model, kept in step with the database
  std::stop_token stop_;
  const ExecutorHooks& hooks_;
  std::int64_t term_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace

Failure FailureOf(const DatabaseError& error, const Policy& policy) {
  const Lookup found = Look(error.kind());
  std::string message = error.what();
  if (error.kind() == Kind::kCancelled) {
    message += " (locks.statementTimeout is " + ToString(policy.locks.statement_timeout) + ")";
  }
  return {found.reason, message, found.person};
}

void RunAlone(Session& session, const Policy& policy, const std::string& statement) {
  std::vector<std::string> names;
  if (session.KeepsSettings()) {
    for (const char* setting :
         {"statement_timeout = 0", "lock_timeout = 0", "default_transaction_read_only = off"}) {
      session.Query(std::string("SET ") + setting);
      names.emplace_back(setting, std::string_view(setting).find(' '));
    }
    if (!policy.connection.role.empty()) {
      session.Query("SET ROLE " + QuoteName(policy.connection.role));
      names.emplace_back("ROLE");
    }
  }
  const auto restore = [&] {
    for (const std::string& name : names) session.Query("RESET " + name);
  };
  try {
    session.Query(statement);
  } catch (const DatabaseError& e) {
    if (e.kind() != Kind::kUnreachable) restore();
    throw;
  }
  restore();
}

void Migrate(Session& session, const Policy& policy) {
  Open open(session, policy);
  session.Query(Timeout("lock_timeout", policy.locks.timeout));
  // Two that start at once would both create: the second waits, then finds all
  // there.  The number only has to be ours alone.
  session.Query("SELECT pg_catalog.pg_advisory_xact_lock(5787213827046133841)");
  for (const std::string& statement : MigrationSql(BookkeepingVersion(session))) session.Query(statement);
  open.Commit();
}

void Release(Session& session, const Policy& policy) {
  Open open(session, policy);
  session.Query(Timeout("lock_timeout", policy.locks.timeout));
  // A newer schema is not ours to change.
  const int version = BookkeepingVersion(session);
  if (version > 0 && version <= kBookkeepingVersion) session.Query(ReleaseSql(policy, version));
  open.Commit();
}

bool TakeOver(Session& session, const Policy& policy, const Catalog& catalog, const std::string& holder) {
  const ExecutorHooks none;
  return Runner(session, policy, catalog, {}, none).TakeOver(holder, false, false, std::nullopt);
}

bool RecordAgreed(Session& session, const Policy& policy, const Catalog& catalog, const Plan& plan,
                  const std::string& holder) {
  const ExecutorHooks none;
  return Runner(session, policy, catalog, {}, none)
      .TakeOver(holder, plan.accepts_identity, plan.consented, plan.agrees);
}

RunOutcome ExecutePlan(Session& session, const Policy& policy, const Catalog& catalog, const Plan& plan,
                       const std::string& holder, const std::stop_token& stop, const ExecutorHooks& hooks) {
  RunOutcome run;
  if (plan.steps.empty() || !catalog.table) return run;
  Runner runner(session, policy, catalog, stop, hooks);
  const Step* current = nullptr;
  try {
    if (!runner.TakeOver(holder, plan.accepts_identity, plan.consented, plan.agrees)) {
      run.stood_back = true;
      return run;
    }
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      if (stop.stop_requested()) {
        run.stopped = true;
        return run;
      }
      current = &plan.steps[i];
      if (hooks.on_begin) hooks.on_begin(current->action, i, plan.steps.size());
      run.steps.push_back({current->action, "success", 0, {}, ""});
      run.steps.back().reason = current->reason;
      try {
        runner.Run(&run.steps.back(), i, plan.steps.size());
      } catch (const DatabaseError& e) {
        // A rollup that cannot be refreshed keeps nothing else waiting.
        if (!Routine(current->action) || stop.stop_requested() || e.kind() == Kind::kUnreachable ||
            e.kind() == Kind::kFenced) {
          throw;
        }
        run.failure = FailureOf(e, policy);
        run.failure->message = Describe(current->action, *catalog.table) + ": " + run.failure->message;
        run.steps.back().result = Look(e.kind()).label;
        run.steps.back().message = run.failure->message;
        if (hooks.on_step) hooks.on_step(run.steps.back(), i + 1, plan.steps.size());
        continue;
      }
      if (hooks.on_step) hooks.on_step(run.steps.back(), i + 1, plan.steps.size());
      if (run.steps.back().result == "success") continue;
      run.elsewhere = run.steps.back().result == "started";
      run.stopped = !run.elsewhere;
      return run;
    }
    return run;
  } catch (const DatabaseError& e) {
    if (stop.stop_requested()) {
      run.stopped = true;
      if (current != nullptr) {
        run.steps.back().result = "cancelled";
        run.steps.back().message = run.steps.back().rows > 0 ? kInterrupted : "interrupted, and undone";
        if (hooks.on_step) hooks.on_step(run.steps.back(), run.steps.size(), plan.steps.size());
      }
      return run;
    }
    if (e.kind() == Kind::kFenced) run.stood_back = true;
    Failure failure = FailureOf(e, policy);
    try {
      if (current != nullptr) {
        if (e.kind() == Kind::kLockTimeout || e.kind() == Kind::kCancelled) {
          const std::string blockers = runner.Blockers(current->action);
          if (!blockers.empty()) failure.message += "; " + blockers;
        }
        if (e.sqlstate() == kNotEmptyState) runner.Remeasure(current->action);
        failure.message = Describe(current->action, *catalog.table) + ": " + failure.message;
      }
    } catch (const DatabaseError&) {
      // The first error says more than what went wrong on the way to explain it.
    }
    if (current != nullptr) {
      run.steps.back().result = Look(e.kind()).label;
      run.steps.back().message = failure.message;
      if (hooks.on_step) hooks.on_step(run.steps.back(), run.steps.size(), plan.steps.size());
    } else if (e.kind() == Kind::kLockTimeout) {
      // The table's row is locked: the other controller is in a transaction.
      run.stood_back = true;
    }
    if (!run.stood_back) run.failure = std::move(failure);
    return run;
  }
}

}  // namespace partition_controller
