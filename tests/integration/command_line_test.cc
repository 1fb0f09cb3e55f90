// The manual page and the completion, beside what --help says.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "tests/support/process.h"

namespace partition_controller {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string OutputOf(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), PC_TEST_PROGRAM);
  const Finished finished = RunProgram(arguments);
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(finished.err, "");
  return finished.out;
}

std::set<std::string> Matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) {
    found.insert((*it)[1].str());
  }
  return found;
}

// As --help lists them.
std::set<std::string> Commands() {
  const std::string help = OutputOf({"--help"});
  return Matches(help.substr(help.find("Subcommands:")), "\n  ([a-z]+) ");
}
// "--spec", "-o", ... of a command's --help: where an option's line begins.
std::set<std::string> FlagsOf(const std::string& command) {
  const std::string help = OutputOf({command, "--help"});
  std::set<std::string> flags = Matches(help, "\n  (?:-[a-zA-Z],)?(--[a-z-]+)");
  flags.merge(Matches(help, "\n  (-[a-zA-Z]),"));
  return flags;
}

// The part of `text` from the line that begins with `first` to the next `end`.
std::string Part(const std::string& text, const std::string& first, const std::string& end) {
  const auto begin = text.find("\n" + first);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find(end, begin + 1) - begin);
}

std::string Unescaped(const std::string& roff) { return std::regex_replace(roff, std::regex(R"(\\-)"), "-"); }

TEST(CommandLine, EachCommandAndFlagIsInTheManualAndCompleted) {
  const std::string page = Unescaped(OutputOf({"man"}));
  const std::string bash = OutputOf({"completion", "bash"});
  const std::string zsh = OutputOf({"completion", "zsh"});
  const std::set<std::string> commands = Commands();
  for (const char* known : {"apply", "catalog", "doctor", "plan", "simulate", "validate"}) {
    ASSERT_THAT(commands, Contains(known));
  }
  for (const std::string& command : commands) {
    SCOPED_TRACE(command);
    const std::string section = Part(page, ".SS " + command, "\n.S");
    const std::string words = Part(bash, "        " + command + ") words='", " ;;");
    const std::string arguments = Part(zsh, "        " + command + ") _arguments", " ;;");
    const std::set<std::string> flags = FlagsOf(command);
    EXPECT_THAT(flags, Contains("--help"));
    for (const std::string& flag : flags) {
      EXPECT_THAT(section, HasSubstr("\\fB" + flag + "\\fR"));
      EXPECT_THAT(words, testing::ContainsRegex("[ ']" + flag + "[ ']"));
      EXPECT_THAT(arguments, HasSubstr("'*" + flag + "["));
    }
    EXPECT_THAT(zsh, HasSubstr("\n    '" + command + ":"));
    EXPECT_THAT(section, HasSubstr("Exit codes:"));
    EXPECT_THAT(OutputOf({command, "--help"}), HasSubstr("Examples:\n"));
    EXPECT_THAT(section, HasSubstr("Examples:"));
  }
}

TEST(CommandLine, TheManualPageHasNoWarnings) {
  const ScratchFolder folder;
  const std::string file = folder.Write("partition-controller.1", OutputOf({"man"}));
  const Finished set = RunProgram({"/usr/bin/env", "groff", "-man", "-Tutf8", "-ww", "-z", file});
  EXPECT_EQ(set.code, 0);
  EXPECT_EQ(set.err, "");
  const Finished shown = RunProgram({"/usr/bin/env", "groff", "-man", "-Tascii", "-P-cbou", file});
  EXPECT_THAT(shown.out,
              HasSubstr("partition-controller simulate --spec policy.yaml --to 2030-01-01T00:00:00Z"));
}

TEST(CommandLine, BashCompletes) {
  const ScratchFolder folder;
  const std::string script = folder.Write("completion", OutputOf({"completion", "bash"}));
  const Finished checked = RunProgram({"/usr/bin/env", "shellcheck", "-s", "bash", script});
  EXPECT_EQ(checked.out, "");
  EXPECT_EQ(checked.code, 0);
  const auto complete = [&](const std::string& words, int at) {
    const Finished finished = RunProgram(
        {"/usr/bin/env", "bash", "-c",
         "source " + script + "; compopt() { :; }; COMP_WORDS=(partition-controller " + words +
             "); COMP_CWORD=" + std::to_string(at) + "; _partition_controller; echo \"${COMPREPLY[*]}\""});
    EXPECT_EQ(finished.err, "");
    return finished.out;
  };
  EXPECT_EQ(complete("sim", 1), "simulate\n");
  EXPECT_EQ(complete("simulate --sp", 2), "--spec\n");
  EXPECT_EQ(complete("simulate --spec x -o ''", 5), "text json svg\n");
  EXPECT_EQ(complete("plan --output s", 3), "sql\n");
  EXPECT_EQ(complete("plan --now 20", 3), "\n");
  EXPECT_EQ(complete("completion b", 2), "bash\n");
  folder.Write("some.yaml", "");
  EXPECT_EQ(complete("plan --spec " + folder.path() + "/some", 3), folder.path() + "/some.yaml\n");
}

}  // namespace
}  // namespace partition_controller
