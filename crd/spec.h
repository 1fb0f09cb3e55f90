// The `spec` of a policy: its keys, their limits and the rules between them.

#ifndef PARTITION_CONTROLLER_CRD_SPEC_H_
#define PARTITION_CONTROLLER_CRD_SPEC_H_

#include <optional>
#include <string>

#include "crd/decode.h"
#include "crd/policy.h"
#include "crd/reader.h"

namespace partition_controller {

// Fills `*policy`.  What is wrong is reported to `reader` and keeps its default.
void DecodeSpec(Reader* reader, const Node& spec, const DecodeContext& context, Policy* policy);

// Reports values of this section without showing them: whoever is new here may
// have written the connection string in the wrong place.
void DecodeConnection(Reader* reader, const Node& node, const DecodeContext& context,
                      ConnectionSpec* connection);

// Fills `policy->rollups`, after the table and the partitioning.
void DecodeRollups(Reader* reader, const Node& rollups, const DecodeContext& context, Policy* policy);

// Hour to Year, if the node is there.
void DecodeGranularity(Reader* reader, const Node& node, Granularity* granularity);

// An IANA name that `context` knows, into `*zone`.
void DecodeZone(Reader* reader, const Node& node, const DecodeContext& context, std::string* zone);

// Text of 1 to 63 bytes, PostgreSQL's limit for a name, without NUL.  Any other
// character may be in a name; SQL text quotes it.
std::optional<std::string> ReadIdentifier(Reader* reader, const Node& node);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_CRD_SPEC_H_
