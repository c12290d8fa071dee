"""Field and label selectors as the API server reads them."""

import re
from collections.abc import Mapping

from tests.identity.kubernetes.world import Kind, Selector, Stored

_LABEL_KEY = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9][A-Za-z0-9_.-]*$")


class Unselectable(Exception):
    """A selector that the server does not know."""


def field_selector(text: str, kind: Kind) -> Selector:
    """What `spec.nodeName=a,status.phase!=Failed` selects. Raises Unselectable."""
    terms = [_term(one) for one in text.split(",") if one]
    known = ("metadata.name", "metadata.namespace", *kind.fields)
    for key, _, _ in terms:
        if key not in known:
            raise Unselectable(f"field label not supported: {key}")
    return lambda stored: all(_holds(stored.fields, *term) for term in terms)


def label_selector(text: str) -> Selector:
    """What `app=web,tier!=back,canary` selects. Raises Unselectable."""
    terms = [_term(one) if "=" in one else (one, "exists", "") for one in text.split(",") if one]
    for key, _, _ in terms:
        if not _LABEL_KEY.match(key):
            raise Unselectable(
                f"unable to parse requirement: <nil>: Invalid value: {key!r}: name part must consist of …"
            )
    return lambda stored: all(_holds(stored.labels, *term) for term in terms)


def in_namespace(namespace: str) -> Selector:
    """What is in a namespace; all with ""."""
    return lambda stored: not namespace or stored.namespace == namespace


def all_of(*selectors: Selector) -> Selector:
    """What all of them select."""

    def chosen(stored: Stored) -> bool:
        return all(selects(stored) for selects in selectors)

    return chosen


def _term(text: str) -> tuple[str, str, str]:
    for relation in ("!=", "==", "="):
        key, found, value = text.partition(relation)
        if found:
            return key, "!=" if relation == "!=" else "=", value
    raise Unselectable(f"invalid selector: {text!r}; can't understand {text!r}")


def _holds(of: Mapping[str, str], key: str, relation: str, value: str) -> bool:
    if relation == "exists":
        return key in of
    return (of.get(key) == value) if relation == "=" else (of.get(key) != value)
