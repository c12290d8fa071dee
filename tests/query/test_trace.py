"""One request in full, and the requests of a distributed trace."""

import numpy as np
import pytest

from rubin.errors import UsageError
from rubin.model.enums import Protocol
from rubin.model.exchanges import expanded
from rubin.model.messages import DNS, Message, MessageType
from rubin.model.tables import Contents, Endpoint, Process, Tables, Translation
from rubin.query.trace import MOST, trace
from rubin.store.ring import Ring
from tests.exchanges import HIGH, MS, TIME_NS, Said, http, stored
from tests.flows import flows

WEB = Endpoint(1, 100, "", "shop", ("k8s:app=web",), "web", unit="web.service")
DB = Endpoint(2, 200, "", "shop", (), "db")
CURL, NGINX = Process(9, "curl", 1000, user="me"), Process(10, "nginx", 33, cgroup="/web", user="www-data")
SQL = Message(MessageType.EXCHANGE, "postgresql", "SELECT", target="SELECT ?", latency_ns=MS)
TRACE = "0af7651916cd43dd8448eb211c80319c"


def ring(*batches):
    made = Ring(again=expanded)
    for batch in batches:
        made.append(batch)
    return made


def uuid(number: int, of_request: bool = False) -> str:
    return f"2d1c1d2e-90a8-4a6b-{'a' if of_request else '8'}000-{number:012x}"


def packets(table, first=100):
    """Packets of connections, with UUIDs from `first` on."""
    batch = flows(table)
    count = len(batch)
    numbers = np.arange(first, first + count, dtype=np.uint64) | np.uint64(1 << 63)
    return batch.with_columns(uuid_high=np.full(count, HIGH, np.uint64), uuid_low=numbers)


SHOP = http(
    "/pay", 500, error="out of stock", request_bytes=120, response_bytes=4_200, trace_id=TRACE,
    attributes=(("content-type", "text/html"), ("x-a", "b")),
)  # fmt: skip


def test_a_request_is_told_in_full():
    nat = Contents(translation=Translation("10.96.0.10", 8080))
    said = Said(SHOP, who=Endpoint(), whom=WEB, process=NGINX, cookie=7, contents=nat)
    (found,) = trace(ring(stored(Said(http("/other")), said)), uuid(1))["exchanges"]
    assert found == {
        "protocol": "http", "method": "GET", "authority": "shop", "target": "/pay", "version": "HTTP/1.1",
        "status": 500, "failed": True, "error": "out of stock", "latency_ns": 4 * MS,
        "request_bytes": 120, "response_bytes": 4_200, "trace_id": TRACE,
        "attributes": (("content-type", "text/html"), ("x-a", "b")),
        "asked_ns": TIME_NS, "answered_ns": TIME_NS + 4 * MS,
        "request_uuid": uuid(1, of_request=True), "response_uuid": uuid(1),
        "client": {"address": "10.0.0.1", "port": 4000},
        "server": {
            "address": "10.0.0.2", "port": 80, "name": "shop/web",
            "endpoint": {
                "id": 1, "identity": 100, "namespace": "shop", "labels": ("k8s:app=web",), "pod_name": "web",
                "unit": "web.service",
            },
            "process": {"pid": 10, "command": "nginx", "uid": 33, "cgroup": "/web", "user": "www-data"},
        },
        "asked_for": {"address": "10.96.0.10", "port": 8080},
        "seen_at": ["server"], "node": "node-1", "depth": 0,
    }  # fmt: skip


NAMES = [
    uuid(3), uuid(3, of_request=True), uuid(3).upper(), uuid(3).replace("-", ""), f" {uuid(3)} ",
    "000000000003", "000-000000000003", "6b-8000-000000000003", uuid(3)[1:],
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_request_is_found_by_the_uuid_of_either_flow_or_some_of_its_digits(name):
    of = ring(stored(*(Said(http(f"/{number}")) for number in range(20))))
    (found,) = trace(of, name)["exchanges"]
    assert found["target"] == "/3"


def test_a_beginning_is_enough_where_it_is_the_only_one():
    of = ring(stored(Said(http("/a"))))
    assert trace(of, "2d1c1d2e")["exchanges"][0]["target"] == "/a"
    assert trace(of, "2d1c1d2e-90a8-4a6b-80")["exchanges"][0]["target"] == "/a"
    assert trace(of, "2d1c1d2f")["exchanges"] == []


def test_several_are_too_many():
    of = ring(stored(Said(http("/a")), Said(http("/b"))), stored(Said(http("/c")), first=2))
    with pytest.raises(UsageError, match="3 requests have a UUID that begins or ends with '2d1c1d2e'"):
        trace(of, "2d1c1d2e")


@pytest.mark.parametrize("name", ["", "2d1c1d2", "2d1c1d2x", uuid(3) + "0", "pod/web", "٣" * 8])
def test_what_is_no_uuid(name):
    with pytest.raises(UsageError, match="is no UUID"):
        trace(Ring(), name)


def test_a_packet_is_no_request():
    found = trace(ring(packets("src dst\n10.0.0.1:1 10.0.0.2:2")), uuid(100))
    assert found == {"exchanges": [], "packets": 1}
    assert trace(Ring(), uuid(1)) == {"exchanges": [], "packets": 0}
    assert trace(Ring(), trace_id="abc") == {"exchanges": [], "packets": 0}


def test_rows_without_a_uuid_are_not_meant():
    batch = stored(Said(http())).with_columns(uuid_high=np.zeros(1), uuid_low=np.zeros(1))
    assert trace(ring(batch), "00000000")["exchanges"] == []


def test_it_has_what_both_ends_know():
    at_client = Said(http(latency_ns=5 * MS), end="client", who=WEB, process=CURL, cookie=1)
    at_server = Said(http(latency_ns=4 * MS), asked_ns=MS // 2, whom=DB, process=NGINX, cookie=2)
    other = Said(http(latency_ns=4 * MS), asked_ns=40 * MS, whom=DB, process=NGINX, cookie=2)
    of = ring(stored(at_client, other, at_server))
    for number in (0, 2):
        (found,) = trace(of, uuid(number))["exchanges"]
        assert found["seen_at"] == ["client", "server"]
        assert (found["asked_ns"], found["latency_ns"]) == (TIME_NS, 4 * MS)
        assert found["client"]["process"]["command"] == "curl"
        assert found["server"]["process"]["command"] == "nginx"
        assert (found["client"]["name"], found["server"]["name"]) == ("shop/web", "shop/db")
        assert found["response_uuid"] == uuid(2)
    assert trace(of, uuid(1))["exchanges"][0]["seen_at"] == ["server"]


def test_a_late_answer_belongs_to_its_request():
    waits, late = http("/slow", 0), http("/slow", type=MessageType.RESPONSE, latency_ns=3_000 * MS)
    of = ring(stored(Said(waits), Said(late)))
    for number in (0, 1):
        (found,) = trace(of, uuid(number))["exchanges"]
        assert (found["request_uuid"], found["response_uuid"]) == (uuid(0), uuid(1))
        assert (found["asked_ns"], found["answered_ns"]) == (TIME_NS, TIME_NS + 3_000 * MS)


def test_a_request_that_nobody_answered():
    (found,) = trace(ring(stored(Said(http("/slow", 0), process=CURL, end="client"))), uuid(0))["exchanges"]
    assert not {"answered_ns", "status", "latency_ns", "response_uuid"} & set(found)
    assert (found["request_uuid"], found["asked_ns"]) == (uuid(0), TIME_NS)


def test_a_name_that_was_asked_for():
    told = DNS("shop.example.", ("192.0.2.7",), 60, qtypes=("A",))
    asked = Message(MessageType.EXCHANGE, "dns", "A", target="shop.example.", dns=told, latency_ns=MS)
    (found,) = trace(ring(stored(Said(asked, server="10.0.0.53:53", protocol=Protocol.UDP))), uuid(0))["exchanges"]
    assert found["dns"] == {"query": "shop.example.", "ips": ("192.0.2.7",), "ttl": 60, "qtypes": ("A",)}


# --- its connection


def test_its_connection_is_told_as_the_ring_has_it():
    said = stored(Said(SHOP, whom=WEB, cookie=7, end="client", process=CURL))
    around = packets("""
        src dst is_reply trace_point traffic_direction srtt_us retransmits connect_latency_us tcp_event socket_cookie
        10.0.0.1:4000 10.0.0.2:80 0 TO_STACK EGRESS 100 0 250 CONNECT 7
        10.0.0.2:80 10.0.0.1:4000 1 TO_ENDPOINT EGRESS 120 2 0 RETRANSMIT 7
        10.0.0.1:4000 10.0.0.2:80 0 TO_ENDPOINT INGRESS 90 1 0 0 8
        10.0.0.2:80 10.0.0.1:4000 1 TO_STACK INGRESS 95 0 0 RESET 8
        10.0.0.1:4001 10.0.0.2:80 0 TO_STACK EGRESS 999 9 999 RESET 9
        10.0.0.1:4000 10.0.0.2:80 0 TO_STACK EGRESS 888 8 0 0 6
        10.0.0.1:4000 192.0.2.9:8080 0 TO_STACK EGRESS 0 4 0 0 7
    """)
    far = packets("""
        src            dst          is_reply time_ns                  retransmits socket_cookie
        10.0.0.1:4000  10.0.0.2:80  0        1699999939999999999      50          7
        10.0.0.1:4000  10.0.0.2:80  0        1700000060004000001      50          7
    """, first=200)  # fmt: skip
    drops = packets("""
        src            dst          verdict  kernel_drop_reason drop_location
        10.0.0.1:4000  10.0.0.2:80  DROPPED  NETFILTER_DROP     nft_do_chain
        10.0.0.1:4000  10.0.0.2:80  DROPPED  NO_SOCKET          -
    """, first=300)  # fmt: skip
    (found,) = trace(ring(said, around, far, drops), uuid(0))["exchanges"]
    assert found["connection"] == {
        "connect_latency_us": 250, "srtt_us": {"client": 120, "server": 95}, "retransmits": 7, "resets": 1,
        "drops": ["NETFILTER_DROP at nft_do_chain", "NO_SOCKET"],
    }  # fmt: skip


def test_a_udp_socket_has_many_peers():
    asked = Message(MessageType.EXCHANGE, "dns", "A", target="a.", latency_ns=MS)
    said = stored(Said(asked, server="10.0.0.53:53", end="client", cookie=7, protocol=Protocol.UDP))
    other = packets("""
        src            dst          protocol trace_point traffic_direction retransmits socket_cookie
        10.0.0.1:4000  10.0.0.54:53 UDP      TO_STACK    EGRESS            5           7
    """)
    assert "connection" not in trace(ring(said, other), uuid(0))["exchanges"][0]


def test_the_owner_of_the_other_end_is_known_by_its_packets():
    said = stored(Said(SHOP, end="server", process=NGINX))
    tables = Tables()
    seen = flows("src dst trace_point traffic_direction\n10.0.0.1:4000 10.0.0.2:80 TO_STACK EGRESS", tables)
    (found,) = trace(
        ring(said, seen.with_columns(process=np.array([tables.processes.code(CURL)]))), uuid(0)
    )["exchanges"]  # fmt: skip
    assert found["client"]["process"]["command"] == "curl"
    assert found["server"]["process"]["command"] == "nginx"


# --- a distributed trace


def call(target, client, server, at, took, who, whom, **more):
    message = http(target, latency_ns=took * MS, trace_id=more.pop("trace_id", TRACE))
    return Said(message, client, server, at * MS, who=who, whom=whom, **more)


def test_a_trace_is_told_in_order_of_time_indented_by_who_called_whom():
    front, cart, stock = (Endpoint(namespace="shop", pod_name=name) for name in ("front", "cart", "stock"))
    said = [
        call("/stock", "10.0.0.3:1", "10.0.0.4:80", 3, 2, cart, stock),
        call("/", "192.0.2.1:1", "10.0.0.2:80", 0, 20, Endpoint(), front),
        call("/cart", "10.0.0.2:1", "10.0.0.3:80", 1, 9, front, cart),
        call("/again", "10.0.0.2:2", "10.0.0.3:80", 12, 3, front, cart),
        call("/after", "10.0.0.3:2", "10.0.0.4:80", 18, 1, cart, stock),
        call("/else", "10.0.0.2:3", "10.0.0.3:80", 2, 1, front, cart, trace_id="other"),
        call("/next", "10.0.0.2:4", "10.0.0.3:80", 30, 1, front, cart),
    ]
    found = trace(ring(stored(*said)), trace_id=TRACE)["exchanges"]
    assert [(one["target"], one["depth"]) for one in found] == [
        ("/", 0), ("/cart", 1), ("/stock", 2), ("/again", 1), ("/after", 0), ("/next", 0),
    ]  # fmt: skip


def test_processes_say_more_than_names_and_names_more_than_addresses():
    host, one, two = (
        Endpoint(namespace="host", pod_name="app"),
        Process(1, "a", cgroup="/a"),
        Process(2, "b", cgroup="/b"),
    )

    def depth(server: Process, client: Process, whom=host, who=host, address="127.0.0.1"):
        first = call("/", "192.0.2.1:1", f"{address}:80", 0, 20, Endpoint(), whom, process=server)
        second = call("/x", f"{address}:9", "127.0.0.1:81", 1, 2, who, Endpoint(), process=client, end="client")
        return trace(ring(stored(first, second)), trace_id=TRACE)["exchanges"][1]["depth"]

    nobody = Process()
    assert depth(one, one) == 1
    assert depth(one, Process(3, "worker", cgroup="/a")) == 1
    assert depth(one, two) == 0
    assert depth(Process(1, cgroup="/"), Process(2, cgroup="/")) == 0
    assert depth(nobody, two) == 1  # by name
    assert depth(nobody, nobody, who=Endpoint(namespace="host", pod_name="other")) == 0
    assert depth(nobody, nobody, Endpoint(), Endpoint()) == 0, "everybody is 127.0.0.1"
    assert depth(nobody, nobody, Endpoint(), Endpoint(), "10.0.0.7") == 1


def test_what_both_ends_saw_of_a_trace_is_one():
    said = [Said(http(trace_id=TRACE), end=end, asked_ns=at) for at in (0, 20 * MS) for end in ("client", "server")]
    found = trace(ring(stored(*said)), trace_id=TRACE)["exchanges"]
    assert [one["seen_at"] for one in found] == [["client", "server"]] * 2


def test_a_trace_has_an_end():
    of = ring(stored(*(Said(http(f"/{at}", trace_id=TRACE), asked_ns=at) for at in range(MOST + 9))))
    found = trace(of, trace_id=TRACE)["exchanges"]
    assert (len(found), found[-1]["target"]) == (MOST, f"/{MOST - 1}")
