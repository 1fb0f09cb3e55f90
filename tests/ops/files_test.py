#!/usr/bin/python3
"""What can be said of the shipped alerts and dashboards without any server."""

import os
import re
import subprocess

import monitoring
import parts
from parts import ROOT, Failed


def check_alerts_fire_when_they_should():
    for command in (["scripts/rules", "--check"],
                    ["promtool", "check", "rules", monitoring.RULES],
                    ["promtool", "test", "rules", "tests/ops/alerts_test.yaml"]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


def check_every_alert_is_tested():
    tests = monitoring.read("tests/ops/alerts_test.yaml")
    for alert in monitoring.alerts():
        # PartitionPolicyStalled is tested by a pattern, and then told apart.
        if f'alertname="{alert["alert"]}"' not in tests:
            raise Failed(f"tests/ops/alerts_test.yaml does not expect {alert['alert']}")


def check_alerts_tell_what_to_do():
    names = [alert["alert"] for alert in monitoring.alerts()]
    if len(names) != len(set(names)) or not names:
        raise Failed("alerts of the same name, or none")
    for alert in monitoring.alerts():
        name = alert["alert"]
        if alert["labels"].get("severity") not in ("critical", "warning"):
            raise Failed(f"{name} has no severity")
        for annotation in ("summary", "description"):
            if not alert["annotations"].get(annotation):
                raise Failed(f"{name} has no {annotation}")
        wanted = f"docs/RUNBOOKS/{name}.md"
        if alert["annotations"].get("runbook_url") != wanted:
            raise Failed(f"the runbook of {name} should be {wanted}")
        text = monitoring.read(wanted)
        for heading in ("What it means", "Look", "Do", "Can it be undone?", "It is over when"):
            if f"\n## {heading}\n" not in text:
                raise Failed(f"{wanted} lacks the heading {heading}")
    index = monitoring.read("docs/RUNBOOKS/README.md")
    for file in sorted(os.listdir(monitoring.RUNBOOKS)):
        if file[:-3] not in names + ["README", "RETENTION"]:
            raise Failed(f"docs/RUNBOOKS/{file} belongs to no alert")
        if file != "README.md" and f"({file})" not in index:
            raise Failed(f"docs/RUNBOOKS/README.md does not list {file}")


def check_nothing_asks_for_an_unknown_metric():
    known = monitoring.documented()
    asked = [(f"the alert {alert['alert']}", alert["expr"]) for alert in monitoring.alerts()]
    for path in monitoring.DASHBOARDS:
        dashboard = monitoring.load_dashboard(path)
        name = os.path.basename(path)
        asked += [(f"{name}: {where}", expression)
                  for where, expression, _ in monitoring.expressions_of(dashboard)]
        asked += [(f"{name}: variable {variable}", series)
                  for variable, series, _ in monitoring.variables_of(dashboard)]
    for where, expression in asked:
        names = monitoring.metrics_in(expression)
        if not names and "absent" not in expression:
            raise Failed(f"{where} names no metric: {expression}")
        for name in names:
            if name not in known and monitoring.family(name) not in known:
                raise Failed(f"{where} asks for {name}, which docs/metrics.md does not have")


def overlap(one, other):
    return (one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"] and
            one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"])


def check_dashboards_are_well_formed():
    if len(monitoring.DASHBOARDS) != 3:
        raise Failed(f"three dashboards expected, not {monitoring.DASHBOARDS}")
    uids = set()
    for path in monitoring.DASHBOARDS:
        dashboard = monitoring.load_dashboard(path)
        name = os.path.basename(path)
        uids.add(dashboard["uid"])
        if dashboard["schemaVersion"] < 39:
            raise Failed(f"{name} is of an old schema")
        if dashboard.get("id") is not None:
            raise Failed(f"{name} has the id of some Grafana's database")
        variables = {variable["name"] for variable in dashboard["templating"]["list"]}
        panels = list(monitoring.panels_of(dashboard))
        ids = [panel["id"] for panel in panels]
        if len(ids) != len(set(ids)):
            raise Failed(f"{name} has panels of the same id")
        for i, panel in enumerate(panels):
            place = panel["gridPos"]
            if place["x"] + place["w"] > 24:
                raise Failed(f"{name}: {panel['title']} reaches beyond the edge")
            for other in panels[:i]:
                if overlap(place, other["gridPos"]):
                    raise Failed(f"{name}: {panel['title']} lies on {other['title']}")
            if panel["type"] == "row":
                continue
            if not panel["targets"]:
                raise Failed(f"{name}: {panel['title']} asks nothing")
            for part in [panel] + panel["targets"]:
                if "datasource" not in part:
                    raise Failed(f"{name}: {panel['title']} asks whatever Grafana asks by default")
        uids_asked = set(re.findall(r'"datasource": \{\s*"type": "\w+",\s*"uid": "([^"]*)"',
                                    monitoring.read(path)))
        if uids_asked != {"${datasource}", "-- Grafana --"}:
            raise Failed(f"{name} does not follow the variable datasource: {uids_asked}")
        used = set()
        for _, expression, _ in monitoring.expressions_of(dashboard):
            used |= set(re.findall(r"\$\{?(\w+)", expression))
        used = {variable for variable in used if not variable.startswith("__")}
        if not used <= variables:
            raise Failed(f"{name} uses variables that it does not have: {used - variables}")
        unused = {variable for variable, _, _ in monitoring.variables_of(dashboard)} - used
        if unused:
            raise Failed(f"{name} has variables that change nothing: {unused}")
        kustomization = monitoring.read("manifests/overlays/grafana/kustomization.yaml")
        if f"dashboards/{name}]" not in kustomization:
            raise Failed(f"{name} is in no ConfigMap")
    if len(uids) != 3:
        raise Failed("dashboards of the same uid")


def check_one_version_everywhere():
    version = re.search(r"^project\(partition-controller VERSION ([0-9.]+)", monitoring.read("CMakeLists.txt"),
                        re.MULTILINE).group(1)
    for path, pattern in (("Dockerfile", r'image\.version="([^"]+)"'),
                          ("manifests/base/deployment.yaml", r"image: partition-controller:(\S+)"),
                          ("manifests/cloud-run/job.yaml", r"/partition-controller:(\S+)"),
                          ("docs/gke.md", r"partition-controller/partition-controller:(\S+)")):
        found = re.findall(pattern, monitoring.read(path))
        if found != [version]:
            raise Failed(f"{path} is of version {found}, and the project {version}")
    if "USER 65532:65532" not in monitoring.read("Dockerfile") or \
            "runAsUser: 65532" not in monitoring.read("manifests/base/deployment.yaml"):
        raise Failed("the image and the Deployment run as different users")


def check_the_checks():
    """What they rest upon: which metrics an expression names."""
    got = monitoring.metrics_in('sum by (partition_x) (rate(partition_count{a="process_b", policy=~"$p"}[1m])) / '
                                "on (job) process_open_fds")
    if got != {"partition_count", "process_open_fds"}:
        raise Failed(f"metrics_in finds {got}")
    if "action" in monitoring.documented() or "partition_pending_actions" not in monitoring.documented():
        raise Failed("documented() does not read docs/metrics.md")


def run():
    checks = [check for name, check in sorted(globals().items()) if name.startswith("check_")]
    for check in checks:
        check()
        print("fine:", check.__name__)
    return 0


if __name__ == "__main__":
    parts.main(run)
