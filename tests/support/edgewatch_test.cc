#include "tests/support/edgewatch.h"

#include <gtest/gtest.h>

#include <pqxx/pqxx>
#include <string>

#include "tests/support/postgres_server.h"

namespace partition_controller {
namespace {

std::string Query(const std::string& uri, const std::string& sql) {
  pqxx::connection connection(uri);
  pqxx::work transaction(connection);
  return transaction.exec1(sql)[0].as<std::string>();
}

const EdgeWatchFleet kFleet = {.devices = 7,
                               .points = 1003,
                               .since = "2026-01-15 00:00+00",
                               .until = "2026-04-15 00:00+00",
                               .series = 0,
                               .received = ""};

class EdgeWatchOnEachVersion : public testing::TestWithParam<int> {
 protected:
  std::string uri_ = PostgresServer::Shared(GetParam()).CreateDatabase("edgewatch");
};

TEST_P(EdgeWatchOnEachVersion, AsItsMigrationLeftIt) {
  CreateEdgeWatchTables(uri_, TelemetryTable::kPartitioned);
  CreateEdgeWatchPartitions(uri_, "2026-01-31", "2026-03-01");
  GenerateEdgeWatchData(uri_, kFleet);
  EXPECT_EQ(Query(uri_,
                  "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relispartition "
                  "AND relkind = 'r'"),
            "telemetry_points_default telemetry_points_p202601 telemetry_points_p202602 "
            "telemetry_points_p202603");
  EXPECT_EQ(Query(uri_, "SELECT count(*) FROM telemetry_points"), "1003");
  EXPECT_EQ(Query(uri_, "SELECT min(ts) >= '2026-04-01 00:00+00' FROM telemetry_points_default"), "t");
  EXPECT_EQ(Query(uri_, "SELECT count(DISTINCT device_id) FROM telemetry_points"), "7");
}

TEST_P(EdgeWatchOnEachVersion, BeforeItsMigration) {
  CreateEdgeWatchTables(uri_, TelemetryTable::kPlain);
  GenerateEdgeWatchData(uri_, kFleet);
  EdgeWatchFleet late = kFleet;
  late.points = 9;
  late.series = 1;
  late.received = "2026-05-01 00:00+00";
  GenerateEdgeWatchData(uri_, late);
  EXPECT_EQ(Query(uri_, "SELECT count(*) FROM telemetry_points"), "1012");
  EXPECT_EQ(Query(uri_,
                  "SELECT count(*) FROM telemetry_points JOIN telemetry_ingest_dedupe USING (device_id, "
                  "message_id) WHERE ts = point_ts"),
            "1012");
  EXPECT_EQ(Query(uri_, "SELECT count(*) FROM telemetry_points WHERE created_at = '2026-05-01 00:00+00'"),
            "9");
  EXPECT_EQ(
      Query(uri_, "SELECT max(n) FROM (SELECT count(*) AS n FROM telemetry_points GROUP BY batch_id) b"),
      "50");
}

INSTANTIATE_TEST_SUITE_P(Postgres, EdgeWatchOnEachVersion,
                         testing::ValuesIn(PostgresServer::AvailableMajors()),
                         testing::PrintToStringParamName());

TEST(EdgeWatch, TheSameArgumentsMakeTheSameRows) {
  PostgresServer& server = PostgresServer::Shared();
  std::string digests[2];
  for (std::string& digest : digests) {
    const std::string uri = server.CreateDatabase("edgewatch");
    CreateEdgeWatchTables(uri, TelemetryTable::kPlain);
    GenerateEdgeWatchData(uri, kFleet);
    digest = Query(uri, "SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM telemetry_points t");
  }
  EXPECT_EQ(digests[0], digests[1]);
}

}  // namespace
}  // namespace partition_controller
