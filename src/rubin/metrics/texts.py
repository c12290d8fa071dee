"""Texts of messages as label values: what comes from the wire is cut where it is longer than any real one."""

import numpy as np

from rubin.metrics.vocabulary import OTHER
from rubin.model.messages import DNS, Messages

_LONGEST_WORD = 32
_LONGEST_NAME = 255


def word(row: np.void, field: str, messages: Messages) -> str:
    """A method, a version; "other" for what is too long."""
    return _short(messages.texts[int(row[field])], _LONGEST_WORD)


def name(row: np.void, field: str, messages: Messages) -> str:
    """A topic; "other" for what is too long."""
    return _short(messages.texts[int(row[field])], _LONGEST_NAME)


def first_word(row: np.void, field: str, messages: Messages) -> str:
    """The code or name of an error without its message."""
    return _short(messages.texts[int(row[field])].partition(" ")[0], 2 * _LONGEST_WORD)


def dns_record(row: np.void, messages: Messages) -> DNS:
    """The question or answer of a row."""
    return messages.dns[int(row["dns"])] if row["dns"] else DNS(query=messages.texts[int(row["target"])])


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else OTHER
