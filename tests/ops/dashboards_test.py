#!/usr/bin/python3
"""The dashboards against the types that Grafana publishes (@grafana/schema on npm,
which has them for TypeScript, and no JSON schema): the compiler refuses what they
do not know, and what they want and a dashboard lacks.
"""

import json
import os
import subprocess
import tempfile

import monitoring
import parts
from parts import Failed

# The folder of the types of a panel's options.
KINDS = {"stat": "stat", "state-timeline": "statetimeline", "table": "table", "timeseries": "timeseries"}

# An enum of strings takes no string as it stands in JSON.
PLAIN = """
type Plain<T> = unknown extends T ? T : T extends string ? `${T}` : T extends number ? T
  : T extends Array<infer U> ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""


def package(name):
    for cache in (os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "/var/cache"):
        folder = os.path.join(cache, "partition-controller", name)
        if os.path.exists(folder):
            return folder
    raise Failed(f"{name} is not on this machine; scripts/setup installs it")


def without_what_plugins_add(dashboard):
    """Grafana writes these two itself, and its types do not have them."""
    dashboard = json.loads(json.dumps(dashboard))
    for variable in dashboard["templating"]["list"]:
        variable.pop("definition", None)
    for annotation in dashboard["annotations"]["list"]:
        for name in ("expr", "step", "titleFormat", "textFormat", "tagKeys", "useValueForTime"):
            annotation.pop(name, None)
    return dashboard


def text_of(dashboards):
    """TypeScript that is right if they are."""
    schema = package("grafana-schema") + "/dist/types/raw"
    lines = [f'import type {{ Dashboard }} from "{schema}/dashboard/x/types.gen";']
    lines += [f'import type * as {folder} from "{schema}/composable/{folder}/panelcfg/x/types.gen";'
              for folder in KINDS.values()]
    lines.append(PLAIN)

    def is_a(kind, value):
        number = len(lines)
        lines.append(f"export const _{number}: Plain<{kind}> = {json.dumps(value)};")
    for dashboard in dashboards:
        is_a("Dashboard", without_what_plugins_add(dashboard))
        for panel in monitoring.panels_of(dashboard):
            if panel["type"] == "row":
                continue
            folder = KINDS[panel["type"]]
            is_a(f"Partial<{folder}.Options>", panel["options"])
            custom = panel["fieldConfig"]["defaults"].get("custom")
            if custom is not None:
                is_a(f"Partial<{folder}.FieldConfig>", custom)
    return "\n".join(lines) + "\n"


def complaints(dashboards):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "dashboards.ts")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text_of(dashboards))
        done = subprocess.run(["node", package("typescript") + "/bin/tsc", "--noEmit", "--strict", "--skipLibCheck",
                               "--module", "nodenext", "--moduleResolution", "nodenext", path],
                              capture_output=True, text=True, check=False)
    if (done.returncode == 0) != (done.stdout == ""):
        raise Failed(f"tsc ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def run():
    said = complaints([monitoring.load_dashboard(path) for path in monitoring.DASHBOARDS])
    if said:
        raise Failed(said)
    # Something to find, at each depth.
    for damage in (lambda one: one.update(titel="x"),
                   lambda one: one["templating"]["list"][0].update(type="datasorce"),
                   lambda one: timeseries(one)["options"]["legend"].update(placement="below"),
                   lambda one: timeseries(one)["fieldConfig"]["defaults"]["custom"].update(lineWith=1)):
        broken = monitoring.load_dashboard(monitoring.DASHBOARDS[0])
        damage(broken)
        if "error TS" not in complaints([broken]):
            raise Failed("a damaged dashboard passes")
    print("fine:", ", ".join(os.path.basename(path) for path in monitoring.DASHBOARDS))
    return 0


def timeseries(dashboard):
    return next(one for one in monitoring.panels_of(dashboard)
                if one["type"] == "timeseries" and "custom" in one["fieldConfig"]["defaults"])


if __name__ == "__main__":
    parts.main(run)
