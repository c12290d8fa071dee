"""Records of the kernel to flows in columns, as Hubble decodes its own (cilium, pkg/hubble/parser/threefour)."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.kernel.cgroups import V1
from rubin.kernel.drop_reasons import DropReasons
from rubin.kernel.records import RECORD, Kind
from rubin.kernel.rows import Records, Rows
from rubin.kernel.served import served
from rubin.model import addresses
from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import mix
from rubin.model.columns import DTYPES
from rubin.model.enums import EventType, FlowType, TracePoint, Verdict
from rubin.model.tables import Contents, Link, Process, Tables, Translation, Tunnel

_SAME = (
    *("ip_version", "protocol", "source_port", "destination_port", "tcp_flags", "icmp_type", "icmp_code"),
    *("packets", "bytes", "tcp_event", "connect_latency_us", "srtt_us", "retransmits", "socket_cookie", "trace_reason"),
)
_OFFSETS = {name: place[1] for name, place in (RECORD.fields or {}).items()}
# The same bytes in words: addresses as numbers, and what a row of a table is known by. `name` is the command, or MACs.
_WORDS = np.dtype(
    {
        "names": ["source_high", "source_low", "destination_high", "destination_low", "who", "name_a", "name_b"],
        "formats": [">u8", ">u8", ">u8", ">u8", "<u8", "<u8", "<u8"],
        "offsets": [
            *(_OFFSETS["source"], _OFFSETS["source"] + 8, _OFFSETS["destination"], _OFFSETS["destination"] + 8),
            *(_OFFSETS["pid"], _OFFSETS["comm"], _OFFSETS["comm"] + 8),
        ],
        "itemsize": RECORD.itemsize,
    }
)
assert _OFFSETS["uid"] == _OFFSETS["pid"] + 4, "`who` is both"
assert _OFFSETS["source_mac"] == _OFFSETS["comm"], "`name` is either"
_GENEVE_PORT = 6081
_SO_NETNS_COOKIE = 71


@dataclass(frozen=True, slots=True)
class Names:
    """How numbers of this machine are named; each answers "" where it does not know."""

    interface: Callable[[int], str]
    cgroup: Callable[[int], str]
    function: Callable[[int], str]
    drops: DropReasons
    node: str = ""
    executable: Callable[[int], str] = lambda _: ""
    user: Callable[[int], str] = lambda _: ""


def own_netns_cookie() -> int:
    """The cookie of this network namespace, 0 where the kernel does not tell (before 5.14)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            return int.from_bytes(any_socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), "little")
        except OSError:
            return 0


class Flows:
    """The decoder: `batch` makes flows of records, in `tables`."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._netns = own_netns_cookie()
        # RFC 9562, version 8: 60 random bits of this start and the version, 62 bits that count and the variant.
        self._uuid_high = int.from_bytes(os.urandom(8), "little") & ~0xF000 | 0x8000
        self._made = 0
        self._renew()

    def _renew(self) -> None:
        self.tables = Tables()
        strings, tables = self.tables.strings, self.tables
        self._owners = Rows(self._owner_code)
        self._outer = Rows(lambda record: tables.contents.code(_contents(record)))
        self._sources = Rows(lambda record: strings.code(_address(record["outer_source"])))
        self._locations = Rows(lambda record: strings.code(self._names.function(int(record["location"]))))
        self._reasons = Rows(self._reason_code)
        self._node = self.tables.strings.code(self._names.node)

    def renew_when_full(self) -> None:
        """Go on with new tables when it is time; codes of the old ones are then of no use any more."""
        if self.tables.full:
            self._renew()

    def batch(self, records: Records, offset_ns: int) -> FlowBatch:
        """Flows of (n,) records; `offset_ns` turns their clock into the epoch's. Everything is copied."""
        count = len(records)
        words = records.view(_WORDS)
        columns: dict[str, Array] = {name: np.array(records[name], DTYPES[name]) for name in _SAME}
        columns |= {name: np.array(words[name], np.uint64) for name in _ADDRESSES}
        columns["time_ns"] = records["time_ns"].astype(np.int64) + offset_ns
        columns["uuid_high"] = np.full(count, self._uuid_high, np.uint64)
        columns["uuid_low"] = np.arange(self._made, self._made + count, dtype=np.uint64) | np.uint64(1 << 63)
        columns["sctp_chunk_type"] = np.array(records["sctp_chunk"])
        columns["flow_type"] = np.full(count, FlowType.L3_L4, np.uint8)
        columns["node_name"] = np.full(count, self._node, np.uint32)
        columns |= self._what(records) | self._who(records, words)
        self._made += count
        return FlowBatch(columns, self.tables)

    def _what(self, records: Records) -> dict[str, Array]:
        """Event, verdict, direction: of traces, then of the drops among them."""
        count = len(records)
        reply, point, direction = (np.array(records[name]) for name in ("reply", "point", "direction"))
        turned = (reply == 1) & (direction > 0)
        direction ^= 3 * turned.view(np.uint8)  # Hubble's is the connection's: ingress 1 and egress 2 change places
        direction *= reply <= 1  # and not known where the opener is not
        columns = {
            "verdict": np.full(count, Verdict.FORWARDED, np.uint8),
            "event_type": np.full(count, EventType.TRACE, np.uint8),
            "event_sub_type": point * (point != TracePoint.TO_ENDPOINT),  # the datapath's own number of it is 0
            "trace_point": point,
            "is_reply": reply.view(np.int8),  # 255 is -1: not known
            "traffic_direction": direction,
        }
        drops = np.flatnonzero(records["kind"] == Kind.DROP)
        return columns if not len(drops) else columns | self._dropped(records, drops, columns)

    def _dropped(self, records: Records, drops: Array, columns: dict[str, Array]) -> dict[str, Array]:
        dropped = _chosen(records, drops)
        names, nearest = _halves(self._reasons.codes(mix(dropped["drop_reason"]), dropped))
        columns["verdict"][drops] = Verdict.DROPPED
        columns["event_type"][drops] = EventType.DROP
        columns["event_sub_type"][drops] = nearest
        columns["trace_point"][drops] = TracePoint.UNKNOWN_POINT
        columns["is_reply"][drops] = -1
        columns["traffic_direction"][drops] = dropped["direction"]
        more = {
            name: np.zeros(len(records), DTYPES[name])
            for name in ("drop_reason", "kernel_drop_reason", "drop_location")
        }
        more["drop_reason"][drops], more["kernel_drop_reason"][drops] = nearest, names
        more["drop_location"][drops] = self._locations.codes(mix(dropped["location"]), dropped)
        return more

    def _who(self, records: Records, words: Records) -> dict[str, Array]:
        """Codes into tables: process, link, and the tunnel of the few that have one."""
        flags = records["vlan"].astype(np.uint64) << np.uint64(1)
        flags |= records["socket_cookie"] == 0
        flags <<= np.uint64(48)  # cookies of namespaces count up from 1
        flags ^= records["netns_cookie"]
        who = words["who"], words["name_a"], words["name_b"], records["cgroup_id"]
        processes, links = _halves(self._owners.codes(mix(*who, flags, records["ifindex"]), records))
        unknown, telling = served(records)
        processes[unknown[telling >= 0]] = processes[telling[telling >= 0]]
        columns: dict[str, Array] = {"process": processes, "link": links}
        inside = np.flatnonzero((records["outer_destination_port"] > 0) & (records["kind"] != Kind.DROP))
        if len(inside):
            columns["contents"] = np.zeros(len(records), np.uint32)
            columns["contents"][inside] = self._other_tuples(_chosen(records, inside))
        changed = np.flatnonzero((records["outer_source_port"] > 0) & (records["kind"] != Kind.DROP))
        changed = changed[_at_socket(records[changed])]
        if len(changed):
            asked = _chosen(records, changed)
            columns["source_xlated"] = np.zeros(len(records), np.uint32)
            columns["source_xlated"][changed] = self._sources.codes(mix(*_words(asked["outer_source"])), asked)
        return columns

    def _other_tuples(self, records: Records) -> Array:
        ports = records["outer_source_port"].astype(np.uint64) << np.uint64(16) | records["outer_destination_port"]
        ends = *_words(records["outer_source"]), *_words(records["outer_destination"])
        return self._outer.codes(mix(*ends, ports, records["vni"], _at_socket(records)), records)

    def _reason_code(self, record: Any) -> int:
        """The row of the kernel's name, and Hubble's reason in the upper half."""
        drops, number = self._names.drops, int(record["drop_reason"])
        return drops.nearest(number) << 32 | self.tables.strings.code(drops.name(number))

    def _owner_code(self, record: Any) -> int:
        """The row of the process, and that of the link in the upper half: both by one search."""
        return self._link_code(record) << 32 | self.tables.processes.code(self._process(record))

    def _process(self, record: Any) -> Process:
        pid, uid, cgroup = int(record["pid"]), int(record["uid"]), int(record["cgroup_id"])
        return Process(
            pid=pid,
            command=bytes(record["comm"]).split(b"\0")[0].decode(errors="replace") if pid else "",
            uid=-1 if uid == 0xFFFFFFFF else uid,
            cgroup_id=cgroup & ~V1,
            cgroup=self._names.cgroup(cgroup) if cgroup else "",
            netns_cookie=int(record["netns_cookie"]),
            netns=int(record["netns_inode"]),
            executable=self._names.executable(pid) if pid else "",
            user="" if uid == 0xFFFFFFFF else self._names.user(uid),
        )

    def _link_code(self, record: Any) -> int:
        """An index means an interface only together with its network namespace: elsewhere it has no name."""
        index, netns = int(record["ifindex"]), int(record["netns_cookie"])
        here = netns == self._netns if netns else not record["socket_cookie"]
        framed = not record["pid"]
        link = Link(
            index=index,
            name=self._names.interface(index) if here and index else "",
            source_mac=_mac(record["source_mac"]) if framed else "",
            destination_mac=_mac(record["destination_mac"]) if framed else "",
            vlan=int(record["vlan"]),
        )
        return self.tables.links.code(link)


_ADDRESSES = ("source_high", "source_low", "destination_high", "destination_low")


def _chosen(records: Records, rows: Array) -> Records:
    """These rows, copied whole: numpy would copy a structure member by member, forty times dearer."""
    whole: Records = records.view(np.dtype((np.void, RECORD.itemsize)))[rows].view(RECORD)
    return whole


def _halves(codes: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """The lower and the upper 32 bits."""
    both = codes.view(np.uint32)
    return both[::2].copy(), both[1::2].copy()


def _mac(raw: npt.NDArray[np.uint8]) -> str:
    return ":".join(f"{byte:02x}" for byte in raw.tolist()) if raw.any() else ""


def _words(raw: npt.NDArray[np.uint8]) -> tuple[Array, Array]:
    """The halves of (n, 16) bytes, to tell addresses apart by."""
    both = np.ascontiguousarray(raw).view("<u8")
    return both[:, 0], both[:, 1]


def _address(raw: npt.NDArray[np.uint8]) -> str:
    high, low = addresses.mapped(raw.reshape(1, 16))
    return addresses.text(int(high[0]), int(low[0]))


def _at_socket(records: Any) -> Any:
    """Whether the other tuple is whom the socket asked for, not a tunnel's."""
    point = records["point"]
    return (point == TracePoint.TO_STACK) | ((point == TracePoint.TO_ENDPOINT) & (records["socket_cookie"] > 0))


def _contents(record: Any) -> Contents:
    port = int(record["outer_destination_port"])
    if _at_socket(record):
        return Contents(translation=Translation(_address(record["outer_destination"]), port))
    return Contents(
        tunnel=Tunnel(
            protocol=2 if port == _GENEVE_PORT else 1,
            source=_address(record["outer_source"]),
            destination=_address(record["outer_destination"]),
            source_port=int(record["outer_source_port"]),
            destination_port=port,
            vni=int(record["vni"]),
        )
    )
