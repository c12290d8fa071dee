"""`rubin replay` and `rubin observe --input-file`: captures and saved flows, and what is neither."""

import gzip
import json
import re
import struct
import subprocess
from pathlib import Path
from socket import inet_aton

import pytest

from rubin.cli.output.flows import Compact
from rubin.cli.output.json import JSON
from rubin.words.wording import Options
from tests.cli.golden import check
from tests.cli.running import ENVIRON, Call, command
from tests.flows import generate
from tests.sources.captures import pcap


def packet(source: str, destination: str, protocol: int, layer4: str) -> bytes:
    """Ethernet and IPv4 around what is written in hex."""
    body = bytes.fromhex(layer4)
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0, inet_aton(source), inet_aton(destination)
    )
    return bytes.fromhex("020000000002 020000000001 0800") + head + body


SYN = packet("10.0.0.1", "10.0.0.2", 6, "1f900050 00000000 00000000 5002ffff 00000000")
SYN_ACK = packet("10.0.0.2", "10.0.0.1", 6, "00501f90 00000000 00000001 5012ffff 00000000")
UDP = packet("10.0.0.1", "198.51.100.7", 17, "30390035 00080000")
NAMES = """
[[pods]]
name = "client"
namespace = "shop"
addresses = ["10.0.0.1"]
labels = { app = "client" }

[[services]]
name = "web"
namespace = "shop"
addresses = ["10.0.0.2"]
"""

# What Hubble's own printer tests print (hubble.md 2.5).
HUBBLE = (
    '{"flow":{"time":"1970-01-01T00:20:34.567800Z","verdict":"DROPPED","IP":{"source":"1.1.1.1",'
    '"destination":"2.2.2.2"},"l4":{"TCP":{"source_port":31793,"destination_port":8080}},"source":{"identity":4},'
    '"destination":{"identity":12345},"Type":"L3_L4","node_name":"k8s1","event_type":{"type":1,"sub_type":133},'
    '"is_reply":false,"Summary":"TCP Flags: SYN"},"node_name":"k8s1","time":"1970-01-01T00:20:34.567800Z"}\n'
)
LOST = (
    '{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"3","cpu":0},"node_name":"k8s1",'
    '"time":"1970-01-01T00:20:35Z"}\n'
)


@pytest.fixture
def capture(tmp_path: Path) -> str:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap([SYN, SYN_ACK, UDP]))
    return str(path)


@pytest.fixture
def saved(tmp_path: Path) -> str:
    path = tmp_path / "flows.json"
    path.write_text(JSON().text(generate(50)))
    return str(path)


def test_a_capture_prints_as_flows_with_names(rubin: Call, capture: str, tmp_path: Path) -> None:
    (tmp_path / "names.toml").write_text(NAMES)
    check("replay.txt", rubin("replay", capture).out)
    check("replay-names.txt", rubin("replay", capture, "--names", "names.toml", "-o", "dict").out)
    check("replay-wide.txt", rubin("replay", capture, "-o", "wide").out)
    columns = rubin("replay", capture, "-o", "columns").out
    check("replay-columns.txt", re.sub(r'"uuid":"[^"]*",', "", columns))  # made anew by each reading


CHOSEN = [
    ([], 3),
    (["--last", "1"], 1),
    (["--first", "2"], 2),
    (["--all"], 3),
    (["--protocol", "udp"], 1),
    (["--not", "--protocol", "udp", "--last", "1"], 1),
    (["--ip", "10.0.0.2", "-A"], 0),
    (["--to-ip", "10.0.0.2"], 1),
    (["--cel-expression", "_flow.l4.UDP.destination_port == uint(53)"], 1),
    (["--since", "2023-11-15"], 0),
    (["--until", "2023-11-15"], 3),
]


@pytest.mark.parametrize(("arguments", "lines"), CHOSEN)
def test_selectors_and_filters_apply(rubin: Call, capture: str, arguments: list[str], lines: int) -> None:
    assert rubin("replay", capture, *arguments).out.count("\n") == lines


def test_what_the_agent_would_count_can_be_printed(rubin: Call, capture: str) -> None:
    page = rubin("replay", capture, "--metrics=tcp", "--protocol", "tcp").out
    assert 'hubble_tcp_flags_total{flag="SYN",family="IPv4"} 1' in page
    assert 'hubble_tcp_flags_total{flag="SYN-ACK",family="IPv4"} 1' in page
    assert "hubble_flows_processed_total" in rubin("replay", capture, "--metrics").out


SAID = str(Path(__file__).parents[1] / "golden" / "said" / "said.pcap")
HIDDEN = "HUBBLE_REDACTED"


@pytest.mark.parametrize(
    ("flags", "accept", "agent"),
    [
        ([], "*/*", "curl/7.88.1"),
        (["--redact-http-headers-allow", "Accept"], "*/*", HIDDEN),
        (["--redact-http-headers-allow="], HIDDEN, HIDDEN),
        (["--redact-http-headers-deny", "accept"], HIDDEN, "curl/7.88.1"),
    ],
)
def test_what_is_redacted_can_be_said(rubin: Call, flags: list[str], accept: str, agent: str) -> None:
    (line,) = rubin("replay", SAID, "--http-path", "/two", "--reply", "-o", "jsonpb", *flags).out.splitlines()
    headers = {one["key"]: one["value"] for one in json.loads(line)["flow"]["l7"]["http"]["headers"]}
    assert headers == {"accept": accept, "user-agent": agent}


INPUT = ["observe", "--input-file", "FILE"]


@pytest.mark.parametrize("words", [["replay", "FILE"], INPUT, [*INPUT, "--follow"]])
def test_saved_flows_print_as_they_were(rubin: Call, saved: str, words: list[str]) -> None:
    without = generate(50)
    without = without.with_columns(process=without["process"] * 0)  # Hubble's JSON has no word for it
    assert rubin(*(saved if word == "FILE" else word for word in words)).out == Compact(Options()).text(without)


def test_json_comes_out_as_it_went_in(rubin: Call, tmp_path: Path, saved: str) -> None:
    (tmp_path / "hubble.json").write_text(HUBBLE + LOST)
    assert rubin("observe", "--input-file", "hubble.json", "-o", "json").out == HUBBLE + LOST
    assert rubin("replay", saved, "-o", "jsonpb").out == Path(saved).read_text()


def test_hubbles_own_examples_print_as_hubble_prints_them(rubin: Call, tmp_path: Path) -> None:
    (tmp_path / "hubble.json").write_text(HUBBLE + LOST)
    assert rubin("observe", "--input-file", "hubble.json").out == (
        "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) "
        "Policy denied DROPPED (TCP Flags: SYN)\n"
        "Jan  1 00:20:35.000 EVENTS LOST: HUBBLE_RING_BUFFER CPU(0) 3\n"
    )


def test_a_capture_given_as_flows_is_for_replay(rubin: Call, capture: str) -> None:
    done = rubin("observe", "--input-file", capture)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"rubin: {capture} is a capture, not flows as JSON\n  try: rubin replay {capture}\n"


@pytest.mark.parametrize("name", ["capture", "saved"])
@pytest.mark.parametrize("arguments", [[], ["--last", "2"]])
def test_a_pipe_reads_as_the_file(name: str, arguments: list[str], rubin: Call, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(name)
    words = command("replay", "-", *arguments)
    with Path(path).open("rb") as file:
        through_file = subprocess.run(words, stdin=file, capture_output=True, check=True, env=ENVIRON)
    line = ["bash", "-c", f"cat {path} | {' '.join(words)}"]
    through_pipe = subprocess.run(line, capture_output=True, check=True, env=ENVIRON)
    assert through_file.stdout == through_pipe.stdout == rubin("replay", path, *arguments).out.encode()


BAD = [
    (b"", "is empty"),
    (b"\x00\x01\x02", "is neither a capture nor flows as JSON"),
    (b"\xff" * 600, "is neither a capture nor flows as JSON"),
    (b"root:x:0:0\n", "holds no flows"),
    (b"[1,2]\n", "holds no flows"),
    (gzip.compress(b"x"), "is no capture"),
    (pcap([SYN])[:-3], "ends in the middle"),
    (pcap([SYN], link_type=9999), "have link type 9999"),
]


@pytest.mark.parametrize(("content", "sentence"), BAD)
def test_what_is_no_file_of_flows_is_said(rubin: Call, tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "x").write_bytes(content)
    done = rubin("replay", "x")
    assert done.code == 1
    assert f"x {sentence}" in done.err or sentence in done.err
    assert "\n  try: " in done.err


def test_a_cut_capture_gives_what_is_good_first(rubin: Call, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pcap([SYN, SYN_ACK, UDP])[:-3])
    done = rubin("replay", "x")
    assert done.out.count("\n") == 2
    assert done.code == 1


def test_broken_lines_are_passed_over(rubin: Call, tmp_path: Path) -> None:
    newer = json.dumps(json.loads(HUBBLE) | {"of_tomorrow": 1})
    (tmp_path / "x").write_text(f"{{broken\n\n{HUBBLE}{newer}\n{HUBBLE[:40]}")
    assert rubin("observe", "--input-file", "x").out.count("Policy denied") == 2


def test_a_missing_file_and_no_file(rubin: Call) -> None:
    assert rubin("replay", "/nonexistent").err.startswith("rubin: /nonexistent cannot be read: No such file")
    assert rubin("observe", "--input-file", "/nonexistent").err.startswith("rubin: /nonexistent cannot be read")
    assert rubin("replay").code == 2
