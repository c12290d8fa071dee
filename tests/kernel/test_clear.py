"""What programs say over TLS, read in clear by the real programs in the real libraries."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rubin.kernel import payloads, uprobes
from rubin.kernel.payloads import NOTHING, PAYLOAD_BYTES
from rubin.model.enums import FlowType
from tests.kernel.hearing import FAR, LOSS_CLEAR, Ear, certificate, inside, paths, running, sides, texts, unbroken
from tests.kernel.live import script, watch
from tests.kernel.programs import World, world
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(uprobes.skips()), reason="; ".join(filter(None, uprobes.skips().values())) or "-")

HERE = Path(__file__).parent
_NGINX = """
daemon off; error_log stderr crit; pid {folder}/pid;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        listen {address}:{port} ssl http2; keepalive_timeout 60; ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
        location / {{ return 200 "ok"; }}
        location /large {{ alias {folder}/large; }}
    }}
}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate, and something large."""
    place = certificate(tmp_path_factory.mktemp("tls"))
    (place / "large").write_bytes(b"y" * 40_000)
    return place


@pytest.fixture(scope="module")
def between() -> Iterator[World]:
    """Two hosts joined by a cable, for all tests of this file: what stays of one are its closed connections."""
    with world() as built:
        yield built


@cache
def libssl() -> str:
    """The library that this Python uses."""
    code = "import ssl; print([line.split()[-1] for line in open('/proc/self/maps') if 'libssl' in line][0])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def tls(*words: object) -> list[str]:
    return script("tls.py", *words)


def serving(folder: Path, space: str = "", address: str = "127.0.0.1", what: str = "serve") -> Any:
    return running(inside(space, tls(what, folder, address, 0)))


Server = tuple[int, int]  # port and process


@pytest.fixture(scope="module")
def threaded(folder: Path, between: World) -> Iterator[Server]:
    """One at the far host that was there before whoever listens."""
    with serving(folder, between.far, FAR) as server:
        yield server


@pytest.fixture(scope="module")
def in_memory(folder: Path, between: World) -> Iterator[Server]:
    """One at the far host whose TLS moves its bytes through memory."""
    with serving(folder, between.far, FAR, "serve_async") as server:
        yield server


@pytest.fixture(scope="module")
def local(folder: Path) -> Iterator[Server]:
    """One on the loopback."""
    with serving(folder) as server:
        yield server


@contextmanager
def nginx(folder: Path, space: str, address: str, port: int) -> Iterator[int]:
    """The port of a server that forks its workers."""
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, address=address, port=port))
    command = inside(space, ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "user root;"])
    with subprocess.Popen(command) as server:
        try:
            wait_for((folder / "pid").exists, "nginx")
            yield port
        finally:
            server.terminate()


def client(folder: Path, space: str, what: str, address: str, port: int, *words: object, **more: str) -> dict[str, Any]:
    """What the client of tls.py says of itself."""
    command = inside(space, tls(what, folder, address, port, *words))
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, **more}, timeout=300)
    return dict(json.loads(done.stdout))


def test_both_ends_of_a_connection_with_its_ports_and_processes(
    ear: Ear, between: World, folder: Path, threaded: Server
) -> None:
    asked = ["/first", "/second", "/third/40000", "/last"]
    port, server = threaded  # one that was there before, one that comes later
    ear.follows(libssl())
    told = client(folder, between.near, "ask", FAR, port, *asked)
    records = ear.heard(port, lambda found: len(paths(found)) == 8 and unbroken(found))
    at_server, at_client = sides(records, port)
    for side, owner, far_port in ((at_server, server, "remote_port"), (at_client, told["pid"], "local_port")):
        assert paths(side) == asked
        assert set(side["pid"].tolist()) == {owner}
        assert side[far_port].tolist() == told["ports"] * len(side)
        assert len(set(side["tag"].tolist())) == 1
        assert ((side["flags"] & payloads.FROM_START) != 0).all()
    assert ((at_server["flags"] & payloads.OPENED_REMOTELY) != 0).all()
    assert ((at_client["flags"] & payloads.OPENED_LOCALLY) != 0).all()
    # what one end has said, the other has heard
    out = (at_server["flags"] & payloads.OUT) != 0
    said, got = at_server[out], at_client[(at_client["flags"] & payloads.OUT) == 0]
    whole = [int(rows["length"][(rows["flags"] & payloads.MORE) == 0].sum()) for rows in (said, got)]
    assert whole[0] == whole[1] > 40_000
    # an answer knows how much was asked before it
    answer = at_server[out & (at_server["acknowledged"] > 0)][0]
    assert answer["acknowledged"] == at_server[~out][0]["length"]
    assert ear.programs.losses()[LOSS_CLEAR].tolist() == [0, 0, 0]


@pytest.mark.parametrize("server", ["in_memory", "threaded"])
def test_many_connections_of_one_thread_are_told_apart(
    ear: Ear, between: World, folder: Path, server: str, request: pytest.FixtureRequest
) -> None:
    port = request.getfixturevalue(server)[0]
    ear.follows(libssl())
    told = client(folder, between.near, "ask_async", FAR, port, 12, 10)
    records = ear.heard(port, lambda found: len(paths(found)) == 240)
    for side, column in zip(sides(records, port), ("remote_port", "local_port"), strict=True):
        asked = side[[text.startswith(b"GET ") for text in texts(side)]]
        assert sorted(paths(asked)) == sorted(f"/{own}/t{turn}" for own in told["ports"] for turn in range(10))
        assert [int(path.split("/")[1]) for path in paths(asked)] == asked[column].tolist()
        assert len(set(side["tag"].tolist())) == 12
    assert unbroken(records)


def test_an_object_that_is_used_again_speaks_on_its_new_connection(
    ear: Ear, between: World, folder: Path, in_memory: Server
) -> None:
    port = in_memory[0]
    ear.follows(libssl())
    told = client(folder, between.near, "in_turn", FAR, port, 20)
    records = ear.heard(port, lambda found: len(paths(found)) == 80)
    asked = records[[text.startswith(b"GET ") for text in texts(records)]]
    theirs = np.where(asked["local_port"] == port, asked["remote_port"], asked["local_port"])
    assert [int(path.split("/")[1]) for path in paths(asked)] == theirs.tolist()
    assert set(theirs.tolist()) == set(told["ports"])
    assert unbroken(records)
    assert ((records["flags"] & payloads.FROM_START) != 0).all()


def test_curl_and_nginx(ear: Ear, between: World, folder: Path) -> None:
    with nginx(folder, between.far, FAR, 8443) as port:
        ear.follows(libssl())
        urls = [f"https://{FAR}:{port}{path}" for path in ("/one", "/large", "/two")]
        command = ["curl", "-sk", "--http1.1", *(word for url in urls for word in (url, "-o", "/dev/null"))]
        subprocess.run(inside(between.near, command), check=True)
        records = ear.heard(port, lambda found: len(paths(found)) == 6 and unbroken(found))
    at_server, at_client = sides(records, port)
    assert paths(at_server) == paths(at_client) == ["/one", "/large", "/two"]
    assert {bytes(one["comm"]).rstrip(b"\0") for one in at_server} == {b"nginx"}
    assert {bytes(one["comm"]).rstrip(b"\0") for one in at_client} == {b"curl"}
    assert int(at_client["length"][(at_client["flags"] & payloads.MORE) == 0].max()) <= 16384


def test_over_ipv6(ear: Ear, between: World, folder: Path) -> None:
    with nginx(folder, between.far, "[fd77::2]", 8445) as port:
        ear.follows(libssl())
        subprocess.run(inside(between.near, ["curl", "-skg", f"https://[fd77::2]:{port}/six"]), check=True)
        records = ear.heard(port, lambda found: len(found) >= 4)
    assert set(records["ip_version"].tolist()) == {2}


def test_over_loopback_the_server_tells_and_what_nobody_wants_is_not_taken(
    ear: Ear, folder: Path, local: Server
) -> None:
    port, server = local
    ear.follows(libssl())
    client(folder, "", "ask", "127.0.0.1", port, "/a", "/b")
    records = ear.heard(port, lambda found: len(found) >= 4)
    assert set(records["pid"].tolist()) == {server}
    assert paths(records) == ["/a", "/b"]
    ear.payloads.want(records["index"].astype(np.int64), records["tag"], np.full(len(records), NOTHING))
    taken = ear.payloads.lanes.slots_read
    ear.payloads.admit(0.0)
    client(folder, "", "ask", "127.0.0.1", port, "/c")
    wait_for(lambda: ear.programs.losses()[8][0] > 2, "the loss")  # LOSS_PAYLOAD_SHARE
    assert len(paths(ear.look())) == 2
    assert ear.payloads.lanes.slots_read == taken


def test_of_a_long_call_as_many_slots_as_are_wanted(ear: Ear, between: World, threaded: Server) -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(HERE)!r}]; import tls, socket;"
        "from pathlib import Path; import json;"
        "c = tls.of_client().wrap_socket(socket.create_connection((sys.argv[1], int(sys.argv[2]))));"
        "c.sendall(b'GET /wait HTTP/1.1\\r\\n\\r\\n'); c.recv(9999);"
        "sys.stdin.readline(); c.sendall(b'GET /long HTTP/1.1\\r\\nX: ' + b'z' * 5000 + b'\\r\\n\\r\\n'); c.recv(9999)"
    )
    port = threaded[0]
    ear.follows(libssl())
    command = inside(between.near, [sys.executable, "-S", "-c", code, FAR, str(port)])
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as asking:
        records = ear.heard(port, lambda found: len(paths(sides(found, port)[1])) == 1)
        ours = sides(records, port)[1]
        ear.payloads.want(ours["index"].astype(np.int64), ours["tag"], np.full(len(ours), 4))
        asking.communicate("go\n")
    whole = ear.heard(port, lambda found: (sides(found, port)[1]["flags"] & payloads.MORE > 0).sum() == 3)
    slots = sides(whole, port)[1]
    slots = slots[slots["sequence"] >= 22]
    slots = slots[(slots["flags"] & payloads.OUT) != 0]
    first = int(slots["sequence"][0])
    assert (slots["sequence"] - first).tolist() == [part * PAYLOAD_BYTES for part in range(4)]
    assert b"".join(texts(slots)) == (b"GET /long HTTP/1.1\r\nX: " + b"z" * 5000)[: 4 * PAYLOAD_BYTES]


@pytest.mark.usefixtures("local")  # for the library to be there
def test_what_is_said_without_a_socket_is_counted(ear: Ear, folder: Path) -> None:
    ear.follows(libssl())
    assert client(folder, "", "alone", "-", 0) == {"heard": "nobody knows where"}
    wait_for(lambda: ear.programs.losses()[LOSS_CLEAR].tolist() == [2, 2, 36], "what one says and the other hears")


def in_own_mounts(script: str, library_folder: Path, folder: Path) -> Any:
    """A server that takes its library from a folder, after a script in a mount namespace of its own."""
    server = " ".join(tls("serve", folder, "127.0.0.1", 0))
    return running(["unshare", "-m", "sh", "-c", f"{script} && LD_LIBRARY_PATH={library_folder} exec {server}"])


def test_a_copy_in_another_mount_namespace_is_followed_while_it_is_used(ear: Ear, folder: Path, tmp_path: Path) -> None:
    script = f"mount -t tmpfs none {tmp_path} && cp {libssl()} {tmp_path}"
    with in_own_mounts(script, tmp_path, folder) as (port, _):
        assert not list(tmp_path.iterdir())  # here nothing is mounted
        ear.follows(f"{tmp_path}/libssl.so.3 of process")
        client(folder, "", "ask", "127.0.0.1", port, "/hidden")
        assert paths(ear.heard(port, lambda found: len(paths(found)) > 0)) == ["/hidden"]
    wait_for(lambda: not any(str(tmp_path) in one for one in ear.clear.attached), "the copy to be let go")


def test_an_overlay_of_a_file_is_that_file(ear: Ear, folder: Path, tmp_path: Path) -> None:
    lower, upper, work, merged = (tmp_path / name for name in ("lower", "upper", "work", "merged"))
    for place in (lower, upper, work, merged):
        place.mkdir()
    shutil.copy(libssl(), lower)
    script = f"mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={work} {merged}"
    tried = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"this kernel mounts no overlay there: {tried.stderr.strip()}")
    below = running(["env", f"LD_LIBRARY_PATH={lower}", *tls("serve", folder, "127.0.0.1", 0)])
    with below as (below_port, _), in_own_mounts(script, merged, folder) as (above_port, _):
        ear.follows(str(tmp_path))
        looked = ear.clear.looked
        wait_for(lambda: ear.clear.looked > looked + 3, "the overlay to be looked at")
        for port in (below_port, above_port):
            client(folder, "", "ask", "127.0.0.1", port, "/layer")
            assert paths(ear.heard(port, lambda found: len(paths(found)) > 0)) == ["/layer"]
        ours = [one for one in ear.clear.attached if str(tmp_path) in one]
        assert len(ours) == 1, ours


def test_node_whose_library_is_in_its_executable(ear: Ear, between: World, folder: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node here (Debian's package nodejs)")
    code = (
        "const https=require('https'),fs=require('fs'),f=process.argv[1];"
        "const s=https.createServer({key:fs.readFileSync(f+'/key.pem'),cert:fs.readFileSync(f+'/cert.pem')},"
        "(q,r)=>r.end('ok'));s.listen(0,process.argv[2],()=>console.log(s.address().port));"
    )
    with running(inside(between.far, [node, "-e", code, str(folder), FAR])) as (port, pid):
        ear.follows(str(Path(node).resolve()))  # others here may run a node of their own
        client(folder, between.near, "ask", FAR, port, "/n/1", "/n/2")
        records = ear.heard(port, lambda found: len(paths(sides(found, port)[0])) == 2)
    assert paths(sides(records, port)[0]) == ["/n/1", "/n/2"]
    assert set(sides(records, port)[0]["pid"].tolist()) == {pid}


def test_exchanges_over_tls_have_what_was_asked_and_by_whom(between: World, folder: Path) -> None:
    def http(flows):
        answers = (flows["flow_type"] == FlowType.L7) & (flows["is_reply"] == 1)
        rows = flows.take(answers & (flows["source_port"] == port))
        return [one for one in flows.tables.messages.read(rows["message"]) if one.method == "GET"]

    with nginx(folder, between.far, FAR, 8444) as port, watch() as watching:
        wait_for(lambda: watching.live.status().messages.get("tls_libraries"), "the library")
        urls = [f"https://{FAR}:{port}{path}" for path in ("/a?token=hidden", "/large", "/b")]
        for before, version in ((0, "--http1.1"), (6, "--http2")):
            command = ["curl", "-sk", version, *(word for url in urls for word in (url, "-o", "/dev/null"))]
            began = time.monotonic_ns()
            subprocess.run(inside(between.near, command), check=True)
            took_ns = time.monotonic_ns() - began
            flows = watching.until(lambda flows, wanted=before + 6: len(http(flows)) >= wanted)  # type: ignore[misc]
            new = http(flows)[before:]
            shown = sorted((one.method, one.target, one.status) for one in new)
            assert shown == sorted(2 * [("GET", path, 200) for path in ("/a", "/large", "/b")]), version
            assert all(0 < one.latency_ns < took_ns for one in new), version
        status, listening = watching.live.status(), watching.live._listening
    assert listening
    assert 0 < listening.governor.listened_s < time.process_time()  # by which its share is judged
    assert any("libssl" in one for one in status.attached)
    assert {one.name for one in status.capabilities if one.on} >= {*uprobes.PROGRAMS, *uprobes.TRACEPOINTS}


@pytest.mark.usefixtures("local")  # for the library to be there
def test_without_the_wish_no_library_is_touched() -> None:
    with watch(clear=False) as watching:
        assert "tls_libraries" not in watching.live.status().messages
        assert not any("clear" in one for one in watching.live.status().attached)
