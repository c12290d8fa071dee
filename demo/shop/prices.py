"""The prices, as a gRPC service: shop.Prices/Get takes an item's number and gives cents, or NOT_FOUND."""

import asyncio
import sys

from google.protobuf.wrappers_pb2 import Int64Value
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server, Stream

from demo.shop import ports
from demo.shop.ports import HOST

METHOD = "/shop.Prices/Get"
ITEMS = 40


class Prices:
    """The service, as grpclib wants it."""

    def __mapping__(self) -> dict[str, Handler]:
        return {METHOD: Handler(self.get, Cardinality.UNARY_UNARY, Int64Value, Int64Value)}

    async def get(self, stream: Stream[Int64Value, Int64Value]) -> None:
        """The price of one item."""
        item = await stream.recv_message()
        assert item is not None
        await asyncio.sleep(0.001 * (item.value % 5))
        if item.value > ITEMS:
            raise GRPCError(Status.NOT_FOUND, "no such item")
        await stream.send_message(Int64Value(value=100 * item.value - 1))


async def ask(channel: Channel, item: int, traceparent: str) -> int:
    """The price of an item in cents; raises GRPCError where there is none."""
    method: UnaryUnaryMethod[Int64Value, Int64Value] = UnaryUnaryMethod(channel, METHOD, Int64Value, Int64Value)
    price = await method(Int64Value(value=item), timeout=10, metadata={"traceparent": traceparent})
    return price.value


async def serve(port: int) -> None:
    """Until the process ends."""
    server = Server([Prices()])
    await server.start(HOST, port)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(serve(ports.parse(sys.argv[1]).prices))
