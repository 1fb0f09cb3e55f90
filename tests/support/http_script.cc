#include "tests/support/http_script.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace partition_controller {
namespace {

constexpr int kTickMilliseconds = 20;

// Whether a whole request is there.
bool IsWhole(const std::string& request) {
  const std::size_t end = request.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  const std::size_t length = request.find("Content-Length:");
  if (length == std::string::npos || length > end) return true;
  return request.size() - end - 4 >= std::stoul(request.substr(length + 15));
}

}  // namespace

HttpScript::HttpScript() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || bind(listener_, generic, length) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, generic, &length) != 0) {
    throw std::runtime_error("cannot listen on 127.0.0.1");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

HttpScript::~HttpScript() {
  done_ = true;
  thread_.join();
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
}

void HttpScript::Answer(int status, const std::string& body, const std::string& headers) {
  const std::lock_guard lock(mutex_);
  script_.push_back({"HTTP/1.1 " + std::to_string(status) +
                         " Scripted\r\nContent-Type: application/json\r\n" + headers +
                         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body,
                     false});
}

void HttpScript::AnswerRaw(const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  script_.push_back({bytes, true});
}

std::vector<std::string> HttpScript::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpScript::Run() {
  while (!done_) {
    pollfd fd{listener_, POLLIN, 0};
    if (poll(&fd, 1, kTickMilliseconds) <= 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) threads_.emplace_back([this, client] { Serve(client); });
  }
}

void HttpScript::Serve(int client) {
  std::string request;
  bool open = true;
  while (open && !done_) {
    pollfd fd{client, POLLIN, 0};
    if (poll(&fd, 1, kTickMilliseconds) <= 0) continue;
    std::array<char, 4096> buffer{};
    const ssize_t n = recv(client, buffer.data(), buffer.size(), 0);
    if (n <= 0) break;
    request.append(buffer.data(), static_cast<std::size_t>(n));
    if (!IsWhole(request)) continue;
    Scripted next{"", true};
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(std::move(request));
      if (!script_.empty()) {
        next = std::move(script_.front());
        script_.pop_front();
      }
    }
    request.clear();
    send(client, next.bytes.data(), next.bytes.size(), MSG_NOSIGNAL);
    open = !next.last;
  }
  close(client);
}

}  // namespace partition_controller
