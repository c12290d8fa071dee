"""Headers and URLs lose what may not be seen, in Hubble's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.dissect.protocols.headers import kept, trace_id, url
from rubin.dissect.redaction import HARMLESS, REDACTED, Redaction
from rubin.errors import UsageError

SECRET = "hunter2"
SENT = [("X-Tenant", "acme"), ("User-Agent", "curl/8"), ("Accept", "b"), ("accept", "a"), ("Cookie", SECRET)]


@pytest.mark.parametrize(
    ("redaction", "shown"),
    [
        (Redaction(), ["b", "a", REDACTED, "curl/8", REDACTED]),
        (Redaction(http_headers_allow=frozenset({"X-TENANT"})), [REDACTED, REDACTED, REDACTED, REDACTED, "acme"]),
        (Redaction(http_headers_deny=frozenset({"Accept"})), [REDACTED, REDACTED, REDACTED, "curl/8", "acme"]),
        (Redaction(http_headers_allow=frozenset()), [REDACTED] * 5),
        (Redaction(http_headers_allow=frozenset({"cookie"})), [REDACTED] * 5),
    ],
)
def test_values_are_kept_by_name(redaction, shown):
    names = ["accept", "accept", "cookie", "user-agent", "x-tenant"]
    assert kept(SENT, redaction) == tuple(zip(names, shown, strict=True))


def test_two_lists_contradict():
    with pytest.raises(UsageError, match="contradict"):
        Redaction(http_headers_allow=frozenset({"a"}), http_headers_deny=frozenset({"b"}))


@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "apikey", "x-auth-token"),
        *("x-amz-security-token", "x-csrf-token", "x-vault-token", "x-forwarded-access-token", "x-session-id"),
        *("x-hub-signature-256", "x-goog-iap-jwt-assertion", "x-client-secret", "x-password", "x-auth", "x-access-key"),
    ],
)
def test_credentials_are_never_kept(name):
    for redaction in (
        Redaction(),
        Redaction(http_headers_allow=HARMLESS | {name}),
        Redaction(http_headers_deny=frozenset({"x"})),
    ):
        assert kept([(name.title(), SECRET)], redaction) == ((name, REDACTED),)


def test_headers_are_bounded():
    shown = kept([("user-agent" + "x" * 500, SECRET), *[("user-agent", "y" * 5000)] * 500])
    assert len(shown) == 64
    assert max(len(name + value) for name, value in shown) < 300


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/", "/"),
        ("*", "*"),
        ("", ""),
        (f"/a/b?key={SECRET}", "/a/b"),
        (f"/a/b#{SECRET}?x", "/a/b"),
        (f"http://anna:{SECRET}@shop:80/a?b", f"http://anna:{REDACTED}@shop:80/a"),
        (f"http://anna:{SECRET}@{SECRET}@shop/", f"http://anna:{REDACTED}@shop/"),
        (f"/proxy/http://anna:{SECRET}@shop/", f"/proxy/http://anna:{REDACTED}@shop/"),
        ("http://anna@shop/", "http://anna@shop/"),
        (f"anna:{SECRET}@shop:443", f"anna:{REDACTED}@shop:443"),
        (f"//:{SECRET}@shop", f"//:{REDACTED}@shop"),
        ("shop:443", "shop:443"),
        ("http://[::1]:80/a@b:c", "http://[::1]:80/a@b:c"),
        ("/users/a:b@c", "/users/a:b@c"),
        ("/" + "x" * 9000, "/" + "x" * 2047),
    ],
)
def test_urls_lose_queries_and_passwords(target, shown):
    assert url(target) == shown


def test_what_is_lost_of_urls_can_be_chosen():
    target = "http://a:b@shop/?c#d"
    assert url(target, Redaction(http_urlquery=False)) == f"http://a:{REDACTED}@shop/?c#d"
    assert url(target, Redaction(http_userinfo=False)) == "http://a:b@shop/"


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("value", "trace"),
    [
        (f"00-{TRACE}-{SPAN}-01", TRACE),
        (f" 00-{TRACE}-{SPAN}-00\t", TRACE),
        (f"cc-{TRACE}-{SPAN}-01", TRACE),
        (f"cc-{TRACE}-{SPAN}-01-what-is-new", TRACE),
        (f"00-{TRACE}-{SPAN}-01-more", ""),
        (f"cc-{TRACE}-{SPAN}-01.more", ""),
        (f"ff-{TRACE}-{SPAN}-01", ""),
        (f"00-{'0' * 32}-{SPAN}-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"00-{TRACE.upper()}-{SPAN}-01", ""),
        (f"00-{TRACE}-{SPAN}", ""),
        (f"0-{TRACE}-{SPAN}-01", ""),
        ("", ""),
    ],
)
def test_the_trace_of_a_request(value, trace):
    assert trace_id(value.encode()) == trace


@given(st.binary(max_size=80), st.text(max_size=80))
def test_no_bytes_do_harm(data, text):
    assert trace_id(data) == "" or len(trace_id(data)) == 32
    assert "?" not in url(text)
    assert len(kept([(text, text)])) == 1
