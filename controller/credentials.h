// Who we are, as of now: tokens, certificates and authorities are renewed while
// the process runs, and are read again when that may have happened.
//
// Thread-safe.

#ifndef PARTITION_CONTROLLER_CONTROLLER_CREDENTIALS_H_
#define PARTITION_CONTROLLER_CONTROLLER_CREDENTIALS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "controller/clock.h"
#include "controller/kubeconfig.h"
#include "controller/mutex.h"

namespace partition_controller {

class Credentials {
 public:
  using Plugin = std::function<ExecCredential(const ExecPlugin&)>;

  Credentials(
      ClusterAccess access, const Clock& clock,
      Plugin plugin = [](const ExecPlugin& exec) { return RunExecPlugin(exec); })
      : access_(std::move(access)), clock_(clock), plugin_(std::move(plugin)) {}

  const ClusterAccess& access() const { return access_; }

  // For a new connection, PEM.
  struct Tls {
    std::string authority;  // empty: what the system trusts
    std::string certificate;
    std::string key;
  };
  // Throws ClusterError (kCredentials).
  Tls ForConnection();

  // The bearer token, or empty.  A token file is read once a minute; one that
  // cannot be read any more leaves the token as it was.
  // Throws ClusterError (kCredentials).
  std::string Token();

  // The server did not know who we are: the next calls find out afresh.
  void Refused();

  // Grows when connections that are open belong to somebody else's certificate.
  std::uint64_t version() const;

 private:
  const ExecCredential& Exec() PC_REQUIRES(mutex_);

  const ClusterAccess access_;
  const Clock& clock_;
  const Plugin plugin_;
  mutable Mutex mutex_;
  std::string token_ PC_GUARDED_BY(mutex_);
  std::optional<Instant> token_read_ PC_GUARDED_BY(mutex_);
  std::optional<ExecCredential> exec_ PC_GUARDED_BY(mutex_);
  std::string certificate_ PC_GUARDED_BY(mutex_);  // the plugin's last
  std::uint64_t version_ PC_GUARDED_BY(mutex_) = 0;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_CREDENTIALS_H_
