"""No byte disappears: seen = in records + counted as lost, exactly."""

import random
import threading

import pytest

from rubin.kernel import syscall
from tests.kernel import packets as p
from tests.kernel.programs import EMULATED, FLUSH, Programs, programs

VANTAGES = [
    ("sockets", "rubin_socket_out", "rubin_socket_in"),
    ("interfaces", "rubin_egress", "rubin_ingress"),
]
PAGE = 4096
PACKETS = 600 if EMULATED else 3000  # more connections than either small table or small ring holds


def both_ways(vantage: str) -> dict[str, int]:
    """What makes a vantage tell of both directions alike: at sockets nothing is needed."""
    return {"receive_points": 1} if vantage == "interfaces" else {}


def frame(flow: int, size: int, back: bool) -> bytes:
    here, there = f"10.{flow >> 8}.{flow & 255}.1", "10.200.0.1"
    if back:
        return p.ethernet(p.ipv4(there, here, 17, p.udp(53, 5000, bytes(size))))
    return p.ethernet(p.ipv4(here, there, 17, p.udp(5000, 53, bytes(size))))


def accounted(loaded: Programs, vantage: str) -> tuple[int, int]:
    """(packets, bytes) in records and in losses, when the table has told all."""
    loaded.sweep(f"sweep_{vantage}")
    records, losses = loaded.records(), loaded.losses()
    return (
        int(records["packets"].sum() + losses[:, 1].sum()),
        int(records["bytes"].sum() + losses[:, 2].sum()),
    )


@pytest.mark.parametrize(("vantage", "out", "into"), VANTAGES, ids=["sockets", "interfaces"])
@pytest.mark.parametrize("level", [0, 1, 3])
@pytest.mark.parametrize("ring_bytes", [PAGE, 1 << 22], ids=["ring far too small", "ring"])
@pytest.mark.parametrize("entries", [64, 4096], ids=["table far too small", "table"])
def test_seen_is_told_or_lost(vantage: str, out: str, into: str, level: int, ring_bytes: int, entries: int) -> None:
    rng = random.Random(level)
    with programs(vantage, level=level, ring_bytes=ring_bytes, entries=entries, **both_ways(vantage)) as loaded:
        seen = 0
        for _ in range(PACKETS):
            back, size = rng.random() < 0.4, rng.randrange(1000)
            loaded.run(into if back else out, frame(rng.randrange(500), size, back))
            seen += 28 + size
        assert accounted(loaded, vantage) == (PACKETS, seen)
        assert (loaded.losses()[:, 0].sum() > 0) == (ring_bytes == PAGE)
        assert (sum(loaded.tallies()[1:3]) > 0) == (entries == 64)


def test_who_is_pushed_out_tells_what_it_had() -> None:
    with programs("sockets", entries=8) as loaded:
        for flow in range(8):
            for _ in range(3):
                loaded.run("rubin_socket_out", frame(flow, 100, back=False))
        loaded.records()
        loaded.run("rubin_socket_out", frame(100, 100, back=False))
        told = loaded.records()
        (flushed,) = told[told["kind"] == FLUSH]
        assert (flushed["packets"], flushed["bytes"]) == (2, 256)
        assert loaded.tallies()[1] == 1


@pytest.mark.parametrize(("vantage", "out", "into"), VANTAGES, ids=["sockets", "interfaces"])
@pytest.mark.parametrize("entries", [8, 1024], ids=["pushing each other out", "with room"])
def test_two_processors_count_exactly(vantage: str, out: str, into: str, entries: int) -> None:
    rounds, repeat, flows = 60, 500, 12
    with programs(vantage, entries=entries, **both_ways(vantage)) as loaded:
        fds = loaded.objects.programs()

        def work(seed: int) -> None:
            rng = random.Random(seed)
            for _ in range(rounds):
                back = rng.random() < 0.5
                syscall.run(fds[into if back else out], frame(rng.randrange(flows), 72, back), repeat)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert accounted(loaded, vantage) == (3 * rounds * repeat, 3 * rounds * repeat * 100)


def test_counts_never_overflow_however_long_the_interval() -> None:
    """36 bits of bytes: a record comes when half of them are used, long before the interval."""
    with programs("interfaces") as loaded:
        packet = p.ethernet(p.ipv4("10.1.0.1", "10.1.0.2", 17, p.udp(1, 2, bytes(1000))))
        loaded.run("rubin_egress", packet)
        key, value = loaded.an_entry("interface_entries")
        held = (5 << 36) + (1 << 35) - 500  # counts[OUT], as after half an hour at 100 Gbit/s
        loaded.objects.map("interface_entries").update(key, value[:16] + held.to_bytes(8, "little") + value[24:])
        loaded.records()
        loaded.run("rubin_egress", packet)
        assert not len(loaded.records())
        loaded.run("rubin_egress", packet)
        (record,) = loaded.records()
        assert (record["packets"], record["bytes"]) == (7, (1 << 35) - 500 + 2 * 1028)


def test_the_reader_is_woken_when_its_ring_is_half_full() -> None:
    with programs("sockets", level=0, ring_bytes=1 << 16) as loaded:
        for _ in range(100):
            loaded.run("rubin_socket_out", frame(1, 10, back=False))
        assert not loaded.woken(0)
        for _ in range(200):  # of 315
            loaded.run("rubin_socket_out", frame(1, 10, back=False))
        assert loaded.woken(5)
