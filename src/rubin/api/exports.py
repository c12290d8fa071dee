"""All exports of an agent: started, and started anew when the file that describes them changes."""

import logging
import threading
from pathlib import Path

from rubin.api.export import Exporter
from rubin.api.flowlogs import ExportSettings, FlowLog, read_flowlogs, static_log
from rubin.errors import RubinError
from rubin.store.ring import Ring

_LOG = logging.getLogger(__name__)
_POLL_S = 5.0


class Exports:
    """The export of the flags, and those of a file that is looked at every 5 s.

    Exports that a change of the file leaves alone go on undisturbed; a file that is wrong changes
    nothing. Raises RubinError where what is configured at the start cannot be.
    """

    def __init__(self, ring: Ring, settings: ExportSettings, node_name: str, poll_s: float = _POLL_S) -> None:
        self._ring, self._path, self._node_name, self._poll_s = ring, settings.flowlogs_config_path, node_name, poll_s
        self._exporters: dict[str, Exporter] = {}
        self._ended = dict.fromkeys(("exported", "lost", "failed"), 0)
        self._contents: bytes | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        static = static_log(settings)
        self._static = [] if static is None else [static]
        self._apply(self._static + (read_flowlogs(self._path) if self._changed() else []))
        if self._path:
            self._thread = threading.Thread(target=self._watch, name="rubin-export", daemon=True)
            self._thread.start()

    def account(self) -> dict[str, int]:
        """Flows so far: `exported`, `lost` (overwritten before they were read), `failed` (not taken by a file)."""
        total = dict(self._ended)
        for exporter in list(self._exporters.values()):
            _add(total, exporter)
        return total

    def close(self) -> None:
        """Write what is there, then stop."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._apply([])

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                if self._changed():
                    self._apply(self._static + read_flowlogs(self._path))
            except RubinError as error:
                _LOG.error("flowlogs=unchanged reason=%r", error.sentence)

    def _changed(self) -> bool:
        """Whether the file holds something else than at the last look; a file that is gone has not changed."""
        if not self._path:
            return False
        try:
            contents = Path(self._path).read_bytes()
        except OSError:
            return self._contents is None  # at the start: let the reader say why
        changed, self._contents = contents != self._contents, contents
        return changed

    def _apply(self, logs: list[FlowLog]) -> None:
        """Have exactly these exports run."""
        for name, exporter in list(self._exporters.items()):
            if exporter.log not in logs:
                exporter.close()
                _add(self._ended, self._exporters.pop(name))
        for log in logs:
            if log.name not in self._exporters:
                self._exporters[log.name] = Exporter(self._ring, log, self._node_name)


def _add(total: dict[str, int], exporter: Exporter) -> None:
    total["exported"] += exporter.exported_flows
    total["lost"] += exporter.lost_flows
    total["failed"] += exporter.failed_flows
