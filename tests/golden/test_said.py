"""What is said in a capture, as tshark reads it (golden/said/record.sh captured it and wrote down what tshark says)."""

from pathlib import Path

import pytest

from rubin.dissect.redaction import Redaction
from rubin.model.messages import Message
from rubin.sources.pcap import Pcap

FOLDER = Path(__file__).parent / "said"


@pytest.fixture(scope="module")
def said() -> list[Message]:
    with Pcap(str(FOLDER / "said.pcap")) as source:
        return [one for batch in source if "message" in batch for one in batch.rows("message")]


def theirs(name: str) -> list[list[str]]:
    return [line.split("|") for line in (FOLDER / name).read_text().splitlines()]


def test_http1(said: list[Message]) -> None:
    ours = [(one.status, one.url) for one in said if one.version == "HTTP/1.1"]
    assert ours == [(int(status), url.partition("?")[0]) for status, url in theirs("http.txt")]
    assert len(ours) == 6


def test_http2(said: list[Message]) -> None:
    ours = [(one.target, str(one.status)) for one in said if one.version == "HTTP/2"]
    lines = theirs("http2.txt")
    paths, statuses = ([line[place] for line in lines if line[place]] for place in (0, 1))
    assert ours == list(zip(paths, statuses, strict=True)) != []


def test_dns(said: list[Message]) -> None:
    names = {"1": "A", "28": "AAAA"}
    ours = [(one.target, one.method, one.status, one.dns and one.dns.ips) for one in said if one.protocol == "dns"]
    assert ours == [
        (f"{name}.", names[kind], int(rcode), tuple(ips.split(",")) if ips else ())
        for name, kind, rcode, ips in theirs("dns.txt")
    ]
    assert len(ours) == 4


def test_redis(said: list[Message]) -> None:
    ours = [(one.method, one.target, one.error) for one in said if one.protocol == "redis"]
    assert ours == [
        ("SET", "user:1", ""),
        ("GET", "user:1", ""),
        ("LPUSH", "user:1", "WRONGTYPE"),
        ("CONFIG GET", "", ""),
    ]


def test_nothing_secret_comes_out(said: list[Message]) -> None:
    assert b"secret" in (FOLDER / "said.pcap").read_bytes()
    assert "secret" not in repr(said)


def test_values_are_shown_where_that_is_asked_for() -> None:
    with Pcap(str(FOLDER / "said.pcap"), Redaction(values=False)) as source:
        told = [one for batch in source if "message" in batch for one in batch.rows("message")]
    shown = [dict(one.attributes).get("arguments") for one in told if one.protocol == "redis"]
    assert shown == [None, None, "x", None]  # "secret" could be one
