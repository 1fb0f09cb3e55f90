#include "controller/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <sstream>

#include "crd/spelling.h"

namespace partition_controller {
namespace {

const char* const kProgram = "partition-controller";

// "ADDR:PORT" with a numeric port; the HTTP library would read more into it
// (several addresses, TLS, redirections).
bool IsListenAddress(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const std::string address = text.substr(0, colon);
  const std::string port = text.substr(colon + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (port.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit)) return false;
  if (std::stoi(port) > 65535) return false;
  if (address.front() == '[') {
    return address.size() > 2 && address.back() == ']' &&
           address.find_first_not_of("0123456789abcdefABCDEF:.", 1) == address.size() - 1;
  }
  return address.find_first_not_of("0123456789.") == std::string::npos;
}

// The command line's words and where their values go.
class Parser {
 public:
  Parser() {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", std::string(kProgram) + " " + PC_VERSION);
    app_.footer(
        "Example:\n"
        "  partition-controller plan --spec policy.yaml     what would be done, and why\n"
        "  partition-controller apply --spec policy.yaml    do it once\n"
        "  partition-controller run --spec policies/        keep it so\n");
    AddValidate();
    AddPlan();
    AddApply();
    AddRun();
    AddMigrate();
    AddUnconvert();
    Add(Command::kVersion, "version", "Print the version", "Exit codes:\n  0\n");
  }

  ParsedOptions Parse(const std::vector<std::string>& arguments) {
    if (std::optional<ParsedOptions> failure = UnknownCommand(arguments)) return *std::move(failure);
    try {
      app_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::Success& help) {
      std::ostringstream out;
      std::ostringstream err;
      app_.exit(help, out, err);
      return {std::nullopt, 0, out.str(), err.str()};
    } catch (const CLI::ParseError& error) {
      return Failure(UnknownOption(arguments).value_or(error.what()));
    }
    return Convert();
  }

 private:
  CLI::App* Add(Command command, const std::string& name, const std::string& what,
                const std::string& footer) {
    CLI::App* sub = app_.add_subcommand(name, what);
    sub->footer(footer);
    commands_[sub] = command;
    return sub;
  }

  CLI::Option* AddSpec(CLI::App* sub) {
    return sub->add_option("--spec", options_.specs, "A file, or a folder of *.yaml, *.yml and *.json files")
        ->type_name("PATH")
        ->required();
  }
  void AddNow(CLI::App* sub) {
    sub->add_option("--now", now_,
                    "Plan as if it were then; removes nothing that the server's clock would keep")
        ->type_name("RFC3339");
  }
  void AddAcknowledge(CLI::App* sub) {
    sub->add_option("--acknowledge", options_.acknowledged,
                    "Consent to the destructive plan that `plan` printed this hash for; may be repeated")
        ->type_name("HASH")
        ->expected(1)
        ->take_all();
  }
  void AddColour(CLI::App* sub) {
    sub->add_option("--color", colour_, "auto, always or never")
        ->type_name("WHEN")
        ->check(CLI::IsMember({"auto", "always", "never"}));
  }

  void AddValidate() {
    AddSpec(Add(Command::kValidate, "validate", "Check policies without a database",
                "Exit codes:\n  0 valid, 1 not\n\n"
                "Examples:\n"
                "  partition-controller validate --spec policy.yaml\n"
                "  partition-controller validate --spec policies/ more.yaml\n"));
  }

  void AddPlan() {
    CLI::App* sub = Add(Command::kPlan, "plan", "Print what would be done, why, and which locks it takes",
                        "Exit codes:\n"
                        "  0 nothing to do, 2 changes pending,\n"
                        "  3 only refusals or an acknowledgement pending, 1 error\n\n"
                        "Examples:\n"
                        "  partition-controller plan --spec policy.yaml\n"
                        "  partition-controller plan --spec policy.yaml -o sql > changes.sql\n"
                        "  partition-controller plan --spec policy.yaml --now 2027-01-01T00:00:00Z\n"
                        "  partition-controller plan --spec policy.yaml --acknowledge 3f9c0a5b\n");
    AddSpec(sub);
    sub->add_option("-o,--output", output_, "text, json, or sql (a script for psql)")
        ->type_name("FORMAT")
        ->check(CLI::IsMember({"text", "json", "sql"}));
    AddNow(sub);
    AddAcknowledge(sub);
    AddColour(sub);
  }

  void AddApply() {
    CLI::App* sub = Add(Command::kApply, "apply", "Do what is due once, and exit",
                        "Exit codes:\n"
                        "  0 nothing left that is due now, 3 refusal or acknowledgement pending, 1 error\n\n"
                        "Examples:\n"
                        "  partition-controller apply --spec policy.yaml\n"
                        "  partition-controller apply --spec policy.yaml --acknowledge 3f9c0a5b\n");
    AddSpec(sub);
    AddNow(sub);
    AddAcknowledge(sub);
    AddColour(sub);
  }

  void AddRun() {
    CLI::App* sub = Add(Command::kRun, "run", "Keep tables as their policies declare, until SIGTERM",
                        "Changed, added and deleted policies are noticed, in files as well as in a cluster;\n"
                        "SIGHUP looks at everything at once.\n"
                        "Logs are JSON lines on stderr.\n\n"
                        "Exit codes:\n  0 stopped by SIGTERM or SIGINT, 1 could not start\n\n"
                        "Examples:\n"
                        "  partition-controller run --spec /etc/partition-controller/\n"
                        "  partition-controller run --kubernetes\n"
                        "  partition-controller run --spec policy.yaml --listen 127.0.0.1:9090\n");
    AddSpec(sub)->required(false);
    CLI::Option* kubernetes = sub->add_flag("--kubernetes", options_.kubernetes,
                                            "Policies are the cluster's PartitionPolicy objects");
    sub->add_option("--kubeconfig", options_.kubeconfig,
                    "How to reach the cluster; else the pod's service account, $KUBECONFIG or ~/.kube/config")
        ->type_name("FILE")
        ->needs(kubernetes);
    sub->add_option("--context", options_.context, "The kubeconfig's context, in place of the current one")
        ->type_name("NAME")
        ->needs(kubernetes);
    sub->add_option("--namespace", options_.namespaces, "Look after this namespace only; may be repeated")
        ->type_name("NAME")
        ->expected(1)
        ->take_all()
        ->needs(kubernetes);
    sub->add_option(
           "--lease", options_.lease,
           "The Lease that decides which of several controllers works; one for each set of namespaces")
        ->type_name("NAME")
        ->needs(kubernetes)
        ->capture_default_str();
    AddAcknowledge(sub);
    sub->add_option("--listen", options_.listen,
                    "Where /metrics, /healthz and /readyz are served; all interfaces by default, as a "
                    "container needs it; port 0 takes a free one")
        ->type_name("ADDR:PORT")
        ->capture_default_str();
    sub->add_option("--log-level", log_level_, "info, warning or error")
        ->type_name("LEVEL")
        ->check(CLI::IsMember({"info", "warning", "error"}));
  }

  void AddMigrate() {
    AddSpec(Add(Command::kMigrate, "migrate",
                "Create or upgrade the bookkeeping schema in the policies' databases",
                "`apply` and `run` do this by themselves.\n\n"
                "Exit codes:\n  0 done, 1 error\n\n"
                "Examples:\n  partition-controller migrate --spec policy.yaml\n"));
  }

  void AddUnconvert() {
    CLI::App* sub =
        Add(Command::kUnconvert, "unconvert", "Make a converted table plain again, with all its rows",
            "Possible while no row has been removed since the conversion. Set partitioning.conversion:\n"
            "Never in the policy as well, or the table is converted again.\n\n"
            "Exit codes:\n  0 done, 3 refused, 1 error\n\n"
            "Examples:\n  partition-controller unconvert --spec policy.yaml\n");
    AddSpec(sub);
    AddColour(sub);
  }

  static ParsedOptions Failure(const std::string& message) {
    return {
        std::nullopt, 1, "",
        std::string(kProgram) + ": " + message + "\nRun `" + kProgram + " --help` for the ways to use it.\n"};
  }

  std::optional<ParsedOptions> UnknownCommand(const std::vector<std::string>& arguments) const {
    if (arguments.empty()) return Failure("a command is missing");
    const std::string& word = arguments.front();
    std::vector<std::string_view> names;
    for (const auto& [sub, command] : commands_) names.push_back(sub->get_name());
    if (word.starts_with("-") || std::find(names.begin(), names.end(), word) != names.end())
      return std::nullopt;
    std::string message = "unknown command '" + word + "'";
    if (const auto nearest = Nearest(word, names))
      message += "; did you mean '" + std::string(*nearest) + "'?";
    return Failure(message);
  }

  // The library only says that something is left over, or that the option that
  // was misspelt is missing.
  std::optional<std::string> UnknownOption(const std::vector<std::string>& arguments) const {
    const CLI::App* used = nullptr;
    for (const auto& [sub, command] : commands_) {
      if (sub->get_name() == arguments.front()) used = sub;
    }
    if (used == nullptr) used = &app_;
    for (const std::string& argument : arguments) {
      const std::string word = argument.substr(0, argument.find('='));
      if (!word.starts_with("-") || word.size() < 2 || used->get_option_no_throw(word) != nullptr) continue;
      if (!word.starts_with("--") && used->get_option_no_throw(word.substr(0, 2)) != nullptr) continue;
      std::vector<std::string> names;
      for (const CLI::Option* option : used->get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      }
      std::string message = "unknown option '" + word + "'";
      if (used != &app_) message = "command '" + used->get_name() + "' has no option '" + word + "'";
      const auto nearest = Nearest(word, {names.begin(), names.end()});
      if (nearest) message += "; did you mean '" + std::string(*nearest) + "'?";
      return message;
    }
    return std::nullopt;
  }

  ParsedOptions Convert() {
    options_.command = commands_.at(app_.get_subcommands().front());
    if (!now_.empty()) {
      options_.now = ParseInstant(now_);
      if (!options_.now) {
        return Failure("--now: '" + now_ + "' is not a time; expected RFC 3339, as in 2027-01-01T00:00:00Z");
      }
    }
    if (options_.command == Command::kRun && options_.kubernetes == !options_.specs.empty()) {
      return Failure(options_.kubernetes ? "--spec and --kubernetes exclude each other"
                                         : "run needs --spec PATH or --kubernetes");
    }
    if (!IsListenAddress(options_.listen)) {
      return Failure("--listen: '" + options_.listen +
                     "' is not ADDR:PORT; expected as in 127.0.0.1:8080 or [::]:8080");
    }
    if (output_ == "json") options_.output = Options::Output::kJson;
    if (output_ == "sql") options_.output = Options::Output::kSql;
    if (colour_ == "always") options_.colour = Options::Colour::kAlways;
    if (colour_ == "never") options_.colour = Options::Colour::kNever;
    if (log_level_ == "warning") options_.log_level = Severity::kWarning;
    if (log_level_ == "error") options_.log_level = Severity::kError;
    return {options_, 0, "", ""};
  }

  CLI::App app_{"Keeps time-partitioned PostgreSQL tables as their policies declare.", kProgram};
  std::map<const CLI::App*, Command> commands_;
  Options options_;
  std::string now_;
  std::string output_ = "text";
  std::string colour_ = "auto";
  std::string log_level_ = "info";
};

}  // namespace

ParsedOptions ParseOptions(const std::vector<std::string>& arguments) { return Parser().Parse(arguments); }

}  // namespace partition_controller
