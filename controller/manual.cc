#include "controller/manual.h"

#include <algorithm>
#include <set>
#include <sstream>

namespace partition_controller {
namespace {

std::string Join(const std::vector<std::string>& parts, const std::string& between) {
  std::string joined;
  for (const std::string& part : parts) joined += (joined.empty() ? "" : between) + part;
  return joined;
}

// Text for roff: no line of it is a request.
std::string Roff(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    const bool begins = escaped.empty() || escaped.back() == '\n';
    if (begins && (c == '.' || c == '\'')) escaped += "\\&";
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

// Lines of an indented block are shown as they are, all others are set.
std::string RoffFooter(const std::string& footer) {
  std::istringstream lines(footer);
  std::string roff;
  bool block = false;
  for (std::string line; std::getline(lines, line);) {
    const bool indented = line.starts_with("  ");
    if (indented && !block) roff += ".PP\n.RS 4\n.nf\n";
    if (!indented && block) roff += ".fi\n.RE\n";
    block = indented;
    if (line.empty()) continue;
    if (!indented && line.ends_with(':')) {
      roff += ".PP\n" + Roff(line) + "\n";
    } else {
      roff += Roff(indented ? line.substr(2) : line) + "\n";
    }
  }
  return roff + (block ? ".fi\n.RE\n" : "");
}

std::string RoffOptions(const std::vector<CommandLine::Option>& options) {
  std::string roff;
  for (const CommandLine::Option& option : options) {
    std::vector<std::string> names;
    for (const std::string& name : option.names) names.push_back("\\fB" + Roff(name) + "\\fR");
    roff += ".TP\n" + Join(names, ", ");
    if (!option.value.empty()) roff += " \\fI" + Roff(option.value) + "\\fR";
    roff += "\n" + Roff(option.description) + (option.description.ends_with('.') ? "" : ".");
    if (option.required) roff += " Required.";
    roff += "\n";
  }
  return roff;
}

// In single quotes, for a shell.
std::string Shell(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

bool TakesFile(const CommandLine::Option& option) { return option.value == "PATH" || option.value == "FILE"; }

std::vector<std::string> NamesOf(const std::vector<CommandLine::Option>& options) {
  std::vector<std::string> names;
  for (const CommandLine::Option& option : options) {
    names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return names;
}

// For _arguments: brackets and colons have a meaning there.
std::string ZshText(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::string ManualPage(const CommandLine& line) {
  std::string page =
      ".TH PARTITION\\-CONTROLLER 1 2026-12-01 \"" + line.program + " " + PC_VERSION +
      "\" \"User Commands\"\n"
      ".SH NAME\n" +
      Roff(line.program) +
      " \\- keeps time\\-partitioned PostgreSQL tables as their policies declare\n"
      ".SH SYNOPSIS\n.B " +
      Roff(line.program) +
      "\n.I COMMAND\n[\\fIOPTION\\fR]...\n"
      ".SH DESCRIPTION\n" +
      Roff(line.description) +
      "\nA policy says what a table should look like: its granularity, how many periods are made "
      "ahead,\nhow long rows are kept. Each command below compares that with the database, and "
      "shows or mends\nthe difference. Results go to the standard output, diagnostics to the "
      "standard error.\n"
      ".SH OPTIONS\n" +
      RoffOptions(line.options) + ".SH COMMANDS\n";
  for (const CommandLine::Command& command : line.commands) {
    page += ".SS " + Roff(command.name) + (command.words.empty() ? "" : " " + Join(command.words, "|")) +
            "\n" + Roff(command.description) + ".\n" + RoffOptions(command.options) + ".PP\n" +
            RoffFooter(command.footer);
  }
  page +=
      ".SH ENVIRONMENT\n"
      ".TP\n.B NO_COLOR\nIf it is set and not empty, nothing is coloured but on request.\n"
      ".TP\n.B KUBECONFIG\nWhere\n.B run \\-\\-kubernetes\nlooks for a cluster.\n"
      ".PP\nThe variable that\n.I spec.connection.env\nof a policy names holds its connection string.\n"
      ".SH EXIT STATUS\nEach command says above what its own mean. 1 is always an error, of usage as well.\n"
      ".SH SEE ALSO\n.BR psql (1),\n.BR kubectl (1)\n";
  return page;
}

std::string BashCompletion(const CommandLine& line) {
  std::vector<std::string> commands;
  for (const CommandLine::Command& command : line.commands) commands.push_back(command.name);
  std::string script =
      "# bash completion for " + line.program +
      "; to try it: source <(partition-controller completion bash)\n"
      "_partition_controller() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command='' words='' word\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case $word in\n      " +
      Join(commands, " | ") +
      ")\n        command=$word\n        break\n        ;;\n    esac\n  done\n"
      "  COMPREPLY=()\n"
      "  case $command:$prev in\n";
  std::set<std::string> files;
  std::set<std::string> values;
  for (const CommandLine::Command& command : line.commands) {
    for (const CommandLine::Option& option : command.options) {
      for (const std::string& name : option.names) {
        const std::string pattern = command.name + ":" + name;
        if (!option.choices.empty()) {
          script += "    " + pattern + ") words='" + Join(option.choices, " ") + "' ;;\n";
        } else if (TakesFile(option)) {
          files.insert(pattern);
        } else if (!option.value.empty()) {
          values.insert(pattern);
        }
      }
    }
  }
  if (!files.empty()) {
    script += "    " + Join({files.begin(), files.end()}, " | ") +
              ")\n      mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n      compopt -o filenames\n"
              "      return\n      ;;\n";
  }
  if (!values.empty()) script += "    " + Join({values.begin(), values.end()}, " | ") + ") return ;;\n";
  script += "    *)\n      case $command in\n";
  for (const CommandLine::Command& command : line.commands) {
    std::vector<std::string> words = command.words;
    const std::vector<std::string> names = NamesOf(command.options);
    words.insert(words.end(), names.begin(), names.end());
    script += "        " + command.name + ") words='" + Join(words, " ") + "' ;;\n";
  }
  std::vector<std::string> first = commands;
  const std::vector<std::string> names = NamesOf(line.options);
  first.insert(first.end(), names.begin(), names.end());
  return script + "        *) words='" + Join(first, " ") +
         "' ;;\n      esac\n      ;;\n  esac\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n"
         "complete -F _partition_controller " +
         line.program + "\n";
}

std::string ZshCompletion(const CommandLine& line) {
  const auto arguments = [](const std::vector<CommandLine::Option>& options) {
    std::string all;
    for (const CommandLine::Option& option : options) {
      for (const std::string& name : option.names) {
        std::string spec = "*" + name + "[" + ZshText(option.description) + "]";
        if (!option.value.empty()) {
          spec += ":" + option.value + ":";
          if (!option.choices.empty()) spec += "(" + Join(option.choices, " ") + ")";
          if (option.choices.empty() && TakesFile(option)) spec += "_files";
        }
        all += " \\\n        " + Shell(spec);
      }
    }
    return all;
  };
  std::string script = "#compdef " + line.program +
                       "\n_partition_controller() {\n  local -a commands\n  local state line\n  commands=(\n";
  for (const CommandLine::Command& command : line.commands) {
    script += "    " + Shell(command.name + ":" + ZshText(command.description)) + "\n";
  }
  script += "  )\n  _arguments -C" + arguments(line.options) +
            " \\\n        '1:command:->command' '*::option:->option'\n"
            "  case $state in\n    command) _describe command commands ;;\n    option)\n"
            "      case $line[1] in\n";
  for (const CommandLine::Command& command : line.commands) {
    script += "        " + command.name + ") _arguments" + arguments(command.options);
    if (!command.words.empty()) script += " '1:word:(" + Join(command.words, " ") + ")'";
    script += " ;;\n";
  }
  return script +
         "      esac\n      ;;\n  esac\n}\n"
         "if [ \"$funcstack[1]\" = _partition_controller ]; then\n  _partition_controller \"$@\"\nelse\n"
         "  compdef _partition_controller " +
         line.program + "\nfi\n";
}

}  // namespace partition_controller
