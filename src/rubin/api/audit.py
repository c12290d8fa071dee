"""Who asked what: one JSON line a request, when it ends."""

import json
import logging
import os
import queue
import shlex
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from rubin.api.asking import Asked
from rubin.api.rotated import RotatedFile
from rubin.errors import RubinError, UsageError
from rubin.wire.filters import filters_of
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from rubin.wire.protojson import text

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 10_000
_MOST_LINES = 1_000
_MOST_TEXT = 4_096
_CLOSING_S = 5.0
_NO_LIMIT = 1 << 62  # others rotate this file
_ALL = 1 << 63  # `--all` asks for 2^64 - 1


class Audit:
    """`note` never waits: lines wait for a thread, `_MOST_WAITING` at most. More are lost, which is counted, and said
    in the file.

    A file that was moved away, by logrotate say, is begun anew. Raises RubinError where it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._refused = self._unwritten = self._told = 0  # the first is counted by who asks, the others by the thread
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._failed = False
        try:
            self._open()
        except OSError as error:
            raise RubinError(f"cannot write {path}: {error.strerror}", "another path for audit_file") from error
        self._thread = threading.Thread(target=self._run, name="rubin-audit", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """How many requests are not in the file."""
        return self._refused + self._unwritten

    def note(self, asked: Asked, status: str, reason: str = "") -> None:
        """A request ended so."""
        try:
            self._waiting.put_nowait(_line(entry(asked, status, reason)))
        except queue.Full:
            self._refused += 1

    def close(self) -> None:
        """Write what waits."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=_CLOSING_S)
            self._thread.join(_CLOSING_S)
        self._file.close()

    def _run(self) -> None:
        while True:
            lines = [self._waiting.get()]
            with suppress(queue.Empty):
                while len(lines) < _MOST_LINES:
                    lines.append(self._waiting.get_nowait())
            self._write([line for line in lines if line is not None])
            if None in lines:
                return

    def _write(self, lines: list[bytes]) -> None:
        lost = self.lost
        note = [_line({"time": _now(), "lost": lost - self._told})] if lost > self._told else []
        try:
            if self._is_moved():
                self._file.close()
                self._open()
            self._file.write(b"".join([*note, *lines]))
        except OSError as error:
            self._unwritten += len(lines)
            if not self._failed:
                _LOG.error("audit=lost file=%s reason=%r", self._path, error.strerror or str(error))
            self._failed = True
            return
        self._told, self._failed = lost, False

    def _is_moved(self) -> bool:
        if self._path == "stdout":
            return False
        try:
            return os.stat(self._path).st_ino != self._inode
        except FileNotFoundError:
            return True

    def _open(self) -> None:
        self._file = RotatedFile(self._path, _NO_LIMIT, 0, False)
        self._inode = 0 if self._path == "stdout" else os.stat(self._path).st_ino


def entry(asked: Asked, status: str, reason: str) -> dict[str, Any]:
    """The line's members; what says nothing is left out."""
    who = asked.who
    told: dict[str, Any] = {
        "time": _now(),
        "who": who.name,
        "proof": who.proof,
        "roles": list(who.roles),
        "namespaces": [list(group) for group in who.sight.groups],
        "address": asked.address,
        "method": asked.method,
        **(_asked(asked.request) if asked.request is not None else {}),
        "flows": asked.flows,
        "status": status,
        "reason": reason.partition("\n")[0],
        "duration_s": round(time.monotonic() - asked.began_s, 6),
    }
    always = ("who", "proof", "flows", "duration_s")
    return {name: value for name, value in told.items() if value or name in always}


def _asked(request: Message) -> dict[str, Any]:
    if isinstance(request, GetFlowsRequest):
        return _flows(request)
    flows = getattr(request, "flows", None)
    if not isinstance(flows, GetFlowsRequest):
        return {"request": text(request)[:_MOST_TEXT].removesuffix("{}")}
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("flows")
    return {**_flows(flows), "request": text(rest)[:_MOST_TEXT].removesuffix("{}")}


def _flows(request: GetFlowsRequest) -> dict[str, Any]:
    """Filters as the command line takes them, and the range."""
    words, size = [], 0
    for flag, filters in (("--allowlist", request.whitelist), ("--denylist", request.blacklist)):
        for one in filters:
            if size < _MOST_TEXT:
                words.append(shlex.join([flag, text(one)]))
                size += len(words[-1])
    number = "all" if request.number >= _ALL else request.number
    return {
        "filters": _cut(" ".join(words)),
        "beyond_hubble": _cut(_beyond(request)) if request.HasField("extensions") else "",
        "since": _moment(request.since) if request.HasField("since") else "",
        "until": _moment(request.until) if request.HasField("until") else "",
        ("first" if request.first else "last"): number,
        "follow": request.follow,
    }


def _beyond(request: GetFlowsRequest) -> str:
    """What the filters ask that Hubble's have no field for, as JSON: a list for each of the two."""
    try:
        lists = filters_of(request)
    except UsageError:
        return ""
    asked = [[{name: value for name, value in asdict(one.beyond).items() if value} for one in each] for each in lists]
    return json.dumps(asked, separators=(",", ":"))


def _moment(time: Timestamp) -> str:
    return json.loads(text(time)) or f"{time.seconds} s"  # a time may lie outside of the calendar


def _cut(words: str) -> str:
    return words if len(words) <= _MOST_TEXT else words[:_MOST_TEXT] + "…"


def _line(members: dict[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False).encode(errors="replace") + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
