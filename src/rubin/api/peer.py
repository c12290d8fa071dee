"""Hubble's Peer service: this node as its only peer, so that a relay finds it."""

import asyncio

from grpclib.server import Stream

from rubin.api.service import Service, streaming
from rubin.wire.pb.peer_pb2 import PEER_ADDED, TLS, ChangeNotification, NotifyRequest


def peer_service(node_name: str, address: str, tls: bool) -> Service:
    """`address` is what others dial, "" where nothing listens for them."""
    itself = ChangeNotification(name=node_name, address=address, type=PEER_ADDED)
    if tls:
        itself.tls.CopyFrom(TLS(server_name=server_name(node_name)))

    async def notify(stream: Stream[NotifyRequest, ChangeNotification], _request: NotifyRequest) -> None:
        await stream.send_message(itself)
        await asyncio.Event().wait()  # nothing changes; ends with the connection or the server

    return Service("peer.Peer", {"Notify": streaming(notify, NotifyRequest, ChangeNotification)})


def server_name(node_name: str) -> str:
    """What a relay expects in the node's certificate: Hubble's name, with the cluster `default` if none is said."""
    cluster, _, node = node_name.rpartition("/")
    return f"{node.replace('.', '-')}.{(cluster or 'default').replace('.', '-')}.hubble-grpc.cilium.io"
