"""A pod's labels as Hubble shows them; pods with the same labels share them."""

import sys
from collections.abc import Mapping

from rubin.identity.facts import label_texts, relevant

_OF_NAMESPACE = "io.cilium.k8s.namespace.labels."
_OF_NAMESPACE_TEXT = f"k8s:{_OF_NAMESPACE}"
_MOST_SHARED = 65_536

Own = tuple[tuple[str, str], ...]


class Labels:
    """Label tuples of a cluster's pods."""

    def __init__(self, cluster_name: str) -> None:
        self._cluster = cluster_name
        self._shared: dict[tuple[Own, str, str, tuple[str, ...]], tuple[str, ...]] = {}

    def of(self, own: Mapping[str, str], namespace: str, account: str, more: tuple[str, ...]) -> tuple[str, ...]:
        """All labels of a pod, sorted; `more` are its namespace's, as texts."""
        key = (tuple(own.items()), namespace, account, more)
        made = self._shared.get(key)
        if made is None:
            if len(self._shared) >= _MOST_SHARED:  # jobs bring new labels for ever
                self._shared.clear()
            made = self._shared[key] = _interned(sorted((*self._texts(own, namespace, account), *more)))
        return made

    def _texts(self, own: Mapping[str, str], namespace: str, account: str) -> tuple[str, ...]:
        kept = [
            *relevant(own),
            ("io.kubernetes.pod.namespace", namespace),
            ("io.cilium.k8s.policy.cluster", self._cluster),
        ]
        if account:
            kept.append(("io.cilium.k8s.policy.serviceaccount", account))
        return label_texts(kept)


def of_namespace(labels: Mapping[str, str]) -> tuple[str, ...]:
    """A namespace's labels as its pods show them."""
    return _interned(label_texts([(f"{_OF_NAMESPACE}{key}", value) for key, value in labels.items()]))


def with_namespace(labels: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """A pod's labels with others of its namespace."""
    return _interned(sorted((*(text for text in labels if not text.startswith(_OF_NAMESPACE_TEXT)), *more)))


def _interned(texts: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(map(sys.intern, texts))
