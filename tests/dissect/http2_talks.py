"""Conversations in HTTP/2 between a client and a server of the library h2."""

from dataclasses import dataclass, field

import h2.config
import h2.connection

from tests.dissect.pieces import CLIENT, SERVER, Packet

SECRET = "hunter2"
FRAME = 16384
KINDS = 5


@dataclass
class Talk:
    """A client and a server of the library h2, and the packets that they send each other."""

    packets: list[Packet] = field(default_factory=list)

    def __post_init__(self):
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self.server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        self.client.initiate_connection()
        self.server.initiate_connection()
        self.send()

    def send(self):
        """What both have to say goes to the other side; a packet each time."""
        while True:
            asked = self.client.data_to_send()
            if asked:
                self.packets.append((CLIENT, asked))
                self.server.receive_data(asked)
            answered = self.server.data_to_send()
            if answered:
                self.packets.append((SERVER, answered))
                self.client.receive_data(answered)
            if not asked and not answered:
                return

    def ask(self, path="/", *more, method="GET", body=b"", authority="shop", end=True):
        stream = self.client.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path)]
        self.client.send_headers(stream, [*pseudo, *more], end_stream=end and not body)
        if body:
            self.client.send_data(stream, body, end_stream=end)
        self.send()
        return stream

    def answer(self, stream, status=200, *more, body=b"", trailers=(), end=True):
        self.server.send_headers(stream, [(":status", str(status)), *more], end_stream=end and not (body or trailers))
        for at in range(0, len(body), FRAME):
            last = end and not trailers and at + FRAME >= len(body)
            self.server.send_data(stream, body[at : at + FRAME], end_stream=last)
        if body:
            self.client.increment_flow_control_window(len(body))
        if trailers:
            self.server.send_headers(stream, trailers, end_stream=True)
        self.send()


def long_talk(count=12) -> Talk:
    """Requests of five kinds in turn, numbered in `x-request-id`; all else is soon said by an index of the tables."""
    talk = Talk()
    for number in range(count):
        kind = number % KINDS
        ours = ("user-agent", f"agent/{kind}"), ("x-request-id", str(number)), ("x-token", SECRET)
        stream = talk.ask(f"/{kind}", *ours, method="POST", body=b"q" * (number * 40))
        body = bytes(range(256)) * (number * number * 2)
        talk.answer(stream, 210 + kind, ("server", f"s{kind}"), body=body[:60000])
    return talk


def headers(stream: int, block: bytes, flags=5, kind=1) -> bytes:
    return len(block).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + block
