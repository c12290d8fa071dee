"""A relay for the bench: `python -m bench.relayed ADDRESS…`. Prints its process id, its address, and the seconds from
its start until all nodes could be asked.
"""

import asyncio
import os
import signal
import sys
import time

from rubin.api.listen import ListenSettings
from rubin.relay.merge import Bounds
from rubin.relay.pool import Found, PoolSettings
from rubin.relay.server import Relay, Settings


async def main(addresses: list[str], began_s: float) -> None:
    """Serve until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    relay = Relay(Settings(ListenSettings("", "127.0.0.1:0"), PoolSettings(), Bounds(), "relay"))
    await relay.start()
    relay.pool.update(map(Found, addresses))
    while len(relay.pool.ready()) < len(addresses):
        await relay.pool.changed().wait()
    print(os.getpid(), relay.address, time.monotonic() - began_s, flush=True)
    await stopped.wait()
    await relay.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:], time.monotonic()))
