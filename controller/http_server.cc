#include "controller/http_server.h"

#include <civetweb.h>

#include <cstring>
#include <stdexcept>
#include <string_view>

#include "controller/log.h"

namespace partition_controller {
namespace {

// `head`: the answer to HEAD has the headers of the one to GET, and no body.
int Send(mg_connection* connection, int code, const char* type, const std::string& body, bool head,
         const char* more = "") {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\n%sConnection: close\r\n\r\n",
            code, mg_get_response_code_text(connection, code), type, body.size(), more);
  if (!head) mg_write(connection, body.data(), body.size());
  return code;
}

constexpr const char* kText = "text/plain; charset=utf-8";

int SendNotFound(mg_connection* connection, bool head) {
  return Send(connection, 404, kText, "not found; there are /, /metrics, /healthz and /readyz\n", head);
}

// So many people may read at a time: the other threads are for machines.
constexpr int kMostReaders = 4;

class Counted {
 public:
  explicit Counted(std::atomic<int>& counter) : counter_(counter), count_(++counter) {}
  ~Counted() { --counter_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  // With itself, when it began.
  int count() const { return count_; }

 private:
  std::atomic<int>& counter_;
  const int count_;
};

// Of a URL's query, decoded; empty if it is not there, or too long to be a name.
std::string Parameter(const char* query, const char* name) {
  char value[1024];
  if (query == nullptr) return "";
  const int length = mg_get_var(query, std::strlen(query), name, value, sizeof value);
  return length > 0 ? std::string(value, static_cast<std::size_t>(length)) : "";
}

int SendHealth(mg_connection* connection, const std::string& problem, bool head) {
  return problem.empty() ? Send(connection, 200, kText, "ok\n", head)
                         : Send(connection, 503, kText, problem + "\n", head);
}

}  // namespace

HttpServer::HttpServer(const std::string& listen, HttpPages pages) : pages_(std::move(pages)) {
  // Neither a scrape that stalls nor people's browsers, which hold connections
  // open that they may need, must keep a probe waiting.
  const char* options[] = {"listening_ports",    listen.c_str(), "num_threads", "8",
                           "request_timeout_ms", "5000",         nullptr};
  mg_callbacks callbacks{};
  callbacks.log_message = &HttpServer::LogMessage;
  context_ = mg_start(&callbacks, this, options);
  const MutexLock lock(mutex_);
  if (context_ == nullptr) {
    throw std::runtime_error("cannot listen on " + listen + (problem_.empty() ? "" : ": " + problem_));
  }
  started_ = true;
  mg_set_request_handler(context_, "**", &HttpServer::Handle, this);
}

HttpServer::~HttpServer() { mg_stop(context_); }

int HttpServer::port() const {
  mg_server_port port{};
  return mg_get_server_ports(context_, 1, &port) == 1 ? port.port : 0;
}

int HttpServer::LogMessage(const mg_connection* connection, const char* message) {
  auto* self = static_cast<HttpServer*>(mg_get_user_data(mg_get_context(connection)));
  const MutexLock lock(self->mutex_);
  if (self->started_) {
    Log(Severity::kWarning, "HTTP server reported a problem", {{"problem", message}});
  } else if (self->problem_.empty()) {
    self->problem_ = message;  // the cause; later ones only follow from it
  }
  return 1;  // not into a file of the library's own
}

int HttpServer::Handle(mg_connection* connection, void* self) {
  try {
    return static_cast<HttpServer*>(self)->Answer(connection);
  } catch (const std::exception& error) {
    Log(Severity::kError, "HTTP page failed", {{"error", error.what()}});
    return Send(connection, 500, kText, "internal error\n", false);
  }
}

int HttpServer::SendHtml(mg_connection* connection, std::string_view path, const char* query, bool head) {
  const Counted reader(readers_);
  if (reader.count() > kMostReaders) {
    return Send(connection, 503, kText, "too many readers at a time; try again\n", head,
                "Retry-After: 1\r\n");
  }
  const HtmlPage page = path == "/" ? pages_.overview()
                                    : pages_.table(Parameter(query, "namespace"), Parameter(query, "policy"));
  const std::string more =
      std::string("Content-Security-Policy: ") + page.policy + "\r\nReferrer-Policy: no-referrer\r\n";
  return Send(connection, page.code, "text/html; charset=utf-8", page.html, head, more.c_str());
}

int HttpServer::Answer(mg_connection* connection) {
  const mg_request_info* request = mg_get_request_info(connection);
  const std::string_view method = request->request_method;
  const std::string_view path = request->local_uri == nullptr ? "" : request->local_uri;
  const bool head = method == "HEAD";
  const bool for_people = (path == "/" && pages_.overview) || (path == "/table" && pages_.table);
  if (!for_people && path != "/metrics" && path != "/healthz" && path != "/readyz") {
    return SendNotFound(connection, head);
  }
  if (method != "GET" && !head) {
    return Send(connection, 405, kText, "only GET and HEAD\n", head, "Allow: GET, HEAD\r\n");
  }
  if (for_people) return SendHtml(connection, path, request->query_string, head);
  if (path == "/metrics") {
    return Send(connection, 200, "text/plain; version=0.0.4; charset=utf-8", pages_.metrics(), head);
  }
  return SendHealth(connection, path == "/healthz" ? pages_.unhealthy() : pages_.unready(), head);
}

}  // namespace partition_controller
