#include "controller/progress.h"

#include <algorithm>

#include "crd/text.h"

namespace partition_controller {
namespace {

constexpr std::size_t kBar = 24;
// The bar must stay on one line of a narrow terminal, or it cannot be redrawn.
constexpr std::size_t kWhat = 44;

}  // namespace

void Progress::Show(std::size_t done, std::size_t total, const std::string& what, bool ended) {
  const MutexLock lock(mutex_);
  const std::string count = std::to_string(done) + "/" + std::to_string(total);
  if (!is_terminal_) {
    if (ended) out_ << count << " " << Printable(what) << std::endl;
    return;
  }
  std::string text = Printable(what);
  if (text.size() > kWhat) {
    std::size_t end = kWhat - 3;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
      --end;  // not inside a character
    text = text.substr(0, end) + "...";
  }
  const std::size_t filled = total == 0 ? kBar : kBar * std::min(done, total) / total;
  out_ << "\r\x1b[K[" << std::string(filled, '#') << std::string(kBar - filled, '.') << "] " << count << " "
       << text << std::flush;
  shown_ = true;
}

void Progress::Note(const std::string& text) {
  const MutexLock lock(mutex_);
  if (is_terminal_ || text == noted_) return;
  noted_ = text;
  out_ << Printable(text) << std::endl;
}

void Progress::Clear() {
  const MutexLock lock(mutex_);
  if (shown_) out_ << "\r\x1b[K" << std::flush;
  shown_ = false;
}

}  // namespace partition_controller
