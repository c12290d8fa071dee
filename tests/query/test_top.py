"""Which requests are busiest, slowest or failing: made rings, and what is said of them."""

import time

import numpy as np
import pytest

from rubin.errors import UsageError
from rubin.model.batch import Lost
from rubin.model.enums import LostSource, Protocol
from rubin.model.exchanges import expanded
from rubin.model.filter import BeyondHubble, Filters, FlowFilter
from rubin.model.messages import NUMBERS, Message, MessageType
from rubin.model.tables import Endpoint, Process, Service, Tables, Workload
from rubin.query.question import BY, MOST_ROWS, Question
from rubin.query.top import top
from rubin.store.ring import Ring
from tests.exchanges import MS, TIME_NS, Said, http, stored
from tests.flows import flows

NOW_NS = TIME_NS + 10_000 * MS
WEB = Endpoint(1, 100, "", "shop", ("k8s:app=web",), "web-1", (Workload("web", "Deployment"),))
DB = Endpoint(2, 200, "", "shop", (), "db-0", service=Service("db", "data"))
HOST = Endpoint(identity=1, namespace="host", pod_name="curl")
SQL = Message(MessageType.EXCHANGE, "postgresql", "SELECT", target="SELECT ?", latency_ns=MS)


def ring(*batches):
    made = Ring(again=expanded)
    for batch in batches:
        made.append(batch)
    return made


def rows(of, **question):
    return top(of, Question(**question), NOW_NS)["rows"]


def asked(*messages, **more):
    """One connection's exchanges at its server, a ms apart."""
    return [Said(message, asked_ns=at * MS, whom=WEB, **more) for at, message in enumerate(messages)]


TARGETS = [
    ("http", "/items/1", "/items/*"),
    ("http", "/items/1/lines/22", "/items/*/lines/*"),
    ("http", "/1/2/3", "/*/*/*"),
    ("http", "/v1/items", "/v1/items"),
    ("http", "/a/0e984725-c51c-4bf4-9960-e1c80e27aba0/b", "/a/*/b"),
    ("http", "/blobs/deadbeef01", "/blobs/*"),
    ("http", "/blobs/deadbee", "/blobs/deadbee"),
    ("http", "/dead-beef", "/dead-beef"),
    ("http", "/items/12?x=1", "/items/*?x=1"),
    ("http", "/items\0/7", "/items /*"),
    ("http", "http://shop/items/7", "http://shop/items/*"),
    ("http", "", ""),
    ("grpc", "/shop.Cart/Add", "/shop.Cart/Add"),
    ("redis", "user:1234:cart9", "user:*:cart*"),
    ("dns", "host1.example.", "host1.example."),
    ("kafka", "orders-2024", "orders-2024"),
    ("postgresql", "SELECT * FROM t1", "SELECT * FROM t1"),
]


@pytest.mark.parametrize(("protocol", "target", "shown"), TARGETS)
def test_what_makes_each_request_another_is_left_out(protocol, target, shown):
    message = Message(MessageType.EXCHANGE, protocol, "X", target=target, latency_ns=1)
    (row,) = rows(ring(stored(Said(message))))
    assert (row["protocol"], row["method"], row["target"]) == (protocol, "X", shown)


def test_texts_of_any_kind_keep_their_places():
    """One with the separator in it among others."""
    paths = ["/a", "/b\0/1", "/c/1", "/ü/\udcff"]
    found = {row["target"] for row in rows(ring(stored(*asked(*map(http, paths)))))}
    assert found == {"/a", "/b /*", "/c/*", "/ü/?"}


def test_an_endpoint_has_its_numbers():
    latencies = [MS * at for at in range(1, 101)]
    said = asked(*(http(f"/items/{at}", latency_ns=latencies[at], request_bytes=10) for at in range(100)))
    said += asked(http("/pay", 500, response_bytes=7), http("/pay", 0), http("/pay", 503), http("/pay", 503))
    found = top(ring(stored(*said)), Question(), NOW_NS + MS)
    assert (found["count"], found["errors"], found["lost_events"]) == (104, 4, 0)
    assert (found["from_ns"], found["until_ns"]) == (TIME_NS + MS, NOW_NS + MS), "from the first that is held"
    items, pay = found["rows"]
    assert items == {
        "protocol": "http", "server": "shop/web-1:80", "method": "GET", "target": "/items/*", "error": "",
        "count": 100, "failed": 0, "unanswered": 0, "errors": 0, "errors_percent": 0.0, "per_second": 10.0,
        "request_bytes": 1000, "response_bytes": 0,
        "p50_ns": 50 * MS, "p95_ns": 95 * MS, "p99_ns": 99 * MS, "max_ns": 100 * MS,
    }  # fmt: skip
    assert (pay["count"], pay["failed"], pay["unanswered"], pay["errors"]) == (4, 3, 1, 4)
    assert (pay["errors_percent"], pay["error"], pay["response_bytes"]) == (100.0, "503", 7)
    assert pay["p50_ns"] == pay["max_ns"] == 4 * MS


def test_percentiles_are_those_of_a_sorted_list():
    rng = np.random.default_rng(3)
    latencies = {
        f"/{name}": rng.integers(1, 1 << 34, size) for name, size in (("a", 1), ("b", 2), ("c", 37), ("d", 500))
    }
    latencies["/d"][0] = 1 << 41
    said = [http(path, latency_ns=int(one)) for path, each in latencies.items() for one in each]
    rng.shuffle(said)
    found = {row["target"]: row for row in rows(ring(stored(*asked(*said))))}
    for path, each in latencies.items():
        ordered = sorted(min(one, (1 << 40) - 1) for one in each.tolist())
        for name, share in (("p50_ns", 0.5), ("p95_ns", 0.95), ("p99_ns", 0.99), ("max_ns", 1.0)):
            assert found[path][name] == ordered[int(np.ceil(share * len(ordered))) - 1]


def world():
    curl, app = Process(9, "curl", 1000, user="me"), Process(10, "app", cgroup="/web")
    said = [Said(http(f"/{at}"), f"10.0.0.{at}:4000", whom=WEB, who=HOST, process=app) for at in range(1, 6)]
    said += [Said(http("/x", 500, latency_ns=90 * MS), "10.0.1.1:1", who=HOST, whom=WEB, process=app)]
    said += [Said(SQL, "10.0.0.2:50", "10.0.0.9:5432", who=WEB, whom=DB, end="client", process=app)] * 3
    said += [Said(http("/", 0), "[fd00::1]:1", "[fd00::2]:8080", end="client", process=curl)]
    return ring(stored(*said))


GROUPS = [
    ("endpoint", "busiest", [("shop/web-1:80", 5), ("data/db-0:5432", 3), ("shop/web-1:80", 1), ("[fd00::2]:8080", 1)]),
    ("service", "busiest", [("shop/web", 6), ("data/db", 3), ("[fd00::2]:8080", 1)]),
    ("service", "slowest", [("shop/web", 6), ("data/db", 3), ("[fd00::2]:8080", 1)]),
    ("service", "failing", [("shop/web", 6), ("[fd00::2]:8080", 1), ("data/db", 3)]),
    ("client", "busiest", [("host/curl", 6), ("shop/web-1", 3), ("fd00::1", 1)]),
    ("protocol", "busiest", [("http", 7), ("postgresql", 3)]),
]


@pytest.mark.parametrize(("by", "sort", "groups"), GROUPS)
def test_they_are_put_together_and_sorted_as_asked(by, sort, groups):
    name = {"protocol": "protocol", "client": "client"}.get(by, "server")
    assert [(row[name], row["count"]) for row in rows(world(), by=by, sort=sort)] == groups


def test_a_process_answers_and_asks():
    found = [(row["process"]["command"], row["role"], row["count"]) for row in rows(world(), by="process")]
    assert found == [("app", "server", 6), ("app", "client", 3), ("curl", "client", 1)]


def test_processes_of_one_program_are_one():
    pids = [Process(pid, "php-fpm", 33, cgroup="/php.service") for pid in (1, 2, 3, 3)]
    (row,) = rows(ring(stored(*(Said(http(), process=pid) for pid in pids))), by="process")
    assert (row["process"]["processes"], row["process"]["pid"], row["count"]) == (3, 3, 4)


def test_a_number_of_rows():
    of = ring(stored(*asked(*(http(f"/{chr(97 + at)}") for at in range(9)))))
    assert [row["target"] for row in rows(of, number=2)] == ["/a", "/b"]
    assert len(rows(of, number=0)) == 9
    assert MOST_ROWS > 9


@pytest.mark.parametrize("by", BY)
def test_an_empty_ring_has_nothing_to_say(by):
    found = top(Ring(), Question(by), NOW_NS)
    assert (found["count"], found["rows"]) == (0, [])
    packets = ring(flows("src dst\n10.0.0.1:1 10.0.0.2:2"))
    assert top(packets, Question(by), NOW_NS)["rows"] == []


@pytest.mark.parametrize(("question", "sentence"), [
    (Question(by="endpont"), "by 'endpont' does not exist"),
    (Question(sort="fast"), "sort 'fast' does not exist"),
])  # fmt: skip
def test_words_that_do_not_exist(question, sentence):
    with pytest.raises(UsageError, match=sentence):
        top(Ring(), question, NOW_NS)


# --- seen at both ends


def test_what_was_seen_at_both_ends_counts_once_at_its_server():
    client = [
        Said(http("/", latency_ns=9 * MS), end="client", asked_ns=at, process=Process(1, "curl")) for at in range(4)
    ]
    server = [Said(http("/", latency_ns=5 * MS), asked_ns=at, process=Process(2, "nginx")) for at in range(4)]
    alone = [Said(http("/", latency_ns=7 * MS), "10.0.0.1:4001", end="client", process=Process(1, "curl"))]
    of = ring(stored(*client, *server, *alone))
    (row,) = rows(of)
    assert (row["count"], row["p50_ns"], row["max_ns"]) == (5, 5 * MS, 7 * MS)
    assert top(of, Question(), NOW_NS)["count"] == 5
    each = rows(of, by="process")
    assert [(row["process"]["command"], row["role"], row["count"]) for row in each] == [
        ("curl", "client", 5), ("nginx", "server", 4),
    ]  # fmt: skip
    assert top(of, Question("process"), NOW_NS)["count"] == 5


def test_ends_are_the_same_only_with_both_addresses_both_ports_and_the_protocols():
    server = Said(http())
    others = [
        Said(http(), client="10.0.0.1:4001", end="client"),
        Said(http(), client="10.0.0.3:4000", end="client"),
        Said(http(), server="10.0.0.2:81", end="client"),
        Said(http(), end="client", protocol=Protocol.UDP),
        Said(SQL, end="client"),
        Said(http(), client="10.0.0.2:80", server="10.0.0.1:4000", end="client"),
    ]
    for other in others[:5]:
        assert sum(row["count"] for row in rows(ring(stored(server, other)))) == 2
    assert sum(row["count"] for row in rows(ring(stored(server, others[5])))) == 1  # nobody is both on one connection


def test_both_ends_are_known_across_tables_and_segments():
    tiled = np.arange(40_000) % 10
    ends = [stored(*(Said(http(f"/{at}"), end=end) for at in range(10))).take(tiled) for end in ("client", "server")]
    (row,) = rows(ring(*ends))
    assert (row["target"], row["count"]) == ("/*", 40_000)


# --- answers that come late


def test_a_request_that_was_answered_after_all_is_no_error():
    late = http("/slow", type=MessageType.RESPONSE, latency_ns=3_000 * MS)
    waits = http("/slow", 0)
    assert [row["errors"] for row in rows(ring(stored(Said(waits), Said(late))))] == [0]
    of = stored(Said(waits), Said(waits, asked_ns=1), Said(late), Said(waits, "10.0.0.1:4001"))
    (row,) = rows(ring(of))
    assert (row["count"], row["unanswered"], row["max_ns"]) == (3, 2, 3_000 * MS)


# --- which ones


FILTERS = [
    (FlowFilter(source_pod=("shop/web",)), 3),
    (FlowFilter(destination_pod=("shop/web",)), 6),
    (FlowFilter(http_status_code=("5+",)), 1),
    (FlowFilter(destination_pod=("shop/web",), http_status_code=("500",)), 1),
    (FlowFilter(source_pod=("shop/web",), http_status_code=("500",)), 0),
    (FlowFilter(protocol=("postgresql",)), 3),
    (FlowFilter(destination_port=("80",)), 6),
    (FlowFilter(source_port=("80",)), 0),
    (FlowFilter(http_path=("^/[0-9]$",)), 5),
    (FlowFilter(http_method=("get",)), 7),
]


@pytest.mark.parametrize(("asked_for", "count"), FILTERS)
def test_filters_judge_a_request_with_its_answer(asked_for, count):
    whole = world()
    assert top(whole, Question(filters=Filters([asked_for])), NOW_NS)["count"] == count
    assert top(whole, Question(filters=Filters((), [asked_for])), NOW_NS)["count"] == 10 - count


def test_owners_are_asked_for_at_their_own_end():
    for beyond, count in (
        (BeyondHubble(source_process=("app",)), 3),
        (BeyondHubble(destination_process=("app",)), 6),
        (BeyondHubble(source_process=("curl",)), 1),
    ):
        asked_for = Filters([FlowFilter(beyond=beyond)])
        assert top(world(), Question(filters=asked_for), NOW_NS)["count"] == count


def test_times_belong_to_the_range():
    of = ring(stored(*asked(*(http(latency_ns=0, method=f"M{at}") for at in range(5)))))
    question = Question(since_ns=TIME_NS + MS, until_ns=TIME_NS + 3 * MS)
    found = top(of, question, NOW_NS)
    assert sorted(row["method"] for row in found["rows"]) == ["M1", "M2", "M3"]
    assert (found["from_ns"], found["until_ns"]) == (TIME_NS + MS, TIME_NS + 3 * MS)
    assert found["rows"][0]["per_second"] == 1.0  # of less than a second nobody says a rate
    early = top(of, Question(since_ns=TIME_NS - 10**12), NOW_NS)
    assert early["from_ns"] == TIME_NS, "older ones are not held"


def test_what_was_lost_meanwhile_is_said():
    before, during = (Lost(LostSource.HUBBLE_RING_BUFFER, events, TIME_NS + at) for events, at in ((5, -9), (3, 9)))
    of = ring(stored(*asked(http())).with_lost((before, during)))
    assert top(of, Question(since_ns=TIME_NS), NOW_NS)["lost_events"] == 3


def test_names_are_those_known_by_now():
    def again(view):
        code = view.tables.endpoints.code(WEB)
        column = np.where(view["is_reply"] == 1, code, view["source_endpoint"]).astype(np.uint32)
        return expanded(view.with_columns(source_endpoint=column))

    made = Ring(again=again)
    made.append(stored(Said(http())))
    assert [(row["server"], row["count"]) for row in rows(made)] == [("shop/web-1:80", 1)]


def test_half_a_million_are_put_together_quickly():
    """Some 0.7 s on a calm machine; four times that is too much on any."""
    tables, count = Tables(), 100_000
    batch = stored(*(Said(http(), f"10.0.{at}.1:4000", whom=WEB) for at in range(200)), tables=tables)
    whole = batch.take(np.arange(count) % len(batch))
    messages, rng = tables.messages, np.random.default_rng(1)
    made = Ring(again=expanded)
    paths = messages.texts.codes_of(f"/items/{at}" for at in range(1_000))
    for _ in range(5):
        columns = {
            "type": MessageType.EXCHANGE, "protocol": NUMBERS["http"], "method": messages.texts.code("GET"),
            "target": rng.choice(paths, count), "latency_ns": rng.integers(1, 10**9, count),
        }  # fmt: skip
        made.append(whole.with_columns(message=messages.extend(count, columns)))
    start = time.process_time()
    (row,) = rows(made)
    assert time.process_time() - start < 2.8
    assert row["count"] == 500_000
