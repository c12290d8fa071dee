"""The map: who is between whom, what counts once, what a window shows, what is folded."""

import numpy as np
import pytest

from rubin.errors import UsageError
from rubin.model.batch import FlowBatch
from rubin.model.exchanges import expanded
from rubin.model.tables import Container, Endpoint, Process, Service, Tables, Workload
from rubin.query.folded import DROPPED, ERROR, FORWARDED, Shown, shown
from rubin.query.picture import BINS, FIRST_NS, STEP, Picture, bins, percentiles_ns, picture_of
from rubin.query.places import SCOPES, End, Kind, place, registrable, sound
from rubin.store.ring import Ring
from rubin.words.terms import Term, filters, query_of
from tests.exchanges import MS, TIME_NS, Said, http, stored
from tests.flows import flows, generate

SECOND = 1_000_000_000
NOW = TIME_NS + 10 * SECOND
BOTH_ENDS = """
    src           dst           from      to        trace_point  is_reply traffic_direction bytes
    10.0.0.1:4000 10.0.0.2:8443 shop/cart shop/pay  TO_STACK     0        EGRESS            100
    10.0.0.1:4000 10.0.0.2:8443 shop/cart shop/pay  TO_ENDPOINT  0        INGRESS           100
    10.0.0.2:8443 10.0.0.1:4000 shop/pay  shop/cart TO_STACK     1        INGRESS           50
    10.0.0.2:8443 10.0.0.1:4000 shop/pay  shop/cart TO_ENDPOINT  1        EGRESS            50
"""


def look(*batches: FlowBatch, scope: str = "workload", now_ns: int = NOW, **limits: int) -> Shown:
    picture = Picture(scope)
    for batch in batches:
        picture.take(batch)
    return shown(picture, now_ns, now_ns - SECOND, **limits)


def edges(of: Shown) -> dict[tuple[str, str], int]:
    return {
        (of.places[a].name, of.places[b].name): at
        for at, (a, b) in enumerate(zip(of.source.tolist(), of.destination.tolist(), strict=True))
    }


def rate(of: Shown, source: str, destination: str, name: str) -> float:
    return float(of.columns[name][edges(of)[source, destination]])


def test_what_is_seen_at_both_ends_counts_once_whichever_way_it_goes() -> None:
    of = look(flows(BOTH_ENDS))
    assert list(edges(of)) == [("cart", "pay")]
    assert rate(of, "cart", "pay", "flows") == 2
    assert rate(of, "cart", "pay", "bytes") == 150
    assert of.ports == ["8443/TCP"]
    assert of.summary == "2 services, 1 connection"


def test_one_end_alone_counts_too() -> None:
    client = flows("\n".join(BOTH_ENDS.strip().splitlines()[i] for i in (0, 1, 4)))
    assert rate(look(client), "cart", "pay", "bytes") == 150


def test_drops_always_count_and_are_the_worst_of_an_edge() -> None:
    dropped = flows("""
        src           dst           from      to        verdict drop_reason traffic_direction
        10.0.0.1:4000 10.0.0.2:8443 shop/cart shop/pay  DROPPED 133         EGRESS
    """)
    of = look(flows(BOTH_ENDS), dropped)
    assert rate(of, "cart", "pay", "drops") == 1
    assert of.verdict.tolist() == [DROPPED]
    assert of.place_drops.tolist() == [1, 1]
    assert of.summary == "2 services, 1 connection, 1 dropping"


def test_a_dropped_answer_is_no_edge_the_other_way_round() -> None:
    of = look(
        flows("""
        src           dst           from      to        verdict drop_reason tcp_flags
        10.0.0.2:8443 10.0.0.1:41000 shop/pay shop/cart DROPPED 133         SYN,ACK
        10.0.0.2:8443 10.0.0.1:41000 shop/pay shop/cart DROPPED 133         ACK
        10.0.0.1:41000 10.0.0.2:8443 shop/cart shop/pay DROPPED 133         SYN
    """)
    )
    assert list(edges(of)) == [("cart", "pay")]


def exchange_ring(*rows: Said) -> Ring:
    ring = Ring(again=expanded)
    ring.append(stored(*rows))
    return ring


WHO = Endpoint(1, 1, "", "shop", (), "cart-1", (Workload("cart", "Deployment"),))
WHOM = Endpoint(2, 2, "", "shop", (), "pay-1", (Workload("pay", "Deployment"),))


def test_an_exchange_counts_once_though_it_is_read_as_two_flows_and_seen_at_both_ends() -> None:
    message = http("/pay", 503, latency_ns=20 * MS)
    ring = exchange_ring(*(Said(message, who=WHO, whom=WHOM, end=end) for end in ("server", "client")))
    of = shown(picture_of(ring, "workload", None), NOW, NOW - SECOND)
    assert rate(of, "cart", "pay", "requests") == 1
    assert rate(of, "cart", "pay", "errors") == 1
    assert rate(of, "cart", "pay", "p99_ms") == pytest.approx(20, rel=0.2)
    assert of.verdict.tolist() == [ERROR]
    assert of.encrypted.tolist() == [1]


def test_of_scopes_each_has_its_places() -> None:
    tables = Tables()
    batch = flows(BOTH_ENDS, tables)
    process = [tables.processes.code(Process(pid, name)) for pid, name in ((7, "curl"), (9, "nginx"))]
    batch = batch.with_columns(
        process=np.array([process[at] for at in (0, 1, 1, 0)]), node_name=np.full(4, tables.strings.code("node-1"))
    )
    names = {scope: [one.name for one in look(batch, scope=scope).places] for scope in SCOPES}
    assert names == {
        "cluster": ["this cluster"],
        "namespace": ["shop"],
        "workload": ["cart", "pay"],
        "pod": ["cart", "pay"],
        "process": ["curl (cart)", "nginx (pay)"],
        "node": ["node-1"],
    }
    with pytest.raises(UsageError, match="scope 'zone' does not exist"):
        Picture("zone")


CONTAINER, API = Container("0f1e2d3c4b5a69"), "api.eu.example.com."
PLACES = [
    (End(WHO), ("cart", "shop", Kind.WORKLOAD), "namespace=shop&workload=Deployment/cart"),
    (End(Endpoint(service=Service("db", "data"))), ("db", "data", Kind.SERVICE), "service=data/db"),
    (End(Endpoint(container=CONTAINER)), ("0f1e2d3c4b5a", "containers", Kind.WORKLOAD), "container=0f1e2d3c4b5a"),
    (End(Endpoint(names=(API,))), ("example.com", "outside", Kind.NAME), "fqdn=example.com&fqdn=*.example.com"),
    (End(Endpoint(identity=1)), ("host", "host", Kind.HOST), "identity=host"),
    (End(Endpoint(identity=7)), ("kube-apiserver", "nodes", Kind.NODE), "identity=kube-apiserver"),
    (End(Endpoint(), 0, 0xFFFF_0808_0808, 1), ("8.8.0.0/16", "outside", Kind.NETWORK), "ip=8.8.0.0/16"),
    (End(Endpoint(), 0, 0xFFFF_0A01_0203, 1), ("10.1.2.0/24", "outside", Kind.NETWORK), "ip=10.1.2.0/24"),
    (End(Endpoint(), 0, 0xFFFF_7F00_0001, 1), ("host", "host", Kind.HOST), "identity=host"),
    (End(Endpoint()), ("unknown", "outside", Kind.UNKNOWN), ""),
]  # fmt: skip


@pytest.mark.parametrize(("end", "told", "query"), PLACES)
def test_a_place_has_a_name_an_island_and_a_filter_that_is_one(end: End, told: tuple, query: str) -> None:
    found = place("workload", end)
    assert (found.name, found.group, found.kind) == told
    assert query_of(found.terms()) == query
    filters(found.terms())
    for side in ("from", "to"):
        assert sound(found.terms(side)) == found.terms(side)


DOMAINS = [
    ("a.b.example.com", "example.com"),
    ("www.example.co.uk", "example.co.uk"),
    ("example.io", "example.io"),
    ("localhost", "localhost"),
    ("a.com.de", "a.com.de"),
]


@pytest.mark.parametrize(("name", "domain"), DOMAINS)
def test_names_outside_are_folded_by_domain(name: str, domain: str) -> None:
    assert registrable(name) == domain


def test_what_no_filter_can_ask_for_is_not_asked_for() -> None:
    assert sound([Term("http-status", "<b>"), Term("port", "80")]) == (Term("port", "80"),)
    assert sound([Term("ip", "10.0.0.1"), Term("namespace", "shop")]) == (Term("ip", "10.0.0.1"),)


def test_a_window_moves_on_and_what_has_gone_is_gone() -> None:
    picture = Picture("workload", 10 * SECOND)
    batch = flows(BOTH_ENDS)
    for second in range(30):
        picture.take(batch.with_columns(time_ns=np.full(4, TIME_NS + second * SECOND)))
    of = shown(picture, TIME_NS + 29 * SECOND + SECOND // 2)
    assert rate(of, "cart", "pay", "flows") == pytest.approx(2, rel=0.1)
    picture.take(batch.with_columns(time_ns=np.full(4, TIME_NS)))  # too late
    assert rate(shown(picture, TIME_NS + 30 * SECOND), "cart", "pay", "flows") == pytest.approx(2, rel=0.15)
    assert not len(shown(picture, TIME_NS + 60 * SECOND).edge_ids)


def test_taken_at_once_or_piece_by_piece_it_is_the_same() -> None:
    batch = generate(20_000, endpoints=40, pairs=300)
    whole, pieces = Picture("pod", None), Picture("pod", None)
    whole.take(batch)
    for at in range(0, len(batch), 777):
        pieces.take(batch.take(slice(at, at + 777)))
    one, other = shown(whole, NOW), shown(pieces, NOW)
    assert sorted(edges(one)) == sorted(edges(other))
    assert one.columns["drops"].sum() == pytest.approx(other.columns["drops"].sum())
    # Which connections are seen at both ends is learned: what came before is off by little.
    assert other.columns["flows"].sum() == pytest.approx(one.columns["flows"].sum(), rel=0.05)


@pytest.mark.parametrize("scope", ["pod", "process"])
def test_what_is_held_gives_the_same_picture_wherever_it_is_cut(scope: str) -> None:
    batch = generate(2_000, endpoints=40, pairs=300)
    whole = picture_in(scope, batch)
    for cut in range(1, len(batch), 97):
        pieces = picture_in(scope, batch.take(slice(0, cut)), batch.take(slice(cut, None)))
        one, other = shown(whole, NOW), shown(pieces, NOW)
        assert edges(one) == edges(other)
        for name, column in one.columns.items():
            assert other.columns[name].tolist() == pytest.approx(column.tolist(), nan_ok=True), (cut, name)


def picture_in(scope: str, *held: FlowBatch) -> Picture:
    """Of what is held in these batches."""
    made = Picture(scope, None)
    made.take_all(lambda: held)
    return made


def test_ids_stay_whatever_else_comes() -> None:
    alone = look(flows(BOTH_ENDS))
    more = look(generate(2_000), flows(BOTH_ENDS).with_columns(time_ns=np.full(4, TIME_NS + SECOND)))
    names = dict(zip([one.name for one in more.places], more.place_ids.tolist(), strict=True))
    assert [names[one.name] for one in alone.places] == alone.place_ids.tolist()
    assert int(alone.edge_ids[0]) in more.edge_ids.tolist()


def test_too_many_places_are_folded_and_no_drop_is_hidden() -> None:
    batch = generate(30_000, endpoints=2_000, pairs=9_000)
    picture = Picture("pod", None)
    picture.take(batch)
    every = shown(picture, NOW, NOW - SECOND, 10_000, 100_000)
    few = shown(picture, NOW, NOW - SECOND)
    assert len(few.places) == 500
    assert len(few.edge_ids) <= 2_000
    assert few.folded_places + sum(one.kind != Kind.MORE for one in few.places) == len(every.places)
    more = [one for one in few.places if one.kind == Kind.MORE]
    assert sorted(one.group for one in more) == ["default", "kube-system", "monitoring", "shop"]
    assert few.place_drops.sum() == pytest.approx(every.place_drops.sum())
    assert few.columns["drops"].sum() == pytest.approx(every.columns["drops"].sum())
    assert int(few.members[[one.kind == Kind.MORE for one in few.places]].sum()) == few.folded_places


def test_a_stream_of_ever_new_connections_takes_no_more_memory() -> None:
    picture = Picture("pod", 5 * SECOND)
    for second in range(12):
        batch = generate(6_000, seed=second, endpoints=3_000, pairs=5_000)
        picture.take(batch.with_columns(time_ns=np.full(6_000, TIME_NS + second * SECOND)))
        shown(picture, TIME_NS + second * SECOND)
    assert len(picture.pairs.edges) < 35_000
    of = shown(picture, TIME_NS + 11 * SECOND)
    assert of.columns["flows"].sum() > 0


def test_percentiles_are_a_tenth_beside_at_most() -> None:
    rng = np.random.default_rng(1)
    latency = (rng.lognormal(16, 1, 20_000)).astype(np.uint64)
    counts = np.bincount(bins(latency), minlength=BINS)[None, :].astype(float)
    for share in (0.5, 0.99):
        assert percentiles_ns(counts, share)[0] == pytest.approx(np.quantile(latency, share), rel=0.1)
    assert np.isnan(percentiles_ns(np.zeros((1, BINS)), 0.5)[0])
    assert bins(np.array([0, FIRST_NS, int(FIRST_NS * STEP**2.5), 2**63], np.uint64)).tolist() == [0, 0, 2, BINS - 1]


def test_verdicts_and_what_is_not_known() -> None:
    of = look(flows(BOTH_ENDS))
    assert of.verdict.tolist() == [FORWARDED]
    assert np.isnan(of.columns["p50_ms"]).all()
    assert np.isnan(of.columns["rtt_ms"]).all()
    assert of.encrypted.tolist() == [0]
    nothing = look()
    assert (len(nothing.places), nothing.summary) == (0, "0 services, 0 connections")
