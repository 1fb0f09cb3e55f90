#include "controller/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "controller/metrics.h"
#include "tests/fakes/fake_clock.h"

namespace partition_controller {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// One request over a socket of its own; the whole answer.
std::string Ask(int port, const std::string& request) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string text = request + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    char buffer[4096];
    for (ssize_t n = 0; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(n));
    }
  }
  close(fd);
  return answer;
}

// One server for all of them: it takes two seconds to stop.
class HttpServerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ =
        std::make_unique<HttpServer>("127.0.0.1:0", HttpPages{[] { return std::string("metric 1\n"); },
                                                              [] { return std::string(unhealthy_.load()); },
                                                              [] { return std::string(unready_.load()); }});
  }
  static void TearDownTestSuite() { server_.reset(); }
  void TearDown() override { unhealthy_ = unready_ = ""; }

  static inline std::atomic<const char*> unhealthy_{""};
  static inline std::atomic<const char*> unready_{""};
  static inline std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, TakesAFreePort) { EXPECT_GT(server_->port(), 0); }

TEST_F(HttpServerTest, ServesMetricsAsText) {
  const std::string answer = Ask(server_->port(), "GET /metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nmetric 1\n"));
}

TEST_F(HttpServerTest, HealthIsYesOrAReason) {
  EXPECT_THAT(Ask(server_->port(), "GET /healthz"), EndsWith("\r\n\r\nok\n"));
  unhealthy_ = "stuck";
  const std::string answer = Ask(server_->port(), "GET /healthz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, EndsWith("stuck\n"));
}

TEST_F(HttpServerTest, ReadinessIsYesOrAReason) {
  EXPECT_THAT(Ask(server_->port(), "GET /readyz"), StartsWith("HTTP/1.1 200 OK\r\n"));
  unready_ = "not yet";
  EXPECT_THAT(Ask(server_->port(), "GET /readyz"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  const std::string answer = Ask(server_->port(), "HEAD /metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 9\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, EverythingElseIsNotThere) {
  for (const char* path :
       {"/", "/metrics/", "/metrics/x", "/METRICS", "/healthz/..", "/favicon.ico", "/..%2fetc"}) {
    EXPECT_THAT(Ask(server_->port(), "GET " + std::string(path)), StartsWith("HTTP/1.1 404 ")) << path;
  }
}

TEST_F(HttpServerTest, AQueryIsIgnored) {
  EXPECT_THAT(Ask(server_->port(), "GET /metrics?name[]=x"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServerTest, OnlyGetAndHead) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    const std::string answer = Ask(server_->port(), std::string(method) + " /metrics");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 ")) << method;
    EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n")) << method;
  }
}

TEST_F(HttpServerTest, AnswersManyAtOnce) {
  constexpr int kClients = 8;
  std::vector<std::jthread> threads;
  threads.reserve(kClients);
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([] {
      for (int n = 0; n < 5; ++n) EXPECT_THAT(Ask(server_->port(), "GET /healthz"), EndsWith("ok\n"));
    });
  }
}

TEST_F(HttpServerTest, APortThatIsTakenIsSaidClearly) {
  const std::string listen = "127.0.0.1:" + std::to_string(server_->port());
  try {
    const HttpServer second(listen, {});
    FAIL() << "it listens on a taken port";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), StartsWith("cannot listen on " + listen));
    EXPECT_THAT(error.what(), HasSubstr("Address already in use"));
  }
}

// A socket that is open and says nothing, as browsers keep some.
class Idle {
 public:
  explicit Idle(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Idle() { close(fd_); }
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;

 private:
  const int fd_;
};

class HttpServerHtmlTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    HttpPages pages{[] { return std::string("metric 1\n"); }, [] { return std::string(); },
                    [] { return std::string(); }};
    pages.overview = [] {
      ++readers_;
      readers_.notify_all();
      held_.wait(true);
      return HtmlPage{200, "<p>all", "default-src 'none'"};
    };
    pages.table = [](const std::string& name_space, const std::string& policy) {
      return policy == "events/hourly" ? HtmlPage{200, "<p>" + name_space, "default-src 'none'"}
                                       : HtmlPage{404, "<p>none: " + policy, "default-src 'none'"};
    };
    server_ = std::make_unique<HttpServer>("127.0.0.1:0", std::move(pages));
  }
  static void TearDownTestSuite() { server_.reset(); }

  static inline std::atomic<bool> held_{false};
  static inline std::atomic<int> readers_{0};
  static inline std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerHtmlTest, PagesForPeopleAreGuarded) {
  const std::string answer = Ask(server_->port(), "GET /");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  for (const char* header :
       {"Content-Type: text/html; charset=utf-8\r\n", "Content-Security-Policy: default-src 'none'\r\n",
        "X-Content-Type-Options: nosniff\r\n", "Cache-Control: no-store\r\n",
        "Referrer-Policy: no-referrer\r\n"}) {
    EXPECT_THAT(answer, HasSubstr(header));
  }
  EXPECT_THAT(answer, EndsWith("\r\n\r\n<p>all"));
  EXPECT_THAT(Ask(server_->port(), "HEAD /"), EndsWith("\r\n\r\n"));
  EXPECT_THAT(Ask(server_->port(), "POST /"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Ask(server_->port(), "GET /index.html"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpServerHtmlTest, ATableIsNamedInTheQuery) {
  EXPECT_THAT(Ask(server_->port(), "GET /table?namespace=shop&policy=events%2Fhourly"), EndsWith("<p>shop"));
  EXPECT_THAT(Ask(server_->port(), "GET /table?policy=%3Cscript%3E"), EndsWith("<p>none: <script>"));
  EXPECT_THAT(Ask(server_->port(), "GET /table"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask(server_->port(), "GET /table?policy=" + std::string(4'000, 'x')), EndsWith("<p>none: "));
  EXPECT_THAT(Ask(server_->port(), "GET /table?policy=a%00b&namespace=%zz"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask(server_->port(), "DELETE /table?policy=events"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(HttpServerHtmlTest, PeopleDoNotKeepProbesWaiting) {
  const int port = server_->port();
  const int before = readers_;
  held_ = true;
  std::vector<std::jthread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] { EXPECT_THAT(Ask(port, "GET /"), EndsWith("<p>all")); });
  }
  for (int seen = readers_; seen < before + 4; seen = readers_) readers_.wait(seen);
  EXPECT_THAT(Ask(port, "GET /"), StartsWith("HTTP/1.1 503 "));
  const Idle one(port);
  const Idle two(port);
  EXPECT_THAT(Ask(port, "GET /healthz"), EndsWith("ok\n"));
  EXPECT_THAT(Ask(port, "GET /metrics"), EndsWith("metric 1\n"));
  held_ = false;
  held_.notify_all();
  readers.clear();
  EXPECT_THAT(Ask(port, "GET /"), EndsWith("<p>all"));
}

TEST(HttpServerPageTest, RealMetricsAndAPageThatThrows) {
  const FakeClock clock;
  Board board;
  const Metrics metrics(board, clock);
  const HttpServer server(
      "127.0.0.1:0",
      {[&] { return metrics.Render(); }, []() -> std::string { throw std::runtime_error("broken"); }, {}});
  EXPECT_THAT(Ask(server.port(), "GET /metrics"), HasSubstr("\nprocess_resident_memory_bytes "));
  testing::internal::CaptureStderr();
  EXPECT_THAT(Ask(server.port(), "GET /healthz"), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("broken"));
}

}  // namespace
}  // namespace partition_controller
