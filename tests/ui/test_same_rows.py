"""The browser and the command line show the same flows for the same question."""

import json
import shlex
import time
from collections.abc import Iterator

import pytest

from rubin.cli.main import main
from rubin.words.terms import asked_by_query, command_of
from tests.asked import shop
from tests.flows import generate
from tests.ui.tabs import Browser, lately, looking

QUERIES = [
    "", "verdict=DROPPED", "not.verdict=DROPPED", "verdict=DROPPED&verdict=FORWARDED", "to-port=443", "from-port=443",
    "port=443&port=80", "not.port=53", "protocol=udp", "protocol=http", "protocol=dns&not.reply=1", "namespace=shop",
    "from-namespace=shop", "to-namespace=default&not.to-port=80", "from-pod=shop/app-1", "pod=shop/web",
    "workload=web", "to-workload=Deployment/app-2", "from-label=k8s:app%3Dapp-3",
    "label=k8s:version%20in%20%28v1,v2%29",
    "ip=10.0.0.0/29", "from-ip=10.0.0.1", "not.ip=10.0.0.0/28&verdict=DROPPED", "reply=1", "not-reply=1",
    "tcp-flags=SYN", "tcp-flags=SYN,ACK&reply=1", "type=l7", "type=drop", "type=trace:to-endpoint",
    "traffic-direction=ingress", "http-status=5%2B", "http-method=get", "http-path=/items/.", "dns-query=db",
    "drop-reason-desc=POLICY_DENIED", "kernel-drop-reason=NO_SOCKET", "process=nginx", "from-process=app-7",
    "node-name=node-*", "all-namespaces=1&verdict=DROPPED", "cel-expression=_flow.verdict%20%3D%3D%20Verdict.DROPPED",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, str]]:
    directory = tmp_path_factory.mktemp("same")
    ring = shop()
    ring.append(lately(generate(1_500, endpoints=60, pairs=200), time.time_ns()))
    with looking(ring, directory) as found:
        yield found, f"unix://{directory}/s"


@pytest.mark.parametrize("query", QUERIES)
def test_the_same_flows(browser: tuple[Browser, str], query: str, capsys: pytest.CaptureFixture[str]) -> None:
    of, server = browser
    lines = of.client.get(f"/api/v1/flows?all=1&{query}").text.splitlines()
    command = command_of(asked_by_query(query).terms, more=("--all", "-o", "json", "--server", server))
    assert main(shlex.split(command)[1:]) == 0
    told = capsys.readouterr().out.splitlines()
    assert lines, "a question that nothing answers says nothing"
    assert list(map(json.loads, lines)) == list(map(json.loads, told))
