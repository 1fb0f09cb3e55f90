#include "crd/spelling.h"

#include <algorithm>
#include <string>

namespace partition_controller {
namespace {

// Longer words are not typing errors, and hostile ones would cost time.
constexpr std::size_t kLongestWord = 64;

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace

std::size_t EditDistance(std::string_view a, std::string_view b) {
  // Three rows of the usual table are enough, with the one before last for swaps.
  std::vector<std::size_t> older(b.size() + 1), old(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(older, old);
    std::swap(old, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = old[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, old[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], older[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::optional<std::string_view> Nearest(std::string_view word, const std::vector<std::string_view>& words) {
  if (word.empty() || word.size() > kLongestWord) return std::nullopt;
  const std::string lower = Lower(word);
  std::optional<std::string_view> nearest;
  std::size_t best = std::min<std::size_t>(3, (word.size() + 2) / 3) + 1;
  for (const std::string_view candidate : words) {
    const std::size_t distance = EditDistance(lower, Lower(candidate));
    // A word of which every letter differs is not near, however short it is.
    if (distance >= best || distance >= std::max(word.size(), candidate.size())) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest;
}

}  // namespace partition_controller
