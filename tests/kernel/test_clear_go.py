"""What Go programs say over TLS: real servers and clients, what they ask for says on which connection."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rubin.kernel import libraries, payloads, uprobes
from rubin.kernel.uprobes import Uprobes
from rubin.model.enums import FlowType
from rubin.sources.clear import Clear
from tests.kernel.golang import built
from tests.kernel.hearing import (
    FAR,
    LOSS_CLEAR,
    Ear,
    Records,
    certificate,
    inside,
    paths,
    running,
    sides,
    texts,
    unbroken,
)
from tests.kernel.live import watch
from tests.kernel.programs import EMULATED, World
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(uprobes.skips()), reason="; ".join(filter(None, uprobes.skips().values())) or "-")

TURNS = 3 if EMULATED else 25
CLIENTS = 20
BUILDS = {"whole": (), "stripped": ("-ldflags=-s -w",)}


@pytest.fixture(scope="module", params=list(BUILDS))
def each(request: pytest.FixtureRequest) -> Path:
    return built("tls", *BUILDS[request.param])


@pytest.fixture(scope="module")
def program() -> Path:
    return built("tls", *BUILDS["stripped"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("go"))


def serving(program: Path, folder: Path, space: str = "", address: str = "127.0.0.1", what: str = "serve") -> Any:
    return running(inside(space, [str(program), what, address, "0", str(folder)]))


def client(program: Path, space: str, what: str, port: int, *words: object, address: str = FAR) -> dict[str, Any]:
    """What the client says of itself. More threads than processors: goroutines change between them."""
    command = inside(space, [str(program), what, address, str(port), *map(str, words)])
    more = {**os.environ, "GOMAXPROCS": "8"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=more, timeout=300)
    assert done.returncode == 0, done.stderr[:2000]
    return dict(json.loads(done.stdout))


def asked(side: Records, column: str) -> list[tuple[str, int]]:
    """(path, port of the connection) of every request, in their order."""
    rows = side[[text.startswith(b"GET ") for text in texts(side)]]
    return list(zip(paths(rows), rows[column].tolist(), strict=True))


@pytest.mark.parametrize("what", ["serve", "serve_raw"])
def test_many_connections_at_once_are_told_apart_at_both_ends(
    ear: Ear, between: World, folder: Path, each: Path, what: str
) -> None:
    with serving(each, folder, between.far, FAR, what) as (port, server):
        ear.follows(each.name)
        told = client(each, between.near, "ask", port, 1, CLIENTS, TURNS)
        records = ear.heard(port, lambda found: len(paths(found)) == 2 * CLIENTS * TURNS and unbroken(found))
    for side, column, owner in zip(
        sides(records, port), ("remote_port", "local_port"), (server, told["pid"]), strict=True
    ):
        assert sorted(asked(side, column)) == sorted(told["ports"].items())
        assert set(side["pid"].tolist()) == {owner}
        assert ((side["flags"] & payloads.FROM_START) != 0).all()
    assert ear.programs.losses()[LOSS_CLEAR].tolist() == [0, 0, 0]


def test_connections_in_turn_each_have_their_own(ear: Ear, between: World, folder: Path, program: Path) -> None:
    with serving(program, folder, between.far, FAR) as (port, _):
        ear.follows(program.name)
        told = client(program, between.near, "in_turn", port, 1, 60, 2)
        records = ear.heard(port, lambda found: len(paths(found)) == 240 and unbroken(found))
    for side, column in zip(sides(records, port), ("remote_port", "local_port"), strict=True):
        assert sorted(asked(side, column)) == sorted(told["ports"].items())
    assert ear.programs.losses()[LOSS_CLEAR].tolist() == [0, 0, 0]


def test_large_answers_follow_each_other(ear: Ear, between: World, folder: Path, program: Path) -> None:
    with serving(program, folder, between.far, FAR) as (port, _):
        ear.follows(program.name)
        client(program, between.near, "get", port, "/first/100000", "/second/70000", "/last")
        records = ear.heard(port, lambda found: len(paths(found)) == 6 and unbroken(found))
    at_server, at_client = sides(records, port)
    said = at_server[(at_server["flags"] & (payloads.OUT | payloads.MORE)) == payloads.OUT]["length"]
    heard = at_client[(at_client["flags"] & (payloads.OUT | payloads.MORE)) == 0]["length"]
    assert int(said.sum()) == int(heard.sum()) > 170_000


def test_of_a_connection_that_is_older_what_can_be_told(ear: Ear, between: World, folder: Path, program: Path) -> None:
    ear.clear.close()
    command = inside(between.near, [str(program), "wait", FAR])
    with (
        serving(program, folder, between.far, FAR) as (port, _),
        subprocess.Popen([*command, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking,
    ):
        assert asking.stdout is not None
        own = json.loads(asking.stdout.readline())["ports"]["/wait/1"]
        ear.clear = Clear(ear.programs.objects)
        ear.follows(program.name)
        asking.communicate("go\n")
        records = ear.heard(port, lambda found: "/wait/5" in paths(sides(found, port)[0]))
    at_server, _ = sides(records, port)
    assert set(at_server["remote_port"].tolist()) == {own}
    assert paths(at_server)[-1] == "/wait/5"
    assert "/wait/1" not in paths(records)
    assert not (records["flags"] & payloads.FROM_START).any()
    assert ear.programs.losses()[LOSS_CLEAR][0] > 0


def test_what_is_said_in_memory_belongs_to_no_socket(ear: Ear, between: World, folder: Path, program: Path) -> None:
    with serving(program, folder, between.far, FAR) as (port, _):
        ear.follows(program.name)
        own = client(program, between.near, "pipe", port, folder)["ports"]["/open"]
        records = ear.heard(port, lambda found: len(paths(found)) == 20)
    at_server, at_client = sides(records, port)
    assert paths(at_server) == paths(at_client) == 10 * ["/open"]
    assert at_client["local_port"].tolist() == [own] * len(at_client)
    assert unbroken(records)
    assert not [text for text in texts(ear.look()) if b"hidden" in text]
    assert ear.programs.losses()[LOSS_CLEAR][0] == 40  # ten requests and answers, each said and heard


def test_tls_inside_of_tls_is_not_told_as_if_it_were_outside(
    ear: Ear, between: World, folder: Path, program: Path
) -> None:
    with serving(program, folder, between.far, FAR) as (port, _):
        ear.follows(program.name)
        own = client(program, between.near, "through", port)["ports"]["/outer"]
        records = ear.heard(port, lambda found: any(b"/inner" in text for text in texts(found)))
    inner = records[[b"/inner" in text for text in texts(records)]]
    assert inner["local_port"].tolist() == [port]
    assert own not in inner["remote_port"].tolist()
    assert ear.programs.losses()[LOSS_CLEAR][0] > 0


def test_what_does_not_use_tls_is_not_touched(ear: Ear, folder: Path, program: Path) -> None:
    plain = built("plain")
    with subprocess.Popen([plain], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with serving(program, folder):
            ear.follows(program.name)
        looked = ear.clear.looked
        wait_for(lambda: ear.clear.looked > looked + 2, "all processes to be looked at")
        assert not any(plain.name in one for one in (*ear.clear.attached, *ear.clear.refused))
        other.communicate("")


def test_observed_programs_live_on_while_we_come_and_go(ear: Ear, between: World, folder: Path, program: Path) -> None:
    ear.clear.close()
    places, probes, came = libraries.places(str(program)), Uprobes(ear.programs.objects), 0
    with serving(program, folder, between.far, FAR) as (port, _):
        command = inside(between.near, [str(program), "ask", FAR, str(port), "1", str(CLIENTS), str(8 * TURNS)])
        while came < 2:  # to let go waits for the kernel, perhaps for as long as they talk
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as asking:
                while asking.poll() is None:
                    probes.attach("program", str(program), places)
                    probes.detach(["program"])
                    came += 1
            assert asking.returncode == 0
        client(program, between.near, "ask", port, 1, 1, 1)
    probes.close()


def test_a_program_of_the_distribution(ear: Ear, between: World, folder: Path, tmp_path: Path) -> None:
    """Prometheus as Debian builds it: an older Go, stripped, linked with C."""
    (tmp_path / "web.yml").write_text(
        f"tls_server_config: {{cert_file: {folder}/cert.pem, key_file: {folder}/key.pem}}"
    )
    (tmp_path / "empty.yml").write_text("global: {}")
    words = [f"--web.config.file={tmp_path}/web.yml", f"--config.file={tmp_path}/empty.yml", "--log.level=error"]
    port = 9099
    command = ["prometheus", *words, f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address={FAR}:{port}"]
    with subprocess.Popen(inside(between.far, command)) as prometheus:
        try:
            ear.follows("/prometheus")
            asking = ["curl", "-sk", "--http1.1", "--retry", "60", "--retry-delay", "1", "--retry-connrefused"]
            url = f"https://{FAR}:{port}/-/healthy"
            own = [
                subprocess.run(inside(between.near, [*asking, "-w", "%{local_port}", "-o", "/dev/null", url]),
                               capture_output=True, text=True, check=True).stdout
                for _ in range(5)
            ]  # fmt: skip
            records = ear.heard(port, lambda found: len(paths(sides(found, port)[0])) == 5)
        finally:
            prometheus.terminate()
    at_server, _ = sides(records, port)
    asked = at_server[(at_server["flags"] & payloads.OUT) == 0]
    assert paths(at_server) == 5 * ["/-/healthy"]
    assert asked["remote_port"].tolist() == [int(one) for one in own]
    assert set(at_server["pid"].tolist()) == {prometheus.pid}


def test_http2_with_what_was_asked_on_which_connection_and_by_whom(between: World, folder: Path, each: Path) -> None:
    def answers(flows: Any, port: int) -> list[tuple[int, int, str]]:
        rows = flows.take((flows["flow_type"] == FlowType.L7) & (flows["is_reply"] == 1))
        rows = rows.take(rows["source_port"] == port)
        messages = rows.tables.messages.read(rows["message"])
        pids = [process.pid for process in rows.rows("process")]
        ports = rows["destination_port"].tolist()
        return [
            (pid, own, one.target) for pid, own, one in zip(pids, ports, messages, strict=True) if one.method == "GET"
        ]

    with serving(each, folder, between.far, FAR) as (port, server), watch() as watching:
        wait_for(lambda: any(each.name in one for one in watching.live.status().attached), "the program")
        told = client(each, between.near, "ask", port, 2, CLIENTS, TURNS)
        flows = watching.until(lambda flows: len(answers(flows, port)) >= 2 * CLIENTS * TURNS, 60)
    wanted = [(who, own, path) for who in (server, told["pid"]) for path, own in told["ports"].items()]
    assert sorted(answers(flows, port)) == sorted(wanted)
