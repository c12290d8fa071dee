"""Ends of TLS connections: `python tls.py WHAT FOLDER ADDRESS PORT …`; the certificate is in the folder.

serve: HTTP/1.1 by threads. serve_async: the same by asyncio, whose TLS moves its bytes through memory.
ask PATH…: one connection, and each path on it. ask_async CONNECTIONS TIMES: as many at once, /PORT/tTIME asked by each.
in_turn CONNECTIONS: by asyncio, one after another. A server answers a path that ends in a number with so many bytes.
A client prints JSON: its ports and its pid. alone: two ends in memory, without any socket.
"""

import asyncio
import http.client
import http.server
import json
import os
import ssl
import sys
from pathlib import Path


def of_server(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def of_client() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def body_of(path: str) -> bytes:
    last = path.rpartition("/")[2]
    return b"x" * int(last) if last.isdigit() else b"ok"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = body_of(self.path)
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


def serve(folder: Path, address: str, port: int) -> None:
    class Server(http.server.ThreadingHTTPServer):
        def get_request(self):
            connection, client = super().get_request()
            return of_server(folder).wrap_socket(connection, server_side=True, do_handshake_on_connect=False), client

    server = Server((address, port), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


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
    connection = http.client.HTTPSConnection(address, port, context=of_client())
    for path in paths:
        connection.request("GET", path)
        connection.getresponse().read()
    print(json.dumps({"ports": [connection.sock.getsockname()[1]], "pid": os.getpid()}))


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
