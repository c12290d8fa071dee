"""`rubin ui`: what a server sees, in the browser."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING

from rubin.cli.command import Arguments, Command
from rubin.cli.redaction import FLAGS as REDACTION
from rubin.cli.redaction import defaults, redaction
from rubin.cli.settings import GLOBAL, SERVER
from rubin.words.flags import Flag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from socket import socket

    from rubin.model.batch import FlowBatch
    from rubin.ui.app import Application
    from rubin.ui.feed import Feed
    from rubin.ui.pages import Pages

_PATIENCE_S = 5.0

_LISTEN = "127.0.0.1:12000"
_TOKEN = "File with the token that lets in, at least 16 letters; without it one is made where others may connect."
_TEXT = """Map, flows, drops, services and DNS of a server, in the browser: a Rubin agent, or any server that speaks
Hubble's API. Nothing leaves this machine; where others may connect, the link that is printed carries a token.

With FILE no server is asked: it is a capture, or flows as JSON lines, as `rubin replay` reads them (- is standard
input), or a bundle that the browser saved."""


def command() -> Command:
    """The command."""
    flags = (*_flags(), *SERVER, *REDACTION, *GLOBAL)
    summary = "Show what a server sees, in the browser"
    return Command("ui", summary, flags, run, "[FILE]", 1, text=_TEXT, defaults=defaults)


def _flags() -> tuple[Flag, ...]:
    held = "So many flows are held at most; 1,000,000 take some 200 MB."
    where = "Where the browser connects; port 0 takes one that is free."
    return (
        Flag("listen", where, default=_LISTEN, metavar="HOST:PORT"),
        Flag("open", "Open the page in the browser of this machine.", "yes", False),
        Flag("token-file", _TOKEN, default="", metavar="PATH", is_setting=True),
        Flag("capacity", held, "number", 1_000_000, metavar="N"),
        Flag("names", "Of FILE: names of addresses and networks, TOML, as for the agent.", default="", metavar="FILE"),
    )


def run(arguments: Arguments) -> int:
    """Serve until Ctrl-C, which is a good end."""
    from rubin.errors import UsageError
    from rubin.ui.app import application
    from rubin.ui.security import new_token, token_of
    from rubin.ui.server import is_local, listener

    if arguments["capacity"] < 1_000:
        raise UsageError(f"--capacity cannot be {arguments['capacity']}", "1000 at least")
    path = arguments["token-file"]
    token = token_of(path) if path else "" if is_local(arguments["listen"]) else new_token()
    with listener(arguments["listen"]) as on:  # before a long file is read in vain
        try:
            feed, home, what = _shown(arguments)
            return _serve(arguments, on, token, what, lambda pages: application(feed, token, pages, home))
        except KeyboardInterrupt:
            return 0


def _serve(arguments: Arguments, on: socket, token: str, what: str, made: Callable[[Pages], Application]) -> int:
    from urllib.parse import urlencode

    from rubin.ui.pages import Pages
    from rubin.ui.server import address, serve

    path, pages = arguments["token-file"], Pages()
    link = page = f"http://{_reached(address(on))}/"
    if token:
        link += f"?{urlencode({'token': token})}"
        page += f"?token=, and behind it what {path} holds," if path else f"?token={token}"  # logs are read by many

    def started() -> None:
        _say(f"rubin ui: {page} shows {what}; Ctrl-C ends it")
        if not pages.is_built:
            _say("rubin ui: the pages are not built, only /api/v1/ answers; ./dev run builds them")
        if arguments["open"]:
            _open(link)

    app = made(pages)
    serve(app, on, started, app.ending)
    return 0


def _shown(arguments: Arguments) -> tuple[Feed, str, str]:
    """What is looked at, its first page, and what it is in words. Raises RubinError for a file that cannot be shown."""
    if not arguments.words:
        from rubin.cli.server import client_settings
        from rubin.ui.feed import Feed

        feed = Feed(client_settings(arguments), arguments["capacity"])
        return feed, "/", f"what {feed.state.target} sees"
    from rubin.cli.files import is_bundle, named_flows
    from rubin.ui.bundle import Bundle
    from rubin.ui.file import Recorded

    (path,), capacity = arguments.words, arguments["capacity"]
    if is_bundle(path):
        bundle = Bundle(path)
        recorded = Recorded(path, capacity, bundle.view[1:])
        recorded.read(_watched(bundle.flows()))
        home = bundle.view.page
    else:
        recorded = Recorded("standard input" if path == "-" else path, capacity)
        recorded.read(_watched(named_flows(path, arguments["names"], redaction(arguments))))
        home = recorded.home
    if recorded.state.way_on:
        _say(f"rubin ui: {recorded.state.sentence}\n  try: {recorded.state.way_on}")
    return recorded, home, f"file {recorded.state.sentence}"


def _watched(batches: Iterable[FlowBatch]) -> Iterator[FlowBatch]:
    """The same; says every few seconds how many flows have come: a file may be long, and a pipe wait for more."""
    said_s, flows = monotonic(), 0
    for batch in batches:
        yield batch
        flows += len(batch)
        if monotonic() > said_s + _PATIENCE_S:
            said_s = monotonic()
            _say(f"rubin ui: reading, {flows:,} flows so far")


def _reached(text: str) -> str:
    """An address that a browser can ask for: every address is this machine's name."""
    import socket

    host, _, port = text.rpartition(":")
    return f"{socket.gethostname()}:{port}" if host in ("0.0.0.0", "[::]") else text


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _open(link: str) -> None:
    import webbrowser

    if not webbrowser.open(link):
        _say("rubin ui: no browser was found here; open the link yourself")
