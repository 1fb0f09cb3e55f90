#include "crd/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/crd/decoding.h"

namespace partition_controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// The minimal policy with other text for its connection, table or column.
std::string With(const std::string& key, const std::string& value) {
  const std::string text = Minimal();
  const std::size_t begin = text.find("  " + key + ":");
  const std::size_t end = text.find('\n', begin);
  return text.substr(0, begin) + "  " + key + ": " + value + text.substr(end);
}

TEST(Connection, NeedsExactlyOneSource) {
  EXPECT_THAT(Problems(With("connection", "{env: A}")), IsEmpty());
  EXPECT_THAT(Problems(With("connection", "{file: /run/secrets/uri}")), IsEmpty());
  EXPECT_THAT(Problems(With("connection", "{secretRef: {name: db}}")), IsEmpty());
  EXPECT_THAT(
      Problems(With("connection", "{}")),
      ElementsAre("spec.connection: connection needs one of secretRef, env or file: where the connection "
                  "string comes from"));
  EXPECT_THAT(Problems(With("connection", "{role: x}")), SizeIs(1));
  EXPECT_THAT(
      Problems(With("connection", "{env: A, file: /b}")),
      ElementsAre("spec.connection.file: connection has env already; it must have only one of secretRef, env "
                  "and file"));
  EXPECT_THAT(Problems(With("connection", "{env: A, file: /b, secretRef: {name: c}}")), SizeIs(2));
}

TEST(Connection, ChecksItsNames) {
  for (const char* good : {"A", "_", "a1", "DATABASE_URL"}) {
    EXPECT_THAT(Problems(With("connection", std::string("{env: '") + good + "'}")), IsEmpty()) << good;
  }
  for (const char* bad : {"", "1A", "A-B", "A B", "A=B", "\xC3\xA4"}) {
    EXPECT_THAT(Problems(With("connection", std::string("{env: '") + bad + "'}")), SizeIs(1)) << bad;
  }
  for (const char* bad : {"''", "a/b", "\"/a\\0b\""}) {
    EXPECT_THAT(Problems(With("connection", std::string("{file: ") + bad + "}")), SizeIs(1)) << bad;
  }
  EXPECT_THAT(Problems(With("connection", "{secretRef: {name: Bad_Name}}")), SizeIs(1));
  EXPECT_THAT(Problems(With("connection", "{secretRef: {name: a, key: 'b c'}}")), SizeIs(1));
  EXPECT_THAT(
      Problems(With("connection", "{secretRef: {key: uri}}")),
      ElementsAre("spec.connection.secretRef.name: spec.connection.secretRef.name is missing: the name of a "
                  "Secret in the policy's namespace"));
  EXPECT_THAT(Problems(With("connection", "{env: A, role: " + std::string(63, 'r') + "}")), IsEmpty());
  EXPECT_THAT(Problems(With("connection", "{env: A, role: " + std::string(64, 'r') + "}")), SizeIs(1));
  EXPECT_THAT(Problems(With("connection", "{env: A, role: ''}")), SizeIs(1));
}

// A secret in the wrong place gives an error, and is not in it.
TEST(Connection, NeverShowsASecret) {
  const std::string wrong[] = {
      "postgres://u:hunter2@db/x",
      "hunter2",
      "{uri: 'postgres://u:hunter2@db/x'}",
      "{url: hunter2}",
      "{password: hunter2, env: A}",
      "{dsn: hunter2, host: hunter2, user: hunter2}",
      "{env: 'postgres://u:hunter2@db/x'}",
      "{env: hunter2!}",
      "{file: hunter2}",
      "{secretRef: hunter2}",
      "{secretRef: {name: hunter2!}}",
      "{secretRef: {name: a, key: 'hunter2!'}}",
      "{secretRef: {name: a, uri: hunter2}}",
      "{env: A, role: [hunter2]}",
      "{env: A, pasword: hunter2}",
      "{env: A, 'postgres://u:hunter2@db/x': b}",
      "[hunter2]",
      "{uri: &hunter2 x}",
      "{uri: *hunter2 }",
      "{uri: !hunter2 x}",
      "{uri: hunter2",
      "\n    uri: hunter2: ]",
      "\n    uri: >\n      hunter2\n    env: 7",
  };
  for (const std::string& value : wrong) {
    const std::string text = With("connection", value);
    const Decoded decoded = Decode(text);
    EXPECT_THAT(decoded.problems, Not(IsEmpty())) << value;
    for (const Problem& problem : decoded.problems) {
      EXPECT_THAT(problem.message, Not(HasSubstr("hunter2")));
      EXPECT_THAT(problem.path, Not(HasSubstr("hunter2")));
      EXPECT_THAT(Render(problem, text), Not(HasSubstr("hunter2")));
    }
  }
  EXPECT_THAT(
      Problems(With("connection", "{uri: x, env: A}")),
      ElementsAre(StartsWith("spec.connection.uri: a connection string or password is never written")));
}

TEST(Table, TakesAnyNameThatPostgresqlTakes) {
  EXPECT_THAT(Problems(With("table", "{schema: 'a\"b', name: 'c;d'}")), IsEmpty());
  EXPECT_THAT(Problems(With("table", "{name: \"\\e\\n\"}")), IsEmpty());
  EXPECT_THAT(Problems(With("table", "{name: " + std::string(63, 'x') + "}")), IsEmpty());
  EXPECT_THAT(
      Problems(With("table", "{name: " + std::string(64, 'x') + "}")),
      ElementsAre("spec.table.name: name must be at most 63 bytes, as all names in PostgreSQL; it has 64"));
  std::string umlauts;
  for (int i = 0; i < 32; ++i) umlauts += "\xC3\xBC";
  EXPECT_THAT(Problems(With("table", "{name: " + umlauts + "}")), SizeIs(1));
  EXPECT_THAT(Problems(With("table", "{name: ''}")), SizeIs(1));
  EXPECT_THAT(Problems(With("table", "{name: \"a\\0b\"}")), SizeIs(1));
  EXPECT_THAT(Problems(With("table", "{name: }")),
              ElementsAre("spec.table.name: name is empty; it must be text"));
  EXPECT_THAT(Problems(With("table", "public.points")),
              ElementsAre("spec.table: table must hold keys and values (key: value)"));
  EXPECT_THAT(Problems(With("timeColumn", "[ts]")),
              ElementsAre("spec.timeColumn: timeColumn must be text, not a list"));
  EXPECT_THAT(Problems(With("timeColumn", "true")), SizeIs(1));
}

TEST(Table, RefusesSchemasOfOthers) {
  for (const char* schema :
       {"pg_catalog", "information_schema", "pg_toast", "pg_temp_3", "partition_controller"}) {
    EXPECT_THAT(Problems(With("table", std::string("{name: x, schema: ") + schema + "}")),
                ElementsAre(HasSubstr(schema)));
  }
  EXPECT_THAT(Problems(With("table", "{name: x, schema: pgdata}")), IsEmpty());
}

std::vector<std::string> ProblemsOf(const std::string& line) {
  return Problems(Minimal() + "  " + line + "\n");
}

TEST(Partitioning, SuggestsTimeZones) {
  EXPECT_THAT(ProblemsOf("partitioning: {timeZone: utc}"), ElementsAre(HasSubstr("did you mean 'UTC'?")));
  EXPECT_THAT(ProblemsOf("partitioning: {timeZone: europe/berlin}"),
              ElementsAre(HasSubstr("'europe/berlin' is not known here; did you mean 'Europe/Berlin'?")));
  // Near a well-known one, but not known on this machine.
  EXPECT_THAT(ProblemsOf("partitioning: {timeZone: asia/tokyo}"),
              ElementsAre(Not(HasSubstr("did you mean"))));
  EXPECT_THAT(ProblemsOf("partitioning: {timeZone: Mars/Olympus}"), SizeIs(1));
  EXPECT_THAT(ProblemsOf("partitioning: {timeZone: 0}"), SizeIs(1));
}

TEST(Partitioning, KnowsUtcWithoutTimeZoneData) {
  EXPECT_THAT(DecodeYaml(Minimal(), "f", {}).problems, IsEmpty());
  EXPECT_THAT(DecodeYaml(Minimal() + "  partitioning: {timeZone: UTC}\n", "f", {}).problems, IsEmpty());
  EXPECT_THAT(DecodeYaml(Minimal() + "  partitioning: {timeZone: Europe/Berlin}\n", "f", {}).problems,
              SizeIs(1));
}

TEST(Partitioning, TakesOnlyWholeNumbers) {
  for (const char* good : {"1", "366"}) {
    EXPECT_THAT(ProblemsOf(std::string("partitioning: {premake: ") + good + "}"), IsEmpty()) << good;
  }
  for (const char* bad :
       {"0", "-1", "367", "3.0", "\"3\"", "true", "010", "99999999999", "99999999999999999999", "[3]", "~"}) {
    EXPECT_THAT(ProblemsOf(std::string("partitioning: {premake: ") + bad + "}"),
                ElementsAre(HasSubstr("premake must be a whole number from 1 to 366, not ")))
        << bad;
  }
}

TEST(Partitioning, KnowsTheWordsForConversions) {
  EXPECT_THAT(ProblemsOf("partitioning: {conversion: Online, uniqueness: PerPartition}"), IsEmpty());
  EXPECT_THAT(ProblemsOf("partitioning: {conversion: Revert}"), IsEmpty());
  EXPECT_THAT(ProblemsOf("partitioning: {conversion: Onlin}"),
              ElementsAre(HasSubstr("did you mean 'Online'?")));
}

TEST(Partitioning, IsNoEmptyKey) {
  EXPECT_THAT(ProblemsOf("partitioning:"),
              ElementsAre("spec.partitioning: partitioning is empty; it must hold keys and values"));
  EXPECT_THAT(ProblemsOf("partitioning: []"), SizeIs(1));
}

TEST(Retention, AsksForConsent) {
  EXPECT_THAT(
      ProblemsOf("retention: {keep: 90d}"),
      ElementsAre("spec.retention.action: spec.retention.action is missing: Drop or Detach; saying it is the "
                  "consent, so there is no default"));
  EXPECT_THAT(ProblemsOf("retention: {action: Drop}"),
              ElementsAre(HasSubstr("to keep them for ever leave retention out")));
  EXPECT_THAT(ProblemsOf("retention: {}"), SizeIs(2));
  EXPECT_THAT(ProblemsOf("retention:"), SizeIs(1));
}

TEST(Retention, ChecksDurations) {
  for (const char* good : {"1h", "99999y", "3mo"}) {
    EXPECT_THAT(ProblemsOf(std::string("retention: {action: Drop, keep: ") + good + "}"), IsEmpty()) << good;
  }
  for (const char* bad : {"0d", "-1d", "100000d", "90", "d", "Forever", "~", "1h30m"}) {
    EXPECT_THAT(ProblemsOf(std::string("retention: {action: Drop, keep: ") + bad + "}"), SizeIs(1)) << bad;
  }
  EXPECT_THAT(ProblemsOf("retention: {action: Drop, keep: 3m}"),
              ElementsAre(HasSubstr("did you mean '3mo'?")));
  EXPECT_THAT(ProblemsOf("retention: {action: Drop, keep: 2 years}"),
              ElementsAre(HasSubstr("did you mean '2y'?")));
  EXPECT_THAT(ProblemsOf("retention: {action: Drop, keep: 1d, undoWindow: 0h}"), IsEmpty());
  EXPECT_THAT(ProblemsOf("retention: {action: Drop, keep: 1d, undoWindow: 5m}"), SizeIs(1));
  EXPECT_THAT(ProblemsOf("retention: {action: Drop, keep: 1d, maxPerRun: 0}"), SizeIs(1));
  EXPECT_THAT(ProblemsOf("retention: {action: Drop, keep: 1d, maxPerRun: 1001}"), SizeIs(1));
  EXPECT_THAT(ProblemsOf("retention: {action: Drop, keep: 1d, afterRollup: required}"),
              ElementsAre(HasSubstr("did you mean 'Required'?")));
  EXPECT_THAT(ProblemsOf("retention: {action: drop, keep: 1d}"),
              ElementsAre(HasSubstr("did you mean 'Drop'?")));
}

TEST(Retention, CannotDetachRows) {
  EXPECT_THAT(ProblemsOf("partitioning: {state: Disabled}\n  retention: {keep: 1d, action: Drop}"),
              IsEmpty());
  EXPECT_THAT(ProblemsOf("retention: {keep: 1d, action: Detach}\n  partitioning: {state: Disabled}"),
              ElementsAre(HasSubstr("row deletes cannot detach; use Drop")));
}

TEST(Schedule, ChecksPeriods) {
  for (const char* good : {"1s", "24h", "90s", "1440m"}) {
    EXPECT_THAT(ProblemsOf(std::string("schedule: {period: ") + good + "}"), IsEmpty()) << good;
  }
  for (const char* bad : {"999ms", "0s", "86401s", "1d", "60", "1m30s", "~"}) {
    EXPECT_THAT(ProblemsOf(std::string("schedule: {period: ") + bad + "}"),
                ElementsAre(StartsWith("spec.schedule.period: period must be a time from 1s to 24h")))
        << bad;
  }
}

TEST(Schedule, ChecksWindows) {
  const auto window = [](const std::string& text) {
    return ProblemsOf("schedule: {windows: [{" + text + "}]}");
  };
  EXPECT_THAT(window("start: '00:00', duration: 24h"), IsEmpty());
  EXPECT_THAT(window("days: [], start: '00:00', duration: 1ms"), IsEmpty());
  EXPECT_THAT(window("start: '00:00'"), ElementsAre(StartsWith("spec.schedule.windows[0].duration: ")));
  EXPECT_THAT(window("duration: 1h"), ElementsAre(StartsWith("spec.schedule.windows[0].start: ")));
  for (const char* bad : {"24:00", "'23:60'", "2:00", "'2:000'", "02.00", "02:0a", "120", "~"}) {
    EXPECT_THAT(window(std::string("duration: 1h, start: ") + bad),
                ElementsAre(HasSubstr("start must be a time of day")))
        << bad;
  }
  for (const char* bad : {"0s", "1441m", "1d"}) {
    EXPECT_THAT(window(std::string("start: '02:00', duration: ") + bad), SizeIs(1)) << bad;
  }
  EXPECT_THAT(window("start: '02:00', duration: 1h, days: [Mon, Tue, Mon]"),
              ElementsAre("spec.schedule.windows[0].days[2]: days[2]: this day is in the list already"));
  EXPECT_THAT(window("start: '02:00', duration: 1h, days: [mon]"),
              ElementsAre(HasSubstr("did you mean 'Mon'?")));
  EXPECT_THAT(window("start: '02:00', duration: 1h, days: Mon"),
              ElementsAre(HasSubstr("days must be a list")));
  EXPECT_THAT(window("start: '02:00', duration: 1h, timeZone: Utc"),
              ElementsAre(HasSubstr("did you mean 'UTC'?")));
  EXPECT_THAT(ProblemsOf("schedule: {windows: }"), ElementsAre(HasSubstr("windows is empty; write []")));
  EXPECT_THAT(ProblemsOf("schedule: {windows: [x]}"), SizeIs(1));
}

TEST(Locks, ChecksTimeouts) {
  EXPECT_THAT(ProblemsOf("locks: {timeout: 60s, statementTimeout: 24h}"), IsEmpty());
  EXPECT_THAT(ProblemsOf("locks: {timeout: 49ms}"), SizeIs(1));
  EXPECT_THAT(ProblemsOf("locks: {timeout: 61s}"), SizeIs(1));
  EXPECT_THAT(ProblemsOf("locks: {statementTimeout: 25h}"), SizeIs(1));
  EXPECT_THAT(
      ProblemsOf("locks: {timeout: 2s, statementTimeout: 1999ms}"),
      ElementsAre(
          "spec.locks.statementTimeout: statementTimeout (1999ms) must not be shorter than timeout (2s)"));
  EXPECT_THAT(ProblemsOf("locks: {statementTimeout: 1s}"), SizeIs(1));
}

TEST(Mode, IsStrict) {
  EXPECT_THAT(ProblemsOf("mode: plan"), ElementsAre(HasSubstr("did you mean 'Plan'?")));
  EXPECT_THAT(ProblemsOf("mode: true"), ElementsAre(HasSubstr("mode must be Apply or Plan, not true")));
  for (const char* bad : {"yes", "'true'", "True", "1", "~", "on"}) {
    EXPECT_THAT(ProblemsOf(std::string("suspend: ") + bad),
                ElementsAre(HasSubstr("suspend must be true or false")))
        << bad;
  }
}

}  // namespace
}  // namespace partition_controller
