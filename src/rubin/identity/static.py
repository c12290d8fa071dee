"""Names from a TOML file, read again when it changes.

cluster = "default"

[namespaces.default]                 # labels that all pods of the namespace have
labels = { team = "shop" }

[[pods]]                             # a pod, or anything else that shall have a name
name = "pod-a-6d4cf56db6-x7k2p"
namespace = "default"
labels = { app = "pod-a" }
workload = "Deployment/pod-a"
service_account = "default"
addresses = ["10.0.0.10", "fd00::10"]
cidrs = ["10.1.0.0/24"]              # all addresses in them that nobody else is told to have
interfaces = ["veth-a"]              # host-side interfaces behind which it is
cgroups = ["/kubepods/pod-a"]        # paths in cgroup v2; what is below belongs to it too
netns = ["pod-a", 4026532281]        # names under /run/netns, or inodes

[[services]]                         # addresses by which pods are called
name = "service-a"
namespace = "default"
addresses = ["10.96.0.10"]

[[nodes]]                            # other machines of the cluster: reserved:remote-node
addresses = ["192.0.2.7"]
kube_apiserver = false

[[networks]]                         # parts of the world with an identity of their own
cidrs = ["198.51.100.0/24"]
name = "office"
"""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from rubin.errors import RubinError
from rubin.identity.facts import Changes, Fact
from rubin.identity.names_file import facts_in

_READ_S = 1.0

_LOG = logging.getLogger(__name__)


class Static:
    """The provider of a names file. Raises RubinError where the file cannot be used at the start.

    Later a broken file leaves the last good facts in place, and `status` says what is wrong.
    """

    name, rank = "static", 100

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._read_at = clock()
        self._state: tuple[int, ...] = ()
        self._fault = ""
        self._facts: tuple[Fact, ...] = ()
        self._told: tuple[Fact, ...] | None = None
        self._load()

    def changes(self) -> Changes:
        """What the file says, if it has changed; looked at once a second."""
        if self._clock() < self._read_at:
            return {}
        self._read_at = self._clock() + _READ_S
        try:
            self._load()
            fault = ""
        except RubinError as error:
            fault = error.sentence
        if fault != self._fault:
            _LOG.log(logging.WARNING if fault else logging.INFO, "names: file=%s fault=%s", self._path, fault or "none")
            self._fault = fault
        if self._facts == self._told:
            return {}
        self._told = self._facts
        return {"": self._facts}

    def _load(self) -> None:
        try:
            now = os.stat(self._path)
            state = (now.st_ino, now.st_size, now.st_mtime_ns)
            if state == self._state:
                if self._fault:
                    raise RubinError(self._fault)
                return
            text = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._state = ()
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise RubinError(f"cannot read {self._path}: {reason}", "check the path and its rights") from error
        self._state = state
        self._facts = tuple(facts_in(text, str(self._path)))

    def status(self) -> str:
        """How many facts, and what is wrong with the file as it is now."""
        return f"{len(self._facts)} names from {self._path}" + (
            f"; not read again: {self._fault}" if self._fault else ""
        )

    def close(self) -> None:
        """Nothing runs."""
