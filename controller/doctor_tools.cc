#include "controller/doctor_look.h"
#include "controller/fields.h"
#include "controller/read_transaction.h"
#include "reconcilers/quote.h"

namespace partition_controller {
namespace {

// Twice as many as pg_stat_statements keeps by default; a job's DDL is among the cheapest.
constexpr int kMostStatements = 10'000;
// What PostgreSQL shows instead of another role's statement.
constexpr char kHidden[] = "<insufficient privilege>";

class ToolReader {
 public:
  ToolReader(Session& session, DoctorsLook& look, Examined* examined)
      : session_(session), look_(look), examined_(*examined) {}

  void ReadPartman() {
    const Result tables = session_.Query(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), EXISTS (SELECT FROM "
        "pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'automatic_maintenance'), c.oid "
        "FROM "
        "pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = "
        "'part_config' AND c.relkind = 'r' AND (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE "
        "a.attrelid = c.oid AND a.attname IN ('parent_table', 'control', 'partition_interval', 'premake', "
        "'retention', 'retention_keep_table', 'retention_schema')) = 7 ORDER BY 1");
    for (const Row& table : tables.rows) {
      const std::string config = Text(table[0]);
      const Oid oid = ToOid(table[2]);
      const std::string what = "what pg_partman looks after (" + config + ")";
      Result rows;
      look_.At(what, look_.Grants(oid), [&] {
        rows = session_.Query(
            // Names are not quoted there; a schema with a dot is beyond pg_partman, too.
            "SELECT pg_catalog.split_part(parent_table, '.', 1), pg_catalog.substr(parent_table, "
            "pg_catalog.strpos(parent_table, '.') + 1), control, partition_interval::text, retention, "
            "retention_keep_table, premake, " +
            std::string(Flag(table[1]) ? "automatic_maintenance = 'on'" : "true") +
            ", retention_schema FROM " + config + " ORDER BY parent_table");
      });
      for (const Row& row : rows.rows) {
        PartmanTable one;
        one.config = config;
        one.schema = Text(row[0]);
        one.name = Text(row[1]);
        one.control = Text(row[2]);
        one.interval = Text(row[3]);
        one.retention = Text(row[4]);
        one.retention_keeps_table = !row[5] || Flag(row[5]);
        one.premake = static_cast<int>(Number(row[6]));
        one.automatic = Flag(row[7]);
        one.retention_schema = row[8].value_or("");
        ReadIntervals(&one);
        examined_.partman.push_back(std::move(one));
      }
    }
  }

  void ReadJobs() {
    const Oid oid = look_.Relation("cron", "job");
    if (oid == 0) return;
    const std::string what = "the jobs of pg_cron (cron.job)";
    look_.At(what, look_.Grants(oid), [&] {
      const Result jobs = session_.Query(
          "SELECT jobid, schedule, command, active FROM cron.job WHERE database = "
          "pg_catalog.current_database() ORDER BY jobid");
      for (const Row& row : jobs.rows) {
        examined_.jobs.push_back({Number(row[0]), Text(row[1]), Text(row[2]), Flag(row[3])});
      }
    });
  }

  void ReadStatements() {
    std::size_t hidden = 0;
    // The extension's schema is anybody's choice.
    const Result views = session_.Query(
        "SELECT pg_catalog.quote_ident(n.nspname), c.oid, EXISTS (SELECT FROM pg_catalog.pg_attribute a "
        "WHERE "
        "a.attrelid = c.oid AND a.attname = 'total_exec_time') FROM pg_catalog.pg_extension e JOIN "
        "pg_catalog.pg_namespace n ON n.oid = e.extnamespace JOIN pg_catalog.pg_class c ON c.relnamespace = "
        "n.oid AND c.relname = 'pg_stat_statements' WHERE e.extname = 'pg_stat_statements'");
    const std::string what = "the statements that were run (pg_stat_statements)";
    if (!views.rows.empty() && !Flag(views.rows[0][2])) {
      look_.Note(what, "its extension is older than version 1.8",
                 {"ALTER EXTENSION pg_stat_statements UPDATE;"}, "");
    } else if (!views.rows.empty()) {
      const std::string schema = Text(views.rows[0][0]);
      look_.At(what, look_.Grants(ToOid(views.rows[0][1])), [&] {
        const Result seen = session_.Query(
            "SELECT s.query, s.calls, s.total_exec_time, r.rolname FROM " + schema +
            ".pg_stat_statements s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.userid WHERE s.dbid = "
            "(SELECT "
            "oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) ORDER BY "
            "s.total_exec_time DESC LIMIT " +
            std::to_string(kMostStatements));
        for (const Row& row : seen.rows) {
          if (row[0] == kHidden) {
            ++hidden;
            continue;
          }
          examined_.statements.push_back(
              {Text(row[0]), Number(row[1]), row[2] ? std::stod(*row[2]) : 0, Text(row[3])});
        }
      });
      if (examined_.server.version >= 140'000) {
        UnlessRefused(session_, [&] {
          examined_.statements_since =
              Text(session_.Query("SELECT stats_reset FROM " + schema + ".pg_stat_statements_info")
                       .rows.at(0)
                       .at(0));
        });
      }
    }
    const Result sessions = session_.Query(
        "SELECT query, coalesce(nullif(application_name, ''), usename) FROM pg_catalog.pg_stat_activity "
        "WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND query <> "
        "''");
    for (const Row& row : sessions.rows) {
      if (row[0] == kHidden) {
        ++hidden;
      } else {
        examined_.statements.push_back({Text(row[0]), 0, 0, Text(row[1])});
      }
    }
    if (hidden == 0) return;
    look_.Note("the statements of other roles",
               "the text of " + std::to_string(hidden) + " is hidden from us",
               {"GRANT pg_read_all_stats TO " + QuoteName(examined_.server.user) + ";"}, "");
  }

 private:
  // Of a number key there is none: "10000".  Anybody may have written anything.
  void ReadIntervals(PartmanTable* one) {
    const auto read = [&](const char* column, const std::string& value, std::optional<std::int64_t>* months,
                          std::int64_t* seconds) {
      if (value.empty() || value.find_first_not_of("0123456789") == std::string::npos) return true;
      return look_.At(
          std::string("the ") + column + " of pg_partman's entry for " + one->schema + "." + one->name, {},
          [&] {
            const Row row =
                session_
                    .Query(
                        "SELECT (extract(year FROM i) * 12 + extract(month FROM i))::bigint, "
                        "(extract(day FROM i) * 86400 + extract(hour FROM i) * 3600 + "
                        "extract(minute FROM i) * 60 + extract(second FROM i))::bigint FROM (SELECT "
                        "$1::interval) v (i)",
                        {value})
                    .rows.at(0);
            *months = Number(row[0]);
            *seconds = Number(row[1]);
          });
    };
    read("partition_interval", one->interval, &one->interval_months, &one->interval_seconds);
    std::optional<std::int64_t> months;
    if (!read("retention", one->retention, &months, &one->retention_seconds)) one->retention.clear();
    one->retention_months = months.value_or(0);
  }

  Session& session_;
  DoctorsLook& look_;
  Examined& examined_;
};

}  // namespace

void ReadOtherTools(Session& session, DoctorsLook& look, Examined* examined) {
  ToolReader reader(session, look, examined);
  reader.ReadPartman();
  reader.ReadJobs();
  reader.ReadStatements();
}

}  // namespace partition_controller
