"""A names file's text to facts; `static.py` shows the format."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from typing import Any

from rubin.errors import UsageError
from rubin.identity.facts import (
    WORLD,
    Address,
    Cgroup,
    Fact,
    Interface,
    Network,
    NetworkNamespace,
    Where,
    label_texts,
    reserved,
)
from rubin.model.enums import Identity
from rubin.model.tables import Endpoint, Service, Workload

_PLACES: dict[str, type] = {"addresses": list, "cidrs": list, "interfaces": list, "cgroups": list, "netns": list}
_KEYS: dict[str, dict[str, type]] = {
    "pods": {"name": str, "namespace": str, "labels": dict, "workload": str, "service_account": str, **_PLACES},
    "services": {"name": str, "namespace": str, "addresses": list},
    "nodes": {"name": str, "addresses": list, "kube_apiserver": bool},
    "networks": {"name": str, "cidrs": list},
}
_TOP = {"cluster": str, "namespaces": dict, **dict.fromkeys(_KEYS, list)}
_BELOW_LOCAL = -1  # a list of nodes may hold this one: then it is the host


def facts_in(text: str, origin: str) -> list[Fact]:
    """The facts of a names file. Raises UsageError that names the line."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{origin} is not valid TOML: {error}", "mend the line that is named") from error
    return list(_File(text, origin, data).facts())


class _File:
    """One reading of a file."""

    def __init__(self, text: str, origin: str, data: dict[str, Any]) -> None:
        self._lines, self._origin, self._data = text.splitlines(), origin, data
        self._check(data, _TOP, "")
        self._cluster: str = data.get("cluster", "default")

    def facts(self) -> Iterator[Fact]:
        """Everything that the file says."""
        tables = {"pods": self._pod, "services": self._service, "nodes": self._node, "networks": self._network}
        for table, read in tables.items():
            for number, entry in enumerate(self._data.get(table, ())):
                head = f"[[{table}]]"
                if not isinstance(entry, dict):
                    raise self._error(f"{table} is no list of tables", f"write {head} above each", head)
                line = self._line(head, number)
                self._check(entry, _KEYS[table], line)
                yield from read(entry, line)

    def _pod(self, entry: dict[str, Any], line: str) -> Iterator[Fact]:
        name, namespace = self._name(entry, line), entry.get("namespace", "default")
        kind, _, workload = entry.get("workload", "").rpartition("/")
        workloads = (Workload(workload, kind),) if workload else ()
        labels = self._labels(entry, namespace)
        who = Endpoint(
            cluster_name=self._cluster, namespace=namespace, labels=labels, pod_name=name, workloads=workloads
        )
        for key in _PLACES:
            for where in self._places(entry, key, line):
                yield Fact(where, who)

    def _labels(self, entry: dict[str, Any], namespace: str) -> tuple[str, ...]:
        """A pod's labels with those that Kubernetes and Cilium add."""
        labels = [(key, str(value)) for key, value in entry.get("labels", {}).items()]
        labels += [("io.kubernetes.pod.namespace", namespace), ("io.cilium.k8s.policy.cluster", self._cluster)]
        if "service_account" in entry:
            labels.append(("io.cilium.k8s.policy.serviceaccount", entry["service_account"]))
        of_namespace = self._data.get("namespaces", {}).get(namespace, {})
        self._check(of_namespace, {"labels": dict}, f"[namespaces.{namespace}]")
        more = of_namespace.get("labels", {}).items()
        labels += [(f"io.cilium.k8s.namespace.labels.{key}", str(value)) for key, value in more]
        return label_texts(labels)

    def _service(self, entry: dict[str, Any], line: str) -> Iterator[Fact]:
        # Hubble too knows a service's address as the world's, with the service beside it
        who = replace(WORLD, service=Service(self._name(entry, line), entry.get("namespace", "default")))
        for where in self._places(entry, "addresses", line):
            yield Fact(where, who)

    def _node(self, entry: dict[str, Any], line: str) -> Iterator[Fact]:
        who = reserved(Identity.REMOTE_NODE)
        if entry.get("kube_apiserver", False):
            who = reserved(Identity.KUBE_APISERVER, Identity.REMOTE_NODE)
        for where in self._places(entry, "addresses", line):
            yield Fact(where, who, _BELOW_LOCAL)

    def _network(self, entry: dict[str, Any], line: str) -> Iterator[Fact]:
        group = (f"cidrgroup:io.cilium.policy.cidrgroupname/{entry['name']}",) if "name" in entry else ()
        for where in self._places(entry, "cidrs", line):
            assert isinstance(where, Network)
            yield Fact(where, Endpoint(labels=(f"cidr:{where.cidr}", *group, *WORLD.labels)))

    def _places(self, entry: dict[str, Any], key: str, line: str) -> Iterator[Where]:
        for value in entry.get(key, ()):
            try:
                yield _WHERE[key](value)
            except (ValueError, TypeError):
                near = self._line(str(value), 0) or line
                raise self._error(f"{value!r} in {key} is not {_WHAT[key]}", _EXAMPLES[key], near) from None

    def _name(self, entry: dict[str, Any], line: str) -> str:
        name = entry.get("name", "")
        if not name:
            raise self._error("an entry has no name", 'name = "shop-1"', line)
        return str(name)

    def _check(self, entry: Any, keys: Mapping[str, type], line: str) -> None:
        """Refuse what is no table, unknown keys and values of another type."""
        if not isinstance(entry, dict):
            raise self._error("a table was expected", "key = value", line)
        for key, value in entry.items():
            if key not in keys:
                near = get_close_matches(key, keys, 1) or list(keys)
                raise self._error(
                    f"'{key}' does not exist there", "one of " + ", ".join(near), self._line(key, 0) or line
                )
            if not isinstance(value, keys[key]):
                kind = {list: "a list", dict: "a table", str: "a text", bool: "true or false"}[keys[key]]
                raise self._error(f"'{key}' must be {kind}", f"{key} = {_SHOWN[keys[key]]}", self._line(key, 0) or line)

    def _line(self, words: str, number: int) -> str:
        """`line 12: …` of the n-th line that has these words, "" where there is none."""
        pattern = re.compile(rf"(?<![\w.:-]){re.escape(words)}(?![\w.:-])")
        found = [at for at, text in enumerate(self._lines, 1) if pattern.search(text)]
        return f"line {found[number]}: {self._lines[found[number] - 1].strip()}" if number < len(found) else ""

    def _error(self, sentence: str, way_on: str, line: str) -> UsageError:
        return UsageError(f"{self._origin}: {sentence}" + (f" ({line})" if line else ""), way_on)


def _netns(value: Any) -> NetworkNamespace:
    if isinstance(value, bool) or not value:
        raise ValueError(value)
    return NetworkNamespace(value if isinstance(value, int) else _text(value))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(value)
    return value


def _unzoned(value: Any) -> str:
    if "%" in _text(value):
        raise ValueError(value)
    return str(value)


def _absolute(value: Any) -> str:
    if not _text(value).startswith("/"):
        raise ValueError(value)
    return str(value).rstrip("/") or "/"


_WHERE: dict[str, Callable[[Any], Where]] = {
    "addresses": lambda value: Address(str(ip_address(_unzoned(value)))),
    "cidrs": lambda value: Network(str(ip_network(_unzoned(value), strict=False))),
    "interfaces": lambda value: Interface(_text(value)),
    "cgroups": lambda value: Cgroup(_absolute(value)),
    "netns": _netns,
}
_WHAT = {
    "addresses": "an IP address",
    "cidrs": "a CIDR",
    "interfaces": "an interface's name",
    "cgroups": "a path from the root of cgroup v2",
    "netns": "a name under /run/netns or an inode",
}
_EXAMPLES = {
    "addresses": "10.0.0.10 or fd00::10",
    "cidrs": "10.1.0.0/24 or fd00:1::/64",
    "interfaces": '"veth-a"',
    "cgroups": '"/kubepods/pod-a"',
    "netns": '"pod-a" or 4026532281',
}
_SHOWN = {list: "[…]", dict: "{ … }", str: '"…"', bool: "true"}
