#include "controller/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace partition_controller {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Options Parsed(const std::vector<std::string>& arguments) {
  const ParsedOptions parsed = ParseOptions(arguments);
  EXPECT_TRUE(parsed.options) << parsed.err;
  return parsed.options.value_or(Options{});
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  const ParsedOptions parsed = ParseOptions(arguments);
  EXPECT_FALSE(parsed.options);
  EXPECT_EQ(parsed.exit_code, 1);
  EXPECT_EQ(parsed.out, "");
  return parsed.err;
}

TEST(OptionsTest, PlanTakesPathsAFormatAndATime) {
  const Options options = Parsed({"plan", "--spec", "a.yaml", "folder", "-o", "sql", "--now",
                                  "2027-01-01T00:00:00Z", "--color", "never"});
  EXPECT_EQ(options.command, Command::kPlan);
  EXPECT_THAT(options.specs, ElementsAre("a.yaml", "folder"));
  EXPECT_EQ(options.output, Options::Output::kSql);
  EXPECT_EQ(options.now, ParseInstant("2027-01-01T00:00:00Z"));
  EXPECT_EQ(options.colour, Options::Colour::kNever);
}

TEST(OptionsTest, DefaultsSuitAContainer) {
  const Options options = Parsed({"run", "--spec", "a.yaml"});
  EXPECT_EQ(options.command, Command::kRun);
  EXPECT_EQ(options.listen, "0.0.0.0:8080");
  EXPECT_EQ(options.log_level, Severity::kInfo);
  EXPECT_EQ(options.output, Options::Output::kText);
  EXPECT_FALSE(options.now);
}

TEST(OptionsTest, AcknowledgeMayBeRepeated) {
  const Options options =
      Parsed({"apply", "--acknowledge", "abc", "--spec", "a.yaml", "--acknowledge=def", "--spec", "b.yaml"});
  EXPECT_THAT(options.acknowledged, ElementsAre("abc", "def"));
  EXPECT_THAT(Parsed({"plan", "--acknowledge", "abc", "--spec", "a.yaml"}).acknowledged, ElementsAre("abc"));
  EXPECT_THAT(options.specs, ElementsAre("a.yaml", "b.yaml"));
}

TEST(OptionsTest, ListenTakesAddressesAndNothingElse) {
  for (const char* good : {"127.0.0.1:0", "0.0.0.0:65535", "[::]:8080", "[::1]:9090"}) {
    EXPECT_EQ(Parsed({"run", "--spec", "a", "--listen", good}).listen, good);
  }
  for (const char* bad : {"8080", ":8080", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:80s", "localhost:80",
                          "127.0.0.1:80,443", "::1:80", "[::1:80", "[x]:80", "[]:80"}) {
    EXPECT_THAT(ErrorOf({"run", "--spec", "a", "--listen", bad}), HasSubstr("is not ADDR:PORT")) << bad;
  }
}

TEST(OptionsTest, UsageErrorsAreExitOneAndSuggestWhatWasMeant) {
  EXPECT_THAT(ErrorOf({"paln", "--spec", "a"}), HasSubstr("unknown command 'paln'; did you mean 'plan'?"));
  EXPECT_THAT(ErrorOf({"plan", "--spce", "a"}),
              HasSubstr("command 'plan' has no option '--spce'; did you mean '--spec'?"));
  EXPECT_THAT(ErrorOf({"plan", "--spec", "a", "--nwo=x"}), HasSubstr("did you mean '--now'?"));
  EXPECT_THAT(ErrorOf({"plan"}), HasSubstr("--spec"));
  EXPECT_THAT(ErrorOf({"plan", "--spec"}), HasSubstr("--spec"));
  EXPECT_THAT(ErrorOf({"--spec", "a"}), HasSubstr("unknown option '--spec'"));
  EXPECT_THAT(ErrorOf({}), HasSubstr("a command is missing"));
  EXPECT_THAT(ErrorOf({"plan", "--spec", "a", "-o", "xml"}), HasSubstr("xml"));
  EXPECT_THAT(ErrorOf({"plan", "--spec", "a", "--now", "tomorrow"}), HasSubstr("2027-01-01T00:00:00Z"));
  EXPECT_THAT(ErrorOf({"validate", "--spec", "a", "--acknowledge", "x"}), HasSubstr("--acknowledge"));
}

TEST(OptionsTest, SimulateTakesASpanAndDoctorADatabase) {
  const Options simulate =
      Parsed({"simulate", "--spec", "a", "--from", "2027-01-01T00:00:00Z", "--to", "2028-01-01T00:00:00Z",
              "--every", "1mo", "--catalog", "c.json", "-o", "svg"});
  EXPECT_EQ(simulate.command, Command::kSimulate);
  EXPECT_EQ(simulate.from, ParseInstant("2027-01-01T00:00:00Z"));
  EXPECT_EQ(simulate.to, ParseInstant("2028-01-01T00:00:00Z"));
  EXPECT_EQ(simulate.every, ParseCalendarDuration("1mo"));
  EXPECT_EQ(simulate.catalog, "c.json");
  EXPECT_EQ(simulate.output, Options::Output::kSvg);
  EXPECT_THAT(ErrorOf({"simulate", "--spec", "a"}), HasSubstr("--to"));
  EXPECT_THAT(ErrorOf({"simulate", "--spec", "a", "--to", "2028"}), HasSubstr("--to: '2028' is not a time"));
  EXPECT_THAT(ErrorOf({"simulate", "--spec", "a", "--to", "2028-01-01T00:00:00Z", "--every", "0d"}),
              HasSubstr("--every: '0d' is not a duration"));
  EXPECT_EQ(Parsed({"doctor", "--connection-env", "DATABASE_URL"}).connection_env, "DATABASE_URL");
  EXPECT_EQ(Parsed({"doctor", "--spec", "a", "-o", "yaml"}).output, Options::Output::kYaml);
  EXPECT_THAT(ErrorOf({"doctor"}), HasSubstr("doctor needs --spec PATH or --connection-env NAME"));
  EXPECT_THAT(ErrorOf({"doctor", "--spec", "a", "--connection-env", "B"}), HasSubstr("excludes"));
  EXPECT_EQ(Parsed({"completion", "zsh"}).shell, "zsh");
  EXPECT_THAT(ErrorOf({"completion", "fish"}), HasSubstr("fish"));
  EXPECT_THAT(ErrorOf({"catalog", "--spec", "a", "-o", "text"}), HasSubstr("text"));
}

TEST(OptionsTest, EveryErrorNamesTheWayToHelp) {
  EXPECT_THAT(ErrorOf({"frobnicate"}), HasSubstr("partition-controller --help"));
}

TEST(OptionsTest, HelpListsTheCommandsThatExistAndNoOthers) {
  const ParsedOptions help = ParseOptions({"--help"});
  EXPECT_FALSE(help.options);
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_EQ(help.err, "");
  for (const char* command : {"validate", "plan", "apply", "run", "migrate", "unconvert", "catalog",
                              "simulate", "doctor", "completion", "man", "version"}) {
    EXPECT_THAT(help.out, HasSubstr(std::string("\n  ") + command + " "));
  }
  EXPECT_THAT(help.out, Not(HasSubstr("kubernetes")));
}

TEST(OptionsTest, EveryCommandHasExamplesAndExitCodes) {
  for (const char* command :
       {"validate", "plan", "apply", "run", "migrate", "unconvert", "catalog", "simulate", "doctor"}) {
    const ParsedOptions help = ParseOptions({command, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr(std::string("partition-controller ") + command + " --spec"));
    EXPECT_THAT(help.out, HasSubstr("Exit codes:"));
    EXPECT_THAT(help.out, HasSubstr("--spec PATH ..."));
  }
}

TEST(OptionsTest, VersionIsACommandAndAFlag) {
  EXPECT_EQ(Parsed({"version"}).command, Command::kVersion);
  EXPECT_THAT(ParseOptions({"--version"}).out, HasSubstr(PC_VERSION));
}

}  // namespace
}  // namespace partition_controller
