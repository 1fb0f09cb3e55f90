// What must hold before anything is done, each failure with what mends it.

#include "reconcilers/planning.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

constexpr std::chrono::seconds kTolerableSkew{10};

// Coarse, so that the message does not change with each look.
std::string About(std::chrono::microseconds time) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(time).count();
  if (seconds < 60) return std::to_string((seconds + 5) / 10 * 10) + " s";
  if (seconds < 7'200) return std::to_string((seconds + 30) / 60) + " min";
  return std::to_string((seconds + 1'800) / 3'600) + " h";
}

void CheckServer(Planning& p, const Now& now) {
  const Server& server = p.server;
  if (server.in_recovery) {
    p.Refuse("ReadOnlyReplica", "the server is a read-only replica (pg_is_in_recovery)",
             "point the policy's connection at the primary", true);
  }
  if (server.bookkeeping_version > kBookkeepingVersion) {
    p.Refuse("BookkeepingTooNew",
             "the schema partition_controller has version " + std::to_string(server.bookkeeping_version) +
                 ", made by a newer release; this one knows " + std::to_string(kBookkeepingVersion),
             "run the newer release; this one reads and reports only", true);
  }
  if (!server.bookkeeping_usable) {
    const std::string to = " TO " + QuoteName(server.user) + ";";
    p.Refuse("PrivilegeMissing",
             "role " + QuoteName(server.user) + " may not " +
                 (server.bookkeeping_version == 0 ? "create the schema partition_controller"
                                                  : "use the schema partition_controller"),
             server.bookkeeping_version == 0
                 ? std::vector{"GRANT CREATE ON DATABASE " + QuoteName(server.database_name) + to}
                 : std::vector{"GRANT USAGE, CREATE ON SCHEMA partition_controller" + to,
                               "GRANT ALL ON ALL TABLES IN SCHEMA partition_controller" + to,
                               "GRANT ALL ON ALL SEQUENCES IN SCHEMA partition_controller" + to},
             "", true);
  }
  const auto skew = now.at > server.time ? now.at - server.time : server.time - now.at;
  if (!now.preview && skew > kTolerableSkew) {
    p.Refuse("ClockSkew",
             "this host's clock is about " + About(skew) + (now.at > server.time ? " ahead of" : " behind") +
                 " the server's; partitions are made by the server's, and nothing is removed",
             "synchronise the clocks (within 10 s)", false);
  }
}

// False if nothing more can be said.
bool CheckTable(Planning& p, const Catalog& catalog) {
  const Policy& policy = p.policy;
  const std::string wanted = QuoteName(policy.table.schema, policy.table.name);
  if (!catalog.table) {
    p.Refuse("TableNotFound",
             "there is no table " + wanted + " in database " + QuoteName(p.server.database_name) +
                 ", or role " + QuoteName(p.server.user) + " may not see its schema",
             "create it, or correct spec.table; nothing is done meanwhile", true);
    return false;
  }
  const Table& table = p.table;
  if (table.kind == Table::Kind::kOther) {
    p.Refuse("NotATable", wanted + " is not an ordinary or partitioned table", "correct spec.table", true);
    return false;
  }
  if (table.key_column_type.empty()) {
    p.Refuse("ColumnNotFound", wanted + " has no column " + QuoteName(policy.time_column),
             "correct spec.timeColumn", true);
    return false;
  }
  if (!KeyTypeOf(table.key_column_type)) {
    p.Refuse("ColumnTypeUnsupported",
             "column " + QuoteName(policy.time_column) + " is of type " + table.key_column_type +
                 "; timestamptz, timestamp and date are supported",
             "name a column of one of these types in spec.timeColumn", true);
    return false;
  }
  if (p.key == KeyType::kDate && policy.partitioning.granularity == Granularity::kHour) {
    p.Refuse(
        "GranularityTooFine",
        "column " + QuoteName(policy.time_column) + " is a date, which no partition can divide into hours",
        "set partitioning.granularity to Day or longer", true);
    return false;
  }
  return true;
}

void CheckShape(Planning& p) {
  const Table& table = p.table;
  if (table.kind == Table::Kind::kPlain) {
    const Partitioning::Conversion wanted = p.policy.partitioning.conversion;
    const bool expected = wanted != Partitioning::Conversion::kNever || table.conversion;
    if (p.enabled && wanted == Partitioning::Conversion::kRevert && !table.conversion && p.policy.retention) {
      p.Refuse("PlainForGood",
               p.Name() +
                   " is plain, as conversion: Revert wants it, and nothing of it expires while "
                   "partitioning.state is Enabled",
               "set partitioning.state: Disabled to have expired rows deleted in batches, or conversion: "
               "Online to have it partitioned again",
               true);
    }
    if (p.enabled && !expected) {
      p.Refuse("NotPartitioned", p.Name() + " is not partitioned, and partitioning.state is Enabled",
               "set partitioning.conversion: Online to have it partitioned by RANGE (" +
                   QuoteName(p.policy.time_column) +
                   ") where it stands, or partitioning.state: Disabled to have expired rows deleted",
               true);
    }
    return;
  }
  if (!table.partitioned_by_key) {
    p.Refuse("PartitionKeyDiffers",
             p.Name() + " is partitioned by " + table.partition_key + ", not by RANGE (" +
                 QuoteName(p.policy.time_column) + ")",
             "name the key's column in spec.timeColumn; other keys are not supported", true);
  } else if (!table.key_not_null) {
    p.Refuse(
        "KeyNullable",
        "column " + QuoteName(p.policy.time_column) + " may be NULL; such rows belong to no period",
        {"ALTER TABLE " + p.Name() + " ALTER COLUMN " + QuoteName(p.policy.time_column) + " SET NOT NULL;"},
        "", true);
  }
}

void CheckPrivileges(Planning& p) {
  const Table& table = p.table;
  const bool makes_tables =
      table.kind == Table::Kind::kPartitioned ||
      (p.enabled && p.policy.partitioning.conversion == Partitioning::Conversion::kOnline);
  const std::string user = QuoteName(p.server.user);
  if (!table.owner_is_us) {
    p.Refuse(
        "PrivilegeMissing",
        "role " + user + " neither owns " + p.Name() + " nor is a member of its owner " +
            QuoteName(table.owner),
        {"GRANT " + QuoteName(table.owner) + " TO " + user + ";"},
        "or ALTER TABLE " + p.Name() + " OWNER TO " + user + "; or name the owner in spec.connection.role",
        true);
  }
  if (!table.may_create && makes_tables) {
    p.Refuse("PrivilegeMissing",
             "role " + user + " may not create tables in schema " + QuoteName(table.schema),
             {"GRANT CREATE ON SCHEMA " + QuoteName(table.schema) + " TO " + user + ";"}, "", true);
  }
  if (!table.owner_may_create && table.owner_is_us && makes_tables) {
    p.Refuse("PrivilegeMissing",
             "role " + QuoteName(table.owner) + ", which owns " + p.Name() +
                 " and gets its new partitions, may not create tables in schema " + QuoteName(table.schema),
             {"GRANT CREATE ON SCHEMA " + QuoteName(table.schema) + " TO " + QuoteName(table.owner) + ";"},
             "", true);
  }
}

void CheckKeeper(Planning& p) {
  const std::optional<Ownership>& keeper = p.table.ownership;
  if (!keeper || keeper->policy_name.empty()) return;
  if (keeper->policy_namespace == p.policy.name_space && keeper->policy_name == p.policy.name) return;
  p.Refuse("Conflict",
           "the table is looked after by policy " + keeper->policy_namespace + "/" + keeper->policy_name,
           "delete one of the two policies; if that one is gone for good: DELETE FROM "
           "partition_controller.tables WHERE table_oid = " +
               std::to_string(p.table.oid) + ";",
           true);
}

}  // namespace

void Preflight(Planning& planning, const Catalog& catalog, const Now& now) {
  CheckServer(planning, now);
  if (!CheckTable(planning, catalog)) return;
  CheckShape(planning);
  CheckPrivileges(planning);
  CheckKeeper(planning);
}

}  // namespace partition_controller
