#include "controller/log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace partition_controller {
namespace {

std::atomic<Severity> g_threshold{Severity::kInfo};

const char* Name(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "INFO";
    case Severity::kWarning:
      return "WARNING";
    case Severity::kError:
      return "ERROR";
  }
  return "ERROR";
}

std::string Rfc3339(std::int64_t unix_milliseconds) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds(unix_milliseconds)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char text[48];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", int{date.year()},
                unsigned{date.month()}, unsigned{date.day()}, static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
                static_cast<int>(clock.subseconds().count()));
  return text;
}

}  // namespace

std::string LogLine(Severity severity, std::string_view message, const std::vector<LogField>& fields,
                    std::int64_t unix_milliseconds) {
  nlohmann::ordered_json line;
  line["time"] = Rfc3339(unix_milliseconds);
  line["severity"] = Name(severity);
  line["message"] = std::string(message);
  for (const LogField& field : fields) {
    std::visit([&](const auto& value) { line[field.key] = value; }, field.value);
  }
  // PostgreSQL and the kernel can hand us any bytes; a log line must not throw.
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void Log(Severity severity, std::string_view message, const std::vector<LogField>& fields) {
  if (severity < g_threshold.load(std::memory_order_relaxed)) return;
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::string line = LogLine(severity, message, fields, now.time_since_epoch().count());
  // One write, so that lines of several threads do not mix; the loop only
  // serves pipes that are full and signals.
  std::size_t written = 0;
  while (written < line.size()) {
    const ssize_t n = ::write(STDERR_FILENO, line.data() + written, line.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nobody is left who could be told
    written += static_cast<std::size_t>(n);
  }
}

void SetLogThreshold(Severity severity) { g_threshold.store(severity, std::memory_order_relaxed); }

}  // namespace partition_controller
