"""Real runtimes: containerd with its CRI, Podman and Docker."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from demo import images
from rubin.identity.containers.sockets import dial
from tests.containers.apart import Place, apart
from tests.waiting import wait_for

NAMESPACE = "rubin-containerd"
"""containerd's namespace for what `ctr` runs, and the cgroup above all its containers."""
SUBNET, SUBNET_6 = "10.213.7.0/24", "fd00:213:7::/64"

_CONTAINERD = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
address = "{folder}/runtime.sock"
[ttrpc]
address = "{folder}/ttrpc.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{image}"
stream_server_address = "127.0.0.1"
stream_server_port = "0"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{folder}/networks"
"""
_NETWORK = """
{{"cniVersion": "0.4.0", "name": "rubin-net", "plugins": [{{"type": "bridge", "bridge": "rubin-br0", "ipam": {{
  "type": "host-local", "dataDir": "{folder}/leases", "ranges": [[{{"subnet": "{v4}"}}], [{{"subnet": "{v6}"}}]]
}}}}]}}
"""
_PODMAN = """
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "cni"
cni_plugin_dirs = ["/usr/lib/cni"]
[containers]
log_driver = "k8s-file"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]  # its own are above what a root without resources may set
"""
_STORAGE = """
[storage]
driver = "vfs"
runroot = "{folder}/run"
graphroot = "{folder}/root"
"""
_DOCKERS = ("/run/containerd", "/run/docker", "/var/lib/docker")
_DOCKER = (
    "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--bridge=none",
    "--userland-proxy=false", "--storage-driver=vfs", "--exec-opt=native.cgroupdriver=cgroupfs",
)  # fmt: skip


class Daemon:
    """A runtime that can die and come back. `socket` is where it listens."""

    def __init__(self, place: Place, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self.name, self.folder, self.socket = place.name, place.folder, place.folder / "runtime.sock"
        self._command, self._environment = [*place.before, *command], {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.socket.unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._environment)
        wait_for(self._listens, f"a runtime at {self.socket}", 20.0)

    def _listens(self) -> bool:
        try:
            dial(str(self.socket), 5.0).close()
        except OSError:
            return False
        return True

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=5.0)
        self._process = None


@contextmanager
def containerd() -> Iterator[Daemon]:
    """containerd with the image for pods and for `ctr`."""
    with apart(NAMESPACE, "/run/containerd", "/var/lib/cni") as place:
        _write(place, "config.toml", _CONTAINERD)
        _write(place, "networks/1.conflist", _NETWORK)
        with _running(Daemon(place, ["containerd", "-c", f"{place.folder}/config.toml"])) as daemon:
            images.write(daemon.folder / "image.tar")
            for namespace in ("k8s.io", NAMESPACE):
                ctr(daemon, "images", "import", str(daemon.folder / "image.tar"), namespace=namespace)
            yield daemon


def ctr(daemon: Daemon, *words: str, namespace: str = NAMESPACE) -> str:
    """What `ctr` prints."""
    command = ["ctr", "-a", str(daemon.socket), "-n", namespace, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def podman() -> Iterator[Daemon]:
    """Podman's service, with the network rubin-net."""
    with apart("rubin-podman", "/run/runc", "/var/lib/cni", "/var/lib/containers") as place:
        _write(place, "containers.conf", _PODMAN)
        _write(place, "storage.conf", _STORAGE)
        _write(place, "networks/1.conflist", _NETWORK)
        folders = {"root": "root", "runroot": "run", "tmpdir": "tmp", "network-config-dir": "networks"}
        words = [f"--{option}={place.folder / name}" for option, name in folders.items()]
        command = ["podman", *words, "system", "service", "--time=0", f"unix://{place.folder}/runtime.sock"]
        files = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_STORAGE_CONF": "storage.conf"}
        environment = {name: f"{place.folder}/{file}" for name, file in files.items()}
        with _running(Daemon(place, command, environment)) as daemon:
            yield daemon


@contextmanager
def docker() -> Iterator[Daemon]:
    """Docker's engine, with a containerd of its own."""
    with apart("rubin-docker", "/etc/docker", "/opt/containerd", *_DOCKERS) as place:
        _write(place, "daemon.json", "{{}}")
        files = {"config-file": "daemon.json", "data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        words = [f"--{option}={place.folder / name}" for option, name in files.items()]
        with _running(Daemon(place, ["dockerd", *_DOCKER, *words, f"--host=unix://{place.folder}/runtime.sock"])) as it:
            yield it


@contextmanager
def _running(daemon: Daemon) -> Iterator[Daemon]:
    try:
        yield daemon
    finally:
        daemon.end()


def _write(place: Place, name: str, text: str) -> None:
    path = Path(place.folder, name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.format(folder=place.folder, image=images.NAME, v4=SUBNET, v6=SUBNET_6))
