"""Programs that do nothing, where ours are: what the kernel itself takes for having any."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rubin.kernel import cgroups, syscall

_CGROUP_SKB = 8
_PASS = bytes.fromhex("b7000000010000009500000000000000")  # r0 = 1; exit


@contextmanager
def programs() -> Iterator[list[int]]:
    """The ids of two programs that do nothing, at both directions of the root cgroup."""
    with ExitStack() as stack:
        root = os.open(cgroups.mount(), os.O_RDONLY)
        stack.callback(os.close, root)
        numbers: list[int] = []
        for direction in (syscall.CGROUP_INET_INGRESS, syscall.CGROUP_INET_EGRESS):
            known = set(syscall.program_ids())
            program = syscall.program_load(_CGROUP_SKB, _PASS)
            stack.callback(os.close, program)
            numbers += set(syscall.program_ids()) - known
            stack.callback(os.close, syscall.link_create(program, root, direction))
        yield numbers


class Floor:
    """The same as something that is on or off, as an agent is."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._attached = ExitStack()

    def on(self) -> None:
        """They are attached as soon as this returns."""
        self._attached.enter_context(programs())

    def off(self) -> None:
        """They are gone."""
        self._attached.close()
