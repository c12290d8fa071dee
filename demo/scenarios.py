"""The article's four scenarios and three without Kubernetes: what they are called, the question that shows each of
the first, the lines that belong to it.
"""

from dataclasses import dataclass

WINDOW = "15s"  # what Grafana's $__rate_interval comes to for a scrape a second

ANYONE = ("",)
POD_A, POD_B = "default/deployment-a", "default/deployment-b"


@dataclass(frozen=True)
class Scenario:
    """`sources` and `destinations`: how a line of `rubin observe` begins to name the two ends. `query`: PromQL."""

    title: str
    query: str = ""
    sources: tuple[str, ...] = ANYONE
    destinations: tuple[str, ...] = ANYONE

    def has(self, source: str, destination: str) -> bool:
        """True when a flow between these two ends belongs here."""
        return source.startswith(self.sources) and destination.startswith(self.destinations)


SCENARIOS = (
    Scenario(
        "pod A to pod B",
        "sum by(source_app, destination_app, destination_namespace, source_namespace) "
        '(rate(hubble_flows_processed_total{source_app="pod-a", destination_app="pod-b", '
        f'source_namespace="default", destination_namespace="default"}}[{WINDOW}]))',
        (POD_A,),
        (POD_B, "default/service-b"),
    ),
    Scenario(
        "pod B to pod A",
        "sum by(source_app, destination_app, destination_namespace, source_namespace) "
        f'(rate(hubble_flows_processed_total{{source_app="pod-b", destination_app="pod-a"}}[{WINDOW}]))',
        (POD_B, "default/service-b"),
        (POD_A,),
    ),
    Scenario(
        "pod to the outside",
        "sum by(source_app) "
        f'(rate(hubble_flows_to_world_total{{source_app="test-connectivity", source_namespace="default"}}[{WINDOW}]))',
        ("default/test-connectivity",),
    ),
    Scenario(
        "outside to pod",
        "sum by(destination_app) "
        '(rate(hubble_flows_processed_total{destination_namespace="default", '
        f'destination_app="http-echo"}}[{WINDOW}]))',
        ANYONE,
        ("default/foo-app", "default/foo-service"),
    ),
)

WITHOUT_KUBERNETES = (
    Scenario("container to container", sources=("containerd/shop",), destinations=("containerd/stock",)),
    Scenario("container to unit", sources=("containerd/report",), destinations=("host/orders.scope",)),
    Scenario("process to container", sources=("host/curl",), destinations=("containerd/web",)),
)
