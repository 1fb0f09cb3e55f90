#include "tests/support/page_sample.h"

#include <algorithm>

#include "reconcilers/calendar.h"

namespace partition_controller {

void AddPartition(const std::string& name, const Range& range, std::int64_t bytes, Catalog* catalog) {
  Table& table = *catalog->table;
  Partition partition;
  partition.oid = static_cast<Oid>(20'000 + table.partitions.size());
  partition.schema = table.schema;
  partition.name = name;
  partition.range = range;
  partition.created_by_us = true;
  partition.bytes = bytes;
  partition.rows = bytes > 0 ? static_cast<double>(bytes) / 400 : -1;
  table.partitions.push_back(partition);
}

PageSample MonthlySample(const std::string& name, int back, Instant now) {
  PageSample sample;
  Policy& policy = sample.policy;
  policy.name_space = "shop";
  policy.name = name;
  policy.table.name = name;
  policy.time_column = "created_at";
  policy.connection.env = "DATABASE_URL";
  policy.retention = Retention{.keep = {std::max(1, back), CalendarDuration::Unit::kMonth},
                               .action = Retention::Action::kDrop};
  Server& server = sample.catalog.server;
  server.time = now;
  server.version = 150013;
  server.database = 16384;
  server.database_name = "shop";
  server.system_identifier = "7301234567890123456";
  server.user = "shop";
  server.bookkeeping_version = kBookkeepingVersion;
  Table& table = sample.catalog.table.emplace();
  table.oid = 16400;
  table.schema = policy.table.schema;
  table.name = name;
  table.owner = "shop";
  table.key_column_type = "timestamp with time zone";
  table.partition_key = "RANGE (created_at)";
  table.has_time_index = true;
  table.columns = {"id", "created_at"};
  table.attributes = {{"shop", false, 'd', 0, "", {}, "", false}};
  table.ownership = Ownership{table.oid,
                              policy.name_space,
                              policy.name,
                              table.owner,
                              16384,
                              server.system_identifier,
                              1,
                              now,
                              AgreedRetention{ToString(policy.retention->keep), "Drop", {}}};
  table.default_partition.emplace().partition.name = name + "_default";
  table.default_partition->partition.schema = table.schema;
  table.default_partition->partition.oid = 16401;
  const Calendar calendar;
  Instant start = PeriodStart(now, calendar);
  for (int i = 0; i < back; ++i) start = PreviousPeriod(start, calendar);
  for (int i = -back; i <= policy.partitioning.premake; ++i) {
    const Instant end = NextPeriod(start, calendar);
    const std::int64_t bytes = i > 0 ? 0 : (300'000'000 + 9'000'000 * ((i + 100) % 7)) / (i == 0 ? 2 : 1);
    AddPartition(name + "_p" + std::to_string(1000 + i + back), Range::Between(start, end), bytes,
                 &sample.catalog);
    start = end;
  }
  return sample;
}

std::shared_ptr<const PolicyState> StateOf(const PageSample& sample, Instant now) {
  const auto& [policy, catalog, failure] = sample;
  const Plan plan = MakePlan(policy, catalog, {now, false});
  auto state = std::make_shared<PolicyState>();
  state->table = policy.table.schema + "." + policy.table.name;
  state->tried = true;
  Observe(policy, catalog, plan, state.get());
  state->conditions = ConditionsOf(policy, catalog, plan, failure);
  state->view = std::make_shared<const TableView>(ViewOf(policy, catalog, plan));
  state->failures = failure ? 3 : 0;
  state->last_run = now - std::chrono::seconds(12);
  state->next_run = now + std::chrono::seconds(48);
  return state;
}

}  // namespace partition_controller
