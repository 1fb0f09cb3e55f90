"""What the shipped dashboards and alerts ask, and what the documents say."""

import glob
import json
import os
import re

import yaml

from parts import ROOT, Failed

DASHBOARDS = sorted(glob.glob(os.path.join(ROOT, "manifests/overlays/grafana/dashboards/*.json")))
RULES = os.path.join(ROOT, "manifests/monitoring/rules.yaml")
RUNBOOKS = os.path.join(ROOT, "docs/RUNBOOKS")

# What PromQL itself has names for, and the labels that stand in by (...).
METRIC = re.compile(r"\b(?:partition|controller_runtime|workqueue|leader_election|rest_client|process)_\w+\b")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def load_dashboard(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def panels_of(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def expressions_of(dashboard):
    """Each question of a dashboard to Prometheus: where it stands, the expression, and its target."""
    for panel in panels_of(dashboard):
        for target in panel.get("targets", []):
            yield f"{panel['title']}, query {target['refId']}", target["expr"], target
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation:
            yield f"annotation {annotation['name']}", annotation["expr"], None


def filled_in(expression, values):
    """As Grafana would put the variables in; a range of a minute."""
    for name in ("__rate_interval", "__range", "__interval"):
        expression = re.sub(r"\$\{?" + name + r"\b\}?", "1m", expression)
    for name, value in values.items():
        expression = re.sub(r"\$\{?" + name + r"\b\}?", value.replace("\\", r"\\"), expression)
    if "$" in expression:
        raise Failed(f"a variable is left in {expression}")
    return expression


def variables_of(dashboard):
    """The name, metric (or series selector) and label of each variable that is a query."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        match = re.fullmatch(r"label_values\((.*), *(\w+)\)", variable["query"]["query"])
        if not match:
            raise AssertionError(f"the variable {variable['name']} is no label_values(series, label)")
        yield variable["name"], match.group(1), match.group(2)


def alerts():
    for group in yaml.safe_load(read(RULES))["groups"]:
        yield from group["rules"]


def metrics_in(expression):
    """The metrics that an expression names; labels and text in quotes do not count."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    bare = re.sub(r"\{[^}]*\}", "", bare)
    return set(METRIC.findall(bare))


def matchers_in(expression):
    """Metric, label and each word that a selector compares it with; nothing is known of variables."""
    for metric, selector in re.findall(r"(\w+)\{([^}]*)\}", expression):
        for label, words in re.findall(r'(\w+)\s*[=!]~?\s*"([^"]*)"', selector):
            for word in words.split("|"):
                yield metric, label, None if "$" in word else word


def words_of(metric, label):
    """What docs/metrics.md says that a label can be; none if it has no such label."""
    row = re.search(r"^\| `" + metric + r"\{[^}]*\b" + label + r"\b[^}]*\}`.*$", read("docs/metrics.md"), re.MULTILINE)
    return re.findall(r"`(\w+)`", row[0].rpartition(label)[2]) if row else []


def documented():
    """The metrics of docs/metrics.md, without the labels that are named there."""
    text = read("docs/metrics.md")
    names = set()
    for code in re.findall(r"`([^`]+)`", text):
        names |= metrics_in(code)
    return names


def family(sample):
    """What a histogram's series are documented as."""
    return re.sub(r"_(bucket|sum|count)$", "", sample)
