// EdgeWatch's schema and data in a test's database.  The SQL is in
// tests/support/sql/, where scripts/demo finds it as well.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_EDGEWATCH_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_EDGEWATCH_H_

#include <cstdint>
#include <string>

namespace partition_controller {

// What became of telemetry_points.
enum class TelemetryTable {
  kPlain,        // before EdgeWatch's own migration: primary key (id), unique (device_id, message_id)
  kPartitioned,  // after it: primary key (id, ts), partitioned by ts, a default partition and no other yet
};

// Creates EdgeWatch's tables, all empty.
void CreateEdgeWatchTables(const std::string& uri, TelemetryTable table);

// Creates the monthly partitions telemetry_points_pYYYYMM (UTC) from the month
// of `since` to the month of `until`, both included.  Times as PostgreSQL reads
// them: "2026-01-31", "2026-01-31 12:00:00+00".
void CreateEdgeWatchPartitions(const std::string& uri, const std::string& since, const std::string& until);

// EdgeWatch's own migration of telemetry_points, from plain to partitioned: in
// one transaction it is renamed, its rows are copied, and it is dropped.  Under
// ingest that tends to deadlock, for it locks the tables that the foreign keys
// point to last and the writers lock them first; `lock_first` mends that.
void MigrateEdgeWatch(const std::string& uri, bool lock_first);

struct EdgeWatchFleet {
  int devices = 5;
  std::int64_t points = 1000;  // evenly over the time, in batches of up to 50, with their dedupe rows
  std::string since;
  std::string until;
  int series = 0;        // message ids differ between series
  std::string received;  // when the points arrived; empty: a few seconds after they were measured
};

// Adds the fleet's telemetry, the same rows every time.
void GenerateEdgeWatchData(const std::string& uri, const EdgeWatchFleet& fleet);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_EDGEWATCH_H_
