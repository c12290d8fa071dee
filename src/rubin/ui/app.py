"""The application: paths to answers. What goes wrong is a sentence and a way on, as everywhere."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from rubin.errors import RubinError, UsageError
from rubin.query.drops import drops
from rubin.query.explain import explain
from rubin.query.resolved import resolved
from rubin.query.trace import trace
from rubin.ui.answers.bundle import bundle, count
from rubin.ui.answers.flow import flow
from rubin.ui.answers.lines import asked_format, lines, selection
from rubin.ui.answers.meta import meta
from rubin.ui.answers.names import names
from rubin.ui.answers.parse import of_query, parsed
from rubin.ui.answers.services import services
from rubin.ui.answers.status import status
from rubin.ui.desk import Desk, filters_in, rest_of, span_of
from rubin.ui.diagnose import diagnose
from rubin.ui.feed import Feed
from rubin.ui.live import Hub
from rubin.ui.pages import Pages
from rubin.ui.security import HEALTH, Guard
from rubin.ui.tab import Tab

Answer = dict[str, Any]
Question = Callable[[Desk, Request], Awaitable[Answer]]

_LOG = logging.getLogger(__name__)
_BAD_REQUEST, _BAD_GATEWAY, _FAILED = 400, 502, 500
_MOST_TABS = 200
_MOST_LETTERS = 1_000
_LINES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8; header=present"}
_ZIP = "application/zip"
_TRY_LATER = 1013  # RFC 6455's registry: try again later


async def _meta(desk: Desk, _request: Request) -> Answer:
    return meta(desk.feed.state, await _node(desk))


async def _node(desk: Desk) -> str:
    """The name of the node that the newest flow was seen at; "" where none has come, or who looks knows the file's."""
    if desk.feed.state.is_file:
        return ""
    view = next((view for view in desk.ring.scan(newest_first=True, as_stored=True) if len(view)), None)
    return "" if view is None else str(view.take(slice(-1, None)).rows("node_name")[0])


async def _parse(desk: Desk, request: Request) -> Answer:
    if "query" in request.query_params:
        return of_query(request.query_params["query"])
    return await desk.look(parsed, request.query_params.get("text", ""), desk.ring)


async def _flow(desk: Desk, request: Request) -> Answer:
    return await desk.look(flow, desk.ring, request.query_params.get("uuid", ""))


async def _explain(desk: Desk, request: Request) -> Answer:
    given = {name: request.query_params.get(name, "") for name in ("uuid", "source", "destination", "port")}
    destination = given["destination"]
    if given["port"]:
        destination = f"[{destination}]:{given['port']}" if ":" in destination else f"{destination}:{given['port']}"
    if desk.feed.state.is_ours:
        found = await desk.ask(lambda client: client.explain(given["uuid"], given["source"], destination))
        if found:
            return found
    return await desk.look(explain, desk.ring, given["uuid"], given["source"], destination)


async def _exchange(desk: Desk, request: Request) -> Answer:
    uuid, trace_id = request.query_params.get("uuid", ""), request.query_params.get("trace_id", "")
    if desk.feed.state.is_ours:
        return await desk.ask(lambda client: client.trace(uuid, trace_id))
    return await desk.look(trace, desk.ring, uuid, trace_id)


async def _drops(desk: Desk, request: Request) -> Answer:
    since_ns, until_ns = span_of(rest_of(request.url.query), desk.now_ns(), desk.feed.oldest_ns())
    return await desk.look(drops, desk.ring, filters_in(request.url.query), since_ns, until_ns)


async def _dns(desk: Desk, request: Request) -> Answer:
    since_ns, until_ns = span_of(rest_of(request.url.query), desk.now_ns(), desk.feed.oldest_ns())
    return await desk.look(resolved, desk.ring, filters_in(request.url.query), since_ns, until_ns)


async def _services(desk: Desk, request: Request) -> Answer:
    return await services(desk, request.url.query)


async def _count(desk: Desk, request: Request) -> Answer:
    return await count(desk, request.url.query)


async def _names(desk: Desk, request: Request) -> Answer:
    return await desk.look(names, desk.ring, request.query_params.get("text", "")[:_MOST_LETTERS])


async def _status(desk: Desk, _request: Request) -> Answer:
    return await status(desk)


async def _diagnose(desk: Desk, request: Request) -> Answer:
    return await diagnose(desk, request.url.query)


_QUESTIONS: dict[str, Question] = {
    "meta": _meta,
    "parse": _parse,
    "flow": _flow,
    "explain": _explain,
    "exchange": _exchange,
    "drops": _drops,
    "dns": _dns,
    "services": _services,
    "status": _status,
    "diagnose": _diagnose,
    "count": _count,
    "names": _names,
}


async def _flows(request: Request) -> Response:
    """Lines, as they come."""
    desk: Desk = request.app.state.desk
    chosen, form = selection(request.url.query, desk.now_ns()), asked_format(request.url.query)
    return StreamingResponse(lines(desk, chosen, form), media_type=_LINES[form], headers={"cache-control": "no-store"})


async def _bundle(request: Request) -> Response:
    """A file to be saved, as it comes."""
    name = f"rubin-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}.rubinz"
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(bundle(request.app.state.desk, request.url.query), media_type=_ZIP, headers=headers)


def _answering(question: Question) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return _json(await question(request.app.state.desk, request))

    return answer


def _json(answer: Answer, code: int = 200) -> Response:
    text = json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    return Response(text, code, media_type="application/json", headers={"cache-control": "no-store"})


async def _refused(_request: Request, error: Exception) -> Response:
    """What a person can act on."""
    assert isinstance(error, RubinError)
    code = _BAD_REQUEST if isinstance(error, UsageError) else _BAD_GATEWAY
    return _json({"error": error.sentence, "way_on": error.way_on}, code)


async def _failed(request: Request, error: Exception) -> Response:
    """A bug."""
    _LOG.error("path=%s failed", request.url.path, exc_info=error)
    return _json({"error": "the server has failed at this", "way_on": "its log says why"}, _FAILED)


async def _healthy(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _unknown(request: Request) -> Response:
    """No such question."""
    known = ", ".join(("flows", "bundle", *_QUESTIONS))
    return _json({"error": f"there is no {request.url.path[:100]}", "way_on": f"/api/v1/ and one of {known}"}, 404)


async def _not_so(request: Request, _error: Exception) -> Response:
    """There is only reading."""
    return _json({"error": f"{request.method} is not answered here", "way_on": f"GET {request.url.path[:100]}"}, 405)


async def _live(websocket: WebSocket) -> None:
    """One tab, until it goes."""
    app = websocket.app
    if app.state.tabs >= _MOST_TABS:
        await websocket.close(_TRY_LATER)
        return
    app.state.tabs += 1
    await websocket.accept()
    tab = Tab(app.state.desk.hub, websocket.send_bytes)
    sending = asyncio.create_task(tab.run())
    try:
        while True:
            tab.heard(await websocket.receive_text())
    except (WebSocketDisconnect, KeyError, RuntimeError):
        _LOG.debug("tab=gone")  # KeyError: bytes, which no tab of ours sends; RuntimeError: it went while we sent
    finally:
        app.state.tabs -= 1
        tab.close()
        sending.cancel()
        with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, OSError):
            await sending


class Application(Guard):
    """All of it. `ending` tells the tabs that the server ends."""

    def __init__(self, app: Starlette, token: str) -> None:
        super().__init__(app, token)
        self.state = app.state

    def ending(self) -> None:
        """To be called while tabs are still connected."""
        self.state.desk.hub.bye()


def application(feed: Feed, token: str = "", pages: Pages | None = None, home: str = "/") -> Application:
    """Over a feed that is followed as long as the application lives. `token` "": loopback only. `home`: where / leads
    to.
    """

    async def first(request: Request) -> Response:
        is_there = home == "/" or request.query_params.keys() - {"token"}
        return await shown.answer(request) if is_there else RedirectResponse(home, 307)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(feed.run())
        async with Hub(feed) as hub:
            app.state.desk, app.state.tabs = Desk(feed, hub), 0
            yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

    shown = pages or Pages()
    routes = [
        Route("/", first),
        Route(HEALTH, _healthy),
        Route("/api/v1/flows", _flows),
        Route("/api/v1/bundle", _bundle),
        *(Route(f"/api/v1/{name}", _answering(question)) for name, question in _QUESTIONS.items()),
        WebSocketRoute("/api/v1/live", _live),
        Route("/api/{rest:path}", _unknown),
        Route("/{rest:path}", shown.answer),
    ]
    handlers: dict[Any, Any] = {RubinError: _refused, 405: _not_so, Exception: _failed}
    return Application(Starlette(routes=routes, lifespan=life, exception_handlers=handlers), token)
