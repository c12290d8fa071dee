"""A process of its own that makes traffic on the loopback: `python peer.py WHAT [NUMBER]`; prints JSON.

tcp BYTES: a connection over which BYTES go one way. udp NUMBER: datagrams of 100 bytes from one socket
to another. old BYTES: a connection that says where it is, and sends when told to. flood NUMBER: datagrams
to as many ports, whether anyone is there or not. short NUMBER: connections one after the other, a hundred a
second, each with a word that no protocol has. http NUMBER: connections, each with a request and its answer.
"""

import json
import os
import socket
import sys
import threading
import time


def tcp(size: int) -> dict[str, int]:
    server = socket.create_server(("127.0.0.1", 0))
    listens_on = server.getsockname()[1]
    received: list[int] = []

    def take() -> None:
        connection, _ = server.accept()
        with connection:
            while piece := connection.recv(1 << 16):
                received.append(len(piece))

    taking = threading.Thread(target=take)
    taking.start()
    with socket.create_connection(server.getsockname()) as client:
        port = client.getsockname()[1]
        client.sendall(bytes(size))
    taking.join()
    server.close()
    return {"source_port": port, "destination_port": listens_on, "received": sum(received)}


def udp(number: int) -> dict[str, int]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
    ):
        there.bind(("127.0.0.1", 0))
        here.bind(("127.0.0.1", 0))
        for _ in range(number):
            here.sendto(bytes(100), there.getsockname())
            there.recv(200)
        return {"source_port": here.getsockname()[1], "destination_port": there.getsockname()[1], "sent": number}


def old(size: int) -> dict[str, int]:
    server = socket.create_server(("127.0.0.1", 0))
    with socket.create_connection(server.getsockname()) as client, server.accept()[0] as accepted:
        ports = {"source_port": client.getsockname()[1], "destination_port": server.getsockname()[1]}
        print(json.dumps({**ports, "pid": os.getpid()}), flush=True)
        sys.stdin.readline()
        client.sendall(bytes(size))
        accepted.recv(size, socket.MSG_WAITALL)
        accepted.sendall(b"thanks")
        client.recv(6)
    server.close()
    return ports


def flood(number: int) -> dict[str, int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        for count in range(number):
            here.sendto(b"x", ("127.0.0.1", 10_000 + count % 50_000))
        return {"source_port": here.getsockname()[1], "sent": number}


def short(number: int) -> dict[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(number):
            with socket.create_connection(server.getsockname()) as client, server.accept()[0] as accepted:
                client.sendall(bytes(100))
                accepted.recv(100)
            time.sleep(0.01)
        return {"destination_port": server.getsockname()[1]}


def http(number: int) -> dict[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(number):
            with socket.create_connection(server.getsockname()) as client, server.accept()[0] as accepted:
                client.sendall(b"GET /one HTTP/1.1\r\nHost: here\r\n\r\n")
                accepted.recv(100)
                accepted.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                client.recv(100)
        return {"destination_port": server.getsockname()[1]}


if __name__ == "__main__":
    begun_ns = time.time_ns()
    said = {"tcp": tcp, "udp": udp, "old": old, "flood": flood, "short": short, "http": http}[sys.argv[1]](
        int(sys.argv[2])
    )
    print(json.dumps({**said, "pid": os.getpid(), "begun_ns": begun_ns, "ended_ns": time.time_ns()}), flush=True)
