"""docs/requests.md: its examples are what is printed. GOLDEN=write puts them there anew."""

import os
import re
from pathlib import Path

from tests.api.serving import serving
from tests.asked import TIMES, shop
from tests.cli.running import Call

PAGE = Path(__file__).parents[2] / "docs" / "requests.md"


def test_the_examples_are_what_is_printed(rubin: Call, tmp_path: Path) -> None:
    def example(match: re.Match[str]) -> str:
        command, *words = match[1].split()
        times = TIMES if command == "top" else ()
        done = rubin(command, "--server", f"unix://{tmp_path}/s", *times, *words)
        assert (done.code, done.err) == (0, "")
        return f"```\n$ rubin {match[1]}\n{done.out}```\n"

    with serving(shop(), tmp_path):
        page = re.sub(r"```\n\$ rubin (.*)\n(?:.*\n)*?```\n", example, PAGE.read_text())
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(page)
    assert page == PAGE.read_text(), "GOLDEN=write takes the new text"
