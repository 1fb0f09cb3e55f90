#!/usr/bin/python3
"""The image, built as scripts/image does, and the controller in it run as a pod
would: as user 65532 on a root file system that is read-only, against a real
PostgreSQL, with a policy that the image brings along.

PC_IMAGE_STORAGE is where images are kept (a temporary folder, removed at the end).
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile

import parts
from parts import ROOT, Failed, wait_for

USER = 65532
EXAMPLE = "/usr/local/share/partition-controller/examples/telemetry-points.yaml"

TABLES = """
CREATE TABLE telemetry_points (id bigint, ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
CREATE TABLE telemetry_points_default PARTITION OF telemetry_points DEFAULT;
INSERT INTO telemetry_points SELECT n, now() - n * interval '1 hour' FROM generate_series(1, 100) AS n;
"""

# In a mount namespace of its own: the image at $1, what every pod has, and the rest of the arguments.
CONTAINER = """
root=$1
shift
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount --bind /dev "$root/dev"
mount -o remount,bind,ro "$root"
exec /usr/sbin/chroot --userspec=65532:65532 --groups= "$root" /usr/local/bin/partition-controller "$@"
"""


def missing():
    """What is not to be had here, and without which there is no image."""
    if os.geteuid() != 0:
        return "building an image takes root"
    for tool in ("buildah", "debootstrap"):
        if not shutil.which(tool):
            return f"{tool} is missing: apt-get install --no-install-recommends buildah debootstrap"
    return None


class Storage:
    """Where images are kept."""

    def __enter__(self):
        self.folder = os.environ.get("PC_IMAGE_STORAGE")
        self.own = None if self.folder else tempfile.mkdtemp(prefix="partition-controller-image-", dir="/var/tmp")
        self.folder = self.folder or self.own + "/storage"
        self.container = None
        return self

    def buildah(self, *arguments):
        done = subprocess.run(["buildah", "--storage-driver", "vfs", "--root", self.folder] + list(arguments),
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"buildah {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def mount(self, image):
        self.container = self.buildah("from", "--pull-never", image)
        return self.buildah("mount", self.container)

    def __exit__(self, *_):
        if self.container:
            self.buildah("rm", self.container)
        if self.own:
            shutil.rmtree(self.own)


def build(storage):
    """Returns the image's name; its size, its user and its program are looked at there."""
    with subprocess.Popen([os.path.join(ROOT, "scripts/image")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env={**os.environ, "PC_IMAGE_STORAGE": storage.folder}) as process:
        said = process.stdout.read()
    size = re.search(r"^(partition-controller:\S+) has (\d+) MB$", said, re.MULTILINE)
    if process.returncode != 0 or not size:
        raise Failed(f"scripts/image ended with {process.returncode}:\n{said[-4000:]}")
    print(size[0])
    return size[1]


def look_at(pid):
    """Raises unless the process is what a restricted pod's would be."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        roots = [line.split()[5].split(",") for line in file if line.split()[4] == "/"]
    ids = [set(status["Uid"].split()), set(status["Gid"].split()), set(status["Groups"].split())]
    if ids != [{str(USER)}, {str(USER)}, set()] or int(status["CapEff"], 16) != 0:
        raise Failed(f"it runs as {ids} with the capabilities {status['CapEff']}")
    if not roots or any("ro" not in options for options in roots):
        raise Failed(f"its root is mounted {roots}")


def run_it(world, root):
    world.start_postgres()
    world.sql(TABLES)
    environment = {"DATABASE_URL": world.database()}
    for name in ("first", "again"):
        apply = world.start(name, ["unshare", "--mount", "sh", "-euc", CONTAINER, "sh", root, "apply", "--spec", EXAMPLE],
                            environment)
        if apply.wait(timeout=parts.PATIENCE) != 0:
            raise Failed(f"apply ended with {apply.returncode}:\n{world.log_of(name)}")
    made = int(world.sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'telemetry_points'::regclass"))
    left = int(world.sql("SELECT count(*) FROM telemetry_points_default"))
    rows = int(world.sql("SELECT count(*) FROM telemetry_points"))
    if made < 5 or (left, rows) != (0, 100):
        raise Failed(f"{made} partitions, {left} of {rows} rows in the default partition:\n{world.log_of('first')}")

    port = parts.free_port()
    controller = world.start("run", ["unshare", "--mount", "sh", "-euc", CONTAINER, "sh", root, "run", "--spec", EXAMPLE,
                                     "--listen", f"127.0.0.1:{port}"], environment)

    def well():
        world.expect_running("run", controller)
        parts.get(f"http://127.0.0.1:{port}/readyz")
        return re.search(r"^partition_coverage_seconds\{.*\} [0-9]", parts.get(f"http://127.0.0.1:{port}/metrics"),
                         re.MULTILINE)
    wait_for("the controller of the image to look after the table", well)
    look_at(controller.pid)
    controller.send_signal(signal.SIGTERM)
    if controller.wait(timeout=parts.PATIENCE) != 0:
        raise Failed(f"run ended with {controller.returncode}:\n{world.log_of('run')}")
    print(f"{made} partitions, by user {USER} on a read-only root")
    return 0


def run():
    reason = missing()
    if reason:
        print(reason)
        return parts.SKIPPED
    with parts.Parts() as world, Storage() as storage:
        return run_it(world, storage.mount(build(storage)))


if __name__ == "__main__":
    parts.main(run)
