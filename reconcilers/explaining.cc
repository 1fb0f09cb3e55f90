#include "reconcilers/explaining.h"

#include <algorithm>
#include <iterator>

#include "crd/text.h"
#include "reconcilers/quote.h"

namespace partition_controller {

Table TableOf(const Policy& policy, const Catalog& catalog) {
  if (catalog.table) return *catalog.table;
  Table table;
  table.schema = policy.table.schema;
  table.name = policy.table.name;
  return table;
}

std::vector<std::vector<Lock>> LocksOfSteps(const Plan& plan, const Policy& policy, const Catalog& catalog) {
  Table table = TableOf(policy, catalog);
  std::vector<std::vector<Lock>> locks;
  for (const Step& step : plan.steps) {
    locks.push_back(LocksOf(step.action, table));
    Apply(step.action, plan.outlook.now, &table);
  }
  return locks;
}

std::string FateOfNewRows(const Policy& policy, const Table& table, const Outlook& outlook) {
  if (!table.default_partition) return "inserting them fails";
  if (const std::optional<KeyType> key = KeyTypeOf(table.key_column_type); key && table.drain) {
    const Drain& drain = *table.drain;
    const Instant now = ToKeyTime(outlook.now, policy.partitioning, *key);
    if (drain.range.Contains(now) == (drain.mode == Drain::Mode::kMove)) {
      return "they go to " + QuoteName(drain.target_schema, drain.target_name) +
             ", where queries miss them until it is attached";
    }
  }
  return "they go to the default partition";
}

std::string Utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    char32_t character = 0;
    const std::size_t length = FirstCharacter(text, &character);
    valid += length == 0 ? "\uFFFD" : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return valid;
}

std::string ServerVersion(int version) {
  return std::to_string(version / 10'000) + '.' + std::to_string(version % 10'000);
}

}  // namespace partition_controller
