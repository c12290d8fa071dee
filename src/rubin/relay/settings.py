"""What `rubin relay` can be told, by flag, environment (`RUBIN_…`) or TOML file."""

import socket
from dataclasses import dataclass

from rubin.api.listen import ListenSettings
from rubin.api.target import ClientSettings
from rubin.errors import UsageError
from rubin.relay.merge import Bounds
from rubin.relay.pool import PoolSettings
from rubin.words.times import duration_s

_LEAST_BUFFER = 10_000


@dataclass(frozen=True)
class RelaySettings:
    """A setting's flag has hyphens where its name has underscores."""

    listen_address: str = "127.0.0.1:4245"
    """host:port of the API; beyond loopback it needs TLS; "" for none."""
    listen: str = ""
    """Unix socket of the API; "" for none."""
    health_listen_address: str = ""
    """host:port where the health service alone is served, without TLS, for probes; "" for none."""
    metrics_listen_address: str = ""
    """host:port of /metrics; "" for none."""
    peers: tuple[str, ...] = ()
    """Where nodes are, or where to find them, as `relay.discovery` reads it."""
    peer_service: str = ""
    """A server whose peer service knows the nodes: host:port, tls://host:port or unix:///path."""
    kubernetes_service: str = ""
    """NAMESPACE/NAME[:PORT] of the service whose endpoints are the nodes."""
    kubeconfig: str = ""
    retry_timeout: str = "30s"
    """How long to wait before the peer service is asked again."""
    delay: str = "1s"
    """How long a flow waits, at most, for older ones of other nodes."""
    buffer_flows: int = 500_000
    """How many flows wait at most, of each question."""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    tls_client_ca_files: tuple[str, ...] = ()
    tls_crl_file: str = ""
    disable_server_tls: bool = False
    access_file: str = ""
    """Who may see what, TOML; "": everybody who reaches the relay sees everything."""
    audit_file: str = ""
    """Who asked what, a JSON line a request; "stdout" for standard output."""
    tls_node_client_cert_file: str = ""
    """What the relay shows to nodes."""
    tls_node_client_key_file: str = ""
    tls_node_ca_files: tuple[str, ...] = ()
    """Authorities that must have signed the nodes' certificates; with these or the above nodes are asked by TLS."""
    tls_node_crl_file: str = ""
    disable_client_tls: bool = False
    """Ask nodes without TLS, whatever they say of themselves."""
    node_name: str = ""
    cluster_name: str = "default"

    def check(self) -> None:
        """Raises UsageError for settings that do not fit together."""
        if not self.listen_address and not self.listen:
            raise UsageError("the relay listens nowhere", "--listen-address or --listen")
        if not (self.peers or self.peer_service or self.kubernetes_service):
            raise UsageError("the relay knows of no nodes", "--peers, --peer-service or --kubernetes-service")
        if self.buffer_flows < _LEAST_BUFFER:
            raise UsageError(f"buffer_flows cannot be {self.buffer_flows}", f"{_LEAST_BUFFER} or more")
        if self.seconds("delay") <= 0:
            raise UsageError(f"delay cannot be '{self.delay}'", "e.g. 1s or 500ms")
        self.seconds("retry_timeout")

    def seconds(self, name: str) -> float:
        """The setting, a duration, in seconds. Raises UsageError."""
        try:
            return duration_s(getattr(self, name))
        except UsageError as error:
            raise UsageError(f"{name}: {error.sentence}", error.way_on) from error

    @property
    def node(self) -> str:
        """As it calls itself in what it says of nodes."""
        return self.node_name or socket.gethostname()

    def of_listen(self) -> ListenSettings:
        """The part of `api.listening`."""
        certificates = (self.tls_cert_file, self.tls_key_file, self.tls_client_ca_files, self.tls_crl_file)
        files = (self.access_file, self.audit_file)
        return ListenSettings(self.listen, self.listen_address, *certificates, self.disable_server_tls, *files)

    def of_bounds(self) -> Bounds:
        """The part of `relay.merge`."""
        return Bounds(self.seconds("delay"), most_rows=self.buffer_flows)

    def of_pool(self) -> PoolSettings:
        """The part of `relay.pool`."""
        named = bool(self.tls_node_client_cert_file or self.tls_node_ca_files or self.tls_node_crl_file)
        client = ClientSettings(
            request_timeout_s=5.0,
            tls=named and not self.disable_client_tls,
            tls_ca_cert_files=self.tls_node_ca_files,
            tls_client_cert_file=self.tls_node_client_cert_file,
            tls_client_key_file=self.tls_node_client_key_file,
            tls_crl_file=self.tls_node_crl_file,
        )
        return PoolSettings(client, disable_tls=self.disable_client_tls)
