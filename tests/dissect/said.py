"""Connections made by hand, packet by packet, as `Segments`."""

from dataclasses import dataclass, field

import numpy as np

from rubin.dissect.found import Told
from rubin.dissect.segments import LOCAL, REMOTE, UNKNOWN, Segments
from rubin.dissect.stage import Stage
from rubin.model.messages import Message, Messages

PLACE = np.dtype([("key", "<u8")])
CAPTURED = 864


@dataclass(frozen=True)
class Packet:
    """One packet as the local side sees it."""

    key: int
    from_client: bool
    sequence: int
    acknowledged: int
    data: bytes
    time_ns: int
    opener: int = UNKNOWN
    from_start: bool = True
    tcp: bool = True
    server_is_local: bool = True
    captured: int = CAPTURED
    secured: bool = False


@dataclass
class Connection:
    """Two streams; `client` and `server` say something and give its packet."""

    key: int
    tcp: bool = True
    server_is_local: bool = True
    opener: int | None = None
    from_start: bool = True
    captured: int = CAPTURED
    secured: bool = False
    next: dict[bool, int] = field(default_factory=lambda: {True: 1000, False: 0xFFFFFF00})
    clock: int = 1_000_000_000

    def say(self, from_client: bool, data: bytes, after_ns: int = 1000) -> Packet:
        self.clock += after_ns
        opener = self.opener if self.opener is not None else REMOTE if self.server_is_local else LOCAL
        packet = Packet(
            self.key, from_client, self.next[from_client], self.next[not from_client], data, self.clock, opener,
            self.from_start, self.tcp, self.server_is_local, self.captured, self.secured,
        )  # fmt: skip
        self.next[from_client] = (self.next[from_client] + len(data)) & 0xFFFFFFFF
        return packet

    def client(self, data: bytes, after_ns: int = 1000) -> Packet:
        return self.say(True, data, after_ns)

    def server(self, data: bytes, after_ns: int = 1000) -> Packet:
        return self.say(False, data, after_ns)


def segments(packets: list[Packet], behind: int = 10) -> Segments:
    """As a source would hand them on."""
    stride = 1024 if all(packet.captured <= 864 for packet in packets) else 4096
    data = np.full(len(packets) * stride + 4096, behind, np.uint8)  # what lies behind, as it comes: newlines
    captured = np.array([min(len(packet.data), packet.captured) for packet in packets], np.int64)
    start = np.arange(len(packets), dtype=np.int64) * stride
    for at, size, packet in zip(start.tolist(), captured.tolist(), packets, strict=True):
        data[at : at + size] = np.frombuffer(packet.data[:size], np.uint8)
    facts = np.array([(packet.key,) for packet in packets], PLACE)
    return Segments(
        data,
        start,
        captured,
        np.array([len(packet.data) for packet in packets], np.int64),
        np.array([packet.time_ns for packet in packets], np.int64),
        np.array([packet.key for packet in packets], np.uint64),
        np.array([packet.from_client != packet.server_is_local for packet in packets], np.bool_),
        np.array([packet.opener for packet in packets], np.uint8),
        np.array([packet.from_start for packet in packets], np.bool_),
        np.array([packet.secured for packet in packets], np.bool_),
        np.array([packet.tcp for packet in packets], np.bool_),
        np.array([packet.sequence for packet in packets], np.uint32),
        np.array([packet.acknowledged for packet in packets], np.uint32),
        facts.view(np.dtype((np.void, PLACE.itemsize))),
    )


@dataclass
class Listener:
    """A stage and what it has told."""

    stage: Stage = field(default_factory=Stage)
    messages: Messages = field(default_factory=Messages)
    told: list[tuple[int, bool, Message]] = field(default_factory=list)  # connection, answered, message

    def hear(self, *batches: list[Packet]) -> list[Message]:
        """What these batches say."""
        before = len(self.told)
        for packets in batches:
            self._keep(self.stage.read(segments(packets), self.messages))
        return [message for _, _, message in self.told[before:]]

    def wait(self, now_ns: int) -> list[Message]:
        """What a tick at this time tells."""
        before = len(self.told)
        self._keep(self.stage.tick(now_ns, self.messages))
        return [message for _, _, message in self.told[before:]]

    def _keep(self, told: Told) -> None:
        keys = told.facts.view(PLACE)["key"].tolist() if len(told) else []
        for key, answered, code in zip(keys, told.answered.tolist(), told.message.tolist(), strict=True):
            self.told.append((key, answered, self.messages[code]))


def get(path: str, *fields: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: shop.test", *fields, "", ""]
    return "\r\n".join(lines).encode()


def answer(status: int = 200, body: bytes = b"", *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body
