"""What the path of a cgroup says: pods, containers and systemd units (v1, v2 and hybrid hosts alike)."""

import re
from collections.abc import Iterator
from functools import lru_cache

from rubin.identity.facts import ContainerCgroup, PodCgroup

# kubelet: "pod78cf2df7-f968-…" (cgroupfs), "kubepods-burstable-pod78cf2df7_f968_….slice" (systemd); static pods have
# their UID without dashes. Runtimes: the bare id, or "docker-ID.scope", "cri-containerd-ID.scope", "libpod-ID.scope".
_POD = re.compile(r"(?:^|-)pod([0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12})(?:\.slice)?$")
_CONTAINER = re.compile(r"^(?:[a-z][a-z-]*-)?([0-9a-f]{64})(?:\.scope)?$")
_UNIT = re.compile(r"\.(?:service|scope)$")
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


def owners(path: str) -> tuple[ContainerCgroup | PodCgroup, ...]:
    """The pods and containers that the path names, from the root on: who writes the end of it may not be honest."""
    return _owners(path)


@lru_cache(4096)
def _owners(path: str) -> tuple[ContainerCgroup | PodCgroup, ...]:
    return tuple(_named(path))


def _named(path: str) -> Iterator[ContainerCgroup | PodCgroup]:
    for part in path.split("/"):
        if pod := _POD.search(part):
            yield PodCgroup(_dashed(pod[1]))
        elif container := _CONTAINER.match(part):
            yield ContainerCgroup(container[1])


def _dashed(uid: str) -> str:
    plain = uid.replace("_", "").replace("-", "")
    if "_" not in uid and "-" not in uid:
        return plain  # a static pod's, a hash
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def unit(path: str) -> str:
    """systemd's unit: "nginx.service"; of a user's manager "user@1000.service/foo.service"; "" where there is none."""
    units = [part for part in path.split("/") if _UNIT.search(part)]
    if not units:
        return ""
    if units[0].startswith("user@") and len(units) > 1:
        return f"{_plain(units[0])}/{_plain(units[1])}"
    return _plain(units[0])


def is_session(name: str) -> bool:
    """Whether a unit only says that somebody is logged in."""
    return name.startswith("session-") or name.endswith("/init.scope")


def _plain(name: str) -> str:
    r"""Without systemd's escapes: `\x2d` is a dash (systemd.unit(5))."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), name)
