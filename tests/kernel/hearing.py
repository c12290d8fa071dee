"""Hears what is said in clear: the programs with a follower of libraries, and what they take."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.kernel import cgroups, payloads
from rubin.kernel.attach import CGROUP
from rubin.kernel.payloads import PAYLOAD, Payloads
from rubin.sources.clear import Clear
from tests.kernel.programs import TICKS, programs
from tests.waiting import wait_for

Records = npt.NDArray[Any]
LANES, PAYLOAD_SLOTS = 2, 16_384
NEAR, FAR = "10.77.0.1", "10.77.0.2"
CLEAR, LOSS_PAYLOADS, LOSS_CLEAR = 32, 6, 9
_LIMITS = {
    "listens": 1,
    "second_ticks": TICKS,
    "most_payloads": 10_000,
    "lane_mask": LANES - 1,
    "lane_slots": PAYLOAD_SLOTS // LANES,
}


def written(taken: Payloads) -> Records:
    """What is there by now, copied and given back."""
    slots = taken.lanes.peek()
    found: Records = slots.records.view("V1016")[slots.rows].view(PAYLOAD)
    taken.lanes.advance()
    return found


class Ear:
    """The programs with a follower of libraries, and what they take, copied."""

    def __init__(self, **settings: int) -> None:
        self._loaded = programs("sockets", "clear", **{**_LIMITS, **settings})
        self.programs = self._loaded.__enter__()
        for name, fd in self.programs.objects.programs().items():
            if (section := self.programs.objects.section(name)) in CGROUP:
                self.programs.links.attach_cgroup(name, fd, section, cgroups.mount())
        self.payloads = Payloads(self.programs.objects.map, LANES)
        self.clear = Clear(self.programs.objects)
        self._kept = np.empty(0, PAYLOAD)

    def follows(self, path: str) -> None:
        """Wait until a file is attached to."""
        wait_for(lambda: any(path in one for one in self.clear.attached), f"{path} among {self.clear.attached}")

    def look(self) -> Records:
        """Everything so far that was said in clear."""
        records = written(self.payloads)
        new = records[(records["flags"] & CLEAR) != 0]
        self._kept = np.concatenate([self._kept.view("V1016"), new.view("V1016")]).view(PAYLOAD)
        return self._kept

    def heard(self, port: int, enough: Callable[[Records], bool] = len) -> Records:  # type: ignore[assignment]
        """What was said in clear on connections with this port, once it is as wanted."""

        def ours() -> Any:
            found = self.look()
            return found[(found["local_port"] == port) | (found["remote_port"] == port)]

        try:
            wait_for(lambda: enough(ours()), "what was said", 60)
        except AssertionError as error:  # others on this machine may have said more than the ring holds
            raise AssertionError(f"{error}; lost: {self.programs.losses()[LOSS_PAYLOADS][0]}") from None
        return np.asarray(ours())

    def close(self) -> None:
        self.clear.close()
        self.payloads.close()
        self._loaded.__exit__(None, None, None)


def certificate(place: Path) -> Path:
    """The place, with a certificate and its key: of the kind with which a handshake costs least, in emulation, too."""
    kind = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    words = f"req -x509 {kind} -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost"
    subprocess.run(["openssl", *words.split()], cwd=place, check=True, capture_output=True)
    place.chmod(0o755)
    return place


def inside(space: str, command: list[str]) -> list[str]:
    return ["ip", "netns", "exec", space, *command] if space else command


@contextmanager
def running(command: list[str]) -> Iterator[tuple[int, int]]:
    """(port, pid) of a server, which prints its port."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline()), server.pid
        finally:
            server.terminate()


def texts(records: Records) -> list[bytes]:
    return [bytes(one["bytes"][: one["captured"]]) for one in records]


def paths(records: Records) -> list[str]:
    """What was asked for, in the order in which it was."""
    asked = (re.match(rb"GET (\S+) ", text) for text in texts(records))
    return [one.group(1).decode() for one in asked if one]


def sides(records: Records, port: int) -> tuple[Records, Records]:
    """(the server's, the client's) view of connections to a port."""
    return records[records["local_port"] == port], records[records["remote_port"] == port]


def unbroken(records: Records) -> bool:
    """Whether the bytes of each direction of each conversation follow each other, from the first one on."""
    first = records[(records["flags"] & payloads.MORE) == 0]
    for tag in np.unique(first["tag"]):
        for out in (0, payloads.OUT):
            rows = first[(first["tag"] == tag) & (first["flags"] & payloads.OUT == out)]
            ends = np.cumsum(rows["length"])
            if rows["sequence"].tolist() != [0, *ends[:-1].tolist()][: len(rows)]:
                return False
    return True
