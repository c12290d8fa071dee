"""Texts kept as files under tests/golden/cli/; their diffs are read. GOLDEN=write writes them anew."""

import os
from pathlib import Path

_ROOT = Path(__file__).parents[1] / "golden" / "cli"


def check(name: str, text: str) -> None:
    """The text is what the file holds."""
    path = _ROOT / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text(), f"differs from {path}; GOLDEN=write takes the new text"
