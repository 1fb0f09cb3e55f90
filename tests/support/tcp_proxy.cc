#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

namespace partition_controller {
namespace {

constexpr int kTickMilliseconds = 5;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Moves what is there; false when the sender has ended or either side broke.
bool Move(int from, int to) {
  std::array<char, 65536> buffer{};
  const ssize_t n = recv(from, buffer.data(), buffer.size(), 0);
  if (n <= 0) return false;
  for (ssize_t sent = 0; sent < n;) {
    const ssize_t m = send(to, buffer.data() + sent, static_cast<std::size_t>(n - sent), MSG_NOSIGNAL);
    if (m <= 0) return false;
    sent += m;
  }
  return true;
}

}  // namespace

TcpProxy::TcpProxy(int port) : target_(port) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || bind(listener_, generic, length) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, generic, &length) != 0) {
    throw std::runtime_error("cannot listen on 127.0.0.1");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

TcpProxy::~TcpProxy() {
  done_ = true;
  thread_.join();
  for (const Pair& pair : pairs_) Close(pair, true);
  close(listener_);
}

void TcpProxy::Reset() {
  reset_ = true;
  while (reset_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void TcpProxy::Run() {
  while (!done_) {
    if (reset_) {
      for (const Pair& pair : pairs_) Close(pair, true);
      pairs_.clear();
      reset_ = false;
    }
    std::vector<pollfd> fds = {{listener_, POLLIN, 0}};
    if (!stalled_) {
      for (const Pair& pair : pairs_) {
        fds.push_back({pair.client, POLLIN, 0});
        fds.push_back({pair.server, POLLIN, 0});
      }
    }
    poll(fds.data(), fds.size(), kTickMilliseconds);
    std::vector<Pair> open;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const Pair& pair = pairs_[i];
      const bool watched = fds.size() > 1 + 2 * i + 1;
      bool alive = true;
      if (watched && fds[1 + 2 * i].revents != 0) alive = Move(pair.client, pair.server);
      if (alive && watched && fds[2 + 2 * i].revents != 0) alive = Move(pair.server, pair.client);
      if (alive) {
        open.push_back(pair);
      } else {
        Close(pair, false);
      }
    }
    pairs_ = std::move(open);
    if (fds[0].revents != 0) Accept();
  }
}

void TcpProxy::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  ++connections_;
  const Pair pair{client, refused_ ? -1 : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const sockaddr_in address = Loopback(target_);
  if (pair.server < 0 ||
      connect(pair.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    Close(pair, true);
    return;
  }
  // What it moves is small: without this each answer waits 40 ms for the next.
  const int yes = 1;
  for (const int fd : {pair.client, pair.server}) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  pairs_.push_back(pair);
}

void TcpProxy::Close(const Pair& pair, bool reset) {
  const linger at_once{1, 0};
  for (const int fd : {pair.client, pair.server}) {
    if (fd < 0) continue;
    if (reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
  }
}

}  // namespace partition_controller
