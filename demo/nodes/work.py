"""What runs on a node: `serve OWN PORT` answers whoever asks, `ask PER_SECOND PORT FILE OWN ADDRESS...` asks the others
in turn, on a connection each, and writes the port it had into FILE: so it is known what there was to see.
"""

import itertools
import socket
import sys
import time

PATIENCE_S = 5.0
# Below those that the kernel gives: each connection has one of its own, and is known by it.
PORTS = range(10_000, 32_000)


def serve(address: str, port: int) -> None:
    """Answers for ever, one after the other."""
    with socket.create_server((address, port), backlog=512) as listening:
        while True:
            connection, _ = listening.accept()
            connection.settimeout(PATIENCE_S)
            with connection:
                try:
                    if connection.recv(16):
                        connection.sendall(b"yes\n")
                except OSError:  # who asked has gone
                    continue


def ask(per_second: float, port: int, path: str, own: str, addresses: list[str]) -> None:
    """A line a connection that was answered: when it began in ns, our address and port, the other's address."""
    due = time.monotonic()
    with open(path, "a", buffering=1) as made:
        for address, own_port in zip(itertools.cycle(addresses), itertools.cycle(PORTS)):
            due = max(due + 1 / per_second, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))
            began_ns = time.time_ns()
            try:
                with socket.create_connection((address, port), PATIENCE_S, (own, own_port)) as connection:
                    connection.sendall(b"well?\n")
                    if connection.recv(16):
                        made.write(f"{began_ns} {own} {own_port} {address}\n")
            except OSError:  # nobody answers yet
                continue


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "serve":
        serve(words[0], int(words[1]))
    else:
        ask(float(words[0]), int(words[1]), words[2], words[3], words[4:])
