#include "controller/session.h"

#include "reconcilers/sql.h"

namespace partition_controller {

DatabaseError::Kind ClassifySqlState(const std::string& sqlstate) {
  using Kind = DatabaseError::Kind;
  static const struct {
    const char* prefix;
    Kind kind;
  } kKinds[] = {
      {"55P03", Kind::kLockTimeout},   {"40P01", Kind::kLockTimeout}, {"57014", Kind::kCancelled},
      {"40001", Kind::kSerialization}, {"42501", Kind::kPermission},  {"25006", Kind::kReadOnly},
      {"28", Kind::kAuthentication},   {kStaleState, Kind::kStale},   {kNotEmptyState, Kind::kStale},
      {"42P01", Kind::kStale},         {"42P07", Kind::kStale},       {"42P17", Kind::kStale},
      {"23514", Kind::kStale},         {"55000", Kind::kStale},       {"25P03", Kind::kUnreachable},
      {"57P", Kind::kUnreachable},     {"08", Kind::kUnreachable},    {"53300", Kind::kUnreachable},
  };
  for (const auto& known : kKinds) {
    if (sqlstate.starts_with(known.prefix)) return known.kind;
  }
  return Kind::kOther;
}

}  // namespace partition_controller
