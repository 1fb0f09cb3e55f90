"""Parts that these tests start: PostgreSQL, a Kubernetes API server, Prometheus,
the controller.  All on loopback and free ports, in one temporary folder; each
ends with the test, also when that is killed.
"""

import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POSTGRES = "/usr/lib/postgresql/15/bin"
SKIPPED = 77  # what CTest counts as skipped

# Generous: the machine may be busy with other tests.
PATIENCE = 120


class Failed(Exception):
    """A check that did not hold."""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(what, check, patience=PATIENCE):
    """The first thing that `check` returns that is true."""
    until = time.monotonic() + patience
    problem = None
    while time.monotonic() < until:
        try:
            found = check()
            if found:
                return found
        except (OSError, urllib.error.URLError, Failed) as error:
            problem = error
        time.sleep(0.1)
    raise Failed(f"waited {patience} s in vain for {what}" + (f": {problem}" if problem else ""))


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def kubectl_minor():
    """23 of kubectl 1.23."""
    told = subprocess.run(["kubectl", "version", "--client", "-o", "json"], capture_output=True, text=True,
                          check=True)
    return int("".join(c for c in json.loads(told.stdout)["clientVersion"]["minor"] if c.isdigit()))


def api_server_program():
    """The path of kube-apiserver, as scripts/kube-apiserver finds it, and its minor version."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = os.path.join(assets or os.path.join(cache, "partition-controller/kube-apiserver-1.20.2"),
                        "kube-apiserver")
    if not os.access(path, os.X_OK):
        raise Failed(f"there is no {path}; scripts/setup builds it")
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return path, int(told.split("v1.")[1].split(".")[0])


class Parts:
    """Starts parts, and ends them in reverse order; use it as a context."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pc-ops-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.started = []
        self.data = None

    def __enter__(self):
        # So that what follows `finally` happens.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def log_of(self, name):
        with open(self.path(name + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def start(self, name, arguments, environment=None, user=None, cwd=None):
        """A process that is killed when this one ends."""
        command = ["setpriv", "--pdeathsig", "KILL"]
        if user:
            command += ["--reuid", user, "--regid", user, "--init-groups"]
        with open(self.path(name + ".log"), "ab") as log:
            process = subprocess.Popen(command + arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC",
                                            **(environment or {})},
                                       cwd=cwd or self.folder)
        self.started.append(process)
        return process

    def expect_running(self, name, process):
        if process.poll() is not None:
            raise Failed(f"{name} ended with {process.returncode}:\n{self.log_of(name)[-4000:]}")

    # --- PostgreSQL ---

    def start_postgres(self):
        """Returns the port.  It refuses to run as root."""
        user = None
        home = os.path.join(self.folder, "postgres")
        os.mkdir(home)
        if os.geteuid() == 0:
            user = "postgres"
            entry = pwd.getpwnam(user)
            os.chown(home, entry.pw_uid, entry.pw_gid)
        data = os.path.join(home, "data")
        initdb = self.start("initdb", [POSTGRES + "/initdb", "-D", data, "-U", "postgres", "--auth=trust",
                                       "--encoding=UTF8", "--locale=C", "--no-sync"], user=user, cwd=home)
        if initdb.wait() != 0:
            raise Failed("initdb: " + self.log_of("initdb"))
        # Between finding a port free and taking it, another test may take it.
        for _ in range(5):
            self.postgres_port = free_port()
            server = self.start("postgres", [
                POSTGRES + "/postgres", "-D", data, "-p", str(self.postgres_port), "-c",
                "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c",
                "autovacuum=off", "-c", "allow_system_table_mods=on"], user=user, cwd=home)

            def ready(server=server):
                return server.poll() is not None or subprocess.run(
                    [POSTGRES + "/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.postgres_port)],
                    check=False).returncode == 0
            wait_for("PostgreSQL", ready)
            if server.poll() is None:
                return self.postgres_port
        raise Failed("PostgreSQL: " + self.log_of("postgres"))

    def database(self, name="postgres"):
        return f"postgresql://postgres@127.0.0.1:{self.postgres_port}/{name}"

    def sql(self, script, database="postgres"):
        done = subprocess.run([POSTGRES + "/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                               self.database(database), "-f", "-"], input=script, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise Failed(f"psql: {done.stderr}")
        return done.stdout.strip()

    # --- The API server ---

    def start_cluster(self):
        """etcd and kube-apiserver; returns the server's minor version."""
        program, minor = api_server_program()
        etcd = shutil.which("etcd", path=(os.environ.get("KUBEBUILDER_ASSETS") or "") + ":/usr/bin:/usr/local/bin")
        if not etcd:
            raise Failed("there is no etcd; scripts/setup installs it")
        self._make_certificates()
        for _ in range(5):
            client = free_port()
            store = self.start("etcd", [
                etcd, "--data-dir", self.path(f"etcd-{client}"), "--unsafe-no-fsync", "--log-level", "error",
                "--listen-peer-urls", "http://127.0.0.1:0", "--listen-client-urls", f"http://127.0.0.1:{client}",
                "--advertise-client-urls", f"http://127.0.0.1:{client}"])

            def healthy(store=store, client=client):
                return store.poll() is not None or get(f"http://127.0.0.1:{client}/health")
            wait_for("etcd", healthy)
            if store.poll() is None:
                break
        self.expect_running("etcd", store)
        account = "system:serviceaccount:partition-controller:partition-controller"
        self.write("tokens.csv", f"token-admin,admin,1,system:masters\n"
                                 f"token-controller,{account},2,system:serviceaccounts\n")
        for _ in range(5):
            self.api_port = free_port()
            server = self.start("apiserver", [
                program, "--etcd-servers", f"http://127.0.0.1:{client}", "--bind-address", "127.0.0.1",
                "--advertise-address", "127.0.0.1", "--secure-port", str(self.api_port), "--authorization-mode",
                "RBAC", "--tls-cert-file", self.path("server.crt"), "--tls-private-key-file",
                self.path("server.key"), "--cert-dir", self.folder, "--token-auth-file", self.path("tokens.csv"),
                "--service-cluster-ip-range", "10.0.0.0/24", "--disable-admission-plugins", "ServiceAccount",
                "--service-account-issuer", "https://localhost", "--service-account-key-file",
                self.path("server.key"), "--service-account-signing-key-file", self.path("server.key")])
            self._kubeconfig("admin", "default")
            self._kubeconfig("controller", "partition-controller")

            def ready(server=server):
                return server.poll() is not None or self.kubectl(
                    ["get", "namespace", "default"]).returncode == 0
            wait_for("the API server", ready)
            if server.poll() is None:
                return minor
        raise Failed("kube-apiserver: " + self.log_of("apiserver")[-4000:])

    def _make_certificates(self):
        self.write("server.ext", "subjectAltName=IP:127.0.0.1\n")
        for command in (
                "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca",
                "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=kube-apiserver",
                "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out server.crt "
                "-extfile server.ext"):
            done = subprocess.run(["openssl"] + command.split(), cwd=self.folder, capture_output=True, text=True,
                                  check=False)
            if done.returncode != 0:
                raise Failed("openssl: " + done.stderr)

    def _kubeconfig(self, user, namespace):
        return self.write(user + ".kubeconfig", json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": f"https://127.0.0.1:{self.api_port}",
                                                      "certificate-authority": self.path("ca.crt")}}],
            "users": [{"name": user, "user": {"token": "token-" + user}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": namespace}}]}))

    def kubectl(self, arguments, text=""):
        return subprocess.run(["kubectl"] + arguments, input=text, capture_output=True, text=True, check=False,
                              env={**os.environ, "KUBECONFIG": self.path("admin.kubeconfig"),
                                   "HOME": self.folder})

    def must_kubectl(self, arguments, text=""):
        done = self.kubectl(arguments, text)
        if done.returncode != 0:
            raise Failed(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def api(self, path, method="GET", body=None, kind="application/json"):
        """What the API server answers an administrator; None if there is no such thing."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.api_port}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer token-admin", "Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=10, context=ssl.create_default_context(
                    cafile=self.path("ca.crt"))) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise Failed(f"{method} {path}: {error.read().decode()}") from error

    # --- The controller ---

    def start_controller(self, name, arguments, environment=None):
        """Returns its process and the port of its metrics."""
        program = os.environ.get("PC_TEST_PROGRAM")
        if not program:
            raise Failed("PC_TEST_PROGRAM does not say where the controller is")
        process = self.start(name, [program, "run", "--listen", "127.0.0.1:0"] + arguments, environment)

        def port():
            self.expect_running(name, process)
            for line in self.log_of(name).splitlines():
                if '"Started"' in line:
                    return json.loads(line)["port"]
            return None
        return process, wait_for("the controller to listen", port)

    # --- Prometheus ---

    def start_prometheus(self, targets, rules):
        """Scrapes `targets`, a port for each instance, every second."""
        self.write("prometheus.yml", json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": "partition-controller", "static_configs": [
                {"targets": [f"127.0.0.1:{port}" for port in targets]}]}]}))
        for _ in range(5):
            port = free_port()
            process = self.start("prometheus", [
                "/usr/bin/prometheus", "--config.file=" + self.path("prometheus.yml"),
                "--storage.tsdb.path=" + self.path(f"tsdb-{port}"), f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn"])

            def ready(process=process, port=port):
                return process.poll() is not None or get(f"http://127.0.0.1:{port}/-/ready")
            wait_for("Prometheus", ready)
            if process.poll() is None:
                return Prometheus(port)
        raise Failed("Prometheus: " + self.log_of("prometheus"))


class Prometheus:
    """Asks a Prometheus by its HTTP API."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/api/v1/"

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        try:
            answer = json.loads(get(self.url + path + ("?" + query if query else "")))
        except urllib.error.HTTPError as error:
            raise Failed(json.loads(error.read().decode()).get("error", str(error))) from error
        if answer["status"] != "success":
            raise Failed(answer.get("error", "no success"))
        return answer["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def query_range(self, expression, seconds=60, step=5):
        now = time.time()
        return self.ask("query_range", query=expression, start=now - seconds, end=now, step=step)["result"]


def main(run):
    """Ends with 0 if `run` holds, with 1 and what is wrong otherwise."""
    try:
        sys.exit(run())
    except (Failed, OSError) as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        sys.exit(1)
