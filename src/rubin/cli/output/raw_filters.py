"""Filters as `--print-raw-filters` prints them: YAML that a config file may hold, JSON inside."""

from collections.abc import Sequence


def raw_filters(allow: Sequence[str], deny: Sequence[str]) -> str:
    """The lists that have filters, each a line of JSON; `{}` where there is none."""
    lists = [_list(name, filters) for name, filters in (("allowlist", allow), ("denylist", deny)) if filters]
    return "".join(lists) or "{}\n"


def _list(name: str, filters: Sequence[str]) -> str:
    # In YAML's single quotes only the quote itself is special; JSON has no line feeds outside its escapes.
    return f"{name}:\n" + "".join("    - '" + text.replace("'", "''") + "'\n" for text in filters)
