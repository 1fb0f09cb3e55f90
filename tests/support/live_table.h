// One policy against a real database, the way `apply` goes about it.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_LIVE_TABLE_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_LIVE_TABLE_H_

#include <functional>
#include <memory>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "controller/converge.h"
#include "controller/session.h"

namespace partition_controller {

// A superuser's window into a database: statements run at once, each in a
// transaction of its own unless they say otherwise.
class LiveDatabase {
 public:
  explicit LiveDatabase(std::string uri);

  const std::string& uri() const { return uri_; }
  pqxx::result Sql(const std::string& sql);
  // The first field of the first row; empty for NULL or no row.
  std::string Value(const std::string& sql);
  std::int64_t Number(const std::string& sql) { return std::stoll(Value(sql)); }
  std::vector<std::string> Column(const std::string& sql);

  // Changes when anything does that the controller might change: relations,
  // their columns, constraints, triggers, owners, privileges, statistics'
  // existence, bookkeeping rows; not the rows of user tables.
  std::string Fingerprint();
  // The partitions of a table: "name bounds", in the order of their names.
  std::vector<std::string> Partitions(const std::string& quoted_table);
  // Makes --now count for removals as well (partition_controller.settings);
  // creates the bookkeeping schema as the controller would.
  void MarkAsTest();

 private:
  std::string uri_;
  pqxx::connection connection_;
};

// Functions of ours: all are for a while only, or for a rollup.
inline constexpr const char* kPassingFunctions =
    "SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace('partition_controller') ORDER BY 1";

// Monthly, two ahead, default kept, no retention.
Policy PolicyFor(const std::string& table, const std::string& column = "ts");
Retention Keep(const std::string& duration, Retention::Action action = Retention::Action::kDrop,
               const std::string& undo_window = "0h");

inline Instant At(const char* text) { return ParseInstant(text).value(); }

// How a test looks and acts.
struct Approach {
  std::optional<Instant> preview;  // --now
  std::vector<std::string> acknowledged;
  std::string holder = "test";
  std::stop_token stop;
  std::function<void(const StepOutcome&)> on_step;  // after each step and batch
  // Whether somebody reads the plan first, and consents to a removal that needs
  // it, by its hash; to another table or database never.
  bool consents = true;
};

// The plan after somebody has consented to it by its hash, where it asks for that.
Plan ConsentedPlan(const Policy& policy, const Catalog& catalog, const Now& now);

Situation See(Session& session, const Policy& policy, const Approach& approach = {});
// Until nothing is due, or something is in the way, also with the tables of
// rollups; the policy's own result, but where only one of those has trouble.
Convergence ConvergeOn(Session& session, const Policy& policy, const Approach& approach = {});

// A connection of its own each time.
Situation See(const std::string& uri, const Policy& policy, const Approach& approach = {});
Convergence ConvergeOn(const std::string& uri, const Policy& policy, const Approach& approach = {});

// "Code" of each refusal, and of the one with that code, if any.
std::vector<std::string> Codes(const Plan& plan);
const Refusal* FindRefusal(const Plan& plan, const std::string& code);

// Empty if it went well and nothing is due; what is wrong otherwise.
std::string TroubleWith(const Convergence& result);

// Whether `happened` becomes true, asked again and again.
bool Eventually(const std::function<bool()>& happened,
                std::chrono::seconds patience = std::chrono::seconds(60));

// What a test that needs a server says when there is none: empty, if there is.
// A version that was asked for by number is optional, the default one is not.
std::string MissingServer();
bool AskedByNumber();

}  // namespace partition_controller

// In SetUp().
#define PC_REQUIRE_POSTGRES()                                                                 \
  do {                                                                                        \
    const std::string missing = ::partition_controller::MissingServer();                      \
    if (!missing.empty() && ::partition_controller::AskedByNumber()) GTEST_SKIP() << missing; \
    ASSERT_EQ(missing, "");                                                                   \
  } while (false)

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_LIVE_TABLE_H_
