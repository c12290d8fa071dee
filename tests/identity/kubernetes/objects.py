"""Objects as Kubernetes has them, as short as a test wants them."""

from typing import Any
from uuid import NAMESPACE_DNS, uuid5

Made = dict[str, Any]
SINCE = "2024-11-22T09:53:38Z"
STARTED = "2024-11-22T09:53:37Z"


def uid(name: str) -> str:
    """The UID of what has this name."""
    return str(uuid5(NAMESPACE_DNS, name))


def pod(name: str, *addresses: str, namespace: str = "demo", node: str = "node1", **more: Any) -> Made:
    """A running pod; `labels`, `owner` as (kind, name), `host`, `phase`, `containers` as names, `account`, `uid`."""
    metadata: Made = {"name": name, "namespace": namespace, "uid": more.get("uid") or uid(f"{namespace}/{name}")}
    metadata["labels"] = more.get("labels", {})
    if owner := more.get("owner"):
        metadata["generateName"] = f"{name}-"
        metadata["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
    spec: Made = {"nodeName": node, "serviceAccountName": more.get("account", "default")}
    if more.get("host"):
        spec["hostNetwork"] = True
    status: Made = {
        "phase": more.get("phase", "Running"),
        "startTime": "2024-11-22T09:53:36Z",
        "conditions": [{"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": SINCE}],
        "podIPs": [{"ip": address} for address in addresses],
        "containerStatuses": [container(one) for one in more.get("containers", ())],
    }
    return {"metadata": metadata, "spec": spec, "status": status}


def container(name: str) -> Made:
    """A running container's status."""
    state = {"running": {"startedAt": STARTED}}
    named = {"name": name, "image": f"registry.example/{name}:1"}
    return {**named, "containerID": f"containerd://{container_id(name)}", "state": state}


def container_id(name: str) -> str:
    """The id of the container of this name."""
    return uid(name).replace("-", "") * 2


def namespace(name: str, **labels: str) -> Made:
    """A namespace."""
    metadata = {"name": name, "uid": uid(name), "labels": {"kubernetes.io/metadata.name": name, **labels}}
    return {"metadata": metadata, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def node(name: str, *addresses: str, outside: str = "", **labels: str) -> Made:
    """A node; `outside` is its ExternalIP."""
    held = [{"type": "InternalIP", "address": one} for one in addresses]
    held += [{"type": "ExternalIP", "address": outside}] if outside else []
    metadata = {"name": name, "uid": uid(name), "labels": {"kubernetes.io/hostname": name, **labels}}
    return {"metadata": metadata, "spec": {}, "status": {"addresses": [*held, {"type": "Hostname", "address": name}]}}


def service(name: str, *cluster_ips: str, namespace: str = "demo", **more: Any) -> Made:
    """A service; `ports` as (port, node port, protocol), `external` and `ingress` addresses."""
    ports = [
        {"port": port, "targetPort": port, "protocol": protocol, **({"nodePort": node_port} if node_port else {})}
        for port, node_port, protocol in more.get("ports", [(80, 0, "TCP")])
    ]
    spec: Made = {"ports": ports, "clusterIP": (*cluster_ips, "None")[0], "clusterIPs": list(cluster_ips) or ["None"]}
    if external := more.get("external"):
        spec["externalIPs"] = external
    status: Made = {"loadBalancer": {}}
    if ingress := more.get("ingress"):
        status["loadBalancer"]["ingress"] = [{"ip": one} for one in ingress]
    metadata = {"name": name, "namespace": namespace, "uid": uid(f"service/{namespace}/{name}"), "labels": {}}
    return {"metadata": metadata, "spec": spec, "status": status}


def endpoint_slice(name: str, service: str, *addresses: str, namespace: str = "default") -> Made:
    """Who answers for a service."""
    labels = {"kubernetes.io/service-name": service}
    metadata = {"name": name, "namespace": namespace, "uid": uid(f"slice/{name}"), "labels": labels}
    endpoints = [{"addresses": [one], "conditions": {"ready": True}} for one in addresses] or None
    return {"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints, "ports": None}
