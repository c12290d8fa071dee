"""The path of a request's URL, as Go's `url.ParseRequestURI` finds it (Hubble's http_path asks for that)."""

import re
from urllib.parse import unquote_to_bytes

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD = re.compile(r"[\x00-\x1f\x7f]|%(?![0-9A-Fa-f]{2})")
_PORT = re.compile(r"(?:\[[^\]/]*\]|[^:/\[\]]*)(?::[0-9]*)?\Z")


def request_path(url: str) -> str | None:
    """The decoded path; None where the text is no absolute URL or path."""
    if not url or _BAD.search(url.partition("?")[0]) or re.search(r"[\x00-\x1f\x7f]", url):
        return None
    if url == "*":
        return url
    scheme = _SCHEME.match(url)
    if not scheme and url.startswith(":"):
        return None
    rest = url[scheme.end() :] if scheme else url
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):
        return "" if scheme else None  # mailto:somebody has no path
    if scheme and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        if not _PORT.match(authority.rpartition("@")[2]):
            return None
        rest = slash + path
    return unquote_to_bytes(rest).decode("utf-8", "replace")
