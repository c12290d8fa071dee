"""Hubble's dynamic metrics configuration: a YAML file, looked at every ten seconds, compared by its contents.

    metrics:
    - name: drop
      contextOptions:
      - name: sourceContext
        values: [pod]
      includeFilters: [{source_pod: ["default/"]}]
      excludeFilters: []

Metrics come and go, and filters change, while the agent runs. Other context options of a running
metric would change its labels: they wait for a restart, as in Hubble.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from rubin.errors import RubinError, UsageError
from rubin.metrics.configuration import Configuration, Metric, configured, metric
from rubin.metrics.sink import Metrics, Select

_LOG = logging.getLogger(__name__)

_POLL_S = 10.0
_KEYS = {"name": str, "contextOptions": list, "includeFilters": list, "excludeFilters": list}

Filters = Callable[[list[Mapping[str, Any]], list[Mapping[str, Any]]], Select]
"""Makes a mask out of (include, exclude), each a list of Hubble's FlowFilter as JSON. Raises UsageError."""


def read(text: str, origin: str, filters: Filters) -> tuple[Configuration, dict[str, Select]]:
    """The metrics of a file, and the masks of those that are for some flows only. Raises UsageError."""
    try:
        data = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{origin} is not valid YAML: {error}", "mend the line that is named") from error
    entries = data.get("metrics", []) if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise UsageError(f"{origin} has no list of metrics", "metrics: [{name: flow}]")
    metrics: list[Metric] = []
    selects: dict[str, Select] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{origin}: metric {number}"
        one = metric(_checked(entry, where)["name"], _context_options(entry, where))
        metrics.append(one)
        include, exclude = entry.get("includeFilters") or [], entry.get("excludeFilters") or []
        selects.pop(one.name, None)
        if include or exclude:
            selects[one.name] = filters(include, exclude)
    return configured(metrics), selects


def _checked(entry: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise UsageError(f"{where} has no name", "- name: flow")
    for key, value in entry.items():
        if key not in _KEYS:
            raise UsageError(f"{where} has an unknown key '{key}'", "one of " + ", ".join(_KEYS))
        if value is not None and not isinstance(value, _KEYS[key]):
            raise UsageError(f"{where}: {key} must be a {_KEYS[key].__name__}", "see Hubble's documentation")
    return entry


def _context_options(entry: Mapping[str, Any], where: str) -> dict[str, list[str]]:
    options: dict[str, list[str]] = {}
    for option in entry.get("contextOptions") or []:
        if not isinstance(option, dict) or not isinstance(option.get("name"), str):
            raise UsageError(f"{where}: a context option has no name", "- {name: sourceContext, values: [pod]}")
        values = option.get("values") or []
        if not isinstance(values, list):
            raise UsageError(f"{where}: the values of {option['name']} are no list", "values: [pod]")
        options[option["name"]] = [str(value) for value in values]
    return options


class Dynamic:
    """Keeps metrics as a file says. Raises RubinError where the file cannot be used at the start."""

    def __init__(
        self, path: Path, metrics: Metrics, filters: Filters, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self._metrics, self._filters, self._clock = path, metrics, filters, clock
        self._hash = b""
        self.fault = ""
        self._poll_at = clock() + _POLL_S
        self._load()

    def poll(self) -> None:
        """Look at the file when it is time; a file that cannot be used changes nothing and is said once."""
        if self._clock() < self._poll_at:
            return
        self._poll_at = self._clock() + _POLL_S
        try:
            self._load()
            self.fault = ""
        except RubinError as error:
            if error.sentence != self.fault:
                _LOG.warning("metrics: file=%s fault=%s", self._path, error.sentence)
            self.fault = error.sentence

    def _load(self) -> None:
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise RubinError(f"cannot read {self._path}: {error.strerror}", "check the path and its rights") from error
        now = hashlib.sha256(data).digest()
        if now == self._hash:
            if self.fault:
                raise RubinError(self.fault)
            return
        self._hash = now
        configuration, selects = read(data.decode("utf-8", "replace"), str(self._path), self._filters)
        self._apply(configuration.metrics, selects)

    def _apply(self, wanted: Iterable[Metric], selects: Mapping[str, Select]) -> None:
        running, names = self._metrics.running, set()
        for one in wanted:
            names.add(one.name)
            if one.name not in running:
                self._metrics.start(one, selects.get(one.name))
                continue
            if one != running[one.name]:
                _LOG.warning("metrics: metric=%s keeps its context options until a restart", one.name)
            self._metrics.select(one.name, selects.get(one.name))
        for name in running.keys() - names:
            self._metrics.stop(name)
