"""Ends of TLS connections: `python tls.py WHAT FOLDER ADDRESS PORT …`; the certificate is in the folder.

serve: HTTP/1.1 by threads. serve_async: the same by asyncio, whose TLS moves its bytes through memory.
ask PATH…: one connection, and each path on it. ask_async CONNECTIONS TIMES: as many at once, /PORT/tTIME asked by each.
in_turn CONNECTIONS: by asyncio, one after another. A server answers a path that ends in a number with so many bytes.
A client prints JSON: its ports and its pid. alone: two ends in memory, without any socket.

In emulation importing http takes seconds, and so does reading the certificates of this machine's authorities, which
ssl.create_default_context does.
"""

import asyncio
import json
import os
import socket
import ssl
import sys
import threading
from functools import cache
from pathlib import Path


@cache
def of_server(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@cache
def of_client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def body_of(path: str) -> bytes:
    last = path.rpartition("/")[2]
    return b"x" * int(last) if last.isdigit() else b"ok"


def answer_all(context: ssl.SSLContext, plain: socket.socket) -> None:
    with context.wrap_socket(plain, server_side=True) as connection, connection.makefile("rb") as lines:
        while path := lines.readline().split(b" ")[1:2]:
            while lines.readline().strip():
                pass
            body = body_of(path[0].decode())
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            connection.sendall(body)


def serve(folder: Path, address: str, port: int) -> None:
    with socket.create_server((address, port)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection = server.accept()[0]
            threading.Thread(target=answer_all, args=(of_server(folder), connection), daemon=True).start()


async def serve_async(folder: Path, address: str, port: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
                writer.write(b"HTTP/1.1 200 OK\r\nX-Path: %s\r\nContent-Length: 2\r\n\r\nok" % path)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, address, port, ssl=of_server(folder))
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def ask(address: str, port: int, paths: list[str]) -> None:
    with of_client().wrap_socket(socket.create_connection((address, port))) as connection:
        with connection.makefile("rb") as answers:
            for path in paths:
                connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
                while line := answers.readline().strip():
                    length = int(line.rpartition(b" ")[2]) if line.startswith(b"Content-Length") else 0
                answers.read(length)
        print(json.dumps({"ports": [connection.getsockname()[1]], "pid": os.getpid()}))


async def talk(address: str, port: int, times: int) -> int:
    reader, writer = await asyncio.open_connection(address, port, ssl=of_client())
    own = int(writer.get_extra_info("sockname")[1])
    for time in range(times):
        writer.write(b"GET /%d/t%d HTTP/1.1\r\nHost: x\r\n\r\n" % (own, time))
        await reader.readuntil(b"\r\n\r\nok")
    writer.close()
    return own


async def ask_async(address: str, port: int, connections: int, times: int) -> None:
    ports = await asyncio.gather(*(talk(address, port, times) for _ in range(connections)))
    print(json.dumps({"ports": ports, "pid": os.getpid()}))


async def in_turn(address: str, port: int, connections: int) -> None:
    print(json.dumps({"ports": [await talk(address, port, 2) for _ in range(connections)], "pid": os.getpid()}))


def alone(folder: Path) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = of_server(folder).wrap_bio(to_server, to_client, server_side=True)
    client = of_client().wrap_bio(to_client, to_server)
    done = 0
    while done < 2:
        done = 0
        for end in (client, server):
            try:
                end.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                pass
    client.write(b"nobody knows where")
    print(json.dumps({"heard": server.read(100).decode()}))


if __name__ == "__main__":
    what, place, address, port, *rest = sys.argv[1:]
    folder, number = Path(place), int(port)
    if what == "serve":
        serve(folder, address, number)
    elif what == "serve_async":
        asyncio.run(serve_async(folder, address, number))
    elif what == "ask":
        ask(address, number, rest)
    elif what == "ask_async":
        asyncio.run(ask_async(address, number, int(rest[0]), int(rest[1])))
    elif what == "in_turn":
        asyncio.run(in_turn(address, number, int(rest[0])))
    elif what == "alone":
        alone(folder)
