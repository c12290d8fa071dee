"""The programs of the interface vantage at interfaces that come and go: tcx links, or clsact where there is no tcx."""

import errno
import os
import struct

from rubin.kernel import clsact
from rubin.kernel.attach import Links
from rubin.kernel.interfaces import Interface, Interfaces, Kind, chosen
from rubin.kernel.netlink import Netlink
from rubin.kernel.objects import Objects

# enum interface_kind of bpf/maps.h: how packets at an interface are called
_POINTS = {Kind.VETH: 1, Kind.BRIDGE: 2, Kind.LOOPBACK: 2, Kind.TUNNEL: 3}
_DIRECTIONS = (("rubin_ingress", False), ("rubin_egress", True))


class Watched:
    """The interfaces that match the patterns, attached to; `refused` says where it could not be, and why."""

    def __init__(self, objects: Objects, interfaces: Interfaces, patterns: tuple[str, ...], tcx: bool = True) -> None:
        """Attaches. `tcx`: try links first. Raises OSError."""
        self._objects, self._interfaces, self._patterns = objects, interfaces, patterns
        self._links = Links()
        self._watched: dict[int, Interface] = {}
        self._netlink = Netlink()
        self._tcx = tcx
        self.refused: dict[str, str] = {}
        self.adjust()

    @property
    def names(self) -> list[str]:
        """What is attached: `rubin_ingress at eth0`, with `(clsact)` where it is a filter."""
        kind = "" if self._tcx else " (clsact)"
        programs = [program for program, _ in _DIRECTIONS if self._objects.program(program) is not None]
        return [f"{program} at {found.name}{kind}" for found in list(self._watched.values()) for program in programs]

    def adjust(self) -> None:
        """Attach to the interfaces that are new, forget those that have gone."""
        wanted = {interface.index: interface for interface in chosen(self._interfaces, self._patterns)}
        for index in self._watched.keys() - wanted.keys():
            self._leave(index)
        for index in wanted.keys() - self._watched.keys():
            self._watch(wanted[index])
        self._watched |= {index: wanted[index] for index in self._watched.keys() & wanted.keys()}

    def _watch(self, interface: Interface) -> None:
        self._name_point(interface)
        try:
            for program, egress in _DIRECTIONS:
                fd = self._objects.program(program)
                if fd is not None:
                    self._attach(interface, program, fd, egress)
            self._watched[interface.index] = interface
        except OSError as error:
            self._leave(interface.index)
            if error.errno != errno.ENODEV:  # it went in between
                self.refused[f"{program} at {interface.name}"] = os.strerror(error.errno or 0)

    def _name_point(self, interface: Interface) -> None:
        """Tell the programs what kind of interface it is, before the first packet."""
        points = self._objects.map("interfaces")
        point = _POINTS.get(interface.kind, 0).to_bytes(points.value_size, "little")
        points.update(struct.pack("=I", interface.index), point)

    def _attach(self, interface: Interface, program: str, fd: int, egress: bool) -> None:
        if self._tcx:
            try:
                self._links.attach_tcx(f"{program} {interface.index}", fd, interface.index, egress)
                return
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self._tcx = False  # a kernel before 6.6
        clsact.attach(self._netlink, interface.index, fd, program, egress)

    def _leave(self, index: int) -> None:
        self._watched.pop(index, None)
        for program, _ in _DIRECTIONS:
            self._links.drop(f"{program} {index}")
        for found in clsact.filters(self._netlink, index) if not self._tcx else []:
            if found.ours:
                clsact.remove(self._netlink, found)
        self._objects.map("interfaces").delete(struct.pack("=I", index))

    def close(self) -> None:
        """Detach from all."""
        for index in list(self._watched):
            self._leave(index)
        self._links.close()
        self._netlink.close()
