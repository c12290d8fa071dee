"""What is no runtime, or none that may be read, is said in clear words, and nothing else happens."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rubin.identity.containers.containerd import Containerd
from rubin.identity.containers.cri import Cri
from rubin.identity.containers.docker import Docker
from tests.identity.containers import servers
from tests.identity.containers.told import told
from tests.waiting import wait_for

PROVIDERS = (Cri, Containerd, Docker)
GOAWAY = bytes.fromhex("000000040000000000") + bytes.fromhex("00000807000000000000000000000000") + bytes(1)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_a_socket_it_keeps_quiet(
    tmp_path: Path, provider: Callable[..., Any], caplog: pytest.LogCaptureFixture
):
    with told(provider((str(tmp_path / "a.sock"), str(tmp_path / "b.sock")))) as known:
        assert known.provider.status() == "no container runtime's socket is there"
        assert known() == {}
    assert not caplog.records


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (servers.close, "closed the connection"),
        (servers.echo, "is no container runtime: it does not speak "),
        (servers.saying(b"220 mail.example.org ESMTP\r\n"), "is no container runtime: it does not speak "),
        (servers.saying(bytes(range(256)) * 16), "is no container runtime: it does not speak "),
        (servers.saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), ""),
        (servers.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), "is no container runtime"),
        (servers.saying(GOAWAY), ""),
    ],
)
def test_another_server_is_said_to_be_one(tmp_path: Path, provider: Callable[..., Any], serve: Any, words: str):
    with servers.listening(tmp_path / "x.sock", serve) as path, told(provider((str(path),))) as known:
        line = known.status(f"{path} {words}")
        assert known() == {}
        assert "at 0x" not in line


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_hangs_does_not_keep_it_from_ending(tmp_path: Path, provider: Callable[..., Any]):
    accepted = threading.Event()

    def serve(connection: socket.socket) -> None:
        accepted.set()
        servers.hang(connection)

    with servers.listening(tmp_path / "x.sock", serve) as path:
        hanging = provider((str(path),))
        assert accepted.wait(5.0)
        begin = time.monotonic()
        hanging.close()
        assert time.monotonic() - begin < 1.0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_where_nobody_listens_it_says_so_and_looks_again_when_the_socket_is_another(
    tmp_path: Path, provider: Callable[..., Any]
):
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with told(provider((str(path),))) as known:
        known.status(f"{path} nobody listens there")
        path.unlink()
        with servers.listening(path, servers.close):
            known.status(f"{path} closed the connection", 5.0)
        known.status(f"{path} is not there", 5.0)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_no_socket_is_not_touched(tmp_path: Path, provider: Callable[..., Any]):
    (tmp_path / "x.sock").write_text("a file")
    with told(provider((str(tmp_path / "x.sock"),))) as known:
        assert known.provider.status() == "no container runtime's socket is there"


@pytest.mark.parametrize("name", ["cri.Cri", "containerd.Containerd", "docker.Docker"])
def test_without_permission_it_says_so(tmp_path: Path, name: str):
    module, _, kind = name.partition(".")
    program = f"""
import sys, time
from rubin.identity.containers.{module} import {kind}
provider = {kind}((sys.argv[1],))
end = time.monotonic() + 10
while "permission" not in provider.status() and time.monotonic() < end: time.sleep(0.02)
print(provider.status())
"""
    folder = Path("/tmp") / f"rubin-{tmp_path.name}"  # pytest's own folders are shut to other users
    folder.mkdir(mode=0o755)
    try:
        with servers.listening(folder / "x.sock", servers.close) as path:
            path.chmod(0o600)
            user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            words = [*user, sys.executable, "-c", program, str(path)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
        assert done.stdout.strip() == f"{path} permission denied: run as root, or in the socket's group"
    finally:
        folder.rmdir()


DOCKER = '{"Version": "27.1", "ApiVersion": "1.46", "Components": [{"Name": "Engine"}]}'


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, "answers HTTP 404 to /version"),
        ({"/version": (500, b"oops")}, "answers HTTP 500 to /version"),
        ({"/version": (200, b"<html>")}, "is no container runtime: it does not answer in JSON"),
        ({"/version": (200, b"[" * 100_000)}, "is no container runtime: it does not answer in JSON"),
        ({"/version": (200, b"[]")}, "is no container runtime: it does not speak Docker's API"),
        ({"/version": (200, DOCKER.encode())}, "answers HTTP 404 when asked for events"),
        ({"/version": (200, DOCKER.encode()), "/events": (200, b"")}, "answers HTTP 404 to /containers/json"),
        (
            {"/version": (200, DOCKER.encode()), "/events": (200, b"no\n"), "/containers/json": (200, b"{}")},
            "is no container runtime: it does not answer in JSON",
        ),
    ],
)
def test_an_http_server_that_is_no_docker_is_said_to_be_none(tmp_path: Path, answers: Any, words: str):
    with servers.http(tmp_path / "x.sock", answers) as path, told(Docker((str(path),))) as known:
        known.status(f"{path} {words}")


def test_pauses_grow_so_that_a_broken_server_is_left_alone(tmp_path: Path):
    connections: list[socket.socket] = []
    begin = time.monotonic()
    with servers.listening(tmp_path / "x.sock", connections.append) as path, told(Cri((str(path),))) as known:
        wait_for(lambda: len(connections) >= 3, "three attempts", 10.0)
        assert time.monotonic() - begin >= 2.9, "a second, then two"
        assert "closed" in known.provider.status()
