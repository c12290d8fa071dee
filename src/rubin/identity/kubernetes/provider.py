"""The provider of names in a Kubernetes cluster."""

import time
from typing import Any

from rubin.identity.facts import Changes
from rubin.identity.kubernetes import kubeconfig, resource
from rubin.identity.kubernetes.cluster import Cluster, in_cluster
from rubin.identity.kubernetes.nodes import ApiServers, Nodes
from rubin.identity.kubernetes.pace import Pace
from rubin.identity.kubernetes.pods import Pods
from rubin.identity.kubernetes.services import Services
from rubin.identity.kubernetes.settings import KubernetesSettings, inside, kubeconfigs, node_name
from rubin.identity.kubernetes.watching import Watching
from rubin.identity.told import Told

_END_S = 2.0


def cluster(settings: KubernetesSettings) -> Cluster:
    """The cluster that the settings and the environment point to. Raises RubinError where they cannot be used."""
    return in_cluster() if inside(settings) else kubeconfig.read(kubeconfigs(settings))


class Kubernetes:
    """Pods, services, nodes and the API server, by list and watch. Raises RubinError for a kubeconfig that is none.

    A server that cannot be reached or refuses to answer is asked again for ever, and each resource for itself.
    """

    name, rank = "kubernetes", 50

    def __init__(self, settings: KubernetesSettings, pace: Pace | None = None) -> None:
        self._cluster, self._told = cluster(settings), Told()
        self._node = node_name(settings)
        self._nodes = Nodes(self._told, self._node)
        self._services = Services(self._told, lambda: self._nodes.addresses)
        self._nodes.changed = self._services.nodes_changed
        self._watches = self._watched(Pods(self._told, settings.cluster_name), pace or Pace())
        for one in self._watches:
            one.start()

    def _watched(self, pods: Pods, pace: Pace) -> list[Watching[Any]]:
        def watching(of: resource.Resource[Any], sink: Any, after: Watching[Any] | None = None) -> Watching[Any]:
            return Watching(of, self._cluster, sink, pace, after)

        # pods that come before their namespaces' labels would all be told twice
        namespaces = watching(resource.namespaces(), pods.namespaces)
        return [
            watching(resource.pods_here(self._node), pods.here, namespaces),
            watching(resource.pods_elsewhere(self._node), pods.elsewhere, namespaces),
            watching(resource.services(), self._services),
            watching(resource.nodes(), self._nodes),
            namespaces,
            watching(resource.api_servers(), ApiServers(self._nodes)),
        ]

    def changes(self) -> Changes:
        """What has changed since the last call."""
        return self._told.take()

    def status(self) -> str:
        """What is wrong and with what, how much is known of what, and since when all of that."""
        parts = [f"{', '.join(names)}: {fault}" for fault, names in self._faults().items()]
        parts += [f"{len(one)} {one.name}" if one.complete_at else f"{one.name} not read yet" for one in self._watches]
        if self._watches[3].complete_at and not self._nodes.has(self._node):
            parts.append(f"no node is named {self._node!r}: containers have no names")
        since = max(one.complete_at for one in self._watches)
        if since:
            parts.append(f"since {time.strftime('%H:%M:%S', time.localtime(since))}")
        return f"{'; '.join(parts)} ({self._cluster.place})"

    def _faults(self) -> dict[str, list[str]]:
        """What is wrong, and with which resources."""
        found: dict[str, list[str]] = {}
        for one in self._watches:
            if fault := one.fault:
                found.setdefault(fault, []).append(one.name)
        return found

    def node_labels(self) -> tuple[str, ...]:
        """Labels of this node, as `key=value`, sorted; () before they are known."""
        return self._nodes.own_labels

    def close(self) -> None:
        """End its threads and connections."""
        for one in self._watches:
            one.stop()
        end = time.monotonic() + _END_S
        for one in self._watches:
            one.join(max(0.0, end - time.monotonic()))
