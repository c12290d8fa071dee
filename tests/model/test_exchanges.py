"""A stored exchange is read as two flows."""

import time

import numpy as np

from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.columns import COLUMNS
from rubin.model.enums import LostSource
from rubin.model.exchanges import added, expanded
from rubin.model.filter import Filters, FlowFilter
from rubin.model.messages import DNS, Message, MessageType
from rubin.model.points import at_socket
from rubin.model.tables import Tables
from tests.flows import flows, generate

TIME_NS = 1_700_000_000_000_000_000
SWAPPED = {f"{side}_{part}" for side in ("source", "destination") for part in ("high", "low", "port", "endpoint")}
HTTP = Message(
    MessageType.EXCHANGE, "http", "GET", "shop", "/pay", "HTTP/1.1", 500, latency_ns=4_000_000, trace_id="abc"
)
QUESTION = Message(
    MessageType.EXCHANGE, "dns", target="x.", dns=DNS("x.", ("1.2.3.4",), 30), latency_ns=1_000_000
)  # fmt: skip
SQL = Message(MessageType.EXCHANGE, "postgresql", "SELECT", target="shop.items")


def world() -> FlowBatch:
    """A packet, three exchanges with a packet between them, a request that nobody answered."""
    tables = Tables()
    batch = flows(
        """
        src            dst            from      to        is_reply  traffic_direction  source_xlated
        10.0.0.1:4000  10.0.0.2:80    shop/web  shop/db   0         EGRESS             -
        10.0.0.2:80    10.0.0.1:4000  shop/db   shop/web  1         EGRESS             192.0.2.1
        10.0.0.3:53    10.0.0.1:4001  -         shop/web  1         EGRESS             -
        10.0.0.2:80    10.0.0.1:4000  shop/db   shop/web  1         EGRESS             -
        10.0.0.4:5432  10.0.0.1:4002  shop/pg   shop/web  1         EGRESS             -
        10.0.0.1:4000  10.0.0.2:80    shop/web  shop/db   0         EGRESS             -
        """,
        tables,
    )
    waits = Message(MessageType.REQUEST, "http", "GET", "shop", "/slow")
    codes = tables.messages.codes([Message(), HTTP, QUESTION, Message(), SQL, waits])
    return batch.with_columns(
        message=codes,
        uuid_high=np.full(6, 0x8000),
        uuid_low=np.arange(6, dtype=np.uint64) | np.uint64(1 << 63),
        flow_type=np.where(codes > 0, 2, 1),
        event_type=np.where(codes > 0, 129, 4),
        trace_point=np.where(codes > 0, 0, 101),
        bytes=np.arange(6),
    )


def test_each_exchange_becomes_a_request_and_the_row_itself():
    stored = world()
    batch = expanded(stored)
    assert batch["bytes"].tolist() == [0, 1, 1, 2, 2, 3, 4, 4, 5]
    assert added(batch).tolist() == [False, True, False, True, False, False, True, False, False]
    own = np.flatnonzero(~added(batch))
    for name in COLUMNS:
        assert (batch[name][own] == stored[name]).all(), name
    asked, of = np.flatnonzero(added(batch)), np.array([1, 2, 4])
    for name in COLUMNS:
        other = name
        if name in SWAPPED:
            side, _, part = name.partition("_")
            other = f"{'destination' if side == 'source' else 'source'}_{part}"
        if name in ("is_reply", "time_ns", "uuid_low", "source_xlated"):
            continue
        assert (batch[name][asked] == stored[other][of]).all(), name
    assert batch["is_reply"][asked].tolist() == [0, 0, 0]
    assert (stored["time_ns"][of] - batch["time_ns"][asked]).tolist() == [4_000_000, 1_000_000, 0]
    assert [batch.tables.strings[int(code)] for code in batch["source_xlated"][1:3]] == ["", "192.0.2.1"]
    assert len(np.unique(batch["uuid_low"])) == len(batch)
    assert (expanded(stored)["uuid_low"] == batch["uuid_low"]).all()


def test_a_time_and_a_uuid_that_are_not_known():
    tables = Tables()
    codes = tables.messages.codes([HTTP])
    batch = expanded(FlowBatch({"message": codes, "is_reply": np.ones(1), "time_ns": np.array([5])}, tables))
    assert batch["time_ns"].tolist() == [0, 5]
    assert not batch["uuid_low"].any()


def test_losses_stay_and_batches_without_exchanges_are_as_they_were():
    lost = (Lost(LostSource.HUBBLE_RING_BUFFER, 1, 2),)
    assert expanded(world().with_lost(lost)).lost == lost
    without = world().take(np.array([0, 3, 5]))
    for batch in (generate(10), empty(), empty(lost=lost), without, generate(3).with_columns(message=np.zeros(3))):
        assert expanded(batch) is batch


def test_what_is_nearly_always_the_case_costs_nearly_nothing():
    batch = generate(30_000).with_columns(message=np.zeros(30_000, np.uint32))
    start = time.perf_counter()
    for _ in range(100):
        expanded(batch)
    assert (time.perf_counter() - start) / 100 / 30_000 < 20e-9


ASKED = [
    (FlowFilter(protocol=("http",)), [1, 2, 8]),
    (FlowFilter(protocol=("dns", "postgresql")), [3, 4, 6, 7]),
    (FlowFilter(http_status_code=("500",)), [2]),
    (FlowFilter(http_status_code=("5+",)), [2]),
    (FlowFilter(http_method=("get",), reply=(False,)), [1, 8]),
    (FlowFilter(http_url=("^http://shop/pay$",)), [1, 2]),
    (FlowFilter(http_path=("^/(pay|slow)$",), reply=(False,)), [1, 8]),
    (FlowFilter(dns_query=("^x",)), [3, 4]),
    (FlowFilter(trace_id=("abc",)), [1, 2]),
    (FlowFilter(source_pod=("shop/web",), event_type=((129, False, 0),)), [1, 3, 6, 8]),
    (FlowFilter(source_port=("5432",)), [7]),
    (FlowFilter(uuid=("00000000-0000-8000-8000-000000000001",)), [2]),
    (FlowFilter(uuid=("00000000-0000-8000-a000-000000000001",)), [1]),
]


def test_filters_know_the_two_halves_apart():
    batch = expanded(world())
    for asked, rows in ASKED:
        assert np.flatnonzero(Filters([asked]).mask(batch)).tolist() == rows, asked


def test_the_local_side_of_an_answer_is_the_one_that_asked():
    batch = expanded(world())
    messages = batch["message"] != 0
    assert (at_socket(batch, "source") & messages).tolist() == (messages & (batch["is_reply"] == 0)).tolist()
    assert (at_socket(batch, "destination") & messages).tolist() == (messages & (batch["is_reply"] == 1)).tolist()
