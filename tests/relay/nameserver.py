"""A DNS server on loopback that says what a test wants: over UDP what fits into 512 bytes, all over TCP."""

import socketserver
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Twist = Callable[[bytes], bytes | None]


class NameServer:
    """`records[name, kind]` are a TTL and the records' texts. A name without any is not known. `twist` makes something
    else of an answer: None is silence. A context.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = {}
        self.rcode: dict[str, dns.rcode.Rcode] = {}
        """An error for all questions of a kind."""
        self.twist: Twist = bytes
        self.asked: list[tuple[float, str, str]] = []
        """When, for which name, for which records."""
        self._tcp, self._udp = _both()
        self.port = self._tcp.server_address[1]
        self._udp.names = self._tcp.names = self
        self._threads = [threading.Thread(target=one.serve_forever, args=(0.01,)) for one in (self._udp, self._tcp)]

    def put(self, name: str, kind: str, *texts: str, ttl: int = 0) -> None:
        """These are the records from now on."""
        self.records[name, kind] = (ttl, texts)

    def times(self, name: str) -> list[float]:
        """When addresses of a name were asked for."""
        return [at for at, asked, kind in self.asked if (asked, kind) == (name, "A")]

    def answer(self, question: bytes, longest: int) -> bytes | None:
        """What goes back."""
        asked = dns.message.from_wire(question)
        wanted = asked.question[0]
        name, kind = wanted.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(wanted.rdtype)
        self.asked.append((time.monotonic(), name, kind))
        said = dns.message.make_response(asked)
        said.flags |= dns.flags.AA
        ttl, texts = self.records.get((name, kind), (0, ()))
        if texts:
            said.answer.append(dns.rrset.from_text_list(wanted.name, ttl, "IN", kind, list(texts)))
        elif not any(known == name for known, _ in self.records):
            said.set_rcode(dns.rcode.NXDOMAIN)
        if kind in self.rcode:
            said.answer = []
            said.set_rcode(self.rcode[kind])
        if len(said.to_wire()) > longest:
            said.answer = []
            said.flags |= dns.flags.TC
        return self.twist(said.to_wire())

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one, thread in zip((self._udp, self._tcp), self._threads, strict=True):
            one.shutdown()
            thread.join()
            one.server_close()


class _Udp(socketserver.UDPServer):
    names: NameServer


class _Tcp(socketserver.TCPServer):
    allow_reuse_address = True
    names: NameServer


def _both() -> tuple[_Tcp, _Udp]:
    """Two servers on one port, which must be free for both."""
    while True:
        tcp = _Tcp(("127.0.0.1", 0), _Stream)
        try:
            return tcp, _Udp(("127.0.0.1", tcp.server_address[1]), _Datagram)
        except OSError:
            tcp.server_close()


class _Datagram(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, opened = self.request
        said = self.server.names.answer(data, 512)  # type: ignore[attr-defined]
        if said is not None:
            opened.sendto(said, self.client_address)


class _Stream(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        (size,) = struct.unpack("!H", self.rfile.read(2))
        said = self.server.names.answer(self.rfile.read(size), 65_535)
        if said is not None:
            self.wfile.write(struct.pack("!H", len(said)) + said)
