import numpy as np

from rubin.metrics.configuration import parse
from rubin.metrics.sink import Metrics, Settings
from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.enums import LostSource
from rubin.model.tables import Endpoint, Tables
from tests.flows import flows, generate
from tests.metrics.pages import labelled, samples

FLOWS = "hubble_flows_processed_total"


def metrics_of(text, now=None, **settings):
    clock = (lambda: now[0]) if now else (lambda: 0.0)
    return Metrics(Settings(metrics=text, **settings), clock=clock)


def pods(*names, tables=None):
    """A flow from each of these pods."""
    tables = tables or Tables()
    codes = [tables.endpoints.code(Endpoint(namespace="shop", pod_name=name)) for name in names]
    return FlowBatch({"source_endpoint": np.array(codes), "event_type": np.full(len(codes), 4)}, tables)


def sources(metrics, name=FLOWS):
    return {dict(labels)["source_pod"] for labels in samples(metrics.exposition(), name)}


POD = "flow:labelsContext=source_pod,source_namespace"


def test_an_idle_series_goes_and_a_busy_one_stays():
    now = [0.0]
    metrics = metrics_of(POD, now, series_idle_s=600)
    metrics.observe(pods("old", "busy"))
    for _ in range(20):
        now[0] += 60
        metrics.observe(pods("busy"))
    assert sources(metrics) == {"busy"}
    assert samples(metrics.exposition(), FLOWS)
    assert samples(metrics.exposition(), "rubin_metrics_expired_series_total") == {labelled(): 1.0}


def test_series_go_also_when_no_flow_comes_any_more():
    now = [0.0]
    metrics = metrics_of(POD, now, series_idle_s=600)
    metrics.observe(pods("a"))
    now[0] += 700
    assert samples(metrics.exposition(), FLOWS) == {}


def test_beyond_the_limit_flows_are_counted_and_in_no_series():
    metrics = metrics_of(POD, series_limit=10)
    metrics.observe(pods(*(f"p{i}" for i in range(25)), "p0"))
    found = samples(metrics.exposition(), FLOWS)
    assert len(found) == 10
    overflow = samples(metrics.exposition(), "rubin_metrics_overflow_total")[labelled(metric=FLOWS)]
    assert sum(found.values()) + overflow == 26


def test_a_full_metric_lets_idle_series_go_sooner():
    now = [0.0]
    metrics = metrics_of(POD, now, series_limit=2, series_idle_s=600)
    metrics.observe(pods("a", "b"))
    assert sources(metrics) == {"a", "b"}
    now[0] += 70
    metrics.observe(pods("c"))
    assert sources(metrics) == set()
    metrics.observe(pods("c"))
    assert sources(metrics) == {"c"}


def test_a_flood_of_addresses_and_ports_is_bounded_and_every_flow_accounted_for():
    now = [0.0]
    metrics = metrics_of(
        "port-distribution:labelsContext=source_ip,destination_ip flow:sourceContext=ip", now, series_limit=500
    )
    rng, tables, total = np.random.default_rng(1), Tables(), 0
    for _ in range(30):
        now[0] += 40
        n = 5_000
        batch = FlowBatch(
            {
                "source_low": rng.integers(0, 1 << 63, n, dtype=np.uint64),
                "destination_low": rng.integers(0, 1 << 63, n, dtype=np.uint64),
                "destination_port": rng.integers(0, 65_536, n),
                "ip_version": np.full(n, 2),
                "protocol": np.full(n, 6),
                "verdict": np.full(n, 1),
                "is_reply": np.zeros(n),
                "event_type": np.full(n, 4),
            },
            tables,
        )
        metrics.observe(batch)
        total += n
    for name in (FLOWS, "hubble_port_distribution_total"):
        found = samples(metrics.exposition(), name)
        overflow = samples(metrics.exposition(), "rubin_metrics_overflow_total")[labelled(metric=name)]
        assert len(found) <= 500
        assert overflow > 0
    for contexts in metrics._contexts.values():
        assert len(contexts._source.values) <= 4 * 500 + 1
        assert len(contexts._source._addresses) <= 4 * 500 + 1
    assert samples(metrics.exposition(), "rubin_metrics_expired_series_total")[labelled()] >= 0


def test_words_that_no_series_has_are_forgotten_and_counts_stay_right():
    now = [0.0]
    metrics = metrics_of("flow:sourceContext=pod tcp:sourceContext=pod", now, series_idle_s=600, series_limit=6_000)
    tables = Tables()
    metrics.observe(pods(*(f"p{i}" for i in range(5_000)), "stays", tables=tables))
    metrics.settle()
    (contexts,) = (one for one in metrics._contexts.values() if one.names == ("source",))
    assert len(contexts._source.values) > 5_000
    for _ in range(20):
        now[0] += 40
        metrics.observe(pods("stays", tables=tables))
    assert len(contexts._source.values) < 10
    metrics.observe(pods("p7", "p7", "stays", tables=tables))
    found = {dict(key)["source"]: count for key, count in samples(metrics.exposition(), FLOWS).items()}
    assert found == {"shop/stays": 22.0, "shop/p7": 2.0}


def test_a_pod_that_went_takes_its_series_along_after_a_minute():
    now = [0.0]
    metrics = metrics_of(f"{POD} tcp:sourceContext=pod drop:destinationContext=pod", now)
    batch = flows("""
        src       dst       from       to         verdict    tcp_flags
        10.0.0.1  10.0.0.2  shop/gone  shop/here  FORWARDED  SYN
        10.0.0.2  10.0.0.1  shop/here  shop/gone  DROPPED    SYN
        10.0.0.2  10.0.0.3  shop/here  shop/more  DROPPED    SYN
    """)
    metrics.observe(batch)
    now[0] += 5
    metrics.gone("shop", "gone")
    now[0] += 40
    assert "gone" in sources(metrics)
    now[0] += 40
    assert sources(metrics) == {"here"}
    assert samples(metrics.exposition(), "hubble_tcp_flags_total") == {}
    left = samples(metrics.exposition(), "hubble_drop_total")
    assert {dict(key)["destination"] for key in left} == {"shop/more"}


def test_a_pod_that_came_back_keeps_its_series():
    now = [0.0]
    metrics = metrics_of(POD, now)
    metrics.observe(pods("back"))
    now[0] += 5
    metrics.gone("shop", "back")
    now[0] += 50
    metrics.observe(pods("back"))
    metrics.exposition()
    now[0] += 50
    assert sources(metrics) == {"back"}


def test_losses_are_counted_by_hubbles_source_and_by_our_place():
    metrics = metrics_of("")
    metrics.observe(empty(lost=(Lost(LostSource.PERF_EVENT_RING_BUFFER, 5, 1, place="ring:sockets"),)))
    metrics.note_lost(
        [Lost(LostSource.HUBBLE_RING_BUFFER, 2, 1), Lost(LostSource.PERF_EVENT_RING_BUFFER, 1, 1, place="sweep")]
    )
    page = metrics.exposition()
    assert samples(page, "hubble_lost_events_total") == {
        labelled(source="perf_event_ring_buffer"): 6.0,
        labelled(source="hubble_ring_buffer"): 2.0,
        labelled(source="observer_events_queue"): 0.0,
    }
    assert samples(page, "rubin_lost_events_total") == {
        labelled(place="ring:sockets"): 5.0,
        labelled(place="sweep"): 1.0,
        labelled(place="hubble_ring_buffer"): 2.0,
    }


def test_every_source_of_losses_has_a_number_before_the_first_loss():
    assert samples(metrics_of("").exposition(), "hubble_lost_events_total") == {
        labelled(source=source): 0.0
        for source in ("perf_event_ring_buffer", "observer_events_queue", "hubble_ring_buffer")
    }


def test_the_end_of_a_connection_that_tells_no_packet_is_no_flow_of_hubbles():
    metrics = metrics_of("flow port-distribution tcp tcp-resets traffic")
    batch = flows("""
        src         dst          tcp_flags  packets  tcp_event
        10.0.0.1:9  10.0.0.2:80  SYN        1        0
        10.0.0.1:9  10.0.0.2:80  -          0        CLOSE
        10.0.0.1:9  10.0.0.2:80  ACK,FIN    4        CLOSE
        10.0.0.1:9  10.0.0.2:80  ACK        0        0
        10.0.0.1:9  10.0.0.2:80  RST        0        RESET
    """)
    metrics.observe(batch)
    page = metrics.exposition()
    assert sum(samples(page, FLOWS).values()) == 4
    assert sum(samples(page, "hubble_port_distribution_total").values()) == 4
    assert sum(samples(page, "rubin_tcp_resets_total").values()) == 1
    assert sum(samples(page, "rubin_packets_total").values()) == 5


def test_a_metric_may_be_for_some_flows_only():
    metrics = metrics_of("flow drop")
    metrics.select("flow", lambda batch: batch["destination_port"] == 80)
    metrics.observe(
        flows("""
            src         dst          verdict
            10.0.0.1:9  10.0.0.2:80  FORWARDED
            10.0.0.1:9  10.0.0.2:81  FORWARDED
            10.0.0.1:9  10.0.0.2:81  DROPPED
        """)
    )
    assert sum(samples(metrics.exposition(), FLOWS).values()) == 1
    assert sum(samples(metrics.exposition(), "hubble_drop_total").values()) == 1
    metrics.stop("flow")
    assert samples(metrics.exposition(), FLOWS) == {}


def test_nothing_of_a_batch_is_held_after_it_was_counted():
    metrics = metrics_of(POD)
    metrics.observe(generate(100))
    assert all(contexts._last is None for contexts in metrics._contexts.values())
    assert metrics._heard._batch is None


def test_the_default_configuration_is_understood():
    assert not parse(Settings().metrics).notes
