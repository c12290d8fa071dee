"""The table of fields covers every field of the filter, and its readers take and refuse what they say."""

import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import UsageError
from rubin.model.fields import EXCLUSIVE, FIELDS, NAMESPACE_FLAGS
from rubin.model.filter import BeyondHubble, Filters, FlowFilter
from rubin.model.tables import Workload

FLAGS = {flag.name: flag for field in FIELDS for flag in field.flags()}
SIDES = ("pod", "service", "workload", "label", "identity", "fqdn", "ip", "port", "cluster")
HUBBLES = {
    *(f"{way}{name}" for name in SIDES for way in ("", "from-", "to-")),
    *("uuid", "snat-ip", "ipv4", "ipv6", "ip-version", "protocol", "tcp-flags", "verdict", "drop-reason-desc", "type"),
    *("traffic-direction", "reply", "not-reply", "encrypted", "unencrypted", "http-status", "http-method", "http-path"),
    *("http-url", "http-header", "trace-id", "ip-trace-id", "interface", "node-name", "node-label", "cel-expression"),
}


def test_every_filter_flag_of_hubble_is_there():
    assert set(FLAGS) >= HUBBLES
    assert set(FLAGS) - HUBBLES - {name for name, flag in FLAGS.items() if flag.field.beyond} == {"dns-query"}


def test_every_field_of_the_filter_can_be_asked_by_a_flag():
    asked = {name for field in FIELDS for name in field.names if not field.beyond}
    assert asked == {field.name for field in fields(FlowFilter)} - {"beyond"}
    assert {name for field in FIELDS for name in field.names if field.beyond} == {f.name for f in fields(BeyondHubble)}


def test_flags_are_distinct_and_described():
    shorts = [flag.short for flag in FLAGS.values() if flag.short] + [
        short for _, short, _, _ in NAMESPACE_FLAGS if short
    ]
    assert len(FLAGS) == sum(len(list(field.flags())) for field in FIELDS)
    assert sorted(shorts) == sorted(set(shorts)) == sorted("l46tnA")
    for flag in FLAGS.values():
        assert flag.help
        assert "{" not in flag.help
        assert bool(flag.field.metavar) != (flag.field.value is not None)


def test_a_flag_without_a_side_asks_left_for_the_source_and_right_for_the_destination():
    assert [(f.name, f.left, f.right) for f in next(f for f in FIELDS if f.flag == "cluster").flags()] == [
        ("cluster", "source_cluster_name", "destination_cluster_name"),
        ("from-cluster", "source_cluster_name", "source_cluster_name"),
        ("to-cluster", "destination_cluster_name", "destination_cluster_name"),
    ]
    assert FLAGS["to-pod"].help.startswith("flows to pods")


def test_exclusive_groups_name_flags():
    assert {name for group in EXCLUSIVE for name in group} <= set(FLAGS) | {name for name, *_ in NAMESPACE_FLAGS}


@pytest.mark.parametrize(
    ("flag", "text", "value"),
    [
        ("verdict", "dropped", 2),
        ("verdict", "droped", None),
        ("verdict", "VERDICT_UNKNOWN", None),
        ("drop-reason-desc", "POLICY_DENIED", 133),
        ("drop-reason-desc", "NETFILTER_DROP", None),
        ("type", "trace", (4, False, 0)),
        ("type", "trace:to-endpoint", (4, True, 0)),
        ("type", "trace:from-crypto", (4, True, 12)),
        ("type", "trace:3", (4, True, 3)),
        ("type", "drop:133", (1, True, 133)),
        ("type", "drop:nowhere", None),
        ("type", "l7", (129, False, 0)),
        ("type", "trace-sock", (7, False, 0)),
        ("type", "agent", (130, False, 0)),
        ("type", "129", (129, False, 0)),
        ("type", "300", None),
        ("type", "", None),
        ("traffic-direction", "Ingress", 1),
        ("traffic-direction", "in", None),
        ("identity", "remote-node", 6),
        ("identity", "world-ipv6", 10),
        ("identity", "4711", 4711),
        ("identity", "somebody", None),
        ("identity", "99999999999", None),
        ("workload", "shop", Workload("shop")),
        ("workload", "Deployment/shop", Workload("shop", "Deployment")),
        ("workload", "Deployment/", Workload("", "Deployment")),
        ("tcp-flags", "syn,ACK", 18),
        ("tcp-flags", "syn,", None),
        ("ip-version", "none", 0),
        ("ip-version", "IPv6", 2),
        ("ip-version", "5", None),
        ("http-header", "a:b:c", ("a", "b:c")),
        ("http-header", "a", None),
        ("ip-trace-id", "0", None),
        ("ip-trace-id", "18446744073709551615", 2**64 - 1),
        ("port", "0443", "443"),
        ("port", "-1", None),
        ("interface", "eth0", (0, "eth0")),
        ("ip", "10.0.0.0/33", None),
        ("label", "a in b", None),
        ("http-path", "(", None),
        ("fqdn", "a b", None),
        ("node-name", "a/b/c", None),
        ("uuid", "1", None),
        ("protocol", "TCP", "tcp"),
        ("protocol", "quic", None),
        ("tcp-event", "retransmit", 5),
        ("pid", "42", 42),
    ],
)
def test_values(flag: str, text: str, value: object):
    if value is None:
        with pytest.raises(UsageError) as caught:
            FLAGS[flag].field.read(text)
        assert caught.value.way_on
    else:
        assert FLAGS[flag].field.read(text) == value


@given(st.sampled_from(sorted(FLAGS)), st.text(max_size=20) | st.sampled_from(["1", "a", "10.0.0.1", "trace:1", "a=b"]))
def test_what_a_flag_takes_the_filter_understands(flag: str, text: str):
    field = FLAGS[flag].field
    try:
        value = field.read(text) if field.metavar else field.value
    except UsageError:
        return
    values: Any = {FLAGS[flag].left: (value,)}
    asked = FlowFilter(beyond=BeyondHubble(**values)) if field.beyond else FlowFilter(**values)
    Filters([asked], cel=lambda _: lambda _, rows: rows >= 0)


def test_the_table_is_read_without_numpy():
    code = "import rubin.model.fields, sys; sys.exit('numpy' in sys.modules or 're2' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": ":".join(sys.path)}).returncode
        == 0
    )
