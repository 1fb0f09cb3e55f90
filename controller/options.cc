#include "controller/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <sstream>
#include <tuple>

#include "controller/manual.h"
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
        "  partition-controller run --spec policies/        keep it so\n\n"
        "A policy says where its connection string is: in an environment variable, in a\n"
        "file, or in a Secret of the cluster.\n");
    AddValidate();
    AddPlan();
    AddApply();
    AddRun();
    AddMigrate();
    AddUnconvert();
    AddCatalog();
    AddSimulate();
    AddDoctor();
    AddCompletion();
    Add(Command::kMan, "man", "Print the manual page, for man",
        "Exit codes:\n  0\n\n"
        "Examples:\n  partition-controller man > partition-controller.1\n  man ./partition-controller.1\n");
    Add(Command::kVersion, "version", "Print the version",
        "Exit codes:\n  0\n\nExamples:\n  partition-controller version\n");
  }

  CommandLine Describe() const {
    CommandLine line{kProgram, app_.get_description(), OptionsOf(app_), {}};
    // In the order of --help, which is that of their being added.
    for (const CLI::App* sub : app_.get_subcommands([](const CLI::App*) { return true; })) {
      CommandLine::Command& command = line.commands.emplace_back();
      command.name = sub->get_name();
      command.description = sub->get_description();
      command.footer = sub->get_footer();
      command.options = OptionsOf(*sub);
      if (command.name == "completion") command.words = Shells();
    }
    return line;
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
  static std::vector<std::string> Shells() { return {"bash", "zsh"}; }

  static std::vector<CommandLine::Option> OptionsOf(const CLI::App& app) {
    std::vector<CommandLine::Option> options;
    for (const CLI::Option* known : app.get_options()) {
      if (known->get_lnames().empty()) continue;  // a word, not an option
      CommandLine::Option& option = options.emplace_back();
      for (const std::string& name : known->get_snames()) option.names.push_back("-" + name);
      for (const std::string& name : known->get_lnames()) option.names.push_back("--" + name);
      option.description = known->get_description();
      option.required = known->get_required();
      if (known->get_expected_max() == 0) continue;
      // "FORMAT:{text,json}"
      const std::string type = known->get_type_name();
      option.value = type.substr(0, type.find(':'));
      const std::size_t open = type.find('{');
      if (open == std::string::npos) continue;
      std::istringstream choices(type.substr(open + 1, type.find('}') - open - 1));
      for (std::string choice; std::getline(choices, choice, ',');) option.choices.push_back(choice);
    }
    return options;
  }

  void AddCompletion() {
    CLI::App* sub = Add(Command::kCompletion, "completion", "Print a script that completes the command line",
                        "Exit codes:\n  0\n\n"
                        "Examples:\n"
                        "  source <(partition-controller completion bash)\n"
                        "  partition-controller completion zsh > ~/.zfunc/_partition-controller\n");
    sub->add_option("shell", options_.shell, "bash or zsh")->required()->check(CLI::IsMember(Shells()));
  }

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
    AddCatalogFile(sub);
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
                    "Where the status page, /metrics, /healthz and /readyz are served; all interfaces by "
                    "default, as a "
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

  CLI::Option* AddCatalogFile(CLI::App* sub) {
    return sub
        ->add_option("--catalog", options_.catalog,
                     "Look into this file, which `catalog` wrote, and not at the database")
        ->type_name("FILE");
  }

  void AddCatalog() {
    CLI::App* sub = Add(Command::kCatalog, "catalog", "Save what the controller sees of the tables",
                        "No rows are in it, but names, bounds, sizes, privileges and definitions.\n\n"
                        "Exit codes:\n  0 done, 1 error\n\n"
                        "Examples:\n"
                        "  partition-controller catalog --spec policy.yaml > catalog.json\n"
                        "  partition-controller plan --spec policy.yaml --catalog catalog.json\n");
    AddSpec(sub);
    sub->add_option("-o,--output", output_, "json")->type_name("FORMAT")->check(CLI::IsMember({"json"}));
    sub->add_option("--now", now_, "Count the default partitions' rows as a plan for then needs it")
        ->type_name("RFC3339");
  }

  void AddSimulate() {
    CLI::App* sub =
        Add(Command::kSimulate, "simulate", "Print what years of reconciling would make and drop",
            "The first run is at --from, on the tables as they are. Growth on disk is taken to stay as it\n"
            "was in the last whole periods. Nothing is changed.\n\n"
            "Exit codes:\n  0 done, 1 error\n\n"
            "Examples:\n"
            "  partition-controller simulate --spec policy.yaml --to 2030-01-01T00:00:00Z\n"
            "  partition-controller simulate --spec policy.yaml --catalog catalog.json \\\n"
            "    --from 2027-01-01T00:00:00Z --to 2030-01-01T00:00:00Z -o svg > disk.svg\n");
    AddSpec(sub);
    sub->add_option("--from", from_, "The first run; by default when the database or --catalog was read")
        ->type_name("RFC3339");
    sub->add_option("--to", to_, "The end, at most 50 years later")->type_name("RFC3339")->required();
    sub->add_option("--every", every_,
                    "From one run to the next, as of `apply` in a cron job (1d, 1mo); by default there is a "
                    "run whenever something is due")
        ->type_name("DURATION");
    AddCatalogFile(sub);
    sub->add_option("-o,--output", output_, "text, json, or svg (a picture)")
        ->type_name("FORMAT")
        ->check(CLI::IsMember({"text", "json", "svg"}));
    AddColour(sub);
  }

  void AddDoctor() {
    CLI::App* sub =
        Add(Command::kDoctor, "doctor", "Find what is wrong with partitioned tables, and say what mends it",
            "Looks at the policies' tables, or with --connection-env at all that are partitioned by time,\n"
            "and proposes policies for those that have none. Nothing is changed.\n\n"
            "Exit codes:\n  0 nothing found, 2 findings, 1 error\n\n"
            "Examples:\n"
            "  partition-controller doctor --spec policy.yaml\n"
            "  partition-controller doctor --connection-env DATABASE_URL\n"
            "  partition-controller doctor --connection-env DATABASE_URL -o yaml > policies.yaml\n");
    CLI::Option* spec = AddSpec(sub)->required(false);
    sub->add_option("--connection-env", options_.connection_env,
                    "The environment variable that holds the connection string of a whole database")
        ->type_name("NAME")
        ->excludes(spec);
    sub->add_option("-o,--output", output_, "text, json, or yaml (only the proposed policies)")
        ->type_name("FORMAT")
        ->check(CLI::IsMember({"text", "json", "yaml"}));
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
    for (const auto& [name, text, instant] :
         {std::tuple("--now", &now_, &options_.now), std::tuple("--from", &from_, &options_.from),
          std::tuple("--to", &to_, &options_.to)}) {
      if (text->empty()) continue;
      *instant = ParseInstant(*text);
      if (!*instant) {
        return Failure(std::string(name) + ": '" + *text +
                       "' is not a time; expected RFC 3339, as in 2027-01-01T00:00:00Z");
      }
    }
    if (!every_.empty()) {
      options_.every = ParseCalendarDuration(every_);
      if (!options_.every || options_.every->count == 0) {
        return Failure("--every: '" + every_ +
                       "' is not a duration; expected a number and h, d, w, mo or y, as in 1mo");
      }
    }
    if (options_.command == Command::kRun && options_.kubernetes == !options_.specs.empty()) {
      return Failure(options_.kubernetes ? "--spec and --kubernetes exclude each other"
                                         : "run needs --spec PATH or --kubernetes");
    }
    if (options_.command == Command::kDoctor && options_.specs.empty() && options_.connection_env.empty()) {
      return Failure("doctor needs --spec PATH or --connection-env NAME");
    }
    if (!IsListenAddress(options_.listen)) {
      return Failure("--listen: '" + options_.listen +
                     "' is not ADDR:PORT; expected as in 127.0.0.1:8080 or [::]:8080");
    }
    if (output_ == "json") options_.output = Options::Output::kJson;
    if (output_ == "yaml") options_.output = Options::Output::kYaml;
    if (output_ == "svg") options_.output = Options::Output::kSvg;
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
  std::string from_;
  std::string to_;
  std::string every_;
  std::string output_ = "text";
  std::string colour_ = "auto";
  std::string log_level_ = "info";
};

}  // namespace

CommandLine DescribeCommandLine() { return Parser().Describe(); }

ParsedOptions ParseOptions(const std::vector<std::string>& arguments) { return Parser().Parse(arguments); }

}  // namespace partition_controller
