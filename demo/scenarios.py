"""The article's four scenarios, three without Kubernetes and what is said in a shop: what they are called, the question
that shows each of the first, the lines that belong to it.
"""

from dataclasses import dataclass

WINDOW = "15s"  # what Grafana's $__rate_interval comes to for a scrape a second

ANYONE = ("",)
POD_A, POD_B = "default/deployment-a", "default/deployment-b"


@dataclass(frozen=True)
class Scenario:
    """`sources` and `destinations`: how a line of `rubin observe` begins to name the two ends. `query`: PromQL.
    `protocols`: whose requests and responses belong here; (): packets and whatever else.
    """

    title: str
    query: str = ""
    sources: tuple[str, ...] = ANYONE
    destinations: tuple[str, ...] = ANYONE
    protocols: tuple[str, ...] = ()

    def has(self, source: str, destination: str, kind: str) -> bool:
        """True when a flow of this kind between these two ends belongs here; a response with its request."""
        if self.protocols:
            protocol, _, message = kind.rpartition("-")
            if protocol not in self.protocols:
                return False
            if message == "response":
                source, destination = destination, source
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

SHOP = tuple(
    Scenario(f"shop: {title}", "", (f"host/{source}.scope",), (f"host/{destination}.scope",), protocols)
    for title, source, destination, protocols in (
        ("http", "customers", "front", ("http",)),
        ("https", "customers", "checkout", ("tls", "http")),  # the handshake at least; what is inside where it is told
        ("grpc", "app", "prices", ("http",)),
        ("sql", "app", "postgres", ("postgresql",)),
        ("redis", "app", "redis", ("redis",)),
        ("dns", "customers", "dns", ("dns",)),
    )
)
