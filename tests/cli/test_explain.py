"""`rubin explain`: against servers of ours and of Hubble, and from files; what it prints is read as golden files."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rubin.wire.flows import FlowEncoder
from rubin.wire.pb import observer_pb2 as pb
from tests.api.hubble import hubble
from tests.api.serving import serving
from tests.cli.golden import check
from tests.cli.running import Call
from tests.query.explained import filtered, uuid


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("api")
    with serving(filtered(), directory):
        yield f"unix://{directory}/s"


EXPLAINED = {
    "explain": ("curl", "shop/web:80"),
    "explain-refused": ("curl", "shop/web:81"),
    "explain-colour": ("curl", "shop/web:81", "--color", "always"),
    "explain-request": ("0000000003b6",),
    "explain-forwarded": (uuid(0),),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_it_prints(name: str, server: str, rubin: Call) -> None:
    done = rubin("explain", "--server", server, *EXPLAINED[name])
    assert (done.code, done.err) == (0, "")
    check(f"{name}.txt", done.out)


def test_what_is_not_there_is_said_and_the_exit_code_says_so_too(server: str, rubin: Call) -> None:
    done = rubin("explain", "--server", server, "curl", "shop/wep:80")
    assert (done.code, done.err) == (1, "")
    check("explain-nothing.txt", done.out)


def test_json_is_the_same_in_parts(server: str, rubin: Call) -> None:
    done = rubin("explain", "--server", server, "curl", "shop/web:80", "-o", "json")
    found = json.loads(done.out)
    assert (done.code, done.out.count("\n")) == (0, 1)
    assert found["text"] == rubin("explain", "--server", server, "curl", "shop/web:80").out
    assert [one["title"] for one in found["sections"]][:2] == ["Verdict", "Whose socket"]


WRONG = [
    ("explain", "what is to be explained is not said", "rubin explain UUID"),
    ("explain a b c", "'rubin explain' knows no 'c'", "rubin explain --help"),
    ("explain shop/web", "'shop/web' is no UUID", "the uuid that observe -o json shows"),
    ("explain a b:99999", "'b:99999' has no port that exists", "a number from 1"),
    ("explain a b -o xml", "--output cannot be 'xml'", "one of text, json"),
]


@pytest.mark.parametrize(("line", "sentence", "way_on"), WRONG)
def test_what_is_asked_wrongly(line: str, sentence: str, way_on: str, server: str, rubin: Call) -> None:
    done = rubin(*line.split(), "--server", server)
    assert (done.code, done.out) == (2, "")
    first, second = done.err.splitlines()
    assert first.startswith(f"rubin: {sentence}")
    assert second.startswith(f"  try: {way_on}")


def test_a_server_that_is_gone_is_told(rubin: Call) -> None:
    done = rubin("explain", "01234567", "--server", "unix:///nonexistent/s")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("rubin: there is no socket /nonexistent/s\n  try: ")


def replies() -> list[pb.GetFlowsResponse]:
    """The flows as Hubble sends them."""
    found = []
    for view in filtered().scan():
        for part in FlowEncoder((), "").encode(view):
            at = 0
            while at < len(part):
                end = at + 5 + int.from_bytes(part[at + 1 : at + 5], "big")
                found.append(pb.GetFlowsResponse.FromString(part[at + 5 : end]))
                at = end
    return found


def test_a_hubble_server_is_asked_for_its_last_flows(rubin: Call) -> None:
    asked: list[pb.GetFlowsRequest] = []

    def answer(_method: str, request: bytes, _context: object) -> Iterator[pb.GetFlowsResponse]:
        asked.append(pb.GetFlowsRequest.FromString(request))
        return iter(replies())

    with hubble(answer) as foreign:
        done = rubin("explain", "--server", foreign, "host/curl", "shop/web:80")
    assert (done.code, done.err) == (0, "")
    assert [(request.number, request.follow) for request in asked] == [(100_000, False)]
    assert "A TCP SYN from host/curl:4003 (10.0.0.1) to shop/web-7d4b:80 (10.0.0.2) was dropped" in done.out
    assert "60 % of what asked 10.0.0.2:80" in done.out


def test_of_saved_flows_and_of_a_capture(server: str, rubin: Call, tmp_path: Path) -> None:
    saved = rubin("observe", "--server", server, "--all", "-o", "json").out
    (tmp_path / "flows.json").write_text(saved)
    done = rubin("explain", "-f", str(tmp_path / "flows.json"), "host/curl", "shop/web:80")
    assert (done.code, done.err) == (0, "")
    assert "Kernel's reason: NETFILTER_DROP. A rule of the packet filter" in done.out
    assert "60 % of what asked 10.0.0.2:80" in done.out
    capture = Path(__file__).parents[1] / "golden" / "pcap" / "veth.pcap"
    done = rubin("explain", "-f", str(capture), "10.5.0.1", "10.5.0.2:80")
    assert (done.code, done.err) == (0, "")
    assert "(from-network): TCP packet" in done.out
    assert "its connection works, and 1 answer on it told of an error." in done.out
    done = rubin("explain", "-f", str(tmp_path / "none"), "a", "b")
    assert (done.code, done.out) == (1, "")
    assert "cannot be read" in done.err


def test_the_examples_of_the_page_are_what_is_printed(server: str, rubin: Call) -> None:
    page = Path(__file__).parents[2] / "docs" / "explain.md"

    def example(match: re.Match[str]) -> str:
        done = rubin(*match[1].split(), "--server", server)
        assert done.err == ""
        return f"```\n$ rubin {match[1]}\n{done.out}```\n"

    text = re.sub(r"```\n\$ rubin (.*)\n(?:.*\n)*?```\n", example, page.read_text())
    if os.environ.get("GOLDEN") == "write":
        page.write_text(text)
    assert text == page.read_text(), "GOLDEN=write takes the new text"
