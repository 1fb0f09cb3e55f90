"""Objects of Kubernetes, and what a server that is older than the manifests makes of them."""

import copy

import yaml

# Since which version of Kubernetes they exist.
DISRUPTION_BUDGET = 21
SIDECAR = 29


def load(path):
    with open(path, encoding="utf-8") as file:
        return [one for one in yaml.safe_load_all(file) if one]


def needs(one):
    """The minor version of Kubernetes from which on it is understood."""
    if one["kind"] == "PodDisruptionBudget":
        return DISRUPTION_BUDGET
    if one["kind"] == "Deployment":
        for container in one["spec"]["template"]["spec"].get("initContainers", []):
            if "restartPolicy" in container:
                return SIDECAR
    return 0


def understood(one, minor):
    """The object as a server of that version understands it."""
    if needs(one) <= minor:
        return one
    one = copy.deepcopy(one)
    if one["kind"] == "PodDisruptionBudget":
        one["apiVersion"] = "policy/v1beta1"
    else:
        # What a sidecar was before there were any.
        pod = one["spec"]["template"]["spec"]
        for container in pod.pop("initContainers"):
            del container["restartPolicy"]
            pod["containers"].append(container)
    return one
