"""Make docs/columns.md from the table of columns.

python tools/build_docs.py            write the page
python tools/build_docs.py --check    exit 1 where it is stale; nothing is written
"""

import sys
from pathlib import Path

import numpy as np

from rubin.model.columns import COLUMNS, DTYPES, ROW_BYTES, Column

PAGE = Path(__file__).resolve().parents[1] / "docs" / "columns.md"
HEAD = """# The columns of a flow

Made from `src/rubin/model/columns.py` by `tools/build_docs.py`; not edited by hand.

A batch of flows is one numpy array per column; a batch that lacks a column answers with the missing value, which means
"not known". Columns that point into a table hold a row's index, and row 0 of every table is "nothing". Hubble's path is
where `flow.Flow` has the same; it is empty where Hubble has no word. A full row is {row_bytes} bytes.

| column | type | missing | meaning | table | Hubble |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    rows = (_row(column, DTYPES[name]) for name, column in COLUMNS.items())
    return HEAD.format(row_bytes=ROW_BYTES) + "\n".join(rows) + "\n"


def _row(column: Column, dtype: "np.dtype[np.generic]") -> str:
    table, hubble = (f"`{text}`" if text else "" for text in (column.table, column.hubble))
    meaning = column.meaning.replace("|", "\\|")
    return f"| `{column.name}` | {dtype.name} | {column.missing} | {meaning} | {table} | {hubble} |"


def main(arguments: list[str]) -> int:
    """Exit code: 0 done or fresh, 1 stale."""
    made = page()
    if "--check" not in arguments:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(made)
        return 0
    if PAGE.exists() and PAGE.read_text() == made:
        return 0
    print(f"stale: docs/{PAGE.name}; run: python tools/build_docs.py")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
