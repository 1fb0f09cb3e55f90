#include "controller/connection_record.h"

#include <gtest/gtest.h>

namespace partition_controller {
namespace {

ConnectionSpec Secret(const std::string& name_space, const std::string& name, const std::string& role = "") {
  ConnectionSpec connection;
  connection.secret_ref = {name_space, name, "uri"};
  connection.role = role;
  return connection;
}

TEST(ConnectionRecord, IsReadAsItWasWritten) {
  const std::set<ConnectionSpec> connections = {Secret("b", "db"), Secret("a", "db", "Röle \"x\""),
                                                Secret("a", "db")};
  const std::string record = ToRecord(connections);
  EXPECT_EQ(record, R"([{"key":"uri","name":"db","namespace":"a"},)"
                    R"({"key":"uri","name":"db","namespace":"a","role":"Röle \"x\""},)"
                    R"({"key":"uri","name":"db","namespace":"b"}])");
  EXPECT_EQ(ReadRecord(record), connections);
  EXPECT_EQ(ToRecord({}), "[]");
}

TEST(ConnectionRecord, PassesOverWhatMakesNoSense) {
  for (const char* text : {"", "x", "{}", "[1, null, []]", "[", R"([{"name": "db"}])",
                           R"([{"key": 1, "name": "db", "namespace": "a"}])"}) {
    EXPECT_TRUE(ReadRecord(text).empty()) << text;
  }
  EXPECT_EQ(ReadRecord(R"([{"of": "later"}, {"key": "uri", "name": "db", "namespace": "a", "more": 1}])"),
            std::set{Secret("a", "db")});
}

// The Lease could not be renewed otherwise.
TEST(ConnectionRecord, FitsIntoAnAnnotation) {
  std::set<ConnectionSpec> connections;
  for (int i = 0; i < 1'000; ++i) {
    connections.insert(Secret(std::string(63, 'n'), std::string(249, 's') + std::to_string(i)));
  }
  const std::string record = ToRecord(connections);
  EXPECT_LT(record.size(), 200U * 1024);
  EXPECT_GT(ReadRecord(record).size(), 300U);
}

}  // namespace
}  // namespace partition_controller
