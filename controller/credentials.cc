#include "controller/credentials.h"

#include "controller/cluster.h"

namespace partition_controller {
namespace {

constexpr std::chrono::minutes kTokenAge{1};
// A credential that is about to expire may do so on the way.
constexpr std::chrono::seconds kLeeway{10};

std::string Read(const TextOrFile& source) {
  return source.file.empty() ? source.text : ReadCredentialFile(source.file);
}

std::string Trim(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

Credentials::Tls Credentials::ForConnection() {
  Tls tls{Read(access_.authority), Read(access_.certificate), Read(access_.key)};
  if (tls.certificate.empty() && access_.exec) {
    const MutexLock lock(mutex_);
    const ExecCredential& credential = Exec();
    tls.certificate = credential.certificate;
    tls.key = credential.key;
  }
  return tls;
}

std::string Credentials::Token() {
  const MutexLock lock(mutex_);
  if (!access_.token.text.empty()) return access_.token.text;
  if (!access_.token.file.empty()) {
    const Instant now = clock_.Now();
    if (token_read_ && now < *token_read_ + kTokenAge && now >= *token_read_) return token_;
    try {
      token_ = Trim(ReadCredentialFile(access_.token.file));
      token_read_ = now;
    } catch (const ClusterError&) {
      if (token_.empty()) throw;
    }
    return token_;
  }
  return access_.exec ? Exec().token : "";
}

void Credentials::Refused() {
  const MutexLock lock(mutex_);
  token_read_.reset();
  exec_.reset();
}

std::uint64_t Credentials::version() const {
  const MutexLock lock(mutex_);
  return version_;
}

const ExecCredential& Credentials::Exec() {
  if (!exec_ || (exec_->expires && clock_.Now() + kLeeway >= *exec_->expires)) {
    exec_ = plugin_(*access_.exec);
    if (exec_->certificate != certificate_ && !certificate_.empty()) ++version_;
    certificate_ = exec_->certificate;
  }
  return *exec_;
}

}  // namespace partition_controller
