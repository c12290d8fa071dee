"""Label selectors mean what they mean in Kubernetes, with Hubble's sources before keys."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import UsageError
from rubin.model.selectors import selector

LABELS = ("k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop", "k8s:weight=7", "reserved:host", "cidr:10.0.0.0/24")


@pytest.mark.parametrize(
    ("text", "selects"),
    [
        ("", True),
        (" ", True),
        ("app", True),
        ("!app", False),
        ("! app", False),
        ("app=web", True),
        ("app = web", True),
        ("app==web", True),
        ("app!=web", False),
        ("missing!=web", True),
        ("missing notin (a)", True),
        ("missing in (a)", False),
        ("app in (db, web)", True),
        ("app in(db,web)", True),
        ("app in ()", False),
        ("app in (,web)", True),
        ("app notin (db)", True),
        ("app=", False),
        ("host=", True),
        ("host in ()", True),
        ("k8s:app=web", True),
        ("any:app=web", True),
        ("reserved:app=web", False),
        ("reserved:host", True),
        ("k8s:host", False),
        ("k8s:io.kubernetes.pod.namespace=shop", True),
        ("io.kubernetes.pod.namespace=shop,app", True),
        ("app, !host", False),
        ("weight>6", True),
        ("weight > 7", False),
        ("weight<8", True),
        ("app>1", False),
        ("cidr:10.0.0.0/24", True),
        ("in in (in)", False),
        ("app in (web", None),
        ("app web", None),
        ("app=web=db", None),
        ("=", None),
        ("()", None),
        ("app,", None),
        (",app", None),
        ("any:k8s:app", None),
        ("-app", False),
        ("app=-web", None),
        ("app=" + "a" * 64, None),
        ("a" * 64, None),
        ("weight>x", None),
        ("!app=web", None),
        ("k8s:", None),
        (":app", None),
        ("app=wéb", None),
    ],
)
def test_selectors(text: str, selects: bool | None):
    if selects is None:
        with pytest.raises(UsageError, match="is not understood"):
            selector(text)
    else:
        assert selector(text)(LABELS) is selects


@given(st.text(alphabet="ab=!(),<> :/.-kinot8s\n1", max_size=30), st.lists(st.text(max_size=8), max_size=4))
def test_any_text_is_a_selector_or_an_error(text: str, labels: list[str]):
    with suppress(UsageError):
        assert isinstance(selector(text)(tuple(labels)), bool)
