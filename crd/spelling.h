// "Did you mean": the known word nearest to what was written.

#ifndef PARTITION_CONTROLLER_CRD_SPELLING_H_
#define PARTITION_CONTROLLER_CRD_SPELLING_H_

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace partition_controller {

// How many letters must be added, removed, replaced or swapped with their
// neighbour to make one word the other.  Bytes, not characters.
std::size_t EditDistance(std::string_view a, std::string_view b);

// The nearest of `words`, ignoring case; nothing if none is near enough to be
// what was meant.  Of equally near ones the first.
std::optional<std::string_view> Nearest(std::string_view word, const std::vector<std::string_view>& words);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CRD_SPELLING_H_
