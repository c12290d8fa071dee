"""`rubin ui FILE`: a file is shown as of its end, without a server; what is wrong with it `rubin replay` says, too."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rubin import __version__
from rubin.errors import RubinError
from rubin.store.ring import Ring
from rubin.ui.file import Recorded
from rubin.wire.flows import FlowEncoder
from rubin.wire.json import lines
from tests.asked import shop
from tests.cli.running import ENVIRON
from tests.flows import generate
from tests.ui.tabs import lately, page
from tests.ui.test_command import running

END_NS = 1_700_000_060 * 10**9
EMPTY_PCAP = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000")


def written(ring: Ring, path: Path) -> Path:
    """The ring as `rubin observe -o jsonpb` prints it."""
    encoder = FlowEncoder((), __version__)
    path.write_text("".join(f"{line}\n" for view in ring.scan() for line in lines(view, encoder)))
    return path


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A shop of two years ago, from a file."""
    ring = shop()
    ring.append(lately(generate(1_000, endpoints=30, pairs=60), END_NS))
    path = written(ring, tmp_path_factory.mktemp("file") / "shop.jsonl")
    with running(str(path), "--listen", "127.0.0.1:0", "--server", "unix:///nowhere") as (process, sentence):
        link = sentence.split()[2]
        assert f"shows file {path}, " in sentence
        with httpx.Client(base_url=link, trust_env=False, timeout=30) as client:
            yield client
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def got(client: httpx.Client, question: str) -> Any:
    answer = client.get(f"/api/v1/{question}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_question_is_answered_from_the_file(asked: httpx.Client) -> None:
    """As of its end: an hour ago is an hour before the last flow."""
    feed = got(asked, "status")["feed"]
    assert feed["phase"] == "file"
    assert feed["sentence"].startswith(f"{feed['target']}, {feed['flows']:,} flows, from 2023-11-14T22:13:")
    assert (got(asked, "meta")["kind"], got(asked, "meta")["node"]) == ("file", "")
    assert got(asked, "drops?since=1h")["total"] > 0
    assert got(asked, "dns?since=1h")["rows"][0]["name"] == "db.shop"
    assert {row["server"] for row in got(asked, "services?since=1h")["rows"]} >= {"shop/web"}
    dropped = asked.get("/api/v1/flows?last=1&verdict=DROPPED&since=1h").json()["flow"]
    assert got(asked, f"flow?uuid={dropped['uuid']}")["json"]["flow"] == dropped
    assert got(asked, f"explain?uuid={dropped['uuid']}")["sections"][0]["title"] == "Verdict"
    assert got(asked, "exchange?trace_id=none")["exchanges"] == []
    assert got(asked, "diagnose?view=map&to-port=1")["cause"] == "all-excluded"


def test_the_first_page_is_of_all_of_it_and_live_is_its_end(asked: httpx.Client) -> None:
    feed = got(asked, "status")["feed"]
    first = asked.get("/")
    assert first.status_code == 307
    since, until = (first.headers["location"].split("?")[1].split("&")[at].partition("=")[2] for at in (0, 1))
    assert len(asked.get(f"/api/v1/flows?since={since}&until={until}").text.splitlines()) == feed["flows"]
    assert asked.get("/?v.scope=pod").status_code != 307
    with page(type("Here", (), {"host": asked.base_url.netloc.decode()})()) as tab:
        tab.sub(1, "stats", time={"mode": "live", "window_ms": 60_000})
        head, _ = tab.take()
        assert head["following"]
        assert abs(head["tick_ms"] - feed["newest_ms"]) < 1


def test_more_than_is_held_is_said(tmp_path: Path) -> None:
    ring = Ring()
    ring.append(generate(3_000))
    recorded = Recorded("x.jsonl", capacity=1_000)
    recorded.read(ring.scan())
    assert (recorded.flows, recorded.ring.held_flows) == (3_000, 1_000)
    assert recorded.state.sentence.endswith("the first 2,000 are not held")
    assert recorded.state.way_on == "--capacity 3000 holds all"
    assert recorded.oldest_ns() == min(int(view["time_ns"].min()) for view in recorded.ring.scan())


def test_what_is_good_of_a_cut_file_is_shown_and_the_loss_told() -> None:
    def cut() -> Iterator[Any]:
        yield generate(100)
        raise RubinError("x.pcap ends within a packet", "see what wrote it")

    recorded = Recorded("x.pcap")
    recorded.read(cut())
    assert recorded.flows == 100
    assert recorded.state.sentence.endswith("what follows is missing: x.pcap ends within a packet")
    assert [gap.why for gap in recorded.gaps] == ["x.pcap ends within a packet"]


BAD: list[tuple[str, bytes | None, str]] = [
    ("none.pcap", None, "cannot be read: No such file or directory"),
    ("empty.pcap", b"", ""),
    ("noise.bin", bytes(range(256)), "is neither a capture nor flows as JSON"),
    ("text.txt", b"hello\nworld\n", "holds no flows"),
    ("bare.pcap", EMPTY_PCAP, "holds no packets"),
    ("x.rubinz", b"PK\3\4 and no more", "is cut or broken"),
]


@pytest.mark.parametrize(("name", "content", "words"), BAD, ids=[name for name, *_ in BAD])
def test_what_cannot_be_shown_is_said_as_replay_says_it(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    def said(command: str, *flags: str) -> tuple[int, str]:
        call = [sys.executable, "-m", "rubin", command, str(path), *flags]
        done = subprocess.run(call, check=False, env=ENVIRON, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr

    code, sentence = said("ui", "--listen", "127.0.0.1:0")
    assert code == 1
    assert words in sentence
    assert "try: " in sentence
    if name == "x.rubinz":
        assert "may be a bundle" in said("replay")[1]
    else:
        assert (code, sentence) == said("replay")


def test_flows_that_cannot_be_placed_in_time_are_for_replay() -> None:
    flows = generate(10)
    for batches, words in (
        ([], "holds no flows"),
        ([flows.with_columns(time_ns=flows["time_ns"] * 0)], "say no times"),
    ):
        with pytest.raises(RubinError, match=f"x.jsonl.* {words}"):
            Recorded("x.jsonl").read(batches)


def test_standard_input_is_read_to_its_end(tmp_path: Path) -> None:
    path = written(shop(), tmp_path / "shop.jsonl")
    command = [sys.executable, "-m", "rubin", "ui", "-", "--listen", "127.0.0.1:0"]
    with (
        path.open() as file,
        subprocess.Popen(command, env=ENVIRON, stdin=file, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr
        assert f"shows file standard input, {len(path.read_text().splitlines())} flows, " in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
