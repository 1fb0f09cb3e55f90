#include "crd/policy.h"

namespace partition_controller {

const char* ToString(Granularity granularity) {
  switch (granularity) {
    case Granularity::kHour:
      return "Hour";
    case Granularity::kDay:
      return "Day";
    case Granularity::kWeek:
      return "Week";
    case Granularity::kMonth:
      return "Month";
    case Granularity::kQuarter:
      return "Quarter";
    case Granularity::kYear:
      return "Year";
  }
  return "";
}

}  // namespace partition_controller
