// States of policies for tests of the status page, made the way that a worker
// makes them: a policy, a catalog and a time in, what the board keeps out.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_PAGE_SAMPLE_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_PAGE_SAMPLE_H_

#include <memory>
#include <optional>
#include <string>

#include "controller/status_page.h"

namespace partition_controller {

struct PageSample {
  Policy policy;
  Catalog catalog;
  std::optional<Failure> failure;
};

// A table by the month, as its policy declares: `back` months of rows, which are
// kept, this month, and those that are made ahead.
PageSample MonthlySample(const std::string& name, int back, Instant now);

// Adds an attached partition, as if it had been analysed.
void AddPartition(const std::string& name, const Range& range, std::int64_t bytes, Catalog* catalog);

// What a worker would put on the board after a look at `now`.
std::shared_ptr<const PolicyState> StateOf(const PageSample& sample, Instant now);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_PAGE_SAMPLE_H_
