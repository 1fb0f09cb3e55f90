#include "reconcilers/catalog_json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace partition_controller {
namespace {

using std::chrono::microseconds;
using std::chrono::sys_days;
using namespace std::chrono_literals;

// Every member with a value that is not the usual one.
Catalog Unusual() {
  const Instant june = sys_days(2026y / 6 / 1);
  const Instant july = sys_days(2026y / 7 / 1);
  Catalog catalog;
  catalog.server = {.time = june + microseconds(1),
                    .version = 150013,
                    .in_recovery = true,
                    .database = 4'294'967'295U,
                    .database_name = "data\nbase",
                    .system_identifier = "7301234567890123456",
                    .user = "u",
                    .bookkeeping_version = 1,
                    .bookkeeping_usable = false,
                    .test_database = true};
  Table& table = catalog.table.emplace();
  table.oid = 1;
  table.schema = "s";
  table.name = "t";
  table.kind = Table::Kind::kPlain;
  table.owner = "o";
  table.owner_is_us = false;
  table.may_create = false;
  table.owner_may_create = false;
  table.key_column_type = "date";
  table.key_not_null = false;
  table.partitioned_by_key = false;
  table.partition_key = "RANGE (d)";
  table.has_time_index = true;
  table.columns = {"a", "b"};
  table.overriding = true;
  table.foreign_keys = {"FOREIGN KEY (a) REFERENCES r(a)"};
  table.references = {"\"s\".\"r\""};
  table.referenced_by = {"ALTER TABLE x DROP CONSTRAINT y"};
  table.delete_triggers = {"audit"};
  table.published_by = {"DROP PUBLICATION every;"};
  table.attributes = {{"o", true, 'i', 7, "{o=r/o}", {"fillfactor=70"}, "fast"}, {}};
  Partition partition;
  partition.oid = 2;
  partition.schema = "elsewhere";
  partition.name = "t_p202606";
  partition.range = Range::Between(june, july);
  partition.bounds = "FOR VALUES FROM ('2026-06-01') TO ('2026-07-01')";
  partition.kind = Partition::Kind::kForeign;
  partition.detach_pending = true;
  partition.created_by_us = true;
  partition.bound_check = Partition::BoundCheck::kNotValid;
  partition.rows = 12.5;
  partition.bytes = 1LL << 40;
  partition.attributes = 1;
  partition.oldest_row = june;
  table.partitions = {partition, partition};
  table.partitions[1].schema = "s";
  table.partitions[1].range.reset();
  table.partitions[1].bounds = "FOR VALUES IN ('x')";
  DefaultPartition& fallback = table.default_partition.emplace();
  fallback.partition.schema = "s";
  fallback.partition.name = "t_default";
  fallback.partition.bounds = "DEFAULT";
  fallback.pages = 3;
  fallback.rows = 2;
  fallback.exact = false;
  fallback.cuts = {june};
  fallback.counts = {1, 1};
  Detached& detached = table.detached.emplace_back();
  detached.oid = 3;
  detached.schema = "s";
  detached.name = "t_p202605";
  detached.range = {Bound::MinValue(), Bound::At(june)};
  detached.detached_at = june;
  detached.drop_after = july;
  detached.exists = false;
  detached.attached = true;
  detached.has_bound_check = false;
  detached.created_by_us = true;
  detached.rows = 1;
  detached.bytes = 2;
  table.drain = {Drain::Mode::kPromote, {Bound::At(july), Bound::MaxValue()}, 4, "s", "t_p202607"};
  table.ownership = {1, "ns", "p", "o", 5, "7", 9, july, AgreedRetention{"90d", "Drop", {2, 3}}, 11};
  table.former = {6, "ns", "p", "o", 5, "7", 8, std::nullopt, std::nullopt};
  table.taken_names = {"t_p202608"};
  table.rows = 10;
  table.oldest_row = june;
  return catalog;
}

TEST(CatalogJson, SurvivesItself) {
  EXPECT_EQ(CatalogFromJson(CatalogToJson(Unusual())), Unusual());
  EXPECT_EQ(CatalogFromJson(CatalogToJson(Catalog{})), Catalog{});
}

TEST(CatalogJson, LeavesOutWhatIsUsual) {
  EXPECT_EQ(CatalogToJson(Catalog{}).dump(), "{}");
  Catalog catalog;
  Table& table = catalog.table.emplace();
  table.schema = "public";
  table.key_column_type = "timestamp with time zone";
  Partition& partition = table.partitions.emplace_back();
  partition.schema = "public";
  partition.name = "p";
  partition.range = {Bound::MinValue(), Bound::At(sys_days(2026y / 6 / 1))};
  partition.bounds = "FOR VALUES FROM (MINVALUE) TO ('2026-06-01 00:00:00+00')";
  EXPECT_EQ(CatalogToJson(catalog).at("table").at("partitions").dump(),
            "[{\"name\":\"p\",\"range\":\"[MINVALUE, 2026-06-01T00:00:00Z)\"}]");
  EXPECT_EQ(CatalogFromJson(CatalogToJson(catalog)), catalog);
}

std::string ErrorOf(const std::string& text) {
  try {
    CatalogFromJson(nlohmann::ordered_json::parse(text));
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

TEST(CatalogJson, NamesThePlaceOfAMistake) {
  EXPECT_EQ(ErrorOf("[]"), "the catalog: expected an object");
  EXPECT_EQ(ErrorOf(R"({"sever": {}})"), "sever: expected no such key");
  EXPECT_EQ(ErrorOf(R"({"server": {"time": "yesterday"}})"),
            "server.time: expected a time such as 2026-11-22T20:31:00Z");
  EXPECT_EQ(ErrorOf(R"({"server": {"database": -1}})"), "server.database: expected a number that fits");
  EXPECT_EQ(ErrorOf(R"({"server": {"version": 18446744073709551615}})"),
            "server.version: expected a number that fits");
  EXPECT_EQ(ErrorOf(R"({"server": {"version": "15"}})"), "server.version: expected an integer");
  EXPECT_EQ(ErrorOf(R"({"table": {"kind": "View"}})"),
            "table.kind: expected one of Plain, Partitioned, Other");
  EXPECT_EQ(ErrorOf(R"({"table": {"partitions": {}}})"), "table.partitions: expected a list");
  EXPECT_EQ(ErrorOf(R"({"table": {"partitions": [{}, {"range": "2026"}]}})"),
            "table.partitions[1].range: expected \"[2026-11-01T00:00:00Z, 2026-12-01T00:00:00Z)\", or "
            "MINVALUE and MAXVALUE");
  EXPECT_EQ(ErrorOf(R"({"table": {"partitions": [{"range": ", "}]}})").substr(0, 28),
            "table.partitions[0].range: e");
  EXPECT_EQ(ErrorOf(R"({"table": {"attributes": [{"replicaIdentity": ""}]}})"),
            "table.attributes[0].replicaIdentity: expected a letter");
}

std::vector<SavedCatalog> Saved() {
  return {{"shop", "events", {"public", "events"}, Unusual(), {{2, 1LL << 40}, {3, 7}}},
          {"shop", "gone", {"public", "gone"}, Catalog{}, {}}};
}

TEST(SavedCatalogs, SurviveAFile) {
  EXPECT_EQ(ReadSavedCatalogs(WriteSavedCatalogs(Saved()), "f"), Saved());
  EXPECT_EQ(ReadSavedCatalogs(WriteSavedCatalogs({}), "f"), std::vector<SavedCatalog>{});
}

std::string FileErrorOf(const std::string& text) {
  try {
    ReadSavedCatalogs(text, "f.json");
  } catch (const std::invalid_argument& error) {
    const std::string message = error.what();
    return message.substr(0, message.find('\n'));
  }
  return "no error";
}

std::string InFile(const std::string& catalogs) {
  return "{\n  \"kind\": \"PartitionControllerCatalog\",\n  \"version\": 1,\n  \"catalogs\": " + catalogs +
         "\n}\n";
}

TEST(SavedCatalogs, MistakesHaveALineAndAColumn) {
  EXPECT_EQ(FileErrorOf(""), "f.json:1:1: expected JSON");
  EXPECT_EQ(FileErrorOf("{\n  \"kind\": oops\n}"), "f.json:2:11: expected JSON");
  EXPECT_EQ(FileErrorOf("[]"), "f.json:1:1: the catalog: expected an object");
  EXPECT_EQ(FileErrorOf("{\"kind\": \"Pod\"}").substr(0, 54),
            "f.json:1:2: kind: expected \"kind\": \"PartitionControlle");
  EXPECT_EQ(FileErrorOf("{\"kind\": \"PartitionControllerCatalog\",\n \"version\": 2}").substr(0, 39),
            "f.json:2:2: version: expected version 1");
  EXPECT_EQ(FileErrorOf(InFile("{}")), "f.json:4:3: catalogs: expected a list");
  EXPECT_EQ(FileErrorOf(InFile("[\n    {}, 7]")), "f.json:5:9: catalogs[1]: expected an object");
  EXPECT_EQ(FileErrorOf(InFile("[{\n    \"sizes\": [{\"oid\": 1},\n    {\"oid\": -1}]}]")),
            "f.json:6:6: catalogs[0].sizes[1].oid: expected a number that fits");
  EXPECT_EQ(FileErrorOf(InFile("[{\"catalog\": {\"table\": {\"columns\": [\"a\\\"\", 12, \"b\"]}}}]")),
            "f.json:4:58: catalogs[0].catalog.table.columns[1]: expected a text");
  EXPECT_EQ(FileErrorOf(InFile("[{\"plicy\": \"x\"}]")),
            "f.json:4:17: catalogs[0].plicy: expected no such key");
}

}  // namespace
}  // namespace partition_controller
