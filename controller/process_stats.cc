#include "controller/process_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace partition_controller {
namespace {

// When the machine started, in seconds since the epoch.
double BootTime() {
  std::ifstream stat("/proc/stat");
  std::string word;
  while (stat >> word) {
    double seconds = 0;
    if (word == "btime" && stat >> seconds) return seconds;
    std::getline(stat, word);
  }
  return 0;
}

}  // namespace

std::optional<ProcessStats> ReadProcessStats() {
  std::ifstream stat("/proc/self/stat");
  std::string line;
  if (!std::getline(stat, line)) return std::nullopt;
  // The second field is the name in parentheses, which may hold anything.
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(line.substr(name_end + 1));
  std::vector<std::string> fields(3);  // so that the indexes are those of proc(5)
  for (std::string field; rest >> field;) fields.push_back(field);
  if (fields.size() < 25) return std::nullopt;
  const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const double page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  ProcessStats stats;
  stats.cpu_seconds = (std::stod(fields[14]) + std::stod(fields[15])) / ticks;
  stats.threads = std::stod(fields[20]);
  stats.start_time_seconds = BootTime() + std::stod(fields[22]) / ticks;
  stats.virtual_bytes = std::stod(fields[23]);
  stats.resident_bytes = std::stod(fields[24]) * page;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error)) {
    ++stats.open_fds;
  }
  if (stats.open_fds > 0) --stats.open_fds;  // the one that this loop held
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.max_fds = static_cast<double>(limit.rlim_cur);
  return stats;
}

}  // namespace partition_controller
