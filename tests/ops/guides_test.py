#!/usr/bin/python3
"""A guide (docs/gke.md, docs/kubernetes.md) from its first command to its last, as
it stands there.

The API server, PostgreSQL and Prometheus are real, and the controllers are what
the Deployment says: its arguments and environment, under its service account.
What stands in for Google Cloud is in stand_ins.py, and what for the nodes of the
cluster, the proxy and the collector of metrics is here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import yaml

import monitoring
import parts
import stand_ins
from parts import ROOT, Failed, wait_for

NAMESPACE = "partition-controller"

# A year of rows, as EdgeWatch has them: what is old is in a partition that has
# expired, and what is not in the default one.
TABLES = """
CREATE ROLE edgewatch;
CREATE TABLE telemetry_points (id bigint, device_id varchar(128), ts timestamptz NOT NULL,
  metrics jsonb NOT NULL DEFAULT '{}', PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE telemetry_points_p202401 PARTITION OF telemetry_points
  FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00');
CREATE TABLE telemetry_points_default PARTITION OF telemetry_points DEFAULT;
INSERT INTO telemetry_points VALUES (1, 'device-1', '2024-01-15 00:00+00');
INSERT INTO telemetry_points SELECT n, 'device-' || n % 5, now() - n * interval '1 hour' FROM generate_series(2, 100) AS n;
ALTER TABLE telemetry_points OWNER TO edgewatch;
ALTER TABLE telemetry_points_p202401 OWNER TO edgewatch;
ALTER TABLE telemetry_points_default OWNER TO edgewatch;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
"""

# What the reader is told to look at, by the block's first line, and what is then
# to be seen: at once, or when it is looked at again.
SHOWS = {
    "docs/gke.md": {
        "kubectl kustomize manifests/overlays/gke-cloud-sql |": [
            r"image: europe-west3-docker\.pkg\.dev/my-project/partition-controller/partition-controller:[0-9.]+\n",
            r"image: gcr\.io/cloud-sql-connectors/cloud-sql-proxy:",
            r"gcp-service-account: partition-controller@my-project\.iam\.gserviceaccount\.com\n"],
        "kubectl apply -f partition-controller.yaml": [
            r'deployment "partition-controller" successfully rolled out\n$'],
        "kubectl describe ppol telemetry-points -n edgewatch": [
            r"Message: +\S.* due: .*create_partition.*\n +Observed Generation: +1\n +Reason: +PlanPending\n"
            r" +Status: +False\n +Type: +Ready\n"],
        "kubectl wait --for=condition=Ready ppol/telemetry-points -n edgewatch --timeout=10m": [
            r"condition met\n", r"(?m)^edgewatch +telemetry-points +Month +90d +True +AsDeclared ",
            r" Normal +DetachPartition +partitionpolicy/telemetry-points +detach .*, to be dropped 24 h later\n"],
    },
    "docs/kubernetes.md": {
        "docker build -t partition-controller:0.1.0 .": [
            r'deployment "partition-controller" successfully rolled out\n$'],
        """kubectl patch ppol telemetry-points -n edgewatch --type merge -p '{"spec": {"mode": "Apply"}}'""": [
            r"condition met\n", r"(?m)^edgewatch +telemetry-points +Month +90d +True +AsDeclared ",
            r" +Type: +Ready\n", r"(?m)^ +undoWindow\t"],
        "kubectl partition status -A": [
            r"(?m)^edgewatch +telemetry-points +True +AsDeclared ", r": 0 steps are due, 1 step waits ",
            r": all is as the policy declares\.\n", r": retention is held: nothing more is removed\.\n"],
    },
}
LOOKS = re.compile(r"^(?:grep|kubectl (?:describe|explain|get|partition|rollout|wait)) |\| *grep ", re.MULTILINE)


def blocks(document):
    """Kind, mark and text of each, but for samples of what is printed."""
    text = monitoring.read(document)
    found = re.findall(r"^```(\w*) ?(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    if not found or len(found) * 2 != text.count("\n```"):
        raise Failed(f"only {len(found)} blocks of {document} are understood")
    return [one for one in found if one[0] != "console"]


def first_line(block):
    """What a block is known by, without a comment."""
    return re.split(r" *(?:\n| # )", block, maxsplit=1)[0]


class Pod:
    """A controller that runs as the Deployment says."""

    def __init__(self, world, name, deployment):
        pod = deployment["spec"]["template"]["spec"]
        container = next(one for one in pod["containers"] if one["name"] == "partition-controller")
        # What listens at the port of a container is reached at one of this machine.
        self.ports = {port["containerPort"]: parts.free_port() for port in container["ports"]}
        self.names = {port["name"]: port["containerPort"] for port in container["ports"]}
        self.probe = container["readinessProbe"]["httpGet"]
        account = f"system:serviceaccount:{deployment['metadata']['namespace']}:{pod['serviceAccountName']}"
        with open(world.path("tokens.csv"), encoding="utf-8") as file:
            token = dict(reversed(line.split(",")[:2]) for line in file).get(account)
        if token != "token-controller" or "command" in container or "volumeMounts" in container:
            raise Failed(f"no pod can be made of {json.dumps(pod)}")
        arguments = [re.sub(r"^0\.0\.0\.0:(\d+)$", lambda m: f"127.0.0.1:{self.ports.get(int(m[1]), m[1])}", one)
                     for one in container.get("args", ["run", "--kubernetes"])]
        environment = {one["name"]: one["value"] for one in container.get("env", [])}
        # In place of what a kubelet mounts.
        environment["KUBECONFIG"] = world.path("controller.kubeconfig")
        self.name = name
        self.world = world
        self.process = world.start(name, [os.environ["PC_TEST_PROGRAM"]] + arguments, environment)

    def ready(self):
        self.world.expect_running(self.name, self.process)
        port = self.probe["port"]
        port = self.ports.get(self.names.get(port, port))
        try:
            return parts.get(f"http://127.0.0.1:{port}{self.probe['path']}") is not None
        except OSError:
            return False

    def end(self):
        self.process.terminate()
        if self.process.wait(timeout=parts.PATIENCE) != 0:
            raise Failed(f"{self.name} ended with {self.process.returncode}:\n{self.world.log_of(self.name)[-3000:]}")


class Cluster:
    """What a cluster has besides its API server: who runs Deployments, and empties namespaces."""

    def __init__(self, world, state):
        self.world = world
        self.state = state
        self.pods = []

    def tick(self):
        deployments = self.world.api("/apis/apps/v1/deployments")["items"]
        if len(deployments) > 1:
            raise Failed("more than one Deployment")
        for one in deployments:
            self.run(one)
        if not deployments:
            for pod in self.pods:
                pod.end()
            self.pods = []
        for one in self.world.api("/api/v1/namespaces")["items"]:
            if "deletionTimestamp" in one["metadata"] and one["spec"].get("finalizers"):
                one["spec"]["finalizers"] = []
                self.world.api(f"/api/v1/namespaces/{one['metadata']['name']}/finalize", "PUT", one)

    def run(self, deployment):
        if not self.pods:
            self.let_in(deployment)
            self.pods = [Pod(self.world, f"controller-{n}", deployment) for n in range(deployment["spec"]["replicas"])]
        ready = sum(pod.ready() for pod in self.pods)
        status = {"observedGeneration": deployment["metadata"]["generation"], "replicas": len(self.pods),
                  "updatedReplicas": len(self.pods), "readyReplicas": ready, "availableReplicas": ready}
        if deployment.get("status") != status:
            place = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{deployment['metadata']['name']}/status"
            self.world.api(place, "PATCH", {"status": status}, "application/merge-patch+json")

    def let_in(self, deployment):
        """Whether a node would get the image, and Cloud SQL let the proxy in."""
        pod = deployment["spec"]["template"]["spec"]
        containers = {one["name"]: one for one in pod["containers"] + pod.get("initContainers", [])}
        google = stand_ins.state_of(self.state)
        image = containers["partition-controller"]["image"]
        if image not in google["pushed"]:
            raise Failed(f"the image {image} cannot be pulled")
        if "cloud-sql-proxy" not in containers:
            return
        place = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{pod['serviceAccountName']}"
        account = self.world.api(place)["metadata"]["annotations"]["iam.gke.io/gcp-service-account"]
        member = f"serviceAccount:{account}"
        project = stand_ins.PROJECT
        pods = f"serviceAccount:{project}.svc.id.goog[{NAMESPACE}/{pod['serviceAccountName']}]"
        for binding in ([account, pods, "roles/iam.workloadIdentityUser"], [project, member, "roles/cloudsql.client"],
                        [project, member, "roles/cloudsql.instanceUser"]):
            if binding not in google["bindings"]:
                raise Failed(f"nobody has granted {binding}")
        if "sqladmin.googleapis.com" not in google["services"]:
            raise Failed("the proxy may not ask for the instance")
        arguments = containers["cloud-sql-proxy"]["args"]
        if (f"{project}:{stand_ins.REGION}:{stand_ins.INSTANCE}" not in arguments or "--port=5432" not in arguments
                or "--auto-iam-authn" not in arguments):
            raise Failed(f"the proxy leads elsewhere: {arguments}")


class Reader:
    """Somebody at a shell who types what the document says."""

    def __init__(self, world, document):
        self.world = world
        self.document = document
        self.place = world.path("repository")
        self.state = world.path("google.json")
        self.cluster = Cluster(world, self.state)
        self.collected = None

    def start(self):
        world = self.world
        shutil.copytree(os.path.join(ROOT, "manifests"), os.path.join(self.place, "manifests"))
        shutil.copytree(os.path.join(ROOT, "crd"), os.path.join(self.place, "crd"))
        shutil.copy(os.path.join(ROOT, "Dockerfile"), self.place)
        world.start_postgres()
        world.sql("CREATE DATABASE edgewatch")
        world.sql(TABLES, "edgewatch")
        minor = world.start_cluster()
        # Managed collection brings its own kinds.
        world.must_kubectl(["apply", "-f", os.path.join(ROOT, "tests/ops/foreign_crds.yaml")])
        world.must_kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])
        programs = world.path("bin")
        os.mkdir(programs)
        kubectl = shutil.which("kubectl")
        for name in ("gcloud", "docker", "kind", "kubectl"):
            os.symlink(os.path.join(ROOT, "tests/ops/stand_ins.py"), os.path.join(programs, name))
        self.environment = {
            "PATH": ":".join([programs, os.path.dirname(os.environ["PC_TEST_PROGRAM"]), os.environ["PATH"]]),
            "HOME": world.folder, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
            "KUBECONFIG": world.path("reader.kubeconfig"), "STAND_IN_KUBECONFIG": world.path("admin.kubeconfig"),
            "STAND_IN_STATE": self.state, "STAND_IN_DATABASE": world.database("edgewatch"),
            "STAND_IN_KUBECTL": kubectl, "STAND_IN_SERVER_MINOR": str(minor)}
        world.write("session", "")
        if self.document != "docs/gke.md":
            # What other guides take from that one, and a cluster that is there.
            text = re.search(r"<<'YAML'\n(.*?)^YAML$", monitoring.read("docs/gke.md"), re.MULTILINE | re.DOTALL)[1]
            world.write("repository/telemetry-points.yaml", text)
            shutil.copy(world.path("admin.kubeconfig"), self.environment["KUBECONFIG"])
            world.sql("GRANT CREATE ON SCHEMA public TO edgewatch; GRANT CREATE ON DATABASE edgewatch TO edgewatch",
                      "edgewatch")
            self.environment["DATABASE_URL"] = world.database("edgewatch")

    def shell(self, block):
        """Runs a block; what it exports is there in the next."""
        # Of the proxy's port in the pod, in place of which PostgreSQL has its own here.
        script = block.replace("port=5432 ", f"port={self.world.postgres_port} ")
        session = self.world.path("session")
        script = f"set -eo pipefail\n. {session}\n{script}\nexport -p >{session}\n"
        with open(self.world.path("block.log"), "w", encoding="utf-8") as log, \
                subprocess.Popen(["timeout", str(parts.PATIENCE), "bash", "-c", script], env=self.environment,
                                 cwd=self.place, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.PIPE,
                                 text=True) as process:
            while process.poll() is None:
                self.cluster.tick()
                time.sleep(0.1)
            complaints = [line for line in process.stderr if not line.startswith("Warning: ")]
        said = self.world.log_of("block")
        if process.returncode != 0 or complaints:
            raise Failed(f"exit {process.returncode}\n{said}{''.join(complaints)}")
        return said

    def run(self, kind, mark, block):
        if kind == "sql":
            self.world.sql(block.replace("PROJECT", stand_ins.PROJECT), "edgewatch")
        elif kind == "sh" and mark in ("", "cluster", "google-cloud"):
            said = self.shell(block)
            shows = SHOWS[self.document].get(first_line(block), [])
            if LOOKS.search(block) and not shows:
                raise Failed("it looks at something, and SHOWS does not say what there is to be seen")

            def seen():
                nonlocal said
                missing = [one for one in shows if not re.search(one, said)]
                if missing:
                    said = self.shell(block)
                    raise Failed(f"{missing} not seen in:\n{said}")
                return True
            wait_for("what the document says", seen)
        else:
            raise Failed(f"a block of {kind} {mark}")
        if "manifests/overlays/monitoring-gke" in block:
            self.collect()
        if "manifests/overlays/grafana" in block:
            self.open_dashboards()

    # --- What the document says in words ---

    def attached(self):
        return self.world.sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'telemetry_points'::regclass",
                              "edgewatch")

    def check_nothing_is_done_yet(self):
        if self.attached() != "2":
            raise Failed("a policy that only looks has changed the table")

    def check_the_table(self):
        """Three months ahead, what has expired in its undo window, and nobody but the IAM user did it."""
        ahead = self.world.sql("""
            SELECT count(*) FROM generate_series(0, 3) AS n,
              LATERAL (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') + n * interval '1 month' AS month) AS m
            WHERE to_regclass('telemetry_points_p' || to_char(month, 'YYYYMM')) IS NOT NULL""", "edgewatch")
        undo = self.world.sql("SELECT table_name || ' ' || state FROM partition_controller.partitions "
                              "WHERE state <> 'attached'", "edgewatch")
        users = self.world.sql("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'edgewatch' "
                               "AND pid <> pg_backend_pid()", "edgewatch")
        owners = self.world.sql("SELECT DISTINCT relowner::regrole FROM pg_class WHERE relname LIKE "
                                "'telemetry\\_points\\_p%' AND relkind = 'r'", "edgewatch")
        if (ahead, users, owners) != ("4", "partition-controller@my-project.iam", "edgewatch") or \
                not undo.startswith("telemetry_points_p202401 "):
            raise Failed(f"{ahead} of the partitions ahead; {undo}; by {users}; of {owners}")

    def collect(self):
        """As managed collection does: what PodMonitoring selects is scraped, and Rules are evaluated."""
        world = self.world
        group = f"/apis/monitoring.googleapis.com/v1/namespaces/{NAMESPACE}"
        monitor = world.api(group + "/podmonitorings")["items"][0]["spec"]
        labels = world.api(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/partition-controller")[
            "spec"]["template"]["metadata"]["labels"]
        endpoint = monitor["endpoints"][0]
        if not monitor["selector"]["matchLabels"].items() <= labels.items() or endpoint["path"] != "/metrics":
            raise Failed(f"no controller is collected: {monitor}")
        groups = [one for rules in world.api(group + "/rules")["items"] for one in rules["spec"]["groups"]]
        for one in groups:
            one["interval"] = "1s"
        prometheus = world.start_prometheus(
            [pod.ports[pod.names[endpoint["port"]]] for pod in self.cluster.pods],
            world.write("rules.yaml", yaml.safe_dump({"groups": groups})))
        for expression in ("sum(up) == 2", "sum(leader_election_master_status) == 1",
                           'partition_coverage_seconds{policy="telemetry-points"} > 0',
                           'partition_policy_condition{policy="telemetry-points", type="Ready", status="True"} == 1'):
            wait_for(f"Prometheus to see: {expression}", lambda e=expression: prometheus.query(e))

        def quiet():
            rules = [rule for one in prometheus.ask("rules")["groups"] for rule in one["rules"]]
            loud = [rule["name"] for rule in rules if (rule["health"], rule["state"]) != ("ok", "inactive")]
            if loud or len(rules) != len(list(monitoring.alerts())):
                raise Failed(f"of {len(rules)} alerts these are raised or not well: {loud}")
            return True
        wait_for("all alerts to be quiet", quiet)
        self.collected = prometheus

    def open_dashboards(self):
        """As Grafana's sidecar does; then the Fleet has a row for the table."""
        maps = self.world.api(f"/api/v1/namespaces/{NAMESPACE}/configmaps?labelSelector=grafana_dashboard")["items"]
        files = {name: json.loads(text) for one in maps for name, text in one["data"].items()}
        if sorted(files) != sorted(os.path.basename(path) for path in monitoring.DASHBOARDS):
            raise Failed(f"these dashboards have come: {sorted(files)}")
        tables = [monitoring.filled_in(expression, {"namespace": ".*", "policy": ".*", "job": ".*"})
                  for _, expression, target in monitoring.expressions_of(files["fleet.json"])
                  if target and target.get("format") == "table"]
        for expression in tables:
            found = [one["metric"]["policy"] for one in self.collected.query(expression)]
            if found != ["telemetry-points"]:
                raise Failed(f"the Fleet has rows for {found}: {expression}")
        if not tables:
            raise Failed("the Fleet has no table")

    def check_what_stays(self, before):
        left = [pod.name for pod in self.cluster.pods]
        if left or self.attached() != before:
            raise Failed(f"{left} still run, or the table is not as it was")
        for path in (f"/api/v1/namespaces/{NAMESPACE}",
                     "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/partitionpolicies.edgewatch.dev"):
            if self.world.api(path) is not None:
                raise Failed(f"{path} is still there")
        self.world.sql("DROP SCHEMA partition_controller CASCADE", "edgewatch")
        rows = self.world.sql("SELECT count(*) FROM telemetry_points", "edgewatch")
        if rows != "99":
            raise Failed(f"{rows} rows of 99")

    def read(self):
        shown = set()
        before = None
        for kind, mark, block in blocks(self.document):
            try:
                if "kubectl delete -f" in block:
                    self.check_the_table()
                    before = self.attached()
                self.run(kind, mark, block)
                if "kubectl describe ppol" in block and "Apply" not in block:
                    self.check_nothing_is_done_yet()
            except Failed as failure:
                raise Failed(f"{self.document}: ```{kind} {mark}\n{block}{failure}") from failure
            shown.add(first_line(block))
            print("fine:", first_line(block), flush=True)
        if not shown >= set(SHOWS[self.document]):
            raise Failed(f"SHOWS speaks of blocks that are not there: {set(SHOWS[self.document]) - shown}")
        if before is not None:
            self.check_what_stays(before)
        if (before is None or self.collected is None) and self.document == "docs/gke.md":
            raise Failed("it ends before its end")
        return 0


def run():
    if len(sys.argv) != 2 or sys.argv[1] not in SHOWS:
        raise Failed(f"usage: guides_test.py {'|'.join(SHOWS)}")
    if not os.environ.get("PC_TEST_PROGRAM"):
        raise Failed("PC_TEST_PROGRAM does not say where the controller is")
    if parts.kubectl_minor() < 21:
        print("kubectl cannot render resources: [../base]; 1.21 or later can")
        return parts.SKIPPED
    with parts.Parts() as world:
        reader = Reader(world, sys.argv[1])
        reader.start()
        return reader.read()


if __name__ == "__main__":
    parts.main(run)
