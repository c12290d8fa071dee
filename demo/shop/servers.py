"""Starts the shop: its servers before the agent, who calls them after it; nothing here waits for anybody."""

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from glob import glob

from demo import place, processes
from demo.pods import DNSMASQ, nginx
from demo.shop import ports
from demo.shop.customers import CHECKOUT, NAME
from demo.shop.hidden import PASSWORD
from demo.shop.ports import HOST
from rubin.errors import RubinError
from tools.dev import debian

FOLDER = place.FOLDER / "shop"
CERTIFICATE, KEY = FOLDER / "checkout.pem", FOLDER / "checkout.key"
_TOP_S = 20.0
ROWS = 10
ADDRESS = "192.0.2.80"  # nobody goes there: the customers know the way
_PROXY = """
    upstream app {{ server {host}:{app}; keepalive 2; keepalive_requests 60; }}
    proxy_http_version 1.1; proxy_set_header Connection "";
    server {{ listen {host}:{listens}; {more} location / {{ proxy_pass http://app; }} }}
"""
_SECURE = "ssl_certificate {certificate}; ssl_certificate_key {key};"
_POSTGRES = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "50",
    "log_min_messages": "fatal",
}
_INITDB = "--username=shop --auth=trust --no-sync --no-instructions --wal-segsize=1 --locale=C --encoding=UTF8"


def lacks() -> list[str]:
    """Debian's names of what the shop needs and this machine does not have."""
    return debian.missing(("shop",))


class Shop:
    """The shop's processes."""

    def __init__(self) -> None:
        self._at = ports.free()
        self._running: dict[str, subprocess.Popen[str]] = {}
        FOLDER.mkdir()
        for folder in (FOLDER.parent, FOLDER):
            folder.chmod(0o755)  # PostgreSQL's user must get through, whatever the umask
        _make_certificate()
        self._start("postgres", _postgres(self._at.postgres))
        self._start("redis", _redis(self._at.redis))
        self._start("dns", [*DNSMASQ, *_names(self._at.dns)])
        self._start("prices", _python("prices", self._at.word()))
        self._start("app", _python("application", self._at.word()))
        self._start("front", self._nginx("front", str(self._at.front)))
        secure = _SECURE.format(certificate=CERTIFICATE, key=KEY)
        self._start("checkout", self._nginx("checkout", f"{self._at.checkout} ssl", secure))

    def open(self) -> None:
        """The customers come as soon as all servers are there."""
        self._start("customers", _python("customers", self._at.word(), str(CERTIFICATE)))

    def top(self, rubin: str, server: str) -> None:
        """Prints the busiest endpoints, as `rubin top` does."""
        words = ["top", "-n", str(ROWS), "--cgroup", f"/{place.cgroup().name}/{FOLDER.name}"]
        print(f"$ rubin {' '.join(words)}", flush=True)
        asking = processes.start("top", [rubin, *words, "--server", server], stdout=sys.stdout.fileno())
        with suppress(subprocess.TimeoutExpired):
            asking.wait(_TOP_S)

    def check(self) -> None:
        """Raises RubinError where one of them has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                words = processes.log_of(f"{FOLDER.name}/{name}.scope").read_text()[-500:].strip() or "it said nothing"
                raise RubinError(f"the shop's {name} ended with exit code {process.returncode}", words)

    def _nginx(self, name: str, listens: str, more: str = "") -> list[str]:
        return nginx(name, _PROXY.format(host=HOST, app=self._at.app, listens=listens, more=more))

    def _start(self, name: str, command: Sequence[str]) -> None:
        self._running[name] = processes.start(f"{FOLDER.name}/{name}.scope", command)


def _python(module: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"demo.shop.{module}", *words]


def _postgres(port: int) -> list[str]:
    """Not as root, which it refuses to be; with shared memory of its own, which would outlive SIGKILL: System V's in a
    namespace, POSIX's on a mount.
    """
    programs = max(glob(debian.PACKAGES["shop"]["postgresql"])).rpartition("/")[0]
    user, folder = _user("postgres", "nobody"), FOLDER / "postgres"
    folder.mkdir(mode=0o700)
    os.chown(folder, user.pw_uid, user.pw_gid)
    settings = " ".join(f"-c {name}='{value}'" for name, value in _POSTGRES.items())
    script = (
        f"cd {folder} && {programs}/initdb -D {folder}/data {_INITDB} >&2 && "
        f"exec {programs}/postgres -D {folder}/data -p {port} {settings}"
    )
    become = f"setpriv --reuid={user.pw_uid} --regid={user.pw_gid} --clear-groups"
    hidden = f'mount -t tmpfs tmpfs /dev/shm && exec {become} sh -c "$0"'
    return ["unshare", "--ipc", "--mount", "--propagation", "slave", "sh", "-c", hidden, script]


def _user(*names: str) -> pwd.struct_passwd:
    known = {user.pw_name: user for user in pwd.getpwall()}
    return next(known[name] for name in names if name in known)


def _redis(port: int) -> list[str]:
    settings = {
        "bind": HOST, "port": str(port), "requirepass": PASSWORD, "save": "", "appendonly": "no",
        "dir": str(FOLDER), "loglevel": "warning",
    }  # fmt: skip
    (FOLDER / "redis.conf").write_text("".join(f'{name} "{value}"\n' for name, value in settings.items()))
    return ["redis-server", str(FOLDER / "redis.conf")]


def _names(port: int) -> list[str]:
    names = ",".join((NAME, CHECKOUT, f"static.{NAME}"))
    own = (f"--listen-address={HOST}", "--bind-interfaces", f"--port={port}", "--no-resolv")
    return [*own, f"--host-record={names},{ADDRESS}", f"--local=/{NAME}/"]


def _make_certificate() -> None:
    """A certificate that says of itself that it is the shop's."""
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    who = ("-subj", f"/CN={CHECKOUT}", "-addext", f"subjectAltName=DNS:{CHECKOUT}")
    command = ["openssl", "req", *kind, *who, "-out", str(CERTIFICATE), "-keyout", str(KEY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RubinError("the shop's certificate cannot be made", done.stderr.strip()[-500:])
