"""The browser and the command line show the same flows for the same question."""

import json
import shlex
import time
from collections.abc import Iterator

import numpy as np
import pytest

from rubin.cli.main import main
from rubin.model.batch import FlowBatch
from rubin.model.enums import TCPEvent
from rubin.model.tables import Container, Contents, Endpoint, Link, Process, Service, Workload
from rubin.words.filter_flags import NOT, filter_flags
from rubin.words.terms import asked_by_query, canonical, command_of
from tests.asked import shop
from tests.exchanges import Said, http, stored
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
    "to-port=443,8443&not.namespace=till", "from-all-namespaces=1", "not.to-all-namespaces=1", "to-pod=till/pay",
    "service=till/pay", "from-service=till/pay", "to-service=till/pay", "from-workload=StatefulSet/pay",
    "to-label=app%3Dpay", "identity=4711", "from-identity=4711", "to-identity=4711", "cluster=east",
    "from-cluster=east", "to-cluster=east", "fqdn=*.example.com", "from-fqdn=pay.example.com",
    "to-fqdn=pay.example.com", "to-ip=fd00::/64", "snat-ip=192.0.2.0/24", "ipv4=1&namespace=shop", "ipv6=1",
    "ip-version=v6", "encrypted=1", "unencrypted=1&verdict=DROPPED", "interface=eth7", "http-url=/pay",
    "http-header=x-till:1", "trace-id=5bf92f3577b34da6a3ce929d0e0e4736", "ip-trace-id=77",
    "uuid=2d1c1d2e-90a8-4a6b-8000-0000000003e8",
    "node-label=zone%3Da", "to-process=payd", "pid=4711", "from-pid=4711", "to-pid=4711", "user=till", "from-user=till",
    "to-user=till", "container=paybox", "from-container=paybox", "to-container=paybox", "image=pay:1.2",
    "from-image=pay:1.2", "to-image=pay:1.2", "unit=pay.service", "from-unit=pay", "to-unit=pay",
    "cgroup=/system.slice", "tcp-event=CLOSE",
]  # fmt: skip

_PAY = Endpoint(
    7, 4711, "east", "till", ("k8s:app=pay",), "pay-0", (Workload("pay", "StatefulSet"),), ("pay.example.com",),
    Service("pay", "till"), Container("0f1e2d3c4b5a", "paybox", "pay:1.2"), "pay.service",
)  # fmt: skip
_PAYD = Process(4711, "payd", 1001, 9, "/system.slice/pay.service", user="till")


def till() -> FlowBatch:
    """An exchange of which everything is known, so that every filter has an answer."""
    message = http("/pay", trace_id="5bf92f3577b34da6a3ce929d0e0e4736", attributes=(("x-till", "1"),))
    contents = Contents(ip_trace_id=77, node_labels=("k8s:zone=a",))
    of_six = Said(message, "[fd00::1]:4000", "[fd00::2]:8443", whom=_PAY, process=_PAYD, contents=contents)
    made = stored(of_six, first=1_000)
    tables = made.tables
    return made.with_columns(
        ip_version=np.array([2]), encrypted=np.array([1]), tcp_event=np.array([TCPEvent.CLOSE]),
        link=np.array([tables.links.code(Link(3, "eth7"))]),
        source_xlated=np.array([tables.strings.code("192.0.2.9")]),
    )  # fmt: skip


def test_every_filter_is_asked_for_and_no_question_is_asked_twice() -> None:
    """A new one needs a question here that something answers."""
    asked = [asked_by_query(query).terms for query in QUERIES]
    assert {term.name for terms in asked for term in terms} == {flag.name for flag in filter_flags()} - {NOT}
    assert len(set(map(canonical, asked))) == len(QUERIES) >= 40
    assert sum(term.negated for terms in asked for term in terms) >= 5


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, str]]:
    directory = tmp_path_factory.mktemp("same")
    ring = shop()
    ring.append(till())
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
