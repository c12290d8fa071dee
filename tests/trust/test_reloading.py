"""Certificates, authorities and lists that change under a server or a client that goes on."""

import asyncio
import logging
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from rubin.api.client import Client, Dialling
from rubin.api.server import Server
from rubin.api.target import ClientSettings, reloading_context
from rubin.errors import RubinError
from rubin.store.ring import Ring
from rubin.trust.contexts import Reloading, server_context
from rubin.trust.files import TlsFiles
from rubin.trust.refusals import Refusals
from tests.api.serving import serving
from tests.api.test_client import ask
from tests.trust.made import DAY, aged, authority, issue, of_client, of_server, replaced
from tests.waiting import wait_for


def port(server: Server) -> str:
    return server.address.rpartition(":")[2]


def serial(server: Server, client: Path) -> str:
    """Of the certificate that the server shows to a new connection; "" where it does not let us in."""
    context = ssl.create_default_context(cafile=client / "ca.crt")
    context.load_cert_chain(client / "tls.crt", client / "tls.key")
    with socket.create_connection(("127.0.0.1", int(port(server)))) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as made:
                made.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5))
                assert made.recv(1)
                shown = made.getpeercert() or {}
                assert made.session is None or not made.session.has_ticket  # who comes back is checked again
        except (ssl.SSLError, ConnectionError):
            return ""
    return str(shown["serialNumber"]).lower().lstrip("0")


def newest(directory: Path, name: str) -> str:
    return next(f"{one.serial:x}" for one in authority(directory).issued() if one.name == name)


async def _capacity(client: Any) -> int:
    return int((await client.status()).max_flows)


def test_a_renewed_certificate_is_shown_to_who_comes_and_who_is_there_stays(tmp_path: Path):
    node, client = issue(tmp_path / "ca", "node"), issue(tmp_path / "ca", "client", "client")

    async def goes_on(server: Server) -> None:
        settings = ClientSettings(f"tls://localhost:{port(server)}", **of_client(client))
        async with Client(settings) as there:
            assert await _capacity(there) == 10
            before = newest(tmp_path / "ca", "node")
            assert authority(tmp_path / "ca").renew(["node"], 30 * DAY) == ["node"]
            after = newest(tmp_path / "ca", "node")
            assert before != after

            def is_shown() -> bool:
                shown = serial(server, client)
                assert shown in (before, after)  # nobody is turned away in between
                return shown == after

            await asyncio.to_thread(wait_for, is_shown, "the new certificate")
            assert await _capacity(there) == 10

    with serving(Ring(10), tmp_path, **of_server(node)) as server:
        asyncio.run(goes_on(server))


def test_an_authority_that_is_taken_away_lets_nobody_in_any_more(tmp_path: Path):
    node = issue(tmp_path / "old", "node")
    old, new = issue(tmp_path / "old", "client", "client"), issue(tmp_path / "new", "client", "client")
    both = (tmp_path / "old" / "ca.crt").read_bytes() + (tmp_path / "new" / "ca.crt").read_bytes()
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(both)
    (new / "ca.crt").write_bytes(both)
    with serving(Ring(10), tmp_path, **of_server(node, tls_client_ca_files=(str(trusted),))) as server:
        assert serial(server, old)
        assert serial(server, new)
        replaced(trusted, (tmp_path / "new" / "ca.crt").read_bytes())
        assert not serial(server, old)
        assert serial(server, new)


def test_who_is_revoked_is_not_let_in_any_more_and_others_are(tmp_path: Path):
    ca = tmp_path / "ca"
    node, bad, good = issue(ca, "node"), issue(ca, "bad", "client"), issue(ca, "good", "client")
    with serving(Ring(10), tmp_path, **of_server(node, tls_crl_file=str(ca / "crl.pem"))) as server:
        assert serial(server, bad)
        authority(ca).revoke(["bad"])
        aged(ca / "crl.pem")
        assert not serial(server, bad)
        with pytest.raises(RubinError, match="says that our certificate was revoked"):
            ask(f"tls://localhost:{port(server)}", _capacity, **of_client(bad))
        assert serial(server, good)


def test_a_kubernetes_secret_that_is_swapped_by_its_link_is_seen(tmp_path: Path):
    """kubelet writes a directory beside, and renames a link `..data` to it."""
    ca, volume = tmp_path / "ca", tmp_path / "volume"
    client = issue(ca, "client", "client")
    volume.mkdir()
    for number in ("1", "2"):
        made = issue(ca, f"node-{number}")
        made.rename(volume / f"..{number}")
        aged(*(volume / f"..{number}").iterdir())
    (volume / "..data").symlink_to("..1")
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (volume / name).symlink_to(f"..data/{name}")
    with serving(Ring(10), tmp_path, **of_server(volume)) as server:
        first = serial(server, client)
        (volume / "..data_tmp").symlink_to("..2")
        (volume / "..data_tmp").rename(volume / "..data")
        assert serial(server, client) not in ("", first)


def test_a_client_that_goes_on_trusts_as_its_files_say_at_that_moment(tmp_path: Path):
    old, new, strict = tmp_path / "old", tmp_path / "new", tmp_path / "strict.pem"
    client = issue(new, "client", "client")
    authority(old)
    strict.write_bytes((old / "ca.crt").read_bytes())
    settings = ClientSettings(**of_client(client, tls_ca_cert_files=(str(strict),)))
    dialling = Dialling(tls=reloading_context(settings).context)

    async def reach(server: Server) -> int:
        async with Client(ClientSettings(f"tls://localhost:{port(server)}"), dialling) as made:
            return await _capacity(made)

    with serving(Ring(10), tmp_path, **of_server(issue(new, "node"))) as server:
        with pytest.raises(RubinError, match="of an authority that is not trusted"):
            asyncio.run(reach(server))
        replaced(strict, (new / "ca.crt").read_bytes())
        assert asyncio.run(reach(server)) == 10
        replaced(strict, (old / "ca.crt").read_bytes())
        with pytest.raises(RubinError, match="of an authority that is not trusted"):
            asyncio.run(reach(server))


def reloading(place: Path) -> tuple[Reloading, ssl.SSLContext]:
    files = TlsFiles(str(place / "tls.crt"), str(place / "tls.key"), (str(place / "ca.crt"),))
    aged(*place.iterdir())
    made = Reloading(lambda: server_context(files, Refusals()), files)
    return made, made.newest()


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("tls.crt", lambda content: content[:200], "tls.crt holds no whole certificate"),
        ("tls.key", lambda content: content[:100], "tls.key holds no whole private key"),
        ("ca.crt", lambda content: content[:-30], "ca.crt holds no whole certificate"),
        ("tls.crt", None, "tls.crt: No such file or directory"),
        ("tls.key", "of another", "does not belong to the certificate"),
    ],
)
def test_half_of_a_change_changes_nothing_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, spoil, says: str
):
    place, other = issue(tmp_path, "node"), issue(tmp_path, "other")
    made, before = reloading(place)
    content = (place / name).read_bytes()
    caplog.set_level(logging.INFO)
    if spoil is None:
        (place / name).unlink()
    else:
        replaced(place / name, (other / name).read_bytes() if spoil == "of another" else spoil(content))
    for _ in range(3):
        assert made.newest() is before
        assert says in made.trouble
    assert len([one for one in caplog.records if "tls=stale" in one.getMessage()]) == 1

    replaced(place / name, content)
    assert made.newest() is not before
    assert made.trouble == ""
    assert "tls=reloaded" in caplog.text


def test_what_was_gone_and_is_back_as_it_was_is_no_trouble_any_more(tmp_path: Path):
    place = issue(tmp_path, "node")
    made, before = reloading(place)
    place.rename(tmp_path / "away")
    assert made.newest() is before
    assert "tls.crt: No such file or directory" in made.trouble
    (tmp_path / "away").rename(place)
    assert made.newest() is before
    assert made.trouble == ""


def test_what_may_still_be_being_written_is_not_read_yet(tmp_path: Path):
    place = issue(tmp_path, "node")
    made, before = reloading(place)
    certificate = place / "tls.crt"
    coming = time.time() + 3600
    os.utime(certificate, (coming - 3600, coming - 3600))
    assert made.newest() is before
    os.utime(certificate, (coming, coming))  # a clock that was wrong
    assert made.newest() is not before


def test_what_does_not_change_is_not_read_again(tmp_path: Path):
    made, before = reloading(issue(tmp_path, "node"))
    assert made.newest() is before
