"""Two hosts joined by a cable, as network namespaces, with a web server on one of them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import wait_for

CLIENT, SERVER = "rubin-e2e-client", "rubin-e2e-server"
CLIENT_ADDRESS, SERVER_ADDRESS = "192.0.2.1", "192.0.2.2"
PORT = 80
BIG_BYTES = 64 << 20

NGINX = """
daemon off; master_process off; user root; pid {folder}/nginx.pid; error_log stderr warn;
events {{}}
http {{
    access_log off; sendfile on;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen {port}; root {folder}; }}
}}
"""


@dataclass(frozen=True)
class Hosts:
    """A client and a server that has the files `small` and `big`."""

    folder: Path

    def inside(self, namespace: str, *command: str) -> list[str]:
        """The words of a command that runs in one of the two."""
        return ["ip", "netns", "exec", namespace, *command]

    def fetch(self, name: str = "small") -> bytes:
        """What the client gets of a file of the server's, by curl."""
        command = self.inside(CLIENT, "curl", "-sS", "--fail", "-m", "10", f"http://{SERVER_ADDRESS}:{PORT}/{name}")
        return subprocess.run(command, check=True, capture_output=True).stdout

    def fetching(self, bytes_per_s: int) -> "subprocess.Popen[bytes]":
        """A client in the middle of fetching `big` at a limited rate; its exit code tells whether it got all."""
        words = ("curl", "-sS", "--fail", "--limit-rate", str(bytes_per_s), "-o", os.devnull)
        return subprocess.Popen(self.inside(CLIENT, *words, f"http://{SERVER_ADDRESS}:{PORT}/big"))


@contextmanager
def hosts(folder: Path) -> Iterator[Hosts]:
    """The two, gone at the end whatever happens."""
    _clear()
    server = None
    try:
        _build()
        (folder / "small").write_bytes(b"hello\n")
        (folder / "big").write_bytes(bytes(BIG_BYTES))
        settings = folder / "nginx.conf"
        settings.write_text(NGINX.format(folder=folder, port=PORT))
        pair = Hosts(folder)
        server = subprocess.Popen(pair.inside(SERVER, "nginx", "-e", "stderr", "-c", str(settings)))
        wait_for(lambda: _listens(pair), "nginx to listen")
        yield pair
    finally:
        if server is not None:
            server.kill()
            server.wait()
        _clear()


def _listens(pair: Hosts) -> bool:
    command = pair.inside(SERVER, "ss", "-Hltn", f"sport = :{PORT}")
    return bool(subprocess.run(command, capture_output=True, check=True).stdout)


def _build() -> None:
    for name in (CLIENT, SERVER):
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
    _ip("link", "add", "eth0", "netns", CLIENT, "type", "veth", "peer", "name", "eth0", "netns", SERVER)
    for name, address in ((CLIENT, CLIENT_ADDRESS), (SERVER, SERVER_ADDRESS)):
        _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")


def _clear() -> None:
    for name in (CLIENT, SERVER):
        if Path("/run/netns", name).exists():
            _ip("netns", "delete", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
