// From a policy's connection to a connection string, and never further: the
// string goes to the driver and is not kept, logged or put into a message.

#ifndef PARTITION_CONTROLLER_CONTROLLER_CONNECTION_H_
#define PARTITION_CONTROLLER_CONTROLLER_CONNECTION_H_

#include <functional>
#include <stdexcept>
#include <string>

#include "crd/policy.h"

namespace partition_controller {

// The connection string is not there.  what() says what to do.
class ConnectionProblem : public std::runtime_error {
 public:
  explicit ConnectionProblem(const std::string& message, bool needs_a_person = true)
      : std::runtime_error(message), needs_a_person_(needs_a_person) {}
  // False: it goes away by itself, as when the API server cannot be reached.
  bool needs_a_person() const { return needs_a_person_; }

 private:
  bool needs_a_person_;
};

// The value of a Secret's key.  Throws ConnectionProblem.
using SecretReader = std::function<std::string(const SecretRef&)>;

// Reads it afresh, so that a rotated credential is found at the next connect.
// Throws ConnectionProblem.
std::string ResolveConnection(const ConnectionSpec& connection, const SecretReader& secrets = nullptr);

// Where it comes from, for people: "environment variable DATABASE_URL".
std::string Describe(const ConnectionSpec& connection);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_CONNECTION_H_
