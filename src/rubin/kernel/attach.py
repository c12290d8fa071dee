"""Attachments as links that this process owns: when it ends, however it ends, they are gone."""

import os
from dataclasses import dataclass, field

from rubin.kernel.syscall import (
    TCX_EGRESS,
    TCX_INGRESS,
    iterator_create,
    iterator_link,
    link_create,
    raw_tracepoint_open,
)

# section -> enum bpf_attach_type
CGROUP = {
    "cgroup_skb/ingress": 0,
    "cgroup_skb/egress": 1,
    "cgroup/sock_create": 2,
    "cgroup/post_bind4": 12,
    "cgroup/post_bind6": 13,
    "cgroup/sock_release": 34,
}


@dataclass
class Links:
    """Open links by what they are called (`rubin_ingress on eth0`). All methods raise OSError."""

    _fds: dict[str, int] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self._fds

    @property
    def names(self) -> list[str]:
        """What is attached, in the order it was."""
        return list(self._fds)

    def attach_cgroup(self, name: str, program_fd: int, section: str, path: str) -> None:
        """A program of a `cgroup…` section at a cgroup; others' programs there still run."""
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._fds[name] = link_create(program_fd, folder, CGROUP[section])
        finally:
            os.close(folder)

    def attach_tracepoint(self, name: str, program_fd: int) -> None:
        """A program of a `tp_btf/…` section at the tracepoint that it names."""
        self._fds[name] = raw_tracepoint_open(program_fd)

    def attach_tcx(self, name: str, program_fd: int, index: int, egress: bool) -> None:
        """A tc program behind those already there. Raises OSError EINVAL where the kernel has no tcx (before 6.6)."""
        self._fds[name] = link_create(program_fd, index, TCX_EGRESS if egress else TCX_INGRESS)

    def drop(self, name: str) -> None:
        """Detach one; nothing happens where it is not there."""
        fd = self._fds.pop(name, None)
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        """Detach all, the last first."""
        for name in reversed(self.names):
            self.drop(name)


def run_iterator(program_fd: int) -> bytes:
    """What a program of an `iter/…` section writes on one pass. Raises OSError."""
    link = iterator_link(program_fd)
    try:
        iterator = iterator_create(link)
        try:
            written = bytearray()
            while piece := os.read(iterator, 1 << 16):
                written += piece
            return bytes(written)
        finally:
            os.close(iterator)
    finally:
        os.close(link)
