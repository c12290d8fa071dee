"""The tests' own API server answers as a real one did (`recorded/`)."""

import http.client
import json
from pathlib import Path

import pytest

from tests.identity.kubernetes.apiserver import ApiServer, refusing
from tests.identity.kubernetes.objects import endpoint_slice, pod
from tests.identity.kubernetes.world import World

RECORDED = Path(__file__).parent / "recorded"
PODS = "/api/v1/namespaces/demo/pods"
OF_A_CONNECTION = {"content-length", "transfer-encoding"}


def recorded(name):
    """Status, header names and body of a recorded answer."""
    head, _, body = (RECORDED / f"{name}.http").read_text().partition("\n\n")
    first, *headers = head.splitlines()
    return int(first.split()[1]), {line.partition(":")[0] for line in headers} - OF_A_CONNECTION, body


def ask(api, path, token=""):
    """The same of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        names = {name.lower() for name, _ in answer.getheaders()} - OF_A_CONNECTION
        return answer.status, names, answer.read().decode()
    finally:
        connection.close()


def lines(body):
    return [json.loads(line) for line in body.splitlines()]


def recorded_world():
    """The world of the recorded lists, at their version."""
    world = World()
    for item in json.loads(recorded("list-pods")[2])["items"]:
        world.version = int(item["metadata"]["resourceVersion"]) - 1
        world.put("pods", item)
    world.version = 529
    world.forget()
    return world


@pytest.fixture
def api():
    with ApiServer(world=recorded_world()) as server:
        yield server


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("list-pods", ""),
        ("list-pods-limit", "?limit=1"),
        ("list-pods-field", "?fieldSelector=spec.nodeName%3Dnode1"),
        ("list-pods-label", "?labelSelector=app%3Dcli"),
    ],
)
def test_lists_are_as_recorded(api, name, query):
    code, headers, body = recorded(name)
    got = ask(api, PODS + query)
    assert got[:2] == (code, headers)
    assert list(json.loads(got[2])) == list(json.loads(body))
    assert json.loads(got[2]) == json.loads(body)


@pytest.mark.parametrize(
    ("name", "path", "token"),
    [
        ("401", PODS, "unknown"),
        ("403-anonymous", "/api/v1/pods", ""),
        ("403-rbac", "/api/v1/pods", "good"),
        ("get-404", f"{PODS}/nope", "good"),
    ],
)
def test_refusals_are_as_recorded(api, name, path, token):
    api.tokens = {"good"}
    api.forbidden = {"pods"} if name.startswith("403") else set()
    code, headers, body = recorded(name)
    got = ask(api, path, token)
    assert got[:2] == (code, headers)
    assert json.loads(got[2]) == json.loads(body.replace("secrets", "pods"))
    assert list(json.loads(got[2])) == list(json.loads(body))


def test_a_streaming_list_is_as_recorded(api):
    api.world.version, api.bookmark_s = 530, 60
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    code, headers, body = recorded("watch-list")
    got = ask(api, f"{PODS}?{query}&timeoutSeconds=1")
    assert got[:2] == (code, headers)
    assert lines(got[2]) == lines(body)
    assert got[2].splitlines()[-1] == body.splitlines()[-1]


def test_a_watch_is_as_recorded(api):
    events = lines(recorded("watch-pods-live")[2])
    changes = [event for event in events if event["type"] != "BOOKMARK"]
    for event in changes:
        api.world.version = int(event["object"]["metadata"]["resourceVersion"]) - 1
        if event["type"] == "DELETED":
            api.world.put("pods", {key: event["object"][key] for key in ("metadata", "spec", "status")})
            api.world.version -= 1  # it is deleted in the state that it has
            api.world._history.pop()
            api.world.delete("pods", "g", "demo")
        else:
            api.world.put("pods", {key: event["object"][key] for key in ("metadata", "spec", "status")})
    api.bookmark_s = 0.05
    code, headers, _ = recorded("watch-pods-live")
    got = ask(api, f"{PODS}?watch=true&resourceVersion=529&allowWatchBookmarks=true&timeoutSeconds=1")
    assert got[:2] == (code, headers)
    assert lines(got[2])[: len(changes) + 1] == events[: len(changes) + 1]
    assert list(lines(got[2])[0]["object"]) == list(events[0]["object"])


def test_a_watch_from_long_ago_expires_as_recorded(api):
    api.world.version = 589
    api.world.forget()
    code, headers, body = recorded("watch-410")
    got = ask(api, f"{PODS}?watch=true&resourceVersion=1")
    assert got[:2] == (code, headers)
    assert lines(got[2]) == lines(body)


def test_what_leaves_a_selection_is_deleted_there_with_its_last_state(api):
    api.world.put("pods", pod("moving", node=""))
    version = api.world.version
    api.world.put("pods", pod("moving", node="node1"))
    api.world.put("pods", pod("moving", node="node2"))
    seen = ask(api, f"{PODS}?watch=true&resourceVersion={version}&fieldSelector=spec.nodeName%3Dnode1&timeoutSeconds=1")
    told = [(event["type"], event["object"]["spec"]["nodeName"]) for event in lines(seen[2])]
    assert told == [("ADDED", "node1"), ("DELETED", "node1")]
    assert lines(seen[2])[1]["object"]["metadata"]["resourceVersion"] == str(version + 2)


def test_pages_are_of_one_moment_until_that_is_forgotten(api):
    first = json.loads(ask(api, "/api/v1/pods?limit=3")[2])
    api.world.put("pods", pod("aaa"))
    second = json.loads(ask(api, f"/api/v1/pods?limit=3&continue={first['metadata']['continue']}")[2])
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert [item["metadata"]["name"] for item in second["items"]][:1] == ["p1"]
    api.world.forget()
    code, _, body = ask(api, f"/api/v1/pods?limit=3&continue={second['metadata']['continue']}")
    assert (code, json.loads(body)["reason"]) == (410, "Expired")


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("?fieldSelector=spec.color%3Dred", 400, "field label not supported: spec.color"),
        ("?resourceVersion=abc&watch=1", 400, "Invalid value"),
        ("?continue=!", 400, "continue key is not valid"),
        ("?watch=1&resourceVersion=9999", 504, "Too large resource version: 9999, current: 529"),
        ("?watch=1&sendInitialEvents=true", 422, "requires setting resourceVersionMatch to NotOlderThan"),
        ("?watch=1&resourceVersionMatch=NotOlderThan", 422, "resourceVersionMatch is forbidden for watch"),
        ("/x/y", 404, "404 page not found"),
    ],
)
def test_what_a_server_does_not_take_is_refused(api, query, code, words):
    got = ask(api, PODS + query)
    assert got[0] == code
    assert words in got[2]


def test_troubles_and_other_groups(api):
    api.world.put("endpointslices", endpoint_slice("kubernetes", "kubernetes", "192.0.2.1"))
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    assert json.loads(ask(api, path)[2])["kind"] == "EndpointSliceList"
    api.trouble(refusing(429, Retry_After="1"), "endpointslices")
    code, headers, body = ask(api, path)
    assert (code, "retry-after" in headers, json.loads(body)["reason"]) == (429, True, "TooManyRequests")
    assert ask(api, PODS)[0] == 200
