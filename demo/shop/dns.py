"""A question to a DNS server (RFC 1035), by UDP."""

import random
import socket

from demo.shop.ports import HOST

A, IN = 1, 1
_RECURSE, _HEAD_BYTES, _RCODE = b"\x01\0", 12, 0xF


def ask(port: int, name: str) -> int:
    """The RCODE of the answer: 0 where the name has an address, 3 where it does not exist."""
    asked = question(random.getrandbits(16), name)
    with socket.socket(type=socket.SOCK_DGRAM) as door:
        door.settimeout(5)
        door.connect((HOST, port))
        door.send(asked)
        answer = door.recv(512)
    if len(answer) < _HEAD_BYTES or answer[:2] != asked[:2]:
        raise ConnectionError("that is no answer to the question")
    return answer[3] & _RCODE


def question(number: int, name: str) -> bytes:
    """The message that asks for a name's IPv4 address."""
    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
    head = number.to_bytes(2) + _RECURSE + b"\0\1\0\0\0\0\0\0"
    return head + labels + b"\0" + A.to_bytes(2) + IN.to_bytes(2)
