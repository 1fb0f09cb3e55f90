#!/usr/bin/python3
"""The status page as Chromium shows it: of made-up values, and of a real
controller that looks after tables of a real PostgreSQL.

PC_PAGE_SCREENSHOTS=FOLDER keeps pictures of what was seen.
"""

import json
import os
import subprocess
import sys

import browser
import parts
from parts import ROOT, Failed, wait_for

SCREENS = [(width, scheme) for width in (360, 1280) for scheme in ("light", "dark")]
# Where the same page has been seen on all of them.
SOME = [(360, "dark"), (1280, "light")]

# What each page must say, so that a page without anything does not pass.
SAYS = {
    "empty": ["There are no policies"],
    "standby": ["This controller stands by"],
    "unread": ["Not all policies have been read well yet"],
    "healthy": ["3 tables, none in trouble", "public.events", "events/hourly"],
    "converting": ["At work"],
    "trouble": ["need attention", "Trouble", "Attention", "Not read", "public.locked", "AcknowledgementRequired"],
    "fleet": ["200", "190 policies", "public.table_1189"],
    "hostile": ["<script>window.ran=1</script>", "\"><img src=x onerror=window.ran=1>", "';window.ran=1;//",
                "</title></style><script>window.ran=1</script>", "&lt;b&gt;&amp;", "\\u202Edlrow olleh", "\u05e9\u05dc\u05d5\u05dd",
                "line\\x0Abreak\\x09tab\\x1B[31m", "\u6642\u7cfb\u5217" * 7, "W" * 63, "bad\\xFF\\xFEutf8"],
}
# Of each kind of page, tables to look at one by one, by policy; nothing: all.
TABLES = {"fleet": {"table_1000", "short_1"},
          "hostile": {f"hostile-{n}" for n in (0, 1, 5, 7, 9, 10, 11)} | {"hostile_names", "by_hour", "unbounded"}}

# What the page of a table must say, by policy.
TABLE_SAYS = {"conversion": [" 0 %"], "fenced": [" 75 %"]}

# What is done to a page that is well, and what the examination must then say.
FAULTS = [
    ("document.querySelector('h1').style.color = '#999'", "contrast "),
    ("document.querySelector('.tick:not(.wide)').style.fill = '#ccc'", "contrast "),
    ("document.querySelector('h1').style.width = '2000px'", "wider than the screen"),
    ("document.querySelector('h1').style.marginLeft = '-50px'", "cut off at "),
    ("Object.assign(document.querySelector('h1').style, {width: '20px', overflow: 'hidden', overflowWrap: 'normal'})",
     "clipped by H1"),
    ("document.querySelector('h1').style.fontSize = '9px'", "small, 9px"),
    ("{const one = document.querySelector('.label'); one.after(one.cloneNode(true))}", " lies on "),
    ("document.body.append(document.createElement('script'))", "an element SCRIPT"),
    ("document.querySelector('h1').setAttribute('onclick', '1')", "an attribute onclick"),
    ("document.querySelector('h1').remove()", "not one h1"),
]

# What no page may show: the real one's password, and what came with it.
SECRET = "correct-horse-battery-staple"

REAL = """
CREATE TABLE events (id bigint, created_at timestamptz NOT NULL, payload jsonb NOT NULL DEFAULT '{}',
  device_id text NOT NULL, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
CREATE TABLE events_default PARTITION OF events DEFAULT;
INSERT INTO events SELECT n, now() - n * interval '1 hour', '{"v": 1}', 'd' FROM generate_series(1, 2000) AS n;
CREATE TABLE neglected (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE neglected_default PARTITION OF neglected DEFAULT;
INSERT INTO neglected SELECT n, now() - n * interval '1 day' FROM generate_series(0, 300) AS n;
CREATE TABLE "<script>window.ran=1</script>" (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
ANALYZE;
"""


def policy(name, table, column, more):
    return json.dumps({"apiVersion": "edgewatch.dev/v1alpha1", "kind": "PartitionPolicy",
                       "metadata": {"name": name, "namespace": "shop"},
                       "spec": {"connection": {"env": "DATABASE_URL"}, "table": {"name": table},
                                "timeColumn": column, "schedule": {"period": "2s"}, **more}})


class Test:
    def __init__(self, world, samples):
        self.world = world
        self.samples = samples
        self.pictures = os.environ.get("PC_PAGE_SCREENSHOTS")
        self.browser = browser.Browser(world)
        self.problems = []
        self.seen = 0

    def look(self, name, url, status=200, screens=tuple(SCREENS)):
        """Examines a page on each screen; returns what the last one said."""
        found = None
        for width, scheme in screens:
            where = f"{name} at {width} px, {scheme}"
            self.browser.set_screen(width, scheme)
            answer, complaints = self.browser.open(url)
            headers = {key.lower(): value for key, value in answer["headers"].items()}
            if answer["status"] != status:
                raise Failed(f"{where}: {answer['status']}")
            for header, value in (("content-security-policy", "default-src 'none'"),
                                  ("x-content-type-options", "nosniff"), ("cache-control", "no-store")):
                if value not in headers.get(header, ""):
                    self.problems.append(f"{where}: {header} is {headers.get(header)}")
            if self.pictures:
                height = self.browser.evaluate("document.documentElement.scrollHeight")
                self.browser.screenshot(os.path.join(self.pictures, f"{name}-{width}-{scheme}.png"), height)
            found = self.browser.evaluate(browser.EXAMINE)
            # An answer with an error is noted by the browser as well.
            if status == 200:
                self.problems += [f"{where}: the browser says: {complaint}" for complaint in complaints]
            self.problems += [f"{where}: {problem}" for problem in found["problems"]]
            if found["styled"] != "1240px":
                self.problems.append(f"{where}: without its style")
            if found["texts"] < 5:
                self.problems.append(f"{where}: only {found['texts']} pieces of text")
            if found["ran"] is not None:
                self.problems.append(f"{where}: a script ran")
            if SECRET in found["text"]:
                self.problems.append(f"{where}: shows a password")
            self.seen += 1
        return found

    def expect(self, where, text, words):
        self.problems += [f"{where} does not say {word!r}" for word in words if word not in text]

    def check_samples(self):
        golden = os.path.join(ROOT, "tests/golden")
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", self.samples, golden], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.world.started.append(process)
        ports = json.loads(process.stdout.readline())
        if set(ports) != set(SAYS):
            raise Failed(f"there are other samples: {sorted(ports)}")
        for name, port in ports.items():
            overview = self.look(name, f"http://127.0.0.1:{port}/")
            self.expect(name, overview["text"], SAYS[name])
            links = [link for link in overview["links"] if "/table?" in link]
            chosen = TABLES.get(name)
            for number, link in enumerate(links):
                which = link.split("policy=")[1]
                if chosen is None or which in chosen:
                    found = self.look(f"{name}-{which.replace('%2F', '+')}", link, screens=SOME if number else SCREENS)
                    self.expect(link, found["text"], ["Conditions"] + TABLE_SAYS.get(which, []))
            if name == "fleet":
                self.check_fleet(overview, port, links)
            if name == "hostile":
                self.check_nothing_runs(port, links)
        self.check_examination(f"http://127.0.0.1:{ports['healthy']}/table?namespace=shop&policy=events")
        missing = self.look("missing", f"http://127.0.0.1:{ports['healthy']}/table?policy=%3Cscript%3E", status=404)
        self.expect("a policy that is not there", missing["text"], ["No such policy"])

    def check_examination(self, url):
        """It finds each fault that is planted, so that its silence means something."""
        self.browser.set_screen(360, "light")
        for fault, said in FAULTS:
            self.browser.open(url)
            self.browser.evaluate(fault)
            found = self.browser.evaluate(browser.EXAMINE)["problems"]
            if not any(problem.startswith(said) or said.startswith(" ") and said in problem for problem in found):
                self.problems.append(f"{fault}: the examination says {found}")

    def check_fleet(self, overview, port, links):
        if len(links) != 200:
            self.problems.append(f"{len(links)} of 200 tables")
        # Folded, it is short.
        self.browser.set_screen(1280, "light")
        self.browser.open(f"http://127.0.0.1:{port}/")
        folded = self.browser.evaluate("document.documentElement.scrollHeight")
        if folded > 2000 or overview["height"] < 2 * folded:
            self.problems.append(f"200 tables are {folded} px high")
        size = len(parts.get(f"http://127.0.0.1:{port}/"))
        if size > 600_000:
            self.problems.append(f"200 tables are {size} bytes")

    def check_nothing_runs(self, port, links):
        """Also where the browser would let it."""
        self.browser.call("Page.setBypassCSP", enabled=True)
        self.look("hostile-bypass", f"http://127.0.0.1:{port}/", screens=SCREENS[:1])
        for link in links[:3]:
            self.look("hostile-bypass", link, screens=SCREENS[:1])
        # The same browser runs what is a script.
        self.browser.open("data:text/html,<script>window.ran=1</script>")
        if self.browser.evaluate("window.ran") != 1:
            raise Failed("this browser runs no scripts at all")
        self.browser.call("Page.setBypassCSP", enabled=False)

    def check_real(self):
        world = self.world
        world.start_postgres()
        world.sql("CREATE DATABASE shop")
        world.sql(REAL, "shop")
        rollup = {"name": "hourly", "interval": "1h", "table": "events_hourly", "dimensions": ["device_id"],
                  "source": {"jsonb": "payload", "keys": "All"}}
        world.write("policies.yaml", "\n---\n".join([
            policy("events", "events", "created_at", {
                "partitioning": {"granularity": "Week", "premake": 4},
                "retention": {"keep": "60d", "action": "Drop"}, "rollups": [rollup]}),
            policy("neglected", "neglected", "at", {"mode": "Plan", "retention": {"keep": "90d", "action": "Drop"}}),
            policy("hostile", "<script>window.ran=1</script>", "at", {}),
            policy("missing", "no_such_table", "at", {})]))
        uri = f"postgresql://postgres:{SECRET}@127.0.0.1:{world.postgres_port}/shop"
        _, port = world.start_controller("controller", ["--spec", world.path("policies.yaml")], {"DATABASE_URL": uri})
        url = f"http://127.0.0.1:{port}/"

        def settled():
            page = parts.get(url)
            table = parts.get(url + "table?namespace=shop&policy=events")
            return page.count("badge trouble") >= 2 and "badge well" in page and "right up to" in table
        wait_for("the tables to be looked after", settled)
        overview = self.look("real", url)
        self.expect("the real overview", overview["text"], [
            "public.events", "public.neglected", "<script>window.ran=1</script>", "public.no_such_table", "RangeGap"])
        for name, words in (("events", ["Rollup hourly", "public.events_hourly", "events_default", "create partition", "because"]),
                            ("neglected", ["mode Plan", "Due, and not done", "SHARE ROW EXCLUSIVE on"]),
                            ("hostile", ["<script>window.ran=1</script>"]),
                            ("missing", ["TableNotFound"])):
            found = self.look(f"real-{name}", f"{url}table?namespace=shop&policy={name}")
            self.expect(f"the real page of {name}", found["text"], words)
        if SECRET in parts.get(url + "metrics"):
            self.problems.append("the metrics show a password")
        world.sql("SELECT 1", "shop")

    def run(self):
        for check in (self.check_samples, self.check_real):
            try:
                check()
            except Failed as failure:
                self.problems.append(f"{check.__name__}: {failure}")
        if self.problems:
            print("\n".join(self.problems), file=sys.stderr)
            print(f"{len(self.problems)} problems", file=sys.stderr)
            return 1
        print(f"{self.seen} looks at pages, and nothing wrong")
        return 0


def run():
    with parts.Parts() as world:
        return Test(world, sys.argv[1]).run()


if __name__ == "__main__":
    parts.main(run)
