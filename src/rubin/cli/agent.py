"""`rubin agent`: the flags of `agent.AgentSettings`, and the settings from file, environment and flags."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rubin.cli.command import Arguments, Command
from rubin.cli.redaction import FLAGS as REDACTION
from rubin.errors import UsageError
from rubin.words.flags import Flag

_SERVE, _SEE, _EXPORT = "Serving", "Seeing", "Export"
_TLS = ("cert-file", "key-file", "client-ca-files")
_LEVELS = ("none", "lowest", "low", "medium", "max")

# The settings that a flag can say. Their defaults stand in agent.AgentSettings alone.
_FLAGS = (
    Flag("listen", "Unix socket of the API; '' for none.", group=_SERVE, metavar="PATH"),
    Flag(
        "listen-address",
        "host:port of the API over TCP; beyond this machine it needs TLS; '' for none.",
        group=_SERVE,
        metavar="ADDRESS",
    ),
    Flag("tls-cert-file", "Certificate of the API over TCP, PEM.", group=_SERVE, metavar="FILE"),
    Flag("tls-key-file", "Its private key, PEM.", group=_SERVE, metavar="FILE"),
    Flag("tls-client-ca-files", "Authorities that must have signed a client's certificate.", "list", group=_SERVE),
    Flag("tls-crl-file", "Lists of revoked certificates (CRL), one of each authority.", group=_SERVE, metavar="FILE"),
    Flag(
        "disable-server-tls",
        "TCP without TLS on every address: whoever reaches it sees every flow.",
        "yes",
        group=_SERVE,
    ),
    Flag("access-file", "Who may see what: roles, tokens, certificates, TOML.", group=_SERVE, metavar="FILE"),
    Flag(
        "audit-file",
        "Who asked what, a JSON line a request; 'stdout' for standard output.",
        group=_SERVE,
        metavar="FILE",
    ),
    Flag("metrics-address", "host:port of /metrics; '' for none.", group=_SERVE, metavar="ADDRESS"),
    Flag(
        "metrics",
        "Metrics with their options, as Hubble's flag or Helm's list has them: 'drop flow:labelsContext=source_app'.",
        group=_SERVE,
        metavar="METRICS",
    ),
    Flag("metrics-series-limit", "Series that a metric may have.", "number", group=_SERVE, metavar="SERIES"),
    Flag("metrics-server-tls-cert-file", "Certificate of /metrics, PEM.", group=_SERVE, metavar="FILE"),
    Flag("metrics-server-tls-key-file", "Its private key, PEM.", group=_SERVE, metavar="FILE"),
    Flag(
        "metrics-server-tls-client-ca-files",
        "Authorities that must have signed a scraper's certificate.",
        group=_SERVE,
        metavar="FILE",
    ),
    Flag(
        "dynamic-metrics-config-path",
        "Metrics as Hubble's YAML file has them, instead of --metrics; read again when it changes.",
        group=_SERVE,
        metavar="FILE",
    ),
    Flag("ring-capacity", "Flows held in memory.", "number", group=_SERVE, metavar="FLOWS"),
    Flag(
        "vantage",
        "Where packets are seen: sockets (every process and container), interfaces (forwarded packets too), or both.",
        "choice",
        group=_SEE,
        metavar="WHERE",
        values=("sockets", "interfaces", "both"),
    ),
    Flag(
        "interface",
        "Interfaces to watch, e.g. eth0, veth*, !veth1; may be repeated.",
        "list",
        group=_SEE,
        metavar="GLOB,...",
    ),
    Flag(
        "monitor-aggregation",
        f"How much of a connection is told: {', '.join(_LEVELS)}.",
        group=_SEE,
        metavar="LEVEL",
        values=_LEVELS,
    ),
    Flag(
        "monitor-aggregation-flags",
        "TCP flags that are told when a direction has them for the first time: all, or e.g. syn,fin,rst.",
        "list",
        group=_SEE,
        metavar="FLAG,...",
    ),
    Flag("monitor-aggregation-interval", "How often a busy connection is told anyway.", group=_SEE, metavar="DURATION"),
    Flag(
        "messages",
        "Read what is said: HTTP, DNS, databases and their like; --messages=false: do not.",
        "yes",
        group=_SEE,
    ),
    Flag(
        "messages-cpu-percent",
        "Of all processors, which the agent may take: of more connections are left out, and what they say is counted.",
        "number",
        group=_SEE,
        metavar="PERCENT",
    ),
    *REDACTION,
    Flag(
        "container-runtimes",
        "Sockets of containerd, CRI-O, Docker and Podman to ask for names; auto: the usual ones; '' for none.",
        "list",
        group=_SEE,
        metavar="SOCKET,...",
    ),
    Flag(
        "kubeconfig",
        "How to reach the Kubernetes API; in a pod it is found.",
        group=_SEE,
        metavar="FILE",
    ),
    Flag(
        "names",
        "Names of addresses, networks, interfaces, cgroups and network namespaces, TOML.",
        group=_SEE,
        metavar="FILE",
    ),
    Flag("node-name", "How flows name this node; the host's name unless told.", group=_SEE, metavar="NAME"),
    Flag("cluster-name", "How flows name the cluster.", group=_SEE, metavar="NAME"),
    Flag(
        "export-file-path",
        "Write flows to this file as JSON lines; 'stdout' for standard output.",
        group=_EXPORT,
        metavar="FILE",
    ),
    Flag("export-file-max-size-mb", "Begin a new file at this size.", "number", group=_EXPORT),
    Flag("export-file-max-backups", "Keep so many full ones.", "number", group=_EXPORT),
    Flag("export-file-compress", "Compress full ones.", "yes", group=_EXPORT),
    Flag("export-allowlist", "Only flows that pass these filters, JSON.", group=_EXPORT, metavar="FILTERS"),
    Flag("export-denylist", "No flows that pass these filters, JSON.", group=_EXPORT, metavar="FILTERS"),
    Flag("export-fieldmask", "Only these fields.", "list", group=_EXPORT, metavar="PATH,..."),
    Flag(
        "export-fieldaggregate", "Join flows that are equal in these fields.", "list", group=_EXPORT, metavar="PATH,..."
    ),
    Flag("export-aggregation-interval", "Join them over this time.", group=_EXPORT, metavar="DURATION"),
    Flag(
        "flowlogs-config-path",
        "Several exports, as Hubble's flowLogs file has them; read again when it changes.",
        group=_EXPORT,
        metavar="FILE",
    ),
    Flag("config", "Settings as TOML: the names of these flags with underscores.", group="Global", metavar="FILE"),
    Flag("debug", "Say more of what happens.", "yes", False, "D", group="Global"),
)

# The Cilium agent's names for them.
_HUBBLES = {
    "hubble-socket-path": "listen",
    "hubble-metrics-server": "metrics-address",
    "hubble-event-buffer-capacity": "ring-capacity",
    "hubble-disable-tls": "disable-server-tls",
    **{f"hubble-{name}": name for name in ("listen-address", "metrics", "dynamic-metrics-config-path")},
    **{f"hubble-tls-{what}": f"tls-{what}" for what in _TLS},
    **{f"hubble-metrics-server-tls-{what}": f"metrics-server-tls-{what}" for what in _TLS},
    **{f"hubble-{flag.name}": flag.name for flag in _FLAGS if flag.group == _EXPORT},
    **{f"hubble-{flag.name}": flag.name for flag in REDACTION if flag.name.startswith("redact-http-")},
}
# Switches of the Cilium agent that have nothing to switch here.
_ANSWERED = {
    "enable-hubble": "The agent is what this turns on.",
    "enable-hubble-open-metrics": "A scraper gets the format that it asks for.",
    "hubble-redact-enabled": "It always is; the others say what is left out.",
    "hubble-metrics-server-enable-tls": "A certificate of /metrics turns it on.",
}

_TEXT = """Observe this machine until it is stopped: flows are seen in the kernel, named, counted, held for questions.

A flag counts before the environment (RUBIN_LISTEN, RUBIN_METRICS, ...), that before the file of --config. Hubble's
names are taken too: --hubble-metrics, --hubble-export-file-path and their like. It needs root, or the capabilities
CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON."""


def command() -> Command:
    """The command."""
    summary = "Observe this machine: run the server that answers all other commands"
    return Command("agent", summary, (*_FLAGS, *_of_hubble()), run, text=_TEXT, defaults=_defaults)


def run(arguments: Arguments) -> int:
    """Run until SIGTERM or SIGINT. Raises UsageError for settings, RubinError where it cannot begin."""
    from rubin import agent
    from rubin.cli.logs import log

    log(arguments["debug"])
    return agent.run(settings(arguments, os.environ))


def settings(arguments: Arguments, environ: Mapping[str, str]) -> Any:
    """`agent.AgentSettings` of file, environment and flags. Raises UsageError and RubinError."""
    from rubin import config
    from rubin.agent import AgentSettings

    section = config.read(Path(arguments["config"])) if arguments["config"] else {}
    given = {
        _HUBBLES.get(name, name).replace("-", "_"): arguments[name]
        for name in arguments.sources
        if name not in ("config", "debug", *_ANSWERED)
    }
    hubbles = {
        f"RUBIN_{name.removeprefix('HUBBLE_')}": text for name, text in environ.items() if name.startswith("HUBBLE_")
    }
    filled = config.fill(AgentSettings, section, hubbles | dict(environ), given)
    _refuse(arguments, filled.metrics_server_tls_cert_file)
    return filled


def _refuse(arguments: Arguments, metrics_certificate: str) -> None:
    """Raises UsageError where one of Hubble's switches asks for what is not so."""
    if arguments["enable-hubble"] is False:
        raise UsageError("--enable-hubble cannot be 'false'", "do not start the agent")
    if arguments["hubble-redact-enabled"] is False:
        raise UsageError(
            "--hubble-redact-enabled cannot be 'false'",
            "--redact-http-urlquery=false and its like say what may be seen",
        )
    if arguments["hubble-metrics-server-enable-tls"] and not metrics_certificate:
        raise UsageError(
            "--hubble-metrics-server-enable-tls needs a certificate", "--metrics-server-tls-cert-file FILE"
        )


def _defaults() -> dict[str, Any]:
    """What help says of the defaults."""
    from dataclasses import asdict

    from rubin.agent import AgentSettings

    return {name.replace("_", "-"): value for name, value in asdict(AgentSettings()).items()}


def _of_hubble() -> Iterator[Flag]:
    """The flags that the Cilium agent has, by its names for them; help shows ours."""
    ours = {flag.name: flag for flag in _FLAGS}
    for name, own in _HUBBLES.items():
        flag = ours[own]
        yield Flag(name, flag.help, flag.kind, metavar=flag.metavar, group=flag.group, is_hidden=True)
    for name, text in _ANSWERED.items():
        yield Flag(name, text, "yes", is_hidden=True)
