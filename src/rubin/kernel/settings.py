"""What is watched on this machine, and how much of it is told."""

from dataclasses import dataclass

from rubin.errors import UsageError

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
    receive_points: bool = False
    """Tell from-… points of interfaces, too, whatever the aggregation."""
    drops: bool = True
    """Tell of packets that the kernel dropped."""
    ring_bytes: int = 16 * 1024 * 1024
    """The ring between kernel and agent: a power of two; full, it loses, and counts what."""
    connections: int = 65_536
    """Connections that each vantage keeps in its table: a power of two."""
    node_name: str = ""
    """How flows name this node."""
    lock_name: str = "rubin/agent"
    """Agents of one name exclude each other on a machine."""

    def check(self) -> None:
        """Raises UsageError for values that make no sense."""
        if not self.vantages or not set(self.vantages) <= set(VANTAGES):
            raise UsageError(
                f"vantages cannot be {', '.join(self.vantages) or 'empty'}", "sockets, interfaces, or both"
            )
        if self.aggregation not in LEVELS:
            raise UsageError(f"aggregation level '{self.aggregation}' does not exist", f"one of {', '.join(LEVELS)}")
        for name, least in (("ring_bytes", 4096), ("connections", 64)):
            value = getattr(self, name)
            if value < least or value & (value - 1):
                raise UsageError(f"{name} cannot be {value}", f"a power of two, at least {least}")
        if not 0 < self.interval_s <= 3600:
            raise UsageError(f"interval_s cannot be {self.interval_s}", "seconds, more than 0 and at most 3600")
