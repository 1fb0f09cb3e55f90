#include "controller/connection.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace partition_controller {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} * 1024;

std::string ReadSmallFile(const std::string& path) {
  const auto fail = [&](const std::string& why) -> std::string {
    throw ConnectionProblem("connection file " + path + " " + why);
  };
  // O_NONBLOCK: a FIFO without a writer must not hold the worker up.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail("cannot be opened: " + std::generic_category().message(errno));
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while (text.size() <= kMaxBytes && (n = ::read(fd, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  const int error = n < 0 ? errno : 0;
  ::close(fd);
  if (error != 0) return fail("cannot be read: " + std::generic_category().message(error));
  if (text.size() > kMaxBytes) return fail("is larger than 64 KiB; expected one connection string");
  return text;
}

std::string Trim(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

std::string ResolveConnection(const ConnectionSpec& connection, const SecretReader& secrets) {
  std::string uri;
  if (connection.secret_ref) {
    if (!secrets) {
      throw ConnectionProblem(
          "secretRef is for policies in a cluster (run --kubernetes); use env or file in a policy file");
    }
    uri = Trim(secrets(*connection.secret_ref));
  } else if (!connection.env.empty()) {
    // Nothing in this program writes to the environment.
    const char* value = std::getenv(connection.env.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr) throw ConnectionProblem("environment variable " + connection.env + " is not set");
    uri = Trim(value);
  } else {
    uri = Trim(ReadSmallFile(connection.file));
  }
  if (uri.empty()) throw ConnectionProblem(Describe(connection) + " is empty; expected a connection string");
  // libpq would stop reading there, and connect with the first half.
  if (uri.find('\0') != std::string::npos)
    throw ConnectionProblem(Describe(connection) + " holds a NUL byte");
  return uri;
}

std::string Describe(const ConnectionSpec& connection) {
  if (connection.secret_ref)
    return "Secret " + connection.secret_ref->name_space + "/" + connection.secret_ref->name + ", key " +
           connection.secret_ref->key;
  if (!connection.env.empty()) return "environment variable " + connection.env;
  return "connection file " + connection.file;
}

}  // namespace partition_controller
