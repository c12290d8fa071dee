"""What there is: filters, columns, verdicts, scopes, and which server it is that they are about."""

from typing import Any

from rubin import __version__
from rubin.query.places import SCOPES
from rubin.ui.feed import FeedState
from rubin.words.filter_flags import NOT, filter_flags

Answer = dict[str, Any]

_OWN = "Filters that only our own servers know"
COLUMNS = (
    # name, title, align, width in characters, shown unless told otherwise, filter that a click on a cell adds
    ("time", "Time", "left", 13, True, ""),
    ("verdict", "Verdict", "left", 11, True, "verdict"),
    ("source", "Source", "left", 26, True, ""),
    ("destination", "Destination", "left", 26, True, ""),
    ("destination_port", "Port", "right", 6, True, "to-port"),
    ("protocol", "Protocol", "left", 8, True, "protocol"),
    ("summary", "Summary", "left", 40, True, ""),
    ("latency_ms", "Latency", "right", 9, True, ""),
    ("bytes", "Bytes", "right", 9, True, ""),
    ("process", "Process", "left", 18, True, ""),
    ("reason", "Reason", "left", 22, True, ""),
    ("l7", "Request", "left", 32, False, ""),
    ("source_ip", "Source address", "left", 16, False, "from-ip"),
    ("destination_ip", "Destination address", "left", 16, False, "to-ip"),
    ("source_port", "Source port", "right", 6, False, "from-port"),
    ("direction", "Direction", "left", 9, False, "traffic-direction"),
    ("reply", "Reply", "left", 6, False, ""),
    ("packets", "Packets", "right", 8, False, ""),
    ("type", "Type", "left", 8, False, "type"),
    ("node", "Node", "left", 16, False, "node-name"),
)
_VERDICTS = (
    ("VERDICT_UNKNOWN", "?", "unknown"),
    ("FORWARDED", "→", "forwarded"),
    ("DROPPED", "⊘", "dropped"),
    ("ERROR", "!", "error"),
    ("AUDIT", "◇", "audit"),
    ("REDIRECTED", "⇥", "forwarded"),
    ("TRACED", "?", "unknown"),
    ("TRANSLATED", "⇥", "forwarded"),
)
"""By their numbers."""


def meta(state: FeedState, node: str) -> Answer:
    """As the browser asks for it first."""
    server = "rubin" if state.is_ours else "hubble" if state.server_version else ""
    kind = "file" if state.is_file else server
    names = ("name", "title", "align", "width", "default", "filter")
    return {
        "version": __version__,
        "server": state.target,
        "server_version": state.server_version,
        "kind": kind,
        "node": node,
        "scopes": list(SCOPES),
        "filters": _filters(),
        "columns": [dict(zip(names, row, strict=True)) for row in COLUMNS],
        "verdicts": [dict(zip(("name", "glyph", "class"), row, strict=True)) for row in _VERDICTS],
    }


def _filters() -> list[Answer]:
    return [
        {
            "name": flag.name,
            "short": flag.short,
            "metavar": flag.meta,
            "help": flag.help,
            "choices": list(flag.values),
            "own": flag.group == _OWN,
        }
        for flag in filter_flags()
        if flag.name != NOT
    ]
