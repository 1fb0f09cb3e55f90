// The Kubernetes API server, as the rest of the program sees it: requests that
// are answered with JSON, and watches that deliver one JSON object at a time.
//
// The narrow waist to the cluster: the real one (controller/kubernetes.h) and
// those of tests look the same.  Thread-safe.

#ifndef PARTITION_CONTROLLER_CONTROLLER_CLUSTER_H_
#define PARTITION_CONTROLLER_CONTROLLER_CLUSTER_H_

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>

namespace partition_controller {

class ClusterError : public std::runtime_error {
 public:
  enum class Kind {
    kUnreachable,   // no answer, or half of one; a write may have happened
    kTimedOut,      // likewise, after the time limit
    kCancelled,     // by the stop token
    kCredentials,   // our own cannot be read, or a plugin has none
    kUnauthorized,  // 401: the server does not know us
    kForbidden,     // 403
    kNotFound,      // 404
    kExists,        // 409, reason AlreadyExists
    kConflict,      // 409: somebody else wrote meanwhile
    kGone,          // 410: the server has forgotten that resource version
    kTooNew,        // the server has not reached that resource version yet
    kInvalid,       // 400, 413, 415 or 422: the request is not right
    kThrottled,     // 429
    kServer,        // any other 5xx
    kOther,
  };

  ClusterError(Kind kind, const std::string& message,
               std::optional<std::chrono::milliseconds> retry_after = std::nullopt)
      : std::runtime_error(message), kind_(kind), retry_after_(retry_after) {}
  Kind kind() const { return kind_; }
  // How long the server wants to be left alone.
  std::optional<std::chrono::milliseconds> retry_after() const { return retry_after_; }

 private:
  Kind kind_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

struct ClusterRequest {
  enum class Verb {
    kGet,
    kCreate,   // POST
    kReplace,  // PUT: the body carries metadata.resourceVersion
    kApply,    // PATCH, server-side apply: the body is all that we want to own
    kMerge,    // PATCH, merge
    kDelete,
  };

  Verb verb = Verb::kGet;
  std::string path;  // with the query, percent-encoded: "/api/v1/namespaces/x/secrets/y"
  std::string body;  // JSON; empty for none
};

class Cluster {
 public:
  virtual ~Cluster() = default;

  // The answer to a request that was carried out.  Transport errors, 401 and
  // "try again later" are retried, within a time limit; but a kCreate that got
  // no answer is not, for it may have been carried out.
  // Throws ClusterError.
  virtual nlohmann::json Call(const ClusterRequest& request, const std::stop_token& stop) = 0;

  // Hands each event of a watch to `on_event` as it comes, and returns when the
  // server ends the watch.  A connection that is silent for longer than
  // `silence` is taken to be dead.  An exception of `on_event` ends the watch.
  // Throws ClusterError; nothing is retried.
  virtual void Watch(const std::string& path, std::chrono::seconds silence,
                     const std::function<void(const nlohmann::json&)>& on_event,
                     const std::stop_token& stop) = 0;
};

// What an answer other than 2xx means.  `body` is the answer's, a Status object
// if all is well; `retry_after` the header's text or empty.
ClusterError ErrorOf(int http_status, const std::string& body, const std::string& retry_after);

// What an in-stream event of type ERROR means; `status` is its object.
ClusterError ErrorOf(const nlohmann::json& status);

// What to do after a failed try.
struct Retry {
  enum class Action { kGiveUp, kNow, kWithNewCredentials, kLater };
  Action action = Action::kGiveUp;
  std::chrono::milliseconds delay{0};  // of kLater
};

// `failed` tries have come before this error, of which `refused` with 401 and
// `broken` without an answer.  Pure.
struct Tries {
  int failed = 0;
  int refused = 0;
  int broken = 0;
};
Retry NextTry(const ClusterError& error, ClusterRequest::Verb verb, const Tries& before);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_CLUSTER_H_
