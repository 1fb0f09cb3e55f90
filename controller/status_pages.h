// Serves the status page.

#ifndef PARTITION_CONTROLLER_CONTROLLER_STATUS_PAGES_H_
#define PARTITION_CONTROLLER_CONTROLLER_STATUS_PAGES_H_

#include <functional>

#include "controller/http_server.h"
#include "controller/status_page.h"

namespace partition_controller {

// `values` is called for each request, on the server's threads: it copies what
// is known, and asks nobody.
inline void AddStatusPages(const std::function<StatusPage()>& values, HttpPages* pages) {
  pages->overview = [values] { return HtmlPage{200, OverviewPage(values()), kStatusPagePolicy}; };
  pages->table = [values](const std::string& name_space, const std::string& policy) {
    const StatusPage page = values();
    std::optional<std::string> html = TablePage(page, {name_space, policy});
    return html ? HtmlPage{200, *std::move(html), kStatusPagePolicy}
                : HtmlPage{404, NoTablePage(page), kStatusPagePolicy};
  };
}

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_STATUS_PAGES_H_
