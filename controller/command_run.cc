// run: watches the spec files and hands what they say to the controller, until
// it is told to stop.

#include <atomic>
#include <random>
#include <set>

#include "controller/commands.h"
#include "controller/controller.h"
#include "controller/http_server.h"
#include "controller/log.h"
#include "controller/spec_watcher.h"
#include "controller/status_pages.h"

namespace partition_controller {
namespace {

constexpr std::chrono::seconds kPoll{1};
// Without a look at the spec files for so long, the process is not well.
constexpr std::chrono::minutes kPollOverdue{5};

// `known`: the problems that were logged already.
void TakeSpecs(const SpecWatcher& watcher, Controller& controller, Board& board,
               std::set<std::string>& known) {
  const SpecSet& specs = watcher.specs();
  for (const std::string& problem : specs.problems) {
    if (known.contains(problem)) continue;
    Log(Severity::kError, "Found problem in spec file; what was good before stays in force",
        {{"problem", problem}});
  }
  known = {specs.problems.begin(), specs.problems.end()};
  board.SetSpecs(specs.bad_files, watcher.all_known());
  controller.SetPolicies(specs.policies);
  Log(Severity::kInfo, "Loaded policies",
      {{"policies", specs.policies.size()}, {"files_with_problems", specs.bad_files}});
}

int CouldNotStart(const std::string& why) {
  Log(Severity::kError, "Could not start", {{"error", why}});
  return 1;
}

}  // namespace

int RunController(const Options& options, const Surroundings& around) {
  SetLogThreshold(options.log_level);
  // Later a PATH may come and go; at the start a missing one is a slip.
  for (const auto& [path, why, missing] : ListSpecFiles(options.specs).unreadable) {
    return CouldNotStart(path + ": " + why);
  }
  Board board;
  Metrics metrics(board, around.clock);
  Controller controller({.clock = around.clock,
                         .board = board,
                         .metrics = metrics,
                         .connect = around.connect,
                         .operations = around.operations,
                         .acknowledged = options.acknowledged,
                         .holder = around.holder,
                         .seed = std::random_device{}()});
  std::atomic<Instant> polled = around.clock.Now();
  const auto unhealthy = [&]() -> std::string {
    if (around.clock.Now() - polled.load() > kPollOverdue)
      return "the spec files have not been looked at lately";
    return controller.Unhealthy();
  };
  std::optional<HttpServer> server;
  try {
    HttpPages pages{.metrics = [&] { return metrics.Render(); },
                    .unhealthy = unhealthy,
                    .unready = [&] { return Unready(*board.Get()); }};
    AddStatusPages([&] { return StatusPage{board.Get(), around.clock.Now(), false, PC_VERSION}; }, &pages);
    server.emplace(options.listen, std::move(pages));
  } catch (const std::runtime_error& error) {
    return CouldNotStart(error.what());
  }
  Log(Severity::kInfo, "Started",
      {{"version", PC_VERSION}, {"listen", options.listen}, {"port", server->port()}});

  SpecWatcher watcher(options.specs);
  std::set<std::string> known_problems;
  while (!around.stop.stop_requested()) {
    const bool reload = around.reload();
    if (watcher.Poll(reload)) TakeSpecs(watcher, controller, board, known_problems);
    if (reload) controller.ReconcileNow();
    polled = around.clock.Now();
    around.clock.WaitUntil(around.clock.Now() + kPoll, around.stop);
  }
  Log(Severity::kInfo, "Stopping");
  controller.Stop();  // before the server, which takes its time
  return 0;
}

}  // namespace partition_controller
