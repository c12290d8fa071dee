"""`rubin top` and `rubin trace` against a server of ours; what they print is read as golden files."""

import json
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rubin.cli.output.top import Printer
from rubin.cli.output.trace import text
from rubin.model.tables import Container, Endpoint, Process
from rubin.query.question import BY, Question
from rubin.query.top import top
from rubin.query.trace import trace
from rubin.store.ring import Ring
from rubin.words.text import Palette
from tests.api.hubble import hubble
from tests.api.serving import serving
from tests.asked import TIMES, TRACE, shop
from tests.cli.golden import check
from tests.cli.running import ENVIRON, Call, command
from tests.exchanges import Said, http, stored


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("api")
    with serving(shop(), directory):
        yield f"unix://{directory}/s"


TOPS = {
    "top": (),
    "top-wide": ("-o", "wide"),
    "top-colour": ("-o", "wide", "--color", "always"),
    "top-json": ("-o", "json"),
    "top-service": ("--by", "service", "--sort", "slowest"),
    "top-client": ("--by", "client", "--sort", "failing"),
    "top-process": ("--by", "process"),
    "top-protocol": ("--by", "protocol", "-n", "2"),
    "top-filtered": ("--to-pod", "shop/web", "--not", "--http-status", "200"),
    "top-nothing": ("--protocol", "redis"),
}


@pytest.mark.parametrize("name", TOPS)
def test_top_prints(name: str, server: str, rubin: Call) -> None:
    done = rubin("top", "--server", server, *TIMES, *TOPS[name])
    assert (done.code, done.err) == (0, "")
    check(f"{name}.txt", done.out)


TRACES = {
    "trace": ("2d1c1d2e-90a8-4a6b-8000-000000000029",),
    "trace-colour": ("2d1c1d2e-90a8-4a6b-8000-000000000029", "--color", "always"),
    "trace-json": ("00000000002c", "-o", "json"),
    "trace-unanswered": ("00000000002a",),
    "trace-dns": ("00000000002d",),
    "trace-distributed": ("--trace-id", TRACE.upper()),
}


@pytest.mark.parametrize("name", TRACES)
def test_trace_prints(name: str, server: str, rubin: Call) -> None:
    done = rubin("trace", "--server", server, *TRACES[name])
    assert (done.code, done.err) == (0, "")
    check(f"{name}.txt", done.out)


WRONG = [
    ("top --by endpont", 2, "--by cannot be 'endpont'", "endpoint"),
    ("top --sort fast", 2, "--sort cannot be 'fast'", "one of busiest, slowest, failing"),
    ("top -n shop", 2, "--number cannot be 'shop'", "a whole number"),
    ("top -o xml", 2, "--output cannot be 'xml'", "one of table, wide, json"),
    ("top --since never", 2, "--since 'never' is no time", "5m"),
    ("top --until never", 2, "--until 'never' is no time", "5m"),
    ("top --http-path [", 2, "http-path pattern '[' is not understood", ""),
    ("top --not", 2, "trailing --not", ""),
    ("trace", 2, "which request is asked for is not said", "rubin trace UUID"),
    ("trace 2d1c1d2e --trace-id x", 2, "both a flow and a trace are asked for", "rubin trace UUID"),
    ("trace a b", 2, "'rubin trace' knows no 'b'", ""),
    ("trace shop/web", 2, "'shop/web' is no UUID", "the uuid that observe -o json shows"),
    ("trace 2d1c1d2e", 2, "46 requests have a UUID that begins or ends with '2d1c1d2e'", "more of its digits"),
    ("trace ffffffff", 1, "no request or answer that is held has the UUID 'ffffffff'", "rubin observe -t l7"),
    ("trace --trace-id ffff", 1, "no request that is held belongs to the trace 'ffff'", "rubin observe -t l7"),
]


@pytest.mark.parametrize(("line", "code", "sentence", "way_on"), WRONG)
def test_what_is_asked_wrongly_or_not_there(
    line: str, code: int, sentence: str, way_on: str, server: str, rubin: Call
) -> None:
    done = rubin(*line.split(), "--server", server)
    assert (done.code, done.out) == (code, "")
    first, second = done.err.splitlines()
    assert first.startswith(f"rubin: {sentence}")
    assert second.startswith(f"  try: {way_on}")


@pytest.mark.parametrize("words", [["top"], ["trace", "2d1c1d2e"], ["trace", "--trace-id", "x"]])
def test_without_an_agent_and_against_a_hubble_server(words: list[str], rubin: Call) -> None:
    done = rubin(*words, "--server", "unix:///nonexistent/s")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("rubin: there is no socket /nonexistent/s\n  try: ")
    with hubble(lambda _method, _request, _context: None) as foreign:
        done = rubin(*words, "--server", foreign)
    assert (done.code, done.out) == (1, "")
    assert "it is a Hubble server" in done.err.splitlines()[0]
    assert done.err.splitlines()[1] == "  try: --server with the address of a Rubin agent"


def test_follow_asks_again_and_ends_well_on_ctrl_c(server: str) -> None:
    line = command("top", "--server", server, *TIMES[:2], "-f", "--by", "protocol", "-o", "json")
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRON) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        began = time.monotonic()
        said = [json.loads(process.stdout.readline()) for _ in range(6)]
        assert time.monotonic() - began > 1.5
        assert [row["protocol"] for row in said] == ["http", "postgresql", "dns"] * 2
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == b""
        assert not select.select([process.stdout], [], [], 0)[0] or process.stdout.read() == b""


@pytest.mark.parametrize("width", [20, 60, 80, 99, 100, 120])
@pytest.mark.parametrize("by", BY)
def test_no_line_is_wider_than_the_terminal(by: str, width: int) -> None:
    found = top(shop(), Question(by), 1_700_000_010_000_000_000)
    lines = Printer(by, "table", Palette(False))._table(found, width).splitlines()[2:]
    assert max(map(len, lines)) <= width
    if width >= 80:
        head, first = lines[:2]
        assert head.startswith("PROTOCOL")
        assert ("P99" in head) == (width >= 100)
        assert first.startswith("http")


def test_the_end_of_a_line_is_cut_not_its_numbers() -> None:
    found = top(shop(), Question(), 1_700_000_010_000_000_000)
    lines = Printer("endpoint", "table", Palette(False))._table(found, 80).splitlines()[2:]
    assert any(line.endswith("…") for line in lines)
    assert all("shop/web-7d4b:80" in line for line in lines if line.startswith("http"))


def test_what_was_asked_cannot_play_with_the_terminal() -> None:
    bad = "/x\x1b[31m\n\u202e"
    said = http(bad, 500, method=bad, error=bad, authority=bad, trace_id=bad, attributes=((bad, bad),), version=bad)
    whom = Endpoint(namespace="shop", pod_name=bad, unit=bad, container=Container("1", bad, bad))
    ring = Ring()
    ring.append(stored(Said(said, whom=whom, process=Process(1, bad, 1, user=bad, cgroup=bad))))
    for by in BY:
        shown = Printer(by, "wide", Palette(False)).text(top(ring, Question(by), 1_700_000_010_000_000_000))
        assert not set("\x1b\u202e") & set(shown)
        assert shown.count("\n") == 4
    shown = text(trace(ring, "00000000")["exchanges"], "text", Palette(False))
    assert "^[[31m" in shown
    assert not set("\x1b\u202e") & set(shown)
