"""Hubble's messages as JSON beyond flows: inside other JSON, and indented."""

import json
from typing import Any

from google.protobuf.message import Message

from rubin.wire.json import text

_GO_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def message_dict(message: Message) -> dict[str, Any]:
    """Proto's JSON mapping with proto names: 64-bit numbers as texts, enumerations by name."""
    made: dict[str, Any] = json.loads(text(message))
    return made


def go_json(value: Any, indent: int | None = None) -> str:
    """The value as Go's encoder writes it: no blanks unless indented, HTML's signs escaped."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(value, ensure_ascii=False, separators=separators, indent=indent).translate(_GO_ESCAPES)
