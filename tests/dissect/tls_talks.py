"""Handshakes of TLS: real ones of OpenSSL, and hellos made by hand."""

import ssl
from collections.abc import Iterable
from pathlib import Path

from tests.dissect.pieces import CLIENT, SERVER, Packet

CERTIFICATES = Path(__file__).parents[1] / "api" / "certificates"
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
DER = ssl.PEM_cert_to_DER_cert((CERTIFICATES / "server.pem").read_text())
SHOWN = {
    "issuer": "test CA",
    "subject": "server",
    "names": "localhost,node-1.default.hubble-grpc.cilium.io",
    "not_after": "2126-10-29T12:21:00Z",
}


def context(side, least=TLS12, most=TLS13, alpn=("h2", "http/1.1")) -> ssl.SSLContext:
    made = ssl.SSLContext(side)
    made.minimum_version, made.maximum_version = least, most
    made.set_alpn_protocols(list(alpn))
    if side == ssl.PROTOCOL_TLS_SERVER:
        made.load_cert_chain(CERTIFICATES / "server.pem", CERTIFICATES / "server.key")
    else:
        made.load_verify_locations(CERTIFICATES / "ca.pem")
    return made


def handshake(client=None, server=None, session=None) -> tuple[list[Packet], ssl.SSLObject]:
    """The packets of one, with some data at the end if it came to that."""
    wires = [ssl.MemoryBIO() for _ in range(4)]
    client = client or context(ssl.PROTOCOL_TLS_CLIENT)
    server = server or context(ssl.PROTOCOL_TLS_SERVER)
    asks = client.wrap_bio(wires[0], wires[1], server_hostname="localhost", session=session)
    answers = server.wrap_bio(wires[2], wires[3], server_side=True)
    packets: list[Packet] = []
    for _ in range(5):
        for side, speaker, out, to in ((asks, CLIENT, wires[1], wires[2]), (answers, SERVER, wires[3], wires[0])):
            try:
                side.do_handshake()
                side.write(b"password=hunter2")
                side.read()
            except ssl.SSLError:
                pass
            data = out.read()
            if data:
                packets.append((speaker, data))
                to.write(data)
    return packets, asks


def hello(*extensions: bytes, suites: Iterable[int] = (0x1301,)) -> bytes:
    """The body of a ClientHello."""
    listed, all_ = b"".join(suite.to_bytes(2) for suite in suites), b"".join(extensions)
    head = b"\3\3" + bytes(33) + len(listed).to_bytes(2) + listed + b"\1\0"
    return head + len(all_).to_bytes(2) + all_


def extension(kind: int, content: bytes = b"") -> bytes:
    return kind.to_bytes(2) + len(content).to_bytes(2) + content


def record(kind: int, body: bytes, message: int | None = None) -> bytes:
    if message is not None:
        body = bytes((message,)) + len(body).to_bytes(3) + body
    return bytes((kind, 3, 1)) + len(body).to_bytes(2) + body
