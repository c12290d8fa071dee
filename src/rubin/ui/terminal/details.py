"""A flow in full: what is known of it, each value with the filter that asks for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from rubin import __version__
from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.enums import Protocol, TCPEvent, Verdict
from rubin.model.messages import PROTOCOLS, Message, MessageType
from rubin.model.tables import Endpoint, Process
from rubin.ui.terminal.looks import DIM, STRONG, Cell, Column
from rubin.ui.terminal.view import LineView
from rubin.wire import json
from rubin.wire.flows import FlowEncoder
from rubin.words import facts, hubble
from rubin.words.rcodes import ended
from rubin.words.terms import Term
from rubin.words.text import clean
from rubin.words.times import Clock
from rubin.words.units import BYTES, latency, scaled
from rubin.words.wording import Options, Wording

_WITH_PORTS: dict[int, str] = {Protocol.TCP: "tcp", Protocol.UDP: "udp", Protocol.SCTP: "sctp"}
_SIDES = (("source", "from"), ("destination", "to"))


@dataclass(frozen=True, slots=True)
class Detail:
    """A line of it. `term`: the filter for flows with this value; None where there is none."""

    title: str
    value: str
    term: Term | None = None


def details(flow: FlowBatch) -> list[Detail]:
    """Of one row; what is not known is left out."""
    (said,) = Wording(Options(clock=Clock("RFC3339Nano"), node_name=True)).said(flow)
    verdict = int(flow["verdict"][0])
    name = Verdict(verdict).name if verdict in Verdict._value2member_map_ else ""
    found = [
        Detail("time", said.time),
        Detail("verdict", said.fate.verdict, Term("verdict", name) if verdict and name else None),
        Detail("type", said.fate.type),
        Detail("summary", said.fate.summary),
        *_drop(flow),
        *(each for side, way in _SIDES for each in _side(flow, side, way)),
        *_transport(flow),
        *_message(flow.rows("message")[0]),
        *_process(flow.rows("process")[0]),
        *_numbers(flow),
        Detail("node", said.node, Term("node-name", said.node) if said.node else None),
        Detail("interface", clean(facts.link(flow.rows("link")[0]))),
        Detail("uuid", uuid_of(flow), Term("uuid", uuid_of(flow)) if uuid_of(flow) else None),
    ]
    return [each for each in found if each.value]


def uuid_of(flow: FlowBatch) -> str:
    """The flow's UUID as text; "" where it has none."""
    number = int(flow["uuid_high"][0]) << 64 | int(flow["uuid_low"][0])
    return str(UUID(int=number)) if number else ""


def json_of(flow: FlowBatch) -> str:
    """As `rubin observe -o json` prints it."""
    return "".join(map(json.text, FlowEncoder((), __version__).responses(flow)))


def _drop(flow: FlowBatch) -> Iterator[Detail]:
    reason, place = (clean(flow.rows(name)[0]) for name in ("kernel_drop_reason", "drop_location"))
    yield Detail("kernel's reason", reason, Term("kernel-drop-reason", reason) if reason else None)
    yield Detail("dropped at", place)


def _side(flow: FlowBatch, side: str, way: str) -> Iterator[Detail]:
    endpoint: Endpoint = flow.rows(f"{side}_endpoint")[0]
    if flow["ip_version"][0]:
        address = addresses.text(flow[f"{side}_high"][0], flow[f"{side}_low"][0])
        yield Detail(side, address, Term(f"{way}-ip", address))
    if endpoint.pod_name:
        pod = f"{endpoint.namespace}/{endpoint.pod_name}"
        yield Detail(f"{side} pod", clean(pod), Term(f"{way}-pod", pod))
    if endpoint.namespace:
        yield Detail(f"{side} namespace", clean(endpoint.namespace), Term(f"{way}-namespace", endpoint.namespace))
    for workload in endpoint.workloads:
        text = f"{workload.kind}/{workload.name}" if workload.kind else workload.name
        yield Detail(f"{side} workload", clean(text), Term(f"{way}-workload", text))
    if endpoint.service.name:
        service = f"{endpoint.service.namespace}/{endpoint.service.name}"
        yield Detail(f"{side} service", clean(service), Term(f"{way}-service", service))
    for name in endpoint.names:
        yield Detail(f"{side} name", clean(name), Term(f"{way}-fqdn", name))
    if endpoint.identity:
        yield Detail(
            f"{side} identity", hubble.identity(endpoint.identity), Term(f"{way}-identity", str(endpoint.identity))
        )
    yield Detail(f"{side} labels", clean(", ".join(endpoint.labels)))
    if endpoint.container.name:
        yield Detail(f"{side} container", clean(f"{endpoint.container.name} {endpoint.container.image}".strip()))
    yield Detail(f"{side} unit", clean(endpoint.unit))


def _transport(flow: FlowBatch) -> Iterator[Detail]:
    number = int(flow["protocol"][0])
    if number in _WITH_PORTS:
        yield Detail("protocol", _WITH_PORTS[number].upper(), Term("protocol", _WITH_PORTS[number]))
        for side, way in _SIDES:
            port = str(int(flow[f"{side}_port"][0]))
            yield Detail(f"{side} port", port, Term(f"{way}-port", port))


def _message(of: Message) -> Iterator[Detail]:
    if not of.protocol:
        return
    yield Detail("said", of.protocol, Term("protocol", of.protocol) if of.protocol in PROTOCOLS else None)
    is_http = of.protocol in ("http", "grpc")
    yield Detail("method", clean(of.method), Term("http-method", of.method) if is_http and of.method else None)
    yield Detail("host", clean(of.authority))
    yield Detail("asked for", clean(of.target))
    if of.protocol == "dns":
        yield Detail("answer", clean(ended(of)))
    elif of.status:
        yield Detail("status", str(of.status), Term("http-status", str(of.status)) if is_http else None)
    yield Detail("error", clean(of.error) or ("failed" if of.failed else ""))
    yield Detail("answered in", latency(of.latency_ns // 1000) if of.latency_ns else "")
    if of.type in (MessageType.RESPONSE, MessageType.EXCHANGE) and of.response_bytes:
        yield Detail("answer", scaled(of.response_bytes, 1024, BYTES))
    yield Detail("trace", clean(of.trace_id), Term("trace-id", of.trace_id) if of.trace_id else None)


def _process(of: Process) -> Iterator[Detail]:
    yield Detail("process", clean(facts.process(of)), Term("process", of.command) if of.command else None)
    yield Detail("executable", clean(of.executable))
    yield Detail("cgroup", clean(of.cgroup), Term("cgroup", of.cgroup) if of.cgroup else None)


def _numbers(flow: FlowBatch) -> Iterator[Detail]:
    packets, size, trip_us, opened_us, resent, event = (
        int(flow[name][0]) for name in ("packets", "bytes", "srtt_us", "connect_latency_us", "retransmits", "tcp_event")
    )
    yield Detail("packets", f"{packets:,}" if packets else "")
    yield Detail("bytes", scaled(size, 1024, BYTES) if size else "")
    yield Detail("round trip", latency(trip_us) if trip_us else "")
    yield Detail("connected in", latency(opened_us) if opened_us else "")
    yield Detail("sent again", f"{resent:,}" if resent else "")
    if event and event in TCPEvent._value2member_map_:
        name = TCPEvent(event).name
        yield Detail("TCP event", name, Term("tcp-event", name.lower()))


class DetailsView(LineView):
    """The chosen flow's lines; the chosen one of them is what can be included or left out."""

    columns = (Column("THE FLOW", 22), Column("", 10, share=1), Column("FILTER", 14, share=1, from_width=100))

    def __init__(self, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id)
        self._details: list[Detail] = []
        self.empty_lines = ("no flow is chosen, or it is no longer held",)

    @property
    def count(self) -> int:
        """Lines."""
        return len(self._details)

    def show(self, flow: FlowBatch | None) -> None:
        """Another flow; the chosen line stays where it was."""
        self._details = [] if flow is None else details(flow)
        self.changed()

    def term(self) -> Term | None:
        """The filter for the chosen value; None where there is none."""
        return self._details[self.chosen].term if self._details else None

    def cells(self, first: int, end: int) -> Sequence[Sequence[Cell]]:
        """Title, value, chip."""
        return [
            (Cell(each.title, DIM), Cell(each.value, STRONG), Cell(clean(each.term.chip) if each.term else "", DIM))
            for each in self._details[first:end]
        ]
