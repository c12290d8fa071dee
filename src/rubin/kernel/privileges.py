"""The Linux capabilities that the agent needs, and whether it has them (capabilities(7))."""

from rubin.errors import RubinError

NET_ADMIN, SYS_ADMIN, SYS_NICE, PERFMON, BPF = 12, 21, 23, 38, 39
_NEEDED = {
    NET_ADMIN: "CAP_NET_ADMIN (packet programs)",
    PERFMON: "CAP_PERFMON (tracepoints)",
    BPF: "CAP_BPF (maps and programs)",
}


def held(status: str = "/proc/self/status") -> frozenset[int]:
    """The numbers of the effective capabilities of this process."""
    with open(status) as file:
        bits = next((int(line.split()[1], 16) for line in file if line.startswith("CapEff:")), 0)
    return frozenset(number for number in range(64) if bits >> number & 1)


def check(have: frozenset[int]) -> None:
    """Raises RubinError naming the capabilities that are missing. CAP_SYS_ADMIN stands for BPF and PERFMON."""
    given = have | {BPF, PERFMON} if SYS_ADMIN in have else have
    missing = [name for number, name in _NEEDED.items() if number not in given]
    if missing:
        raise RubinError(
            f"watching this machine needs {', '.join(missing)}",
            "sudo, or systemd's AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON",
        )
