"""The browser's side as files, in memory: they are few, and small."""

import gzip
from dataclasses import dataclass
from importlib.resources import files
from mimetypes import guess_type
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(str(files("rubin.ui"))) / "static"
_FOR_EVER, _NEVER = "public, max-age=31536000, immutable", "no-cache"
_TEXTS = (".html", ".js", ".css", ".svg", ".json", ".map", ".txt", ".webmanifest")
_MISSING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Rubin: the pages are not built</title>
<h1>The pages are not built</h1>
<p>This Rubin runs from its sources, and the browser's side has not been built. <code>./dev run</code> builds it and
starts both. The API answers: <a href="/api/v1/status">/api/v1/status</a>.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    packed: bytes  # b"" where it is not text
    kind: str


class Pages:
    """Answers everything that is not of the API: files by their names, and the application for every other path."""

    def __init__(self, static: Path = STATIC) -> None:
        self._files = {f"/{path.relative_to(static)}": _read(path) for path in static.rglob("*") if path.is_file()}

    @property
    def is_built(self) -> bool:
        """Whether there is an application."""
        return "/index.html" in self._files

    async def answer(self, request: Request) -> Response:
        """A file, the application, or that there is no such file."""
        path = request.url.path
        if path in self._files and path != "/index.html":
            return _sent(self._files[path], request, _FOR_EVER if path.startswith("/assets/") else _NEVER)
        if "." in path.rpartition("/")[2] and path != "/index.html":
            return Response("There is no such file.\n", 404, media_type="text/plain")
        if not self.is_built:
            return Response(_MISSING, 503, media_type="text/html")
        return _sent(self._files["/index.html"], request, _NEVER)


def _read(path: Path) -> _File:
    body = path.read_bytes()
    kind = (
        "text/javascript" if path.suffix in (".js", ".mjs") else guess_type(path.name)[0] or "application/octet-stream"
    )
    return _File(body, gzip.compress(body, mtime=0) if path.suffix in _TEXTS else b"", kind)


def _sent(file: _File, request: Request, keeping: str) -> Response:
    headers = {"cache-control": keeping, "vary": "accept-encoding"}
    if file.packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, headers=headers | {"content-encoding": "gzip"}, media_type=file.kind)
    return Response(file.body, headers=headers, media_type=file.kind)
