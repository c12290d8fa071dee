"""Who may look: the same origin only, and from other machines only who has the token.

A page of another site in the same browser must not read the flows: its `Origin` is another. One whose name was made to
lead here (DNS rebinding) sends our own origin, but a `Host` that no loopback address has.
"""

import hmac
import json
import secrets
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "rubin-session"
HEADERS = {
    "content-security-policy": "default-src 'self'; connect-src 'self'; img-src 'self' data: blob:; style-src 'self'; "
    "worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_FORBIDDEN, _UNKNOWN = 403, 401
_POLICY_VIOLATION = 1008  # RFC 6455, 7.4.1


def new_token() -> str:
    """32 hexadecimal digits that nobody guesses."""
    return secrets.token_hex(16)


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
        if not self._token or self._has_cookie(headers):
            return None
        return self._welcome(scope) or _answer(
            _UNKNOWN, "the session is not known", "open the link that rubin ui printed"
        )

    def _has_cookie(self, headers: Headers) -> bool:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(headers.get("cookie", ""))
        except CookieError:
            return False
        found = jar.get(COOKIE)
        return found is not None and self._is_token(found.value)

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
