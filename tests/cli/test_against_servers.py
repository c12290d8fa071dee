"""The command line, also as a process, against a real server of ours."""

import json
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from rubin import __version__
from rubin.api.listen import ListenSettings
from rubin.api.server import Server, ServerThread
from rubin.cli.output.flat_json import Columns
from rubin.cli.output.flows import Compact, Dict, Table, Wide
from rubin.cli.output.json import JSON
from rubin.cli.server import LOCAL_SOCKET
from rubin.model.batch import FlowBatch
from rubin.model.enums import Verdict
from rubin.store.ring import Ring
from rubin.words.wording import Options
from tests.cli.running import ENVIRON, Call, command
from tests.flows import generate

FLOWS = 1_000


@dataclass
class Running:
    """A server that runs, and what it serves."""

    target: str
    address: str
    ring: Ring
    batch: FlowBatch


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = tmp_path_factory.mktemp("api") / "s"
    ring, batch = Ring(10_000), generate(FLOWS)
    ring.append(batch)
    serving = Server(ring, ListenSettings(str(path), "127.0.0.1:0"), "node-1", lambda: {"lost_events": {"ring": 0}})
    thread = ServerThread(serving)
    thread.start()
    yield Running(f"unix://{path}", serving.address, ring, batch)
    thread.close()


Observe = Callable[..., str]


@pytest.fixture
def observe(server: Running, rubin: Call) -> Observe:
    """What `rubin observe` prints of the server."""

    def call(*arguments: str) -> str:
        done = rubin("observe", "--server", server.target, *arguments)
        assert (done.code, done.err) == (0, "")
        return done.out

    return call


OUTPUTS = [
    ("compact", Compact(Options())),
    ("wide", Wide(Options())),
    ("columns", Columns()),
    ("dict", Dict(Options())),
    ("table", Table(Options())),
    ("json", JSON()),
    ("jsonpb", JSON()),
]


@pytest.mark.parametrize(("output", "printer"), OUTPUTS)
def test_flows_over_the_wire_print_as_they_are_in_the_ring(
    server: Running, output: str, printer: Any, observe: Observe
) -> None:
    last = server.batch.take(slice(FLOWS - 50, None))
    assert observe("--last", "50", "-o", output) == printer.text(last) + printer.end()


SELECTED = [
    ([], 20),
    (["--last", "7"], 7),
    (["--first", "3"], 3),
    (["--all"], FLOWS),
    (["--since", "2023-11-14"], FLOWS),
    (["--until", "2023-11-14"], 0),
    (["--last", "5", "--verdict", "DROPPED"], 5),
    (["--all", "--not", "--verdict", "DROPPED", "--not", "--verdict", "FORWARDED"], 0),
    (["--all", "--pod", "nowhere/"], 0),
    (["--all", "--cel-expression", "false"], 0),
    (["--all", "--cel-expression", "_flow.verdict == Verdict.FORWARDED", "--denylist", '{"verdict":["FORWARDED"]}'], 0),
]


@pytest.mark.parametrize(("arguments", "lines"), SELECTED)
def test_selectors_and_filters_reach_the_server(arguments: list[str], lines: int, observe: Observe) -> None:
    assert observe(*arguments).count("\n") == lines


def test_filters_choose_what_columns_say(server: Running, observe: Observe) -> None:
    dropped = int((server.batch["verdict"] == Verdict.DROPPED).sum())
    assert observe("--all", "--verdict", "DROPPED").count(" DROPPED (") == dropped > 0
    allow = observe("--all", "--allowlist", '{"verdict":["DROPPED"]}')
    assert allow == observe("--all", "--verdict", "DROPPED")


def test_what_hubble_cannot_ask_is_asked_of_our_own_server(observe: Observe) -> None:
    some = observe("--all", "--kernel-drop-reason", "no_socket")
    assert 0 < some.count("NO_SOCKET") == some.count("\n") < FLOWS
    rest = observe("--all", "--verdict", "DROPPED", "--not", "--kernel-drop-reason", "no_socket")
    assert "NO_SOCKET" not in rest
    assert some.count("\n") + rest.count("\n") == observe("--all", "--verdict", "DROPPED").count("\n")


def test_tcp_answers_as_the_socket_does(server: Running, observe: Observe, rubin: Call) -> None:
    assert rubin("observe", "--server", server.address).out == observe()


def test_a_field_mask_leaves_the_rest_out(observe: Observe) -> None:
    (line,) = observe("--last", "1", "-o", "json", "--field-mask", "verdict,source.namespace").splitlines()
    assert json.loads(line)["flow"].keys() == {"verdict", "source"}


def test_legacy_json_is_the_bare_flow(server: Running, rubin: Call) -> None:
    done = rubin(
        "observe",
        "--server",
        server.target,
        "--last",
        "1",
        "-o",
        "json",
        HUBBLE_COMPAT="legacy-json-output",
    )
    assert "verdict" in json.loads(done.out)


def test_follow_prints_what_comes_and_ends_well_on_ctrl_c(server: Running) -> None:
    line = command("observe", "--server", server.target, "--follow")
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRON) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        deadline = time.monotonic() + 30
        while not select.select([process.stdout], [], [], 0.05)[0]:  # it follows from when it asks
            assert time.monotonic() < deadline
            server.ring.append(generate(1, seed=7))
        first = process.stdout.readline().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == b""
    assert first == Compact(Options()).text(generate(1, seed=7))


def test_a_closed_pipe_ends_follow_quietly(server: Running) -> None:
    line = (
        f"{' '.join(command('observe', '--server', server.target, '--all', '-f'))} | head -1; echo ${{PIPESTATUS[0]}}"
    )
    with subprocess.Popen(["bash", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRON) as process:
        deadline = time.monotonic() + 30
        while process.poll() is None:
            assert time.monotonic() < deadline
            server.ring.append(generate(1, seed=8))
            select.select([], [], [], 0.05)
        out, err = process.communicate()
    assert err == b""
    assert out.splitlines()[-1] == b"0"


def test_status_says_hubbles_numbers_and_ours(server: Running, rubin: Call) -> None:
    lines = rubin("status", "--server", server.target).out.splitlines()
    assert lines[0] == f"Healthcheck (via {server.target}): Ok"
    assert lines[1].startswith(f"Current/Max Flows: {server.ring.held_flows:,}/10,000 ")
    assert lines[-2:] == ["Lost events:", "  Ring: 0"]
    status = json.loads(rubin("status", "--server", server.target, "-o", "json").out)
    assert status["version"].endswith(__version__)
    assert status["rubin"] == {"lost_events": {"ring": 0}}


def test_lists(server: Running, rubin: Call) -> None:
    assert rubin("list", "namespaces", "--server", server.target).out.splitlines()[0] == "NAMESPACE"
    nodes = rubin("list", "nodes", "--server", server.target)
    assert (nodes.code, nodes.out) == (1, "")
    assert "GetNodes not implemented" in nodes.err
    assert nodes.err.endswith("\n  try: --server with the address of a relay\n")


def test_agent_events_and_peers(server: Running, rubin: Call) -> None:
    events = rubin("observe", "agent-events", "--server", server.target, "-o", "json")
    assert json.loads(events.out)["agent_event"]["type"] == "AGENT_STARTED"
    assert rubin("observe", "debug-events", "--server", server.target).out == ""
    line = command("watch", "peers", "--server", server.target)
    with subprocess.Popen(line, stdout=subprocess.PIPE, env=ENVIRON) as process:
        assert process.stdout is not None
        assert process.stdout.readline().decode() == f"PEER_ADDED   {server.address} node-1\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


UNREACHABLE = [
    ("unix:///nonexistent/s", "there is no socket /nonexistent/s"),
    ("127.0.0.1:1", "cannot reach 127.0.0.1:1: connection refused"),
]


@pytest.mark.parametrize(("target", "sentence"), UNREACHABLE)
@pytest.mark.parametrize(
    "words", [["observe"], ["observe", "agent-events"], ["status"], ["list", "nodes"], ["watch", "peers"]]
)
def test_an_unreachable_server_is_one_sentence(target: str, sentence: str, words: list[str], rubin: Call) -> None:
    done = rubin(*words, "--server", target)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"rubin: {sentence}\n  try: ")


def test_a_hung_server_is_given_up(rubin: Call) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        done = rubin("status", "--server", address, "--timeout", "300ms", "--request-timeout", "300ms")
    assert done.code == 1
    assert done.err.startswith(f"rubin: {address} d")
    assert done.err.count("\n") == 2


def test_the_local_socket_is_the_default_of_the_agent() -> None:
    assert ListenSettings().socket_path == LOCAL_SOCKET
