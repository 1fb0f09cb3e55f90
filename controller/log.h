// Logs for machines: JSON on stderr, one object a line.
//
// The message is constant and names what happened; what varies goes into the
// fields.  Connection strings and row values go nowhere.  Thread-safe: a line
// is one write.

#ifndef PARTITION_CONTROLLER_CONTROLLER_LOG_H_
#define PARTITION_CONTROLLER_CONTROLLER_LOG_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace partition_controller {

// The names that Cloud Logging lifts out of `severity`.
enum class Severity { kInfo, kWarning, kError };

struct LogField {
  LogField(const char* field, std::string text) : key(field), value(std::move(text)) {}
  LogField(const char* field, std::string_view text) : key(field), value(std::string(text)) {}
  LogField(const char* field, const char* text) : key(field), value(std::string(text)) {}
  LogField(const char* field, std::integral auto number)
      : key(field), value(static_cast<std::int64_t>(number)) {}
  LogField(const char* field, bool truth) : key(field), value(truth) {}
  LogField(const char* field, double number) : key(field), value(number) {}

  const char* key;
  std::variant<std::string, std::int64_t, double, bool> value;
};

// {"time":"2026-11-05T12:00:00.123Z","severity":"INFO","message":...,fields}
// and a newline.  Bytes that are not UTF-8 are replaced.
std::string LogLine(Severity severity, std::string_view message, const std::vector<LogField>& fields,
                    std::int64_t unix_milliseconds);

void Log(Severity severity, std::string_view message, const std::vector<LogField>& fields = {});

// Lines below it are not written.  The default is kInfo.
void SetLogThreshold(Severity severity);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_LOG_H_
