#include "controller/kubernetes.h"

#include <cpprest/containerstream.h>
#include <cpprest/http_client.h>
#include <openssl/ssl.h>
#include <pplx/threadpool.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "crd/text.h"

namespace partition_controller {
namespace {

namespace http = web::http;
using nlohmann::json;
using Kind = ClusterError::Kind;
using Verb = ClusterRequest::Verb;

constexpr int kLibraryThreads = 4;
// So many failures in a row, and the library's pool is not trusted any more.
constexpr int kMostBroken = 3;
// What the library's errors are called; all others are what they are not.
constexpr int kTimedOut = 110;
constexpr int kCancelled = 125;

// Before the library is first used.  OpenSSL first: it is to be torn down after
// the library's threads have ended, or a connection that is freed late crashes.
void InitialiseLibrary() {
  static std::once_flag once;
  std::call_once(once, [] {
    OPENSSL_init_ssl(0, nullptr);
    pplx::get_ambient_scheduler();
    crossplat::threadpool::initialize_with_threads(kLibraryThreads);
  });
}

const char* Name(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "GET";
    case Verb::kCreate:
      return "POST";
    case Verb::kReplace:
      return "PUT";
    case Verb::kApply:
    case Verb::kMerge:
      return "PATCH";
    case Verb::kDelete:
      return "DELETE";
  }
  return "";
}

const char* ContentType(Verb verb) {
  if (verb == Verb::kApply) return "application/apply-patch+yaml";  // JSON is YAML
  return verb == Verb::kMerge ? "application/merge-patch+json" : "application/json";
}

// Ends a request upon a stop or when its time is over.
class Limit {
 public:
  Limit(const std::stop_token& stop, std::optional<std::chrono::milliseconds> time)
      : relay_(stop, Relay{this}) {
    if (!time) return;
    timer_ = std::jthread([this, time = *time](const std::stop_token& done) {
      std::mutex mutex;
      std::condition_variable_any never;
      std::unique_lock lock(mutex);
      never.wait_for(lock, done, time, [] { return false; });
      if (done.stop_requested()) return;
      expired_ = true;
      source_.cancel();
    });
  }

  pplx::cancellation_token token() const { return source_.get_token(); }
  bool expired() const { return expired_; }
  void Cancel() const { source_.cancel(); }

 private:
  struct Relay {
    Limit* limit;
    void operator()() const { limit->source_.cancel(); }
  };

  pplx::cancellation_token_source source_;
  std::atomic<bool> expired_{false};
  std::stop_callback<Relay> relay_;
  std::jthread timer_;  // last: it uses the others
};

// The library's errors as ours.  Its texts and codes are of little use: only
// two codes mean what they say.
[[noreturn]] void Translate(const std::string& server, const std::stop_token& stop, const Limit& limit) {
  if (stop.stop_requested()) throw ClusterError(Kind::kCancelled, "interrupted");
  const std::string at = "the API server at " + Printable(server);
  try {
    throw;
  } catch (const ClusterError&) {
    throw;
  } catch (const http::http_exception& error) {
    const int code = error.error_code().value();
    if (limit.expired() || code == kTimedOut)
      throw ClusterError(Kind::kTimedOut, at + " did not answer in time");
    if (code == kCancelled) throw ClusterError(Kind::kCancelled, "interrupted");
    throw ClusterError(Kind::kUnreachable, at + " cannot be reached: " + Printable(error.what()));
  } catch (const std::exception& error) {
    throw ClusterError(Kind::kUnreachable, at + " cannot be reached: " + Printable(error.what()));
  }
}

// Runs once for each connection, so that what was renewed is used.
void Secure(boost::asio::ssl::context& context, Credentials& credentials) {
  const Credentials::Tls tls = credentials.ForConnection();
  using Context = boost::asio::ssl::context;
  context.set_options(Context::default_workarounds | Context::no_sslv2 | Context::no_sslv3 |
                      Context::no_tlsv1 | Context::no_tlsv1_1);
  if (!tls.authority.empty()) {
    // In place of what the system trusts, which is there already.
    SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
    context.add_certificate_authority(boost::asio::buffer(tls.authority));
  }
  if (!tls.certificate.empty()) {
    context.use_certificate_chain(boost::asio::buffer(tls.certificate));
    context.use_private_key(boost::asio::buffer(tls.key), Context::pem);
  }
}

}  // namespace

// One of the library's clients: a pool of connections with one time limit.
class KubernetesCluster::Client {
 public:
  Client(Credentials& credentials, std::chrono::milliseconds silence)
      : credentials_(credentials), client_(credentials.access().server, Config(credentials, silence)) {}

  // Returns when the headers are there.
  http::http_response Send(const char* verb, const std::string& path, const std::string& body,
                           const char* content_type, const pplx::cancellation_token& token) {
    http::http_request request(verb);
    request.set_request_uri(web::uri(path));
    request.headers().add("Accept", "application/json");
    request.headers().add("User-Agent", "partition-controller/" PC_VERSION);
    // The name that is verified and asked for, in place of the address.
    const std::string& name = credentials_.access().tls_server_name;
    if (!name.empty()) request.headers().add("Host", name);
    if (const std::string bearer = credentials_.Token(); !bearer.empty()) {
      request.headers().add("Authorization", "Bearer " + bearer);
    }
    if (const std::string& whom = credentials_.access().impersonate; !whom.empty()) {
      request.headers().add("Impersonate-User", whom);
    }
    if (!body.empty()) request.set_body(body, content_type);
    return client_.request(request, token).get();
  }

 private:
  static http::client::http_client_config Config(Credentials& credentials,
                                                 std::chrono::milliseconds silence) {
    http::client::http_client_config config;
    config.set_timeout(std::chrono::duration_cast<std::chrono::microseconds>(silence));
    config.set_max_redirects(0);
    config.set_ssl_context_callback(
        [&credentials](boost::asio::ssl::context& context) { Secure(context, credentials); });
    return config;
  }

  Credentials& credentials_;
  http::client::http_client client_;
};

KubernetesCluster::KubernetesCluster(Credentials& credentials, Clock& clock, Limits limits,
                                     std::function<void(const char*, int)> answered)
    : credentials_(credentials), clock_(clock), limits_(limits), answered_(std::move(answered)) {
  InitialiseLibrary();
}

KubernetesCluster::~KubernetesCluster() = default;

std::shared_ptr<KubernetesCluster::Client> KubernetesCluster::ClientForCalls() {
  const MutexLock lock(mutex_);
  const Instant now = clock_.Now();
  const std::uint64_t version = credentials_.version();
  const bool old = now > made_ + limits_.client_age || now < made_;
  if (!client_ || old || version != made_for_ || broken_ >= kMostBroken) {
    client_ = std::make_shared<Client>(credentials_, limits_.silence);
    made_ = now;
    made_for_ = version;
    broken_ = 0;
  }
  return client_;
}

void KubernetesCluster::Count(const char* verb, int status) const {
  if (answered_) answered_(verb, status);
}

void KubernetesCluster::Note(bool broken) {
  const MutexLock lock(mutex_);
  broken_ = broken ? broken_ + 1 : 0;
}

json KubernetesCluster::Try(const ClusterRequest& request, const std::stop_token& stop) {
  const char* verb = Name(request.verb);
  // The library silently repeats a request, a POST too, when a connection that
  // was used before ends without an answer.  A new one it does not.
  const std::shared_ptr<Client> client = request.verb == Verb::kCreate
                                             ? std::make_shared<Client>(credentials_, limits_.silence)
                                             : ClientForCalls();
  Limit limit(stop, limits_.call);
  try {
    http::http_response response =
        client->Send(verb, request.path, request.body, ContentType(request.verb), limit.token());
    const std::string body = response.extract_utf8string(true).get();
    const int status = response.status_code();
    Count(verb, status);
    Note(false);
    if (status < 200 || status > 299) throw ErrorOf(status, body, response.headers()["Retry-After"]);
    json answer = json::parse(body, nullptr, false);
    // Half an answer, or a proxy's.
    if (answer.is_discarded()) throw ClusterError(Kind::kUnreachable, "the API server's answer is not JSON");
    return answer;
  } catch (const ClusterError&) {
    throw;
  } catch (...) {
    Count(verb, 0);
    Note(true);
    Translate(credentials_.access().server, stop, limit);
  }
}

json KubernetesCluster::Call(const ClusterRequest& request, const std::stop_token& stop) {
  const Instant deadline = clock_.Now() + limits_.call;
  for (Tries tries;; ++tries.failed) {
    try {
      return Try(request, stop);
    } catch (const ClusterError& error) {
      const Retry next = NextTry(error, request.verb, tries);
      const Instant at = clock_.Now() + next.delay;
      if (next.action == Retry::Action::kGiveUp || at >= deadline || stop.stop_requested()) throw;
      if (next.action == Retry::Action::kWithNewCredentials) credentials_.Refused();
      tries.refused += error.kind() == Kind::kUnauthorized ? 1 : 0;
      tries.broken += error.kind() == Kind::kUnreachable ? 1 : 0;
      if (next.action == Retry::Action::kLater) clock_.WaitUntil(at, stop);
    }
  }
}

void KubernetesCluster::Watch(const std::string& path, std::chrono::seconds silence,
                              const std::function<void(const json&)>& on_event, const std::stop_token& stop) {
  // A client of its own: its one connection lives for minutes, and its time
  // limit is another.  That limit is all that notices a peer which is gone
  // without a word: the library lets nobody turn on TCP's keep-alive.
  const auto client = std::make_shared<Client>(credentials_, silence);
  Limit limit(stop, std::nullopt);
  std::exception_ptr of_event;
  try {
    http::http_response response = client->Send("GET", path, "", "", limit.token());
    const int status = response.status_code();
    Count("WATCH", status);
    if (status != http::status_codes::OK) {
      const std::string body = response.extract_utf8string(true).get();
      if (status == http::status_codes::Unauthorized) credentials_.Refused();
      throw ErrorOf(status, body, response.headers()["Retry-After"]);
    }
    const concurrency::streams::istream stream = response.body();
    for (;;) {
      concurrency::streams::container_buffer<std::string> line;
      const std::size_t read = stream.read_line(line).get();
      if (read == 0 && stream.is_eof()) return;
      if (read == 0) continue;
      const json event = json::parse(line.collection(), nullptr, false);
      if (event.is_discarded()) throw ClusterError(Kind::kUnreachable, "the watch broke within an event");
      try {
        on_event(event);
      } catch (...) {
        of_event = std::current_exception();
        limit.Cancel();  // the library would keep the connection otherwise
        break;
      }
    }
  } catch (...) {
    Translate(credentials_.access().server, stop, limit);
  }
  std::rethrow_exception(of_event);
}

std::optional<std::string> DecodeBase64(const std::string& text) {
  std::string plain;
  std::copy_if(text.begin(), text.end(), std::back_inserter(plain),
               [](char c) { return c != ' ' && c != '\n' && c != '\r' && c != '\t'; });
  if (plain.empty()) return "";
  try {
    const std::vector<unsigned char> bytes = utility::conversions::from_base64(plain);
    return std::string(bytes.begin(), bytes.end());
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace partition_controller
