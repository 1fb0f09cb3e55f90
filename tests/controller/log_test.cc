#include "controller/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

namespace partition_controller {
namespace {

TEST(LogTest, ALineIsOneJsonObjectInAFixedOrder) {
  EXPECT_EQ(LogLine(Severity::kWarning, "Could not reach database",
                    {{"policy", "points"}, {"attempt", 3}, {"retry_in_seconds", 1.5}, {"ready", false}},
                    1'793'966'400'007),
            "{\"time\":\"2026-11-06T12:00:00.007Z\",\"severity\":\"WARNING\","
            "\"message\":\"Could not reach database\",\"policy\":\"points\",\"attempt\":3,"
            "\"retry_in_seconds\":1.5,\"ready\":false}\n");
}

TEST(LogTest, TextNeverBreaksTheLine) {
  const std::string line = LogLine(Severity::kError, "m", {{"error", "a\"b\\c\nd\x01"}}, 0);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_EQ(nlohmann::json::parse(line)["error"], "a\"b\\c\nd\x01");
}

TEST(LogTest, BytesThatAreNotUtf8AreReplaced) {
  const std::string line = LogLine(Severity::kInfo, "m", {{"error", std::string("caf\xe9!")}}, 0);
  EXPECT_EQ(nlohmann::json::parse(line)["error"], "caf\uFFFD!");
}

TEST(LogTest, TimesBeforeTheEpochAndFarAheadAreFormatted) {
  EXPECT_EQ(LogLine(Severity::kInfo, "m", {}, -1).substr(0, 34), "{\"time\":\"1969-12-31T23:59:59.999Z\"");
}

TEST(LogTest, WritesToStandardErrorAboveTheThreshold) {
  testing::internal::CaptureStderr();
  SetLogThreshold(Severity::kWarning);
  Log(Severity::kInfo, "not shown");
  Log(Severity::kWarning, "shown", {{"n", std::size_t{7}}});
  SetLogThreshold(Severity::kInfo);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("not shown"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(text)["n"], 7);
}

TEST(LogTest, LinesOfSeveralThreadsDoNotMix) {
  testing::internal::CaptureStderr();
  {
    constexpr int kThreads = 4;
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([] {
        for (int n = 0; n < 100; ++n) Log(Severity::kInfo, "m", {{"text", std::string(500, 'x')}});
      });
    }
  }
  std::istringstream text(testing::internal::GetCapturedStderr());
  int lines = 0;
  for (std::string line; std::getline(text, line); ++lines) EXPECT_TRUE(nlohmann::json::accept(line));
  EXPECT_EQ(lines, 400);
}

}  // namespace
}  // namespace partition_controller
