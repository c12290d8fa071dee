"""`rubin explain FLOW` and `rubin explain SRC DST[:PORT]`: why a flow ended as it did, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rubin.cli.command import Arguments, Command
from rubin.cli.format_flags import color_flag
from rubin.cli.settings import GLOBAL, SERVER
from rubin.errors import UsageError
from rubin.words.flags import Flag

if TYPE_CHECKING:
    from rubin.api.client import Client
    from rubin.store.ring import Ring
    from rubin.words.text import Palette

_OUTPUTS = ("text", "json")
_MOST_FLOWS = 100_000
_BAD = ("dropped", "refused", "reset", "unanswered", "failed")
_TEXT = """Why a flow ended as it did: what happened, where that was decided, whose sockets the two ends are, what its
TCP connection came to, the DNS answer before it, whether somebody listens there, since when it is so, whom else it
hits, what is usual between the two, and what to try. What the held flows do not tell is said to be not known.

FLOW is a uuid, as observe -o json shows it, or at least 8 digits that it begins or ends with. SRC and DST are whatever
filters know: an address, pod (namespace/name), workload, service, DNS name, container, unit or process; the latest flow
of a connection from the one to the other is explained. A Hubble server is asked for its last 100,000 flows."""


def command() -> Command:
    """The command."""
    told = f"How to print: {', '.join(_OUTPUTS)}."
    file = "A capture (pcap, pcapng) or flows as JSON lines, instead of a server; - is standard input."
    flags = (
        Flag("input-file", file, default="", short="f", group="Selectors", metavar="FILE"),
        Flag("output", told, "choice", "text", "o", group="Format", metavar="FORMAT", values=_OUTPUTS),
        color_flag("text"),
    )
    summary = "Say why a flow ended as it did, and what to try"
    return Command("explain", summary, (*flags, *SERVER, *GLOBAL), run, "FLOW | SRC DST[:PORT]", 2, text=_TEXT)


def run(arguments: Arguments) -> int:
    """Print it; 1 where there is no such flow. Raises RubinError."""
    import json

    from rubin.cli.output.stdout import write
    from rubin.cli.output.terminal import palette

    paint = palette(arguments["color"])
    if not arguments.words:
        raise UsageError("what is to be explained is not said", "rubin explain UUID, or rubin explain SRC DST[:PORT]")
    one, *other = arguments.words
    asked = {"source": one, "destination": other[0]} if other else {"flow": one}
    path = arguments["input-file"]
    found = _from_file(path, asked) if path else _from_server(arguments, asked)
    as_json = arguments["output"] == "json"
    write(f"{json.dumps(found, separators=(',', ':'))}\n" if as_json else _text(found, paint))
    return 1 if found["kind"] == "unknown" else 0


def _text(found: dict[str, Any], paint: Palette) -> str:
    """As `query.explain` writes it, titles and what went wrong in colour."""
    if not paint.enabled:
        return str(found["text"])
    blocks = []
    for number, section in enumerate(found["sections"]):
        lines = list(section["lines"])
        if not number and found["kind"] in _BAD:
            lines[0] = paint.bad(lines[0])
        blocks.append("".join([f"{paint.host(section['title'])}\n", *(f"  {line}\n" for line in lines)]))
    return "\n".join(blocks)


def _from_server(arguments: Arguments, asked: dict[str, str]) -> dict[str, Any]:
    from rubin.cli.server import ask

    async def question(client: Client) -> dict[str, Any]:
        return await client.explain(**asked) or _here(await _held(client), asked)

    return ask(arguments, question)


async def _held(client: Client) -> Ring:
    """The last flows of a server that cannot explain them itself."""
    from contextlib import aclosing

    from rubin.store.ring import Ring
    from rubin.wire.pb.observer_pb2 import GetFlowsRequest

    ring = Ring()
    async with aclosing(client.flows(GetFlowsRequest(number=_MOST_FLOWS))) as batches:
        async for batch in batches:
            ring.append(batch)
    return ring


def _from_file(path: str, asked: dict[str, str]) -> dict[str, Any]:
    """Of the last million flows of the file."""
    from rubin.cli.files import is_capture, saved_flows
    from rubin.model.exchanges import expanded
    from rubin.store.ring import Ring

    if not is_capture(path):
        ring = Ring()
        for batch in saved_flows(path):
            ring.append(batch)
        return _here(ring, asked)
    from rubin.dissect.redaction import Redaction
    from rubin.identity.table import Names
    from rubin.sources.pcap import Pcap

    ring, names = Ring(again=expanded), Names([])
    with Pcap(path, Redaction()) as source:
        for batch in source:
            ring.append(names.identify(batch))
    return _here(ring, asked)


def _here(ring: Ring, asked: dict[str, str]) -> dict[str, Any]:
    from rubin.query.explain import explain

    return explain(ring, **asked)
