"""`rubin relay`: the flags of `relay.settings.RelaySettings`."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rubin.cli.command import Arguments, Command
from rubin.words.flags import Flag

_SERVE, _NODES = "Serving", "Nodes"
_FLAGS = (
    Flag(
        "listen-address",
        "host:port of the API; beyond this machine it needs TLS; '' for none.",
        group=_SERVE,
        metavar="ADDRESS",
    ),
    Flag("listen", "Unix socket of the API; '' for none.", group=_SERVE, metavar="PATH"),
    Flag("tls-cert-file", "Certificate of the API, PEM.", group=_SERVE, metavar="FILE"),
    Flag("tls-key-file", "Its private key, PEM.", group=_SERVE, metavar="FILE"),
    Flag("tls-client-ca-files", "Authorities that must have signed a client's certificate.", "list", group=_SERVE),
    Flag("tls-crl-file", "Certificates of clients that were revoked, PEM.", group=_SERVE, metavar="FILE"),
    Flag("disable-server-tls", "Serve without TLS, also beyond this machine.", "yes", group=_SERVE),
    Flag("access-file", "Who may see what: roles, tokens, certificates, TOML.", group=_SERVE, metavar="FILE"),
    Flag(
        "audit-file",
        "Who asked what, a JSON line a request; 'stdout' for standard output.",
        group=_SERVE,
        metavar="FILE",
    ),
    Flag("health-listen-address", "host:port of the health service alone, for probes.", group=_SERVE),
    Flag("metrics-listen-address", "host:port of /metrics.", group=_SERVE),
    Flag(
        "peers",
        "Nodes: host:port, tls://host:port, unix:///path, name=host:port; dns:///name:port for all addresses of a "
        "name, srv:///name for SRV records, @FILE for a file of such lines; may be repeated.",
        "list",
        group=_NODES,
        metavar="NODE,...",
    ),
    Flag("peer-service", "A server that knows the nodes: host:port, tls://host:port or unix:///path.", group=_NODES),
    Flag(
        "kubernetes-service",
        "The service whose endpoints are the nodes.",
        group=_NODES,
        metavar="NAMESPACE/NAME[:PORT]",
    ),
    Flag("kubeconfig", "How to reach the Kubernetes API; in a pod it is found.", group=_NODES, metavar="FILE"),
    Flag("retry-timeout", "How long to wait before the peer service is asked again.", group=_NODES, metavar="DURATION"),
    Flag("delay", "How long a flow waits, at most, for older ones of other nodes.", group=_NODES, metavar="DURATION"),
    Flag("buffer-flows", "How many flows wait at most, of each question.", "number", group=_NODES, metavar="FLOWS"),
    Flag("tls-node-client-cert-file", "What the relay shows to nodes, PEM.", group=_NODES, metavar="FILE"),
    Flag("tls-node-client-key-file", "Its private key, PEM.", group=_NODES, metavar="FILE"),
    Flag("tls-node-ca-files", "Authorities that must have signed the nodes' certificates.", "list", group=_NODES),
    Flag("tls-node-crl-file", "Certificates of nodes that were revoked, PEM.", group=_NODES, metavar="FILE"),
    Flag("disable-client-tls", "Ask the nodes without TLS.", "yes", group=_NODES),
    Flag("node-name", "How the relay calls itself; the host's name unless told.", metavar="NAME"),
    Flag("cluster-name", "The cluster, for the names in certificates.", metavar="NAME"),
    Flag("config", "Settings as TOML: the names of these flags with underscores.", group="Global", metavar="FILE"),
    Flag("debug", "Say more of what happens.", "yes", False, "D", group="Global"),
)
# Hubble Relay's names for them.
_HUBBLES = {
    "sort-buffer-drain-timeout": "delay",
    "tls-relay-server-cert-file": "tls-cert-file",
    "tls-relay-server-key-file": "tls-key-file",
    "tls-relay-client-ca-files": "tls-client-ca-files",
    "tls-hubble-client-cert-file": "tls-node-client-cert-file",
    "tls-hubble-client-key-file": "tls-node-client-key-file",
    "tls-hubble-server-ca-files": "tls-node-ca-files",
}
_TEXT = """Be one server for many nodes: their flows in the order of time, until it is stopped. Nodes are our agents,
Hubble's, or other relays.

A flag counts before the environment (RUBIN_PEERS, RUBIN_DELAY, ...), that before the file of --config. Hubble Relay's
names are taken too, of flags and of the environment (RELAY_PEER_SERVICE, ...)."""


def command() -> Command:
    """The command."""
    summary = "Be one server for many nodes"
    return Command("relay", summary, (*_FLAGS, *_of_hubble()), run, text=_TEXT, defaults=_defaults)


def run(arguments: Arguments) -> int:
    """Run until SIGTERM or SIGINT. Raises UsageError for settings, RubinError where it cannot begin."""
    from rubin.cli.logs import log
    from rubin.relay import server

    log(arguments["debug"])
    return server.run(settings(arguments, os.environ))


def settings(arguments: Arguments, environ: Mapping[str, str]) -> Any:
    """`relay.settings.RelaySettings` of file, environment and flags. Raises UsageError and RubinError."""
    from rubin import config
    from rubin.relay.settings import RelaySettings

    section = config.read(Path(arguments["config"])) if arguments["config"] else {}
    given = {
        _HUBBLES.get(name, name).replace("-", "_"): arguments[name]
        for name in arguments.sources
        if name not in ("config", "debug")
    }
    return config.fill(RelaySettings, section, _of_relay(environ) | dict(environ), given)


def _of_relay(environ: Mapping[str, str]) -> dict[str, str]:
    """What Hubble Relay takes from the environment, by our names."""
    hubbles = {name.upper().replace("-", "_"): own.upper().replace("-", "_") for name, own in _HUBBLES.items()}
    names = {name: name.removeprefix("RELAY_") for name in environ if name.startswith("RELAY_")}
    return {f"RUBIN_{hubbles.get(short, short)}": environ[name] for name, short in names.items()}


def _defaults() -> dict[str, Any]:
    """What help says of the defaults."""
    from dataclasses import asdict

    from rubin.relay.settings import RelaySettings

    return {name.replace("_", "-"): value for name, value in asdict(RelaySettings()).items()}


def _of_hubble() -> Iterator[Flag]:
    ours = {flag.name: flag for flag in _FLAGS}
    for name, own in _HUBBLES.items():
        flag = ours[own]
        yield Flag(name, flag.help, flag.kind, metavar=flag.metavar, group=flag.group, is_hidden=True)
