"""Figures by key, their medians, and how they are told."""

import json
import statistics
from dataclasses import dataclass, field


@dataclass
class Figures:
    """Samples by key; `bars` holds what each is asked to reach, as (relation, value)."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, key: str, value: float) -> None:
        """One more sample of a figure."""
        self.samples.setdefault(key, []).append(value)

    def note(self, text: str) -> None:
        """A sentence that belongs to the run: what was left out and why, which tool stood beside."""
        self.notes.append(text)
        print(f"  {text}", flush=True)

    def median(self, key: str) -> float:
        """The median of a figure's samples; KeyError when there are none."""
        return statistics.median(self.samples[key])

    def flat(self) -> dict[str, float]:
        """Medians by key."""
        return {key: round(self.median(key), 4) for key in sorted(self.samples)}

    def as_json(self) -> str:
        """One flat JSON object."""
        return json.dumps(self.flat())

    def table(self) -> str:
        """A line a figure: key, median, least and greatest, and whether it reaches what is asked."""
        width = max(map(len, self.samples), default=0)
        return "\n".join(self._line(key, width) for key in sorted(self.samples))

    def _line(self, key: str, width: int) -> str:
        values, relation = self.samples[key], BARS.get(key)
        spread = f"[{min(values):.4g} .. {max(values):.4g}]" if len(values) > 1 else ""
        return (
            f"{key:<{width}}  {self.median(key):>12,.4g}  {spread:<26} {_verdict(self.median(key), relation)}".rstrip()
        )


def _verdict(value: float, bar: tuple[str, float] | None) -> str:
    if bar is None:
        return ""
    relation, limit = bar
    reached = value <= limit if relation == "<=" else value >= limit
    return f"asked {relation} {limit:g}: {'reached' if reached else 'MISSED'}"


def _kernel_bars() -> dict[str, tuple[str, float]]:
    limits = {"tcp_bulk": 200, "udp_1": 200, "udp_10000": 300, "tcp_short": 400}
    return {
        f"kernel_ns.{point}.{load}": ("<=", limit)
        for point in ("sockets", "interfaces")
        for load, limit in limits.items()
    }


BARS: dict[str, tuple[str, float]] = {
    **_kernel_bars(),
    "throughput_ratio.tcp_bulk": (">=", 0.95),
    "throughput_ratio.udp_pps": (">=", 0.90),
    "throughput_ratio.tcp_connections": (">=", 0.90),
    "line_flows_per_cpu_second": (">=", 2_000_000),
    "ring_bytes_per_flow": ("<=", 160),
    "agent_idle_rss_mb": ("<=", 150),
    "kernel_map_mb": ("<=", 64),
    "agent_idle_cpu_percent": ("<=", 1),
    "agent_1k_cpu_percent": ("<=", 5),
    "getflows_per_cpu_second": (">=", 400_000),
    "combined_lost_flows": ("<=", 0),
    "combined_visible_ms": ("<=", 200),
    "cli_help_s": ("<=", 0.15),
    "cli_observe_s": ("<=", 0.4),
    "first_flow_s": ("<=", 2),
    "overload_unaccounted_flows": ("<=", 0),
    "relay_flows_per_cpu_second.columns": (">=", 500_000),
    "relay_flows_per_cpu_second.getflows": (">=", 200_000),
    "relay_added_delay_ms": ("<=", 300),
    "relay_inversions": ("<=", 0),
    "relay_unaccounted_flows": ("<=", 0),
    "relay_200_peers.start_s": ("<=", 5),
    "relay_200_peers.idle_cpu_percent": ("<=", 2),
    "relay_200_peers.rss_mb": ("<=", 300),
    **{f"l7_truth_percent.{name}": (">=", 99.9) for name in ("http1", "https", "grpc", "dns", "postgresql", "redis")},
    "l7_uncounted_exchanges": ("<=", 0),
    "l7_invented_exchanges": ("<=", 0),
    "l7_latency_within_50us_percent": (">=", 99),
    "l7_nginx_rps_ratio": (">=", 0.90),
    "l7_nginx_p99_ratio": ("<=", 1.15),
    "l7_kernel_us_per_request": ("<=", 1.5),
    "l7_kernel_us_per_https": ("<=", 10),
    "l7_kernel_us_per_https_go": ("<=", 10),
    "l7_other_syscall_ns": ("<=", 10),
    "l7_http1_per_cpu_second": (">=", 250_000),
    "l7_dns_per_cpu_second": (">=", 300_000),
    "ring_bytes_per_exchange": ("<=", 320),
    "right_owner_percent": (">=", 99.9),
    "wrong_owner_flows": ("<=", 0),
    "identify_ns_per_flow": ("<=", 150),
    "late_name_s": ("<=", 1),
    "pods_50000_start_s": ("<=", 5),
    "pods_50000_mb": ("<=", 200),
    "ui_first_load_kb_gz": ("<=", 120),
    "ui_first_paint_s": ("<=", 0.5),
    "ui_first_map_s": ("<=", 1.5),
    "ui_pan_main_thread_ms_p95": ("<=", 4),
    "ui_filter_100k_ms": ("<=", 10),
    "ui_10k_flows.mb_per_s": ("<=", 0.2),
    "ui_10k_flows.heap_growth_mb": ("<=", 5),
    "ui_10k_flows.browser_cpu_percent": ("<=", 25),
    "ui_10k_flows.server_cpu_percent": ("<=", 10),
}
