// What is wrong with the time-partitioned tables of a database, or will be.
//
// Findings are a function of values that were read: nothing here asks a
// database, and nothing in a remedy is run by us.  Instants of a partition key
// are on the key's axis (reconcilers/instant.h); everything else is UTC.

#ifndef PARTITION_CONTROLLER_RECONCILERS_DOCTOR_H_
#define PARTITION_CONTROLLER_RECONCILERS_DOCTOR_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "reconcilers/plan.h"

namespace partition_controller {

// A trigger that a person or another tool made.
struct ForeignTrigger {
  std::string schema;  // of the table that it is on
  std::string table;
  std::string name;
  std::string extension;          // whose function it calls; empty: of none
  bool makes_partitions = false;  // its function has CREATE TABLE ... PARTITION OF, or its name says so
  bool operator==(const ForeignTrigger&) const = default;
};

// A table that is no partition, has the columns of a partitioned one, and is not in the bookkeeping.
struct AlikeTable {
  Oid oid = 0;
  std::string schema;
  std::string name;
  bool bounded = false;  // a CHECK bounds the time column, as DETACH ... CONCURRENTLY leaves it
  bool operator==(const AlikeTable&) const = default;
};

// A table that is partitioned by RANGE of one column of a time type.
struct ExaminedTable {
  Oid oid = 0;
  std::string schema;
  std::string name;
  std::string key_column;
  std::string key_type;  // as format_type prints it
  bool has_time_index = false;
  std::vector<Oid> indexed;  // the partitions that have such an index, whether the table has one or not
  std::vector<Partition> partitions;  // without the default, ordered by range
  std::optional<Partition> default_partition;
  // Of the default partition, counted up to kMostCounted; -1: somebody has it
  // locked, or we may not read it.
  std::int64_t default_rows = 0;
  std::int64_t default_rows_ahead = 0;      // of now and later
  std::vector<std::string> default_grants;  // what it takes for us to read it
  std::string default_error;                // why it could not be counted
  std::vector<ForeignTrigger> triggers;
  std::vector<AlikeTable> alike;
  bool only_of_its_name = true;  // in the database: so that the name alone means it
  std::string kept_by;           // "NAMESPACE/NAME" in the bookkeeping; empty: nobody
  bool operator==(const ExaminedTable&) const = default;
};

inline constexpr std::int64_t kMostCounted = 1'000'000;

// A row of pg_partman's part_config, of version 4 or 5.
struct PartmanTable {
  std::string config;  // quoted name of the table part_config
  std::string schema;
  std::string name;
  std::string control;
  std::string interval;  // as it is written there
  // The interval, and the retention, in months and seconds; nothing: no interval (a number key).
  std::optional<std::int64_t> interval_months;
  std::int64_t interval_seconds = 0;
  std::string retention;  // empty: none
  std::int64_t retention_months = 0;
  std::int64_t retention_seconds = 0;
  bool retention_keeps_table = true;
  std::string retention_schema;  // where expired partitions are moved to; empty: nowhere
  int premake = 4;
  bool automatic = true;  // automatic_maintenance
  bool operator==(const PartmanTable&) const = default;
};

// A row of pg_cron's cron.job.
struct CronJob {
  std::int64_t id = 0;
  std::string schedule;
  std::string command;
  bool active = true;
  bool operator==(const CronJob&) const = default;
};

// A statement that somebody ran.
struct SeenStatement {
  std::string text;
  std::int64_t calls = 0;   // 0: it is a session's last one
  double milliseconds = 0;  // in all
  std::string by;           // role or application, for people
  bool operator==(const SeenStatement&) const = default;
};

// What the bookkeeping knows and the database has not, or the other way round.
struct Orphan {
  enum class Kind { kTable, kDetached, kTrigger };
  Kind kind = Kind::kTable;
  Oid oid = 0;
  std::string name;    // quoted
  std::string policy;  // "NAMESPACE/NAME", if known
  std::vector<std::string> sql;
  bool operator==(const Orphan&) const = default;
};

// A plain table of a policy, of which no index is led by the time column.
struct UnindexedTable {
  std::string schema;
  std::string name;
  std::string column;
  bool operator==(const UnindexedTable&) const = default;
};

// What should have been looked at and could not be.
struct NotLookedAt {
  std::string what;
  std::string why;
  std::vector<std::string> sql;  // what would permit it
  std::string advice;
  bool operator==(const NotLookedAt&) const = default;
};

struct Examined {
  Server server;
  std::string time_zone;  // the server's default
  std::vector<ExaminedTable> tables;
  std::vector<UnindexedTable> unindexed;
  std::vector<PartmanTable> partman;
  std::vector<CronJob> jobs;
  std::vector<SeenStatement> statements;  // pg_stat_statements and pg_stat_activity
  std::string statements_since;           // when pg_stat_statements was reset; empty: not known
  std::vector<Orphan> orphans;
  bool keepers_known = true;  // false: ExaminedTable::kept_by could not be read
  std::vector<NotLookedAt> not_looked_at;
  bool operator==(const Examined&) const = default;
};

// A policy with what its plan would say.
struct ExaminedPolicy {
  Policy policy;
  Catalog catalog;
  Plan plan;
};

struct Finding {
  enum class Severity { kError, kWarning, kInfo };
  std::string code;  // CamelCase; stable
  Severity severity = Severity::kWarning;
  std::string table;  // quoted; empty: the database's
  std::string what;
  std::string why;               // it matters
  std::vector<std::string> sql;  // what mends it: statements that run as they stand, one after the other
  std::string advice;            // in words: what mends it if there is no SQL, or what else to know or to do
  bool operator==(const Finding&) const = default;
};

// Worst first.  Of the policies' tables, and of what other tools do to them;
// without any policy, of all tables.
std::vector<Finding> Examine(const Examined& examined, const std::vector<ExaminedPolicy>& policies);

// A policy for a table that none looks after, as a YAML document with comments
// that say where each value comes from.  It can be decoded; `env` is where the
// connection string is.
std::string ProposePolicy(const ExaminedTable& table, const Examined& examined, const std::string& env);

// The tables that it is worth to propose one for: those that the bookkeeping
// gives to nobody; none if that could not be read.
std::vector<const ExaminedTable*> WithoutPolicy(const Examined& examined,
                                                const std::vector<ExaminedPolicy>& policies);

std::string FindingsText(const std::vector<Finding>& findings, bool colour);
nlohmann::ordered_json FindingsJson(const std::vector<Finding>& findings);

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_RECONCILERS_DOCTOR_H_
