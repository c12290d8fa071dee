"""Agent and debug events as text, from Hubble's messages: there are few."""

from collections.abc import Callable, Sequence
from typing import Any

from rubin.cli.output.columns import align
from rubin.cli.output.flows import DICT_SEPARATOR
from rubin.wire.pb import flow_pb2, observer_pb2
from rubin.words.text import clean
from rubin.words.times import SECOND_NS, Clock
from rubin.words.wording import Options

AgentEvent = observer_pb2.GetAgentEventsResponse
DebugEvent = observer_pb2.GetDebugEventsResponse


class EventPrinter:
    """Prints events of one kind in one output: `text(event)` now, `end()` at the end."""

    def __init__(self, output: str, kind: type[Any], options: Options) -> None:
        self._output, self._options = output, options
        self._say: Callable[[Any, Options], _Said] = _agent_event if kind is AgentEvent else _debug_event
        self._head = AGENT_HEAD if kind is AgentEvent else DEBUG_HEAD
        self._rows: list[list[str]] = []
        self._begun = False

    def text(self, event: Any) -> str:
        """What to print of it now."""
        time = _time(event, self._options.clock)
        node = clean(event.node_name)
        said = self._say(event, self._options)
        if self._output == "table":
            self._rows.append([time, *([node] if self._options.node_name else []), *said.cells])
            return ""
        if self._output == "compact":
            return f"{time}{f' [{node}]' if self._options.node_name else ''}: {said.line}\n"
        before = DICT_SEPARATOR if self._begun else ""
        self._begun = True
        block = [("TIMESTAMP", time), *([("NODE", node)] if self._options.node_name else []), *said.block]
        return before + "".join(f"{key:>11}: {value}\n" for key, value in block)

    def end(self) -> str:
        """The table, where it is one and has rows."""
        if not self._rows:
            return ""
        node = ["NODE"] if self._options.node_name else []
        return align([["TIMESTAMP", *node, *self._head], *self._rows])


AGENT_HEAD = ("TYPE", "DETAILS")
DEBUG_HEAD = ("FROM", "", "TYPE", "CPU/MARK", "MESSAGE")


class _Said:
    """An event in words: for a line, for a block, for a row."""

    def __init__(self, line: str, block: Sequence[tuple[str, str]], cells: Sequence[str]) -> None:
        self.line, self.block, self.cells = line, block, cells


def _agent_event(response: AgentEvent, options: Options) -> _Said:
    event = response.agent_event
    kind = _enum(flow_pb2.AgentEventType, event.type)
    details = clean(_details(event, options.clock))
    return _Said(f"{kind} ({details})", (("TYPE", kind), ("DETAILS", details)), (kind, details))


def _debug_event(response: DebugEvent, _options: Options) -> _Said:
    event = response.debug_event
    source, kind = clean(_endpoint(event)), _enum(flow_pb2.DebugEventType, event.type)
    mark = f"0x{event.hash.value:x}" if event.HasField("hash") else "N/A"
    cpu = f"{event.cpu.value:02d}" if event.HasField("cpu") else "N/A"
    message = clean(event.message)
    block = (("TYPE", kind), ("FROM", source), ("MARK", mark), ("CPU", cpu), ("MESSAGE", message))
    line = f"{source} {kind} MARK: {mark} CPU: {cpu} ({message})"
    return _Said(line, block, (source, "", kind, f"{cpu} {mark}", message))


def _endpoint(event: flow_pb2.DebugEvent) -> str:
    if not event.HasField("source"):
        return "N/A"
    source, number = event.source, f"ID: {event.source.ID}"
    if source.namespace and source.pod_name:
        return f"{source.namespace}/{source.pod_name} ({number})"
    if len(source.labels) == 1 and source.labels[0].startswith("reserved:"):
        return f"{source.labels[0]} ({number})"
    return number


def _details(event: flow_pb2.AgentEvent, clock: Clock) -> str:
    """What Hubble says of the notification; `UNKNOWN` where the type and the notification do not fit."""
    about = event.WhichOneof("notification")
    if about is None or flow_pb2.AgentEventType.Name(event.type) not in _TYPES.get(about, ()):
        return "UNKNOWN"
    note: Any = getattr(event, about)
    return _DETAILS[about](note, clock)


def _started(note: flow_pb2.TimeNotification, clock: Clock) -> str:
    return f"start time: {_time(note, clock)}"


def _policy(note: flow_pb2.PolicyUpdateNotification, _clock: Clock) -> str:
    return f"labels: [{','.join(note.labels)}], revision: {note.revision}, count: {note.rule_count}"


def _regenerated(note: flow_pb2.EndpointRegenNotification, _clock: Clock) -> str:
    return f"id: {note.id}, labels: [{','.join(note.labels)}]" + _named("error", note.error)


def _endpoint_update(note: flow_pb2.EndpointUpdateNotification, _clock: Clock) -> str:
    return f"id: {note.id}" + _named("namespace", note.namespace) + _named("pod name", note.pod_name)


def _ipcache(note: flow_pb2.IPCacheNotification, _clock: Clock) -> str:
    old = f", old identity: {note.old_identity.value}" if note.HasField("old_identity") else ""
    hosts = _named("host ip", note.host_ip) + _named("old host ip", note.old_host_ip)
    return f"cidr: {note.cidr}, identity: {note.identity}{old}{hosts}, encrypt key: {note.encrypt_key}"


def _service(note: flow_pb2.ServiceUpsertNotification, _clock: Clock) -> str:
    front = f", frontend: {_joined(note.frontend_address)}" if note.HasField("frontend_address") else ""
    backs = f", backends: [{','.join(map(_joined, note.backend_addresses))}]" if note.backend_addresses else ""
    rest = (
        ("type", note.type),
        ("traffic policy", note.traffic_policy),
        ("namespace", note.namespace),
        ("name", note.name),
    )
    return f"id: {note.id}{front}{backs}" + "".join(_named(name, text) for name, text in rest)


def _unknown(note: flow_pb2.AgentEventUnknown, _clock: Clock) -> str:
    return f"type: {note.type}, notification: {note.notification}"


_DETAILS: dict[str, Callable[[Any, Clock], str]] = {
    "unknown": _unknown,
    "agent_start": _started,
    "policy_update": _policy,
    "endpoint_regenerate": _regenerated,
    "endpoint_update": _endpoint_update,
    "ipcache_update": _ipcache,
    "service_upsert": _service,
    "service_delete": lambda note, _clock: f"id: {note.id}",
}
_TYPES = {
    "unknown": ("AGENT_EVENT_UNKNOWN",),
    "agent_start": ("AGENT_STARTED",),
    "policy_update": ("POLICY_UPDATED", "POLICY_DELETED"),
    "endpoint_regenerate": ("ENDPOINT_REGENERATE_SUCCESS", "ENDPOINT_REGENERATE_FAILURE"),
    "endpoint_update": ("ENDPOINT_CREATED", "ENDPOINT_DELETED"),
    "ipcache_update": ("IPCACHE_UPSERTED", "IPCACHE_DELETED"),
    "service_upsert": ("SERVICE_UPSERTED",),
    "service_delete": ("SERVICE_DELETED",),
}


def _named(name: str, text: str) -> str:
    return f", {name}: {text}" if text else ""


def _joined(address: flow_pb2.ServiceUpsertNotificationAddr) -> str:
    host = f"[{address.ip}]" if ":" in address.ip else address.ip
    return f"{host}:{address.port}"


def _time(message: Any, clock: Clock) -> str:
    if not message.HasField("time"):
        return "N/A"
    return clock.text(message.time.seconds * SECOND_NS + message.time.nanos) if message.time.seconds else "N/A"


def _enum(kind: Any, number: int) -> str:
    return str(kind.Name(number)) if number in kind.values() else str(number)
