"""Real containers: a containerd of the demo's own with runc, an image made by hand, and two networks.

containerd's shims keep some of their state in one folder of the machine, wherever the rest is. So it runs in
a mount namespace, in which that folder is another.
"""

import socket
import subprocess
import time
from pathlib import Path

from demo import images, processes, world
from demo.place import FOLDER, PREFIX, keep_empty
from rubin.errors import RubinError

SOCKET = FOLDER / "containerd.sock"
SHOP_ADDRESS, STOCK_ADDRESS, STOCK_PORT = "198.18.77.1", "198.18.77.2", 8000
_SHIMS = Path("/run/containerd")
_READY_S, _RUN_S = 20.0, 20.0
_SETTINGS = """
version = 2
root = "{folder}/containerd/root"
state = "{folder}/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{socket}"
[ttrpc]
address = "{folder}/containerd.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/containerd/opt"
"""
# busybox's wget looks names up as a static glibc does not survive without its libraries; nc takes numbers.
_CALL = r"while true; do printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 5 {} {} >/dev/null; sleep 1; done"


def start(web_port: int, orders_port: int) -> None:
    """`shop` calls `stock`, each in a network of its own; `web` serves and `report` calls, both in the machine's.

    Raises RubinError where containers cannot run.
    """
    _start_containerd()
    _connect("shop", "stock")
    _run("stock", "stock", "httpd", "-f", "-p", str(STOCK_PORT), "-h", "/etc")
    _run("shop", "shop", "sh", "-c", _CALL.format(STOCK_ADDRESS, STOCK_PORT))
    _run("web", "", "httpd", "-f", "-p", f"127.0.0.1:{web_port}", "-h", "/etc")
    _run("report", "", "sh", "-c", _CALL.format("127.0.0.1", orders_port))


def _start_containerd() -> None:
    keep_empty(_SHIMS)
    settings = FOLDER / "containerd.toml"
    settings.write_text(_SETTINGS.format(folder=FOLDER, socket=SOCKET))
    hidden = f"mount -t tmpfs tmpfs {_SHIMS} && exec containerd -c {settings}"
    apart = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", hidden]
    daemon = processes.start("containerd", apart)
    end = time.monotonic() + _READY_S
    while not _listens():
        if daemon.poll() is not None or time.monotonic() > end:
            raise RubinError("containerd does not start", _words())
        time.sleep(0.02)
    images.write(FOLDER / "image.tar")
    _ctr("images", "import", str(FOLDER / "image.tar"))


def _words() -> str:
    return processes.log_of("containerd").read_text()[-500:].strip() or "see what `containerd` says when run by hand"


def _listens() -> bool:
    with socket.socket(socket.AF_UNIX) as door:
        return door.connect_ex(str(SOCKET)) == 0


def _connect(first: str, second: str) -> None:
    """Two network namespaces and the cable between them."""
    names = [f"{PREFIX}{name}" for name in (first, second)]
    for name in names:
        world.ip("netns", "add", name)
        world.ip("-n", name, "link", "set", "lo", "up")
    world.ip("link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "name", "eth0", "netns", names[1])
    for name, address in zip(names, (SHOP_ADDRESS, STOCK_ADDRESS), strict=True):
        world.ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        world.ip("-n", name, "link", "set", "eth0", "up")


def _run(name: str, network: str, *command: str) -> None:
    """A container; without a network of its own it has the machine's."""
    where = ("--with-ns", f"network:/run/netns/{PREFIX}{network}") if network else ("--net-host",)
    group = f"/{PREFIX.rstrip('-')}/containers/{name}"
    _ctr("run", "--detach", "--null-io", "--cgroup", group, *where, images.NAME, name, *command)


def _ctr(*words: str) -> None:
    command = ["timeout", str(_RUN_S), "ctr", "--address", str(SOCKET), "--namespace", "rubin-demo", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words_of_it = done.stderr.strip() or f"no answer within {_RUN_S:.0f} s"
        raise RubinError(f"the demo's containers cannot run: ctr {words[0]}: {words_of_it}", _words())
