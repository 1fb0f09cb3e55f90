// This process as the kernel sees it, for the metrics process_*.

#ifndef PARTITION_CONTROLLER_CONTROLLER_PROCESS_STATS_H_
#define PARTITION_CONTROLLER_CONTROLLER_PROCESS_STATS_H_

#include <optional>

namespace partition_controller {

struct ProcessStats {
  double cpu_seconds = 0;
  double start_time_seconds = 0;  // since the epoch
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double open_fds = 0;
  double max_fds = 0;
  double threads = 0;
};

// Nothing where /proc cannot be read.
std::optional<ProcessStats> ReadProcessStats();

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_PROCESS_STATS_H_
