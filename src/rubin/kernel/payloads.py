"""What is said at sockets: its first bytes out of the kernel (bpf/payload.h), and what user space wants to hear."""

import mmap
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rubin.kernel.lanes import HEADER_BYTES, Lanes
from rubin.kernel.maps import Map
from rubin.kernel.ring import Mapping

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

PAYLOAD_BYTES = 864
NOTHING = 255
"""In place of a number of slots: nothing more of this connection is taken."""
MOST_SLOTS = 4
MUTE_PLACES = 65_536

OPENED_LOCALLY, OPENED_REMOTELY, OUT, MORE, FROM_START, CLEAR = 1, 2, 4, 8, 16, 32
"""Bits of `flags`, enum payload_flag."""

_MEMBERS = (
    ("time_ns", "<u8", 0),
    ("tag", "<u8", 8),
    ("local", "(16,)u1", 16),
    ("remote", "(16,)u1", 32),
    ("asked", "(16,)u1", 48),
    ("socket_cookie", "<u8", 64),
    ("netns_cookie", "<u8", 72),
    ("cgroup_id", "<u8", 80),
    ("pid", "<u4", 88),
    ("uid", "<u4", 92),
    ("comm", "(16,)u1", 96),
    ("netns_inode", "<u4", 112),
    ("ifindex", "<u4", 116),
    ("index", "<u4", 120),
    ("sequence", "<u4", 124),
    ("acknowledged", "<u4", 128),
    ("length", "<u4", 132),
    ("captured", "<u2", 136),
    ("local_port", "<u2", 138),
    ("remote_port", "<u2", 140),
    ("asked_port", "<u2", 142),
    ("protocol", "u1", 144),
    ("ip_version", "u1", 145),
    ("flags", "u1", 146),
    ("pad", "(5,)u1", 147),
    ("bytes", f"({PAYLOAD_BYTES},)u1", 152),
)
_NAMES, _FORMATS, _OFFSETS = zip(*_MEMBERS, strict=True)
FACTS_BYTES = 152
FACTS = np.dtype(
    {
        "names": list(_NAMES[:-1]),
        "formats": list(_FORMATS[:-1]),
        "offsets": list(_OFFSETS[:-1]),
        "itemsize": FACTS_BYTES,
    }
)
"""struct payload_record without its bytes."""
PAYLOAD = np.dtype(
    {
        "names": [*_NAMES, "facts"],  # numpy copies a structure member by member, so here it is once more in one piece
        "formats": [*_FORMATS, f"V{FACTS_BYTES}"],
        "offsets": [*_OFFSETS, 0],
        "itemsize": 1016,
    }
)
"""The whole of it; a test compares the two through BTF."""
SLOT_BYTES = HEADER_BYTES + PAYLOAD.itemsize
TALK = np.dtype(
    [("wanted", "<u8"), ("tag", "<u8"), ("undecided", "<u4"), ("second", "<u4"), ("taken", "<u4"), ("pad", "<u4")]
)
_LOW, _PHI, _ODD = np.uint64(0xFFFFFFFF), np.uint64(0x9E3779B1), np.uint64(0x85EBCA6B)
_EVERYBODY = 0xFFFFFFFFFFFFFFFF


class Payloads:
    """The reader of what is said, and the one who says what he wants to hear of whom."""

    def __init__(self, map_of: Callable[[str], Map], lanes: int) -> None:
        """`map_of` gives the maps of bpf/slots.h by name. Raises OSError where they cannot be mapped."""
        self.lanes = Lanes(map_of("payloads"), map_of("lanes"), map_of("payloads_signal"), PAYLOAD, lanes)
        talks, admitted, mute = map_of("talks"), map_of("admitted"), map_of("mute")
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        self._pages = [Mapping(one.fd, 0, _whole_pages(one), protection) for one in (talks, admitted, mute)]
        self._wanted = self._pages[0].array(TALK, talks.max_entries)["wanted"]
        self._admitted = self._pages[1].array(np.dtype("<u8"), 1)
        self._mute = self._pages[2].array(np.dtype("<u8"), mute.max_entries)
        self.admit(1.0)

    def want(self, index: I64, tag: U64, slots: I64) -> None:
        """Of these connections take so many slots a packet, or `NOTHING`, from now on."""
        self._wanted[index] = tag & ~np.uint64(0xFF) | slots.astype(np.uint64)

    def admit(self, share: float) -> None:
        """Listen to this share (0 to 1) of connections, always the same ones. What others say is counted as lost."""
        self._admitted[0] = min(int(share * _EVERYBODY), _EVERYBODY)

    def mute(self, place: I64, is_mute: bool) -> None:
        """Listen to no new connection with servers of these places (`mute_places`), or to all."""
        self._mute[place] = is_mute

    def close(self) -> None:
        """Let the maps go."""
        self.lanes.close()
        for page in self._pages:
            page.close()


def mute_places(facts: npt.NDArray[np.void]) -> I64:
    """(n,) where each connection's server has its place, as `mute_place` of bpf/slots.h; -1: not known who it is."""
    opened = facts["flags"] & (OPENED_LOCALLY | OPENED_REMOTELY)
    here = opened == OPENED_REMOTELY
    server = np.where(here[:, None], facts["local"], facts["remote"]).view(np.uint64)
    port = np.where(here, facts["local_port"], facts["remote_port"]).astype(np.uint64)
    folded: U64 = server[:, 0] ^ server[:, 1]
    folded ^= folded >> np.uint64(32)
    hashed: U64 = ((folded & _LOW) * _PHI + port * _ODD) & _LOW
    return np.where(opened > 0, (hashed >> np.uint64(16)).astype(np.int64), -1)


def _whole_pages(of: Map) -> int:
    size = of.value_size * of.max_entries
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
