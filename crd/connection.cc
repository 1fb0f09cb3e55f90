// Where the connection string comes from.

#include <vector>

#include "crd/spec.h"
#include "crd/text.h"

namespace partition_controller {
namespace {

constexpr std::string_view kInlineConnection =
    "a connection string or password is never written in a policy (its value is not shown here); put it in a "
    "Secret and name that in secretRef, or use env or file";

bool IsVariableName(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  return !text.empty() && text.find_first_not_of(kAllowed) == std::string_view::npos &&
         kDigits.find(text.front()) == std::string_view::npos;
}

bool IsSecretKey(std::string_view text) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
  return !text.empty() && text.size() <= 253 && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

void DecodeSecretRef(Reader* reader, const Node& node, SecretRef* ref) {
  Fields fields(reader, node);
  const Node name = fields.Require("name", "the name of a Secret in the policy's namespace");
  const Node key = fields.Get("key");
  if (const auto text = reader->Text(name)) {
    if (!IsDnsSubdomain(*text)) {
      reader->Report(name, "name must be the name of a Secret: lower-case letters, digits, - and .");
    }
    ref->name = *text;
  }
  if (const auto text = reader->Text(key)) {
    if (!IsSecretKey(*text)) reader->Report(key, "key must be letters, digits, -, _ and .");
    ref->key = *text;
  }
}

}  // namespace

void DecodeConnection(Reader* reader, const Node& node, const DecodeContext& context,
                      ConnectionSpec* connection) {
  if (node && node.value->is_string()) {
    reader->Report(node, "connection: " + std::string(kInlineConnection));
    return;
  }
  Fields fields(reader, node);
  if (!fields.Readable()) return;
  const Node secret_ref = fields.Get("secretRef");
  const Node env = fields.Get("env");
  const Node file = fields.Get("file");
  const Node role = fields.Get("role");
  bool inline_connection = false;
  if (context.in_cluster) {
    for (const Node* source : {&env, &file}) {
      if (*source) {
        reader->Report(*source, source->Name() +
                                    " is for policies in files; in a cluster the connection string comes "
                                    "from a Secret, which secretRef names");
      }
    }
  }
  for (const char* key : {"uri", "url", "dsn", "password", "connectionString", "conninfo", "host", "user"}) {
    inline_connection = fields.Refuse(key, kInlineConnection) || inline_connection;
  }
  std::vector<const Node*> sources;
  for (const Node* source : {&secret_ref, &env, &file}) {
    if (*source) sources.push_back(source);
  }
  if (sources.empty() && !inline_connection) {
    reader->Report(node,
                   "connection needs one of secretRef, env or file: where the connection string comes from");
  }
  for (std::size_t i = 1; i < sources.size(); ++i) {
    reader->Report(*sources[i], "connection has " + sources[0]->Name() +
                                    " already; it must have only one of "
                                    "secretRef, env and file");
  }

  if (secret_ref) DecodeSecretRef(reader, secret_ref, &connection->secret_ref.emplace());
  if (const auto text = reader->Text(env)) {
    if (!IsVariableName(*text)) {
      reader->Report(env,
                     "env must be the name of an environment variable (letters, digits and _), such as "
                     "DATABASE_URL; the value is not shown here");
    }
    connection->env = *text;
  }
  if (const auto text = reader->Text(file)) {
    if (!text->starts_with('/') || text->find('\0') != std::string::npos) {
      reader->Report(file,
                     "file must be an absolute path, such as /run/secrets/uri; the value is not shown here");
    }
    connection->file = *text;
  }
  if (const auto text = ReadIdentifier(reader, role)) connection->role = *text;
}

}  // namespace partition_controller
