#include "tests/support/conversion.h"

#include <thread>

#include "controller/catalog_reader.h"
#include "controller/executor.h"
#include "controller/postgres.h"
#include "reconcilers/quote.h"

namespace partition_controller {

void ConversionTest::SetUp() {
  PC_REQUIRE_POSTGRES();
  db_ = std::make_unique<LiveDatabase>(Server().CreateDatabase("conversion"));
  db_->MarkAsTest();
  policy_ = PolicyFor("points");
  policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
  policy_.partitioning.uniqueness = Partitioning::Uniqueness::kPerPartition;
  then_.preview = At("2026-11-22T20:31:00Z");
}

std::vector<std::string> ConversionTest::Begin(std::size_t steps) {
  std::vector<std::string> done;
  const auto session = ConnectPostgres(db_->uri());
  const Now now = {*then_.preview, true};
  const Catalog catalog = ReadCatalogs(*session, {&policy_}, now).at(0);
  Plan plan = MakePlan(policy_, catalog, now);
  for (const Refusal& refusal : plan.refusals) ADD_FAILURE() << refusal.code << ": " << refusal.message;
  if (plan.steps.size() > steps) plan.steps.resize(steps);
  ExecutorHooks hooks;
  hooks.sleep = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); };
  const RunOutcome outcome = ExecutePlan(*session, policy_, catalog, plan, then_.holder, {}, hooks);
  if (outcome.failure) ADD_FAILURE() << outcome.failure->reason << ": " << outcome.failure->message;
  for (const StepOutcome& step : outcome.steps) {
    if (step.result == "success") done.emplace_back(Kind(step.action));
  }
  return done;
}

void ConversionTest::BeginAll() {
  const std::vector<std::string> planned = Begin(0);
  std::size_t before_swap = See().steps.size();
  ASSERT_GT(before_swap, 1U);
  --before_swap;
  const std::vector<std::string> done = Begin(before_swap);
  ASSERT_EQ(done.size(), before_swap);
  ASSERT_EQ(done.back(), "fence_conversion");
}

void ConversionTest::Convert() {
  ASSERT_EQ(TroubleWith(ConvergeOn(db_->uri(), policy_, then_)), "");
  ASSERT_EQ(db_->Value("SELECT relkind FROM pg_class WHERE oid = " +
                       QuoteLiteral(QuoteName(policy_.table.schema, policy_.table.name)) + "::regclass"),
            "p");
}

void ConversionTest::ExpectNoTraceAfterNever() {
  policy_.partitioning.conversion = Partitioning::Conversion::kNever;
  ConvergeOn(db_->uri(), policy_, then_);
  const std::string table = QuoteLiteral(QuoteName(policy_.table.schema, policy_.table.name)) + "::regclass";
  EXPECT_EQ(db_->Value("SELECT relkind FROM pg_class WHERE oid = " + table), "r");
  EXPECT_EQ(db_->Number("SELECT count(*) FROM pg_class WHERE relkind = 'p' OR relispartition"), 0);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM partition_controller.conversions"), 0);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM partition_controller.partitions"), 0);
  EXPECT_TRUE(db_->Column(kPassingFunctions).empty());
  EXPECT_EQ(db_->Number("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%partition_controller%'"), 0);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'partition_controller%'"), 0);
  EXPECT_EQ(db_->Number("SELECT count(*) FROM pg_class WHERE relname LIKE '%key_with_time%'"), 0);
  policy_.partitioning.conversion = Partitioning::Conversion::kOnline;
}

std::string ConversionTest::MakeRole(const std::string& name, const std::string& options) {
  std::string role = DatabaseName(db_->uri()) + "_" + name;
  db_->Sql("CREATE ROLE " + role + " " + options);
  return role;
}

std::vector<std::string> ConversionTest::Facts(const std::string& quoted_table) {
  const std::string table = QuoteLiteral(quoted_table) + "::regclass";
  std::vector<std::string> lines;
  const auto add = [&](const std::string& sql) {
    for (std::string& line : db_->Column(sql + " ORDER BY 1")) lines.push_back(std::move(line));
  };
  const auto commented = [](const std::string& oid, const std::string& catalog) {
    return "(SELECT description FROM pg_description WHERE objoid = " + oid + " AND classoid = '" + catalog +
           "'::regclass AND objsubid = 0)";
  };
  add("SELECT concat_ws(' ', 'table', c.relname, c.relowner::regrole, c.relacl, c.relrowsecurity, "
      "c.relforcerowsecurity, c.relreplident, " +
      commented("c.oid", "pg_class") + ") FROM pg_class c WHERE oid = " + table);
  add("SELECT concat_ws(' ', 'column', row_number() OVER (ORDER BY a.attnum), quote_ident(a.attname), "
      "format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, "
      "a.attcollation::regcollation, a.attstorage, nullif(a.attstattarget, -1), (SELECT array_agg(x ORDER BY "
      "x::text) FROM unnest(a.attacl) x), a.attoptions, "
      "col_description(a.attrelid, a.attnum), pg_get_expr(d.adbin, d.adrelid)) FROM pg_attribute a LEFT JOIN "
      "pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = " +
      table + " AND a.attnum > 0 AND NOT a.attisdropped");
  add("SELECT concat_ws(' ', 'constraint', quote_ident(conname), contype, convalidated, "
      "pg_get_constraintdef(oid), " +
      commented("k.oid", "pg_constraint") + ") FROM pg_constraint k WHERE conrelid = " + table +
      " AND contype NOT IN ('p', 'u', 'n') AND conname <> 'partition_controller_fence'");
  add("SELECT concat_ws(' ', 'trigger', t.tgenabled, pg_get_triggerdef(oid), " +
      commented("t.oid", "pg_trigger") +
      ") FROM pg_trigger t WHERE NOT tgisinternal AND tgname <> '00_partition_controller_divert' AND tgrelid "
      "= " +
      table);
  add("SELECT concat_ws(' ', 'policy', polname, polcmd, polpermissive, polroles::regrole[], "
      "pg_get_expr(polqual, "
      "polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy WHERE polrelid = " +
      table);
  add("SELECT concat_ws(' ', 'index', regexp_replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')) FROM "
      "pg_index WHERE indisvalid AND indexrelid::regclass::text NOT LIKE '%key_with_time%' AND indrelid = " +
      table);
  add("SELECT concat_ws(' ', 'sequence', s.oid::regclass, a.attname, d.deptype, q.seqincrement, q.seqcache, "
      "q.seqmax, s.relacl) FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN "
      "pg_sequence q ON q.seqrelid = s.oid JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = "
      "d.refobjsubid WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND "
      "d.refobjid = " +
      table);
  add("SELECT concat_ws(' ', 'publication', (to_jsonb(t) - 'rowfilter')) FROM pg_publication_tables t WHERE "
      "schemaname = 'public'");
  add("SELECT concat_ws(' ', 'view', c.oid::regclass, c.relkind, c.relowner::regrole, c.relacl, "
      "c.reloptions, "
      "pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class')) FROM pg_class c WHERE c.relkind = 'v' AND "
      "c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)");
  return lines;
}

}  // namespace partition_controller
