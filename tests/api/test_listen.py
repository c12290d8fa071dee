"""Where a server listens, who may connect, and what it says when it cannot."""

import asyncio
import os
import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import grpc
import pytest

from rubin.api.framing import NotGRPC
from rubin.api.listen import ListenSettings, host_and_port, tcp_socket, tls_of, unix_socket
from rubin.api.listening import Listening
from rubin.api.peer import peer_service, reachable, server_name
from rubin.api.server import Server, ServerThread
from rubin.api.target import ClientSettings, target_of
from rubin.api.trouble import explained
from rubin.errors import RubinError, UsageError
from rubin.store.ring import Ring
from rubin.wire.pb import observer_pb2 as pb
from tests.api.hubble import hubble
from tests.api.serving import Foreign, serving
from tests.api.test_client import ask

CERTIFICATES = Path(__file__).parent / "certificates"
TLS: dict[str, Any] = {
    "tls_cert_file": str(CERTIFICATES / "server.pem"),
    "tls_key_file": str(CERTIFICATES / "server.key"),
}
MUTUAL: dict[str, Any] = {**TLS, "tls_client_ca_files": (str(CERTIFICATES / "ca.pem"),)}
CA: dict[str, Any] = {"tls_ca_cert_files": (str(CERTIFICATES / "ca.pem"),)}
CLIENT: dict[str, Any] = {
    **CA,
    "tls_client_cert_file": str(CERTIFICATES / "client.pem"),
    "tls_client_key_file": str(CERTIFICATES / "client.key"),
}
STRANGER: dict[str, Any] = {
    **CA,
    "tls_client_cert_file": str(CERTIFICATES / "other.pem"),
    "tls_client_key_file": str(CERTIFICATES / "other.key"),
}


def _pem(name: str) -> bytes:
    return (CERTIFICATES / name).read_bytes()


def test_the_socket_is_for_owner_and_group_and_goes_with_the_server(tmp_path: Path):
    with serving(Ring(10), tmp_path):
        mode = os.stat(tmp_path / "s").st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o660
    assert not (tmp_path / "s").exists()


def test_a_dead_servers_socket_is_replaced(tmp_path: Path):
    path = str(tmp_path / "deep" / "s")
    unix_socket(path).close()
    assert os.path.exists(path)
    unix_socket(path).close()


def test_a_living_servers_socket_is_not(tmp_path: Path):
    with serving(Ring(10), tmp_path) as server:
        with pytest.raises(RubinError, match="another server listens on"):
            unix_socket(str(tmp_path / "s"))
        second = ServerThread(Server(Ring(10), ListenSettings(str(tmp_path / "s"), "127.0.0.1:0")))
        with pytest.raises(RubinError, match="another server listens on"):
            second.start()
        with Foreign(server.address) as foreign:
            assert foreign.ServerStatus().max_flows == 10


def test_a_socket_path_that_is_too_long_is_said():
    with pytest.raises(UsageError, match="has 112 bytes, a socket can have 107"):
        unix_socket("/tmp/" + "x" * 107)


def test_a_file_is_not_taken_for_a_socket(tmp_path: Path):
    (tmp_path / "s").write_text("precious")
    with pytest.raises(RubinError, match="is no socket"):
        unix_socket(str(tmp_path / "s"))
    assert (tmp_path / "s").read_text() == "precious"


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RubinError, match=f"{address} is in use") as refused:
            tcp_socket(address, tls=False)
    assert refused.value.way_on


@pytest.mark.parametrize("address", [":0", "0.0.0.0:0", "[::]:0"])
def test_without_tls_tcp_stays_on_this_machine(address: str):
    with pytest.raises(RubinError, match="without TLS would show every flow to the network"):
        tcp_socket(address, tls=False)
    tcp_socket(address, tls=True).close()


def test_what_is_public_needs_no_tls(caplog: pytest.LogCaptureFixture):
    listening = Listening(ListenSettings("", "0.0.0.0:0", is_public=True), {})
    listening.open()
    asyncio.run(_serve_nothing(listening))
    assert listening.address.startswith("0.0.0.0:")
    assert not caplog.records


async def _serve_nothing(listening: Listening) -> None:
    await listening.serve([])
    await listening.close()


def test_without_tls_tcp_goes_beyond_it_where_tls_is_disabled_by_name(caplog: pytest.LogCaptureFixture):
    tcp_socket("127.0.0.1:0", tls=False, disable_server_tls=True).close()
    assert not caplog.records  # nothing has changed for this machine alone
    tcp_socket("0.0.0.0:0", tls=False, disable_server_tls=True).close()
    (told,) = (record.getMessage() for record in caplog.records)
    assert told.startswith("tls=disabled address=0.0.0.0:0")
    assert "whoever reaches it reads all that it serves" in told


def test_with_tls_disabled_by_name_whoever_reaches_the_server_is_answered(tmp_path: Path):
    with serving(Ring(10), tmp_path, listen_address="0.0.0.0:0", disable_server_tls=True, **MUTUAL) as server:
        assert ask(f"127.0.0.1:{server.address.rpartition(':')[2]}", _capacity) == 10
        assert server.tls_status() == {}
    with serving(Ring(10), tmp_path, **MUTUAL) as server:
        with pytest.raises(RubinError):
            ask(f"tls://localhost:{server.address.rpartition(':')[2]}", _capacity, **CA)
        assert server.tls_status() == {"files": "in use", "refused": {"the client has no certificate": 1}}


def test_where_tls_is_disabled_certificates_are_not_used_and_it_is_said(caplog: pytest.LogCaptureFixture):
    assert tls_of(ListenSettings(**MUTUAL, disable_server_tls=True)) is None
    assert "certificates are named, and not used" in caplog.text
    assert tls_of(ListenSettings(**MUTUAL)) is not None
    assert tls_of(ListenSettings()) is None


@pytest.mark.parametrize("address", ["", "localhost", "4244", "::1:4244", "localhost:http", "localhost:70000"])
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(UsageError):
        host_and_port(address)


def test_mutual_tls_lets_in_whom_the_ca_signed(tmp_path: Path):
    with serving(Ring(10), tmp_path, **MUTUAL) as server:
        port = server.address.rpartition(":")[2]
        target = f"tls://localhost:{port}"
        assert ask(target, _capacity, **CLIENT) == 10
        credentials = grpc.ssl_channel_credentials(_pem("ca.pem"), _pem("client.key"), _pem("client.pem"))
        with Foreign(f"localhost:{port}", credentials) as foreign:
            assert foreign.ServerStatus().max_flows == 10
            peer = next(foreign.Notify())
            assert peer.tls.server_name == "node-1.default.hubble-grpc.cilium.io"
        for settings, says in (
            (CA, "wants a client certificate"),
            (STRANGER, "does not trust the authority of our certificate"),
            ({}, "is of an authority that is not trusted"),
            ({**CLIENT, "tls_server_name": "example.com"}, "does not carry the name example.com"),
        ):
            with pytest.raises(RubinError, match=says):
                ask(target, _capacity, **settings)
        assert ask(target, _capacity, **{**CLIENT, "tls_server_name": "node-1.default.hubble-grpc.cilium.io"}) == 10
        with pytest.raises(RubinError, match=r"wants TLS|hung up"):
            ask(f"localhost:{port}", _capacity)
        assert ask(f"unix://{tmp_path}/s", _capacity) == 10


def test_tls_against_a_server_without_it(tmp_path: Path):
    with serving(Ring(10), tmp_path) as server, pytest.raises(RubinError, match="does not speak TLS"):
        ask(f"tls://{server.address}", _capacity, **CA)


def test_tls_and_a_name_against_a_foreign_server():
    def answer(_method: str, _request: bytes, context: Any) -> pb.ServerStatusResponse:
        metadata = dict(context.invocation_metadata())
        return pb.ServerStatusResponse(version=metadata["authorization"], max_flows=10)

    async def version(client: Any) -> str:
        return str((await client.status()).version)

    credentials = grpc.ssl_server_credentials([(_pem("server.key"), _pem("server.pem"))])
    with hubble(answer, credentials) as address:
        named = {"basic_auth_username": "me", "basic_auth_password": "secret"}
        assert ask(f"tls://{address}", version, **CA, **named) == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize("settings", [CA, STRANGER])
def test_a_foreign_server_that_wants_another_certificate(settings: dict[str, Any]):
    pair = (_pem("server.key"), _pem("server.pem"))
    credentials = grpc.ssl_server_credentials([pair], _pem("ca.pem"), require_client_auth=True)
    with hubble(lambda *_: None, credentials) as address, pytest.raises(RubinError, match="want a client certificate"):
        ask(f"tls://{address}", _capacity, **settings)


@pytest.mark.parametrize(
    ("alert", "says"),
    [
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", "wants a client certificate"),
        ("[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca", "does not trust the authority of our"),
        ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] bad certificate", "does not accept our certificate"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "does not speak TLS"),
        ("[SSL: NO_PROTOCOLS_AVAILABLE] no protocols available", "TLS with tls://a:1 failed"),
    ],
)
def test_what_a_tls_alert_means(alert: str, says: str):
    settings = ClientSettings("tls://a:1")
    error = NotGRPC(b"", ssl.SSLError(1, alert))
    assert says in explained(error, target_of(settings), settings).sentence


def test_older_tls_is_refused(tmp_path: Path):
    with serving(Ring(10), tmp_path, **TLS) as server:
        context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        host, _, port = server.address.rpartition(":")
        with (
            socket.create_connection((host, int(port))) as plain,
            pytest.raises(ssl.SSLError),
            context.wrap_socket(plain, server_hostname="localhost"),
        ):
            pass


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tls_cert_file": "a"}, "certificate and private key are both required"),
        ({"tls_client_ca_files": ("a",)}, "certificate and private key are both required"),
        ({"tls_crl_file": "a"}, "certificate and private key are both required"),
        ({**TLS, "tls_crl_file": "a"}, "revoked certificates are named, and no client needs any certificate"),
        ({"tls_cert_file": "/nowhere", "tls_key_file": "/nowhere"}, "TLS files: /nowhere: No such file or directory"),
        ({**TLS, "tls_key_file": str(CERTIFICATES / "other.key")}, "other.key does not belong to the certificate"),
    ],
)
def test_tls_settings_that_cannot_be(tmp_path: Path, settings: dict[str, Any], says: str):
    with pytest.raises(RubinError, match=says), serving(Ring(10), tmp_path, **settings):
        pass
    assert not (tmp_path / "s").exists()


def test_a_peer_is_named_as_hubble_names_it():
    assert server_name("node.example.com") == "node-example-com.default.hubble-grpc.cilium.io"
    assert server_name("east.1/node-7") == "node-7.east-1.hubble-grpc.cilium.io"
    assert "/peer.Peer/Notify" in peer_service("a", "", tls=False).__mapping__()


def test_a_wildcard_is_told_as_an_address_of_the_machine():
    assert reachable("127.0.0.1:4244") == "127.0.0.1:4244"
    assert reachable("") == ""
    assert not reachable("[::]:4244").startswith(("[::]", "0.0.0.0"))


async def _capacity(client: Any) -> int:
    return int((await client.status()).max_flows)
