"""What tells of nodes, and what all such have in common."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rubin.errors import RubinError
from rubin.relay.pool import Found

_LOG = logging.getLogger(__name__)
Tell = Callable[[Iterable[Found]], None]


class Trouble(NamedTuple):
    """What is wrong, and what to try."""

    sentence: str
    way_on: str


class Source(ABC):
    """`text` is how the user names it; `trouble` is None where nothing is wrong."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.trouble: Trouble | None = None

    @abstractmethod
    async def run(self, tell: Tell) -> None:
        """Tell the whole set of nodes whenever it changes, for ever. What time may heal is said in `trouble`; what was
        told before holds on.
        """

    def say(self, error: RubinError | None) -> None:
        """What is wrong now, None where nothing is. The log has it once."""
        trouble = None if error is None else Trouble(error.sentence, error.way_on)
        if trouble != self.trouble:
            level = logging.INFO if trouble is None else logging.WARNING
            said = trouble or Trouble("none", "")
            _LOG.log(level, "discovery=%r fault=%r try=%r", self.text, said.sentence, said.way_on)
        self.trouble = trouble
