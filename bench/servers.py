"""Real servers in the far namespace, with configurations of the bench's own."""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from glob import glob
from pathlib import Path

from bench import world
from bench.clients import http, postgresql
from tests.kernel import golang
from tools.dev import debian

HTTP, HTTPS, DNS, GRPC, POSTGRESQL, REDIS, GO_HTTPS = 7080, 7443, 7053, 7051, 7432, 7379, 7444
PORTS = {"http": HTTP, "https": HTTPS, "dns": DNS, "grpc": GRPC, "postgresql": POSTGRESQL, "redis": REDIS}
"""Where each protocol of bench.clients is spoken."""
OWNERS = {
    **dict.fromkeys(("http", "https"), "nginx"),
    **dict.fromkeys(("dns", "grpc"), Path(sys.executable).name[:15]),
    "postgresql": "postgres",
    "redis": "redis-server",
}
"""The command of the process that serves it."""
_CERTIFICATE = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench -batch"
_INITDB = ("--auth=trust", "--no-sync", "--no-instructions", "--wal-segsize=1", "--locale=C", "--encoding=UTF8")
_POSTGRESQL = {"listen_addresses": world.FAR_ADDRESS, "unix_socket_directories": "", "fsync": "off"}


@contextmanager
def all_of_them(folder: Path) -> Iterator[None]:
    """One a protocol, once each listens."""
    with ExitStack() as stack:
        stack.enter_context(nginx(folder))
        for kind in ("dns", "grpc"):
            words = ("-m", "bench.clients", f"{kind}-server", world.FAR_ADDRESS, str(PORTS[kind]))
            stack.enter_context(world.serving(sys.executable, *words))
        stack.enter_context(_redis(folder))
        stack.enter_context(_postgresql(folder))
        for port in PORTS.values():
            world.wait_for_port(world.FAR, str(port))
        yield


@contextmanager
def nginx(folder: Path) -> Iterator[int]:
    """Plain and with TLS, one worker: its pid, once it serves."""
    certificate, key = _certificate(folder)
    statuses = "\n".join(f'location /s{status}/ {{ return {status} "hello\\n"; }}' for status in set(http.STATUSES))
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 1000000000;\n"
        f"ssl_certificate {certificate}; ssl_certificate_key {key};\n"
        f"server {{ listen {world.FAR_ADDRESS}:{HTTP}; listen {world.FAR_ADDRESS}:{HTTPS} ssl;\n"
        f"{statuses} location /files/ {{ alias {folder}/; }} }} }}\n"
    )
    with world.serving("nginx", "-c", str(configuration), "-p", str(folder)) as master:
        world.wait_for_port(world.FAR, str(HTTP))
        children = f"/proc/{master.pid}/task/{master.pid}/children"
        world.wait_until(lambda: Path(children).read_text().split())
        yield int(Path(children).read_text().split()[0])


@contextmanager
def go_https(folder: Path) -> Iterator[int | None]:
    """HTTPS by Go's crypto/tls, on one processor as nginx: its pid, once it serves; None where there is no Go."""
    if golang.root() is None:
        yield None
        return
    _certificate(folder)
    words = ("serve", world.FAR_ADDRESS, str(GO_HTTPS), str(folder))
    with world.serving("env", "GOMAXPROCS=1", str(golang.built("tls")), *words) as server:
        world.wait_for_port(world.FAR, str(GO_HTTPS))
        yield server.pid


def _certificate(folder: Path) -> tuple[Path, Path]:
    """(certificate, key), made where they are not there yet."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    if not key.exists():
        world.run("openssl", *_CERTIFICATE.split(), "-out", str(certificate), "-keyout", str(key))
    return certificate, key


@contextmanager
def _redis(folder: Path) -> Iterator[None]:
    words = ("--bind", world.FAR_ADDRESS, "--port", str(REDIS), "--protected-mode", "no", "--save", "")
    with world.serving("redis-server", *words, "--dir", str(folder)):
        yield


@contextmanager
def _postgresql(folder: Path) -> Iterator[None]:
    """Not as root, which it refuses to be."""
    programs = Path(max(glob(debian.PACKAGES["shop"]["postgresql"]))).parent
    user, data = pwd.getpwnam("postgres"), folder / "postgresql"
    folder.chmod(0o755)
    data.mkdir(mode=0o700)
    os.chown(data, user.pw_uid, user.pw_gid)
    become = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    initdb = [*become, str(programs / "initdb"), "-D", str(data), f"--username={postgresql.USER}", *_INITDB]
    subprocess.run(initdb, check=True, capture_output=True, cwd=data)
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all {world.NEAR_ADDRESS}/32 trust\n")
    made = [*become, str(programs / "postgres"), "--single", "-D", str(data), "postgres"]
    subprocess.run(made, input=postgresql.TABLE, check=True, capture_output=True, cwd=data, text=True)
    settings = [word for name, value in _POSTGRESQL.items() for word in ("-c", f"{name}={value}")]
    command = [*become, str(programs / "postgres"), "-D", str(data), "-p", str(POSTGRESQL), *settings]
    with world.serving(*command):
        yield
