"""Who calls the shop: some twenty requests a second, of which every eighth fails, until the process ends."""

import http.client
import itertools
import random
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple

from demo.shop import dns, ports
from demo.shop.hidden import PASSWORD, TOKEN
from demo.shop.ports import HOST, Ports

NAME = "shop.example"
CHECKOUT = f"checkout.{NAME}"
PATIENCE_S = 60.0
TIMEOUT_S = 10
# What a customer asks for in turn; {} is a number, a new one each time round.
ROUND = """
    /items/1?token={token} /baskets/{} /items/2 /items/44 /search?name={token} /items/3 /orders/{} /reports/{} /items/4
    /baskets/7 /items/5 /missing /items/6 /items/7 /pay /items/8 /baskets/{} /orders/1 /items/9 /items/10 /search
    /items/11 /items/12 /baskets/{} /items/13 /items/14 /orders/2{} /items/15
"""


def shopping(at: Ports, number: int) -> Iterator[None]:
    """One customer, a connection a round."""
    for turn in itertools.count(number, 10):
        connection = http.client.HTTPConnection(HOST, at.front, timeout=TIMEOUT_S)
        for path in ROUND.replace("{}", str(100 + turn)).format(token=TOKEN).split():
            _ask(connection, NAME, "POST" if path.startswith("/orders") else "GET", path)
            yield
        connection.close()


def paying(at: Ports, certificate: str) -> Iterator[None]:
    """Logging in by HTTPS, a connection each; every fourth does not trust the shop's certificate."""
    trusting, careful = ssl.create_default_context(cafile=certificate), ssl.create_default_context()
    for turn in itertools.count():
        with socket.create_connection((HOST, at.checkout), timeout=TIMEOUT_S) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = careful if turn % 4 == 1 else trusting
            try:
                connection = http.client.HTTPSConnection(CHECKOUT, timeout=TIMEOUT_S)
                connection.sock = context.wrap_socket(plain, server_hostname=CHECKOUT)
                _ask(connection, CHECKOUT, "POST", f"/login/{turn}", f"password={PASSWORD}")
                connection.close()
            except ssl.SSLCertVerificationError:
                pass
        yield


def looking_up(at: Ports) -> Iterator[None]:
    """Names, of which one does not exist."""
    for name in itertools.cycle((NAME, CHECKOUT, f"static.{NAME}", f"shpo.{NAME}")):
        dns.ask(at.dns, name)
        yield


def _ask(connection: http.client.HTTPConnection, host: str, method: str, path: str, body: str | None = None) -> None:
    trace = f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-01"
    headers = {"Host": host, "Authorization": f"Bearer {TOKEN}", "traceparent": trace}
    connection.request(method, path, body=body, headers=headers)
    connection.getresponse().read()


def again_and_again(every_s: float, steps: Callable[[], Iterator[None]]) -> None:
    """Takes a step every so often; begins anew where something broke off."""
    while True:
        try:
            for _ in steps():
                time.sleep(every_s * random.uniform(0.5, 1.5))
        except (OSError, http.client.HTTPException) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            time.sleep(0.5)


def wait_for_all(at: Ports) -> None:
    """Returns when all servers take connections; raises OSError where one does not."""
    end = time.monotonic() + PATIENCE_S
    for port in astuple(at):
        while True:
            try:
                socket.create_connection((HOST, port), timeout=TIMEOUT_S).close()
                break
            except OSError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.05)


def main(at: Ports, certificate: str) -> None:
    """All of them, each on a thread."""
    wait_for_all(at)
    for every_s, steps in (
        (0.1, lambda: shopping(at, 1)),
        (0.1, lambda: shopping(at, 2)),
        (0.5, lambda: paying(at, certificate)),
        (0.2, lambda: looking_up(at)),
    ):
        threading.Thread(target=again_and_again, args=(every_s, steps)).start()


if __name__ == "__main__":
    main(ports.parse(sys.argv[1]), sys.argv[2])
