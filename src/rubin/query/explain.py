"""Why a flow ended as it did: what the ring knows of it, its connection and its like, in plain words."""

from collections.abc import Iterable
from typing import Any

from rubin.errors import UsageError
from rubin.query.explaining import listener, past, resolving, sockets, steps, tcp, verdict
from rubin.query.explaining.asked import by_pair, by_uuid
from rubin.query.explaining.case import case_of
from rubin.query.explaining.held import Held
from rubin.query.explaining.history import History
from rubin.query.explaining.talk import uuid_of
from rubin.store.ring import Ring
from rubin.words.text import clean

Answer = dict[str, Any]


def explain(ring: Ring, flow: str = "", source: str = "", destination: str = "") -> Answer:
    """`sections` of `title` and `lines`, the same as one `text`; `kind` of case, `uuid` and `time_ns` of the flow.

    Of the flow with that UUID, else of the latest flow from `source` to `destination`, which may end in `:PORT`. Where
    there is none, the one section says so, `kind` is `unknown` and `uuid` "". Lines are fit for a terminal: names that
    came from the network are escaped. Raises UsageError.
    """
    if bool(flow) == bool(source or destination):
        raise UsageError("what is to be explained is not said", "the UUID of a flow, or a source and a destination")
    held = Held(ring)
    meant = by_uuid(held, flow) if flow else by_pair(held, source, destination)
    if meant.row is None:
        return _answer("unknown", "", 0, [("Verdict", meant.lines)])
    case = case_of(held, meant.row)
    if not flow:
        case.flow = case.fate  # what decided is what is asked for
    if not case.flow["ip_version"][0]:
        return _answer(case.kind, uuid_of(case.flow), case.time_ns, [("Verdict", verdict.frame(case))])
    history = History(held, case)
    sections: list[tuple[str, Iterable[str]]] = [
        ("Verdict", verdict.lines(case)),
        ("Whose socket", sockets.lines(case, history)),
        ("TCP", tcp.lines(case) if case.is_tcp else ()),
        ("DNS before it", resolving.lines(held, case, history)),
        ("Listener", listener.lines(case, history)),
        ("Since when", past.since(case, history)),
        ("Affected", past.affected(case, history)),
        ("Usual for this pair", past.usual(case, history)),
        ("What to try", steps.lines(case, history)),
    ]
    return _answer(case.kind, uuid_of(case.flow), case.time_ns, sections)


def _answer(kind: str, uuid: str, time_ns: int, sections: Iterable[tuple[str, Iterable[str]]]) -> Answer:
    told = [{"title": title, "lines": [clean(line) for line in lines]} for title, lines in sections]
    told = [one for one in told if one["lines"]]
    return {"kind": kind, "uuid": uuid, "time_ns": time_ns, "sections": told, "text": text(told)}


def text(sections: Iterable[Answer]) -> str:
    """The sections as one text: a title, its lines indented, an empty line between two."""
    blocks = (f"{one['title']}\n" + "".join(f"  {line}\n" for line in one["lines"]) for one in sections)
    return "\n".join(blocks)
