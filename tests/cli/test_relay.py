"""`rubin relay`: file, environment and flags to settings, by our names and by Hubble Relay's."""

from dataclasses import asdict
from pathlib import Path

import pytest

from rubin.cli.command import Arguments
from rubin.cli.relay import command, settings
from rubin.cli.settings import resolve
from rubin.errors import UsageError
from rubin.relay.settings import RelaySettings
from rubin.words.flags import read


def made(line: str, environ: dict[str, str] | None = None) -> dict[str, object]:
    """What differs from the defaults."""
    flags = command().flags
    given = read(flags, line.split())
    values, sources = resolve(flags, given, {})
    found = settings(Arguments(values, given, sources), environ or {})
    return {name: value for name, value in asdict(found).items() if value != getattr(RelaySettings(), name)}


SETTINGS = [
    ("", {}, {}),
    ("--peers a:1,b:2 --peers c:3", {}, {"peers": ("a:1", "b:2", "c:3")}),
    ("--tls-hubble-client-cert-file c", {}, {"tls_node_client_cert_file": "c"}),
    ("", {"RELAY_PEER_SERVICE": "unix:///s"}, {"peer_service": "unix:///s"}),
    ("", {"RELAY_TLS_HUBBLE_SERVER_CA_FILES": "a,b"}, {"tls_node_ca_files": ("a", "b")}),
    ("", {"RELAY_CLUSTER_NAME": "theirs", "RUBIN_CLUSTER_NAME": "ours"}, {"cluster_name": "ours"}),
    ("--cluster-name=flag", {"RUBIN_CLUSTER_NAME": "ours"}, {"cluster_name": "flag"}),
    ("", {"RELAY_LOG_LEVEL": "debug", "PEERS": "a:1"}, {}),
]


@pytest.mark.parametrize(("line", "environ", "wanted"), SETTINGS)
def test_flags_and_environment_are_settings(line: str, environ: dict[str, str], wanted: dict[str, object]) -> None:
    assert made(line, environ) == wanted


def test_a_file_counts_least(tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    path.write_text('cluster_name = "file"\nbuffer_flows = 7\n')
    assert made(f"--config {path}") == {"cluster_name": "file", "buffer_flows": 7}
    assert made(f"--config {path}", {"RELAY_CLUSTER_NAME": "theirs"}) == {"cluster_name": "theirs", "buffer_flows": 7}


def test_a_setting_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    path.write_text('clustername = "file"\n')
    with pytest.raises(UsageError, match="'clustername' does not exist"):
        made(f"--config {path}")
