"""Records of the kernel for tests, written as keywords."""

from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.kernel.records import RECORD, REPLY_UNKNOWN, Kind

_SLOT = np.dtype({"names": ["header", "record"], "formats": ["<u4", RECORD], "offsets": [0, 8], "itemsize": 192})


def _bytes(name: str, value: str) -> npt.NDArray[np.uint8]:
    if name == "comm":
        raw = value.encode().ljust(16, b"\0")
    elif name.endswith("_mac"):
        raw = bytes.fromhex(value.replace(":", ""))
    else:
        address = ip_address(value)
        raw = address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
    return np.frombuffer(raw, np.uint8)


def records(*rows: dict[str, Any]) -> npt.NDArray[Any]:
    """Records as they lie in the ring, eight bytes apart; what is not said is zero, or "not known"."""
    out = np.zeros(len(rows), _SLOT)["record"]
    out["kind"], out["reply"], out["uid"] = Kind.TRACE, REPLY_UNKNOWN, 0xFFFFFFFF
    for index, row in enumerate(rows):
        for name, value in row.items():
            out[name][index] = _bytes(name, value) if isinstance(value, str) else value
    return out
