"""The line on what is said: exchanges per CPU-second from the kernel's slots to the ring, and bytes each."""

import gc
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.clients import dns
from bench.figures import Figures
from rubin.identity.dns_names import DnsNames
from rubin.identity.local import Local
from rubin.identity.table import Names as Identity
from rubin.kernel import drop_reasons, payloads
from rubin.kernel.flows import Flows, Names
from rubin.kernel.lanes import Slots
from rubin.kernel.payloads import PAYLOAD
from rubin.metrics.sink import Metrics, Settings
from rubin.model.batch import FlowBatch
from rubin.model.exchanges import expanded
from rubin.sources.listening import MOST_PACKETS, Listening
from rubin.store.ring import Ring

_CONTEXT = "labelsContext=source_ip,source_namespace,source_workload,destination_ip,destination_namespace"
_METRICS = {"http1": f"httpV2:exemplars=true;{_CONTEXT}", "dns": f"dns:{_CONTEXT}"}
_CONNECTIONS, _PATHS = 256, 1_000
_PACKET_NS = 2_000  # 250,000 exchanges a second, of which headers are read as they would be then
_SLOT = np.dtype([("turn", "<u8"), ("record", PAYLOAD)])
Records = npt.NDArray[np.void]


def measure(figures: Figures, quick: bool = False) -> None:
    """`l7_http1_per_cpu_second`, `l7_dns_per_cpu_second`, `l7_ns.*` by part, `ring_bytes_per_exchange`.

    Of an agent that has met the names and paths before.
    """
    for kind, say in (("http1", _http), ("dns", _dns)):
        slots = _slots(say, 8 if quick else 16)
        for _ in range(3 if quick else 7):
            _round(figures, kind, slots, 2 if quick else 8)


class _Heard:
    """Slots as the kernel would have filled them: what `Listening` takes them from."""

    def __init__(self, slots: Records) -> None:
        self.lanes, self._slots, self._at, self.fill = self, slots, 0, 0.0

    def peek(self, most: int, _: int) -> Slots:
        return Slots(self._slots["record"], np.arange(self._at, min(self._at + most, len(self._slots) - 1)))

    def advance(self) -> None:
        self._at += MOST_PACKETS

    def go_on(self) -> None:
        """The same once more, later and behind it in the streams."""
        self._at, record = 0, self._slots["record"][:-1]
        out = record["flags"] & payloads.OUT != 0
        mine, theirs = 2 * record["index"] + out, 2 * record["index"] + ~out
        sizes = np.bincount(mine, record["length"]).astype(np.uint32)
        record["sequence"] += sizes[mine]
        record["acknowledged"] += sizes[theirs]
        record["time_ns"] += np.uint64(len(record) * _PACKET_NS)

    def want(self, *_: object) -> None:
        """Everything is there already."""

    def admit(self, _: float) -> None:
        """The same."""

    def mute(self, *_: object) -> None:
        """The same."""

    @property
    def done(self) -> bool:
        return self._at + MOST_PACKETS >= len(self._slots)


def _round(figures: Figures, kind: str, slots: Records, passes: int) -> None:
    decoder = Flows(Names(str, str, hex, drop_reasons.of_kernel(), "node-1"))
    identity, named, ring, metrics = Identity([Local()]), DnsNames(), Ring(), Metrics(Settings(_METRICS[kind]))
    heard = _Heard(slots)
    listening = Listening(heard, 100)  # type: ignore[arg-type]
    spent = dict.fromkeys(("dissect", "identify", "names", "store", "metrics"), 0.0)

    def timed(part: str, step: Callable[[], Any]) -> Any:
        begun = time.thread_time()
        done = step()
        spent[part] += time.thread_time() - begun
        return done

    def observe(batch: FlowBatch) -> None:
        metrics.observe(expanded(batch))

    gc.collect()
    exchanges = 0
    for number in range(1 + passes):
        if number == 1:  # what is met for the first time costs more, once
            exchanges, spent = 0, dict.fromkeys(spent, 0.0)
        heard.go_on()
        while not heard.done:
            decoder.renew_when_full()
            batch = timed("dissect", lambda: listening.take(decoder, 0, 1, 1))
            if batch is None:
                continue
            exchanges += len(batch)
            batch = timed("identify", partial(identity.identify, batch))
            batch = timed("names", partial(named.name, batch))
            timed("store", partial(ring.append, batch))
            timed("metrics", partial(observe, batch))
    packets = passes * (len(slots) - 1)
    if exchanges < packets // 2 - 2 * _CONNECTIONS:
        raise AssertionError(f"{exchanges} exchanges of {packets // 2}")
    figures.add(f"l7_{kind}_per_cpu_second", exchanges / sum(spent.values()))
    for part, took in spent.items():
        figures.add(f"l7_ns.{kind}.{part}", 1e9 * took / exchanges)
    if kind == "http1":
        tables = decoder.tables
        row = sum(batch[name].dtype.itemsize for name in batch.names()) if batch is not None else 0
        figures.add("ring_bytes_per_exchange", row + tables.messages.memory_bytes / max(len(tables.messages), 1))


def _slots(say: Callable[[int], tuple[bytes, bytes, int]], batches: int) -> Records:
    """Requests of all connections, then their answers, again and again; behind them an empty slot."""
    count = batches * MOST_PACKETS
    slots = np.zeros(count + 1, _SLOT)
    record = slots["record"][:-1]
    turn = np.arange(count) // (2 * _CONNECTIONS)
    connection, answers = np.arange(count) % _CONNECTIONS, np.arange(count) // _CONNECTIONS % 2 == 1
    asked = np.full(_CONNECTIONS, 1, np.uint32)
    answered = np.full(_CONNECTIONS, 1, np.uint32)
    record["time_ns"] = np.arange(count) * _PACKET_NS + 1
    record["tag"] = (connection.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)
    record["local"], record["remote"] = _address(10), _address(20)
    record["remote"][:, 15] = connection
    record["local_port"], record["remote_port"] = 80, 20_000 + connection
    record["pid"], record["socket_cookie"], record["netns_cookie"] = 100, 1 + connection, 1
    record["ip_version"], record["index"] = 1, connection
    record["flags"] = payloads.OPENED_REMOTELY | payloads.FROM_START
    record["flags"] |= np.where(answers, payloads.OUT, 0).astype(np.uint8)
    for row in range(count):
        question, answer, protocol = say(int(turn[row]) * _CONNECTIONS + int(connection[row]))
        mine, theirs = (answered, asked) if answers[row] else (asked, answered)
        said = answer if answers[row] else question
        one, at = record[row], connection[row]
        one["protocol"], one["length"], one["captured"] = protocol, len(said), min(len(said), 864)
        if protocol == 6:
            one["sequence"], one["acknowledged"] = mine[at], theirs[at]
            mine[at] += len(said)
        one["bytes"][: one["captured"]] = np.frombuffer(said, np.uint8)[:864]
    return slots


def _address(last: int) -> npt.NDArray[np.uint8]:
    return np.array([0] * 10 + [255, 255, 10, 0, 0, last], np.uint8)


def _http(number: int) -> tuple[bytes, bytes, int]:
    """A browser's request and a server's answer, of like size as real ones (notes: 310 bytes at the mean)."""
    path = f"/api/v1/items/{number * 7919 % _PATHS}?session=0123456789"
    request = (
        f"GET {path} HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
        f"Accept: text/html,application/json\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n"
        f"traceparent: 00-{number + 1:032x}-{number + 1:016x}-01\r\nCookie: session=abcdefghijklmnopqrstuvwxyz\r\n\r\n"
    )
    status = (200, 200, 200, 304, 404)[number % 5]
    body = b"" if status == 304 else b"x" * 120
    answer = (
        f"HTTP/1.1 {status} OK\r\nServer: nginx/1.22.1\r\nDate: Thu, 26 Nov 2026 15:00:00 GMT\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: keep-alive\r\n\r\n"
    )
    return request.encode(), answer.encode() + body, 6


def _dns(number: int) -> tuple[bytes, bytes, int]:
    """A question for one of a thousand names, and its answer."""
    _, name, _, _ = dns.truth(number % _PATHS, 0)
    labels = dns.question(name)
    head = (number // _CONNECTIONS & 0xFFFF).to_bytes(2, "big")
    question = head + bytes.fromhex("01000001000000000000") + labels
    answer = head + bytes.fromhex("81800001000100000000") + labels
    address = bytes([192, 0, *divmod(number % _PATHS, 256)])
    return question, answer + bytes.fromhex("c00c0001000100000e100004") + address, 17
