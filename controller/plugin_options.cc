#include "controller/plugin_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "crd/spelling.h"
#include "crd/text.h"

namespace partition_controller {
namespace {

const char* const kPlugin = "kubectl partition";

// Of a Kubernetes object; it becomes part of a path.
bool IsName(const std::string& text) {
  return text.size() <= 253 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos &&
         !text.starts_with('.');
}

// A number of seconds, or one with a unit, as kubectl has it.
std::optional<std::chrono::milliseconds> Timeout(const std::string& text) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  const std::string number = text.substr(0, digits);
  if (number.empty() || number.size() > 6) return std::nullopt;
  const std::string unit = digits == std::string::npos ? "s" : text.substr(digits);
  const std::map<std::string, int> units = {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}};
  const auto known = units.find(unit);
  if (known == units.end()) return std::nullopt;
  return std::chrono::milliseconds(std::stoll(number) * known->second);
}

// A line break would be the end of a header.
bool FitsHeader(const std::string& text) { return text == Printable(text); }

class Parser {
 public:
  Parser() {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", std::string(kPlugin) + " " + PC_VERSION);
    app_.footer(
        "It asks the API server alone, with your own permissions: reading takes those of the role view,\n"
        "undo those of edit.\n");
    CLI::App* status = Add(PluginOptions::Command::kStatus, "status", "How policies fare",
                           "Exit codes:\n  0 shown, 1 error\n\n"
                           "Examples:\n"
                           "  kubectl partition status -A\n"
                           "  kubectl partition status telemetry-points -n edgewatch\n");
    status->add_flag("-A,--all-namespaces", options_.all_namespaces, "The policies of all namespaces");
    status->add_option("-l,--selector", options_.selector, "Policies with these labels, such as app=shop")
        ->type_name("SELECTOR");
    AddName(status)->required(false);
    AddName(Add(PluginOptions::Command::kPlan, "plan", "What is still to be done, and what waits for consent",
                "Exit codes:\n  0 nothing to do, 2 steps are due, 3 consent is waited for,\n  1 error, or no "
                "controller has looked yet\n\n"
                "Examples:\n  kubectl partition plan telemetry-points -n edgewatch\n"));
    AddName(Add(PluginOptions::Command::kWhy, "why", "What is not as it should be, and what to do about it",
                "Exit codes:\n  0 all is well, 2 something is not, 1 error\n\n"
                "Examples:\n  kubectl partition why telemetry-points -n edgewatch\n"));
    CLI::App* undo =
        Add(PluginOptions::Command::kUndo, "undo", "Take back what retention did last, and hold it",
            "What is in its undo window is attached again, and nothing more is removed until\n"
            "--release. What has been dropped stays gone.\n\n"
            "Exit codes:\n  0 done, 1 error\n\n"
            "Examples:\n"
            "  kubectl partition undo telemetry-points -n edgewatch\n"
            "  kubectl partition undo telemetry-points -n edgewatch --release\n");
    undo->add_flag("--release", options_.release, "Let retention go on");
    AddName(undo);
  }

  ParsedPluginOptions Parse(const std::vector<std::string>& arguments) {
    if (arguments.empty()) return Failure("a command is missing");
    std::vector<std::string_view> names;
    for (const auto& [sub, command] : commands_) names.push_back(sub->get_name());
    const std::string& word = arguments.front();
    if (!word.starts_with("-") && std::find(names.begin(), names.end(), word) == names.end()) {
      const auto nearest = Nearest(word, names);
      return Failure("unknown command '" + word + "'" +
                     (nearest ? "; did you mean '" + std::string(*nearest) + "'?" : ""));
    }
    try {
      app_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::Success& help) {
      std::ostringstream out;
      std::ostringstream err;
      app_.exit(help, out, err);
      return {std::nullopt, 0, out.str(), err.str()};
    } catch (const CLI::ParseError& error) {
      return Failure(error.what());
    }
    options_.command = commands_.at(app_.get_subcommands().front());
    options_.output = output_ == "json"   ? PluginOptions::Output::kJson
                      : output_ == "yaml" ? PluginOptions::Output::kYaml
                      : output_ == "wide" ? PluginOptions::Output::kWide
                                          : PluginOptions::Output::kText;
    if (!request_timeout_.empty()) {
      const std::optional<std::chrono::milliseconds> timeout = Timeout(request_timeout_);
      if (!timeout)
        return Failure("'" + request_timeout_ + "' is no time such as 10s, 2m or 0 for the usual");
      if (timeout->count() > 0) options_.request_timeout = timeout;
    }
    if (!options_.selector.empty() && !options_.name.empty()) {
      return Failure("--selector excludes a name");
    }
    if (options_.all_namespaces && (!options_.name.empty() || !options_.name_space.empty())) {
      return Failure("--all-namespaces excludes a name and --namespace");
    }
    if (!FitsHeader(options_.overrides.impersonate)) return Failure("--as is no name of a user");
    if (!FitsHeader(options_.overrides.token)) return Failure("--token is no token (its text is not shown)");
    for (const std::string& text : {options_.name, options_.name_space}) {
      if (!IsName(text)) return Failure("'" + text + "' is not a name");
    }
    return {options_, 0, "", ""};
  }

 private:
  // With the flags that kubectl's own commands have.
  CLI::App* Add(PluginOptions::Command command, const std::string& name, const std::string& what,
                const std::string& footer) {
    CLI::App* sub = app_.add_subcommand(name, what);
    sub->footer(footer);
    sub->add_option("-n,--namespace", options_.name_space, "In place of the context's namespace")
        ->type_name("NAME");
    sub->add_option("--kubeconfig", options_.kubeconfig, "In place of $KUBECONFIG or ~/.kube/config")
        ->type_name("FILE");
    sub->add_option("--context", options_.context, "The kubeconfig's context, in place of the current one")
        ->type_name("NAME");
    sub->add_option("--cluster", options_.overrides.cluster,
                    "The kubeconfig's cluster, in place of the context's")
        ->type_name("NAME");
    sub->add_option("--user", options_.overrides.user, "The kubeconfig's user, in place of the context's")
        ->type_name("NAME");
    sub->add_option("-s,--server", options_.overrides.server, "The API server, in place of the cluster's")
        ->type_name("URL");
    sub->add_option("--certificate-authority", options_.overrides.authority,
                    "Who vouches for the API server, in place of the cluster's")
        ->type_name("FILE");
    sub->add_option("--token", options_.overrides.token, "A bearer token, in place of the user's credentials")
        ->type_name("TOKEN");
    sub->add_option("--as", options_.overrides.impersonate, "Whom to act for, as impersonation lets you")
        ->type_name("USER");
    sub->add_option("--request-timeout", request_timeout_,
                    "How long a request may take: 10s, 2m; 0: the usual")
        ->type_name("TIME");
    const bool table = command == PluginOptions::Command::kStatus;
    std::set<std::string> formats = {"text", "json", "yaml"};
    if (table) formats.insert("wide");
    sub->add_option(
           "-o,--output", output_,
           table ? "text, wide (text, the list with more columns), json or yaml" : "text, json or yaml")
        ->type_name("FORMAT")
        ->check(CLI::IsMember(formats));
    commands_[sub] = command;
    return sub;
  }
  CLI::Option* AddName(CLI::App* sub) {
    return sub->add_option("name", options_.name, "The policy")->type_name("NAME")->required();
  }

  static ParsedPluginOptions Failure(const std::string& message) {
    return {
        std::nullopt, 1, "",
        std::string(kPlugin) + ": " + message + "\nRun `" + kPlugin + " --help` for the ways to use it.\n"};
  }

  CLI::App app_{"Looks at PartitionPolicy objects, and undoes what retention did last.", kPlugin};
  std::map<const CLI::App*, PluginOptions::Command> commands_;
  PluginOptions options_;
  std::string output_ = "text";
  std::string request_timeout_;
};

}  // namespace

ParsedPluginOptions ParsePluginOptions(const std::vector<std::string>& arguments) {
  return Parser().Parse(arguments);
}

bool IsPlugin(const std::string& program) {
  return program.substr(program.rfind('/') + 1) == "kubectl-partition";
}

}  // namespace partition_controller
