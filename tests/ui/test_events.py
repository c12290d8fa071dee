"""What the bar of time steps to: what happened for the first time in what is held."""

from time import thread_time

import numpy as np

from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.enums import LostSource, Verdict
from rubin.ui.feed import Gap
from rubin.ui.views.events import Events, Kind
from tests.flows import flows, generate

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def at(second: float, source: str = "shop/cart", port: int = 8443, **more: str) -> FlowBatch:
    """One flow to shop/pay, a drop unless more is said."""
    columns = {"verdict": "DROPPED", "drop_reason": "133", "kernel_drop_reason": "NETFILTER_DROP"} | more
    heads, values = " ".join(columns), " ".join(columns.values())
    return flows(
        f"src dst from to time_ns {heads}\n"
        f"10.0.0.1:40001 10.0.0.2:{port} {source} shop/pay {START + int(second * SECOND)} {values}"
    )


def told(events: Events, width_s: int = 1) -> list[tuple[float, Kind, str, int]]:
    return [((one.time_ns - START) / SECOND, one.kind, one.words, one.count) for one in events.told(width_s * SECOND)]


def test_the_first_drop_of_each_group_and_the_first_error_of_each_pair() -> None:
    events = Events(START)
    for batch in (
        at(20),
        at(21),
        at(22, port=80),
        at(30, source="shop/web"),
        at(40, verdict="ERROR"),
        at(41, verdict="ERROR"),
        at(50, verdict="FORWARDED"),
    ):
        events.take(batch)
    assert told(events) == [
        (20, Kind.DROP, "first drop: NETFILTER_DROP shop/cart → shop/pay port 8443", 1),
        (22, Kind.DROP, "first drop: NETFILTER_DROP shop/cart → shop/pay port 80", 1),
        (30, Kind.DROP, "first drop: NETFILTER_DROP shop/web → shop/pay port 8443", 1),
        (40, Kind.ERROR, "first error: shop/cart → shop/pay port 8443", 1),
    ]


def test_what_was_there_from_the_beginning_is_no_event() -> None:
    events = Events(START)
    for second in (1, 20):
        events.take(at(second, node_name="node-1"))
    events.take(at(20, port=80, node_name="node-2"))
    assert [(second, words) for second, _, words, _ in told(events)] == [
        (20, "first flow of the node node-2"),
        (20, "first drop: NETFILTER_DROP shop/cart → shop/pay port 80"),
    ]


def test_losses_close_to_each_other_are_one_and_breaks_are_said() -> None:
    events = Events(START)
    for second in (10, 12, 40):
        lost = Lost(LostSource.PERF_EVENT_RING_BUFFER, 7, START + second * SECOND, place="flow ring")
        events.take(empty(lost=(lost,)))
    events.breaks([Gap(START + 50 * SECOND, START + 60 * SECOND, "the agent has begun anew")])
    assert told(events) == [
        (10, Kind.LOSS, "events lost: flow ring", 1),
        (40, Kind.LOSS, "events lost: flow ring", 1),
        (60, Kind.GAP, "flows may be missing: the agent has begun anew", 1),
    ]


def test_those_of_a_bucket_are_one_and_what_is_held_no_longer_goes() -> None:
    events = Events(START)
    for second, port in ((20, 1), (21, 2), (40, 3)):
        events.take(at(second, port=port))
    words = "first drop: NETFILTER_DROP shop/cart → shop/pay port"
    assert told(events, 10) == [(20, Kind.DROP, f"{words} 1", 2), (40, Kind.DROP, f"{words} 3", 1)]
    events.forget(START + 30 * SECOND)
    assert told(events, 10) == [(40, Kind.DROP, f"{words} 3", 1)]
    events.take(at(50, port=1))
    events.take(at(51, port=3))
    assert [second for second, *_ in told(events)] == [40, 50]


def test_a_flood_from_ever_new_ends_is_few_events_and_costs_little() -> None:
    """Ten batches of 10,000 drops with addresses of their own."""
    events = Events(START)
    cost_s = 0.0
    for second in range(10, 20):
        batch = generate(10_000, endpoints=10, pairs=20)
        numbers = np.arange(10_000, dtype=np.uint64) + np.uint64(second * 10_000)
        flood = batch.with_columns(
            verdict=np.full(10_000, Verdict.DROPPED),
            time_ns=np.full(10_000, START + second * SECOND),
            source_endpoint=np.zeros(10_000, np.uint32),
            source_low=np.uint64(0xFFFF_0000_0000) + np.uint64(0x0A00_0000) + numbers * np.uint64(256),
        )
        begun = thread_time()
        events.take(flood)
        cost_s += thread_time() - begun
    first, *others = (one for one in events.told(SECOND) if one.kind is Kind.DROP)
    assert 25 < first.count < 70
    assert len(others) < 10
    assert cost_s / 10 < 0.3, "a second with ten thousand drops takes some 30 ms"
    print(f"{cost_s / 10 * 1000:.1f} ms a batch")
