// A model of a database: tables as the catalog shows them, changed by the same
// Apply that the contract test holds against PostgreSQL.
//
// Thread-safe.

#ifndef PARTITION_CONTROLLER_TESTS_FAKES_FAKE_DATABASE_H_
#define PARTITION_CONTROLLER_TESTS_FAKES_FAKE_DATABASE_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "controller/converge.h"

namespace partition_controller {

class FakeSession : public Session {
 public:
  Result Query(const std::string&, const std::vector<std::optional<std::string>>&) override { return {}; }
  void Cancel() noexcept override { ++cancels_; }
  static inline std::atomic<int> cancels_{0};
};

class FakeDatabase {
 public:
  explicit FakeDatabase(const Clock& clock) : clock_(clock) {
    server_.version = 150018;
    server_.database = 5;
    server_.database_name = "edgewatch";
    server_.system_identifier = "7000000000000000001";
    server_.user = "edgewatch";
  }

  // A table partitioned by ts, with no partitions yet.
  void AddTable(const std::string& name) {
    Table table;
    table.oid = next_oid_++;
    table.schema = "public";
    table.name = name;
    table.owner = "edgewatch";
    table.key_column_type = "timestamp with time zone";
    table.partition_key = "RANGE (ts)";
    table.has_time_index = true;
    table.columns = {"id", "ts"};
    table.attributes = {{"edgewatch", false, 'd', 0, "", {}, "", false}};
    const std::lock_guard lock(mutex_);
    tables_[name] = table;
  }

  // Called before everything, with "connect", "read NAME...", "migrate",
  // "execute NAME" or "release NAME"; may throw.
  std::function<void(const std::string&)> before = [](const std::string&) {};

  // The policies on record.
  std::vector<Policy> kept;

  Connector connector() {
    return [this](const ConnectionSpec&) {
      Note("connect");
      return std::make_unique<FakeSession>();
    };
  }

  Operations operations() {
    Operations operations;
    operations.record = [this](Session&, const Policy& policy, const Catalog&, const Plan& plan,
                               const std::string&) {
      Note("record " + policy.table.name);
      const std::lock_guard lock(mutex_);
      Table& table = tables_.at(policy.table.name);
      const bool known = table.ownership.has_value();
      RecordKeeper(policy, server_, plan, &table);
      if (!known) table.ownership->analyzed_at = clock_.Now();
      return true;
    };
    operations.kept = [this](Session&, const Policy& any) {
      Note("kept " + any.origin.cluster);
      return kept;
    };
    operations.kept_by = [this](Session&, const Policy& policy) {
      std::vector<Policy> tables;
      const std::lock_guard lock(mutex_);
      for (const auto& [name, table] : tables_) {
        if (!table.ownership || table.ownership->policy_name != policy.name ||
            table.ownership->policy_namespace != policy.name_space) {
          continue;
        }
        tables.push_back(policy);
        tables.back().table.name = name;
      }
      return tables;
    };
    operations.read = [this](Session&, const std::vector<const Policy*>& policies, const Now&) {
      std::string what = "read";
      for (const Policy* policy : policies) what += " " + policy->table.name;
      Note(what);
      return Read(policies);
    };
    operations.migrate = [this](Session&, const Policy&) {
      Note("migrate");
      const std::lock_guard lock(mutex_);
      server_.bookkeeping_version = kBookkeepingVersion;
    };
    operations.execute = [this](Session&, const Policy& policy, const Catalog&, const Plan& plan,
                                const std::string&, const std::stop_token& stop, const ExecutorHooks& hooks) {
      Note("execute " + policy.table.name);
      return Execute(policy, plan, stop, hooks);
    };
    operations.release = [this](Session&, const Policy& policy) {
      Note("release " + policy.table.name);
      const std::lock_guard lock(mutex_);
      tables_[policy.table.name].ownership.reset();
    };
    return operations;
  }

  // What was asked of it so far.
  std::vector<std::string> journal() const {
    const std::lock_guard lock(mutex_);
    return journal_;
  }
  void ForgetJournal() {
    const std::lock_guard lock(mutex_);
    journal_.clear();
  }

  Table table(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return tables_.at(name);
  }
  void Change(const std::string& name, const std::function<void(Table&)>& change) {
    const std::lock_guard lock(mutex_);
    change(tables_.at(name));
  }
  void ChangeServer(const std::function<void(Server&)>& change) {
    const std::lock_guard lock(mutex_);
    change(server_);
  }

 private:
  void Note(const std::string& what) {
    {
      const std::lock_guard lock(mutex_);
      journal_.push_back(what);
    }
    before(what);
  }

  std::vector<Catalog> Read(const std::vector<const Policy*>& policies) {
    const std::lock_guard lock(mutex_);
    server_.time = clock_.Now();
    std::vector<Catalog> catalogs;
    for (const Policy* policy : policies) {
      Catalog catalog{server_, std::nullopt};
      if (const auto table = tables_.find(policy->table.name); table != tables_.end()) {
        for (Partition& partition : table->second.partitions) {
          if (partition.oid == 0) partition.oid = next_oid_++;
        }
        catalog.table = table->second;
      }
      catalogs.push_back(catalog);
    }
    return catalogs;
  }

  RunOutcome Execute(const Policy& policy, const Plan& plan, const std::stop_token& stop,
                     const ExecutorHooks& hooks) {
    RunOutcome run;
    for (const Step& step : plan.steps) {
      if (stop.stop_requested()) {
        run.stopped = true;
        return run;
      }
      {
        const std::lock_guard lock(mutex_);
        Table& table = tables_.at(policy.table.name);
        Apply(step.action, server_.time, &table);
        RecordKeeper(policy, server_, plan, &table);
        table.ownership->analyzed_at = clock_.Now();
      }
      run.steps.push_back({step.action, "success", 0, {}, ""});
      run.steps.back().reason = step.reason;
      hooks.on_step(run.steps.back(), run.steps.size(), plan.steps.size());
    }
    return run;
  }

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Table> tables_;
  Server server_;
  Oid next_oid_ = 16384;
  std::vector<std::string> journal_;
};

// A policy for such a table: months, kept for ever.
inline Policy FakePolicy(const std::string& name) {
  Policy policy;
  policy.name_space = "edgewatch";
  policy.name = name;
  policy.connection.env = "DATABASE_URL";
  policy.table.name = name;
  policy.time_column = "ts";
  return policy;
}

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_FAKES_FAKE_DATABASE_H_
