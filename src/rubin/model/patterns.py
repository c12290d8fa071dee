"""Patterns in filters: regular expressions, DNS names, node names.

Matched by RE2, in time linear in the text: a pattern comes from whoever may ask the server, and
with Python's backtracking `re` one of them can hold a processor for hours. This file is loaded
only when a filter has a pattern.
"""

from collections.abc import Callable, Iterable

import re2

from rubin.errors import UsageError

Test = Callable[[str], bool]

_DOMAIN = r"(?:[-0-9_a-z]+(?:\.[-0-9_a-z]+)*)"
_LITERAL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


def _compile(expressions: Iterable[str], shown: str) -> Test:
    options = re2.Options()
    options.log_errors = False
    compiled = []
    for expression in expressions:
        try:
            compiled.append(re2.compile(expression.encode("utf-8", "surrogatepass"), options))
        except re2.error as error:
            reason = error.args[0].decode("utf-8", "replace") if error.args else "too large"
            raise UsageError(f"{shown} '{expression}' is not understood: {reason}", _RE2_WAY_ON) from None

    def matches(text: str) -> bool:
        raw = text.encode("utf-8", "replace")
        return any(pattern.search(raw) for pattern in compiled)

    return matches


_RE2_WAY_ON = "write it in RE2's syntax (https://github.com/google/re2/wiki/Syntax): no look-around, no back-references"


def search(expressions: Iterable[str], field: str) -> Test:
    """True where any of these RE2 expressions is found in the text. Raises UsageError."""
    return _compile(expressions, f"{field} pattern")


def domains(patterns: Iterable[str], field: str) -> Test:
    """True where the whole name is any of these; `*` stands for letters, digits, `-` and `.`."""
    return _whole([_domain(pattern, pattern, field) for pattern in patterns], field)


def nodes(patterns: Iterable[str]) -> Test:
    """True where `cluster/node` is any of these; a part left out is any, as is the cluster of `node`.

    A name without a cluster is one of the cluster `default`; no name matches nothing.
    """
    inner = _whole([_node(pattern) for pattern in patterns], "node_name")
    return lambda name: bool(name) and inner(name if "/" in name else f"default/{name}")


def _whole(expressions: list[str], field: str) -> Test:
    return _compile([rf"\A(?:{'|'.join(expressions)})\z"], f"{field} pattern")


def _domain(pattern: str, whole: str, field: str) -> str:
    name = pattern.strip().removesuffix(".").lower()
    if not name or name.endswith("."):
        raise UsageError(f"{field} pattern '{whole}' has an empty name", "write a name such as *.example.com")
    wrong = next((char for char in name if char not in _LITERAL and char not in ".*"), "")
    if wrong:
        raise UsageError(
            f"{field} pattern '{whole}' holds '{wrong}'", "use letters, digits, '-', '_', '.', and '*' for any of them"
        )
    return name.replace(".", r"\.").replace("*", "[-.0-9a-z]*")


def _node(pattern: str) -> str:
    if not pattern or pattern.count("/") > 1:
        problem = "holds more than one '/'" if pattern else "is empty"
        raise UsageError(f"node_name pattern '{pattern}' {problem}", "write cluster/node, cluster/ or node")
    cluster, _, node = pattern.rpartition("/")
    parts = [_domain(part, pattern, "node_name") if part else _DOMAIN for part in (cluster, node)]
    return "/".join(parts)
