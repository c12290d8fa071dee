"""What runs a pod, by the rules of Cilium's `pkg/k8s/utils/workload.go`: from the pod alone, no owner is looked up."""

import re
from collections.abc import Mapping
from functools import lru_cache

from rubin.identity.kubernetes.objects import Metadata, Owner
from rubin.model.tables import Workload

_CRON_JOB = re.compile(r"(.+)-\d{8,10}$")


def workloads(pod: Metadata) -> tuple[Workload, ...]:
    """The workload that a pod belongs to; () for a pod that somebody made by hand."""
    owner = next((one for one in pod.owner_references or () if one.controller), None)
    if owner is None or not pod.generate_name:
        return ()
    return _shared(*_named(owner, pod.labels or {}))


def _named(owner: Owner, labels: Mapping[str, str]) -> tuple[str, str]:
    """The name and kind of what made the owner, else the owner's."""
    if owner.kind == "ReplicaSet":
        template = labels.get("pod-template-hash", "")
        if template and owner.name.endswith(template):
            return owner.name.removesuffix(f"-{template}"), "Deployment"
    elif owner.kind == "Job":
        if scheduled := _CRON_JOB.match(owner.name):
            return scheduled[1], "CronJob"
    elif owner.kind == "ReplicationController" and labels.get("deploymentconfig"):
        return labels["deploymentconfig"], "DeploymentConfig"
    return owner.name, owner.kind


@lru_cache(8_192)  # the pods of a workload share it
def _shared(name: str, kind: str) -> tuple[Workload, ...]:
    return (Workload(name, kind),)
