#include "controller/cluster.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crd/text.h"

namespace partition_controller {
namespace {

using nlohmann::json;
using Kind = ClusterError::Kind;

constexpr int kMostTries = 10;
constexpr std::chrono::seconds kUsualWait{1};
constexpr std::chrono::seconds kLongestWait{60};

std::string Member(const json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// The cause is the only trace of it: code and reason are those of a time-out.
bool IsTooNew(const json& status) {
  const auto details = status.find("details");
  if (details == status.end() || !details->is_object()) return false;
  const auto causes = details->find("causes");
  if (causes == details->end() || !causes->is_array()) return false;
  return std::any_of(causes->begin(), causes->end(),
                     [](const json& cause) { return Member(cause, "reason") == "ResourceVersionTooLarge"; });
}

Kind KindOf(int code, const std::string& reason) {
  switch (code) {
    case 400:
    case 413:
    case 415:
    case 422:
      return Kind::kInvalid;
    case 401:
      return Kind::kUnauthorized;
    case 403:
      return Kind::kForbidden;
    case 404:
      return Kind::kNotFound;
    case 409:
      return reason == "AlreadyExists" ? Kind::kExists : Kind::kConflict;
    case 410:
      return Kind::kGone;
    case 429:
      return Kind::kThrottled;
    default:
      return code >= 500 ? Kind::kServer : Kind::kOther;
  }
}

// Whole seconds only: the API server sends no dates.
std::optional<std::chrono::milliseconds> Seconds(const std::string& text) {
  if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return std::chrono::seconds(std::stoi(text));
}

ClusterError FromStatus(int code, const json& status, std::optional<std::chrono::milliseconds> retry_after) {
  if (!retry_after && status.is_object() && status.contains("details")) {
    const json& details = status.at("details");
    if (details.is_object() && details.contains("retryAfterSeconds") &&
        details.at("retryAfterSeconds").is_number_integer()) {
      const auto seconds = details.at("retryAfterSeconds").get<std::int64_t>();
      retry_after = std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, 3600));
    }
  }
  std::string message = Member(status, "message");
  if (message.empty()) message = "the API server answered " + std::to_string(code);
  const Kind kind =
      status.is_object() && IsTooNew(status) ? Kind::kTooNew : KindOf(code, Member(status, "reason"));
  return {kind, Printable(message), retry_after};
}

}  // namespace

ClusterError ErrorOf(int http_status, const std::string& body, const std::string& retry_after) {
  // A proxy on the way answers with a page of its own.
  return FromStatus(http_status, json::parse(body, nullptr, false), Seconds(retry_after));
}

ClusterError ErrorOf(const json& status) {
  int code = 0;
  if (status.is_object() && status.contains("code") && status.at("code").is_number_integer()) {
    code = status.at("code").get<int>();
  }
  return FromStatus(code, status, std::nullopt);
}

Retry NextTry(const ClusterError& error, ClusterRequest::Verb verb, const Tries& before) {
  if (before.failed >= kMostTries - 1) return {};
  switch (error.kind()) {
    case Kind::kUnreachable:
      // Most likely a connection that the other side closed while it was idle.
      if (verb == ClusterRequest::Verb::kCreate || before.broken > 0) return {};
      return {Retry::Action::kNow, {}};
    case Kind::kUnauthorized:
      if (before.refused > 0) return {};
      return {Retry::Action::kWithNewCredentials, {}};
    case Kind::kThrottled:
      return {Retry::Action::kLater,
              std::min<std::chrono::milliseconds>(error.retry_after().value_or(kUsualWait), kLongestWait)};
    case Kind::kServer:
      // Only with the header has it said that nothing was done.
      if (!error.retry_after()) return {};
      return {Retry::Action::kLater, std::min<std::chrono::milliseconds>(*error.retry_after(), kLongestWait)};
    case Kind::kTimedOut:
    case Kind::kCancelled:
    case Kind::kCredentials:
    case Kind::kForbidden:
    case Kind::kNotFound:
    case Kind::kExists:
    case Kind::kConflict:
    case Kind::kGone:
    case Kind::kTooNew:
    case Kind::kInvalid:
    case Kind::kOther:
      return {};
  }
  return {};
}

}  // namespace partition_controller
