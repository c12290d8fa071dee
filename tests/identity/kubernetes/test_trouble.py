"""What is no API server, or one in trouble: the status says so, and all is well when it is over."""

import http.client
import socket
import ssl
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import RubinError
from rubin.identity.facts import Address
from rubin.identity.kubernetes import resource
from rubin.identity.kubernetes.pace import Backoff, Pace
from rubin.identity.kubernetes.trouble import LONGEST, refusal, shown, words
from tests.identity.kubernetes.apiserver import ApiServer, hanging, refusing, saying
from tests.identity.kubernetes.beside import PACE, provider_of
from tests.identity.kubernetes.objects import pod

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
IMPATIENT = replace(PACE, answer_s=0.3, quiet_s=0.3)


@pytest.fixture
def api():
    with ApiServer() as server:
        server.world.put("pods", pod("there", "10.0.1.1", node="node2"))
        yield server


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (refusing(401), "401 Unauthorized: Unauthorized"),
        (refusing(429, Retry_After="0"), "429 TooManyRequests: too many requests, please try again later"),
        (refusing(500), "500 InternalError: Internal error occurred: etcdserver: leader changed"),
        (hanging, "does not answer"),
        (saying(b""), "closed the connection without an answer"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "does not speak HTTP as an API server does"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>"), "is no Kubernetes API server: it sends"),
        (saying(b"HTTP/1.1 200 OK\r\n\r\n"), "is no Kubernetes API server: it does not say what it sends"),
        (saying(b"HTTP/1.1 503 No\r\n\r\n<html>\x1b[31m"), "503 No, not in a Kubernetes API server's words"),
        (saying(b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n"), "302 Found, not in a Kubernetes"),
        (saying(OK + b"\r\n" + b"\xff\xfe garbage\n" * 10), "does not answer in a Kubernetes API server's words"),
        (saying(OK + b"\r\n" + b"[" * 100_000 + b"\n"), "does not answer in a Kubernetes API server's words"),
        (saying(OK + b'\r\n{"type":"ADDED","obj'), "closed the connection in the middle"),
        (saying(OK + b"Content-Length: 999\r\n\r\n{"), "closed the connection in the middle"),
        (saying(OK + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n{"), "closed the connection in the middle"),
        (saying(OK + b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n{"), "closed the connection in the middle"),
        (saying(OK + b"Content-Length: 0\r\n\r\n"), "does not answer in a Kubernetes API server's words"),
        (saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), "does not speak HTTP"),
    ],
)
def test_troubles_at_the_start_and_in_the_middle_pass(api, tmp_path, trouble, said):
    api.trouble(trouble)
    with provider_of(api, tmp_path, IMPATIENT) as beside:
        status = beside.wait_status(said, "pods, other pods, services")
        assert "\x1b" not in status
        assert "\n" not in status
        api.trouble(None)
        beside.wait_read()
        assert beside.who(Address("10.0.1.1"))
        api.trouble(trouble)
        api.cut()
        beside.wait(lambda: not beside.provider.status()[0].isdigit(), "trouble in the middle")
        assert beside.who(Address("10.0.1.1"))
        api.trouble(None)
        api.world.put("pods", pod("new", "10.0.1.2", node="node2"))
        beside.wait(lambda: beside.who(Address("10.0.1.2")), "what came after")
        beside.wait_read()


@pytest.mark.parametrize("body", [b"{}", b'{"kind":"Pod","metadata":{}}', b'{"kind":"PodList","metadata":{}}'])
def test_a_list_that_is_something_else_is_no_list(body):
    with pytest.raises(RubinError, match="a list was asked for, what came is"):
        resource.nodes().items(body)


def test_a_server_that_is_down_at_the_start_is_found_when_it_comes(api, tmp_path):
    api.stop()
    with provider_of(api, tmp_path) as beside:
        status = beside.wait_status(f"nobody listens at 127.0.0.1:{api.port}")
        assert "pods not read yet" in status
        api.start()
        beside.wait_read()


def test_a_resource_that_is_forbidden_costs_only_itself(api, tmp_path):
    api.forbidden = {"services"}
    with provider_of(api, tmp_path) as beside:
        user = 'User "system:serviceaccount:demo:agent" cannot watch resource "services" in API group ""'
        beside.wait_status(f"services: 403 Forbidden: services is forbidden: {user}", "1 other pods")
        assert beside.who(Address("10.0.1.1"))
        api.forbidden = set()
        beside.wait_read()


def test_an_object_that_is_not_as_it_should_be_costs_only_itself(api, tmp_path):
    for streams in (True, False):
        api.streams_lists = streams
        api.world.put("pods", {**pod("odd", "10.0.1.3", node="node2"), "spec": {"nodeName": 7}})
        api.world.put("pods", pod("even", "10.0.1.4", node="node2"))
        with provider_of(api, tmp_path) as beside:
            beside.wait_read()
            assert [bool(beside.who(Address(f"10.0.1.{n}"))) for n in (1, 3, 4)] == [True, False, True]


def test_a_server_that_passes_over_streaming_lists_is_asked_for_plain_ones(api, tmp_path):
    api.streams_lists = None
    with provider_of(api, tmp_path, IMPATIENT) as beside:
        beside.wait_read()
        assert beside.who(Address("10.0.1.1"))
    assert "list" in {one.verb for one in api.asked}


def test_a_watch_that_falls_silent_is_asked_for_again(api, tmp_path):
    api.bookmark_s = 0.05
    with provider_of(api, tmp_path, IMPATIENT) as beside:
        beside.wait_read()
        beside.wait(lambda: all(one._sends_bookmarks for one in beside.provider._watches), "bookmarks")
        asked, api.bookmark_s = len(api.asked), 60.0
        api.cut()
        beside.wait(lambda: len(api.asked) >= asked + 12, "a second round after the silence")
        assert {one.verb for one in api.asked[asked:]} == {"watch"}


def test_a_server_that_wants_to_be_left_alone_is(api, tmp_path):
    api.trouble(refusing(429, Retry_After="1"), "nodes")
    with provider_of(api, tmp_path) as beside:
        beside.wait_status("nodes: 429 TooManyRequests")
        api.trouble(None, "nodes")
        beside.wait_read()
    first, second = [one.at for one in api.asked if one.place.plural == "nodes"][:2]
    assert second - first >= 1


def test_what_always_ends_at_once_is_not_asked_for_without_a_pause(api, tmp_path):
    empty = saying(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    with provider_of(api, tmp_path, replace(PACE, backoff_s=0.1)) as beside:
        beside.wait_read()
        api.trouble(empty)
        asked = len(api.asked)
        api.cut()
        beside.wait_status("ends every watch at once")
        assert len(api.asked) - asked <= 3 * 6


def test_closing_does_not_wait_for_a_server_that_hangs(api, tmp_path):
    api.trouble(hanging)
    with provider_of(api, tmp_path) as beside:
        beside.wait(lambda: len(api.asked) >= 4, "questions")
        begun = time.monotonic()
        beside.provider.close()
        assert time.monotonic() - begun < 1
        assert not [one for one in threading.enumerate() if one.name.startswith("rubin-kubernetes-")]


def test_the_wait_doubles_up_to_a_minute_and_is_never_exact():
    backoff = Backoff(Pace())
    waits = [backoff.after_s(0.0) for _ in range(12)]
    for at, wait in enumerate(waits):
        most = min(60.0, 2.0**at)
        assert most / 2 <= wait <= most
    assert backoff.after_s(61.0) <= 1
    assert backoff.after_s(0.0, at_least_s=30) >= 30
    assert Backoff(Pace()).after_s(0.0, free=True) == 0


def test_six_watches_ask_less_than_once_a_minute():
    pace = Pace()
    assert all(600 <= pace.watch_for_s() <= 1200 for _ in range(100))
    assert 6 * 60 / 600 <= 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RubinError("a sentence"), "a sentence"),
        (ssl.SSLCertVerificationError("self-signed"), "the certificate of HOST is not trusted: "),
        (ssl.SSLError("record layer failure"), "HOST does not speak TLS as an API server does"),
        (socket.gaierror(-2, "Name or service not known"), "the name in HOST is not known"),
        (OSError(113, "No route to host"), "HOST cannot be reached: [Errno 113] No route to host"),
        (TimeoutError(), "HOST does not answer"),
        (BrokenPipeError(), "HOST closed the connection in the middle"),
        (http.client.LineTooLong("header line"), "HOST does not speak HTTP"),
        (KeyError("bug"), "HOST: KeyError: 'bug'"),
    ],
)
def test_every_error_has_words(error, said):
    assert words(error, "HOST").startswith(said)


def test_foreign_words_are_one_short_line():
    assert shown("a\x00b\n\x1b[31mc" + "\u202e") == "a b [31mc"
    assert len(shown("x" * 100_000)) == LONGEST + 1
    refused = refusal(403, "Forbidden", b'{"kind":"Status","message":"no\\nway","code":403}', "soon")
    assert (refused.sentence, refused.code, refused.retry_after_s) == ("403 Forbidden: no way", 403, 0)


@given(st.binary() | st.text().map(lambda text: f'{{"type":"ADDED","object":{text}'.encode()))
def test_any_bytes_are_objects_or_an_error(data):
    pods = resource.pods_here("node1")
    for read in (pods.change, pods.items):
        try:
            read(data)
        except (ValueError, RecursionError, RubinError):
            continue
