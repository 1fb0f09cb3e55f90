#include "tests/support/pgbouncer.h"

#include <unistd.h>

#include <pqxx/pqxx>
#include <stdexcept>
#include <thread>

namespace partition_controller {
namespace {

constexpr const char* kProgram = "/usr/sbin/pgbouncer";

}  // namespace

bool PgBouncer::Available() { return access(kProgram, X_OK) == 0; }

PgBouncer::PgBouncer(const PostgresServer& server, const std::string& user, const std::string& settings)
    : port_(FreePort()) {
  const std::string configuration = folder_.Write(
      "pgbouncer.ini",
      "[databases]\n* = host=127.0.0.1 port=" + std::to_string(server.port()) + " user=" + user +
          "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " + std::to_string(port_) +
          "\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\nmax_client_conn = 50\n"
          "default_pool_size = 5\nserver_reset_query = DISCARD ALL\n" +
          settings + "\n");
  process_ =
      std::make_unique<Process>(std::vector<std::string>{kProgram, configuration},
                                Process::Options{.environment = {}, .directory = "/", .unprivileged = true});
  for (int tries = 0; tries < 200; ++tries) {
    try {
      pqxx::connection connection(Uri("postgres"));
      return;
    } catch (const std::exception&) {
      if (!process_->Running()) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  throw std::runtime_error("PgBouncer did not start:\n" + Log());
}

std::string PgBouncer::Uri(const std::string& database) const {
  return "postgresql://postgres@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

}  // namespace partition_controller
