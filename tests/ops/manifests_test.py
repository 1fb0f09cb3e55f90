#!/usr/bin/python3
"""The manifests, as kubectl renders them and an API server accepts them.

  manifests_test.py files     each file of its own, by an API server of any version
  manifests_test.py rendered  each kustomization; needs kubectl 1.21
  manifests_test.py newer     what an API server before 1.29 does not know; the others
                              are given it as it would have been written for them

Ends with 77 where the part that it needs is older.  Nothing is changed on the
server but namespaces and definitions: the rest is a dry run.
"""

import glob
import os
import re
import subprocess
import sys

import yaml

import parts
from objects import SIDECAR, load, needs, understood
from parts import ROOT, Failed

RENDERED = ["base", "namespace-access", "overlays/gke-cloud-sql", "overlays/private-ip",
            "overlays/monitoring-prometheus-operator", "overlays/monitoring-gke", "overlays/grafana"]
# The controller's own policy, which its own tests hold against the definition.
POLICY_CRD = "crd/partitionpolicies.yaml"


def manifest(name):
    return os.path.join(ROOT, "manifests", name)


def render(name):
    done = subprocess.run(["kubectl", "kustomize", manifest(name)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"kubectl kustomize {name}: {done.stderr}")
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def accept(world, minor, objects, where, newer=False):
    """A dry run of each; with `newer`, of those that not every server understands."""
    count = 0
    for one in objects:
        if one["kind"] in ("CustomResourceDefinition", "Namespace") or newer and not needs(one):
            continue
        done = world.kubectl(["apply", "--dry-run=server", "-f", "-"], yaml.safe_dump(understood(one, minor)))
        said = [line for line in done.stderr.splitlines() if "v1beta1 PodDisruptionBudget is deprecated" not in line]
        # A warning is what the server says of pods that are not restricted enough, for one.
        if done.returncode != 0 or said:
            raise Failed(f"{where}: {one['kind']} {one['metadata']['name']}: {done.stderr}")
        count += 1
    return count


def restricted(deployment, where):
    """The Pod Security Standard of that name."""
    pod = deployment["spec"]["template"]["spec"]
    common = pod.get("securityContext", {})
    for container in pod.get("initContainers", []) + pod["containers"]:
        own = container.get("securityContext", {})
        held = [own.get("runAsNonRoot", common.get("runAsNonRoot")) is True,
                own.get("runAsUser", common.get("runAsUser")) != 0,
                own.get("allowPrivilegeEscalation") is False,
                own.get("readOnlyRootFilesystem") is True,
                own.get("capabilities") == {"drop": ["ALL"]},
                own.get("seccompProfile", common.get("seccompProfile")) == {"type": "RuntimeDefault"}]
        if not all(held):
            raise Failed(f"{where}: the container {container['name']} is not restricted: {held}")
        if "memory" not in container.get("resources", {}).get("limits", {}):
            raise Failed(f"{where}: the container {container['name']} has no limit of memory")
    for volume in pod.get("volumes", []):
        if set(volume) - {"name", "configMap", "secret", "emptyDir", "projected", "downwardAPI"}:
            raise Failed(f"{where}: the volume {volume['name']} is of a kind that restricted pods do not have")


def check_base(objects, where):
    by_kind = {one["kind"]: one for one in objects}
    for kind in ("CustomResourceDefinition", "Namespace", "ServiceAccount", "ClusterRole", "Role", "Deployment",
                 "PodDisruptionBudget", "NetworkPolicy", "Service"):
        if kind not in by_kind:
            raise Failed(f"{where} has no {kind}")
    deployment = by_kind["Deployment"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    if deployment["spec"]["replicas"] != 2:
        raise Failed(f"{where}: two replicas expected")
    restricted(deployment, where)
    # What selects the pods selects those.
    for kind, selector in (("Deployment", deployment["spec"]["selector"]["matchLabels"]),
                           ("PodDisruptionBudget", by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]),
                           ("NetworkPolicy", by_kind["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]),
                           ("Service", by_kind["Service"]["spec"]["selector"])):
        if not selector or not selector.items() <= labels.items():
            raise Failed(f"{where}: the {kind} selects other pods")
    if by_kind["NetworkPolicy"]["spec"]["policyTypes"] != ["Ingress", "Egress"]:
        raise Failed(f"{where}: the network policy leaves a direction open")
    if by_kind["Namespace"]["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
        raise Failed(f"{where}: the namespace does not enforce restricted pods")


def check_rendered(name, objects):
    if name in ("base", "overlays/gke-cloud-sql", "overlays/private-ip"):
        check_base(objects, name)
    text = yaml.safe_dump_all(objects)
    if name == "overlays/gke-cloud-sql":
        pod = next(o for o in objects if o["kind"] == "Deployment")["spec"]["template"]["spec"]
        proxy = pod["initContainers"][0]
        if proxy.get("restartPolicy") != "Always" or "--auto-iam-authn" not in proxy["args"]:
            raise Failed("the proxy is no sidecar, or logs in otherwise than by IAM")
        ends = int(next(a for a in proxy["args"] if a.startswith("--max-sigterm-delay="))[20:-1])
        if ends > pod["terminationGracePeriodSeconds"]:
            raise Failed("the proxy would be killed before it ends")
        if "iam.gke.io/gcp-service-account" not in text:
            raise Failed("no Workload Identity")
    if name == "overlays/private-ip" and "cidr: 10.0.0.3/32" not in text:
        raise Failed("PostgreSQL may be anywhere")
    if name == "overlays/grafana":
        if [one["kind"] for one in objects] != ["ConfigMap"] * 3:
            raise Failed("three ConfigMaps expected")
        for one in objects:
            if one["metadata"]["labels"].get("grafana_dashboard") != "1":
                raise Failed("Grafana would not find " + one["metadata"]["name"])


def check_cloud_run():
    """The job's arguments and policies are ones that the controller takes."""
    program = os.environ.get("PC_TEST_PROGRAM")
    if not program:
        raise Failed("PC_TEST_PROGRAM does not say where the controller is")
    job = load(manifest("cloud-run/job.yaml"))[0]["spec"]["template"]["spec"]["template"]["spec"]
    container = job["containers"][0]
    mount = container["volumeMounts"][0]["mountPath"]
    path = mount + "/" + job["volumes"][0]["secret"]["items"][0]["path"]
    if path not in container["args"] or container["args"][0] != "apply":
        raise Failed(f"the job does not apply {path}")
    done = subprocess.run([program, "validate", "--spec", manifest("cloud-run/policies.yaml")],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0 or done.stdout.count("valid: ") != 3:
        raise Failed(f"manifests/cloud-run/policies.yaml: {done.stdout}{done.stderr}")
    for one in load(manifest("cloud-run/policies.yaml")):
        if one["spec"]["connection"]["env"] not in [variable["name"] for variable in container["env"]]:
            raise Failed("a policy's connection is not in the job's environment")
    # `apply` is told of an unreachable database, not of its arguments.
    arguments = [a.replace(path, manifest("cloud-run/policies.yaml")) for a in container["args"]]
    done = subprocess.run([program] + arguments, capture_output=True, text=True, check=False,
                          env={"DATABASE_URL": "host=127.0.0.1 port=1 connect_timeout=2 dbname=x user=y"})
    if done.returncode != 1 or "DatabaseUnreachable" not in done.stdout + done.stderr and \
            "refused" not in done.stdout + done.stderr:
        raise Failed(f"apply ended with {done.returncode}: {done.stdout}{done.stderr}")


def prepare(world):
    minor = world.start_cluster()
    world.must_kubectl(["apply", "-f", os.path.join(ROOT, "tests/ops/foreign_crds.yaml")])
    # An API server before 1.25 knows no validation rules.
    world.must_kubectl(["apply", "--validate=false", "-f", os.path.join(ROOT, POLICY_CRD)])
    world.must_kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])
    world.must_kubectl(["apply", "-f", manifest("base/namespace.yaml")])
    world.must_kubectl(["create", "namespace", "edgewatch"])
    # It tells of a definition's fields some moments later, and until then refuses
    # none that is misspelt: its answers would be worth nothing.
    for one in load(os.path.join(ROOT, "tests/ops/foreign_crds.yaml")):
        names, version = one["spec"]["names"], one["spec"]["versions"][0]["name"]
        wrong = {"apiVersion": f"{one['spec']['group']}/{version}", "kind": names["kind"],
                 "metadata": {"name": "wrong", "namespace": "edgewatch"}, "spec": {"misspelt": 1}}
        parts.wait_for(f"{names['kind']} to be refused with a field that is misspelt", lambda wrong=wrong: re.search(
            "unknown field",
            world.kubectl(["apply", "--dry-run=server", "-f", "-"], yaml.safe_dump(wrong)).stderr))
    return minor


def by_files(world):
    check_cloud_run()
    minor = prepare(world)
    count = 0
    for path in sorted(glob.glob(manifest("**/*.yaml"), recursive=True)):
        name = os.path.relpath(path, manifest(""))
        if os.path.basename(path) == "kustomization.yaml" or name in ("monitoring/rules.yaml",):
            continue
        # Of these two overlays the files are patches; examples are crd_test's.
        if re.match("overlays/(gke-cloud-sql|private-ip)/|examples/|cloud-run/policies", name):
            continue
        objects = load(path)
        count += accept(world, minor, objects, name)
    print(f"{count} objects accepted by an API server 1.{minor}")
    if count < 18:
        raise Failed("fewer objects than there should be")
    return 0


def by_kustomizations(world):
    if parts.kubectl_minor() < 21:
        print("kubectl cannot render resources: [../base]; 1.21 or later can")
        return parts.SKIPPED
    minor = prepare(world)
    count = 0
    for name in RENDERED:
        objects = render(name)
        check_rendered(name, objects)
        count += accept(world, minor, objects, name)
    everything = {os.path.relpath(os.path.dirname(p), manifest(""))
                  for p in glob.glob(manifest("**/kustomization.yaml"), recursive=True)}
    if everything != set(RENDERED):
        raise Failed(f"not rendered here: {everything - set(RENDERED)}")
    print(f"{len(RENDERED)} kustomizations rendered; {count} objects accepted by an API server 1.{minor}")
    return 0


def by_newer_server(world):
    if parts.api_server_program()[1] < SIDECAR or parts.kubectl_minor() < SIDECAR:
        print(f"the API server or kubectl is older than 1.{SIDECAR}; set KUBEBUILDER_ASSETS to a newer one")
        return parts.SKIPPED
    minor = prepare(world)
    count = sum(accept(world, minor, render(name), name, newer=True) for name in RENDERED)
    if count < 4:
        raise Failed(f"only {count} newer objects")
    return 0


def run():
    kinds = {"files": by_files, "rendered": by_kustomizations, "newer": by_newer_server}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        raise Failed(__doc__)
    with parts.Parts() as world:
        return kinds[sys.argv[1]](world)


if __name__ == "__main__":
    parts.main(run)
