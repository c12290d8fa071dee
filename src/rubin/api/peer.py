"""Hubble's Peer service: this node as its only peer, so that a relay finds it."""

import asyncio
import socket
from ipaddress import ip_address

from grpclib.server import Stream

from rubin.api.service import Service, streaming
from rubin.trust.names import server_name_of_node
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
    return server_name_of_node(node, cluster or "default")


def reachable(address: str) -> str:
    """The address as others may dial it: where the server listens everywhere, the one that leads out; "" if none."""
    host, colon, port = address.rpartition(":")
    if not colon or not ip_address(host.strip("[]")).is_unspecified:
        return address
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # RFC 5737, never a real host; a datagram socket sends nothing here
            return f"{probe.getsockname()[0]}:{port}"
    except OSError:
        return ""
