// From a policy's connection to a connection string, and never further: the
// string goes to the driver and is not kept, logged or put into a message.

#ifndef PARTITION_CONTROLLER_CONTROLLER_CONNECTION_H_
#define PARTITION_CONTROLLER_CONTROLLER_CONNECTION_H_

#include <stdexcept>
#include <string>

#include "crd/policy.h"

namespace partition_controller {

// The connection string is not there.  what() says what to do.
class ConnectionProblem : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Reads it afresh, so that a rotated credential is found at the next connect.
// Throws ConnectionProblem.
std::string ResolveConnection(const ConnectionSpec& connection);

// Where it comes from, for people: "environment variable DATABASE_URL".
std::string Describe(const ConnectionSpec& connection);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CONTROLLER_CONNECTION_H_
