"""A mask says of every row what Hubble's filters say of the flow."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.errors import UsageError
from rubin.model import addresses
from rubin.model.batch import Array, FlowBatch
from rubin.model.columns import DTYPES
from rubin.model.filter import BeyondHubble, Filters, FlowFilter
from rubin.model.judgement import Cel
from rubin.model.meanings import BEYOND_HUBBLE, MEANINGS
from rubin.model.messages import DNS, Message
from rubin.model.predicates import Mask, Rows
from rubin.model.tables import Container, Contents, Endpoint, Link, Process, Service, Tables, Workload
from tests.flows import flows, generate
from tests.model.reference import flows_of, wanted

# --- a small world in which most questions have both answers -------------------------------------

NAMESPACES = ("", "default", "shop")
LABELS = ("k8s:app=web", "k8s:app=db", "k8s:tier=front", "any:app=web", "reserved:host", "x:app=other")
SELECTORS = (
    *("app", "!app", "app=web", "app!=web", "k8s:app=web", "k8s:app in (web,db)", "tier notin (front,back)"),
    *("reserved:host", "app=web, tier=front", "!k8s:tier, app", "tier=", "x:app!=other"),
)
ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.1.0.1", "192.168.0.1", "fd00::1", "fd00::2", "::1")
CIDRS = (*ADDRESSES, "10.0.0.0/24", "10.0.0.0/8", "0.0.0.0/0", "fd00::/64", "::/0", "10.0.0.3/31", "255.255.255.255")
NAMES = ("www.example.com", "example.com", "api.example.com", "under_score.example.com")
PATTERNS = ("*.example.com", "Example.COM.", "*", "www.*", "*_*.example.com", "nothing")
URLS = ("http://shop/pay/1?x=2", "/pay/2", "/", "")
REGEXES = ("pay", "^/pay/[0-9]$", "1", "x=2", "^/$")
METHODS = ("GET", "POST", "")
NODES = ("", "node-1", "prod/node-1", "prod/node-2.example.com")
NODE_PATTERNS = ("node-1", "prod/", "default/*", "*/node-*", "*.example.com", "/node-1")
FLAGS = (0, 2, 16, 18, 24, 17, 256)
HEADERS = (("a", "1"), ("a", "2"), ("b", "1"))

endpoints = st.builds(
    Endpoint,
    identity=st.sampled_from([0, 1, 1000]),
    cluster_name=st.sampled_from(["", "east", "west"]),
    namespace=st.sampled_from(NAMESPACES),
    labels=st.lists(st.sampled_from(LABELS), max_size=3, unique=True).map(tuple),
    pod_name=st.sampled_from(["", "web-1", "web-2", "db-0"]),
    workloads=st.lists(
        st.builds(Workload, st.sampled_from(["web", "db"]), st.sampled_from(["Deployment", "Job"])), max_size=2
    ).map(tuple),
    names=st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    service=st.builds(Service, st.sampled_from(["", "web"]), st.sampled_from(NAMESPACES)),
    container=st.builds(
        Container,
        st.sampled_from(["", "abcd"]),
        st.sampled_from(["", "web"]),
        st.sampled_from(["", "docker.io/library/nginx:1.25", "nginx"]),
    ),
    unit=st.sampled_from(["", "nginx.service", "a.scope"]),
)
contents = st.builds(
    Contents,
    ip_trace_id=st.sampled_from([0, 7]),
    node_labels=st.lists(st.sampled_from(["app=web", "tier=front"]), max_size=2).map(tuple),
)
kinds, traces = st.integers(0, 4), st.sampled_from(["", "abc"])
messages = (
    st.builds(
        Message,
        kinds,
        st.sampled_from(["http", "http", "grpc", "redis", ""]),
        authority=st.sampled_from(["", "shop"]),
        status=st.sampled_from([0, 200, 404, 40, 4041]),
        method=st.sampled_from(METHODS),
        target=st.sampled_from(URLS),
        attributes=st.lists(st.sampled_from(HEADERS), max_size=2).map(tuple),
        trace_id=traces,
    )
    | st.builds(
        lambda kind, query, trace: Message(kind, "dns", target=query, trace_id=trace, dns=DNS(query)),
        kinds,
        st.sampled_from(("pay.example.com.", "1", "")),
        traces,
    )
    | st.builds(Message, trace_id=traces)
)
processes = st.builds(
    Process,
    pid=st.sampled_from([0, 1, 42]),
    command=st.sampled_from(["", "curl", "nginx"]),
    uid=st.sampled_from([-1, 0, 1000]),
    cgroup=st.sampled_from(["", "/a", "/a/b", "/ab"]),
    executable=st.sampled_from(["", "/usr/bin/python3"]),
    user=st.sampled_from(["", "root"]),
)


def few(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=4)


# made once: hypothesis looks at every new strategy for long
ROWS = {
    "endpoints": few(endpoints),
    "contents": few(contents),
    "messages": few(messages),
    "processes": few(processes),
    "links": few(st.builds(Link, st.sampled_from([0, 2]), st.sampled_from(["", "eth0"]))),
    "addresses": few(st.sampled_from(ADDRESSES)),
    "reasons": few(st.sampled_from(["NETFILTER_DROP", "NO_SOCKET"])),
    "nodes": few(st.sampled_from(NODES)),
}
LENGTH, SEED = st.integers(0, 40), st.integers(0, 2**32)


@st.composite
def batches(draw: st.DrawFn) -> FlowBatch:
    """Up to 40 rows over tables of a few rows each."""
    tables = Tables()
    rows = draw(LENGTH)
    seed = np.random.default_rng(draw(SEED))

    def codes(name: str, strategy: st.SearchStrategy[Any]) -> Array:
        table: Any = tables[name]
        known = [0, *table.codes(draw(strategy))]
        return seed.choice(known, rows)

    def some(*values: int) -> Array:
        return seed.choice(np.array(values), rows)

    pairs = np.array([(0, 0), *(addresses.pair(text) for text in ADDRESSES)], np.uint64)
    source, destination = (pairs[seed.integers(0, len(pairs), rows)].reshape(-1, 2) for _ in range(2))
    columns = {
        "uuid_high": some(0, 1),
        "uuid_low": some(0, 5),
        "verdict": some(0, 1, 2),
        "event_type": some(0, 1, 4, 129),
        "event_sub_type": some(0, 3, 133),
        "traffic_direction": some(0, 1, 2),
        "trace_point": some(0, 3, 101, 11),
        "is_reply": some(-1, 0, 1),
        "ip_version": some(0, 1, 2),
        "source_high": source[:, 0],
        "source_low": source[:, 1],
        "destination_high": destination[:, 0],
        "destination_low": destination[:, 1],
        "source_xlated": codes("strings", ROWS["addresses"]),
        "encrypted": some(0, 1),
        "protocol": some(0, 1, 2, 6, 17, 58, 112, 132),
        "source_port": some(0, 80, 443),
        "destination_port": some(0, 80, 443),
        "tcp_flags": seed.choice(np.array(FLAGS), rows),
        "drop_reason": some(0, 133, 181),
        "kernel_drop_reason": codes("strings", ROWS["reasons"]),
        "tcp_event": some(0, 1, 3),
        "process": codes("processes", ROWS["processes"]),
        "source_endpoint": codes("endpoints", ROWS["endpoints"]),
        "destination_endpoint": codes("endpoints", ROWS["endpoints"]),
        "link": codes("links", ROWS["links"]),
        "node_name": codes("strings", ROWS["nodes"]),
        "contents": codes("contents", ROWS["contents"]),
        "message": codes("messages", ROWS["messages"]),
    }
    absent = set(seed.choice(sorted(columns), seed.integers(0, 4)).tolist())
    return FlowBatch({n: column.astype(DTYPES[n]) for n, column in columns.items() if n not in absent}, tables)


def some_of(values: Any) -> st.SearchStrategy[Any]:
    return st.lists(st.sampled_from(values), max_size=3).map(tuple)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "uuid": some_of([f"00000000-0000-000{h}-0000-00000000000{n}" for h in (0, 1) for n in (5, 6)] + ["no uuid"]),
    "source_ip": some_of(CIDRS) | st.just(CIDRS),
    "source_ip_xlated": some_of(CIDRS),
    "source_pod": some_of(["web", "web-1", "shop/", "shop/db", "/web", "/", "default/"]),
    "source_fqdn": some_of(PATTERNS),
    "source_label": some_of(SELECTORS),
    "source_service": some_of(["web", "shop/w", "/", "shop/"]),
    "source_workload": some_of([Workload("web"), Workload("", "Job"), Workload("db", "Job"), Workload()]),
    "source_cluster_name": some_of(["east", "north"]),
    "source_identity": some_of([0, 1, 1000, 2**32 - 1]),
    "source_port": some_of(["0", "80", "65535", "00443"]),
    "traffic_direction": some_of([0, 1, 2, 300, -1]),
    "verdict": some_of([0, 1, 2, 99]) | st.just(tuple(range(1, 12))),
    "drop_reason_desc": some_of([0, 133, 70_000]),
    "interface": some_of([(0, "eth0"), (2, ""), (0, ""), (3, "eth0")]),
    "event_type": some_of([(0, False, 0), (4, False, 0), (4, True, 3), (0, True, 133), (129, False, 9), (-1, True, 0)]),
    "http_status_code": some_of(["404", "4+", "40+", "200"]),
    "protocol": some_of(
        ["tcp", "UDP", "icmp", "icmpv4", "icmpv6", "sctp", "vrrp", "igmp", "dns", "http", "gRPC", "redis"]
    ),
    "reply": some_of([True, False]),
    "dns_query": some_of(REGEXES),
    "http_method": some_of(["get", "POST", "PUT"]),
    "http_path": some_of(REGEXES),
    "http_url": some_of(REGEXES),
    "http_header": some_of([*HEADERS, ("A", "1")]),
    "tcp_flags": some_of([*FLAGS, 1 << 20]),
    "node_name": some_of(NODE_PATTERNS),
    "node_labels": some_of(SELECTORS),
    "ip_version": some_of([0, 1, 2]),
    "trace_id": some_of(["", "abc", "abd"]),
    "ip_trace_id": some_of([0, 7, 2**63]),
    "encrypted": some_of([True, False]),
}
BEYOND: dict[str, st.SearchStrategy[Any]] = {
    **{
        f"{side}_{name}": values
        for side in ("source", "destination")
        for name, values in {
            "process": some_of(["curl", "/usr/bin/python3", "python3", ""]),
            "pid": some_of([0, 1, 42]),
            "user": some_of(["root", "0", "1000"]),
            "container": some_of(["web", "abc", "abcd"]),
            "image": some_of(["nginx", "nginx:1.25", "docker.io/library/nginx", "docker.io/library/nginx:1.25"]),
            "unit": some_of(["nginx", "nginx.service", "a.scope"]),
        }.items()
    },
    "cgroup": some_of(["/a", "/a/b"]),
    "kernel_drop_reason": some_of(["NETFILTER_DROP", ""]),
    "tcp_event": some_of([0, 1, 2]),
}


OF = {**VALUES, **{n.replace("source", "destination"): s for n, s in VALUES.items() if n != "source_ip_xlated"}}
NAMES_OF = st.lists(st.sampled_from(sorted(OF)), max_size=3, unique=True)
NAMES_BEYOND = st.lists(st.sampled_from(sorted(BEYOND)), max_size=1)


@st.composite
def filters(draw: st.DrawFn) -> FlowFilter:
    """Up to three fields, and one beyond Hubble, with a few values each."""
    values = {name: draw(OF[name]) for name in draw(NAMES_OF)}
    if any(name.startswith("http_") for name in values):
        values.pop("event_type", None)  # the two are refused together
    return FlowFilter(**values, beyond=BeyondHubble(**{name: draw(BEYOND[name]) for name in draw(NAMES_BEYOND)}))


lists = st.lists(filters(), max_size=3)


@settings(max_examples=150)
@given(batches(), lists, lists)
def test_the_mask_agrees_with_hubbles_rules_said_plainly(
    batch: FlowBatch, allow: list[FlowFilter], deny: list[FlowFilter]
):
    mask = Filters(allow, deny).mask(batch)
    assert mask.dtype == np.bool_
    assert mask.tolist() == [wanted(flow, allow, deny) for flow in flows_of(batch)]


@settings(max_examples=40)
@given(batches(), filters())
def test_a_filter_may_be_asked_of_many_batches_whose_tables_grow(batch: FlowBatch, asked: FlowFilter):
    compiled = Filters([asked])
    first = compiled.mask(batch)
    for number in range(20):
        batch.tables.endpoints.code(Endpoint(identity=number, namespace="shop", pod_name=f"web-{number}"))
        batch.tables.strings.code(f"node-{number}")
    tables = batch.tables
    grown = FlowBatch(
        {
            "source_endpoint": np.arange(len(tables.endpoints)),
            "node_name": np.zeros(len(tables.endpoints)),
            "ip_version": np.ones(len(tables.endpoints)),
        },
        tables,
    )
    assert compiled.mask(grown).tolist() == [wanted(flow, [asked], []) for flow in flows_of(grown)]
    assert compiled.mask(batch).tolist() == first.tolist()


def test_every_field_has_a_meaning_and_a_test():
    names = {field.name for field in fields(FlowFilter)} - {"cel_expression", "beyond"}
    assert set(MEANINGS) == names
    assert {name.replace("destination", "source") for name in names} == set(VALUES)
    assert set(BEYOND_HUBBLE) == set(BEYOND) == {field.name for field in fields(BeyondHubble)}


# --- sentences --------------------------------------------------------------------------------------

TABLE = """
    src              dst             verdict    drop_reason  is_reply  from       to
    10.0.0.1:4000    10.0.0.2:80     FORWARDED  0            0         shop/web   shop/db
    10.0.0.2:80      10.0.0.1:4000   FORWARDED  0            1         shop/db    shop/web
    10.0.0.1:4001    10.0.0.3:81     DROPPED    133          -1        shop/web   -
    [fd00::1]:4000   [fd00::2]:80    FORWARDED  0            -1        -          other/web
"""


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        (FlowFilter(), [0, 1, 2, 3]),
        (FlowFilter(source_ip=("::/0",)), [3]),
        (FlowFilter(source_ip=("0.0.0.0/0",)), [0, 1, 2]),
        (FlowFilter(source_ip=("::ffff:10.0.0.0/120",)), [0, 1, 2]),
        (FlowFilter(source_ip=("FD00:0::1",)), [3]),  # Hubble compares texts here; the same address is meant
        (FlowFilter(source_pod=("web",)), []),
        (FlowFilter(source_pod=("/web",)), [0, 2]),
        (FlowFilter(destination_pod=("/",)), [0, 1, 3]),
        (FlowFilter(reply=(False,)), [0, 2]),
        (FlowFilter(reply=(True,)), [1]),
        (FlowFilter(reply=(True, False)), [0, 1, 2]),
        (FlowFilter(drop_reason_desc=(0,)), []),
        (FlowFilter(drop_reason_desc=(133,)), [2]),
        (FlowFilter(verdict=(1,), destination_port=("80",)), [0, 3]),
        (FlowFilter(source_label=("app in (web,db)", "nothing")), [0, 1, 2]),
    ],
)
def test_one_field_at_a_time(asked: FlowFilter, rows: list[int]):
    assert np.flatnonzero(Filters([asked]).mask(flows(TABLE))).tolist() == rows


def test_allowing_filters_are_joined_by_or_and_denying_ones_take_away():
    allow = [FlowFilter(source_port=("80",)), FlowFilter(destination_port=("80",))]
    assert Filters(allow, [FlowFilter(ip_version=(2,))]).mask(flows(TABLE)).tolist() == [True, True, False, False]


def test_nothing_asked_is_everything():
    assert Filters().everything
    assert Filters().mask(flows(TABLE)).all()
    assert not Filters([FlowFilter()]).everything


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (FlowFilter(source_ip=("10.0.0.300",)), "source_ip '10.0.0.300' is neither an IP address nor a CIDR"),
        (FlowFilter(source_ip=("10.0.0.0/255.0.0.0",)), "is neither an IP address nor a CIDR"),
        (FlowFilter(source_ip=("fe80::1%eth0",)), "is neither an IP address nor a CIDR"),
        (FlowFilter(source_ip_xlated=("here",)), "source_ip_xlated 'here'"),
        (FlowFilter(source_pod=("",)), "source_pod '' names nothing"),
        (FlowFilter(destination_service=("",)), "destination_service '' names nothing"),
        (FlowFilter(source_port=("http",)), "source_port 'http' is no port"),
        (FlowFilter(source_port=("65536",)), "source_port '65536' is no port"),
        (FlowFilter(destination_port=("٣",)), "destination_port '٣' is no port"),
        (FlowFilter(protocol=("gopher",)), "protocol 'gopher' does not exist"),
        (FlowFilter(source_fqdn=("a..",)), "source_fqdn pattern 'a..' has an empty name"),
        (FlowFilter(source_fqdn=("a b",)), "source_fqdn pattern 'a b' holds ' '"),
        (FlowFilter(node_name=("a/b/c",)), "node_name pattern 'a/b/c' holds more than one '/'"),
        (FlowFilter(node_name=("",)), "node_name pattern '' is empty"),
        (FlowFilter(source_label=("a in b",)), "label selector 'a in b' is not understood: '(' is expected before 'b'"),
        (FlowFilter(source_cluster_name=("",)), "source_cluster_name '' names nothing"),
        (FlowFilter(http_status_code=("600",)), "http_status_code '600' is not understood"),
        (FlowFilter(http_path=("(?=a)",)), "http_path pattern '(?=a)' is not understood: invalid perl operator: (?="),
        (FlowFilter(http_url=("a" * 100 + "{1000}{1000}",)), "is not understood: bad repetition operator"),
        (FlowFilter(cel_expression=("true",)), "CEL expressions cannot be judged here"),
        (
            FlowFilter(http_path=("/",), event_type=((4, False, 0),)),
            "filtering by http path requires the event type filter to only match 'l7' events",
        ),
    ],
)
def test_a_value_that_is_not_understood_is_named(asked: FlowFilter, message: str):
    for allow, deny in ([asked], []), ([], [asked]):
        with pytest.raises(UsageError) as caught:
            Filters(allow, deny)
        assert message in caught.value.sentence
        assert caught.value.way_on


def test_http_filters_may_be_asked_of_layer_7_events():
    Filters([FlowFilter(http_path=("/",), event_type=((4, False, 0), (129, False, 0)))])


def test_a_hostile_expression_takes_no_longer_than_the_text():
    tables = Tables()
    code = tables.messages.code(Message(protocol="http", target="/" + "a" * 100_000))
    batch = FlowBatch({"message": np.array([code])}, tables)
    assert not Filters([FlowFilter(http_path=("(a|aa)+$b", "(.*)*=", "(a*)*c"))]).mask(batch).any()
    assert not Filters([FlowFilter(source_fqdn=("*a" * 50 + "b",))]).mask(batch).any()


def test_texts_that_are_no_unicode_match_nothing_and_raise_nothing():
    tables = Tables()
    code = tables.messages.code(Message(protocol="http", target="/\ud800\udfff"))
    other = tables.messages.code(Message(protocol="dns", target="\udc80", dns=DNS(query="\udc80")))
    batch = FlowBatch({"message": np.array([code, other])}, tables)
    assert not Filters([FlowFilter(http_url=("x",))]).mask(batch).any()
    assert not Filters([FlowFilter(dns_query=("x",))]).mask(batch).any()


def test_an_expression_is_asked_only_of_the_rows_that_the_other_fields_left():
    batch = flows(TABLE)
    asked_rows: list[list[int]] = []

    def compile_cel(expressions: tuple[str, ...]) -> Cel:
        assert expressions == ("_flow.verdict == Verdict.DROPPED", "false")

        def judge(of: FlowBatch, rows: Array) -> Mask:
            asked_rows.append(rows.tolist())
            return np.equal(of["source_port"][rows], 4000)

        return judge

    expressions = ("_flow.verdict == Verdict.DROPPED", "false")
    asked = FlowFilter(ip_version=(1,), cel_expression=expressions)
    assert Filters([asked], cel=compile_cel).mask(batch).tolist() == [True, False, False, False]
    assert asked_rows == [[0, 1, 2]]

    asked_rows.clear()
    deny = FlowFilter(cel_expression=expressions)
    allow = [FlowFilter(verdict=(1,)), asked]
    assert Filters(allow, [deny], cel=compile_cel).mask(batch).tolist() == [False, True, False, False]
    assert asked_rows == [[2], [0, 1, 3]]  # what another filter allowed already need not be asked, nor what none did


def test_texts_are_judged_once_per_table_row():
    batch = generate(5_000, endpoints=50, pairs=100)
    asked = Filters([FlowFilter(source_pod=("shop/",))])
    calls = []
    rows = asked._allow[0]._predicates[0]
    assert isinstance(rows, Rows)
    (inner,) = rows.answers.tests

    def counted(row: Endpoint) -> bool:
        calls.append(row)
        return inner(row)

    rows.answers.tests = [counted]
    first = asked.mask(batch)
    for _ in range(3):
        assert (asked.mask(batch) == first).all()
    assert 0 < len(calls) == len(set(calls))
