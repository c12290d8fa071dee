"""Servers of several kinds and their clients, on the loopback: `python serving.py WHAT [NUMBER]`; prints JSON.

workers: two that a parent has forked accept from its listener. fork_each: a parent accepts, a child serves.
threads: one process accepts in threads. datagrams: two that a parent has forked answer from its UDP socket.
short NUMBER: as many processes, each one connection, gone at once.
translated ASKED SERVER: a client that asks for ASKED, port 80, where NAT leads to a server on 8080.
A server answers with its pid.
"""

import json
import os
import socket
import sys
import threading
from collections.abc import Callable

ROUNDS = 20


def serve(connection: socket.socket) -> None:
    with connection:
        connection.recv(16)
        connection.sendall(str(os.getpid()).encode())


def forked(serve_one: Callable[[], None]) -> Callable[[], None]:
    """Two children that serve for ever; returns how to end them."""
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            while True:
                serve_one()
        children.append(child)

    def end() -> None:
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)

    return end


def workers(server: socket.socket) -> Callable[[], None]:
    return forked(lambda: serve(server.accept()[0]))


def datagrams() -> dict[str, object]:
    def answer() -> None:
        _, client = server.recvfrom(16)
        server.sendto(str(os.getpid()).encode(), client)

    served_by = {}
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        end = forked(answer)
        for _ in range(ROUNDS):
            with socket.socket(type=socket.SOCK_DGRAM) as client:
                client.connect(server.getsockname())
                client.sendall(b"who")
                served_by[client.getsockname()[1]] = int(client.recv(16))
        end()
    return {"served_by": served_by, "pid": os.getpid()}


def fork_each(server: socket.socket) -> Callable[[], None]:
    def accept() -> None:
        for _ in range(ROUNDS):
            connection, _ = server.accept()
            child = os.fork()
            if not child:
                serve(connection)
                os._exit(0)
            connection.close()
            os.waitpid(child, 0)

    parent = os.fork()
    if not parent:
        accept()
        os._exit(0)
    return lambda: (os.waitpid(parent, 0), None)[1]


def threads(server: socket.socket) -> Callable[[], None]:
    def accept() -> None:
        for _ in range(ROUNDS):
            serve(server.accept()[0])

    thread = threading.Thread(target=accept)
    thread.start()
    return thread.join


def ask(address: tuple[str, int]) -> tuple[int, int]:
    """The client's port and who answered."""
    with socket.create_connection(address) as client:
        client.sendall(b"who")
        return client.getsockname()[1], int(client.recv(16))


def many(start: Callable[[socket.socket], Callable[[], None]]) -> dict[str, object]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        end = start(server)
        served_by = dict(ask(server.getsockname()) for _ in range(ROUNDS))
        end()
    return {"served_by": served_by, "pid": os.getpid()}


def short(number: int) -> dict[str, object]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        code = f"import socket;c=socket.create_connection({address!r});c.sendall(b'x');c.close()"
        pids = []
        for _ in range(number):
            child = os.fork()
            if not child:
                os.execv(sys.executable, [sys.executable, "-S", "-c", code])
            connection, _ = server.accept()
            connection.recv(1)
            connection.close()
            os.waitpid(child, 0)
            pids.append(child)
    return {"pids": pids}


def translated(asked: str, address: str) -> dict[str, object]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 8080), family=family) as server:
        thread = threading.Thread(target=lambda: serve(server.accept()[0]))
        thread.start()
        port, _ = ask((asked, 80))
        thread.join()
    return {"port": port}


if __name__ == "__main__":
    what, rest = sys.argv[1], sys.argv[2:]
    kinds: dict[str, Callable[[], dict[str, object]]] = {
        "workers": lambda: many(workers),
        "fork_each": lambda: many(fork_each),
        "threads": lambda: many(threads),
        "datagrams": datagrams,
        "short": lambda: short(int(rest[0])),
        "translated": lambda: translated(*rest),
    }
    said = kinds[what]()
    print(json.dumps(said), flush=True)
