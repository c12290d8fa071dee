"""`rubin ui` as a process: says where, answers, ends well, and says what is in its way."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from rubin.errors import RubinError
from rubin.store.ring import Ring
from rubin.ui.server import is_local, listener
from tests.api.serving import serving
from tests.cli.running import ENVIRON
from tests.flows import generate


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the sentence with which it begins."""
    command = [sys.executable, "-m", "rubin", "ui", *arguments]
    with subprocess.Popen(command, env=ENVIRON, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield process, process.stderr.readline()
        finally:
            process.kill()


def test_it_says_where_answers_and_ends_well(tmp_path: Path) -> None:
    ring = Ring()
    ring.append(generate(100))
    with (
        serving(ring, tmp_path),
        running("--listen", "127.0.0.1:0", "--server", f"unix://{tmp_path}/s") as (process, sentence),
    ):
        (link,) = re.findall(r"http://127\.0\.0\.1:\d+/", sentence)
        assert f"shows what unix://{tmp_path}/s sees; Ctrl-C ends it" in sentence
        assert httpx.get(f"{link}api/v1/meta", trust_env=False, timeout=30).json()["version"]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_where_others_may_connect_there_is_a_token(tmp_path: Path) -> None:
    with running("--listen", "0.0.0.0:0", "--server", f"unix://{tmp_path}/s") as (process, sentence):
        (port, token) = re.findall(r"http://\S+:(\d+)/\?token=([0-9a-f]{32}) ", sentence)[0]
        here = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{here}/api/v1/meta", trust_env=False, timeout=30).status_code == 401
        with httpx.Client(base_url=here, trust_env=False, timeout=30, follow_redirects=False) as client:
            assert client.get(f"/?token={token}").status_code == 303
            assert client.get("/api/v1/meta").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_port_in_use_is_a_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        with running("--listen", where) as (process, sentence):
            assert sentence == f"rubin: somebody listens at {where} already\n"
            assert process.wait(30) == 1


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(RubinError, match=r"192\.0\.2\.1:1 is no address of this machine"):
        listener("192.0.2.1:1")
    with pytest.raises(RubinError, match="is no host:port"):
        listener("nowhere")
    assert [is_local(text) for text in ("localhost:1", "[::1]:1", ":1", "0.0.0.0:1")] == [True, True, False, False]
