"""A service that nobody answers for has something to look at, too."""

from pathlib import Path

from rubin.model.enums import Protocol
from rubin.model.exchanges import expanded
from rubin.model.messages import DNS, Message, MessageType
from rubin.store.ring import Ring
from tests.exchanges import Said, http, stored
from tests.ui.tabs import got, looking

SPAN = {"since": "2023-11-14T22:13:00Z", "until": "2023-11-14T22:14:00Z"}
NO_NAME = Message(MessageType.EXCHANGE, "dns", "A", target="x.", latency_ns=9, status=3, failed=True, dns=DNS("x."))


def test_what_nobody_answered_is_an_error_that_can_be_opened(tmp_path: Path) -> None:
    ring = Ring(again=expanded)
    ring.append(
        stored(
            Said(http("/slow", 0), cookie=5),
            Said(NO_NAME, server="10.0.0.53:53", protocol=Protocol.UDP),
            Said(http("/fine"), server="10.0.0.9:80"),
        )
    )
    with looking(ring, tmp_path) as browser:
        rows = {row["server"]: row for row in got(browser, "services", **SPAN)["rows"]}
        ends = {server: (row["errors"], row["error"]) for server, row in rows.items()}
        assert ends == {"10.0.0.2:80": (1, "no answer"), "10.0.0.53:53": (1, "NXDOMAIN"), "10.0.0.9:80": (0, "")}
        for row in rows.values():
            assert got(browser, "exchange", uuid=row["uuid"])["exchanges"]
        titles = {row["title"]: row["value"] for row in said(got(browser, "flow", uuid=rows["10.0.0.53:53"]["uuid"]))}
        assert titles["Status"] == "NXDOMAIN"


def said(flow: dict) -> list[dict]:
    """The rows of what was said."""
    return next(section["rows"] for section in flow["sections"] if section["title"] == "Request")
