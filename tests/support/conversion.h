// A plain table called "points" on its way to a partitioned one: what the
// integration tests of the conversion share.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_CONVERSION_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_CONVERSION_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/live_table.h"
#include "tests/support/postgres_server.h"

namespace partition_controller {

class ConversionTest : public testing::Test {
 protected:
  void SetUp() override;

  static PostgresServer& Server() { return PostgresServer::Shared(); }
  int major() const { return Server().major(); }

  // The first steps of the plan, as a run that is cut off does.  Returns what
  // was done; a failure is the test's.
  std::vector<std::string> Begin(std::size_t steps);
  // From no trace to the state before the swap: prepared, indexed and fenced.
  void BeginAll();
  // To the end, or the test fails.
  void Convert();
  // Puts `conversion: Never`, and expects that no trace is left.
  void ExpectNoTraceAfterNever();
  Plan See() { return partition_controller::See(db_->uri(), policy_, then_).plan; }

  // A role of this database's own, since roles belong to the whole cluster.
  std::string MakeRole(const std::string& name, const std::string& options = "LOGIN");
  std::string UriAs(const std::string& role) const { return Server().Uri(DatabaseName(db_->uri()), role); }

  // Everything that the application can see of the table and what depends on
  // it, line by line: the same before and after, but for keys that get the time
  // column.
  std::vector<std::string> Facts(const std::string& quoted_table = "points");

  std::unique_ptr<LiveDatabase> db_;
  Policy policy_;
  Approach then_;  // 2026-11-22
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_CONVERSION_H_
