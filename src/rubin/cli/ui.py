"""`rubin ui`: what a server sees, in the browser."""

from __future__ import annotations

import sys

from rubin.cli.command import Arguments, Command
from rubin.cli.settings import GLOBAL, SERVER
from rubin.words.flags import Flag

_LISTEN = "127.0.0.1:12000"
_TOKEN = "File with the token that lets in, at least 16 letters; without it one is made where others may connect."
_TEXT = """Map, flows, drops, services and DNS of a server, in the browser: a Rubin agent, or any server that speaks
Hubble's API. Nothing leaves this machine; where others may connect, the link that is printed carries a token."""


def command() -> Command:
    """The command."""
    return Command("ui", "Show what a server sees, in the browser", (*_flags(), *SERVER, *GLOBAL), run, text=_TEXT)


def _flags() -> tuple[Flag, ...]:
    held = "So many flows are held at most; 1,000,000 take some 200 MB."
    where = "Where the browser connects; port 0 takes one that is free."
    return (
        Flag("listen", where, default=_LISTEN, metavar="HOST:PORT"),
        Flag("open", "Open the page in the browser of this machine.", "yes", False),
        Flag("token-file", _TOKEN, default="", metavar="PATH", is_setting=True),
        Flag("capacity", held, "number", 1_000_000, metavar="N"),
    )


def run(arguments: Arguments) -> int:
    """Serve until Ctrl-C, which is a good end."""
    from urllib.parse import urlencode

    from rubin.cli.server import client_settings
    from rubin.errors import UsageError
    from rubin.ui.app import application
    from rubin.ui.feed import Feed
    from rubin.ui.pages import Pages
    from rubin.ui.security import new_token, token_of
    from rubin.ui.server import address, is_local, listener, serve

    if arguments["capacity"] < 1_000:
        raise UsageError(f"--capacity cannot be {arguments['capacity']}", "1000 at least")
    settings = client_settings(arguments)
    path = arguments["token-file"]
    token = token_of(path) if path else "" if is_local(arguments["listen"]) else new_token()
    feed, pages = Feed(settings, arguments["capacity"]), Pages()
    on = listener(arguments["listen"])
    link = page = f"http://{_reached(address(on))}/"
    if token:
        link += f"?{urlencode({'token': token})}"
        page += f"?token=, and behind it what {path} holds," if path else f"?token={token}"  # logs are read by many

    def started() -> None:
        _say(f"rubin ui: {page} shows what {feed.state.target} sees; Ctrl-C ends it")
        if not pages.is_built:
            _say("rubin ui: the pages are not built, only /api/v1/ answers; ./dev run builds them")
        if arguments["open"]:
            _open(link)

    app = application(feed, token, pages)
    try:
        serve(app, on, started, app.ending)
    except KeyboardInterrupt:
        return 0
    finally:
        on.close()
    return 0


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
