#!/usr/bin/python3
"""The dashboards and alerts, asked of a real Prometheus that scrapes two real
controllers, which look after tables of a real PostgreSQL by policies of a real
API server.

First everything is well: every query has data, no alert fires, nor would any in
an hour of this.  Then one thing after another goes wrong.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import time

import monitoring
import parts
from parts import ROOT, Failed, wait_for

TABLES = """
CREATE TABLE telemetry_points (id bigint, device_id varchar(128), ts timestamptz NOT NULL,
  metrics jsonb NOT NULL DEFAULT '{}', PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE telemetry_points_default PARTITION OF telemetry_points DEFAULT;
INSERT INTO telemetry_points SELECT n, 'device-' || n % 5, now() - n * interval '1 hour',
  jsonb_build_object('battery_v', 12 + n % 3) FROM generate_series(2, 400) AS n;

CREATE TABLE request_logs (id bigint, received_at timestamptz NOT NULL) PARTITION BY RANGE (received_at);
CREATE TABLE request_logs_default PARTITION OF request_logs DEFAULT;
INSERT INTO request_logs SELECT n, now() - n * interval '1 hour' FROM generate_series(0, 200) AS n;

CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz NOT NULL);
INSERT INTO events SELECT n, now() - n * interval '1 hour' FROM generate_series(0, 100) AS n;

CREATE TABLE seen_messages (id bigint PRIMARY KEY, at timestamptz NOT NULL);
INSERT INTO seen_messages SELECT n, now() - n * interval '1 hour' FROM generate_series(0, 400) AS n;
ANALYZE;
"""

ROLLUP = {"name": "hourly", "interval": "1h", "table": "telemetry_rollups_hourly", "dimensions": ["device_id"],
          "source": {"jsonb": "metrics", "keys": "All"}}

# Table, time column, and what else the policy says.
FLEET = {
    "telemetry-points": ("telemetry_points", "ts", {
        "partitioning": {"granularity": "Week", "premake": 2},
        "retention": {"keep": "5w", "action": "Drop"}, "rollups": [ROLLUP]}),
    "request-logs": ("request_logs", "received_at", {
        "partitioning": {"granularity": "Day", "premake": 7}, "retention": {"keep": "5d", "action": "Detach"}}),
    "events": ("events", "at", {
        "partitioning": {"granularity": "Month", "premake": 2, "conversion": "Online",
                         "uniqueness": "PerPartition"}}),
    "seen-messages": ("seen_messages", "at", {
        "partitioning": {"state": "Disabled"}, "retention": {"keep": "5d", "action": "Drop"}}),
}
PLAIN = {"seen-messages"}

# What nobody looks after: the policies only look.
NEGLECTED = """
CREATE TABLE neglected (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE neglected_default PARTITION OF neglected DEFAULT;
CREATE TABLE neglected_p202401 PARTITION OF neglected FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00');
CREATE TABLE neglected_p202402 PARTITION OF neglected FOR VALUES FROM ('2024-02-01 00:00+00') TO ('2024-03-01 00:00+00');
INSERT INTO neglected SELECT n, now() FROM generate_series(0, 10000) AS n;
CREATE TABLE interrupted (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE interrupted_p202401 PARTITION OF interrupted FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00');
UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'interrupted_p202401'::regclass;
ANALYZE;
"""
BUSY = """
CREATE TABLE busy (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE busy_default PARTITION OF busy DEFAULT;
"""
SLOW = """
CREATE TABLE slow (id bigint PRIMARY KEY, at timestamptz NOT NULL);
INSERT INTO slow SELECT n, now() FROM generate_series(0, 100) AS n;
"""
# An administrator forbids changes just after the fence.
FROZEN = """
CREATE TABLE frozen (id bigint, at timestamptz NOT NULL);
INSERT INTO frozen SELECT n, now() FROM generate_series(0, 100) AS n;
CREATE FUNCTION hold_changes() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  IF to_regclass('partition_controller.conversions') IS NOT NULL THEN
    IF EXISTS (SELECT FROM partition_controller.conversions WHERE state = 'fenced') THEN
      RAISE 'no changes to tables until Monday';
    END IF;
  END IF;
END $$;
CREATE EVENT TRIGGER hold_changes ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION hold_changes();
"""


def policy(name, secret, table, column, more):
    spec = {"connection": {"secretRef": {"name": secret}}, "table": {"name": table}, "timeColumn": column,
            "schedule": {"period": "1s"}, **more}
    return json.dumps({"apiVersion": "edgewatch.dev/v1alpha1", "kind": "PartitionPolicy",
                       "metadata": {"name": name, "namespace": "edgewatch"}, "spec": spec})


def create_secret(world, name, uri):
    world.must_kubectl(["create", "secret", "generic", name, "-n", "edgewatch", "--from-file=uri=/dev/stdin"], uri)


def has_data(result):
    samples = [s for series in result for s in (series["values"] if "values" in series else [series["value"]])]
    return any(not math.isnan(float(value)) for _, value in samples)


def ask(prometheus, expression, target):
    if target is not None and target.get("instant"):
        return prometheus.query(expression)
    return prometheus.query_range(expression)


def metrics_page(port):
    return parts.get(f"http://127.0.0.1:{port}/metrics")


class Test:
    def __init__(self, world):
        self.world = world
        self.controllers = []

    # --- Everything is well ---

    def start(self):
        world = self.world
        world.start_postgres()
        for database in ("fleet", "neglected", "busy", "slow", "frozen"):
            world.sql(f"CREATE DATABASE {database}")
        world.sql(TABLES, "fleet")
        world.start_cluster()
        # An API server before 1.25 knows no validation rules.
        for arguments in (["apply", "--validate=false", "-f", os.path.join(ROOT, "crd/partitionpolicies.yaml")],
                          ["wait", "--for=condition=Established", "crd/partitionpolicies.edgewatch.dev"],
                          ["apply", "-f", os.path.join(ROOT, "manifests/base/namespace.yaml"),
                           "-f", os.path.join(ROOT, "manifests/base/rbac.yaml")],
                          ["create", "namespace", "edgewatch"]):
            world.must_kubectl(arguments)
        secrets = ["fleet", "neglected", "busy", "slow", "frozen", "away"]
        access = monitoring.read("manifests/namespace-access/secret-access.yaml")
        world.must_kubectl(["apply", "-f", "-"], access.replace("[edgewatch-db]", f"[{', '.join(secrets)}]"))
        for secret in secrets[:-1]:
            create_secret(world, secret, world.database(secret))
        create_secret(world, "away", f"postgresql://postgres@127.0.0.1:{parts.free_port()}/away")
        ports = []
        for name in ("one", "two"):
            process, port = world.start_controller(
                name, ["--kubernetes", "--kubeconfig", world.path("controller.kubeconfig")],
                {"HOME": world.folder})
            self.controllers.append(process)
            ports.append(port)
        # Evaluated every second, as nobody waits for in production.
        rules = monitoring.read("manifests/monitoring/rules.yaml").replace("interval: 30s", "interval: 1s")
        self.prometheus = world.start_prometheus(ports, world.write("rules.yaml", rules))
        leader = wait_for("a leader to be seen by Prometheus",
                          lambda: self.prometheus.query("leader_election_master_status == 1"))
        by_port = dict(zip([f"127.0.0.1:{port}" for port in ports], self.controllers))
        self.leader = by_port[leader[0]["metric"]["instance"]]
        self.leader_port = int(leader[0]["metric"]["instance"].split(":")[1])
        self.other_port = next(port for port in ports if port != self.leader_port)
        # From here on Prometheus sees the counters rise.
        wait_for("counters", lambda: self.prometheus.query("partition_actions_total"))
        for name, (table, column, more) in FLEET.items():
            world.must_kubectl(["apply", "-f", "-"], policy(name, "fleet", table, column, more))
        world.must_kubectl(["wait", "--for=condition=Ready", "ppol", "--all", "-n", "edgewatch",
                            f"--timeout={parts.PATIENCE}s"])
        self.prometheus_has("count(partition_policy_condition{type='Ready', status='True', policy!~'.*/.*'} == 1) == "
                            f"{len(FLEET)}")
        self.prometheus_has("partition_rollup_lag_seconds == 0")
        self.prometheus_has("partition_conversion_progress_ratio == 1")
        # A rate needs two samples, and a rise between them.
        self.prometheus_has("rate(partition_rollup_audited_buckets_total[1m]) >= 0 and on (policy) "
                            "count_over_time(partition_coverage_seconds{policy='telemetry-points'}[1m]) > 3")

    def prometheus_has(self, expression):
        return wait_for(f"Prometheus to see: {expression}", lambda: self.prometheus.query(expression))

    def check_metrics_are_documented(self):
        page = metrics_page(self.leader_port)
        exported = set(re.findall(r"^# TYPE (\S+) ", page, re.MULTILINE))
        documented = monitoring.documented()
        if exported != documented:
            raise Failed(f"exported and not documented: {sorted(exported - documented)}; "
                         f"documented and not exported: {sorted(documented - exported)}")
        # What stands by knows no table, and says so to people.
        pages = {port: parts.get(f"http://127.0.0.1:{port}/") for port in (self.leader_port, self.other_port)}
        if "public.telemetry_points" not in pages[self.leader_port]:
            raise Failed("the leader's status page shows no tables")
        if ("This controller stands by" not in pages[self.other_port]
                or "telemetry_points" in pages[self.other_port]):
            raise Failed("the status page of the controller that stands by does not say so")
        if re.search(r'policy="', metrics_page(self.other_port)):
            raise Failed("the controller that stands by speaks of policies")
        checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True,
                                 check=False)
        # A name that has been promised, and that it takes for a part of a histogram.
        said = [line for line in (checked.stdout + checked.stderr).splitlines()
                if line and not line.startswith("partition_count ")]
        if said:
            raise Failed(f"promtool check metrics: {said}")

    def check_dashboards_have_data(self):
        count = 0
        problems = []
        for path in monitoring.DASHBOARDS:
            dashboard = monitoring.load_dashboard(path)
            name = os.path.basename(path)
            chosen = [{"namespace": ".*", "policy": ".*", "job": ".*"},
                      {"namespace": "edgewatch", "policy": "telemetry-points", "job": "partition-controller"},
                      {"namespace": "(edgewatch|other)", "policy": "(events|telemetry-points)",
                       "job": "(partition-controller)"}]
            for where, expression, target in monitoring.expressions_of(dashboard):
                for values in chosen:
                    try:
                        result = ask(self.prometheus, monitoring.filled_in(expression, values), target)
                    except Failed as failure:
                        problems.append(f"{name}: {where}: {failure}")
                        break
                    # An annotation marks what happens now and then.
                    if target is not None and not has_data(result):
                        problems.append(f"{name}: {where}: no data: {monitoring.filled_in(expression, values)}")
                    count += 1
            for variable, series, label in monitoring.variables_of(dashboard):
                for values in chosen:
                    found = self.prometheus.ask(f"label/{label}/values",
                                                **{"match[]": monitoring.filled_in(series, values)})
                    count += 1
                    if not found:
                        problems.append(f"{name}: the variable {variable} offers nothing")
                    # The tables of rollups among them, as "POLICY/ROLLUP".
                    elif (variable == "policy" and values["policy"] == ".*"
                          and sorted({one.split("/")[0] for one in found}) != sorted(FLEET)):
                        problems.append(f"{name}: the variable {variable} offers {found}")
            for where, expression, _ in monitoring.expressions_of(dashboard):
                problems += [f"{name}: {where}: {one}" for one in self.unknown_in(expression)]
        for alert in monitoring.alerts():
            problems += [f"{alert['alert']}: {one}" for one in self.unknown_in(alert["expr"])]
        # A table's row is whole for every policy that has partitions.
        fleet = monitoring.load_dashboard(next(p for p in monitoring.DASHBOARDS if p.endswith("fleet.json")))
        for where, expression, target in monitoring.expressions_of(fleet):
            if target is None or target.get("format") != "table":
                continue
            rows = {series["metric"]["policy"]
                    for series in self.prometheus.query(monitoring.filled_in(expression, chosen[0]))}
            if not rows >= set(FLEET) - PLAIN:
                problems.append(f"fleet.json: {where} has rows for {sorted(rows)} only")
        if problems:
            raise Failed("\n".join(problems))
        print(f"{count} queries of dashboards have data")

    def unknown_in(self, expression):
        """What a selector asks for that is not exported: `or vector(0)` would hide it."""
        for metric, label, word in monitoring.matchers_in(expression):
            # Not everything was done by now, nor failed: of actions one metric has all, of results the text.
            shown = "partition_pending_actions" if label == "action" else metric
            values = self.prometheus.ask(f"label/{label}/values", **{"match[]": shown})
            if label == "result" or not values:
                values = monitoring.words_of(metric, label)
            if not values:
                yield f"{metric} has no label {label}"
            elif word is not None and word not in values:
                yield f"{metric} has no {label} {word}, only {sorted(values)}"

    def check_no_alert_is_raised(self):
        def evaluated():
            rules = self.prometheus.ask("rules")["groups"][0]["rules"]
            return rules if all(rule["health"] != "unknown" for rule in rules) else None
        rules = wait_for("every rule to be evaluated", evaluated)
        if len(rules) != len(list(monitoring.alerts())):
            raise Failed("Prometheus has other rules")
        for rule in rules:
            if rule["health"] != "ok":
                raise Failed(f"{rule['name']} is {rule['health']}: {rule.get('lastError')}")
            if rule["state"] != "inactive" and rule["name"] != "PartitionRollupLagging":
                raise Failed(f"{rule['name']} is {rule['state']}, and everything is well: {rule['alerts']}")

    def check_no_alert_would_fire_in_an_hour(self):
        """The two pages as they are, for an hour on end."""
        series = []
        for instance, port in (("one", self.leader_port), ("two", self.other_port)):
            for line in metrics_page(port).splitlines():
                if line.startswith("#") or not line:
                    continue
                name, _, labels, value = re.fullmatch(r"(\w+)(\{(.*)\})? (\S+)", line).groups()
                labels = ",".join(filter(None, [labels, f'job="pc",instance="{instance}"']))
                value = {"+Inf": "1e15", "-Inf": "-1e15", "Nan": "0"}.get(value, value)
                series.append({"series": f"{name}{{{labels}}}", "values": f"{value}x60"})
        test = {"rule_files": [os.path.join(ROOT, "manifests/monitoring/rules.yaml")], "evaluation_interval": "1m",
                "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [
                    {"expr": 'count by (alertname, policy) (count_over_time(ALERTS{alertstate="firing"}[1h]))',
                     "eval_time": "1h", "exp_samples": []},
                    {"expr": "count(partition_coverage_seconds{policy!~'.*/.*'})", "eval_time": "1h",
                     "exp_samples": [{"labels": "{}", "value": len(FLEET) - len(PLAIN)}]}]}]}
        path = self.world.write("hour.yaml", json.dumps(test))
        done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed("an hour of this: " + done.stdout + done.stderr)

    # --- Something is wrong ---

    def raised(self, alert, nudge=lambda: None, **labels):
        """Waits until Prometheus raises it: what comes after is a matter of `for`."""
        def found():
            nudge()
            for one in self.prometheus.ask("alerts")["alerts"]:
                if one["labels"]["alertname"] == alert and labels.items() <= one["labels"].items():
                    return one
            return None
        one = wait_for(f"{alert} {labels}", found)
        text = " ".join(one["annotations"].values())
        if "<no value>" in text or "error expanding" in text or "{{" in text or "%!" in text:
            raise Failed(f"{alert} says: {text}")
        print(f"raised: {alert} {labels or ''}: {one['annotations']['summary']}")

    def check_each_alert_is_raised_by_its_cause(self):
        world = self.world
        world.sql(NEGLECTED, "neglected")
        world.sql(BUSY, "busy")
        world.sql(SLOW, "slow")
        world.sql(FROZEN, "frozen")
        # Somebody reads a table for minutes, and has an old transaction on the other.
        for database, statement in (("busy", "LOCK TABLE busy IN ACCESS SHARE MODE; LOCK TABLE busy_default IN SHARE MODE"),
                                    ("slow", "INSERT INTO slow VALUES (-1, now())")):
            world.start(f"session-{database}", [parts.POSTGRES + "/psql", "-X", "-q", world.database(database),
                                                "-c", f"BEGIN; {statement}; SELECT pg_sleep(600)"])
            wait_for(f"the session on {database}", lambda database=database: world.sql(
                f"SELECT 1 FROM pg_locks WHERE relation = '{database}'::regclass", database))
        retention = {"keep": "30d", "action": "Drop"}
        for name, secret, table, more in (
                ("neglected", "neglected", "neglected", {"mode": "Plan", "retention": retention}),
                ("interrupted", "neglected", "interrupted", {"mode": "Plan"}),
                ("missing", "neglected", "no_such_table", {}),
                ("away", "away", "anything", {}),
                ("busy", "busy", "busy", {"locks": {"timeout": "200ms"}}),
                ("slow", "slow", "slow", {"partitioning": {"conversion": "Online", "uniqueness": "PerPartition"}}),
                ("frozen", "frozen", "frozen", {"partitioning": {"conversion": "Online"}}),
                ("invalid", "neglected", "neglected", {"partitioning": {"timeZone": "Mars/Olympus"}})):
            world.must_kubectl(["apply", "-f", "-"], policy(name, secret, table, "at", more))
        # A rollup whose policy only looks from now on, and a point of some hours ago.
        world.must_kubectl(["patch", "ppol", "telemetry-points", "-n", "edgewatch", "--type", "merge", "-p",
                            '{"spec": {"mode": "Plan"}}'])
        wait_for("the rollup to be left alone", lambda: world.must_kubectl(
            ["get", "ppol", "telemetry-points", "-n", "edgewatch", "-o",
             "jsonpath={.metadata.generation} {.status.observedGeneration}"]) == "2 2")
        world.sql("INSERT INTO telemetry_points VALUES (-1, 'device-1', now() - interval '5 hours', '{\"x\": 1}')",
                  "fleet")

        self.raised("PartitionCoverageBelowTarget", policy="neglected")
        self.raised("PartitionCoverageNearlyExhausted", policy="neglected", severity="critical")
        self.raised("PartitionRetentionOverdue", policy="neglected", table="public.neglected")
        self.raised("PartitionDefaultNotEmpty", policy="neglected")
        self.raised("PartitionDetachPending", policy="interrupted")
        self.raised("PartitionRollupLagging", policy="telemetry-points", rollup="hourly")
        self.raised("PartitionPolicyStalled", policy="missing")
        self.raised("PartitionDatabaseUnread", policy="away")
        self.raised("PartitionPolicyInvalid")
        self.raised("PartitionConversionStuck", policy="slow")
        self.raised("PartitionConversionFenceStanding", policy="frozen", severity="critical")
        self.raised("PartitionReconcileFailing")
        # Pauses grow up to five minutes; who asks for a look gets one at once.
        self.raised("PartitionLockContention", nudge=lambda: world.must_kubectl(
            ["annotate", "ppol", "busy", "-n", "edgewatch", "--overwrite",
             f"edgewatch.dev/reconcile-requested-at={time.monotonic()}"]))
        alerts = [one["labels"] for one in self.prometheus.ask("alerts")["alerts"]]
        healthy = [labels for labels in alerts if labels.get("policy") in ("events", "request-logs", "seen-messages")]
        if healthy:
            raise Failed(f"alerts about tables that are well: {healthy}")
        early = [labels for labels in alerts
                 if labels["alertname"] in ("PartitionControllerNoLeader", "PartitionControllerAbsent",
                                            "PartitionRollupMismatch")]
        if early:
            raise Failed(f"alerts without a cause: {early}")

    def check_a_wrong_rollup_is_noticed(self):
        """Prometheus looks a minute at a time, which is longer than we wait."""
        expression = next(a["expr"] for a in monitoring.alerts() if a["alert"] == "PartitionRollupMismatch")
        expression = expression.replace("[1d:1m]", "[2m:1s]")
        if "[2m:1s]" not in expression or self.prometheus.query(expression):
            raise Failed("the rollup counts as wrong already")
        # Past the triggers; and the audit, due in some minutes, is due now.
        self.world.sql("UPDATE telemetry_rollups_hourly SET sample_count = sample_count + 1; "
                       "UPDATE partition_controller.rollups SET audited_at = NULL", "fleet")
        self.world.must_kubectl(["patch", "ppol", "telemetry-points", "-n", "edgewatch", "--type", "merge", "-p",
                                 '{"spec": {"mode": "Apply"}}'])
        self.prometheus_has(expression)
        print("raised: PartitionRollupMismatch")

    def run_blocks(self, name, place):
        """The blocks of SQL and of shell of a document, but for those that say what else they need."""
        world = self.world
        environment = {**os.environ, "KUBECONFIG": world.path("admin.kubeconfig"), "HOME": world.folder,
                       "DATABASE_URL": world.database("fleet"),
                       "PATH": os.path.dirname(os.environ["PC_TEST_PROGRAM"]) + ":" + os.environ["PATH"]}
        count = 0
        for kind, needs, block in re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", monitoring.read(name),
                                             re.MULTILINE | re.DOTALL):
            where = f"{name}: {block}"
            if needs in ("google-cloud", "cluster") or "kubectl kustomize" in block and parts.kubectl_minor() < 21:
                continue
            if kind == "sql":
                try:
                    world.sql(f"BEGIN;\n{block}\nROLLBACK;", "fleet")
                except Failed as failure:
                    raise Failed(f"{where}: {failure}") from failure
            elif kind == "sh" and not needs:
                done = subprocess.run(["bash", "-c", "set -o pipefail; " + block], env=environment, cwd=place,
                                      text=True, capture_output=True, check=False)
                # 2: the plan has steps, or the doctor has findings.
                allowed = (0, 2) if re.search("partition-controller (plan|doctor)", block) else (0,)
                if done.returncode not in allowed or done.stderr and not done.stderr.startswith("Warning: "):
                    raise Failed(f"{where}: exit {done.returncode}\n{done.stdout}{done.stderr}")
                if "kubectl get" in block and not done.stdout.strip() and ">" not in block:
                    raise Failed(f"{where}: says nothing")
            elif kind != "yaml":
                raise Failed(f"{where}: a block of {kind} {needs}?")
            count += 1
        return count

    def check_the_commands_of_the_documents(self):
        world = self.world
        place = world.path("repository")
        for folder in ("manifests", "crd"):
            shutil.copytree(os.path.join(ROOT, folder), os.path.join(place, folder))
        world.sql('CREATE ROLE edgewatch; CREATE ROLE "partition-controller@PROJECT.iam"; CREATE DATABASE edgewatch')
        # README.md says how to get the policy's file.
        names = sorted(os.listdir(monitoring.RUNBOOKS), key=lambda one: (one != "README.md", one))
        runbooks = sum(self.run_blocks("docs/RUNBOOKS/" + name, place) for name in names)
        # For the doctor to propose a policy.
        world.sql("CREATE TABLE unattended (at timestamptz NOT NULL) PARTITION BY RANGE (at); "
                  "CREATE TABLE unattended_2024 PARTITION OF unattended "
                  "FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2025-01-01 00:00+00')", "fleet")
        # Of the runbooks; JSON is YAML as well.
        shutil.copy(os.path.join(place, "policy.json"), os.path.join(place, "policy.yaml"))
        # gke.md and kubernetes.md are guides_test.py's.
        guides = sum(self.run_blocks("docs/" + name, place)
                     for name in ("migrating.md", "PRODUCTION_POSTURE.md", "faq.md", "simulate.md", "doctor.md"))
        if runbooks < 30 or guides < 5:
            raise Failed(f"only {runbooks} commands in the runbooks, and {guides} in the guides")
        print(f"{runbooks} commands of the runbooks work, and {guides} of the guides")

    def check_nobody_leads(self):
        """Neither may have the Lease any more; then there is neither."""
        self.world.must_kubectl(["delete", "role,rolebinding", "partition-controller", "-n", "partition-controller"])
        self.raised("PartitionControllerNoLeader", severity="critical")
        for process in self.controllers:
            process.terminate()
        self.raised("PartitionControllerAbsent", severity="critical")

    def run(self):
        self.start()
        for check in (self.check_metrics_are_documented, self.check_dashboards_have_data,
                      self.check_no_alert_is_raised, self.check_no_alert_would_fire_in_an_hour,
                      self.check_each_alert_is_raised_by_its_cause, self.check_a_wrong_rollup_is_noticed,
                      self.check_the_commands_of_the_documents, self.check_nobody_leads):
            try:
                check()
            except Failed:
                for name in ("one", "two"):
                    print(f"--- controller {name}:\n{self.world.log_of(name)[-3000:]}", file=sys.stderr)
                raise
            print("fine:", check.__name__, flush=True)
        return 0


def run():
    with parts.Parts() as world:
        return Test(world).run()


if __name__ == "__main__":
    parts.main(run)
