"""Where the API server is said to be, and whether there is one at all."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KubernetesSettings:
    """The settings of the Kubernetes provider."""

    kubeconfig: str = ""
    """A kubeconfig file. "": a pod's own account, else $KUBECONFIG, else on a node ~/.kube/config."""
    node_name: str = ""
    """This machine's name in the cluster. "": its host name in small letters, as the kubelet has it."""
    cluster_name: str = "default"
    """The cluster's name on flows."""


@dataclass(frozen=True)
class Places:
    """Where a machine keeps what leads to its API server."""

    account: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    """`token` and `ca.crt` of the pod that this process runs in."""
    kubelet: Path = Path("/var/lib/kubelet")
    """There where the machine is a node."""


def found(settings: KubernetesSettings, environ: Mapping[str, str] = os.environ, places: Places | None = None) -> bool:
    """Whether there is a Kubernetes to ask: what none points to needs no provider."""
    return inside(settings, environ, places) or bool(kubeconfigs(settings, environ, places))


def inside(settings: KubernetesSettings, environ: Mapping[str, str] = os.environ, places: Places | None = None) -> bool:
    """Whether this process is a pod with an account of its own, and nothing else was asked for."""
    account = (places or Places()).account
    return not settings.kubeconfig and "KUBERNETES_SERVICE_HOST" in environ and (account / "token").exists()


def kubeconfigs(
    settings: KubernetesSettings, environ: Mapping[str, str] = os.environ, places: Places | None = None
) -> tuple[Path, ...]:
    """The kubeconfig files to read, merged as kubectl does; () where there is none."""
    if settings.kubeconfig:
        return (Path(settings.kubeconfig).expanduser(),)
    if environ.get("KUBECONFIG"):
        return tuple(Path(path).expanduser() for path in environ["KUBECONFIG"].split(os.pathsep) if path)
    # Away from a node that file leads to somebody else's cluster, whose addresses may well be others' here.
    own = Path(environ.get("HOME", "/root"), ".kube", "config")
    return (own,) if (places or Places()).kubelet.is_dir() and own.is_file() else ()


def node_name(settings: KubernetesSettings) -> str:
    """The name of this machine in the cluster."""
    return settings.node_name or os.uname().nodename.lower()
