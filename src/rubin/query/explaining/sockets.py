"""Who is at either end: process, container, unit, pod, as far as they were seen."""

from collections.abc import Iterator

from rubin.model.tables import Endpoint, Process
from rubin.query.explaining.case import Case, End
from rubin.query.explaining.history import History
from rubin.query.explaining.listener import is_unheard
from rubin.query.explaining.phrases import moment
from rubin.query.explaining.verdict import named
from rubin.words import facts, hubble

# Kinds of what is no pod, which its process, container and unit say better.
_TOLD = {"Process", "Container", "Unit"}


def lines(case: Case, history: History) -> Iterator[str]:
    """One line an end; a second for the server where only another connection told its owner."""
    for title, end in (("Client", case.client), ("Server", case.server)):
        known = list(_parts(case.endpoints.get(end, Endpoint()), case.processes.get(end, Process())))
        yield f"{title}: {named(case, end)}{', ' if known else ''}{', '.join(known)}."
        if end in case.processes:
            continue
        yield from _unknown(case, history, end)
    (contents,) = case.flow.rows("contents")
    if contents.translation:
        asked = End(0, 0, contents.translation.port)
        yield f"Asked for: {contents.translation.address}:{asked.port}; NAT had {case.server.text} answer."


def _unknown(case: Case, history: History, end: End) -> Iterator[str]:
    """What else is known of a socket whose owner the connection did not tell."""
    if end == case.server and history.server is not None:
        (process,) = history.server.rows("process")
        at = moment(int(history.server["time_ns"][0]))
        yield f"  Its process is not known; at {at} the port belonged to {facts.process(process)}."
        return
    if end == case.server and is_unheard(case):
        yield "  It has no process: the kernel found no socket for it."
        return
    yield "  Its process is not known: the socket is on another host, or was gone before it could be looked up."


def _parts(endpoint: Endpoint, process: Process) -> Iterator[str]:
    told = {one.kind: one.name for one in endpoint.workloads}
    if process.pid:
        yield f"process {facts.process(process)}"
    elif "Process" in told:
        yield f"process {told['Process']}"
    if process.executable:
        yield process.executable
    if endpoint.pod_name and not told.keys() & _TOLD:
        yield f"pod {endpoint.namespace}/{endpoint.pod_name}"
    yield from (f"{kind}/{name}" for kind, name in told.items() if kind not in _TOLD)
    yield from _names(endpoint, told)


def _names(endpoint: Endpoint, told: dict[str, str]) -> Iterator[str]:
    container, image = endpoint.container.name or told.get("Container", ""), endpoint.container.image
    if container:
        yield f"container {container}{f' of {image}' if image else ''}"
    if unit := endpoint.unit or told.get("Unit", ""):
        yield f"unit {unit}"
    if endpoint.service.name:
        yield f"service {endpoint.service.namespace}/{endpoint.service.name}"
    if endpoint.names and (endpoint.pod_name or endpoint.service.name):
        yield f"also called {', '.join(endpoint.names)}"
    if endpoint.identity:
        yield f"identity {hubble.identity(endpoint.identity)}"
