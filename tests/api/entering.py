"""A server with an access file, and those who ask it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
from grpclib.const import Cardinality, Handler

from rubin.api.client import Client
from rubin.api.listen import ListenSettings
from rubin.api.proofs import digest
from rubin.api.server import Server, ServerThread
from rubin.api.target import ClientSettings
from rubin.model.batch import FlowBatch, Lost, concat
from rubin.model.enums import LostSource
from rubin.store.ring import Ring
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from tests.asked import TRACE
from tests.flows import flows
from tests.trust.made import replaced

T = TypeVar("T")
Metadata = tuple[tuple[str, str], ...]
_OPEN = ("/grpc.health.", "/grpc.reflection.")
TOKENS = {name: f"rubin_{name * 8}" for name in ("ann", "bob", "max", "root")}


def access_text(anonymous: str = "[]", more: str = "") -> str:
    """Ann sees shops, Bob nothing that there is, Max shops and the bank, root everything."""
    roles = {"ann": ["shop"], "bob": ["nobody"], "max": ["shop", "bank"], "root": ["operators"]}
    tokens = "".join(
        f'[[tokens]]\nname = "{name}"\ntoken = "sha256:{digest(TOKENS[name])}"\nroles = {roles[name]}\n'
        for name in TOKENS
    )
    return f"""
anonymous = {anonymous}
[roles.operators]
all = true
[roles.shop]
namespaces = ["shop", "shop-*"]
[roles.bank]
namespaces = ["bank"]
[roles.nobody]
namespaces = ["not-there"]
{tokens}
[[certificates]]
name = "[*].hubble-relay.cilium.io"
roles = ["operators"]
[[certificates]]
name = "alice.*"
roles = ["bank"]
{more}"""


def access_file(directory: Path, text: str = "") -> Path:
    """The file, old enough to be read again."""
    path = directory / "access.toml"
    replaced(path, (text or access_text()).encode())
    return path


def town() -> Ring:
    """A shop, its bank, a shop of another name, somebody without a name; something was lost."""
    ring = Ring(1_000)
    ring.append(
        flows("""
        src           dst          from          to
        10.0.0.1:4000 10.0.0.2:80  shop/web      shop/db
        10.0.0.1:4001 10.0.0.3:80  shop/web      bank/vault
        10.0.0.4:4002 10.0.0.3:80  bank/teller   bank/vault
        10.0.0.3:4003 10.0.0.5:80  bank/vault    shop-2/web
        10.0.0.9:4004 10.0.0.8:80  -             -
    """)
    )
    ring.note_lost(Lost(LostSource.PERF_EVENT_RING_BUFFER, 7, 1_700_000_001_000_000_000))
    return ring


@contextmanager
def guarded(ring: Ring, directory: Path, **settings: Any) -> Iterator[Server]:
    """A server of the ring with the access file, on loopback and at `directory`/s."""
    listen = {"access_file": str(access_file(directory)), "listen_address": "127.0.0.1:0"} | settings
    endpoints = [{"namespace": "shop", "name": "web-7d4b", "service": ""}, {"namespace": "", "name": "", "service": ""}]
    status = {"node": "node-1", "lost": {"kernel": 3}, "names": {"runtime": "shop"}, "notes": ["shop"]}
    listening = ListenSettings(str(directory / "s"), **listen)
    server = Server(ring, listening, "node-1", lambda: status, lambda _who, _time_ns: endpoints)
    thread = ServerThread(server)
    thread.start()
    try:
        yield server
    finally:
        thread.close()


def ask(target: str, question: Callable[[Client], Coroutine[Any, Any, T]], who: str = "", **settings: Any) -> T:
    """What somebody who has that token, or none, hears."""
    token: dict[str, Any] = {"token": TOKENS[who]} if who else {}

    async def run() -> T:
        async with Client(ClientSettings(target, **token, **settings)) as client:
            return await question(client)

    return asyncio.run(run())


async def all_flows(client: Client, **fields: Any) -> FlowBatch:
    """What there is, with what was lost."""
    batches = [batch async for batch in client.flows(GetFlowsRequest(**fields))]
    return concat(batches).with_lost(tuple(lost for batch in batches for lost in batch.lost))


def ports(batch: FlowBatch) -> list[int]:
    """The source ports, by which a test knows its flows."""
    return [int(port) for port in batch["source_port"]]


def bearer(token: str) -> Metadata:
    """What carries it."""
    return (("authorization", f"Bearer {token}"),)


def call(address: str, path: str, handler: Handler, request: Any, metadata: Metadata = ()) -> list[Any]:
    """All replies that a client gets which knows nothing of us. Raises grpc.RpcError."""
    with grpc.insecure_channel(address) as channel:
        stream = handler.cardinality is Cardinality.UNARY_STREAM
        kind: Any = channel.unary_stream if stream else channel.unary_unary
        method = kind(
            path,
            request_serializer=handler.request_type.SerializeToString,
            response_deserializer=handler.reply_type.FromString,
        )
        found = method(request, metadata=metadata, timeout=60)
        return list(found) if stream else [found]


def secrets_in(address: str, who: str, methods: Mapping[str, Handler]) -> dict[str, list[str]]:
    """By method, which words of the shop's ring somebody finds in the replies; or that the method is refused."""
    asked: dict[str, dict[str, Any]] = {
        "Trace": {"trace_id": TRACE},
        "Explain": {"source": "10.0.0.1", "destination": "10.0.0.2:80"},
    }
    words = (b"shop", b"web-7d4b", b"nginx", b"/pay", b"curl", b"postgres", b"node-1")
    found: dict[str, list[str]] = {}
    for path, handler in methods.items():
        name = path.rpartition("/")[2]
        if path.startswith(_OPEN) or (name == "Notify" and who == "root"):  # which never ends
            continue
        request = handler.request_type(**asked.get(name, {}))
        try:
            replies = call(address, path, handler, request, bearer(TOKENS[who]))
        except grpc.RpcError as error:
            found[path] = [error.code().name]
            continue
        bare = b"".join(reply.SerializeToString() for reply in replies)
        found[path] = [word.decode() for word in words if word in bare]
    return found
