"""What comes of the relay: a reader that goes on as long as it can, and questions in between."""

import asyncio
import json
import os
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from demo.nodes import trust
from demo.nodes.network import NETWORK, RELAY, Host, inside
from demo.nodes.running import RELAY_PORT, SOCKET, WORK_PORT, made
from demo.processes import PIPE, log_of, start
from rubin.api.client import Client
from rubin.api.target import ClientSettings
from rubin.errors import RubinError
from rubin.wire.pb import relay_pb2

OPENED = ("--to-port", str(WORK_PORT), "--tcp-flags", "SYN", "--not", "--tcp-flags", "ACK", "--verdict", "FORWARDED")
LATE = re.compile(r'NODES: (\S+)\n +MESSAGE: "([\d,]+) flows? late')


class Seen(NamedTuple):
    """A connection that was opened, as a node saw it: from `address:port` to an address."""

    time_ns: int
    node: str
    ends: tuple[str, str]


class Connection(NamedTuple):
    """A connection that there was: when it began, from `address:port` to which address, and the two nodes."""

    time_ns: int
    ends: tuple[str, str]
    nodes: tuple[str, str]


def connections(hosts: Sequence[Host]) -> list[Connection]:
    """All that were answered so far, as those say who made them."""
    names = {host.address: host.name for host in hosts}
    lines = [line.split() for host in hosts if made(host).exists() for line in made(host).read_text().splitlines()]
    return [Connection(int(at), (f"{own}:{port}", other), (names[own], names[other])) for at, own, port, other in lines]


def environment(reader: str) -> dict[str, str]:
    """How a reader reaches the relay, as variables of `rubin`."""
    certificate, key, authority = trust.files(reader)
    return {
        **{name: text for name, text in os.environ.items() if not name.startswith(("RUBIN_", "HUBBLE_"))},
        "RUBIN_SERVER": f"tls://{RELAY.address}:{RELAY_PORT}",
        "RUBIN_TLS_CA_CERT_FILES": str(authority),
        "RUBIN_TLS_CLIENT_CERT_FILE": str(certificate),
        "RUBIN_TLS_CLIENT_KEY_FILE": str(key),
    }


def command(rubin: str, reader: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """`rubin` as a reader runs it."""
    whole = inside(NETWORK, rubin, *words)
    return subprocess.run(whole, env=environment(reader), capture_output=True, text=True, check=False, timeout=60)


def states() -> dict[str, str]:
    """How the relay says that its nodes stand, by Hubble's names; {} where it does not answer."""

    async def ask() -> dict[str, str]:
        async with Client(ClientSettings(server=f"unix://{SOCKET}", timeout_s=2.0)) as client:
            return {node.name: relay_pb2.NodeState.Name(node.state) for node in await client.nodes()}

    try:
        return asyncio.run(ask())
    except RubinError:
        return {}


class Follower:
    """`rubin observe --follow` of each connection that is opened; what else it says is in its log."""

    def __init__(self, rubin: str) -> None:
        self.seen: list[Seen] = []
        words = ("observe", "--follow", "--last", "0", *OPENED, "-o", "jsonpb")
        self.process = _follow("alice", rubin, words, PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.seen += _seen([line])

    def of(self, nodes: Iterable[str], since_ns: int = 0) -> int:
        """How many were seen at these nodes since then."""
        wanted = set(nodes)
        return sum(one.node in wanted and one.time_ns >= since_ns for one in list(self.seen))

    def newest_ns(self, node: str) -> int:
        """The time of the latest flow that was seen at a node."""
        return max((one.time_ns for one in list(self.seen) if one.node == node), default=0)

    def late(self) -> Counter[str]:
        """How many flows of each node the relay called late."""
        found: Counter[str] = Counter()
        for node, count in LATE.findall(log_of("alice").read_text()):
            found[node] += int(count.replace(",", ""))
        return found


def out_of_order(seen: Iterable[Seen]) -> Counter[str]:
    """How many of each node are older than one that came before."""
    found: Counter[str] = Counter()
    newest_ns = 0
    for one in seen:
        found[one.node] += one.time_ns < newest_ns
        newest_ns = max(newest_ns, one.time_ns)
    return +found


def read_all(rubin: str) -> "subprocess.Popen[str]":
    """A reader of every flow, in words."""
    return _follow("bob", rubin, ("observe", "--follow", "--last", "0", "--print-node-name"), None)


def _follow(reader: str, rubin: str, words: Sequence[str], stdout: int | None) -> "subprocess.Popen[str]":
    variables = [f"{name}={text}" for name, text in environment(reader).items() if name.startswith("RUBIN_")]
    return start(reader, ["env", *variables, *inside(NETWORK, rubin, *words)], stdout)


def answered(rubin: str, since_ns: int) -> list[Seen]:
    """The connections that the relay tells of when it is asked for all since then. Raises RubinError."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since_ns // 10**9))
    done = command(rubin, "alice", "observe", "--since", since, "--all", *OPENED, "-o", "jsonpb")
    if done.returncode:
        raise RubinError("the relay does not answer", done.stderr.strip())
    return _seen(done.stdout.splitlines())


class Count(NamedTuple):
    """How many sights of connections there must be, how many came once, and how many oftener."""

    must: int
    once: int
    oftener: int

    @property
    def is_well(self) -> bool:
        """Whether each came once."""
        return 0 < self.must == self.once

    def __str__(self) -> str:
        absent = self.must - self.once - self.oftener
        return f"{self.once} of {self.must} came once, {self.oftener} oftener, {absent} not at all"


def count(there: Iterable[Connection], seen: Iterable[Seen], windows: Mapping[str, tuple[int, int]]) -> Count:
    """Of the connections that there were in each node's window of time, whether that node's sight of them has come."""
    must = {
        (node, one.ends) for one in there for node in one.nodes if windows[node][0] <= one.time_ns <= windows[node][1]
    }
    times = Counter((one.node, one.ends) for one in seen)
    found = [times[sight] for sight in must]
    return Count(len(must), sum(number == 1 for number in found), sum(number > 1 for number in found))


def wait(condition: Callable[[], Any], what: str, seconds: float, check: Callable[[], None] = lambda: None) -> float:
    """How long it took in seconds. Raises RubinError where it does not come about, or what `check` raises."""
    began_s = time.monotonic()
    while not condition():
        check()
        if time.monotonic() - began_s > seconds:
            raise RubinError(f"{what} did not come about within {seconds:.0f} s", "try it on a machine with less to do")
        time.sleep(0.1)
    return time.monotonic() - began_s


def _seen(lines: Iterable[str]) -> list[Seen]:
    flows = [told["flow"] for line in lines if "flow" in (told := json.loads(line))]
    return [
        Seen(
            _ns(flow["time"]),
            flow["node_name"],
            (f"{flow['IP']['source']}:{flow['l4']['TCP']['source_port']}", flow["IP"]["destination"]),
        )
        for flow in flows
    ]


def _ns(text: str) -> int:
    moment = Timestamp()
    moment.FromJsonString(text)
    return moment.ToNanoseconds()
