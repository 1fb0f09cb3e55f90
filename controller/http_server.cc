#include "controller/http_server.h"

#include <civetweb.h>

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

int SendHealth(mg_connection* connection, const std::string& problem, bool head) {
  return problem.empty() ? Send(connection, 200, kText, "ok\n", head)
                         : Send(connection, 503, kText, problem + "\n", head);
}

}  // namespace

HttpServer::HttpServer(const std::string& listen, HttpPages pages) : pages_(std::move(pages)) {
  // Two threads: a scrape that stalls must not keep a probe waiting.
  const char* options[] = {"listening_ports",    listen.c_str(), "num_threads", "2",
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
    return static_cast<const HttpServer*>(self)->Answer(connection);
  } catch (const std::exception& error) {
    Log(Severity::kError, "HTTP page failed", {{"error", error.what()}});
    return Send(connection, 500, kText, "internal error\n", false);
  }
}

int HttpServer::Answer(mg_connection* connection) const {
  const mg_request_info* request = mg_get_request_info(connection);
  const std::string_view method = request->request_method;
  const std::string_view path = request->local_uri == nullptr ? "" : request->local_uri;
  const bool head = method == "HEAD";
  if (path != "/metrics" && path != "/healthz" && path != "/readyz") {
    return Send(connection, 404, kText, "not found; there are /metrics, /healthz and /readyz\n", head);
  }
  if (method != "GET" && !head) {
    return Send(connection, 405, kText, "only GET and HEAD\n", head, "Allow: GET, HEAD\r\n");
  }
  if (path == "/metrics") {
    return Send(connection, 200, "text/plain; version=0.0.4; charset=utf-8", pages_.metrics(), head);
  }
  return SendHealth(connection, path == "/healthz" ? pages_.unhealthy() : pages_.unready(), head);
}

}  // namespace partition_controller
