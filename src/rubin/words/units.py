"""Quantities for people: bytes, durations, counts."""

BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def scaled(value: float, step: int, units: tuple[str, ...]) -> str:
    """`4.1 KiB`: the value in the greatest unit of which it has one; `60 B` in the smallest."""
    at = 0
    while value >= step and at + 1 < len(units):
        value, at = value / step, at + 1
    return f"{value:,.1f} {units[at]}" if at else f"{value:,} {units[0]}"


def latency(microseconds: int) -> str:
    """`0.12 ms`, `34.6 ms`, `1.20 s`: three digits that count."""
    if microseconds < 999_500:
        return f"{microseconds / 1000:.3g} ms"
    return f"{microseconds / 1_000_000:,.2f} s"
