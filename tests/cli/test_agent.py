"""`rubin agent`: file, environment and flags to settings; the agent itself is tested end to end."""

from dataclasses import asdict, fields
from pathlib import Path

import pytest

from rubin.agent import AgentSettings
from rubin.cli.agent import command, settings
from rubin.cli.command import Arguments
from rubin.cli.settings import resolve
from rubin.errors import RubinError, UsageError
from rubin.words.flags import read
from tests.cli.running import Call


def made(line: str, environ: dict[str, str] | None = None) -> dict[str, object]:
    """What differs from the defaults."""
    flags = command().flags
    given = read(flags, line.split())
    values, sources = resolve(flags, given, {})
    found = settings(Arguments(values, given, sources), environ or {})
    return {name: value for name, value in asdict(found).items() if value != getattr(AgentSettings(), name)}


SETTINGS = [
    ("", {}, {}),
    ("--listen /tmp/s --listen-address=", {}, {"listen": "/tmp/s", "listen_address": ""}),
    ("--interface eth0,veth* --interface lo", {}, {"interface": ("eth0", "veth*", "lo")}),
    ("--vantage both --monitor-aggregation none", {}, {"vantage": "both", "monitor_aggregation": "none"}),
    ("--ring-capacity 1000 --export-file-compress", {}, {"ring_capacity": 1000, "export_file_compress": True}),
    ("--hubble-metrics drop --hubble-export-file-path stdout", {}, {"metrics": "drop", "export_file_path": "stdout"}),
    (
        "--hubble-listen-address 127.0.0.1:1 --hubble-socket-path /s --hubble-metrics-server :1",
        {},
        {"listen_address": "127.0.0.1:1", "listen": "/s", "metrics_address": ":1"},
    ),
    ("--hubble-event-buffer-capacity 63 --hubble-tls-key-file k", {}, {"ring_capacity": 63, "tls_key_file": "k"}),
    ("--enable-hubble --enable-hubble-open-metrics --hubble-disable-tls=false", {}, {}),
    ("--hubble-disable-tls --tls-crl-file crl", {}, {"disable_server_tls": True, "tls_crl_file": "crl"}),
    (
        "--hubble-metrics-server-enable-tls --hubble-metrics-server-tls-cert-file c",
        {},
        {"metrics_server_tls_cert_file": "c"},
    ),
    ("--export-fieldmask a,b", {}, {"export_fieldmask": ("a", "b")}),
    ("", {"RUBIN_NODE_NAME": "n", "HUBBLE_METRICS": "tcp"}, {"node_name": "n", "metrics": "tcp"}),
    ("--metrics drop", {"RUBIN_METRICS": "tcp", "HUBBLE_METRICS": "dns"}, {"metrics": "drop"}),
    ("", {"RUBIN_METRICS": "tcp", "HUBBLE_METRICS": "dns"}, {"metrics": "tcp"}),
    ("--debug", {}, {}),
    ("--hubble-redact-enabled --hubble-redact-http-urlquery=false", {}, {"redact_http_urlquery": False}),
    ("--hubble-redact-http-headers-allow a,b", {}, {"redact_http_headers_allow": ("a", "b")}),
    ("--redact-http-headers-allow=", {}, {"redact_http_headers_allow": ()}),
    ("", {"HUBBLE_REDACT_HTTP_USERINFO": "false"}, {"redact_http_userinfo": False}),
    ("--redact-values=false --redact-sql-literals=false", {}, {"redact_values": False, "redact_sql_literals": False}),
]


@pytest.mark.parametrize(("line", "environ", "wanted"), SETTINGS)
def test_flags_and_environment_are_settings(line: str, environ: dict[str, str], wanted: dict[str, object]) -> None:
    assert made(line, environ) == wanted


def test_the_file_counts_least(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(
        'node_name = "file"\nring_capacity = 5\ninterface = ["a", "b"]\ncluster_name = "c"\nredact_values = false\n'
    )
    found = made(f"--config {path} --node-name flag", {"RUBIN_RING_CAPACITY": "7"})
    wanted = {"node_name": "flag", "ring_capacity": 7, "interface": ("a", "b"), "cluster_name": "c"}
    assert found == wanted | {"redact_values": False}


def test_a_bad_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text("node_nam = 1\n")
    with pytest.raises(UsageError, match="setting 'node_nam' does not exist"):
        made(f"--config {path}")
    with pytest.raises(RubinError, match="cannot read"):
        made("--config /nonexistent")


def test_every_setting_has_a_flag_and_help_says_its_default(rubin: Call) -> None:
    flags = {flag.name for flag in command().flags}
    help_text = " ".join(rubin("agent", "--help").out.split())
    for field in fields(AgentSettings):
        assert field.name.replace("_", "-") in flags
        assert f"--{field.name.replace('_', '-')} " in help_text
    assert "(default 1000000)" in help_text
    assert "(default syn, fin, rst)" in help_text


REFUSED = [
    ("--enable-hubble=false", "--enable-hubble cannot be 'false'"),
    ("--hubble-metrics-server-enable-tls", "needs a certificate"),
    ("--hubble-redact-enabled=false", "--hubble-redact-enabled cannot be 'false'"),
    ("--hubble-metrics-address :1", "flag '--hubble-metrics-address' does not exist"),
    ("--hubble-metrics-series-limit 1", "flag '--hubble-metrics-series-limit' does not exist"),
]


@pytest.mark.parametrize(("line", "sentence"), REFUSED)
def test_what_hubbles_flags_cannot_say_is_refused(line: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        made(line)


def test_a_node_name_with_a_slash_is_refused(rubin: Call) -> None:
    done = rubin("agent", "--node-name", "a/b")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("rubin: node_name cannot be 'a/b'")


def test_headers_are_allowed_or_denied(rubin: Call) -> None:
    for words in (["agent"], ["replay", "/dev/null"]):
        done = rubin(*words, "--redact-http-headers-allow", "a", "--redact-http-headers-deny", "b")
        assert (done.code, done.out) == (2, "")
        assert "redact_http_headers_allow and redact_http_headers_deny contradict each other" in done.err
