// The command line as a manual page and as completion for shells, both made
// from what --help is made from, so that none can fall behind.

#ifndef PARTITION_CONTROLLER_CONTROLLER_MANUAL_H_
#define PARTITION_CONTROLLER_CONTROLLER_MANUAL_H_

#include <string>
#include <vector>

namespace partition_controller {

struct CommandLine {
  struct Option {
    std::vector<std::string> names;    // "-o", "--output"
    std::string value;                 // what it takes, "FORMAT"; empty: it is a flag
    std::vector<std::string> choices;  // the values that it takes, if they are few
    std::string description;
    bool required = false;
  };
  struct Command {
    std::string name;
    std::string description;
    std::string footer;  // exit codes and examples, as --help shows them
    std::vector<Option> options;
    std::vector<std::string> words;  // those that it takes beside options
  };
  std::string program;
  std::string description;
  std::vector<Option> options;  // without a command
  std::vector<Command> commands;
};

// The parser's own words (controller/options.cc).
CommandLine DescribeCommandLine();

std::string ManualPage(const CommandLine& line);  // roff, man(7) macros
std::string BashCompletion(const CommandLine& line);
std::string ZshCompletion(const CommandLine& line);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_MANUAL_H_
