"""The line in which a filter is typed: completed as one types, judged before it is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual.binding import Binding
from textual.suggester import Suggester
from textual.widgets import Input

from rubin.store.ring import Ring
from rubin.ui.terminal.typed import completion
from rubin.words.text import clean

_MOST_NAMES = 20_000


class FilterLine(Input):
    """What is typed is judged elsewhere: `Input.Changed` while it is typed; Enter and Esc are the picture's keys."""

    DEFAULT_CSS = """
    FilterLine {
        height: 1;
        border: none;
        padding: 0 1;
        background: ansi_default;
        color: ansi_default;
        text-style: none;
        &:focus { border: none; background-tint: ansi_default; }
        &.-textual-compact { padding: 0 1; }
    }
    """
    BINDINGS: ClassVar = [Binding("tab", "complete", show=False)]

    def __init__(self, id: str, names: Callable[[], Iterable[str]]) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, compact=True, suggester=_Completion(names), select_on_focus=False)
        self.cursor_blink = False

    def action_complete(self) -> None:
        """Take what is suggested."""
        self.action_cursor_right()


class _Completion(Suggester):
    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._names = names

    async def get_suggestion(self, value: str) -> str | None:
        """The whole text with its last word completed."""
        return completion(value, self._names()) or None


def pods(ring: Ring) -> list[str]:
    """`namespace/name` of the pods of the newest flows; not those that cannot be typed."""
    newest = next(iter(ring.scan(newest_first=True)), None)
    if newest is None:
        return []
    rows = newest.tables.endpoints.rows[-_MOST_NAMES:]
    names = {f"{row.namespace}/{row.pod_name}" for row in rows if row.pod_name}
    return sorted(name for name in names if clean(name) == name)
