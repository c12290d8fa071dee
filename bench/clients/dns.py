"""DNS over UDP (RFC 1035), and a name server."""

import socket
import struct
from collections.abc import Iterable

from bench.clients.pace import Exchange

_RCODES = (0, 0, 0, 3, 2)
_TIMEOUT_S = 5


def truth(seed: int, number: int) -> Exchange:
    """The question, and the code of its answer."""
    rcode = _RCODES[number % len(_RCODES)]
    return "A", f"n{number}.c{seed}.r{rcode}.example.", str(rcode), ""


def question(name: str) -> bytes:
    """The question's section of a message: the IPv4 address of a name."""
    labels = name.rstrip(".").split(".")
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0\0\1\0\1"


def ask(address: str, port: int, seed: int, numbers: Iterable[int]) -> None:
    """Questions, each answered before the next."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((address, port))
        client.settimeout(_TIMEOUT_S)
        for number in numbers:
            _, name, _, _ = truth(seed, number)
            client.send(struct.pack("!6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + question(name))
            client.recv(512)


def serve(address: str, port: int) -> None:
    """Answers with the code that the name says, and one address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        while True:
            asked, client = server.recvfrom(512)
            at = asked.rindex(b"\x02r") + 2
            rcode = int(asked[at : at + 1])
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7" if not rcode else b""
            head = asked[:2] + struct.pack("!5H", 0x8180 | rcode, 1, bool(record), 0, 0)
            server.sendto(head + asked[12:] + record, client)
