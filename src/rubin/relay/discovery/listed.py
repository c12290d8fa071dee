"""Nodes that the user lists, one by one or in a file."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rubin.errors import RubinError, UsageError
from rubin.relay.discovery.naming import WAYS, Defaults, node
from rubin.relay.discovery.source import Source, Tell
from rubin.relay.pool import Found

_LOOK_S = 1.0


class Listed(Source):
    """A list that never changes. Raises UsageError for what is no node."""

    def __init__(self, texts: Iterable[str], defaults: Defaults) -> None:
        super().__init__("list")
        self._found = _nodes(texts, defaults, "the list of nodes")

    async def run(self, tell: Tell) -> None:
        """Tell once."""
        tell(self._found)
        await asyncio.Event().wait()


class InFile(Source):
    """A file with a node a line; what follows a `#` is not read. It is read again when it has changed.

    Raises RubinError where the file cannot be read at first.
    """

    def __init__(self, path: str, defaults: Defaults, look_s: float = _LOOK_S) -> None:
        super().__init__(f"@{path}")
        if not path:
            raise UsageError("'@' names no file", "@/etc/rubin/nodes")
        self._path, self._defaults, self._look_s = Path(path).expanduser(), defaults, look_s
        self._text = self._read()
        self._found = self._parsed(self._text)

    async def run(self, tell: Tell) -> None:
        """Tell at once, and after each change."""
        told: list[Found] | None = None
        while True:
            if self._found != told:
                told = self._found
                tell(told)
            await asyncio.sleep(self._look_s)
            self._look()

    def _look(self) -> None:
        try:
            before, self._text = self._text, self._read()
            if self._text == before:  # else somebody may still be writing
                self._found = self._parsed(self._text)
        except RubinError as error:
            self.say(error)

    def _read(self) -> str:
        path = self._path
        try:
            if path.exists() and not path.is_file():
                raise RubinError(f"{path} is no file", f"a file with a node a line: {WAYS}")
            return path.read_text("utf-8")
        except OSError as error:
            raise RubinError(f"cannot read {path}: {error.strerror}", "check the path and its rights") from error
        except UnicodeDecodeError as error:
            raise RubinError(f"cannot read {path}: it is not UTF-8", "check which file it is") from error

    def _parsed(self, text: str) -> list[Found]:
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        found = _nodes([line for line in lines if line], self._defaults, str(self._path))
        self.say(None if found else RubinError(f"{self._path} names no node", f"a node a line: {WAYS}"))
        return found


def _nodes(texts: Iterable[str], defaults: Defaults, origin: str) -> list[Found]:
    try:
        found = [node(text, defaults) for text in texts]
    except UsageError as error:
        raise UsageError(f"{origin}: {error.sentence}", error.way_on) from error
    name, count = next(iter(Counter(one.name for one in found if one.name).most_common(1)), ("", 0))
    if count > 1:
        raise UsageError(f"{origin}: {count} nodes are called '{name}'", "a name of its own for each, or none")
    return found
