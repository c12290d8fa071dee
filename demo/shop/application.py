"""The shop itself: pages made of PostgreSQL's rows, Redis' values and the prices' answers."""

import asyncio
import http.server
import random
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import unquote_plus, urlsplit

from grpclib.client import Channel
from grpclib.exceptions import GRPCError

from demo.shop import ports, prices
from demo.shop.hidden import NAME, NOTE, PASSWORD
from demo.shop.ports import HOST, Ports
from demo.shop.postgresql import PostgreSQL, SQLError
from demo.shop.redis import Redis, RedisError

PATIENCE_S = 60.0
_TABLES = f"""
CREATE TABLE items (id int PRIMARY KEY, name text);
INSERT INTO items SELECT n, 'item ' || n FROM generate_series(1, {prices.ITEMS + 10}) AS n;
CREATE TABLE orders (id int PRIMARY KEY, item int, customer text)
"""
_LOOP = asyncio.new_event_loop()  # of the gRPC client, on a thread of its own


class Visit(http.server.BaseHTTPRequestHandler):
    """A connection of one of the nginx's, with connections of its own to those behind."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    at: Ports

    def setup(self) -> None:
        """Connects to everybody."""
        super().setup()
        self.database, self.cache = PostgreSQL(self.at.postgres), Redis(self.at.redis, PASSWORD)
        self.channel = asyncio.run_coroutine_threadsafe(_channel(self.at.prices), _LOOP).result()

    def finish(self) -> None:
        """Hangs up everywhere."""
        super().finish()
        self.database.close()
        self.cache.close()
        _LOOP.call_soon_threadsafe(self.channel.close)

    def do_GET(self) -> None:
        """Any request: the page by the first part of the path, the rest of it as a number."""
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        asked = urlsplit(self.path)
        _, page, *rest = asked.path.split("/")
        make = _PAGES.get(page)
        if make is None:
            return self._answer(HTTPStatus.NOT_FOUND, "there is nothing here")
        try:
            return self._answer(*make(self, int(rest[0]) if rest else 0, unquote_plus(asked.query) or body))
        except SQLError as error:
            return self._answer(HTTPStatus.CONFLICT, f"PostgreSQL: {error}")
        except RedisError as error:
            return self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"Redis: {error}")
        except GRPCError as error:
            return self._answer(HTTPStatus.NOT_FOUND, f"prices: {error.status.name}")

    do_POST = do_GET  # noqa: N815, the parent's word

    def item(self, number: int, words: str) -> tuple[HTTPStatus, str]:
        """An item's page: its name from the cache, else from the database; its price."""
        del words
        name = self.cache.ask("GET", f"item:{number}")
        if name is None:
            ((name,),) = self.database.ask(f"SELECT name FROM items WHERE id = {number}")
            self.cache.ask("SET", f"item:{number}", name, "EX", "2")
        trace = self.headers.get("traceparent", f"00-{random.getrandbits(128):032x}-{0:016x}-01")
        here = f"{trace[:36]}{random.getrandbits(64):016x}-01"
        asked = asyncio.run_coroutine_threadsafe(prices.ask(self.channel, number, here), _LOOP)
        return HTTPStatus.OK, f"{name}: {asked.result()} cents"

    def search(self, number: int, words: str) -> tuple[HTTPStatus, str]:
        """What somebody has ordered, whoever was asked for."""
        del number, words
        found = self.database.ask(f"SELECT item, count(*) FROM orders WHERE customer = '{NAME}' GROUP BY item")
        return HTTPStatus.OK, str(found)

    def order(self, number: int, words: str) -> tuple[HTTPStatus, str]:
        """A new order, of a number of its own."""
        del words
        self.database.ask(f"INSERT INTO orders VALUES ({number}, {number % prices.ITEMS}, '{NAME}')")
        return HTTPStatus.CREATED, "thank you"

    def basket(self, number: int, words: str) -> tuple[HTTPStatus, str]:
        """What is in a basket. Number 7 was written by an older shop, and is no list."""
        del words
        key = f"basket:{number}"
        self.cache.ask("SET" if number == 7 else "RPUSH", key, NOTE)
        return HTTPStatus.OK, str(self.cache.ask("LRANGE", key, "0", "9"))

    def report(self, number: int, words: str) -> tuple[HTTPStatus, str]:
        """What takes its time."""
        del words
        self.database.ask(f"SELECT count(*), pg_sleep({0.05 + 0.01 * (number % 10)}) FROM orders")
        return HTTPStatus.OK, "well"

    def pay(self, number: int, words: str) -> tuple[HTTPStatus, str]:
        """The bank is never there."""
        del number, words
        time.sleep(0.03)
        return HTTPStatus.SERVICE_UNAVAILABLE, "the bank does not answer"

    def login(self, number: int, words: str) -> tuple[HTTPStatus, str]:
        """A session, with what it must not tell."""
        self.cache.ask("SET", f"session:{number}", words, "EX", "60")
        return HTTPStatus.OK, "welcome"

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002, the parent's word
        """Nothing."""

    def _answer(self, status: HTTPStatus, text: str) -> None:
        body = text.encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


_PAGES: dict[str, Callable[[Visit, int, str], tuple[HTTPStatus, str]]] = {
    "items": Visit.item,
    "search": Visit.search,
    "orders": Visit.order,
    "baskets": Visit.basket,
    "reports": Visit.report,
    "pay": Visit.pay,
    "login": Visit.login,
}


async def _channel(port: int) -> Channel:
    return Channel(HOST, port)


def connected(port: int) -> PostgreSQL:
    """A connection to the database as soon as it takes one."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return PostgreSQL(port)
        except (OSError, SQLError):
            if time.monotonic() > end:
                raise
        time.sleep(0.1)


def main(at: Ports) -> None:
    """Serves as soon as there are tables."""
    database = connected(at.postgres)
    database.ask(_TABLES)
    database.close()
    threading.Thread(target=_LOOP.run_forever, daemon=True).start()
    Visit.at = at
    http.server.ThreadingHTTPServer((HOST, at.app), Visit).serve_forever()


if __name__ == "__main__":
    main(ports.parse(sys.argv[1]))
