"""The compiled BPF objects: loaded with shared maps and one set of settings.

What a kernel refuses costs one capability; the rest works.
"""

import ctypes
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rubin.errors import RubinError
from rubin.kernel import btf
from rubin.kernel.libbpf import Object, RefusedError
from rubin.kernel.maps import Map
from rubin.kernel.syscall import ProgramInfo, program_info

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Capability:
    """Something the agent can do here or not: why not, and what is missing without it."""

    name: str
    on: bool
    costs: str
    why: str = ""


# object or program -> what is missing where the kernel refuses it
COSTS = {
    "sockets": "no flows of sockets",
    "rubin_socket_in": "no flows that arrive at sockets",
    "rubin_socket_out": "no flows that leave sockets",
    "rubin_bound4": "servers that never send over IPv4 stay without an owner",
    "rubin_bound6": "servers that never send over IPv6 stay without an owner",
    "rubin_released": "the last packets of a closed UDP socket are told when its entry is swept",
    "interfaces": "no flows of interfaces: forwarded traffic is not seen",
    "rubin_ingress": "no flows that come in at interfaces",
    "rubin_egress": "no flows that go out at interfaces",
    "tcp": "no closes and retransmits of TCP connections",
    "rubin_tcp_closed": "no closes of TCP connections",
    "rubin_tcp_resent": "no retransmits of TCP connections",
    "clear": "what is said over TLS is not read",
    "rubin_clear_call": "what is said over TLS is not read",
    "rubin_clear_return": "what is said over TLS is not read",
    "rubin_clear_begin": "what is said over TLS is not read",
    "rubin_clear_handshake": "what is said over TLS is not read",
    "rubin_clear_go": "what Go programs say over TLS is not read",
    "rubin_clear_sent": "what is said over TLS is not read",
    "rubin_clear_received": "what is said over TLS is not read",
    "drops": "no packets that the kernel dropped",
    "rubin_drop": "drops by a socket's receive side have no owner",
    "rubin_drop_no_rx": "no packets that the kernel dropped",
    "owners": "sockets older than the agent have no owner, and who opened their connections is not known",
    "rubin_owners": "sockets older than the agent have no owner, and who opened their connections is not known",
    "processes": "of processes that end at once the executable, and of their containers the name, may be missing",
    "rubin_exec": "the executable of a process that ends at once is not known",
    "rubin_fork": "the executable of a process that forks and ends at once is not known",
    "rubin_cgroup": "a cgroup that goes at once has no path, and so no container or unit",
    "rubin_whoami": "in a process namespace of its own the agent sees its own traffic",
}


def image(name: str) -> bytes:
    """The compiled object of this name, out of the package. Raises RubinError where it was not built."""
    path = Path(__file__).with_name("objects") / f"{name}.bpf.o"
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RubinError(
            f"the BPF object '{name}' is not built",
            "./dev run builds it (it needs clang); an installed wheel carries it",
        ) from error


@dataclass
class Objects:
    """Loaded objects, by name. `load` them in order; the first that has a map shares it with the later ones.

    One thread at a time loads. What others see meanwhile is whole: the dictionaries are replaced, never added to.
    """

    settings: dict[str, int | bytes] = field(default_factory=dict)
    max_entries: dict[str, int] = field(default_factory=dict)
    source: Callable[[str], bytes] = image
    loaded: dict[str, Object] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    _maps: dict[str, Map] = field(default_factory=dict)

    def load(self, name: str, skip: Mapping[str, str] | None = None) -> bool:
        """Load an object without its programs in `skip` (name: why, or "") and without those that the kernel refuses.

        False where nothing of it is left; `refused` says why, by program. Raises RubinError where
        the object is not built or none of ours.
        """
        left_out = dict(skip or {})
        while True:
            item = self._prepared(name, left_out)
            try:
                if set(item.programs) <= set(left_out):
                    item.close()
                    break
                item.load()
            except RefusedError as error:
                item.close()
                _LOG.warning("program=%s object=%s refused, going on without it:\n%s", error.program, name, error.log)
                lost = [error.program] if error.program in item.programs else item.programs
                left_out.update(dict.fromkeys(lost, error.sentence))
                continue
            new = {key: item.map(key) for key in item.maps if key not in self._maps and not item.is_internal(key)}
            self.loaded, self._maps = {**self.loaded, name: item}, {**self._maps, **new}
            break
        why_not = {program: why for program, why in left_out.items() if why and program in item.programs}
        self.refused = {**self.refused, **why_not}
        return name in self.loaded

    def _prepared(self, name: str, skip: Mapping[str, str]) -> Object:
        item = Object(self.source(name), name)
        for program in skip.keys() & set(item.programs):
            item.skip(program)
        for key in item.maps:
            if key in self._maps:
                item.share(key, self._maps[key].fd)
            elif key in self.max_entries:
                item.set_max_entries(key, self.max_entries[key])
        write_settings(item, self.settings)
        return item

    def map(self, name: str) -> Map:
        """The shared map of this name. Raises KeyError where no loaded object has it."""
        return self._maps[name]

    def get(self, name: str) -> Map | None:
        """The same, None where no loaded object has it."""
        return self._maps.get(name)

    @property
    def maps(self) -> list[Map]:
        """All shared maps."""
        return list(self._maps.values())

    def programs(self) -> dict[str, int]:
        """The descriptors of all loaded programs, by name."""
        return {
            name: item.program_fd(name) for item in self.loaded.values() for name in item.programs if item.loads(name)
        }

    def section(self, program: str) -> str:
        """Where a program attaches. Raises KeyError where it is not loaded."""
        return next(item.section(program) for item in self.loaded.values() if program in item.programs)

    def program(self, name: str) -> int | None:
        """The descriptor of a loaded program, None where it is not loaded."""
        return self.programs().get(name)

    def infos(self) -> list[ProgramInfo]:
        """What the kernel knows of each loaded program."""
        return [program_info(fd) for fd in self.programs().values()]

    def close(self) -> None:
        """Give all up."""
        for item in self.loaded.values():
            item.close()
        self.loaded.clear()
        self._maps.clear()


def write_settings(item: Object, settings: Mapping[str, int | bytes]) -> None:
    """Set the members of the object's constant `settings` before it is loaded; an object without it stays as it is.

    A number fills its member; of bytes as many are taken as the member has. Raises RubinError where
    the object's struct has no such member.
    """
    types, rodata = btf.of_object(item), item.rodata()
    where = types.variables(".rodata").get("settings")
    if where is None or rodata is None:
        return
    members = types.members("settings")
    for name, value in settings.items():
        if name not in members:
            raise RubinError(f"the BPF object '{item.name}' has no setting '{name}'", "build the objects again")
        offset, size = members[name]
        raw = value[:size] if isinstance(value, bytes) else value.to_bytes(size, "little")
        at = where[0] + offset
        ctypes.memmove(ctypes.addressof(rodata) + at, raw, len(raw))
