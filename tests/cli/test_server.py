"""Which server is asked when none is named."""

import socket
from pathlib import Path

import pytest

from rubin.api.target import ClientSettings
from rubin.cli.command import Arguments
from rubin.cli.server import client_settings
from rubin.cli.settings import SERVER, resolve
from rubin.errors import UsageError
from rubin.words.flags import read


def asked(line: str, local_socket: Path, **environ: str) -> ClientSettings:
    given = read(SERVER, line.split())
    values, sources = resolve(SERVER, given, {"HOME": "/nonexistent"} | environ)
    return client_settings(Arguments(values, given, sources), str(local_socket))


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """A socket at which someone listens as long as the test runs."""
    return tmp_path / "agent.sock"


def test_the_agent_of_this_machine_is_asked_where_there_is_one(agent: Path) -> None:
    assert asked("", agent).server == "localhost:4245"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(agent))
        assert asked("", agent).server == "localhost:4245"  # nobody listens yet, as after a crash
        listener.listen()
        assert asked("", agent).server == f"unix://{agent}"
        assert asked("--server localhost:4245", agent).server == "localhost:4245"
        assert asked("", agent, HUBBLE_SERVER="relay:4245").server == "relay:4245"
        assert asked("--tls", agent).server == "localhost:4245"


def test_flags_are_the_clients_settings(agent: Path) -> None:
    line = "--server tls://a:1 --timeout 3s --request-timeout 1m --tls-ca-cert-files a,b --tls-server-name n"
    made = asked(line, agent)
    assert (made.server, made.timeout_s, made.request_timeout_s) == ("tls://a:1", 3.0, 60.0)
    assert (made.tls_ca_cert_files, made.tls_server_name) == (("a", "b"), "n")


def test_forwarding_says_how_to_do_it_by_hand(agent: Path) -> None:
    with pytest.raises(UsageError, match="not supported yet") as caught:
        asked("-P", agent)
    assert caught.value.way_on.startswith("kubectl -n kube-system port-forward")
