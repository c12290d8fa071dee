"""The agent: the only place where the rooms meet. Construction, no logic."""

import json
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from rubin import __version__, pipeline
from rubin.api.exports import Exports
from rubin.api.flowlogs import ExportSettings
from rubin.api.listen import ListenSettings
from rubin.api.selection import compiled
from rubin.api.server import Server, ServerThread
from rubin.dissect.redaction import Redaction
from rubin.errors import UsageError
from rubin.identity.answers import Answers
from rubin.identity.containers.containerd import Containerd
from rubin.identity.containers.cri import Cri
from rubin.identity.containers.docker import Docker
from rubin.identity.dns_names import DnsNames
from rubin.identity.facts import LabelsNode, Provider
from rubin.identity.kubernetes import settings as kubernetes
from rubin.identity.kubernetes.settings import KubernetesSettings
from rubin.identity.local import Local
from rubin.identity.node import NodeLabels
from rubin.identity.static import Static
from rubin.identity.table import Names
from rubin.kernel import processes, turns
from rubin.kernel.scheduling import Manners, whole_process
from rubin.metrics import http, own, sink
from rubin.metrics.configuration import Configuration
from rubin.metrics.dynamic import Dynamic
from rubin.model.batch import FlowBatch
from rubin.model.exchanges import expanded
from rubin.model.filter import Filters
from rubin.query.owner import owner
from rubin.sources.live import Live, LiveSettings, LiveStatus
from rubin.store.ring import Ring
from rubin.wire.filters import filter_from_json
from rubin.words.times import duration_s

# numpy lets go of the GIL in every larger operation, and takes it back only when the other thread has had its
# interval: with Python's 5 ms the line waits a second a batch while a client reads flat out (`bench api`, combined).
SWITCH_INTERVAL_S = 0.001

_LOG = logging.getLogger(__name__)

# What `rubin status` says of messages, by the figure of metrics.own that says the same.
_OF_MESSAGES = {
    "unpaired": "unpaired",
    "without_headers": "without_headers",
    "dissector_failures": "failures",
    "libraries": "tls_libraries",
    "libraries_refused": "tls_libraries_refused",
}


@dataclass(frozen=True)
class AgentSettings:
    """What `rubin agent` can be told, by flag, environment (`RUBIN_…`) or TOML file."""

    listen: str = ListenSettings().socket_path
    """Unix socket of the API; "" for none."""
    listen_address: str = "127.0.0.1:4245"
    """host:port of the API over TCP; beyond loopback it needs TLS; "" for none."""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    tls_client_ca_files: tuple[str, ...] = ()
    tls_crl_file: str = ""
    disable_server_tls: bool = False
    """TCP without TLS on every address, also beyond this machine."""
    access_file: str = ""
    """Who may see what, TOML; "": everybody who reaches the API sees everything."""
    audit_file: str = ""
    """Who asked what, a JSON line a request; "stdout" for standard output."""
    metrics_address: str = ":9965"
    """host:port of /metrics, without a host on all addresses, as Hubble; "" for none."""
    metrics: str = sink.DEFAULT
    """Metrics with their options, as Hubble's flag or Helm's list."""
    dynamic_metrics_config_path: str = ""
    """YAML file of metrics as Hubble's, looked at every ten seconds, instead of `metrics`."""
    metrics_series_limit: int = sink.Settings.series_limit
    metrics_server_tls_cert_file: str = ""
    metrics_server_tls_key_file: str = ""
    metrics_server_tls_client_ca_files: str = ""
    kubeconfig: str = ""
    """How to reach the Kubernetes API; where it is not given, as in a pod, then $KUBECONFIG."""
    container_runtimes: tuple[str, ...] = ("auto",)
    """Sockets of containerd, CRI-O, Docker and Podman to ask for names; "auto": the usual ones; (): none."""
    names: str = ""
    """TOML file of names for addresses, networks, interfaces, cgroups and namespaces."""
    vantage: str = "sockets"
    """Where packets are seen: sockets, interfaces or both."""
    interface: tuple[str, ...] = ()
    """Patterns of the interfaces to watch."""
    monitor_aggregation: str = LiveSettings.aggregation
    monitor_aggregation_flags: tuple[str, ...] = LiveSettings.aggregation_flags
    monitor_aggregation_interval: str = "5s"
    messages: bool = LiveSettings.messages
    """Read what is said: HTTP, DNS, databases and their like."""
    messages_cpu_percent: int = round(LiveSettings.most_cpu_percent)
    """Of all processors, which the agent may take; of more connections are left out, and what they say is counted."""
    redact_http_urlquery: bool = Redaction.http_urlquery
    redact_http_userinfo: bool = Redaction.http_userinfo
    redact_http_headers_allow: tuple[str, ...] = tuple(sorted(Redaction.http_headers_allow))
    redact_http_headers_deny: tuple[str, ...] = ()
    redact_sql_literals: bool = Redaction.sql_literals
    redact_values: bool = Redaction.values
    ring_capacity: int = 1_000_000
    """Flows held in memory."""
    export_file_path: str = ""
    export_file_max_size_mb: int = ExportSettings().export_file_max_size_mb
    export_file_max_backups: int = ExportSettings().export_file_max_backups
    export_file_compress: bool = False
    export_allowlist: str = ""
    export_denylist: str = ""
    export_fieldmask: tuple[str, ...] = ()
    export_fieldaggregate: tuple[str, ...] = ()
    export_aggregation_interval: str = ExportSettings().export_aggregation_interval
    flowlogs_config_path: str = ""
    """YAML file of several exports, as Hubble's."""
    node_name: str = ""
    """How flows name this node; the host's name where it is not given."""
    cluster_name: str = "default"

    def check(self) -> None:
        """Raises UsageError for values that make no sense together or at all."""
        for name in ("ring_capacity", "metrics_series_limit"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} cannot be {getattr(self, name)}", "a number above 0")
        if "/" in self.node_name:
            raise UsageError(f"node_name cannot be '{self.node_name}'", "a name without a slash; cluster_name is apart")
        if self.interface and self.vantage == "sockets":
            raise UsageError("interfaces are named, and none is watched", "--vantage interfaces or --vantage both")
        self.of_redaction()

    @property
    def node(self) -> str:
        """As Hubble writes it: `cluster/node`, without the cluster where that is "default"."""
        name = self.node_name or socket.gethostname()
        return name if self.cluster_name in ("", "default") else f"{self.cluster_name}/{name}"

    def of_metrics_server(self) -> http.Settings:
        """The part of `metrics.http`."""
        return http.Settings(
            self.metrics_address,
            self.metrics_server_tls_cert_file,
            self.metrics_server_tls_key_file,
            self.metrics_server_tls_client_ca_files,
        )

    def of_live(self) -> LiveSettings:
        """The part of `sources.live`."""
        return LiveSettings(
            vantages=("sockets", "interfaces") if self.vantage == "both" else (self.vantage,),
            interfaces=self.interface,
            aggregation=self.monitor_aggregation,
            aggregation_flags=self.monitor_aggregation_flags,
            interval_s=duration_s(self.monitor_aggregation_interval),
            messages=self.messages,
            most_cpu_percent=self.messages_cpu_percent,
            node_name=self.node,
        )

    def of_redaction(self) -> Redaction:
        """The part of `dissect`. Raises UsageError."""
        return Redaction(**{field.name: getattr(self, f"redact_{field.name}") for field in fields(Redaction)})

    def of_export(self) -> ExportSettings:
        """The part of `api.exports`."""
        return ExportSettings(**{field.name: getattr(self, field.name) for field in fields(ExportSettings)})

    def of_listen(self) -> ListenSettings:
        """The part of `api.server`."""
        certificates = (self.tls_cert_file, self.tls_key_file, self.tls_client_ca_files, self.tls_crl_file)
        files = (self.access_file, self.audit_file)
        return ListenSettings(self.listen, self.listen_address, *certificates, self.disable_server_tls, *files)


def run(settings: AgentSettings) -> int:
    """Observe this machine until SIGTERM or SIGINT. Raises RubinError where it cannot begin."""
    settings.check()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # of the usual 1024 the links to libraries leave none
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as stack:
        agent = Agent(settings, stack)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: agent.live.stop())
        watched = [name for name in agent.live.status().attached if name.startswith("rubin_ingress")]
        if settings.vantage != "sockets" and not watched:
            patterns = ",".join(settings.interface) or "default"
            _LOG.warning("interfaces=none patterns=%s: none matches yet; new ones are followed", patterns)
        _LOG.info("agent=started node=%s socket=%s tcp=%s", settings.node, settings.listen, settings.listen_address)
        agent.run()
    _LOG.info("agent=stopped flows=%d", agent.account.flows)
    return 0


class Agent:
    """All parts, put together; what is opened is closed by `stack`, the kernel's side last."""

    def __init__(self, settings: AgentSettings, stack: ExitStack) -> None:
        self._started = time.monotonic()
        self._settings = settings
        self.account = pipeline.Account()
        dynamic = settings.dynamic_metrics_config_path
        counting = sink.Settings(settings.metrics, settings.metrics_series_limit)
        self.metrics = sink.Metrics(counting, Configuration() if dynamic else None)
        self._dynamic = Dynamic(Path(dynamic), self.metrics, _select) if dynamic else None
        providers = _providers(settings)
        self.names = Names(providers, gone=self.metrics.gone)
        self._stages: list[tuple[str, pipeline.Stage]] = [("identify", self.names.identify)]
        if settings.messages:
            self._stages.append(("names of the DNS", DnsNames().name))
        clusters = [one.node_labels for one in providers if isinstance(one, LabelsNode)]
        self._stages += [("node", NodeLabels(one).label) for one in clusters]
        stack.callback(self.names.close)
        self.ring = Ring(settings.ring_capacity, lambda lost: self.metrics.note_lost((lost,)), self._again)
        self.live = Live(settings.of_live(), settings.of_redaction())
        stack.callback(self.live.close)
        self.exports = Exports(self.ring, settings.of_export(), settings.node)
        stack.callback(self.exports.close)
        answers = Answers(self.names, processes.living, partial(owner, self.ring))
        self.server = Server(self.ring, settings.of_listen(), settings.node, self.status, answers)
        thread = ServerThread(self.server, turns.Selector)
        thread.start()
        stack.callback(thread.close)
        if settings.metrics_address:
            page = http.Server(settings.of_metrics_server(), turns.taken(self.metrics.exposition))
            self.metrics.own.add_families(page.requests.families)
            page.start()
            stack.callback(page.close)
        self._give_figures()

    def run(self) -> None:
        """The line, until the source ends."""
        try:
            self.live.manners = Manners(whole_process)
        except OSError as error:  # a filter of system calls, say: everything works without it
            _LOG.warning("cannot give way to who is observed: %s", error)
        sinks = [("store", self.ring.append), ("metrics", self._count)]
        pipeline.run(self.live, self._stages, sinks, self.account)

    def _count(self, batch: FlowBatch) -> None:
        if self._dynamic:
            self._dynamic.poll()
        self.metrics.observe(expanded(batch))

    def _again(self, view: FlowBatch) -> FlowBatch:
        """What readers see of stored rows."""
        return expanded(self.names.again(view))

    def status(self) -> Mapping[str, Any]:
        """What `rubin status` prints below Hubble's numbers: names carry units, groups are mappings."""
        live = self.live.status()
        return {
            "node": self._settings.node,
            "agent_version": __version__,
            "uptime_s": round(time.monotonic() - self._started, 1),
            "completeness_percent": _completeness(self.account.flows, live),
            "kernel": _kernel(live),
            "lost": {place: asdict(loss) for place, loss in live.losses.items()},
            "messages": live.messages,
            "line": {"flows": self.account.flows, "failures": dict(self.account.failures)},
            "exports": self.exports.account(),
            "names": dict(self.names.status()),
            "metrics": list(self.metrics.configuration.notes),
            **({"tls": tls} if (tls := self.server.tls_status()) else {}),
            **self.server.door_status(),
            "memory_bytes": _resident_bytes(),
        }

    def _give_figures(self) -> None:
        """The agent's own metrics: each a callable that is asked at scrape."""
        give, live, account = self.metrics.own.give, self.live.status, self.account
        give("info", lambda: [((__version__,), 1.0)])
        give("flows", own.one(lambda: account.flows))
        give("stage_seconds", own.by_name(lambda: list(account.seconds.items())))
        give("stage_failures", own.by_name(lambda: list(account.failures.items())))
        for figure, name in _OF_MESSAGES.items():
            give(figure, own.one(partial(self._of_messages, name)))
        give("heard", own.one(lambda: self._of_messages("heard_percent") / 100))
        give("program_run_ns", own.by_name(lambda: ((name, cost.time_ns) for name, cost in live().programs.items())))
        give("program_runs", own.by_name(lambda: ((name, cost.runs) for name, cost in live().programs.items())))
        give("map_memory_bytes", own.by_name(lambda: list(live().map_bytes.items())))
        give("ring_fill", own.by_name(self._fills))
        give("queue_length", own.by_name(self._queues))
        give("subscribers", own.one(lambda: self.server.followers))
        give("memory_bytes", own.one(_resident_bytes))

    def _of_messages(self, name: str) -> float:
        """0 where nothing is read, or nothing of that kind."""
        return self.live.status().messages.get(name, 0)

    def _queues(self) -> Iterable[tuple[str, float]]:
        live = self.live.status()
        return [("kernel ring", max(0, live.tallies.get("records", 0) - live.records_read))]

    def _fills(self) -> Iterable[tuple[str, float]]:
        return [("kernel", self.live.status().ring_fill), ("flows", self.ring.held_flows / self.ring.capacity)]


def _providers(settings: AgentSettings) -> list[Provider]:
    """Who tells of names here: what was asked for, what this machine has."""
    found: list[Provider] = [Static(Path(settings.names))] if settings.names else []
    of_cluster = KubernetesSettings(settings.kubeconfig, settings.node_name, settings.cluster_name)
    if kubernetes.found(of_cluster):
        from rubin.identity.kubernetes.provider import Kubernetes  # msgspec and TLS: only where there is a cluster

        found.append(Kubernetes(of_cluster))
    return [*found, *_runtimes(settings), Local()]


def _runtimes(settings: AgentSettings) -> list[Provider]:
    """Who asks container runtimes. A socket's name tells whether it speaks Docker's API, or containerd's and CRI."""
    cluster = settings.cluster_name
    if settings.container_runtimes == ("auto",):
        return [of(cluster=cluster) for of in (Cri, Containerd, Docker)]
    of_docker = [path for path in settings.container_runtimes if "docker" in path or "podman" in path]
    others = [path for path in settings.container_runtimes if path not in of_docker]
    found: list[Provider] = [Docker(of_docker, cluster)] if of_docker else []
    return [*found, Cri(others, cluster), Containerd(others, cluster)] if others else found


def _select(include: Sequence[Mapping[str, Any]], exclude: Sequence[Mapping[str, Any]]) -> sink.Select:
    """The mask of filters written as Hubble's FlowFilter in JSON. Raises UsageError."""
    allow, deny = ([filter_from_json(json.dumps(one)) for one in filters] for filters in (include, exclude))
    return (compiled(allow, deny) or Filters((), ())).mask


def _kernel(live: LiveStatus) -> dict[str, Any]:
    off = [each for each in live.capabilities if not each.on]
    return {
        "programs": f"{len(live.capabilities) - len(off)} of {len(live.capabilities)} on",
        "missing": [f"{each.name}: {each.costs} ({each.why})" for each in off],
        "attached": list(live.attached),
        "refused": live.refused,
        "ns_per_packet": round(live.ns_per_packet, 1),
        "map_memory_bytes": live.kernel_bytes,
        "records_made": live.tallies.get("records", 0),
        "records_read": live.records_read,
        "ring_fill_percent": round(100 * live.ring_fill, 2),
        "counted": live.tallies,
    }


def _completeness(flows: int, live: LiveStatus) -> float:
    lost = sum(loss.records for loss in live.losses.values())
    return 1_000_000 * flows // (flows + lost) / 10_000 if flows + lost else 100.0  # never rounded up to all


def _resident_bytes() -> int:
    """Resident memory of this process (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
