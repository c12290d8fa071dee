"""What is watched on this machine, and how much of it is told."""

from dataclasses import dataclass

from rubin.errors import UsageError
from rubin.model.enums import TCPFlags

LEVELS = {"none": 0, "disabled": 0, "lowest": 1, "low": 2, "medium": 3, "max": 4, "maximum": 4}
VANTAGES = ("sockets", "interfaces")


@dataclass(frozen=True)
class LiveSettings:
    """What is watched on this machine, and how much of it is told."""

    vantages: tuple[str, ...] = ("sockets",)
    """Where packets are seen: "sockets" (all processes, containers and namespaces), "interfaces", or both."""
    interfaces: tuple[str, ...] = ()
    """Patterns of the interfaces to watch (`eth0`, `veth*`, `!veth1`); none: physical, veths and tunnels."""
    aggregation: str = "medium"
    """Hubble's monitor aggregation: none, lowest, low, medium, max."""
    interval_s: float = 5.0
    """With aggregation: how often a busy connection is told anyway."""
    aggregation_flags: tuple[str, ...] = ("syn", "fin", "rst")
    """With aggregation: the TCP flags that are news when a direction has them for the first time; "all": each."""
    receive_points: bool = False
    """Tell from-… points of interfaces, too, whatever the aggregation."""
    drops: bool = True
    """Tell of packets that the kernel dropped."""
    timed: bool = True
    """Time the programs for one second of thirty, which costs them some 20 ns a run."""
    ring_bytes: int = 16 * 1024 * 1024
    """The ring between kernel and agent: a power of two; full, it loses, and counts what."""
    messages: bool = True
    """Read what is said at sockets: HTTP, DNS, databases and their like."""
    clear: bool = True
    """With `messages`: also what programs say over TLS, where they hand it to their library (OpenSSL)."""
    most_cpu_percent: float = 10.0
    """Of the whole machine, which the agent may take for it: of more, connections are left out, and counted."""
    payloads_bytes: int = 16 * 1024 * 1024
    """The room for what is said, as `ring_bytes`."""
    most_payloads: int = 10_000
    """Packets of one connection of which something is taken in a second; more are counted as lost."""
    connections: int = 65_536
    """Connections that each vantage keeps in its table: a power of two."""
    node_name: str = ""
    """How flows name this node."""
    lock_name: str = "rubin/agent"
    """Agents of one name exclude each other on a machine."""

    @property
    def report_flags(self) -> int:
        """The bits of `aggregation_flags`. Raises UsageError for a flag that TCP has not."""
        names = [name.strip().upper() for name in self.aggregation_flags]
        wrong = next((name for name in names if name != "ALL" and name not in TCPFlags.__members__), None)
        if wrong is not None:
            known = ", ".join(name.lower() for name in TCPFlags.__members__)
            raise UsageError(f"TCP flag '{wrong.lower()}' does not exist", f"all, or some of {known}")
        return sum({int(bit) for name in names for bit in (TCPFlags if name == "ALL" else [TCPFlags[name]])})

    def check(self) -> None:
        """Raises UsageError for values that make no sense."""
        if not self.vantages or not set(self.vantages) <= set(VANTAGES):
            raise UsageError(
                f"vantages cannot be {', '.join(self.vantages) or 'empty'}", "sockets, interfaces, or both"
            )
        if self.aggregation not in LEVELS:
            raise UsageError(f"aggregation level '{self.aggregation}' does not exist", f"one of {', '.join(LEVELS)}")
        if not self.report_flags:
            raise UsageError("aggregation_flags cannot be empty", "all, or some of syn, fin, rst")
        for name, least in (("ring_bytes", 4096), ("payloads_bytes", 1 << 18), ("connections", 64)):
            value = getattr(self, name)
            if value < least or value & (value - 1):
                raise UsageError(f"{name} cannot be {value}", f"a power of two, at least {least}")
        if not 0 < self.most_cpu_percent <= 100:
            raise UsageError(f"most_cpu_percent cannot be {self.most_cpu_percent}", "more than 0 and at most 100")
        if not 0 < self.interval_s <= 3600:
            raise UsageError(f"interval_s cannot be {self.interval_s}", "seconds, more than 0 and at most 3600")
