"""Who is observed suffers nothing: the suites of the servers' own clients pass under observation, and loads that are
hard on an observer stop neither the servers nor the agent.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench import servers, world
from bench.clients import postgresql
from tests.waiting import wait_for
from tools.dev import debian

_BODY_BYTES = 1 << 30
_MOST_MB = 400
_FORKS = """
import os, time
begun = time.monotonic()
for number in range(3000):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(max(begun + number / 1000 - time.monotonic(), 0))
"""


@pytest.fixture(scope="module")
def there() -> Iterator[Path]:
    """Real servers at the far end of a cable; their folder, which others than root can reach."""
    with TemporaryDirectory(prefix="rubin-test-") as name, world.cable(), servers.all_of_them(Path(name)):
        yield Path(name)


@pytest.fixture
def agent(start):
    return start(flags=["--metrics", "httpV2 dns flow"]).wait_until_it_observes()


def client(*words: str) -> str:
    """What a client at the near end says; it must end well."""
    done = subprocess.run(world.inside(world.NEAR, *words), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def is_well(agent) -> bool:
    """The agent lives, has read without failing, and holds what it may."""
    status = json.loads(agent.rubin("status", "-o", "json"))["rubin"]
    return (
        agent.process.poll() is None
        and status["messages"]["failures"] == 0
        and not status["line"]["failures"]
        and world.rss_mb(agent.process.pid) < _MOST_MB
    )


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("pipelined", ["1", "16"])
def test_redis_benchmark(agent, pipelined):
    words = ("redis-benchmark", "-h", world.FAR_ADDRESS, "-p", str(servers.REDIS), "-c", "20", "-n", "10000", "--csv")
    lines = client(*words, "-P", pipelined).splitlines()[1:]
    assert len(lines) >= 15
    assert all(float(line.split(",")[1].strip('"')) > 0 for line in lines)
    assert is_well(agent)
    assert wait_for(lambda: agent.observe("--last", "3", "--protocol", "redis"), "commands of Redis")


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("how", ["simple", "extended", "prepared"])
def test_pgbench(agent, how):
    pgbench = max(glob(str(Path(debian.PACKAGES["shop"]["postgresql"]).with_name("pgbench"))))
    place = ("-h", world.FAR_ADDRESS, "-p", str(servers.POSTGRESQL), "-U", postgresql.USER, "postgres")
    client(pgbench, "-i", "-q", *place)
    said = client(pgbench, "-M", how, "-c", "4", "-j", "2", "-t", "300", *place)
    assert "number of transactions actually processed: 1200/1200" in said
    assert "number of failed transactions: 0 " in said
    assert is_well(agent)
    assert wait_for(lambda: agent.observe("--last", "3", "--protocol", "postgresql"), "statements")


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(("scheme", "port"), [("http", servers.HTTP), ("https", servers.HTTPS)])
def test_wrk(agent, scheme, port):
    said = client("wrk", "-t1", "-c32", "-d4s", f"{scheme}://{world.FAR_ADDRESS}:{port}/s200/observed")
    assert "Socket errors" not in said
    assert "Non-2xx" not in said
    assert int(re.findall(r"(\d+) requests in", said)[0]) > 100
    assert is_well(agent)
    assert wait_for(lambda: agent.observe("--last", "3", "--protocol", "http", "--port", str(port)), "requests")


def test_a_body_of_a_gigabyte_is_one_answer_with_its_size(agent, there):
    with (there / "large").open("wb") as large:
        large.truncate(_BODY_BYTES)
    url = f"http://{world.FAR_ADDRESS}:{servers.HTTP}/files/large"
    assert client("curl", "-sS", "-o", "/dev/null", "-w", "%{size_download}", url) == str(_BODY_BYTES)
    path = ("--last", "9", "--http-path", "/files/large", "--reply")
    answer = wait_for(lambda: agent.observe(*path), "the answer")[-1]
    assert answer["l7"]["http"]["code"] == 200
    assert re.search(r"answered .* 1\.0 GiB ", agent.rubin("trace", answer["uuid"]))
    assert is_well(agent)


@pytest.mark.usefixtures("there")
def test_a_thousand_forks_a_second(agent):
    client(sys.executable, "-c", _FORKS)
    client("curl", "-sS", "-o", "/dev/null", f"http://{world.FAR_ADDRESS}:{servers.HTTP}/s200/after")
    assert wait_for(lambda: agent.observe("--last", "3", "--http-path", "/s200/after"), "a request after them")
    assert is_well(agent)


@pytest.mark.usefixtures("there")
def test_binary_where_http_is_expected(agent):
    words = "import os, socket, sys\ns = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
    words += "[s.sendall(os.urandom(4096)) for _ in range(64)]"
    for _ in range(3):
        subprocess.run(
            world.inside(world.NEAR, sys.executable, "-c", words, world.FAR_ADDRESS, str(servers.HTTP)), check=False,
            capture_output=True, timeout=20,
        )  # fmt: skip
    client("curl", "-sS", "-o", "/dev/null", f"http://{world.FAR_ADDRESS}:{servers.HTTP}/s200/sane")
    assert wait_for(lambda: agent.observe("--last", "3", "--http-path", "/s200/sane"), "a request after it")
    assert is_well(agent)
