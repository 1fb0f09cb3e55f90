// partition_bench [--list] [--smoke] [--full] [NAME...]
//
// Measures what docs promise.  scripts/bench builds and runs it.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>

#include "tests/bench/bench.h"

namespace partition_controller::bench {
namespace {

int Usage() {
  std::fputs("usage: partition_bench [--list] [--smoke] [--full] [NAME...]\n", stderr);
  return 2;
}

int Main(int argc, char** argv) {
  Options options;
  options.self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--list") {
      for (const Benchmark& one : All()) std::printf("%-12s %s\n", one.name.c_str(), one.what.c_str());
      return 0;
    }
    if (argument == "--tick-memory" && i + 2 < argc)
      return PrintTickMemory(argv[i + 1], std::atoi(argv[i + 2]));
    if (argument == "--smoke") {
      options.smoke = true;
    } else if (argument == "--full") {
      options.full = true;
    } else if (argument.starts_with("-")) {
      return Usage();
    } else {
      names.push_back(argument);
    }
  }
  for (const std::string& name : names) {
    if (std::none_of(All().begin(), All().end(), [&](const Benchmark& one) { return one.name == name; })) {
      std::fprintf(stderr, "there is no benchmark %s; --list names them\n", name.c_str());
      return 2;
    }
  }
  Report report(!options.smoke);
  for (const Benchmark& one : All()) {
    if (!names.empty() && std::find(names.begin(), names.end(), one.name) == names.end()) continue;
    report.Begin(one.name);
    try {
      one.run(options, report);
    } catch (const std::exception& error) {
      std::string what = error.what();
      what.erase(what.find_last_not_of(" \n") + 1);
      report.Require("runs to its end: " + what, false);
    }
  }
  return report.End() ? 0 : 1;
}

}  // namespace
}  // namespace partition_controller::bench

int main(int argc, char** argv) { return partition_controller::bench::Main(argc, argv); }
