#include "tests/support/postgres_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <pqxx/pqxx>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace partition_controller {

namespace fs = std::filesystem;

namespace {

// Not $TMPDIR: a Unix socket's path may be no longer than 107 characters, and
// root's own temporary folder may be closed to the server's user.
constexpr char kParent[] = "/tmp";
constexpr char kPrefix[] = "pc-postgres-";

constexpr int kOldestMajor = 13;
constexpr int kNewestMajor = 18;
constexpr std::chrono::seconds kStartTimeout{60};
constexpr std::chrono::seconds kStopTimeout{30};

[[noreturn]] void Fail(const std::string& message) { throw std::runtime_error(message); }
[[noreturn]] void FailErrno(const std::string& what) {
  const int error = errno;
  Fail(what + ": " + std::generic_category().message(error));
}

std::string Env(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here sets any
  return value == nullptr ? "" : value;
}

// Whom the server runs as: nobody in particular unless this process is root's.
struct Account {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

std::optional<Account> UnprivilegedAccount() {
  if (geteuid() != 0) return std::nullopt;
  for (const char* name : {"postgres", "partition-test", "nobody"}) {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (getpwnam_r(name, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) continue;
    Account account{.name = name, .uid = entry.pw_uid, .gid = entry.pw_gid, .groups = {}};
    int count = 64;
    account.groups.resize(static_cast<size_t>(count));
    if (getgrouplist(name, account.gid, account.groups.data(), &count) < 0) count = 0;
    account.groups.resize(static_cast<size_t>(count));
    return account;
  }
  Fail("PostgreSQL cannot run as root, and there is no user postgres, partition-test or nobody");
}

// As execve wants them.
std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Starts a program as `account` in `directory`, its output appended to
// `log_fd`, killed by `death_signal` when this thread ends.
//
// Another thread may hold the allocator's lock at the moment of the fork, so
// everything is prepared before it, and the child makes system calls only.
pid_t Spawn(std::vector<std::string> arguments, const std::optional<Account>& account,
            const std::string& directory, int log_fd, int death_signal) {
  const std::vector<char*> argv = Pointers(arguments);
  // A clean environment: PGDATA, PGPORT, LANG or TZ of the developer's shell
  // must not change what a test sees.
  std::vector<std::string> variables = {"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"};
  const std::vector<char*> envp = Pointers(variables);

  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) FailErrno("fork");
  if (child > 0) return child;

  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2}) {
    signal(number, SIG_DFL);
  }
  setsid();  // Ctrl-C goes to the test alone; the server follows it
  if (account) {
    if (setgroups(account->groups.size(), account->groups.data()) != 0 || setgid(account->gid) != 0 ||
        setuid(account->uid) != 0) {
      _exit(126);
    }
  }
  // After setuid, which clears it.
  prctl(PR_SET_PDEATHSIG, death_signal);
  if (getppid() != parent) _exit(126);
  const int null_fd = open("/dev/null", O_RDONLY);
  if (null_fd < 0 || chdir(directory.c_str()) != 0 || dup2(null_fd, 0) < 0 || dup2(log_fd, 1) < 0 ||
      dup2(log_fd, 2) < 0) {
    _exit(126);
  }
  umask(077);
  execve(argv[0], argv.data(), envp.data());
  _exit(127);
}

// Waits for the child's end, at most until the deadline.
std::optional<int> WaitFor(pid_t child, std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    int status = 0;
    const pid_t done = waitpid(child, &status, WNOHANG);
    if (done == child) return status;
    if (done < 0 && errno != EINTR) return 0;
    if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) FailErrno("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool bound = bind(fd, generic, length) == 0 && getsockname(fd, generic, &length) == 0;
  close(fd);
  if (!bound) FailErrno("no free port on 127.0.0.1");
  return ntohs(address.sin_port);
}

// The folders of tests that were killed: a live owner holds its folder's lock.
void RemoveStale() {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(kParent, ignored)) {
    if (!entry.path().filename().string().starts_with(kPrefix)) continue;
    const int fd = open((entry.path() / "lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) fs::remove_all(entry.path(), ignored);
    close(fd);
  }
}

// Programs that PostgreSQL's own folder of this version would hold.
bool HoldsPrograms(const std::string& bin) {
  return access((bin + "/initdb").c_str(), X_OK) == 0 && access((bin + "/postgres").c_str(), X_OK) == 0;
}

std::string PercentEncode(const std::string& text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '_' || c == '-' || c == '.') {
      encoded += c;
    } else {
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return encoded;
}

}  // namespace

PostgresServer::PostgresServer(int major, std::vector<std::string> settings)
    : major_(major), bin_(BinDirectory(major)), settings_(std::move(settings)), owner_(getpid()) {
  if (bin_.empty()) {
    Fail("PostgreSQL " + std::to_string(major) + " is not on this machine; scripts/setup installs it");
  }
  RemoveStale();
  MakeDirectory();
  try {
    InitDb();
    // Between finding a port free and taking it, another test may take it.
    for (int attempt = 1; !running(); ++attempt) {
      port_ = FreePort();
      Launch();
      if (WaitUntilReady()) break;
      if (attempt == 5 || ReadLog().find("could not create any TCP/IP sockets") == std::string::npos) {
        Fail("PostgreSQL " + std::to_string(major_) + " did not start:\n" + ReadLog());
      }
    }
  } catch (...) {
    if (running()) Stop(StopMode::kImmediate);
    RemoveDirectory();
    throw;
  }
}

PostgresServer::~PostgresServer() {
  if (getpid() != owner_) return;
  try {
    if (running()) Stop(StopMode::kImmediate);
  } catch (const std::exception&) {
    // It is dead or dying; the folder goes all the same.
  }
  RemoveDirectory();
}

PostgresServer& PostgresServer::Shared(int major) {
  static std::mutex mutex;
  static std::map<int, std::unique_ptr<PostgresServer>> servers;
  const std::lock_guard lock(mutex);
  std::unique_ptr<PostgresServer>& server = servers[major];
  if (server == nullptr) server = std::make_unique<PostgresServer>(major);
  return *server;
}

int PostgresServer::DefaultMajor() {
  const std::string major = Env("PC_TEST_PG_MAJOR");
  return major.empty() ? 15 : std::stoi(major);
}

bool PostgresServer::Available(int major) { return !BinDirectory(major).empty(); }

std::vector<int> PostgresServer::AvailableMajors() {
  std::vector<int> majors;
  for (int major = kOldestMajor; major <= kNewestMajor; ++major) {
    if (Available(major)) majors.push_back(major);
  }
  return majors;
}

std::string PostgresServer::BinDirectory(int major) {
  const std::string version = std::to_string(major);
  std::vector<std::string> folders = {"/usr/lib/postgresql/" + version + "/bin"};
  // Where scripts/setup puts the versions that Debian does not have.
  const auto add_cache = [&](const std::string& cache) {
    folders.push_back(cache + "/" + version + "/native/bin");
  };
  if (const std::string cache = Env("PC_POSTGRES_CACHE"); !cache.empty()) {
    add_cache(cache);
  } else {
    add_cache("/var/cache/partition-controller/postgres");
    std::string home = Env("XDG_CACHE_HOME");
    if (home.empty() && !Env("HOME").empty()) home = Env("HOME") + "/.cache";
    if (!home.empty()) add_cache(home + "/partition-controller/postgres");
  }
  for (const std::string& folder : folders) {
    if (HoldsPrograms(folder)) return folder;
  }
  return "";
}

std::string PostgresServer::CreateDatabase(const std::string& prefix) { return Create(prefix, ""); }

std::string PostgresServer::CreateDatabaseFrom(const std::string& template_database) {
  std::string options = " TEMPLATE \"" + template_database + "\"";
  // Copying files beats logging every page of them.
  if (major_ >= 15) options += " STRATEGY file_copy";
  return Create(template_database, options);
}

std::string PostgresServer::Create(const std::string& prefix, const std::string& options) {
  const std::string name = prefix + "_" + std::to_string(++databases_);
  pqxx::connection connection(Uri("postgres"));
  pqxx::nontransaction session(connection);
  session.exec("CREATE DATABASE " + session.quote_name(name) + options);
  return Uri(name);
}

std::string PostgresServer::Uri(const std::string& database, const std::string& user) const {
  return "postgresql://" + PercentEncode(user) + "@127.0.0.1:" + std::to_string(port_) + "/" +
         PercentEncode(database);
}

void PostgresServer::Stop(StopMode mode) {
  kill(pid_, mode == StopMode::kFast ? SIGINT : SIGQUIT);
  if (!WaitFor(pid_, std::chrono::steady_clock::now() + kStopTimeout)) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    Fail("PostgreSQL " + std::to_string(major_) + " did not stop in time and was killed:\n" + ReadLog());
  }
  pid_ = -1;
}

void PostgresServer::Start() {
  Launch();
  if (!WaitUntilReady()) {
    Fail("PostgreSQL " + std::to_string(major_) + " did not start again:\n" + ReadLog());
  }
}

std::string PostgresServer::ReadLog() const {
  std::ifstream file(log_path());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void PostgresServer::MakeDirectory() {
  std::string path = std::string(kParent) + "/" + kPrefix + "XXXXXX";
  if (mkdtemp(path.data()) == nullptr) FailErrno("cannot make " + path);
  directory_ = path;
  if (const auto account = UnprivilegedAccount()) {
    if (chown(path.c_str(), account->uid, account->gid) != 0) FailErrno("chown " + path);
  }
  // Locked before it has the name that RemoveStale looks for.
  const std::string unnamed = path + "/lock.new";
  lock_fd_ = open(unnamed.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (lock_fd_ < 0 || flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) FailErrno("cannot lock " + unnamed);
  fs::rename(unnamed, path + "/lock");
}

void PostgresServer::InitDb() {
  const std::string output = directory_ + "/initdb.log";
  const int fd = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) FailErrno("cannot write " + output);
  const pid_t child = Spawn({bin_ + "/initdb", "--pgdata=" + data_directory(), "--username=postgres",
                             "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"},
                            UnprivilegedAccount(), directory_, fd, SIGKILL);
  close(fd);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::ifstream file(output);
    std::ostringstream text;
    text << file.rdbuf();
    Fail("initdb of PostgreSQL " + std::to_string(major_) + " failed:\n" + text.str());
  }
}

void PostgresServer::Launch() {
  std::vector<std::string> arguments = {bin_ + "/postgres", "-D", data_directory()};
  std::vector<std::string> settings = {
      "listen_addresses=127.0.0.1",
      "port=" + std::to_string(port_),
      "unix_socket_directories=" + directory_,
      "fsync=off",
      "full_page_writes=off",
      // Whether a package brings it differs from version to version, and its
      // seconds say nothing about what is tested; tests/bench leaves it on.
      "jit=off",
      "shared_buffers=32MB",
      "max_connections=50",
      "TimeZone=UTC",
      "log_timezone=UTC",
      "log_line_prefix=%m [%p] %u@%d ",
      "logging_collector=off",
  };
  settings.insert(settings.end(), settings_.begin(), settings_.end());
  for (const std::string& setting : settings) {
    arguments.emplace_back("-c");
    arguments.push_back(setting);
  }
  // A server that was killed leaves a file that says it is ready.
  std::error_code ignored;
  fs::remove(data_directory() + "/postmaster.pid", ignored);
  const int fd = open(log_path().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) FailErrno("cannot write " + log_path());
  pid_ = Spawn(std::move(arguments), UnprivilegedAccount(), directory_, fd, SIGQUIT);
  close(fd);
}

// As pg_ctl does: line 8 of postmaster.pid is the server's own word.
bool PostgresServer::WaitUntilReady() {
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (std::chrono::steady_clock::now() < deadline) {
    std::ifstream file(data_directory() + "/postmaster.pid");
    std::string line;
    for (int number = 1; number <= 8 && std::getline(file, line); ++number) {
      if (number == 8 && line.starts_with("ready")) return true;
    }
    if (WaitFor(pid_, std::chrono::steady_clock::now())) {
      pid_ = -1;
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  Stop(StopMode::kImmediate);
  return false;
}

void PostgresServer::RemoveDirectory() {
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
  if (lock_fd_ >= 0) close(lock_fd_);
}

std::string DatabaseName(const std::string& uri) { return uri.substr(uri.rfind('/') + 1); }

}  // namespace partition_controller
