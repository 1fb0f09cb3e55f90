// A throw-away PostgreSQL server for tests: a cluster of its own in a
// temporary folder, on a free loopback port, gone when the object is.
//
// PostgreSQL refuses to run as root.  A test that runs as root hands the
// cluster to the user `postgres` (or `partition-test`, or `nobody`), in the
// child process, without su or sudo.
//
// The server also dies when the test is killed, whatever the signal: its
// process asks the kernel for a signal upon its parent's death
// (PR_SET_PDEATHSIG).  The kernel means the parent THREAD, so a server lives no
// longer than the thread that started it: start servers on the main thread, or
// on one that outlives them.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_POSTGRES_SERVER_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_POSTGRES_SERVER_H_

#include <sys/types.h>

#include <atomic>
#include <string>
#include <vector>

namespace partition_controller {

class PostgresServer {
 public:
  enum class StopMode {
    kFast,       // sessions are cut off, a checkpoint is written
    kImmediate,  // as a crash: the next Start() recovers from the log
  };

  // Starts a server of that major version.  `settings` are "name=value", and
  // win over the ones chosen here (fsync=off, small buffers).
  // Throws std::runtime_error, with the way out, when the version is not
  // installed or the server does not come up.
  explicit PostgresServer(int major = DefaultMajor(), std::vector<std::string> settings = {});
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // One server of each version in a process, started upon first use.
  static PostgresServer& Shared(int major = DefaultMajor());

  // $PC_TEST_PG_MAJOR, or 15.
  static int DefaultMajor();

  // Whether initdb and postgres of that version are on this machine.
  static bool Available(int major);

  // Every version that is, oldest first.
  static std::vector<int> AvailableMajors();

  // Where they are; empty when they are not.
  static std::string BinDirectory(int major);

  // A new empty database, as the connection URI of a superuser.
  std::string CreateDatabase(const std::string& prefix = "t");

  // A copy of a database that nobody is connected to.
  std::string CreateDatabaseFrom(const std::string& template_database);

  // A connection URI.  Nobody needs a password.
  std::string Uri(const std::string& database, const std::string& user = "postgres") const;

  // REQUIRES: running
  void Stop(StopMode mode = StopMode::kFast);

  // On the same port, so that URIs given out remain good.
  // REQUIRES: stopped
  void Start();

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }  // the postmaster's
  int port() const { return port_; }
  int major() const { return major_; }
  const std::string& directory() const { return directory_; }  // the Unix socket is here
  std::string data_directory() const { return directory_ + "/data"; }
  std::string log_path() const { return directory_ + "/log"; }
  std::string ReadLog() const;

 private:
  void MakeDirectory();
  void InitDb();
  void Launch();
  bool WaitUntilReady();
  std::string Create(const std::string& prefix, const std::string& options);
  void RemoveDirectory();

  const int major_;
  const std::string bin_;
  std::vector<std::string> settings_;
  std::string directory_;
  int lock_fd_ = -1;
  int port_ = 0;
  pid_t pid_ = -1;
  pid_t owner_;  // a forked copy of the test must not stop its parent's server
  std::atomic<int> databases_{0};
};

// The database in a URI that Uri() or CreateDatabase() returned.
std::string DatabaseName(const std::string& uri);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_POSTGRES_SERVER_H_
