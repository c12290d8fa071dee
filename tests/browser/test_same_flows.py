"""The UI and the command line show the same flows for the same filter."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.browser.stage import Stage
from tests.waiting import wait_for

# Every kind of filter that the shop's traffic has something for.
FILTERS = (
    "",
    "--verdict DROPPED",
    "--verdict FORWARDED",
    "--not --verdict FORWARDED",
    "-n shop",
    "-n kube-system",
    "--from-namespace shop --to-namespace kube-system",
    "--not --namespace shop",
    "--pod shop/web",
    "--from-pod shop/cart --to-pod shop/payments",
    "--pod /coredns",
    "--workload Deployment/catalog",
    "--to-workload postgres",
    "--label app=redis",
    "--from-label app=web",
    "--label !app",
    "--to-port 443 --to-port 8443",
    "--from-port 53",
    "--port 5432",
    "--not --port 53",
    "--protocol tcp",
    "--protocol udp",
    "--protocol http",
    "--protocol dns",
    "--protocol postgresql",
    "--ip 203.0.113.7",
    "--ip 10.0.0.0/16",
    "--to-ip 198.51.100.0/24",
    "--fqdn *.stripe.example",
    "--type l7",
    "--type drop",
    "--type trace:to-endpoint",
    "--http-status 5+",
    "--http-method GET",
    "--http-path ^/items",
    "--dns-query mial",
    "--reply",
    "--not-reply --protocol tcp",
    "--tcp-flags SYN",
    "--traffic-direction egress",
    "--identity 1004",
    "--process nginx",
    "--kernel-drop-reason NETFILTER_DROP",
    "--cel-expression _flow.verdict==Verdict.DROPPED",
    "--node-name node-1 --ipv4",
)


@pytest.fixture(scope="module")
def still(stage: Stage):
    """The shop stands still, so that all who look see the same."""
    stage.pause()
    wait_for(stage.is_all_seen, "the UI to have seen everything")
    yield stage
    stage.resume()


def uuids(lines: list[dict[str, Any]]) -> list[str]:
    return [one["flow"]["uuid"] for one in lines if "flow" in one]


@pytest.mark.parametrize("flags", FILTERS)
def test_the_ui_and_the_command_line_show_the_same_flows(still: Stage, flags: str):
    asked = still.get(f"/api/v1/parse?text={quote(f'rubin observe {flags}')}")
    told = still.lines(f"/api/v1/flows?{asked['query']}&last=200")
    printed = still.observe("--last", "200", *flags.split())
    assert uuids(told) == uuids(printed)
    assert uuids(told) or flags == "--label !app"
