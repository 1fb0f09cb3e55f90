#!/usr/bin/python3
"""Stands in for the programs of the guides that a test cannot have: guides_test.py
puts it on PATH as `gcloud`, `docker` and `kind`, and as `kubectl`, which leads to the real
one and translates for API servers that are older than the manifests.

A command that COMMANDS does not have fails: whoever adds one to the document
says here what it does.  What Google Cloud would know is kept as JSON in the file
STAND_IN_STATE.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import yaml

import objects
import parts

PROJECT = "my-project"
REGION = "europe-west3"
INSTANCE = "telemetry"
DOMAIN = PROJECT + ".iam.gserviceaccount.com"


class Refused(Exception):
    """What Google Cloud, or the docker program, would not do."""


def state_of(path):
    if not os.path.exists(path):
        return {kind: [] for kind in (
            "services", "clusters", "ranges", "peered", "instances", "databases", "repositories", "registries", "built",
            "pushed", "accounts", "bindings", "users")}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def require(true, what):
    if not true:
        raise Refused(what)


def project(_):
    print(PROJECT)


def cluster_made(state, name, region):
    require("container.googleapis.com" in state["services"], "the Kubernetes Engine API is not enabled")
    state["clusters"].append([name, region])


def addresses(state, name, network):
    state["ranges"].append([name, network])


def peering(state, ranges, network):
    require("servicenetworking.googleapis.com" in state["services"], "the Service Networking API is not enabled")
    require([ranges, network] in state["ranges"], f"the network {network} has no range {ranges}")
    state["peered"].append(network)


def instance_made(state, name, region, network):
    require("sqladmin.googleapis.com" in state["services"], "the Cloud SQL Admin API is not enabled")
    require(region == REGION and network in state["peered"], f"Cloud SQL has no addresses in the network {network}")
    state["instances"].append(name)


def database(state, name, instance):
    require(instance in state["instances"], f"there is no instance {instance}")
    state["databases"].append(name)


def credentials(state, cluster, region):
    require([cluster, region] in state["clusters"], f"there is no cluster {cluster} in {region}")
    shutil.copy(os.environ["STAND_IN_KUBECONFIG"], os.environ["KUBECONFIG"])


def services(state, names):
    state["services"] += names.split()


def repository(state, name, region):
    require("artifactregistry.googleapis.com" in state["services"], "Artifact Registry is not enabled")
    state["repositories"].append(f"{region}-docker.pkg.dev/{PROJECT}/{name}")


def login(state, registry):
    state["registries"].append(registry)


def build(state, image):
    # scripts/image builds it in earnest.
    require(os.path.exists("Dockerfile"), "there is no Dockerfile here")
    state["built"].append(image)


def push(state, image):
    require(image in state["built"], f"there is no image {image}")
    require(image.rsplit("/", 1)[0] in state["repositories"], f"there is no repository for {image}")
    require(image.split("/")[0] in state["registries"], "docker has no credentials of the registry")
    state["pushed"].append(image)


def load(state, image):
    require(image in state["built"], f"there is no image {image}")
    state["pushed"].append(image)


def account(state, name):
    state["accounts"].append(f"{name}@{DOMAIN}")


def bind(state, resource, member, role):
    kind, name = member.split(":", 1)
    known = name in state["accounts"] or name.startswith(PROJECT + ".svc.id.goog[")
    require(kind == "serviceAccount" and known, f"there is no {member}")
    require(resource == PROJECT or resource in state["accounts"], f"there is no {resource}")
    state["bindings"].append([resource, member, role])


def user(state, name, instance):
    require(instance in state["instances"], f"there is no instance {instance}")
    require(name + ".gserviceaccount.com" in state["accounts"], f"there is no service account of the user {name}")
    done = subprocess.run([parts.POSTGRES + "/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
                           os.environ["STAND_IN_DATABASE"], "-c", f'CREATE ROLE "{name}" LOGIN'], check=False)
    require(done.returncode == 0, f"the user {name} cannot be made")
    state["users"].append(name)


COMMANDS = [
    (r"gcloud config get-value project", project),
    (r"gcloud container clusters create-auto (?P<name>\S+) --region (?P<region>\S+)", cluster_made),
    (r"gcloud compute addresses create (?P<name>\S+) --global --purpose VPC_PEERING --prefix-length 16"
     r" --network (?P<network>\S+)", addresses),
    (r"gcloud services vpc-peerings connect --service servicenetworking.googleapis.com --ranges (?P<ranges>\S+)"
     r" --network (?P<network>\S+)", peering),
    (r"gcloud sql instances create (?P<name>\S+) --region (?P<region>\S+) --database-version POSTGRES_17"
     r" --edition enterprise --tier db-custom-2-8192 --network projects/" + PROJECT +
     r"/global/networks/(?P<network>\S+) --no-assign-ip --database-flags cloudsql.iam_authentication=on", instance_made),
    (r"gcloud sql databases create (?P<name>\S+) --instance (?P<instance>\S+)", database),
    (r"gcloud container clusters get-credentials (?P<cluster>\S+) --region (?P<region>\S+)", credentials),
    (r"gcloud services enable (?P<names>[a-z. ]+)", services),
    (r"gcloud artifacts repositories create (?P<name>\S+) --repository-format docker --location (?P<region>\S+)",
     repository),
    (r"gcloud auth configure-docker (?P<registry>\S+) --quiet", login),
    (r"docker build (?:--platform linux/amd64 )?-t (?P<image>\S+) \.", build),
    (r"docker push (?P<image>\S+)", push),
    (r"kind load docker-image (?P<image>\S+)", load),
    (r"gcloud iam service-accounts create (?P<name>\S+)", account),
    (r"gcloud projects add-iam-policy-binding (?P<resource>\S+) --member (?P<member>\S+) --role (?P<role>\S+)", bind),
    (r"gcloud iam service-accounts add-iam-policy-binding (?P<resource>\S+) --role (?P<role>\S+)"
     r" --member (?P<member>\S+)", bind),
    (r"gcloud sql users create (?P<name>\S+) --instance (?P<instance>\S+) --type cloud_iam_service_account", user),
]


def stand_in(command):
    path = os.environ["STAND_IN_STATE"]
    state = state_of(path)
    for pattern, act in COMMANDS:
        match = re.fullmatch(pattern, command)
        if match:
            act(state, **match.groupdict())
            with open(path, "w", encoding="utf-8") as file:
                json.dump(state, file)
            return
    raise Refused("nothing stands in for this command; tests/ops/stand_ins.py is where it would")


def translated(kubectl, verb, how, path):
    """The verb on what the server understands of a file or kustomization."""
    minor = int(os.environ["STAND_IN_SERVER_MINOR"])
    if how == "-k":
        text = subprocess.run([kubectl, "kustomize", path], stdout=subprocess.PIPE, text=True, check=True).stdout
        wanted = [one for one in yaml.safe_load_all(text) if one]
    else:
        wanted = objects.load(path)
    definitions = [one for one in wanted if one["kind"] == "CustomResourceDefinition"]
    others = [objects.understood(one, minor) for one in wanted if one not in definitions]
    # An API server before 1.25 knows no validation rules.
    for some, options in ((definitions, ["--validate=false"] if verb == "apply" else []), (others, [])):
        if some:
            done = subprocess.run([kubectl, verb, "-f", "-"] + options, input=yaml.safe_dump_all(some), text=True,
                                  check=False)
            require(done.returncode == 0, f"kubectl {verb} ended with {done.returncode}")


def run():
    name = os.path.basename(sys.argv[0])
    arguments = sys.argv[1:]
    try:
        if name != "kubectl":
            stand_in(" ".join([name] + arguments))
            return 0
        kubectl = os.environ["STAND_IN_KUBECTL"]
        older = int(os.environ["STAND_IN_SERVER_MINOR"]) < objects.SIDECAR
        if older and len(arguments) == 3 and arguments[0] in ("apply", "delete") and arguments[2] != "-":
            translated(kubectl, *arguments)
            return 0
        os.execv(kubectl, [kubectl] + arguments)
    except Refused as refused:
        print(f"{' '.join([name] + arguments)}: {refused}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(run())
