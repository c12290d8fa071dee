"""The path of a URL is the one that Go's url.ParseRequestURI finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.model.urls import request_path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", None),
        ("/", "/"),
        ("*", "*"),
        ("/pay/1?x=/y", "/pay/1"),
        ("/a%2Fb%20c", "/a/b c"),
        ("/a%2", None),
        ("/a%zz", None),
        ("/a?b%zz", "/a"),
        ("/a\x01", None),
        ("/a?\x7f", None),
        ("pay/1", None),
        ("//pay/1", "//pay/1"),
        ("http://shop/pay", "/pay"),
        ("http://shop:80/pay#x", "/pay#x"),
        ("http://shop:http/pay", None),
        ("http://[fd00::1]:80/pay", "/pay"),
        ("http://user:word@shop:80/", "/"),
        ("http://shop", ""),
        ("http://shop?x", ""),
        ("mailto:somebody", ""),
        (":80/", None),
        ("/caf%C3%A9", "/café"),
    ],
)
def test_paths(url: str, path: str | None):
    assert request_path(url) == path


@given(st.text())
def test_any_text_has_a_path_or_none(url: str):
    assert request_path(url) is None or isinstance(request_path(url), str)
