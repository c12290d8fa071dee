"""Flows to a file, as Hubble's exporter writes them: on a thread, beside the line and never in its way."""

import logging
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from rubin import __version__
from rubin.api.aggregate import Aggregate
from rubin.api.flowlogs import FlowLog
from rubin.api.rotated import RotatedFile
from rubin.api.selection import Selection, compiled
from rubin.errors import RubinError
from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.enums import LostSource
from rubin.store.cursor import Cursor
from rubin.store.ring import Ring
from rubin.wire import json
from rubin.wire.flows import FlowEncoder

_LOG = logging.getLogger(__name__)
_SPACING_S = 0.1
_ROWS = 4_096


class Exporter:
    """Writes the flows that come from now on to one file, until `close` or the log's end.

    What it could not write is counted: `lost_flows`, overwritten in the ring before they were read
    (and told in the file), and `failed_flows`, which the file did not take. Raises RubinError.
    """

    def __init__(self, ring: Ring, log: FlowLog, node_name: str) -> None:
        self.log = log
        self.exported_flows = self.lost_flows = self.failed_flows = 0
        self._ring, self._node_name = ring, node_name
        self._selection = Selection(compiled(log.include, log.exclude))
        self._encoder = FlowEncoder(log.field_mask or None, __version__)
        self._aggregate = _aggregate(log)
        self._file = _opened(log)
        self._cursor = Cursor(ring, ring.next_row)
        self._wake, self._stop = threading.Event(), threading.Event()
        self._unsubscribe = ring.subscribe(self._wake.set)
        self._thread = threading.Thread(target=self._run, name=f"rubin-export-{log.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is there, then stop."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and not self._over():
                self._wake.wait(self._patience())
                self._wake.clear()  # before reading, so that what comes meanwhile wakes again
                self._drain()
                self._stop.wait(_SPACING_S)
            self._drain()
            self._flush(last=True)
        finally:
            self._unsubscribe()
            self._file.close()

    def _over(self) -> bool:
        return self.log.end_ns is not None and time.time_ns() >= self.log.end_ns

    def _patience(self) -> float | None:
        """None: until flows come."""
        return 1.0 if self.log.end_ns is not None or self._aggregate is not None else None

    def _drain(self) -> None:
        """Everything up to the newest row of now."""
        end = self._ring.next_row
        while self._cursor.row < end and (views := self._cursor.read(end)):
            for view in views:
                self._export(view)
        overtaken = self._cursor.take_overtaken()
        if overtaken:
            self.lost_flows += overtaken
            now = time.time_ns()
            lost = Lost(LostSource.HUBBLE_RING_BUFFER, overtaken, now, node_name=self._node_name, place="export")
            self._ring.note_missed(lost)
            self._export(empty(lost=(lost,)))
        self._flush()

    def _export(self, view: FlowBatch) -> None:
        rows = self._selection.rows(view) if len(view) else None
        chosen = view if rows is None else view.take(rows)
        if self.log.include:  # a filter is about flows, so a loss does not pass one
            chosen = chosen.without_lost()
        for start in range(0, max(len(chosen), 1), _ROWS):
            part = chosen.take(slice(start, start + _ROWS))
            self._put(part if start == 0 else part.without_lost())

    def _put(self, part: FlowBatch) -> None:
        if self._aggregate is not None:
            self._aggregate.add(part)
            part = empty(part.tables, part.lost)
        self._write(json.lines(part, self._encoder), len(part))

    def _flush(self, last: bool = False) -> None:
        if self._aggregate is not None and (last or self._aggregate.due):
            responses = self._aggregate.take(self._node_name)
            self._write(map(json.text, responses), len(responses))

    def _write(self, lines: Iterable[str], flows: int) -> None:
        text = "".join(line + "\n" for line in lines)
        try:
            self._file.write(text.encode())
            self.exported_flows += flows
        except OSError as error:
            if not self.failed_flows:
                _LOG.error("export=%s file=%s reason=%r", self.log.name, self.log.file_path, error.strerror)
            self.failed_flows += flows


def _aggregate(log: FlowLog) -> Aggregate | None:
    if not log.field_aggregate or not log.aggregation_interval_s:
        return None
    return Aggregate(log.field_aggregate, log.aggregation_interval_s, __version__)


def _opened(log: FlowLog) -> RotatedFile:
    try:
        return RotatedFile(log.file_path, log.file_max_size_mb << 20, log.file_max_backups, log.file_compress)
    except FileNotFoundError as error:
        parents = Path(log.file_path).absolute().parents
        missing = next((parent for parent in reversed(parents) if not parent.exists()), parents[0])
        raise RubinError(
            f"cannot write {log.file_path}: there is no directory {missing}", f"mkdir {missing}"
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise RubinError(f"cannot write {log.file_path}: {reason}", "another path for the export") from error
