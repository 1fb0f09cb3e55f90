// /metrics, /healthz, /readyz and the status page on one port.
//
// The pages' functions are called on the server's threads.

#ifndef PARTITION_CONTROLLER_CONTROLLER_HTTP_SERVER_H_
#define PARTITION_CONTROLLER_CONTROLLER_HTTP_SERVER_H_

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "controller/mutex.h"

struct mg_context;
struct mg_connection;

namespace partition_controller {

// A page for people.
struct HtmlPage {
  int code = 200;
  std::string html;
  const char* policy = "";  // the value of Content-Security-Policy
};

struct HttpPages {
  std::function<std::string()> metrics;
  // What is wrong; empty: nothing.  A page that says something is a 503.
  std::function<std::string()> unhealthy;
  std::function<std::string()> unready;
  // "/", and "/table?namespace=NAME&policy=NAME" with those names.  Unset: there
  // is no such page.
  std::function<HtmlPage()> overview = nullptr;
  std::function<HtmlPage(const std::string& name_space, const std::string& policy)> table = nullptr;
};

class HttpServer {
 public:
  // `listen` is ADDR:PORT; port 0 takes a free one.  Throws std::runtime_error
  // that says why it cannot listen there.
  HttpServer(const std::string& listen, HttpPages pages);
  // Waits for the requests that are being answered.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;

 private:
  static int LogMessage(const mg_connection* connection, const char* message);
  static int Handle(mg_connection* connection, void* self);
  int Answer(mg_connection* connection);
  int SendHtml(mg_connection* connection, std::string_view path, const char* query, bool head);

  const HttpPages pages_;
  std::atomic<int> readers_{0};  // of pages for people
  Mutex mutex_;
  bool started_ PC_GUARDED_BY(mutex_) = false;
  std::string problem_ PC_GUARDED_BY(mutex_);  // the library's first message while starting
  mg_context* context_ = nullptr;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_HTTP_SERVER_H_
