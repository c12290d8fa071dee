import gzip
import http.client
import shutil
import socket
import ssl
import subprocess
from contextlib import contextmanager

import pytest

from rubin.errors import RubinError, UsageError
from rubin.metrics.http import Server, Settings
from tests.waiting import wait_for

PAGE = b"a 1\n" * 2_000


@contextmanager
def serving(**settings):
    server = Server(
        Settings(**{"listen": "127.0.0.1:0", **settings}), lambda open_metrics: b"open" if open_metrics else PAGE
    )
    server.start()
    try:
        yield server
    finally:
        server.close()


def get(server, path="/metrics", tls=None, method="GET", **headers):
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=tls)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_the_page_is_served_in_the_format_that_was_asked_for():
    with serving() as server:
        status, headers, body = get(server)
        assert (status, body) == (200, PAGE)
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        status, headers, body = get(server, Accept="application/openmetrics-text;version=1.0.0")
        assert (status, body) == (200, b"open")
        assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")


def test_a_client_that_can_unzip_gets_less_bytes():
    with serving() as server:
        _, headers, body = get(server, Accept_Encoding="gzip")
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body) == PAGE
        assert len(body) < len(PAGE) / 10


def test_health_and_unknown_paths():
    with serving() as server:
        assert get(server, "/healthz")[0] == 200
        assert get(server, "/")[0] == 404
        assert get(server, "/metrics?x=1")[0] == 200


def test_head_is_get_without_the_body():
    with serving() as server:
        for path in ("/metrics", "/healthz", "/"):
            status, headers, body = get(server, path)
            alone = get(server, path, method="HEAD")
            assert (alone[0], alone[2]) == (status, b"")
            assert alone[1]["Content-Length"] == headers["Content-Length"] == str(len(body))


def test_requests_are_counted_by_code():
    with serving() as server:
        get(server)
        get(server)
        get(server, "/nothing")

        def counted():
            return [line for family in server.requests.families() for line in family.lines if "requests_total" in line]

        name = "hubble_metrics_http_handler_requests_total"
        told = [f'{name}{{code="200"}} 2', f'{name}{{code="404"}} 1']
        wait_for(lambda: counted() == told, "the answers to be counted, which are out before")


def test_one_connection_serves_many_scrapes():
    with serving() as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        for _ in range(3):
            connection.request("GET", "/metrics")
            assert connection.getresponse().read() == PAGE
        connection.close()


def test_clients_that_say_nothing_do_not_keep_others_out_for_ever_nor_the_agent_from_ending():
    with serving() as server:
        silent = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(15)]
        assert get(server)[0] == 200
        silent += [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(5)]
        # beyond sixteen, connections are closed at once
        assert any(_closed(one) for one in silent[15:])
    for one in silent:
        one.close()


def _closed(connection):
    connection.settimeout(1)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("noise", [b"", b"\x16\x03\x01\x00", b"GET\r\n\r\n", b"GET /" + b"x" * 70_000, b"\0" * 100])
def test_noise_harms_nobody(noise):
    with serving() as server:
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            connection.sendall(noise)
            connection.shutdown(socket.SHUT_WR)
        assert get(server)[0] == 200


def test_a_port_in_use_is_an_error_with_a_way_on():
    with serving() as server, pytest.raises(RubinError) as caught:
        Server(Settings(listen=f"127.0.0.1:{server.port}"), lambda _: b"")
    assert str(server.port) in caught.value.sentence
    assert caught.value.way_on


@pytest.mark.parametrize("listen", ["", "9965", ":", ":x", "localhost:99999"])
def test_what_is_no_address_is_refused(listen):
    with pytest.raises(UsageError):
        Server(Settings(listen=listen), lambda _: b"")


def test_all_addresses_means_both_families():
    with serving(listen=":0") as server:
        assert get(server)[0] == 200
        with socket.create_connection(("::1", server.port), 10):
            pass


pytestmark_tls = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


def certify(folder, name, authority=None):
    """A key and a certificate for localhost, signed by itself or by an authority."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    if authority:
        command += ["-CA", str(folder / f"{authority}.pem"), "-CAkey", str(folder / f"{authority}.key")]
        command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return str(certificate), str(key)


def refuses(server, trust):
    try:
        get(server, tls=trust)
    except ssl.SSLError:
        return True
    return False


@pytestmark_tls
def test_tls_serves_who_trusts_and_reads_changed_certificates(tmp_path):
    certificate, key = certify(tmp_path, "first")
    trust = ssl.create_default_context(cafile=certificate)
    with serving(tls_certificate=certificate, tls_key=key) as server:
        assert get(server, tls=trust)[2] == PAGE
        with pytest.raises((OSError, http.client.HTTPException)):
            get(server)
        (tmp_path / "first.pem").write_text("broken")
        assert get(server, tls=trust)[0] == 200
        certify(tmp_path, "first")
        wait_for(lambda: refuses(server, trust), "the new certificate")
        assert get(server, tls=ssl.create_default_context(cafile=certificate))[0] == 200
        old = ssl.create_default_context(cafile=certificate)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            get(server, tls=old)


@pytestmark_tls
def test_with_mutual_tls_only_certified_clients_are_served(tmp_path):
    certificate, key = certify(tmp_path, "server")
    authority, _ = certify(tmp_path, "authority")
    client = certify(tmp_path, "client", "authority")
    trust = ssl.create_default_context(cafile=certificate)
    with serving(tls_certificate=certificate, tls_key=key, tls_client_authorities=authority) as server:
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            get(server, tls=trust)
        trust.load_cert_chain(*client)
        assert get(server, tls=trust)[2] == PAGE


@pytest.mark.parametrize("given", [{"tls_certificate": "a.pem"}, {"tls_client_authorities": "a.pem"}])
def test_half_a_tls_configuration_is_refused(given):
    with pytest.raises(UsageError):
        Server(Settings(listen="127.0.0.1:0", **given), lambda _: b"")


def test_certificates_that_are_not_there_are_an_error():
    with pytest.raises(RubinError) as caught:
        Server(Settings(listen="127.0.0.1:0", tls_certificate="/nowhere.pem", tls_key="/nowhere.key"), lambda _: b"")
    assert "/nowhere" in caught.value.sentence
