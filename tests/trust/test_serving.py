"""Who trusts whom, over real sockets: our server, our client, and what each says of the other."""

import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest

from rubin.errors import RubinError
from rubin.store.ring import Ring
from rubin.wire.pb import observer_pb2 as pb
from tests.api.hubble import hubble
from tests.api.serving import Foreign, serving
from tests.api.test_client import ask
from tests.trust.made import DAY, NOW, authority, issue, of_client, of_server
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority with certificates that do, and all that do not."""
    here = tmp_path_factory.mktemp("ours")
    for name, kind, at in (
        ("server", "node", NOW),
        ("expired-server", "node", NOW - 20 * DAY),
        ("coming-server", "node", NOW + 20 * DAY),
        ("revoked-server", "node", NOW),
        ("client", "client", NOW),
        ("expired", "client", NOW - 20 * DAY),
        ("coming", "client", NOW + 20 * DAY),
        ("revoked", "client", NOW),
        ("relay", "relay", NOW),
    ):
        issue(here, name, kind, at)
    authority(here).revoke(["revoked", "revoked-server"])
    return here


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another authority of the same name."""
    here = tmp_path_factory.mktemp("theirs")
    issue(here, "client", "client")
    return here


@pytest.fixture(scope="module")
def server(ours: Path, tmp_path_factory: pytest.TempPathFactory):
    """A server that wants certificates, and knows what is revoked."""
    settings = of_server(ours / "server", tls_crl_file=str(ours / "crl.pem"))
    with serving(Ring(10), tmp_path_factory.mktemp("server"), **settings) as server:
        yield f"tls://localhost:{server.address.rpartition(':')[2]}"


def refused(target: str, **settings: Any) -> RubinError:
    with pytest.raises(RubinError) as error:
        ask(target, _capacity, **settings)
    assert error.value.way_on
    return error.value


async def _capacity(client: Any) -> int:
    return int((await client.status()).max_flows)


CLIENTS = [
    ("", "wants a client certificate", "the client has no certificate"),
    ("theirs", "does not trust the authority of our certificate", "is of an authority that is not trusted"),
    ("expired", "says that our certificate has expired", "the client's certificate has expired"),
    ("coming", "does not accept our certificate: bad certificate", "the client's certificate is not valid yet"),
    ("revoked", "says that our certificate was revoked", "the client's certificate was revoked"),
    ("server", "says that our certificate was made for another purpose", "certificate was made for another purpose"),
]


@pytest.mark.parametrize(("name", "says", "logged"), CLIENTS)
def test_a_client_that_is_refused_is_told_why_and_so_is_the_log(
    server: str, ours: Path, theirs: Path, caplog: pytest.LogCaptureFixture, name: str, says: str, logged: str
):
    place = theirs / "client" if name == "theirs" else ours / name
    settings = of_client(place, tls_ca_cert_files=(str(ours / "ca.crt"),))
    if not name:
        settings = {"tls_ca_cert_files": (str(ours / "ca.crt"),)}
    for _ in range(3):
        assert says in refused(server, **settings).sentence
    told = [record.getMessage() for record in caplog.records if "tls=refused" in record.getMessage()]
    assert len(told) == 1  # and not once a client
    assert logged in told[0]


def test_who_may_is_let_in_under_every_name_that_hubble_asks_for(server: str, ours: Path):
    for name in ("client", "relay"):
        for server_name in ("", "server.default.hubble-grpc.cilium.io", "hubble-peer.default.hubble-grpc.cilium.io"):
            settings = of_client(ours / name, tls_server_name=server_name, tls_crl_file=str(ours / "crl.pem"))
            assert ask(server, _capacity, **settings) == 10


SERVERS = [
    ("server", {"tls_server_name": "other.default.hubble-grpc.cilium.io"}, "does not carry the name other.default."),
    ("server", {"tls_server_name": "192.0.2.1"}, "does not carry the address 192.0.2.1"),
    ("server", {"tls_ca_cert_files": ()}, "is of an authority that is not trusted"),
    ("expired-server", {}, "has expired; here it is 2"),
    ("coming-server", {}, "is not valid yet; here it is 2"),
    ("revoked-server", {}, "was revoked"),
    ("client", {}, "was made for another purpose"),
]


@pytest.mark.parametrize(("name", "settings", "says"), SERVERS)
def test_a_server_that_is_not_to_be_trusted_is_not(
    tmp_path: Path, ours: Path, theirs: Path, name: str, settings: dict[str, Any], says: str
):
    made = of_client(ours / "client", tls_crl_file=str(ours / "crl.pem")) | settings
    with serving(Ring(10), tmp_path, **of_server(ours / name)) as server:
        target = f"tls://localhost:{server.address.rpartition(':')[2]}"
        assert f"the certificate of {target} {says}" in refused(target, **made).sentence
        anyway = {**made, "tls_allow_insecure": True, "tls_crl_file": ""}
        assert ask(target, _capacity, **anyway) == 10


def test_a_wildcard_stands_for_one_node_of_the_cluster_and_no_more(tmp_path: Path, ours: Path):
    every = authority(ours).issue(["*"], "node", "default", (), DAY)[0]
    with serving(Ring(10), tmp_path, **of_server(every)) as server:
        target = f"tls://localhost:{server.address.rpartition(':')[2]}"
        for name, is_there in (("a", True), ("hubble-peer", True), ("a.b", False)):
            settings = of_client(ours / "relay", tls_server_name=f"{name}.default.hubble-grpc.cilium.io")
            if is_there:
                assert ask(target, _capacity, **settings) == 10
            else:
                assert "does not carry the name" in refused(target, **settings).sentence


def test_an_authority_without_a_list_of_revoked_ones_is_said(tmp_path: Path, ours: Path, theirs: Path):
    lists = {"tls_crl_file": str(theirs / "crl.pem")}
    with serving(Ring(10), tmp_path, **of_server(ours / "server")) as server:
        target = f"tls://localhost:{server.address.rpartition(':')[2]}"
        told = refused(target, **of_client(ours / "client", **lists))
        assert "of which the file of revoked certificates has no list" in told.sentence
        assert "--tls-crl-file" in told.way_on


def test_what_speaks_no_tls_is_hung_up_on_and_logged(server: str, caplog: pytest.LogCaptureFixture):
    with pytest.raises(RubinError, match="may want TLS"):
        ask(server.removeprefix("tls://"), _capacity)
    address = server.removeprefix("tls://").rsplit(":", 1)
    with socket.create_connection((address[0], int(address[1])), timeout=20) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert plain.recv(1) == b""
    assert "reason='the client does not speak TLS'" in caplog.text


def test_a_client_that_does_not_trust_the_server_is_logged_with_its_reason(
    server: str, theirs: Path, caplog: pytest.LogCaptureFixture
):
    host, _, port = server.removeprefix("tls://").rpartition(":")
    context = ssl.create_default_context(cafile=theirs / "ca.crt")
    with socket.create_connection((host, int(port))) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname=host)
    wait_for(lambda: "reason='the client refuses: unknown ca'" in caplog.text, "the log's line")


def test_secrets_as_ciliums_chart_makes_them_are_taken_as_they_are(tmp_path: Path):
    """RSA, an authority that may sign no lists, one wildcard for all nodes, a key of the old kind (PKCS #1)."""
    usage = "keyUsage=critical,digitalSignature,keyEncipherment"
    both = "extendedKeyUsage=serverAuth,clientAuth"
    new = "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -batch"
    authority_files = f"-keyout {tmp_path}/ca.key -out {tmp_path}/ca.crt"
    ran(f"{new} {authority_files} -subj", "/CN=Cilium CA", "-addext", f"{usage},keyCertSign", "-addext", both)
    for name, host in (("server", "*.default.hubble-grpc.cilium.io"), ("relay", "*.hubble-relay.cilium.io")):
        place = tmp_path / name
        place.mkdir()
        shutil.copy(tmp_path / "ca.crt", place)
        signed = f"-CA {tmp_path}/ca.crt -CAkey {tmp_path}/ca.key -keyout {place}/new.key -out {place}/tls.crt"
        ran(f"{new} {signed} -subj /CN={host} -addext {usage} -addext {both} -addext subjectAltName=DNS:{host}")
        ran(f"openssl pkey -traditional -in {place}/new.key -out {place}/tls.key")
    with serving(Ring(10), tmp_path, **of_server(tmp_path / "server")) as server:
        name = "node-1.default.hubble-grpc.cilium.io"
        assert ask(f"tls://{server.address}", _capacity, **of_client(tmp_path / "relay", tls_server_name=name)) == 10
        pem = [(tmp_path / "relay" / file).read_bytes() for file in ("ca.crt", "tls.key", "tls.crt")]
        override = {"grpc.ssl_target_name_override": name}
        with Foreign(server.address, grpc.ssl_channel_credentials(*pem), **override) as foreign:
            assert foreign.ServerStatus().max_flows == 10
            assert next(foreign.Notify()).tls.server_name == name


def test_grpcs_own_library_takes_what_is_made_here(server: str, ours: Path):
    pem = [(ours / "relay" / file).read_bytes() for file in ("ca.crt", "tls.key", "tls.crt")]
    with Foreign(server.removeprefix("tls://"), grpc.ssl_channel_credentials(*pem)) as foreign:
        assert foreign.ServerStatus().max_flows == 10
    pem = [(ours / "server" / file).read_bytes() for file in ("ca.crt", "tls.key", "tls.crt")]
    credentials = grpc.ssl_server_credentials([(pem[1], pem[2])], pem[0], require_client_auth=True)
    answer = pb.ServerStatusResponse(max_flows=7)
    with hubble(lambda *_: answer, credentials) as address:
        target = f"tls://localhost:{address.rpartition(':')[2]}"
        assert ask(target, _capacity, **of_client(ours / "client")) == 7


def ran(line: str, *more: str) -> None:
    subprocess.run([*line.split(), *more], check=True, capture_output=True)
