// partition-controller, or kubectl-partition if that is what it is called: puts
// the parts together and runs one command.

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "controller/command_plugin.h"
#include "controller/commands.h"
#include "controller/connection.h"
#include "controller/options.h"
#include "controller/plugin_options.h"
#include "controller/postgres.h"
#include "controller/signals.h"

namespace {

constexpr int kLargeAnswer = 128 * 1024;

// Names this process in the bookkeeping, for people.
std::string Holder() {
  char host[256] = "unknown";
  gethostname(host, sizeof host - 1);
  return std::string(host) + ":" + std::to_string(getpid());
}

int Run(const std::vector<std::string>& arguments) {
  using namespace partition_controller;
  const ParsedOptions parsed = ParseOptions(arguments);
  std::cout << parsed.out;
  std::cerr << parsed.err;
  if (!parsed.options) return parsed.exit_code;

  Signals signals;  // before any other thread
  SystemClock clock;
  const Surroundings around{
      .out = std::cout,
      .err = std::cerr,
      .out_is_terminal = isatty(STDOUT_FILENO) == 1,
      .err_is_terminal = isatty(STDERR_FILENO) == 1,
      .clock = clock,
      .connect = [](const ConnectionSpec& spec) { return ConnectPostgres(ResolveConnection(spec)); },
      .operations = {},
      .holder = Holder(),
      .stop = signals.stop(),
      .reload = [&signals] { return signals.TakeReload(); },
      .connect_with =
          [](const ConnectionSpec& spec, const SecretReader& secrets) {
            return ConnectPostgres(ResolveConnection(spec, secrets));
          }};
  return RunCommand(*parsed.options, around);
}

// As kubectl starts it.
int RunAsPlugin(const std::vector<std::string>& arguments) {
  using namespace partition_controller;
  const ParsedPluginOptions parsed = ParsePluginOptions(arguments);
  std::cout << parsed.out;
  std::cerr << parsed.err;
  if (!parsed.options) return parsed.exit_code;
  const Signals signals;
  SystemClock clock;
  return RunPlugin(*parsed.options, clock, signals.stop(), std::cout, std::cerr);
}

}  // namespace

int main(int argc, char** argv) {
  // A few threads that mostly sleep need no heap each.  And large answers are given
  // back at once: a threshold that was set, be it to its default, does not grow with
  // what is freed (mallopt(3)).
  mallopt(M_ARENA_MAX, 2);                  // NOLINT(concurrency-mt-unsafe): there is one thread yet
  mallopt(M_MMAP_THRESHOLD, kLargeAnswer);  // NOLINT(concurrency-mt-unsafe): likewise
  try {
    const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    const bool plugin = argc > 0 && partition_controller::IsPlugin(argv[0]);
    const int code = plugin ? RunAsPlugin(arguments) : Run(arguments);
    if (std::cout.flush()) return code;
    std::cerr << "partition-controller: cannot write the output\n";
  } catch (const std::exception& error) {
    std::cerr << "partition-controller: " << error.what() << "\n";
  }
  return 1;
}
