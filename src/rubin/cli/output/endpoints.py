"""Endpoints as text."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rubin.cli.output.columns import align
from rubin.words.text import clean

_NONE = "-"
_FEW = 3  # places in a line of the table


def endpoints(found: Sequence[Mapping[str, Any]], output: str) -> str:
    """`json`, `table` or `wide`."""
    if output == "json":
        return json.dumps(found, indent=2) + "\n"
    wide = output == "wide"
    head = ("NAME", "IDENTITY", "WHERE", "WORKLOAD", "SERVICE", "SINCE", *(("IMAGE", "LABELS") if wide else ()))
    return align([head, *(_row(one, wide) for one in found)])


def _row(one: Mapping[str, Any], wide: bool) -> tuple[str, ...]:
    name = "/".join(filter(None, (one["namespace"], one["name"])))
    places = one["where"] if wide else one["where"][:_FEW]
    where = ",".join(places) + (",…" if len(places) < len(one["where"]) else "")
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["since_ns"] / 1e9)) if one["since_ns"] else _NONE
    cells = (name, str(one["identity"]), where, ",".join(one["workloads"]), one["service"], since)
    more = (one.get("container", {}).get("image", ""), ",".join(one["labels"]))
    return tuple(clean(cell) or _NONE for cell in (*cells, *(more if wide else ())))
