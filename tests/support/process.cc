#include "tests/support/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace partition_controller {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void FailErrno(const std::string& what) {
  const int error = errno;
  throw std::runtime_error(what + ": " + std::generic_category().message(error));
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::optional<std::pair<uid_t, gid_t>> Unprivileged() {
  if (geteuid() != 0) return std::nullopt;
  for (const char* name : {"postgres", "nobody"}) {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (getpwnam_r(name, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
      return std::make_pair(entry.pw_uid, entry.pw_gid);
    }
  }
  throw std::runtime_error("there is no user postgres or nobody");
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t n = pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace

// Between fork and exec only system calls: another thread may have held the
// allocator's lock.
Process::Process(std::vector<std::string> command, const Options& options) {
  const std::vector<char*> argv = Pointers(command);
  std::vector<std::string> variables = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C",
                                        "TZ=UTC"};
  for (const auto& [name, value] : options.environment) {
    variables.push_back(name);
    variables.back() += "=" + value;
  }
  // A program built with a sanitizer is held to the same rules as its test.
  for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here sets any
    if (value != nullptr) variables.push_back(std::string(name) + "=" + value);
  }
  const std::vector<char*> envp = Pointers(variables);
  const auto account = options.unprivileged ? Unprivileged() : std::nullopt;
  out_ = memfd_create("out", MFD_CLOEXEC);
  err_ = memfd_create("err", MFD_CLOEXEC);
  if (out_ < 0 || err_ < 0) FailErrno("memfd_create");

  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) FailErrno("fork");
  if (pid_ > 0) return;

  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2})
    signal(number, SIG_DFL);
  setsid();
  if (account && (setgid(account->second) != 0 || setuid(account->first) != 0)) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // after setuid, which clears it
  if (getppid() != parent) _exit(126);
  const int null_fd = open("/dev/null", O_RDONLY);
  if (null_fd < 0 || chdir(options.directory.c_str()) != 0 || dup2(null_fd, 0) < 0 || dup2(out_, 1) < 0 ||
      dup2(err_, 2) < 0) {
    _exit(126);
  }
  execve(argv[0], argv.data(), envp.data());
  _exit(127);
}

Process::~Process() {
  if (Running()) {
    kill(pid_, SIGKILL);
    Wait();
  }
  close(out_);
  close(err_);
}

bool Process::Running() { return !Wait(std::chrono::seconds(0)); }

void Process::Signal(int number) const {
  if (!code_) kill(pid_, number);
}

std::optional<int> Process::Wait(std::chrono::seconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!code_) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      break;
    }
    if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return code_;
}

std::string Process::Out() const { return ReadAll(out_); }
std::string Process::Err() const { return ReadAll(err_); }

Finished RunProgram(std::vector<std::string> command, const Process::Options& options) {
  Process process(std::move(command), options);
  const std::optional<int> code = process.Wait();
  return {code.value_or(-1), process.Out(), process.Err()};
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool bound = fd >= 0 && bind(fd, generic, length) == 0 && getsockname(fd, generic, &length) == 0;
  close(fd);
  if (!bound) throw std::runtime_error("no free port on 127.0.0.1");
  return ntohs(address.sin_port);
}

ScratchFolder::ScratchFolder() : path_("/tmp/pc-test-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) FailErrno("cannot make " + path_);
  fs::permissions(path_, fs::perms::all);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string ScratchFolder::Write(const std::string& name, const std::string& text) const {
  std::string path = path_ + "/" + name;
  const std::string unfinished = path_ + "/." + name;
  {
    std::ofstream file(unfinished);
    file << text;
    if (!file.flush()) throw std::runtime_error("cannot write " + unfinished);
  }
  fs::permissions(unfinished, fs::perms(0644));
  fs::rename(unfinished, path);
  return path;
}

void ScratchFolder::Remove(const std::string& name) const { fs::remove(path_ + "/" + name); }

std::optional<std::string> HttpGet(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) FailErrno("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
      std::array<char, 65536> buffer{};
      ssize_t n = 0;
      while ((n = recv(fd, buffer.data(), buffer.size(), 0)) > 0) {
        answer.append(buffer.data(), static_cast<std::size_t>(n));
      }
    }
  }
  close(fd);
  const std::size_t body = answer.find("\r\n\r\n");
  if (body == std::string::npos || answer.find(" 200 ") != 8) return std::nullopt;
  return answer.substr(body + 4);
}

}  // namespace partition_controller
