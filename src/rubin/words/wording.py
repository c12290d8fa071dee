"""What is said of a flow in words: hosts, identities, type, verdict, summary.

Texts are made once for each distinct side and each distinct fate of a packet, and kept; a row is
then three look-ups. The keys are 64-bit mixes of the columns that a text is made from.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.model import addresses
from rubin.model.batch import FlowBatch, adopt
from rubin.model.codes import mix
from rubin.model.enums import AuthType, Direction, EventType, Protocol, Verdict
from rubin.model.messages import Message
from rubin.model.tables import Contents, Endpoint, Policy, Tables
from rubin.wire import summary as summaries
from rubin.words import facts, hubble
from rubin.words.text import Palette, clean
from rubin.words.times import Clock

_WITH_PORTS = (Protocol.TCP, Protocol.UDP, Protocol.SCTP)
_KEPT_TEXTS = 200_000
_SIDE = ("endpoint", "high", "low", "port")
_FATE = (
    *summaries.KEY,
    "verdict",
    "event_sub_type",
    "policy_match_type",
    "traffic_direction",
    "auth_type",
    "contents",
    "message",
    "kernel_drop_reason",
    "drop_location",
)


@dataclass(frozen=True)
class Options:
    """How flows are put into words. `translated`: names instead of addresses."""

    palette: Palette = field(default_factory=lambda: Palette(False))
    clock: Clock = field(default_factory=lambda: Clock("StampMilli"))
    translated: bool = True
    node_name: bool = False
    policy_names: bool = False


class Side(NamedTuple):
    """One end of a flow: `default/client:45678`, `(ID:1234)`."""

    host: str
    identity: str


class Fate(NamedTuple):
    """What it was and what became of it: `to-endpoint`, `FORWARDED`, `TCP Flags: SYN`."""

    type: str
    verdict: str
    summary: str


class Said(NamedTuple):
    """A flow in words. `reply` as the column: 1, 0, -1 not known."""

    time: str
    node: str
    source: Side
    destination: Side
    reply: int
    fate: Fate


class Wording:
    """Batches to words: iterate `said(batch)`. `kernel_drops`: the kernel's words of a drop stand in the summary."""

    def __init__(self, options: Options, kernel_drops: bool = True) -> None:
        self._options = options
        self._kernel_drops = kernel_drops
        self._tables = Tables()
        self._sides: dict[int, Side] = {}
        self._fates: dict[int, Fate] = {}

    def said(self, batch: FlowBatch) -> Iterator[Said]:
        """The flows of the batch, each in words, in its order."""
        if self._tables.full or len(self._sides) + len(self._fates) > _KEPT_TEXTS:
            self._tables, self._sides, self._fates = Tables(), {}, {}
        # What a server sends has tables of its own each time; in ours the same row has the same code again.
        batch = adopt(batch, self._tables)
        sides = self._sides
        columns = zip(
            self._options.clock.texts(batch["time_ns"].tolist()),
            self._nodes(batch),
            self._side_keys(batch, "source").tolist(),
            self._side_keys(batch, "destination").tolist(),
            batch["is_reply"].tolist(),
            self._fates_of(batch),
            strict=True,
        )
        for row, (time, node, source, destination, reply, fate) in enumerate(columns):
            from_side = sides.get(source) or self._side(batch, row, "source", source)
            to_side = sides.get(destination) or self._side(batch, row, "destination", destination)
            yield Said(time, node, from_side, to_side, reply, fate)

    def _nodes(self, batch: FlowBatch) -> list[str]:
        if not self._options.node_name:
            return [""] * len(batch)
        names = {code: clean(batch.tables.strings[code]) for code in np.unique(batch["node_name"]).tolist()}
        return [names[code] for code in batch["node_name"].tolist()]

    # --- sides

    def _side_keys(self, batch: FlowBatch, side: str) -> npt.NDArray[np.uint64]:
        ported = np.isin(batch["protocol"], _WITH_PORTS)
        frame = np.where(batch["ip_version"] == 0, batch["link"], 0)
        own = np.full(len(batch), side == "source")  # a frame without IP has two addresses under one key
        return mix(*(batch[f"{side}_{part}"] for part in _SIDE), batch["ip_version"], ported, frame, own)

    def _side(self, batch: FlowBatch, row: int, side: str, key: int) -> Side:
        paint = self._options.palette
        endpoint: Endpoint = batch.tables.endpoints[int(batch[f"{side}_endpoint"][row])]
        host = self._host(batch, row, side, endpoint)
        made = self._sides[key] = Side(host, paint.identity(hubble.identity(endpoint.identity)))
        return made

    def _host(self, batch: FlowBatch, row: int, side: str, endpoint: Endpoint) -> str:
        """`ns/pod:80`, `10.0.0.1:80`, `[fd00::1]:80`; the frame's address where there is no IP, "" without."""
        paint = self._options.palette
        if not batch["ip_version"][row]:
            link = batch.tables.links[int(batch["link"][row])]
            mac = link.source_mac if side == "source" else link.destination_mac
            return paint.host(clean(mac)) if link.source_mac or link.destination_mac else ""
        address = addresses.text(batch[f"{side}_high"][row], batch[f"{side}_low"][row])
        host = clean(endpoint.called or address) if self._options.translated else address
        port = int(batch[f"{side}_port"][row])
        if port and batch["protocol"][row] in _WITH_PORTS:
            host = f"[{host}]" if ":" in host or "%" in host else host
            host = f"{host}:{paint.port(str(port))}"
        return paint.host(host)

    # --- fates

    def _fates_of(self, batch: FlowBatch) -> list[Fate]:
        """One for each row. The process is part of it only where the kernel dropped, the way only of messages."""
        dropper = np.where(batch["kernel_drop_reason"] != 0, batch["process"], 0)
        answers = (batch["message"] != 0) & (batch["is_reply"] == 1)
        keys = mix(*(batch[name] for name in _FATE), dropper, answers).tolist()
        fates = self._fates
        new = {key: row for row, key in enumerate(keys) if key not in fates}
        if new:
            rows = np.array(list(new.values()))
            messages = batch.tables.messages.read(batch["message"][rows], batch["is_reply"][rows])
            for (key, row), message in zip(new.items(), messages, strict=True):
                fates[key] = self._fate(batch, row, message)
        return [fates[key] for key in keys]

    def _fate(self, batch: FlowBatch, row: int, message: Message) -> Fate:
        contents: Contents = batch.tables.contents[int(batch["contents"][row])]
        return Fate(
            clean(_type(batch, row, message)),
            self._verdict(batch, row, contents),
            self._summary(batch, row, contents, message),
        )

    def _verdict(self, batch: FlowBatch, row: int, contents: Contents) -> str:
        number, event_type = int(batch["verdict"][row]), int(batch["event_type"][row])
        text = hubble.verdict(number, event_type)
        if self._options.policy_names and event_type == EventType.POLICY_VERDICT:
            text += _by(_policies(number, int(batch["traffic_direction"][row]), contents))
        paint = self._options.palette
        if number in (Verdict.FORWARDED, Verdict.REDIRECTED):
            return paint.good(text)
        if number in (Verdict.DROPPED, Verdict.ERROR):
            return paint.bad(text)
        if number in (Verdict.AUDIT, Verdict.TRACED, Verdict.TRANSLATED):
            return paint.notable(text)
        return text

    def _summary(self, batch: FlowBatch, row: int, contents: Contents, message: Message) -> str:
        packet = (int(batch[name][row]) for name in summaries.KEY)
        text = clean(contents.summary or summaries.of_message(message) or summaries.of_packet(*packet))
        if contents.ip_trace_id:
            text = f"IP Trace ID: {contents.ip_trace_id}; {text}"
        auth = int(batch["auth_type"][row])
        if auth:
            text += f"; Auth: {self._auth(auth)}"
        kernel = clean(_kernel_drop(batch, row)) if self._kernel_drops else ""
        return f"{text} [{kernel}]".lstrip() if kernel else text

    def _auth(self, auth: int) -> str:
        name = AuthType(auth).name if auth in AuthType._value2member_map_ else str(auth)
        paint = self._options.palette
        return paint.bad(name) if auth == AuthType.TEST_ALWAYS_FAIL else paint.good(name)


def _type(batch: FlowBatch, row: int, message: Message) -> str:
    """`to-endpoint`, `Policy denied`, `http-request`, `policy-verdict:L3-L4 INGRESS`, …"""
    if message.type or message.protocol:
        return _l7_type(message)
    event, sub_type = int(batch["event_type"][row]), int(batch["event_sub_type"][row])
    if event == EventType.TRACE:
        return hubble.POINTS.get(sub_type, str(sub_type))
    if event == EventType.DROP:
        # 0 is "Success" to Hubble: no word for someone who looks for a lost packet.
        kernel = batch.tables.strings[int(batch["kernel_drop_reason"][row])]
        return kernel if kernel and not sub_type else hubble.drop(sub_type)
    if event == EventType.POLICY_VERDICT:
        match = int(batch["policy_match_type"][row])
        direction = hubble.direction(int(batch["traffic_direction"][row]))
        return f"policy-verdict:{hubble.MATCHES.get(match, str(match))} {direction}"
    if event == EventType.CAPTURE:
        return hubble.CAPTURE_POINTS.get(sub_type, str(sub_type))
    if event == EventType.TRACE_SOCK:
        return hubble.SOCKET_POINTS.get(sub_type, str(sub_type))
    return "UNKNOWN"


def _l7_type(message: Message) -> str:
    """gRPC is HTTP to Hubble."""
    kind = hubble.L7_TYPES[message.type]
    if message.dns is not None:
        return f"dns-{kind} {message.dns.observation_source}"
    return f"{'http' if message.protocol == 'grpc' else message.protocol or 'l7'}-{kind}"


def _policies(verdict: int, direction: int, contents: Contents) -> tuple[Policy, ...]:
    """The policies that decided, by verdict and direction."""
    egress, ingress = direction == Direction.EGRESS, direction == Direction.INGRESS
    if verdict in (Verdict.FORWARDED, Verdict.REDIRECTED):
        return contents.egress_allowed_by if egress else contents.ingress_allowed_by if ingress else ()
    return contents.egress_denied_by if egress else contents.ingress_denied_by if ingress else ()


def _by(policies: tuple[Policy, ...]) -> str:
    names = [clean(f"{policy.name} ({policy.kind})") for policy in policies if policy.name and policy.kind]
    return " BY " + ", ".join(names) if names else ""


def _kernel_drop(batch: FlowBatch, row: int) -> str:
    """`NETFILTER_DROP at nft_do_chain+0x1a4, curl/1234`: what only our own server tells; else ""."""
    if not batch["kernel_drop_reason"][row]:
        return ""
    owner = facts.owner(batch.tables.processes[int(batch["process"][row])])
    return ", ".join(filter(None, (facts.kernel_drop(batch, row), owner)))
