#include "tests/support/edgewatch.h"

#include <fstream>
#include <pqxx/pqxx>
#include <sstream>
#include <stdexcept>

namespace partition_controller {

namespace {

std::string ReadSql(const std::string& name) {
  const std::string path = std::string(PC_TEST_SQL_DIR) + "/" + name;
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const char* NullIfEmpty(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

}  // namespace

void CreateEdgeWatchTables(const std::string& uri, TelemetryTable table) {
  pqxx::connection connection(uri);
  pqxx::work transaction(connection);
  transaction.exec(ReadSql("edgewatch_schema.sql"));
  const bool plain = table == TelemetryTable::kPlain;
  transaction.exec(ReadSql(plain ? "edgewatch_plain.sql" : "edgewatch_partitioned.sql"));
  transaction.commit();
}

void CreateEdgeWatchPartitions(const std::string& uri, const std::string& since, const std::string& until) {
  pqxx::connection connection(uri);
  pqxx::work transaction(connection);
  transaction.exec(ReadSql("edgewatch_functions.sql"));
  transaction.exec_params("SELECT pg_temp.edgewatch_create_partitions($1::timestamptz, $2::timestamptz)",
                          since, until);
  transaction.commit();
}

void MigrateEdgeWatch(const std::string& uri, bool lock_first) {
  pqxx::connection connection(uri);
  pqxx::work transaction(connection);
  transaction.exec(ReadSql("edgewatch_functions.sql"));
  if (lock_first)
    transaction.exec("LOCK TABLE devices, ingestion_batches, telemetry_points IN ACCESS EXCLUSIVE MODE");
  transaction.exec("ALTER TABLE telemetry_points RENAME TO telemetry_points_legacy");
  for (const char* index :
       {"ix_telemetry_device_ts", "ix_telemetry_points_batch_id", "ix_telemetry_points_ts"})
    transaction.exec(std::string("ALTER INDEX ") + index + " RENAME TO " + index + "_legacy");
  transaction.exec(ReadSql("edgewatch_partitioned.sql"));
  transaction.exec(
      "SELECT pg_temp.edgewatch_create_partitions(min(ts), max(ts)) FROM telemetry_points_legacy");
  transaction.exec("INSERT INTO telemetry_points SELECT * FROM telemetry_points_legacy");
  transaction.exec("DROP TABLE telemetry_points_legacy");
  transaction.commit();
}

void GenerateEdgeWatchData(const std::string& uri, const EdgeWatchFleet& fleet) {
  pqxx::connection connection(uri);
  pqxx::work transaction(connection);
  transaction.exec(ReadSql("edgewatch_functions.sql"));
  transaction.exec_params(
      "SELECT pg_temp.edgewatch_generate($1::int, $2::bigint, $3::timestamptz, $4::timestamptz, $5::int, "
      "$6::timestamptz)",
      fleet.devices, fleet.points, fleet.since, fleet.until, fleet.series, NullIfEmpty(fleet.received));
  transaction.commit();
}

}  // namespace partition_controller
