import numpy as np

from rubin.metrics.handlers.kernel_drops import Words
from rubin.metrics.sink import Metrics, Settings
from rubin.model.batch import FlowBatch
from rubin.model.tables import Process, Tables
from tests.flows import flows, generate
from tests.metrics.pages import labelled, samples

OURS = "traffic:sourceContext=pod kernel-drops:sourceContext=pod tcp-connect tcp-retransmits tcp-resets"


def seen(batch, text=OURS):
    metrics = Metrics(Settings(metrics=text))
    metrics.observe(batch)
    return metrics.exposition()


def test_they_are_there_without_being_asked_for_with_the_articles_labels():
    page = seen(generate(1_000), "")
    (labels, *_) = samples(page, "rubin_bytes_total")
    assert set(dict(labels)) == {
        "protocol",
        "source_namespace",
        "source_app",
        "destination_namespace",
        "destination_app",
    }


def test_kernel_drops_are_counted_by_packets_reason_and_process():
    tables = Tables()
    process = tables.processes.code(Process(7, "nginx"))
    batch = flows(
        """
        src         dst          from       verdict    kernel_drop_reason  packets
        10.0.0.1:9  10.0.0.2:80  shop/a     DROPPED    NO_SOCKET           1
        10.0.0.1:9  10.0.0.2:80  shop/a     DROPPED    NO_SOCKET           3
        10.0.0.1:9  10.0.0.2:80  shop/a     DROPPED    TCP_CSUM            0
        10.0.0.1:9  10.0.0.2:80  shop/a     DROPPED    -                   1
        10.0.0.1:9  10.0.0.2:80  shop/a     FORWARDED  NO_SOCKET           1
        """,
        tables,
    ).with_columns(process=np.array([process, process, 0, 0, 0], np.uint32))
    assert samples(seen(batch), "rubin_kernel_drops_total") == {
        labelled(source="shop/a", reason="NO_SOCKET", process="nginx"): 4.0,
        labelled(source="shop/a", reason="TCP_CSUM", process=""): 1.0,
    }


def test_words_beyond_the_limit_read_as_other():
    words = Words()
    numbers = [words.number(f"w{i}") for i in range(5_000)]
    assert max(numbers) == 4_095
    assert words.words[4_095] == "other"
    assert words.words[words.number("w1")] == "w1"
    assert words.number("w4999") == 4_095


def test_connections_are_counted_by_what_became_of_them():
    batch = FlowBatch(
        {
            "tcp_event": np.array([1, 1, 1, 4, 4, 0]),
            "connect_latency_us": np.array([100, 300, 0, 500, 0, 700]),
            "retransmits": np.array([0, 2, 5, 0, 0, 0]),
        },
        Tables(),
    )
    page = seen(batch)
    assert samples(page, "rubin_tcp_connect_duration_seconds_count") == {labelled(): 2.0}
    assert samples(page, "rubin_tcp_connect_duration_seconds_sum") == {labelled(): 0.0004}
    assert samples(page, "rubin_tcp_retransmits_total") == {labelled(): 7.0}
    assert samples(page, "rubin_tcp_resets_total") == {labelled(): 2.0}
