// Privileges as the catalog stores them (pg_class.relacl), as GRANT statements.

#ifndef PARTITION_CONTROLLER_RECONCILERS_ACL_H_
#define PARTITION_CONTROLLER_RECONCILERS_ACL_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partition_controller {

struct Grant {
  std::string grantee;                  // empty: PUBLIC
  std::vector<std::string> privileges;  // "SELECT", "INSERT", ...
  bool with_grant_option = false;
  bool operator==(const Grant&) const = default;
};

// Reads the text form of an aclitem[] ("{owner=arwdDxt/owner,=r/owner}").
// Privileges with and without grant option become two grants.  Nothing if the
// text is not an ACL or holds a letter that this version does not know.
std::optional<std::vector<Grant>> ParseAcl(std::string_view text);

// "GRANT SELECT, INSERT ON "s"."t" TO "reader"", one for each grant.
std::vector<std::string> GrantSql(const std::vector<Grant>& grants, const std::string& quoted_table);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_ACL_H_
