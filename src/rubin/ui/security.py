"""Who may look: the same origin only, and from other machines only who has the token.

A page of another site in the same browser must not read the flows: its `Origin` is another. One whose name was made to
lead here (DNS rebinding) sends our own origin, but a `Host` that no loopback address has.
"""

import hmac
import json
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rubin.errors import RubinError

COOKIE = "rubin-session"
_LEAST_LETTERS = 16
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
HEADERS = {
    "content-security-policy": "default-src 'self'; connect-src 'self'; img-src 'self' data: blob:; style-src 'self'; "
    "worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
HEALTH = "/healthz"
_FORBIDDEN, _UNKNOWN = 403, 401
_STRANGER = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Rubin: the session is not known</title>
<h1>The session is not known</h1><p>Open the link that <code>rubin ui</code> printed when it started: it holds the
token, and this browser then keeps it. A token from a file goes behind the address as <code>?token=…</code>.</p></html>
"""
_POLICY_VIOLATION = 1008  # RFC 6455, 7.4.1


def new_token() -> str:
    """32 hexadecimal digits that nobody guesses."""
    return secrets.token_hex(16)


def token_of(path: str) -> str:
    """The token that a file holds, such as one mounted from a Secret, without the space around it. Who may read the
    file is for those who put it there. Raises RubinError, also where it is no token that nobody guesses.
    """
    try:
        text = Path(path).read_text("utf-8", errors="replace").strip()
    except OSError as error:
        raise RubinError(f"cannot read {path}: {error.strerror or error}", "--token-file with another path") from error
    if len(text) < _LEAST_LETTERS:
        has = f"has {len(text)} letters" if text else "is empty"
        raise RubinError(f"the token in {path} {has}, {_LEAST_LETTERS} are the least", "openssl rand -hex 32 makes one")
    if not _TOKEN.fullmatch(text):
        raise RubinError(
            f"the token in {path} is more than letters, digits and -._~+/=", "openssl rand -hex 32 makes one"
        )
    return text


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own, which no other machine reaches."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Lets requests through to the application, and puts the headers on its answers. `token` "": none is needed, and
    the host that is asked for must be a loopback address.
    """

    def __init__(self, app: ASGIApp, token: str = "") -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope, Headers(scope=scope))
        if scope["type"] == "websocket" and refused is not None:
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
        elif refused is not None:
            await refused(scope, receive, _with_headers(send))
        else:
            await self._app(scope, receive, _with_headers(send) if scope["type"] == "http" else send)

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        """Why not; None: let it through."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._token and not is_loopback(_name(host)):
            return _answer(_FORBIDDEN, f"'{host[:100]}' is not this machine", "http://localhost and the port")
        if origin is not None and urlsplit(origin).netloc != host:
            return _answer(_FORBIDDEN, "another site may not ask here", "open the address that rubin ui printed")
        if not self._token or self._has_cookie(headers) or self._is_bearer(headers):
            return None
        if scope["type"] == "http" and scope["path"] == HEALTH:
            return None  # says nothing of what is seen; who asks has no token: a kubelet, a load balancer
        return self._welcome(scope) or _stranger("text/html" in headers.get("accept", ""))

    def _has_cookie(self, headers: Headers) -> bool:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(headers.get("cookie", ""))
        except CookieError:
            return False
        found = jar.get(COOKIE)
        return found is not None and self._is_token(found.value)

    def _is_bearer(self, headers: Headers) -> bool:
        """Of programs, which keep no cookies (RFC 6750, 2.1)."""
        scheme, _, text = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._is_token(text.strip())

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(errors="replace"), self._token.encode())

    def _welcome(self, scope: Scope) -> Response | None:
        """For who comes with the token: the cookie, and the same page without the token in its address."""
        if scope["type"] != "http":
            return None
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not any(key == "token" and self._is_token(value) for key, value in asked):
            return None
        rest = urlencode([(key, value) for key, value in asked if key != "token"])
        path = "/" + scope["path"].lstrip("/")  # //host would lead to another
        response = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        response.set_cookie(COOKIE, self._token, httponly=True, samesite="strict", path="/")
        return response


def _stranger(is_browser: bool) -> Response:
    sentence = "the session is not known"
    if not is_browser:
        way_on = "open the link that rubin ui printed, or send its token as Authorization: Bearer TOKEN"
        return _answer(_UNKNOWN, sentence, way_on)
    return HTMLResponse(_STRANGER, _UNKNOWN)


def _answer(status: int, sentence: str, way_on: str) -> Response:
    text = json.dumps({"error": sentence, "way_on": way_on})
    return Response(text, status, media_type="application/json")


def _name(host: str) -> str:
    """Of `name:port`, `[::1]:port` or a name alone."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return sending
