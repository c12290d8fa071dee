"""Label selectors as Kubernetes writes them, over labels as Hubble writes them.

Syntax: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors,
with `source:` before a key (`k8s:app`, `reserved:host`); a key without one, or with `any:`, means
the key of any source. A flow's labels are `source:key=value`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from rubin.errors import UsageError

_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+|\Z)")
_SPECIAL = frozenset({"==", "!=", "=", "!", "(", ")", ",", "<", ">", ""})
_NAME = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_OPERATORS = frozenset({"=", "==", "!=", "in", "notin", "<", ">"})
_WAY_ON = "write it as in Kubernetes: app=shop or k8s:tier in (front, back) or !canary, joined by commas"


@dataclass(frozen=True, slots=True)
class _Requirement:
    source: str  # "" means any
    key: str
    operator: str  # of _OPERATORS, or "exists", "!"
    values: tuple[str, ...] = ()

    def holds(self, labels: list[tuple[str, str, str]]) -> bool:
        found = next((v for source, key, v in labels if key == self.key and self.source in ("", source)), None)
        if self.operator == "exists":
            return found is not None
        if self.operator == "!":
            return found is None
        if self.operator in ("!=", "notin"):
            return found is None or found not in self.values
        if self.operator in ("<", ">"):
            return found is not None and _compares(found, self.operator, int(self.values[0]))
        return found is not None and found in self.values


def selector(text: str) -> Callable[[tuple[str, ...]], bool]:
    """A test of an endpoint's labels. An empty selector selects all. Raises UsageError."""
    requirements = _Parser(text).requirements()

    def selects(labels: tuple[str, ...]) -> bool:
        split = [_label(label) for label in labels]
        return all(requirement.holds(split) for requirement in requirements)

    return selects


def _label(text: str) -> tuple[str, str, str]:
    """`k8s:app=shop` as (source, key, value)."""
    source, colon, rest = text.partition(":")
    key, _, value = (rest if colon else text).partition("=")
    return (source if colon else "unspec"), key, value


def _compares(found: str, operator: str, bound: int) -> bool:
    if not re.fullmatch(r"[+-]?[0-9]+", found, re.ASCII):
        return False
    return int(found) < bound if operator == "<" else int(found) > bound


class _Parser:
    """Kubernetes' grammar, one method a rule."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [*_TOKEN.findall(text), ""]
        self._at = 0

    def requirements(self) -> list[_Requirement]:
        """All of them have to hold."""
        found: list[_Requirement] = []
        if self._next() == "":
            return found
        while True:
            found.append(self._requirement())
            token = self._take()
            if token == "":
                return found
            if token != ",":
                raise self._error(f"',' is expected before '{token}'")

    def _requirement(self) -> _Requirement:
        negated = self._next() == "!" and bool(self._take())
        source, key = self._key()
        if negated:
            return _Requirement(source, key, "!")
        if self._next() in ("", ","):
            return _Requirement(source, key, "exists")
        operator = self._take()
        if operator not in _OPERATORS:
            raise self._error(f"'{operator}' is no operator")
        values = self._set() if operator in ("in", "notin") else (self._value(),)
        if operator in ("<", ">") and not re.fullmatch(r"[+-]?[0-9]{1,19}", values[0], re.ASCII):
            raise self._error(f"'{values[0]}' is no number")
        return _Requirement(source, key, operator, values)

    def _key(self) -> tuple[str, str]:
        token = self._take()
        source, colon, key = token.partition(":")
        if not colon:
            source, key = "any", token
        # Hubble hands `source.key` to Kubernetes' parser, whose rules for keys then hold for the two together
        prefix, slash, name = f"{source}.{key}".rpartition("/")
        good = not slash or (len(prefix) <= 253 and _SUBDOMAIN.fullmatch(prefix))
        if token in _SPECIAL or not key or not good or not _NAME.fullmatch(name):
            raise self._error(f"'{token}' is no key")
        return ("" if source == "any" else source), key

    def _set(self) -> tuple[str, ...]:
        if (token := self._take()) != "(":
            raise self._error(f"'(' is expected before '{token}'")
        values = [self._value()]
        while (token := self._take()) == ",":
            values.append(self._value())
        if token != ")":
            raise self._error("')' is missing")
        return tuple(values)

    def _value(self) -> str:
        if self._next() in ("", ",", ")"):
            return ""
        token = self._take()
        if not _NAME.fullmatch(token):
            raise self._error(f"'{token}' is no value")
        return token

    def _next(self) -> str:
        return str(self._tokens[self._at])

    def _take(self) -> str:
        token = self._next()
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _error(self, what: str) -> UsageError:
        return UsageError(f"label selector '{self._text}' is not understood: {what}", _WAY_ON)
